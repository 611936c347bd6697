"""`focal_ref.conventions.profiles` by its public name."""

from .conventions.profiles import *  # noqa: F403
from .conventions.profiles import __all__ as __all__

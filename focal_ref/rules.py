"""`focal_ref.conventions.rules` by its public name."""

from .conventions.rules import *  # noqa: F403
from .conventions.rules import __all__ as __all__

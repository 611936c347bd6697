"""`focal_ref.libraries.backends` by its public name."""

from .libraries.backends import *  # noqa: F403
from .libraries.backends import __all__ as __all__

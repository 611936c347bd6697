"""`focal_ref.conventions.soft_targets` by its public name."""

from .conventions.soft_targets import *  # noqa: F403
from .conventions.soft_targets import __all__ as __all__

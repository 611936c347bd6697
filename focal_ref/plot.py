"""`focal_ref.pictures.curves` by its public name."""

from .pictures.curves import *  # noqa: F403
from .pictures.curves import __all__ as __all__

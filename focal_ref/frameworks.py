"""`focal_ref.libraries.frameworks` by its public name."""

from .libraries.frameworks import *  # noqa: F403
from .libraries.frameworks import __all__ as __all__

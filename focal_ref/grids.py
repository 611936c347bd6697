"""`focal_ref.conformance.grids` by its public name."""

from .conformance.grids import *  # noqa: F403
from .conformance.grids import __all__ as __all__

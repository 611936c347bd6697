"""`focal_ref.calibration.balancing` by its public name."""

from .calibration.balancing import *  # noqa: F403
from .calibration.balancing import __all__ as __all__

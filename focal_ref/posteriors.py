"""`focal_ref.calibration.posteriors` by its public name."""

from .calibration.posteriors import *  # noqa: F403
from .calibration.posteriors import __all__ as __all__

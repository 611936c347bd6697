"""`focal_ref.conformance.ulp` by its public name."""

from .conformance.ulp import *  # noqa: F403
from .conformance.ulp import __all__ as __all__

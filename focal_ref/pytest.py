"""`focal_ref.testing` by its public name."""

from .testing import *  # noqa: F403
from .testing import __all__ as __all__

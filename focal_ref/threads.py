"""`focal_ref.engine.numpy_threads` by its public name."""

from .engine.numpy_threads import *  # noqa: F403
from .engine.numpy_threads import __all__ as __all__

"""focal_ref: the reference implementation of focal loss (Lin et al. 2017, arXiv 1708.02002).

Value, gradient and second derivative, written once against the Python Array API standard and checked against mpmath.

>>> import numpy as np
>>> import focal_ref as fr
>>> loss = fr.SigmoidFocalLoss(gamma=2.0, alpha=0.25, reduction="mean")
>>> value, grad = loss.value_and_grad(np.asarray([2.0, -1.0]), np.asarray([1, 0]))
"""

from __future__ import annotations

import importlib
from typing import Any

from . import family
from .calibration import (
    class_balanced_alpha,
    gamma_for,
    initial_bias,
    inverse_frequency_alpha,
    minimiser,
    optimal_constant,
    posterior,
    posterior_from_logits,
    suggest,
)
from .engine.choice import engine, set_engine
from .engine.numpy_threads import set_threads
from .losses import (
    ProbabilityLoss,
    SigmoidFocalLoss,
    SigmoidLoss,
    SoftmaxFocalLoss,
    SoftmaxLoss,
    sigmoid_focal_loss,
    softmax_focal_loss,
)

__version__ = "0.1.0"
__all__ = [
    "ProbabilityLoss",
    "SigmoidFocalLoss",
    "SigmoidLoss",
    "SoftmaxFocalLoss",
    "SoftmaxLoss",
    "class_balanced_alpha",
    "engine",
    "family",
    "gamma_for",
    "initial_bias",
    "inverse_frequency_alpha",
    "minimiser",
    "optimal_constant",
    "posterior",
    "posterior_from_logits",
    "set_engine",
    "set_threads",
    "sigmoid_focal_loss",
    "softmax_focal_loss",
    "suggest",
]

_ON_DEMAND = ("conformance", "conventions", "oracle", "plot", "profiles", "ulp", "vectors")


def __getattr__(name: str) -> Any:
    """Modules that a training loop never needs are imported when first named."""
    if name in _ON_DEMAND:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, *_ON_DEMAND, "__version__"])

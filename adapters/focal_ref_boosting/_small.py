"""Derivatives of few samples at a time, as CatBoost asks for them: without what a loss's call costs beside the arithmetic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from focal_ref import SigmoidFocalLoss, SoftmaxFocalLoss
from focal_ref.family import Focal
from focal_ref.mathematics.sigmoid import sigmoid

from ._curvature import Loss

__all__ = ["binary_gradient", "is_plain", "row_gradient"]


def is_plain(loss: Loss) -> bool:
    """Whether it is focal loss, γ a number, α too or one a class, and nothing else is asked for."""
    if not isinstance(loss, (SigmoidFocalLoss, SoftmaxFocalLoss)):
        return False
    alphas = (float, int, type(None)) if isinstance(loss, SigmoidFocalLoss) else (tuple, float, int, type(None))
    if not isinstance(loss.alpha, alphas) or getattr(loss, "label_smoothing", None):
        return False
    return isinstance(loss.gamma, (float, int)) and getattr(loss, "ignore_index", None) is None and loss.precision == "extended"


def binary_gradient(loss: SigmoidFocalLoss, labels: Any, logits: Any, weight: Any) -> Any:
    """The gradient for float64 logits that are finite and labels 0 or 1, within the loss's bound."""
    sign = 2 * labels - 1.0
    gamma: Any = loss.gamma
    slope: Any = Focal.jet(np, sigmoid(np, sign * logits, False), 1, gamma=gamma).slope
    alpha: Any = loss.alpha
    if alpha is not None:
        sign = np.where(labels > 0, alpha, alpha - 1)
    return slope * (sign if weight is None else sign * weight)


def row_gradient(loss: SoftmaxFocalLoss, target: int, logits: Sequence[float], weight: float) -> list[float]:
    """The gradient of one row, in Python's own numbers, within the loss's bound for float64.

    With E = exp(x − max x), the rounding of x − max x made good: φ' = −u^γ (γ p ℓ + u) at the target, and −φ' E_j/Σ' E
    elsewhere, Σ' being the sum without the target.
    """
    top = max(logits)
    e = []
    for x in logits:
        gap = x - top
        back = gap - x
        e.append(math.exp(gap) * (1 + ((x - (gap - back)) - (top + back))))
    at = e[target]
    e[target] = 0.0
    others = math.fsum(e)
    if others == 0:
        return [0.0] * len(e)
    total = others + at
    u = others / total
    nll = math.log1p(others) if logits[target] == top else (top - logits[target]) + math.log(total)
    gamma: Any = loss.gamma
    alpha: Any = loss.alpha
    if alpha is not None:
        weight = weight * (alpha[target] if isinstance(alpha, tuple) else alpha)
    slope = -weight * u**gamma * (gamma * (at / total) * nll + u)
    found = [-slope * (x / others) for x in e]
    found[target] = slope
    return found

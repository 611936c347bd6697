"""Optimum of any kernel's mean loss: from the minimiser v to the class probabilities η, and back.

The mean Σ_c η_c α_c φ(z_c) is least, among rows with Σ v = 1, where η_c ∝ v_c/(α_c W_c) with W = −φ'/u (`Kernel.pulls`).
For focal loss `focal_ref.mathematics.minimisers` has the same in closed terms; here the way back is by bisection, which needs
no more of a kernel than that v/W grows with the margin.
"""

from __future__ import annotations

from typing import Any

from ..typing import Array, Namespace
from .kernel import Kernel
from .margin import Margin
from .minimisers import Row, log_of, log_of_quotient, settled_near_zero
from .power import positive
from .sigmoid import sigmoid

__all__ = ["binary_optimum", "binary_posterior_of", "row_optimum", "row_posterior_of"]

FARTHEST = 740.0
"""Beyond this margin p or u is 0 in float64."""
HALVINGS = 64
"""Of an interval of 2 · FARTHEST, down to less than an ULP of a margin of 1."""


def binary_posterior_of(
    xp: Namespace, kernel: type[Kernel], parameters: dict[str, Any], likely: Array, e: Array, depth: Array, alpha: Any
) -> Any:
    """η from e, the odds of the less likely side in v, and depth = −log e."""
    softplus, larger, smaller = xp.log1p(e), 1 / (1 + e), e / (1 + e)
    sure, _ = kernel.pulls(xp, Margin(larger, smaller, softplus), 1.0, **parameters)
    unsure, _ = kernel.pulls(xp, Margin(smaller, larger, depth + softplus), 1.0, **parameters)
    odds = e * (sure / positive(xp, unsure))
    if alpha is not None:
        odds = xp.where(likely, odds * (alpha / (1 - alpha)), odds * ((1 - alpha) / alpha))
    return xp.where(likely, 1 / (1 + odds), odds / (1 + odds))


def row_posterior_of(xp: Namespace, kernel: type[Kernel], parameters: dict[str, Any], row: Row, alpha: Any) -> Any:
    """η_c ∝ v_c W_top/(α_c W_c): a quotient that the largest class, whose W may be 0, can't make infinite."""
    pull, _ = kernel.pulls(xp, row.margin, 1.0, **parameters)
    of_top = xp.sum(xp.where(row.top, pull, 0.0), axis=-1, keepdims=True)
    terms = row.e * xp.where(row.top, 1.0, of_top / positive(xp, pull))
    if alpha is not None:
        terms = terms / alpha
    return terms / xp.sum(terms, axis=-1, keepdims=True)


def _log_share(xp: Namespace, kernel: type[Kernel], parameters: dict[str, Any], z: Array) -> Any:
    """log(v/W) at a margin; ∞ where W is 0 by underflow."""
    margin = sigmoid(xp, z, False)
    return -margin.nll - log_of(xp, kernel.pulls(xp, margin, 1.0, **parameters)[0])


def _solved(xp: Namespace, rises: Any, like: Array) -> Any:
    """The margin where `rises` turns true, by halving."""
    low, high = like * 0 - FARTHEST, like * 0 + FARTHEST
    for _ in range(HALVINGS):
        middle = low + 0.5 * (high - low)
        above = rises(middle)
        low, high = xp.where(above, low, middle), xp.where(above, middle, high)
    return low + 0.5 * (high - low)


def binary_optimum(
    xp: Namespace, kernel: type[Kernel], parameters: dict[str, Any], p: Array, alpha: Any, as_logits: bool
) -> Any:
    """The v, or its logit, at which the mean is least where the positives have probability p."""
    weight, rest = (p, 1 - p) if alpha is None else (p * alpha, (1 - p) * (1 - alpha))
    goal = log_of_quotient(xp, p, alpha, weight, rest)

    def beyond(z: Array) -> Any:
        return _log_share(xp, kernel, parameters, z) - _log_share(xp, kernel, parameters, -z) > goal

    def slope(z: Array) -> Any:  # of log(v/W), but for u − p, which the other side's takes back
        pull, bend = kernel.pulls(xp, sigmoid(xp, z, False), 1.0, **parameters)
        return bend / positive(xp, pull)

    z = xp.where(goal == 0, 0.0, _solved(xp, beyond, goal))
    z = settled_near_zero(xp, lambda z: slope(z) + slope(-z), goal, z)
    z = xp.where(goal == xp.inf, xp.inf, xp.where(goal == -xp.inf, -xp.inf, xp.where(goal == goal, z, goal)))
    return z if as_logits else sigmoid(xp, z, False).p


def row_optimum(xp: Namespace, kernel: type[Kernel], parameters: dict[str, Any], p: Array, alpha: Any, as_logits: bool) -> Any:
    """The row v, or its logarithms, at which the mean is least where the classes have probabilities p."""
    share = log_of(xp, p if alpha is None else p * alpha)

    def margins(level: Array) -> Any:
        return _solved(xp, lambda z: _log_share(xp, kernel, parameters, z) > share + level, share)

    def too_much(level: Array) -> Any:
        return xp.sum(sigmoid(xp, margins(level), False).p, axis=-1, keepdims=True) > 1

    z = margins(_solved(xp, too_much, xp.sum(p, axis=-1, keepdims=True)))
    margin = sigmoid(xp, xp.where(share == -xp.inf, -xp.inf, z), False)
    return -margin.nll if as_logits else margin.p

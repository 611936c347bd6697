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
from .power import positive as _positive
from .sigmoid import sigmoid

__all__ = ["binary_optimum", "binary_posterior_of", "row_optimum", "row_posterior_of"]

FARTHEST = 740.0
"""Beyond this margin p or u is 0 in float64."""
HALVINGS = 64
"""Of an interval of 2 · FARTHEST, down to less than an ULP of a margin of 1."""

SETTLED = 1e-6
"""How near the others' sum is to what the leading class leaves; a kernel with kinks may leave a jump there."""
STEPS = 150
"""Each takes a quarter of what is left, or more."""


def binary_posterior_of(
    xp: Namespace, kernel: type[Kernel], parameters: dict[str, Any], likely: Array, e: Array, depth: Array, alpha: Any
) -> Any:
    """η from e, the odds of the less likely side in v, and depth = −log e."""
    softplus, larger, smaller = xp.log1p(e), 1 / (1 + e), e / (1 + e)
    sure, unsure = (Margin(larger, smaller, softplus, gap=depth), Margin(smaller, larger, depth + softplus, gap=-depth))
    if "label" in kernel.asks:
        positive = xp.where(likely, 1 + 0 * e, 0 * e)
        sure, unsure = sure._replace(label=positive), unsure._replace(label=1 - positive)
    of_sure, of_unsure = (kernel.pulls(xp, margin, 1.0, **parameters)[0] for margin in (sure, unsure))
    odds = e * (of_sure / _positive(xp, of_unsure))
    if alpha is not None:
        odds = xp.where(likely, odds * (alpha / (1 - alpha)), odds * ((1 - alpha) / alpha))
    return xp.where(likely, 1 / (1 + odds), odds / (1 + odds))


def row_posterior_of(xp: Namespace, kernel: type[Kernel], parameters: dict[str, Any], row: Row, alpha: Any) -> Any:
    """η_c ∝ v_c W_top/(α_c W_c): a quotient that the largest class, whose W may be 0, can't make infinite."""
    pull, _ = kernel.pulls(xp, row.margin, 1.0, **parameters)
    of_top = xp.sum(xp.where(row.top, pull, 0.0), axis=-1, keepdims=True)
    terms = row.e * xp.where(row.top, 1.0, of_top / _positive(xp, pull))
    if alpha is not None:
        terms = terms / alpha
    return terms / xp.sum(terms, axis=-1, keepdims=True)


def _log_share(xp: Namespace, kernel: type[Kernel], parameters: dict[str, Any], z: Array, label: float = 1.0) -> Any:
    """log(v/W) at a margin; ∞ where W is 0."""
    margin = sigmoid(xp, z, False)._replace(label=label)
    return -margin.nll - log_of(xp, kernel.pulls(xp, margin, 1.0, **parameters)[0])


def _solved(xp: Namespace, rises: Any, low: Array, high: Array) -> Any:
    """The margin where `rises` turns true, by halving."""
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
        return _log_share(xp, kernel, parameters, z) - _log_share(xp, kernel, parameters, -z, 0.0) > goal

    far = goal * 0 + FARTHEST
    z = _solved(xp, beyond, -far, far)
    if "label" not in kernel.asks:  # both sides have one function: even odds are at 0, and odds near them near it

        def slope(z: Array) -> Any:  # of log(v/W), but for u − p, which the other side's takes back
            pull, bend = kernel.pulls(xp, sigmoid(xp, z, False), 1.0, **parameters)
            return bend / _positive(xp, pull)

        z = settled_near_zero(xp, lambda z: slope(z) + slope(-z), goal, xp.where(goal == 0, 0.0, z))
    z = xp.where(goal == xp.inf, xp.inf, xp.where(goal == -xp.inf, -xp.inf, xp.where(goal == goal, z, goal)))
    return z if as_logits else sigmoid(xp, z, False).p


def row_optimum(xp: Namespace, kernel: type[Kernel], parameters: dict[str, Any], p: Array, alpha: Any, as_logits: bool) -> Any:
    """The row v, or its logarithms, at which the mean is least where the classes have probabilities p.

    The most probable class's margin is what is halved; each other's lies below it, where v/W is as much less as its p is.
    """
    weight = p if alpha is None else p * alpha
    most = xp.max(weight, axis=-1, keepdims=True)
    behind = log_of(xp, weight) - log_of(xp, most)

    def margins(lead: Array) -> Any:
        goal = _log_share(xp, kernel, parameters, lead) + behind
        lead = lead + 0 * behind
        found = _solved(xp, lambda z: _log_share(xp, kernel, parameters, z) > goal, 0 * lead - FARTHEST, lead)
        return xp.where(behind == 0, lead, xp.where(behind == -xp.inf, -xp.inf, found))

    def left_over(lead: Array) -> tuple[Any, Any]:
        """What the others have, and what the most probable class leaves them: near 1 their difference says nothing."""
        others = xp.where(behind == 0, 0.0, sigmoid(xp, margins(lead), False).p)
        own, equals = sigmoid(xp, lead, False), xp.sum(xp.where(behind == 0, 1.0, 0.0 * behind), axis=-1, keepdims=True)
        return xp.sum(others, axis=-1, keepdims=True) + (equals - 1) * own.p, own.u

    def too_much(lead: Array) -> Any:
        had, left = left_over(lead)
        return had > left

    far = 0 * most + FARTHEST
    lead = _solved(xp, too_much, -far, far)
    had, left = left_over(lead)
    alone = xp.all((behind == 0) | (behind == -xp.inf), axis=-1, keepdims=True) & (had == 0)
    settled = alone | (xp.abs(had - left) <= SETTLED * left)
    margin = sigmoid(xp, xp.where(alone & (behind == 0), xp.inf, margins(lead)), False)
    other, settles = _beside_the_kink(xp, kernel, parameters, weight / most, margin.p)
    found = xp.where(settled, -margin.nll if as_logits else margin.p, log_of(xp, other) if as_logits else other)
    return xp.where(settled | settles, found, xp.nan)


def _beside_the_kink(
    xp: Namespace, kernel: type[Kernel], parameters: dict[str, Any], weight: Array, p: Array
) -> tuple[Any, Any]:
    """p_c ∝ η_c α_c W_c by small steps from near it, for kernels whose W jumps: they end on the side where they stay."""

    def pulled(p: Array) -> Any:
        u = xp.sum(p, axis=-1, keepdims=True) - p
        pull = weight * kernel.pulls(xp, Margin(p, u, -log_of(xp, p), gap=p - u), 1.0, **parameters)[0]
        return pull / xp.sum(pull, axis=-1, keepdims=True)

    p = p / xp.sum(p, axis=-1, keepdims=True)
    for _ in range(STEPS):
        p = p**0.75 * pulled(p) ** 0.25
        p = p / xp.sum(p, axis=-1, keepdims=True)
    return p, xp.all(xp.abs(pulled(p) - p) <= 1e-12, axis=-1, keepdims=True)

"""The formulas between a focal minimiser v and the class probabilities η, on one side a correction, on the other its inverse.

With φ(v) = u^γ (1 + γ ρ), u = 1 − v, ρ = −v log v/u, which lies in [0, 1]::

    η_c ∝ v_c/(α_c φ(v_c))

The odds of two classes, with r ≤ 1 those in v, are r^(1+γ) (1 + γ ρ')/(1 + γ ρ), ρ' being that of the complement. Both they and
v/φ(v) grow with v, and their logarithms are nearly linear in the margin log(v/u): Newton's steps invert them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ..typing import Array, Namespace
from .margin import Margin
from .power import bounded, positive
from .power import rho as rho_of
from .sums import exclusive_sum, largest, total_of

__all__ = [
    "Row",
    "binary_minimiser",
    "binary_posterior",
    "log_of",
    "log_of_quotient",
    "row_minimiser",
    "row_of_probabilities",
    "row_posterior",
    "settled_near_zero",
    "smaller_over_larger",
]

NEWTON_STEPS = 5
"""The odds are nearly a power of v's: three suffice for γ ≤ 100, one more for the last bit, one to spare."""
ROW_STEPS, INNER_STEPS = 9, 3
NEAR_ZERO, AGREES = 0.25, 1e-12
"""Up to where a logit is settled, and how far that may move it in float64; in other types as many of their ULP."""
NODES = (0.04691007703066800, 0.23076534494715845, 0.5, 0.76923465505284155, 0.95308992296933200)
WEIGHTS = (0.11846344252809454, 0.23931433524968324, 0.28444444444444444, 0.23931433524968324, 0.11846344252809454)
"""Gauss and Legendre's five points on [0, 1]: wrong by 1e-19 of a tenth derivative there."""
FAR = 30.0
"""For γ up to 50 and any probabilities. A row that hasn't settled by then is NaN, never a wrong number."""


def binary_posterior(xp: Namespace, likely: Array, e: Array, depth: Array, gamma: Any, alpha: Any) -> Any:
    """η from e, the odds of the less likely side in v, and depth = −log e."""
    odds = _odds(xp, e, depth, gamma)[0]
    if alpha is not None:
        odds = xp.where(likely, odds * (alpha / (1 - alpha)), odds * ((1 - alpha) / alpha))
    return xp.where(likely, 1 / (1 + odds), _share(xp, odds))


def _share(xp: Namespace, odds: Array) -> Any:
    """odds/(1 + odds), 1 for infinite odds."""
    return xp.where(odds > 1, 1 / (1 + 1 / positive(xp, odds)), odds / (1 + odds))


def _odds(xp: Namespace, e: Array, depth: Array, gamma: Any) -> tuple[Any, Any]:
    """The less likely side's odds in η, and d log(odds)/d log(e)."""
    softplus = xp.log1p(e)
    larger, smaller = 1 / (1 + e), e / (1 + e)
    rho_small = e * (bounded(xp, depth) + softplus)
    rho_large = softplus / positive(xp, e)
    over, under = 1 + gamma * rho_large, 1 + gamma * rho_small
    slope = (1 + gamma) - gamma * (rho_small - smaller) / under - gamma * (rho_large - larger) / over
    return e * (e**gamma * (over / under)), slope


class Row(NamedTuple):
    """A row's E (probabilities but for a factor), the sum of all the others' E, where the largest is, and the margins."""

    e: Array
    rest: Array
    top: Array
    margin: Margin


def row_of_probabilities(xp: Namespace, p: Array, classes: Array) -> Row:
    """A row of probabilities, divided by their sum."""
    total, top = total_of(xp, p, True), largest(xp, p, classes)
    rest = exclusive_sum(xp, p, total, top, True)
    total = total[..., None]
    nll = xp.where(top, xp.log1p(rest / positive(xp, p)), -log_of(xp, p / total))
    return Row(p, rest, top, Margin(p / total, rest / total, nll))


def row_posterior(xp: Namespace, row: Row, gamma: Any, alpha: Any) -> Any:
    """η_c ∝ E_c/(α_c (1 + γ ρ_c)) · (u_top/u_c)^γ: a power of at most 1, where 1/u^γ may be infinite."""
    least = xp.sum(xp.where(row.top, row.rest, 0.0), axis=-1, keepdims=True)
    modulator = xp.where(row.top, 1.0, least / positive(xp, row.rest)) ** gamma
    terms = row.e / (1 + gamma * rho_of(xp, row.margin)) * modulator
    if alpha is not None:
        terms = terms / alpha
    return terms / xp.sum(terms, axis=-1, keepdims=True)


def log_of(xp: Namespace, x: Array) -> Any:
    """log x, and −inf at 0 without a warning."""
    return xp.where(x == 0, -xp.inf, xp.log(positive(xp, x)))


# ---- and back ---------------------------------------------------------------------------------------------------------------


def smaller_over_larger(xp: Namespace, a: Array, b: Array) -> Any:
    """The quotient of two that is at most 1."""
    return xp.where(a < b, a / positive(xp, b), b / positive(xp, a))


def binary_minimiser(xp: Namespace, p: Array, gamma: Any, alpha: Any, as_logits: bool) -> Any:
    """Newton for log e, each step a factor, so that e keeps its digits however small it is."""
    weight, rest = (p, 1 - p) if alpha is None else (p * alpha, (1 - p) * (1 - alpha))
    target = smaller_over_larger(xp, weight, rest)
    e = target ** (1 / (1 + gamma))
    for _ in range(NEWTON_STEPS):
        odds, slope = _odds(xp, e, -log_of(xp, e), gamma)
        off = xp.where((target == 0) | (odds == 0), 1.0, target / positive(xp, odds))
        e = e * xp.exp(xp.log(off) / slope)
    likely = weight >= rest
    if as_logits:
        z = xp.where(likely, 0.0 - log_of(xp, e), log_of(xp, e))

        def slope(z: Array) -> Any:
            return _odds(xp, xp.exp(-xp.abs(z)), xp.abs(z), gamma)[1]

        return settled_near_zero(xp, slope, log_of_quotient(xp, p, alpha, weight, rest), z)
    return xp.where(likely, 1 / (1 + e), e / (1 + e))


def log_of_quotient(xp: Namespace, p: Array, alpha: Any, weight: Array, rest: Array) -> Any:
    """log(weight/rest) of p α and (1 − p) (1 − α), with all digits near 0: by their difference p + α − 1, which is exact."""
    if alpha is None:
        excess = 2 * p - 1
    else:
        total = p + alpha
        back = total - p
        excess = (total - 1) + ((p - (total - back)) + (alpha - back))
    near = (excess > -0.75 * rest) & (excess < 3 * rest)
    return xp.where(near, xp.log1p(xp.where(near, excess / positive(xp, rest), 0.0)), log_of(xp, weight) - log_of(xp, rest))


def settled_near_zero(xp: Namespace, slope: Callable[[Array], Any], goal: Array, z: Array) -> Any:
    """A logit near 0, so far known to an absolute error: goal = z times the mean slope of the log odds between 0 and z.

    The slope is even and smooth, so that a few points (Gauss) have its mean; a kernel that has a jump at 0 keeps its z.
    """
    near = xp.abs(z) < NEAR_ZERO
    start = found = xp.where(near, z, 0.0)
    for _ in range(2):
        found = goal / sum(weight * slope(node * found) for node, weight in zip(NODES, WEIGHTS, strict=True))
    agrees = AGREES * (float(xp.finfo(z.dtype).eps) / 2.0**-52)
    return xp.where(near & (xp.abs(found - start) < agrees), found, z)


class _Side(NamedTuple):
    """A margin z, with h = v/φ(v) as its logarithm, and d log(h)/dz."""

    margin: Margin
    log_u: Array
    log_h: Array
    slope: Array
    weight: Array
    """1 + γ ρ."""


def _side(xp: Namespace, z: Array, gamma: Any) -> _Side:
    e = xp.exp(-xp.abs(z))
    softplus, larger, smaller = xp.log1p(e), 1 / (1 + e), e / (1 + e)
    p, u = xp.where(z >= 0, larger, smaller), xp.where(z >= 0, smaller, larger)
    nll, log_u = xp.where(z >= 0, 0.0, -z) + softplus, -(xp.where(z >= 0, z, 0.0) + softplus)
    margin = Margin(p, u, nll)
    rho = rho_of(xp, margin)
    weight = 1 + gamma * rho
    return _Side(
        margin, log_u, -nll - gamma * log_u - xp.log1p(gamma * rho), u + gamma * p - gamma * (rho - p) / weight, weight
    )


def _log_sum(xp: Namespace, logs: Array) -> Any:
    top = xp.max(logs, axis=-1, keepdims=True)
    return top + xp.log(xp.sum(xp.exp(logs - top), axis=-1, keepdims=True))


def row_minimiser(xp: Namespace, p: Array, classes: Array, gamma: Any, alpha: Any, as_logits: bool) -> Any:
    """h(v_c) = λ η_c α_c with Σ v = 1: once the margins are there, each v_c as the product that it is, to keep its digits."""
    weight = p if alpha is None else p * alpha
    top = largest(xp, weight, classes)
    ratio = weight / xp.max(weight, axis=-1, keepdims=True)
    none = (ratio == 0) | top
    alone = xp.all(none, axis=-1, keepdims=True)
    ahead, behind, settled = _margins(xp, xp.where(none, 1.0, ratio), none & ~alone, gamma)
    lead, side = _side(xp, ahead, gamma), _side(xp, behind, gamma)
    if as_logits:
        result = xp.where(top, -lead.margin.nll, xp.where(none, -xp.inf, -side.margin.nll))
    else:
        parts = xp.where(none, 0.0, ratio * xp.exp(gamma * side.log_u) * side.weight)
        total = xp.sum(parts, axis=-1, keepdims=True)
        rest = _root(xp, lead.margin.p * total / lead.weight, gamma)
        result = xp.where(top, lead.margin.p, rest * (parts / positive(xp, total)))
    sure = xp.astype(top, p.dtype)
    return xp.where(alone, log_of(xp, sure) if as_logits else sure, xp.where(settled, result, xp.nan))


def _root(xp: Namespace, x: Array, gamma: Any) -> Any:
    """x^(1/(1 + γ)); the exponent's rounding, which log x multiplies, is made good."""
    root = x ** (1 / (1 + gamma))
    back = root * root**gamma
    return root * xp.exp(xp.log(xp.where((x == 0) | (back == 0), 1.0, x / positive(xp, back))) / (1 + gamma))


def _margins(xp: Namespace, ratio: Array, none: Array, gamma: Any) -> tuple[Any, Any, Any]:
    """Newton for the largest class's margin, and within it for every other's; and whether that has settled.

    The others' margins exceed neither the largest's nor 0. `none` are left out: the largest class, and those never seen.
    """
    share = xp.log(ratio)
    least = -_log_sum(xp, xp.where(none, -xp.inf, 0 * share))
    ahead = _at_least(xp, -_log_sum(xp, xp.where(none, -xp.inf, share)) / (1 + gamma), least)
    behind = gap = None
    for _ in range(ROW_STEPS):
        lead = _side(xp, ahead, gamma)
        goal, ceiling = lead.log_h + share, xp.where(ahead < 0, ahead, 0.0)
        behind = _start(xp, goal, gamma) if behind is None else behind
        for _ in range(INNER_STEPS):
            behind = xp.where(behind < ceiling, behind, ceiling)
            side = _side(xp, behind, gamma)
            behind = behind + (goal - side.log_h) / side.slope
        behind = xp.where(behind < ceiling, behind, ceiling)
        side = _side(xp, behind, gamma)
        logs = xp.where(none, -xp.inf, -side.margin.nll)
        total = _log_sum(xp, logs)
        gap = total - lead.log_u
        pull = xp.sum(xp.exp(logs - total) * side.margin.u / side.slope, axis=-1, keepdims=True)
        step = -gap / (lead.slope * pull + lead.margin.p)
        ahead, behind = _at_least(xp, ahead + step, least), behind + lead.slope * step / side.slope
    return ahead, behind, xp.abs(gap) < xp.finfo(ratio.dtype).eps ** 0.5


def _start(xp: Namespace, goal: Array, gamma: Any) -> Any:
    """Where log h nearly is: h is v for small v, and nearly u^−γ for large ones."""
    power = goal / ((gamma or 1.0) if isinstance(gamma, float) else positive(xp, gamma))
    power = xp.where(power > 0, xp.where(power < FAR, power, FAR), 1.0)
    bent = xp.log(xp.expm1(power))
    return xp.where((goal > 0) & (bent < goal), bent, goal)


def _at_least(xp: Namespace, x: Array, low: Array) -> Any:
    return xp.where(x < low, low, x)

"""The softmax link: from a row of logits to the target's margin, and derivatives by the margin back to the logits.

The classes lie along the last axis here; `focal_ref.losses` brings them there.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ..typing import Array, Namespace
from .margin import Jet, Margin, Raised, RaisedMargin
from .power import positive
from .scales import SCALES, Scale
from .sums import exclusive_sum, largest, row_sum, total_of

__all__ = [
    "UNDERFLOW_GUARD",
    "Exponentials",
    "Softmax",
    "exponentials",
    "pick",
    "raised_margin",
    "shares",
    "softmax",
    "softmax_gradient",
    "softmax_hessian_diag",
    "softmax_hvp",
]


UNDERFLOW_GUARD = 2.0**24
"""Shares are this much larger until they meet φ', which may make a subnormal share a normal derivative."""


class Exponentials(NamedTuple):
    """A row's E = exp(x − max x), times a power of two, and the gap x − max x between each logit and the largest."""

    e: Array
    low: Array | None
    """What rounding took from E, where errors are carried along."""
    gap: Array
    scale: float
    """The power of two: E of the largest logit."""


def exponentials(xp: Namespace, x: Array, carry: bool) -> Exponentials:
    """E = exp(x − max x), and the gap x − max x ≤ 0. Infinite logits that tie count as equal.

    A rounded x − max x is wrong by up to half an ULP of itself, which exp turns into hundreds of ULP when logits lie far
    apart: with `carry` that error (Knuth's TwoSum) goes along, E = exp(d)(1 + err). The scale keeps E and E err normal
    numbers, since the sum of many that are not can be one that is, and some libraries flush them to 0.
    """
    top = xp.max(x, axis=-1, keepdims=True)
    gap = xp.where(x == top, 0.0, x - top)
    if not carry:
        return Exponentials(xp.exp(gap), None, gap, 1.0)
    scale = _scales(xp, x)
    back = gap - x
    error = (x - (gap - back)) - (top + back)
    deep = gap < -scale.lift
    plain = xp.exp(xp.where(deep, gap + scale.lift, gap))
    plain = xp.where(deep, plain * scale.factor, plain * scale.power)
    # An infinite logit makes the error NaN; its E is exactly 0 or 1.
    change = plain * xp.where(xp.abs(error) < 1, error, 0.0)
    e = plain + change
    return Exponentials(e, change - (e - plain), gap, scale.power)


class Softmax(NamedTuple):
    """A row with a hard target, as its margin and what the derivatives need to find their way back."""

    margin: Margin
    target: Array
    """True at the target's class."""
    others: Array
    """E of every class but the target, 0 there."""
    others_sum: Array
    low: Array | None
    """What rounding took from the others' E, and from their sum, where errors are carried along."""
    sum_low: Array | None


def softmax(xp: Namespace, x: Array, target: Array, carry: bool, index: Array | None = None) -> Softmax:
    """The margin of the target class against the rest of its row; with its `index`, its entries are looked up.

    Naively p = E_t/ΣE, u = 1 − p, ℓ = −log p. Here u is the sum of the others, and ℓ is log1p of that sum where the target
    is the largest, where −log p would cancel.
    """
    e, low, gap, scale = exponentials(xp, x, carry)
    others = xp.where(target, 0.0, e)
    rounded_off = None if low is None else xp.where(target, 0.0, low)
    others_sum, others_low = row_sum(xp, others, rounded_off)
    target_e, target_low, target_gap = (None if a is None else pick(xp, target, a, index) for a in (e, low, gap))
    total = others_sum + target_e
    nll = xp.where(target_gap == 0, xp.log1p(others_sum / scale), xp.log(total / scale) - target_gap)
    p, u = target_e / total, others_sum / total
    u_low = None
    if carry:
        # u S_o + u E_t should be S_o, in the order that leaves only an error small against S_o. A leading E_t is 1.
        leads = others_sum <= target_e
        unit = others_sum / scale
        residual = xp.where(leads, ((unit - u) - u * unit) * scale, others_sum * (1 - u) - u * target_e)
        u_low = (residual + p * others_low - u * target_low) / total
    before: Any = (target_e, others_sum, scale)
    margin = Margin(p, u, nll, u_low, gap=target_gap, shares=before)
    return Softmax(margin, target, others, others_sum, rounded_off, others_low)


def raised_margin(xp: Namespace, row: Softmax) -> Margin:
    """The margin, with what is normal of a p or u that isn't: rows whose errors are carried along have E scaled."""
    if row.margin.u_low is None or row.margin.shares is None:
        return row.margin
    scales, (own, rest, _) = _scales(xp, row.others), row.margin.shares
    return RaisedMargin(row.margin, Raised(xp.where(rest <= own, rest, own) * scales.raised / (rest + own), scales))


def _scales(xp: Namespace, x: Array) -> Scale:
    return SCALES[24 if xp.finfo(x.dtype).eps > 1e-10 else 53]


def pick(xp: Namespace, target: Array, values: Array, index: Array | None = None) -> Any:
    """Each row's entry where `target` is true; looked up, where its `index` is given."""
    if index is not None:
        return xp.take_along_axis(values, index[..., None], axis=-1)[..., 0]
    return xp.sum(xp.where(target, values, 0.0), axis=-1)


def shares(xp: Namespace, row: Softmax) -> Any:
    """q_j = E_j / S_o, times `UNDERFLOW_GUARD`: how the others share what the target leaves; 0 at the target."""
    below = positive(xp, row.others_sum / UNDERFLOW_GUARD)[..., None]
    q = row.others / below
    if row.low is None or row.sum_low is None:
        return q
    # (E_j + low_j)/(S_o + low), as far as it shows. No product with 1/S_o: that may be infinite.
    return q + (row.low - (q / UNDERFLOW_GUARD) * row.sum_low[..., None]) / below


def softmax_gradient(xp: Namespace, row: Softmax, jet: Jet, roomy: bool = False) -> Any:
    """∂φ/∂x_t = φ' and ∂φ/∂x_j = −φ' q_j; `roomy`: a q_j φ' that is more than 0 for the caller never was a subnormal q_j."""
    slope = jet.slope[..., None]
    if roomy:
        pull = -slope / positive(xp, row.others_sum)[..., None]
        return row.others * pull + xp.where(row.target, slope, 0.0)
    return xp.where(row.target, slope, -slope * shares(xp, row) / UNDERFLOW_GUARD)


def softmax_hessian_diag(xp: Namespace, row: Softmax, jet: Jet, classes: Array, carry: bool) -> Any:
    """H_tt = φ'' and H_jj = φ'' q_j² − φ' q_j (1 − q_j), with 1 − q_j from the sum of the rest."""
    q = shares(xp, row)
    top = largest(xp, row.others, classes)
    rest = exclusive_sum(xp, row.others, row.others_sum, top, carry) / positive(xp, row.others_sum)[..., None]
    slope, curvature = jet.slope[..., None], jet.curvature[..., None]
    bent = curvature * (q * (q / UNDERFLOW_GUARD)) - slope * (q * rest)
    return xp.where(row.target, curvature, bent / UNDERFLOW_GUARD)


def softmax_hvp(xp: Namespace, row: Softmax, jet: Jet, tangent: Array, classes: Array, carry: bool) -> Any:
    """Hessian times tangent: with v̄ = Σ q_k v_k and s = v_t − v̄, (Hv)_t = φ'' s, (Hv)_j = −φ'' s q_j − φ' q_j (v_j − v̄).

    Where one of the others has nearly all of q, naively v_j − v̄ cancels for it; Σ q_k (v_j − v_k) doesn't.
    """
    q = shares(xp, row)
    top = largest(xp, row.others, classes)
    mean = total_of(xp, (q / UNDERFLOW_GUARD) * tangent, carry)[..., None]
    above = total_of(xp, (q / UNDERFLOW_GUARD) * (pick(xp, top, tangent)[..., None] - tangent), carry)[..., None]
    pull = jet.curvature[..., None] * (pick(xp, row.target, tangent)[..., None] - mean)
    spread = jet.slope[..., None] * xp.where(top, above, tangent - mean)
    return xp.where(row.target, pull, -q * (pull + spread) / UNDERFLOW_GUARD)

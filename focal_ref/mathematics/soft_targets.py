"""Soft targets: formulas that no single margin carries, each named (`soft_targets=`).

Sigmoid, target y in [0, 1], a = σ(x), b = σ(−x), BCE = y softplus(−x) + (1 − y) softplus(x):

* "mix":      m^γ BCE with m = y b + (1 − y) a
* "quality":  m^γ BCE with m = \\|y − a\\| (Li et al. 2020, arXiv 2006.04388, eq. 7)
* "expected": y φ(x) + (1 − y) φ(−x)

Softmax, y a row of probabilities: "expected", Σ_c y_c φ(z_c), z_c the margin of class c against the rest.

For "mix" and "quality", with r = m'/m, f = m^γ B has

    f'  = m^γ (B' + γ r B)
    f'' = m^γ (B'' + 2γ r B' + γ r B ((b − a) + (γ − 1) r))

and r stays bounded (mix) where a power γ − 1 would not. At y = 0 and y = 1 value and
gradient have the hard formula's bits.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ..typing import Array, Namespace, Numeric
from .kernel import Jet, Margin, bounded, fading, focal, focal_by_gamma, modulation, positive, power
from .links import both_sigmoids, exclusive_sum, exponentials, largest, pick, total_of

__all__ = [
    "SoftRow",
    "modulated",
    "modulated_by_gamma",
    "sigmoid_expected",
    "sigmoid_expected_by_gamma",
    "soft_row",
    "softmax_expected",
    "softmax_expected_by_gamma",
    "softmax_expected_gradient",
    "softmax_expected_hessian_diag",
    "softmax_expected_hvp",
]


class _Modulated(NamedTuple):
    """The pieces of m^γ BCE at a logit."""

    a: Array
    b: Array
    m: Margin
    """m in the place of u, 1 − m in that of p, BCE in that of ℓ."""
    ratio: Array
    """m'/m."""
    bce_slope: Array
    bce_slope_low: Array | None


def modulated(xp: Namespace, x: Array, y: Array, gamma: Numeric, order: int, carry: bool, *, quality: bool) -> Jet:
    """ "mix" or "quality" and the first `order` derivatives by the logit."""
    s = _pieces(xp, x, y, carry, quality)
    modulator, tail = modulation(xp, s.m, gamma)
    value = (modulator if tail is None else modulator + modulator * tail) * s.m.nll
    value = xp.where((s.m.nll == xp.inf) & (s.m.u > 0), xp.inf, value)
    if order == 0:
        return Jet(value)
    push = fading(xp, gamma, s.ratio)
    pull = fading(xp, gamma, s.ratio * bounded(xp, s.m.nll))
    small = pull if tail is None else pull + (s.bce_slope_low + tail * (pull + s.bce_slope))
    slope = modulator * (small + s.bce_slope)
    if order == 1:
        return Jet(value, slope)
    spread = s.a * s.b
    bend = pull * ((s.b - s.a) + (push - s.ratio))
    curvature = power(xp, s.m, gamma) * (spread + 2 * (push * s.bce_slope) + bend)
    if quality:
        cusp = (s.m.u == 0) & (spread > 0)
        curvature = curvature + xp.where(cusp, _cusp_curvature(xp, gamma, x) * (spread * spread * s.m.nll), 0.0)
    return Jet(value, slope, curvature)


def modulated_by_gamma(xp: Namespace, x: Array, y: Array, gamma: Numeric, carry: bool, *, quality: bool) -> Any:
    """∂/∂γ of m^γ BCE."""
    return focal_by_gamma(xp, _pieces(xp, x, y, carry, quality).m, gamma)


def _pieces(xp: Namespace, x: Array, y: Array, carry: bool, quality: bool) -> _Modulated:
    toward, away = both_sigmoids(xp, x, carry)
    a, b, rest = away.u, toward.u, 1 - y
    bce = _weighted(xp, y, toward.nll) + _weighted(xp, rest, away.nll)
    likely = y >= 0.5
    # Both differences are exact near the cusp of "quality" (Sterbenz), where the naive rest a - y b cancels.
    slope, slope_low = xp.where(likely, rest - b, a - y), None
    if toward.u_low is not None and away.u_low is not None:
        low = xp.where(likely, -toward.u_low, away.u_low)
        near = xp.abs(slope) < 0.125 * (y * b + rest * a)
        folded = xp.where(near, slope + low, slope)
        slope, slope_low = folded, low - (folded - slope)
    own, other = xp.where(likely, b, a), xp.where(likely, a, b)
    if quality:
        over = slope > 0
        m, scale, distance = xp.abs(slope), 1.0, slope
        low = None if slope_low is None else xp.where(over, slope_low, -slope_low)
        complement = xp.where(over, b + y, a + rest)
    else:
        m = distance = y * b + rest * a
        scale = 2 * (0.5 - y)
        low = y * toward.u_low + rest * away.u_low if carry else None
        complement = y * a + rest * b
    # m'/m = scale · a b/m, where own/m is ±1 for a hard target, also in the limit where both underflowed.
    share = xp.where(distance == 0, 1 - 2 * y, scale * (own / positive(xp, distance)))
    return _Modulated(a, b, Margin(complement, m, bce, low), other * share, slope, slope_low)


def _cusp_curvature(xp: Namespace, gamma: Numeric, like: Array) -> Any:
    """γ (γ − 1) |p − y|^(γ − 2) at p = y: ±inf below 2, but 0 at the kink γ = 1, where the two sides have opposite signs."""
    gamma = like * 0 + gamma
    flat = (gamma == 0) | (gamma == 1) | (gamma > 2)
    return xp.where(flat, 0.0, xp.where(gamma == 2, 2.0, (gamma - 1) * xp.inf))


def sigmoid_expected(xp: Namespace, y: Array, alpha: Numeric | None, positive: Jet, negative: Jet) -> Jet:
    """α y φ(x) + (1 − α) (1 − y) φ(−x) from φ as a positive and as a negative, by their margins x and −x."""
    up, down = _expected_weights(y, alpha)
    value = _weighted(xp, up, positive.value) + _weighted(xp, down, negative.value)
    if positive.slope is None:
        return Jet(value)
    slope = up * positive.slope - down * negative.slope
    if positive.curvature is None:
        return Jet(value, slope)
    return Jet(value, slope, up * positive.curvature + down * negative.curvature)


def sigmoid_expected_by_gamma(y: Array, alpha: Numeric | None, positive: Array, negative: Array) -> Any:
    """∂/∂γ of "expected", from that of both sides."""
    up, down = _expected_weights(y, alpha)
    return up * positive + down * negative


def _expected_weights(y: Array, alpha: Numeric | None) -> tuple[Any, Any]:
    return (y, 1 - y) if alpha is None else (alpha * y, (1 - alpha) * (1 - y))


def _weighted(xp: Namespace, weight: Array, loss: Array) -> Any:
    """weight · loss, with 0 · inf = 0: a class without weight adds nothing, however far off the logit is."""
    return weight * xp.where(weight == 0, 0.0, loss)


class SoftRow(NamedTuple):
    """Every class of a row against the rest: p_c = E_c/S, u_c = Σ_{k≠c} E_k/S, ℓ_c."""

    y: Array
    e: Array
    rest: Array
    """Σ_{k≠c} E_k."""
    top: Array
    """True at the largest logit."""
    margin: Margin
    classes: Array
    carry: bool


def soft_row(xp: Namespace, x: Array, y: Array, classes: Array, carry: bool) -> SoftRow:
    """The one-against-the-rest margins of a row of logits x, with target probabilities y."""
    e, _, gap, scale = exponentials(xp, x, carry)
    sums = total_of(xp, e, carry)
    top = largest(xp, e, classes)
    rest = exclusive_sum(xp, e, sums, top, carry)
    total = sums[..., None]
    nll = xp.where(gap == 0, xp.log1p(rest / scale), xp.log(total / scale) - gap)
    return SoftRow(y, e, rest, top, Margin(e / total, rest / total, nll), classes, carry)


def softmax_expected(xp: Namespace, row: SoftRow, gamma: Numeric) -> Any:
    """Σ_c y_c φ(z_c)."""
    return _sum_of_losses(xp, _weighted(xp, row.y, focal(xp, row.margin, gamma, 0).value), row.carry)


def softmax_expected_by_gamma(xp: Namespace, row: SoftRow, gamma: Numeric) -> Any:
    """∂/∂γ of Σ_c y_c φ(z_c)."""
    return _sum_of_losses(xp, row.y * focal_by_gamma(xp, row.margin, gamma), row.carry)


def _sum_of_losses(xp: Namespace, terms: Array, carry: bool) -> Any:
    """A sum that may be infinite, where the errors that are carried along would be NaN."""
    plain = xp.sum(terms, axis=-1)
    return xp.where(xp.abs(plain) < xp.inf, total_of(xp, terms, carry), plain)


def softmax_expected_gradient(xp: Namespace, row: SoftRow, gamma: Numeric) -> Any:
    """p_j Σ_{c≠j} w_c − u_j w_j: cross entropy's gradient with the targets reweighted."""
    w, _ = _pulls(xp, row, gamma)
    return row.margin.p * _sum_of_others(xp, row, w) - row.margin.u * w


def softmax_expected_hessian_diag(xp: Namespace, row: SoftRow, gamma: Numeric) -> Any:
    """H_jj = u_j h_j + p_j [Σ_{c≠j} w_c + Σ_{c≠j} (h_c − w_c) p_j/u_c].

    Only the largest class's u can be small; p_j/u is taken there as E_j over the sum of the others.
    """
    (p, u, *_), top = row.margin, row.top
    w, h = _pulls(xp, row, gamma)
    beyond = xp.where(top, 0.0, row.e)
    rest_of_top = _pick(xp, top, row.rest)
    beyond = exclusive_sum(xp, beyond, rest_of_top[..., 0], largest(xp, beyond, row.classes), row.carry)
    # p_top/u_c and (1 - p_top/u_c) for every c but the top
    divisor = positive(xp, row.rest)
    of_top = (w * beyond + h * _pick(xp, top, row.e)) / divisor
    of_top = total_of(xp, xp.where(top, 0.0, of_top), row.carry)[..., None]
    mild = xp.where(top, 0.0, (h - w) / xp.where(top, 1.0, u))
    w_mild = xp.where(top, 0.0, w)
    w_others = exclusive_sum(xp, w_mild, total_of(xp, w_mild, row.carry), largest(xp, w_mild, row.classes), row.carry)
    w_top, h_top = _pick(xp, top, w), _pick(xp, top, h)
    of_rest = w_others + p * (total_of(xp, mild, row.carry)[..., None] - mild)
    of_rest = of_rest + (w_top * beyond + h_top * row.e) / positive(xp, rest_of_top)
    return u * h + p * xp.where(top, of_top, of_rest)


def _pick(xp: Namespace, where: Array, values: Array) -> Any:
    return pick(xp, where, values)[..., None]


def softmax_expected_hvp(xp: Namespace, row: SoftRow, gamma: Numeric, tangent: Array) -> Any:
    """(Hv)_j = u_j h_j s_j + p_j [v_j Σ_{c≠j} w_c − Σ_{c≠j} (h_c s_c + w_c v̄_c)].

    v̄_c is the others' mean of v, s_c = v_c − v̄_c.
    """
    w, h = _pulls(xp, row, gamma)
    moments = row.e * tangent
    sums = total_of(xp, moments, row.carry)
    mean = exclusive_sum(xp, moments, sums, row.top, row.carry) / positive(xp, row.rest)
    step = h * (tangent - mean)
    drift = step + w * mean
    # The largest logit's drift is the one to leave out exactly: any other's error meets a p of at most 1/2. Which of them is
    # summed apart mustn't hang on the tangent, in which this is linear: JAX transposes it.
    drift_of_others = exclusive_sum(xp, drift, total_of(xp, drift, row.carry), row.top, row.carry)
    return row.margin.u * step + row.margin.p * (tangent * _sum_of_others(xp, row, w) - drift_of_others)


def _pulls(xp: Namespace, row: SoftRow, gamma: Numeric) -> tuple[Any, Any]:
    """w_c = −y_c φ'_c/u_c and h_c = y_c φ''_c/u_c, both bounded: p ℓ/u tends to 1 as u does to 0."""
    p, u, nll, *_ = row.margin
    ratio = xp.where(u == 0, 1.0, p * bounded(xp, nll) / positive(xp, u))
    modulator = row.y * power(xp, row.margin, gamma)
    gamma_p, pull = fading(xp, gamma, p), fading(xp, gamma, ratio)
    return modulator * (1 + pull), modulator * (p + 2 * gamma_p + pull * (gamma_p - u))


def _sum_of_others(xp: Namespace, row: SoftRow, w: Array) -> Any:
    """Σ_{c≠j} w_c for w ≥ 0."""
    return exclusive_sum(xp, w, total_of(xp, w, row.carry), largest(xp, w, row.classes), row.carry)

"""Modulated cross entropy, m^γ BCE: focal loss's own formulas for a soft sigmoid target.

Target y in [0, 1], a = σ(x), b = σ(−x), BCE = y softplus(−x) + (1 − y) softplus(x):

* "mix":      m^γ BCE with m = y b + (1 − y) a
* "quality":  m^γ BCE with m = \\|y − a\\| (Li et al. 2020, arXiv 2006.04388, eq. 7)

With r = m'/m, f = m^γ B has

    f'  = m^γ (B' + γ r B)
    f'' = m^γ (B'' + 2γ r B' + γ r B ((b − a) + (γ − 1) r))

and r stays bounded (mix) where a power γ − 1 would not. At y = 0 and y = 1 value and gradient have the hard formula's bits.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ..typing import Array, Namespace, Numeric
from .margin import Jet, Margin
from .pairs import Pairs
from .power import bounded, fading, focal_by_gamma, modulation, positive, power
from .sigmoid import both_sigmoids

__all__ = ["modulated", "modulated_by_gamma", "weighted"]


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
    tilt: Array
    """b − a."""


def modulated(
    xp: Namespace, x: Array, y: Array, gamma: Numeric, order: int, carry: bool, *, quality: bool, pos_weight: Any = None
) -> Jet:
    """ "mix" or "quality" and the first `order` derivatives by the logit."""
    s = _pieces(xp, x, y, carry, quality, pos_weight)
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
    spread = s.a * s.b if pos_weight is None else (pos_weight * y + (1 - y)) * (s.a * s.b)
    bend = pull * (s.tilt + (push - s.ratio))
    curvature = power(xp, s.m, gamma) * (spread + 2 * (push * s.bce_slope) + bend)
    if quality:
        cusp = (s.m.u == 0) & (spread > 0)
        curvature = curvature + xp.where(cusp, _cusp_curvature(xp, gamma, x) * (spread * spread * s.m.nll), 0.0)
    return Jet(value, slope, curvature)


def modulated_by_gamma(
    xp: Namespace, x: Array, y: Array, gamma: Numeric, carry: bool, *, quality: bool, pos_weight: Any = None
) -> Any:
    """∂/∂γ of m^γ BCE; at an infinite logit, whose m is neither 0 nor 1 for a soft target, −∞ even where m^γ underflows."""
    m = _pieces(xp, x, y, carry, quality, pos_weight).m
    return xp.where((m.nll == xp.inf) & (m.u > 0) & (m.p > 0), -xp.inf, focal_by_gamma(xp, m, gamma))


def _pieces(xp: Namespace, x: Array, y: Array, carry: bool, quality: bool, pos_weight: Any) -> _Modulated:
    toward, away = both_sigmoids(xp, x, carry)
    a, b, rest = away.u, toward.u, 1 - y
    bce = weighted(xp, y, toward.nll) + weighted(xp, rest, away.nll)
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
    if pos_weight is not None:
        heavy = pos_weight * y
        bce = weighted(xp, heavy, toward.nll) + weighted(xp, rest, away.nll)
        slope = rest * a - heavy * b
        slope_low = rest * away.u_low - heavy * toward.u_low if carry else None
    found = _Modulated(a, b, Margin(complement, m, bce, low), other * share, slope, slope_low, b - a)
    return _next_to_the_cusp(xp, x, y, found) if quality and hasattr(xp, "parted") else found


def _next_to_the_cusp(xp: Namespace, x: Array, y: Array, s: _Modulated) -> _Modulated:
    """ "quality" where p − y cancels, from p in pairs: its rounding error, s/|p − y| ULP, would be all results'.

    s = y b + (1 − y) a. Namespaces whose bits are out of reach, or whose compilers fuse products and sums, have that error.
    Where results are rounded to a narrower type it is seen much nearer to the cusp only.
    """
    near = s.m.u < (2.0**-14 if s.bce_slope_low is None else 0.5) * (y * s.b + (1 - y) * s.a)

    def in_pairs(x: Array, y: Array) -> tuple[Any, ...]:
        pairs = Pairs(xp)
        e = pairs.exp(-pairs.abs(pairs.pair(x)))
        larger, smaller = 1 / (1 + e), e / (1 + e)
        a, b = (pairs.where(x >= 0, *both) for both in ((larger, smaller), (smaller, larger)))
        apart = a - pairs.pair(y)
        ratio = a * b / pairs.where(apart == 0, 1.0, apart)
        return (*pairs.parts(apart), *(pairs.parts(found)[0] for found in (a, b, ratio, b - a)))

    # NumPy computes the few that count; a loop has no way around the others.
    high, low, a, b, ratio, tilt = xp.among(near, in_pairs, x, y) if hasattr(xp, "among") else in_pairs(x, y)
    m = s.m._replace(u=xp.where(near, xp.abs(high), s.m.u))
    if s.bce_slope_low is not None:
        m = m._replace(u_low=xp.where(near, xp.where(high > 0, low, -low), m.u_low))
    return _Modulated(
        xp.where(near, a, s.a),
        xp.where(near, b, s.b),
        m,
        xp.where(near & (high != 0), ratio, s.ratio),
        xp.where(near, high, s.bce_slope),
        None if s.bce_slope_low is None else xp.where(near, low, s.bce_slope_low),
        xp.where(near, tilt, s.tilt),
    )


def _cusp_curvature(xp: Namespace, gamma: Numeric, like: Array) -> Any:
    """γ (γ − 1) |p − y|^(γ − 2) at p = y: ±inf below 2, but 0 at the kink γ = 1, where the two sides have opposite signs."""
    gamma = like * 0 + gamma
    flat = (gamma == 0) | (gamma == 1) | (gamma > 2)
    return xp.where(flat, 0.0, xp.where(gamma == 2, 2.0, (gamma - 1) * xp.inf))


def weighted(xp: Namespace, weight: Array, loss: Array) -> Any:
    """weight · loss, with 0 · inf = 0: a class without weight adds nothing, however far off the logit is."""
    return weight * xp.where(weight == 0, 0.0, loss)

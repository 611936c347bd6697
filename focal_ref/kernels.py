"""The focal kernel: one scalar function of the margin, with its derivatives.

With p the probability of the true class, u = 1 − p, ℓ = −log p and the margin z = log(p/u)::

    φ(z)   =  u^γ ℓ                                   Lin et al. 2017 (arXiv 1708.02002), eq. 4
    φ'(z)  = −u^γ (γ p ℓ + u)                         their appendix B
    φ''(z) =  u^γ p [(1 + 2γ) u + γ ℓ (γ p − u)]
    ∂φ/∂γ  =  φ log u

No power γ − 1 appears, so nothing is singular for 0 ≤ γ < 1; both terms of φ' have one sign, so nothing cancels.
p, u and ℓ come from a link (`focal_ref.links`), each accurate by itself: u is never computed as 1 − p.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from .typing import Array, Namespace, Numeric

__all__ = ["Jet", "Margin", "bounded", "focal", "focal_by_gamma", "log_complement", "positive", "power"]

P_VANISHES = 1e4
"""Beyond this ℓ, p = exp(−ℓ) is 0 in every format, and so is any product with it: the limit of p ℓ, instead of 0 · inf."""


class Margin(NamedTuple):
    """The true class's probability p, its complement u = 1 − p, and ℓ = −log p."""

    p: Array
    u: Array
    nll: Array
    u_low: Array | None = None
    """What rounding took from u, where that would be seen: u^γ multiplies it by γ."""


class Jet(NamedTuple):
    """A function's value and its first and second derivative; those not asked for are None."""

    value: Any
    slope: Any = None
    curvature: Any = None


def focal(xp: Namespace, margin: Margin, gamma: Numeric, order: int) -> Jet:
    """φ and its first `order` derivatives by the margin.

    Where the link says what rounding took from u, each formula adds the effect to its smaller term: no rounding is added.
    """
    p, u, nll, u_low = margin
    modulator = u**gamma
    tail = None if u_low is None else gamma * (u_low / positive(xp, u))
    value = (modulator if tail is None else modulator + modulator * tail) * nll
    if order == 0:
        return Jet(value)
    p_nll = p * bounded(xp, nll)
    spill = gamma * p_nll
    small = spill if u_low is None else spill + (u_low + tail * (spill + u))
    slope = -(modulator * (small + u))
    if order == 1:
        return Jet(value, slope)
    steady = p * ((1 + 2 * gamma) * u)
    bend = spill * (gamma * p - u)
    small = bend if u_low is None else bend + (p * ((1 + 2 * gamma) * u_low) + tail * (bend + steady))
    return Jet(value, slope, modulator * (small + steady))


def power(xp: Namespace, margin: Margin, gamma: Numeric) -> Any:
    """u^γ, with the rounding error of u made good: (u + δ)^γ = u^γ (1 + γ δ/u)."""
    result = margin.u**gamma
    if margin.u_low is None:
        return result
    return result + result * (gamma * (margin.u_low / positive(xp, margin.u)))


def positive(xp: Namespace, x: Array) -> Any:
    """x as a divisor of what is 0 where x is."""
    return xp.where(x == 0, 1.0, x)


def focal_by_gamma(xp: Namespace, margin: Margin, gamma: Numeric) -> Any:
    """∂φ/∂γ = φ log u."""
    return power(xp, margin, gamma) * (bounded(xp, margin.nll) * log_complement(xp, margin.u, margin.p))


def log_complement(xp: Namespace, u: Array, p: Array) -> Any:
    """log u from whichever of u and p = 1 − u is small, bounded below where u is 0."""
    log_u = xp.where(u > 0.5, xp.log1p(-xp.where(u > 0.5, p, 0.5)), xp.log(u))
    return xp.maximum(log_u, -P_VANISHES)


def bounded(xp: Namespace, nll: Array) -> Any:
    """ℓ where p > 0, and a finite stand-in where a product with p is 0 all the same."""
    return xp.minimum(nll, P_VANISHES)

"""Powers u^γ of a complement, with what rounding took from u made good, and bounded partners of what fades with them."""

from __future__ import annotations

from typing import Any

from ..typing import Array, Namespace, Numeric
from .margin import Margin, RaisedMargin

__all__ = [
    "FADED",
    "P_VANISHES",
    "STEEP",
    "bounded",
    "fading",
    "focal_by_gamma",
    "is_mild",
    "log_complement",
    "modulation",
    "positive",
    "power",
    "rho",
]

P_VANISHES = 1e4
"""Beyond this ℓ, p = exp(−ℓ) is 0 in every format, and so is any product with it: the limit of p ℓ, instead of 0 · inf."""


STEEP = 1e4
"""Up to this γ, γ times a rounding error of u is so small that its square doesn't count."""


FADED = 1e15
"""Beyond this γ p, u^γ = exp(−γ p) is 0 in every format."""


def is_mild(gamma: Numeric) -> bool:
    """Whether γ, or −γ, is known to be far from where its square overflows, or meets the square of a rounding error."""
    return isinstance(gamma, float) and abs(gamma) <= STEEP


def fading(xp: Namespace, gamma: Numeric, part: Array) -> Any:
    """γ part, for a part that u^γ fades out with: bounded where that has become 0, so that its square doesn't overflow."""
    product = gamma * part
    if is_mild(gamma):
        return product
    product = xp.where(product > FADED, FADED, product)
    return xp.where(product < -FADED, -FADED, product)


def modulation(xp: Namespace, margin: Margin, gamma: Numeric) -> tuple[Any, Any]:
    """u^γ, and what the rounding of u took from it, relatively: (u + δ)^γ = u^γ (1 + γ δ/u + …); None where that is nothing."""
    if isinstance(gamma, float):
        # The same bits as the power, which takes NumPy twice as long.
        modulator = margin.u * margin.u if gamma == 2 else margin.u**gamma
    else:
        # Spread first: NumPy squares where one exponent 2 meets many bases, which in parts gives other bits than the whole.
        modulator = margin.u ** (gamma + 0 * margin.u)
    if margin.u_low is None:
        return modulator, None
    tail = gamma * (margin.u_low / positive(xp, margin.u))
    if is_mild(gamma):
        return modulator, tail
    return modulator + modulator * xp.where(modulator == 0, 0.0, xp.expm1(tail)), None


def power(xp: Namespace, margin: Margin, gamma: Numeric) -> Any:
    """u^γ, with the rounding error of u made good."""
    modulator, tail = modulation(xp, margin, gamma)
    return modulator if tail is None else modulator + modulator * tail


def positive(xp: Namespace, x: Array) -> Any:
    """x as a divisor of what is 0 where x is."""
    return xp.where(x == 0, 1.0, x)


def log_complement(xp: Namespace, u: Array, p: Array) -> Any:
    """log u from whichever of u and p = 1 − u is small."""
    # XLA's log1p in float64 is wrong by 128 ULP between −0.42 and −0.35.
    likely = u > 0.65
    return xp.where(likely, xp.log1p(-xp.where(likely, p, 0.35)), xp.log(xp.where(likely, 0.5, u)))


def bounded(xp: Namespace, nll: Array) -> Any:
    """ℓ where p > 0, and a finite stand-in where a product with p is 0 all the same."""
    return xp.where(nll > P_VANISHES, P_VANISHES, nll)


def focal_by_gamma(xp: Namespace, margin: Margin, gamma: Numeric) -> Any:
    """∂(u^γ ℓ)/∂γ = u^γ ℓ log u, and 0 wherever one of the factors is, the other infinite or not."""
    modulator = power(xp, margin, gamma)
    value = modulator * margin.nll
    nothing = value == 0
    log_u = log_complement(xp, xp.where(nothing, 1.0, margin.u), xp.where(nothing, 0.0, margin.p))
    found = xp.where(nothing | (log_u == 0), 0.0, value * log_u)
    if not isinstance(margin, RaisedMargin):
        return found
    smaller, small = xp.where(margin.u < margin.p, margin.u, margin.p), 16 * margin.raised.scales.tiny
    faint = ((value < small) | (smaller < small)) & (margin.nll < xp.inf)
    return xp.where(faint, _faint_by_gamma(xp, margin, gamma, modulator, smaller < small), found)


def _faint_by_gamma(xp: Namespace, margin: RaisedMargin, gamma: Numeric, modulator: Array, beyond: Array) -> Any:
    """`focal_by_gamma` where a factor, or a product of two, is no normal number, while that of all three may be one.

    Next to p = 1, ℓ is u and log u below −700; next to u = 1, log u is −p and ℓ above 700. Elsewhere u^γ meets ℓ log u last,
    which is never above 0.5.
    """
    raised, likely = margin.raised, margin.u < margin.p
    scales, w = raised.scales, positive(xp, raised.smaller)
    # Where this counts, γ is below 0.01 (float32: 0.06), so that the exponent's rounding isn't seen.
    steady = xp.exp(-fading(xp, gamma, 0 * w + scales.log_raised))
    deep = w ** (gamma + 0 * w) * steady * (w * (xp.log(w) - scales.log_raised))
    deep = xp.where(likely, deep, -w * bounded(xp, margin.nll)) / scales.raised
    log_u = log_complement(xp, positive(xp, margin.u), xp.where(margin.u == 0, 0.0, margin.p))
    plain = modulator * (bounded(xp, margin.nll) * log_u)
    return xp.where(beyond & (raised.smaller > 0), deep, plain)


def rho(xp: Namespace, margin: Margin) -> Any:
    """ρ = p ℓ/u, from 0 to 1, which it tends to as u does to 0."""
    return xp.where(margin.u == 0, 1.0, margin.p * bounded(xp, margin.nll) / positive(xp, margin.u))

"""The focal kernel: one scalar function of the margin, with its derivatives.

With p the probability of the true class, u = 1 − p, ℓ = −log p and the margin z = log(p/u)::

    φ(z)   =  u^γ ℓ                                   Lin et al. 2017 (arXiv 1708.02002), eq. 4
    φ'(z)  = −u^γ (γ p ℓ + u)                         their appendix B
    φ''(z) =  u^γ p [(1 + 2γ) u + γ ℓ (γ p − u)]
    ∂φ/∂γ  =  φ log u

No power γ − 1 appears, so nothing is singular for 0 ≤ γ < 1; both terms of φ' have one sign, so nothing cancels.
p, u and ℓ come from a link (`focal_ref.mathematics.links`), each accurate by itself: u is never computed as 1 − p.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ..typing import Array, Namespace, Numeric

__all__ = [
    "STEEP",
    "Jet",
    "Margin",
    "bounded",
    "fading",
    "focal",
    "focal_by_gamma",
    "log_complement",
    "modulation",
    "positive",
    "power",
]

P_VANISHES = 1e4
"""Beyond this ℓ, p = exp(−ℓ) is 0 in every format, and so is any product with it: the limit of p ℓ, instead of 0 · inf."""


STEEP = 1e4
"""Up to this γ, γ times a rounding error of u is so small that its square doesn't count."""


FADED = 1e15
"""Beyond this γ p, u^γ = exp(−γ p) is 0 in every format."""


class Margin(NamedTuple):
    """The true class's probability p, its complement u = 1 − p, and ℓ = −log p."""

    p: Array
    u: Array
    nll: Array
    u_low: Array | None = None
    """What rounding took from u, where that would be seen: u^γ multiplies it by γ."""
    p_nll: Array | None = None
    """p ℓ, where the link has it without the limit 0 · inf."""


class Jet(NamedTuple):
    """A function's value and its first and second derivative; those not asked for are None."""

    value: Any
    slope: Any = None
    curvature: Any = None


def focal(xp: Namespace, margin: Margin, gamma: Numeric, order: int) -> Jet:
    """φ and its first `order` derivatives by the margin.

    Where the link says what rounding took from u, each formula adds the effect to its smaller term: no rounding is added.
    """
    p, u, nll, u_low, p_nll = margin
    modulator, tail = modulation(xp, margin, gamma)
    value = (modulator if tail is None else modulator + modulator * tail) * nll
    if order == 0:
        return Jet(value)
    pull = fading(xp, -gamma, p * bounded(xp, nll) if p_nll is None else p_nll)
    small = pull if tail is None else pull - (u_low + tail * (u - pull))
    slope = modulator * (small - u)
    if order == 1:
        return Jet(value, slope)
    gamma_p = fading(xp, gamma, p)

    def steadied(part: Any) -> Any:
        return p * ((1 + 2 * gamma) * part) if _is_mild(gamma) else (p + 2 * gamma_p) * part

    steady, bend = steadied(u), pull * (u - gamma_p)
    small = bend if tail is None else bend + (steadied(u_low) + tail * (bend + steady))
    return Jet(value, slope, modulator * (small + steady))


def _is_mild(gamma: Numeric) -> bool:
    """Whether γ, or −γ, is known to be far from where its square overflows, or meets the square of a rounding error."""
    return isinstance(gamma, float) and abs(gamma) <= STEEP


def fading(xp: Namespace, gamma: Numeric, part: Array) -> Any:
    """γ part, for a part that u^γ fades out with: bounded where that has become 0, so that its square doesn't overflow."""
    product = gamma * part
    if _is_mild(gamma):
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
    if _is_mild(gamma):
        return modulator, tail
    return modulator + modulator * xp.where(modulator == 0, 0.0, xp.expm1(tail)), None


def power(xp: Namespace, margin: Margin, gamma: Numeric) -> Any:
    """u^γ, with the rounding error of u made good."""
    modulator, tail = modulation(xp, margin, gamma)
    return modulator if tail is None else modulator + modulator * tail


def positive(xp: Namespace, x: Array) -> Any:
    """x as a divisor of what is 0 where x is."""
    return xp.where(x == 0, 1.0, x)


def focal_by_gamma(xp: Namespace, margin: Margin, gamma: Numeric) -> Any:
    """∂φ/∂γ = φ log u, and 0 wherever one of the two is, the other infinite or not."""
    value = power(xp, margin, gamma) * margin.nll
    nothing = value == 0
    log_u = log_complement(xp, xp.where(nothing, 1.0, margin.u), xp.where(nothing, 0.0, margin.p))
    return xp.where(nothing | (log_u == 0), 0.0, value * log_u)


def log_complement(xp: Namespace, u: Array, p: Array) -> Any:
    """log u from whichever of u and p = 1 − u is small."""
    # XLA's log1p in float64 is wrong by 128 ULP between −0.42 and −0.35.
    likely = u > 0.65
    return xp.where(likely, xp.log1p(-xp.where(likely, p, 0.35)), xp.log(xp.where(likely, 0.5, u)))


def bounded(xp: Namespace, nll: Array) -> Any:
    """ℓ where p > 0, and a finite stand-in where a product with p is 0 all the same."""
    return xp.where(nll > P_VANISHES, P_VANISHES, nll)

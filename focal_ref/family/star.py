"""FL*: φ = −log σ(γ z + β)/γ, cross entropy of a margin that is stretched and moved.

Lin et al. 2017 (arXiv 1708.02002), appendix A, with γ = 2, β = 1 and γ = 4, β = 0 among its settings. With
a = e^(−\\|γ z + β\\|), which is (u/p)^γ e^(−β) or its inverse::

    φ'(z)  = −σ(−(γ z + β)), of which σ is 1/(1 + a) or a/(1 + a)
    φ''(z) =  γ a/(1 + a)²
    ∂φ/∂γ  = −(H − β σ(−(γ z + β)))/γ², H the entropy of σ(γ z + β)
    ∂φ/∂β  =  φ'/γ

Nothing cancels but in ∂φ/∂γ, which has a zero. The power is taken of whichever of u/p and p/u is at most 1.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, NamedTuple

from ..mathematics.kernel import Kernel, parameter
from ..mathematics.margin import Jet, Margin
from ..mathematics.power import bounded, log_complement, positive
from ..typing import Array, GammaLike, Namespace, Numeric

__all__ = ["Star"]

_FAINT = 1e-30
"""Below this a, γ z + β is so large that β can't cancel in it, and its logarithm isn't asked for."""


class Star(Kernel):
    """FL*, −log σ(γ z + β)/γ of the margin z (Lin et al. 2017, appendix A). γ = 1, β = 0 is cross entropy.

    Limits: 0 as p → 1, as (u/p)^γ e^(−β)/γ; as p → 0 it grows as −z − β/γ, with slope −1. Smooth everywhere, and convex by the
    logit. γ divides, so it must stay away from 0, where the loss is infinite. Soft sigmoid targets are by expectation.

    fvcore's ``sigmoid_focal_loss_star`` is this with β = 0 (its variable "shifted" is only stretched), its default being γ = 1,
    which is cross entropy; it takes ``-log σ`` in float32, so that nothing overflows there.

    Parameters
    ----------
    gamma : float, sequence or array
        Steepness, γ ≥ 2^−14.
    beta : float, sequence or array
        Shift, −80 ≤ β ≤ 80.
    """

    name = "star"
    formula = "−log σ(γ z + β)/γ"
    source = "Lin et al. 2017 (arXiv 1708.02002), appendix A"

    asks = ("z",)

    gamma: GammaLike = parameter(
        2.0, low=2.0**-14, accepted="a finite number ≥ 2^−14 (γ divides the loss), a sequence of them, or an array of them"
    )
    beta: GammaLike = parameter(
        1.0, low=-80.0, high=80.0, accepted="a number from −80 to 80, a sequence of them, or an array of them", another=-0.5
    )

    @staticmethod
    def definition(p: Any, u: Any, nll: Any, gamma: Any, beta: Any, z: Any) -> Any:  # type: ignore[override]
        """−log σ(γ x_t + β)/γ, as log(1 + e^−(γ x_t + β))/γ."""
        t = -(gamma * z + beta)
        return (t + (-t).exp().log1p() if t > 0 else t.exp().log1p()) / gamma

    @staticmethod
    def jet(xp: Namespace, margin: Margin, order: int, gamma: Numeric, beta: Numeric) -> Jet:  # type: ignore[override]
        """φ and its first `order` derivatives by the margin."""
        at = _stretched(xp, margin, gamma, beta)
        value = (at.depth + xp.log1p(at.a)) / gamma
        if order == 0:
            return Jet(value)
        slope = -at.wrong
        return Jet(value, slope) if order == 1 else Jet(value, slope, gamma * (at.a / (1 + at.a) / (1 + at.a)))

    @staticmethod
    def by_probability(  # type: ignore[override]
        xp: Namespace, margin: Margin, order: int, gamma: Numeric, beta: Numeric
    ) -> Jet:
        """−σ(t)/(p u) and σ(t) [(γ − 1)(1 − σ(t)) + (u − σ(t)) + u]/(p u)²; at u = 0 as u^(γ−1) and u^(γ−2) are."""
        at, (p, u, *_) = _stretched(xp, margin, gamma, beta), margin
        value = (at.depth + xp.log1p(at.a)) / gamma
        if order == 0:
            return Jet(value)
        exponent, end = gamma + 0 * u, xp.exp(-(beta + 0 * u))
        inner = at.wrong / positive(xp, u)
        limit = xp.where(exponent < 1, xp.inf, xp.where(exponent == 1, end, 0.0 * u))
        slope = -xp.where(u == 0, limit, inner / p)
        if order == 1:
            return Jet(value, slope)
        right = xp.where(at.depth > 0, at.a, 1.0) / (1 + at.a)
        bend = xp.where(u < 0.25, (gamma - 1) * right + (u - at.wrong) + u, gamma * right + (u - p))
        curved = xp.where(exponent == 2, end, xp.where((exponent > 1) & (exponent < 2), xp.inf, 0.0 * u))
        curved = xp.where(exponent == 1, end * (2 - end), xp.where(exponent < 1, -xp.inf, curved))
        return Jet(value, slope, xp.where(u == 0, curved, inner / positive(xp, u) * bend / p / p))


class _Stretched(NamedTuple):
    """t = −(γ z + β), by its magnitude."""

    a: Array
    """e^(−|t|)."""
    depth: Array
    """t where it is above 0, else 0."""
    size: Array
    """|t|, and 0 where a is."""
    wrong: Array
    """σ(t)."""


def _stretched(xp: Namespace, margin: Margin, gamma: Numeric, beta: Numeric) -> _Stretched:
    p, u, nll, *_ = margin
    likely = u <= p
    ratio = xp.where(likely, u, p) / xp.where(likely, p, u)
    move = beta + 0 * ratio
    move = xp.where(likely, -move, move)
    # Through the halves: a power that is subnormal may have a factor that makes a normal number of it.
    half = ratio ** (0.5 * gamma + 0 * ratio) * xp.exp(0.5 * move)
    power = xp.where(half < _FAINT, half * half, ratio ** (gamma + 0 * ratio) * xp.exp(move))
    over = power > 1
    a = xp.where(over, 1 / xp.where(over, power, 1.0), power)
    up = (likely & over) | ~(likely | over)
    faint = a < _FAINT
    size = -xp.log(xp.where(faint, 0.5, a))
    far = gamma * (nll + log_complement(xp, xp.where(u == 0, 1.0, u), xp.where(u == 0, 0.0, p))) - beta
    return _Stretched(
        a,
        xp.where(up, xp.where(faint, far, size), 0.0),
        xp.where(faint, xp.abs(bounded(xp, far)), size),
        xp.where(up, 1.0, a) / (1 + a),
    )


def _by_gamma(xp: Namespace, margin: Margin, gamma: Numeric, beta: Numeric) -> Any:
    """−(H(t) − β σ(t))/γ², with H = log(1 + a) + |t| a/(1 + a)."""
    at = _stretched(xp, margin, gamma, beta)
    entropy = xp.log1p(at.a) + at.size * (at.a / (1 + at.a))
    return (beta * at.wrong - entropy) / gamma / gamma


def _by_beta(xp: Namespace, margin: Margin, gamma: Numeric, beta: Numeric) -> Any:
    return -_stretched(xp, margin, gamma, beta).wrong / gamma


Star.by_parameter = MappingProxyType({"gamma": _by_gamma, "beta": _by_beta})

"""FL*: φ = −log σ(γ z + β)/γ, cross entropy of a margin that is stretched and moved.

Lin et al. 2017 (arXiv 1708.02002), appendix A, with γ = 2, β = 1 and γ = 4, β = 0 among its settings. With
a = e^(−\\|γ z + β\\|), which is (u/p)^γ e^(−β) or its inverse::

    φ'(z)  = −σ(−(γ z + β)), of which σ is 1/(1 + a) or a/(1 + a)
    φ''(z) =  γ a/(1 + a)²
    ∂φ/∂γ  = −(H − β σ(−(γ z + β)))/γ², H the entropy of σ(γ z + β)
    ∂φ/∂β  =  φ'/γ

Nothing cancels but in ∂φ/∂γ, which has a zero. Of a sigmoid, γ z + β is formed from the logit with its rounding errors kept;
of a row, a power is taken of whichever of u/p and p/u is at most 1.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, NamedTuple

from ..mathematics.kernel import Kernel, parameter
from ..mathematics.margin import Jet, Margin
from ..mathematics.pair_arithmetic import split_of, two_product, two_sum
from ..mathematics.power import bounded, log_complement, positive
from ..typing import Array, GammaLike, Namespace, Numeric

__all__ = ["Star"]

_HUGE = 1e30
"""Beyond this t, β says nothing, and γ z may be no number any more where z is one."""
_FAINT = 1e-30
"""Below this a, γ z + β is so large that β can't cancel in it, and its logarithm isn't asked for."""


class Star(Kernel):
    """FL*, −log σ(γ z + β)/γ of the margin z (Lin et al. 2017, appendix A). γ = 1, β = 0 is cross entropy.

    Limits: 0 as p → 1, as (u/p)^γ e^(−β)/γ; as p → 0 it grows as −z − β/γ, with slope −1. Smooth everywhere, and convex by the
    logit. γ divides, so it must stay away from 0, where the loss is infinite. Soft sigmoid targets are by expectation.
    In rows whose logits lie more than 1000 apart, a φ that γ < 1 leaves a normal number may be 0.

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
        value = at.straight + xp.log1p(at.a) / gamma
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
        value = at.straight + xp.log1p(at.a) / gamma
        if order == 0:
            return Jet(value)
        exponent, end = gamma + 0 * u, xp.exp(-(beta + 0 * u))
        inner = at.wrong / positive(xp, u)
        limit = xp.where(exponent < 1, xp.inf, xp.where(exponent == 1, end, 0.0 * u))
        slope = -xp.where(u == 0, limit, inner / p)
        if order == 1:
            return Jet(value, slope)
        right = xp.where(at.up, at.a, 1.0) / (1 + at.a)
        bend = xp.where(u < 0.25, (gamma - 1) * right + (u - at.wrong) + u, gamma * right + (u - p))
        curved = xp.where(exponent == 2, end, xp.where((exponent > 1) & (exponent < 2), xp.inf, 0.0 * u))
        curved = xp.where(exponent == 1, end * (2 - end), xp.where(exponent < 1, -xp.inf, curved))
        return Jet(value, slope, xp.where(u == 0, curved, inner / positive(xp, u) * bend / p / p))


class _Stretched(NamedTuple):
    """t = −(γ z + β), by its magnitude."""

    a: Array
    """e^(−|t|)."""
    up: Array
    """Whether t is above 0."""
    straight: Array
    """t/γ where it is, else 0."""
    size: Array
    """|t|, bounded where a is 0."""

    @property
    def wrong(self) -> Any:
        """σ(t)."""
        return self.numerator / (1 + self.a)

    numerator: Array
    """1 where t is above 0, else a."""


def _stretched(xp: Namespace, margin: Margin, gamma: Numeric, beta: Numeric) -> _Stretched:
    """Of an exact z as a product and a sum with what rounding took from them; else of the quotient of u and p."""
    if margin.z is not None:
        a, up, t = _of_margin(xp, margin.z, gamma + 0 * margin.u, beta)
        straight = xp.where(xp.abs(t) > _HUGE, -margin.z, t / gamma)
    else:
        a, up, t = _of_odds(xp, margin, gamma, beta)
        far = margin.nll + log_complement(xp, positive(xp, margin.u), xp.where(margin.u == 0, 0.0, margin.p))
        straight = xp.where(xp.abs(t) > _HUGE, far, t / gamma)
    return _Stretched(a, up, xp.where(up, straight, 0.0), bounded(xp, xp.abs(t)), xp.where(up, 1.0, a))


def _of_margin(xp: Namespace, z: Array, gamma: Array, beta: Numeric) -> tuple[Any, Any, Any]:
    stretched, low = two_product(xp, z, gamma, split_of(xp, z))
    t, lost = two_sum(stretched, beta)
    low = low + lost
    low = xp.where(xp.abs(low) < 1, low, 0.0)  # an infinite margin makes it NaN
    above = t > 0
    a = xp.exp(xp.where(above, -t, t))
    return a + a * xp.where(above, -low, low), t < 0, -t - low


def _of_odds(xp: Namespace, margin: Margin, gamma: Numeric, beta: Numeric) -> tuple[Any, Any, Any]:
    p, u, nll, *_ = margin
    likely = u <= p
    ratio = xp.where(likely, u, p) / xp.where(likely, p, u)
    move = beta + 0 * ratio
    move = xp.where(likely, -move, move)
    # Through the halves: a power that is subnormal may have a factor that makes a normal number of it.
    half = ratio ** (0.5 * gamma + 0 * ratio) * xp.exp(0.5 * move)
    power = xp.where(half < _FAINT, half * half, ratio ** (gamma + 0 * ratio) * xp.exp(move))
    far = gamma * (nll + log_complement(xp, positive(xp, u), xp.where(u == 0, 0.0, p))) - beta
    if margin.shares is not None:
        power = _deep(xp, margin.shares, gamma, move, far, power)
    over = power > 1
    a = xp.where(over, 1 / xp.where(over, power, 1.0), power)
    up = (likely & over) | ~(likely | over)
    faint = a < _FAINT
    size = -xp.log(xp.where(faint, 0.5, a))
    return a, up, xp.where(faint, far, xp.where(up, size, -size))


def _deep(xp: Namespace, shares: tuple[Array, Array, float], gamma: Numeric, move: Array, far: Array, power: Array) -> Any:
    """The power of a quotient that may be no normal number, from shares that are; from t, where they are none either."""
    own, rest, scale = shares
    likely = rest <= own
    raised = xp.where(likely, rest, own) / (xp.where(likely, own, rest) / scale)
    deep = raised < 1
    raised = xp.where(deep, raised, 1.0)
    found = raised ** (gamma + 0 * raised) * xp.exp(move) * (1 / scale + 0 * raised) ** (gamma + 0 * raised)
    return xp.where((raised == 0) & ~likely, xp.exp(-xp.abs(far)), xp.where(deep, found, power))


def _by_gamma(xp: Namespace, margin: Margin, gamma: Numeric, beta: Numeric) -> Any:
    """−(H(t) − β σ(t))/γ², with H = log(1 + a) + |t| a/(1 + a)."""
    at = _stretched(xp, margin, gamma, beta)
    entropy = xp.log1p(at.a) + at.size * (at.a / (1 + at.a))
    return (beta * at.wrong - entropy) / gamma / gamma


def _by_beta(xp: Namespace, margin: Margin, gamma: Numeric, beta: Numeric) -> Any:
    return -_stretched(xp, margin, gamma, beta).wrong / gamma


Star.by_parameter = MappingProxyType({"gamma": _by_gamma, "beta": _by_beta})

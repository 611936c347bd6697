"""Reduced focal loss: cross entropy below a threshold of p, and (u/(1 − θ))^γ ℓ from it on.

Sergievskiy and Ponamarev 2019, "Reduced Focal Loss: 1st Place Solution to xView Object Detection in Satellite Imagery"
(arXiv 1903.01347): hard examples count as in cross entropy, only easy ones are weighed down. Their threshold is ½, where
θ and 1 − θ are one number; with 1 − θ the loss is continuous for every other one, too.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from ..mathematics.kernel import Kernel, parameter
from ..mathematics.margin import Jet, Margin
from ..mathematics.power import power
from ..typing import GammaLike, Namespace, Numeric
from .focal import Focal

__all__ = ["Reduced"]


class Reduced(Kernel):
    """Reduced focal loss, ℓ for p < θ, (u/(1 − θ))^γ ℓ for p ≥ θ (Sergievskiy and Ponamarev 2019). γ = 0 is cross entropy.

    Limits: 0 as p → 1; cross entropy as p → 0. θ = 0 is focal loss. Continuous, with a kink at p = θ for γ > 0: there the
    derivatives are those of p ≥ θ, whose slope is the steeper one. Where p is within its rounding error of θ either side's
    may be returned; at θ = ½ the logit's sign decides, and nothing is left to rounding.

    segmentation-models' ``reduced_threshold`` divides by θ, not by 1 − θ, which is the same for ½ and has a jump otherwise
    (`focal_ref.family.reduced_like_smp` is the weight that makes theirs of this); pytorch-toolbelt's divides by 1 − θ, as here.

    Parameters
    ----------
    gamma : float, sequence or array
        Focusing of the easy ones, γ ≥ 0.
    threshold : float, sequence or array
        θ, from 0 to 0.99.
    """

    name = "reduced"
    formula = "ℓ for p < θ, (u/(1−θ))^γ ℓ for p ≥ θ"
    source = "Sergievskiy and Ponamarev 2019 (arXiv 1903.01347)"

    asks = ("z",)

    gamma: GammaLike = parameter(2.0)
    threshold: GammaLike = parameter(
        0.5, high=0.99, accepted="a number from 0 to 0.99, a sequence of them, or an array of them", another=0.25
    )

    @staticmethod
    def definition(p: Any, u: Any, nll: Any, gamma: Any, threshold: Any, z: Any) -> Any:  # type: ignore[override]
        """−log p below the threshold, ((1 − p)/(1 − threshold))^γ (−log p) from it on; p < ½ is z < 0."""
        below = z < 0 if threshold == 0.5 else p < threshold
        return nll if below else (u / (1 - threshold)) ** gamma * nll

    @staticmethod
    def jet(xp: Namespace, margin: Margin, order: int, gamma: Numeric, threshold: Numeric) -> Jet:  # type: ignore[override]
        """φ and its first `order` derivatives: focal loss's, with another base to the power, which is 1 below."""
        base, exponent, _ = _base(xp, margin, gamma, threshold)
        return Focal.jet(xp, margin, order, exponent, base=base)

    @staticmethod
    def by_probability(  # type: ignore[override]
        xp: Namespace, margin: Margin, order: int, gamma: Numeric, threshold: Numeric
    ) -> Jet:
        """As `jet`, of focal loss's derivatives by p."""
        base, exponent, _ = _base(xp, margin, gamma, threshold)
        return Focal.by_probability(xp, margin, order, exponent, base=base)


def _base(xp: Namespace, margin: Margin, gamma: Numeric, threshold: Numeric) -> tuple[Margin, Any, Any]:
    """The margin with u/(1 − θ), 1 below the threshold, in the place of u; the exponent, 0 below; and where below is."""
    p, u, _, u_low, *_ = margin
    below = p < threshold
    if margin.gap is not None:
        # Rounding hides on which side of ½ a small logit is.
        below = below | ((p == 0.5) & (threshold + 0 * p == 0.5) & (margin.gap < 0))
    rest = 1 - threshold
    base = xp.where(below, 1.0, u / rest)
    low = None
    if u_low is not None:
        low = xp.where(below, 0.0, (u_low - base * ((1 - rest) - threshold)) / rest)
    return Margin(p, base, margin.nll, low), xp.where(below, 0.0, gamma + 0 * u), below


def _by_gamma(xp: Namespace, margin: Margin, gamma: Numeric, threshold: Numeric) -> Any:
    """(u/(1 − θ))^γ ℓ log(u/(1 − θ)), the logarithm from the difference where the quotient is near 1; 0 below."""
    base, exponent, below = _base(xp, margin, gamma, threshold)
    value = power(xp, base, exponent) * margin.nll
    rest = 1 - threshold
    nothing = below | (value == 0)
    off = xp.where(nothing, 0.0, margin.u - rest)
    if margin.u_low is not None:
        off = off + xp.where(nothing, 0.0, margin.u_low - ((1 - rest) - threshold))
    off = off / rest
    near = off > -0.35  # XLA's log1p in float64 is wrong by 128 ULP between −0.42 and −0.35.
    log = xp.where(near, xp.log1p(xp.where(near, off, 0.0)), xp.log(xp.where(near | nothing, 1.0, base.u)))
    return xp.where(nothing, 0.0, value * log)


def _by_threshold(xp: Namespace, margin: Margin, gamma: Numeric, threshold: Numeric) -> Any:
    """γ/(1 − θ) φ, 0 below."""
    base, exponent, _ = _base(xp, margin, gamma, threshold)
    value = power(xp, base, exponent) * margin.nll
    return xp.where(exponent == 0, 0.0, exponent / (1 - threshold) * value)


Reduced.by_parameter = MappingProxyType({"gamma": _by_gamma, "threshold": _by_threshold})

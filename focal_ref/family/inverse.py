"""Inverse focal loss: φ = (1 + p)^γ ℓ, which weighs the confident ones up.

The high-confidence part of cyclical focal loss (Smith 2022, arXiv 2202.08978), and what AdaFocal (Ghosh et al. 2022, arXiv
2211.11838) turns to where a model is under-confident: its negative γ. With a = γ/(1 + p) and F = (1 + p)^γ::

    φ'(z)  = −F u (1 − a p ℓ)
    φ''(z) =  F p u [1 − 2 a u + a ℓ (a p u − p u/(1 + p) + u − p)]
    ∂φ/∂γ  =  φ log(1 + p)
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from ..mathematics.kernel import Kernel, parameter
from ..mathematics.margin import Jet, Margin
from ..mathematics.power import bounded
from ..typing import GammaLike, Namespace, Numeric

__all__ = ["Inverse"]


class Inverse(Kernel):
    """Inverse focal loss, (1 + p)^γ ℓ (Smith 2022; AdaFocal's negative γ, with its sign turned). γ = 0 is cross entropy.

    Limits: 0 as p → 1, as 2^γ u; as p → 0 cross entropy, with slope −1. Smooth everywhere. The two terms of its slope have
    opposite signs: from γ = 3.6 on the loss no longer falls with p everywhere. Errors of the slope are of Σ|terms|.

    Parameters
    ----------
    gamma : float, sequence or array
        0 ≤ γ ≤ 100. AdaFocal's γ = −2 is 2 here.
    """

    name = "inverse"
    formula = "(1 + p)^γ ℓ"
    source = "Smith 2022 (arXiv 2202.08978); Ghosh et al. 2022 (arXiv 2211.11838)"

    gamma: GammaLike = parameter(2.0, high=100.0, accepted="a number from 0 to 100, a sequence of them, or an array of them")

    @staticmethod
    def definition(p: Any, u: Any, nll: Any, gamma: Any) -> Any:  # type: ignore[override]
        """(1 + p)^γ (−log p)."""
        return (1 + p) ** gamma * nll

    @staticmethod
    def jet(xp: Namespace, margin: Margin, order: int, gamma: Numeric) -> Jet:  # type: ignore[override]
        """φ and its first `order` derivatives by the margin."""
        p, u, nll, *_ = margin
        above = 1 + p
        factor = above ** (gamma + 0 * p)
        value = factor * nll
        if order == 0:
            return Jet(value)
        pull = gamma / above * (p * bounded(xp, nll))
        scale = factor * u
        slope = scale * (pull - 1)
        if order == 1:
            return Jet(value, slope)
        bend = p * (1 - 2 * gamma / above * u) + pull * ((gamma - 1) * (p * u / above) + (u - p))
        return Jet(value, slope, scale * bend)

    @staticmethod
    def by_probability(xp: Namespace, margin: Margin, order: int, gamma: Numeric) -> Jet:  # type: ignore[override]
        """−F (1 − a p ℓ)/p and F [1 − 2 a p + γ (γ − 1) p² ℓ/(1 + p)²]/p²."""
        p, _, nll, *_ = margin
        above = 1 + p
        factor, pull = above ** (gamma + 0 * p), gamma / above * (p * bounded(xp, nll))
        value = factor * nll
        if order == 0:
            return Jet(value)
        slope = factor * ((pull - 1) / p)
        if order == 1:
            return Jet(value, slope)
        return Jet(value, slope, factor * ((1 - 2 * gamma / above * p + (gamma - 1) / above * (p * pull)) / p / p))


def _by_gamma(xp: Namespace, margin: Margin, gamma: Numeric) -> Any:
    """φ log(1 + p), which p ends where ℓ is infinite."""
    p = margin.p
    return (1 + p) ** (gamma + 0 * p) * (bounded(xp, margin.nll) * xp.log1p(p))


Inverse.by_parameter = MappingProxyType({"gamma": _by_gamma})

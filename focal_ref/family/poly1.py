"""Poly-1 focal loss: φ = u^γ ℓ + ε u^(γ+1).

Leng et al. 2022, "PolyLoss: A Polynomial Expansion Perspective of Classification Loss Functions" (arXiv 2204.12511), eq. 7: the
first coefficient of focal loss's expansion in powers of u, moved by ε. With m = ε u^(γ+1)::

    φ'(z)  = focal's − (γ+1) p m
    φ''(z) = focal's − (γ+1) p m (u − (γ+1) p)
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from ..mathematics.kernel import Kernel, parameter
from ..mathematics.margin import Jet, Margin
from ..mathematics.power import fading, focal_by_gamma, log_complement, positive, power
from ..typing import GammaLike, Namespace, Numeric
from .focal import Focal

__all__ = ["Poly1"]

_EPSILON = "a finite number ≥ −1, a sequence of them, or an array of them"


class Poly1(Kernel):
    """Poly-1 focal loss, u^γ ℓ + ε u^(γ+1) (Leng et al. 2022, eq. 7). ε = 0 is focal loss.

    Limits: 0 as p → 1; as p → 0 focal loss plus ε. Smooth everywhere. For ε < −1 the loss would fall where it must rise; for
    ε < 0 its terms have opposite signs, and errors are of Σ|terms|. Bounds on errors are those of γ + 1, the higher power of u.
    Some libraries smooth the labels inside ℓ and not inside u; here smoothing is the expectation over the smoothed label.

    Parameters
    ----------
    gamma : float, sequence or array
        Focusing, γ ≥ 0.
    epsilon : float, sequence or array
        Weight of the first term of the expansion, ε ≥ −1; the paper's default for focal loss is tuned by task, 1 stands for it.
    """

    name = "poly1"
    formula = "u^γ ℓ + ε u^(γ+1)"
    source = "Leng et al. 2022 (arXiv 2204.12511), eq. 7"
    steeper = 1.0

    gamma: GammaLike = parameter(2.0)
    epsilon: GammaLike = parameter(1.0, low=-1.0, accepted=_EPSILON, another=-0.75)

    @staticmethod
    def definition(p: Any, u: Any, nll: Any, gamma: Any, epsilon: Any) -> Any:  # type: ignore[override]
        """(1 − p)^γ (−log p) + ε (1 − p)^(γ+1)."""
        return u**gamma * nll + epsilon * u ** (gamma + 1)

    @staticmethod
    def jet(xp: Namespace, margin: Margin, order: int, gamma: Numeric, epsilon: Numeric) -> Jet:  # type: ignore[override]
        """φ and its first `order` derivatives by the margin."""
        own, more = Focal.jet(xp, margin, order, gamma), epsilon * (power(xp, margin, gamma) * margin.u)
        if order == 0:
            return Jet(own.value + more)
        step = fading(xp, gamma, margin.p) + margin.p
        pull = step * more
        if order == 1:
            return Jet(own.value + more, own.slope - pull)
        return Jet(own.value + more, own.slope - pull, own.curvature - pull * (margin.u - step))

    @staticmethod
    def by_probability(  # type: ignore[override]
        xp: Namespace, margin: Margin, order: int, gamma: Numeric, epsilon: Numeric
    ) -> Jet:
        """Focal's, − ε (γ + 1) u^γ, and + ε (γ + 1) γ u^γ/u, which at u = 0 is without bound for γ < 1."""
        own, u = Focal.by_probability(xp, margin, order, gamma), margin.u
        modulator = power(xp, margin, gamma)
        value = own.value + epsilon * (modulator * u)
        if order == 0:
            return Jet(value)
        pull = epsilon * ((gamma + 1) * modulator)
        if order == 1:
            return Jet(value, own.slope - pull)
        exponent = gamma + 0 * u
        at_zero = xp.where(exponent < 1, xp.inf, xp.where(exponent == 1, 1.0, 0.0 * u))
        inner = xp.where(exponent == 0, 0.0, exponent * xp.where(u == 0, at_zero, modulator / positive(xp, u)))
        return Jet(value, own.slope - pull, own.curvature + epsilon * ((gamma + 1) * inner))


def _by_gamma(xp: Namespace, margin: Margin, gamma: Numeric, epsilon: Numeric) -> Any:
    """(u^γ ℓ + ε u^(γ+1)) log u, 0 where u^(γ+1) is."""
    more = power(xp, margin, gamma) * margin.u
    nothing = more == 0
    log_u = log_complement(xp, xp.where(nothing, 1.0, margin.u), xp.where(nothing, 0.0, margin.p))
    return focal_by_gamma(xp, margin, gamma) + xp.where(nothing, 0.0, epsilon * (more * log_u))


def _by_epsilon(xp: Namespace, margin: Margin, gamma: Numeric, epsilon: Numeric) -> Any:
    return power(xp, margin, gamma) * margin.u


Poly1.by_parameter = MappingProxyType({"gamma": _by_gamma, "epsilon": _by_epsilon})

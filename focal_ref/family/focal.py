"""Focal loss: φ = u^γ ℓ.

::

    φ(z)   =  u^γ ℓ                                   Lin et al. 2017 (arXiv 1708.02002), eq. 4
    φ'(z)  = −u^γ (γ p ℓ + u)                         their appendix B
    φ''(z) =  u^γ p [(1 + 2γ) u + γ ℓ (γ p − u)]
    ∂φ/∂γ  =  φ log u

No power γ − 1 appears, so nothing is singular for 0 ≤ γ < 1; both terms of φ' have one sign, so nothing cancels.
p, u and ℓ come from a link, each accurate by itself: u is never computed as 1 − p.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from ..mathematics.kernel import Kernel, parameter
from ..mathematics.margin import Jet, Margin
from ..mathematics.modulated import modulated, modulated_by_gamma
from ..mathematics.power import bounded, fading, focal_by_gamma, is_mild, modulation, positive, power, rho
from ..typing import Array, GammaLike, Namespace, Numeric

__all__ = ["Focal"]


class Focal(Kernel):
    """Focal loss, u^γ ℓ (Lin et al. 2017, eq. 4). γ = 0 is cross entropy.

    Limits: 0 as p → 1, ∞ as p → 0 with slope −1 for every γ. Smooth everywhere. For soft sigmoid targets libraries have three
    formulas (`focal_ref.mathematics.modulated` has two of them).

    Parameters
    ----------
    gamma : float, sequence or array
        Focusing, γ ≥ 0.
    """

    name = "focal"
    formula = "u^γ ℓ"
    source = "Lin et al. 2017 (arXiv 1708.02002), eq. 4"
    soft_targets = ("mix", "expected", "quality")
    with_positives = ("mix", "expected")
    asks_steepness_only = True
    by_parameter = MappingProxyType({"gamma": focal_by_gamma})

    gamma: GammaLike = parameter(2.0)

    @staticmethod
    def definition(p: Any, u: Any, nll: Any, gamma: Any) -> Any:  # type: ignore[override]
        """(1 − p)^γ (−log p)."""
        return u**gamma * nll

    @staticmethod
    def jet(  # type: ignore[override]
        xp: Namespace, margin: Margin, order: int, gamma: Numeric, base: Margin | None = None
    ) -> Jet:
        """φ and its first `order` derivatives by the margin; `base`: whose u^γ modulates, where that isn't the margin's.

        Naively u^γ (…) with a rounded u is off by γ times u's error. With the link's u_low and tail = γ u_low/u, the exact
        modulator is u^γ (1 + tail) to first order. A product (1 + tail)(a + b) of a large a and a small b would be rounded
        twice; instead a's share of the correction is added to the smaller b, and a + (b + …) is rounded once:
        for φ', −u (1 + tail) − u_low + pull (1 + tail) = (pull − (u_low + tail (u − pull))) − u, and likewise for φ''.
        """
        p, u, nll, u_low, p_nll, *_ = margin
        modulator, tail = modulation(xp, margin if base is None else base, gamma)
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
            return p * ((1 + 2 * gamma) * part) if is_mild(gamma) else (p + 2 * gamma_p) * part

        steady, bend = steadied(u), pull * (u - gamma_p)
        small = bend if tail is None else bend + (steadied(u_low) + tail * (bend + steady))
        return Jet(value, slope, modulator * (small + steady))

    @classmethod
    def pulls(  # type: ignore[override]
        cls, xp: Namespace, margin: Margin, weight: Any, gamma: Numeric
    ) -> tuple[Any, Any]:
        """weight u^γ (1 + γ ρ) and weight u^γ (p + 2γ p + γ ρ (γ p − u)) with ρ = p ℓ/u, which tends to 1 as u does to 0."""
        p, u, *_ = margin
        modulator = weight * power(xp, margin, gamma)
        gamma_p, pull = fading(xp, gamma, p), fading(xp, gamma, rho(xp, margin))
        return modulator * (1 + pull), modulator * (p + 2 * gamma_p + pull * (gamma_p - u))

    @staticmethod
    def by_probability(  # type: ignore[override]
        xp: Namespace, margin: Margin, order: int, gamma: Numeric, base: Margin | None = None
    ) -> Jet:
        """−u^γ (1/p + γ ℓ/u) and u^γ [1/p² + γ (2/p + (γ − 1) ℓ/u)/u], ℓ/u tending to 1 as u does to 0; `base` as for `jet`."""
        p: Any = margin.p
        u, nll, inverse = margin.u, margin.nll, 1 / p
        modulator = power(xp, margin if base is None else base, gamma)
        value = modulator * nll
        if order == 0:
            return Jet(value)
        ratio = xp.where(u == 0, 1.0, bounded(xp, nll) / positive(xp, u))
        slope = -modulator * (inverse + gamma * ratio)
        if order == 1:
            return Jet(value, slope)
        # u^γ/u at u = 0, which is without bound for γ < 1.
        above = xp.where(gamma + 0 * u < 1, xp.inf, xp.where(gamma + 0 * u == 1, 1.0, 0.0 * u))
        inner = gamma * xp.where(u == 0, above, modulator / positive(xp, u)) * (2 * inverse + (gamma - 1) * ratio)
        return Jet(value, slope, modulator / p / p + xp.where(gamma + 0 * u == 0, 0.0, inner))

    @staticmethod
    def soft_jet(  # type: ignore[override]
        xp: Namespace, x: Array, y: Array, order: int, carry: bool, formula: str, gamma: Numeric, pos_weight: Any = None
    ) -> Jet:
        """ "mix" and "quality"."""
        return modulated(xp, x, y, gamma, order, carry, quality=formula == "quality", pos_weight=pos_weight)

    @staticmethod
    def soft_by_parameter(  # type: ignore[override]
        xp: Namespace, x: Array, y: Array, carry: bool, formula: str, by: str, gamma: Numeric, pos_weight: Any = None
    ) -> Any:
        """By γ."""
        return modulated_by_gamma(xp, x, y, gamma, carry, quality=formula == "quality", pos_weight=pos_weight)

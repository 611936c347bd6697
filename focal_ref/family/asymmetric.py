"""Asymmetric loss: a γ for the positives, another for the negatives, whose probability is shifted before it is weighed.

Ridnik et al., "Asymmetric Loss For Multi-Label Classification", ICCV 2021 (arXiv 2009.14119), section 2. Positives have focal
loss with γ₊. Of negatives, with u = σ(x) what the true class lacks, v = max(u − m, 0), w = 1 − v = p + m and L = −log w::

    φ(z)   =  v^γ₋ L
    φ'(z)  = −u v^γ₋ (γ₋ p L/v + s)                                              s = p/w
    φ''(z) =  u v^γ₋ {s (p − u m/w) + 2 γ₋ s p u/v + γ₋ (p L/v) [(γ₋ − 1) p u/v + p − u]}

and 0 for v = 0. m = 0 gives focal loss's own. No power γ − 1 appears: L/v tends to 1 as v does to 0.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, NamedTuple

from ..mathematics.kernel import Kernel, parameter
from ..mathematics.margin import Jet, Margin
from ..mathematics.power import bounded, fading, focal_by_gamma, log_complement, modulation, positive, power
from ..typing import Array, GammaLike, Namespace, Numeric
from .focal import Focal

__all__ = ["Asymmetric"]


class Asymmetric(Kernel):
    """Asymmetric loss (ASL; Ridnik et al., ICCV 2021): u^γ₊ ℓ of positives, max(u − m, 0)^γ₋ (−log(1 − max(u − m, 0))) of
    negatives. Equal γs and m = 0 are focal loss.

    Limits: 0 as p → 1, and for negatives exactly 0 where u ≤ m, value and derivatives; as p → 0 positives grow as focal loss,
    negatives stay below −log m. At u = m the value is continuous, the slope for γ₋ > 0, the curvature for γ₋ > 1; there all
    are 0, as from below. Just above it u − m has lost digits to cancellation: errors are up to (1 + γ₋) m/(u − m) times larger.
    Soft sigmoid targets are by expectation; a softmax row has positives only, so that γ₊ alone matters.

    timm's ``AsymmetricLossMultiLabel`` takes logarithms of 1e-8 at least, and divides the sum by the rows. The authors leave
    the weights out of the gradient, timm on demand: that detached variant is ``Asymmetric(0, 0, shift)`` with
    `focal_ref.family.asymmetric_weight` as weight. Their soft targets have both logarithms under one weight.

    Parameters
    ----------
    gamma_positive, gamma_negative : float, sequence or array
        γ₊ and γ₋, ≥ 0. The paper has 0 and 4, timm 1 and 4.
    shift : float, sequence or array
        m, from 0 to 0.99: negatives below this probability are left alone.
    """

    name = "asymmetric"
    formula = "u^γ₊ ℓ; of negatives v^γ₋ (−log(1−v)), v = max(u−m, 0)"
    source = "Ridnik et al. 2021 (arXiv 2009.14119), section 2"
    asks = ("label",)

    gamma_positive: GammaLike = parameter(1.0)
    gamma_negative: GammaLike = parameter(4.0, another=0.75)
    shift: GammaLike = parameter(
        0.05, high=0.99, accepted="a number from 0 to 0.99, a sequence of them, or an array of them", another=0.25
    )

    @staticmethod
    def definition(  # type: ignore[override]
        p: Any, u: Any, nll: Any, gamma_positive: Any, gamma_negative: Any, shift: Any, label: int
    ) -> Any:
        """(1 − p)^γ₊ (−log p); p_m^γ₋ (−log(1 − p_m)) with p_m = max(p − m, 0) of the negatives, whose p is u here."""
        if label or shift == 0:
            return u ** (gamma_positive if label else gamma_negative) * nll
        shifted = u - shift
        return shifted**gamma_negative * -(p + shift).log() if shifted > 0 else 0 * u

    @staticmethod
    def jet(  # type: ignore[override]
        xp: Namespace, margin: Margin, order: int, gamma_positive: Numeric, gamma_negative: Numeric, shift: Numeric
    ) -> Jet:
        """φ and its first `order` derivatives by the margin."""
        gamma, shift = _of_label(xp, margin, gamma_positive, gamma_negative, shift)
        if isinstance(shift, float) and shift == 0:
            return Focal.jet(xp, margin, order, gamma)
        at = _shifted(xp, margin, shift)
        modulator, tail = modulation(xp, at.margin, gamma)
        value = (modulator if tail is None else modulator + modulator * tail) * at.margin.nll
        value = xp.where(at.clipped, 0.0, value)
        if order == 0:
            return Jet(value)
        push = at.share * margin.u
        small = -fading(xp, gamma, at.pull * margin.u)
        if tail is not None and margin.u_low is not None:
            small = small - (at.share * margin.u_low + tail * (push - small))
        slope = xp.where(at.clipped, 0.0, modulator * (small - push))
        if order == 1:
            return Jet(value, slope)
        return Jet(value, slope, xp.where(at.clipped, 0.0, margin.u * _bend(xp, margin, at, gamma)))

    @staticmethod
    def by_probability(  # type: ignore[override]
        xp: Namespace, margin: Margin, order: int, gamma_positive: Numeric, gamma_negative: Numeric, shift: Numeric
    ) -> Jet:
        """−v^γ (γ L/v + 1/w) and v^γ [(γ (γ − 1) L/v + 2 γ/w)/v + 1/w²], which are focal loss's without a shift."""
        gamma, shift = _of_label(xp, margin, gamma_positive, gamma_negative, shift)
        own = Focal.by_probability(xp, margin, order, gamma)
        if isinstance(shift, float) and shift == 0:
            return own
        at, moved = _shifted(xp, margin, shift), shift + 0 * margin.u > 0
        # Where nothing is shifted, p may be 0: focal loss's own is taken.
        inside = at.margin._replace(p=xp.where(moved, at.margin.p, 0.5))
        jet = Focal.by_probability(xp, inside, order, gamma)
        parts = zip(own, jet, strict=True)
        return Jet(*(a if a is None else xp.where(moved, xp.where(at.clipped, 0.0, b), a) for a, b in parts))

    @classmethod
    def pulls(  # type: ignore[override]
        cls,
        xp: Namespace,
        margin: Margin,
        weight: Any,
        gamma_positive: Numeric,
        gamma_negative: Numeric,
        shift: Numeric,
    ) -> tuple[Any, Any]:
        """weight v^γ (γ p L/v + s), and φ''/u likewise."""
        gamma, shift = _of_label(xp, margin, gamma_positive, gamma_negative, shift)
        if isinstance(shift, float) and shift == 0:
            return Focal.pulls(xp, margin, weight, gamma)
        at = _shifted(xp, margin, shift)
        pull = power(xp, at.margin, gamma) * (fading(xp, gamma, at.pull) + at.share)
        bend = _bend(xp, margin, at, gamma)
        return xp.where(at.clipped, 0.0, weight * pull), xp.where(at.clipped, 0.0, weight * bend)


def _of_label(xp: Namespace, margin: Margin, of_positives: Numeric, of_negatives: Numeric, shift: Numeric) -> tuple[Any, Any]:
    """γ and m, as the label has them."""
    if isinstance(margin.label, float):
        return (of_positives, 0.0) if margin.label else (of_negatives, shift)
    is_positive, spread = margin.label == 1, 0 * margin.u
    return xp.where(is_positive, of_positives + spread, of_negatives + spread), xp.where(is_positive, spread, shift + spread)


class _Shifted(NamedTuple):
    """A margin with v in the place of u, w in that of p, L in that of ℓ; and what its derivatives are made of."""

    margin: Margin
    clipped: Array
    share: Array
    """s = p/w."""
    lost: Array
    """m/w = 1 − s."""
    excess: Array
    """u/v."""
    pull: Array
    """p L/v."""


def _shifted(xp: Namespace, margin: Margin, shift: Numeric) -> _Shifted:
    p, u, nll, u_low, *_ = margin
    v = u - shift
    low = None if u_low is None else u_low + ((u - v) - shift)
    # u = 0 without a shift is p = 1, where focal loss's formulas hold.
    unshifted = shift + 0 * u == 0
    clipped = (v <= 0) & ~unshifted
    v, w = xp.where(clipped, 0.5, v), xp.where(clipped, 0.5, p + shift)
    low = None if low is None else xp.where(clipped, 0.0, low)
    inner = xp.where(unshifted, 0.5, w)
    log = xp.where(unshifted, nll, -log_complement(xp, inner, xp.where(unshifted, 0.5, v)))
    divisor = positive(xp, v)
    share = xp.where(unshifted, 1.0, p / inner)
    lost = xp.where(unshifted, 0.0, shift / inner)
    pull = xp.where(v == 0, 1.0, p * bounded(xp, log) / divisor)
    excess = xp.where(v == 0, 1.0, u / divisor)
    return _Shifted(Margin(w, v, log, low), clipped, share, lost, excess, pull)


def _bend(xp: Namespace, margin: Margin, at: _Shifted, gamma: Numeric) -> Any:
    """φ''/u."""
    p, u, *_ = margin
    steep = fading(xp, gamma, p * at.excess)
    terms = at.share * (p - u * at.lost) + 2 * at.share * steep
    turn = (steep - p * at.excess) + (p - u)
    return power(xp, at.margin, gamma) * (terms + fading(xp, gamma, at.pull) * turn)


def _by_gamma(xp: Namespace, margin: Margin, gamma: Numeric, shift: Numeric) -> Any:
    if isinstance(shift, float) and shift == 0:
        return focal_by_gamma(xp, margin, gamma)
    at = _shifted(xp, margin, shift)
    return xp.where(at.clipped, 0.0, focal_by_gamma(xp, at.margin, gamma))


def _by_positive(xp: Namespace, margin: Margin, gamma_positive: Numeric, gamma_negative: Numeric, shift: Numeric) -> Any:
    return _where_label(xp, margin, 1, _by_gamma(xp, margin, *_of_label(xp, margin, gamma_positive, gamma_negative, shift)))


def _by_negative(xp: Namespace, margin: Margin, gamma_positive: Numeric, gamma_negative: Numeric, shift: Numeric) -> Any:
    return _where_label(xp, margin, 0, _by_gamma(xp, margin, *_of_label(xp, margin, gamma_positive, gamma_negative, shift)))


def _by_shift(xp: Namespace, margin: Margin, gamma_positive: Numeric, gamma_negative: Numeric, shift: Numeric) -> Any:
    """−v^γ₋ (γ₋ L/v + 1/w), of negatives that are not clipped."""
    at = _shifted(xp, margin, shift + 0 * margin.u)
    modulator = power(xp, at.margin, gamma_negative)
    by = -modulator * (
        gamma_negative * (bounded(xp, at.margin.nll) / positive(xp, at.margin.u)) + 1 / positive(xp, at.margin.p)
    )
    return _where_label(xp, margin, 0, xp.where(at.clipped, 0.0, by))


def _where_label(xp: Namespace, margin: Margin, label: int, result: Any) -> Any:
    if isinstance(margin.label, float):
        return result if margin.label == label else 0 * margin.u
    return xp.where(margin.label == label, result, 0 * margin.u)


Asymmetric.by_parameter = MappingProxyType({"gamma_positive": _by_positive, "gamma_negative": _by_negative, "shift": _by_shift})

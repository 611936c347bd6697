"""Soft targets by expectation: what a loss is on average over the labels that a soft target stands for.

* Sigmoid, target y in [0, 1]: y φ(x) + (1 − y) φ(−x)
* Softmax, y a row of probabilities: Σ_c y_c φ(z_c), z_c the margin of class c against the rest.

Any kernel has them. Focal loss's other formulas are in `focal_ref.mathematics.modulated`.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

from ..typing import Array, Namespace, Numeric
from .kernel import Kernel
from .margin import Jet, Margin
from .modulated import weighted
from .power import positive
from .softmax import exponentials, pick
from .sums import exclusive_sum, largest, total_of

__all__ = [
    "SoftRow",
    "expected_weights",
    "sigmoid_expected",
    "sigmoid_expected_by_parameter",
    "soft_row",
    "softmax_expected",
    "softmax_expected_by_parameter",
    "softmax_expected_gradient",
    "softmax_expected_hessian_diag",
    "softmax_expected_hvp",
]


def sigmoid_expected(xp: Namespace, up: Array, down: Array, positive: Jet, negative: Jet) -> Jet:
    """`up` φ(x) + `down` φ(−x) from φ as a positive and as a negative, by their margins x and −x."""
    value = weighted(xp, up, positive.value) + weighted(xp, down, negative.value)
    if positive.slope is None:
        return Jet(value)
    slope = up * positive.slope - down * negative.slope
    if positive.curvature is None:
        return Jet(value, slope)
    return Jet(value, slope, up * positive.curvature + down * negative.curvature)


def sigmoid_expected_by_parameter(up: Array, down: Array, positive: Array, negative: Array) -> Any:
    """The derivative of "expected" by a parameter, from that of both sides."""
    return up * positive + down * negative


def expected_weights(y: Array, alpha: Numeric | None, pos_weight: Numeric | None) -> tuple[Any, Any]:
    """What "expected" weighs φ as a positive, and as a negative, by: α y times `pos_weight`, and (1 − α) (1 − y)."""
    up, down = (y, 1 - y) if alpha is None else (alpha * y, (1 - alpha) * (1 - y))
    return (up if pos_weight is None else pos_weight * up), down


Parameters: TypeAlias = dict[str, Any]
"""A kernel's, by name."""


class SoftRow(NamedTuple):
    """Every class of a row against the rest: p_c = E_c/S, u_c = Σ_{k≠c} E_k/S, ℓ_c."""

    y: Array
    e: Array
    rest: Array
    """Σ_{k≠c} E_k."""
    top: Array
    """True at the largest logit."""
    margin: Margin
    classes: Array
    carry: bool


def soft_row(xp: Namespace, x: Array, y: Array, classes: Array, carry: bool) -> SoftRow:
    """The one-against-the-rest margins of a row of logits x, with target probabilities y."""
    e, _, gap, scale = exponentials(xp, x, carry)
    sums = total_of(xp, e, carry)
    top = largest(xp, e, classes)
    rest = exclusive_sum(xp, e, sums, top, carry)
    total = sums[..., None]
    nll = xp.where(gap == 0, xp.log1p(rest / scale), xp.log(total / scale) - gap)
    margin = Margin(e / total, rest / total, nll, gap=gap, shares=(e, rest, scale))
    return SoftRow(y, e, rest, top, margin, classes, carry)


def softmax_expected(xp: Namespace, row: SoftRow, kernel: type[Kernel], parameters: Parameters) -> Any:
    """Σ_c y_c φ(z_c)."""
    return _sum_of_losses(xp, weighted(xp, row.y, kernel.jet(xp, row.margin, 0, **parameters).value), row.carry)


def softmax_expected_by_parameter(xp: Namespace, row: SoftRow, kernel: type[Kernel], parameters: Parameters, by: str) -> Any:
    """The derivative of Σ_c y_c φ(z_c) by a parameter."""
    return _sum_of_losses(xp, row.y * kernel.by_parameter[by](xp, row.margin, **parameters), row.carry)


def _sum_of_losses(xp: Namespace, terms: Array, carry: bool) -> Any:
    """A sum that may be infinite, where the errors that are carried along would be NaN."""
    plain = xp.sum(terms, axis=-1)
    return xp.where(xp.abs(plain) < xp.inf, total_of(xp, terms, carry), plain)


def softmax_expected_gradient(xp: Namespace, row: SoftRow, kernel: type[Kernel], parameters: Parameters) -> Any:
    """p_j Σ_{c≠j} w_c − u_j w_j: cross entropy's gradient with the targets reweighted."""
    w, _ = _pulls(xp, row, kernel, parameters)
    return row.margin.p * _sum_of_others(xp, row, w) - row.margin.u * w


def softmax_expected_hessian_diag(xp: Namespace, row: SoftRow, kernel: type[Kernel], parameters: Parameters) -> Any:
    """H_jj = u_j h_j + p_j [Σ_{c≠j} w_c + Σ_{c≠j} (h_c − w_c) p_j/u_c].

    Only the largest class's u can be small; p_j/u is taken there as E_j over the sum of the others.
    """
    (p, u, *_), top = row.margin, row.top
    w, h = _pulls(xp, row, kernel, parameters)
    beyond = xp.where(top, 0.0, row.e)
    rest_of_top = _pick(xp, top, row.rest)
    beyond = exclusive_sum(xp, beyond, rest_of_top[..., 0], largest(xp, beyond, row.classes), row.carry)
    # p_top/u_c and (1 - p_top/u_c) for every c but the top
    divisor = positive(xp, row.rest)
    of_top = (w * beyond + h * _pick(xp, top, row.e)) / divisor
    of_top = total_of(xp, xp.where(top, 0.0, of_top), row.carry)[..., None]
    mild = xp.where(top, 0.0, (h - w) / xp.where(top, 1.0, u))
    w_mild = xp.where(top, 0.0, w)
    w_others = exclusive_sum(xp, w_mild, total_of(xp, w_mild, row.carry), largest(xp, w_mild, row.classes), row.carry)
    w_top, h_top = _pick(xp, top, w), _pick(xp, top, h)
    of_rest = w_others + p * (total_of(xp, mild, row.carry)[..., None] - mild)
    of_rest = of_rest + (w_top * beyond + h_top * row.e) / positive(xp, rest_of_top)
    return u * h + p * xp.where(top, of_top, of_rest)


def _pick(xp: Namespace, where: Array, values: Array) -> Any:
    return pick(xp, where, values)[..., None]


def softmax_expected_hvp(xp: Namespace, row: SoftRow, kernel: type[Kernel], parameters: Parameters, tangent: Array) -> Any:
    """(Hv)_j = u_j h_j s_j + p_j [v_j Σ_{c≠j} w_c − Σ_{c≠j} (h_c s_c + w_c v̄_c)].

    v̄_c is the others' mean of v, s_c = v_c − v̄_c.
    """
    w, h = _pulls(xp, row, kernel, parameters)
    moments = row.e * tangent
    sums = total_of(xp, moments, row.carry)
    mean = exclusive_sum(xp, moments, sums, row.top, row.carry) / positive(xp, row.rest)
    step = h * (tangent - mean)
    drift = step + w * mean
    # The largest logit's drift is the one to leave out exactly: any other's error meets a p of at most 1/2. Which of them is
    # summed apart mustn't hang on the tangent, in which this is linear: JAX transposes it.
    drift_of_others = exclusive_sum(xp, drift, total_of(xp, drift, row.carry), row.top, row.carry)
    product = row.margin.u * step + row.margin.p * (tangent * _sum_of_others(xp, row, w) - drift_of_others)
    # A class with nearly all of p has terms near 1 that cancel down to its tiny u; the entries of H v sum to 0 along a row.
    # Only there: in a row of equals the others' rounding errors, summed up, would outweigh the class's own terms.
    others = total_of(xp, xp.where(row.top, 0.0, product), row.carry)[..., None]
    return xp.where(row.top & (row.margin.p > 0.5), -others, product)


def _pulls(xp: Namespace, row: SoftRow, kernel: type[Kernel], parameters: Parameters) -> tuple[Any, Any]:
    """w_c = −y_c φ'_c/u_c and h_c = y_c φ''_c/u_c."""
    return kernel.pulls(xp, row.margin, row.y, **parameters)


def _sum_of_others(xp: Namespace, row: SoftRow, w: Array) -> Any:
    """Σ_{c≠j} w_c for w ≥ 0."""
    return exclusive_sum(xp, w, total_of(xp, w, row.carry), largest(xp, w, row.classes), row.carry)

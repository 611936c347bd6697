"""The two programs that an array library runs: logits and targets in, weighted losses and derivatives out.

cast → targets → link → kernel → weight → divide → round, once. Everything that needs no array is decided before (`Plan`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ..engine import execution
from ..mathematics import soft_targets
from ..mathematics.kernel import STEEP, Jet, Margin, focal, focal_by_gamma
from ..mathematics.links import (
    both_sigmoids,
    roomy_sigmoid,
    sigmoid,
    softmax,
    softmax_gradient,
    softmax_hessian_diag,
    softmax_hvp,
)
from ..typing import Array, Namespace

__all__ = ["ORDER", "Plan", "is_steep", "sigmoid_program", "softmax_program"]

ORDER = {"value": 0, "gamma_grad": 0, "grad": 1, "hessian_diag": 2, "hvp": 2}
"""The highest derivative that each result needs."""
PER_LOSS = ("value", "gamma_grad")
"""Results with one entry a loss; the others have the logits' shape."""


class Plan(NamedTuple):
    """What is to be computed, and what is known before any array is touched."""

    wants: tuple[str, ...]
    compute: str
    """The type that losses and derivatives are weighed in."""
    formulas: str
    """The type that they are evaluated in: the same, or a wider one where that costs less than carrying errors along."""
    formula: str
    """ "hard", or the name of a soft-target formula."""
    looked: bool
    """Whether the targets' values were checked; if not, a wrong one gives NaN in its row."""
    reduced: bool
    carry: bool = False
    """Whether rounding errors of x − max x and of u would be seen in the result, and are carried along."""
    roomy: bool = False
    """Whether what isn't 0 in the logits' type is far from under- or overflow where it is evaluated."""
    looks_up: bool = False
    """Whether looking entries up costs less than a sum under a mask."""
    ignore_index: int | None = None
    label_smoothing: float = 0.0
    integer_targets: bool = False
    rows: bool = False
    """Softmax: a loss a row, derivatives an entry a class."""

    @property
    def order(self) -> int:
        """The highest derivative wanted."""
        return max(ORDER[want] for want in self.wants)


def is_steep(gamma: Any) -> bool:
    """Whether some γ is known to be so large that it shows what rounding took from u."""
    if not execution.is_array(gamma):
        return max(gamma) > STEEP if isinstance(gamma, tuple) else bool(gamma > STEEP)
    seen = execution.values(gamma)
    return seen is not None and bool((seen > STEEP).any())


def sigmoid_program(
    xp: Namespace,
    logits: Array,
    targets: Any,
    gamma: Any,
    alpha: Any,
    weight: Any,
    divisor: Any,
    tangent: Any,
    *,
    plan: Plan,
) -> tuple[Array, ...]:
    """Sigmoid focal losses; every argument broadcasts to the logits' shape."""
    x, y, alpha, weight, tangent = (_cast(xp, a, plan.compute) for a in (logits, targets, alpha, weight, tangent))
    gamma = _cast(xp, gamma, plan.formulas)
    if plan.formula != "hard" and isinstance(y, float):
        y = xp.asarray(y, dtype=x.dtype, device=execution.device_of(logits))
    wrong = None
    if not plan.looked:
        wrong = ~((y == 0) | (y == 1) if plan.formula == "hard" else (y >= 0) & (y <= 1))
    sign = 2 * y - 1
    at = _cast(xp, sign * x if plan.formula == "hard" else x, plan.formulas)
    results: dict[str, Any] = {}
    if plan.wants != ("gamma_grad",):
        jet = _sigmoid_jet(xp, at, y, gamma, alpha, plan)
        slope = sign * jet.slope if plan.formula == "hard" and jet.slope is not None else jet.slope
        results = {"value": jet.value, "grad": slope, "hessian_diag": jet.curvature}
        if "hvp" in plan.wants:
            results["hvp"] = jet.curvature * tangent
    if "gamma_grad" in plan.wants:
        results["gamma_grad"] = _sigmoid_by_gamma(xp, at, y, gamma, alpha, plan)
    positive = weight is None and isinstance(alpha, float) and 0 < alpha < 1
    if alpha is not None and plan.formula != "expected":
        weight = _product(_class_weight(alpha, y, plan), weight)
    return tuple(_finish(xp, results[want], wrong, weight, divisor, want, logits, plan, positive) for want in plan.wants)


def _class_weight(alpha: Any, y: Any, plan: Plan) -> Any:
    """α y + (1 − α)(1 − y), in fewer operations where these are exact for the two classes."""
    if isinstance(alpha, float) and plan.formula == "hard":
        rest = execution.round_to(1 - alpha, plan.compute)
        step = execution.round_to(alpha - rest, plan.compute)
        if execution.round_to(rest + step, plan.compute) == alpha:
            return rest + step * y
    return alpha * y + (1 - alpha) * (1 - y)


def _sigmoid_jet(xp: Namespace, at: Array, y: Any, gamma: Any, alpha: Any, plan: Plan) -> Jet:
    """At, and by, the margin for hard targets, else the logit."""
    if plan.formula == "hard":
        return _narrowed(xp, focal(xp, _margin(xp, at, plan), gamma, plan.order), plan)
    if plan.formula == "expected":
        # Both sides are narrowed before they are weighed, so that a hard target has the hard formula's bits.
        sides = (_narrowed(xp, focal(xp, margin, gamma, plan.order), plan) for margin in both_sigmoids(xp, at, plan.carry))
        return soft_targets.sigmoid_expected(xp, y, alpha, *sides)
    y, quality = _cast(xp, y, plan.formulas), plan.formula == "quality"
    return _narrowed(xp, soft_targets.modulated(xp, at, y, gamma, plan.order, plan.carry, quality=quality), plan)


def _sigmoid_by_gamma(xp: Namespace, at: Array, y: Any, gamma: Any, alpha: Any, plan: Plan) -> Any:
    if plan.formula == "hard":
        found = focal_by_gamma(xp, _margin(xp, at, plan), gamma)
    elif plan.formula == "expected":
        sides = (_cast(xp, focal_by_gamma(xp, m, gamma), plan.compute) for m in both_sigmoids(xp, at, plan.carry))
        return soft_targets.sigmoid_expected_by_gamma(y, alpha, *sides)
    else:
        y = _cast(xp, y, plan.formulas)
        found = soft_targets.modulated_by_gamma(xp, at, y, gamma, plan.carry, quality=plan.formula == "quality")
    return _cast(xp, found, plan.compute)


def _narrowed(xp: Namespace, jet: Jet, plan: Plan) -> Jet:
    return Jet(*(_cast(xp, part, plan.compute) for part in jet))


def _margin(xp: Namespace, z: Array, plan: Plan) -> Margin:
    return roomy_sigmoid(xp, z) if plan.roomy else sigmoid(xp, z, plan.carry)


def softmax_program(
    xp: Namespace,
    logits: Array,
    targets: Array,
    gamma: Any,
    alpha: Any,
    weight: Any,
    divisor: Any,
    tangent: Any,
    *,
    plan: Plan,
) -> tuple[Array, ...]:
    """Softmax focal losses; the classes along the last axis, γ and the weight one a row, α one a class."""
    x, gamma, tangent = (_cast(xp, a, plan.formulas) for a in (logits, gamma, tangent))
    alpha, weight = (_cast(xp, a, plan.compute) for a in (alpha, weight))
    classes = xp.arange(x.shape[-1], device=execution.device_of(logits))
    wrong = None
    if isinstance(tangent, float):
        tangent = xp.full_like(x, tangent)
    if plan.integer_targets:
        index = xp.astype(targets, classes.dtype, copy=False)
        if plan.ignore_index is not None:
            kept = index != plan.ignore_index
            index = xp.where(kept, index, 0)
            weight = xp.where(kept, 1.0 if weight is None else weight, _zero(xp, plan.compute, logits))
        if not plan.looked:
            wrong = (index < 0) | (index >= x.shape[-1])
            index = xp.where(wrong, 0, index)
        target = execution.one_hot(classes, index, x)
    else:
        target = _cast(xp, targets, plan.formulas)
        if not plan.looked:
            wrong = xp.any(~((target >= 0) & (target <= 1)), axis=-1)
    if plan.formula == "hard":
        results = _hard_rows(xp, x, target, index if plan.looks_up else None, gamma, classes, tangent, plan)
        if alpha is not None:
            weight = _product(alpha if isinstance(alpha, float) else xp.sum(xp.where(target, alpha, 0.0), axis=-1), weight)
    else:
        y = _smoothed(xp, target, plan)
        results = _soft_rows(xp, x, y if alpha is None else y * _cast(xp, alpha, plan.formulas), gamma, classes, tangent, plan)
    results = {want: _cast(xp, result, plan.compute) for want, result in results.items()}
    return tuple(_finish(xp, results[want], wrong, weight, divisor, want, logits, plan) for want in plan.wants)


def _hard_rows(
    xp: Namespace, x: Array, target: Array, index: Array | None, gamma: Any, classes: Array, tangent: Any, plan: Plan
) -> dict[str, Any]:
    row = softmax(xp, x, target, plan.carry, index)
    jet = focal(xp, row.margin, gamma, plan.order)
    makers = {
        "value": lambda: jet.value,
        "gamma_grad": lambda: focal_by_gamma(xp, row.margin, gamma),
        "grad": lambda: softmax_gradient(xp, row, jet, plan.roomy),
        "hessian_diag": lambda: softmax_hessian_diag(xp, row, jet, classes, plan.carry),
        "hvp": lambda: softmax_hvp(xp, row, jet, tangent, classes, plan.carry),
    }
    return {want: makers[want]() for want in plan.wants}


def _soft_rows(xp: Namespace, x: Array, y: Array, gamma: Any, classes: Array, tangent: Any, plan: Plan) -> dict[str, Any]:
    row = soft_targets.soft_row(xp, x, y, classes, plan.carry)
    gamma = gamma if isinstance(gamma, float) else gamma[..., None]
    makers = {
        "value": lambda: soft_targets.softmax_expected(xp, row, gamma),
        "gamma_grad": lambda: soft_targets.softmax_expected_by_gamma(xp, row, gamma),
        "grad": lambda: soft_targets.softmax_expected_gradient(xp, row, gamma),
        "hessian_diag": lambda: soft_targets.softmax_expected_hessian_diag(xp, row, gamma),
        "hvp": lambda: soft_targets.softmax_expected_hvp(xp, row, gamma, tangent),
    }
    return {want: makers[want]() for want in plan.wants}


def _smoothed(xp: Namespace, target: Array, plan: Plan) -> Any:
    """(1 − ε) y + ε/C (Szegedy et al. 2016, arXiv 1512.00567, section 7)."""
    y = _cast(xp, target, plan.formulas)
    eps = plan.label_smoothing
    return y * (1 - eps) + eps / target.shape[-1] if eps else y


def _cast(xp: Namespace, a: Any, name: str) -> Any:
    if not execution.is_array(a) or execution.dtype_name(a) == name:
        return a
    return xp.astype(a, getattr(xp, name), copy=False)


def _zero(xp: Namespace, name: str, like: Array) -> Any:
    return xp.zeros((), dtype=getattr(xp, name), device=execution.device_of(like))


def _product(a: Any, b: Any) -> Any:
    return a if b is None else a * b


def _finish(
    xp: Namespace,
    term: Any,
    wrong: Any,
    weight: Any,
    divisor: Any,
    want: str,
    logits: Array,
    plan: Plan,
    positive: bool = False,
) -> Any:
    """NaN for a wrong target, weight (no 0 if `positive`), divide and round; what is to be summed stays as it is till then."""
    per_loss = want in PER_LOSS

    def spread(a: Any) -> Any:
        return a[..., None] if plan.rows and not per_loss and execution.is_array(a) else a

    if wrong is not None:
        # At the end: XLA on the CPU computes exp(where(wrong, NaN, x)) wrongly.
        term = xp.where(spread(wrong), xp.nan, term)
    if weight is not None:
        term = term * weight if positive else _weighted(xp, term, spread(weight))
    if per_loss and plan.reduced:
        return term
    if divisor is not None:
        term = term / _cast(xp, divisor, plan.compute)
    return xp.astype(term, logits.dtype, copy=False)


def _weighted(xp: Namespace, term: Array, weight: Any) -> Any:
    """term · weight, exactly 0 where the weight is 0, whatever the term."""
    if not execution.is_array(weight):
        return term * weight if weight else xp.zeros_like(term)
    return xp.where(weight == 0, 0.0, term * weight)

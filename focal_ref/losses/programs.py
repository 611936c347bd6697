"""The two programs that an array library runs: logits and targets in, weighted losses and derivatives out.

cast → targets → link → kernel → weight → divide → round, once. Everything that needs no array is decided before (`Plan`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ..engine import arrays, layout, precision
from ..mathematics import soft_targets
from ..mathematics.margin import Jet, Margin
from ..mathematics.scales import SCALES, Scale
from ..mathematics.sigmoid import both_sigmoids, raised_sigmoid, roomy_sigmoid, sigmoid
from ..mathematics.softmax import raised_margin, softmax, softmax_gradient, softmax_hessian_diag, softmax_hvp
from ..typing import Array, Namespace
from .plan import Inputs, Plan, is_per_loss

__all__ = ["sigmoid_program", "softmax_program"]


def sigmoid_program(xp: Namespace, *arguments: Any, plan: Plan) -> tuple[Array, ...]:
    """Sigmoid losses; every argument (`Inputs.flat`) broadcasts to the logits' shape."""
    given = Inputs.of(arguments, plan.kernel)
    x, y, alpha, weight, tangent = (
        _cast(xp, a, plan.compute) for a in (given.logits, given.targets, given.alpha, given.weight, given.tangent)
    )
    parameters = {name: _cast(xp, a, plan.formulas) for name, a in given.parameters.items()}
    if plan.formula != "hard" and isinstance(y, float):
        y = xp.asarray(y, dtype=x.dtype, device=arrays.device_of(given.logits))
    wrong = None
    if not plan.looked:
        wrong = ~((y == 0) | (y == 1) if plan.formula == "hard" else (y >= 0) & (y <= 1))
    left_out = None
    if plan.ignore_index is not None and arrays.is_array(y):
        left_out = y == plan.ignore_index
        y = xp.where(left_out, 0.0, y)
        wrong = None if wrong is None else wrong & ~left_out
    if plan.label_smoothing:
        # Szegedy et al. 2016 (arXiv 1512.00567, section 7), of two classes.
        eps = _exact(xp, plan.label_smoothing)
        y = y * (1 - eps) + eps / 2
    sign = 2 * y - 1
    at = _cast(xp, sign * x if plan.formula == "hard" else x, plan.formulas)
    asked = plan.by
    results = {f"{by}_grad": _sigmoid_by_parameter(xp, at, y, parameters, by, alpha, plan) for by in asked}
    if len(asked) < len(plan.wants):
        jet = _sigmoid_jet(xp, at, y, parameters, alpha, plan)
        slope = sign * jet.slope if plan.formula == "hard" and jet.slope is not None else jet.slope
        results |= {"value": jet.value, "grad": slope, "hessian_diag": jet.curvature}
        if "hvp" in plan.wants:
            results["hvp"] = jet.curvature * tangent
    positive = weight is None and isinstance(alpha, float) and 0 < alpha < 1
    if alpha is not None and plan.formula != "expected":
        weight, left_out = _weighed(_cast(xp, _class_weight(xp, alpha, y, plan), plan.compute), weight, left_out)
    finish = _Finish(plan, wrong, weight, left_out, given.divisor, given.logits, positive)
    return tuple(finish(xp, results[want], want) for want in plan.wants)


def _class_weight(xp: Namespace, alpha: Any, y: Any, plan: Plan) -> Any:
    """α y + (1 − α)(1 − y), in fewer operations where these are exact for the two classes."""
    if isinstance(alpha, float) and plan.formula == "hard":
        if type(alpha) is not float:
            return xp.where(y == 0, 1 - alpha, alpha)  # a number that a kernel is handed with each call
        rest = precision.round_to(1 - alpha, plan.compute)
        step = precision.round_to(alpha - rest, plan.compute)
        if precision.round_to(rest + step, plan.compute) == alpha:
            return rest + step * y
    return alpha * y + (1 - alpha) * (1 - y)


def _sigmoid_jet(xp: Namespace, at: Array, y: Any, parameters: dict[str, Any], alpha: Any, plan: Plan) -> Jet:
    """At, and by, the margin for hard targets, else the logit."""
    kernel = plan.kernel
    if plan.formula == "hard":
        return _narrowed(xp, kernel.jet(xp, _margin(xp, at, plan), plan.order, **parameters), plan)
    if plan.formula == "expected":
        # Both sides are narrowed before they are weighed, so that a hard target has the hard formula's bits.
        sides = (
            _narrowed(xp, kernel.jet(xp, margin, plan.order, **parameters), plan)
            for margin in both_sigmoids(xp, at, plan.carry)
        )
        return soft_targets.sigmoid_expected(xp, y, alpha, *sides)
    y = _cast(xp, y, plan.formulas)
    return _narrowed(xp, kernel.soft_jet(xp, at, y, plan.order, plan.carry, plan.formula, **parameters), plan)


def _sigmoid_by_parameter(xp: Namespace, at: Array, y: Any, parameters: dict[str, Any], by: str, alpha: Any, plan: Plan) -> Any:
    kernel = plan.kernel
    if plan.formula == "hard":
        margin = raised_sigmoid(xp, at, _scales(plan)) if plan.carry else _margin(xp, at, plan)
        found = kernel.by_parameter[by](xp, margin, **parameters)
    elif plan.formula == "expected":
        sides = (
            _cast(xp, kernel.by_parameter[by](xp, margin, **parameters), plan.compute)
            for margin in (
                (raised_sigmoid(xp, z, _scales(plan)) for z in (at, -at)) if plan.carry else both_sigmoids(xp, at, False)
            )
        )
        return soft_targets.sigmoid_expected_by_parameter(y, alpha, *sides)
    else:
        y = _cast(xp, y, plan.formulas)
        found = kernel.soft_by_parameter(xp, at, y, plan.carry, plan.formula, by, **parameters)
    return _cast(xp, found, plan.compute)


def _scales(plan: Plan) -> Scale:
    return SCALES[24 if plan.formulas == "float32" else 53]


def _narrowed(xp: Namespace, jet: Jet, plan: Plan) -> Jet:
    return jet if plan.compute == plan.formulas else Jet(*(_cast(xp, part, plan.compute) for part in jet))


def _margin(xp: Namespace, z: Array, plan: Plan) -> Margin:
    return roomy_sigmoid(xp, z) if plan.roomy else sigmoid(xp, z, plan.carry)


def softmax_program(xp: Namespace, *arguments: Any, plan: Plan) -> tuple[Array, ...]:
    """Softmax losses; the classes along the last axis, parameters and the weight one a row, α one a class (`Inputs.flat`)."""
    given = Inputs.of(arguments, plan.kernel)
    x, tangent = (_cast(xp, a, plan.formulas) for a in (given.logits, given.tangent))
    parameters = {name: _cast(xp, a, plan.formulas) for name, a in given.parameters.items()}
    alpha, weight = (_cast(xp, a, plan.compute) for a in (given.alpha, given.weight))
    classes = layout.along_classes(xp, xp.arange(x.shape[-1], device=arrays.device_of(given.logits)), x)
    alpha = layout.along_classes(xp, alpha, x)
    if isinstance(tangent, float):
        tangent = xp.full_like(x, tangent)
    targets = _row_targets(xp, given.targets, classes, x, plan)
    left_out = targets.left_out
    if plan.formula == "hard":
        results = _hard_rows(xp, x, targets, parameters, classes, tangent, plan)
        if alpha is not None:
            of_target = alpha if isinstance(alpha, float) else xp.sum(xp.where(targets.target, alpha, 0.0), axis=-1)
            weight, left_out = _weighed(of_target, weight, left_out)
    else:
        y = _smoothed(xp, targets.target, plan)
        if alpha is not None:
            y = y * _cast(xp, alpha, plan.formulas)
            # A row without any weight is left out whatever its logits are: 0 · NaN is not 0.
            left_out = _either(~xp.any(y != 0, axis=-1), left_out)
        results = _soft_rows(xp, x, y, parameters, classes, tangent, plan)
    results = {want: _cast(xp, result, plan.compute) for want, result in results.items()}
    finish = _Finish(plan, targets.wrong, weight, left_out, given.divisor, given.logits)
    return tuple(finish(xp, results[want], want) for want in plan.wants)


class _RowTargets(NamedTuple):
    """The targets of rows, as the links take them."""

    target: Array
    """True at the target's class, or the rows of probabilities."""
    chosen: Array | None
    """The target's class, where looking entries up is the cheaper way."""
    wrong: Any
    """Where the target is none, and could not be refused."""
    left_out: Any
    """Where it is `ignore_index`."""


def _row_targets(xp: Namespace, targets: Array, classes: Array, x: Array, plan: Plan) -> _RowTargets:
    wrong = left_out = None
    if not plan.integer_targets:
        rows = _cast(xp, targets, plan.formulas)
        if not plan.looked:
            wrong = xp.any(~((rows >= 0) & (rows <= 1)), axis=-1)
        return _RowTargets(rows, None, wrong, None)
    index = xp.astype(targets, classes.dtype, copy=False)
    if plan.ignore_index is not None:
        left_out = index == plan.ignore_index
        index = xp.where(left_out, 0, index)
    if not plan.looked:
        wrong = (index < 0) | (index >= x.shape[-1])
        index = xp.where(wrong, 0, index)
    return _RowTargets(layout.one_hot(classes, index, x), index if plan.looks_up else None, wrong, left_out)


def _hard_rows(
    xp: Namespace, x: Array, targets: _RowTargets, parameters: dict[str, Any], classes: Array, tangent: Any, plan: Plan
) -> dict[str, Any]:
    row = softmax(xp, x, targets.target, plan.carry, targets.chosen)
    jet = plan.kernel.jet(xp, row.margin, plan.order, **parameters)
    makers = {
        "value": lambda: jet.value,
        "grad": lambda: softmax_gradient(xp, row, jet, plan.roomy),
        "hessian_diag": lambda: softmax_hessian_diag(xp, row, jet, classes, plan.carry),
        "hvp": lambda: softmax_hvp(xp, row, jet, tangent, classes, plan.carry),
    }
    results = {want: makers[want]() for want in plan.wants if want in makers}
    if plan.by:
        margin = raised_margin(xp, row)
        results |= {f"{by}_grad": plan.kernel.by_parameter[by](xp, margin, **parameters) for by in plan.by}
    return results


def _soft_rows(
    xp: Namespace, x: Array, y: Array, parameters: dict[str, Any], classes: Array, tangent: Any, plan: Plan
) -> dict[str, Any]:
    row = soft_targets.soft_row(xp, x, y, classes, plan.carry)
    beside = {name: a if isinstance(a, float) else a[..., None] for name, a in parameters.items()}
    kernel = plan.kernel
    makers = {
        "value": lambda: soft_targets.softmax_expected(xp, row, kernel, beside),
        "grad": lambda: soft_targets.softmax_expected_gradient(xp, row, kernel, beside),
        "hessian_diag": lambda: soft_targets.softmax_expected_hessian_diag(xp, row, kernel, beside),
        "hvp": lambda: soft_targets.softmax_expected_hvp(xp, row, kernel, beside, tangent),
    }
    results = {want: makers[want]() for want in plan.wants if want in makers}
    return results | {f"{by}_grad": soft_targets.softmax_expected_by_parameter(xp, row, kernel, beside, by) for by in plan.by}


def _smoothed(xp: Namespace, target: Array, plan: Plan) -> Any:
    """(1 − ε) y + ε/C (Szegedy et al. 2016, arXiv 1512.00567, section 7)."""
    y = _cast(xp, target, plan.formulas)
    if not plan.label_smoothing:
        return y
    eps = _exact(xp, plan.label_smoothing)
    return y * (1 - eps) + eps / target.shape[-1]


def _exact(xp: Namespace, number: float) -> Any:
    """A number whose sums and products are not to be rounded in Python."""
    return xp.pair(number) if hasattr(xp, "pair") else number


def _cast(xp: Namespace, a: Any, name: str) -> Any:
    if a is None or type(a) is float or not arrays.is_array(a) or arrays.dtype_name(a) == name:
        return a
    return xp.astype(a, getattr(xp, name), copy=False)


def _weighed(of_class: Any, weight: Any, left_out: Any) -> tuple[Any, Any]:
    """The class's weight times the caller's, and where the caller's alone is 0: what a NaN label weighs is NaN, times 0 too."""
    if weight is None:
        return of_class, left_out
    if not arrays.is_array(weight):
        return (of_class * weight if weight else 0.0), left_out
    return of_class * weight, _either(weight == 0, left_out)


def _either(mask: Any, other: Any) -> Any:
    return mask if other is None else mask | other


class _Finish(NamedTuple):
    """The last steps, the same for every result: NaN for a wrong target, weight, mask, divide and round."""

    plan: Plan
    wrong: Any
    weight: Any
    left_out: Any
    """Where result is 0 whatever else is there, beside where the weight is 0."""
    divisor: Any
    logits: Array
    positive: bool = False
    """Whether no weight can be 0."""

    def __call__(self, xp: Namespace, term: Any, want: str) -> Any:
        """What is to be summed stays as it is till then."""
        per_loss, weight = is_per_loss(want), self.weight

        def spread(a: Any) -> Any:
            return a[..., None] if self.plan.rows and not per_loss and arrays.is_array(a) else a

        if self.wrong is not None:
            # At the end: XLA on the CPU computes exp(where(wrong, NaN, x)) wrongly.
            term = xp.where(spread(self.wrong), xp.nan, term)
        left_out = None if self.left_out is None else spread(self.left_out)
        if weight is not None:
            weight = spread(weight)
            if not arrays.is_array(weight):
                term = term * weight if weight else xp.zeros_like(term)
            else:
                term = term * weight
                if not self.positive:
                    left_out = _either(weight == 0, left_out)
        of_weight, of_divisor, of_tangent = self.plan.steps
        term = precision.stepped(term, of_weight + (of_tangent if want == "hvp" else 0))
        # A mask is applied last, by `where`: a product with 0 would keep a NaN.
        if left_out is not None:
            term = xp.where(left_out, 0.0, term)
        if per_loss and self.plan.reduced:
            return term
        if self.divisor is not None:
            term = precision.stepped(term / _cast(xp, self.divisor, self.plan.compute), -of_divisor)
        return xp.astype(term, self.logits.dtype, copy=False)

"""The two programs that an array library runs: logits and targets in, weighted losses and derivatives out.

cast → targets → link → kernel → weight → divide → round, once. Everything that needs no array is decided before (`Plan`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ..engine import arrays, layout, precision
from ..mathematics import soft_targets
from ..mathematics.margin import Jet, Margin
from ..mathematics.probability import given_probability
from ..mathematics.scales import SCALES
from ..mathematics.sigmoid import both_sigmoids, raised_sigmoid, roomy_sigmoid, sigmoid
from ..mathematics.softmax import raised_margin, softmax, softmax_gradient, softmax_hessian_diag, softmax_hvp
from ..typing import Array, Namespace
from .finish import Finish, cast, either, trusted, weighed
from .plan import Inputs, Plan

__all__ = ["sigmoid_program", "softmax_program"]


def sigmoid_program(xp: Namespace, *arguments: Any, plan: Plan) -> tuple[Array, ...]:
    """Sigmoid losses; every argument (`Inputs.flat`) broadcasts to the logits' shape."""
    given = Inputs.of(arguments, plan.kernel)
    given, wrong = trusted(xp, given, plan)
    x, y, weight, tangent = (cast(xp, a, plan.compute) for a in (given.logits, given.targets, given.weight, given.tangent))
    alpha, pos_weight = (cast(xp, a, plan.compute) for a in (given.alpha, given.pos_weight))
    parameters = {name: cast(xp, a, plan.formulas) for name, a in given.parameters.items()}
    if plan.formula != "hard" and isinstance(y, float):
        y = xp.asarray(y, dtype=x.dtype, device=arrays.device_of(given.logits))
    y, wrong, left_out = _labels(xp, y, wrong, plan)
    if plan.probabilities and not plan.looked:
        outside = ~((x >= 0) & (x <= 1))
        wrong, x = either(outside, wrong), xp.where(outside, 0.5, x)
    sign = 2 * y - 1
    turned = plan.formula == "hard" and not plan.probabilities
    at = cast(xp, sign * x if turned else x, plan.formulas)
    asked = plan.by
    sides = soft_targets.expected_weights(y, alpha, pos_weight) if plan.formula == "expected" else (y, None)
    if pos_weight is not None and plan.formula not in ("hard", "expected"):
        parameters["pos_weight"] = cast(xp, pos_weight, plan.formulas)
    results = {f"{by}_grad": _sigmoid_by_parameter(xp, at, sides, parameters, by, plan) for by in asked}
    if len(asked) < len(plan.wants):
        jet = _sigmoid_jet(xp, at, sides, parameters, plan)
        slope = sign * jet.slope if plan.formula == "hard" and jet.slope is not None else jet.slope
        results |= {"value": jet.value, "grad": slope, "hessian_diag": jet.curvature}
        if "hvp" in plan.wants:
            results["hvp"] = jet.curvature * tangent
    mild = pos_weight is None and (alpha is None or (isinstance(alpha, float) and 0 < alpha < 1))
    of_class = _class_weight(xp, alpha, pos_weight, y, plan)
    if of_class is not None:
        weight, left_out = weighed(cast(xp, of_class, plan.compute), weight, left_out)
    if plan.formula != "hard" and not mild and (pos_weight is not None or plan.formula == "expected"):
        # A label whose every term weighs nothing is left out whatever its logit is: 0 · NaN is not 0.
        left_out = either(_is_nothing(sides if plan.formula == "expected" else (pos_weight * y, 1 - y)), left_out)
    finish = Finish(plan, wrong, weight, left_out, given.divisor, given.logits, mild and weight is None)
    return tuple(finish(xp, results[want], want) for want in plan.wants)


def _labels(xp: Namespace, y: Any, wrong: Any, plan: Plan) -> tuple[Any, Any, Any]:
    """The labels, smoothed; where something is wrong, and where one is left out."""
    if not plan.looked:
        wrong = either(~((y == 0) | (y == 1) if plan.formula == "hard" else (y >= 0) & (y <= 1)), wrong)
    left_out = None
    if plan.ignore_index is not None and arrays.is_array(y):
        left_out = y == plan.ignore_index
        y = xp.where(left_out, 0.0, y)
    if plan.label_smoothing:
        # Szegedy et al. 2016 (arXiv 1512.00567, section 7), of two classes.
        eps = _exact(xp, plan.label_smoothing)
        y = y * (1 - eps) + eps / 2
    return y, wrong, left_out


def _is_nothing(terms: tuple[Any, Any]) -> Any:
    return (terms[0] == 0) & (terms[1] == 0)


def _class_weight(xp: Namespace, alpha: Any, pos_weight: Any, y: Any, plan: Plan) -> Any:
    """What multiplies a loss, by its label: α y + (1 − α)(1 − y), and `pos_weight` where hard labels are 1."""
    if plan.formula == "expected":
        return None
    if pos_weight is None or plan.formula != "hard":
        return None if alpha is None else _share(xp, alpha, y, plan)
    heavy = pos_weight * y + (1 - y)
    return heavy if alpha is None else heavy * _share(xp, alpha, y, plan)


def _share(xp: Namespace, alpha: Any, y: Any, plan: Plan) -> Any:
    """α y + (1 − α)(1 − y), in fewer operations where these are exact for the two classes."""
    if isinstance(alpha, float) and plan.formula == "hard":
        if type(alpha) is not float:
            return xp.where(y == 0, 1 - alpha, alpha)  # a number that a kernel is handed with each call
        rest = precision.round_to(1 - alpha, plan.compute)
        step = precision.round_to(alpha - rest, plan.compute)
        if precision.round_to(rest + step, plan.compute) == alpha:
            return rest + step * y
    return alpha * y + (1 - alpha) * (1 - y)


def _sigmoid_jet(xp: Namespace, at: Array, sides: tuple[Any, Any], parameters: dict[str, Any], plan: Plan) -> Jet:
    """At, and by, the margin for hard targets, else the logit; the weights of both sides, or the label by itself."""
    kernel = plan.kernel
    jet = kernel.by_probability if plan.probabilities else kernel.jet
    if plan.formula == "hard":
        return _narrowed(xp, jet(xp, _margin(xp, at, sides[0], plan), plan.order, **parameters), plan)
    if plan.formula == "expected":
        # Both sides are narrowed before they are weighed, so that a hard target has the hard formula's bits.
        jets = (_narrowed(xp, jet(xp, margin, plan.order, **parameters), plan) for margin in _both_margins(xp, at, plan))
        return soft_targets.sigmoid_expected(xp, *sides, *jets)
    y = cast(xp, sides[0], plan.formulas)
    return _narrowed(xp, kernel.soft_jet(xp, at, y, plan.order, plan.carry, plan.formula, **parameters), plan)


def _sigmoid_by_parameter(
    xp: Namespace, at: Array, sides: tuple[Any, Any], parameters: dict[str, Any], by: str, plan: Plan
) -> Any:
    kernel = plan.kernel
    if plan.formula == "hard":
        found = kernel.by_parameter[by](xp, _raised(xp, at, sides[0], plan), **parameters)
    elif plan.formula == "expected":
        raised = plan.carry and not plan.probabilities
        margins = (_raised(xp, at, 1.0, plan), _raised(xp, -at, 0.0, plan)) if raised else _both_margins(xp, at, plan)
        found = (cast(xp, kernel.by_parameter[by](xp, margin, **parameters), plan.compute) for margin in margins)
        return soft_targets.sigmoid_expected_by_parameter(*sides, *found)
    else:
        y = cast(xp, sides[0], plan.formulas)
        found = kernel.soft_by_parameter(xp, at, y, plan.carry, plan.formula, by, **parameters)
    return cast(xp, found, plan.compute)


def _raised(xp: Namespace, z: Array, y: Any, plan: Plan) -> Margin:
    """The margin that derivatives by parameters start from."""
    if not plan.carry or plan.probabilities:
        return _margin(xp, z, y, plan)
    scales = SCALES[24 if plan.formulas == "float32" else 53]
    return raised_sigmoid(xp, z, scales, y if "label" in plan.kernel.asks else 1.0)


def _narrowed(xp: Namespace, jet: Jet, plan: Plan) -> Jet:
    return jet if plan.compute == plan.formulas else Jet(*(cast(xp, part, plan.compute) for part in jet))


def _margin(xp: Namespace, z: Array, y: Any, plan: Plan) -> Margin:
    if plan.probabilities:
        margin = given_probability(xp, z, plan.carry, y)
    else:
        margin = roomy_sigmoid(xp, z) if plan.roomy else sigmoid(xp, z, plan.carry)
    return margin._replace(label=y) if "label" in plan.kernel.asks else margin


def _both_margins(xp: Namespace, x: Array, plan: Plan) -> tuple[Margin, Margin]:
    """As a positive's and as a negative's."""
    if plan.probabilities:
        toward, away = given_probability(xp, x, plan.carry, 1.0), given_probability(xp, x, plan.carry, 0.0)
    else:
        toward, away = both_sigmoids(xp, x, plan.carry)
    return toward, away._replace(label=0.0)


def softmax_program(xp: Namespace, *arguments: Any, plan: Plan) -> tuple[Array, ...]:
    """Softmax losses; the classes along the last axis, parameters and the weight one a row, α one a class (`Inputs.flat`)."""
    given = Inputs.of(arguments, plan.kernel)
    given, unlikely = trusted(xp, given, plan)
    x, tangent = (cast(xp, a, plan.formulas) for a in (given.logits, given.tangent))
    parameters = {name: cast(xp, a, plan.formulas) for name, a in given.parameters.items()}
    alpha, weight = (cast(xp, a, plan.compute) for a in (given.alpha, given.weight))
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
            weight, left_out = weighed(of_target, weight, left_out)
    else:
        y = _smoothed(xp, targets.target, plan)
        if alpha is not None:
            y = y * cast(xp, alpha, plan.formulas)
            # A row without any weight is left out whatever its logits are: 0 · NaN is not 0.
            left_out = either(~xp.any(y != 0, axis=-1), left_out)
        results = _soft_rows(xp, x, y, parameters, classes, tangent, plan)
    results = {want: cast(xp, result, plan.compute) for want, result in results.items()}
    wrong = targets.wrong if unlikely is None else either(unlikely, targets.wrong)
    finish = Finish(plan, wrong, weight, left_out, given.divisor, given.logits)
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
        rows = cast(xp, targets, plan.formulas)
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
    y = cast(xp, target, plan.formulas)
    if not plan.label_smoothing:
        return y
    eps = _exact(xp, plan.label_smoothing)
    return y * (1 - eps) + eps / target.shape[-1]


def _exact(xp: Namespace, number: float) -> Any:
    """A number whose sums and products are not to be rounded in Python."""
    return xp.pair(number) if hasattr(xp, "pair") else number

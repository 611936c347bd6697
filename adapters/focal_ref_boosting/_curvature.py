"""What a booster is told to be the second derivative: focal loss's own is negative where the rare class starts."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal, TypeAlias

from focal_ref import SigmoidFocalLoss, SigmoidLoss, SoftmaxFocalLoss, SoftmaxLoss
from focal_ref.engine import arrays
from focal_ref.engine.layout import along_classes
from focal_ref.losses.finish import Finish, cast
from focal_ref.losses.plan import Inputs, Plan
from focal_ref.losses.programs import sigmoid_program, softmax_program
from focal_ref.mathematics.sigmoid import both_sigmoids
from focal_ref.mathematics.soft_targets import soft_row
from focal_ref.mathematics.sums import exclusive_sum, largest, total_of
from focal_ref.typing import Namespace

__all__ = ["HESSIANS", "Asked", "Hessian", "Loss", "derivatives", "outer_product_of_margins"]

Loss: TypeAlias = SigmoidFocalLoss | SoftmaxFocalLoss | SigmoidLoss | SoftmaxLoss
Hessian: TypeAlias = Literal["abs_gradient", "outer_product", "logistic", "exact"]
HESSIANS = ("abs_gradient", "outer_product", "logistic", "exact")
Asked: TypeAlias = Literal["auto", "abs_gradient", "outer_product", "logistic", "exact"]


def derivatives(loss: Loss, hessian: Hessian, targets: Any, margins: Any, weight: Any) -> tuple[Any, Any]:
    """Each sample's gradient, and its Hessian's diagonal or what stands for it, in the margins' shape.

    With g the gradient, p the model's probabilities and α_y the weight of the sample's class:

    * ``"exact"``: the second derivative
    * ``"abs_gradient"``: \\|g\\|
    * ``"outer_product"``: the mean of g² over the labels that the model expects, E_p[α_y g²], g without α
    * ``"logistic"``: that of cross entropy, α_y p (1 − p)
    """
    if hessian == "exact":
        _, gradient, curvature = loss.value_grad_hess(margins, targets, weight)
        return gradient, curvature
    if hessian == "outer_product":
        program = _rows_program if loss.link == "softmax" else _margins_program
        plain = dataclasses.replace(loss, precision="extended") if loss.precision == "reference" else loss
        gradient, curvature = plain._results(("grad", "hessian_diag"), margins, targets, weight, None, program=program)
        return (gradient if plain is loss else loss.grad(margins, targets, weight)), curvature
    gradient = loss.grad(margins, targets, weight)
    if hessian == "abs_gradient":
        return gradient, abs(gradient)
    return gradient, _cross_entropy(loss).hessian_diag(margins, targets, weight)


def _cross_entropy(loss: Loss) -> Loss:
    make = SigmoidFocalLoss if loss.link == "sigmoid" else SoftmaxFocalLoss
    return make(gamma=0.0, alpha=loss.alpha, ignore_index=loss.ignore_index, precision=loss.precision)


# ---- the mean of g² ---------------------------------------------------------------------------------------------------------


def _margins_program(xp: Namespace, *arguments: Any, plan: Plan) -> tuple[Any, Any]:
    """The gradient, and in the place of the Hessian the mean of g²."""
    (gradient,) = sigmoid_program(xp, *arguments, plan=plan._replace(wants=("grad",)))
    given = Inputs.of(arguments, plan.kernel)
    x, alpha = (cast(xp, a, plan.formulas) for a in (given.logits, given.alpha))
    return gradient, _finished(xp, outer_product_of_margins(xp, x, _parameters(xp, given, plan), alpha, plan), given, plan)


def outer_product_of_margins(xp: Namespace, x: Any, parameters: dict[str, Any], alpha: Any, plan: Plan) -> Any:
    """α p φ'(x)² + (1 − α) (1 − p) φ'(−x)²."""
    up, down = both_sigmoids(xp, x, plan.carry)
    up, down = up._replace(label=1.0), down._replace(label=0.0)
    squares = [side.p * plan.kernel.jet(xp, side, 1, **parameters).slope ** 2 for side in (up, down)]
    return squares[0] + squares[1] if alpha is None else alpha * squares[0] + (1 - alpha) * squares[1]


def _rows_program(xp: Namespace, *arguments: Any, plan: Plan) -> tuple[Any, Any]:
    """The same of rows: (Σw − w) p² + w (1 − p)² with w = α p d² and d = −φ'/u: label c's gradient is d_c (p − e_c)."""
    (gradient,) = softmax_program(xp, *arguments, plan=plan._replace(wants=("grad",)))
    given = Inputs.of(arguments, plan.kernel)
    x, alpha = (cast(xp, a, plan.formulas) for a in (given.logits, given.alpha))
    classes = along_classes(xp, xp.arange(x.shape[-1], device=arrays.device_of(x)), x)
    p, u, *_ = margin = soft_row(xp, x, x, classes, plan.carry).margin
    beside = {name: a if isinstance(a, float) else a[..., None] for name, a in _parameters(xp, given, plan).items()}
    d, _ = plan.kernel.pulls(xp, margin, 1.0, **beside)
    w = p * d * d
    if alpha is not None:
        w = w * along_classes(xp, alpha, x)
    others = exclusive_sum(xp, w, total_of(xp, w, plan.carry), largest(xp, w, classes), plan.carry)
    return gradient, _finished(xp, others * p * p + w * u * u, given, plan)


def _parameters(xp: Namespace, given: Inputs, plan: Plan) -> dict[str, Any]:
    return {name: cast(xp, a, plan.formulas) for name, a in given.parameters.items()}


def _finished(xp: Namespace, found: Any, given: Inputs, plan: Plan) -> Any:
    """Weighted and masked as every result is; α is in it."""
    left_out = None if plan.ignore_index is None else given.targets == plan.ignore_index
    weight = cast(xp, given.weight, plan.compute)
    return Finish(plan, None, weight, left_out, None, given.logits)(xp, cast(xp, found, plan.compute), "hessian_diag")

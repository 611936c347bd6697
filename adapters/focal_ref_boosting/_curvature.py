"""What a booster is told to be the second derivative: focal loss's own is negative where the rare class starts."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal, TypeAlias

from focal_ref import SigmoidFocalLoss, SigmoidLoss, SoftmaxFocalLoss, SoftmaxLoss
from focal_ref.engine import arrays, precision
from focal_ref.engine.layout import along_classes
from focal_ref.engine.numpy_blocks import CLASSES, ROW
from focal_ref.engine.run import run
from focal_ref.losses.finish import cast
from focal_ref.losses.plan import Plan
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
    gradient = loss.grad(margins, targets, weight)
    if hessian == "abs_gradient":
        return gradient, abs(gradient)
    if hessian == "logistic":
        return gradient, _cross_entropy(loss).hessian_diag(margins, targets, weight)
    return gradient, _outer_product(loss, margins, weight)


def _cross_entropy(loss: Loss) -> Loss:
    make = SigmoidFocalLoss if loss.link == "sigmoid" else SoftmaxFocalLoss
    return make(gamma=0.0, alpha=loss.alpha, precision=loss.precision)


# ---- the mean of g² ---------------------------------------------------------------------------------------------------------


def _outer_product(loss: Loss, margins: Any, weight: Any) -> Any:
    """Run as the losses' own programs are: block by block, or as one loop."""
    facts = arrays.look(margins)
    compute = precision.compute_type(facts, loss.precision)
    formulas = precision.formulas_type(facts, compute)
    rows = loss.link != "sigmoid"
    full = CLASSES if rows else ROW
    program = partial(
        _outer_product_of_rows if rows else outer_product_of_margins,
        plan=Plan(("hessian_diag",), compute, formulas, "hard", True, False, type(loss.kernel), carry=formulas == facts.dtype),
    )
    values = [precision.parameter(facts, value, compute, compute) for value in loss.kernel.values.values()]
    alpha = None if loss.alpha is None else precision.parameter(facts, loss.alpha, compute, compute)
    kinds = [full, ROW, *(ROW for _ in values), full, ROW]
    one_type = compute if facts.numpy else None  # in one kernel, where that has been tried
    (found,) = run(program, [margins, None, *values, alpha, weight], kinds, [(full, margins.dtype)], one_type)
    return found


def outer_product_of_margins(xp: Namespace, x: Any, _: Any, *rest: Any, plan: Plan) -> tuple[Any]:
    """α p φ'(x)² + (1 − α) (1 − p) φ'(−x)²."""
    dtype = x.dtype
    x, values, alpha, weight = _read(xp, x, rest, plan)
    up, down = both_sigmoids(xp, x, plan.carry)
    up, down = up._replace(label=1.0), down._replace(label=0.0)
    squares = [side.p * plan.kernel.jet(xp, side, 1, **values).slope ** 2 for side in (up, down)]
    found = squares[0] + squares[1] if alpha is None else alpha * squares[0] + (1 - alpha) * squares[1]
    return (_weighed(xp, found, weight, dtype),)


def _outer_product_of_rows(xp: Namespace, x: Any, _: Any, *rest: Any, plan: Plan) -> tuple[Any]:
    """(Σw − w) p² + w (1 − p)² with w = α p d² and d = −φ'/u: label c's gradient is d_c (p − e_c)."""
    dtype = x.dtype
    x, values, alpha, weight = _read(xp, x, rest, plan)
    classes = along_classes(xp, xp.arange(x.shape[-1], device=arrays.device_of(x)), x)
    p, u, *_ = margin = soft_row(xp, x, x, classes, plan.carry).margin
    beside = {name: a if isinstance(a, float) else a[..., None] for name, a in values.items()}
    d, _ = plan.kernel.pulls(xp, margin, 1.0, **beside)
    w = p * d * d
    if alpha is not None:
        w = w * along_classes(xp, alpha, x)
    others = exclusive_sum(xp, w, total_of(xp, w, plan.carry), largest(xp, w, classes), plan.carry)
    weight = weight[..., None] if arrays.is_array(weight) else weight
    return (_weighed(xp, others * p * p + w * u * u, weight, dtype),)


def _read(xp: Namespace, x: Any, rest: Any, plan: Plan) -> tuple[Any, dict[str, Any], Any, Any]:
    """Margins, the kernel's parameters by name, α and weights, in the type that is computed in."""
    x, *values, alpha, weight = (cast(xp, a, plan.formulas) for a in (x, *rest))
    return x, dict(zip(plan.kernel.parameters, values, strict=True)), alpha, weight


def _weighed(xp: Namespace, found: Any, weight: Any, dtype: Any) -> Any:
    """A weight of 0 is one, whatever a margin is."""
    if weight is not None:
        found = xp.where(weight == 0, 0.0, found * weight)
    return xp.astype(found, dtype, copy=False)

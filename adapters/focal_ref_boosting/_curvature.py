"""What a booster is told to be the second derivative: focal loss's own is negative where the rare class starts."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal, TypeAlias

from focal_ref import SigmoidFocalLoss, SigmoidLoss, SoftmaxFocalLoss, SoftmaxLoss
from focal_ref.calibration.posteriors import posterior_from_logits
from focal_ref.engine.arrays import device_of, namespace_of
from focal_ref.mathematics.soft_targets import soft_row
from focal_ref.mathematics.sums import exclusive_sum, largest, total_of

__all__ = ["HESSIANS", "Hessian", "Loss", "derivatives"]

Loss: TypeAlias = SigmoidFocalLoss | SoftmaxFocalLoss | SigmoidLoss | SoftmaxLoss
Hessian: TypeAlias = Literal["abs_gradient", "outer_product", "logistic", "exact"]
HESSIANS = ("abs_gradient", "outer_product", "logistic", "exact")


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
    curvature = _outer_product(loss, margins)
    if weight is not None:
        curvature = curvature * (weight[:, None] if margins.ndim > 1 and hasattr(weight, "ndim") else weight)
    return gradient, curvature


def _cross_entropy(loss: Loss) -> Loss:
    make = SigmoidFocalLoss if loss.link == "sigmoid" else SoftmaxFocalLoss
    return make(gamma=0.0, alpha=loss.alpha, precision=loss.precision)


def _outer_product(loss: Loss, margins: Any) -> Any:
    plain = dataclasses.replace(loss, alpha=None)
    if plain.link == "sigmoid":
        p = posterior_from_logits(margins, 0.0, axis=None)
        up, down = (1.0, 1.0) if loss.alpha is None else (loss.alpha, 1 - loss.alpha)  # type: ignore[operator]
        return p * up * plain.grad(margins, 1) ** 2 + (1 - p) * down * plain.grad(margins, 0) ** 2
    return _outer_product_of_rows(loss, margins)


def _outer_product_of_rows(loss: Loss, x: Any) -> Any:
    """(Σw − w) p² + w (1 − p)² with w = α p d² and d = −φ'/u: label c's gradient is d_c (p − e_c)."""
    xp = namespace_of(x)
    classes = xp.arange(x.shape[1], device=device_of(x))
    margin = soft_row(xp, x, x, classes, True).margin
    p, u, *_ = margin
    d, _ = type(loss.kernel).pulls(xp, margin, 1.0, **loss.kernel.values)
    w = p * d * d
    if loss.alpha is not None:
        w = w * (xp.asarray(loss.alpha, dtype=x.dtype, device=device_of(x)) if isinstance(loss.alpha, tuple) else loss.alpha)
    rest = exclusive_sum(xp, w, total_of(xp, w, True), largest(xp, w, classes), True)
    return rest * p * p + w * u * u

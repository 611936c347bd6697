"""What a booster is told to be the second derivative: focal loss's own is negative where the rare class starts."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal, TypeAlias

from focal_ref import SigmoidFocalLoss, SoftmaxFocalLoss
from focal_ref.calibration.posteriors import posterior_from_logits
from focal_ref.engine.arrays import device_of, namespace_of

__all__ = ["HESSIANS", "Hessian", "Loss", "derivatives"]

Loss: TypeAlias = SigmoidFocalLoss | SoftmaxFocalLoss
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
        return gradient, dataclasses.replace(loss, gamma=0.0).hessian_diag(margins, targets, weight)
    curvature = _outer_product(loss, margins)
    if weight is not None:
        curvature = curvature * (weight[:, None] if margins.ndim > 1 and hasattr(weight, "ndim") else weight)
    return gradient, curvature


def _outer_product(loss: Loss, margins: Any) -> Any:
    plain = dataclasses.replace(loss, alpha=None)
    if isinstance(plain, SigmoidFocalLoss):
        p = posterior_from_logits(margins, 0.0, axis=None)
        up, down = (1.0, 1.0) if loss.alpha is None else (loss.alpha, 1 - loss.alpha)  # type: ignore[operator]
        return p * up * plain.grad(margins, 1) ** 2 + (1 - p) * down * plain.grad(margins, 0) ** 2
    xp, classes = namespace_of(margins), margins.shape[1]
    p = posterior_from_logits(margins, 0.0, axis=1)
    alpha = loss.alpha if isinstance(loss.alpha, tuple) else (1.0 if loss.alpha is None else loss.alpha,) * classes
    total = 0 * margins
    for c in range(classes):
        targets = xp.full((margins.shape[0],), c, dtype=xp.int64, device=device_of(margins))
        total = total + alpha[c] * p[:, c : c + 1] * plain.grad(margins, targets) ** 2
    return total

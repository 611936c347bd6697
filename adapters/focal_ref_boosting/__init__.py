"""Focal loss as an objective for gradient boosting: gradient and Hessian by `focal_ref`, in the order that boosters ask for.

The scikit-learn classes of XGBoost and LightGBM call an objective with labels, margins and, where there are any, sample
weights; `objective` makes one from a loss. Nothing of either library is imported.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import numpy as np

from focal_ref import SigmoidFocalLoss, SoftmaxFocalLoss

__all__ = ["objective"]

Objective: TypeAlias = Callable[..., tuple[Any, Any]]


def objective(
    loss: SigmoidFocalLoss | SoftmaxFocalLoss | None = None,
    *,
    hessian: Literal["exact", "abs_gradient"] = "abs_gradient",
) -> Objective:
    """An objective `f(labels, margins, sample_weight=None) -> (gradient, hessian)` for boosters' scikit-learn classes.

    Parameters
    ----------
    loss : SigmoidFocalLoss, SoftmaxFocalLoss or None
        Sigmoid for one margin a sample, softmax for (samples, classes); None is ``SigmoidFocalLoss()``.
    hessian : {"abs_gradient", "exact"}
        Focal loss is not convex: for γ = 2 its second derivative is negative where p_t < 0.058, which is where the rare
        class starts, and a booster cannot split there. "abs_gradient" puts \\|gradient\\| in its place.

    Returns
    -------
    callable
        Minimised, each sample's own gradient and Hessian diagonal, in the margins' shape.

    Raises
    ------
    TypeError
        Where `loss` is not one of the two classes.
    ValueError
        Where `hessian` is not one of the two names.

    Examples
    --------
    >>> import numpy as np
    >>> from focal_ref_boosting import objective
    >>> gradient, hessian = objective()(np.asarray([1, 0]), np.asarray([-3.0, -3.0]))
    >>> hessian
    array([1.12674988e+00, 3.14871846e-04])
    """
    loss = SigmoidFocalLoss() if loss is None else loss
    if not isinstance(loss, (SigmoidFocalLoss, SoftmaxFocalLoss)):
        raise TypeError(f"loss: got {type(loss).__name__}; expected a SigmoidFocalLoss or SoftmaxFocalLoss")
    if hessian not in ("exact", "abs_gradient"):
        raise ValueError(f"hessian: got {hessian!r}; expected 'exact' or 'abs_gradient'")
    own = dataclasses.replace(loss, reduction="none")

    def focal_objective(labels: Any, margins: Any, sample_weight: Any = None) -> tuple[Any, Any]:
        targets = labels if isinstance(own, SigmoidFocalLoss) else labels.astype("int64")
        if hessian == "exact":
            _, gradient, curvature = own.value_grad_hess(margins, targets, sample_weight)
            return gradient, curvature
        gradient = own.grad(margins, targets, sample_weight)
        return gradient, np.abs(gradient)

    return focal_objective

"""The losses as functions: a loss made and called at once."""

from __future__ import annotations

from typing import Any

from ..typing import AlphaLike, Array, GammaLike, Precision, Reduction, SigmoidSoftTargets
from .base import SigmoidFocalLoss, SoftmaxFocalLoss

__all__ = ["sigmoid_focal_loss", "softmax_focal_loss"]


def sigmoid_focal_loss(
    logits: Array,
    targets: Any,
    *,
    gamma: GammaLike = 2.0,
    alpha: AlphaLike = None,
    soft_targets: SigmoidSoftTargets = "mix",
    reduction: Reduction = "none",
    precision: Precision = "extended",
    weight: Any = None,
    normalizer: Any = None,
) -> Any:
    """Binary and multi-label focal loss; the options and Notes are `SigmoidFocalLoss`'s, the arguments its `value`'s.

    Examples
    --------
    >>> import numpy as np
    >>> import focal_ref as fr
    >>> bool(abs(fr.sigmoid_focal_loss(np.asarray(0.0), 1) - np.log(2) / 4) < 1e-16)
    True
    """
    loss = SigmoidFocalLoss(gamma=gamma, alpha=alpha, soft_targets=soft_targets, reduction=reduction, precision=precision)
    return loss.value(logits, targets, weight, normalizer)


def softmax_focal_loss(
    logits: Array,
    targets: Any,
    *,
    gamma: GammaLike = 2.0,
    alpha: AlphaLike = None,
    axis: int = -1,
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    reduction: Reduction = "none",
    precision: Precision = "extended",
    weight: Any = None,
    normalizer: Any = None,
) -> Any:
    """Multi-class focal loss; the options and Notes are `SoftmaxFocalLoss`'s, the arguments its `value`'s.

    Examples
    --------
    >>> import numpy as np
    >>> import focal_ref as fr
    >>> fr.softmax_focal_loss(np.zeros((1, 2)), np.asarray([0])).round(6)
    array([0.173287])
    """
    loss = SoftmaxFocalLoss(
        gamma=gamma,
        alpha=alpha,
        axis=axis,
        ignore_index=ignore_index,
        label_smoothing=label_smoothing,
        reduction=reduction,
        precision=precision,
    )
    return loss.value(logits, targets, weight, normalizer)

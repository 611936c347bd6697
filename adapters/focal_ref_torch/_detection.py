"""Detection's losses as modules, with mmdetection's names and habits: a loss weight, and `avg_factor` where the count stood."""

from __future__ import annotations

from typing import Any

import torch

from focal_ref import family as members
from focal_ref.losses.keywords import hinted
from focal_ref.typing import Reduction

from .functional import sigmoid_focal_loss, softmax_focal_loss

__all__ = ["DistributionFocalLoss", "EqualizedFocalLoss", "GaussianFocalLoss", "QualityFocalLoss", "VarifocalLoss"]


class _Detection(torch.nn.Module):
    """mmdetection's habits: a loss weight, and ``avg_factor`` in the place of the count."""

    def __init__(self, reduction: Reduction = "mean", loss_weight: float = 1.0) -> None:
        super().__init__()
        self.reduction: Reduction = reduction
        self.loss_weight = loss_weight

    def _of(self, pred: torch.Tensor, targets: Any, gamma: Any, weight: Any, avg_factor: Any, **options: Any) -> torch.Tensor:
        if avg_factor is not None and self.reduction == "sum":
            raise ValueError("avg_factor: got one with reduction='sum'; expected reduction='mean'")
        return self.loss_weight * sigmoid_focal_loss(
            pred, targets, None, gamma, self.reduction, weight=weight, normalizer=avg_factor, **options
        )


@hinted
class QualityFocalLoss(_Detection):
    """Quality focal loss of dense targets (Li et al. 2020): mmdetection's, whose targets are pairs, and pytorch-toolbelt's.

    Parameters
    ----------
    beta : float
        γ.
    reduction : {"none", "mean", "sum"}
        "mean" divides by `avg_factor`, where one is given.
    loss_weight : float
        A factor.
    """

    def __init__(self, beta: float = 2.0, reduction: Reduction = "mean", loss_weight: float = 1.0) -> None:
        super().__init__(reduction, loss_weight)
        self.beta = beta

    def forward(self, pred: torch.Tensor, target: torch.Tensor, weight: Any = None, avg_factor: Any = None) -> torch.Tensor:
        """The loss of logits, and scores in [0, 1]."""
        return self._of(pred, target, self.beta, weight, avg_factor, soft_targets="quality")


@hinted
class VarifocalLoss(_Detection):
    """Varifocal loss, with mmdetection's signature.

    Parameters
    ----------
    alpha, gamma : float
        Weight and focusing of the negatives.
    iou_weighted : bool
        Whether positives are weighed by their scores.
    reduction : {"none", "mean", "sum"}
        "mean" divides by `avg_factor`, where one is given.
    loss_weight : float
        A factor.
    """

    def __init__(
        self,
        alpha: float = 0.75,
        gamma: float = 2.0,
        iou_weighted: bool = True,
        reduction: Reduction = "mean",
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__(reduction, loss_weight)
        self.alpha, self.gamma, self.iou_weighted = alpha, gamma, iou_weighted

    def forward(self, pred: torch.Tensor, target: torch.Tensor, weight: Any = None, avg_factor: Any = None) -> torch.Tensor:
        """The loss of logits, and scores in [0, 1] that are 0 for negatives."""
        made = members.varifocal(target, gamma=self.gamma, alpha=self.alpha, iou_weighted=self.iou_weighted)
        return self._of(pred, made.targets, made.gamma, _times(made.weight, weight), avg_factor)


@hinted
class GaussianFocalLoss(_Detection):
    """Gaussian focal loss of logits, with mmdetection's names.

    Parameters
    ----------
    alpha : float
        Focusing.
    gamma : float
        How much less those count that are near a centre.
    reduction : {"none", "mean", "sum"}
        "mean" divides by `avg_factor`, where one is given.
    loss_weight : float
        A factor.
    """

    def __init__(self, alpha: float = 2.0, gamma: float = 4.0, reduction: Reduction = "mean", loss_weight: float = 1.0) -> None:
        super().__init__(reduction, loss_weight)
        self.alpha, self.gamma = alpha, gamma

    def forward(self, pred: torch.Tensor, target: torch.Tensor, weight: Any = None, avg_factor: Any = None) -> torch.Tensor:
        """The loss of logits (mmdetection's takes probabilities), and a heat map."""
        made = members.gaussian(target, gamma=self.alpha, beta=self.gamma)
        return self._of(pred, made.targets, made.gamma, _times(made.weight, weight), avg_factor)


@hinted
class DistributionFocalLoss(_Detection):
    """Distribution focal loss, with mmdetection's signature: logits of bins, and a number between them.

    Parameters
    ----------
    reduction : {"none", "mean", "sum"}
        "mean" divides by `avg_factor`, where one is given.
    loss_weight : float
        A factor.
    """

    def forward(self, pred: torch.Tensor, target: torch.Tensor, weight: Any = None, avg_factor: Any = None) -> torch.Tensor:
        """The loss of logits (N, bins) and numbers (N,) in [0, bins − 1]."""
        rows = members.distribution_rows(target.to(pred.dtype), pred.shape[-1])
        return self.loss_weight * softmax_focal_loss(
            pred, rows, None, 0.0, self.reduction, axis=-1, weight=weight, normalizer=avg_factor
        )


@hinted
class EqualizedFocalLoss(_Detection):
    """Equalized focal loss (Li et al., CVPR 2022); `collect` adds the gradient by the logits to what balances the classes.

    Parameters
    ----------
    num_classes : int
        Without the background.
    alpha : float or None
        Weight of the positives.
    focal_gamma, scale_factor : float
        γ of a class in balance, and how much it rises.
    reduction : {"none", "mean", "sum"}
        "mean" divides by `avg_factor`, where one is given.
    loss_weight : float
        A factor.
    """

    positive: torch.Tensor
    negative: torch.Tensor

    def __init__(
        self,
        num_classes: int,
        alpha: float = 0.25,
        focal_gamma: float = 2.0,
        scale_factor: float = 8.0,
        reduction: Reduction = "mean",
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__(reduction, loss_weight)
        self.alpha, self.focal_gamma, self.scale_factor = alpha, focal_gamma, scale_factor
        self.register_buffer("positive", torch.zeros(num_classes))
        self.register_buffer("negative", torch.zeros(num_classes))

    def collect(self, grad: torch.Tensor, target: torch.Tensor) -> None:
        """Add a batch's gradient; of several processes, after it was summed over them."""
        sums = members.GradientSums(self.positive, self.negative).added(grad.detach(), target)
        self.positive, self.negative = sums.positive, sums.negative

    def forward(self, pred: torch.Tensor, target: torch.Tensor, weight: Any = None, avg_factor: Any = None) -> torch.Tensor:
        """The loss of logits (N, C), and targets 0 and 1."""
        ratio = members.GradientSums(self.positive, self.negative).ratio
        made = members.equalized(ratio, base=self.focal_gamma, scale=self.scale_factor)
        gamma = made.gamma.expand_as(pred)
        factor = _times(made.weight.expand_as(pred), weight)
        return self.loss_weight * sigmoid_focal_loss(
            pred, target, self.alpha, gamma, self.reduction, weight=factor, normalizer=avg_factor
        )


def _times(own: torch.Tensor, weight: Any) -> Any:
    return own if weight is None else own * weight

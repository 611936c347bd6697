"""The family for PyTorch: any member as a module, and the names under which libraries have them.

>>> import torch
>>> from focal_ref_torch import family
>>> loss = family.AsymmetricLossMultiLabel(gamma_neg=4, gamma_pos=1, clip=0.05)
>>> loss(torch.asarray([[2.0, -1.0]]), torch.asarray([[1.0, 0.0]]))
tensor(0.0157)

docs/family.md says what differs from each library's own.
"""

from __future__ import annotations

from typing import Any, Literal

import torch

from focal_ref import family as members
from focal_ref.family import Kernel
from focal_ref.typing import AlphaLike, Precision, Reduction

from ._autograd import MEMBERS, Call, evaluate
from .functional import sigmoid_focal_loss, softmax_focal_loss

__all__ = [
    "AsymmetricLossMultiLabel",
    "DistributionFocalLoss",
    "EqualizedFocalLoss",
    "GaussianFocalLoss",
    "MemberLoss",
    "NormalizedFocalLoss",
    "PolyBinaryCrossEntropy",
    "QualityFocalLoss",
    "ReducedFocalLoss",
    "VarifocalLoss",
    "sigmoid_focal_loss_star",
]


class MemberLoss(torch.nn.Module):
    """Any member of the family.

    Parameters
    ----------
    kernel : focal_ref.family.Kernel
        With its parameters' values: ``Reduced(gamma=2.0, threshold=0.5)``. A tensor among them may want a gradient.
    link : {"sigmoid", "softmax", "probability"}
        "probability" takes probabilities, and derivatives are by them.
    alpha : float, sequence, torch.Tensor or None
        As for `focal_ref.SigmoidLoss` and `focal_ref.SoftmaxLoss`.
    reduction : str
        "none", "mean", "sum"; of a sigmoid "mean_positive", too.
    precision : {"native", "extended"}
        As for `focal_ref.SigmoidLoss`.
    **options
        The others of `focal_ref.SigmoidLoss` and `focal_ref.SoftmaxLoss`. A row's classes lie along dimension 1 (`axis`).

    Raises
    ------
    TypeError, ValueError
        When made or called; the message names the argument.

    Examples
    --------
    >>> import torch
    >>> from focal_ref.family import Reduced
    >>> MemberLoss(Reduced(2.0, 0.5), "softmax")(torch.asarray([[2.0, 0.0, -1.0]]), torch.asarray([2]))
    tensor(3.1698)
    """

    def __init__(
        self,
        kernel: Kernel,
        link: Literal["sigmoid", "softmax", "probability"] = "sigmoid",
        alpha: AlphaLike = None,
        reduction: str = "mean",
        *,
        precision: Precision = "native",
        **options: Any,
    ) -> None:
        super().__init__()
        if link not in MEMBERS:
            raise ValueError(f"link: got {link!r}; expected one of {', '.join(map(repr, MEMBERS))}")
        options |= {"reduction": reduction, "precision": precision}
        if link == "softmax":
            options.setdefault("axis", 1)
        checked = MEMBERS[link](kernel, alpha=alpha, **options)
        self.kernel, self.link, self.alpha = checked.kernel, link, alpha
        self._options = tuple(options.items())

    def forward(self, inputs: torch.Tensor, targets: Any, weight: Any = None, normalizer: Any = None) -> torch.Tensor:
        """The loss of logits and targets, in the shapes that the link takes."""
        values = tuple(self.kernel.values.items())
        if any(isinstance(value, torch.Tensor) for _, value in values):
            found: torch.Tensor = MEMBERS[self.link](self.kernel, alpha=self.alpha, **dict(self._options))(
                inputs, targets, weight, normalizer
            )
            return found
        options = (("kernel", type(self.kernel)), ("parameters", values), *self._options)
        return evaluate(self.link, options, inputs, Call(targets, None, self.alpha, weight, normalizer))

    def extra_repr(self) -> str:
        """The member and the options."""
        named = ", ".join(f"{name}={value!r}" for name, value in self._options)
        return f"{self.kernel!r}, {self.link!r}, alpha={self.alpha!r}, {named}"


def sigmoid_focal_loss_star(
    inputs: torch.Tensor,
    targets: torch.Tensor,
    alpha: float = -1,
    gamma: float = 1,
    reduction: str = "none",
    *,
    beta: float = 0.0,
) -> torch.Tensor:
    """FL*, with fvcore's signature and values; and the paper's β, which fvcore has not.

    Parameters
    ----------
    inputs, targets : torch.Tensor
        Logits, and targets of their shape.
    alpha : float
        Weight of the positives; below 0: both weigh 1.
    gamma, beta : float
        Steepness and shift.
    reduction : {"none", "mean", "sum"}
        What is returned.

    Examples
    --------
    >>> import torch
    >>> sigmoid_focal_loss_star(torch.asarray([0.0]), torch.asarray([1.0]), gamma=2, beta=1.0)
    tensor([0.1566])
    """
    weight = None if alpha < 0 else alpha
    loss = MemberLoss(members.Star(float(gamma), beta), alpha=weight, reduction=reduction)
    result: torch.Tensor = loss(inputs, targets)
    return result


class PolyBinaryCrossEntropy(MemberLoss):
    """Poly-1 focal loss on sigmoid, with timm's signature.

    Parameters
    ----------
    epsilon, gamma : float
        `focal_ref.family.Poly1`'s.
    alpha : float or None
        Weight of the positives.
    smoothing : float
        Label smoothing.
    reduction : str
        "none", "mean" or "sum".
    """

    def __init__(
        self,
        epsilon: float = 2.0,
        gamma: float = 0.0,
        alpha: float | None = None,
        smoothing: float = 0.0,
        reduction: str = "mean",
    ) -> None:
        super().__init__(members.Poly1(gamma, epsilon), "sigmoid", alpha, reduction, label_smoothing=smoothing)


class ReducedFocalLoss(MemberLoss):
    """Reduced focal loss on sigmoid: segmentation-models' and pytorch-toolbelt's ``reduced_threshold``.

    Parameters
    ----------
    gamma, reduced_threshold : float
        `focal_ref.family.Reduced`'s.
    alpha : float or None
        Weight of the positives.
    reduction : str
        "none", "mean" or "sum".
    """

    def __init__(
        self, gamma: float = 2.0, reduced_threshold: float = 0.5, alpha: float | None = None, reduction: str = "mean"
    ) -> None:
        super().__init__(members.Reduced(gamma, reduced_threshold), alpha=alpha, reduction=reduction)


class AsymmetricLossMultiLabel(torch.nn.Module):
    """timm's and the authors' asymmetric loss, without their epsilon.

    ``disable_torch_grad_focal_loss=True`` leaves the weights out of the gradient, as the authors do by default, and timm on
    demand.

    Parameters
    ----------
    gamma_neg, gamma_pos, clip : float
        `focal_ref.family.Asymmetric`'s γ₋, γ₊ and shift.
    disable_torch_grad_focal_loss : bool
        Whether the weights are constants.
    reduction : {"batchmean", "sum", "mean", "none"}
        "batchmean" divides the sum by the rows; the authors' is "sum".
    """

    def __init__(
        self,
        gamma_neg: float = 4,
        gamma_pos: float = 1,
        clip: float = 0.05,
        disable_torch_grad_focal_loss: bool = False,
        reduction: str = "batchmean",
    ) -> None:
        super().__init__()
        self.reduction = reduction
        self.gamma_neg, self.gamma_pos, self.clip = float(gamma_neg), float(gamma_pos), float(clip or 0.0)
        self.detached = disable_torch_grad_focal_loss
        gammas = (0.0, 0.0) if self.detached else (self.gamma_pos, self.gamma_neg)
        self.loss = MemberLoss(
            members.Asymmetric(*gammas, self.clip), reduction="sum" if reduction == "batchmean" else reduction
        )

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """The loss of logits and multi-label targets."""
        weight = members.asymmetric_weight(x, y, self.gamma_pos, self.gamma_neg, self.clip) if self.detached else None
        result: torch.Tensor = self.loss(x, y, weight, x.shape[0] if self.reduction == "batchmean" else None)
        return result


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


class NormalizedFocalLoss(torch.nn.Module):
    """Focal loss divided by the sum of its own weights, which is not differentiated (Sofiiuk et al. 2019).

    Parameters
    ----------
    alpha : float or None
        Weight of the positives.
    gamma : float
        Focusing.
    """

    def __init__(self, alpha: float | None = None, gamma: float = 2.0) -> None:
        super().__init__()
        self.alpha, self.gamma = alpha, gamma

    def forward(self, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """The loss of logits, and targets 0 and 1."""
        divisor = members.normalized(inputs, targets, self.gamma)
        return sigmoid_focal_loss(inputs, targets, self.alpha, self.gamma, "sum", normalizer=divisor)


def _times(own: torch.Tensor, weight: Any) -> Any:
    return own if weight is None else own * weight

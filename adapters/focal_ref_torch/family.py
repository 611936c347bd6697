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
from focal_ref.losses.keywords import hinted
from focal_ref.typing import AlphaLike, Precision

from ._autograd import evaluate
from ._calls import MEMBERS, Call
from ._detection import DistributionFocalLoss, EqualizedFocalLoss, GaussianFocalLoss, QualityFocalLoss, VarifocalLoss
from .functional import sigmoid_focal_loss

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
    check : bool, optional
        As for `sigmoid_focal_loss`.
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
        check: bool | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        if link not in MEMBERS:
            raise ValueError(f"link: got {link!r}; expected one of {', '.join(map(repr, MEMBERS))}")
        options |= {"reduction": reduction, "precision": precision}
        if link == "softmax":
            options.setdefault("axis", 1)
        checked = MEMBERS[link](kernel, alpha=alpha, **options)
        self.kernel, self.link, self.alpha, self.check = checked.kernel, link, alpha, check
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
        return evaluate(self.link, options, inputs, Call(targets, None, self.alpha, weight, normalizer), self.check)

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

    Returns
    -------
    torch.Tensor
        One loss a logit; with a reduction a 0-d tensor.

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


@hinted
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


@hinted
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


@hinted
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


@hinted
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

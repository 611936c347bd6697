"""Losses as functions of tensors."""

from __future__ import annotations

from typing import Any

import torch

from focal_ref.engine.arrays import look
from focal_ref.engine.torch_tensors import hindrance
from focal_ref.losses.sigmoid import positives
from focal_ref.typing import AlphaLike, GammaLike, Precision, Reduction, SigmoidReduction, SigmoidSoftTargets

from ._autograd import evaluate
from ._calls import Call

__all__ = ["sigmoid_focal_loss", "softmax_focal_loss"]


def sigmoid_focal_loss(
    inputs: torch.Tensor,
    targets: Any,
    alpha: AlphaLike = 0.25,
    gamma: GammaLike = 2,
    reduction: SigmoidReduction = "none",
    *,
    soft_targets: SigmoidSoftTargets = "mix",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    precision: Precision = "native",
    weight: Any = None,
    normalizer: Any = None,
    pos_weight: AlphaLike = None,
    process_group: torch.distributed.ProcessGroup | None = None,
    check: bool | None = None,
) -> torch.Tensor:
    """Binary and multi-label focal loss, −α_t (1 − p_t)^γ log p_t, with torchvision's signature and values.

    Parameters
    ----------
    inputs : torch.Tensor
        Logits, of any floating-point type and shape.
    targets : torch.Tensor or float
        0, 1 or between, of the logits' shape: as in torch's own losses nothing is broadcast but a Python number.
    alpha : float, sequence, torch.Tensor or None
        Weight of the positives, in [0, 1]; the negatives get 1 − α. Below 0, or None: both weigh 1.
    gamma : float, sequence or torch.Tensor
        Focusing, γ ≥ 0.
    reduction : {"none", "mean", "sum", "mean_positive"}
        "mean" divides by what is not ignored, "mean_positive" by max(1, Σ labels).
    soft_targets : {"mix", "expected", "quality"}
        The formula for a label between 0 and 1.
    ignore_index : int or None
        Elements with this label have loss and gradient 0 and do not count for the mean.
    label_smoothing : float
        ε in [0, 1]: labels become y (1 − ε) + ε/2.
    precision : {"native", "extended"}
        Evaluated in the logits' own type, or in the next wider one.
    normalizer : float or 0-d array, optional
        Divides the sum; needs a reduction.
    weight : torch.Tensor or float, optional
        Multiplies each loss. A tensor has as many dimensions as the logits, so that (N,) weights never meet (N, N) logits
        along the wrong one; sizes of 1 are broadcast.
    pos_weight : float, sequence, torch.Tensor or None
        Multiplies the positives' term, as in `torch.nn.BCEWithLogitsLoss`; refused with ``soft_targets="quality"``.
    process_group : torch.distributed.ProcessGroup, optional
        With ``reduction="mean_positive"``: the positives of all its processes are counted. The processes' losses then sum to
        the loss of the whole batch; DistributedDataParallel averages gradients, so multiply by the number of processes there.
    check : bool, optional
        Whether wrong entries of tensors (a label of 255, a negative γ) are refused where they can be seen; if not, they give
        NaN in their place, as they do in compiled code. None: True but in a group of several processes, where the others would
        wait for ever for one that stopped. A learned γ or α is never refused, so that CPU and GPU go on alike.

    Returns
    -------
    torch.Tensor
        One loss a logit, in the logits' type and on their device; with a reduction a 0-d tensor. autograd goes through it.

    Raises
    ------
    TypeError, ValueError
        As `focal_ref.SigmoidFocalLoss` and its methods do; the message names the argument.

    See Also
    --------
    focal_ref_torch.SigmoidFocalLoss : the same as a module.
    focal_ref_torch.softmax_focal_loss : one of several classes.
    focal_ref_torch.like : with another library's conventions.

    Examples
    --------
    >>> import torch
    >>> sigmoid_focal_loss(torch.asarray([0.0, 4.0]), torch.asarray([1.0, 1.0]), reduction="mean")
    tensor(0.0217)
    """
    if isinstance(alpha, (int, float)) and alpha < 0:
        alpha = None
    _same_shape(inputs, targets)
    _aligned(weight, inputs, 0)
    if process_group is not None:
        normalizer = _positives_of_all(inputs, targets, ignore_index, reduction, normalizer, process_group)
    options = (
        ("soft_targets", soft_targets),
        ("ignore_index", ignore_index),
        ("label_smoothing", label_smoothing),
        ("reduction", reduction),
        ("precision", precision),
    )
    return evaluate("sigmoid", options, inputs, Call(targets, gamma, alpha, weight, normalizer, pos_weight), check)


def _positives_of_all(
    inputs: torch.Tensor, targets: Any, ignore_index: int | None, reduction: str, normalizer: Any, group: Any
) -> torch.Tensor:
    """max(1, Σ y) over the processes of a group."""
    if reduction != "mean_positive" or normalizer is not None:
        came = f"one with reduction={reduction!r}" if reduction != "mean_positive" else "one beside a normalizer"
        raise ValueError(f"process_group: got {came}; expected None, or one with reduction='mean_positive' by itself")
    labels = targets.detach() if isinstance(targets, torch.Tensor) else targets
    total: torch.Tensor = positives(look(inputs.detach()), labels, ignore_index)
    torch.distributed.all_reduce(total, group=group)
    return total.clamp(min=1)


def softmax_focal_loss(
    inputs: torch.Tensor,
    targets: torch.Tensor,
    alpha: AlphaLike = None,
    gamma: GammaLike = 2,
    reduction: Reduction = "none",
    *,
    axis: int = 1,
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    precision: Precision = "native",
    weight: Any = None,
    normalizer: Any = None,
    check: bool | None = None,
) -> torch.Tensor:
    """Multi-class focal loss, −α_t (1 − p_t)^γ log p_t, classes along dimension 1 as for `torch.nn.CrossEntropyLoss`.

    Parameters
    ----------
    inputs : torch.Tensor
        Logits, of any floating-point type: (N, C, d1, d2, …), or with the classes along another `axis`.
    targets : torch.Tensor
        Classes (integers, the logits' shape without `axis`) or probabilities (the logits' shape).
    alpha : float, sequence, torch.Tensor or None
        One weight a class. A scalar multiplies every loss alike, and balances nothing.
    gamma : float, sequence or torch.Tensor
        Focusing, γ ≥ 0.
    reduction : {"none", "mean", "sum"}
        "mean" divides by what is not ignored.
    axis : int
        Where the classes lie.
    ignore_index : int or None
        Rows with this class have loss and gradient 0 and do not count for the mean.
    label_smoothing : float
        ε in [0, 1], shared by all classes alike.
    precision : {"native", "extended"}
        Evaluated in the logits' own type, or in the next wider one.
    normalizer : float or 0-d array, optional
        Divides the sum; needs a reduction.
    weight : torch.Tensor or float, optional
        Multiplies each loss. A tensor has as many dimensions as there are in the losses; sizes of 1 are broadcast.
    check : bool, optional
        As for `sigmoid_focal_loss`.

    Returns
    -------
    torch.Tensor
        One loss a row, in the logits' type and on their device; with a reduction a 0-d tensor. autograd goes through it.

    Raises
    ------
    TypeError, ValueError
        As `focal_ref.SoftmaxFocalLoss` and its methods do; the message names the argument.

    See Also
    --------
    focal_ref_torch.FocalLoss : the same as a module.
    focal_ref_torch.sigmoid_focal_loss : two classes by one logit, or many labels.
    focal_ref_torch.like : with another library's conventions.

    Examples
    --------
    >>> import torch
    >>> softmax_focal_loss(torch.asarray([[2.0, 0.0, -1.0]]), torch.asarray([2]))
    tensor([2.9091])
    """
    _aligned(weight, inputs, 1)
    options = (
        ("axis", axis),
        ("ignore_index", ignore_index),
        ("label_smoothing", label_smoothing),
        ("reduction", reduction),
        ("precision", precision),
    )
    return evaluate("softmax", options, inputs, Call(targets, gamma, alpha, weight, normalizer), check)


def _same_shape(inputs: Any, targets: Any) -> None:
    """Targets of another shape are a mistake far more often than meant, and broadcast without a word."""
    if not (isinstance(inputs, torch.Tensor) and isinstance(targets, torch.Tensor)):
        return
    if hindrance(inputs) or hindrance(targets) or targets.shape == inputs.shape:
        return
    cure = ""
    if inputs.is_nested:
        cure = "; of the same offsets: torch.nested.nested_tensor_from_jagged(values, inputs.offsets())"
    elif targets.shape == (*inputs.shape, 1):
        cure = "; without the last dimension: targets.squeeze(-1)"
    elif inputs.shape == (*targets.shape, 1):
        cure = "; view them as one: inputs.squeeze(-1), or targets.unsqueeze(-1)"
    elif _without_ones(targets) == _without_ones(inputs):
        cure = "; view them as one: targets.view_as(inputs)"
    elif targets.ndim > 1 and targets.mT.shape == inputs.shape:
        cure = "; if their last two dimensions are exchanged: targets.mT"
    elif inputs.ndim > 1 and targets.shape == (*inputs.shape[:1], *inputs.shape[2:]) and not targets.is_floating_point():
        cure = f"; if they are classes: torch.nn.functional.one_hot(targets, {inputs.shape[1]}), or softmax_focal_loss"
    elif targets.ndim <= inputs.ndim and all(
        a in (1, b) for a, b in zip(targets.shape[::-1], inputs.shape[::-1], strict=False)
    ):
        cure = "; if each stands for several logits: targets.expand_as(inputs)"
    came = f"a tensor of shape {tuple(targets.shape)} for logits of shape {tuple(inputs.shape)}"
    raise ValueError(f"targets: got {came}; expected the logits' shape{cure}")


def _without_ones(tensor: torch.Tensor) -> list[int]:
    return [n for n in tensor.shape if n != 1]


def _aligned(weight: Any, inputs: Any, classes: int) -> None:
    """One number, or a tensor whose dimensions are the losses'."""
    if not (isinstance(inputs, torch.Tensor) and isinstance(weight, torch.Tensor)) or hindrance(inputs) or hindrance(weight):
        return
    if weight.ndim in (0, inputs.ndim - classes):
        return
    came = f"a tensor of shape {tuple(weight.shape)} for logits of shape {tuple(inputs.shape)}"
    losses = "the logits have" if not classes else "the losses have: the logits' without their classes"
    cure = "weight[:, None] for one a sample, weight[None, :] for one a label" if not classes else "alpha= weighs classes"
    raise ValueError(f"weight: got {came}; expected a number, or as many dimensions as {losses} ({cure})")

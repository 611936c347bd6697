"""Losses as modules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import torch

from focal_ref import SoftmaxFocalLoss as _SoftmaxOptions
from focal_ref.losses.keywords import hinted
from focal_ref.losses.sigmoid import PosWeightedFocalLoss as _SigmoidOptions
from focal_ref.typing import AlphaLike, GammaLike, Precision, Reduction, SigmoidReduction, SigmoidSoftTargets

from .functional import sigmoid_focal_loss, softmax_focal_loss

__all__ = ["FocalLoss", "SigmoidFocalLoss"]

WEIGHTS = {
    "FocalLoss": "alpha=[…] for weights of the classes, or a weight for each example where the loss is called",
    "SigmoidFocalLoss": "alpha or pos_weight for the positives, or a weight for each element where the loss is called",
}
"""What stands here for the `weight` of torch's losses."""


class _Module(torch.nn.Module):
    """Options, kept where a module keeps what it has: parameters, buffers (which follow ``.to()``), plain attributes.

    As with torch's own losses, each may be set afterwards; it is checked when the loss is called.
    """

    _options: ClassVar[tuple[str, ...]]
    """The attributes besides α and γ, in the order of the signature."""
    _seldom: ClassVar[tuple[str, ...]]
    """Those that are None for most: shown where they are not, and missing in what older versions pickled."""
    alpha: Any
    gamma: Any

    def __new__(cls, *_: Any, **options: Any) -> Self:
        """With a word to those who come from torch's own losses."""
        if "weight" in options and cls.__module__ == __name__:
            raise TypeError(f"weight: got one for {cls.__name__}; expected {WEIGHTS[cls.__name__]}")
        return super().__new__(cls)

    def __init__(self, alpha: AlphaLike, gamma: GammaLike, **others: Any) -> None:
        super().__init__()
        self.alpha, self.gamma = alpha, gamma
        for name in (*self._options, *self._seldom):
            setattr(self, name, others[name])

    def __setattr__(self, name: str, value: Any) -> None:
        """As for any module; what one gives α, γ and `pos_weight` becomes a buffer where it is a tensor, array or sequence."""
        if name not in ("alpha", "gamma", "pos_weight"):
            super().__setattr__(name, value)
            return
        if (isinstance(value, Sequence) and not isinstance(value, str)) or isinstance(value, np.ndarray):
            value = torch.as_tensor(value)
        if isinstance(value, torch.nn.Parameter):
            super().__setattr__(name, value)
        elif isinstance(value, torch.Tensor):
            self.__dict__.pop(name, None)
            self.register_buffer(name, value)
        else:
            self._buffers.pop(name, None)
            super().__setattr__(name, value)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Also of what an older version pickled."""
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        for name in self._seldom:
            if not hasattr(self, name):
                setattr(self, name, None)

    def _others(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in (*self._options, *self._seldom)}

    def extra_repr(self) -> str:
        """The options, as they are now."""
        named = {"alpha": self.alpha, "gamma": self.gamma, **self._others()}
        shown = {
            n: v.tolist() if isinstance(v, torch.Tensor) else v
            for n, v in named.items()
            if n not in self._seldom or v is not None
        }
        return ", ".join(f"{name}={value!r}" for name, value in shown.items())


@hinted
class FocalLoss(_Module):
    """Multi-class focal loss, as the class that everyone copies: the same signature and values, and never NaN.

    Parameters
    ----------
    alpha : float, sequence, torch.Tensor or None
        A factor; or one weight a class, kept as a buffer, which balances them.
    gamma : float, sequence or torch.Tensor
        Focusing, γ ≥ 0. A ``torch.nn.Parameter`` is learned.
    reduction : {"none", "mean", "sum"}
        "mean" divides by what is not ignored.
    axis : int
        Where the classes lie: dimension 1, as for `torch.nn.CrossEntropyLoss`.
    ignore_index : int or None
        Rows with this class have loss and gradient 0 and do not count for the mean.
    label_smoothing : float
        ε in [0, 1], shared by all classes alike.
    precision : {"native", "extended", "reference"}
        Evaluated in the logits' own type, in the next wider one, or exactly, by NumPy.
    check : bool, optional
        As for `sigmoid_focal_loss`: None refuses wrong entries outside a group of processes only.

    Raises
    ------
    TypeError, ValueError
        When made or called, as `focal_ref.SoftmaxFocalLoss`; the message names the argument.

    See Also
    --------
    focal_ref_torch.softmax_focal_loss : the same as a function.
    focal_ref_torch.SigmoidFocalLoss : two classes by one logit, or many labels.

    Examples
    --------
    >>> import torch
    >>> loss = FocalLoss(alpha=[1.0, 1.0, 4.0], ignore_index=-1)
    >>> loss
    FocalLoss(alpha=[1.0, 1.0, 4.0], gamma=2, reduction='mean',
              axis=1, ignore_index=-1, label_smoothing=0.0, precision='native')
    >>> loss(torch.asarray([[2.0, 0.0, -1.0], [0.0, 3.0, 0.0]]), torch.asarray([2, -1]))
    tensor(11.6364)
    """

    _options = ("reduction", "axis", "ignore_index", "label_smoothing", "precision")
    _seldom = ("check",)

    def __init__(
        self,
        alpha: AlphaLike = 0.25,
        gamma: GammaLike = 2,
        reduction: Reduction = "mean",
        *,
        axis: int = 1,
        ignore_index: int | None = None,
        label_smoothing: float = 0.0,
        precision: Precision = "native",
        check: bool | None = None,
    ) -> None:
        others: dict[str, Any] = {
            "reduction": reduction,
            "axis": axis,
            "ignore_index": ignore_index,
            "label_smoothing": label_smoothing,
            "precision": precision,
        }
        _SoftmaxOptions(gamma=gamma, alpha=alpha, **others)
        super().__init__(alpha, gamma, **others, check=check)

    if TYPE_CHECKING:

        def __call__(
            self, inputs: torch.Tensor, targets: torch.Tensor, weight: Any = None, normalizer: Any = None
        ) -> torch.Tensor:
            """As `forward`; torch's own says Any."""
            ...

    def forward(self, inputs: torch.Tensor, targets: torch.Tensor, weight: Any = None, normalizer: Any = None) -> torch.Tensor:
        """The loss of logits (N, C, d1, d2, …) and classes (N, d1, d2, …), or rows of probabilities."""
        return softmax_focal_loss(
            inputs, targets, self.alpha, self.gamma, weight=weight, normalizer=normalizer, **self._others()
        )


@hinted
class SigmoidFocalLoss(_Module):
    """Binary and multi-label focal loss, for each element by itself.

    Parameters
    ----------
    alpha : float, sequence, torch.Tensor or None
        Weight of the positives, in [0, 1]; the negatives get 1 − α. Below 0, or None: both weigh 1.
    gamma : float, sequence or torch.Tensor
        Focusing, γ ≥ 0. A ``torch.nn.Parameter`` is learned.
    reduction : {"none", "mean", "sum", "mean_positive"}
        "mean" divides by what is not ignored, "mean_positive" by max(1, Σ labels).
    soft_targets : {"mix", "expected", "quality"}
        The formula for a label between 0 and 1.
    ignore_index : int or None
        Elements with this label have loss and gradient 0 and do not count for the mean.
    label_smoothing : float
        ε in [0, 1]: labels become y (1 − ε) + ε/2.
    precision : {"native", "extended", "reference"}
        Evaluated in the logits' own type, in the next wider one, or exactly, by NumPy.
    pos_weight, process_group, check
        As for `sigmoid_focal_loss`.

    Raises
    ------
    TypeError, ValueError
        When made or called, as `focal_ref.SigmoidFocalLoss`; the message names the argument.

    See Also
    --------
    focal_ref_torch.sigmoid_focal_loss : the same as a function.
    focal_ref_torch.FocalLoss : one of several classes.

    Examples
    --------
    >>> import torch
    >>> SigmoidFocalLoss()(torch.asarray([0.0, 4.0]), torch.asarray([1.0, 1.0]))
    tensor(0.0217)
    """

    _options = ("reduction", "soft_targets", "ignore_index", "label_smoothing", "precision")
    _seldom = ("pos_weight", "process_group", "check")

    def __init__(
        self,
        alpha: AlphaLike = 0.25,
        gamma: GammaLike = 2,
        reduction: SigmoidReduction = "mean",
        *,
        soft_targets: SigmoidSoftTargets = "mix",
        ignore_index: int | None = None,
        label_smoothing: float = 0.0,
        precision: Precision = "native",
        pos_weight: AlphaLike = None,
        process_group: torch.distributed.ProcessGroup | None = None,
        check: bool | None = None,
    ) -> None:
        others: dict[str, Any] = {
            "reduction": reduction,
            "soft_targets": soft_targets,
            "ignore_index": ignore_index,
            "label_smoothing": label_smoothing,
            "precision": precision,
            "pos_weight": pos_weight,
        }
        _SigmoidOptions(gamma=gamma, alpha=None if isinstance(alpha, (int, float)) and alpha < 0 else alpha, **others)
        super().__init__(alpha, gamma, **others, process_group=process_group, check=check)

    if TYPE_CHECKING:

        def __call__(self, inputs: torch.Tensor, targets: Any, weight: Any = None, normalizer: Any = None) -> torch.Tensor:
            """As `forward`; torch's own says Any."""
            ...

    def forward(self, inputs: torch.Tensor, targets: Any, weight: Any = None, normalizer: Any = None) -> torch.Tensor:
        """The loss of logits and targets of their shape."""
        return sigmoid_focal_loss(
            inputs, targets, self.alpha, self.gamma, weight=weight, normalizer=normalizer, **self._others()
        )

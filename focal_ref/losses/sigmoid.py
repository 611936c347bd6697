"""Sigmoid losses: binary and multi-label, one loss an element."""

from __future__ import annotations

import dataclasses
from typing import Any

from ..engine import arrays, layout, precision
from ..engine.arrays import Facts
from ..mathematics.kernel import Kernel
from ..typing import AlphaLike, ArrayT, GammaLike, Precision, SigmoidReduction, SigmoidSoftTargets
from . import arguments, checks, cures
from .base import Loss
from .keywords import hinted
from .own import OfFocal, OfKernel
from .plan import Seen
from .programs import sigmoid_program

__all__ = ["PosWeightedFocalLoss", "SigmoidFocalLoss", "SigmoidLoss", "positives", "sigmoid_focal_loss"]

_POSITIVES = "a finite number ≥ 0 that multiplies the positives' term, a sequence or array of them, or None"
_SHARE = "a weight of the positives in [0, 1], a sequence or array of them, or None"


class _Sigmoid(Loss):
    """What every sigmoid loss has."""

    link = "sigmoid"
    _program = staticmethod(sigmoid_program)
    soft_targets: Any
    pos_weight: Any = None
    """What multiplies the positives' term: an option of `PosWeightedFocalLoss` alone."""

    def _check(self) -> None:
        if self.alpha is not None:
            accepted = _SHARE + cures.of_share(self.alpha)
            self._set("alpha", arguments.parameter("alpha", self.alpha, 1.0, accepted))
        arguments.choice("soft_targets", self.soft_targets, self._kernel.soft_targets)
        self._check_pos_weight()
        self._check_common("mean_positive")

    def _check_pos_weight(self) -> None:
        if self.pos_weight is None:
            return
        self._set("pos_weight", arguments.parameter("pos_weight", self.pos_weight, arguments.LARGEST, _POSITIVES))
        formulas = self._kernel.with_positives
        if self.soft_targets not in formulas:
            came = f"{arguments.describe(self.pos_weight)} with soft_targets={self.soft_targets!r}"
            accepted = f"None; {' and '.join(map(repr, formulas))} have a term of the positives that it multiplies"
            arguments.refuse(ValueError, "pos_weight", came, accepted)

    def _factors(self) -> dict[str, Any]:
        return {"alpha": self.alpha, "pos_weight": self.pos_weight}

    def _class_axis(self) -> int | None:
        return None

    def _alpha_shape(self, logits: Facts) -> tuple[int, ...]:
        return logits.shape

    def _seen(self, logits: Facts, targets: Any) -> tuple[Any, Seen]:
        targets, hard = arguments.sigmoid_targets(targets, logits, self.ignore_index)
        formula = "hard" if hard and not self.label_smoothing else self.soft_targets
        return targets, Seen(formula, not arrays.is_array(targets) or checks.are_looked_at(logits, targets))

    def _divisor(self, logits: Facts, targets: Any, normalizer: Any, count: int) -> Any:
        positive = self.reduction == "mean_positive"
        if normalizer is not None or not (positive or (self.reduction == "mean" and self.ignore_index is not None)):
            return super()._divisor(logits, targets, normalizer, count)
        total = positives(logits, targets, self.ignore_index, by_label=positive)
        return logits.xp.where(total < 1, 1.0, total)


def positives(logits: Facts, targets: Any, ignore_index: int | None, *, by_label: bool = True) -> Any:
    """Σ y over the labels that count; or their number."""
    xp = logits.xp
    y = targets if arrays.is_array(targets) else xp.asarray(targets, device=arrays.device_of(logits.array))
    y = xp.broadcast_to(xp.astype(y, precision.accumulator(logits), copy=False), logits.shape)
    kept = y == y if ignore_index is None else y != ignore_index
    # A missing label is NaN in many pipelines, and positive in none.
    return xp.sum(xp.where(kept & (y > 0), y, 0.0)) if by_label else layout.count(logits, kept)


@hinted
@dataclasses.dataclass(frozen=True, eq=False)
class SigmoidLoss(OfKernel, _Sigmoid):
    """Any member of the family on sigmoid: α_t φ(margin), for each element by itself.

    Parameters
    ----------
    kernel : focal_ref.family.Kernel
        A member with its parameters' values, such as ``Poly1(gamma=2.0, epsilon=1.0)``.
    alpha, ignore_index, label_smoothing, reduction, precision
        As for `SigmoidFocalLoss`.
    soft_targets : str, optional
        One of the kernel's `soft_targets`; None: the first. Every member has "expected", y φ(x) + (1 − y) φ(−x).

    Raises
    ------
    TypeError, ValueError
        Where an option, or a parameter of the kernel, is of the wrong kind or out of range; the message names it.

    Examples
    --------
    >>> import numpy as np
    >>> import focal_ref as fr
    >>> loss = fr.SigmoidLoss(fr.family.Poly1(gamma=2.0, epsilon=1.0), alpha=0.25)
    >>> loss(np.asarray([0.0, 4.0]), np.asarray([1, 0])).round(6)
    array([0.074572, 3.616435])
    """

    kernel: Kernel
    alpha: AlphaLike = None
    soft_targets: str | None = None
    ignore_index: int | None = None
    label_smoothing: float = 0.0
    reduction: SigmoidReduction = "none"
    precision: Precision = "extended"

    def _check(self) -> None:
        if self.soft_targets is None:
            self._set("soft_targets", self.kernel.soft_targets[0])
        super()._check()


@hinted
@dataclasses.dataclass(frozen=True, eq=False)
class SigmoidFocalLoss(OfFocal, _Sigmoid):
    """Binary and multi-label focal loss: −α_t (1 − p_t)^γ log p_t with p = σ(logit), for each element by itself.

    Parameters
    ----------
    gamma : float, sequence or array
        Focusing, γ ≥ 0; 0 is cross entropy. A sequence or array broadcasts against the losses (one a label, one a sample).
    alpha : float, sequence, array or None
        Weight of the positives, in [0, 1]; the negatives get 1 − α. None: both weigh 1.
    soft_targets : {"mix", "expected", "quality"}
        What a target strictly between 0 and 1 means; see Notes.
    ignore_index : int or None
        Elements with this target have loss and gradient 0 and do not count for the mean.
    label_smoothing : float
        ε in [0, 1]: targets become (1 − ε) y + ε/2.
    reduction : {"none", "mean", "sum", "mean_positive"}
        "mean" divides by the elements that are not ignored, "mean_positive" by max(1, Σ y) over them (RetinaNet's number of
        positives; Lin et al. 2017, section 4.1).
    precision : {"extended", "native", "reference"}
        What formulas are evaluated in; see the Conventions.

    See Also
    --------
    focal_ref.sigmoid_focal_loss : the same as a function of the losses alone.
    focal_ref.SoftmaxFocalLoss : one of several classes.
    focal_ref.SigmoidLoss : another member of the family.
    focal_ref.posterior_from_logits : probabilities from logits that were trained with it.

    Notes
    -----
    Targets are bool, integers 0 and 1, or floats in [0, 1] that broadcast against the logits. With p = σ(x), for a soft y:

    * ``"mix"``: (1 − p_t)^γ BCE(x, y) with p_t = y p + (1 − y)(1 − p), as torchvision, fvcore, optax and Keras have it;
    * ``"expected"``: y FL(x, 1) + (1 − y) FL(x, 0), as kornia has it: the only one linear in y;
    * ``"quality"``: \\|y − p\\|^γ BCE(x, y), quality focal loss (Li et al. 2020, arXiv 2006.04388, eq. 7).

    All agree for hard targets. The Conventions of `focal_ref.losses` hold.

    References
    ----------
    T.-Y. Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017 (arXiv 1708.02002), eqs. 4 and 5.

    Examples
    --------
    >>> import numpy as np
    >>> import focal_ref as fr
    >>> loss = fr.SigmoidFocalLoss(gamma=2.0, alpha=0.25)
    >>> loss(np.asarray([0.0, 4.0, -4.0]), np.asarray([1, 1, 1]))
    array([4.33216988e-02, 1.46789243e-06, 9.68726809e-01])
    """

    gamma: GammaLike = 2.0
    alpha: AlphaLike = None
    soft_targets: SigmoidSoftTargets = "mix"
    ignore_index: int | None = None
    label_smoothing: float = 0.0
    reduction: SigmoidReduction = "none"
    precision: Precision = "extended"


@hinted
@dataclasses.dataclass(frozen=True, eq=False)
class PosWeightedFocalLoss(SigmoidFocalLoss):
    """`SigmoidFocalLoss` with torch's `pos_weight`, for those who move over from `torch.nn.BCEWithLogitsLoss`.

    Parameters
    ----------
    pos_weight : float, sequence, array or None
        Multiplies the positives' term, whatever part of it a soft label has: y in BCE ("mix"), FL(x, 1) in "expected". Refused
        with "quality", whose least loss is at p = y, and would be elsewhere.

    Examples
    --------
    >>> import numpy as np
    >>> PosWeightedFocalLoss(pos_weight=3.0)(np.asarray([0.0, 0.0]), np.asarray([1, 0])).round(6)
    array([0.51986 , 0.173287])
    """

    pos_weight: AlphaLike = None


def sigmoid_focal_loss(
    logits: ArrayT,
    targets: Any,
    *,
    gamma: GammaLike = 2.0,
    alpha: AlphaLike = None,
    soft_targets: SigmoidSoftTargets = "mix",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    reduction: SigmoidReduction = "none",
    precision: Precision = "extended",
    weight: Any = None,
    normalizer: Any = None,
) -> ArrayT:
    """Binary and multi-label focal loss: −α_t (1 − p_t)^γ log p_t with p_t = σ(x) for y = 1, σ(−x) for y = 0.

    The same as `SigmoidFocalLoss`, whose Notes hold, and whose methods have the derivatives.

    Parameters
    ----------
    logits : array
        Unnormalised scores, of a floating-point type, of any shape.
    targets : array, bool or number
        0, 1 or between, broadcast against the logits.
    gamma : float, sequence or array
        Focusing, γ ≥ 0; 0 is cross entropy.
    alpha : float, sequence, array or None
        The positives' weight, in [0, 1]; negatives get 1 − α. None: both weigh 1.
    soft_targets : {"mix", "expected", "quality"}
        The formula for a target between 0 and 1.
    ignore_index : int or None
        Elements with this target have loss and gradient 0 and do not count for the mean.
    label_smoothing : float
        ε in [0, 1]: targets become y (1 − ε) + ε/2.
    reduction : {"none", "mean", "sum", "mean_positive"}
        "mean" divides by what is not ignored, "mean_positive" by max(1, Σ y).
    precision : {"extended", "native", "reference"}
        Evaluated in the next wider type, in the logits' own, or in pairs of float64.
    weight : array or float, optional
        Multiplies each loss; 0 leaves it out, whatever it is.
    normalizer : float or 0-d array, optional
        Divides the sum; needs a reduction.

    Returns
    -------
    array
        One loss an element, in the logits' library, type, shape and device; with a reduction a 0-d array.

    See Also
    --------
    focal_ref.SigmoidFocalLoss : the derivatives, too.
    focal_ref.softmax_focal_loss : one of several classes.

    Examples
    --------
    >>> import numpy as np
    >>> import focal_ref as fr
    >>> bool(abs(fr.sigmoid_focal_loss(np.asarray(0.0), 1) - np.log(2) / 4) < 1e-16)
    True
    """
    loss = SigmoidFocalLoss(gamma, alpha, soft_targets, ignore_index, label_smoothing, reduction, precision)
    return loss.value(logits, targets, weight, normalizer)

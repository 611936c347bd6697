"""Softmax losses: multi-class, one loss a row."""

from __future__ import annotations

import dataclasses
from typing import Any

from ..engine import arrays, layout
from ..engine.arrays import Facts
from ..mathematics.kernel import Kernel
from ..typing import AlphaLike, ArrayT, GammaLike, Precision, Reduction
from . import arguments, checks
from .base import Loss
from .keywords import hinted
from .own import OfFocal, OfKernel
from .plan import Seen
from .programs import softmax_program

__all__ = ["SoftmaxFocalLoss", "SoftmaxLoss", "softmax_focal_loss"]

_CLASS_WEIGHTS = "a finite number ≥ 0, one a class, or None"


class _Softmax(Loss):
    """What every softmax loss has."""

    link = "softmax"
    _program = staticmethod(softmax_program)
    axis: int

    def _check(self) -> None:
        if self.alpha is not None:
            self._set("alpha", arguments.parameter("alpha", self.alpha, arguments.LARGEST, _CLASS_WEIGHTS))
        arguments.integer("axis", self.axis)
        if self.reduction == "mean_positive":
            accepted = "'none', 'mean' or 'sum': every row has a class (sigmoid losses have it; here normalizer=, in the call)"
            arguments.refuse(ValueError, "reduction", "'mean_positive' for softmax", accepted)
        self._check_common()

    def _class_axis(self) -> int | None:
        return self.axis

    def _alpha_shape(self, logits: Facts) -> tuple[int, ...]:
        return (logits.shape[self.axis],)

    def _seen(self, logits: Facts, targets: Any) -> tuple[Any, Seen]:
        targets = arguments.one_class(targets, logits, self.axis)
        classes = arguments.softmax_targets(targets, logits, self.axis, self.ignore_index)
        formula = "hard" if classes and not self.label_smoothing else "expected"
        return targets, Seen(formula, checks.are_looked_at(logits, targets), classes)

    def _check_rows(self, logits: Facts, targets: Any, weight: Any) -> None:
        arguments.row_sums(targets, logits, self.axis, weight)

    def _divisor(self, logits: Facts, targets: Any, normalizer: Any, count: int) -> Any:
        rows = arrays.dtype_name(targets) not in arguments.INTEGERS
        if normalizer is not None or self.reduction != "mean" or self.ignore_index is None or rows:
            return super()._divisor(logits, targets, normalizer, count)
        kept = layout.count(logits, arrays.as_index(targets) != self.ignore_index)
        return logits.xp.where(kept == 0, 1.0, kept)


@hinted
@dataclasses.dataclass(frozen=True, eq=False)
class SoftmaxLoss(OfKernel, _Softmax):
    """Any member of the family on softmax: α_t φ(margin of the target against the rest), one loss a row.

    Parameters
    ----------
    kernel : focal_ref.family.Kernel
        A member with its parameters' values, such as ``Poly1(gamma=2.0, epsilon=1.0)``.
    alpha, axis, ignore_index, label_smoothing, reduction, precision
        As for `SoftmaxFocalLoss`.

    Raises
    ------
    TypeError, ValueError
        Where an option, or a parameter of the kernel, is of the wrong kind or out of range; the message names it.

    Examples
    --------
    >>> import numpy as np
    >>> import focal_ref as fr
    >>> loss = fr.SoftmaxLoss(fr.family.Poly1(gamma=2.0, epsilon=1.0))
    >>> loss(np.asarray([[2.0, 0.0, -1.0]]), np.asarray([2])).round(6)
    array([3.7883])
    """

    kernel: Kernel
    alpha: AlphaLike = None
    axis: int = -1
    ignore_index: int | None = None
    label_smoothing: float = 0.0
    reduction: Reduction = "none"
    precision: Precision = "extended"


@hinted
@dataclasses.dataclass(frozen=True, eq=False)
class SoftmaxFocalLoss(OfFocal, _Softmax):
    """Multi-class focal loss: −α_t (1 − p_t)^γ log p_t with p = softmax(logits), one loss a row.

    Parameters
    ----------
    gamma : float, sequence or array
        Focusing, γ ≥ 0; 0 is cross entropy. A sequence or array broadcasts against the losses (one a sample).
    alpha : float, sequence, array or None
        One weight a class. A scalar multiplies every loss alike, and balances nothing.
    axis : int
        Where the classes lie in the logits.
    ignore_index : int or None
        Rows with this integer target have loss and gradient 0 and do not count for the mean.
    label_smoothing : float
        ε in [0, 1]: targets become (1 − ε) y + ε/C (Szegedy et al. 2016, arXiv 1512.00567, section 7).
    reduction : {"none", "mean", "sum"}
        "mean" divides by the rows that are not ignored; over no rows at all it is 0.
    precision : {"extended", "native", "reference"}
        What formulas are evaluated in; see the Conventions.

    See Also
    --------
    focal_ref.softmax_focal_loss : the same as a function of the losses alone.
    focal_ref.SigmoidFocalLoss : two classes by one logit, or many labels.
    focal_ref.SoftmaxLoss : another member of the family.
    focal_ref.class_balanced_alpha : weights of classes for `alpha`.

    Notes
    -----
    Targets are integer classes (the logits' shape without `axis`) or rows of probabilities (floats, the logits' shape). For
    the latter the loss is "expected", Σ_c α_c y_c (1 − p_c)^γ (−log p_c), as Keras and MONAI have it. The Conventions
    of `focal_ref.losses` hold.

    References
    ----------
    T.-Y. Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017 (arXiv 1708.02002), eqs. 4 and 5.

    Examples
    --------
    >>> import numpy as np
    >>> import focal_ref as fr
    >>> loss = fr.SoftmaxFocalLoss(gamma=2.0)
    >>> loss(np.asarray([[2.0, 0.0, -1.0], [2.0, 0.0, -1.0]]), np.asarray([0, 2])).round(6)
    array([0.004144, 2.909109])
    """

    gamma: GammaLike = 2.0
    alpha: AlphaLike = None
    axis: int = -1
    ignore_index: int | None = None
    label_smoothing: float = 0.0
    reduction: Reduction = "none"
    precision: Precision = "extended"


def softmax_focal_loss(
    logits: ArrayT,
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
) -> ArrayT:
    """Multi-class focal loss: −α_t (1 − p_t)^γ log p_t with p = softmax(logits), one loss a row.

    The same as `SoftmaxFocalLoss`, whose Notes hold, and whose methods have the derivatives.

    Parameters
    ----------
    logits : array
        Unnormalised scores, of a floating-point type, with the classes along `axis`.
    targets : array or int
        Classes (integers, the logits' shape without `axis`), or rows of probabilities (floats, the logits' shape).
    gamma : float, sequence or array
        Focusing, γ ≥ 0; 0 is cross entropy.
    alpha : float, sequence, array or None
        One weight a class. A scalar multiplies every loss alike, and balances nothing.
    axis : int
        Where the classes lie.
    ignore_index : int or None
        Rows with this integer target have loss and gradient 0 and do not count for the mean.
    label_smoothing : float
        ε in [0, 1]: targets become (1 − ε) y + ε/C.
    reduction : {"none", "mean", "sum"}
        "mean" divides by the rows that are not ignored.
    precision : {"extended", "native", "reference"}
        Evaluated in the next wider type, in the logits' own, or in pairs of float64.
    weight : array or float, optional
        Multiplies each loss; 0 leaves it out, whatever it is.
    normalizer : float or 0-d array, optional
        Divides the sum; needs a reduction.

    Returns
    -------
    array
        One loss a row, in the logits' library, type and device, without `axis`; with a reduction a 0-d array.

    See Also
    --------
    focal_ref.SoftmaxFocalLoss : the derivatives, too.
    focal_ref.sigmoid_focal_loss : two classes by one logit, or many labels.

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

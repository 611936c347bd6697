"""The losses that users hold: options checked once, then values and derivatives of any array.

Conventions
-----------
logits : floating-point array of any Array API library, any shape.
losses : one an element (sigmoid) or one a row (softmax: the logits' shape without `axis`).
results : the logits' type, device, shape and library. Derivatives are by the logits and have their shape.
``reduction="none"`` : a derivative is each loss's own. ``"mean"``, ``"sum"`` : it is the reduced value's.
weight : multiplies each loss; where it is 0, loss and derivatives are exactly 0, whatever the logits.
normalizer : divides the sum, in place of the count of losses (RetinaNet divides by the number of positives).
precision : ``"extended"`` evaluates in the next wider type and rounds once; ``"native"`` is faster, in the logits' type.
infinite logits : give the limit. NaN gives NaN, in its element or row only.
"""

from __future__ import annotations

import dataclasses
import math
from functools import partial
from typing import Any, ClassVar

import numpy as np

from ..engine import execution
from ..engine.execution import CLASSES, ROW, SUM, Program
from ..typing import AlphaLike, Array, GammaLike, Namespace, Precision, Reduction, SigmoidSoftTargets
from . import arguments as checks
from .programs import PER_LOSS, Plan, is_steep, sigmoid_program, softmax_program

__all__ = ["SigmoidFocalLoss", "SoftmaxFocalLoss"]

_GAMMA = "a finite number ≥ 0, a sequence of them, or an array of a floating-point type"
_SHARE = "a weight of the positives in [0, 1], a sequence or array of them, or None"
_CLASS_WEIGHTS = "a finite number ≥ 0, one a class, or None"


class _FocalLoss:
    """What both losses share: the methods, comparison and hashing."""

    def __call__(self, logits: Array, targets: Any, weight: Any = None, normalizer: Any = None) -> Any:
        """The loss; the same as `value`."""
        return self.value(logits, targets, weight, normalizer)

    def value(self, logits: Array, targets: Any, weight: Any = None, normalizer: Any = None) -> Any:
        """The loss: one an element or row, or their mean or sum (`reduction`).

        Parameters
        ----------
        logits : array
            Unnormalised scores, of a floating-point type.
        targets : array
            See the class.
        weight : array or float, optional
            Broadcasts against the losses.
        normalizer : float or 0-d array, optional
            Divides the sum of the losses; needs ``reduction="mean"`` or ``"sum"``.

        Raises
        ------
        TypeError, ValueError
            Where an argument is of the wrong kind, type, shape, library or device, or (where values may be looked at: on
            the host, not lazy, not traced) out of range. The message names the argument, what came, and what is accepted.
        """
        return self._results(("value",), logits, targets, weight, normalizer)[0]

    def value_and_grad(self, logits: Array, targets: Any, weight: Any = None, normalizer: Any = None) -> tuple[Any, Any]:
        """The loss, and its gradient by the logits (their shape). Arguments as for `value`."""
        value, grad = self._results(("value", "grad"), logits, targets, weight, normalizer)
        return value, grad

    def grad(self, logits: Array, targets: Any, weight: Any = None, normalizer: Any = None) -> Any:
        """The gradient by the logits (their shape): Lin et al. 2017, appendix B. Arguments as for `value`."""
        return self._results(("grad",), logits, targets, weight, normalizer)[0]

    def hessian_diag(self, logits: Array, targets: Any, weight: Any = None, normalizer: Any = None) -> Any:
        """The second derivative by each logit (their shape). Arguments as for `value`."""
        return self._results(("hessian_diag",), logits, targets, weight, normalizer)[0]

    def hvp(self, logits: Array, targets: Any, tangent: Array, weight: Any = None, normalizer: Any = None) -> Any:
        """Hessian times tangent (the logits' shape). `tangent` broadcasts to the logits; the rest as for `value`."""
        return self._results(("hvp",), logits, targets, weight, normalizer, tangent)[0]

    def value_grad_hess(self, logits: Array, targets: Any, weight: Any = None, normalizer: Any = None) -> tuple[Any, Any, Any]:
        """The loss, gradient and Hessian diagonal, in one pass. Arguments as for `value`."""
        wants = ("value", "grad", "hessian_diag")
        value, grad, hess = self._results(wants, logits, targets, weight, normalizer)
        return value, grad, hess

    def gamma_grad(self, logits: Array, targets: Any, weight: Any = None, normalizer: Any = None) -> Any:
        """The derivative by γ, φ log u, in the value's shape, for those who learn or tune γ. Arguments as for `value`."""
        return self._results(("gamma_grad",), logits, targets, weight, normalizer)[0]

    __dataclass_fields__: ClassVar[dict[str, Any]]
    _program: ClassVar[Program]
    gamma: GammaLike
    alpha: AlphaLike
    reduction: Reduction
    precision: Precision

    def _class_axis(self) -> int | None:
        """Where the classes lie; None where every element is a loss."""
        raise NotImplementedError

    def _alpha_shape(self, logits: Array) -> tuple[int, ...]:
        """What α broadcasts to."""
        raise NotImplementedError

    def _plan(self, wants: tuple[str, ...], logits: Array, targets: Any, compute: str) -> tuple[Any, Plan]:
        """The targets, checked, and what is decided before any array is touched."""
        raise NotImplementedError

    def _evaluation(self, logits: Array, compute: str, *narrow: str) -> dict[str, Any]:
        """The plan's entries on types; in the logits' own type and in `narrow` ones rounding errors are carried along."""
        formulas = execution.formulas_type(logits, compute)
        carry = formulas in (execution.dtype_name(logits), *narrow) or is_steep(self.gamma)
        return {"formulas": formulas, "carry": carry, "roomy": not carry and execution.is_roomy(logits, formulas)}

    def _results(
        self, wants: tuple[str, ...], logits: Any, targets: Any, weight: Any, normalizer: Any, tangent: Any = None
    ) -> tuple[Any, ...]:
        axis = self._class_axis()
        xp = checks.logits(logits, axis)
        shape = checks.losses_shape(logits, axis)
        targets, plan = self._plan(wants, logits, targets, execution.compute_type(xp, logits, self.precision))
        rounding = execution.dtype_name(logits) if self.precision == "native" else plan.compute
        gamma, alpha = (execution.parameter(xp, a, logits, rounding, plan.compute) for a in (self.gamma, self.alpha))
        factors = [
            value if value is None else checks.factor(name, value, logits, into)
            for name, value, into in (
                ("gamma", gamma, shape),
                ("alpha", alpha, self._alpha_shape(logits)),
                ("weight", weight, shape),
            )
        ]
        if axis is not None and execution.is_array(factors[1]):
            factors[1] = xp.broadcast_to(factors[1], self._alpha_shape(logits))
        if "hvp" in wants:
            tangent = checks.factor("tangent", tangent, logits, tuple(logits.shape))
        divisor = self._divisor(xp, logits, targets, normalizer, math.prod(shape))

        full = ROW if axis is None else CLASSES
        kinds = (full, ROW if plan.integer_targets else full, ROW, full, ROW, ROW, full)
        arguments = [
            execution.classes_last(xp, a, axis, logits.ndim) if kind == CLASSES else a
            for a, kind in zip((logits, targets, *factors, divisor, tangent), kinds, strict=True)
        ]
        summed = [plan.reduced and want in PER_LOSS for want in wants]
        outputs = [
            (SUM if early else ROW if want in PER_LOSS else full, getattr(xp, plan.compute) if early else logits.dtype)
            for want, early in zip(wants, summed, strict=True)
        ]
        results = execution.run(partial(type(self)._program, plan=plan), arguments, kinds, outputs, plan.compute)
        return tuple(
            execution.reduced(xp, result, divisor, logits)
            if early
            else execution.classes_back(xp, result, axis if kind == CLASSES else None)
            for result, early, (kind, _) in zip(results, summed, outputs, strict=True)
        )

    def _divisor(self, xp: Namespace, logits: Array, targets: Any, normalizer: Any, count: int) -> Any:
        """What sums are divided by: the normalizer, the count of losses (at least 1: a mean over nothing is 0), or None."""
        if normalizer is not None:
            return checks.normalizer(normalizer, logits, self.reduction)
        return float(max(count, 1)) if self.reduction == "mean" else None

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(_same(getattr(self, f.name), getattr(other, f.name)) for f in dataclasses.fields(self))

    def __hash__(self) -> int:
        for field in dataclasses.fields(self):
            if execution.is_array(getattr(self, field.name)):
                raise TypeError(f"unhashable: {field.name} is an array; give a number or a sequence for a hashable loss")
        return hash((type(self), *(getattr(self, field.name) for field in dataclasses.fields(self))))

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)


def _same(a: Any, b: Any) -> bool:
    if a is b or not (execution.is_array(a) or execution.is_array(b)):
        return bool(a is b or a == b)
    if type(a) is not type(b) or a.shape != b.shape or a.dtype != b.dtype:
        return False
    seen, other = execution.values(a), execution.values(b)
    return seen is not None and other is not None and np.array_equal(seen, other)


@dataclasses.dataclass(frozen=True, eq=False)
class SigmoidFocalLoss(_FocalLoss):
    """Binary and multi-label focal loss: −α_t (1 − p_t)^γ log p_t with p = σ(logit), for each element by itself.

    Parameters
    ----------
    gamma : float, sequence or array
        Focusing, γ ≥ 0; 0 is cross entropy. A sequence or array broadcasts against the losses (one a label, one a sample).
    alpha : float, sequence, array or None
        Weight of the positives, in [0, 1]; the negatives get 1 − α. None: both weigh 1.
    soft_targets : {"mix", "expected", "quality"}
        What a target strictly between 0 and 1 means; see Notes.
    reduction : {"none", "mean", "sum"}
    precision : {"extended", "native"}

    Notes
    -----
    Targets are bool, integers 0 and 1, or floats in [0, 1] that broadcast against the logits. With p = σ(x), for a soft y:

    * ``"mix"``: (1 − p_t)^γ BCE(x, y) with p_t = y p + (1 − y)(1 − p), as torchvision, fvcore, optax and Keras have it;
    * ``"expected"``: y FL(x, 1) + (1 − y) FL(x, 0), as kornia has it: the only one linear in y;
    * ``"quality"``: \\|y − p\\|^γ BCE(x, y), quality focal loss (Li et al. 2020, arXiv 2006.04388, eq. 7).

    All agree for hard targets. The module's Conventions hold.

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

    _program = staticmethod(sigmoid_program)

    gamma: GammaLike = 2.0
    alpha: AlphaLike = None
    soft_targets: SigmoidSoftTargets = "mix"
    reduction: Reduction = "none"
    precision: Precision = "extended"

    def __post_init__(self) -> None:
        self._set("gamma", checks.parameter("gamma", self.gamma, checks.LARGEST, _GAMMA))
        if self.alpha is not None:
            self._set("alpha", checks.parameter("alpha", self.alpha, 1.0, _SHARE))
        checks.choice("soft_targets", self.soft_targets, ("mix", "expected", "quality"))
        _check_common(self.reduction, self.precision)

    def _class_axis(self) -> int | None:
        return None

    def _alpha_shape(self, logits: Array) -> tuple[int, ...]:
        return tuple(logits.shape)

    def _plan(self, wants: tuple[str, ...], logits: Array, targets: Any, compute: str) -> tuple[Any, Plan]:
        targets = checks.sigmoid_targets(targets, logits)
        return targets, Plan(
            wants,
            compute,
            formula="hard" if execution.are_hard(targets) else self.soft_targets,
            looked=not execution.is_array(targets) or execution.values(targets) is not None,
            reduced=self.reduction != "none",
            **self._evaluation(logits, compute),
        )


@dataclasses.dataclass(frozen=True, eq=False)
class SoftmaxFocalLoss(_FocalLoss):
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
    precision : {"extended", "native"}

    Notes
    -----
    Targets are integer classes (the logits' shape without `axis`) or rows of probabilities (floats, the logits' shape). For
    the latter the loss is "expected", Σ_c α_c y_c (1 − p_c)^γ (−log p_c), as Keras and MONAI have it. The module's
    Conventions hold.

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

    _program = staticmethod(softmax_program)

    gamma: GammaLike = 2.0
    alpha: AlphaLike = None
    axis: int = -1
    ignore_index: int | None = None
    label_smoothing: float = 0.0
    reduction: Reduction = "none"
    precision: Precision = "extended"

    def __post_init__(self) -> None:
        self._set("gamma", checks.parameter("gamma", self.gamma, checks.LARGEST, _GAMMA))
        if self.alpha is not None:
            self._set("alpha", checks.parameter("alpha", self.alpha, checks.LARGEST, _CLASS_WEIGHTS))
        checks.integer("axis", self.axis)
        checks.integer("ignore_index", self.ignore_index, optional=True)
        self._set("label_smoothing", checks.number("label_smoothing", self.label_smoothing, 0.0, 1.0, "a number in [0, 1]"))
        _check_common(self.reduction, self.precision)

    def _class_axis(self) -> int | None:
        return self.axis

    def _alpha_shape(self, logits: Array) -> tuple[int, ...]:
        return (logits.shape[self.axis],)

    def _plan(self, wants: tuple[str, ...], logits: Array, targets: Any, compute: str) -> tuple[Any, Plan]:
        integer_targets = checks.softmax_targets(targets, logits, self.axis, self.ignore_index)
        return targets, Plan(
            wants,
            compute,
            formula="hard" if integer_targets and not self.label_smoothing else "expected",
            looked=execution.values(targets) is not None,
            reduced=self.reduction != "none",
            **self._evaluation(logits, compute, "float32"),
            looks_up=execution.is_numpy(logits),
            integer_targets=integer_targets,
            ignore_index=self.ignore_index,
            label_smoothing=self.label_smoothing,
            rows=True,
        )

    def _divisor(self, xp: Namespace, logits: Array, targets: Any, normalizer: Any, count: int) -> Any:
        if normalizer is not None or self.reduction != "mean" or self.ignore_index is None:
            return super()._divisor(xp, logits, targets, normalizer, count)
        kept = execution.count(xp, execution.as_index(targets) != self.ignore_index)
        return xp.where(kept == 0, 1.0, kept)


def _check_common(reduction: object, precision: object) -> None:
    checks.choice("reduction", reduction, ("none", "mean", "sum"))
    checks.choice("precision", precision, ("extended", "native"))

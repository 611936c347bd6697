"""Profile of a library's focal loss: a loss of focal_ref, and the library's own rules around it."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..losses import SoftmaxFocalLoss, arguments
from ..typing import Floats
from . import soft_targets
from .rules import ALPHA, DIVISORS, REDUCTIONS

__all__ = ["Profile"]

OFF = "off"
"""As an alpha: none."""


@dataclasses.dataclass(frozen=True)
class Profile:
    """A library's focal loss: a loss of focal_ref, and the library's own rules around it."""

    name: str
    link: str
    """A loss a logit ("sigmoid") or a loss a row ("softmax")."""
    call: str
    """The function or class, as one imports it."""
    version: str
    """Of the library whose source the row follows."""
    gamma: float
    alpha: float | None
    """By default; None: off."""
    reduction: str
    """By default."""
    scalar: str
    """Of `focal_ref.rules.ALPHA`: what a number means."""
    soft: str | None
    """Of `focal_ref.formulas`: what a soft target means; None: the library has only hard ones."""
    sequence: str | None = None
    """Of `focal_ref.rules.ALPHA`: what one alpha a class means; None: refused."""
    minus_is_off: bool = False
    """Whether a negative alpha means none."""
    mean: str = "losses"
    """Of `focal_ref.rules.DIVISORS`; ignored losses count."""
    sum: str = "one"
    axis: int = -1
    """Where the classes lie."""
    one_hot: bool = False
    """Whether integer classes, one for a row of logits, stand for labels: a sigmoid a class. No class: negative for all."""
    ignore: int | None = None
    """The class whose rows have no loss."""
    running: tuple[float, float] | None = None
    """Where a running mean over the calls divides in place of a call's own number: what it starts at, and its momentum."""
    clips: float | None = None
    """p is clipped to [ε, 1 − ε], by the library itself; the profile is not."""
    note: str = ""

    def factor(self, targets: ArrayLike, classes: int | None = None, alpha: Any = None) -> Floats:
        """What alpha puts on each loss.

        Parameters
        ----------
        targets : array_like
            Of a sigmoid, labels in [0, 1], any shape. Of a softmax, integer classes, any shape.
        classes : int, optional
            How many; needed only to check one alpha a class.
        alpha : float, sequence, "off" or None
            None: the library's default. "off", or a negative number where the library reads that so: 1 everywhere.

        Returns
        -------
        array
            float64, the targets' shape.

        Raises
        ------
        TypeError, ValueError
            Where the library has no such alpha.
        """
        y = np.asarray(targets)
        y = y.astype(np.float64 if self.link == "sigmoid" else np.int64)
        rule, value = self.rule(alpha, classes)
        if rule and rule == self.sequence and self.link == "sigmoid":
            value = self._along_the_classes(y, value)
        weights: Floats = np.ones(y.shape) if rule is None else np.asarray(ALPHA[rule].of(y, value), dtype=np.float64)
        return weights if self.ignore is None else np.where(y == self.ignore, 0.0, weights)

    def _along_the_classes(self, y: NDArray[Any], value: Floats) -> Floats:
        if y.ndim <= max(self.axis, 0) or y.shape[self.axis] != len(value):
            came = f"{len(value)} numbers, with targets of shape {y.shape}"
            raise ValueError(f"alpha: got {came}; expected one a class, which lie along axis {self.axis}")
        return value.reshape([-1 if axis == self.axis % y.ndim else 1 for axis in range(y.ndim)])

    def rule(self, alpha: Any, classes: int | None = None) -> tuple[str | None, Any]:
        """The name of the rule that an alpha falls under, and the alpha as it takes it; None, where there is none."""
        alpha = self.alpha if alpha is None else alpha
        if alpha is None or (isinstance(alpha, str) and alpha == OFF):
            return None, None
        if np.ndim(alpha):
            if self.sequence is None:
                raise TypeError(f"alpha: got {arguments.describe(alpha)}; expected a number, as {self.name} takes it, or 'off'")
            weights = np.asarray(
                [arguments.number(f"alpha[{c}]", a, 0.0, math.inf, "a number ≥ 0") for c, a in enumerate(alpha)]
            )
            if classes is not None and len(weights) != classes:
                raise ValueError(f"alpha: got {len(weights)} numbers; expected {classes}, one a class")
            return self.sequence, weights
        if self.minus_is_off and arguments.is_number(alpha) and alpha < 0:
            return None, None
        high = math.inf if self.scalar in ("factor", "positives") else 1.0
        return self.scalar, arguments.number("alpha", alpha, 0.0, high, f"a number in [0, {high:g}], or 'off'")

    def losses(self, logits: ArrayLike, targets: ArrayLike, gamma: float | None = None, alpha: Any = None) -> Floats:
        """The losses before any reduction, in float64; arguments as for a call of the profile.

        Of a sigmoid they have the logits' shape; of a softmax, that without its classes.
        """
        power = self.gamma if gamma is None else arguments.number("gamma", gamma, 0.0, math.inf, "a number ≥ 0")
        x, y = np.asarray(logits, dtype=np.float64), np.asarray(targets)
        return self._elements(x, y, power, alpha) if self.link == "sigmoid" else self._rows(x, y, power, alpha)

    def _elements(self, x: Floats, y: NDArray[Any], gamma: float, alpha: Any) -> Floats:
        if self._stands_for_labels(x, y):
            classes = np.arange(x.shape[self.axis])
            y = np.moveaxis(np.asarray(y)[..., None] == classes, -1, self.axis)
        y = np.broadcast_to(y.astype(np.float64), x.shape)
        formula = self._formula(bool(np.all((y == 0) | (y == 1))), "mix")
        if formula != "expected":
            return _weighed(self.factor(y, None, alpha), soft_targets.sigmoid(formula, x, y, gamma))
        total = np.zeros(x.shape)
        for label, share in ((1.0, y), (0.0, 1 - y)):
            weights = share * self.factor(np.full(y.shape, label), None, alpha)
            total += _weighed(weights, soft_targets.sigmoid("mix", x, label, gamma))
        return total

    def _rows(self, x: Floats, y: NDArray[Any], gamma: float, alpha: Any) -> Floats:
        rows, classes = np.moveaxis(x, self.axis, -1), x.shape[self.axis]
        if y.dtype.kind == "f":
            formula = self._formula(False, "expected")
            rule, value = self.rule(alpha, classes)
            weights = np.ones(classes) if rule is None else ALPHA[rule].of(np.arange(classes), value)
            targets = np.moveaxis(y.astype(np.float64), self.axis, -1)
            if formula == "expected":
                return np.asarray(SoftmaxFocalLoss(gamma=gamma, alpha=weights.tolist())(rows, targets))
            return np.asarray(soft_targets.softmax(formula, rows, targets, gamma) * (targets @ weights))
        kept = np.ones(y.shape, dtype=bool) if self.ignore is None else y != self.ignore
        loss = np.asarray(SoftmaxFocalLoss(gamma=gamma)(rows, np.where(kept, y, 0)))
        return _weighed(self.factor(y, classes, alpha), loss)

    def _formula(self, hard: bool, any_of_them: str) -> str:
        if self.soft is None and not hard:
            raise ValueError(f"targets: got soft ones; expected hard ones, since {self.name}'s {self.link} loss has no others")
        return self.soft or any_of_them

    def _stands_for_labels(self, x: Floats, y: NDArray[Any]) -> bool:
        shape = [n for axis, n in enumerate(x.shape) if axis != self.axis % x.ndim] if x.ndim else []
        return self.one_hot and y.dtype.kind in "iu" and x.ndim > 1 and list(y.shape) == shape

    def reduce(self, losses: ArrayLike, reduction: str | None = None, classes: int = 1, positives: float | None = None) -> Any:
        """Losses as the library reduces them.

        Parameters
        ----------
        losses : array_like
            As `losses` gives them.
        reduction : {"none", "mean", "sum"}, optional
            None: the library's default.
        classes : int
            How many; of a sigmoid that is not one of several, 1.
        positives : float, optional
            How many, for who divides by them.
        """
        reduction = self.reduction if reduction is None else reduction
        arguments.choice("reduction", reduction, REDUCTIONS)
        values = np.asarray(losses, dtype=np.float64)
        if reduction == "none":
            return values
        name = self.mean if reduction == "mean" else self.sum
        if name == "positives" and positives is None:
            raise ValueError(f"positives: got None; expected their number, which {self.name} divides by")
        divisor = DIVISORS[name].of(values.shape, classes, self.link, positives)
        return np.float64(math.fsum(values.ravel().tolist()) / max(divisor, 1.0))

    def __call__(
        self,
        logits: ArrayLike,
        targets: ArrayLike,
        gamma: float | None = None,
        alpha: Any = None,
        reduction: str | None = None,
    ) -> Any:
        """The library's loss in float64.

        Parameters
        ----------
        logits : array_like
            Any shape; the classes of a softmax lie along `axis`.
        targets : array_like
            Of a sigmoid, labels in [0, 1] of the logits' shape, or, with `one_hot`, integer classes of the logits' shape
            without `axis`. Of a softmax, such classes, or floating-point probabilities of the logits' shape.
        gamma : float, optional
            None: the library's default.
        alpha : float, sequence, "off" or None
            As for `factor`.
        reduction : {"none", "mean", "sum"}, optional
            None: the library's default. With "none" a softmax gives a loss a row, also where the library pads it with zeros.

        Raises
        ------
        TypeError, ValueError
            Where the library has no such thing; the message names the argument.
        """
        x, y = np.asarray(logits, dtype=np.float64), np.asarray(targets)
        several = self.link == "softmax" or self._stands_for_labels(x, y)
        positives = float(np.sum((y >= 0) & (y < x.shape[self.axis]) if self._stands_for_labels(x, y) else y))
        return self.reduce(self.losses(x, y, gamma, alpha), reduction, x.shape[self.axis] if several else 1, positives)


def _weighed(weights: Floats, losses: Floats) -> Floats:
    """Exactly 0 where the weight is."""
    return weights * np.where(weights == 0, 0.0, losses)

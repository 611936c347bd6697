"""Another library's focal loss, for training: its profile's rules, run on a framework's own tensors.

The rules' names, defaults and limits are `focal_ref.conventions.profiles`'; what is here is how each is said to focal_ref's
losses in torch or JAX, so that derivatives are those of the adapters. Formulas of soft targets that focal_ref itself has not
are the framework's own operations, and hard targets among them go to focal_ref.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

from ..engine import arrays
from ..losses import arguments
from .profile import Profile
from .rules import DIVISORS, REDUCTIONS

__all__ = ["Framework", "Like"]


class Framework(NamedTuple):
    """What training needs of torch or JAX."""

    xp: ModuleType
    """`where`, `exp` and the like."""
    sigmoid: Callable[..., Any]
    """The adapter's loss of each logit."""
    softmax: Callable[..., Any]
    """The adapter's loss of each row."""
    log_softmax: Callable[[Any, int], Any]
    cast: Callable[[Any, Any], Any]
    """An array or numbers, in another array's type and on its device."""
    classes: Callable[[Any, int], Any]
    """Integers from 0, on an array's device."""


class Like(NamedTuple):
    """A library's loss: its profile, and what differs from its defaults."""

    profile: Profile
    gamma: Any
    alpha: Any
    reduction: str
    precision: Any

    @classmethod
    def of(cls, profile: Profile, gamma: Any, alpha: Any, reduction: str | None, precision: Any) -> Like:
        """With the profile's defaults where nothing is given; ValueError or TypeError where it has no such thing."""
        alpha = alpha.tolist() if hasattr(alpha, "tolist") else alpha
        found = cls(profile, profile.gamma if gamma is None else gamma, alpha, reduction or profile.reduction, precision)
        arguments.choice("reduction", found.reduction, REDUCTIONS)
        profile.rule(alpha)
        return found

    def __call__(self, framework: Framework, logits: Any, targets: Any, normalizer: Callable[[Any], Any] | None = None) -> Any:
        """The loss, reduced as the library does; `normalizer` may make another number of that of the positives."""
        arguments.choice("reduction", self.reduction, REDUCTIONS)
        profile, classes, labels = self.profile, 1, targets
        if profile.link == "softmax":
            classes = logits.shape[profile.axis]
            losses, shape = self._rows(framework, logits, targets), arguments.losses_shape(logits.shape, profile.axis)
        else:
            labels = self._labels(framework, logits, targets)
            if labels is not targets:
                classes = logits.shape[profile.axis]
            losses, shape = self._elements(framework, logits, labels), tuple(logits.shape)
        if self.reduction == "none":
            return losses
        name = profile.mean if self.reduction == "mean" else profile.sum
        if name == "positives":
            positives = framework.cast(labels, logits).sum()
            positives = framework.xp.where(positives < 1, framework.cast(1.0, logits), positives)
            return losses.sum() / (positives if normalizer is None else normalizer(positives))
        return losses.sum() / max(DIVISORS[name].of(shape, classes, profile.link, None), 1)

    def _labels(self, framework: Framework, x: Any, targets: Any) -> Any:
        """Of integer classes, where the library takes them for labels; no class: negative for all."""
        profile = self.profile
        if not (profile.one_hot and x.ndim > 1 and arrays.dtype_name(targets) in arguments.INTEGERS):
            return targets
        if tuple(targets.shape) != arguments.losses_shape(x.shape, profile.axis):
            return targets
        axis = profile.axis % x.ndim
        index = targets[(slice(None),) * axis + (None,)]
        along = framework.classes(x, x.shape[axis])
        return framework.cast(index == along.reshape([-1 if i == axis else 1 for i in range(x.ndim)]), x)

    def _elements(self, framework: Framework, x: Any, targets: Any) -> Any:
        rule, value = self.profile.rule(self.alpha)
        balance = value if rule == "balance" else None
        weight = None
        y = framework.cast(targets, x)
        if rule is not None and rule != "balance":
            weight = _label_weight(framework, rule, value, y, self.profile.axis)
        options = {"reduction": "none", "precision": self.precision}
        soft = self.profile.soft
        if soft in (None, "mix", "expected"):
            losses = framework.sigmoid(x, targets, balance, self.gamma, soft_targets=soft or "mix", **options)
        else:
            losses = self._softened(framework, x, targets, y, balance, options)
        return losses if weight is None else framework.xp.where(weight == 0, 0.0, losses * weight)

    def _softened(self, framework: Framework, x: Any, targets: Any, y: Any, balance: Any, options: dict[str, Any]) -> Any:
        """By a formula that focal_ref has only in NumPy, where a label is strictly between 0 and 1."""
        if arrays.are_hard(targets):
            return framework.sigmoid(x, targets, balance, self.gamma, **options)
        xp = framework.xp
        hard = (y == 0) | (y == 1)
        losses = framework.sigmoid(x, framework.cast(y > 0.5, x), balance, self.gamma, **options)
        inner = xp.where(hard, framework.cast(0.5, x), y)
        zero = xp.zeros_like(x)
        bce = inner * xp.logaddexp(zero, -x) + (1 - inner) * xp.logaddexp(zero, x)
        if self.profile.soft == "exp_ce":
            factor = (-xp.expm1(-bce)) ** self.gamma
        else:
            factor = xp.exp(-self.gamma * xp.logaddexp(zero, x * (2 * inner - 1)))
        weight = 1.0 if balance is None else balance * inner + (1 - balance) * (1 - inner)
        return xp.where(hard, losses, weight * factor * bce)

    def _rows(self, framework: Framework, x: Any, targets: Any) -> Any:
        profile = self.profile
        classes = x.shape[profile.axis]
        rule, value = profile.rule(self.alpha)
        weights = None if rule is None else _class_weights(rule, value, classes)
        options = {"axis": profile.axis, "reduction": "none", "precision": self.precision}
        if arrays.dtype_name(targets) in arguments.INTEGERS:
            return framework.softmax(x, targets, weights, self.gamma, ignore_index=profile.ignore, **options)
        if profile.soft is None:
            raise ValueError(f"targets: got soft ones; expected classes, since {profile.name}'s softmax loss has no others")
        if profile.soft == "expected":
            return framework.softmax(x, targets, weights, self.gamma, **options)
        xp, axis = framework.xp, profile.axis
        y = framework.cast(targets, x)
        hard = (y == 0) | (y == 1)
        logs = framework.log_softmax(x, axis)
        ce = -(y * logs).sum(axis)
        certain = hard.all(axis)
        losses = framework.softmax(x, targets, None, self.gamma, **options)
        factor = (-xp.expm1(-xp.where(certain, framework.cast(1.0, x), ce))) ** self.gamma
        weight = 1.0 if weights is None else self._spread(framework, y, weights)
        return weight * xp.where(certain, losses, factor * ce)

    def _spread(self, framework: Framework, y: Any, weights: Any) -> Any:
        axis = self.profile.axis % y.ndim
        along = framework.cast(weights, y).reshape([-1 if i == axis else 1 for i in range(y.ndim)])
        return (y * along).sum(axis)


def _label_weight(framework: Framework, rule: str, value: Any, y: Any, axis: int) -> Any:
    """As `rules.ALPHA` has it, for labels."""
    a = framework.cast(value, y)
    if a.ndim:
        a = a.reshape([-1 if i == axis % y.ndim else 1 for i in range(y.ndim)])
    if rule == "positives":
        return framework.xp.where(y == 1, a, framework.cast(1.0, y))
    if rule == "factor":
        return a
    return framework.xp.where(y == 0, 1 - a, a)


def _class_weights(rule: str, value: Any, classes: int) -> Any:
    """As `rules.ALPHA` has it, one a class."""
    if rule == "classes":
        if len(value) != classes:
            raise ValueError(f"alpha: got {len(value)} numbers; expected {classes}, one a class")
        return [float(a) for a in value]
    if rule == "background":
        return [1 - value, *(value for _ in range(classes - 1))]
    return value

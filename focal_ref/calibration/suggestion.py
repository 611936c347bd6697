"""Suggestion: γ, α, a starting bias and a threshold from how often each class occurs.

>>> found = suggest({"healthy": 9900, "ill": 100})
>>> found.gamma, round(found.alpha, 4), round(found.bias, 4), round(found.threshold, 4)
(1.0, 0.9131, -1.2592, 0.789)
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Literal

from ..losses import SigmoidFocalLoss, SoftmaxFocalLoss, arguments
from .balancing import class_balanced_alpha
from .posteriors import minimiser, optimal_constant
from .seen import seen

__all__ = ["Suggestion", "focusing", "suggest"]

MILD, DENSE = 10.0, 1000.0
"""How many to one of the rarest: below the first there is nothing to focus on; from the second on the easy drown the rest."""
SHOWN = 8
"""More classes than that are not listed one by one."""


def focusing(ratio: float) -> float:
    """The γ to begin with where the commonest class is so many times as frequent as the rarest: 0, 1, or RetinaNet's 2.

    Examples
    --------
    >>> [focusing(ratio) for ratio in (3, 99, 100_000)]
    [0.0, 1.0, 2.0]
    """
    return 0.0 if ratio < MILD else 1.0 if ratio < DENSE else 2.0


@dataclasses.dataclass(frozen=True)
class Suggestion:
    """What to begin with. `str()` says it in words, with the line of code for each library."""

    classes: tuple[Any, ...]
    counts: tuple[float, ...]
    gamma: float
    alpha: float | tuple[float, ...] | None
    """Two classes: the positives' weight, in [0, 1]; more: one weight a class."""
    bias: float | tuple[float, ...]
    """Of the last layer: the best constant logit under this loss; more than two classes: one a class."""
    threshold: float | None
    """Two classes: call it positive where sigmoid(logit) is above. None for more: take the largest posterior."""
    cost: float
    """How many false alarms a missed positive is worth."""
    missing: tuple[tuple[str, float], ...] = ()
    """What stood in the place of labels, and how often; left out of the counts."""

    @property
    def posterior_threshold(self) -> float | None:
        """Two classes: call it positive where the posterior is above, 1/(1 + cost). None for more."""
        return 1 / (1 + self.cost) if len(self.classes) == 2 else None

    @property
    def positive(self) -> Any:
        """Of two classes the one that 1 stands for; of more there is none."""
        return self.classes[1] if len(self.classes) == 2 else None

    def loss(self, **options: Any) -> SigmoidFocalLoss | SoftmaxFocalLoss:
        """The loss itself, with the mean as its reduction unless `options` say otherwise."""
        kind = SigmoidFocalLoss if len(self.classes) == 2 else SoftmaxFocalLoss
        return kind(**{"gamma": self.gamma, "alpha": self.alpha, "reduction": "mean", **options})

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        data = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        plain = {name: list(value) if isinstance(value, tuple) else value for name, value in data.items()}
        plain |= {"posterior_threshold": self.posterior_threshold, "missing": dict(self.missing)}
        return {"link": "sigmoid" if len(self.classes) == 2 else "softmax", "positive": self.positive, **plain}

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> list[str]:
        two, shown = len(self.classes) == 2, len(self.classes) <= SHOWN
        what = ", ".join(f"{name} {count:g}" for name, count in zip(self.classes, self.counts, strict=True))
        ratio = max(self.counts) / min(self.counts)
        lines = [f"{what if shown else f'{len(self.classes)} classes'}: up to {ratio:.3g} to 1"]
        if self.missing:
            lines += [f"left out   {self._left_out()}"]
        beside = "try 0, cross entropy, beside it: on tables it often does as well" if self.gamma else "cross entropy"
        lines += [f"gamma      {self.gamma:g}  ({beside})"]
        if self.alpha is None:
            lines += ["alpha      none"]
        elif not isinstance(self.alpha, tuple):
            lines += [f"alpha      {self.alpha:.4f}  weight of {self.positive}; {self.classes[0]} has {1 - self.alpha:.4f}"]
        else:
            lines += [f"alpha      {_some(self.alpha)}"]
        lines += [f"bias       {f'{self.bias:.4f}' if two else _some(self.bias)}  of the last layer, before training"]
        if two:
            dearer = "" if self.cost == 1 else f", a missed one being worth {self.cost:g} false alarms"
            lines += [f"threshold  {self.threshold:.4f}  {self.positive} where sigmoid(logit) is above{dearer}"]
            posteriors = "posterior_from_logits, the boosting classifiers' predict_proba"
            lines += [f"           {self.posterior_threshold:.4f}  {self.positive} where the posterior is above: {posteriors}"]
        else:
            lines += ["decision   the largest of posterior_from_logits(logits, gamma, alpha)"]
        return [*lines, *self._code()]

    def _left_out(self) -> str:
        what = ", ".join(f"{name} {count:g}" for name, count in self.missing)
        marks = any(name.startswith("-") for name, _ in self.missing)
        return f"{what}: without a label" + (" (where it is a class, give counts)" if marks else "")

    def _code(self) -> list[str]:
        two, many = len(self.classes) == 2, len(self.classes) > SHOWN
        alpha = "None" if self.alpha is None else f"{self.alpha:.4f}" if two else "alpha" if many else _listed(self.alpha)
        torch = "SigmoidFocalLoss" if two else "FocalLoss"
        options = f"alpha={alpha}, gamma={self.gamma:g}, reduction="
        boosting = f"FocalXGBClassifier(gamma={self.gamma:g}, alpha={self._of_sorted(alpha)})"
        return [
            f'PyTorch  focal_ref_torch.{torch}({options}"mean")',
            f'JAX      focal_ref_jax.{"sigmoid" if two else "softmax"}_focal_loss(logits, labels, {options}"mean")',
            f'NumPy    focal_ref.{"Sigmoid" if two else "Softmax"}FocalLoss({options}"mean")',
            f"boosting focal_ref_boosting.{boosting}  # or FocalLGBMClassifier, FocalCatBoostClassifier",
        ]

    def _of_sorted(self, alpha: str) -> str:
        """α as classifiers take it, which sort labels: of two, the weight of the second."""
        turned = len(self.classes) == 2 and isinstance(self.alpha, float) and self.classes[1] < self.classes[0]
        return f"{1 - self.alpha:.4f}" if turned else alpha  # type: ignore[operator]


def suggest(
    counts: Any = None,
    *,
    labels: Any = None,
    gamma: float | None = None,
    alpha: Literal["balanced"] | float | tuple[float, ...] | None = "balanced",
    cost: float = 1.0,
    positive: Any = None,
) -> Suggestion:
    """γ, α, a starting bias and a threshold to begin with, from how often each class occurs.

    The bias and the threshold are exact consequences of γ, α and the counts (`optimal_constant`, `minimiser`); α is
    `class_balanced_alpha`; γ is a rule of thumb, `focusing`: 0 where the commonest class is less than 10 times as frequent as
    the rarest, 1 below 1000 times, and 2 beyond, where RetinaNet's detectors are.

    Parameters
    ----------
    counts : sequence, array or dict
        How many samples each class has, and no shares; a dict from labels to counts is taken in the order of its sorted labels.
    labels : sequence or array
        In the place of `counts`, each sample's label: integers, or anything that sorts. None, NaN, empty strings and what else
        tables write for them, and −1 or −100 beside 0 and 1, are no labels: they are counted in `missing`.
    gamma : float, optional
        Another γ.
    alpha : "balanced", float, sequence or None
        Another α, in the place of balanced class weights; None: none.
    cost : float
        For two classes, how many false alarms a missed positive is worth; moves both thresholds.
    positive : label, optional
        Of two classes the positive one. None: 1 or True where the labels are numbers, else the rarer one.

    Returns
    -------
    Suggestion
        `gamma`, `alpha`, `bias`, `threshold` (of sigmoid(logit)), `posterior_threshold` (of posteriors, which the
        boosting classifiers' ``predict_proba`` gives), `missing`; `loss()` makes the loss, `str()` says it in words.

    Raises
    ------
    TypeError, ValueError
        Where an argument is not such, or a class never occurs; the message names it.

    See Also
    --------
    focal_ref.class_balanced_alpha : weights of classes by themselves.
    focal_ref.optimal_constant : the start by itself.
    focal_ref.posterior_from_logits : the probabilities that a threshold is for.

    Examples
    --------
    >>> suggest([990, 10], gamma=2.0, alpha=None).loss()
    SigmoidFocalLoss(gamma=2.0, alpha=None, soft_targets='mix', ignore_index=None, label_smoothing=0.0, reduction='mean',
        precision='extended')
    >>> suggest(labels=["cat"] * 50 + ["dog"] * 30 + ["emu"] * 20).gamma
    0.0
    """
    names, numbers, missing = seen(counts, labels)
    if len(numbers) == 2:
        names, numbers = _positive_last(names, numbers, positive)
    elif positive is not None:
        raise ValueError(f"positive: got {positive!r} with {len(numbers)} classes; expected it with two only")
    cost = arguments.number("cost", cost, 1e-6, 1e6, "a number > 0")
    if gamma is None:
        gamma = focusing(max(numbers) / min(numbers))
    gamma = arguments.number("gamma", gamma, 0.0, math.inf, "a finite number ≥ 0")
    if isinstance(alpha, str):
        arguments.choice("alpha", alpha, ("balanced",))
        weights = class_balanced_alpha(numbers)
        alpha = weights[1] / 2 if len(numbers) == 2 else weights
    total = math.fsum(numbers)
    if len(numbers) == 2:
        bias: Any = optimal_constant(numbers[1] / total, gamma, alpha)
        threshold = minimiser(1 / (1 + cost), gamma, alpha)
    else:
        bias = tuple(float(b) for b in optimal_constant([n / total for n in numbers], gamma, alpha))
        threshold = None
    found = Suggestion(names, numbers, gamma, alpha, bias, threshold, cost, missing)
    found.loss()
    return found


def _positive_last(names: tuple[Any, ...], counts: tuple[float, ...], positive: Any) -> tuple[Any, Any]:
    """Of two classes the positive one second."""
    if positive is not None:
        if positive not in names:
            raise ValueError(f"positive: got {positive!r}; expected one of {', '.join(map(repr, names))}")
        turn = names[0] == positive
    else:
        turn = isinstance(names[0], str) and counts[0] < counts[1]
    return (names[::-1], counts[::-1]) if turn else (names, counts)


def _some(values: Any) -> str:
    """A few numbers, and how far they reach where there are many."""
    if len(values) > SHOWN:
        return f"{len(values)} of them, {min(values):.4f} to {max(values):.4f}"
    return ", ".join(f"{value:.4f}" for value in values)


def _listed(values: Any) -> str:
    return f"[{', '.join(f'{value:.4f}' for value in values)}]"

"""Means and sums of several losses: whether a reducing function divides by what it should, and if not, what it does instead.

A model of the mistake is found on one batch and has to give the results of the others as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..conventions.rules import DIVISORS
from ..typing import Floats
from . import grids, sampling, ulp
from .candidate import Subject
from .grids import Grid
from .meaning import Factor
from .pool import Odd

__all__ = ["COUNT", "divisor_of", "odd_means"]

SIZES = (7, 2, 64, 333)
"""The batches: the first finds, the others confirm."""
SAME = 5e-3
"""Relative: at most this is left to rounding."""
COUNT = "over the wrong count"
CURE = "a mean is divided by the losses that count, a sum by nothing; another divisor is to be asked for, by normalizer="


class _Batch(NamedTuple):
    """A few losses, and what they are made of."""

    grid: Grid
    losses: Floats
    weight: Floats
    entropies: Floats
    gamma: float
    classes: int
    got: float
    subject: Subject
    factor: Factor | None

    def exact(self) -> float:
        """As the subject says that it reduces."""
        divisor = divisor_of(self.subject, len(self.losses), self.classes, self.grid.targets, self.weight)
        return float(self.losses.sum() / divisor)

    def slack(self) -> float:
        """Of a float32 sum, and of losses that were taken carelessly."""
        return float(min(SAME, 4e3 * (1 + self.gamma) * ulp.FORMATS[self.grid.dtype].eps))

    def shuffled(self, targets: NDArray[np.int32]) -> Floats:
        """The losses with other targets."""
        moved = self.grid._replace(targets=targets)
        return sampling.exact(moved, self.gamma, self.subject.inputs, self.factor, self.subject.kernel)["value"].hi


def divisor_of(subject: Subject, n: int, classes: int, targets: NDArray[np.int32], weight: Floats) -> float:
    """What a sum of losses is divided by."""
    normalizer = subject.normalizer
    if normalizer is None:
        return float(n if subject.reduction == "mean" else 1)
    if normalizer == "weights":
        return float(weight.sum()) or 1.0
    if isinstance(normalizer, str):
        rows, positives = subject.link == "softmax", max(1, int(np.count_nonzero(targets)))
        return float(DIVISORS[normalizer].of((n,), classes if rows else 1, subject.link, positives))
    return float(normalizer)


def _batch(subject: Subject, dtype: str, gamma: float, classes: int, factor: Factor | None, n: int) -> _Batch:
    rng = np.random.default_rng([grids.SEED, n])
    rows = subject.link == "softmax"
    logits = grids.rounded(rng.normal(0, 1, (n, classes) if rows else n), dtype)
    targets = rng.integers(0, classes if rows else 2, n).astype(np.int32)
    targets[: min(n, 7)] = np.asarray([1, 0, 1, 1, 0, 1, 0], dtype=np.int32)[:n]
    grid = Grid(subject.link, dtype, logits, targets, ("random",) * n)
    seen = sampling.as_probabilities(grid) if subject.inputs == "probabilities" else grid
    exact = sampling.exact(seen, gamma, subject.inputs, factor, subject.kernel)["value"].hi
    entropies = sampling.exact(seen, 0.0, subject.inputs)["value"].hi
    weight = np.ones(n) if factor is None else np.asarray(factor(targets, classes), dtype=np.float64)
    got = subject.reduced(dtype, gamma, seen.logits, seen.targets)
    return _Batch(seen, exact, weight, entropies, gamma, classes, got, subject, factor)


def odd_means(subject: Subject, dtype: str, gamma: float, classes: int, factor: Factor | None) -> tuple[Odd, Grid] | None:
    """What is wrong with the mean or sum of several losses, and the batch that shows it; None where nothing is.

    Raises
    ------
    focal_ref.conformance.guard.Refused
        Where the function refuses a batch.
    """
    batches = [_batch(subject, dtype, gamma, classes, factor, n) for n in SIZES]
    wrong = [b for b in batches if not abs(b.got - b.exact()) <= b.slack() * abs(b.exact())]
    if not wrong:
        return None
    names = [dict(_models(b)) for b in batches]
    cause = next((name for name in names[0] if _all_fit(batches, names, name)), None) or _largest_only(batches)
    b = wrong[0]
    where = f"batches of n = {', '.join(str(len(w.losses)) for w in wrong)}"
    if len(wrong) < len(batches) and cause is None:
        cause = f"the {subject.reduction} is wrong only at n = {', '.join(str(len(w.losses)) for w in wrong)}"
    name = cause or f"the {subject.reduction} of several losses is not theirs, by none of the known causes"
    return Odd("value", "inexact", name, CURE, len(wrong), where, repr(b.got), repr(b.exact())), b.grid


def _all_fit(batches: Sequence[_Batch], names: Sequence[dict[str, float]], name: str) -> bool:
    """Whether a model gives what each batch gave; of one that leaves a batch alone, what is right."""
    return all(_fits(b, found.get(name, b.exact())) for b, found in zip(batches, names, strict=True))


def _fits(b: _Batch, due: float) -> bool:
    return bool(abs(b.got - due) <= b.slack() * abs(due))


def _models(b: _Batch) -> Iterator[tuple[str, float]]:
    """What each mistake would give."""
    total, n, kind = float(b.losses.sum()), len(b.losses), b.subject.reduction
    head = f"{kind} {COUNT}: divided by"
    positives = int(np.count_nonzero(b.grid.targets))
    yield f"{head} nothing: a sum", total
    yield f"{head} the losses", total / n
    yield f"{head} losses × classes", total / (n * b.classes)
    yield f"{head} the positives", total / max(positives, 1)
    yield f"{head} the negatives", total / max(n - positives, 1)
    yield f"{head} n − 1", total / max(n - 1, 1)
    yield f"{head} n + 1", total / (n + 1)
    yield f"{head} the root of n", total / n**0.5
    yield f"{head} n²", total / n**2
    yield f"{head} the sum of the weights", total / float(b.weight.sum())
    yield f"{head} the sum of the logits", total / float(np.abs(b.grid.logits).sum())
    yield f"{head} the number of classes", total / b.classes
    yield f"{head} half the losses", 2 * total / n
    yield f"{head} twice the losses", total / (2 * n)
    yield from _of_entropies(b, float(n) if kind == "sum" else 1.0)
    yield from _of_other_targets(b, float(n) if kind == "sum" else 1.0)
    yield from _of_some(b)


def _of_entropies(b: _Batch, scale: float) -> Iterator[tuple[str, float]]:
    with np.errstate(all="ignore"):
        modulators = np.where(b.entropies > 0, b.losses / (b.entropies * np.where(b.weight > 0, b.weight, 1)), 1.0)
        weighed = b.weight * b.entropies
        for words, mean in (("", b.entropies.mean()), (" of the weighed losses", weighed.mean())):
            name = f"cross entropy averaged before it is modulated{words}"
            yield name, scale * float(-np.expm1(-mean)) ** b.gamma * float(mean)
        summed = float(b.entropies.sum())
        yield "cross entropy summed before it is modulated", float(-np.expm1(-summed)) ** b.gamma * summed
    product = float(modulators.mean() * weighed.mean())
    yield "the mean of the factors times the mean of cross entropy, not the mean of their products", scale * product
    normal = float(b.losses.sum() / modulators.sum())
    yield "the factors are divided by their sum", normal


def _of_other_targets(b: _Batch, scale: float) -> Iterator[tuple[str, float]]:
    targets = b.grid.targets
    for words, other in (
        ("one row later", np.roll(targets, 1)),
        ("one row earlier", np.roll(targets, -1)),
        ("in the reverse order", targets[::-1].copy()),
        ("sorted", np.sort(targets)),
    ):
        yield f"logits and targets are out of step: targets {words}", scale * float(b.shuffled(other).mean())
    if b.grid.logits.ndim == 2:
        mixed = b.grid._replace(logits=np.ascontiguousarray(b.grid.logits.T).reshape(b.grid.logits.shape))
        losses = sampling.exact(mixed, b.gamma, b.subject.inputs, b.factor, b.subject.kernel)["value"].hi
        yield "the axis of classes is mixed up with the others: view(-1, C) of channels first", scale * float(losses.mean())


def _of_some(b: _Batch) -> Iterator[tuple[str, float]]:
    """Some of the losses only."""
    n, losses, positive = len(b.losses), b.losses, b.grid.targets > 0
    divided = float(losses.sum()) / b.exact()
    each = [float(losses[b.grid.targets == t].mean()) for t in np.unique(b.grid.targets)]
    yield "the mean of each class's mean", float(np.mean(each))
    yield "the sum of each class's mean", float(np.sum(each))
    if n > 1:
        for words, kept in (("last", losses[:-1]), ("first", losses[1:])):
            yield (
                f"the {words} loss is not counted",
                float(kept.sum()) / max(divided - 1, 1) if divided == n else float(kept.sum()),
            )
            yield f"the {words} loss is not counted, but divided by", float(kept.sum()) / divided
    for words, chosen in (("positives", positive), ("negatives", ~positive)):
        if chosen.any():
            yield f"only {words} are counted", float(losses[chosen].mean()) if divided == n else float(losses[chosen].sum())
            yield f"only {words} are counted, divided by all", float(losses[chosen].sum()) / divided
    for first in (1, 2, 4, 8, 16, 32, 64, 100, 128, 256):
        if first < n:
            yield f"only the first {first} losses are counted", float(losses[:first].mean())
            yield f"only the first {first} losses are counted, divided by all", float(losses[:first].sum()) / n
    yield "the largest loss, not the mean", float(losses.max())
    yield "the median, not the mean", float(np.median(losses))


def _largest_only(batches: Sequence[_Batch]) -> str | None:
    """A mean of the larger losses only: so many, such a share, or those above a threshold."""
    found = []
    for b in batches:
        ordered = np.sort(b.losses)[::-1]
        sums = np.cumsum(ordered)
        counts = [k for k in range(1, len(ordered) + 1) if abs(b.got - sums[k - 1] / k) <= b.slack() * abs(b.got)]
        found.append([(k, ordered[k - 1], ordered[k] if k < len(ordered) else 0.0) for k in counts])
    if not all(found):
        return None
    some = [options for b, options in zip(batches, found, strict=True) if all(o[0] < len(b.losses) for o in options)]
    low, high = (
        max((min(o[2] for o in options) for options in some), default=1.0),
        min((max(o[1] for o in options) for options in some), default=0.0),
    )
    if len(some) > 1 and low < high:
        return f"only losses above a threshold between {low:.3g} and {high:.3g} are counted"
    for k in (1, 2, 4, 5, 8, 10, 16, 32, 64, 100, 128):
        if all(any(o[0] == min(k, len(b.losses)) for o in options) for b, options in zip(batches, found, strict=True)):
            return f"only the {k} largest losses are counted"
    for share in (0.1, 0.2, 0.25, 0.3, 0.5, 0.7, 0.75, 0.8, 0.9):
        if all(any(abs(o[0] - share * len(b.losses)) <= 1 for o in options) for b, options in zip(batches, found, strict=True)):
            return f"only the largest {share:.0%} of the losses are counted"
    return None

"""Means and sums of several losses: whether a reducing function divides by what it should, and if not, what it does instead.

A model of the mistake is found on one batch and has to give the result of two others as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..typing import Floats
from . import grids, sampling
from .candidate import Subject
from .grids import Grid
from .pool import Odd
from .sampling import Factor

__all__ = ["odd_means"]

SIZES = (7, 2, 64, 333)
"""The batches: the first finds, the others confirm."""
SAME = 5e-3
CURE = "a mean is divided by the losses that count, a sum by nothing; another divisor is to be asked for"


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
        return float(self.losses.mean() if self.subject.reduction == "mean" else self.losses.sum())

    def shuffled(self, targets: NDArray[np.int32]) -> Floats:
        """The losses with other targets."""
        moved = self.grid._replace(targets=targets)
        return sampling.exact(moved, self.gamma, self.subject.inputs, self.factor)["value"].hi


def _batch(subject: Subject, dtype: str, gamma: float, classes: int, factor: Factor | None, n: int) -> _Batch:
    rng = np.random.default_rng([grids.SEED, n])
    rows = subject.link == "softmax"
    logits = grids.rounded(rng.normal(0, 1, (n, classes) if rows else n), dtype)
    targets = rng.integers(0, classes if rows else 2, n).astype(np.int32)
    targets[: min(n, 7)] = np.asarray([1, 0, 1, 1, 0, 1, 0], dtype=np.int32)[:n]
    grid = Grid(subject.link, dtype, logits, targets, ("random",) * n)
    seen = sampling.as_probabilities(grid) if subject.inputs == "probabilities" else grid
    exact = sampling.exact(seen, gamma, subject.inputs, factor)["value"].hi
    entropies = sampling.exact(seen, 0.0, subject.inputs)["value"].hi
    weight = np.ones(n) if factor is None else np.asarray(factor(targets, classes), dtype=np.float64)
    got = subject.reduced(dtype, gamma, seen.logits, seen.targets)
    return _Batch(seen, exact, weight, entropies, gamma, classes, got, subject, factor)


def odd_means(subject: Subject, dtype: str, gamma: float, classes: int, factor: Factor | None) -> Odd | None:
    """What is wrong with the mean or sum of several losses; None where nothing is.

    Raises
    ------
    focal_ref.conformance.guard.Refused
        Where the function refuses a batch.
    """
    batches = [_batch(subject, dtype, gamma, classes, factor, n) for n in SIZES]
    wrong = [b for b in batches if not abs(b.got - b.exact()) <= SAME * abs(b.exact())]
    if not wrong:
        return None
    names = [dict(_models(b)) for b in wrong]
    cause = next((name for name in names[0] if all(_fits(b, found[name]) for b, found in zip(wrong, names, strict=True))), None)
    b = wrong[0]
    where = f"batches of n = {', '.join(str(len(w.losses)) for w in wrong)}"
    if len(wrong) < len(batches) and cause is None:
        cause = f"the {subject.reduction} is wrong only at n = {', '.join(str(len(w.losses)) for w in wrong)}"
    name = cause or f"the {subject.reduction} of several losses is not theirs, by none of the known causes"
    return Odd("value", "inexact", name, CURE, len(wrong), where, repr(b.got), repr(b.exact()))


def _fits(b: _Batch, due: float) -> bool:
    return bool(abs(b.got - due) <= SAME * abs(due))


def _models(b: _Batch) -> Iterator[tuple[str, float]]:
    """What each mistake would give."""
    total, n, kind = float(b.losses.sum()), len(b.losses), b.subject.reduction
    head = f"{kind} over the wrong count: divided by"
    yield f"{head} nothing: a sum", total
    yield f"{head} the losses", total / n
    yield f"{head} losses × classes", total / (n * b.classes)
    yield f"{head} the positives", total / max(int(np.count_nonzero(b.grid.targets)), 1)
    yield f"{head} n − 1", total / max(n - 1, 1)
    yield f"{head} n + 1", total / (n + 1)
    yield f"{head} the sum of the weights", total / float(b.weight.sum())
    yield f"{head} the number of classes", total / b.classes
    yield f"{head} half the losses", 2 * total / n
    scale = 1.0 if kind == "mean" else float(n)
    with np.errstate(all="ignore"):
        modulators = np.where(b.entropies > 0, b.losses / (b.entropies * np.where(b.weight > 0, b.weight, 1)), 1.0)
        for words, mean in (("", b.entropies.mean()), (" of the weighed losses", (b.weight * b.entropies).mean())):
            yield (
                f"cross entropy averaged before it is modulated{words}",
                scale * float(-np.expm1(-mean)) ** b.gamma * float(mean),
            )
        summed = float(b.entropies.sum())
        yield "cross entropy summed before it is modulated", float(-np.expm1(-summed)) ** b.gamma * summed
    yield (
        "the mean of the factors times the mean of cross entropy, not the mean of their products",
        scale * float(modulators.mean() * (b.weight * b.entropies).mean()),
    )
    for words, targets in (
        ("one row later", np.roll(b.grid.targets, 1)),
        ("one row earlier", np.roll(b.grid.targets, -1)),
        ("in the reverse order", b.grid.targets[::-1].copy()),
        ("sorted", np.sort(b.grid.targets)),
    ):
        yield f"logits and targets are out of step: targets {words}", scale * float(b.shuffled(targets).mean())
    if b.grid.logits.ndim == 2:
        mixed = b.grid._replace(logits=np.ascontiguousarray(b.grid.logits.T).reshape(b.grid.logits.shape))
        losses = sampling.exact(mixed, b.gamma, b.subject.inputs, b.factor)["value"].hi
        yield "the axis of classes is mixed up with the others: view(-1, C) of channels first", scale * float(losses.mean())
    for first in (1, 2, 4, 8, 16, 32, 64, 100, 128, 256):
        if first < n:
            yield f"only the first {first} losses are counted", scale * float(b.losses[:first].mean())
            yield f"only the first {first} losses are counted, divided by all", scale * float(b.losses[:first].sum()) / n
    yield "the largest loss, not the mean", float(b.losses.max())
    yield "the median, not the mean", float(np.median(b.losses))

"""Measures of how good probabilities are, and whether a difference between two models is more than chance.

Precision, recall, F1, average precision and calibration error are those of the positives for two classes, and for more the
mean over the classes, each against the rest (macro). The class that is predicted is the most probable one.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..typing import Floats, Labels
from .results import Run

__all__ = [
    "Gain",
    "Row",
    "brier",
    "calibration_error",
    "gain",
    "gains",
    "log_loss",
    "measure",
    "reliability",
    "rows",
    "summary",
]


MEASURES = ("precision", "recall", "F1", "average precision", "Brier score", "calibration error")
COMPARED = {"F1": 1, "average precision": 1, "Brier score": -1, "calibration error": -1}
"""What losses are compared by, and whether more (1) or less (−1) is better. Precision and recall are traded for one another."""
DIGITS = {"Brier score": 4, "calibration error": 4}
"""Three for the others."""
BINS = 10
BASE, FOCAL = "cross entropy", "focal, "
"""The loss that others are compared with, and how the names of focal losses begin."""
BY_CHANCE = math.erfc(math.sqrt(0.5)) / 2
"""How often a normal variable passes one standard error in one direction: 16%."""


def log_loss(labels: Labels, probabilities: Floats) -> float:
    """The mean of −log of the true class's probability, scikit-learn's."""
    classes = np.arange(probabilities.shape[1])
    return float(importlib.import_module("sklearn.metrics").log_loss(labels, probabilities, labels=classes))


def brier(labels: Labels, probabilities: Floats) -> float:
    """The mean squared error of the positives' probability; for more classes, the errors' squares summed over them."""
    classes = np.arange(probabilities.shape[1])
    return float(importlib.import_module("sklearn.metrics").brier_score_loss(labels, probabilities, labels=classes))


def reliability(hits: Any, probabilities: Floats) -> Iterator[tuple[int, float, float]]:
    """For each of ten bins of equal width that has any: how many there are, their mean probability, and how many are hits.

    scikit-learn's `calibration_curve` has the two means, but not how many there are.

    >>> [(n, round(p, 2), hit) for n, p, hit in reliability([0, 1, 1], np.asarray([0.11, 0.15, 0.9]))]
    [(2, 0.13, 0.5), (1, 0.9, 1.0)]
    """
    binned = importlib.import_module("scipy.stats").binned_statistic
    means, _, places = binned(probabilities, [probabilities, np.asarray(hits, dtype=np.float64)], bins=BINS, range=(0, 1))
    for k, n in enumerate(np.bincount(places, minlength=BINS + 1)[1:]):
        if n:
            yield int(n), float(means[0, k]), float(means[1, k])


def calibration_error(labels: Labels, probabilities: Floats) -> float:
    """Expected calibration error: |mean probability − frequency|, averaged over the samples' bins (Naeini et al. 2015).

    For more than two classes, the mean of each class's own (Kull et al. 2019).
    """
    found = [
        sum(n * abs(p - hit) for n, p, hit in reliability(labels == c, probabilities[:, c])) / len(labels)
        for c in _measured(probabilities.shape[1])
    ]
    return float(np.mean(found))


def _measured(classes: int) -> range:
    """Which classes are measured: of two, the positives."""
    return range(1 if classes == 2 else 0, classes)


def measure(labels: Labels, probabilities: Floats) -> dict[str, float]:
    """All of `MEASURES`."""
    metrics = importlib.import_module("sklearn.metrics")
    classes = probabilities.shape[1]
    average = "binary" if classes == 2 else "macro"
    predicted = probabilities.argmax(axis=1)
    found = metrics.precision_recall_fscore_support(labels, predicted, average=average, zero_division=0.0)[:3]
    ranked = [metrics.average_precision_score(labels == c, probabilities[:, c]) for c in _measured(classes)]
    values = (*found, np.mean(ranked), brier(labels, probabilities), calibration_error(labels, probabilities))
    return {name: float(value) for name, value in zip(MEASURES, values, strict=True)}


class Row(NamedTuple):
    """A model's measures, one number a fold."""

    model: str
    loss: str
    corrected: bool
    folds: dict[str, list[float]]

    def text(self, name: str) -> str:
        """A measure's mean over the folds, and its standard deviation."""
        values, digits = self.folds[name], DIGITS.get(name, 3)
        return f"{np.mean(values):.{digits}f} ± {np.std(values, ddof=1):.{digits}f}"


def rows(run: Run) -> list[Row]:
    """For every model and loss, the raw and the corrected probabilities' measures."""
    result = []
    for outcomes in zip(*run.outcomes, strict=True):
        for corrected in (False, True):
            found = [
                measure(run.data.labels[unseen], outcome.corrected if corrected else outcome.raw)
                for outcome, (_, unseen) in zip(outcomes, run.folds, strict=True)
            ]
            folds = {name: [one[name] for one in found] for name in MEASURES}
            result.append(Row(outcomes[0].model, outcomes[0].loss.name, corrected, folds))
    return result


class Gain(NamedTuple):
    """What a loss gains over cross entropy in one measure, of corrected probabilities; above 0 is better."""

    model: str
    loss: str
    measure: str
    mean: float
    error: float
    """The standard error."""

    @property
    def focal(self) -> bool:
        """Whether it is a focal loss's, and not the class weights'."""
        return self.loss.startswith(FOCAL)

    @property
    def verdict(self) -> str:
        """Helped or hurt, by more than a standard error, or neither."""
        return "helped" if self.mean > self.error else "hurt" if -self.mean > self.error else "neither"

    def text(self) -> str:
        """The difference as the measure has it, with its standard error."""
        digits = DIGITS.get(self.measure, 3)
        return f"{self.mean * COMPARED[self.measure]:+.{digits}f} ± {self.error:.{digits}f}".replace("-", "−")


def gain(ours: Sequence[float], theirs: Sequence[float], ratio: float) -> tuple[float, float]:
    """The mean difference over the folds, and its standard error.

    Folds share most of their training rows, so sd/√folds would be too small; this is the one of Nadeau and Bengio (2003),
    sd √(1/folds + unseen rows/training rows).

    Parameters
    ----------
    ours, theirs : sequence of float
        On the same folds.
    ratio : float
        Unseen rows for each training row.
    """
    differences = np.asarray(ours) - np.asarray(theirs)
    return float(differences.mean()), float(differences.std(ddof=1) * math.sqrt(1 / len(differences) + ratio))


def gains(run: Run, table: Sequence[Row]) -> list[Gain]:
    """Every loss against cross entropy of the same model, fold by fold."""
    ratio = float(np.mean([len(unseen) / len(training) for training, unseen in run.folds]))
    corrected = [row for row in table if row.corrected]
    base = {row.model: row for row in corrected if row.loss == BASE}
    found = []
    for row in corrected:
        for name, sign in COMPARED.items() if row.loss != BASE else ():
            mean, error = gain(row.folds[name], base[row.model].folds[name], ratio)
            found.append(Gain(row.model, row.loss, name, sign * mean, error))
    return found


def summary(found: Sequence[tuple[str, Sequence[Row], Sequence[Gain]]]) -> Iterator[str]:
    """What the figures say of focal loss: for each set and model what helped and what hurt; how much chance would show; and
    what the correction did.

    Parameters
    ----------
    found : sequence of (str, rows, gains)
        For each set its name and what `rows` and `gains` make of it.
    """
    every = [gain for _, _, own in found for gain in own if gain.focal]
    for name, _, own in found:
        for model in dict.fromkeys(gain.model for gain in own):
            mine = [gain for gain in own if gain.model == model and gain.focal]
            yield f"{name}, {model}: {_said('helped', mine)}; {_said('hurt', mine)}."
    helped, hurt, neither = (sum(gain.verdict == v for gain in every) for v in ("helped", "hurt", "neither"))
    yield (
        f"Of {len(every)} comparisons focal loss helped in {helped} and hurt in {hurt}; in {neither} the difference is within "
        f"one standard error. Without any difference, chance alone would show some {BY_CHANCE * len(every):.0f} of each."
    )
    table = [row for _, rows, _ in found for row in rows if row.loss != BASE]
    for model in dict.fromkeys(row.model for row in table):
        yield from _of_the_correction(model, [row for row in table if row.model == model])


def _said(verdict: str, found: Sequence[Gain]) -> str:
    parts = []
    for name in COMPARED:
        if mine := [gain for gain in found if (gain.measure, gain.verdict) == (name, verdict)]:
            parts.append(f"{name} ({', '.join(f'{gain.text()} at {gain.loss.removeprefix(FOCAL)}' for gain in mine)})")
    return f"{verdict} {', '.join(parts) or 'nothing'}"


def _of_the_correction(model: str, table: Sequence[Row]) -> Iterator[str]:
    """Of focal and weighted losses, all sets together."""
    before, after = ([row for row in table if row.corrected is corrected] for corrected in (False, True))
    for name in ("calibration error", "Brier score"):
        old, new = ([float(np.mean(row.folds[name])) for row in rows] for rows in (before, after))
        lowered = sum(b < a for a, b in zip(old, new, strict=True))
        yield (
            f"{model}: the correction of focal and weighted scores lowered the {name} in {lowered} of {len(old)} cases, "
            f"on average from {np.mean(old):.4f} to {np.mean(new):.4f}."
        )

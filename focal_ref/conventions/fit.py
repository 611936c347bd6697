"""Fit of a result to a convention: logits and targets at which conventions differ, and what each would give there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from ..losses import SigmoidFocalLoss, SoftmaxFocalLoss
from ..typing import Floats
from . import rules
from .rules import ALPHA, Rule

__all__ = ["DIVISORS", "MEANINGS", "STRUCTURES", "fit", "hard_losses", "same"]

LOGITS = np.asarray(
    [
        [0.4, -1.1, 1.3, 0.2],
        [-0.6, 0.9, 0.1, -1.7],
        [1.2, -0.3, -0.8, 0.7],
        [0.3, 1.6, -1.4, -0.2],
        [-1.3, 0.5, 0.8, 1.1],
        [0.9, -0.7, -0.1, 1.5],
        [-0.4, 0.6, 1.8, -0.9],
    ]
)
CLASSES = np.asarray([0, 2, 1, 3, 0, 2, 1])
LABELS = np.asarray([[1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0], [0, 1, 0, 1]])
SOFT_LABELS = np.where(LABELS == 1, 0.8125, 0.25) + np.asarray([0.0, 0.125, -0.125, 0.0625])
SOFT_ROWS = np.asarray([[0.125, 0.0625, 0.3125, 0.5], *6 * [[0.5, 0.25, 0.0, 0.25]]])
SAME = 1e-4
"""Relative: above float32's errors at such logits, below the distance between any two conventions."""

STRUCTURES: Mapping[str, str] = MappingProxyType(
    {
        "sigmoid": "a sigmoid for each logit",
        "softmax": "softmax",
        "one-against-the-rest": "a sigmoid a class, each against the rest; no softmax",
    }
)
"""What makes probabilities of logits."""

MEANINGS: Mapping[str, Rule] = MappingProxyType(
    {
        "none": Rule("no effect", lambda y, a: np.ones(np.shape(y))),
        **ALPHA,
        "swapped": Rule("the wrong way round: 1 − α for positives, α for negatives", lambda y, a: (1 - a) * y + a * (1 - y)),
    }
)
"""What alpha may put on each loss, the likeliest first."""
SCALAR: Mapping[str, tuple[str, ...]] = {
    "sigmoid": ("none", "balance", "positives", "factor", "swapped"),
    "softmax": ("none", "background", "factor"),
    "one-against-the-rest": ("none", "balance", "positives", "factor", "swapped"),
}
FIXED: Mapping[str, tuple[str, ...]] = {**SCALAR, "softmax": ("factor", "background", "none")}
"""Of an α that a function has: what it does comes first, for a mean with α = 1/4 is one over four classes without."""
SEQUENCE: Mapping[str, tuple[str, ...]] = {
    "sigmoid": ("positives",),
    "softmax": ("classes",),
    "one-against-the-rest": ("positives",),
}

DIVISORS: Mapping[str, str] = MappingProxyType(
    {
        **{name: rules.DIVISORS[name].text for name in ("losses", "entries", "one", "classes")},
        "rows": "the number of rows, not of all their losses",
        "positives": "the number of positives",
        "weights": "the sum of the weights that alpha puts on the losses",
    }
)
"""What a sum of losses may be divided by."""


def hard_losses(gamma: float, structure: str, rule: str, alpha: Any) -> tuple[Floats, Floats]:
    """The losses of the hard targets, weighed, and their weights."""
    y = {"sigmoid": LABELS, "softmax": CLASSES}.get(structure, np.eye(4, dtype=np.int64)[CLASSES])
    weights: Floats = np.asarray(MEANINGS[rule].of(y, np.asarray(alpha))) if alpha is not None else np.ones(y.shape)
    losses = SoftmaxFocalLoss(gamma=gamma)(LOGITS, y) if structure == "softmax" else SigmoidFocalLoss(gamma=gamma)(LOGITS, y)
    return weights * losses, weights


def fit(got: Floats, losses: Floats, weights: Floats) -> str | None:
    """How a result comes from weighed losses: "none", one of `DIVISORS`, or not at all."""
    if got.size == 1:
        got = got.reshape(())
        return next((name for name, divisor in _divisors(losses, weights) if same(got, np.sum(losses) / divisor)), None)
    shapes = [losses, losses.mean(-1), losses.sum(-1)] if losses.ndim == 2 else [losses]
    if got.ndim == 2 and losses.ndim == 1:  # padded with the zeros of the other classes
        got = got.sum(-1)
    return "none" if any(same(got, expected) for expected in shapes) else None


def _divisors(losses: Floats, weights: Floats) -> Iterator[tuple[str, float]]:
    rows, per_row = len(losses), losses.ndim == 1
    yield "losses", losses.size
    if per_row:
        yield "entries", 4 * rows
    else:
        yield "rows", rows
    yield "one", 1.0
    yield "classes", 4.0
    yield "positives", float(np.count_nonzero(CLASSES) if per_row else LABELS.sum())
    yield "weights", float(weights.sum())


def same(a: Any, b: Any) -> bool:
    """Whether two results are the same but for rounding."""
    return np.shape(a) == np.shape(b) and bool(np.all(np.abs(a - b) <= SAME * np.abs(b)))

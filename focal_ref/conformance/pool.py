"""Pool of unremarkable points: what a function gives for them in a batch of any arrangement, and what is odd with that."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..typing import Floats
from . import grids, ulp
from .candidate import SIZES, Subject
from .guard import contained
from .member import meant

__all__ = ["BASE", "CURE", "POOL", "Odd", "Points", "Pool", "number", "points"]

POOL, BASE = SIZES[0], SIZES[-1]
"""The points, a prime number of them; and the batch that says what each gives: 17 times the pool."""
SLACK = 2.0**10
"""Errors, in units of the type's epsilon, that no order of vectorised arithmetic makes on such points."""
LEAST = 1e-5
"""The same, relative, of results that were computed in float32 on the way."""
CURE = "each loss is to depend on its own logits and target only, wherever they stand"


Points: TypeAlias = tuple[Floats, NDArray[np.int64]]


class Odd(NamedTuple):
    """Something that a batch should not do."""

    quantity: str
    kind: str
    """"error", "inexact" or "shape"."""
    cause: str
    cure: str
    many: int
    line: str
    got: str
    exact: str


class Pool:
    """The points, and what the function gives for them in a batch of any arrangement."""

    def __init__(self, subject: Subject, dtype: str, gamma: float, classes: int, largest: float) -> None:
        self.subject, self.dtype, self.gamma = subject, dtype, gamma
        self.logits, self.targets = points(subject, dtype, classes, POOL, min(3.0, largest), grids.SEED)
        self.quantities = subject.measures[:2]

    @property
    def main(self) -> str:
        """The quantity that is looked at where one is enough."""
        return self.quantities[0]

    @functools.cached_property
    def exact(self) -> Floats | None:
        """The losses of the points, without α; None where they are no logits, or are not asked for."""
        if self.subject.inputs != "logits" or self.main != "value":
            return None
        return np.asarray(meant(self.subject, self.gamma)(self.logits, self.targets))

    def ask(self, places: NDArray[np.int64], arrange: Callable[[Any, Any], tuple[Any, Any]] | None = None) -> dict[str, Floats]:
        """Values, and gradients where there are any, of a batch that has these points of the pool."""
        x, y = self.logits[places], self.targets[places]
        with contained():
            if arrange is None:
                return self.subject.first(self.dtype, self.gamma, x, y, self.quantities, as_it_is=True)
            return self.subject.arranged(self.dtype, self.gamma, x, y, arrange)

    def wrong(self, got: Floats, due: Floats) -> NDArray[np.bool_]:
        """Which losses of a batch are others than they should be."""
        slack = max(SLACK * ulp.FORMATS[self.dtype].eps, LEAST) * (1 + self.gamma)
        with np.errstate(all="ignore"):
            apart = np.abs(got - due) > slack * (np.abs(due) + 1e-3 * np.abs(due).max(initial=0.0))
        apart |= np.isnan(got) != np.isnan(due)
        return np.asarray(apart if apart.ndim == 1 else apart.any(1))


def points(subject: Subject, dtype: str, classes: int, many: int, reach: float, seed: int) -> Points:
    """Unremarkable inputs and targets as a function takes them, the logits up to a magnitude."""
    rng = np.random.default_rng(seed)
    rows = subject.link == "softmax"
    x = grids.rounded(rng.uniform(-reach, reach, (many, classes) if rows else many), dtype)
    if subject.inputs == "probabilities":
        e = np.exp(x)
        x = grids.rounded(e / (e.sum(1, keepdims=True) if rows else 1 + e), dtype)
    return x, rng.integers(0, classes if rows else 2, many)


def number(entry: Floats) -> str:
    """A result, or its first entry, as Python writes it."""
    return repr(float(np.ravel(entry)[0]))

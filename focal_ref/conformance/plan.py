"""Plan of a check: the function, and the cases that it is to be checked on."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..typing import Floats
from . import sampling
from .candidate import Subject
from .grids import Grid
from .meaning import Factor, Meaning
from .means import divisor_of
from .wanted import Variants

__all__ = ["Plan"]

SINGLE = 60
"""Points of each grid where a function that reduces is called, one at a time."""


MEMBER, INSIDE = 600, 160
"""Entries of a grid at which a member of the family is asked for, or a loss with α inside."""


class Plan(NamedTuple):
    """What a function is to be checked on."""

    subject: Subject
    dtypes: tuple[str, ...]
    gammas: tuple[float, ...]
    factor: Factor | None
    tolerance: float | str | None
    classes: tuple[int, ...]
    largest: float
    seed: int
    variants: Variants = Variants()
    compiles: bool = False

    @property
    def alone(self) -> Factor | None:
        """What the loss of a batch of one is multiplied by, where a mean or sum divides it by another number than 1."""
        s, meaning = self.subject, self.factor
        if s.normalizer is None or s.reduction == "none":
            return meaning

        def weights(targets: NDArray[np.int32], classes: int) -> Floats:
            w = np.ones(len(targets)) if meaning is None else np.asarray(meaning(targets, classes), dtype=np.float64)
            each = [divisor_of(s, 1, classes, targets[i : i + 1], w[i : i + 1]) for i in range(len(targets))]
            return np.asarray(w / np.asarray(each))

        return dataclasses.replace(meaning, factor=weights) if isinstance(meaning, Meaning) else Meaning(weights)

    def parts(self, dtype: str) -> tuple[Grid, ...]:
        """The grids of a type."""
        s = self.subject
        found = sampling.chosen(s.link, dtype, self.gammas, self.classes, s.inputs, self.largest, self.seed)
        inside = getattr(self.factor, "inside", None) is not None
        if s.kernel is not None or inside:  # whose oracle takes five times as long
            most = INSIDE if inside else MEMBER
            return tuple(sampling.few(grid, max(1, most // max(1, grid.logits.size // len(grid.logits)))) for grid in found)
        if s.normalizer is not None:
            found = tuple(map(sampling.divisible, found))
        return found if s.reduction == "none" else tuple(sampling.few(grid, SINGLE) for grid in found)

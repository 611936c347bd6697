"""Cases that a function is to be checked on: the plan of a check."""

from __future__ import annotations

from typing import NamedTuple

from . import sampling
from .candidate import Subject
from .grids import Grid
from .sampling import Factor

__all__ = ["Plan"]

SINGLE = 60
"""Points of each grid where a function that reduces is called, one at a time."""


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

    def parts(self, dtype: str) -> tuple[Grid, ...]:
        """The grids of a type."""
        s = self.subject
        found = sampling.chosen(s.link, dtype, self.gammas, self.classes, s.inputs, self.largest, self.seed)
        return found if s.reduction == "none" else tuple(sampling.few(grid, SINGLE) for grid in found)

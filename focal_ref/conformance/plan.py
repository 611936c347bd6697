"""Plan of a check: the function, and the cases that it is to be checked on."""

from __future__ import annotations

from typing import NamedTuple

from . import sampling
from .candidate import Subject
from .grids import Grid
from .sampling import Factor

__all__ = ["Plan"]

SINGLE = 60
"""Points of each grid where a function that reduces is called, one at a time."""


MEMBER = 600
"""Entries of a grid at which a member of the family is asked for."""


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
        if s.kernel is not None:  # whose oracle takes five times as long
            return tuple(sampling.few(grid, max(1, MEMBER // max(1, grid.logits.size // len(grid.logits)))) for grid in found)
        return found if s.reduction == "none" else tuple(sampling.few(grid, SINGLE) for grid in found)

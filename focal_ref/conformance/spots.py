"""Spots of the grids that backends are measured on: where a flat result stands, and what was given there."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..typing import Floats
from .exact import grids_of

__all__ = ["Spot", "in_words", "spot"]


class Spot(NamedTuple):
    """Where a flat result stands."""

    part: int
    """Which grid."""
    row: int
    entry: int | None
    """Of a row's derivative."""
    logits: Floats
    target: int


def spot(link: str, dtype: str, gammas: tuple[float, ...], quantity: str, flat: int) -> Spot:
    """Where a flat result of a quantity stands."""
    parts = grids_of(link, dtype, gammas)
    widths = [1 if quantity == "value" or grid.logits.ndim == 1 else grid.logits.shape[1] for grid in parts]
    starts = np.cumsum([0, *(len(grid.logits) * width for grid, width in zip(parts, widths, strict=True))])
    index = int(np.searchsorted(starts, flat, side="right")) - 1
    row, entry = divmod(flat - int(starts[index]), widths[index])
    grid = parts[index]
    return Spot(index, row, entry if widths[index] > 1 else None, grid.logits[row], int(grid.targets[row]))


def in_words(at: Spot) -> str:
    """A spot in a few words."""
    logits = [f"{x:.6g}" for x in np.ravel(at.logits)[:4]]
    several = f"logits [{', '.join(logits)}{', …' if at.logits.size > 4 else ''}]" if at.logits.ndim else f"logit {logits[0]}"
    return f"at {several}, target {at.target}" + (f", class {at.entry}'s" if at.entry is not None else "")

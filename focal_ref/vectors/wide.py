"""Long rows: up to 1025 classes, in few bytes, since equal logits have equal derivatives.

A file holds a row of more than `SHORT` entries as a *tile* that is repeated and the entries that differ from it, so that any
language reads it in a few lines: entry j is ``at[j]`` where there is one, else ``tile[j % len(tile)]``.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

__all__ = ["SHORT", "TILE", "laid_out", "packed", "rows"]

SHORT = 12
"""Rows of up to so many entries are plain lists."""
QUARTERS = (-2.0, 0.5, -1.5, 0.25, 1.75, -0.75, 1.0, 0.0)
TILE = len(QUARTERS)
SIZES = (31, 32, 33, 100, 127, 128, 129, 256, 257, 1000, 1024, 1025)
"""Of rows: around what a warp, a block, an unrolled loop or an index of 8 bits holds."""


def rows(gammas: Sequence[float]) -> Iterator[tuple[tuple[float, ...], int, float]]:
    """Rows, their targets and one of the γ each: quarters that repeat after eight, and one class ahead, behind or neither.

    Examples
    --------
    >>> row, target, gamma = next(rows((2.0,)))
    >>> len(row), target, gamma, row[:4]
    (31, 0, 2.0, (-2.0, 0.5, -1.5, 0.25))
    """
    leads, gamma = itertools.cycle((None, 30.0, -20.0, 9.0)), itertools.cycle(gammas)
    for size in SIZES:
        # In the largest row the targets are in every part, at one γ, so that they make a batch.
        many = size == max(SIZES)
        for target in (0, 1, 255, 512, 1023, size - 1) if many else (0, size // 2, size - 1):
            row = [QUARTERS[j % TILE] for j in range(size)]
            lead = next(leads)
            if lead is not None:
                row[target] = lead
            yield tuple(row), target, 2.0 if many else next(gamma)
    for target, far in ((3, 1024), (1024, 3)):  # the others' sum is one class that is not the target
        row = [QUARTERS[j % TILE] for j in range(1025)]
        row[far] = 12.0
        yield tuple(row), target, 0.5


def packed(entries: Sequence[Any]) -> Any:
    """A long list as its length, a tile and what differs from it; a short one as it is.

    Examples
    --------
    >>> packed(["a", "b"] * 10 + ["c"])
    {'length': 21, 'tile': ['a', 'b', 'a', 'b', 'a', 'b', 'a', 'b'], 'at': {'20': 'c'}}
    """
    if len(entries) <= SHORT:
        return list(entries)
    tile = [_most(entries[j::TILE]) for j in range(TILE)]
    return {
        "length": len(entries),
        "tile": tile,
        "at": {str(j): entry for j, entry in enumerate(entries) if entry != tile[j % TILE]},
    }


def laid_out(value: Any) -> Any:
    """What was packed, as a list again; anything else as it is."""
    if not isinstance(value, Mapping):
        return value
    tile, at = value["tile"], value["at"]
    return [at.get(str(j), tile[j % len(tile)]) for j in range(value["length"])]


def _most(entries: Sequence[Any]) -> Any:
    """The most frequent; of several the first."""
    return max(dict.fromkeys(entries), key=entries.count)

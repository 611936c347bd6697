"""Where rows lie: arrays of any layout as a few long runs of rows, each with one stride, for loops that take strides.

Classes on axis 1 need no transposing: neighbouring pixels lie side by side, and are taken eight at a time.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from . import rooms
from .compiled_build import address
from .compiled_text import LANES, Cell
from .numpy_blocks import CLASSES, SUM

__all__ = ["BFLOAT16", "Rows", "Strided", "laid_out", "type_name"]

BFLOAT16 = np.dtype([("bfloat16", "<u2")])
"""What stands for the type that NumPy has not."""
MANY_RUNS, SHORT_RUN = 64, 64
"""More runs than so many, each shorter than that, cost more than copying."""


class Strided(NamedTuple):
    """An array as a kernel is handed it: addresses in bytes, strides of rows and classes in entries."""

    address: int
    runs: tuple[int, ...]
    """Bytes from one run to the next."""
    size: int
    strides: tuple[int, ...]

    def sent(self, run: tuple[int, ...], row: int) -> tuple[int, ...]:
        """What a kernel is called with, for rows that begin there."""
        first = row * self.strides[0] * self.size if self.strides else 0
        return (self.address + sum(map(int.__mul__, run, self.runs)) + first, *self.strides)


class Rows(NamedTuple):
    """Arguments and results, laid out."""

    arguments: list[tuple[Any, Any]]
    """A `Cell` with what is sent for it, a number twice, or None."""
    results: list[tuple[Cell, Strided]]
    made: list[Any]
    """The results' arrays."""
    runs: tuple[int, ...]
    length: int
    held: list[Any]
    """Whatever has an address that is sent."""

    def tasks(self, limit: int) -> Iterator[tuple[tuple[int, ...], int, int]]:
        """Where up to `limit` rows begin (run, row), and how many they are."""
        for run in itertools.product(*map(range, self.runs)):
            for start in range(0, self.length, limit):
                yield run, start, min(limit, self.length - start)


@cache
def type_name(dtype: np.dtype[Any]) -> str:
    """A type's name, which NumPy takes microseconds to say; nothing for another byte order."""
    return "bfloat16" if dtype == BFLOAT16 else dtype.name if dtype.isnative else ""


class _Layout(NamedTuple):
    """Rows but for their addresses: what arrays of one kind have in common."""

    arguments: list[tuple[Any, Any]]
    results: list[tuple[Cell, Strided]]
    runs: tuple[int, ...]
    length: int

    def of(self, arguments: Sequence[Any], outputs: Sequence[tuple[str, Any]]) -> Rows:
        """These arguments' rows."""
        made = [_room(arguments[0], output, dtype) for output, dtype in outputs]
        given = [_placed(cell, by, a) for (cell, by), a in zip(self.arguments, arguments, strict=True)]
        results = [_placed(cell, by, a) for (cell, by), a in zip(self.results, made, strict=True)]
        return Rows(given, results, made, self.runs, self.length, list(arguments))


_KNOWN: dict[Any, _Layout] = {}
KNOWN = 512
"""Layouts that are kept; working one out takes as long as some 10,000 logits."""


def laid_out(arguments: Sequence[Any], inputs: Sequence[str], outputs: Sequence[tuple[str, Any]], kind: str) -> Rows:
    """Arguments as cells, and results with room.

    Parameters
    ----------
    arguments, inputs, outputs
        As for `focal_ref.engine.run.run`.
    kind : {"across", "along"}
    """
    asked = kind, tuple(inputs), tuple(outputs), tuple(map(_kind, arguments))
    known = _KNOWN.get(asked)
    if known is not None:
        return known.of(arguments, outputs)
    rows, moved = _worked_out(arguments, inputs, outputs, kind)
    pairs = zip(rows.arguments, arguments, strict=True)
    if not moved and all(by.address == address(a) for (_, by), a in pairs if isinstance(by, Strided)):
        if len(_KNOWN) >= KNOWN:
            _KNOWN.clear()
        _KNOWN[asked] = _Layout(rows.arguments, rows.results, rows.runs, rows.length)
    return rows


def _kind(a: Any) -> Any:
    """What an argument's place among the others hangs on."""
    return (a.dtype, a.shape, a.strides, a.flags.aligned) if isinstance(a, np.ndarray) else None


def _placed(cell: Any, by: Any, a: Any) -> tuple[Any, Any]:
    """As another array of its kind was, where this one lies."""
    if isinstance(by, Strided):
        return cell, by._replace(address=address(a))
    return (cell, float(a.item())) if isinstance(a, np.ndarray) else (a, a)


def _worked_out(
    arguments: Sequence[Any], inputs: Sequence[str], outputs: Sequence[tuple[str, Any]], kind: str
) -> tuple[Rows, bool]:
    """The rows, and whether they had to be laid out anew."""
    shape = arguments[0].shape
    spread = [_spread(a, of, shape, first=not i) for i, (a, of) in enumerate(zip(arguments, inputs, strict=True))]
    made = [_room(arguments[0], output, dtype) for output, dtype in outputs]
    placed = [*spread, *zip(made, ("each" if output == CLASSES else "row" for output, _ in outputs), strict=True)]
    whole = all(_fits(a, place, kind) for a, place in placed)
    runs, length, strides = _runs(shape[:-1], placed) if whole else ((MANY_RUNS + 1,), 0, [])
    moved = math.prod(runs) > MANY_RUNS and length < SHORT_RUN
    if moved:
        spread = [(np.require(a, requirements=["C", "A"]) if place in ("row", "each") else a, place) for a, place in spread]
        made = [rooms.empty(a.shape, a.dtype) for a in made]
        placed = [*spread, *zip(made, [place for _, place in placed[len(spread) :]], strict=True)]
        runs, length, strides = _runs(shape[:-1], placed)
    cells = [_cell(a, place, step, kind) for (a, place), step in zip(placed, strides, strict=True)]
    return Rows(cells[: len(spread)], cells[len(spread) :], made, runs, length, placed), moved


def _spread(a: Any, kind: str, shape: tuple[int, ...], *, first: bool) -> tuple[Any, str]:
    """An argument as wide as the logits or the losses, or one entry a class, and which of these."""
    if not isinstance(a, np.ndarray):
        return a, ""
    if a.size == 1 and a.dtype.kind == "f" and not first:
        return a, "number"
    if kind != CLASSES:
        return np.broadcast_to(a, shape[:-1]), "row"
    if a.ndim <= 1 and not first:
        return np.require(np.broadcast_to(a, shape[-1:]), requirements=["C", "A"]), "class"
    return np.broadcast_to(a, shape), "each"


def _room(logits: Any, output: str, dtype: Any) -> Any:
    """A result's array, derivatives laid out as the logits are."""
    if output == CLASSES:
        return rooms.empty_like(logits, dtype)
    return np.empty(logits.shape[:-1], np.float64 if output == SUM else dtype)


def _fits(a: Any, place: str, kind: str) -> bool:
    """Whether a kernel takes an array's strides."""
    if place not in ("row", "each"):
        return True
    beside = kind == "across" or place == "row" or a.shape[-1] == 1 or a.strides[-1] == a.itemsize
    return bool(beside and a.flags.aligned and not any(stride % a.itemsize for stride in a.strides))


def _runs(loop: tuple[int, ...], placed: Sequence[tuple[Any, str]]) -> tuple[tuple[int, ...], int, list[tuple[int, ...]]]:
    """The rows as runs of one stride in every array: how many along each axis, how long, and each array's strides in bytes."""
    wide = [a for a, place in placed if place in ("row", "each")]
    axes = [(n, [a.strides[i] for a in wide]) for i, n in enumerate(loop) if n != 1]
    length, steps = axes.pop() if axes else (math.prod(loop), [a.itemsize for a in wide])
    while axes and all(outer == inner * length for outer, inner in zip(axes[-1][1], steps, strict=True)):
        length *= axes.pop()[0]
    found = iter(zip(*(strides for _, strides in axes), steps, strict=True))
    return tuple(n for n, _ in axes), length, [next(found) if place in ("row", "each") else () for _, place in placed]


def _cell(a: Any, place: str, strides: tuple[int, ...], kind: str) -> tuple[Any, Any]:
    if not place:
        return a, a
    if place == "number":
        return Cell("float64", "number"), float(a.item())
    if place == "class":
        return Cell(type_name(a.dtype), "class"), Strided(address(a), (), a.itemsize, ())
    step = strides[-1] // a.itemsize
    last = (a.strides[-1] // a.itemsize,) if place == "each" and kind == "across" else ()
    unit = kind == "across" and step == 1
    cell = Cell(type_name(a.dtype), place, unit, last == (1,) and not unit and a.shape[-1] >= LANES)
    return cell, Strided(address(a), strides[:-1], a.itemsize, (step, *last))

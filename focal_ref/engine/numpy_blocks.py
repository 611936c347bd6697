"""NumPy's way through large arrays: block by block, so that temporaries stay in a core's cache, on several threads.

Every loss is by itself, so the bits are those of one run over the whole. A sum is taken of parts of one size, and then of their
sums, so that its bits depend on neither blocks nor threads, and the losses needn't be kept.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .numpy_threads import share

__all__ = [
    "CLASSES",
    "FEW_CLASSES",
    "PART",
    "ROW",
    "SUM",
    "class_by_class",
    "keep_memory",
    "run_in_blocks",
    "slices",
    "sum_of_few",
    "where",
]

ROW = ""
"""An argument or result with one entry a loss."""
CLASSES = "c"
"""One with an entry a class."""
SUM = "+"
"""A result with one entry a loss, of which only the sum is wanted: it may come as sums of parts."""

FEW_CLASSES = 128
"""Up to so many, a loop along a row is so short that starting it takes longest."""
PART = 2**17
"""Logits that a thread takes at a time, and whose losses are summed by themselves."""


@cache
def keep_memory() -> None:
    """Have glibc keep freed memory, up to 48 MiB: it learns that from an array of half the size, whose pages are never touched.

    Otherwise the temporaries' pages go back to the system after each block, which takes longer than the computing.
    """
    np.empty(3 * 2**20)


def run_in_blocks(
    program: Callable[..., tuple[Any, ...]],
    arguments: Sequence[Any],
    inputs: Sequence[str],
    outputs: Sequence[tuple[str, Any]],
    limit: int,
) -> tuple[NDArray[Any], ...]:
    """Run a program on NumPy arrays, at most `limit` logits (or one row) at a time.

    Parameters
    ----------
    program : callable
        `program(*arguments)` returns as many arrays as there are `outputs`.
    arguments, inputs, outputs
        As for `focal_ref.engine.run.run`.
    limit : int
        How many logits make a block.
    """
    logits = arguments[0]
    classes: tuple[int, ...] = logits.shape[-1:] if inputs[0] == CLASSES else ()
    loop = logits.shape[: logits.ndim - len(classes)]
    width = max(1, math.prod(classes))
    parts = list(slices(loop, max(1, PART // width)))
    shapes = {ROW: loop, CLASSES: (*loop, *classes), SUM: (len(parts),)}
    results: list[Any] = [np.empty(shapes[kind], np.float64 if kind == SUM else dtype) for kind, dtype in outputs]

    def fill(numbered: tuple[int, tuple[slice, ...]]) -> None:
        number, part = numbered
        here = [_cut(a, part, len(loop), kind) for a, kind in zip(arguments, inputs, strict=True)]
        shape = here[0].shape[: len(loop)]
        inner = list(slices(shape, max(1, limit // width)))
        # Losses that come in one piece are summed as they are.
        places: list[Any] = [
            result[(*part, ...)] if kind != SUM else np.empty(shape, dtype) if len(inner) > 1 else None
            for result, (kind, dtype) in zip(results, outputs, strict=True)
        ]
        for block in inner:
            cut = here if len(inner) == 1 else [_cut(a, block, len(loop), kind) for a, kind in zip(here, inputs, strict=True)]
            done = program(*(class_by_class(a) if kind == CLASSES else a for a, kind in zip(cut, inputs, strict=True)))
            for i, (place, piece) in enumerate(zip(places, done, strict=True)):
                if place is None:
                    places[i] = np.ascontiguousarray(piece)
                else:
                    place[block] = piece
        for result, place, (kind, _) in zip(results, places, outputs, strict=True):
            if kind == SUM:
                result[number] = np.sum(place, dtype=np.float64)

    share(fill, enumerate(parts))
    return tuple(results)


def slices(shape: tuple[int, ...], limit: int) -> Iterator[tuple[slice, ...]]:
    """Slices that cover a shape, each of at most `limit` elements."""
    if math.prod(shape) <= limit:
        yield (slice(None),) * len(shape)
        return
    step = max(1, limit // math.prod(shape[1:]))
    for start in range(0, shape[0], step):
        here = slice(start, start + step)
        for rest in slices(shape[1:], limit) if step == 1 else [(slice(None),) * (len(shape) - 1)]:
            yield (here, *rest)


def _cut(a: Any, block: tuple[slice, ...], loop_ndim: int, kind: str) -> Any:
    """An argument's part of a block, broadcast axes left as they are."""
    if not isinstance(a, np.ndarray):
        return a
    axes = a.ndim - (kind == CLASSES)
    return a[tuple(slice(None) if n == 1 else s for n, s in zip(a.shape, block[loop_ndim - axes :], strict=False))]


def class_by_class(a: Any) -> Any:
    """Rows of few classes, laid out with each class's entries side by side; anything else as it is."""
    few = isinstance(a, np.ndarray) and a.ndim > 1 and a.shape[-1] <= FEW_CLASSES and a.size >= _FEW
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(a, -1, 0)), 0, -1) if few else a


def sum_of_few(x: NDArray[Any]) -> NDArray[Any]:
    """Over the last axis, of few entries, halves added to halves: the same bits however x lies in memory."""
    while (count := x.shape[-1]) > 1:
        half, odd = divmod(count, 2)
        added = x[..., :half] + x[..., half : 2 * half]
        if odd:
            added[..., 0] += x[..., -1]
        x = added
    return x[..., 0]


_BITS = {np.dtype(np.float32): np.dtype(np.int32), np.dtype(np.float64): np.dtype(np.int64)}
_FEW = 1024
"""Entries, up to which NumPy's own way is as fast."""


def where(condition: Any, a: Any, b: Any) -> Any:
    """`np.where`, with its bits, by masks of bits: NumPy's own takes a branch an element, and guesses half of them wrong.

    Where one side is not needed at all, the other is handed back as it is.
    """
    like = a if isinstance(a, np.ndarray) else b
    bits: Any = _BITS.get(like.dtype) if isinstance(like, np.ndarray) and condition.size >= _FEW else None
    if bits is None or (isinstance(b, np.ndarray) and b.dtype != like.dtype):
        return np.where(condition, a, b)
    if all(np.shape(x) in ((), like.shape) for x in (a, b)) and condition.shape == like.shape:
        if isinstance(b, np.ndarray) and b.shape and _holds_nowhere(condition):
            return b
        if a is like and condition.all():
            return a
    yes, no = (np.asarray(x, like.dtype).view(bits) for x in (a, b))
    if not yes.ndim and not yes:
        chosen = _mask(condition, bits, False) & no
    elif not no.ndim and not no:
        chosen = _mask(condition, bits, True) & yes
    else:
        chosen = ((yes ^ no) & _mask(condition, bits, True)) ^ no
    return chosen.view(like.dtype)


_latest = threading.local()


def _holds_nowhere(condition: Any) -> bool:
    """The latest such condition is kept, for the same reason as its mask."""
    if getattr(_latest, "nowhere", None) is condition:
        return True
    if condition.any():
        return False
    _latest.nowhere = condition if condition.size <= PART else None
    return True


def _mask(condition: Any, bits: np.dtype[Any], holds: bool) -> Any:
    """All bits set where the condition holds, or doesn't; the latest is kept, since several results hang on one condition."""
    known = getattr(_latest, "masks", None)
    if known is not None and known[0] is condition and known[1].dtype == bits and known[2] == holds:
        return known[1]
    mask = np.empty_like(condition, bits)
    np.copyto(mask, condition.view(np.int8))
    if holds:
        np.negative(mask, out=mask)
    else:
        np.subtract(mask, 1, out=mask)
    if mask.size <= PART:
        _latest.masks = (condition, mask, holds)
    return mask

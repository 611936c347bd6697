"""Layouts of memory and shapes that hold the same numbers: each has to give the same losses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..typing import Floats
from .guard import Refused
from .pool import CURE, Odd, Pool, number

__all__ = ["odd_layouts"]

Arrangement: TypeAlias = Callable[[Any, Any], tuple[Any, Any]]


def _halves(a: Any) -> Any:
    """Every second row of an array twice as long, the others being NaN or 0: a strided view of the same numbers."""
    wide = _like(a, (2 * a.shape[0], *a.shape[1:]))
    wide[::2] = a
    return wide[::2]


def _offset(a: Any) -> Any:
    wide = _like(a, (a.shape[0] + 1, *a.shape[1:]))
    wide[1:] = a
    return wide[1:]


def _reversed(a: Any) -> Any:
    return a[::-1].copy()[::-1] if isinstance(a, np.ndarray) else a.flip(0).flip(0)


def _fortran(a: Any) -> Any:
    return np.asfortranarray(a) if isinstance(a, np.ndarray) else a.t().contiguous().t() if a.ndim == 2 else a


def _like(a: Any, shape: tuple[int, ...]) -> Any:
    return np.ones(shape, dtype=a.dtype) if isinstance(a, np.ndarray) else a.new_ones(shape)


LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "strided: every second element of a longer array": _halves,
    "at an odd offset": _offset,
    "reversed: a view with a negative stride": _reversed,
    "in Fortran's order": _fortran,
}


def odd_layouts(pool: Pool, due: dict[str, Floats]) -> Iterator[Odd]:
    """Arrays of NumPy or torch in other orders of memory; for sigmoid also as (n, 1) and with four axes."""
    name = pool.subject.framework.arrays.name
    if not name.startswith(("numpy", "torch")) or pool.subject.channels_first:
        return
    if getattr(pool.subject.fn, "one_layout", False):  # of a program, which is given numbers, not arrays
        return
    places = np.arange(60)
    for words, change in LAYOUTS.items():
        if "Fortran" in words and pool.logits.ndim == 1:
            continue
        yield from _one_layout(pool, due, places, words, lambda x, y, change=change: (change(x), change(y)))  # type: ignore[misc]
    if pool.logits.ndim == 1 and pool.subject.targets != "one-hot":
        for shape in ((60, 1), (3, 2, 5, 2)):
            yield from _one_layout(
                pool,
                due,
                places,
                "with four axes" if len(shape) == 4 else "(n, 1)",
                lambda x, y, shape=shape: (x.reshape(shape), y.reshape(shape)),  # type: ignore[misc]
            )


def _one_layout(
    pool: Pool, due: dict[str, Floats], places: NDArray[np.int64], words: str, arrange: Arrangement
) -> Iterator[Odd]:
    n, shaped = len(places), words in ("(n, 1)", "with four axes")
    try:
        result = pool.ask(places, arrange)[pool.main]
    except Refused as error:
        if not shaped:
            cause = f"arrays in another layout are refused: {words}"
            yield Odd(pool.main, "error", cause, CURE, 1, words, str(error), "losses")
        return
    if result.size == n * n:
        cause = "(n, 1) × (n,) broadcast: logits and targets of shape (n, 1) give n × n losses"
        yield Odd(pool.main, "shape", cause, "flatten both arguments, or none", 1, words, f"{result.shape}", f"({n}, 1)")
    if result.size != n:
        return  # it reduces some axis, which is a convention of its own
    mask = pool.wrong(result.reshape(n), due[pool.main][places])
    if mask.any():
        place, count = int(np.flatnonzero(mask)[0]), int(np.count_nonzero(mask))
        cause = f"the layout of memory changes the result: {words}" if not shaped else f"the shape changes the result: {words}"
        due_there = number(due[pool.main][places[place]])
        yield Odd(pool.main, "inexact", cause, "read arrays by their strides, or make them contiguous", count, words,
                  number(result.reshape(n)[place]), due_there)  # fmt: skip

"""Parts of arrays, entry by entry, as a loop is called for them; and the sum of what the parts come to."""

from __future__ import annotations

import contextlib
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .compiled_build import address
from .numpy_blocks import PART

__all__ = ["cut_part", "flat_part", "total"]


def flat_part(call: Any, handed: Any, results: Any, totals: Any, shape: Any, numbered: tuple[int, int]) -> None:
    """Entries that lie one after another in every array."""
    number, start = numbered
    sent = [a if type(a) is float else address(a) + start * a.itemsize for a in handed]
    place = address(totals) + number * len(results) * 16
    for result in results:
        if result is None:
            sent += [place, place + 8]
        else:
            sent.append(address(result) + start * result.itemsize)
        place += 16
    call(1, min(PART, math.prod(shape) - start), *sent, 0)


def cut_part(call: Any, handed: Any, results: Any, totals: Any, shape: Any, numbered: tuple[int, Any]) -> None:
    """A block of any arrays, laid out one after another first."""
    number, part = numbered
    cut = [a if isinstance(a, float) else np.require(np.broadcast_to(a, shape)[part], requirements=["C", "A"]) for a in handed]
    here = next(a for a in cut if not isinstance(a, float))
    made = [None if result is None else np.empty(here.shape, result.dtype) for result in results]
    flat_part(call, cut, made, totals[number : number + 1], here.shape, (0, 0))
    for result, found in zip(results, made, strict=True):
        if result is not None:
            result[part] = found


def total(parts: NDArray[np.float64]) -> float:
    """The sum of sums and their errors, rounded once."""
    flat = parts.ravel().tolist()
    if len(flat) > 2 and all(map(math.isfinite, flat)):
        with contextlib.suppress(OverflowError):
            return math.fsum(flat)
    return sum(flat)

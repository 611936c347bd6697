"""Numbers of a type: rounded to it, all of them, the ones next to it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..typing import Floats
from .ulp import FORMATS, Format

__all__ = ["every", "neighbours", "rounded"]


def rounded(values: Iterable[float], dtype: str) -> Floats:
    """Values rounded to a type; inf where they do not fit.

    Examples
    --------
    >>> rounded([0.1, 1e30], "float16")
    array([0.09997559,        inf])
    """
    array = np.asarray(values if isinstance(values, (np.ndarray, Sequence)) else list(values), dtype=np.float64)
    with np.errstate(over="ignore", under="ignore"):
        if dtype != "bfloat16":
            return array.astype(dtype).astype(np.float64)
        bits = array.astype(np.float32).view(np.uint32).astype(np.uint64)
    bits += 0x7FFF + (bits >> 16 & 1)
    nearest = (bits & 0xFFFF0000).astype(np.uint32).view(np.float32).astype(np.float64)
    nearest[np.isnan(array)] = np.nan
    return nearest


def every(dtype: str) -> Floats:
    """All 65,536 numbers of a 16-bit type, by bit pattern.

    Examples
    --------
    >>> every("float16")[0x3C00:0x3C02]
    array([1.        , 1.00097656])
    """
    bits = np.arange(1 << 16, dtype=np.uint32)
    narrow = bits.astype(np.uint16).view(np.float16) if dtype == "float16" else (bits << 16).view(np.float32)
    with np.errstate(invalid="ignore"):  # signalling NaNs are among them
        result: Floats = narrow.astype(np.float64)
    return result


def neighbours(values: Iterable[float], dtype: str, reach: int = 3) -> Floats:
    """Each value rounded to a type, with the `reach` numbers of the type below and above it.

    Examples
    --------
    >>> neighbours([1.0], "float16", 1)
    array([0.99951172, 1.        , 1.00097656])
    """
    fmt, centre = FORMATS[dtype], rounded(values, dtype)
    centre = centre[np.isfinite(centre)]
    steps = [centre]
    for direction in (-math.inf, math.inf):
        current = centre
        for _ in range(reach):
            current = _next(current, direction, fmt)
            steps.append(current)
    result: Floats = np.sort(np.concatenate(steps))
    return result[np.isfinite(result)]


def _next(values: Floats, direction: float, fmt: Format) -> Floats:
    """The numbers of the format next to `values` in one direction; inf or NaN past the last."""
    if fmt.name == "bfloat16":
        narrow = values.astype(np.float32).view(np.int32) >> 16
        ordinal = np.where(narrow < 0, -(narrow & 0x7FFF), narrow) + (1 if direction > 0 else -1)
        bits = (np.abs(ordinal).astype(np.uint32) | np.where(ordinal < 0, 0x8000, 0).astype(np.uint32)) << np.uint32(16)
        stepped: NDArray[Any] = bits.view(np.float32)
    else:
        narrow_type = np.dtype(fmt.name).type
        with np.errstate(over="ignore", under="ignore"):
            stepped = np.nextafter(values.astype(narrow_type), narrow_type(direction))
    with np.errstate(invalid="ignore"):  # a NaN may be a signalling one
        result: Floats = stepped.astype(np.float64)
    return result

"""Room for large results: NumPy's own, or what a caller has ready that will hand them on as another library's arrays."""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["LARGE", "empty", "empty_like", "made_by"]

LARGE = 2**15
"""Bytes, from which on copying a result costs more than asking for room."""

Maker = Callable[[tuple[int, ...], tuple[int, ...], "np.dtype[Any]"], "NDArray[Any] | None"]


class _Here(threading.local):
    """What this thread's calls are made by."""

    maker: Maker | None = None


_here = _Here()


@contextlib.contextmanager
def made_by(maker: Maker) -> Iterator[None]:
    """Have large results of this thread's calls written where `maker(shape, strides, dtype)` says; None for anywhere."""
    before, _here.maker = _here.maker, maker
    try:
        yield
    finally:
        _here.maker = before


def empty(shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """Room for a result, its entries one after another."""
    maker, dtype = _here.maker, np.dtype(dtype)
    if maker is not None and math.prod(shape) * dtype.itemsize >= LARGE:
        strides = tuple(dtype.itemsize * math.prod(shape[i + 1 :]) for i in range(len(shape)))
        if (found := maker(shape, strides, dtype)) is not None:
            return found
    return np.empty(shape, dtype)


def empty_like(logits: NDArray[Any], dtype: Any) -> NDArray[Any]:
    """Room for a derivative, laid out as the logits are."""
    plain = np.empty_like(logits, dtype=dtype)
    maker = _here.maker
    found = maker(plain.shape, plain.strides, plain.dtype) if maker is not None and plain.nbytes >= LARGE else None
    return plain if found is None else found

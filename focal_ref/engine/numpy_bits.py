"""Bits and places of NumPy's float64: what pairs of them ask for beside arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["among", "parted", "power_of_two", "to_odd"]

SHIFT = 1.5 * 2.0**52
"""Adding it leaves a whole number in the low bits."""


def parted(x: Any) -> tuple[Any, Any]:
    """x = 2^k m as m, ½ ≤ |m| < 1, and k; 0, infinities and NaN as they are, with k = 0."""
    m, k = np.frexp(x)
    return m, np.float64(k)


def power_of_two(power: Any) -> Any:
    """2 to a whole power between −1022 and 1023."""
    return ((np.float64(power + SHIFT).view(np.int64) + 1023) << 52).view(np.float64)


def to_odd(high: Any, low: Any, digits: int) -> Any:
    """high + low, |low| up to half an ULP of high, to 53 or 24 bits: what isn't exact ends in a 1, and looks like no tie."""
    bits: Any = np.float64(high).view(np.int64)
    step = np.where((low > 0) == (high > 0), 1, -1)
    bits = bits + np.where((bits & 1 == 0) & (low != 0), step, 0)
    if digits < 53:
        bits = np.where(bits & (2**29 - 1) == 0, bits, bits & -(2**29) | 2**29)
    return bits.view(np.float64)


def among(condition: Any, of: Callable[..., tuple[Any, ...]], *arrays: Any) -> list[Any]:
    """What a function of arrays gives where a condition holds, and 0 elsewhere, where it is not computed."""
    mask, *spread = np.broadcast_arrays(condition, *arrays)
    found = []
    for result in of(*(a[mask] for a in spread)):
        whole = np.zeros(mask.shape)
        whole[mask] = result
        found.append(whole)
    return found

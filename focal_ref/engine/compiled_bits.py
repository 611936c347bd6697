"""Numbers taken apart by their bits in compiled loops, and put together again; `numpy_bits` does the same with arrays."""

from __future__ import annotations

from typing import Any

__all__ = ["FRACTION", "SHIFT", "WHOLE", "parted", "power_of_two", "to_odd"]

SHIFT = 1.5 * 2.0**52
"""Adding it rounds to a whole number, which then stands in the low bits."""
FRACTION = 0x000FFFFFFFFFFFFF
WHOLE = 0x4330000000000000
"""2^52, in whose low bits a whole number stands as itself."""


def power_of_two(xp: Any, steps: Any) -> Any:
    """2^steps, for whole numbers between −1022 and 1023."""
    return xp.from_bits(xp.shifted_left(xp.bits(steps + SHIFT) + 1023, 52))


def parted(xp: Any, x: Any) -> tuple[Any, Any]:
    """x = 2^k m as m, ½ ≤ |m| < 1, and k; 0, infinities and NaN as they are, with k = 0."""
    magnitude = xp.abs(x)
    tiny, plain = magnitude < 2.0**-1022, (magnitude > 0) & (magnitude < xp.inf)
    bits = xp.bits(xp.where(tiny, x * 2.0**54, x))
    field = xp.shifted_right(bits, 52) & 0x7FF
    exponent = xp.from_bits(field | WHOLE) - xp.where(tiny, 2.0**52 + 1076, 2.0**52 + 1022)
    m = xp.from_bits((bits & (FRACTION | -(2**63))) | (1022 << 52))
    return xp.where(plain, m, x), xp.where(plain, exponent, 0.0)


def to_odd(xp: Any, high: Any, low: Any, digits: int) -> Any:
    """high + low, |low| up to half an ULP of high, to 53 or 24 bits: what isn't exact ends in a 1, and looks like no tie."""
    bits = xp.bits(high)
    even = (bits & 1) == 0
    step = xp.where((low > 0) == (high > 0), bits + 1, bits - 1)
    bits = xp.where(even & (low != 0), step, bits)
    if digits < 53:
        bits = xp.where((bits & (2**29 - 1)) == 0, bits, (bits & -(2**29)) | 2**29)
    return xp.from_bits(bits)

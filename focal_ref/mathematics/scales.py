"""Scales: powers of two, and shifts of e's argument, that keep what is small a normal number."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["SCALES", "Scale"]


class Scale(NamedTuple):
    """How E is kept a normal number: exp(d) 2^s for d ≥ −lift, and exp(d + lift) · factor, which is the same, below."""

    power: float
    lift: float
    factor: float
    """2^s exp(−lift), which `lift` was searched for to be a number of the type but for 1/2000 of its last place."""
    tiny: float
    """The type's smallest normal number."""
    raised: float
    """What makes a normal number of any subnormal one."""
    log_raised: float


SCALES = {
    24: Scale(2.0**40, float.fromhex("0x1.62378p+5"), float.fromhex("0x1.1685a8p-24"), 2.0**-126, 2.0**24, 16.635532333438686),
    53: Scale(
        2.0**480, float.fromhex("0x1.627218p+8"), float.fromhex("0x1.8fc19eadd9a13p-32"), 2.0**-1022, 2.0**53, 36.7368005696771
    ),
}
"""By the bits of the type's significand. d + lift is exact for d ≤ −lift. Some libraries differentiate a quotient by way of the
divisor's square, which must not overflow for a few million classes either.
"""

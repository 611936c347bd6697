"""Pairs of float64: a result as hi + lo, to about 106 bits, by integers alone."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import mpmath

__all__ = ["pair", "pairs", "shifted"]

DIGITS, BIAS, OVER = 53, 1023, 1024
LOWEST, HIGHEST, LONGEST = -1020, 1020, 900
"""The powers of two between which neither part is subnormal or infinite, and the bits that are no more than a float has."""


def pair(negative: int, odd: int, power: int) -> tuple[float, float]:
    """±odd · 2^power, rounded once to hi, and what is left, rounded once, as lo.

    Examples
    --------
    >>> pair(0, 2**60 + 1, -60)
    (1.0, 8.673617379884035e-19)
    """
    bits = odd.bit_length()
    shift = bits - DIGITS
    if odd == 0 or power + bits < -BIAS - DIGITS:
        return (-0.0 if negative and odd else 0.0), 0.0
    if power < LOWEST or power + bits > HIGHEST or bits > LONGEST:
        return _carefully(negative, odd, power)
    if shift <= 0:
        hi = math.ldexp(odd, power)
        return (-hi if negative else hi), 0.0
    top = odd >> shift
    rest = odd - (top << shift)
    half = 1 << (shift - 1)
    if rest > half or (rest == half and top & 1):
        top, rest = top + 1, rest - (1 << shift)
    hi, lo = math.ldexp(top, power + shift), math.ldexp(float(rest), power)
    return (-hi, -lo) if negative else (hi, lo)


def _carefully(negative: int, odd: int, power: int) -> tuple[float, float]:
    """At the ends of the range, where a part may be subnormal: each rounded once, to a multiple of the smallest number."""
    top, place = _rounded(odd, power)
    if top.bit_length() + place > OVER:
        return (-math.inf if negative else math.inf), 0.0
    hi, rest = math.ldexp(top, place), odd - (top << max(place - power, 0)) if place > power else 0
    size = math.ldexp(*_rounded(abs(rest), power)) if rest else 0.0
    lo = -size if rest < 0 else size
    return (-hi, -lo) if negative else (hi, lo)


def _rounded(odd: int, power: int) -> tuple[int, int]:
    """The 53 bits of a number, fewer below the normal ones, ties to even; and the power of two that they stand at."""
    bits = odd.bit_length()
    place = max(power + bits - 1, 1 - BIAS) - DIGITS + 1
    return shifted(odd, power - place), place


def shifted(odd: int, by: int) -> int:
    """odd × 2^by, rounded to the nearest integer, ties to even."""
    if by >= 0:
        return odd << by
    if -by > odd.bit_length():  # below 1/2, perhaps by an astronomic factor
        return 0
    floor = odd >> -by
    twice_rest = odd - (floor << -by) << 1
    return floor + (twice_rest + (floor & 1) > 1 << -by)


def pairs(values: Iterable[Any]) -> tuple[list[float], list[float]]:
    """Of mpfs: every hi, and every lo; lo is 0 where hi is not finite."""
    hi: list[float] = []
    lo: list[float] = []
    for value in values:
        negative, odd, power, _ = (value if hasattr(value, "_mpf_") else mpmath.mp.convert(value))._mpf_
        if odd:
            head, rest = pair(negative, int(odd), int(power))
        else:
            head, rest = float(value), 0.0
        hi.append(head)
        lo.append(rest)
    return hi, lo

"""Errors in units in the last place: total on NaN, infinities, zeros and subnormals.

Rounding is from mpmath straight to the format, since rounding through float64 rounds twice.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import mpmath
import numpy as np
from numpy.typing import ArrayLike

from ..oracle.pairs import pairs, shifted
from ..typing import Floats

__all__ = ["FORMATS", "Format", "errors", "nearest", "split", "ulp"]


class Format(NamedTuple):
    """A binary floating-point format."""

    name: str
    digits: int
    """Bits of the significand, the hidden one included."""
    emin: int
    """Exponent of the smallest normal number."""
    emax: int

    @property
    def tiny(self) -> float:
        """The smallest normal number."""
        return math.ldexp(1.0, self.emin)

    @property
    def smallest(self) -> float:
        """The smallest subnormal number."""
        return math.ldexp(1.0, self.emin - self.digits + 1)

    @property
    def largest(self) -> float:
        """The largest finite number."""
        return math.ldexp(2.0 - self.eps, self.emax)

    @property
    def eps(self) -> float:
        """The spacing of the numbers from 1 to 2."""
        return math.ldexp(1.0, 1 - self.digits)


FORMATS = {
    fmt.name: fmt
    for fmt in (
        Format("float16", 11, -14, 15),
        Format("bfloat16", 8, -126, 127),
        Format("float32", 24, -126, 127),
        Format("float64", 53, -1022, 1023),
    )
}


def nearest(value: Any, fmt: Format) -> float:
    """A number rounded once to the format (ties to even; subnormals; infinity past the largest), as a Python float.

    Parameters
    ----------
    value : mpf, int, float
        Of any precision; nothing is rounded before.
    fmt : Format
        The type, out of `FORMATS`.

    Returns
    -------
    float
        A number of the format, or infinite.

    Examples
    --------
    >>> import mpmath
    >>> nearest(mpmath.mpf("0.1"), FORMATS["float32"]).hex()
    '0x1.99999a0000000p-4'
    """
    negative, odd, power, bits = mpmath.mp.convert(value)._mpf_
    if not odd:
        return float(mpmath.libmp.to_float((negative, odd, power, bits)))
    place = max(power + bits - 1, fmt.emin) - fmt.digits + 1
    scaled = shifted(int(odd), power - place)
    if scaled.bit_length() + place > fmt.emax + 1:
        return -math.inf if negative else math.inf
    return math.copysign(math.ldexp(scaled, place), -negative)


def split(values: Iterable[Any]) -> tuple[Floats, Floats]:
    """mpfs as hi + lo in float64, to about 106 bits; lo is 0 where hi is not finite.

    Parameters
    ----------
    values : iterable of mpf
        Exact results.

    Returns
    -------
    tuple of two float64 arrays
        hi and lo.
    """
    hi, lo = pairs(values)
    return np.asarray(hi, dtype=np.float64), np.asarray(lo, dtype=np.float64)


def ulp(x: ArrayLike, fmt: Format) -> Floats:
    """The format's spacing in the binade of \\|x\\|; that of the smallest subnormal below the normal numbers.

    Parameters
    ----------
    x : array
        Numbers.
    fmt : Format
        The type, out of `FORMATS`.

    Returns
    -------
    float64 array
        The spacing at each element.

    Examples
    --------
    >>> float(ulp(1.5, FORMATS["float16"]))
    0.0009765625
    """
    magnitude = np.clip(np.abs(np.asarray(x, dtype=np.float64)), fmt.tiny, fmt.largest)
    _, exponent = np.frexp(magnitude)
    spacing: Floats = np.ldexp(1.0, exponent - fmt.digits)
    return spacing


def errors(got: ArrayLike, hi: ArrayLike, lo: ArrayLike, fmt: Format, *, scale: ArrayLike | None = None) -> Floats:
    """\\|got − (hi + lo)\\| in ULP of the format, at the larger of \\|hi\\| and `scale`.

    NaN against NaN is 0, against a number infinite; an infinity is right where it is the exact value or what that rounds
    to; −0 equals 0.

    Parameters
    ----------
    got : array
        Results.
    hi, lo : array
        The exact ones as sums of two numbers, by `split`.
    fmt : Format
        The type, out of `FORMATS`.
    scale : array, optional
        Where the exact result has zeros: what its terms' magnitudes sum to.

    Returns
    -------
    float64 array
        One error an element.

    Examples
    --------
    >>> errors([1.0, np.nan, np.inf], [1.0, 1.0, 7e4], [0.0, 0.0, 0.0], FORMATS["float16"])
    array([ 0., inf,  0.])
    """
    got, hi, lo = (np.asarray(a, dtype=np.float64) for a in (got, hi, lo))
    with np.errstate(all="ignore"):
        inwards, magnitude = lo * np.sign(hi) < 0, np.abs(hi)
        exact = np.where(inwards, np.nextafter(magnitude, 0.0), magnitude)  # a power of two may lie just above the exact value
        at = exact if scale is None else np.maximum(exact, np.asarray(scale, dtype=np.float64))
        distance = np.abs((got - hi) - lo) / ulp(np.where(np.isfinite(at), at, fmt.largest), fmt)
    edge = fmt.largest + math.ldexp(1.0, fmt.emax - fmt.digits)  # infinite in float64: what rounds there is infinite already
    overflows = (magnitude > edge) | ((magnitude == edge) & ~inwards)
    same_infinity = np.isinf(got) & overflows & (np.sign(got) == np.sign(hi))
    result: Floats = np.where(np.isfinite(got) & np.isfinite(hi) & ~overflows, distance, np.inf)
    return np.where(same_infinity | (np.isnan(got) & np.isnan(hi)), 0.0, result)

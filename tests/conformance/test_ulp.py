"""The ruler: rounding is once and to even, and an error is a number whatever is compared."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import ml_dtypes
import mpmath
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from focal_ref.conformance import ulp
from focal_ref.conformance.ulp import FORMATS, Format

INF, NAN = math.inf, math.nan
TYPES = {"float16": np.float16, "bfloat16": ml_dtypes.bfloat16, "float32": np.float32, "float64": np.float64}
BITS = {"float16": 16, "bfloat16": 16, "float32": 32, "float64": 64}

each_format = pytest.mark.parametrize("fmt", FORMATS.values(), ids=FORMATS)


def exactly(value: Fraction) -> Any:
    """A dyadic fraction as mpf, whatever mpmath's precision."""
    return mpmath.mp.make_mpf(mpmath.libmp.from_man_exp(value.numerator, 1 - value.denominator.bit_length()))


def numbers_of(fmt: Format) -> np.ndarray[Any, np.dtype[np.float64]]:
    """All non-negative finite numbers of a 16-bit format, in order."""
    bits = np.arange(_pattern(fmt.largest, fmt) + 1, dtype=np.uint16)
    return bits.view(TYPES[fmt.name]).astype(np.float64)


def _pattern(value: float, fmt: Format) -> int:
    return int(np.asarray(value).astype(TYPES[fmt.name]).view(f"u{BITS[fmt.name] // 8}"))


def neighbours(fmt: Format) -> list[tuple[float, float]]:
    """Pairs of adjacent non-negative numbers of a format: the first, the last, those about its edges, and random ones."""
    tiny, one, top = (_pattern(value, fmt) for value in (fmt.tiny, 1.0, fmt.largest))
    places = [0, 1, 2, tiny - 2, tiny - 1, tiny, 2 * tiny - 1, one - 1, one, top - 1]
    places += np.random.default_rng(0).integers(0, top - 1, 200, dtype=np.uint64).tolist()
    pairs = np.asarray([[p, p + 1] for p in places], dtype=f"u{BITS[fmt.name] // 8}")
    return [(float(a), float(b)) for a, b in pairs.view(TYPES[fmt.name]).astype(np.float64)]


# ---- formats ----------------------------------------------------------------------------------------------------------------


@each_format
def test_formats_are_what_numpy_says(fmt: Format) -> None:
    """Smallest, tiny, largest and eps of each format."""
    info = ml_dtypes.finfo(TYPES[fmt.name])
    assert [fmt.smallest, fmt.tiny, fmt.largest, fmt.eps] == [
        float(info.smallest_subnormal),
        float(info.smallest_normal),
        float(info.max),
        float(info.eps),
    ]


# ---- nearest ----------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_every_number_and_every_midpoint(name: str) -> None:
    """All numbers of a 16-bit format stay; halfway to the next goes to the even one, a hair either side of it does not."""
    fmt = FORMATS[name]
    values = numbers_of(fmt)
    hair = mpmath.ldexp(1, -2000)
    with mpmath.workprec(2200):
        for place, (low, high) in enumerate(zip(values[:-1].tolist(), values[1:].tolist(), strict=True)):
            middle = (mpmath.mpf(low) + high) / 2
            even = high if place % 2 else low
            cases = ((mpmath.mpf(low), low), (middle, even), (middle - hair, low), (middle + hair, high))
            for value, expected in cases:
                assert ulp.nearest(value, fmt) == expected, (low, high)


@each_format
def test_rounding_is_once_to_even_and_symmetric(fmt: Format) -> None:
    """About midpoints in every part of the range, by exact fractions; a second rounding through float64 would be seen."""
    hair = Fraction(1, 1 << 1200)
    for low, high in neighbours(fmt):
        middle = (Fraction(low) + Fraction(high)) / 2
        even = high if int(Fraction(low) / Fraction(high - low)) % 2 else low
        for value, expected in ((middle - hair, low), (middle, even), (middle + hair, high), (Fraction(high), high)):
            assert ulp.nearest(exactly(value), fmt) == expected
            assert ulp.nearest(exactly(-value), fmt) == -expected


@each_format
def test_overflow_and_underflow(fmt: Format) -> None:
    """Half a unit past the largest number is infinite, half the smallest is 0, with the sign kept; and far beyond either."""
    half, hair = Fraction(fmt.largest) * Fraction(1, 2**fmt.digits - 1) / 2, Fraction(1, 1 << 1200)
    edge = Fraction(fmt.largest) + half
    for value, expected in ((edge - hair, fmt.largest), (edge, INF), (2 * edge, INF)):
        assert [ulp.nearest(exactly(s * value), fmt) for s in (1, -1)] == [expected, -expected]
    bottom = Fraction(fmt.smallest) / 2
    for value, expected in ((bottom + hair, fmt.smallest), (bottom, 0.0), (bottom - hair, 0.0), (3 * bottom, 2 * fmt.smallest)):
        for sign in (1, -1):
            got = ulp.nearest(exactly(sign * value), fmt)
            assert (got, math.copysign(1, got)) == (sign * expected, sign)
    for exponent in (10**4, 10**15, 10**400):
        assert ulp.nearest(mpmath.ldexp(-1, exponent), fmt) == -INF
        assert ulp.nearest(mpmath.ldexp(3, -exponent), fmt) == 0


@each_format
def test_special_values_and_plain_numbers(fmt: Format) -> None:
    """NaN, infinities and 0 are themselves; ints and floats are taken as they are."""
    assert math.isnan(ulp.nearest(mpmath.nan, fmt))
    assert [ulp.nearest(v, fmt) for v in (mpmath.inf, -mpmath.inf, mpmath.mpf(0), INF, 0, 3, 0.5)] == [
        INF,
        -INF,
        0,
        INF,
        0,
        3,
        0.5,
    ]


def test_the_caller_s_precision_does_not_matter() -> None:
    """A number of 80 bits is rounded from all 80, though mpmath's default is 53: the tie is none."""
    above = Fraction(1) + Fraction(1, 1 << 24) + Fraction(1, 1 << 80)
    for prec in (10, 53, 200):
        with mpmath.workprec(prec):
            assert ulp.nearest(exactly(above), FORMATS["float32"]) == 1 + 2.0**-23
            assert ulp.nearest(0.1, FORMATS["float64"]) == 0.1


@pytest.mark.parametrize("name", ["float16", "float32"])
def test_it_rounds_as_numpy_does(name: str) -> None:
    """Against NumPy's own conversion of float64, signs of zeros too; ties and edges are in the other tests."""
    narrow, fmt = TYPES[name], FORMATS[name]

    @given(st.one_of(st.floats(), st.floats(-2 * fmt.largest, 2 * fmt.largest), st.floats(-4 * fmt.tiny, 4 * fmt.tiny)))
    @example(fmt.largest * (1 + fmt.eps / 4))
    @example(-fmt.smallest / 2)
    def check(value: float) -> None:
        with np.errstate(over="ignore", under="ignore"):
            expected = float(np.float64(value).astype(narrow))
        got = ulp.nearest(value, fmt)
        assert np.array_equal(got, expected, equal_nan=True)
        assert value == 0 or math.isnan(value) or math.copysign(1, got) == math.copysign(1, expected)

    check()


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(-60, -50), st.integers(-(1 << 40), 1 << 40))
def test_it_rounds_as_python_s_fractions_do(head: float, shift: int, tail: int) -> None:
    """A float64 with 40 bits more, rounded to float64: what Python's exact division of integers gives."""
    value = Fraction(head) + Fraction(math.ulp(head)) * tail * Fraction(2) ** shift
    expected = value.numerator / value.denominator if abs(value) < 2**1023 else ulp.nearest(exactly(value), FORMATS["float64"])
    assert ulp.nearest(exactly(value), FORMATS["float64"]) == expected


# ---- split ------------------------------------------------------------------------------------------------------------------


@given(st.integers(1, 1 << 106), st.integers(-1000, 800), st.sampled_from([1, -1]))
def test_split_loses_nothing_of_106_bits(odd: int, exponent: int, sign: int) -> None:
    """hi is the nearest float64 and hi + lo the number itself, where both are in range."""
    value = sign * odd * Fraction(2) ** exponent
    (hi,), (lo,) = ulp.split([exactly(value)])
    assert hi == ulp.nearest(exactly(value), FORMATS["float64"])
    assert abs(lo) <= math.ulp(hi) / 2
    error = Fraction(float(hi)) + Fraction(float(lo)) - value
    assert abs(error) <= max(abs(value) / 2**107, Fraction(5e-324) / 2)
    if exponent > -960:
        assert odd.bit_length() > 106 or error == 0


def test_split_at_the_ends() -> None:
    """Infinities, NaN, overflow and numbers far below the smallest: lo is 0, and nothing is NaN that is not."""
    values = [mpmath.inf, -mpmath.inf, mpmath.nan, mpmath.ldexp(1, 1024), mpmath.ldexp(1, -(10**15)), mpmath.mpf(0)]
    hi, lo = ulp.split(values)
    np.testing.assert_array_equal(hi, [INF, -INF, NAN, INF, 0, 0])
    np.testing.assert_array_equal(lo, np.zeros(6))
    hi, lo = ulp.split([])
    assert hi.shape == lo.shape == (0,)
    assert hi.dtype == lo.dtype == np.float64


def test_split_reads_every_bit_whatever_the_caller_s_precision() -> None:
    """A third, to 200 bits: lo holds the 53 bits after hi's."""
    with mpmath.workprec(200):
        third = mpmath.mpf(1) / 3
    for prec in (10, 53, 300):
        with mpmath.workprec(prec):
            (hi,), (lo,) = ulp.split([third])
        assert hi == 1 / 3
        assert lo != 0
        assert abs(Fraction(float(hi)) + Fraction(float(lo)) - Fraction(1, 3)) < Fraction(1, 2**107)


# ---- ulp --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_spacing_is_the_distance_to_the_next_number(name: str) -> None:
    """For every number of a 16-bit format, either sign."""
    values = numbers_of(FORMATS[name])
    np.testing.assert_array_equal(ulp.ulp(values[:-1], FORMATS[name]), np.diff(values))
    np.testing.assert_array_equal(ulp.ulp(-values[:-1], FORMATS[name]), np.diff(values))


@each_format
def test_spacing_at_the_edges_of_binades(fmt: Format) -> None:
    """A power of two has its upper binade's spacing, the number below it the lower's; 0 and subnormals the smallest number."""
    for exponent in (fmt.emin + 1, -1, 0, 1, fmt.emax):
        power = math.ldexp(1.0, exponent)
        below = math.nextafter(power, 0)
        assert ulp.ulp([power, below], fmt).tolist() == [power * fmt.eps, power * fmt.eps / 2]
    for value in (0.0, -0.0, fmt.smallest, fmt.tiny / 2, fmt.tiny):
        assert ulp.ulp(value, fmt) == fmt.smallest
    assert ulp.ulp([fmt.largest, 1.7e308, INF], fmt).tolist() == [math.ldexp(fmt.eps, fmt.emax)] * 3


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_spacing_of_float64_is_python_s(value: float) -> None:
    """math.ulp, but for the sign."""
    assert ulp.ulp(value, FORMATS["float64"]) == math.ulp(value)


# ---- errors -----------------------------------------------------------------------------------------------------------------


def error(got: float, hi: float, fmt: Format, lo: float = 0.0, scale: float | None = None) -> float:
    return float(ulp.errors([got], [hi], [lo], fmt, scale=None if scale is None else [scale])[0])


@each_format
def test_errors_are_total(fmt: Format) -> None:
    """NaN, infinities, zeros and signs: what is right is 0, what is wrong ∞, and a finite number of units everything else."""
    x = 1.5
    for got, exact, expected in (
        (NAN, NAN, 0.0),
        (NAN, x, INF),
        (x, NAN, INF),
        (NAN, INF, INF),
        (INF, NAN, INF),
        (NAN, 0.0, INF),
        (INF, INF, 0.0),
        (-INF, -INF, 0.0),
        (INF, -INF, INF),
        (-INF, INF, INF),
        (INF, x, INF),
        (x, INF, INF),
        (fmt.largest, INF, INF),
        (0.0, 0.0, 0.0),
        (-0.0, 0.0, 0.0),
        (0.0, -0.0, 0.0),
        (fmt.smallest, 0.0, 1.0),
        (0.0, -fmt.smallest, 1.0),
        (x, x, 0.0),
        (x + fmt.eps, x, 1.0),
        (-x, x, 3.0 / fmt.eps),
        (0.0, 1.0, 1.0 / fmt.eps),
    ):
        assert error(got, exact, fmt) == expected, (got, exact)


@each_format
def test_errors_about_the_overflow_threshold(fmt: Format) -> None:
    """∞ is right where the exact value rounds to it, lo included, and wrong just below; so is the largest number."""
    edge = fmt.largest + math.ldexp(1.0, fmt.emax - fmt.digits)
    if fmt.name == "float64":
        assert edge == INF
        return
    for sign in (1, -1):
        at, below = math.copysign(edge, sign), math.copysign(math.ulp(edge), -sign) / 4
        assert error(sign * INF, at, fmt) == 0
        assert error(sign * INF, at, fmt, -below) == 0
        assert error(sign * INF, at, fmt, below) == INF
        assert error(sign * fmt.largest, at, fmt) == INF
        assert error(sign * fmt.largest, at, fmt, below) == 0.5 - abs(below) / math.ldexp(fmt.eps, fmt.emax)
        assert error(-sign * INF, 2 * at, fmt) == INF


@each_format
def test_errors_count_from_the_exact_value(fmt: Format) -> None:
    """Not from the rounded one: lo counts, down to 2^-50 of a unit, so that the best is ½ and no better."""
    part = fmt.eps / 4
    hi, lo = (1.0, part) if fmt.name == "float64" else (1.0 + part, 0.0)
    assert [error(got, hi, fmt, lo) for got in (1.0, 1.0 + fmt.eps)] == [0.25, 0.75]
    assert error(1.0, 1.0, fmt, 2.0**-60) == 2.0**-60 / fmt.eps
    assert error(1.5, 1.5, fmt, -(2.0**-60)) == 2.0**-60 / fmt.eps


@each_format
def test_errors_just_below_a_power_of_two_count_in_the_lower_binade(fmt: Format) -> None:
    """hi may be the power of two though the exact value lies below it, where numbers are twice as dense."""
    for power in (1.0, -2.0, 4 * fmt.tiny):
        inwards = -math.copysign(abs(power) * 2.0**-60, power)
        unit = abs(power) * fmt.eps
        assert error(power, power, fmt, -inwards) == abs(inwards) / unit
        assert error(power, power, fmt, inwards) == abs(inwards) / (unit / 2)
    assert error(0.0, fmt.tiny, fmt, -fmt.tiny * 2.0**-60) == 2 ** (fmt.digits - 1)


@each_format
def test_errors_by_scale(fmt: Format) -> None:
    """A larger scale sets the unit; a smaller one does not; an infinite one is the largest number's."""
    assert error(3.0, 1.0, fmt, scale=64.0) == 2.0 / (64 * fmt.eps)
    assert error(3.0, 1.0, fmt, scale=0.25) == 2.0 / fmt.eps
    assert error(fmt.smallest, 0.0, fmt, scale=1.0) == fmt.smallest / fmt.eps
    assert error(1.0, 0.0, fmt, scale=INF) == 1 / math.ldexp(fmt.eps, fmt.emax)
    assert error(NAN, 1.0, fmt, scale=4.0) == INF


@each_format
def test_a_nearest_number_is_within_half_a_unit(fmt: Format) -> None:
    """Rounding and ruler agree: the nearest number is off by at most ½, its neighbours by at least that."""
    for low, high in neighbours(fmt):
        with mpmath.workprec(1300):
            values = [low + (mpmath.mpf(high) - low) * mpmath.mpf(k) / 7 for k in range(1, 7)]
        hi, lo = ulp.split(values)
        rounded = [ulp.nearest(value, fmt) for value in values]
        assert np.all(ulp.errors(rounded, hi, lo, fmt) <= 0.5)
        others = [low if r == high else high for r in rounded]
        assert np.all(ulp.errors(others, hi, lo, fmt) >= 0.5)


def test_errors_broadcast_and_never_warn() -> None:
    """Shapes are NumPy's; no value gives a warning (here an error)."""
    specials = np.asarray([NAN, INF, -INF, 0.0, -0.0, 5e-324, 1.0, -1.8e308 / 2, 1.7e308])
    for fmt in FORMATS.values():
        got = ulp.errors(specials[:, None], specials[None, :], 0.0, fmt)
        assert got.shape == (9, 9)
        assert not np.isnan(got).any()
        finite = np.abs(np.diag(got))[[0, 3, 4, 5, 6]]
        np.testing.assert_array_equal(finite, 0.0)

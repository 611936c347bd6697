"""Elementary functions for compiled loops, of nothing but additions, products, fused multiply-adds and operations on bits.

A call of the C library's `exp` keeps a loop from using vectors. These are programs of symbols like the formulas themselves
(`focal_ref.engine.compiled_symbols`), without branches and tables. Each adds its last terms to the largest one with that one's
rounding error known, so that little more than the last rounding is seen: at most 0.75 ULP is measured where 1 is promised.
Fused multiply-adds are asked for by name and stand nowhere else: the formulas' own products and sums are never contracted.

Where results are to be rounded to a narrower type (`narrow`) the last terms are added plainly, polynomials are shorter, and
subnormal numbers may be 0: relative errors up to 2^(−47), or 2^(−45) where float32 has no such number, and at most 0.5001 ULP
after that rounding. Where a value is known to be at most 0, or 1 (`most`), what only larger ones need is left out.

Methods
-------
exp : x = k ln 2 + r with ln 2 in two parts (Cody and Waite, 1980), e^r by a polynomial, 2^k in two factors so that subnormal
    results are rounded once.
log : x = 2^k m, √½ ≤ m < √2, log m = 2 artanh(s) with s = (m − 1)/(m + 1) (as in fdlibm), s with its rounding error.
pow : exp(γ log u), the logarithm in two numbers: γ multiplies its error. For u ≥ 0.

The coefficients are Chebyshev fits in 50 digits: of (e^r − 1 − r)/r² on |r| ≤ ln 2/2 (times r², wrong by 2e-19) and of
(2 artanh(s) − 2 s − 2 s³/3)/s⁵ in s² (relatively to log m, by 8e-22). The narrow ones: of the first with two terms less
(1e-15), and of (log(1 + e) − e)/e² on 0 ≤ e ≤ 1 (relatively to log(1 + e), by 2e-15).
"""

from __future__ import annotations

from typing import Any

from .compiled_bits import FRACTION, SHIFT, WHOLE, power_of_two

__all__ = ["exp", "expm1", "log", "log1p", "power"]

LOG2_E = float.fromhex("0x1.71547652b82fep+0")
LN2_HIGH, LN2_LOW = float.fromhex("0x1.62e42fefa3800p-1"), float.fromhex("0x1.ef35793c76730p-45")
"""ln 2: the first has 42 bits, so that its products with exponents are exact."""
LN2 = float.fromhex("0x1.62e42fefa39efp-1")
NARROW_RANGE, BEYOND_NARROW = 1023 * LN2, 710.0
"""Beyond the first, e^(−x) counts as 0 where results are narrow, and e^x as infinite a little before the second."""
BEYOND = 800.0
"""Where e^x has long been 0 or infinite."""
_EXP = tuple(
    map(
        float.fromhex,
        (
            "0x1.1f7340dbc337ep-29",
            "0x1.af4e554377204p-26",
            "0x1.27e4db46cddd1p-22",
            "0x1.71de01fdbf9cap-19",
            "0x1.a01a01a6e1e2ap-16",
            "0x1.a01a01abf85abp-13",
            "0x1.6c16c16c162c3p-10",
            "0x1.11111111100bep-7",
            "0x1.5555555555556p-5",
            "0x1.5555555555557p-3",
            "0x1.0000000000000p-1",
        ),
    )
)
_NARROW_EXP = tuple(
    map(
        float.fromhex,
        (
            "0x1.288086e30de06p-22",
            "0x1.72c7955723cd3p-19",
            "0x1.a019c9730de52p-16",
            "0x1.a019ad57d7672p-13",
            "0x1.6c16c1739a0bep-10",
            "0x1.1111111c56b1dp-7",
            "0x1.5555555554ca7p-5",
            "0x1.5555555553b49p-3",
            "0x1.0000000000000p-1",
        ),
    )
)
_NARROW_LOG1P = tuple(
    map(
        float.fromhex,
        (
            "0x1.56ff17184f57cp-14",
            "-0x1.b0000bc3d81a1p-11",
            "0x1.0119404361095p-8",
            "-0x1.83b67b38f3337p-7",
            "0x1.a4d7e9fc20340p-6",
            "-0x1.64747f45c0385p-5",
            "0x1.f6a93f39887c2p-5",
            "-0x1.38dbd5ecde341p-4",
            "0x1.6a5ad8ee71e21p-4",
            "-0x1.96e1e623bbe36p-4",
            "0x1.c68db328fef8ep-4",
            "-0x1.ffea7d2ec7805p-4",
            "0x1.2491240efe6b3p-3",
            "-0x1.5555407fca147p-3",
            "0x1.999998b1335c7p-3",
            "-0x1.fffffffa9ff43p-3",
            "0x1.555555554efd3p-2",
            "-0x1.fffffffffffd8p-2",
        ),
    )
)
TWO_THIRDS, TWO_THIRDS_LOW = float.fromhex("0x1.5555555555555p-1"), float.fromhex("0x1.5555555555555p-55")
_ARTANH = tuple(
    map(
        float.fromhex,
        (
            "0x1.e047dc948b342p-4",
            "0x1.df7a59e3800a4p-4",
            "0x1.1118d3897ce82p-3",
            "0x1.3b13959b3d042p-3",
            "0x1.745d177b19965p-3",
            "0x1.c71c71c6ea0c5p-3",
            "0x1.2492492492523p-2",
            "0x1.999999999999ap-2",
        ),
    )
)
_ROOT_HALF = 0x3FE6A09E00000000
"""The bits of about √½: significands are taken from there on."""
_ONE = 0x3FF0000000000000


def exp(xp: Any, x: Any, low: Any = None) -> Any:
    """e^(x + low), for |low| far below 1."""
    if xp.narrow:
        return _narrow_exp(xp, x, low)
    r, error, steps = _reduced(xp, x, low)
    big, small = _near_one(xp, r, error)
    half = xp.fma(steps, 0.5, SHIFT) - SHIFT
    return (big + small) * power_of_two(xp, half) * power_of_two(xp, steps - half)


def _narrow_exp(xp: Any, x: Any, low: Any) -> Any:
    """`exp` with its plain sum; 2^k, for k from −1023 on, is 0 or infinite where e^x counts as that."""
    inside = xp.where(x < -NARROW_RANGE, -NARROW_RANGE, x)
    if x.most > 0:
        inside = xp.where(inside > BEYOND_NARROW, BEYOND_NARROW, inside)
    shifted = xp.fma(inside, LOG2_E, SHIFT)
    r = xp.fma(SHIFT - shifted, LN2, inside)
    r = r if low is None else r + low
    near_one = 1.0 + xp.fma(r * r, _in_two(xp, r, _NARROW_EXP), r)
    found = near_one * xp.from_bits(xp.shifted_left(xp.bits(shifted) + 1023, 52))
    return xp.at_most(found, 1.0) if x.most <= 0 else found


def expm1(xp: Any, x: Any) -> Any:
    """e^x − 1; the last two terms are halved, so that 2^1024 needn't be a number."""
    r, error, steps = _reduced(xp, x, None)
    scale = power_of_two(xp, xp.where(steps < -60.0, -60.0, steps) - 1.0)
    square = r * r
    beyond = xp.fma(error, 1.0 + r, square * r * _polynomial(xp, r, _EXP[:-1]))
    rest = 0.5 * square + xp.fma(0.5, xp.fma(r, r, -square), beyond)
    first, second = scale - 0.5, scale * r
    total = first + second
    back = total - first
    lost = (first - (total - back)) + (second - back) - (0.5 + (first - scale))
    found = 2.0 * (total + (lost + scale * rest))
    return xp.where(xp.abs(x) < 2.0**-54, x, xp.where(x > 710.0, xp.inf, found))


def _reduced(xp: Any, x: Any, low: Any) -> tuple[Any, Any, Any]:
    """r, what its rounding took, and k, of x + low = k ln 2 + r."""
    x = xp.where(x > BEYOND, BEYOND, xp.where(x < -BEYOND, -BEYOND, x))
    steps = xp.fma(x, LOG2_E, SHIFT) - SHIFT
    back = -steps
    rough = xp.fma(back, LN2_HIGH, x)
    r = xp.fma(back, LN2_LOW, rough)
    error = xp.fma(back, LN2_LOW, rough - r)
    return r, error if low is None else error + low, steps


def _near_one(xp: Any, r: Any, error: Any) -> tuple[Any, Any]:
    """e^(r + error) as 1 + r and the rest."""
    square = r * r * _polynomial(xp, r, _EXP)
    big = 1.0 + r
    return big, (r - (big - 1.0)) + xp.fma(error, big + square, square)


def _polynomial(xp: Any, x: Any, coefficients: tuple[float, ...]) -> Any:
    """By Horner's rule, the highest power first."""
    found: Any = coefficients[0]
    for coefficient in coefficients[1:]:
        found = xp.fma(found, x, coefficient)
    return found


def _in_two(xp: Any, x: Any, coefficients: tuple[float, ...]) -> Any:
    """By Horner's rule for even and odd powers apart, which needn't wait for each other."""
    square = x * x
    return xp.fma(_polynomial(xp, square, coefficients[-2::-2][::-1]), x, _polynomial(xp, square, coefficients[::-2][::-1]))


def log(xp: Any, x: Any) -> Any:
    """The natural logarithm."""
    m, steps = _significand(xp, x)
    if xp.narrow:
        return _limits(xp, x, _narrow_logarithm(xp, m - 1.0, steps))
    high, low = _logarithm(xp, m - 1.0, None, steps, False)
    return _limits(xp, x, high + low)


def _narrow_logarithm(xp: Any, f: Any, steps: Any) -> Any:
    """log(1 + f) + steps · ln 2 = f − s (f − s² …) + …: what s lacks meets f²/2 only."""
    s = f / (2.0 + f)
    square = s * s
    series = square * xp.fma(square, _polynomial(xp, square, _ARTANH), TWO_THIRDS)
    return xp.fma(steps, LN2_HIGH, xp.fma(steps, LN2_LOW, f - s * (f - series)))


def log1p(xp: Any, x: Any) -> Any:
    """log(1 + x): what the rounding of 1 + x took is put back into the significand."""
    total = 1.0 + x
    if xp.narrow and x.most <= 1:
        return xp.fma(x * x, _in_two(xp, x, _NARROW_LOG1P), x)
    if xp.narrow:
        m, steps = _significand(xp, total, normal=True)
        found = _narrow_logarithm(xp, xp.where(steps == 0, x, m - 1.0), steps)
        return _limits(xp, total, found)
    back = total - x
    lost = xp.where(x > 1.0, 1.0 - back, x - (total - 1.0))
    m, steps = _significand(xp, total, normal=True)
    f = m - 1.0
    low = lost * power_of_two(xp, xp.where(steps > 1000.0, -1000.0, -steps))
    high = f + low
    first, second = _logarithm(xp, high, low - (high - f), steps, False)
    return xp.where(xp.abs(x) < 2.0**-60, x, _limits(xp, total, first + second))


def power(xp: Any, u: Any, gamma: Any) -> Any:
    """u^gamma, for u ≥ 0."""
    if xp.narrow:
        # Up to where the result is 0, one number's error of the exponent is 2^(−43).
        m, steps = _significand(xp, u, normal=True)
        found = exp(xp, gamma * _narrow_logarithm(xp, m - 1.0, steps))
    else:
        found = _exact_power(xp, u, gamma)
    at_zero = xp.where(gamma > 0, 0.0, xp.inf)
    at_infinity = xp.where(gamma > 0, xp.inf, 0.0)
    found = xp.where(u == 0, at_zero, xp.where(u == xp.inf, at_infinity, found))
    found = xp.where((u >= 0) & (gamma == gamma), found, xp.nan)
    return xp.where((gamma == 0) | (u == 1), 1.0, found)


def _exact_power(xp: Any, u: Any, gamma: Any) -> Any:
    """The power of what is neither 0 nor infinite, with a logarithm in two numbers."""
    m, steps = _significand(xp, u)
    high, low = _logarithm(xp, m - 1.0, None, steps, True)
    total = high + low
    low = low - (total - high)
    product = gamma * total
    rest = xp.fma(gamma, total, -product) + gamma * low
    return exp(xp, product, xp.where(xp.abs(product) < BEYOND, rest, 0.0))


def _significand(xp: Any, x: Any, *, normal: bool = False) -> tuple[Any, Any]:
    """m between √½ and √2, and k, of x = 2^k m."""
    if normal:
        bits = xp.bits(x) + (_ONE - _ROOT_HALF)
        exponent = xp.from_bits(xp.shifted_right(bits, 52) | WHOLE) - (2.0**52 + 1023)
        return xp.from_bits((bits & FRACTION) + _ROOT_HALF), exponent
    tiny = x < 2.0**-1022
    bits = xp.bits(xp.where(tiny, x * 2.0**54, x)) + (_ONE - _ROOT_HALF)
    exponent = xp.from_bits(xp.shifted_right(bits, 52) | WHOLE) - xp.where(tiny, 2.0**52 + 1077, 2.0**52 + 1023)
    return xp.from_bits((bits & FRACTION) + _ROOT_HALF), exponent


def _logarithm(xp: Any, f: Any, low: Any, steps: Any, extended: bool) -> tuple[Any, Any]:
    """log(1 + f + low) + steps · ln 2 in two numbers; `extended`: to 2^(−64), else their sum to little over half an ULP."""
    below = 2.0 + f
    below_low = f - (below - 2.0)
    if low is not None:
        below_low = below_low + low
    inverse = 1.0 / below
    s = f * inverse
    rest = xp.fma(-s, below, f) - s * below_low
    s_low = (rest if low is None else rest + low) * inverse
    square = s * s
    cube, series = s * square, _polynomial(xp, square, _ARTANH)
    first, second = steps * LN2_HIGH, 2.0 * s
    high = first + second
    lost = second - (high - first)
    tail = xp.fma(steps, LN2_LOW, 2.0 * s_low)
    if not extended:
        return high, lost + xp.fma(cube, xp.fma(square, series, TWO_THIRDS), tail)
    square_low = xp.fma(s, s, -square) + 2.0 * s * s_low
    cube_low = xp.fma(s, square, -cube) + (s * square_low + s_low * square)
    third = cube * TWO_THIRDS
    third_low = xp.fma(cube, TWO_THIRDS, -third) + (cube_low * TWO_THIRDS + cube * TWO_THIRDS_LOW)
    total = high + third
    lost = lost + (third - (total - high))
    return total, lost + (cube * square * series + (third_low + tail))


def _limits(xp: Any, x: Any, found: Any) -> Any:
    """The logarithm of 0, of infinity, of what is below 0 and of NaN."""
    found = xp.where(x == xp.inf, xp.inf, xp.where(x >= 0, found, xp.nan))
    return xp.where(x == 0, -xp.inf, found)

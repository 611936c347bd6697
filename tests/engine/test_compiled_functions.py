"""The compiled loops' elementary functions are within an ULP of the truth, right at every limit, and the same in every lane."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest

pytest.importorskip("llvmlite", reason="compiled loops need llvmlite")

from focal_ref.conformance import ulp
from focal_ref.engine.compiled_build import address, build
from focal_ref.engine.compiled_printer import printed
from focal_ref.engine.compiled_symbols import Vectors
from focal_ref.engine.compiled_text import Cell, Loop

EACH = Cell("float64", "each")
SEED = np.random.default_rng(20)


def compiled(function: Callable[..., Any], operands: int, narrow: bool = False) -> Callable[..., Any]:
    """A function of symbols as one of float64 arrays."""
    xp = Vectors(narrow)
    given = [xp.argument("each", "number", i, True) for i in range(operands)]
    text = printed(xp, [EACH] * operands, [function(xp, *given)], [EACH], Loop("elements")).text
    loop = build(text, "ii" + "i" * (operands + 2))

    def run(*arrays: Any) -> Any:
        given = [np.ascontiguousarray(a, np.float64) for a in np.broadcast_arrays(*arrays)]
        result = np.empty(given[0].shape)
        loop(1, result.size, *map(address, given), address(result), 0)
        return result

    return run


FUNCTIONS = {name: compiled(lambda xp, x, name=name: getattr(xp, name)(x), 1) for name in ("exp", "expm1", "log", "log1p")}
NARROW = {name: compiled(lambda xp, x, name=name: getattr(xp, name)(x), 1, True) for name in FUNCTIONS}
POWER, NARROW_POWER = (compiled(lambda xp, u, gamma: u**gamma, 2, narrow) for narrow in (False, True))


def near(*centres: float) -> Any:
    """Numbers at, and a few steps beside, where a function changes its way."""
    steps = [np.nextafter(c, math.copysign(math.inf, way)) for c in centres for way in (-1, 1)]
    spread = [c * (1 + way * 2.0**-k) for c in centres for way in (-1, 1) for k in (10, 20, 30, 40, 52)]
    return np.asarray([*centres, *steps, *spread])


def halves(low: int, high: int) -> Any:
    """Where the reduction takes the next multiple of ln 2."""
    return near(*((np.arange(low, high) + 0.5) * math.log(2)))


LOGARITHMIC = np.exp2(SEED.uniform(-1073, 1023, 4000))
ROOT = math.sqrt(0.5)
POINTS = {
    "exp": [
        SEED.uniform(-745.2, 709.8, 4000),
        SEED.normal(0, 1, 4000),
        halves(-1075, 1023),
        near(-745.13, -708.4, 709.78, 800, -800),
    ],
    "expm1": [
        SEED.uniform(-60, 709.8, 4000),
        SEED.normal(0, 1, 4000),
        halves(-60, 1023),
        near(709.78, 710, 2.0**-54, -(2.0**-54), -41.6),
    ],
    "log": [LOGARITHMIC, SEED.uniform(0, 2, 4000), near(1, 0.5, 2, ROOT, 2 * ROOT, 2.0**-1022, 2.0**-1074, 1.7e308)],
    "log1p": [
        LOGARITHMIC,
        SEED.uniform(-1, 1, 4000),
        SEED.uniform(0, 5, 2000),
        near(ROOT - 1, 2 * ROOT - 1, 1, 2, 2.0**-60, -(2.0**-60), 2.0**53, 1.7e308),
    ],
}


REACHED = {"exp": 0.65, "expm1": 0.75, "log": 0.56, "log1p": 0.56}
"""In ULP, for results that are normal numbers; 1 is what is promised."""


def worst(measured: Any, exact: list[Any]) -> float:
    return float(np.max(ulp.errors(measured, *ulp.split(exact), ulp.FORMATS["float64"])))


@pytest.mark.slow
@pytest.mark.parametrize("name", POINTS)
def test_errors_are_below_an_ulp(name: str) -> None:
    """At random, and beside every place where a function changes its way."""
    x = np.concatenate(POINTS[name])
    with mpmath.workdps(40):
        exact = [getattr(mpmath, name)(mpmath.mpf(float(v))) for v in x]
    found = FUNCTIONS[name](x)
    assert worst(found, exact) <= 1.0
    normal = np.abs(found) >= 2.0**-1021
    assert worst(found[normal], [value for value, taken in zip(exact, normal, strict=True) if taken]) <= REACHED[name]


def test_powers_are_good_to_an_ulp_however_large_the_exponent() -> None:
    """γ multiplies the logarithm's error: with 53 bits of it, u^γ next to the smallest number would be wrong by 700 ULP."""
    u = np.concatenate(
        [SEED.uniform(0, 1, 3000), LOGARITHMIC[:1000], 1 - np.exp2(SEED.uniform(-53, -1, 2000)), near(1, ROOT, 0.5)]
    )
    gamma = np.exp2(SEED.uniform(-4, 4, u.size))
    steep = SEED.uniform(0, 745, u.size) / np.maximum(1e-300, -np.log(np.minimum(u, 1 - 1e-16)))
    for exponent in (gamma, steep, np.full(u.size, 2.5), np.full(u.size, 1.5)):
        kept = (exponent * np.log(u) > -745) & (exponent * np.log(u) < 709)
        with mpmath.workdps(40):
            exact = [mpmath.mpf(float(a)) ** mpmath.mpf(float(b)) for a, b in zip(u[kept], exponent[kept], strict=True)]
        assert worst(POWER(u, exponent)[kept], exact) <= 1.0


@pytest.mark.slow
@pytest.mark.skipif(np.finfo(np.longdouble).nmant < 63, reason="long double is no wider than float64 here")
@pytest.mark.parametrize("name", POINTS)
def test_a_million_points_each(name: str) -> None:
    """Against long double, whose own functions are good to 2^(−63)."""
    x = {
        "exp": SEED.uniform(-708, 708, 10**6),
        "expm1": np.concatenate([SEED.uniform(-40, 40, 500_000), SEED.normal(0, 0.5, 500_000)]),
        "log": np.concatenate([np.exp2(SEED.uniform(-1022, 1023, 500_000)), SEED.uniform(0.5, 2, 500_000)]),
        "log1p": np.concatenate([np.exp2(SEED.uniform(-60, 60, 500_000)), SEED.uniform(-0.99, 2, 500_000)]),
    }[name]
    found, exact = FUNCTIONS[name](x), getattr(np, name)(x.astype(np.longdouble))
    errors = np.abs(found - exact) / np.spacing(np.abs(exact.astype(np.float64)))
    assert errors.max() <= REACHED[name]
    normal = (np.abs(exact) > 2.0**-126) & (np.abs(exact) < 3e38)
    for function in (FUNCTIONS[name], NARROW[name]):
        single, truth = function(x)[normal].astype(np.float32), exact[normal]
        assert (np.abs(single - truth) / np.spacing(np.abs(truth.astype(np.float32)))).max() <= 0.502
    errors = np.abs(NARROW[name](x) - exact) / np.abs(exact)
    assert errors.max() <= 2.0**-45
    assert errors[normal].max() <= 2.0**-47


@pytest.mark.slow
@pytest.mark.skipif(np.finfo(np.longdouble).nmant < 63, reason="long double is no wider than float64 here")
def test_what_is_known_not_to_exceed_a_bound_is_as_exact() -> None:
    """e^(−|x|) and log(1 + e^(−|x|)) of narrow results leave out what larger arguments need."""
    x = np.concatenate([SEED.normal(0, 3, 300_000), SEED.uniform(-700, 700, 100_000), np.exp2(SEED.uniform(-60, 9, 100_000))])
    e, softplus = (compiled(function, 1, True)(x) for function in (_minus_magnitude, _softplus))
    exact = np.exp(-np.abs(x.astype(np.longdouble)))
    for found, truth in ((e, exact), (softplus, np.log1p(exact))):
        errors = np.abs(found - truth) / truth
        assert errors.max() <= 2.0**-45
        assert errors[truth > 2.0**-126].max() <= 2.0**-47
    limits = np.asarray([0.0, -0.0, math.inf, -math.inf, math.nan])
    np.testing.assert_array_equal(compiled(_minus_magnitude, 1, True)(limits), [1.0, 1.0, 0.0, 0.0, math.nan])
    np.testing.assert_allclose(compiled(_softplus, 1, True)(limits), np.log1p([1.0, 1.0, 0.0, 0.0, math.nan]), rtol=2.0**-48)


def _minus_magnitude(xp: Any, x: Any) -> Any:
    found = xp.exp(xp.where(x >= 0, -x, x))
    assert found.most == 1
    return found


def _softplus(xp: Any, x: Any) -> Any:
    return xp.log1p(_minus_magnitude(xp, x))


@pytest.mark.slow
@pytest.mark.skipif(np.finfo(np.longdouble).nmant < 63, reason="long double is no wider than float64 here")
def test_powers_of_narrow_results_are_good_enough_for_these() -> None:
    """Wherever float32 has such a number, and at the limits."""
    u = np.concatenate(
        [SEED.uniform(0, 1, 200_000), np.exp2(SEED.uniform(-149, 0, 100_000)), 1 - np.exp2(SEED.uniform(-53, -1, 9))]
    )
    gamma = np.exp2(SEED.uniform(-5, 10, u.size))
    exact = u.astype(np.longdouble) ** gamma
    kept = exact > 2.0**-149
    assert (np.abs(NARROW_POWER(u, gamma)[kept] - exact[kept]) / exact[kept]).max() <= 2.0**-43
    bases, exponents = np.meshgrid([0.0, 0.5, 1.0, math.inf, math.nan], [0.0, 0.5, 3.0, 1e300, math.inf, math.nan])
    with np.errstate(all="ignore"):
        expected = (bases**exponents).astype(np.float32)
    np.testing.assert_array_equal(NARROW_POWER(bases, exponents).astype(np.float32), expected)


LIMITS = [0.0, -0.0, math.inf, -math.inf, math.nan, 5e-324, -5e-324, 1e-310, -1e-310, 1.0, -1.0, -2.0, 1e308, -1e308]


@pytest.mark.parametrize("name", POINTS)
def test_limits_are_numpy_s_with_their_signs(name: str) -> None:
    """At 0, −0, infinities, NaN, subnormal numbers and beyond the domain."""
    with np.errstate(all="ignore"):
        expected = getattr(np, name)(np.asarray(LIMITS))
    assert np.array_equal(*(f[name](np.asarray(LIMITS)).astype(np.float32) for f in (FUNCTIONS, NARROW)), equal_nan=True)
    found = FUNCTIONS[name](np.asarray(LIMITS))
    exact = ~np.isfinite(expected) | (expected == 0) | (expected == 1)
    np.testing.assert_array_equal(found[exact], expected[exact])
    np.testing.assert_array_equal(np.signbit(found)[~np.isnan(found)], np.signbit(expected)[~np.isnan(found)])


def test_limits_of_powers_are_numpy_s() -> None:
    """For bases that are not below 0, where nothing is promised but NaN."""
    bases, exponents = np.meshgrid(
        [0.0, 5e-324, 0.5, 1.0, 2.0, math.inf, math.nan], [0.0, 0.5, 3.0, 1e300, math.inf, math.nan, -1.0]
    )
    with np.errstate(all="ignore"):
        expected = bases**exponents
    found = POWER(bases, exponents)
    exact = ~np.isfinite(expected) | (expected == 0) | (expected == 1)
    np.testing.assert_array_equal(found[exact], expected[exact])
    assert np.isnan(POWER(np.asarray([-1.0, -0.5]), np.asarray([0.5, 2.0]))).all()


@pytest.mark.parametrize("name", POINTS)
def test_bits_depend_on_neither_place_nor_length(name: str) -> None:
    """Every start within a vector, every length around one."""
    x = np.abs(SEED.normal(0, 1, 40))
    whole = FUNCTIONS[name](x)
    for start in range(9):
        for stop in range(start + 1, 40):
            np.testing.assert_array_equal(FUNCTIONS[name](x[start:stop]), whole[start:stop])

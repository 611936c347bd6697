"""Pairs of float64: arithmetic and functions to 2^−88 on both engines' ways, whatever the size of a number; rounding to odd."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import mpmath
import numpy as np
import pytest
from numpy.typing import NDArray

import focal_ref as fr
from focal_ref.conformance import ulp
from focal_ref.engine.numpy_bits import to_odd
from focal_ref.engine.numpy_blocks import ROW
from focal_ref.engine.run import formulas_namespace, run
from focal_ref.family.focal import Focal
from focal_ref.losses.plan import Plan
from focal_ref.mathematics.pairs import Pairs

Floats = NDArray[np.float64]

PROMISED = 2.0**-88
PLAN = Plan(("value",), "float64", "float64", "hard", True, False, Focal, exact="float64")
RNG = np.random.default_rng(3)
WIDE = np.concatenate([10 ** RNG.uniform(-320, 308, 200), RNG.uniform(0, 2, 200), 1 + RNG.normal(0, 1e-9, 50), [1.0, 5e-324]])
NEAR = np.concatenate([RNG.uniform(-1, 1, 100), RNG.uniform(-700, 700, 100), 10 ** RNG.uniform(-300, 0, 100), [0.25, -0.25]])

FUNCTIONS: dict[str, tuple[Callable[[Any, Any], Any], Callable[[Any], Any], Floats]] = {
    "exp": (lambda xp, x: xp.exp(x), mpmath.exp, NEAR),
    "expm1": (lambda xp, x: xp.expm1(x), mpmath.expm1, NEAR),
    "log": (lambda xp, x: xp.log(x), mpmath.log, WIDE),
    "log1p": (lambda xp, x: xp.log1p(x), mpmath.log1p, np.concatenate([WIDE, -RNG.uniform(0, 0.9, 50), -WIDE[-60:-55] / 3])),
    "pow": (lambda xp, x: x**1.7, lambda x: x ** mpmath.mpf(1.7), WIDE[WIDE < 1e150]),
    "sum": (lambda xp, x: (x + 1) + 1e-9, lambda x: x + 1 + mpmath.mpf(1e-9), WIDE),
    "difference": (lambda xp, x: (x + 1e-3) - x, lambda x: mpmath.mpf(1e-3), WIDE[WIDE < 1e10]),
    "product": (lambda xp, x: x * x / 3, lambda x: x * x / 3, WIDE),
    "quotient": (lambda xp, x: 1 / (x * 1e300), lambda x: 1 / (x * mpmath.mpf(1e300)), WIDE),
}


def _as_parts(found: Any) -> tuple[Any, ...]:
    """High, low and the power of two."""
    return found.high, 0 * found.high + found.low, 0 * found.high + found.power


@pytest.mark.parametrize("engine", ["numpy", "compiled"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name: str, engine: Any) -> None:
    """Relatively wrong by at most 2^−88, also where float64 would over- or underflow (a difference: of its terms)."""
    of, exactly, x = FUNCTIONS[name]

    def program(xp: Any, x: Any, *, plan: Any = None) -> Any:
        pairs = Pairs(xp)
        return _as_parts(of(pairs, pairs.pair(x)))

    with fr.set_engine(engine), np.errstate(all="ignore"):
        high, low, power = _found(program, x, engine)
    with mpmath.workprec(400):
        for at, h, lo, k in zip(x.tolist(), high.tolist(), low.tolist(), power.tolist(), strict=True):
            got, due = (mpmath.mpf(h) + mpmath.mpf(lo)) * mpmath.mpf(2) ** int(k), exactly(mpmath.mpf(at))
            size = max(abs(due), mpmath.mpf(at) if name == "difference" else 0)
            assert abs(got - due) <= PROMISED * size, at


def _found(program: Any, x: Floats, engine: str) -> Any:
    if engine == "numpy":
        return program(formulas_namespace(x), x)
    # A plan whose formulas are in pairs.
    return run(partial(program, plan=PLAN), [x], [ROW], [(ROW, np.float64)] * 3, "float64")


def test_limits_and_comparisons() -> None:
    """Infinities, NaN and 0 go through arithmetic as they do in float64, and compare as they do there."""
    x = np.asarray([0.0, 1.0, -2.5, np.inf, -np.inf, np.nan, 5e-324, 1.7e308])
    pairs = Pairs(formulas_namespace(x))
    a, b = (pairs.pair(v) for v in np.meshgrid(x, x))
    left, right = np.meshgrid(x, x)
    with np.errstate(all="ignore"):
        for got, due in ((a + b, left + right), (a - b, left - right), (a * b, left * right)):
            np.testing.assert_array_equal(np.asarray(pairs.rounded(got, 53), float), due)
        for got, due in ((a < b, left < right), (a <= b, left <= right), (a == b, left == right), (a != b, left != right)):
            np.testing.assert_array_equal(got, due)
        for name in ("exp", "log1p"):
            due = getattr(np, name)(x)
            np.testing.assert_allclose(pairs.rounded(getattr(pairs, name)(pairs.pair(x)), 53), due, rtol=1e-15)
    with pytest.raises(AttributeError, match="have no 'sinh'"):
        pairs.sinh(a)


def test_sums_of_rows() -> None:
    """Rows whose terms cancel, and whose sizes lie far apart, to 2^−88 of their absolute sum."""
    for classes in (1, 2, 7, 1000):
        x = RNG.normal(0, 1, (4, classes)) * 10.0 ** RNG.uniform(-200, 200, (4, classes))
        x[0, : classes // 2] = -x[0, classes - classes // 2 :]
        pairs = Pairs(formulas_namespace(x))
        found = pairs.sum(pairs.pair(x) * 1e-200, axis=-1)
        with mpmath.workprec(3000):
            for row, h, lo, k in zip(x.tolist(), found.high, found.low, found.power, strict=True):
                terms = [mpmath.mpf(v) * mpmath.mpf(1e-200) for v in row]
                got = (mpmath.mpf(float(h)) + mpmath.mpf(float(lo))) * mpmath.mpf(2) ** int(k)
                assert abs(got - mpmath.fsum(terms)) <= PROMISED * mpmath.fsum(map(abs, terms))


@pytest.mark.parametrize(("dtype", "digits"), [("float32", 53), ("float16", 24), ("bfloat16", 24)])
def test_rounding_to_odd(dtype: str, digits: int) -> None:
    """high + low rounds to the narrower type as the exact sum does, next to its ties, where high alone is a tie."""
    fmt = ulp.FORMATS[dtype]
    for m, side in itertools.product(range(1, 200, 7), (-1, 0, 1)):
        tie = np.float64(np.ldexp(1 + (2 * m + 1) * 2.0 ** (-fmt.digits), 3))
        low = np.float64(side * tie * 2.0**-80)
        got = float(to_odd(tie, low, digits))
        with mpmath.workprec(300):
            due = ulp.nearest(mpmath.mpf(float(tie)) + mpmath.mpf(float(low)), fmt)
        assert ulp.nearest(got, fmt) == due, (m, side)

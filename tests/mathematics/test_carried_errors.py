"""What rounding takes along the way is known: a number and its `low` are nearer to the exact one than the type allows."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest

import focal_ref as fr
from focal_ref.conformance import ulp
from focal_ref.engine import arrays, precision
from focal_ref.engine.numpy_blocks import CLASSES, ROW
from focal_ref.engine.run import run as engine_run
from focal_ref.mathematics import margin, sigmoid, softmax, sums

RNG = np.random.default_rng(11)
LEFT = 0.22
"""ULP of a quotient that stay unknown: the product that checks it is rounded, too. Without its low it would be 1.5 or more."""
LEFT_OF_A_SUM = 2.0**-16
"""ULP of a sum that stay unknown: its errors' own errors."""
NEAR_TIES = np.where(np.arange(9) < 2, RNG.uniform(-0.3, 0.3, (40, 9)), -40.0)
SPREAD = [RNG.normal(0, s, (4, 9)) for s in (0.3, 3, 30)]
ROWS = np.concatenate([NEAR_TIES, *SPREAD, np.eye(9)[:3] * 12, -np.eye(9)[:3] * 7, np.zeros((1, 9))])
TARGETS = np.concatenate([np.argmin(NEAR_TIES[:, :2], axis=1), np.arange(len(ROWS) - 40) % 9])


@pytest.fixture(params=["float32", "float64"])
def dtype(request: pytest.FixtureRequest, backend: Any) -> Any:
    """Types that errors are carried along in, where the backend has them."""
    if not backend.has(request.param):
        pytest.skip(f"{backend.name} has no {request.param}")
    return request.param


def run(backend: Any, program: Any, *arguments: Any, kinds: str) -> list[Any]:
    """A program's results, in float64; `kinds` has an "r" (a row's) or "c" (a class's) for each."""
    outputs = [(CLASSES if kind == "c" else ROW, arguments[0].dtype) for kind in kinds]
    results = engine_run(program, arguments, [CLASSES] * len(arguments), outputs)
    return [backend.numpy(result) for result in results]


def exactly(*parts: float) -> Fraction:
    return sum((Fraction(float(part)) for part in parts), Fraction(0))


def off(found: Fraction, exact: Fraction, dtype: str) -> float:
    """The difference in ULP."""
    return float(abs(found - exact) / Fraction(float(ulp.ulp(float(exact), ulp.FORMATS[dtype]))))


def test_the_complement_of_a_sigmoid(backend: Any, dtype: str) -> None:
    """u + u_low is e/(1 + e) or 1/(1 + e), for the e that was computed, on both sides."""
    z = np.concatenate([np.linspace(-80, 80, 199), [0.0, 1e-3, -1e-9]])[:, None]

    def program(xp: Any, x: Any) -> Any:
        one, (toward, away) = sigmoid.sigmoid(xp, x, True), sigmoid.both_sigmoids(xp, x, True)
        e = xp.exp(xp.where(x >= 0, -x, x))
        return e, one.u, one.u_low, toward.u, toward.u_low, away.u, away.u_low

    e, *sides = run(backend, program, backend(z, dtype), kinds="ccccccc")
    np.testing.assert_array_equal(sides[:2], sides[2:4])
    for i in range(len(z)):
        small, large = exactly(e[i, 0]), Fraction(1)
        for u, low, up in zip(sides[0::2], sides[1::2], (z[i] >= 0, z[i] >= 0, z[i] < 0), strict=True):
            exact = (small if up else large) / (1 + small)
            assert off(exactly(u[i, 0], low[i, 0]), exact, dtype) < LEFT, z[i]


def test_exponentials(backend: Any, dtype: str) -> None:
    """E is exp(x − max x) to 2 ULP, never flushed, down to where that is subnormal; in the type of the formulas."""
    dtype = precision.formulas_type(arrays.look(backend([0.0], dtype)), dtype)
    floor = -100.0 if dtype == "float32" else -740.0
    gaps = np.concatenate([[0.0], np.linspace(floor, 0, 400), RNG.uniform(floor, 0, 400)])
    x = backend((gaps + 0.3)[None, :], dtype)

    def program(xp: Any, x: Any) -> Any:
        found = softmax.exponentials(xp, x, True)
        return found.e, found.low

    e, low = (a[0] for a in run(backend, program, x, kinds="cc"))
    scale = 2.0**40 if dtype == "float32" else 2.0**480
    given = backend.numpy(x)[0]
    with mpmath.workdps(40):
        exact = [mpmath.exp(mpmath.mpf(v) - mpmath.mpf(max(given))) * scale for v in given.tolist()]
    hi, lo = ulp.split(exact)
    assert ulp.errors(e, hi, lo, ulp.FORMATS[dtype]).max() < 2
    assert 0 < np.abs(low / e).max() <= np.finfo(dtype).eps / 2


@pytest.mark.parametrize("classes", [1, 2, 3, 9, 1000])
def test_sums(backend: Any, dtype: str, classes: int) -> None:
    """A sum and its low are Σ(terms + lows); the sum alone is rounded about once, with or without the largest term."""
    terms = backend(np.exp(RNG.normal(0, 3, (5, classes))), dtype)
    lows = backend(backend.numpy(terms) * RNG.uniform(-1, 1, (5, classes)) * np.finfo(dtype).eps / 2, dtype)

    def program(xp: Any, terms: Any, lows: Any) -> Any:
        total, low = sums.row_sum(xp, terms, lows)
        top = terms == xp.max(terms, axis=-1, keepdims=True)
        plain = sums.total_of(xp, terms, True)
        return total, low, plain, sums.exclusive_sum(xp, terms, plain, top, True)

    total, low, plain, others = run(backend, program, terms, lows, kinds="rrrc")
    for i, (row, row_lows) in enumerate(zip(backend.numpy(terms), backend.numpy(lows), strict=True)):
        assert off(exactly(total[i], low[i]), exactly(*row, *row_lows), dtype) < LEFT_OF_A_SUM
        top = int(np.argmax(row))
        without = np.delete(row, top)
        for got, exact in ((plain[i], exactly(*row)), (others[i, top], exactly(*without))):
            assert off(exactly(got), exact, dtype) <= 0.51


def test_the_complement_of_a_softmax(backend: Any, dtype: str) -> None:
    """u + u_low is the others' share, for the E and lows that were computed; a target that leads, ties or trails."""
    targets = np.arange(9) == TARGETS[:, None]

    def program(xp: Any, x: Any, target: Any) -> Any:
        found, row = softmax.exponentials(xp, x, True), softmax.softmax(xp, x, target, True)
        return found.e, found.low, row.margin.u, row.margin.u_low

    e, low, u, u_low = run(backend, program, backend(ROWS, dtype), backend(targets), kinds="ccrr")
    for i, t in enumerate(TARGETS):
        exponentials = [exactly(*pair) for pair in zip(e[i], low[i], strict=True)]
        total = sum(exponentials, Fraction(0))
        assert off(exactly(u[i], u_low[i]), (total - exponentials[t]) / total, dtype) < LEFT, ROWS[i]


def test_shares_of_a_row_whose_small_terms_matter_together(backend: Any, dtype: str) -> None:
    """1000 classes, most too small to change a plain sum one by one: q (1 − q) and Σ q v hold to a few ULP all the same."""
    bits = 24 if dtype == "float32" else 53
    small = 0.9 * 2.0 ** -(bits + 1)
    row = np.log(np.concatenate([[1.0, 1.0, 0.5], np.full(997, small)]))[None, :]
    tangent = (np.arange(1000) > 1)[None, :] * 1.0

    def program(xp: Any, x: Any, target: Any, v: Any) -> Any:
        found = softmax.softmax(xp, x, target, True)
        zero, one = xp.zeros_like(found.margin.p), xp.ones_like(found.margin.p)
        spread, straight = margin.Jet(None, -one, zero), margin.Jet(None, zero, one)
        q = softmax.shares(xp, found) / softmax.UNDERFLOW_GUARD
        classes = xp.arange(1000, device=arrays.device_of(x))
        diagonal = softmax.softmax_hessian_diag(xp, found, spread, classes, True)
        return q, diagonal, softmax.softmax_hvp(xp, found, straight, v, classes, True)

    target = backend((np.arange(1000) == 0)[None, :])
    q, diagonal, product = (
        a[0] for a in run(backend, program, backend(row, dtype), target, backend(tangent, dtype), kinds="ccc")
    )
    e = [exactly(x) for x in backend.numpy(backend(np.exp(row), dtype))[0]]
    others = sum(e[1:], Fraction(0))
    for j in (1, 2):
        assert off(exactly(diagonal[j]), e[j] / others * (1 - e[j] / others), dtype) < 4
    assert off(exactly(product[0]), -sum(e[2:], Fraction(0)) / others, dtype) < 4
    assert off(exactly(q[1]), e[1] / others, dtype) < 3


@pytest.mark.parametrize("hard", [True, False], ids=["hard", "soft"])
def test_rows_may_lie_in_any_number_of_axes(backend: Any, hard: bool) -> None:
    """(2, 3, 5) logits, and one row alone, give what (6, 5) give, but for an exp with a way of its own at the ends."""
    dtype = backend.dtypes[-1]
    logits, tangent = (RNG.normal(0, 3, (6, 5)) for _ in range(2))
    targets = np.arange(6) % 5 if hard else RNG.dirichlet(np.ones(5), 6)
    loss = fr.SoftmaxFocalLoss(gamma=1.5, precision="native")

    def results(*shape: int, rows: Any = slice(None)) -> list[Any]:
        x, v = (backend(a[rows].reshape(*shape, 5), dtype) for a in (logits, tangent))
        t = backend(targets[rows].reshape(shape), "int32") if hard else backend(targets[rows].reshape(*shape, 5), dtype)
        return [backend.numpy(a) for a in (*loss.value_grad_hess(x, t), loss.hvp(x, t, v))]

    for flat, nested, alone in zip(results(6), results(2, 3), results(rows=2), strict=True):
        unit = 8 * np.finfo(dtype).eps * np.abs(flat).max()
        assert np.abs(nested.reshape(flat.shape) - flat).max() < unit
        assert np.abs(alone - flat[2]).max() < unit

"""The oracle's twin: python-flint's balls give the same digits, prove them, and are optional."""

from __future__ import annotations

import dataclasses
import importlib
import math
import subprocess
import sys
from fractions import Fraction
from typing import Any

import ml_dtypes
import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from focal_ref import oracle
from focal_ref.oracle import digits as numbers
from focal_ref.oracle import flint as balls
from tests.oracle.rows import KINDS_OF_ROW

INF = math.inf
FIELDS = [field.name for field in dataclasses.fields(oracle.Result)]
LOGITS = [0.0, 5e-324, -1e-320, 1e-20, 0.5, -0.5, -2.788, 3.0, 36.7, -36.8, 103.9, -103.9, 745.2, -745.2]
LOGITS += [1e5, -1e5, 3e11, -3e11, 7e11, 2e12, -2e12, 1.7e308, -1.7e308, INF, -INF, math.nan]


def same(one: Any, other: Any, digits: int) -> None:
    """Equal to so many digits, relatively; zeros, infinities and NaN alike in both."""
    for a, b in zip(*(v if isinstance(v, list) else [v] for v in (one, other)), strict=True):
        if mpmath.isnan(b):
            assert mpmath.isnan(a)
            continue
        with mpmath.workdps(2 * digits):
            assert a == b or abs(a - b) <= abs(b) * mpmath.mpf(10) ** -digits, (mpmath.nstr(a, 20), mpmath.nstr(b, 20))


@pytest.mark.slow
@pytest.mark.parametrize("digits", [6, 40, 150])
@pytest.mark.parametrize("gamma", [0, 1e-320, 0.5, 1, 2, 3.7, 70, 1e25, 1e308])
def test_sigmoid_agrees_to_all_digits(gamma: float, digits: int) -> None:
    """Every result of every logit, thresholds, subnormals, 1e308 and infinities among them, for both targets."""
    for y, alpha in ((1, None), (0, 0.25), (1, 0.25), (0, 0)):
        for x, twin in zip(LOGITS, balls.sigmoid_many(LOGITS, y, gamma, alpha, digits), strict=True):
            exact = oracle.sigmoid(x, y, gamma, alpha, digits)
            for field in FIELDS:
                same(getattr(twin, field), getattr(exact, field), digits)


@pytest.mark.slow
@pytest.mark.parametrize("digits", [6, 40, 120])
@pytest.mark.parametrize("gamma", [0, 0.5, 2, 3.7, 1e25])
def test_softmax_agrees_to_all_digits(gamma: float, digits: int) -> None:
    """Rows far apart, tied, dominated by another class, shifted, beyond exp's reach, with infinities: each class the target."""
    for alpha in (None, [0.25, 2.0, 0.0, 1.0]):
        pairs = [(row, target) for row in KINDS_OF_ROW for target in range(len(row))]
        for row, target in pairs:
            weights = alpha and alpha[: len(row)]
            (twin,) = balls.softmax_many([row], [target], gamma, weights, digits)
            exact = oracle.softmax(row, target, gamma, weights, digits)
            for field in FIELDS:
                same(getattr(twin, field), getattr(exact, field), digits)


@pytest.mark.slow
@given(
    row=st.lists(st.one_of(st.floats(-60, 60), st.floats(-1e4, 1e4), st.floats(allow_nan=False)), min_size=3, max_size=3),
    target=st.integers(0, 2),
    gamma=st.one_of(st.floats(0, 8), st.sampled_from([0.0, 0.5, 1.0, 2.0])),
)
def test_any_row_agrees(row: list[float], target: int, gamma: float) -> None:
    """The same of random rows and γ, and of each row's first logit as a sigmoid's."""
    (twin,), exact = balls.softmax_many([row], [target], gamma), oracle.softmax(row, target, gamma, digits=40)
    (one,), single = balls.sigmoid_many(row[:1], 1, gamma), oracle.sigmoid(row[0], 1, gamma, digits=40)
    for field in FIELDS:
        same(getattr(twin, field), getattr(exact, field), 40)
        same(getattr(one, field), getattr(single, field), 40)


def test_a_thousand_classes_agree() -> None:
    """A long row, at the size the grids have."""
    row = np.random.default_rng(0).normal(0.0, 8.0, 1000).tolist()
    (twin,), exact = oracle.softmax_many([row], [3], 2), oracle.softmax(row, 3, 2, digits=40)
    for field in FIELDS:
        same(getattr(twin, field), getattr(exact, field), 40)


# ---- certified --------------------------------------------------------------------------------------------------------------


def curvature_zero(digits: int) -> Any:
    """The logit where φ'' is 0 for γ = 2, to so many digits, by bisection of the oracle's."""
    low, high = mpmath.mpf(-3), mpmath.mpf(-2)
    with mpmath.workdps(digits + 10):
        for _ in range(int(3.33 * digits)):
            middle = (low + high) / 2
            low, high = (low, middle) if oracle.sigmoid(middle, 1, 2, digits=5).hess > 0 else (middle, high)
        return +low


@pytest.mark.parametrize("digits", [15, 40])
@pytest.mark.parametrize("gamma", [0.5, 2.0, 3.7])
def test_the_radius_is_certified(monkeypatch: pytest.MonkeyPatch, gamma: float, digits: int) -> None:
    """Every ball holds the oracle's result of 200 digits, and is narrower than the digits asked for."""
    seen: list[Any] = []
    narrow = balls._Balls.narrow

    def kept(self: Any, *arguments: Any) -> Any:
        found = narrow(self, *arguments)
        seen.append(found)
        return found

    monkeypatch.setattr(balls._Balls, "narrow", kept)
    xs = [x for x in LOGITS if math.isfinite(x) and x > -1e12]
    balls.sigmoid_many(xs, 1, gamma, digits=digits)
    balls.softmax_many([[0.5, x, -1.0] for x in xs], [1] * len(xs), gamma, digits=digits)
    arb, ctx = _flint()
    with ctx.workprec(800):
        for x, found in zip(xs, seen[: len(xs)], strict=True):
            r = oracle.sigmoid(x, 1, gamma, digits=200)
            _holds(arb, found, [r.value, r.gamma_grad, r.grad, r.hess, r.hess_terms], digits)
        for x, found in zip(xs, seen[len(xs) :], strict=True):
            r = oracle.softmax([0.5, x, -1.0], 1, gamma, digits=200)
            entries = [number for entry in zip(r.grad, r.hess, r.hess_terms, strict=True) for number in entry]
            _holds(arb, found, [r.value, r.gamma_grad, *entries], digits)


def _flint() -> tuple[Any, Any]:
    flint = importlib.import_module("flint")
    return flint.arb, flint.ctx


def _holds(arb: Any, found: list[Any], exact: list[Any], digits: int) -> None:
    for ball, value in zip(found, exact, strict=True):
        own = arb(value)
        slack = abs(own) * arb(10) ** -200
        assert (ball + slack * arb(0, 1)).overlaps(own)
        assert ball.rad() <= abs(ball.mid()) * arb(10) ** -digits


@pytest.mark.slow
def test_precision_is_raised_until_the_ball_is_narrow() -> None:
    """Beside the zero of φ'' the first attempt knows no digit; the result has them all."""
    x = curvature_zero(120)
    (twin,), exact = balls.sigmoid_many([x], 1, 2), oracle.sigmoid(x, 1, 2, digits=40)
    assert 0 < abs(exact.hess) < exact.hess_terms * mpmath.mpf(10) ** -100
    same(twin.hess, exact.hess, 40)
    with balls._Balls(2, 40) as arithmetic:
        arithmetic.narrow(balls._sigmoid, arithmetic.exact(0.5), True, arithmetic.exact(1), False)
        first = arithmetic.bits
        arithmetic.narrow(balls._sigmoid, arithmetic.exact(x), True, arithmetic.exact(1), False)
        assert arithmetic.bits >= 4 * first


def test_what_no_precision_tells_from_zero_is_left_to_the_oracle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Balls that never get narrow enough give no result of their own."""
    monkeypatch.setattr(balls, "ATTEMPTS", 1)
    x = curvature_zero(80)
    (twin,), exact = balls.sigmoid_many([x], 1, 2), oracle.sigmoid(x, 1, 2, digits=40)
    assert twin == exact


def test_flint_s_own_precision_is_left_alone() -> None:
    """Calls put python-flint's precision back, refused ones too, and don't depend on mpmath's."""
    _, ctx = _flint()
    with ctx.workprec(91):
        balls.sigmoid_many([0.5], 1, 2)
        balls.softmax_many([[0.5, 1.0]], [1], 2)
        with pytest.raises(TypeError, match=r"^x: got 'one'"):
            balls.sigmoid_many([0.5, "one"], 1, 2)
        assert ctx.prec == 91
    plain = balls.sigmoid_many([0.5], 0, 2, 0.25) + balls.softmax_many([[0.5, 1.0, 2.0]], [1], 0.3)
    for dps in (3, 100):
        with mpmath.workdps(dps):
            assert balls.sigmoid_many([0.5], 0, 2, 0.25) + balls.softmax_many([[0.5, 1.0, 2.0]], [1], 0.3) == plain
    assert isinstance(plain[0].value, mpmath.mpf)
    assert isinstance(plain[1].grad[0], mpmath.mpf)


# ---- arguments --------------------------------------------------------------------------------------------------------------


def test_numbers_of_every_kind() -> None:
    """Binary numbers are exact balls; decimals, ratios and soft targets go to the oracle and come out as right."""
    kinds = [0.8125, np.float64(0.8125), np.float32(0.8125), np.float16(0.8125), ml_dtypes.bfloat16(0.8125)]
    kinds += [mpmath.mpf(0.8125), "0.8125", Fraction(13, 16), np.asarray(0.8125)]
    exact = oracle.sigmoid(0.8125, 1, 2, digits=40)
    for twin in balls.sigmoid_many(kinds, 1, 2):
        same(twin.hess, exact.hess, 40)
    for gamma, alpha in (("0.1", None), (Fraction(1, 10), 1)):
        same(balls.sigmoid_many([0.8125], 1, gamma, alpha)[0].value, oracle.sigmoid(0.8125, 1, "0.1").value, 40)
    same(balls.sigmoid_many(["0.1"], np.int64(1), 2, "0.3")[0].grad, oracle.sigmoid("0.1", 1, 2, "0.3").grad, 40)
    soft, hard = oracle.softmax_many([[0.5, 1.0], [0.5, "0.1"]], [[0.25, 0.75], np.int32(1)], 2)
    same(soft.grad, oracle.softmax([0.5, 1.0], [0.25, 0.75], 2).grad, 40)
    same(hard.grad, oracle.softmax([0.5, "0.1"], 1, 2).grad, 40)
    assert oracle.sigmoid_many([0.5, -3.0], 0.25, 2) == [oracle.sigmoid(x, 0.25, 2, digits=40) for x in (0.5, -3.0)]


@pytest.mark.parametrize("installed", [True, False])
def test_wrong_input_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, installed: bool) -> None:
    """With python-flint and without, as the oracle's own functions do."""
    if not installed:
        monkeypatch.setitem(sys.modules, "flint", None)
    for call, error, message in (
        (lambda: oracle.sigmoid_many([None], 1, 2), TypeError, "^x: got None"),
        (lambda: oracle.sigmoid_many([0.5], 2, 2), ValueError, "^y: got 2"),
        (lambda: oracle.sigmoid_many([0.5], 1, -2), ValueError, "^gamma: got -2"),
        (lambda: oracle.sigmoid_many([0.5], 1, 2, 1.5), ValueError, "^alpha: got 1.5"),
        (lambda: oracle.sigmoid_many([0.5], 1, 2, digits=0), ValueError, "^digits: got 0"),
        (lambda: oracle.softmax_many([[0.5, [1.0]]], [1], 2), TypeError, r"^row\[1\]: got \[1.0\]"),
        (lambda: oracle.softmax_many([[0.5]], [0], 2), ValueError, "^row: got 1 logits"),
        (lambda: oracle.softmax_many([0.5], [0], 2), TypeError, "^row: got 0.5"),
        (lambda: oracle.softmax_many([[0.5, 1.0]], [2], 2), ValueError, "^target: got 2"),
        (lambda: oracle.softmax_many([[0.5, 1.0]], [0.5], 2), TypeError, "^target: got 0.5"),
        (lambda: oracle.softmax_many([[0.5, 1.0]], [1], math.nan), ValueError, "^gamma: got nan"),
        (lambda: oracle.softmax_many([[0.5, 1.0]], [1], 2, [1.0]), ValueError, "^alpha: got 1 weights"),
        (lambda: oracle.softmax_many([[0.5, 1.0]], [1], 2, [-1.0, 1.0]), ValueError, r"^alpha\[0\]: got -1.0"),
        (lambda: oracle.softmax_many([[0.5, 1.0]], [], 2), ValueError, "zip"),
    ):
        with pytest.raises(error, match=message):
            call()


# ---- optional ---------------------------------------------------------------------------------------------------------------


def test_without_flint_the_oracle_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where python-flint is missing, balls say what to install, and the oracle's functions give the same digits by mpmath."""
    assert balls.available()
    rows, targets = [[0.5, 1.0, -3.0], [2.0, 2.0, 0.0]], [1, 0]
    with_flint = [*oracle.sigmoid_many(LOGITS, 0, 0.5, 0.25), *oracle.softmax_many(rows, targets, 2)]
    monkeypatch.setitem(sys.modules, "flint", None)
    assert not balls.available()
    for call in (lambda: balls.sigmoid_many([0.5], 1, 2), lambda: balls.softmax_many(rows, targets, 2)):
        with pytest.raises(ImportError, match=r"pip install python-flint$"):
            call()
    without = [*oracle.sigmoid_many(LOGITS, 0, 0.5, 0.25), *oracle.softmax_many(rows, targets, 2)]
    for one, other in zip(with_flint, without, strict=True):
        for field in FIELDS:
            same(getattr(one, field), getattr(other, field), 40)


def test_flint_is_imported_by_calls_only() -> None:
    """The oracle and its twin import without python-flint; the first call of many logits is what loads it."""
    code = (
        "import sys; from focal_ref import oracle; from focal_ref.oracle import flint as balls; "
        "assert 'flint' not in sys.modules; "
        "oracle.sigmoid(0.5, 1, 2); balls.available(); assert 'flint' not in sys.modules; "
        "oracle.sigmoid_many([0.5], 1, 2); assert 'flint' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_reach_of_exp_is_the_same_in_both() -> None:
    """Both call exp 0 from the same point on, so that they agree there too."""
    edge = numbers.FARTHEST
    for x in (edge, edge + 1, -edge, -edge - 1):
        for gamma in (0, 1, 0.5):
            (twin,), exact = balls.sigmoid_many([x], 1, gamma), oracle.sigmoid(x, 1, gamma, digits=40)
            for field in FIELDS:
                same(getattr(twin, field), getattr(exact, field), 40)

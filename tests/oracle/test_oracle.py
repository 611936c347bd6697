"""The oracle is the definition: every digit of it, anywhere, from nothing but −(1 − p)^γ log p."""

from __future__ import annotations

import dataclasses
import math
import pickle
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import ml_dtypes
import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mpmath import mp

from focal_ref import oracle

PACKAGE = Path(oracle.__file__).parent
FIELDS = [field.name for field in dataclasses.fields(oracle.Result)]
GAMMAS = (0, 0.5, 1, 2, 3.7)
SOFT = ("mix", "expected", "quality")
INF = math.inf


def close(got: Any, exact: Any, digits: int) -> None:
    """Equal to so many digits, relatively; zeros and infinities are equal only to themselves."""
    with mpmath.workdps(2 * digits + 50):
        if mpmath.isfinite(exact) and exact != 0:
            assert abs(got - exact) <= abs(exact) * mpmath.mpf(10) ** -digits, (mpmath.nstr(got, 20), mpmath.nstr(exact, 20))
        else:
            assert got == exact, (got, exact)


# ---- the definition, differentiated by mpmath --------------------------------------------------------------------------------


def bce_part(x: Any, y: Any, gamma: Any, alpha: Any, formula: str) -> Any:
    """A sigmoid focal loss as the papers write it, in mpmath's current precision."""
    p = 1 / (1 + mp.exp(-x))
    positive, negative = -mp.log(p), -mp.log(1 - p)
    share = mp.mpf(1) if alpha is None else alpha * y + (1 - alpha) * (1 - y)
    if formula == "expected":
        up, down = (1, 1) if alpha is None else (alpha, 1 - alpha)
        return up * y * (1 - p) ** gamma * positive + down * (1 - y) * p**gamma * negative
    modulator = abs(y - p) if formula == "quality" else 1 - (y * p + (1 - y) * (1 - p))
    return share * modulator**gamma * (y * positive + (1 - y) * negative)


def row_part(row: Any, y: Any, gamma: Any, alpha: Any) -> Any:
    """A softmax focal loss as the papers write it."""
    e = [mp.exp(x) for x in row]
    p = [v / mp.fsum(e) for v in e]
    return mp.fsum(-a * w * (1 - q) ** gamma * mp.log(q) for a, w, q in zip(alpha, y, p, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize(("y", "alpha"), [(1, None), (0, None), (1, 0.25), (0, 0.25), (0.3, None), (0.75, 0.25)])
@pytest.mark.parametrize("formula", SOFT)
def test_sigmoid_is_the_definition_and_its_derivatives(formula: str, y: float, alpha: float | None, gamma: float) -> None:
    """Value, first and second derivative and γ-derivative are those of the formula, differentiated numerically."""
    for x in (-7.5, -2.788, -0.4, 0.0, 0.625, 3.0, 11.0):
        got = oracle.sigmoid(x, y, gamma, alpha, 50, soft_targets=formula)
        with mpmath.workdps(120):
            label, weight, point, power = mp.mpf(y), None if alpha is None else mp.mpf(alpha), mp.mpf(x), mp.mpf(gamma)

            def loss(x: Any, gamma: Any = power, label: Any = label, weight: Any = weight) -> Any:
                return bce_part(x, label, gamma, weight, formula)

            exact = [loss(point), mp.diff(loss, point), mp.diff(loss, point, 2)]
            by_gamma = mp.diff(lambda g, at=point: loss(at, g), power)
        for have, want in zip((got.value, got.grad, got.hess, got.gamma_grad), (*exact, by_gamma), strict=True):
            close(have, want, 40)


ROWS = ([0.5, -1.25, 2.0], [3.0, 3.0, -4.0], [-0.1, 0.0, 0.1, 0.2])


@pytest.mark.slow
@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("row", ROWS, ids=str)
@pytest.mark.parametrize("target", [1, "soft"])
@pytest.mark.parametrize("alpha", [None, "a class"])
def test_softmax_is_the_definition_and_its_derivatives(row: list[float], target: Any, gamma: float, alpha: Any) -> None:
    """Value, gradient, the whole Hessian and the γ-derivative of a row are those of the formula, hard targets and soft."""
    n = len(row)
    y = [0.125, 0.625, 0.25, 0.0][:n] if target == "soft" else [float(c == target) for c in range(n)]
    weights = [1.0] * n if alpha is None else [0.25, 2.0, 1.0, 0.5][:n]
    got = oracle.softmax(row, y if target == "soft" else target, gamma, None if alpha is None else weights, 40)
    with mpmath.workdps(100):
        point, power = tuple(map(mp.mpf, row)), mp.mpf(gamma)

        def loss(*row: Any) -> Any:
            return row_part(row, y, power, weights)

        def partial(*places: int) -> Any:
            return mp.diff(loss, point, tuple(places.count(j) for j in range(n)))

        value, grad = loss(*point), [partial(j) for j in range(n)]
        hessian = [[partial(j, k) for k in range(n)] for j in range(n)]
        by_gamma = mp.diff(lambda g: row_part(point, y, g, weights), power)
        product = [mp.fsum(h * v for h, v in zip(line, point, strict=True)) for line in hessian]
    close(got.value, value, 35)
    close(got.gamma_grad, by_gamma, 35)
    for j in range(n):
        close(got.grad[j], grad[j], 35)
        close(got.hess[j], hessian[j][j], 35)
        close(got.hvp(row)[j], product[j], 30)
        for k in range(n):
            close(got.hessian[j][k], hessian[j][k], 35)


# ---- by hand ----------------------------------------------------------------------------------------------------------------


class Hand(NamedTuple):
    """A case whose result can be written down; both sides are worked out with 100 digits."""

    call: Callable[[], oracle.Result]
    field: str
    closed: Callable[[], Any]


def alike(classes: int) -> list[float]:
    return [1.75] * classes


HAND = {
    "p = 1/2, γ = 2: log 2 / 4": Hand(lambda: oracle.sigmoid(0, 1, 2), "value", lambda: mp.log(2) / 4),
    "its gradient: −(1/4)(log 2 + 1/2)": Hand(lambda: oracle.sigmoid(0, 1, 2), "grad", lambda: -(mp.log(2) + 0.5) / 4),
    "its φ'': (1/8)(5/2 + log 2)": Hand(lambda: oracle.sigmoid(0, 1, 2), "hess", lambda: (2.5 + mp.log(2)) / 8),
    "its γ-derivative: −log² 2 / 4": Hand(lambda: oracle.sigmoid(0, 1, 2), "gamma_grad", lambda: -(mp.log(2) ** 2) / 4),
    "a negative's gradient is the mirror's": Hand(lambda: oracle.sigmoid(0, 0, 2), "grad", lambda: (mp.log(2) + 0.5) / 4),
    "p = 1/2, γ = 1/2: log 2 / √2": Hand(lambda: oracle.sigmoid(0, 1, 0.5), "value", lambda: mp.log(2) / mp.sqrt(2)),
    "γ = 0 is cross entropy: log(1 + e^−3)": Hand(lambda: oracle.sigmoid(3, 1, 0), "value", lambda: mp.log(1 + mp.exp(-3))),
    "γ = 0: gradient p − 1": Hand(lambda: oracle.sigmoid(3, 1, 0), "grad", lambda: 1 / (1 + mp.exp(-3)) - 1),
    "γ = 0: curvature p (1 − p)": Hand(lambda: oracle.sigmoid(3, 1, 0), "hess", lambda: mp.sech(mp.mpf(3) / 2) ** 2 / 4),
    "p = 3/4: 4^−γ log(4/3)": Hand(lambda: oracle.sigmoid(mp.log(3), 1, 3), "value", lambda: mp.log(mp.mpf(4) / 3) / 64),
    "p = 3/4: slope −4^−γ (3 γ/4 log(4/3) + 1/4)": Hand(
        lambda: oracle.sigmoid(mp.log(3), 1, 1), "grad", lambda: -(3 * mp.log(mp.mpf(4) / 3) / 4 + 0.25) / 4
    ),
    "p = 1/4: (3/4)^γ log 4": Hand(lambda: oracle.sigmoid(mp.log(3), 0, 2), "value", lambda: mp.mpf(9) / 16 * mp.log(4)),
    "α weighs positives": Hand(lambda: oracle.sigmoid(0, 1, 2, 0.25), "value", lambda: mp.log(2) / 16),
    "1 − α weighs negatives": Hand(lambda: oracle.sigmoid(0, 0, 2, 0.25), "value", lambda: 3 * mp.log(2) / 16),
    "mix, y = 1/4, p = 1/2": Hand(lambda: oracle.sigmoid(0, 0.25, 2), "value", lambda: mp.log(2) / 4),
    "quality, y = 1/4, p = 1/2: log 2 / 16": Hand(
        lambda: oracle.sigmoid(0, 0.25, 2, soft_targets="quality"), "value", lambda: mp.log(2) / 16
    ),
    "expected, y = 1/4: its gradient is half of −(1/4)(log 2 + 1/2), turned": Hand(
        lambda: oracle.sigmoid(0, 0.25, 2, soft_targets="expected"), "grad", lambda: (mp.log(2) + 0.5) / 8
    ),
    "2 equal logits, γ = 2: log 2 / 4": Hand(lambda: oracle.softmax(alike(2), 0, 2), "value", lambda: mp.log(2) / 4),
    "C equal logits: ((C − 1)/C)^γ log C": Hand(
        lambda: oracle.softmax(alike(10), 3, 2), "value", lambda: mp.mpf(81) / 100 * mp.log(10)
    ),
    "C equal logits, γ = 1/2": Hand(
        lambda: oracle.softmax(alike(1000), 0, 0.5), "value", lambda: mp.sqrt(mp.mpf(999) / 1000) * mp.log(1000)
    ),
    "C equal logits, their γ-derivative": Hand(
        lambda: oracle.softmax(alike(4), 0, 1), "gamma_grad", lambda: 0.75 * mp.log(4) * mp.log(mp.mpf(3) / 4)
    ),
    "C equal logits, uniform y: the same loss": Hand(
        lambda: oracle.softmax(alike(4), [0.25] * 4, 2), "value", lambda: mp.mpf(9) / 16 * mp.log(4)
    ),
    "probabilities 1/6, 2/6, 3/6": Hand(
        lambda: oracle.softmax([0, mp.log(2), mp.log(3)], 2, 1), "value", lambda: mp.log(2) / 2
    ),
}


@pytest.mark.parametrize("case", HAND.values(), ids=HAND)
def test_by_hand(case: Hand) -> None:
    """Cases that anyone can check on paper."""
    with mpmath.workdps(100):
        exact = case.closed()
        got = getattr(case.call(), case.field)
    close(got, exact, 50)


def test_uniform_row_s_gradient_by_hand() -> None:
    """C equal logits: −u^γ (γ log C/C + u) for the target, minus a (C − 1)-th of that for each other; γ = 0: 1/C − y."""
    focal, plain = oracle.softmax(alike(5), 2, 2).grad, oracle.softmax(alike(5), 2, 0).grad
    with mpmath.workdps(80):
        slope = -mp.mpf(16) / 25 * (2 * mp.log(5) / 5 + mp.mpf(4) / 5)
        for j in range(5):
            close(focal[j], slope if j == 2 else -slope / 4, 50)
            close(plain[j], mp.mpf(1) / 5 - (j == 2), 50)


# ---- limits -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gamma", [0, 0.3, 2])
@pytest.mark.parametrize("alpha", [None, 0.25])
def test_infinite_logits_give_the_limit(gamma: float, alpha: float | None) -> None:
    """Loss 0 or ∞, gradient 0 or ∓α, curvature 0; never NaN."""
    for y, weight in ((1, alpha or 1), (0, 1 - (alpha or 0))):
        right, wrong = (oracle.sigmoid(x, y, gamma, alpha) for x in ((INF, -INF) if y else (-INF, INF)))
        assert (right.value, right.grad, right.hess, right.gamma_grad, right.hess_terms) == (0, 0, 0, 0, 0)
        assert (wrong.value, wrong.grad, wrong.hess, wrong.gamma_grad) == (INF, -weight if y else weight, 0, 0)
        assert wrong.grad_terms == weight


@pytest.mark.parametrize("formula", SOFT)
@pytest.mark.parametrize("gamma", [0, 0.3, 2])
def test_infinite_logits_with_a_soft_target_give_the_limit(formula: str, gamma: float) -> None:
    """The limit is where the numbers are heading: at ±10⁹ the gradient is it to many digits, and the loss still grows."""
    for x in (-INF, INF):
        limit, near = (oracle.sigmoid(v, 0.25, gamma, 0.25, soft_targets=formula) for v in (x, math.copysign(1e9, x)))
        assert limit.value == INF
        assert limit.hess == 0
        assert near.value > 1e6
        assert abs(near.hess) < 1e-20
        close(near.grad, limit.grad, 50)


def test_rows_with_infinities_give_the_limit() -> None:
    """−∞ is a class that is not there; +∞ wins; infinities that tie count as equal."""
    absent, without = oracle.softmax([1.5, -INF, 0.5], 0, 2), oracle.softmax([1.5, 0.5], 0, 2)
    close(absent.value, without.value, 50)
    assert [absent.grad[1], absent.hess[1], absent.hess_terms[1]] == [0, 0, 0]
    close(absent.grad[2], without.grad[1], 50)
    wins, loses = oracle.softmax([INF, 1.0, -INF], 0, 0.5), oracle.softmax([INF, 1.0, -INF], 1, 0.5)
    assert [wins.value, *wins.grad, *wins.hess, wins.gamma_grad] == [0] * 8
    assert [loses.value, *loses.grad, *loses.hess, loses.gamma_grad] == [INF, 1, -1, 0, 0, 0, 0, 0]
    for row in ([INF, INF, 0.0], [-INF, -INF]):
        tie = oracle.softmax(row, 1, 2)
        with mpmath.workdps(80):
            close(tie.value, mp.log(2) / 4, 50)
            close(tie.grad[0], (mp.log(2) + 0.5) / 4, 50)


def test_nan_gives_nan() -> None:
    """NaN in, NaN out, in every result."""
    for result in (oracle.sigmoid(math.nan, 1, 2), oracle.sigmoid(0.5, math.nan, 2)):
        assert all(mpmath.isnan(getattr(result, field)) for field in FIELDS)
    for row in (oracle.softmax([0.0, math.nan], 0, 2), oracle.softmax([0.0, 1.0], [0.5, math.nan], 2)):
        entries = [row.value, row.gamma_grad, *row.grad, *row.hess, *row.grad_terms, *row.hess_terms, *_entries(row.hessian)]
        assert len(entries) == 14
        assert all(map(mpmath.isnan, entries))
        assert all(map(mpmath.isnan, row.hvp([1.0, 0.0])))


def test_the_cusp_of_quality() -> None:
    """p = y, which among float logits happens at x = 0, y = 1/2 only: gradient 0, the second derivative as documented."""
    at = {gamma: oracle.sigmoid(0, 0.5, gamma, soft_targets="quality") for gamma in (0.5, 1, 1.5, 2, 3)}
    assert all((result.value, result.grad) == (0, 0) for result in at.values())
    assert [at[gamma].hess for gamma in (0.5, 1, 1.5, 3)] == [-INF, 0, INF, 0]
    with mpmath.workdps(80):
        close(at[2].hess, mp.log(2) / 8, 50)
    plain = oracle.sigmoid(0, 0.5, 0, soft_targets="quality")
    close(plain.value, oracle.sigmoid(0, 1, 0).value, 50)
    assert (plain.grad, plain.hess) == (0, 0.25)


# ---- every digit ------------------------------------------------------------------------------------------------------------


def curvature_zero(gamma: Any, digits: int) -> Any:
    """The logit where φ'' of a positive is 0, to so many digits."""
    with mpmath.workdps(digits):

        def bracket(z: Any) -> Any:
            p, u = 1 / (1 + mp.exp(-z)), 1 / (1 + mp.exp(z))
            return (1 + 2 * gamma) * u - gamma * mp.log(p) * (gamma * p - u)

        return mp.findroot(bracket, (-8, 0), solver="anderson", tol=mp.mpf(10) ** (-digits + 5), verify=False)


HARD = [0.0, 5e-324, -1e-320, 1e-20, 0.5, -2.788, 37.0, -40.0, 745.2, -745.2, 1e4, -1e4, 1e9, -1e12, 1e300, -1e308]


@pytest.mark.slow
@pytest.mark.parametrize("gamma", [0, 1e-320, 0.3, 2, 1e3, 1e25, 1e308])
@pytest.mark.parametrize("y", [0, 1, 0.5, 0.3, 1e-300])
def test_digits_asked_for_are_right(y: float, gamma: float) -> None:
    """30 digits are the first 30 of 200: at subnormal and huge logits, for huge γ, with hard targets and soft."""
    for formula in SOFT if 0 < y < 1 else ("mix",):
        for x in HARD:
            few, many = (oracle.sigmoid(x, y, gamma, 0.25, digits, soft_targets=formula) for digits in (30, 200))
            for field in FIELDS:
                close(getattr(few, field), getattr(many, field), 30)


ENTRIES = st.one_of(
    st.floats(allow_nan=False), st.floats(-50, 50), st.sampled_from([0.0, 5e-324, 1e308, -1e308, 1.0, 700.0, INF, -INF])
)


@pytest.mark.slow
@given(
    row=st.lists(ENTRIES, min_size=2, max_size=4),
    gamma=st.sampled_from([0.0, 0.3, 2.0, 1e25]),
    soft=st.booleans(),
    data=st.data(),
)
def test_digits_of_rows_are_right(row: list[float], gamma: float, soft: bool, data: st.DataObject) -> None:
    """The same of rows: 30 digits are the first 30 of 120, of the Hessian too, whatever the logits."""
    target: Any = data.draw(st.integers(0, len(row) - 1))
    if soft:
        target = [1 / len(row)] * len(row)
    few, many = (oracle.softmax(row, target, gamma, digits=digits) for digits in (30, 120))
    for field in FIELDS:
        for have, want in zip(_flat(getattr(few, field)), _flat(getattr(many, field)), strict=True):
            close(have, want, 30)
    for have, want in zip(_entries(few.hessian), _entries(many.hessian), strict=True):
        close(have, want, 30)


def _flat(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _entries(matrix: list[list[Any]]) -> list[Any]:
    return [entry for line in matrix for entry in line]


@pytest.mark.parametrize("gamma", [0.5, 2, 5])
@pytest.mark.parametrize("near", [17, 34, 60, 200])
def test_digits_beside_the_zero_of_the_curvature(gamma: float, near: int) -> None:
    """φ'' beside its zero, where all its terms' digits cancel, has as many digits as anywhere, alone and in a row."""
    x = curvature_zero(gamma, near)
    few, many = oracle.sigmoid(x, 1, gamma, digits=30), oracle.sigmoid(x, 1, gamma, digits=500)
    assert 0 < abs(few.hess) < few.hess_terms * mpmath.mpf(10) ** (3 - near)
    close(few.hess, many.hess, 30)
    row = oracle.softmax([0.0, x], 1, gamma, digits=30)
    with mpmath.workdps(600):
        for entry in (*_entries(row.hessian), *row.hess):
            close(abs(entry), abs(many.hess), 30)


def test_true_zeros_are_zero() -> None:
    """A gradient that is 0 by symmetry is 0, not a remnant; beside it, at the smallest logit there is, it is not."""
    for formula in ("mix", "expected"):
        assert oracle.sigmoid(0, 0.5, 2, soft_targets=formula).grad == 0
        beside = oracle.sigmoid(5e-324, 0.5, 2, soft_targets=formula)
        with mpmath.workdps(80):
            close(beside.grad, beside.hess * 5e-324, 50)
    for classes in (2, 3, 7):
        row = oracle.softmax(alike(classes), [1 / classes] * classes, 0.3)
        assert row.grad == [0] * classes
        assert all(terms > 0.1 for terms in row.grad_terms)
    left, right = oracle.softmax([0.0, 5e-324], [0.5, 0.5], 2).grad
    assert left < 0 < right
    with mpmath.workdps(80):
        close(-left, right, 50)


@pytest.mark.parametrize("gamma", GAMMAS)
def test_two_classes_are_the_sigmoid(gamma: float) -> None:
    """Two derivations that share nothing, appendix B and dL/dp with the softmax's Jacobian, agree in every digit."""
    for x in (*HARD, INF, -INF):
        for y in (0, 1):
            one, two = oracle.sigmoid(x, y, gamma, digits=60), oracle.softmax([0.0, x], y, gamma, digits=60)
            close(two.value, one.value, 60)
            close(two.gamma_grad, one.gamma_grad, 60)
            for field in ("grad", "hess", "grad_terms", "hess_terms"):
                close(getattr(two, field)[1], getattr(one, field), 60)


def test_complements_are_never_one_minus_p() -> None:
    """At x = 10⁴ 1 − p is e^(−10⁴): loss and gradient are its powers, to all digits."""
    for gamma in (0, 0.5, 2):
        sure = oracle.sigmoid(1e4, 1, gamma)
        row = oracle.softmax([1e4, 0.0, -INF], 0, gamma)
        with mpmath.workdps(80):
            tiny = mp.exp(-mp.mpf(10**4) * (1 + gamma))
            for value in (sure.value, row.value):
                close(value, tiny, 50)
            for slope in (-sure.grad, row.grad[1], -row.grad[0]):
                close(slope, (1 + gamma) * tiny, 50)
            close(sure.hess, (1 + mp.mpf(gamma)) ** 2 * tiny, 50)


@pytest.mark.slow
@pytest.mark.parametrize("formula", ["mix", "quality"])
def test_a_modulator_near_one_keeps_its_logarithm(formula: str) -> None:
    """m = 1 − 1e-300: the γ-derivative m^γ B log m has all its digits, and m^γ is not 1 for γ = 10³⁰⁰."""
    for x, y in ((1e4, 1e-300), (-1e4, 1 - 2.0**-53), (800.0, 5e-324)):
        for gamma in (2, 1e300):
            got = oracle.sigmoid(x, y, gamma, soft_targets=formula)
            with mpmath.workdps(6000):
                label = mp.mpf(y)
                p, q = 1 / (1 + mp.exp(-mp.mpf(x))), 1 / (1 + mp.exp(mp.mpf(x)))
                m = abs(label - p) if formula == "quality" else label * q + (1 - label) * p
                value = mp.exp(gamma * mp.log(m)) * (-label * mp.log(p) - (1 - label) * mp.log(q))
                if gamma * mp.log(m) > -1e12:
                    close(got.value, value, 50)
                    close(got.gamma_grad, value * mp.log(m), 50)
                else:
                    assert got.value == got.gamma_grad == 0


def test_quality_beside_its_cusp() -> None:
    """At the smallest logit |y − p| is x/4: the loss is (x/4)^γ log 2, not 0, and its second derivative 2 (1/4)² log 2."""
    got = oracle.sigmoid(5e-324, 0.5, 2, soft_targets="quality")
    with mpmath.workdps(80):
        x = mp.mpf(5e-324)
        close(got.value, x**2 / 16 * mp.log(2), 50)
        close(got.grad, x / 8 * mp.log(2), 50)
        close(got.hess, mp.log(2) / 8, 50)


def test_huge_logits_are_exact() -> None:
    """Beyond exp's reach the loss is the margin itself, or 0; 1e308 apart is not infinitely far."""
    for z in (2e12, 1e300, 1.7e308):
        assert (oracle.sigmoid(-z, 1, 2).value, oracle.sigmoid(-z, 1, 2).grad) == (z, -1)
        assert (oracle.sigmoid(z, 1, 2).value, oracle.sigmoid(z, 1, 2).grad) == (0, 0)
    row = oracle.softmax([1e308, -1e308, 5.0], 1, 2)
    assert (row.value, row.grad) == (2 * mpmath.mpf(1e308), [1, -1, 0])
    near = oracle.softmax([1e308, mpmath.mpf(1e308), 1e308 - 1e292], 0, 2)
    with mpmath.workdps(80):
        close(near.value, mp.log(2) / 4, 50)
    apart = oracle.softmax([10**400, 10**400 + 1], 1, 2)
    close(apart.value, oracle.softmax([0, 1], 1, 2).value, 50)


def test_huge_gamma() -> None:
    """(1 − p)^γ for γ = 10³⁰⁸ and p of the size of 1/γ, by logarithms at 700 digits."""
    x, gamma = -709.0, 1e308
    got = oracle.sigmoid(x, 1, gamma)
    with mpmath.workdps(700):
        p = mp.exp(x) / (1 + mp.exp(x))
        exact = mp.exp(mp.mpf(gamma) * mp.log(1 - p)) * -mp.log(p)
        assert 1 < exact < 1000
        close(got.value, exact, 50)
        close(got.gamma_grad, exact * mp.log(1 - p), 50)
    assert oracle.sigmoid(-1, 1, gamma).value == 0


def test_terms_are_what_the_contract_divides_by() -> None:
    """hess_terms is u^γ p [(1 + 2γ) u + γ ℓ (γ p + u)], in rows × q² + |φ'| q (1 − q), to all digits; grad_terms = |grad|."""
    one, row = oracle.sigmoid(1.25, 1, 3), oracle.softmax([1.25, -0.5, 0.125], 0, 3)
    with mpmath.workdps(80):
        for terms, odds in ((one.hess_terms, mp.exp(1.25)), (row.hess_terms[0], mp.exp(1.25) / (mp.exp(-0.5) + mp.exp(0.125)))):
            p, u = odds / (1 + odds), 1 / (1 + odds)
            close(terms, u**3 * p * (7 * u - 3 * mp.log(p) * (3 * p + u)), 50)
        for j, q in ((1, 1 / (1 + mp.exp(0.625))), (2, 1 / (1 + mp.exp(-0.625)))):
            close(row.hess_terms[j], row.hess_terms[0] * q**2 - row.grad[0] * q * (1 - q), 50)
        for slope, terms in zip((one.grad, *row.grad), (one.grad_terms, *row.grad_terms), strict=True):
            close(terms, abs(slope), 50)


# ---- arguments --------------------------------------------------------------------------------------------------------------


def test_numbers_of_every_kind_are_taken_exactly() -> None:
    """A number is what it is, whatever holds it; a decimal is not its nearest float."""
    tenth, dyadic = Fraction(1, 10), 0.8125
    same = [dyadic, "0.8125", Fraction(13, 16), mpmath.mpf(dyadic), np.float64(dyadic), np.float32(dyadic), np.float16(dyadic)]
    same += [ml_dtypes.bfloat16(dyadic), np.longdouble(dyadic), np.asarray(dyadic)]
    results = [oracle.sigmoid(x, 1, x, x) for x in same] + [oracle.softmax([x, 0], 0, x, x) for x in same]
    assert len({result.value for result in results[: len(same)]}) == 1
    for result in results[len(same) :]:
        close(result.value, results[0].value, 50)
    for value in ("0.1", tenth):
        got = oracle.sigmoid(value, 1, value)
        with mpmath.workdps(90):
            close(got.value, bce_part(mp.mpf(1) / 10, 1, mp.mpf(1) / 10, None, "mix"), 50)
    with mpmath.workdps(90):
        close(oracle.sigmoid(np.float32(0.1), 1, 2).value, bce_part(mp.mpf(float(np.float32(0.1))), 1, 2, None, "mix"), 50)


def test_the_caller_s_mpmath_is_left_alone() -> None:
    """No call changes mpmath's precision, and none depends on it; results are the caller's own mpf with every digit kept."""
    results = []
    for dps in (5, 15, 90):
        with mpmath.workdps(dps):
            row = oracle.softmax([0.5, "1.5", 2], [0.25, 0.5, 0.25], 2)
            results.append((oracle.sigmoid(3.2, 1, 2), oracle.sigmoid(3.2, 0.3, 2), row, row.hessian, row.hvp([1, 2, 3])))
            assert mpmath.mp.dps == dps
    assert results[0] == results[1] == results[2]
    assert isinstance(results[0][0].value, mpmath.mpf)
    assert isinstance(results[0][4][0], mpmath.mpf)


def test_rows_pickle_with_their_hessian() -> None:
    """A result can be sent to another process, and still has its Hessian there."""
    row = oracle.softmax([0.5, 1.5, 2.0], 1, 2)
    again = pickle.loads(pickle.dumps(row))
    assert again == row
    assert again.hessian == row.hessian


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: oracle.sigmoid("one", 1, 2), TypeError, r"^x: got 'one'; expected a number"),
        (lambda: oracle.sigmoid(None, 1, 2), TypeError, "^x: got None"),
        (lambda: oracle.sigmoid(b"1", 1, 2), TypeError, "^x: got b'1'"),
        (lambda: oracle.sigmoid(1j, 1, 2), TypeError, "^x: got 1j"),
        (lambda: oracle.sigmoid([1.0], 1, 2), TypeError, r"^x: got \[1.0\]"),
        (lambda: oracle.sigmoid(0, 2, 2), ValueError, r"^y: got 2; expected a number in \[0, 1\]"),
        (lambda: oracle.sigmoid(0, -0.5, 2), ValueError, "^y: got -0.5"),
        (lambda: oracle.sigmoid(0, 1, -1), ValueError, "^gamma: got -1; expected a finite number ≥ 0"),
        (lambda: oracle.sigmoid(0, 1, INF), ValueError, "^gamma: got inf"),
        (lambda: oracle.sigmoid(0, 1, math.nan), ValueError, "^gamma: got nan"),
        (lambda: oracle.sigmoid(0, 1, None), TypeError, "^gamma: got None"),
        (lambda: oracle.sigmoid(0, 1, 2, 1.5), ValueError, r"^alpha: got 1.5; expected a finite number in \[0, 1\]"),
        (lambda: oracle.sigmoid(0, 1, 2, math.nan), ValueError, "^alpha: got nan"),
        (lambda: oracle.sigmoid(0, 1, 2, digits=0), ValueError, "^digits: got 0; expected a positive integer"),
        (lambda: oracle.sigmoid(0, 1, 2, digits=1.5), ValueError, "^digits: got 1.5"),
        (lambda: oracle.sigmoid(0, 1, 2, digits=True), ValueError, "^digits: got True"),
        (lambda: oracle.sigmoid(0, 1, 2, soft_targets="mean"), ValueError, "^soft_targets: got 'mean'; expected 'mix'"),
        (lambda: oracle.softmax(1.0, 0, 2), TypeError, "^row: got 1.0; expected a sequence"),
        (lambda: oracle.softmax("12", 0, 2), TypeError, "^row: got '12'"),
        (lambda: oracle.softmax([1.0], 0, 2), ValueError, "^row: got 1 logits; expected two or more"),
        (lambda: oracle.softmax([1.0, "x"], 0, 2), TypeError, r"^row\[1\]: got 'x'"),
        (lambda: oracle.softmax([1.0, 2.0], 2, 2), ValueError, r"^target: got 2; expected a class in \[0, 2\)"),
        (lambda: oracle.softmax([1.0, 2.0], -1, 2), ValueError, "^target: got -1"),
        (lambda: oracle.softmax([1.0, 2.0], 0.5, 2), TypeError, "^target: got 0.5; expected a class, or a row"),
        (lambda: oracle.softmax([1.0, 2.0], True, 2), TypeError, "^target: got True"),
        (lambda: oracle.softmax([1.0, 2.0], None, 2), TypeError, "^target: got None"),
        (lambda: oracle.softmax([1.0, 2.0], [1.0], 2), ValueError, "^target: got 1 probabilities; expected 2"),
        (lambda: oracle.softmax([1.0, 2.0], [0.5, 1.5], 2), ValueError, r"^target\[1\]: got 1.5"),
        (lambda: oracle.softmax([1.0, 2.0], 0, -2), ValueError, "^gamma: got -2"),
        (lambda: oracle.softmax([1.0, 2.0], 0, 2, [1.0]), ValueError, "^alpha: got 1 weights; expected 2"),
        (lambda: oracle.softmax([1.0, 2.0], 0, 2, [1.0, -1.0]), ValueError, r"^alpha\[1\]: got -1.0"),
        (lambda: oracle.softmax([1.0, 2.0], 0, 2, INF), ValueError, "^alpha: got inf"),
        (lambda: oracle.softmax([1.0, 2.0], 0, 2, "balanced"), TypeError, "^alpha: got 'balanced'"),
        (lambda: oracle.softmax([1.0, 2.0], 0, 2).hvp([1.0]), ValueError, "^v: got 1 numbers; expected 2"),
    ],
)
def test_wrong_input_is_refused_by_name(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    """The message names the argument, what came, and what is accepted."""
    with pytest.raises(error, match=message):
        call()


# ---- independence -----------------------------------------------------------------------------------------------------------

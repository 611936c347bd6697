"""The oracle of any member needs its definition only: every digit of φ and its derivatives; of focal loss, a third witness."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import mpmath
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mpmath import mp

from focal_ref import family, oracle
from focal_ref.oracle import flint
from focal_ref.oracle.digits import context
from focal_ref.oracle.series import Series
from tests.oracle.rows import KINDS_OF_ROW

INF = math.inf
GAMMAS = (0, 0.3, 0.5, 1, 1.5, 2, 3.7, 5)
LOGITS = [0.0, 5e-324, -1e-20, 0.25, -0.5, 1.0, -1.75, 2.5, -2.788, 3.0, -4.0, 7.5, -9.0, 16.6, -16.7, 36.7, -36.8, 50.0, -61.0]
LOGITS += [
    88.7,
    -88.8,
    103.9,
    -104.0,
    200.0,
    -250.5,
    350.0,
    -400.0,
    709.7,
    -709.8,
    745.2,
    -745.2,
    1e4,
    -1e4,
    19_999.5,
    -19_999.5,
]
LOGITS += [1e5, -1e5, 1e9, -1e9, 3e11, -3e11, 2e12, -2e12, 1.7e308, -1.7e308, INF, -INF, math.nan]
LOGITS += [step / 8 for step in range(-50, 50, 7)]
ROWS = [*KINDS_OF_ROW, [2000.0, 0.0, 1.0, 2.0]]


def made(definition: Callable[..., Any], **defaults: Any) -> Any:
    """What the oracle asks of a kernel, and nothing more."""
    return SimpleNamespace(
        name="made", definition=definition, parameters={name: SimpleNamespace(default=v) for name, v in defaults.items()}
    )


def log(x: Any) -> Any:
    """Of a series, or of mpmath's number."""
    return x.log() if hasattr(x, "log") else mp.log(x)


FOCAL = made(lambda p, u, nll, gamma: u**gamma * nll, gamma=2.0)
WRITTEN = {
    "u": FOCAL,
    "1 - p": made(lambda p, u, nll, gamma: (1 - p) ** gamma * nll, gamma=2.0),
    "p - 1": made(lambda p, u, nll, gamma: (-(p - 1)) ** gamma * nll, gamma=2.0),
    "-log p": made(lambda p, u, nll, gamma: -(u**gamma) * p.log(), gamma=2.0),
    "product": made(lambda p, u, nll, gamma: nll / (1 / u) ** gamma, gamma=2.0),
}


def the_same(one: Any, other: Any, digits: int) -> bool:
    """Equal to so many digits, relatively; zeros, infinities and NaN only to themselves."""
    if isinstance(other, list):
        return all(the_same(a, b, digits) for a, b in zip(one, other, strict=True))
    if mpmath.isnan(other):
        return bool(mpmath.isnan(one))
    with mpmath.workdps(2 * digits + 50):
        return bool(one == other or abs(one - other) <= abs(other) * mp.mpf(10) ** -digits)


# ---- focal loss: three witnesses --------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize(("y", "alpha"), [(1, None), (0, 0.25), (0.3, None), (0.75, 0.25), (1, 0)])
def test_a_logit_has_the_same_digits_by_three_ways(gamma: float, y: float, alpha: float | None) -> None:
    """Of hard targets and of "expected": by hand, by python-flint's balls and from the definition, at every kind of logit."""
    assert len(LOGITS) > 50
    balls = flint.sigmoid_many(LOGITS, y, gamma, alpha, 50) if y in (0, 1) else [None] * len(LOGITS)
    for x, ball in zip(LOGITS, balls, strict=True):
        got, hand = (
            oracle.member(FOCAL, x, y, alpha=alpha, gamma=gamma),
            oracle.sigmoid(x, y, gamma, alpha, soft_targets="expected"),
        )
        for field in ("value", "grad", "hess", "grad_terms", "gamma_grad"):
            assert the_same(getattr(got, field), getattr(hand, field), 50), (x, field)
            assert ball is None or the_same(getattr(got, field), getattr(ball, field), 50), (x, field)


@pytest.mark.slow
@pytest.mark.parametrize("gamma", [0, 0.5, 2, 3.7, 5])
@pytest.mark.parametrize("weighed", [False, True])
def test_a_row_has_the_same_digits_by_three_ways(gamma: float, weighed: bool) -> None:
    """Every class of every kind of row, and soft rows; the full Hessian and its products, too."""
    for row in ROWS:
        alpha = [0.25, 2.0, 0.0, 1.0][: len(row)] if weighed else None
        for target in (*range(len(row)), [0.125, 0.5, 0.25, 0.125][: len(row)]):
            got, hand = oracle.member(FOCAL, row, target, alpha=alpha, gamma=gamma), oracle.softmax(row, target, gamma, alpha)
            witnesses: list[Any] = (
                [hand] if isinstance(target, list) else [hand, *flint.softmax_many([row], [target], gamma, alpha, 50)]
            )
            for field in ("value", "grad", "hess", "grad_terms", "gamma_grad"):
                assert all(the_same(getattr(got, field), getattr(w, field), 50) for w in witnesses), (row, target, field)
            assert the_same(got.hessian, hand.hessian, 50), (row, target)
            v = [0.5, -1.0, 3.0, 0.25][: len(row)]
            assert the_same(got.hvp(v), hand.hvp(v), 40), (row, target)


@pytest.mark.slow
@pytest.mark.parametrize("way", WRITTEN)
def test_how_the_definition_is_written_does_not_matter(way: str) -> None:
    """1 − p, p − 1, −log p and quotients have every digit that u and ℓ have, wherever p is next to 1 or 0."""
    for gamma in (0, 0.5, 2, 3.7):
        for x in (x for x in LOGITS if not 1e4 < abs(x) < INF and (abs(x) < 1e4 or gamma == 2)):
            got, exact = oracle.member(WRITTEN[way], x, 1, gamma=gamma), oracle.sigmoid(x, 1, gamma)
            for field in ("value", "grad", "hess", "gamma_grad"):
                assert the_same(getattr(got, field), getattr(exact, field), 50), (gamma, x, field)


@pytest.mark.slow
@pytest.mark.parametrize("gamma", [5e-324, 1e-20, 1e25, 1e308])
def test_extreme_gammas(gamma: float) -> None:
    """Next to 0, and where u^γ is 0 or 1 within a few units of the last place of the logit."""
    for x in (0.0, -2.5, 3.0, -61.0, 745.2, INF, -INF):
        got, exact = oracle.member(FOCAL, x, 1, gamma=gamma), oracle.sigmoid(x, 1, gamma)
        for field in ("value", "grad", "hess", "gamma_grad"):
            assert the_same(getattr(got, field), getattr(exact, field), 50), (x, field)


@pytest.mark.slow
@given(st.floats(-800, 800), st.floats(0, 10), st.integers(3, 120), st.sampled_from(sorted(WRITTEN)))
def test_as_many_digits_as_asked_for(x: float, gamma: float, digits: int, way: str) -> None:
    """Few or many, and the caller's own precision is neither used nor changed."""
    before = mp.prec
    got, exact = oracle.member(WRITTEN[way], x, 1, gamma=gamma, digits=digits), oracle.sigmoid(x, 1, gamma, digits=200)
    assert mp.prec == before
    for field in ("value", "grad", "hess"):
        assert the_same(getattr(got, field), getattr(exact, field), digits), field


# ---- other members ----------------------------------------------------------------------------------------------------------


def _reduced(p: Any, u: Any, nll: Any, gamma: Any, threshold: Any) -> Any:
    return (u / threshold) ** gamma * nll if p > threshold else nll


def _shifted(p: Any, u: Any, nll: Any, gamma: Any, margin: Any) -> Any:
    v = max(u - margin, 0 * u)
    return -(v**gamma) * log(1 - v)


MEMBERS = {
    "test": made(lambda p, u, nll, gamma: u**gamma * nll * (1 + u), gamma=1.5),
    "poly1": made(lambda p, u, nll, gamma, epsilon: u**gamma * nll + epsilon * u ** (gamma + 1), gamma=2.0, epsilon=1.25),
    "poly1, falling": made(
        lambda p, u, nll, gamma, epsilon: u**gamma * nll + epsilon * u ** (gamma + 1), gamma=0.5, epsilon=-0.75
    ),
    "reduced": made(_reduced, gamma=2.0, threshold=0.4375),
    "shifted": made(_shifted, gamma=4.0, margin=0.0625),
    "absolute": made(lambda p, u, nll, beta: abs(p - u) * nll + min(beta * nll, 1), beta=0.75),
    "exponent": made(lambda p, u, nll, gamma: u ** (gamma * p) * nll + 2**u - (1 + u) ** p, gamma=1.75),
    "quotient": made(lambda p, u, nll, q: (1 - p**q) / q + u / (1 + nll), q=0.7),
    "symmetric": made(lambda p, u, nll, scale: scale * (1 - u * u) * (p * u) ** 2 + nll**3, scale=3.0),
}
POINTS = (-31.0, -7.5, -2.788, -0.4, 0.0625, 0.625, 3.0, 11.0, 40.0)


def composed(kernel: Any, z: Any, **parameters: Any) -> Any:
    """φ of the margin in mpmath's current precision."""
    p = 1 / (1 + mp.exp(-z))
    values = {name: mp.mpf(entry.default) for name, entry in kernel.parameters.items()}
    return kernel.definition(p, 1 - p, -mp.log(p), **{**values, **parameters})


@pytest.mark.slow
@pytest.mark.parametrize("name", MEMBERS)
def test_a_logit_is_the_composed_function_and_its_derivatives(name: str) -> None:
    """Value, first and second derivative, hard and soft, and by each parameter: of the line, differentiated numerically."""
    kernel = MEMBERS[name]
    for x in POINTS:
        for y, alpha in ((1, None), (0, None), (0.375, 0.25)):
            got = oracle.member(kernel, x, y, alpha=alpha)
            with mpmath.workdps(200):
                up, down = (1, 1) if alpha is None else (mp.mpf(alpha), 1 - mp.mpf(alpha))

                def loss(at: Any, up: Any = up * y, down: Any = down * (1 - y), **parameters: Any) -> Any:
                    whole = up * composed(kernel, at, **parameters) if up else 0
                    return whole + down * composed(kernel, -at, **parameters) if down else whole

                point = mp.mpf(x)
                exact = [loss(point), mp.diff(loss, point), mp.diff(loss, point, 2)]
                by = {
                    key: mp.diff(lambda value, at=point, key=key: loss(at, **{key: value}), mp.mpf(entry.default))
                    for key, entry in kernel.parameters.items()
                }
            for have, want in zip((got.value, got.grad, got.hess), exact, strict=True):
                assert _near(have, want, 45), (x, y)
            for key, want in by.items():
                assert _near(got.parameter_grad(key), want, 45), (x, y, key)


def _near(got: Any, numeric: Any, digits: int) -> bool:
    """As a numeric derivative can tell: what it has for a zero is not quite one."""
    with mpmath.workdps(200):
        return the_same(got, numeric, digits) or max(abs(got), abs(numeric)) < mp.mpf(10) ** -60


@pytest.mark.slow
@pytest.mark.parametrize("name", MEMBERS)
def test_a_row_is_the_composed_function_and_its_derivatives(name: str) -> None:
    """Value, gradient, the whole Hessian of a class and of probabilities with a weight a class."""
    kernel = MEMBERS[name]
    row, weights, n = [0.5, -1.25, 2.0], [0.25, 2.0, 1.0], range(3)
    for y, target in (([0, 1, 0], 1), ([0.125, 0.625, 0.25], [0.125, 0.625, 0.25])):
        got = oracle.member(kernel, row, target, alpha=weights)
        with mpmath.workdps(120):

            def loss(*x: Any, y: Any = y) -> Any:
                e = [mp.exp(entry) for entry in x]
                margins = [mp.log(e[c]) - mp.log(mp.fsum(e[:c] + e[c + 1 :])) for c in n]
                return mp.fsum(w * s * composed(kernel, z) for w, s, z in zip(weights, y, margins, strict=True) if s)

            point = tuple(map(mp.mpf, row))
            grad = [mp.diff(loss, point, tuple(int(k == j) for k in n)) for j in n]
            hessian = [[mp.diff(loss, point, tuple([j, k].count(i) for i in n)) for k in n] for j in n]
            value = loss(*point)
        assert the_same(got.value, value, 40)
        assert the_same(got.grad, grad, 30)
        assert the_same(got.hessian, hessian, 20)
        assert the_same(got.hess, [hessian[j][j] for j in n], 20)


@pytest.mark.slow
def test_far_tails_have_all_digits_of_what_cancels() -> None:
    """1 − u² is p (1 + u), and p² − 1 is −u (1 + p), to the last digit at 745 and at 10,000, where p or u is 1 − 10^−4343."""
    pairs: list[tuple[Callable[..., Any], Callable[..., Any]]] = [
        (lambda p, u, nll: 1 - u * u, lambda p, u, nll: p * (1 + u)),
        (lambda p, u, nll: (p**2 - 1) * nll, lambda p, u, nll: -u * (1 + p) * nll),
        (lambda p, u, nll: log(1 - p * p), lambda p, u, nll: log(u) + (1 + p).log()),
        (lambda p, u, nll: (1 + u).log() - u, lambda p, u, nll: u.log1p() - u),
        (lambda p, u, nll: p + u, lambda p, u, nll: 1),
        (lambda p, u, nll: p.log() + nll, lambda p, u, nll: 0),
    ]
    near = (0.0, 1e-30, 37.0, -37.0, 700.0, -700.0, 745.2, -745.2)
    for (one, other), far in zip(pairs, [(-1e4,), (1e4,), (), (), (), ()], strict=True):
        for z in (*near, *far):
            got, exact = oracle.member(made(one), z, 1), oracle.member(made(other), z, 1)
            for field in ("value", "grad", "hess"):
                assert the_same(getattr(got, field), getattr(exact, field), 50), (z, field)


@pytest.mark.slow
def test_complements_of_powers_products_and_exponentials_are_exact_however_far_out() -> None:
    """1 − p^τ, 1 − p p and 1 − exp(−ℓ) under a power below 1, at 1e5 and at infinity too: never a 0 that moves."""
    pairs: list[tuple[Callable[..., Any], Callable[..., Any]]] = [
        (lambda p, u, nll: (1 - p**1.0) ** 0.5 * nll, lambda p, u, nll: u**0.5 * nll),
        (lambda p, u, nll: (1 - p**2.0) ** 0.5 * nll, lambda p, u, nll: (u * (1 + p)) ** 0.5 * nll),
        (lambda p, u, nll: (1 - p * p) ** 0.5 * nll, lambda p, u, nll: (u * (1 + p)) ** 0.5 * nll),
        (lambda p, u, nll: (1 - p**2 * p) ** 0.5, lambda p, u, nll: (1 - p**3.0) ** 0.5),
        (lambda p, u, nll: (1 - (-nll).exp()) ** 0.5 * nll, lambda p, u, nll: u**0.5 * nll),
        (lambda p, u, nll: (1 - u**0.25) ** 0.5, lambda p, u, nll: (p / ((1 + u**0.25) * (1 + u**0.5))) ** 0.5),
    ]
    for one, other in pairs:
        for z in (0.5, -0.5, 37.0, -37.0, 745.2, -745.2, 1e4, -1e4, 1e5, -1e5, INF, -INF):
            got, exact = oracle.member(made(one), z, 1), oracle.member(made(other), z, 1)
            for field in ("value", "grad", "hess"):
                assert the_same(getattr(got, field), getattr(exact, field), 50), (z, field)
    row = oracle.member(made(pairs[1][0]), [INF, 0.0, 1.0], 0)
    assert all(entry == 0 for line in row.hessian for entry in line)


def test_a_kink_has_the_derivatives_of_the_branch_that_the_definition_takes() -> None:
    """``max(u - m, 0 * u)`` at u = m takes its first; beyond it all is 0, also by the parameters."""
    kernel = made(_shifted, gamma=1, margin=0.5)
    at, beyond = oracle.member(kernel, 0, 1), oracle.member(kernel, 0.001, 1)
    assert (at.value, at.grad) == (0, 0)
    assert at.hess == 0.125  # v² + …, with v' = −1/4
    assert [getattr(beyond, field) for field in ("value", "grad", "hess", "grad_terms", "hess_terms")] == [0] * 5
    assert beyond.parameter_grad("margin") == 0


# ---- terms ------------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("gamma", GAMMAS)
def test_terms_are_those_of_the_hand_written_oracle(gamma: float) -> None:
    """Σ|terms| of φ'' of focal loss: between 1 and 1.25 times the other oracle's, and the very same for γ ≥ 1."""
    most = 1 if gamma >= 1 or gamma == 0 else 1.25
    calls = [(oracle.member(FOCAL, x, y, gamma=gamma), oracle.sigmoid(x, y, gamma)) for x in LOGITS[:-1] for y in (0, 1)]
    calls += [(oracle.member(FOCAL, row, t, gamma=gamma), oracle.softmax(row, t, gamma)) for row in ROWS[:6] for t in (0, 1)]
    for got, hand in calls:
        for ours, theirs in zip(*(v if isinstance(v, list) else [v] for v in (got.hess_terms, hand.hess_terms)), strict=True):
            with mpmath.workdps(60):
                assert the_same(ours, theirs, 48) or theirs < ours < most * theirs


@pytest.mark.slow
@pytest.mark.parametrize("name", MEMBERS)
def test_terms_bound_the_derivatives_and_have_no_zero_next_to_theirs(name: str) -> None:
    """Σ|terms| ≥ |Σ terms|; where φ'' changes sign it is what it was beside."""
    values = [(z, oracle.member(MEMBERS[name], z, 1)) for z in (step / 16 for step in range(-160, 160, 5))]
    with mpmath.workdps(120):
        last_digit = mp.mpf(10) ** -60
        for z, got in values:
            assert got.grad_terms * (1 + last_digit) >= abs(got.grad), z
            assert got.hess_terms * (1 + last_digit) >= abs(got.hess), z
    for (_, left), (_, right) in itertools.pairwise(values):
        if left.hess * right.hess < 0:
            assert 0.5 < left.hess_terms / right.hess_terms < 2


def test_terms_at_the_zero_of_the_second_derivative_stay() -> None:
    """Bisected to the last bit of float64, φ'' of the test's own member is 1e-15 of its terms, and has all its digits."""
    low, high = -4.0, 0.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if oracle.member(MEMBERS["test"], middle, 1, digits=10).hess < 0 else (low, middle)
    got, exact = (oracle.member(MEMBERS["test"], low, 1, digits=d) for d in (30, 80))
    assert abs(got.hess) < 1e-14 * got.hess_terms
    assert the_same(got.hess, exact.hess, 30)


# ---- limits -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "z", "value", "grad"),
    [
        ("test", -INF, INF, -2),
        ("test", INF, 0, 0),
        ("poly1", -INF, INF, -1),
        ("poly1", INF, 0, 0),
        ("poly1, falling", -INF, INF, -1),
        ("reduced", -INF, INF, -1),
        ("reduced", INF, 0, 0),
        ("shifted", INF, 0, 0),
        ("quotient", -INF, 1 / mp.mpf(0.7), 0),
        ("symmetric", -INF, INF, -INF),
    ],
)
def test_infinite_logits_have_the_limits(name: str, z: float, value: Any, grad: Any) -> None:
    """Of a logit, and of a row in which a class is infinitely far from the others."""
    got = oracle.member(MEMBERS[name], z, 1, digits=20)
    assert the_same(got.value, mp.mpf(value), 15)
    assert the_same(got.grad, mp.mpf(grad), 20)
    if name != "symmetric":
        assert got.hess == 0
        row = oracle.member(MEMBERS[name], [z, 0.0, 0.0], 0, digits=20)
        assert the_same(row.value, mp.mpf(value), 15)
        assert the_same(row.grad, [mp.mpf(grad), *[mp.mpf(-grad) / 2] * 2], 20)
    mirrored = oracle.member(MEMBERS[name], -z, 0, digits=20)
    assert (mirrored.value, mirrored.grad) == (got.value, -got.grad)


def test_a_limit_that_cannot_be_told_is_nan() -> None:
    """One that is reached as slowly as 1/log ℓ; what grows or falls as slowly is told, and a limit that is reached like 1/ℓ."""
    assert mpmath.isnan(oracle.member(made(lambda p, u, nll: 1 + 1 / nll.log()), -INF, 1).value)
    assert oracle.member(made(lambda p, u, nll: nll.log()), -INF, 1).value == INF
    assert oracle.member(made(lambda p, u, nll: 1 / nll.log()), -INF, 1).value == 0
    assert oracle.member(made(lambda p, u, nll: 3 + 1 / nll), -INF, 1).value == 3


def test_nan_stays_and_what_has_no_weight_is_zero() -> None:
    """NaN in a logit or label is NaN in everything; a class weight of 0 hides even that."""
    for got in (oracle.member(FOCAL, math.nan, 1), oracle.member(FOCAL, 0.0, math.nan)):
        assert all(map(mpmath.isnan, (got.value, got.grad, got.hess, got.grad_terms, got.hess_terms, got.gamma_grad)))
    row = oracle.member(FOCAL, [1.0, math.nan], 0)
    assert all(map(mpmath.isnan, [row.value, row.gamma_grad, *row.grad, *row.hess, *row.hessian[0]]))
    hidden = oracle.member(FOCAL, [1.0, math.nan], 0, alpha=[0, 1])
    assert (hidden.value, hidden.grad, hidden.hess) == (0, [0, 0], [0, 0])
    assert oracle.member(FOCAL, math.nan, 1, alpha=0).value == 0


# ---- the kernel -------------------------------------------------------------------------------------------------------------


def test_the_family_s_kernels_are_taken_as_they_are() -> None:
    """An instance with its values, a class with its defaults; what a keyword says goes before."""
    poly = family.Poly1(gamma=0.5, epsilon=3.0)
    assert oracle.member(poly, 0.5, 1) == oracle.member(MEMBERS["poly1"], 0.5, 1, gamma=0.5, epsilon=3)
    assert oracle.member(family.Poly1, 0.5, 1) == oracle.member(MEMBERS["poly1"], 0.5, 1, gamma=2, epsilon=1)
    assert oracle.member(poly, [0.5, 1.0], 1, epsilon=0).grad == oracle.member(FOCAL, [0.5, 1.0], 1, gamma=0.5).grad
    with pytest.raises(ValueError, match="gamma: got -1"):
        oracle.member(family.Focal, 0.5, 1, gamma=-1)


def test_parameters_come_from_the_call_then_from_the_kernel() -> None:
    """A keyword, else the kernel's own values, else its defaults; of a row, one a class if it is a sequence."""
    poly = MEMBERS["poly1"]
    own = SimpleNamespace(definition=poly.definition, parameters=poly.parameters, values={"gamma": 0.5, "epsilon": 3})
    assert oracle.member(poly, 0.5, 1) == oracle.member(poly, 0.5, 1, gamma=2, epsilon=1.25)
    assert oracle.member(own, 0.5, 1) == oracle.member(poly, 0.5, 1, gamma=0.5, epsilon=3)
    assert oracle.member(own, 0.5, 1, epsilon=1) == oracle.member(poly, 0.5, 1, gamma=0.5, epsilon=1)
    row = [0.5, -1.25, 2.0]
    for target, gamma in enumerate((0, 1, 2.5)):
        got = oracle.member(FOCAL, row, target, gamma=[0, 1, 2.5])
        assert the_same(got.grad, oracle.softmax(row, target, gamma).grad, 50)


@pytest.mark.parametrize(
    ("error", "says", "arguments"),
    [
        (TypeError, "'epsilon'.*'gamma'", {"epsilon": 1}),
        (TypeError, "gamma: got 'two'", {"gamma": "two"}),
        (TypeError, "gamma: got \\[1, 2\\]", {"gamma": [1, 2]}),
        (ValueError, "gamma: got inf", {"gamma": INF}),
        (ValueError, "gamma: got -1.*≥ 0", {"gamma": -1}),
        (ValueError, "y: got 2", {"y": 2}),
        (ValueError, "alpha: got 1.5", {"alpha": 1.5}),
        (TypeError, "x: got None", {"x": None}),
        (ValueError, "x: got 1 logits", {"x": [0.0], "y": 0}),
        (ValueError, "y: got 3", {"x": [0.0, 1.0], "y": 3}),
        (TypeError, "y: got 1.0", {"x": [0.0, 1.0], "y": 1.0}),
        (ValueError, "y: got 3 probabilities", {"x": [0.0, 1.0], "y": [0, 0, 1]}),
        (ValueError, "gamma: got 3 numbers", {"x": [0.0, 1.0], "y": 0, "gamma": [0, 0, 1]}),
        (ValueError, "digits: got 0", {"digits": 0}),
    ],
)
def test_a_wrong_argument_is_named(error: type[Exception], says: str, arguments: dict[str, Any]) -> None:
    """What came and what is accepted; a kernel that gives its parameters' range has it kept."""
    kernel = SimpleNamespace(definition=FOCAL.definition, parameters={"gamma": SimpleNamespace(default=2.0, low=0.0, high=INF)})
    given = {"x": 0.0, "y": 1, **arguments}
    with pytest.raises(error, match=says):
        oracle.member(kernel, given.pop("x"), given.pop("y"), **given)


def test_a_parameter_grad_is_refused_by_name() -> None:
    """A name that the kernel doesn't have."""
    with pytest.raises(ValueError, match=r"name: got 'epsilon'; expected .*'gamma'"):
        oracle.member(FOCAL, 0.5, 1).parameter_grad("epsilon")


def test_a_definition_that_does_not_settle_is_refused() -> None:
    """One that depends on the precision; and a power that is no real number."""
    with pytest.raises(ArithmeticError, match="digits"):
        oracle.member(made(lambda p, u, nll: p * p.ctx.prec), 0.5, 1)
    with pytest.raises(ValueError, match="a power of a negative number"):
        oracle.member(made(lambda p, u, nll: (p - 2) ** 0.5), 0.5, 1)


def test_many_points_are_the_points_one_by_one() -> None:
    """Logits or rows, each with its own target."""
    logits, rows = [0.5, -3.0, INF], [[0.5, 1.0], [2.0, -1.0, 0.0]]
    assert oracle.member_many(FOCAL, logits, [1, 0, 0.5], gamma=1) == [
        oracle.member(FOCAL, x, y, gamma=1, digits=40) for x, y in zip(logits, (1, 0, 0.5), strict=True)
    ]
    assert oracle.member_many(FOCAL, rows, [1, [0.5, 0.25, 0.25]])[1] == oracle.member(
        FOCAL, rows[1], [0.5, 0.25, 0.25], digits=40
    )


# ---- series -----------------------------------------------------------------------------------------------------------------


@given(st.floats(0.1, 3), st.integers(-3, 5))
def test_series_carry_two_derivatives_through_every_operation(at: float, n: int) -> None:
    """Against mpmath's numeric ones."""

    def formula(x: Any) -> Any:
        known = isinstance(x, Series)
        root, e, small = (x.sqrt(), x.exp(), x.expm1()) if known else (mp.sqrt(x), mp.exp(x), mp.expm1(x))
        above = x.log1p() if known else mp.log1p(x)
        return +x - 2 / x + x**n * e - root / small + (above - 3) * abs(x - 5) + 2 ** (x / 3) + x**x

    got = formula(Series(context(30, 35), at, 1))
    with mpmath.workdps(100):
        exact = [formula(mp.mpf(at)), mp.diff(formula, at), mp.diff(formula, at, 2)]
        for have, want in zip((got.value, got.first, got.second), exact, strict=True):
            assert abs(have - want) < mp.mpf(10) ** -25 * (1 + got.second_terms)


def test_series_compare_by_their_value() -> None:
    """With each other and with numbers, either way round; and they are no keys, since they change nothing else."""
    ctx = context(30, 35)
    one, two = Series(ctx, 1, 5), Series(ctx, 2)
    assert all((one < two, two <= 2, two > 1, two > one, one >= 1, one == 1, one != two, two != 1))
    assert min(one, 1.5) is one
    assert max(one, 1.5) == 1.5
    assert sorted([two, one])[0] is one
    assert [bool(one), bool(Series(ctx, 0, 1))] == [True, False]
    with pytest.raises(TypeError):
        hash(one)
    with pytest.raises(TypeError, match="a number of the formula"):
        one + "x"

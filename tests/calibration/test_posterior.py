"""The correction from a focal minimiser to the class posterior, and back, is exact: against the definition, in mpmath."""

from __future__ import annotations

import functools
import importlib
import math
from collections.abc import Sequence
from typing import Any

import mpmath
import numpy as np
import pytest

import focal_ref as fr
from focal_ref import oracle
from focal_ref.calibration.posteriors import minimiser, optimal_constant, posterior, posterior_from_logits
from focal_ref.conformance import ulp

ctx = mpmath.MPContext()
ctx.dps = 110

GAMMAS = (0.0, 0.5, 2.0, 5.0)
ALPHA = 0.25
WEIGHTS = (0.5, 2.0, 1.25)
PROBS = [*np.linspace(0.03125, 0.96875, 16), 0.499, 0.501, 1e-3, 1e-7, 1 - 2**-10, 6e-5, 1 - 2**-11]
LOGITS = [*np.linspace(-8, 8, 17), -0.01, 0.01, -15.5, 12.25, 40.0, -40.0]
ROWS = [[0.5, 0.25, 0.25], [0.75, 0.125, 0.125], [0.0625, 0.9375, 0.0], [0.96875, 0.015625, 0.015625], [0.375, 0.375, 0.25]]
ROWS.append([1 - 3 * 2.0**-45, 2.0**-46, 2.0**-48])
LOGIT_ROWS = [[0, 0, 0], [8, -3, 1], [15, -15, 3], [-2, 5.5, 5.25], [30, 29, -5], [-1, -40, -1.5]]


def bound(gamma: float, *, rows: bool) -> float:
    """ULP, where there is no wider type to compute in."""
    return 6 + 3 * gamma if rows else 4 + 2 * gamma


def allowed(backend: Any, dtype: str, gamma: float, *, rows: bool) -> float:
    return 0.51 if backend.widens(dtype) else bound(gamma, rows=rows)


def exact(v: Sequence[Any], gamma: float, alpha: Sequence[float]) -> list[Any]:
    """η_c ∝ v_c/(α_c φ(v_c)), φ(v) = (1 − v)^γ − γ (1 − v)^(γ−1) v log v, as the paper has it; v is divided by its sum."""
    v, gamma = [ctx.mpf(float(x)) if not isinstance(x, ctx.mpf) else x for x in v], ctx.mpf(gamma)
    total = ctx.fsum(v)
    terms = []
    for c, x in enumerate(v):
        rest = ctx.fsum(v[:c] + v[c + 1 :]) / total
        if rest == 0:
            return [ctx.mpf(k == c) for k in range(len(v))]
        x = x / total
        phi = rest**gamma - (gamma * rest ** (gamma - 1) * x * ctx.log(x) if x else 0)
        terms.append(x / (ctx.mpf(alpha[c]) * phi))
    return [t / ctx.fsum(terms) for t in terms]


def exact_binary(p: float, gamma: float, alpha: float | None) -> Any:
    p = ctx.mpf(p)
    return exact([1 - p, p], gamma, (1, 1) if alpha is None else (1 - alpha, alpha))[1]


@functools.cache
def odds_of(logit: float, gamma: float, alpha: float | None) -> Any:
    e = ctx.exp(ctx.mpf(logit))
    return exact([1 / (1 + e), e / (1 + e)], gamma, (1, 1) if alpha is None else (1 - alpha, alpha))


def numbers(backend: Any, values: Any, dtype: str) -> tuple[Any, Any]:
    """An array of the backend, and what it holds."""
    array = backend(np.asarray(values, dtype=np.float64), dtype)
    return array, backend.numpy(array)


# ---- exact ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [None, ALPHA])
@pytest.mark.parametrize("gamma", GAMMAS)
def test_probabilities_of_the_positives_are_corrected_exactly(backend: Any, gamma: float, alpha: float | None) -> None:
    """Correctly rounded where a wider type is there, and within 4 + 2γ ULP where not, near 0 and 1 too."""
    for dtype in backend.dtypes:
        p, held = numbers(backend, PROBS, dtype)
        inside = (held > 0) & (held < 1)
        found = posterior(p, gamma, alpha)
        assert found.dtype == p.dtype
        errors = backend.ulps(found, [exact_binary(x, gamma, alpha) if i else x for x, i in zip(held, inside, strict=True)])
        assert normal(errors, backend.numpy(found), dtype).max() <= allowed(backend, dtype, gamma, rows=False), dtype


def normal(errors: Any, found: Any, dtype: str) -> Any:
    """Errors where the result is no subnormal number, which some libraries flush to 0."""
    return np.where(np.abs(np.ravel(found)) < 2 * ulp.FORMATS[dtype].tiny, 0.0, errors)


@pytest.mark.parametrize("alpha", [None, ALPHA])
@pytest.mark.parametrize("gamma", GAMMAS)
def test_logits_lose_nothing_on_the_way(backend: Any, gamma: float, alpha: float | None) -> None:
    """σ(40) is 1 in every type, but the posterior's complement, from the logit −40, is there with all its digits."""
    for dtype in backend.dtypes:
        x, held = numbers(backend, LOGITS, dtype)
        found = posterior_from_logits(x, gamma, alpha)
        errors = backend.ulps(found, [odds_of(float(v), gamma, alpha)[1] for v in held])
        assert normal(errors, backend.numpy(found), dtype).max() <= allowed(backend, dtype, gamma, rows=False), dtype


@pytest.mark.parametrize("alpha", [None, WEIGHTS])
@pytest.mark.parametrize("gamma", GAMMAS)
def test_rows_are_corrected_exactly(backend: Any, gamma: float, alpha: Any) -> None:
    """Rows of probabilities and of logits, with and without class weights; they sum to 1."""
    for dtype in backend.dtypes:
        p, held = numbers(backend, ROWS, dtype)
        expected = [y for row in held for y in exact(row, gamma, alpha or (1, 1, 1))]
        found = posterior(p, gamma, alpha)
        errors = backend.ulps(found, expected)
        assert normal(errors, backend.numpy(found), dtype).max() <= allowed(backend, dtype, gamma, rows=True), dtype
        x, held = numbers(backend, LOGIT_ROWS, dtype)
        expected = [y for row in held for y in exact([ctx.exp(ctx.mpf(v)) for v in row], gamma, alpha or (1, 1, 1))]
        found = posterior_from_logits(x, gamma, alpha)
        errors = backend.ulps(found, expected)
        assert normal(errors, backend.numpy(found), dtype).max() <= allowed(backend, dtype, gamma, rows=True), dtype
        ulps = np.abs(backend.numpy(found).sum(axis=1) - 1) / ulp.ulp(1.0, ulp.FORMATS[dtype])
        assert ulps.max() <= 2


@pytest.mark.slow
@pytest.mark.parametrize("alpha", [None, ALPHA])
@pytest.mark.parametrize("gamma", GAMMAS)
def test_the_inverse_is_exact(backend: Any, gamma: float, alpha: float | None) -> None:
    """The minimiser of the posterior that a logit stands for is σ of that logit, and the best constant is that logit.

    What rounding the posterior took is counted too: each ULP of it moves the minimiser by at most one.
    """
    for dtype in backend.dtypes:
        etas = [float(odds_of(v, gamma, alpha)[1]) for v in (-9, -3, -1, -0.125, 0.25, 0.5)]
        eta, held = numbers(backend, [e for e in etas if e > ulp.FORMATS[dtype].tiny], dtype)
        margins = [exact_logit(float(e), gamma, alpha) for e in held]
        found = minimiser(eta, gamma, alpha)
        errors = backend.ulps(found, [1 / (1 + ctx.exp(-z)) for z in margins])
        assert errors.max() <= (0.51 if backend.widens(dtype) else 4), dtype
        constant = optimal_constant(eta, gamma, alpha, axis=None)
        errors = backend.ulps(constant, margins, scale=np.ones(len(margins)))
        assert errors.max() <= (0.51 if backend.widens(dtype) else 4), dtype


@functools.cache
def exact_logit(eta: float, gamma: float, alpha: float | None) -> Any:
    """The logit whose posterior is η, by Newton's steps with the exact posterior."""
    target = ctx.log(ctx.mpf(eta)) - ctx.log1p(-ctx.mpf(eta))

    def off(z: Any) -> Any:
        e = ctx.exp(z)
        q, p = exact([1 / (1 + e), e / (1 + e)], gamma, (1, 1) if alpha is None else (1 - alpha, alpha))
        return ctx.log(p / q) - target

    here, step = target / (1 + gamma), ctx.one
    while abs(step) > ctx.mpf(10) ** -60:
        width = ctx.mpf(10) ** -40
        step = off(here) / ((off(here + width) - off(here - width)) / (2 * width))
        here -= step
    return here


@pytest.mark.parametrize("alpha", [None, WEIGHTS])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0, 5.0, 20.0])
def test_the_inverse_of_rows_is_exact(gamma: float, alpha: Any) -> None:
    """The exact posterior of the minimiser is the row that was given, to (1 + γ) (4 + γ) ULP: each entry is a power of it."""
    eta = np.asarray([*ROWS, [1e-200, 1e-9, 1.0], [1e-30, 2e-30, 1.0], [1 / 3] * 3])
    found = minimiser(eta, gamma, alpha)
    np.testing.assert_array_equal(found == 0, eta == 0)
    back = [y for row in found for y in exact(row, gamma, alpha or (1, 1, 1))]
    expected = [ctx.mpf(x) / ctx.fsum(map(ctx.mpf, row)) for row in eta.tolist() for x in row]
    slack = [abs(float((b - e) / e)) if e else float(b) for b, e in zip(back, expected, strict=True)]
    assert max(slack) <= (1 + gamma) * (4 + gamma) * 2**-52
    np.testing.assert_array_max_ulp(found.sum(axis=1), np.ones(len(eta)), 4)
    logits = optimal_constant(eta, gamma, alpha)
    with np.errstate(divide="ignore"):
        np.testing.assert_array_max_ulp(np.exp(logits[found > 0]), found[found > 0], 1000)  # log v is up to 460


def test_many_classes_and_steep_losses(backend: Any) -> None:
    """There and back again for 100 classes and γ up to 20, within 1e-10 (float32: 1e-3): no row is left unsettled."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(6, 100)) * np.geomspace(0.1, 30, 6)[:, None]
    dtype, slack = ("float64", 1e-10) if backend.has("float64") else ("float32", 1e-3)
    eta = posterior_from_logits(backend(logits, dtype), 0.0)
    exact_eta = backend.numpy(eta)
    big = exact_eta > 1e6 * ulp.FORMATS[dtype].tiny
    for gamma in (0.5, 5.0, 20.0):
        back = backend.numpy(posterior(minimiser(eta, gamma), gamma))
        assert np.abs(back[big] / exact_eta[big] - 1).max() < slack, gamma


def test_a_row_that_cannot_be_solved_is_nan_and_never_wrong() -> None:
    """Far beyond the promised γ, what comes back is right or NaN."""
    eta = posterior_from_logits(np.random.default_rng(1).normal(size=(60, 1000)) * 10, 0.0)
    found = minimiser(eta, 1000.0)
    lost = np.isnan(found).any(axis=1)
    assert lost.any()
    assert np.isnan(found[lost]).all()
    assert (~lost).any()
    assert np.abs(posterior(found[~lost], 1000.0) / eta[~lost] - 1).max() < 1e-8


# ---- what it is for ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [None, ALPHA])
@pytest.mark.parametrize("gamma", [0.5, 2.0, 5.0])
def test_training_to_the_end_and_correcting_restores_calibration(gamma: float, alpha: float | None) -> None:
    """Known posteriors; the population's mean focal loss, minimised by its own gradient; corrected: within 1e-10 of them."""
    eta = np.linspace(0.001, 0.999, 201)
    logits, loss = np.zeros_like(eta), fr.SigmoidFocalLoss(gamma=gamma, alpha=alpha)
    for _ in range(60):
        ups, downs = loss.value_grad_hess(logits, 1), loss.value_grad_hess(logits, 0)
        slope = eta * ups[1] + (1 - eta) * downs[1]
        bend = np.abs(eta * ups[2] + (1 - eta) * downs[2])
        logits = logits - np.clip(slope / bend, -1, 1)
    trained = 1 / (1 + np.exp(-logits))
    assert np.abs(trained - eta).max() > 0.05  # not calibrated by itself
    assert np.abs(posterior_from_logits(logits, gamma, alpha) - eta).max() < 1e-10
    assert np.abs(posterior(trained, gamma, alpha) - eta).max() < 1e-10


@pytest.mark.parametrize("alpha", [None, WEIGHTS])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0, 5.0])
def test_at_the_best_constant_the_mean_gradient_is_0(gamma: float, alpha: Any) -> None:
    """By the oracle's gradients: Σ_c π_c ∂L_c/∂x vanishes to 1e-12 of its terms, for rows and for one logit."""
    prior = [0.9, 0.07, 0.03]
    row = optimal_constant(prior, gamma, alpha)
    grads = [oracle.softmax(row.tolist(), c, gamma, alpha, digits=30).grad for c in range(3)]
    for j in range(3):
        terms = [prior[c] * grads[c][j] for c in range(3)]
        assert abs(mpmath.fsum(terms)) < 1e-12 * mpmath.fsum(terms, absolute=True)
    share = None if alpha is None else ALPHA
    for p in (1e-6, 0.03275, 0.4, 0.97):
        z = optimal_constant(p, gamma, share)
        terms = [p * oracle.sigmoid(z, 1, gamma, share).grad, (1 - mpmath.mpf(p)) * oracle.sigmoid(z, 0, gamma, share).grad]
        assert abs(mpmath.fsum(terms)) < 1e-12 * mpmath.fsum(terms, absolute=True)


# ---- laws -------------------------------------------------------------------------------------------------------------------


def test_without_focusing_and_weights_nothing_changes(backend: Any) -> None:
    """γ = 0 is cross entropy, which is proper."""
    p = backend(np.asarray(PROBS), "float32")
    errors = backend.ulps(posterior(p, 0.0), [ctx.mpf(float(v)) for v in backend.numpy(p)])
    assert errors.max() <= 2


def test_two_classes_are_one_logit(backend: Any) -> None:
    """Rows (1 − v, v) with weights (1 − α, α) give the binary correction."""
    p = np.asarray(PROBS)
    rows = backend.numpy(posterior(backend(np.stack([1 - p, p], axis=1), "float32"), 2.0, (1 - ALPHA, ALPHA)))
    single = backend.numpy(posterior(backend(p, "float32"), 2.0, ALPHA))
    assert (np.abs(rows[:, 1] - single) / np.spacing(single.astype(np.float32))).max() <= 64  # 1 − v was rounded for the rows


def test_each_sample_may_have_its_own_gamma(backend: Any) -> None:
    """γ broadcasts against the losses: one an element, one a row."""
    gammas = np.asarray([0.0, 1.0, 3.0])
    p, each = backend(PROBS, "float32"), np.resize(gammas, len(PROBS))
    found = backend.numpy(posterior(p, backend(each, "float32"), ALPHA))
    for gamma in gammas:
        np.testing.assert_array_equal(found[each == gamma], backend.numpy(posterior(p, float(gamma), ALPHA))[each == gamma])
    rows, each = backend(ROWS, "float32"), np.resize(gammas, len(ROWS))
    for change in (posterior, minimiser):
        found = backend.numpy(change(rows, backend(each, "float32"), WEIGHTS)).astype(np.float32)
        for gamma in gammas:
            alone = backend.numpy(change(rows, float(gamma), WEIGHTS)).astype(np.float32)
            np.testing.assert_array_max_ulp(found[each == gamma], alone[each == gamma], 16)


def test_the_classes_may_lie_along_any_axis(backend: Any) -> None:
    """As for the losses; None takes every element by itself, whatever the shape."""
    p = np.asarray(ROWS)
    last = backend.numpy(posterior(backend(p, "float32"), 2.0, WEIGHTS))
    first = posterior(backend(p.T.copy(), "float32"), 2.0, WEIGHTS, axis=0)
    assert tuple(first.shape) == (3, 6)
    np.testing.assert_array_equal(backend.numpy(first).T, last)
    single = backend.numpy(posterior(backend(p, "float32"), 2.0, axis=None))
    np.testing.assert_array_equal(single.ravel(), backend.numpy(posterior(backend(p.ravel(), "float32"), 2.0)))


def test_limits(backend: Any) -> None:
    """What is certain stays certain, NaN stays in its element or row, infinite logits are taken."""
    count, rows = len(PROBS), len(ROWS)  # shapes of above, since JAX compiles for each

    def first(change: Any, values: Any, shape: tuple[int, ...], **options: Any) -> Any:
        found = backend.numpy(change(backend(np.resize(np.asarray(values, float), shape), "float32"), 2.0, **options))
        return found[: len(values)]

    certain = [0.0, 1.0, 0.5, np.nan]
    for change in (posterior, minimiser):
        found = first(change, certain, (count,))
        np.testing.assert_array_equal(found[[0, 1, 3]], [0, 1, np.nan])
        assert abs(found[2] - 0.5) < 1e-6
        np.testing.assert_array_equal(first(change, [[1, 0, 0], [0.5, 0.5, 0]], (rows, 3)), [[1, 0, 0], [0.5, 0.5, 0]])
    np.testing.assert_array_equal(first(optimal_constant, certain, (count,), axis=None), [-np.inf, np.inf, 0, np.nan])
    found = first(posterior_from_logits, [np.inf, -np.inf, 0.0, np.nan, 1e30, -1e30], (count,))
    np.testing.assert_array_equal(found, [1, 0, 0.5, np.nan, 1, 0])
    assert first(optimal_constant, [[1, 0, 0]], (rows, 3))[0].tolist() == [0, -np.inf, -np.inf]
    found = first(posterior_from_logits, [[np.inf, 0, 1], [np.nan, 0, 1]], (rows, 3))
    np.testing.assert_array_equal(found, [[1, 0, 0], [np.nan] * 3])


def test_numbers_and_sequences_are_taken_in_float64() -> None:
    """A number gives a number; a list gives NumPy's array; a sequence of class frequencies gives a row of logits."""
    assert type(posterior(0.25, 2.0)) is float
    assert posterior([0.25, 0.5], 2.0)[0] == posterior(0.25, 2.0)
    assert type(optimal_constant(0.01, 2.0)) is float
    assert optimal_constant(0.01, 0.0) == pytest.approx(math.log(0.01 / 0.99), rel=1e-15)
    assert optimal_constant([0.5, 0.5], 2.0).tolist() == [-math.log(2), -math.log(2)]


def test_published_figures() -> None:
    """A prevalence of 3.275% at γ = 2: the best constant is 0.2208, not 0.03275."""
    assert round(minimiser(0.03275, 2.0), 4) == 0.2208


# ---- wrong input ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ((1.5, 2.0), {}, ValueError, "probs: got"),
        ((np.asarray([0.5, -0.1]), 2.0), {}, ValueError, "probs: got"),
        ((np.asarray([[0.5, 0.1]]), 2.0), {}, ValueError, "rows that don't sum to 1"),
        ((np.asarray([1, 0]), 2.0), {}, TypeError, "probs: got an int64 array"),
        (("0.5", 2.0), {}, TypeError, "probs: got '0.5'"),
        ((None, 2.0), {}, TypeError, "probs: got None"),
        ((0.5, -1.0), {}, ValueError, "gamma: got -1.0"),
        ((0.5, 2.0, 0.0), {}, ValueError, "alpha: got 0.0"),
        ((0.5, 2.0, 1.0), {}, ValueError, "alpha: got 1.0"),
        ((0.5, 2.0, 3.0), {}, ValueError, "alpha: got 3.0"),
        ((np.asarray([[0.5, 0.5]]), 2.0, [1.0, 0.0]), {}, ValueError, "alpha: got"),
        ((np.asarray([[0.5, 0.5]]), 2.0, [1.0, 1.0, 1.0]), {}, ValueError, "alpha"),
        ((np.asarray([[1.0]]), 2.0), {}, ValueError, "two classes or more"),
        ((0.5, 2.0), {"axis": -1}, ValueError, "axis: got -1"),
        ((0.5, 2.0), {"axis": "rows"}, ValueError, "axis: got 'rows'"),
        ((0.5, 2.0), {"axis": 0.5}, TypeError, "axis: got 0.5"),
    ],
)
def test_wrong_input_is_refused_in_words(arguments: Any, options: Any, error: Any, message: str) -> None:
    """Every refusal names the argument and what came, for the correction and its inverse."""
    for function in (posterior, minimiser):
        with pytest.raises(error, match=message):
            function(*arguments, **options)


def test_the_package_exports_them() -> None:
    """The names that users are told of."""
    module = importlib.import_module("focal_ref")
    for name in ("posterior", "posterior_from_logits", "minimiser", "optimal_constant"):
        assert hasattr(module, name), name

"""Class weights, biases and the sample-dependent γ are what their papers define, to the last digits: against mpmath."""

from __future__ import annotations

import importlib
import math
from collections import Counter
from typing import Any

import mpmath
import numpy as np
import pytest

import focal_ref as fr
from focal_ref.calibration.balancing import class_balanced_alpha, gamma_for, initial_bias, inverse_frequency_alpha
from focal_ref.calibration.posteriors import optimal_constant
from focal_ref.conformance import ulp

ctx = mpmath.MPContext()
ctx.dps = 120

COUNTS = ([990, 10], [1, 1], [5000, 2, 40, 7], [10**9, 3, 10**6], [0.5, 12.25, 3e5], [10**7, 10**7 + 1])
BETAS = (0.0, 1e-300, 1e-3, 0.25, 0.5, 0.75, 0.9, 0.999, 0.999999, 1 - 2**-40, 1 - 2**-53, 1.0)


def ulps(found: Any, exact: list[Any], scale: Any = None) -> float:
    return float(ulp.errors(found, *ulp.split(exact), ulp.FORMATS["float64"], scale=scale).max())


# ---- class weights ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("counts", COUNTS, ids=str)
@pytest.mark.parametrize("beta", BETAS)
def test_class_balanced_weights_keep_their_digits(counts: list[Any], beta: float) -> None:
    """(1 − β)/(1 − β^n), normalised to sum to C, within 6 ULP for every β, where `1 - beta**n` has lost them."""
    b = ctx.mpf(beta)
    terms = [1 / ctx.mpf(n) if beta == 1 else (1 - b) / (1 - b**n) for n in map(ctx.mpf, counts)]
    exact = [len(counts) * t / ctx.fsum(terms) for t in terms]
    assert ulps(class_balanced_alpha(counts, beta), exact) <= 6


def test_the_naive_formula_has_lost_them() -> None:
    """What the test above guards: in float64 at β = 1 − 2⁻⁴⁰ the textbook line is wrong by thousands of ULP."""
    beta, counts = 1 - 2**-40, (990, 10)
    naive = [(1 - beta) / (1 - beta**n) for n in counts]
    naive = [2 * w / sum(naive) for w in naive]
    assert ulps(naive, [ctx.mpf(w) for w in class_balanced_alpha(counts, beta)]) > 1000


def test_the_limits_are_equal_weights_and_inverse_frequencies() -> None:
    """β = 0 and β = 1; near 1 the weights tend to the latter."""
    assert class_balanced_alpha([900, 90, 10], 0.0) == (1.0, 1.0, 1.0)
    assert class_balanced_alpha([900, 90, 10], 1.0) == inverse_frequency_alpha([900, 90, 10])
    near = class_balanced_alpha([900, 90, 10], 1 - 1e-12)
    np.testing.assert_allclose(near, inverse_frequency_alpha([900, 90, 10]), rtol=1e-8)


@pytest.mark.parametrize("counts", COUNTS, ids=str)
def test_inverse_frequencies_sum_to_the_number_of_classes(counts: list[Any]) -> None:
    """1/n, normalised, within 4 ULP."""
    terms = [1 / ctx.mpf(n) for n in counts]
    assert ulps(inverse_frequency_alpha(counts), [len(counts) * t / ctx.fsum(terms) for t in terms]) <= 4


def test_the_weights_are_what_losses_take(backend: Any) -> None:
    """A tuple of floats: hashable, and of use with any library's logits; counts may be that library's array."""
    weights = class_balanced_alpha([900, 90, 10], 0.99)
    loss = fr.SoftmaxFocalLoss(alpha=weights)
    assert isinstance(hash(loss), int)
    found = backend.numpy(loss(backend(np.zeros((1, 3)), "float32"), backend(np.asarray([2]))))
    plain = backend.numpy(fr.SoftmaxFocalLoss()(backend(np.zeros((1, 3)), "float32"), backend(np.asarray([2]))))
    assert abs(found[0] / plain[0] / weights[2] - 1) < 2**-22
    if backend.name != "dask":  # whose values aren't looked at
        assert class_balanced_alpha(backend(np.asarray([900, 90, 10])), 0.99) == weights


@pytest.mark.parametrize("weigh", [class_balanced_alpha, inverse_frequency_alpha])
def test_labels_and_dicts_are_counted(weigh: Any) -> None:
    """Integers are classes, an unseen one among them; strings are sorted; a Counter is by sorted label."""
    assert weigh(labels=[2, 0, 0, 2, 2]) == weigh([2, 0, 3])
    assert weigh(labels=np.asarray([True, False, True])) == weigh([1, 2])
    names = ["b", "a", "b", "c", "b", "c"]
    assert weigh(names) == weigh(labels=np.asarray(names)) == weigh(Counter(names)) == weigh([1, 3, 2])


@pytest.mark.parametrize("beta", [0.0, 0.5, 0.999, 1.0])
def test_an_empty_class_weighs_nothing_and_changes_nothing(beta: float) -> None:
    """The others' weights are those without it."""
    first, none, second, last = class_balanced_alpha([900, 0, 90, 10], beta)
    assert none == 0.0
    assert (first, second, last) == class_balanced_alpha([900, 90, 10], beta)
    assert isinstance(fr.SoftmaxFocalLoss(alpha=class_balanced_alpha([900, 0, 90], beta)), fr.SoftmaxFocalLoss)


@pytest.mark.parametrize("beta", BETAS)
def test_subnormal_counts_keep_their_digits(beta: float) -> None:
    """Effective numbers near the smallest there are: finite weights, within 6 ULP."""
    counts = [5e-324, 1e-323, 3e-310, 2e-300]
    b = ctx.mpf(beta)
    with ctx.workdps(700):
        terms = [1 / ctx.mpf(n) if beta == 1 else (1 - b) / (1 - b**n) if beta else ctx.mpf(1) for n in map(ctx.mpf, counts)]
        exact = [len(counts) * t / ctx.fsum(terms) for t in terms]
    assert ulps(class_balanced_alpha(counts, beta), exact) <= 6


def test_the_default_beta_is_0_999() -> None:
    """In the middle of the paper's."""
    assert class_balanced_alpha([990, 10]) == class_balanced_alpha([990, 10], 0.999)


# ---- biases -----------------------------------------------------------------------------------------------------------------


def test_the_initial_bias_is_retinanets() -> None:
    """−log((1 − π)/π), within 2 ULP of max(|bias|, 1)."""
    priors = [0.01, 0.5, 0.1, 1e-300, 1 - 2**-30, 0.499999, 0.03275]
    exact = [ctx.log(ctx.mpf(p) / (1 - ctx.mpf(p))) for p in priors]
    assert ulps([initial_bias(p) for p in priors], exact, scale=np.ones(len(priors))) <= 2


def test_with_gamma_the_bias_is_the_focal_optimum() -> None:
    """The same function as `optimal_constant`; the mean gradient is 0 there, and isn't at RetinaNet's."""
    bias = initial_bias(0.01, 2.0, 0.25)
    assert bias == optimal_constant(0.01, 2.0, 0.25)
    loss = fr.SigmoidFocalLoss(gamma=2.0, alpha=0.25)

    def pull(at: float) -> float:
        up, down = (float(loss.grad(np.asarray(at), y)) for y in (1, 0))
        return abs(0.01 * up + 0.99 * down) / (0.01 * abs(up) + 0.99 * abs(down))

    assert pull(bias) < 1e-14
    assert pull(initial_bias(0.01)) > 0.9
    assert initial_bias([0.5, 0.25, 0.25]).tolist() == np.log([0.5, 0.25, 0.25]).tolist()


# ---- γ ----------------------------------------------------------------------------------------------------------------------


def exact_gamma(p0: float) -> Any:
    """Mukhoti et al. 2020, proposition 1: γ = a/b + W₋₁(−a^(1 − a/b)/b · log a)/log a with a = 1 − p0, b = p0 log p0."""
    a, p = 1 - ctx.mpf(p0), ctx.mpf(p0)
    b = p * ctx.log(p)
    inner = -(a ** (1 - a / b)) / b * ctx.log(a)
    return a / b + ctx.lambertw(inner, -1).real / ctx.log(a)


PROBS = [*np.geomspace(2e-5, 0.45, 25), 0.2, 0.25, 0.4375, 0.49, 0.499, 0.5 - 2**-20, 0.5 - 2**-30, np.nextafter(0.5, 0)]


def test_gamma_is_lambert_s(backend: Any) -> None:
    """Correctly rounded where a wider type is there; else within 8 ULP of max(γ, 1), in float64."""
    for dtype in backend.dtypes:
        p = backend(np.asarray(PROBS), dtype)
        held = backend.numpy(p)
        exact = [exact_gamma(float(v)) for v in held]
        errors = backend.ulps(gamma_for(p), exact, scale=np.ones(len(exact)))
        limit = 0.51 if backend.widens(dtype) else 8
        assert errors.max() <= limit, (dtype, held[errors.argmax()])


def test_gamma_near_one_half_keeps_its_digits() -> None:
    """γ itself, however small, within 8 ULP: where k − 1 − log k has none left."""
    near = [0.5 - 2.0**-k for k in range(3, 54)] + [0.4999999999999987, float(np.nextafter(0.5, 0)), 0.4, 0.42, 0.44, 0.46]
    with ctx.workdps(60):
        exact = []
        for p in near:  # Lambert's branch point is there: to 60 digits from its own equation
            a, b = 1 - ctx.mpf(p), ctx.mpf(p)
            rho = -b * ctx.log(b) / a
            k = -ctx.log(a) / rho
            start = 2 * (1 - k) * (1 + (1 - k))
            t = ctx.findroot(lambda t, k=k: (ctx.log(1 + t) - k * t) / t, start, tol=1e-80)
            exact.append(t / rho)
    assert ulps(gamma_for(near), exact) <= 8


def test_at_that_gamma_the_gradient_is_cross_entropy_s() -> None:
    """What it is for: |φ'| of the margin is 1 − p0 there, smaller for greater γ, larger for smaller."""
    for p0 in (0.05, 0.2, 0.25, 0.4):
        gamma, logit = gamma_for(p0), np.asarray(math.log(p0 / (1 - p0)))
        here, more, less = (-float(fr.SigmoidFocalLoss(gamma=g).grad(logit, 1)) for g in (gamma, gamma * 1.1, gamma * 0.9))
        assert abs(here / (1 - p0) - 1) < 1e-14
        assert more < 1 - p0 < less


def test_where_no_gamma_does_it(backend: Any) -> None:
    """From 1/2 on every γ > 0 lowers the gradient: 0; at 0 none does: infinite. NaN stays."""
    found = backend.numpy(gamma_for(backend([0.5, 0.75, 1.0, 0.0, np.nan], "float32")))
    np.testing.assert_array_equal(found, [0, 0, 0, np.inf, np.nan])


def test_flsd53(backend: Any) -> None:
    """5 below 0.2, 3 from there on; an array that the losses take for γ, one a sample."""
    p = backend([0.0, 0.125, 0.1875, 0.25, 0.5, 1.0], "float32")
    gammas = gamma_for(p, method="flsd53")
    assert backend.numpy(gammas).tolist() == [5, 5, 5, 3, 3, 3]
    assert gammas.dtype == p.dtype
    logits = backend(np.zeros(6), "float32")
    losses = backend.numpy(fr.SigmoidFocalLoss(gamma=gammas)(logits, 1))
    assert abs(losses[0] * 4 / losses[5] - 1) < 2**-20
    assert np.isnan(backend.numpy(gamma_for(backend([np.nan], "float32"), method="flsd53"))).all()


def test_numbers_are_taken() -> None:
    """A number gives a number; a list gives NumPy's array."""
    assert type(gamma_for(0.25)) is float
    assert gamma_for([0.25, 0.1]).tolist() == [gamma_for(0.25), gamma_for(0.1)]
    assert gamma_for(0.1, "flsd53") == 5.0


# ---- wrong input ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: class_balanced_alpha([0, 0], 0.9), ValueError, "counts: got only zeros"),
        (lambda: class_balanced_alpha(), TypeError, "counts: got None"),
        (lambda: class_balanced_alpha([5, 5], labels=[0, 1]), TypeError, "counts: got"),
        (lambda: class_balanced_alpha(labels=[0, -1]), ValueError, "labels: got -1"),
        (lambda: class_balanced_alpha(labels=np.zeros((2, 2))), TypeError, "labels: got"),
        (lambda: class_balanced_alpha({"a": 1, 2: 3}), TypeError, "counts: got labels"),
        (lambda: class_balanced_alpha([5, -1], 0.9), ValueError, r"counts\[1\]: got -1"),
        (lambda: class_balanced_alpha([5, "1"], 0.9), TypeError, r"counts\[1\]: got '1'"),
        (lambda: class_balanced_alpha([5], 0.9), ValueError, "counts: got"),
        (lambda: class_balanced_alpha(5, 0.9), TypeError, "counts: got 5"),
        (lambda: class_balanced_alpha(np.zeros((2, 2)), 0.9), TypeError, "counts: got a float64 array"),
        (lambda: class_balanced_alpha([5, 5], 1.5), ValueError, "beta: got 1.5"),
        (lambda: class_balanced_alpha([5, 5], None), TypeError, "beta: got None"),  # type: ignore[arg-type]
        (lambda: inverse_frequency_alpha([math.inf, 1]), ValueError, r"counts\[0\]: got inf"),
        (lambda: initial_bias(1.5), ValueError, "prior: got"),
        (lambda: initial_bias([0.5, 0.1]), ValueError, "prior: got"),
        (lambda: gamma_for(1.5), ValueError, "p0: got"),
        (lambda: gamma_for("a"), TypeError, "p0: got 'a'"),
        (lambda: gamma_for(0.5, "adaptive"), ValueError, "method: got 'adaptive'"),  # type: ignore[arg-type]
    ],
)
def test_wrong_input_is_refused_in_words(call: Any, error: Any, message: str) -> None:
    """The message names the argument and what came."""
    with pytest.raises(error, match=message):
        call()


def test_the_package_exports_them() -> None:
    """The names that users are told of."""
    module = importlib.import_module("focal_ref")
    for name in ("class_balanced_alpha", "gamma_for", "initial_bias", "inverse_frequency_alpha"):
        assert hasattr(module, name), name

"""The derivative by γ, φ log u: against the oracle, against the value's own change, and for every kind of γ."""

from __future__ import annotations

import importlib
import itertools
import math
from typing import Any

import mpmath
import numpy as np
import pytest
from numpy.typing import NDArray

import focal_ref as fr
from focal_ref import oracle
from focal_ref.conformance import ulp
from focal_ref.engine import arrays
from tests.search import climbed

Floats = NDArray[np.float64]

X = np.asarray([0.0, 1e-3, -0.4375, 1.25, -3.0, 6.0, -8.0, 9.5, 15.0, -17.0, 31.0, -40.0, 60.0, 80.0, -300.0, 0.5])
ROWS = np.asarray(
    [[0, 1, -2, 3, 0.5], [0, 0, 0, 0, 0], [8, -3, 1, 2, -9], [30, -40, 10, 0, 29], [2, 40, 0, -1, -2], [5, 5, -90, 4, 3]]
)
CLASSES = np.arange(6) % 5
GAMMAS = (0.0, 0.5, 1.0, 2.0, 5.0)

REACHED = {"sigmoid": 0.84, "softmax": 1.1}
"""The share of 4 + 2 γ ULP, the contract's ceiling for the value, that is reached in the type's own arithmetic."""


def _limit(backend: Any, dtype: str, precision: str, gamma: float, link: str) -> float:
    return 0.51 if backend.widens(dtype, precision) else REACHED[link] * (4 + 2 * gamma)


def _worst(backend: Any, got: Any, exact: list[Any]) -> float:
    """The largest error in ULP, where the exact result, and the loss that is a factor of it, are normal numbers."""
    counted = np.asarray([float(min(abs(r.gamma_grad), r.value)) for r in exact]) >= ulp.FORMATS[arrays.dtype_name(got)].tiny
    return float(np.max(backend.ulps(got, [r.gamma_grad for r in exact]), where=counted, initial=0.0))


@pytest.mark.slow
@pytest.mark.parametrize("gamma", GAMMAS)
def test_it_matches_the_oracle(backend: Any, gamma: float) -> None:
    """∂loss/∂γ of sigmoid and softmax, in every type and precision."""
    for dtype, precision in backend.settings:
        loss = fr.SigmoidFocalLoss(gamma=gamma, precision=precision)
        x, r = backend(X, dtype), backend(ROWS, dtype)
        for label in (0, 1):
            exact = [oracle.sigmoid(v, label, gamma, digits=30) for v in backend.numpy(x).tolist()]
            assert _worst(backend, loss.gamma_grad(x, label), exact) <= _limit(backend, dtype, precision, gamma, "sigmoid")
        got = fr.SoftmaxFocalLoss(gamma=gamma, precision=precision).gamma_grad(r, backend(CLASSES))
        rows = zip(backend.numpy(r).tolist(), CLASSES.tolist(), strict=True)
        results = [oracle.softmax(row, t, gamma, digits=30) for row, t in rows]
        assert _worst(backend, got, results) <= _limit(backend, dtype, precision, gamma, "softmax")


@pytest.mark.parametrize("formula", ["mix", "expected", "quality"])
def test_it_is_the_value_s_derivative(formula: Any) -> None:
    """The oracle's own ∂/∂γ, by which the rest is judged, is what mpmath.diff makes of its value."""
    for x, y, gamma in itertools.product((-3.0, 0.5, 4.0), (0.0, 0.3, 1.0), (0.5, 2.0)):
        with mpmath.workdps(60):
            named: Any = {"digits": 50, "soft_targets": formula}
            slope = mpmath.diff(lambda g, x=x, y=y, named=named: oracle.sigmoid(x, y, g, **named).value, gamma)
            assert mpmath.almosteq(oracle.sigmoid(x, y, gamma, **named).gamma_grad, slope, rel_eps=mpmath.mpf(10) ** -20)


def test_a_hand_checkable_value(backend: Any) -> None:
    """At p = 1/2, φ = 2^−γ log 2 and ∂φ/∂γ = −2^−γ log² 2; cross entropy's, at γ = 0, is log p log u."""
    for dtype, gamma in itertools.product(backend.dtypes, (0.0, 1.0, 2.0)):
        got = fr.SigmoidFocalLoss(gamma=gamma).gamma_grad(backend(np.zeros(3), dtype), 1)
        with mpmath.workdps(40):
            exact = -(mpmath.log(2) ** 2) / 2**gamma
        assert float(backend.ulps(got, [exact] * 3).max()) <= (0.51 if backend.widens(dtype) else 2.0)


def test_its_limits_are_0(backend: Any) -> None:
    """It is never above 0; it is 0 at logits of ±inf, where u is 1 or the loss 0, and NaN for NaN, alone."""
    x = np.asarray([math.inf, -math.inf, math.nan, 1e4, -1e4])
    for dtype, gamma in itertools.product(backend.dtypes, GAMMAS):
        got = backend.numpy(fr.SigmoidFocalLoss(gamma=gamma).gamma_grad(backend(x, dtype), 1))
        np.testing.assert_array_equal(got, [0.0, 0.0, math.nan, 0.0, 0.0])
        pairs = backend(np.stack([x, np.zeros(5)], axis=1), dtype)
        row = backend.numpy(fr.SoftmaxFocalLoss(gamma=gamma).gamma_grad(pairs, backend(np.zeros(5, int))))
        np.testing.assert_array_equal(row, [0.0, 0.0, math.nan, 0.0, 0.0])


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_it_has_the_value_s_shape(backend: Any, reduction: Any) -> None:
    """One an element or row, or one for all, in the logits' type, whatever the shape of γ."""
    row_gammas = backend(np.linspace(0, 5, 6))
    for dtype in backend.dtypes:
        x, r, t = backend(X.reshape(4, 4), dtype), backend(ROWS, dtype), backend(CLASSES)
        calls: list[tuple[Any, tuple[Any, ...]]] = [
            (fr.SigmoidFocalLoss(gamma=(1.0, 0.0, 2.0, 0.5), reduction=reduction), (x, 1)),
            (fr.SoftmaxFocalLoss(gamma=row_gammas, reduction=reduction), (r, t)),
        ]
        for loss, given in calls:
            got, value = loss.gamma_grad(*given), loss(*given)
            assert tuple(got.shape) == tuple(value.shape)
            assert got.dtype == value.dtype == given[0].dtype


def test_each_sample_has_its_own_gamma(backend: Any) -> None:
    """An array γ gives, element by element, what each number γ gives."""
    gammas = np.asarray([0.0, 0.5, 1.0, 1.5, 2.0, 5.0])
    for dtype in backend.dtypes:
        r, t = backend(ROWS, dtype), backend(CLASSES)
        together = fr.SoftmaxFocalLoss(gamma=backend(gammas)).gamma_grad(r, t)
        exact = [
            oracle.softmax(row, k, g, digits=30)
            for row, k, g in zip(backend.numpy(r).tolist(), CLASSES.tolist(), gammas.tolist(), strict=True)
        ]
        assert _worst(backend, together, exact) <= _limit(backend, dtype, "extended", 5.0, "softmax")


def test_weights_and_divisors_act_on_it(backend: Any) -> None:
    """α, weight, normalizer and ignored rows act as on the value."""
    r, t = backend(ROWS), backend(np.where(CLASSES == 3, -1, CLASSES))
    alpha, weight = (0.25, 1.0, 2.0, 0.5, 4.0), np.asarray([1.0, 0.0, 2.0, 1.0, 0.5, 8.0])
    loss = fr.SoftmaxFocalLoss(alpha=alpha, ignore_index=-1, reduction="sum")
    exact = [
        a * w * oracle.softmax(row, k, 2, digits=30).gamma_grad / 4
        for row, k, a, w in zip(ROWS.tolist(), CLASSES.tolist(), np.take(alpha, CLASSES), weight.tolist(), strict=True)
        if k != 3
    ]
    got = loss.gamma_grad(r, t, backend(weight), 4.0)
    assert float(backend.ulps(got, [mpmath.fsum(exact)]).max()) <= (0.51 if backend.widens("float32") else 10.0)


@pytest.mark.slow
def test_autodiff_agrees_in_jax() -> None:
    """What JAX's own differentiation by γ gives, of the value in float64, is this: 64 ULP, its formula's rounding."""
    jax = importlib.import_module("jax")
    with jax.enable_x64(True) if hasattr(jax, "enable_x64") else importlib.import_module("jax.experimental").enable_x64():
        x = jax.numpy.asarray([-3.0, -0.5, 0.25, 2.0, 6.0])
        for gamma in (0.5, 2.0):
            slope = jax.jacfwd(lambda g: fr.SigmoidFocalLoss(gamma=g)(x, 1))(gamma)
            ours = fr.SigmoidFocalLoss(gamma=gamma).gamma_grad(x, 1)
            assert ulp.errors(np.asarray(slope), np.asarray(ours), 0.0, ulp.FORMATS["float64"]).max() <= 64


def _own(backend: Any) -> Any:
    """Types that errors are carried along in."""
    return [dtype for dtype in backend.dtypes if not backend.widens(dtype)]


def _faint(backend: Any, link: str, z: Floats, dtype: str, gamma: float) -> tuple[Any, list[Any]]:
    """The derivative at margins z and the exact one; of a row, its last class takes no part."""
    if link == "sigmoid":
        x = backend(z, dtype)
        got = fr.SigmoidFocalLoss(gamma=gamma, precision="native").gamma_grad(x, 1)
        return got, [oracle.sigmoid(v, 1, gamma, digits=25).gamma_grad for v in backend.numpy(x).tolist()]
    rows = backend(np.stack([0 * z, z, 0 * z - 800], axis=1), dtype)
    got = fr.SoftmaxFocalLoss(gamma=gamma, precision="native").gamma_grad(rows, backend(np.ones(len(z), int)))
    return got, [oracle.softmax(row, 1, gamma, digits=25).gamma_grad for row in backend.numpy(rows).tolist()]


@pytest.mark.slow
@pytest.mark.parametrize("link", ["sigmoid", "softmax"])
def test_a_search_where_its_factors_underflow(backend: Any, link: str) -> None:
    """The product of u^γ, ℓ and log u is as exact where p, u or φ is no normal number as elsewhere, on both sides."""
    for dtype, gamma in itertools.product(backend.dtypes, (0.004, 0.75)):
        if backend.widens(dtype):
            continue
        tiny = ulp.FORMATS[dtype].tiny
        depth = -math.log(tiny)

        def errors(points: Floats, dtype: str = dtype, gamma: float = gamma, tiny: float = tiny) -> Floats:
            z = points[:, 0] / np.where(points[:, 0] > 0, 1 + gamma, 1)
            got, exact = _faint(backend, link, z, dtype, gamma)
            return np.where(np.asarray([abs(float(v)) for v in exact]) >= tiny, backend.ulps(got, exact), 0.0)

        for box in ((-depth - 12, 12 - depth), (depth - 12, depth + 12)):
            worst, at = climbed(errors, [box], count=48, rounds=4)
            assert worst <= REACHED[link] * (4 + 2 * gamma), (dtype, gamma, at)


@pytest.mark.parametrize("formula", ["mix", "expected", "quality"])
def test_soft_labels_at_infinite_logits(backend: Any, formula: Any) -> None:
    """−∞ where the loss of some label is infinite and weighs, however small a power of it has become; expected's is 0."""
    for dtype, gamma in itertools.product(backend.dtypes[-1:], (0.5, 1000.0)):
        x, y = backend([math.inf, -math.inf, math.inf, -math.inf], dtype), backend([0.25, 0.25, 1.0, 0.0], dtype)
        got = backend.numpy(fr.SigmoidFocalLoss(gamma=gamma, soft_targets=formula).gamma_grad(x, y))
        far = 0.0 if formula == "expected" else -math.inf
        np.testing.assert_array_equal(got, [far, far, 0.0, 0.0])

"""Soft targets: the three sigmoid formulas and softmax's rows of probabilities, each against the oracle.

Gradient and second derivative of a soft target have zeros, where no relative error is bounded. Where there is a wider type
to evaluate in, an error is at most half an ULP (of the exact result) and a hundredth of an ULP of Σ|terms|, the sum that
cancels to the zero: that is 0.51 ULP wherever nothing cancels. Elsewhere errors are in ULP of Σ|terms|: what is reached,
with a small margin.

Near the cusp p = y of "quality" |y − p| itself cancels: rounding p once changes it by s/|y − p| ULP, s = y (1 − p) + (1 −
y) p, and every power of it by as much. A type's own arithmetic is not spared that, and the tolerance grows with it
(`_condition`); NumPy's engines know p to 2^−35 ULP there.
"""

from __future__ import annotations

import functools
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
from focal_ref.engine.precision import WIDER
from tests.search import climbed

Floats = NDArray[np.float64]

FORMULAS: tuple[Any, ...] = ("mix", "expected", "quality")
QUANTITIES = ("value", "grad", "hess", "gamma_grad")
GAMMAS = (0.0, 0.5, 1.0, 1.5, 2.0, 5.0)

LOGITS = (0.0, 1e-3, -1e-3, 0.3, -1.0, 1.3, -2.5, 2.788, 5.0, -8.0, 12.0, -20.0, 37.0, -60.0, 1e4, -1e4)
LABELS = (0.0, 1.0, 0.5, 2.0**-7, 1 - 2.0**-7, 2.0**-13, 0.3, 0.75, 0.498046875)


def _grid(dtype: str) -> tuple[Floats, Floats]:
    """Every logit with every label, and logits whose p is their label, or as near as the type has it."""
    x, y = np.meshgrid(LOGITS, (*LABELS, 0.5 - ulp.FORMATS[dtype].eps / 4))
    at = np.asarray([0.0, 0.75, -1.25, 2.5, -3.0, 4.0, -5.5, 0.0625])
    return np.concatenate([x.ravel(), at, at]), np.concatenate(
        [y.ravel(), 1 / (1 + np.exp(-at)), 1 / (1 + np.exp(-at - 2**-6))]
    )


@functools.cache
def _exact(x: float, y: float, gamma: float, formula: str) -> Any:
    return oracle.sigmoid(x, y, gamma, digits=30, soft_targets=formula)


IN_PAIRS = ("numpy", "compiled", "dask")


def _condition(backend: Any, x: float, y: float, gamma: float, formula: str) -> float:
    """By how much the cusp of "quality" amplifies a rounding error of p, at most: 1 + (2 + γ) s/|y − p|."""
    if formula != "quality":
        return 1.0
    linear, spread = (_exact(x, y, 1.0, name).value for name in (formula, "mix"))
    unit = 2.0**-35 if backend.name in IN_PAIRS else 1.0
    return float(1 + unit * (2 + gamma) * spread / linear) if linear else 1.0


def _judged(backend: Any, got: Any, exact: list[Any], scale: list[Any]) -> tuple[Floats, Floats]:
    """The errors in ULP of Σ|terms|, and by how much they pass half an ULP of the result, in those; among normal numbers."""
    fmt = ulp.FORMATS[arrays.dtype_name(got)]
    sizes = np.asarray([float(s) for s in scale])
    by_terms, plain = backend.ulps(got, exact, sizes), backend.ulps(got, exact)
    exact_size = np.abs([float(e) for e in exact])
    terms = np.maximum(sizes, exact_size)
    share = ulp.ulp(exact_size, fmt) / ulp.ulp(np.where(np.isfinite(terms), terms, fmt.largest), fmt)
    passed = np.where(plain <= 0.5, 0.0, by_terms - 0.5 * share)
    normal = sizes >= fmt.tiny
    return np.where(normal, by_terms, 0.0), np.where(normal & ((exact_size >= fmt.tiny) | (passed > 1)), passed, 0.0)


def _check(backend: Any, got: Any, exact: list[Any], scale: list[Any], ceiling: float | None, condition: Any = 1.0) -> None:
    """Within `ceiling` ULP of the terms; None where half an ULP and a hundredth of one of the terms is due."""
    by_terms, passed = _judged(backend, got, exact, scale)
    dtype = arrays.dtype_name(got)
    if ceiling is not None:
        # Nearer to the cusp, rounding p may reach it, or pass to the other side.
        told = np.multiply(condition, ulp.FORMATS[dtype].eps) <= 1 / 8
        assert float(np.max(by_terms / condition, where=told, initial=0.0)) <= ceiling
        assert not np.isnan(backend.numpy(got)).any()
        return
    rounding = 8 * ulp.FORMATS[WIDER[dtype]].eps / ulp.FORMATS[dtype].eps
    assert float((passed - np.where(np.equal(condition, 1.0), 0.0, rounding * condition)).max()) <= 0.01


def _scales(results: list[Any]) -> dict[str, list[Any]]:
    """What each quantity's errors are relative to."""
    return {
        "value": [abs(r.value) for r in results],
        "grad": _flat(r.grad_terms for r in results),
        "hess": _flat(r.hess_terms for r in results),
        # φ log u is as rough as φ, where that is no normal number.
        "gamma_grad": [min(abs(r.gamma_grad), abs(r.value)) for r in results],
    }


def _flat(parts: Any) -> list[Any]:
    return [entry for part in parts for entry in (part if isinstance(part, list) else [part])]


# ---- sigmoid ----------------------------------------------------------------------------------------------------------------

CEILING = {"value": (4.0, 2.0), "grad": (4.0, 2.0), "hess": (6.0, 2.5), "gamma_grad": (4.0, 2.0)}
"""a, b of the contract's a + b γ ULP for the hard formula in the type's own arithmetic."""
REACHED = {
    ("mix", "value"): 0.76,
    ("mix", "grad"): 0.77,
    ("mix", "hess"): 0.55,
    ("mix", "gamma_grad"): 1.55,
    ("expected", "value"): 0.6,
    ("expected", "grad"): 0.46,
    ("expected", "hess"): 0.37,
    ("expected", "gamma_grad"): 0.82,
    ("quality", "value"): 0.76,
    ("quality", "grad"): 0.77,
    ("quality", "hess"): 0.55,
    ("quality", "gamma_grad"): 1.55,
}
"""The share of that which is reached, γ ≤ 5."""


def _ceiling(name: str, gamma: float, share: float) -> float:
    base, slope = CEILING[name]
    return share * (base + slope * gamma)


@pytest.mark.slow
@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("formula", FORMULAS)
def test_sigmoid_formulas_match_the_oracle(backend: Any, formula: Any, gamma: float) -> None:
    """Value, gradient, second derivative and derivative by γ of each formula, for labels near 0, 1/2, 1 and near p."""
    for dtype, precision in backend.settings:
        x, y = (backend(a, dtype) for a in _grid(dtype))
        loss = fr.SigmoidFocalLoss(gamma=gamma, soft_targets=formula, precision=precision)
        got = dict(zip(QUANTITIES, (*loss.value_grad_hess(x, y), loss.gamma_grad(x, y)), strict=True))
        pairs = list(zip(backend.numpy(x).tolist(), backend.numpy(y).tolist(), strict=True))
        results = [_exact(a, b, gamma, formula) for a, b in pairs]
        condition = np.asarray([_condition(backend, a, b, gamma, formula) for a, b in pairs])
        wide = backend.widens(dtype, precision)
        for name, scale in _scales(results).items():
            ceiling = None if wide else _ceiling(name, gamma, REACHED[formula, name])
            _check(backend, got[name], [getattr(r, name) for r in results], scale, ceiling, condition)


@pytest.mark.slow
@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_a_search_next_to_the_cusp(backend: Any, gamma: float) -> None:
    """ "quality" a distance of 10^−16 to 0.1 from p = y: no 0, no wrong infinity, and the exception's size."""
    if backend.name not in IN_PAIRS:
        pytest.skip("a type's own arithmetic has the whole exception; the grid holds it")
    loss = fr.SigmoidFocalLoss(gamma=gamma, soft_targets="quality", precision="native")

    def errors(points: Floats) -> Floats:
        x, share = points[:, 0], np.sign(points[:, 1]) * 10.0 ** -np.abs(points[:, 1])
        y = np.clip(1 / (1 + np.exp(-x)) + share, 0, 1)
        got = (*loss.value_grad_hess(backend(x, "float64"), backend(y, "float64")),)
        results = [_exact(a, b, gamma, "quality") for a, b in zip(x.tolist(), y.tolist(), strict=True)]
        condition = np.asarray(
            [_condition(backend, a, b, gamma, "quality") for a, b in zip(x.tolist(), y.tolist(), strict=True)]
        )
        found = []
        for name, result in zip(QUANTITIES, got, strict=False):
            due = [getattr(r, name) for r in results]
            by_terms, _ = _judged(backend, result, due, _scales(results)[name])
            flushed = (backend.numpy(result) == 0) != np.asarray([float(v) == 0 for v in due])
            found.append(np.where(flushed, np.inf, by_terms / condition / _ceiling(name, gamma, REACHED["quality", name])))
        return np.max(found, axis=0)

    worst, at = climbed(errors, [(-8.0, 8.0), (-16.5, 16.5)], count=48, rounds=5)
    assert worst <= 1, at


@pytest.mark.parametrize(("formula", "value"), [("mix", 0.434398), ("expected", 0.669457), ("quality", 0.271679)])
def test_a_hand_checkable_example(backend: Any, formula: Any, value: float) -> None:
    """x = 1.3, y = 0.3, γ = 2: the values that the libraries give that have each formula."""
    got = backend.numpy(fr.sigmoid_focal_loss(backend([1.3], "float32"), backend([0.3], "float32"), soft_targets=formula))
    assert round(float(got[0]), 6) == value


@pytest.mark.parametrize("formula", FORMULAS)
def test_hard_labels_have_the_hard_formula_s_bits(backend: Any, formula: Any) -> None:
    """Among soft ones, labels 0 and 1 give value and gradient bit for bit as integers do; the others 2 ULP of Σ|terms|."""
    x = np.concatenate([np.linspace(-30, 30, 24), LOGITS])
    hard = np.arange(x.size) % 2
    for dtype, precision in backend.settings:
        loss = fr.SigmoidFocalLoss(gamma=1.5, alpha=0.25, soft_targets=formula, precision=precision)
        z = backend(np.append(x, 0.0), dtype)
        soft = loss.value_grad_hess(z, backend(np.append(hard, 0.5), dtype))
        plain = loss.value_grad_hess(z, backend(np.append(hard, 0)))
        for name, a, b in zip(("value", "grad", "hess"), soft, plain, strict=True):
            here, there = backend.numpy(a)[:-1], backend.numpy(b)[:-1]
            if name != "hess":
                np.testing.assert_array_equal(here, there)
                continue
            terms = [
                float(_exact(v, float(t), 1.5, "mix").hess_terms) for v, t in zip(backend.numpy(z).tolist(), hard, strict=False)
            ]
            fmt = ulp.FORMATS[dtype]
            apart = ulp.errors(here, there, 0.0, fmt, scale=terms)
            assert float(np.max(apart, where=np.asarray(terms) >= 4 * fmt.tiny, initial=0.0)) <= 2


def test_expected_is_linear_in_the_label(backend: Any) -> None:
    """loss(y) = y loss(1) + (1 − y) loss(0), for the value and all derivatives: within 1.51 ULP of the sum of the two
    parts, each rounded by itself, or LINEAR ULP.
    """
    x, y = np.linspace(-9, 9, 19), np.tile([0.25, 0.5, 0.75], 7)[:19]
    for dtype, precision in backend.settings:
        loss = fr.SigmoidFocalLoss(gamma=2.5, soft_targets="expected", precision=precision)
        z = backend(x, dtype)
        parts = [loss.value_grad_hess(z, t) for t in (backend(y, dtype), 1.0, 0.0)]
        for mixed, one, zero in zip(*([backend.numpy(a) for a in part] for part in parts), strict=True):
            up, down = y * one, (1 - y) * zero
            apart = ulp.errors(mixed, up + down, 0.0, ulp.FORMATS[dtype], scale=np.abs(up) + np.abs(down))
            assert apart.max() <= (1.51 if backend.widens(dtype, precision) else LINEAR)


LINEAR = 8.0


def test_alpha_is_inside_expected_s_sum(backend: Any) -> None:
    """ "expected" weighs α y FL(x, 1) + (1 − α)(1 − y) FL(x, 0); the others (α y + (1 − α)(1 − y)) times the loss."""
    x, alpha = np.linspace(-6, 6, 13), 0.125
    for formula, label in itertools.product(FORMULAS, (0.25, 0.5, 1.0)):
        named: Any = {"soft_targets": formula}
        got = fr.SigmoidFocalLoss(gamma=2.0, alpha=alpha, **named).value_and_grad(backend(x), backend(np.full(13, label)))
        for name, result in zip(("value", "grad"), got, strict=True):
            results = [oracle.sigmoid(v, label, 2.0, alpha, digits=30, **named) for v in x.astype(np.float32).tolist()]
            scale = _scales(results)[name]
            _check(backend, result, [getattr(r, name) for r in results], scale, None if backend.widens("float32") else 10.0)
    weighted = fr.sigmoid_focal_loss(backend(x), 0.25, alpha=alpha, soft_targets="expected")
    parts = [fr.sigmoid_focal_loss(backend(x), label) for label in (1.0, 0.0)]
    spelled = alpha * 0.25 * backend.numpy(parts[0]) + (1 - alpha) * 0.75 * backend.numpy(parts[1])
    assert ulp.errors(backend.numpy(weighted), spelled, 0.0, ulp.FORMATS["float32"]).max() <= 2.0


@pytest.mark.parametrize("gamma", [0.5, 1.0, 1.5, 2.0, 3.0])
def test_quality_s_cusp(backend: Any, gamma: float) -> None:
    """At p = y the loss and its gradient are 0, and the second derivative is the limit: ∓inf, 0, or 2 (p u)² BCE at γ = 2."""
    for dtype in backend.dtypes:
        loss = fr.SigmoidFocalLoss(gamma=gamma, soft_targets="quality")
        value, grad, hess = map(
            backend.numpy, loss.value_grad_hess(backend(np.zeros(3), dtype), backend(np.full(3, 0.5), dtype))
        )
        np.testing.assert_array_equal(value, np.zeros(3))
        np.testing.assert_array_equal(grad, np.zeros(3))
        exact = _exact(0.0, 0.5, gamma, "quality").hess
        if math.isinf(exact):
            np.testing.assert_array_equal(hess, np.full(3, float(exact)))
        else:
            assert backend.ulps(backend(hess, dtype), [exact] * 3).max() <= 1.0
        assert (backend.numpy(loss.gamma_grad(backend(np.zeros(3), dtype), backend(np.full(3, 0.5), dtype))) == 0).all()


@pytest.mark.parametrize("formula", FORMULAS)
def test_soft_losses_lie_between_0_and_cross_entropy(backend: Any, formula: Any) -> None:
    """0 ≤ loss ≤ BCE(x, y) as floating-point numbers, for every formula."""
    for dtype, precision in backend.settings:
        x, y = (backend(a, dtype) for a in _grid(dtype))
        value, bce = (
            backend.numpy(fr.SigmoidFocalLoss(gamma=gamma, soft_targets=formula, precision=precision)(x, y))
            for gamma in (1.5, 0.0)
        )
        assert (value >= 0).all()
        assert (value <= bce).all()


# ---- softmax ----------------------------------------------------------------------------------------------------------------

CLASSES = 5
ROWS = np.asarray(
    [
        [0, 1, -2, 3, 0.5],
        [0, 0, 0, 0, 0],
        [8, -3, 1, 2, -9],
        [30, -40, 10, 0, 29],
        [-3, 12, 5, 4, 4],
        [40, 0, 0, -20, 1],
        [0, 0, 36, 0, 0],
        [-1e4, 1e4, 0, 0, 9999],
        [0.25, 0.25, 0.125, 0, 0.5],
    ]
)
SHARES = np.asarray(
    [
        [0.25, 0.5, 0, 0, 0.25],
        [0.1875, 0.1875, 0.25, 0.1875, 0.1875],
        [0.5, 0, 0.5, 0, 0],
        [0.875, 0, 0, 0, 0.125],
        [0, 1, 0, 0, 0],
        [0.9375, 0.03125, 0.015625, 0.0078125, 0.0078125],
        [0.5, 0.25, 0, 0, 0.25],
        [0, 0.75, 0, 0, 0.25],
        [0, 0, 0, 1, 0],
    ]
)

ROWS_REACHED = {"value": 0.5, "grad": 0.68, "hess": 0.49, "gamma_grad": 0.62}
"""The share of CEILING that is reached in the type's own arithmetic, γ ≤ 5."""


@functools.cache
def _row(row: tuple[float, ...], y: tuple[float, ...], gamma: float) -> Any:
    return oracle.softmax(row, y, gamma, digits=30)


@pytest.mark.parametrize("gamma", GAMMAS)
def test_rows_of_probabilities_match_the_oracle(backend: Any, gamma: float) -> None:
    """Σ_c y_c u_c^γ ℓ_c: value, gradient, second derivative and derivative by γ. A class without weight adds nothing, however
    far off its logit is.
    """
    for dtype, precision in backend.settings:
        x, y = backend(ROWS, dtype), backend(SHARES, dtype)
        loss = fr.SoftmaxFocalLoss(gamma=gamma, precision=precision)
        got = dict(zip(QUANTITIES, (*loss.value_grad_hess(x, y), loss.gamma_grad(x, y)), strict=True))
        pairs = zip(backend.numpy(x).tolist(), backend.numpy(y).tolist(), strict=True)
        results = [_row(tuple(row), tuple(share), gamma) for row, share in pairs]
        wide = backend.widens(dtype, precision)
        for name, scale in _scales(results).items():
            exact = _flat(getattr(r, name) for r in results)
            _check(backend, got[name], exact, scale, None if wide else _ceiling(name, gamma, ROWS_REACHED[name]))


def test_class_weights_are_inside_the_sum(backend: Any) -> None:
    """α_c weighs class c's term, not the row, for a scalar and one weight a class."""
    cases: tuple[Any, ...] = (0.5, (0.25, 2.0, 0.0, 1.0, 0.5))
    for alpha in cases:
        got = fr.SoftmaxFocalLoss(alpha=alpha).value_and_grad(backend(ROWS), backend(SHARES))
        results = [oracle.softmax(*pair, 2.0, alpha, digits=30) for pair in zip(ROWS.tolist(), SHARES.tolist(), strict=True)]
        for name, result in zip(("value", "grad"), got, strict=True):
            exact = _flat(getattr(r, name) for r in results)
            _check(backend, result, exact, _scales(results)[name], None if backend.widens("float32") else 10.0)


def test_a_soft_row_is_the_mean_of_its_classes(backend: Any) -> None:
    """ "expected": the loss of a row of probabilities is the classes' losses, weighed by them."""
    for dtype in backend.dtypes:
        loss = fr.SoftmaxFocalLoss(gamma=1.5)
        x = backend(ROWS, dtype)
        each = [backend.numpy(loss(x, backend(np.full(len(ROWS), c)))) for c in range(CLASSES)]
        y = backend.numpy(backend(SHARES, dtype))
        spelled = np.sum([np.where(y[:, c] > 0, y[:, c] * each[c], 0.0) for c in range(CLASSES)], axis=0)
        got = backend.numpy(loss(x, backend(SHARES, dtype)))
        assert ulp.errors(got, spelled, 0.0, ulp.FORMATS[dtype]).max() <= (1.51 if backend.widens(dtype) else LINEAR)


def test_what_has_no_weight_adds_nothing(backend: Any) -> None:
    """A class whose probability (or whose α) is 0 has no say, though its own loss is inf: 0 · inf is 0 here."""
    inf = math.inf
    for dtype, precision in backend.settings:
        rows, shares = backend([[0.0, 0.0, -inf], [inf, 0.0, 1.0]], dtype), backend([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]], dtype)
        row_value = backend.numpy(fr.SoftmaxFocalLoss(gamma=0.0, precision=precision)(rows, shares))
        assert backend.ulps(backend(row_value, dtype), [mpmath.log(2), 0]).max() <= 1.0
        x, y = backend([inf, -inf, 0.0], dtype), backend([1.0, 0.0, 0.5], dtype)
        for formula in FORMULAS:
            loss = fr.SigmoidFocalLoss(gamma=0.0, soft_targets=formula, precision=precision)
            assert backend.ulps(loss(x, y), [0, 0, mpmath.log(2)]).max() <= 1.0
            np.testing.assert_array_equal(backend.numpy(loss.grad(x, y)), [0.0, 0.0, 0.0])

"""Hessian times tangent: symmetric, linear, 0 on shifts, and the oracle's full Hessian, for hard and soft targets and every
option.

Errors are in ULP of Σ|terms|, the products' and the second derivative's absolute values summed without cancelling, since an
entry of H v may be 0. What is correctly rounded elsewhere is within 0.51 ULP of that here, too.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

import focal_ref as fr
from focal_ref import oracle
from focal_ref.conformance import ulp
from focal_ref.engine.arrays import dtype_name

Floats = NDArray[np.float64]

ROWS, CLASSES = 6, 5
TARGETS = np.arange(ROWS) % CLASSES
SOFT = np.asarray(
    [[0.25, 0.5, 0, 0, 0.25], [0, 0, 0, 1, 0], [0.2] * 5, [0.5, 0, 0, 0, 0.5], [0.9, 0.1, 0, 0, 0], [0, 0.1, 0.2, 0.3, 0.4]]
)
LOGITS = np.asarray(
    [[0, 1, -2, 3, 0.5], [0, 0, 0, 0, 0], [8, -3, 1, 2, -9], [30, -40, 10, 0, 29], [2, 1, 0, -1, -2], [-3, 12, 5, 4, 4]], float
)
TANGENTS = np.asarray(
    [[1, -1, 2, 0.5, 3], [1, 0, 0, 0, 0], [0, 1, -1, 2, 2], [1, 2, 3, 4, 5], [-1, 1, -1, 1, -1], [0.5, 0.25, -2, 1, 0]], float
)

entries = st.one_of(st.floats(-8, 8), st.floats(-40, 40), st.sampled_from((0.0, 30.0, -30.0)))
rows = arrays(np.float64, (ROWS, CLASSES), elements=entries, fill=st.nothing())
tangents = arrays(np.float64, (ROWS, CLASSES), elements=st.integers(-8, 8).map(float), fill=st.nothing())
gammas = st.sampled_from((0.0, 0.5, 1.0, 2.0, 5.0))

law = settings(max_examples=5)


def _slack(backend: Any, dtype: str, precision: str, native: float) -> float:
    """0.51 ULP where results are correctly rounded but for near-ties; else what is reached."""
    return 0.51 if backend.widens(dtype, precision) else native


@functools.cache
def _hard(row: tuple[float, ...], target: int, gamma: float) -> Any:
    return oracle.softmax(row, target, gamma, digits=30)


def _terms(row: tuple[float, ...], y: Floats, gamma: float, v: Floats) -> Floats:
    """Σ|terms| of H v: of φ'' (v_t − Σ q_k v_k) q_j and φ' q_j (v_j − Σ q_k v_k), summed over the classes' shares y."""
    total = np.zeros(len(row))
    for c in np.flatnonzero(y):
        exact = _hard(row, int(c), gamma)
        slope, curvature = abs(float(exact.grad[c])), float(exact.hess_terms[c])
        q = np.asarray([abs(float(g / exact.grad[c])) if slope and j != c else 0.0 for j, g in enumerate(exact.grad)])
        mean = float(q @ np.abs(v))
        reach = curvature * (abs(v[c]) + mean)
        total += y[c] * np.where(np.arange(len(row)) == c, reach, q * reach + slope * q * (np.abs(v) + mean))
    return total


def _all_terms(x: Floats, y: Floats, gamma: float, v: Floats) -> Floats:
    found = (_terms(tuple(row), share, gamma, step) for row, share, step in zip(x.tolist(), y, v, strict=True))
    return np.asarray(list(found))


def _given(backend: Any, dtype: str, soft: bool) -> tuple[Any, Floats]:
    """Targets as given, and as rows of probabilities, in the type."""
    if not soft:
        return backend(TARGETS), np.eye(CLASSES)[TARGETS]
    y = backend(SOFT, dtype)
    return y, backend.numpy(y)


# ---- laws -------------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("soft", [False, True], ids=["hard", "soft"])
@law
@given(r=rows, u=tangents, v=tangents, gamma=gammas)
def test_the_product_is_symmetric(backend: Any, soft: bool, r: Floats, u: Floats, v: Floats, gamma: float) -> None:
    """u · H v = v · H u, within 0.51 ULP of the sum of both sides' |terms|, or LAWS ULP where nothing is wider."""
    for dtype, precision in backend.settings:
        loss = fr.SoftmaxFocalLoss(gamma=gamma, precision=precision)
        x, (t, y) = backend(r, dtype), _given(backend, dtype, soft)
        ahead, back = (backend.numpy(loss.hvp(x, t, backend(step, dtype))) for step in (v, u))
        at = backend.numpy(x)
        scale = (np.abs(u) * _all_terms(at, y, gamma, v) + np.abs(v) * _all_terms(at, y, gamma, u)).sum(axis=1)
        _small([math.fsum(row) for row in u * ahead - v * back], scale, dtype, _slack(backend, dtype, precision, LAWS), backend)


@pytest.mark.slow
@pytest.mark.parametrize("soft", [False, True], ids=["hard", "soft"])
@law
@given(r=rows, u=tangents, v=tangents, gamma=gammas)
def test_the_product_is_linear(backend: Any, soft: bool, r: Floats, u: Floats, v: Floats, gamma: float) -> None:
    """H (u + v) = H u + H v (the tangents are small integers, their sums exact), as above; H (−4 v) = −4 H v bit for bit."""
    for dtype, precision in backend.settings:
        loss = fr.SoftmaxFocalLoss(gamma=gamma, precision=precision)
        x, (t, y) = backend(r, dtype), _given(backend, dtype, soft)
        both, one, other, more = (backend.numpy(loss.hvp(x, t, backend(step, dtype))) for step in (u + v, u, v, -4 * v))
        normal = np.abs(other) >= ulp.FORMATS[dtype].tiny
        np.testing.assert_array_equal(more[normal], -4 * other[normal])
        at = backend.numpy(x)
        scale = sum(_all_terms(at, y, gamma, step) for step in (u, v, u + v))
        _small(both - one - other, scale, dtype, _slack(backend, dtype, precision, LAWS), backend)


@pytest.mark.slow
@pytest.mark.parametrize("soft", [False, True], ids=["hard", "soft"])
@law
@given(r=rows, gamma=gammas)
def test_a_common_shift_has_no_curvature(backend: Any, soft: bool, r: Floats, gamma: float) -> None:
    """H 1 = 0: a shift of all logits changes nothing."""
    for dtype, precision in backend.settings:
        x, (t, y) = backend(r, dtype), _given(backend, dtype, soft)
        loss: Any = fr.SoftmaxFocalLoss(gamma=gamma, precision=precision)
        got = backend.numpy(loss.hvp(x, t, 1.0))
        scale = _all_terms(backend.numpy(x), y, gamma, np.ones((ROWS, CLASSES)))
        _small(got, scale, dtype, _slack(backend, dtype, precision, LAWS), backend)


@pytest.mark.slow
@pytest.mark.parametrize("soft", [False, True], ids=["hard", "soft"])
@law
@given(r=rows, gamma=gammas)
def test_unit_vectors_give_the_diagonal(backend: Any, soft: bool, r: Floats, gamma: float) -> None:
    """(H e_j)_j is hessian_diag's entry j, within 1.01 ULP of the product's Σ|terms| (one rounding each), or LAWS ULP. The
    diagonal itself may be far below that sum, and more exact: in the product 1 − q_j is a difference.
    """
    for dtype, precision in backend.settings:
        x, (t, y) = backend(r, dtype), _given(backend, dtype, soft)
        loss = fr.SoftmaxFocalLoss(gamma=gamma, precision=precision)
        diagonal = backend.numpy(loss.hessian_diag(x, t))
        for j, unit in enumerate(np.eye(CLASSES)):
            product = backend.numpy(loss.hvp(x, t, backend(unit, dtype)))[:, j]
            scale = _all_terms(backend.numpy(x), y, gamma, np.broadcast_to(unit, (ROWS, CLASSES)))[:, j]
            slack = 1.01 if backend.widens(dtype, precision) else LAWS
            _small(product - diagonal[:, j], scale, dtype, slack, backend)


LAWS = 3.2


def _small(rest: Any, scale: Any, dtype: str, slack: float, backend: Any) -> None:
    """What should be 0 is within `slack` ULP of the terms, where they are normal numbers.

    ULP of all terms together is eps times their sum: each result's half ULP is at most half of eps times its own size, which
    may be nearly a whole ULP of a sum just below a power of two.
    """
    fmt = ulp.FORMATS[dtype]
    rest, scale = np.asarray(rest), np.asarray(scale)
    # Twenty entries, each off by as much as is lost below the normal numbers, times tangents of up to 64.
    floor = 1280 * (fmt.tiny if backend.flushes(dtype) else fmt.smallest)
    assert float(np.max((np.abs(rest) - floor) / (fmt.eps * np.maximum(scale, fmt.tiny)))) <= slack


# ---- against the oracle -----------------------------------------------------------------------------------------------------


def _errors(backend: Any, got: Any, exact: Any, scale: Floats) -> float:
    """The largest error in ULP of Σ|terms|, where that is a normal number."""
    normal = np.ravel(scale) >= ulp.FORMATS[dtype_name(got)].tiny
    return float(np.max(backend.ulps(got, exact, np.ravel(scale))[normal], initial=0.0))


@pytest.mark.slow
@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("soft", [False, True], ids=["hard", "soft"])
def test_products_match_the_oracle_s(backend: Any, soft: bool, gamma: float) -> None:
    """H v of every row against `oracle.softmax(...).hvp(v)`: 0.51 ULP of Σ|terms|, or ORACLE ULP where nothing is wider."""
    for dtype, precision in backend.settings:
        x, v, (t, y) = backend(LOGITS, dtype), backend(TANGENTS, dtype), _given(backend, dtype, soft)
        got = fr.SoftmaxFocalLoss(gamma=gamma, precision=precision).hvp(x, t, v)
        cases = zip(backend.numpy(x).tolist(), y.tolist(), backend.numpy(v).tolist(), strict=True)
        exact = [h for row, share, step in cases for h in oracle.softmax(row, share, gamma, digits=30).hvp(step)]
        scale = _all_terms(backend.numpy(x), y, gamma, backend.numpy(v))
        assert _errors(backend, got, exact, scale) <= _slack(backend, dtype, precision, ORACLE)


ORACLE = 4.5


@pytest.mark.slow
@pytest.mark.parametrize("soft", [False, True], ids=["hard", "soft"])
def test_unit_vectors_give_the_full_hessian(backend: Any, soft: bool) -> None:
    """Column k of `oracle.softmax(...).hessian` is H e_k, in every entry."""
    gamma = 1.5
    for dtype, precision in backend.settings:
        x, (t, y) = backend(LOGITS, dtype), _given(backend, dtype, soft)
        loss = fr.SoftmaxFocalLoss(gamma=gamma, precision=precision)
        pairs = list(zip(backend.numpy(x).tolist(), y.tolist(), strict=True))
        hessians = [oracle.softmax(row, share, gamma, digits=30).hessian for row, share in pairs]
        for k in range(CLASSES):
            unit = np.broadcast_to(np.eye(CLASSES)[k], (ROWS, CLASSES))
            got = loss.hvp(x, t, backend(unit[0], dtype))
            scale = _all_terms(backend.numpy(x), y, gamma, unit)
            exact = [hessian[j][k] for hessian in hessians for j in range(CLASSES)]
            assert _errors(backend, got, exact, scale) <= _slack(backend, dtype, precision, ORACLE)


ALPHA = (0.25, 1.0, 2.0, 0.0, 0.5)
WEIGHT = np.asarray([1.0, 0.5, 3.0, 0.0, 0.25, 2.0])

OPTIONS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "alpha": ({"alpha": ALPHA}, {}),
    "alpha scalar": ({"alpha": 0.75}, {}),
    "weight": ({}, {"weight": WEIGHT}),
    "mean": ({"reduction": "mean"}, {}),
    "sum": ({"reduction": "sum"}, {}),
    "normalizer": ({"reduction": "sum"}, {"normalizer": 3.0}),
    "all of them": ({"alpha": ALPHA, "reduction": "mean"}, {"weight": WEIGHT, "normalizer": 7.0}),
    "ignored": ({"ignore_index": 1, "reduction": "mean"}, {}),
    "smoothed": ({"label_smoothing": 0.25}, {}),
}


def _turned(a: Any, axis: int) -> Any:
    return a.T if axis == 0 else a


def _factors(options: dict[str, Any], arguments: dict[str, Any]) -> Floats:
    """What each row's product is multiplied by."""
    factor: Floats = np.asarray(arguments.get("weight", np.ones(ROWS)))
    if "normalizer" in arguments:
        return np.divide(factor, float(arguments["normalizer"]))
    kept = np.asarray([t != options.get("ignore_index") for t in TARGETS.tolist()])
    return np.where(kept, factor / (kept.sum() if options.get("reduction") == "mean" else 1), 0.0)


@pytest.mark.slow
@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("soft", [False, True], ids=["hard", "soft"])
@pytest.mark.parametrize("axis", [-1, 0], ids=["rows", "columns"])
def test_every_option_reaches_the_product(backend: Any, name: str, soft: bool, axis: int) -> None:
    """α, weight, normalizer, reduction, ignored rows, smoothing and the classes' axis, against the oracle; ORACLE + 2 ULP
    where nothing is wider than float32, for the four more roundings. A row without weight is exactly 0.
    """
    options, arguments = OPTIONS[name]
    if soft and name == "ignored":
        soft = False
    y = SOFT if soft else np.eye(CLASSES)[TARGETS]
    smoothing = options.get("label_smoothing", 0.0)
    y = y * (1 - smoothing) + smoothing / CLASSES
    factor, gamma = _factors(options, arguments), 2.0
    alpha = np.broadcast_to(options.get("alpha", 1.0), CLASSES)
    given = {k: backend(a) if isinstance(a, np.ndarray) else a for k, a in arguments.items()}
    targets = backend(_turned(SOFT, axis)) if soft else backend(TARGETS)
    loss = fr.SoftmaxFocalLoss(gamma=gamma, axis=axis, **options)
    got = loss.hvp(backend(_turned(LOGITS, axis)), targets, backend(_turned(TANGENTS, axis)), **given)

    # The targets as the library was given them, in float32 where they are floats.
    shares = y if smoothing or not soft else backend.numpy(backend(y))
    exact = [
        [f * h for h in oracle.softmax(row, share, gamma, alpha.tolist(), digits=30).hvp(step)]
        for row, share, step, f in zip(LOGITS.tolist(), shares.tolist(), TANGENTS.tolist(), factor, strict=True)
    ]
    scale = _turned(_all_terms(LOGITS, y * alpha, gamma, TANGENTS) * factor[:, None], axis)
    flat = [h for row in (zip(*exact, strict=True) if axis == 0 else exact) for h in row]
    assert _errors(backend, got, flat, scale) <= _slack(backend, "float32", "extended", ORACLE + 2)
    unweighted = _turned(backend.numpy(got), axis)[factor == 0]
    np.testing.assert_array_equal(unweighted, np.zeros_like(unweighted))


# ---- sigmoid ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("formula", ["hard", "mix", "expected", "quality"])
def test_sigmoid_s_product_is_elementwise(backend: Any, formula: str) -> None:
    """Each logit's second derivative times its tangent: bit for bit in the type that is computed in, and against the
    oracle. The tangent broadcasts; α, weight and reduction act as on the second derivative.
    """
    x, y = np.linspace(-9, 12, 24), (np.arange(24) % 2 if formula == "hard" else np.linspace(0, 1, 24))
    named: Any = {} if formula == "hard" else {"soft_targets": formula}
    loss = fr.SigmoidFocalLoss(gamma=2.5, alpha=0.25, reduction="sum", **named)
    for dtype in backend.dtypes:
        z, t = backend(x, dtype), backend(y, dtype)
        got = loss.hvp(z, t, backend(np.asarray([-2.0]), dtype), weight=0.5, normalizer=4.0)
        plain = loss.hessian_diag(z, t, weight=0.5, normalizer=4.0)
        normal = np.abs(backend.numpy(plain)) >= 2 * ulp.FORMATS[dtype].tiny
        np.testing.assert_array_equal(backend.numpy(got)[normal], -2 * backend.numpy(plain)[normal])
        pairs = zip(backend.numpy(z).tolist(), backend.numpy(t).tolist(), strict=True)
        exact = [oracle.sigmoid(a, b, 2.5, 0.25, digits=30, **named) for a, b in pairs]
        scale = np.asarray([float(r.hess_terms) / 4 for r in exact])
        assert _errors(backend, got, [r.hess / -4 for r in exact], scale) <= _slack(backend, dtype, "extended", ELEMENTWISE)


ELEMENTWISE = 6.0


def test_a_tangent_of_every_kind_is_taken(backend: Any) -> None:
    """A number, an array that broadcasts, integers: all give what the tangent spelled out in full gives."""
    x, t = backend(LOGITS), backend(TARGETS)
    loss: Any = fr.SoftmaxFocalLoss()
    line = np.arange(CLASSES)
    full = backend.numpy(loss.hvp(x, t, backend(np.broadcast_to(line, LOGITS.shape).astype(float))))
    for tangent in (backend(line), backend(line.astype(float)), backend(line[None, :].astype(float))):
        np.testing.assert_array_equal(backend.numpy(loss.hvp(x, t, tangent)), full)
    ones = backend.numpy(loss.hvp(x, t, backend(np.ones(LOGITS.shape))))
    np.testing.assert_array_equal(backend.numpy(loss.hvp(x, t, 1.0)), ones)
    np.testing.assert_array_equal(backend.numpy(loss.hvp(x, t, 1)), ones)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_a_dominating_class_keeps_its_diagonal(backend: Any, gamma: float) -> None:
    """Also where another class than the target has nearly all of the rest, and 1 − q_j would cancel: to a few ULP."""
    rows = np.asarray([[-1.0, 17.0, -30.0], [3.0, 34.0, 0.0], [0.5, 0.25, 0.0], [20.0, -20.0, -5.0]])
    for dtype, precision in backend.settings:
        loss = fr.SoftmaxFocalLoss(gamma=gamma, precision=precision)
        x, t = backend(rows, dtype), backend(np.zeros(4, dtype=np.int32))
        diagonal = backend.numpy(loss.hessian_diag(x, t))
        for j in range(3):
            entry = backend.numpy(loss.hvp(x, t, backend(np.eye(3)[[j] * 4], dtype)))[:, j]
            normal = np.abs(diagonal[:, j]) >= ulp.FORMATS[dtype].tiny
            apart = ulp.errors(entry, diagonal[:, j], np.zeros(4), ulp.FORMATS[dtype])
            assert apart[normal].max(initial=0.0) <= 2 * (6 + 3 * gamma)

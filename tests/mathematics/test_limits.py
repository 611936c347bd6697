"""At the edges: an infinite logit gives the limit, NaN stays where it is, and no finite logit with any γ gives NaN."""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import focal_ref as fr
from focal_ref import oracle
from focal_ref.conformance import ulp

INF, NAN = math.inf, math.nan
GAMMAS = (0.0, 0.25, 0.5, 1.0, 2.0, 5.0, 50.0)
STEEP = (1e4, 1e30, 1e39, 1e300, sys.float_info.max)
FORMULAS = ("mix", "expected", "quality")
TANGENT = (1.0, -0.5, 2.0)


def _every(backend: Any, loss: Any, logits: Any, targets: Any, tangent: Any) -> Iterator[tuple[str, Any]]:
    """Each result by its name; what one pass gives has the bits of single calls (test_reductions.py)."""
    first = loss.value_grad_hess(logits, targets)
    others = loss.hvp(logits, targets, tangent), loss.gamma_grad(logits, targets)
    return zip(("value", "grad", "hess", "hvp", "gamma_grad"), backend.together((*first, *others)), strict=True)


def _numbers(backend: Any, *given: Any) -> Iterator[tuple[str, Any]]:
    """The same, in NumPy."""
    return ((name, backend.numpy(result)) for name, result in _every(backend, *given))


@pytest.fixture(params=[GAMMAS, STEEP], ids=["gamma to 50", "gamma huge"])
def gammas(request: pytest.FixtureRequest) -> Any:
    """γ as people choose it, and as nobody does."""
    return request.param


def allowed(backend: Any, dtype: str, precision: str, gamma: float) -> float:
    """The bound in ULP on values and gradients; past γ = 5, in a native type, any finite error."""
    if precision == "extended" and backend.widens(dtype):
        return 0.51
    return 4 + 2 * gamma if gamma <= 5 else sys.float_info.max


# ---- infinite logits --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("alpha", [None, 0.25])
def test_an_infinite_logit_gives_the_limit(backend: Any, gammas: Any, alpha: float | None) -> None:
    """Sigmoid: loss 0 or inf, gradient 0 or ∓α, second derivatives and ∂/∂γ 0, in every type, for every γ."""
    up, down = (1.0, 1.0) if alpha is None else (alpha, 1 - alpha)
    nothing = [[0.0, 0.0], [0.0, 0.0]]
    exact = {"value": [[0.0, INF], [INF, 0.0]], "grad": [[0.0, -up], [down, 0.0]]}
    for dtype, precision in backend.settings:
        logits, targets = backend([[INF, -INF]] * 2, dtype), backend([[1, 1], [0, 0]], "int32")
        for gamma in gammas:
            loss = fr.SigmoidFocalLoss(gamma=gamma, alpha=alpha, precision=precision)
            for name, got in _numbers(backend, loss, logits, targets, 3.0):
                np.testing.assert_array_equal(got, exact.get(name, nothing), err_msg=f"{name} {dtype} γ={gamma}")


@pytest.mark.parametrize("formula", ["hard", *FORMULAS])
def test_a_gamma_for_each_loss_keeps_the_limits(backend: Any, formula: str) -> None:
    """γ as an array, at logits so far out that 1 − p is 0: exactly 0 on the right side, |x| and ∓1 on the wrong one."""
    soft = {} if formula == "hard" else {"soft_targets": formula}
    kind = "int32" if formula == "hard" else "float32"
    logits = np.asarray([2e4, -2e4, INF, -INF])
    far = np.asarray([2e4, 2e4, INF, INF])
    precisions = [precision for dtype, precision in backend.settings if dtype == "float32"]
    for gamma, precision in itertools.product((0.0, 0.5, 2.0, 5.0), precisions):
        options: dict[str, Any] = {"precision": precision, **soft}
        loss = fr.SigmoidFocalLoss(gamma=backend(np.full(4, gamma), "float32"), **options)
        for y, wrong in ((1, logits < 0), (0, logits > 0)):
            x, t = backend(logits, "float32"), backend(np.full(4, y), kind)
            value, grad, hess = (backend.numpy(a) for a in loss.value_grad_hess(x, t))
            np.testing.assert_array_equal(value, np.where(wrong, far, 0.0))
            np.testing.assert_array_equal(grad, np.where(wrong, 1.0 - 2 * y, 0.0))
            np.testing.assert_array_equal(hess, np.zeros(4))


@pytest.mark.slow
@pytest.mark.parametrize("formula", FORMULAS)
def test_an_infinite_logit_with_a_soft_target_gives_the_limit(backend: Any, formula: Any) -> None:
    """Sigmoid: loss inf, and derivatives as the oracle has them, for each formula."""
    labels = [0.25, 0.5, 0.75]
    for dtype, precision in backend.settings:
        logits, targets = backend([[INF] * 3, [-INF] * 3], dtype), backend(labels)
        for gamma in GAMMAS:
            loss = fr.SigmoidFocalLoss(gamma=gamma, soft_targets=formula, precision=precision)
            exact = [oracle.sigmoid(x, y, gamma, soft_targets=formula) for x in (INF, -INF) for y in labels]
            for name, got in _every(backend, loss, logits, targets, 3.0):
                errors = backend.ulps(got, [getattr(r, "hess" if name == "hvp" else name) for r in exact])
                assert errors.max() <= allowed(backend, dtype, precision, gamma), (name, dtype, gamma, backend.numpy(got))


ROWS: dict[str, tuple[list[float], int, float, list[float]]] = {
    "target inf": ([INF, 0.0, 1.0], 0, 0.0, [0.0, 0.0, 0.0]),
    "another inf": ([INF, 0.0, 1.0], 1, INF, [1.0, -1.0, 0.0]),
    "two others inf": ([INF, INF, 0.0], 2, INF, [0.5, 0.5, -1.0]),
    "target -inf": ([-INF, 0.0, 0.0], 0, INF, [-1.0, 0.5, 0.5]),
    "all but the target -inf": ([-INF, -INF, 2.0], 2, 0.0, [0.0, 0.0, 0.0]),
    "target and another -inf": ([-INF, -INF, 2.0], 0, INF, [-1.0, 0.0, 1.0]),
    "inf and -inf": ([INF, -INF, 0.0], 1, INF, [1.0, -1.0, 0.0]),
}
"""Logits, target, the loss and its gradient: the same for every γ."""


def test_rows_with_infinite_logits_give_the_limit(backend: Any, gammas: Any) -> None:
    """Softmax: loss 0 or inf, and the gradient's limit, exactly, whatever γ."""
    logits, targets, value, grad = (list(column) for column in zip(*ROWS.values(), strict=True))
    for dtype, precision in backend.settings:
        for gamma in gammas:
            loss = fr.SoftmaxFocalLoss(gamma=gamma, precision=precision)
            got = loss.value_and_grad(backend(logits, dtype), backend(targets, "int32"))
            np.testing.assert_array_equal(backend.numpy(got[0]), value, err_msg=f"{dtype} γ={gamma}")
            np.testing.assert_array_equal(backend.numpy(got[1]), grad, err_msg=f"{dtype} γ={gamma}")


TIES: list[list[float]] = [[INF, INF, 0.0], [INF, INF, INF], [-INF, -INF, -INF], [-INF, 0.0, 1.0], [INF, -INF, -INF]]
PROBABILITIES = [[0.5, 0.25, 0.25], [0.0, 0.5, 0.5], [1.0, 0.0, 0.0]]


@pytest.mark.slow
@pytest.mark.parametrize("hard", [True, False], ids=["hard", "soft"])
def test_rows_with_ties_at_infinity_are_as_the_oracle_has_them(backend: Any, hard: bool) -> None:
    """Softmax: infinite logits that tie count as equal; every method, within the bounds of section "accuracy"."""
    rows = [row for row in TIES for _ in range(3)]
    targets = list(range(3)) * len(TIES) if hard else PROBABILITIES * len(TIES)
    for dtype, precision in backend.settings:
        given_targets = backend(targets, "int32" if hard else dtype)
        for gamma in GAMMAS:
            loss = fr.SoftmaxFocalLoss(gamma=gamma, precision=precision)
            exact = [oracle.softmax(row, target, gamma) for row, target in zip(rows, targets, strict=True)]
            for name, got in _every(backend, loss, backend(rows, dtype), given_targets, backend(TANGENT, dtype)):
                errors = backend.ulps(got, *_of_rows(exact, name))
                limit = allowed(backend, dtype, precision, gamma) + (2 + gamma if name in ("hess", "hvp") else 0)
                assert errors.max() <= limit, (name, dtype, gamma, errors.reshape(len(rows), -1), backend.numpy(got))


def _of_rows(exact: list[Any], name: str) -> tuple[list[Any], list[Any]]:
    """A quantity of every row, flat, and the sum of its terms' absolute values."""
    if name in ("value", "gamma_grad"):
        values = [getattr(r, name) for r in exact]
        return values, [abs(v) for v in values]
    if name == "hvp":
        products = [[[h * v for h, v in zip(line, TANGENT, strict=True)] for line in r.hessian] for r in exact]
        terms = [sum(abs(h) for h in line) for matrix in products for line in matrix]
        return [h for r in exact for h in r.hvp(TANGENT)], terms
    return [v for r in exact for v in getattr(r, name)], [v for r in exact for v in getattr(r, f"{name}_terms")]


# ---- NaN --------------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("formula", ["hard", *FORMULAS])
def test_nan_stays_in_its_element(backend: Any, gammas: Any, formula: Any) -> None:
    """Sigmoid: NaN in, NaN out, there and only there; its neighbours have the bits they have without it."""
    options = {} if formula == "hard" else {"soft_targets": formula}
    logits = np.asarray([[0.5, NAN, -3.0], [INF, NAN, -INF]])
    clean = np.where(np.isnan(logits), 1.0, logits)
    targets = backend([[1, 1, 0], [0, 0, 1]], "int32") if formula == "hard" else backend([[0.25] * 3, [0.75] * 3])
    for dtype, precision in backend.settings:
        for gamma in gammas:
            loss = fr.SigmoidFocalLoss(gamma=gamma, precision=precision, **options)
            both = (_numbers(backend, loss, backend(x, dtype), targets, 3.0) for x in (logits, clean))
            for (name, got), (_, without) in zip(*both, strict=True):
                due = np.where(np.isnan(logits), NAN, without)
                np.testing.assert_array_equal(got, due, err_msg=f"{name} {dtype} γ={gamma}")


@pytest.mark.slow
@pytest.mark.parametrize("hard", [True, False], ids=["hard", "soft"])
def test_nan_stays_in_its_row(backend: Any, gammas: Any, hard: bool) -> None:
    """Softmax: NaN at any class, beside infinities too, makes its row NaN and changes no other."""
    clean = np.asarray([[0.5, -1.0, 2.0], [0.0, 1.0, INF], [-INF, 0.5, 0.0], [INF, -INF, 0.0], [3.0, 2.0, 1.0]])
    logits = clean.copy()
    logits[[0, 1, 2, 3], [0, 1, 2, 2]] = NAN
    lost = np.asarray([True, True, True, True, False])
    targets = (
        backend([0, 0, 1, 2, 2], "int32") if hard else backend([[0.5, 0.25, 0.25], [0.0, 1.0, 0.0]] + [[1.0, 0.0, 0.0]] * 3)
    )
    for dtype, precision in backend.settings:
        for gamma in gammas:
            loss = fr.SoftmaxFocalLoss(gamma=gamma, precision=precision)
            both = (_numbers(backend, loss, backend(x, dtype), targets, backend(TANGENT, dtype)) for x in (logits, clean))
            for (name, got), (_, without) in zip(*both, strict=True):
                mask = lost.reshape(-1, *[1] * (got.ndim - 1))
                due = np.where(mask, NAN, without)
                np.testing.assert_array_equal(got, due, err_msg=f"{name} {dtype} γ={gamma}")


# ---- finite logits ----------------------------------------------------------------------------------------------------------


def extremes(dtype: str) -> list[float]:
    """The finite logits most likely to break a formula, of both signs."""
    fmt = ulp.FORMATS[dtype]
    found = [0.0, fmt.smallest, fmt.tiny, 1e-3, 1.0, 10.0, 40.0, 90.0, 710.0, 745.5, 1e4, 1e30, fmt.largest / 2, fmt.largest]
    return [sign * x for x in found for sign in (1, -1) if x <= fmt.largest]


FAINT = (5e-324, 1e-300, 1e-45)
"""γ that is 0 in most types, or subnormal."""


@pytest.mark.slow
@pytest.mark.parametrize("formula", FORMULAS)
def test_no_finite_logit_gives_nan(backend: Any, gammas: Any, formula: Any) -> None:
    """Sigmoid: for any γ from 0 to the largest, losses in [0, inf) and finite derivatives."""
    for dtype, precision in backend.settings:
        logits = backend([extremes(dtype)] * 4, dtype)
        targets = backend([[0.0], [1.0], [0.375], [0.125]])
        for gamma in (*FAINT, *gammas):
            loss = fr.SigmoidFocalLoss(gamma=gamma, soft_targets=formula, precision=precision)
            for where, got in _numbers(backend, loss, logits, targets, 1.0):
                np.testing.assert_array_equal(np.isfinite(got), True, err_msg=f"{where} {dtype} γ={gamma}")
                assert not where.startswith("value") or got.min() >= 0, (where, dtype, gamma, got)


@pytest.mark.slow
@pytest.mark.parametrize("hard", [True, False], ids=["hard", "soft"])
def test_no_row_of_finite_logits_gives_nan(backend: Any, gammas: Any, hard: bool) -> None:
    """Softmax: the same for rows of extremes; a loss is inf only where max x − x_t exceeds the largest number."""
    for dtype, precision in backend.settings:
        ends, fmt = extremes(dtype), ulp.FORMATS[dtype]
        rows = np.asarray([(a, b, c) for a in ends[:8] + ends[-8:] for b in ends[-4:] for c in (0.0, a)])
        targets = backend([i % 3 for i in range(len(rows))], "int32") if hard else backend([[0.5, 0.25, 0.25]] * len(rows))
        with np.errstate(over="ignore"):
            may_overflow = rows.max(axis=1) - rows.min(axis=1) >= fmt.largest
        for gamma in (*FAINT, *gammas):
            loss = fr.SoftmaxFocalLoss(gamma=gamma, precision=precision)
            for where, got in _numbers(backend, loss, backend(rows, dtype), targets, backend(TANGENT, dtype)):
                assert not np.isnan(got).any(), (where, dtype, gamma, rows[np.isnan(got).reshape(len(rows), -1).any(axis=1)])
                finite = np.isfinite(got).reshape(len(rows), -1).all(axis=1)
                assert finite[~may_overflow].all() if where == "value" else finite.all(), (where, dtype, gamma)
                assert where != "value" or got.min() >= 0, (where, dtype, gamma)


@pytest.mark.parametrize("link", [fr.SigmoidFocalLoss, fr.SoftmaxFocalLoss])
def test_a_huge_gamma_gives_0_and_not_nan(backend: Any, link: Any) -> None:
    """Where p is not negligible, u^γ is 0 for a huge γ, and so are the loss and every derivative."""
    softmax = link is fr.SoftmaxFocalLoss
    for dtype, precision in backend.settings:
        logits = backend([[1.0, -1.0, 0.5], [0.0, 3.0, 0.0]], dtype)
        targets = backend([1, 2] if softmax else [[1, 1, 0], [0, 0, 1]], "int32")
        for gamma in STEEP[1:]:
            loss = link(gamma=gamma, precision=precision)
            for name, got in _numbers(backend, loss, logits, targets, backend(TANGENT, dtype)):
                np.testing.assert_array_equal(got, 0.0, err_msg=f"{name} {dtype} γ={gamma}")


finite = st.floats(allow_nan=False, allow_infinity=False)


@pytest.mark.slow
@pytest.mark.parametrize("top", [50.0, sys.float_info.max], ids=["gamma to 50", "any gamma"])
@settings(max_examples=20)
@given(data=st.data())
def test_no_finite_logit_whatever_gives_nan(backend: Any, top: float, data: st.DataObject) -> None:
    """Any finite logits of any type, any γ: no NaN from either link by any method."""
    logits, gamma = data.draw(st.lists(finite, min_size=6, max_size=6)), data.draw(st.floats(0.0, top))
    for dtype, precision in backend.settings:
        fmt = ulp.FORMATS[dtype]
        x = backend(np.clip(logits, -fmt.largest, fmt.largest), dtype)
        rows = backend(np.clip(logits, -fmt.largest, fmt.largest).reshape(2, 3), dtype)
        cases = (
            (fr.SigmoidFocalLoss, x, backend([0, 1] * 3, "int32"), 1.0),
            (fr.SoftmaxFocalLoss, rows, backend([0, 2], "int32"), backend(TANGENT, dtype)),
        )
        for make, values, targets, tangent in cases:
            for name, got in _numbers(backend, make(gamma=gamma, precision=precision), values, targets, tangent):
                assert not np.isnan(got).any(), (name, dtype, gamma, got)

"""Mean, sum and normalizer: taken in the wider type, divided, and rounded once; derivatives are the reduced value's own.

Where there is a float64, a reduced float16, bfloat16 or float32 is within 0.51 ULP of the exact one, however many losses it
is over and however far the partial sums leave the type. Elsewhere it has the losses' own errors and those of a sum in the
type: REDUCED ULP.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import Any

import mpmath
import numpy as np
import pytest
from numpy.typing import NDArray

import focal_ref as fr
from focal_ref import oracle
from focal_ref.conformance import ulp

Floats = NDArray[np.float64]

KINDS: tuple[Any, ...] = (fr.SigmoidFocalLoss, fr.SoftmaxFocalLoss)
MANY = 70_000
"""More than float16's largest number, 65504."""

REDUCED = 2.1

X = np.asarray([[1.5, -0.25, 0.0], [-2.0, 4.0, 3.0], [0.5, 0.5, -7.0], [20.0, -20.0, 0.125]])
LABELS, CLASSES = np.asarray([[1, 0, 1], [0, 0, 1], [1, 1, 1], [0, 1, 0]]), np.asarray([2, 0, 1, 1])
WEIGHT = np.asarray([0.5, 2.0, 0.0, 1.0])


def _given(backend: Any, kind: Any, dtype: str) -> tuple[Any, Any, Any]:
    """Logits, targets and weight."""
    softmax = kind is fr.SoftmaxFocalLoss
    weight = WEIGHT if softmax else WEIGHT[:, None]
    return backend(X, dtype), backend(CLASSES if softmax else LABELS), backend(weight, dtype)


@functools.cache
def _exact(kind: Any, gamma: float = 2.0) -> list[Any]:
    """The oracle's results, one an element or row; X is exact in every type."""
    if kind is fr.SoftmaxFocalLoss:
        return [oracle.softmax(row, t, gamma, digits=30) for row, t in zip(X.tolist(), CLASSES.tolist(), strict=True)]
    cells = zip(X.ravel().tolist(), LABELS.ravel().tolist(), strict=True)
    return [oracle.sigmoid(x, y, gamma, digits=30) for x, y in cells]


def _weights(kind: Any) -> list[float]:
    """One a loss."""
    return WEIGHT.tolist() if kind is fr.SoftmaxFocalLoss else np.repeat(WEIGHT, 3).tolist()


def _flat(results: list[Any], weights: list[float], name: str, divisor: Any) -> list[Any]:
    parts = [(getattr(r, name), w) for r, w in zip(results, weights, strict=True)]
    return [w * v / divisor for part, w in parts for v in (part if isinstance(part, list) else [part])]


REDUCTIONS: dict[str, tuple[str, float | None]] = {
    "mean": ("mean", None),
    "sum": ("sum", None),
    "normalized sum": ("sum", 3.0),
    "normalized mean": ("mean", 7.0),
    "normalizer below 1": ("sum", 0.1),
}


@pytest.mark.parametrize("as_array", [False, True], ids=["number", "array"])
@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_reduced_value_is_rounded_once(backend: Any, kind: Any, name: str, as_array: bool) -> None:
    """Value and derivative by γ: the weighted losses' exact sum over the count or the normalizer, within 0.51 ULP, and a
    0-d array of the logits' type. A mean divides by the losses there are, not by their weights.
    """
    reduction, normalizer = REDUCTIONS[name]
    for dtype in backend.dtypes:
        x, t, weight = _given(backend, kind, dtype)
        given = backend(np.asarray(normalizer), dtype) if as_array and normalizer else normalizer
        divisor = (float(backend.numpy(given)) if as_array else normalizer) if normalizer else None
        divisor = divisor or (len(_exact(kind)) if reduction == "mean" else 1)
        loss = kind(reduction=reduction)
        for got, field in ((loss(x, t, weight, given), "value"), (loss.gamma_grad(x, t, weight, given), "gamma_grad")):
            assert tuple(got.shape) == ()
            assert got.dtype == x.dtype
            exact = mpmath.fsum(_flat(_exact(kind), _weights(kind), field, mpmath.mpf(divisor)))
            assert float(backend.ulps(got, [exact]).max()) <= (0.51 if backend.widens(dtype) else REDUCED)


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_derivatives_are_the_reduced_value_s(backend: Any, kind: Any, name: str) -> None:
    """Gradient, second derivative and product: each loss's own, weighted and divided, rounded once, in the logits' shape."""
    reduction, normalizer = REDUCTIONS[name]
    divisor = mpmath.mpf(normalizer or (len(_exact(kind)) if reduction == "mean" else 1))
    for dtype in backend.dtypes:
        x, t, weight = _given(backend, kind, dtype)
        loss = kind(reduction=reduction)
        got = {"grad": loss.grad(x, t, weight, normalizer), "hess": loss.hessian_diag(x, t, weight, normalizer)}
        for field, result in got.items():
            assert tuple(result.shape) == X.shape
            assert result.dtype == x.dtype
            exact, terms = (_flat(_exact(kind), _weights(kind), f, divisor) for f in (field, f"{field}_terms"))
            normal = np.asarray([float(s) for s in terms]) >= ulp.FORMATS[dtype].tiny
            worst = float(np.max(backend.ulps(result, exact, terms), where=normal, initial=0.0))
            assert worst <= (0.51 if backend.widens(dtype) else 2 * REDUCED)


@pytest.mark.parametrize("kind", KINDS)
def test_none_leaves_each_loss_its_own(backend: Any, kind: Any) -> None:
    """reduction="none" gives a loss an element or row; a sum's derivatives have the same bits."""
    for dtype in backend.dtypes:
        x, t, weight = _given(backend, kind, dtype)
        none, total = kind(reduction="none"), kind(reduction="sum")
        value = none(x, t, weight)
        assert tuple(value.shape) == (X.shape if kind is fr.SigmoidFocalLoss else X.shape[:1])
        for name in ("grad", "hessian_diag"):
            a, b = (getattr(loss, name)(x, t, weight) for loss in (none, total))
            np.testing.assert_array_equal(backend.numpy(a), backend.numpy(b))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("precision", ["extended", "native"])
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_one_pass_has_the_bits_of_single_calls(backend: Any, kind: Any, reduction: Any, precision: Any) -> None:
    """value_and_grad and value_grad_hess give what value, grad and hessian_diag give, bit for bit."""
    for dtype in backend.dtypes:
        x, t, weight = _given(backend, kind, dtype)
        loss = kind(gamma=1.5, reduction=reduction, precision=precision)
        normalizer = None if reduction == "none" else 5.0
        given = (x, t, weight, normalizer)
        single = [backend.numpy(getattr(loss, name)(*given)) for name in ("value", "grad", "hessian_diag")]
        for together in (loss.value_grad_hess(*given), loss.value_and_grad(*given)):
            for a, b in zip(together, single, strict=False):
                np.testing.assert_array_equal(backend.numpy(a), b)


# ---- many -------------------------------------------------------------------------------------------------------------------

FEW = np.asarray([0.5, -3.0, 8.0, -8.0, 0.0, 2.0, -0.25])
"""Repeated, so that the exact sum over many is a count times each."""


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_many_losses_in_16_bits_do_not_overflow(backend: Any, reduction: Any) -> None:
    """70,000 losses: float16's sum is past its largest number and inf, as its exact value rounds to; the mean, a normalized
    sum and the gradients are right. In bfloat16 a sum in its own type would stop at 256.
    """
    x, count = np.tile(FEW, MANY // 7), mpmath.mpf(MANY)
    results = [oracle.sigmoid(v, 1, 2, digits=30) for v in FEW.tolist()]
    total = mpmath.fsum(r.value for r in results) * (MANY // 7)
    for dtype in (d for d in backend.dtypes if d in ("float16", "bfloat16")):
        loss = fr.SigmoidFocalLoss(reduction=reduction)
        value, grad = loss.value_and_grad(backend(x, dtype), 1)
        exact = total / (count if reduction == "mean" else 1)
        limit = 0.51 if backend.has("float64") else REDUCED
        assert float(backend.ulps(value, [exact]).max()) <= limit
        assert (dtype, reduction) != ("float16", "sum") or float(backend.numpy(value)) == math.inf
        over = loss(backend(x, dtype), 1, None, 1e5)
        assert float(backend.ulps(over, [total / 100_000]).max()) <= limit
        slopes = [r.grad / (count if reduction == "mean" else 1) for r in results]
        repeated = backend(backend.numpy(grad)[:7], dtype)
        np.testing.assert_array_equal(backend.numpy(grad), np.tile(backend.numpy(grad)[:7], MANY // 7))
        keep = np.abs([float(s) for s in slopes]) >= (ulp.FORMATS[dtype].tiny if backend.flushes(dtype) else 0)
        assert float(np.max(backend.ulps(repeated, slopes), where=keep, initial=0.0)) <= 0.51


def test_a_rows_count_beyond_float16_divides_right(backend: Any) -> None:
    """The mean over 70,000 rows, a seventh of them ignored, in every 16-bit type: the count itself is no number of the
    type.
    """
    rows = np.tile(np.asarray([[0.5, -3.0], [8.0, 1.0]]), (MANY // 2, 1))
    targets = np.tile([0, 1, 1, 0, 1, 0, -1], MANY // 7)
    pairs, counts = np.unique(np.stack([np.arange(MANY) % 2, targets]), axis=1, return_counts=True)
    kept = [(int(r), int(t), int(n)) for (r, t), n in zip(pairs.T, counts, strict=True) if t >= 0]
    total = mpmath.fsum(n * oracle.softmax(rows[r].tolist(), t, 2, digits=30).value for r, t, n in kept)
    exact = total / sum(n for *_, n in kept)
    for dtype in (d for d in backend.dtypes if d in ("float16", "bfloat16")):
        value = fr.SoftmaxFocalLoss(reduction="mean", ignore_index=-1)(backend(rows, dtype), backend(targets))
        assert float(backend.ulps(value, [exact]).max()) <= (0.51 if backend.has("float64") else REDUCED)


def test_small_losses_are_not_lost_beside_a_large_one(backend: Any) -> None:
    """A loss of 2^k and 2^12 that are half an ULP of it: added one by one in the type, or rounded before, all of them are
    lost.
    """
    for dtype in (d for d in backend.dtypes if d != "float64" and (backend.has("float64") or d != "float32")):
        fmt = ulp.FORMATS[dtype]
        x = np.concatenate([[1024.0], np.full(4096, 6.0)])
        results = [oracle.sigmoid(v, 0 if v == 1024 else 1, 0, digits=30) for v in (1024.0, 6.0)]
        scale = float(mpmath.mpf(fmt.eps) * 512 / results[1].value)
        weight = backend(np.concatenate([[1.0], np.full(4096, scale)]), dtype)
        small = float(backend.numpy(weight)[-1])
        exact = results[0].value + 4096 * small * results[1].value
        labels = backend((x < 1000).astype(np.int32))
        got = fr.SigmoidFocalLoss(gamma=0.0, reduction="sum")(backend(x, dtype), labels, weight)
        assert exact > 1024 * (1 + 2000 * fmt.eps)
        assert float(backend.ulps(got, [exact]).max()) <= (0.51 if backend.has("float64") else REDUCED)


def test_float64_sums_match_an_exact_sum(backend: Any) -> None:
    """A sum of many float64 losses is within SUMMED ULP of `math.fsum` of the losses themselves."""
    if not backend.has("float64"):
        pytest.skip("no float64")
    x = backend(np.random.default_rng(11).normal(scale=6.0, size=MANY), "float64")
    losses = backend.numpy(fr.SigmoidFocalLoss()(x, 1))
    total = backend.numpy(fr.SigmoidFocalLoss(reduction="sum")(x, 1))
    assert float(ulp.errors(total, math.fsum(losses), 0.0, ulp.FORMATS["float64"])) <= SUMMED


SUMMED = 1.1


# ---- nothing ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_nothing_sums_to_0(backend: Any, kind: Any, reduction: Any) -> None:
    """Over no losses at all sum and mean are 0, and derivatives are empty, in the logits' shape and type."""
    softmax = kind is fr.SoftmaxFocalLoss
    for dtype in backend.dtypes:
        x = backend(np.zeros((0, 3)), dtype)
        t = backend(np.zeros((0,) if softmax else (0, 3), np.int32))
        loss = kind(reduction=reduction)
        value, grad, hess = loss.value_grad_hess(x, t)
        assert value.dtype == grad.dtype == hess.dtype == x.dtype
        assert tuple(grad.shape) == tuple(hess.shape) == (0, 3)
        if reduction == "none":
            assert tuple(value.shape) == ((0,) if softmax else (0, 3))
        else:
            assert float(backend.numpy(value)) == 0
            assert float(backend.numpy(dataclasses.replace(loss, reduction="sum")(x, t, None, 5.0))) == 0


def test_a_nan_loss_is_seen_in_the_sum(backend: Any) -> None:
    """NaN goes through a sum and mean, and an infinite loss makes them inf; neither where its weight is 0."""
    for reduction in ("mean", "sum"):
        named: Any = {"reduction": reduction}
        loss = fr.SigmoidFocalLoss(**named)
        for bad, expected in ((math.nan, math.nan), (-math.inf, math.inf)):
            x = backend([bad, 1.0])
            np.testing.assert_array_equal(backend.numpy(loss(x, 1)), expected)
            assert math.isfinite(float(backend.numpy(loss(x, 1, backend([0.0, 1.0])))))

"""Reference precision: every result within 0.501 ULP, in every type, of whatever is asked, on both engines.

Where a result has a zero its error is in ULP of Σ|terms|, the sum that cancels to it. A correctly rounded result is off by up
to 0.5 ULP; what the rest may be is a thousandth, so that a search for the largest error looks at near ties.
"""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Iterator
from typing import Any

import mpmath
import numpy as np
import pytest
from numpy.typing import NDArray

import focal_ref as fr
from focal_ref import family, oracle
from focal_ref.conformance import ulp
from focal_ref.libraries import backends
from focal_ref.oracle import flint
from tests.search import climbed

Floats = NDArray[np.float64]

LIMIT = 0.501
DTYPES = ("float64", "float32", "float16", "bfloat16")
RNG = np.random.default_rng(5)
QUANTITIES = ("value", "grad", "hess", "gamma_grad")


@pytest.fixture(params=["numpy", pytest.param("compiled", marks=pytest.mark.slow)])
def engine(request: pytest.FixtureRequest) -> Iterator[str]:
    """Both of NumPy's engines."""
    with fr.set_engine(request.param):
        yield request.param


def _off(got: Any, exact: Any, scale: Any, dtype: str) -> Floats:
    """Errors in ULP, of the terms where there is a scale; 0 below the normal numbers."""
    fmt, flat = ulp.FORMATS[dtype], np.asarray(got).astype(np.float64).ravel()
    sizes = np.abs(np.asarray([float(e) for e in exact]))
    if scale is not None:
        scale = np.asarray([float(s) for s in scale])
        sizes = np.maximum(sizes, scale)
    return np.where(sizes >= fmt.tiny, ulp.errors(flat, *ulp.split(exact), fmt, scale=scale), 0.0)


def _flat(parts: Any) -> list[Any]:
    return [entry for part in parts for entry in (part if isinstance(part, list) else [part])]


def _errors(got: Any, exact: list[Any], dtype: str) -> Floats:
    """The largest error of value, gradient, Hessian and derivative by γ, for each point or row."""
    rows = len(exact)
    found = []
    for name, result in zip(QUANTITIES, got, strict=False):
        scale = {"hess": "hess_terms", "grad": "grad_terms"}.get(name)
        due = _flat(getattr(r, name) for r in exact)
        terms = None if scale is None else _flat(getattr(r, scale) for r in exact)
        found.append(_off(result, due, terms, dtype).reshape(rows, -1).max(axis=1))
    return np.max(found, axis=0)


def _all(loss: Any, x: Any, y: Any, **given: Any) -> tuple[Any, ...]:
    return (*loss.value_grad_hess(x, y, **given), loss.gamma_grad(x, y, **given))


@pytest.mark.slow
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("gamma", [0.004, 2.0, 5.0])
def test_a_search_of_sigmoid(engine: str, dtype: str, gamma: float) -> None:
    """Hard targets, all logits, also where p, u or φ is far below the normal numbers."""
    loss = fr.SigmoidFocalLoss(gamma=gamma, precision="reference")

    def errors(points: Floats) -> Floats:
        x = backends.host(points[:, 0], dtype)
        exact = flint.sigmoid_many(x.astype(np.float64).tolist(), 1, gamma, digits=30)
        return _errors(_all(loss, x, 1), exact, dtype)

    for reach in (4.0, 40.0, 720.0, 6e4):
        worst, at = climbed(errors, [(-reach, reach)], count=32, rounds=3)
        assert worst <= LIMIT, at


@pytest.mark.slow
@pytest.mark.parametrize("dtype", DTYPES[:2])
@pytest.mark.parametrize("gamma", [0.37, 5.0])
def test_a_search_of_softmax(engine: str, dtype: str, gamma: float) -> None:
    """Rows near a tie, and far apart."""
    loss = fr.SoftmaxFocalLoss(gamma=gamma, precision="reference")

    def errors(points: Floats) -> Floats:
        x, targets = backends.host(points, dtype), np.arange(len(points)) % 4
        return _errors(_all(loss, x, targets), flint.softmax_many(x.astype(float).tolist(), targets, gamma, digits=30), dtype)

    for reach in (3.0, 40.0, 350.0):
        worst, at = climbed(errors, [(-reach, reach)] * 4, count=32, rounds=3)
        assert worst <= LIMIT, at


@pytest.mark.slow
@pytest.mark.parametrize("formula", ["mix", "expected", "quality"])
def test_a_search_of_soft_labels(engine: str, formula: Any) -> None:
    """With a weight of the positives and smoothing; "quality" where p and y differ by 1e-6 or more."""
    dtype, gamma, alpha, smoothing = "float64", 1.3, 0.3, 0.1
    loss = fr.SigmoidFocalLoss(gamma, alpha, formula, label_smoothing=smoothing, precision="reference")

    def errors(points: Floats) -> Floats:
        x, y = points.T
        with mpmath.workdps(40):
            labels = [(1 - mpmath.mpf(smoothing)) * mpmath.mpf(v) + mpmath.mpf(smoothing) / 2 for v in y.tolist()]
        exact = [
            oracle.sigmoid(a, b, gamma, alpha, digits=25, soft_targets=formula) for a, b in zip(x.tolist(), labels, strict=True)
        ]
        apart = np.abs(1 / (1 + np.exp(-x)) - np.asarray([float(b) for b in labels])) > 1e-6
        return np.where(apart, _errors(_all(loss, x, y), exact, dtype), 0.0)

    worst, at = climbed(errors, [(-8.0, 8.0), (0.0, 1.0)], count=24, rounds=3)
    assert worst <= LIMIT, at


@pytest.mark.slow
def test_rows_of_probabilities(engine: str) -> None:
    """Soft rows with class weights: value, gradient, Hessian, and its product with a tangent."""
    x = np.concatenate([RNG.normal(0, 3, (12, 3)), RNG.uniform(-60, 60, (6, 3)), [[40.0, 0.0, -1.0], [0.0, 0.0, 0.0]]])
    y = RNG.dirichlet([1, 1, 1], len(x))
    y[3] = [0.0, 1.0, 0.0]
    alpha, gamma, v = (0.3, 1.0, 2.5), 2.0, np.asarray([0.3, -0.2, 1.0])
    loss = fr.SoftmaxFocalLoss(gamma, alpha, precision="reference")
    exact = [oracle.softmax(a, b, gamma, alpha, digits=30) for a, b in zip(x.tolist(), y.tolist(), strict=True)]
    assert _errors(_all(loss, x, y), exact, "float64").max() <= LIMIT
    found = loss.hvp(x, y, np.broadcast_to(v, x.shape))
    for row, got in zip(exact, found, strict=True):
        due = row.hvp(v.tolist())
        terms = [mpmath.fsum(abs(h * t) for h, t in zip(line, v.tolist(), strict=True)) for line in row.hessian]
        assert _off(got, due, terms, "float64").max() <= LIMIT


@pytest.mark.parametrize("name", sorted(family.KERNELS))
def test_every_member(engine: str, name: str) -> None:
    """Each member of the family, either link, and its derivatives by its parameters."""
    kernel = family.KERNELS[name]()
    x = np.concatenate([RNG.normal(0, 3, 12), RNG.uniform(-60, 60, 12)])
    loss = fr.SigmoidLoss(kernel, precision="reference")
    exact = [oracle.member(kernel, v, 1, digits=30) for v in x.tolist()]
    assert _errors(loss.value_grad_hess(x, 1), exact, "float64").max() <= LIMIT
    for by in kernel.by_parameter:
        due = [r.parameter_grad(by) for r in exact]
        assert _off(loss.parameter_grad(by, x, 1), due, None, "float64").max() <= LIMIT
    rows, targets = RNG.normal(0, 4, (8, 3)), np.arange(8) % 3
    found = fr.SoftmaxLoss(kernel, precision="reference").value_grad_hess(rows, targets)
    exact = [oracle.member(kernel, row, t, digits=30) for row, t in zip(rows.tolist(), targets.tolist(), strict=True)]
    assert _errors(found, exact, "float64").max() <= LIMIT


@pytest.mark.slow
@pytest.mark.parametrize("dtype", DTYPES)
def test_sums_and_factors(engine: str, dtype: str) -> None:
    """Means and sums, weights, normalizers and γ an element, rounded once at the end."""
    x, y = backends.host(RNG.normal(0, 4, 40), dtype), np.arange(40) % 2
    weight, gamma = RNG.uniform(0, 3, 40), RNG.uniform(0, 5, 40)
    weight[3] = 0.0
    at = x.astype(np.float64).tolist()
    each = [oracle.sigmoid(v, int(t), g, 0.3, digits=30) for v, t, g in zip(at, y, gamma.tolist(), strict=True)]
    with mpmath.workdps(30):
        values, grads = (
            [mpmath.mpf(w) * getattr(r, n) for w, r in zip(weight.tolist(), each, strict=True)] for n in ("value", "grad")
        )
        for reduction, normalizer, divisor in (("sum", None, 1), ("mean", None, 40), ("sum", 0.7, mpmath.mpf(0.7))):
            loss = fr.SigmoidFocalLoss(gamma, 0.3, reduction=reduction, precision="reference")
            value, grad = loss.value_and_grad(x, y, weight, normalizer)
            assert value.dtype == grad.dtype == x.dtype
            assert _off(value, [mpmath.fsum(values) / divisor], None, dtype).max() <= LIMIT
            assert _off(grad, [g / divisor for g in grads], None, dtype).max() <= LIMIT
    assert grad[3] == 0


@pytest.mark.slow
def test_limits(engine: str) -> None:
    """Infinite logits give the limit, NaN gives NaN where it is, and a zero weight 0, without a warning."""
    x = np.asarray([np.inf, -np.inf, np.nan, 1e308, -1e308, 0.0])
    loss, plain = fr.SigmoidFocalLoss(precision="reference"), fr.SigmoidFocalLoss()
    for got, due in zip(_all(loss, x, 1), _all(plain, x, 1), strict=True):
        np.testing.assert_array_equal(got[:-1], due[:-1])
    np.testing.assert_array_equal(loss.grad(x, 1, 0.0), 0.0)
    rows = np.asarray([[np.inf, 1.0], [-np.inf, 1.0], [np.nan, 1.0], [np.inf, np.inf], [-np.inf, -np.inf]])
    of_rows, plain_rows = fr.SoftmaxFocalLoss(precision="reference"), fr.SoftmaxFocalLoss()
    for targets in (np.zeros(5, int), np.full((5, 2), 0.5)):
        for got, due in zip(of_rows.value_grad_hess(rows, targets), plain_rows.value_grad_hess(rows, targets), strict=True):
            np.testing.assert_allclose(got, due, rtol=1e-14)


@pytest.mark.slow
def test_large_arrays_have_the_bits_of_small_ones(engine: str) -> None:
    """In blocks, in any memory order, and with classes anywhere."""
    x = RNG.normal(0, 5, (3, 9001))
    loss = fr.SigmoidFocalLoss(precision="reference")
    whole = loss.grad(x, 1)
    np.testing.assert_array_equal(whole[:, ::1000], loss.grad(x[:, ::1000], 1))
    np.testing.assert_array_equal(whole.T, loss.grad(np.asfortranarray(x).T, 1))
    targets = np.arange(9001) % 3
    np.testing.assert_array_equal(
        fr.SoftmaxFocalLoss(precision="reference", axis=0).grad(x, targets).T,
        fr.SoftmaxFocalLoss(precision="reference").grad(np.ascontiguousarray(x.T), targets),
    )


# ---- other libraries --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", ["array-api-strict", "torch", "jax", "dask"])
def test_another_library_s_arrays_go_there_and_back(name: str) -> None:
    """The results are NumPy's, in the library's own arrays, whatever is an array beside the logits."""
    backend = backends.get(name)
    with backend.context():
        for dtype in backend.dtypes:
            x, gamma, w = (backend.asarray(np.asarray(a), dtype) for a in ([-3.0, 0.5, 4.0], [0.5, 1.0, 2.0], [1.0, 0.5, 2.0]))
            y = backend.asarray(np.asarray([0, 1, 1]), "int32")
            got = fr.SigmoidFocalLoss(gamma=gamma, precision="reference").value_and_grad(x, y, w)
            here = [backends.host(backend.to_numpy(a), dtype) for a in (x, gamma, w)]
            due = fr.SigmoidFocalLoss(gamma=here[1], precision="reference").value_and_grad(
                here[0], np.asarray([0, 1, 1]), here[2]
            )
            for ours, theirs in zip(got, due, strict=True):
                assert ours.dtype == x.dtype
                assert type(ours) is type(x)
                np.testing.assert_array_equal(backend.to_numpy(ours), theirs.astype(np.float64))


@pytest.mark.slow
def test_what_is_not_at_hand_is_refused() -> None:
    """A trace, a record of gradients and a lazy sum are told what is accepted."""
    torch, jax = importlib.import_module("torch"), importlib.import_module("jax")
    da = importlib.import_module("dask.array")
    loss = fr.SigmoidFocalLoss(precision="reference", reduction="mean")
    calls = [
        lambda: loss(torch.zeros(3, requires_grad=True), 1),
        lambda: torch.vmap(lambda x: loss(x, 1))(torch.zeros(2, 3)),
        lambda: jax.jit(lambda x: loss(x, 1))(jax.numpy.zeros(3)),
        lambda: loss(da.zeros(3), 1),
    ]
    for call in calls:
        with pytest.raises(ValueError, match=r"^precision: got 'reference' with .* expected (NumPy's arrays|reduction='none')"):
            call()


@pytest.mark.slow
def test_rounding_is_not_done_twice(engine: str) -> None:
    """Softplus at logits whose float64 is a tie of the narrower type: the pair knows the side."""
    x = np.arange(-20000, 20000, 7).astype(np.float32) / np.float32(1024)
    for dtype in ("float32", "float16", "bfloat16"):
        z = backends.host(x, dtype)
        exact = flint.sigmoid_many(z.astype(np.float64)[:: 1 if dtype == "float32" else 9].tolist(), 1, 0.0, digits=25)
        got = fr.SigmoidFocalLoss(gamma=0.0, precision="reference")(z, 1)[:: 1 if dtype == "float32" else 9]
        due = [ulp.nearest(r.value, ulp.FORMATS[dtype]) for r in exact]
        np.testing.assert_array_equal(got.astype(np.float64), due)


@pytest.mark.slow
@pytest.mark.parametrize("gamma", [0.0, 4.541731839880166e-06, 0.75])
def test_subnormal_results_are_rounded_once(engine: str, gamma: float) -> None:
    """float64 between the smallest number and the normal ones: 0.501 units of 2^−1074, also next to ties."""
    x = np.concatenate([np.linspace(-745.2, -708.3, 4000) / (1 + gamma), [-708.3940069394948]])
    results = oracle.sigmoid_many(x.tolist(), 1, gamma), oracle.sigmoid_many(x.tolist(), 0, gamma)
    loss = fr.SigmoidFocalLoss(gamma=gamma, precision="reference")
    for y, exact in zip((1, 0), results, strict=True):
        for got, name in zip(loss.value_grad_hess(x, np.full(len(x), y)), ("value", "grad", "hess"), strict=True):
            for a, b in zip(got.tolist(), (getattr(r, name) for r in exact), strict=True):
                with mpmath.workdps(60):
                    assert abs(a) >= 2.0**-1022 or abs(mpmath.mpf(a) - b) <= 0.501 * mpmath.mpf(2) ** -1074, (name, y, a)


def test_options_say_what_is_accepted() -> None:
    """Reference is one of three."""
    with pytest.raises(ValueError, match="'extended', 'native', 'reference'"):
        fr.SigmoidFocalLoss(precision="exact")  # type: ignore[arg-type]
    assert list(itertools.islice(fr.family.KERNELS, 1))

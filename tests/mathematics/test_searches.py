"""The accuracy contract where a search leads, not only on grids: each backend's own arithmetic, in every type that it has."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import focal_ref as fr
from focal_ref import oracle
from focal_ref.conformance import ulp
from focal_ref.conformance.contract import Exact, Terms, bound, judge
from focal_ref.engine import arrays, precision
from focal_ref.oracle import flint
from tests.search import climbed

Floats = NDArray[np.float64]

pytestmark = pytest.mark.slow

QUANTITIES = ("value", "grad", "hess")
OF_16_BITS, IN_FLOAT64 = 0.53, ("numpy", "compiled", "array-api-strict", "dask")
"""float16's Hessian, next to its zero, where it is evaluated in float32; and where it isn't."""


def _shares(backend: Any, got: Any, results: list[Any], nll: Floats, link: str, dtype: str, gamma: float) -> Floats:
    """For each point or row, the largest error as a share of its bound; infinite where it is wrong at any tolerance."""
    compute = precision.compute_type(arrays.look(backend(np.zeros(1), dtype)), "extended")
    worst = []
    for name, result in zip(QUANTITIES, got, strict=True):
        due = [getattr(r, name) for r in results]
        width = len(due[0]) if isinstance(due[0], list) else 1
        flat = [entry for part in due for entry in (part if isinstance(part, list) else [part])]
        terms = [getattr(r, "hess_terms" if name == "hess" else name) for r in results]
        sizes = np.abs([float(t) for part in terms for t in (part if isinstance(part, list) else [part])])
        limit = bound(name, link, dtype, "native" if compute == dtype else "extended", gamma)
        if (name, dtype) == ("hess", "float16") and backend.name not in IN_FLOAT64:
            limit = OF_16_BITS
        on = Terms(name, dtype, compute, gamma, limit, flushes=backend.flushes(dtype))
        with np.errstate(all="ignore"):
            found = judge(backend.numpy(result).ravel(), Exact(*ulp.split(flat), sizes, np.repeat(nll, width)), on)
        worst.append(found.shares.reshape(len(results), -1).max(axis=1))
    return np.max(worst, axis=0)


@pytest.mark.parametrize("gamma", [3 / 64, 5.0])
def test_softmax(backend: Any, gamma: float) -> None:
    """Rows of three, near ties and far apart, float64 and the narrowest type."""
    for dtype in {backend.dtypes[0], backend.dtypes[-1]}:

        def shares(points: Floats, dtype: str = dtype) -> Floats:
            x = backend(points, dtype)
            got = fr.SoftmaxFocalLoss(gamma=gamma).value_grad_hess(x, backend(np.zeros(len(points), int)))
            rows = backend.numpy(x)
            results = flint.softmax_many(rows.tolist(), [0] * len(rows), gamma, digits=25)
            nll = np.log(np.exp(rows - rows.max(axis=1, keepdims=True)).sum(axis=1)) + rows.max(axis=1) - rows[:, 0]
            return _shares(backend, got, results, nll, "softmax", dtype, gamma)

        for reach in (3.0, 40.0):
            worst, at = climbed(shares, [(-reach, reach)] * 3, count=48, rounds=4)
            assert worst <= 1, (dtype, at)


@pytest.mark.parametrize("gamma", [2.0**-26, 0.9375])
def test_sigmoid(backend: Any, gamma: float) -> None:
    """All logits, and those where exponentials are about to underflow; next to φ'' = 0, too."""
    for dtype in {backend.dtypes[0], backend.dtypes[-1]}:
        edge = -np.log(ulp.FORMATS[dtype].tiny)

        def shares(points: Floats, dtype: str = dtype) -> Floats:
            x = backend(points[:, 0], dtype)
            got = fr.SigmoidFocalLoss(gamma=gamma).value_grad_hess(x, 1)
            results = flint.sigmoid_many(backend.numpy(x).tolist(), 1, gamma, digits=25)
            return _shares(backend, got, results, np.logaddexp(0, -backend.numpy(x)), "sigmoid", dtype, gamma)

        for box in ((-12.0, 12.0), (-edge - 5, 20 - edge), (edge / (1 + gamma) - 30, edge / (1 + gamma) + 5)):
            worst, at = climbed(shares, [box], count=48, rounds=4)
            assert worst <= 1, (dtype, at)


# ---- found by `python -m tests.long_search` ---------------------------------------------------------------------------------


def test_a_share_of_the_others_is_rounded_about_once() -> None:
    """NumPy, float64: a Hessian of 8.03 ULP where 8.02 are allowed, when E and its sum were taken as they were rounded."""
    row, gamma = [-5.991304078298602, -3.617916390045638, -7.773514089213219, 0.5308122520416853], 0.007044965626911645
    with fr.set_engine("numpy"):
        _, grad, hess = fr.SoftmaxFocalLoss(gamma=gamma).value_grad_hess(np.asarray([row]), np.asarray([3]))
    exact = oracle.softmax(row, 3, gamma)
    errors = ulp.errors(hess[0], *ulp.split(exact.hess), ulp.FORMATS["float64"], scale=np.asarray(exact.hess_terms, float))
    assert errors.max() < 6
    assert ulp.errors(grad[0], *ulp.split(exact.grad), ulp.FORMATS["float64"]).max() < 2.5


def test_a_subnormal_hessian_of_normal_terms_is_measured_by_them() -> None:
    """float64, γ next to 0, where φ'' is about to change its sign: some units off, and not two ULP of its terms."""
    logit, gamma = 704.5117988821808, 0.0013999696915145783
    hess = fr.SigmoidFocalLoss(gamma=gamma).hessian_diag(np.asarray([logit]), 0)
    exact = oracle.sigmoid(logit, 0, gamma)
    nll = np.asarray([logit])
    of = Exact(*ulp.split([exact.hess]), np.asarray([float(exact.hess_terms)]), nll)
    assert 0 < abs(of.hi[0]) < ulp.FORMATS["float64"].tiny < of.terms[0]
    limit = bound("hess", "sigmoid", "float64", "native", gamma)
    found = judge(hess, of, Terms("hess", "float64", "float64", gamma, limit))
    assert found.measured.all()
    assert not found.wrong.any()
    assert judge(hess + 40 * np.spacing(of.terms), of, found.on).wrong.all()


def _by_class(row: list[float], shares: list[float], gamma: float) -> list[tuple[float, Any]]:
    return [(share, fr.oracle.softmax(row, c, gamma, digits=25)) for c, share in enumerate(shares)]


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_products_of_soft_rows(backend: Any, smoothing: float) -> None:
    """H v of rows of probabilities, or of smoothed classes, one class far ahead: its own entry is no rounding noise."""
    v, gamma = np.asarray([0.3, -0.2, 1.0]), 2.0
    y = np.asarray([0.3, 0.4, 0.3]) if not smoothing else np.asarray([1.0, 0.0, 0.0]) * (1 - smoothing) + smoothing / 3
    for dtype in {"float32", backend.dtypes[-1]}:
        loss = fr.SoftmaxFocalLoss(gamma=gamma, label_smoothing=smoothing)
        limit = 0.51 if backend.widens(dtype) else bound("hess", "softmax", dtype, "native", gamma)

        def errors(points: Floats, dtype: str = dtype, loss: Any = loss) -> Floats:
            rows = np.concatenate([points, np.zeros((len(points), 1))], axis=1)
            x, step = backend(rows, dtype), backend(np.broadcast_to(v, rows.shape), dtype)
            soft = backend(np.broadcast_to(y, rows.shape), dtype)
            got = loss.hvp(x, backend(np.zeros(len(rows), int)) if smoothing else soft, step)
            at, share, along = (backend.numpy(a) for a in (x, soft, step))
            found = []
            for row, labels, tangent, result in zip(
                at.tolist(), share.tolist(), along.tolist(), backend.numpy(got), strict=True
            ):
                mixed = y.tolist() if smoothing else labels
                exact = fr.oracle.softmax(row, mixed, gamma, digits=25)
                due = exact.hvp(tangent)
                # Where nothing is wider, the classes' own Hessians may cancel in their sum.
                summed = [(1.0, exact)] if backend.widens(dtype) else _by_class(row, mixed, gamma)
                terms = sum(part * np.abs(np.asarray(hard.hessian, float)) @ np.abs(tangent) for part, hard in summed)
                off = ulp.errors(result, *ulp.split(due), ulp.FORMATS[dtype], scale=terms)
                found.append(float(np.max(off, where=np.asarray(terms) >= ulp.FORMATS[dtype].tiny, initial=0.0)))
            return np.asarray(found)

        worst, at = climbed(errors, [(0.0, 60.0), (-4.0, 4.0)], count=24, rounds=3)
        assert worst <= limit, (dtype, at)

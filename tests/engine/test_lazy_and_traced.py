"""Lazy stays lazy, and traced code gives what eager code gives: Dask, JAX's and torch's transformations."""

from __future__ import annotations

import dataclasses
import functools
import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import focal_ref as fr
from focal_ref import oracle
from focal_ref.conformance import ulp
from focal_ref.libraries import backends
from tests import xla
from tests.methods import METHODS, leaves

RNG = np.random.default_rng(11)
LOGITS = RNG.normal(0.0, 3.0, (12, 6))
LABELS, CLASSES = (LOGITS > 1).astype(np.int32), np.arange(12, dtype=np.int32) % 6
SHARES = RNG.uniform(0.0, 1.0, (12, 6))
ROWS = SHARES / SHARES.sum(axis=1, keepdims=True)
WEIGHTS = (1.0, 2.0, 0.5, 0.0, 1.5, 1.0)
CASES: dict[str, tuple[Any, Any]] = {
    "sigmoid": (fr.SigmoidFocalLoss(alpha=0.25), LABELS),
    "sigmoid mix": (fr.SigmoidFocalLoss(gamma=(0.0, 0.5, 1.0, 2.0, 3.0, 5.0)), SHARES),
    "sigmoid expected": (fr.SigmoidFocalLoss(soft_targets="expected"), SHARES),
    "sigmoid quality": (fr.SigmoidFocalLoss(soft_targets="quality"), SHARES),
    "softmax": (fr.SoftmaxFocalLoss(alpha=WEIGHTS, ignore_index=3), CLASSES),
    "softmax smoothed": (fr.SoftmaxFocalLoss(gamma=0.5, label_smoothing=0.25), CLASSES),
    "softmax rows": (fr.SoftmaxFocalLoss(alpha=WEIGHTS), ROWS),
}
by_case = pytest.mark.parametrize("case", CASES)


# ---- Dask -------------------------------------------------------------------------------------------------------------------


def _no_computing(*_: Any, **__: Any) -> Any:
    raise AssertionError("a lazy array was computed")


def _lazy(values: Any, chunks: Any) -> Any:
    return importlib.import_module("dask.array").from_array(np.asarray(values), chunks=chunks)


def _chunked(loss: Any, targets: Any, rows: Any, columns: Any) -> tuple[Any, Any]:
    """Logits and targets in chunks."""
    pieces = (rows, columns) if np.ndim(targets) == 2 else (rows,)
    dtype = np.float32 if targets.dtype.kind == "f" else targets.dtype
    return _lazy(LOGITS.astype(np.float32), (rows, columns)), _lazy(targets.astype(dtype), pieces)


@pytest.mark.slow
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@by_case
def test_dask_stays_lazy(case: str, reduction: Any) -> None:
    """No method computes anything, whatever the targets, weights and reduction; type and shape are known beforehand."""
    dask = importlib.import_module("dask")
    loss, targets = CASES[case]
    loss = dataclasses.replace(loss, reduction=reduction)
    x, t = _chunked(loss, targets, 5, 6)
    weight = x[:, 0] * 0 + 1 if isinstance(loss, fr.SoftmaxFocalLoss) else x * 0 + 1
    with dask.config.set(scheduler=_no_computing):
        lazy = {name: leaves(method(loss, x, t)) for name, method in METHODS.items()}
        lazy["weighted"] = leaves(loss.value_and_grad(x, t, weight))
        if reduction != "none":
            lazy["normalized"] = leaves(loss.value_and_grad(x, t, weight, weight.sum()))
    for name, results in lazy.items():
        for result in results:
            assert type(result) is type(x), name
            computed = result.compute()
            assert (result.shape, result.dtype) == (computed.shape, computed.dtype), name


@pytest.mark.slow
@pytest.mark.parametrize("rows", [1, 5, 12, (2, 7, 3)])
@pytest.mark.parametrize("columns", [6, 1, (4, 2)])
@by_case
def test_dask_chunks_do_not_matter(case: str, rows: Any, columns: Any) -> None:
    """Under any chunking, also with the classes in several chunks, the bits are NumPy's.

    Chunks along rows are kept; where a row lies in several chunks, Dask joins them, and may cut the rows finer instead.
    """
    loss, targets = CASES[case]
    x, t = _chunked(loss, targets, rows, columns)
    plain = LOGITS.astype(np.float32), targets.astype(t.dtype)
    for name, method in METHODS.items():
        for lazy, wanted in zip(leaves(method(loss, x, t)), leaves(method(loss, *plain)), strict=True):
            assert lazy.chunks[0] == x.chunks[0] or (columns != 6 and isinstance(loss, fr.SoftmaxFocalLoss)), name
            np.testing.assert_array_equal(lazy.compute(scheduler="synchronous"), wanted, err_msg=name, strict=True)


@by_case
def test_dask_reductions_agree_to_the_last_bit_or_two(case: str) -> None:
    """A sum is accumulated in float64 chunk by chunk and rounded once: at most one number of float32 from NumPy's."""
    loss, targets = CASES[case]
    for reduction in ("mean", "sum"):
        reduced = dataclasses.replace(loss, reduction=reduction)
        wanted = np.asarray(reduced(LOGITS.astype(np.float32), targets))
        for rows in (1, 5):
            got = reduced(*_chunked(loss, targets, rows, 6)).compute(scheduler="synchronous")
            assert ulp.errors(got, wanted, 0.0, ulp.FORMATS["float32"]) <= 1


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("case", ["sigmoid of one label", "sigmoid", "softmax", "softmax rows"])
def test_dask_with_unknown_chunk_sizes_is_right_or_refused(case: str, reduction: Any) -> None:
    """Rows picked by a mask, whose count nobody knows yet: right, or refused in words that name the remedy; never wrong."""
    loss, targets = (fr.SigmoidFocalLoss(), LABELS) if case == "sigmoid of one label" else CASES[case]
    loss = dataclasses.replace(loss, reduction=reduction)
    x, t = _chunked(loss, targets, 5, 6)
    mask = LOGITS[:, 0].astype(np.float32) > 0
    plain, picked = LOGITS.astype(np.float32)[mask], x[:, 0] > 0
    x, t, plain_targets = x[picked], t[picked], targets.astype(t.dtype)[mask]
    if case == "sigmoid of one label":
        t = plain_targets = 1
    assert np.isnan(x.shape[0])
    for name, method in METHODS.items():
        results = _unless_refused(method, loss, x, t)
        for lazy, wanted in zip(results, leaves(method(loss, plain, plain_targets)), strict=bool(results)):
            got = lazy.compute(scheduler="synchronous")
            assert got.shape == wanted.shape, name
            apart = ulp.errors(got, wanted, 0.0, ulp.FORMATS["float32"])
            assert np.all(apart <= (0 if got.ndim and reduction != "mean" else 1)), name


def _unless_refused(method: Callable[..., Any], loss: Any, x: Any, t: Any) -> tuple[Any, ...]:
    """The results; none where the arguments are refused, which has to be in the right words."""
    try:
        return leaves(method(loss, x, t))
    except ValueError as error:
        if "compute_chunk_sizes" not in str(error):
            raise
        return ()


def test_dask_gamma_and_alpha_may_be_lazy() -> None:
    """γ, α and a tangent that are Dask arrays, in chunks of their own."""
    x, t = _chunked(None, LABELS, 5, 4)
    gamma, alpha = np.linspace(0.0, 5.0, 12, dtype=np.float32)[:, None], np.linspace(0.0, 1.0, 6, dtype=np.float32)
    lazy = fr.SigmoidFocalLoss(gamma=_lazy(gamma, (4, 1)), alpha=_lazy(alpha, 2))
    plain = fr.SigmoidFocalLoss(gamma=gamma, alpha=alpha)
    for got, wanted in zip(lazy.value_grad_hess(x, t), plain.value_grad_hess(LOGITS.astype(np.float32), LABELS), strict=True):
        np.testing.assert_array_equal(got.compute(scheduler="synchronous"), wanted, strict=True)


# ---- JAX --------------------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["jax", "jax-x64"])
def jax_backend(request: pytest.FixtureRequest) -> Any:
    """JAX with and without 64 bits."""
    found = backends.get(request.param)
    with found.context():
        yield found


def _on_jax(backend: Any, case: str) -> tuple[Any, Any, Any]:
    loss, targets = CASES[case]
    kind = "float32" if targets.dtype.kind == "f" else "int32"
    return loss, backend.asarray(LOGITS, "float32"), backend.asarray(targets, kind)


def _exact(case: str) -> list[Any]:
    """The oracle's results: one a row (softmax), or one an element."""
    loss, targets = CASES[case]
    x = LOGITS.astype(np.float32).tolist()
    if isinstance(loss, fr.SigmoidFocalLoss):
        gammas = np.broadcast_to(np.asarray(loss.gamma), LOGITS.shape).tolist()
        ys = targets.astype(np.float32 if targets.dtype.kind == "f" else int).tolist()
        points = zip(np.ravel(x).tolist(), np.ravel(ys).tolist(), np.ravel(gammas).tolist(), strict=True)
        return [oracle.sigmoid(a, y, g, loss.alpha, soft_targets=loss.soft_targets) for a, y, g in points]
    rows = targets.tolist()
    if loss.label_smoothing:
        rows = ((1 - loss.label_smoothing) * np.eye(6)[targets] + loss.label_smoothing / 6).tolist()
    return [oracle.softmax(row, t, loss.gamma, loss.alpha) for row, t in zip(x, rows, strict=True)]


@functools.cache
def _scales(case: str) -> dict[str, Any]:
    """For each quantity, the sum of its terms' absolute values, which a rounding error is measured against."""
    exact = _exact(case)
    if isinstance(CASES[case][0], fr.SigmoidFocalLoss):
        found = {name: [abs(getattr(r, field)) for r in exact] for name, field in FIELDS.items()}
        found["hvp"] = [h * abs(x) for h, x in zip(found["hessian_diag"], LOGITS.ravel().tolist(), strict=True)]
    else:
        found = {name: [getattr(r, field) for r in exact] for name, field in FIELDS.items()}
        size = np.abs(LOGITS)
        full = [
            np.abs(np.asarray(r.hessian, float)) @ v + np.asarray(r.hess_terms, float) * v
            for r, v in zip(exact, size, strict=True)
        ]
        found["hvp"] = full
    return {name: np.abs(np.asarray(values, dtype=float)) for name, values in found.items()}


FIELDS = {"value": "value", "grad": "grad_terms", "hessian_diag": "hess_terms", "gamma_grad": "gamma_grad"}
PARTS = {"value_and_grad": ("value", "grad"), "value_grad_hess": ("value", "grad", "hessian_diag")}


def _agree(backend: Any, case: str, name: str, got: Any, wanted: Any) -> None:
    """Widened to float64, bit for bit; in float32 itself, as two results of which each keeps its bound of 6 + 3 γ ULP."""
    loss, _ = CASES[case]
    limit = 0.0 if "float64" in backend.dtypes else 2 * (6 + 3 * float(np.max(np.asarray(loss.gamma))))
    for part, one, other in zip(PARTS.get(name, (name,)), leaves(got), leaves(wanted), strict=True):
        assert (one.dtype, one.shape) == (other.dtype, other.shape), name
        one, other = backend.to_numpy(one), backend.to_numpy(other)
        scale = _scales(case)[part].reshape(other.shape)
        errors = ulp.errors(one, other, 0.0, ulp.FORMATS["float32"], scale=scale)
        assert errors.max() <= limit, f"{part} of {name}, {case}: {errors.max():.3g} ULP"


@pytest.mark.compiles
@by_case
def test_jit_gives_what_eager_code_gives(jax_backend: Any, case: str) -> None:
    """Widened to float64, the bits are the same; in float32 itself, the two are within their bounds of each other.

    Value and gradient as a program of their own, as training has them, and every method in one.
    """
    loss, x, t = _on_jax(jax_backend, case)
    for names in (["value_and_grad"], [*METHODS]):
        fused = xla.jit(lambda x, t, names=names: [METHODS[name](loss, x, t) for name in names])(x, t)
        for name, results in zip(names, fused, strict=True):
            _agree(jax_backend, case, name, results, METHODS[name](loss, x, t))


@pytest.mark.compiles
@pytest.mark.parametrize("case", ["sigmoid", "softmax", "softmax rows"])
def test_vmap_gives_what_a_whole_call_gives(jax_backend: Any, case: str) -> None:
    """Mapped over rows, every method gives what it gives for all rows at once; as for jit."""
    jax = importlib.import_module("jax")
    loss, x, t = _on_jax(jax_backend, case)
    for name, method in METHODS.items():
        mapped = jax.vmap(lambda x, t, method=method: method(loss, x, t))(x, t)
        _agree(jax_backend, case, name, mapped, method(loss, x, t))


@pytest.mark.compiles
@pytest.mark.parametrize("link", [fr.SigmoidFocalLoss, fr.SoftmaxFocalLoss])
def test_everything_may_be_traced(jax_backend: Any, link: Any) -> None:
    """γ, α, weight, normalizer, tangent and integer targets as tracers, all at once: eager code's results.

    Bit for bit where widened; in float32, to 64 ULP of the largest entry.
    """
    softmax = link is fr.SoftmaxFocalLoss
    x, t = jax_backend.asarray(LOGITS, "float32"), jax_backend.asarray(CLASSES if softmax else LABELS, "int32")
    alpha = jax_backend.asarray(np.asarray(WEIGHTS) / 2, "float32")
    gamma, weight = (
        jax_backend.asarray(np.linspace(0.5, end, 12).reshape(12, *[1] * (not softmax)), "float32") for end in (3, 2)
    )
    divisor = jax_backend.asarray(np.asarray([3.0]), "float32")[0]

    def everything(gamma: Any, alpha: Any, x: Any, t: Any, weight: Any, divisor: Any, v: Any) -> Any:
        loss = link(gamma=gamma, alpha=alpha, reduction="sum")
        first = loss.value_grad_hess(x, t, weight, divisor)
        return (*first, loss.hvp(x, t, v, weight, divisor), loss.gamma_grad(x, t, weight, divisor))

    arguments = (gamma, alpha, x, t, weight, divisor, x)
    for got, wanted in zip(xla.jit(everything)(*arguments), everything(*arguments), strict=True):
        got, wanted = jax_backend.to_numpy(got), jax_backend.to_numpy(wanted)
        limit = 0.0 if "float64" in jax_backend.dtypes else 64.0
        assert ulp.errors(got, wanted, 0.0, ulp.FORMATS["float32"], scale=np.abs(wanted).max() + 0 * wanted).max() <= limit


@pytest.mark.compiles
def test_a_traced_class_out_of_range_gives_nan_in_its_row_only(jax_backend: Any) -> None:
    """Under jit, a class that does not exist, or a label that is none, makes its own row NaN and no other."""
    jax = importlib.import_module("jax")
    x = jax_backend.asarray(LOGITS[:3], "float32")
    for bad in ([0, 6, 2], [0, -1, 2], [0, 255, 2]):
        for method in METHODS.values():
            for result in leaves(jax.jit(lambda x, t, m=method: m(fr.SoftmaxFocalLoss(), x, t))(x, jax.numpy.asarray(bad))):
                nan = np.isnan(jax_backend.to_numpy(result)).reshape(3, -1)
                np.testing.assert_array_equal(nan.all(axis=1), [False, True, False])
                np.testing.assert_array_equal(nan.any(axis=1), [False, True, False])


@pytest.mark.compiles
def test_jax_differentiates_the_value(jax_backend: Any) -> None:
    """jax.grad of the value, at ordinary logits, is the analytic gradient, to a few ULP of its terms."""
    jax = importlib.import_module("jax")
    for case in ("sigmoid", "softmax"):
        loss, x, t = _on_jax(jax_backend, case)
        total = dataclasses.replace(loss, reduction="sum")
        got, wanted = jax.grad(lambda x, total=total, t=t: total(x, t))(x), total.grad(x, t)
        got, wanted = jax_backend.to_numpy(got), jax_backend.to_numpy(wanted)
        scale = np.abs(wanted).max(axis=1, keepdims=True) + 0 * wanted
        assert ulp.errors(got, wanted, 0.0, ulp.FORMATS["float32"], scale=scale).max() <= 64


@pytest.mark.slow
def test_a_loss_is_a_static_argument(jax_backend: Any) -> None:
    """A hashable loss goes through jit as a static argument; equal losses share one trace."""
    jax = importlib.import_module("jax")
    traces = []

    def call(loss: Any, x: Any, t: Any) -> Any:
        traces.append(loss)
        return loss(x, t)

    jitted = jax.jit(call, static_argnums=0)
    _, x, t = _on_jax(jax_backend, "softmax")
    for _ in range(2):
        jitted(fr.SoftmaxFocalLoss(alpha=list(WEIGHTS)), x, t)
    assert len(traces) == 1


# ---- torch ------------------------------------------------------------------------------------------------------------------


def _on_torch(case: str, dtype: str = "float32") -> tuple[Any, Any, Any]:
    torch = importlib.import_module("torch")
    loss, targets = CASES[case]
    kind = getattr(torch, dtype) if targets.dtype.kind == "f" else torch.int64
    return loss, torch.tensor(LOGITS, dtype=getattr(torch, dtype)), torch.tensor(targets, dtype=kind)


@by_case
def test_torch_vmap_gives_the_bits_of_a_whole_call(case: str) -> None:
    """torch.vmap over rows: every method, the same bits."""
    torch = importlib.import_module("torch")
    loss, x, t = _on_torch(case)
    for name, method in METHODS.items():
        mapped = torch.vmap(lambda x, t, method=method: method(loss, x, t))(x, t)
        for got, wanted in zip(leaves(mapped), leaves(method(loss, x, t)), strict=True):
            np.testing.assert_array_equal(got.numpy(), wanted.numpy(), err_msg=name, strict=True)


@pytest.mark.parametrize("case", ["sigmoid", "softmax"])
def test_torch_func_differentiates_the_value(case: str) -> None:
    """torch.func.grad of the value, at ordinary logits, is the analytic gradient to a few ULP of its terms."""
    torch = importlib.import_module("torch")
    loss, x, t = _on_torch(case, "float64")
    total = dataclasses.replace(loss, reduction="sum")
    got, wanted = torch.func.grad(lambda x: total(x, t))(x).numpy(), total.grad(x, t).numpy()
    scale = np.abs(wanted).max(axis=1, keepdims=True) * np.ones_like(wanted)
    assert ulp.errors(got, wanted, 0.0, ulp.FORMATS["float64"], scale=scale).max() <= 64


@pytest.mark.compiles
@pytest.mark.filterwarnings("ignore:Dynamo detected a call to a `functools.lru_cache`:UserWarning")
@pytest.mark.parametrize("case", ["sigmoid", "softmax"])
def test_torch_compile_traces_a_whole_loss(case: str) -> None:
    """Dynamo takes value and gradient in one graph, without a break, and the graph gives the bits of eager code."""
    torch = importlib.import_module("torch")
    loss, x, t = _on_torch(case)
    graphs = []

    def backend(graph: Any, _: Any) -> Any:
        graphs.append(graph)
        return graph.forward

    compiled = torch.compile(lambda x, t: loss.value_and_grad(x, t), backend=backend, fullgraph=True)
    for got, wanted in zip(compiled(x, t), loss.value_and_grad(x, t), strict=True):
        np.testing.assert_array_equal(got.numpy(), wanted.numpy(), strict=True)
    assert len(graphs) == 1

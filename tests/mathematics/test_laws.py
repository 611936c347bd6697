"""What every focal loss obeys, whatever the logits, γ, type and precision.

A law between correctly rounded results (16-bit types, and float32 where there is a float64 to evaluate in) is exact, or
holds to one ULP where two near-ties may fall to different sides. Elsewhere it holds to the ULP stated, measured and kept.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

import focal_ref as fr
from focal_ref import oracle
from focal_ref.conformance import grids, ulp
from focal_ref.engine import run
from focal_ref.engine.arrays import dtype_name
from focal_ref.engine.precision import round_to

Floats = NDArray[np.float64]

COUNT, ROWS, CLASSES = 24, 6, 5
"""The shapes: few, since some libraries compile for each."""
TARGETS = np.arange(ROWS) % CLASSES
NATIVE = 4.0
"""The accuracy contract's ceiling is NATIVE + 2 γ ULP for value and gradient."""

EXTREME = (0.0, -0.0, 1e-30, -1e-30, 16.7, -17.3, 37.0, -104.0, 745.2, -750.0, 1e4, -1e4, math.inf, -math.inf)
finite = st.one_of(st.floats(-8, 8), st.floats(-700, 700), st.sampled_from(EXTREME[:-2]))
logits = arrays(np.float64, COUNT, elements=st.one_of(finite, st.sampled_from(EXTREME)), fill=st.nothing())
rows = arrays(np.float64, (ROWS, CLASSES), elements=finite, fill=st.nothing())
near_rows = arrays(
    np.float64, (ROWS, CLASSES), elements=st.one_of(st.floats(-8, 8), st.floats(-40, 40), st.just(0.0)), fill=st.nothing()
)
"""Whose probabilities are normal numbers of float32, in the second derivative's terms, too."""
gammas = st.one_of(st.sampled_from((0.0, 0.5, 1.0, 2.0, 5.0)), st.floats(0, 5, allow_subnormal=False))

law = settings(max_examples=6)


def _apart(a: Any, b: Any, dtype: str, scale: Any = None) -> float:
    """How far two results are apart at most, in ULP of the larger, or of `scale`; those below the normal numbers aside."""
    fmt = ulp.FORMATS[dtype]
    size = np.maximum(np.abs(a), np.abs(b)) if scale is None else scale
    distance = ulp.errors(a, b, 0.0, fmt, scale=np.where(np.isfinite(size), size, 0.0))
    return float(np.max(distance, where=size >= fmt.tiny, initial=0.0))


@functools.cache
def _terms(row: tuple[float, ...], target: int, gamma: float) -> list[float]:
    """Σ|terms| of a row's second derivatives."""
    return [float(t) for t in oracle.softmax(row, target, gamma, digits=20).hess_terms]


def _all_terms(x: Floats, targets: Any, gamma: float) -> Floats:
    return np.asarray([_terms(tuple(row), int(t), gamma) for row, t in zip(x.tolist(), targets, strict=True)])


# ---- size, sign, order ------------------------------------------------------------------------------------------------------


@law
@given(x=logits, r=rows, gamma=gammas)
def test_a_loss_lies_between_0_and_cross_entropy(backend: Any, x: Floats, r: Floats, gamma: float) -> None:
    """0 ≤ loss(γ) ≤ loss(0), as floating-point numbers, in every type and precision: focal loss is never above."""
    for dtype, precision in backend.settings:
        z, y, rr, t = backend(x, dtype), backend(np.arange(COUNT) % 2), backend(r, dtype), backend(TARGETS)
        for kind, args in ((fr.SigmoidFocalLoss, (z, y)), (fr.SoftmaxFocalLoss, (rr, t))):
            loss = backend.numpy(kind(gamma=gamma, precision=precision)(*args))
            cross_entropy = backend.numpy(kind(gamma=0.0, precision=precision)(*args))
            assert (loss >= 0).all()
            assert (loss <= cross_entropy).all()


@law
@given(x=logits, r=rows, gamma=gammas, step=st.sampled_from((0.25, 1.0, 3.0)))
def test_a_larger_gamma_gives_no_larger_loss(backend: Any, x: Floats, r: Floats, gamma: float, step: float) -> None:
    """loss(γ + step) ≤ loss(γ) as floating-point numbers: u ≤ 1, and its powers are rounded in order."""
    for dtype, precision in backend.settings:
        z, y, rr, t = backend(x, dtype), backend(np.arange(COUNT) % 2), backend(r, dtype), backend(TARGETS)
        for kind, args in ((fr.SigmoidFocalLoss, (z, y)), (fr.SoftmaxFocalLoss, (rr, t))):
            less = backend.numpy(kind(gamma=gamma + step, precision=precision)(*args))
            assert (less <= backend.numpy(kind(gamma=gamma, precision=precision)(*args))).all()


def _never_rises(values: Floats, dtype: str, slack: float) -> None:
    """Each value is at most the one before it, to `slack` ULP, where it is a normal number."""
    before, after = values[:-1], values[1:]
    rises = (after > before) & (after >= ulp.FORMATS[dtype].tiny)
    assert _apart(after[rises], before[rises], dtype) <= slack


@law
@given(x=logits, gamma=gammas, center=finite)
def test_a_loss_never_rises_with_the_margin(backend: Any, x: Floats, gamma: float, center: float) -> None:
    """Sorted logits of a positive give losses sorted the other way: exactly where they are correctly rounded, to 2 (4 + 2 γ)
    ULP elsewhere, twice the contract's ceiling. Half of the logits are neighbours in the type.
    """
    for dtype, precision in backend.settings:
        near = np.resize(grids.neighbours([center], dtype, reach=5), COUNT // 2)
        points = backend(np.sort(np.concatenate([x[: COUNT // 2], near])), dtype)
        value = backend.numpy(fr.SigmoidFocalLoss(gamma=gamma, precision=precision)(points, 1))
        _never_rises(value, dtype, 0.0 if backend.widens(dtype, precision) else 2 * (NATIVE + 2 * gamma))


@law
@given(others=arrays(np.float64, CLASSES - 1, elements=finite), own=arrays(np.float64, ROWS, elements=finite), gamma=gammas)
def test_a_row_s_loss_never_rises_with_its_target_s_logit(backend: Any, others: Floats, own: Floats, gamma: float) -> None:
    """The same for softmax, when the target's logit alone grows."""
    r = np.column_stack([np.sort(own), *np.broadcast_to(others[:, None], (CLASSES - 1, ROWS))])
    for dtype, precision in backend.settings:
        targets = backend(np.zeros(ROWS, int))
        value = backend.numpy(fr.SoftmaxFocalLoss(gamma=gamma, precision=precision)(backend(r, dtype), targets))
        _never_rises(value, dtype, 0.0 if backend.widens(dtype, precision) else 2 * (NATIVE + 2 * gamma))


@pytest.mark.parametrize("gamma", [0.5, 2.0])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_no_16_bit_logit_breaks_the_order(dtype: str, gamma: float, backend: Any) -> None:
    """Over all logits of a 16-bit type the loss falls from inf to 0 without a single rise."""
    if not backend.has(dtype):
        pytest.skip(f"{backend.name} has no {dtype}")
    every = grids.every(dtype)
    x = backend(np.sort(every[~np.isnan(every)]), dtype)
    value = backend.numpy(fr.SigmoidFocalLoss(gamma=gamma)(x, 1))
    assert value[0] == math.inf
    assert value[-1] == 0
    assert (value[1:] <= value[:-1]).all()


@law
@given(x=logits, r=rows, gamma=gammas)
def test_gradients_have_their_sign_and_bound(backend: Any, x: Floats, r: Floats, gamma: float) -> None:
    """A gradient pulls the target up and the others down, none of them harder than the target, and never beyond 1 + γ."""
    for dtype, precision in backend.settings:
        ones = np.arange(COUNT) % 2
        grad = backend.numpy(fr.SigmoidFocalLoss(gamma=gamma, precision=precision).grad(backend(x, dtype), backend(ones)))
        assert (np.where(ones == 1, -grad, grad) >= 0).all()
        assert (np.abs(grad) <= 1 + gamma).all()
        grad = backend.numpy(fr.SoftmaxFocalLoss(gamma=gamma, precision=precision).grad(backend(r, dtype), backend(TARGETS)))
        own = grad[np.arange(ROWS), TARGETS]
        others = np.where(TARGETS[:, None] == np.arange(CLASSES), 0.0, grad)
        assert (own <= 0).all()
        assert (others >= 0).all()
        assert (others <= -own[:, None]).all()
        assert (-own <= 1 + gamma).all()


@law
@given(r=rows, gamma=gammas)
def test_a_gradient_s_row_sums_to_0(backend: Any, r: Floats, gamma: float) -> None:
    """|Σ_j g_j| ≤ 0.51 ε Σ|g_j| where each entry is correctly rounded; where not, the target and the others share one φ',
    so that only the shares' rounding is left: SHARES ε.
    """
    for dtype, precision in backend.settings:
        fmt = ulp.FORMATS[dtype]
        grad = backend.numpy(fr.SoftmaxFocalLoss(gamma=gamma, precision=precision).grad(backend(r, dtype), backend(TARGETS)))
        slack = 0.51 if backend.widens(dtype, precision) else SHARES
        # Entries below the normal numbers are off by half a subnormal, or flushed.
        floor = CLASSES * (fmt.tiny if backend.flushes(dtype) else fmt.smallest)
        for row in grad:
            assert (abs(math.fsum(row)) - floor) / (fmt.eps * max(math.fsum(np.abs(row)), fmt.tiny)) <= slack


SHARES = 0.75


# ---- symmetries -------------------------------------------------------------------------------------------------------------


@law
@given(x=logits, gamma=gammas)
def test_a_negative_is_a_positive_mirrored(backend: Any, x: Floats, gamma: float) -> None:
    """Target 0 at x is target 1 at −x, bit for bit, the gradient with the other sign."""
    for dtype, precision in backend.settings:
        loss = fr.SigmoidFocalLoss(gamma=gamma, precision=precision)
        z = backend(x, dtype)
        for name, sign in (("value", 1), ("grad", -1), ("hessian_diag", 1), ("gamma_grad", 1)):
            negative = backend.numpy(getattr(loss, name)(z, 0))
            np.testing.assert_array_equal(negative, sign * backend.numpy(getattr(loss, name)(-z, 1)))


@pytest.mark.slow
@law
@given(x=logits, gamma=gammas)
def test_sigmoid_is_two_class_softmax(backend: Any, x: Floats, gamma: float) -> None:
    """Softmax over (0, x) is the sigmoid of x: 1 ULP apart at most where both are correctly rounded, elsewhere TWO_CLASSES
    ULP (second derivatives: of Σ|terms|). Both classes have the same gradient, up to its sign, bit for bit.
    """
    y = np.arange(COUNT) % 2
    for dtype, precision in backend.settings:
        z, t = backend(x, dtype), backend(y)
        pair = backend(np.column_stack([np.zeros(COUNT), x]), dtype)
        value, grad, hess = map(backend.numpy, fr.SigmoidFocalLoss(gamma=gamma, precision=precision).value_grad_hess(z, t))
        got = [backend.numpy(a) for a in fr.SoftmaxFocalLoss(gamma=gamma, precision=precision).value_grad_hess(pair, t)]
        # Where several are divided by one number, XLA multiplies by its reciprocal: E/E may be 1 ULP from 1.
        mirrored = 1.0 if backend.name.startswith("jax") else 0.0
        assert _apart(got[1][:, 0], -got[1][:, 1], dtype) <= mirrored
        terms = [
            oracle.sigmoid(float(v), int(c), gamma, digits=20).hess_terms for v, c in zip(backend.numpy(z), y, strict=True)
        ]
        slack = 1.0 if backend.widens(dtype, precision) else TWO_CLASSES
        assert _apart(got[0], value, dtype) <= slack
        assert _apart(got[1][:, 1], grad, dtype) <= slack
        assert _apart(got[2][:, 1], hess, dtype, np.asarray(terms, float)) <= slack


TWO_CLASSES = 4.5


@pytest.mark.slow
@law
@given(r=rows, gamma=gammas, order=st.permutations(range(CLASSES)))
def test_reordered_classes_reorder_the_derivatives(backend: Any, r: Floats, gamma: float, order: list[int]) -> None:
    """The classes' order is nothing but names: results move with it. Sums are taken in another order, so that they differ
    by 1 ULP at most where they are correctly rounded, elsewhere by REORDERED ULP (second derivatives: of Σ|terms|).
    """
    targets = backend(np.argsort(order)[TARGETS])
    for dtype, precision in backend.settings:
        loss = fr.SoftmaxFocalLoss(gamma=gamma, precision=precision)
        x = backend(r, dtype)
        value, grad, hess = map(backend.numpy, loss.value_grad_hess(x, backend(TARGETS)))
        moved = [backend.numpy(a) for a in loss.value_grad_hess(backend(r[:, order], dtype), targets)]
        slack = 1.0 if backend.widens(dtype, precision) else REORDERED
        assert _apart(moved[0], value, dtype) <= slack
        assert _apart(moved[1], grad[:, order], dtype) <= slack
        terms = _all_terms(backend.numpy(x), TARGETS, gamma)
        assert _apart(moved[2], hess[:, order], dtype, terms[:, order]) <= slack


REORDERED = 2.5
"""Either may be off by an ULP of its own, and that of p (1 − p) in float32 is; the contract has 8."""

quarters = arrays(np.float64, (ROWS, CLASSES), elements=st.integers(-32, 32).map(lambda n: n / 4), fill=st.nothing())


@law
@given(r=quarters, gamma=gammas, shift=st.integers(-32, 32).map(lambda n: n / 4))
def test_a_common_shift_changes_nothing(backend: Any, r: Floats, gamma: float, shift: float) -> None:
    """Where x + c is exact in the type, every result at x + c has the bits of that at x."""
    for dtype, precision in backend.settings:
        loss = fr.SoftmaxFocalLoss(gamma=gamma, precision=precision)
        results = [loss.value_grad_hess(backend(a, dtype), backend(TARGETS)) for a in (r, r + shift)]
        for here, there in zip(*results, strict=True):
            np.testing.assert_array_equal(backend.numpy(here), backend.numpy(there))


# ---- special cases ----------------------------------------------------------------------------------------------------------


def _worst(backend: Any, result: Any, exact: Any, scale: Any = None) -> float:
    """The largest error in ULP where the exact result (or its scale) is a normal number."""
    size = [abs(float(e)) for e in (exact if scale is None else scale)]
    normal = np.asarray(size) >= ulp.FORMATS[dtype_name(result)].tiny
    return float(np.max(backend.ulps(result, exact, scale)[normal], initial=0.0))


@pytest.mark.slow
@law
@given(x=arrays(np.float64, COUNT, elements=finite), r=near_rows)
def test_gamma_0_is_cross_entropy(backend: Any, x: Floats, r: Floats) -> None:
    """Value log(1 + e^−x) and log Σe^x − x_t, gradient p − y, second derivative p u, each by mpmath here: 0.51 ULP, or the
    contract's 4 ULP of native types (6 for the second derivative, which has no zero at γ = 0).
    """
    for dtype, precision in backend.settings:
        z, rr = backend(x, dtype), backend(r, dtype)
        got = [
            *fr.SigmoidFocalLoss(gamma=0.0, precision=precision).value_grad_hess(z, 1),
            *fr.SoftmaxFocalLoss(gamma=0.0, precision=precision).value_grad_hess(rr, backend(TARGETS)),
        ]
        exact = [*_cross_entropy(backend.numpy(z)), *_row_cross_entropy(backend.numpy(rr))]
        exactly = backend.widens(dtype, precision)
        for result, truth, ceiling in zip(got, exact, (4, 4, 6) * 2, strict=True):
            assert _worst(backend, result, truth) <= (0.51 if exactly else ceiling)


def _cross_entropy(x: Floats) -> tuple[list[Any], list[Any], list[Any]]:
    with mpmath.workdps(60):
        e = [mpmath.exp(-mpmath.mpf(v)) for v in x.tolist()]
        return [mpmath.log1p(v) for v in e], [-v / (1 + v) for v in e], [v / (1 + v) ** 2 for v in e]


def _row_cross_entropy(r: Floats) -> tuple[list[Any], list[Any], list[Any]]:
    value: list[Any] = []
    grad: list[Any] = []
    hess: list[Any] = []
    with mpmath.workdps(60):
        for row, t in zip(r.tolist(), TARGETS, strict=True):
            top = max(row)
            e = [mpmath.exp(mpmath.mpf(v) - top) for v in row]
            total = mpmath.fsum(e)
            # A complement as a sum, since no number of digits is enough for 1 − p.
            u = [mpmath.fsum(e[:j] + e[j + 1 :]) / total for j in range(CLASSES)]
            value.append(mpmath.log1p(mpmath.fsum(e[:t] + e[t + 1 :]) / e[t]))
            grad.extend(-u[j] if j == t else e[j] / total for j in range(CLASSES))
            hess.extend(e[j] / total * u[j] for j in range(CLASSES))
    return value, grad, hess


@pytest.mark.slow
@law
@given(x=arrays(np.float64, COUNT, elements=finite), r=near_rows, gamma=gammas)
def test_a_one_hot_row_is_its_class(backend: Any, x: Floats, r: Floats, gamma: float) -> None:
    """Targets as floats, one-hot rows or 0.0 and 1.0, go another way than integers: within ONE_HOT ULP of the same oracle."""
    y = np.arange(COUNT) % 2
    for dtype, precision in backend.settings:
        z, rr = backend(x, dtype), backend(r, dtype)
        got = [
            *fr.SigmoidFocalLoss(gamma=gamma, precision=precision).value_grad_hess(z, backend(y, dtype)),
            *fr.SoftmaxFocalLoss(gamma=gamma, precision=precision).value_grad_hess(
                rr, backend(np.eye(CLASSES)[TARGETS], dtype)
            ),
        ]
        at = round_to(gamma, dtype) if precision == "native" or not backend.widens(dtype) else gamma
        sigmoid = [oracle.sigmoid(v, int(c), at, digits=30) for v, c in zip(backend.numpy(z).tolist(), y, strict=True)]
        softmax = [_softmax(tuple(v), int(t), at) for v, t in zip(backend.numpy(rr).tolist(), TARGETS, strict=True)]
        exactly = backend.widens(dtype, precision)
        for results, exact in ((got[:3], sigmoid), (got[3:], softmax)):
            for name, error in _errors(backend, results, exact).items():
                base, slope = CEILING[name]
                assert error <= (0.51 if exactly else ONE_HOT[name] * (base + slope * gamma)), name


CEILING = {"value": (4, 2), "grad": (4, 2), "hess": (6, 3)}
"""a, b of the contract's a + b γ ULP for softmax in the type's own arithmetic."""
ONE_HOT = {"value": 0.6, "grad": 0.65, "hess": 0.7}
"""The share of that which is reached."""


@functools.cache
def _softmax(row: tuple[float, ...], target: int, gamma: float) -> Any:
    return oracle.softmax(row, target, gamma, digits=30)


def _errors(backend: Any, results: Any, exact: list[Any]) -> dict[str, float]:
    value, grad, hess = results
    return {
        "value": _worst(backend, value, [r.value for r in exact]),
        "grad": _worst(backend, grad, _flat(r.grad for r in exact)),
        "hess": _worst(backend, hess, _flat(r.hess for r in exact), _flat(r.hess_terms for r in exact)),
    }


def _flat(parts: Any) -> list[Any]:
    return [entry for part in parts for entry in (part if isinstance(part, list) else [part])]


# ---- parts and whole --------------------------------------------------------------------------------------------------------

BOX = (4, 2, 6)
"""Classes along the first axis, for softmax."""
CUTS = ((0, 2), (1, 1), (2, 3), (2, 1))
"""Axis and place: halves, whose shapes are one, since some libraries compile for each; and a thin slice."""


def _results(backend: Any, link: str, dtype: str, gamma: float) -> Callable[..., list[Any]]:
    """What a cut of the box (a slice an axis) gives: value, gradient, Hessian and the rest."""
    rng = np.random.default_rng(7)
    x, v = backend(rng.normal(scale=9.0, size=BOX), dtype), backend(rng.normal(size=BOX), dtype)
    labels, classes = backend(rng.integers(0, 2, BOX)), backend(rng.integers(0, 4, BOX[1:]))
    loss: Any = fr.SoftmaxFocalLoss(gamma=gamma, axis=0, precision="native")
    if link == "sigmoid":
        loss = fr.SigmoidFocalLoss(gamma=gamma, precision="native")

    def run(*cut: slice) -> list[Any]:
        given = x[cut], labels[cut] if link == "sigmoid" else classes[cut[1:]]
        results = [*loss.value_grad_hess(*given), loss.hvp(*given, v[cut]), loss.gamma_grad(*given)]
        return [backend.numpy(result) for result in backend.together(results)]

    return run


@pytest.mark.slow
@pytest.mark.parametrize("gamma", [2.0, 1.5])
@pytest.mark.parametrize("link", ["sigmoid", "softmax"])
def test_parts_make_the_whole(backend: Any, link: str, gamma: float) -> None:
    """Cut along any axis but the classes', the parts' results are the whole's, bit for bit: each loss is by itself. The
    power of a fractional exponent in torch has other bits at an array's end: there, within PARTS ULP.
    """
    everything = slice(None)
    for dtype in (d for d in backend.dtypes if d in ("float32", "float64")):
        run = _results(backend, link, dtype, gamma)
        whole = run(everything, everything, everything)
        for axis, at in CUTS[: 3 if backend.name.startswith("jax") else 4]:
            if (link, axis) == ("softmax", 0):
                continue
            cuts = [[everything] * axis + [part] + [everything] * (2 - axis) for part in (slice(at), slice(at, None))]
            for full, *parts in zip(whole, *(run(*cut) for cut in cuts), strict=True):
                joined = np.concatenate(parts, axis=axis - 3 + full.ndim)
                if backend.name.startswith("torch") and gamma % 1:
                    assert _apart(joined, full, dtype) <= PARTS
                else:
                    np.testing.assert_array_equal(joined, full)


PARTS = 1.1


@pytest.mark.parametrize("block", [1, 7, 64])
def test_numpy_s_blocks_make_the_whole(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """NumPy's evaluation in blocks gives the bits of one run, whatever the block, for arrays with and without order in
    memory.
    """
    rng = np.random.default_rng(3)
    x, t = rng.normal(scale=5.0, size=(9, 4, 11)), rng.integers(0, 4, (9, 11))
    sigmoid, softmax = fr.SigmoidFocalLoss(alpha=(0.25,) * 11), fr.SoftmaxFocalLoss(gamma=rng.uniform(0, 3, 11), axis=1)

    def results() -> list[Any]:
        across = np.transpose(x, (2, 1, 0)).copy().transpose(2, 1, 0)
        return [
            result
            for a in (x, across)
            for result in (*sigmoid.value_grad_hess(a, 1.0, rng_weight), *softmax.value_grad_hess(a, t))
        ]

    rng_weight = rng.uniform(size=(4, 1))
    whole = results()
    monkeypatch.setattr(run, "BLOCK", block)
    for here, there in zip(whole, results(), strict=True):
        np.testing.assert_array_equal(here, there)


def test_a_sum_is_its_parts_sums(backend: Any) -> None:
    """The sum over a whole is that of the parts' sums, rounded once more: within 1 + 0.51 ULP in every type."""
    x = np.random.default_rng(5).normal(scale=4.0, size=COUNT)
    for dtype in backend.dtypes:
        loss = fr.SigmoidFocalLoss(reduction="sum")
        whole = float(backend.numpy(loss(backend(x, dtype), 1)))
        parts = [float(backend.numpy(loss(backend(part, dtype), 1))) for part in np.split(x, 2)]
        assert _apart(np.asarray(math.fsum(parts)), np.asarray(whole), dtype) <= 1.51

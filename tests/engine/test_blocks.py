"""NumPy works block by block, on threads, and nobody can tell: any block size and thread count give the bits of one run."""

from __future__ import annotations

import dataclasses
import math
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import focal_ref as fr
from focal_ref.engine import numpy_blocks, run
from tests.methods import METHODS, leaves

SHAPE, CLASSES = (3, 4, 7), 4
BLOCKS = (1, 7, 64, 2**14)
THREADS = (2, 1, 4, 2)
PART = 32
WHOLE = 2**62
RNG = np.random.default_rng(7)
LOGITS = RNG.normal(0.0, 4.0, SHAPE)
LOGITS[0, 0, :3] = [np.inf, -np.inf, np.nan]
SHARES = RNG.uniform(0.0, 1.0, SHAPE)


def classes(axis: int) -> Any:
    """Integer targets with the logits' shape less the class axis."""
    shape = SHAPE[:axis] + SHAPE[axis + 1 :]
    return np.arange(np.prod(shape)).reshape(shape) % SHAPE[axis]


def rows(axis: int) -> Any:
    return SHARES / SHARES.sum(axis=axis, keepdims=True)


SIGMOID: dict[str, tuple[Any, Any]] = {
    "hard": (fr.SigmoidFocalLoss(alpha=0.25), (SHARES > 0.5).astype(np.int32)),
    "a label a column": (fr.SigmoidFocalLoss(gamma=0.5), np.asarray([1, 0, 1, 0, 0, 1, 1])),
    "one label": (fr.SigmoidFocalLoss(gamma=(0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0)), 1),
    "γ a row, α a column": (
        fr.SigmoidFocalLoss(gamma=np.linspace(0.0, 5.0, 12).reshape(3, 4, 1), alpha=np.linspace(0.0, 1.0, 7)),
        (SHARES[:, :1] > 0.5).astype(np.int8),
    ),
    "mix": (fr.SigmoidFocalLoss(soft_targets="mix"), SHARES),
    "expected": (fr.SigmoidFocalLoss(soft_targets="expected", alpha=0.75), SHARES[0]),
    "quality": (fr.SigmoidFocalLoss(soft_targets="quality", gamma=1.0), SHARES[:, :, :1]),
}
SOFTMAX: dict[str, tuple[Any, Any]] = {
    f"{name}, axis {axis}": (dataclasses.replace(loss, axis=axis), targets(axis))
    for axis in (0, 1, 2)
    for name, loss, targets in (
        ("classes", fr.SoftmaxFocalLoss(ignore_index=1), classes),
        ("γ a row", fr.SoftmaxFocalLoss(gamma=np.linspace(0.0, 5.0, SHAPE[2] if axis < 2 else SHAPE[1])), classes),
        ("α", fr.SoftmaxFocalLoss(alpha=tuple(np.linspace(0.0, 2.0, SHAPE[axis]).tolist())), classes),
        ("smoothed", fr.SoftmaxFocalLoss(label_smoothing=0.25, gamma=0.5), classes),
        ("rows", fr.SoftmaxFocalLoss(alpha=tuple(np.linspace(0.5, 2.0, SHAPE[axis]).tolist())), rows),
    )
}
CASES = SIGMOID | SOFTMAX


def weights(loss: Any) -> list[Any]:
    """No weight, one a loss, and one that broadcasts."""
    shape = SHAPE if isinstance(loss, fr.SigmoidFocalLoss) else SHAPE[: loss.axis] + SHAPE[loss.axis + 1 :]
    full = np.linspace(0.0, 2.0, int(np.prod(shape))).reshape(shape)
    return [None, full, full[:1, ..., :1]]


def bits(results: Any) -> list[Any]:
    return [np.asarray(r) for r in leaves(results)]


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("dtype", "precision"), [("float32", "extended"), ("float32", "native"), ("float64", "native")])
def test_any_block_gives_the_bits_of_one_run(monkeypatch: pytest.MonkeyPatch, case: str, dtype: str, precision: Any) -> None:
    """Every method, kind of target, broadcast and class axis; reduced or not, weighted or not; on 1, 2 and 4 threads.

    A sum is one of the sums of parts, so the parts stay as they are.
    """
    original, targets = CASES[case]
    logits, tangent = LOGITS.astype(dtype), (SHARES - 0.5).astype(dtype)
    for reduction in ("none", "sum"):
        loss = dataclasses.replace(original, precision=precision, reduction=reduction)
        for weight in weights(loss):
            for name in METHODS if weight is None and reduction == "none" else ("value_grad_hess", "hvp"):
                monkeypatch.setattr(numpy_blocks, "PART", WHOLE if reduction == "none" else PART)
                monkeypatch.setattr(run, "BLOCK", WHOLE)
                with fr.set_threads(1):
                    wanted = bits(METHODS[name](loss, logits, targets, tangent, weight))
                monkeypatch.setattr(numpy_blocks, "PART", PART)
                for block, threads in zip(BLOCKS, THREADS, strict=True):
                    monkeypatch.setattr(run, "BLOCK", block)
                    with fr.set_threads(threads):
                        results = bits(METHODS[name](loss, logits, targets, tangent, weight))
                    for got, one in zip(results, wanted, strict=True):
                        where = f"{name} {reduction} in blocks of {block} on {threads} threads"
                        np.testing.assert_array_equal(got, one, err_msg=where, strict=True)


@pytest.mark.slow
@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("case", ["hard", "mix", "classes, axis 1", "rows, axis 0"])
def test_views_in_blocks_give_the_bits_of_one_run(monkeypatch: pytest.MonkeyPatch, case: str, block: int) -> None:
    """Logits, targets and tangent that are strided, reversed or in Fortran order."""
    loss, targets = CASES[case]
    views: list[Callable[[Any], Any]] = [
        np.asfortranarray,
        lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
        lambda a: np.ascontiguousarray(a[::-1])[::-1],
    ]
    monkeypatch.setattr(run, "BLOCK", WHOLE)
    wanted = {name: bits(method(loss, LOGITS, targets, SHARES, None)) for name, method in METHODS.items()}
    monkeypatch.setattr(run, "BLOCK", block)
    for view in views:
        for name, method in METHODS.items():
            got = bits(method(loss, view(LOGITS), view(targets), view(SHARES), None))
            for one, other in zip(got, wanted[name], strict=True):
                np.testing.assert_array_equal(one, other, err_msg=name, strict=True)


@pytest.mark.parametrize("block", BLOCKS)
def test_blocks_are_as_large_as_they_may_be_and_no_larger(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    """No block exceeds BLOCK elements unless a single row does, and they cover every loss once."""
    monkeypatch.setattr(run, "BLOCK", block)
    for link, limit in ((fr.SigmoidFocalLoss(), block), (fr.SoftmaxFocalLoss(axis=1), max(block, CLASSES))):
        sizes: list[int] = []
        program = type(link)._program
        with monkeypatch.context() as patch, fr.set_engine("numpy"):
            patch.setattr(type(link), "_program", staticmethod(_spy(program, sizes)))
            link(LOGITS, classes(1) if link != fr.SigmoidFocalLoss() else 1)
        assert max(sizes) <= limit
        assert sum(sizes) == LOGITS.size
        assert len(sizes) > 1 or block >= LOGITS.size


def _spy(program: Callable[..., Any], sizes: list[int]) -> Callable[..., Any]:
    def spied(xp: Any, logits: Any, *arguments: Any, **options: Any) -> Any:
        sizes.append(logits.size)
        return program(xp, logits, *arguments, **options)

    return spied


def test_the_parts_cover_any_shape_once() -> None:
    """Slices of blocks, for shapes with ones and zeros too, count every element exactly once."""
    for shape in ((), (0,), (1,), (13,), (3, 0, 2), (1, 1, 5), (4, 3, 2), (2, 30), (30, 2)):
        for limit in (1, 2, 7, 64):
            seen = np.zeros(shape, dtype=int)
            for block in numpy_blocks.slices(shape, limit):
                assert seen[block].size <= limit
                seen[block] += 1
            np.testing.assert_array_equal(seen, 1)


@pytest.mark.parametrize("size", [2**17 - 1, 2**17, 2**17 + 1, 3 * 2**17 + 5])
def test_the_real_block_size(size: int) -> None:
    """Around the block size as it is, every loss has the bits it has by itself."""
    assert run.BLOCK == numpy_blocks.PART == 2**17
    logits = np.resize(np.linspace(-30.0, 30.0, 101), size).astype(np.float32)
    loss = fr.SigmoidFocalLoss()
    few = loss.value_grad_hess(logits[:101], 1)
    for got, wanted in zip(loss.value_grad_hess(logits, 1), few, strict=True):
        np.testing.assert_array_equal(got, np.resize(wanted, size), strict=True)


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_sum_s_bits_depend_on_the_values_alone(order: Any) -> None:
    """Logits, targets or both in Fortran order give the sum that C order gives: parts are summed as they lie in C order."""
    loss = fr.SigmoidFocalLoss(reduction="sum")
    for shape in ((300, 700), *((30, 70 + i) for i in range(40))):
        x, y = RNG.normal(0.0, 4.0, shape), RNG.random(shape) < 0.5
        assert loss(np.asarray(x, order=order), np.asfortranarray(y)) == loss(x, y)


def test_a_sum_of_many_parts_is_rounded_once() -> None:
    """A million float32 losses: their sum is the float32 nearest to the exact one, in either precision."""
    logits = RNG.normal(0.0, 4.0, 10**6).astype(np.float32)
    losses = fr.sigmoid_focal_loss(logits.astype(np.float64), 1)
    assert fr.SigmoidFocalLoss(reduction="sum")(logits, 1) == np.float32(math.fsum(losses))
    losses = fr.sigmoid_focal_loss(logits, 1, precision="native")
    assert fr.SigmoidFocalLoss(reduction="sum", precision="native")(logits, 1) == np.float32(math.fsum(losses))


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("precision", ["native", "extended"])
@pytest.mark.parametrize("link", ["sigmoid", "softmax"])
def test_memory_is_the_results_and_a_block_s_worth_a_thread(link: str, precision: Any, threads: int) -> None:
    """Value and gradient of 2^23 float32 logits: besides the gradient at most 24 MiB a thread; the losses are not kept."""
    shape = (2**23,) if link == "sigmoid" else (2**20, 8)
    logits = np.resize(RNG.normal(0.0, 4.0, 1001), shape).astype(np.float32)
    if link == "sigmoid":
        loss, targets = fr.SigmoidFocalLoss(reduction="mean", precision=precision), (logits > 1.0).astype(np.float32)
    else:
        loss, targets = fr.SoftmaxFocalLoss(reduction="mean", precision=precision), np.zeros(2**20, np.int8)
    with fr.set_threads(threads):
        loss.value_and_grad(logits[:9], targets[:9])
        tracemalloc.start()
        loss.value_and_grad(logits, targets)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak <= logits.nbytes + threads * 24 * 2**20


@pytest.mark.parametrize("classes", [2, 3, 10, 128, 129])
@pytest.mark.parametrize(("dtype", "precision"), [("float32", "extended"), ("float32", "native"), ("float64", "native")])
def test_many_rows_have_the_bits_that_each_has_alone(classes: int, dtype: str, precision: Any) -> None:
    """Many rows of few classes are laid out class by class; any number of them, on any axis, gives the same bits."""
    count = 6000 // classes
    logits = RNG.normal(0.0, 5.0, (count, classes)).astype(dtype)
    shares = RNG.dirichlet(np.ones(classes), count).astype(dtype)
    loss = fr.SoftmaxFocalLoss(gamma=1.5, alpha=tuple(np.linspace(0.5, 2.0, classes).tolist()), precision=precision)
    for targets in (RNG.integers(0, classes, count), shares):
        many = bits(loss.value_grad_hess(logits, targets))
        other_axis = bits(dataclasses.replace(loss, axis=0).value_grad_hess(logits.T.copy(), targets.T.copy()))
        for row in (0, count // 2, count - 1):
            alone = bits(loss.value_grad_hess(logits[row : row + 1], targets[row : row + 1]))
            for together, across, one in zip(many, other_axis, alone, strict=True):
                np.testing.assert_array_equal(together[row], one[0], strict=True)
                np.testing.assert_array_equal(across.T[row], one[0], strict=True)


@pytest.mark.parametrize("count", [1, 2, 3, 10, 127, 128])
def test_a_sum_of_few_is_exact_where_it_can_be(count: int) -> None:
    """Every entry is added once: sums of whole numbers are exact, in any layout, and the array summed isn't touched."""
    values = RNG.integers(-1000, 1000, (50, count)).astype(np.float64)
    for x in (values, np.asfortranarray(values), np.repeat(values, 2, axis=1)[:, ::2]):
        before = x.copy()
        np.testing.assert_array_equal(numpy_blocks.sum_of_few(x), values.sum(axis=1))
        thirds, xp = x / 3, run.formulas_namespace(values)
        wanted = np.concatenate([xp.sum(row[None, :].copy(), axis=-1) for row in thirds])
        np.testing.assert_array_equal(xp.sum(thirds, axis=-1), wanted)
        np.testing.assert_array_equal(x, before)


VALUES = np.asarray([0.0, -0.0, 1.5, -2.0, np.inf, -np.inf, np.nan, -np.nan, 5e-324, -1e-45, 1e300])


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int32", "bool"])
@pytest.mark.parametrize("size", [0, 1, 1023, 1024, 5000])
def test_where_has_numpy_s_bits(dtype: str, size: int) -> None:
    """Arrays, 0-d arrays, numbers, zeros of both signs, mixed types, broadcast, strided: bits and type are `np.where`'s."""
    with np.errstate(all="ignore"):
        a, b = (np.resize(np.roll(VALUES, shift), size).astype(dtype) for shift in (0, 3))
    mask = np.resize([True, False, False, True, True], size)
    column = np.asarray([[True], [False], [True]])
    numbers = [0.0, -0.0, 1.0, -2.5, np.inf, np.nan, np.asarray(0, dtype)[()], np.asarray(0, dtype)]
    cases: list[tuple[Any, Any, Any]] = [
        (mask, a, b),
        (mask[::-1], a[::-1], b),
        (column, a, b),
        (column, a, b[:1] if size else b),
    ]
    cases += [(mask, a, n) for n in numbers] + [(mask, n, b) for n in numbers] + [(mask, a, b.astype(np.float64))]
    cases += [(mask.reshape(-1, 1), a.reshape(-1, 1), b[:1]), (np.asarray(True), a, b), (mask, 1.0, 0.0)]
    every, none = np.ones(size, bool), np.zeros(size, bool)
    taller_a, taller_b = np.stack([a, b, a]), np.stack([b, b, a])
    cases += [(c, yes, no) for c in (every, none) for yes, no in ((a, b), (a, 0.5), (0.5, b), (a, taller_b), (taller_a, b))]
    with np.errstate(all="ignore"):
        cases += [(mask, a.astype(other), b.astype(other)) for other in ("float32", "float64")]
    for condition, yes, no in cases:
        got, wanted = numpy_blocks.where(condition, yes, no), np.where(condition, yes, no)
        assert (got.dtype, got.shape) == (wanted.dtype, wanted.shape)
        assert np.ascontiguousarray(got).tobytes() == np.ascontiguousarray(wanted).tobytes()

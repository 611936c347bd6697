"""NumPy works block by block, and nobody can tell: any block size gives the bits of one run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import focal_ref as fr
from focal_ref import execution

SHAPE, CLASSES = (3, 4, 7), 4
BLOCKS = (1, 7, 64, 2**14)
WHOLE = 2**62
RNG = np.random.default_rng(7)
LOGITS = RNG.normal(0.0, 4.0, SHAPE)
LOGITS[0, 0, :3] = [np.inf, -np.inf, np.nan]
SHARES = RNG.uniform(0.0, 1.0, SHAPE)

METHODS: dict[str, Callable[[Any, Any, Any, Any, Any], Any]] = {
    "value": lambda loss, x, t, _, w: loss.value(x, t, w),
    "grad": lambda loss, x, t, _, w: loss.grad(x, t, w),
    "hessian_diag": lambda loss, x, t, _, w: loss.hessian_diag(x, t, w),
    "hvp": lambda loss, x, t, v, w: loss.hvp(x, t, v, w),
    "gamma_grad": lambda loss, x, t, _, w: loss.gamma_grad(x, t, w),
    "value_and_grad": lambda loss, x, t, _, w: loss.value_and_grad(x, t, w),
    "value_grad_hess": lambda loss, x, t, _, w: loss.value_grad_hess(x, t, w),
}


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
    return [np.asarray(r) for r in (results if isinstance(results, tuple) else (results,))]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("dtype", "precision"), [("float32", "extended"), ("float32", "native"), ("float64", "native")])
def test_any_block_gives_the_bits_of_one_run(monkeypatch: pytest.MonkeyPatch, case: str, dtype: str, precision: Any) -> None:
    """Every method, kind of target, broadcast and class axis; reduced or not, weighted or not."""
    original, targets = CASES[case]
    logits, tangent = LOGITS.astype(dtype), (SHARES - 0.5).astype(dtype)
    for reduction in ("none", "sum"):
        loss = dataclasses.replace(original, precision=precision, reduction=reduction)
        for weight in weights(loss):
            for name in METHODS if weight is None and reduction == "none" else ("value_grad_hess", "hvp"):
                monkeypatch.setattr(execution, "BLOCK", WHOLE)
                wanted = bits(METHODS[name](loss, logits, targets, tangent, weight))
                for block in BLOCKS:
                    monkeypatch.setattr(execution, "BLOCK", block)
                    for got, one in zip(bits(METHODS[name](loss, logits, targets, tangent, weight)), wanted, strict=True):
                        np.testing.assert_array_equal(got, one, err_msg=f"{name} {reduction} in blocks of {block}", strict=True)


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
    monkeypatch.setattr(execution, "BLOCK", WHOLE)
    wanted = {name: bits(method(loss, LOGITS, targets, SHARES, None)) for name, method in METHODS.items()}
    monkeypatch.setattr(execution, "BLOCK", block)
    for view in views:
        for name, method in METHODS.items():
            got = bits(method(loss, view(LOGITS), view(targets), view(SHARES), None))
            for one, other in zip(got, wanted[name], strict=True):
                np.testing.assert_array_equal(one, other, err_msg=name, strict=True)


@pytest.mark.parametrize("block", BLOCKS)
def test_blocks_are_as_large_as_they_may_be_and_no_larger(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    """No block exceeds BLOCK elements unless a single row does, and they cover every loss once."""
    monkeypatch.setattr(execution, "BLOCK", block)
    for link, limit in ((fr.SigmoidFocalLoss(), block), (fr.SoftmaxFocalLoss(axis=1), max(block, CLASSES))):
        sizes: list[int] = []
        program = type(link)._program
        with monkeypatch.context() as patch:
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
            for block in execution._blocks(shape, limit):
                assert seen[block].size <= limit
                seen[block] += 1
            np.testing.assert_array_equal(seen, 1)


@pytest.mark.parametrize("size", [2**14 - 1, 2**14, 2**14 + 1, 3 * 2**14 + 5])
def test_the_real_block_size(size: int) -> None:
    """Around the block size as it is, every loss has the bits it has by itself."""
    logits = np.resize(np.linspace(-30.0, 30.0, 101), size).astype(np.float32)
    loss = fr.SigmoidFocalLoss()
    few = loss.value_grad_hess(logits[:101], 1)
    for got, wanted in zip(loss.value_grad_hess(logits, 1), few, strict=True):
        np.testing.assert_array_equal(got, np.resize(wanted, size), strict=True)

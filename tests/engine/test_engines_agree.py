"""Two engines, one contract: compiled loops and NumPy's blocks differ by their last bits at most, whatever is given."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("llvmlite", reason="compiled loops need llvmlite")

import focal_ref as fr
from focal_ref.engine import compiled_launch, run

METHODS = ("value", "grad", "hessian_diag", "gamma_grad", "value_and_grad", "value_grad_hess", "hvp")
GAMMAS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 2e4)
LAYOUTS = ("C", "F", "reversed", "strided", "turned", "unaligned")
EXAMPLES = 120


def laid(array: Any, layout: str) -> Any:
    """The same entries, otherwise in memory."""
    array = np.asarray(array)
    if not array.ndim:
        return array
    if layout == "reversed":
        return np.ascontiguousarray(array[::-1])[::-1]
    if layout == "strided":
        room = np.zeros((*array.shape[:-1], 3 * array.shape[-1]), array.dtype)
        room[..., 1::3] = array
        return room[..., 1::3]
    if layout == "turned" and array.ndim > 1:
        return np.moveaxis(np.ascontiguousarray(np.moveaxis(array, 0, -1)), -1, 0)
    if layout == "unaligned":
        room = np.zeros(array.nbytes + 1, np.uint8)[1:].view(array.dtype).reshape(array.shape)
        room[...] = array
        return room
    return np.asfortranarray(array) if layout == "F" else array


def both(call: Any) -> tuple[list[Any], list[Any]]:
    """What the engines give."""
    found = []
    for engine in ("numpy", "compiled"):
        with fr.set_engine(engine):
            assert fr.engine() == engine
            results = call()
        found.append(list(results) if isinstance(results, tuple) else [results])
    return found[0], found[1]


def assert_close(expected: Any, got: Any) -> None:
    """The same limits; else one ULP in narrow types, and 1e-13 of the largest next to zeros, of which both are promised."""
    expected, got = np.asarray(expected), np.asarray(got)
    assert (expected.dtype, expected.shape) == (got.dtype, got.shape)
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(got[~finite], expected[~finite])
    assert np.isfinite(got[finite]).all()
    a, b = expected[finite], got[finite]
    if a.size:
        step = np.spacing(np.maximum(np.abs(a), np.abs(b)).astype(expected.dtype)).astype(np.float64)
        a, b = a.astype(np.float64), b.astype(np.float64)
        narrow = expected.dtype.itemsize < 8
        allowed = 1.01 * step + 1e-13 * np.abs(a).max() if narrow else 64 * step + 1e-13 * np.abs(a).max()
        assert (np.abs(a - b) <= allowed).all()


def logits_of(rng: Any, shape: tuple[int, ...], dtype: str) -> Any:
    """Mostly moderate, some far out, and now and then a limit."""
    x = rng.standard_normal(shape) * rng.choice([0.1, 3.0, 30.0])
    odd = rng.random(shape) < 0.02
    return np.where(odd, rng.choice([np.inf, -np.inf, np.nan, 0.0, -0.0, 90.0], shape), x).astype(dtype)


@pytest.mark.slow
@settings(max_examples=EXAMPLES)
@given(st.data())
def test_sigmoid(data: st.DataObject) -> None:
    """Shapes, layouts, types, targets and options drawn at random."""
    draw = data.draw
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    shape = tuple(draw(st.lists(st.sampled_from([1, 2, 3, 7, 8, 9, 17, 40]), max_size=3)))
    dtype = draw(st.sampled_from(["float16", "float32", "float64"]))
    x = laid(logits_of(rng, shape, dtype), draw(st.sampled_from(LAYOUTS)))
    kind = draw(st.sampled_from(["bool", "int64", "uint8", "float32", "soft", "number"]))
    y: Any = (
        1
        if kind == "number"
        else rng.random(shape).astype("float32")
        if kind == "soft"
        else (rng.random(shape) < 0.5).astype(kind)
    )
    y = y if kind == "number" else laid(y, draw(st.sampled_from(LAYOUTS)))
    by_label = (rng.random(shape[-1:]) * 3).astype(dtype) if shape else 1.25
    gamma = draw(st.sampled_from([*GAMMAS, by_label])) if shape else draw(st.sampled_from(GAMMAS))
    loss = fr.SigmoidFocalLoss(
        gamma=gamma,
        alpha=draw(st.sampled_from([None, 0.25, 0.0, 1.0])),
        soft_targets=draw(st.sampled_from(["mix", "expected", "quality"])),
        reduction=draw(st.sampled_from(["none", "mean", "sum"])),
        precision=draw(st.sampled_from(["extended", "native"])) if dtype == "float64" else "extended",
    )
    weight = draw(st.sampled_from([None, 0.5, "array"]))
    weight = np.floor(rng.random(shape[-1:]) * 3).astype("float32") if weight == "array" else weight
    method = draw(st.sampled_from(METHODS))
    extra = (np.flip(np.nan_to_num(x, posinf=1.0, neginf=2.0)),) if method == "hvp" else ()
    for expected, got in zip(*both(lambda: getattr(loss, method)(x, y, *extra, weight=weight)), strict=True):
        assert_close(expected, got)


@pytest.mark.slow
@settings(max_examples=EXAMPLES)
@given(st.data())
def test_softmax(data: st.DataObject) -> None:
    """The same for rows: few and many classes, on any axis."""
    draw = data.draw
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    classes = draw(st.sampled_from([2, 3, 8, 9, 21, 130, 300]))
    rows = draw(st.lists(st.sampled_from([1, 2, 7, 8, 9, 17]), max_size=2))
    axis = draw(st.integers(0, len(rows)))
    shape = (*rows[:axis], classes, *rows[axis:])
    dtype = draw(st.sampled_from(["float16", "float32", "float64"]))
    x = laid(logits_of(rng, shape, dtype), draw(st.sampled_from(LAYOUTS)))
    soft = draw(st.booleans())
    if soft:
        y = np.moveaxis(rng.dirichlet(np.ones(classes), rows), -1, axis).astype("float32")
    else:
        y = rng.integers(0, classes, rows).astype(draw(st.sampled_from(["int64", "int32", "uint16"])))
    loss = fr.SoftmaxFocalLoss(
        gamma=draw(st.sampled_from(GAMMAS[:-1])),
        alpha=draw(st.sampled_from([None, 0.5, tuple(rng.random(classes))])),
        axis=axis,
        ignore_index=None if soft else draw(st.sampled_from([None, 1])),
        label_smoothing=draw(st.sampled_from([0.0, 0.1])),
        reduction=draw(st.sampled_from(["none", "mean", "sum"])),
    )
    weight = draw(st.sampled_from([None, 0.5, "array"]))
    weight = np.floor(rng.random(rows) * 3).astype("float64") if weight == "array" else weight
    method = draw(st.sampled_from(METHODS))
    extra = (np.flip(np.nan_to_num(x, posinf=1.0, neginf=2.0)),) if method == "hvp" else ()
    for expected, got in zip(*both(lambda: getattr(loss, method)(x, y, *extra, weight=weight)), strict=True):
        assert_close(expected, got)


def test_an_array_in_a_file_runs_as_a_loop_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is larger than memory comes as `np.memmap`, a class of its own."""
    made: list[Any] = []
    whole = compiled_launch.run_compiled
    monkeypatch.setattr(run, "_loops", lambda: lambda *given: made.append(whole(*given)) or made[-1])
    x = np.memmap(tmp_path / "logits", "float32", "w+", shape=(30, 5))
    x[:] = np.linspace(-4, 4, 150).reshape(30, 5)
    with fr.set_engine("compiled"):
        got = fr.SigmoidFocalLoss().grad(x, 1), fr.SoftmaxFocalLoss().grad(x, np.arange(30) % 5)
        expected = fr.SigmoidFocalLoss().grad(np.array(x), 1), fr.SoftmaxFocalLoss().grad(np.array(x), np.arange(30) % 5)
    assert len(made) == 4
    assert all(result is not None for result in made)
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_bits_depend_on_neither_threads_nor_layout(layout: str, dtype: str) -> None:
    """Several parts, and a mean over them."""
    rng = np.random.default_rng(3)
    x, y = (rng.standard_normal((700, 300)) * 4).astype(dtype), rng.integers(0, 300, 700)
    calls = [
        lambda x: fr.SigmoidFocalLoss(gamma=1.5, alpha=0.25, reduction="mean").value_and_grad(x, 1),
        lambda x: fr.SoftmaxFocalLoss(reduction="mean").value_and_grad(x, y),
        lambda x: fr.SoftmaxFocalLoss(reduction="mean").value_and_grad(x[:, :20], y % 20),
    ]
    for call in calls:
        with fr.set_engine("compiled"), fr.set_threads(1):
            expected = call(x)
        with fr.set_engine("compiled"), fr.set_threads(3):
            got = call(laid(x, layout))
        for a, b in zip(expected, got, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_arrays_of_one_entry_are_numbers(shape: tuple[int, ...]) -> None:
    """Whatever axes they have: targets, γ, α and weights, of one logit and of many."""
    one = np.ones(shape, "float32")
    for x in (np.full(shape, 20.0, "float32"), np.linspace(-3, 3, 5, dtype="float32").reshape(*(1 for _ in shape[1:]), 5)):
        for gamma, precision in itertools.product((one * 1.5, one * 2, one.astype("int64")), ("extended", "native")):
            loss = fr.SigmoidFocalLoss(gamma=gamma, alpha=one / 4, precision=precision)
            for expected, got in zip(*both(lambda x=x, loss=loss: loss.value_and_grad(x, one, weight=one)), strict=True):
                assert_close(expected, got)

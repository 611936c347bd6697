"""Compiled loops are the same losses: NumPy's results within the contract, bits of the entries alone, a choice in words."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import focal_ref as fr
from focal_ref.engine import choice, compiled_build, compiled_launch
from focal_ref.family import Poly1
from focal_ref.mathematics import power
from tests.methods import METHODS, leaves

pytest.importorskip("llvmlite", reason="compiled loops need llvmlite")

UNITS = {"float16": 2.0**-11, "float32": 2.0**-24, "float64": 2.0**-53}
SHAPES = ((5,), (2, 3), (9, 10), (3, 70), (2, 3, 4), (17, 9), (3, 299))


@st.composite
def calls(draw: Any) -> tuple[Any, ...]:
    """A loss, a method's name, and arrays of any layout."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    dtype, shape = draw(st.sampled_from(list(UNITS))), draw(st.sampled_from(SHAPES))
    softmax, soft = draw(st.booleans()), draw(st.booleans())
    gamma = draw(st.sampled_from([0.0, 0.5, 1.0, 1.5, 2.0, 3.7]))
    options: dict[str, Any] = {"reduction": draw(st.sampled_from(["none", "mean", "sum"]))}
    options["precision"] = draw(st.sampled_from(["native", "extended"]))
    kernel = draw(st.sampled_from([None, Poly1(gamma=gamma, epsilon=0.7)]))
    x = laid(draw, (rng.standard_normal(shape) * 4).astype(dtype))
    axis = draw(st.integers(0, len(shape) - 1)) if softmax else None
    losses = shape if axis is None else tuple(n for i, n in enumerate(shape) if i != axis)
    if axis is None:
        y = (
            rng.random(shape).astype(dtype)
            if soft
            else rng.integers(0, 2, shape).astype(draw(st.sampled_from(["int64", "uint8", "bool", dtype])))
        )
        options["alpha"] = draw(st.sampled_from([None, 0.25, 1.0]))
        if soft and kernel is None:
            options["soft_targets"] = draw(st.sampled_from(["mix", "expected", "quality"]))
    else:
        options |= {"axis": axis, "alpha": draw(st.sampled_from([None, 0.5, tuple(rng.random(shape[axis]))]))}
        y = np.moveaxis(rng.dirichlet(np.ones(shape[axis]), losses), -1, axis).astype(dtype)
        if not soft:
            y = rng.integers(0, shape[axis], losses).astype(draw(st.sampled_from(["int64", "int8"])))
            options["ignore_index"] = draw(st.sampled_from([None, 0]))
    kind: Any = (
        (fr.SoftmaxLoss if softmax else fr.SigmoidLoss) if kernel else (fr.SoftmaxFocalLoss if softmax else fr.SigmoidFocalLoss)
    )
    loss = kind(kernel, **options) if kernel else kind(gamma=draw(st.sampled_from([gamma, rng.random(losses) * 3])), **options)
    names = [name for name in METHODS if kernel is None or name != "gamma_grad"]
    weight = draw(st.sampled_from([None, laid(draw, rng.integers(0, 3, losses).astype(dtype))]))
    return loss, draw(st.sampled_from(names)), x, laid(draw, y), laid(draw, np.cos(x)), weight


def laid(draw: Any, a: Any) -> Any:
    """The array in another layout: reversed, with gaps, by columns, or as it is."""
    if not a.ndim:
        return a
    way = draw(st.sampled_from(["plain", "turned", "gaps", "columns"]))
    if way == "gaps":
        wide = np.zeros((*a.shape[:-1], 2 * a.shape[-1]), a.dtype)
        wide[..., ::2] = a
        return wide[..., ::2]
    return {"turned": np.ascontiguousarray(a[::-1])[::-1], "columns": np.asfortranarray(a)}.get(way, a)


def run(engine: Any, call: tuple[Any, ...], *, copied: bool = False) -> list[Any]:
    loss, name, *arrays = call
    with fr.set_engine(engine), warnings.catch_warnings():
        warnings.simplefilter("error")
        found = METHODS[name](loss, *(np.array(a, order="C") if copied and a is not None else a for a in arrays))
    return [np.asarray(part) for part in leaves(found)]


@pytest.mark.slow
@settings(max_examples=150)
@given(calls())
def test_both_engines_agree(call: tuple[Any, ...]) -> None:
    """In any shape, layout, type and option: within what the contract leaves both, relatively to a row's largest entry."""
    dtype = call[2].dtype.name
    for mine, other in zip(run("compiled", call), run("numpy", call), strict=True):
        assert (mine.dtype, mine.shape) == (other.dtype, other.shape)
        a, b = mine.astype(np.float64), other.astype(np.float64)
        room = (
            UNITS[dtype] * (60 if dtype == "float64" else 4) * np.maximum(np.abs(b), np.max(np.abs(b), initial=0.0) * 2.0**-4)
        )
        np.testing.assert_array_less(np.abs(a - b), room + 2e-7 * (dtype == "float16") + 1e-45)


@pytest.mark.slow
@settings(max_examples=60)
@given(calls())
def test_bits_hang_on_neither_layout_nor_threads(call: tuple[Any, ...]) -> None:
    """Arrays laid out anew, on one thread and on two."""
    with fr.set_threads(1):
        first = run("compiled", call)
    with fr.set_threads(2):
        second = run("compiled", call, copied=True)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


LAYOUTS: dict[str, Any] = {
    "side by side": lambda a: a.copy(),
    "other order": np.asfortranarray,
    "strided": lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
    "reversed": lambda a: a[::-1].copy()[::-1],
    "read only": lambda a: np.broadcast_to(a, a.shape),
    "unaligned": lambda a: np.frombuffer(b"\0" + a.tobytes(), np.uint8)[1:].view(a.dtype).reshape(a.shape),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("classes", [5, 300])
def test_where_arrays_lie_is_found_for_each(layout: str, classes: int) -> None:
    """How they lie is worked out once for arrays of a kind; others of that kind, and numbers, are themselves again."""
    rng, lay = np.random.default_rng(2), LAYOUTS[layout]
    loss = fr.SoftmaxFocalLoss(alpha=tuple(np.linspace(0.5, 2.0, classes)))
    results = []
    with fr.set_engine("compiled"):
        for factor in (1.0, 3.0, np.asarray(2.0), np.asarray(5.0)):
            x, targets, weight = rng.normal(size=(6, 4, classes)), rng.integers(0, classes, (6, 4)), rng.uniform(size=(4,))
            got = loss.value_grad_hess(lay(x), lay(targets), weight * factor)
            plain = [
                loss.value_grad_hess(row, label, w * factor) for row, label, w in zip(x[0], targets[0], weight, strict=True)
            ]
            results.append((got, plain))
    for got, plain in results:
        for k, whole in enumerate(got):
            np.testing.assert_array_equal(whole[0], np.asarray([row[k] for row in plain]))


def test_large_arrays_have_the_bits_of_their_parts() -> None:
    """Several parts, some of them on other threads; sums are those of the exact sum."""
    x = np.random.default_rng(0).standard_normal(300_001)
    y = (x > 0.3).astype(np.float64)
    loss, mean = fr.SigmoidFocalLoss(), fr.SigmoidFocalLoss(reduction="sum")
    with fr.set_engine("compiled"):
        whole = loss(x, y)
        np.testing.assert_array_equal(whole[70_003:200_005], loss(x[70_003:200_005], y[70_003:200_005]))
        for count in (1, 2):
            with fr.set_threads(count):
                assert mean(x, y) == mean(x[::-1], y[::-1])
    for classes in (70, 299):
        rows, targets = np.random.default_rng(1).standard_normal((3000, classes)), np.arange(3000) % classes
        for kind in (np.float32, np.float64):
            x = rows.astype(kind)
            with fr.set_engine("compiled"):
                grad = fr.SoftmaxFocalLoss().grad(x, targets)
                np.testing.assert_array_equal(grad[2901:], fr.SoftmaxFocalLoss().grad(x[2901:], targets[2901:]))


def test_an_engine_is_chosen_by_name_and_comes_back() -> None:
    """As a context manager the setting before comes back; a wrong name is refused in words."""
    with fr.set_engine("compiled"):
        assert fr.engine() == "compiled"
        with fr.set_engine("numpy"):
            assert fr.engine() == "numpy"
        assert fr.engine() == "compiled"
    with pytest.raises(ValueError, match=r"engine: got 'cuda'; expected one of 'auto', 'numpy', 'compiled'"):
        fr.set_engine("cuda")  # type: ignore[arg-type]


def python(code: str, **variables: str) -> str:
    """What a fresh interpreter prints; its warnings too."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)} | variables
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return done.stdout + done.stderr


CALL = "import numpy as np, focal_ref as fr; print(fr.engine(), fr.sigmoid_focal_loss(np.zeros(3), 1).tolist()[0])"


def test_the_package_imports_neither_llvmlite_nor_numba() -> None:
    """Not before the first loss of NumPy arrays."""
    loaded = "import sys, focal_ref as fr; fr.engine(); print([m for m in ('llvmlite', 'numba') if m in sys.modules])"
    assert python(loaded).strip() == "[]"


@pytest.mark.slow
@pytest.mark.parametrize(("name", "expected"), [("numpy", "numpy"), ("compiled", "compiled"), ("auto", "compiled")])
def test_the_environment_chooses(name: str, expected: str) -> None:
    """FOCAL_REF_ENGINE, before the first call."""
    assert python(CALL, FOCAL_REF_ENGINE=name).split()[0] == expected


def test_a_broken_llvmlite_is_told_once_and_numpy_computes(tmp_path: Path) -> None:
    """In words, whatever is wrong with it."""
    (tmp_path / "llvmlite").mkdir()
    (tmp_path / "llvmlite" / "__init__.py").write_text("__version__ = '0.50'")
    (tmp_path / "llvmlite" / "binding.py").write_text("raise OSError('no such library')")
    said = python(
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{CALL}; "
        "print(fr.sigmoid_focal_loss(np.zeros(3), 1).tolist()[0], fr.engine())",
        FOCAL_REF_ENGINE="auto",
    )
    assert said.count("compiled loops can't be made here (OSError: no such library); NumPy computes instead") == 1
    assert "0.17328679513998632 numpy" in said


def test_an_old_llvmlite_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what is needed and how to get it."""
    monkeypatch.setattr(choice, "_installed", lambda: (0, 39))
    with pytest.raises(
        RuntimeError, match=r"llvmlite 0\.39 is too old; expected llvmlite 0\.45 or newer: pip install llvmlite"
    ):
        fr.set_engine("compiled")


@pytest.mark.slow
def test_loops_are_kept_between_processes_and_do_without(tmp_path: Path) -> None:
    """A folder that can't be written or holds rubbish is no error."""
    kept = tmp_path / "kept"
    first = python(CALL, FOCAL_REF_CACHE=str(kept))
    files = sorted(kept.iterdir())
    assert files
    assert first.split()[0] == "compiled"
    files[0].write_bytes(b"not code")
    assert python(CALL, FOCAL_REF_CACHE=str(kept)) == first
    assert python(CALL, FOCAL_REF_CACHE=os.devnull) == first
    assert python(CALL, FOCAL_REF_CACHE="") == first
    assert compiled_build.cache_folder() is not None or sys.platform == "win32"


def test_steep_is_the_same_to_the_engine_and_to_the_formulas() -> None:
    """Neither may import the other; both ask from which exponent on rounding errors of u are seen."""
    assert compiled_launch.STEEP_FROM == power.STEEP

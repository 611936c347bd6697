"""The list of array libraries: what is here, what is not and why, and numbers that come back as they went."""

from __future__ import annotations

import importlib
import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from focal_ref.conformance import grids, ulp
from focal_ref.engine import arrays
from focal_ref.libraries import backends
from tests import xla


@pytest.fixture(autouse=True)
def _as_if_never_asked() -> Any:
    """What is known of a library is kept for the life of the process; here nothing is known before or after."""
    backends._get.cache_clear()
    yield
    backends._get.cache_clear()


@pytest.fixture(autouse=True, scope="module")
def _imported() -> None:
    """Every library as a whole, before one is hidden or broken: what JAX asks for may be that one."""
    backends.survey()


def _hide(monkeypatch: pytest.MonkeyPatch, *libraries: str) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name in libraries else found(name, *rest))


def _break(monkeypatch: pytest.MonkeyPatch, library: str, error: Exception) -> None:
    real = importlib.import_module

    def failing(name: str, *rest: Any) -> Any:
        if name == library:
            raise error
        return real(name, *rest)

    monkeypatch.setattr(importlib, "import_module", failing)
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: found("numpy") if name == library else found(name, *rest)
    )


# ---- names ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["tensorflow", "Numpy", "numpy ", "", "torch_cuda"])
def test_an_unknown_name_is_refused_in_words(name: str) -> None:
    """The message has what came and every name there is, for one backend and for a survey."""
    for ask in (backends.get, lambda wanted: backends.survey([wanted])):
        with pytest.raises(ValueError, match=r"^name: got ") as raised:
            ask(name)
        assert repr(name) in str(raised.value)
        assert all(known in str(raised.value) for known in backends.NAMES)


def test_a_survey_has_every_name_once_and_in_order() -> None:
    """Whatever is installed, nothing is left out; those that are ready can be had, and the others say why not."""
    states = backends.survey()
    assert [s.name for s in states] == list(backends.NAMES)
    for status in states:
        assert status.state in ("ready", "absent", "broken")
        assert bool(status.reason) == (status.state != "ready")
    assert backends.installed() == [s.name for s in states if s.state == "ready"]
    assert backends.get("numpy").name == "numpy"


def test_a_survey_of_some_names_has_just_those() -> None:
    """In the order asked for."""
    assert [s.name for s in backends.survey(["dask", "numpy"])] == ["dask", "numpy"]


# ---- what is not here -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "library", "package"),
    [
        ("array-api-strict", "array_api_strict", "array-api-strict"),
        ("torch", "torch", "torch"),
        ("jax", "jax", "jax"),
        ("jax-x64", "jax", "jax"),
        ("dask", "dask", "dask"),
        ("cupy", "cupy", "cupy"),
    ],
)
def test_an_absent_library_is_said(monkeypatch: pytest.MonkeyPatch, name: str, library: str, package: str) -> None:
    """By the name that pip knows; in a survey it is a state, and asked for by name an exception that carries it."""
    _hide(monkeypatch, library)
    expected = backends.Status(name, "absent", f"{package} is not installed")
    assert backends.survey([name]) == (expected,)
    with pytest.raises(backends.Unavailable, match=f"^{name}: {package} is not installed$") as raised:
        backends.get(name)
    assert raised.value.status == expected


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ImportError("libcudart.so.12: cannot open\n  shared object file"), "ImportError: libcudart.so.12: cannot open shared"),
        (OSError(), "OSError: no message"),
        (AttributeError("module has no attribute 'Device'"), "AttributeError: module has no attribute 'Device'"),
    ],
)
@pytest.mark.parametrize(
    ("name", "library"),
    [("torch", "torch"), ("cupy", "cupy"), ("dask", "dask.array"), ("array-api-strict", "array_api_strict")],
)
def test_a_broken_library_is_said_and_not_raised(
    monkeypatch: pytest.MonkeyPatch, name: str, library: str, error: Exception, reason: str
) -> None:
    """Whatever its import raises, a survey goes on, with the reason in one line."""
    _break(monkeypatch, library, error)
    status = next(s for s in backends.survey() if s.name == name)
    assert status.state == "broken"
    assert status.reason.startswith(reason)
    assert "\n" not in status.reason
    with pytest.raises(backends.Unavailable, match=f"^{name}: ") as raised:
        backends.get(name)
    assert raised.value.__cause__ is error


def test_a_library_that_changes_numbers_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before any measuring, a few numbers have to come back as they went."""
    made = backends._numpy("numpy")
    wrong = made._replace(to_numpy=lambda x: made.to_numpy(x) * (1 + 2**-52))
    monkeypatch.setitem(backends._MAKERS, "numpy", ("numpy", lambda name: wrong))
    (status,) = backends.survey(["numpy"])
    assert status.state == "broken"
    assert "came back as" in status.reason


@pytest.mark.parametrize("name", ["torch-cuda", "jax-cuda"])
def test_a_missing_device_is_absence_and_not_breakage(name: str) -> None:
    """On a machine without a GPU, a library that could use one is not to blame."""
    (status,) = backends.survey([name])
    assert status.state == "ready" or status == backends.Status(name, "absent", "no CUDA device")


def test_ml_dtypes_is_not_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it NumPy and Dask have no bfloat16, and all else."""
    _hide(monkeypatch, "ml_dtypes")
    for name in ("numpy", "dask"):
        assert backends.get(name).dtypes == ("float16", "float32", "float64")


def test_naming_the_backends_imports_none() -> None:
    """The module is for a command that prints its help as well."""
    libraries = {"torch", "jax", "dask", "cupy", "array_api_strict"}
    code = f"import sys; from focal_ref import backends; print(*{libraries} & set(sys.modules))"
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout.split() == []


# ---- what is here -----------------------------------------------------------------------------------------------------------


def _numbers(dtype: str, *, subnormal: bool) -> Any:
    """What a conversion by way of a narrower type, or one that rounds twice, would change."""
    fmt = ulp.FORMATS[dtype]
    values = [0.0, 1.0 + fmt.eps, -(2.0 - fmt.eps), fmt.tiny, -fmt.tiny, fmt.largest, -fmt.largest, np.inf, -np.inf, np.nan]
    return np.asarray(values + ([fmt.smallest, -fmt.smallest, fmt.tiny - fmt.smallest] if subnormal else []))


def test_numbers_come_back_as_they_went(backend: Any) -> None:
    """Every type a backend names holds its own extremes exactly, subnormals too: only arithmetic may flush them."""
    assert backend.dtypes
    for dtype in backend.dtypes:
        values = _numbers(dtype, subnormal=True)
        array = backend(values, dtype)
        assert arrays.dtype_name(array) == dtype
        assert tuple(array.shape) == values.shape
        back = backend.numpy(array)
        assert back.dtype == np.float64
        np.testing.assert_array_equal(back, values)
        assert np.array_equal(np.signbit(back[:1]), np.signbit(values[:1]))


def test_every_number_of_a_16_bit_type_comes_back(backend: Any) -> None:
    """All 65,536 of them."""
    for dtype in {"float16", "bfloat16"} & set(backend.dtypes):
        values = grids.every(dtype)
        np.testing.assert_array_equal(backend.numpy(backend(values, dtype)), values)


def test_rows_and_integers_keep_their_shape_and_type(backend: Any) -> None:
    """Targets are int32."""
    values = np.arange(12).reshape(4, 3)
    array = backend(values, "int32")
    assert arrays.dtype_name(array) == "int32"
    np.testing.assert_array_equal(backend.numpy(array), values)


def test_the_backend_is_ready_under_its_own_name(backend: Any) -> None:
    """And asking again gives the same."""
    assert backends.get(backend.name).name == backend.name
    assert backends.get(backend.name) is backends.get(backend.name)
    assert set(backend.backend.flushes) <= set(backend.dtypes) | {"float64"}


def test_arrays_lie_where_mistakes_show() -> None:
    """array-api-strict on a device that is not its default, Dask in several blocks, JAX with and without 64 bits."""
    strict = importlib.import_module("array_api_strict")
    array = backends.get("array-api-strict").asarray(np.ones(3), "float32")
    assert array.device == strict.Device("device1") != strict.Device("CPU_DEVICE") == strict.asarray(1.0).device
    assert backends.get("dask").asarray(np.ones((7, 2)), "float32").numblocks == (3, 1)
    assert "float64" in backends.get("jax-x64").dtypes
    jnp = importlib.import_module("jax.numpy")
    with backends.get("jax").context():
        assert str(jnp.ones(1).dtype) == "float32"
    with backends.get("jax-x64").context():
        assert str(jnp.ones(1).dtype) == "float64"


def test_forgetting_leaves_the_backend_in_use(backend: Any) -> None:
    """What a library has compiled is dropped; arrays and later work are as before. JAX's is not dropped for other tests."""
    if backend.name.startswith("jax"):
        xla.as_users_have_it(_forget, backend.name)
    else:
        _forget(backend.name)


def _forget(name: str) -> None:
    backend = backends.get(name)
    with backend.context():
        array = backend.asarray(np.asarray([1.5, 2.5]), backend.dtypes[-1])
        backend.forget()
        np.testing.assert_array_equal(backend.to_numpy(array + array), [3.0, 5.0])

"""Array libraries that can be measured here, and on which device: one list, for the command and the tests.

No library is imported before it is asked for.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import gc
import importlib
import importlib.util
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..engine.arrays import FLOATS
from ..engine.choice import set_engine

__all__ = ["NAMES", "Backend", "Status", "Unavailable", "get", "host", "in_one_line", "installed", "survey"]

State = Literal["ready", "absent", "broken"]


class Backend(NamedTuple):
    """An array library on a device."""

    name: str
    dtypes: tuple[str, ...]
    """The floating-point types it has."""
    asarray: Callable[[NDArray[Any], str], Any]
    """A NumPy array as its own, of the type named, on its device."""
    to_numpy: Callable[[Any], NDArray[np.float64]]
    """Its array in float64, exactly."""
    context: Callable[[], AbstractContextManager[Any]]
    """What has to be entered around any use."""
    flushes: tuple[str, ...] = ()
    """Types whose subnormal numbers may come out as 0."""
    forget: Callable[[], None] = lambda: None
    """Gives back the memory that compiled code takes."""


class Status(NamedTuple):
    """Whether a backend can be used here, and if not, why."""

    name: str
    state: State
    reason: str = ""


class Unavailable(RuntimeError):
    """A backend that cannot be used here: "absent" (its library, or a device for it) or "broken"."""

    def __init__(self, name: str, state: State, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.status = Status(name, state, reason)


def get(name: str) -> Backend:
    """The backend of that name.

    Raises
    ------
    ValueError
        Where no backend has that name.
    Unavailable
        Where it cannot be used here; the message says what is missing.

    Examples
    --------
    >>> numpy = get("numpy")
    >>> numpy.to_numpy(numpy.asarray(np.asarray([0.5, 1.0]), "float16"))
    array([0.5, 1. ])
    """
    if name not in _MAKERS:
        raise ValueError(f"name: got {name!r}; expected one of {', '.join(NAMES)}")
    return _get(name)


@functools.cache
def _get(name: str) -> Backend:
    library, make = _MAKERS[name]
    if importlib.util.find_spec(library) is None:
        raise Unavailable(name, "absent", f"{library.replace('_', '-')} is not installed")
    try:
        backend = make(name)
        _try_out(backend)
    except Unavailable:
        raise
    except Exception as error:  # whatever a broken installation raises, it is to be told, not to end the run
        raise Unavailable(name, "broken", in_one_line(error)) from error
    return backend


def in_one_line(error: Exception) -> str:
    """An exception as "TypeError: its message", however many lines that has."""
    return f"{type(error).__name__}: {' '.join(str(error).split()) or 'no message'}"


def survey(names: Iterable[str] | None = None) -> tuple[Status, ...]:
    """How each backend fares here, in the order of `names`, or of `NAMES`.

    Parameters
    ----------
    names : iterable of str, optional
        Which; None: all.

    Returns
    -------
    tuple of Status
        Each with `name`, `state` and, where it isn't ready, the `reason`.

    Raises
    ------
    ValueError
        Where no backend has one of the names.

    Examples
    --------
    >>> survey(["numpy"])
    (Status(name='numpy', state='ready', reason=''),)
    """
    return tuple(_status(name) for name in (NAMES if names is None else names))


def installed() -> list[str]:
    """The names of the backends that import and have a device here.

    Returns
    -------
    list of str
        In the order of `NAMES`.

    Examples
    --------
    >>> "numpy" in installed()
    True
    """
    return [status.name for status in survey() if status.state == "ready"]


def _status(name: str) -> Status:
    try:
        get(name)
    except Unavailable as error:
        return error.status
    return Status(name, "ready")


def _try_out(backend: Backend) -> None:
    values = np.asarray([1.5, -2.0])
    with backend.context():
        for dtype in backend.dtypes:
            back = backend.to_numpy(backend.asarray(values, dtype))
            if not np.array_equal(back, values):
                raise RuntimeError(f"{dtype} values {values.tolist()} came back as {back.tolist()}")


def host(values: NDArray[Any], dtype: str) -> NDArray[Any]:
    """Values in a NumPy array of the type named; bfloat16 by ml_dtypes."""
    if dtype == "bfloat16":
        return values.astype(importlib.import_module("ml_dtypes").bfloat16)
    return values.astype(dtype)


def _host_dtypes() -> tuple[str, ...]:
    has_bfloat16 = importlib.util.find_spec("ml_dtypes") is not None
    return ("float16", *(("bfloat16",) if has_bfloat16 else ()), "float32", "float64")


def _no_device(name: str) -> Unavailable:
    return Unavailable(name, "absent", "no CUDA device")


def _numpy(name: str) -> Backend:
    """On the engine that has its name: "numpy", or "compiled" loops."""
    make = functools.partial(set_engine, "compiled" if name == "compiled" else "numpy")
    return Backend(name, _host_dtypes(), host, lambda x: np.asarray(x).astype(np.float64), make)


def _strict(name: str) -> Backend:
    """On a device that is not the default one, so that an array made without naming the device shows."""
    strict = importlib.import_module("array_api_strict")
    device, cpu = strict.Device("device1"), strict.Device("CPU_DEVICE")
    return Backend(
        name,
        ("float32", "float64"),
        lambda values, dtype: strict.asarray(values, dtype=getattr(strict, dtype), device=device),
        lambda x: np.asarray(x.to_device(cpu)).astype(np.float64),
        contextlib.nullcontext,
    )


def _torch(name: str) -> Backend:
    torch = importlib.import_module("torch")
    device = "cuda" if name.endswith("cuda") else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise _no_device(name)

    def asarray(values: NDArray[Any], dtype: str) -> Any:
        return torch.tensor(values, device=device).to(getattr(torch, dtype))

    def to_numpy(x: Any) -> NDArray[np.float64]:
        result: NDArray[np.float64] = x.detach().cpu().to(torch.float64).numpy()
        return result

    return Backend(name, FLOATS, asarray, to_numpy, contextlib.nullcontext)


def _jax(name: str) -> Backend:
    """As the user has it ("jax", "jax-cuda"), or with 64 bits; on one device, whichever is the default."""
    jax = importlib.import_module("jax")
    jnp = importlib.import_module("jax.numpy")
    try:
        device = jax.devices("cuda" if name == "jax-cuda" else "cpu")[0]
    except RuntimeError as error:
        raise (_no_device(name) if name == "jax-cuda" else error) from None
    x64 = name == "jax-x64" or str(jnp.zeros(()).dtype) == "float64"

    @contextlib.contextmanager
    def context() -> Any:
        with _jax_x64(jax, x64), jax.default_device(device):
            yield

    dtypes = FLOATS if x64 else FLOATS[:3]
    return Backend(
        name,
        dtypes,
        lambda values, dtype: jnp.asarray(host(values, dtype)),
        lambda x: np.asarray(x).astype(np.float64),
        context,
        flushes=("bfloat16", "float32", "float64"),
        forget=_jax_forget,
    )


def _jax_forget() -> None:
    """glibc by itself keeps what a compiler has freed."""
    importlib.import_module("jax").clear_caches()
    gc.collect()
    with contextlib.suppress(OSError, TypeError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _jax_x64(jax: Any, wanted: bool) -> AbstractContextManager[Any]:
    """The switch has moved between JAX's releases."""
    switch = jax.enable_x64 if hasattr(jax, "enable_x64") else importlib.import_module("jax.experimental").enable_x64
    manager: AbstractContextManager[Any] = switch(wanted)
    return manager


def _dask(name: str) -> Backend:
    """In three blocks along the first axis, on NumPy's engine."""
    da = importlib.import_module("dask.array")

    def asarray(values: NDArray[Any], dtype: str) -> Any:
        return da.from_array(host(values, dtype), chunks=(-(-len(values) // 3) or 1, *values.shape[1:]) if values.ndim else ())

    on_numpy = functools.partial(set_engine, "numpy")
    return Backend(name, _host_dtypes(), asarray, lambda x: np.asarray(x.compute()).astype(np.float64), on_numpy)


def _cupy(name: str) -> Backend:
    cupy = importlib.import_module("cupy")
    if not cupy.cuda.is_available():
        raise _no_device(name)
    return Backend(
        name,
        ("float16", "float32", "float64"),
        lambda values, dtype: cupy.asarray(values, dtype=dtype),
        lambda x: cupy.asnumpy(x).astype(np.float64),
        contextlib.nullcontext,
        flushes=("float32",),
    )


_MAKERS: dict[str, tuple[str, Callable[[str], Backend]]] = {
    "numpy": ("numpy", _numpy),
    "compiled": ("llvmlite", _numpy),
    "array-api-strict": ("array_api_strict", _strict),
    "torch": ("torch", _torch),
    "jax": ("jax", _jax),
    "jax-x64": ("jax", _jax),
    "dask": ("dask", _dask),
    "cupy": ("cupy", _cupy),
    "torch-cuda": ("torch", _torch),
    "jax-cuda": ("jax", _jax),
}
"""Each backend's library, and what makes it from that."""

NAMES = tuple(_MAKERS)
"""Every backend there is a way to measure."""

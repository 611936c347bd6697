"""One fixture, `backend`: a test that takes it runs on every array library there is.

FOCAL_REF_BACKENDS=numpy,torch,… names the ones a run must have; a named one that is missing is an error, never a skip. Without
it a test runs on NumPy and array-api-strict, as in the contributor's loop; libraries/test_smoke.py has a call of each other.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from focal_ref.conformance import ulp
from focal_ref.engine import arrays
from focal_ref.engine.precision import compute_type
from focal_ref.libraries import backends
from tests import xla

settings.register_profile(
    "focal_ref",
    deadline=None,
    derandomize=True,
    max_examples=50,
    print_blob=True,
    # A backend keeps nothing between examples.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("focal_ref")

REQUIRED = [name.strip() for name in os.environ.get("FOCAL_REF_BACKENDS", "").split(",") if name.strip()]


def pytest_configure(config: pytest.Config) -> None:
    """XLA compiles quickly, and nothing twice (xla.py), and each of several workers has one OpenMP thread.

    With more, theirs would wait for each other's: trees took three times as long.
    """
    os.environ.setdefault("XLA_FLAGS", xla.QUICK)
    if "PYTEST_XDIST_WORKER" in os.environ:
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    elif "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        config.add_cleanup(xla.shared())


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """JAX's adapter's examples, which can't be marked where they stand, take seconds: XLA compiles operation by operation."""
    for item in items:
        if isinstance(item, pytest.DoctestItem) and "focal_ref_jax" in item.path.parts:
            item.add_marker("slow")


GIB = 2**30
_room = [4 * GIB]
"""What a worker may have at a file's end before what JAX has compiled is dropped: nearly 2 MB for an operation and shape."""


@pytest.fixture(autouse=True, scope="module")
def _bounded_memory() -> Iterator[None]:
    """What is dropped is not given back to the system, but used again: so the room is what is had then, and a little more."""
    yield
    if "jax" in sys.modules and _memory() > _room[0]:
        sys.modules["jax"].clear_caches()
        _room[0] = _memory() + GIB


def _memory() -> int:
    """Bytes that this process has; 0 where Linux isn't there to say."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if statm.exists() else 0


class Arrays:
    """A backend in the hands of a test."""

    def __init__(self, backend: backends.Backend) -> None:
        self.backend = backend
        self.name = backend.name

    def __call__(self, values: Any, dtype: str | None = None) -> Any:
        """Values as this backend's array; floats in float32 unless named otherwise, integers and bools as they are."""
        values = np.asarray(values)
        name = dtype or ("float32" if values.dtype.kind == "f" else str(values.dtype))
        return self.backend.asarray(values, name)

    def numpy(self, array: Any) -> Any:
        """Any of its arrays, floats in float64, in NumPy."""
        if self.name == "dask" and isinstance(array, (np.ndarray, np.generic)):  # computed before
            return array.astype(np.float64)
        return self.backend.to_numpy(array)

    def together(self, arrays: Iterable[Any]) -> tuple[Any, ...]:
        """Dask's arrays computed in one go, for they share what they are made of; others as they are."""
        return importlib.import_module("dask").compute(*arrays) if self.name == "dask" else tuple(arrays)

    def has(self, dtype: str) -> bool:
        return dtype in self.backend.dtypes

    def flushes(self, dtype: str) -> bool:
        return dtype in self.backend.flushes

    @property
    def dtypes(self) -> tuple[str, ...]:
        return self.backend.dtypes

    @property
    def settings(self) -> list[tuple[str, Any]]:
        """Each type in each precision that is a program of its own: where nothing wider is at hand, both are one."""
        found: list[tuple[str, Any]] = []
        for dtype in self.dtypes:
            seen = arrays.look(self([0.0], dtype))
            own = compute_type(seen, "native") != compute_type(seen, "extended")
            found += [(dtype, "extended"), *([(dtype, "native")] if own else [])]
        return found

    def widens(self, dtype: str, precision: str = "extended") -> bool:
        """Whether formulas run in a wider type: results are correctly rounded then, but for near-ties. 16 bits always do."""
        return dtype in ("float16", "bfloat16") or ((precision, dtype) == ("extended", "float32") and self.has("float64"))

    def ulps(self, array: Any, exact: Any, scale: Any = None) -> Any:
        """Its array's errors against numbers or mpfs, in ULP of its type, flat; `scale` as for `focal_ref.ulp.errors`."""
        fmt = ulp.FORMATS[arrays.dtype_name(array)]
        scale = None if scale is None else [float(s) for s in scale]
        return ulp.errors(self.numpy(array).ravel(), *ulp.split(exact), fmt, scale=scale)


@pytest.fixture(params=REQUIRED or ["numpy", "array-api-strict"])
def backend(request: pytest.FixtureRequest) -> Iterator[Arrays]:
    """Every backend in turn."""
    found = backends.get(request.param)
    with found.context(), _scheduler(found.name):
        yield Arrays(found)


def _scheduler(name: str) -> AbstractContextManager[Any]:
    """Dask's own threads cost more than such small arrays; what it does with several workers, test_beyond_memory.py has."""
    if name != "dask":
        return contextlib.nullcontext()
    config: AbstractContextManager[Any] = importlib.import_module("dask").config.set(scheduler="synchronous")
    return config

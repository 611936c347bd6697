"""Facts of arrays: whose library they are of, their type and device, and whether their values may be looked at.

The only room that knows a library's name is this package; this module answers what the others ask.
"""

from __future__ import annotations

import contextlib
import math
import sys
from contextlib import AbstractContextManager
from functools import cache
from typing import Any, Literal, NamedTuple

import array_api_compat
import numpy as np

from ..typing import Array, Namespace
from . import numpy_blocks, torch_tensors
from .choice import is_compiled
from .numpy_blocks import slices

__all__ = [
    "FLOATS",
    "Facts",
    "Varying",
    "are_hard",
    "as_index",
    "column",
    "constant",
    "count",
    "device_of",
    "dtype_name",
    "has_zeros_and_ones",
    "hindrance",
    "in_a_loop",
    "is_array",
    "is_numpy",
    "is_of",
    "is_ragged",
    "is_recorded",
    "is_sharded",
    "is_traced",
    "kept",
    "look",
    "namespace_of",
    "numpy_computes",
    "numpy_namespace",
    "quiet",
    "same_device",
    "values",
    "varying",
]

FLOATS = ("float16", "bfloat16", "float32", "float64")


MANY = 2**14
"""Targets, from which on a loop that looks at them is worth being called."""


_NUMPY = (np.ndarray, np.generic)


_REFUSED = (np.matrix, np.ma.MaskedArray)


_COLUMNS = {"pandas": "Series", "polars": "Series"}


_NO_ARRAYS = (bool, int, float, str, tuple, list, type(None))


_ARRAY_CLASSES = {"cupy": "ndarray", "dask.array": "Array", "jax": "Array", "torch": "Tensor"}


def is_of(x: object, library: str) -> bool:
    """Whether x is an array of a library, which need not be loaded."""
    return library in sys.modules and isinstance(x, getattr(sys.modules[library], _ARRAY_CLASSES[library], ()))


def numpy_computes(x: object) -> bool:
    """Whether operations on x are NumPy's, now."""
    return isinstance(x, _NUMPY) or type(x).__module__.startswith("array_api_strict")


def is_array(x: object) -> bool:
    """Whether x is an array of a library with an Array API namespace; NumPy's matrices and masked arrays are not."""
    if type(x) is np.ndarray or type(x) in _NO_ARRAYS:
        return type(x) is np.ndarray
    return is_of(x, "torch") or (array_api_compat.is_array_api_obj(x) and not isinstance(x, _REFUSED))


def column(x: Any) -> Any:
    """What a column of pandas or polars holds, as a NumPy array; anything else as it is."""
    library = type(x).__module__.partition(".")[0]
    return x.to_numpy() if type(x).__name__ == _COLUMNS.get(library) else x


def namespace_of(*arrays: Array) -> Namespace:
    """The arrays' one namespace; TypeError where they have several."""
    if all(type(x) is np.ndarray for x in arrays):
        return numpy_namespace()
    if all(is_of(x, "torch") for x in arrays):
        # Without array-api-compat's cached look-ups, which torch's compiler warns of.
        from . import torch_namespace

        return torch_namespace
    namespace: Namespace = array_api_compat.array_namespace(*arrays)
    return namespace


@cache
def numpy_namespace() -> Namespace:
    """NumPy as an Array API namespace."""
    namespace: Namespace = array_api_compat.array_namespace(np.empty(0))
    return namespace


class Facts(NamedTuple):
    """What a call asks of its logits, asked once."""

    array: Any
    xp: Namespace
    dtype: str
    """The type's name without its library."""
    shape: tuple[int, ...]
    numpy: bool
    """Whether it is a plain NumPy array, whose companions need no look at library or device."""


def look(x: Array) -> Facts:
    """The facts of an array."""
    if type(x) is np.ndarray:
        return Facts(x, numpy_namespace(), _numpy_name(x.dtype), x.shape, True)
    return Facts(x, namespace_of(x), dtype_name(x), tuple(x.shape), False)


class Varying(float):
    """A number that changes from call to call (a count of losses): handed to a compiled kernel, never written into it."""


def varying(x: Facts, number: Any) -> Any:
    """A number that changes from call to call. Torch's and JAX's tracers may own it: nothing is computed with it here."""
    owned = not x.numpy and (is_of(x.array, "torch") or is_of(x.array, "jax"))
    return number if owned else Varying(number)


def dtype_name(x: Array) -> str:
    """The type's name without its library: "float32" for numpy, torch, JAX and the others."""
    if isinstance(x, _NUMPY):
        return _numpy_name(x.dtype)
    return str(x.dtype).rpartition(".")[2]


@cache
def _numpy_name(dtype: np.dtype[Any]) -> str:
    """NumPy takes microseconds to say it."""
    return str(dtype)


def device_of(x: Array) -> Any:
    """The device to make new arrays on; None where the library places them itself (lazy, traced and sharded arrays)."""
    if isinstance(x, np.ndarray):
        return "cpu"
    if is_of(x, "torch"):
        return x.device  # type: ignore[attr-defined]
    if is_of(x, "dask.array") or is_traced(x) or is_sharded(x):
        return None
    return array_api_compat.device(x)


def same_device(x: Array, other: Array) -> bool:
    """Whether two arrays of one namespace lie on one device, as far as that is known now."""
    here, there = device_of(x), device_of(other)
    return here is None or there is None or bool(here == there)


def values(x: Array) -> Any:
    """The values as a NumPy array, for inspection; None where looking would compute a graph, or copy from another device."""
    if isinstance(x, _NUMPY):
        return np.asarray(x)
    if is_of(x, "torch"):
        return _torch_values(x)
    if is_of(x, "jax"):
        # Of an array that is spread over several processes this one sees a part.
        here = not is_traced(x) and x.is_fully_addressable  # type: ignore[attr-defined]
        on_host = here and all(d.platform == "cpu" for d in x.devices())  # type: ignore[attr-defined]
        return np.asarray(x) if on_host else None
    if numpy_computes(x):
        return np.asarray(x.to_device(sys.modules["array_api_strict"].Device("CPU_DEVICE")))  # type: ignore[attr-defined]
    return None


def kept(x: Array) -> Any:
    """An array whose values were looked at, as what was seen: a copy, where its owner could still change it."""
    if isinstance(x, np.ndarray):
        if x.flags.writeable or not x.flags.owndata:
            x = x.copy()
            x.flags.writeable = False
        return x
    if is_of(x, "torch"):
        return x.clone()  # type: ignore[attr-defined]
    return namespace_of(x).asarray(x, copy=True, device=device_of(x)) if numpy_computes(x) else x


def _torch_values(x: Any) -> Any:
    # Inside a transform of torch.func even a plain tensor's detach would be wrapped.
    return None if torch_tensors.is_watched() or not torch_tensors.is_plain(x) else torch_tensors.view(x)


def is_recorded(x: Array) -> bool:
    """Whether operations on x are recorded, to be differentiated."""
    return is_of(x, "torch") and torch_tensors.is_recorded(x)


def hindrance(x: Array) -> tuple[str, str] | None:
    """What formulas can't be run on, in words, and its cure; None where they can."""
    return torch_tensors.hindrance(x) if is_of(x, "torch") else None


def is_ragged(x: Array, axis: int) -> bool:
    """Whether lengths along an axis differ."""
    return is_of(x, "torch") and torch_tensors.is_ragged(x, axis)


def count(x: Facts, shape: tuple[Any, ...], classes: Any) -> Any:
    """How many losses there are, of that shape, for logits with so many classes."""
    if is_of(x.array, "torch") and x.array.is_nested:
        return torch_tensors.entries(x.array) // classes
    return math.prod(shape)


def is_traced(x: Array) -> bool:
    """Whether x is a value that JAX traces."""
    return is_of(x, "jax") and isinstance(x, sys.modules["jax"].core.Tracer)


def is_sharded(x: Array) -> bool:
    """Whether x lies on several devices."""
    return is_of(x, "jax") and len(x.devices()) > 1  # type: ignore[attr-defined]


def is_numpy(x: Array) -> bool:
    """Whether NumPy computes with x, now or where its graph runs."""
    return numpy_computes(x._meta if is_of(x, "dask.array") else x)  # type: ignore[attr-defined]


def quiet(x: Array) -> AbstractContextManager[Any]:
    """Without NumPy's warnings, where NumPy computes: 0 · inf and the like are meant, in the branch that is not taken."""
    return np.errstate(all="ignore") if numpy_computes(x) else contextlib.nullcontext()


def are_hard(targets: Any, ignore_index: int | None = None) -> bool:
    """Whether sigmoid targets are known to be 0 and 1 only, but for those that are left out."""
    if type(targets) is not np.ndarray and not is_array(targets):
        return targets in (0, 1)
    if dtype_name(targets) not in FLOATS:
        return True
    seen = values(targets)
    return seen is not None and has_zeros_and_ones(seen, ignore_index)


def has_zeros_and_ones(seen: Any, ignore_index: int | None) -> bool:
    """Whether a NumPy array has nothing else, but for what is left out."""
    if ignore_index is None and (found := in_a_loop("hard", seen)) is not None:
        return found
    if seen.size <= numpy_blocks.PART:
        return _is_hard(seen, ignore_index)
    return all(_is_hard(seen[place], ignore_index) for place in slices(seen.shape, numpy_blocks.PART))


def in_a_loop(look: Literal["hard", "unit"], seen: Any) -> bool | None:
    """Whether many targets are 0 and 1 only, or in [0, 1]; None where no compiled loop says it, or NumPy does as soon."""
    if seen.size < MANY or not is_compiled():
        return None
    from . import compiled_looks

    return compiled_looks.hard_in_a_loop(seen) if look == "hard" else compiled_looks.unit_in_a_loop(seen)


def _is_hard(seen: Any, ignore_index: int | None) -> bool:
    if ignore_index is None:  # counting bools is NumPy's quickest look at an array
        return bool(np.count_nonzero(seen != 0) == np.count_nonzero(seen == 1))
    return bool(((seen == 0) | (seen == 1) | (seen == ignore_index)).all())


def as_index(targets: Array) -> Any:
    """Classes in the library's own index type."""
    xp = namespace_of(targets)
    return xp.astype(targets, xp.arange(0).dtype, copy=False)


def constant(x: Any) -> Any:
    """The same array, cut from whatever its library would differentiate."""
    if is_of(x, "torch"):
        return x.detach()
    return sys.modules["jax"].lax.stop_gradient(x) if is_of(x, "jax") else x

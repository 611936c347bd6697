"""How each array library runs the formulas: the only place that knows a library's name.

Every library runs the same program (a function of a namespace and arrays). What differs is answered here: which namespace,
which types there are, whether values may be looked at, and how a lazy array takes the program in.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import cache, partial
from types import ModuleType
from typing import Any

import array_api_compat
import numpy as np

from ..typing import Array, Namespace, Precision
from . import numpy_blocks
from .cuda_launch import run_fused
from .numpy_blocks import CLASSES, ROW, SUM, keep_memory, run_in_blocks, slices, sum_of_few, where
from .numpy_threads import alone

__all__ = [
    "BLOCK",
    "CLASSES",
    "FLOATS",
    "ROW",
    "SUM",
    "WIDER",
    "Program",
    "accumulator",
    "are_hard",
    "as_index",
    "classes_back",
    "classes_last",
    "compute_type",
    "count",
    "device_of",
    "dtype_name",
    "formulas_namespace",
    "formulas_type",
    "is_array",
    "is_numpy",
    "is_roomy",
    "keep_memory",
    "namespace_of",
    "one_hot",
    "parameter",
    "reduced",
    "round_to",
    "run",
    "same_device",
    "values",
]

FLOATS = ("float16", "bfloat16", "float32", "float64")
WIDER = {"float16": "float32", "bfloat16": "float32", "float32": "float64", "float64": "float64"}

BLOCK = 2**17
"""Logits that NumPy works on at a time: enough that Python's share of the time is small, few enough for a core's caches."""

Program = Callable[..., tuple[Array, ...]]


_NUMPY = (np.ndarray, np.generic)
_REFUSED = (np.matrix, np.ma.MaskedArray)
_NO_ARRAYS = (bool, int, float, str, tuple, list, type(None))
_ARRAY_CLASSES = {"cupy": "ndarray", "dask.array": "Array", "jax": "Array", "torch": "Tensor"}


def _is_of(x: object, library: str) -> bool:
    """Whether x is an array of a library, which need not be loaded."""
    return library in sys.modules and isinstance(x, getattr(sys.modules[library], _ARRAY_CLASSES[library], ()))


def _numpy_computes(x: object) -> bool:
    """Whether operations on x are NumPy's, now."""
    return isinstance(x, _NUMPY) or type(x).__module__.startswith("array_api_strict")


def is_array(x: object) -> bool:
    """Whether x is an array of a library with an Array API namespace; NumPy's matrices and masked arrays are not."""
    if type(x) is np.ndarray or type(x) in _NO_ARRAYS:
        return type(x) is np.ndarray
    return _is_of(x, "torch") or (array_api_compat.is_array_api_obj(x) and not isinstance(x, _REFUSED))


def namespace_of(*arrays: Array) -> Namespace:
    """The arrays' one namespace; TypeError where they have several."""
    if all(type(x) is np.ndarray for x in arrays):
        return _numpy_namespace()
    if all(_is_of(x, "torch") for x in arrays):
        # The same answer without the cached look-ups, which torch's compiler warns of.
        import array_api_compat.torch as torch_namespace

        return torch_namespace
    namespace: Namespace = array_api_compat.array_namespace(*arrays)
    return namespace


@cache
def _numpy_namespace() -> Namespace:
    namespace: Namespace = array_api_compat.array_namespace(np.empty(0))
    return namespace


@cache
def _tuned_numpy() -> Namespace:
    """NumPy's namespace, but for what it computes slowly."""
    plain = _numpy_namespace()
    tuned = ModuleType(plain.__name__)
    tuned.__dict__.update(plain.__dict__)

    def add_up(x: Array, /, *, axis: Any = None, **options: Any) -> Any:
        few = axis == -1 and not options and x.dtype.kind == "f" and x.shape[-1] <= numpy_blocks.FEW_CLASSES
        return sum_of_few(x) if few else plain.sum(x, axis=axis, **options)  # type: ignore[arg-type]

    tuned.astype = lambda x, dtype, /, *, copy=True: x.astype(dtype, copy=copy)  # type: ignore[attr-defined]
    tuned.where = where  # type: ignore[attr-defined]
    tuned.sum = add_up  # type: ignore[attr-defined]
    return tuned


def formulas_namespace(logits: Array) -> Namespace:
    """The namespace that the formulas are handed."""
    return _tuned_numpy() if isinstance(logits, np.ndarray) else namespace_of(logits)


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
    if _is_of(x, "torch"):
        return x.device  # type: ignore[attr-defined]
    if _is_of(x, "dask.array") or _is_traced(x) or _is_sharded(x):
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
    if _is_of(x, "torch"):
        return _torch_values(x)
    if _is_of(x, "jax"):
        on_host = not _is_traced(x) and all(d.platform == "cpu" for d in x.devices())  # type: ignore[attr-defined]
        return np.asarray(x) if on_host else None
    if _numpy_computes(x):
        return np.asarray(x.to_device(sys.modules["array_api_strict"].Device("CPU_DEVICE")))  # type: ignore[attr-defined]
    return None


def _torch_values(x: Any) -> Any:
    torch = sys.modules["torch"]
    if x.device.type != "cpu" or type(x) not in (torch.Tensor, torch.nn.Parameter):
        return None
    # Inside a transform of torch.func even a plain tensor's detach would be wrapped.
    if torch.compiler.is_compiling() or torch._C._functorch.peek_interpreter_stack() is not None:
        return None
    x = x.detach()
    return (x.to(torch.float32) if x.dtype == torch.bfloat16 else x).numpy()


def _is_traced(x: Array) -> bool:
    return _is_of(x, "jax") and isinstance(x, sys.modules["jax"].core.Tracer)


def _is_sharded(x: Array) -> bool:
    return _is_of(x, "jax") and len(x.devices()) > 1  # type: ignore[attr-defined]


def compute_type(xp: Namespace, x: Array, precision: Precision) -> str:
    """The name of the type that losses and derivatives of logits x are weighed in.

    Never one of 16 bits: a sum over the classes would overflow in float16, and nothing would be faster.
    """
    name = dtype_name(x)
    wider = WIDER[name] if precision == "extended" or name in ("float16", "bfloat16") else name
    return wider if _has(xp, x, wider) else name


def formulas_type(x: Array, compute: str) -> str:
    """The name of the type that the formulas are evaluated in, for logits x that are weighed in a type.

    NumPy's float64 costs less than carrying float32's rounding errors along, and its float32 exponentials are wrong by up to
    2.5 ULP, and u^γ times γ.
    """
    return "float64" if is_numpy(x) and dtype_name(x) == "float32" else compute


def is_roomy(x: Array, formulas: str) -> bool:
    """Whether `links.roomy_sigmoid` serves logits x, of a narrower type."""
    return formulas == "float64" and is_numpy(x)


def is_numpy(x: Array) -> bool:
    """Whether NumPy computes with x, now or where its graph runs."""
    return _numpy_computes(x._meta if _is_of(x, "dask.array") else x)  # type: ignore[attr-defined]


def accumulator(xp: Namespace, x: Array) -> Any:
    """The widest type there is to sum in."""
    return xp.float64 if _has(xp, x, "float64") else xp.float32


def _has(xp: Namespace, x: Array, name: str) -> bool:
    if name != "float64":
        return True
    if _is_of(x, "torch"):
        return x.device.type != "mps"  # type: ignore[attr-defined, no-any-return]
    if isinstance(x, _NUMPY) or _is_of(x, "cupy") or _is_of(x, "dask.array"):
        return True
    return name in xp.__array_namespace_info__().dtypes(device=device_of(x), kind="real floating")


_LARGEST = {name: float(np.finfo(name).max) for name in ("float16", "float32", "float64")}


def round_to(value: float, name: str) -> float:
    """A Python float rounded to a type, as a Python float; the largest finite number, where it is beyond that."""
    if name == "bfloat16":
        largest = float.fromhex("0x1.fep127")
        bits = int(np.float32(min(value, largest)).view(np.uint32))
        bits += 0x7FFF + (bits >> 16 & 1)
        return float(np.uint32(bits & 0xFFFF0000).view(np.float32))
    value = min(value, _LARGEST[name])
    return value if name == "float64" else float(np.dtype(name).type(value))


def run(
    program: Program,
    arguments: Sequence[Any],
    inputs: Sequence[str],
    outputs: Sequence[tuple[str, Any]],
    compute: str | None = None,
) -> tuple[Array, ...]:
    """Run a program on its arguments.

    Parameters
    ----------
    program : callable
        `program(xp, *arguments)` returns as many arrays as there are `outputs`.
    arguments : sequence
        The logits first; then arrays, Python numbers or None.
    inputs : sequence of str
        `ROW` or `CLASSES` for each argument.
    outputs : sequence of (str, dtype)
        `ROW`, `SUM` or `CLASSES`, and the type, of each result.
    compute : str, optional
        The one type that the program computes in. A library may then run it as one kernel.
    """
    logits = arguments[0]
    if _is_of(logits, "dask.array"):
        return _run_dask(program, arguments, inputs, outputs, compute)
    if _is_of(logits, "cupy") and compute is not None:
        return run_fused(sys.modules["cupy"], program, arguments, inputs, outputs, compute)
    with _quiet(logits):
        if isinstance(logits, np.ndarray):
            keep_memory()
        program = partial(program, formulas_namespace(logits))
        many = min(BLOCK, numpy_blocks.PART, 2**12 if inputs[0] == CLASSES else BLOCK)
        if isinstance(logits, np.ndarray) and (logits.size > many or not logits.flags.c_contiguous):
            return run_in_blocks(program, arguments, inputs, outputs, BLOCK)
        return program(*arguments)


def _quiet(x: Array) -> AbstractContextManager[Any]:
    """Without NumPy's warnings, where NumPy computes: 0 · inf and the like are meant, in the branch that is not taken."""
    return np.errstate(all="ignore") if _numpy_computes(x) else contextlib.nullcontext()


def _run_dask(
    program: Program, arguments: Sequence[Any], inputs: Sequence[str], outputs: Sequence[tuple[str, Any]], compute: str | None
) -> tuple[Array, ...]:
    """Block by block: the program runs on what the blocks hold, and nothing is computed here."""
    import dask.array as da

    places = [i for i, a in enumerate(arguments) if is_array(a)]
    outputs = [(ROW if kind == SUM else kind, dtype) for kind, dtype in outputs]
    signature = ",".join(f"({inputs[i]})" for i in places) + "->" + ",".join(f"({kind})" for kind, _ in outputs)
    results = da.apply_gufunc(  # type: ignore[no-untyped-call]
        _on_block,
        signature,
        *(arguments[i] for i in places),
        output_dtypes=[dtype for _, dtype in outputs],
        allow_rechunk=True,
        program=program,
        arguments=[None if i in places else a for i, a in enumerate(arguments)],
        places=places,
        kinds=(inputs, outputs, compute),
    )
    return tuple(results) if len(outputs) > 1 else (results,)


def _on_block(*pieces: Any, program: Program, arguments: list[Any], places: list[int], kinds: tuple[Any, Any]) -> Any:
    filled = list(arguments)
    for place, piece in zip(places, pieces, strict=True):
        filled[place] = piece
    with alone():  # Dask has its own threads
        results = run(program, filled, *kinds)
    return results if len(results) > 1 else results[0]


def parameter(xp: Namespace, value: Any, logits: Array, rounding: str, compute: str) -> Any:
    """γ or α as the formulas take it: a float, or an array on the logits' device; numbers are rounded to a type first."""
    if isinstance(value, float):
        return round_to(value, rounding)
    if isinstance(value, tuple):
        rounded = [round_to(v, rounding) for v in value]
        return xp.asarray(rounded, dtype=getattr(xp, compute), device=device_of(logits))
    return value


def are_hard(targets: Any) -> bool:
    """Whether sigmoid targets are known to be 0 and 1 only."""
    if not is_array(targets):
        return targets in (0, 1)
    if dtype_name(targets) not in FLOATS:
        return True
    seen = values(targets)
    if seen is None:
        return False
    return all(
        bool(((part == 0) | (part == 1)).all()) for part in (seen[place] for place in slices(seen.shape, numpy_blocks.PART))
    )


def as_index(targets: Array) -> Any:
    """Classes in the library's own index type."""
    xp = namespace_of(targets)
    return xp.astype(targets, xp.arange(0).dtype, copy=False)


def one_hot(classes: Array, index: Array, like: Array) -> Any:
    """True at each row's class, laid out in memory as the logits are."""
    if not isinstance(like, np.ndarray):
        return classes == index[..., None]
    place: Any = np.empty_like(like, dtype=bool)
    return np.equal(classes, index[..., None], out=place)  # type: ignore[call-overload]


def classes_last(xp: Namespace, x: Any, axis: int | None, ndim: int) -> Any:
    """The class axis, of an array with all the logits' axes, brought to the end."""
    if not is_array(x) or axis is None or x.ndim != ndim or axis % ndim == ndim - 1:
        return x
    return xp.permute_dims(x, (*(i for i in range(ndim) if i != axis % ndim), axis % ndim))


def classes_back(xp: Namespace, x: Array, axis: int | None) -> Any:
    """The undoing of `classes_last`."""
    if axis is None or axis % x.ndim == x.ndim - 1:
        return x
    order = list(range(x.ndim - 1))
    order.insert(axis % x.ndim, x.ndim - 1)
    return xp.permute_dims(x, tuple(order))


def reduced(xp: Namespace, losses: Array, divisor: Any, logits: Array) -> Any:
    """The losses' sum in the widest type there is, divided, and rounded once."""
    with _quiet(losses):
        value = xp.sum(losses, dtype=accumulator(xp, logits))
        if divisor is not None:
            value = value / (xp.astype(divisor, value.dtype) if is_array(divisor) else divisor)
        if _is_of(value, "dask.array"):
            return value.map_blocks(_rounded_quietly, logits.dtype, dtype=logits.dtype)
        return xp.astype(value, logits.dtype, copy=False)


def _rounded_quietly(block: Any, dtype: Any) -> Any:
    """A sum that overflows in a narrow type is meant to be infinite there."""
    with np.errstate(all="ignore"):
        return block.astype(dtype)


def count(xp: Namespace, mask: Array) -> Any:
    """How many are True."""
    return xp.sum(xp.astype(mask, xp.float32), dtype=accumulator(xp, mask))

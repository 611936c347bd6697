"""How each array library runs the formulas: the only place that knows a library's name.

Every library runs the same program (a function of a namespace and arrays). What differs is answered here: which namespace,
which types there are, whether values may be looked at, and how a lazy array takes the program in.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from types import ModuleType
from typing import Any

import array_api_compat
import numpy as np

from .typing import Array, Namespace, Precision

FLOATS = ("float16", "bfloat16", "float32", "float64")
WIDER = {"float16": "float32", "bfloat16": "float32", "float32": "float64", "float64": "float64"}

ROW = ""
"""Core dimensions of an argument or result with one entry a loss."""
CLASSES = "c"
"""Core dimensions of one with an entry a class."""

BLOCK = 2**14
"""Elements that NumPy works on at a time: some ten temporaries of them fit a core's second-level cache."""

Program = Callable[..., tuple[Array, ...]]


def is_array(x: object) -> bool:
    """Whether x is an array of a library with an Array API namespace; NumPy's matrices and masked arrays are not."""
    return array_api_compat.is_array_api_obj(x) and not isinstance(x, (np.matrix, np.ma.MaskedArray))


def namespace_of(*arrays: Array) -> Namespace:
    """The arrays' one namespace; TypeError where they have several."""
    namespace: Namespace = array_api_compat.array_namespace(*arrays)
    return namespace


@cache
def _numpy_with_sharp_exp() -> Namespace:
    """NumPy, with float32 exponentials by way of float64: its own are wrong by up to 2.5 ULP, which u^γ multiplies by γ."""
    plain = array_api_compat.array_namespace(np.empty(0))
    sharp = ModuleType(plain.__name__)
    sharp.__dict__.update(plain.__dict__)
    sharp.exp = lambda x: np.exp(x, dtype=np.float64).astype(x.dtype) if x.dtype == np.float32 else np.exp(x)  # type: ignore[attr-defined]
    return sharp


def formulas_namespace(logits: Array) -> Namespace:
    """The namespace that the formulas are handed for logits in their own type."""
    if array_api_compat.is_numpy_array(logits) and dtype_name(logits) == "float32":
        return _numpy_with_sharp_exp()
    return namespace_of(logits)


def dtype_name(x: Array) -> str:
    """The type's name without its library: "float32" for numpy, torch, JAX and the others."""
    return str(x.dtype).rpartition(".")[2]


def device_of(x: Array) -> Any:
    """The device to make new arrays on; None where the library places them itself (lazy and traced arrays)."""
    if array_api_compat.is_dask_array(x) or _is_traced(x):
        return None
    return array_api_compat.device(x)


def same_device(x: Array, other: Array) -> bool:
    """Whether two arrays of one namespace lie on one device, as far as that is known now."""
    here, there = device_of(x), device_of(other)
    return here is None or there is None or bool(here == there)


def may_look(x: Array) -> bool:
    """Whether values may be inspected: they are there, on the host, and looking neither computes a graph nor copies."""
    if array_api_compat.is_numpy_array(x):
        return True
    if array_api_compat.is_torch_array(x):
        return _torch_may_look(x)
    if array_api_compat.is_jax_array(x):
        return not _is_traced(x) and all(d.platform == "cpu" for d in x.devices())
    return type(x).__module__.startswith("array_api_strict")


def _torch_may_look(x: Any) -> bool:
    torch = sys.modules["torch"]
    if x.device.type != "cpu" or torch.compiler.is_compiling() or torch._C._functorch.is_functorch_wrapped_tensor(x):
        return False
    return type(x) in (torch.Tensor, torch.nn.Parameter)


def _is_traced(x: Array) -> bool:
    jax = sys.modules.get("jax")
    return jax is not None and isinstance(x, jax.core.Tracer)


def compute_type(xp: Namespace, x: Array, precision: Precision) -> str:
    """The name of the type that the formulas are evaluated in for logits x."""
    name = dtype_name(x)
    if name == "bfloat16" and array_api_compat.is_numpy_namespace(xp):
        return "float32"  # ml_dtypes only stores: NumPy has no arithmetic in bfloat16
    wider = WIDER[name] if precision == "extended" else name
    return wider if _has(xp, x, wider) else name


def accumulator(xp: Namespace, x: Array) -> Any:
    """The widest type there is to sum in."""
    return xp.float64 if _has(xp, x, "float64") else xp.float32


def _has(xp: Namespace, x: Array, name: str) -> bool:
    always = (array_api_compat.is_numpy_namespace, array_api_compat.is_cupy_namespace, array_api_compat.is_dask_namespace)
    if name != "float64" or any(is_(xp) for is_ in always):
        return True
    return name in xp.__array_namespace_info__().dtypes(device=device_of(x), kind="real floating")


def round_to(value: float, name: str) -> float:
    """A Python float rounded to a type, as a Python float."""
    if name == "bfloat16":
        bits = int(np.float32(value).view(np.uint32))
        bits += 0x7FFF + (bits >> 16 & 1)
        return float(np.uint32(bits & 0xFFFF0000).view(np.float32))
    return float(np.dtype(name).type(value))


def run(
    program: Program, arguments: Sequence[Any], inputs: Sequence[str], outputs: Sequence[tuple[str, Any]]
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
        `ROW` or `CLASSES`, and the type, of each result.
    """
    logits = arguments[0]
    if array_api_compat.is_dask_array(logits):
        return _run_dask(program, arguments, inputs, outputs)
    with np.errstate(all="ignore"):
        if isinstance(logits, np.ndarray) and (logits.size > BLOCK or not logits.flags.c_contiguous):
            return _run_in_blocks(program, arguments, inputs, outputs)
        return program(formulas_namespace(logits), *arguments)


def _run_in_blocks(
    program: Program, arguments: Sequence[Any], inputs: Sequence[str], outputs: Sequence[tuple[str, Any]]
) -> tuple[Array, ...]:
    """In blocks whose temporaries stay in the cache; every loss is by itself, so the bits are those of one run."""
    logits = arguments[0]
    xp = formulas_namespace(logits)
    classes: tuple[int, ...] = logits.shape[-1:] if inputs[0] == CLASSES else ()
    loop = logits.shape[: logits.ndim - len(classes)]
    results = [np.empty((*loop, *(classes if kind else ())), dtype) for kind, dtype in outputs]
    for block in _blocks(loop, max(1, BLOCK // math.prod(classes))):
        parts = program(xp, *(_cut(a, block, len(loop), kind) for a, kind in zip(arguments, inputs, strict=True)))
        for result, part in zip(results, parts, strict=True):
            result[block] = part
    return tuple(results)


def _blocks(shape: tuple[int, ...], limit: int) -> Iterator[tuple[slice, ...]]:
    """Slices that cover a shape, each of at most `limit` elements."""
    if math.prod(shape) <= limit:
        yield (slice(None),) * len(shape)
        return
    step = max(1, limit // math.prod(shape[1:]))
    for start in range(0, shape[0], step):
        here = slice(start, start + step)
        for rest in _blocks(shape[1:], limit) if step == 1 else [(slice(None),) * (len(shape) - 1)]:
            yield (here, *rest)


def _cut(a: Any, block: tuple[slice, ...], loop_ndim: int, kind: str) -> Any:
    """An argument's part of a block, broadcast axes left as they are."""
    if not isinstance(a, np.ndarray):
        return a
    axes = a.ndim - (kind == CLASSES)
    return a[tuple(slice(None) if n == 1 else s for n, s in zip(a.shape, block[loop_ndim - axes :], strict=False))]


def _run_dask(
    program: Program, arguments: Sequence[Any], inputs: Sequence[str], outputs: Sequence[tuple[str, Any]]
) -> tuple[Array, ...]:
    """Block by block: the program runs on what the blocks hold, and nothing is computed here."""
    import dask.array as da

    places = [i for i, a in enumerate(arguments) if is_array(a)]
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
    )
    return tuple(results) if len(outputs) > 1 else (results,)


def _on_block(*blocks: Any, program: Program, arguments: list[Any], places: list[int]) -> Any:
    filled = list(arguments)
    for place, block in zip(places, blocks, strict=True):
        filled[place] = block
    with np.errstate(all="ignore"):
        results = program(formulas_namespace(blocks[0]), *filled)
    return results if len(results) > 1 else results[0]


def parameter(xp: Namespace, value: Any, logits: Array, compute: str) -> Any:
    """γ or α as the formulas take it: a float, rounded to the type they run in; or an array, on the logits' device."""
    if isinstance(value, float):
        return round_to(value, compute)
    if isinstance(value, tuple):
        return xp.asarray(value, dtype=getattr(xp, compute), device=device_of(logits))
    return value


def are_hard(targets: Any) -> bool:
    """Whether sigmoid targets are known to be 0 and 1 only."""
    if not is_array(targets):
        return targets in (0, 1)
    if dtype_name(targets) not in FLOATS:
        return True
    return may_look(targets) and bool(namespace_of(targets).all((targets == 0) | (targets == 1)))


def as_index(targets: Array) -> Any:
    """Classes in the library's own index type."""
    xp = namespace_of(targets)
    return xp.astype(targets, xp.arange(0).dtype, copy=False)


def classes_last(xp: Namespace, x: Any, axis: int | None, ndim: int) -> Any:
    """The class axis, of an array with all the logits' axes, brought to the end."""
    return xp.moveaxis(x, axis, -1) if is_array(x) and axis is not None and x.ndim == ndim else x


def classes_back(xp: Namespace, x: Array, axis: int | None) -> Any:
    """The undoing of `classes_last`."""
    return x if axis is None else xp.moveaxis(x, -1, axis)


def reduced(xp: Namespace, losses: Array, divisor: Any, logits: Array) -> Any:
    """The losses' sum in the widest type there is, divided, and rounded once."""
    with np.errstate(all="ignore"):
        value = xp.sum(losses, dtype=accumulator(xp, logits))
        if divisor is not None:
            value = value / (xp.astype(divisor, value.dtype) if is_array(divisor) else divisor)
        return xp.astype(value, logits.dtype, copy=False)


def count(xp: Namespace, mask: Array) -> Any:
    """How many are True."""
    return xp.sum(xp.astype(mask, xp.float32), dtype=accumulator(xp, mask))


def row_total(x: Array, axis: int) -> Any:
    """Sums along one axis, in the widest type there is."""
    xp = namespace_of(x)
    return xp.sum(x, axis=axis, dtype=accumulator(xp, x))

"""Running a program: NumPy's blocks, Dask's chunks, CuPy's kernels, or the library's own operations."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import cache, partial
from types import ModuleType
from typing import Any

import numpy as np

from ..typing import Array, Namespace
from . import numpy_blocks
from .arrays import Varying, is_array, is_of, namespace_of, numpy_namespace, quiet
from .choice import is_compiled
from .cuda_launch import run_fused
from .numpy_bits import among, parted, power_of_two, to_odd
from .numpy_blocks import CLASSES, ROW, SUM, keep_memory, run_in_blocks, sum_of_few, where
from .numpy_threads import alone
from .torch_tensors import is_watched
from .untraced import UntracedError, is_untraced, pass_over

__all__ = ["BLOCK", "Program", "formulas_namespace", "run"]

BLOCK = 2**17
"""Logits that NumPy works on at a time: enough that Python's share of the time is small, few enough for a core's caches."""


Program = Callable[..., tuple[Array, ...]]


def _another(plain: Any) -> Any:
    """A namespace with the same names, of which some may be given anew."""
    tuned = ModuleType(plain.__name__)
    tuned.__dict__.update(plain.__dict__)
    return tuned


@cache
def _tuned_numpy() -> Namespace:
    """NumPy's namespace, but for what it computes slowly."""
    plain = numpy_namespace()
    tuned = _another(plain)

    def add_up(x: Array, /, *, axis: Any = None, **options: Any) -> Any:
        few = axis == -1 and not options and x.dtype.kind == "f" and x.shape[-1] <= numpy_blocks.FEW_CLASSES
        return sum_of_few(x) if few else plain.sum(x, axis=axis, **options)  # type: ignore[arg-type]

    tuned.astype = lambda x, dtype, /, *, copy=True: x.astype(dtype, copy=copy)
    tuned.where = where
    tuned.sum = add_up
    tuned.among = among
    tuned.parted, tuned.power_of_two, tuned.to_odd = parted, power_of_two, to_odd
    return tuned  # type: ignore[no-any-return]


@cache
def _tuned_jax() -> Namespace:
    """JAX's namespace, with a way to run a function as one operation: what is not traced pays for each by itself."""
    jax = sys.modules["jax"]
    tuned = _another(jax.numpy)
    tuned.at_once = cache(partial(jax.jit, static_argnums=0))
    return tuned  # type: ignore[no-any-return]


@cache
def _loops() -> Any:
    """What runs compiled loops; asking for it again costs less than importing it again."""
    from .compiled_launch import run_compiled

    return run_compiled


def formulas_namespace(logits: Array) -> Namespace:
    """The namespace that the formulas are handed."""
    if isinstance(logits, np.ndarray):
        return _tuned_numpy()
    return _tuned_jax() if is_of(logits, "jax") else namespace_of(logits)


def run(
    program: Program,
    arguments: Sequence[Any],
    inputs: Sequence[str],
    outputs: Sequence[tuple[str, Any]],
    compute: str | None = None,
    limit: int | None = None,
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
    limit : int, optional
        How many logits NumPy works on at a time; `BLOCK` unless said otherwise.
    """
    logits = arguments[0]
    if type(logits) is not np.ndarray:
        if is_of(logits, "dask.array"):
            return _run_dask(program, arguments, inputs, outputs, compute)
        if is_of(logits, "cupy") and compute is not None and not is_untraced(program):
            try:
                return run_fused(sys.modules["cupy"], program, arguments, inputs, outputs, compute)
            except UntracedError as error:
                pass_over(error)
        if compute is not None and is_of(logits, "torch") and not is_watched() and is_compiled():
            from .compiled_bfloat16 import run_bfloat16

            if (narrow := run_bfloat16(program, arguments, inputs, outputs)) is not None:
                return narrow
    if compute is not None and isinstance(logits, np.ndarray) and is_compiled():
        found: tuple[Array, ...] | None = _loops()(program, arguments, inputs, outputs)
        if found is not None:
            return found
    # Some libraries take plain numbers only.
    arguments = [float(a) if type(a) is Varying else a for a in arguments]
    with quiet(logits):
        if isinstance(logits, np.ndarray):
            keep_memory()
        program = partial(program, formulas_namespace(logits))
        limit = limit or BLOCK
        many = min(limit, numpy_blocks.PART, 2**12 if inputs[0] == CLASSES else limit)
        if isinstance(logits, np.ndarray) and (logits.size > many or not logits.flags.c_contiguous):
            return run_in_blocks(program, arguments, inputs, outputs, limit)
        return program(*arguments)


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

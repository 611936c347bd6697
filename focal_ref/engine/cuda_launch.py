"""Fused kernels, made once and launched: what `run` does where a library of CUDA arrays (CuPy) runs a program."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any

import numpy as np

from ..typing import Array
from . import symbols
from .arrays import Varying
from .cuda_rows import BLOCK, rows_kernel, threads
from .numpy_blocks import CLASSES
from .row_symbols import EACH, EACH_CLASS, EACH_ROW, NUMBER, ONE, Cell

__all__ = ["declared", "run_fused"]

MOST_BLOCKS = 2**16
"""More rows than so many blocks hold come in turns."""


def run_fused(
    library: Any,
    program: Callable[..., tuple[Array, ...]],
    arguments: Sequence[Any],
    inputs: Sequence[str],
    outputs: Sequence[tuple[str, Any]],
    compute: str,
) -> tuple[Array, ...]:
    """Run a program as one kernel.

    Parameters
    ----------
    library : module
        CuPy.
    program : callable
        `program(xp, *arguments)`; a partial of the same function and keywords finds the kernel made before.
    arguments, inputs, outputs, compute
        As for `run.run`, of the two losses' programs.
    """
    known = (program.func, tuple(sorted(program.keywords.items()))) if isinstance(program, partial) else (program, ())
    given = [np.dtype(compute).type(a) if isinstance(a, Varying) else a for a in arguments]
    made = [(kind, np.dtype(dtype).name) for kind, dtype in outputs]
    with given[0].device:
        return (_on_rows if inputs[0] == CLASSES else _on_elements)(library, known, given, inputs, made, compute)


def _on_elements(
    library: Any, known: Any, given: Sequence[Any], inputs: Sequence[str], outputs: Sequence[tuple[str, str]], compute: str
) -> tuple[Array, ...]:
    handed = [isinstance(a, (library.ndarray, np.generic)) for a in given]
    types = tuple(a.dtype.name if is_handed else a for a, is_handed in zip(given, handed, strict=True))
    kernel = _elementwise(library, *known, types, tuple(dtype for _, dtype in outputs), compute)
    results: tuple[Array, ...] = kernel(*(a for a, is_handed in zip(given, handed, strict=True) if is_handed))
    return results


@lru_cache(256)
def _elementwise(library: Any, function: Any, keywords: Any, types: Any, results: tuple[str, ...], compute: str) -> Any:
    source = symbols.traced(partial(function, **dict(keywords)), types, compute)
    return library.ElementwiseKernel(**declared(source, results, compute))


def declared(source: symbols.Source, results: Sequence[str], compute: str) -> dict[str, Any]:
    """What to make a `cupy.ElementwiseKernel` of.

    Parameters
    ----------
    source : symbols.Source
    results : sequence of str
        The results' types.
    compute : {"float32", "float64"}

    Examples
    --------
    >>> source = symbols.Source(("float16", "bool"), ("r0",), "r0 = a1 ? number(a0) : number(0.0);")
    >>> made = declared(source, ["float16"], "float32")
    >>> made["in_params"], made["out_params"]
    ('float16 a0, bool a1', 'float16 r0')
    """
    return {
        "in_params": ", ".join(f"{dtype} a{i}" for i, dtype in enumerate(source.arguments)),
        "out_params": ", ".join(f"{dtype} {name}" for dtype, name in zip(results, source.results, strict=True)),
        "operation": source.body,
        "name": "focal_ref",
        "preamble": symbols.BEFORE.format(symbols.REAL[compute]),
        "return_tuple": True,
    }


@lru_cache(256)
def _rowwise(library: Any, function: Any, keywords: Any, cells: Any, results: Any, compute: str, classes: int) -> Any:
    code = rows_kernel(partial(function, **dict(keywords)), cells, results, compute, classes, threads(classes), BLOCK)
    return library.RawKernel(code, "focal_ref")


def _on_rows(
    library: Any, known: Any, given: Sequence[Any], inputs: Sequence[str], outputs: Sequence[tuple[str, str]], compute: str
) -> tuple[Array, ...]:
    shape = given[0].shape
    cells, handed = [], []
    for a, kind in zip(given, inputs, strict=True):
        cell, a = _laid_out(library, a, shape if kind == CLASSES else shape[:-1], kind)
        cells.append(cell)
        if isinstance(cell, Cell):
            handed.append(a)
    places = tuple(Cell(dtype, EACH if kind == CLASSES else EACH_ROW) for kind, dtype in outputs)
    results = tuple(library.empty(shape if c.place == EACH else shape[:-1], dtype=c.dtype) for c in places)
    classes, rows = shape[-1], math.prod(shape[:-1])
    if rows and classes:
        group = threads(classes)
        blocks = min(-(-rows // (BLOCK // group)), MOST_BLOCKS)
        kernel = _rowwise(library, *known, tuple(cells), places, compute, classes)
        kernel((blocks,), (group, BLOCK // group), (np.int64(rows), *handed, *results))
    return results


def _laid_out(library: Any, a: Any, shape: tuple[int, ...], kind: str) -> tuple[Any, Any]:
    """An argument's cell, and its array as the kernel reads it: an entry a class or row one after another."""
    if isinstance(a, np.generic):
        return Cell(a.dtype.name, NUMBER), a
    if not isinstance(a, library.ndarray):
        return a, a
    full = EACH if kind == CLASSES else EACH_ROW
    if a.shape == shape:
        place = full
    elif a.size == 1:
        place = ONE
    elif kind == CLASSES and a.size == shape[-1] == a.shape[-1]:
        place = EACH_CLASS
    else:
        place, a = full, library.broadcast_to(a, shape)
    return Cell(a.dtype.name, place), library.ascontiguousarray(a)

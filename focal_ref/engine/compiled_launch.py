"""Programs of NumPy arrays as compiled loops: made once for each plan and kinds of arguments, then called part by part.

Bits depend on the entries alone: a row's sums have fixed lanes, and sums of losses carry their rounding errors along, so that
they are those of the exact sum, rounded, however the losses are parted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import choice, rooms
from .compiled_build import NotBuiltError, address, build
from .compiled_layout import Strided, laid_out, type_name
from .compiled_parts import cut_part, flat_part, total
from .compiled_printer import printed
from .compiled_symbols import Known, Vectors
from .compiled_text import LANES, STORED, Cell, Loop
from .numpy_blocks import CLASSES, PART, SUM, keep_memory, slices
from .numpy_threads import share
from .row_symbols import INDEX
from .untraced import UntracedError, is_untraced, pass_over, trace

__all__ = ["Nothing", "loop_of", "run_compiled"]

FEW_CLASSES = 256
"""Up to so many, eight rows are taken at a time."""
STEEP_FROM = 1e4
"""The mathematics' `power.STEEP`, which the engine can't import."""
_STEEP, _MILD = 1e5, 1.25
"""What stands for any γ beyond that, and for any other but those that need no logarithm."""
_INSIDE = 0.5
"""What stands for any α between 0 and 1."""
_LITERAL = (0.0, 0.5, 1.0, 2.0)


class _Made(NamedTuple):
    """A loop, ready to be called."""

    call: Any
    kept: int


def run_compiled(
    program: Callable[..., tuple[Any, ...]],
    arguments: Sequence[Any],
    inputs: Sequence[str],
    outputs: Sequence[tuple[str, Any]],
) -> tuple[NDArray[Any], ...] | None:
    """Run a program as one loop.

    Parameters
    ----------
    program : functools.partial
        Of a program and its plan: `program(xp, *arguments)`.
    arguments, inputs, outputs
        As for `focal_ref.engine.run.run`.

    Returns
    -------
    tuple of array, or None
        None where no loop takes such arrays (another byte order, a type that loops don't know, no classes), or none can be
        built here or traced, which is said once.
    """
    if is_untraced(program):
        return None
    try:
        if inputs[0] != CLASSES:
            return _on_elements(program, arguments, outputs)
        if not all(map(_is_plain, arguments)) or not arguments[0].shape[-1]:
            return None
        return _on_rows(program, arguments, inputs, outputs)
    except NotBuiltError as error:
        choice.give_up(error)
    except UntracedError as error:
        pass_over(error)
    return None


def _is_plain(a: Any) -> bool:
    """Whether a loop takes an argument."""
    if isinstance(a, np.ndarray):
        return type_name(a.dtype) in STORED
    return a is None or isinstance(a, (bool, int, float, np.generic))


def _for_loops(plan: Any, dtype: Any) -> Any:
    """The plan of a loop, which evaluates and weighs in float64."""
    carry = (plan.carry or dtype == np.float64) and not plan.exact
    roomy, looks_up = plan.rows and not carry and not plan.exact, plan.rows and not plan.exact
    return plan._replace(formulas="float64", compute="float64", carry=carry, roomy=roomy, looks_up=looks_up)


def _number(a: float, i: int, plan: Any) -> Any:
    """What a number is to the trace: handed over, or for a kernel's parameter perhaps the number itself.

    A literal has formulas of its own (γ = 2 is a product). Of another number, some kernels ask only whether it is steep, and
    share their loops; to the others' formulas their parameters are as arrays are. Of α, they ask whether it is inside (0, 1).
    """
    parameters = len(plan.kernel.parameters)
    if i == 2 + parameters and 0 < a < 1:
        return (_INSIDE,)
    if not (2 <= i < 2 + parameters):
        return Cell("float64", "number")
    if a in _LITERAL:
        return float(a)
    if plan.kernel.asks_steepness_only:
        return (_STEEP if a > STEEP_FROM else _MILD,)
    return Cell("float64", "number")


@lru_cache(512)
def loop_of(
    function: Any, plan: Any, given: tuple[Any, ...], results: tuple[Cell, ...], sums: Any, kind: str, dtype: Any
) -> _Made:
    """The loop of a plan, for arguments of such kinds; `sums`: which results are sums and errors."""
    keep_memory()  # results' fresh pages would cost a third of the time
    plan = _for_loops(plan, dtype)
    xp = Vectors(not plan.carry and not plan.exact)
    symbols = [_symbol(xp, a, i) for i, a in enumerate(given)]
    ends = trace(function, xp, *symbols, plan=plan)
    spread: list[Any] = []
    for end, summed in zip(ends, sums, strict=True):
        spread += _summed(xp, end) if summed else [end]
    cells = [Cell("float64", "number") if isinstance(a, tuple) and not isinstance(a, Cell) else a for a in given]
    kernel = printed(xp, cells, spread, results, Loop(kind))
    return _Made(build(kernel.text, _letters(cells, results, kind)), kernel.kept)


def _symbol(xp: Vectors, a: Any, i: int) -> Any:
    if isinstance(a, Cell):
        if a.place == "number":
            return xp.argument("handed", "number", i, False)
        kind = "bool" if a.dtype == "bool" else "number" if "float" in a.dtype else INDEX
        op = {"each": "each", "class": "class_of", "row": "of_row"}[a.place]
        return xp.argument(op, kind, i, a.place != "row")
    return Known(a[0], xp.argument("handed", "number", i, False)) if isinstance(a, tuple) else a


def _summed(xp: Vectors, terms: Any) -> list[Any]:
    """A sum and its error; one that is infinite has none."""
    value, error = xp.summed(terms, xp.asarray(0.0))
    return [value, xp.where(xp.abs(error) < xp.inf, error, 0.0)]


def _letters(cells: Sequence[Any], results: Sequence[Cell], kind: str) -> str:
    found = "ii"
    for cell in (*cells, *results):
        if isinstance(cell, Cell):
            found += "d" if cell.place == "number" else "i"
            found += "i" * (
                (kind != "elements" and cell.place in ("row", "each")) + (kind == "across" and cell.place == "each")
            )
    return found + "i"


# Elements


def _on_elements(program: Any, arguments: Sequence[Any], outputs: Sequence[tuple[str, Any]]) -> tuple[Any, ...] | None:
    logits = arguments[0]
    shape, size = logits.shape, logits.size
    plan = program.keywords["plan"]
    given: list[Any] = []
    handed: list[Any] = []
    flat = True
    for i, a in enumerate(arguments):
        if a is None:
            given.append(None)
        elif isinstance(a, np.ndarray) and (a.size != 1 or i == 0):
            given.append(a.dtype)
            handed.append(a)
            flags = a.flags
            flat = flat and flags.c_contiguous and flags.aligned and a.shape == shape
        else:
            a = a.item() if isinstance(a, np.ndarray) else a
            number = _number(a, i, plan)
            given.append(number)
            if not isinstance(number, float):
                handed.append(float(a))
    call = _element_loop(program.func, plan, tuple(given), tuple(outputs))
    if call is None:
        return None
    results = [None if kind == SUM else rooms.empty(shape, dtype) for kind, dtype in outputs]
    parts: list[Any] = [0] if flat and 0 < size <= PART else list(range(0, size, PART) if flat else slices(shape, PART))
    totals = np.zeros((max(len(parts), 1), len(results), 2))
    fill = partial(flat_part if flat else cut_part, call, handed, results, totals, shape)
    if len(parts) > 1:
        share(fill, enumerate(parts))
    elif size:
        fill((0, parts[0]))
    return tuple(total(totals[:, k]) if r is None else r[()] if r.ndim == 0 else r for k, r in enumerate(results))


@lru_cache(512)
def _element_loop(function: Any, plan: Any, given: tuple[Any, ...], outputs: tuple[tuple[str, Any], ...]) -> Any:
    """The loop for arguments of such types, or numbers; None where there is none."""
    if any(isinstance(a, np.dtype) and type_name(a) not in STORED for a in given):
        return None
    symbols = tuple(Cell(type_name(a), "each") if isinstance(a, np.dtype) else a for a in given)
    sums = tuple(kind == SUM for kind, _ in outputs)
    return loop_of(function, plan, symbols, _results(outputs, sums), sums, "elements", given[0]).call


def _results(outputs: Sequence[tuple[str, Any]], sums: Sequence[bool]) -> tuple[Cell, ...]:
    cells: list[Cell] = []
    for (_, dtype), summed in zip(outputs, sums, strict=True):
        cells += [Cell("float64", "row")] * 2 if summed else [Cell(type_name(np.dtype(dtype)), "each")]
    return tuple(cells)


# Rows


def _on_rows(
    program: Any, arguments: Sequence[Any], inputs: Sequence[str], outputs: Sequence[tuple[str, Any]]
) -> tuple[Any, ...]:
    logits = arguments[0]
    classes = logits.shape[-1]
    kind = "across" if classes <= FEW_CLASSES else "along"
    rows = laid_out(arguments, inputs, outputs, kind)
    given, sent = [], []
    for i, (a, by) in enumerate(rows.arguments):
        given.append(a if a is None or isinstance(a, Cell) else _number(a, i, program.keywords["plan"]))
        if not (given[-1] is None or isinstance(given[-1], float)):
            sent.append(by if isinstance(by, Strided) else float(by))
    sent += [by for _, by in rows.results]
    cells = tuple(cell for cell, _ in rows.results)
    made = loop_of(program.func, program.keywords["plan"], tuple(given), cells, (False,) * len(outputs), kind, logits.dtype)
    kept = made.kept * (classes * LANES if kind == "across" else -(-classes // LANES) * LANES)
    tasks = list(rows.tasks(max(1, PART // classes)))

    def fill(task: tuple[tuple[int, ...], int, int]) -> None:
        run, start, count = task
        scratch = np.empty(max(kept, 1))
        values: list[Any] = []
        for by in sent:
            values += by.sent(run, start) if isinstance(by, Strided) else (by,)
        made.call(count, classes, *values, address(scratch))

    if len(tasks) > 1:
        share(fill, tasks)
    elif tasks:
        fill(tasks[0])
    return tuple(
        total(_sums(result)) if output == SUM else result[()] if result.ndim == 0 else result
        for result, (output, _) in zip(rows.made, outputs, strict=True)
    )


def _sums(losses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums and errors of losses."""
    cells = (Cell("float64", "row"),) * 2
    call = loop_of(_identity, Nothing(), (Cell("float64", "each"),), cells, (True,), "elements", np.dtype(np.float64)).call
    found = np.zeros((max(1, -(-losses.size // PART)), 1, 2))
    for number in range(len(found)):
        flat_part(call, [losses], [None], found, losses.shape, (number, number * PART))
    return found


class Nothing(NamedTuple):
    """A plan where there is nothing to decide."""

    formulas: str = ""
    compute: str = ""
    carry: bool = False
    roomy: bool = False
    exact: str = ""
    looks_up: bool = False
    rows: bool = False


def _identity(xp: Any, x: Any, *, plan: Any) -> tuple[Any, ...]:
    return (x,)

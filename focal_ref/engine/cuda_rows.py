"""A program of rows as one CUDA kernel: formulas run on symbols (`focal_ref.engine.row_symbols`), cut where they sum up a row.

A group of threads takes a row, each thread every so many classes. What stands for a single class is not kept: all reductions
that can be made by then (the largest logit; the sums that need it) take one walk along the row, which computes what they need
anew, from the logits and what earlier walks have found, and the last walk writes the results. Only the first reads from afar.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from .row_symbols import C_TYPES, EACH, NUMBER, Cell, Reduction, RowSymbols
from .symbols import BEFORE, REAL, Symbol
from .untraced import trace

__all__ = ["BLOCK", "rows_kernel", "threads"]

BLOCK = 256
"""Threads of a block."""
WARP = 32
FEW, MANY = 4, 64
"""Classes that one thread takes before others join in: up to a warp, where meeting costs little, and beyond."""


def threads(classes: int) -> int:
    """How many threads take a row.

    Examples
    --------
    >>> [threads(classes) for classes in (2, 10, 1000, 50257)]
    [1, 4, 32, 256]
    """
    few, many = (1 << (-(-classes // share) - 1).bit_length() for share in (FEW, MANY))
    return max(min(few, WARP), min(many, BLOCK))


def rows_kernel(
    program: Callable[..., Sequence[Any]],
    arguments: Sequence[Any],
    results: Sequence[Cell],
    compute: str,
    classes: int,
    group: int,
    block: int,
) -> str:
    """A program of rows as a CUDA kernel, `focal_ref(rows, arguments..., results...)`, for blocks of (group, block / group).

    Parameters
    ----------
    program : callable
        `program(xp, *arguments)` returns the results. Python's `if` may ask what arguments are, not for values.
    arguments : sequence
        A `Cell`, or the Python number or None that it is.
    results : sequence of Cell
    compute : {"float32", "float64"}
        The type that is computed in.
    classes : int
        The length of a row.
    group, block : int
        How many threads take a row, and how many are in a block: powers of two.
    """
    symbols = RowSymbols(compute, classes)
    given = [symbols.argument(f"a{i}", a) if isinstance(a, Cell) else a for i, a in enumerate(arguments)]
    ends = trace(program, symbols, *given)
    needed = _reached(ends)
    order = [symbol for symbol in symbols.known.values() if symbol.name in needed]
    cells = [*((f"a{i}", a) for i, a in enumerate(arguments)), *((f"r{i}", cell) for i, cell in enumerate(results))]
    handed = [(name, cell) for name, cell in cells if isinstance(cell, Cell)]
    declared = [_parameter(name, cell) for name, cell in handed]
    walks = _walks(order)
    return "\n".join(
        [
            *(f"#include <cupy/{dtype}.cuh>" for dtype in sorted({cell.dtype for _, cell in handed} & {"bfloat16", "float16"})),
            BEFORE.format(REAL[compute]),
            f"#define CLASSES {classes}LL\n#define THREADS {group}\n#define ROWS {block // group}",
            _SUPPORT,
            *(_struct(level, due) for level, due in walks.items()),
            f"{_HEAD}(const long long rows, {', '.join(declared)})",
            _LOOP,
            *_body(order, walks, list(zip(ends, results, strict=True))),
            "}\n}",
        ]
    )


def _parameter(name: str, cell: Cell) -> str:
    if cell.place == NUMBER:
        return f"const number {name}"
    return f"{'const ' if name.startswith('a') else ''}{C_TYPES[cell.dtype]} *__restrict__ {name}"


def _reached(ends: Iterable[Symbol], *, along_row: bool = False) -> set[str]:
    """What the ends are made of; `along_row`: only what has an entry a class, down to what is known before the walk."""
    found: set[str] = set()
    waiting = list(ends)
    while waiting:
        symbol = waiting.pop()
        if symbol.name not in found and (symbol.per_class or not along_row):
            found.add(symbol.name)
            waiting += symbol.needs
    return found


def _walks(order: Sequence[Symbol]) -> dict[int, list[Reduction]]:
    """The reductions of each walk."""
    found: dict[int, list[Reduction]] = {}
    for symbol in order:
        if isinstance(symbol, Reduction):
            found.setdefault(symbol.level - 1, []).append(symbol)
    return dict(sorted(found.items()))


def _struct(level: int, due: Sequence[Reduction]) -> str:
    """What a thread finds on a walk, and how it learns what the others of its group found."""
    members = " ".join(f"{symbol.kind} {symbol.name};" for symbol in due)
    meeting = " ".join(f"{symbol.name}.meet(step);" for symbol in due)
    return f"struct Walk{level} {{ {members} __device__ void meet(int step) {{ {meeting} }} }};"


def _body(order: Sequence[Symbol], walks: dict[int, list[Reduction]], ends: list[tuple[Symbol, Cell]]) -> list[str]:
    lines: list[str] = []
    for level in range(max(symbol.level for symbol in order) + 1):
        lines += [symbol.line for symbol in order if not symbol.per_class and symbol.level == level]
        if level in walks:
            due = walks[level]
            lines.append(f"Walk{level} walk{level} = {{{', '.join(_START[symbol.kind] for symbol in due)}}};")
            steps = [f"walk{level}.{symbol.name}.add({symbol.taken});" for symbol in due]
            lines += _along_row(order, [need for symbol in due for need in symbol.needs], steps)
            lines.append(f"meet(walk{level});")
    stores = [(f"r{i}[{cell.place}] = {end.name};", end, cell.place == EACH) for i, (end, cell) in enumerate(ends)]
    inner = [(text, end) for text, end, per_class in stores if per_class]
    lines.append("if (within) {")
    if inner:
        lines += _along_row(order, [end for _, end in inner], [text for text, _ in inner])
    outer = " ".join(text for text, _, per_class in stores if not per_class)
    return [*lines, *([f"if (threadIdx.x == 0) {{ {outer} }}"] if outer else []), "}"]


def _along_row(order: Sequence[Symbol], ends: Sequence[Symbol], steps: Sequence[str]) -> list[str]:
    inside = _reached(ends, along_row=True)
    lines = [symbol.line for symbol in order if symbol.name in inside]
    return ["for (long long j = threadIdx.x; j < CLASSES; j += THREADS) {", *lines, *steps, "}"]


_START = {"Largest": "{-number_inf}", "Place": "{-number_inf, 0}", "Sum": "{0}", "Compensated": "{0, 0}", "Any": "{0}"}

_SUPPORT = """\
template <typename V> __device__ V other(V value, int step) { return __shfl_xor_sync(0xffffffffu, value, step); }

struct Largest {
    number value;
    __device__ void add(number term) { value = term > value || term != term ? term : value; }
    __device__ void meet(int step) { add(other(value, step)); }
};

struct Place {
    number value;
    long long place;
    __device__ void add(number term, long long at) {
        const bool before = term > value || (term == value && at < place);
        value = before ? term : value;
        place = before ? at : place;
    }
    __device__ void meet(int step) {
        const number term = other(value, step);
        add(term, other(place, step));
    }
};

struct Sum {
    number value;
    __device__ void add(number term) { value += term; }
    __device__ void meet(int step) { add(other(value, step)); }
};

struct Compensated {
    number value, error;
    __device__ void add(number term, number low) {
        const number sum = value + term, back = sum - value;
        error += ((value - (sum - back)) + (term - back)) + low;
        value = sum;
    }
    __device__ void meet(int step) {
        error += other(error, step);
        add(other(value, step), 0);
    }
};

struct Any {
    int value;
    __device__ void add(bool term) { value |= term; }
    __device__ void meet(int step) { value |= other(value, step); }
};

template <typename Walk> __device__ void meet(Walk& mine) {
    for (int step = (THREADS < 32 ? THREADS : 32) / 2; step > 0; step /= 2) mine.meet(step);
#if THREADS > 32
    __shared__ Walk of_warp[ROWS][THREADS / 32];
    if (threadIdx.x % 32 == 0) of_warp[threadIdx.y][threadIdx.x / 32] = mine;
    __syncthreads();
    mine = of_warp[threadIdx.y][threadIdx.x % (THREADS / 32)];
    for (int step = THREADS / 64; step > 0; step /= 2) mine.meet(step);
    __syncthreads();
#endif
}
"""
"""What reductions are made of. Whoever adds to whom, both sides have the same bits."""

_HEAD = 'extern "C" __global__ void __launch_bounds__(THREADS * ROWS) focal_ref'
_LOOP = """\
{
for (long long first = (long long)blockIdx.x * ROWS; first < rows; first += (long long)gridDim.x * ROWS) {
// Threads without a row go along on the last one, since the others wait for them.
const bool within = first + threadIdx.y < rows;
const long long row = within ? first + threadIdx.y : rows - 1;"""

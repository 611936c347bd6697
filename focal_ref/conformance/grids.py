"""Logits to measure at: chosen for what breaks real code, seeded, exact in the type they are for.

Every point has a purpose, one of `PURPOSES`. tests/conformance/test_grids.py checks that the grids reach what they are for.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..engine.precision import WIDER
from ..typing import Floats
from .contract import GAMMAS
from .formats import every, neighbours, rounded
from .ulp import FORMATS, Format

__all__ = [
    "CLASSES",
    "GAMMAS",
    "PURPOSES",
    "Grid",
    "curvature_zero",
    "every",
    "neighbours",
    "rounded",
    "sigmoid",
    "softmax",
    "thresholds",
]


CLASSES = (2, 3, 10, 100, 1000)
ROWS = {100: 45, 1000: 18}
"""How many rows of so many classes are kept, of every purpose alike; the oracle takes tens of milliseconds for 1000 classes."""
SEED = 20170807

PURPOSES = {
    "extreme": "0, the smallest and largest numbers of the type, ±1e30",
    "infinite": "±inf, where the limit is due",
    "nan": "NaN, which stays in its element or row",
    "threshold": "where exp, or its power 1 + γ, over- or underflows or is lost beside 1, here or one type wider; ±3 numbers",
    "curvature": "where φ'' changes its sign, for each γ; ±3 numbers",
    "dense": "evenly over [-8, 8], where training happens",
    "magnitude": "geometrically from the smallest number to the largest, of both signs",
    "random": "uniform over the range of exp, and normal",
    "spread": "rows 1e-3 to 700 wide; the target the largest, the second, the smallest, any",
    "tie": "equal logits, the target among them or not",
    "ahead": "the target alone, far above the others or far below them",
    "dominated": "one other class far above the rest, so that its share q is near 1",
    "shift": "a common shift that makes every difference inexact",
    "faint": "others that are subnormal one by one, but not in sum",
}


class Grid(NamedTuple):
    """Logits of one type with hard targets; for softmax, rows. No point stands twice, and the arrays are read-only."""

    link: str
    dtype: str
    logits: Floats
    """Exact in the type."""
    targets: NDArray[np.int32]
    purposes: tuple[str, ...]
    """Of each point or row."""


def curvature_zero(gamma: float) -> float:
    """The margin where φ'' changes its sign; NaN for γ = 0, where it has no zero.

    Examples
    --------
    >>> round(curvature_zero(2.0), 4)
    -2.7904
    """
    if gamma == 0:
        return math.nan
    low, high = -(1 + 2 * gamma) / gamma - 10, 0.0
    for _ in range(200):
        middle = (low + high) / 2
        e = math.exp(middle)
        p, u, nll = e / (1 + e), 1 / (1 + e), math.log1p(e) - middle
        low, high = (low, middle) if (1 + 2 * gamma) * u + gamma * nll * (gamma * p - u) > 0 else (middle, high)
    return high


def thresholds(dtype: str) -> list[float]:
    """Where exp overflows, becomes subnormal, 0, or is lost beside 1, in a type and in the next wider one.

    Examples
    --------
    >>> [round(edge, 2) for edge in thresholds("float64")]
    [36.74, 37.43, 708.4, 709.78, 744.44, 745.13]
    """
    result = []
    for fmt in (FORMATS[dtype], FORMATS[WIDER[dtype]]):
        powers = (fmt.digits, fmt.digits + 1, fmt.digits - fmt.emin - 1, fmt.digits - fmt.emin)
        result += [math.log(fmt.largest), -math.log(fmt.tiny), *(power * math.log(2) for power in powers)]
    return sorted(set(result))


@functools.cache
def sigmoid(dtype: str, gammas: tuple[float, ...] = GAMMAS) -> Grid:
    """Logits with both targets each.

    Examples
    --------
    >>> grid = sigmoid("float32")
    >>> bool(np.any(grid.logits == 1e30)), sorted(set(grid.targets.tolist()))
    (False, [0, 1])
    """
    parts = {purpose: _finite_pairs(values, dtype) for purpose, values in _sigmoid_parts(dtype, gammas).items()}
    parts |= {"infinite": np.asarray([-math.inf, math.inf]), "nan": np.asarray([math.nan])}
    purpose_of = {logit: purpose for purpose, values in reversed(parts.items()) for logit in values.tolist()}
    logits = np.asarray(list(purpose_of))
    targets = np.repeat(np.asarray([1, 0], dtype=np.int32), len(logits))
    return _frozen(Grid("sigmoid", dtype, np.concatenate([logits, logits]), targets, 2 * tuple(purpose_of.values())))


def _frozen(grid: Grid) -> Grid:
    """Grids are cached, so nobody may write into one."""
    grid.logits.flags.writeable = grid.targets.flags.writeable = False
    return grid


def _finite_pairs(values: Iterable[float], dtype: str) -> Floats:
    """Rounded to the type, both signs, each once, and only what fits."""
    centre = rounded(values, dtype)
    centre = centre[np.isfinite(centre)]
    return np.unique(np.concatenate([centre, -centre]) + 0.0)


def _sigmoid_parts(dtype: str, gammas: tuple[float, ...]) -> dict[str, Iterable[float]]:
    fmt, rng = FORMATS[dtype], np.random.default_rng(SEED)
    edges = [edge / power for edge in thresholds(dtype) for power in {1.0, *(1 + gamma for gamma in gammas)}]
    return {
        "extreme": [0.0, fmt.smallest, 2 * fmt.smallest, fmt.tiny, fmt.largest, fmt.largest / 2, 1e30],
        "threshold": neighbours(edges, dtype),
        "curvature": neighbours([curvature_zero(gamma) for gamma in gammas if gamma], dtype),
        "dense": np.linspace(0.0, 8.0, 257),
        "magnitude": _geometric(fmt.smallest, fmt.largest, 120),
        "random": np.concatenate(
            [rng.uniform(0.0, edge, 120) for edge in thresholds(dtype)[-8:]] + [rng.normal(0.0, 4.0, 300)]
        ),
    }


def _geometric(low: float, high: float, count: int) -> Floats:
    result: Floats = np.exp(np.linspace(math.log(low), math.log(high) * (1 - 1e-12), count))
    return result


Row: TypeAlias = tuple[str, list[float] | Floats, int]
"""Purpose, logits, target."""


@functools.cache
def softmax(dtype: str, classes: tuple[int, ...] = CLASSES) -> tuple[Grid, ...]:
    """Rows, a grid for each number of classes.

    Examples
    --------
    >>> [grid.logits.shape[1] for grid in softmax("float32")]
    [2, 3, 10, 100, 1000]
    """
    return tuple(_softmax(dtype, n) for n in classes)


def _softmax(dtype: str, n: int) -> Grid:
    rng = np.random.default_rng([SEED, n])
    families = (_spread, _ties, _ahead, _dominated, _shifts, _faint, _special)
    found: list[Row] = [
        (purpose, rounded(np.asarray(row, dtype=np.float64), dtype), target)
        for family in families
        for purpose, row, target in family(FORMATS[dtype], n, rng)
    ]
    once = {(np.asarray(row).tobytes(), target): (purpose, row, target) for purpose, row, target in found[::-1]}
    rows = _thinned(list(once.values())[::-1], n)
    logits, targets = np.stack([row for _, row, _ in rows]), np.asarray([target for _, _, target in rows], dtype=np.int32)
    return _frozen(Grid("softmax", dtype, logits, targets, tuple(purpose for purpose, _, _ in rows)))


def _thinned(rows: list[Row], n: int) -> list[Row]:
    """The first rows of every purpose, in turn: a family yields its most telling ones first."""
    by_purpose: dict[str, list[Row]] = {}
    for row in rows:
        by_purpose.setdefault(row[0], []).append(row)
    turns = itertools.chain.from_iterable(itertools.zip_longest(*by_purpose.values()))
    return list(itertools.islice((row for row in turns if row is not None), ROWS.get(n)))


def _targets(row: Floats, rng: np.random.Generator) -> list[int]:
    order = np.argsort(row)
    return [int(order[-1]), int(order[0]), int(order[-2]), int(rng.integers(len(row)))]


def _spread(fmt: Format, n: int, rng: np.random.Generator) -> Iterator[Row]:
    for width in (700.0, 1.0, -math.log(fmt.tiny), 30.0, 1e-3, 5.0, 0.1):
        row = rng.uniform(-width / 2, width / 2, n)
        row[rng.permutation(n)[:2]] = [-width / 2, width / 2]
        yield from (("spread", row, target) for target in _targets(row, rng))


def _ties(fmt: Format, n: int, rng: np.random.Generator) -> Iterator[Row]:
    row = rng.normal(0.0, 1.0, n)
    row[:2] = 4.5
    yield "tie", row, n - 1
    yield "tie", np.full(n, -3.25), n - 1
    yield "tie", row, 1
    yield "tie", np.zeros(n), 0


def _ahead(fmt: Format, n: int, rng: np.random.Generator) -> Iterator[Row]:
    edges = [edge for edge in thresholds(fmt.name) if edge < 800]
    for edge in (edges[-1], edges[-1] + math.log(n) + 2, *edges[-2::-1], 5.0, 12.0):
        for sign in (1, -1):
            row, target = rng.normal(0.0, 0.5, n), int(rng.integers(n))
            others = np.delete(row, target)
            row[target] = (others.max() if sign > 0 else others.min()) + sign * edge
            yield "ahead", row, target


def _dominated(fmt: Format, n: int, rng: np.random.Generator) -> Iterator[Row]:
    if n < 3:
        return
    lost, faint = fmt.digits * math.log(2), -math.log(fmt.tiny)
    for lead in (2 * lost, faint / 2, 8.0, lost, 3.0, faint + 2):
        lead += math.log(n)
        for target_at in (0.0, lead + 2, lead / 2, -lead):
            row = rng.normal(0.0, 1.0, n)
            row[1], row[0] = lead, target_at
            yield "dominated", row, 0


def _shifts(fmt: Format, n: int, rng: np.random.Generator) -> Iterator[Row]:
    for shift in (2.0**fmt.digits, 1e4, -1e3, fmt.largest / 4, -(2.0 ** (fmt.digits // 2))):
        row = rng.normal(0.0, 3.0, n)
        yield "shift", row + shift, int(rng.integers(n))
        yield "shift", row + shift, int(np.argmax(row))


def _faint(fmt: Format, n: int, rng: np.random.Generator) -> Iterator[Row]:
    for others in (0.5 * fmt.tiny, 0.01 * fmt.tiny, 4 * fmt.tiny / n):
        row = math.log(others) + rng.normal(0.0, 0.1, n)
        row[0] = 0.0
        yield "faint", row, 0
        yield "faint", row, n - 1


def _special(fmt: Format, n: int, rng: np.random.Generator) -> Iterator[Row]:
    base = rng.normal(0.0, 2.0, n)

    def having(*entries: float) -> Floats:
        row = base.copy()
        row[: len(entries)] = entries
        return row

    top, far = fmt.largest, min(1e30, fmt.largest / 4)
    for entries in (
        (top, -top),
        (-top, top),
        (top, top),
        (top,),
        (-top,),
        (far,),
        (-far,),
        (far, -far),
        (fmt.smallest, -fmt.smallest),
    ):
        yield "extreme", having(*entries), 0
    alone = np.full(n, -math.inf)
    alone[0] = 1.5
    for entries in ((0.0, math.inf), (-math.inf,), (math.inf, -math.inf), (math.inf, math.inf), (math.inf,), (1.0, -math.inf)):
        yield "infinite", having(*entries), 0
    yield "infinite", having(-math.inf), 1
    yield "infinite", alone, 0
    yield "infinite", np.full(n, -math.inf), 0
    yield "nan", having(1.0, math.nan), 0

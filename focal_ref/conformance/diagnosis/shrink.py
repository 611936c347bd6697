"""Shrinking to the smallest input that fails in the same way: fewer classes, rounder numbers, nearer to 0."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from ..results import Point

__all__ = ["shrunk"]

TRIES = 120
PLAIN = (2.0, 1.0, 0.0, 0.5)
"""γs to try, the plainest first."""


def shrunk(point: Point, fails: Callable[[Point], bool], *, keep_gamma: bool = False, keep_classes: bool = False) -> Point:
    """The smallest point that fails, found greedily.

    Parameters
    ----------
    point : Point
        One that fails.
    fails : callable
        Whether another one fails in the same way.
    keep_gamma, keep_classes : bool
        Whether γ, or the number of classes, cannot be changed.

    Examples
    --------
    >>> shrunk(Point("float32", 5.0, (104.27,), 1), lambda point: point.logits[0] > 17)
    Point(dtype='float32', gamma=2.0, logits=(18.0,), target=1, entry=0)
    """
    tries, going = 0, True
    while going and tries < TRIES:
        going = False
        for other in _simpler(point, keep_gamma, keep_classes):
            if _size(other) >= _size(point):
                continue
            tries += 1
            if fails(other):
                point, going = other, True
                break
            if tries >= TRIES:
                break
    return point


def _size(point: Point) -> tuple[float, ...]:
    """What is to become small, the weightiest first."""
    rank = PLAIN.index(point.gamma) if point.gamma in PLAIN else len(PLAIN) + point.gamma
    written = sum(len(f"{abs(x):.17g}".replace(".0", "")) for x in point.logits)
    different = len({x for x in point.logits if x != 0})
    total = sum(min(abs(x), 1e300) for x in point.logits)
    return len(point.logits), different, written, rank, total, sum(x < 0 for x in point.logits), point.target + point.entry


def _simpler(point: Point, keep_gamma: bool, keep_classes: bool) -> Iterator[Point]:
    if not keep_gamma:
        yield from (point._replace(gamma=gamma) for gamma in PLAIN if gamma != point.gamma)
    if len(point.logits) > 2 and not keep_classes:
        yield from _fewer_classes(point)
    for i, x in enumerate(point.logits):
        for y in _rounder(x):
            yield point._replace(logits=(*point.logits[:i], y, *point.logits[i + 1 :]))


def _fewer_classes(point: Point) -> Iterator[Point]:
    n, kept = len(point.logits), {point.target, point.entry}
    others = [i for i in range(n) if i not in kept]
    sizes = [0, 1, *(len(others) // 2**k for k in (3, 2, 1)), len(others) - 1]
    for size in sizes:
        for chosen in (others[:size], others[len(others) - size :]):
            places = sorted({*chosen, *kept})
            if 2 <= len(places) < n:
                logits = tuple(point.logits[i] for i in places)
                yield Point(point.dtype, point.gamma, logits, places.index(point.target), places.index(point.entry))
    if n == 3:
        places = [point.target, next(i for i in range(3) if i != point.target)]
        yield Point(point.dtype, point.gamma, tuple(point.logits[i] for i in places), 0, 0)


def _rounder(x: float) -> Iterator[float]:
    yield 0.0
    if not math.isfinite(x):
        return
    sign, size = math.copysign(1.0, x), abs(x)
    if size > 1:
        yield from (sign * float(math.floor(size * share)) for share in (1.0, 0.25, 0.5, 0.75, 0.9))
        yield from (sign * float(math.floor(size) - step) for step in (10, 3, 1) if size > step)
        yield sign * float(math.ceil(size))
    for digits in (1, 2, 3):
        yield float(f"{x:.{digits}g}")
    yield sign * size / 2
    yield sign

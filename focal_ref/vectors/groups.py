"""Batches: which cases of a file stand together in one call, in which shape, and what their mean and sum are.

What is wrong only in a batch (after the first block, at every 128th place, in the last rows, where (n, 1) meets (n,), with
classes along the second axis) shows in no case alone. A batch names cases by their places, so it costs few bytes.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import mpmath

from .cases import Inputs

__all__ = ["Batch", "batches", "reduced"]

SIZES = (1, 2, 3, 31, 33, 129, 257, 1025)
HIGHEST = 1024.0
"""Larger losses would be all that a sum shows."""


class Batch(NamedTuple):
    """A group before its results."""

    description: str
    cases: tuple[int, ...]
    shape: tuple[int, ...]
    axis: int | None


def batches(cases: Sequence[Inputs], exact: Sequence[dict[str, Any]]) -> Iterator[Batch]:
    """The batches of a file's cases: each of one γ, one α and one number of classes.

    Parameters
    ----------
    cases : sequence of Inputs
        In the file's order.
    exact : sequence of dict
        Their results: what is infinite is in a batch of its own.
    """
    row = isinstance(cases[0].logits, tuple)
    plain = _pool(cases, exact, lambda case: case.weight is None and case.target != -100, 3 if row else 1, True)
    for size in SIZES:
        yield Batch(f"{size} in a row", _taken(plain, size), (size,), 1 if row else None)
    for shape in ((5, 7), (1, 33), (33, 1)) if not row else ((5, 7),):
        yield Batch("several axes", _taken(plain, math.prod(shape)), shape, len(shape) if row else None)
    if row:
        yield Batch("classes along the second axis", _taken(plain, 40), (2, 4, 5), 1)
        yield Batch("classes along the first axis", _taken(plain, 33), (33,), 0)
        long = _pool(cases, exact, lambda case: case.weight is None, 1025, True)
        yield Batch("rows of 1025 classes", _taken(long, 9), (9,), 1)
    odd = _pool(cases, exact, lambda case: case.weight is not None or case.target == -100, 4 if row else 1, True)
    whole = _pool(cases, exact, lambda case: case.weight is None and case.target != -100, 4 if row else 1, True)
    odd += [i for i, case in enumerate(cases) if case.weight == 0 and case.gamma == 2.0 and i not in odd]
    size = len(odd)
    mixed = tuple(itertools.chain.from_iterable(zip(_taken(odd, size), _taken(whole, size), strict=True)))
    yield Batch("weights, and examples that are left out", mixed, (2 * size,), 1 if row else None)
    ends = _pool(cases, exact, lambda case: case.weight is None and case.target != -100, 3 if row else 1, False)
    worst = [next(i for i in ends if test(exact[i]["value"])) for test in (mpmath.isinf, mpmath.isnan)]
    alone = [*_taken(plain, 4), *worst, *_taken(plain, 9)[4:]]
    yield Batch("NaN and infinity stay where they are", tuple(alone), (len(alone),), 1 if row else None)


def _pool(
    cases: Sequence[Inputs], exact: Sequence[dict[str, Any]], wanted: Callable[[Inputs], bool], classes: int, finite: bool
) -> list[int]:
    """Places of hard cases with γ = 2, without α."""
    found = []
    for i, case in enumerate(cases):
        hard = case.soft_targets is None and case.alpha is None and case.gamma == 2.0 and not case.others
        size = len(case.logits) if isinstance(case.logits, tuple) else 1
        value = exact[i]["value"]
        usual = bool(mpmath.isfinite(value)) and value < HIGHEST
        if hard and size == classes and wanted(case) and usual == finite:
            found.append(i)
    return found


def _taken(pool: Sequence[int], count: int) -> tuple[int, ...]:
    """So many of a pool, none next to its neighbours, again from the start where there are fewer."""
    stride = next(step for step in (7, 5, 3, 2, 1) if math.gcd(step, len(pool)) == 1)
    return tuple(pool[i * stride % len(pool)] for i in range(count))


def reduced(batch: Batch, cases: Sequence[Inputs], exact: Sequence[dict[str, Any]]) -> tuple[int, Any, Any]:
    """How many losses are not ignored, their exact sum and mean."""
    count = sum(cases[i].target != -100 for i in batch.cases)
    with mpmath.workdps(200):
        total = mpmath.fsum(exact[i]["value"] for i in batch.cases)
        return count, total, total / count

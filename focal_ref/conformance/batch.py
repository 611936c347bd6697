"""Batch and layout: one example's loss depends on that example alone, wherever it stands, and on nothing that was asked before.

No oracle is needed. A pool of unremarkable points is repeated to batches of many sizes, shuffled, strided, in other orders of
memory and with other shapes; each point has to give what it gives in most places of a short batch or, where a long one differs,
of the one that is focal loss. What differs is told by the indices that it stands at and by the sizes of the batches.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ..typing import Floats
from . import sampling
from .candidate import Subject
from .grids import Grid
from .guard import Refused, contained
from .indices import pattern, sizes
from .layouts import odd_layouts
from .pool import BASE, CURE, POOL, Odd, Pool, number

__all__ = ["SIZES", "finite_alone", "odd_batches"]

SIZES = (0, 1, 2, 3, 31, 33, 127, 128, 129, 257, 1000, 65537)
FEWER_SIZES = (0, 1, 2, POOL, 128, 65537)
"""For JAX, which compiles every operation anew for each size."""
SHUFFLES = 9
ALONE = 4
"""One point of so many is asked for alone."""
SECONDS = 1.0
"""Larger batches are left out where a function is slower than that."""


def odd_batches(subject: Subject, dtype: str, gamma: float, classes: int, largest: float) -> Iterator[Odd]:
    """What depends on more than each example itself; nothing of functions that reduce."""
    pool = Pool(subject, dtype, gamma, classes, largest)
    places = np.arange(BASE) % POOL
    try:
        start = time.monotonic()
        base = pool.ask(places)
        pace = (time.monotonic() - start) / BASE
    except Refused as error:
        if subject.inputs == "logits":
            yield Odd(pool.main, "error", "a batch of ordinary logits is refused", "", 1, f"n = {BASE}", str(error), "losses")
        return
    due = _due(pool, base)
    remembers = list(_again(pool))
    if remembers:
        yield from remembers  # nothing else can be told of what changes from call to call
        return
    sized, others = list(_by_size(pool, due, pace)), list(_alone_in_it(pool, due))
    by_index = any(" ind" in odd.cause and "some ind" not in odd.cause and "every ind" not in odd.cause for odd in sized)
    if others and not by_index:  # sizes and layouts show the same again
        yield from [*others, *(odd for odd in sized if odd.kind != "inexact")]
        return
    yield from sized
    if not sized and subject.library is None:
        yield from odd_layouts(pool, due)


def _due(pool: Pool, base: dict[str, Floats]) -> dict[str, Floats]:
    """What each point gives in most places of short batches; of the long one, where only that is focal loss."""
    long = {q: np.nanmedian(result.reshape(BASE // POOL, POOL, *result.shape[1:]), axis=0) for q, result in base.items()}
    rng, found = np.random.default_rng(7), []
    try:
        for _ in range(SHUFFLES):
            order = rng.permutation(POOL)
            found.append({q: result[np.argsort(order)] for q, result in pool.ask(order).items()})
    except Refused:
        return long
    short = {q: np.nanmedian([part[q] for part in found], axis=0) for q in base}
    main = next(iter(base))
    same = [np.count_nonzero(pool.wrong(due[main], pool.exact)) if pool.exact is not None else 0 for due in (short, long)]
    return short if main != "value" or same[0] <= same[1] else long


def finite_alone(subject: Subject, dtype: str, gamma: float, parts: Sequence[Grid]) -> Iterator[Odd]:
    """Whether finite logits without infinite and NaN ones beside them are taken; a NaN hides what a maximum would show."""
    for grid in parts:
        part = sampling.finite(grid)
        if len(part.logits) in (0, len(grid.logits)):
            continue
        try:
            with contained():
                subject.first(dtype, gamma, part.logits, part.targets, ("value",))
        except Refused as error:
            largest = float(np.abs(part.logits).max())
            cause, line = "it raises at large logits", f"finite logits up to {largest:.3g}"
            yield Odd("value", "error", cause, "every finite logit has a loss", 1, line, str(error), "losses")
            return


def _by_size(pool: Pool, due: dict[str, Floats], pace: float) -> Iterator[Odd]:
    """Batches of many sizes, each in a shuffled order: which of them are wrong, and where."""
    rng = np.random.default_rng(1)
    bad: dict[str, list[tuple[int, NDArray[np.bool_], Floats, Floats]]] = {}
    right: list[int] = []
    least = 0 if pool.subject.library is None else 1  # no library trains on nothing
    chosen = FEWER_SIZES if pool.subject.framework.arrays.name.startswith("jax") else SIZES
    for n in (n for n in (*chosen, BASE) if n >= least and n * pace <= SECONDS):
        places = rng.permutation(np.arange(max(n, POOL)) % POOL)[:n]
        try:
            got = pool.ask(places)
        except Refused as error:
            if n:
                yield _refused(n, str(error))
            elif "got shape" in str(error):
                yield Odd("value", "shape", "n = 0: an empty batch has no losses", CURE, 1, "n = 0", str(error), "no losses")
            continue
        fine = True
        for q, result in got.items():
            mask = pool.wrong(result, due[q][places])
            fine &= not mask.any()
            if mask.any():
                bad.setdefault(q, []).append((n, mask, result, due[q][places]))
        right += [n] if fine else []
    for q, found in bad.items():
        if q == "grad" and "value" in bad and [n for n, *_ in found] == [n for n, *_ in bad["value"]]:
            continue  # the value's fault, differentiated
        n, mask, result, exact = found[-1]
        where = pattern([(size, wrong) for size, wrong, *_ in found], right)
        place = int(np.flatnonzero(mask)[0])
        count = sum(int(np.count_nonzero(wrong)) for _, wrong, *_ in found)
        line = f"the same points in batches of {sizes([size for size, *_ in found])}: wrong at index {place} of {n}"
        yield Odd(q, "inexact", where, CURE, count, line, number(result[place]), number(exact[place]))


def _refused(n: int, error: str) -> Odd:
    if n == 1:
        one = "it drops the batch axis at n = 1" if "got shape ()" in error else "it refuses a batch of one (n = 1)"
        cure = "keep the batch axis: no squeeze() without an axis, no minimum of examples"
        return Odd("value", "error", one, cure, 1, "a batch of one", error, "one loss")
    return Odd("value", "error", f"it refuses a batch of n = {n}", CURE, 1, f"a batch of {n}", error, f"{n} losses")


# ---- the same again ---------------------------------------------------------------------------------------------------------


def _again(pool: Pool) -> Iterator[Odd]:
    """The same batch several times, with others of its shape in between."""
    places = np.arange(POOL)
    others = np.roll(places, 17)
    first: dict[bool, Floats] = {}
    for moved in (False, False, True, False, True, False, False, True):
        order = others if moved else places
        try:
            got = pool.ask(order)[pool.main]
        except Refused as error:
            yield Odd(
                "value", "error", "it raises when it is called twice", CURE, 1, "twice the same call", str(error), "losses"
            )
            return
        due = first.setdefault(moved, got)
        stale = pool.wrong(got, first[False][order])  # a place or two may have a fault of its own
        use_first = np.count_nonzero(stale) > len(order) // 2
        mask = stale if use_first else pool.wrong(got, due)
        if mask.any():
            yield _remembered(got, first[False][order] if use_first else due, mask)
            return


def _remembered(got: Floats, due: Floats, mask: NDArray[np.bool_]) -> Odd:
    place, count = int(np.flatnonzero(mask)[0]), int(np.count_nonzero(mask))
    cause = "not the same when called twice: something of earlier calls is kept, or it is random"
    line = "the same batch, twice, with another of its shape in between"
    return Odd("value", "inexact", cause, "keep nothing from call to call", count, line, number(got[place]), number(due[place]))


def _alone_in_it(pool: Pool, due: dict[str, Floats]) -> Iterator[Odd]:
    """Batches of one target only, of points of one size, or of one point: whatever is taken over the batch shows."""
    main = pool.main
    chosen = [np.flatnonzero(pool.targets == target) for target in np.unique(pool.targets)[:2]]
    sizes_ = pool.logits if pool.logits.ndim == 1 else pool.logits.max(1)
    near, order_ = np.argsort(np.abs(pool.logits.reshape(POOL, -1)).max(1)), np.argsort(sizes_)
    together = (*chosen, order_[:20], order_[-20:], near[:20], np.full(40, int(np.argmax(sizes_))))
    one_by_one = [near[[i]] for i in range(0, POOL, ALONE)] if pool.exact is None or not _small(pool, due) else []
    for places in (
        *(np.resize(places, BASE) for places in together),
        *one_by_one,
    ):
        try:
            got = pool.ask(places)
        except Refused:
            continue
        order = places
        mask = pool.wrong(got[main], due[main][order])
        if mask.any():
            place, count = int(np.flatnonzero(mask)[0]), int(np.count_nonzero(mask))
            cause = "a loss depends on the other examples of its batch"
            line = "a point among others of its target, or of its size"
            cure = "no mean, maximum, sum or standard deviation over the batch inside the loss"
            yield Odd(main, "inexact", cause, cure, count, line, number(got[main][place]), number(due[main][order[place]]))
            return


def _small(pool: Pool, due: dict[str, Floats]) -> bool:
    """Whether one point alone is wrong for being a batch of one, which is told by the size."""
    try:
        got = pool.ask(np.zeros(1, dtype=np.int64))[pool.main]
    except Refused:
        return True
    return bool(pool.wrong(got, due[pool.main][:1]).any())

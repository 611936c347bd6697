"""Patterns of wrong indices in batches, in words: "wrong at indices ≡ 127 mod 128", "after index 65535", "only at n = 1"."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["pattern", "sizes"]

PERIODS = (2, 3, 4, 5, 6, 7, 8, 10, 16, 32, 64, 100, 128, 256, 512, 1000, 1024, 2048, 4096, 8192, 16384, 32768, 65536)
FEW = 4
WHOLE, SHARE = 0.9, 0.3
"""Of the indices of a pattern, how many have to be wrong; and where it is no chance that no other is."""
CERTAIN = 16


def sizes(numbers: Sequence[int]) -> str:
    """Batch sizes, shortly.

    Examples
    --------
    >>> sizes([1, 2, 3]), sizes([129, 257, 1000, 1037, 65537])
    ('n = 1, 2, 3', 'n = 129 to 65537')
    """
    ordered = sorted(set(numbers))
    return f"n = {', '.join(map(str, ordered))}" if len(ordered) <= FEW else f"n = {ordered[0]} to {ordered[-1]}"


def pattern(wrong: Sequence[tuple[int, NDArray[np.bool_]]], right: Sequence[int]) -> str:
    """Where results are wrong, told by index and by batch size.

    Parameters
    ----------
    wrong : sequence of (int, array)
        Of each size that has wrong results, which they are.
    right : sequence of int
        The sizes without any.

    Examples
    --------
    >>> every = np.arange(1000)
    >>> pattern([(1000, every % 128 == 127)], [1, 33])
    'wrong at indices ≡ 127 mod 128'
    >>> pattern([(1, every[:1] == 0)], [2, 3, 1000])
    'wrong at every index, only at n = 1'
    >>> pattern([(1000, every >= 100)], [1, 33])
    'wrong after index 99'
    """
    where = _common(wrong)
    if where is not None:
        return f"wrong {where}"
    which = [size for size, _ in wrong]
    if all(mask.all() for _, mask in wrong):
        return f"wrong at every index, {_which(which, right)}"
    return f"wrong at some indices, {_which(which, right)}: it depends on the place in the batch or on the other examples"


def _which(wrong: Sequence[int], right: Sequence[int]) -> str:
    """What the sizes have in common."""
    low, high = min(wrong), max(wrong)
    if not right:
        return "at every n that was tried"
    if all(size > high for size in right if size):
        return f"only at n = {high}" if high == low == 1 else f"only up to n = {high}"
    if all(size < low for size in right):
        return f"only from n = {low}"
    return f"only at {sizes(wrong)}"


def _common(wrong: Sequence[tuple[int, NDArray[np.bool_]]]) -> str | None:
    """One description by index that holds for all sizes."""
    most, mask = max(wrong, key=lambda pair: len(pair[1]))
    places = np.flatnonzero(mask)
    first, last = min(int(np.flatnonzero(m)[0]) for _, m in wrong), int(places[-1])
    if len(wrong) > 1 and all(len(m) > 1 and not m[:-1].any() and m[-1] for _, m in wrong) and most > 1:
        return f"at the last index, {sizes([size for size, _ in wrong])}"
    if first > 0 and _all(wrong, lambda i: i >= first, partly=first >= CERTAIN):
        return f"after index {_boundary(first, whole=_all(wrong, lambda i: i >= first)) - 1}"
    if last + 1 < len(mask) and _all(wrong, lambda i: i <= last, partly=len(mask) - last > CERTAIN):
        return f"up to index {last}"
    for partly in (False, True) if places.size >= CERTAIN else (False,):
        for period in reversed(PERIODS) if partly else PERIODS:
            residue = int(places[0]) % period
            if period < len(mask) and _all(wrong, lambda i, n=period, r=residue: i % n == r, partly=partly):  # type: ignore[misc]
                return f"at indices ≡ {residue} mod {period}"
    return _tail(wrong)


def _boundary(first: int, *, whole: bool) -> int:
    """Where the wrong ones begin: at the end of a block just before, where not every one of them shows."""
    return first if whole else next((b for b in range(first, max(first - 8, 1), -1) if b % 32 == 0 or b % 100 == 0), first)


def _tail(wrong: Sequence[tuple[int, NDArray[np.bool_]]]) -> str | None:
    """The remainder after whole blocks."""
    if all(mask.all() for _, mask in wrong):
        return None
    for period in PERIODS:
        if max(len(m) for _, m in wrong) < 2 * period:
            break
        if all(_is(m, np.arange(len(m)) >= len(m) // period * period) for _, m in wrong):
            return f"at the last n mod {period} indices, the remainder of blocks of {period}"
    return None


def _all(
    wrong: Sequence[tuple[int, NDArray[np.bool_]]],
    of: Callable[[NDArray[np.int64]], NDArray[np.bool_]],
    *,
    partly: bool = False,
) -> bool:
    """Whether only those indices are wrong, at every size, and nearly all of them, or (partly) many."""
    share = SHARE if partly else WHOLE
    return all(_is(m, of(np.arange(len(m))), share) for _, m in wrong)


def _is(mask: NDArray[np.bool_], expected: NDArray[np.bool_], share: float = WHOLE) -> bool:
    """Whether nothing else is wrong, and that share of it: at a wrong place some targets or logits may give a right number."""
    return bool(not (mask & ~expected).any() and np.count_nonzero(mask) >= share * np.count_nonzero(expected))

"""Lines of text and of Markdown that show rows and findings."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Literal, NamedTuple, TypeAlias

from .contract import WORDS
from .rows import Row

__all__ = ["Line", "failures", "table", "verdict"]

Kind: TypeAlias = Literal["", "title", "faint", "good", "bad"]
SHOWN = 10
"""How many failing inputs are printed."""


class Line(NamedTuple):
    """A line of output, and what it is."""

    text: str
    kind: Kind = ""


# ---- the table --------------------------------------------------------------------------------------------------------------

LEGEND = "Errors in ULP. How many results are wrong NaN, wrong infinities, zeros for normal numbers."
HEADER = "  link     type      precision  quantity  gamma   max ULP   99% ULP   bound   NaN   inf  zero"


def table(rows: Sequence[Row], every_gamma: bool) -> Iterator[Line]:
    """A line for each quantity of a type at its worst γ, or at every γ."""
    yield Line(LEGEND, "faint")
    for backend, mine in groupby(rows, key=lambda row: row.backend):
        yield from (Line(""), Line(backend, "title"), Line(HEADER, "faint"))
        previous: tuple[str, ...] = ("", "", "")
        for labels, group in groupby(mine, key=lambda row: (row.link, row.dtype, row.precision)):
            for row, counts in _entries(list(group), every_gamma):
                shown = [now if labels[: i + 1] != previous[: i + 1] else "" for i, now in enumerate(labels)]
                yield Line(_entry(row, counts, shown), "" if row.passed else "bad")
                previous = labels


Counts: TypeAlias = tuple[int, int, int]


def _entries(rows: list[Row], every_gamma: bool) -> Iterator[tuple[Row, Counts]]:
    """The rows to print, with the NaN, wrong infinities and flushed zeros that they stand for."""
    for quantity in WORDS:
        same = [row for row in rows if row.quantity == quantity]
        if every_gamma:
            yield from ((row, (row.nan, row.wrong_inf, row.flushed)) for row in same)
        elif same:
            counts = (sum(r.nan for r in same), sum(r.wrong_inf for r in same), sum(r.flushed for r in same))
            yield max(same, key=_badness), counts


def _badness(row: Row) -> tuple[bool, int, float, float]:
    return (not row.passed, row.nan + row.wrong_inf + row.flushed, row.max_ulp / row.bound, row.max_ulp)


def _entry(row: Row, counts: Counts, labels: list[str]) -> str:
    link, dtype, precision = labels
    bound = f"{row.bound:7.4g}" if row.bound < math.inf else "   none"
    kinds = "".join(f"{count:6}" for count in counts)
    numbers = f"{row.gamma:5g}  {_figure(row.max_ulp)}  {_figure(row.p99_ulp)} {bound}{kinds}"
    return f"  {link:7}  {dtype:8}  {precision:9}  {WORDS[row.quantity]:8}  {numbers}" + ("" if row.passed else "  FAILS")


def _figure(ulps: float) -> str:
    return f"{ulps:8.4f}" if ulps < 1e3 else f"{ulps:8.2e}"


def failures(rows: Sequence[Row]) -> Iterator[Line]:
    """The worst input of each quantity of a type that fails, as Python to paste."""
    worst: dict[tuple[str, ...], Row] = {}
    for row in sorted((row for row in rows if not row.passed), key=_badness, reverse=True):
        worst.setdefault((row.backend, row.link, row.dtype, row.precision, row.quantity), row)
    if worst:
        yield Line("the worst inputs, to paste into Python:", "title")
    for row in list(worst.values())[:SHOWN]:
        what = f"{row.backend} {row.link} {row.dtype} {row.precision} {WORDS[row.quantity]}, gamma {row.gamma:g}"
        yield Line(f"# {what}: {_reason(row)}", "bad")
        yield Line(f"{row.worst}  # {row.got}, exactly {row.exact}")
    if len(worst) > SHOWN:
        yield Line(f"and {len(worst) - SHOWN} more: --json has them all", "faint")


def _reason(row: Row) -> str:
    counts = {"wrong NaN": row.nan, "wrong infinities": row.wrong_inf, "zeros for normal numbers": row.flushed}
    reasons = [f"{count} {name}" for name, count in counts.items() if count]
    if row.max_ulp > row.bound:
        reasons.append(f"{row.max_ulp:.4g} ULP, bound {row.bound:.4g}")
    if row.subnormal_units > row.subnormal_bound:
        reasons.append(f"below the normal numbers {row.subnormal_units:.4g} units, bound {row.subnormal_bound:g}")
    return "; ".join(reasons)


def verdict(extent: str, passed: bool, failed: int, broken: str = "") -> Line:
    """The last line: whether all that was measured is within bounds."""
    if passed:
        return Line(f"PASSED: {extent}, all within bounds", "good")
    return Line(f"FAILED: {extent}, {failed} beyond their bounds{broken}", "bad")

"""Lines of text that show rows, as wide as the terminal is: a table that is never torn, failures, and the verdict."""

from __future__ import annotations

import math
import shutil
import textwrap
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple, TypeAlias

from .contract import WORDS
from .rows import Row

__all__ = [
    "LEGEND",
    "Line",
    "entries",
    "failing",
    "failures",
    "header",
    "numbers",
    "reason",
    "table",
    "verdict",
    "width_of",
    "wrapped",
]

Kind: TypeAlias = Literal["", "title", "faint", "good", "bad"]
SHOWN = 10
"""How many failing inputs are printed."""
WIDTHS = (60, 100)
WIDE = 80
"""Narrower terminals are shown fewer columns."""


class Line(NamedTuple):
    """A line of output, and what it is."""

    text: str
    kind: Kind = ""


def width_of(width: int | None = None) -> int:
    """The terminal's columns, if none are given, within what can be read."""
    low, high = WIDTHS
    return width or min(max(shutil.get_terminal_size((80, 24)).columns, low), high)


def wrapped(text: str, width: int, indent: str = "") -> list[str]:
    """A text in lines shorter than the width; the first one's indent is the others' too."""
    return textwrap.wrap(text, width - 1, initial_indent=indent, subsequent_indent=indent or "  ", break_on_hyphens=False)


def numbers(got: str, exact: str) -> str:
    """What came and what is due, to nine digits; to all of them where these are the same; anything else as it is."""
    short = [_number(text) for text in (got, exact)]
    if short[0] == short[1]:
        short = [got, exact]
    return f"got {short[0]}, exactly {short[1]}"


def _number(text: str) -> str:
    try:
        return f"{float(text):.9g}"
    except ValueError:
        return text


# ---- the table --------------------------------------------------------------------------------------------------------------

LEGEND = "errors in ULP; wrong NaN, inf and zeros counted"
Counts: TypeAlias = tuple[int, int, int]


def table(rows: Sequence[Row], every_gamma: bool, width: int) -> Iterator[Line]:
    """For each backend, link and precision, a line for each quantity of a type at its worst γ, or at every γ."""
    yield Line(f"{LEGEND[0].upper()}{LEGEND[1:]}", "faint")
    for backend, link, precision in dict.fromkeys((row.backend, row.link, row.precision) for row in rows):
        mine = [row for row in rows if (row.backend, row.link, row.precision) == (backend, link, precision)]
        yield from (Line(""), Line(f"{backend}, {link}, {precision} precision", "title"), Line(header(width), "faint"))
        yield from entries(mine, every_gamma, width)


def header(width: int) -> str:
    """Of the table's columns."""
    middle = "   max ULP   99% ULP   bound" if width >= WIDE else "   max ULP"
    return f"  type      quantity  gamma{middle}   NaN  inf  zero"


def entries(rows: Sequence[Row], every_gamma: bool, width: int) -> Iterator[Line]:
    """The table's lines: rows of one backend, link and precision."""
    for dtype in dict.fromkeys(row.dtype for row in rows):
        shown = dtype
        for row, counts in _chosen([row for row in rows if row.dtype == dtype], every_gamma):
            yield Line(_entry(row, counts, shown, width), "" if row.passed else "bad")
            shown = ""


def _chosen(rows: list[Row], every_gamma: bool) -> Iterator[tuple[Row, Counts]]:
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


def _entry(row: Row, counts: Counts, shown: str, width: int) -> str:
    bound = f"{row.bound:7.4g}" if row.bound < math.inf else "   none"
    middle = f"{_figure(row.max_ulp)}  {_figure(row.p99_ulp)} {bound}" if width >= WIDE else _figure(row.max_ulp)
    kinds = "".join(f"{_count(count):>{size}}" for count, size in zip(counts, (6, 5, 6), strict=True))
    fails = "" if row.passed else "  FAILS" if width >= WIDE else " FAILS"
    return f"  {shown:8}  {WORDS[row.quantity]:8}  {row.gamma:5g}  {middle}{kinds}{fails}"


def _figure(ulps: float) -> str:
    """In eight columns."""
    return f"{ulps:8.4f}" if ulps < 1e3 else f"{ulps:8.2e}" if ulps < 1e99 else f"{ulps:8.1e}"


def _count(count: int) -> str:
    """In four columns."""
    return str(count) if count < 10**4 else f"{count // 10**3}k" if count < 10**6 else f"{count // 10**6}M"


# ---- failures and the verdict -----------------------------------------------------------------------------------------------


def failing(rows: Sequence[Row]) -> list[Row]:
    """The worst γ of each quantity of a type that fails, worst first."""
    worst: dict[tuple[str, ...], Row] = {}
    for row in sorted((row for row in rows if not row.passed), key=_badness, reverse=True):
        worst.setdefault((row.backend, row.link, row.dtype, row.precision, row.quantity), row)
    return list(worst.values())


def failures(rows: Sequence[Row], width: int) -> Iterator[Line]:
    """What fails, why, and the worst input in a few words; --repro N has it as Python to paste."""
    found = failing(rows)
    for i, row in enumerate(found[:SHOWN], 1):
        what = f"{i}. {row.backend} {row.link} {row.dtype} {row.precision} {WORDS[row.quantity]}, gamma {row.gamma:g}"
        yield from (Line(text, "bad") for text in wrapped(f"{what}: {reason(row)}", width))
        short = f"{row.where or 'at the worst input'}: {numbers(row.got, row.exact)}"
        yield from (Line(text) for text in wrapped(short, width, "   "))
    if len(found) > SHOWN:
        yield Line(f"and {len(found) - SHOWN} more: --json has them all", "faint")
    if found:
        yield Line("--repro N prints number N as Python, to paste", "faint")


def reason(row: Row) -> str:
    """Why a row fails, in words."""
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

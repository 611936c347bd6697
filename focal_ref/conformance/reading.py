"""A verdict to be read: on a terminal of 80 columns, worst first, five findings; and as Markdown, whole."""

from __future__ import annotations

import math
import shutil
import textwrap
from collections.abc import Iterator
from itertools import groupby
from typing import Protocol

from ..libraries.backends import Status
from .contract import WORDS as NAMES
from .grading import GRADES
from .rows import Finding, Row
from .text import Line

__all__ = ["verdict_lines", "verdict_markdown"]


class _Verdict(Protocol):
    """What is read of a verdict."""

    @property
    def name(self) -> str: ...
    @property
    def called(self) -> str: ...
    @property
    def rows(self) -> tuple[Row, ...]: ...
    @property
    def broken(self) -> tuple[Status, ...]: ...
    @property
    def findings(self) -> tuple[Finding, ...]: ...
    @property
    def remarks(self) -> tuple[str, ...]: ...
    @property
    def passed(self) -> bool: ...
    @property
    def measured(self) -> bool: ...


SHOWN = 5
"""Findings on the screen; the others are counted."""
WIDTHS = (60, 100)
KINDS = {"zero": "0 for a number", "inexact": "wrong", "subnormal": "wrong below the normal numbers", "error": "it raises"}
DIGITS = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}
HEADER = "  type      quantity  gamma   max ULP   99% ULP   bound   NaN  inf  zero"


def _width() -> int:
    low, high = WIDTHS
    return min(max(shutil.get_terminal_size((80, 24)).columns, low), high)


def verdict_lines(verdict: _Verdict, *, every_gamma: bool = False, width: int | None = None) -> Iterator[Line]:
    """What was called and how, the table, what is wrong, worst first, and the verdict; as wide as the terminal if not told."""
    width = width or _width()
    yield from (Line(text, "faint") for text in _wrapped(verdict.called, width))
    yield from _table(verdict, every_gamma)
    yield from (Line(text, "bad") for s in verdict.broken for text in _wrapped(f"{s.name}: {s.reason}", width))
    for number, finding in enumerate(verdict.findings[:SHOWN], 1):
        yield Line("")
        yield from _finding(number, finding, width)
    if len(verdict.findings) > SHOWN:
        yield Line(f"and {len(verdict.findings) - SHOWN} more: --json has them all, --repro N the line of each", "faint")
    yield Line("")
    yield from (Line(text, "faint") for remark in verdict.remarks for text in _wrapped(remark, width))
    if verdict.passed and _digits(verdict):
        yield from (Line(text, "faint") for text in _wrapped(_digits(verdict), width))
    text = _last(verdict)
    yield Line(text if len(text) < width else f"{text[: width - 2]}…", "good" if verdict.passed else "bad")


def _wrapped(text: str, width: int, indent: str = "") -> list[str]:
    return textwrap.wrap(text, width - 1, initial_indent=indent, subsequent_indent=indent or "  ", break_on_hyphens=False)


def _finding(number: int, finding: Finding, width: int) -> Iterator[Line]:
    yield from (Line(text, "bad") for text in _wrapped(f"{number}. {_title(finding)}", width))
    for text in (f"{GRADES.get(finding.grade, finding.grade)}: {_extent(finding)}", finding.known, finding.cure):
        yield from (Line(line, "faint") for line in _wrapped(text, width, "   "))
    yield from (Line(line) for line in _wrapped(_short(finding), width, "   "))


def _short(finding: Finding) -> str:
    """The smallest input, and what comes of it."""
    return f"{finding.where or 'at the smallest input'}: got {_number(finding.got)}, exactly {_number(finding.exact)}"


def _number(text: str) -> str:
    try:
        return f"{float(text):.9g}"
    except ValueError:
        return text


def _title(finding: Finding) -> str:
    """What is wrong and why, in one sentence."""
    what = f"{NAMES.get(finding.quantity, finding.quantity)}: {KINDS.get(finding.kind, finding.kind)}"
    return f"{what}: {finding.cause or 'not one of the known causes'}"


def _extent(finding: Finding) -> str:
    gammas = ", ".join(f"{gamma:g}" for gamma in finding.gammas)
    many = f"{finding.count} result{'' if finding.count == 1 else 's'}"
    return f"{many} in {', '.join(finding.dtypes)}, γ {gammas}" if finding.dtypes else many


# ---- the table --------------------------------------------------------------------------------------------------------------


def _table(verdict: _Verdict, every_gamma: bool) -> Iterator[Line]:
    if not verdict.rows:
        return
    first = verdict.rows[0]
    yield Line(f"{first.link} focal loss, {first.backend}: errors in ULP; wrong NaN, inf and zeros counted", "title")
    yield Line(HEADER, "faint")
    for dtype, rows in groupby(verdict.rows, key=lambda row: row.dtype):
        shown = dtype
        same = list(rows)
        for quantity in NAMES:
            mine = [row for row in same if row.quantity == quantity]
            for row in mine if every_gamma else [max(mine, key=_badness)] if mine else []:
                yield Line(_entry(row, [row] if every_gamma else mine, shown), "" if row.passed else "bad")
                shown = ""


def _badness(row: Row) -> tuple[bool, int, float]:
    return not row.passed, row.nan + row.wrong_inf + row.flushed, row.max_ulp / row.bound


def _entry(row: Row, same: list[Row], shown: str) -> str:
    bound = f"{row.bound:7.4g}" if row.bound < math.inf else "   none"
    kinds = f"{sum(r.nan for r in same):6}{sum(r.wrong_inf for r in same):5}{sum(r.flushed for r in same):6}"
    figures = f"{row.gamma:5g}  {_figure(row.max_ulp)}  {_figure(row.p99_ulp)} {bound}{kinds}"
    return f"  {shown:8}  {NAMES[row.quantity]:8}  {figures}" + ("" if row.passed else "  FAILS")


def _figure(ulps: float) -> str:
    return f"{ulps:8.2f}" if ulps < 1e4 else f"{ulps:8.1e}"


# ---- the last line ----------------------------------------------------------------------------------------------------------


def _last(verdict: _Verdict) -> str:
    """The verdict in one sentence."""
    extent = f"{verdict.name}: {len(verdict.rows)} measurement{'' if len(verdict.rows) == 1 else 's'}"
    if verdict.passed:
        return f"PASSED: {extent}, all within bounds"
    broken = f"; not measured: {', '.join(s.name for s in verdict.broken)}" if verdict.broken else ""
    if not verdict.measured:
        reasons = "; ".join(s.reason for s in verdict.broken) or "no case was asked for"
        return f"NOT MEASURED: {verdict.name}: {reasons}"
    failed = sum(not row.passed for row in verdict.rows)
    found = f"; {len(verdict.findings)} finding{'' if len(verdict.findings) == 1 else 's'}" if verdict.findings else ""
    return f"FAILED: {extent}, {failed} beyond their bounds{found}{broken}"


def _digits(verdict: _Verdict) -> str:
    """How many decimal digits are right of those that the types have."""
    parts = []
    for dtype in dict.fromkeys(row.dtype for row in verdict.rows):
        worst = max(row.max_ulp for row in verdict.rows if row.dtype == dtype)
        if dtype in DIGITS and worst > 2:
            has = DIGITS[dtype] * math.log10(2)
            parts.append(f"{dtype} keeps {has - math.log10(worst):.1f} of {has:.1f} digits")
    return f"Right to within rounding: {', '.join(parts)}." if parts else ""


# ---- Markdown ---------------------------------------------------------------------------------------------------------------


def verdict_markdown(verdict: _Verdict) -> Iterator[str]:
    """The same as Markdown: the verdict, the findings with their whole lines, and a row for every γ."""
    yield from (f"# {verdict.name}", "", f"**{_last(verdict)}**", "")
    for finding in verdict.findings:
        told = " ".join(f"{text}." for text in (_extent(finding), finding.known, finding.cure) if text)
        yield from (f"- **{_title(finding)}** ({GRADES.get(finding.grade, '')}). {told}".rstrip(), "", f"      {finding.line}")
        yield from (f"      # {finding.got}, exactly {finding.exact}", "")
    titles = ("type", "quantity", "γ", "max ULP", "99 % ULP", "bound", "NaN", "inf", "zero", "")
    yield from (f"| {' | '.join(titles)} |", f"|{' --- |' * len(titles)}")
    for row in verdict.rows:
        bound = f"{row.bound:.4g}" if row.bound < math.inf else "none"
        figures = (_figure(row.max_ulp).strip(), _figure(row.p99_ulp).strip(), bound, row.nan, row.wrong_inf, row.flushed)
        cells = (row.dtype, NAMES[row.quantity], f"{row.gamma:g}", *figures, "" if row.passed else "fails")
        yield f"| {' | '.join(map(str, cells))} |"
    yield from ("", *verdict.remarks)

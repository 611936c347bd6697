"""A verdict to be read: on a terminal of 80 columns, worst first, five findings; and as Markdown, whole."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Protocol

from ..libraries.backends import Status
from .contract import WORDS as NAMES
from .grading import GRADES
from .rows import Finding, Row
from .text import LEGEND, Line, entries, header, numbers, width_of, wrapped
from .ulp import FORMATS

__all__ = ["extent", "short", "title", "verdict_lines", "verdict_markdown"]


class _Verdict(Protocol):
    """What is read of a verdict."""

    @property
    def name(self) -> str: ...
    @property
    def called(self) -> str: ...
    @property
    def meant(self) -> str: ...
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
KINDS = {"zero": "0 for a number", "inexact": "wrong", "subnormal": "wrong below the normal numbers", "error": "it raises"}


def verdict_lines(verdict: _Verdict, *, every_gamma: bool = False, width: int | None = None) -> Iterator[Line]:
    """What was called and how, the table, what is wrong, worst first, and the verdict; as wide as the terminal if not told."""
    width = width_of(width)
    yield from (Line(text, "faint") for text in wrapped(verdict.called, width))
    yield from _table(verdict, every_gamma, width)
    yield from (Line(text, "bad") for s in verdict.broken for text in wrapped(f"{s.name}: {s.reason}", width))
    for i, finding in enumerate(verdict.findings[:SHOWN], 1):
        yield Line("")
        yield from _finding(i, finding, width)
    if len(verdict.findings) > SHOWN:
        more = f"and {len(verdict.findings) - SHOWN} more: --json has them all, --repro N the line of each"
        yield from (Line(text, "faint") for text in wrapped(more, width))
    yield Line("")
    yield from (Line(text, "faint") for remark in verdict.remarks for text in wrapped(remark, width))
    if verdict.passed and _digits(verdict):
        yield from (Line(text, "faint") for text in wrapped(_digits(verdict), width))
    text = _last(verdict)  # one line, for logs; what is cut of it stands above
    yield Line(text if len(text) < width else f"{text[: width - 2]}…", "good" if verdict.passed else "bad")


def _finding(place: int, finding: Finding, width: int) -> Iterator[Line]:
    yield from (Line(text, "bad") for text in wrapped(f"{place}. {title(finding)}", width))
    for text in (f"{GRADES.get(finding.grade, finding.grade)}: {extent(finding)}", finding.known, finding.cure):
        yield from (Line(line, "faint") for line in wrapped(text, width, "   "))
    yield from (Line(line) for line in wrapped(short(finding), width, "   "))


def short(finding: Finding) -> str:
    """The smallest input, and what comes of it."""
    return f"{finding.where or 'at the smallest input'}: {numbers(finding.got, finding.exact)}"


def title(finding: Finding) -> str:
    """What is wrong and why, in one sentence."""
    what = f"{NAMES.get(finding.quantity, finding.quantity)}: {KINDS.get(finding.kind, finding.kind)}"
    return f"{what}: {finding.cause or 'not one of the known causes'}"


def extent(finding: Finding) -> str:
    """How many results are wrong, of which types and γ."""
    gammas = ", ".join(f"{gamma:g}" for gamma in finding.gammas)
    many = f"{finding.count} result{'' if finding.count == 1 else 's'}"
    return f"{many} in {', '.join(finding.dtypes)}, γ {gammas}" if finding.dtypes else many


# ---- the table --------------------------------------------------------------------------------------------------------------


def _table(verdict: _Verdict, every_gamma: bool, width: int) -> Iterator[Line]:
    if verdict.rows:
        first = verdict.rows[0]
        what = f"{first.link} {verdict.meant}, {first.backend}: {LEGEND}"
        yield from (Line(text, "title") for text in wrapped(what, width))
        yield Line(header(width), "faint")
        yield from entries(verdict.rows, every_gamma, width)


# ---- the last line ----------------------------------------------------------------------------------------------------------


def _last(verdict: _Verdict) -> str:
    """The verdict in one sentence."""
    what = f"{verdict.name}: {len(verdict.rows)} measurement{'' if len(verdict.rows) == 1 else 's'}"
    if verdict.passed:
        return f"PASSED: {what}, all within bounds"
    broken = f"; not measured: {', '.join(s.name for s in verdict.broken)}" if verdict.broken else ""
    if not verdict.measured:
        reasons = "; ".join(s.reason for s in verdict.broken) or "no case was asked for"
        return f"NOT MEASURED: {verdict.name}: {reasons}"
    failed = sum(not row.passed for row in verdict.rows)
    found = f"; {len(verdict.findings)} finding{'' if len(verdict.findings) == 1 else 's'}" if verdict.findings else ""
    return f"FAILED: {what}, {failed} beyond their bounds{found}{broken}"


def _digits(verdict: _Verdict) -> str:
    """How many decimal digits are right of those that the types have."""
    parts = []
    for dtype in dict.fromkeys(row.dtype for row in verdict.rows):
        worst = max(row.max_ulp for row in verdict.rows if row.dtype == dtype)
        if dtype in FORMATS and worst > 2:
            has = FORMATS[dtype].digits * math.log10(2)
            parts.append(f"{dtype} keeps {has - math.log10(worst):.1f} of {has:.1f} digits")
    return f"Right to within rounding: {', '.join(parts)}." if parts else ""


# ---- Markdown ---------------------------------------------------------------------------------------------------------------


def verdict_markdown(verdict: _Verdict) -> Iterator[str]:
    """The same as Markdown: the verdict, the findings with their whole lines, and a row for every γ."""
    yield from (f"# {verdict.name}", "", f"**{_last(verdict)}**", "")
    for finding in verdict.findings:
        told = " ".join(f"{text}." for text in (extent(finding), finding.known, finding.cure) if text)
        yield from (f"- **{title(finding)}** ({GRADES.get(finding.grade, '')}). {told}".rstrip(), "", f"      {finding.line}")
        yield from (f"      # {finding.got}, exactly {finding.exact}", "")
    titles = ("type", "quantity", "γ", "max ULP", "99 % ULP", "bound", "NaN", "inf", "zero", "")
    yield from (f"| {' | '.join(titles)} |", f"|{' --- |' * len(titles)}")
    for row in verdict.rows:
        bound = f"{row.bound:.4g}" if row.bound < math.inf else "none"
        figures = (f"{row.max_ulp:.4g}", f"{row.p99_ulp:.4g}", bound, row.nan, row.wrong_inf, row.flushed)
        cells = (row.dtype, NAMES[row.quantity], f"{row.gamma:g}", *figures, "" if row.passed else "fails")
        yield f"| {' | '.join(map(str, cells))} |"
    yield from ("", *verdict.remarks)

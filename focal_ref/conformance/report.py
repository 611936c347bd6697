"""Reports of what `focal_ref.conformance` has measured, as data and as text."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from typing import Any

from ..libraries.backends import Status
from . import interchange, picture, reading, text
from .rows import Finding, Row
from .text import Line

__all__ = ["Finding", "Report", "Row", "Verdict"]


@dataclasses.dataclass(frozen=True)
class Report:
    """What was measured, and what could not be."""

    rows: tuple[Row, ...]
    absent: tuple[Status, ...] = ()
    broken: tuple[Status, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether something was measured, nothing is broken and every row is within its bound."""
        return self.measured and not self.broken and all(row.passed for row in self.rows)

    @property
    def measured(self) -> bool:
        """Whether anything was measured at all."""
        return any(row.points for row in self.rows)

    def to_dict(self) -> dict[str, Any]:
        """The report as plain data, ready for JSON."""
        return {
            "passed": self.passed,
            "measured": self.measured,
            "rows": [row.to_dict() for row in self.rows],
            "absent": [status._asdict() for status in self.absent],
            "broken": [status._asdict() for status in self.broken],
        }

    def lines(self, *, every_gamma: bool = False, width: int | None = None) -> Iterator[Line]:
        """A table, each quantity at its worst γ or at every γ; what could not be measured; the failures; and the verdict.

        As wide as `width` columns; None: as the terminal.
        """
        columns = text.width_of(width)
        yield from text.table(self.rows, every_gamma, columns)
        yield Line("")
        for s in self.absent:
            yield from (Line(line, "faint") for line in text.wrapped(f"not here: {s.name} ({s.reason})", columns))
        for s in self.broken:
            yield from (Line(line, "bad") for line in text.wrapped(f"BROKEN: {s.name} ({s.reason})", columns))
        yield from text.failures(self.rows, columns)
        yield from (Line(line, self._verdict().kind) for line in text.wrapped(self._verdict().text, columns))

    def to_junit(self) -> str:
        """The report as JUnit XML, which every CI server reads: a test for each quantity of a type at each γ."""
        return interchange.junit(self.title, self.rows, (), self.broken, measured=self.measured)

    @property
    def title(self) -> str:
        """What was measured, in a word."""
        return "focal_ref"

    @property
    def repros(self) -> tuple[str, ...]:
        """Lines of Python that each show one failure, worst first, as they are numbered on the screen."""
        return tuple(row.worst for row in text.failing(self.rows))

    def _verdict(self) -> Line:
        backends = len({row.backend for row in self.rows})
        extent = f"{_many(len(self.rows), 'measurement')} on {_many(backends, 'backend')}"
        broken = f"; broken: {', '.join(s.name for s in self.broken)}" if self.broken else ""
        return text.verdict(extent, self.passed, sum(not row.passed for row in self.rows), broken)

    def __str__(self) -> str:
        return "\n".join(line.text for line in self.lines())


@dataclasses.dataclass(frozen=True)
class Verdict(Report):
    """What `focal_ref.conformance.check` says of a function: figures as of a `Report`, and what is wrong."""

    name: str = ""
    """The function's."""
    findings: tuple[Finding, ...] = ()
    remarks: tuple[str, ...] = ()
    """What was not measured, and why."""
    called: str = ""
    """How the function was called, in a line; "" where nothing had to be found out."""
    meant: str = "focal loss"
    """The loss that it is measured as: a member of the family with its parameters but γ."""
    curves: tuple[dict[str, Any], ...] = dataclasses.field(default=(), repr=False, compare=False)
    """For `plot`: a row's labels, and its points' margins and errors in ULP."""

    @property
    def passed(self) -> bool:
        """Whether something was measured, every row is within its bound, and nothing else was found."""
        return super().passed and any(row.points for row in self.rows) and not self.findings

    @property
    def measured(self) -> bool:
        """Whether anything was measured, or found out without a measurement."""
        return super().measured or bool(self.findings)

    @property
    def causes(self) -> tuple[str, ...]:
        """The names of what is wrong, each once."""
        return tuple(dict.fromkeys(finding.cause for finding in self.findings if finding.cause))

    def to_dict(self) -> dict[str, Any]:
        """The verdict as plain data, ready for JSON."""
        found = [finding.to_dict() for finding in self.findings]
        return {
            "name": self.name,
            "called": self.called,
            "meant": self.meant,
            **super().to_dict(),
            "findings": found,
            "remarks": list(self.remarks),
        }

    def lines(self, *, every_gamma: bool = False, width: int | None = None) -> Iterator[Line]:
        """How it was called; the table; what is wrong, worst first; and the verdict. `width` None: the terminal's."""
        yield from reading.verdict_lines(self, every_gamma=every_gamma, width=width)

    @property
    def title(self) -> str:
        """The function's name."""
        return self.name

    @property
    def repros(self) -> tuple[str, ...]:
        """The findings' lines of Python, as they are numbered on the screen."""
        return tuple(finding.line for finding in self.findings)

    def to_junit(self) -> str:
        """The verdict as JUnit XML: a test for each quantity of a type at each γ, and for each finding."""
        return interchange.junit(self.title, self.rows, self.findings, self.broken, measured=self.measured)

    def to_sarif(self, uri: str = "", line: int = 1) -> str:
        """The findings as SARIF 2.1.0, which code hosts show beside the lines of a change.

        Parameters
        ----------
        uri : str
            The function's file, relative to the repository's root.
        line : int
            Where it begins.
        """
        return interchange.sarif(self.title, self.findings, self.broken, uri, line)

    def to_markdown(self) -> str:
        """The verdict as Markdown: in one line, the findings, and a row for every γ."""
        return "\n".join(reading.verdict_markdown(self)) + "\n"

    def plot(self, path: str | os.PathLike[str]) -> None:
        """Draw the errors in ULP against the margin, for each γ and quantity, to a PNG or SVG file; needs matplotlib."""
        picture.errors(self.curves, f"{self.name}: {'passed' if self.passed else 'failed'}", path)


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"

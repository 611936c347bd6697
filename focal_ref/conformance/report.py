"""What `focal_ref.conformance` has measured: rows of figures, as data and as text."""

from __future__ import annotations

import dataclasses
import math
import os
from typing import Any

import numpy as np

from ..libraries.backends import Status
from . import picture, text
from .contract import Judgement, Terms

__all__ = ["Finding", "Report", "Row", "Verdict", "figures"]


@dataclasses.dataclass(frozen=True)
class Row:
    """One quantity at one γ, on one backend in one type and precision."""

    backend: str
    link: str
    dtype: str
    precision: str
    """What it was computed in: "native" where the backend has no wider type, whatever was asked for."""
    gamma: float
    quantity: str
    points: int
    max_ulp: float
    """As the verdict has it: see `focal_ref.conformance.contract` for what φ'' is measured against."""
    p99_ulp: float
    max_ulp_plain: float
    max_ulp_terms: float | None
    """Of a Hessian, in ULP of Σ|terms|."""
    nan: int
    """NaN for a number, or a number for NaN."""
    wrong_inf: int
    flushed: int
    """Zeros for normal numbers."""
    subnormal_units: float
    """The largest error below the normal numbers, in the units that `focal_ref.conformance.contract` names."""
    bound: float
    subnormal_bound: float
    passed: bool
    worst: str
    """A line of Python that shows the worst point."""
    got: str
    exact: str

    def to_dict(self) -> dict[str, Any]:
        """The row as plain data, ready for JSON: an absent bound is None."""
        return {name: None if value == math.inf else value for name, value in dataclasses.asdict(self).items()}


@dataclasses.dataclass(frozen=True)
class Finding:
    """Failures of one kind with one cause, and the smallest input that shows them."""

    quantity: str
    kind: str
    """"NaN", "infinity", "zero", "subnormal", "inexact", or "error"."""
    cause: str | None
    """By name; None where no known one explains it."""
    cure: str
    count: int
    dtypes: tuple[str, ...]
    gammas: tuple[float, ...]
    line: str
    """Python that shows it; the function has to be known by its name."""
    got: str
    exact: str

    def to_dict(self) -> dict[str, Any]:
        """The finding as plain data."""
        return dataclasses.asdict(self)


def figures(found: Judgement, on: Terms) -> dict[str, Any]:
    """The figures of a row."""
    errors = found.error[found.measured] if found.measured.any() else np.zeros(1)
    return {
        "max_ulp": float(errors.max()),
        "p99_ulp": float(np.percentile(errors, 99)),
        "max_ulp_plain": float(np.max(found.plain[found.measured], initial=0.0)),
        "max_ulp_terms": float(np.max(found.by_terms[found.measured], initial=0.0)) if on.quantity == "hess" else None,
        "nan": int(np.count_nonzero(found.nan)),
        "wrong_inf": int(np.count_nonzero(found.infinite)),
        "flushed": int(np.count_nonzero(found.flushed)),
        "subnormal_units": float(found.units.max()),
        "bound": on.limit,
        "subnormal_bound": on.units,
        "passed": bool(not found.wrong.any()),
    }


@dataclasses.dataclass(frozen=True)
class Report:
    """What was measured, and what could not be."""

    rows: tuple[Row, ...]
    absent: tuple[Status, ...] = ()
    broken: tuple[Status, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether something was measured, nothing is broken and every row is within its bound."""
        return bool(self.rows) and not self.broken and all(row.passed for row in self.rows)

    def to_dict(self) -> dict[str, Any]:
        """The report as plain data, ready for JSON."""
        return {
            "passed": self.passed,
            "rows": [row.to_dict() for row in self.rows],
            "absent": [status._asdict() for status in self.absent],
            "broken": [status._asdict() for status in self.broken],
        }

    def __str__(self) -> str:
        return "\n".join(line.text for line in text.report_lines(self))


@dataclasses.dataclass(frozen=True)
class Verdict(Report):
    """What `focal_ref.conformance.check` says of a function: figures as of a `Report`, and what is wrong."""

    name: str = ""
    """The function's."""
    findings: tuple[Finding, ...] = ()
    remarks: tuple[str, ...] = ()
    """What was not measured, and why."""
    curves: tuple[dict[str, Any], ...] = dataclasses.field(default=(), repr=False, compare=False)
    """For `plot`: a row's labels, and its points' margins and errors in ULP."""

    @property
    def passed(self) -> bool:
        """Whether something was measured, every row is within its bound, and nothing else was found."""
        return super().passed and not self.findings

    @property
    def causes(self) -> tuple[str, ...]:
        """The names of what is wrong, each once."""
        return tuple(dict.fromkeys(finding.cause for finding in self.findings if finding.cause))

    def to_dict(self) -> dict[str, Any]:
        """The verdict as plain data, ready for JSON."""
        found = [finding.to_dict() for finding in self.findings]
        return {"name": self.name, **super().to_dict(), "findings": found, "remarks": list(self.remarks)}

    def __str__(self) -> str:
        return "\n".join(line.text for line in text.verdict_lines(self))

    def to_markdown(self) -> str:
        """The verdict as Markdown."""
        return "\n".join(text.verdict_markdown(self)) + "\n"

    def plot(self, path: str | os.PathLike[str]) -> None:
        """Draw the errors in ULP against the margin, for each γ and quantity, to a PNG or SVG file; needs matplotlib."""
        picture.errors(self, path)

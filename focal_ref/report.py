"""What `focal_ref.conformance` has measured: rows of figures, as data and as text."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from . import console
from .backends import Status

__all__ = ["Report", "Row"]


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
    """As the verdict has it: see `focal_ref.conformance` for what φ'' is measured against."""
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
    """The largest error below the normal numbers, in the units that `focal_ref.conformance` names."""
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
        return "\n".join(line.text for line in console.report_lines(self))

"""Rows of figures and findings: what `focal_ref.conformance` has measured, as data."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from .contract import Judgement, Terms

__all__ = ["Finding", "Row", "figures"]


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
    where: str = ""
    """The worst point, in a few words."""

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
    grade: str = "training"
    """Of `focal_ref.conformance.grading.GRADES`: how bad it is."""
    known: str = ""
    """Where it is wrong, as far as that is known: which γ, classes, targets, ties, logits."""
    where: str = ""
    """The input, in words."""
    of_batch: bool = False
    """Whether it is about batches, arguments or autograd, not about one point."""
    formula: bool = False
    """Whether it is the formula that is wrong, not its numbers."""

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

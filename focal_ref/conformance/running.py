"""Running of a function on its cases in one type at one γ, and what comes up on the way."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from ..libraries.backends import Status
from . import results as evidence
from . import sampling
from .contract import QUANTITIES
from .guard import Refused
from .plan import Plan
from .results import Evidence
from .rows import Finding
from .showing import given_line

__all__ = ["Notes", "run"]

UNREMARKABLE = 50.0
"""Logits up to which a function is asked where it is NaN everywhere."""


class Notes:
    """What comes up on the way."""

    def __init__(self) -> None:
        self.broken: list[Status] = []
        self.findings: list[Finding] = []
        self.remarks: dict[str, None] = {}
        self.values_only = False
        """Whether its gradient could not be taken."""


def run(plan: Plan, dtype: str, gamma: float, notes: Notes) -> list[Evidence]:
    """What the function gives, quantity by quantity; nothing where it is refused, which is noted."""
    parts = plan.parts(dtype)
    try:
        found = evidence.gathered(plan.subject, dtype, gamma, parts, plan.alone, plan.tolerance)
        if _spreads(found) and plan.largest == math.inf:
            plain = [sampling.finite(grid, UNREMARKABLE) for grid in parts]
            alone = evidence.gathered(plan.subject, dtype, gamma, plain, plan.alone, plan.tolerance)
            if not _spreads(alone):
                _note_spreading(plan, dtype, gamma, notes)
                found = alone
    except Refused as error:
        return _without_large(plan, dtype, gamma, notes, error)
    return found


def _without_large(plan: Plan, dtype: str, gamma: float, notes: Notes, error: Refused) -> list[Evidence]:
    """What a function gives at unremarkable logits, where it refuses others; a refusal is a finding."""
    plain = [sampling.finite(grid, UNREMARKABLE) for grid in plan.parts(dtype)]
    try:
        found = evidence.gathered(plan.subject, dtype, gamma, plain, plan.alone, plan.tolerance)
    except Refused:
        return _values_only(plan, dtype, gamma, notes, error)
    line = f"a batch with logits beyond {UNREMARKABLE:g}, infinite or NaN ones: {error}"
    _note(notes, "value", "it raises at large, infinite or NaN logits", str(error), dtype, gamma, line)
    return found


def _values_only(plan: Plan, dtype: str, gamma: float, notes: Notes, error: Refused) -> list[Evidence]:
    """Its values, where only the gradient is refused."""
    if plan.subject.measures[:2] == QUANTITIES[:2]:
        values = dataclasses.replace(plan.subject, derivative=None)
        try:
            found = evidence.gathered(values, dtype, gamma, plan.parts(dtype), plan.alone, plan.tolerance)
        except Refused:
            found = []
        if found:
            notes.values_only = True
            _note(
                notes, "grad", "its gradient cannot be taken", str(error), dtype, gamma, f"a batch of ordinary logits: {error}"
            )
            return found
    notes.broken.append(Status(dtype, "broken", f"gamma {gamma:g}: {error}"))
    return []


def _note(notes: Notes, quantity: str, cause: str, cure: str, dtype: str, gamma: float, line: str) -> None:
    if all(finding.cause != cause for finding in notes.findings):
        due = "a number" if quantity == "value" else "a gradient"
        notes.findings.append(Finding(quantity, "error", cause, cure, 1, (dtype,), (gamma,), line, "an error", due))


def _spreads(found: list[Evidence]) -> bool:
    return any(bool(np.isnan(e.got).all()) for e in found)


def _note_spreading(plan: Plan, dtype: str, gamma: float, notes: Notes) -> None:
    cause = "a NaN spreads over the whole batch"
    if all(finding.cause != cause for finding in notes.findings):
        values = [math.nan, 1.0] if plan.subject.link == "sigmoid" else [[math.nan, 1.0], [0.0, 1.0]]
        call = given_line(plan, dtype, gamma, values, [1, 1])
        cure = "each loss depends on its own logits only: no mean, maximum or sum over the batch inside"
        many = (len(QUANTITIES), (dtype,), (gamma,))
        notes.findings.append(Finding("value", "NaN", cause, cure, *many, call, "nan in the second place", "a number"))

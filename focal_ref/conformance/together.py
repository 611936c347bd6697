"""Examples together: what shows only in batches, and in the mean or sum of several losses."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from ..libraries.backends import Status
from . import batch, extent, means
from .guard import Refused
from .plan import Plan
from .pool import Odd
from .rows import Finding
from .running import Notes
from .showing import batch_line, given_line
from .variants import odd_variants

__all__ = ["check_batches", "check_means"]

UNSTEADY = ("wrong ", "a loss depends on the other examples", "not the same when called twice")
"""How causes begin after which a single point's result says nothing of its formula."""
REMARK = "What else is wrong may come of the batch: check again when that is mended."


def check_batches(plan: Plan, notes: Notes) -> None:
    """Whether a loss depends on anything but its own example."""
    s = dataclasses.replace(plan.subject, derivative=None) if notes.values_only else plan.subject
    gamma = min(plan.gammas, key=lambda g: abs(g - 2.0))
    for dtype in (d for d in plan.dtypes if all(status.name != d for status in notes.broken)):
        odd = [*batch.odd_batches(s, dtype, gamma, plan.classes[0], plan.largest)]
        unsteady = [o for o in odd if o.cause.startswith(UNSTEADY)]
        if unsteady:
            _leave_what_follows(notes)
        elif s.library is None:
            if all(finding.kind != "error" for finding in notes.findings):
                odd += batch.finite_alone(s, dtype, gamma, plan.parts(dtype))
            clips = any((f.cause or "").startswith("clipped") for f in notes.findings)
            odd += extent.beyond(
                s, dtype, plan.gammas, plan.classes, plan.factor, notes.remarks, clips=clips, compiles=plan.compiles
            )
            odd += odd_variants(plan, dtype, gamma, notes.remarks)
        _note(plan, notes, odd, dtype, gamma)


def _leave_what_follows(notes: Notes) -> None:
    """Formulas that were read off points of an unsteady batch, and what none explained."""
    kept = [f for f in notes.findings if f.of_batch or f.kind == "error" or (f.cause is not None and not f.formula)]
    if len(kept) < len(notes.findings):
        notes.remarks[REMARK] = None
    notes.findings[:] = kept


def _note(plan: Plan, notes: Notes, odd: Iterable[Odd], dtype: str, gamma: float) -> None:
    seen = {finding.cause for finding in notes.findings}
    for o in (o for o in odd if o.cause not in seen):
        facts = (o.many, (dtype,), (gamma,), batch_line(plan, dtype, gamma), o.got, o.exact)
        notes.findings.append(Finding(o.quantity, o.kind, o.cause, o.cure, *facts, where=o.line, of_batch=True))


def check_means(plan: Plan, notes: Notes) -> None:
    """Whether a mean or sum of several losses is one."""
    s, dtype, gamma = plan.subject, plan.dtypes[-1], plan.gammas[-1]
    try:
        found = means.odd_means(s, dtype, gamma, plan.classes[0], plan.factor)
    except Refused as error:
        notes.broken.append(Status("a batch", "broken", str(error)))
        return
    if found is None:
        return
    odd, grid = found
    line = given_line(plan, dtype, gamma, grid.logits.tolist(), grid.targets.tolist())
    facts = (odd.many, (dtype,), (gamma,), line, odd.got, odd.exact)
    if means.COUNT in odd.cause:  # a wrong count of one shows as a factor
        notes.findings[:] = [f for f in notes.findings if not f.formula]
    notes.findings.append(Finding("value", "inexact", odd.cause, odd.cure, *facts, where=odd.line, of_batch=True))

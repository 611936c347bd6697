"""Course of a check: run, judge, diagnose, shrink, and write down."""

from __future__ import annotations

import dataclasses
import math
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..libraries.backends import Status
from . import batch, extent, grading, means, sampling
from . import results as evidence
from .candidate import MOST_CLASSES
from .contract import QUANTITIES
from .diagnosis import causes
from .diagnosis.known import describe
from .diagnosis.shrink import shrunk
from .guard import Refused, plain
from .plan import Plan
from .report import Verdict
from .results import Evidence, Point
from .rows import Finding, Row, figures
from .showing import batch_line, import_line, name_of, place_of, point_line

__all__ = ["examined"]

UNREMARKABLE = 50.0
"""Logits up to which a function is asked where it is NaN everywhere."""
SHRINKING = 5.0
"""Seconds that one failure is shrunk for."""


class _Notes:
    """What comes up on the way."""

    def __init__(self) -> None:
        self.broken: list[Status] = []
        self.findings: list[Finding] = []
        self.remarks: dict[str, None] = {}


def examined(plan: Plan, progress: Callable[[int, int, str], None]) -> Verdict:
    """The verdict on a plan's function; its numbers may be anything, and whoever runs this may have made errors of warnings."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return _examined(plan, progress)


def _examined(plan: Plan, progress: Callable[[int, int, str], None]) -> Verdict:
    notes, found = _Notes(), []
    steps = [(dtype, gamma) for dtype in plan.dtypes for gamma in plan.gammas]
    for done, (dtype, gamma) in enumerate(steps):
        progress(done, len(steps), f"{dtype}, gamma {gamma:g}")
        if all(status.name != dtype for status in notes.broken):
            found += _run(plan, dtype, gamma, notes)
    progress(len(steps), len(steps), "looking for causes")
    measured, reduced = [e for e in found if e.got.size], plan.subject.reduction != "none"
    if plan.subject.kernel is not None:
        notes.remarks["causes and batches are looked into for focal loss only"] = None
    else:
        _diagnose(plan, found, notes)
        if reduced and not notes.broken:
            _check_batch(plan, notes)
        elif measured and not reduced:
            _check_layout(plan, notes)
    _remark(plan, measured, notes)
    rows, curves = [_row(plan, e) for e in measured], [_curve(e) for e in measured]
    name = plain(str(getattr(plan.subject.fn, "__qualname__", type(plan.subject.fn).__name__)))
    findings, remarks = tuple(grading.worst_first(notes.findings)), tuple(notes.remarks)
    return Verdict(tuple(rows), (), tuple(notes.broken), name, findings, remarks, curves=tuple(curves))


def _run(plan: Plan, dtype: str, gamma: float, notes: _Notes) -> list[Evidence]:
    parts = plan.parts(dtype)
    try:
        found = evidence.gathered(plan.subject, dtype, gamma, parts, plan.factor, plan.tolerance)
        if _spreads(found) and plan.largest == math.inf:
            plain = [sampling.finite(grid, UNREMARKABLE) for grid in parts]
            alone = evidence.gathered(plan.subject, dtype, gamma, plain, plan.factor, plan.tolerance)
            if not _spreads(alone):
                _note_spreading(plan, dtype, gamma, notes)
                found = alone
    except Refused as error:
        return _without_large(plan, dtype, gamma, notes, error)
    return found


def _without_large(plan: Plan, dtype: str, gamma: float, notes: _Notes, error: Refused) -> list[Evidence]:
    """What a function gives at unremarkable logits, where it refuses others; a refusal is a finding."""
    plain = [sampling.finite(grid, UNREMARKABLE) for grid in plan.parts(dtype)]
    try:
        found = evidence.gathered(plan.subject, dtype, gamma, plain, plan.factor, plan.tolerance)
    except Refused:
        notes.broken.append(Status(dtype, "broken", f"gamma {gamma:g}: {error}"))
        return []
    cause, cure = "it raises at large, infinite or NaN logits", str(error)
    if all(finding.cause != cause for finding in notes.findings):
        line = f"a batch with logits beyond {UNREMARKABLE:g}, infinite or NaN ones: {error}"
        notes.findings.append(Finding("value", "error", cause, cure, 1, (dtype,), (gamma,), line, "an error", "a number"))
    return found


def _spreads(found: list[Evidence]) -> bool:
    return any(bool(np.isnan(e.got).all()) for e in found)


def _note_spreading(plan: Plan, dtype: str, gamma: float, notes: _Notes) -> None:
    cause = "a NaN spreads over the whole batch"
    if all(finding.cause != cause for finding in notes.findings):
        values = [math.nan, 1.0] if plan.subject.link == "sigmoid" else [[math.nan, 1.0], [0.0, 1.0]]
        call = f"{name_of(plan)}(logits={values}, targets=[1, 1], gamma={gamma:g})".replace("nan", "float('nan')")
        cure = "each loss depends on its own logits only: no mean, maximum or sum over the batch inside"
        many = (len(QUANTITIES), (dtype,), (gamma,))
        notes.findings.append(Finding("value", "NaN", cause, cure, *many, call, "nan in the second place", "a number"))


# ---- causes -----------------------------------------------------------------------------------------------------------------


def _diagnose(plan: Plan, found: list[Evidence], notes: _Notes) -> None:
    wrong_formula = False
    for quantity in QUANTITIES:
        mine = [e for e in found if e.on.quantity == quantity]
        if not any(e.found.wrong.any() for e in mine):
            continue
        follows = wrong_formula and plan.subject.derivative == "auto" and quantity != "value"
        parts = causes.explained(mine, plan.subject.alpha, follows=follows)
        wrong_formula |= any(part.cause is not None and part.cause.formula for part in parts)
        notes.findings += [_finding(plan, mine, part) for part in parts]


def _finding(plan: Plan, evidences: Sequence[Evidence], part: causes.Explained) -> Finding:
    hit = [(e, mask) for e, mask in zip(evidences, part.masks, strict=True) if mask.any()]
    e, index = min((_plainest(e, mask) for e, mask in hit), key=lambda found: found[0])[1:]
    kind, start = e.kind(index), e.point(index)
    dtypes = tuple(dict.fromkeys(e.on.dtype for e, _ in hit))
    gammas = tuple(sorted({e.on.gamma for e, _ in hit}))
    error = float(e.found.error[index])
    point = _smallest(plan, e, kind, start, error, gammas) if plan.subject.inputs == "logits" else start
    count = sum(int(np.count_nonzero(mask)) for _, mask in hit)
    got, exact = _shown(plan, e, index, point)
    name, cure = (part.cause.name or None, part.cause.cure) if part.cause else (None, "")
    how_bad = grading.grade([e for e, _ in hit], [mask for _, mask in hit])
    known = "" if name else describe(evidences, part.masks)
    line = point_line(plan, e.on.quantity, point)
    return Finding(
        e.on.quantity, kind, name, cure, count, dtypes, gammas, line, got, exact, how_bad, known, place_of(plan, point)
    )


def _shown(plan: Plan, e: Evidence, index: int, point: Point) -> tuple[str, str]:
    """What is given and what is due at a point; by the batch where the function does not do the same again."""
    try:
        single = _at(plan, point, e.on.quantity)[e.on.quantity]
    except (Refused, KeyError):
        return repr(float(e.got[index])), repr(float(e.exact.hi[index]))
    entry = min(point.entry, single.got.size - 1)
    return repr(float(single.got[entry])), repr(float(single.exact.hi[entry]))


SEVERITY = ("NaN", "infinity", "zero", "inexact", "subnormal")


def _plainest(e: Evidence, mask: NDArray[np.bool_]) -> tuple[tuple[float, ...], Evidence, int]:
    """Of the results of a cause, one of the worst kind, with a margin near 0."""
    places = np.flatnonzero(mask)
    rank = np.asarray([SEVERITY.index(e.kind(int(place))) for place in places])
    places = places[rank == rank.min()]
    distance = np.where(np.isfinite(e.top[places]), np.abs(e.margin[places]), np.inf)
    best = int(np.argmin(distance))
    return (float(rank.min()), float(e.on.dtype == "float64"), float(distance[best]), e.on.gamma), e, int(places[best])


def _at(plan: Plan, point: Point, quantity: str) -> dict[str, Evidence]:
    """What is given at one point; no second derivatives where they are not asked for."""
    subject = plan.subject if quantity == "hess" else dataclasses.replace(plan.subject, order=1)
    return {e.on.quantity: e for e in evidence.single(subject, point, plan.factor, plan.tolerance)}


def _smallest(plan: Plan, e: Evidence, kind: str, start: Point, error: float, gammas: tuple[float, ...]) -> Point:
    """The smallest point that fails in the same way, at a γ that the cause was found at."""
    least = math.sqrt(error * e.on.limit) if kind == "inexact" and math.isfinite(error * e.on.limit) else 0.0

    latest = time.monotonic() + SHRINKING

    def fails(point: Point) -> bool:
        if point.gamma not in gammas or time.monotonic() > latest:
            return False
        try:
            single = _at(plan, point, e.on.quantity).get(e.on.quantity)
        except Refused:  # an input that the function refuses is no smaller failure
            return False
        entry = point.entry
        return bool(
            single is not None
            and single.found.wrong[entry]
            and single.kind(entry) == kind
            and (kind != "inexact" or single.found.error[entry] >= least)
        )

    if not fails(start):
        return start
    alpha = plan.subject.alpha
    fixed = len(plan.classes) == 1 or (alpha is not None and not isinstance(alpha, (int, float)))
    return shrunk(start, fails, keep_gamma=not plan.subject.takes_gamma or len(plan.gammas) == 1, keep_classes=fixed)


# ---- batches ----------------------------------------------------------------------------------------------------------------


def _check_layout(plan: Plan, notes: _Notes) -> None:
    """Whether a loss depends on anything but its own example."""
    s, gamma = plan.subject, min(plan.gammas, key=lambda g: abs(g - 2.0))
    for dtype in (d for d in plan.dtypes if all(status.name != d for status in notes.broken)):
        odd = [*batch.odd_batches(s, dtype, gamma, plan.classes[0], plan.largest)]
        if all(finding.kind != "error" for finding in notes.findings):
            odd += batch.finite_alone(s, dtype, gamma, plan.parts(dtype))
        odd += extent.beyond(s, dtype, plan.gammas, plan.classes, plan.factor)
        seen = {finding.cause for finding in notes.findings}
        for o in (o for o in odd if o.cause not in seen):
            line = batch_line(plan, dtype, gamma)
            notes.findings.append(
                Finding(
                    o.quantity,
                    o.kind,
                    o.cause,
                    o.cure,
                    o.many,
                    (dtype,),
                    (gamma,),
                    line,
                    o.got,
                    o.exact,
                    where=o.line,
                    of_batch=True,
                )
            )


# ---- reduced losses, and figures --------------------------------------------------------------------------------------------


def _check_batch(plan: Plan, notes: _Notes) -> None:
    """Whether a mean or sum of several losses is one."""
    s, dtype, gamma = plan.subject, plan.dtypes[-1], plan.gammas[-1]
    try:
        odd = means.odd_means(s, dtype, gamma, plan.classes[0], plan.factor)
    except Refused as error:
        notes.broken.append(Status("a batch", "broken", str(error)))
        return
    if odd is not None:
        grid = sampling.batch(s.link, plan.classes[0], dtype)
        line = f"{import_line(plan)}print({name_of(plan)}({grid.logits.tolist()}, {grid.targets.tolist()}, gamma={gamma:g}))"
        facts = (odd.many, (dtype,), (gamma,), line, odd.got, odd.exact)
        notes.findings.append(Finding("value", "inexact", odd.cause, odd.cure, *facts, where=odd.line, of_batch=True))


def _remark(plan: Plan, found: list[Evidence], notes: _Notes) -> None:
    measured = {e.on.quantity for e in found}
    s = plan.subject
    if found and "grad" not in measured:
        why = "probabilities are the inputs" if s.inputs == "probabilities" else "no derivative is given"
        why = why if s.derivative != "auto" or s.framework.gradient else f"{s.framework.arrays.name} does not differentiate"
        notes.remarks[f"The gradient is not measured: {why}."] = None
    elif found and "hess" not in measured and "hess" in s.measures:
        why = "no second derivative is given, or the framework cannot differentiate twice here"
        notes.remarks[f"The Hessian is not measured: {why}."] = None
    elif s.link == "softmax" and not callable(s.derivative) and max(plan.classes) > MOST_CLASSES:
        notes.remarks[f"The Hessian is measured for up to {MOST_CLASSES} classes."] = None


def _row(plan: Plan, e: Evidence) -> Row:
    worst = e.found.worst
    return Row(
        *(plan.subject.framework.arrays.name, plan.subject.link, e.on.dtype, "native", e.on.gamma, e.on.quantity),
        points=e.got.size,
        **figures(e.found, e.on),
        worst=point_line(plan, e.on.quantity, e.point(worst)),
        got=repr(float(e.got[worst])),
        exact=repr(float(e.exact.hi[worst])),
        where=place_of(plan, e.point(worst)),
    )


def _curve(e: Evidence) -> dict[str, Any]:
    broken = e.found.nan | e.found.infinite | e.found.flushed
    shown = np.isfinite(e.margin) & (e.found.measured | broken)
    kinds = np.where(e.found.nan, np.nan, np.where(e.found.infinite, np.inf, -np.inf))
    errors = np.where(broken, kinds, e.found.error)[shown]
    labels = {"dtype": e.on.dtype, "gamma": e.on.gamma, "quantity": e.on.quantity, "bound": e.on.limit}
    return {**labels, "margins": e.margin[shown], "errors": errors}

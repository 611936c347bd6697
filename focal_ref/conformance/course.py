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

from ..libraries.frameworks import on_one_thread
from . import grading, sampling, together
from . import results as evidence
from .candidate import MOST_CLASSES
from .contract import QUANTITIES
from .diagnosis import causes
from .diagnosis.known import describe
from .diagnosis.shrink import shrunk
from .diagnosis.unmeant import unmeant
from .guard import Refused, plain
from .plan import Plan
from .report import Verdict
from .results import Evidence, Point
from .rows import Finding, Row, figures
from .running import Notes, run
from .showing import given_line, place_of, point_line

__all__ = ["examined"]

SHRINKING = 5.0
"""Seconds that one failure is shrunk for."""


def examined(plan: Plan, progress: Callable[[int, int, str], None]) -> Verdict:
    """The verdict on a plan's function; its numbers may be anything, and whoever runs this may have made errors of warnings."""
    with warnings.catch_warnings(), np.errstate(all="ignore"), on_one_thread(plan.subject.framework):
        warnings.simplefilter("ignore")
        return _examined(plan, progress)


def _examined(plan: Plan, progress: Callable[[int, int, str], None]) -> Verdict:
    notes, found = Notes(), []
    steps = [(dtype, gamma) for dtype in plan.dtypes for gamma in plan.gammas]
    for done, (dtype, gamma) in enumerate(steps):
        progress(done, len(steps), f"{dtype}, gamma {gamma:g}")
        if all(status.name != dtype for status in notes.broken):
            found += run(plan, dtype, gamma, notes)
    progress(len(steps), len(steps), "looking for causes")
    measured, reduced = [e for e in found if e.got.size], plan.subject.reduction != "none"
    _diagnose(plan, found, notes)
    if reduced and not notes.broken:
        together.check_means(plan, notes)
    elif measured and not reduced:
        together.check_batches(plan, notes)
    if plan.subject.writes:
        notes.findings.append(_writing(plan))
    _remark(plan, measured, notes)
    rows, curves = [_row(plan, e) for e in measured], [_curve(e) for e in measured]
    name = plain(str(getattr(plan.subject.fn, "__qualname__", type(plan.subject.fn).__name__)))
    findings, remarks = tuple(grading.worst_first(notes.findings)), tuple(notes.remarks)
    return Verdict(tuple(rows), (), tuple(notes.broken), name, findings, remarks, curves=tuple(curves))


def _writing(plan: Plan) -> Finding:
    names = " and ".join(sorted(plan.subject.writes))
    grid = sampling.batch(plan.subject.link, plan.classes[0], plan.dtypes[0])
    line = given_line(plan, plan.dtypes[0], plan.gammas[0], grid.logits.tolist(), grid.targets.tolist(), "written_by")
    facts = (1, plan.dtypes[:1], plan.gammas[:1], line, "another number", "what it was")
    cause = f"it writes into its argument: {names}"
    return Finding("value", "error", cause, "make a new array: no *=, no out=, no trailing underscore", *facts, of_batch=True)


# ---- causes -----------------------------------------------------------------------------------------------------------------


def _diagnose(plan: Plan, found: list[Evidence], notes: Notes) -> None:
    wrong_formula = False
    for quantity in QUANTITIES:
        mine = [e for e in found if e.on.quantity == quantity]
        if not any(e.found.wrong.any() for e in mine):
            continue
        follows = wrong_formula and plan.subject.derivative == "auto" and quantity != "value"
        plain = getattr(plan.factor, "plain", True) and plan.subject.kernel is None
        parts = causes.explained(mine, plan.subject.alpha, follows=follows) if plain else unmeant(mine)
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
    formula = part.cause is not None and part.cause.formula
    where = place_of(plan, point)
    return Finding(
        e.on.quantity, kind, name, cure, count, dtypes, gammas, line, got, exact, how_bad, known, where, formula=formula
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
    less: dict[str, dict[str, Any]] = {"value": {"derivative": None}, "grad": {"order": 1}}
    subject = dataclasses.replace(plan.subject, **(less.get(quantity, {}) if plan.subject.library is None else {}))
    return {e.on.quantity: e for e in evidence.single(subject, point, plan.alone, plan.tolerance)}


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


# ---- figures ----------------------------------------------------------------------------------------------------------------


def _remark(plan: Plan, found: list[Evidence], notes: Notes) -> None:
    measured = {e.on.quantity for e in found}
    s = plan.subject
    if s.library is not None:
        return
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

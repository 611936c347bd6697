"""Plan of a check, and its course: run, judge, diagnose, shrink, and write down."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..libraries import backends
from ..libraries.backends import Status
from ..typing import Floats
from . import grids, sampling
from . import results as evidence
from .candidate import MOST_CLASSES, Subject
from .contract import QUANTITIES
from .diagnosis import causes
from .diagnosis.shrink import shrunk
from .grids import Grid
from .report import Verdict
from .results import Evidence, Point
from .rows import Finding, Row, figures
from .sampling import Factor

__all__ = ["Plan", "examined", "value_grad_hess_at"]

UNREMARKABLE = 50.0
"""Logits up to which a function is asked where it is NaN everywhere."""
SINGLE = 60
"""Points of each grid where a function that reduces is called, one at a time."""


class Plan(NamedTuple):
    """What a function is to be checked on."""

    subject: Subject
    dtypes: tuple[str, ...]
    gammas: tuple[float, ...]
    factor: Factor | None
    tolerance: float | None
    classes: tuple[int, ...]
    largest: float
    seed: int

    def parts(self, dtype: str) -> tuple[Grid, ...]:
        """The grids of a type."""
        s = self.subject
        found = sampling.chosen(s.link, dtype, self.gammas, self.classes, s.inputs, self.largest, self.seed)
        return found if s.reduction == "none" else tuple(sampling.few(grid, SINGLE) for grid in found)


class _Notes:
    """What comes up on the way."""

    def __init__(self) -> None:
        self.broken: list[Status] = []
        self.findings: list[Finding] = []
        self.remarks: dict[str, None] = {}


def examined(plan: Plan, progress: Callable[[int, int, str], None]) -> Verdict:
    """The verdict on a plan's function."""
    notes, found = _Notes(), []
    steps = [(dtype, gamma) for dtype in plan.dtypes for gamma in plan.gammas]
    for done, (dtype, gamma) in enumerate(steps):
        progress(done, len(steps), f"{dtype}, gamma {gamma:g}")
        if all(status.name != dtype for status in notes.broken):
            found += _run(plan, dtype, gamma, notes)
    progress(len(steps), len(steps), "looking for causes")
    _diagnose(plan, found, notes)
    if plan.subject.reduction != "none" and not notes.broken:
        _check_batch(plan, notes)
    _remark(plan, found, notes)
    rows, curves = [_row(plan, e) for e in found], [_curve(e) for e in found]
    name = getattr(plan.subject.fn, "__qualname__", type(plan.subject.fn).__name__)
    return Verdict(tuple(rows), (), tuple(notes.broken), name, tuple(notes.findings), tuple(notes.remarks), tuple(curves))


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
    except Exception as error:  # whatever the function raises is to be told, not to end the check
        notes.broken.append(Status(dtype, "broken", f"gamma {gamma:g}: {backends.in_one_line(error)}"))
        return []
    return found


def _spreads(found: list[Evidence]) -> bool:
    return any(bool(np.isnan(e.got).all()) for e in found)


def _note_spreading(plan: Plan, dtype: str, gamma: float, notes: _Notes) -> None:
    cause = "a NaN spreads over the whole batch"
    if all(finding.cause != cause for finding in notes.findings):
        values = [math.nan, 1.0] if plan.subject.link == "sigmoid" else [[math.nan, 1.0], [0.0, 1.0]]
        call = f"{_name(plan)}(logits={values}, targets=[1, 1], gamma={gamma:g})".replace("nan", "float('nan')")
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
    single = _at(plan, point)[e.on.quantity]
    entry = min(point.entry, single.got.size - 1)
    got, exact = repr(float(single.got[entry])), repr(float(single.exact.hi[entry]))
    name, cure = (part.cause.name, part.cause.cure) if part.cause else (None, "")
    return Finding(e.on.quantity, kind, name, cure, count, dtypes, gammas, _line(plan, e.on.quantity, point), got, exact)


SEVERITY = ("NaN", "infinity", "zero", "inexact", "subnormal")


def _plainest(e: Evidence, mask: NDArray[np.bool_]) -> tuple[tuple[float, ...], Evidence, int]:
    """Of the results of a cause, one of the worst kind, with a margin near 0."""
    places = np.flatnonzero(mask)
    rank = np.asarray([SEVERITY.index(e.kind(int(place))) for place in places])
    places = places[rank == rank.min()]
    distance = np.where(np.isfinite(e.top[places]), np.abs(e.margin[places]), np.inf)
    best = int(np.argmin(distance))
    return (float(rank.min()), float(e.on.dtype == "float64"), float(distance[best]), e.on.gamma), e, int(places[best])


def _at(plan: Plan, point: Point) -> dict[str, Evidence]:
    return {e.on.quantity: e for e in evidence.single(plan.subject, point, plan.factor, plan.tolerance)}


def _smallest(plan: Plan, e: Evidence, kind: str, start: Point, error: float, gammas: tuple[float, ...]) -> Point:
    """The smallest point that fails in the same way, at a γ that the cause was found at."""
    least = math.sqrt(error * e.on.limit) if kind == "inexact" and math.isfinite(error * e.on.limit) else 0.0

    def fails(point: Point) -> bool:
        if point.gamma not in gammas:
            return False
        try:
            single = _at(plan, point).get(e.on.quantity)
        except Exception:  # an input that the function refuses is no smaller failure
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


# ---- the line that shows it -------------------------------------------------------------------------------------------------


def _name(plan: Plan) -> str:
    fn = plan.subject.fn
    return str(getattr(fn, "__name__", "fn")) if str(getattr(fn, "__name__", "fn")).isidentifier() else "fn"


def _line(plan: Plan, quantity: str, point: Point) -> str:
    """Python that shows one result; the function, and what has no literal, go by their names."""
    s, default = plan.subject, Subject(plan.subject.fn, plan.subject.link, plan.subject.framework)
    options = {"link": s.link, "framework": s.framework.arrays.name, "dtype": point.dtype, "gamma": point.gamma}
    for name in ("arguments", "alpha", "reduction", "inputs", "targets", "channels_first"):
        if getattr(s, name) != getattr(default, name):
            options[name] = getattr(s, name)
    texts = {name: repr(value) for name, value in options.items()}
    if callable(s.derivative):
        texts["derivative"] = getattr(s.derivative, "__name__", "derivative")
    logits = repr(point.logits[0] if s.link == "sigmoid" else list(point.logits))
    head = "from math import inf, nan; " if "inf" in logits or "nan" in logits else ""
    module = getattr(s.fn, "__module__", None)
    known = module not in (None, "__main__", "builtins") and "<" not in getattr(s.fn, "__qualname__", "<")
    head += f"from {module} import {_name(plan)}; " if known and "." not in s.fn.__qualname__ else ""
    place = f"[{point.entry}]" if quantity != "value" and s.link == "softmax" else ""
    what = ", ".join(f"{name}={text}" for name, text in texts.items())
    call = f"value_grad_hess_at({_name(plan)}, {logits}, {point.target}, {what})"
    return f"{head}from focal_ref.conformance import value_grad_hess_at; print({call}[{quantity!r}]{place})"


def value_grad_hess_at(
    fn: Callable[..., Any],
    logits: float | Sequence[float],
    target: int,
    *,
    dtype: str = "float32",
    gamma: float = 2.0,
    **how: Any,
) -> dict[str, Any]:
    """What a function gives at one logit, or one row: by quantity, in float64. Options as for `check`.

    Examples
    --------
    >>> import focal_ref as fr
    >>> value_grad_hess_at(fr.sigmoid_focal_loss, 0.0, 1, dtype="float64", gamma=0.0)
    {'value': 0.6931471805599453}
    """
    from ..libraries import frameworks

    subject = Subject(fn, how.pop("link", "sigmoid"), frameworks.get(how.pop("framework", "numpy")), **how)
    batch: Floats = grids.rounded(np.asarray([logits], dtype=np.float64), dtype)
    results = subject(dtype, gamma, batch, np.asarray([target], dtype=np.int32))
    return {q: result[0].tolist() for q, result in results.items()}


# ---- reduced losses, and figures --------------------------------------------------------------------------------------------


def _check_batch(plan: Plan, notes: _Notes) -> None:
    """Whether a mean or sum of several losses is one."""
    s, dtype, gamma = plan.subject, plan.dtypes[-1], plan.gammas[-1]
    grid = sampling.batch(s.link, plan.classes[0], dtype)
    seen = sampling.as_probabilities(grid) if s.inputs == "probabilities" else grid
    got = s.reduced(dtype, gamma, seen.logits, seen.targets)
    losses = sampling.exact(seen, gamma, s.inputs, plan.factor)["value"].hi
    n, classes, positives = len(losses), plan.classes[0], int(np.count_nonzero(grid.targets))
    exact = math.fsum(losses) / (n if s.reduction == "mean" else 1)
    if abs(got - exact) <= 1e-2 * abs(exact):
        return
    divisors = {"nothing: a sum": 1, "the losses": n, "losses × classes": n * classes, "the positives": positives}
    total = math.fsum(losses)
    by = next((text for text, count in divisors.items() if abs(got * count - total) <= 1e-2 * abs(total)), "something else")
    cause = f"{s.reduction} over the wrong count: divided by {by}"
    cure = "a mean is divided by the losses that count, a sum by nothing; another divisor is to be asked for"
    line = f"{_name(plan)}({seen.logits.tolist()}, {seen.targets.tolist()}, gamma={gamma:g})"
    notes.findings.append(Finding("value", "inexact", cause, cure, 1, (dtype,), (gamma,), line, repr(got), repr(exact)))


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
        worst=_line(plan, e.on.quantity, e.point(worst)),
        got=repr(float(e.got[worst])),
        exact=repr(float(e.exact.hi[worst])),
    )


def _curve(e: Evidence) -> dict[str, Any]:
    broken = e.found.nan | e.found.infinite | e.found.flushed
    shown = np.isfinite(e.margin) & (e.found.measured | broken)
    errors = np.where(broken, np.nan, e.found.error)[shown]
    labels = {"dtype": e.on.dtype, "gamma": e.on.gamma, "quantity": e.on.quantity, "bound": e.on.limit}
    return {**labels, "margins": e.margin[shown], "errors": errors}

"""Variants of a call: soft targets, left-out examples, a weight for each loss; measured like the cases, on fewer points."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..conventions import soft_targets
from ..typing import Floats
from . import grids, ulp
from .candidate import Subject
from .guard import Refused, contained
from .member import meant
from .plan import Plan
from .pool import POOL, Odd, number
from .results import limit_of

__all__ = ["odd_variants"]

ROWS = POOL
REACH = 8.0
SLACK = 8.0
"""ULP on top of twice the cases' bound: of what is due, which is taken in float64 here."""
OF_CLIPS = 2e4
"""More, of a p that is rounded beside 1 before it is clipped."""
SHARES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
WEIGHTS = (0.0, 0.5, 1.0, 3.0)
OF_MEMBERS = ("expected",)
"""What a soft target of any member of the family may mean."""


class _Call(NamedTuple):
    """A call of another kind, and the losses that it should give."""

    words: str
    logits: Floats
    targets: NDArray[Any]
    due: Floats
    more: dict[str, Any]


def odd_variants(plan: Plan, dtype: str, gamma: float, remarks: dict[str, None]) -> Iterator[Odd]:
    """What is wrong with the variants that are wanted; what is right is remarked on."""
    rng, s, wanted = np.random.default_rng(grids.SEED + 3), plan.subject, plan.variants
    rows, classes = s.link == "softmax", plan.classes[0]
    x = grids.rounded(rng.uniform(-REACH, REACH, (ROWS, classes) if rows else ROWS), dtype)
    y = rng.integers(0, classes if rows else 2, ROWS)
    if wanted.soft is not None:
        yield from _soft(plan, dtype, gamma, x, rng, remarks)
    if wanted.ignore is not None:
        yield from _ignored(plan, dtype, gamma, x, y, remarks)
    if wanted.weight:
        weights = rng.choice(WEIGHTS, ROWS)
        due = np.where(weights == 0, 0.0, weights * _hard(plan, x, y, gamma))
        yield from _told(plan, dtype, gamma, _Call("a weight for each loss", x, y, due, {"weight": weights}), remarks)


def _hard(plan: Plan, x: Floats, y: NDArray[np.int64], gamma: float) -> Floats:
    weight = 1.0 if plan.factor is None else plan.factor(y.astype(np.int32), x.shape[1] if x.ndim == 2 else 2)
    return np.asarray(meant(plan.subject, gamma)(x, y)) * weight


# ---- soft targets -----------------------------------------------------------------------------------------------------------


def _soft(plan: Plan, dtype: str, gamma: float, x: Floats, rng: np.random.Generator, remarks: dict[str, None]) -> Iterator[Odd]:
    if x.ndim == 2:
        y = rng.dirichlet(np.ones(x.shape[1]), len(x))
        y = grids.rounded(y / y.sum(1, keepdims=True), dtype)
    else:
        y = grids.rounded(rng.choice(SHARES, len(x)), dtype)
    assert plan.variants.soft is not None
    meanings = soft_targets.SOFTMAX if x.ndim == 2 else soft_targets.SIGMOID
    names = meanings if plan.subject.kernel is None else OF_MEMBERS
    due = {name: _of_soft(name, plan, x, y, gamma) for name in names}
    call = _Call("soft targets", x, y, due[plan.variants.soft], {})
    try:
        got = _asked(plan.subject, dtype, gamma, call)
    except Refused as error:
        if "soft_targets" in plan.variants.asked:
            yield Odd(
                "value",
                "error",
                "soft targets are refused",
                "take probabilities as targets",
                1,
                "soft targets",
                str(error),
                "losses",
            )
        else:
            remarks["Soft targets are refused."] = None
        return
    if "soft_targets" not in plan.variants.asked and _as_hard(plan, dtype, gamma, got, x, y):
        remarks["Soft targets are taken for hard ones."] = None
        return
    other = next((name for name, losses in due.items() if _right(plan, dtype, gamma, got, losses).all()), None)
    if other is not None and other != plan.variants.soft:
        cause = f"soft targets mean another thing: {meanings[other].text}, not {meanings[plan.variants.soft].text}"
        yield _odd(
            cause, f"or say soft_targets={other!r}", got, call.due, _right(plan, dtype, gamma, got, call.due), "soft targets"
        )
        return
    yield from _told(plan, dtype, gamma, call._replace(words=f"soft targets ({plan.variants.soft})"), remarks)


def _as_hard(plan: Plan, dtype: str, gamma: float, got: Floats, x: Floats, y: Floats) -> bool:
    """Whether a soft target is taken for one of the two hard ones, or for the likeliest class."""
    hard = [y.argmax(1)] if y.ndim == 2 else [y == 1, y >= 0.5, y > 0.5, y > 0]
    return any(_right(plan, dtype, gamma, got, _hard(plan, x, t.astype(np.int64), gamma)).all() for t in hard)


def _of_soft(name: str, plan: Plan, x: Floats, y: Floats, gamma: float) -> Floats:
    """The losses by a formula, α as a share of each label's."""
    factor = plan.factor
    if x.ndim == 2:
        w = np.ones(x.shape[1]) if factor is None else np.asarray(factor(np.arange(x.shape[1], dtype=np.int32), x.shape[1]))
        if name == "expected":
            return np.asarray(meant(plan.subject, gamma, alpha=w.tolist())(x, y))
        return np.asarray((y @ w) * soft_targets.softmax(name, x, y, gamma))
    on, off = (1.0, 1.0) if factor is None else np.asarray(factor(np.asarray([1, 0], dtype=np.int32), 2)).tolist()
    if name == "expected":
        positive, negative = (np.asarray(meant(plan.subject, gamma)(x, label)) for label in (1, 0))
        return np.where(y == 0, 0.0, on * y * positive) + np.where(y == 1, 0.0, off * (1 - y) * negative)
    return np.asarray((on * y + off * (1 - y)) * soft_targets.sigmoid(name, x, y, gamma))


# ---- left out ---------------------------------------------------------------------------------------------------------------


def _ignored(plan: Plan, dtype: str, gamma: float, x: Floats, y: NDArray[np.int64], remarks: dict[str, None]) -> Iterator[Odd]:
    ignore = plan.variants.ignore
    assert ignore is not None
    out = np.arange(len(y)) % 3 == 1
    targets = np.where(out, ignore, y)
    due = np.where(out, 0.0, _hard(plan, x, y, gamma))
    yield from _told(plan, dtype, gamma, _Call(f"targets {ignore} left out", x, targets, due, {}), remarks)
    broken = x.copy()
    broken[out] = np.nan
    try:
        got = _asked(plan.subject, dtype, gamma, _Call("", broken, targets, due, {}))
    except Refused:
        return
    if np.isnan(got[out]).any():
        cause, cure = "a NaN in a row that is left out comes through", "mask by where, last: 0 · NaN is NaN"
        yield Odd("value", "NaN", cause, cure, int(np.isnan(got[out]).sum()), f"target {ignore}, logit nan", "nan", "0.0")


# ---- asking and judging -----------------------------------------------------------------------------------------------------


def _asked(s: Subject, dtype: str, gamma: float, call: _Call) -> Floats:
    arrays = s.framework.arrays
    with contained(), arrays.context():
        x, y = s.given(dtype, call.logits, np.zeros(len(call.logits), dtype=np.int64))
        soft = call.targets.dtype.kind == "f"
        targets = (
            call.targets.T[None] if s.channels_first and soft else call.targets[None] if s.channels_first else call.targets
        )
        integers = "int64" if arrays.name.startswith(("torch", "numpy")) else "int32"
        kind = dtype if soft or s.targets in ("float", "one-hot") or (s.targets is None and s.link == "sigmoid") else integers
        y = arrays.asarray(targets, kind)
        more = {name: arrays.asarray(value, dtype) for name, value in call.more.items()}
        got = np.asarray(arrays.to_numpy(s.raw(x, y, gamma, **more)), dtype=np.float64)
        if got.size != len(call.logits):
            raise TypeError(f"got shape {got.shape}; expected {len(call.logits)} losses")
    return got.reshape(-1)


def _right(plan: Plan, dtype: str, gamma: float, got: Floats, due: Floats) -> NDArray[np.bool_]:
    with np.errstate(all="ignore"):
        return np.asarray((got == due) | (_ulps(dtype, got, due) <= _limit(plan, gamma)))


def _limit(plan: Plan, gamma: float) -> float:
    limit = 2 * limit_of(plan.tolerance, plan.subject.link, "value", gamma) + SLACK
    return limit + (OF_CLIPS if getattr(plan.factor, "clips", None) else 0.0)


def _ulps(dtype: str, got: Floats, due: Floats) -> Floats:
    """Errors in ULP; of what is far below the largest, in ULP of a thousandth of that."""
    scale = np.maximum(np.abs(due), 1e-3 * np.abs(due).max())
    return np.asarray(np.abs(got - due) / (scale * ulp.FORMATS[dtype].eps))


def _told(plan: Plan, dtype: str, gamma: float, call: _Call, remarks: dict[str, None]) -> Iterator[Odd]:
    try:
        got = _asked(plan.subject, dtype, gamma, call)
    except Refused as error:
        if not plan.variants.asked:
            remarks[f"Refused: {call.words}."] = None
            return
        yield Odd("value", "error", f"refused: {call.words}", str(error), 1, call.words, str(error), "losses")
        return
    right = _right(plan, dtype, gamma, got, call.due)
    if right.all():
        remarks[f"Measured too: {call.words} ({dtype}: {_ulps(dtype, got, call.due).max():.1f} ULP at most)."] = None
    else:
        yield _odd(f"wrong with {call.words}", "each loss is what the option says", got, call.due, right, call.words)


def _odd(cause: str, cure: str, got: Floats, due: Floats, right: NDArray[np.bool_], where: str) -> Odd:
    place = int(np.flatnonzero(~right)[0])
    return Odd("value", "inexact", cause, cure, int(np.count_nonzero(~right)), where, number(got[place]), number(due[place]))

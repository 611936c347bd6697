"""Special mistakes, each with a model or a rule of its own: 0 · log 0, a narrower type on the way, softplus's threshold."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np

from ...typing import Floats, Mask
from .. import ulp
from ..formats import rounded
from ..place import Place
from ..results import Evidence
from .fit import CONFIRMED, Cause

__all__ = ["narrowed", "nothing_times_infinity", "past_threshold"]

Many: TypeAlias = Sequence[Evidence]
Claims: TypeAlias = Iterator[tuple[Cause, list[Mask]]]


def nothing_times_infinity(evidences: Many, left: list[Mask]) -> Claims:
    """0 · log 0 of a class that is not the target's: NaN where the smallest share underflows, whatever the logits' size."""
    masks = []
    for e, rest in zip(evidences, left, strict=True):
        if not e.places[0].rows:
            return
        under = -math.log(ulp.FORMATS[e.on.dtype].smallest)
        spread = e.each(lambda m: m.spread(np.ptp(m.grid.logits, axis=1)))
        must, may = spread > 1.02 * under, spread > 0.9 * -math.log(ulp.FORMATS[e.on.dtype].tiny)
        asked = np.isfinite(spread) & ~np.isnan(e.exact.hi)
        nan = np.isnan(e.got) & asked
        share = np.mean(nan[must & asked & (e.margin > -under)]) if (must & asked & (e.margin > -under)).any() else 0.0
        confirmed = nan.sum() >= 3 and share >= CONFIRMED and np.mean(may[nan]) >= CONFIRMED
        masks.append(rest & nan & may & confirmed)
    cure = "take log_softmax and the target's entry; a sum over classes is to leave the others out by where"
    yield Cause("0 · log 0 of a class that is not the target's", cure), masks


NARROWER = {"float64": ("float32", "float16", "bfloat16"), "float32": ("float16", "bfloat16"), "float16": ()}


def narrowed(evidences: Many, left: list[Mask]) -> Claims:
    """Results that a narrower type has, with its errors; those of logits rounded to one; or a float32's errors in float64."""
    for e, rest in zip(evidences, left, strict=True):
        formats = [ulp.FORMATS[name] for name in NARROWER.get(e.on.dtype, ())]
        tests = itertools.product((_as_narrow_result, _of_narrow_logits, _with_its_errors), formats)
        found = ((test(e, fmt), fmt) for test, fmt in tests)
        told, fmt = next((pair for pair in found if pair[0]), ("", None))
        if fmt is not None:
            cure = f"{e.on.dtype} logits are narrowed on the way, or a constant is"
            finite = np.isfinite(e.got) & np.isfinite(e.exact.hi)
            near = finite & ((e.relative <= 64 * (1 + e.on.gamma) * fmt.eps) | (np.abs(e.exact.hi) < fmt.tiny))
            yield Cause(told, cure), [rest & near if other is e else np.zeros_like(other.found.nan) for other in evidences]


def _usable(e: Evidence) -> Mask:
    return np.asarray(e.mild & np.isfinite(e.relative) & np.isfinite(e.got) & (e.got != 0))


def _as_narrow_result(e: Evidence, fmt: ulp.Format) -> str:
    usable = _usable(e)
    errors, got = e.relative[usable], e.got[usable]
    fine = got.size > 9 and np.median(errors) > 1e-2 * fmt.eps and np.percentile(errors, 95) < 16 * (1 + e.on.gamma) * fmt.eps
    return f"computed in {fmt.name}" if fine and np.mean(rounded(got, fmt.name) == got) > 0.9 else ""


def _of_narrow_logits(e: Evidence, fmt: ulp.Format) -> str:
    """The exact formula, of logits rounded to the type."""
    if e.on.quantity == "hess":
        return ""

    def model(m: Place) -> Floats:
        other = Place(m.grid._replace(logits=rounded(m.grid.logits, fmt.name)), m.gamma, m.quantity)
        return other.modulator * other.nll if m.quantity == "value" else other.pull() * other.turn

    usable = _usable(e)
    due = (e.weight * e.each(model))[usable]
    slack = 1e2 * (1 + e.on.gamma) * ulp.FORMATS[e.on.dtype].eps
    near = np.abs(e.got[usable] - due) <= slack * np.abs(due)
    tells = np.abs(due - e.exact.hi[usable]) > max(1e-2 * fmt.eps, 4 * slack) * np.abs(due)  # what is near is not exact, too
    return f"the logits are rounded to {fmt.name}" if tells.sum() > 9 and near[tells].mean() >= CONFIRMED else ""


def _with_its_errors(e: Evidence, fmt: ulp.Format) -> str:
    """Errors as large as the type's own that change their sign from point to point, as rounding's do."""
    usable = _usable(e)
    if usable.sum() < 30:
        return ""
    order = np.argsort(e.margin[usable])
    signed = (e.got[usable] / e.exact.hi[usable] - 1)[order]
    size = np.abs(signed)
    turns = np.mean(np.sign(signed[1:]) != np.sign(signed[:-1]))
    right_size = 2e-2 * fmt.eps < np.median(size) < 4 * fmt.eps and np.percentile(size, 98) < 16 * (1 + e.on.gamma) * fmt.eps
    return f"computed in {fmt.name}, in part" if right_size and turns > 0.25 else ""


def past_threshold(evidences: Many, left: list[Mask]) -> Claims:
    """softplus(x) = x beyond 20: the value u^γ ℓ with one or both of its logarithms so, in float64 seen to many digits."""
    if evidences[0].on.quantity != "value":
        return
    masks = []
    for e, rest in zip(evidences, left, strict=True):
        hard = rest & (e.margin < -20) & (e.margin > -30) & np.isfinite(e.got)
        g, z = e.on.gamma, -e.margin
        with np.errstate(all="ignore"):
            models = [e.weight * z * np.exp(-g * np.log1p(np.exp(-z))), e.weight * z]
            near = [np.abs(e.got - m) <= 2e-14 * (1 + g) * np.abs(m) for m in models]
        confirmed = hard.sum() >= 3 and max(np.mean(n[hard]) for n in near) >= CONFIRMED and e.on.dtype == "float64"
        sure = (e.margin > 20) & (e.relative < 1e-7)  # e^z, where log(1 + e^z) is due
        masks.append(rest & confirmed & ((e.margin < -20) | sure))
    if any(mask.any() for mask in masks):
        cure = "torch's softplus is x itself beyond threshold=20: give it a larger one, or take logsigmoid"
        yield Cause("softplus's threshold of 20", cure), masks

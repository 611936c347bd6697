"""Special mistakes, each with a model or a rule of its own: 0 · log 0, a narrower type on the way, softplus's threshold."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np

from ...typing import Mask
from .. import ulp
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


def narrowed(evidences: Many, left: list[Mask]) -> Claims:
    """A float64 result with a float32's errors, whose last 29 bits are 0; or that of logits rounded to a narrower type."""
    masks = []
    for e, rest in zip(evidences, left, strict=True):
        usable = e.mild & np.isfinite(e.relative) & (e.got != 0)
        errors, got = e.relative[usable], e.got[usable]
        narrow = (
            got.size > 9 and np.median(errors) > 1e-9 and errors.max() < 1e-4 and np.mean(got.astype(np.float32) == got) > 0.9
        )
        masks.append(rest & (e.on.dtype == "float64") & narrow)
    yield Cause("computed in float32", "float64 logits are narrowed on the way, or a constant is"), masks


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

"""Fit of wrong formulas: models held against what a function returned.

Only on mild points, where no careless rounding can hide the formula, and only where the model and the exact result differ.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ...typing import Floats, Mask
from .. import ulp
from ..candidate import Alpha
from ..place import Place
from ..results import Evidence
from .clips import clipped
from .fitted import refitted
from .powers import power_by_group
from .wrong_formulas import FORMULAS, Mistake

__all__ = ["Cause", "wrong_formula"]

CONFIRMED = 0.95
"""The share of the points not used to find a model that it must explain."""
ENOUGH = 0.9
"""The share of the mild points that a formula must explain."""


class Cause(NamedTuple):
    """Something known to go wrong, and what to do instead."""

    name: str
    cure: str
    formula: bool = False
    """Whether it is the formula that is wrong, everywhere."""


def _tolerance(e: Evidence) -> float:
    return float(np.clip(512 * (1 + e.on.gamma) * ulp.FORMATS[e.on.dtype].eps, 1e-4, 0.05))


UNKNOWN = Cause("", "none of the known causes gives these results: see where it is wrong, and the smallest input")
"""A formula that is wrong everywhere, and no known one."""


def wrong_formula(evidences: Sequence[Evidence], alpha: Alpha) -> Cause | None:
    """The wrong formula, where it is one; `UNKNOWN` where it is none of the known ones."""
    gross = [e.mild & np.isfinite(e.got) & (e.relative > 5 * _tolerance(e)) for e in evidences]
    if sum(map(np.count_nonzero, gross)) < 3:
        return None
    clip = clipped(evidences)
    if clip is not None:
        return Cause(*clip)
    mistakes = [m for m in FORMULAS[evidences[0].on.quantity] if _link(evidences) in m.links]
    models = [_modelled(evidences, mistake) for mistake in mistakes]
    for mistake, model in zip(mistakes, models, strict=True):
        if _fits(evidences, model):
            return Cause(mistake.name, mistake.cure)
    factor = _factor(evidences, alpha)
    if factor is not None:
        return factor
    for mistake, model in zip(mistakes, models, strict=True):
        words = _factor_besides(evidences, model)
        if words:
            return Cause(f"{mistake.name}, and {words}", f"{mistake.cure}; no factor is due")
    law = power_by_group(evidences, alpha) or refitted(evidences)
    if law is not None:
        return Cause(*law)
    if not _everywhere(evidences, gross):
        return None  # a few points, not the formula
    return UNKNOWN


def _modelled(evidences: Sequence[Evidence], mistake: Mistake) -> list[Floats]:
    """What a mistake would give, at each evidence."""
    return [e.each(lambda place: place.weight * mistake.model(place)) for e in evidences]


def _link(evidences: Sequence[Evidence]) -> str:
    return "softmax" if evidences[0].places[0].rows else "sigmoid"


def _everywhere(evidences: Sequence[Evidence], gross: Sequence[Mask]) -> bool:
    """Whether most mild points of some type and γ are wrong."""
    return any(bool(g.any()) and g.sum() >= 0.3 * e.mild.sum() for e, g in zip(evidences, gross, strict=True))


def _fits(evidences: Sequence[Evidence], models: Sequence[Floats]) -> bool:
    """Whether the model gives what the function gave, on mild points of every evidence where it differs from what is exact."""
    told, matched = 0, 0
    for e, model in zip(evidences, models, strict=True):
        usable = e.mild & np.isfinite(model)
        scale = np.maximum(np.maximum(np.abs(model), e.exact.terms), ulp.FORMATS[e.on.dtype].tiny)
        near = np.abs(e.got - model) <= _tolerance(e) * scale
        tells = usable & (np.abs(model - e.exact.hi) > 5 * _tolerance(e) * scale)
        if (usable & ~tells).any() and np.mean(near[usable & ~tells]) < ENOUGH:
            return False
        told += int(np.count_nonzero(tells))
        matched += int(np.count_nonzero(near & tells))
    return told >= 3 and matched >= ENOUGH * told


def _factor_besides(evidences: Sequence[Evidence], models: Sequence[Floats]) -> str | None:
    """A factor on a model, fitted on every other mild point and confirmed on the rest, in words; None where it does not fit."""
    ratios, groups, tells, tolerance = [], [], [], max(map(_tolerance, evidences))
    for e, model in zip(evidences, models, strict=True):
        size = np.maximum(np.abs(model), e.exact.terms)
        use = e.mild & np.isfinite(model) & (np.abs(model) > 0.05 * size) & (model != 0)
        ratios.append(e.got[use] / model[use])
        groups.append(e.each(_group)[use])
        tells.append(model[use] / np.where(e.exact.hi == 0, np.nan, e.exact.hi)[use])
    ratio, group, told_all = np.concatenate(ratios), np.concatenate(groups), np.concatenate(tells)
    told = told_all[np.isfinite(told_all)]
    if ratio.size < 20 or told.size < 20 or np.ptp(told) <= 50 * tolerance * np.abs(told).max():
        return None  # the model itself is but a factor
    half = np.arange(ratio.size) % 2 == 0
    found = {g: float(np.median(ratio[half & (group == g)])) for g in np.unique(group[half])}
    due = np.asarray([found.get(g, np.nan) for g in group])[~half]
    if np.mean(np.abs(ratio[~half] - due) <= 4 * tolerance * np.abs(due)) < CONFIRMED:
        return None
    each = [told_all[(group == g) & np.isfinite(told_all)] for g in found]
    if all(part.size and np.ptp(part) <= 50 * tolerance * np.abs(part).max() for part in each):
        return None  # of each class, the model is but a factor
    factors = np.asarray(list(found.values()))
    if np.ptp(factors) <= 8.0 * tolerance * np.abs(factors).max():
        return f"a constant factor of {np.median(factors):.4g}"
    return "a factor for each class: " + ", ".join(f"{f:.4g}" for f in list(found.values())[:4])


def _group(place: Place) -> Floats:
    """Losses that may have a factor of their own: by class, and by the number of classes."""
    classes = place.grid.logits.shape[1] if place.rows else 2
    return np.broadcast_to(place.spread(np.asarray(place.grid.targets, dtype=np.float64) + 1000.0 * classes), place.shape)


LOGS = {"to base 2": 1 / math.log(2), "to base 10": 1 / math.log(10)}


def _factor(evidences: Sequence[Evidence], alpha: Alpha) -> Cause | None:
    """A factor that is the same at all points, or at all of one class, or of so many classes."""
    rows = evidences[0].places[0].rows
    ratios, groups, tolerance = [], [], max(map(_tolerance, evidences))
    for e in evidences:
        use = e.mild & (np.abs(e.exact.hi) >= 0.05 * e.exact.terms) & (e.exact.hi != 0)
        ratios.append(e.got[use] / e.exact.hi[use])
        groups.append(
            e.each(lambda m: m.spread(np.full(len(m.grid.targets), m.grid.logits.shape[-1])) if rows else m.positive)[use]
        )
    ratio, group = np.concatenate(ratios), np.concatenate(groups)
    found = {int(g): float(np.median(ratio[group == g])) for g in np.unique(group)}
    fits = np.abs(ratio - np.asarray([found[int(g)] for g in group])) <= 4 * tolerance * np.abs(ratio)
    if ratio.size < 5 or np.mean(fits) < ENOUGH:
        return _class_weights(evidences, alpha)

    def near(a: float, b: float) -> bool:
        return abs(a - b) <= 4 * tolerance * max(abs(a), abs(b), 0.1)

    if rows and len(found) > 1 and all(near(r * c, 1.0) for c, r in found.items()):
        return Cause("mean over the wrong count: divided by the classes too", "divide by the rows only")
    if rows and len(found) > 1 and all(near(r, c) for c, r in found.items()):
        return Cause("multiplied by the number of classes", "no factor is due")
    if not all(near(r, next(iter(found.values()))) for r in found.values()):
        return None if rows else _alpha(found[1], found[0], alpha, near)
    return _one_factor(next(iter(found.values())), alpha, near, tolerance)


def _one_factor(factor: float, alpha: Alpha, near: Callable[[float, float], bool], tolerance: float) -> Cause | None:
    for base, log in LOGS.items():
        if near(factor, log):
            return Cause(f"logarithm {base}", "take the natural one")
    if isinstance(alpha, (int, float)) and alpha and near(factor * alpha, 1.0):
        return Cause("alpha ignored", "multiply each loss by its α")
    if abs(factor - 1) <= tolerance:
        return None
    digits = 4 if abs(factor - 1) > 1e-2 else 6
    return Cause(f"a constant factor of {factor:.{digits}g}", "none is due; a default α, or a division by a count?")


def _alpha(positive: float, negative: float, alpha: Alpha, near: Callable[[float, float], bool]) -> Cause | None:
    """By the factors left on positives and negatives."""
    if (positive < 0) != (negative < 0):
        which = "positives" if positive < 0 else "negatives"
        return Cause(f"wrong sign for {which}", "both classes' losses are −(1 − p_t)^γ log p_t, and so are their derivatives")
    if 0.0 in (positive, negative):
        which = "positives" if positive == 0 else "negatives"
        return Cause(f"nothing for {which}", "both classes have a loss and a gradient")
    if not isinstance(alpha, (int, float)):
        if near(positive + negative, 1.0) or near(positive, 1.0) or near(negative, 1.0):
            return Cause(f"alpha without being asked: {positive:.4g} and {negative:.4g}", "α is None unless it is given")
        return None
    weights = positive * alpha, negative * (1 - alpha)
    for (on, off), name in (
        ((1 - alpha, alpha), "alpha swapped: 1 − α on positives"),
        ((1.0, 1.0), "alpha ignored"),
        ((alpha, 1.0), "alpha on positives only: negatives get 1, not 1 − α"),
        ((alpha, alpha), "alpha on both classes: negatives get α, not 1 − α"),
        ((alpha**2, (1 - alpha) ** 2), "alpha applied twice"),
    ):
        if near(weights[0], on) and near(weights[1], off):
            return Cause(name, "positives get α, negatives 1 − α")
    return None


def _class_weights(evidences: Sequence[Evidence], alpha: Alpha) -> Cause | None:
    """One α a class, not used as it should be."""
    if alpha is None or isinstance(alpha, (int, float)):
        return None
    weights = np.asarray(alpha, dtype=np.float64)
    for name, wrong in {
        "alpha ignored": np.ones_like(weights),
        "alpha swapped: in the order of classes turned round": weights[::-1],
        "alpha swapped: another class's": np.roll(weights, 1),
        "alpha swapped: another class's weight": np.roll(weights, -1),
    }.items():
        scale = [e.each(lambda m: m.spread((wrong / weights)[m.grid.targets])) for e in evidences]  # noqa: B023
        if _fits(evidences, [s * e.exact.hi for s, e in zip(scale, evidences, strict=True)]):
            return Cause(name, "the loss of a row gets its own class's α")
    return None

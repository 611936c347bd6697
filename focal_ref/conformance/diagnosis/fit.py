"""Fit of wrong formulas: models held against what a function returned.

Only on mild points, where no careless rounding can hide the formula, and only where the model and the exact result differ.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ...typing import Floats
from .. import ulp
from ..candidate import Alpha
from ..contract import WORDS
from ..results import Evidence
from .wrong_formulas import FORMULAS

__all__ = ["Cause", "wrong_formula"]

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


def wrong_formula(evidences: Sequence[Evidence], alpha: Alpha) -> Cause | None:
    """The wrong formula, where it is one; an unknown one has the name "another formula"."""
    gross = [e.mild & np.isfinite(e.got) & (e.relative > 5 * _tolerance(e)) for e in evidences]
    if sum(map(np.count_nonzero, gross)) < 3:
        return None
    link, quantity = ("softmax" if evidences[0].places[0].rows else "sigmoid"), evidences[0].on.quantity
    for mistake in FORMULAS[quantity]:
        if link in mistake.links and _fits(evidences, [e.each(lambda m: m.weight * mistake.model(m)) for e in evidences]):  # noqa: B023
            return Cause(mistake.name, mistake.cure)
    return _factor(evidences, alpha) or Cause(
        f"another formula: the {WORDS[quantity]} of another loss", "see the smallest input"
    )


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
    if not all(near(r, next(iter(found.values()))) for r in found.values()):
        return None if rows else _alpha(found[1], found[0], alpha, near)
    return _one_factor(next(iter(found.values())), alpha, near)


def _one_factor(factor: float, alpha: Alpha, near: Callable[[float, float], bool]) -> Cause:
    for base, log in LOGS.items():
        if near(factor, log):
            return Cause(f"logarithm {base}", "take the natural one")
    if isinstance(alpha, (int, float)) and alpha and near(factor * alpha, 1.0):
        return Cause("alpha ignored", "multiply each loss by its α")
    return Cause(f"a constant factor of {factor:.4g}", "none is due; a default α, or a division by a count?")


def _alpha(positive: float, negative: float, alpha: Alpha, near: Callable[[float, float], bool]) -> Cause | None:
    """By the factors left on positives and negatives."""
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

"""Marks that a mistake leaves whatever the formula: wrong at ties alone, one bound, one constant, nothing beyond a margin."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np

from ...typing import Mask
from .. import ulp
from ..results import Evidence
from .clips import rounded
from .fit import CONFIRMED, Cause
from .known import tied

__all__ = ["added", "at_ties", "below_the_power", "limited", "nothing_when_sure", "only"]

Many: TypeAlias = Sequence[Evidence]
Claims: TypeAlias = Iterator[tuple[Cause, list[Mask]]]
GROSS = 1e-3
FEWEST = 4


def at_ties(evidences: Many, left: list[Mask]) -> Claims:
    """Gross errors at ties, and none at any other mild point."""
    ties = [e.each(tied).astype(bool) for e in evidences]
    gross = [rest & (e.top <= 50) & (e.found.nan | ~(e.relative <= GROSS)) for e, rest in zip(evidences, left, strict=True)]
    masks = [bad & tie for bad, tie in zip(gross, ties, strict=True)]
    elsewhere = sum(int((bad & ~tie & e.mild).sum()) for e, bad, tie in zip(evidences, gross, ties, strict=True))
    others = sum(int((e.mild & ~tie).sum()) for e, tie in zip(evidences, ties, strict=True))
    if elsewhere or others < 8 or not any(mask.any() for mask in masks):
        return
    where = "equal logits" if evidences[0].places[0].rows else "x = 0"
    cure = "a comparison, max, abs or relu there needs the limit of both sides: log1p(exp(−|x|)) with its max as one function"
    yield Cause(f"wrong at ties only: {where}", cure), masks


def limited(evidences: Many, left: list[Mask]) -> Claims:
    """What is larger than a bound is the bound, and what is smaller is right."""
    if evidences[0].on.quantity == "hess":
        return
    bounds = [float(np.abs(e.got[_usable(e)]).max(initial=0.0)) for e in evidences]
    if 0.0 in bounds or np.ptp(bounds) > 1e-6 * max(bounds) or rounded(math.exp(-min(max(bounds), 700.0))).startswith("1e"):
        return  # p itself is clipped
    for e, rest, bound in zip(evidences, left, bounds, strict=True):
        usable = _usable(e)
        same = np.abs(np.abs(e.got) - bound) <= 1e-6 * bound
        beyond = usable & (np.abs(e.exact.hi) > 1.01 * bound)
        within = usable & (np.abs(e.exact.hi) < 0.99 * bound) & e.mild
        mine = beyond & same & (np.sign(e.got) == np.sign(e.exact.hi))
        levels = np.unique(np.round(np.abs(e.exact.hi[mine]) / bound, 3)).size
        if mine.sum() < FEWEST or levels < FEWEST or mine.sum() < CONFIRMED * beyond.sum():
            continue
        if within.sum() < 8 or np.mean(e.relative[within] < GROSS) < CONFIRMED:
            continue
        what = "a loss" if e.on.quantity == "value" else "a gradient"
        infinite = np.isinf(e.exact.hi) & same
        cure = "clip nothing inside a loss: the largest examples are what it is for; clip gradients in the optimiser, if at all"
        yield Cause(f"clipped: {what} is at most {_number(bound)}", cure), only(evidences, e, rest & same & (beyond | infinite))


def _usable(e: Evidence) -> Mask:
    return np.asarray(np.isfinite(e.got) & np.isfinite(e.exact.hi) & np.isfinite(e.top))


def _number(x: float) -> str:
    return f"{x:.6g}" if x != round(x) else f"{x:g}"


def only(evidences: Many, e: Evidence, mask: Mask) -> list[Mask]:
    """A mask of one evidence, and nothing of the others."""
    return [mask if other is e else np.zeros(other.got.shape, dtype=bool) for other in evidences]


def added(evidences: Many, left: list[Mask]) -> Claims:
    """The exact result and one number more."""
    masks, found = [], []
    for e, rest in zip(evidences, left, strict=True):
        difference, eps = e.got - e.exact.hi, ulp.FORMATS[e.on.dtype].eps
        usable = np.isfinite(difference) & e.mild
        number = float(np.median(difference[usable])) if usable.sum() >= 16 else 0.0
        noise = 64 * (1 + e.on.gamma) * eps * np.maximum(np.abs(e.exact.terms), abs(number))
        near = np.abs(difference - number) <= noise + 1e-3 * abs(number)
        tells = usable & (abs(number) > 8 * noise)
        holds = number != 0 and tells.sum() >= 8 and near[tells].mean() >= CONFIRMED
        found += [number] if holds else []
        masks.append(rest & near & np.isfinite(difference) if holds else np.zeros_like(rest))
    if found and np.ptp(found) <= 2e-3 * abs(found[0]):
        yield Cause(f"{found[0]:.3g} is added to each result", "add nothing: no epsilon is needed"), masks


def below_the_power(evidences: Many, left: list[Mask]) -> Claims:
    """(1 − p + ε)^γ: what is left of the factor for sure examples is ε^γ."""
    if evidences[0].on.quantity != "value":
        return
    for e, rest in zip(evidences, left, strict=True):
        g, fmt = e.on.gamma, ulp.FORMATS[e.on.dtype]
        sure = (e.margin > 3) & (e.exact.nll > 1e3 * fmt.tiny) & np.isfinite(e.got) & (e.got > 0) & (e.weight > 0)
        if g == 0 or sure.sum() < 8:
            continue
        last = np.flatnonzero(sure)[np.argsort(e.margin[sure])[-5:]]
        each = (e.got[last] / e.weight[last] / e.exact.nll[last]) ** (1 / g)
        epsilon = float(np.median(each))
        if not fmt.tiny < epsilon < 0.1 or np.ptp(each) > 0.01 * epsilon or e.got[last].min() < 1e3 * fmt.tiny:
            continue
        due = e.weight * (e.u + epsilon) ** g * e.exact.nll
        if np.any((e.margin > 3) & (due > 1e3 * fmt.tiny) & (e.got == 0)):  # which a rounded 1 − p is, and an ε never
            continue
        near = np.abs(e.got - due) <= (2e-3 + 8 * (1 + g) * fmt.eps / np.maximum(e.u + epsilon, fmt.eps)) * np.abs(due)
        rest_of_sure = sure & (e.margin < np.min(e.margin[last]))
        tells = rest_of_sure & (np.abs(due - e.exact.hi) > 0.05 * np.abs(due))
        if tells.sum() >= 8 and near[tells].mean() >= CONFIRMED and near[e.mild & np.isfinite(e.got)].mean() >= CONFIRMED:
            power = round(math.log10(epsilon))
            name = f"1e{power}" if abs(math.log10(epsilon) - power) < 0.01 else f"{epsilon:.3g}"
            cause = Cause(
                f"an epsilon of {name} in the factor: (1 − p + ε)^γ", "1 − p, as a sum, is never 0: no epsilon is needed"
            )
            yield cause, only(evidences, e, rest & near)


def nothing_when_sure(evidences: Many, left: list[Mask]) -> Claims:
    """0 beyond some margin, which no rounding makes there, and right within it."""
    masks, edges = [], []
    for e, rest in zip(evidences, left, strict=True):
        usable = np.isfinite(e.margin) & np.isfinite(e.got) & (np.abs(e.exact.hi) > 1e3 * ulp.FORMATS[e.on.dtype].tiny)
        zero = usable & (e.got == 0) & (e.margin > 0) & rest
        edge = float(e.margin[zero].min()) if zero.sum() >= 8 else math.inf
        lost = 0.8 * ulp.FORMATS[e.on.dtype].digits * math.log(2)
        beyond, within = usable & (e.margin > edge), usable & (e.margin < edge) & e.mild
        right = e.relative[within] < GROSS
        holds = edge < lost and within.sum() >= 8 and right.mean() >= CONFIRMED and (e.got[beyond] == 0).mean() >= CONFIRMED
        edges += [edge] if holds else []
        masks.append(rest & (e.got == 0) & (e.margin >= edge) if holds else np.zeros_like(rest))
    if edges:
        cause = f"0 for examples that are sure: where the true class leads by {min(edges):.3g} or more"
        yield Cause(cause, "leave nothing out: u^γ fades by itself"), masks

"""Mistakes with a number of their own, fitted: a temperature, label smoothing.

The number is found on every other mild point and has to give the rest as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ...typing import Floats
from .. import ulp
from ..place import Place
from ..results import Evidence

__all__ = ["refitted"]

CONFIRMED, FEWEST = 0.95, 8


class _Family(NamedTuple):
    """A mistake with one number: its name, its cure, its model at that number, and the numbers to look between."""

    name: Callable[[float], str]
    cure: str
    model: Callable[[Place, float], Floats]
    low: float
    high: float


def _at_temperature(m: Place, temperature: float) -> Floats:
    grid = m.grid._replace(logits=m.grid.logits / temperature)
    other = Place(grid, m.gamma, m.quantity)
    return other.modulator * other.nll


def _smoothed(m: Place, share: float) -> Floats:
    if m.rows:
        return np.asarray(m.modulator * ((1 - share) * m.nll - share * np.log(m.shares).mean(1)))
    other = np.logaddexp(0.0, m.margin)
    return np.asarray(m.modulator * ((1 - share / 2) * m.nll + share / 2 * other))


def _smoothed_sum(m: Place, share: float) -> Floats:
    """Every class's focal loss, by its share."""
    if m.rows:
        each = (1 - m.shares) ** m.gamma * -np.log(m.shares)
        return np.asarray((1 - share) * m.modulator * m.nll + share * each.mean(1))
    other = m.p**m.gamma * np.logaddexp(0.0, m.margin)
    return np.asarray((1 - share / 2) * m.modulator * m.nll + share / 2 * other)


FAMILIES: tuple[_Family, ...] = (
    _Family(
        lambda t: f"a temperature: the logits are divided by {t:.4g}",
        "take the logits as they are",
        _at_temperature,
        0.05,
        20.0,
    ),
    _Family(lambda s: f"label smoothing {s:.3g} without being asked", "smooth nothing by default", _smoothed, 1e-3, 0.9),
    _Family(lambda s: f"label smoothing {s:.3g} without being asked", "smooth nothing by default", _smoothed_sum, 1e-3, 0.9),
)


def refitted(evidences: Sequence[Evidence]) -> tuple[str, str] | None:
    """The mistake and its number, and what to do instead; None where none fits."""
    if evidences[0].on.quantity != "value":
        return None
    widest = max(ulp.FORMATS[e.on.dtype].eps for e in evidences)
    tolerance = float(np.clip(2e4 * widest, 1e-4, 0.05))
    constant = _constant(evidences, tolerance)
    if constant is not None:
        return f"{constant:.3g} is added to each result", "add nothing: no epsilon is needed"
    for family in FAMILIES:
        number = _best(evidences, family)
        if number is not None and _tells(evidences, family, number, tolerance) and _holds(evidences, family, number, tolerance):
            return family.name(number), family.cure
    return None


def _constant(evidences: Sequence[Evidence], tolerance: float) -> float | None:
    """One number that every mild result has too much, at every γ; None where there is none."""
    found = []
    for e in evidences:
        use = e.mild & np.isfinite(e.got)
        if use.sum() < FEWEST:
            return None
        extra, size = (e.got - e.exact.hi)[use], np.abs(e.exact.hi[use])
        number = float(np.median(extra))
        noise = 64 * (1 + e.on.gamma) * ulp.FORMATS[e.on.dtype].eps * (size + abs(number))
        tells = abs(number) > 8 * noise
        near = np.abs(extra - number) <= noise + 1e-3 * abs(number)
        if tells.sum() < FEWEST or near.mean() < CONFIRMED or np.ptp(size) < abs(number):
            return None
        found.append(number)
    return found[0] if np.ptp(found) <= tolerance * abs(found[0]) else None


def _apart(evidences: Sequence[Evidence], family: _Family, number: float, start: int) -> Floats:
    """Relative distances from the model at every other mild point."""
    parts = []
    for e in evidences:
        places = np.flatnonzero(e.mild & np.isfinite(e.got) & (e.weight > 0))[start::2]
        model = e.each(lambda m: family.model(m, number))[places]
        parts.append(np.abs(e.got[places] / e.weight[places] - model) / np.maximum(np.abs(model), 1e-12))
    return np.concatenate(parts)


def _best(evidences: Sequence[Evidence], family: _Family) -> float | None:
    """The number with the smallest median distance, by ever finer steps."""
    low, high = np.log(family.low), np.log(family.high)
    best = (low + high) / 2
    for _ in range(7):
        tries = np.linspace(low, high, 13)
        medians = []
        for number in np.exp(tries):
            found = _apart(evidences, family, float(number), 0)
            if found.size < FEWEST:
                return None
            medians.append(np.nanmedian(found))
        best, step = tries[int(np.nanargmin(medians))], tries[1] - tries[0]
        low, high = best - step, best + step
    return float(np.exp(best))


def _holds(evidences: Sequence[Evidence], family: _Family, number: float, tolerance: float) -> bool:
    return bool(np.mean(_apart(evidences, family, number, 1) <= tolerance) >= CONFIRMED)


def _tells(evidences: Sequence[Evidence], family: _Family, number: float, tolerance: float) -> bool:
    """Whether it differs from what is exact at most points."""
    apart = []
    for e in evidences:
        model = e.each(lambda m: family.model(m, number))[e.mild]
        apart.append(np.abs(model * e.weight[e.mild] - e.exact.hi[e.mild]) > 2 * tolerance * np.abs(e.exact.hi[e.mild]))
    return bool(np.mean(np.concatenate(apart)) > 0.3)

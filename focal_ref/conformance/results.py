"""Results of a function in one type at one γ, beside the exact ones: a quantity at a time, flat."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ..engine import precision
from ..typing import Floats, Mask
from . import grids, sampling, ulp
from .candidate import Subject
from .contract import NATIVE, QUANTITIES, SUBNORMAL_UNITS, Exact, Judgement, Terms, judge
from .grids import Grid
from .meaning import Factor, Meaning, forgiven
from .place import Place

__all__ = ["Evidence", "Point", "gathered", "limit_of", "single"]


CAREFUL = 2.0
"""How much more than the accuracy contract a careful loss in plain float32 may lose."""


class Point(NamedTuple):
    """One input: a logit or a row, its target, and the entry of the result that is meant."""

    dtype: str
    gamma: float
    logits: tuple[float, ...]
    """One: a sigmoid's."""
    target: int
    entry: int = 0


class Evidence:
    """One quantity in one type at one γ, at every point; arrays are flat, an entry a result."""

    def __init__(self, on: Terms, places: Sequence[Place], got: Floats, exact: Exact) -> None:
        self.on, self.places, self.got, self.exact = on, places, got, exact
        with np.errstate(all="ignore"):
            self.found: Judgement = judge(got, exact, on)

    def each(self, of: Callable[[Place], Floats | Mask]) -> Floats:
        """An array of the places, at every entry."""
        with np.errstate(all="ignore"):
            parts = [np.broadcast_to(of(place), place.shape).ravel() for place in self.places]
        return np.concatenate(parts)

    @functools.cached_property
    def margin(self) -> Floats:
        """z, which is large where the true class is sure."""
        return self.each(lambda place: place.margin)

    @functools.cached_property
    def weight(self) -> Floats:
        """α of the loss."""
        return self.each(lambda place: place.weight)

    @functools.cached_property
    def u(self) -> Floats:
        """1 − p."""
        return self.each(lambda place: place.u)

    @functools.cached_property
    def top(self) -> Floats:
        """The largest magnitude of the row's logits, or of the logit."""
        return self.each(lambda m: m.spread(np.abs(m.grid.logits.reshape(len(m.grid.logits), -1)).max(1)))

    @functools.cached_property
    def mild(self) -> Mask:
        """Where no careless rounding can hide which formula it is."""
        return (self.top <= 8) & (np.abs(self.margin) <= 4)

    @functools.cached_property
    def relative(self) -> Floats:
        """The relative error; of Σ|terms|, where these are more."""
        with np.errstate(all="ignore"):
            scale = np.maximum(np.abs(self.exact.terms), ulp.FORMATS[self.on.dtype].tiny)
            return np.asarray(np.abs((self.got - self.exact.hi) - self.exact.lo) / scale)

    def kind(self, index: int) -> str:
        """What is wrong with one result."""
        found = self.found
        names = {"NaN": found.nan, "infinity": found.infinite, "zero": found.flushed}
        names["subnormal"] = (found.units > 0) & ~found.measured
        return next((name for name, mask in names.items() if mask[index]), "inexact")

    def point(self, index: int) -> Point:
        """The input of one result."""
        for place in self.places:
            size = int(np.prod(place.shape))
            if index < size:
                row, entry = divmod(index, place.shape[1] if place.entries else 1)
                logits = np.atleast_1d(place.inputs[row]).tolist()
                return Point(self.on.dtype, self.on.gamma, tuple(logits), int(place.grid.targets[row]), entry)
            index -= size
        raise IndexError(index)


def limit_of(tolerance: float | str | None, link: str, quantity: str, gamma: float) -> float:
    """The largest error allowed: as asked for; a + b γ of the accuracy contract, if "exact"; twice that by default."""
    base, slope = NATIVE[link, quantity]
    if isinstance(tolerance, str) or tolerance is None:
        return (base + slope * gamma) * (1.0 if tolerance == "exact" else CAREFUL)
    return tolerance


def gathered(
    subject: Subject,
    dtype: str,
    gamma: float,
    parts: Sequence[Grid],
    factor: Factor | None,
    tolerance: float | str | None,
    *,
    alone: bool = False,
) -> list[Evidence]:
    """Run a function on grids and judge what it gives; γ is rounded to the type, as its own arithmetic would."""
    power = float(precision.round_to(gamma, dtype))
    got: dict[str, list[Floats]] = {}
    exact: dict[str, list[Exact]] = {}
    places: dict[str, list[Place]] = {}
    for grid in parts:
        ask = subject.alone if alone else subject
        results, truth = (
            ask(dtype, gamma, grid.logits, grid.targets),
            sampling.exact(grid, power, subject.inputs, factor, subject.kernel),
        )
        seen = sampling.as_logits(grid) if subject.inputs == "probabilities" else grid
        weight = None if factor is None else factor(grid.targets, seen.logits.shape[1] if seen.logits.ndim == 2 else 2)
        for q in results:
            place = Place(seen, power, q, weight, grid.logits)
            flat, due = results[q].ravel(), Exact(*(field.ravel() for field in truth[q]))
            if isinstance(factor, Meaning) and factor.clips is not None:
                flat, due = forgiven(flat, due, place, factor.clips, dtype)
            got.setdefault(q, []).append(flat)
            exact.setdefault(q, []).append(due)
            places.setdefault(q, []).append(place)
    flushes = dtype in subject.framework.arrays.flushes
    found = []
    for q in (q for q in QUANTITIES if q in got):
        units = max(SUBNORMAL_UNITS, tolerance if isinstance(tolerance, float) else 0.0)
        steeper = 0.0 if subject.kernel is None else subject.kernel.steeper
        limit = limit_of(tolerance, subject.link, q, gamma + steeper)
        if dtype == "float64" and getattr(factor, "smoothing", False):
            limit *= 2  # what is due is float64's as well
        on = Terms(q, dtype, dtype, gamma, limit, units, flushes)
        fields = (np.concatenate(field) for field in zip(*exact[q], strict=True))
        found.append(Evidence(on, places[q], np.concatenate(got[q]), Exact(*fields)))
    return found


def single(subject: Subject, point: Point, factor: Factor | None, tolerance: float | str | None) -> list[Evidence]:
    """The same at one point."""
    logits = np.asarray(point.logits if subject.link == "softmax" else point.logits[0], dtype=np.float64)[None]
    grid = Grid(
        subject.link, point.dtype, grids.rounded(logits, point.dtype), np.asarray([point.target], dtype=np.int32), ("",)
    )
    return gathered(subject, point.dtype, point.gamma, [grid], factor, tolerance, alone=True)

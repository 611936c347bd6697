"""Samples that `focal_ref.conformance.check` asks a function for: a part of `focal_ref.grids`, and seeded random ones.

A check has to be quick, so that it can stand in anybody's test suite: it takes the most telling points of every purpose.
"""

from __future__ import annotations

import functools
import itertools
from typing import Any

import mpmath
import numpy as np
from numpy.typing import NDArray

from .. import oracle
from ..typing import Floats
from . import grids, ulp
from .candidate import Alpha
from .contract import QUANTITIES, Exact
from .exact import of_inside, of_member, of_sigmoid, of_smoothed, of_softmax
from .grids import Grid
from .meaning import Factor, Meaning

__all__ = ["Factor", "alpha_factor", "as_logits", "as_probabilities", "batch", "chosen", "divisible", "exact", "few", "finite"]

POINTS = {"threshold": 500, "curvature": 40, "dense": 160, "magnitude": 120, "random": 240}
"""Of each purpose of the sigmoid's points; of the others all."""
RANDOM, RANDOM_ROWS = 100, 30


@functools.cache
def chosen(
    link: str,
    dtype: str,
    gammas: tuple[float, ...],
    classes: tuple[int, ...] = grids.CLASSES,
    inputs: str = "logits",
    largest: float = np.inf,
    seed: int = 0,
) -> tuple[Grid, ...]:
    """Where to ask, as grids of one shape each; probabilities stand where the logits do, if those are the inputs.

    Examples
    --------
    >>> [grid.logits.shape[1:] for grid in chosen("softmax", "float32", (2.0,))]
    [(2,), (3,), (10,), (100,), (1000,)]
    """
    rng = np.random.default_rng([grids.SEED, seed])
    if link == "sigmoid":
        x = rng.uniform(-1, 1, RANDOM) * 10.0 ** rng.uniform(-3, np.log10(grids.thresholds(dtype)[-1]), RANDOM)
        parts = [_joined(_thinned(grids.sigmoid(dtype, gammas)), grids.rounded(x, dtype), rng.integers(0, 2, RANDOM))]
    else:
        parts = [_few_rows(grid) for grid in grids.softmax(dtype, classes)]
        few_rows = max(2, min(RANDOM_ROWS, 3000 // classes[0]))
        rows = rng.normal(0, 1, (few_rows, classes[0])) * 10.0 ** rng.uniform(-2, 2, (few_rows, 1))
        parts[0] = _joined(parts[0], grids.rounded(rows, dtype), rng.integers(0, classes[0], few_rows))
    if largest < np.inf:
        parts = [finite(grid, largest) for grid in parts]
    return tuple(as_probabilities(grid) if inputs == "probabilities" else grid for grid in parts)


def _only(grid: Grid, keep: NDArray[np.bool_]) -> Grid:
    purposes = tuple(itertools.compress(grid.purposes, keep.tolist()))
    return Grid(grid.link, grid.dtype, grid.logits[keep], grid.targets[keep], purposes)


def finite(grid: Grid, largest: float = np.finfo(np.float64).max) -> Grid:
    """Without infinities and NaN, and what is larger than asked for."""
    return _only(grid, np.asarray((np.abs(grid.logits.reshape(len(grid.logits), -1)) <= largest).all(1)))


def divisible(grid: Grid) -> Grid:
    """Without finite logits whose loss overflows where it is summed before it is divided."""
    largest = np.abs(grid.logits.reshape(len(grid.logits), -1)).max(1)
    return _only(grid, ~(np.isfinite(largest) & (largest > ulp.FORMATS[grid.dtype].largest / 16)))


def _few_rows(grid: Grid) -> Grid:
    """The wider the rows, the fewer: the grids come with all purposes in turn where they are wide."""
    n = grid.logits.shape[1]
    return few(grid, 110) if n <= 10 else _only(grid, np.arange(len(grid.logits)) < max(3, 600 // n))


def few(grid: Grid, most: int) -> Grid:
    """At most so many points of a grid, as many of each purpose as of any other where there are, evenly among them."""
    purposes = np.asarray(grid.purposes)
    places = sorted((np.flatnonzero(purposes == purpose) for purpose in dict.fromkeys(grid.purposes)), key=len)
    keep = np.zeros(len(purposes), dtype=bool)
    for i, each in enumerate(places):
        share = min(len(each), (most - int(keep.sum())) // (len(places) - i))
        ordered = each[np.argsort(grid.targets[each], kind="stable")]  # targets take turns along a grid: every second has one
        among = np.linspace(0, len(each) - 1, share) if share > 1 else np.asarray([len(each) // 2] * share)
        keep[ordered[among.round().astype(int)]] = True
    return _only(grid, keep)


def _thinned(grid: Grid) -> Grid:
    """As many points of each purpose as `POINTS` says, evenly."""
    purposes = np.asarray(grid.purposes)
    keep = np.zeros(len(purposes), dtype=bool)
    for purpose in dict.fromkeys(grid.purposes):
        places = np.flatnonzero(purposes == purpose)
        keep[places[:: max(1, -(-len(places) // POINTS.get(purpose, len(places))))]] = True
    return _only(grid, keep)


def _joined(grid: Grid, logits: Floats, targets: NDArray[np.int64]) -> Grid:
    every = np.concatenate([grid.targets, targets.astype(np.int32)])
    purposes = (*grid.purposes, *["random"] * len(logits))
    return grid._replace(logits=np.concatenate([grid.logits, logits]), targets=every, purposes=purposes)


def as_probabilities(grid: Grid) -> Grid:
    """The same points by their probabilities, rounded to the type; the infinite logits' are 0 and 1."""
    with np.errstate(all="ignore"):
        if grid.link == "sigmoid":
            p = np.where(grid.logits < 0, np.exp(grid.logits) / (1 + np.exp(grid.logits)), 1 / (1 + np.exp(-grid.logits)))
            p = np.where(np.isinf(grid.logits), grid.logits > 0, p)
        else:
            e = np.exp(grid.logits - grid.logits.max(1, keepdims=True))
            p = e / e.sum(1, keepdims=True)
    p = grids.rounded(p, grid.dtype)
    return _only(grid._replace(logits=p), np.asarray(~np.isnan(p.reshape(len(p), -1)).any(1)))


def as_logits(grid: Grid) -> Grid:
    """Logits, in float64, of a grid of probabilities."""
    with np.errstate(all="ignore"):
        p = grid.logits
        return grid._replace(logits=np.log(p) - np.log1p(-p) if grid.link == "sigmoid" else np.log(p))


def batch(link: str, classes: int, dtype: str) -> Grid:
    """A few unremarkable losses, for a mean or sum: seven, three of them of class 0."""
    rng = np.random.default_rng(grids.SEED)
    logits = grids.rounded(rng.normal(0, 1, 7 if link == "sigmoid" else (7, classes)), dtype)
    return Grid(link, dtype, logits, np.asarray([1, 0, 1, 1, 0, 1, 0], dtype=np.int32), ("random",) * 7)


# ---- what is exact there ----------------------------------------------------------------------------------------------------


def exact(
    grid: Grid, gamma: float, inputs: str = "logits", factor: Factor | None = None, kernel: Any = None
) -> dict[str, Exact]:
    """The exact results on a grid, by quantity, each in its own shape; only values where probabilities are the inputs."""
    meaning = factor if isinstance(factor, Meaning) else Meaning()
    if kernel is not None:
        found = of_member(grid, kernel, gamma)
    elif meaning.inside is not None:
        found = of_inside(grid, gamma, meaning)
    elif meaning.smoothing:
        found = of_smoothed(grid, gamma, meaning)
    elif inputs == "probabilities":
        found = {"value": _exact_probabilities(grid, gamma)}
    else:
        found = (of_sigmoid if grid.link == "sigmoid" else of_softmax)(grid, gamma)
    classes = grid.logits.shape[1] if grid.logits.ndim == 2 else 2
    weight = None if factor is None else np.asarray(factor(grid.targets, classes), dtype=np.float64)
    return {q: _shaped(found[q], q, grid, weight) for q in QUANTITIES if q in found}


def _exact_probabilities(grid: Grid, gamma: float) -> Exact:
    """By the logit log(p/(1 − p)), to more digits than anything here can lose."""
    rows = np.arange(len(grid.logits))
    if grid.link == "sigmoid":
        p, turn = grid.logits, np.where(grid.targets == 1, 1.0, -1.0)
    else:
        p, turn = grid.logits[rows, grid.targets], np.ones(len(rows))
    with mpmath.workdps(400):
        margins = [_log_odds(float(share)) * int(sign) for share, sign in zip(p, turn, strict=True)]
    results = oracle.sigmoid_many(margins, 1, gamma)
    hi, lo = ulp.split(r.value for r in results)
    return Exact(hi, lo, np.abs(hi), np.asarray([float(mpmath.log1p(mpmath.exp(-z))) for z in margins]))


def _log_odds(p: float) -> mpmath.mpf:
    return mpmath.mpf("-inf") if p == 0 else mpmath.mpf("inf") if p == 1 else mpmath.log(mpmath.mpf(p) / (1 - mpmath.mpf(p)))


def _shaped(part: Exact, quantity: str, grid: Grid, weight: Floats | None) -> Exact:
    shape = grid.targets.shape if quantity == "value" else grid.logits.shape
    fields = [field.reshape(shape) for field in part]
    if weight is None:
        return Exact(*fields)
    w = weight[:, None] if len(shape) == 2 else weight
    hi, lo, terms, nll = fields
    with np.errstate(all="ignore"):
        wide = hi.astype(np.longdouble) * w
        head = wide.astype(np.float64)
        tail = np.where(np.isfinite(head), (wide - head).astype(np.float64) + lo * w, 0.0)
    return Exact(np.where(w == 0, 0.0, head), tail, terms * w, nll)


def alpha_factor(link: str, alpha: Alpha) -> Factor | None:
    """What α puts on each loss: α and 1 − α, or one weight a class."""
    if alpha is None:
        return None
    if link == "sigmoid":
        share = float(alpha)  # type: ignore[arg-type]
        return lambda targets, classes: np.where(targets == 1, share, 1 - share)
    weights = np.asarray(alpha, dtype=np.float64)
    return lambda targets, classes: np.broadcast_to(weights, (classes,))[targets]

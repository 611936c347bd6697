"""Exact results on the grids, the oracle's, in the form that errors are judged by: hi + lo in float64."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from .. import oracle
from ..typing import Floats
from . import grids, ulp
from .contract import GAMMAS, QUANTITIES, Exact

__all__ = ["grids_of", "of_member", "of_sigmoid", "of_softmax", "truth"]


def grids_of(link: str, dtype: str, gammas: tuple[float, ...]) -> tuple[grids.Grid, ...]:
    """The grids of a link and type; sigmoid's depend on the γs that are measured."""
    return (grids.sigmoid(dtype, gammas),) if link == "sigmoid" else grids.softmax(dtype)


@functools.cache
def truth(link: str, dtype: str, gamma: float, gammas: tuple[float, ...] = GAMMAS) -> dict[str, Exact]:
    """The exact results on the grids of a link and type, by quantity; computed once for all backends.

    Examples
    --------
    >>> exact = truth("sigmoid", "float16", 2.0)
    >>> exact["value"].hi.shape == exact["hess"].terms.shape == grids.sigmoid("float16").logits.shape
    True
    """
    make = of_sigmoid if link == "sigmoid" else of_softmax
    parts = [make(grid, gamma) for grid in grids_of(link, dtype, gammas)]
    return {
        q: Exact(*(np.concatenate(fields) for fields in zip(*(part[q] for part in parts), strict=True))) for q in QUANTITIES
    }


def of_sigmoid(grid: grids.Grid, gamma: float) -> dict[str, Exact]:
    """By the margin ±x, which is the logit of a positive."""
    sign = np.where(grid.targets == 1, 1.0, -1.0)
    margins, places = np.unique(sign * grid.logits, return_inverse=True)
    results = oracle.sigmoid_many(margins.tolist(), 1, gamma)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        nll = np.logaddexp(0.0, -margins)[places]
    terms = np.asarray([float(r.hess_terms) for r in results])[places]
    value, grad, hess = ([part[places] for part in ulp.split(getattr(r, q) for r in results)] for q in QUANTITIES)
    return {
        "value": Exact(value[0], value[1], np.abs(value[0]), nll),
        "grad": Exact(sign * grad[0], sign * grad[1], np.abs(grad[0]), nll),
        "hess": Exact(hess[0], hess[1], terms, nll),
    }


def of_softmax(grid: grids.Grid, gamma: float) -> dict[str, Exact]:
    """The exact results on a grid of rows."""
    results = oracle.softmax_many(grid.logits.tolist(), grid.targets.tolist(), gamma)
    nll = _row_nll(grid)
    entries = np.repeat(nll, grid.logits.shape[1])
    terms = np.asarray([float(t) for r in results for t in r.hess_terms])
    value, grad = ulp.split(r.value for r in results), ulp.split(g for r in results for g in r.grad)
    return {
        "value": Exact(*value, np.abs(value[0]), nll),
        "grad": Exact(*grad, np.abs(grad[0]), entries),
        "hess": Exact(*ulp.split(h for r in results for h in r.hess), terms, entries),
    }


def _row_nll(grid: grids.Grid) -> Floats:
    top = grid.logits.max(axis=1, keepdims=True)
    with np.errstate(all="ignore"):
        gap = np.where(grid.logits == top, 0.0, grid.logits - top)
        target = np.take_along_axis(gap, grid.targets[:, None].astype(np.int64), axis=1)[:, 0]
        result: Floats = np.log(np.exp(gap).sum(axis=1)) - target
    return result


def of_member(grid: grids.Grid, kernel: Any, gamma: float) -> dict[str, Exact]:
    """The exact results of a member of the family, from its definition alone; γ is the one that is measured, if it has one."""
    parameters = {**kernel.values, **({"gamma": gamma} if "gamma" in kernel.parameters else {})}
    results = oracle.member_many(kernel, grid.logits.tolist(), grid.targets.tolist(), **parameters)
    rows = grid.logits.ndim == 2
    with np.errstate(all="ignore"):
        nll = _row_nll(grid) if rows else np.logaddexp(0.0, np.where(grid.targets == 1, -grid.logits, grid.logits))

    def flat(name: str) -> list[Any]:
        parts = [getattr(result, name) for result in results]
        return [entry for part in parts for entry in (part if isinstance(part, list) else [part])]

    entries = np.repeat(nll, grid.logits.shape[1]) if rows else nll
    value, grad, hess = (ulp.split(flat(name)) for name in QUANTITIES)
    # Of focal loss the terms of a slope have one sign; a sibling's may have two, and a zero.
    slopes, curvatures = (np.asarray([float(term) for term in flat(f"{name}_terms")]) for name in ("grad", "hess"))
    return {
        "value": Exact(*value, np.abs(value[0]), nll),
        "grad": Exact(*grad, np.maximum(np.abs(grad[0]), slopes), entries),
        "hess": Exact(*hess, curvatures, entries),
    }

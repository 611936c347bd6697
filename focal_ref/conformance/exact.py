"""Exact results on the grids, the oracle's, in the form that errors are judged by: hi + lo in float64."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from .. import oracle
from ..losses import SigmoidFocalLoss, SoftmaxFocalLoss
from ..oracle.many import sigmoid_floats, softmax_floats
from ..typing import Floats
from . import grids, ulp
from .contract import GAMMAS, QUANTITIES, Exact
from .meaning import Inside, Meaning

__all__ = ["grids_of", "of_inside", "of_member", "of_sigmoid", "of_smoothed", "of_softmax", "truth"]


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
    columns = np.asarray(sigmoid_floats(margins.tolist(), gamma), dtype=np.float64).reshape(len(margins), 7)[places].T
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        nll = np.logaddexp(0.0, -margins)[places]
    value, grad, hess, terms = columns[0:2], columns[2:4], columns[4:6], columns[6]
    return {
        "value": Exact(value[0], value[1], np.abs(value[0]), nll),
        "grad": Exact(sign * grad[0], sign * grad[1], np.abs(grad[0]), nll),
        "hess": Exact(hess[0], hess[1], terms, nll),
    }


def of_softmax(grid: grids.Grid, gamma: float) -> dict[str, Exact]:
    """The exact results on a grid of rows."""
    n = grid.logits.shape[1]
    found = softmax_floats(grid.logits.tolist(), grid.targets.tolist(), gamma)
    table = np.asarray(found, dtype=np.float64).reshape(len(grid.logits), 2 + 5 * n)
    nll = _row_nll(grid)
    entries = np.repeat(nll, n)
    value, grad, hess = (table[:, low:high].reshape(-1, 2).T for low, high in ((0, 2), (2, 2 + 2 * n), (2 + 2 * n, 2 + 4 * n)))
    return {
        "value": Exact(value[0], value[1], np.abs(value[0]), nll),
        "grad": Exact(grad[0], grad[1], np.abs(grad[0]), entries),
        "hess": Exact(hess[0], hess[1], table[:, 2 + 4 * n :].ravel(), entries),
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


def of_inside(grid: grids.Grid, gamma: float, meaning: Meaning) -> dict[str, Exact]:
    """Where α weighs the cross entropy before p_t is taken from it; each weight is a loss of its own."""
    assert meaning.inside is not None
    classes = grid.logits.shape[1] if grid.logits.ndim == 2 else 2
    shares = np.asarray(meaning.inside(grid.targets, classes), dtype=np.float64)
    width = classes if grid.logits.ndim == 2 else 1
    found: dict[str, list[Floats]] = {}
    for q in QUANTITIES:
        size = len(grid.targets) * (1 if q == "value" else width)
        found[q] = [np.empty(size) for _ in Exact._fields]
    for share in np.unique(shares):
        mine = np.flatnonzero(shares == share)
        part = grids.Grid(grid.link, grid.dtype, grid.logits[mine], grid.targets[mine], ("",) * len(mine))
        for q, exact in of_member(part, Inside(float(share)), gamma).items():
            places = mine if q == "value" else (mine[:, None] * width + np.arange(width)).ravel()
            for whole, field in zip(found[q], exact, strict=True):
                whole[places] = field
    return {q: Exact(*fields) for q, fields in found.items()}


def of_smoothed(grid: grids.Grid, gamma: float, meaning: Meaning) -> dict[str, Exact]:
    """Of smoothed labels, by focal_ref's own losses in float64."""
    rows = grid.logits.ndim == 2
    soft: Any = meaning.soft
    options: dict[str, Any] = {"gamma": gamma, "label_smoothing": meaning.smoothing}
    loss = SoftmaxFocalLoss(**options) if rows else SigmoidFocalLoss(**options, soft_targets=soft)
    targets = grid.targets.astype(np.int64) if rows else grid.targets.astype(np.float64)
    results = loss.value_grad_hess(np.asarray(grid.logits, dtype=np.float64), targets)
    with np.errstate(all="ignore"):
        nll = _row_nll(grid) if rows else np.logaddexp(0.0, np.where(grid.targets == 1, -grid.logits, grid.logits))
        top = np.minimum(np.abs(grid.logits), 750.0)
        entries = np.repeat(nll, grid.logits.shape[1]) if rows else nll
    found = {}
    for q, result in zip(QUANTITIES, results, strict=True):
        hi = np.asarray(result, dtype=np.float64).ravel()
        terms = np.abs(hi) if q == "value" else np.maximum(np.abs(hi), meaning.smoothing * (1 + gamma * top.ravel()))
        found[q] = Exact(hi, np.zeros_like(hi), terms, nll if q == "value" else entries)
    return found

"""Judging results by test vectors: errors in units in the last place, as docs/vectors.md says it for any language."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ..conformance.contract import NATIVE
from ..conformance.ulp import FORMATS
from ..typing import Floats
from .reading import Case, Group, Vectors

__all__ = ["Batch", "batch", "bound", "error"]


def error(case: Case, quantity: str, got: Any, dtype: str) -> float:
    """The largest error of one quantity of a case, in ULP of the sum of its terms; inf for NaN or infinity out of place.

    Parameters
    ----------
    case : Case
        One of a file's.
    quantity : str
        "value", "grad" or "hess".
    got : number or sequence of numbers
        What a loss gave.
    dtype : str
        The file's.

    Returns
    -------
    float
        In ULP.

    Examples
    --------
    >>> from focal_ref import vectors
    >>> case = vectors.load("sigmoid", "float64").cases[3]
    >>> error(case, "value", case.value, "float64"), error(case, "value", math.nextafter(case.value, 1), "float64")
    (0.0, 1.0)
    """
    exact = np.ravel(np.asarray(getattr(case, quantity), dtype=np.float64))
    mine = np.ravel(np.asarray(got, dtype=np.float64))
    if mine.shape != exact.shape:
        return math.inf
    size = np.ravel(np.asarray(case.terms.get(quantity, np.abs(exact)), dtype=np.float64))
    with np.errstate(all="ignore"):
        units = np.maximum(np.abs(mine - exact) - case.slack, 0.0) / _spacing(size, dtype)
    odd = ~np.isfinite(mine) | ~np.isfinite(exact)
    same = (mine == exact) | (np.isnan(mine) & np.isnan(exact))
    return float(np.max(np.where(odd, np.where(same, 0.0, np.inf), units), initial=0.0))


def _spacing(size: Floats, dtype: str) -> Floats:
    fmt = FORMATS[dtype]
    exponents = np.frexp(np.clip(size, fmt.tiny, fmt.largest))[1]
    return np.asarray(np.ldexp(1.0, exponents - fmt.digits))


def bound(link: str, quantity: str, gamma: float) -> float:
    """What a loss that works in the file's own type can hold, in ULP.

    Parameters
    ----------
    link : {"sigmoid", "softmax"}
        The loss.
    quantity : {"value", "grad", "hess"}
        What of it.
    gamma : float
        γ.

    Returns
    -------
    float
        In ULP.

    Examples
    --------
    >>> bound("sigmoid", "value", 2.0), bound("softmax", "hess", 2.0)
    (8.0, 14.0)
    """
    base, slope = NATIVE[link, quantity]
    return base + slope * gamma


class Batch(NamedTuple):
    """What a loss is given for a group, in float64."""

    logits: Floats
    """With an axis of classes where there are some."""
    targets: Floats
    """Integers where there are classes."""
    weights: Floats | None
    gamma: float


def batch(found: Vectors, group: Group) -> Batch:
    """A group's cases as arrays in the layout that it asks for.

    Parameters
    ----------
    found : Vectors
        A file.
    group : Group
        One of its groups.

    Returns
    -------
    Batch
        Logits, targets and weights in float64, and γ.

    Examples
    --------
    >>> from focal_ref import vectors
    >>> found = vectors.load("softmax", "float64")
    >>> group = next(group for group in found.groups if "second axis" in group.description)
    >>> batch(found, group).logits.shape, batch(found, group).targets.shape
    ((2, 3, 4, 5), (2, 4, 5))
    """
    cases = [found.cases[i] for i in group.cases]
    logits = np.asarray([case.logits for case in cases], dtype=np.float64)
    targets = np.asarray([case.target for case in cases]).reshape(group.shape)
    if group.axis is not None:
        logits = np.moveaxis(logits.reshape(*group.shape, -1), -1, group.axis)
    weights = [1.0 if case.weight is None else case.weight for case in cases]
    some = any(case.weight is not None for case in cases)
    shaped = logits if group.axis is not None else logits.reshape(group.shape)
    return Batch(shaped, targets, np.asarray(weights).reshape(group.shape) if some else None, cases[0].gamma)

"""Many points at once: by python-flint where it is installed, else one by one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from . import flint
from .definition import Result, sigmoid, softmax
from .generic import MemberResult, member
from .pairs import pairs

__all__ = ["member_many", "sigmoid_floats", "sigmoid_many", "softmax_floats", "softmax_many"]


def sigmoid_many(xs: Iterable[Any], y: Any, gamma: Any, alpha: Any = None, digits: int = 40) -> list[Result]:
    """`sigmoid` at many logits; by `focal_ref.oracle.flint` where python-flint is installed and the target hard.

    Parameters
    ----------
    xs : iterable of number or str
        Logits.
    y : number
        The target of all of them.
    gamma, alpha : number
        The loss's.
    digits : int
        How many are right.

    Returns
    -------
    list of Result
        One a logit.
    """
    if flint.available() and y in (0, 1):
        return flint.sigmoid_many(xs, y, gamma, alpha, digits)
    return [sigmoid(x, y, gamma, alpha, digits) for x in xs]


def softmax_many(
    rows: Iterable[Sequence[Any]], targets: Iterable[Any], gamma: Any, alpha: Any = None, digits: int = 40
) -> list[Result]:
    """`softmax` of many rows, without the full Hessian; by `focal_ref.oracle.flint` where python-flint is installed.

    Parameters
    ----------
    rows : iterable of sequence
        Logits.
    targets : iterable
        A class, or a row of probabilities, for each.
    gamma, alpha : number
        The loss's; α may be one a class.
    digits : int
        How many are right.

    Returns
    -------
    list of Result
        One a row.
    """
    if flint.available():
        return flint.softmax_many(rows, targets, gamma, alpha, digits)
    return [softmax(row, target, gamma, alpha, digits) for row, target in zip(rows, targets, strict=True)]


def member_many(
    kernel: Any, xs: Iterable[Any], ys: Iterable[Any], /, *, alpha: Any = None, digits: int = 40, **parameters: Any
) -> list[MemberResult]:
    """`member` at many logits or rows, each with its own target.

    Parameters
    ----------
    kernel : focal_ref.family.Kernel
        A member, or its class with its parameters by name.
    xs, ys : iterable
        Logits or rows, and a target for each.
    alpha : number, sequence or None
        As for `member`.
    digits : int
        How many are right.
    **parameters
        The kernel's.

    Returns
    -------
    list of MemberResult or MemberRowResult
        One a logit or row.
    """
    return [member(kernel, x, y, alpha=alpha, digits=digits, **parameters) for x, y in zip(xs, ys, strict=True)]


def sigmoid_floats(xs: Sequence[float], gamma: Any) -> list[tuple[float, ...]]:
    """Of positives: hi and lo of value, gradient and Hessian in float64, then the Hessian's terms; a tuple a logit."""
    found, left = flint.sigmoid_pairs(xs, gamma) if flint.available() else _nothing(len(xs))
    for i, result in zip(left, sigmoid_many([xs[i] for i in left], 1, gamma), strict=True):
        found[i] = (*_both([result.value, result.grad, result.hess]), float(result.hess_terms))
    return found


def softmax_floats(rows: Sequence[Sequence[float]], targets: Sequence[int], gamma: Any) -> list[tuple[float, ...]]:
    """Of each row: hi and lo of the value, of every class's gradient, of every entry of the Hessian's diagonal; its terms."""
    found, left = flint.softmax_pairs(rows, targets, gamma) if flint.available() else _nothing(len(rows))
    results = softmax_many([rows[i] for i in left], [targets[i] for i in left], gamma)
    for i, result in zip(left, results, strict=True):
        found[i] = (*_both([result.value, *result.grad, *result.hess]), *map(float, result.hess_terms))
    return found


def _nothing(many: int) -> tuple[list[tuple[float, ...]], list[int]]:
    """Nothing found, everything left."""
    return [()] * many, list(range(many))


def _both(values: Sequence[Any]) -> list[float]:
    """hi and lo of each, in turn."""
    return [part for two in zip(*pairs(values), strict=True) for part in two]

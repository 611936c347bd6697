"""Many points at once: by python-flint where it is installed, else one by one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from . import flint
from .definition import Result, sigmoid, softmax
from .generic import MemberResult, member

__all__ = ["member_many", "sigmoid_many", "softmax_many"]


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
    """
    return [member(kernel, x, y, alpha=alpha, digits=digits, **parameters) for x, y in zip(xs, ys, strict=True)]

"""Sums along a row: compensated, without one of the terms, and the largest term's place."""

from __future__ import annotations

from typing import Any

from ..typing import Array, Namespace
from .pair_arithmetic import two_sum

__all__ = ["exclusive_sum", "largest", "row_sum", "total_of"]


def largest(xp: Namespace, terms: Array, classes: Array) -> Any:
    """True at the first largest term of each row."""
    return classes == xp.argmax(terms, axis=-1, keepdims=True)


def exclusive_sum(xp: Namespace, terms: Array, total: Array, top: Array, carry: bool) -> Any:
    """Σ_{k≠j} terms_k for every j, `top` marking the term that may dominate.

    Naively total − terms_j, which cancels where one term dominates: there the others are summed by themselves. Any other term
    is at most half the total.
    """
    rest = total_of(xp, xp.where(top, 0.0, terms), carry)
    return xp.where(top, rest[..., None], total[..., None] - terms)


def total_of(xp: Namespace, terms: Array, carry: bool) -> Any:
    """Sum along the last axis; with `carry`, rounded about once."""
    return row_sum(xp, terms, xp.zeros_like(terms) if carry else None)[0]


def row_sum(xp: Namespace, terms: Array, low: Array | None) -> tuple[Any, Any]:
    """Sum along the last axis, and what rounding took from it: pairwise, each addition's error kept (Knuth's TwoSum).

    `low` holds what earlier roundings took from the terms; without it, a plain sum. A namespace may have its own way.
    """
    if low is None:
        return xp.sum(terms, axis=-1), None
    if hasattr(xp, "row_sum"):
        return xp.row_sum(terms, low)  # type: ignore[no-any-return]
    summed = xp.at_once(_pairwise) if hasattr(xp, "at_once") else _pairwise
    return summed(xp, terms, low)


def _pairwise(xp: Namespace, terms: Array, low: Array) -> tuple[Any, Any]:
    error = xp.sum(low, axis=-1)
    while terms.shape[-1] > 1:
        half, odd = terms.shape[-1] // 2, terms.shape[-1] % 2
        a, b = terms[..., :half], terms[..., half : 2 * half]
        added, lost = two_sum(a, b)
        error = error + xp.sum(lost, axis=-1)
        terms = xp.concat([added, terms[..., 2 * half :]], axis=-1) if odd else added
    total = terms[..., 0] + error
    return total, error - (total - terms[..., 0])

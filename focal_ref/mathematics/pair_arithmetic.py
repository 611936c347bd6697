"""Pair arithmetic: numbers as unevaluated sums high + low of two float64, some 104 bits, by error-free transformations.

A sum's rounding error is Knuth's TwoSum; a product's a fused multiply-add where the namespace has one, else Dekker's, by
splitting both factors. The functions take and return (high, low) with |low| at most half an ULP of high; with ε = 2^−53, they
are wrong by at most 3 ε² (|a| + |b|) for `added`, and relatively 6 ε² for `multiplied` and 10 ε² for `divided` (Joldes, Muller
and Popescu 2017, "Tight and rigorous error bounds for basic building blocks of double-word arithmetic", whose algorithms 5, 11
and 16 these are, or are close to). Nothing here may over- or underflow: `focal_ref.mathematics.pairs` keeps exponents apart.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from ..typing import Namespace

__all__ = ["Two", "added", "divided", "horner", "multiplied", "quick_sum", "split_of", "two_product", "two_sum"]

Two: TypeAlias = tuple[Any, Any]
"""high and low."""

SPLIT, SPLIT_OF_FLOAT32 = 2.0**27 + 1, 2.0**12 + 1


def two_sum(a: Any, b: Any) -> Two:
    """a + b, and what rounding took from it."""
    total = a + b
    back = total - a
    return total, (a - (total - back)) + (b - back)


def quick_sum(a: Any, b: Any) -> Two:
    """`two_sum` for |a| ≥ |b| (Dekker)."""
    total = a + b
    return total, b - (total - a)


def two_product(xp: Namespace, a: Any, b: Any, split: float = SPLIT) -> Two:
    """a b, and what rounding took from it; NaN, where halves overflow."""
    product = a * b
    if hasattr(xp, "fma"):
        return product, xp.fma(a, b, -product)
    a_high, a_low = _halves(a, split)
    b_high, b_low = (a_high, a_low) if b is a else _halves(b, split)
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


def _halves(a: Any, split: float) -> Two:
    """a in two numbers of half its bits (Dekker)."""
    shifted = split * a
    high = shifted - (shifted - a)
    return high, a - high


def split_of(xp: Namespace, a: Any) -> float:
    """What halves an array's entries, in float32 or float64."""
    return SPLIT_OF_FLOAT32 if xp.finfo(a.dtype).eps > 1e-10 else SPLIT


def added(a: Two, b: Two) -> Two:
    """a + b, wrong by a few 2^−106 of |a| + |b|."""
    high, low = two_sum(a[0], b[0])
    return quick_sum(high, low + (a[1] + b[1]))


def multiplied(xp: Namespace, a: Two, b: Two) -> Two:
    """a b."""
    high, low = two_product(xp, a[0], b[0])
    return quick_sum(high, low + (a[0] * b[1] + a[1] * b[0]))


def divided(xp: Namespace, a: Two, b: Two) -> Two:
    """a/b: the quotient of the high parts, and that of what it leaves."""
    high = a[0] / b[0]
    product, error = two_product(xp, high, b[0])
    rest = ((a[0] - product) - error) + (a[1] - high * b[1])
    return quick_sum(high, rest / b[0])


def horner(xp: Namespace, x: Two, first: Any, coefficients: tuple[Two, ...]) -> Two:
    """A polynomial by Horner's rule from the value of its higher powers on, the rest of the coefficients of falling power.

    For |x| so small that each coefficient outweighs what it is added to.
    """
    high, low = first, 0.0
    for c_high, c_low in coefficients:
        product, error = two_product(xp, x[0], high)
        total, lost = quick_sum(c_high, product)
        high, low = total, lost + (c_low + (error + (x[0] * low + x[1] * high)))
    return quick_sum(high, low)

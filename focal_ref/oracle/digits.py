"""Digits: numbers read exactly, mpmath at a precision of its own, and sums that know what they lost."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, TypeVar

import mpmath

__all__ = [
    "FARTHEST",
    "GUARD",
    "LIMIT",
    "SAFE",
    "agreed",
    "agrees",
    "context",
    "count",
    "many",
    "number",
    "own",
    "power",
    "sequence",
    "settled",
    "total",
]

GUARD = 35
"""Digits beyond those asked for: `SAFE` for rounding, the others to spare for terms that cancel."""
SAFE = 15
"""Twelve for exp, whose argument may be as large as `FARTHEST`, and three for the roundings of a formula."""
LIMIT = 400
"""A sum that so many digits cancel of is 0. Logits in float64 cancel up to 324, those of the smallest subnormal beside 1."""
FARTHEST = 10**12
"""exp of anything below minus this is 0."""

T = TypeVar("T")


# ---- precision --------------------------------------------------------------------------------------------------------------


class _CancelledError(ArithmeticError):
    """More digits cancelled than there were to spare."""


def settled(evaluate: Callable[[Any], T], gamma: Any, digits: Any) -> T:
    """What `evaluate(context)` gives at a precision at which no `total` lost more than it had to spare.

    u^γ has the relative error of u times γ: its digits come on top.
    """
    digits, guard = count(digits), GUARD
    power = number(mpmath.mp, "gamma", gamma, 0, finite=True)
    digits += max(0, int(0.302 * mpmath.mp.mag(power))) if power else 0
    while True:
        try:
            return evaluate(context(digits, guard))
        except _CancelledError:
            guard += digits + guard


def agreed(evaluate: Callable[[Any], list[Any]], digits: Any, limit: int = LIMIT) -> list[Any]:
    """What `evaluate(context)` gives at P and at 2P digits alike, to the digits asked for.

    `settled` trusts formulas that it knows; this is for those that it doesn't.

    Raises
    ------
    ArithmeticError
        Where no two precisions agree.
    """
    digits, guard = count(digits), GUARD
    before: list[Any] | None = None
    while True:
        ctx = context(digits, guard, limit)
        doubled = digits + 2 * guard
        try:
            found = evaluate(ctx)
        except _CancelledError:
            before, guard = None, min(doubled, 2 * limit + SAFE)
            continue
        if before and all(agrees(ctx, a, b, digits) for a, b in zip(before, found, strict=True)):
            return found
        if before and ctx.spare > 2 * limit:
            raise ArithmeticError(f"no {digits} digits are the same at {ctx.dps // 2} and {ctx.dps} digits")
        before, guard = found, doubled


def agrees(ctx: Any, one: Any, other: Any, digits: int) -> bool:
    """Whether two numbers are the same to so many digits, relatively; zeros, infinities and NaN only themselves."""
    one, other = ctx.make_mpf(one._mpf_), ctx.make_mpf(other._mpf_)
    if ctx.isfinite(one) and ctx.isfinite(other):
        return bool(abs(one - other) <= abs(other) * ctx.mpf(10) ** -digits)
    return bool(one == other or (ctx.isnan(one) and ctx.isnan(other)))


def total(ctx: Any, terms: list[Any]) -> tuple[Any, Any]:
    """The sum of terms and that of their absolute values."""
    if len(terms) == 1:
        return terms[0], abs(terms[0])
    result, scale = ctx.fsum(terms), ctx.fsum(terms, absolute=True)
    if abs(result) < ctx.share * scale:
        if ctx.spare < ctx.limit:
            raise _CancelledError
        return ctx.zero, scale
    return result, scale


def power(ctx: Any, u: Any, log_u: Any, gamma: Any) -> Any:
    """u^γ; 0 where its logarithm is below −`FARTHEST`."""
    return ctx.zero if gamma * log_u < -FARTHEST else u**gamma


@cache
def context(digits: int, guard: int, limit: int = LIMIT) -> Any:
    """mpmath's arithmetic at one precision, nobody else's: the caller's `mpmath.mp` is left as it is."""
    ctx = mpmath.MPContext()
    ctx.dps = digits + guard
    ctx.spare = (guard - SAFE) // 2  # half, since a sum may be a term of another
    ctx.share = ctx.mpf(10) ** -ctx.spare
    ctx.limit = limit
    return ctx


def own(value: Any) -> Any:
    """A context's mpf, or a list of them, in the caller's own mpf, every digit kept."""
    return [own(v) for v in value] if isinstance(value, list) else mpmath.mp.make_mpf(value._mpf_)


# ---- arguments --------------------------------------------------------------------------------------------------------------


def number(ctx: Any, name: str, value: Any, low: float = -math.inf, high: float = math.inf, finite: bool = False) -> Any:
    """A real number as mpf, with all its digits; refused by its name where it is none, or not in its range."""
    try:
        result = ctx.make_mpf(_exact(value, ctx.prec))
    except (TypeError, ValueError):
        raise TypeError(f"{name}: got {value!r}; expected a number") from None
    if result < low or result > high or (finite and not ctx.isfinite(result)):
        span = f" in [{low}, {high}]" if high < math.inf else f" ≥ {low}" if low > -math.inf else ""
        raise ValueError(f"{name}: got {value!r}; expected a {'finite ' if finite else ''}number{span}")
    return result


def _exact(value: Any, prec: int) -> Any:
    """mpmath's own form of a number, with all its bits; a decimal or ratio that has no end, to `prec` bits at least."""
    lib = mpmath.libmp
    if isinstance(value, float):
        return lib.from_float(value)
    if isinstance(value, int):
        return lib.from_int(value)
    if isinstance(value, str):
        return lib.from_str(value, prec + 4 * len(value))
    if isinstance(value, bytes):
        raise TypeError
    if hasattr(value, "_mpf_"):
        return value._mpf_
    try:
        top, bottom = value.as_integer_ratio()
    except (AttributeError, OverflowError, ValueError):
        return lib.from_float(float(value))
    return lib.from_rational(int(top), int(bottom), prec + int(top).bit_length())


def count(digits: Any) -> int:
    """A number of digits."""
    if isinstance(digits, bool) or not hasattr(digits, "__index__") or operator.index(digits) < 1:
        raise ValueError(f"digits: got {digits!r}; expected a positive integer")
    return operator.index(digits)


def many(values: Any) -> bool:
    """Whether something has entries."""
    return hasattr(values, "__len__") and not isinstance(values, (str, bytes)) and getattr(values, "ndim", 1) > 0


def sequence(name: str, values: Any) -> Sequence[Any]:
    """Something with entries, as a list."""
    if not many(values):
        raise TypeError(f"{name}: got {values!r}; expected a sequence of numbers")
    return list(values)

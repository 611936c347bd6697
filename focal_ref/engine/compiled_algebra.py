"""Rules by which operations of narrow results become fewer: factors of a row meet before the classes do, choices come last.

They change roundings in float64, or the sign of a zero, which a narrower type doesn't show. What is divided by is never turned
into a factor where it may be so small that the factor would be infinite.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeGuard

__all__ = ["fewer"]


def fewer(xp: Any, op: str, operands: tuple[Any, ...]) -> Any:
    """The same value of fewer operations, or None.

    Parameters
    ----------
    xp : Vectors
    op : str
    operands : tuple
        Operations or numbers.
    """
    rule = _RULES.get(op)
    return rule(xp, *operands) if rule else None


def _quotient(xp: Any, a: Any, b: Any) -> Any:
    """a/b as a · (1/b), where dividing once serves many entries, or another quotient has it already."""
    if _is_number(b) or (_is_number(a) and a == 1):
        return None
    return a * (1.0 / b) if b.op == "handed" or xp.has("div", 1.0, b) else None


def _product(xp: Any, a: Any, b: Any) -> Any:
    """(x s) r as x (s r), and a choice's product as a choice of products, for r and s of the whole row."""
    if _is_of_row(a):
        a, b = b, a
    if _is_of_row(a) or not _is_of_row(b):
        return None
    if a.op == "mul":
        for x, s in (a.operands, a.operands[::-1]):
            if _is_of_row(s):
                return x * (s * b)
    if a.op == "where" and _is_of_row(a.operands[1]):
        condition, mine, other = a.operands
        return xp.where(condition, mine * b, other * b)
    return None


def _sum(xp: Any, a: Any, b: Any) -> Any:
    """x + 0, and two choices by one condition as one choice of sums."""
    if _is_zero(a) or _is_zero(b):
        return xp.asarray(b if _is_zero(a) else a)
    if _is(a, "where") and _is(b, "where") and a.operands[0] is b.operands[0]:
        condition, mine, other = a.operands
        return xp.where(condition, mine + b.operands[1], other + b.operands[2])
    return None


def _difference(xp: Any, a: Any, b: Any) -> Any:
    """What is left beneath a row's largest entry is known not to exceed 0."""
    if _is(b, "highest") and b.operands[0] is a:
        return xp.at_most(xp.plain("sub", a, b), 0.0)
    return None


def _choice(xp: Any, condition: Any, a: Any, b: Any) -> Any:
    """The target's own entry, chosen last of all."""
    if _is_zero(a) and _most(b) <= 0:
        return xp.at_most(xp.plain("where", condition, 0.0, b), 0.0)
    if condition.per_class or not (_is(b, "where") and b.operands[0].per_class and _is_of_row(b.operands[1])):
        return None
    inner, mine, other = b.operands
    return xp.where(inner, xp.where(condition, a, mine), xp.where(condition, a, other)) if _is_of_row(a) else None


_RULES: dict[str, Callable[..., Any]] = {
    "add": _sum,
    "div": _quotient,
    "mul": _product,
    "sub": _difference,
    "where": _choice,
}


def _most(x: Any) -> float:
    return x if _is_number(x) else float(x.most)


def _is_number(x: Any) -> TypeGuard[float]:
    return isinstance(x, (bool, int, float))


def _is_of_row(x: Any) -> bool:
    return _is_number(x) or not x.per_class


def _is(x: Any, op: str) -> bool:
    return not _is_number(x) and x.op == op


def _is_zero(x: Any) -> bool:
    return bool(x == 0) if _is_number(x) else bool(x.op == "constant" and x.operands[0] == 0)

"""Numbers that carry two derivatives, and what these are sums of: a formula evaluated on them is differentiated by the way.

A `Series` is a value f with f' and f'', by one variable that is the same for all (the margin, or a parameter), in mpmath. Sums,
products, quotients, powers, abs, max, min and comparisons go through it, so that a paper's line is evaluated as it stands.
A formula that needs a logarithm or an exponential calls ``x.log()``, ``x.exp()``, ``x.log1p()``, ``x.expm1()`` or ``x.sqrt()``;
where such an x may be a bare number, as after ``max(u - m, 0)``, it is written as a series: ``max(u - m, 0 * u)``.

With f' and f'' goes what |f'| and |f''| are at most if nothing cancels: the terms of the product and chain rules, by absolute
value. A sum in which more digits cancel than the context has to spare asks for more of them (`focal_ref.oracle.digits`).

A series may know its complement 1 − x, as p and u = 1 − p do, and so do their powers and products, and exponentials: then
``1 - x`` is that, and loses nothing.

Examples
--------
>>> from focal_ref.oracle.digits import context
>>> x = Series(context(30, 35), 2, 1)
>>> y = 3 * x**2 - x
>>> [int(part) for part in (y.value, y.first, y.second, y.first_terms)]
[10, 11, 6, 13]
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .digits import number, total

__all__ = ["Series"]


class Series:
    """A value with its first and second derivative, and the sums of their terms' absolute values."""

    __hash__ = None  # type: ignore[assignment]
    __slots__ = ("_complement", "ctx", "first", "first_terms", "second", "second_terms", "value")

    def __init__(
        self,
        ctx: Any,
        value: Any,
        first: Any = 0,
        second: Any = 0,
        first_terms: Any = None,
        second_terms: Any = None,
        complement: Any = None,
    ) -> None:
        self.ctx = ctx
        self.value, self.first, self.second = ctx.mpf(value), ctx.mpf(first), ctx.mpf(second)
        self.first_terms = abs(self.first) if first_terms is None else first_terms
        self.second_terms = abs(self.second) if second_terms is None else second_terms
        self._complement = complement

    # ---- sums

    def __neg__(self) -> Series:
        return Series(self.ctx, -self.value, -self.first, -self.second, self.first_terms, self.second_terms)

    def __pos__(self) -> Series:
        return self

    def __abs__(self) -> Series:
        return -self if self.value < 0 else self

    def __add__(self, other: Any) -> Series:
        other = self._like(other)
        return Series(
            self.ctx,
            self._sum(self.value, other.value),
            self._sum(self.first, other.first),
            self._sum(self.second, other.second),
            self.first_terms + other.first_terms,
            self.second_terms + other.second_terms,
        )

    __radd__ = __add__

    def __sub__(self, other: Any) -> Series:
        b = self._like(other)
        if self._complement is not None and b._is_one():
            return -(b - self)
        if b._complement is None or not self._is_one():
            return self + -b
        difference = -b
        difference.value, difference._complement = b.complement, b.value
        return difference

    def __rsub__(self, other: Any) -> Series:
        return self._like(other) - self

    # ---- products

    def __mul__(self, other: Any) -> Series:
        a, b, of = self, self._like(other), _product
        return Series(
            self.ctx,
            of(a.value, b.value),
            self._sum(of(a.value, b.first), of(a.first, b.value)),
            self._sum(of(a.value, b.second), 2 * of(a.first, b.first), of(a.second, b.value)),
            of(abs(a.value), b.first_terms) + of(a.first_terms, abs(b.value)),
            of(abs(a.value), b.second_terms) + 2 * of(a.first_terms, b.first_terms) + of(a.second_terms, abs(b.value)),
            None if a._complement is None or b._complement is None else lambda: self._sum(a.complement, a.value * b.complement),
        )

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Series:
        divisor = self._like(other)
        inverse = 1 / divisor.value
        return self * divisor._outer(inverse, lambda: -(inverse**2), lambda: 2 * inverse**3)

    def __rtruediv__(self, other: Any) -> Series:
        return self._like(other) / self

    def __pow__(self, exponent: Any) -> Series:
        power = self._like(exponent)
        if not power.constant:
            return (power * self.log()).exp()
        x, n = self.value, power.value
        if x < 0 and not self.ctx.isint(n):
            raise ValueError(f"a power of a negative number: {self.ctx.nstr(x, 5)} to the {self.ctx.nstr(n, 5)}")
        found = self._outer(
            _power(self.ctx, x, n),
            lambda: _product(n, _power(self.ctx, x, n - 1)),
            lambda: _product(n * (n - 1), _power(self.ctx, x, n - 2)),
        )
        if self._complement is not None and x > 0:
            found._complement = lambda: -self.ctx.expm1(n * self._logarithm())
        return found

    def __rpow__(self, base: Any) -> Series:
        return self._like(base) ** self

    # ---- what papers have beside

    def exp(self) -> Series:
        """e to the power of it."""
        power = self.ctx.exp(self.value)
        found = self._outer(power, lambda: power, lambda: power)
        found._complement = lambda: -self.ctx.expm1(self.value)
        return found

    def log(self) -> Series:
        """Its natural logarithm, from the complement where that is small."""
        x = self.value
        return self._outer(self._logarithm(), lambda: 1 / x, lambda: -1 / x**2)

    def log1p(self) -> Series:
        """The logarithm of 1 + it."""
        above = 1 + self.value
        return self._outer(self.ctx.log1p(self.value), lambda: 1 / above, lambda: -1 / above**2)

    def expm1(self) -> Series:
        """The exponential − 1."""
        power = self.ctx.exp(self.value)
        return self._outer(self.ctx.expm1(self.value), lambda: power, lambda: power)

    def sqrt(self) -> Series:
        """Its square root."""
        return self.__pow__(0.5)

    # ---- comparisons, by the value

    def __lt__(self, other: Any) -> bool:
        return bool(self.value < self._like(other).value)

    def __le__(self, other: Any) -> bool:
        return bool(self.value <= self._like(other).value)

    def __gt__(self, other: Any) -> bool:
        return bool(self.value > self._like(other).value)

    def __ge__(self, other: Any) -> bool:
        return bool(self.value >= self._like(other).value)

    def __eq__(self, other: object) -> bool:
        return bool(self.value == self._like(other).value)

    def __bool__(self) -> bool:
        return bool(self.value != 0)

    # ---- parts

    @property
    def constant(self) -> bool:
        """Whether nothing moves it."""
        return not (self.first_terms or self.second_terms)

    @property
    def complement(self) -> Any:
        """1 − x, where it is known: worked out when it is asked for."""
        if callable(self._complement):
            self._complement = self._complement()
        return self._complement

    def _logarithm(self) -> Any:
        if self._complement is not None and self.value > 0.5:
            return self.ctx.log1p(-self.complement)
        self._sum(self.value, -self.ctx.one)  # asks for more digits where x is so close to 1 that its logarithm has few
        return self.ctx.log(self.value)

    def _is_one(self) -> bool:
        return self.constant and bool(self.value == 1)

    def _like(self, other: Any) -> Series:
        return other if isinstance(other, Series) else Series(self.ctx, number(self.ctx, "a number of the formula", other))

    def _sum(self, *terms: Any) -> Any:
        return total(self.ctx, [term for term in terms if term] or [self.ctx.zero])[0]

    def _outer(self, value: Any, first: Callable[[], Any], second: Callable[[], Any]) -> Series:
        """A function of it, by the chain rule: f(g)'' = f'' g'² + f' g''. Its derivatives are asked for only if g moves."""
        if self.constant:
            return Series(self.ctx, value)
        slope, bend, of = first(), second(), _product
        return Series(
            self.ctx,
            value,
            of(slope, self.first),
            self._sum(of(bend, self.first**2), of(slope, self.second)),
            of(abs(slope), self.first_terms),
            of(abs(bend), self.first_terms**2) + of(abs(slope), self.second_terms),
        )


def _product(a: Any, b: Any) -> Any:
    """a b, and 0 where one of them is, the other infinite or not: what doesn't move adds nothing."""
    return a * b if a and b else abs(a) if not a else abs(b)


def _power(ctx: Any, base: Any, exponent: Any) -> Any:
    """A power; of 0, its limit from above."""
    return ctx.inf if base == 0 and exponent < 0 else base**exponent

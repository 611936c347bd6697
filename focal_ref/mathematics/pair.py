"""A pair: a number of some 104 bits with an exponent of its own, an array of them, with Python's operators."""

from __future__ import annotations

from typing import Any

__all__ = ["Pair"]


class Pair:
    """(high + low) 2^power."""

    __slots__ = ("high", "low", "power", "xp")
    __array_ufunc__ = None
    dtype = "float64"
    device = None

    def __init__(self, xp: Any, high: Any, low: Any, power: Any) -> None:
        self.xp, self.high, self.low, self.power = xp, high, low, power

    def __array_namespace__(self, api_version: str | None = None) -> Any:
        return self.xp

    @property
    def shape(self) -> tuple[int, ...]:
        """The array's, or nothing of a number."""
        return getattr(self.high, "shape", ())

    @property
    def ndim(self) -> int:
        """How many axes."""
        return len(self.shape)

    def __getitem__(self, key: Any) -> Pair:
        return Pair(self.xp, *(a if isinstance(a, float) else a[key] for a in (self.high, self.low, self.power)))

    def __neg__(self) -> Pair:
        return Pair(self.xp, -self.high, -self.low, self.power)

    def __add__(self, other: Any) -> Any:
        return self.xp.added(self, self.xp.pair(other))

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        return self.xp.added(self, -self.xp.pair(other))

    def __rsub__(self, other: Any) -> Any:
        return self.xp.added(self.xp.pair(other), -self)

    def __mul__(self, other: Any) -> Any:
        return self.xp.multiplied(self, other)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Any:
        return self.xp.divided(self, self.xp.pair(other))

    def __rtruediv__(self, other: Any) -> Any:
        return self.xp.divided(self.xp.pair(other), self)

    def __pow__(self, other: Any) -> Any:
        return self.xp.pow(self, self.xp.pair(other))

    def __lt__(self, other: Any) -> Any:
        return self.xp.difference(self, other) < 0

    def __le__(self, other: Any) -> Any:
        return (self < other) | (self == other)

    def __gt__(self, other: Any) -> Any:
        return self.xp.difference(self, other) > 0

    def __ge__(self, other: Any) -> Any:
        return (self > other) | (self == other)

    def __eq__(self, other: Any) -> Any:
        return self.xp.equal(self, other)

    def __ne__(self, other: Any) -> Any:
        return ~(self == other)

    __hash__ = None  # type: ignore[assignment]

"""Scaling: how pairs keep their powers of two apart, so that sums, products and quotients neither over- nor underflow.

A `Pair` is (high + low) 2^power: high and low are float64 (`focal_ref.mathematics.pair_arithmetic`) of moderate size, and the
power is a whole number kept as a float64, so that nothing that is a number of float64 in the end has under- or overflowed on
the way. 0 has the power `NOWHERE`, below every other.

The base namespace has, beside what programs ask of it, `parted` (a number in [½, 1), or 0, and its power of two),
`power_of_two`, and `to_odd`; and perhaps `fma`.
"""

from __future__ import annotations

from typing import Any

from ..typing import Namespace
from .pair import Pair
from .pair_arithmetic import Two, added, divided, multiplied, quick_sum

__all__ = ["NOWHERE", "PairArithmetic"]

NOWHERE = -(2.0**20)
"""0's power of two."""
MODERATE = 2.0**60
"""Constants up to this, and their reciprocals, need no power of two."""


class PairArithmetic:
    """Pairs from numbers and back, and the four operations, over a base namespace of plain float64."""

    inf, nan = float("inf"), float("nan")

    def __init__(self, base: Namespace) -> None:
        self.base: Any = base

    # ---- there and back -----------------------------------------------------------------------------------------------------

    def pair(self, x: Any) -> Pair:
        """A number, or an array of float64 or a narrower type, as it is."""
        if isinstance(x, Pair):
            return x
        x = getattr(x, "symbol", x)  # a number that a compiled loop is handed
        if isinstance(x, (int, float)):
            return self._constant(float(x))
        return Pair(self, *self._parted(x))

    def moderate(self, x: Any) -> Pair:
        """Numbers of a type narrower than float64, whose products are numbers of float64."""
        return Pair(self, x, 0.0, self.base.where(x == 0, NOWHERE, self.base.zeros_like(x)))

    def _parted(self, x: Any) -> tuple[Any, Any, Any]:
        high, power = self.base.parted(x)
        return high, 0.0, self.base.where(high == 0, NOWHERE, power)

    def _constant(self, x: float) -> Pair:
        if x == 0:
            return Pair(self, x, 0.0, NOWHERE)
        if 1 / MODERATE <= abs(x) <= MODERATE or x != x or abs(x) == self.inf:
            return Pair(self, x, 0.0, 0.0)
        head, _, power = x.hex().partition("p")
        if "0x0." in head:  # below the normal numbers
            lifted = self._constant(x * 2.0**100)
            return Pair(self, lifted.high, 0.0, lifted.power - 100.0)
        return Pair(self, float.fromhex(head + "p0"), 0.0, float(power))

    def parts(self, x: Pair) -> Two:
        """In plain float64, rounded to nearest, and what that leaves."""
        high, low = quick_sum(x.high, x.low)
        low = self._settled(low)
        return self._scaled(high, x.power), self._scaled(low, x.power)

    def rounded(self, x: Pair, digits: int) -> Any:
        """In plain float64, so that it rounds once more to a type of so many bits as the pair itself would (53: as it is)."""
        high, low = quick_sum(x.high, x.low)
        if digits < 53:
            high = self.base.to_odd(high, self._settled(low), 53 if digits > 22 else 24)
        found = self._scaled(high, x.power)
        if digits < 53 or isinstance(high, float) or isinstance(low, float):
            return found
        # Below the normal numbers `found` was rounded twice, the second time perhaps at a tie that low would have decided.
        doubtful = (self.base.abs(found) <= 2.0**-1022) & (high != 0)
        return self.base.where(doubtful, self._subnormal(high, self._settled(low), x.power), found)

    def _subnormal(self, high: Any, low: Any, power: Any) -> Any:
        """(high + low) 2^power, of up to 2^−1022, as a whole number of 2^−1074, rounded once."""
        lift = (max(power, -1400.0) if isinstance(power, float) else self._most(power, -1400.0)) + 1074.0
        size, rest = self.base.abs(self._scaled(high, lift)), self._scaled(low, lift)
        rest = self.base.where(high < 0, -rest, rest)
        whole = size + 2.0**52  # to an integer
        tail = quick_sum(size - (whole - 2.0**52), rest)
        units = (whole + self.base.to_odd(*tail, 53)) - 2.0**52
        return self._scaled(self.base.where(high < 0, -units, units), -1074.0)

    def _scaled(self, x: Any, power: Any) -> Any:
        """x 2^power in two steps, of which only the last may round."""
        if isinstance(power, float) and power == 0:
            return x
        inside = self._least(self._most(power, -2040.0), 2040.0)
        half = (inside * 0.5 + 1.5 * 2.0**52) - 1.5 * 2.0**52
        return x * self.base.power_of_two(half) * self.base.power_of_two(inside - half)

    def _value(self, x: Pair) -> Two:
        """High and low as plain numbers, where they can be."""
        return self._scaled(x.high, x.power), self._scaled(x.low, x.power)

    def _most(self, a: Any, b: Any) -> Any:
        return self.base.maximum(a, b) if hasattr(self.base, "among") else self.base.where(a > b, a, b)  # NumPy's is faster

    def _least(self, a: Any, b: Any) -> Any:
        return self.base.minimum(a, b) if hasattr(self.base, "among") else self.base.where(a < b, a, b)

    def _settled(self, low: Any) -> Any:
        """What rounding took, and nothing where the rest is infinite or NaN."""
        return low if isinstance(low, float) else self.base.where(low == low, low, 0.0)

    # ---- arithmetic ---------------------------------------------------------------------------------------------------------

    def added(self, a: Pair, b: Pair) -> Pair:
        """a + b, at the larger of their powers."""
        (x, y), power = self._aligned(a, b)
        return self._made(added(x, y), x[0] + y[0], power)

    def _made(self, found: Two, plain: Any, power: Any) -> Pair:
        """A result; the plain one where that is infinite or NaN, and what rounding took is NaN."""
        high, low = self._sound(found, plain)
        if isinstance(high, float):
            return Pair(self, high, low, power if high else NOWHERE)
        return Pair(self, high, low, self.base.where(high == 0, NOWHERE, power))

    def _sound(self, found: Two, plain: Any) -> Two:
        high, low = found
        sound = low == low
        if isinstance(sound, bool):
            return found if sound else (plain, 0.0)
        return self.base.where(sound, high, plain), self.base.where(sound, low, 0.0)

    def _aligned(self, a: Pair, b: Pair) -> tuple[tuple[Two, Two], Any]:
        if isinstance(a.power, float) and isinstance(b.power, float):
            if a.power == b.power:
                return ((a.high, a.low), (b.high, b.low)), a.power
            power: Any = max(a.power, b.power)
        else:
            power = self._most(a.power, b.power)
        return (self._at(a, power), self._at(b, power)), power

    def _at(self, a: Pair, power: Any) -> Two:
        below = a.power - power
        if isinstance(below, float):
            factor: Any = 2.0 ** max(below, -1022.0)
        else:
            factor = self.base.power_of_two(self._most(below, -1022.0))
        return a.high * factor, a.low * factor

    def multiplied(self, a: Pair, other: Any) -> Pair:
        """a b; with a power of two, exactly."""
        if isinstance(other, (int, float)) and other and 1 / MODERATE <= abs(other) <= MODERATE and _is_power_of_two(other):
            return Pair(self, a.high * other, a.low * other, a.power)
        b = self.pair(other)
        high, low = self._sound(multiplied(self.base, (a.high, a.low), (b.high, b.low)), a.high * b.high)
        return Pair(self, high, low, a.power + b.power)

    def divided(self, a: Pair, b: Pair) -> Pair:
        """a/b."""
        high, low = self._sound(divided(self.base, (a.high, a.low), (b.high, b.low)), a.high / b.high)
        return Pair(self, high, low, a.power - b.power)

    def difference(self, a: Pair, other: Any) -> Any:
        """Something of the sign of a − b."""
        if isinstance(other, (int, float)) and (other == 0 or abs(other) == self.inf):
            return a.high if other == 0 else a.high - other
        return (a - other).high

    def equal(self, a: Pair, other: Any) -> Any:
        """Whether a is b; infinities of one sign are alike."""
        if isinstance(other, (int, float)) and (other == 0 or abs(other) == self.inf):
            return a.high == other
        b = self.pair(other)
        return ((a - b).high == 0) | ((a.high == b.high) & (self.base.abs(a.high) == self.inf))


def _is_power_of_two(x: float) -> bool:
    return x == x * 1.0 and float(x).hex().lstrip("-").startswith("0x1.0000000000000p")

"""Pairs: numbers of some 104 bits with an exponent of their own, and the namespace in which programs run on them unchanged.

A `Pair` is (high + low) 2^power: high and low are float64 (`focal_ref.mathematics.pair_arithmetic`) of moderate size, and the
power is a whole number kept as a float64, so that nothing that is a number of float64 in the end has under- or overflowed on the
way. 0 has the power `NOWHERE`, below every other.

The base namespace has, beside what programs ask of it, `parted` (a number in [½, 1), or 0, and its power of two),
`power_of_two`, and `to_odd`; and perhaps `fma`.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from ..typing import Namespace
from .pair_arithmetic import Two, added, divided, multiplied, quick_sum
from .pair_functions import LN2, exp_of_reduced, log_of_near_one, reduced
from .sums import row_sum

__all__ = ["NOWHERE", "Pair", "Pairs"]

NOWHERE = -(2.0**20)
"""0's power of two."""
LARGEST = 2.0**19
"""e to this power, or the opposite, is infinite or 0 for whatever it meets."""
ROOT_HALF = 0.7071067811865476
MODERATE = 2.0**60
"""Constants up to this, and their reciprocals, need no power of two."""


class Pair:
    """(high + low) 2^power."""

    __slots__ = ("high", "low", "power", "xp")
    __array_ufunc__ = None
    dtype = "float64"
    device = None

    def __init__(self, xp: Pairs, high: Any, low: Any, power: Any) -> None:
        self.xp, self.high, self.low, self.power = xp, high, low, power

    def __array_namespace__(self, api_version: str | None = None) -> Pairs:
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

    def __add__(self, other: Any) -> Pair:
        return self.xp.added(self, self.xp.pair(other))

    __radd__ = __add__

    def __sub__(self, other: Any) -> Pair:
        return self.xp.added(self, -self.xp.pair(other))

    def __rsub__(self, other: Any) -> Pair:
        return self.xp.added(self.xp.pair(other), -self)

    def __mul__(self, other: Any) -> Pair:
        return self.xp.multiplied(self, other)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Pair:
        return self.xp.divided(self, self.xp.pair(other))

    def __rtruediv__(self, other: Any) -> Pair:
        return self.xp.divided(self.xp.pair(other), self)

    def __pow__(self, other: Any) -> Pair:
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


class Pairs:
    """The namespace of pairs over one of plain float64; what isn't a number (classes, truth values) is the base's own."""

    inf, nan = float("inf"), float("nan")
    float32, float64 = "float32", "float64"

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
            return self._constant(x * 2.0**100) * self._power_of_two(-100.0)
        return Pair(self, float.fromhex(head + "p0"), 0.0, float(power))

    def _power_of_two(self, power: float) -> Pair:
        return Pair(self, 1.0, 0.0, power)

    def parts(self, x: Pair) -> Two:
        """High and low in plain float64, their power of two multiplied in, the one rounded to nearest, the other what is left."""
        high, low = quick_sum(x.high, x.low)
        low = self._settled(low)
        return self._scaled(high, x.power), self._scaled(low, x.power)

    def rounded(self, x: Pair, digits: int) -> Any:
        """In plain float64, so that it rounds once more to a type of so many bits as the pair itself would (53: as it is)."""
        high, low = quick_sum(x.high, x.low)
        if digits < 53:
            high = self.base.to_odd(high, self._settled(low), 53 if digits > 22 else 24)
        return self._scaled(high, x.power)

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
        return self.base.maximum(a, b) if hasattr(self.base, "maximum") else self.base.where(a > b, a, b)

    def _least(self, a: Any, b: Any) -> Any:
        return self.base.minimum(a, b) if hasattr(self.base, "minimum") else self.base.where(a < b, a, b)

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

    # ---- functions ----------------------------------------------------------------------------------------------------------

    def abs(self, x: Pair) -> Pair:
        """The magnitude."""
        return self.where(x < 0, -x, x)

    def exp(self, x: Pair) -> Pair:
        """e to the power x."""
        high, low = self._value(x)
        deep, beyond = high < -LARGEST, high > LARGEST
        inside = self._least(self._most(high, -LARGEST), LARGEST)
        r, steps = reduced(self.base, (inside, self.base.where(deep | beyond, 0.0, self._settled(low))))
        found = exp_of_reduced(self.base, r)
        where = self.base.where
        return Pair(
            self,
            where(deep, 0.0, where(beyond, self.inf, where(high == high, found[0], self.nan))),
            where(deep | beyond, 0.0, found[1]),
            where(deep, NOWHERE, where(high == high, steps, 0.0)),
        )

    def log(self, x: Pair) -> Pair:
        """The natural logarithm."""
        m, power = self._near_one(x.high, x.low)
        found = self._logarithm(added((m[0] - 1.0, 0.0), (m[1], 0.0)), 0.0, power + x.power)
        return self._limits(x.high, found)

    def log1p(self, x: Pair) -> Pair:
        """log(1 + x); x itself, and not the rounded sum, where that is near 1."""
        total = 1 + x
        high, low = self._value(total)
        m, power = self._near_one(high, low)
        near = power == 0
        # A tiny x keeps its own power of two; one that isn't is brought down to it.
        f = added((m[0] - 1.0, 0.0), (m[1], 0.0))
        own = self._own(x)
        f = tuple(self.base.where(near, a, b) for a, b in zip((own.high, own.low), f, strict=True))
        scale = self.base.where(near, own.power, 0.0)
        found = self._logarithm(f, scale, power)
        return self._limits(high, found)

    def expm1(self, x: Pair) -> Pair:
        """e^x − 1: for a small x by its own series, x times (e^x − 1)/x."""
        own, far = self._own(x), self.exp(x) - 1
        near = self.abs(x) < 0.25
        small = self.where(near, x, 0.25)
        series = self._constant(1.0)
        for n in range(24, 1, -1):
            series = 1 + small * series / n
        return self.where(near, own * series, far)

    def pow(self, x: Pair, y: Pair) -> Pair:
        """x^y for x ≥ 0."""
        zero, none = x.high == 0, y.high == 0
        found = self.exp(y * self.log(self.where(zero, 1.0, x)))
        return self.where(none, 1.0, self.where(zero, self.where(y.high > 0, 0.0, self.inf), found))

    def _own(self, x: Pair) -> Pair:
        """x with high in [½, 1)."""
        high, power = self.base.parted(x.high)
        low = x.low if isinstance(x.low, float) and x.low == 0 else x.low * self.base.power_of_two(-power)
        return Pair(self, high, low, x.power + power)

    def _near_one(self, high: Any, low: Any) -> tuple[Two, Any]:
        """m between √½ and √2, and k, of high + low = 2^k m."""
        m, power = self.base.parted(high)
        up = m < ROOT_HALF
        power = self.base.where(up, power - 1, power)
        m = self.base.where(up, 2 * m, m)
        return (m, low * self.base.power_of_two(-power)), power

    def _logarithm(self, f: Two, scale: Any, power: Any) -> Pair:
        """log(1 + f 2^scale) + power · ln 2; f has a scale of its own only where the power is 0."""
        if isinstance(scale, float) and scale == 0:
            s, near_two = log_of_near_one(self.base, f)
        else:
            s, near_two = self._log_of_scaled(f, scale)
        high, low = multiplied(self.base, s, near_two)
        steps = Pair(self, power, 0.0, self.base.where(power == 0, NOWHERE, 0.0)) * Pair(self, LN2[0], LN2[1], 0.0)
        return self._made((high, low), high, scale) + steps

    def _log_of_scaled(self, f: Two, scale: Any) -> tuple[Two, Two]:
        factor = self.base.power_of_two(self._most(scale, -1022.0))
        _, near_two = log_of_near_one(self.base, (f[0] * factor, f[1] * factor))
        below = added((2.0, 0.0), (f[0] * factor, f[1] * factor))
        return divided(self.base, f, below), near_two

    def _limits(self, high: Any, found: Pair) -> Pair:
        """A logarithm's own at 0, infinity, below 0 and NaN."""
        where = self.base.where
        plain = (high > 0) & (high < self.inf)
        limit = where(high == 0, -self.inf, where(high == self.inf, self.inf, self.nan))
        return Pair(self, where(plain, found.high, limit), where(plain, found.low, 0.0), where(plain, found.power, 0.0))

    # ---- arrays -------------------------------------------------------------------------------------------------------------

    def where(self, condition: Any, a: Any, b: Any) -> Any:
        """One of two; of pairs or numbers a pair, else the base's own."""
        if not any(isinstance(value, (Pair, float)) for value in (a, b)):
            return self.base.where(condition, a, b)
        a, b = self.pair(a), self.pair(b)
        if isinstance(condition, bool):
            return a if condition else b
        return Pair(
            self,
            *(self.base.where(condition, one, other) for one, other in ((a.high, b.high), (a.low, b.low), (a.power, b.power))),
        )

    def sum(self, x: Pair, *, axis: int = -1, keepdims: bool = False) -> Pair:
        """The sum along a row, every rounding error kept."""
        x = x if not isinstance(x.power, float) else Pair(self, x.high, x.low, 0 * x.high + x.power)
        power = self.base.max(x.power, axis=-1, keepdims=True)
        high, low = self._at(x, power)
        plain = self.base.sum(high, axis=-1)
        total, error = row_sum(self.base, high, low)
        found = self._made((total, error), plain, power[..., 0])
        return found[..., None] if keepdims else found

    def max(self, x: Pair, *, axis: int = -1, keepdims: bool = False) -> Pair:
        """The largest entry of a row, of numbers of float64."""
        return self.pair(self.base.max(self._value(x)[0], axis=-1, keepdims=keepdims))

    def argmax(self, x: Pair, *, axis: int = -1, keepdims: bool = False) -> Any:
        """The place of the largest of a row of numbers ≥ 0, or of one that is within 2^−30 of it."""
        high, power = self.base.parted(x.high)
        key = 2 * high + (x.power + self.base.where(high == 0, NOWHERE, power))
        return self.base.argmax(key, axis=-1, keepdims=keepdims)

    def take_along_axis(self, x: Pair, index: Any, *, axis: int = -1) -> Pair:
        """Each row's entry of an index."""
        return Pair(
            self, *(a if isinstance(a, float) else self.base.take_along_axis(a, index, axis=-1) for a in (x.high, x.low, x.power))
        )

    def astype(self, x: Any, dtype: Any, *, copy: bool = True) -> Any:
        """A pair as it is, since it is rounded at the end; what isn't one as a pair, or as another type of the base."""
        if isinstance(x, Pair):
            return x
        if dtype not in (self.float32, self.float64):
            return self.base.astype(x, dtype, copy=copy)
        return self.pair(self.base.astype(x, self.base.float64))

    def asarray(self, value: Any, *, dtype: Any = None, device: Any = None) -> Pair:
        """A number."""
        return self.pair(value)

    def zeros_like(self, x: Pair) -> Pair:
        """Zero, of a shape."""
        return Pair(self, 0.0 if isinstance(x.high, float) else self.base.zeros_like(x.high), 0.0, NOWHERE)

    def full_like(self, x: Pair, value: Any) -> Pair:
        """A number, of a shape."""
        return self.zeros_like(x) + value

    def finfo(self, dtype: Any) -> Any:
        """How fine pairs are."""
        return SimpleNamespace(eps=2.0**-104)

    def __getattr__(self, name: str) -> Any:
        """What has nothing to do with numbers: the base's `any`, `all`, `arange`."""
        if name in ("any", "all", "arange"):
            return getattr(self.base, name)
        raise AttributeError(f"pairs have no {name!r}")


def _is_power_of_two(x: float) -> bool:
    return x == x * 1.0 and float(x).hex().lstrip("-").startswith("0x1.0000000000000p")

"""The namespace of pairs: programs run on them unchanged, as they do on arrays."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from .pair import Pair
from .pair_arithmetic import Two, added, divided, multiplied
from .pair_functions import LN2, exp_of_reduced, log_of_near_one, reduced
from .pair_scaling import NOWHERE, PairArithmetic
from .sums import row_sum

__all__ = ["Pairs"]

LARGEST = 2.0**19
"""e to this power, or the opposite, is infinite or 0 for whatever it meets."""
ROOT_HALF = 0.7071067811865476


class Pairs(PairArithmetic):
    """The namespace of pairs over one of plain float64; what isn't a number (classes, truth values) is the base's own."""

    float32, float64 = "float32", "float64"

    # ---- functions ----------------------------------------------------------------------------------------------------------

    def abs(self, x: Pair) -> Any:
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
        m, power = self._near_one(x)
        found = self._logarithm(added((m[0] - 1.0, 0.0), (m[1], 0.0)), 0.0, power)
        return self._limits(x.high, found)

    def log1p(self, x: Pair) -> Pair:
        """log(1 + x); x itself, and not the rounded sum, where that is near 1."""
        total = 1 + x
        m, power = self._near_one(total)
        near = power == 0
        # A tiny x keeps its own power of two; one that isn't is brought down to it.
        f = added((m[0] - 1.0, 0.0), (m[1], 0.0))
        own = self._own(x)
        f = tuple(self.base.where(near, a, b) for a, b in zip((own.high, own.low), f, strict=True))
        scale = self.base.where(near, own.power, 0.0)
        found = self._logarithm(f, scale, power)
        return self._limits(total.high, found)

    def expm1(self, x: Pair) -> Any:
        """e^x − 1: for a small x by its own series, x times (e^x − 1)/x."""
        own, far = self._own(x), self.exp(x) - 1
        near = self.abs(x) < 0.25
        small = self.where(near, x, 0.25)
        series = self._constant(1.0)
        for n in range(24, 1, -1):
            series = 1 + small * series / n
        return self.where(near, own * series, far)

    def pow(self, x: Pair, y: Pair) -> Any:
        """x^y for x ≥ 0."""
        zero, none = x.high == 0, y.high == 0
        found = self.exp(y * self.log(self.where(zero, 1.0, x)))
        return self.where(none, 1.0, self.where(zero, self.where(y.high > 0, 0.0, self.inf), found))

    def sqrt(self, x: Pair) -> Any:
        """The square root."""
        return self.pow(x, self.pair(0.5))

    def maximum(self, a: Any, b: Any) -> Any:
        """The larger of two, NaN where one is."""
        return self.where((a > b) | (a != a), a, b)

    def minimum(self, a: Any, b: Any) -> Any:
        """The smaller of two, NaN where one is."""
        return self.where((a < b) | (a != a), a, b)

    def _own(self, x: Pair) -> Pair:
        """x with high in [½, 1)."""
        high, power = self.base.parted(x.high)
        low = x.low if isinstance(x.low, float) and x.low == 0 else x.low * self.base.power_of_two(-power)
        return Pair(self, high, low, x.power + power)

    def _near_one(self, x: Pair) -> tuple[Two, Any]:
        """m between √½ and √2, and k, of x = 2^k m."""
        own, where = self._own(x), self.base.where
        up = own.high < ROOT_HALF
        m = where(up, 2 * own.high, own.high), where(up, 2 * own.low, own.low)
        return m, where(up, own.power - 1, own.power)

    def _logarithm(self, f: Two, scale: Any, power: Any) -> Any:
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

    def sum(self, x: Pair, *, axis: int = -1, keepdims: bool = False) -> Any:
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
            self,
            *(a if isinstance(a, float) else self.base.take_along_axis(a, index, axis=-1) for a in (x.high, x.low, x.power)),
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

    def full_like(self, x: Pair, value: Any) -> Any:
        """A number, of a shape."""
        return self.zeros_like(x) + value

    def finfo(self, dtype: Any) -> Any:
        """How fine pairs are."""
        return SimpleNamespace(eps=2.0**-104)

    def __getattr__(self, name: str) -> Any:
        """What has nothing to do with numbers: the base's `any`, `all`, `arange`."""
        if name in ("any", "all", "arange"):
            return getattr(self.base, name)
        has = "where, abs, exp, expm1, log, log1p, sqrt, maximum, minimum and arithmetic"
        raise AttributeError(f"formulas in reference precision have no {name!r}: expected {has}")

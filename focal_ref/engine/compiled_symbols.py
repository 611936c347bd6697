"""Symbols for compiled loops: the formulas, run on them, become a list of typed operations on vectors.

The operators are those of `focal_ref.engine.symbols`, which are written as C++ at once; here the operation and its operands are
kept. A value has an entry a class (or a logit), or is the same along the row.
Everything is evaluated in float64. Elementary functions are programs of such operations themselves (`compiled_functions`).
"""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

from . import compiled_bits
from . import compiled_functions as functions
from .compiled_algebra import fewer
from .row_symbols import INDEX
from .symbols import Symbol, Symbols

__all__ = ["Known", "Operation", "Reduction", "Vectors"]

_FUNCTIONS = {"exp": functions.exp, "expm1": functions.expm1, "log": functions.log, "log1p": functions.log1p}
_COMPARISONS = ("lt", "le", "gt", "ge", "eq", "ne")


def _is_minus_magnitude(condition: Any, a: Any, b: Any) -> bool:
    """Whether a choice is that of −|b|."""
    turned = isinstance(a, Operation) and a.op == "neg" and a.operands[0] is b
    return bool(turned and condition.op in ("ge", "gt") and condition.operands[0] is b and condition.operands[1] == 0.0)


def _key(op: str, kind: str, operands: tuple[Any, ...]) -> str:
    return f"{op} {kind} " + " ".join(value.name if isinstance(value, Symbol) else repr(value) for value in operands)


class Operation(Symbol):
    """A value by its operation and operands."""

    __slots__ = ("costly", "most", "op", "operands")
    op: str
    operands: tuple[Any, ...]
    costly: bool
    """Whether to keep it for later walks along the row rather than compute it anew."""
    most: float
    """What it is known not to exceed, NaN apart."""


class Reduction(Operation):
    """What a walk along the row finds."""

    __slots__ = ()


class Known(float):
    """A number that formulas may ask about while they are traced, but that is handed to the kernel with each call.

    Its value stands for all of which the formulas' questions have the same answers, so that these share a kernel.
    """

    symbol: Symbol

    def __new__(cls, value: float, symbol: Symbol) -> Known:
        """A number with the symbol that takes its place."""
        made = super().__new__(cls, value)
        made.symbol = symbol
        return made

    def __neg__(self) -> Known:
        return Known(-float(self), -self.symbol)

    def __add__(self, other: Any) -> Any:
        return self.symbol + other

    def __radd__(self, other: Any) -> Any:
        return other + self.symbol

    def __sub__(self, other: Any) -> Any:
        return self.symbol - other

    def __rsub__(self, other: Any) -> Any:
        return other - self.symbol

    def __mul__(self, other: Any) -> Any:
        return self.symbol * other

    def __rmul__(self, other: Any) -> Any:
        return other * self.symbol

    def __truediv__(self, other: Any) -> Any:
        return self.symbol / other

    def __rtruediv__(self, other: Any) -> Any:
        return other / self.symbol


class Vectors(Symbols):
    """A namespace of operations on vectors; every axis is the last."""

    def __init__(self, narrow: bool = False) -> None:
        super().__init__("float64")
        self.narrow = narrow
        self.shape = (Known(2.0, self._made("classes", "number")),)  # type: ignore[assignment]

    def operation(self, op: str, *operands: Any, kind: str = "number") -> Any:
        """The value of one of the operations that symbols have."""
        given = tuple(value.symbol if isinstance(value, Known) else value for value in operands)
        if op in _FUNCTIONS:
            (x,) = self._as("number", *(value if isinstance(value, Symbol) else self.asarray(value) for value in given))
            return self._costly(_FUNCTIONS[op](self, x))
        if op == "pow":
            given = self._as("number", *(value if isinstance(value, Symbol) else self.asarray(value) for value in given))
            return self._costly(functions.power(self, *given))
        if op in ("same", "constant"):
            return given[0] if isinstance(given[0], Symbol) else self._made("constant", "number", float(given[0]))
        if op == "one":
            return self._made("constant", "number", 1.0)
        return self._operation(op, *given)

    def _operation(self, op: str, *operands: Any) -> Any:
        if self.narrow and (found := fewer(self, op, operands)) is not None:
            return found
        return self.plain(op, *operands)

    def plain(self, op: str, *operands: Any) -> Any:
        """An operation as it is."""
        if op == "square":
            return self._made("mul", "number", operands[0], operands[0])
        if op == "number" and operands[0].kind == "number":
            return operands[0]
        if op == "where":
            condition, a, b = operands
            if _is_minus_magnitude(condition, a, b):
                return self.at_most(self._made("neg", "number", self.abs(b)), 0.0)
            kind = self._common(a, b)
            return self._made("where", kind, condition, *self._as(kind, a, b))
        kind = self._common(*operands)
        if op in ("and", "or", "not", "number"):
            return self._made(op, "number" if op == "number" else kind, *operands)
        if kind == "bool":
            kind = "number"
        return self._made(op, "bool" if op in _COMPARISONS else kind, *self._as(kind, *operands))

    def has(self, op: str, *operands: Any) -> bool:
        """Whether an operation of numbers has been noted."""
        return _key(op, "number", operands) in self.known

    @staticmethod
    def _common(*operands: Any) -> str:
        """The type in which values meet."""
        kinds = {value.kind for value in operands if isinstance(value, Symbol)}
        for value in operands:
            if not isinstance(value, Symbol) and not (isinstance(value, int) and (INDEX in kinds or isinstance(value, bool))):
                kinds.add("number")
        return next((kind for kind in ("number", INDEX) if kind in kinds), "bool")

    def _as(self, kind: str, *operands: Any) -> tuple[Any, ...]:
        """Values in a type."""
        whole = kind != "number"
        return tuple(self._cast(a, kind) if isinstance(a, Symbol) else a if whole else float(a) for a in operands)

    def _cast(self, x: Any, kind: str) -> Any:
        if x.kind == kind:
            return x
        return self._made("number" if kind == "number" else "whole", kind, x)

    def _made(self, op: str, kind: str, *operands: Any, of: type[Operation] = Operation) -> Operation:
        key = _key(op, kind, operands)
        found = self.known.get(key)
        if found is None:
            needs = tuple(value for value in operands if isinstance(value, Symbol))
            spread, level = any(s.per_class for s in needs), max((s.level for s in needs), default=0)
            later = of is Reduction
            found = self.known[key] = of(self, kind, key, needs, spread and not later, level + later)
            found.op, found.operands, found.costly, found.most = op, operands, False, math.inf
        return found  # type: ignore[return-value]

    @staticmethod
    def _costly(x: Any) -> Any:
        x.costly = True
        return x

    def argument(self, op: str, kind: str, number: int, per_class: bool) -> Operation:
        """An argument, by how it is read and its place among the arguments."""
        found = self._made(op, kind, number)
        found.per_class = per_class
        return found

    @staticmethod
    def at_most(x: Any, bound: float) -> Any:
        """The value, known not to exceed a bound."""
        x.most = bound
        return x

    def fma(self, a: Any, b: Any, c: Any) -> Any:
        """A b + c, rounded once."""
        return self._made("fma", "number", *self._as("number", a, b, c))

    def bits(self, x: Any) -> Any:
        """A number's bits, as a whole number."""
        return self._made("bits", INDEX, x)

    def from_bits(self, x: Any) -> Any:
        """The number of these bits."""
        return self._made("from_bits", "number", x)

    def shifted_left(self, x: Any, count: int) -> Any:
        """A whole number's bits, moved."""
        return self._made("shl", INDEX, x, count)

    def shifted_right(self, x: Any, count: int) -> Any:
        """A whole number's bits, moved, with zeros coming in."""
        return self._made("lshr", INDEX, x, count)

    def parted(self, x: Any) -> tuple[Any, Any]:
        """A number between ½ and 1, or 0 or none, and its power of two."""
        return compiled_bits.parted(self, self._as("number", self.asarray(x) if isinstance(x, float) else x)[0])

    def power_of_two(self, power: Any) -> Any:
        """2 to a whole power between −1022 and 1023."""
        return compiled_bits.power_of_two(self, power)

    def to_odd(self, high: Any, low: Any, digits: int) -> Any:
        """high + low to so many bits, by rounding to odd."""
        return compiled_bits.to_odd(self, high, low, digits)

    def astype(self, x: Any, dtype: Any, *, copy: bool = True) -> Any:
        """The value as a number, rounded to float32 where that is asked for, or as a class's number."""
        made = self._cast(x, INDEX if dtype == INDEX else "number")
        return self._made("single", "number", made) if dtype == "float32" else made

    def where(self, condition: Any, a: Any, b: Any) -> Any:
        """One of two values."""
        return self.operation("where", condition, a, b)

    def asarray(self, value: Any, *, dtype: Any = None, device: Any = None) -> Any:
        """A number."""
        if isinstance(value, Symbol):
            return value
        return value.symbol if isinstance(value, Known) else self._made("constant", "number", float(value))

    def zeros(self, shape: tuple[int, ...], *, dtype: Any = None, device: Any = None) -> Any:
        """Zero."""
        return self.asarray(0.0)

    def full_like(self, x: Any, value: Any) -> Any:
        """A number."""
        return self.asarray(value)

    def arange(self, classes: int, *, device: Any = None) -> Any:
        """The classes' numbers."""
        return self.argument("class", INDEX, 0, True)

    def max(self, x: Any, *, axis: int, keepdims: bool = False) -> Any:
        """The largest entry; of narrow results, NaN apart, which makes its row NaN by itself."""
        return self._made("highest" if self.narrow else "largest", "number", x, of=Reduction)

    def argmax(self, x: Any, *, axis: int, keepdims: bool = False) -> Any:
        """The first largest entry's place."""
        return self._made("place", INDEX, x, self.arange(0), of=Reduction)

    def take_along_axis(self, x: Any, index: Any, *, axis: int) -> Any:
        """The entry of one class."""
        found = self._made("taken", x.kind, x, index)
        found.per_class, found.level = False, max(x.level + 1, index.level)
        return found

    def sum(self, x: Any, *, axis: int) -> Any:
        """The plain sum."""
        return self._made("sum", "number", x, of=Reduction)

    def any(self, x: Any, *, axis: int) -> Any:
        """Whether one is true."""
        return self._made("any", "bool", x, of=Reduction)

    def row_sum(self, terms: Any, low: Any) -> tuple[Any, Any]:
        """`sums.row_sum`: the sum with its rounding errors kept."""
        value, error = self.summed(terms, low)
        total = value + error
        return total, error - (total - value)

    def summed(self, terms: Any, low: Any) -> tuple[Any, Any]:
        """A sum and what its roundings took."""
        found = self._made("compensated", "number", terms, low, of=Reduction)
        return found, self._made("error", "number", found)

    def finfo(self, dtype: Any) -> Any:
        """How fine the type is."""
        return SimpleNamespace(eps=2.0**-52, max=math.ldexp(1 - 2.0**-53, 1024))

"""Symbols of a row: what a softmax program needs beyond `focal_ref.engine.symbols`, an entry a class and sums along the row.

A kernel's thread sees one class at a time: a value has an entry a class, or is the same for all. A reduction is what a walk
along the row finds (`focal_ref.engine.cuda_rows`); a value's level counts the walks that must come before it is known.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from .symbols import REAL, Symbol, Symbols

__all__ = ["C_TYPES", "EACH", "EACH_CLASS", "EACH_ROW", "NUMBER", "ONE", "Cell", "Reduction", "RowSymbols"]

INDEX = "long long"
C_TYPES = REAL | {name: name for name in ("bfloat16", "bool", "float16")}
C_TYPES |= {"int8": "signed char", "int16": "short", "int32": "int", "int64": INDEX}
C_TYPES |= {f"u{name}": f"unsigned {C_TYPES[name].removeprefix('signed ')}" for name in ("int8", "int16", "int32", "int64")}
"""C++'s names of the types of arguments and results."""

NUMBER, ONE, EACH_ROW, EACH_CLASS, EACH = "", "0", "row", "j", "row * CLASSES + j"
"""Which entry of an argument or result belongs to class j of a row; a number is handed over as it is."""


class Cell(NamedTuple):
    """An argument that a kernel is handed, or a result."""

    dtype: str
    place: str


class Reduction(Symbol):
    """What a walk along the row finds; `taken` is handed to it for each class."""

    __slots__ = ("taken",)
    taken: str


class RowSymbols(Symbols):
    """A namespace of symbols with one entry a class, or one a row; every axis is the last."""

    def __init__(self, compute: str, classes: int) -> None:
        super().__init__(compute)
        self.shape = (classes,)

    def argument(self, name: str, cell: Cell) -> Symbol:
        """An argument: a number of any type as a number, an integer or truth value as it is."""
        if cell.place == NUMBER:
            return self.note(name)
        real, text = "float" in cell.dtype, f"{name}[{cell.place}]"
        kind = "number" if real else C_TYPES[cell.dtype]
        return self._leaf(f"number({text})" if real else text, kind, cell.place in (EACH, EACH_CLASS))

    def _leaf(self, expression: str, kind: str, per_class: bool) -> Symbol:
        if expression not in self.known:
            self.known[expression] = Symbol(self, kind, expression, (), per_class, 0)
        return self.known[expression]

    def _reduction(self, kind: str, *operands: Any, also: str = "") -> Reduction:
        taken = ", ".join(map(self.text, operands)) + also
        key = f"{kind}({taken})"
        if key not in self.known:
            needs = tuple(value for value in operands if isinstance(value, Symbol))
            level = max(symbol.level for symbol in needs)
            found = Reduction(self, kind, f"walk{level}.v{len(self.known)}", needs, False, level + 1)
            found.taken = taken
            self.known[key] = found
        return self.known[key]  # type: ignore[return-value]

    def max(self, x: Symbol, *, axis: int, keepdims: bool = False) -> Symbol:
        """The largest entry."""
        return self.note("{}.value", self._reduction("Largest", x))

    def argmax(self, x: Symbol, *, axis: int, keepdims: bool = False) -> Symbol:
        """The first largest entry's place."""
        return self.note("{}.place", self._reduction("Place", x, also=", j"), kind=INDEX)

    def sum(self, x: Symbol, *, axis: int) -> Symbol:
        """The plain sum."""
        return self.note("{}.value", self._reduction("Sum", x))

    def row_sum(self, terms: Symbol, low: Symbol) -> tuple[Symbol, Symbol]:
        """`sums.row_sum`: the sum with its rounding errors kept."""
        found = self._reduction("Compensated", terms, low)
        value, error = self.note("{}.value", found), self.note("{}.error", found)
        total = value + error
        return total, error - (total - value)

    def any(self, x: Symbol, *, axis: int) -> Symbol:
        """Whether one is true."""
        return self.note("{}.value", self._reduction("Any", x), kind="bool")

    def arange(self, classes: int, *, device: Any = None) -> Symbol:
        """The classes' numbers."""
        return self._leaf("j", INDEX, True)

    def astype(self, x: Symbol, dtype: Any, *, copy: bool = True) -> Symbol:
        """The value as a number, or as a class's number."""
        return self.note(f"({INDEX}){{}}", x, kind=INDEX) if dtype == INDEX else super().astype(x, dtype)

    def where(self, condition: Symbol, a: Any, b: Any) -> Symbol:
        """One of two values, truth values, or classes' numbers."""
        whole = any(isinstance(value, Symbol) and value.kind == INDEX for value in (a, b))
        return self.operation("where", condition, a, b, kind=INDEX) if whole else super().where(condition, a, b)

    def zeros(self, shape: tuple[int, ...], *, dtype: Any = None, device: Any = None) -> Symbol:
        """Zero."""
        return self.asarray(0.0)

    def full_like(self, x: Symbol, value: float) -> Symbol:
        """A number."""
        return self.asarray(value)

"""One kernel instead of dozens: formulas run on symbols write themselves down as C++.

The formulas stay the only source. A program of elementwise operations is called with symbols in place of arrays and with a
namespace that notes each operation as a line of C++; the lines are the body of a kernel, which reads every argument once and
writes every result once. Numbers are written in the type that is computed in, so that no operation is done in another.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

__all__ = ["REAL", "Source", "Symbol", "Symbols", "declared", "traced"]

REAL = {"float32": "float", "float64": "double"}
"""C++'s names of the types that formulas are evaluated in. The body calls its own `number`."""


class Source(NamedTuple):
    """A kernel's body: `a0`, `a1`, … are the arguments that are arrays, `r0`, `r1`, … the results."""

    arguments: tuple[str, ...]
    results: tuple[str, ...]
    body: str


class Symbol:
    """A value that a kernel will have: its name, and whether it is a truth value."""

    __slots__ = ("_notes", "is_truth", "name")
    device = None

    def __init__(self, notes: Symbols, name: str, is_truth: bool = False) -> None:
        self._notes, self.name, self.is_truth = notes, name, is_truth

    def __array_namespace__(self, api_version: str | None = None) -> Symbols:
        return self._notes

    @property
    def dtype(self) -> str:
        """The type's name; what a result is rounded to is decided where it is stored."""
        return self._notes.type

    def _with(self, operator: str, other: Any, *, turned: bool = False, truth: bool = False) -> Symbol:
        a, b = self._notes.text(self), self._notes.text(other)
        return self._notes.note(f"{b} {operator} {a}" if turned else f"{a} {operator} {b}", truth)

    def __add__(self, other: Any) -> Symbol:
        return self._with("+", other)

    def __radd__(self, other: Any) -> Symbol:
        return self._with("+", other, turned=True)

    def __sub__(self, other: Any) -> Symbol:
        return self._with("-", other)

    def __rsub__(self, other: Any) -> Symbol:
        return self._with("-", other, turned=True)

    def __mul__(self, other: Any) -> Symbol:
        return self._with("*", other)

    def __rmul__(self, other: Any) -> Symbol:
        return self._with("*", other, turned=True)

    def __truediv__(self, other: Any) -> Symbol:
        return self._with("/", other)

    def __rtruediv__(self, other: Any) -> Symbol:
        return self._with("/", other, turned=True)

    def __pow__(self, other: Any) -> Symbol:
        a = self._notes.text(self)
        if isinstance(other, (int, float)) and other in (0, 1, 2):
            return self._notes.note(("number(1)", a, f"{a} * {a}")[int(other)])
        return self._notes.note(f"pow({a}, {self._notes.text(other)})")

    def __neg__(self) -> Symbol:
        return self._notes.note(f"-{self._notes.text(self)}")

    def __invert__(self) -> Symbol:
        return self._notes.note(f"!{self.name}", True)

    def __and__(self, other: Symbol) -> Symbol:
        return self._with("&&", other, truth=True)

    def __or__(self, other: Symbol) -> Symbol:
        return self._with("||", other, truth=True)

    def __lt__(self, other: Any) -> Symbol:
        return self._with("<", other, truth=True)

    def __le__(self, other: Any) -> Symbol:
        return self._with("<=", other, truth=True)

    def __gt__(self, other: Any) -> Symbol:
        return self._with(">", other, truth=True)

    def __ge__(self, other: Any) -> Symbol:
        return self._with(">=", other, truth=True)

    def __eq__(self, other: Any) -> Symbol:  # type: ignore[override]
        return self._with("==", other, truth=True)

    def __ne__(self, other: Any) -> Symbol:  # type: ignore[override]
        return self._with("!=", other, truth=True)

    __hash__ = None  # type: ignore[assignment]

    def __bool__(self) -> bool:
        raise TypeError("a kernel's values are not known while it is written: choose by `where`")


class Symbols:
    """A namespace whose operations are noted, each different one once."""

    inf, nan = math.inf, math.nan
    float32, float64 = "float32", "float64"

    def __init__(self, compute: str) -> None:
        self.type = compute
        self.lines: list[str] = []
        self._known: dict[str, Symbol] = {}

    def note(self, expression: str, truth: bool = False) -> Symbol:
        """The value of an expression."""
        if expression not in self._known:
            name = f"v{len(self.lines)}"
            self.lines.append(f"const {'bool' if truth else 'number'} {name} = {expression};")
            self._known[expression] = Symbol(self, name, truth)
        return self._known[expression]

    def text(self, value: Any) -> str:
        """A symbol or a number as C++; truth values count as 0 and 1 where they meet numbers."""
        if isinstance(value, Symbol):
            return value.name
        if math.isfinite(value):
            return f"number({float(value)!r})"
        return "number_nan" if math.isnan(value) else "number_inf" if value > 0 else "-number_inf"

    def where(self, condition: Symbol, a: Any, b: Any) -> Symbol:
        """One of two values, or two truth values."""
        truth = all(isinstance(value, Symbol) and value.is_truth for value in (a, b))
        return self.note(f"{condition.name} ? {self.text(a)} : {self.text(b)}", truth)

    def astype(self, x: Symbol, dtype: Any, *, copy: bool = True) -> Symbol:
        """The value as a number; every number of a kernel is in its one type."""
        return self.note(f"number({x.name})") if x.is_truth else x

    def asarray(self, value: float, *, dtype: Any = None, device: Any = None) -> Symbol:
        """A number."""
        return self.note(self.text(value))

    def zeros_like(self, x: Symbol) -> Symbol:
        """Zero."""
        return self.asarray(0.0)

    def abs(self, x: Symbol) -> Symbol:
        """The magnitude."""
        return self.note(f"fabs({x.name})")

    def exp(self, x: Symbol) -> Symbol:
        """e to the power x."""
        return self.note(f"exp({x.name})")

    def expm1(self, x: Symbol) -> Symbol:
        """exp(x) − 1."""
        return self.note(f"expm1({x.name})")

    def log(self, x: Symbol) -> Symbol:
        """The natural logarithm."""
        return self.note(f"log({x.name})")

    def log1p(self, x: Symbol) -> Symbol:
        """log(1 + x)."""
        return self.note(f"log1p({x.name})")


def traced(program: Callable[..., Sequence[Any]], arguments: Sequence[Any], compute: str) -> Source:
    """A program of elementwise operations as the body of a kernel.

    Parameters
    ----------
    program : callable
        `program(xp, *arguments)` returns the results. Python's `if` may ask what arguments are, not for values.
    arguments : sequence
        For each, the name of its type where it is an array, else the Python number or None that it is.
    compute : {"float32", "float64"}
        The type that is computed in.

    Examples
    --------
    >>> print(traced(lambda xp, x, g: (xp.where(x > 0, x**g, 0.0),), ["float16", 1.5], "float32").body)
    const number v0 = number(a0);
    const bool v1 = v0 > number(0.0);
    const number v2 = pow(v0, number(1.5));
    const number v3 = v1 ? v2 : number(0.0);
    r0 = v3;
    """
    symbols = Symbols(compute)
    given: list[Any] = []
    types: list[str] = []
    for argument in arguments:
        if isinstance(argument, str):
            given.append(symbols.note(f"number(a{len(types)})"))
            types.append(argument)
        else:
            given.append(argument)
    results = program(symbols, *given)
    ends = [f"r{i} = {symbols.text(result)};" for i, result in enumerate(results)]
    return Source(tuple(types), tuple(f"r{i}" for i in range(len(ends))), "\n".join(symbols.lines + ends))


def declared(source: Source, results: Sequence[str], compute: str) -> dict[str, Any]:
    """What to make a `cupy.ElementwiseKernel` of.

    Parameters
    ----------
    source : Source
    results : sequence of str
        The results' types.
    compute : {"float32", "float64"}

    Examples
    --------
    >>> made = declared(Source(("float16", "bool"), ("r0",), "r0 = a1 ? number(a0) : number(0.0);"), ["float16"], "float32")
    >>> made["in_params"], made["out_params"]
    ('float16 a0, bool a1', 'float16 r0')
    """
    return {
        "in_params": ", ".join(f"{dtype} a{i}" for i, dtype in enumerate(source.arguments)),
        "out_params": ", ".join(f"{dtype} {name}" for dtype, name in zip(results, source.results, strict=True)),
        "operation": source.body,
        "name": "focal_ref",
        "preamble": _BEFORE.format(REAL[compute]),
        "return_tuple": True,
    }


_BEFORE = """\
typedef {} number;
#define number_inf number(__longlong_as_double(0x7ff0000000000000LL))
#define number_nan number(__longlong_as_double(0x7ff8000000000000LL))
"""

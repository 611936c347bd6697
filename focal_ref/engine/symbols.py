"""One kernel instead of dozens: formulas run on symbols write themselves down as C++.

The formulas stay the only source. A program of elementwise operations is called with symbols in place of arrays and with a
namespace that notes each operation as a line of C++; the lines are the body of a kernel, which reads every argument once and
writes every result once. Numbers are written in the type that is computed in, so that no operation is done in another.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple

from .untraced import trace

__all__ = ["BEFORE", "CPP", "REAL", "Source", "Symbol", "Symbols", "traced"]

REAL = {"float32": "float", "float64": "double"}
"""C++'s names of the types that formulas are evaluated in. The body calls its own `number`."""


CPP = {
    **{"add": "{} + {}", "sub": "{} - {}", "mul": "{} * {}", "div": "{} / {}", "neg": "-{}", "square": "{0} * {0}"},
    **{"lt": "{} < {}", "le": "{} <= {}", "gt": "{} > {}", "ge": "{} >= {}", "eq": "{} == {}", "ne": "{} != {}"},
    **{"not": "!{}", "and": "{} && {}", "or": "{} || {}", "where": "{} ? {} : {}"},
    **{"abs": "fabs({})", "sqrt": "sqrt({0})", "pow": "pow({}, {})"},
    **{"exp": "exp({})", "expm1": "expm1({})", "log": "log({})", "log1p": "log1p({})"},
    **{"number": "number({})", "constant": "{}", "same": "{0}", "one": "number(1)"},
}
"""Operations, and how C++ writes them. Another printer has its own table."""
_POWERS = {0: "one", 0.5: "sqrt", 1: "same", 2: "square"}
"""Those that need no logarithm, for bases ≥ 0."""


class Source(NamedTuple):
    """A kernel's body: `a0`, `a1`, … are the arguments that are arrays, `r0`, `r1`, … the results."""

    arguments: tuple[str, ...]
    results: tuple[str, ...]
    body: str


class Symbol:
    """A value that a kernel will have: its C++ type, how it is written, and the symbols that takes."""

    __slots__ = ("_notes", "expression", "kind", "level", "name", "needs", "per_class")
    device = None

    def __init__(
        self, notes: Symbols, kind: str, expression: str, needs: tuple[Symbol, ...], per_class: bool, level: int
    ) -> None:
        self._notes, self.kind, self.expression, self.needs = notes, kind, expression, needs
        self.name = f"v{len(notes.known)}"
        self.per_class, self.level = per_class, level

    def __array_namespace__(self, api_version: str | None = None) -> Symbols:
        return self._notes

    @property
    def dtype(self) -> str:
        """The type's name; what a result is rounded to is decided where it is stored."""
        return self._notes.type if self.kind == "number" else self.kind

    @property
    def line(self) -> str:
        """The value's declaration."""
        return f"const {self.kind} {self.name} = {self.expression};"

    @property
    def shape(self) -> tuple[int, ...]:
        """Nothing, or the length of a row."""
        return self._notes.shape

    def __getitem__(self, key: Any) -> Symbol:
        """An axis more or less: a value of a whole row meets every class all the same."""
        if self.per_class:
            raise TypeError("a kernel's thread sees one class at a time")
        return self

    def _with(self, operator: str, other: Any, *, turned: bool = False, truth: bool = False) -> Symbol:
        operands = (other, self) if turned else (self, other)
        return self._notes.operation(operator, *operands, kind="bool" if truth else "number")

    def __add__(self, other: Any) -> Symbol:
        return self._with("add", other)

    def __radd__(self, other: Any) -> Symbol:
        return self._with("add", other, turned=True)

    def __sub__(self, other: Any) -> Symbol:
        return self._with("sub", other)

    def __rsub__(self, other: Any) -> Symbol:
        return self._with("sub", other, turned=True)

    def __mul__(self, other: Any) -> Symbol:
        return self._with("mul", other)

    def __rmul__(self, other: Any) -> Symbol:
        return self._with("mul", other, turned=True)

    def __truediv__(self, other: Any) -> Symbol:
        return self._with("div", other)

    def __rtruediv__(self, other: Any) -> Symbol:
        return self._with("div", other, turned=True)

    def __pow__(self, other: Any) -> Symbol:
        if isinstance(other, (int, float)) and other in _POWERS:
            return self._notes.operation(_POWERS[other], self)
        return self._notes.operation("pow", self, other)

    def __neg__(self) -> Symbol:
        return self._notes.operation("neg", self)

    def __invert__(self) -> Symbol:
        return self._notes.operation("not", self, kind="bool")

    def __and__(self, other: Symbol) -> Symbol:
        return self._with("and", other, truth=True)

    def __or__(self, other: Symbol) -> Symbol:
        return self._with("or", other, truth=True)

    def __lt__(self, other: Any) -> Symbol:
        return self._with("lt", other, truth=True)

    def __le__(self, other: Any) -> Symbol:
        return self._with("le", other, truth=True)

    def __gt__(self, other: Any) -> Symbol:
        return self._with("gt", other, truth=True)

    def __ge__(self, other: Any) -> Symbol:
        return self._with("ge", other, truth=True)

    def __eq__(self, other: Any) -> Symbol:  # type: ignore[override]
        return self._with("eq", other, truth=True)

    def __ne__(self, other: Any) -> Symbol:  # type: ignore[override]
        return self._with("ne", other, truth=True)

    __hash__ = None  # type: ignore[assignment]

    def __bool__(self) -> bool:
        raise TypeError("a kernel's values are not known while it is written: choose by `where`")


class Symbols:
    """A namespace whose operations are noted, each different one once."""

    inf, nan = math.inf, math.nan
    float32, float64 = "float32", "float64"
    shape: tuple[int, ...] = ()

    def __init__(self, compute: str) -> None:
        self.type = compute
        self.known: dict[str, Symbol] = {}

    def operation(self, op: str, *operands: Any, kind: str = "number") -> Symbol:
        """The value of an operation of `CPP` on symbols and numbers."""
        return self.note(CPP[op], *operands, kind=kind)

    def note(self, template: str, *operands: Any, kind: str = "number") -> Symbol:
        """The value of an expression of symbols and numbers, as C++ writes it."""
        needs = tuple(value for value in operands if isinstance(value, Symbol))
        whole = any(symbol.kind not in ("number", "bool") for symbol in needs)
        expression = template.format(*(self.text(value, whole) for value in operands))
        if expression not in self.known:
            spread, level = any(s.per_class for s in needs), max((s.level for s in needs), default=0)
            self.known[expression] = Symbol(self, kind, expression, needs, spread, level)
        return self.known[expression]

    def text(self, value: Any, whole: bool = False) -> str:
        """A symbol or a number, `whole` where it meets integers; truth values count as 0 and 1 where they meet numbers."""
        if isinstance(value, Symbol):
            return value.name
        if math.isfinite(value):
            return f"{value}LL" if whole else f"number({float(value)!r})"
        return "number_nan" if math.isnan(value) else "number_inf" if value > 0 else "-number_inf"

    def where(self, condition: Symbol, a: Any, b: Any) -> Symbol:
        """One of two values, or two truth values."""
        kinds = {value.kind if isinstance(value, Symbol) else "number" for value in (a, b)}
        return self.operation("where", condition, a, b, kind="bool" if kinds == {"bool"} else "number")

    def astype(self, x: Symbol, dtype: Any, *, copy: bool = True) -> Symbol:
        """The value as a number; every number of a kernel is in its one type."""
        return x if x.kind == "number" else self.operation("number", x)

    def asarray(self, value: float, *, dtype: Any = None, device: Any = None) -> Symbol:
        """A number."""
        return self.operation("constant", value)

    def finfo(self, dtype: Any) -> Any:
        """How fine the type is."""
        return SimpleNamespace(eps=2.0**-23 if self.type == "float32" else 2.0**-52)

    def zeros_like(self, x: Symbol) -> Symbol:
        """Zero."""
        return self.asarray(0.0)

    def abs(self, x: Symbol) -> Symbol:
        """The magnitude."""
        return self.operation("abs", x)

    def exp(self, x: Symbol) -> Symbol:
        """e to the power x."""
        return self.operation("exp", x)

    def expm1(self, x: Symbol) -> Symbol:
        """exp(x) − 1."""
        return self.operation("expm1", x)

    def log(self, x: Symbol) -> Symbol:
        """The natural logarithm."""
        return self.operation("log", x)

    def log1p(self, x: Symbol) -> Symbol:
        """log(1 + x)."""
        return self.operation("log1p", x)

    def sqrt(self, x: Symbol) -> Symbol:
        """The square root."""
        return self.operation("sqrt", x)

    def maximum(self, a: Symbol, b: Any) -> Symbol:
        """The larger of two, NaN where one is."""
        return self.where((a > b) | (a != a), a, b)

    def minimum(self, a: Symbol, b: Any) -> Symbol:
        """The smaller of two, NaN where one is."""
        return self.where((a < b) | (a != a), a, b)


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
    results = trace(program, symbols, *given)
    ends = [f"r{i} = {symbols.text(result)};" for i, result in enumerate(results)]
    lines = [*(symbol.line for symbol in symbols.known.values()), *ends]
    return Source(tuple(types), tuple(f"r{i}" for i in range(len(ends))), "\n".join(lines))


BEFORE = """\
typedef {} number;
#define number_inf number(__longlong_as_double(0x7ff0000000000000LL))
#define number_nan number(__longlong_as_double(0x7ff8000000000000LL))
"""

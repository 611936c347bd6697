"""What every part of a printer of loops writes with: lines of LLVM's language, vectors of eight, and the kinds of memory."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any, NamedTuple

from .compiled_symbols import Operation
from .row_symbols import INDEX

__all__ = [
    "COUNTED",
    "LANES",
    "SIZES",
    "STORED",
    "TYPES",
    "Cell",
    "Loop",
    "Text",
    "constant",
    "declared",
    "reached",
    "repeated",
]

LANES = 8
"""Entries of a vector. Fixed, whatever the processor has: LLVM makes two or four registers of it."""

TYPES = {"number": f"<{LANES} x double>", "bool": f"<{LANES} x i1>", INDEX: f"<{LANES} x i64>"}
STORED = {"float64": "double", "float32": "float", "float16": "half", "bfloat16": "i16", "bool": "i8"}
STORED |= {f"{sign}int{bits}": f"i{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}
"""How types lie in memory."""
SIZES = {"double": 8, "float": 4, "half": 2, "i8": 1, "i16": 2, "i32": 4, "i64": 8}


class Cell(NamedTuple):
    """An argument or result in memory."""

    dtype: str
    place: str
    """ "number": handed over; "row": one a row; "class": one a class; "each": one a class of each row; "sum": of a result."""
    unit: bool = True
    """`across`: whether neighbouring rows lie side by side."""
    tiled: bool = False
    """`across`: whether a row's classes do, and are turned eight rows at a time."""


class Loop(NamedTuple):
    """What a loop looks like, beside its operations."""

    kind: str
    """ "elements", "along" or "across"."""


def constant(value: Any, kind: str) -> str:
    """A number in all lanes."""
    if kind == INDEX:
        return repeated(f"i64 {int(value)}")
    if kind == "bool":
        return repeated(f"i1 {'true' if value else 'false'}")
    bits = struct.unpack("<Q", struct.pack("<d", float(value)))[0]
    return repeated(f"double 0x{bits:016X}")


def repeated(entry: str) -> str:
    """An entry in all lanes."""
    return f"<{', '.join([entry] * LANES)}>"


COUNTED = f"<{', '.join(f'i64 {i}' for i in range(LANES))}>"
"""The lanes' numbers."""
_ZEROS = f"<{LANES} x i32> zeroinitializer"


class Text:
    """Lines of text, in order."""

    def __init__(self, arguments: Any, results: Any, loop: Loop) -> None:
        self.arguments, self.results, self.loop = arguments, results, loop
        self.lines: list[str] = []
        self.entry: list[str] = []
        self.count = 0
        self.walk = ""
        """What the names of the present walk end in."""
        self.valid = ""
        """Which lanes have an entry; nothing where all have."""
        self.at = ""
        """The one class that is looked at, instead of a walk's."""
        self.places: dict[str, str] = {}
        """Where the present vector of an array lies."""
        self.starts: dict[str, str] = {}
        """`across`: where the eight rows of an array begin."""

    def new(self, text: str) -> str:
        """A line that has a value, and the value's name."""
        self.count += 1
        self.lines.append(f"  %t{self.count} = {text}")
        return f"%t{self.count}"

    def say(self, text: str) -> None:
        """A line."""
        self.lines.append(f"  {text}")

    def label(self, name: str) -> None:
        """A block begins."""
        self.lines.append(f"{name}:")

    def room(self, kind: str) -> str:
        """A variable, made once."""
        self.count += 1
        self.entry.append(f"  %m{self.count} = alloca {kind}, align 64")
        self.entry.append(f"  store {kind} zeroinitializer, ptr %m{self.count}")
        return f"%m{self.count}"

    def splat(self, value: str, kind: str) -> str:
        """A scalar in all lanes."""
        one = self.new(f"insertelement <{LANES} x {kind}> poison, {kind} {value}, i32 0")
        return self.new(f"shufflevector <{LANES} x {kind}> {one}, <{LANES} x {kind}> poison, {_ZEROS}")

    def name(self, value: Any, kind: str) -> str:
        """An operand's text."""
        if not isinstance(value, Operation):
            return constant(value, kind)
        return f"%{value.name}{self.walk}" if value.per_class else f"%{value.name}"


def declared() -> list[str]:
    """The operations of LLVM that loops call."""
    number, truth = TYPES["number"], TYPES["bool"]
    lines = [f"declare {number} @llvm.{name}.v{LANES}f64({number})" for name in ("fabs", "sqrt")]
    lines.append(f"declare {number} @llvm.fma.v{LANES}f64({', '.join([number] * 3)})")
    lines.append("declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)")
    for kind, short in {
        "double": "f64",
        "float": "f32",
        "half": "f16",
        "i8": "i8",
        "i16": "i16",
        "i32": "i32",
        "i64": "i64",
    }.items():
        vector = f"<{LANES} x {kind}>"
        tag, many = f"v{LANES}{short}", f"v{LANES}p0"
        lines.append(f"declare {vector} @llvm.masked.load.{tag}.p0(ptr, i32, {truth}, {vector})")
        lines.append(f"declare void @llvm.masked.store.{tag}.p0({vector}, ptr, i32, {truth})")
        lines.append(f"declare {vector} @llvm.masked.gather.{tag}.{many}(<{LANES} x ptr>, i32, {truth}, {vector})")
        lines.append(f"declare void @llvm.masked.scatter.{tag}.{many}({vector}, <{LANES} x ptr>, i32, {truth})")
    return lines


def reached(ends: Iterable[Any]) -> set[str]:
    """What the ends are made of."""
    found: set[str] = set()
    waiting = list(ends)
    while waiting:
        symbol = waiting.pop()
        if symbol.name not in found:
            found.add(symbol.name)
            waiting += symbol.needs
    return found

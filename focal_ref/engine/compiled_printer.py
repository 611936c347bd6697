"""A program as the text of one loop, in LLVM's language, on vectors of eight float64.

Three kinds of loop: over `elements`; `along` each row of many classes; `across` eight rows of few classes at a time. A row is
walked along: what stands for a class is computed where it is needed, all reductions that can be made by then take one walk,
and exponentials and logarithms are kept for later walks. Lanes are fixed, nothing is reassociated and no product is fused with
a sum unless a function asks for it, so the bits depend on the entries alone.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from .compiled_symbols import Operation, Reduction, Vectors
from .row_symbols import INDEX

__all__ = ["LANES", "Cell", "Kernel", "Loop", "printed"]

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


class Loop(NamedTuple):
    """What a loop looks like, beside its operations."""

    kind: str
    """ "elements", "along" or "across"."""


class Kernel(NamedTuple):
    """A loop's text, and how many vectors of a row it keeps."""

    text: str
    kept: int


def printed(symbols: Vectors, arguments: Sequence[Any], ends: Sequence[Any], results: Sequence[Cell], loop: Loop) -> Kernel:
    """The text of `void focal_ref(rows, classes, arguments..., results..., scratch)`.

    Parameters
    ----------
    symbols : Vectors
        With all operations.
    arguments : sequence of Cell or None
    ends : sequence of Operation
        The results' values; for a "sum", what is summed.
    results : sequence of Cell
    loop : Loop
    """
    printer = _Printer(symbols, arguments, ends, results, loop)
    return printer.kernel()


def constant(value: Any, kind: str) -> str:
    """A number in all lanes."""
    if kind == INDEX:
        return _splat(f"i64 {int(value)}")
    if kind == "bool":
        return _splat(f"i1 {'true' if value else 'false'}")
    bits = struct.unpack("<Q", struct.pack("<d", float(value)))[0]
    return _splat(f"double 0x{bits:016X}")


def _splat(entry: str) -> str:
    return f"<{', '.join([entry] * LANES)}>"


_COUNTED = f"<{', '.join(f'i64 {i}' for i in range(LANES))}>"
_ZEROS = f"<{LANES} x i32> zeroinitializer"
_BINARY = {"add": "fadd", "sub": "fsub", "mul": "fmul", "div": "fdiv"}
_FCMP = {"lt": "olt", "le": "ole", "gt": "ogt", "ge": "oge", "eq": "oeq", "ne": "une"}
_ICMP = {"lt": "slt", "le": "sle", "gt": "sgt", "ge": "sge", "eq": "eq", "ne": "ne"}
_START = {"largest": -float("inf"), "place": -float("inf"), "sum": 0.0, "compensated": 0.0}


class _Printer:
    """Lines of text, in order."""

    def __init__(self, symbols: Vectors, arguments: Any, ends: Any, results: Any, loop: Loop) -> None:
        self.arguments, self.results, self.loop = arguments, results, loop
        self.lines: list[str] = []
        self.entry: list[str] = []
        self.count = 0
        self.ends = [
            self._summed(symbols, end) if cell.place == "sum" else end for end, cell in zip(ends, results, strict=True)
        ]
        needed = reached(self.ends)
        self.order = [s for s in symbols.known.values() if s.name in needed]
        self.walk = ""
        self.kept: dict[str, int] = {}
        self.there: set[str] = set()

    @staticmethod
    def _summed(symbols: Vectors, terms: Any) -> Any:
        value, error = symbols.summed(terms, symbols.asarray(0.0))
        # A sum that is infinite has no error.
        return symbols.where(error == error, value + error, value)

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

    def kernel(self) -> Kernel:
        """The whole text."""
        if self.loop.kind == "elements":
            self._row()
        else:
            self._rows()
        self.say("ret void")
        head = f"define void @focal_ref(i64 %rows, i64 %classes, {', '.join([*self._parameters(), 'ptr %scratch'])}) #0 {{"
        body = [head, "entry:", *self.entry, "  br label %start", "start:", *self.lines, "}"]
        return Kernel("\n".join([*_declared(), *body, _ATTRIBUTES]), len(self.kept))

    def _handed(self) -> Iterable[tuple[str, Cell]]:
        for letter, cells in (("a", self.arguments), ("r", self.results)):
            for i, cell in enumerate(cells):
                if isinstance(cell, Cell):
                    yield f"%{letter}{i}", cell

    def _parameters(self) -> list[str]:
        found = []
        for name, cell in self._handed():
            found.append(f"double {name}" if cell.place == "number" else f"ptr noalias {name}")
            if self.loop.kind != "elements" and cell.place in ("row", "each"):
                found.append(f"i64 {name}.row")
            if self.loop.kind == "across" and cell.place == "each":
                found.append(f"i64 {name}.class")
        return found

    def _rows(self) -> None:
        """The loop over rows, one at a time or eight."""
        step = LANES if self.loop.kind == "across" else 1
        self.say("br label %rows.head")
        self.label("rows.head")
        self.say("%row = phi i64 [ 0, %start ], [ %row.next, %rows.end ]")
        self.say("%row.left = icmp slt i64 %row, %rows")
        self.say("br i1 %row.left, label %rows.body, label %rows.out")
        self.label("rows.body")
        if step > 1:
            self._eight_rows()
        self._row()
        self.say("br label %rows.end")
        self.label("rows.end")
        self.say(f"%row.next = add i64 %row, {step}")
        self.say("br label %rows.head")
        self.label("rows.out")

    def _eight_rows(self) -> None:
        """Which rows; lanes beyond the last read that one, and write nothing."""
        number = TYPES[INDEX]
        each = self.new(f"add {number} {self.splat('%row', 'i64')}, {_COUNTED}")
        rows = self.splat("%rows", "i64")
        self.valid = self.new(f"icmp slt {number} {each}, {rows}")
        last = self.new(f"sub {number} {rows}, {constant(1, INDEX)}")
        within = self.new(f"select {TYPES['bool']} {self.valid}, {number} {each}, {number} {last}")
        self.starts: dict[str, str] = {}
        for name, cell in self._handed():
            if cell.place in ("row", "each"):
                stored = STORED[cell.dtype]
                if cell.unit:
                    self.starts[name] = self.new(f"getelementptr {stored}, ptr {name}, i64 %row")
                else:
                    offsets = self.new(f"mul {number} {within}, {self.splat(f'{name}.row', 'i64')}")
                    self.starts[name] = self.new(f"getelementptr {stored}, ptr {name}, {number} {offsets}")

    def _row(self) -> None:
        """A row: values of the whole row and walks along it, level by level."""
        deepest = max(symbol.level for symbol in (*self.order, *self.ends))
        for level in range(deepest + 1):
            self.walk = ""
            for symbol in self.order:
                if not symbol.per_class and symbol.level == level and not isinstance(symbol, Reduction):
                    self._operation(symbol)
            due = [s for s in self.order if isinstance(s, Reduction) and s.level == level + 1]
            stores = [i for i, end in enumerate(self.ends) if self._is_each(i) and end.level == level]
            if due or stores:
                self._walk(level, due, stores)
        self.walk = ""
        for i, (end, cell) in enumerate(zip(self.ends, self.results, strict=True)):
            if not self._is_each(i):
                self._store_of_row(f"%r{i}", end, cell)

    def _is_each(self, i: int) -> bool:
        return bool(self.results[i].place == "each")

    def name(self, value: Any, kind: str) -> str:
        """An operand's text."""
        if not isinstance(value, Operation):
            return constant(value, kind)
        return f"%{value.name}{self.walk}" if value.per_class else f"%{value.name}"

    # One walk along the row

    def _walk(self, level: int, due: Sequence[Reduction], stores: Sequence[int]) -> None:
        self.walk, tag = f".w{level}", f"walk{level}"
        found = {symbol.name: self._accumulators(symbol) for symbol in due}
        ends = [self.ends[i] for i in stores]
        inside = self._inside([*(need for symbol in due for need in symbol.needs), *ends])
        step = 1 if self.loop.kind == "across" else LANES
        self.say(f"br label %{tag}.before")
        self.label(f"{tag}.before")
        self.say(f"br label %{tag}.head")
        self.label(f"{tag}.head")
        self.say(f"%j{self.walk} = phi i64 [ 0, %{tag}.before ], [ %j{self.walk}.next, %{tag}.end ]")
        left = self.new(f"icmp slt i64 %j{self.walk}, %classes")
        self.say(f"br i1 {left}, label %{tag}.body, label %{tag}.out")
        self.label(f"{tag}.body")
        self.places: dict[str, str] = {}
        if self.loop.kind != "across":
            self._whole_vectors(tag, inside, stores)
        for symbol in inside:
            self._operation(symbol)
        for symbol in due:
            self._add(symbol, found[symbol.name])
        for i in stores:
            self._store_each(f"%r{i}", self.ends[i], self.results[i])
        if self.loop.kind != "across":
            self._flush(tag, stores)
        self.say(f"br label %{tag}.end")
        self.label(f"{tag}.end")
        self.say(f"%j{self.walk}.next = add i64 %j{self.walk}, {step}")
        self.say(f"br label %{tag}.head")
        self.label(f"{tag}.out")
        self.walk = ""
        for symbol in due:
            self._finish(symbol, found[symbol.name])

    def _inside(self, ends: Sequence[Any]) -> list[Any]:
        """What the walk computes: per class, down to what it finds kept."""
        names: set[str] = set()
        waiting = list(ends)
        while waiting:
            symbol = waiting.pop()
            if symbol.per_class and symbol.name not in names:
                names.add(symbol.name)
                if symbol.name not in self.there:
                    waiting += symbol.needs
        return [symbol for symbol in self.order if symbol.name in names]

    def _whole_vectors(self, tag: str, inside: Sequence[Any], stores: Sequence[int]) -> None:
        """Where the last vector isn't full, its entries are read and written by way of a buffer."""
        j = f"%j{self.walk}"
        read = [(s, self.arguments[s.operands[0]]) for s in inside if s.op == "each" or s.op == "class_of"]
        touched = [(f"%a{s.operands[0]}", cell) for s, cell in read] + [(f"%r{i}", self.results[i]) for i in stores]
        left = self.new(f"sub i64 %classes, {j}")
        self.full = self.new(f"icmp sge i64 {left}, {LANES}")
        self.left = left
        self.valid = self.new(f"icmp slt {TYPES[INDEX]} {_COUNTED}, {self.splat(left, 'i64')}")
        there, buffers = {}, {}
        for name, cell in touched:
            at = j
            if self.loop.kind == "along" and cell.place == "each":
                first = self.new(f"mul i64 %row, {name}.row")
                at = self.new(f"add i64 {first}, {j}")
            there[name] = self.new(f"getelementptr {STORED[cell.dtype]}, ptr {name}, i64 {at}")
            buffers[name] = self.room(f"[{LANES} x {STORED[cell.dtype]}]")
        self.say(f"br i1 {self.full}, label %{tag}.go, label %{tag}.part")
        self.label(f"{tag}.part")
        for name, cell in touched:
            if name.startswith("%a"):
                self._copy(buffers[name], there[name], cell)
        self.say(f"br label %{tag}.go")
        self.label(f"{tag}.go")
        for name, _ in touched:
            self.places[name] = self.new(f"phi ptr [ {there[name]}, %{tag}.body ], [ {buffers[name]}, %{tag}.part ]")
        self.there_now, self.buffers = there, buffers

    def _copy(self, to: str, origin: str, cell: Cell) -> None:
        size = self.new(f"mul i64 {self.left}, {SIZES[STORED[cell.dtype]]}")
        self.say(f"call void @llvm.memcpy.p0.p0.i64(ptr {to}, ptr {origin}, i64 {size}, i1 false)")

    def _flush(self, tag: str, stores: Sequence[int]) -> None:
        if stores:
            self.say(f"br i1 {self.full}, label %{tag}.end, label %{tag}.flush")
            self.label(f"{tag}.flush")
            for i in stores:
                self._copy(self.there_now[f"%r{i}"], self.buffers[f"%r{i}"], self.results[i])

    # Operations

    def _operation(self, symbol: Any) -> None:
        target = self.name(symbol, symbol.kind)
        if symbol.per_class and symbol.name in self.there:
            self.say(f"{target} = load {TYPES['number']}, ptr {self._kept_at(symbol)}, align 8")
            return
        text = self._text(symbol)
        self.say(f"{target} = {text}")
        if symbol.costly and symbol.per_class and self.loop.kind != "elements":
            self.kept[symbol.name] = len(self.kept)
            self.say(f"store {TYPES['number']} {target}, ptr {self._kept_at(symbol)}, align 8")
            self.there.add(symbol.name)

    def _kept_at(self, symbol: Any) -> str:
        """Where a costly value lies: one block of the scratch after another."""
        number = self.kept[symbol.name]
        if self.loop.kind == "across":
            first = self.new(f"mul i64 %classes, {LANES * number}")
            at = self.new(f"mul i64 %j{self.walk}, {LANES}")
        else:
            up = self.new(f"add i64 %classes, {LANES - 1}")
            whole = self.new(f"and i64 {up}, {-LANES}")
            first, at = self.new(f"mul i64 {whole}, {number}"), f"%j{self.walk}"
        place = self.new(f"add i64 {first}, {at}")
        return self.new(f"getelementptr double, ptr %scratch, i64 {place}")

    def _text(self, symbol: Any) -> str:
        op, kind, operands = symbol.op, symbol.kind, symbol.operands
        if op in ("each", "class_of", "of_row", "handed", "class", "classes"):
            return self._read(symbol)
        if op == "constant":
            return f"bitcast {TYPES[kind]} {constant(operands[0], kind)} to {TYPES[kind]}"
        of = next((value.kind for value in operands if isinstance(value, Operation)), kind)
        if op == "where":
            of = kind
        names = [self.name(value, of) for value in operands]
        vector = TYPES[of]
        if op in _BINARY:
            return f"{_BINARY[op] if of == 'number' else op} {vector} {names[0]}, {names[1]}"
        if op in _FCMP:
            return f"{'fcmp ' + _FCMP[op] if of == 'number' else 'icmp ' + _ICMP[op]} {vector} {names[0]}, {names[1]}"
        if op in ("and", "or", "shl", "lshr"):
            return f"{op} {vector} {names[0]}, {names[1]}"
        if op == "where":
            condition = self.name(operands[0], "bool")
            return f"select {TYPES['bool']} {condition}, {vector} {names[1]}, {vector} {names[2]}"
        return self._unary(op, of, kind, names)

    def _unary(self, op: str, of: str, kind: str, names: list[str]) -> str:
        vector = TYPES[of]
        if op == "neg":
            return f"fneg {vector} {names[0]}" if of == "number" else f"sub {vector} zeroinitializer, {names[0]}"
        if op == "not":
            return f"xor {vector} {names[0]}, {constant(True, 'bool')}"
        if op in ("number", "whole"):
            cast = {"number": "fptosi", "bool": "uitofp" if kind == "number" else "zext", INDEX: "sitofp"}[of]
            return f"{cast} {vector} {names[0]} to {TYPES[kind]}"
        if op in ("bits", "from_bits"):
            return f"bitcast {vector} {names[0]} to {TYPES[kind]}"
        if op == "single":
            rounded = self.new(f"fptrunc {vector} {names[0]} to <{LANES} x float>")
            return f"fpext <{LANES} x float> {rounded} to {vector}"
        if op == "error":
            return f"bitcast {vector} {names[0]}.error to {vector}"
        function = {"abs": "fabs", "sqrt": "sqrt", "fma": "fma"}[op]
        return f"call {vector} @llvm.{function}.v{LANES}f64({', '.join(f'{vector} {name}' for name in names)})"

    # Memory

    def _read(self, symbol: Any) -> str:
        op, kind = symbol.op, symbol.kind
        if op == "class":
            if self.loop.kind == "across":
                return f"bitcast {TYPES[INDEX]} {self.splat(f'%j{self.walk}', 'i64')} to {TYPES[INDEX]}"
            return f"add {TYPES[INDEX]} {self.splat(f'%j{self.walk}', 'i64')}, {_COUNTED}"
        if op == "classes":
            return f"sitofp {TYPES[INDEX]} {self.splat('%classes', 'i64')} to {TYPES['number']}"
        number = symbol.operands[0]
        name, cell = f"%a{number}", self.arguments[number]
        if op == "handed":
            return f"bitcast {TYPES['number']} {self.splat(name, 'double')} to {TYPES['number']}"
        stored = STORED[cell.dtype]
        vector = f"<{LANES} x {stored}>"
        if self.loop.kind == "across" and op != "class_of":
            raw = self._gathered(name, cell, op == "each")
        elif op in ("each", "class_of") and self.loop.kind != "across":
            raw = self.new(f"load {vector}, ptr {self.places[name]}, align {SIZES[stored]}")
        else:
            at = f"%j{self.walk}" if op == "class_of" else self.new(f"mul i64 %row, {name}.row")
            one = self.new(f"getelementptr {stored}, ptr {name}, i64 {at}")
            raw = self.splat(self.new(f"load {stored}, ptr {one}, align {SIZES[stored]}"), stored)
        return self._widened(raw, cell.dtype, kind)

    def _gathered(self, name: str, cell: Cell, per_class: bool) -> str:
        stored, start = STORED[cell.dtype], self.starts[name]
        vector = f"<{LANES} x {stored}>"
        if per_class:
            start = self._at_class(start, name, cell)
        tag = f"v{LANES}{stored.replace('double', 'f64').replace('float', 'f32').replace('half', 'f16')}"
        if cell.unit:
            return self.new(
                f"call {vector} @llvm.masked.load.{tag}.p0(ptr {start}, i32 {SIZES[stored]}, {TYPES['bool']} {self.valid}, "
                f"{vector} zeroinitializer)"
            )
        return self.new(
            f"call {vector} @llvm.masked.gather.{tag}.v{LANES}p0(<{LANES} x ptr> {start}, i32 {SIZES[stored]}, "
            f"{TYPES['bool']} {constant(True, 'bool')}, {vector} zeroinitializer)"
        )

    def _at_class(self, start: str, name: str, cell: Cell) -> str:
        offset = self.new(f"mul i64 %j{self.walk}, {name}.class")
        if cell.unit:
            return self.new(f"getelementptr {STORED[cell.dtype]}, ptr {start}, i64 {offset}")
        pointers = f"<{LANES} x ptr>"
        return self.new(f"getelementptr {STORED[cell.dtype]}, {pointers} {start}, {TYPES[INDEX]} {self.splat(offset, 'i64')}")

    def _widened(self, raw: str, dtype: str, kind: str) -> str:
        vector, wide = f"<{LANES} x {STORED[dtype]}>", TYPES[kind]
        if dtype == "bool":
            return f"icmp ne {vector} {raw}, zeroinitializer"
        if dtype == "float64" or dtype.endswith("int64"):
            return f"bitcast {vector} {raw} to {wide}"
        if dtype == "bfloat16":
            bits = self.new(f"zext {vector} {raw} to <{LANES} x i32>")
            moved = self.new(f"shl <{LANES} x i32> {bits}, {_splat('i32 16')}")
            raw, vector = self.new(f"bitcast <{LANES} x i32> {moved} to <{LANES} x float>"), f"<{LANES} x float>"
        elif dtype == "float16":
            raw, vector = self.new(f"fpext {vector} {raw} to <{LANES} x float>"), f"<{LANES} x float>"
        if "float" in dtype:
            return f"fpext {vector} {raw} to {wide}"
        return f"{'zext' if dtype.startswith('u') else 'sext'} {vector} {raw} to {wide}"

    def _narrowed(self, value: str, dtype: str) -> str:
        """A vector rounded to a type, once: to 16 bits by way of 24 bits rounded to odd."""
        number, whole, single = TYPES["number"], TYPES[INDEX], f"<{LANES} x float>"
        if dtype == "float64":
            return value
        if dtype == "float32":
            return self.new(f"fptrunc {number} {value} to {single}")
        bits = self.new(f"bitcast {number} {value} to {whole}")
        rest = self.new(f"and {whole} {bits}, {constant(2**29 - 1, INDEX)}")
        more = self.new(f"icmp ne {whole} {rest}, zeroinitializer")
        odd = self.new(f"select {TYPES['bool']} {more}, {whole} {constant(2**29, INDEX)}, {whole} zeroinitializer")
        kept = self.new(f"and {whole} {bits}, {constant(-(2**29), INDEX)}")
        joined = self.new(f"or {whole} {kept}, {odd}")
        between = self.new(f"bitcast {whole} {joined} to {number}")
        between = self.new(f"fptrunc {number} {between} to {single}")
        if dtype == "float16":
            return self.new(f"fptrunc {single} {between} to <{LANES} x half>")
        return self._bfloat16(between)

    def _bfloat16(self, value: str) -> str:
        int32, single = f"<{LANES} x i32>", f"<{LANES} x float>"
        bits = self.new(f"bitcast {single} {value} to {int32}")
        high = self.new(f"lshr {int32} {bits}, {_splat('i32 16')}")
        last = self.new(f"and {int32} {high}, {_splat('i32 1')}")
        up = self.new(f"add {int32} {last}, {_splat('i32 32767')}")
        rounded = self.new(f"lshr {int32} {self.new(f'add {int32} {bits}, {up}')}, {_splat('i32 16')}")
        quiet = self.new(f"or {int32} {high}, {_splat('i32 64')}")
        wrong = self.new(f"fcmp uno {single} {value}, zeroinitializer")
        chosen = self.new(f"select {TYPES['bool']} {wrong}, {int32} {quiet}, {int32} {rounded}")
        return self.new(f"trunc {int32} {chosen} to <{LANES} x i16>")

    def _store_each(self, name: str, end: Any, cell: Cell) -> None:
        value = self._narrowed(self.name(end, "number"), cell.dtype)
        stored = STORED[cell.dtype]
        if self.loop.kind == "across":
            self._scattered(value, self._at_class(self.starts[name], name, cell), cell)
        else:
            self.say(f"store <{LANES} x {stored}> {value}, ptr {self.places[name]}, align {SIZES[stored]}")

    def _scattered(self, value: str, start: str, cell: Cell) -> None:
        stored = STORED[cell.dtype]
        tag = f"v{LANES}{stored.replace('double', 'f64').replace('float', 'f32').replace('half', 'f16')}"
        kind, at = ("store", "p0") if cell.unit else ("scatter", f"v{LANES}p0")
        pointers = "ptr" if cell.unit else f"<{LANES} x ptr>"
        self.say(
            f"call void @llvm.masked.{kind}.{tag}.{at}(<{LANES} x {stored}> {value}, {pointers} {start}, i32 {SIZES[stored]}, "
            f"{TYPES['bool']} {self.valid})"
        )

    def _store_of_row(self, name: str, end: Any, cell: Cell) -> None:
        value = self._narrowed(self.name(end, "number"), cell.dtype)
        stored = STORED[cell.dtype]
        if self.loop.kind == "across":
            self._scattered(value, self.starts[name], cell)
            return
        one = self.new(f"extractelement <{LANES} x {stored}> {value}, i32 0")
        place = name
        if self.loop.kind == "along":
            place = self.new(f"getelementptr {stored}, ptr {name}, i64 {self.new(f'mul i64 %row, {name}.row')}")
        self.say(f"store {stored} {one}, ptr {place}, align {SIZES[stored]}")

    # Reductions

    def _accumulators(self, symbol: Reduction) -> list[str]:
        """A reduction's variables, at their beginning."""
        kinds = {"any": ["bool"], "place": ["number", INDEX], "compensated": ["number", "number"]}.get(symbol.op, ["number"])
        found = [self.room(TYPES[kind]) for kind in kinds]
        for place, kind in zip(found, kinds, strict=True):
            start = constant(_START[symbol.op], kind) if kind == "number" else "zeroinitializer"
            self.say(f"store {TYPES[kind]} {start}, ptr {place}")
        return found

    def _add(self, symbol: Reduction, places: list[str]) -> None:
        """The walk's present entries; lanes without one add nothing."""
        number = TYPES["number"]
        operands = [self.name(value, "bool" if symbol.op == "any" else "number") for value in symbol.operands]
        if self.loop.kind != "across":
            empty = {"any": "zeroinitializer", "sum": "zeroinitializer", "compensated": "zeroinitializer"}
            neutral = empty.get(symbol.op) or constant(-float("inf"), "number")
            kind = TYPES["bool"] if symbol.op == "any" else number
            operands[0] = self.new(f"select {TYPES['bool']} {self.valid}, {kind} {operands[0]}, {kind} {neutral}")
            if symbol.op == "compensated":
                operands[1] = self.new(f"select {TYPES['bool']} {self.valid}, {number} {operands[1]}, {number} zeroinitializer")
        if symbol.op == "place":
            operands[1] = self.name(symbol.operands[1], INDEX)
        kinds = (
            [number, TYPES[INDEX]]
            if symbol.op == "place"
            else [TYPES["bool"]]
            if symbol.op == "any"
            else [number] * len(places)
        )
        before = [self.new(f"load {kind}, ptr {place}") for kind, place in zip(kinds, places, strict=True)]
        for place, kind, value in zip(places, kinds, self._joined(symbol.op, before, operands), strict=True):
            self.say(f"store {kind} {value}, ptr {place}")

    def _joined(self, op: str, mine: list[str], other: list[str]) -> list[str]:
        """What two lanes' findings come to."""
        number, truth = TYPES["number"], TYPES["bool"]
        if op == "any":
            return [self.new(f"or {truth} {mine[0]}, {other[0]}")]
        if op == "sum":
            return [self.new(f"fadd {number} {mine[0]}, {other[0]}")]
        if op == "largest":
            more = self.new(f"fcmp ogt {number} {other[0]}, {mine[0]}")
            wrong = self.new(f"fcmp uno {number} {other[0]}, {other[0]}")
            taken = self.new(f"or {truth} {more}, {wrong}")
            return [self.new(f"select {truth} {taken}, {number} {other[0]}, {number} {mine[0]}")]
        if op == "place":
            whole = TYPES[INDEX]
            more = self.new(f"fcmp ogt {number} {other[0]}, {mine[0]}")
            same = self.new(f"fcmp oeq {number} {other[0]}, {mine[0]}")
            sooner = self.new(f"icmp slt {whole} {other[1]}, {mine[1]}")
            taken = self.new(f"or {truth} {more}, {self.new(f'and {truth} {same}, {sooner}')}")
            first = self.new(f"select {truth} {taken}, {number} {other[0]}, {number} {mine[0]}")
            return [first, self.new(f"select {truth} {taken}, {whole} {other[1]}, {whole} {mine[1]}")]
        return self._compensated(mine, other)

    def _compensated(self, mine: list[str], other: list[str]) -> list[str]:
        number = TYPES["number"]

        def of(op: str, a: str, b: str) -> str:
            return self.new(f"f{op} {number} {a}, {b}")

        total = of("add", mine[0], other[0])
        back = of("sub", total, mine[0])
        lost = of("add", of("sub", mine[0], of("sub", total, back)), of("sub", other[0], back))
        return [total, of("add", of("add", mine[1], other[1]), lost)]

    def _finish(self, symbol: Reduction, places: list[str]) -> None:
        """The lanes' findings joined, so that every lane has the row's."""
        kinds = [TYPES["number"], TYPES[INDEX]] if symbol.op == "place" else [TYPES["number"]] * len(places)
        if symbol.op == "any":
            kinds = [TYPES["bool"]]
        found = [self.new(f"load {kind}, ptr {place}") for kind, place in zip(kinds, places, strict=True)]
        if self.loop.kind != "across":
            step = LANES // 2
            while step:
                order = f"<{LANES} x i32> <{', '.join(f'i32 {lane ^ step}' for lane in range(LANES))}>"
                turned = [self.new(f"shufflevector {k} {v}, {k} poison, {order}") for k, v in zip(kinds, found, strict=True)]
                found = self._joined(symbol.op, found, turned)
                step //= 2
        value = found[1] if symbol.op == "place" else found[0]
        kind = TYPES[symbol.kind]
        self.say(f"%{symbol.name} = bitcast {kind} {value} to {kind}")
        if symbol.op == "compensated":
            self.say(f"%{symbol.name}.error = bitcast {kind} {found[1]} to {kind}")


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


def _declared() -> list[str]:
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


_ATTRIBUTES = 'attributes #0 = { nounwind "prefer-vector-width"="512" }'

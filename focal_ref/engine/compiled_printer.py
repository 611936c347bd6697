"""A program as the text of one loop, in LLVM's language, on vectors of eight float64.

Three kinds of loop: over `elements`; `along` each row of many classes; `across` eight rows of few classes at a time. A row is
walked along: what stands for a class is computed where it is needed, all reductions that can be made by then take one walk,
and exponentials and logarithms are kept for later walks. Lanes are fixed, nothing is reassociated and no product is fused with
a sum unless a function asks for it, so the bits depend on the entries alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from .compiled_reductions import Reductions
from .compiled_symbols import Operation, Reduction, Vectors
from .compiled_text import COUNTED, LANES, SIZES, STORED, TYPES, Cell, Loop, constant, declared, reached
from .row_symbols import INDEX

__all__ = ["Kernel", "printed"]

_BINARY = {"add": "fadd", "sub": "fsub", "mul": "fmul", "div": "fdiv"}
_FCMP = {"lt": "olt", "le": "ole", "gt": "ogt", "ge": "oge", "eq": "oeq", "ne": "une"}
_ICMP = {"lt": "slt", "le": "sle", "gt": "sgt", "ge": "sge", "eq": "eq", "ne": "ne"}


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


class _Printer(Reductions):
    """The operations' order, and the loops."""

    def __init__(self, symbols: Vectors, arguments: Any, ends: Any, results: Any, loop: Loop) -> None:
        super().__init__(arguments, results, loop)
        self.ends = ends
        needed = reached(self.ends)
        self.order = [s for s in symbols.known.values() if s.name in needed]
        self.kept: dict[str, int] = {}
        self.there: set[str] = set()

    def kernel(self) -> Kernel:
        """The whole text."""
        if self.loop.kind == "elements":
            self._row()
        else:
            self._rows()
        self.say("ret void")
        head = f"define void @focal_ref(i64 %rows, i64 %classes, {', '.join([*self._parameters(), 'ptr %scratch'])}) #0 {{"
        body = [head, "entry:", *self.entry, "  br label %start", "start:", *self.lines, "}"]
        return Kernel("\n".join([*declared(), *body, _ATTRIBUTES]), len(self.kept))

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
        each = self.new(f"add {number} {self.splat('%row', 'i64')}, {COUNTED}")
        rows = self.splat("%rows", "i64")
        self.valid = self.new(f"icmp slt {number} {each}, {rows}")
        last = self.new(f"sub {number} {rows}, {constant(1, INDEX)}")
        within = self.new(f"select {TYPES['bool']} {self.valid}, {number} {each}, {number} {last}")
        self.starts = {}
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
        self.places = {}
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
        self.valid = self.new(f"icmp slt {TYPES[INDEX]} {COUNTED}, {self.splat(left, 'i64')}")
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


_ATTRIBUTES = 'attributes #0 = { nounwind "prefer-vector-width"="512" }'

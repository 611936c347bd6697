"""A program as the text of one loop, in LLVM's language, on vectors of eight float64.

Three kinds of loop: over `elements`; `along` each row of many classes; `across` eight rows of few classes at a time. A row is
walked along: what stands for a class is computed where it is needed, all reductions that can be made by then take one walk,
and exponentials and logarithms are kept for later walks. Lanes are fixed, nothing is reassociated and no product is fused with
a sum unless a function asks for it, so the bits depend on the entries alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from .compiled_symbols import Operation, Reduction, Vectors
from .compiled_text import COUNTED, LANES, STORED, TYPES, Cell, Loop, constant, declared, reached
from .compiled_walks import Walks
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


class _Printer(Walks):
    """The operations' order, and the loops."""

    def __init__(self, symbols: Vectors, arguments: Any, ends: Any, results: Any, loop: Loop) -> None:
        super().__init__(arguments, results, loop)
        self.ends = ends
        needed = reached(self.ends)
        self.order = [s for s in symbols.known.values() if s.name in needed]

    def kernel(self) -> Kernel:
        """The whole text."""
        if self.loop.kind == "elements":
            self._row()
        else:
            self._rows()
        self.say("ret void")
        head = f"define void @focal_ref(i64 %rows, i64 %classes, {', '.join([*self._parameters(), 'ptr %scratch'])}) #0 {{"
        if self.loop.kind != "across":
            self.entry += [f"  %whole = and i64 %classes, {-LANES}", "  %left = sub i64 %classes, %whole"]
            self.entry += ["  %rest = icmp sgt i64 %left, 0"]
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
        for name, cell in self._handed():
            if cell.tiled and name.startswith("%r"):
                self._turned_out(name, cell)
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
        self.starts, self.tiles = {}, {}
        for name, cell in self._handed():
            if cell.tiled:
                self.tiles[name] = self._tile(name)
                if name.startswith("%a"):
                    self._turned_in(name, cell)
            elif cell.place in ("row", "each"):
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

    # Operations

    def _operation(self, symbol: Any) -> None:
        if symbol.op == "taken":
            self._taken(symbol)
            return
        target = self.name(symbol, symbol.kind)
        if symbol.per_class and symbol.name in self.there:
            self.say(f"{target} = {self._kept(symbol)}")
            return
        text = self._text(symbol)
        self.say(f"{target} = {text}")
        if symbol.costly and symbol.per_class and self.loop.kind != "elements" and not self.at:
            self.kept.setdefault(symbol.name, len(self.kept))
            self.say(f"store {TYPES['number']} {target}, ptr {self._kept_at(symbol)}, align 8")
            self.there.add(symbol.name)

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

"""How loops read and write memory: types widened to float64 and rounded back, rows side by side or any distance apart."""

from __future__ import annotations

from typing import Any

from .compiled_text import COUNTED, LANES, SIZES, STORED, TYPES, Cell, constant, repeated
from .compiled_tiles import Tiles
from .row_symbols import INDEX

__all__ = ["Memory"]


class Memory(Tiles):
    """Reading arguments and writing results."""

    def _read(self, symbol: Any) -> str:
        op, kind = symbol.op, symbol.kind
        if op == "class":
            if self.at:
                return f"bitcast {TYPES[INDEX]} {self.at} to {TYPES[INDEX]}"
            if self.loop.kind == "across":
                return f"bitcast {TYPES[INDEX]} {self.splat(f'%j{self.walk}', 'i64')} to {TYPES[INDEX]}"
            return f"add {TYPES[INDEX]} {self.splat(f'%j{self.walk}', 'i64')}, {COUNTED}"
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
        elif self.at and self.loop.kind == "across":
            raw = self.new(self._gather(stored, self.new(f"getelementptr {stored}, ptr {name}, {TYPES[INDEX]} {self.at}"), ""))
        elif op in ("each", "class_of") and self.loop.kind != "across" and not self.at:
            raw = self.new(f"load {vector}, ptr {self.places[name]}, align {SIZES[stored]}")
        else:
            raw = self._one(name, cell, stored, op)
        return self._widened(raw, cell.dtype, kind)

    def _one(self, name: str, cell: Cell, stored: str, op: str) -> str:
        """One entry in all lanes."""
        at = "" if op == "of_row" else self._one_class() if self.at else f"%j{self.walk}"
        if cell.place != "class":
            first = self.new(f"mul i64 %row, {name}.row")
            at = self.new(f"add i64 {first}, {at}") if at else first
        one = self.new(f"getelementptr {stored}, ptr {name}, i64 {at}")
        return self.splat(self.new(f"load {stored}, ptr {one}, align {SIZES[stored]}"), stored)

    def _one_class(self) -> str:
        return self.new(f"extractelement {TYPES[INDEX]} {self.at}, i32 0")

    def _gather(self, stored: str, pointers: str, valid: str) -> str:
        """Eight entries from anywhere; only where they are valid, if that is said."""
        vector, mask = f"<{LANES} x {stored}>", valid or constant(True, "bool")
        return (
            f"call {vector} @llvm.masked.gather.{_tag(stored)}.v{LANES}p0(<{LANES} x ptr> {pointers}, i32 {SIZES[stored]}, "
            f"{TYPES['bool']} {mask}, {vector} zeroinitializer)"
        )

    def _gathered(self, name: str, cell: Cell, per_class: bool) -> str:
        stored = STORED[cell.dtype]
        vector = f"<{LANES} x {stored}>"
        if cell.tiled and self.at:
            return self.new(self._gather(stored, self._at_each(name, cell, self.at), ""))
        if cell.tiled:
            return self.new(f"load {vector}, ptr {self._of_tile(name, cell, f'%j{self.walk}')}, align {SIZES[stored]}")
        start = self.starts[name]
        if per_class and self.at:
            return self.new(self._gather(stored, self._at_target(start, name, cell, self.at), self.valid if cell.unit else ""))
        if per_class:
            start = self._at_class(start, name, cell)
        if cell.unit:
            return self.new(
                f"call {vector} @llvm.masked.load.{_tag(stored)}.p0(ptr {start}, i32 {SIZES[stored]}, "
                f"{TYPES['bool']} {self.valid}, {vector} zeroinitializer)"
            )
        return self.new(self._gather(stored, start, ""))

    def _at_target(self, start: str, name: str, cell: Cell, index: str) -> str:
        """`across`: where each of the rows has the entry of a class of its own."""
        number = TYPES[INDEX]
        offsets = self.new(f"mul {number} {index}, {self.splat(f'{name}.class', 'i64')}")
        if cell.unit:
            offsets = self.new(f"add {number} {offsets}, {COUNTED}")
            return self.new(f"getelementptr {STORED[cell.dtype]}, ptr {start}, {number} {offsets}")
        return self.new(f"getelementptr {STORED[cell.dtype]}, <{LANES} x ptr> {start}, {number} {offsets}")

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
            moved = self.new(f"shl <{LANES} x i32> {bits}, {repeated('i32 16')}")
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
        high = self.new(f"lshr {int32} {bits}, {repeated('i32 16')}")
        last = self.new(f"and {int32} {high}, {repeated('i32 1')}")
        up = self.new(f"add {int32} {last}, {repeated('i32 32767')}")
        rounded = self.new(f"lshr {int32} {self.new(f'add {int32} {bits}, {up}')}, {repeated('i32 16')}")
        quiet = self.new(f"or {int32} {high}, {repeated('i32 64')}")
        wrong = self.new(f"fcmp uno {single} {value}, zeroinitializer")
        chosen = self.new(f"select {TYPES['bool']} {wrong}, {int32} {quiet}, {int32} {rounded}")
        return self.new(f"trunc {int32} {chosen} to <{LANES} x i16>")

    def _store_each(self, name: str, end: Any, cell: Cell) -> None:
        value = self._narrowed(self.name(end, "number"), cell.dtype)
        stored = STORED[cell.dtype]
        if cell.tiled:
            place = self._of_tile(name, cell, f"%j{self.walk}")
            self.say(f"store <{LANES} x {stored}> {value}, ptr {place}, align {SIZES[stored]}")
        elif self.loop.kind == "across":
            self._scattered(value, self._at_class(self.starts[name], name, cell), cell)
        else:
            self.say(f"store <{LANES} x {stored}> {value}, ptr {self.places[name]}, align {SIZES[stored]}")

    def _store_at(self, name: str, index: Any, end: Any, cell: Cell) -> None:
        """A row's result of one class."""
        value, at = self._narrowed(self.name(end, "number"), cell.dtype), self.name(index, INDEX)
        stored = STORED[cell.dtype]
        if cell.tiled:
            self._scattered(value, self._at_each(name, cell, at), cell)
            return
        if self.loop.kind == "across":
            self._scattered(value, self._at_target(self.starts[name], name, cell, at), cell._replace(unit=False))
            return
        one = self.new(f"extractelement <{LANES} x {stored}> {value}, i32 0")
        first = self.new(f"mul i64 %row, {name}.row")
        place = self.new(f"add i64 {first}, {self.new(f'extractelement {TYPES[INDEX]} {at}, i32 0')}")
        self.say(
            f"store {stored} {one}, ptr {self.new(f'getelementptr {stored}, ptr {name}, i64 {place}')}, align {SIZES[stored]}"
        )

    def _scattered(self, value: str, start: str, cell: Cell) -> None:
        stored = STORED[cell.dtype]
        tag = _tag(stored)
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


def _tag(stored: str) -> str:
    """A vector's name in LLVM's functions."""
    return f"v{LANES}{stored.replace('double', 'f64').replace('float', 'f32').replace('half', 'f16')}"

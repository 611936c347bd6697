"""Walks along a row: whole vectors, then what is left of one; single entries without a walk; values kept for later walks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .compiled_reductions import Reductions
from .compiled_symbols import Operation, Reduction
from .compiled_text import COUNTED, LANES, SIZES, STORED, TYPES, Cell, Loop
from .row_symbols import INDEX

__all__ = ["Walks"]


class Walks(Reductions):
    """A walk's loop, and what is computed at its entries."""

    order: list[Any]
    """All operations, each after its operands."""
    ends: Sequence[Any]

    def __init__(self, arguments: Any, results: Any, loop: Loop) -> None:
        super().__init__(arguments, results, loop)
        self.kept: dict[str, int] = {}
        self.there: set[str] = set()
        """What is kept by now."""

    def _operation(self, symbol: Any) -> None:
        raise NotImplementedError

    def _walk(self, level: int, due: Sequence[Reduction], stores: Sequence[int]) -> None:
        """One walk: what is due of reductions, and results with an entry a class."""
        tag, across = f"walk{level}", self.loop.kind == "across"
        found = {symbol.name: self._accumulators(symbol) for symbol in due}
        known = set(self.there)
        self.walk = f".w{level}"
        self.say(f"br label %{tag}.before")
        self.label(f"{tag}.before")
        self.say(f"br label %{tag}.head")
        self.label(f"{tag}.head")
        self.say(f"%j{self.walk} = phi i64 [ 0, %{tag}.before ], [ %j{self.walk}.next, %{tag}.body ]")
        left = self.new(f"icmp slt i64 %j{self.walk}, {'%classes' if across else '%whole'}")
        self.say(f"br i1 {left}, label %{tag}.body, label %{tag}.out")
        self.label(f"{tag}.body")
        self._at_entries(due, stores, found)
        self.say(f"%j{self.walk}.next = add i64 %j{self.walk}, {1 if across else LANES}")
        self.say(f"br label %{tag}.head")
        self.label(f"{tag}.out")
        if not across:
            self.there = known
            self._rest(tag, level, due, stores, found)
        self.walk = ""
        for symbol in due:
            self._finish(symbol, found[symbol.name])
        for i in stores:
            if (target := _of_target(self.ends[i])) is not None:
                self._store_at(f"%r{i}", target, self.ends[i].operands[1], self.results[i])

    def _rest(self, tag: str, level: int, due: Any, stores: Sequence[int], found: Any) -> None:
        """The last entries, where they don't fill a vector: read and written by way of buffers."""
        self.walk = f".w{level}r"
        self.say(f"br i1 %rest, label %{tag}.rest, label %{tag}.done")
        self.label(f"{tag}.rest")
        self.say(f"%j{self.walk} = add i64 %whole, 0")
        self.valid = self.new(f"icmp slt {TYPES[INDEX]} {COUNTED}, {self.splat('%left', 'i64')}")
        self._at_entries(due, stores, found)
        self.valid = ""
        self.say(f"br label %{tag}.done")
        self.label(f"{tag}.done")

    def _at_entries(self, due: Sequence[Reduction], stores: Sequence[int], found: dict[str, list[str]]) -> None:
        """Everything that is computed at a vector of entries."""
        ends = {i: self._without_target(i) for i in stores}
        inside = self._inside([*(need for symbol in due for need in symbol.needs), *ends.values()])
        there = {} if self.loop.kind == "across" else self._places(inside, stores)
        for symbol in inside:
            self._operation(symbol)
        for symbol in due:
            self._add(symbol, found[symbol.name])
        for i, end in ends.items():
            self._store_each(f"%r{i}", end, self.results[i])
            if there and self.valid:
                self._copy(there[f"%r{i}"], self.places[f"%r{i}"], self.results[i])

    def _without_target(self, i: int) -> Any:
        """A result's entries; the target's is written after the others."""
        end = self.ends[i]
        return end if _of_target(end) is None else end.operands[2]

    def _inside(self, ends: Sequence[Any]) -> list[Any]:
        """What is to be computed for each class, down to what is found kept."""
        names: set[str] = set()
        waiting = list(ends)
        while waiting:
            symbol = waiting.pop()
            if isinstance(symbol, Operation) and symbol.per_class and symbol.name not in names:
                names.add(symbol.name)
                if symbol.name not in self.there:
                    waiting += symbol.needs
        return [symbol for symbol in self.order if symbol.name in names]

    def _places(self, inside: Sequence[Any], stores: Sequence[int]) -> dict[str, str]:
        """Where arrays' entries lie, as `self.places`: buffers, where they don't fill a vector; then where they truly lie."""
        read = [(f"%a{s.operands[0]}", self.arguments[s.operands[0]]) for s in inside if s.op in ("each", "class_of")]
        there = {}
        for name, cell in (*read, *((f"%r{i}", self.results[i]) for i in stores)):
            at = f"%j{self.walk}"
            if self.loop.kind == "along" and cell.place == "each":
                first = self.new(f"mul i64 %row, {name}.row")
                at = self.new(f"add i64 {first}, {at}")
            there[name] = self.places[name] = self.new(f"getelementptr {STORED[cell.dtype]}, ptr {name}, i64 {at}")
            if self.valid:
                self.places[name] = self.room(f"[{LANES} x {STORED[cell.dtype]}]")
                if name.startswith("%a"):
                    self._copy(self.places[name], there[name], cell)
        return there

    def _copy(self, to: str, origin: str, cell: Cell) -> None:
        size = self.new(f"mul i64 %left, {SIZES[STORED[cell.dtype]]}")
        self.say(f"call void @llvm.memcpy.p0.p0.i64(ptr {to}, ptr {origin}, i64 {size}, i1 false)")

    # Single entries

    def _taken(self, symbol: Any) -> None:
        """A row's entry at one class, without a walk."""
        values, index = symbol.operands
        name = self.name(symbol, symbol.kind)
        self.at = self.name(index, INDEX)
        self.walk = f".{symbol.name}"
        for inner in self._inside([values]):
            self._operation(inner)
        found, kind = self.name(values, values.kind), TYPES[values.kind]
        self.at = self.walk = ""
        self.say(f"{name} = bitcast {kind} {found} to {kind}")

    # Values that are kept

    def _kept(self, symbol: Any) -> str:
        """A kept value, read."""
        number = TYPES["number"]
        if not self.at:
            return f"load {number}, ptr {self._kept_at(symbol)}, align 8"
        block = self.kept[symbol.name]
        if self.loop.kind == "across":
            first = self.splat(self.new(f"mul i64 %classes, {LANES * block}"), "i64")
            wide = self.new(f"mul {TYPES[INDEX]} {self.at}, {_repeated(LANES)}")
            places = self.new(f"add {TYPES[INDEX]} {self.new(f'add {TYPES[INDEX]} {wide}, {COUNTED}')}, {first}")
            pointers = self.new(f"getelementptr double, ptr %scratch, {TYPES[INDEX]} {places}")
            return self._gather("double", pointers, "")
        at = self.new(f"add i64 {self.new(f'mul i64 {self._room()}, {block}')}, {self._one_class()}")
        one = self.new(f"getelementptr double, ptr %scratch, i64 {at}")
        value = self.splat(self.new(f"load double, ptr {one}, align 8"), "double")
        return f"bitcast {number} {value} to {number}"

    def _kept_at(self, symbol: Any) -> str:
        """Where a costly value lies: one block of the scratch after another."""
        block = self.kept[symbol.name]
        if self.loop.kind == "across":
            first = self.new(f"mul i64 %classes, {LANES * block}")
            at = self.new(f"mul i64 %j{self.walk}, {LANES}")
        else:
            first, at = self.new(f"mul i64 {self._room()}, {block}"), f"%j{self.walk}"
        place = self.new(f"add i64 {first}, {at}")
        return self.new(f"getelementptr double, ptr %scratch, i64 {place}")

    def _room(self) -> str:
        """A kept row's length, rounded up to vectors."""
        up = self.new(f"add i64 %classes, {LANES - 1}")
        return self.new(f"and i64 {up}, {-LANES}")


def _repeated(value: int) -> str:
    return f"<{', '.join([f'i64 {value}'] * LANES)}>"


def _of_target(end: Any) -> Any:
    """The class that has an entry of its own, one of the row's, in a result; or None."""
    if end.op != "where" or end.operands[0].op != "eq":
        return None
    a, b = end.operands[0].operands
    own = end.operands[1]
    if getattr(a, "op", "") != "class" or not isinstance(b, Operation) or b.per_class:
        return None
    return b if not (isinstance(own, Operation) and own.per_class) and isinstance(end.operands[2], Operation) else None

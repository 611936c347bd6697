"""What walks along a row find: largest entries, sums, sums with their rounding errors; by lane, then of all lanes."""

from __future__ import annotations

from .compiled_memory import Memory
from .compiled_symbols import Reduction
from .compiled_text import LANES, TYPES, constant
from .row_symbols import INDEX

__all__ = ["Reductions"]

_START = {"highest": -float("inf"), "largest": -float("inf"), "place": -float("inf"), "sum": 0.0, "compensated": 0.0}


class Reductions(Memory):
    """A variable for each, at its beginning, after each entry, and joined."""

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
        if self.valid and self.loop.kind != "across":
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
        if op == "highest":
            more = self.new(f"fcmp ogt {number} {other[0]}, {mine[0]}")
            return [self.new(f"select {truth} {more}, {number} {other[0]}, {number} {mine[0]}")]
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

"""Tiles: eight rows of classes that lie side by side, turned so that the rows do, and back.

Reading eight rows' entries of one class from as many places takes a processor longer than computing with them. A tile is read
and written row by row, and turned by shuffles, eight classes at a time; the last ones together with some turned before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .compiled_text import LANES, SIZES, STORED, TYPES, Cell, Text
from .row_symbols import INDEX

__all__ = ["Tiles", "turned"]

LOW = (0, 8, 1, 9, 4, 12, 5, 13)
PAIRS = (0, 1, 8, 9, 4, 5, 12, 13)
HALVES = (0, 1, 2, 3, 8, 9, 10, 11)
"""Which entries of two vectors a step takes into its first result; the second takes those 2, 2 or 4 further on."""


class Tiles(Text):
    """Turning a tile in and out of the scratch."""

    tiles: dict[str, str]
    """Where the present tile of an array lies."""
    kept: dict[str, int]

    def _tile(self, name: str) -> str:
        """Where an array's tiles are put: a block of the scratch, as a costly value's."""
        block = self.kept.setdefault(f"tile {name}", len(self.kept))
        place = self.new(f"mul i64 %classes, {LANES * block}")
        return self.new(f"getelementptr double, ptr %scratch, i64 {place}")

    def _of_tile(self, name: str, cell: Cell, j: str) -> str:
        """The eight rows' entries of a class."""
        return self.new(f"getelementptr {STORED[cell.dtype]}, ptr {self.tiles[name]}, i64 {self.new(f'mul i64 {j}, {LANES}')}")

    def _at_each(self, name: str, cell: Cell, index: str) -> str:
        """Each row's entry of a class of its own."""
        number = TYPES[INDEX]
        wide = self.new(f"shl {number} {index}, {self.splat('3', 'i64')}")
        place = self.new(f"or {number} {wide}, <{', '.join(f'i64 {i}' for i in range(LANES))}>")
        return self.new(f"getelementptr {STORED[cell.dtype]}, ptr {self.tiles[name]}, {number} {place}")

    def _turned_in(self, name: str, cell: Cell) -> None:
        """A tile of an argument, read."""
        stored = STORED[cell.dtype]
        vector, rows = f"<{LANES} x {stored}>", self._rows_of(name, cell)

        def turn(tag: str, c: str) -> None:
            read = [
                self.new(f"load {vector}, ptr {self.new(f'getelementptr {stored}, ptr {row}, i64 {c}')}, align {SIZES[stored]}")
                for row in rows
            ]
            place = self._of_tile(name, cell, c)
            for k, value in enumerate(self._columns(read, vector)):
                at = self.new(f"getelementptr {vector}, ptr {place}, i64 {k}")
                self.say(f"store {vector} {value}, ptr {at}, align {SIZES[stored]}")

        self._by_eights(f"in.{name[1:]}", turn)

    def _turned_out(self, name: str, cell: Cell) -> None:
        """A tile of a result, written; a row that stands for those beyond the last comes last itself."""
        stored = STORED[cell.dtype]
        vector, rows = f"<{LANES} x {stored}>", self._rows_of(name, cell)

        def turn(tag: str, c: str) -> None:
            place = self._of_tile(name, cell, c)
            read = []
            for k in range(LANES):
                at = self.new(f"getelementptr {vector}, ptr {place}, i64 {k}")
                read.append(self.new(f"load {vector}, ptr {at}, align {SIZES[stored]}"))
            for row, value in reversed(list(zip(rows, self._columns(read, vector), strict=True))):
                at = self.new(f"getelementptr {stored}, ptr {row}, i64 {c}")
                self.say(f"store {vector} {value}, ptr {at}, align {SIZES[stored]}")

        self._by_eights(f"out.{name[1:]}", turn)

    def _rows_of(self, name: str, cell: Cell) -> list[str]:
        """Where eight rows begin; the last one instead of those beyond."""
        stored, found = STORED[cell.dtype], []
        last = self.new("sub i64 %rows, 1")
        for k in range(LANES):
            here = self.new(f"add i64 %row, {k}")
            beyond = self.new(f"icmp sgt i64 {here}, {last}")
            within = self.new(f"select i1 {beyond}, i64 {last}, i64 {here}")
            offset = self.new(f"mul i64 {within}, {name}.row")
            found.append(self.new(f"getelementptr {stored}, ptr {name}, i64 {offset}"))
        return found

    def _by_eights(self, tag: str, turn: Callable[[str, str], None]) -> None:
        """For eight classes at a time, of at least eight."""
        final, c = self.new(f"sub i64 %classes, {LANES}"), f"%{tag}.class"
        self.say(f"br label %{tag}.before")
        self.label(f"{tag}.before")
        self.say(f"br label %{tag}.turn")
        self.label(f"{tag}.turn")
        self.say(f"{c} = phi i64 [ 0, %{tag}.before ], [ {c}.next, %{tag}.turn ]")
        turn(tag, c)
        more = self.new(f"add i64 {c}, {LANES}")
        beyond = self.new(f"icmp sgt i64 {more}, {final}")
        self.say(f"{c}.next = select i1 {beyond}, i64 {final}, i64 {more}")
        left = self.new(f"icmp slt i64 {c}, {final}")
        self.say(f"br i1 {left}, label %{tag}.turn, label %{tag}.done")
        self.label(f"{tag}.done")

    def _columns(self, rows: Sequence[str], vector: str) -> list[str]:
        """Eight vectors, turned."""

        def mixed(a: str, b: str, lanes: Sequence[int]) -> str:
            order = ", ".join(f"i32 {lane}" for lane in lanes)
            return self.new(f"shufflevector {vector} {a}, {vector} {b}, <{LANES} x i32> <{order}>")

        return turned(rows, mixed)


def turned(rows: Sequence[str], mixed: Callable[[str, str, Sequence[int]], str]) -> list[str]:
    """Eight vectors' first entries, second entries and so on, by three steps of shuffles that take entries of two vectors.

    Examples
    --------
    >>> rows = [[f"{row}{column}" for column in range(8)] for row in range(8)]
    >>> turned(rows, lambda a, b, lanes: [(a + b)[lane] for lane in lanes])[2]
    ['02', '12', '22', '32', '42', '52', '62', '72']
    """
    pairs = [mixed(a, b, lanes) for a, b in zip(rows[::2], rows[1::2], strict=True) for lanes in (LOW, _further(LOW, 2))]
    fours = []
    for first in (0, 4):
        for half in (0, 1):
            a, b = pairs[first + half], pairs[first + half + 2]
            fours += [mixed(a, b, PAIRS), mixed(a, b, _further(PAIRS, 2))]
    low = [mixed(a, b, HALVES) for a, b in zip(fours[:4], fours[4:], strict=True)]
    return low + [mixed(a, b, _further(HALVES, 4)) for a, b in zip(fours[:4], fours[4:], strict=True)]


def _further(lanes: Sequence[int], steps: int) -> list[int]:
    return [lane + steps for lane in lanes]

"""Labels of a file: one column of a table whose cells are parted by commas, semicolons, tabs or bars."""

from __future__ import annotations

import csv
import io
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ..calibration.seen import BLANK
from .parser import Wrong

__all__ = ["labels_of"]

NAMES = ("label", "labels", "target", "targets", "class", "y")
"""Headings of a column of labels."""
SEPARATORS = (",", ";", "\t", "|")
FEW = 10
"""From so many rows on a first line that occurs nowhere else may be a heading."""


def labels_of(file: str, column: str | None) -> list[str]:
    """A cell a row, "" where there is none; blank lines at the end, and of several columns everywhere, do not count."""
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8-sig")
        rows = _rows(text.removeprefix("\ufeff"), column)
    except (OSError, UnicodeError, csv.Error) as error:
        raise Wrong("FILE", file, f"a CSV in UTF-8: {getattr(error, 'strerror', None) or error}") from None
    if not rows:
        raise Wrong("FILE", file, "a CSV with a label a row: it is empty")
    place, headed = _place(rows, column)
    return [row[place] if len(row) > place else "" for row in rows[headed:]]


def _rows(text: str, column: str | None) -> list[list[str]]:
    """Parted by what makes as many cells of each row as of the first; by commas where nothing parts them."""
    first = text.lstrip("\r\n").partition("\n")[0]
    found = [_parted(text, separator) for separator in SEPARATORS if separator in first or separator == ","]
    heads = [rows[0] if rows else [] for rows in found]
    named = [column in head if column is not None else any(cell.lower() in NAMES for cell in head) for head in heads]
    even = [sum(len(row) == len(head) > 1 for row in rows) for rows, head in zip(found, heads, strict=True)]
    best = max(range(len(found)), key=lambda i: (named[i] and even[i] > 0, even[i], len(heads[i]), -i))
    return found[best]


def _parted(text: str, separator: str) -> list[list[str]]:
    rows = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator)]
    while rows and not any(rows[-1]):
        rows.pop()
    while rows and not rows[0]:
        rows.pop(0)
    several = any(len(row) > 1 for row in rows)
    return [row for row in rows if any(row) or not several]


def _place(rows: Sequence[Sequence[str]], column: str | None) -> tuple[int, int]:
    """Which column it is, and how many lines of headings there are."""
    head = [cell.lower() for cell in rows[0]]
    if column is not None:
        if column not in rows[0]:
            raise Wrong("column", column, f"one of {', '.join(rows[0])}")
        return rows[0].index(column), 1
    for name in NAMES:
        if name in head:
            return head.index(name), 1
    if len(head) > 1:
        raise Wrong("column", "none", f"the labels' column, one of {', '.join(rows[0])}")
    rest = Counter(row[0] for row in rows[1:] if row and row[0] not in BLANK)
    first, often = rows[0][0], rest.total() >= FEW and min(rest.values()) > 1
    if often and first not in rest and first not in BLANK and not any(map(_is_number, (first, *rest))):
        cure = (
            f'the heading\'s name, where "{first}", which occurs in the first line only, is one; where it is a label, a heading'
        )
        raise Wrong("column", "none", cure)
    return 0, int(not _is_number(first) and all(map(_is_number, rest)) and len(rest) > 0)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True

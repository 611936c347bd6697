"""`focal-ref suggest`: γ, α, a starting bias and a threshold, from a file of labels or from counts."""

from __future__ import annotations

import argparse
import csv
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..calibration.suggestion import suggest
from . import console
from .parser import Wrong, accepting, listed, write

__all__ = ["add"]

NAMES = ("label", "labels", "target", "targets", "class", "y")
"""Headings of a column of labels."""
TEXT = """\
Say which gamma and alpha to begin with, which bias the last layer starts at,
and where the threshold lies, from how often each class occurs. FILE is a CSV
with a label a row, or - for standard input; --counts does without a file."""
EXAMPLES = """\
examples:
  focal-ref suggest labels.csv --column diagnosis
  focal-ref suggest --counts 9900,100
  focal-ref suggest --counts 9900,100 --gamma 2 --cost 20 --json"""


def add(commands: Any) -> None:
    """Add the command to the others."""
    command = commands.add_parser("suggest", help="which gamma and alpha?", description=TEXT, epilog=EXAMPLES)
    number = accepting("a number > 0", _positive)
    share = accepting("a number ≥ 0", lambda text: _positive(text, zero=True))
    add_argument = command.add_argument
    add_argument("file", metavar="FILE", nargs="?", help="a CSV with a label a row, or - for standard input")
    add_argument(
        "--column", metavar="NAME", help="the labels' column; by default one named label, target, class or y, or the only one"
    )
    add_argument("--counts", metavar="N", type=listed(number), help="how many samples each class has, instead of a file")
    add_argument("--gamma", metavar="GAMMA", type=share, help="another gamma")
    add_argument("--no-alpha", action="store_true", help="no class weights")
    add_argument(
        "--cost", metavar="C", type=number, default=1.0, help="how many false alarms a missed positive is worth; 1 by default"
    )
    add_argument("--positive", metavar="LABEL", help="of two classes the positive one; by default 1, or the rarer")
    add_argument("--json", action="store_true", help="as JSON")
    command.set_defaults(run=_suggest, parser=command)


def _positive(text: str, *, zero: bool = False) -> float:
    number = float(text)
    if not (number > 0 or (zero and number == 0)) or number == float("inf"):
        raise ValueError
    return number


def _suggest(arguments: argparse.Namespace) -> int:
    if (arguments.file is None) == (arguments.counts is None):
        arguments.parser.error("argument FILE: got neither it nor --counts, or both; expected one of them")
    counts: Any = arguments.counts or Counter(_labels(arguments.file, arguments.column))
    if arguments.file is not None and len(counts) < 2:
        raise Wrong("column", f"{len(counts)} class in {arguments.file}", "two classes or more")
    positive = arguments.positive
    if positive is not None and arguments.counts:
        positive = {"0": 0, "1": 1}.get(positive, positive)
    alpha = None if arguments.no_alpha else "balanced"
    try:
        found = suggest(counts, gamma=arguments.gamma, alpha=alpha, cost=arguments.cost, positive=positive)  # type: ignore[arg-type]
    except (ValueError, TypeError) as error:
        arguments.parser.error(f"argument --{error}")
    write(arguments, found.to_dict(), map(console.Line, str(found).splitlines()))
    return 0


def _labels(file: str, column: str | None) -> Sequence[str]:
    """The labels of a CSV, blank ones left out."""
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeError) as error:
        raise Wrong("FILE", file, f"a CSV in UTF-8: {getattr(error, 'strerror', None) or error}") from None
    rows = [[cell.strip() for cell in row] for row in csv.reader(text.splitlines()) if any(cell.strip() for cell in row)]
    if not rows:
        raise Wrong("FILE", file, "a CSV with a label a row: it is empty")
    place, headed = _place(rows, column)
    return [row[place] for row in rows[headed:] if len(row) > place and row[place]]


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
    return 0, int(not _is_number(head[0]) and all(_is_number(row[0]) for row in rows[1:]) and len(rows) > 1)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True

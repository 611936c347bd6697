"""`focal-ref suggest`: γ, α, a starting bias and a threshold, from a file of labels or from counts."""

from __future__ import annotations

import argparse
from typing import Any

from ..calibration.suggestion import suggest
from . import console
from .label_file import labels_of
from .parser import Wrong, accepting, listed, write

__all__ = ["add"]

TEXT = """\
Say which gamma and alpha to begin with, which bias the last layer starts at,
and where the threshold lies, from how often each class occurs. FILE is a CSV
(by commas, semicolons or tabs) with a label a row, or - for standard input;
--counts does without a file. Empty cells, NaN, and -1 beside 0 and 1 are no
labels: how many there are is said. The first threshold is for sigmoid(logit),
the second for posteriors, as the boosting classifiers' predict_proba."""
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
    labels = labels_of(arguments.file, arguments.column) if arguments.counts is None else None
    positive = arguments.positive
    if positive is not None and arguments.counts:
        positive = {"0": 0, "1": 1}.get(positive, positive)
    alpha = None if arguments.no_alpha else "balanced"
    try:
        options: Any = {"gamma": arguments.gamma, "alpha": alpha, "cost": arguments.cost, "positive": positive}
        found = suggest(arguments.counts, labels=labels, **options)
    except (ValueError, TypeError) as error:
        about = str(error)
        if not about.startswith("labels: "):
            arguments.parser.error(f"argument --{about}")
        raise Wrong("column", *about.removeprefix("labels: got ").split("; expected ", 1)) from None
    write(arguments, found.to_dict(), map(console.Line, str(found).splitlines()))
    return 0

"""`focal-ref eval`: exact values and derivatives at one logit, or one row of them."""

from __future__ import annotations

import argparse
from typing import Any

from .. import conformance
from . import console, evaluation
from .parser import Kind, Parser, one_of, whole, write

__all__ = ["add"]

TEXT = """\
Print the exact loss, its gradient, Hessian diagonal and derivative by gamma,
correct in every digit. One logit has a label (sigmoid); several are a row, and
their target is a class counted from 0, or a row of probabilities (softmax).

Decimal text is taken exactly: 3.2 is 16/5, not the float next to it. --dtype
rounds the logits to a type first, and shows the results correctly rounded to
it as well, in hexadecimal."""
EXAMPLES = """\
examples:
  focal-ref eval --logit 3.2 --target 1 --gamma 2 --digits 40
  focal-ref eval --logit -3 --target 0.9 --alpha 0.25 --soft-targets quality
  focal-ref eval --logit=1,-2,0.5 --target 2 --dtype float32"""


def add(commands: Any) -> None:
    """Add the command to the others."""
    evaluate = commands.add_parser("eval", help="print exact values and derivatives", description=TEXT, epilog=EXAMPLES)
    _add_options(evaluate)
    evaluate.set_defaults(run=_eval, parser=evaluate)


def _add_options(evaluate: Parser) -> None:
    number = Kind(evaluation.decimal, "a decimal number between 1e-5000 and 1e5000, inf or nan")
    finite = Kind(evaluation.finite, "a decimal number in [0, 1e5000]")
    shares = finite.listed()
    evaluate.add_argument(
        "--logit", metavar="X", action="extend", required=True, type=number.listed(), help="a logit; several are a row"
    )
    evaluate.add_argument(
        "--target", metavar="Y", required=True, type=shares, help="a label in [0, 1]; for a row a class, or probabilities"
    )
    evaluate.add_argument("--gamma", metavar="GAMMA", default="2", type=finite, help="2 unless named otherwise")
    evaluate.add_argument(
        "--alpha", metavar="ALPHA", type=shares, help="the positives' weight; for a row a factor, or one a class"
    )
    evaluate.add_argument(
        "--soft-targets",
        metavar="NAME",
        type=one_of(evaluation.SOFT_TARGETS),
        help="what a label between 0 and 1 means: mix, ...",
    )
    evaluate.add_argument("--digits", metavar="N", default=40, type=whole(1, evaluation.MOST_DIGITS), help="40 by default")
    evaluate.add_argument("--dtype", metavar="TYPE", type=one_of(conformance.DTYPES), help="round to this type as well")
    evaluate.add_argument("--json", action="store_true", help="JSON, numbers as text with all their digits")


def _eval(arguments: argparse.Namespace) -> int:
    names = ("logit", "target", "gamma", "alpha", "soft_targets", "digits", "dtype")
    found = evaluation.evaluate(*(getattr(arguments, name) for name in names))
    write(arguments, found.to_dict(), map(console.Line, found.lines()))
    return 0

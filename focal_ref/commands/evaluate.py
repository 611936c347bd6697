"""`focal-ref eval`: exact values and derivatives at one logit, or one row of them, from decimal text taken exactly."""

from __future__ import annotations

import argparse
import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any, get_args

import mpmath

from .. import oracle
from ..conformance import ulp
from ..conformance.contract import DTYPES
from ..typing import SigmoidSoftTargets
from . import console
from .parser import Parser, Wrong, accepting, listed, whole, write

__all__ = ["Evaluation", "add", "decimal", "evaluate", "finite"]

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
    command = commands.add_parser("eval", help="print exact values and derivatives", description=TEXT, epilog=EXAMPLES)
    _add_options(command)
    command.set_defaults(run=_eval, parser=command)


def _add_options(command: Parser) -> None:
    number = accepting("a decimal number between 1e-5000 and 1e5000, inf or nan", decimal)
    positive = accepting("a decimal number in [0, 1e5000]", finite)
    shares = listed(positive)
    command.add_argument(
        "--logit", metavar="X", action="extend", required=True, type=listed(number), help="a logit; several are a row"
    )
    command.add_argument(
        "--target", metavar="Y", required=True, type=shares, help="a label in [0, 1]; for a row a class, or probabilities"
    )
    command.add_argument("--gamma", metavar="GAMMA", default="2", type=positive, help="2 unless named otherwise")
    command.add_argument(
        "--alpha", metavar="ALPHA", type=shares, help="the positives' weight; for a row a factor, or one a class"
    )
    command.add_argument(
        "--soft-targets",
        metavar="NAME",
        choices=get_args(SigmoidSoftTargets),
        help="what a label between 0 and 1 means: mix, ...",
    )
    command.add_argument("--digits", metavar="N", default=40, type=whole(1, MOST_DIGITS), help="40 by default")
    command.add_argument("--dtype", metavar="TYPE", choices=DTYPES, help="round to this type as well")
    command.add_argument("--json", action="store_true", help="JSON, numbers as text with all their digits")


def _eval(arguments: argparse.Namespace) -> int:
    names = ("logit", "target", "gamma", "alpha", "soft_targets", "digits", "dtype")
    found = evaluate(*(getattr(arguments, name) for name in names))
    write(arguments, found.to_dict(), map(console.Line, found.lines()))
    return 0


# ---- what is evaluated ------------------------------------------------------------------------------------------------------

MOST_DIGITS = 4000
"""Of a result, and of a number that comes in."""
LARGEST_EXPONENT = 5000
BITS = 6 * LARGEST_EXPONENT
"""More than any number that comes in needs, to tell on which side of a type's rounding boundary it is."""
ROUNDED_FROM = 60
"""The least digits that results are rounded from."""


def decimal(text: str) -> str:
    """A decimal, or a float in hexadecimal, as mpmath reads it.

    Examples
    --------
    >>> decimal("3.20"), decimal("-Infinity"), decimal("0x1.8p-1")
    ('3.20', '-inf', '0.75')
    """
    number = Decimal(float.fromhex(text)) if "x" in text.lower() else Decimal(text)
    if number.is_nan():
        return "nan"
    if number.is_infinite():
        return "-inf" if number < 0 else "inf"
    if len(text) > MOST_DIGITS or abs(number.adjusted()) > LARGEST_EXPONENT:
        raise ValueError
    return str(number)


def finite(text: str) -> str:
    """As `decimal`, neither negative nor infinite nor NaN."""
    number = Decimal(decimal(text))
    if not (number.is_finite() and number >= 0):
        raise ValueError
    return str(number)


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """A loss at one logit, or at a row of them."""

    logits: tuple[str, ...]
    target: tuple[str, ...]
    gamma: str
    alpha: tuple[str, ...] | None
    soft_targets: str | None
    digits: int
    dtype: str | None
    """The type that logits and results are rounded to, if any."""
    result: oracle.Result

    @property
    def is_row(self) -> bool:
        """Whether there are several logits: softmax."""
        return len(self.logits) > 1

    def to_dict(self) -> dict[str, Any]:
        """As plain data: numbers are text with all their digits, those rounded to a type in hexadecimal."""
        given = {name: getattr(self, name) for name in ("gamma", "soft_targets", "digits", "dtype")}
        results = {name: getattr(self.result, name) for name in ("value", "grad", "hess", "gamma_grad")}
        return {
            "link": "softmax" if self.is_row else "sigmoid",
            "logits": list(self.logits),
            "target": list(self.target),
            "alpha": None if self.alpha is None else list(self.alpha),
            **given,
            **{name: _each(self._digits, result) for name, result in results.items()},
            **({"rounded": {name: _each(self._hex, result) for name, result in results.items()}} if self.dtype else {}),
        }

    def lines(self) -> Iterator[str]:
        """As text, aligned."""
        result, link = self.result, "softmax" if self.is_row else "sigmoid"
        options = {"gamma": self.gamma, "alpha": self.alpha, "soft targets": self.soft_targets}
        named = "".join(f", {name} {_joined(value)}" for name, value in options.items() if value)
        rounded = f" ({self.dtype})" if self.dtype else ""
        yield f"{link} focal loss: logit {_joined(self.logits)}{rounded}, target {_joined(self.target)}{named}"
        scalars = {"value": result.value, "d/dgamma": result.gamma_grad}
        if not self.is_row:
            scalars = {"value": result.value, "gradient": result.grad, "Hessian": result.hess, "d/dgamma": result.gamma_grad}
        yield from _aligned([[name, *self._columns(number)] for name, number in scalars.items()])
        if self.is_row:
            yield ""
            beside = [self.dtype] if self.dtype else []
            rows = enumerate(zip(result.grad, result.hess, strict=True))
            table = [[str(c), *self._columns(g), *self._columns(h)] for c, (g, h) in rows]
            yield from _aligned([["class", "gradient", *beside, "Hessian", *beside], *table])

    def _columns(self, number: Any) -> list[str]:
        return [self._digits(number), *([self._hex(number)] if self.dtype else [])]

    def _digits(self, number: Any) -> str:
        text: str = mpmath.nstr(number, self.digits)
        return text.removeprefix("+")

    def _hex(self, number: Any) -> str:
        return _to_type(number, self.dtype or "float64").hex()


def evaluate(
    logits: Sequence[str],
    target: Sequence[str],
    gamma: str,
    alpha: Sequence[str] | None = None,
    soft_targets: str | None = None,
    digits: int = 40,
    dtype: str | None = None,
) -> Evaluation:
    """The loss of one logit with a label, or of a row with a class or probabilities; numbers as `decimal` gives them.

    Raises
    ------
    Wrong
        Where target, alpha or soft_targets do not go with the logits.

    Examples
    --------
    >>> print(*evaluate(["0", "0"], ["1"], "0", digits=20).lines(), sep="\\n")
    softmax focal loss: logit 0, 0, target 1, gamma 0
    value      0.69314718055994530942
    d/dgamma  -0.48045301391820142467
    <BLANKLINE>
    class   gradient  Hessian
    0       0.5       0.25
    1      -0.5       0.25
    """
    if dtype:
        with mpmath.workprec(BITS):
            logits = [_number_text(_to_type(mpmath.mpf(x), dtype)) for x in logits]
    evaluated = max(digits, ROUNDED_FROM) if dtype else digits
    if len(logits) > 1:
        label, weights = _class_or_probabilities(target, len(logits)), _weights(alpha, len(logits))
        if soft_targets:
            raise Wrong("soft-targets", soft_targets, "it with one logit only: a row has one formula")
        result: oracle.Result = oracle.softmax(logits, label, gamma, weights, evaluated)
    else:
        share = _share("target", target)
        weight = None if alpha is None else _share("alpha", alpha)
        result = oracle.sigmoid(logits[0], share, gamma, weight, evaluated, soft_targets=soft_targets or "mix")
    weights = None if alpha is None else tuple(alpha)
    return Evaluation(tuple(logits), tuple(target), gamma, weights, soft_targets, digits, dtype, result)


def _share(option: str, texts: Sequence[str]) -> str:
    if len(texts) != 1 or Decimal(texts[0]) > 1:
        raise Wrong(option, _joined(texts), "one number in [0, 1] for one logit")
    return texts[0]


def _class_or_probabilities(texts: Sequence[str], classes: int) -> int | list[str]:
    numbers = [Decimal(text) for text in texts]
    if len(numbers) == 1 and numbers[0] < classes and numbers[0] == int(numbers[0]):
        return int(numbers[0])
    if len(numbers) != classes or max(numbers) > 1:
        raise Wrong("target", _joined(texts), f"a class from 0 to {classes - 1}, or {classes} probabilities")
    return list(texts)


def _weights(alpha: Sequence[str] | None, classes: int) -> str | Sequence[str] | None:
    if alpha is not None and len(alpha) not in (1, classes):
        raise Wrong("alpha", _joined(alpha), f"a factor, or {classes} weights, one a class")
    return alpha[0] if alpha and len(alpha) == 1 else alpha


# ---- numbers as text --------------------------------------------------------------------------------------------------------


def _to_type(number: Any, dtype: str) -> float:
    with mpmath.workprec(BITS):
        return ulp.nearest(number, ulp.FORMATS[dtype])


def _number_text(number: float) -> str:
    return decimal(number.hex()) if math.isfinite(number) else decimal(str(number))


def _each(write: Callable[[Any], str], numbers: Any) -> Any:
    return [write(number) for number in numbers] if isinstance(numbers, list) else write(numbers)


def _joined(texts: str | Sequence[str]) -> str:
    return texts if isinstance(texts, str) else ", ".join(texts)


def _aligned(table: list[list[str]]) -> Iterator[str]:
    """Columns to the left; numbers leave room for a sign."""
    signed = [[line[0], *(cell if cell.startswith("-") else f" {cell}" for cell in line[1:])] for line in table]
    widths = [max(map(len, column)) for column in zip(*signed, strict=True)]
    for line in signed:
        yield "  ".join(f"{cell:{width}}" for cell, width in zip(line, widths, strict=True)).rstrip()

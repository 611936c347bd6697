"""The command `focal-ref`.

Exit status: 0, all is well; 1, a bound is passed or a library broken; 2, a wrong argument; 130, interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import reprlib
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from . import __version__, backends, conformance, console, evaluation
from .evaluation import Wrong

__all__ = ["main"]

INTERRUPTED, CLOSED_PIPE = 130, 141
"""128 + the signal's number, as the shell has it."""

CHECK = """\
Measure focal_ref on every array library installed here: value, gradient and
Hessian diagonal, sigmoid and softmax, against the exact results, in units in
the last place (ULP). The table has a line for each quantity of a type, at the
gamma where it is worst. Exit status 1 where a bound is passed or a library is
broken."""
CHECK_EXAMPLES = """\
examples:
  focal-ref check
  focal-ref check --backend numpy,torch --dtype float16 --all
  focal-ref check --exhaustive float32 --gamma 2"""
EVAL = """\
Print the exact loss, its gradient, Hessian diagonal and derivative by gamma,
correct in every digit. One logit has a label (sigmoid); several are a row, and
their target is a class counted from 0, or a row of probabilities (softmax).

Decimal text is taken exactly: 3.2 is 16/5, not the float next to it. --dtype
rounds the logits to a type first, and shows the results correctly rounded to
it as well, in hexadecimal."""
EVAL_EXAMPLES = """\
examples:
  focal-ref eval --logit 3.2 --target 1 --gamma 2 --digits 40
  focal-ref eval --logit -3 --target 0.9 --alpha 0.25 --soft-targets quality
  focal-ref eval --logit=1,-2,0.5 --target 2 --dtype float32"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command, and return its exit status; wrong arguments end it with status 2.

    Examples
    --------
    >>> main(["eval", "--logit", "0", "--target", "1", "--gamma", "2", "--digits", "20"])
    sigmoid focal loss: logit 0, target 1, gamma 2
    value      0.17328679513998632735
    gradient  -0.29828679513998632735
    Hessian    0.39914339756999316368
    d/dgamma  -0.12011325347955035617
    0
    """
    arguments, unknown = _parser().parse_known_args(_joined(sys.argv[1:] if argv is None else argv))
    if unknown:
        arguments.parser.error(f"got {unknown[0]!r}; expected one of {arguments.parser.options()}")
    try:
        status = int(arguments.run(arguments))
        sys.stdout.flush()
    except Wrong as error:
        arguments.parser.error(str(error))
    except KeyboardInterrupt:
        print("focal-ref: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        with contextlib.suppress(OSError, ValueError):  # or Python complains when it flushes at its end
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED_PIPE
    return status


def _joined(argv: Sequence[str]) -> list[str]:
    """`--logit -3` as `--logit=-3`: argparse takes most negative numbers, and lists of them, for options."""
    result: list[str] = []
    for text in argv:
        if result and re.fullmatch(r"--[a-z-]+", result[-1]) and re.match(r"-(\d|\.\d|inf|nan)", text, re.IGNORECASE):
            result[-1] += f"={text}"
        else:
            result.append(text)
    return result


# ---- check ------------------------------------------------------------------------------------------------------------------


def _check(arguments: argparse.Namespace) -> int:
    if arguments.exhaustive:
        return _check_every_logit(arguments)
    for option in ("workers", "state", "fresh"):
        if getattr(arguments, option):
            raise Wrong(option, f"{_given(arguments, option)} without --exhaustive", "both or neither")
    limits = {"links": arguments.link, "dtypes": arguments.dtype, "gammas": arguments.gamma, "precisions": arguments.precision}
    limits = {name: list(dict.fromkeys(values)) for name, values in limits.items() if values}
    names = list(dict.fromkeys(arguments.backend)) if arguments.backend else None
    try:
        with console.Progress(quiet=arguments.quiet) as bar:
            report = conformance.measure(names, progress=bar, forget=True, **limits)
    except backends.Unavailable as error:
        raise Wrong("backend", error.status.name, f"one that is here: {error.status.reason}") from None
    if not report.rows and not report.broken:
        raise Wrong("dtype", ", ".join(arguments.dtype), f"a type that {', '.join(names or ['a backend here'])} has")
    _write(arguments, report.to_dict(), console.report_lines(report, every_gamma=arguments.all))
    return int(not report.passed)


def _check_every_logit(arguments: argparse.Namespace) -> int:
    from . import exhaustive

    for option in ("backend", "link", "dtype", "precision", "all"):
        if getattr(arguments, option):
            came = f"{_given(arguments, option)} with --exhaustive"
            raise Wrong(option, came, "one of the two: that one is NumPy's sigmoid, in extended precision")
    dtype, how = arguments.exhaustive, {"state": arguments.state, "fresh": arguments.fresh, "workers": arguments.workers}
    reports = []
    try:
        for gamma in dict.fromkeys(arguments.gamma or [2.0]):
            with console.Progress(quiet=arguments.quiet) as bar:
                reports.append(exhaustive.scan(dtype, gamma, progress=bar, **how))
    except ImportError as error:
        raise Wrong("exhaustive", dtype, f"a type that NumPy has here: {error}") from None
    except OSError as error:
        raise Wrong("state", str(arguments.state or "none"), f"a directory to write to: {error}") from None
    passed = all(report.passed for report in reports)
    data = {"passed": passed, "reports": [report.to_dict() for report in reports]}
    _write(arguments, data, (console.Line(text) for report in reports for text in str(report).splitlines()))
    return int(not passed)


def _given(arguments: argparse.Namespace, option: str) -> str:
    """An option's value as it was written, if it has one."""
    value = getattr(arguments, option)
    return "it" if value is True else ", ".join(map(str, value)) if isinstance(value, list) else str(value)


# ---- eval -------------------------------------------------------------------------------------------------------------------


def _eval(arguments: argparse.Namespace) -> int:
    names = ("logit", "target", "gamma", "alpha", "soft_targets", "digits", "dtype")
    found = evaluation.evaluate(*(getattr(arguments, name) for name in names))
    _write(arguments, found.to_dict(), map(console.Line, found.lines()))
    return 0


def _write(arguments: argparse.Namespace, data: dict[str, Any], lines: Iterable[console.Line]) -> None:
    if arguments.json:
        print(json.dumps(data, indent=2, allow_nan=False))
    else:
        console.show(lines)


# ---- arguments --------------------------------------------------------------------------------------------------------------

MESSAGES = (
    (r"argument (?P<option>\S+): expected one argument", "{option}: got nothing; expected {accepted}"),
    (r"argument (?P<option>\S+): ignored explicit argument (?P<came>.*)", "{option}: got {came}; expected no value"),
    (r"argument (?P<option>\S+): invalid choice: (?P<came>.*) \(choose from .*", "{option}: got {came}; expected {accepted}"),
    (r"the following arguments are required: (?P<option>[^ ,]+).*", "{option}: got nothing; expected {accepted}"),
    (r"argument (?P<option>\S+): (?P<came>.*)", "{option}: {came}"),
)
"""argparse's own, and ours."""


class _Parser(argparse.ArgumentParser):
    """Errors in one line that says what came and what is accepted."""

    def __init__(self, **options: Any) -> None:
        options |= {"allow_abbrev": False, "formatter_class": argparse.RawDescriptionHelpFormatter}
        super().__init__(**options)

    def error(self, message: str) -> NoReturn:
        for pattern, ours in MESSAGES:
            if found := re.fullmatch(pattern, message, re.DOTALL):
                message = ours.format(**found.groupdict(), accepted=self._accepted(found["option"]))
                break
        self.exit(2, f"{self.prog}: {' '.join(message.split())}\n")

    def options(self) -> str:
        """Every option's name."""
        return ", ".join(name for action in self._actions for name in action.option_strings if name.startswith("--"))

    def _accepted(self, name: str) -> str:
        for action in self._actions:
            if name in (*action.option_strings, action.metavar):
                return str(getattr(action.type, "accepted", None) or " or ".join(action.choices or ["a value"]))
        return "a value"


class _Kind:
    """What an option takes: how to read it, and what is accepted."""

    def __init__(self, read: Callable[[str], Any], accepted: str) -> None:
        self.read, self.accepted = read, accepted

    def __call__(self, text: str) -> Any:
        try:
            return self.read(text)
        except (ValueError, ArithmeticError):
            raise argparse.ArgumentTypeError(f"got {reprlib.repr(text)}; expected {self.accepted}") from None

    def listed(self) -> _Kind:
        """One or more of these, with commas between."""
        return _Kind(
            lambda text: [self.read(part.strip()) for part in text.split(",")], f"{self.accepted} (or several, with commas)"
        )


def _one_of(names: Sequence[str]) -> _Kind:
    return _Kind(lambda text: names[names.index(text)], f"one of {', '.join(names)}")


def _whole(low: int, high: int) -> _Kind:
    def read(text: str) -> int:
        number = int(text)
        if not low <= number <= high:
            raise ValueError
        return number

    return _Kind(read, f"a whole number from {low} to {high}")


def _gamma(text: str) -> float:
    gamma = float(text)
    if not 0 <= gamma <= conformance.LARGEST_MEASURED_GAMMA:
        raise ValueError
    return gamma


def _parser() -> _Parser:
    parser = _Parser(prog="focal-ref", description="The reference implementation of focal loss.")
    parser.add_argument("--version", action="version", version=f"focal-ref {__version__}")
    parser.set_defaults(parser=parser)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    check = commands.add_parser(
        "check", help="measure focal_ref on every array library installed here", description=CHECK, epilog=CHECK_EXAMPLES
    )
    _add_check(check)
    evaluate = commands.add_parser("eval", help="print exact values and derivatives", description=EVAL, epilog=EVAL_EXAMPLES)
    _add_eval(evaluate)
    for command, run in ((check, _check), (evaluate, _eval)):
        command.set_defaults(run=run, parser=command)
    return parser


def _add_check(check: _Parser) -> None:
    def several(name: str, metavar: str, kind: _Kind, text: str) -> None:
        check.add_argument(name, metavar=metavar, action="extend", type=kind.listed(), help=text)

    several("--backend", "NAME", _one_of(backends.NAMES), "only this array library; repeatable, like the next four")
    several("--link", "LINK", _one_of(conformance.LINKS), "sigmoid or softmax")
    several("--dtype", "TYPE", _one_of(conformance.DTYPES), "float16, bfloat16, float32 or float64")
    several("--precision", "PRECISION", _one_of(conformance.PRECISIONS), "extended or native")
    several("--gamma", "GAMMA", _Kind(_gamma, conformance.MEASURED_GAMMAS), "gamma; by default 0, 0.5, 1, 2 and 5")
    check.add_argument("--all", action="store_true", help="a line for every gamma, not only the worst")
    check.add_argument("--json", action="store_true", help="every figure, as JSON")
    check.add_argument("--quiet", action="store_true", help="no progress bar")
    every = check.add_argument_group("every logit of a type")
    every.add_argument(
        "--exhaustive",
        metavar="TYPE",
        type=_one_of(("float16", "bfloat16", "float32")),
        help="judge NumPy's sigmoid at all logits of the type (all 2^32 of float32), gamma 2 unless named otherwise",
    )
    every.add_argument("--workers", metavar="N", type=_whole(1, 1024), help="threads; by default one a processor")
    every.add_argument("--state", metavar="DIR", type=Path, help="where to keep what is known so far, to go on from there")
    every.add_argument("--fresh", action="store_true", help="begin anew")


def _add_eval(evaluate: _Parser) -> None:
    number = _Kind(evaluation.decimal, "a decimal number between 1e-5000 and 1e5000, inf or nan")
    finite = _Kind(evaluation.finite, "a decimal number in [0, 1e5000]")
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
        type=_one_of(evaluation.SOFT_TARGETS),
        help="what a label between 0 and 1 means: mix, ...",
    )
    evaluate.add_argument("--digits", metavar="N", default=40, type=_whole(1, evaluation.MOST_DIGITS), help="40 by default")
    evaluate.add_argument("--dtype", metavar="TYPE", type=_one_of(conformance.DTYPES), help="round to this type as well")
    evaluate.add_argument("--json", action="store_true", help="JSON, numbers as text with all their digits")


if __name__ == "__main__":
    sys.exit(main())

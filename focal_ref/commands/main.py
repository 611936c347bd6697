"""Command `focal-ref`.

Exit status: 0, all is well; 1, a bound is passed or a library broken; 2, a wrong argument; 130, interrupted.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Sequence

from .. import __version__
from . import demo, evaluate, measure, plot, suggest, vectors
from .parser import Parser, Wrong

__all__ = ["main"]

INTERRUPTED, CLOSED_PIPE = 130, 141
"""128 + the signal's number, as the shell has it."""
TEXT = """\
The reference implementation of focal loss: is yours right, what is the exact
value, and which gamma and alpha? `focal-ref COMMAND --help` has the options."""
EXAMPLES = """\
examples:
  focal-ref check
  focal-ref check losses.py:focal
  focal-ref eval --logit 3.2 --target 1 --gamma 2"""


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
    given = _joined(sys.argv[1:] if argv is None else argv)
    if given[:1] == ["help"]:
        given = [*given[1:], "--help"]
    arguments, unknown = _parser().parse_known_args(given)
    if unknown:
        arguments.parser.unknown(unknown)
    if not hasattr(arguments, "run"):
        arguments.parser.print_help()
        return 0
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


def _parser() -> Parser:
    parser = Parser(prog="focal-ref", description=TEXT, epilog=EXAMPLES)
    parser.add_argument("--version", action="version", version=f"focal-ref {__version__}")
    parser.set_defaults(parser=parser)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for command in (measure, evaluate, suggest, vectors, plot, demo):
        command.add(commands)
    return parser

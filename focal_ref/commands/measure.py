"""`focal-ref check`: how exact is it on this machine?"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path
from typing import Any

from .. import conformance
from ..conformance.text import width_of, wrapped
from ..engine.choice import CURE, engine
from ..libraries import backends
from . import check as command_function
from . import console
from .parser import Parser, Read, Wrong, gamma, listed, one_of, whole, write

__all__ = ["add"]

TEXT = """\
Measure focal_ref on every array library installed here: value, gradient and
Hessian diagonal, sigmoid and softmax, against the exact results, in units in
the last place (ULP). The table has a line for each quantity of a type, at the
gamma where it is worst. With FUNCTION, check that focal loss instead: name
what is wrong with it, each with the smallest input that shows it. Exit status
1 where a bound is passed or a library is broken."""
EXAMPLES = """\
examples:
  focal-ref check
  focal-ref check --backend numpy,torch --dtype float16 --all
  focal-ref check --exhaustive float32 --gamma 2
  focal-ref check --exhaustive float32 mine.py:focal
  focal-ref check losses.py:focal --link softmax --framework torch
  focal-ref check my.losses:focal --arguments x=logits,y=targets,gamma=gamma"""


def add(commands: Any) -> None:
    """Add the command to the others."""
    check = commands.add_parser(
        "check", help="measure focal_ref on every array library, or check another loss", description=TEXT, epilog=EXAMPLES
    )
    _add_options(check)
    command_function.add_outputs(check)
    command_function.add_options(check)
    check.set_defaults(run=_check, parser=check)


def _add_options(check: Parser) -> None:
    def several(name: str, metavar: str, read: Read, text: str) -> None:
        check.add_argument(name, metavar=metavar, action="extend", type=listed(read), help=text)

    several("--backend", "NAME", one_of(backends.NAMES), "only this array library; repeatable, like the next four")
    several("--link", "LINK", one_of(conformance.LINKS), "sigmoid or softmax")
    several("--dtype", "TYPE", one_of(conformance.DTYPES), "float16, bfloat16, float32 or float64")
    several(
        "--precision", "PRECISION", one_of(conformance.PRECISIONS), "extended, native or reference; by default the first two"
    )
    several("--gamma", "GAMMA", gamma, "gamma; by default 0, 0.5, 1, 2 and 5")
    check.add_argument("--all", action="store_true", help="a line for every gamma, not only the worst")
    check.add_argument("--json", action="store_true", help="every figure, as JSON")
    check.add_argument("--quiet", action="store_true", help="no progress bar")
    every = check.add_argument_group("every logit of a type")
    every.add_argument(
        "--exhaustive",
        metavar="TYPE",
        choices=("float16", "bfloat16", "float32"),
        help="judge NumPy's sigmoid, or FUNCTION, at all logits of the type (all 2^32 of float32), gamma 2 unless named",
    )
    every.add_argument("--workers", metavar="N", type=whole(1, 1024), help="threads; by default one a processor")
    every.add_argument("--state", metavar="DIR", type=Path, help="where to keep what is known so far, to go on from there")
    every.add_argument("--fresh", action="store_true", help="begin anew")


def _check(arguments: argparse.Namespace) -> int:
    if arguments.function is not None or arguments.command is not None:
        return command_function.check_function(arguments)
    for option, default in {**command_function.OPTIONS, "markdown": False, "plot": None, "sarif": None}.items():
        if getattr(arguments, option) != default:
            raise Wrong(option, f"{_given(arguments, option)} without a function", "both or neither")
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
    command_function.write_files(arguments, report)
    if arguments.repro is not None:
        return command_function.reproduce(arguments, report)
    told = [console.Line(text, "faint") for text in wrapped(_engine(), width_of())]
    lines = itertools.chain(told, report.lines(every_gamma=arguments.all))  # the verdict is the last line
    write(arguments, report.to_dict() | {"engine": engine()}, lines)
    return int(not report.passed)


def _engine() -> str:
    """What NumPy arrays run on in this process, in words."""
    how = {"compiled": "compiled loops", "numpy": f"NumPy's own operations ({CURE} brings compiled loops, where they run)"}
    return f"engine: {engine()}. NumPy arrays, Dask's chunks and eager torch on the CPU run as {how[engine()]}."


def _check_every_logit(arguments: argparse.Namespace) -> int:
    from ..audit import scan as exhaustive

    for option in ("backend", "link", "dtype", "precision", "all", "junit", "repro"):
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
    write(arguments, data, (console.Line(text) for report in reports for text in str(report).splitlines()))
    return int(not passed)


def _given(arguments: argparse.Namespace, option: str) -> str:
    """An option's value as it was written, if it has one."""
    value = getattr(arguments, option)
    return "it" if value is True else ", ".join(map(str, value)) if isinstance(value, list) else str(value)

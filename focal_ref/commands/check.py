"""`focal-ref check package.module:function`: what is wrong with that function?"""

from __future__ import annotations

import argparse
import contextlib
import functools
import inspect
import sys
from pathlib import Path
from typing import Any

from .. import conformance
from ..conformance import reading
from ..conformance.candidate import ARGUMENTS, INPUTS, TARGETS
from ..conformance.guard import Refused, output_aside
from ..conformance.loading import named
from ..conformance.showing import known_as
from ..conventions.rules import REDUCTIONS
from ..libraries import backends
from . import console, meanings
from .loading import loaded
from .parser import Parser, Wrong, accepting, listed, whole, write

__all__ = ["OPTIONS", "add_options", "add_outputs", "check_function", "reproduce", "write_files"]

NEVER = ("backend", "precision", "workers", "state", "fresh")
"""Options that are not for functions."""
OPTIONS = {
    "framework": None,
    "derivative": "auto",
    "arguments": ARGUMENTS,
    "alpha": None,
    "like": None,
    "tolerance": None,
    "classes": None,
    "largest": None,
    "reduction": "none",
    "inputs": "logits",
    "targets": None,
    "channels_first": False,
    "order": 2,
    "flushes": False,
    "seed": 0,
    **meanings.OPTIONS,
}
"""Those that are for functions only, and their defaults."""


def add_options(check: Parser) -> None:
    """Add what is said of a function."""
    add = check.add_argument_group("a focal loss of your own").add_argument
    number = accepting("a number", float)
    function = "package.module:function, or file.py:function"
    check.add_argument("function", metavar="FUNCTION", nargs="?", help=f"{function}: check that one, not focal_ref")
    add("--framework", metavar="NAME", choices=backends.NAMES, help="its arrays'; by default what it is made of, or takes")
    add("--arguments", metavar="TEXT", default=ARGUMENTS, help=f"order and names; by default {ARGUMENTS!r}")
    add("--derivative", metavar="FUNCTION", default="auto", help="gradient by hand; 'none': values only; by default autograd's")
    add("--order", metavar="N", type=whole(1, 2), default=2, help="1: no second derivatives")
    add("--alpha", metavar="ALPHA", type=listed(number), help="given to it as alpha=; for softmax perhaps one weight a class")
    add("--like", metavar="LIBRARY", help="whose alpha is meant: torchvision, kornia, …")
    add(
        "--tolerance",
        metavar="ULP",
        type=number,
        help="the largest error allowed; by default twice 4 + 2 gamma (Hessian 6 + 2.5 gamma; softmax 6 + 2 and 8 + 3 gamma)",
    )
    add("--classes", metavar="N", type=listed(whole(2, 10000)), help="how many, for softmax")
    add("--largest", metavar="X", type=number, help="leave out larger logits, infinite and NaN ones")
    add("--reduction", metavar="NAME", choices=REDUCTIONS, default="none", help="what it does itself: mean or sum")
    add("--inputs", metavar="NAME", choices=INPUTS, default="logits", help="logits or probabilities")
    add("--targets", metavar="NAME", choices=TARGETS, help="index, float or one-hot")
    add("--channels-first", action="store_true", help="logits of shape (1, classes, n)")
    add("--flushes", action="store_true", help="subnormal numbers may come out as 0")
    meanings.add(add)
    add("--seed", metavar="N", type=whole(0, 2**31), default=0, help="of the random cases")
    add("--markdown", action="store_true", help="the verdict as Markdown")
    add("--sarif", metavar="FILE", type=Path, help="findings as SARIF, for a code host's annotations")
    add("--plot", metavar="FILE", type=Path, help="errors against the margin, as PNG or SVG")


def add_outputs(check: Parser) -> None:
    """Add where results go, whatever is checked."""
    check.add_argument("--junit", metavar="FILE", type=Path, help="results as JUnit XML, for CI")
    check.add_argument("--repro", metavar="N", type=whole(1, 1000), help="only the Python line that shows number N, to paste")


def check_function(arguments: argparse.Namespace) -> int:
    """Check the function that is named, and print the verdict."""
    _refuse_options(arguments)
    if arguments.exhaustive:
        return _check_every_logit(arguments)
    with output_aside():
        verdict = _verdict(arguments)
    if arguments.plot:
        _draw(verdict, arguments.plot)
    write_files(arguments, verdict)
    if arguments.repro is not None:
        return reproduce(arguments, verdict)
    if not (verdict.measured or arguments.link or arguments.objective):
        print("It was given a logit an example; rows of logits and a class each: --link softmax", file=sys.stderr)
    if arguments.markdown:
        print(verdict.to_markdown(), end="")
    else:
        write(arguments, verdict.to_dict(), reading.verdict_lines(verdict, every_gamma=arguments.all))
    return 0 if verdict.passed else 1 if verdict.measured else 2


def _verdict(arguments: argparse.Namespace) -> conformance.Verdict:
    told: dict[str, Any] = {}
    if arguments.command is not None:
        fn, told = meanings.program(arguments)
    else:
        fn = loaded(arguments.parser, "FUNCTION", arguments.function, called=arguments.objective is None)
    derivative = _derivative(arguments)
    alpha = arguments.alpha[0] if arguments.alpha and len(arguments.alpha) == 1 else arguments.alpha
    how = {
        name: getattr(arguments, name)
        for name in ("arguments", "reduction", "inputs", "targets", "channels_first", "order")
        if getattr(arguments, name) != OPTIONS[name]
    }
    limits = {
        "gammas": arguments.gamma,
        "classes": arguments.classes,
        "largest": arguments.largest,
        "tolerance": arguments.tolerance,
    }
    try:
        texts = arguments.function, arguments.derivative if callable(derivative) else None
        with known_as(*texts), console.Progress(quiet=arguments.quiet) as bar:
            if arguments.objective is not None:
                return meanings.objective(arguments, fn, bar)
            how |= {"framework": arguments.framework, "derivative": derivative, **told, **meanings.meaning(arguments)}
            verdict = conformance.check(
                fn,
                link=arguments.link[0] if arguments.link else None,
                dtypes=list(dict.fromkeys(arguments.dtype)) if arguments.dtype else None,
                alpha=alpha,
                kernel=meanings.kernel(arguments),
                like=arguments.like,
                seed=arguments.seed,
                flushes=arguments.flushes,
                progress=bar,
                **how,
                **{name: value for name, value in limits.items() if value is not None},
            )
    except backends.Unavailable as error:
        raise Wrong("framework", error.status.name, f"one that is here: {error.status.reason}") from None
    except (ValueError, TypeError) as error:
        arguments.parser.error(str(error))
    return verdict


OF_EVERY_LOGIT = ("framework", "derivative", "arguments", "tolerance", "inputs", "targets", "flushes")
"""What may be said of a function that is given every logit."""


def _check_every_logit(arguments: argparse.Namespace) -> int:
    """Give the function every logit of a type, and print what came."""
    from ..audit import function as every

    for option, default in {**OPTIONS, "link": None, "dtype": None, "markdown": False, "plot": None, "repro": None}.items():
        if option not in OF_EVERY_LOGIT and getattr(arguments, option) not in (default, ["sigmoid"]):
            came = f"{getattr(arguments, option)} with --exhaustive"
            raise Wrong(option, came, "one of the two: that one is of sigmoid losses, an element each")
    how = {name: getattr(arguments, name) for name in OF_EVERY_LOGIT if getattr(arguments, name) != OPTIONS[name]}
    how["derivative"] = _derivative(arguments)
    reports = []
    try:
        with output_aside():
            fn = loaded(arguments.parser, "FUNCTION", arguments.function)
            for gamma in dict.fromkeys(arguments.gamma or [2.0]):
                with console.Progress(quiet=arguments.quiet) as bar:
                    reports.append(every.scan_function(fn, arguments.exhaustive, gamma, progress=bar, **how))
    except backends.Unavailable as error:
        raise Wrong("framework", error.status.name, f"one that is here: {error.status.reason}") from None
    except Refused as error:
        print(f"focal-ref: the function cannot be measured: {error}", file=sys.stderr)
        return 2
    except (ValueError, TypeError, ImportError) as error:
        arguments.parser.error(str(error))
    passed = all(report.passed for report in reports)
    data = {"passed": passed, "reports": [report.to_dict() for report in reports]}
    write(arguments, data, (console.Line(text) for report in reports for text in str(report).splitlines()))
    return int(not passed)


def _derivative(arguments: argparse.Namespace) -> Any:
    named = arguments.derivative
    if named in ("auto", "none"):
        return "auto" if named == "auto" else None
    return loaded(arguments.parser, "--derivative", named)


def _refuse_options(arguments: argparse.Namespace) -> None:
    for option in NEVER:
        if getattr(arguments, option):
            value = getattr(arguments, option)
            came = ", ".join(value) if isinstance(value, list) else "it" if value is True else value
            raise Wrong(option, f"{came} with a function", "one of the two: that is for focal_ref's own loss")
    if arguments.json and arguments.markdown:
        raise Wrong("markdown", "it with --json", "one of the two")
    if arguments.link and len(set(arguments.link)) > 1:
        raise Wrong("link", ", ".join(arguments.link), "one link with a function")


def reproduce(arguments: argparse.Namespace, report: conformance.Report) -> int:
    """Print the line of Python that shows one failure."""
    if arguments.repro > len(report.repros):
        raise Wrong("repro", arguments.repro, f"the number of a finding: there are {len(report.repros)}")
    print(report.repros[arguments.repro - 1])
    return 0 if report.passed else 1 if report.measured else 2


def write_files(arguments: argparse.Namespace, report: conformance.Report) -> None:
    """JUnit and SARIF, where they are asked for."""
    texts = {"junit": report.to_junit} if arguments.junit else {}
    if arguments.sarif:
        assert isinstance(report, conformance.Verdict)
        uri, line = _place(arguments.function)
        texts["sarif"] = functools.partial(report.to_sarif, uri, line)
    for option, text in texts.items():
        path = getattr(arguments, option)
        try:
            path.write_text(text(), encoding="utf-8")
        except OSError as error:
            raise Wrong(option, str(path), f"a file to write to: {error}") from None


def _place(text: str) -> tuple[str, int]:
    """The function's file, relative to here, and its line; what is not below here has no place."""
    with output_aside(), contextlib.suppress(Exception):
        fn = named(text)
        fn = inspect.unwrap(fn) if inspect.isclass(fn) or hasattr(fn, "__code__") or inspect.ismethod(fn) else type(fn)
        file = Path(inspect.getsourcefile(fn) or "").resolve().relative_to(Path.cwd())
        return file.as_posix(), inspect.getsourcelines(fn)[1]
    return "", 1


def _draw(verdict: conformance.Verdict, path: Path) -> None:
    try:
        verdict.plot(path)
    except ImportError:
        raise Wrong("plot", path, "it with matplotlib installed only: pip install matplotlib") from None
    except (OSError, ValueError) as error:
        raise Wrong("plot", path, f"a file to write to, .png or .svg: {error}") from None

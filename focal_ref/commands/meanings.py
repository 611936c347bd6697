"""Options of `focal-ref check` that say what a loss is meant to be, and what else is checked: programs and objectives."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from .. import conformance
from ..conformance.callers import LIBRARIES
from ..conformance.programs import Program
from ..conformance.wanted import EACH, NORMALIZERS
from ..conventions.soft_targets import SIGMOID
from ..family import KERNELS
from .loading import loaded
from .parser import Wrong, accepting, listed

__all__ = ["OPTIONS", "add", "kernel", "meaning", "objective", "program"]

MEANING = ("alpha_inside", "clips", "normalizer", "weight", "ignore_index", "label_smoothing", "soft_targets")
OPTIONS: dict[str, Any] = {**dict.fromkeys(MEANING), "command": None, "objective": None, "floor": None, "kernel": None}
"""And their defaults."""
OF_OBJECTIVES = ("alpha", "tolerance", "largest", "floor")
NEVER_OF_OBJECTIVES = ("derivative", "like", "arguments", "reduction", "inputs", "targets", "framework", "kernel", *MEANING)


def add(add_argument: Callable[..., Any]) -> None:
    """Add them to the parser's group."""
    number = accepting("a number", float)
    whole = accepting("a whole number", int)
    add_argument(
        "--command", metavar="COMMAND", help="in place of FUNCTION: a program of any language that answers in JSON lines"
    )
    add_argument(
        "--objective",
        metavar="LIBRARY",
        nargs="?",
        const="auto",
        choices=("auto", *LIBRARIES),
        help="FUNCTION is a boosting objective, called as this library calls it",
    )
    add_argument(
        "--kernel",
        metavar="MEMBER",
        help=f"of the family, which it is meant to be: {', '.join(KERNELS)}, or package.module:Kernel, or file.py:Kernel",
    )
    add_argument("--floor", metavar="H", type=number, help="of an objective: smaller Hessians are raised to this")
    add_argument(
        "--alpha-inside", metavar="ALPHA", type=listed(number), help="it weighs the cross entropy before p is taken from it"
    )
    add_argument("--clips", metavar="EPSILON", type=number, help="it clips p to [EPSILON, 1 - EPSILON], as is meant")
    add_argument("--normalizer", metavar="NAME", help=f"what a sum is divided by: a number, {', '.join(NORMALIZERS)}")
    add_argument("--weight", metavar="W", help="each: weight= takes one for each loss; or one number a class")
    add_argument("--ignore-index", metavar="TARGET", type=whole, help="targets that have no loss")
    add_argument("--label-smoothing", metavar="S", type=number, help="it smooths labels by so much, as is meant")
    add_argument("--soft-targets", metavar="NAME", choices=tuple(SIGMOID), help=f"soft targets mean: {', '.join(SIGMOID)}")


def meaning(arguments: argparse.Namespace) -> dict[str, Any]:
    """The options of `check` that were given."""
    given = {name: getattr(arguments, name) for name in MEANING if getattr(arguments, name) is not None}
    inside = given.get("alpha_inside")
    if inside is not None and len(inside) == 1:
        given["alpha_inside"] = inside[0]
    if given.get("weight") not in (None, EACH):
        given["weight"] = _numbers("weight", given["weight"])
    if "normalizer" in given and given["normalizer"] not in NORMALIZERS:
        given["normalizer"] = _numbers("normalizer", given["normalizer"])[0]
    return given


def kernel(arguments: argparse.Namespace) -> Any:
    """The member of the family that is meant, by its name or from a file; a class with its defaults."""
    text = arguments.kernel
    if text is None:
        return None
    if text not in KERNELS and ":" not in text:
        raise Wrong("kernel", text, f"one of {', '.join(KERNELS)}, or package.module:Kernel, or file.py:Kernel")
    found: Any = KERNELS[text] if text in KERNELS else loaded(arguments.parser, "--kernel", text, called=False)
    return found() if isinstance(found, type) else found


def _numbers(option: str, text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise Wrong(option, text, "numbers, or one of the names that --help has") from None


def program(arguments: argparse.Namespace) -> tuple[Any, dict[str, Any]]:
    """The program, and how it is called."""
    if arguments.function is not None:
        raise Wrong("command", arguments.command, "one of the two: FUNCTION or a program")
    try:
        found = Program(arguments.command)
    except ValueError as error:
        raise Wrong("command", arguments.command, f"a program and its arguments: {error}") from None
    gives = found.gives(arguments.link[0] if arguments.link else "sigmoid")
    how = {"framework": "numpy", "arguments": "logits, targets, gamma=gamma", "targets": "index", "reduction": "none"}
    return found, {**how, "derivative": found.derivative if "grad" in gives else None}


def objective(arguments: argparse.Namespace, fn: Any, progress: Any) -> conformance.Verdict:
    """The verdict on a boosting objective."""
    for option in NEVER_OF_OBJECTIVES:
        if getattr(arguments, option) not in (None, "auto", "none", "logits", "logits, targets, gamma=gamma"):
            raise Wrong(option, str(getattr(arguments, option)), "it without --objective")
    limits = {name: getattr(arguments, name) for name in OF_OBJECTIVES if getattr(arguments, name) is not None}
    if "alpha" in limits and len(limits["alpha"]) == 1:
        limits["alpha"] = limits["alpha"][0]
    return conformance.check_objective(
        fn,
        library=None if arguments.objective == "auto" else arguments.objective,
        link=arguments.link[0] if arguments.link else "sigmoid",
        gammas=arguments.gamma,
        classes=arguments.classes[0] if arguments.classes else 3,
        hessian=arguments.order == 2,
        seed=arguments.seed,
        progress=progress,
        **limits,
    )

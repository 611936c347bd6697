"""`focal-ref plot`: pictures of the loss, its derivatives, and what γ does to easy examples."""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path
from typing import Any

from ..family import KERNELS
from ..pictures import curves
from .parser import Wrong, gamma, listed

__all__ = ["add"]

SUFFIXES = (".png", ".svg", ".pdf")
MOST_GAMMAS = 35
TEXT = """\
Draw one picture and write it to a file:

  loss       the loss against the true class's probability
  gradient   the derivative by the logit, against the logit
  hessian    the second derivative, and where it is negative
  share      what easy examples keep of the total loss as gamma grows

or a member of the family beside cross entropy, by its name."""
EXAMPLES = """\
examples:
  focal-ref plot loss
  focal-ref plot reduced --gamma 1,2
  focal-ref plot hessian --gamma 0.5,1,2 --out hessian.svg"""


def add(commands: Any) -> None:
    """Add the command to the others."""
    command = commands.add_parser("plot", help="draw the loss and its derivatives", description=TEXT, epilog=EXAMPLES)
    command.add_argument(
        "kind",
        metavar=f"{{{','.join(curves.KINDS)},MEMBER}}",
        choices=(*curves.KINDS, *KERNELS),
        help="loss, gradient, hessian, share, or a member of the family",
    )
    command.add_argument(
        "--gamma",
        metavar="GAMMA",
        action="extend",
        type=listed(gamma),
        help="by default 0, 0.5, 1, 2 and 5; of a member, its own default",
    )
    command.add_argument("--out", metavar="FILE", type=Path, help="a .png, .svg or .pdf; by default KIND.png")
    command.set_defaults(run=_plot, parser=command)


def _plot(arguments: argparse.Namespace) -> int:
    path = arguments.out or Path(f"{arguments.kind}.png")
    gammas = tuple(dict.fromkeys(arguments.gamma or ()))
    if path.suffix.lower() not in SUFFIXES:
        raise Wrong("out", path, f"a file that ends in {', '.join(SUFFIXES)}")
    if len(gammas) > MOST_GAMMAS:
        raise Wrong("gamma", f"{len(gammas)} of them", f"at most {MOST_GAMMAS}")
    if importlib.util.find_spec("matplotlib") is None:
        arguments.parser.error(f"got no matplotlib; expected it, for drawing: {curves.INSTALL}")
    figure = _figure(arguments.kind, gammas)
    try:
        figure.savefig(path)
    except OSError as error:
        raise Wrong("out", path, f"a file to write to: {error.strerror or error}") from None
    print(f"wrote {path}")
    return 0


def _figure(kind: str, gammas: tuple[float, ...]) -> Any:
    if kind not in KERNELS:
        return curves.KINDS[kind](gammas or curves.GAMMAS)
    try:
        return curves.member(KERNELS[kind](), gammas)
    except ValueError as error:
        raise Wrong("gamma", ", ".join(f"{g:g}" for g in gammas), f"another: {error}") from None

"""`focal-ref vectors`: the test vectors, for losses in any language."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .. import vectors
from ..family import KERNELS
from . import console
from .parser import Wrong, write

__all__ = ["add"]

TEXT = """\
List the test vectors, or write them to a directory: inputs with correctly
rounded losses, gradients and Hessian diagonals, as JSON that any language
reads, a file for each link and type. docs/vectors.md describes the format."""
EXAMPLES = """\
examples:
  focal-ref vectors
  focal-ref vectors --write vectors
  focal-ref vectors --write poly1 --kernel poly1"""


def add(commands: Any) -> None:
    """Add the command to the others."""
    command = commands.add_parser("vectors", help="list or write the test vectors", description=TEXT, epilog=EXAMPLES)
    command.add_argument("--write", metavar="DIR", type=Path, help="make all the files anew in this directory")
    command.add_argument(
        "--kernel", metavar="NAME", choices=tuple(KERNELS), default="focal", help=f"of the family: {', '.join(KERNELS)}"
    )
    command.add_argument("--json", action="store_true", help="as JSON")
    command.set_defaults(run=_vectors, parser=command)


def _vectors(arguments: argparse.Namespace) -> int:
    if arguments.write is not None:
        try:
            paths = [str(path) for path in vectors.write(arguments.write, arguments.kernel)]
        except OSError as error:
            raise Wrong("write", str(arguments.write), f"a directory to write to: {error}") from None
        write(arguments, {"written": paths}, (console.Line(f"wrote {path}") for path in paths))
        return 0
    if arguments.kernel != "focal":
        raise Wrong("kernel", arguments.kernel, "it with --write: the package has focal loss's files, and makes others")
    files = [vectors.load(link, dtype) for link, dtype in itertools.product(vectors.LINKS, vectors.DTYPES)]
    write(arguments, {"version": vectors.VERSION, "files": [_entry(file) for file in files]}, _lines(files))
    return 0


def _entry(file: vectors.Vectors) -> dict[str, Any]:
    flags = {flag: sum(flag in case.flags for case in file.cases) for flag in file.flags}
    name = vectors.name(file.link, file.dtype)
    return {"file": name, "cases": len(file.cases), "batches": len(file.groups), "flags": flags}


def _lines(files: list[vectors.Vectors]) -> Iterator[console.Line]:
    """How many cases each file has, and how many of them each flag."""
    yield console.Line(f"Test vectors, version {vectors.VERSION}: cases a file, and of each flag.", "faint")
    for link, group in itertools.groupby(files, key=lambda file: file.link):
        same = list(group)
        yield from (console.Line(""), console.Line(f"{link:16}" + "".join(f"{file.dtype:>10}" for file in same), "title"))
        yield console.Line(f"{'  all cases':16}" + "".join(f"{len(file.cases):10}" for file in same))
        yield console.Line(f"{'  batches':16}" + "".join(f"{len(file.groups):10}" for file in same))
        for flag in dict.fromkeys(flag for file in same for flag in file.flags):
            counts = (sum(flag in case.flags for case in file.cases) for file in same)
            yield console.Line(f"  {flag:14}" + "".join(f"{count:10}" for count in counts), "faint")
    yield console.Line("")
    yield console.Line("focal-ref vectors --write DIR makes the files;", "faint")
    yield console.Line("the package has them as focal_ref/data/vectors.", "faint")

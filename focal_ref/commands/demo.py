"""`focal-ref demo`: does focal loss help? Trained and measured on real imbalanced data."""

from __future__ import annotations

import argparse
import importlib.util
import textwrap
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..demo import measures, train
from ..demo import pictures as demo_pictures
from ..demo.results import Run
from ..demo.sets import SETS
from . import console
from .parser import Wrong, listed, one_of, write

__all__ = ["Findings", "add", "markdown"]

TEXT = """\
Train with cross entropy, class-weighted cross entropy and focal loss on four
real, imbalanced sets of data that come with the package; measure on rows that
were held out, before and after the correction of focal scores to
probabilities; draw it; and say where focal loss helped and where it hurt.
Offline, a minute or two on two cores."""
EXAMPLES = """\
examples:
  focal-ref demo
  focal-ref demo --quick --set hypothyroid --json"""
EXTRAS = {"sklearn": "scikit-learn", "matplotlib": "matplotlib"}
WIDTH = 118
INSTALL = "pip install scikit-learn matplotlib"
START, END = "<!-- figures: written by focal-ref demo --write -->", "<!-- end of figures -->"
SHORT = dict(zip(measures.MEASURES, ("precision", "recall", "F1", "av. prec.", "Brier", "calibration"), strict=True))


class Findings(NamedTuple):
    """A set's runs, their measures, and what each loss gained over cross entropy."""

    run: Run
    rows: list[measures.Row]
    gains: list[measures.Gain]


def add(commands: Any) -> None:
    """Add the command to the others."""
    command = commands.add_parser("demo", help="focal loss on real imbalanced data", description=TEXT, epilog=EXAMPLES)
    names = listed(one_of(tuple(SETS)))
    command.add_argument("--set", metavar="NAME", action="extend", type=names, help=f"{', '.join(SETS)}; by default all")
    command.add_argument("--quick", action="store_true", help="three folds instead of ten")
    command.add_argument("--json", action="store_true", help="JSON, with every fold's figures")
    folder = Path("focal-ref-demo")
    command.add_argument("--out", metavar="DIR", type=Path, default=folder, help=f"the pictures' folder, {folder} by default")
    command.add_argument("--write", metavar="FILE", type=Path, help="a Markdown page whose figures are to be replaced")
    command.set_defaults(run=_demo, parser=command)


def _demo(arguments: argparse.Namespace) -> int:
    if missing := [name for module, name in EXTRAS.items() if importlib.util.find_spec(module) is None]:
        arguments.parser.error(f"got no {' and no '.join(missing)}; expected both, for training and for drawing: {INSTALL}")
    page = _page(arguments.write) if arguments.write else None
    try:
        arguments.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Wrong("out", arguments.out, f"a folder to write to: {error.strerror or error}") from None
    names = tuple(dict.fromkeys(arguments.set or SETS))
    with console.Progress(quiet=arguments.json) as progress:
        runs = train.run(names, quick=arguments.quick, progress=progress)
        found = [Findings(run, rows := measures.rows(run), measures.gains(run, rows)) for run in runs]
    pictures = _saved("out", arguments.out, lambda: demo_pictures.draw(runs, arguments.out))
    if page is not None:
        before, after = page
        text = "\n".join([before + START, "", *markdown(found), END + after])
        _saved("write", arguments.write, lambda: arguments.write.write_text(text, encoding="utf-8"))
    write(arguments, _data(found, pictures), _lines(found, pictures))
    return 0


def _page(path: Path) -> tuple[str, str]:
    """What is before and after the figures of a page."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise Wrong("write", path, f"a page to rewrite: {getattr(error, 'strerror', None) or error}") from None
    before, start, rest = text.partition(START)
    _, end, after = rest.partition(END)
    if not start or not end:
        raise Wrong("write", path, f"a page with the lines {START} and {END}")
    return before, after


def _saved(option: str, path: Path, save: Any) -> Any:
    try:
        return save()
    except OSError as error:
        raise Wrong(option, path, f"something to write to: {error.strerror or error}") from None


# ---- what is printed --------------------------------------------------------------------------------------------------------


def _entries(rows: Sequence[measures.Row]) -> Iterator[tuple[str, list[str]]]:
    """Names and figures: of corrected probabilities only what the correction changed, and no line where it changed nothing."""
    for raw, corrected in zip(rows[::2], rows[1::2], strict=True):
        before, after = ([row.text(name) for name in measures.MEASURES] for row in (raw, corrected))
        yield raw.loss, before
        if before != after:
            yield "  corrected", [new if new != old else "" for old, new in zip(before, after, strict=True)]


def _extent(run: Run) -> str:
    data = run.data
    classes = ", ".join(f"{name} {count}" for name, count in zip(data.classes, data.counts, strict=True))
    macro = "; means over the classes (macro)" if len(data.classes) > 2 else ""
    return f"{len(data.labels)} samples, {data.features.shape[1]} features; {classes}{macro}"


def _summary(found: Sequence[Findings]) -> list[str]:
    return list(measures.summary([(one.run.data.name, one.rows, one.gains) for one in found]))


def _lines(found: Sequence[Findings], pictures: Sequence[Path]) -> Iterator[console.Line]:
    for run, rows, _ in found:
        yield console.Line(f"{run.data.name}: {run.data.question}", "title")
        yield console.Line(_extent(run), "faint")
        yield console.Line(f"mean ± standard deviation over {len(run.folds)} folds", "faint")
        for model, group in groupby(rows, key=lambda row: row.model):
            yield console.Line(f"  {model:<15}{''.join(f'{name:>17}' for name in SHORT.values())}", "faint")
            for label, cells in _entries(list(group)):
                yield console.Line(f"  {label:<15}{''.join(f'{cell:>17}' for cell in cells)}".rstrip())
        yield console.Line("")
    yield console.Line("focal loss against cross entropy: differences ± standard error, of corrected probabilities", "title")
    for text in _summary(found):
        yield from (console.Line(line) for line in textwrap.wrap(text, WIDTH, subsequent_indent="  "))
    yield console.Line("")
    yield from (console.Line(f"wrote {path}", "faint") for path in pictures)


def markdown(found: Sequence[Findings]) -> Iterator[str]:
    """The same as the figures of a page: a table for each set, then the summary."""
    for run, rows, _ in found:
        yield from (f"## {run.data.name}", "", f"{run.data.question[0].upper()}{run.data.question[1:]}. {_extent(run)}.", "")
        yield from (f"| model | loss | {' | '.join(measures.MEASURES)} |", "| --- " * (2 + len(SHORT)) + "|")
        for model, group in groupby(rows, key=lambda row: row.model):
            for label, cells in _entries(list(group)):
                yield f"| {' | '.join([model, label.strip(), *cells])} |"
        yield ""
    yield from ("## What helped", "", *(f"- {text}" for text in _summary(found)), "")


def _data(found: Sequence[Findings], pictures: Sequence[Path]) -> dict[str, Any]:
    return {
        "sets": [_set(*one) for one in found],
        "summary": _summary(found),
        "pictures": [str(path) for path in pictures],
    }


def _set(run: Run, rows: Sequence[measures.Row], gains: Sequence[measures.Gain]) -> dict[str, Any]:
    data = run.data
    return {
        "name": data.name,
        "question": data.question,
        "samples": len(data.labels),
        "features": data.features.shape[1],
        "classes": dict(zip(data.classes, data.counts, strict=True)),
        "folds": len(run.folds),
        "rows": [
            {
                "model": row.model,
                "loss": row.loss,
                "corrected": row.corrected,
                "measures": {
                    name: {"mean": float(np.mean(values)), "sd": float(np.std(values, ddof=1)), "folds": values}
                    for name, values in row.folds.items()
                },
            }
            for row in rows
        ],
        "gains": [{**gain._asdict(), "verdict": gain.verdict} for gain in gains],
    }

"""The terminal: lines in colour where `rich` is installed and someone is looking, and a progress bar on stderr.

The text is the same with and without `rich`.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import shutil
import sys
from collections.abc import Iterable
from types import TracebackType
from typing import Any

from ..conformance.text import Kind, Line

__all__ = ["Line", "Progress", "show"]

STYLES: dict[Kind, str] = {"": "", "title": "bold", "faint": "dim", "good": "bold green", "bad": "bold red"}


def show(lines: Iterable[Line]) -> None:
    """Print lines to stdout."""
    if sys.stdout.isatty() and _may_colour():
        rich = importlib.import_module("rich.console").Console(file=sys.stdout, highlight=False, soft_wrap=True)
        for line in lines:
            rich.print(line.text, style=STYLES[line.kind], markup=False, emoji=False)
        return
    encoding = sys.stdout.encoding or "utf-8"
    for line in lines:
        print(line.text.encode(encoding, "replace").decode(encoding))


def _may_colour() -> bool:
    return not os.environ.get("NO_COLOR") and importlib.util.find_spec("rich") is not None


# ---- the bar ----------------------------------------------------------------------------------------------------------------


class Progress:
    """A bar on stderr, by `rich` where it is installed; nothing where stderr is no terminal, or `quiet`."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._wanted = not quiet and sys.stderr.isatty()
        self._rich: Any = None
        self._task: Any = None

    def __enter__(self) -> Progress:
        if self._wanted and _may_colour():
            console = importlib.import_module("rich.console").Console(stderr=True)
            module = importlib.import_module("rich.progress")
            columns = (module.BarColumn(), module.TaskProgressColumn(), module.TextColumn("{task.description}", markup=False))
            self._rich = module.Progress(*columns, module.TimeElapsedColumn(), console=console, transient=True)
            self._task = self._rich.add_task("", total=1)
            self._rich.start()
        return self

    def __call__(self, done: int, steps: int, text: str) -> None:
        """So many of all steps are done; the next is described by the text."""
        if self._rich is not None:
            self._rich.update(self._task, completed=done, total=steps, description=text, refresh=True)
        elif self._wanted:
            width = shutil.get_terminal_size().columns - 1
            filled = 24 * done // max(steps, 1)
            line = f"[{'#' * filled}{'.' * (24 - filled)}] {100 * done // max(steps, 1):3}%  {text}"
            print(f"\r{line[:width]:{width}}", end="", file=sys.stderr, flush=True)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._rich is not None:
            self._rich.stop()
        elif self._wanted:
            width = shutil.get_terminal_size().columns - 1
            print(f"\r{'':{width}}\r", end="", file=sys.stderr, flush=True)

"""Terminal: where `rich` is installed and someone is looking, lines in colour and a progress bar on stderr.

The text is the same without.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
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
    """A bar on stderr by `rich`; nothing without it, with NO_COLOR, where stderr is no terminal, or `quiet`."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._wanted = not quiet and sys.stderr.isatty() and _may_colour()
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Progress:
        if self._wanted:
            console = importlib.import_module("rich.console").Console(stderr=True)
            module = importlib.import_module("rich.progress")
            columns = (module.BarColumn(), module.TaskProgressColumn(), module.TextColumn("{task.description}", markup=False))
            self._bar = module.Progress(*columns, module.TimeElapsedColumn(), console=console, transient=True)
            self._task = self._bar.add_task("", total=1)
            self._bar.start()
        return self

    def __call__(self, done: int, steps: int, text: str) -> None:
        """So many of all steps are done; the next is described by the text."""
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=steps, description=text, refresh=True)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()

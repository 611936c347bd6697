"""Names of each reference page in a table, for readers of a clone: ``python docs/reference_names.py`` writes it anew."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from pathlib import Path
from typing import Any

from focal_ref.family import KERNELS

ROOT = Path(__file__).resolve().parents[1]
PAGES = tuple(sorted(path for path in (ROOT / "docs" / "reference").glob("*.md") if path.name != "index.md"))
_NAME = re.compile(r"^(?:::: ([\w.]+)|(<!-- members -->))$", re.MULTILINE)
_PLACE = re.compile(r"(<!-- names: .*? -->\n).*?(<!-- end of names -->)", re.DOTALL)
HEAD = """\
Below are the docstrings, with parameters and examples. In a clone they are in the files on the right, and `help` prints them.

| name | what it is | where its text stands |
| --- | --- | --- |
"""


def page(text: str) -> str:
    """The page with its table: each name, the first line of its docstring, and the file that has the rest."""
    names: list[str] = []
    for name, members in _NAME.findall(text):
        names += [f"focal_ref.family.{kernel.__name__}" for kernel in KERNELS.values()] if members else [name]
    table = HEAD + "".join(map(_row, names))
    return _PLACE.sub(lambda found: f"{found[1]}\n{table}\n{found[2]}", text)


def _row(name: str) -> str:
    thing = _thing(name)
    first = (inspect.getdoc(thing) or "").partition("\n\n")[0].replace("\n", " ").replace("|", r"\|").replace("``", "`")
    file = inspect.getsourcefile(inspect.unwrap(thing))
    assert file is not None
    return f"| `{name}` | {first} | `{Path(file).resolve().relative_to(ROOT).as_posix()}` |\n"


def _thing(name: str) -> Any:
    module, _, last = name.rpartition(".")
    try:
        return getattr(importlib.import_module(module), last)
    except (ImportError, AttributeError):
        return importlib.import_module(name)


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "adapters")]
    for path in PAGES:
        path.write_text(page(path.read_text(encoding="utf-8")), encoding="utf-8")

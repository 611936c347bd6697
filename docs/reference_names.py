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
INDEX = ROOT / "docs" / "reference" / "index.md"
_NAME = re.compile(r"^(?:::: ([\w.]+)|(<!-- members -->))$", re.MULTILINE)
_PLACE = re.compile(r"(<!-- names: .*? -->\n).*?(<!-- end of names -->)", re.DOTALL)
HEAD = """\
Below are the docstrings, with parameters and examples. In a clone they are in the files on the right, and `help` prints them.

| name | what it is | where its text stands |
| --- | --- | --- |
"""


def page(text: str) -> str:
    """The page with its table: each name, the first line of its docstring, and the file that has the rest."""
    table = HEAD + "".join(map(_row, _names(text)))
    return _PLACE.sub(lambda found: f"{found[1]}\n{table}\n{found[2]}", text)


def index(text: str) -> str:
    """The reference's first page with all names of all pages, by the alphabet; namesakes of several packages share a row."""
    found: dict[str, list[str]] = {}
    for path in PAGES:
        for name in _names(path.read_text(encoding="utf-8")):
            found.setdefault(name.rpartition(".")[2], []).append(f"[`{name}`]({path.name}#{_anchor(name)})")
    rows = "".join(f"| {last} | {', '.join(found[last])} |\n" for last in sorted(found, key=lambda last: (last.lower(), last)))
    return _PLACE.sub(lambda place: f"{place[1]}\n| name | import |\n| --- | --- |\n{rows}\n{place[2]}", text)


def _anchor(name: str) -> str:
    """A member stands on its page by the place where it is defined."""
    found = thing(name)
    return f"{found.__module__}.{found.__name__}" if found in KERNELS.values() else name


def _names(text: str) -> list[str]:
    names: list[str] = []
    for name, members in _NAME.findall(text):
        names += [f"focal_ref.family.{kernel.__name__}" for kernel in KERNELS.values()] if members else [name]
    return names


def _row(name: str) -> str:
    found = thing(name)
    first = (inspect.getdoc(found) or "").partition("\n\n")[0].replace("\n", " ").replace("|", r"\|").replace("``", "`")
    file = inspect.getsourcefile(inspect.unwrap(found))
    assert file is not None
    return f"| `{name}` | {first} | `{Path(file).resolve().relative_to(ROOT).as_posix()}` |\n"


def thing(name: str) -> Any:
    module, _, last = name.rpartition(".")
    try:
        return getattr(importlib.import_module(module), last)
    except (ImportError, AttributeError):
        return importlib.import_module(name)


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "adapters")]
    for path in PAGES:
        path.write_text(page(path.read_text(encoding="utf-8")), encoding="utf-8")
    INDEX.write_text(index(INDEX.read_text(encoding="utf-8")), encoding="utf-8")

"""The scripts of the documentation run, and print what the pages say they print."""

from __future__ import annotations

import contextlib
import io
import re
import runpy
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = ("five-minutes.md", "five-minutes-jax.md", "scripts.md")
OUTPUTS = {
    found[1]: found[2]
    for page in PAGES
    for found in re.finditer(r"<!-- output: (\w+) -->\n```text\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)
}
NUMBER = re.compile(r"\d+\.?\d*(?:e[+-]\d+)?")


def test_every_script_is_on_a_page() -> None:
    """In full, as a plain file has to be read, with what it prints; after a change ``python docs/script_pages.py``."""
    scripts = {path.stem: path.read_text(encoding="utf-8") for path in (DOCS / "scripts").glob("*.py")}
    assert scripts.keys() == OUTPUTS.keys()
    pages = "".join((DOCS / page).read_text(encoding="utf-8") for page in PAGES)
    shown = dict(re.findall(r"<!-- script: (\w+) -->\n```py\n(.*?)^```$", pages, re.MULTILINE | re.DOTALL))
    assert shown == scripts


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(OUTPUTS))
def test_a_script_prints_what_its_page_says(name: str) -> None:
    """Word for word; numbers may differ from machine to machine by some of what training makes of a last bit."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        runpy.run_path(str(DOCS / "scripts" / f"{name}.py"), run_name="__main__")
    expected, got = OUTPUTS[name], printed.getvalue()
    assert NUMBER.sub("#", got) == NUMBER.sub("#", expected)
    for mine, theirs in zip(NUMBER.findall(got), NUMBER.findall(expected), strict=True):
        slack = 0.02 if "." in theirs else 6  # of a mean, of a count
        assert float(mine) == pytest.approx(float(theirs), rel=0.3, abs=slack)

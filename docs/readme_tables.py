"""README's two tables, out of docs/accuracy.md and docs/performance.md: ``python docs/readme_tables.py`` writes them anew."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

DOCS = Path(__file__).parent
PAGE = DOCS.parent / "README.md"
START, END = "<!-- tables: written by docs/readme_tables.py -->", "<!-- end of tables -->"
EXACT = {
    "focal_ref_torch": "focal_ref_torch",
    "torchvision": "sigmoid_focal_loss",
    "kornia": "binary_focal_loss_with_logits",
    "optax": "sigmoid_focal_loss",
    "keras": "BinaryFocalCrossentropy",
    "the tutorial class": "the tutorial class",
}
"""Who is shown, and by what."""
TIMES = (
    ("sigmoid 1e6", "torchvision's formula, eager", "focal_ref_torch, eager"),
    ("sigmoid 1e7", "torchvision's formula, eager", "focal_ref_torch, eager"),
    ("sigmoid 1e6", "optax's formula, jitted", "focal_ref_jax, jitted"),
    ("softmax 100000 × 10", "tutorial's class, eager", "focal_ref_torch, eager"),
    ("softmax 4000 × 1000", "tutorial's class, eager", "focal_ref_torch, eager"),
)


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def accuracy(page: str) -> Iterator[str]:
    """A row a library, in float32: loss and gradient at γ = 2, and how many results are NaN or 0."""
    rows = [_cells(line) for line in page.splitlines() if line.startswith("| ") and "| float32 |" in line]
    yield from ("| | loss / gradient, ULP | NaN | zeros |", "| --- | ---: | ---: | ---: |")
    for name, call in EXACT.items():
        row = next(row for row in rows if name in row[0] and call in row[0])
        yield f"| {name} | {row[4]} | {row[5]} | {row[6]} |"


def times(page: str) -> Iterator[str]:
    """A row a case: theirs, ours, and how many times as fast."""
    yield from ("| | theirs | focal_ref | as fast |", "| --- | ---: | ---: | ---: |")
    for case, theirs, ours in TIMES:
        (section,) = re.findall(rf"^### {re.escape(case)}\n(.*?)(?=^#{{2,3}} |\Z)", page, re.MULTILINE | re.DOTALL)
        found = {row[0]: row for row in map(_cells, section.splitlines()) if len(row) > 2}
        ratio = float(found[theirs][2]) / float(found[ours][2])
        yield f"| {case}: {theirs} | {found[theirs][1]} | {found[ours][1]} | {ratio:.2g} × |"


def page(text: str) -> str:
    """README with the tables put in their place."""
    before, rest = text.split(START)
    _, after = rest.split(END)
    exact, fast = ((DOCS / name).read_text(encoding="utf-8") for name in ("accuracy.md", "performance.md"))
    lines = [START, "", *accuracy(exact), "", *times(fast), "", END]
    return f"{before}{chr(10).join(lines)}{after}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")

"""What docs/family.md says of the members, made from the kernels themselves: ``python docs/family_table.py`` writes it anew."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from focal_ref.family import KERNELS, Kernel

PAGE = Path(__file__).parent / "family.md"
START, END = "<!-- table: written by docs/family_table.py -->", "<!-- end of table -->"


def table() -> str:
    """A row a member: name, formula, parameters with default and least value, soft-target formulas, source."""
    lines = ["| member | φ | parameters (default, least) | soft sigmoid targets | source |", "| --- | --- | --- | --- | --- |"]
    for kernel in KERNELS.values():
        parameters = ", ".join(f"`{name}` ({known.default:g}, {known.low:g})" for name, known in kernel.parameters.items())
        soft = ", ".join(f'"{name}"' for name in kernel.soft_targets)
        lines.append(f"| `{kernel.__name__}` | {kernel.formula} | {parameters} | {soft} | {kernel.source} |")
    return "\n".join(lines)


def section(kernel: type[Kernel]) -> str:
    """A member's own words, as far as its parameters, and its picture beside cross entropy."""
    said = inspect.getdoc(kernel) or ""
    words = re.sub(r"\\\\?\|", "|", said.partition("\nParameters\n")[0]).strip()
    picture = f"![{kernel.__name__} beside cross entropy: loss and slope](pictures/family-{kernel.name}.svg)"
    return f"### {kernel.__name__}\n\n{words}\n\n{picture}"


def page(text: str) -> str:
    """The page with table and sections put in their place."""
    before, rest = text.split(START)
    _, after = rest.split(END)
    made = "\n\n".join([table(), *map(section, KERNELS.values())])
    return f"{before}{START}\n{made}\n{END}{after}"


def draw() -> None:
    """Each member's picture."""
    import matplotlib

    from focal_ref import plot

    matplotlib.rcParams["svg.hashsalt"] = "focal_ref"
    for kernel in KERNELS.values():
        figure = plot.member(kernel())
        figure.savefig(PAGE.parent / "pictures" / f"family-{kernel.name}.svg", metadata={"Date": None})


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    draw()

"""The table of docs/family.md, made from the kernels themselves: ``python docs/family_table.py`` writes it anew."""

from __future__ import annotations

from pathlib import Path

from focal_ref.family import KERNELS

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


def page(text: str) -> str:
    """The page with the table put in its place."""
    before, rest = text.split(START)
    _, after = rest.split(END)
    return f"{before}{START}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")

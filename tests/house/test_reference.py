"""The reference has every public name, as users import it, with each of its parameters described; and nothing else."""

from __future__ import annotations

import importlib
import inspect
import re
import runpy
from pathlib import Path

import pytest

from focal_ref import family

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = DOCS / "reference"
SCRIPT = runpy.run_path(str(DOCS / "reference_names.py"))
"""What writes the tables of names."""
LISTED = {
    path
    for page in PAGES.glob("*.md")
    for path in re.findall(r"^::: ([\w.]+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
}
PUBLIC = {
    "focal_ref": {"family"},
    "focal_ref.family": {"KERNELS"},
    "focal_ref.oracle": set(),
    "focal_ref.conformance": {"DTYPES", "LINKS", "PRECISIONS", "QUANTITIES"},
    "focal_ref.conventions": set(),
    "focal_ref.profiles": {"NAMES", "PROFILES", "REDUCTIONS"},
    "focal_ref.formulas": {"SIGMOID", "SOFTMAX", "Formula"},
    "focal_ref.vectors": {"DTYPES", "LINKS", "QUANTITIES", "VERSION"},
    "focal_ref.ulp": {"FORMATS"},
    "focal_ref.plot": {"GAMMAS", "KINDS", "empty", "styles"},
    "focal_ref.testing": set(),
    "focal_ref_torch": {"__version__", "family"},
    "focal_ref_torch.family": set(),
    "focal_ref_jax": {"__version__", "family"},
    "focal_ref_jax.family": set(),
    "focal_ref.weighing": set(),
    "focal_ref_boosting": set(),
    "focal_ref_sklearn": set(),
}
"""Modules that users import from, and those of their names that are constants, modules, or told of elsewhere."""


def _described(docstring: str) -> dict[str, str]:
    """Names in a docstring's Parameters, and what is said of each."""
    found = re.search(r"^Parameters\n-+\n(.*?)(?=^\w[\w ]*\n-+$|\Z)", docstring, re.MULTILINE | re.DOTALL)
    names: dict[str, str] = {}
    for entry in re.findall(r"^(\*{0,2}\w[^\n]*)\n((?:    [^\n]*\n?|\n)*)", (found[1] if found else "") + "\n", re.MULTILINE):
        head, _, kind = entry[0].partition(" : ")
        for name in head.split(","):
            names[name.strip().lstrip("*")] = (kind + entry[1]).strip()
    return names


@pytest.mark.parametrize("module", PUBLIC)
def test_every_public_name_is_in_the_reference(module: str) -> None:
    """By the path that users import it by."""
    names = {name for name in importlib.import_module(module).__all__ if name not in PUBLIC[module]}
    if module == "focal_ref.family":  # the page lists what has a file there, when it is built
        assert "<!-- members -->" in (PAGES / "family.md").read_text(encoding="utf-8")
        names -= {kernel.__name__ for kernel in family.KERNELS.values()}
    assert not {f"{module}.{name}" for name in names} - LISTED


@pytest.mark.parametrize("page", sorted(PAGES.glob("[!i]*.md")), ids=lambda page: page.stem)
def test_each_page_says_what_it_has(page: Path) -> None:
    """In a clone, too, where docstrings aren't on it: after a change ``python docs/reference_names.py``."""
    text = page.read_text(encoding="utf-8")
    assert SCRIPT["page"](text) == text
    assert len(re.findall(r"^\| `focal_ref", text, re.MULTILINE)) >= len(re.findall(r"^::: ", text, re.MULTILINE))


def test_the_first_page_has_all_names() -> None:
    """By the alphabet: after a change ``python docs/reference_names.py``."""
    text = (PAGES / "index.md").read_text(encoding="utf-8")
    assert SCRIPT["index"](text) == text
    assert not [path for path in LISTED if f"[`{path}`](" not in text]


@pytest.mark.parametrize("path", sorted(LISTED))
def test_each_parameter_is_described(path: str) -> None:
    """A function's, a class's; and what it gives, or an example, is there."""
    thing = SCRIPT["thing"](path)
    assert inspect.getdoc(thing)
    if inspect.ismodule(thing) or (inspect.isclass(thing) and (hasattr(thing, "_fields") or _is_result(thing))):
        return
    described = _described(inspect.getdoc(thing) or "")
    for name, parameter in inspect.signature(thing).parameters.items():
        if parameter.kind is not parameter.VAR_KEYWORD and name not in ("self", "cls"):
            assert described.get(name), f"{path}: {name}"


@pytest.mark.parametrize("path", sorted(LISTED))
def test_see_also_names_what_there_is(path: str) -> None:
    """By the path that users import it by; the losses, which have siblings, name them."""
    text = inspect.getdoc(SCRIPT["thing"](path)) or ""
    found = re.search(r"^See Also\n-+\n(.*?)(?=^\w[\w ]*\n-+$|\Z)", text, re.MULTILINE | re.DOTALL)
    named = re.findall(r"^([\w.]+) : \S", found[1], re.MULTILINE) if found else []
    assert set(named) <= LISTED - {path}
    if path.rpartition(".")[0] in ("focal_ref", "focal_ref_torch", "focal_ref_jax") and "focal_loss" in path:
        assert len(named) >= 2


@pytest.mark.parametrize("path", sorted(LISTED))
def test_each_function_says_what_it_gives(path: str) -> None:
    """In a section, or by naming another whose result is alike; what takes nothing says it in its first line."""
    thing = SCRIPT["thing"](path)
    if inspect.isfunction(thing) and inspect.signature(thing).parameters:
        assert re.search(r"^Returns\n-------$|[Rr]esult as for `", inspect.getdoc(thing) or "", re.MULTILINE)


def _is_result(thing: type) -> bool:
    """What calls give back, and nobody makes: its attributes are described where they stand."""
    return "Parameters\n" not in (inspect.getdoc(thing) or "") and thing.__name__ in RESULTS


RESULTS = {
    "Result",
    "RowResult",
    "MemberResult",
    "MemberRowResult",
    "Verdict",
    "Report",
    "Conventions",
    "Vectors",
    "Case",
    "Margin",
    "Jet",
    "Profile",
    "Row",
}


@pytest.mark.parametrize("path", sorted(LISTED))
def test_nothing_internal_is_listed(path: str) -> None:
    """No name with an underscore, and no module but the losses', whose docstring has the conventions."""
    assert not [part for part in path.split(".") if part.startswith("_")]
    assert not inspect.ismodule(SCRIPT["thing"](path)) or path == "focal_ref.losses"


@pytest.mark.parametrize("name", ["sigmoid_focal_loss", "softmax_focal_loss"])
@pytest.mark.parametrize("package", ["focal_ref", "focal_ref_torch", "focal_ref_jax"])
def test_help_tells_parameters_and_formula(package: str, name: str) -> None:
    """`help(fr.sigmoid_focal_loss)` is enough to use it."""
    text = inspect.getdoc(getattr(importlib.import_module(package), name)) or ""
    assert "(1 − p_t)^γ" in text
    for word in ("gamma : ", "alpha : ", "reduction : ", "weight : "):
        assert word in text

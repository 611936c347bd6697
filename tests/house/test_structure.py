"""The house is built as drawn: who imports whom, what is public, and how long anything may be."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import focal_ref

ROOT = Path(focal_ref.__file__).parent
FILES = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in sorted(ROOT.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in FILES.items()}
NAMES = [name for name in FILES if not name.endswith("__init__")]
PUBLIC = [name for name in NAMES if name != "__main__"]
FORMULAS = [name for name in NAMES if name.startswith(("mathematics.", "family."))]

LIBRARIES = {"array_api_compat", "array_api_strict", "cupy", "cupyx", "dask", "jax", "ml_dtypes", "torch"}
KNOW_LIBRARIES = ("engine.", "libraries.")
OF_A_FRAMEWORK = ("engine.torch_namespace",)
"""Modules of one framework's own, imported inside the function that was handed its array."""
LONGEST_MODULE = 300
LONGEST_FUNCTION = 45


def imports(name: str, *, top_level: bool = False) -> Iterator[str]:
    """Other packages that a module imports; with `top_level`, when it is imported."""
    nodes = _at_import(TREES[name]) if top_level else ast.walk(TREES[name])
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield str(node.module)


def _at_import(tree: ast.AST) -> Iterator[ast.AST]:
    """Nodes outside functions, and outside `if TYPE_CHECKING`."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            yield node
            yield from _at_import(node)


def test_data_goes_one_way() -> None:
    """The floors of pyproject.toml: each package imports those below it, none in a circle, and the oracle no fast code."""
    lint = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run([lint, "--no-cache"], capture_output=True, text=True, check=False, cwd=ROOT.parent)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", FORMULAS)
def test_formulas_know_only_the_namespace_they_are_handed(name: str) -> None:
    """mathematics and family import what describes types and functions, and each other: no array library, not even NumPy."""
    allowed = {"__future__", "typing", "collections", "types", "dataclasses", "functools", "inspect"}
    assert {i.partition(".")[0] for i in imports(name)} <= allowed


def test_losses_need_neither_mpmath_nor_any_framework() -> None:
    """`import focal_ref` in a fresh interpreter loads no framework, and not mpmath."""
    unwanted = sorted((LIBRARIES | {"mpmath", "flint", "matplotlib", "rich", "scipy"}) - {"array_api_compat"})
    code = f"import sys, focal_ref; print([name for name in {unwanted} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT.parent)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith(KNOW_LIBRARIES)])
def test_only_two_rooms_know_a_library(name: str) -> None:
    """engine and libraries name array libraries; no other module imports one, or asks for an array's."""
    assert not {i.partition(".")[0] for i in imports(name)} & LIBRARIES
    asked = [node.attr for node in ast.walk(TREES[name]) if isinstance(node, ast.Attribute)]
    assert not [
        a for a in asked if a.startswith("is_") and a.removesuffix("_array").removesuffix("_namespace")[3:] in LIBRARIES
    ]


@pytest.mark.parametrize("name", [name for name in NAMES if name not in OF_A_FRAMEWORK])
def test_no_framework_is_imported_with_the_package(name: str) -> None:
    """A framework is imported inside the function that was handed its array, never when a module is."""
    assert not {i.partition(".")[0] for i in imports(name, top_level=True)} & (LIBRARIES - {"array_api_compat"})


@pytest.mark.parametrize("name", FORMULAS)
def test_no_epsilon_and_no_clip(name: str) -> None:
    """No small constant is added, and nothing is clipped, to hide a 0 or an infinity."""
    for node in ast.walk(TREES[name]):
        assert not (isinstance(node, ast.Attribute) and node.attr in ("clip", "clamp", "nan_to_num")), ast.unparse(node)
        if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub)):
            assert not _is_small(node.left), ast.unparse(node)
            assert not _is_small(node.right), ast.unparse(node)


def _is_small(node: ast.expr) -> bool:
    if isinstance(node, ast.Constant):
        return isinstance(node.value, float) and 0 < abs(node.value) < 1e-2
    return isinstance(node, (ast.Attribute, ast.Name)) and ast.unparse(node).lower().rpartition(".")[2] in ("eps", "epsilon")


@pytest.mark.parametrize("name", PUBLIC)
def test_all_is_exactly_what_is_public(name: str) -> None:
    """`__all__` is sorted as ruff sorts it and holds each public function and class defined there, and nothing absent."""
    module = importlib.import_module(f"focal_ref.{name}")
    assert hasattr(module, "__all__"), f"focal_ref.{name} has no __all__"
    listed = set(module.__all__)
    assert len(listed) == len(module.__all__)
    assert not [n for n in listed if not hasattr(module, n) or n.startswith("_")]
    assert {n for n in _defined(module) if not n.startswith("_")} - listed == set()


def _defined(module: ModuleType) -> Iterator[str]:
    for name, thing in vars(module).items():
        if (inspect.isfunction(thing) or inspect.isclass(thing)) and thing.__module__ == module.__name__:
            yield name


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_too_long(name: str) -> None:
    """Modules and functions fit the eye: a ceiling on the lines of both, docstrings counted in modules only."""
    assert len(FILES[name].read_text(encoding="utf-8").splitlines()) <= LONGEST_MODULE
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.FunctionDef):
            first = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
            lines = (node.end_lineno or 0) - first.lineno + 1
            assert lines <= LONGEST_FUNCTION, f"{name}.{node.name}: {lines} lines"


@pytest.mark.parametrize("name", list(FILES))
def test_every_public_thing_says_what_it_is(name: str) -> None:
    """Modules, public functions, classes and methods have docstrings."""
    tree = TREES[name]
    assert ast.get_docstring(tree), name
    for node in _public(tree):
        assert ast.get_docstring(node), f"{name}.{node.name}"
        protocol = isinstance(node, ast.ClassDef) and any(isinstance(b, ast.Name) and b.id == "Protocol" for b in node.bases)
        for method in _public(node) if isinstance(node, ast.ClassDef) and not protocol else ():
            assert ast.get_docstring(method), f"{name}.{node.name}.{method.name}"


def _public(parent: ast.Module | ast.ClassDef) -> Iterator[ast.FunctionDef | ast.ClassDef]:
    for node in parent.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            yield node


def test_adapters_stand_on_their_own() -> None:
    """No module of focal_ref imports an adapter."""
    for name in NAMES:
        assert not [i for i in imports(name) if i.partition(".")[0].startswith("focal_ref_")], name

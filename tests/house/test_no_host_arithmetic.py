"""No host arithmetic on what a tracer may own: numbers, sizes and entries on the traced path stay what they are.

`float()`, `math.…`, `divmod` and NumPy's functions want a number now; under torch's and JAX's tracers there is none yet. What
stands on the path and may call them all the same is named here, each with the reason why no tracer comes by.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import focal_ref

CORE = Path(focal_ref.__file__).parent
ADAPTERS = CORE.parent / "adapters"
PATH = [
    *sorted((CORE / "losses").glob("*.py")),
    *sorted((CORE / "mathematics").glob("*.py")),
    *sorted((CORE / "family").glob("*.py")),
    *(CORE / "engine" / f"{name}.py" for name in ("arrays", "layout", "precision", "run", "torch_tensors")),
    CORE / "conventions" / "training.py",
    *sorted((ADAPTERS / "focal_ref_torch").glob("*.py")),
    *sorted((ADAPTERS / "focal_ref_jax").glob("*.py")),
]
"""The modules that a call goes through."""

HOST = frozenset(("float", "int", "complex", "bool", "round", "divmod", "item", "tolist", "as_integer_ratio"))
"""Functions and methods that want a Python number."""

LIBRARIES = frozenset(("math", "np", "numpy", "operator", "fractions", "decimal"))
"""Modules whose functions do; what is no function of theirs (`math.inf`, `np.ndarray`) may stand."""

SEEN = "entries that are on the host already: nobody traces them"
OPTION = "an option, which is a number of Python's when the loss is made; torch's compiler guards it"
NUMPY = "NumPy's arrays only"
PAIRS = "reference precision, in pairs of NumPy's float64: nobody traces that"
FACT = "a fact of a type, a device or a library, never of an entry or a size"

ALLOWED = {
    ("losses/arguments", ""): "a constant",
    ("losses/arguments", "sigmoid_targets"): OPTION,
    ("losses/cures", "leaving_out"): SEEN,
    ("losses/cures", "of_a_class"): SEEN,
    ("losses/cures", "of_weights"): SEEN,
    ("losses/arguments", "_all_in_unit_interval"): SEEN,
    ("losses/arguments", "row_sums"): SEEN,
    ("losses/options", "as_float"): OPTION,
    ("losses/options", "number"): OPTION,
    ("losses/options", "parameter"): SEEN,
    ("losses/options", "are_same"): SEEN,
    ("losses/options", "refuse_where"): SEEN,
    ("losses/plan", "is_steep"): OPTION,
    ("losses/reference", "results"): PAIRS,
    ("losses/reference", "_sum"): PAIRS,
    ("losses/reference", "_exactly"): PAIRS,
    ("losses/reference", "_nearest"): PAIRS,
    ("mathematics/pair_functions", "_quotient"): "a constant",
    ("mathematics/pair_scaling", "PairArithmetic"): "a constant",
    ("mathematics/minimisers", "settled_near_zero"): FACT,
    ("mathematics/pair_scaling", "pair"): PAIRS,
    ("mathematics/pair_scaling", "_constant"): PAIRS,
    ("mathematics/pair_scaling", "_is_power_of_two"): PAIRS,
    ("engine/arrays", "numpy_namespace"): "a constant",
    ("engine/arrays", "same_device"): FACT,
    ("engine/arrays", "values"): SEEN,
    ("engine/arrays", "count"): "a product of sizes, which a tracer's own sizes take part in",
    ("engine/arrays", "quiet"): "NumPy's error state",
    ("engine/arrays", "_is_hard"): SEEN,
    ("engine/layout", "one_hot"): NUMPY,
    ("engine/layout", "_plain"): "a float of Python's: a count for NumPy, CuPy or Dask",
    ("engine/layout", "reduced"): NUMPY,
    ("engine/layout", "_rounded_quietly"): NUMPY,
    ("engine/precision", "has"): FACT,
    ("engine/precision", ""): "a table of types",
    ("engine/precision", "in_range"): OPTION,
    ("engine/precision", "round_to"): "a float of Python's: type(…) is float for whoever calls it",
    ("engine/run", "run"): "a count that NumPy, CuPy or Dask was handed (`Varying`)",
    ("engine/torch_tensors", "is_ragged"): FACT,
    ("engine/torch_tensors", "is_recorded"): FACT,
    ("engine/torch_tensors", "room"): NUMPY,
    ("engine/torch_tensors", "tensor"): NUMPY,
    ("engine/torch_tensors", "view"): SEEN,
    ("conventions/training", "of"): OPTION,
    ("conventions/training", "_class_weights"): OPTION,
    ("focal_ref_torch/_autograd", "backward"): SEEN,
    ("focal_ref_torch/family", "sigmoid_focal_loss_star"): OPTION,
    ("focal_ref_torch/family", "__init__"): OPTION,
    ("focal_ref_torch/modules", "extra_repr"): "what is printed",
}
"""By module and function: why no tracer comes by."""


def name_of(path: Path) -> str:
    root = ADAPTERS if ADAPTERS in path.parents else CORE
    return path.relative_to(root).with_suffix("").as_posix()


def calls(tree: ast.AST, inside: str = "") -> Iterator[tuple[str, str, int]]:
    """Host arithmetic: the function it stands in, what is called, and the line."""
    for node in ast.iter_child_nodes(tree):
        here = node.name if isinstance(node, (ast.FunctionDef, ast.ClassDef)) else inside
        if isinstance(node, ast.Call):
            called = node.func
            if isinstance(called, ast.Name) and called.id in HOST:
                yield inside, called.id, node.lineno
            elif isinstance(called, ast.Attribute):
                of = called.value.id if isinstance(called.value, ast.Name) else ""
                if called.attr in HOST or of in LIBRARIES:
                    yield inside, f"{of or '…'}.{called.attr}", node.lineno
        yield from calls(node, here)


def test_the_path_has_no_host_arithmetic() -> None:
    """Each call is allowed by name, or is none."""
    found = {
        (name_of(path), function, call): line
        for path in PATH
        for function, call, line in calls(ast.parse(path.read_text(encoding="utf-8")))
        if (name_of(path), function) not in ALLOWED
    }
    assert not found


def test_what_is_allowed_is_there() -> None:
    """No permission outlives its call."""
    trees = {name_of(path): ast.parse(path.read_text(encoding="utf-8")) for path in PATH}
    there = {(module, function) for module, tree in trees.items() for function, _, _ in calls(tree)}
    assert set(ALLOWED) <= there


@pytest.mark.parametrize(
    "line", ["float(max(count, 1))", "divmod(size, 2)", "math.prod(shape)", "x.sum().item()", "np.asarray(x)", "bool(n > 1)"]
)
def test_it_finds_what_it_looks_for(line: str) -> None:
    """A call that a tracer once stumbled over."""
    assert [function for function, _, _ in calls(ast.parse(f"def f(x):\n    return {line}"))] == ["f"]

"""The framework of a function is what it is made of, through decorators, helpers and wrappers; not what its module imports."""

from __future__ import annotations

import functools
import importlib.util
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import focal_ref as fr
from focal_ref.conformance import check
from focal_ref.conventions import recognise
from focal_ref.libraries import origins

FEW: dict[str, Any] = {"gammas": (2.0,), "dtypes": ("float32",), "largest": 8.0, "order": 1}

JAX = """
import functools
import jax, jax.numpy as jnp, numpy as np, optax
from focal_ref_jax import softmax_focal_loss
from beside import log_p
import beside

def plain(x, y, gamma):
    z = jnp.where(y == 1, x, -x)
    return jax.nn.sigmoid(-z) ** gamma * -jax.nn.log_sigmoid(z)

jitted = jax.jit(plain)
static = functools.partial(jax.jit, static_argnames="gamma")(plain)

def helped(x, y, gamma):
    return _second(x, y, gamma)

def _second(x, y, gamma):
    return plain(x, y, gamma)

def inner(x, y, gamma):
    def losses(v):
        return plain(v, y, gamma)
    return losses(x)

def thin(x, y, gamma):
    return optax.sigmoid_focal_loss(x, y, gamma=gamma)

def rows(x, y, gamma):
    return softmax_focal_loss(x, y, gamma=gamma)

def late(x, y, gamma):
    import jax.nn as nn
    return nn.sigmoid(x)

def by_default(x, y, gamma, xp=jnp):
    return xp.exp(x)

def from_beside(x, y, gamma):
    return -log_p(x, y)

def of_beside(x, y, gamma):
    return -beside.log_p(x, y)

class Loss:
    def __init__(self, gamma=2.0):
        self.gamma = gamma

    def __call__(self, logits, targets):
        return self._losses(logits, targets)

    def _losses(self, x, y):
        return plain(x, y, self.gamma)

def numpys(x, y, gamma):
    z = np.where(y == 1, x, -x)
    return (1 / (1 + np.exp(z))) ** gamma * np.log1p(np.exp(-z))

def unseen(x, y, gamma):
    return globals()["pl" + "ain"](x, y, gamma)
"""
BESIDE = """
import jax

def log_p(x, y):
    return jax.nn.log_sigmoid(x)
"""
TORCH = """
import torch
import numpy as np
from torch.nn import functional

def _losses(x, y, gamma):
    z = torch.where(y == 1, x, -x)
    return torch.sigmoid(-z) ** gamma * -functional.logsigmoid(z)

def helped(x, y, gamma):
    return _losses(x, y, gamma)

def held(losses):
    def call(x, y, gamma):
        return losses(x, y, gamma)
    return call

closed = held(_losses)

def numpys(x, y, gamma):
    z = np.where(y == 1, x, -x)
    return (1 / (1 + np.exp(z))) ** gamma * np.log1p(np.exp(-z))
"""
OF_JAX = (
    *("plain", "jitted", "static", "helped", "inner", "thin", "rows", "late", "by_default"),
    *("from_beside", "of_beside", "Loss"),
)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, types.ModuleType]]:
    """Modules of files, and an optax, which is wrapped by its name alone."""
    folder = tmp_path_factory.mktemp("losses")
    optax = types.ModuleType("optax")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "optax", optax)
        patch.syspath_prepend(str(folder))
        (folder / "beside.py").write_text(BESIDE)
        made = {name: _module(folder / f"{name}.py", text) for name, text in (("of_jax", JAX), ("of_torch", TORCH))}
        optax.__dict__["sigmoid_focal_loss"] = made["of_jax"].plain
        yield made
        for name in (*made, "beside"):
            sys.modules.pop(name, None)


def _module(path: Path, text: str) -> types.ModuleType:
    path.write_text(text)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", OF_JAX)
def test_what_a_function_calls_says_its_framework(files: dict[str, types.ModuleType], name: str) -> None:
    """Compiled, by helpers of its own file or one beside it, wrapped around another package's."""
    fn = getattr(files["of_jax"], name)
    assert origins.hinted(fn) == "jax"
    assert origins.hinted(functools.partial(fn, gamma=2.0)) == "jax"


@pytest.mark.parametrize("name", ["helped", "closed"])
def test_torch_is_found_through_helpers_and_closures(files: dict[str, types.ModuleType], name: str) -> None:
    """And its gradient is measured, without a word of its user's."""
    fn = getattr(files["of_torch"], name)
    assert origins.hinted(fn) == "torch"
    verdict = check(fn, **FEW)
    assert [(row.backend, row.quantity) for row in verdict.rows] == [("torch", "value"), ("torch", "grad")]
    assert recognise(fn).structure == "sigmoid"


@pytest.mark.parametrize("file", ["of_jax", "of_torch"])
def test_what_a_module_only_imports_says_nothing(files: dict[str, types.ModuleType], file: str) -> None:
    """A NumPy function stays NumPy's beside others, and so do this package's."""
    assert origins.hinted(files[file].numpys) is None
    assert {row.backend for row in check(files[file].numpys, **FEW).rows} == {"numpy"}
    assert recognise(files[file].numpys).structure == "sigmoid"
    for fn in (fr.sigmoid_focal_loss, fr.SigmoidFocalLoss(), fr.profiles.get("torchvision"), np.vectorize(float), len):
        assert origins.hinted(fn) is None


@pytest.mark.slow
@pytest.mark.parametrize("name", ["jitted", "helped", "unseen"])
def test_a_jax_loss_that_takes_numpy_arrays_is_judged_as_jaxs(files: dict[str, types.ModuleType], name: str) -> None:
    """Its gradient is measured; what no look at it tells, the arrays that it gives do."""
    verdict = check(getattr(files["of_jax"], name), **FEW)
    assert [(row.backend, row.quantity) for row in verdict.rows] == [("jax", "value"), ("jax", "grad")]
    assert not [finding for finding in verdict.findings if "float32" in str(finding.cause)]


def test_the_conventions_are_asked_for_in_the_framework_that_is_found(files: dict[str, types.ModuleType]) -> None:
    """Its gradients' rows can be told then; a framework that is said goes before."""
    assert recognise(files["of_jax"].rows, link="softmax").gradient_sums_to_zero is True
    assert recognise(files["of_jax"].unseen).structure == "sigmoid"
    assert recognise(fr.softmax_focal_loss, link="softmax").gradient_sums_to_zero is None

"""Transforms of a framework: vmap, compile and jit, under which a loss is to be the same.

A function that a transform refuses is remarked on, for many are not written for it; one that gives other numbers is wrong.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..typing import Floats
from .candidate import Subject
from .guard import Refused, contained
from .pool import Odd

__all__ = ["odd_transforms"]

ROUGH = 1e-3
RECOMPILES = 1 << 30


def odd_transforms(
    subject: Subject, dtype: str, gamma: float, x: Floats, y: NDArray[np.int64], remarks: dict[str, None], *, compiles: bool
) -> Iterator[Odd]:
    """What is another loss under a transform; `compiles`: torch's compiler is to be tried, which takes seconds."""
    if subject.channels_first or subject.inputs != "logits" or subject.derivative not in ("auto", None):
        return
    arrays = subject.framework.arrays
    root = arrays.name.partition("-")[0]
    for name, transform in _transforms(root, compiles):
        try:
            with contained(), arrays.context():
                given, targets = subject.given(dtype, x, y)
                due = arrays.to_numpy(subject.raw(given, targets, gamma))
                got = arrays.to_numpy(transform(lambda v, t: subject.raw(v, t, gamma))(given, targets))
        except Refused as error:
            remarks[f"{name} is refused: {str(error)[:80]}"] = None
            continue
        if got.shape != due.shape or not np.allclose(got, due, rtol=ROUGH, atol=1e-6 * np.abs(due).max(initial=0.0)):
            cure = "the same operations whatever is traced: no branch on numbers or types, a setup_context and a vmap rule"
            numbers = (repr(float(np.ravel(a)[0])) if np.size(a) else "nothing" for a in (got, due))
            yield Odd("value", "inexact", f"another loss under {name}", cure, 1, name, *numbers)


def _transforms(root: str, compiles: bool) -> Iterator[tuple[str, Callable[[Any], Any]]]:
    if root == "torch":
        func = importlib.import_module("torch.func")
        yield "torch.func.vmap", lambda fn: _one_by_one(func.vmap, fn)
        if compiles or "torch._dynamo" in sys.modules:
            yield "torch.compile", _compiled
    if root == "jax":
        jax = importlib.import_module("jax")
        yield "jax.vmap", lambda fn: _one_by_one(jax.vmap, fn)
        yield "jax.jit", jax.jit


def _compiled(fn: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Compiled however many losses this process has checked: past its own limit torch silently runs a function as it is."""
    torch = importlib.import_module("torch")
    config: Any = importlib.import_module("torch.compiler.config")

    def call(x: Any, y: Any) -> Any:
        with config.patch(recompile_limit=RECOMPILES, accumulated_recompile_limit=RECOMPILES):
            return torch.compile(fn, backend="eager", fullgraph=False)(x, y)

    return call


def _one_by_one(vmap: Any, fn: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Each example a batch of one within."""

    def call(x: Any, y: Any) -> Any:
        found = vmap(lambda v, t: fn(v[None], t[None]))(x, y)
        return found.reshape(x.shape[0])

    return call

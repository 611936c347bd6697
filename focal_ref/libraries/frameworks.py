"""Frameworks, as far as `focal_ref.conformance.check` needs them: arrays to and fro, and a gradient.

Any other framework takes part by three small functions. Keras on top of TensorFlow, for instance:

```text
def gradient(losses, x):                        # of the sum of all losses
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(losses(x))
    return tape.gradient(total, x)

arrays = Backend("keras", ("float32",), lambda a, dtype: tf.constant(a, dtype), lambda x: x.numpy().astype("float64"))
check(loss, framework=Framework(arrays, gradient))
```
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeAlias

from . import backends
from .backends import Backend

__all__ = ["Framework", "get", "guessed", "on_one_thread"]

Gradient: TypeAlias = Callable[[Callable[[Any], Any], Any], Any]
"""`gradient(losses, x)`: the derivative of the sum of losses(x) by x. It is nested for second derivatives."""


class Framework(NamedTuple):
    """An array library, and how it differentiates, if it does."""

    arrays: Backend
    gradient: Gradient | None = None


def get(framework: str | Framework) -> Framework:
    """The framework of that name, one of `focal_ref.backends.NAMES`; a `Framework` as it is.

    Raises
    ------
    ValueError
        Where none has that name.
    focal_ref.backends.Unavailable
        Where it cannot be used here.

    Examples
    --------
    >>> get("numpy").gradient is None
    True
    """
    if isinstance(framework, Framework):
        return framework
    arrays = backends.get(framework)
    return Framework(arrays, _GRADIENTS.get(framework.partition("-")[0]))


@contextlib.contextmanager
def on_one_thread(framework: Framework) -> Iterator[None]:
    """Torch without threads of its own, which take longer to wake than arrays of a thousand numbers take."""
    torch = sys.modules.get("torch") if framework.arrays.name == "torch" else None
    before = torch.get_num_threads() if torch else 1
    if torch and before > 1:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        if torch and before > 1:
            torch.set_num_threads(before)


def guessed(fn: Callable[..., Any]) -> str:
    """The name of the framework that a function's module has imported: torch, jax, cupy, or else numpy.

    Examples
    --------
    >>> guessed(lambda logits, targets, gamma: logits)
    'numpy'
    """
    plain = inspect.unwrap(fn)
    module = sys.modules.get(getattr(plain, "__module__", None) or type(plain).__module__)
    names = {getattr(value, "__name__", "") for value in vars(module).values() if inspect.ismodule(value)} if module else set()
    roots = {name.partition(".")[0] for name in names}
    return next((name for name in ("torch", "jax", "cupy") if name in roots), "numpy")


def _torch_gradient(losses: Callable[[Any], Any], x: Any) -> Any:
    torch = importlib.import_module("torch")
    nested = x.requires_grad
    x = x if nested else x.clone().requires_grad_()
    total = losses(x).sum()
    if not total.requires_grad:
        raise TypeError("the result does not depend on the logits, as far as torch's autograd can see")
    (found,) = torch.autograd.grad(total, x, create_graph=nested)
    return found


def _jax_gradient(losses: Callable[[Any], Any], x: Any) -> Any:
    return importlib.import_module("jax").grad(lambda v: losses(v).sum())(x)


_GRADIENTS: dict[str, Gradient] = {"torch": _torch_gradient, "jax": _jax_gradient}

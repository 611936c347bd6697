"""A loss's methods by their names, all called alike, so that a promise can be tested of each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["METHODS", "ONE_RESULT", "leaves"]


def _hvp(loss: Any, x: Any, t: Any, v: Any = None, w: Any = None) -> Any:
    return loss.hvp(x, t, x if v is None else v, w)


ONE_RESULT: dict[str, Callable[..., Any]] = {
    "value": lambda loss, x, t, v=None, w=None: loss.value(x, t, w),
    "grad": lambda loss, x, t, v=None, w=None: loss.grad(x, t, w),
    "hessian_diag": lambda loss, x, t, v=None, w=None: loss.hessian_diag(x, t, w),
    "hvp": _hvp,
    "gamma_grad": lambda loss, x, t, v=None, w=None: loss.gamma_grad(x, t, w),
}
METHODS: dict[str, Callable[..., Any]] = {
    **ONE_RESULT,
    "value_and_grad": lambda loss, x, t, v=None, w=None: loss.value_and_grad(x, t, w),
    "value_grad_hess": lambda loss, x, t, v=None, w=None: loss.value_grad_hess(x, t, w),
}
"""Arguments: loss, logits, targets, tangent (the logits, where none is given) and weight."""


def leaves(results: Any) -> tuple[Any, ...]:
    """One result or several, as a tuple."""
    return results if isinstance(results, tuple) else (results,)

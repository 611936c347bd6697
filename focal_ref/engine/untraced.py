"""Kernels whose formulas can't be traced, since they ask of symbols what only arrays have: they run on the arrays.

Only kernels from elsewhere: one of this package that can't be traced is a fault, and raises.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from weakref import WeakSet

__all__ = ["UntracedError", "is_untraced", "pass_over", "trace"]

_known: WeakSet[type] = WeakSet()


class UntracedError(Exception):
    """A kernel's formulas failed on symbols."""

    def __init__(self, kernel: type, cause: Exception) -> None:
        super().__init__(f"{type(cause).__name__}: {cause}")
        self.kernel = kernel


def trace(program: Callable[..., Sequence[Any]], xp: Any, *symbols: Any, **named: Any) -> Sequence[Any]:
    """A program's results on symbols.

    Raises
    ------
    UntracedError
        Where the formulas of a kernel from elsewhere fail on them; this package's raise what they raise.
    """
    try:
        return program(xp, *symbols, **named)
    except Exception as error:
        kernel = _kernel(program, **named)
        if kernel is None or kernel.__module__.partition(".")[0] == __name__.partition(".")[0]:
            raise
        raise UntracedError(kernel, error) from error


def is_untraced(program: Callable[..., Any]) -> bool:
    """Whether tracing a program's kernel failed before."""
    return bool(_known) and _kernel(program) in _known


def pass_over(error: UntracedError) -> None:
    """Remember the kernel, and say once that it runs without one loop or CUDA kernel for all."""
    if error.kernel not in _known:
        _known.add(error.kernel)
        words = f"{error.kernel.__name__}'s formulas run operation by operation, not as one loop ({error})"
        warnings.warn(f"focal_ref: {words}; what can be traced: docs/family.md", RuntimeWarning, stacklevel=2)


def _kernel(program: Callable[..., Any], plan: Any = None) -> type | None:
    if isinstance(program, partial):
        plan = program.keywords.get("plan", plan)
    kernel: type | None = getattr(plan, "kernel", None)
    return kernel

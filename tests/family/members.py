"""The members that promises are tried on: each with a file, at its defaults and at its parameters' other values."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from focal_ref import oracle
from focal_ref.family import KERNELS, Kernel

__all__ = ["MEMBERS", "another", "due", "tried"]

MEMBERS: list[Kernel] = [kernel() for kernel in KERNELS.values()]
"""A new member is here by having a file."""


def another(kernel: Kernel) -> Kernel:
    """The same member, with its parameters' other values."""
    return type(kernel)(**{name: known.another for name, known in kernel.parameters.items()})


def tried(backend: Any, kernel: Kernel) -> list[Kernel]:
    """Both on NumPy, where no other values mean another compilation; elsewhere the defaults, which go the same ways."""
    return [kernel, another(kernel)] if backend.name in ("numpy", "array-api-strict") else [kernel]


@lru_cache(256)
def due(kernel: Kernel, logits: tuple[Any, ...], targets: tuple[Any, ...], alpha: float | None = None) -> list[Any]:
    """The oracle's results, made once for all backends and types."""
    return oracle.member_many(kernel, list(logits), list(targets), alpha=alpha)

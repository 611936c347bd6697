"""Members of the family as they are handed over: whether something is one, and its parameters checked."""

from __future__ import annotations

import dataclasses
from typing import Any

from ..mathematics.kernel import Kernel
from . import options

__all__ = ["checked_kernel", "is_member", "with_gamma"]


def is_member(x: object) -> bool:
    """Whether something is a member of the family, with its parameters or, by mistake, without."""
    return isinstance(x, Kernel) or (isinstance(x, type) and issubclass(x, Kernel))


def with_gamma(kernel: Kernel, gamma: float) -> Kernel:
    """A kernel with another γ, if it has one."""
    return dataclasses.replace(kernel, gamma=gamma) if "gamma" in kernel.parameters else kernel  # type: ignore[type-var]


def checked_kernel(kernel: Any) -> Kernel:
    """A kernel whose parameters are checked, and sequences of them tuples."""
    if not isinstance(kernel, Kernel):
        cure = f"; did you mean {kernel.__name__}()?" if is_member(kernel) else ""
        came = kernel.__name__ if isinstance(kernel, type) else options.describe(kernel)
        raise TypeError(f"kernel: got {came}; expected a member of focal_ref.family with its parameters{cure}")
    given = {
        name: options.parameter(name, kernel.values[name], known.high, known.accepted, low=known.low)
        for name, known in kernel.parameters.items()
    }
    return dataclasses.replace(kernel, **given)  # type: ignore[type-var]

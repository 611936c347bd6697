"""Member of the family that a function is meant to be: found, tried, named, and the γ that it takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..family.focal import Focal
from ..losses import SigmoidFocalLoss, SigmoidLoss, SoftmaxFocalLoss, SoftmaxLoss, arguments
from ..losses.members import checked_kernel, with_gamma
from ..mathematics.kernel import Kernel
from .candidate import Subject
from .contract import GAMMAS
from .guard import Refused, contained

__all__ = ["gammas_of", "meant", "member", "named"]


def member(fn: Any, kernel: Any) -> Kernel | None:
    """The member that is said, or that a loss or module of focal_ref has; None for focal loss.

    Raises
    ------
    TypeError, ValueError
        Where it is none, or cannot be evaluated: batches are compared with its own losses, not with its definition.
    """
    own = getattr(fn, "kernel", None)
    kernel = own if kernel is None and isinstance(own, Kernel) else kernel
    found = None if kernel is None else checked_kernel(kernel)
    if found is None or isinstance(found, Focal):
        return None
    try:
        with contained():
            SigmoidLoss(found)(np.zeros(1), 1)
    except Refused as error:
        raise ValueError(f"kernel: {type(found).__name__} cannot be evaluated: {error}") from None
    return found


def gammas_of(kernel: Kernel, gammas: Sequence[float]) -> Sequence[float]:
    """The usual γ as far as a member takes them; 0 stands for that of a member that has none."""
    own = kernel.parameters.get("gamma")
    if own is None:
        return (0.0,) if gammas is GAMMAS else gammas
    if gammas is GAMMAS:
        return tuple(gamma for gamma in GAMMAS if own.low <= gamma <= own.high)
    for gamma in gammas:
        accepted = f"numbers in [{own.low:g}, {own.high:g}], {type(kernel).__name__}'s"
        arguments.number("gammas", gamma, own.low, own.high, accepted)
    return gammas


def meant(subject: Subject, gamma: float, **options: Any) -> Any:
    """The loss of focal_ref that a function is meant to be, without α."""
    rows = subject.link == "softmax"
    if subject.kernel is None:
        return (SoftmaxFocalLoss if rows else SigmoidFocalLoss)(gamma=gamma, **options)
    return (SoftmaxLoss if rows else SigmoidLoss)(with_gamma(subject.kernel, gamma), **options)


def named(kernel: Kernel | None) -> str:
    """A member by its class's name and what it has beside γ."""
    if kernel is None:
        return "focal loss"
    told = ", ".join(f"{name}={value!r}" for name, value in kernel.values.items() if name != "gamma")
    return f"{type(kernel).__name__}({told})"

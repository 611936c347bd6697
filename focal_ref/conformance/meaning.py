"""Meaning of a loss, where it is not meant to be plain focal loss: its α outside or inside, its clip, its smoothing."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..typing import Floats, Mask
from . import ulp
from .contract import Exact
from .place import Place

__all__ = ["Factor", "Inside", "Meaning", "forgiven"]

Factor: TypeAlias = Callable[[NDArray[np.int32], int], Floats]
"""`factor(targets, classes)`: what each loss is multiplied by."""


@dataclasses.dataclass(frozen=True)
class Meaning:
    """What each loss is meant to be; called with targets and the number of classes, what it is multiplied by."""

    factor: Factor | None = None
    inside: Factor | None = None
    """α that weighs the cross entropy before p_t is taken from it: (1 − p^α)^γ α ℓ."""
    clips: float | None = None
    """p is clipped to [ε, 1 − ε]."""
    smoothing: float = 0.0
    soft: str = "mix"
    """What smoothed labels of a sigmoid mean."""

    def __call__(self, targets: NDArray[np.int32], classes: int) -> Floats:
        """What each loss is multiplied by, outside."""
        return np.ones(len(targets)) if self.factor is None else np.asarray(self.factor(targets, classes), dtype=np.float64)

    @property
    def plain(self) -> bool:
        """Whether it is focal loss but for a factor."""
        return self.inside is None and self.clips is None and not self.smoothing


class Inside:
    """Focal loss of a cross entropy that is weighed first, as the oracle takes a member of the family."""

    def __init__(self, share: float) -> None:
        self.values = {"share": share}

    @dataclasses.dataclass(frozen=True)
    class _Parameter:
        default: float
        low: float = 0.0
        high: float = math.inf

    parameters = {"gamma": _Parameter(2.0), "share": _Parameter(1.0)}  # noqa: RUF012

    @staticmethod
    def definition(p: Any, u: Any, nll: Any, gamma: Any, share: Any) -> Any:
        """(1 − p^α)^γ α ℓ."""
        return (1 - p**share) ** gamma * (share * nll)


def forgiven(got: Floats, exact: Exact, place: Place, clips: float, dtype: str) -> tuple[Floats, Exact]:
    """Results and what is due, flat, of a function that takes p and clips it.

    Its plateau is what is due beyond ε; between, errors are forgiven that a p has which is rounded beside 1. What is forgiven
    stands as exact.
    """
    eps, g = ulp.FORMATS[dtype].eps, place.gamma
    near = clips + 2 * eps
    p, u = (np.broadcast_to(a, place.shape).ravel() for a in (place.p, place.u))
    weight = np.broadcast_to(place.weight, place.shape).ravel()
    with np.errstate(all="ignore"):
        least = np.minimum(p, u)
        hard, easy, plateau = p < clips / 2, u < clips / 2, least < clips / 2
        allowed = 8 * (1 + g) * eps / np.maximum(least, eps) * np.abs(exact.terms)
        fine: Mask = ~plateau & ((np.abs(got - exact.hi) <= allowed) | (least < 2 * near))
        if place.quantity == "value":
            level = weight * (1 - clips) ** g * -math.log(clips)
            fine |= hard & (np.abs(got - level) <= 0.05 * level)
            fine |= easy & (got >= 0) & (got <= 2 * weight * near ** (1 + g))
            due = np.where(hard, level, np.where(easy, weight * clips ** (1 + g), exact.hi))
        else:
            fine |= plateau & (got == 0)
            due = np.where(plateau, 0.0, exact.hi)
    fine &= ~np.isnan(exact.hi)
    due = np.where(np.isnan(exact.hi), exact.hi, due)
    lo = np.where(due == exact.hi, exact.lo, 0.0)
    return np.where(fine, due, got), Exact(
        due, lo, np.maximum(exact.terms, np.abs(due)), np.minimum(exact.nll, -math.log(clips))
    )

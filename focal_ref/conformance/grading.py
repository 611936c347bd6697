"""How bad a wrong result is for who trains with it: four grades, the worst first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from .rows import Finding

if TYPE_CHECKING:
    from ..typing import Mask
    from .results import Evidence

__all__ = ["GRADES", "grade", "worst_first"]

GRADES = MappingProxyType(
    {
        "training": "wrong in training's range",
        "breaks": "breaks training: NaN, inf, or no gradient where it matters",
        "digits": "loses digits",
        "edge": "only at the edge of the range",
    }
)
TRAINING, REACHED = 20.0, 100.0
"""Logits that training has everywhere, and those that it may come to."""
MATTERS, ROUGH = 1e-3, 1e-2
"""Of a loss or gradient: a size that matters, and a relative error that does."""


def grade(evidences: Sequence[Evidence], masks: Sequence[Mask]) -> str:
    """The grade of the results that a cause explains, one of `GRADES`: that of the worst among them."""
    found = {_of(e, mask) for e, mask in zip(evidences, masks, strict=True) if mask.any()}
    return next((name for name in GRADES if name in found), "edge")


def _of(e: Evidence, mask: Mask) -> str:
    top, exact, got = e.top[mask], e.exact.hi[mask], e.got[mask]
    finite = np.isfinite(got) & np.isfinite(exact)
    with np.errstate(all="ignore"):
        much = finite & (np.abs(got - exact) > ROUGH * np.maximum(np.abs(e.exact.terms[mask]), MATTERS))
    if (much & (top <= TRAINING) & ~((got == 0) & (e.on.quantity != "value"))).any():
        return "training"
    gone = finite & (got == 0) & (np.abs(exact) > MATTERS) & (e.on.quantity == "grad")
    if ((~finite | gone | much) & (top <= REACHED)).any():
        return "breaks"
    return "digits" if ((top <= REACHED) & (e.found.units[mask] == 0)).any() else "edge"


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """By grade, those of batches and arguments before those of numbers, values before derivatives."""
    grades = list(GRADES)
    return sorted(findings, key=lambda f: (grades.index(f.grade), not f.of_batch, not f.cause))

"""Unmeant: what a loss is that is meant to be another than focal loss (clipped, smoothed, α inside), where it is not that."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...typing import Floats
from .. import ulp
from ..place import Place
from ..results import Evidence
from .causes import Explained
from .fit import CONFIRMED, Cause

__all__ = ["unmeant"]

SAME = 1e-3
PLAIN = Cause("plain focal loss, not what it is said to be", "leave the option out that says so, or do as it says")


def unmeant(evidences: Sequence[Evidence]) -> list[Explained]:
    """Plain focal loss, where that is what it gives; else nothing is known of it."""
    masks = tuple(e.found.wrong.copy() for e in evidences)
    near, every = 0, 0
    for e, mask in zip(evidences, masks, strict=True):
        due = e.weight * e.each(_plain)
        told = mask & np.isfinite(due) & np.isfinite(e.got)
        apart = np.abs(e.got - due)[told]
        near += int(np.count_nonzero(apart <= SAME * np.abs(due[told]) + ulp.FORMATS[e.on.dtype].tiny))
        every += int(np.count_nonzero(told))
    known = e.on.quantity != "hess" and every > 0 and near >= CONFIRMED * every
    return [Explained(PLAIN if known else None, masks)]


def _plain(m: Place) -> Floats:
    return m.modulator * m.nll if m.quantity == "value" else m.pull() * m.turn

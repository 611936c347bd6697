"""Margins and jets: what a link hands to a kernel, and what the kernel hands back."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..typing import Array
from .scales import Scale

__all__ = ["Jet", "Margin", "Raised", "RaisedMargin"]


class Raised(NamedTuple):
    """The smaller of p and u, times `scales.raised`: a normal number where itself is not."""

    smaller: Array
    scales: Scale


class Margin(NamedTuple):
    """The true class's probability p, its complement u = 1 − p, and ℓ = −log p."""

    p: Array
    u: Array
    nll: Array
    u_low: Array | None = None
    """What rounding took from u, where that would be seen: u^γ multiplies it by γ."""
    p_nll: Array | None = None
    """p ℓ, where the link has it without the limit 0 · inf."""
    gap: Array | None = None
    """Below 0 only where p < ½, also where rounding made p and u equal: the margin, or how far x_t is behind in its row."""
    z: Array | None = None
    """The margin itself, where the link has it exactly (a sigmoid's logit)."""
    shares: tuple[Array, Array, float] | None = None
    """What p and u are of the same sum, before they are divided, and how many times it: normal numbers where p or u is none."""
    label: Any = 1.0
    """1 where the true class is the positives' (a row's always is), 0 where it is the negatives'; set for kernels that ask."""


class RaisedMargin(Margin):
    """A margin with what products need of a p or u that is no normal number, where they may be one themselves."""

    raised: Raised

    def __new__(cls, margin: Margin, raised: Raised) -> RaisedMargin:
        """A margin's own entries, with `raised` beside."""
        made = super().__new__(cls, *margin)
        made.raised = raised
        return made


class Jet(NamedTuple):
    """A function's value and its first and second derivative; those not asked for are None."""

    value: Any
    slope: Any = None
    curvature: Any = None

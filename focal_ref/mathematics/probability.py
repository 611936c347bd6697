"""The third link: a margin from a probability that is given, p and 1 − p, with what is lost by that and what isn't.

A probability near 1 has few digits of its complement: in float32 there is none between 1 − 6e-8 and 1. That was lost when it
was made; from the number that is given everything is exact to the last bits. 1 − p is an exact difference for p ≥ ½, and
elsewhere its rounding error is known.
"""

from __future__ import annotations

from typing import Any

from ..typing import Array, Namespace
from .margin import Margin
from .power import log_complement

__all__ = ["given_probability"]


def given_probability(xp: Namespace, p: Array, carry: bool, label: Any) -> Margin:
    """The true class's margin where the positives' probability is p, and the label 1 or 0."""
    rest = 1 - p
    low = (1 - rest) - p
    if isinstance(label, float):
        own, other = (p, rest) if label else (rest, p)
        own_low = 0 * p if label else low
        other_low = low if label else 0 * p
    else:
        positive = label == 1
        own, other = xp.where(positive, p, rest), xp.where(positive, rest, p)
        own_low, other_low = xp.where(positive, 0.0, low), xp.where(positive, low, 0.0)
    nothing = own == 0
    safe = xp.where(nothing, 1.0, own)
    # Near 1 the logarithm is that of the other one, which is exact; elsewhere it is log(own + own_low), to first order.
    nll = -log_complement(xp, safe, xp.where(nothing, 0.0, other)) - xp.where(nothing | (own > 0.5), 0.0, own_low) / safe
    return Margin(own, other, xp.where(nothing, xp.inf, nll), other_low if carry else None, gap=own - other)

"""Rules that focal losses differ in, by name: what alpha means, and what a sum is divided by.

What a soft target means is in `focal_ref.formulas`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

__all__ = ["ALPHA", "DIVISORS", "REDUCTIONS", "Rule"]

REDUCTIONS = ("none", "mean", "sum")
"""What libraries call them, all alike."""


class Rule(NamedTuple):
    """A convention, in words and as a function."""

    text: str
    of: Callable[..., Any]


def _places(shape: tuple[int, ...], classes: int, link: str, positives: Any) -> int:
    """torch's mean over no axis at all is one over every axis."""
    before = 1 if link == "softmax" else 2
    if len(shape) <= before:
        return math.prod(shape) * (classes if link == "softmax" else 1)
    return math.prod(shape[before:])


ALPHA: Mapping[str, Rule] = MappingProxyType(
    {
        "balance": Rule("α for positives, 1 − α for negatives", lambda y, a: a * y + (1 - a) * (1 - y)),
        "positives": Rule("α for positives, 1 for negatives", lambda y, a: np.where(y == 1, a, 1.0)),
        "background": Rule("1 − α for class 0, α for every other", lambda y, a: np.where(y == 0, 1 - a, a)),
        "factor": Rule("α for everything", lambda y, a: np.full(np.shape(y), a)),
        "classes": Rule("one α a class", lambda y, a: a[y]),
    }
)
"""What alpha puts on each loss: of the targets (labels, or classes) and alpha."""

DIVISORS: Mapping[str, Rule] = MappingProxyType(
    {
        "one": Rule("nothing", lambda shape, classes, link, positives: 1),
        "losses": Rule("the number of losses", lambda shape, classes, link, positives: math.prod(shape)),
        "entries": Rule(
            "the losses × the classes, so also by C", lambda shape, classes, link, positives: math.prod(shape) * classes
        ),
        "classes": Rule("the number of classes", lambda shape, classes, link, positives: classes),
        "places": Rule("an image's places; without any, as a mean", _places),
        "rows": Rule("the number of rows, not of all their losses", lambda shape, *_: shape[0] if shape else 1),
        "positives": Rule("the number of positives, at least 1", lambda shape, classes, link, positives: positives),
    }
)
"""What a sum of losses is divided by: of the losses' shape, the number of classes, the link, and the number of positives."""

"""Flags of test vectors: each names a kind of bug, and says of which cases it holds."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

import mpmath

from ..conformance.ulp import Format, nearest
from .cases import IGNORE_INDEX, Inputs, margin
from .exact import distinct

__all__ = ["FLAGS", "KINDS", "Flag"]

Holds: TypeAlias = Callable[[Inputs, Sequence[Any], Format], bool]

KINDS = ("formula", "derivative", "precision", "range", "limit", "convention")
"""Of bugs."""


class Flag(NamedTuple):
    """Why a case is there."""

    kind: str
    """One of `KINDS`."""
    description: str
    holds: Holds
    """Of the inputs, the exact value, gradient and Hessian diagonal in one list, and the type."""


def _margin_beyond(sign: int, bits: Callable[[Format], int]) -> Holds:
    return lambda case, exact, fmt: sign * margin(case) > bits(fmt) * math.log(2)


def _logits(case: Inputs) -> tuple[float, ...]:
    return case.logits if isinstance(case.logits, tuple) else (case.logits,)


def _any_logit(test: Callable[[float], bool]) -> Holds:
    return lambda case, exact, fmt: any(map(test, _logits(case)))


def _any_result(test: Callable[[float, Format], bool]) -> Holds:
    """Of the size that an exact result rounds to, if it is finite and not 0 itself."""
    return lambda case, exact, fmt: any(test(abs(nearest(v, fmt)), fmt) for v in distinct(exact) if v and mpmath.isfinite(v))


FLAGS: Mapping[str, Flag] = MappingProxyType(
    {
        "gamma=0": Flag("formula", "cross entropy: 0^0, or a power of γ − 1, gives NaN", lambda c, e, f: c.gamma == 0),
        "gamma<1": Flag("formula", "0 < γ < 1: a power of γ − 1 at 1 − p = 0 gives NaN", lambda c, e, f: 0 < c.gamma < 1),
        "1<gamma<2": Flag(
            "derivative",
            "1 < γ < 2: in the second derivative a power of γ − 2 at 1 − p = 0 gives NaN",
            lambda c, e, f: 1 < c.gamma < 2,
        ),
        "gamma=5": Flag("precision", "a large γ multiplies the modulator's error", lambda c, e, f: c.gamma == 5),
        "gamma>5": Flag("range", "a modulator that is subnormal or 0 at ordinary logits", lambda c, e, f: c.gamma > 5),
        "negative": Flag(
            "formula",
            "a sigmoid's target 0: its sign, p or α is the other's",
            lambda c, e, f: c.target == 0.0 and not _is_row(c),
        ),
        "saturated": Flag(
            "precision", "the target's p rounds to 1, where a loss made from 1 − p is 0", _margin_beyond(1, lambda f: f.digits)
        ),
        "far wrong": Flag(
            "range",
            "the target's p is below the type's epsilon: clipped, it has no gradient",
            _margin_beyond(-1, lambda f: f.digits),
        ),
        "exp overflows": Flag(
            "range",
            "exp of the margin's size overflows: log(1 + exp(x)) is inf",
            lambda c, e, f: abs(margin(c)) > (f.emax + 1) * math.log(2),
        ),
        "subnormal": Flag("range", "a result is a subnormal number", _any_result(lambda v, f: 0 < v < f.tiny)),
        "underflow": Flag("range", "a result that is not 0 rounds to 0", _any_result(lambda v, f: v == 0)),
        "overflow": Flag("range", "a finite result rounds to inf", _any_result(lambda v, f: math.isinf(v))),
        "infinite": Flag("limit", "an infinite logit has a limit; inf − inf and 0 · inf give NaN", _any_logit(math.isinf)),
        "nan": Flag("limit", "a logit that is NaN gives NaN, not a number", _any_logit(math.isnan)),
        "curvature<0": Flag(
            "derivative",
            "a second derivative is negative: Gauss-Newton's never is",
            lambda c, e, f: any(v < 0 for v in distinct(e[1 + len(_logits(c)) :])),
        ),
        "tie": Flag(
            "formula", "several logits are the largest", lambda c, e, f: _is_row(c) and _logits(c).count(max(_logits(c))) > 1
        ),
        "10 classes": Flag("precision", "10 classes or more: a sum gathers errors", lambda c, e, f: len(_logits(c)) >= 10),
        "1000 classes": Flag(
            "range",
            "1000 classes or more: beyond what a thread, a block or an index of 8 bits holds",
            lambda c, e, f: len(_logits(c)) >= 1000,
        ),
        "last class": Flag(
            "formula",
            "the target is the last class: a loop that ends too early",
            lambda c, e, f: _is_row(c) and c.target == len(_logits(c)) - 1,
        ),
        "alpha": Flag("convention", "α at the wrong class, or twice", lambda c, e, f: c.alpha is not None),
        "soft target": Flag("convention", "another formula for soft targets", lambda c, e, f: c.soft_targets is not None),
        "weight": Flag(
            "convention", "an example's weight; 0 gives 0, whatever the logits are", lambda c, e, f: c.weight is not None
        ),
        "ignored": Flag("convention", "what is left out has loss and derivatives 0", lambda c, e, f: c.target == IGNORE_INDEX),
    }
)


def _is_row(case: Inputs) -> bool:
    return isinstance(case.logits, tuple)

"""Wanted of a function: its meaning, by our options or by another library's whole convention, and what else is to be tried."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..conventions import profiles
from ..conventions.rules import DIVISORS
from ..conventions.soft_targets import SIGMOID, SOFTMAX
from ..losses import arguments
from .candidate import Alpha
from .making import options_of
from .meaning import Factor, Meaning
from .sampling import alpha_factor

__all__ = ["OPTIONS", "Variants", "Wanted", "wanted"]

OPTIONS = ("alpha_inside", "clips", "normalizer", "weight", "ignore_index", "label_smoothing", "soft_targets")
EACH = "each"
NORMALIZERS = (*DIVISORS, "weights")


class Variants(NamedTuple):
    """What is tried beside the cases: soft targets, left-out examples, a weight for each loss."""

    soft: str | None = None
    asked: frozenset[str] = frozenset()
    """The options that were asked for by name, so that refusing them is a fault."""
    ignore: int | None = None
    weight: bool = False


class Wanted(NamedTuple):
    """The meaning of each loss, what a sum is divided by, other arguments to call with, and what is tried beside."""

    factor: Factor | None
    normalizer: float | str | None
    extra: dict[str, Any]
    variants: Variants

    def with_own(self, own: Factor | None) -> Factor | None:
        """The factor that is said, or else the one that the function has of its own."""
        if isinstance(self.factor, Meaning):
            nothing = self.factor.factor is None and self.factor.inside is None
            return dataclasses.replace(self.factor, factor=own) if nothing else self.factor
        return own if self.factor is None else self.factor


def wanted(fn: Any, link: str, alpha: Alpha, like: Any, reduction: str, options: Mapping[str, Any]) -> Wanted:
    """What the options say, each checked; a library's convention is the whole of it, and what is said goes before it."""
    profile = _profile(like, link)
    given = {name: options.get(name) for name in OPTIONS}
    names = options_of(fn)
    factor = _factor(link, alpha, profile)
    extra: dict[str, Any] = {}
    if profile is not None:
        given = {name: value if value is not None else _of(profile, name, reduction) for name, value in given.items()}
    inside, smoothing, soft = given["alpha_inside"], given["label_smoothing"] or 0.0, given["soft_targets"]
    if given["label_smoothing"] is not None:
        arguments.number("label_smoothing", smoothing, 0.0, 1.0, "a number in [0, 1]")
        extra |= {"label_smoothing": smoothing} if "label_smoothing" in names else {}
    if given["clips"] is not None:
        arguments.number("clips", given["clips"], 1e-300, 0.1, "a number above 0, 0.1 at most")
    if soft is not None:
        arguments.choice("soft_targets", soft, tuple(SIGMOID if link == "sigmoid" else SOFTMAX))
    if inside is not None:
        name = "weight" if isinstance(inside, Sequence) and "alpha" not in names else "alpha"
        extra |= {name: np.asarray(inside) if isinstance(inside, Sequence) else inside} if name in names else {}
    weight = given["weight"]
    if isinstance(weight, Sequence) and not isinstance(weight, str):
        extra["weight"], factor = np.asarray(weight), _both(factor, alpha_factor("softmax", weight))
    elif weight not in (None, EACH):
        raise ValueError(f"weight: got {weight!r}; expected 'each' (of the losses), or one number a class")
    if given["ignore_index"] is not None and "ignore_index" in names:
        extra["ignore_index"] = given["ignore_index"]
    of_inside = None if inside is None else alpha_factor(link, inside)
    meaning = Meaning(factor, of_inside, given["clips"], smoothing, soft if soft in ("mix", "expected", "quality") else "mix")
    whole = factor if meaning.plain else meaning
    asked = frozenset(name for name in OPTIONS if options.get(name) is not None)
    variants = Variants(soft, asked, given["ignore_index"], weight == EACH)
    return Wanted(whole, _normalizer(given["normalizer"]), extra, variants)


def _profile(like: Any, link: str) -> profiles.Profile | None:
    if like is None or not isinstance(like, str):
        return like
    arguments.choice("like", like, profiles.NAMES)
    return profiles.get(like, link)


def _factor(link: str, alpha: Alpha, profile: profiles.Profile | None) -> Factor | None:
    """What α puts on each loss, by a library's rule or by ours."""
    if profile is not None:
        return lambda targets, classes: profile.factor(targets, classes, alpha)
    if link == "sigmoid" and alpha is not None:
        arguments.number("alpha", alpha, 0.0, 1.0, "a number in [0, 1]")
    return alpha_factor(link, alpha)


def _of(profile: profiles.Profile, name: str, reduction: str) -> Any:
    """What a library's convention says of an option."""
    divisor = {"mean": profile.mean, "sum": profile.sum}.get(reduction)
    usual = {"mean": "losses", "sum": "one"}.get(reduction)
    return {
        "clips": profile.clips,
        "soft_targets": profile.soft,
        "ignore_index": profile.ignore,
        "normalizer": None if divisor == usual else divisor,
    }.get(name)


def _both(one: Factor | None, other: Factor | None) -> Factor | None:
    if one is None or other is None:
        return one or other
    return lambda targets, classes: one(targets, classes) * other(targets, classes)


def _normalizer(value: Any) -> float | str | None:
    if value is None or (isinstance(value, str) and value in NORMALIZERS):
        return value
    if isinstance(value, str):
        raise ValueError(f"normalizer: got {value!r}; expected a number, or one of {', '.join(NORMALIZERS)}")
    return arguments.number("normalizer", value, 1e-300, math.inf, "a number above 0")

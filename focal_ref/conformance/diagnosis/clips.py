"""Clipped probabilities and epsilons: the bound is read off the hardest examples, and has to explain all the others.

ε is what a model needs for the one value of the far plateau, of positives and negatives each, since 1 − p rounds otherwise than
p; the model with that ε is confirmed everywhere else, and of several that are, the nearest is taken.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

import numpy as np

from ...typing import Floats, Mask
from .. import ulp
from ..results import Evidence

__all__ = ["clipped", "explained_by_clip", "rounded"]

Bound: TypeAlias = Callable[[Floats, Floats, Floats, float, float], Floats]

MODELS: MappingProxyType[str, Bound] = MappingProxyType(
    {
        "the logarithm's p is at least ε": lambda p, u, nll, g, eps: u**g * np.minimum(nll, -math.log(eps)),
        "log(p + ε)": lambda p, u, nll, g, eps: u**g * -np.log(p + eps),
        "p is clipped to [ε, 1 − ε]": lambda p, u, nll, g, eps: (
            np.clip(u, eps, 1 - eps) ** g * np.clip(nll, -math.log1p(-eps), -math.log(eps))
        ),
        "log(p + ε) of a clipped factor": lambda p, u, nll, g, eps: np.maximum(u - eps, 0) ** g * -np.log(p + eps),
        "log((p + ε)/(1 + 2ε))": lambda p, u, nll, g, eps: (
            ((u + eps) / (1 + 2 * eps)) ** g * -np.log((p + eps) / (1 + 2 * eps))
        ),
    }
)
CONFIRMED = 0.95
CURE = "an epsilon or a clip bounds the loss: take −log p from the logits"
LARGEST, SMALLEST = math.log(0.3), -740.0
"""Of log ε."""


class _Found(NamedTuple):
    """An ε that explains the losses of one class, or of all."""

    epsilon: float
    of: Mask
    explains: Mask
    apart: float
    """The mean relative error that is left."""


def clipped(evidences: Sequence[Evidence]) -> tuple[str, str] | None:
    """The cause where a bound of one ε explains the values of every type and γ; its name and cure."""
    if evidences[0].on.quantity != "value":
        return None
    names = set()
    for e in evidences:
        found = [*_found(e)]
        if not found or not np.logical_or.reduce([part.of for part in found])[np.isfinite(e.got)].all():
            return None
        names |= {rounded(part.epsilon) for part in _agreed(found)}
    return (f"clipped at {names.pop()}", CURE) if len(names) == 1 else None


def explained_by_clip(e: Evidence) -> Iterator[tuple[str, Mask]]:
    """The names of the ε that explain one evidence, and where they make a difference."""
    found = _agreed([*_found(e)])
    by_name: dict[str, Mask] = {}
    for part in found:
        name = rounded(part.epsilon)
        mask = part.explains | (part.of & np.isinf(e.exact.nll) & np.isfinite(e.got))
        by_name[name] = by_name.get(name, np.zeros_like(mask)) | mask
    if len(found) == 1 and not e.places[0].rows:
        classes = e.each(lambda m: m.positive)[found[0].of]
        which = f" for {'positives' if classes.all() else 'negatives'}"
        by_name = {name + which: mask for name, mask in by_name.items()}
    yield from by_name.items()


def _agreed(found: list[_Found]) -> list[_Found]:
    """1 − ε rounds in a narrow type: two ε that differ by no more than that are the rounder one."""
    if len(found) != 2 or not 0.75 < found[0].epsilon / found[1].epsilon < 1.34:
        return found
    epsilon = min((part.epsilon for part in found), key=lambda eps: abs(math.log10(eps) - round(math.log10(eps))))
    return [part._replace(epsilon=epsilon) for part in found]


def _found(e: Evidence) -> Iterator[_Found]:
    every = np.ones(e.got.shape, dtype=bool)
    positive = e.each(lambda m: m.positive).astype(bool)
    for of in [every] if e.places[0].rows else [positive, ~positive]:
        level = _plateau(e, of)
        tries = [(model, _epsilon(model, level, e.on.gamma)) for model in MODELS.values()] if level is not None else []
        explained = [_explained(e, model, epsilon, of) for model, epsilon in tries if epsilon is not None]
        best = min((found for found in explained if found is not None), key=lambda found: found.apart, default=None)
        if best is not None:
            yield best


def _plateau(e: Evidence, of: Mask) -> float | None:
    """The one value of many points on the hard side, if there is one."""
    hard = of & (e.margin < -2) & np.isfinite(e.got) & ~np.isnan(e.exact.hi) & (e.weight > 0) & (e.got > 0)
    values, exact = e.got[hard] / e.weight[hard], e.exact.nll[hard]
    if values.size < 4:
        return None
    scaled = np.round(np.log(values), 4)
    levels, counts = np.unique(scaled, return_counts=True)
    best = int(np.argmax(counts))
    same = scaled == levels[best]
    spread = np.ptp(np.minimum(exact[same], 1e300))
    return float(np.median(values[same])) if counts[best] >= 4 and counts[best] >= 0.2 * values.size and spread > 1 else None


def _epsilon(model: Bound, level: float, gamma: float) -> float | None:
    """What a model needs to give that value where p is 0, by bisection; None where no ε does."""

    def at(log_eps: float) -> float:
        one = np.asarray([1.0])
        return float(model(0 * one, one, np.asarray([np.inf]), gamma, math.exp(log_eps))[0])

    low, high = SMALLEST, LARGEST
    if not at(high) <= level <= at(low):
        return None
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if at(middle) > level else (low, middle)
    return math.exp((low + high) / 2)


def _near(e: Evidence, due: Floats, epsilon: float) -> Mask:
    """As near as rounding 1 − p and p + ε allows."""
    eps = ulp.FORMATS[e.on.dtype].eps
    scale = np.abs(due) + 4 * (1 + e.on.gamma) * eps * np.maximum(np.log(1 / epsilon), 1)
    slack = (2e-3 + 8 * (1 + e.on.gamma) * eps / np.maximum(e.u, eps)) * scale
    return np.asarray(np.abs(e.got - due) <= slack)


def _explained(e: Evidence, model: Bound, epsilon: float, of: Mask) -> _Found | None:
    """Where it gives what the function gave, if it does at the points that are not of the plateau, and on the plateau."""
    with np.errstate(all="ignore"):
        due = e.weight * model(np.exp(-e.exact.nll), e.u, e.exact.nll, e.on.gamma, epsilon)
        usable = of & np.isfinite(due) & np.isfinite(e.got) & np.isfinite(e.top)
        near = of & _near(e, due, epsilon)
        rest = usable & (e.exact.nll < -math.log(epsilon) - 0.5) & (e.u > 1e3 * ulp.FORMATS[e.on.dtype].eps)
        flat = usable & (e.exact.nll > -math.log(epsilon) + 2)
        apart = np.abs(e.got - due)[usable] / np.maximum(np.abs(due[usable]), ulp.FORMATS[e.on.dtype].tiny)
    holds = rest.sum() >= 8 and flat.sum() >= 3 and near[rest].mean() >= CONFIRMED and near[flat].mean() >= CONFIRMED
    return _Found(epsilon, of, near, float(np.minimum(apart, 1.0).mean())) if holds else None


def rounded(epsilon: float) -> str:
    """ε as a power of ten, or as a logit, where it is one."""
    power = round(math.log10(epsilon))
    if abs(math.log10(epsilon) - power) < 0.003:
        return f"1e{power}"
    logit = -math.log(epsilon)
    return f"|logit| {round(logit)}" if abs(logit - round(logit)) < 0.02 else f"{epsilon:.3g}"

"""Clipped probabilities and epsilons: the bound is read off the hardest examples, and has to explain all the others.

ε is found where p is far below it, which are the points of one plateau; the model with that ε is confirmed everywhere else.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import TypeAlias

import numpy as np

from ...typing import Floats, Mask
from .. import ulp
from ..results import Evidence

__all__ = ["clipped", "explained_by_clip"]

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


def clipped(evidences: Sequence[Evidence]) -> tuple[str, str] | None:
    """The cause where a bound of one ε explains the values of every type and γ; its name and cure."""
    if evidences[0].on.quantity != "value":
        return None
    epsilon = next((eps for eps in map(_plateau, evidences) if eps is not None), None)
    if epsilon is None:
        return None
    for model in MODELS.values():
        if all(_holds(e, model, epsilon) for e in evidences):
            return f"clipped at {_rounded(epsilon)}", CURE
    return None


def explained_by_clip(e: Evidence) -> tuple[str, Mask] | None:
    """The name of the ε that explains one evidence, and where it makes a difference."""
    epsilon = _plateau(e)
    if epsilon is None:
        return None
    for model in MODELS.values():
        if _holds(e, model, epsilon):
            due = e.weight * model(*_parts(e), e.on.gamma, epsilon)
            return _rounded(epsilon), _near(e, due, epsilon) | (np.isinf(e.exact.nll) & np.isfinite(e.got))
    return None


def _parts(e: Evidence) -> tuple[Floats, Floats, Floats]:
    return np.exp(-e.exact.nll), e.u, e.exact.nll


def _near(e: Evidence, due: Floats, epsilon: float) -> Mask:
    """As near as rounding 1 − p and p + ε allows."""
    eps = ulp.FORMATS[e.on.dtype].eps
    scale = np.abs(due) + 4 * (1 + e.on.gamma) * eps * np.maximum(np.log(1 / epsilon), 1)
    slack = (2e-3 + 8 * (1 + e.on.gamma) * eps / np.maximum(e.u, eps)) * scale
    return np.asarray(np.abs(e.got - due) <= slack)


def _holds(e: Evidence, model: Bound, epsilon: float) -> bool:
    """Whether it explains the points that are not of the plateau, among them those where it makes a difference."""
    with np.errstate(all="ignore"):
        due = e.weight * model(*_parts(e), e.on.gamma, epsilon)
        usable = np.isfinite(due) & np.isfinite(e.got) & np.isfinite(e.top)
        near = _near(e, due, epsilon)
        rest = usable & (e.exact.nll < -math.log(epsilon) - 0.5) & (e.u > 1e3 * ulp.FORMATS[e.on.dtype].eps)
        flat = usable & (e.exact.nll > -math.log(epsilon) + 2)
    return bool(rest.sum() >= 8 and flat.sum() >= 3 and near[rest].mean() >= CONFIRMED and near[flat].mean() >= CONFIRMED)


def _plateau(e: Evidence) -> float | None:
    """ε of the one value of many points on the hard side, if there is one."""
    hard = (e.margin < -2) & np.isfinite(e.got) & ~np.isnan(e.exact.hi) & (e.weight > 0)
    with np.errstate(all="ignore"):
        values = e.got[hard] / e.weight[hard] / e.u[hard] ** e.on.gamma
    exact = e.exact.nll[hard]
    values, exact = values[np.isfinite(values)], exact[np.isfinite(values)]
    if values.size < 4:
        return None
    levels, counts = np.unique(np.round(values, 3), return_counts=True)
    best = int(np.argmax(counts))
    level, spread = float(levels[best]), exact[np.round(values, 3) == levels[best]]
    many = counts[best] >= 4 and counts[best] >= 0.2 * values.size and np.ptp(np.minimum(spread, 1e300)) > 1
    return math.exp(-level) if many and 0.5 < level < 740 else None


def _rounded(epsilon: float) -> str:
    """ε as a power of ten, or as a logit, where it is one."""
    power = round(math.log10(epsilon))
    if abs(math.log10(epsilon) - power) < 0.003:
        return f"1e{power}"
    logit = -math.log(epsilon)
    return f"|logit| {round(logit)}" if abs(logit - round(logit)) < 0.02 else f"{epsilon:.3g}"

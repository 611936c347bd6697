"""The sigmoid link: from a logit to its margin, p = σ(z), u = σ(−z), ℓ = log(1 + e^(−z))."""

from __future__ import annotations

from typing import Any

from ..typing import Array, Namespace
from .margin import Margin, Raised, RaisedMargin
from .scales import Scale

__all__ = ["ROOM", "both_sigmoids", "raised_sigmoid", "roomy_sigmoid", "sigmoid"]


def sigmoid(xp: Namespace, z: Array, carry: bool) -> Margin:
    """p = σ(z), u = σ(−z) and ℓ = log(1 + e^(−z)), from one exponential of −|z|."""
    return _side(xp, z, carry, *_halves(xp, z))


def raised_sigmoid(xp: Namespace, z: Array, scales: Scale, label: Any = 1.0) -> Margin:
    """`sigmoid` with errors carried along, and what is normal of a p or u that isn't."""
    margin = sigmoid(xp, z, True)._replace(label=label)
    far = xp.abs(z)
    deep = far > 1.5 * scales.lift
    e = xp.exp(xp.where(deep, scales.lift - far, 0.0)) * (scales.factor / scales.power * scales.raised)
    smaller = xp.where(margin.u < margin.p, margin.u, margin.p)
    return RaisedMargin(margin, Raised(xp.where(deep, e, smaller * scales.raised), scales))


ROOM = 700.0
"""e^700 is a number of float64, and e^(−700) is 0 in every narrower type."""


def roomy_sigmoid(xp: Namespace, z: Array) -> Margin:
    """`sigmoid` in float64 of what came in a narrower type: where e^(−z) would overflow, that type's p has long been 0.

    Not for functions that a library is to differentiate: p (1 − p) would come out as p + p (p e^(−z) − 1).
    """
    against = -z
    beyond = against > ROOM
    e = xp.exp(xp.where(beyond, ROOM, against))
    p, softplus = 1 / (1 + e), xp.log1p(e)
    return Margin(xp.where(beyond, 0.0, p), e * p, xp.where(beyond, against, softplus), p_nll=p * softplus, gap=z, z=z)


def both_sigmoids(xp: Namespace, z: Array, carry: bool) -> tuple[Margin, Margin]:
    """`sigmoid` of z and of −z, from one exponential."""
    sure, *shared = _halves(xp, z)
    return _side(xp, z, carry, sure, *shared), _side(xp, -z, carry, ~sure, *shared)


def _halves(xp: Namespace, z: Array) -> tuple[Any, ...]:
    """Whether z ≥ 0; and e^(−|z|), log(1 + e^(−|z|)), σ(|z|) and σ(−|z|)."""
    sure = z >= 0
    e = xp.exp(xp.where(sure, -z, z))
    return sure, e, xp.log1p(e), 1 / (1 + e), e / (1 + e)


def _side(xp: Namespace, z: Array, carry: bool, sure: Any, e: Any, softplus: Any, larger: Any, smaller: Any) -> Margin:
    u = xp.where(sure, smaller, larger)
    nll = xp.where(sure, 0.0, -z) + softplus
    # u (1 + e) should be e, or 1; the first difference is exact (Sterbenz).
    u_low = ((xp.where(sure, e, 1.0) - u) - u * e) * larger if carry else None
    return Margin(xp.where(sure, larger, smaller), u, nll, u_low, gap=z, z=z)

"""The logarithm of the posterior, for NumPy: finite wherever the logits are, even where the posterior is 0 to the last bit.

With v the softmax of the logits and u = 1 − v, the other classes' sum (`posteriors` has the source)::

    log η_c = log v_c − log α_c − γ log u_c − log(1 + γ ρ_c) + const        ρ = −v log v/u, from 0 to 1
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..mathematics.power import rho
from ..mathematics.sigmoid import sigmoid
from .posteriors import posterior_from_logits

__all__ = ["log_odds_from_logits", "log_posterior_from_logits"]

_SMALL = 2.0**-1000


def log_odds_from_logits(logits: Any, gamma: float, alpha: float | None = None) -> NDArray[np.float64]:
    """log(η/(1 − η)) of the positives, for a logit each.

    Parameters
    ----------
    logits : array
    gamma : float
        The γ of training.
    alpha : float or None
        The weight of the positives in training, above 0 and below 1.

    Returns
    -------
    array of float64
        In the logits' shape: (1 + γ) x + log((1 + γ ρ(−x))/(1 + γ ρ(x))) + log((1 − α)/α).

    Examples
    --------
    >>> log_odds_from_logits([0.0, 1000.0], gamma=2.0).tolist()
    [0.0, 2998.901387711332]
    """
    x = np.asarray(logits, dtype=np.float64)
    near = np.abs(x) < 1
    odds: NDArray[np.float64] = (1 + gamma) * x + (np.log1p(gamma * _rho(-x)) - np.log1p(gamma * _rho(x)))
    odds = np.where(near, _near_zero(np.where(near, x, 0.0), gamma), odds)
    if alpha is None:
        return odds
    share = (1 - 2 * alpha) / alpha
    odds = odds + (np.log1p(share) if abs(share) < 0.5 else np.log1p(-alpha) - np.log(alpha))
    return odds


def _near_zero(x: NDArray[np.float64], gamma: float) -> Any:
    """The same where the two ρ differ by little, and their difference, by e^(2|x|) − 1, keeps its digits."""
    depth = np.abs(x)
    e = np.exp(-depth)
    softplus = np.log1p(e)
    between = -softplus * np.expm1(-2 * depth) / e - e * depth
    return np.copysign((1 + gamma) * depth - np.log1p(gamma * between / (1 + gamma * e * (depth + softplus))), x)


def _rho(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """−v log v/(1 − v) for v = σ(x)."""
    with np.errstate(under="ignore"):
        found: NDArray[np.float64] = rho(np, sigmoid(np, x, False))
    return found


def log_posterior_from_logits(logits: Any, gamma: float, alpha: Any = None) -> NDArray[np.float64]:
    """log η of each class, for rows of logits.

    Parameters
    ----------
    logits : array
        (…, classes).
    gamma : float
    alpha : sequence of float or None
        One weight > 0 a class.

    Returns
    -------
    array of float64
        In the logits' shape; each row's exponentials sum to 1.

    Examples
    --------
    >>> log_posterior_from_logits([[1000.0, 0.0, 0.0]], gamma=2.0).round(3).tolist()
    [[-0.0, -2997.515, -2997.515]]
    """
    x = np.asarray(logits, dtype=np.float64)
    rest = _log_of_the_others(x)
    margin = x - rest
    terms = -np.logaddexp(0.0, -margin) + gamma * np.logaddexp(0.0, margin) - np.log1p(gamma * _rho(margin))
    if alpha is not None:
        terms = terms - np.log(np.asarray(alpha, dtype=np.float64))
    probs = posterior_from_logits(x, gamma, alpha, axis=-1)
    sure = (probs > _SMALL) & (probs <= 0.5)  # there the order, and ties, are those of the probabilities
    found: NDArray[np.float64] = np.where(
        sure, np.log(np.where(sure, probs, 0.5)), -np.logaddexp(0.0, _log_of_the_others(terms) - terms)
    )
    return found


def _log_of_the_others(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """log Σ_{j≠c} e^(x_j): the largest's is summed without it; of the others none has more than half."""
    top = x.argmax(axis=-1)[..., None]
    largest = np.take_along_axis(x, top, -1)
    second = x.copy()
    np.put_along_axis(second, top, -np.inf, -1)
    next_largest = second.max(axis=-1, keepdims=True)
    small = np.exp(second - next_largest)
    of_largest = next_largest + np.log(small.sum(axis=-1, keepdims=True))
    e = np.exp(second - largest)
    of_others = largest + np.log1p(e.sum(axis=-1, keepdims=True) - e)
    found: NDArray[np.float64] = np.where(np.arange(x.shape[-1]) == top, of_largest, of_others)
    return found

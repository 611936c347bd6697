"""Soft targets, and what they mean: the six formulas in use for a logit, and two for a row, in float64.

They agree for hard targets, which all go to focal_ref's own losses. With p = σ(x), BCE(x, y) = −y log p − (1 − y) log(1 − p):

>>> from focal_ref import formulas
>>> {name: float(formulas.sigmoid(name, 1.3, 0.3, 2.0).round(6)) for name in formulas.SIGMOID}
{'mix': 0.434398, 'expected': 0.669457, 'quality': 0.271679, 'exp_ce': 0.538006, 'margin': 0.452708, 'geometric': 0.32583}
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..engine import arrays
from ..losses import SigmoidFocalLoss, SoftmaxFocalLoss, arguments
from ..typing import Floats

__all__ = ["SIGMOID", "SOFTMAX", "Formula", "sigmoid", "softmax"]


class Formula(NamedTuple):
    """A meaning of soft targets."""

    text: str
    value: Callable[[Floats, Floats, float], Floats]
    """Losses of logits, targets and γ."""


def sigmoid(name: str, x: ArrayLike, y: ArrayLike, gamma: float) -> Floats:
    """The losses by a formula of `SIGMOID`, one an element.

    Parameters
    ----------
    name : str
        Of the formula.
    x, y : array_like
        Logits, and targets in [0, 1]; they broadcast against each other.
    gamma : float
        γ ≥ 0.

    Returns
    -------
    float64 array
        One loss an element.

    Raises
    ------
    ValueError
        Where no formula has that name.
    """
    arguments.choice("name", name, tuple(SIGMOID))
    x, y = np.broadcast_arrays(np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64))
    arguments.sigmoid_targets(y, arrays.look(x))
    hard = (y == 0) | (y == 1)
    losses = _core("mix")(x, np.where(hard, y, 1.0), gamma)
    with np.errstate(all="ignore"):
        return np.where(hard, losses, SIGMOID[name].value(x, y, gamma))


def softmax(name: str, rows: ArrayLike, targets: ArrayLike, gamma: float) -> Floats:
    """The losses by a formula of `SOFTMAX`, one a row.

    Parameters
    ----------
    name : str
        Of the formula.
    rows : array_like
        Logits, the classes last.
    targets : array_like
        Probabilities, of the logits' shape.
    gamma : float
        γ ≥ 0.

    Returns
    -------
    float64 array
        One loss a row.

    Raises
    ------
    ValueError
        Where no formula has that name.
    """
    arguments.choice("name", name, tuple(SOFTMAX))
    with np.errstate(all="ignore"):
        return SOFTMAX[name].value(np.asarray(rows, dtype=np.float64), np.asarray(targets, dtype=np.float64), gamma)


def _core(name: Any) -> Callable[[Floats, Floats, float], Floats]:
    return lambda x, y, gamma: np.asarray(SigmoidFocalLoss(gamma=gamma, soft_targets=name)(x, y))


def _cross_entropy(x: Floats, y: Floats) -> Floats:
    """BCE(x, y), every term of one sign: the target's own side of |x|, and log(1 + e^−|x|)."""
    side = np.where(x > 0, 1 - y, y)
    return np.where(side == 0, 0.0, side * np.abs(x)) + np.log1p(np.exp(-np.abs(x)))


def _exp_ce(x: Floats, y: Floats, gamma: float) -> Floats:
    bce = _cross_entropy(x, y)
    return np.asarray((-np.expm1(-bce)) ** gamma * bce)


def _margin(x: Floats, y: Floats, gamma: float) -> Floats:
    """log σ(−z) = −BCE(z, 0)."""
    z = np.where(y == 0.5, 0.0, x * (2 * y - 1))
    return _faded(gamma, _cross_entropy(z, np.zeros_like(x)), _cross_entropy(x, y))


def _geometric(x: Floats, y: Floats, gamma: float) -> Floats:
    """(1 − p)^y p^(1 − y) = e^−BCE(−x, y)."""
    return _faded(gamma, _cross_entropy(-x, y), _cross_entropy(x, y))


def _faded(gamma: float, distance: Floats, bce: Floats) -> Floats:
    """e^(−γ distance) BCE, which is 0 where both are infinite."""
    return bce if gamma == 0 else np.where(np.isinf(distance), 0.0, np.exp(-gamma * distance) * bce)


def _row_exp_ce(rows: Floats, targets: Floats, gamma: float) -> Floats:
    ce = np.asarray(SoftmaxFocalLoss(gamma=0.0)(rows, targets))
    return np.asarray((-np.expm1(-ce)) ** gamma * ce)


SIGMOID: Mapping[str, Formula] = MappingProxyType(
    {
        "mix": Formula("(1 − p_t)^γ BCE(x, y), p_t = y p + (1 − y)(1 − p)", _core("mix")),
        "expected": Formula("y FL(x, 1) + (1 − y) FL(x, 0)", _core("expected")),
        "quality": Formula("|y − p|^γ BCE(x, y)", _core("quality")),
        "exp_ce": Formula("(1 − e^−BCE)^γ BCE(x, y)", _exp_ce),
        "margin": Formula("σ(−x (2y − 1))^γ BCE(x, y)", _margin),
        "geometric": Formula("((1 − p)^y p^(1 − y))^γ BCE(x, y)", _geometric),
    }
)
"""By name, in the order of `../docs/profiles.md`."""

SOFTMAX: Mapping[str, Formula] = MappingProxyType(
    {
        "expected": Formula(
            "Σ_c y_c (1 − p_c)^γ (−log p_c)", lambda x, y, gamma: np.asarray(SoftmaxFocalLoss(gamma=gamma)(x, y))
        ),
        "exp_ce": Formula("(1 − e^−CE)^γ CE, CE = −Σ_c y_c log p_c", _row_exp_ce),
    }
)

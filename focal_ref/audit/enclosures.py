"""Enclosures: intervals that the exact loss and its derivatives lie in, by float64 arithmetic with a proven error.

They share nothing with the code under test: `enclosures` evaluates the paper's p_t formula in float64 with no library function.
exp and log are series of +, −, × and ÷ here, each of which IEEE 754 rounds correctly, so that the error can be bounded by
counting, δ = 2^-53 an operation:

* exp(a), a ≥ −345: argument reduced by k log 2 (its leading part has 21 trailing zeros, so k times it is exact), Taylor to
  degree 12: below 8 δ. From it σ(±m) below 10 δ;
* log(1 + e) = 2 artanh(e/(2 + e)), 16 terms: below 20 δ; with m added, below 22 δ;
* (1 − p_t)^γ = exp(−a), a = γ log(1/(1 − p_t)): below (22 a + 8) δ;
* value and gradient below (22 a + 44) δ; second derivative below (22 a + 70) δ of the sum of its terms' absolute values.

Claimed is 128 (1 + a) δ, and 2^-200 for what underflows: twice as much and more. tests/audit/test_exhaustive.py holds the
bound against the oracle.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..typing import Floats

__all__ = ["LARGEST_GAMMA", "Enclosure", "enclosures"]


LARGEST_GAMMA = 2.0**64
"""Up to here no intermediate result overflows, and what is left out by `FLOOR` stays below `ABSOLUTE`."""
RELATIVE = 2.0**-46
ABSOLUTE = 2.0**-200
FLOOR = -345.0
LOG2_HIGH, LOG2_LOW = float.fromhex("0x1.62e42feep-1"), float.fromhex("0x1.a39ef35793c76p-33")
EXP_SERIES = [1.0 / math.factorial(k) for k in range(12, -1, -1)]
ARTANH_SERIES = [1.0 / (2 * k + 1) for k in range(15, -1, -1)]


class Enclosure(NamedTuple):
    """A number known to lie within centre ± radius."""

    centre: Floats
    terms: Floats
    """The sum of the absolute values of its terms."""
    radius: Floats


def enclosures(m: Floats, gamma: float) -> tuple[tuple[Enclosure, ...], tuple[Enclosure, ...]]:
    """Value, gradient and second derivative at the margins m, and at −m, for finite m ≥ 0 in float64.

    Examples
    --------
    >>> (value, _, _), _ = enclosures(np.zeros(1), 0.0)
    >>> bool(abs(value.centre[0] - np.log(2)) <= value.radius[0] < 1e-13)
    True
    """
    e = _exp(-m)
    likely, unlikely = 1 / (1 + e), e / (1 + e)
    surplus = _log1p(e)
    return _enclosed(likely, unlikely, surplus, m + surplus, gamma), _enclosed(unlikely, likely, m + surplus, surplus, gamma)


def _enclosed(p: Floats, u: Floats, nll: Floats, complement_nll: Floats, gamma: float) -> tuple[Enclosure, ...]:
    """By p_t, 1 − p_t, −log p_t and −log(1 − p_t); Lin et al. 2017, eq. 4 and appendix B, and its derivative."""
    exponent = gamma * complement_nll
    modulator = _exp(-exponent)
    relative = RELATIVE * (1 + np.minimum(exponent, -FLOOR))
    log_p = -nll
    value = modulator * nll
    grad = modulator * (gamma * p * log_p - u)
    weight = p * modulator
    hess = weight * ((2 * gamma + 1) * u + gamma * (1 - (1 + gamma) * p) * log_p)
    terms = weight * ((2 * gamma + 1) * u + gamma * nll * (gamma * p + u))
    return tuple(
        Enclosure(centre, size, relative * size + ABSOLUTE)
        for centre, size in ((value, value), (grad, np.abs(grad)), (hess, terms))
    )


def _exp(a: Floats) -> Floats:
    """exp(a), a ≤ 0; exp(FLOOR) below that."""
    a = np.maximum(a, FLOOR)
    k = np.rint(a * (1 / math.log(2)))
    r = (a - k * LOG2_HIGH) - k * LOG2_LOW
    return _horner(EXP_SERIES, r) * ((k.astype(np.int64) + 1023) << 52).view(np.float64)


def _log1p(e: Floats) -> Floats:
    """log(1 + e), 0 ≤ e ≤ 1."""
    s = e / (2 + e)
    return 2 * s * _horner(ARTANH_SERIES, s * s)


def _horner(coefficients: Sequence[float], x: Floats) -> Floats:
    result = coefficients[0] * x
    for coefficient in coefficients[1:-1]:
        result += coefficient
        result *= x
    result += coefficients[-1]
    return result

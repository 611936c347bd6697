"""Contract of accuracy: what is measured, what is promised, and the one rule that says whether a result is right.

* In ULP of the type, where the exact result is a normal number;
* below that, in units of the smallest subnormal × (1 + γ)(1 + γ ℓ). φ'' is proportional to p, so it counts as subnormal where p
  is, in the type that is computed in;
* φ'' has a zero, where no relative error is bounded: in native precision it is measured in ULP of Σ|terms|, in extended
  precision so where it is below 2^-8 of that sum, and in plain ULP elsewhere; it is subnormal where what it is measured by is;
* a library that flushes subnormal numbers (XLA, CuPy) flushes factors and terms that are none, too: from a derivative there may
  be missing the smallest normal number × (1 + γ)(1 + γ ℓ);
* a NaN, a wrong infinity, or a 0 for a normal number fails whatever the tolerance.
"""

from __future__ import annotations

import math
from typing import NamedTuple, get_args

import numpy as np

from ..typing import Floats, Link, Mask, Precision
from . import ulp

__all__ = [
    "DTYPES",
    "EXTENDED",
    "GAMMAS",
    "LINKS",
    "MEASURED",
    "NATIVE",
    "NEAR_ZERO",
    "PRECISIONS",
    "QUANTITIES",
    "REFERENCE",
    "SUBNORMAL_UNITS",
    "WORDS",
    "Exact",
    "Judgement",
    "Terms",
    "bound",
    "judge",
]

# ---- what is measured -------------------------------------------------------------------------------------------------------

LINKS: tuple[str, ...] = get_args(Link)
DTYPES = tuple(ulp.FORMATS)
PRECISIONS: tuple[str, ...] = get_args(Precision)
MEASURED = PRECISIONS[:2]
"""Those that are measured unless others are asked for."""
GAMMAS = (0.0, 0.5, 1.0, 2.0, 5.0)
"""Measured, drawn and written down at, unless others are asked for."""
WORDS = {"value": "value", "grad": "gradient", "hess": "Hessian"}
"""What each quantity is called in text."""
QUANTITIES = tuple(WORDS)

# ---- what is promised -------------------------------------------------------------------------------------------------------


REFERENCE = 0.501
EXTENDED = 0.51
NATIVE = {
    ("sigmoid", "value"): (4.0, 2.0),
    ("sigmoid", "grad"): (4.0, 2.0),
    ("sigmoid", "hess"): (6.0, 2.5),
    ("softmax", "value"): (6.0, 2.0),
    ("softmax", "grad"): (6.0, 2.0),
    ("softmax", "hess"): (8.0, 3.0),
}
"""a, b of the bound a + b γ, in ULP."""
LARGEST_GAMMA = 5.0
"""Native bounds are promised up to this γ."""
SUBNORMAL_UNITS = 4.0
LARGEST_ERROR = 1e300
"""In ULP, of a number for a number."""
NEAR_ZERO = 2.0**-8
"""Below this share of Σ|terms|, φ'' counts as near its zero."""


def bound(quantity: str, link: str, dtype: str, precision: str, gamma: float) -> float:
    """The largest error allowed, in ULP; inf where none is promised (native types past γ = 5).

    Parameters
    ----------
    quantity : {"value", "grad", "hess"}
        What is bounded.
    link, dtype, precision : str
        Where: "sigmoid" or "softmax", the logits' type, "extended" or "native".
    gamma : float
        γ.

    Returns
    -------
    float
        In ULP.

    Examples
    --------
    >>> bound("value", "softmax", "float32", "extended", 2.0), bound("hess", "sigmoid", "float64", "extended", 2.0)
    (0.51, 11.0)
    """
    if precision == "reference":
        return REFERENCE
    if precision == "extended" and dtype != "float64":
        return EXTENDED
    base, slope = NATIVE[link, quantity]
    return base + slope * gamma if gamma <= LARGEST_GAMMA else math.inf


class Terms(NamedTuple):
    """What results are judged on."""

    quantity: str
    dtype: str
    compute: str
    """The type that they are computed in: `dtype`, or a wider one."""
    gamma: float
    limit: float
    """The largest error allowed, in ULP."""
    units: float = SUBNORMAL_UNITS
    """The largest error below the normal numbers, in units."""
    flushes: bool = False
    """Whether subnormal numbers may come out as 0."""

    @property
    def native(self) -> bool:
        """Whether the results are computed in their own type."""
        return self.compute == self.dtype


class Exact(NamedTuple):
    """One quantity at every point of the grids, flat, and what its errors are judged by."""

    hi: Floats
    lo: Floats
    terms: Floats
    """The sum of the terms' absolute values; \\|hi\\| where there is but one."""
    nll: Floats
    """ℓ at the point."""


class Judgement(NamedTuple):
    """What is wrong at each point."""

    nan: Mask
    """NaN for a number, or a number for NaN."""
    infinite: Mask
    """A wrong infinity, or a number for one."""
    flushed: Mask
    """0 for a normal number."""
    measured: Mask
    """Where the error is judged in ULP."""
    error: Floats
    """In ULP, as the verdict has it."""
    plain: Floats
    """In ULP of the exact result."""
    by_terms: Floats
    """In ULP of Σ|terms|."""
    units: Floats
    """Below the normal numbers, in units; 0 elsewhere."""
    on: Terms

    @property
    def wrong(self) -> Mask:
        """Where the result is not good enough."""
        inexact = (self.measured & (self.error > self.on.limit)) | (self.units > self.on.units)
        return self.nan | self.infinite | self.flushed | inexact

    @property
    def worst(self) -> int:
        """The point that is worst: a NaN or infinity before a zero, a zero before any error."""
        shares = self._shares(min(self.on.limit, 1e9))
        return int(np.argmax(np.where(self.nan | self.infinite, np.inf, np.where(self.flushed, 1e300, shares))))

    @property
    def shares(self) -> Floats:
        """Each error as a share of the largest that is allowed; infinite for a NaN, an infinity or a zero that is wrong."""
        return np.where(self.nan | self.infinite | self.flushed, np.inf, self._shares(self.on.limit))

    def _shares(self, limit: float) -> Floats:
        shares: Floats = np.maximum(np.where(self.measured, self.error, 0.0) / limit, self.units / self.on.units)
        return shares


def judge(got: Floats, exact: Exact, on: Terms) -> Judgement:
    """Each result against the exact one, by the rule above.

    Examples
    --------
    >>> one, on = np.ones(3), Terms("value", "float32", "float32", 2.0, 8.0)
    >>> found = judge(np.asarray([1.0, 0.0, np.nan]), Exact(one, 0 * one, one, one), on)
    >>> found.flushed.tolist(), found.nan.tolist(), found.worst
    ([False, True, False], [False, False, True], 2)
    """
    fmt = ulp.FORMATS[on.dtype]
    nan = np.isnan(got) != np.isnan(exact.hi)
    overflowing = np.isinf(got) | ~(np.abs(exact.hi) <= fmt.largest)  # elsewhere an infinite error is only a very large one
    plain, by_terms = (
        np.where(overflowing, error, np.minimum(error, LARGEST_ERROR))
        for error in (
            ulp.errors(got, exact.hi, exact.lo, fmt),
            ulp.errors(got, exact.hi, exact.lo, fmt, scale=exact.terms),
        )
    )
    plain[nan] = by_terms[nan] = np.inf
    near_zero = np.abs(exact.hi) < NEAR_ZERO * exact.terms
    of_terms = near_zero | (on.native and on.quantity != "value")
    error = np.where(of_terms, by_terms, plain)
    subnormal = _is_subnormal(exact, of_terms, on)
    judged = np.isfinite(plain) & ~_excused(got, exact, on)
    flushed = (got == 0) & (np.abs(exact.hi) >= fmt.tiny) & ~subnormal & (~near_zero | (error > on.limit))
    units = np.where(subnormal & judged, _units(got, exact, on), 0.0)
    measured = np.isfinite(error) & judged & ~subnormal
    return Judgement(nan, np.isinf(plain) & ~nan, flushed, measured, error, plain, by_terms, units, on)


def _is_subnormal(exact: Exact, of_terms: Mask, on: Terms) -> Mask:
    """Below the normal numbers, but not for being near a zero; a Hessian also where p is, unless other terms outweigh φ''."""
    subnormal: Mask = np.where(of_terms, exact.terms, np.abs(exact.hi)) < ulp.FORMATS[on.dtype].tiny
    if on.quantity != "hess":
        return subnormal
    p_tiny = ulp.FORMATS[on.compute].tiny
    return subnormal | (_p_is_subnormal(exact, on) & (exact.terms < 2 * p_tiny * _amplification(exact, on)))


def _p_is_subnormal(exact: Exact, on: Terms) -> Mask:
    return exact.nll > -math.log(ulp.FORMATS[on.compute].tiny)


def _excused(got: Floats, exact: Exact, on: Terms) -> Mask:
    """Derivatives from which no more is missing than terms that were flushed with a factor, where that is allowed.

    p next to 0, and γ p ℓ or γ u for a small γ, may be no normal number where the sum that they belong to is one.
    """
    if on.quantity == "value" or not on.flushes:
        return np.zeros(got.shape, dtype=bool)
    missing = np.abs((got - exact.hi) - exact.lo)
    excused: Mask = (got != 0) & (missing <= ulp.FORMATS[on.compute].tiny * _amplification(exact, on))
    return excused


def _amplification(exact: Exact, on: Terms) -> Floats:
    """(1 + γ)(1 + γ ℓ), ℓ up to where p = exp(−ℓ) is 0 in every type."""
    return (1 + on.gamma) * (1 + on.gamma * np.minimum(exact.nll, 750.0))


def _units(got: Floats, exact: Exact, on: Terms) -> Floats:
    """Errors in units of the smallest subnormal × (1 + γ)(1 + γ ℓ); a flushed subnormal is none where that is allowed."""
    units = np.abs((got - exact.hi) - exact.lo) / ulp.FORMATS[on.dtype].smallest / _amplification(exact, on)
    return np.where((got == 0) & on.flushes, 0.0, units)

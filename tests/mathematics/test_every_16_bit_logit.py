"""float16 and bfloat16 leave no logit out: all 65,536, with both targets, on every library that has the type."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

import focal_ref as fr
from focal_ref import oracle
from focal_ref.conformance import grids, ulp

GAMMAS = (0.0, 0.5, 1.0, 2.0, 5.0)
DTYPES = ("float16", "bfloat16")
QUANTITIES = ("value", "grad", "hess")
SIGN_BIT = 0x8000

BOUND = 0.51
"""ULP."""
NEAR_ZERO = 2.0**-8
"""Below this share of its terms' sum, the second derivative is next to its zero."""
SETTLED = 200.0
"""Beyond this |margin| the limits hold to e^-200 and (1 + γ)² times that, far below both types' smallest numbers."""
FLAT = 2.0**-40
"""Below it, results are those at 0 to 2^-37 of themselves."""

Floats = NDArray[np.float64]


class Exact(NamedTuple):
    """Results at the 65,536 margins, in the order of their bit patterns, in float64."""

    value: Floats
    grad: Floats
    hess: Floats
    hess_terms: Floats


@functools.cache
def exact(dtype: str, gamma: float) -> Exact:
    """By the oracle, but for the limits."""
    z = grids.every(dtype)
    inside = np.abs(z) < SETTLED
    margins, places = np.unique(np.where(np.abs(z[inside]) < FLAT, 0.0, z[inside]), return_inverse=True)
    results = oracle.sigmoid_many(margins.tolist(), 1, gamma, digits=20)
    outside = Exact(np.where(z < 0, -z, 0.0), np.where(z < 0, -1.0, 0.0), np.zeros_like(z), np.zeros_like(z))
    for name, values in outside._asdict().items():
        values[np.isnan(z)] = np.nan
        values[inside] = np.asarray([float(getattr(result, name)) for result in results])[places]
    return outside


def _of_both_targets(of_margins: Floats, sign: float = 1.0) -> Floats:
    """At every logit as a positive, then as a negative: the margin's sign bit flips, and perhaps the result's sign."""
    return np.concatenate([of_margins, sign * of_margins[np.arange(of_margins.size) ^ SIGN_BIT]])


def _results(backend: Any, dtype: str, gamma: float) -> dict[str, Floats]:
    logits = grids.every(dtype)
    targets = np.repeat(np.asarray([1, 0], dtype=np.int32), logits.size)
    results = fr.SigmoidFocalLoss(gamma=gamma).value_grad_hess(backend(np.tile(logits, 2), dtype), backend(targets))
    return dict(zip(QUANTITIES, map(backend.numpy, results), strict=True))


def _flushed(backend: Any, dtype: str, quantity: str, got: Floats, want: Floats) -> NDArray[np.bool_]:
    """Zeros that are allowed: below the smallest normal number, or for a φ'' of which the factor p lies below it."""
    tiny = ulp.FORMATS[dtype].tiny
    logits = grids.every(dtype)
    p_is_subnormal = (quantity == "hess") & (np.concatenate([logits, -logits]) < np.log(tiny))
    return (got == 0) & ((np.abs(want) < tiny) | p_is_subnormal) & backend.flushes(dtype)


@pytest.mark.slow
@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_result_is_correctly_rounded(backend: Any, dtype: str, gamma: float) -> None:
    """Value, gradient and second derivative within 0.51 ULP of the exact result, subnormals too; NaN for NaN, and nowhere else.

    Next to its zero the second derivative is within 0.51 ULP of its terms' sum.
    """
    if not backend.has(dtype):
        pytest.skip(f"{backend.name} has no {dtype}")
    truth, logits = exact(dtype, gamma), grids.every(dtype)
    terms = _of_both_targets(truth.hess_terms)
    for quantity, got in _results(backend, dtype, gamma).items():
        want = _of_both_targets(getattr(truth, quantity), -1.0 if quantity == "grad" else 1.0)
        scale = np.where((quantity == "hess") & (np.abs(want) < NEAR_ZERO * terms), terms, 0.0)
        error = ulp.errors(got, want, np.zeros_like(want), ulp.FORMATS[dtype], scale=scale)
        error[_flushed(backend, dtype, quantity, got, want)] = 0.0
        worst = int(np.argmax(error))
        at = f"{quantity}({logits[worst % logits.size]}, {1 - worst // logits.size})"
        assert error[worst] <= BOUND, f"{at} = {got[worst]}, exactly {want[worst]}: {error[worst]} ULP"


@pytest.mark.slow
@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_logits_reach_what_they_are_for(dtype: str, gamma: float) -> None:
    """Every bit pattern once; results of every kind: normal, subnormal, zero, infinite, NaN, and φ'' of both signs."""
    fmt, logits, truth = ulp.FORMATS[dtype], grids.every(dtype), exact(dtype, gamma)
    finite = logits[np.isfinite(logits)]
    assert logits.size == 2**16
    assert np.isnan(logits).sum() == 2 * (2 ** (fmt.digits - 1) - 1)
    assert sorted(logits[np.isinf(logits)]) == [-np.inf, np.inf]
    assert np.unique(finite).size == finite.size - 1  # ±0
    assert np.array_equal(finite, -logits[np.arange(logits.size) ^ SIGN_BIT][np.isfinite(logits)])
    for values in (truth.value, truth.grad, truth.hess):
        size = np.abs(values)
        assert np.array_equal(np.isnan(values), np.isnan(logits))
        assert (size >= fmt.tiny).any()
        assert ((size > fmt.smallest) & (size < fmt.tiny)).any()
        assert (size < fmt.smallest / 2).any()
    assert list(logits[np.isinf(truth.value)]) == [-np.inf]
    assert (truth.hess < 0).any() == (gamma > 0)


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_is_not_asked_of_the_oracle_is_known(dtype: str) -> None:
    """At the edges of what is taken for settled or flat, the oracle says the same."""
    fmt = ulp.FORMATS[dtype]
    for gamma in GAMMAS:
        beyond = [oracle.sigmoid(z, 1, gamma) for z in (-SETTLED, SETTLED)]
        for result, value, grad in zip(beyond, (SETTLED, 0.0), (-1.0, 0.0), strict=True):
            assert max(abs(result.value - value), abs(result.grad - grad), abs(result.hess)) < fmt.smallest * 2.0**-100
        flat = [oracle.sigmoid(z, 1, gamma) for z in (-FLAT, 0, FLAT)]
        for name in QUANTITIES:
            low, middle, high = (getattr(result, name) for result in flat)
            assert max(abs(low - middle), abs(high - middle)) < abs(middle) * 2.0**-37

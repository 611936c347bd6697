"""The logarithm of the posterior is exact and finite where the posterior itself is 0 or 1: against mpmath's formulas."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest

from focal_ref.calibration.log_posteriors import log_odds_from_logits, log_posterior_from_logits

ctx = mpmath.MPContext()
ctx.dps = 1000
GAMMAS = (0.0, 0.5, 2.0, 5.0)


def exact(row: Any, gamma: float, alpha: Any) -> list[Any]:
    """log η with η_c ∝ v_c/(α_c φ(v_c)), as the paper has φ."""
    e = [ctx.exp(ctx.mpf(x)) for x in row]
    v = [x / ctx.fsum(e) for x in e]
    odds = [p / a / ((1 - p) ** gamma - gamma * (1 - p) ** (gamma - 1) * p * ctx.log(p)) for p, a in zip(v, alpha, strict=True)]
    return [ctx.log(x / ctx.fsum(odds)) for x in odds]


def near(found: Any, expected: list[Any]) -> bool:
    """Within 16 ULP of max(|log η|, 1): a probability's own rounding."""
    return all(abs(ctx.mpf(float(a)) - b) <= 16 * 2.0**-52 * max(abs(b), 1) for a, b in zip(found, expected, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("gamma", GAMMAS)
def test_rows(gamma: float) -> None:
    """Logits up to 1000 apart, ties among them, with and without class weights."""
    rng = np.random.default_rng(0)
    rows = [rng.normal(size=4) * scale for scale in (0.1, 1, 10, 100, 250) for _ in range(4)] + [
        np.zeros(4),
        [500.0, 500, 0, -400],
    ]
    for alpha in (None, (1.0, 2.0, 0.5, 4.0)):
        found = log_posterior_from_logits(rows, gamma, alpha)
        for ours, row in zip(found, rows, strict=True):
            assert near(ours, exact(row, gamma, alpha or (1, 1, 1, 1))), (row, alpha)


@pytest.mark.slow
@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("alpha", [None, 0.25])
def test_log_odds(gamma: float, alpha: float | None) -> None:
    """The difference of two classes' logarithms; odd in the logit without α."""
    x = np.concatenate([np.linspace(-30, 30, 31), [-900.0, 900.0]])
    weights = (1, 1) if alpha is None else (1 - ctx.mpf(alpha), ctx.mpf(alpha))
    pairs = [exact([0, at], gamma, weights) for at in x]
    found = log_odds_from_logits(x, gamma, alpha)
    assert near(found, [second - first for first, second in pairs])
    if alpha is None:
        np.testing.assert_array_equal(log_odds_from_logits(-x, gamma), -found)


def test_finite_at_the_largest_logits() -> None:
    """Far beyond what exp takes."""
    x = np.asarray([-1e300, -1e5, 1e5, 1e300])
    assert np.isfinite(log_odds_from_logits(x, 2.0)).all()
    assert np.isfinite(log_posterior_from_logits(np.stack([x, 0 * x, -x / 2], axis=1), 2.0)).all()

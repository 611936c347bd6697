"""Logits near 0 keep their digits: the best constant of classes that are nearly even, and the posterior's log odds there."""

from __future__ import annotations

from functools import cache
from typing import Any

import mpmath
import numpy as np
import pytest

from focal_ref.calibration.balancing import initial_bias
from focal_ref.calibration.log_posteriors import log_odds_from_logits
from focal_ref.calibration.posteriors import optimal_constant
from focal_ref.conformance import ulp
from focal_ref.family import Poly1

ctx = mpmath.MPContext()
ctx.dps = 60
OFF = [s * 10.0**-k for k in (16, 13, 9, 5, 2) for s in (1.3, -1.7)] + [0.04, -0.06]
GAMMAS = [0.0, 0.3, 1.0, 2.0, 5.0]


def ulps(found: Any, exact: list[Any]) -> float:
    return float(ulp.errors(found, *ulp.split(exact), ulp.FORMATS["float64"]).max())


def log_pull(v: Any, gamma: Any, epsilon: Any = 0) -> Any:
    """log(−φ') of the margin with probability v, of focal loss, and of Poly-1."""
    u = 1 - v
    return ctx.log(u**gamma * (gamma * v * -ctx.log(v) + u) + epsilon * (gamma + 1) * v * u ** (gamma + 1))


@cache
def best(p: float, alpha: float | None, gamma: float, epsilon: float = 0.0) -> Any:
    """Where the mean gradient is 0, to 40 digits."""
    share = ctx.mpf(0.5 if alpha is None else alpha)
    goal = ctx.log(ctx.mpf(p) * share / ((1 - ctx.mpf(p)) * (1 - share)))
    if goal == 0:
        return ctx.mpf(0)

    def gap(z: Any) -> Any:
        v = 1 / (1 + ctx.exp(-z))
        return (goal + log_pull(v, ctx.mpf(gamma), epsilon) - log_pull(1 - v, ctx.mpf(gamma), epsilon)) / goal

    return ctx.findroot(gap, (goal, goal / (2 + gamma)), solver="secant", tol=1e-40)


@pytest.mark.parametrize(("gamma", "alpha"), [(0.0, None), (0.3, 0.25), (2.0, None), (5.0, 0.4999)])
def test_the_best_constant_of_classes_that_are_nearly_even(backend: Any, gamma: float, alpha: float | None) -> None:
    """Within 4 ULP of itself, however near 0 it is; correctly rounded where a wider type is there."""
    centre = 0.5 if alpha is None else 1 - alpha
    for dtype in [d for d in backend.dtypes if d in ("float32", "float64")]:
        p = backend(np.asarray([centre, *(centre + off for off in OFF)]), dtype)
        # Where nothing is wider than float32, α is rounded to it, as everything else is.
        share = alpha if alpha is None or backend.has("float64") else float(np.float32(alpha))
        exact = [best(float(v), share, gamma) for v in backend.numpy(p)]
        errors = backend.ulps(optimal_constant(p, gamma, alpha, axis=None), exact)
        assert errors.max() <= (0.51 if backend.widens(dtype) else 4), (dtype, errors)


def test_another_member_s_best_constant() -> None:
    """Poly-1's, the same."""
    p = [0.5 + off for off in OFF]
    found = optimal_constant(np.asarray(p), Poly1(gamma=2.0, epsilon=1.5), axis=None)
    assert ulps(found, [best(v, None, 2.0, 1.5) for v in p]) <= 4


def test_the_initial_bias_near_zero() -> None:
    """RetinaNet's log(π/(1 − π)), within 2 ULP of itself."""
    p = [0.5 + off for off in OFF]
    assert ulps([initial_bias(v) for v in p], [ctx.log(ctx.mpf(v) / (1 - ctx.mpf(v))) for v in p]) <= 2


@pytest.mark.parametrize("gamma", GAMMAS)
def test_the_posterior_s_log_odds_near_zero(gamma: float) -> None:
    """Within 3 ULP, from the smallest logits to those where the two sides differ much."""
    x = np.asarray([s * 10.0**-k for k in (300, 30, 17, 16, 12, 8, 4, 2, 1) for s in (1.0, -3.3)] + [0.3, 0.9, 1.1, -2.0])
    with ctx.workdps(700):
        v = [1 / (1 + ctx.exp(-ctx.mpf(z))) for z in x.tolist()]
        exact = [log_pull(1 - p, ctx.mpf(gamma)) - log_pull(p, ctx.mpf(gamma)) for p in v]
    assert ulps(log_odds_from_logits(x, gamma), exact) <= 3

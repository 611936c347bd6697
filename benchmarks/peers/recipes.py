"""Recipes for gradient boosting, written anew from their formulas: gradient and Hessian of a margin, in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["RECIPES"]

Objective = Callable[[Any, Any], tuple[Any, Any]]


def _clipped(least: float) -> Callable[[float], Objective]:
    """Max Halford's derivatives of σ(x) kept off 0 and 1, which CatBoost's own loss has too."""

    def make(gamma: float) -> Objective:
        def objective(x: Any, t: Any) -> tuple[Any, Any]:
            with np.errstate(all="ignore"):
                p = np.clip(1 / (1 + np.exp(-np.asarray(x, dtype=np.float64))), least, 1 - least)
                y = 2.0 * np.asarray(t) - 1
                p_t = np.where(y > 0, p, 1 - p)
                u, log_p = 1 - p_t, np.log(p_t)
                grad = y * u**gamma * (gamma * p_t * log_p + p_t - 1)
                first = u**gamma * (gamma * log_p + gamma + 1)
                second = gamma * u ** (gamma - 1) * (gamma * p_t * log_p + p_t - 1)
                return grad, (first - second) * p_t * u

        return objective

    return make


def _differences(gamma: float) -> Objective:
    """The notebook's: central differences of the loss, with steps of 1e-6."""

    def objective(x: Any, t: Any) -> tuple[Any, Any]:
        y, step = np.asarray(t, dtype=np.float64), 1e-6

        def loss(z: Any) -> Any:
            p = 1 / (1 + np.exp(-z))
            p_t = y * p + (1 - y) * (1 - p)
            return -((1 - p_t) ** gamma) * (y * np.log(p) + (1 - y) * np.log(1 - p))

        with np.errstate(all="ignore"):
            z = np.asarray(x, dtype=np.float64)
            above, at, below = loss(z + step), loss(z), loss(z - step)
            return (above - below) / (2 * step), (above - 2 * at + below) / step**2

    return objective


RECIPES: dict[str, Callable[[float], Objective]] = {
    "LightGBM recipe: clipped at 1e-15 (Halford)": _clipped(1e-15),
    "CatBoost Focal: clipped at 1e-13": _clipped(1e-13),
    "LightGBM notebook: finite differences (jrzaurin)": _differences,
}
"""By name, `make(gamma)(margins, targets)`."""

"""Search for the largest error: fixed grids miss what a few steps uphill from their worst points find."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["climbed"]

Floats = NDArray[np.float64]


def climbed(
    errors: Callable[[Floats], Floats], box: Sequence[tuple[float, float]], *, seed: int = 0, count: int = 64, rounds: int = 6
) -> tuple[float, Floats]:
    """The largest error found, and where: each round keeps the worst eighth of the points and looks around them, ever nearer.

    Parameters
    ----------
    errors : callable
        From points, a row each, to their errors.
    box : sequence of (float, float)
        Where the coordinates lie.
    seed : int
    count : int
        Points a round.
    rounds : int
    """
    rng = np.random.default_rng(seed)
    low, high = np.asarray(box, dtype=np.float64).T
    points = rng.uniform(low, high, (count, len(low)))
    worst: tuple[float, Any] = (-1.0, None)
    for step in range(rounds):
        found = errors(points)
        order = np.argsort(found)[::-1]
        if found[order[0]] > worst[0]:
            worst = (float(found[order[0]]), points[order[0]].copy())
        best = points[order[: count // 8]]
        reach = (high - low) * 10.0 ** (-1.5 * step - 1)
        near = best[rng.integers(0, len(best), count - len(best))]
        moved = near + rng.normal(size=near.shape) * reach * (rng.random(near.shape) < 0.7)
        points = np.concatenate([best, np.clip(moved, low, high)])
    return worst

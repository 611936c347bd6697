"""Rows of logits that break oracles: far apart, tied, dominated, shifted, beyond exp's reach, with infinities."""

import math

__all__ = ["KINDS_OF_ROW"]

INF = math.inf

KINDS_OF_ROW = [
    [0.5, -1.25],
    [0.0, 0.0, 0.0],
    [4.5, 4.5, -3.0, 0.1],
    [0.0, 700.0, 1.0],
    [800.0, 0.0, -800.0, 3.0],
    [1e308, -1e308, 5.0],
    [1.7e308, 1.7e308, 0.0],
    [5e-324, 0.0, -5e-324],
    [1e16, 1e16 + 2, 1e16 - 2],
    [-708.4, -708.5, 0.0],
    [3e12, 0.0, 1.0],
    [INF, 1.0, -INF],
    [1.5, -INF, 0.5],
    [-INF, -INF],
    [1.0, math.nan],
]

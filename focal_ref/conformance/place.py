"""Places: the points of a grid, and what formulas are made of there (p, u = 1 − p, ℓ = −log p), in plain float64."""

from __future__ import annotations

import functools

import numpy as np

from ..typing import Floats
from .grids import Grid

__all__ = ["Place"]


class Place:
    """The points of a grid, and what formulas are made of there: a loss each, or (rows of a derivative) an entry each."""

    def __init__(
        self, grid: Grid, gamma: float, quantity: str, weight: Floats | None = None, inputs: Floats | None = None
    ) -> None:
        self.grid, self.gamma, self.quantity = grid, gamma, quantity
        self.inputs = grid.logits if inputs is None else inputs
        """What the function was given: the logits, or their probabilities."""
        self.rows = grid.logits.ndim == 2
        self.entries = self.rows and quantity != "value"
        weights = np.ones(len(grid.logits)) if weight is None else weight
        self.weight = self.spread(weights)
        self.shape = grid.logits.shape if self.entries else grid.targets.shape

    def spread(self, a: Floats) -> Floats:
        """Numbers of losses, beside entries."""
        return a[:, None] if self.entries else a

    @functools.cached_property
    def shares(self) -> Floats:
        """Of each class, the probability; of a sigmoid, σ(x)."""
        x = self.grid.logits
        with np.errstate(all="ignore"):
            if not self.rows:
                result: Floats = np.where(x < 0, np.exp(x) / (1 + np.exp(x)), 1 / (1 + np.exp(-x)))
                return result
            e = np.exp(x - x.max(1, keepdims=True))
            return np.asarray(e / e.sum(1, keepdims=True))

    @functools.cached_property
    def margin(self) -> Floats:
        """The logit that a sigmoid would need for p."""
        x, y = self.grid.logits, self.grid.targets
        if not self.rows:
            return np.where(y == 1, x, -x)
        with np.errstate(all="ignore"):
            others = np.where(self.target_of(x.shape), -np.inf, x)
            top = others.max(1)
            rest = np.log(np.exp(others - np.where(np.isfinite(top), top, 0.0)[:, None]).sum(1)) + top
            return self.spread(x[np.arange(len(y)), y] - rest)

    def target_of(self, shape: tuple[int, ...]) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        """Which entry is the target's."""
        return np.asarray(np.arange(shape[1]) == self.grid.targets[:, None])

    @functools.cached_property
    def positive(self) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        """A sigmoid's label 1; of a row's entries, the target's."""
        y = self.grid.targets
        wide = np.broadcast_to(self.target_of(self.grid.logits.shape) if self.entries else y == 1, self.shape)
        return np.asarray(wide)

    @functools.cached_property
    def p(self) -> Floats:
        """The target's probability."""
        with np.errstate(all="ignore"):
            return np.asarray(np.exp(-self.nll))

    @functools.cached_property
    def u(self) -> Floats:
        """1 − p, without cancellation."""
        with np.errstate(all="ignore"):
            return np.asarray(np.exp(-np.logaddexp(0.0, self.margin)))

    @functools.cached_property
    def nll(self) -> Floats:
        """ℓ = −log p."""
        with np.errstate(all="ignore"):
            return np.asarray(np.logaddexp(0.0, -self.margin))

    @functools.cached_property
    def turn(self) -> Floats:
        """The margin's derivative by the logit: ±1; in a row 1 for the target and −q for others."""
        if not self.rows:
            return np.where(self.grid.targets == 1, 1.0, -1.0)
        with np.errstate(all="ignore"):
            return np.asarray(np.where(self.positive, 1.0, -self.shares / self.u))

    @property
    def modulator(self) -> Floats:
        """u^γ."""
        return np.asarray(self.u**self.gamma)

    def pull(self, gamma: float | None = None) -> Floats:
        """φ' for another γ."""
        g = self.gamma if gamma is None else gamma
        return np.asarray(-(self.u**g) * (g * self.p * self.nll + self.u))

    def curve(self, gamma: float | None = None) -> Floats:
        """φ'' for another γ."""
        g = self.gamma if gamma is None else gamma
        return np.asarray(self.u**g * self.p * ((1 + 2 * g) * self.u + g * self.nll * (g * self.p - self.u)))

"""Results of the demo's training: which losses there are, and what each model gave."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..typing import Floats
from .sets import Data

__all__ = ["Curve", "Loss", "Outcome", "Run"]


class Loss(NamedTuple):
    """What a model is trained with: cross entropy is γ = 0."""

    name: str
    gamma: float
    weighted: bool = False
    """Whether classes are weighted by their inverse frequency."""


CROSS_ENTROPY = Loss("cross entropy", 0.0)
FOCAL = tuple(Loss(f"focal, γ = {gamma:g}", gamma) for gamma in (0.5, 1.0, 2.0, 5.0))
LOSSES = {"linear": (CROSS_ENTROPY, Loss("class-weighted", 0.0, True), *FOCAL), "boosting": (CROSS_ENTROPY, FOCAL[0], FOCAL[2])}
"""What each model is trained with."""


class Outcome(NamedTuple):
    """A model's probabilities (samples, classes) for the rows that it hasn't seen."""

    model: str
    loss: Loss
    raw: Floats
    """σ or softmax of what was trained: the loss's minimiser."""
    corrected: Floats
    """The posterior, `focal_ref.posteriors.posterior`."""


class Curve(NamedTuple):
    """The log loss of corrected probabilities after each round of boosting, on the first fold."""

    loss: Loss
    training: list[float]
    unseen: list[float]


class Run(NamedTuple):
    """A set, its folds (rows to train on and rows to predict), each fold's outcomes, and the first fold's curves."""

    data: Data
    folds: list[tuple[NDArray[np.int64], NDArray[np.int64]]]
    outcomes: list[list[Outcome]]
    curves: list[Curve]

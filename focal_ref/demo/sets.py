"""Real imbalanced sets of data that come with the package.

>>> data = load("yeast")
>>> data.features.shape, data.classes[0], data.classes[-1]
((1448, 8), 'CYT', 'POX')
"""

from __future__ import annotations

import csv
import gzip
import importlib.resources
import io
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..losses import arguments
from ..typing import Floats

__all__ = ["Data", "load"]

SETS = {
    "hypothyroid": "thyroid tests of patients: who has hypothyroidism",
    "intrusions": "attacks on a network: which are rootkit or imap",
    "page-blocks": "blocks of scanned pages: five kinds",
    "yeast": "proteins of yeast: nine places in the cell",
}
"""What comes with the package, and what is asked of it; sources and licences are in data/demo/README.md."""


class Data(NamedTuple):
    """A set: features (samples, features), NaN where one is missing, and labels that number the classes."""

    name: str
    question: str
    classes: tuple[str, ...]
    """From the most frequent to the rarest; of two, the second is called positive."""
    features: Floats
    labels: NDArray[np.int64]

    @property
    def counts(self) -> list[int]:
        """How many samples each class has."""
        return [int(n) for n in np.bincount(self.labels)]


def load(name: str) -> Data:
    """A set by its name: columns of numbers as they are, columns of words as one column of 0 and 1 for each word.

    Parameters
    ----------
    name : str
        "hypothyroid", "intrusions", "page-blocks" or "yeast".

    Returns
    -------
    Data
        Features, and labels that number the classes from the most frequent to the rarest.

    Raises
    ------
    ValueError
        Where there is no such set; the message has their names.
    """
    arguments.choice("name", name, tuple(SETS))
    packed = importlib.resources.files("focal_ref").joinpath("data", "demo", f"{name}.csv.gz").read_bytes()
    _, *rows = csv.reader(io.StringIO(gzip.decompress(packed).decode("ascii")))
    *columns, words = (np.asarray(column) for column in zip(*rows, strict=True))
    features = np.concatenate([_numbers(column) for column in columns], axis=1)
    classes, labels, counts = np.unique(words, return_inverse=True, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return Data(name, SETS[name], tuple(str(c) for c in classes[order]), features, np.argsort(order)[labels])


def _numbers(column: NDArray[np.str_]) -> Floats:
    try:
        return np.where(column == "", "nan", column).astype(np.float64)[:, None]
    except ValueError:
        return np.asarray(column[:, None] == np.unique(column), dtype=np.float64)

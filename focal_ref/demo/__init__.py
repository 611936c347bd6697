"""Demo on real imbalanced data: the sets that come with the package, and the models that `focal-ref demo` trains on them.

>>> data = load("yeast")
>>> data.features.shape, data.classes[0], data.classes[-1]
((1448, 8), 'CYT', 'POX')
"""

from __future__ import annotations

from .sets import Data, load
from .train import run, splits

__all__ = ["Data", "load", "run", "splits"]

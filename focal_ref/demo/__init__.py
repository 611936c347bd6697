"""Demo on real imbalanced data: the sets that come with the package, and the models that `focal-ref demo` trains on them.

Every loss sees the same folds. The linear model is `focal_ref_sklearn.FocalLogisticRegression`, and each fold and loss has its
own C: the one with the least log loss on a quarter of the training rows that was kept aside. (A focal loss is smaller than
cross entropy, so the same C would be a stronger penalty.) The boosted model is scikit-learn's HistGradientBoostingClassifier,
with its own log loss and with `focal_ref_boosting`. Training needs scikit-learn, which is imported where it is used.

>>> data = load("yeast")
>>> data.features.shape, data.classes[0], data.classes[-1]
((1448, 8), 'CYT', 'POX')
"""

from __future__ import annotations

from .sets import Data, load
from .train import run, splits

__all__ = ["Data", "load", "run", "splits"]

"""Focal loss for scikit-learn: a linear classifier whose probabilities are the posterior, and the loss as a metric.

>>> import numpy as np
>>> X, y = np.asarray([[0.0], [1.0], [2.0], [3.0]]), np.asarray([0, 0, 1, 1])
>>> FocalLogisticRegression(gamma=1.0).fit(X, y).predict([[0.5], [2.5]])
array([0, 1])
"""

from __future__ import annotations

from ._linear import FocalLogisticRegression
from ._metric import focal_loss

__all__ = ["FocalLogisticRegression", "focal_loss"]

"""Focal loss for gradient boosting: one objective for XGBoost, LightGBM, CatBoost and scikit-learn, binary and multi-class.

>>> import numpy as np
>>> from focal_ref_boosting import objective
>>> labels = np.asarray([1, 0, 0, 0])
>>> focal = objective(labels)
>>> gradient, hessian = focal(labels, np.zeros(4))
>>> bool(abs(gradient.sum()) < 1e-15)
True

The sum is 0 because margins are counted from the best constant prediction: a booster that starts at 0 starts there. None of the
libraries is imported.
"""

from __future__ import annotations

from ._objective import Objective, objective

__all__ = ["Objective", "objective"]

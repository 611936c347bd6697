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

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._objective import Objective, objective

if TYPE_CHECKING:
    from ._estimators import FocalBoostingClassifier, FocalCatBoostClassifier, FocalLGBMClassifier, FocalXGBClassifier

__all__ = [
    "FocalBoostingClassifier",
    "FocalCatBoostClassifier",
    "FocalLGBMClassifier",
    "FocalXGBClassifier",
    "Objective",
    "objective",
]


def __getattr__(name: str) -> Any:
    """The estimators need scikit-learn, which the objective does without."""
    if name in __all__:
        return getattr(import_module("focal_ref_boosting._estimators"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

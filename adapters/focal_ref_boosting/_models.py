"""Raw margins from a fitted model, whichever library it is of."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

__all__ = ["raw_margins"]


def raw_margins(model: Any, X: Any) -> Any:
    """What the trees add up to: one margin a sample, or (samples, classes)."""
    libraries = [base.__module__.partition(".")[0] for base in type(model).__mro__]
    if "xgboost" in libraries:
        xgboost = sys.modules["xgboost"]
        if isinstance(model, xgboost.Booster) and not isinstance(X, xgboost.DMatrix):
            X = xgboost.DMatrix(X)
        return model.predict(X, output_margin=True)
    if "lightgbm" in libraries:
        return model.predict(X, raw_score=True)
    if "catboost" in libraries:
        return np.asarray(model.predict(X, prediction_type="RawFormulaVal"))
    raise TypeError(f"model: got {type(model).__name__}; expected a model of XGBoost, LightGBM or CatBoost")

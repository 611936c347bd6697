"""Raw margins from a fitted model, whichever library it is of, and whatever it is wrapped in."""

from __future__ import annotations

import json
import sys
import warnings
from typing import Any

import numpy as np

__all__ = ["library_of", "notice_base_score", "raw_margins", "unwrapped"]

LIBRARIES = ("xgboost", "lightgbm", "catboost")
_ACCEPTED = "a model of XGBoost, LightGBM or CatBoost, or a fitted pipeline or search that ends in one"


def library_of(model: Any) -> str | None:
    """Which library the class, or one that it inherits from, is of."""
    modules = [base.__module__.partition(".")[0] for base in type(model).__mro__]
    return next((library for library in LIBRARIES if library in modules), None)


def unwrapped(model: Any, X: Any) -> tuple[Any, Any]:
    """The booster at the end of pipelines and searches, and X as it reaches it."""
    while library_of(model) is None:
        if hasattr(model, "best_estimator_"):
            model = model.best_estimator_
        elif hasattr(model, "steps") and hasattr(model, "__getitem__"):
            model, X = model[-1], (model[:-1].transform(X) if len(model.steps) > 1 else X)
        else:
            raise TypeError(f"model: got {type(model).__name__}; expected {_ACCEPTED}")
    return model, X


def raw_margins(model: Any, X: Any, **options: Any) -> Any:
    """What the trees add up to: one margin a sample, or (samples, classes); options go to the library's ``predict``."""
    model, X = unwrapped(model, X)
    library = library_of(model)
    if library == "xgboost":
        xgboost = sys.modules["xgboost"]
        if isinstance(model, xgboost.Booster) and not isinstance(X, xgboost.DMatrix):
            X = xgboost.DMatrix(X)
        return model.predict(X, output_margin=True, **options)
    if library == "lightgbm":
        return model.predict(X, raw_score=True, **options)
    return np.asarray(model.predict(X, prediction_type="RawFormulaVal", **options))


def notice_base_score(model: Any, several: bool) -> None:
    """Warn where XGBoost adds a start of its own to ours: 0.5, by `train` and the regressor, unless told otherwise."""
    if library_of(model) != "xgboost":
        return
    booster = model.get_booster() if hasattr(model, "get_booster") else model
    learner = json.loads(booster.save_config())["learner"]
    cure = "pass base_score=0.0 to XGBoost's train or XGBRegressor"
    base = np.atleast_1d(json.loads(learner["learner_model_param"]["base_score"])).astype(np.float64)
    if learner["objective"]["name"] in ("binary:logistic", "reg:logistic", "binary:logitraw"):
        with np.errstate(divide="ignore"):
            base = np.log(base) - np.log1p(-base)
        cure = "leave base_score out, which is a probability to XGBClassifier"
    if several:
        base = base - base[0]  # the same for each class is none
    if base.any():
        said = f"the model's margins began at {base[-1]:g}, beside the objective's start, and not at the best constant"
        warnings.warn(f"{said}; {cure}", UserWarning, stacklevel=4)

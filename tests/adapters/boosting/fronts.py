"""The three classifiers with a few rounds, and real data for them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

from focal_ref_boosting import FocalCatBoostClassifier, FocalLGBMClassifier, FocalXGBClassifier
from sklearn.datasets import load_breast_cancer, load_wine

FRONTS: dict[str, tuple[Any, str, dict[str, Any]]] = {
    "xgboost": (FocalXGBClassifier, "XGBClassifier", {"n_estimators": 12, "n_jobs": 1}),
    "lightgbm": (FocalLGBMClassifier, "LGBMClassifier", {"n_estimators": 12, "n_jobs": 1, "verbose": -1}),
    "catboost": (
        FocalCatBoostClassifier,
        "CatBoostClassifier",
        {"iterations": 12, "learning_rate": 0.3, "depth": 3, "thread_count": 1, "verbose": 0, "allow_writing_files": False},
    ),
}
ROUNDS = {"xgboost": "n_estimators", "lightgbm": "n_estimators", "catboost": "iterations"}
needs_each = pytest.mark.parametrize("library", FRONTS)
both = pytest.mark.parametrize("several", [False, True], ids=["binary", "three-classes"])


def front(library: str, **options: Any) -> Any:
    pytest.importorskip(library)
    made, _, usual = FRONTS[library]
    return made(**usual | options)


def data(several: bool) -> tuple[Any, Any]:
    """Real tumours, malignant thinned to a rare class; real wines of three growers; labels are strings."""
    if several:
        X, y = load_wine(return_X_y=True)
        return X, np.asarray(["white", "red", "rosé"])[y]
    X, y = load_breast_cancer(return_X_y=True)
    kept = (y == 1) | (np.cumsum(y == 0) % 4 == 1)
    return X[kept], np.where(y[kept] == 0, "malignant", "benign")

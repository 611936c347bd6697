"""Each booster with its own log loss, with our classifiers by two Hessians, and CatBoost's own Focal, on real imbalanced sets.

``python -m benchmarks.boosting_estimators`` prints the table of docs/boosting.md: over stratified folds, twice, the means and
standard errors of average precision, Brier score and log loss of the probabilities, and the time of a fit.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from focal_ref_boosting import FocalCatBoostClassifier, FocalLGBMClassifier, FocalXGBClassifier
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss
from sklearn.model_selection import RepeatedStratifiedKFold

ROUNDS = 100
CATBOOST = {"iterations": ROUNDS, "learning_rate": 0.1, "thread_count": 1, "verbose": 0, "allow_writing_files": False}
OTHERS = {"n_estimators": ROUNDS, "learning_rate": 0.1, "n_jobs": 1}


def sets() -> Iterator[tuple[str, Any, Any]]:
    """Tumours, the malignant thinned; an 8 against the other digits, and one in three of them; one grower's wine."""
    X, y = load_breast_cancer(return_X_y=True)
    rare = y == 0
    kept = ~rare | (np.cumsum(rare) % 9 == 1)
    yield "breast cancer, 6.3 %", X[kept], rare[kept].astype(int)
    X, y = load_digits(return_X_y=True)
    eight = y == 8
    yield "digits, 9.7 %", X, eight.astype(int)
    kept = ~eight | (np.cumsum(eight) % 3 == 1)
    yield "digits, 3.5 %", X[kept], eight[kept].astype(int)
    X, y = load_wine(return_X_y=True)
    kept = (y < 2) | (np.cumsum(y == 2) % 3 == 1)
    yield "wine, 11 %", X[kept], (y[kept] == 2).astype(int)


def contestants() -> dict[str, Callable[[], Any]]:
    """A way to make each, by name."""
    import catboost
    import lightgbm
    import xgboost

    made: dict[str, Callable[[], Any]] = {
        "XGBoost, log loss": lambda: xgboost.XGBClassifier(**OTHERS),
        "LightGBM, log loss": lambda: lightgbm.LGBMClassifier(**OTHERS, verbose=-1),
        "CatBoost, log loss": lambda: catboost.CatBoostClassifier(**CATBOOST),
        "CatBoost, its own Focal": lambda: catboost.CatBoostClassifier(
            **CATBOOST, loss_function="Focal:focal_alpha=0.5;focal_gamma=2.0"
        ),
    }
    for hessian in ("abs_gradient", "outer_product"):
        made[f"FocalXGBClassifier, {hessian}"] = lambda h=hessian: FocalXGBClassifier(**OTHERS, hessian=h)
        made[f"FocalLGBMClassifier, {hessian}"] = lambda h=hessian: FocalLGBMClassifier(**OTHERS, verbose=-1, hessian=h)
        made[f"FocalCatBoostClassifier, {hessian}"] = lambda h=hessian: FocalCatBoostClassifier(**CATBOOST, hessian=h)
    return made


def measured(make: Callable[[], Any], X: Any, y: Any) -> Any:
    """AP, Brier score, log loss and milliseconds a fit, a row for each fold."""
    rows = []
    for train, test in RepeatedStratifiedKFold(n_splits=4, n_repeats=2, random_state=0).split(X, y):
        begin = time.perf_counter()
        model = make().fit(X[train], y[train])
        spent = 1e3 * (time.perf_counter() - begin)
        p = model.predict_proba(X[test])[:, 1]
        rows.append((average_precision_score(y[test], p), brier_score_loss(y[test], p), log_loss(y[test], p), spent))
    return np.asarray(rows)


def main() -> None:
    """Print the table."""
    warnings.simplefilter("ignore")
    for name, X, y in sets():
        print(f"\n{name}\n\n| | AP | Brier | log loss | ms a fit |\n| --- | --- | --- | --- | --- |")
        for who, make in contestants().items():
            rows = measured(make, X, y)
            mean, error = rows.mean(axis=0), rows.std(axis=0, ddof=1) / len(rows) ** 0.5
            figures = " | ".join(f"{m:.4f} ± {e:.4f}" for m, e in zip(mean[:3], error[:3], strict=True))
            print(f"| {who} | {figures} | {mean[3]:.0f} |", flush=True)


if __name__ == "__main__":
    main()

"""The tables of docs/boosting.md: average precision and log loss by library, Hessian and start, cross-validated on real data.

    python docs/boosting_table.py [breast_cancer | digits | wine | xgboost | lightgbm | catboost | scikit-learn ...]

needs the extra `boosting`. Every fit has 100 rounds, a learning rate of 0.1 and 0.001 as the least Hessian in a leaf; the rest
is each library's default. "log loss" is the same library with its own objective, on the same folds.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import catboost
import lightgbm
import numpy as np
import xgboost
from focal_ref_boosting import objective
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import average_precision_score, log_loss
from sklearn.model_selection import RepeatedStratifiedKFold

from focal_ref.calibration.balancing import initial_bias

ROUNDS, RATE, LEAST, FOLDS, REPEATS = 100, 0.1, 1e-3, 4, 2
HESSIANS = ("abs_gradient", "outer_product", "logistic", "exact")
STARTS = ("optimal", "log odds", "zero")
SETS = ("breast_cancer", "digits", "wine")
LIBRARIES = ("xgboost", "lightgbm", "catboost", "scikit-learn")


def data(name: str) -> tuple[Any, Any]:
    """Features and labels, 0 … K − 1; the rarest class last."""
    rng = np.random.default_rng(0)
    if name == "digits":  # one digit against the rest: 9.7% positives
        X, y = load_digits(return_X_y=True)
        return X, (y == 8).astype(int)
    if name == "wine":  # 59, 71 and, thinned, 16
        X, y = load_wine(return_X_y=True)
        kept = (y < 2) | (np.cumsum(y == 2) % 3 == 1)
        return X[kept], y[kept]
    X, y = load_breast_cancer(return_X_y=True)
    y = 1 - y  # malignant: thinned to 24 beside 357, 6.3%
    kept = np.concatenate([np.flatnonzero(y == 0), rng.choice(np.flatnonzero(y == 1), 24, replace=False)])
    return X[kept], y[kept]


def model(library: str, loss: Any = None, classes: int = 2) -> Any:
    """A classifier with its own log loss, or with a loss of ours."""
    if library == "xgboost":
        own = {} if loss is None else {"objective": loss}
        return xgboost.XGBClassifier(n_estimators=ROUNDS, learning_rate=RATE, min_child_weight=LEAST, n_jobs=1, **own)
    if library == "lightgbm":
        own = {} if loss is None else {"objective": loss}
        return lightgbm.LGBMClassifier(
            n_estimators=ROUNDS, learning_rate=RATE, min_child_weight=LEAST, n_jobs=1, verbose=-1, **own
        )
    if library == "catboost":
        own = {}
        if loss is not None:
            own = {"loss_function": loss, "eval_metric": "MultiClass"}
        if loss is not None and classes == 2:
            own |= {"eval_metric": "Logloss", "leaf_estimation_iterations": 10}  # as many as with its log loss
        return catboost.CatBoostClassifier(
            iterations=ROUNDS, learning_rate=RATE, thread_count=1, verbose=0, allow_writing_files=False, **own
        )
    own = {} if loss is None else {"loss": loss}
    return HistGradientBoostingClassifier(max_iter=ROUNDS, learning_rate=RATE, early_stopping=False, **own)


def focal_probabilities(library: str, hessian: Any, start: str, X: Any, y: Any, new: Any) -> Any:
    """Train with focal loss, γ = 2, and predict the posterior."""
    prior = np.bincount(y) / len(y)
    binary = len(prior) == 2
    log_odds = initial_bias(prior[1] if binary else prior)
    begin = {"optimal": None, "log odds": log_odds, "zero": 0.0 * log_odds}[start]
    focal = objective(y, hessian=hessian, start=begin)
    if library == "scikit-learn":
        loss = focal.for_scikit_learn()
        if begin is not None:
            loss.fit_intercept_only = lambda y_true, sample_weight=None: np.asarray(begin, dtype=y_true.dtype)
        return model(library, loss).fit(X, y).predict_proba(new)
    return focal.predict_proba(model(library, focal, len(prior)).fit(X, y), new)


def scores(y: Any, probabilities: Any) -> tuple[float, float]:
    """Average precision (of several classes, the mean) and log loss."""
    if probabilities.shape[1] == 2:
        precision = average_precision_score(y, probabilities[:, 1])
    else:
        precision = average_precision_score(np.eye(probabilities.shape[1])[y], probabilities, average="macro")
    probabilities = np.clip(probabilities, 1e-15, 1)  # what log_loss divides by must not be 0
    return float(precision), float(log_loss(y, probabilities / probabilities.sum(axis=1, keepdims=True)))


def rows(name: str, libraries: list[str]) -> Iterator[tuple[Any, ...]]:
    """Library, Hessian, start, and over the folds the means, and the mean difference in precision with its standard error."""
    X, y = data(name)
    folds = list(RepeatedStratifiedKFold(n_splits=FOLDS, n_repeats=REPEATS, random_state=0).split(X, y))
    for library in libraries:
        own = np.asarray([scores(y[b], model(library).fit(X[a], y[a]).predict_proba(X[b])) for a, b in folds])
        yield library, "(log loss)", "", *own.mean(axis=0), 0.0, 0.0
        for hessian in HESSIANS:
            for start in STARTS:
                if library == "catboost" and len(np.unique(y)) > 2 and (hessian != "abs_gradient" or start != "optimal"):
                    continue  # its door for several classes is called sample by sample: minutes a fit
                found = np.asarray(
                    [scores(y[b], focal_probabilities(library, hessian, start, X[a], y[a], X[b])) for a, b in folds]
                )
                gain = found[:, 0] - own[:, 0]
                yield library, hessian, start, *found.mean(axis=0), gain.mean(), gain.std(ddof=1) / len(gain) ** 0.5


def main(names: list[str]) -> None:
    """Print a table for each data set."""
    libraries = [name for name in names if name in LIBRARIES] or list(LIBRARIES)
    for name in [name for name in names if name in SETS] or SETS:
        print(f"\n{name}\n\n| library | hessian | start | average precision | gain ± standard error | log loss |")
        print("| --- | --- | --- | --- | --- | --- |")
        for library, hessian, start, precision, loss, gain, error in rows(name, libraries):
            change = f"{gain:+.4f} ± {error:.4f}" if start else ""
            print(f"| {library} | {hessian} | {start} | {precision:.4f} | {change} | {loss:.4f} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])

"""Ways to boost with focal loss: our classifiers, the libraries' own losses, three packages, and recipes that people copy.

A contestant is a function of training data that returns one of new features to the positives' probabilities. All have 100
rounds at a rate of 0.1 and one thread, γ = 2 where they ask for it, and else their own defaults. Recipes are as published, with
what is wrong in them: their formulas and constants, written anew. What has to be said of each is in `NOTES`.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import catboost
import lightgbm
import numpy as np
import xgboost
from focal_ref_boosting import FocalCatBoostClassifier, FocalLGBMClassifier, FocalXGBClassifier, objective
from scipy.optimize import minimize_scalar
from scipy.special import expit
from sklearn.ensemble import HistGradientBoostingClassifier

__all__ = ["NOTES", "ROUNDS", "Contestant", "contestants"]

Contestant: TypeAlias = Callable[[Any, Any], Callable[[Any], Any]]

ROUNDS, RATE = 100, 0.1
CATBOOST = {"iterations": ROUNDS, "learning_rate": RATE, "thread_count": 1, "verbose": 0, "allow_writing_files": False}
XGBOOST = {"n_estimators": ROUNDS, "learning_rate": RATE, "n_jobs": 1}
LIGHTGBM = XGBOOST | {"verbose": -1}
NATIVE_XGBOOST = {"learning_rate": RATE, "nthread": 1}
NATIVE_LIGHTGBM = {"learning_rate": RATE, "num_threads": 1, "verbose": -1}
HISTOGRAMS = {"max_iter": ROUNDS, "learning_rate": RATE, "early_stopping": False}
HESSIANS = ("abs_gradient", "outer_product")

NOTES = {
    "imbalance-xgboost": "0.8.1: exact Hessian, start at 0.5 (XGBoost's base score), σ of the margin. Its class hands `train`"
    " the argument `feval`, which XGBoost no longer has, so its objective was handed to `train`.",
    "bokbokbok": "1.0.5: α = 1, Hessian 0 for each positive, start at 0.5 (XGBoost) or 0 (LightGBM), σ of the margin.",
    "imlightgbm": "0.1.2: exact Hessian, start at 0, σ of the margin.",
    "Halford's recipe": "exact Hessian, start at the focal optimum, probabilities clipped at 1e-15, σ of the margin.",
    "jrzaurin's recipe": "finite differences with a step of 1e-6, α = 0.25, start at 0, σ of the margin.",
    "textbook recipe": "exact Hessian, start at the log odds (Lin et al.'s bias), σ of the margin.",
    "its own Focal": "`Focal:focal_alpha=0.5;focal_gamma=2.0`, σ of the margin.",
}


def contestants() -> dict[str, Contestant]:
    """By library and name."""
    made: dict[str, Contestant] = {}
    made["XGBoost: log loss"] = partial(_fitted, partial(xgboost.XGBClassifier, **XGBOOST))
    for h in HESSIANS:
        made[f"XGBoost: focal_ref, {h}"] = partial(_fitted, partial(FocalXGBClassifier, hessian=h, **XGBOOST))
    made["XGBoost: imbalance-xgboost"] = _imbalance_xgboost
    made["XGBoost: bokbokbok"] = _bokbokbok_xgboost
    made["XGBoost: textbook recipe"] = _textbook
    made["LightGBM: log loss"] = partial(_fitted, partial(lightgbm.LGBMClassifier, **LIGHTGBM))
    for h in HESSIANS:
        made[f"LightGBM: focal_ref, {h}"] = partial(_fitted, partial(FocalLGBMClassifier, hessian=h, **LIGHTGBM))
    made["LightGBM: imlightgbm"] = _imlightgbm
    made["LightGBM: bokbokbok"] = _bokbokbok_lightgbm
    made["LightGBM: Halford's recipe"] = _halford
    made["LightGBM: jrzaurin's recipe"] = _jrzaurin
    made["CatBoost: log loss"] = partial(_fitted, partial(catboost.CatBoostClassifier, **CATBOOST))
    for h in HESSIANS:
        made[f"CatBoost: focal_ref, {h}"] = partial(_fitted, partial(FocalCatBoostClassifier, hessian=h, **CATBOOST))
    few = partial(FocalCatBoostClassifier, leaf_estimation_iterations=3, **CATBOOST)
    made["CatBoost: focal_ref, abs_gradient, 3 leaf steps"] = partial(_fitted, few)
    own = partial(catboost.CatBoostClassifier, loss_function="Focal:focal_alpha=0.5;focal_gamma=2.0", **CATBOOST)
    made["CatBoost: its own Focal"] = partial(_fitted, own)
    made["scikit-learn: log loss"] = partial(_fitted, partial(HistGradientBoostingClassifier, **HISTOGRAMS))
    for h in HESSIANS:
        made[f"scikit-learn: focal_ref, {h}"] = partial(_histograms, h)
    return made


def _fitted(make: Callable[[], Any], X: Any, y: Any) -> Any:
    model = make().fit(X, y)
    return lambda new: model.predict_proba(new)[:, 1]


def _histograms(hessian: Any, X: Any, y: Any) -> Any:
    loss = objective(y, gamma=2.0, hessian=hessian).for_scikit_learn()
    return _fitted(partial(HistGradientBoostingClassifier, loss=loss, **HISTOGRAMS), X, y)


# ---- packages ---------------------------------------------------------------------------------------------------------------


def _trained(objective: Any, X: Any, y: Any, **options: Any) -> Any:
    """By XGBoost's `train`, and σ of its margins."""
    model = xgboost.train(NATIVE_XGBOOST | options, xgboost.DMatrix(X, y), ROUNDS, obj=objective)
    return lambda new: expit(model.predict(xgboost.DMatrix(new), output_margin=True))


def _imbalance_xgboost(X: Any, y: Any) -> Any:
    from imxgboost.focal_loss import Focal_Binary_Loss

    return _trained(Focal_Binary_Loss(gamma_indct=2.0).focal_binary_object, X, y)


def _bokbokbok_xgboost(X: Any, y: Any) -> Any:
    from bokbokbok.loss_functions.classification import WeightedFocalLoss

    return _trained(WeightedFocalLoss(alpha=1.0, gamma=2.0), X, y)


def _bokbokbok_lightgbm(X: Any, y: Any) -> Any:
    from bokbokbok.loss_functions.classification import WeightedFocalLoss

    return _trained_lightgbm(WeightedFocalLoss(alpha=1.0, gamma=2.0), X, y)


def _imlightgbm(X: Any, y: Any) -> Any:
    with contextlib.redirect_stdout(io.StringIO()):
        from imlightgbm import ImbalancedLGBMClassifier

    return _fitted(partial(ImbalancedLGBMClassifier, objective="binary_focal", gamma=2.0, **LIGHTGBM), X, y)


def _trained_lightgbm(objective: Any, X: Any, y: Any, start: float = 0.0) -> Any:
    """By LightGBM's `train`, and σ of its margins and the start."""
    data = lightgbm.Dataset(X, y, init_score=np.full(len(y), start) if start else None)
    model = lightgbm.train(NATIVE_LIGHTGBM | {"objective": objective}, data, ROUNDS)
    return lambda new: expit(start + model.predict(new, raw_score=True))


# ---- recipes ----------------------------------------------------------------------------------------------------------------


def _analytic(margins: Any, labels: Any) -> tuple[Any, Any]:
    """The gradient and the exact Hessian at γ = 2 as a textbook has them, from a clipped p."""
    sign = 2 * labels - 1
    p = np.clip(expit(sign * margins), 1e-15, 1 - 1e-15)
    u, nll = 1 - p, -np.log(p)
    return -sign * u**2 * (2 * p * nll + u), u**2 * p * (5 * u + 2 * nll * (2 * p - u))


def _halford(X: Any, y: Any) -> Any:
    def risk(p: float) -> float:
        share = y.mean()
        return float(-share * (1 - p) ** 2 * np.log(p) - (1 - share) * p**2 * np.log(1 - p))

    best = minimize_scalar(risk, bounds=(0, 1), method="bounded").x
    start = float(np.log(best / (1 - best)))
    # LightGBM hands over margins with the start in them.
    return _trained_lightgbm(lambda margins, data: _analytic(margins, data.get_label()), X, y, start)


def _jrzaurin(X: Any, y: Any) -> Any:
    def loss(x: Any, t: Any) -> Any:
        p = 1 / (1 + np.exp(-x))
        of_target = p * t + (1 - p) * (1 - t)
        return -(0.25 * t + 0.75 * (1 - t)) * (1 - of_target) ** 2 * (t * np.log(p) + (1 - t) * np.log(1 - p))

    def differences(x: Any, data: Any, step: float = 1e-6) -> tuple[Any, Any]:
        t = data.get_label()
        below, here, above = loss(x - step, t), loss(x, t), loss(x + step, t)
        return (above - below) / (2 * step), (above - 2 * here + below) / step**2

    return _trained_lightgbm(differences, X, y)


def _textbook(X: Any, y: Any) -> Any:
    start = float(np.log(y.mean() / (1 - y.mean())))
    return _trained(lambda margins, data: _analytic(margins, data.get_label()), X, y, base_score=start)

"""What the boosting estimators refuse, in words: options that would be silent, wrong labels and weights.

Runs for the libraries that are installed (the extra `boosting`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

from focal_ref_boosting import FocalBoostingClassifier
from sklearn.preprocessing import StandardScaler

from tests.adapters.boosting.fronts import FRONTS, data, front, needs_each

OTHERS: dict[str, Any] = {
    "scale_pos_weight": 9.0,
    "pos_weight": 9.0,
    "is_unbalance": True,
    "unbalance": True,
    "class_weights": [1, 9],
    "auto_class_weights": "Balanced",
    "pos_bagging_fraction": 0.5,
    "neg_bagging_fraction": 0.5,
    "objective": "binary:hinge",
    "loss_function": "Logloss",
    "loss": "log_loss",
    "application": "binary",
    "eval_metric": "AUC",
    "metric": "auc",
    "feval": max,
    "num_class": 2,
    "classes_count": 2,
    "class_names": [0, 1],
    "focal_gamma": 1.0,
    "base_score": 0.5,
    "init_score": 0.0,
    "baseline": 0.0,
    "boost_from_average": False,
}
"""What some library has, or is asked for in vain elsewhere."""
SILENT = [
    ("xgboost", {"scale_pos_weight": 9.0}, "scale_pos_weight"),
    ("xgboost", {"base_score": 0.5}, "base_score"),
    ("xgboost", {"objective": "binary:hinge"}, "objective"),
    ("xgboost", {"eval_metric": "logloss"}, "eval_metric"),
    ("lightgbm", {"scale_pos_weight": 9.0}, "scale_pos_weight"),
    ("lightgbm", {"is_unbalance": True}, "is_unbalance"),
    ("lightgbm", {"unbalance": True}, "unbalance"),
    ("lightgbm", {"objective": "binary"}, "objective"),
    ("lightgbm", {"metric": "auc"}, "metric"),
    ("catboost", {"scale_pos_weight": 9.0}, "scale_pos_weight"),
    ("catboost", {"class_weights": [1, 9]}, "class_weights"),
    ("catboost", {"auto_class_weights": "Balanced"}, "auto_class_weights"),
    ("catboost", {"loss_function": "Logloss"}, "loss_function"),
    ("catboost", {"eval_metric": "AUC"}, "eval_metric"),
]


@pytest.mark.parametrize(("library", "options", "name"), SILENT, ids=[f"{s[0]}-{s[2]}" for s in SILENT])
def test_silent_options_are_refused(library: str, options: dict[str, Any], name: str) -> None:
    """What changes nothing beside an objective, or what the estimator sets itself."""
    with pytest.raises(ValueError, match=f"^{name}: got "):
        front(library, **options).fit(*data(False))


@needs_each
@pytest.mark.parametrize("name", OTHERS)
def test_an_option_that_another_library_has_is_refused_too(library: str, name: str) -> None:
    """In words with a cure, however it is given: XGBoost and LightGBM take any option, and say nothing."""
    value, cure = OTHERS[name], f"^{name}: got .*; expected it to be (left out.*: (use|the estimator)|called gamma)"
    with pytest.raises((ValueError, TypeError), match=cure):  # CatBoost's class knows its options when it is made
        front(library, **{name: value}).fit(X2, Y2)
    with pytest.raises(ValueError, match=cure):
        front(library).set_params(**{name: value}).fit(X2, Y2)


@needs_each
def test_an_option_that_asks_for_nothing_is_let_be(library: str) -> None:
    """Off, None and one say what is so."""
    off: dict[str, dict[str, Any]] = {
        "xgboost": {"scale_pos_weight": 1.0, "class_weights": None},
        "lightgbm": {"scale_pos_weight": 1.0, "is_unbalance": False, "pos_bagging_fraction": 1.0},
        "catboost": {"auto_class_weights": None},
    }
    same = front(library).fit(X2, Y2)
    np.testing.assert_array_equal(front(library, **off[library]).fit(X2, Y2).predict_proba(X2), same.predict_proba(X2))


@pytest.mark.parametrize("library", ["xgboost", "catboost"])
def test_a_class_weight_inside_the_meta_estimator_is_refused(library: str) -> None:
    """Where the library itself has none."""
    inner = getattr(pytest.importorskip(library), FRONTS[library][1])(**FRONTS[library][2])
    with pytest.raises(ValueError, match=r"^class_weight: got 'balanced'; .*use the focal classifier's class_weight"):
        FocalBoostingClassifier(inner.set_params(class_weight="balanced")).fit(X2, Y2)


def test_lightgbm_s_weights_of_watched_classes_by_a_dict_are_refused() -> None:
    """Its labels would be taken for our numbers of classes."""
    watched = {"eval_set": [(X2, Y2)]}
    front("lightgbm").fit(X2, Y2, **watched, eval_class_weight=["balanced"])
    with pytest.raises(ValueError, match=r"^eval_class_weight: got .*expected \"balanced\""):
        front("lightgbm").fit(X2, Y2, **watched, eval_class_weight=[{1: 9.0}])


def test_lightgbm_s_class_weight_is_ours() -> None:
    """Inside the meta-estimator too, where the start would not see it; both at once are refused."""
    lightgbm = pytest.importorskip("lightgbm")
    X, y = data(False)
    options = FRONTS["lightgbm"][2]
    inner = FocalBoostingClassifier(lightgbm.LGBMClassifier(**options, class_weight="balanced")).fit(X, y)
    ours = front("lightgbm", class_weight="balanced").fit(X, y)
    np.testing.assert_array_equal(inner.predict_proba(X), ours.predict_proba(X))
    inner.set_params(class_weight="balanced")
    with pytest.raises(ValueError, match="class_weight: got 'balanced' here"):
        inner.fit(X, y)


X2, Y2 = np.random.default_rng(0).normal(size=(60, 3)), np.arange(60) % 2


@needs_each
@pytest.mark.parametrize(
    ("options", "arguments", "message"),
    [
        ({}, {"y": np.zeros(60)}, "y: got one class"),
        ({}, {"sample_weight": np.ones(59)}, "sample_weight: got"),
        ({}, {"sample_weight": -np.ones(60)}, "sample_weight: got -1"),
        ({}, {"sample_weight": np.where(Y2, 1.0, np.nan)}, "sample_weight: got nan"),
        ({}, {"sample_weight": np.zeros(60)}, "every weight is zero"),
        ({}, {"sample_weight": 1.0 * Y2}, "y: got class 0 with weights of zero only"),
        ({"class_weight": {7: 2.0}}, {}, "class_weight: got label 7"),
        ({"class_weight": "equal"}, {}, "class_weight: got 'equal'"),
        ({"alpha": (1.0, 2.0)}, {}, "alpha: got"),
        ({"alpha": 0.5}, {"y": np.arange(60) % 3}, "alpha: got 0.5"),
        ({"gamma": -1.0}, {}, "gamma: got -1"),
        ({"hessian": "clip"}, {}, "hessian: got 'clip'"),
        ({}, {"eval_set": [(X2, Y2 + 1)]}, "eval_set: got label 2"),
        ({}, {"eval_metric": "auc"}, "eval_metric: got 'auc'"),
    ],
)
def test_wrong_input_is_refused_in_words(library: str, options: Any, arguments: Any, message: str) -> None:
    """The message names the argument and what came."""
    with pytest.raises((ValueError, TypeError), match=message):
        front(library, **options).fit(**{"X": X2, "y": Y2} | arguments)


def test_another_estimator_is_refused() -> None:
    """Only the three libraries' classes are boosters whose objective can be set."""
    with pytest.raises(TypeError, match="estimator: got"):
        FocalBoostingClassifier(StandardScaler()).fit(X2, Y2)

"""The objective's traps are closed: wrong labels and weights name themselves, a forgotten base score is noticed.

What needs a library runs where it is installed (the extra `boosting`).
"""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from focal_ref_boosting import objective

import focal_ref as fr

LABELS = np.arange(40) % 4 == 0
SKEWED = np.asarray([0, 0, 0, 1, 1, 2] * 10)


def test_gamma_and_alpha_in_the_place_of_a_loss() -> None:
    """The same objective; both at once are refused."""
    assert objective(LABELS, gamma=1.5, alpha=0.3) == objective(LABELS, fr.SigmoidFocalLoss(gamma=1.5, alpha=0.3))
    assert objective(SKEWED, alpha=(1.0, 2.0, 3.0)) == objective(SKEWED, fr.SoftmaxFocalLoss(alpha=(1.0, 2.0, 3.0)))
    with pytest.raises(ValueError, match="gamma, alpha: got"):
        objective(LABELS, fr.SigmoidFocalLoss(), gamma=1.5)


def test_strings_are_labels() -> None:
    """In sorted order, as the libraries sort them; arrays of objects and of text, two classes and more."""
    names = np.asarray(["a", "b", "c"])
    assert objective(names[LABELS.astype(int)]) == objective(LABELS)
    assert objective(names[SKEWED].astype(object)) == objective(SKEWED)


def test_classes_as_frequent_start_alike() -> None:
    """To the last bit: equal counts, equal logits."""
    for gamma in (0.5, 2.0, 3.0):
        assert len(set(objective(np.arange(300) % 3, gamma=gamma).start)) == 1  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        (np.zeros(5), {}, "labels: got one class, 0"),
        (np.ones(5), {}, "labels: got one class, 1"),
        (np.asarray(["x"] * 5), {}, "labels: got one class"),
        (np.zeros(5), {"loss": fr.SoftmaxFocalLoss()}, "labels: got one class"),
        (np.asarray([0.0, 1.0, np.nan]), {}, "labels: got nan"),
        (LABELS, {"sample_weight": np.ones(39)}, "sample_weight: got"),
        (LABELS, {"sample_weight": np.ones((40, 1))}, "sample_weight: got"),
        (LABELS, {"sample_weight": np.where(LABELS, -1.0, 1.0)}, "sample_weight: got -1"),
        (LABELS, {"sample_weight": np.where(LABELS, np.inf, 1.0)}, "sample_weight: got inf"),
        (LABELS, {"sample_weight": np.zeros(40)}, "sample_weight: got only zeros"),
        (LABELS, {"sample_weight": ["a"] * 40}, "sample_weight: got"),
        (LABELS, {"sample_weight": 1.0 * LABELS}, "labels: got one class, 1, with a weight"),
        (SKEWED, {"sample_weight": 1.0 * (SKEWED < 2)}, "labels: got"),
    ],
)
def test_labels_and_weights_name_themselves(labels: Any, options: Any, message: str) -> None:
    """Where a start would silently be infinite, or nonsense."""
    with pytest.raises((ValueError, TypeError), match=message):
        objective(labels, **options)


def test_a_start_of_one_s_own_needs_no_second_class() -> None:
    """The labels say nothing then."""
    assert objective(np.zeros(5), start=-2.0).start == -2.0


# ---- with the libraries -----------------------------------------------------------------------------------------------------


def data() -> tuple[Any, Any]:
    pytest.importorskip("sklearn")
    from sklearn.datasets import load_breast_cancer

    X, y = load_breast_cancer(return_X_y=True)
    return X, y


@pytest.mark.slow
def test_a_forgotten_base_score_is_noticed() -> None:
    """XGBoost's train and regressor add 0.5 to every margin; with base_score=0, or the classifier without, it is silent."""
    xgboost = pytest.importorskip("xgboost")
    X, y = data()
    focal = objective(y)
    made = xgboost.DMatrix(X, y)
    for model in (
        xgboost.train({"nthread": 1}, made, 2, obj=focal),
        xgboost.XGBRegressor(objective=focal, n_estimators=2, n_jobs=1).fit(X, y),
    ):
        with pytest.warns(UserWarning, match="began at 0.5.*base_score=0.0"):
            focal.predict_proba(model, X)
    for model in (
        xgboost.train({"nthread": 1, "base_score": 0.0}, made, 2, obj=focal),
        xgboost.XGBRegressor(objective=focal, n_estimators=2, n_jobs=1, base_score=0.0).fit(X, y),
        xgboost.XGBClassifier(objective=focal, n_estimators=2, n_jobs=1).fit(X, y),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            focal.predict_proba(model, X)
    zero = xgboost.XGBClassifier(objective=focal, n_estimators=2, n_jobs=1, base_score=0.0).fit(X, y)
    with pytest.warns(UserWarning, match="began at -inf.*leave base_score out"):
        focal.predict_proba(zero, X)


def test_predict_proba_takes_wrappers_and_rounds() -> None:
    """A pipeline's steps transform X, a search gives its best; options go to the library's predict."""
    lightgbm = pytest.importorskip("lightgbm")
    X, y = data()
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    focal = objective(y)
    model = lightgbm.LGBMClassifier(objective=focal, n_estimators=5, n_jobs=1, verbose=-1)
    pipeline = make_pipeline(StandardScaler(), model).fit(X, y)
    scaled = StandardScaler().fit_transform(X)
    expected = focal.predict_proba(pipeline[-1], scaled)
    np.testing.assert_array_equal(focal.predict_proba(pipeline, X), expected)
    search = GridSearchCV(pipeline, {"lgbmclassifier__max_depth": [3]}, scoring=lambda *_: 0.0, cv=2).fit(X, y)
    found = focal.predict_proba(search, X)
    np.testing.assert_array_equal(found, focal.predict_proba(search.best_estimator_, X))
    two = focal.predict_proba(pipeline, X, num_iteration=2)
    np.testing.assert_array_equal(two, focal.probabilities(pipeline[-1].predict(scaled, raw_score=True, num_iteration=2)))
    assert np.abs(two - expected).max() > 0.01


def test_scikit_learn_s_loss_shows_compares_and_keeps_a_start() -> None:
    """repr, equality and hash; a start that was asked for is where training starts."""
    pytest.importorskip("sklearn")
    loss = objective(LABELS, gamma=1.5).for_scikit_learn()
    assert repr(loss) == f"FocalLoss({loss.focal!r}, hessian='outer_product', classes=2)"
    assert loss == objective(LABELS, gamma=1.5).for_scikit_learn()
    assert hash(loss) == hash(objective(LABELS, gamma=1.5).for_scikit_learn())
    assert loss != objective(LABELS, gamma=2.0).for_scikit_learn()
    told = objective(LABELS, start=-1.5).for_scikit_learn()
    assert told != objective(LABELS).for_scikit_learn()
    assert float(told.fit_intercept_only(LABELS.astype(np.float64))) == -1.5
    rows = objective(SKEWED, start=(0.0, -1.0, -2.0)).for_scikit_learn()
    assert rows.fit_intercept_only(SKEWED.astype(np.float64)).tolist() == [0.0, -1.0, -2.0]


PAGE = Path(__file__).resolve().parents[3] / "docs" / "boosting.md"
RECIPES = re.findall(r"^```py\n(# cross-validation.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.slow
@pytest.mark.parametrize("library", ["xgboost", "lightgbm", "catboost"])
def test_the_page_s_cross_validation_runs(library: str) -> None:
    """The `cv` recipe of each library, as it stands there: focal loss falls."""
    pytest.importorskip(library)
    X, y = data()
    (recipe,) = [r for r in RECIPES if f"import {library}" in r]
    names: dict[str, Any] = {"objective": objective, "X": X, "y": y}
    exec(recipe, names)
    losses = np.asarray(names["losses"])
    assert len(losses) > 5
    assert losses[5] < losses[0]

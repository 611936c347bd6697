"""A model that a library saved in its own format predicts where focal_ref is not installed: the start is in it.

What turns margins into probabilities are the lines of docs/boosting.md, run here as they stand there.
"""

from __future__ import annotations

import json
import pickle
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

from focal_ref_boosting import FocalCatBoostClassifier, FocalLGBMClassifier, FocalXGBClassifier, objective
from sklearn.datasets import load_breast_cancer, load_wine

PAGE = next(p for p in Path(__file__).resolve().parents if (p / "pyproject.toml").exists()) / "docs" / "boosting.md"
STOPPED = re.search(r"^```py\n# early stopping\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
POSTERIOR = re.search(r"^```py\n(def posterior.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)

FRONTS: dict[str, Any] = {
    "xgboost": lambda **more: FocalXGBClassifier(n_estimators=8, n_jobs=1, **more),
    "lightgbm": lambda **more: FocalLGBMClassifier(n_estimators=8, n_jobs=1, verbose=-1, **more),
    "catboost": lambda **more: FocalCatBoostClassifier(
        iterations=8, learning_rate=0.3, depth=3, thread_count=1, verbose=0, allow_writing_files=False, **more
    ),
}
SAVE: dict[str, Any] = {
    "xgboost": lambda model, path: model.get_booster().save_model(path),
    "lightgbm": lambda model, path: model.booster_.save_model(path),
    "catboost": lambda model, path: model.save_model(path),
}
LOAD = {
    "xgboost": "import xgboost; margins = xgboost.Booster(model_file=path).predict(xgboost.DMatrix(X), output_margin=True)",
    "lightgbm": "import lightgbm; margins = lightgbm.Booster(model_file=path).predict(X, raw_score=True)",
    "catboost": "import catboost; model = catboost.CatBoost().load_model(path)\n"
    "margins = model.predict(X, prediction_type='RawFormulaVal')",
}
ENDING = {"xgboost": "ubj", "lightgbm": "txt", "catboost": "cbm"}
needs_each = pytest.mark.parametrize("library", FRONTS)
both = pytest.mark.parametrize("several", [False, True], ids=["binary", "three-classes"])


def fitted(library: str, several: bool, **options: Any) -> tuple[Any, Any]:
    pytest.importorskip(library)
    X, y = (load_wine if several else load_breast_cancer)(return_X_y=True)
    weight = np.where(y == 0, 0.2, 1.0)
    return FRONTS[library](alpha=(1.0, 2.0, 1.5) if several else 0.3, **options).fit(X, y, sample_weight=weight), X


@pytest.mark.slow
@both
@needs_each
def test_it_predicts_where_focal_ref_is_not_installed(library: str, several: bool, tmp_path: Path) -> None:
    """Saved by the library, loaded in a process that can't import focal_ref: the documented lines give the probabilities."""
    model, X = fitted(library, several)
    path = tmp_path / f"model.{ENDING[library]}"
    SAVE[library](model, str(path))
    np.save(tmp_path / "X.npy", X)
    (tmp_path / "model.json").write_text(json.dumps(model.to_dict()))
    assert POSTERIOR
    code = f"""
import sys
for name in ("focal_ref", "focal_ref_boosting", "focal_ref_sklearn"):
    sys.modules[name] = None  # importing it is an ImportError
import json, numpy as np
{POSTERIOR[1]}
path, X = {str(path)!r}, np.load({str(tmp_path / "X.npy")!r})
{LOAD[library]}
told = json.load(open({str(tmp_path / "model.json")!r}))
np.save({str(tmp_path / "found.npy")!r}, posterior(margins, **told))
"""
    subprocess.run([sys.executable, "-c", code], check=True, env={"PATH": ""}, cwd=tmp_path)
    np.testing.assert_allclose(np.load(tmp_path / "found.npy"), model.predict_proba(X), rtol=1e-9)


@both
@needs_each
def test_the_start_is_in_the_model(library: str, several: bool) -> None:
    """Nothing is left to add: the objective that is kept counts from 0, and the trees' first margins are the start."""
    model, X = fitted(library, several)
    assert set(model.to_dict()["start"]) == {0.0}
    assert np.abs(model.start_).max() > 0.1
    lazy, _ = fitted(library, several, learning_rate=1e-9) if library != "catboost" else (None, None)
    if lazy is not None:
        margins = np.asarray(lazy.objective_.logits(_margins(lazy, X)), dtype=np.float64)
        assert np.abs(margins - lazy.start_).max() < 1e-6


@both
@needs_each
def test_contributions_add_up_with_the_start(library: str, several: bool) -> None:
    """What SHAP reads: each library's own contributions sum to its margins, the start among them."""
    model, X = fitted(library, several)
    booster = model.estimator_
    if library == "xgboost":
        import xgboost

        parts = model.get_booster().predict(xgboost.DMatrix(X), pred_contribs=True).sum(axis=-1)
    elif library == "lightgbm":
        parts = booster.predict(X, pred_contrib=True).reshape(len(X), -1, X.shape[1] + 1).sum(axis=-1).squeeze()
    else:
        import catboost

        parts = booster.get_feature_importance(catboost.Pool(X), type="ShapValues").sum(axis=-1)
    np.testing.assert_allclose(parts, _margins(model, X), atol=1e-5)


def stopped(library: str, several: bool) -> tuple[Any, Any, Any]:
    """A model whose training went on for some rounds after the best one."""
    pytest.importorskip(library)
    X, y = (load_wine if several else load_breast_cancer)(return_X_y=True)
    X = X + np.random.default_rng(0).normal(0, 3 * X.std(axis=0), X.shape)  # so that it is soon overfitted
    once = {"catboost": {"iterations": 60}}.get(library, {"n_estimators": 60})
    early, fit = {"early_stopping_rounds": 5}, {}
    if library == "lightgbm":
        import lightgbm

        early, fit = {}, {"callbacks": [lightgbm.early_stopping(5, verbose=False)]}
    if library == "xgboost":
        fit = {"verbose": False}
    model = FRONTS[library]().set_params(**once, **early).fit(X[::2], y[::2], eval_set=[(X[1::2], y[1::2])], **fit)
    return model, X[1::2], y


def loaded_margins(library: str, path: Path, X: Any) -> Any:
    """As the saved file gives them, by the library alone."""
    names = {"path": str(path), "X": X}
    exec(LOAD[library], names)
    return names["margins"]


@both
@needs_each
def test_a_model_that_stopped_early_is_saved_with_its_best_rounds(library: str, several: bool, tmp_path: Path) -> None:
    """What the file predicts is what the classifier predicts; XGBoost's needs the lines of the page."""
    model, X, _ = stopped(library, several)
    path = tmp_path / f"model.{ENDING[library]}"
    if library == "xgboost":
        assert STOPPED
        exec(STOPPED[1], {"model": model, "path": str(path)})
    else:
        SAVE[library](model, str(path))
    np.testing.assert_array_equal(loaded_margins(library, path, X), _margins(model, X))


def test_xgboosts_booster_keeps_the_rounds_after_the_best(tmp_path: Path) -> None:
    """Why the page has lines for it: saved whole, it predicts something else."""
    model, X, _ = stopped("xgboost", False)
    assert model.get_booster().num_boosted_rounds() > model.best_iteration + 1
    SAVE["xgboost"](model, str(tmp_path / "model.ubj"))
    assert np.abs(loaded_margins("xgboost", tmp_path / "model.ubj", X) - _margins(model, X)).max() > 0.1


def test_of_xgboosts_train_the_best_rounds_are_asked_for() -> None:
    """Its booster predicts with all rounds; the page's `iteration_range` is the slice."""
    xgboost = pytest.importorskip("xgboost")
    _, X, y = stopped("xgboost", False)
    labels = y[1::2]
    data = xgboost.DMatrix(X[::2], labels[::2]), xgboost.DMatrix(X[1::2], labels[1::2])
    focal = objective(labels[::2])
    options = {"base_score": 0.0, "disable_default_eval_metric": True, "nthread": 1}
    more = {"evals": [(data[1], "valid")], "custom_metric": focal.metric("xgboost"), "early_stopping_rounds": 5}
    booster = xgboost.train(options, data[0], 60, obj=focal, verbose_eval=False, **more)
    best = booster.best_iteration + 1
    found = focal.predict_proba(booster, X, iteration_range=(0, best))
    np.testing.assert_array_equal(found, focal.predict_proba(booster[:best], X))
    assert np.abs(found - focal.predict_proba(booster, X)).max() > 0.01


def test_where_the_start_can_t_be_put_it_is_told() -> None:
    """LightGBM's linear trees: to_dict has the start, and the documented lines add it."""
    model, X = fitted("lightgbm", False, linear_tree=True)
    assert model.to_dict()["start"] == model.start_.tolist()
    assert POSTERIOR
    names: dict[str, Any] = {"np": np}
    exec(POSTERIOR[1], names)
    np.testing.assert_allclose(names["posterior"](_margins(model, X), **model.to_dict()), model.predict_proba(X), rtol=1e-9)


def test_an_older_xgboost_leaves_several_starts_to_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before 3.1 a base score was one number: to_dict has the start, and the probabilities are the same."""
    xgboost = pytest.importorskip("xgboost")
    model, X = fitted("xgboost", True)
    monkeypatch.setattr(xgboost, "__version__", "2.1.4")
    older, _ = fitted("xgboost", True)
    assert older.to_dict()["start"] == model.start_.tolist()
    np.testing.assert_allclose(older.predict_proba(X), model.predict_proba(X), atol=1e-4)


def _margins(model: Any, X: Any) -> Any:
    from focal_ref_boosting._models import raw_margins

    return raw_margins(model.estimator_, X)


@needs_each
def test_pickles_work(library: str) -> None:
    """With the start, as saved models do."""
    model, X = fitted(library, False)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    np.testing.assert_array_equal(_margins(again, X), _margins(model, X))

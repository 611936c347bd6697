"""Tools around scikit-learn read the estimators right: optuna, polars, SHAP, skorch, and worker processes.

Runs for the libraries and tools that are installed (the extras `boosting` and `boosting-tools`).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import focal_ref as fr

pytest.importorskip("sklearn")

from focal_ref_boosting import FocalCatBoostClassifier, FocalLGBMClassifier, FocalXGBClassifier
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.metrics import get_scorer, get_scorer_names
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate

pytestmark = pytest.mark.slow

FRONTS: dict[str, tuple[Any, dict[str, Any]]] = {
    "xgboost": (FocalXGBClassifier, {"n_estimators": 5, "n_jobs": 1}),
    "lightgbm": (FocalLGBMClassifier, {"n_estimators": 5, "n_jobs": 1, "verbose": -1}),
    "catboost": (
        FocalCatBoostClassifier,
        {"iterations": 5, "learning_rate": 0.3, "depth": 3, "thread_count": 1, "verbose": 0, "allow_writing_files": False},
    ),
}
needs_each = pytest.mark.parametrize("library", FRONTS)
both = pytest.mark.parametrize("several", [False, True], ids=["binary", "three-classes"])


def front(library: str, **options: Any) -> Any:
    pytest.importorskip(library)
    made, usual = FRONTS[library]
    return made(**usual | options)


def data(several: bool) -> tuple[Any, Any]:
    X, y = (load_wine if several else load_breast_cancer)(return_X_y=True)
    return X[:, :8], y


@both
@needs_each
@pytest.mark.filterwarnings("ignore")  # of scorers for other labels
def test_every_scorer_reads_what_predict_and_predict_proba_say(library: str, several: bool) -> None:
    """Each of scikit-learn's that a classifier has: as of an estimator that is nothing but the posterior by hand."""
    X, y = data(several)
    model = front(library).fit(X, y)

    class ByHand(type(model)):  # type: ignore[misc]
        def predict_proba(self, X: Any, **options: Any) -> Any:
            margins = self.objective_.logits(_margins(model, X))
            if several:
                return fr.posterior_from_logits(margins, 2.0, axis=1)
            second = fr.posterior_from_logits(margins, 2.0, axis=None)
            return np.stack([1 - second, second], axis=1)

        def decision_function(self, X: Any, **options: Any) -> Any:
            logs = np.log(self.predict_proba(X))
            return logs if several else logs[:, 1] - logs[:, 0]

        def predict(self, X: Any, **options: Any) -> Any:
            return self.classes_[self.predict_proba(X).argmax(axis=1)]

    hand = ByHand(**FRONTS[library][1])
    hand.__dict__.update({name: value for name, value in model.__dict__.items() if name.endswith("_")})
    read = 0
    for name in get_scorer_names():
        scorer = get_scorer(name)
        try:
            expected = scorer(hand, X, y)
        except ValueError:  # for other labels than these
            continue
        assert abs(scorer(model, X, y) - expected) <= 1e-9 * abs(expected), name
        read += not np.isnan(expected)
    assert read > 30


def _margins(model: Any, X: Any) -> Any:
    from focal_ref_boosting._models import raw_margins

    return np.asarray(raw_margins(model.estimator_, X), dtype=np.float64)


@needs_each
def test_worker_processes_find_the_same(library: str) -> None:
    """A search in two processes, which copy the estimator and hand the fitted one back: the same figures as in one."""
    X, y = data(False)
    grid = {"gamma": [0.0, 2.0], "class_weight": [None, "balanced"]}
    one, two = (
        GridSearchCV(front(library), grid, scoring="neg_log_loss", cv=2, n_jobs=jobs, error_score="raise").fit(X, y)
        for jobs in (1, 2)
    )
    np.testing.assert_array_equal(one.cv_results_["mean_test_score"], two.cv_results_["mean_test_score"])
    np.testing.assert_array_equal(one.predict_proba(X), two.predict_proba(X))
    fitted = cross_validate(front(library), X, y, cv=2, n_jobs=2, return_estimator=True, error_score="raise")["estimator"]
    assert all(np.isfinite(model.predict_log_proba(X)).all() for model in fitted)


@needs_each
def test_optuna_searches_over_gamma_and_the_booster_s_options(library: str) -> None:
    """What a trial is told is what its parameters give again."""
    optuna = pytest.importorskip("optuna")
    X, y = data(False)
    depth = "depth" if library == "catboost" else "max_depth"

    def made(gamma: float, alpha: float, deep: int) -> Any:
        return front(library, gamma=gamma, alpha=alpha, **{depth: deep})

    def score(trial: Any) -> float:
        model = made(
            trial.suggest_float("gamma", 0, 3), trial.suggest_float("alpha", 0.2, 0.8), trial.suggest_int("deep", 1, 3)
        )
        return float(cross_val_score(model, X, y, cv=2, scoring="neg_log_loss", error_score="raise").mean())

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=0))
    study.optimize(score, n_trials=4)
    again = cross_val_score(made(**study.best_params), X, y, cv=2, scoring="neg_log_loss").mean()
    assert study.best_value == again
    assert len({trial.value for trial in study.trials}) == 4


@both
@needs_each
def test_polars_frames_are_arrays_with_names(library: str, several: bool) -> None:
    """A frame and a series, labels that are strings and categories: the predictions of the same numbers in NumPy."""
    polars = pytest.importorskip("polars")
    X, y = data(several)
    names = np.asarray(["a", "b", "c"])[y]
    frame = polars.DataFrame(X, schema=[f"x{i}" for i in range(8)])
    plain = front(library).fit(X, names)
    for labels in (polars.Series(names.tolist()), polars.Series(names.tolist()).cast(polars.Categorical)):
        model = front(library).fit(frame, labels)
        np.testing.assert_array_equal(model.predict_proba(frame), plain.predict_proba(X))
        np.testing.assert_array_equal(model.predict(frame), plain.predict(X))
    assert model.n_features_in_ == 8


@both
@needs_each
def test_shap_s_values_add_up_with_the_start(library: str, several: bool) -> None:
    """The base value and a sample's values are the booster's margins, which the start is in."""
    shap = pytest.importorskip("shap")
    X, y = data(several)
    model = front(library).fit(X, y)
    explainer = shap.TreeExplainer(model.estimator_)
    found = explainer(X[:20])
    np.testing.assert_allclose(found.values.sum(axis=1) + found.base_values, _margins(model, X[:20]), atol=1e-6)
    assert np.abs(np.atleast_1d(explainer.expected_value) - model.start_).max() < 2


def test_skorch_s_probabilities_are_the_posterior() -> None:
    """By `predict_nonlinearity`, as docs/boosting.md has it, for several classes and for two, in cross-validation too."""
    skorch = pytest.importorskip("skorch")
    torch = pytest.importorskip("torch")
    import focal_ref_torch

    torch.manual_seed(0)
    usual = {"max_epochs": 5, "lr": 0.5, "verbose": 0, "train_split": None, "batch_size": -1}

    class One(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.linear = torch.nn.Linear(8, 1)

        def forward(self, x: Any) -> Any:
            return self.linear(x)[:, 0]

    page = (Path(__file__).resolve().parents[3] / "docs" / "boosting.md").read_text(encoding="utf-8")
    names: dict[str, Any] = {}
    exec(re.findall(r"^```py\n(# skorch.*?)^```$", page, re.MULTILINE | re.DOTALL)[0], names)

    X, y = data(True)
    X = ((X - X.mean(axis=0)) / X.std(axis=0)).astype(np.float32)
    net = skorch.NeuralNetClassifier(
        torch.nn.Linear, module__in_features=8, module__out_features=3, criterion=focal_ref_torch.FocalLoss,
        predict_nonlinearity=names["of_three"], **usual,
    ).fit(X, y)  # fmt: skip
    logits = net.forward(X).detach().numpy()
    np.testing.assert_array_equal(net.predict_proba(X), fr.posterior_from_logits(logits, 2.0))
    assert (cross_val_score(clone(net), X, y, cv=2, scoring="neg_log_loss", error_score="raise") < 0).all()
    binary = skorch.NeuralNetBinaryClassifier(
        One, criterion=focal_ref_torch.SigmoidFocalLoss, criterion__alpha=0.25, predict_nonlinearity=names["of_two"], **usual
    ).fit(X, (y == 0).astype(np.float32))
    logits = binary.forward(X).detach().numpy()
    second = fr.posterior_from_logits(logits, 2.0, 0.25, axis=None)
    np.testing.assert_array_equal(binary.predict_proba(X)[:, 1], second)
    np.testing.assert_array_equal(binary.predict(X), second > 0.5)

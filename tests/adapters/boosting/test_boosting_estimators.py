"""The boosting estimators are right in scikit-learn's tools: what these report is what the posterior gives by hand.

Runs for the libraries that are installed (the extra `boosting`).
"""

from __future__ import annotations

import pickle
import warnings
from typing import Any

import numpy as np
import pytest

import focal_ref as fr

pytest.importorskip("sklearn")

from focal_ref_boosting import (
    FocalBoostingClassifier,
    objective,
)
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import StackingClassifier
from sklearn.metrics import brier_score_loss, f1_score, log_loss, recall_score, roc_auc_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_predict, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from tests.adapters.boosting.fronts import FRONTS, ROUNDS, both, data, front, needs_each


def by_hand(model: Any, X: Any) -> Any:
    """The posterior from the bare booster's margins, by the public functions alone."""
    booster, library = model.estimator_, type(model.estimator_).__module__.partition(".")[0]
    raw: dict[str, Any] = {"xgboost": {"output_margin": True}, "lightgbm": {"raw_score": True}}
    margins = booster.predict(X, **raw.get(library, {"prediction_type": "RawFormulaVal"}))
    margins = np.asarray(margins, dtype=np.float64)
    if margins.ndim > 1:
        return fr.posterior_from_logits(margins, model.gamma, model.alpha, axis=1)
    second = fr.posterior_from_logits(margins, model.gamma, model.alpha, axis=None)
    return np.stack([1 - second, second], axis=1)


# ---- what scikit-learn's tools report ---------------------------------------------------------------------------------------


@pytest.mark.slow
@both
@needs_each
def test_cross_validate_s_figures_are_those_by_hand(library: str, several: bool) -> None:
    """Log loss, Brier, AUC, F1 and recall of each fold, recomputed from the posterior of that fold's margins."""
    X, y = data(several)
    if not several:
        y = (y == "malignant").astype(int)  # scikit-learn's Brier scorer wants to be told which string is positive
    folds = list(StratifiedKFold(3, shuffle=True, random_state=0).split(X, y))
    model = front(library, gamma=2.0, alpha=(1.0, 2.0, 1.5) if several else 0.4)
    names = ["neg_log_loss", "roc_auc_ovr", "f1_macro", "recall_macro", "neg_brier_score"]
    found = cross_validate(model, X, y, cv=folds, scoring=names, return_estimator=True, error_score="raise")
    classes = np.unique(y)
    for i, (_, test) in enumerate(folds):
        p = by_hand(found["estimator"][i], X[test])
        said, true = classes[p.argmax(axis=1)], y[test]
        auc = roc_auc_score(true, p, multi_class="ovr") if several else roc_auc_score(true, p[:, 1])
        brier = ((p - (true[:, None] == classes)) ** 2).sum(axis=1).mean() / (1 if several else 2)
        expected = [-log_loss(true, p), auc, f1_score(true, said, average="macro"), recall_score(true, said, average="macro")]
        reported = [float(found[f"test_{name}"][i]) for name in names]
        np.testing.assert_allclose(reported, [*expected, -brier], rtol=1e-9)


@both
@needs_each
def test_all_that_is_predicted_agrees(library: str, several: bool) -> None:
    """Probabilities, their logarithms, scores and labels say the same; rows sum to 1; all is finite."""
    X, y = data(several)
    model = front(library).fit(X, y)
    p, logs, score = model.predict_proba(X), model.predict_log_proba(X), model.decision_function(X)
    np.testing.assert_allclose(p, by_hand(model, X), rtol=1e-10)
    np.testing.assert_allclose(np.exp(logs), p, rtol=1e-11)
    np.testing.assert_allclose(score, logs if several else logs[:, 1] - logs[:, 0], atol=1e-12)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-14)
    assert model.classes_.tolist() == np.unique(y).tolist()
    np.testing.assert_array_equal(model.predict(X), model.classes_[p.argmax(axis=1)])


@needs_each
def test_without_focusing_it_is_the_library_s_log_loss(library: str) -> None:
    """γ = 0 with the true Hessian, binary, from the log odds: the library's own probabilities, tree by tree."""
    X, y = data(False)
    _, name, options = FRONTS[library]
    pytest.importorskip(library)
    more = {"boost_from_average": True, "leaf_estimation_method": "Newton"} if library == "catboost" else {}
    own = getattr(__import__(library), name)(**options, **more).fit(X, (y == "malignant").astype(int))
    ours = front(library, gamma=0.0, hessian="exact").fit(X, y)
    assert np.abs(ours.predict_proba(X) - own.predict_proba(X)).max() < 1e-4


# ---- scikit-learn's battery -------------------------------------------------------------------------------------------------


WEIGHTS_AS_ROWS = {"check_sample_weight_equivalence_on_dense_data", "check_sample_weight_equivalence_on_sparse_data"}
"""XGBoost keeps derivatives as float32, and 3 · float32(h) is not float32(3h); the next tests say how far that goes."""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # scikit-learn's checks provoke them
@needs_each
def test_scikit_learn_s_own_checks_pass(library: str) -> None:
    """All with LightGBM; with CatBoost those that it passes itself, and more; with XGBoost all but what its float32 forbids."""
    catboost_s = {
        "check_do_not_raise_errors_in_init_or_set_params",  # an option that it doesn't know
        "check_sample_weights_not_an_array",  # the rest: X as it doesn't take it, and randomness
        "check_sample_weight_equivalence_on_dense_data",
        "check_sample_weight_equivalence_on_sparse_data",
        "check_dtype_object",
        "check_estimator_sparse_array",
        "check_estimator_sparse_matrix",
        "check_classifier_data_not_an_array",
    }
    results = check_estimator(front(library, **{ROUNDS[library]: 5}), on_fail=None, on_skip=None)
    failed = {r["check_name"] for r in results if r["status"] not in ("passed", "skipped")}
    own_failures = {"catboost": catboost_s, "xgboost": WEIGHTS_AS_ROWS}
    assert failed <= own_failures.get(library, set())
    assert len([r for r in results if r["status"] == "passed"]) > 45


def between_weights_and_rows(make: Any, seed: int) -> float:
    """How far probabilities by sample weights are from those by repeated rows, relatively, on data as scikit-learn checks."""
    rng = np.random.default_rng(seed)
    X, y, weight = rng.random((15, 30)), np.r_[0, 1, 2, rng.integers(3, size=12)], np.r_[1, 1, 1, rng.integers(5, size=12)]
    order = rng.permutation(15)
    by_rows = make().fit(X.repeat(weight, axis=0), y.repeat(weight)).predict_proba(X).astype(np.float64)
    by_weights = make().fit(X[order], y[order], sample_weight=weight[order]).predict_proba(X).astype(np.float64)
    return float((np.abs(by_weights - by_rows) / by_rows).max())


def test_weights_are_repeated_rows_as_far_as_xgboost_s_float32_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some ULP of float32 apart, as its own loss is; to the last bit where weight times derivative needs no rounding."""
    xgboost = pytest.importorskip("xgboost")
    from focal_ref_boosting import _objective

    def ours() -> Any:
        return front("xgboost", n_estimators=5)

    def own() -> Any:
        return xgboost.XGBClassifier(objective="multi:softprob", n_estimators=5, n_jobs=1)

    assert max(between_weights_and_rows(ours, seed) for seed in range(12)) < 1e-6
    assert max(between_weights_and_rows(own, seed) for seed in range(12)) > 1e-7  # what scikit-learn's check allows

    exact = _objective.derivatives

    def of_few_bits(loss: Any, hessian: Any, targets: Any, margins: Any, weight: Any) -> Any:
        parts = map(np.frexp, exact(loss, hessian, targets, margins, None))
        found = [np.ldexp(np.rint(np.ldexp(part, 20)), power - 20) for part, power in parts]
        return tuple(a if weight is None else a * weight[:, None] for a in found)

    monkeypatch.setattr(_objective, "derivatives", of_few_bits)
    assert max(between_weights_and_rows(ours, seed) for seed in range(12)) == 0


@pytest.mark.parametrize("hessian", ["outer_product", "abs_gradient", "logistic", "exact"])
def test_a_weight_multiplies_both_derivatives(hessian: Any) -> None:
    """To the last bit in float64, of several classes: no weight changes what is divided by but as a factor."""
    rng = np.random.default_rng(0)
    margins, targets, weight = rng.normal(size=(200, 3)), rng.integers(3, size=200), rng.integers(5, size=200).astype(float)
    focal = objective(targets, hessian=hessian)
    for with_weight, without in zip(focal(targets, margins, weight), focal(targets, margins), strict=True):
        np.testing.assert_array_equal(with_weight, without * weight[:, None])


@pytest.mark.slow
@needs_each
def test_searches_over_gamma_alpha_and_the_booster_s_options(library: str) -> None:
    """Clone, set_params, GridSearchCV, in a pipeline; what is found is what is refitted."""
    X, y = data(False)
    depth = "depth" if library == "catboost" else "max_depth"
    pipeline = make_pipeline(StandardScaler(), front(library, **{ROUNDS[library]: 4}))
    name = pipeline.steps[-1][0]
    grid = {f"{name}__gamma": [0.0, 2.0], f"{name}__alpha": [None, 0.75], f"{name}__{depth}": [1, 3]}
    search = GridSearchCV(pipeline, grid, scoring="neg_log_loss", cv=2, error_score="raise").fit(X, y)
    assert len(set(search.cv_results_["mean_test_score"].round(12))) == 8
    best = search.best_estimator_[-1]
    assert best.get_params()[depth] == search.best_params_[f"{name}__{depth}"]
    assert best.estimator_.get_params()[depth] == best.get_params()[depth]


@needs_each
def test_the_meta_estimator_is_the_front(library: str) -> None:
    """FocalBoostingClassifier of the library's class, its options under estimator__, gives the same bits."""
    pytest.importorskip(library)
    X, y = data(True)
    _, name, options = FRONTS[library]
    meta = FocalBoostingClassifier(getattr(__import__(library), name)(**options), gamma=1.0)
    np.testing.assert_array_equal(meta.fit(X, y).predict_proba(X), front(library, gamma=1.0).fit(X, y).predict_proba(X))
    rounds = ROUNDS[library]
    assert clone(meta).set_params(**{f"estimator__{rounds}": 3}).get_params()[f"estimator__{rounds}"] == 3


@pytest.mark.slow
@needs_each
def test_calibration_stacking_and_cross_val_predict(library: str) -> None:
    """They clone it, hand labels on, and read probabilities and scores of the right shape."""
    X, y = data(False)
    model = front(library, **{ROUNDS[library]: 4})
    for wrapped in (CalibratedClassifierCV(model, cv=2), StackingClassifier([("focal", model)], cv=2)):
        p = wrapped.fit(X, y).predict_proba(X)
        assert brier_score_loss(y == "malignant", p[:, 1]) < 0.1
    for method, shape in (("predict_proba", (len(y), 2)), ("decision_function", (len(y),)), ("predict_log_proba", (len(y), 2))):
        assert cross_val_predict(model, X, y, cv=2, method=method).shape == shape


@both
@needs_each
def test_copies(library: str, several: bool) -> None:
    """A pickled model predicts the same bits, and so does a clone that is fitted again."""
    X, y = data(several)
    model = front(library).fit(X, y)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict_proba(X), model.predict_proba(X))
    np.testing.assert_array_equal(clone(model).fit(X, y).predict_proba(X), model.predict_proba(X))


# ---- weights, early stopping ------------------------------------------------------------------------------------------------


@pytest.mark.slow
@both
@needs_each
def test_class_weights_are_sample_weights_and_the_start_sees_them(library: str, several: bool) -> None:
    """ "balanced" and a dict, alone and on top of sample weights: the same model as with their product."""
    X, y = data(several)
    base = np.random.default_rng(0).uniform(0.5, 2, len(y))
    classes, codes = np.unique(y, return_inverse=True)
    sums = np.bincount(codes, weights=base)
    told = {classes[0]: 3.0}
    for class_weight, factor in (("balanced", (sums.sum() / len(classes) / sums)[codes]), (told, np.where(codes == 0, 3.0, 1))):
        ours = front(library, class_weight=class_weight).fit(X, y, sample_weight=base)
        same = front(library).fit(X, y, sample_weight=base * factor)
        np.testing.assert_allclose(ours.start_, same.start_, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(ours.predict_proba(X), same.predict_proba(X), rtol=1e-6)
        assert np.abs(ours.start_ - front(library).fit(X, y, sample_weight=base).start_).max() > 0.05


@needs_each
def test_early_stopping_watches_our_metric(library: str) -> None:
    """The best round is where the mean focal loss of the held-out set is least, and the model predicts with it."""
    X, y = data(False)
    rounds, rate = {ROUNDS[library]: 200}, {"learning_rate": 0.3}
    stop: dict[str, Any] = {"early_stopping_rounds": 5}
    fit: dict[str, Any] = {}
    if library == "lightgbm":
        fit = {"callbacks": [pytest.importorskip("lightgbm").early_stopping(5, verbose=False)]}
        stop = {}
    if library == "xgboost":
        fit = {"verbose": False}
    model = front(library, **rounds, **rate, **stop).fit(X[::2], y[::2], eval_set=[(X[1::2], y[1::2])], **fit)
    if library == "xgboost":
        history = model.evals_result()["validation_0"]
        best = model.best_iteration
    elif library == "lightgbm":
        history = model.evals_result_["valid_0"]
        best = model.best_iteration_ - 1
    else:
        history = model.get_evals_result()["validation"]
        best = model.best_iteration_
    assert len(history) == 1  # the library's log loss of bare margins isn't watched
    losses = next(iter(history.values()))
    assert len(losses) < 200
    assert best == int(np.argmin(losses))
    p = model.objective_.logits(np.asarray(_margins(model, X[1::2]), dtype=np.float64))
    assert abs(float(fr.SigmoidFocalLoss()(p, (y[1::2] == "malignant").astype(int)).mean()) / min(losses) - 1) < 1e-4


def _margins(model: Any, X: Any) -> Any:
    from focal_ref_boosting._models import raw_margins

    return raw_margins(model.estimator_, X)


@needs_each
def test_fewer_rounds_can_be_asked_for(library: str) -> None:
    """predict_proba hands the library's own option on."""
    X, y = data(True)
    option = {"xgboost": {"iteration_range": (0, 3)}, "lightgbm": {"num_iteration": 3}, "catboost": {"ntree_end": 3}}[library]
    model, short = front(library).fit(X, y), front(library, **{ROUNDS[library]: 3}).fit(X, y)
    np.testing.assert_allclose(model.predict_proba(X, **option), short.predict_proba(X), rtol=1e-6)


# ---- data as the library takes it -------------------------------------------------------------------------------------------


@needs_each
def test_frames_sparse_matrices_missing_values_and_categories(library: str) -> None:
    """The same predictions from arrays, frames and sparse matrices; NaN and a categorical column train."""
    pandas = pytest.importorskip("pandas")
    from scipy import sparse

    X, y = data(False)
    X = X[:, :4].copy()
    X = np.where(np.median(X, axis=0) > X, 0.0, X)
    plain = front(library).fit(X, y).predict_proba(X)
    frame = pandas.DataFrame(X, columns=list("abcd"))
    model = front(library).fit(frame, y)
    np.testing.assert_array_equal(model.predict_proba(frame), plain)
    assert model.feature_names_in_.tolist() == list("abcd")
    assert model.feature_importances_.shape == (4,)
    if library != "xgboost":  # which takes the zeros of a sparse matrix for missing
        for kind in (sparse.csr_matrix, sparse.csr_array):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # LightGBM says that it converts
                np.testing.assert_allclose(front(library).fit(kind(X), y).predict_proba(kind(X)), plain, rtol=1e-6)
    frame.iloc[::7, 0] = np.nan
    frame["kind"] = pandas.Categorical(np.where(y == "malignant", "u", "v"))
    more = {"xgboost": {"enable_categorical": True}, "catboost": {"cat_features": ["kind"]}}.get(library, {})
    assert clone(front(library, **more)).fit(frame, y).score(frame, y) > 0.99


@pytest.mark.parametrize(("many", "steps"), [(100_000, 10), (100, 3)])
def test_catboost_improves_leaves_as_often_as_pays(many: int, steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten times by default, as with its own log loss; three times with many samples; as often as one says."""
    from focal_ref_boosting import _libraries

    monkeypatch.setattr(_libraries, "MANY", many)
    X, y = data(several=False)
    for said, due in ((None, steps), (1, 1)):
        options = {} if said is None else {"leaf_estimation_iterations": said}
        model = front("catboost", gamma=2.0, **options).fit(X, y)
        assert model.estimator_.get_params()["leaf_estimation_iterations"] == due

"""Each booster, in its present version, trains with the objective: native and scikit-learn doors, weights, several classes.

Runs for the libraries that are installed (the extra `boosting`).
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from focal_ref_boosting import Objective, objective
from numpy.typing import NDArray

import focal_ref as fr
from focal_ref.calibration.balancing import initial_bias

pytestmark = pytest.mark.slow

LIBRARIES = ("xgboost", "lightgbm", "catboost", "sklearn")
ROUNDS, RATE = 40, 0.1

needs_each = pytest.mark.parametrize("library", LIBRARIES)


def scikit_learn() -> Any:
    """Data and scores come from it, whichever library is tested."""
    return pytest.importorskip("sklearn")


def digits(digit: int = 8) -> tuple[NDArray[Any], NDArray[Any]]:
    """Real images of digits, one against the rest: 10% positives."""
    scikit_learn()
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    return X, (y == digit).astype(np.int64)


def tumours() -> tuple[NDArray[Any], NDArray[Any]]:
    """Real tumours, one in three of the malignant kept: 16% positives."""
    scikit_learn()
    from sklearn.datasets import load_breast_cancer

    X, y = load_breast_cancer(return_X_y=True)
    kept = (y == 1) | (np.cumsum(y == 0) % 3 == 1)
    return X[kept], (y[kept] == 0).astype(np.int64)


def wine() -> tuple[NDArray[Any], NDArray[Any]]:
    """Real wines of three growers, one thinned to 16 beside 59 and 71."""
    scikit_learn()
    from sklearn.datasets import load_wine

    X, y = load_wine(return_X_y=True)
    kept = (y < 2) | (np.cumsum(y == 2) % 3 == 1)
    return X[kept], y[kept]


def unfitted(library: str, loss: Any = None, **options: Any) -> Any:
    """A scikit-learn class of a library, with its own log loss or with ours."""
    module = pytest.importorskip(library)
    if library == "xgboost":
        own = {} if loss is None else {"objective": loss}
        return module.XGBClassifier(
            n_estimators=ROUNDS, learning_rate=RATE, n_jobs=1, **{"min_child_weight": 1e-3} | options, **own
        )
    if library == "lightgbm":
        own = {} if loss is None else {"objective": loss}
        return module.LGBMClassifier(n_estimators=ROUNDS, learning_rate=RATE, n_jobs=1, verbose=-1, **options, **own)
    if library == "catboost":
        own = {} if loss is None else {"loss_function": loss, "eval_metric": loss.metric("catboost")}
        if loss is not None and isinstance(loss.start, tuple):
            own["classes_count"] = len(loss.start)
        elif loss is not None:
            own["leaf_estimation_iterations"] = 10  # as many as with its own log loss
        fixed = {"thread_count": 1, "verbose": 0, "allow_writing_files": False}
        return module.CatBoostClassifier(iterations=ROUNDS, learning_rate=RATE, **fixed, **(own | options))
    from sklearn.ensemble import HistGradientBoostingClassifier

    own = {} if loss is None else {"loss": loss.for_scikit_learn()}
    return HistGradientBoostingClassifier(max_iter=ROUNDS, learning_rate=RATE, early_stopping=False, **options, **own)


def probabilities(library: str, focal: Objective, X: Any, y: Any, new: Any, weight: Any = None, **options: Any) -> Any:
    model = unfitted(library, focal, **options).fit(X, y, sample_weight=weight)
    return model.predict_proba(new) if library == "sklearn" else focal.predict_proba(model, new)


def native(library: str, focal: Objective, X: Any, y: Any, new: Any, weight: Any = None, **more: Any) -> Any:
    """The same by the library's `train`."""
    module = pytest.importorskip(library)
    classes = {"num_class": len(focal.start)} if isinstance(focal.start, tuple) else {}
    if library == "xgboost":
        options = {"base_score": 0.0, "learning_rate": RATE, "min_child_weight": 1e-3, "nthread": 1, **classes, **more}
        data = module.DMatrix(X, y, weight=weight)
        return focal.predict_proba(module.train(options, data, ROUNDS, obj=focal), new)
    options = {"objective": focal, "learning_rate": RATE, "num_threads": 1, "verbose": -1, **classes, **more}
    return focal.predict_proba(module.train(options, module.Dataset(X, y, weight=weight), ROUNDS), new)


def precision(y: Any, found: Any) -> float:
    """Average precision; of several classes, the mean of each against the rest."""
    from sklearn.metrics import average_precision_score

    if found.shape[1] == 2:
        return float(average_precision_score(y, found[:, 1]))
    return float(average_precision_score(np.eye(found.shape[1])[y], found, average="macro"))


def precisions(library: str, X: Any, y: Any, folds: int) -> NDArray[Any]:
    """Average precision with focal loss and with the library's own log loss, fold by fold."""
    from sklearn.model_selection import StratifiedKFold

    found = []
    for a, b in StratifiedKFold(folds, shuffle=True, random_state=0).split(X, y):
        ours = probabilities(library, objective(y[a], hessian="abs_gradient"), X[a], y[a], X[b])
        found.append((precision(y[b], ours), precision(y[b], unfitted(library).fit(X[a], y[a]).predict_proba(X[b]))))
    return np.asarray(found)


def shortfall(found: NDArray[Any]) -> float:
    """How many standard errors, of log loss's mean over the folds, focal loss's mean lies below it."""
    ours, theirs = found.T
    return float((theirs.mean() - ours.mean()) / (theirs.std(ddof=1) / len(theirs) ** 0.5))


# ---- it trains --------------------------------------------------------------------------------------------------------------


@needs_each
def test_it_is_as_precise_as_log_loss_on_a_real_imbalanced_set(library: str) -> None:
    """Average precision, one digit against the rest: at most a standard error below that of the same library's log loss."""
    found = precisions(library, *digits(), folds=4)
    assert shortfall(found) <= 1, found
    assert found.mean() > 0.9


@needs_each
def test_it_is_as_precise_as_log_loss_for_several_classes(library: str) -> None:
    """The same for three growers of wine, one of them rare."""
    found = precisions(library, *wine(), folds=3 if library == "catboost" else 5)
    assert shortfall(found) <= 1, found
    assert found.mean() > 0.9


@needs_each
def test_training_lowers_the_loss_that_it_is_told_of(library: str) -> None:
    """The mean focal loss of the training set ends below a fifth of that of the best constant."""
    X, y = digits()
    focal = objective(y, fr.SigmoidFocalLoss(gamma=2.0, alpha=0.4), hessian="abs_gradient")
    begin = float(focal.loss(np.full(len(y), focal.start), y).mean())
    model = unfitted(library, focal).fit(X, y)
    if library == "sklearn":
        end = float(focal.loss(model.decision_function(X), y).mean())
    else:
        from focal_ref_boosting._models import raw_margins

        end = float(focal.loss(focal.logits(raw_margins(model, X)).astype(np.float64), y).mean())
    assert end < begin / 5


@pytest.mark.parametrize("data", [digits, wine], ids=["binary", "multi-class"])
@pytest.mark.parametrize("library", ["xgboost", "lightgbm"])
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
def test_both_doors_give_the_same_model(library: str, data: Callable[[], Any], weighted: bool) -> None:
    """`train` and the scikit-learn class predict the same, with and without sample weights, two classes or more."""
    X, y = data()
    weight = np.random.default_rng(0).uniform(0.5, 2, len(y)) if weighted else None
    focal = objective(y, sample_weight=weight)
    classes = probabilities(library, focal, X, y, X, weight)
    trained = native(library, focal, X, y, X, weight)
    assert classes.shape == trained.shape == (len(y), len(np.unique(y)))
    assert np.abs(classes - trained).max() < 1e-5


# ---- weights ----------------------------------------------------------------------------------------------------------------


EXACTLY: dict[str, dict[str, Any]] = {
    "xgboost": {"tree_method": "exact"},
    "lightgbm": {"min_child_samples": 0, "num_leaves": 4},  # it guesses counts of samples from sums of Hessians
    "catboost": {"bootstrap_type": "No", "random_strength": 0, "l2_leaf_reg": 0, "depth": 3, "leaf_estimation_iterations": 1},
    "sklearn": {"min_samples_leaf": 1},
}
"""Options with which a sample of weight 3 should do what three samples do."""


@pytest.mark.parametrize("several", [False, True], ids=["binary", "multi-class"])
@needs_each
def test_a_weight_is_a_number_of_samples(library: str, several: bool) -> None:
    """Weights 1, 2 and 3 give the model that repeated samples give, and not the unweighted one: applied once, and not twice."""
    scikit_learn()
    rng = np.random.default_rng(0)
    X = rng.integers(0, 2, (150, 5)).astype(np.float64)  # few values, so that repeating a row moves no threshold
    y = ((X.sum(axis=1) + rng.normal(size=150) > 3.5) + (several & (X[:, 0] + rng.normal(size=150) > 1.5))).astype(np.int64)
    weight = rng.integers(1, 4, 150)
    options = EXACTLY[library]
    weighted = probabilities(library, objective(y, sample_weight=weight), X, y, X, weight.astype(np.float64), **options)
    many, repeated = np.repeat(X, weight, axis=0), np.repeat(y, weight)
    twice = probabilities(library, objective(repeated), many, repeated, X, **options)
    plain = probabilities(library, objective(y), X, y, X, **options)
    assert np.abs(weighted - twice).max() < 1e-4
    assert np.abs(weighted - plain).max() > 0.01


@pytest.mark.parametrize("library", ["xgboost", "lightgbm"])
def test_train_s_weights_are_numbers_of_samples(library: str) -> None:
    """The same by `train`."""
    scikit_learn()
    rng = np.random.default_rng(0)
    X = rng.integers(0, 2, (400, 5)).astype(np.float64)
    y = (X.sum(axis=1) + rng.normal(size=400) > 3.5).astype(np.int64)
    weight = rng.integers(1, 4, 400)
    options = EXACTLY[library]
    weighted = native(library, objective(y, sample_weight=weight), X, y, X, weight.astype(np.float64), **options)
    many, repeated = np.repeat(X, weight, axis=0), np.repeat(y, weight)
    assert np.abs(weighted - native(library, objective(repeated), many, repeated, X, **options)).max() < 1e-4
    assert np.abs(weighted - native(library, objective(y), X, y, X, **options)).max() > 0.01


# ---- where others fall ------------------------------------------------------------------------------------------------------


def test_the_usual_recipe_makes_no_split_and_ours_does() -> None:
    """Exact Hessian, start at the log odds, 3.5% positives, XGBoost's default options: 40 rounds of lone leaves."""
    xgboost = pytest.importorskip("xgboost")
    X, y = digits()
    kept = (y == 0) | (np.cumsum(y) % 3 == 1)
    X, y = X[kept], y[kept]
    usual = objective(y, hessian="exact", start=initial_bias(float(y.mean())))

    def splits(focal: Objective) -> int:
        model = xgboost.XGBClassifier(objective=focal, n_estimators=ROUNDS, learning_rate=RATE, n_jobs=1).fit(X, y)
        return sum(line.count("yes=") for line in model.get_booster().get_dump())

    assert splits(usual) == 0
    assert splits(objective(y)) > 100


@needs_each
def test_probabilities_are_calibrated_where_the_loss_is_not_proper(library: str) -> None:
    """On noise the prediction is the prevalence: the loss's own minimiser, which is further up, is corrected."""
    scikit_learn()
    rng = np.random.default_rng(0)
    y = (np.arange(1000) % 20 == 0).astype(np.int64)
    found = probabilities(
        library, objective(y), np.zeros((1000, 1)) + rng.integers(0, 2, (1000, 1)), y, np.asarray([[0.0], [1.0]])
    )
    assert np.abs(found[:, 1] - 0.05).max() < 0.02  # the minimiser is at 0.26


# ---- the page ---------------------------------------------------------------------------------------------------------------

PAGE = Path(__file__).resolve().parents[3] / "docs" / "boosting.md"
RECIPES = re.findall(
    r"^```py\n((?!# cross-validation|# skorch|# early stopping|def posterior).*?)^```$",
    PAGE.read_text(encoding="utf-8"),
    re.MULTILINE | re.DOTALL,
)
FRONTS = {"FocalXGBClassifier": "xgboost", "FocalLGBMClassifier": "lightgbm", "FocalCatBoostClassifier": "catboost"}
"""Classifiers, and the libraries that they make their models of when they are fitted."""


def test_the_page_has_a_recipe_for_every_door() -> None:
    """The classifiers; XGBoost's and LightGBM's two, CatBoost's and scikit-learn's."""
    assert [re.search(r"(?:import|from) (\w+)", recipe)[1] for recipe in RECIPES] == [  # type: ignore[index]
        *["focal_ref_boosting"] * 3,
        *("xgboost", "xgboost", "lightgbm", "lightgbm", "catboost", "sklearn"),
    ]


TABLES = re.findall(r"^```py\n(.*?)^```$", (PAGE.parent / "how-to" / "tables.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("recipe", TABLES, ids=range(len(TABLES)))
def test_the_recipes_for_tables_run(recipe: str) -> None:
    """docs/how-to/tables.md: posteriors whose mean is the share of the positives, and a good order."""
    pytest.importorskip("xgboost")
    X, y = tumours()
    names: dict[str, Any] = {"X": X[::2], "y": y[::2], "X_new": X[1::2]}
    from sklearn.metrics import average_precision_score

    exec(recipe, names)
    assert abs(names["probabilities"].mean() - y.mean()) < 0.03
    assert average_precision_score(y[1::2], names["probabilities"]) > 0.9


def test_catboosts_learning_rate_is_for_its_own_losses() -> None:
    """With a custom objective it is 0.03, as the page says, for any number of rows and rounds; with log loss it is chosen."""
    catboost = pytest.importorskip("catboost")
    from focal_ref_boosting import FocalCatBoostClassifier

    X, y = digits()
    quiet = {"verbose": 0, "thread_count": 1, "allow_writing_files": False, "depth": 3}
    for rows, rounds in ((600, 20), (1700, 40)):
        ours = FocalCatBoostClassifier(iterations=rounds, **quiet).fit(X[:rows], y[:rows])
        own = catboost.CatBoostClassifier(iterations=rounds, **quiet).fit(X[:rows], y[:rows])
        assert ours.estimator_.learning_rate_ == pytest.approx(0.03)
        assert own.learning_rate_ > 0.1


@pytest.mark.parametrize("recipe", RECIPES, ids=range(len(RECIPES)))
def test_the_page_s_recipes_run(recipe: str) -> None:
    """As they stand there, on real tumours; what they predict is a probability of each class, and a good one."""
    X, y = tumours()
    library = re.search(r"(?:import|from) (\w+)", recipe)
    assert library
    pytest.importorskip(library[1])
    for front, wrapped in FRONTS.items():
        if front in recipe:
            pytest.importorskip(wrapped)
    names: dict[str, Any] = {"objective": objective, "X": X[::2], "y": y[::2], "weight": np.ones(len(y[::2])), "X_new": X[1::2]}
    exec(recipe, names)
    assert np.abs(names["probabilities"].sum(axis=1) - 1).max() < 1e-6
    assert precision(y[1::2], names["probabilities"]) > 0.9


# ---- metrics, copies --------------------------------------------------------------------------------------------------------


def test_xgboost_s_metric() -> None:
    """Reported by both doors, as the mean loss of what it is at that round; early stopping follows it down."""
    xgboost = pytest.importorskip("xgboost")
    X, y = digits()
    focal = objective(y)
    model = xgboost.XGBClassifier(
        objective=focal, n_estimators=200, n_jobs=1, eval_metric=focal.metric("xgboost"), early_stopping_rounds=3
    )
    model.fit(X[::2], y[::2], eval_set=[(X[1::2], y[1::2])], verbose=False)
    reported = model.evals_result()["validation_0"]["focal_loss"]
    assert len(reported) < 200
    assert model.best_iteration == int(np.argmin(reported))
    margins = focal.logits(model.predict(X[1::2], output_margin=True)).astype(np.float64)
    assert abs(float(focal.loss(margins, y[1::2]).mean()) / min(reported) - 1) < 1e-4
    data, history = xgboost.DMatrix(X, y), {}
    options = {"base_score": 0.0, "disable_default_eval_metric": 1, "nthread": 1}
    xgboost.train(
        options,
        data,
        5,
        obj=focal,
        custom_metric=focal.metric("xgboost"),
        evals=[(data, "t")],
        evals_result=history,
        verbose_eval=False,
    )
    assert np.all(np.diff(history["t"]["focal_loss"]) < 0)


def test_lightgbm_s_metric() -> None:
    """Reported by both doors, and known to be better when lower."""
    lightgbm = pytest.importorskip("lightgbm")
    X, y = digits()
    focal = objective(y)
    data, history = lightgbm.Dataset(X, y), {}
    lightgbm.train(
        {"objective": focal, "num_threads": 1, "verbose": -1},
        data,
        10,
        feval=focal.metric("lightgbm"),
        valid_sets=[data],
        callbacks=[lightgbm.record_evaluation(history)],
    )
    reported = history["training"]["focal_loss"]
    assert np.all(np.diff(reported) < 0)


def test_catboost_s_metric() -> None:
    """Reported, and lower is better."""
    pytest.importorskip("catboost")
    X, y = digits()
    focal = objective(y)
    model = unfitted("catboost", focal).fit(X, y)
    reported = model.get_evals_result()["learn"]["Metric"]
    assert np.all(np.diff(reported) < 0)
    margins = np.asarray(model.predict(X, prediction_type="RawFormulaVal"))
    assert abs(reported[-1] / float(focal.loss(focal.logits(margins), y).mean()) - 1) < 1e-6


@pytest.mark.parametrize("data", [digits, wine], ids=["binary", "multi-class"])
def test_scikit_learn_s_early_stopping(data: Callable[[], Any]) -> None:
    """It watches the mean focal loss of what it holds back: falling, and with the sample weights."""
    scikit_learn()
    from sklearn.ensemble import HistGradientBoostingClassifier

    X, y = data()
    loss = objective(y).for_scikit_learn()
    model = HistGradientBoostingClassifier(loss=loss, early_stopping=True, scoring="loss", max_iter=200, random_state=0)
    model.fit(X, y, sample_weight=np.random.default_rng(0).uniform(0.5, 2, len(y)))
    assert model.n_iter_ < 200
    assert model.validation_score_.max() > model.validation_score_[0]
    assert (np.diff(model.train_score_)[:10] > 0).all()


@needs_each
def test_models_can_be_cloned_cross_validated_and_pickled(library: str) -> None:
    """scikit-learn copies a classifier with its objective; a saved model predicts the same."""
    scikit_learn()
    from sklearn.base import clone

    X, y = digits()
    focal = objective(y)
    model = clone(unfitted(library, focal)).fit(X, y)
    again = pickle.loads(pickle.dumps(model))
    if library == "sklearn":
        np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    else:
        np.testing.assert_array_equal(focal.predict_proba(again, X), focal.predict_proba(model, X))

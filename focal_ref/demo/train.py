"""Training of the models that `focal-ref demo` compares, on the sets that come with the package.

Every loss sees the same folds. The linear model is `focal_ref_sklearn.FocalLogisticRegression`, and each fold and loss has its
own C: the one with the least log loss on a quarter of the training rows that was kept aside. (A focal loss is smaller than
cross entropy, so the same C would be a stronger penalty.) The boosted model is scikit-learn's HistGradientBoostingClassifier,
with its own log loss and with `focal_ref_boosting`. Training needs scikit-learn, which is imported where it is used.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..calibration.balancing import inverse_frequency_alpha
from ..calibration.posteriors import posterior_from_logits
from ..engine import numpy_threads
from ..losses import SigmoidFocalLoss, SoftmaxFocalLoss
from ..typing import Floats
from .measures import log_loss
from .results import LOSSES, Curve, Loss, Outcome, Run
from .sets import Data, load

__all__ = ["run", "splits"]

STRENGTHS = (0.1, 1.0, 10.0)
"""C of the linear model: what it is chosen from."""
ROUNDS = 80
TOLERANCE = 1e-5
FOLDS, REPEATS, QUICK_FOLDS = 5, 2, 3


def splits(labels: NDArray[np.int64], *, quick: bool = False) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Stratified folds, twice five, or three where it has to be quick; each is the rows to train on and the rows to predict."""
    selection = importlib.import_module("sklearn.model_selection")
    count, repeats = (QUICK_FOLDS, 1) if quick else (FOLDS, REPEATS)
    chosen = selection.RepeatedStratifiedKFold(n_splits=count, n_repeats=repeats, random_state=0)
    return list(chosen.split(labels, labels))


# ---- models -----------------------------------------------------------------------------------------------------------------


def _linear(loss: Loss, X: Floats, y: NDArray[np.int64], new: Floats) -> Outcome:
    """Logistic regression on arsinh of the features, which is the logarithm of large ones; missing ones are the median."""
    selection = importlib.import_module("sklearn.model_selection")
    fitted, held = next(selection.StratifiedKFold(4, shuffle=True, random_state=0).split(X, y))

    def on_held(strength: float) -> float:
        return log_loss(y[held], _fit_linear(loss, strength, X[fitted], y[fitted], X[held]).corrected)

    return _fit_linear(loss, min(STRENGTHS, key=on_held), X, y, new)


def _fit_linear(loss: Loss, strength: float, X: Floats, y: NDArray[np.int64], new: Floats) -> Outcome:
    preprocessing, impute = (importlib.import_module(f"sklearn.{name}") for name in ("preprocessing", "impute"))
    arsinh = preprocessing.FunctionTransformer(np.arcsinh)
    prepare = importlib.import_module("sklearn.pipeline").make_pipeline(
        impute.SimpleImputer(strategy="median"), arsinh, preprocessing.StandardScaler()
    )
    alpha, mean = _weights(loss, y)
    make = importlib.import_module("focal_ref_sklearn").FocalLogisticRegression
    model = make(loss.gamma, alpha, C=strength / mean, tol=TOLERANCE).fit(prepare.fit_transform(X), y)
    new = prepare.transform(new)
    return Outcome("linear", loss, _plain(new @ model.coef_.T + model.intercept_), model.predict_proba(new))


def _weights(loss: Loss, y: NDArray[np.int64]) -> tuple[Any, float]:
    """α as the linear model takes it, and the mean weight of a sample."""
    if not loss.weighted:
        return None, 1.0
    counts = np.bincount(y)
    weights = inverse_frequency_alpha(counts.tolist())
    mean = float(np.average(weights, weights=counts))
    return (weights[1] / 2, mean / 2) if len(counts) == 2 else (weights, mean)


def _plain(logits: Floats) -> Floats:
    """σ or softmax of logits, as two columns or more."""
    if logits.ndim == 1 or logits.shape[1] == 1:
        logits = logits.reshape(-1, 1) * [-0.5, 0.5]
    result: Floats = posterior_from_logits(logits, 0.0, axis=1)
    return result


def _fit_boosting(loss: Loss, X: Floats, y: NDArray[np.int64]) -> Any:
    make = importlib.import_module("sklearn.ensemble").HistGradientBoostingClassifier
    options: dict[str, Any] = {"max_leaf_nodes": 8, "min_samples_leaf": 5, "l2_regularization": 1.0, "early_stopping": False}
    if loss.gamma:
        own = (SigmoidFocalLoss if y.max() == 1 else SoftmaxFocalLoss)(gamma=loss.gamma)
        options["loss"] = importlib.import_module("focal_ref_boosting").objective(y, own).for_scikit_learn()
    return make(max_iter=ROUNDS, learning_rate=0.1, **options).fit(X, y)


def _curve(loss: Loss, model: Any, X: Floats, y: NDArray[np.int64], new: Floats, truth: NDArray[np.int64]) -> Curve:
    training, unseen = (
        [log_loss(labels, found) for found in model.staged_predict_proba(rows)] for rows, labels in ((X, y), (new, truth))
    )
    return Curve(loss, training, unseen)


def _fold(
    data: Data, training: NDArray[np.int64], unseen: NDArray[np.int64], models: Sequence[str], curves: bool
) -> tuple[list[Outcome], list[Curve]]:
    """Every model and loss, trained on some rows, for the others."""
    X, y, new, truth = data.features[training], data.labels[training], data.features[unseen], data.labels[unseen]
    outcomes = [_linear(loss, X, y, new) for loss in LOSSES["linear"] if "linear" in models]
    drawn = []
    for loss in LOSSES["boosting"] if "boosting" in models else ():
        model = _fit_boosting(loss, X, y)
        outcomes.append(Outcome("boosting", loss, _plain(model.decision_function(new)), model.predict_proba(new)))
        if curves:
            drawn.append(_curve(loss, model, X, y, new, truth))
    return outcomes, drawn


def run(
    names: Sequence[str],
    *,
    quick: bool = False,
    models: Sequence[str] = tuple(LOSSES),
    progress: Callable[[int, int, str], None] = lambda done, steps, text: None,
) -> list[Run]:
    """Train everything on every fold of some sets, in as many processes as this one may use cores; always the same results.

    Parameters
    ----------
    names : sequence of str
        Of `SETS`.
    quick : bool
        Three folds instead of ten.
    models : sequence of str
        Of `LOSSES`.
    progress : callable
        Told how many folds of how many are done, and the next one's set.

    Returns
    -------
    list of Run
        One a set.
    """
    joblib = importlib.import_module("joblib")
    sets = [load(name) for name in names]
    folds = [splits(data.labels, quick=quick) for data in sets]
    tasks = [(data, *rows, models, rows is own[0]) for data, own in zip(sets, folds, strict=True) for rows in own]
    progress(0, len(tasks), tasks[0][0].name)
    found = []
    work = joblib.Parallel(n_jobs=min(numpy_threads.cores(), len(tasks)), return_as="generator")
    for result in work(joblib.delayed(_fold)(*task) for task in tasks):
        found.append(result)
        progress(len(found), len(tasks), tasks[min(len(found), len(tasks) - 1)][0].name)
    results = iter(found)
    runs = []
    for data, own in zip(sets, folds, strict=True):
        mine = [next(results) for _ in own]
        runs.append(Run(data, own, [outcomes for outcomes, _ in mine], mine[0][1]))
    return runs

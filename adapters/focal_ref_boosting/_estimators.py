"""Classifiers of XGBoost, LightGBM and CatBoost that train with focal loss, and are right in scikit-learn's tools."""

from __future__ import annotations

import copy
from importlib import import_module
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.utils import get_tags
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d, validate_data

from focal_ref import SigmoidFocalLoss, SoftmaxFocalLoss
from focal_ref.losses import arguments

from ._curvature import Loss
from ._labels import class_weights, weights
from ._libraries import Library, library_for, library_named
from ._models import library_of, raw_margins
from ._objective import objective
from ._probabilities import alike, log_probabilities, probabilities, scores, settled

__all__ = ["FocalBoostingClassifier", "FocalCatBoostClassifier", "FocalLGBMClassifier", "FocalXGBClassifier"]


class FocalBoostingClassifier(MetaEstimatorMixin, ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A booster with focal loss whose `predict_proba` is the posterior.

    Parameters
    ----------
    estimator : XGBClassifier, LGBMClassifier or CatBoostClassifier
        With options of its own; is cloned, never fitted. Options that would do nothing beside an objective of one's own
        (``scale_pos_weight``, ``is_unbalance``, ``class_weights`` …, whichever library calls it so) are refused, as are other
        objectives and metrics.
    gamma : float
        Focusing, γ ≥ 0; 0 is log loss.
    alpha : float, sequence of float or None
        For two classes the weight of the second, above 0 and below 1; for more, one weight a class, in the order of `classes_`.
    hessian : {"auto", "abs_gradient", "outer_product", "logistic", "exact"}
        See `objective`.
    class_weight : None, "balanced" or dict
        Multiplies the sample weights; the probabilities are then those of the reweighted data.

    Attributes
    ----------
    classes_ : array
    estimator_
        The fitted booster. What it has, but for its predictions, is had here too: `feature_importances_`, `best_iteration`,
        `get_booster`, `booster_`, `save_model` …
    objective_ : Objective
        What turns the booster's margins into probabilities.
    start_ : array
        The logits of the best constant prediction: one, or one a class. It is in the fitted booster, and is saved with it.

    Raises
    ------
    TypeError, ValueError
        By `fit`, where an argument is not such, y has one class only, or an option would be silent; the message names it.
    """

    def __init__(
        self, estimator: Any, gamma: Any = 2.0, alpha: Any = None, *, hessian: Any = "auto", class_weight: Any = None
    ) -> None:
        self.estimator = estimator
        self.gamma = gamma
        self.alpha = alpha
        self.hessian = hessian
        self.class_weight = class_weight

    def fit(self, X: Any, y: Any, sample_weight: Any = None, eval_set: Any = None, **fit: Any) -> FocalBoostingClassifier:
        """Train.

        Parameters
        ----------
        X
            As the library takes it: arrays, DataFrames, sparse matrices; missing and categorical features.
        y : array
            Labels of any kind.
        sample_weight : array, optional
        eval_set : (X, y) or list of them, optional
            What early stopping watches, by the mean focal loss.
        **fit
            For the library's ``fit``.
        """
        library = library_for(self.estimator)
        library.refuse(self.estimator, fit)
        _checked(self, X, fitting=True)
        classes, codes = _encoded(X, y)
        weight, sums = self._weighted(library, classes, codes, sample_weight)
        if not sums.all():
            raise ValueError(
                f"y: got class {classes.tolist()[sums.argmin()]!r} with weights of zero only; expected some of each class"
            )
        focal = objective(codes, self._loss(len(classes)), sample_weight=weight, hessian=self.hessian)
        start = np.atleast_1d(np.asarray(focal.start))
        trained = library.start(focal)
        model = _unfitted(self.estimator).set_params(**self._without_class_weight(library))
        model.set_params(**library.options(trained, model, start.tolist(), len(codes)))
        if eval_set is not None:
            fit["eval_set"] = [(library.features(A), b) for A, b in _encoded_sets(eval_set, classes)]
        model.fit(library.features(X), codes, sample_weight=weight, **library.fit_arguments(trained, fit))
        self.classes_, self.start_, self.estimator_ = classes, start, model
        self.objective_ = focal.at_zero() if library.keep_start(model, start.tolist()) else focal
        return self

    def _loss(self, classes: int) -> Loss:
        if classes == 2:
            if self.alpha is not None:
                arguments.number("alpha", self.alpha, 0.0, 1.0, "a weight of the second class, above 0 and below 1, or None")
            return SigmoidFocalLoss(gamma=self.gamma, alpha=self.alpha)
        if self.alpha is not None and np.shape(self.alpha) != (classes,):
            accepted = f"one weight for each of {classes} classes; a number would weigh all alike"
            raise ValueError(f"alpha: got {arguments.describe(self.alpha)}; expected {accepted}")
        return SoftmaxFocalLoss(gamma=self.gamma, alpha=None if self.alpha is None else tuple(map(float, self.alpha)))

    def _weighted(self, library: Library, classes: Any, codes: Any, sample_weight: Any) -> tuple[Any, Any]:
        """The samples' weights times the classes', or None; and each class's sum."""
        weight, class_weight = weights(sample_weight, len(codes)), self.class_weight
        inner = self.estimator.get_params().get(library.classes_option) if library.classes_option else None
        if inner is not None and class_weight is not None:
            raise ValueError(f"class_weight: got {class_weight!r} here and {inner!r} in the estimator; expected one of them")
        class_weight = inner if class_weight is None else class_weight
        factors = class_weights(class_weight, classes, np.bincount(codes, weights=weight).astype(np.float64))
        if class_weight is not None:
            weight = factors[codes] if weight is None else weight * factors[codes]
        return weight, np.bincount(codes, weights=weight)

    def _without_class_weight(self, library: Library) -> dict[str, Any]:
        return {library.classes_option: None} if library.classes_option else {}

    # ---- what it says --------------------------------------------------------------------------------------------------------

    def _logits(self, X: Any, **options: Any) -> Any:
        check_is_fitted(self)
        _checked(self, X, fitting=False)
        X = library_for(self.estimator_).features(X)
        margins = np.asarray(raw_margins(self.estimator_, X, **options), dtype=np.float64)
        logits = self.objective_.logits(margins)
        return logits if logits.ndim == 1 else settled(logits)

    def predict_proba(self, X: Any, **options: Any) -> Any:
        """The posterior of each class, (samples, classes); options as for `Objective.predict_proba`."""
        logits = self._logits(X, **options)
        found = probabilities(self.objective_.loss, logits)
        return found if logits.ndim == 1 else alike(found, logits, self.objective_.loss.alpha)

    def predict_log_proba(self, X: Any, **options: Any) -> Any:
        """Its logarithm, finite where the probability itself is 0 to the last bit."""
        logits = self._logits(X, **options)
        return log_probabilities(self.objective_.loss, logits)

    def decision_function(self, X: Any, **options: Any) -> Any:
        """The posterior's log odds of the second of two classes, or its logarithm for each of more."""
        logits = self._logits(X, **options)
        return scores(self.objective_.loss, logits)

    def predict(self, X: Any, **options: Any) -> Any:
        """The most probable class."""
        found = self.decision_function(X, **options)
        return self.classes_[found.argmax(axis=1) if found.ndim > 1 else (found > 0).astype(np.int64)]

    def to_dict(self) -> dict[str, Any]:
        """What turns the saved booster's raw margins into probabilities, as JSON has it; docs/boosting.md has the lines."""
        check_is_fitted(self)
        gamma: Any = self.objective_.loss.kernel.values["gamma"]
        alpha: Any = self.objective_.loss.alpha
        start = np.atleast_1d(np.asarray(self.objective_.start))
        return {
            "classes": self.classes_.tolist(),
            "gamma": float(gamma),
            "alpha": list(alpha) if isinstance(alpha, tuple) else None if alpha is None else [1 - float(alpha), float(alpha)],
            "start": start.tolist(),
        }

    # ---- what scikit-learn asks ----------------------------------------------------------------------------------------------

    def __getattr__(self, name: str) -> Any:
        """What the fitted booster has: but not its predictions, which know no posterior."""
        if name.startswith("_") or "predict" in name or "estimator_" not in self.__dict__:
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        return getattr(self.estimator_, name)

    def __sklearn_clone__(self) -> Any:
        made = copy.copy(self)
        made.__dict__ = {
            name: clone(getattr(self, name), safe=False) for name in self._get_param_names() if name != "estimator"
        }
        made.estimator = _unfitted(self.estimator)
        if "_metadata_request" in self.__dict__:
            made._metadata_request = copy.deepcopy(self._metadata_request)
        return made

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags = get_tags(self.estimator).input_tags
        return tags


def _unfitted(estimator: Any) -> Any:
    """A clone; CatBoost keeps copies of lists, which scikit-learn's `clone` refuses."""
    if library_of(estimator) != "catboost":
        return clone(estimator)
    return type(estimator)(**copy.deepcopy(estimator.get_params(deep=False)))


def _checked(model: Any, X: Any, fitting: bool) -> None:
    """As many features as in training, of the same names; what the library makes of them is its own matter."""
    shape = getattr(X, "shape", None)
    if shape is not None and len(shape) != 2:
        raise ValueError(f"X: got {arguments.describe(X)}; expected (samples, features). Reshape your data")
    if shape is not None and shape[0] == 0:
        raise ValueError(f"X: got 0 sample(s) (shape={shape}) while a minimum of 1 is required.")
    if shape is not None and shape[1] == 0:
        raise ValueError(f"X: got 0 feature(s) (shape={shape}) while a minimum of 1 is required.")
    validate_data(model, X, skip_check_array=True, reset=fitting)


def _encoded(X: Any, y: Any) -> tuple[Any, Any]:
    """The classes, and which of them each sample is of."""
    if y is None:
        raise ValueError("y: got None; expected labels: the classifier requires y to be passed, but the target y is None")
    y = column_or_1d(y, warn=True)
    check_classification_targets(y)
    check_consistent_length(X, y)
    try:
        classes, codes = np.unique(y, return_inverse=True)
    except TypeError:  # of several types, or None
        raise TypeError(f"y: got {arguments.describe(y)} with labels that have no order; expected labels of one type") from None
    if len(classes) < 2:
        raise ValueError(f"y: got one class, {classes.tolist()[0]!r}; expected two classes or more")
    return classes, codes


def _encoded_sets(eval_set: Any, classes: Any) -> list[tuple[Any, Any]]:
    pairs = [eval_set] if isinstance(eval_set, tuple) else list(eval_set)
    if not all(isinstance(pair, (tuple, list)) and len(pair) == 2 for pair in pairs):
        raise TypeError(f"eval_set: got {arguments.describe(eval_set)}; expected a pair (X, y), or a list of pairs")
    found = []
    for X, y in pairs:
        labels = np.asarray(y)
        known = np.isin(labels, classes)
        if not known.all():
            raise ValueError(
                f"eval_set: got label {labels[~known].tolist()[0]!r}, which y lacks; expected labels among {classes.tolist()}"
            )
        found.append((X, np.searchsorted(classes, labels)))
    return found


class _Front(FocalBoostingClassifier):
    """The booster's options beside focal loss's; those of one name are focal loss's."""

    booster: ClassVar[tuple[str, str]]

    def __init__(
        self, gamma: Any = 2.0, alpha: Any = None, *, hessian: Any = "auto", class_weight: Any = None, **options: Any
    ) -> None:
        module, name = self.booster
        kind = getattr(import_module(module), name)
        library_named(module).refuse_unknown(kind, options)
        super().__init__(kind(**options), gamma, alpha, hessian=hessian, class_weight=class_weight)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Focal loss's, and the booster's."""
        theirs: dict[str, Any] = self.estimator.get_params(deep=False)
        return theirs | {name: getattr(self, name) for name in self._get_param_names()}

    def set_params(self, **params: Any) -> _Front:
        """Focal loss's, and any of the booster's."""
        ours = self._get_param_names()
        for name in params.keys() & ours:
            setattr(self, name, params[name])
        theirs = {name: value for name, value in params.items() if name not in ours}
        if theirs:
            self.estimator.set_params(**theirs)
        return self


class FocalXGBClassifier(_Front):
    """`FocalBoostingClassifier` of an XGBClassifier, whose options are given here too.

    XGBoost's own ``gamma``, the least gain of a split, is called ``min_split_loss`` here.

    Parameters
    ----------
    gamma, alpha, hessian, class_weight
        As for `FocalBoostingClassifier`.
    **options
        The library's own.
    """

    booster = ("xgboost", "XGBClassifier")


class FocalLGBMClassifier(_Front):
    """`FocalBoostingClassifier` of an LGBMClassifier, whose options are given here too.

    Parameters
    ----------
    gamma, alpha, hessian, class_weight
        As for `FocalBoostingClassifier`.
    **options
        The library's own.
    """

    booster = ("lightgbm", "LGBMClassifier")


class FocalCatBoostClassifier(_Front):
    """`FocalBoostingClassifier` of a CatBoostClassifier, whose options are given here too.

    Parameters
    ----------
    gamma, alpha, hessian, class_weight
        As for `FocalBoostingClassifier`.
    **options
        The library's own.
    """

    booster = ("catboost", "CatBoostClassifier")

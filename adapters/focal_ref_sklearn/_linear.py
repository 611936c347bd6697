"""Logistic regression with focal loss in the place of log loss."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.extmath import safe_sparse_dot
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from focal_ref.calibration.log_posteriors import log_odds_from_logits, log_posterior_from_logits
from focal_ref.calibration.posteriors import posterior_from_logits
from focal_ref.losses import arguments

from ._problem import METHODS, Problem, minimised

__all__ = ["FocalLogisticRegression"]


class FocalLogisticRegression(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A linear classifier, binary or multinomial: C Σ focal loss + ‖coef‖²/2, as `sklearn.linear_model.LogisticRegression`.

    Parameters
    ----------
    gamma : float
        Focusing, γ ≥ 0; 0 is logistic regression.
    alpha : float, sequence of float or None
        For two classes the weight of the second, in (0, 1); for more, one weight a class, in the order of `classes_`. (A number
        for more classes is refused: it would weigh all alike, and change C.)
    C : float
        Inverse strength of the L2 penalty, which leaves the intercept alone; ``np.inf`` for none.
    fit_intercept : bool
    class_weight : None, "balanced" or dict
        Multiplies the sample weights; the probabilities are then those of the reweighted data.
    solver : {"newton-cg", "lbfgs"}
        Newton's steps by Hessian products, or scipy's L-BFGS-B. Features are scaled inside, so that their units matter little:
        on the breast cancer data as they are, 10 steps by the former and 80 by the latter, for 10 and 50 on standardised ones.
    tol : float
        Of the gradient, relative to the sum of the weights and to the features' sizes.
    max_iter : int
    warm_start : bool
        Whether to start at the last fit's coefficients, rather than at the best constant.

    Attributes
    ----------
    classes_, coef_, intercept_, n_iter_, n_features_in_
        As LogisticRegression has them.

    Notes
    -----
    `predict_proba` is the posterior (`focal_ref.posterior_from_logits`), not the softmax of X coef + intercept, which minimises
    the loss; `decision_function` is its logarithm, or log odds, finite wherever X coef + intercept is. float32 stays float32,
    and sparse X sparse. Focal loss isn't convex: training starts at the best constant prediction, and finds the minimum that is
    next to it. It warns, with advice, where it stops elsewhere.
    """

    def __init__(
        self,
        gamma: float = 2.0,
        alpha: Any = None,
        *,
        C: float = 1.0,
        fit_intercept: bool = True,
        class_weight: Any = None,
        solver: Literal["lbfgs", "newton-cg"] = "newton-cg",
        tol: float = 1e-8,
        max_iter: int = 1000,
        warm_start: bool = False,
    ) -> None:
        self.gamma = gamma
        self.alpha = alpha
        self.C = C
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.warm_start = warm_start

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> FocalLogisticRegression:
        """Train; `sample_weight` multiplies the losses."""
        arguments.choice("solver", self.solver, METHODS)
        X, y = validate_data(self, X, y, dtype=[np.float64, np.float32], accept_sparse="csr")
        check_classification_targets(y)
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        if not weight.any():
            raise ValueError("sample_weight: got only zeros, every weight is zero; expected some > 0")
        classes, targets = np.unique(y, return_inverse=True)
        if len(classes) < 2:
            raise ValueError(f"y: got one class, {classes.tolist()[0]!r}; expected two classes or more")
        weight = weight * self._class_factors(classes, targets, weight)
        sums = np.bincount(targets, weights=weight)
        if not sums.all():
            lost = classes.tolist()[sums.argmin()]
            raise ValueError(f"y: got class {lost!r} with weights of zero only; expected some of each class")
        self._check_alpha(len(classes))
        problem = Problem(self, X, targets, weight, len(classes))
        table, self.n_iter_ = minimised(problem, self._begin(problem, classes), self.solver, self.tol, self.max_iter)
        self.classes_ = classes
        self.coef_, self.intercept_ = table[:, :-1].astype(X.dtype), table[:, -1].astype(X.dtype)
        return self

    def _class_factors(self, classes: Any, targets: Any, weight: Any) -> Any:
        """What `class_weight` multiplies each sample's weight by."""
        if isinstance(self.class_weight, str) and self.class_weight == "balanced":
            sums = np.bincount(targets, weights=weight)
            return (weight.sum() / (len(classes) * np.where(sums > 0, sums, np.inf)))[targets]
        if self.class_weight is None:
            return 1.0
        if not isinstance(self.class_weight, dict):
            accepted = 'None, "balanced", or a dict from labels to numbers ≥ 0'
            raise ValueError(f"class_weight: got {arguments.describe(self.class_weight)}; expected {accepted}")
        known = classes.tolist()
        for label, value in self.class_weight.items():
            if label not in known:
                raise ValueError(f"class_weight: got label {label!r}, which y lacks; expected labels among {known}")
            arguments.number(f"class_weight[{label!r}]", value, 0.0, np.finfo(float).max, "a finite number ≥ 0")
        return np.asarray([self.class_weight.get(label, 1.0) for label in known])[targets]

    def _check_alpha(self, classes: int) -> None:
        if classes == 2 and self.alpha is not None:
            arguments.number("alpha", self.alpha, 0.0, 1.0, "a weight of the second class, above 0 and below 1, or None")
        if classes > 2 and self.alpha is not None and np.shape(self.alpha) != (classes,):
            accepted = f"one weight for each of {classes} classes; a number would only rescale C"
            raise ValueError(f"alpha: got {arguments.describe(self.alpha)}; expected {accepted}")

    def _begin(self, problem: Problem, classes: Any) -> Any:
        """The last fit's coefficients, where they fit and are wanted; else the best constant."""
        if self.warm_start and hasattr(self, "coef_") and np.array_equal(self.classes_, classes):
            table = np.concatenate([self.coef_, self.intercept_[:, None]], axis=1).astype(np.float64)
            if table.shape[1] == problem.X.shape[1] + 1:
                return problem.scaled(table)
        return problem.start()

    def _logits(self, X: Any) -> Any:
        check_is_fitted(self)
        X = validate_data(self, X, dtype=[np.float64, np.float32], accept_sparse="csr", reset=False)
        logits = safe_sparse_dot(X, self.coef_.T, dense_output=True) + self.intercept_
        return logits[:, 0] if len(self.classes_) == 2 else logits

    def predict_proba(self, X: Any) -> Any:
        """The posterior of each class, (samples, classes)."""
        logits = self._logits(X)
        if len(self.classes_) > 2:
            return posterior_from_logits(logits, self.gamma, self.alpha, axis=1)
        alpha = None if self.alpha is None else 1 - self.alpha
        second = posterior_from_logits(logits, self.gamma, self.alpha, axis=None)
        return np.stack([posterior_from_logits(-logits, self.gamma, alpha, axis=None), second], axis=1)

    def decision_function(self, X: Any) -> Any:
        """The posterior's log odds of the second of two classes, or its logarithm for each of more."""
        logits = self._logits(X)
        found = log_odds_from_logits if logits.ndim == 1 else log_posterior_from_logits
        return found(logits, self.gamma, self.alpha).astype(logits.dtype, copy=False)

    def predict_log_proba(self, X: Any) -> Any:
        """The posterior's logarithm, finite where the posterior itself is 0 to the last bit."""
        found = self.decision_function(X)
        return found if found.ndim > 1 else np.stack([-np.logaddexp(0, found), -np.logaddexp(0, -found)], axis=1)

    def predict(self, X: Any) -> Any:
        """The most probable class."""
        found = self.decision_function(X)
        return self.classes_[found.argmax(axis=1) if found.ndim > 1 else (found > 0).astype(np.int64)]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

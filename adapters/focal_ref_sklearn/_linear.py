"""Logistic regression with focal loss in the place of log loss."""

from __future__ import annotations

import warnings
from typing import Any, Literal

import numpy as np
from scipy.optimize import minimize
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from focal_ref import SigmoidFocalLoss, SoftmaxFocalLoss
from focal_ref.calibration.posteriors import optimal_constant, posterior_from_logits
from focal_ref.losses import arguments

__all__ = ["FocalLogisticRegression"]

_METHODS = {"lbfgs": "L-BFGS-B", "newton-cg": "Newton-CG"}


class FocalLogisticRegression(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A linear classifier, binary or multinomial: C Σ focal loss + ‖coef‖²/2, as `sklearn.linear_model.LogisticRegression`.

    Parameters
    ----------
    gamma : float
        Focusing, γ ≥ 0; 0 is logistic regression.
    alpha : float, sequence of float or None
        For two classes the weight of the second, in (0, 1); for more, one weight a class, in the order of `classes_`.
    C : float
        Inverse strength of the L2 penalty, which leaves the intercept alone.
    fit_intercept : bool
    solver : {"lbfgs", "newton-cg"}
        Both from scipy; the latter on Hessian-vector products.
    tol : float
        Of the gradient, relative to the sum of the weights.
    max_iter : int

    Attributes
    ----------
    classes_, coef_, intercept_, n_iter_, n_features_in_
        As LogisticRegression has them.

    Notes
    -----
    `predict_proba` is the posterior (`focal_ref.posteriors.posterior_from_logits`), not the softmax of X coef + intercept,
    which minimises the loss; `decision_function` is its logarithm, or log odds. Focal loss isn't convex: training starts at the
    best constant prediction, and finds the minimum that is next to it.
    """

    def __init__(
        self,
        gamma: float = 2.0,
        alpha: Any = None,
        *,
        C: float = 1.0,
        fit_intercept: bool = True,
        solver: Literal["lbfgs", "newton-cg"] = "lbfgs",
        tol: float = 1e-8,
        max_iter: int = 1000,
    ) -> None:
        self.gamma = gamma
        self.alpha = alpha
        self.C = C
        self.fit_intercept = fit_intercept
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> FocalLogisticRegression:
        """Train; `sample_weight` multiplies the losses."""
        arguments.choice("solver", self.solver, tuple(_METHODS))
        X, y = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(y)
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64)
        self.classes_, targets = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"y: got one class, {self.classes_[0]!r}; expected two classes or more")
        problem = _Problem(self, X, targets, weight)
        options = {"maxiter": self.max_iter}
        scale = {"xtol": self.tol} if self.solver == "newton-cg" else {"gtol": self.tol, "ftol": 0.0, "maxcor": 20}
        products = {"hessp": problem.product} if self.solver == "newton-cg" else {}
        found = minimize(
            problem.value_and_grad, problem.start(), jac=True, method=_METHODS[self.solver], options=options | scale, **products
        )
        if found.nit >= self.max_iter:
            warnings.warn(f"not at a minimum after {self.max_iter} iterations", ConvergenceWarning, stacklevel=2)
        coefficients = problem.matrix(found.x)
        self.coef_, self.intercept_ = coefficients[:, :-1].copy(), coefficients[:, -1].copy()
        self.n_iter_ = np.asarray([found.nit])
        return self

    def _logits(self, X: Any) -> Any:
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        return X @ self.coef_.T + self.intercept_

    def predict_proba(self, X: Any) -> Any:
        """The posterior of each class, (samples, classes)."""
        logits = self._logits(X)
        if len(self.classes_) > 2:
            return posterior_from_logits(logits, self.gamma, self.alpha, axis=1)
        alpha = None if self.alpha is None else 1 - self.alpha
        second = posterior_from_logits(logits[:, 0], self.gamma, self.alpha, axis=None)
        return np.stack([posterior_from_logits(-logits[:, 0], self.gamma, alpha, axis=None), second], axis=1)

    def decision_function(self, X: Any) -> Any:
        """The posterior's log odds of the second of two classes, or its logarithm for each of more."""
        with np.errstate(divide="ignore"):
            logs = np.log(self.predict_proba(X))
        return logs[:, 1] - logs[:, 0] if len(self.classes_) == 2 else logs

    def predict(self, X: Any) -> Any:
        """The most probable class."""
        found = self.predict_proba(X).argmax(axis=1)
        return self.classes_[found]


class _Problem:
    """The mean loss and the penalty as functions of a flat vector: a row of coefficients and intercept a logit."""

    def __init__(self, model: FocalLogisticRegression, X: Any, targets: Any, weight: Any) -> None:
        self.binary = len(model.classes_) == 2
        make = SigmoidFocalLoss if self.binary else SoftmaxFocalLoss
        self.loss = make(gamma=model.gamma, alpha=model.alpha, reduction="sum")
        self.X, self.targets, self.total = X, targets, float(weight.sum())
        self.weight = weight / self.total
        self.rows, self.intercept = 1 if self.binary else len(model.classes_), model.fit_intercept
        self.ridge = 1 / (arguments.number("C", model.C, np.finfo(float).tiny, np.inf, "a number > 0") * self.total)

    def matrix(self, flat: Any) -> Any:
        """Coefficients and, last, intercept."""
        table = flat.reshape(self.rows, -1)
        return table if self.intercept else np.concatenate([table, np.zeros((self.rows, 1))], axis=1)

    def start(self) -> Any:
        """No coefficients, and the best constant as the intercept."""
        table = np.zeros((self.rows, self.X.shape[1] + self.intercept))
        if self.intercept:
            prior = np.bincount(self.targets, weights=self.weight, minlength=2)
            table[:, -1] = optimal_constant(float(prior[1]) if self.binary else prior, self.loss.gamma, self.loss.alpha)
        return table.ravel()

    def _logits(self, table: Any) -> Any:
        logits = self.X @ table[:, :-1].T + table[:, -1]
        return logits[:, 0] if self.binary else logits

    def _back(self, by_logits: Any, table: Any) -> Any:
        """From derivatives by the logits to those by the coefficients, with the penalty's."""
        by_logits = by_logits.reshape(len(self.X), self.rows)
        by_coefficients = by_logits.T @ self.X + self.ridge * table[:, :-1]
        parts = [by_coefficients, by_logits.sum(axis=0)[:, None]] if self.intercept else [by_coefficients]
        return np.concatenate(parts, axis=1).ravel()

    def value_and_grad(self, flat: Any) -> tuple[float, Any]:
        table = self.matrix(flat)
        value, grad = self.loss.value_and_grad(self._logits(table), self.targets, self.weight)
        return float(value) + 0.5 * self.ridge * float((table[:, :-1] ** 2).sum()), self._back(grad, table)

    def product(self, flat: Any, direction: Any) -> Any:
        table, step = self.matrix(flat), self.matrix(direction)
        return self._back(self.loss.hvp(self._logits(table), self.targets, self._logits(step), self.weight), step)

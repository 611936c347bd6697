"""What `FocalLogisticRegression` minimises, on features of unit size, and how: scipy's solver or our own."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from scipy import sparse
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.extmath import safe_sparse_dot

from focal_ref import SigmoidFocalLoss, SoftmaxFocalLoss
from focal_ref.calibration.posteriors import optimal_constant
from focal_ref.losses import arguments

from ._newton import newton

__all__ = ["METHODS", "Problem", "minimised"]

METHODS = ("lbfgs", "newton-cg")
CURVATURE = 0.01
"""About what the loss's is near a fit: by it a feature that hardly varies is the penalty's matter."""
LEAST = 1e-6
"""A preconditioner's entry beside their mean."""
SMALLEST = 1e-6
"""The size of a feature below which scipy's solver, which has one tolerance, doesn't look for its share of the gradient."""
FAR = 100.0
"""By how much a gradient may exceed `tol` where a solver gave up, before that is worth a warning: rounding reaches so far."""


class Problem:
    """The mean loss and the penalty as functions of a flat vector: a row of coefficients and intercept a logit.

    The vector is in units of the features' root mean squares, about their means where there is an intercept to take those up
    (and X is dense): a solver that knows no scale takes many times the steps. The penalty is that of the features as given.
    """

    def __init__(self, model: Any, X: Any, targets: Any, weight: Any, classes: int) -> None:
        self.binary = classes == 2
        make = SigmoidFocalLoss if self.binary else SoftmaxFocalLoss
        alpha = model.alpha if model.alpha is None or self.binary else tuple(map(float, model.alpha))
        self.loss = make(gamma=model.gamma, alpha=alpha, reduction="sum")
        self.targets, self.total = targets, float(weight.sum())
        self.weight = weight / self.total
        self.rows, self.intercept = 1 if self.binary else classes, model.fit_intercept
        low = np.finfo(float).tiny
        strength = model.C if np.inf == model.C else arguments.number("C", model.C, low, np.inf, "a number > 0, or infinity")
        self.ridge = 1 / (strength * self.total)
        self.X, self.centre, self.unit, self.size = self._by_units(X)
        self._squares = self.X.multiply(self.X).tocsr() if sparse.issparse(self.X) else self.X**2

    def _by_units(self, X: Any) -> tuple[Any, Any, Any, Any]:
        wide = X.astype(np.float64)
        weight = self.weight
        zero = np.zeros(X.shape[1])
        if sparse.issparse(wide):
            centre, spread = zero, np.sqrt(np.asarray(wide.multiply(wide).T @ weight).ravel())
        else:
            centre = weight @ wide if self.intercept else zero
            wide = wide - centre
            spread = np.sqrt(weight @ wide**2)
        unit = np.hypot(spread, np.sqrt(self.ridge / CURVATURE))  # where the penalty rules, its curvature is the scale
        unit = np.where(unit > 0, unit, 1.0)
        wide = (wide @ sparse.diags(1 / unit)).tocsr() if sparse.issparse(wide) else wide / unit
        return wide, centre, unit, np.where(spread > 0, spread, unit) / unit

    def scaled(self, table: Any) -> Any:
        """From coefficients and intercept of the features as given to the flat vector."""
        coefficients = table[:, :-1] * self.unit
        last = table[:, -1:] + table[:, :-1] @ self.centre[:, None]
        return (np.concatenate([coefficients, last], axis=1) if self.intercept else coefficients).ravel()

    def unscaled(self, flat: Any) -> Any:
        """And back."""
        table = self.matrix(flat)
        coefficients = table[:, :-1] / self.unit
        return np.concatenate([coefficients, table[:, -1:] - coefficients @ self.centre[:, None]], axis=1)

    def matrix(self, flat: Any) -> Any:
        """Coefficients and, last, intercept."""
        table = flat.reshape(self.rows, -1)
        return table if self.intercept else np.concatenate([table, np.zeros((self.rows, 1))], axis=1)

    def sizes(self) -> Any:
        """Beside each entry of the vector, how large its feature is in it: what a gradient is small against."""
        one = np.append(self.size, 1.0) if self.intercept else self.size
        return np.tile(one, self.rows)

    def start(self) -> Any:
        """No coefficients, and the best constant as the intercept."""
        table = np.zeros((self.rows, self.X.shape[1] + self.intercept))
        if self.intercept:
            prior = np.bincount(self.targets, weights=self.weight, minlength=2)
            table[:, -1] = optimal_constant(float(prior[1]) if self.binary else prior, self.loss.gamma, self.loss.alpha)
        return table.ravel()

    def _logits(self, table: Any) -> Any:
        logits = safe_sparse_dot(self.X, table[:, :-1].T, dense_output=True) + table[:, -1]
        return logits[:, 0] if self.binary else logits

    def _back(self, by_logits: Any, table: Any) -> Any:
        """From derivatives by the logits to those by the coefficients, with the penalty's."""
        by_logits = by_logits.reshape(self.X.shape[0], self.rows)
        pulled = safe_sparse_dot(by_logits.T, self.X, dense_output=True)
        by_coefficients = pulled + self.ridge * table[:, :-1] / self.unit**2
        parts = [by_coefficients, by_logits.sum(axis=0)[:, None]] if self.intercept else [by_coefficients]
        return np.concatenate(parts, axis=1).ravel()

    def value_and_grad(self, flat: Any) -> tuple[float, Any]:
        table = self.matrix(flat)
        value, grad = self.loss.value_and_grad(self._logits(table), self.targets, self.weight)
        return float(value) + 0.5 * self.ridge * float(((table[:, :-1] / self.unit) ** 2).sum()), self._back(grad, table)

    def product(self, flat: Any, direction: Any) -> Any:
        table, step = self.matrix(flat), self.matrix(direction)
        return self._back(self.loss.hvp(self._logits(table), self.targets, self._logits(step), self.weight), step)

    def diagonal(self, flat: Any) -> Any:
        """About the Hessian's: the loss's part without its sign, which may be either, and no less than a share of the mean."""
        table = self.matrix(flat)
        bent = np.abs(self.loss.hessian_diag(self._logits(table), self.targets, self.weight)).reshape(len(self.weight), -1)
        pulled = safe_sparse_dot(bent.T, self._squares, dense_output=True) + self.ridge / self.unit**2
        found = np.concatenate([pulled, bent.sum(axis=0)[:, None]], axis=1) if self.intercept else pulled
        return np.maximum(found, LEAST * found.mean()).ravel()


def minimised(problem: Problem, start: Any, solver: str, tol: float, max_iter: int) -> tuple[Any, Any]:
    """Coefficients and intercepts, and how many steps it took; warns where that is no minimum."""
    found: Any
    sizes = problem.sizes()
    if solver == "newton-cg":
        found = newton(problem.value_and_grad, problem.product, problem.diagonal, start, tol * sizes, max_iter)
    else:
        options = {
            "gtol": tol * max(float(sizes.min()), SMALLEST),
            "ftol": 0.0,
            "maxcor": 20,
            "maxfun": 10**9,
            "maxiter": max_iter,
        }
        found = minimize(problem.value_and_grad, start, jac=True, method="L-BFGS-B", options=options)
    steep = float((np.abs(problem.value_and_grad(found.x)[1]) / sizes).max())
    if found.nit >= max_iter:
        advice = "raise max_iter or tol, or lower C: without a penalty, classes that a plane separates have no minimum"
        warnings.warn(f"not at a minimum after {max_iter} iterations; {advice}", ConvergenceWarning, stacklevel=4)
    elif not np.isfinite(found.fun) or (not found.success and steep > FAR * max(tol, np.finfo(float).eps)):
        advice = f'try solver="{"lbfgs" if solver == "newton-cg" else "newton-cg"}", a larger tol, or features without outliers'
        said = f"{solver} stopped where the gradient is still {steep:.1e} ({str(found.message).strip()})"
        warnings.warn(f"{said}; {advice}", ConvergenceWarning, stacklevel=4)
    return problem.unscaled(found.x), np.asarray([found.nit])

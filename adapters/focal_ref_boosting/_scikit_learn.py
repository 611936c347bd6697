"""Focal loss as scikit-learn's HistGradientBoostingClassifier takes losses: an object of a class that is private there."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn._loss.link import LogitLink, MultinomialLogit
from sklearn._loss.loss import BaseLoss

from focal_ref.calibration.posteriors import optimal_constant

from ._curvature import Hessian, Loss, derivatives
from ._probabilities import probabilities

__all__ = ["FocalLoss"]


class FocalLoss(BaseLoss):  # type: ignore[misc]
    """What the trainer calls: losses, gradients and Hessians by focal_ref, the start at the focal optimum, the posterior."""

    def __init__(self, loss: Loss, hessian: Hessian, classes: int, start: float | tuple[float, ...] | None = None) -> None:
        self.focal, self.hessian, self.start = loss, hessian, start
        self.is_multiclass = loss.link != "sigmoid"
        super().__init__(closs=None, link=MultinomialLogit() if self.is_multiclass else LogitLink(), n_classes=classes)
        self.approx_hessian = hessian != "exact"

    def __repr__(self) -> str:
        start = "" if self.start is None else f", start={self.start!r}"
        return f"FocalLoss({self.focal!r}, hessian={self.hessian!r}, classes={self.n_classes}{start})"

    def _key(self) -> tuple[Any, ...]:
        return self.focal, self.hessian, self.n_classes, self.start

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, FocalLoss) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def _targets(self, y_true: Any) -> Any:
        return y_true.astype(np.int64) if self.is_multiclass else y_true

    def _raw(self, raw: Any) -> Any:
        return raw if self.is_multiclass or raw.ndim == 1 else raw[:, 0]

    def loss(
        self, y_true: Any, raw_prediction: Any, sample_weight: Any = None, loss_out: Any = None, n_threads: int = 1
    ) -> Any:
        """Each sample's loss."""
        found = self.focal(self._raw(raw_prediction), self._targets(y_true), sample_weight)
        if loss_out is None:
            return found
        loss_out[...] = found
        return loss_out

    def gradient_hessian(
        self,
        y_true: Any,
        raw_prediction: Any,
        sample_weight: Any = None,
        gradient_out: Any = None,
        hessian_out: Any = None,
        n_threads: int = 1,
    ) -> tuple[Any, Any]:
        """Each sample's gradient and Hessian, written where the trainer wants them."""
        raw = self._raw(raw_prediction)
        gradient, hessian = derivatives(self.focal, self.hessian, self._targets(y_true), raw, sample_weight)
        if gradient_out is None or hessian_out is None:
            return gradient, hessian
        gradient_out.reshape(gradient.shape, order="A")[...] = gradient
        hessian_out.reshape(hessian.shape, order="A")[...] = hessian
        return gradient_out, hessian_out

    def fit_intercept_only(self, y_true: Any, sample_weight: Any = None) -> Any:
        """The best constant prediction's logits, or those that were asked for."""
        if self.start is not None:
            return np.asarray(self.start, dtype=y_true.dtype)[()]
        if not self.is_multiclass:
            prior = float(np.average(y_true, weights=sample_weight))
            return np.float64(optimal_constant(prior, self.focal.kernel, self.focal.alpha))
        counts = np.bincount(y_true.astype(np.int64), weights=sample_weight, minlength=self.n_classes)
        return optimal_constant(counts / counts.sum(), self.focal.kernel, self.focal.alpha).astype(y_true.dtype)

    def predict_proba(self, raw_prediction: Any) -> Any:
        """The posterior, (samples, classes)."""
        return probabilities(self.focal, self._raw(raw_prediction))

"""The objective, as every library wants to call it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, ClassVar, cast

import numpy as np

from focal_ref import SigmoidFocalLoss, SigmoidLoss, SoftmaxFocalLoss, SoftmaxLoss
from focal_ref.calibration.posteriors import optimal_constant
from focal_ref.engine.arrays import device_of, namespace_of
from focal_ref.losses import arguments

from ._curvature import HESSIANS, Asked, Hessian, Loss, derivatives
from ._labels import as_numbers, prior
from ._metric import Library, Metric
from ._models import notice_base_score, raw_margins, unwrapped
from ._probabilities import probabilities
from ._small import Few

__all__ = ["Objective", "objective"]


def objective(
    labels: Any,
    loss: Loss | None = None,
    *,
    gamma: Any = None,
    alpha: Any = None,
    sample_weight: Any = None,
    hessian: Asked = "auto",
    start: float | Sequence[float] | None = None,
    asarray: Callable[[Any], Any] | None = None,
) -> Objective:
    """A focal objective for data with these labels.

    Parameters
    ----------
    labels : array
        The training labels: 0 and 1 (or probabilities, for XGBoost's and LightGBM's regressors), classes 0 … K − 1, or strings,
        of which each library makes such classes.
    loss : SigmoidFocalLoss, SoftmaxFocalLoss, SigmoidLoss or SoftmaxLoss, optional
        With its γ and α. Default: sigmoid for two classes, softmax for more, with the next two.
    gamma, alpha : optional
        In the place of `loss`: γ, 2 by default, and the positives' share or a sequence of class weights.
    sample_weight : array, optional
        The weights that will be used in training; `start` depends on them.
    hessian : {"auto", "abs_gradient", "outer_product", "logistic", "exact"}
        What the booster divides by; see `focal_ref_boosting._curvature.derivatives`. "auto": the outer product, which is
        calibrated where classes are rare; docs/boosting-evidence.md has the figures.
    start : float or sequence of float, optional
        Where margins are counted from: a model that says 0 means this logit (these logits, for several classes). Default: the
        best constant prediction for the labels, `focal_ref.posteriors.optimal_constant`.
    asarray : callable, optional
        Applied to what the library hands over: ``cupy.asarray`` has XGBoost's gradients computed, and left, on the GPU.

    Returns
    -------
    Objective

    Raises
    ------
    TypeError, ValueError
        Where an argument is not such; the message names it.

    See Also
    --------
    focal_ref_boosting.FocalXGBClassifier : a classifier that has all of this in it.
    focal_ref_boosting.FocalBoostingClassifier : the same around any booster.

    Examples
    --------
    >>> focal = objective(np.asarray([0, 0, 0, 1]))
    >>> round(focal.start, 4)
    -0.4104
    """
    arguments.choice("hessian", hessian, ("auto", *HESSIANS))
    labels = as_numbers(labels)
    own = _chosen(loss, gamma, alpha, bool(labels.max() <= 1))
    binary = own.link == "sigmoid"
    if hessian == "auto":
        hessian = "outer_product"
    found = best_start(prior(labels, sample_weight, binary), own) if start is None else start
    here = float(cast(float, found)) if binary else tuple(float(s) for s in cast(Sequence[float], found))
    return Objective(own, here, hessian, asarray, start is not None)


def best_start(frequencies: Any, loss: Loss) -> Any:
    """The best constant's logits; of classes that are as frequent and weigh as much, the same to the last bit.

    Else trees of one shape would leave such classes an ULP apart, and sort them by it.
    """
    found = optimal_constant(frequencies, loss.kernel, loss.alpha)
    if isinstance(found, float):
        return found
    alike = np.stack([frequencies, np.broadcast_to(1.0 if loss.alpha is None else np.asarray(loss.alpha), found.shape)])
    _, first, which = np.unique(alike, axis=1, return_index=True, return_inverse=True)
    return found[first][which.ravel()]


def _chosen(loss: Any, gamma: Any, alpha: Any, binary: bool) -> Loss:
    """The loss that was given, or made of γ and α, unreduced."""
    if loss is None:
        make = SigmoidFocalLoss if binary else SoftmaxFocalLoss
        loss = make(gamma=2.0 if gamma is None else gamma, alpha=alpha)
    elif gamma is not None or alpha is not None:
        raise ValueError(f"gamma, alpha: got {gamma!r}, {alpha!r} beside a loss, which has its own; expected one or the other")
    if not isinstance(loss, (SigmoidFocalLoss, SoftmaxFocalLoss, SigmoidLoss, SoftmaxLoss)):
        accepted = "a SigmoidFocalLoss or SoftmaxFocalLoss, or SigmoidLoss or SoftmaxLoss of a member"
        raise TypeError(f"loss: got {arguments.describe(loss)}; expected {accepted}")
    smoothed = getattr(loss, "label_smoothing", 0.0)
    if isinstance(loss, (SoftmaxFocalLoss, SoftmaxLoss)) and (smoothed or loss.axis not in (-1, 1)):
        raise ValueError(f"loss: got {loss}; expected label_smoothing=0, which the posterior is known for, and axis=-1")
    return dataclasses.replace(loss, reduction="none")


@dataclasses.dataclass(frozen=True)
class Objective:
    """Focal loss as an objective; made by `objective`.

    XGBoost and LightGBM, native and scikit-learn, call it; CatBoost calls its methods `calc_ders_range` and `calc_ders_multi`;
    `for_scikit_learn` gives what HistGradientBoostingClassifier takes. It can be pickled.

    Parameters
    ----------
    loss : SigmoidFocalLoss, SoftmaxFocalLoss, SigmoidLoss or SoftmaxLoss
    start : float or tuple of float
        The logits that a margin of 0 stands for.
    hessian : str
    asarray : callable or None
    told : bool
        Whether `start` was asked for, and isn't what follows from the labels.
    """

    loss: Loss
    start: float | tuple[float, ...]
    hessian: Hessian
    asarray: Callable[[Any], Any] | None = None
    told: bool = False

    no_jit: ClassVar[bool] = True
    """CatBoost would have numba compile the methods, and replace them."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Objective:
        # Nothing in it changes; and scikit-learn refuses to clone CatBoost's classes where copies differ.
        return self

    def __call__(self, labels: Any, margins: Any, sample_weight: Any = None) -> tuple[Any, Any]:
        """Gradient and Hessian of each sample, weighted, in the margins' shape.

        Called with labels and margins by the scikit-learn classes, with margins and a data set by `train`.
        """
        targets, logits, weight = self._read(labels, margins, sample_weight)
        return derivatives(self.loss, self.hessian, targets, logits, weight)

    def values(self, labels: Any, margins: Any, sample_weight: Any = None) -> tuple[Any, Any]:
        """The loss of each sample, unweighted, and the weights; called as the objective is."""
        targets, logits, weight = self._read(labels, margins, sample_weight)
        return self.loss(logits, targets), weight

    def _read(self, labels: Any, margins: Any, weight: Any) -> tuple[Any, Any, Any]:
        if hasattr(margins, "get_label"):
            labels, margins, weight = margins.get_label(), labels, margins.get_weight()
        if self.asarray is not None:
            labels, margins, weight = (a if a is None else self.asarray(a) for a in (labels, margins, weight))
        if weight is not None and not weight.shape[0]:
            weight = None
        targets = labels if self.loss.link == "sigmoid" else labels.astype("int64")
        return targets, self.logits(margins), weight

    def logits(self, margins: Any) -> Any:
        """What a library's raw margins stand for: `start` added."""
        if isinstance(self.start, float):
            return margins + self.start
        if margins.ndim != 2 or margins.shape[1] != len(self.start):
            came = f"{arguments.describe(margins)}; expected one margin a class, (samples, {len(self.start)})"
            raise ValueError(f"margins: got {came}: does the library know the number of classes?")
        if not any(self.start):
            return margins
        xp = namespace_of(margins)
        start = xp.asarray(self.start, dtype=margins.dtype, device=device_of(margins))
        if not isinstance(margins, np.ndarray):
            return margins + start
        found = np.empty_like(margins)
        for c, of_class in enumerate(start):  # a sum along rows of three takes NumPy three times as long
            np.add(margins[:, c], of_class, out=found[:, c])
        return found

    def at_zero(self) -> Objective:
        """The same where margins are counted from 0: for a model that has the start in itself."""
        return dataclasses.replace(self, start=0.0 if isinstance(self.start, float) else (0.0,) * len(self.start), told=True)

    # ---- CatBoost -----------------------------------------------------------------------------------------------------------

    def calc_ders_range(self, approxes: Any, targets: Any, weights: Any) -> Any:
        """CatBoost's door for two classes: it maximises, so both derivatives are negated."""
        labels, margins = np.asarray(targets), np.asarray(approxes)
        weight = None if weights is None else np.asarray(weights)
        if self.asarray is None:
            found = self._few.binary(margins, labels, weight)
            if found is not None:
                return found
        gradient, hessian = self(labels, margins, weight)
        found = np.empty((len(gradient), 2))
        np.negative(gradient, out=found[:, 0])
        np.negative(hessian, out=found[:, 1])
        return found

    @cached_property
    def _few(self) -> Few:
        return Few(self.loss, self.start, self.hessian)

    def calc_ders_multi(self, approxes: Any, target: Any, weight: Any) -> tuple[Any, Any]:
        """CatBoost's door for several classes, a sample at a time: the gradient and the whole Hessian, negated."""
        if self.asarray is None:
            found = self._few.row(approxes, int(target), 1.0 if weight is None else weight)
            if found is not None:
                k = len(found[0])
                diagonal = np.zeros((k, k))
                diagonal.flat[:: k + 1] = [-h for h in found[1]]
                return -np.asarray(found[0]), diagonal
        targets, margins = np.asarray([target]), np.asarray([approxes], dtype=np.float64)
        factor = None if weight is None else np.asarray([weight], dtype=np.float64)
        gradient, hessian = self(targets, margins, factor)
        if self.hessian == "exact":
            k = margins.shape[1]
            rows, same = np.repeat(self.logits(margins), k, axis=0), np.full(k, int(target))
            return -gradient[0], -self.loss.hvp(rows, same, np.eye(k), None if factor is None else np.repeat(factor, k))
        return -gradient[0], np.diag(-hessian[0])

    # ---- what else a user needs ---------------------------------------------------------------------------------------------

    def metric(self, library: Library) -> Metric:
        """The mean focal loss as an evaluation metric, for the native and the scikit-learn door of a library."""
        arguments.choice("library", library, ("xgboost", "lightgbm", "catboost"))
        return Metric(self, library)

    def probabilities(self, margins: Any) -> Any:
        """Class probabilities, (samples, classes), from a library's raw margins: the posterior, not the loss's minimiser."""
        return probabilities(self.loss, self.logits(margins))

    def predict_proba(self, model: Any, X: Any, **options: Any) -> Any:
        """Class probabilities, (samples, classes), by a model that was trained with this objective.

        Parameters
        ----------
        model
            A fitted Booster or scikit-learn class of XGBoost, LightGBM or CatBoost; or a pipeline or search that ends in one.
        X
            What its ``predict`` takes; for XGBoost's Booster, a DMatrix or what one is made from.
        **options
            For its ``predict``: ``iteration_range`` (XGBoost), ``num_iteration`` (LightGBM), ``ntree_end`` (CatBoost).
        """
        model, X = unwrapped(model, X)
        several = isinstance(self.start, tuple)
        if any(cast(tuple[float, ...], self.start)) if several else self.start:
            notice_base_score(model, several)
        return self.probabilities(raw_margins(model, X, **options))

    def for_scikit_learn(self) -> Any:
        """A ``loss=`` for HistGradientBoostingClassifier, which then starts at the optimum and predicts the posterior.

        It starts at `start` where that was asked for, and else at the optimum for the labels that it is trained with, which in
        cross-validation are those of each fold.
        """
        from ._scikit_learn import FocalLoss

        classes = 2 if isinstance(self.start, float) else len(self.start)
        return FocalLoss(self.loss, self.hessian, classes, self.start if self.told else None)

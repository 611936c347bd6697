"""Focal loss as a metric, and a scorer: `make_scorer(focal_loss, greater_is_better=False, response_method="predict_proba")`."""

from __future__ import annotations

from typing import Any

import numpy as np

from focal_ref import SoftmaxFocalLoss

__all__ = ["focal_loss"]


def focal_loss(
    y_true: Any, y_proba: Any, *, gamma: float = 2.0, alpha: Any = None, sample_weight: Any = None, labels: Any = None
) -> float:
    """The mean focal loss of probabilities.

    Parameters
    ----------
    y_true : array
        Labels.
    y_proba : array
        Probabilities, (samples, classes), in the order of the sorted labels; of two classes, the second's alone will do.
    gamma : float
    alpha : sequence of float or None
        One weight a class.
    sample_weight : array, optional
    labels : array, optional
        All labels, where `y_true` may lack some.

    Returns
    -------
    float

    Examples
    --------
    >>> round(focal_loss([0, 1, 1], [0.1, 0.8, 0.4]), 6)
    0.113281
    """
    classes = np.unique(y_true if labels is None else labels)
    y_proba = np.asarray(y_proba, dtype=np.float64)
    if y_proba.ndim == 1:
        y_proba = np.stack([1 - y_proba, y_proba], axis=1)
    if y_proba.shape[1] != len(classes):
        raise ValueError(
            f"y_proba: got {y_proba.shape[1]} columns for {len(classes)} classes; expected one a class, or labels="
        )
    targets = np.searchsorted(classes, y_true)
    if not np.array_equal(classes[np.minimum(targets, len(classes) - 1)], np.asarray(y_true)):
        raise ValueError("y_true: got labels that are not among `labels`")
    with np.errstate(divide="ignore"):
        losses = SoftmaxFocalLoss(gamma=gamma, alpha=alpha)(np.log(y_proba), targets)
    return float(np.average(losses, weights=sample_weight))

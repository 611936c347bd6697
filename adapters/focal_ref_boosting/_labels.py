"""What the labels and the weights of training say: how frequent each class is. Wrong ones are named."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from focal_ref.losses import arguments

__all__ = ["as_numbers", "class_weights", "prior", "weights"]

_LABELS = "one a sample: 0 and 1, classes 0 … K − 1, or strings"


def as_numbers(labels: Any) -> NDArray[Any]:
    """Numbers as they are; strings become 0 … K − 1 in sorted order, as every library sorts them."""
    labels = np.asarray(labels)
    codes: NDArray[Any] = labels
    if labels.ndim != 1 or not labels.size or labels.dtype.kind not in "biufOUST":
        raise TypeError(f"labels: got {arguments.describe(labels)}; expected {_LABELS}")
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise ValueError(f"labels: got {labels[~np.isfinite(labels)][0]}; expected {_LABELS}")
    if labels.dtype.kind in "biuf":
        return codes
    try:
        codes = np.unique(labels, return_inverse=True)[1]
    except TypeError:  # of several types, which have no order
        raise TypeError(f"labels: got {arguments.describe(labels)}; expected {_LABELS}") from None
    return codes


def weights(sample_weight: Any, samples: int) -> NDArray[np.float64] | None:
    """Weights as float64: one a sample, finite, ≥ 0, not all 0."""
    if sample_weight is None:
        return None
    accepted = f"{samples} finite numbers ≥ 0, not all of them zero"
    try:
        found = np.asarray(sample_weight, dtype=np.float64)
    except (TypeError, ValueError):
        raise TypeError(f"sample_weight: got {arguments.describe(sample_weight)}; expected {accepted}") from None
    if found.shape != (samples,):
        raise ValueError(f"sample_weight: got {arguments.describe(found)} for {samples} samples; expected {accepted}")
    if not np.isfinite(found).all() or found.min() < 0:
        bad = found[~(np.isfinite(found) & (found >= 0))][0]
        raise ValueError(f"sample_weight: got {bad}; expected {accepted}")
    if not found.any():
        raise ValueError(f"sample_weight: got only zeros, every weight is zero; expected {accepted}")
    return found


def class_weights(class_weight: Any, classes: NDArray[Any], sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """One factor a class: "balanced" makes the weighted sums of all classes equal; a dict has what isn't 1."""
    accepted = 'None, "balanced", or a dict from labels to numbers ≥ 0'
    if class_weight is None:
        return np.ones(len(classes))
    if isinstance(class_weight, str) and class_weight == "balanced":
        return np.asarray(sums.sum() / (len(classes) * np.where(sums > 0, sums, np.inf)))
    if not isinstance(class_weight, dict):
        raise ValueError(f"class_weight: got {arguments.describe(class_weight)}; expected {accepted}")
    known = classes.tolist()
    for label, value in class_weight.items():
        if label not in known:
            raise ValueError(f"class_weight: got label {label!r}, which y lacks; expected labels among {known}")
        arguments.number(f"class_weight[{label!r}]", value, 0.0, np.finfo(float).max, "a finite number ≥ 0")
    return np.asarray([class_weight.get(label, 1.0) for label in known], dtype=np.float64)


def prior(labels: NDArray[Any], sample_weight: Any, binary: bool) -> Any:
    """How frequent the positives are, or each class."""
    weight = weights(sample_weight, len(labels))
    if binary:
        return _of_positives(labels, weight)
    classes = labels.astype(np.int64)
    if (classes != labels).any() or classes.min() < 0:
        raise ValueError("labels: got numbers that are no classes; expected integers 0 … K − 1 for a softmax loss")
    counts = np.bincount(classes, weights=weight).astype(np.float64)
    if len(counts) < 2:
        raise ValueError("labels: got one class, 0; expected two classes or more, or a `start`")
    if (counts == 0).any():
        empty = int((counts == 0).argmax())
        raise ValueError(f"labels: got no sample of class {empty}; expected some of each, or a `start`")
    return counts / counts.sum()


def _of_positives(labels: NDArray[Any], weight: Any) -> float:
    if not (labels.min() >= 0 and labels.max() <= 1):  # NaN is neither
        raise ValueError(f"labels: got {labels.min()} to {labels.max()}; expected 0 to 1 for a sigmoid loss")
    share = float(np.average(labels, weights=weight))
    if not 0 < share < 1:
        only = f"one class, {int(share)}" + ("" if weight is None else ", with a weight")
        raise ValueError(f"labels: got {only}; expected some of each, or a `start`")
    return share

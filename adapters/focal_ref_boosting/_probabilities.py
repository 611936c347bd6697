"""From logits to the class probabilities that they stand for, and their logarithms: one column a class, for two classes too."""

from __future__ import annotations

from typing import Any

import numpy as np

from focal_ref import SigmoidFocalLoss, SoftmaxFocalLoss
from focal_ref.calibration.log_posteriors import log_odds_from_logits, log_posterior_from_logits
from focal_ref.calibration.posteriors import posterior_from_logits
from focal_ref.engine.arrays import namespace_of

from ._curvature import Loss

__all__ = ["alike", "log_probabilities", "probabilities", "scores", "settled"]

_GRID = 2.0**44


def probabilities(loss: Loss, logits: Any) -> Any:
    """The posterior, (samples, classes)."""
    if loss.link != "sigmoid":
        return posterior_from_logits(logits, loss.kernel, loss.alpha, axis=1)
    alpha: Any = loss.alpha
    if "label" in loss.kernel.asks:
        # Negatives have a function of their own, and no mirror image.
        second = posterior_from_logits(logits, loss.kernel, alpha, axis=None)
        return namespace_of(second).stack([1 - second, second], axis=1)
    first = posterior_from_logits(-logits, loss.kernel, None if alpha is None else 1 - alpha, axis=None)
    second = posterior_from_logits(logits, loss.kernel, alpha, axis=None)
    return namespace_of(second).stack([first, second], axis=1)


def settled(logits: Any) -> Any:
    """Rows of logits, rounded where classes differ by no more than that takes; the others as they are, to the last bit.

    Classes that trees of one shape serve differ by their sums' rounding alone; sorting would tell them apart, but not their
    logarithms.
    """
    rounded = np.rint(logits * _GRID) / _GRID
    apart, level = np.diff(np.sort(logits, axis=1), axis=1) > 0, np.diff(np.sort(rounded, axis=1), axis=1) == 0
    return np.where((apart & level).any(axis=1)[:, None], rounded, logits)


def alike(probs: Any, logits: Any, alpha: Any) -> Any:
    """Rows in which classes of one logit, the largest, and one weight have one probability, to the last bit.

    The largest's is summed in another order than the others', and sorting would tell them apart, but not their logarithms.
    """
    top = logits.argmax(axis=1)[:, None]
    same = logits == np.take_along_axis(logits, top, 1)
    if isinstance(alpha, tuple):
        weights = np.asarray(alpha)
        same &= weights == weights[top]
    return np.where(same, np.take_along_axis(probs, top, 1), probs)


def scores(loss: Loss, logits: Any) -> Any:
    """The log odds of the second of two classes, (samples,), or the logarithm of each one's posterior, (samples, classes)."""
    if not isinstance(loss, (SigmoidFocalLoss, SoftmaxFocalLoss)):
        # Other members' posteriors are not known in the log domain.
        with np.errstate(divide="ignore"):
            found = np.log(probabilities(loss, logits))
        return found[:, 1] - found[:, 0] if loss.link == "sigmoid" else found
    gamma: Any = loss.gamma
    alpha: Any = loss.alpha
    if isinstance(loss, SigmoidFocalLoss):
        return log_odds_from_logits(logits, gamma, alpha)
    return log_posterior_from_logits(logits, gamma, alpha)


def log_probabilities(loss: Loss, logits: Any) -> Any:
    """The logarithm of the posterior, (samples, classes), finite wherever the logits are."""
    found = scores(loss, logits)
    return found if found.ndim > 1 else np.stack([-np.logaddexp(0.0, found), -np.logaddexp(0.0, -found)], axis=1)

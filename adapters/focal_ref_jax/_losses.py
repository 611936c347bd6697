"""The losses as functions of arrays."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from focal_ref.typing import AlphaLike, GammaLike, Precision, Reduction, SigmoidReduction, SigmoidSoftTargets

from ._rules import evaluate

__all__ = ["sigmoid_focal_loss", "softmax_focal_loss"]


def sigmoid_focal_loss(
    logits: Any,
    labels: Any,
    alpha: AlphaLike = None,
    gamma: GammaLike = 2.0,
    *,
    soft_targets: SigmoidSoftTargets = "mix",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    reduction: SigmoidReduction = "none",
    precision: Precision = "native",
    weight: Any = None,
    normalizer: Any = None,
) -> jax.Array:
    """Binary and multi-label focal loss, with optax's signature and values.

    Parameters
    ----------
    logits : array or float
        Of a floating-point type, of any shape.
    labels : array or float
        0, 1 or between, broadcast against the logits; integers and bools too.
    alpha : float, sequence, array or None
        Weight of the positives, in [0, 1]; the negatives get 1 − α. None: both weigh 1.
    gamma : float, sequence or array
        Focusing, γ ≥ 0.
    soft_targets, ignore_index, label_smoothing, reduction, precision, weight, normalizer
        As for `focal_ref.SigmoidFocalLoss`.

    Raises
    ------
    TypeError, ValueError
        As `focal_ref.SigmoidFocalLoss` and its methods do, as far as values are known; the message names the argument.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> print(sigmoid_focal_loss(jnp.asarray([0.0, 4.0]), jnp.asarray([1, 1])))
    [1.732868e-01 5.871570e-06]
    """
    options = {
        "soft_targets": soft_targets,
        "ignore_index": ignore_index,
        "label_smoothing": label_smoothing,
        "reduction": reduction,
        "precision": precision,
    }
    return evaluate("sigmoid", options, jnp.asarray(logits), labels, gamma, alpha, weight, normalizer)


def softmax_focal_loss(
    logits: Any,
    labels: Any,
    alpha: AlphaLike = None,
    gamma: GammaLike = 2.0,
    *,
    axis: int = -1,
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    reduction: Reduction = "none",
    precision: Precision = "native",
    weight: Any = None,
    normalizer: Any = None,
) -> jax.Array:
    """Multi-class focal loss.

    Parameters
    ----------
    logits : array
        Of a floating-point type, with the classes along `axis`.
    labels : array
        Classes (integers, the logits' shape without `axis`) or probabilities (the logits' shape).
    alpha : float, sequence, array or None
        One weight a class. A scalar multiplies every loss alike, and balances nothing.
    gamma : float, sequence or array
        Focusing, γ ≥ 0.
    axis, ignore_index, label_smoothing, reduction, precision, weight, normalizer
        As for `focal_ref.SoftmaxFocalLoss`.

    Raises
    ------
    TypeError, ValueError
        As `focal_ref.SoftmaxFocalLoss` and its methods do, as far as values are known; the message names the argument.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> print(softmax_focal_loss(jnp.asarray([[2.0, 0.0, -1.0]]), jnp.asarray([2])))
    [2.9091094]
    """
    options = {
        "axis": axis,
        "ignore_index": ignore_index,
        "label_smoothing": label_smoothing,
        "reduction": reduction,
        "precision": precision,
    }
    return evaluate("softmax", options, jnp.asarray(logits), labels, gamma, alpha, weight, normalizer)

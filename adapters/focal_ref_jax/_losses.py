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
    """Binary and multi-label focal loss, −α_t (1 − p_t)^γ log p_t, with optax's signature and values.

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
    soft_targets : {"mix", "expected", "quality"}
        The formula for a label between 0 and 1.
    ignore_index : int or None
        Elements with this label have loss and gradient 0 and do not count for the mean.
    label_smoothing : float
        ε in [0, 1]: labels become y (1 − ε) + ε/2.
    reduction : {"none", "mean", "sum", "mean_positive"}
        "mean" divides by what is not ignored, "mean_positive" by max(1, Σ labels).
    precision : {"native", "extended"}
        Evaluated in the logits' own type, or in the next wider one.
    weight : array or float, optional
        Multiplies each loss; 0 leaves it out, whatever it is.
    normalizer : float or 0-d array, optional
        Divides the sum; needs a reduction.

    Returns
    -------
    jax.Array
        One loss an element, in the logits' type; with a reduction a 0-d array. jax.grad and jax.hessian go through it.

    Raises
    ------
    TypeError, ValueError
        As `focal_ref.SigmoidFocalLoss` and its methods do, as far as values are known; the message names the argument.

    See Also
    --------
    focal_ref_jax.softmax_focal_loss : one of several classes.
    focal_ref_jax.like : with another library's conventions.

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
    return _called_labels("sigmoid", options, jnp.asarray(logits), labels, gamma, alpha, weight, normalizer)


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
    """Multi-class focal loss, −α_t (1 − p_t)^γ log p_t with p = softmax(logits), one loss a row.

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
    axis : int
        Where the classes lie.
    ignore_index : int or None
        Rows with this class have loss and gradient 0 and do not count for the mean.
    label_smoothing : float
        ε in [0, 1], shared by all classes alike.
    reduction : {"none", "mean", "sum"}
        "mean" divides by what is not ignored.
    precision : {"native", "extended"}
        Evaluated in the logits' own type, or in the next wider one.
    weight : array or float, optional
        Multiplies each loss; 0 leaves it out, whatever it is.
    normalizer : float or 0-d array, optional
        Divides the sum; needs a reduction.

    Returns
    -------
    jax.Array
        One loss a row, in the logits' type; with a reduction a 0-d array. jax.grad and jax.hessian go through it.

    Raises
    ------
    TypeError, ValueError
        As `focal_ref.SoftmaxFocalLoss` and its methods do, as far as values are known; the message names the argument.

    See Also
    --------
    focal_ref_jax.sigmoid_focal_loss : two classes by one logit, or many labels.
    focal_ref_jax.like : with another library's conventions.

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
    return _called_labels("softmax", options, jnp.asarray(logits), labels, gamma, alpha, weight, normalizer)


def _called_labels(*given: Any) -> jax.Array:
    """`evaluate`, whose refusals name the labels as the functions here do."""
    try:
        return evaluate(*given)
    except (TypeError, ValueError) as error:
        name, colon, rest = str(error).partition(": ")
        if name != "targets":
            raise
        raise type(error)(f"labels{colon}{rest}") from None

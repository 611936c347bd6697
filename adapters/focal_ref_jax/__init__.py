"""Focal loss for JAX: focal_ref's value, gradient and Hessian as the rules that JAX differentiates by.

`sigmoid_focal_loss` has optax's signature and values. Forward and reverse mode to any order, `jit`, `vmap` and sharded arrays
work, γ and α may be traced, and derivatives are finite wherever the exact ones are.

>>> import jax
>>> import jax.numpy as jnp
>>> from focal_ref_jax import sigmoid_focal_loss
>>> print(jax.grad(lambda x: sigmoid_focal_loss(x, 1.0, gamma=0.5))(40.0))
-1.3134767e-26

Conventions: `focal_ref.losses` has them, for options, arguments, limits and what is refused; here ``precision="native"`` is the
default.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from focal_ref.typing import AlphaLike, GammaLike, Precision, Reduction, SigmoidSoftTargets

from ._rules import evaluate

__all__ = ["sigmoid_focal_loss", "softmax_focal_loss"]


def sigmoid_focal_loss(
    logits: Any,
    labels: Any,
    alpha: AlphaLike = None,
    gamma: GammaLike = 2.0,
    *,
    soft_targets: SigmoidSoftTargets = "mix",
    reduction: Reduction = "none",
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
    soft_targets, reduction, precision, weight, normalizer
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
    options = {"soft_targets": soft_targets, "reduction": reduction, "precision": precision}
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

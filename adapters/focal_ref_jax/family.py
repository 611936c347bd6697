"""The family for JAX: any member as a function of arrays, differentiated by its own derivatives.

>>> import jax
>>> from focal_ref.family import Asymmetric
>>> from focal_ref_jax import family
>>> print(jax.grad(lambda x: family.sigmoid_loss(Asymmetric(), x, 0.0))(-1.0))
0.0026179682
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from focal_ref.family import Kernel
from focal_ref.typing import AlphaLike, Precision, Reduction, SigmoidReduction

from ._rules import MEMBERS, evaluate

__all__ = ["probability_loss", "sigmoid_loss", "softmax_loss"]


def sigmoid_loss(
    kernel: Kernel,
    logits: Any,
    labels: Any,
    alpha: AlphaLike = None,
    *,
    soft_targets: str | None = None,
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    reduction: SigmoidReduction = "none",
    precision: Precision = "native",
    weight: Any = None,
    normalizer: Any = None,
) -> jax.Array:
    """A member of the family on sigmoid, for each element by itself.

    Parameters
    ----------
    kernel : focal_ref.family.Kernel
        A member with its parameters' values. Where one is an array, JAX differentiates the formulas, by it, too.
    logits, labels, alpha, weight, normalizer
        As for `focal_ref_jax.sigmoid_focal_loss`.
    soft_targets, ignore_index, label_smoothing, reduction, precision
        As for `focal_ref.SigmoidLoss`.

    Returns
    -------
    jax.Array
        One loss an element; with a reduction a 0-d array.

    Raises
    ------
    TypeError, ValueError
        As `focal_ref.SigmoidLoss` and its methods do, as far as values are known; the message names the argument.
    """
    options = {
        "kernel": kernel,
        "soft_targets": soft_targets,
        "ignore_index": ignore_index,
        "label_smoothing": label_smoothing,
        "reduction": reduction,
        "precision": precision,
    }
    return _evaluated("sigmoid", options, logits, labels, alpha, weight, normalizer)


def softmax_loss(
    kernel: Kernel,
    logits: Any,
    labels: Any,
    alpha: AlphaLike = None,
    *,
    axis: int = -1,
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    reduction: Reduction = "none",
    precision: Precision = "native",
    weight: Any = None,
    normalizer: Any = None,
) -> jax.Array:
    """A member of the family on softmax, one loss a row.

    Parameters
    ----------
    kernel : focal_ref.family.Kernel
        As for `sigmoid_loss`.
    logits, labels, alpha, axis, weight, normalizer
        As for `focal_ref_jax.softmax_focal_loss`.
    ignore_index, label_smoothing, reduction, precision
        As for `focal_ref.SoftmaxLoss`.

    Returns
    -------
    jax.Array
        One loss a row; with a reduction a 0-d array.

    Raises
    ------
    TypeError, ValueError
        As `focal_ref.SoftmaxLoss` and its methods do, as far as values are known; the message names the argument.
    """
    options = {
        "kernel": kernel,
        "axis": axis,
        "ignore_index": ignore_index,
        "label_smoothing": label_smoothing,
        "reduction": reduction,
        "precision": precision,
    }
    return _evaluated("softmax", options, logits, labels, alpha, weight, normalizer)


def probability_loss(
    kernel: Kernel,
    probabilities: Any,
    labels: Any,
    alpha: AlphaLike = None,
    *,
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    reduction: SigmoidReduction = "none",
    precision: Precision = "native",
    weight: Any = None,
    normalizer: Any = None,
) -> jax.Array:
    """A member of the family on probabilities, for each element by itself, differentiated by them.

    Parameters
    ----------
    kernel : focal_ref.family.Kernel
        As for `sigmoid_loss`.
    probabilities : array or float
        Of the positives; what is not in [0, 1] is NaN under `jit`.
    labels, alpha, weight, normalizer
        As for `focal_ref_jax.sigmoid_focal_loss`.
    ignore_index, label_smoothing, reduction, precision
        As for `focal_ref.ProbabilityLoss`.

    Returns
    -------
    jax.Array
        One loss an element; with a reduction a 0-d array.

    Raises
    ------
    TypeError, ValueError
        As `focal_ref.ProbabilityLoss` and its methods do, as far as values are known; the message names the argument.
    """
    options = {
        "kernel": kernel,
        "ignore_index": ignore_index,
        "label_smoothing": label_smoothing,
        "reduction": reduction,
        "precision": precision,
    }
    return _evaluated("probability", options, probabilities, labels, alpha, weight, normalizer)


def _evaluated(
    kind: str, options: dict[str, Any], logits: Any, labels: Any, alpha: Any, weight: Any, normalizer: Any
) -> jax.Array:
    """By the rules, which know the kernel as a constant; by the formulas, where a parameter is an array."""
    logits, kernel = jnp.asarray(logits), options["kernel"]
    if isinstance(kernel, Kernel) and any(hasattr(value, "shape") for value in kernel.values.values()):
        given = (a if a is None else jnp.asarray(a) for a in (labels, weight, normalizer))
        found: jax.Array = MEMBERS[kind](alpha=alpha, **options)(logits, *given)
        return found
    return evaluate(kind, options, logits, labels, None, alpha, weight, normalizer)

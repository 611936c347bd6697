"""Other libraries' losses as functions: one line to move over, the same numbers, focal_ref's derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from focal_ref.conventions import profiles
from focal_ref.conventions.training import Framework, Like
from focal_ref.typing import Precision

from ._losses import sigmoid_focal_loss, softmax_focal_loss

__all__ = ["like"]

JAX = Framework(
    jnp,
    sigmoid_focal_loss,
    softmax_focal_loss,
    lambda x, axis: jax.nn.log_softmax(x, axis=axis),
    lambda a, like: jnp.asarray(a, dtype=like.dtype),
    lambda x, count: jnp.arange(count),
)


def like(
    name: str,
    link: str | None = None,
    *,
    gamma: Any = None,
    alpha: Any = None,
    reduction: str | None = None,
    precision: Precision = "native",
) -> Callable[..., jax.Array]:
    """Another library's focal loss, with its conventions and defaults, as a function of logits and labels.

    A function keeps nothing between calls: "detectron2" divides by the call's own positives, unless it is called with a
    `normalizer`, such as the running mean that the library has.

    Parameters
    ----------
    name : str
        Of the library, one of `focal_ref.conventions.profiles.NAMES`.
    link : {"sigmoid", "softmax"}, optional
        None: the library's first.
    gamma : float or array, optional
        None: the library's default.
    alpha : float, sequence, "off" or None
        With the library's meaning; None: its default.
    reduction : {"none", "mean", "sum"}, optional
        With the library's divisors; None: its default.
    precision : {"native", "extended"}

    Returns
    -------
    callable
        Takes logits and labels; for "detectron2" a `normalizer`, too.

    Raises
    ------
    TypeError, ValueError
        Where the library has no such thing; the message names the argument.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> loss = like("keras", "softmax", reduction="sum")
    >>> print(loss(jnp.asarray([[2.0, 0.0, -1.0]]), jnp.asarray([[0.0, 0.0, 1.0]])))
    0.72727734
    """
    found = Like.of(profiles.get(name, link), gamma, alpha, reduction, precision)

    def loss(logits: Any, labels: Any, normalizer: Any = None) -> jax.Array:
        if normalizer is not None and not found.profile.running:
            raise ValueError(f"normalizer: got {normalizer!r}; expected None, since {name} has none of that kind")
        given = None if normalizer is None else lambda positives: normalizer
        result: jax.Array = found(JAX, jnp.asarray(logits), jnp.asarray(labels), given)
        return result

    return loss

"""Axes and sums: classes brought to the end and back, one-hot rows, reductions."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..typing import Array, Namespace
from .arrays import Facts, dtype_name, is_array, is_of, quiet
from .precision import accumulator, in_range, stepped

__all__ = ["along_classes", "classes_back", "classes_last", "count", "one_hot", "reduced"]


def one_hot(classes: Array, index: Array, like: Array) -> Any:
    """True at each row's class, laid out in memory as the logits are."""
    if not isinstance(like, np.ndarray):
        return classes == index[..., None]
    place: Any = np.empty_like(like, dtype=bool)
    return np.equal(classes, index[..., None], out=place)  # type: ignore[call-overload]


def along_classes(xp: Namespace, a: Any, like: Array) -> Any:
    """One number a class, with as many axes as the logits where a library may be told to refuse fewer (JAX)."""
    if not is_of(like, "jax") or not is_array(a) or a.ndim != 1:
        return a
    return xp.reshape(a, (1,) * (like.ndim - 1) + a.shape)


def classes_last(xp: Namespace, x: Any, axis: int | None, ndim: int) -> Any:
    """The class axis, of an array with all the logits' axes, brought to the end."""
    if not is_array(x) or axis is None or x.ndim != ndim or axis % ndim == ndim - 1:
        return x
    return xp.permute_dims(x, (*(i for i in range(ndim) if i != axis % ndim), axis % ndim))


def classes_back(xp: Namespace, x: Array, axis: int | None) -> Any:
    """The undoing of `classes_last`."""
    if axis is None or axis % x.ndim == x.ndim - 1:
        return x
    order = list(range(x.ndim - 1))
    order.insert(axis % x.ndim, x.ndim - 1)
    return xp.permute_dims(x, tuple(order))


def reduced(logits: Facts, losses: Any, divisor: Any) -> Any:
    """The losses' sum in the widest type there is, divided, and rounded once."""
    xp, dtype = logits.xp, logits.array.dtype
    if type(losses) is float:  # a compiled loop's sum
        value = losses if divisor is None else losses / float(divisor)
        if abs(value) < 1e4:  # NumPy warns of what overflows in a narrow type, and takes longer not to
            return dtype.type(value)
        with np.errstate(all="ignore"):
            return dtype.type(value)
    with quiet(losses):
        value = xp.sum(losses, dtype=accumulator(logits))
        if divisor is not None:
            number, steps = in_range(divisor, dtype_name(value))
            value = stepped(value / _plain(xp, number, value.dtype), -steps)
        if is_of(value, "dask.array"):
            return value.map_blocks(_rounded_quietly, dtype, dtype=dtype)
        return xp.astype(value, dtype, copy=False)


def _plain(xp: Namespace, divisor: Any, dtype: Any) -> Any:
    if is_array(divisor):
        return xp.astype(divisor, dtype)
    return float(divisor) if isinstance(divisor, float) else divisor


def _rounded_quietly(block: Any, dtype: Any) -> Any:
    """A sum that overflows in a narrow type is meant to be infinite there."""
    with np.errstate(all="ignore"):
        return block.astype(dtype)


def count(logits: Facts, mask: Array) -> Any:
    """How many are True."""
    xp = logits.xp
    return xp.sum(xp.astype(mask, xp.float32), dtype=accumulator(logits))

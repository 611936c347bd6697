"""Arguments of a call: what the losses accept of logits, targets and factors.

Every refusal names the argument, what came, what is accepted, and the cure where there is a usual one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from ..engine import arrays
from ..engine.arrays import FLOATS, Facts
from ..engine.precision import accumulator
from ..engine.words import library
from . import checks, cures
from .options import (
    INTEGERS,
    LARGEST,
    MEASURED_GAMMAS,
    REALS,
    as_float,
    choice,
    describe,
    gammas,
    integer,
    is_number,
    number,
    parameter,
    real_type,
    refuse,
    refuse_where,
    wider,
)

__all__ = [
    "INTEGERS",
    "LARGEST",
    "MEASURED_GAMMAS",
    "REALS",
    "choice",
    "companion",
    "describe",
    "factor",
    "gammas",
    "integer",
    "is_number",
    "logits",
    "losses_shape",
    "normalizer",
    "number",
    "one_class",
    "ordinary",
    "parameter",
    "refuse",
    "refuse_where",
    "row_sums",
    "sigmoid_targets",
    "softmax_targets",
]

LOGITS = f"a floating-point array ({', '.join(FLOATS)}) of NumPy, CuPy, torch, JAX, Dask or another Array API library"


ROW_SUM_TOLERANCE = 1e-2
"""How far a row of probabilities may be from 1: room for a thousand classes rounded to bfloat16, none for a multi-hot row."""


SMALLEST = math.ulp(0.0)


Cure: TypeAlias = Callable[[Any], str]
"""Of what was refused, the end of the message."""


def logits(x: Any, axis: int | None) -> Facts:
    """The facts of the logits; with an axis, there must be at least two classes along it."""
    if not arrays.is_array(x):
        refuse(TypeError, "logits", describe(x), f"{LOGITS}{cures.made_array('logits', x)}")
    ordinary("logits", x, LOGITS)
    facts = arrays.look(x)
    if facts.dtype not in FLOATS:
        refuse(TypeError, "logits", describe(x), LOGITS + cures.of_integers(x, facts.dtype))
    if not facts.numpy and any(isinstance(n, float) for n in facts.shape):
        refuse(ValueError, "logits", describe(x), "known sizes (Dask: call compute_chunk_sizes() first)")
    if axis is not None:
        if not -x.ndim <= axis < x.ndim:
            cure = " (one logit a sample: SigmoidFocalLoss; one row: axis=0)" if x.ndim == 1 else ""
            refuse(ValueError, "axis", f"{axis} for {describe(x)} as logits", f"an axis of the logits{cure}")
        if arrays.is_ragged(x, axis):
            refuse(ValueError, "axis", f"{axis}, along which lengths differ", "the classes' axis, of one length (axis=-1?)")
        if x.shape[axis] < 2:
            came = f"{describe(x)}, {x.shape[axis]} class(es) along axis {axis}"
            refuse(ValueError, "logits", came, "two classes or more (for one logit a label: SigmoidFocalLoss)")
    return facts


def companion(
    name: str,
    x: Any,
    like: Facts,
    shape: tuple[int, ...],
    accepted: str,
    *,
    exact: bool = False,
    cure: Cure = cures.none,
) -> None:
    """An array of the logits' library and device whose shape is `shape`, or broadcasts to it; `cure`: of one that does not."""
    if not (like.numpy and type(x) is np.ndarray):
        _of_one_library(name, x, like, accepted)
    if not _fits(tuple(x.shape), shape, exact):
        refuse(ValueError, name, describe(x), accepted + cure(x))


def ordinary(name: str, x: Any, accepted: str) -> None:
    """An array that formulas can be run on: dense, and of numbers that are what they say."""
    if (found := arrays.hindrance(x)) is not None:
        came, cure = found
        refuse(TypeError, name, came, f"{accepted}; {cure}")


def _of_one_library(name: str, x: Any, like: Facts, accepted: str) -> None:
    if not arrays.is_array(x):
        refuse(TypeError, name, describe(x), f"{accepted}{cures.made_array(name, x, like.array)}")
    ordinary(name, x, accepted)
    try:
        arrays.namespace_of(like.array, x)
    except TypeError:
        cure = cures.of_another_library(name, x, like.array)
        accepted = f"an array of the logits' library, {library(like.array)}{cure}"
        refuse(TypeError, name, f"{describe(x)} of {library(x)}", accepted)
    if not arrays.same_device(like.array, x):
        cure = cures.of_another_device(name, like.array)
        refuse(ValueError, name, f"an array on {x.device}", f"one on the logits' device, {like.array.device}{cure}")


def _fits(shape: tuple[int, ...], into: tuple[int, ...], exact: bool) -> bool:
    if exact or shape == into:
        return shape == into
    return len(shape) <= len(into) and all(a == 1 or a == b for a, b in zip(reversed(shape), reversed(into), strict=False))


def sigmoid_targets(targets: Any, like: Facts, ignore_index: int | None = None) -> tuple[Any, bool]:
    """Labels that broadcast against the logits: bool, integers 0 and 1, or floats in [0, 1]; scalars as a float.

    And whether they are known to be 0 and 1 only, but for those that are left out.
    """
    usual = type(targets) is np.ndarray and like.numpy and targets.dtype == like.array.dtype and targets.shape == like.shape
    if usual and arrays.has_zeros_and_ones(targets, ignore_index):  # all the rest takes longer
        return targets, True
    accepted = f"0, 1, bool or floats in [0, 1] that broadcast to the logits' shape {like.shape}"
    if type(targets) is not np.ndarray and (is_number(targets) or isinstance(targets, bool)):
        if targets == ignore_index:
            return like.xp.asarray(float(targets), device=arrays.device_of(like.array)), True
        if targets < 0 or targets > 1:
            refuse(ValueError, "targets", describe(targets), accepted)
        return float(targets), targets in (0, 1)
    companion("targets", targets, like, like.shape, accepted, cure=partial(cures.for_labels, like=like))
    name = real_type("targets", targets, accepted)
    hard = arrays.are_hard(targets, ignore_index)
    seen = None if hard and name in FLOATS else checks.seen("targets", targets)
    if seen is not None and seen.dtype != bool and not _all_in_unit_interval(seen):
        wrong, cure = (seen < 0) | (seen > 1), partial(cures.of_a_label, targets=targets, like=like)
        refuse_where("targets", targets, seen, _but(wrong, seen, ignore_index), accepted, cure)
    return targets, hard


def _but(wrong: Any, seen: Any, ignore_index: int | None) -> Any:
    return wrong if ignore_index is None else wrong & (seen != ignore_index)


def _all_in_unit_interval(seen: Any) -> bool:
    """Whether it is clear, without masks as large as the array, that there is nothing to refuse."""
    if seen.dtype.kind in "iu":
        return int(np.bitwise_or.reduce(seen, axis=None)) in (0, 1)
    if (found := arrays.in_a_loop("unit", seen)) is not None:
        return found
    return not seen.size or bool(seen.min() >= 0 and seen.max() <= 1)


def one_class(targets: Any, like: Facts, axis: int) -> Any:
    """For one row of logits its class may be a Python integer; then it is an array, and else it stays."""
    if type(targets) is int and not losses_shape(like.shape, axis) and abs(targets) < 2**31:
        return like.xp.asarray(targets, device=arrays.device_of(like.array))
    return targets


def softmax_targets(targets: Any, like: Facts, axis: int, ignore_index: int | None) -> bool:
    """Whether the targets are classes (integers, the logits' shape without the axis) rather than rows of probabilities."""
    classes, rows = like.shape[axis], losses_shape(like.shape, axis)
    full = like.shape
    accepted = (
        f"integer classes in [0, {classes}) of shape {rows}, or rows of probabilities (floats) of the logits' shape {full}"
    )
    if arrays.is_array(targets):
        ordinary("targets", targets, accepted)
    else:
        refuse(TypeError, "targets", describe(targets), f"{accepted}{cures.made_array('targets', targets, like.array)}")
    name, meant = arrays.dtype_name(targets), partial(cures.for_classes, axis=axis, full=full)
    if name in INTEGERS:
        companion("targets", targets, like, rows, accepted, exact=True, cure=meant)
        seen = checks.seen("targets", targets)
        if seen is not None and seen.size and (seen.min() < 0 or seen.max() >= classes):
            outside = (seen < 0) | (seen >= classes)
            cure = partial(cures.of_a_class, seen=seen, classes=classes, ignore_index=ignore_index)
            refuse_where("targets", targets, seen, _but(outside, seen, ignore_index), accepted, cure)
        return True
    if name not in FLOATS:
        refuse(TypeError, "targets", describe(targets), accepted + (meant(targets) or wider(name)))
    companion("targets", targets, like, full, accepted, exact=True, cure=meant)
    if ignore_index is not None and 0 <= ignore_index < classes:
        came = f"{ignore_index} with rows of probabilities as targets"
        refuse(ValueError, "ignore_index", came, "None, a number that is no class, or integer targets (for rows: weight=0)")
    seen = checks.seen("targets", targets)
    if seen is not None and not _all_in_unit_interval(seen):
        refuse_where("targets", targets, seen, (seen < 0) | (seen > 1), accepted)
    return False


def row_sums(targets: Any, like: Facts, axis: int, weight: Any) -> None:
    """Rows of probabilities sum to 1, but for those whose weight is 0."""
    seen = checks.seen("targets", targets) if arrays.dtype_name(targets) in FLOATS else None
    if seen is None:
        return
    sums = np.sum(seen, axis=axis, dtype=np.float64)
    wrong = np.abs(sums - 1) > ROW_SUM_TOLERANCE
    if weight is not None and wrong.any():
        known = arrays.values(weight) if arrays.is_array(weight) else np.asarray(weight)
        if known is None:
            return
        wrong = wrong & np.broadcast_to(known != 0, wrong.shape)
    if wrong.any():
        first = int(wrong.argmax())
        came = f"{describe(targets)}, whose row {first} sums to {float(sums.ravel()[first])!r}"
        refuse(ValueError, "targets", came, "rows that sum to 1 (a row that is to be left out: weight=0)")


def losses_shape(shape: Sequence[int], axis: int | None) -> tuple[int, ...]:
    """The logits' shape, without the class axis."""
    if axis is None:
        return tuple(shape)
    return cures.without(tuple(shape), axis)


def factor(name: str, x: Any, like: Facts, shape: tuple[int, ...], cure: Cure = cures.none) -> Any:
    """A γ, α, weight or tangent: a real number, as a float, or a real array that broadcasts to `shape`; `cure` as above."""
    if type(x) is float:
        return x
    accepted = f"a real number or a real array that broadcasts to the shape {shape}"
    if name == "weight":
        accepted = f"{accepted}; one weight a class is alpha="
    if is_number(x):
        return as_float(name, x, accepted)
    companion(name, x, like, shape, accepted, cure=cure)
    real_type(name, x, accepted)
    return x


def normalizer(x: Any, like: Facts, reduction: str) -> Any:
    """A positive number, or a 0-d array, that divides a sum."""
    accepted = "a positive number or a 0-d array of the logits' library, with reduction='sum' or 'mean'"
    if reduction == "none":
        refuse(ValueError, "normalizer", f"{describe(x)} with reduction='none'", accepted)
    if is_number(x):
        return number("normalizer", x, SMALLEST, math.inf, accepted + cures.at_least_one(x))
    x = factor("normalizer", x, like, ())
    seen = checks.seen("normalizer", x)
    if seen is None:
        x = like.xp.astype(x, accumulator(like), copy=False)
        return like.xp.where((x > 0) & (x < math.inf), x, math.nan)
    refuse_where("normalizer", x, seen, ~((seen > 0) & (seen < math.inf)), accepted, cures.at_least_one)
    return x

"""What the losses accept. Every refusal names the argument, what came, and what is accepted."""

from __future__ import annotations

import math
import reprlib
import sys
from collections.abc import Callable, Iterable, Sequence
from numbers import Integral, Real
from typing import Any, NoReturn

import numpy as np

from ..engine import arrays
from ..engine.arrays import FLOATS, Facts
from ..typing import Array

__all__ = [
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
    "parameter",
    "row_sums",
    "sigmoid_targets",
    "softmax_targets",
]

INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
REALS = ("bool", *INTEGERS, *FLOATS)
LOGITS = f"a floating-point array ({', '.join(FLOATS)}) of NumPy, CuPy, torch, JAX, Dask or another Array API library"
LARGEST = sys.float_info.max
MEASURED_GAMMAS = "a number in [0, 1000]"
"""What is measured and drawn; any finite γ can be computed with."""
ROW_SUM_TOLERANCE = 1e-2
"""How far a row of probabilities may be from 1: room for a thousand classes rounded to bfloat16, none for a multi-hot row."""


def describe(x: object) -> str:
    """An argument in a few words: its type and shape where it is an array, itself where it is short."""
    if arrays.is_array(x) and not is_number(x):
        return f"a {arrays.dtype_name(x)} array of shape {tuple(x.shape)}"  # type: ignore[arg-type, attr-defined]
    text = reprlib.repr(x)
    return text if isinstance(x, (str, bytes, Real, type(None))) else f"{type(x).__name__} {text}"


def _refuse(error: type[Exception], name: str, came: str, accepted: str) -> NoReturn:
    raise error(f"{name}: got {came}; expected {accepted}")


def is_number(x: object) -> bool:
    """A Python or NumPy real scalar that is not a bool."""
    return isinstance(x, Real) and not isinstance(x, bool)


# ---- options ----------------------------------------------------------------------------------------------------------------


def choice(name: str, value: object, options: Sequence[str]) -> None:
    """`value` must be one of the options."""
    if not (isinstance(value, str) and value in options):
        _refuse(ValueError, name, describe(value), "one of " + ", ".join(map(repr, options)))


def integer(name: str, value: object, *, optional: bool = False) -> None:
    """`value` must be an integer, or None where that is an option."""
    if not ((optional and value is None) or (isinstance(value, Integral) and not isinstance(value, bool))):
        _refuse(TypeError, name, describe(value), "an integer" + (" or None" if optional else ""))


def number(name: str, value: object, low: float, high: float, accepted: str) -> float:
    """`value` as a float in [low, high]."""
    if not is_number(value):
        _refuse(TypeError, name, describe(value), accepted)
    try:
        result = float(value)  # type: ignore[arg-type]
    except OverflowError:
        result = math.inf
    # Comparisons only: a compiler may own the number, and then they are its guards.
    if not (low <= result <= high and -LARGEST <= result <= LARGEST):
        _refuse(ValueError, name, describe(value), accepted)
    return result


def gammas(values: Iterable[object]) -> tuple[float, ...]:
    """The γs to measure or draw at, as floats."""
    return tuple(number("gammas", value, 0.0, 1000.0, MEASURED_GAMMAS) for value in values)


def parameter(name: str, value: Any, high: float, accepted: str, *, low: float = 0.0) -> Any:
    """A kernel's parameter or α: a float in [low, high], a tuple of them (from any sequence), or an array, kept as it is.

    A 0-d array that stands for a number becomes one; a tensor that wants a gradient, or a traced value, does not.
    """
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        if not value:
            _refuse(ValueError, name, "an empty sequence", accepted)
        return tuple(number(f"{name}[{i}]", v, low, high, accepted) for i, v in enumerate(value))
    if is_number(value) or not arrays.is_array(value):
        return number(name, value, low, high, accepted)
    _real_type(name, value, accepted)
    seen = arrays.values(value)
    if seen is None:
        return value
    wide = seen.astype(np.float64)
    _refuse_where(name, value, wide, ~((wide >= low) & (wide <= high)), accepted)
    wants_gradient = getattr(value, "requires_grad", False)
    return value if value.ndim or wants_gradient else float(seen)


# ---- arguments of a call ----------------------------------------------------------------------------------------------------


def logits(x: Any, axis: int | None) -> Facts:
    """The facts of the logits; with an axis, there must be at least two classes along it."""
    if not arrays.is_array(x):
        _refuse(TypeError, "logits", describe(x), LOGITS)
    facts = arrays.look(x)
    if facts.dtype not in FLOATS:
        _refuse(TypeError, "logits", describe(x), LOGITS)
    if not facts.numpy and any(isinstance(n, float) for n in facts.shape):
        _refuse(ValueError, "logits", describe(x), "known sizes (Dask: call compute_chunk_sizes() first)")
    if axis is not None:
        if not -x.ndim <= axis < x.ndim:
            _refuse(ValueError, "axis", f"{axis} for {describe(x)} as logits", "an axis of the logits")
        if x.shape[axis] < 2:
            came = f"{describe(x)}, {x.shape[axis]} class(es) along axis {axis}"
            _refuse(ValueError, "logits", came, "two classes or more (for one logit a label: SigmoidFocalLoss)")
    return facts


def _real_type(name: str, x: Array, accepted: str) -> None:
    if arrays.dtype_name(x) not in REALS:
        _refuse(TypeError, name, describe(x), accepted)


def companion(name: str, x: Any, like: Facts, shape: tuple[int, ...], accepted: str, *, exact: bool = False) -> None:
    """An array of the logits' library and device whose shape is `shape`, or broadcasts to it."""
    if not (like.numpy and type(x) is np.ndarray):
        _of_one_library(name, x, like, accepted)
    if not _fits(tuple(x.shape), shape, exact):
        _refuse(ValueError, name, describe(x), accepted)


def _of_one_library(name: str, x: Any, like: Facts, accepted: str) -> None:
    if not arrays.is_array(x):
        _refuse(TypeError, name, describe(x), accepted)
    try:
        arrays.namespace_of(like.array, x)
    except TypeError:
        ours = _library(like.array)
        _refuse(TypeError, name, f"{describe(x)} of {_library(x)}", f"an array of the logits' library, {ours}")
    if not arrays.same_device(like.array, x):
        _refuse(ValueError, name, f"an array on {x.device}", f"one on the logits' device, {like.array.device}")


def _library(x: object) -> str:
    return type(x).__module__.partition(".")[0]


def _fits(shape: tuple[int, ...], into: tuple[int, ...], exact: bool) -> bool:
    if exact or shape == into:
        return shape == into
    return len(shape) <= len(into) and all(a == 1 or a == b for a, b in zip(reversed(shape), reversed(into), strict=False))


def sigmoid_targets(targets: Any, like: Facts, ignore_index: int | None = None) -> Any:
    """Labels that broadcast against the logits: bool, integers 0 and 1, or floats in [0, 1]; scalars as a float."""
    accepted = f"0, 1, bool or floats in [0, 1] that broadcast to the logits' shape {like.shape}"
    if type(targets) is not np.ndarray and (is_number(targets) or isinstance(targets, bool)):
        if targets == ignore_index:
            return like.xp.asarray(float(targets), device=arrays.device_of(like.array))
        if targets < 0 or targets > 1:
            _refuse(ValueError, "targets", describe(targets), accepted)
        return float(targets)
    companion("targets", targets, like, like.shape, accepted)
    _real_type("targets", targets, accepted)
    seen = arrays.values(targets)
    if seen is not None and seen.dtype != bool and not _all_in_unit_interval(seen):
        wrong = (seen < 0) | (seen > 1)
        _refuse_where("targets", targets, seen, _but(wrong, seen, ignore_index), accepted, _leaving_out)
    return targets


def _but(wrong: Any, seen: Any, ignore_index: int | None) -> Any:
    return wrong if ignore_index is None else wrong & (seen != ignore_index)


def _leaving_out(value: Any) -> str:
    """The cure for a target that no class has."""
    return f"; if {value:g} marks what has no label: ignore_index={value:g}" if float(value).is_integer() else ""


def _all_in_unit_interval(seen: Any) -> bool:
    """Whether it is clear, without masks as large as the array, that there is nothing to refuse."""
    if seen.dtype.kind in "iu":
        return int(np.bitwise_or.reduce(seen, axis=None)) in (0, 1)
    return not seen.size or bool(seen.min() >= 0 and seen.max() <= 1)


def softmax_targets(targets: Any, like: Facts, axis: int, ignore_index: int | None) -> bool:
    """Whether the targets are classes (integers, the logits' shape without the axis) rather than rows of probabilities."""
    classes, rows = like.shape[axis], losses_shape(like, axis)
    full = like.shape
    accepted = (
        f"integer classes in [0, {classes}) of shape {rows}, or rows of probabilities (floats) of the logits' shape {full}"
    )
    if arrays.is_array(targets):
        accepted += _cure(targets, axis, rows, full)
    else:
        _refuse(TypeError, "targets", describe(targets), accepted)
    name = arrays.dtype_name(targets)
    if name in INTEGERS:
        companion("targets", targets, like, rows, accepted, exact=True)
        seen = arrays.values(targets)
        if seen is not None and seen.size and (seen.min() < 0 or seen.max() >= classes):
            outside = (seen < 0) | (seen >= classes)
            _refuse_where("targets", targets, seen, _but(outside, seen, ignore_index), accepted, _leaving_out)
        return True
    if name not in FLOATS:
        _refuse(TypeError, "targets", describe(targets), accepted)
    companion("targets", targets, like, full, accepted, exact=True)
    if ignore_index is not None and 0 <= ignore_index < classes:
        came = f"{ignore_index} with rows of probabilities as targets"
        _refuse(ValueError, "ignore_index", came, "None, a number that is no class, or integer targets (for rows: weight=0)")
    seen = arrays.values(targets)
    if seen is not None and not _all_in_unit_interval(seen):
        _refuse_where("targets", targets, seen, (seen < 0) | (seen > 1), accepted)
    return False


def row_sums(targets: Any, like: Facts, axis: int, weight: Any) -> None:
    """Rows of probabilities sum to 1, but for those whose weight is 0."""
    seen = arrays.values(targets) if arrays.dtype_name(targets) in FLOATS else None
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
        _refuse(ValueError, "targets", came, "rows that sum to 1 (a row that is to be left out: weight=0)")


def _cure(targets: Any, axis: int, rows: tuple[int, ...], full: tuple[int, ...]) -> str:
    """What is usually meant by targets of a wrong type or shape."""
    shape, whole = tuple(targets.shape), arrays.dtype_name(targets) in INTEGERS
    if len(shape) == len(full) and shape[axis] == 1 and full[axis] != 1:
        return f"; without the axis of size 1: targets.squeeze({axis})"
    if whole and shape == full:
        return "; one-hot rows are floats: targets.float() or .astype(logits.dtype)"
    if not whole and shape == rows:
        return "; classes are integers: targets.long() or .astype('int64')"
    return ""


def losses_shape(x: Facts, axis: int | None) -> tuple[int, ...]:
    """The logits' shape, without the class axis."""
    if axis is None:
        return x.shape
    axis %= len(x.shape)
    return x.shape[:axis] + x.shape[axis + 1 :]


def factor(name: str, x: Any, like: Facts, shape: tuple[int, ...]) -> Any:
    """A γ, α, weight or tangent: a real number, as a float, or a real array that broadcasts to `shape`."""
    if type(x) is float or is_number(x):
        return float(x)
    accepted = f"a real number or a real array that broadcasts to the shape {shape}"
    if name == "weight":
        accepted += "; one weight a class is alpha="
    companion(name, x, like, shape, accepted)
    _real_type(name, x, accepted)
    return x


def normalizer(x: Any, like: Facts, reduction: str) -> Any:
    """A positive number, or a 0-d array, that divides a sum."""
    accepted = "a positive number or a 0-d array of the logits' library, with reduction='sum' or 'mean'"
    if reduction == "none":
        _refuse(ValueError, "normalizer", f"{describe(x)} with reduction='none'", accepted)
    if is_number(x):
        return number("normalizer", x, math.ulp(0.0), math.inf, accepted)
    x = factor("normalizer", x, like, ())
    seen = arrays.values(x)
    if seen is not None:
        _refuse_where("normalizer", x, seen, ~((seen > 0) & (seen < math.inf)), accepted)
    return x


def _refuse_where(name: str, x: Any, seen: Any, bad: Any, accepted: str, cure: Callable[[Any], str] = lambda value: "") -> None:
    """Refuse an array for the first of its values where `bad` holds."""
    if bad.any():
        first = int(bad.argmax())
        value = seen.ravel()[first].item()
        _refuse(ValueError, name, f"{value!r} at flat index {first} of {describe(x)}", accepted + cure(value))

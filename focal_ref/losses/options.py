"""Options of a loss, and numbers: what is accepted, and how a refusal says so.

Every refusal names the argument, what came, what is accepted, and the cure where there is a usual one.
"""

from __future__ import annotations

import math
import reprlib
import sys
from collections.abc import Callable, Iterable, Sequence
from numbers import Integral, Real
from typing import Any, NoReturn

import numpy as np

from ..engine import arrays
from ..engine.arrays import FLOATS
from ..mathematics.kernel import Kernel
from ..typing import Array
from . import checks

__all__ = [
    "INTEGERS",
    "LARGEST",
    "MEASURED_GAMMAS",
    "REALS",
    "are_same",
    "as_float",
    "choice",
    "describe",
    "gammas",
    "integer",
    "is_number",
    "number",
    "parameter",
    "real_type",
    "refuse",
    "refuse_where",
    "wider",
]

INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")


REALS = ("bool", *INTEGERS, *FLOATS)


LARGEST = sys.float_info.max


MEASURED_GAMMAS = "a number in [0, 1000]"
"""What is measured and drawn; any finite γ can be computed with."""


def describe(x: object) -> str:
    """An argument in a few words: its type and shape where it is an array, itself where it is short."""
    if arrays.is_array(x) and not is_number(x):
        name = arrays.dtype_name(x)  # type: ignore[arg-type]
        return f"{'an' if name.startswith('int') else 'a'} {name} array of shape {tuple(x.shape)}"  # type: ignore[attr-defined]
    text = " ".join(reprlib.repr(x).split())
    return text if isinstance(x, (str, bytes, Real, type(None))) else f"{type(x).__name__} {text}"


def refuse(error: type[Exception], name: str, came: str, accepted: str) -> NoReturn:
    """Raise an error that names what was refused."""
    raise error(f"{name}: got {came}; expected {accepted}")


def is_number(x: object) -> bool:
    """A Python or NumPy real scalar that is not a bool."""
    return isinstance(x, Real) and not isinstance(x, bool)


def choice(name: str, value: object, options: Sequence[str]) -> None:
    """`value` must be one of the options."""
    if not (isinstance(value, str) and value in options):
        refuse(ValueError, name, describe(value), "one of " + ", ".join(map(repr, options)))


def as_float(name: str, value: Any, accepted: str) -> float:
    """A number as a float; one that no float is near is refused."""
    try:
        return float(value)
    except OverflowError:
        refuse(ValueError, name, describe(value), accepted)


def integer(name: str, value: object, *, optional: bool = False, cure: str = "") -> None:
    """`value` must be an integer, or None where that is an option; `cure` ends the refusal."""
    if not ((optional and value is None) or (isinstance(value, Integral) and not isinstance(value, bool))):
        refuse(TypeError, name, describe(value), f"an integer{' or None' if optional else ''}{cure}")
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        refuse(ValueError, name, describe(value), "an integer of 64 bits")


def number(name: str, value: object, low: float, high: float, accepted: str) -> float:
    """`value` as a float in [low, high]."""
    if not is_number(value):
        refuse(TypeError, name, describe(value), accepted)
    try:
        result = float(value)  # type: ignore[arg-type]
    except OverflowError:
        result = math.inf
    # Comparisons only: a compiler may own the number, and then they are its guards.
    if not (low <= result <= high and -LARGEST <= result <= LARGEST):
        refuse(ValueError, name, describe(value), accepted)
    return result


def gammas(values: Iterable[object]) -> tuple[float, ...]:
    """The γs to measure or draw at, as floats."""
    return tuple(number("gammas", value, 0.0, 1000.0, MEASURED_GAMMAS) for value in values)


def parameter(name: str, value: Any, high: float, accepted: str, *, low: float = 0.0) -> Any:
    """A kernel's parameter or α: a float in [low, high], a tuple of them (from any sequence), or an array.

    A 0-d array that stands for a number becomes one, and any other a copy that nobody else changes once it was checked. A
    tensor that wants a gradient, or a traced value, is kept as it is.
    """
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        if not value:
            refuse(ValueError, name, "an empty sequence", accepted)
        return tuple(number(f"{name}[{i}]", v, low, high, accepted) for i, v in enumerate(value))
    if is_number(value) or not arrays.is_array(value):
        return number(name, value, low, high, accepted)
    real_type(name, value, accepted)
    if checks.is_unseen(name, value):
        return value
    entries = arrays.values(value)
    wide = entries.astype(np.float64)
    refuse_where(name, value, wide, ~((wide >= low) & (wide <= high)), accepted)
    wants_gradient = getattr(value, "requires_grad", False)
    return value if wants_gradient else arrays.kept(value) if value.ndim else float(entries)


def are_same(a: Any, b: Any) -> bool:
    """Whether two options are equal; arrays are, where they can be looked at, by type and entries."""
    if isinstance(a, Kernel) and type(a) is type(b):
        return all(are_same(value, b.values[name]) for name, value in a.values.items())
    if a is b or not (arrays.is_array(a) or arrays.is_array(b)):
        return bool(a is b or a == b)
    if type(a) is not type(b) or a.shape != b.shape or a.dtype != b.dtype:
        return False
    entries, other = arrays.values(a), arrays.values(b)
    return entries is not None and other is not None and np.array_equal(entries, other)


def refuse_where(name: str, x: Any, seen: Any, bad: Any, accepted: str, cure: Callable[[Any], str] = lambda value: "") -> None:
    """Refuse an array for the first of its values where `bad` holds."""
    if bad.any():
        first = int(bad.argmax())
        value = seen.ravel()[first].item()
        refuse(ValueError, name, f"{value!r} at flat index {first} of {describe(x)}", accepted + cure(value))


def real_type(name: str, x: Array, accepted: str) -> str:
    """The name of an array's type, which must be real, bool among them."""
    found = arrays.dtype_name(x)
    if found not in REALS:
        refuse(TypeError, name, describe(x), accepted + wider(found))
    return found


def wider(dtype: str) -> str:
    """The cure for types that nothing computes in."""
    if dtype.startswith(("qint", "quint")):
        return "; dequantize() it"
    return "; in a wider type, as .to(torch.float32) or .astype('float32')" if dtype.startswith("float8_") else ""

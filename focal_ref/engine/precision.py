"""Types that are computed in: the next wider one, the logits' own, and Python numbers rounded to either."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..typing import Precision
from .arrays import Facts, device_of, is_numpy, is_of

__all__ = [
    "WIDER",
    "accumulator",
    "compute_type",
    "formulas_type",
    "has",
    "in_range",
    "is_roomy",
    "parameter",
    "round_to",
    "stepped",
]

WIDER = {"float16": "float32", "bfloat16": "float32", "float32": "float64", "float64": "float64"}


def compute_type(x: Facts, precision: Precision) -> str:
    """The name of the type that losses and derivatives of logits x are weighed in.

    Never one of 16 bits: a sum over the classes would overflow in float16, and nothing would be faster.
    """
    name = x.dtype
    if precision == "reference":
        return "float64"
    wider = WIDER[name] if precision == "extended" or name in ("float16", "bfloat16") else name
    return wider if has(x, wider) else name


def formulas_type(x: Facts, compute: str) -> str:
    """The name of the type that the formulas are evaluated in, for logits x that are weighed in a type.

    NumPy's float64 costs less than carrying float32's rounding errors along, and its float32 exponentials are wrong by up to
    2.5 ULP, and u^γ times γ. For 16 bits it costs no more than float32, whose rounding would show next to a Hessian's zero.
    """
    return "float64" if x.numpy or is_numpy(x.array) else compute


def is_roomy(x: Facts, formulas: str) -> bool:
    """Whether `sigmoid.roomy_sigmoid` serves logits x, of a narrower type."""
    return formulas == "float64" and (x.numpy or is_numpy(x.array))


def accumulator(x: Facts) -> Any:
    """The widest type there is to sum in."""
    return x.xp.float64 if has(x, "float64") else x.xp.float32


def has(x: Facts, name: str) -> bool:
    """Whether the library has a type where the array lies."""
    if name != "float64" or x.numpy:
        return True
    if is_of(x.array, "torch"):
        return bool(x.array.device.type != "mps")
    if isinstance(x.array, np.generic) or is_of(x.array, "cupy") or is_of(x.array, "dask.array"):
        return True
    return name in x.xp.__array_namespace_info__().dtypes(device=device_of(x.array), kind="real floating")


_TYPES: dict[str, type[np.floating[Any]]] = {"float16": np.float16, "float32": np.float32}
_LARGEST = {name: float(np.finfo(name).max) for name in ("float16", "float32", "float64")}


def round_to(value: float, name: str) -> float:
    """A Python float rounded to a type, as a Python float; the largest finite number, where it is beyond that."""
    if name == "bfloat16":
        largest = float.fromhex("0x1.fep127")
        bits = int(np.float32(min(value, largest)).view(np.uint32))
        bits += 0x7FFF + (bits >> 16 & 1)
        return float(np.uint32(bits & 0xFFFF0000).view(np.float32))
    value = min(value, _LARGEST[name])
    return value if name == "float64" else float(_TYPES[name](value))


_STEP = 126
"""2^126 and 2^−126 are numbers of float32, normal ones."""


def in_range(value: Any, name: str) -> tuple[Any, int]:
    """A Python float as one that a type has, and how often that is to be multiplied by 2^126 (or divided, below 0) to be it.

    A factor that became infinite, or 0, in the type would make NaN of a 0, or of an infinite loss.
    """
    steps = 0
    if name == "float32" and isinstance(value, float):
        while _LARGEST[name] < abs(value) < math.inf:
            value, steps = math.ldexp(value, -_STEP), steps + 1
        while 0 < abs(value) < 2.0**-_STEP:
            value, steps = math.ldexp(value, _STEP), steps - 1
    return value, steps


def stepped(term: Any, steps: int) -> Any:
    """What is left of a multiplication by a number that was brought `in_range`."""
    for _ in range(abs(steps)):
        term = term * 2.0 ** (_STEP if steps > 0 else -_STEP)
    return term


def parameter(x: Facts, value: Any, rounding: str, compute: str) -> Any:
    """A parameter or α as the formulas take it: a float, or an array on the logits' device; numbers are rounded first."""
    if isinstance(value, float):
        return round_to(value, rounding)
    if isinstance(value, tuple):
        rounded = [round_to(v, rounding) for v in value]
        return x.xp.asarray(rounded, dtype=getattr(x.xp, compute), device=device_of(x.array))
    return value

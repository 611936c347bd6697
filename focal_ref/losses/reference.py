"""Reference precision: the same programs, run on pairs of float64 and rounded once.

What a program is handed becomes pairs, exactly, and what it returns is rounded to the logits' type by way of a number rounded
to odd, which can't be mistaken for a tie of a narrower type. A value that is to be summed comes as two numbers, and is added up
exactly. NumPy computes it, in blocks or as compiled loops, and so do Dask's chunks; what another library has on this host goes
there and back, and what isn't at hand is refused.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np

from ..engine import arrays
from ..engine.arrays import Facts
from ..engine.numpy_bits import to_odd
from ..engine.numpy_blocks import ROW, SUM
from ..engine.run import run
from ..mathematics.pairs import Pairs
from ..typing import Array, Namespace
from .arguments import describe, refuse
from .plan import Plan, Way, is_per_loss
from .programs import sigmoid_program, softmax_program

__all__ = ["at_hand", "results", "sigmoid_in_pairs", "softmax_in_pairs", "through_numpy"]

DIGITS = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}
"""Bits of a type's significand."""
BLOCK = 2**13
"""Logits that NumPy works on at a time: a pair's many temporaries fit a core's cache."""

ACCEPTED = "NumPy's arrays, Dask's of them, or another library's on this host, outside of traces and records of gradients"


def sigmoid_in_pairs(xp: Namespace, *arguments: Any, plan: Plan) -> tuple[Array, ...]:
    """`sigmoid_program`, each result rounded once."""
    return _in_pairs(sigmoid_program, xp, arguments, plan)


def softmax_in_pairs(xp: Namespace, *arguments: Any, plan: Plan) -> tuple[Array, ...]:
    """`softmax_program`, each result rounded once."""
    return _in_pairs(softmax_program, xp, arguments, plan)


def _in_pairs(program: Callable[..., tuple[Any, ...]], xp: Namespace, arguments: Any, plan: Plan) -> tuple[Array, ...]:
    pairs = Pairs(xp)
    found = program(pairs, *(_as_pair(pairs, a) for a in arguments), plan=plan)
    results: list[Any] = []
    for want, result in zip(plan.wants, found, strict=True):
        if plan.reduced and is_per_loss(want):
            results += pairs.parts(result)
        else:
            results.append(xp.astype(pairs.rounded(result, DIGITS[plan.exact]), arguments[0].dtype))
    return tuple(results)


def _as_pair(pairs: Pairs, a: Any) -> Any:
    """A number or array of numbers exactly; truth values, classes and None as they are."""
    if isinstance(a, float):
        return pairs.pair(pairs.base.asarray(a))
    if not arrays.is_array(a) or arrays.dtype_name(a) not in DIGITS:
        return a
    wide = pairs.base.astype(a, pairs.base.float64)
    if not isinstance(a, np.ndarray) or a.dtype == np.float64:
        return pairs.pair(wide)
    return pairs.moderate(wide)


def results(way: Way, given: Sequence[Any], divisor: Any) -> list[Any]:
    """What `engine.run` makes of a program in pairs; sums, which come as two results a loss, added up and divided."""
    plan, outputs = way.plan, way.outputs
    twice = [two for kind, dtype in outputs for two in ([(ROW, np.float64)] * 2 if kind == SUM else [(kind, dtype)])]
    if any(kind == SUM for kind, _ in outputs) and arrays.values(given[0]) is None:
        came = f"'reference' with the sum of {describe(given[0])}, which is not there yet"
        refuse(ValueError, "precision", came, "reduction='none', or compute() first")
    given = [np.asarray(a) if isinstance(a, np.generic) else a for a in given]
    program = softmax_in_pairs if plan.rows else sigmoid_in_pairs
    found = iter(run(partial(program, plan=plan), given, way.inputs, twice, plan.compute, BLOCK))
    dtype = np.asarray(given[0]).dtype
    return [_sum(next(found), next(found), divisor, dtype, plan.exact) if kind == SUM else next(found) for kind, _ in outputs]


def _sum(high: Any, low: Any, divisor: Any, dtype: Any, name: str) -> Any:
    """The losses' sum, divided, and rounded once."""
    flat = [*np.ravel(high).tolist(), *np.ravel(low).tolist()]
    with np.errstate(all="ignore"):
        total = _exactly(flat) if all(map(math.isfinite, flat)) else sum(flat)
        if isinstance(total, Fraction):
            total = _nearest(total if divisor is None else total / Fraction(float(divisor)), DIGITS[name])
        elif divisor is not None:
            total = total / float(divisor)
        return np.asarray(total).astype(dtype)[()]


def _exactly(flat: list[float]) -> Any:
    """A sum of floats, all but what no float could show; infinite where it is beyond them."""
    parts: list[float] = []
    try:
        for _ in range(3):
            parts.append(math.fsum([*flat, *(-part for part in parts)]))
    except OverflowError:
        return math.inf
    return sum(map(Fraction, parts), Fraction(0))


def _nearest(x: Fraction, digits: int) -> float:
    """To float64; for a narrower type, to odd at 24 or 53 bits."""
    try:
        found = float(x)
    except OverflowError:
        return math.copysign(math.inf, x)
    if digits == 53 or not found or math.isinf(found):
        return found
    return float(to_odd(np.float64(found), np.float64(float(x - Fraction(found))), 53 if digits > 22 else 24))


def at_hand(x: Any) -> bool:
    """Whether NumPy computes with x, now or where its graph runs."""
    return isinstance(x, (np.ndarray, np.generic)) or (arrays.is_numpy(x) and arrays.values(x) is None)


def through_numpy(loss: Any, wants: tuple[str, ...], logits: Facts, given: tuple[Any, ...]) -> tuple[Any, ...]:
    """The results of another library's arrays, computed by NumPy and handed back."""

    def seen(a: Any) -> Any:
        if not arrays.is_array(a) or isinstance(a, (np.ndarray, np.generic)):
            return a
        values = None if arrays.is_recorded(a) else arrays.values(a)
        if values is None:
            refuse(ValueError, "precision", f"'reference' with {describe(a)}, whose values are not at hand", ACCEPTED)
        return values

    fields = {f.name: getattr(loss, f.name) for f in dataclasses.fields(loss)}
    if "kernel" in fields:
        kernel = fields["kernel"]
        fields["kernel"] = dataclasses.replace(kernel, **{name: seen(value) for name, value in kernel.values.items()})
    here = type(loss)(**{name: seen(value) for name, value in fields.items()})
    found = here._results(wants, *map(seen, (logits.array, *given)), exact=logits.dtype)
    return tuple(
        logits.xp.astype(logits.xp.asarray(a, device=arrays.device_of(logits.array)), logits.array.dtype, copy=False)
        for a in found
    )

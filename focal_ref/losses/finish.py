"""The last steps of a program, the same for every result: NaN for what is wrong, weight, mask, divide, round.

Beside them stands what programs say to them: which entries are wrong, and what is left out.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from ..engine import arrays, precision
from ..typing import Array, Namespace
from .options import LARGEST
from .plan import Inputs, Plan, is_per_loss

__all__ = ["Finish", "cast", "either", "trusted", "weighed"]


def trusted(xp: Namespace, given: Inputs, plan: Plan) -> tuple[Inputs, Any]:
    """The inputs, with NaN for what α and the like can't be; and where some parameter is wrong, None where all were checked.

    To a compiled loop an array of one entry is a number.
    """
    wrong = None
    for name in plan.unseen:
        if name in given.parameters:
            a, known = cast(xp, given.parameters[name], plan.formulas), plan.kernel.parameters[name]
            right = _within(xp, a, known.low, known.high)
            wrong = (wrong if right else True) if isinstance(right, bool) else either(~right, wrong)
        else:
            a, high = cast(xp, getattr(given, name), plan.compute), 1.0 if name == "alpha" and not plan.rows else LARGEST
            right = _within(xp, a, 0.0, high)
            a = (a if right else math.nan) if isinstance(right, bool) else xp.where(right, a, xp.nan)
            changed: dict[str, Any] = {name: a}
            given = given._replace(**changed)
    return given, wrong


def _within(xp: Namespace, a: Any, low: float, high: float) -> Any:
    if isinstance(a, float) and type(a) is not float:
        a = xp.asarray(a)  # what is handed to a loop that many numbers share
    # The largest float64 is none of a narrower type.
    return (a >= low) & (a < math.inf if high == LARGEST else a <= high)


def cast(xp: Namespace, a: Any, name: str) -> Any:
    """An array in a type; numbers and None as they are."""
    if a is None or type(a) is float or not arrays.is_array(a) or arrays.dtype_name(a) == name:
        return a
    return xp.astype(a, getattr(xp, name), copy=False)


def weighed(of_class: Any, weight: Any, left_out: Any) -> tuple[Any, Any]:
    """The class's weight times the caller's, and where the caller's alone is 0: what a NaN label weighs is NaN, times 0 too."""
    if weight is None:
        return of_class, left_out
    if not arrays.is_array(weight):
        return (of_class * weight if weight else 0.0), left_out
    return of_class * weight, either(weight == 0, left_out)


def either(mask: Any, other: Any) -> Any:
    """Where one or the other mask is True; None is True nowhere, and True everywhere."""
    if mask is True or other is True:
        return True
    return mask if other is None else mask | other


class Finish(NamedTuple):
    """The last steps, the same for every result: NaN for a wrong target, weight, mask, divide and round."""

    plan: Plan
    wrong: Any
    weight: Any
    left_out: Any
    """Where result is 0 whatever else is there, beside where the weight is 0."""
    divisor: Any
    logits: Array
    positive: bool = False
    """Whether no weight can be 0."""

    def __call__(self, xp: Namespace, term: Any, want: str) -> Any:
        """What is to be summed stays as it is till then."""
        per_loss, weight = is_per_loss(want), self.weight

        def spread(a: Any) -> Any:
            return a[..., None] if self.plan.rows and not per_loss and arrays.is_array(a) else a

        if self.wrong is not None:
            # At the end: XLA on the CPU computes exp(where(wrong, NaN, x)) wrongly.
            term = term * math.nan if self.wrong is True else xp.where(spread(self.wrong), xp.nan, term)
        left_out = None if self.left_out is None else spread(self.left_out)
        if weight is not None:
            weight = spread(weight)
            if not arrays.is_array(weight):
                term = term * weight if weight else xp.zeros_like(term)
            else:
                term = term * weight
                if not self.positive:
                    left_out = either(weight == 0, left_out)
        of_weight, of_divisor, of_tangent = self.plan.steps
        term = precision.stepped(term, of_weight + (of_tangent if want == "hvp" else 0))
        # A mask is applied last, by `where`: a product with 0 would keep a NaN.
        if left_out is not None:
            term = xp.where(left_out, 0.0, term)
        if per_loss and self.plan.reduced:
            return term
        if self.divisor is not None:
            term = precision.stepped(term / cast(xp, self.divisor, self.plan.compute), -of_divisor)
        return xp.astype(term, self.logits.dtype, copy=False)

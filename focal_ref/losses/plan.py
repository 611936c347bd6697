"""The plan of a call: what is to be computed, and all that is known before an array is touched; and the call's inputs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

from ..engine import arrays, precision
from ..engine.numpy_blocks import CLASSES, ROW, SUM
from ..engine.run import Program
from ..mathematics.kernel import Kernel
from ..mathematics.power import STEEP

__all__ = ["Inputs", "Plan", "Seen", "Way", "is_per_loss", "is_steep"]

ORDER = {"grad": 1, "hessian_diag": 2, "hvp": 2}
"""The highest derivative of φ that each result needs; 0 where it isn't here."""


def is_per_loss(want: str) -> bool:
    """Whether a result has one entry a loss, as the value and derivatives by parameters; the others have the logits' shape."""
    return want not in ORDER


class Inputs(NamedTuple):
    """What a program is handed: arrays, Python numbers, or None."""

    logits: Any
    targets: Any
    parameters: dict[str, Any]
    """The kernel's, by name."""
    alpha: Any
    weight: Any
    divisor: Any
    tangent: Any
    pos_weight: Any = None

    def flat(self) -> list[Any]:
        """One after another, as engines take them: the parameters' values in the place of their dictionary."""
        return [self.logits, self.targets, *self.parameters.values(), *self[3:]]

    def in_range(self, way: Way) -> tuple[list[Any], Way]:
        """As `flat`, and the way, with factors that are numbers and that the type doesn't have brought there."""
        factors = (self.weight, self.divisor, self.tangent)
        (weight, by), (divisor, per), (tangent, along) = (precision.in_range(a, way.plan.compute) for a in factors)
        if not (by or per or along):
            return self.flat(), way
        inputs = self._replace(weight=weight, divisor=divisor, tangent=tangent)
        return inputs.flat(), way.along(way.plan._replace(steps=(by, per, along)))

    @staticmethod
    def of(arguments: Sequence[Any], kernel: type[Kernel]) -> Inputs:
        """The undoing of `flat`."""
        logits, targets, *rest = arguments
        parameters = dict(zip(kernel.parameters, rest, strict=False))
        return Inputs(logits, targets, parameters, *rest[len(parameters) :])


class Seen(NamedTuple):
    """What a look at the targets tells."""

    formula: str
    """ "hard", or the name of a soft-target formula."""
    looked: bool
    """Whether the targets' values were checked; if not, a wrong one gives NaN in its row."""
    integer_targets: bool = False


class Plan(NamedTuple):
    """What is to be computed, and what is known before any array is touched; hashable, so that made kernels are found again."""

    wants: tuple[str, ...]
    compute: str
    """The type that losses and derivatives are weighed in."""
    formulas: str
    """The type that they are evaluated in: the same, or a wider one where that costs less than carrying errors along."""
    formula: str
    """ "hard", or the name of a soft-target formula."""
    looked: bool
    """Whether the targets' values were checked; if not, a wrong one gives NaN in its row."""
    reduced: bool
    kernel: type[Kernel]
    carry: bool = False
    """Whether rounding errors of x − max x and of u would be seen in the result, and are carried along."""
    roomy: bool = False
    """Whether what isn't 0 in the logits' type is far from under- or overflow where it is evaluated."""
    looks_up: bool = False
    """Whether looking entries up costs less than a sum under a mask."""
    ignore_index: int | None = None
    label_smoothing: float = 0.0
    integer_targets: bool = False
    exact: str = ""
    """In reference precision, the type that results are rounded to: formulas are evaluated in pairs of float64."""
    steps: tuple[int, int, int] = (0, 0, 0)
    """Of a weight, divisor and tangent that the type doesn't have, what is left of each (`precision.in_range`)."""
    probabilities: bool = False
    """Whether the positives' probability is given in the place of its logit, and derivatives are by it."""
    unseen: tuple[str, ...] = ()
    """Parameters, α and the like whose entries were not checked; where they are wrong, the result is NaN."""
    rows: bool = False
    """Softmax: a loss a row, derivatives an entry a class."""

    @property
    def order(self) -> int:
        """The highest derivative wanted."""
        return max(ORDER.get(want, 0) for want in self.wants)

    @property
    def by(self) -> list[str]:
        """The parameters that derivatives are wanted by."""
        return [want.removesuffix("_grad") for want in self.wants if want.endswith("_grad")]


class Way(NamedTuple):
    """A plan and what follows from it: what an engine is handed beside the arrays."""

    plan: Plan
    program: partial[tuple[Any, ...]]
    inputs: tuple[str, ...]
    """`ROW` or `CLASSES` for each of `Inputs.flat`."""
    outputs: tuple[tuple[str, Any], ...]
    """`ROW`, `SUM` or `CLASSES`, and the type, of each result."""

    @classmethod
    def of(cls, program: Program, plan: Plan, dtype: Any, wider: Any) -> Way:
        """The way of a plan's program, for logits of a type; sums are handed over in a wider one."""
        full = CLASSES if plan.rows else ROW
        targets = ROW if plan.integer_targets else full
        inputs = (full, targets, *(ROW for _ in plan.kernel.parameters), full, ROW, ROW, full, full)

        def output(want: str) -> tuple[str, Any]:
            return (full, dtype) if not is_per_loss(want) else (SUM, wider) if plan.reduced else (ROW, dtype)

        return cls(plan, partial(program, plan=plan), inputs, tuple(map(output, plan.wants)))

    def along(self, plan: Plan) -> Way:
        """The same way by another plan, for arrays of the same kinds."""
        return self._replace(plan=plan, program=partial(self.program.func, plan=plan))


def is_steep(exponent: Any) -> bool:
    """Whether some γ is known to be so large that it shows what rounding took from u."""
    if type(exponent) is float:
        return exponent > STEEP
    if not arrays.is_array(exponent):
        return max(exponent) > STEEP if isinstance(exponent, tuple) else bool(exponent > STEEP)
    seen = arrays.values(exponent)
    return seen is not None and bool((seen > STEEP).any())

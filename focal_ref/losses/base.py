"""A loss: what sigmoid and softmax losses share, the way of a call from arguments to results, comparison and hashing."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

from ..engine import arrays, layout, precision
from ..engine.arrays import Facts
from ..engine.numpy_blocks import CLASSES, ROW, SUM
from ..engine.run import Program, run
from ..family.focal import Focal
from ..mathematics.kernel import Kernel
from ..typing import AlphaLike, ArrayT, GammaLike, Precision, Shaped
from . import arguments, checks
from .options import are_same
from .plan import Inputs, Plan, is_per_loss, is_steep

__all__ = ["Loss", "OfFocal", "OfKernel", "checked_kernel", "is_member"]


class Loss:
    """What all losses share: the methods, comparison and hashing."""

    def __call__(self, logits: ArrayT, targets: Any, weight: Any = None, normalizer: Any = None) -> ArrayT:
        """The loss; the same as `value`."""
        return self.value(logits, targets, weight, normalizer)

    def value(self, logits: ArrayT, targets: Any, weight: Any = None, normalizer: Any = None) -> ArrayT:
        """The loss: one an element or row, or their mean or sum (`reduction`).

        Parameters
        ----------
        logits : array
            Unnormalised scores, of a floating-point type.
        targets : array
            See the class.
        weight : array or float, optional
            Broadcasts against the losses.
        normalizer : float or 0-d array, optional
            Divides the sum of the losses; needs ``reduction="mean"`` or ``"sum"``.

        Raises
        ------
        TypeError, ValueError
            Where an argument is of the wrong kind, type, shape, library or device, or (where values may be looked at: on
            the host, not lazy, not traced) out of range. The message names the argument, what came, and what is accepted.
        """
        value: ArrayT = self._results(("value",), logits, targets, weight, normalizer)[0]
        return value

    def value_and_grad(self, logits: ArrayT, targets: Any, weight: Any = None, normalizer: Any = None) -> tuple[ArrayT, ArrayT]:
        """The loss, and its gradient by the logits (their shape). Arguments as for `value`."""
        value, grad = self._results(("value", "grad"), logits, targets, weight, normalizer)
        return value, grad

    def grad(self, logits: ArrayT, targets: Any, weight: Any = None, normalizer: Any = None) -> ArrayT:
        """The gradient by the logits (their shape): Lin et al. 2017, appendix B. Arguments as for `value`."""
        grad: ArrayT = self._results(("grad",), logits, targets, weight, normalizer)[0]
        return grad

    def hessian_diag(self, logits: ArrayT, targets: Any, weight: Any = None, normalizer: Any = None) -> ArrayT:
        """The second derivative by each logit (their shape). Arguments as for `value`."""
        hess: ArrayT = self._results(("hessian_diag",), logits, targets, weight, normalizer)[0]
        return hess

    def hvp(self, logits: ArrayT, targets: Any, tangent: Shaped, weight: Any = None, normalizer: Any = None) -> ArrayT:
        """Hessian times tangent (the logits' shape). `tangent` broadcasts to the logits; the rest as for `value`."""
        product: ArrayT = self._results(("hvp",), logits, targets, weight, normalizer, tangent)[0]
        return product

    def value_grad_hess(
        self, logits: ArrayT, targets: Any, weight: Any = None, normalizer: Any = None
    ) -> tuple[ArrayT, ArrayT, ArrayT]:
        """The loss, gradient and Hessian diagonal, in one pass. Arguments as for `value`."""
        wants = ("value", "grad", "hessian_diag")
        value, grad, hess = self._results(wants, logits, targets, weight, normalizer)
        return value, grad, hess

    def parameter_grad(self, name: str, logits: ArrayT, targets: Any, weight: Any = None, normalizer: Any = None) -> ArrayT:
        """The derivative by one of the kernel's parameters, in the value's shape. Arguments as for `value`.

        Parameters
        ----------
        name : str
            One of the kernel's `by_parameter`.
        """
        arguments.choice("name", name, tuple(self._kernel.by_parameter))
        grad: ArrayT = self._results((f"{name}_grad",), logits, targets, weight, normalizer)[0]
        return grad

    def gamma_grad(self, logits: ArrayT, targets: Any, weight: Any = None, normalizer: Any = None) -> ArrayT:
        """The derivative by γ, in the value's shape (focal loss: φ log u), to learn or tune γ. Arguments as for `value`."""
        return self.parameter_grad("gamma", logits, targets, weight, normalizer)

    __dataclass_fields__: ClassVar[dict[str, Any]]
    link: ClassVar[str]
    """"sigmoid" or "softmax"."""
    _program: ClassVar[Program]
    alpha: AlphaLike
    ignore_index: int | None
    label_smoothing: float
    reduction: Any
    precision: Precision

    def _check(self) -> None:
        """The options, checked when the loss is made."""
        raise NotImplementedError

    def _check_common(self, *reductions: str) -> None:
        """The options that both links have; `reductions` that one has beside."""
        arguments.integer("ignore_index", self.ignore_index, optional=True)
        smoothing = arguments.number("label_smoothing", self.label_smoothing, 0.0, 1.0, "a number in [0, 1]")
        self._set("label_smoothing", smoothing)
        arguments.choice("reduction", self.reduction, ("none", "mean", "sum", *reductions))
        arguments.choice("precision", self.precision, ("extended", "native"))

    @property
    def _kernel(self) -> type[Kernel]:
        raise NotImplementedError

    def _parameters(self) -> Mapping[str, Any]:
        """The kernel's parameters' values, by name."""
        raise NotImplementedError

    def _class_axis(self) -> int | None:
        """Where the classes lie; None where every element is a loss."""
        raise NotImplementedError

    def _factors(self) -> dict[str, Any]:
        """What weighs the labels: α, and beside it what one link has."""
        return {"alpha": self.alpha}

    def _alpha_shape(self, logits: Facts) -> tuple[int, ...]:
        """What α broadcasts to."""
        raise NotImplementedError

    def _plan(self, wants: tuple[str, ...], logits: Facts, targets: Any, compute: str) -> tuple[Any, Plan]:
        """The targets, checked, and what is decided before any array is touched."""
        raise NotImplementedError

    def _check_rows(self, logits: Facts, targets: Any, weight: Any) -> None:
        """What can be said of rows of probabilities only once it is known which of them count."""

    def _common(self, wants: tuple[str, ...], logits: Facts, compute: str, *narrow: str) -> dict[str, Any]:
        """The plan's entries that both links share.

        In the logits' own type and in `narrow` ones rounding errors are carried along; elsewhere they are far below what the
        logits' type shows, but for a steep exponent.
        """
        formulas = precision.formulas_type(logits, compute)
        carry = formulas in (logits.dtype, *narrow) or any(map(is_steep, self._parameters().values()))
        return {
            "wants": wants,
            "compute": compute,
            "formulas": formulas,
            "carry": carry,
            "roomy": not carry and precision.is_roomy(logits, formulas),
            "reduced": self.reduction != "none",
            "kernel": self._kernel,
            "ignore_index": self.ignore_index,
            "label_smoothing": self.label_smoothing,
            "unseen": tuple(n for n, a in {**self._parameters(), **self._factors()}.items() if checks.is_unseen(n, a)),
        }

    def _results(
        self, wants: tuple[str, ...], logits: Any, targets: Any, weight: Any, normalizer: Any, tangent: Any = None
    ) -> tuple[Any, ...]:
        """The way of a call: look once, check, plan, bring the classes last, run, and back."""
        axis = self._class_axis()
        facts = arguments.logits(logits, axis)
        shape = arguments.losses_shape(facts.shape, axis)
        targets, plan = self._plan(wants, facts, targets, precision.compute_type(facts, self.precision))
        inputs = self._inputs(facts, shape, plan, targets, weight, normalizer, tangent)
        full = ROW if axis is None else CLASSES
        kinds = (full, ROW if plan.integer_targets else full, *(ROW for _ in inputs.parameters), full, ROW, ROW, full, full)
        flat = inputs.flat()
        if axis is not None:
            ndim = len(facts.shape)
            flat = [
                layout.classes_last(facts.xp, a, axis, ndim) if k == CLASSES else a for a, k in zip(flat, kinds, strict=True)
            ]
        summed = [plan.reduced and is_per_loss(want) for want in wants]
        outputs = [
            (SUM, getattr(facts.xp, plan.compute)) if early else (ROW if is_per_loss(want) else full, logits.dtype)
            for want, early in zip(wants, summed, strict=True)
        ]
        results = run(partial(type(self)._program, plan=plan), flat, kinds, outputs, plan.compute)
        return tuple(
            layout.reduced(facts, result, inputs.divisor)
            if early
            else layout.classes_back(facts.xp, result, axis if kind == CLASSES else None)
            for result, early, (kind, _) in zip(results, summed, outputs, strict=True)
        )

    def _inputs(
        self, facts: Facts, shape: tuple[int, ...], plan: Plan, targets: Any, weight: Any, normalizer: Any, tangent: Any
    ) -> Inputs:
        """Everything that a program is handed, checked, and rounded to the type that it is meant in."""
        rounding = facts.dtype if self.precision == "native" else plan.compute

        def ready(name: str, value: Any, into: tuple[int, ...]) -> Any:
            if type(value) is float:
                return precision.round_to(value, rounding)
            return arguments.factor(name, precision.parameter(facts, value, rounding, plan.compute), facts, into)

        parameters = {name: ready(name, value, shape) for name, value in self._parameters().items()}
        axis, into = self._class_axis(), self._alpha_shape(facts)
        factors = {name: None if value is None else ready(name, value, into) for name, value in self._factors().items()}
        if axis is not None and arrays.is_array(factors["alpha"]):
            factors["alpha"] = facts.xp.broadcast_to(factors["alpha"], into)
        weight = None if weight is None else arguments.factor("weight", weight, facts, shape)
        self._check_rows(facts, targets, weight)
        if "hvp" in plan.wants:
            tangent = arguments.factor("tangent", tangent, facts, facts.shape)
        count = arrays.count(facts, shape, 1 if axis is None else facts.shape[axis])
        divisor = self._divisor(facts, targets, normalizer, count)
        return Inputs(facts.array, targets, parameters, weight=weight, divisor=divisor, tangent=tangent, **factors)

    def _divisor(self, logits: Facts, targets: Any, normalizer: Any, count: int) -> Any:
        """What sums are divided by: the normalizer, the count of losses (at least 1: a mean over nothing is 0), or None."""
        if normalizer is not None:
            found = arguments.normalizer(normalizer, logits, self.reduction)
            return found if arrays.is_array(found) else arrays.varying(logits, found)
        return arrays.varying(logits, max(count, 1)) if self.reduction == "mean" else None

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(are_same(getattr(self, f.name), getattr(other, f.name)) for f in dataclasses.fields(self))

    def __hash__(self) -> int:
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        for name, value in {**values, **self._parameters()}.items():
            if arrays.is_array(value):
                raise TypeError(f"unhashable: {name} is an array; give a number or a sequence for a hashable loss")
        return hash((type(self), *values.values()))

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)


class OfKernel(Loss):
    """A loss that is handed its kernel."""

    kernel: Kernel

    def __post_init__(self) -> None:
        self._set("kernel", checked_kernel(self.kernel))
        self._check()

    @property
    def _kernel(self) -> type[Kernel]:
        return type(self.kernel)

    def _parameters(self) -> Mapping[str, Any]:
        return self.kernel.values


class OfFocal(Loss):
    """Focal loss by its own name, with γ among its options."""

    _kernel = Focal
    gamma: GammaLike

    def __post_init__(self) -> None:
        self._set("gamma", checked_kernel(self.kernel).values["gamma"])
        self._check()

    @property
    def kernel(self) -> Focal:
        """Focal loss's kernel with this γ."""
        return Focal(self.gamma)

    def _parameters(self) -> Mapping[str, Any]:
        return {"gamma": self.gamma}


def is_member(x: object) -> bool:
    """Whether something is a member of the family, with its parameters or, by mistake, without."""
    return isinstance(x, Kernel) or (isinstance(x, type) and issubclass(x, Kernel))


def checked_kernel(kernel: Any) -> Kernel:
    """A kernel whose parameters are checked, and sequences of them tuples."""
    if not isinstance(kernel, Kernel):
        cure = f"; did you mean {kernel.__name__}()?" if is_member(kernel) else ""
        came = kernel.__name__ if isinstance(kernel, type) else arguments.describe(kernel)
        raise TypeError(f"kernel: got {came}; expected a member of focal_ref.family with its parameters{cure}")
    given = {
        name: arguments.parameter(name, kernel.values[name], known.high, known.accepted, low=known.low)
        for name, known in kernel.parameters.items()
    }
    return dataclasses.replace(kernel, **given)  # type: ignore[type-var]

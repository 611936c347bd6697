"""A loss: what sigmoid and softmax losses share, the way of a call from arguments to results, comparison and hashing."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

import numpy as np

from ..engine import arrays, layout, precision
from ..engine.arrays import Facts
from ..engine.numpy_blocks import CLASSES, SUM
from ..engine.run import Program, run
from ..mathematics.kernel import Kernel
from ..typing import AlphaLike, ArrayT, Precision, Shaped
from . import arguments, checks, cures, reference
from .options import are_same
from .plan import Inputs, Plan, Seen, Way, is_steep

__all__ = ["Loss"]


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
        if not self._kernel.by_parameter:
            cure = f"by_parameter = {{{name!r}: …}} in the class"
            raise ValueError(f"name: got {name!r}; expected none: {self._kernel.__name__} says no such derivative; {cure}")
        arguments.choice("name", name, tuple(self._kernel.by_parameter))
        grad: ArrayT = self._results((f"{name}_grad",), logits, targets, weight, normalizer)[0]
        return grad

    def gamma_grad(self, logits: ArrayT, targets: Any, weight: Any = None, normalizer: Any = None) -> ArrayT:
        """The derivative by γ, in the value's shape (focal loss: φ log u), to learn or tune γ. Arguments as for `value`."""
        return self.parameter_grad("gamma", logits, targets, weight, normalizer)

    __dataclass_fields__: ClassVar[dict[str, Any]]
    link: ClassVar[str]
    """"sigmoid", "softmax" or "probability"."""
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
        arguments.integer("ignore_index", self.ignore_index, optional=True, cure=cures.of_mark(self.ignore_index))
        smoothing = arguments.number("label_smoothing", self.label_smoothing, 0.0, 1.0, "a number in [0, 1]")
        self._set("label_smoothing", smoothing)
        arguments.choice("reduction", self.reduction, ("none", "mean", "sum", *reductions))
        arguments.choice("precision", self.precision, ("extended", "native", "reference"))

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

    def _seen(self, logits: Facts, targets: Any) -> tuple[Any, Seen]:
        """The targets, checked, and what that tells of them."""
        raise NotImplementedError

    def _check_rows(self, logits: Facts, targets: Any, weight: Any) -> None:
        """What can be said of rows of probabilities only once it is known which of them count."""

    def _way(self, program: Program, wants: tuple[str, ...], logits: Facts, seen: Seen, exact: str) -> Way:
        """All that is decided before any array is touched; for NumPy and plain parameters, once for each kind of arrays."""
        unseen = checks.unseen(logits, self._parameters, self._factors)
        if not logits.numpy:
            return self._made_way(program, wants, logits, seen, unseen, exact)
        known: dict[Any, Way] = self.__dict__.setdefault("_ways", {})
        kind = program, wants, logits.dtype, seen, unseen, exact
        way = known.get(kind)
        if way is None:
            way = self._made_way(program, wants, logits, seen, unseen, exact)
            if all(type(value) in (float, tuple) for value in self._parameters().values()):
                known[kind] = way
        return way

    def _made_way(
        self, program: Program, wants: tuple[str, ...], logits: Facts, seen: Seen, unseen: tuple[str, ...], exact: str
    ) -> Way:
        compute = precision.compute_type(logits, self.precision)
        formulas = precision.formulas_type(logits, compute)
        if logits.dtype in ("float16", "bfloat16"):
            compute = formulas  # or results would be rounded to float32 in between
        rows = self._class_axis() is not None
        # In the logits' own type, and for rows in float32, rounding errors are carried along; elsewhere they are far below
        # what the logits' type shows, but for a steep exponent. Pairs have no such errors.
        narrow = (logits.dtype, "float32") if rows else (logits.dtype,)
        carry = not exact and (formulas in narrow or any(map(is_steep, self._parameters().values())))
        plan = Plan(
            wants=wants,
            compute=compute,
            formulas=formulas,
            formula=seen.formula,
            looked=seen.looked,
            reduced=self.reduction != "none",
            kernel=self._kernel,
            carry=carry,
            roomy=not carry and not exact and precision.is_roomy(logits, formulas),
            looks_up=rows and (logits.numpy or arrays.is_numpy(logits.array)),
            ignore_index=self.ignore_index,
            label_smoothing=self.label_smoothing,
            integer_targets=seen.integer_targets,
            exact=exact,
            probabilities=self.link == "probability",
            rows=rows,
            unseen=unseen,
        )
        return Way.of(program, plan, logits.array.dtype, getattr(logits.xp, compute))

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled and copied: not the ways of former calls."""
        return {name: value for name, value in self.__dict__.items() if name != "_ways"}

    def _results(
        self,
        wants: tuple[str, ...],
        logits: Any,
        targets: Any,
        weight: Any,
        normalizer: Any,
        tangent: Any = None,
        exact: str = "",
        program: Program | None = None,
    ) -> tuple[Any, ...]:
        """The way of a call: look once, check, plan, bring the classes last, run, and back; `exact`: rounded to that type.

        `program` is another than the link's, with arguments and results of the same kinds.
        """
        axis = self._class_axis()
        facts = arguments.logits(logits, axis)
        if self.precision == "reference" and not reference.at_hand(logits):
            return reference.through_numpy(self, wants, facts, (targets, weight, normalizer, tangent))
        shape = arguments.losses_shape(facts.shape, axis)
        if facts.numpy:
            targets, weight = (x if x is None or type(x) is np.ndarray else arrays.column(x) for x in (targets, weight))
        targets, seen = self._seen(facts, targets)
        way = self._way(
            program or type(self)._program, wants, facts, seen, (exact or facts.dtype) if self.precision == "reference" else ""
        )
        inputs = self._inputs(facts, shape, way.plan, targets, weight, normalizer, tangent)
        flat, way = inputs.in_range(way)
        if axis is not None:
            xp, ndim = facts.xp, len(facts.shape)
            flat = [
                layout.classes_last(xp, a, axis, ndim) if k == CLASSES else a for a, k in zip(flat, way.inputs, strict=True)
            ]
        if way.plan.exact:
            results = reference.results(way, flat, inputs.divisor)
        else:
            found = run(way.program, flat, way.inputs, way.outputs, way.plan.compute)
            results = [
                layout.reduced(facts, result, inputs.divisor) if kind == SUM else result
                for result, (kind, _) in zip(found, way.outputs, strict=True)
            ]
        return tuple(
            layout.classes_back(facts.xp, result, axis if kind == CLASSES else None)
            for result, (kind, _) in zip(results, way.outputs, strict=True)
        )

    def _inputs(
        self, facts: Facts, shape: tuple[int, ...], plan: Plan, targets: Any, weight: Any, normalizer: Any, tangent: Any
    ) -> Inputs:
        """Everything that a program is handed, checked, and rounded to the type that it is meant in."""
        rounding = facts.dtype if self.precision == "native" else plan.compute

        def ready(name: str, value: Any, into: tuple[int, ...], weighs: bool = False) -> Any:
            if type(value) is float:
                return value if rounding == "float64" else precision.round_to(value, rounding)
            cure = partial(cures.of_weights, name=name, classes=into[0] if plan.rows else None) if weighs else cures.none
            return arguments.factor(name, precision.parameter(facts, value, rounding, plan.compute), facts, into, cure)

        parameters = {name: ready(name, value, shape) for name, value in self._parameters().items()}
        into = self._alpha_shape(facts)
        factors = {name: None if value is None else ready(name, value, into, True) for name, value in self._factors().items()}
        if plan.rows and arrays.is_array(factors["alpha"]):
            factors["alpha"] = facts.xp.broadcast_to(factors["alpha"], into)
        weight = None if weight is None else arguments.factor("weight", weight, facts, shape)
        self._check_rows(facts, targets, weight)
        if "hvp" in plan.wants:
            tangent = arguments.factor("tangent", tangent, facts, facts.shape)
        axis = self._class_axis()
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

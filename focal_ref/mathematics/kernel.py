"""The kernel: a member of the focal family as one scalar function φ of the margin, with everything else derived from it.

With p the probability of the true class, u = 1 − p, ℓ = −log p and the margin z = log(p/u), a member says what φ(z), φ'(z) and
φ''(z) are (`jet`), what its paper writes (`definition`), and which parameters it has. Links, soft targets, α, weights, masks,
reductions, Hessian products, every array library, the oracle and the posterior are made from that.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple, dataclass_transform

from ..typing import Array, GammaLike, Namespace
from .kernel_border import declared, guarded
from .margin import Jet, Margin
from .power import positive

__all__ = ["Kernel", "Parameter", "parameter"]

LARGEST = 1.7976931348623157e308


class Parameter(NamedTuple):
    """A number that a kernel has beside the margin."""

    default: float
    low: float = 0.0
    high: float = LARGEST
    accepted: str = "a finite number ≥ 0, a sequence of them, or an array of a floating-point type"
    """What a refusal says is accepted."""
    another: float = 0.5
    """A second value that tests try."""


def parameter(
    default: float,
    low: float = 0.0,
    high: float = LARGEST,
    accepted: str = Parameter._field_defaults["accepted"],
    another: float = 0.5,
) -> Any:
    """A kernel's field: a number in [low, high], a sequence of them, or an array that broadcasts against the losses.

    Parameters
    ----------
    default : float
        Its value where none is given.
    low, high : float
        Its range, both ends in it.
    accepted : str
        What a refusal says is accepted.
    another : float
        A second value that tests try.

    Returns
    -------
    dataclasses.Field
        What stands in the class's body after the name and its type.
    """
    return dataclasses.field(default=default, metadata={"parameter": Parameter(default, low, high, accepted, another)})


@dataclass_transform(frozen_default=True, eq_default=False, field_specifiers=(parameter,))
class Kernel:
    """A member of the family: a subclass says what it is, an instance has its parameters' values.

    Subclasses become frozen dataclasses of their `parameter` fields: ``Poly1(gamma=2.0, epsilon=1.0)``. They live in a module,
    by whose name they pickle. Numbers are checked here, and whatever else the values are by the loss that takes the kernel.

    Attributes
    ----------
    name, formula, source : str
        For people: "poly1", "u^γ ℓ + ε u^(γ+1)", the paper and equation.
    by_parameter : mapping
        ``by_parameter["gamma"](xp, margin, **parameters)`` is ∂φ by it. What is missing is refused in words.
    soft_targets : tuple of str
        Formulas for soft sigmoid targets, the default first. "expected" is derived; others the kernel brings (`soft_jet`).
    parameters : mapping
        Each field's `Parameter`, by name: made by the subclass's fields.

    Examples
    --------
    >>> from focal_ref.family import Poly1
    >>> Poly1(epsilon=-0.5), Poly1.parameters["epsilon"].low
    (Poly1(gamma=2.0, epsilon=-0.5), -1.0)
    """

    name: ClassVar[str]
    formula: ClassVar[str]
    source: ClassVar[str]
    by_parameter: ClassVar[Mapping[str, Callable[..., Any]]] = MappingProxyType({})
    soft_targets: ClassVar[tuple[str, ...]] = ("expected",)
    steeper: ClassVar[float] = 0.0
    """How far its highest power of u lies above γ: bounds on errors grow with that power."""
    asks: ClassVar[tuple[str, ...]] = ()
    """What `definition` is handed beside p, u and ℓ: "label", 1 or 0, where positives and negatives have functions of their own
    (`jet` finds it in ``margin.label``); "z", the margin itself.
    """
    with_positives: ClassVar[tuple[str, ...]] = ("expected",)
    """The formulas that have a term of the positives by itself, which `pos_weight` multiplies."""
    asks_steepness_only: ClassVar[bool] = False
    """Whether its formulas ask of a number only if it is steep (`power.is_mild`): those that aren't share a compiled loop."""
    parameters: ClassVar[Mapping[str, Parameter]]

    def __init_subclass__(cls) -> None:
        dataclasses.dataclass(frozen=True, eq=False)(cls)
        cls.parameters = MappingProxyType(declared(cls))
        guarded(cls)

    def __post_init__(self) -> None:
        for name, value in self.values.items():
            known = self.parameters[name]
            if isinstance(value, (int, float)) and not isinstance(value, bool) and not known.low <= value <= known.high:
                raise ValueError(f"{name}: got {value!r}; expected {known.accepted}")

    @staticmethod
    def jet(xp: Namespace, margin: Margin, order: int, **parameters: Any) -> Jet:
        """φ and its first `order` derivatives by the margin; no power γ − 1, nothing that cancels, no 1 − p."""
        raise NotImplementedError("the kernel has no jet(xp, margin, order, **parameters): its class says what φ is")

    @staticmethod
    def definition(p: Any, u: Any, nll: Any, **parameters: Any) -> Any:
        """φ as the paper has it, in any arithmetic with + − × ÷ and **: the oracle's line. It shares nothing with `jet`."""
        raise NotImplementedError("the kernel has no definition(p, u, nll, **parameters): its class says the paper's line")

    @classmethod
    def pulls(cls, xp: Namespace, margin: Margin, weight: Any, **parameters: Any) -> tuple[Any, Any]:
        """−φ'/u and φ''/u times a weight: what a soft row weighs its classes by, and the posterior's W. 0 where u is.

        A kernel whose quotients don't vanish with u may have them sharper; what they meet there is a p that is 0, too.
        """
        jet = cls.jet(xp, margin, 2, **parameters)
        divisor = positive(xp, margin.u)
        return weight * (-jet.slope / divisor), weight * (jet.curvature / divisor)

    @classmethod
    def by_probability(cls, xp: Namespace, margin: Margin, order: int, **parameters: Any) -> Jet:
        """φ and its first `order` derivatives by p itself: φ'/(p u) and (φ'' − φ' (u − p))/(p u)², by way of `pulls`.

        A kernel whose derivatives cancel that way, or don't end at 0 where u does, says them itself.
        """
        value = cls.jet(xp, margin, 0, **parameters).value
        if order == 0:
            return Jet(value)
        p, u, *_ = margin
        w, h = cls.pulls(xp, margin, 1.0, **parameters)
        return Jet(value, -w / p) if order == 1 else Jet(value, -w / p, (h + w * (u - p)) / (p * p * positive(xp, u)))

    @staticmethod
    def soft_jet(xp: Namespace, x: Array, y: Array, order: int, carry: bool, formula: str, **parameters: Any) -> Jet:
        """The kernel's own formula for a soft sigmoid target y, by the logit x; `pos_weight` comes where it has one."""
        raise NotImplementedError

    @staticmethod
    def soft_by_parameter(xp: Namespace, x: Array, y: Array, carry: bool, formula: str, by: str, **parameters: Any) -> Any:
        """The derivative of `soft_jet`'s value by a parameter."""
        raise NotImplementedError

    @property
    def values(self) -> dict[str, GammaLike]:
        """The parameters' values, by name."""
        return {name: getattr(self, name) for name in self.parameters}

    def __eq__(self, other: object) -> bool:
        """Of one class, with the same values; arrays are the same where they are one array."""
        if type(other) is not type(self):
            return NotImplemented
        pairs = ((value, other.values[name]) for name, value in self.values.items())
        return all(a is b or (not hasattr(a, "shape") and a == b) for a, b in pairs)

    def __hash__(self) -> int:
        return hash((type(self), *self.values.values()))

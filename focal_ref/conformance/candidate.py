"""Candidate: the function that is checked, how it wants to be called, and what it gives, in NumPy.

Functions differ in the order and names of their arguments, in the layout of logits and targets, and in what they reduce. A
`Subject` says all that once, and then answers one question: value, gradient and Hessian diagonal at these logits.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..conventions.rules import REDUCTIONS
from ..libraries.frameworks import Framework
from ..losses import arguments as checks
from ..typing import Floats
from . import grids
from .contract import LINKS, QUANTITIES
from .guard import Refused, contained

__all__ = ["ARGUMENTS", "INPUTS", "TARGETS", "Alpha", "Results", "Subject"]

Alpha: TypeAlias = float | Sequence[float] | None
Results: TypeAlias = dict[str, Floats]
"""By quantity; those that the function has not are left out."""

ARGUMENTS = "logits, targets, gamma=gamma"
GIVEN = ("logits", "targets", "gamma", "alpha")
INPUTS = ("logits", "probabilities")
TARGETS = ("index", "float", "one-hot", "signs")
"""Integers, the same numbers in the logits' type, a row of zeros with a 1, or −1 and 1."""
MOST_CLASSES = 10
"""Of the rows whose Hessian is asked for: a framework differentiates once more for each class."""
SIZES = (61, 128, 1037)
"""Of the batches that JAX is asked for, which compiles all anew for each size: points are repeated to the next of them."""


@dataclasses.dataclass(frozen=True)
class Subject:
    """A focal loss, and how to call it."""

    fn: Callable[..., Any]
    link: str
    framework: Framework
    derivative: Callable[..., Any] | Literal["auto"] | None = "auto"
    """A callable gives the gradient, or gradient and Hessian diagonal."""
    order: int = 2
    """The highest derivative that the framework is asked for."""
    arguments: str = ARGUMENTS
    alpha: Alpha = None
    reduction: str = "none"
    inputs: str = "logits"
    targets: str | None = None
    """None: "float" for sigmoid, "index" for softmax."""
    channels_first: bool = False
    """Softmax: logits of shape (1, classes, n) and targets (1, n), as for images."""
    normalizer: float | str | None = None
    """What a reducing function divides its sum by; None: a mean by the losses, a sum by nothing."""
    kernel: Any = None
    """The member of the family that it is meant to be, with its parameters but γ; None: focal loss."""
    library: str | None = None
    """Of a boosting objective, which has no value, the library that calls it."""
    extra: dict[str, Any] = dataclasses.field(default_factory=dict)
    """Other arguments, by name."""
    writes: set[str] = dataclasses.field(default_factory=set, compare=False)
    """The arguments that the function was seen to write into."""

    def __post_init__(self) -> None:
        checks.choice("link", self.link, LINKS)
        checks.choice("reduction", self.reduction, REDUCTIONS)
        checks.choice("inputs", self.inputs, INPUTS)
        for name, accepted in (("targets", (None, *TARGETS)), ("order", (1, 2))):
            if getattr(self, name) not in accepted:
                raise ValueError(f"{name}: got {getattr(self, name)!r}; expected one of {', '.join(map(repr, accepted))}")
        for name in ("fn", *(["derivative"] if self.derivative not in ("auto", None) else [])):
            if not callable(getattr(self, name)):
                raise TypeError(f"{name}: got {checks.describe(getattr(self, name))}; expected a callable")
        words = [word for _, word in self._pairs()]
        if not {"logits", "targets"} <= set(words) <= set(GIVEN) or len(set(words)) < len(words):
            expected = f"{', '.join(GIVEN)}, each at most once, with logits and targets among them"
            raise ValueError(f"arguments: got {self.arguments!r}; expected names out of {expected}")

    @property
    def takes_gamma(self) -> bool:
        """Whether γ is one of the function's arguments."""
        return any(word == "gamma" for _, word in self._pairs())

    @property
    def measures(self) -> tuple[str, ...]:
        """The quantities to ask for."""
        if self.library is not None:
            return QUANTITIES[1 : 2 + (self.order > 1)]
        if self.inputs == "probabilities" or self.derivative is None:
            return QUANTITIES[:1]
        if self.derivative == "auto":
            return QUANTITIES[: 1 + self.order] if self.framework.gradient else QUANTITIES[:1]
        return QUANTITIES

    def __call__(self, dtype: str, gamma: float, logits: Floats, targets: NDArray[Any]) -> Results:
        """What the function gives at logits of shape (n,), or (n, classes), rounded to the type.

        Raises
        ------
        focal_ref.conformance.guard.Refused
            Whatever the function raises; where it returns another shape than is due, or writes into its arguments.
        """
        if self.reduction == "none":
            with contained():
                return self._repeated(dtype, gamma, logits, targets)
        single = [self.alone(dtype, gamma, logits[i : i + 1], targets[i : i + 1]) for i in range(len(logits))]
        return {q: np.concatenate([result[q] for result in single]) for q in single[0]}

    def alone(self, dtype: str, gamma: float, logits: Floats, targets: NDArray[Any]) -> Results:
        """The same at one point, which is given twice where the function refuses a batch of one."""
        try:
            with contained():
                return self._batch(dtype, gamma, logits, targets)
        except Refused as refusal:
            try:
                with contained():
                    twice = self._batch(dtype, gamma, np.repeat(logits, 2, axis=0), np.repeat(targets, 2, axis=0), 2)
            except Refused:
                raise refusal from None
        return {q: self._of_one(q, result) for q, result in twice.items()}

    def _of_one(self, quantity: str, twice: Floats) -> Floats:
        """One of two equal losses: a sum is twice one, and a mean's derivatives are halves."""
        if self.reduction == "none":
            return twice[:1]
        value = quantity == "value"
        return twice[:1] * {"mean": 1.0 if value else 2.0, "sum": 0.5 if value else 1.0}[self.reduction]

    def reduced(self, dtype: str, gamma: float, logits: Floats, targets: NDArray[Any]) -> float:
        """The one number that a reducing function gives for a batch."""
        arrays = self.framework.arrays
        with contained(), arrays.context():
            x, y = self.given(dtype, logits, targets)
            result = arrays.to_numpy(self.raw(x, y, gamma))
            if result.size != 1:
                raise TypeError(f"value: got shape {result.shape} for {len(logits)} losses; expected their {self.reduction}")
            return float(result.reshape(()))

    def raw(self, x: Any, y: Any, gamma: float, **more: Any) -> Any:
        """What the function itself gives for the framework's arrays; to be called where it is contained."""
        return self.fn(*self._positional(x, y, gamma), **self._named(x, y, gamma), **more)

    def first(
        self,
        dtype: str,
        gamma: float,
        logits: Floats,
        targets: NDArray[Any],
        quantities: Sequence[str] = QUANTITIES,
        *,
        as_it_is: bool = False,
    ) -> Results:
        """Values and first derivatives of a batch, of that very size or a handier one; to be called where it is contained."""
        asked = dataclasses.replace(self, order=1, derivative=self.derivative if "grad" in quantities else None)
        results = (asked._batch if as_it_is else asked._repeated)(dtype, gamma, logits, targets)
        return {q: results[q] for q in quantities if q in results}

    def arranged(
        self, dtype: str, gamma: float, logits: Floats, targets: NDArray[Any], arrange: Callable[[Any, Any], tuple[Any, Any]]
    ) -> Results:
        """Values for arrays of the framework that were arranged otherwise, in the shape that the function gives."""
        arrays = self.framework.arrays
        with arrays.context():
            x, y = arrange(*self.given(dtype, logits, targets))
            return {"value": _real(self.raw(x, y, gamma), arrays.to_numpy)}

    # ---- one call -----------------------------------------------------------------------------------------------------------

    def _repeated(self, dtype: str, gamma: float, logits: Floats, targets: NDArray[Any]) -> Results:
        """What a batch gives; for JAX with its points repeated to one of few sizes, where that is little work."""
        n = len(logits)
        small = n > 1 and logits.size <= n * MOST_CLASSES and self.reduction == "none"
        if not (small and self.framework.arrays.name.startswith("jax")):
            return self._batch(dtype, gamma, logits, targets)
        many = next((size for size in SIZES if n <= size), n)
        x, y = (np.resize(a, (many, *a.shape[1:])) for a in (logits, targets))
        return {q: found[:n] for q, found in self._batch(dtype, gamma, x, y).items()}

    def _batch(self, dtype: str, gamma: float, logits: Floats, targets: NDArray[Any], reduces: int = 1) -> Results:
        arrays = self.framework.arrays
        with arrays.context(), np.errstate(all="ignore"):
            x, y = self.given(dtype, logits, targets)
            before = arrays.to_numpy(x).copy(), arrays.to_numpy(y).copy()
            found = self._found(x, y, gamma, logits.shape, lambda: self.given(dtype, logits, targets))
            for name, array, old in zip(("logits", "targets"), (x, y), before, strict=True):
                if not np.array_equal(arrays.to_numpy(array), old, equal_nan=True):
                    self.writes.add(name)
            results = {q: _real(r, arrays.to_numpy) for q, r in found.items()}
        n = len(logits) if self.reduction == "none" else len(logits) // reduces
        due = {q: (n,) if q == "value" else logits.shape for q in results}
        for q, result in results.items():
            results[q] = grids.rounded(self._plain(q, result, due[q]), dtype)
        return results

    def _found(
        self, x: Any, y: Any, gamma: float, shape: tuple[int, ...], anew: Callable[[], tuple[Any, Any]]
    ) -> dict[str, Any]:
        """By quantity; `anew` makes the arguments again, for a function that may write into them."""

        def losses(v: Any) -> Any:
            return self.fn(*self._positional(v, y, gamma), **self._named(v, y, gamma))

        found = {"value": losses(x)} if "value" in self.measures else {}
        differentiates = "grad" in self.measures
        if differentiates:
            x, y = anew()
        if differentiates and callable(self.derivative):
            given = self.derivative(*self._positional(x, y, gamma), **self._named(x, y, gamma))
            found |= dict(zip(QUANTITIES[1:], given if isinstance(given, (tuple, list)) else [given], strict=False))
        elif differentiates and self.framework.gradient is not None:
            found["grad"] = self.framework.gradient(losses, x)
            if self.order > 1 and (self.link == "sigmoid" or shape[-1] <= MOST_CLASSES):
                found |= self._second(losses, x)
        return found

    def _second(self, losses: Callable[[Any], Any], x: Any) -> dict[str, Any]:
        """The Hessian's diagonal by differentiating twice; nothing where the framework cannot."""
        gradient, to_numpy = self.framework.gradient, self.framework.arrays.to_numpy
        assert gradient is not None
        try:
            if self.link == "sigmoid":
                return {"hess": gradient(lambda v: gradient(losses, v), x)}
            axis = 1 if self.channels_first else -1
            each = range(x.shape[axis])
            entry = [(slice(None), j) if axis == 1 else (..., j) for j in each]
            columns = [to_numpy(gradient(lambda v, at=at: gradient(losses, v)[at], x)[at]) for at in entry]  # type: ignore[misc]
        except (RuntimeError, NotImplementedError, TypeError):
            return {}
        return {"hess": np.stack(columns, axis=axis)}

    # ---- arguments and results ----------------------------------------------------------------------------------------------

    def _pairs(self) -> list[tuple[str, str]]:
        """Name, or "" where the argument goes by its place; and what is given there."""
        parts = [part.strip().rpartition("=") for part in self.arguments.split(",")]
        pairs = [(name.strip(), word.strip()) for name, _, word in parts]
        if self.alpha is not None and all(word != "alpha" for _, word in pairs):
            pairs.append(("alpha", "alpha"))
        return pairs

    def _positional(self, x: Any, y: Any, gamma: float) -> list[Any]:
        given = {"logits": x, "targets": y, "gamma": gamma, "alpha": self.alpha}
        return [given[word] for name, word in self._pairs() if not name]

    def _named(self, x: Any, y: Any, gamma: float) -> dict[str, Any]:
        given = {"logits": x, "targets": y, "gamma": gamma, "alpha": self.alpha}
        return {name: given[word] for name, word in self._pairs() if name} | {
            name: self._array(value, x) for name, value in self.extra.items()
        }

    def _array(self, value: Any, x: Any) -> Any:
        """An option that is an array, in the framework's and in the logits' type."""
        if not isinstance(value, np.ndarray):
            return value
        return self.framework.arrays.asarray(value, str(x.dtype).rpartition(".")[2])

    def given(self, dtype: str, logits: Floats, targets: NDArray[Any]) -> tuple[Any, Any]:
        """Logits and targets in the framework's arrays, as the function takes them."""
        asarray = self.framework.arrays.asarray
        kind = self.targets or ("float" if self.link == "sigmoid" else "index")
        if kind == "one-hot":
            classes = logits.shape[1] if logits.ndim == 2 else 2
            targets = np.eye(classes)[targets.astype(np.int64)]
        if kind == "signs":
            targets = 2 * targets - 1
        if self.channels_first and logits.ndim == 2:
            logits, targets = logits.T[None], (targets.T if targets.ndim == 2 else targets)[None]
        integers = "int64" if self.framework.arrays.name.startswith(("torch", "numpy")) else "int32"
        return asarray(np.ascontiguousarray(logits), dtype), asarray(targets, integers if kind == "index" else dtype)

    def _plain(self, quantity: str, result: Floats, due: tuple[int, ...]) -> Floats:
        """A result in the layout of the logits as they are kept here."""
        if self.reduction != "none" and quantity == "value" and result.shape == ():
            result = result.reshape(1)
        if self.channels_first and result.ndim == len(due) + 1:
            result = result[0].T
        if result.shape != due:
            hint = "; where the function reduces, say reduction='mean' or 'sum'" if result.shape == () else ""
            raise TypeError(f"{quantity}: got shape {result.shape}; expected {due}{hint}")
        return result


def _real(result: Any, to_numpy: Callable[[Any], Floats]) -> Floats:
    """A result in float64; complex numbers, words and nothing at all are none."""
    kind = str(getattr(result, "dtype", ""))
    if result is None or "complex" in kind or kind == "object":
        raise TypeError(f"got {'nothing' if result is None else kind}; expected real numbers")
    array = result if isinstance(result, np.ndarray) and result.dtype == np.float64 else np.asarray(to_numpy(result))
    if array.dtype.kind not in "fiu":
        raise TypeError(f"got {array.dtype}; expected real numbers")
    return array

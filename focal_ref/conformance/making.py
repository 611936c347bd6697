"""Making: classes and objects that have a γ of their own, called for each γ like a function of it.

An `nn.Module` or its class, a Keras loss, a flax or equinox module, any class whose `__init__` takes a γ.
"""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from ..losses.members import with_gamma as with_gamma_of
from ..mathematics.kernel import Kernel

__all__ = ["GAMMAS", "alpha_of", "gamma_of", "has_gamma", "made", "options_of", "order_of", "parameters", "with_gamma"]

LOGITS = {
    *("logits", "logit", "inputs", "input", "x", "pred", "preds", "prediction", "predictions", "y_pred", "outputs", "output"),
    *("scores", "margins", "yhat", "y_hat", "raw", "approxes", "approx"),
}
TARGETS = {"targets", "target", "labels", "label", "y", "y_true", "true", "gt", "ground_truth", "t", "truth"}
GAMMAS = ("gamma", "focusing", "focus", "gamma_", "focal_gamma", "focusing_parameter", "g", "gam", "power", "exponent")
REDUCES = ("mean", "sum", "sum_over_batch_size", "auto", "mean_with_sample_weight", "batchmean", "elementwise_mean")
CALLS = ("forward", "call", "__call__")


def parameters(fn: Any) -> dict[str, inspect.Parameter]:
    """Of a signature, where there is one."""
    try:
        return dict(inspect.signature(fn).parameters)
    except (TypeError, ValueError):
        return {}


def gamma_of(names: Mapping[str, Any]) -> str | None:
    """The name of γ among others."""
    return next((name for name in GAMMAS if name in names), None)


def alpha_of(fn: Any) -> float | None:
    """The α that a function has by default, or an object has for its own; None where it declares none that is a number."""
    parameter = parameters(fn).get("alpha")
    own = getattr(fn, "alpha", None) if parameter is None else parameter.default
    return float(own) if isinstance(own, (int, float)) and not isinstance(own, bool) and own >= 0 else None


def order_of(names: list[str]) -> bool | None:
    """Whether the targets come first, by the names; None where they do not say."""
    if len(names) < 2:
        return None
    first, second = names[0].lower(), names[1].lower()
    if first in TARGETS and second in LOGITS:
        return True
    return False if first in LOGITS or second in TARGETS else None


def _swapped(kind: type) -> bool:
    """Whether the method that is called takes targets first."""
    for name in CALLS:
        method = vars(kind).get(name) or next((vars(base)[name] for base in kind.__mro__[1:] if name in vars(base)), None)
        names = [n for n, p in parameters(method).items() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)][1:]
        order = order_of(names) if inspect.isfunction(method) else None
        if order is not None:
            return order
    return False


def _caller(thing: Any) -> Callable[..., Any]:
    """Calls an object; a flax module by `apply`, without variables."""
    if any(base.__module__.startswith("flax.linen") for base in type(thing).__mro__):
        return lambda *arguments: thing.apply({}, *arguments)
    return thing  # type: ignore[no-any-return]


def _in_order(thing: Any, logits: Any, targets: Any, *, swapped: bool, **named: Any) -> Any:
    return _caller(thing)(*((targets, logits) if swapped else (logits, targets)), **named)


def options_of(fn: Any) -> set[str]:
    """What can be said to a function by name, to a class where it is made or called, or be set on an object with a γ."""
    names = set(parameters(fn))
    if inspect.isclass(fn):
        return names | _of_call(fn)
    return names | (_of_call(type(fn)) | set(_held(fn)) if has_gamma(fn) else set())


def _of_call(kind: type) -> set[str]:
    """The names of the arguments of the method that is called."""
    for name in CALLS:
        method = vars(kind).get(name) or next((vars(base)[name] for base in kind.__mro__[1:] if name in vars(base)), None)
        names = {n for n, p in parameters(method).items() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}
        if inspect.isfunction(method) and len(names) > 1:
            return names
    return set()


def _kept(make: Callable[..., Any]) -> Callable[..., Any]:
    """An object is made once for each γ and options; where these are arrays, for each call."""
    cached = functools.cache(make)

    def kept(gamma: float, options: Mapping[str, Any]) -> Any:
        items = tuple((name, tuple(value) if isinstance(value, list) else value) for name, value in sorted(options.items()))
        try:
            hash(items)
        except TypeError:
            return make(gamma, items)
        return cached(gamma, items)

    return kept


def made(kind: type, reduction: str = "none") -> tuple[Callable[..., Any], str, bool]:
    """Of a class: an object of it for each γ; what to say of that; and whether it takes a γ.

    What is said by name goes where it is made, or else where it is called; `reduction`: what it is made to reduce to.
    """
    names = parameters(kind)
    gamma_name, swapped = gamma_of(names), _swapped(kind)
    reduces = {"reduction": reduction} if "reduction" in names else {}

    @_kept
    def make(gamma: float, options: tuple[tuple[str, Any], ...]) -> Any:
        given = {} if gamma_name is None else {gamma_name: gamma}
        return kind(**reduces, **given, **dict(options))

    def call(logits: Any, targets: Any, gamma: float = 0.0, **options: Any) -> Any:
        late = {name: value for name, value in options.items() if name not in names and name in _of_call(kind)}
        early = {name: value for name, value in options.items() if name not in late}
        return _in_order(make(gamma, early), logits, targets, swapped=swapped, **late)

    how = "made for each γ" if gamma_name else "made"
    order = "(targets, logits)" if swapped else "(logits, targets)"
    return _named(call, kind), f"{kind.__name__} is {how}, and called with {order}", gamma_name is not None


def has_gamma(fn: Any) -> bool:
    """Whether an object has a γ of its own."""
    plain = inspect.isfunction(fn) or inspect.isbuiltin(fn) or inspect.ismethod(fn) or isinstance(fn, functools.partial)
    return not plain and _own(fn) is not None and gamma_of(parameters(fn)) is None


def _own(thing: Any) -> str | None:
    """The name of its γ, or of the kernel that has it: of an attribute, or of a module's buffer or parameter."""
    kernel = getattr(thing, "kernel", None)
    return gamma_of(_held(thing)) or ("kernel" if isinstance(kernel, Kernel) and "gamma" in kernel.parameters else None)


def _held(thing: Any) -> dict[str, Any]:
    """What an object has of its own: attributes, and a module's buffers and parameters."""
    parts = (getattr(thing, name, None) for name in ("_buffers", "_parameters", "__dict__"))
    return {name: value for part in parts if isinstance(part, Mapping) for name, value in part.items()}


def with_gamma(thing: Any, *, reduces: bool = False) -> tuple[Callable[..., Any], str]:
    """An object that has a γ: a copy with each γ; and what to say of that.

    What is said by name it is called with, or else has it set. It is made unreduced where it says what it reduces to, but
    where it was said that it `reduces`.
    """
    gamma_name, swapped = _own(thing), _swapped(type(thing))
    assert gamma_name is not None

    @_kept
    def make(gamma: float, options: tuple[tuple[str, Any], ...]) -> Any:
        other = _with(thing, gamma_name, gamma)
        if not reduces and getattr(other, "reduction", None) in REDUCES:
            other = _with(other, "reduction", "none")
        for name, value in options:
            if name not in _held(thing):
                raise TypeError(f"{type(thing).__name__} has no {name}, neither an attribute nor an argument")
            other = _with(other, name, value)
        return other

    def call(logits: Any, targets: Any, gamma: float, **options: Any) -> Any:
        late = {name: value for name, value in options.items() if name in _of_call(type(thing))}
        early = {name: value for name, value in options.items() if name not in late}
        return _in_order(make(gamma, early), logits, targets, swapped=swapped, **late)

    order = "(targets, logits)" if swapped else "(logits, targets)"
    return _named(call, type(thing)), f"its γ is set for each call of {type(thing).__name__} with {order}"


def _with(thing: Any, name: str, value: Any) -> Any:
    """A copy whose attribute is another; frozen ones have it replaced, a tensor is filled, and a kernel has its γ replaced."""
    held = getattr(thing, name)
    value = with_gamma_of(held, value) if isinstance(held, Kernel) else value
    if hasattr(held, "fill_"):
        other = copy.deepcopy(thing)
        getattr(other, name).data.fill_(value)
        return other
    if hasattr(thing, "clone") and hasattr(thing, "apply") and not hasattr(thing, "_buffers"):
        return thing.clone(**{name: value})
    other = copy.copy(thing)
    try:
        setattr(other, name, value)
    except AttributeError:  # of a frozen dataclass
        object.__setattr__(other, name, value)
    return other


def _named(call: Callable[..., Any], kind: type) -> Callable[..., Any]:
    call.__module__, call.__qualname__, call.__name__ = kind.__module__, kind.__qualname__, kind.__name__
    return call

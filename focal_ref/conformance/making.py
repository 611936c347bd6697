"""Making: classes and objects that have a γ of their own, called for each γ like a function of it.

An `nn.Module` or its class, a Keras loss, a flax or equinox module, any class whose `__init__` takes a γ.
"""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["GAMMAS", "alpha_of", "gamma_of", "has_gamma", "made", "order_of", "parameters", "with_gamma"]

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


def _in_order(thing: Any, logits: Any, targets: Any, *, swapped: bool) -> Any:
    return _caller(thing)(*((targets, logits) if swapped else (logits, targets)))


def made(kind: type) -> tuple[Callable[..., Any], str, bool]:
    """Of a class: an object of it for each γ; what to say of that; and whether it takes a γ."""
    names = parameters(kind)
    gamma_name, swapped = gamma_of(names), _swapped(kind)
    options = {"reduction": "none"} if "reduction" in names else {}

    @functools.cache
    def make(gamma: float, alpha: Any) -> Any:
        given = {} if gamma_name is None else {gamma_name: gamma}
        return kind(**options, **given, **({} if alpha is None else {"alpha": alpha}))

    def call(logits: Any, targets: Any, gamma: float = 0.0, alpha: Any = None) -> Any:
        thing = make(gamma, tuple(alpha) if isinstance(alpha, list) else alpha)
        return _in_order(thing, logits, targets, swapped=swapped)

    how = "made for each γ" if gamma_name else "made"
    order = "(targets, logits)" if swapped else "(logits, targets)"
    return _named(call, kind), f"{kind.__name__} is {how}, and called with {order}", gamma_name is not None


def has_gamma(fn: Any) -> bool:
    """Whether an object has a γ of its own."""
    plain = inspect.isfunction(fn) or inspect.isbuiltin(fn) or inspect.ismethod(fn) or isinstance(fn, functools.partial)
    return not plain and _own(fn) is not None and gamma_of(parameters(fn)) is None


def _own(thing: Any) -> str | None:
    """The name of its γ: of an attribute, or of a module's buffer or parameter."""
    held = {**getattr(thing, "_buffers", {}), **getattr(thing, "_parameters", {}), **getattr(thing, "__dict__", {})}
    return gamma_of(held)


def with_gamma(thing: Any) -> tuple[Callable[..., Any], str]:
    """An object that has a γ: a copy with each γ, unreduced where it says what it reduces to; and what to say of that."""
    gamma_name, swapped = _own(thing), _swapped(type(thing))
    assert gamma_name is not None

    @functools.cache
    def make(gamma: float) -> Any:
        other = _with(thing, gamma_name, gamma)
        if getattr(other, "reduction", None) in REDUCES:
            other = _with(other, "reduction", "none")
        return other

    def call(logits: Any, targets: Any, gamma: float) -> Any:
        return _in_order(make(gamma), logits, targets, swapped=swapped)

    order = "(targets, logits)" if swapped else "(logits, targets)"
    return _named(call, type(thing)), f"its γ is set for each call of {type(thing).__name__} with {order}"


def _with(thing: Any, name: str, value: Any) -> Any:
    """A copy whose attribute is another; frozen ones have it replaced, and a tensor is filled."""
    held = getattr(thing, name)
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

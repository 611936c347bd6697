"""Getting in is one line: the framework, the order of arguments and what has to be made first.

A function is looked at (its parameters' names, its globals) and tried on a few points. What was found is said in a line, and
anything that the caller says goes before it.
"""

from __future__ import annotations

import copy
import functools
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from ..libraries import backends, frameworks
from ..libraries.frameworks import Framework
from .candidate import ARGUMENTS, Subject
from .guard import Refused, contained

__all__ = ["Adapted", "adapted", "path_of"]

LOGITS = {
    "logits",
    "logit",
    "inputs",
    "input",
    "x",
    "pred",
    "preds",
    "prediction",
    "predictions",
    "y_pred",
    "outputs",
    "scores",
}
TARGETS = {"targets", "target", "labels", "label", "y", "y_true", "true", "gt", "ground_truth", "t"}
GAMMAS = ("gamma", "focusing", "focus", "gamma_", "focal_gamma", "focusing_parameter", "g")
TRIED = ("numpy", "torch", "jax", "cupy")


class Adapted(NamedTuple):
    """A function as `Subject` takes it."""

    fn: Callable[..., Any]
    framework: Framework
    how: dict[str, Any]
    called: str
    """What was found out, in a line; "" where nothing had to be."""


def adapted(fn: Any, link: str, framework: str | Framework | None, how: Mapping[str, Any]) -> Adapted:
    """The function to call, the framework, and how to call it.

    Parameters
    ----------
    fn : callable or class
        A function; an object with a γ of its own, such as an `nn.Module`; or a class that is made with a γ.
    link : {"sigmoid", "softmax"}
    framework : str, Framework or None
        None: found from what the function's module, globals and annotations are made of, and by trying.
    how : mapping
        What the caller says of arguments and reduction.
    """
    options, told = dict(how), []
    called = fn
    if "arguments" not in options:
        if inspect.isclass(fn):
            called = _made(fn)
            told.append(f"{fn.__name__} is made for each γ, and called with (logits, targets)")
        elif _has_gamma(fn):
            called = _with_gamma(fn)
            told.append(f"its γ is set for each call of {type(fn).__name__} with (logits, targets)")
        else:
            found = _arguments(fn)
            if found is not None and found != ARGUMENTS:
                options["arguments"] = found
                told.append(f"called with ({found})")
    if "reduction" not in options and called is fn and _reduces(fn):
        called = functools.update_wrapper(functools.partial(fn, reduction="none"), fn)
        told.append("reduction='none' is asked for")
    if framework is not None:
        return Adapted(called, frameworks.get(framework), options, "; ".join(told))
    name, tried = _framework(called, fn, link, options)
    if tried:
        told.append(f"framework {name}, for it takes no NumPy arrays: --framework {name}")
    return Adapted(called, frameworks.get(name), options, "; ".join(told))


# ---- what is called ---------------------------------------------------------------------------------------------------------


def _parameters(fn: Any) -> dict[str, inspect.Parameter]:
    try:
        return dict(inspect.signature(fn).parameters)
    except (TypeError, ValueError):
        return {}


def _gamma_of(names: Mapping[str, Any]) -> str | None:
    return next((name for name in GAMMAS if name in names), None)


def _made(kind: type) -> Callable[..., Any]:
    """A class: an object of it for each γ."""
    names = _parameters(kind)
    gamma_name = _gamma_of(names)
    options = {"reduction": "none"} if "reduction" in names else {}

    @functools.cache
    def make(gamma: float, alpha: Any) -> Any:
        given = {} if gamma_name is None else {gamma_name: gamma}
        return kind(**options, **given, **({} if alpha is None else {"alpha": alpha}))

    def call(logits: Any, targets: Any, gamma: float, alpha: Any = None) -> Any:
        return make(gamma, tuple(alpha) if isinstance(alpha, list) else alpha)(logits, targets)

    return _named(call, kind)


def _has_gamma(fn: Any) -> bool:
    plain = inspect.isfunction(fn) or inspect.isbuiltin(fn) or inspect.ismethod(fn) or isinstance(fn, functools.partial)
    return not plain and _gamma_of(getattr(fn, "__dict__", {})) is not None and _gamma_of(_parameters(fn)) is None


def _with_gamma(made: Any) -> Callable[..., Any]:
    """An object that has a γ: a shallow copy with each γ, unreduced where it says what it reduces to."""
    gamma_name = _gamma_of(made.__dict__)
    assert gamma_name is not None

    @functools.cache
    def make(gamma: float) -> Any:
        other = copy.copy(made)
        setattr(other, gamma_name, gamma)
        if getattr(other, "reduction", None) in ("mean", "sum"):
            other.reduction = "none"
        return other

    def call(logits: Any, targets: Any, gamma: float) -> Any:
        return make(gamma)(logits, targets)

    return _named(call, type(made))


def _named(call: Callable[..., Any], kind: type) -> Callable[..., Any]:
    call.__module__, call.__qualname__, call.__name__ = kind.__module__, kind.__qualname__, kind.__name__
    return call


def _arguments(fn: Any) -> str | None:
    """Order and names, by those of the parameters; None where they say nothing."""
    names = [name for name, p in _parameters(fn).items() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if len(names) < 2:
        return None
    swapped = names[0].lower() in TARGETS and names[1].lower() in LOGITS
    gamma = _gamma_of(_parameters(fn))
    head = "targets, logits" if swapped else "logits, targets"
    if gamma is None:
        return head if swapped else None
    return f"{head}, {gamma}=gamma"


def _reduces(fn: Any) -> bool:
    parameter = _parameters(fn).get("reduction")
    return parameter is not None and parameter.default in ("mean", "sum")


# ---- the framework ----------------------------------------------------------------------------------------------------------


def _framework(called: Callable[..., Any], fn: Any, link: str, how: Mapping[str, Any]) -> tuple[str, bool]:
    """Its name, and whether it was found by trying."""
    first = next(_hints(fn), None)
    if first is not None:
        return first, False
    guess = frameworks.guessed(fn) if callable(fn) else "numpy"
    for name in dict.fromkeys(("numpy", guess, *TRIED)):
        if importlib.util.find_spec(name) is not None and _works(called, link, name, how):
            return name, name not in ("numpy", guess)
    return "numpy", False


def _hints(fn: Any) -> Iterator[str]:
    """Frameworks that the function's own globals and annotations are of, or its class comes from."""
    plain = inspect.unwrap(fn) if callable(fn) else fn
    kinds = plain.__mro__ if inspect.isclass(plain) else type(plain).__mro__
    roots = {kind.__module__.partition(".")[0] for kind in kinds}
    names = set(getattr(getattr(plain, "__code__", None), "co_names", ()))
    for name, value in getattr(plain, "__globals__", {}).items():
        if name in names:
            roots.add(str(getattr(value, "__module__", None) or getattr(value, "__name__", "")).partition(".")[0])
    for value in getattr(plain, "__annotations__", {}).values():
        text = value if isinstance(value, str) else str(getattr(value, "__module__", ""))
        roots.add(text.partition(".")[0])
    yield from (name for name in TRIED[1:] if name in roots)


def _works(called: Callable[..., Any], link: str, name: str, how: Mapping[str, Any]) -> bool:
    rng = np.random.default_rng(0)
    x = rng.normal(0, 1, (5, 3) if link == "softmax" else 5).round(3)
    known = {key: value for key, value in how.items() if key not in ("flushes", "order")}
    for dtype in ("float32", "float64"):
        try:
            subject = Subject(called, link, frameworks.get(name), None, **known)
            with contained():
                subject.raw(*subject.given(dtype, x, rng.integers(0, 2, 5)), 2.0)
        except (Refused, ValueError, TypeError, backends.Unavailable):
            continue
        return True
    return False


def path_of(fn: Any) -> str | None:
    """The file that a function was loaded from by its path."""
    module = sys.modules.get(str(getattr(fn, "__module__", "")))
    return getattr(module, "__focal_ref_path__", None)

"""Getting in is one line: the framework, the order of arguments, what has to be made first, and how it wants to be called.

A function is looked at (its parameters' names, its globals) and tried on a few points. What was found is said in a line, and
anything that the caller says goes before it.
"""

from __future__ import annotations

import functools
import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from ..conventions.rules import ALPHA
from ..libraries import backends, frameworks, origins
from ..libraries.frameworks import Framework
from .candidate import ARGUMENTS
from .guard import Refused
from .making import alpha_of, gamma_of, has_gamma, made, order_of, parameters, with_gamma
from .meaning import Factor
from .probing import SAME, Found, probed, split

__all__ = ["Adapted", "adapted", "path_of"]

TRIED = ("numpy", "torch", "jax", "cupy")


class Adapted(NamedTuple):
    """A function as `Subject` takes it."""

    fn: Callable[..., Any]
    framework: Framework
    how: dict[str, Any]
    derivative: Any
    called: str
    """What was found out, in a line; "" where nothing had to be."""
    gamma: float | None = None
    """What a function that takes none has."""
    factor: Factor | None = None
    """What the α puts on each loss that it has of its own."""
    score: int = 0
    """As of `Found`: 2: focal loss; 1: losses of the right shape; 0: refused."""


def adapted(
    fn: Any,
    link: str,
    framework: str | Framework | None,
    how: Mapping[str, Any],
    derivative: Any = "auto",
    *,
    gamma: float = 2.0,
    classes: int = 3,
) -> Adapted:
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
    derivative : "auto", callable or None
        As `check` has it.
    gamma : float
        To try it with.
    classes : int
        To try it with.
    """
    options, told = dict(how), list[str]()
    if "arguments" in options:
        options["ordered"], called = True, fn
    else:
        called = _looked_at(fn, options, told)
    if "reduction" not in options and called is fn and _reduces(fn):
        called = functools.update_wrapper(functools.partial(fn, reduction="none"), fn)
        options["reduction"] = "none"
        told.append("reduction='none' is asked for")
    chosen, found, tried = _framework(called, fn, link, framework, options, gamma, classes)
    options.pop("ordered", None)
    options |= found.changes
    told += found.told()
    if found.parts > 1:
        derivative = split(called, slice(1, None)) if derivative == "auto" else derivative
        called = split(called, 0)
    if tried:
        told.append(f"framework {chosen.arrays.name}, for it takes no NumPy arrays: --framework {chosen.arrays.name}")
    rule = _own_rule(fn, link, found.factors) if how.get("alpha") is None else None
    if rule is not None:
        alpha = alpha_of(fn)
        told.append(f"its α is {alpha:g}: {ALPHA[rule].text}")
        of = ALPHA[rule].of
        factor: Factor | None = lambda targets, classes: np.asarray(of(targets, alpha), dtype=np.float64)  # noqa: E731
    else:
        factor = None
    return Adapted(called, chosen, options, derivative, "; ".join(told), found.gamma, factor, found.score)


def _own_rule(fn: Any, link: str, factors: tuple[float, ...]) -> str | None:
    """What the α that a function declares does to its losses; None where it does nothing, or what no library's does."""
    alpha = alpha_of(fn)
    if alpha is None or not factors or all(abs(factor - 1) <= SAME for factor in factors):
        return None
    for rule in ("balance", "positives", "factor") if link == "sigmoid" else ("factor", "background"):
        due = np.broadcast_to(ALPHA[rule].of(np.arange(len(factors)), alpha), len(factors))
        if np.allclose(due, factors, rtol=SAME):
            return rule
    return None


def _looked_at(fn: Any, options: dict[str, Any], told: list[str]) -> Callable[..., Any]:
    """The function to call, by what can be seen of it; arguments by their names."""
    if inspect.isclass(fn):
        called, words, takes = made(fn, options.get("reduction", "none"))
        options |= {"ordered": True} if takes else {"arguments": "logits, targets", "ordered": True}
        told.append(words)
        return called
    if has_gamma(fn):
        called, words = with_gamma(fn, reduces=options.get("reduction", "none") != "none")
        options["ordered"] = True
        told.append(words)
        return called
    names = parameters(fn)
    plain = [name for name, p in names.items() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    swapped, gamma = order_of(plain), gamma_of(names)
    head = "targets, logits" if swapped else "logits, targets"
    anything = not names or any(p.kind is p.VAR_KEYWORD for p in names.values())
    found = f"{head}, {gamma}=gamma" if gamma else head if len(plain) > 1 and not anything else None
    options |= {"ordered": True} if swapped is not None else {}
    if found is not None and found != ARGUMENTS:
        options["arguments"] = found
        told.append(f"called with ({found})")
    return fn  # type: ignore[no-any-return]


def _reduces(fn: Any) -> bool:
    parameter = parameters(fn).get("reduction")
    return parameter is not None and parameter.default in ("mean", "sum")


# ---- the framework ----------------------------------------------------------------------------------------------------------


def _framework(
    called: Callable[..., Any],
    fn: Any,
    link: str,
    framework: str | Framework | None,
    how: Mapping[str, Any],
    gamma: float,
    classes: int,
) -> tuple[Framework, Found, bool]:
    """The framework, how the function is called in it, and whether it was found by trying."""
    first = framework if framework is not None else origins.hinted(fn)
    hint: tuple[Framework, Found, bool] | None = None
    if first is not None:
        chosen = frameworks.get(first)
        found = _found(called, link, chosen, how, gamma, classes)
        hint = chosen, found or Found({}, 0), False
        if framework is not None or found is None or found.score:
            return hint
    guess = frameworks.guessed(fn) if callable(fn) else "numpy"
    for name in ("numpy",) if hint else dict.fromkeys(("numpy", guess, *TRIED)):
        if importlib.util.find_spec(name) is None:
            continue
        try:
            chosen = frameworks.get(name)
        except backends.Unavailable:
            continue
        found = _found(called, link, chosen, how, gamma, classes)
        if found is None:
            break
        if found.score:
            own = _of_its_results(found, name, called, link, how, gamma, classes)
            return own or (chosen, found, name not in ("numpy", guess))
    return hint or (frameworks.get("numpy"), Found({}, 0), False)


def _of_its_results(found: Found, name: str, *given: Any) -> tuple[Framework, Found, bool] | None:
    """The framework whose arrays a function gives for another's, such as JAX's for NumPy's, where it is as good there."""
    if found.of in (None, name):
        return None
    try:
        chosen = frameworks.get(found.of)
    except backends.Unavailable:
        return None
    called, link, *others = given
    own = _found(called, link, chosen, *others)
    return (chosen, own, False) if own is not None and own.score >= found.score else None


def _found(*given: Any) -> Found | None:
    """None where a call takes too long: the others are spared it."""
    try:
        return probed(*given)
    except Refused:
        return None


def path_of(fn: Any) -> str | None:
    """The file that a function was loaded from by its path."""
    module = sys.modules.get(str(getattr(fn, "__module__", "")))
    return getattr(module, "__focal_ref_path__", None)

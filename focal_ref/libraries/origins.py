"""Origin of a function: the framework that it is made of, by what it, and what it calls, is made of; and that of an array."""

from __future__ import annotations

import dis
import functools
import inspect
import os
import types
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

__all__ = ["hinted", "of_result"]

FRAMEWORKS = ("torch", "jax", "cupy")
"""In this order, where a function names several."""
ROOTS: Mapping[str, str] = {
    **dict.fromkeys(("torch", "torchvision", "kornia", "transformers", "timm", "monai", "focal_ref_torch"), "torch"),
    **dict.fromkeys(("jax", "jaxlib", "optax", "flax", "equinox", "haiku", "chex", "focal_ref_jax"), "jax"),
    **dict.fromkeys(("cupy", "cupyx"), "cupy"),
}
"""Frameworks by the packages that are of them."""
CALLS = ("forward", "call", "__call__")
MOST = 200
"""Functions that are looked at: a function's helpers are near."""


def hinted(fn: Any) -> str | None:
    """The framework that a function is made of: "torch", "jax", "cupy"; None where nothing says it.

    Decorators are looked through, and the functions that it calls are looked into as far as they are of the same file or lie
    beside it. What its module imports and it does not use says nothing.

    Parameters
    ----------
    fn : callable or class
        A function, a class, or an object.

    Examples
    --------
    >>> hinted(lambda logits, targets, gamma: logits) is None
    True
    """
    level, seen, folder = [fn], set[int](), None
    while level and len(seen) < MOST:
        parts = [part for thing in level for part in _unwrapped(thing)]
        parts = [part for part in {id(part): part for part in parts}.values() if id(part) not in seen]
        seen |= {id(part) for part in parts}
        found: set[str] = set()
        below: list[Any] = []
        for part in parts:
            mine = _folder(part)
            folder = mine if folder is None else folder
            if mine is not None and mine != folder:
                continue
            for root, thing in _used(part):
                found |= {ROOTS[root]} if root in ROOTS else set()
                below += [thing] if root not in ROOTS and _has_code(thing) else []
        if found:
            return next(name for name in FRAMEWORKS if name in found)
        level = below
    return None


def of_result(result: Any) -> str | None:
    """The framework of an array, or of the first of several; None where it is of none of them.

    Examples
    --------
    >>> import numpy as np
    >>> of_result(np.ones(3)) is None
    True
    """
    first = result[0] if isinstance(result, (tuple, list)) and result else result
    return next((ROOTS[root] for root in map(_root, type(first).__mro__) if root in ROOTS), None)


# ---- what a thing is made of ------------------------------------------------------------------------------------------------


def _root(thing: Any) -> str:
    name = getattr(thing, "__name__", "") if inspect.ismodule(thing) else getattr(thing, "__module__", "")
    return str(name).partition(".")[0] if isinstance(name, str) else ""


def _unwrapped(thing: Any) -> Iterator[Any]:
    """A thing and what it wraps, to the bottom: partials, decorators, methods."""
    seen: set[int] = set()
    while id(thing) not in seen:
        seen.add(id(thing))
        yield thing
        if isinstance(thing, functools.partial):
            yield from (*thing.args, *thing.keywords.values())
            thing = thing.func
        elif inspect.ismethod(thing):
            yield thing.__self__
            thing = thing.__func__
        else:
            thing = _attribute(thing, "__wrapped__", thing)


def _attribute(thing: Any, name: str, instead: Any) -> Any:
    """An attribute; whatever a thing of somebody else's raises, it has none."""
    try:
        return getattr(thing, name, instead)
    except Exception:  # a class may do anything where it is asked for an attribute
        return instead


def _code(thing: Any) -> types.CodeType | None:
    code = _attribute(thing, "__code__", None)
    return code if isinstance(code, types.CodeType) else None


def _has_code(thing: Any) -> bool:
    return any(_code(part) is not None for part in _unwrapped(thing)) or inspect.isclass(thing)


def _folder(thing: Any) -> str | None:
    """Where a function lies, which its helpers lie beside; None of what is no function."""
    code = _code(thing)
    return None if code is None else os.path.dirname(code.co_filename)


def _used(thing: Any) -> Iterator[tuple[str, Any]]:
    """What a thing is made of, with the package that each is of: its classes, and all that its code names."""
    kinds = thing.__mro__ if inspect.isclass(thing) else type(thing).__mro__
    yield from ((_root(kind), None) for kind in kinds)
    code = _code(thing)
    if code is None:
        for kind in kinds if _root(kinds[0]) not in ("builtins", "numpy", "functools") else ():
            yield from _of_class(kind)
        return
    names = set(_names(code))
    yield from ((name.partition(".")[0], None) for name in _imported(code))
    for value in (*_held(thing), *_named(_attribute(thing, "__globals__", {}), names)):
        yield _root(value) or _root(type(value)), value
        if inspect.ismodule(value) and _root(value) not in ROOTS:  # helpers.log_p: what is taken of the module
            yield from ((_root(part), part) for part in _named(vars(value), names) if not inspect.ismodule(part))
    for value in _attribute(thing, "__annotations__", {}).values():
        yield value.partition(".")[0] if isinstance(value, str) else _root(value), None


def _of_class(kind: type) -> Iterator[tuple[str, Any]]:
    """The methods by which objects are called, and those that they call."""
    own = {name: value for name, value in vars(kind).items() if inspect.isfunction(value)}
    todo, seen = [name for name in CALLS if name in own], set[str]()
    while todo:
        name = todo.pop()
        seen.add(name)
        yield _root(kind), own[name]
        todo += [other for other in _names(own[name].__code__) if other in own and other not in seen]


def _held(fn: Any) -> Iterator[Any]:
    """A function's defaults, and what it keeps of the functions around it."""
    yield from _attribute(fn, "__defaults__", None) or ()
    yield from (_attribute(fn, "__kwdefaults__", None) or {}).values()
    for cell in _attribute(fn, "__closure__", None) or ():
        try:
            yield cell.cell_contents
        except ValueError:  # it is not filled yet
            continue


def _named(space: Mapping[str, Any], names: Iterable[str]) -> Iterator[Any]:
    yield from (space[name] for name in names if name in space)


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    """The code of a function, and of those inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


def _names(code: types.CodeType) -> Iterator[str]:
    for part in _codes(code):
        yield from part.co_names


def _imported(code: types.CodeType) -> Iterator[str]:
    """The modules that a function imports where it runs."""
    for part in _codes(code):
        yield from (str(step.argval) for step in dis.get_instructions(part) if step.opname == "IMPORT_NAME")

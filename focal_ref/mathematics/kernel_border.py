"""Border of a kernel: what a subclass says is looked at when it is made, and what its functions return when they are called.

A kernel is written outside of this package; a slip in it is said by the class's and function's name, with the cure.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from .margin import Jet

__all__ = ["declared", "guarded"]

ASKED = ("label", "z")
TAKEN = ("p", "u", "nll", "xp", "margin", "order", "x", "y", "carry", "formula", "by", "weight", "name", "source", *ASKED)
"""What functions are handed beside parameters, and what a class says of itself."""


def declared(cls: Any) -> dict[str, Any]:
    """The parameters of a subclass that has just become a dataclass.

    Raises
    ------
    TypeError, ValueError
        Where a field isn't made by `parameter`, has a name that is taken or no range; or `by_parameter` or `asks` name what
        isn't there.
    """
    found: dict[str, Any] = {}
    for field in dataclasses.fields(cls):
        entry = field.metadata.get("parameter")
        at = f"{cls.__name__}.{field.name}"
        if entry is None:
            raise TypeError(f"{at}: got {field.default!r}; expected parameter({field.default!r})")
        if field.name in (*TAKEN, *dir(cls.__mro__[-2])):
            raise ValueError(f"{at}: kernels have something else by that name; expected another one")
        if not entry.low <= entry.default <= entry.high:
            raise ValueError(f"{at}: got default {entry.default!r}; expected a number in [{entry.low!r}, {entry.high!r}]")
        found[field.name] = entry
    for what, names, among in (("by_parameter", cls.by_parameter, found), ("asks", cls.asks, ASKED)):
        if other := [name for name in names if name not in among]:
            raise ValueError(f"{cls.__name__}.{what}: got {', '.join(map(repr, other))}; expected {_listed(among)}")
    return found


def guarded(cls: Any) -> None:
    """A subclass's own `jet` and `definition`, called by the right names, and its jets looked at.

    Raises
    ------
    TypeError
        Where one is no static method, or takes other parameters than the fields.
    """
    for name, leading in (("jet", ("xp", "margin", "order")), ("definition", ("p", "u", "nll"))):
        if name not in vars(cls):
            continue
        own = vars(cls)[name]
        expected = f"@staticmethod def {name}({', '.join((*leading, *cls.parameters))})"
        if not isinstance(own, staticmethod):
            raise TypeError(f"{cls.__name__}.{name}: got no static method; expected {expected}")
        asked = dict.fromkeys((*cls.parameters, *(cls.asks if name == "definition" else ())), 0.0)
        try:
            inspect.signature(own.__func__).bind(*leading, **asked)
        except TypeError as error:
            raise TypeError(f"{cls.__name__}.{name}: {error}; expected {expected}") from None
    if "jet" in vars(cls):
        cls.jet = staticmethod(_looked_at(cls, cls.jet))


def _looked_at(cls: type, jet: Callable[..., Jet]) -> Callable[..., Jet]:
    """A jet with as many derivatives as are asked for."""

    @functools.wraps(jet)
    def looked_at(xp: Any, margin: Any, order: int, *values: Any, **parameters: Any) -> Jet:
        found = jet(xp, margin, order, *values, **parameters)
        if not isinstance(found, Jet):
            raise TypeError(f"{cls.__name__}.jet: got {type(found).__name__}; expected Jet(value, slope, curvature)")
        if (order > 0 and found.slope is None) or (order > 1 and found.curvature is None):
            raise ValueError(f"{cls.__name__}.jet: got {_given(found)} for order {order}; expected φ and {order} derivatives")
        return found

    return looked_at


def _given(jet: Jet) -> str:
    return f"Jet({', '.join(name for name in jet._fields if getattr(jet, name) is not None)})"


def _listed(names: Mapping[str, Any] | tuple[str, ...]) -> str:
    return f"names among {', '.join(map(repr, names))}" if names else "none, for there are no parameters"

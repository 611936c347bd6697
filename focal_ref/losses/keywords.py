"""Keywords that a constructor or function has not: refused with the likeliest that it has."""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Sequence
from typing import Any, TypeVar

__all__ = ["hinted", "unknown"]

T = TypeVar("T")


def hinted(cls: type[T]) -> type[T]:
    """A class whose refusal of an unknown keyword names the one that is meant.

    Examples
    --------
    >>> import focal_ref as fr
    >>> fr.SigmoidFocalLoss(gama=2.0)
    Traceback (most recent call last):
    TypeError: SigmoidFocalLoss: got an argument 'gama'; expected gamma
    """
    own: Any = cls.__init__

    @functools.wraps(own)
    def init(self: Any, *given: Any, **named: Any) -> None:
        try:
            own(self, *given, **named)
        except TypeError:
            names = [*inspect.signature(own).parameters][1:]
            others = [name for name in named if name not in names]
            if not others:
                raise
            raise unknown(type(self).__name__, others[0], names) from None

    setattr(cls, "__init__", init)  # noqa: B010
    return cls


def unknown(of: str, came: str, names: Sequence[str]) -> TypeError:
    """The refusal of a keyword, by the nearest name that there is; where none is near, by all of them."""
    near = difflib.get_close_matches(came, names, n=1)
    expected = near[0] if near else f"one of {', '.join(names)}"
    return TypeError(f"{of}: got an argument {came!r}; expected {expected}")

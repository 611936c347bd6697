"""Keywords that a constructor has not: refused with the likeliest that it has."""

from __future__ import annotations

import difflib
import functools
import inspect
from typing import Any, TypeVar

__all__ = ["hinted"]

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
            unknown = [name for name in named if name not in names]
            if not unknown:
                raise
            near = difflib.get_close_matches(unknown[0], names, n=1)
            expected = near[0] if near else f"one of {', '.join(names)}"
            raise TypeError(f"{type(self).__name__}: got an argument {unknown[0]!r}; expected {expected}") from None

    setattr(cls, "__init__", init)  # noqa: B010
    return cls

"""Functions that are named on the command line, loaded inside the guard, since importing runs the user's code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..conformance.guard import contained, told
from ..conformance.loading import named
from .parser import Parser

__all__ = ["loaded"]


def loaded(parser: Parser, what: str, text: str, *, called: bool = True) -> Callable[..., Any]:
    """The function that a text names; where there is none the command ends with status 2.

    Parameters
    ----------
    parser : Parser
        Whose error it is.
    what : str
        The argument, as it is called in the error.
    text : str
        "package.module:function", or "file.py:function".
    called : bool
        Whether it has to be callable; an object with methods need not be.
    """
    try:
        with contained():
            found: Any = named(text, called=called)
    except Exception as error:  # importing runs the user's file, which may raise anything
        expected = "package.module:function, or file.py:function"
        parser.error(f"argument {what}: got {text!r}; expected {expected} ({told(error)})")
    result: Callable[..., Any] = found
    return result

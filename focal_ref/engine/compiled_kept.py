"""A loop that its caller keeps: found once, then handed addresses, for calls of few entries that come by the ten thousand.

What `run` asks of its arguments anew each time takes five times as long as a loop over 500 entries.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from . import choice
from .compiled_build import NotBuiltError, address
from .compiled_launch import _made, _number, _results
from .compiled_layout import type_name
from .compiled_text import Cell

__all__ = ["Kept", "kept"]

Kept: TypeAlias = Callable[[Sequence[NDArray[Any]], Sequence[NDArray[Any]]], None]


def kept(program: Any, arguments: Sequence[Any], outputs: Sequence[tuple[str, Any]]) -> Kept | None:
    """A program's loop over entries.

    Parameters
    ----------
    program : functools.partial
        Of a program and its plan: `program(xp, *arguments)`.
    arguments : sequence
        Arrays, as examples of their types; Python numbers, which are kept; or None.
    outputs : sequence of (str, dtype)
        `ROW` and the type of each result.

    Returns
    -------
    callable or None
        Of the arrays among the arguments, and of the arrays that results are written to: all of those types and of one length,
        their entries one after another. None where NumPy's arrays don't run as compiled loops.
    """
    if not choice.is_compiled():
        return None
    plan = program.keywords["plan"]
    given = [
        None if a is None else Cell(type_name(a.dtype), "each") if isinstance(a, np.ndarray) else _number(float(a), i, plan)
        for i, a in enumerate(arguments)
    ]
    cells = _results(outputs, (False,) * len(outputs))
    try:
        call = _made(program.func, plan, tuple(given), cells, (False,) * len(outputs), "elements", arguments[0].dtype).call
    except NotBuiltError as error:
        choice.give_up(error)
        return None
    # A number's own value, or a place for an array's address.
    sent = [None if isinstance(a, np.ndarray) else float(a) for a, told in zip(arguments, given, strict=True) if _is_sent(told)]

    def run(arrays: Sequence[NDArray[Any]], results: Sequence[NDArray[Any]]) -> None:
        places = map(address, arrays)
        call(1, len(arrays[0]), *(next(places) if a is None else a for a in sent), *map(address, results), 0)

    return run


def _is_sent(told: Any) -> bool:
    """Whether the loop is handed an argument, and hasn't got it written into it."""
    return told is not None and not isinstance(told, float)

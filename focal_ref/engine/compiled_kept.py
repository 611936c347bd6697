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
from .compiled_launch import _number, _results, loop_of
from .compiled_layout import type_name
from .compiled_text import Cell
from .numpy_blocks import ROW
from .untraced import UntracedError, is_untraced, pass_over

__all__ = ["Kept", "kept"]

Kept: TypeAlias = Callable[[Sequence[NDArray[Any]]], NDArray[np.float64]]

_FLOAT64 = np.dtype(np.float64)


def kept(program: Any, arguments: Sequence[Any], results: int) -> Kept | None:
    """A program's loop over entries.

    Parameters
    ----------
    program : functools.partial
        Of a program and its plan: `program(xp, *arguments)`.
    arguments : sequence
        Arrays, as examples of their types; Python numbers, which are kept; or None.
    results : int
        How many results the program has.

    Returns
    -------
    callable or None
        Of the arrays among the arguments, of those types and of one length, which isn't 0, their entries one after another; it
        returns the results as rows of float64. None where NumPy's arrays don't run as compiled loops.
    """
    if not choice.is_compiled() or is_untraced(program):
        return None
    plan = program.keywords["plan"]
    given = [
        None if a is None else Cell(type_name(a.dtype), "each") if isinstance(a, np.ndarray) else _number(float(a), i, plan)
        for i, a in enumerate(arguments)
    ]
    no_sums = (False,) * results
    cells = _results([(ROW, _FLOAT64)] * results, no_sums)
    try:
        call = loop_of(program.func, plan, tuple(given), cells, no_sums, "elements", _FLOAT64).call
    except NotBuiltError as error:
        choice.give_up(error)
        return None
    except UntracedError as error:
        pass_over(error)
        return None
    # A number's own value, or a place for an array's address.
    sent = [None if isinstance(a, np.ndarray) else float(a) for a, told in zip(arguments, given, strict=True) if _is_sent(told)]

    def run(arrays: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
        count = len(arrays[0])
        found = np.empty((results, count))
        begin, places = address(found), map(address, arrays)
        rows = range(begin, begin + found.nbytes, 8 * count)
        call(1, count, *[next(places) if a is None else a for a in sent], *rows, 0)
        return found

    return run


def _is_sent(told: Any) -> bool:
    """Whether the loop is handed an argument, and hasn't got it written into it."""
    return told is not None and not isinstance(told, float)

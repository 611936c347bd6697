"""Looking at targets in one loop, which reads them once and keeps nothing, where NumPy takes a pass a comparison."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import choice
from .compiled_build import NotBuiltError, address
from .compiled_launch import Nothing, loop_of
from .compiled_layout import type_name
from .compiled_text import STORED, Cell
from .numpy_blocks import PART

__all__ = ["hard_in_a_loop", "unit_in_a_loop"]


def hard_in_a_loop(seen: NDArray[Any]) -> bool | None:
    """Whether all are 0 or 1; None where no loop takes the array."""
    return _everywhere(_is_hard, seen)


def unit_in_a_loop(seen: NDArray[Any]) -> bool | None:
    """Whether all are between 0 and 1; None where no loop takes the array."""
    return _everywhere(_is_in_unit_interval, seen)


def _is_hard(xp: Any, y: Any, *, plan: Any) -> tuple[Any, ...]:
    return (_as_number(xp, ~((y == 0) | (y == 1))),)


def _is_in_unit_interval(xp: Any, y: Any, *, plan: Any) -> tuple[Any, ...]:
    return (_as_number(xp, ~((y >= 0) & (y <= 1))),)


def _as_number(xp: Any, wrong: Any) -> Any:
    return xp.where(xp.any(wrong, axis=-1), 1.0, 0.0)


def _everywhere(program: Callable[..., Any], seen: NDArray[Any]) -> bool | None:
    if type_name(seen.dtype) not in STORED or not (seen.flags.c_contiguous and seen.flags.aligned):
        return None
    cells = (Cell(type_name(seen.dtype), "each"),), (Cell("float64", "row"),)
    try:
        call = loop_of(program, Nothing(), *cells, (False,), "elements", seen.dtype).call
    except NotBuiltError as error:
        choice.give_up(error)
        return None
    found, first = np.empty(1), address(seen)
    for start in range(0, seen.size, PART):
        call(1, min(PART, seen.size - start), first + start * seen.itemsize, address(found), 0)
        if found[0]:
            return False
    return True

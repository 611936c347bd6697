"""Which engine NumPy arrays run on: compiled loops where llvmlite is there (numba brings it along), else NumPy's operations.

The choice is made before the first call and doesn't change by itself, so that bits don't depend on what was called before.
Nothing is imported to make it.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import cache
from typing import Literal, TypeAlias

__all__ = ["ENGINES", "VARIABLE", "Engine", "engine", "give_up", "is_compiled", "set_engine"]

VARIABLE = "FOCAL_REF_ENGINE"
ENGINES = ("auto", "numpy", "compiled")
ACCEPTED = "one of 'auto', 'numpy', 'compiled'"
OLDEST = (0, 45)
"""llvmlite's version that numba 0.62 came with: the first whose LLVM reads the texts that loops are written in."""
CURE = "pip install llvmlite"

Engine: TypeAlias = Literal["auto", "numpy", "compiled"]


class _State:
    """What all threads of this process see."""

    def __init__(self) -> None:
        self.chosen: str | None = None
        self.resolved: bool | None = None
        self.broken = ""


_state = _State()


def set_engine(name: Engine | None) -> AbstractContextManager[None]:
    """Choose how NumPy arrays are computed, in the whole process; so eager torch on the CPU and Dask's chunks, too.

    As a context manager, the setting before comes back at the end. Two engines' results may differ in float64's last bits.

    Parameters
    ----------
    name : {"auto", "numpy", "compiled"} or None
        "compiled": one loop of machine code a call, which needs llvmlite (``pip install llvmlite``). "numpy": NumPy's
        own operations. "auto": "compiled" where llvmlite is installed. None: what the environment variable
        ``FOCAL_REF_ENGINE`` says, or else "auto".

    Returns
    -------
    context manager
        Need not be entered: the setting holds at once, and for good without ``with``.

    Raises
    ------
    ValueError
        Where there is no such engine.
    RuntimeError
        For "compiled" where llvmlite is missing, too old or broken.

    Examples
    --------
    >>> import focal_ref as fr
    >>> with fr.set_engine("numpy"):
    ...     fr.engine()
    'numpy'
    """
    if name is not None:
        _checked("engine", name)
    before = _state.chosen
    _choose(name)
    return _restoring(before)


@contextlib.contextmanager
def _restoring(before: str | None) -> Iterator[None]:
    try:
        yield
    finally:
        _state.chosen, _state.resolved = before, None


def _choose(name: str | None) -> None:
    if name == "compiled" and (reason := _hindrance()):
        raise RuntimeError(f"engine: got 'compiled', but {reason}; expected llvmlite {_version(OLDEST)} or newer: {CURE}")
    _state.chosen, _state.resolved = name, None


def engine() -> str:
    """The engine that NumPy arrays run on now: "compiled" or "numpy"."""
    return "compiled" if is_compiled() else "numpy"


def is_compiled() -> bool:
    """Whether NumPy arrays run as compiled loops."""
    if _state.resolved is None:
        _state.resolved = _resolve()
    return _state.resolved


def give_up(error: Exception) -> None:
    """Compiled loops can't be made here, which is only seen at the first: NumPy from now on, said once.

    Raises
    ------
    RuntimeError
        Where they were asked for by name.
    """
    words = f"compiled loops can't be made here ({error})"
    if _wanted() == "compiled":
        raise RuntimeError(f"{words}; engine 'numpy' runs without them") from error
    if not _state.broken:
        warnings.warn(f"focal_ref: {words}; NumPy computes instead", RuntimeWarning, stacklevel=2)
    _state.broken, _state.resolved = words, None


def _checked(name: str, value: object) -> str:
    if not (isinstance(value, str) and value in ENGINES):
        raise ValueError(f"{name}: got {value!r}; expected {ACCEPTED}")
    return value


def _wanted() -> str:
    return _state.chosen or _checked(VARIABLE, os.environ.get(VARIABLE, "").strip() or "auto")


def _resolve() -> bool:
    wanted = _wanted()
    if wanted == "numpy":
        return False
    reason = _hindrance()
    if wanted == "compiled" and reason:
        raise RuntimeError(f"{VARIABLE}: got 'compiled', but {reason}; expected llvmlite {_version(OLDEST)} or newer: {CURE}")
    if reason and _installed() and not _state.broken:
        _warn_once(f"focal_ref: {reason} for compiled loops (from {_version(OLDEST)} on); NumPy computes instead: {CURE}")
    return not reason


def _hindrance() -> str:
    """Why there are no compiled loops, or nothing."""
    if _state.broken:
        return _state.broken
    found = _installed()
    if not found:
        return "llvmlite is not installed"
    if found < OLDEST:
        return f"llvmlite {_version(found)} is too old"
    return ""


@cache
def _warn_once(words: str) -> None:
    warnings.warn(words, RuntimeWarning, stacklevel=2)


@cache
def _installed() -> tuple[int, ...]:
    """llvmlite's version; nothing where it is not installed."""
    if sys.byteorder != "little" or sys.maxsize < 2**32:
        return ()
    from importlib.metadata import version  # importing it takes a third of what importing this package does

    with contextlib.suppress(ImportError, ValueError):
        if importlib.util.find_spec("llvmlite") is not None:
            numbers = re.findall(r"\d+", version("llvmlite"))
            return tuple(int(number) for number in numbers[:2])
    return ()


def _version(numbers: tuple[int, ...]) -> str:
    return ".".join(map(str, numbers))

"""Checks of values: whether a wrong entry of an argument is refused, or gives NaN in its place.

Entries are refused where they can be seen: on the host, not lazy, not traced. `unchecked` is for callers that can't have that:
in a group of processes the others would wait for one that stopped, and training that moves a γ below 0 would stop on one device
and go on where entries are not seen.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any

from ..engine import arrays
from ..engine.arrays import Facts

__all__ = ["are_looked_at", "are_refused", "is_unseen", "seen", "unchecked", "unseen"]

EVERYTHING = "everything"
_exempt: ContextVar[frozenset[str]] = ContextVar("focal_ref_exempt", default=frozenset())


@contextlib.contextmanager
def unchecked(*names: str) -> Iterator[None]:
    """No argument, or none of those that are named, is refused for its entries: a wrong one gives NaN in its place."""
    token = _exempt.set(_exempt.get() | frozenset(names or (EVERYTHING,)))
    try:
        yield
    finally:
        _exempt.reset(token)


def unseen(logits: Facts, *named: Callable[[], Mapping[str, Any]]) -> tuple[str, ...]:
    """The names of those arrays whose entries nobody has checked; NumPy's always were, but for who is exempt."""
    if logits.numpy and not _exempt.get():
        return ()
    return tuple(name for those in named for name, a in those().items() if is_unseen(name, a))


def are_looked_at(logits: Facts, targets: Any) -> bool:
    """Whether targets' wrong entries have been refused."""
    return (logits.numpy or arrays.values(targets) is not None) and are_refused("targets")


def are_refused(name: str) -> bool:
    """Whether an argument's wrong entries are refused now."""
    exempt = _exempt.get()
    return not exempt or not (EVERYTHING in exempt or name in exempt)


def seen(name: str, x: Any) -> Any:
    """An array's entries as NumPy's, where wrong ones are refused; else None."""
    found = arrays.values(x)
    # In this order: torch's compiler knows no context variables, and shows no entries.
    return found if found is not None and are_refused(name) else None


def is_unseen(name: str, x: Any) -> bool:
    """Whether an argument's entries have not been checked: a program has to."""
    return arrays.is_array(x) and seen(name, x) is None

"""How many threads NumPy's blocks run on, and how they share the work.

NumPy lets other threads run while it is inside a loop, so blocks of one array can be worked on at the same time. The calling
thread does its share; the others come from a pool that is made when first needed, and anew in a forked process.
"""

from __future__ import annotations

import contextlib
import math
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

__all__ = ["VARIABLE", "alone", "cores", "set_threads", "share", "threads"]

VARIABLE = "FOCAL_REF_THREADS"
ACCEPTED = "a whole number ≥ 1"

_T = TypeVar("_T")
_here = threading.local()


class _State:
    """What all threads of this process see."""

    def __init__(self) -> None:
        self.chosen: int | None = None
        self.lock = threading.Lock()
        self.pool: ThreadPoolExecutor | None = None
        self.size = 0

    def after_fork(self) -> None:
        """The pool's threads stayed in the parent, and so did whoever may have held the lock."""
        self.lock = threading.Lock()
        self.pool = None


_state = _State()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_state.after_fork)


def set_threads(count: int | None) -> AbstractContextManager[None]:
    """Let NumPy's blocks run on so many threads, in the whole process; 1 for none but the caller's.

    As a context manager, the setting before comes back at the end. Results have the same bits with any number of threads.

    Parameters
    ----------
    count : int or None
        None: what the environment variable ``FOCAL_REF_THREADS`` says, or else as many as this process may use cores
        (its affinity and its cgroups' quota). Both are looked up when first needed.

    Returns
    -------
    context manager
        Need not be entered: the setting holds at once, and for good without ``with``.

    Raises
    ------
    TypeError, ValueError
        Where `count` is no whole number ≥ 1.

    Examples
    --------
    >>> import focal_ref as fr
    >>> with fr.set_threads(1):
    ...     value = fr.sigmoid_focal_loss(np.zeros(3), 1)
    """
    if count is not None:
        if isinstance(count, bool) or not isinstance(count, (int, np.integer)):
            raise TypeError(f"threads: got {count!r}; expected {ACCEPTED}, or None")
        if count < 1:
            raise ValueError(f"threads: got {count!r}; expected {ACCEPTED}, or None")
    before, _state.chosen = _state.chosen, None if count is None else int(count)
    return _restoring(before)


@contextlib.contextmanager
def _restoring(before: int | None) -> Iterator[None]:
    try:
        yield
    finally:
        _state.chosen = before


def threads() -> int:
    """How many threads a call from here would use at most.

    Raises
    ------
    ValueError
        Where ``FOCAL_REF_THREADS`` is no whole number ≥ 1.
    """
    if getattr(_here, "alone", False):
        return 1
    return _state.chosen or _default()


@cache
def _default() -> int:
    text = os.environ.get(VARIABLE, "").strip()
    if not text:
        return cores()
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"{VARIABLE}: got {text!r}; expected {ACCEPTED}")
    return int(text)


def cores(system: Path = Path("/")) -> int:
    """As many cores as this process may use: its affinity, and the quota of its cgroups (both versions), rounded up.

    Parameters
    ----------
    system : Path
        Where ``proc`` and ``sys`` are.
    """
    able = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([able, *(math.ceil(quota) for quota in _quotas(system))]))


def _quotas(system: Path) -> Iterator[float]:
    """Each limit on the cores of this process's cgroups and those above them."""
    for line in _read(system / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        below = Path(path.strip("/"))
        for group in (below, *below.parents):
            if not controllers:
                words = _read(system / "sys/fs/cgroup" / group / "cpu.max").split()
            elif "cpu" in controllers.split(","):
                at = system / "sys/fs/cgroup/cpu" / group
                words = [*_read(at / "cpu.cfs_quota_us").split(), *_read(at / "cpu.cfs_period_us").split()]
            else:
                break
            if len(words) == 2 and words[0] not in ("max", "-1"):
                yield int(words[0]) / int(words[1])


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return ""


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Nothing called here, by this thread, takes others on: it is one of several already."""
    before, _here.alone = getattr(_here, "alone", False), True
    try:
        yield
    finally:
        _here.alone = before


def share(task: Callable[[_T], Any], items: Iterable[_T]) -> None:
    """Do a task for every item, on as many threads as there may be, each taking the next item that is left.

    What a task raises is raised here; items not begun by then are left out, and nothing is still running.
    """
    left = deque(items)

    def work() -> None:
        with alone(), np.errstate(all="ignore"):
            try:
                for item in _taken(left):
                    task(item)
            except BaseException:
                left.clear()
                raise

    most = threads()
    helpers = _start(work, min(most, len(left)) - 1, most - 1)
    try:
        work()
    finally:
        # One that hasn't begun isn't waited for: the pool may be busy with those who wait for this one.
        begun = [helper for helper in helpers if not helper.cancel()]
        errors = [helper.exception() for helper in begun]
    for error in errors:
        if error is not None:
            raise error


def _taken(left: deque[_T]) -> Iterator[_T]:
    while True:
        try:
            item = left.popleft()
        except IndexError:
            return
        yield item


def _start(work: Callable[[], None], count: int, size: int) -> list[Future[None]]:
    """So many helpers, or as many as the system allows, from a pool of a size."""
    helpers: list[Future[None]] = []
    if count < 1:
        return helpers
    with _state.lock:
        if _state.pool is None or _state.size != size:
            if _state.pool is not None:
                _state.pool.shutdown(wait=False)
            _state.pool, _state.size = ThreadPoolExecutor(size, thread_name_prefix="focal_ref"), size
        with contextlib.suppress(RuntimeError):  # no more threads to be had, or the interpreter is going down
            helpers.extend(_state.pool.submit(work) for _ in range(count))
    return helpers

"""The guard that a checked function runs in: whatever it raises, prints, exits with or warns of is held back here.

Everything that a function of somebody else's may do, and that would end the check or spoil what it prints, becomes a `Refused`
with one line of plain text.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import Any, NoReturn

import numpy as np

__all__ = ["SECONDS", "Refused", "contained", "output_aside", "plain", "told"]

SECONDS = 120.0
"""How long one call may take."""
LONGEST = 300
"""Characters of an exception's text that are shown."""
ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-_]"
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
"""Terminal sequences, control characters, and what turns the direction of writing."""


class Refused(Exception):
    """What a function did in place of giving a result, in one line."""


class _Late(BaseException):
    """A call that took too long; no `except Exception` of the function's holds it up."""


def plain(text: str) -> str:
    """A text in one line without anything that a terminal would act on.

    Examples
    --------
    >>> plain("\\x1b[32mPASSED\\x1b[0m:\\r\\nall is well")
    'PASSED: all is well'
    """
    return " ".join(ESCAPES.sub("", text.replace("\r", "\n")).split())


def told(error: BaseException) -> str:
    """An exception as "TypeError: its message", in one plain line, even where it cannot say its message itself.

    Examples
    --------
    >>> told(ValueError("no\\n\\x1b[1mroom"))
    'ValueError: no room'
    """
    if isinstance(error, Refused):
        return str(error)
    if isinstance(error, SystemExit):
        return f"SystemExit: it ends the program with status {error.code!r}"
    try:
        message = plain(str(error))
    except Exception:  # the exception is the function's own class, and may be broken as well
        message = ""
    short = message if len(message) <= LONGEST else message[: LONGEST - 1] + "…"
    return f"{plain(type(error).__name__)}: {short or 'no message'}"


class _Aside(io.TextIOBase):
    """Standard output for a function: what it prints goes to standard error, and closing it closes nothing."""

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError, ValueError, AttributeError):
            sys.stderr.write(text)
        return len(text)

    def close(self) -> None:
        """Nothing: the stream is not the function's."""

    @property
    def buffer(self) -> Any:
        """For bytes."""
        return getattr(sys.stderr, "buffer", io.BytesIO())


def _no_exit(*status: Any) -> NoReturn:
    raise SystemExit(*status[:1])


@contextlib.contextmanager
def _no_way_out() -> Iterator[None]:
    """`os._exit` and `os.abort` would end the check without a word."""
    kept = os._exit, os.abort
    os._exit, os.abort = _no_exit, _no_exit  # type: ignore[assignment]
    try:
        yield
    finally:
        os._exit, os.abort = kept


@contextlib.contextmanager
def _in_time(seconds: float) -> Iterator[None]:
    """Interrupts Python code that takes longer, where the system has alarms and this is the main thread."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread() or seconds <= 0:
        yield
        return

    def late(number: int, frame: Any) -> NoReturn:
        raise _Late

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def contained(seconds: float | None = None) -> Iterator[None]:
    """Run somebody's code: it prints to standard error, its warnings are not errors, and whatever it raises is `Refused`.

    Parameters
    ----------
    seconds : float, optional
        How long it may take; None: `SECONDS`.

    Raises
    ------
    Refused
        In place of any exception but `KeyboardInterrupt`, SystemExit among them.
    """
    limit = SECONDS if seconds is None else seconds
    with contextlib.ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        stack.enter_context(np.errstate(all="ignore"))
        stack.enter_context(contextlib.redirect_stdout(_Aside()))
        stack.enter_context(_no_way_out())
        warnings.simplefilter("ignore")
        try:
            with _in_time(limit):
                yield
        except KeyboardInterrupt:
            raise
        except Refused:
            raise
        except _Late:
            raise Refused(f"TimeoutError: a call took more than {limit:g} s") from None
        except BaseException as error:  # user code may raise anything at all, SystemExit and its own kinds among them
            raise Refused(told(error)) from error


@contextlib.contextmanager
def output_aside() -> Iterator[None]:
    """What libraries and subprocesses write to the file behind standard output goes to standard error for a while."""
    try:
        sys.stdout.flush()
        kept = os.dup(1)
        os.dup2(2, 1)
    except (OSError, ValueError, AttributeError):
        yield
        return
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)

"""Programs in any language, checked like functions: lines of JSON on standard input and output.

A question is a line, and so is its answer; the program reads until its input ends. docs/programs.md has the protocol, and
programs in C, Rust and JavaScript that follow it.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import select
import shlex
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..typing import Floats
from . import guard

__all__ = ["Program"]

WORDS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf, "+inf": math.inf, "infinity": math.inf, "-infinity": -math.inf}
KEPT = 4
"""Answers that are kept, so that a value and its derivatives are one question."""
LONGEST = 2**28
"""Bytes of a line."""


class Program:
    """A program that answers questions of losses; called like a function of NumPy arrays.

    Parameters
    ----------
    command : str or sequence of str
        What is started, as a shell would read it, but by no shell.
    seconds : float
        How long an answer may take.

    Raises
    ------
    ValueError
        Where the command is empty.
    """

    def __init__(self, command: str | Sequence[str], seconds: float = 60.0) -> None:
        self.command = shlex.split(command) if isinstance(command, str) else list(command)
        if not self.command:
            raise ValueError("command: got nothing; expected a program and its arguments")
        self.seconds = seconds
        self.one_layout = True
        self.__name__ = self.__qualname__ = os.path.basename(self.command[0])
        self._process: subprocess.Popen[bytes] | None = None
        self._unread = b""
        self._count = 0
        self._answers: dict[Any, dict[str, Floats]] = {}

    def __call__(self, logits: Floats, targets: NDArray[Any], gamma: float, alpha: Any = None) -> Floats:
        """The losses."""
        return self._part(self._answer(logits, targets, gamma, alpha), "value", logits)

    def derivative(self, logits: Floats, targets: NDArray[Any], gamma: float, alpha: Any = None) -> tuple[Floats, ...]:
        """Gradient, and Hessian diagonal where it answers with one."""
        answer = self._answer(logits, targets, gamma, alpha)
        return tuple(self._part(answer, name, logits) for name in ("grad", "hess") if name in answer)

    def gives(self, link: str) -> tuple[str, ...]:
        """What it answers with, by a question of two losses."""
        rows = link == "softmax"
        x = np.asarray([[0.5, -1.0, 0.25], [2.0, 1.0, 0.0]]) if rows else np.asarray([0.5, -1.0])
        try:
            with guard.contained():
                found = self._answer(x.astype(np.float32), np.asarray([1, 0]), 2.0, None)
        except guard.Refused:
            return ()
        return tuple(name for name in ("value", "grad", "hess") if name in found)

    def close(self) -> None:
        """End the program."""
        if self._process is not None:
            _stop(self._process)
            self._process, self._unread = None, b""

    # ---- questions and answers ----------------------------------------------------------------------------------------------

    def _answer(self, logits: Floats, targets: NDArray[Any], gamma: float, alpha: Any) -> dict[str, Floats]:
        key = (logits.tobytes(), logits.shape, str(logits.dtype), targets.tobytes(), gamma, repr(alpha))
        if key not in self._answers:
            question = _question(logits, targets, gamma, alpha)
            self._count += 1
            answer = self._asked({"id": self._count, **question})
            while len(self._answers) >= KEPT:
                self._answers.pop(next(iter(self._answers)))
            self._answers[key] = answer
        return self._answers[key]

    def _asked(self, question: dict[str, Any]) -> dict[str, Floats]:
        process = self._started()
        line = (json.dumps(question, allow_nan=False) + "\n").encode()
        writer = threading.Thread(target=_write, args=(process, line), daemon=True)
        writer.start()
        try:
            answer = self._read(process)
        except BaseException:
            self.close()
            raise
        writer.join(self.seconds)
        if answer.get("id") != question["id"]:
            self.close()
            raise ValueError(f"the answer's id is {answer.get('id')!r}; expected {question['id']}")
        if "error" in answer:
            raise ValueError(f"the program says: {answer['error']}")
        return {name: _numbers(name, answer[name]) for name in ("value", "grad", "hess") if answer.get(name) is not None}

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            try:
                # not by a shell: what runs is what the caller names
                self._process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            except OSError as error:
                raise RuntimeError(f"{self.command[0]} cannot be started: {error}") from None
            self._unread = b""
            weakref.finalize(self, _stop, self._process)
        return self._process

    def _read(self, process: subprocess.Popen[bytes]) -> dict[str, Any]:
        """The next line that is an object; others are what the program prints."""
        latest = time.monotonic() + self.seconds
        while True:
            line = self._line(process, latest)
            if not line.lstrip().startswith(b"{"):
                sys.stderr.write(guard.plain(line.decode(errors="replace")) + "\n")
                continue
            answer = json.loads(line)
            if not isinstance(answer, dict):
                raise TypeError("the answer is no object")
            return answer

    def _line(self, process: subprocess.Popen[bytes], latest: float) -> bytes:
        assert process.stdout is not None
        parts = [self._unread]
        while b"\n" not in parts[-1]:
            ready, _, _ = select.select([process.stdout], [], [], max(0.0, latest - time.monotonic()))
            if not ready:
                raise TimeoutError(f"no answer within {self.seconds:g} s")
            more = os.read(process.stdout.fileno(), 2**20)
            if not more:
                raise RuntimeError(f"the program ended without an answer, with status {process.wait(self.seconds)}")
            parts.append(more)
            if sum(map(len, parts)) > LONGEST:
                raise RuntimeError("an answer without an end of its line")
        line, _, self._unread = b"".join(parts).partition(b"\n")
        return line

    def _part(self, answer: dict[str, Floats], name: str, logits: Floats) -> Floats:
        if name not in answer:
            raise KeyError(f"the answer has no {name!r}")
        shape = logits.shape[:1] if name == "value" else logits.shape
        if answer[name].size != math.prod(shape):
            raise ValueError(f"{name}: got {answer[name].size} numbers; expected {math.prod(shape)}")
        return answer[name].reshape(shape)


def _question(logits: Floats, targets: NDArray[Any], gamma: float, alpha: Any) -> dict[str, Any]:
    """As plain data; rows stand one after the other."""
    rows = logits.ndim == 2
    return {
        "link": "softmax" if rows else "sigmoid",
        "dtype": str(logits.dtype),
        "gamma": float(gamma),
        "alpha": None if alpha is None else np.asarray(alpha, dtype=np.float64).tolist(),
        "n": int(logits.shape[0]),
        "classes": int(logits.shape[1]) if rows else 1,
        "logits": [_written(x) for x in np.asarray(logits, dtype=np.float64).ravel().tolist()],
        "targets": [int(t) for t in np.asarray(targets).ravel().tolist()],
    }


def _written(x: float) -> float | str:
    """JSON has no word for what is no finite number."""
    return x if math.isfinite(x) else "nan" if math.isnan(x) else "inf" if x > 0 else "-inf"


def _numbers(name: str, entries: Any) -> Floats:
    if not isinstance(entries, list):
        raise TypeError(f"{name}: got {type(entries).__name__}; expected a list of numbers")
    try:
        read = [WORDS[entry.lower()] if isinstance(entry, str) else entry for entry in entries]
        return np.asarray([math.nan if entry is None else float(entry) for entry in read], dtype=np.float64)
    except (KeyError, TypeError, ValueError):
        raise TypeError(f"{name}: expected numbers, 'nan', 'inf' or '-inf'") from None


def _write(process: subprocess.Popen[bytes], line: bytes) -> None:
    """A program that has ended reads no more, which its answer shows."""
    with contextlib.suppress(OSError, ValueError):
        assert process.stdin is not None
        process.stdin.write(line)
        process.stdin.flush()


def _stop(process: subprocess.Popen[bytes]) -> None:
    """By closing its input; by force where that is not enough."""
    for stream in (process.stdin, process.stdout):
        with contextlib.suppress(OSError, ValueError):
            if stream is not None:
                stream.close()
    try:
        process.wait(1.0)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()

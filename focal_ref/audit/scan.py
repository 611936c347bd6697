"""Scan of every logit of a type: which of focal_ref's own results (NumPy, extended precision) are not correctly rounded.

`focal_ref.audit.enclosures` gives an interval that the exact result lies in. Rounding is monotonic, so where both ends round to
the same number of the type, that is the correctly rounded result. Elsewhere (a few in a million) `focal_ref.oracle` decides.

The target only flips the logit's sign. Both targets are run; where the bits of the second run are those of the first at the
negated logit, its verdict is the first's, and where not, it is judged by itself.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import itertools
import json
import os
import platform
import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from ..conformance import ulp
from ..conformance.contract import QUANTITIES
from ..engine import numpy_blocks, numpy_threads
from ..engine.choice import engine
from ..losses import arguments
from .enclosures import LARGEST_GAMMA
from .report import ExhaustiveReport, Tally, described
from .tally import Findings, judged_block

__all__ = ["DTYPES", "scan"]

Progress: TypeAlias = Callable[[int, int, str], None]

DTYPES = ("float16", "bfloat16", "float32")
BLOCK = 2**20
"""Magnitudes between two saves of the state."""
PACKAGE = Path(__file__).parents[1]


def scan(
    dtype: str,
    gamma: float,
    *,
    state: Path | None = None,
    fresh: bool = False,
    workers: int | None = None,
    progress: Progress | None = None,
) -> ExhaustiveReport:
    """Judge focal_ref's NumPy results, in extended precision, at every logit of a type with both targets.

    Parameters
    ----------
    dtype : {"float16", "bfloat16", "float32"}
        65,536 logits, or all 2^32 (some ten minutes on two cores).
    gamma : float
        γ in [0, 2^64].
    state : Path, optional
        The directory for what is known so far, saved after every block: a run that was ended goes on from there, and one that
        was complete is not repeated. Default: ``focal_ref`` in ``$XDG_CACHE_HOME`` or ``~/.cache``. A state of another version
        of the code or of NumPy, or one that is damaged, is not used.
    fresh : bool
        Begin anew.
    workers : int, optional
        Threads; default: one for each processor that this process may use.
    progress : callable, optional
        Called with the logits done, all logits, and what comes next.

    Returns
    -------
    ExhaustiveReport

    Raises
    ------
    TypeError, ValueError
        Where an argument is out of range; the message names it.
    ImportError
        Where bfloat16 is asked for without ml_dtypes.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     report = scan("float16", 2.0, state=Path(folder))
    >>> report.passed, report.logits
    (True, 65536)
    """
    arguments.choice("dtype", dtype, DTYPES)
    gamma = arguments.number("gamma", gamma, 0.0, LARGEST_GAMMA, "a number in [0, 2^64]")
    workers = numpy_threads.cores() if workers is None else workers
    arguments.integer("workers", workers)
    if workers < 1:
        raise ValueError(f"workers: got {workers}; expected a positive integer")
    numpy_blocks.keep_memory()
    run = _Run.opened(dtype, gamma, state or _cache_directory(), fresh)
    if progress is not None:
        progress(run.logits_done, run.logits, f"{dtype} γ = {gamma:g}")
    with contextlib.closing(run.blocks(workers)) as blocks:
        for _ in blocks:
            if progress is not None:
                progress(run.logits_done, run.logits, f"{dtype} γ = {gamma:g}")
    return run.report(workers)


def _cache_directory() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "focal_ref"


def _code() -> str:
    """A hash of every source of the package: a list of those that matter would go stale, and the proof with it."""
    found = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        found.update(f"{path.relative_to(PACKAGE).as_posix()}\0".encode() + path.read_bytes() + b"\0")
    return found.hexdigest()[:16]


@dataclasses.dataclass
class _Run:
    """A scan as far as it has come."""

    key: dict[str, Any]
    """What has to be the same for a saved state to be used."""
    path: Path
    done: int = 0
    """Blocks, in order."""
    seconds: float = 0.0
    found: dict[str, Findings] = dataclasses.field(default_factory=lambda: {q: Findings() for q in QUANTITIES})

    @classmethod
    def opened(cls, dtype: str, gamma: float, folder: Path, fresh: bool) -> _Run:
        key = {"dtype": dtype, "gamma": gamma.hex(), "block": BLOCK, "code": _code(), "numpy": np.__version__}
        key |= {"machine": platform.machine(), "engine": engine()}
        run = cls(key, folder / f"exhaustive-{dtype}-{gamma!r}.json")
        if not fresh and run.path.exists():
            run._load()
        return run

    @property
    def magnitudes(self) -> int:
        return 2 ** (31 if self.key["dtype"] == "float32" else 15)

    @property
    def logits(self) -> int:
        return 2 * self.magnitudes

    @property
    def logits_done(self) -> int:
        return min(2 * self.done * BLOCK, self.logits)

    def blocks(self, workers: int) -> Generator[int, None, None]:
        """Judge the blocks that are left, on so many threads, and take the findings in in their order."""
        dtype, gamma = self.key["dtype"], float.fromhex(self.key["gamma"])
        starts = iter(range(self.done * BLOCK, self.magnitudes, BLOCK))
        stopped, pending = threading.Event(), deque[Future[dict[str, Findings]]]()
        began, before = time.monotonic(), self.seconds
        with ThreadPoolExecutor(workers) as pool:
            try:
                while True:
                    for start in itertools.islice(starts, 2 * workers - len(pending)):
                        block = range(start, min(start + BLOCK, self.magnitudes))
                        pending.append(pool.submit(judged_block, dtype, gamma, block, stopped))
                    if not pending:
                        return
                    for q, findings in pending.popleft().result().items():
                        self.found[q].add(findings)
                    self.done, self.seconds = self.done + 1, before + time.monotonic() - began
                    self._save()
                    yield self.done
            finally:
                stopped.set()
                for future in pending:
                    future.cancel()

    def _save(self) -> None:
        """Atomically: whenever the run ends, the file is a whole one."""
        content = {
            "key": self.key,
            "done": self.done,
            "seconds": self.seconds,
            "found": {q: dataclasses.asdict(f) for q, f in self.found.items()},
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_suffix(f".{os.getpid()}.part")
        part.write_text(json.dumps({"content": content, "sha256": _checksum(content)}), encoding="utf-8")
        os.replace(part, self.path)

    def _load(self) -> None:
        """Take up a state that is whole and of this key; leave any other."""
        try:
            saved = json.loads(self.path.read_text(encoding="utf-8"))
            content = saved["content"]
            if saved["sha256"] != _checksum(content) or content["key"] != self.key:
                return
        except (ValueError, TypeError, KeyError):
            return
        self.done, self.seconds = content["done"], content["seconds"]
        self.found = {q: Findings(**content["found"][q]) for q in QUANTITIES}

    def report(self, workers: int) -> ExhaustiveReport:
        dtype, gamma = self.key["dtype"], float.fromhex(self.key["gamma"])
        fmt = ulp.FORMATS[dtype]
        tallies = tuple(
            Tally(
                q,
                **found.counts,
                worst_ulp=found.worst,
                listed=tuple(described(q, gamma, fmt, entry) for entry in found.listed),
            )
            for q, found in self.found.items()
        )
        unmirrored = sum(found.unmirrored for found in self.found.values())
        return ExhaustiveReport(
            dtype, gamma, self.logits, unmirrored, tallies, self.key["numpy"], self.key["code"], self.seconds, workers
        )


def _checksum(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

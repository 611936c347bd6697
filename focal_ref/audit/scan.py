"""Every logit of a type, both targets: which of focal_ref's own results (NumPy, extended precision) are not correctly rounded.

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

import mpmath
import numpy as np
from numpy.typing import NDArray

from .. import oracle
from ..conformance import ulp
from ..conformance.exact import QUANTITIES
from ..engine import numpy_blocks
from ..losses import arguments
from .enclosures import LARGEST_GAMMA
from .tally import Findings, judged_block

__all__ = ["DTYPES", "ExhaustiveReport", "Tally", "Wrong", "scan"]

Floats: TypeAlias = NDArray[np.float64]
Progress: TypeAlias = Callable[[int, int, str], None]

DTYPES = ("float16", "bfloat16", "float32")
BLOCK = 2**20
"""Magnitudes between two saves of the state."""
PACKAGE = Path(__file__).parents[1]


# ---- what is reported -------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Wrong:
    """A result that is not correctly rounded."""

    logit: str
    """In hexadecimal, as `float.hex` writes it; so is `got`."""
    target: int
    got: str
    exact: str
    """To 25 digits."""
    error: float
    """In ULP of the type."""
    to_boundary: float
    """How far the exact result is from where rounding changes, in ULP."""


@dataclasses.dataclass(frozen=True)
class Tally:
    """One quantity at every logit with both targets."""

    quantity: str
    wrong: int
    """Results that are not correctly rounded."""
    beyond: int
    """Those past the promised bound: 0.51 ULP, and where the accuracy contract says so, of the terms or of the subnormals."""
    nan: int
    """NaN for a number, or a number for NaN."""
    wrong_inf: int
    flushed: int
    """Zeros for normal numbers."""
    close: int
    """Results that only the oracle could judge."""
    worst_ulp: float
    """The largest error of a normal number, to about 1e-9; 0.5 stands for all that are correctly rounded."""
    listed: tuple[Wrong, ...]
    """The wrong ones, the first `LISTED` of them."""


@dataclasses.dataclass(frozen=True)
class ExhaustiveReport:
    """What `scan` found."""

    dtype: str
    gamma: float
    logits: int
    """Bit patterns, each run with both targets."""
    unmirrored: int
    """Results whose bits are not those of the other target at the negated logit."""
    tallies: tuple[Tally, ...]
    numpy: str
    code: str
    """A hash of the source."""
    seconds: float = dataclasses.field(compare=False, default=0.0)
    """Time taken, over all the runs it took."""
    workers: int = dataclasses.field(compare=False, default=1)

    @property
    def passed(self) -> bool:
        """Whether every result is within its bound."""
        return not any(t.beyond or t.nan or t.wrong_inf or t.flushed for t in self.tallies)

    def to_dict(self) -> dict[str, Any]:
        """The report as plain data, ready for JSON."""
        return {"passed": self.passed, **dataclasses.asdict(self)}

    def __str__(self) -> str:
        lines = [
            f"{self.dtype}, γ = {self.gamma:g}: {self.logits:,} logits, both targets; NumPy {self.numpy}, {self.seconds:.0f} s",
            "quantity   not correctly rounded    worst ULP  NaN  wrong inf  flushed  by oracle",
        ]
        for t in self.tallies:
            kinds = f"{t.nan:3}  {t.wrong_inf:9}  {t.flushed:7}  {t.close:9,}"
            lines.append(f"{t.quantity:8}   {t.wrong:21,}  {t.worst_ulp:11.9f}  {kinds}")
        for t in self.tallies:
            lines += [
                f"{t.quantity}({w.logit}, {w.target}) = {w.got}, exactly {w.exact}: {w.error:.9f} ULP" for w in t.listed[:20]
            ]
        return "\n".join([*lines, "passed" if self.passed else "FAILED"])


def _described(quantity: str, gamma: float, fmt: ulp.Format, entry: list[Any]) -> Wrong:
    """A wrong result beside the exact one."""
    logit, target, got = float.fromhex(entry[0]), entry[1], float.fromhex(entry[2])
    exact = getattr(oracle.sigmoid(logit, target, gamma), quantity)
    with mpmath.workdps(80):
        spacing = float(ulp.ulp(float(exact), fmt))
        error = abs(got - exact) / spacing
        fraction = abs(exact) / spacing % 1
        return Wrong(entry[0], target, entry[2], mpmath.nstr(exact, 25), float(error), float(abs(fraction - 0.5)))


# ---- the run ----------------------------------------------------------------------------------------------------------------


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
    workers = _processors() if workers is None else workers
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


def _processors() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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
        key["machine"] = platform.machine()
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
                listed=tuple(_described(q, gamma, fmt, entry) for entry in found.listed),
            )
            for q, found in self.found.items()
        )
        unmirrored = sum(found.unmirrored for found in self.found.values())
        return ExhaustiveReport(
            dtype, gamma, self.logits, unmirrored, tallies, self.key["numpy"], self.key["code"], self.seconds, workers
        )


def _checksum(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

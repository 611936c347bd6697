"""Every logit of a type, given to anybody's sigmoid loss: which of its results are not good enough.

`focal_ref`'s reference precision says what the correctly rounded result is, at some tenth of a microsecond a logit. Most
results lie so near to it that nothing more need be asked; the rest are judged by the accuracy contract's rule.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..conformance import ulp
from ..conformance.adapt import adapted
from ..conformance.candidate import Subject
from ..conformance.contract import Exact, Terms, judge
from ..conformance.guard import contained
from ..conformance.results import limit_of
from ..libraries import backends
from ..libraries.frameworks import Framework
from ..losses import SigmoidFocalLoss, arguments
from ..typing import Floats
from .scan import DTYPES

__all__ = ["FunctionReport", "FunctionTally", "scan_function"]

Progress: TypeAlias = Callable[[int, int, str], None]

CHUNK = 2**17
"""Magnitudes at a time, each with both signs."""
BITS = {"float16": np.uint16, "bfloat16": np.uint16, "float32": np.uint32}


@dataclasses.dataclass(frozen=True)
class FunctionTally:
    """One quantity at every logit with both targets."""

    quantity: str
    limit: float
    """The largest error allowed, in ULP."""
    wrong: int
    """Results past it, and those counted in what follows."""
    nan: int
    """NaN for a number, or a number for NaN."""
    wrong_inf: int
    flushed: int
    """Zeros for normal numbers."""
    worst_ulp: float
    """The largest error of those judged: of results that aren't within 2 ULP of the correctly rounded one."""
    first: str
    """The first wrong one: logit and target, what came, and what is exact; "" where there is none."""


@dataclasses.dataclass(frozen=True)
class FunctionReport:
    """What `scan_function` found."""

    dtype: str
    gamma: float
    logits: int
    """Bit patterns, each with both targets."""
    tallies: tuple[FunctionTally, ...]
    called: str
    """How the function is called, where that was found out."""
    seconds: float = dataclasses.field(compare=False, default=0.0)

    @property
    def passed(self) -> bool:
        """Whether every result is good enough."""
        return not any(tally.wrong for tally in self.tallies)

    def to_dict(self) -> dict[str, Any]:
        """The report as plain data, ready for JSON."""
        return {"passed": self.passed, **dataclasses.asdict(self)}

    def __str__(self) -> str:
        lines = [f"{self.dtype}, γ = {self.gamma:g}: {self.logits:,} logits, both targets; {self.seconds:.0f} s"]
        lines += [self.called] if self.called else []
        lines.append("quantity  ULP allowed          wrong       worst ULP           NaN     wrong inf       flushed")
        for t in self.tallies:
            kinds = f"{t.nan:12,}  {t.wrong_inf:12,}  {t.flushed:12,}"
            lines.append(f"{t.quantity:8}  {t.limit:11g}  {t.wrong:13,}  {t.worst_ulp:14.6g}  {kinds}")
        lines += [f"{t.quantity}, first: {t.first}" for t in self.tallies if t.first]
        return "\n".join([*lines, "passed" if self.passed else "FAILED"])


def scan_function(
    fn: Any,
    dtype: str,
    gamma: float = 2.0,
    *,
    framework: str | Framework | None = None,
    derivative: Callable[..., Any] | Literal["auto"] | None = "auto",
    tolerance: float | str | None = None,
    flushes: bool = False,
    progress: Progress | None = None,
    **how: Any,
) -> FunctionReport:
    """Judge a sigmoid focal loss at every logit of a type with both targets: values and, where it has them, gradients.

    Parameters
    ----------
    fn, framework, derivative, tolerance
        As for `focal_ref.conformance.check`.
    dtype : {"float16", "bfloat16", "float32"}
        65,536 logits, or all 2^32, which takes minutes beside what the function itself takes.
    gamma : float
        γ in [0, 1000].
    flushes : bool
        Whether subnormal numbers may come out as 0.
    progress : callable, optional
        Called with the logits done, all logits, and what comes next.
    **how
        `arguments`, `inputs` and `targets`, as for `focal_ref.conformance.check`.

    Raises
    ------
    TypeError, ValueError
        Where an argument is not as described; the message names it.
    focal_ref.conformance.guard.Refused
        Whatever the function raises.

    Examples
    --------
    >>> import numpy as np
    >>> def textbook(logits, targets, gamma):
    ...     p = 1 / (1 + np.exp(-logits))
    ...     p_t = np.where(targets == 1, p, 1 - p)
    ...     return -((1 - p_t) ** gamma) * np.log(p_t)
    >>> report = scan_function(textbook, "float16")
    >>> report.passed, report.logits
    (False, 65536)
    """
    arguments.choice("dtype", dtype, DTYPES)
    (gamma,) = arguments.gammas([gamma])
    called = adapted(fn, "sigmoid", framework, how)
    subject = Subject(called.fn, "sigmoid", called.framework, derivative, 1, **called.how)
    arguments.choice("dtype", dtype, called.framework.arrays.dtypes)
    began, run = time.monotonic(), _Run(subject, dtype, gamma, tolerance, flushes)
    logits = 2 * 2 ** (31 if dtype == "float32" else 15)
    for done in run.all():
        if progress is not None:
            progress(done, logits, f"{dtype} γ = {gamma:g}")
    return FunctionReport(dtype, gamma, logits, run.tallies(), called.called, time.monotonic() - began)


@dataclasses.dataclass
class _Found:
    """A tally in the making."""

    limit: float
    wrong: int = 0
    nan: int = 0
    infinite: int = 0
    flushed: int = 0
    worst: float = 0.0
    first: str = ""


class _Run:
    """A scan as far as it has come."""

    def __init__(self, subject: Subject, dtype: str, gamma: float, tolerance: float | str | None, flushes: bool) -> None:
        self.subject, self.dtype, self.gamma, self.flushes = subject, dtype, gamma, flushes
        self.fmt, self.kind = ulp.FORMATS[dtype], backends.host(np.empty(0), dtype).dtype
        self.loss = SigmoidFocalLoss(gamma=gamma, precision="reference")
        self.found = {q: _Found(limit_of(tolerance, "sigmoid", q, gamma)) for q in subject.measures[:2]}

    def all(self) -> Iterator[int]:
        """Judge all logits; how many are done, after each chunk."""
        magnitudes = 2 ** (8 * self.kind.itemsize - 1)
        for low in range(0, magnitudes, CHUNK):
            high = min(low + CHUNK, magnitudes)
            some = np.arange(low, high, dtype=BITS[self.dtype]).view(self.kind)
            with np.errstate(all="ignore"):
                self._chunk(np.concatenate([some, -some]))
            yield 2 * high

    def _chunk(self, margins: Any) -> None:
        dues = self._both(margins) if "grad" in self.found else {"value": self.loss.value(margins, 1)}
        wide = margins.astype(np.float64)
        for target, sign in ((1, 1.0), (0, -1.0)):
            with contained():
                got = self.subject.first(self.dtype, self.gamma, sign * wide, np.full(len(wide), target))
            for q, due in dues.items():
                if q in got:
                    turned = got[q] if q == "value" else sign * got[q]
                    self._judge(q, margins, turned, due, target)

    def _both(self, margins: Any) -> dict[str, Any]:
        return dict(zip(("value", "grad"), self.loss.value_and_grad(margins, 1), strict=True))

    def _judge(self, q: str, margins: Any, got: Floats, due: Any, target: int) -> None:
        """Those that are not next to the correctly rounded result, by the contract's rule."""
        suspects = np.flatnonzero(~self._next_to(got, due.astype(np.float64)))
        if not suspects.size:
            return
        z, results, found = margins[suspects].astype(np.float64), got[suspects], self.found[q]
        exact = self.loss.value_and_grad(z, 1)[q == "grad"]
        on = Terms(q, self.dtype, self.dtype, self.gamma, found.limit, flushes=self.flushes)
        verdict = judge(results, Exact(exact, np.zeros_like(exact), np.abs(exact), np.logaddexp(0.0, -z)), on)
        found.wrong += int(np.count_nonzero(verdict.wrong))
        found.nan += int(np.count_nonzero(verdict.nan))
        found.infinite += int(np.count_nonzero(verdict.infinite))
        found.flushed += int(np.count_nonzero(verdict.flushed))
        found.worst = max(found.worst, float(np.max(verdict.error, where=verdict.measured, initial=0.0)))
        if not found.first and verdict.wrong.any():
            place, sign = int(np.flatnonzero(verdict.wrong)[0]), 1.0 if target else -1.0
            turn = sign if q == "grad" else 1.0
            at, came, due_there = float(sign * z[place]), float(turn * results[place]), float(turn * exact[place])
            found.first = f"({at!r}, {target}): {came!r} for {due_there!r}"

    def _next_to(self, got: Floats, due: Floats) -> NDArray[np.bool_]:
        """Within 1.5 ULP of a normal number, whatever that is rounded to, or the same."""
        spacing = np.maximum(np.abs(due), self.fmt.tiny) * (1.5 * self.fmt.eps / 2)
        near: NDArray[np.bool_] = (np.abs(got - due) <= spacing) & (np.abs(due) >= self.fmt.tiny)
        same: NDArray[np.bool_] = near | (got == due) | (np.isnan(got) & np.isnan(due))
        return same

    def tallies(self) -> tuple[FunctionTally, ...]:
        return tuple(
            FunctionTally(q, f.limit, f.wrong, f.nan, f.infinite, f.flushed, f.worst, f.first) for q, f in self.found.items()
        )

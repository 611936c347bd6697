"""Report of a scan of every logit: tallies a quantity, and the results that are not correctly rounded."""

from __future__ import annotations

import dataclasses
from typing import Any

import mpmath

from .. import oracle
from ..conformance import ulp

__all__ = ["ExhaustiveReport", "Tally", "Wrong", "described"]


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


def described(quantity: str, gamma: float, fmt: ulp.Format, entry: list[Any]) -> Wrong:
    """A wrong result beside the exact one."""
    logit, target, got = float.fromhex(entry[0]), entry[1], float.fromhex(entry[2])
    exact = getattr(oracle.sigmoid(logit, target, gamma), quantity)
    with mpmath.workdps(80):
        spacing = float(ulp.ulp(float(exact), fmt))
        error = abs(got - exact) / spacing
        fraction = abs(exact) / spacing % 1
        return Wrong(entry[0], target, entry[2], mpmath.nstr(exact, 25), float(error), float(abs(fraction - 0.5)))

"""Tallies of results, a block of logits at a time: which are not correctly rounded, and how wrong those are.

Rounding is monotonic: where both ends of an enclosure round to the same number of the type, that is the correctly rounded
result. Elsewhere `focal_ref.oracle` decides.
"""

from __future__ import annotations

import dataclasses
import itertools
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import oracle
from ..conformance import ulp
from ..conformance.contract import EXTENDED, QUANTITIES, Exact, Terms, judge
from ..engine import precision, run
from ..libraries import backends
from ..losses import SigmoidFocalLoss
from ..typing import Floats
from .enclosures import Enclosure, enclosures

__all__ = ["Findings", "judged_block"]


CHUNK = run.BLOCK // 2
"""Magnitudes at a time, each with both signs: the temporaries fit a core's second-level cache."""
LISTED = 1000
"""How many wrong results of a quantity are listed; all are counted."""
COUNTS = ("wrong", "beyond", "nan", "wrong_inf", "flushed", "close")

_ORACLE = threading.Lock()
"""mpmath's contexts, and flint's, are not for several threads at once."""


@dataclasses.dataclass
class Findings:
    """A tally in the making, for any part of the logits; parts add up in the logits' order."""

    counts: dict[str, int] = dataclasses.field(default_factory=lambda: dict.fromkeys(COUNTS, 0))
    worst: float = 0.5
    listed: list[list[Any]] = dataclasses.field(default_factory=list)
    """Logit, target and result, the floats in hexadecimal."""
    unmirrored: int = 0

    def add(self, other: Findings) -> None:
        """Take in the findings on the logits that come next."""
        for name in COUNTS:
            self.counts[name] += other.counts[name]
        self.worst = max(self.worst, other.worst)
        self.listed += other.listed[: LISTED - len(self.listed)]
        self.unmirrored += other.unmirrored

    def turned(self, quantity: str) -> Findings:
        """Findings on margins, said of negatives: the logit and its gradient have the other sign."""
        sign = -1.0 if quantity == "grad" else 1.0
        listed = [[(-float.fromhex(x)).hex(), 0, (sign * float.fromhex(got)).hex()] for x, _, got in self.listed]
        return dataclasses.replace(self, listed=listed, unmirrored=0)


def judged_block(dtype: str, gamma: float, block: range, stopped: threading.Event) -> dict[str, Findings]:
    """The logits whose magnitude has a bit pattern in the block, of both signs, with both targets."""
    found = {q: Findings() for q in QUANTITIES}
    kind = backends.host(np.empty(0), dtype).dtype
    bits = np.dtype(f"uint{8 * kind.itemsize}")
    infinity = int(backends.host(np.asarray([np.inf]), dtype).view(bits)[0])
    edges = {*range(block.start, block.stop, CHUNK), block.stop, *([infinity] if infinity in block else [])}
    for low, high in itertools.pairwise(sorted(edges)):
        if stopped.is_set():
            break
        magnitudes = np.arange(low, high, dtype=bits).view(kind)
        with np.errstate(all="ignore"):
            for q, findings in _judged_chunk(dtype, gamma, magnitudes, finite=low < infinity).items():
                found[q].add(findings)
    return found


def _judged_chunk(dtype: str, gamma: float, magnitudes: Any, *, finite: bool) -> dict[str, Findings]:
    margins, m = np.concatenate([magnitudes, -magnitudes]), magnitudes.astype(np.float64)
    if finite:
        pairs = zip(*enclosures(m, gamma), strict=True)
        exact = tuple(Enclosure(*map(np.concatenate, zip(*pair, strict=True))) for pair in pairs)
    else:
        exact = _limits(np.concatenate([m, -m]))
    loss = SigmoidFocalLoss(gamma=gamma)
    positive = loss.value_grad_hess(margins, 1)
    value, grad, hess = loss.value_grad_hess(-margins, 0)
    found = {}
    for q, got, mirror, enclosure in zip(QUANTITIES, positive, (value, -grad, hess), exact, strict=True):
        first = _judged(q, dtype, gamma, margins, got, enclosure)
        unmirrored = _differences(got, mirror)
        second = _judged(q, dtype, gamma, margins, mirror, enclosure) if unmirrored else first
        found[q] = Findings(unmirrored=unmirrored)
        found[q].add(first)
        found[q].add(second.turned(q))
    return found


def _limits(z: Floats) -> tuple[Enclosure, ...]:
    """The results at infinite and NaN margins, exactly."""
    zero = np.where(np.isnan(z), np.nan, 0.0)
    value, grad = np.where(z < 0, np.inf, zero), np.where(z < 0, -1.0, zero)
    return tuple(Enclosure(centre, np.abs(centre), np.zeros_like(z)) for centre in (value, grad, zero))


def _differences(a: Any, b: Any) -> int:
    """How many numbers differ in their bits, all NaN being alike."""
    bits = np.dtype(f"uint{8 * a.dtype.itemsize}")
    different = a.view(bits) != b.view(bits)
    return int(np.count_nonzero(different & ~(np.isnan(a) & np.isnan(b)))) if different.any() else 0


def _judged(quantity: str, dtype: str, gamma: float, margins: Any, got: Any, exact: Enclosure) -> Findings:
    """The verdict on one quantity of a chunk, by the margin, which is the logit of a positive."""
    fmt = ulp.FORMATS[dtype]
    low, high = (_rounded(end, fmt) for end in (exact.centre - exact.radius, exact.centre + exact.radius))
    suspects = np.flatnonzero((got != low) | (low != high))
    if not suspects.size:
        return Findings()
    z, results, rounded, centre = (a[suspects].astype(np.float64) for a in (margins, got, low, exact.centre))
    close = np.flatnonzero((low != high)[suspects] & ~np.isnan(rounded))
    _ask_oracle(quantity, gamma, fmt, z, close, rounded, centre)
    wrong = (results != rounded) & ~(np.isnan(results) & np.isnan(rounded))
    findings = _weighed(quantity, gamma, fmt, *(a[wrong] for a in (z, results, centre, exact.terms[suspects])))
    findings.counts["close"] = close.size
    return findings


def _rounded(x: Floats, fmt: ulp.Format) -> Any:
    """To the nearest number of the type, ties to even."""
    if fmt.name == "float32":
        return x.astype(np.float32)
    spacing = ulp.ulp(x, fmt)
    nearest = np.rint(x / spacing) * spacing
    return np.where(np.abs(nearest) > fmt.largest, np.copysign(np.inf, x), nearest)


def _ask_oracle(
    quantity: str, gamma: float, fmt: ulp.Format, z: Floats, places: NDArray[np.intp], rounded: Floats, centre: Floats
) -> None:
    """Put the exact result, correctly rounded and in float64, in the places where that is not known."""
    if not places.size:
        return
    with _ORACLE:
        for place, result in zip(places, oracle.sigmoid_many(z[places].tolist(), 1, gamma, digits=50), strict=True):
            rounded[place] = ulp.nearest(getattr(result, quantity), fmt)
            centre[place] = float(getattr(result, quantity))


def _weighed(quantity: str, gamma: float, fmt: ulp.Format, z: Floats, got: Floats, exact: Floats, terms: Floats) -> Findings:
    """Wrong results, counted by kind, and against the accuracy contract, by `focal_ref.conformance.contract`."""
    on = Terms(quantity, fmt.name, precision.WIDER[fmt.name], gamma, EXTENDED)
    found = judge(got, Exact(exact, np.zeros_like(exact), terms, np.logaddexp(0.0, -z)), on)
    masks = {
        "wrong": np.ones_like(found.nan),
        "beyond": found.wrong & ~found.nan & ~found.infinite,
        "nan": found.nan,
        "wrong_inf": found.infinite,
        "flushed": found.flushed,
    }
    counts = {name: int(np.count_nonzero(mask)) for name, mask in masks.items()}
    worst = float(np.max(found.plain[found.measured], initial=0.5))
    listed = [[x.hex(), 1, y.hex()] for x, y in zip(z[:LISTED].tolist(), got[:LISTED].tolist(), strict=True)]
    return Findings({**dict.fromkeys(COUNTS, 0), **counts}, worst, listed)

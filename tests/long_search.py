"""Long search for errors beyond the contract: ``python -m tests.long_search --link softmax --minutes 60``.

What the tests do in a minute, for as long as is wanted: a type, a precision, an engine, γ, a target and a box of logits are
drawn, and a few rounds climb from the worst points. The judge is certified balls, or a member's definition in mpmath. It prints
the worst that was found of each kind as a Markdown table, and ends with 1 where anything is beyond its bound.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import focal_ref as fr
from focal_ref.conformance import ulp
from focal_ref.conformance.contract import QUANTITIES, Exact, Terms, bound, judge
from focal_ref.conformance.exact import of_sigmoid, of_softmax
from focal_ref.conformance.grids import Grid, rounded
from focal_ref.engine import precision
from focal_ref.family import KERNELS
from focal_ref.libraries import backends
from tests.family import test_search as members
from tests.search import Floats, climbed

DTYPES = ("float64", "float32", "bfloat16", "float16")
ENGINES = ("numpy", "compiled")
OFTEN = (0.0, 0.5, 1.0, 2.0, 5.0)
MEMBERS_SHARE = 0.25
"""Of the time: mpmath takes a hundred times longer for a point."""


class Kind(NamedTuple):
    """What a worst error is kept for."""

    member: str
    dtype: str
    precision: str
    quantity: str


class Worst(NamedTuple):
    """The largest share of a bound, the error in ULP, and where."""

    share: float
    error: float
    where: str


class Found:
    """The worst of each kind, and how many results were judged."""

    def __init__(self) -> None:
        self.worst: dict[Kind, Worst] = {}
        self.judged: dict[Kind, int] = {}

    def add(self, kind: Kind, share: float, error: float, where: str, judged: int) -> None:
        self.judged[kind] = self.judged.get(kind, 0) + judged
        share = math.inf if math.isnan(share) else share
        if kind not in self.worst or share > self.worst[kind].share:
            self.worst[kind] = Worst(share, error, where)

    @property
    def beyond(self) -> list[Kind]:
        return [kind for kind, worst in self.worst.items() if worst.share > 1]

    def table(self) -> str:
        head = "| member | type | precision | quantity | judged | worst, ULP | of its bound | where |\n" + "| --- " * 8 + "|"
        lines = [
            f"| {' | '.join(kind)} | {self.judged[kind]:,} | {worst.error:.4g} | {worst.share:.3f} | {worst.where} |"
            for kind, worst in sorted(self.worst.items())
        ]
        return "\n".join([head, *lines])


def focal(link: str, rng: np.random.Generator, found: Found) -> None:
    """One climb with focal loss itself."""
    dtype, engine = rng.choice(DTYPES), rng.choice(ENGINES)
    asked = rng.choice(["reference", "extended", "native"] if dtype in DTYPES[:2] else ["reference", "extended"])
    native = asked == "native" or (asked == "extended" and dtype == "float64")
    gamma = float(rng.choice([rng.choice(OFTEN), rng.uniform(0, 5), 10.0 ** rng.uniform(-9, 0.69)]))
    gamma = precision.round_to(gamma, dtype) if native else gamma
    actual = "native" if native else asked
    compute = dtype if native else "float64"
    classes = int(rng.choice([2, 2, 3, 3, 4, 10])) if link == "softmax" else 1
    edge = -np.log(ulp.FORMATS[dtype].tiny)
    # Where training is, everywhere, and where exp(±x) or its power is about to underflow.
    boxes = [(-reach, reach) for reach in (2.0, 8.0, 40.0, edge + 10)]
    boxes += [(sign * at - 20, sign * at + 20) for at in (edge, edge / (1 + gamma)) for sign in (1, -1)]
    box = boxes[rng.integers(len(boxes))]
    target = int(rng.integers(0, max(classes, 2)))
    make: Any = fr.SoftmaxFocalLoss if link == "softmax" else fr.SigmoidFocalLoss
    loss = make(gamma=gamma, precision=asked)

    def errors(points: Floats) -> Floats:
        x = rounded(points if link == "softmax" else points[:, 0], dtype)
        targets = np.full(len(x), target, dtype=np.int32)
        grid = Grid(link, dtype, x, targets, ("random",) * len(x))
        exact = (of_softmax if link == "softmax" else of_sigmoid)(grid, gamma)
        with fr.set_engine(engine):
            got = loss.value_grad_hess(backends.host(x, dtype), targets)
        shares = [judged(x, result, exact[q], q) for q, result in zip(QUANTITIES, got, strict=True)]
        return np.max(shares, axis=0)

    def judged(x: Floats, result: Any, exact: Exact, quantity: str) -> Floats:
        limit = bound(quantity, link, dtype, actual, gamma)
        on = Terms(quantity, dtype, compute, gamma, limit)
        with np.errstate(all="ignore"):
            judgement = judge(np.asarray(result).astype(np.float64).ravel(), exact, on)
        error, shares = np.where(judgement.measured, judgement.error, 0.0), judgement.shares
        worst = int(np.argmax(shares))
        row = x[worst * len(x) // shares.size]
        where = f"{engine}, γ = {gamma!r}, {row.tolist()!r}, target {target}"
        found.add(Kind("focal", dtype, asked, quantity), float(shares[worst]), float(error[worst]), where, shares.size)
        of_points: Floats = shares.reshape(len(x), -1).max(axis=1)
        return of_points

    climbed(errors, [box] * classes, seed=int(rng.integers(2**31)), count=256, rounds=6)


def of_family(link: str, rng: np.random.Generator, found: Found) -> None:
    """One climb with a sibling, by its definition in mpmath."""
    kernel, dtype = KERNELS[str(rng.choice([name for name in KERNELS if name != "focal"]))], str(rng.choice(DTYPES[:2]))
    rows, rounds, steps = link == "softmax", 4, 4
    worst = members.climbed(kernel, dtype, rows, rng, rounds, steps)
    points = rounds * (members.ROWS if rows else members.LOGITS) + steps * members.NEAR
    for quantity, (share, *at) in worst.items():
        limit = members.limit(at[2], quantity, dtype, rows) if at else 1.0
        where = f"numpy, {at[2]!r}, {np.asarray(at[0]).tolist()!r}, target {at[1]}" if at else "nowhere"
        judged = points * (members.CLASSES if rows and quantity != "value" else 1)
        found.add(Kind(kernel.name, dtype, "extended", quantity), share, share * limit, where, judged)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.long_search", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--link", choices=("sigmoid", "softmax"), default="sigmoid")
    parser.add_argument("--minutes", type=float, default=60.0, help="of the processor's time (default: %(default)g)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="keep the table in a file, while it grows")
    given = parser.parse_args(arguments)
    rng, found, began, siblings = np.random.default_rng(given.seed), Found(), time.process_time(), 0.0
    while (spent := time.process_time() - began) < given.minutes * 60:
        if siblings < MEMBERS_SHARE * spent:
            of_family(given.link, rng, found)
            siblings += time.process_time() - began - spent
        else:
            focal(given.link, rng, found)
        if given.out:
            given.out.write_text(f"{spent / 60:.1f} minutes, {sum(found.judged.values()):,} results\n\n{found.table()}\n")
    print(f"{given.link}: {sum(found.judged.values()):,} results in {given.minutes:g} minutes\n\n{found.table()}")
    return 1 if found.beyond else 0


if __name__ == "__main__":
    sys.exit(main())

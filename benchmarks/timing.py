"""Times that can be compared on a busy machine: contestants take turns, and ratios are taken turn by turn."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from .cases import Case
from .contestants import Contestant

__all__ = ["Timed", "measure", "ratio"]

SHORTEST = 4e-3
"""Seconds: calls are repeated to last so long, and timed together."""
ROUNDS = (5, 41)
"""As few and as many as there may be; an odd number, so that the median is one of them."""


class Timed(NamedTuple):
    """A contestant's seconds a call, in each round."""

    name: str
    rounds: list[float]

    @property
    def seconds(self) -> float:
        """The median."""
        return statistics.median(self.rounds)


Clock = Callable[[], float]


def measure(
    case: Case, contestants: Sequence[Contestant], seconds: float, tell: Callable[[str], None], clock: Clock = time.perf_counter
) -> list[Timed]:
    """Everyone at one case, in about so many seconds (warming up and compiling not counted)."""
    data = case.data()
    calls: list[tuple[Callable[[], Any], int]] = []
    whole_round = 0.0
    for contestant in contestants:
        tell(f"{case.name}: preparing {contestant.name}")
        call = contestant.make(data)
        call()
        once = min(_time(call, 1, clock) for _ in range(2))
        repeats = max(1, round(SHORTEST / max(once, 1e-9)))
        calls.append((call, repeats))
        whole_round += once * repeats
    fewest, most = ROUNDS
    rounds = min(most, max(fewest, int(seconds / whole_round))) | 1
    times: list[list[float]] = [[] for _ in calls]
    for number in range(rounds):
        tell(f"{case.name}: round {number + 1} of {rounds}")
        # Whoever comes after the one that empties the caches isn't always the same.
        step = -1 if number % 2 else 1
        for place in range(len(calls)):
            chosen = (number + step * place) % len(calls)
            times[chosen].append(_time(*calls[chosen], clock))
    return [Timed(contestant.name, mine) for contestant, mine in zip(contestants, times, strict=True)]


def _time(call: Callable[[], Any], repeats: int, clock: Clock) -> float:
    collecting = gc.isenabled()
    gc.disable()
    try:
        start = clock()
        for _ in range(repeats):
            call()
        return (clock() - start) / repeats
    finally:
        if collecting:
            gc.enable()


def ratio(slower: Timed, faster: Timed) -> float:
    """How many times as long the first takes: the median over the rounds."""
    return statistics.median(a / b for a, b in zip(slower.rounds, faster.rounds, strict=True))

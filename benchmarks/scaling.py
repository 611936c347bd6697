"""What a second thread gains, beside what a second process gains on the same machine: two cores are not always two."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from typing import Any, NamedTuple

import focal_ref as fr

from .cases import ALPHA, GAMMA, Case

__all__ = ["Scaling", "scaling"]


class Scaling(NamedTuple):
    """Times as fast as one thread, by the medians; and the threads' gain over the processes', by the median of rounds."""

    threads: float
    processes: float
    of_processes: float


def scaling(case: Case, rounds: int) -> Scaling:
    """Of value and gradient by focal_ref native on NumPy, in this process; without a limit on its cores."""
    call = _call(case)
    workers = [_Worker(case) for _ in range(2)]
    one, two, both = [], [], []
    try:
        for _ in range(rounds):
            with fr.set_threads(1):
                one.append(_time(call))
            with fr.set_threads(2):
                two.append(_time(call))
            start = time.perf_counter()
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.wait()
            both.append(time.perf_counter() - start)
    finally:
        for worker in workers:
            worker.end()
    threads = statistics.median(a / b for a, b in zip(one, two, strict=True))
    processes = statistics.median(2 * a / b for a, b in zip(one, both, strict=True))
    return Scaling(threads, processes, statistics.median(b / (2 * a) for a, b in zip(two, both, strict=True)))


def _call(case: Case) -> Any:
    data = case.data()
    loss = fr.SigmoidFocalLoss(gamma=GAMMA, alpha=ALPHA, reduction="mean", precision="native")

    def call() -> None:
        loss.value_and_grad(*data)

    call()
    return call


def _time(call: Any) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


class _Worker:
    """A process that makes a call for each line it is sent."""

    def __init__(self, case: Case) -> None:
        command = [sys.executable, "-m", "benchmarks.scaling", json.dumps(case)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.wait()

    def start(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def wait(self) -> None:
        assert self.process.stdout is not None
        if self.process.stdout.readline() != "done\n":
            raise RuntimeError("a benchmark's worker ended early")

    def end(self) -> None:
        self.process.communicate()


def _serve(case: Case) -> None:
    with fr.set_threads(1):
        call = _call(case)
        print("done", flush=True)
        for _ in sys.stdin:
            call()
            print("done", flush=True)


if __name__ == "__main__":
    link, shape = json.loads(sys.argv[1])
    _serve(Case(link, tuple(shape)))

"""One command: measure, print, and write JSON, a plot and the documentation's page."""

from __future__ import annotations

import importlib.util
import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import focal_ref as fr
from focal_ref.commands import console
from focal_ref.commands.parser import Parser, whole

from . import cases, contestants, machine, memory, report
from .scaling import scaling
from .timing import measure

__all__ = ["main", "run"]

DESCRIPTION = """\
How fast focal_ref is, beside its peers and the machine's own floor.

Value and gradient, float32, gamma 2, alpha 0.25, mean. Contestants take turns; every ratio is a median of rounds. A full run
takes about 8 minutes on two cores, --quick one. What is not installed is left out and named."""

MEMORY = {
    "sigmoid": (
        "focal_ref native, NumPy",
        "focal_ref extended, NumPy",
        "focal_ref_torch, eager",
        "torchvision's formula, eager",
        "focal_ref_jax, jitted",
        "optax's formula, jitted",
        "textbook, NumPy",
    ),
    "softmax": (
        "focal_ref native, NumPy",
        "focal_ref_torch, eager",
        "tutorial's class, eager",
        "focal_ref_torch, eager, bfloat16",
        "tutorial's class, eager, bfloat16",
    ),
}
"""Whose memory is measured."""
MEMORY_CASES = (cases.Case("sigmoid", (10**7,)), *(cases.Case("softmax", shape) for shape in ((4000, 1000), (512, 50257))))
SCALING_CASE = cases.Case("sigmoid", (10**7,))

Tell = Callable[[str], None]


def run(
    chosen: Sequence[cases.Case],
    *,
    threads: int,
    seconds: float,
    quick: bool,
    memory_cases: Sequence[cases.Case],
    scaling_rounds: int,
    tell: Tell,
    busy: bool = False,
) -> dict[str, Any]:
    """Everything measured, as plain data ready for JSON."""
    load = [os.getloadavg()[0]] if hasattr(os, "getloadavg") else None
    several = scaling_rounds and len(machine.allowed()) > 1
    if several:
        tell("two threads, two processes")
    gains = scaling(SCALING_CASE, scaling_rounds)._asdict() if several else None
    machine_was = machine.describe()
    machine.limit(threads)
    peaks = list(_peaks(memory_cases, tell)) if memory.can_measure() else []
    _limit_torch(threads)
    timed = []
    clock = time.process_time if busy else time.perf_counter
    with fr.set_threads(threads):
        for case in chosen:
            measured = measure(case, list(contestants.of(case, quick=quick)), seconds, tell, clock)
            entries = [{"name": t.name, "seconds": t.seconds, "rounds": t.rounds} for t in measured]
            timed.append(
                {"name": case.name, "link": case.link, "shape": case.shape, "logits": case.logits, "contestants": entries}
            )
    if load is not None:
        load.append(os.getloadavg()[0])
    return {
        "machine": machine_was,
        "threads": threads,
        "clock": "processor" if busy else "wall",
        "load": load,
        "cases": timed,
        "memory": peaks,
        "scaling": gains,
        "absent": contestants.absent(),
    }


def _peaks(memory_cases: Sequence[cases.Case], tell: Tell) -> Any:
    for case in memory_cases:
        here = {c.name for c in contestants.of(case)}
        for name in MEMORY[case.link]:
            if name in here and (case != cases.HUGE or (name.endswith("NumPy") and name.startswith("focal_ref"))):
                tell(f"{case.name}: memory of {name}")
                yield {"case": case.name, **memory.peak(case, name)._asdict()}


def _limit_torch(threads: int) -> None:
    if importlib.util.find_spec("torch") is not None:
        importlib.import_module("torch").set_num_threads(threads)


def parser() -> Parser:
    """The command's options."""
    options = Parser(prog="python -m benchmarks", description=DESCRIPTION)
    options.add_argument(
        "--quick", action="store_true", help="three cases, nothing that compiles for long, no memory or scaling"
    )
    options.add_argument("--tiny", action="store_true", help="a hundred logits: whether it runs")
    options.add_argument("--huge", action="store_true", help="1e8 logits too (12 GiB of memory, minutes)")
    options.add_argument("--threads", type=whole(1, 4096), default=1, metavar="N", help="for every contestant (default: 1)")
    options.add_argument("--busy", action="store_true", help="count processor time, where the machine has other work to do")
    options.add_argument("--seconds", type=whole(1, 3600), default=20, metavar="N", help="for each case, about (default: 20)")
    options.add_argument(
        "--json", type=Path, default=Path("build/benchmarks.json"), metavar="FILE", help="(default: %(default)s)"
    )
    options.add_argument(
        "--plot", type=Path, default=Path("build/benchmarks.svg"), metavar="FILE", help="(default: %(default)s)"
    )
    options.add_argument("--write-docs", action="store_true", help="docs/performance.md and its plot, from this run")
    options.add_argument("--from-json", type=Path, metavar="FILE", help="measure nothing: show and write an earlier run")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    options = parser().parse_args(arguments)
    results = json.loads(options.from_json.read_text("utf-8")) if options.from_json else _measured(options)
    console.show(report.lines(results))
    _write(results, options)
    return 0


def _measured(options: Any) -> dict[str, Any]:
    small = options.quick or options.tiny
    chosen = (*cases.EVERY, *((cases.HUGE,) if options.huge else ()))
    chosen = cases.TINY if options.tiny else cases.QUICK if options.quick else chosen
    memory_cases = () if small else (*MEMORY_CASES, cases.HUGE)
    told = 0
    with console.Progress() as progress:

        def tell(text: str) -> None:
            nonlocal told
            told += 1
            progress(told, max(told, 60 if small else 300), text)

        return run(
            chosen,
            threads=options.threads,
            seconds=options.seconds,
            quick=small,
            memory_cases=memory_cases,
            scaling_rounds=0 if small else 9,
            tell=tell,
            busy=options.busy,
        )


def _write(results: dict[str, Any], options: Any) -> None:
    options.json.parent.mkdir(parents=True, exist_ok=True)
    if not options.from_json:
        options.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    drawn = importlib.util.find_spec("matplotlib") is not None
    if drawn:
        options.plot.parent.mkdir(parents=True, exist_ok=True)
        report.plot(results, options.plot)
    if options.write_docs:
        docs = Path(__file__).resolve().parent.parent / "docs"
        if drawn:
            report.plot(results, docs / "performance.svg")
        (docs / "performance.md").write_text(report.page(results, "performance.svg"), encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main())

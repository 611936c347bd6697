"""The benchmarks run, measure the same function for everyone, and judge by the figures that they write; no time is asserted."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import focal_ref as fr
from benchmarks import aims, cases, contestants, memory, out_of_core, report, timing
from benchmarks.scaling import scaling

ROOT = Path(fr.__file__).parent.parent
TINY = {case.link: case for case in cases.TINY}


@pytest.mark.slow
def test_the_command_writes_every_figure(tmp_path: Path) -> None:
    """A run over a hundred logits prints a table, and writes JSON with each contestant's rounds and a plot."""
    written, drawn = tmp_path / "new" / "figures.json", tmp_path / "figures.svg"
    command = [sys.executable, "-m", "benchmarks", "--tiny", "--seconds", "1", "--json", str(written), "--plot", str(drawn)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    results = json.loads(written.read_text())
    assert [case["name"] for case in results["cases"]] == ["sigmoid 1e2", "softmax 20 × 10"]
    for case, link in zip(results["cases"], ("sigmoid", "softmax"), strict=True):
        assert [c["name"] for c in case["contestants"]] == [c.name for c in contestants.of(TINY[link], quick=True)]
        for contestant in case["contestants"]:
            assert len(contestant["rounds"]) >= timing.ROUNDS[0]
            assert 0 < min(contestant["rounds"]) <= contestant["seconds"] <= max(contestant["rounds"])
            assert contestant["name"] in done.stdout
    assert results["threads"] == 1
    assert results["machine"]["versions"]["numpy"] == np.__version__
    if importlib.util.find_spec("matplotlib") is not None:
        assert "<svg" in drawn.read_text()
    assert any(line.strip().startswith(("met", "MISSED")) for line in done.stdout.splitlines())


@pytest.mark.slow
@pytest.mark.parametrize("link", ["sigmoid", "softmax"])
def test_everyone_computes_the_same(link: str) -> None:
    """Each contestant's value and gradient are focal_ref's, but for less than 1e-4 of the largest (peers err by that much)."""
    case = TINY[link]
    data = case.data()
    loss: Any = fr.SigmoidFocalLoss if link == "sigmoid" else fr.SoftmaxFocalLoss
    value, grad = loss(gamma=cases.GAMMA, alpha=cases.ALPHA, reduction="mean").value_and_grad(*data)
    names = []
    for contestant in contestants.of(case, quick=True):
        results = contestant.make(data)()
        if contestant.name.startswith("floor"):
            continue
        names.append(contestant.name)
        got_value, got_grad = (np.asarray(r.detach() if hasattr(r, "detach") else r) for r in results)
        assert abs(got_value - value) <= 1e-4 * value, contestant.name
        assert np.abs(got_grad - grad).max() <= 1e-4 * np.abs(grad).max(), contestant.name
    assert len(names) >= 3


def test_who_is_missing_is_named() -> None:
    """Whoever can't be measured here is in the list of the absent, with what is missing; nobody is in both lists."""
    absent = contestants.absent()
    here = {c.name for case in cases.TINY for c in contestants.of(case)}
    assert not here & absent.keys()
    assert all(absent.values())


def test_a_ratio_is_the_median_of_the_rounds_ratios() -> None:
    """Not the ratio of the medians: what slows one round slows both."""
    slow, fast = timing.Timed("slow", [2.0, 30.0, 4.0]), timing.Timed("fast", [1.0, 10.0, 4.0])
    assert timing.ratio(slow, fast) == 2.0
    assert (slow.seconds, fast.seconds) == (4.0, 4.0)


def test_contestants_take_turns() -> None:
    """Every round has each once, and who comes first changes."""
    order: list[str] = []

    def make(name: str) -> contestants.Contestant:
        return contestants.Contestant(name, lambda _: lambda: order.append(name) or sum(range(400_000)))

    times = timing.measure(TINY["sigmoid"], [make(name) for name in "abc"], 0.0, lambda _: None)
    rounds = len(times[0].rounds)
    assert rounds == timing.ROUNDS[0]
    assert all(len(t.rounds) == rounds and min(t.rounds) > 0 for t in times)
    turns = [name for i, name in enumerate(order[9:]) if i == 0 or name != order[9:][i - 1]]
    assert {name: turns.count(name) for name in "abc"}.keys() == set("abc")
    assert len({order[9:][i] for i in range(0, len(order) - 9, max(1, (len(order) - 9) // rounds))}) > 1


@pytest.mark.slow
def test_memory_is_the_call_s() -> None:
    """A call over 1e6 logits takes its results at least, and autograd keeps more than the logits."""
    if not memory.can_measure():
        return
    case = cases.Case("sigmoid", (10**6,))
    ours = memory.peak(case, "textbook, NumPy")
    assert 4 * 10**6 <= ours.bytes < 10**9
    assert ours.saved is None
    if "torchvision's formula, eager" not in contestants.absent():
        saved = memory.peak(case, "torchvision's formula, eager").saved
        assert saved is not None
        assert saved > 2 * 4 * 10**6


@pytest.mark.slow
def test_chunks_bound_the_memory(tmp_path: Path) -> None:
    """2e7 logits, 100 MB with their labels: every way finds the same, in less; workers' own size is their own matter."""
    written, folder = tmp_path / "figures.json", tmp_path / "files"
    folder.mkdir()
    options = ["--logits", "2e7", "--chunk", "262144", "--threads", "2", "--folder", str(folder), "--json", str(written)]
    command = [sys.executable, "-m", "benchmarks.out_of_core", *options]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    figures = json.loads(written.read_text())
    found = {way["way"]: way for way in figures["ways"]}
    assert found.keys() - {"files"} == out_of_core.WAYS.keys() - figures["absent"].keys()
    assert all(way["text"] in done.stdout for way in found.values())
    assert not list(folder.iterdir())
    values = np.asarray([way["value"] for name, way in found.items() if name not in ("files", "made-only")], np.float32)
    slopes = [found[name]["slope"] for name in ("made", "read", "loop")]
    assert max(values) - min(values) <= 2 * np.spacing(values[0])
    assert max(slopes) - min(slopes) <= 1e-6 * abs(slopes[0])
    assert all(way["peak"] is None or 0 < way["peak"] < 8e7 for name, way in found.items() if name != "workers")


@pytest.mark.slow
def test_scaling_compares_threads_with_processes() -> None:
    """Both gains are figures, whatever the machine."""
    gains = scaling(TINY["sigmoid"], 3)
    assert all(gain > 0 for gain in gains)


def results() -> dict[str, Any]:
    """A run with made-up figures: focal_ref takes 1 s, everyone else 5 s."""

    def timed(case: cases.Case) -> dict[str, Any]:
        names = [c.name for c in contestants._SIGMOID if case.link == "sigmoid"] + [
            c.name for c in contestants._SOFTMAX if case.link == "softmax"
        ]
        entries = [{"name": n, "seconds": s, "rounds": [s] * 3} for n in names for s in [1.0 if "focal_ref" in n else 5.0]]
        return {"name": case.name, "link": case.link, "shape": case.shape, "logits": case.logits, "contestants": entries}

    return {
        "machine": {"processor": "a", "cores": 2, "system": "b", "python": "3", "versions": {"numpy": "2"}},
        "threads": 1,
        "load": [0.5, 1.5],
        "cases": [timed(case) for case in cases.EVERY],
        "memory": [
            {"case": case, "name": name, "bytes": size, "saved": None}
            for case in ("sigmoid 1e7", "sigmoid 1e8", "softmax 4000 × 1000")
            for name, size in (
                (aims.NATIVE, 4 * 10**8 + 2**20),
                (aims.EXTENDED, 4 * 10**8 + 2**27),
                (aims.TORCH, 10),
                (aims.FORMULA, 20),
                (aims.TUTORIAL, 5),
            )
        ],
        "scaling": {"threads": 1.8, "processes": 1.9, "of_processes": 0.95},
        "absent": {"someone": "something is not installed"},
    }


def test_aims_are_judged_by_the_figures() -> None:
    """Faster by 5: aims up to 5 are met, 7 is missed; what wasn't measured has no verdict; bounds hold from both sides."""
    verdicts = {(v.aim, v.case): v for v in aims.judge(results())}

    def of(aim: str, case: str) -> tuple[float | None, bool | None]:
        verdict = verdicts[(aim, case)]
        return verdict.got, verdict.met

    faster = f"{aims.NATIVE}: times as fast as {aims.FORMULA}"
    assert of(faster, "sigmoid 1e6") == (5.0, True)
    assert of(faster, "sigmoid 1e7") == (5.0, False)
    assert of(f"{aims.NATIVE}: times the time of {aims.FLOOR}", "sigmoid 1e6") == (0.2, True)
    assert of(f"{aims.NATIVE}: µs a call", "sigmoid 1e2") == (1e6, False)
    assert of(f"{aims.NATIVE}: MiB beyond the gradient", "sigmoid 1e8") == (1.0, True)
    assert of(f"{aims.EXTENDED}: MiB beyond the gradient", "sigmoid 1e8") == (128.0, False)
    assert of(f"{aims.TORCH}: times the peak memory of {aims.FORMULA}", "sigmoid 1e7") == (0.5, True)
    assert of(f"{aims.TORCH}: times the peak memory of {aims.TUTORIAL}", "softmax 4000 × 1000") == (2.0, False)
    assert of(f"{aims.JAX}: times the peak memory of {aims.OPTAX}", "sigmoid 1e7") == (None, None)
    assert of(f"{aims.CUPY}: times as fast as {aims.FORMULA_CUDA}", "sigmoid 1e8") == (None, None)
    assert of("two threads: share of two processes' gain", "sigmoid 1e7") == (0.95, True)


def test_every_aim_speaks_of_contestants_that_exist() -> None:
    """Names in the aims are names of contestants and cases, so that none is silently never measured."""
    names = {c.name for c in (*contestants._SIGMOID, *contestants._SOFTMAX)}
    known = {case.name for case in (*cases.EVERY, cases.HUGE)}
    for ours, theirs, case, *_ in (*aims.FASTER, *aims.AT_MOST, *aims.LEANER):
        assert {ours, theirs} <= names
        assert case in known


@pytest.mark.slow
def test_the_page_has_what_the_json_has(tmp_path: Path) -> None:
    """Machine, versions, aims, each case's table, memory and who is missing; tables are whole."""
    text = report.page(results(), "performance.svg")
    for part in ("a, 2 cores", "numpy 2", "load average 0.5", "**missed**", "| met |", "not measured", "someone", "1.80 times"):
        assert part in text, part
    for case in cases.EVERY:
        assert f"## {case.name}" in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert all(line.endswith("|") for line in rows)
    if importlib.util.find_spec("matplotlib") is not None:
        report.plot(results(), tmp_path / "plot.svg")
        assert "<svg" in (tmp_path / "plot.svg").read_text()
    assert any(line.kind == "bad" for line in report.lines(results()))

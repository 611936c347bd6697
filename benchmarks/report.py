"""A run's results as lines to print, as a page of the documentation and as a plot."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from focal_ref.commands.console import Line

from .aims import FORMULA, NATIVE, TORCH, TUTORIAL, Verdict, judge
from .timing import Timed, ratio

__all__ = ["lines", "page", "plot"]

PAGE = """# Performance

"""
"""What the page begins with: then one chart and one table, and how to read them."""

HOW = """
Value and gradient of the mean, float32, γ = 2, α = 0.25, on {threads}; a ratio above 1 means that focal_ref takes less time.
People's own code is torchvision's formula (sigmoid) and the class that tutorials copy (softmax) in eager PyTorch; both give
float32's errors, focal_ref the nearest float32. Contestants take turns in one process, and a ratio is the median of the ratios
of single rounds. This page is written by

```sh
python -m benchmarks --write-docs
```

in the source tree; its folder `benchmarks` says what is measured and how. Figures depend on the machine: run it on yours.

## Blocks and threads

NumPy arrays, and so PyTorch's on the CPU outside its compiler, are worked on in blocks that fit a core's caches, on as many
threads as this process may use cores (its affinity and its cgroups' quota). `FOCAL_REF_THREADS` in the environment changes
that, or for the whole process

```python
>>> import numpy as np
>>> import focal_ref as fr
>>> with fr.set_threads(1):
...     grad = fr.SigmoidFocalLoss().grad(np.zeros(100_000), 1)
```

and without `with` for good. Neither the number of threads nor the size of blocks changes a bit of any result. Besides its
results a call takes some 10 to 20 MiB a thread. Arrays up to 131,072 logits never leave the calling thread, nor does what
runs in a Dask block, since Dask has threads of its own. Under PyTorch's and JAX's compilers, how work is spread is theirs
to say.

## Engines

Where [llvmlite](https://llvmlite.readthedocs.io) is installed (`pip install "focal-ref[fast]"`; numba brings it along), NumPy
arrays run as one compiled loop a call, which reads every argument once, writes every
result once, and keeps nothing of their size. It
is made when first needed, in some tenths of a second, and kept in the user's folder of caches (`FOCAL_REF_CACHE` names
another, or none where it is empty). Otherwise NumPy's own operations work in blocks. `fr.engine()` says which it is; in the
whole process, or as long as `with` lasts,

```python
>>> with fr.set_engine("numpy"):
...     fr.engine()
'numpy'
```

chooses, as `FOCAL_REF_ENGINE` does in the environment: `"auto"`, `"numpy"` or `"compiled"`. Both keep the same contract. Their
results may differ in the last bits of float64, and for a near-tie in the last bit of a narrower type. `focal-ref check` says
which one is at work.

A loop works on eight float64 at a time, whatever the processor has, and whatever type comes in: logits are widened as they are
read, and results rounded once as they are written. exp and log are written in it, since a call would keep it from using
vectors; where results are narrower than float64 they are shorter ones, good to 2⁻⁴⁷, which a float32's last place doesn't show.
A row takes one exponential a class, and is walked three times: for the largest logit, for the exponentials and their sum, for
the gradient. Up to 256 classes, eight rows are walked at once.

## Where it is slower

Under JAX's `jit` on the CPU the softmax loss takes longer than the textbook's formula, which is `jax.nn.log_softmax`, a
gather, and `(1 - jnp.exp(log_p)) ** 2 * log_p`. Value and gradient of the mean, float32, γ = 2, one thread: medians of the
processor time, since the machine had other work, in three runs of 15 rounds (3 for the last line) in which both took turns:

| | the textbook's, jitted | focal_ref_jax, jitted | times its time |
| --- | ---: | ---: | ---: |
| softmax 100000 × 10 | 8.5, 8.0, 8.1 ms | 45.3, 43.6, 43.9 ms | 5.4 |
| softmax 4000 × 1000 | 32.7, 32.3, 32.7 ms | 93.7, 94.6, 94.3 ms | 2.9 |
| softmax 1000 × 50257 | 514, 526, 484 ms | 1247, 1247, 1218 ms | 2.4 |

On the wall's clock the first line was 12 against 65 ms, on a loaded machine. The value without the gradient is 4.0 against
44 ms there. The sigmoid loss takes about as long as the textbook's (below): 89 against 141 µs for 1e4 logits, 10.6 against
12.3 ms for 1e6, 229 against 215 ms for 1e7. Where this loss is what a step spends its time on, and [the digits of the
textbook's](accuracy.md) will do, take that.

"""


def lines(results: dict[str, Any]) -> Iterator[Line]:
    """The machine, a table a case, memory, threads and the aims."""
    for text in _machine(results):
        yield Line(text, "faint")
    for case in results["cases"]:
        yield from (
            Line(""),
            Line(case["name"], "title"),
            Line(f"  {'':38} {'time':>10} {'ns/logit':>9} {'× ' + NATIVE:>25}", "faint"),
        )
        for name, time, each, times in _rows(case):
            yield Line(f"  {name:38} {time:>10} {each:>9} {times:>25}")
    yield from _memory_lines(results)
    yield from (Line(""), Line("aims", "title"))
    for verdict in judge(results):
        if verdict.met is not None:
            mark = "met   " if verdict.met else "MISSED"
            what = f"  {mark}  {verdict.case:20} {verdict.aim:78} {verdict.wanted:>8}"
            yield Line(f"{what}  got {_figure(verdict.got)}", "good" if verdict.met else "bad")
    left = sorted({v.aim for v in judge(results) if v.met is None})
    yield from (Line(f"  not measured here: {aim}", "faint") for aim in left)
    yield from (Line(f"  not here: {name} ({why})", "faint") for name, why in results["absent"].items())


def _machine(results: dict[str, Any]) -> Iterator[str]:
    machine = results["machine"]
    cores = f"{machine['cores']} core{'' if machine['cores'] == 1 else 's'}"
    yield f"{machine['processor']}, {cores}, {machine['system']}, Python {machine['python']}"
    yield ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    threads = results["threads"]
    load = (
        ""
        if results["load"] is None
        else f"; load average {results['load'][0]:.1f} at the start, {results['load'][1]:.1f} at the end"
    )
    clock = "; processor time, since the machine had other work" if results.get("clock") == "processor" else ""
    yield f"{threads} thread{'' if threads == 1 else 's'} for everyone{load}{clock}"


def _rows(case: dict[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """Name, time, ns a logit, and how many times focal_ref native takes that."""
    timed = [Timed(c["name"], c["rounds"]) for c in case["contestants"]]
    ours = next((t for t in timed if t.name == NATIVE), None)
    for one in timed:
        times = f"{ratio(one, ours):.2f}" if ours else ""
        yield one.name, _time(one.seconds), f"{1e9 * one.seconds / case['logits']:.2f}", times


def _time(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-6:.3g} µs"


def _memory_lines(results: dict[str, Any]) -> Iterator[Line]:
    if results["memory"]:
        yield from (Line(""), Line("peak memory of a call, results included, beyond its arguments", "title"))
    for name, case, peak, saved in _memory_rows(results):
        yield Line(f"  {case:20} {name:38} {peak:>12}  {saved}")
    if scaling := results["scaling"]:
        yield from (Line(""), Line("two at a time, sigmoid 1e7", "title"), Line(f"  {_scaling(scaling)}"))


def _memory_rows(results: dict[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    for row in results["memory"]:
        saved = "" if row["saved"] is None else f"autograd keeps {row['saved'] / 2**20:.0f} MiB"
        yield row["name"], row["case"], f"{row['bytes'] / 2**20:.0f} MiB", saved


def _scaling(scaling: dict[str, float]) -> str:
    gains = f"two threads are {scaling['threads']:.2f} times as fast as one, two processes {scaling['processes']:.2f} times"
    return f"{gains}; of that gain, threads have {scaling['of_processes']:.2f}"


def _figure(got: float | None) -> str:
    return "" if got is None else f"{got:.3g}"


# ---- documentation ----------------------------------------------------------------------------------------------------------


def page(results: dict[str, Any], picture: str) -> str:
    """docs/performance.md; `picture` is the plot's name beside it."""
    threads = "one thread" if results["threads"] == 1 else f"{results['threads']} threads"
    parts = [PAGE + f"![times as fast as people's own code]({picture})\n"]
    header = ("", "people's own code", "focal_ref, NumPy", "focal_ref_torch, eager")
    parts.append(_table(header, map(_compared, results["cases"]), numbers=(1, 2, 3)))
    parts += [HOW.format(threads=threads), "## Machine\n", *(f"{text}\n" for text in _machine(results))]
    parts.append("## Everybody\n")
    for case in results["cases"]:
        parts.append(f"### {case['name']}\n")
        parts.append(_table(("", "time", "ns a logit", "times focal_ref's (native, NumPy)"), _rows(case), numbers=(1, 2, 3)))
    if results["memory"]:
        parts.append("## Memory\n\nA call's peak beyond its arguments, results included, as the kernel counts it.\n")
        parts.append(_table(("", "case", "peak", ""), _memory_rows(results), numbers=(2,)))
    if results["scaling"]:
        parts.append(f"## Two threads\n\nsigmoid 1e7, focal_ref native on NumPy: {_scaling(results['scaling'])}.\n")
    parts.append("## Aims\n")
    parts.append(_table(("case", "aim", "wanted", "got", ""), map(_aim, judge(results)), numbers=(2, 3)))
    if results["absent"]:
        parts.append("## Not here\n\n" + "".join(f"- {name}: {why}\n" for name, why in results["absent"].items()))
    return "\n".join(parts).replace("\n\n\n", "\n\n")


def _theirs(case: dict[str, Any]) -> str:
    return FORMULA if case["link"] == "sigmoid" else TUTORIAL


def _times_as_fast(case: dict[str, Any], name: str) -> float | None:
    """How many times as fast as people's own code a contestant is."""
    timed = {c["name"]: Timed(c["name"], c["rounds"]) for c in case["contestants"]}
    theirs = timed.get(_theirs(case))
    return ratio(theirs, timed[name]) if theirs is not None and name in timed else None


def _compared(case: dict[str, Any]) -> tuple[str, ...]:
    """A case's time for people's own code, and ours with the ratio."""
    seconds = {c["name"]: c["seconds"] for c in case["contestants"]}

    def ours(name: str) -> str:
        times = _times_as_fast(case, name)
        return "" if times is None else f"{_time(seconds[name])}: **{times:.2g} ×**"

    theirs = _theirs(case)
    return case["name"], _time(seconds[theirs]) if theirs in seconds else "", ours(NATIVE), ours(TORCH)


def _aim(verdict: Verdict) -> tuple[str, ...]:
    met = {True: "met", False: "**missed**", None: "not measured"}[verdict.met]
    return verdict.case, verdict.aim, verdict.wanted, _figure(verdict.got), met


def _table(header: tuple[str, ...], rows: Any, numbers: tuple[int, ...]) -> str:
    rule = ["---:" if i in numbers else "---" for i in range(len(header))]
    return "".join(f"| {' | '.join(row)} |\n" for row in (header, rule, *rows))


def plot(results: dict[str, Any], path: Path) -> None:
    """How many times as fast as people's own code, at every case, on a logarithmic scale."""
    matplotlib = importlib.import_module("matplotlib")
    with matplotlib.rc_context({"svg.hashsalt": "focal_ref", "svg.fonttype": "none"}):
        cases = results["cases"][::-1]
        size = (8, 1 + 0.42 * len(cases))
        figure = importlib.import_module("matplotlib.figure").Figure(figsize=size, layout="constrained")
        axis = figure.subplots()
        for name, colour, label, shift in (
            (NATIVE, "#1f6f8b", "focal_ref, NumPy arrays", 0.2),
            (TORCH, "#99c24d", "focal_ref_torch, eager", -0.2),
        ):
            found = [(place, _times_as_fast(case, name)) for place, case in enumerate(cases)]
            found = [(place, times) for place, times in found if times is not None]
            places, times = [place + shift for place, _ in found], [times for _, times in found]
            for bar in axis.barh(places, [t - 1 for t in times], 0.38, left=1, color=colour, label=label):
                axis.annotate(
                    f" {bar.get_width() + 1:.2g} × ", (bar.get_width() + 1, bar.get_y() + 0.19), va="center", fontsize=7
                )
        axis.axvline(1, color="#444444", linewidth=0.8)
        axis.set_xscale("log")
        axis.set_yticks(range(len(cases)), [case["name"] for case in cases], fontsize=8)
        axis.set_xlabel("times as fast as torchvision's formula or the tutorial's class in eager PyTorch", fontsize=8)
        axis.legend(fontsize=8, loc="lower right")
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)

"""More logits than memory holds: what Dask's chunks take, beside a plain loop of NumPy over the same mapped file.

Each way works in a process of its own and reports the loss (mean) and the gradient's sum, so that all can be seen to compute
the same. Memory is sampled from outside: what the process and its children hold that the kernel can't drop. Pages of mapped
files it can, so they don't count.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import json
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import focal_ref as fr
from focal_ref.commands import console
from focal_ref.commands.parser import Parser, accepting, listed, one_of, whole
from focal_ref.conformance.ulp import FORMATS, errors
from focal_ref.engine.numpy_threads import cores

from . import machine
from .cases import ALPHA, GAMMA

__all__ = ["WAYS", "Setting", "Way", "main", "measure"]

DESCRIPTION = """\
The loss (mean, gamma 2, alpha 0.25) and gradient of 2e9 float32 logits, which would take 8 GB, in chunks of 16 MiB.

Takes some ten minutes on two cores, and 18 GB on the disk for the files that some ways read and write."""

LOSS = fr.SigmoidFocalLoss(gamma=GAMMA, alpha=ALPHA, reduction="mean")
EVERY = 0.005
"""Seconds between two looks at the memory."""


class Setting(NamedTuple):
    """How many logits, in chunks of how many, on how many threads, and where files lie."""

    logits: int
    chunk: int
    threads: int
    folder: str

    def mapped(self, name: str, dtype: Any = None) -> Any:
        """A file as an array, made anew where a type is given."""
        path = str(Path(self.folder) / f"{name}.npy")
        if dtype is None:
            return np.load(path, mmap_mode="r")
        return np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=(self.logits,))


Results = tuple[float, float]
"""The loss and the gradient's sum; NaN for what isn't computed."""
Tell = Callable[[int, int], None]


class Way(NamedTuple):
    """A way to go about it."""

    text: str
    run: Callable[[Setting, Tell], Results]
    needs: tuple[str, ...] = ()
    files: bool = True
    """Whether it reads the mapped files."""


# ---- the ways, each run in a process of its own -----------------------------------------------------------------------------


def _made(setting: Setting) -> tuple[Any, Any]:
    """Normal logits with standard deviation 3 and labels of which one in ten is 1, chunk by chunk when they are needed."""
    random = importlib.import_module("dask.array").random.default_rng(2017)
    logits = 3 * random.standard_normal(setting.logits, chunks=setting.chunk, dtype=np.float32)
    return logits, random.random(setting.logits, chunks=setting.chunk, dtype=np.float32) < 0.1


def _read(setting: Setting) -> tuple[Any, Any]:
    """The mapped files in chunks. `da.from_array` would copy a mapped array into memory first (dask/dask#11850)."""
    da = importlib.import_module("dask.array")
    chunks = da.core.normalize_chunks(setting.chunk, (setting.logits,))
    logits, labels = (
        da.map_blocks(_piece, setting, name, chunks=chunks, dtype=dtype, meta=np.empty(0, dtype))
        for name, dtype in (("logits", np.float32), ("labels", bool))
    )
    return logits, labels


def _piece(setting: Setting, name: str, block_info: Any = None) -> Any:
    ((start, stop),) = block_info[None]["array-location"]
    return setting.mapped(name)[start:stop]


def _compute(setting: Setting, tell: Tell, *arrays: Any) -> Any:
    """On Dask's threads."""
    dask = importlib.import_module("dask")

    def told(key: Any, result: Any, dsk: Any, state: Any, worker: Any) -> None:
        tell(len(state["finished"]), sum(len(state[kind]) for kind in ("ready", "waiting", "running", "finished")))

    callback = importlib.import_module("dask.callbacks").Callback(posttask=told)
    with callback, dask.config.set(scheduler="threads", num_workers=setting.threads):
        return dask.compute(*arrays)


def _both(data: tuple[Any, Any]) -> tuple[Any, Any]:
    value, grad = LOSS.value_and_grad(*data)
    return value, grad.sum(dtype=np.float64)


def _only_made(setting: Setting, tell: Tell) -> Results:
    logits, labels = _made(setting)
    _compute(setting, tell, logits.sum(dtype=np.float64), labels.sum())
    return np.nan, np.nan


def _dask_made(setting: Setting, tell: Tell) -> Results:
    return _floats(_compute(setting, tell, *_both(_made(setting))))


def _files_made(setting: Setting, tell: Tell) -> Results:
    da = importlib.import_module("dask.array")
    files = [setting.mapped("logits", np.float32), setting.mapped("labels", bool)]
    _compute(setting, tell, da.store(list(_made(setting)), files, lock=False, compute=False))
    return np.nan, np.nan


def _dask_read(setting: Setting, tell: Tell) -> Results:
    return _floats(_compute(setting, tell, *_both(_read(setting))))


def _dask_written(setting: Setting, tell: Tell) -> Results:
    da = importlib.import_module("dask.array")
    value, grad = LOSS.value_and_grad(*_read(setting))
    stored = da.store([grad], [setting.mapped("grad", np.float32)], lock=False, compute=False)
    return float(_compute(setting, tell, value, stored)[0]), np.nan


def _workers_made(setting: Setting, tell: Tell) -> Results:
    """A process a thread. Dask by itself has workers give freed memory back at once, which costs more than the computing."""
    dask, distributed = importlib.import_module("dask"), importlib.import_module("distributed")
    keep = {"MALLOC_TRIM_THRESHOLD_": 2**26, "MALLOC_MMAP_THRESHOLD_": 2**25}
    options = {"n_workers": setting.threads, "threads_per_worker": 1, "host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
    with (
        dask.config.set({f"distributed.nanny.pre-spawn-environ.{name}": size for name, size in keep.items()}),
        distributed.LocalCluster(**options, local_directory=setting.folder, silence_logs="CRITICAL") as cluster,
        distributed.Client(cluster) as client,
    ):
        return _floats(client.compute(list(_both(_made(setting))), sync=True))


def _loop(setting: Setting, tell: Tell, grads: Any = None) -> Results:
    """Chunk by chunk; the chunk's threads are focal_ref's. The normalizer makes each sum its share of the mean."""
    loss = replace(LOSS, reduction="sum")
    logits, labels = setting.mapped("logits"), setting.mapped("labels")
    value = slope = 0.0
    with fr.set_threads(setting.threads):
        for start in range(0, setting.logits, setting.chunk):
            here = slice(start, start + setting.chunk)
            share, grad = loss.value_and_grad(logits[here], labels[here], normalizer=setting.logits)
            value += float(share)
            slope += float(np.sum(grad, dtype=np.float64))
            if grads is not None:
                grads[here] = grad
            tell(start, setting.logits)
    return value, slope


def _loop_written(setting: Setting, tell: Tell) -> Results:
    return _loop(setting, tell, setting.mapped("grad", np.float32))


def _whole(setting: Setting, tell: Tell) -> Results:
    """The value needs no chunks: NumPy's blocks are read as they come."""
    with fr.set_threads(setting.threads):
        return float(LOSS(setting.mapped("logits"), setting.mapped("labels"))), np.nan


def _floats(results: Sequence[Any]) -> Results:
    value, slope = map(float, results)
    return value, slope


DASK = ("dask",)
WAYS = {
    "made-only": Way("Dask: chunks made, and nothing else", _only_made, DASK, files=False),
    "made": Way("Dask: chunks made; value, gradient's sum", _dask_made, DASK, files=False),
    "workers": Way("Dask distributed, a process a thread: the same", _workers_made, ("dask", "distributed"), files=False),
    "read": Way("Dask: file read; value, gradient's sum", _dask_read, DASK),
    "written": Way("Dask: file read; value, gradient written", _dask_written, DASK),
    "loop": Way("NumPy, a loop: file read; value, gradient's sum", _loop),
    "loop-written": Way("NumPy, a loop: file read; value, gradient written", _loop_written),
    "whole": Way("NumPy, one call: file read; value alone", _whole),
}
FILES = Way("making the files", _files_made, DASK, files=False)


# ---- measuring them ---------------------------------------------------------------------------------------------------------


def measure(way: Way, setting: Setting, tell: Callable[[float], None]) -> dict[str, Any]:
    """Seconds, the peak of memory in bytes beyond what there was before (None where that can't be seen), and the results."""
    name = next((name for name, known in WAYS.items() if known is way), "files")
    command = [sys.executable, "-m", "benchmarks.out_of_core", "--serve", json.dumps([name, *setting])]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        before = peak = _held(process.pid)
        process.stdin.write("\n")
        process.stdin.flush()
        found: dict[str, Any] = {}
        while process.poll() is None:
            peak = max(peak, _held(process.pid))
            if select.select([process.stdout], [], [], EVERY)[0] and (line := process.stdout.readline()):
                found = json.loads(line)
                tell(found.get("done", 1.0))
        for line in process.stdout:
            found = json.loads(line)
    if "seconds" not in found:
        raise RuntimeError(f"{way.text}: ended with status {process.returncode}")
    return {"way": name, "text": way.text, **found, "peak": peak - before if peak else None}


def _held(pid: int) -> int:
    """Bytes that the kernel can't drop, of a process and its children; 0 where it doesn't tell."""
    held = 0
    with contextlib.suppress(OSError):
        place = Path("/proc") / str(pid)
        for line in (place / "status").read_text("utf-8").splitlines():
            if line.startswith(("RssAnon:", "RssShmem:")):
                held += 1024 * int(line.split()[1])
        for thread in (place / "task").iterdir():
            held += sum(_held(int(child)) for child in (thread / "children").read_text("utf-8").split())
    return held


def _serve(name: str, setting: Setting) -> None:
    """Wait for a line, work, and print how far it is and then what was found, as lines of JSON."""
    way = WAYS.get(name, FILES)
    for library in way.needs:
        importlib.import_module({"dask": "dask.array"}.get(library, library))
    told = 0.0

    def tell(done: int, of: int) -> None:
        nonlocal told
        if time.perf_counter() - told > 0.2:
            told = time.perf_counter()
            print(json.dumps({"done": done / max(of, 1)}), flush=True)

    print("ready", flush=True)
    sys.stdin.readline()
    start = time.perf_counter()
    value, slope = way.run(setting, tell)
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "value": _or_none(value), "slope": _or_none(slope)}), flush=True)


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else value


# ---- the command ------------------------------------------------------------------------------------------------------------


def _run(names: Sequence[str], setting: Setting, progress: console.Progress) -> list[dict[str, Any]]:
    ways = [WAYS[name] for name in names]
    if any(way.files for way in ways):
        ways.insert(0, FILES)

    def tell(number: int) -> Callable[[float], None]:
        return lambda done: progress(int(1000 * (number + done)), 1000 * len(ways), ways[number].text)

    found = [measure(way, setting, tell(number)) for number, way in enumerate(ways)]
    values = np.asarray([entry["value"] for entry in found if entry["value"] is not None], np.float32)
    if len(values) and (errors(values, values[0], 0.0, FORMATS["float32"]) > 1).any():
        raise RuntimeError(f"the ways disagree about the loss: {values.tolist()}")
    return found


def _lines(results: dict[str, Any]) -> Iterator[console.Line]:
    setting = Setting(**results["setting"])
    size = 4 * setting.chunk
    yield console.Line(f"{setting.logits:.3g} logits in chunks of {size / 2**20:.3g} MiB, {setting.threads} threads", "title")
    yield console.Line(f"  {'':50} {'seconds':>8} {'ns/logit':>9} {'peak MiB':>9} {'chunks':>7} {'loss':>11}", "faint")
    for entry in results["ways"]:
        peak = entry["peak"]
        memory = "" if peak is None else f"{peak / 2**20:9.0f} {peak / size:7.1f}"
        value = "" if entry["value"] is None else f"{entry['value']:.7g}"
        each = 1e9 * entry["seconds"] / setting.logits
        yield console.Line(f"  {entry['text']:50} {entry['seconds']:8.1f} {each:9.2f} {memory:17} {value:>11}")
    yield from (console.Line(f"not here: {WAYS[name].text} ({reason})", "faint") for name, reason in results["absent"].items())


def _missing(name: str) -> list[str]:
    return [library for library in WAYS[name].needs if importlib.util.find_spec(library) is None]


def parser() -> Parser:
    """The command's options."""
    options = Parser(prog="python -m benchmarks.out_of_core", description=DESCRIPTION)
    count = accepting("a number of logits from 1000 to 1e12", _count)
    options.add_argument("--logits", type=count, default=2 * 10**9, metavar="N", help="(default: 2e9)")
    options.add_argument("--chunk", type=count, default=2**22, metavar="N", help="logits in a chunk (default: %(default)s)")
    options.add_argument("--threads", type=whole(1, 4096), default=cores(), metavar="N", help="(default: every core)")
    options.add_argument("--ways", type=listed(one_of(tuple(WAYS))), default=list(WAYS), metavar="NAME,…", help=", ".join(WAYS))
    options.add_argument(
        "--folder", type=Path, metavar="FOLDER", help="where the files are made, and removed (default: the system's)"
    )
    options.add_argument(
        "--json", type=Path, default=Path("build/out_of_core.json"), metavar="FILE", help="(default: %(default)s)"
    )
    return options


def _count(text: str) -> int:
    if not 1000 <= float(text) <= 1e12 or float(text) != int(float(text)):
        raise ValueError
    return int(float(text))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["--serve"]:
        name, *rest = json.loads(arguments[1])
        _serve(name, Setting(*rest))
        return 0
    options = parser().parse_args(arguments)
    absent = {name: f"{', '.join(_missing(name))} not installed" for name in options.ways if _missing(name)}
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="out_of_core") as folder, console.Progress() as progress:
        setting = Setting(options.logits, options.chunk, options.threads, folder)
        found = _run([name for name in options.ways if name not in absent], setting, progress)
    results = {"machine": machine.describe(), "setting": setting._replace(folder="")._asdict(), "ways": found, "absent": absent}
    console.show(_lines(results))
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""NumPy's threads: as many as are asked for or may be used, and nothing else about a call changes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import focal_ref as fr
from focal_ref.engine import numpy_blocks, run
from focal_ref.engine import numpy_threads as module

RNG = np.random.default_rng(11)
SIZE = 5 * 2**17 + 77
"""Six parts of the real size."""
LOGITS = RNG.normal(0.0, 4.0, SIZE).astype(np.float32)
LABELS = (RNG.random(SIZE) < 0.1).astype(np.float32)
LOSS = fr.SigmoidFocalLoss(alpha=0.25, reduction="mean")


@pytest.fixture(autouse=True)
def _setting_comes_back() -> Iterator[None]:
    with fr.set_threads(None):
        yield


START = "import os, threading\nimport numpy as np\nimport focal_ref as fr\nfrom focal_ref.threads import cores, threads\n"


def script(code: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a process of its own, which must end by itself."""
    command = [sys.executable, "-W", "error", "-c", START + code]
    environment = {name: value for name, value in os.environ.items() if name != module.VARIABLE} | variables
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)


def printed(code: str, **variables: str) -> str:
    done = script(code, **variables)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# ---- the setting ------------------------------------------------------------------------------------------------------------


def test_a_setting_holds_until_the_next_or_until_its_context_ends() -> None:
    """`set_threads` works as a call and as a context; contexts nest; None is the default."""
    fr.set_threads(3)
    assert module.threads() == 3
    with fr.set_threads(2), fr.set_threads(np.int64(5)):
        assert module.threads() == 5
    assert module.threads() == 3
    fr.set_threads(None)
    assert module.threads() == module.cores()
    with pytest.raises(ZeroDivisionError), fr.set_threads(7):
        _ = 1 / 0
    assert module.threads() == module.cores()


@pytest.mark.parametrize(
    ("count", "error"), [(0, ValueError), (-1, ValueError), (1.0, TypeError), ("2", TypeError), (True, TypeError)]
)
def test_a_count_that_makes_no_sense_is_refused(count: Any, error: type[Exception]) -> None:
    """The message says what came and what is accepted, and the setting stays."""
    with pytest.raises(error, match=f"threads: got {count!r}; expected a whole number ≥ 1"):
        fr.set_threads(count)
    assert module.threads() == module.cores()


@pytest.mark.slow
def test_the_environment_variable_sets_the_default() -> None:
    """FOCAL_REF_THREADS counts where nothing was set; empty is as if it weren't there; nonsense is refused by its name."""
    code = "print(threads() == cores(), threads()); fr.set_threads(2); print(threads())"
    assert printed(code, FOCAL_REF_THREADS="37").split() == ["False", "37", "2"]
    assert printed(code, FOCAL_REF_THREADS=" ").split()[0] == "True"
    for text in ("0", "two", "1.5", "-1"):
        done = script("fr.sigmoid_focal_loss(np.zeros(2**18), 1)", FOCAL_REF_THREADS=text)
        assert f"ValueError: FOCAL_REF_THREADS: got '{text}'; expected a whole number ≥ 1" in done.stderr


VERSION_1 = "12:pids:/\n4:cpu,cpuacct:/docker/abc\n1:name=systemd:/x\n"
SYSTEMS: dict[str, tuple[dict[str, str], int]] = {
    "no cgroups": ({}, 8),
    "no limit": ({"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/cpu.max": "max 100000\n"}, 8),
    "its own": ({"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/cpu.max": "300000 100000\n"}, 3),
    "one above": ({"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/cpu.max": "200000 100000\n"}, 2),
    "the narrowest": (
        {"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/cpu.max": "500000 100000", "sys/fs/cgroup/cpu.max": "400000 100000"},
        4,
    ),
    "a part of a core": ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "20000 100000\n"}, 1),
    "rounded up": ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "250000 100000\n"}, 3),
    "more than there are": ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "9900000 100000\n"}, 8),
    "version 1": (
        {
            "proc/self/cgroup": VERSION_1,
            "sys/fs/cgroup/cpu/docker/abc/cpu.cfs_quota_us": "600000\n",
            "sys/fs/cgroup/cpu/docker/abc/cpu.cfs_period_us": "100000\n",
        },
        6,
    ),
    "version 1, seen from inside a container": (
        {
            "proc/self/cgroup": VERSION_1,
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "150000\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "50000\n",
        },
        3,
    ),
    "version 1, no limit": (
        {
            "proc/self/cgroup": VERSION_1,
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
        },
        8,
    ),
}


@pytest.mark.parametrize("case", SYSTEMS)
def test_cores_are_those_that_may_be_used(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The affinity (8 here), and the tightest quota of the process's cgroups, in either version's files."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    files, wanted = SYSTEMS[case]
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert module.cores(tmp_path) == wanted


def test_cores_follow_the_affinity() -> None:
    """A process that may use one core uses one thread."""
    if hasattr(os, "sched_setaffinity"):
        assert printed("os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); print(threads())") == "1"
    else:
        assert module.cores() >= 1


# ---- results ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["native", "extended"])
@pytest.mark.parametrize("link", ["sigmoid", "softmax"])
def test_any_number_of_threads_gives_the_same_bits(link: str, precision: Any) -> None:
    """Value (a mean), gradient and Hessian of several parts, on 1, 2, 3, 4 and 16 threads."""
    if link == "sigmoid":
        loss: Any = fr.SigmoidFocalLoss(alpha=0.25, reduction="mean", precision=precision)
        logits, targets = LOGITS, LABELS
    else:
        loss = fr.SoftmaxFocalLoss(reduction="mean", precision=precision)
        logits, targets = LOGITS[: 5 * 2**17].reshape(-1, 10), np.arange(2**16) % 10
    wanted: Any = None
    for count in (1, 2, 3, 4, 16):
        with fr.set_threads(count):
            got = loss.value_grad_hess(logits, targets)
        wanted = wanted or got
        for one, other in zip(got, wanted, strict=True):
            np.testing.assert_array_equal(one, other, strict=True)


def test_several_threads_work_at_the_same_time() -> None:
    """Three parts wait for each other, which only three threads can do; the caller is one of them."""
    barrier = threading.Barrier(3, timeout=30)
    seen: list[threading.Thread] = []

    def meet(_: int) -> None:
        seen.append(threading.current_thread())
        barrier.wait()

    with fr.set_threads(3):
        module.share(meet, range(3))
    assert len(set(seen)) == 3
    assert threading.current_thread() in seen


def test_every_item_is_done_once() -> None:
    """However many there are, and however few threads."""
    for count in (1, 2, 4):
        for items in (0, 1, 3, 1000):
            done: list[int] = []
            with fr.set_threads(count):
                module.share(done.append, range(items))
            assert sorted(done) == list(range(items))


# ---- what it leaves alone ---------------------------------------------------------------------------------------------------


def test_small_inputs_and_one_thread_start_nothing() -> None:
    """No thread is started at import, by arrays of one part, or where one thread is set; a larger array starts them."""
    code = """
small, large = np.zeros(2**17), np.zeros(2**19)
fr.set_threads(4)
fr.sigmoid_focal_loss(small, 1)
fr.sigmoid_focal_loss(np.zeros((2**15, 2)).T, 1)
with fr.set_threads(1):
    fr.sigmoid_focal_loss(large, 1)
print(threading.active_count())
fr.sigmoid_focal_loss(large, 1)
print(threading.active_count())
"""
    before, after = printed(code).split()
    assert before == "1"
    assert 1 < int(after) <= 4


def test_helpers_are_as_quiet_as_the_caller() -> None:
    """Where the caller's floating-point errors raise, ours (0 · inf in a branch not taken) don't, in any thread."""
    logits = np.full(SIZE, 200.0, dtype=np.float32)
    logits[::3] = np.inf
    with fr.set_threads(4), np.errstate(all="raise"):
        for precision in ("native", "extended"):
            fr.SigmoidFocalLoss(precision=precision, gamma=0.5).value_grad_hess(logits, LABELS)


@pytest.mark.parametrize("who", ["the caller", "a helper"])
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, IndexError, MemoryError])
def test_an_exception_comes_through(who: str, error: type[BaseException]) -> None:
    """From the caller's own part or a helper's; what is left isn't begun, nothing keeps running, and the next call works."""
    caller = threading.current_thread()
    running, done = [], []
    both = threading.Barrier(2, timeout=30)

    def task(item: int) -> None:
        running.append(item)
        try:
            if item < 2:
                both.wait()
                if (threading.current_thread() is caller) == (who == "the caller"):
                    raise error("by intent")
            time.sleep(0.002)
            done.append(item)
        finally:
            running.remove(item)

    with fr.set_threads(2):
        with pytest.raises(error, match="by intent"):
            module.share(task, range(2000))
        assert not running
        assert len(done) < 1000
        begun = len(done)
        time.sleep(0.02)
        assert len(done) == begun
        module.share(done.append, range(4))
        assert len(done) == begun + 4


def test_ctrl_c_stops_a_call() -> None:
    """SIGINT during a part raises KeyboardInterrupt from the call, with nothing left running."""
    caller, begun = threading.main_thread(), []

    def task(item: int) -> None:
        begun.append(item)
        if threading.current_thread() is caller:
            signal.raise_signal(signal.SIGINT)
        time.sleep(0.001)

    # A shell's background job is started with SIGINT ignored, and Python leaves it so.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with fr.set_threads(2), pytest.raises(KeyboardInterrupt):
            module.share(task, range(5000))
    finally:
        signal.signal(signal.SIGINT, before)
    count = len(begun)
    time.sleep(0.02)
    assert len(begun) == count < 5000


def test_a_call_inside_a_part_takes_no_others_on() -> None:
    """A nested call runs on its own thread alone, so that no pool can wait for itself; its result is right."""
    wanted = LOSS.value_and_grad(LOGITS, LABELS)
    counts: list[int] = []

    def nested(_: int) -> None:
        counts.append(module.threads())
        value, grad = LOSS.value_and_grad(LOGITS, LABELS)
        assert value == wanted[0]
        np.testing.assert_array_equal(grad, wanted[1], strict=True)

    with fr.set_threads(4):
        module.share(nested, range(8))
        assert module.threads() == 4
    assert counts == [1] * 8


def test_calls_from_many_threads_at_once() -> None:
    """Eight callers share a pool, switching as often as the interpreter can, while the setting changes: every bit is right."""
    wanted = {name: getattr(LOSS, name)(LOGITS, LABELS) for name in ("grad", "hessian_diag")}

    def call(number: int) -> bool:
        if number % 5 == 0:
            fr.set_threads(1 + number % 4)
        name = ("grad", "hessian_diag")[number % 2]
        return np.array_equal(getattr(LOSS, name)(LOGITS, LABELS), wanted[name])

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(call, range(32)))
    finally:
        sys.setswitchinterval(interval)


def test_a_busy_pool_is_not_waited_for() -> None:
    """While the only helper is held up elsewhere, a call does all its parts itself."""
    release, held = threading.Event(), threading.Barrier(2, timeout=30)

    def hold(_: int) -> None:
        held.wait()
        release.wait(30)

    with fr.set_threads(2), ThreadPoolExecutor(1) as other:
        first = other.submit(module.share, hold, range(2))
        while held.n_waiting or held.broken or not module._state.pool or module._state.pool._work_queue.qsize():
            time.sleep(0.001)
        done: list[int] = []
        module.share(done.append, range(10))
        release.set()
        first.result(30)
    assert sorted(done) == list(range(10))


@pytest.mark.slow
def test_after_a_fork_the_pool_is_made_anew() -> None:
    """A child forked while the parent's pool is warm, its lock held by another thread, computes on threads of its own."""
    code = """
from focal_ref.engine import numpy_threads as module
large = np.linspace(-20, 20, 2**19)
fr.set_threads(3)
wanted = fr.sigmoid_focal_loss(large, 1)
assert threading.active_count() > 1
held, done = threading.Event(), threading.Event()
def hold():
    with module._state.lock:
        held.set()
        done.wait(30)
threading.Thread(target=hold).start()
assert held.wait(30)
child = os.fork()
if child == 0:
    same = np.array_equal(fr.sigmoid_focal_loss(large, 1), wanted)
    os._exit(0 if same and 1 < threading.active_count() <= 3 else 1)
done.set()
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), np.array_equal(fr.sigmoid_focal_loss(large, 1), wanted))
"""
    if not hasattr(os, "fork"):
        assert not hasattr(os, "register_at_fork")
        return
    done = script(code.replace("child = os.fork()", "import warnings; warnings.simplefilter('ignore'); child = os.fork()"))
    assert done.stdout.split() == ["0", "True"], done.stderr


def test_a_call_while_the_interpreter_goes_down() -> None:
    """In an `atexit` function no thread can be had any more; the caller does all."""
    code = """
import atexit
large = np.linspace(-20, 20, 2**19)
fr.set_threads(3)
wanted = fr.sigmoid_focal_loss(large, 1)
atexit.register(lambda: print(np.array_equal(fr.sigmoid_focal_loss(large, 1), wanted)))
"""
    assert printed(code) == "True"


# ---- other libraries --------------------------------------------------------------------------------------------------------


def test_a_large_array_of_any_library(backend: Any) -> None:
    """Several parts' worth: each library's value and gradient are right, and have the same bits whatever the setting."""
    logits, labels = backend(LOGITS), backend(LABELS)
    loss = fr.SigmoidFocalLoss(alpha=0.25)
    results = []
    for count in (1, 4):
        with fr.set_threads(count):
            results.append([backend.numpy(r) for r in loss.value_and_grad(logits, labels)])
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other, strict=True)
    few = np.linspace(0, SIZE - 1, 50).astype(int)
    for got, name in zip(results[0], ("value", "grad"), strict=True):
        exact = [getattr(fr.oracle.sigmoid(float(LOGITS[i]), int(LABELS[i]), 2.0, 0.25), name) for i in few]
        like = backend(got[few].astype(np.float32))
        assert backend.ulps(like, exact).max() <= (0.51 if backend.widens("float32") else 8)


def test_a_dask_block_uses_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dask's scheduler has threads already; inside its blocks there is one, and the caller's setting is as before."""
    import dask.array as da

    counts: list[int] = []
    share = module.share

    def spy(task: Any, items: Any) -> None:
        counts.append(module.threads())
        share(task, items)

    monkeypatch.setattr(numpy_blocks, "share", spy)
    monkeypatch.setattr(run, "BLOCK", 2**12)
    with fr.set_threads(4), fr.set_engine("numpy"):
        grad = fr.SigmoidFocalLoss().grad(da.from_array(LOGITS, chunks=2**17), da.from_array(LABELS, chunks=2**17)).compute()
        assert set(counts) == {1}
        assert module.threads() == 4
        np.testing.assert_array_equal(grad, fr.SigmoidFocalLoss().grad(LOGITS, LABELS), strict=True)

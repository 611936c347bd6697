"""Beyond one machine's memory: chunks on Dask's workers, shards on JAX's devices; the bits stay, and only sums travel."""

from __future__ import annotations

import importlib
import json
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import focal_ref as fr
from focal_ref.conformance import ulp
from tests.methods import METHODS, leaves

RNG = np.random.default_rng(5)
LOGITS = RNG.normal(0.0, 3.0, (14, 6)).astype(np.float32)
SHARES = RNG.uniform(0.0, 1.0, (14, 6)).astype(np.float32)
CLASSES = np.arange(14, dtype=np.int32) % 6
CASES: dict[str, tuple[Any, Any]] = {
    "sigmoid": (fr.SigmoidFocalLoss(gamma=1.5, alpha=0.25), (LOGITS > 1).astype(np.int32)),
    "sigmoid soft": (fr.SigmoidFocalLoss(gamma=(0.0, 0.5, 1.0, 2.0, 3.0, 5.0), soft_targets="quality"), SHARES),
    "sigmoid native": (fr.SigmoidFocalLoss(precision="native"), (LOGITS > 1).astype(np.int32)),
    "softmax": (fr.SoftmaxFocalLoss(alpha=(1.0, 2.0, 0.5, 0.0, 1.5, 1.0), ignore_index=3), CLASSES),
    "softmax smoothed": (fr.SoftmaxFocalLoss(gamma=0.5, label_smoothing=0.25, precision="native"), CLASSES),
    "softmax rows": (fr.SoftmaxFocalLoss(), SHARES / SHARES.sum(axis=1, keepdims=True)),
}
by_case = pytest.mark.parametrize("case", CASES)
by_link = pytest.mark.parametrize("link", [fr.SigmoidFocalLoss, fr.SoftmaxFocalLoss])

MANY = 200_000
"""Logits in a chunk: more than NumPy takes on one thread of its own accord."""


@pytest.fixture(scope="module", params=["processes", "threads"])
def client(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Two workers of one thread each, in processes of their own or in this one; warnings are errors there as well."""
    dask, distributed = importlib.import_module("dask"), importlib.import_module("distributed")
    workers = {"n_workers": 2, "threads_per_worker": 1, "memory_limit": 0, "processes": request.param == "processes"}
    address = {"host": "127.0.0.1", "protocol": "tcp://", "dashboard_address": "127.0.0.1:0"}
    quiet = {"local_directory": str(tmp_path_factory.mktemp("workers")), "silence_logs": "CRITICAL"}
    others = set(multiprocessing.active_children())
    # Tasks taken over from a busy worker would move the arrays that they need.
    with (
        dask.config.set({"distributed.scheduler.work-stealing": False}),
        distributed.LocalCluster(**workers, **address, **quiet) as here,
        distributed.Client(here) as found,
    ):
        found.run(warnings.simplefilter, "error")
        yield found
    assert not set(multiprocessing.active_children()) - others


def _chunked(targets: Any) -> tuple[Any, Any]:
    """Logits and targets in chunks of five rows, so that the last one is smaller."""
    da = importlib.import_module("dask.array")
    return da.from_array(LOGITS, chunks=(5, 6)), da.from_array(targets, chunks=(5, *targets.shape[1:]))


def _made_by_workers(link: Any) -> tuple[Any, Any]:
    """Eight chunks of normal logits that never were here, and their targets."""
    random = importlib.import_module("dask.array").random.default_rng(3)
    if link is fr.SigmoidFocalLoss:
        x = random.standard_normal(8 * MANY, chunks=MANY, dtype=np.float32)
        return x, x > 1
    x = random.standard_normal((8 * MANY // 10, 10), chunks=(MANY // 10, 10), dtype=np.float32)
    return x, (x[:, 0] > 0).astype(np.int8)


@pytest.mark.slow
@by_case
def test_workers_give_numpys_bits(client: Any, case: str) -> None:
    """Each method's unreduced results, computed by the workers, are bit for bit those of one NumPy call."""
    loss, targets = CASES[case]
    lazy = {name: leaves(method(loss, *_chunked(targets))) for name, method in METHODS.items()}
    (computed,) = client.compute([lazy], sync=True)
    for name, method in METHODS.items():
        for got, wanted in zip(computed[name], leaves(method(loss, LOGITS, targets)), strict=True):
            np.testing.assert_array_equal(got, wanted, err_msg=name, strict=True)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Running on a single-machine scheduler:UserWarning")  # which is what is wanted
@pytest.mark.parametrize("reduction", ["mean", "sum"])
@by_case
def test_reductions_are_the_same_whoever_computes_them(client: Any, case: str, reduction: Any) -> None:
    """The workers' bits are those of one thread on the same chunks, and the value is at most one number from NumPy's."""
    loss, targets = replace(CASES[case][0], reduction=reduction), CASES[case][1]
    lazy = loss.value_grad_hess(*_chunked(targets))
    computed = client.compute(list(lazy), sync=True)
    for got, array in zip(computed, lazy, strict=True):
        np.testing.assert_array_equal(got, array.compute(scheduler="synchronous"), strict=True)
    wanted = np.asarray(loss(LOGITS, targets))
    assert ulp.errors(computed[0], wanted, 0.0, ulp.FORMATS["float32"]) <= 1


@pytest.mark.slow
@pytest.mark.parametrize("reduction", ["none", "mean"])
def test_workers_are_asked_for_nothing_before_compute(client: Any, reduction: Any) -> None:
    """Calling every method of every case brings no graph to the scheduler."""
    asked: list[object] = []

    class Watching(importlib.import_module("distributed").SchedulerPlugin):
        def update_graph(self, scheduler: Any, **graph: Any) -> None:
            asked.append(graph)

    client.cluster.scheduler.add_plugin(Watching(), name=f"watching {reduction}")
    for loss, targets in CASES.values():
        x, t = _chunked(targets)
        results = [method(replace(loss, reduction=reduction), x, t) for method in METHODS.values()]
    assert not asked
    client.compute(results[0], sync=True)
    assert len(asked) == 1
    client.cluster.scheduler.remove_plugin(name=f"watching {reduction}")


@pytest.mark.slow
@by_case
def test_losses_travel(client: Any, case: str) -> None:
    """A loss arrives as it was sent; its methods, and the graphs made with it, can be sent too, and work."""
    loss, targets = CASES[case]
    assert client.submit(lambda sent: sent, loss, pure=False).result() == loss
    for got, wanted in zip(
        client.submit(loss.value_and_grad, LOGITS, targets).result(), loss.value_and_grad(LOGITS, targets), strict=True
    ):
        np.testing.assert_array_equal(got, wanted, strict=True)
    grad = pickle.loads(pickle.dumps(loss.grad(*_chunked(targets))))
    np.testing.assert_array_equal(client.compute(grad, sync=True), loss.grad(LOGITS, targets), strict=True)


@pytest.mark.slow
def test_an_array_of_gammas_travels(client: Any) -> None:
    """γ and α that are arrays arrive with the loss."""
    loss = fr.SigmoidFocalLoss(gamma=np.linspace(0.0, 5.0, 14, dtype=np.float32)[:, None], alpha=SHARES[0])
    sent = client.submit(lambda loss, x: (loss, loss.grad(x, 1)), loss, LOGITS)
    assert sent.result()[0] == loss
    np.testing.assert_array_equal(sent.result()[1], loss.grad(LOGITS, 1), strict=True)


@pytest.mark.slow
@by_link
def test_only_partial_sums_travel(client: Any, link: Any) -> None:
    """Value and the gradient's norm over 3 MB of logits: the workers send less than 5 kB, to each other and to here."""
    before, loss = _sent(client), link(reduction="mean")
    value, grad = loss.value_and_grad(*_made_by_workers(link))
    found = client.compute([value, (grad.astype(np.float64) ** 2).sum()], sync=True)
    assert _sent(client) - before < 5_000
    assert 0 < found[0] < 5
    assert 0 < found[1] < 1e-4


@pytest.mark.slow
@by_link
def test_a_gradient_is_made_where_its_logits_lie(client: Any, link: Any) -> None:
    """Logits that both workers hold stay where they are, and so does the gradient: nothing is sent at all."""
    distributed = importlib.import_module("distributed")
    x, t = client.persist(list(_made_by_workers(link)))
    distributed.wait([x, t])
    before = _sent(client)
    grad = client.persist(link().grad(x, t))
    distributed.wait(grad)
    assert _sent(client) == before
    assert len({worker for workers in client.who_has(grad).values() for worker in workers}) == 2


def _sent(client: Any) -> int:
    return sum(client.run(lambda dask_worker: dask_worker.transfer_outgoing_bytes_total).values())


@pytest.mark.slow
def test_threads_do_not_multiply(client: Any) -> None:
    """A worker's thread works on its chunk by itself, even where NumPy alone would take seven threads on."""
    client.run(_allow, 7)
    try:
        before = client.run(_helpers)
        loss = fr.SigmoidFocalLoss(reduction="sum")
        client.compute(loss(*_made_by_workers(fr.SigmoidFocalLoss)), sync=True)
        assert client.run(_helpers) == before
        client.submit(loss, np.zeros(MANY), 1).result()
        assert client.run(_helpers) != before, "outside Dask's arrays nobody keeps threads away"
    finally:
        client.run(_allow, None)


def _allow(count: int | None) -> None:
    fr.set_threads(count)


def _helpers() -> list[int]:
    return sorted(t.ident or 0 for t in threading.enumerate() if t.name.startswith("focal_ref"))


SHARDED = """
import json, re
import jax, numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec
import focal_ref as fr

mesh = jax.make_mesh((4,), ("d",), axis_types=(AxisType.Auto,))
logits = np.random.default_rng(1).normal(0, 3, (64, 8)).astype(np.float32)
labels, classes = (logits > 1).astype(np.int32), np.arange(64) % 8
exchanged = r"= (\\S+(?:, \\S+)*) (all-gather|all-to-all|collective-permute|reduce-scatter|all-reduce)\\("
found = []
for kind, targets, spec in (
    (fr.SigmoidFocalLoss, labels, ("d",)),
    (fr.SigmoidFocalLoss, labels, (None, "d")),
    (fr.SoftmaxFocalLoss, classes, ("d",)),
):
    x = jax.device_put(logits, NamedSharding(mesh, PartitionSpec(*spec)))
    t = jax.device_put(targets, NamedSharding(mesh, PartitionSpec(*spec[: targets.ndim])))
    for method in ("grad", "value_grad_hess"):
        call = getattr(kind(reduction="mean", precision="native"), method)
        found.append(re.findall(exchanged, jax.jit(call).lower(x, t).compile().as_text()))
print(json.dumps(found))
"""


@pytest.mark.compiles
def test_devices_exchange_one_number() -> None:
    """JAX, four devices, each row on one: a mean with its derivatives takes one exchange, of one number; a gradient none."""
    flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=4", "JAX_PLATFORMS": "cpu"}
    command, root = [sys.executable, "-c", SHARDED], Path(fr.__file__).parent.parent
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **flags}, cwd=root)
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout) == [[], [["f32[]", "all-reduce"]]] * 3

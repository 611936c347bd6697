"""Arrays spread over several devices stay so: each device works on its own rows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import xla

pytestmark = pytest.mark.compiles

PROGRAM = """
import contextlib, json, re
import jax, numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec
import focal_ref as fr
from focal_ref_jax import sigmoid_focal_loss, softmax_focal_loss

rng = np.random.default_rng(1)
logits = rng.normal(0, 3, (16, 7)).astype(np.float32)
found = []
for axes in (AxisType.Auto, AxisType.Explicit):
    mesh = jax.make_mesh((4,), ("rows",), axis_types=(axes,))
    rows = NamedSharding(mesh, PartitionSpec("rows"))
    x = jax.device_put(logits, rows)
    with jax.set_mesh(mesh) if axes is AxisType.Explicit else contextlib.nullcontext():
        for f, loss, targets in (
            (sigmoid_focal_loss, fr.SigmoidFocalLoss(gamma=1.5, precision="native"), rng.integers(0, 2, (16, 7))),
            (softmax_focal_loss, fr.SoftmaxFocalLoss(gamma=1.5, precision="native"), rng.integers(0, 7, 16)),
        ):
            t = jax.device_put(targets, rows)
            both = jax.value_and_grad(lambda x, t: f(x, t, None, 1.5, reduction="sum"))
            text = jax.jit(both).lower(x, t).compile().as_text()
            value, grad = loss.value_and_grad(x, t)
            alone = loss.grad(jax.numpy.asarray(logits), jax.numpy.asarray(targets))
            results = both(x, t)[1], jax.jit(both)(x, t)[1], value, grad
            found.append({
                "kept": [a.sharding.is_equivalent_to(rows, a.ndim) for a in results],
                "sizes": sorted({s.data.shape[0] for s in grad.addressable_shards}),
                "talk": sorted(set(re.findall(r"all-gather|all-to-all|collective-permute|reduce-scatter|all-reduce", text))),
                "same": bool((np.asarray(grad) == np.asarray(alone)).all()),
            })
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found() -> Any:
    """What a process with four devices on one processor sees: sigmoid and softmax, automatic and explicit axes."""
    flags = {"XLA_FLAGS": f"--xla_force_host_platform_device_count=4 {xla.QUICK}", "JAX_PLATFORMS": "cpu"}
    paths = os.pathsep.join(map(str, (root := Path(__file__).parents[3], root / "adapters")))
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **flags, "PYTHONPATH": paths})
    assert done.returncode == 0, done.stderr[-2000:]
    results = json.loads(done.stdout)
    assert len(results) == 4
    return results


def test_results_lie_where_the_logits_do(found: Any) -> None:
    """Losses and gradients keep the sharding, eager and compiled, through the adapter and without it; four rows a device."""
    assert all(all(case["kept"]) and case["sizes"] == [4] for case in found)


def test_only_the_sum_crosses_devices(found: Any) -> None:
    """The compiled value and gradient of a sum holds one kind of exchange, that of the partial sums: no array is gathered."""
    assert all(case["talk"] == ["all-reduce"] for case in found)


def test_spreading_changes_nothing(found: Any) -> None:
    """Gradients have the bits that one device gives."""
    assert all(case["same"] for case in found)

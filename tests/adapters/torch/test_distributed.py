"""Several processes (gloo, on the CPU): DTensors, DistributedDataParallel, one count of positives, FSDP2 with a learned γ."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "how-to" / "distributed.md").read_text(encoding="utf-8")
RECIPES = re.findall(r"^```py\n(positives = .*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
PREAMBLE = """
import sys
import torch
import torch.distributed as dist
from focal_ref_torch import FocalLoss, sigmoid_focal_loss, softmax_focal_loss
rank = int(sys.argv[1])
dist.init_process_group("gloo", init_method="file://" + sys.argv[2], rank=rank, world_size=2)
from torch.distributed.device_mesh import init_device_mesh
mesh = init_device_mesh("cpu", (2,))
torch.manual_seed(0)
x, t = torch.randn(4, 6, dtype=torch.float64), torch.tensor([0, 5, 2, 3])
"""

DTENSOR = """
from torch.distributed.tensor import Replicate, Shard, distribute_tensor
y = (x > 0).double()
for placement in (Shard(0), Shard(1), Replicate()):
    for reduction in ("none", "mean", "sum"):
        for loss, target in ((softmax_focal_loss, t), (sigmoid_focal_loss, y)):
            whole = x.clone().requires_grad_()
            expected = loss(whole, target, reduction=reduction)
            expected.sum().backward()
            spread = distribute_tensor(x, mesh, [placement]).requires_grad_()
            along = Replicate() if placement == Shard(1) and target.ndim == 1 else placement
            value = loss(spread, distribute_tensor(target, mesh, [along]), reduction=reduction)
            value.sum().backward()
            torch.testing.assert_close(value.full_tensor(), expected, rtol=1e-12, atol=0)
            torch.testing.assert_close(spread.grad.full_tensor(), whole.grad, rtol=1e-11, atol=1e-17)
"""

DDP = """
layer = torch.nn.Linear(6, 6, dtype=torch.float64)
alone = torch.nn.Linear(6, 6, dtype=torch.float64)
alone.load_state_dict(layer.state_dict())
loss = FocalLoss()
parallel = torch.nn.parallel.DistributedDataParallel(layer)
part = slice(2 * rank, 2 * rank + 2)
loss(parallel(x[part]), t[part]).backward()
loss(alone(x), t).backward()
torch.testing.assert_close(layer.weight.grad, alone.weight.grad, rtol=1e-11, atol=1e-15)
"""

GROUP = """
# Positives are counted over all processes: the losses of the parts sum to the loss of the whole.
from focal_ref_torch import SigmoidFocalLoss
y = (x > 1).double()
whole, piece = x.clone().requires_grad_(), x[part].clone().requires_grad_()
expected = sigmoid_focal_loss(whole, y, reduction="mean_positive")
expected.backward()
loss = SigmoidFocalLoss(reduction="mean_positive", process_group=dist.group.WORLD)
value = loss(piece, y[part])
value.backward()
torch.testing.assert_close(piece.grad, whole.grad[part], rtol=1e-12, atol=0)
total = value.detach().clone()
dist.all_reduce(total)
torch.testing.assert_close(total, expected.detach(), rtol=1e-12, atol=0)
# The page's recipe, with labels that are ignored: the mean of the processes' gradients is that of the whole batch.
signs = torch.where(x < -1, -1.0, y)
assert (signs == -1).any() and (signs == 1).any()
whole, piece = x.clone().requires_grad_(), x[part].clone().requires_grad_()
sigmoid_focal_loss(whole, signs, reduction="mean_positive", ignore_index=-1).backward()
names = {"torch": torch, "sigmoid_focal_loss": sigmoid_focal_loss, "logits": piece, "labels": signs[part]}
exec(RECIPE, names)
names["loss"].backward()
torch.testing.assert_close(piece.grad / 2, whole.grad[part], rtol=1e-12, atol=0)
# Nowhere a positive: divided by 1; left-out labels are none.
nothing = sigmoid_focal_loss(x[part], torch.full_like(x[part], -1.0), reduction="mean_positive", ignore_index=-1,
                             process_group=dist.group.WORLD)
assert nothing == 0, nothing
# One process has a wrong label, class, γ or normalizer: it goes on, and so do the others.
wrong = torch.tensor(255 if rank == 0 else 1)
bad = [
    lambda: sigmoid_focal_loss(x, torch.where(x > 1, wrong.double(), 0.0), reduction="mean"),
    lambda: softmax_focal_loss(x, torch.where(t == 0, wrong, t), reduction="mean"),
    lambda: softmax_focal_loss(x, t, reduction="mean", gamma=1.0 - wrong.double() / 128),
    lambda: softmax_focal_loss(x, t, reduction="sum", normalizer=1.0 - wrong // 255),
]
for made in bad:
    found = made()
    dist.all_reduce(found)
    assert found.isnan(), found
if rank == 0:
    try:
        sigmoid_focal_loss(x, torch.where(x > 1, wrong.double(), 0.0), check=True)
    except ValueError as error:
        assert "ignore_index=255" in str(error)
    else:
        raise AssertionError("check=True refuses in a group, too")
"""

FSDP = """
from torch.distributed.fsdp import fully_shard

class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(6, 6, dtype=torch.float64)
        self.loss = FocalLoss(gamma=torch.nn.Parameter(torch.full((1,), 1.5, dtype=torch.float64)))

    def forward(self, x, t):
        return self.loss(self.layer(x), t)

model = Model()
for parameter in model.parameters():
    dist.broadcast(parameter.data, 0)
alone = Model()
alone.load_state_dict(model.state_dict())
fully_shard(model, mesh=mesh)
ours, theirs = (torch.optim.SGD(m.parameters(), lr=0.1) for m in (model, alone))
part = slice(2 * rank, 2 * rank + 2)
for _ in range(3):
    for m, optimiser, here in ((model, ours, part), (alone, theirs, slice(None))):
        optimiser.zero_grad()
        m(x[here], t[here]).backward()
        optimiser.step()
for (name, a), b in zip(model.named_parameters(), alone.parameters()):
    torch.testing.assert_close(a.full_tensor(), b, rtol=1e-10, atol=1e-13)
"""


@pytest.mark.slow
@pytest.mark.parametrize("program", [DTENSOR, DDP + GROUP, FSDP], ids=["dtensor", "ddp, group", "fsdp2"])
def test_two_processes(program: str) -> None:
    """Each compares what it has with the same thing on one process."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "adapters")]), "OMP_NUM_THREADS": "1"}
    (recipe,) = RECIPES
    with tempfile.TemporaryDirectory() as folder:
        code = f"RECIPE = {recipe!r}\n" + PREAMBLE + program + "\ndist.barrier()\ndist.destroy_process_group()\n"
        started = [
            subprocess.Popen(
                [sys.executable, "-W", "ignore", "-c", code, str(rank), f"{folder}/store"],
                env=environment,
                stderr=subprocess.PIPE,
                text=True,
            )
            for rank in range(2)
        ]
        errors = [process.communicate(timeout=120)[1] for process in started]
    assert [process.returncode for process in started] == [0, 0], errors[0][-2000:] + errors[1][-2000:]

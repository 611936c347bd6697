"""An ONNX file with a free batch, run by onnxruntime, gives the loss."""

from __future__ import annotations

import io
from typing import Any

import onnxruntime
import pytest
import torch
from focal_ref_torch import FocalLoss, SigmoidFocalLoss
from focal_ref_torch.family import MemberLoss

from focal_ref.family import Poly1

X = torch.linspace(-4, 4, 27).reshape(9, 3)
LABELS, CLASSES = (X > 0.3).float(), torch.arange(9) % 3


OLDER = [
    (FocalLoss(gamma=1.5), CLASSES),
    (FocalLoss(alpha=[1.0, 2.0, 0.5], ignore_index=1), CLASSES),
    (SigmoidFocalLoss(), LABELS),
    (SigmoidFocalLoss(gamma=0.5, alpha=None, reduction="none"), LABELS * 0.5 + 0.2),
]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize(("module", "targets"), OLDER, ids=["softmax", "classes weighed", "sigmoid", "unreduced"])
def test_the_older_exporter(module: Any, targets: torch.Tensor) -> None:
    """TorchScript's: the loss of other numbers than those that it was traced with, and of other batches."""
    _exported_by_the_older(module, targets)


class Behind(torch.nn.Module):
    """A loss behind a layer that is trained."""

    def __init__(self, loss: torch.nn.Module) -> None:
        super().__init__()
        self.layer, self.loss = torch.nn.Linear(3, 3), loss

    def forward(self, inputs: torch.Tensor, targets: torch.Tensor) -> Any:
        """The loss of the layer's outputs."""
        return self.loss(self.layer(inputs), targets)


BEHIND = [
    (FocalLoss(ignore_index=1), CLASSES),
    (SigmoidFocalLoss(gamma=0.5), LABELS),
    (MemberLoss(Poly1(), "softmax"), CLASSES),
]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize(("loss", "targets"), BEHIND, ids=["softmax", "sigmoid", "member"])
def test_the_older_exporter_behind_a_layer(loss: Any, targets: torch.Tensor) -> None:
    """Where logits want gradients, which a file hasn't; outside of an export they are there as ever."""
    model = Behind(loss)
    _exported_by_the_older(model, targets)
    model(X, targets).backward()
    assert model.layer.weight.grad is not None
    assert model.layer.weight.grad.abs().sum() > 0


def _exported_by_the_older(module: Any, targets: torch.Tensor) -> None:
    file = io.BytesIO()
    axes = {"inputs": {0: "batch"}, "targets": {0: "batch"}}
    torch.onnx.export(
        module, (X, targets), file, dynamo=False, input_names=["inputs", "targets"], dynamic_axes=axes, verbose=False
    )
    session = onnxruntime.InferenceSession(file.getvalue())
    for n in (9, 4):
        x, t = X.flip(0)[:n] * 0.75, targets.flip(0)[:n]
        (value,) = session.run(None, {"inputs": x.numpy(), "targets": t.numpy()})
        torch.testing.assert_close(torch.from_numpy(value), module(x, t).detach(), rtol=1e-4, atol=1e-7)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_what_onnx_lacks() -> None:
    """It has no log1p: in native precision an easy float32 example is wrong by a sixth, in extended it is right."""
    x, y = torch.tensor([[15.0]]), torch.tensor([[1.0]])
    apart = {}
    for precision in ("native", "extended"):
        program = torch.onnx.export(SigmoidFocalLoss(precision=precision), (x, y), dynamo=True, verbose=False)  # type: ignore[arg-type]
        file = io.BytesIO()
        program.save(file)
        session = onnxruntime.InferenceSession(file.getvalue())
        feed = {given.name: a.numpy() for given, a in zip(session.get_inputs(), (x, y), strict=True)}
        apart[precision] = abs(float(session.run(None, feed)[0]) / float(SigmoidFocalLoss(precision="extended")(x, y)) - 1)
    assert 0.1 < apart["native"] < 0.3
    assert apart["extended"] < 1e-6


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.parametrize(
    ("module", "targets"),
    [
        (FocalLoss(gamma=1.5, ignore_index=1), CLASSES),
        (FocalLoss(gamma=torch.tensor(1.5)), CLASSES),
        (SigmoidFocalLoss(), LABELS),
        (SigmoidFocalLoss(precision="extended"), LABELS),
    ],
    ids=["softmax", "gamma a tensor", "sigmoid", "extended"],
)
def test_other_batches(module: Any, targets: torch.Tensor) -> None:
    """By the exporter that torch recommends."""
    batch = torch.export.Dim("batch")
    program = torch.onnx.export(
        module, (X, targets), dynamo=True, dynamic_shapes={"inputs": {0: batch}, "targets": {0: batch}}, verbose=False
    )
    file = io.BytesIO()
    program.save(file)
    session = onnxruntime.InferenceSession(file.getvalue())
    names = [given.name for given in session.get_inputs()]
    for n in (9, 4, 2):
        (value,) = session.run(None, dict(zip(names, (X[:n].numpy(), targets[:n].numpy()), strict=True)))
        assert abs(float(value) / float(module(X[:n], targets[:n])) - 1) < 1e-5

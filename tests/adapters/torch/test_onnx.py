"""An ONNX file with a free batch, run by onnxruntime, gives the loss."""

from __future__ import annotations

import io
from typing import Any

import onnxruntime
import pytest
import torch
from focal_ref_torch import FocalLoss, SigmoidFocalLoss

X = torch.linspace(-4, 4, 27).reshape(9, 3)
LABELS, CLASSES = (X > 0.3).float(), torch.arange(9) % 3


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.parametrize(
    ("module", "targets"),
    [
        (FocalLoss(gamma=1.5, ignore_index=1), CLASSES),
        (SigmoidFocalLoss(), LABELS),
        (SigmoidFocalLoss(precision="extended"), LABELS),
    ],
    ids=["softmax", "sigmoid", "extended"],
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

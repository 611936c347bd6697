"""Results are tensors of their own: no view, in storage that may be resized, copied from nowhere where they are large."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from focal_ref_torch import sigmoid_focal_loss, softmax_focal_loss

import focal_ref as fr

pytestmark = pytest.mark.usefixtures("engine")


@pytest.fixture(params=["compiled", "numpy"])
def engine(request: Any) -> Any:
    if request.param == "compiled":
        pytest.importorskip("llvmlite", reason="compiled loops need llvmlite")
    with fr.set_engine(request.param):
        yield


@pytest.mark.parametrize(("shape", "axis"), [((7, 5, 90, 40), 1), ((3000, 11), -1), ((2, 3), -1)])
def test_a_gradient_is_nobody_s_view(shape: tuple[int, ...], axis: int) -> None:
    """Laid out as the logits are, with the entries that NumPy's gradient has."""
    rng = np.random.default_rng(0)
    logits = rng.standard_normal(shape).astype(np.float32)
    targets = rng.integers(0, shape[axis], [n for i, n in enumerate(shape) if i != axis % len(shape)])
    x = torch.from_numpy(logits).requires_grad_()
    softmax_focal_loss(x, torch.from_numpy(targets), axis=axis, reduction="mean", alpha=None).backward()
    expected = fr.SoftmaxFocalLoss(axis=axis, reduction="mean", precision="native").grad(logits, targets)
    np.testing.assert_array_equal(np.from_dlpack(x.grad), expected)  # `numpy()` would take the right to resize
    assert x.grad._base is None
    assert x.grad.stride() == x.stride()
    x.grad.untyped_storage().resize_(0)


def test_losses_are_nobody_s_view() -> None:
    """Large ones, without and with a reduction, and with torch's default device elsewhere."""
    x, y = torch.linspace(-9, 9, 20_000).reshape(100, 200).requires_grad_(), torch.ones(100, 200)
    with torch.device("meta"):
        losses = sigmoid_focal_loss(x, y)
    expected = fr.SigmoidFocalLoss(alpha=0.25, precision="native")(x.detach().numpy(), y.numpy())
    np.testing.assert_array_equal(losses.detach().numpy(), expected)
    losses.sum().backward()
    x.grad.untyped_storage().resize_(0)

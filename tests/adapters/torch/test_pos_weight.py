"""torch's `pos_weight` has torch's meaning, to all that torch differentiates, traces and saves."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch
from focal_ref_torch import SigmoidFocalLoss, sigmoid_focal_loss

X = torch.linspace(-4, 4, 12, dtype=torch.float64).reshape(4, 3)
SOFT = torch.rand(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
WEIGHTS = torch.tensor([3.0, 1.0, 0.5], dtype=torch.float64)


@pytest.mark.parametrize("labels", [SOFT, (SOFT > 0.5).double()], ids=["soft", "hard"])
@pytest.mark.parametrize("soft_targets", ["mix", "expected"])
@pytest.mark.parametrize("pos_weight", [2.5, WEIGHTS, [3, 1, 0.5]], ids=["number", "tensor", "list"])
def test_without_focusing_it_is_torchs_loss(labels: torch.Tensor, soft_targets: Any, pos_weight: Any) -> None:
    """γ = 0 is `torch.nn.BCEWithLogitsLoss(pos_weight=…)`, value and gradient."""
    ours, theirs = X.clone().requires_grad_(), X.clone().requires_grad_()
    value = sigmoid_focal_loss(ours, labels, None, 0, "mean", soft_targets=soft_targets, pos_weight=pos_weight)
    expected = torch.nn.BCEWithLogitsLoss(pos_weight=torch.as_tensor(pos_weight))(theirs, labels)
    torch.testing.assert_close(value, expected, rtol=1e-14, atol=0)
    value.backward()
    expected.backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-12, atol=1e-17)


@pytest.mark.parametrize("soft_targets", ["mix", "expected"])
def test_derivatives(soft_targets: Any) -> None:
    """To second order by the logits, and by the weight itself where it wants a gradient."""

    def loss(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        return sigmoid_focal_loss(x, SOFT, 0.25, 1.5, soft_targets=soft_targets, pos_weight=w)

    x = X.clone().requires_grad_()
    assert torch.autograd.gradcheck(loss, (x, WEIGHTS))
    assert torch.autograd.gradgradcheck(loss, (x, WEIGHTS))
    assert torch.autograd.gradcheck(loss, (X, WEIGHTS.clone().requires_grad_()))


def test_a_modules_weight_is_a_buffer() -> None:
    """It moves, is saved, shown and copied; without it nothing is saved, and older pickles still load."""
    loss = SigmoidFocalLoss(pos_weight=[3.0, 1.0, 0.5])
    assert list(loss.state_dict()) == ["pos_weight"]
    assert "pos_weight=[3.0, 1.0, 0.5]" in repr(loss)
    assert loss.to(torch.float64).pos_weight.dtype == torch.float64
    for twin in (copy.deepcopy(loss), pickle.loads(pickle.dumps(loss))):
        assert torch.equal(twin(X, SOFT), loss(X, SOFT))
    loss.pos_weight = 2.0
    assert torch.equal(loss(X, SOFT), sigmoid_focal_loss(X, SOFT, reduction="mean", pos_weight=2.0))
    plain = SigmoidFocalLoss()
    assert not plain.state_dict()
    assert "pos_weight" not in repr(plain)
    before = {name: value for name, value in plain.__dict__.items() if name not in ("pos_weight", "process_group", "check")}
    old = SigmoidFocalLoss.__new__(SigmoidFocalLoss)
    old.__setstate__(before)
    assert torch.equal(old(X, SOFT), plain(X, SOFT))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.* should not be instantiated:DeprecationWarning")
def test_compiled() -> None:
    """Without a break."""
    torch._dynamo.reset()
    f = torch.compile(lambda x, w: sigmoid_focal_loss(x, SOFT, pos_weight=w), fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(f(X, 2.5), sigmoid_focal_loss(X, SOFT, pos_weight=2.5), rtol=1e-13, atol=0)


def test_refused_where_it_means_nothing() -> None:
    """And where it is none."""
    with pytest.raises(ValueError, match=r"^pos_weight: got .*quality"):
        sigmoid_focal_loss(X, SOFT, soft_targets="quality", pos_weight=2.0)
    with pytest.raises(ValueError, match=r"^pos_weight: got -1"):
        SigmoidFocalLoss(pos_weight=-1)

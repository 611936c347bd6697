"""The caller's tensors stay as they were: memory that can be resized, views that are lazily negated, gradients' own storage."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from focal_ref_torch import FocalLoss, SigmoidFocalLoss, sigmoid_focal_loss, softmax_focal_loss

import focal_ref as fr


def tensors() -> dict[str, Any]:
    """Everything that a call takes, as tensors of their own."""
    return {
        "logits": torch.linspace(-3, 3, 12, dtype=torch.float64).reshape(4, 3),
        "gamma": torch.tensor([[1.5], [2.0], [0.5], [3.0]], dtype=torch.float64),
        "alpha": torch.tensor(0.3, dtype=torch.float64),
        "weight": torch.tensor([[1.0], [0.0], [2.0], [1.0]], dtype=torch.float64),
        "normalizer": torch.tensor(3.0, dtype=torch.float64),
    }


def resizable(tensor: torch.Tensor) -> bool:
    """As FSDP asks: freed, and filled again."""
    storage, size = tensor.untyped_storage(), tensor.untyped_storage().nbytes()
    kept = tensor.detach().clone()
    storage.resize_(0)
    storage.resize_(size)
    tensor.detach().copy_(kept)
    return True


@pytest.mark.parametrize("wants", [(), ("logits",), ("logits", "gamma", "alpha")], ids=str)
@pytest.mark.parametrize("hard", [True, False])
def test_storages_can_be_resized_afterwards(wants: tuple[str, ...], hard: bool) -> None:
    """Of whatever was handed over, of the value, and of the gradients."""
    given = tensors()
    labels = (given["logits"] > 0).double() * (1.0 if hard else 0.7)
    for name in wants:
        given[name].requires_grad_()
    others = {"weight": given["weight"], "normalizer": given["normalizer"], "reduction": "sum"}
    value = sigmoid_focal_loss(given["logits"], labels, given["alpha"], given["gamma"], **others)
    if wants:
        value.backward()
    gradients = [given[name].grad for name in wants]
    assert all(resizable(t) for t in (*given.values(), labels, value, *gradients))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_rows_too(dtype: torch.dtype) -> None:
    """Classes as integers and as probabilities, in every type; parameters of a module; unreduced results."""
    logits = torch.linspace(-3, 3, 12).reshape(4, 3).to(dtype).requires_grad_()
    loss = FocalLoss(alpha=[1.0, 2.0, 0.5], gamma=torch.nn.Parameter(torch.tensor(1.5)), reduction="none")
    for targets in (torch.tensor([0, 1, 2, 0]), torch.full((4, 3), 1 / 3, dtype=dtype)):
        value = loss(logits, targets)
        value.sum().backward()
        assert all(resizable(t) for t in (logits, targets, value, logits.grad, loss.alpha, loss.gamma, loss.gamma.grad))


def test_focal_ref_itself_leaves_them_alone() -> None:
    """Without the adapter, too: where it looks at values to check them."""
    given = tensors()
    labels = (given["logits"] > 0).double()
    loss = fr.SigmoidFocalLoss(gamma=given["gamma"], alpha=given["alpha"], reduction="sum")
    value = loss(given["logits"], labels, given["weight"], given["normalizer"])
    assert all(resizable(t) for t in (*given.values(), labels, value))


def test_views_that_are_lazily_negated_or_conjugated() -> None:
    """Read as the numbers that they stand for, and gradients come back through them."""
    whole = torch.complex(torch.linspace(-2, 2, 6, dtype=torch.float64), torch.linspace(-3, 3, 6, dtype=torch.float64))
    whole.requires_grad_()
    for view in (whole.conj().imag, whole.conj().real, whole.detach().conj().imag):
        plain = view.detach().clone().resolve_neg()
        labels = (plain > 0).double()
        assert torch.equal(sigmoid_focal_loss(view, labels), sigmoid_focal_loss(plain, labels))
        assert torch.equal(
            softmax_focal_loss(view[None], torch.tensor([2])), softmax_focal_loss(plain[None], torch.tensor([2]))
        )
        assert torch.equal(fr.SigmoidFocalLoss()(view.detach(), labels), fr.SigmoidFocalLoss()(plain, labels))
    view = whole.conj().imag
    assert view.is_neg()
    sigmoid_focal_loss(view, torch.ones(6, dtype=torch.float64), reduction="sum").backward()
    expected = fr.SigmoidFocalLoss(alpha=0.25).grad(view.detach().resolve_neg().numpy(), torch.ones(6).numpy())
    assert whole.grad is not None
    torch.testing.assert_close(-whole.grad.imag, torch.from_numpy(expected), rtol=1e-15, atol=0)
    negated_labels = torch.complex(torch.zeros(6), -torch.ones(6)).conj().imag.double()
    assert torch.equal(
        SigmoidFocalLoss()(view.detach(), negated_labels), SigmoidFocalLoss()(view.detach(), negated_labels.resolve_neg())
    )

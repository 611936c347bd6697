"""bfloat16 tensors run as compiled loops: what float64 gives, rounded once, without a wider copy of the logits."""

from __future__ import annotations

import pytest
import torch
from focal_ref_torch import sigmoid_focal_loss, softmax_focal_loss

import focal_ref as fr
from focal_ref.engine import compiled_bfloat16

pytest.importorskip("llvmlite", reason="compiled loops need llvmlite")

SHAPES = ((6, 3), (17, 40), (3, 300), (2, 5, 7, 9), (2, 11, 30, 30), (1, 2))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("reduction", ["none", "mean"])
def test_softmax_is_float64_s_rounded(shape: tuple[int, ...], reduction: str) -> None:
    """Few and many classes, on any axis, losses and gradients; a weight for each class."""
    generator = torch.Generator().manual_seed(1)
    x = (torch.randn(shape, generator=generator) * 4).bfloat16()
    targets = torch.randint(0, shape[1], (shape[0], *shape[2:]), generator=generator)
    alpha = torch.rand(shape[1], generator=generator).bfloat16()
    with fr.set_engine("compiled"):
        found, exact = x.clone().requires_grad_(), x.double().requires_grad_()
        for y in (found, exact):
            value = softmax_focal_loss(y, targets, alpha=alpha.to(y.dtype), reduction=reduction, axis=1)
            value.sum().backward()
            assert value.dtype == y.dtype
        wide = softmax_focal_loss(exact, targets, alpha=alpha.double(), reduction=reduction, axis=1)
        narrow = softmax_focal_loss(found, targets, alpha=alpha, reduction=reduction, axis=1)
    torch.testing.assert_close(narrow, wide.bfloat16(), rtol=0, atol=0)
    torch.testing.assert_close(found.grad, exact.grad.bfloat16(), rtol=0, atol=0)
    assert found.grad._base is None
    found.grad.untyped_storage().resize_(0)


def test_sigmoid_is_float64_s_rounded() -> None:
    """Labels of either type, and no axes at all."""
    x = torch.linspace(-20, 20, 4001).bfloat16()
    with fr.set_engine("compiled"):
        for logits in (x, x[7]):
            for labels in ((logits > 1).bfloat16(), (logits > 1).long()):
                wide = sigmoid_focal_loss(logits.double(), labels.double())
                torch.testing.assert_close(sigmoid_focal_loss(logits, labels), wide.bfloat16(), rtol=0, atol=0)


def test_the_loop_is_taken_where_nobody_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    """And not where a factor is differentiated by torch, or the engine is another."""
    taken = []
    whole = compiled_bfloat16.run_bfloat16
    monkeypatch.setattr(compiled_bfloat16, "run_bfloat16", lambda *a: taken.append((found := whole(*a)) is not None) or found)
    x, y = torch.zeros(3, 4, dtype=torch.bfloat16), torch.tensor([0, 1, 2])
    gamma = torch.tensor(2.0, requires_grad=True)
    with fr.set_engine("compiled"):
        softmax_focal_loss(x, y)
        assert taken == [True]
        softmax_focal_loss(x, y, gamma=gamma).sum().backward()
        assert taken[-1] is False
        assert gamma.grad is not None
    with fr.set_engine("numpy"):
        softmax_focal_loss(x, y)
    assert taken.count(True) == 1

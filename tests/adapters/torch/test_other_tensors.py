"""Tensors of other kinds: jagged ones have their loss, and what formulas can't be run on is refused with its cure."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from focal_ref_torch import sigmoid_focal_loss, softmax_focal_loss

import focal_ref as fr

# torch's own warnings of itself: its nested, sparse, quantized and masked tensors are prototypes, or on their way out.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*prototype.*:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*beta state.*:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*quant.*"),
]

X = torch.randn(6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
LABELS, CLASSES = (X > 0).double(), torch.tensor([0, 1, 2, 1, 0, 1])
OFFSETS = torch.tensor([0, 2, 6])


def jagged(values: torch.Tensor, offsets: torch.Tensor = OFFSETS) -> torch.Tensor:
    return torch.nested.nested_tensor_from_jagged(values, offsets)


CASES = [
    *(("sigmoid", r) for r in ("none", "mean", "sum", "mean_positive")),
    *(("softmax", r) for r in ("none", "mean", "sum")),
]


@pytest.mark.parametrize(("kind", "reduction"), CASES)
def test_jagged_tensors(kind: str, reduction: Any) -> None:
    """Two samples of 2 and 4 rows: what their rows have, one after the other, and the gradient comes back through them."""
    plain, inside = X.clone().requires_grad_(), X.clone().requires_grad_()
    nested = jagged(inside)
    if kind == "sigmoid":
        expected = sigmoid_focal_loss(plain, LABELS, reduction=reduction)
        value = sigmoid_focal_loss(nested, jagged(LABELS, nested.offsets()), reduction=reduction)
    else:
        expected = softmax_focal_loss(plain, CLASSES, reduction=reduction, axis=-1)
        value = softmax_focal_loss(nested, jagged(CLASSES, nested.offsets()), reduction=reduction, axis=-1)
    value = value.values() if value.is_nested else value
    torch.testing.assert_close(value, expected, rtol=1e-14, atol=1e-17)
    value.sum().backward()
    expected.sum().backward()
    torch.testing.assert_close(inside.grad, plain.grad, rtol=1e-13, atol=1e-17)


def test_a_jagged_mean_of_focal_ref_itself() -> None:
    """It divided by the number that torch names a length by."""
    nested = jagged(X)
    loss = fr.SigmoidFocalLoss(reduction="mean")
    found = loss(nested, jagged(LABELS, nested.offsets()))
    torch.testing.assert_close(found, loss(X, LABELS), rtol=1e-15, atol=0)


def test_what_jagged_tensors_lack_is_told() -> None:
    """Other offsets, classes along the axis whose lengths differ, holes."""
    with pytest.raises(ValueError, match=r"^targets: got .*nested_tensor_from_jagged\(values, inputs\.offsets\(\)\)"):
        sigmoid_focal_loss(jagged(X), jagged(LABELS, OFFSETS.clone()))
    with pytest.raises(ValueError, match=r"^axis: got 1, along which lengths differ; .*axis=-1"):
        softmax_focal_loss(jagged(X), jagged(CLASSES))
    holes = torch.nested.nested_tensor_from_jagged(X, OFFSETS, torch.tensor([1, 3]))
    with pytest.raises(TypeError, match=r"^logits: got a jagged tensor with holes; .*contiguous\(\)"):
        softmax_focal_loss(holes, holes, axis=-1)


def others() -> dict[str, tuple[Any, str]]:
    """What is made of a tensor, and the cure."""
    nested = torch.nested
    return {
        "COO": (lambda x: x.to_sparse(), r"to_dense\(\)"),
        "CSR": (lambda x: x.to_sparse_csr(), r"to_dense\(\)"),
        "MKL-DNN": (lambda x: x.float().to_mkldnn(), r"to_dense\(\)"),
        "quantized": (lambda x: torch.quantize_per_tensor(x.float(), 0.1, 0, torch.qint8), r"dequantize\(\)"),
        "nested, strided": (lambda x: nested.nested_tensor([x[:2], x[2:]]), r"layout=torch\.jagged"),
        "masked": (lambda x: torch.masked.masked_tensor(x, x > 0), r"get_data\(\), with weight=mask"),
        "float8": (lambda x: x.to(torch.float8_e4m3fn), r"\.to\(torch\.float32\)"),
        "float8, wide": (lambda x: x.to(torch.float8_e5m2), r"\.to\(torch\.float32\)"),
    }


@pytest.mark.parametrize(("make", "cure"), others().values(), ids=others())
def test_others_are_refused_with_their_cure(make: Any, cure: str) -> None:
    """Whichever argument they are, through the adapter and without it."""
    float_rows = torch.nn.functional.one_hot(CLASSES, 3).double()
    calls: dict[str, list[Any]] = {
        "logits": [
            lambda: sigmoid_focal_loss(make(X), LABELS),
            lambda: softmax_focal_loss(make(X), CLASSES),
            lambda: fr.SigmoidFocalLoss()(make(X), LABELS),
        ],
        "targets": [
            lambda: sigmoid_focal_loss(X, make(LABELS)),
            lambda: softmax_focal_loss(X, make(float_rows)),
            lambda: fr.SoftmaxFocalLoss()(X, make(float_rows)),
        ],
        "weight": [lambda: sigmoid_focal_loss(X, LABELS, weight=make(LABELS))],
        "gamma": [lambda: sigmoid_focal_loss(X, LABELS, gamma=make(LABELS))],
        "alpha": [lambda: sigmoid_focal_loss(X, LABELS, alpha=make(LABELS))],
    }
    for name, those in calls.items():
        for call in those:
            with pytest.raises(TypeError, match=rf"^{name}: got .*; .*{cure}"):
                call()

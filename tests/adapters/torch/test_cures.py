"""What is refused is told its cure, in torch's words; NumPy, which computes most of it, is not heard."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from focal_ref_torch import FocalLoss, SigmoidFocalLoss, sigmoid_focal_loss, softmax_focal_loss
from focal_ref_torch.family import MemberLoss

from focal_ref.family import Reduced

X, Y, CLASSES = torch.linspace(-2, 2, 12).reshape(4, 3), torch.ones(4, 3), torch.tensor([0, 1, 2, 1])
RECORDED, LEARNED = X.clone().requires_grad_(), torch.tensor(2.0, requires_grad=True)

CURES: dict[str, tuple[Any, str, str]] = {
    "NumPy's logits": (
        lambda: sigmoid_focal_loss(X.numpy(), Y),
        "inputs: got a float32 array of shape (4, 3) of numpy; expected a torch.Tensor of logits",
        "; torch.as_tensor(inputs), or focal_ref's own losses for other arrays",
    ),
    "NumPy's rows": (
        lambda: softmax_focal_loss(X.numpy(), CLASSES),
        "inputs: got",
        "or focal_ref's own losses for other arrays",
    ),
    "NumPy's in a module": (
        lambda: FocalLoss()(X.numpy(), CLASSES),
        "inputs: got",
        "or focal_ref's own losses for other arrays",
    ),
    "NumPy's in a member": (
        lambda: MemberLoss(Reduced())(X.numpy(), Y),
        "inputs: got",
        "or focal_ref's own losses for other arrays",
    ),
    "a list of logits": (lambda: SigmoidFocalLoss()([0.0], Y), "inputs: got list [0.0]", "; torch.tensor(inputs)"),
    "no logits": (lambda: SigmoidFocalLoss()(None, Y), "inputs: got None", "expected a torch.Tensor of logits"),
    "NumPy's targets": (
        lambda: sigmoid_focal_loss(X, Y.numpy(), gamma=LEARNED),
        "targets: got",
        "; as one: torch.as_tensor(targets)",
    ),
    "a list of targets": (
        lambda: sigmoid_focal_loss(X, Y.tolist()),  # type: ignore[arg-type]
        "targets: got list",
        "; an array of it: torch.tensor(targets)",
    ),
    "a list of classes": (
        lambda: softmax_focal_loss(X, CLASSES.tolist()),  # type: ignore[arg-type]
        "targets: got list",
        "; an array of it: torch.tensor(targets)",
    ),
    "integer logits": (
        lambda: sigmoid_focal_loss(CLASSES, Y[:, 0]),
        "logits: got an int64 array",
        "; as floats: logits.float() (if they are the targets: logits come first)",
    ),
    "classes in floats": (
        lambda: softmax_focal_loss(X, CLASSES.float()),
        "targets: got a float32 array",
        "; classes are integers: targets.long()",
    ),
    "one-hot integers": (
        lambda: softmax_focal_loss(RECORDED, torch.eye(4, 3, dtype=torch.int64)),
        "targets: got an int64 array",
        "; one-hot rows are floats: targets.float()",
    ),
    "classes for a sigmoid": (
        lambda: sigmoid_focal_loss(X, CLASSES),
        "targets: got a tensor of shape (4,)",
        "; if they are classes: torch.nn.functional.one_hot(targets, 3), or softmax_focal_loss",
    ),
    "NumPy's targets, of which one is none": (
        lambda: sigmoid_focal_loss(X, 255 * Y.numpy()),
        "targets: got 255.0 at flat index 0",
        "; if 255 marks what has no label: ignore_index=255",
    ),
    "swapped": (lambda: sigmoid_focal_loss((X > 0).float(), X), "targets: got", "; are logits and targets swapped?"),
    "another device": (
        lambda: sigmoid_focal_loss(torch.empty(4, 3, device="meta"), Y),
        "targets: got an array on cpu; expected one on the logits' device, meta",
        "; there: targets.to(logits.device)",
    ),
    "a module's alpha elsewhere": (
        lambda: FocalLoss(torch.ones(3))(torch.empty(4, 3, device="meta"), torch.empty(4, dtype=torch.int64, device="meta")),
        "alpha: got an array on cpu",
        "; there: alpha.to(logits.device), or of a module: criterion.to(device)",
    ),
}


@pytest.mark.parametrize(("call", "came", "cure"), CURES.values(), ids=CURES)
def test_the_cure_is_torchs(call: Any, came: str, cure: str) -> None:
    """Recorded for a gradient or not."""
    with pytest.raises((TypeError, ValueError)) as refused:
        call()
    assert str(refused.value).startswith(came)
    assert str(refused.value).endswith(cure)


def test_what_numpy_computes_is_refused_in_torchs_words_alone() -> None:
    """No other refusal stands behind it."""
    for x in (X, RECORDED):
        with pytest.raises(ValueError, match=r"; do classes begin at 1\? targets - 1$") as refused:
            softmax_focal_loss(x, CLASSES.clamp(min=1) + CLASSES.eq(2))
        assert refused.value.__context__ is None

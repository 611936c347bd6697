"""focal_ref_torch behaves as torch's own losses do: options set afterwards, shapes refused, names shown."""

from __future__ import annotations

import copy
import pickle
import types
from typing import Any

import focal_ref_jax
import focal_ref_torch
import numpy as np
import pytest
import torch
from focal_ref_torch import FocalLoss, SigmoidFocalLoss, sigmoid_focal_loss, softmax_focal_loss

import focal_ref as fr

X = torch.linspace(-3, 3, 12, dtype=torch.float64).reshape(4, 3)
LABELS = (X > 0.3).double()
CLASSES = torch.tensor([0, 1, 2, 1])

AFTERWARDS = [
    (FocalLoss(), {"reduction": "none", "label_smoothing": 0.1, "ignore_index": 1, "axis": -1, "precision": "extended"}),
    (FocalLoss(alpha=[1.0, 2.0, 3.0]), {"alpha": [3.0, 1.0, 0.5], "gamma": 0.5}),
    (FocalLoss(alpha=[1.0, 2.0, 3.0]), {"alpha": None, "gamma": torch.tensor([1.0, 2.0, 3.0, 0.0])}),
    (FocalLoss(gamma=torch.tensor(1.5)), {"gamma": 3, "alpha": torch.tensor([1.0, 0.0, 2.0])}),
    (SigmoidFocalLoss(), {"reduction": "sum", "soft_targets": "quality", "alpha": -1, "gamma": 1.25}),
    (SigmoidFocalLoss(), {"gamma": np.float64(1.5), "alpha": np.full(3, 0.3), "pos_weight": [1.0, 2.0, 0.5], "check": False}),
    (SigmoidFocalLoss(alpha=[0.1, 0.2, 0.3]), {"alpha": 0.6, "reduction": "none", "precision": "extended"}),
]


@pytest.mark.parametrize(("loss", "changes"), AFTERWARDS)
def test_options_set_afterwards_count(loss: torch.nn.Module, changes: dict[str, Any]) -> None:
    """One by one, as if given when made; repr, pickle, copies and the state's names follow."""
    loss = copy.deepcopy(loss)
    targets = CLASSES if isinstance(loss, FocalLoss) else LABELS * 0.5 + 0.2
    for name, value in changes.items():
        setattr(loss, name, value)
        given = {n: getattr(loss, n) for n in ("alpha", "gamma", *loss._options, *loss._seldom)}
        fresh = type(loss)(**given)  # type: ignore[operator]
        assert torch.equal(loss(X, targets), fresh(X, targets)), name
        assert repr(loss) == repr(fresh)
        assert list(loss.state_dict()) == list(fresh.state_dict())
        assert torch.equal(pickle.loads(pickle.dumps(loss))(X, targets), fresh(X, targets))


def test_a_wrong_option_set_afterwards_is_refused_when_called() -> None:
    """As by torch's losses."""
    for loss, targets in ((FocalLoss(), CLASSES), (SigmoidFocalLoss(), LABELS)):
        loss.reduction = "average"  # type: ignore[assignment]
        with pytest.raises(ValueError, match=r"^reduction: got 'average'"):
            loss(X, targets)


def test_class_weights_set_afterwards_follow_the_module() -> None:
    """A sequence becomes a buffer, which moves and is saved; a number takes its place again."""
    loss = FocalLoss()
    loss.alpha = [1.0, 2.0, 3.0]  # type: ignore[assignment]
    assert loss.to(torch.float64).alpha.dtype == torch.float64
    assert list(loss.state_dict()) == ["alpha"]
    loss.alpha = 0.5
    assert not loss.state_dict()
    assert loss.alpha == 0.5
    loss.gamma = torch.nn.Parameter(torch.tensor(1.5))
    assert [name for name, _ in loss.named_parameters()] == ["gamma"]


@pytest.mark.parametrize(
    ("logits", "targets", "cure"),
    [
        ((64, 2), (64, 1), "expand_as"),
        ((64, 2), (2,), "expand_as"),
        ((64, 1), (64,), r"inputs\.squeeze\(-1\), or targets\.unsqueeze\(-1\)$"),
        ((64,), (64, 1), r"targets\.squeeze\(-1\)$"),
        ((3, 2), (2, 3), r"targets\.mT$"),
        ((2, 1, 4, 4), (2, 4, 4), "view_as"),
        ((64, 2), (), "expand_as"),
        ((64, 2), (3, 64, 2), ""),
    ],
)
def test_labels_of_another_shape_are_refused(logits: tuple[int, ...], targets: tuple[int, ...], cure: str) -> None:
    """As by torchvision and torch's BCE, and the message says what to write; focal_ref itself broadcasts."""
    x, y = torch.zeros(logits), torch.ones(targets)
    with pytest.raises(ValueError, match=rf"^targets: got a tensor of shape .*{cure}"):
        sigmoid_focal_loss(x, y)
    with pytest.raises(ValueError, match=r"^targets: got"):
        SigmoidFocalLoss()(x, y)
    if len(targets) <= len(logits) and cure == "expand_as":
        assert fr.SigmoidFocalLoss()(x, y).shape == x.shape


def test_weights_along_the_wrong_axis_are_refused() -> None:
    """(N,) on (N, N): one a sample or one a label? focal_ref itself broadcasts."""
    x, y, w = torch.zeros(4, 4), torch.ones(4, 4), torch.arange(4.0)
    with pytest.raises(ValueError, match=r"^weight: got .*weight\[:, None\]"):
        sigmoid_focal_loss(x, y, weight=w)
    assert sigmoid_focal_loss(x, y, weight=w[:, None])[0].eq(0).all()
    assert sigmoid_focal_loss(x, y, weight=w[None])[:, 0].eq(0).all()
    assert sigmoid_focal_loss(x, y, weight=torch.tensor(2.0)).shape == x.shape
    assert fr.SigmoidFocalLoss()(x, y, w).shape == x.shape
    with pytest.raises(ValueError, match=r"^weight: got .*alpha="):
        softmax_focal_loss(torch.zeros(4, 3, 5, 5), torch.zeros(4, 5, 5, dtype=torch.int64), weight=torch.ones(3))
    assert softmax_focal_loss(x, torch.arange(4), weight=w)[0] == 0


@pytest.mark.parametrize(("make", "cure"), [(FocalLoss, r"alpha=\[…\]"), (SigmoidFocalLoss, "alpha or pos_weight")])
def test_the_weight_of_torchs_losses_has_another_name(make: Any, cure: str) -> None:
    """It is refused with that name, but where a subclass takes it; copies and pickles need none."""

    class Weighted(make):  # type: ignore[misc]
        def __init__(self, weight: Any) -> None:
            super().__init__(alpha=weight)

    with pytest.raises(TypeError, match=rf"^weight: got one for {make.__name__}; expected {cure}"):
        make(weight=torch.ones(3))
    assert Weighted(weight=0.5).alpha == copy.deepcopy(make(alpha=0.5)).alpha


@pytest.mark.parametrize("adapter", [focal_ref_torch, focal_ref_jax], ids=lambda a: a.__name__)
def test_names(adapter: types.ModuleType) -> None:
    """The version is focal_ref's; `dir` shows what is public, and nothing else."""
    assert adapter.__version__ == fr.__version__
    assert dir(adapter) == sorted(adapter.__all__)
    assert all(hasattr(adapter, name) for name in adapter.__all__)

"""`focal_ref_torch` drops in: torchvision's function, the tutorial's class, with their signatures and values, and never NaN."""

from __future__ import annotations

import copy
import inspect
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from focal_ref_torch import FocalLoss, SigmoidFocalLoss, sigmoid_focal_loss, softmax_focal_loss
from torch.nn import functional

import focal_ref as fr
from focal_ref import oracle
from focal_ref.conformance import ulp

GAMMAS = (0.0, 0.25, 0.5, 1.0, 2.0, 5.0)
DOUBLE = ulp.FORMATS["float64"]


class TutorialFocalLoss(torch.nn.Module):
    """The class that is copied everywhere, as it stands."""

    def __init__(self, alpha: float = 0.25, gamma: float = 2, reduction: str = "mean") -> None:
        super().__init__()
        self.alpha, self.gamma, self.reduction = alpha, gamma, reduction

    def forward(self, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        ce = functional.cross_entropy(inputs, targets, reduction="none")
        loss = self.alpha * (1 - torch.exp(-ce)) ** self.gamma * ce
        return {"mean": loss.mean, "sum": loss.sum, "none": lambda: loss}[self.reduction]()


def textbook_sigmoid(x: torch.Tensor, y: torch.Tensor, alpha: float = 0.25, gamma: float = 2) -> torch.Tensor:
    """torchvision's formula."""
    p = torch.sigmoid(x)
    ce = functional.binary_cross_entropy_with_logits(x, y, reduction="none")
    p_t = p * y + (1 - p) * (1 - y)
    loss = ce * (1 - p_t) ** gamma
    return (alpha * y + (1 - alpha) * (1 - y)) * loss if alpha >= 0 else loss


def close(a: torch.Tensor, b: torch.Tensor) -> None:
    """To within what the textbook formulas themselves lose at mild logits in float64."""
    torch.testing.assert_close(a, b, rtol=1e-12, atol=0)


@pytest.fixture
def logits() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(1).uniform(-3, 3, (6, 4)))


@pytest.fixture
def labels() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(2).integers(0, 2, (6, 4)).astype(np.float64))


CLASSES = torch.tensor([0, 1, 2, 3, 1, 0])


# ---- the tutorial's class ---------------------------------------------------------------------------------------------------


def test_the_signature_is_the_tutorials() -> None:
    """Positional arguments, names and defaults; further options by keyword only."""
    parameters = list(inspect.signature(FocalLoss).parameters.values())
    assert [(p.name, p.default) for p in parameters[:3]] == [("alpha", 0.25), ("gamma", 2), ("reduction", "mean")]
    assert all(p.kind is p.KEYWORD_ONLY for p in parameters[3:])


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("options", [{}, {"alpha": 1.0, "gamma": 1.5}], ids=["defaults", "other"])
def test_values_and_gradients_are_the_tutorials(logits: torch.Tensor, reduction: Any, options: dict[str, float]) -> None:
    """Where that class is accurate, this one agrees with it."""
    ours, theirs = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    a = FocalLoss(**options, reduction=reduction)(ours, CLASSES)
    b = TutorialFocalLoss(**options, reduction=reduction)(theirs, CLASSES)
    close(a, b)
    a.sum().backward()
    b.sum().backward()
    assert ours.grad is not None
    assert theirs.grad is not None
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-11, atol=1e-16)


def test_further_dimensions_as_in_cross_entropy() -> None:
    """(N, C, d1, d2) logits and (N, d1, d2) classes; γ = 0 and α = 1 is torch's own loss."""
    rng = np.random.default_rng(3)
    x = torch.from_numpy(rng.normal(size=(2, 5, 3, 4)))
    t = torch.from_numpy(rng.integers(0, 5, (2, 3, 4)))
    close(FocalLoss(alpha=1.0, gamma=0)(x, t), functional.cross_entropy(x, t))
    close(FocalLoss(alpha=1.0, gamma=0, ignore_index=2)(x, t), functional.cross_entropy(x, t, ignore_index=2))
    channels_last = x.to(memory_format=torch.channels_last)
    assert torch.equal(FocalLoss(reduction="none")(channels_last, t), FocalLoss(reduction="none")(x, t))


# ---- torchvision's function -------------------------------------------------------------------------------------------------


def test_the_signature_is_torchvisions() -> None:
    """Positional arguments, names and defaults."""
    parameters = list(inspect.signature(sigmoid_focal_loss).parameters.values())
    expected = [("inputs", inspect.Parameter.empty), ("targets", inspect.Parameter.empty)]
    expected += [("alpha", 0.25), ("gamma", 2), ("reduction", "none")]
    assert [(p.name, p.default) for p in parameters[:5]] == expected


@pytest.mark.parametrize("alpha", [-1, 0.0, 0.25, 0.58, 1.0])
@pytest.mark.parametrize("gamma", [0, 2, 3])
def test_values_are_torchvisions(logits: torch.Tensor, labels: torch.Tensor, alpha: float, gamma: float) -> None:
    """Hard and soft targets, α off (below 0) and at both ends."""
    for targets in (labels, torch.zeros_like(labels), torch.ones_like(labels), labels * 0.5 + 0.2):
        ours = sigmoid_focal_loss(logits, targets, alpha, gamma)
        torch.testing.assert_close(ours, textbook_sigmoid(logits, targets, alpha, gamma), rtol=1e-11, atol=0)


def test_without_modulation_it_is_binary_cross_entropy(logits: torch.Tensor, labels: torch.Tensor) -> None:
    """γ = 0 and no α, in every reduction."""
    for reduction in ("none", "mean", "sum"):
        expected = functional.binary_cross_entropy_with_logits(logits, labels, reduction=reduction)
        close(sigmoid_focal_loss(logits, labels, -1, 0, reduction), expected)


def test_the_ratio_to_cross_entropy_is_the_modulating_factor(logits: torch.Tensor, labels: torch.Tensor) -> None:
    """At one label, correct and wrong predictions are weighed by (1 − p_t)^γ."""
    ce = functional.binary_cross_entropy_with_logits(logits, labels, reduction="none")
    p_t = torch.exp(-ce)
    close(sigmoid_focal_loss(logits, labels, -1, 2) / ce, (1 - p_t) ** 2)


@pytest.mark.parametrize("alpha", [1.5, "0.25", [0.5, 2.0]])
def test_a_wrong_alpha_is_refused(logits: torch.Tensor, labels: torch.Tensor, alpha: Any) -> None:
    """The message names it."""
    with pytest.raises((ValueError, TypeError), match=r"^alpha"):
        sigmoid_focal_loss(logits, labels, alpha)


def test_a_wrong_reduction_is_refused(logits: torch.Tensor, labels: torch.Tensor) -> None:
    """By functions when called, by modules when made."""
    with pytest.raises(ValueError, match=r"^reduction: got 'xyz'"):
        sigmoid_focal_loss(logits, labels, reduction="xyz")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^reduction: got 'xyz'"):
        FocalLoss(reduction="xyz")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^gamma: got -1"):
        SigmoidFocalLoss(gamma=-1)


# ---- never NaN --------------------------------------------------------------------------------------------------------------

EXTREMES = (-1e4, -1e3, -100.0, -40.0, -17.0, 0.0, 17.0, 40.0, 100.0, 1e3, 1e4)


@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_finite_at_extreme_logits(gamma: float, dtype: torch.dtype) -> None:
    """Value, gradient and second derivative: never NaN or infinite, for either target."""
    for y in (0.0, 1.0):
        x = torch.tensor(EXTREMES, dtype=dtype, requires_grad=True)
        value = sigmoid_focal_loss(x, torch.full_like(x, y), -1, gamma)
        (grad,) = torch.autograd.grad(value.sum(), x, create_graph=True)
        (hess,) = torch.autograd.grad(grad.sum(), x)
        assert all(bool(torch.isfinite(t).all()) for t in (value, grad, hess))
        rows = torch.stack([torch.zeros_like(x), x.detach()], dim=1).requires_grad_()
        value = softmax_focal_loss(rows, torch.full(x.shape, int(y)), None, gamma)
        (grad,) = torch.autograd.grad(value.sum(), rows, create_graph=True)
        (hess,) = torch.autograd.grad(grad[:, 0].sum(), rows)
        assert all(bool(torch.isfinite(t).all()) for t in (value, grad, hess))


@pytest.mark.parametrize("gamma", GAMMAS)
def test_exact_at_extreme_logits(gamma: float) -> None:
    """In ULP against the oracle, value, gradient and second derivative by torch's own machinery."""
    x = torch.tensor(EXTREMES, dtype=torch.float64, requires_grad=True)
    value = sigmoid_focal_loss(x, torch.ones_like(x), None, gamma)
    (grad,) = torch.autograd.grad(value.sum(), x, create_graph=True)
    (hess,) = torch.autograd.grad(grad.sum(), x)
    exact = [oracle.sigmoid(z, 1, gamma) for z in EXTREMES]
    for got, name, bound in ((value, "value", 4 + 2 * gamma), (grad, "grad", 4 + 2 * gamma), (hess, "hess", 6 + 2.5 * gamma)):
        hi, lo = ulp.split(getattr(r, name) for r in exact)
        scale = [float(abs(r.hess_terms)) for r in exact] if name == "hess" else np.abs(hi)
        normal = np.abs(hi) >= DOUBLE.tiny
        errors = ulp.errors(got.detach().numpy(), hi, lo, DOUBLE, scale=scale)[normal]
        assert errors.max() <= bound, (name, errors.max())


# ---- modules ----------------------------------------------------------------------------------------------------------------


def test_class_weights_are_a_buffer() -> None:
    """They follow `.to()` and `state_dict`, and balance classes as in focal_ref."""
    loss = FocalLoss(alpha=[1.0, 2.0, 3.0, 4.0], gamma=1.5)
    assert loss.to(torch.float64).alpha.dtype == torch.float64
    assert list(loss.state_dict()) == ["alpha"]
    other = FocalLoss(alpha=torch.ones(4))
    other.load_state_dict(loss.state_dict())
    assert torch.equal(other.alpha, torch.tensor([1.0, 2.0, 3.0, 4.0]))
    x = torch.from_numpy(np.random.default_rng(4).normal(size=(6, 4)))
    expected = fr.SoftmaxFocalLoss(gamma=1.5, alpha=[1.0, 2.0, 3.0, 4.0], reduction="mean", precision="native")
    assert float(loss(x, CLASSES)) == float(expected(x.numpy(), CLASSES.numpy()))


@pytest.mark.parametrize(
    "loss", [FocalLoss(alpha=[0.5, 1.0, 2.0, 1.0]), SigmoidFocalLoss(gamma=0.5, reduction="sum")], ids=repr
)
def test_pickle_deepcopy_repr(loss: torch.nn.Module, logits: torch.Tensor, labels: torch.Tensor) -> None:
    """A copy is the same loss, and says the same of itself."""
    targets = CLASSES if isinstance(loss, FocalLoss) else labels
    for twin in (pickle.loads(pickle.dumps(loss)), copy.deepcopy(loss)):
        assert repr(twin) == repr(loss)
        assert torch.equal(twin(logits, targets), loss(logits, targets))


def test_gamma_can_be_learned(logits: torch.Tensor, labels: torch.Tensor) -> None:
    """A parameter gets its gradient, Σ φ log u, and an optimiser moves it."""
    gamma = torch.nn.Parameter(torch.tensor(1.5, dtype=torch.float64))
    loss = SigmoidFocalLoss(gamma=gamma, reduction="sum", alpha=None)
    assert list(loss.parameters()) == [gamma]
    loss(logits, labels).backward()
    expected = fr.SigmoidFocalLoss(gamma=1.5, reduction="sum").gamma_grad(logits.numpy(), labels.numpy())
    assert gamma.grad is not None
    assert abs(float(gamma.grad) / float(expected) - 1) < 1e-14
    before = float(gamma.detach())
    torch.optim.SGD(loss.parameters(), lr=0.1).step()
    assert float(gamma.detach()) > before


def test_alpha_weight_and_targets_get_gradients(logits: torch.Tensor, labels: torch.Tensor) -> None:
    """Whatever tensor wants one."""
    alpha = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    weight = torch.full((6, 1), 2.0, dtype=torch.float64, requires_grad=True)
    soft = (labels * 0.8 + 0.1).requires_grad_()

    def total(a: torch.Tensor, w: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return sigmoid_focal_loss(logits, y, a, 1.5, "mean", weight=w)

    assert torch.autograd.gradcheck(total, (alpha, weight, soft))


def test_a_graph_that_is_kept_is_not_written_over(logits: torch.Tensor, labels: torch.Tensor) -> None:
    """Gradients asked for again are the same, whatever was done to those handed out before."""
    for reduction, targets, loss in (
        ("mean", labels, sigmoid_focal_loss),
        ("none", labels, sigmoid_focal_loss),
        ("none", CLASSES, softmax_focal_loss),
    ):
        x = logits.clone().requires_grad_()
        value = 3 * loss(x, targets, reduction=reduction)
        above = torch.rand(value.shape, dtype=value.dtype)
        (first,) = torch.autograd.grad(value, x, above, retain_graph=True)
        known = first.clone()
        first.mul_(2)
        (again,) = torch.autograd.grad(value, x, above, retain_graph=True)
        value.backward(above)
        torch.testing.assert_close(again, known, rtol=0, atol=0)
        torch.testing.assert_close(x.grad, known, rtol=0, atol=0)


@pytest.mark.parametrize("scale", [1, 3])
def test_the_last_way_back_makes_no_new_tensor(logits: torch.Tensor, labels: torch.Tensor, scale: int) -> None:
    """The gradient that was kept becomes the result; times what came from above."""
    x = logits.clone().requires_grad_()
    value = sigmoid_focal_loss(x, labels, reduction="sum")
    _, kept, *_ = value.grad_fn.saved_tensors
    place, expected = kept.data_ptr(), kept * scale
    del kept
    (scale * value).backward()
    assert x.grad is not None
    assert x.grad.data_ptr() == place
    torch.testing.assert_close(x.grad, expected, rtol=0, atol=0)


@pytest.mark.slow
def test_a_gradient_that_is_differentiated_again_keeps_its_graph(logits: torch.Tensor, labels: torch.Tensor) -> None:
    """Also where the first graph goes: create_graph without retain_graph."""
    x = logits.clone().requires_grad_()
    value = sigmoid_focal_loss(x, labels, reduction="sum")
    (slope,) = torch.autograd.grad(value, x, create_graph=True, retain_graph=False)
    (curvature,) = torch.autograd.grad(slope.sum(), x)
    expected = fr.SigmoidFocalLoss(gamma=2.0, alpha=0.25).hessian_diag(logits.numpy(), labels.numpy())
    np.testing.assert_array_equal(curvature.numpy(), expected)

"""The family as torch modules: members' own derivatives to any order, compiled too, and the libraries' names and values."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from focal_ref_torch import family as modules

import focal_ref as fr
from focal_ref import family
from tests.family.members import MEMBERS, another

# torch's own warnings of itself, in its compiler.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:.*is deprecated")

X = np.asarray([-30.0, -3.0, -0.5, 0.25, 2.0, 9.0])
Y = np.asarray([0.0, 1.0, 0.0, 1.0, 0.0, 1.0])
ROWS = np.asarray([[0.5, -2.0, 30.0], [-0.25, 0.0, 1.0]])


@pytest.fixture(autouse=True)
def numpy() -> Iterator[None]:
    """What is compared is how torch is led, not how NumPy is: nothing is compiled for it."""
    with fr.set_engine("numpy"):
        yield


@pytest.mark.parametrize("kernel", [*MEMBERS, *map(another, MEMBERS)], ids=repr)
def test_derivatives_are_the_member_s(kernel: family.Kernel) -> None:
    """Autograd's gradient and its own derivative are the handwritten ones, of elements and of rows."""
    for link, loss, x, y in (
        ("sigmoid", fr.SigmoidLoss(kernel), X, torch.tensor(Y)),
        ("softmax", fr.SoftmaxLoss(kernel), ROWS, torch.tensor([2, 0])),
    ):
        logits = torch.tensor(x, requires_grad=True)
        value = modules.MemberLoss(kernel, link, reduction="none")(logits, y)  # type: ignore[arg-type]
        np.testing.assert_allclose(value.detach().numpy(), loss(x, y.numpy()), rtol=1e-14)
        (grad,) = torch.autograd.grad(value.sum(), logits, create_graph=True)
        np.testing.assert_allclose(grad.detach().numpy(), loss.grad(x, y.numpy()), rtol=1e-14)
        tangent = np.ones_like(x) * 0.5
        (product,) = torch.autograd.grad(grad, logits, torch.tensor(tangent))
        np.testing.assert_allclose(product.numpy(), loss.hvp(x, y.numpy(), tangent), rtol=1e-12, atol=1e-300)


def test_probabilities_are_differentiated_by_their_own_derivatives() -> None:
    """Also where a label is met exactly, at γ < 1, where autograd's power of 0 would give NaN."""
    p, y = torch.tensor([0.25, 1.0, 0.0, 0.75], dtype=torch.float64, requires_grad=True), torch.tensor([1.0, 1.0, 0.0, 0.0])
    for kernel in (family.Focal(0.5), family.Inverse(2.0)):
        value = modules.MemberLoss(kernel, "probability", reduction="sum")(p, y.double())
        (grad,) = torch.autograd.grad(value, p, create_graph=True)
        loss = fr.ProbabilityLoss(kernel)
        np.testing.assert_allclose(grad.detach().numpy(), loss.grad(p.detach().numpy(), y.numpy()), rtol=1e-14)
    (bend,) = torch.autograd.grad(grad, p, torch.ones_like(p))
    np.testing.assert_allclose(bend.numpy(), loss.hessian_diag(p.detach().numpy(), y.numpy()), rtol=1e-13)


@pytest.mark.compiles
def test_it_compiles_whole() -> None:
    """One graph, eager's results."""
    kernel = family.Asymmetric()
    module, logits = modules.MemberLoss(kernel), torch.tensor(X, requires_grad=True)
    value = torch.compile(module, backend="aot_eager", fullgraph=True)(logits, torch.tensor(Y))
    (grad,) = torch.autograd.grad(value, logits)
    np.testing.assert_allclose(grad.numpy(), fr.SigmoidLoss(kernel, reduction="mean").grad(X, Y), rtol=1e-12, atol=1e-300)


@pytest.mark.parametrize("kernel", MEMBERS, ids=repr)
def test_a_parameter_is_learned(kernel: family.Kernel) -> None:
    """A tensor among the parameters has the gradient that `parameter_grad` says, and nothing is NaN at ends of the range."""
    for name in kernel.by_parameter:
        learned = torch.tensor(float(kernel.values[name]), dtype=torch.float64, requires_grad=True)  # type: ignore[arg-type]
        module = modules.MemberLoss(type(kernel)(**{**kernel.values, name: learned}), reduction="sum")
        logits = torch.tensor([*X, 800.0, -800.0], dtype=torch.float64, requires_grad=True)
        targets = torch.tensor([*Y, 1.0, 0.0], dtype=torch.float64)
        by, grad = torch.autograd.grad(module(logits, targets), (learned, logits))
        loss = fr.SigmoidLoss(kernel, reduction="sum")
        due = loss.parameter_grad(name, logits.detach().numpy(), targets.numpy())
        np.testing.assert_allclose(by.item(), due, rtol=1e-9)
        np.testing.assert_allclose(grad.numpy(), loss.grad(logits.detach().numpy(), targets.numpy()), rtol=1e-9, atol=1e-12)


def test_a_module_is_a_module() -> None:
    """Shown, copied, refused in words."""
    module = modules.MemberLoss(family.Reduced(2.0, 0.5), "softmax", alpha=[1.0, 2.0, 3.0])
    assert "Reduced(gamma=2.0, threshold=0.5), 'softmax'" in repr(module)
    rows, y = torch.tensor(ROWS), torch.tensor([0, 1])
    assert copy.deepcopy(module)(rows, y) == module(rows, y)
    with pytest.raises(ValueError, match=r"link: got 'probit'; expected one of 'sigmoid', 'softmax', 'probability'"):
        modules.MemberLoss(family.Reduced(), "probit")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"kernel: got Reduced; .*did you mean Reduced\(\)\?"):
        modules.MemberLoss(family.Reduced)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="avg_factor: got one with reduction='sum'"):
        modules.VarifocalLoss(reduction="sum")(rows, rows.sigmoid(), avg_factor=2.0)


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + torch.exp(-x))


def _mean(x: Any) -> Any:
    return x.mean()


LIBRARIES: dict[str, tuple[Any, Any, Any, Any]] = {
    "fvcore's FL*": (
        lambda x, y: modules.sigmoid_focal_loss_star(x, y, alpha=0.25, gamma=2),
        lambda x, y: -torch.nn.functional.logsigmoid(2 * (x * (2 * y - 1))) / 2 * (0.25 * y + 0.75 * (1 - y)),
        torch.tensor(X[1:]),
        torch.tensor(Y[1:]),
    ),
    "timm's asymmetric loss, weights detached": (
        modules.AsymmetricLossMultiLabel(disable_torch_grad_focal_loss=True, reduction="sum"),
        lambda x, y: (
            -(y * torch.log(_sigmoid(x)) + (1 - y) * torch.log((1 - _sigmoid(x) + 0.05).clamp(max=1)))
            * (1 - _sigmoid(x) * y - (1 - _sigmoid(x) + 0.05).clamp(max=1) * (1 - y)).detach() ** (1 * y + 4 * (1 - y))
        ).sum(),
        torch.tensor(X[1:]),
        torch.tensor(Y[1:]),
    ),
    "timm's asymmetric loss": (
        modules.AsymmetricLossMultiLabel(2, 0),
        lambda x, y: (
            (
                -(y * torch.log(_sigmoid(x)) + (1 - y) * torch.log((1 - _sigmoid(x) + 0.05).clamp(max=1)))
                * (1 - _sigmoid(x) * y - (1 - _sigmoid(x) + 0.05).clamp(max=1) * (1 - y)) ** (0 * y + 2 * (1 - y))
            ).sum()
            / x.shape[0]
        ),
        torch.tensor(X[2:].reshape(2, 2)),
        torch.tensor(Y[2:].reshape(2, 2)),
    ),
    "timm's Poly-1": (
        modules.PolyBinaryCrossEntropy(gamma=1.5, alpha=0.25),
        lambda x, y: _mean(
            (0.25 * y + 0.75 * (1 - y))
            * (
                torch.nn.functional.binary_cross_entropy_with_logits(x, y, reduction="none") * _sigmoid(x * (1 - 2 * y)) ** 1.5
                + 2 * _sigmoid(x * (1 - 2 * y)) ** 2.5
            )
        ),
        torch.tensor(X[1:]),
        torch.tensor(Y[1:]),
    ),
    "mmdetection's varifocal loss": (
        modules.VarifocalLoss(),
        lambda x, y: _mean(
            torch.nn.functional.binary_cross_entropy_with_logits(x, y, reduction="none")
            * (y * (y > 0) + 0.75 * (_sigmoid(x) - y).abs() ** 2 * (y <= 0))
        ),
        torch.tensor(X[1:]),
        torch.tensor([0.5, 0.0, 1.0, 0.0, 0.75], dtype=torch.float64),
    ),
    "mmdetection's quality focal loss": (
        modules.QualityFocalLoss(),
        lambda x, y: _mean(
            torch.nn.functional.binary_cross_entropy_with_logits(x, y, reduction="none") * (_sigmoid(x) - y).abs() ** 2
        ),
        torch.tensor(X[1:]),
        torch.tensor([0.5, 0.0, 1.0, 0.0, 0.75], dtype=torch.float64),
    ),
    "mmdetection's Gaussian focal loss": (
        modules.GaussianFocalLoss(),
        lambda x, y: _mean(
            torch.where(
                y == 1,
                -torch.log(_sigmoid(x)) * (1 - _sigmoid(x)) ** 2,
                -torch.log(1 - _sigmoid(x)) * _sigmoid(x) ** 2 * (1 - y) ** 4,
            )
        ),
        torch.tensor(X[1:]),
        torch.tensor([0.5, 0.0, 1.0, 0.0, 1.0], dtype=torch.float64),
    ),
    "mmdetection's distribution focal loss": (
        modules.DistributionFocalLoss(),
        lambda x, y: _mean(
            torch.nn.functional.cross_entropy(x, y.long(), reduction="none") * (y.long() + 1 - y)
            + torch.nn.functional.cross_entropy(x, y.long() + 1, reduction="none") * (y - y.long())
        ),
        torch.tensor(ROWS),
        torch.tensor([0.25, 1.5], dtype=torch.float64),
    ),
    "Sofiiuk's normalized focal loss": (
        modules.NormalizedFocalLoss(alpha=0.25),
        lambda x, y: (
            (
                torch.nn.functional.binary_cross_entropy_with_logits(x, y, reduction="none")
                * (0.25 * y + 0.75 * (1 - y))
                * (1 - _sigmoid(x * (2 * y - 1))) ** 2
            ).sum()
            / ((1 - _sigmoid(x * (2 * y - 1))) ** 2).sum().detach()
        ),
        torch.tensor(X[1:]),
        torch.tensor(Y[1:]),
    ),
}


@pytest.mark.parametrize("name", LIBRARIES)
def test_a_familiar_name_has_its_library_s_values(name: str) -> None:
    """Values and gradients of the libraries' formulas, typed here, at ordinary points."""
    ours, theirs, x, y = LIBRARIES[name]
    results = []
    for loss in (ours, theirs):
        logits = x.clone().requires_grad_()
        value = loss(logits, y)
        (grad,) = torch.autograd.grad(value.sum(), logits)
        results.append((value.detach().numpy(), grad.numpy()))
    np.testing.assert_allclose(results[0][0], results[1][0], rtol=1e-10)
    np.testing.assert_allclose(results[0][1], results[1][1], rtol=1e-8, atol=1e-12)


def test_equalized_loss_learns_what_is_rare() -> None:
    """Without gradients it is focal loss; a class whose negatives' gradients prevail gets more γ and weight."""
    loss, x = modules.EqualizedFocalLoss(2), torch.tensor([[1.0, -1.0], [0.5, 0.0]], dtype=torch.float64)
    y = torch.tensor([[1.0, 0.0], [0.0, 0.0]], dtype=torch.float64)
    plain = fr.SigmoidFocalLoss(2.0, alpha=0.25, reduction="mean")(x.numpy(), y.numpy())
    np.testing.assert_allclose(loss(x, y).item(), plain, rtol=1e-12)
    loss.collect(torch.tensor([[0.5, 0.0], [0.25, 1.0]]), y)
    due = fr.SigmoidFocalLoss(np.asarray([[2.0, 10.0]]), alpha=0.25, reduction="mean")
    np.testing.assert_allclose(loss(x, y).item(), due(x.numpy(), y.numpy(), np.asarray([[1.0, 5.0]])), rtol=1e-12)
    assert "positive" in loss.state_dict()

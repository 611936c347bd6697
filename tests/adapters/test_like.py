"""`like` is the other library's loss: its profile's numbers, in torch and JAX, with derivatives that are finite and right."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import focal_ref_jax
import focal_ref_torch
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from focal_ref.conventions import profiles
from focal_ref.libraries import backends

RNG = np.random.default_rng(11)
X = RNG.normal(0, 3, (5, 4))
HARD = RNG.integers(0, 2, (5, 4)).astype(np.float64)
SOFT = np.where(RNG.random((5, 4)) < 0.5, HARD, RNG.random((5, 4)))
CLASSES = np.asarray([0, 3, 1, 2, 0])
ROWS = np.vstack([np.eye(4)[:2], [[0.1, 0.2, 0.3, 0.4], [0.7, 0.1, 0.1, 0.1], [0.0, 0.5, 0.5, 0.0]]])

ALPHAS = {"balance": 0.3, "background": 0.3, "factor": 1.7, "positives": 1.7, "classes": [1.0, 2.0, 0.0, 0.5]}


def targets_of(profile: profiles.Profile) -> list[Any]:
    """Whatever the library takes."""
    if profile.link == "sigmoid":
        return [HARD, *([SOFT] if profile.soft else []), *([CLASSES] if profile.one_hot else [])]
    return [CLASSES, *([ROWS] if profile.soft else [])]


def cases() -> list[Any]:
    """Every profile, with each kind of targets, alpha, reduction and γ that it has."""
    found = []
    for profile in profiles.PROFILES:
        alphas: list[Any] = [None, "off", ALPHAS[profile.scalar]]
        if profile.sequence:
            alphas.append(ALPHAS["classes"])
        for number, targets in enumerate(targets_of(profile)):
            for alpha in alphas:
                for reduction, gamma in (("none", 0.5), ("mean", None), ("sum", 2.0)):
                    name = f"{profile.name}-{profile.link}-{number}-{alpha}-{reduction}"
                    found.append(pytest.param(profile, targets, alpha, reduction, gamma, id=name))
    return found


CASES = pytest.mark.parametrize(("profile", "targets", "alpha", "reduction", "gamma"), cases())


def expected(profile: profiles.Profile, targets: Any, alpha: Any, reduction: str, gamma: float | None) -> Any:
    return profile(X, targets, gamma, alpha, reduction)


def settled(profile: profiles.Profile, targets: Any, **options: Any) -> Any:
    """torch's module; where it divides by what its last calls had, that is what this call has."""
    loss = focal_ref_torch.like(profile.name, profile.link, **options).to(torch.float64)
    if profile.running:
        loss.eval().normalizer.fill_(targets.sum() if targets.shape == X.shape else len(targets))
    return loss


@pytest.mark.slow
@CASES
def test_torch(profile: profiles.Profile, targets: Any, alpha: Any, reduction: str, gamma: float | None) -> None:
    """The profile's values, and a gradient that torch's finite differences confirm."""
    loss = settled(profile, targets, gamma=gamma, alpha=alpha, reduction=reduction)
    x = torch.from_numpy(X).requires_grad_()
    value = loss(x, torch.from_numpy(targets))
    np.testing.assert_allclose(value.detach().numpy(), expected(profile, targets, alpha, reduction, gamma), rtol=1e-12)
    if reduction == "mean":
        assert torch.autograd.gradcheck(lambda x: loss(x, torch.from_numpy(targets)), (x,), fast_mode=True)


@pytest.mark.slow
@pytest.mark.parametrize(("profile", "targets", "alpha", "reduction", "gamma"), cases()[1::3])
def test_jax(profile: profiles.Profile, targets: Any, alpha: Any, reduction: str, gamma: float | None) -> None:
    """The profile's values, and torch's gradient."""
    with backends.get("jax-x64").context():
        loss = focal_ref_jax.like(profile.name, profile.link, gamma=gamma, alpha=alpha, reduction=reduction)
        value = loss(jnp.asarray(X), jnp.asarray(targets))
        np.testing.assert_allclose(value, expected(profile, targets, alpha, reduction, gamma), rtol=1e-12)
        grad = jax.grad(lambda x: loss(x, jnp.asarray(targets)).sum())(jnp.asarray(X))
    twin = settled(profile, targets, gamma=gamma, alpha=alpha, reduction=reduction)
    x = torch.from_numpy(X).requires_grad_()
    twin(x, torch.from_numpy(targets)).sum().backward()
    assert x.grad is not None
    np.testing.assert_allclose(grad, x.grad, rtol=1e-10, atol=1e-16)


@pytest.mark.parametrize("name", ["monai", "segmentation-models", "tutorial"])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_finite_where_the_library_is_not(name: str, gamma: float) -> None:
    """Saturated logits, hard and soft labels side by side: value and gradient are numbers."""
    loss = focal_ref_torch.like(name, gamma=gamma, reduction="sum")
    x = torch.tensor([[-1e4, 1e4], [100.0, -100.0], [0.0, 0.0], [40.0, -40.0]], requires_grad=True)
    y = torch.tensor([[0.0, 1.0], [1.0, 0.0], [0.3, 0.7], [0.0, 1.0]])
    value = loss(x, y)
    value.backward()
    assert x.grad is not None
    assert bool(torch.isfinite(value))
    assert bool(torch.isfinite(x.grad).all())


@pytest.mark.slow
def test_classes_outside_are_background_or_refused() -> None:
    """mmdetection's background is a class of its own; kornia leaves −100 out and counts it."""
    mm = focal_ref_torch.like("mmdetection", reduction="none")
    x = torch.from_numpy(X)
    assert torch.equal(mm(x, torch.full((5,), 4)), mm(x, torch.zeros(5, 4, dtype=torch.float64)))
    kornia = focal_ref_torch.like("kornia", "softmax", alpha=0.3, reduction="mean")
    t = torch.tensor([0, -100, 1, 2, -100])
    np.testing.assert_allclose(kornia(x, t), profiles.get("kornia", "softmax")(X, t.numpy(), alpha=0.3, reduction="mean"))


@pytest.mark.slow
def test_detectrons_running_mean_divides() -> None:
    """From 100, with momentum 0.9, moved on in training only; saved and moved as a buffer. In JAX the caller keeps it."""
    loss = focal_ref_torch.like("detectron2")
    x, y = torch.from_numpy(X), torch.from_numpy(HARD)
    total, running = focal_ref_torch.like("detectron2", reduction="sum")(x, y), 100.0
    for step in range(3):
        running = 0.9 * running + 0.1 * HARD.sum()
        torch.testing.assert_close(loss(x, y), total / running, rtol=1e-6, atol=0, msg=str(step))
    torch.testing.assert_close(loss.eval()(x, y), total / running, rtol=1e-6, atol=0)
    assert list(loss.state_dict()) == ["normalizer"]
    nothing = focal_ref_torch.like("detectron2")
    nothing(x, torch.full((5,), 4))
    torch.testing.assert_close(nothing.normalizer, torch.tensor(90.1))
    found = focal_ref_jax.like("detectron2")(jnp.asarray(X), jnp.asarray(HARD), normalizer=running)
    np.testing.assert_allclose(found, float(total) / running, rtol=1e-5)
    with pytest.raises(ValueError, match=r"^normalizer: got 2\.0; expected None, since keras has none"):
        focal_ref_jax.like("keras")(X, HARD, 2.0)


@pytest.mark.slow
def test_a_mean_is_exported_with_a_free_batch() -> None:
    """What divides is a size that the exporter owns."""
    batch = torch.export.Dim("batch", min=2, max=64)
    x, y = torch.from_numpy(X), torch.from_numpy(HARD)
    for name in ("monai", "detectron2"):
        loss = focal_ref_torch.like(name, reduction="mean").eval()
        program = torch.export.export(loss, (x, y), dynamic_shapes=({0: batch}, {0: batch}))
        for n in (5, 3):
            torch.testing.assert_close(program.module()(x[:n], y[:n]), loss(x[:n], y[:n]), rtol=1e-6, atol=0)


def test_a_module_like_any_other() -> None:
    """repr, pickle, copies, options set afterwards; refusals name the argument when it is made."""
    loss = focal_ref_torch.like("keras", alpha=0.25)
    assert repr(loss) == "LikeLoss('keras', 'sigmoid', gamma=2.0, alpha=0.25, reduction='mean', precision='native')"
    x, y = torch.from_numpy(X), torch.from_numpy(HARD)
    for twin in (pickle.loads(pickle.dumps(loss)), copy.deepcopy(loss)):
        assert torch.equal(twin(x, y), loss(x, y))
    loss.reduction = "none"
    assert loss(x, y).shape == x.shape
    loss.reduction = "average"
    with pytest.raises(ValueError, match=r"^reduction: got 'average'"):
        loss(x, y)
    with pytest.raises(AttributeError, match=r"^ignore_index: got 255; expected nothing.*SigmoidFocalLoss"):
        loss.ignore_index = 255
    for wrong in ({"name": "nobody"}, {"name": "kornia", "link": "tanh"}, {"name": "kornia", "alpha": [0.1]}):
        with pytest.raises((ValueError, TypeError), match=r"^(name|link|alpha): got"):
            focal_ref_torch.like(**wrong)  # type: ignore[arg-type]

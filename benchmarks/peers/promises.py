"""What the peers' own public tests promise, written anew, with focal_ref in the peer's place.

A check is a function whose first words say the promise; it asserts. None needs the peer to be installed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch
from focal_ref_jax import like as like_jax
from focal_ref_jax import sigmoid_focal_loss as jax_sigmoid
from focal_ref_torch import like, sigmoid_focal_loss

__all__ = ["PROMISES"]

Check = Callable[[], None]
BCE = torch.nn.functional.binary_cross_entropy_with_logits
PROMISES: dict[str, list[Check]] = {}
"""Checks by the peer's name in `focal_ref.conventions.profiles`."""


def promised(*peers: str) -> Callable[[Check], Check]:
    """Files a check under its peers."""

    def file(check: Check) -> Check:
        for peer in peers:
            PROMISES.setdefault(peer, []).append(check)
        return check

    return file


def close(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-7) -> None:
    """As the peers' tests compare."""
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=rtol, atol=atol)


def refused(*errors: type[Exception], of: Callable[[], object]) -> None:
    """It raises one of these."""
    try:
        of()
    except errors:
        return
    raise AssertionError(f"expected one of {errors}")


def drawn(*shape: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits of probabilities spread over (0, 1), and labels."""
    source = torch.Generator().manual_seed(seed)
    p = torch.rand(shape, generator=source, dtype=torch.float64) * 0.98 + 0.01
    return torch.logit(p), (torch.rand(shape, generator=source) < 0.5).double()


def logits(*probabilities: float) -> torch.Tensor:
    """As numbers."""
    return torch.logit(torch.tensor(probabilities, dtype=torch.float64))


# ---- torchvision, fvcore: sigmoid_focal_loss ---------------------------------------------------------------------------------


@promised("torchvision", "fvcore")
def the_ratio_to_cross_entropy_is_the_modulator_times_alpha() -> None:
    """Element by element, for any γ and α, in either type."""
    for seed, (alpha, gamma) in enumerate([(-1, 0), (-1, 2), (0.25, 0), (0.25, 2), (0.75, 3)]):
        for dtype in (torch.float64, torch.float32):
            x, y = (a.to(dtype) for a in drawn(5, 4, seed=seed))
            p = torch.sigmoid(x)
            p_t = y * p + (1 - y) * (1 - p)
            alpha_t = 1 if alpha < 0 else alpha * y + (1 - alpha) * (1 - y)
            close(
                sigmoid_focal_loss(x, y, alpha=alpha, gamma=gamma) / BCE(x, y, reduction="none"), alpha_t * (1 - p_t) ** gamma
            )


@promised("torchvision", "fvcore")
def without_focusing_it_is_cross_entropy() -> None:
    """γ = 0 and no α, in every reduction."""
    x, y = drawn(6, 3)
    for reduction in ("none", "mean", "sum"):
        close(sigmoid_focal_loss(x, y, alpha=-1, gamma=0, reduction=reduction), BCE(x, y, reduction=reduction))  # type: ignore[arg-type]


@promised("torchvision", "fvcore")
def a_traced_function_gives_the_same() -> None:
    """Theirs is scripted; a trace is what focal_ref offers."""
    x, y = drawn(3, 4)
    other = drawn(3, 4, seed=1)
    close(torch.jit.trace(sigmoid_focal_loss, (x, y))(*other), sigmoid_focal_loss(*other))


@promised("torchvision")
def a_wrong_reduction_or_alpha_is_refused() -> None:
    """By a ValueError."""
    x, y = drawn(2, 2)
    refused(ValueError, of=lambda: sigmoid_focal_loss(x, y, reduction="xyz"))  # type: ignore[arg-type]
    refused(ValueError, of=lambda: sigmoid_focal_loss(x, y, alpha=1.5))


@promised("fvcore")
def easy_examples_lose_much_and_hard_ones_little() -> None:
    """A loss at p = 0.95 shrinks by 400, at p = 0.05 by a tenth; α = 0.5 halves it again."""
    easy, hard, ones = logits(0.95, 0.9, 0.98, 0.99), logits(0.05, 0.12, 0.09, 0.17), torch.ones(4, dtype=torch.float64)
    close(BCE(easy, ones, reduction="none") / sigmoid_focal_loss(easy, ones, alpha=-1, gamma=2), [400, 100, 2500, 10000])
    close(BCE(easy, ones, reduction="none") / sigmoid_focal_loss(easy, ones, alpha=0.5, gamma=2), [800, 200, 5000, 20000])
    ratio = BCE(hard, ones, reduction="none") / sigmoid_focal_loss(hard, ones, alpha=-1, gamma=2)
    close(ratio, [1 / 0.95**2, 1 / 0.88**2, 1 / 0.91**2, 1 / 0.83**2])


@promised("fvcore", "optax")
def one_class_is_left_out_by_alpha() -> None:
    """α = 1 ignores the negatives, α = 0 the positives."""
    x, y = logits(0.05, 0.12, 0.89, 0.79), torch.tensor([1.0, 1, 0, 0], dtype=torch.float64)
    for alpha, zero in ((1.0, y == 0), (0.0, y == 1)):
        for loss in (sigmoid_focal_loss(x, y, alpha=alpha), torch.tensor(np.asarray(jax_sigmoid(x.numpy(), y.numpy(), alpha)))):
            assert bool((loss[zero] == 0).all())
            assert bool((loss[~zero] > 0).all())


# ---- optax: sigmoid_focal_loss -----------------------------------------------------------------------------------------------

SCORES = jnp.log(jnp.asarray([0.9, 0.98, 0.3, 0.99]) / (1 - jnp.asarray([0.9, 0.98, 0.3, 0.99])))
ANSWERS = jnp.asarray([1, 1, 0, 0])


def _entropy(x: Any, y: Any) -> Any:
    return -(y * jax.nn.log_sigmoid(x) + (1 - y) * jax.nn.log_sigmoid(-x))


@promised("optax")
def it_is_the_scaled_cross_entropy_without_focusing() -> None:
    """γ = 0, without α and with 0.5; compiled and not."""
    for f in (jax_sigmoid, jax.jit(jax_sigmoid)):
        close(f(SCORES, ANSWERS, gamma=0.0), _entropy(SCORES, ANSWERS))
        close(f(SCORES, ANSWERS, alpha=0.5, gamma=0.0), 0.5 * _entropy(SCORES, ANSWERS))


@promised("optax")
def large_and_small_logits_shrink_by_the_modulator() -> None:
    """(1 − p_t)² of cross entropy."""
    p = jax.nn.sigmoid(SCORES)
    p_t = jnp.where(ANSWERS == 1, p, 1 - p)
    close(jax_sigmoid(SCORES, ANSWERS) / _entropy(SCORES, ANSWERS), (1 - p_t) ** 2, rtol=1e-4)


@promised("timm")
def two_exponents_alike_are_one_focal_loss() -> None:
    """Its own tests compare γ = 0 with cross entropy, a sum with a mean, and see finite gradients in half precision."""
    x, y = drawn(4, 5)
    close(like("timm", gamma=0.0, reduction="sum")(x, y), BCE(x, y, reduction="sum"))
    close(like("timm")(x, y), like("timm", reduction="none")(x, y).sum() / 4)
    for dtype in (torch.float16, torch.bfloat16):
        z = (x * 100).to(dtype).requires_grad_()
        like("timm")(z, y.to(dtype)).backward()
        assert z.grad is not None
        assert bool(torch.isfinite(z.grad).all())


@promised("optax")
def gradients_are_finite_at_extreme_logits() -> None:
    """Its issue 1267."""
    for gamma in (0.0, 0.5, 2.0):
        x = jnp.asarray([-1e4, -100.0, 0.0, 100.0, 1e4])
        for label in (0.0, 1.0):
            assert bool(jnp.isfinite(jax.grad(lambda x, y=label, g=gamma: jax_sigmoid(x, y, gamma=g).sum())(x)).all())


# ---- kornia: focal_loss, binary_focal_loss_with_logits -----------------------------------------------------------------------


@promised("kornia")
def losses_have_the_shape_of_what_they_are_of() -> None:
    """One a pixel; a number where they are reduced."""
    for shape in ((2, 3), (2, 3, 4), (2, 3, 4, 5), (2, 3, 4, 5, 2)):
        x = torch.randn(shape)
        t = torch.randint(3, (shape[0], *shape[2:]))
        assert like("kornia", "softmax", alpha=0.5)(x, t).shape == t.shape
        assert like("kornia", "softmax", alpha=0.5, reduction="mean")(x, t).shape == ()
        assert like("kornia")(x, torch.rand(shape)).shape == shape


@promised("kornia")
def rows_of_minus_100_have_no_loss() -> None:
    """And no gradient; the others are as they are without them."""
    x = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    t = torch.tensor([0, -100, 2, -100])
    loss = like("kornia", "softmax", alpha=0.25)
    losses = loss(x, t)
    close(losses.detach()[[0, 2]], loss(x.detach()[[0, 2]], t[[0, 2]]))
    losses.sum().backward()
    assert x.grad is not None
    assert not losses.detach()[[1, 3]].any()
    assert not x.grad[[1, 3]].any()


@promised("kornia")
def gradcheck_passes() -> None:
    """For both losses."""
    x = torch.randn(2, 3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: like("kornia", "softmax", alpha=0.5)(x, torch.tensor([[0, 1], [2, 0]])), (x,))
    y = torch.rand(2, 3, 2, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: like("kornia", reduction="mean")(x, y), (x,))


@promised("kornia")
def two_classes_of_softmax_are_one_sigmoid() -> None:
    """With α for class 1."""
    x, y = drawn(6, 1)
    both = torch.cat([torch.zeros_like(x), x], 1)
    close(like("kornia", "softmax", alpha=0.3)(both, y[:, 0].long()), like("kornia", alpha=0.3)(x, y)[:, 0])


@promised("kornia", "monai")
def wrong_shapes_and_options_are_refused() -> None:
    """By TypeError or ValueError."""
    x = torch.zeros(2, 3, 4)
    wrong: list[Callable[[], object]] = [
        lambda: like("kornia", "softmax", alpha=0.5)(x, torch.zeros(2, 3, dtype=torch.int64)),
        lambda: like("kornia", "softmax", alpha=0.5)(x, torch.zeros(3, 4, dtype=torch.int64)),
        lambda: like("kornia", "softmax", alpha=0.5, reduction="average"),
        lambda: like("kornia")(x, torch.zeros(2, 2, 4)),
        lambda: like("monai")(x, torch.zeros(2, 1, 4)),
        lambda: like("monai", reduction="unknown"),
        lambda: like("monai", alpha=[-1.0, 1.0, 1.0]),
    ]
    for of in wrong:
        refused(TypeError, ValueError, of=of)


# ---- MONAI: FocalLoss --------------------------------------------------------------------------------------------------------


@promised("monai")
def without_focusing_it_is_cross_entropy_of_images() -> None:
    """Multi-label and multi-class, of rows, images and volumes."""
    for shape in ((4, 5), (2, 3, 4, 4), (2, 3, 2, 2, 2)):
        x, y = drawn(*shape)
        close(like("monai", gamma=0.0)(x, y), BCE(x, y))
        t = torch.randint(shape[1], (shape[0], *shape[2:]))
        rows = torch.movedim(torch.nn.functional.one_hot(t, shape[1]), -1, 1).double()
        close(like("monai", "softmax", gamma=0.0)(x, rows) * shape[1], torch.nn.functional.cross_entropy(x, t))


@promised("monai")
def a_layer_learns_a_picture() -> None:
    """Gradient descent on a bright half: every pixel ends on its side."""
    picture = torch.zeros(1, 1, 6, 6)
    picture[..., 3:] = 1
    layer = torch.nn.Conv2d(1, 1, 1)
    optimiser = torch.optim.Adam(layer.parameters(), lr=0.3)
    loss = like("monai")
    for _ in range(60):
        optimiser.zero_grad()
        loss(layer(picture), picture).backward()
        optimiser.step()
    assert torch.equal(layer(picture) > 0, picture > 0)


# ---- segmentation-models-pytorch: FocalLoss ----------------------------------------------------------------------------------


@promised("segmentation-models")
def good_predictions_lose_less_than_bad_ones() -> None:
    """Binary, multi-label, and classes that have a sigmoid each."""
    y = torch.tensor([[1.0, 0, 0, 1], [0, 1, 0, 0]])
    good, bad = (2 * y - 1) * 3, (1 - 2 * y) * 3
    for gamma in (0.0, 1.0, 2.0):
        loss = like("segmentation-models", gamma=gamma)
        assert loss(good, y) < loss(torch.zeros_like(y), y) < loss(bad, y)
    loss = like("segmentation-models")
    t = torch.tensor([2, 0])
    good = torch.nn.functional.one_hot(t, 3) * 6.0 - 3
    assert loss(good, t) < loss(-good, t)


# ---- Keras: BinaryFocalCrossentropy, CategoricalFocalCrossentropy ------------------------------------------------------------


@promised("keras")
def right_answers_lose_nothing() -> None:
    """At logits of ±100."""
    y = jnp.eye(3)
    assert float(like_jax("keras")(y * 200 - 100, y)) < 1e-7
    assert float(like_jax("keras", "softmax")(y * 200 - 100, y)) < 1e-7


@promised("keras")
def values_of_known_examples() -> None:
    """By the formulas, in probabilities: γ = 2, and α = 0.25 of all classes."""
    p = np.asarray([[0.9, 0.8], [0.7, 0.2]])
    y = np.asarray([[1.0, 1.0], [0.0, 1.0]])
    x = np.log(p / (1 - p))
    p_t = np.where(y == 1, p, 1 - p)
    close(like_jax("keras")(x, y), np.mean((1 - p_t) ** 2 * -np.log(p_t)), rtol=1e-5)
    close(like_jax("keras", alpha=0.25)(x, y), np.mean(np.where(y == 1, 0.25, 0.75) * (1 - p_t) ** 2 * -np.log(p_t)), rtol=1e-5)
    rows = np.asarray([[0.9, 0.05, 0.05], [0.5, 0.89, 0.6], [0.05, 0.01, 0.94]])
    rows /= rows.sum(1, keepdims=True)
    own = np.diag(rows)
    losses = 0.25 * (1 - own) ** 2 * -np.log(own)
    close(like_jax("keras", "softmax", reduction="none")(np.log(rows), np.eye(3)), losses, rtol=1e-5)
    close(like_jax("keras", "softmax", reduction="sum")(np.log(rows), np.eye(3)), losses.sum(), rtol=1e-5)


@promised("keras")
def weights_and_smoothing() -> None:
    """A weight for each sample multiplies its losses; smoothing moves labels halfway to 1/2."""
    x, y = jnp.asarray([[1.5, -0.5], [0.25, 2.0]]), jnp.asarray([[1.0, 0.0], [1.0, 0.0]])
    plain = jax_sigmoid(x, y)
    close(jax_sigmoid(x, y, weight=jnp.asarray([[1.2], [3.4]])), plain * jnp.asarray([[1.2], [3.4]]))
    close(jax_sigmoid(x, y, weight=2.3, reduction="mean"), 2.3 * plain.mean())
    close(jax_sigmoid(x, y, label_smoothing=0.1), jax_sigmoid(x, y * 0.9 + 0.05))

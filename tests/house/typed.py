"""What type checkers see of results: mypy and pyright read this file in CI, and agree; it runs as well, and is right."""

from __future__ import annotations

from typing import assert_type

import focal_ref_jax
import focal_ref_torch
import jax
import jax.numpy as jnp
import numpy as np
import torch
from numpy.typing import NDArray

import focal_ref as fr
from focal_ref.family import Poly1


def of_numpy(x: NDArray[np.float32], t: NDArray[np.int64]) -> None:
    """The caller's own array type, whatever the method."""
    loss = fr.SigmoidFocalLoss(gamma=1.5)
    assert_type(loss(x, t), NDArray[np.float32])
    assert_type(loss.value_and_grad(x, t), tuple[NDArray[np.float32], NDArray[np.float32]])
    assert_type(loss.hvp(x, t, x), NDArray[np.float32])
    assert_type(fr.SigmoidLoss(Poly1(gamma=2.0, epsilon=1.0)).value_grad_hess(x, t)[2], NDArray[np.float32])
    assert_type(fr.softmax_focal_loss(x, t[:, 0], gamma=1.0), NDArray[np.float32])


def of_torch(x: torch.Tensor, t: torch.Tensor) -> None:
    """A tensor, of functions, modules and focal_ref itself."""
    assert_type(focal_ref_torch.sigmoid_focal_loss(x, t), torch.Tensor)
    assert_type(focal_ref_torch.SigmoidFocalLoss()(x, t), torch.Tensor)
    assert_type(focal_ref_torch.softmax_focal_loss(x, t.argmax(1), reduction="mean"), torch.Tensor)
    assert_type(focal_ref_torch.FocalLoss()(x, t.argmax(1)), torch.Tensor)
    assert_type(focal_ref_torch.like("torchvision")(x, t), torch.Tensor)
    assert_type(fr.SigmoidFocalLoss().grad(x, t), torch.Tensor)


def of_jax(x: jax.Array, t: jax.Array) -> None:
    """An array of JAX."""
    assert_type(focal_ref_jax.sigmoid_focal_loss(x, t), jax.Array)
    assert_type(focal_ref_jax.softmax_focal_loss(x, t.argmax(1)), jax.Array)
    assert_type(focal_ref_jax.like("optax")(x, t), jax.Array)
    assert_type(fr.SoftmaxFocalLoss(gamma=jnp.ones(2))(x, t.argmax(1)), jax.Array)


def everything() -> None:
    """Run what the checkers have read."""
    x, t = np.zeros((2, 3), dtype=np.float32), np.ones((2, 3), dtype=np.int64)
    of_numpy(x, t)
    of_torch(torch.from_numpy(x), torch.from_numpy(t).to(torch.float32))
    of_jax(jnp.asarray(x), jnp.asarray(t, dtype=jnp.int32))

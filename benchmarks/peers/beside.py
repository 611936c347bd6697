"""focal_ref's `like` beside the peers themselves: the same calls of both, where the peer is installed.

Each entry gives ours and theirs. Logits are moderate, so that a peer's own clipping and rounding don't count.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import jax.numpy as jnp
import numpy as np
import torch
from focal_ref_jax import like as like_jax
from focal_ref_torch import like, sigmoid_focal_loss

from .losses import torchvision_ops

__all__ = ["BESIDE", "PACKAGES"]

RNG = np.random.default_rng(3)
X = torch.from_numpy(RNG.normal(0, 2, (6, 4)))
IMAGE = torch.from_numpy(RNG.normal(0, 2, (2, 4, 3, 3)))
HARD = (torch.from_numpy(RNG.random((6, 4))) < 0.5).double()
SOFT = torch.from_numpy(RNG.random((6, 4)))
CLASSES = torch.tensor([0, 3, 1, 2, 0, 1])
PIXELS = torch.from_numpy(RNG.integers(0, 4, (2, 3, 3)))
REDUCTIONS = ("none", "mean", "sum")

Pairs = Iterator[tuple[Any, Any]]


def _one_hot(t: torch.Tensor) -> torch.Tensor:
    return torch.movedim(torch.nn.functional.one_hot(t, 4), -1, 1).double()


def _torchvision() -> Pairs:
    theirs = torchvision_ops().sigmoid_focal_loss
    for reduction in REDUCTIONS:
        for y in (HARD, SOFT):
            yield like("torchvision", reduction=reduction)(X, y), theirs(X, y, reduction=reduction)
            yield sigmoid_focal_loss(X, y, -1, 1.5, reduction), theirs(X, y, -1, 1.5, reduction)  # type: ignore[arg-type]


def _fvcore() -> Pairs:
    theirs = import_module("fvcore.nn").sigmoid_focal_loss
    for reduction in REDUCTIONS:
        for y in (HARD, SOFT):
            yield like("fvcore", reduction=reduction)(X, y), theirs(X, y, reduction=reduction)
            yield like("fvcore", alpha=0.3, gamma=1.0, reduction=reduction)(X, y), theirs(X, y, 0.3, 1.0, reduction)
    y = HARD[:5]
    # What Detectron2's RetinaNet makes of it, from its first call on.
    loss, running = like("detectron2"), 100.0
    for _ in range(3):
        running = 0.9 * running + 0.1 * max(float(y.sum()), 1)
        yield loss(X[:5], y), theirs(X[:5], y, alpha=0.25, gamma=2.0, reduction="sum") / running


def _kornia() -> Pairs:
    losses = import_module("kornia.losses")
    for reduction in REDUCTIONS:
        for y in (HARD, SOFT):
            theirs = losses.binary_focal_loss_with_logits(X, y, alpha=0.3, gamma=1.5, reduction=reduction)
            yield like("kornia", alpha=0.3, gamma=1.5, reduction=reduction)(X, y), theirs
        for x, t in ((X, CLASSES), (IMAGE, PIXELS), (X, torch.where(CLASSES == 3, -100, CLASSES))):
            theirs = losses.focal_loss(x, t, alpha=0.3, gamma=1.5, reduction=reduction)
            theirs = theirs.sum(1) if reduction == "none" else theirs
            yield like("kornia", "softmax", alpha=0.3, gamma=1.5, reduction=reduction)(x, t), theirs
    weight = torch.tensor([2.0, 1.0, 0.5, 3.0], dtype=torch.float64)
    ours = sigmoid_focal_loss(X, SOFT, 0.3, 1.5, soft_targets="expected", pos_weight=weight)
    yield ours, losses.binary_focal_loss_with_logits(X, SOFT, alpha=0.3, gamma=1.5, pos_weight=weight)


def _monai() -> Pairs:
    focal = import_module("monai.losses").FocalLoss
    for reduction in REDUCTIONS:
        for alpha in (None, 0.3, [1.0, 2.0, 0.5, 0.25]):
            for x, y in ((X, HARD), (X, SOFT), (IMAGE, _one_hot(PIXELS))):
                theirs = focal(alpha=alpha, reduction=reduction)(x, y)
                yield like("monai", alpha=alpha, reduction=reduction)(x, y), theirs
            for x, t in ((X, CLASSES), (IMAGE, PIXELS)):
                theirs = focal(alpha=alpha, reduction=reduction, use_softmax=True)(x, _one_hot(t))
                theirs = theirs.sum(1) if reduction == "none" else theirs
                yield like("monai", "softmax", alpha=alpha, reduction=reduction)(x, _one_hot(t)), theirs


def _segmentation_models() -> Pairs:
    focal = import_module("segmentation_models_pytorch.losses").FocalLoss
    for reduction in ("mean", "sum"):
        for alpha in (None, 0.3):
            for y in (HARD, SOFT):
                ours = like("segmentation-models", alpha=alpha, reduction=reduction)(X, y)
                yield ours, focal("binary", alpha=alpha, reduction=reduction)(X, y)
                if reduction == "mean":
                    yield ours, focal("multilabel", alpha=alpha)(X, y)
            ours = like("segmentation-models", alpha=alpha, reduction=reduction)(IMAGE, PIXELS)
            yield ours, focal("multiclass", alpha=alpha, reduction=reduction)(IMAGE, PIXELS)


def _timm() -> Pairs:
    asymmetric = import_module("timm.loss").AsymmetricLossMultiLabel
    for gamma in (0.5, 1, 2):
        for y in (HARD, SOFT):
            yield like("timm", gamma=gamma)(X, y), asymmetric(gamma, gamma, clip=0)(X, y)
            theirs = asymmetric(gamma, gamma, clip=0, reduction="sum", pos_weight=3.0)(X, y)
            yield sigmoid_focal_loss(X, y, None, gamma, "sum", pos_weight=3), theirs


def _optax() -> Pairs:
    theirs = import_module("optax").losses.sigmoid_focal_loss
    x = jnp.asarray(X.numpy())
    for y in (jnp.asarray(HARD.numpy()), jnp.asarray(SOFT.numpy())):
        for alpha in (None, 0.3):
            yield like_jax("optax", alpha=alpha)(x, y), theirs(x, y, alpha=alpha)
            yield like_jax("optax", alpha=alpha, gamma=1.5)(x, y), theirs(x, y, alpha=alpha, gamma=1.5)


def _keras() -> Pairs:
    os.environ.setdefault("KERAS_BACKEND", "jax")
    losses = import_module("keras").losses
    x, rows = jnp.asarray(X.numpy()), jnp.asarray(SOFT.numpy() / SOFT.sum(1, keepdims=True).numpy())
    for reduction, theirs in (("mean", "sum_over_batch_size"), ("sum", "sum")):
        for y in (jnp.asarray(HARD.numpy()), jnp.asarray(SOFT.numpy())):
            for alpha in (None, 0.3):
                balance = {} if alpha is None else {"apply_class_balancing": True, "alpha": alpha}
                found = losses.BinaryFocalCrossentropy(from_logits=True, reduction=theirs, **balance)(y, x)
                # A binary loss of Keras is a mean along the last axis before it is reduced.
                ours = like_jax("keras", alpha=alpha, reduction=reduction)(x, y)
                yield ours / (x.shape[1] if reduction == "sum" else 1), found
        for y in (jnp.eye(4)[CLASSES.numpy()], rows):
            found = losses.CategoricalFocalCrossentropy(from_logits=True, reduction=theirs)(y, x)
            yield like_jax("keras", "softmax", reduction=reduction)(x, y), found


BESIDE: dict[str, Callable[[], Pairs]] = {
    "torchvision": _torchvision,
    "fvcore": _fvcore,
    "kornia": _kornia,
    "monai": _monai,
    "segmentation-models": _segmentation_models,
    "timm": _timm,
    "optax": _optax,
    "keras": _keras,
}
PACKAGES = {name: name for name in BESIDE} | {"segmentation-models": "segmentation-models-pytorch"}
"""Their distributions."""

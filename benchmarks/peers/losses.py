"""Other packages' focal losses, unmodified, each behind one signature. Packages are imported when a loss is asked for."""

from __future__ import annotations

import os
import types
from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

__all__ = ["PEERS", "Peer", "torchvision_ops"]


class Peer(NamedTuple):
    """A loss of a package."""

    package: str
    """Its distribution's name; "" for code that is not packaged."""
    name: str
    link: str
    backend: str
    """The array library whose arrays it takes, as `focal_ref.backends` names it."""
    make: Callable[[float], Callable[[Any, Any], Any]]
    """`make(gamma)(logits, targets)` gives each logit's (or row's) loss; of an objective, gradient and Hessian."""
    objective: bool = False


def torchvision_ops() -> Any:
    """torchvision's losses need none of its compiled operators, which fail to load beside a torch of another build."""
    import torch

    try:
        return import_module("torchvision.ops")
    except RuntimeError:
        operators = torch.library.Library("torchvision", "FRAGMENT")
        for name in ("nms", "qnms"):
            operators.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        return import_module("torchvision.ops")


def _sigmoid(module: str, call: Callable[[Any, float, Any, Any], Any], *, alone: bool = False) -> Any:
    """A torch loss of logits and labels in the logits' type; where one gives only a sum, each logit is asked for alone."""

    def make(gamma: float) -> Any:
        torchvision_ops()
        library = import_module(module)

        def loss(x: Any, t: Any) -> Any:
            y = t.to(x.dtype)
            if not alone:
                return call(library, gamma, x, y)
            torch = import_module("torch")
            return torch.stack([call(library, gamma, x[i : i + 1, None], y[i : i + 1, None]) for i in range(len(x))])

        return loss

    return make


def _softmax(module: str, call: Callable[[Any, float, Any, Any], Any]) -> Any:
    """A torch loss of rows and classes."""

    def make(gamma: float) -> Any:
        torchvision_ops()
        library = import_module(module)
        return lambda x, t: call(library, gamma, x, t.long())

    return make


def _one_hot(x: Any, t: Any) -> Any:
    return import_module("torch").nn.functional.one_hot(t, x.shape[1]).to(x.dtype)


def _tutorial(gamma: float) -> Any:
    """The class that tutorials copy from one another: cross entropy, pt = exp(−ce)."""
    torch = import_module("torch")

    def loss(x: Any, t: Any) -> Any:
        ce = torch.nn.functional.cross_entropy(x, t.long(), reduction="none")
        pt = torch.exp(-ce)
        return (1 - pt) ** gamma * ce

    return loss


def _optax(gamma: float) -> Any:
    optax = import_module("optax")
    return lambda x, t: optax.losses.sigmoid_focal_loss(x, t.astype(x.dtype), gamma=gamma)


def _keras(name: str, shaped: Callable[[Any, Any], tuple[Any, Any]], **options: Any) -> Any:
    """A loss of Keras's, on JAX, in the logits' type."""

    def make(gamma: float) -> Any:
        os.environ.setdefault("KERAS_BACKEND", "jax")
        kind = getattr(import_module("keras").losses, name)

        def loss(x: Any, t: Any) -> Any:
            found = kind(gamma=gamma, from_logits=True, reduction=None, dtype=str(x.dtype), **options)
            logits, labels = shaped(x, t)
            return found(labels, logits)

        return loss

    return make


def _keras_one_hot(x: Any, t: Any) -> tuple[Any, Any]:
    return x, import_module("jax").nn.one_hot(t, x.shape[1], dtype=x.dtype)


def _labels(t: Any) -> Any:
    """A data set of XGBoost's or LightGBM's, as far as objectives look at it."""
    return types.SimpleNamespace(get_label=lambda: np.asarray(t, dtype=np.float64))


def _bokbokbok(gamma: float) -> Any:
    objective = import_module("bokbokbok.loss_functions.classification").WeightedFocalLoss(alpha=1, gamma=gamma)
    return lambda x, t: objective(x, _labels(t))


def _imbalance_xgboost(gamma: float) -> Any:
    loss = import_module("imxgboost.focal_loss").Focal_Binary_Loss(gamma)
    return lambda x, t: loss.focal_binary_object(x, _labels(t))


def _imlightgbm(gamma: float) -> Any:
    objective = import_module("imlightgbm.objective").binary_focal_objective
    return lambda x, t: objective(np.asarray(t, dtype=np.float64), x, gamma)


PEERS = (
    Peer(
        "torchvision",
        "sigmoid_focal_loss",
        "sigmoid",
        "torch",
        _sigmoid("torchvision.ops", lambda m, g, x, y: m.sigmoid_focal_loss(x, y, alpha=-1, gamma=g)),
    ),
    Peer(
        "fvcore",
        "sigmoid_focal_loss",
        "sigmoid",
        "torch",
        _sigmoid("fvcore.nn", lambda m, g, x, y: m.sigmoid_focal_loss(x, y, alpha=-1, gamma=g)),
    ),
    Peer(
        "kornia",
        "binary_focal_loss_with_logits",
        "sigmoid",
        "torch",
        _sigmoid(
            "kornia.losses",
            # Its α can't be left out; a half, twice, is exact.
            lambda m, g, x, y: 2 * m.binary_focal_loss_with_logits(x[:, None], y[:, None], alpha=0.5, gamma=g)[:, 0],
        ),
    ),
    Peer(
        "monai",
        "FocalLoss",
        "sigmoid",
        "torch",
        _sigmoid("monai.losses", lambda m, g, x, y: m.FocalLoss(gamma=g, reduction="none")(x[:, None], y[:, None])[:, 0]),
    ),
    Peer(
        "segmentation-models-pytorch",
        "focal_loss_with_logits",
        "sigmoid",
        "torch",
        _sigmoid(
            "segmentation_models_pytorch.losses._functional",
            lambda m, g, x, y: m.focal_loss_with_logits(x, y, gamma=g, alpha=None, reduction="none"),
        ),
    ),
    Peer(
        "transformers",
        "sigmoid_focal_loss (DETR)",
        "sigmoid",
        "torch",
        _sigmoid(
            "transformers.loss.loss_for_object_detection",
            lambda m, g, x, y: m.sigmoid_focal_loss(x, y, num_boxes=1, alpha=-1, gamma=g),
            alone=True,
        ),
    ),
    Peer(
        "timm",
        "AsymmetricLossMultiLabel, both γ alike",
        "sigmoid",
        "torch",
        _sigmoid(
            "timm.loss",
            lambda m, g, x, y: m.AsymmetricLossMultiLabel(
                gamma_neg=g, gamma_pos=g, clip=0, disable_torch_grad_focal_loss=False
            )(x, y),
            alone=True,
        ),
    ),
    Peer(
        "imbalanced-losses",
        "SigmoidFocalLoss",
        "sigmoid",
        "torch",
        _sigmoid("imbalanced_losses", lambda m, g, x, y: 2 * m.SigmoidFocalLoss(alpha=0.5, gamma=g, reduction="none")(x, y)),
    ),
    Peer(
        "pytorch-toolbelt",
        "focal_loss_with_logits",
        "sigmoid",
        "torch",
        _sigmoid(
            "pytorch_toolbelt.losses.functional",
            lambda m, g, x, y: m.focal_loss_with_logits(x, y, gamma=g, alpha=None, reduction="none"),
        ),
    ),
    Peer("optax", "sigmoid_focal_loss", "sigmoid", "jax", _optax),
    Peer(
        "keras",
        "BinaryFocalCrossentropy (JAX)",
        "sigmoid",
        "jax",
        _keras("BinaryFocalCrossentropy", lambda x, t: (x[:, None], t.astype(x.dtype)[:, None])),
    ),
    Peer("bokbokbok", "WeightedFocalLoss", "sigmoid", "numpy", _bokbokbok, objective=True),
    Peer("imbalance-xgboost", "Focal_Binary_Loss", "sigmoid", "numpy", _imbalance_xgboost, objective=True),
    Peer("imlightgbm", "binary_focal_objective", "sigmoid", "numpy", _imlightgbm, objective=True),
    Peer("", "the tutorial class", "softmax", "torch", _tutorial),
    Peer(
        "kornia",
        "focal_loss",
        "softmax",
        "torch",
        _softmax("kornia.losses", lambda m, g, x, t: m.focal_loss(x, t, alpha=None, gamma=g, reduction="none").sum(1)),
    ),
    Peer(
        "monai",
        "FocalLoss(use_softmax=True)",
        "softmax",
        "torch",
        _softmax(
            "monai.losses",
            lambda m, g, x, t: m.FocalLoss(gamma=g, use_softmax=True, reduction="none")(x, _one_hot(x, t)).sum(1),
        ),
    ),
    Peer(
        "imbalanced-losses",
        "SoftmaxFocalLoss",
        "softmax",
        "torch",
        _softmax("imbalanced_losses", lambda m, g, x, t: m.SoftmaxFocalLoss(gamma=g, reduction="none")(x, t)),
    ),
    Peer(
        "keras",
        "CategoricalFocalCrossentropy (JAX)",
        "softmax",
        "jax",
        _keras("CategoricalFocalCrossentropy", _keras_one_hot, alpha=1.0),
    ),
)

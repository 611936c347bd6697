"""Other packages' focal losses, unmodified, each behind one signature. Packages are imported when a loss is asked for."""

from __future__ import annotations

import os
import types
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np

from .copied import ROWS, SIGMOID, kernels
from .recipes import RECIPES

__all__ = ["GAMMAS", "PEERS", "Peer", "torchvision_ops"]

GAMMAS = (0.0, 0.5, 2.0)
TENSORFLOW = (("KERAS_BACKEND", "tensorflow"), ("TF_CPP_MIN_LOG_LEVEL", "3"))


class Peer(NamedTuple):
    """A loss of a package."""

    package: str
    """Its distribution's name; "" for code that is not packaged."""
    name: str
    link: str
    backend: str
    """The array library whose arrays it takes, as `focal_ref.backends` names it."""
    make: Callable[[float], Callable[[Any, Any], Any]]
    """`make(gamma)(logits, targets)` gives each logit's (or row's) loss; of the others below, what they give."""
    gives: str = "loss"
    """"loss"; "objective": gradient and Hessian; "pair": losses and gradient, or None and a gradient."""
    gammas: tuple[float, ...] = GAMMAS
    environment: tuple[tuple[str, str], ...] = ()
    """What a process of its own is started with."""

    @property
    def label(self) -> str:
        """Package and name."""
        return f"{self.package}: {self.name}" if self.package else self.name

    @property
    def quantities(self) -> tuple[str, ...]:
        """What of it can be measured."""
        if self.gives == "loss":
            return ("value", "grad", "hess")[: 3 if self.link == "sigmoid" else 2]
        return ("grad", "hess") if self.gives == "objective" else ("grad",) if len(self.gammas) == 1 else ("value", "grad")


def torchvision_ops() -> Any:
    """torchvision's losses need none of its compiled operators, which fail to load beside a torch of another build.

    Others import it, too; where it is not installed, they say so themselves.
    """
    if find_spec("torchvision") is None:
        return None
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


def _on_tensorflow(name: str, shaped: Callable[[Any, Any], tuple[Any, Any]], **options: Any) -> Any:
    """A loss of Keras's on TensorFlow, which differentiates it: losses and gradient in NumPy."""

    def make(gamma: float) -> Any:
        tf, kind = import_module("tensorflow"), getattr(import_module("keras").losses, name)

        def both(x: Any, t: Any) -> Any:
            found = kind(gamma=gamma, from_logits=True, reduction=None, dtype=str(x.dtype), **options)
            logits, labels = shaped(x, t)
            given = tf.constant(logits)
            with tf.GradientTape() as tape:
                tape.watch(given)
                value = found(tf.constant(labels), given)
            return value.numpy().reshape(len(x)), np.reshape(tape.gradient(value, given).numpy(), x.shape)

        return both

    return make


def _one_hot_numpy(x: Any, t: Any) -> tuple[Any, Any]:
    return x, (np.arange(x.shape[1]) == np.asarray(t)[:, None]).astype(x.dtype)


def _torch_focalloss(name: str) -> Any:
    """Its class, which takes labels as the logits' type (binary) or classes."""

    def make(gamma: float) -> Any:
        found = getattr(import_module("torch_focalloss"), name)(gamma=gamma, reduction="none")
        return lambda x, t: found(x, t.to(x.dtype) if name.startswith("Binary") else t.long())

    return make


def _focal_loss_torch(gamma: float) -> Any:
    """Its class takes probabilities."""
    found = import_module("focal_loss.focal_loss").FocalLoss(gamma=gamma, reduction="none")
    return lambda x, t: found(import_module("torch").softmax(x, 1), t.long())


OWN = (
    Peer(
        "focal_ref",
        "focal_ref_torch.sigmoid_focal_loss",
        "sigmoid",
        "torch",
        _sigmoid("focal_ref_torch", lambda m, g, x, y: m.sigmoid_focal_loss(x, y, alpha=-1, gamma=g)),
    ),
    Peer(
        "focal_ref",
        "focal_ref_jax.sigmoid_focal_loss",
        "sigmoid",
        "jax",
        lambda g: lambda x, t: import_module("focal_ref_jax").sigmoid_focal_loss(x, t, gamma=g),
    ),
    Peer(
        "focal_ref",
        "focal_ref_torch.softmax_focal_loss",
        "softmax",
        "torch",
        _softmax("focal_ref_torch", lambda m, g, x, t: m.softmax_focal_loss(x, t, gamma=g)),
    ),
    Peer(
        "focal_ref",
        "focal_ref_jax.softmax_focal_loss",
        "softmax",
        "jax",
        lambda g: lambda x, t: import_module("focal_ref_jax").softmax_focal_loss(x, t, gamma=g),
    ),
)
"""The adapters that people train with, by the very doors that they take."""

COPIED = (
    *(Peer("", name, "sigmoid", "torch", make) for name, make in SIGMOID.items()),
    *(Peer("", name, "softmax", "torch", make) for name, make in ROWS.items()),
    *(
        Peer("", name, link, "numpy", make, "pair", (2.0,) if name.startswith("Darknet") else GAMMAS)
        for link in ("sigmoid", "softmax")
        for name, make in kernels(link).items()
    ),
    *(Peer("", name, "sigmoid", "numpy", make, "objective") for name, make in RECIPES.items()),
)
"""Written anew, by their formulas."""

PACKAGED = (
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
    Peer("bokbokbok", "WeightedFocalLoss", "sigmoid", "numpy", _bokbokbok, gives="objective"),
    Peer("imbalance-xgboost", "Focal_Binary_Loss", "sigmoid", "numpy", _imbalance_xgboost, gives="objective"),
    Peer("imlightgbm", "binary_focal_objective", "sigmoid", "numpy", _imlightgbm, gives="objective"),
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
    Peer("pytorch-focalloss", "BinaryFocalLoss", "sigmoid", "torch", _torch_focalloss("BinaryFocalLoss")),
    Peer("pytorch-focalloss", "MultiClassFocalLoss", "softmax", "torch", _torch_focalloss("MultiClassFocalLoss")),
    Peer("focal-loss-torch", "FocalLoss", "softmax", "torch", _focal_loss_torch),
    Peer(
        "keras",
        "BinaryFocalCrossentropy (TensorFlow)",
        "sigmoid",
        "numpy",
        _on_tensorflow("BinaryFocalCrossentropy", lambda x, t: (x[:, None], np.asarray(t)[:, None].astype(x.dtype))),
        "pair",
        environment=TENSORFLOW,
    ),
    Peer(
        "keras",
        "CategoricalFocalCrossentropy (TensorFlow)",
        "softmax",
        "numpy",
        _on_tensorflow("CategoricalFocalCrossentropy", _one_hot_numpy, alpha=1.0),
        "pair",
        environment=TENSORFLOW,
    ),
)
"""Unmodified, as their packages have them."""

PEERS = (*OWN, *PACKAGED, *COPIED)

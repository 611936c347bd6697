"""Profiles of other libraries' focal losses: alpha, soft targets, reductions and defaults, each by its rule's name.

A profile is a row of `PROFILES`; a rule is a small function in `focal_ref.rules` or `focal_ref.formulas`. All is in float64, by
focal_ref's own losses, so that a profile differs from its library by the library's own errors only.

>>> from focal_ref import profiles
>>> profiles.get("torchvision")([0.0, 2.0], [1.0, 0.0]).round(6)
array([0.043322, 1.237559])
>>> profiles.get("kornia", "softmax").factor([0, 1, 2], 3, 0.25)
array([0.75, 0.25, 0.25])
"""

from __future__ import annotations

from typing import Any

from ..losses import arguments
from .profile import Profile
from .rules import REDUCTIONS

__all__ = ["NAMES", "PROFILES", "REDUCTIONS", "Profile", "get"]


def _row(name: str, link: str, call: str, version: str, **rules: Any) -> Profile:
    common = {"gamma": 2.0, "alpha": None, "reduction": "none", "scalar": "balance" if link == "sigmoid" else "factor"}
    return Profile(name, link, call, version, **(common | rules))


PROFILES: tuple[Profile, ...] = (
    _row("torchvision", "sigmoid", "torchvision.ops.sigmoid_focal_loss", "0.29.2", alpha=0.25, soft="mix", minus_is_off=True),
    _row("fvcore", "sigmoid", "fvcore.nn.sigmoid_focal_loss", "0.1.5", soft="mix", minus_is_off=True),
    _row("kornia", "sigmoid", "kornia.losses.binary_focal_loss_with_logits", "0.9.0", alpha=0.25, soft="expected"),
    _row(
        "kornia",
        "softmax",
        "kornia.losses.focal_loss",
        "0.9.0",
        scalar="background",
        soft=None,
        mean="entries",
        axis=1,
        ignore=-100,
        note="alpha has to be given; ignored rows count for the mean",
    ),
    _row(
        "monai",
        "sigmoid",
        "monai.losses.FocalLoss()",
        "1.6.1",
        reduction="mean",
        soft="margin",
        sequence="positives",
        sum="places",
        axis=1,
        note="computes in float32; one alpha a class counts only where the label is exactly 1",
    ),
    _row(
        "monai",
        "softmax",
        "monai.losses.FocalLoss(use_softmax=True)",
        "1.6.1",
        reduction="mean",
        scalar="background",
        soft="expected",
        sequence="classes",
        mean="entries",
        sum="places",
        axis=1,
        note="computes in float32; targets are one-hot",
    ),
    _row(
        "segmentation-models",
        "sigmoid",
        "segmentation_models_pytorch.losses.FocalLoss",
        "0.6.0",
        reduction="mean",
        soft="exp_ce",
        sum="classes",
        axis=1,
        one_hot=True,
        note="multi-class is a sigmoid a class; a sum over classes is divided by their number",
    ),
    _row(
        "keras",
        "sigmoid",
        "keras.losses.BinaryFocalCrossentropy(from_logits=True)",
        "3.15.1",
        reduction="mean",
        soft="mix",
        clips=1e-7,
        note="alpha counts only with apply_class_balancing=True (then 0.25); the library clips p to [1e-7, 1 - 1e-7]",
    ),
    _row(
        "keras",
        "softmax",
        "keras.losses.CategoricalFocalCrossentropy(from_logits=True)",
        "3.15.1",
        alpha=0.25,
        reduction="mean",
        soft="expected",
        sequence="classes",
        clips=1e-7,
        note="targets are one-hot; the library clips p to [1e-7, 1 - 1e-7]",
    ),
    _row("optax", "sigmoid", "optax.losses.sigmoid_focal_loss", "0.2.8", soft="mix", note="no reductions of its own"),
    _row(
        "mmdetection",
        "sigmoid",
        "mmdet.models.losses.FocalLoss",
        "2.x",
        alpha=0.25,
        reduction="mean",
        soft=None,
        one_hot=True,
        note="targets are classes, and their number is the background; usually avg_factor, the positives, divides the sum",
    ),
    _row(
        "detectron2",
        "sigmoid",
        "detectron2.modeling.meta_arch.RetinaNet.losses",
        "0.6",
        alpha=0.25,
        reduction="mean",
        soft="mix",
        minus_is_off=True,
        mean="positives",
        one_hot=True,
        running=(100.0, 0.9),
        note="a running mean of the positives divides, from 100 with momentum 0.9: `focal_ref_torch.like` keeps it",
    ),
    _row(
        "timm",
        "sigmoid",
        "timm.loss.AsymmetricLossMultiLabel(gamma_neg=γ, gamma_pos=γ, clip=0)",
        "1.0.31",
        reduction="mean",
        soft="mix",
        mean="rows",
        note="no alpha; mean is its default, batchmean; the library clips p to 1e-8",
    ),
    _row(
        "paddle",
        "sigmoid",
        "paddle.nn.functional.sigmoid_focal_loss",
        "2.x",
        alpha=0.25,
        reduction="sum",
        soft="mix",
        note="a normalizer, usually the number of positives, divides each loss",
    ),
    _row(
        "tutorial",
        "softmax",
        "class FocalLoss: ce = cross_entropy(...); pt = exp(-ce); alpha * (1 - pt) ** gamma * ce",
        "-",
        alpha=1.0,
        reduction="mean",
        soft="exp_ce",
        axis=1,
        ignore=-100,
        note="ignored rows count for the mean",
    ),
)
"""A row a library and link."""

NAMES: tuple[str, ...] = tuple(dict.fromkeys(profile.name for profile in PROFILES))


def get(name: str, link: str | None = None) -> Profile:
    """The profile of that name.

    Parameters
    ----------
    name : str
        One of `NAMES`.
    link : {"sigmoid", "softmax"}, optional
        None: the library's first.

    Returns
    -------
    Profile
        To be called with logits and targets.

    Raises
    ------
    ValueError
        Where there is none; the message says what there is.

    Examples
    --------
    >>> get("kornia").call, get("kornia", "softmax").call
    ('kornia.losses.binary_focal_loss_with_logits', 'kornia.losses.focal_loss')
    """
    arguments.choice("name", name, NAMES)
    links = {profile.link: profile for profile in PROFILES if profile.name == name}
    if link is None:
        return next(iter(links.values()))
    arguments.choice("link", link, tuple(links))
    return links[link]

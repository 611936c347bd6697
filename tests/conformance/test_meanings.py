"""What a loss is said to be is measured: a right one passes with one word of its user's, and one that is not that fails."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

import focal_ref as fr
from focal_ref.conformance import check
from focal_ref.conventions import profiles
from tests.conformance.planted import nll, sigma, value

FEW: dict[str, Any] = {"gammas": (0.5, 2.0), "dtypes": ("float32",)}
ROWS: dict[str, Any] = {**FEW, "link": "softmax", "classes": (3,)}


def clipping(x: Any, y: Any, gamma: float) -> Any:
    eps = x.dtype.type(1e-7)
    p = np.clip(sigma(x), eps, 1 - eps)
    p_t = np.where(y == 1, p, 1 - p)
    return np.where(np.isnan(x), x, (1 - p_t) ** gamma * -np.log(p_t))


def inside(x: Any, y: Any, gamma: float, alpha: float = 0.25) -> Any:
    z = np.where(y == 1, x, -x).astype(np.float64)
    ce = np.where(y == 1, alpha, 1 - alpha) * nll(z)
    return (-np.expm1(-ce)) ** gamma * ce


def weighed(x: Any, y: Any, gamma: float, weight: Any = None) -> Any:
    loss = value(x, y, gamma)
    return loss if weight is None else np.where(weight == 0, x.dtype.type(0), weight * loss)


def leaves_out(x: Any, y: Any, gamma: float, ignore_index: int = -100) -> Any:
    out = y == ignore_index
    return np.where(out, x.dtype.type(0), value(np.where(out, x.dtype.type(0), x), y, gamma))


def smooths(x: Any, y: Any, gamma: float, label_smoothing: float = 0.0) -> Any:
    return fr.sigmoid_focal_loss(x, y, gamma=gamma, label_smoothing=label_smoothing)


def expects(x: Any, y: Any, gamma: float) -> Any:
    return fr.sigmoid_focal_loss(x, y, gamma=gamma, soft_targets="expected")


def mean_by_positives(x: Any, y: Any, gamma: float) -> Any:
    return value(x, y, gamma).sum() / max(float((y == 1).sum()), 1.0)


def kornias_mean(x: Any, y: Any, gamma: float) -> Any:
    loss = fr.softmax_focal_loss(x, y, gamma=gamma)
    return np.where(y == 0, 0.75, 0.25) @ loss / (len(x) * x.shape[1])


def class_weighed(x: torch.Tensor, y: torch.Tensor, gamma: float, weight: Any = None) -> torch.Tensor:
    log_p = torch.log_softmax(x.double(), -1).gather(-1, y[..., None])[..., 0]
    loss = (-torch.expm1(log_p)) ** gamma * -log_p
    return (loss if weight is None else weight[y] * loss).to(x.dtype)


def monais_order(x: Any, y: Any, gamma: float) -> Any:
    return profiles.get("segmentation-models")(x, y, gamma=gamma, reduction="none").astype(x.dtype)


KORNIA = dataclasses.replace(profiles.get("kornia", "softmax"), alpha=0.25)
RIGHT: dict[str, tuple[Any, dict[str, Any]]] = {
    "clips": (clipping, {**FEW, "clips": 1e-7}),
    "alpha_inside": (inside, {**FEW, "alpha_inside": 0.25}),
    "weight each": (weighed, {**FEW, "weight": "each"}),
    "weight a class": (class_weighed, {**ROWS, "weight": (0.5, 1.0, 2.0), "order": 1, "largest": 15.0, "tolerance": 1e6}),
    "ignore_index": (leaves_out, {**FEW, "ignore_index": 255}),
    "label_smoothing": (smooths, {**FEW, "label_smoothing": 0.1, "largest": 80.0}),
    "soft_targets": (expects, {**FEW, "soft_targets": "expected"}),
    "normalizer": (mean_by_positives, {**FEW, "reduction": "mean", "normalizer": "positives"}),
    "like kornia's mean": (kornias_mean, {**ROWS, "like": KORNIA, "reduction": "mean"}),
    "like smp": (monais_order, {**FEW, "like": "segmentation-models"}),
    "like keras": (clipping, {**FEW, "like": "keras"}),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", RIGHT)
def test_a_loss_that_is_what_it_is_said_to_be_passes(name: str) -> None:
    """One word of its user's."""
    fn, options = RIGHT[name]
    verdict = check(fn, **options)
    assert verdict.passed, str(verdict)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fn", "options", "words"),
    [
        (value, {"clips": 1e-7}, "plain focal loss, not what it is said to be"),
        (value, {"alpha_inside": 0.25}, "plain focal loss, not what it is said to be"),
        (value, {"label_smoothing": 0.2, "largest": 80.0}, "plain focal loss, not what it is said to be"),
        (lambda x, y, gamma, weight=None: value(x, y, gamma), {"weight": "each"}, "wrong with a weight for each loss"),
        (value, {"ignore_index": 255}, "wrong with targets 255 left out"),
        (expects, {"soft_targets": "mix"}, "soft targets mean another thing"),
        (expects, {"like": "fvcore"}, "soft targets mean another thing"),
        (
            lambda x, y, gamma: value(x, y, gamma).mean(),
            {"reduction": "mean", "normalizer": "positives"},
            "mean over the wrong",
        ),
    ],
)
def test_one_that_is_not_is_told_so(fn: Any, options: dict[str, Any], words: str) -> None:
    """By name."""
    verdict = check(fn, **FEW, **options)
    assert not verdict.passed
    assert any(words in cause for cause in verdict.causes), verdict.causes


def test_a_nan_that_is_left_out_and_comes_through_is_told() -> None:
    """0 · NaN."""

    def masked(x: Any, y: Any, gamma: float) -> Any:
        return value(x, y, gamma) * (y != 255)

    assert "a NaN in a row that is left out comes through" in check(masked, ignore_index=255, **FEW).causes


@pytest.mark.parametrize(
    ("option", "given"),
    [("clips", 0.5), ("normalizer", "losts"), ("soft_targets", "blend"), ("label_smoothing", 2.0), ("weight", "all")],
)
def test_a_wrong_option_is_refused(option: str, given: Any) -> None:
    """The message names it."""
    with pytest.raises(ValueError, match=f"{option}: got"):
        check(value, **FEW, **{option: given})

"""Members beside the libraries that have them: their own formulas, typed here from their sources, at ordinary points.

What they do beside (an epsilon, another soft target, a divisor) is in docs/family.md; here is that nothing else differs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import focal_ref as fr
from focal_ref import family

X = np.linspace(-4.0, 4.0, 9)
Y = np.asarray([0, 1, 1, 0, 1, 0, 1, 0, 1])
ROWS = np.asarray([[0.5, -1.0, 2.0, 0.1], [0.0, 0.3, -0.2, 1.5], [2.0, -1.0, 0.5, 0.0]])


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def bce(x: Any, y: Any) -> Any:
    return np.maximum(x, 0) - x * y + np.log1p(np.exp(-np.abs(x)))


def fvcore_star(x: Any, gamma: float) -> Any:
    """fvcore 0.1.5, sigmoid_focal_loss_star: no β."""
    return -np.log(sigmoid(gamma * (x * (2 * Y - 1)))) / gamma


def timm_asymmetric(x: Any, positive: float = 1, negative: float = 4, clip: float = 0.05, weight_of: Any = None) -> Any:
    """timm 1.0.31, AsymmetricLossMultiLabel, but for its sum and eps = 1e-8; `weight_of`: whose prediction weighs."""

    def sides(x: Any) -> tuple[Any, Any]:
        p = sigmoid(x)
        return p, np.minimum(1 - p + clip, 1)

    p, rest = sides(x)
    loss = Y * np.log(p) + (1 - Y) * np.log(rest)
    p, rest = sides(x if weight_of is None else weight_of)
    return -loss * (1 - (p * Y + rest * (1 - Y))) ** (positive * Y + negative * (1 - Y))


def timm_poly(x: Any, gamma: float, epsilon: float) -> Any:
    """timm 1.0.31, PolyLoss on sigmoid."""
    p = sigmoid(x)
    missing = 1 - (p * Y + (1 - p) * (1 - Y))
    return bce(x, Y) * missing**gamma + epsilon * missing ** (gamma + 1)


def reduced(x: Any, gamma: float, threshold: float, divisor: float) -> Any:
    """segmentation-models 0.6 divides by the threshold; pytorch-toolbelt 0.8 by 1 − threshold."""
    p_t = np.exp(-bce(x, Y))
    return np.where(p_t < threshold, 1.0, ((1 - p_t) / divisor) ** gamma) * bce(x, Y)


def high_confidence(x: Any, gamma: float) -> Any:
    """Smith's cyclical focal loss, the confident part."""
    p_t = np.exp(-bce(x, Y))
    return -((1 + p_t) ** gamma) * np.log(p_t)


def _smp_reduced(threshold: float) -> Callable[[Any, str], Any]:
    def ours(x: Any, method: str) -> Any:
        weight = family.reduced_like_smp(x, Y, 2.0, threshold)
        return getattr(fr.SigmoidLoss(family.Reduced(2.0, threshold)), method)(x, Y, weight)

    return ours


def _detached(x: Any, method: str) -> Any:
    return getattr(fr.SigmoidLoss(family.Asymmetric(0.0, 0.0, 0.05)), method)(x, Y, family.asymmetric_weight(x, Y))


def _kernel(kernel: family.Kernel) -> Callable[[Any, str], Any]:
    return lambda x, method: getattr(fr.SigmoidLoss(kernel), method)(x, Y)


PAIRS: dict[str, tuple[Callable[[Any], Any], Callable[[Any, str], Any]]] = {
    "fvcore's FL*": (lambda x: fvcore_star(x, 2.0), _kernel(family.Star(2.0, beta=0.0))),
    "timm's asymmetric loss": (timm_asymmetric, _kernel(family.Asymmetric())),
    "timm's detached asymmetric loss": (lambda x: timm_asymmetric(x, weight_of=X), _detached),
    "timm's Poly-1": (lambda x: timm_poly(x, 2.0, 1.0), _kernel(family.Poly1(2.0, 1.0))),
    "smp's reduced loss": (lambda x: reduced(x, 2.0, 0.5, 0.5), _kernel(family.Reduced(2.0, 0.5))),
    "smp's reduced loss, another threshold": (lambda x: reduced(x, 2.0, 0.25, 0.25), _smp_reduced(0.25)),
    "toolbelt's reduced loss": (lambda x: reduced(x, 2.0, 0.25, 0.75), _kernel(family.Reduced(2.0, 0.25))),
    "cyclical focal loss": (lambda x: high_confidence(x, 3.0), _kernel(family.Inverse(3.0))),
}


@pytest.mark.parametrize("name", PAIRS)
def test_a_kernel_is_what_its_library_computes(name: str) -> None:
    """Values and gradients (theirs by differences, away from kinks)."""
    theirs, ours = PAIRS[name]
    x = X + 0.01
    np.testing.assert_allclose(ours(X, "value"), theirs(X), rtol=1e-12)
    if "detached" in name:
        x = X  # whose prediction weighs, held still
    step = 1e-6
    slopes = (theirs(x + step) - theirs(x - step)) / (2 * step)
    np.testing.assert_allclose(ours(x, "grad"), slopes, rtol=1e-6, atol=1e-9)


def test_varifocal_is_mmdetection_s() -> None:
    """varifocal_loss(pred, target, alpha=0.75, gamma=2.0), with and without iou_weighted."""
    q = np.asarray([0.0, 0.3, 0.9, 0.0, 1.0, 0.0, 0.5, 0.0, 0.7])
    for iou_weighted in (True, False):
        p = sigmoid(X)
        weight = (q if iou_weighted else 1.0) * (q > 0) + 0.75 * np.abs(p - q) ** 2.0 * (q <= 0)
        w = family.varifocal(q, iou_weighted=iou_weighted)
        np.testing.assert_allclose(fr.SigmoidFocalLoss(w.gamma)(X, w.targets, w.weight), bce(X, q) * weight, rtol=1e-12)


def test_gaussian_is_mmdetection_s() -> None:
    """gaussian_focal_loss(pred, gaussian_target, alpha=2.0, gamma=4.0), but for its eps = 1e-12."""
    y, p = np.asarray([0.0, 0.3, 1.0, 0.9, 1.0, 0.0, 0.5, 1.0, 0.7]), sigmoid(X)
    theirs = -np.log(p) * (1 - p) ** 2 * (y == 1) - np.log(1 - p) * p**2 * (1 - y) ** 4
    theirs = np.where(y == 1, -np.log(p) * (1 - p) ** 2, theirs)
    w = family.gaussian(y)
    np.testing.assert_allclose(fr.SigmoidFocalLoss(w.gamma)(X, w.targets, w.weight), theirs, rtol=1e-12)


def test_equalized_is_its_authors() -> None:
    """α_t (γ_c/γ_b) (1 − p_t)^γ_c (−log p_t) with γ_c = γ_b + s (1 − g_c), and g from sums of gradients."""
    y = np.asarray([[0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 1]])
    grad = fr.SigmoidFocalLoss(2.0).grad(ROWS, y)
    sums = family.GradientSums().added(grad, y).added(grad, y)
    g = np.clip(np.sum(np.abs(grad) * y, 0) / (np.sum(np.abs(grad) * (1 - y), 0) + 1e-10), 0, 1)
    np.testing.assert_allclose(sums.ratio, g, rtol=1e-8)
    w = family.equalized(sums.ratio)
    p = sigmoid(ROWS)
    p_t, gamma = np.where(y == 1, p, 1 - p), 2 + 8 * (1 - g)
    theirs = -np.where(y == 1, 0.25, 0.75) * (gamma / 2) * (1 - p_t) ** gamma * np.log(p_t)
    np.testing.assert_allclose(fr.SigmoidFocalLoss(w.gamma, alpha=0.25)(ROWS, y, w.weight), theirs, rtol=1e-7)
    assert family.GradientSums().ratio == 1.0


def test_one_against_rest_is_mmdetection_s() -> None:
    """py_sigmoid_focal_loss of labels with the background C: one_hot(labels, C + 1)[:, :C]; apex's −1 and −2."""
    labels = np.asarray([2, 4, 0])
    one_hot = np.eye(5)[labels][:, :4]
    p = sigmoid(ROWS)
    missing = (1 - p) * one_hot + p * (1 - one_hot)
    theirs = bce(ROWS, one_hot) * (0.25 * one_hot + 0.75 * (1 - one_hot)) * missing**2
    w = family.one_against_rest(labels, 4)
    np.testing.assert_allclose(fr.SigmoidFocalLoss(2.0, alpha=0.25)(ROWS, w.targets), theirs, rtol=1e-12)
    apex = family.one_against_rest(np.asarray([2, -1, -2]), 4, background=-1, ignore_index=-2)
    got = fr.SigmoidFocalLoss(2.0, alpha=0.25)(ROWS, apex.targets, apex.weight)
    np.testing.assert_allclose(got[:2], theirs[:2], rtol=1e-12)
    assert not got[2].any()
    with pytest.raises(ValueError, match=r"classes: got 5 at flat index 1 .*; expected integers in \[0, 4\), or background=4"):
        family.one_against_rest(np.asarray([2, 5]), 4)


def test_distribution_rows_are_mmdetection_s() -> None:
    """distribution_focal_loss(pred, label): cross entropy of both neighbours; the last bin by itself, where theirs fails."""
    y = np.asarray([0.0, 1.25, 2.5])
    left = y.astype(int)
    log_p = ROWS - np.log(np.exp(ROWS).sum(-1, keepdims=True))
    place = np.arange(3)
    theirs = -log_p[place, left] * (left + 1 - y) - log_p[place, left + 1] * (y - left)
    rows = family.distribution_rows(y, 4)
    np.testing.assert_allclose(fr.SoftmaxFocalLoss(0.0)(ROWS, rows), theirs, rtol=1e-12)
    assert family.distribution_rows(np.asarray([3.0]), 4).tolist() == [[0.0, 0.0, 0.0, 1.0]]


def test_normalized_is_smp_s() -> None:
    """normalized=True: the focal term over its own sum (at least 1e-6), rows too."""
    p_t = np.exp(-bce(X, Y))
    term = (1 - p_t) ** 2
    got = fr.SigmoidFocalLoss(2.0, reduction="sum")(X, Y, normalizer=family.normalized(X, Y, 2.0))
    np.testing.assert_allclose(got, (term * bce(X, Y)).sum() / term.sum(), rtol=1e-12)
    p = np.exp(ROWS) / np.exp(ROWS).sum(-1, keepdims=True)
    labels = np.asarray([2, 3, 1])
    np.testing.assert_allclose(family.normalized(ROWS, labels, 1.5, axis=-1), ((1 - p[np.arange(3), labels]) ** 1.5).sum())


def test_sample_gamma_is_its_authors() -> None:
    """FLSD-53: 5 for p_t below 0.2, 3 from there on; the Lambert rule is `gamma_for`'s."""
    p = np.exp(ROWS) / np.exp(ROWS).sum(-1, keepdims=True)
    labels = np.asarray([2, 3, 1])
    p_t = p[np.arange(3), labels]
    assert family.sample_gamma(ROWS, labels, axis=-1).tolist() == np.where(p_t < 0.2, 5.0, 3.0).tolist()
    np.testing.assert_allclose(family.sample_gamma(ROWS, labels, axis=-1, method="lambert"), fr.gamma_for(p_t, "lambert"))
    assert family.sample_gamma(X, Y).tolist() == np.where(np.exp(-bce(X, Y)) < 0.2, 5.0, 3.0).tolist()


def test_the_running_normalizer_is_detectron2_s() -> None:
    """loss_normalizer = 0.9 · before + 0.1 · max(positives, 1), from 100."""
    state = 100.0
    for count in (20, 0, np.asarray(7.0)):
        state = family.running_normalizer(state, count)
    assert state == pytest.approx(0.9 * (0.9 * (0.9 * 100 + 0.1 * 20) + 0.1 * 1) + 0.1 * 7)

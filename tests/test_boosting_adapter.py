"""Boosters get each sample's own gradient, and a Hessian that lets them split."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from focal_ref_boosting import objective

import focal_ref as fr


def test_the_gradient_is_the_loss_s_own() -> None:
    """Whatever the loss's reduction, the objective's gradient and exact Hessian are each sample's."""
    margins = np.linspace(-5, 5, 12)
    labels = np.arange(12.0) % 2
    weight = np.linspace(0, 2, 12)
    plain = fr.SigmoidFocalLoss(gamma=1.5, alpha=0.3)
    gradient, hessian = objective(fr.SigmoidFocalLoss(gamma=1.5, alpha=0.3, reduction="mean"), hessian="exact")(
        labels, margins, weight
    )
    np.testing.assert_array_equal(gradient, plain.grad(margins, labels, weight))
    np.testing.assert_array_equal(hessian, plain.hessian_diag(margins, labels, weight))


def test_the_default_hessian_is_never_negative() -> None:
    """Where the exact Hessian is negative, a rare positive far on the wrong side, the surrogate is |gradient|."""
    margins, labels = np.asarray([-6.0, -3.4, 0.0]), np.asarray([1, 1, 1])
    assert (objective(hessian="exact")(labels, margins)[1] < 0).tolist() == [True, True, False]
    gradient, hessian = objective()(labels, margins)
    np.testing.assert_array_equal(hessian, np.abs(gradient))


def test_several_classes() -> None:
    """Softmax losses take (samples, classes) margins, and labels as boosters hand them over: in floats."""
    margins = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    labels = np.asarray([0.0, 1, 2, 2, 1, 0])
    gradient, hessian = objective(fr.SoftmaxFocalLoss())(labels, margins)
    assert gradient.shape == hessian.shape == (6, 3)
    np.testing.assert_array_equal(gradient, fr.SoftmaxFocalLoss().grad(margins, labels.astype(int)))


def test_the_signature_is_what_boosters_look_for() -> None:
    """XGBoost passes sample_weight by name, LightGBM by position where it counts three parameters."""
    assert list(inspect.signature(objective()).parameters) == ["labels", "margins", "sample_weight"]


def test_wrong_options_are_refused() -> None:
    """The message names the argument."""
    with pytest.raises(TypeError, match="loss: got str"):
        objective("focal")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="hessian: got 'clip'"):
        objective(hessian="clip")  # type: ignore[arg-type]

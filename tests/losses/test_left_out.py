"""What sigmoid losses leave out, smooth and divide by, what rows are left out, and the cures that refusals name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import focal_ref as fr

X = np.asarray([[0.5, -1.0, 2.0], [1.5, 0.25, -3.0]])
Y = np.asarray([[1.0, -1.0, 0.0], [-1.0, 1.0, 0.25]])
KEPT = Y != -1


@pytest.mark.parametrize("soft", ["mix", "expected", "quality"])
def test_an_ignored_element_does_not_count(backend: Any, soft: Any) -> None:
    """For value, gradient, mean and number of positives; the others are what they are by themselves."""
    x, y = backend(X), backend(Y)
    loss = fr.SigmoidFocalLoss(gamma=1.5, alpha=0.25, soft_targets=soft, ignore_index=-1)
    alone = fr.SigmoidFocalLoss(gamma=1.5, alpha=0.25, soft_targets=soft)
    value, grad = loss.value_and_grad(x, y)
    expected, slope = alone.value_and_grad(x, backend(np.where(KEPT, Y, 0.5)))
    for got, want in ((value, expected), (grad, slope)):
        np.testing.assert_array_equal(backend.numpy(got), np.where(KEPT, backend.numpy(want), 0.0))
    total = np.sum(backend.numpy(value))
    for reduction, divisor in (("mean", 4.0), ("mean_positive", 2.25), ("sum", 1.0)):
        reduced = fr.SigmoidFocalLoss(1.5, 0.25, soft, -1, 0.0, reduction)(x, y)  # type: ignore[arg-type]
        np.testing.assert_allclose(backend.numpy(reduced), total / divisor, rtol=1e-6)


def test_nothing_left_is_zero(backend: Any) -> None:
    """Never 0/0."""
    for reduction in ("mean", "mean_positive", "sum"):
        loss = fr.SigmoidFocalLoss(ignore_index=255, reduction=reduction)  # type: ignore[arg-type]
        value, grad = loss.value_and_grad(backend(X), backend(np.full(X.shape, 255)))
        assert backend.numpy(value) == 0
        assert not backend.numpy(grad).any()


def test_no_positive_divides_by_one(backend: Any) -> None:
    """RetinaNet's image without an object; labels that broadcast count as often as they stand for."""
    x = backend(X)
    assert backend.numpy(fr.SigmoidFocalLoss(reduction="mean_positive")(x, backend(np.zeros((2, 3))))) == backend.numpy(
        fr.SigmoidFocalLoss(reduction="sum")(x, backend(np.zeros((2, 3))))
    )
    labels = backend(np.asarray([[1], [0]]))
    three = backend.numpy(fr.SigmoidFocalLoss(reduction="mean_positive")(x, labels))
    total = backend.numpy(fr.SigmoidFocalLoss(reduction="sum")(x, labels))
    np.testing.assert_allclose(three, total / 3, rtol=1e-6)


@pytest.mark.parametrize("soft", ["mix", "expected", "quality"])
def test_smoothing_is_a_soft_target(backend: Any, soft: Any) -> None:
    """y (1 − ε) + ε/2, in every result."""
    y = (X > 0).astype(np.float64)
    smoothed = fr.SigmoidFocalLoss(soft_targets=soft, label_smoothing=0.25)
    plain = fr.SigmoidFocalLoss(soft_targets=soft)
    for a, b in zip(
        smoothed.value_grad_hess(backend(X), backend(y)),
        plain.value_grad_hess(backend(X), backend(y * 0.75 + 0.125)),
        strict=True,
    ):
        np.testing.assert_allclose(backend.numpy(a), backend.numpy(b), rtol=1e-6)


def test_soft_rows_beside_an_ignore_index(backend: Any) -> None:
    """An `ignore_index` that is no class leaves rows of probabilities alone, as in `F.cross_entropy`."""
    rows = backend(np.asarray([[0.25, 0.25, 0.5], [1.0, 0.0, 0.0]]))
    for index in (-100, 255):
        got = fr.SoftmaxFocalLoss(ignore_index=index, reduction="mean")(backend(X), rows)
        assert backend.numpy(got) == backend.numpy(fr.SoftmaxFocalLoss(reduction="mean")(backend(X), rows))


def test_rows_of_nothing_are_left_out_by_a_weight(backend: Any) -> None:
    """MONAI's one-hot rows without the background; without the weight they are refused where they can be seen."""
    rows, weight = np.asarray([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]), np.asarray([0.0, 1.0])
    value = backend.numpy(fr.SoftmaxFocalLoss()(backend(X), backend(rows), backend(weight)))
    assert value[0] == 0 < value[1]
    with pytest.raises(ValueError, match=r"^targets: got a float64 array of shape \(2, 3\), whose row 0 sums to 0.0.*weight=0"):
        fr.SoftmaxFocalLoss()(X, rows)


MISTAKES = {
    "255": (fr.SoftmaxFocalLoss(), X, np.asarray([0, 255]), "ignore_index=255"),
    "-100": (fr.SoftmaxFocalLoss(), X, np.asarray([0, -100]), "ignore_index=-100"),
    "labels": (fr.SigmoidFocalLoss(), X, np.where(KEPT, Y, 255), "ignore_index=255"),
    "mask": (fr.SoftmaxFocalLoss(axis=1), np.zeros((2, 3, 4, 4)), np.zeros((2, 1, 4, 4), dtype=int), r"squeeze\(1\)"),
    "float ids": (fr.SoftmaxFocalLoss(), X, np.asarray([0.0, 2.0]), r"astype\(int\)"),
    "one-hot": (fr.SoftmaxFocalLoss(), X, np.eye(3, dtype=int)[:2], "float"),
}


@pytest.mark.parametrize(("loss", "x", "targets", "cure"), MISTAKES.values(), ids=MISTAKES)
def test_the_common_mistakes_are_told_their_cure(loss: Any, x: Any, targets: Any, cure: str) -> None:
    """In the message's last words."""
    with pytest.raises((ValueError, TypeError), match=rf"^targets: got .*; .*{cure}"):
        loss(x, targets)


def test_class_weights_given_as_weight() -> None:
    """Are `alpha`."""
    with pytest.raises(ValueError, match=r"^weight: got .*alpha="):
        fr.SoftmaxFocalLoss()(X, np.asarray([0, 1]), np.ones(3))

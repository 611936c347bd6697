"""What is refused is told its cure, in the words of the library whose arrays came, and only where it is one."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest

import focal_ref as fr

X = np.linspace(-2.0, 2.0, 12).reshape(4, 3)
CLASSES = np.asarray([0, 1, 2, 1])
DEEP = np.zeros((2, 3, 4, 6))

SIGMOID: dict[str, tuple[Any, str]] = {
    "integers": (lambda: fr.sigmoid_focal_loss(CLASSES, 1), "; as floats: logits.astype(float) (if they are the targets: log"),
    "a column of logits": (
        lambda: fr.sigmoid_focal_loss(X[:, :1], CLASSES > 1),
        "; of one shape: logits[..., 0], or targets[..., None]",
    ),
    "a column of labels": (
        lambda: fr.sigmoid_focal_loss(X[:, 0], CLASSES[:, None]),
        "; without the last axis: targets[..., 0]",
    ),
    "classes": (lambda: fr.sigmoid_focal_loss(X, CLASSES), "; if they are classes: np.eye(3)[targets], or softmax_focal_loss"),
    "classes that fit": (
        lambda: fr.sigmoid_focal_loss(X[:3], CLASSES[:3]),
        "; if they are classes: np.eye(3)[targets], or softmax_focal_loss",
    ),
    "pixels": (
        lambda: fr.sigmoid_focal_loss(DEEP, np.zeros((2, 4, 6), int)),
        "; if they are classes: np.eye(3)[targets], or softmax_focal_loss",
    ),
    "swapped": (lambda: fr.sigmoid_focal_loss(np.asarray([0.0, 1.0]), X[0, :2]), "; are logits and targets swapped?"),
    "swapped ones": (lambda: fr.sigmoid_focal_loss(np.ones(2), np.asarray([-0.5, 0.5])), "; are logits and targets swapped?"),
    "a mark": (
        lambda: fr.sigmoid_focal_loss(np.zeros(2), np.asarray([255, 1])),
        "255 marks what has no label: ignore_index=255",
    ),
    "a mark among floats": (lambda: fr.sigmoid_focal_loss(X[0], np.asarray([-1.0, 1, 0])), "no label: ignore_index=-1"),
    "no label": (lambda: fr.sigmoid_focal_loss(X[0], np.asarray([0.5, 1.5, 0])), "broadcast to the logits' shape (3,)"),
    "α of a ratio": (
        lambda: fr.SigmoidFocalLoss(alpha=3.0),
        "; for positives that count 3 times: alpha=0.75, or pos_weight=3 where the loss has it",
    ),
    "α of two classes": (
        lambda: fr.SigmoidFocalLoss(alpha=[0.25, 0.75])(X[:, 0], CLASSES > 1),
        "positives' weight: alpha=0.75",
    ),
    "weights of two classes": (lambda: fr.SigmoidFocalLoss(alpha=[1, 3]), "; alpha is the positives' weight: alpha=0.75"),
    "α below 0": (lambda: fr.SigmoidFocalLoss(alpha=-0.5), "or None"),
    "NaN as a mark": (
        lambda: fr.SigmoidFocalLoss(ignore_index=float("nan")),  # type: ignore[arg-type]
        "an integer or None; where labels are missing as NaN: weight=0",
    ),
    "one logit": (lambda: fr.posterior_from_logits(X[:, :1], 2.0), "along axis -1; one of the positives a sample: axis=None"),
}

SOFTMAX: dict[str, tuple[Any, str]] = {
    "last": (lambda: fr.SoftmaxFocalLoss(axis=1)(DEEP, np.zeros((2, 3, 4), int)), "; classes that lie last: axis=-1"),
    "second": (lambda: fr.softmax_focal_loss(DEEP, np.zeros((2, 4, 6), int)), "; classes that lie along axis 1: axis=1"),
    "first": (lambda: fr.softmax_focal_loss(X, CLASSES[:3]), "; classes that lie along axis 0: axis=0"),
    "nowhere": (lambda: fr.softmax_focal_loss(DEEP, np.zeros((4, 6), int)), "of the logits' shape (2, 3, 4, 6)"),
    "the axis in use": (lambda: fr.softmax_focal_loss(X, CLASSES[:2]), "of the logits' shape (4, 3)"),
    "in floats": (lambda: fr.softmax_focal_loss(X, CLASSES * 1.0), "; classes are integers: targets.astype(int)"),
    "in one-hot integers": (lambda: fr.softmax_focal_loss(X[:3], np.eye(3, dtype=int)), "are floats: targets.astype(float)"),
    "from 1": (lambda: fr.softmax_focal_loss(X, np.asarray([1, 2, 3, 1])), "; do classes begin at 1? targets - 1"),
    "from 1 but for a mark": (
        lambda: fr.softmax_focal_loss(X, np.asarray([1, -1, 3, 1]), ignore_index=-1),
        "; do classes begin at 1? targets - 1",
    ),
    "from 0 and a mark": (lambda: fr.softmax_focal_loss(X, np.asarray([0, 2, 3, 1])), "no label: ignore_index=3"),
    "weights of other classes": (lambda: fr.SoftmaxFocalLoss(alpha=[1, 2])(X, CLASSES), "shape (3,); one weight a class: 3"),
    "a mean of positives": (
        lambda: fr.SoftmaxFocalLoss(reduction="mean_positive"),  # type: ignore[arg-type]
        "every row has a class (sigmoid losses have it; here normalizer=, in the call)",
    ),
}


@pytest.mark.parametrize(
    ("call", "cure"), [*SIGMOID.values(), *SOFTMAX.values()], ids=[*SIGMOID, *(f"classes {n}" for n in SOFTMAX)]
)
def test_the_cure_ends_the_refusal(call: Any, cure: str) -> None:
    """Nothing is advised that is not known to help: the last words are what is accepted, then."""
    with pytest.raises((TypeError, ValueError)) as refused:
        call()
    assert cure in str(refused.value)[-len(cure) - 30 :], str(refused.value)


WORDS = {
    "array_api_strict": (
        "xp.astype(logits, xp.float64)",
        "xp.eye(3)[targets, ...]",
        "as one: xp.asarray(targets)",
        "xp.asarray(targets)",
    ),
    "torch": ("logits.float()", "torch.nn.functional.one_hot(targets, 3)", "torch.as_tensor(targets)", "torch.tensor(targets)"),
    "jax.numpy": ("logits.astype(float)", "jax.nn.one_hot(targets, 3)", "jnp.asarray(targets)", "jnp.asarray(targets)"),
    "numpy": ("logits.astype(float)", "np.eye(3)[targets]", None, "np.asarray(targets)"),
}


@pytest.mark.parametrize("library", WORDS)
def test_nobody_is_told_another_librarys_cure(library: str) -> None:
    """Of integer logits, of classes for a sigmoid, of NumPy's arrays and of lists."""
    xp, cures = importlib.import_module(library), WORDS[library]
    x, classes = xp.asarray(X.tolist()), xp.asarray(CLASSES.tolist())
    calls = ((classes, 1), (x, classes), (x, X), (x, CLASSES.tolist()))
    for (logits, targets), cure in zip(calls, cures, strict=True):
        if cure is not None:
            with pytest.raises((TypeError, ValueError)) as refused:
                fr.sigmoid_focal_loss(logits, targets)
            assert cure in str(refused.value)


def test_another_device_is_reached_so() -> None:
    """By the library's own way."""
    strict = importlib.import_module("array_api_strict")
    here, there = strict.Device("device1"), strict.Device("device2")
    with pytest.raises(ValueError, match=r"; there: targets\.to_device\(logits\.device\)$"):
        fr.sigmoid_focal_loss(strict.zeros(3, device=here), strict.zeros(3, device=there))


def test_what_is_advised_helps() -> None:
    """A weight of 0 where a label is NaN; alpha of a ratio has its shape."""
    y, weight = np.asarray([np.nan, 1.0, 0.0]), np.asarray([0.0, 1.0, 1.0])
    assert fr.sigmoid_focal_loss(X[0], y, weight=weight)[0] == 0
    pair = fr.sigmoid_focal_loss(np.zeros(2), np.asarray([1, 0]), alpha=0.75)
    assert pair[0] == 3 * pair[1]

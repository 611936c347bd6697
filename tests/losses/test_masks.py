"""A mask is last: what has weight 0, is ignored, or is of a class with weight 0 counts exactly 0, whatever else is there."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pytest

import focal_ref as fr
from focal_ref.losses.checks import unchecked
from tests.methods import METHODS, leaves

BAD = (np.nan, np.inf, -np.inf)
FORMULAS = ("hard", "mix", "expected", "quality")
X = np.asarray([[0.5, -1.0, 2.0], [1.5, 0.25, -3.0]])


def results(loss: Any, method: str, *arguments: Any) -> list[Any]:
    return list(leaves(METHODS[method](loss, *arguments)))


def row_is_zero(backend: Any, found: list[Any], clean: list[Any]) -> None:
    """The second row of each result is 0, and the first is what it is without anything bad."""
    for result, expected in zip(found, clean, strict=True):
        seen = backend.numpy(result)
        assert not seen[1].any()
        np.testing.assert_array_equal(seen[0], backend.numpy(expected)[0])


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("formula", FORMULAS)
def test_sigmoid_weight_zero(backend: Any, method: str, formula: str) -> None:
    """Anything bad in the logit, the label, γ, α or the tangent."""
    hard = formula == "hard"
    y = np.asarray([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]]) if hard else np.asarray([[0.3, 0.9, 0.5], [0.2, 0.7, 0.6]])
    soft: Any = "mix" if hard else formula
    given = {
        "x": X,
        "y": y,
        "gamma": np.asarray([[1.5], [2.0]]),
        "alpha": np.asarray([[0.3], [0.6]]),
        "v": np.ones((2, 3)),
    }
    weight = backend(np.asarray([[2.0], [0.0]]))

    def run(values: dict[str, Any]) -> list[Any]:
        a = {name: backend(value) for name, value in values.items()}
        loss = fr.SigmoidFocalLoss(gamma=a["gamma"], alpha=a["alpha"], soft_targets=soft)
        return results(loss, method, a["x"], a["y"], a["v"], weight)

    clean = run(given)
    for name in ("x", "v"):
        for bad in BAD:
            spoilt = {**given, name: np.vstack([given[name][:1], np.full((1, 3), bad)])}
            row_is_zero(backend, run(spoilt), clean)
    spoilt = {**given, "y": np.vstack([y[:1], np.full((1, 3), np.nan)])}
    # A label that is missing makes its neighbours' formula the soft one: the same numbers, but for the last bit.
    for result, expected in zip(run(spoilt), clean, strict=True):
        assert not backend.numpy(result)[1].any()
        np.testing.assert_allclose(backend.numpy(result)[0], backend.numpy(expected)[0], rtol=1e-5)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.parametrize("seen", [True, False])
def test_sigmoid_class_weight_zero(backend: Any, method: str, formula: str, seen: bool) -> None:
    """α = 1 weighs the negatives with 0, whatever their logits and tangents are; also where nobody looks at labels and α."""
    y = np.asarray([[1.0, 1.0, 1.0] if formula == "hard" else [0.3, 0.9, 0.5], [0.0, 0.0, 0.0]])
    soft: Any = "mix" if formula == "hard" else formula
    with contextlib.nullcontext() if seen else unchecked():
        loss = fr.SigmoidFocalLoss(gamma=1.5, alpha=1.0 if seen else backend(np.ones((2, 3))), soft_targets=soft)
        clean = results(loss, method, backend(X), backend(y), backend(np.ones((2, 3))))
        x, v = (backend(np.vstack([a[:1], [BAD]])) for a in (X, np.ones((2, 3))))
        row_is_zero(backend, results(loss, method, x, backend(y), v), clean)


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.parametrize("mask", ["weight", "ignored"])
def test_sigmoid_gamma_and_alpha(backend: Any, method: str, formula: str, mask: str) -> None:
    """Anything bad in γ or α where nobody looks at them: on another device, in a trace, or since the caller said so."""
    y = np.asarray([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]] if formula == "hard" else [[0.3, 0.9, 0.5], [0.2, 0.7, 0.6]])
    y = np.vstack([y[:1], np.full((1, 3), -7.0)]) if mask == "ignored" else y
    soft: Any = "mix" if formula == "hard" else formula
    weight = backend(np.asarray([[2.0], [0.0]])) if mask == "weight" else None

    def run(gamma: Any, alpha: Any) -> list[Any]:
        options: Any = {"soft_targets": soft, "ignore_index": -7 if mask == "ignored" else None}
        loss = fr.SigmoidFocalLoss(gamma=backend(np.asarray(gamma)), alpha=backend(np.asarray(alpha)), **options)
        return results(loss, method, backend(X), backend(y), backend(np.ones((2, 3))), weight)

    gamma, alpha, bad = np.full((2, 3), 1.5), np.full((2, 3), 0.3), [np.nan, np.inf, -1.0]
    with unchecked():
        clean = run(gamma, alpha)
        row_is_zero(backend, run(np.vstack([gamma[:1], [bad]]), np.vstack([alpha[:1], [bad[::-1]]])), clean)
        for wrong in (run(np.vstack([[bad], gamma[:1]]), alpha), run(gamma, np.vstack([[bad], alpha[:1]]))):
            assert all(np.isnan(backend.numpy(result)[0]).all() for result in wrong)


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("targets", ["classes", "rows"])
def test_softmax_gamma_and_alpha(backend: Any, method: str, targets: str) -> None:
    """The same of rows: γ one a row, α one a class, of a class that no row that counts has any of."""
    t: Any = np.asarray([0, 2]) if targets == "classes" else np.asarray([[0.5, 0.5, 0.0], [0.1, 0.1, 0.8]])
    weight = backend(np.asarray([2.0, 0.0]))

    def run(gamma: Any, alpha: Any) -> list[Any]:
        loss = fr.SoftmaxFocalLoss(gamma=backend(np.asarray(gamma)), alpha=backend(np.asarray(alpha)))
        # A constant tangent's product is 0 but for rounding, which is carried along where some γ is steep.
        return results(loss, method, backend(X), backend(t), backend(np.asarray([[1.0, -0.5, 2.0]] * 2)), weight)

    with unchecked():
        clean = run([1.5, 2.0], [1.0, 2.0, 0.5])
        for bad in (np.nan, np.inf, -1.0):
            alpha = [1.0, 2.0, bad if targets == "classes" else 0.5]
            row_is_zero(backend, run([1.5, bad], alpha), clean)
            assert all(np.isnan(backend.numpy(result)[0]).all() for result in run([bad, 2.0], [1.0, 2.0, 0.5]))


@pytest.mark.parametrize("method", METHODS)
def test_sigmoid_ignored(backend: Any, method: str) -> None:
    """An element with `ignore_index` for its label, and anything in its logit or tangent."""
    y = np.asarray([[1, 0, 1], [-7, -7, -7]])
    loss = fr.SigmoidFocalLoss(gamma=1.5, alpha=0.25, ignore_index=-7)
    clean = results(loss, method, backend(X), backend(y), backend(np.ones((2, 3))))
    for bad in BAD:
        x, v = (backend(np.vstack([a[:1], np.full((1, 3), bad)])) for a in (X, np.ones((2, 3))))
        row_is_zero(backend, results(loss, method, x, backend(y), v), clean)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("targets", ["classes", "rows"])
@pytest.mark.parametrize("mask", ["weight", "class weight", "ignored"])
def test_softmax(backend: Any, method: str, targets: str, mask: str) -> None:
    """Classes and rows of probabilities (here one-hot, and soft where a weight masks them)."""
    if (mask, targets) == ("ignored", "rows"):
        targets = "classes"
    t: Any = np.asarray([0, 2])
    if targets == "rows":
        t = np.eye(3)[t] if mask == "class weight" else np.asarray([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]])
    loss = fr.SoftmaxFocalLoss(
        gamma=1.5,
        alpha=[1.0, 2.0, 0.0] if mask == "class weight" else None,
        ignore_index=2 if mask == "ignored" else None,
    )
    weight = backend(np.asarray([2.0, 0.0])) if mask == "weight" else None
    clean = results(loss, method, backend(X), backend(t), backend(np.ones((2, 3))), weight)
    for bad in BAD:
        x, v = (backend(np.vstack([a[:1], np.full((1, 3), bad)])) for a in (X, np.ones((2, 3))))
        row_is_zero(backend, results(loss, method, x, backend(t), v, weight), clean)


def test_missing_labels_are_nan() -> None:
    """The case that chemistry and medicine have: NaN for no label, and weight 0; positives are counted without them."""
    y, w = np.asarray([1.0, np.nan]), np.asarray([1.0, 0.0])
    for soft in ("mix", "expected", "quality"):
        loss = fr.SigmoidFocalLoss(alpha=0.25, soft_targets=soft)  # type: ignore[arg-type]
        value, grad = loss.value_and_grad(np.asarray([0.5, -1.0]), y, w)
        assert np.isfinite(value).all()
        assert np.isfinite(grad).all()
        assert value[1] == 0 == grad[1]
    mean = fr.SigmoidFocalLoss(alpha=0.25, reduction="mean_positive")(np.asarray([0.5, -1.0]), y, w)
    assert mean == fr.SigmoidFocalLoss(alpha=0.25)(0.5 * np.ones(1), np.ones(1))[0]


@pytest.mark.parametrize("soft", ["mix", "expected", "quality"])
def test_one_wrong_number_for_all_is_nan_everywhere(backend: Any, soft: Any) -> None:
    """An array of one entry, which an engine may take for a number: NaN for each loss, and none where it is right."""
    y = backend(np.asarray([[1.0, 0.0, 1.0], [0.0, 1.0, 0.25]]))
    with unchecked():
        for gamma, alpha, right in ((1.5, 0.3, True), (-1.0, 0.3, False), (np.nan, 0.3, False), (1.5, 2.0, False)):
            one = backend(np.asarray([[gamma]])), backend(np.asarray([[alpha]]))
            loss = fr.SigmoidFocalLoss(*one, soft_targets=soft)
            for result in loss.value_grad_hess(backend(X), y):
                assert np.isnan(backend.numpy(result)).all() == (not right)
                assert np.isnan(backend.numpy(result)).any() == (not right)

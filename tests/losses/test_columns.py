"""What lies at hand counts for an array: a column of pandas, and a class in a Python int for a row of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import focal_ref as fr
from focal_ref.engine import arrays


@pytest.mark.parametrize("dtype", ["int64", "Int64", "float32", "bool"])
def test_a_series_is_its_array(dtype: str) -> None:
    """As labels, as weights, whatever its index says, in every method; integer ones as classes too."""
    labels = np.asarray([1, 0, 1, 1])
    column, logits = pd.Series(labels, index=list("dcba")).astype(dtype), np.linspace(-1.0, 2.0, 4)
    loss = fr.SigmoidFocalLoss(reduction="mean")
    for method in ("value", "grad", "hessian_diag", "gamma_grad"):
        np.testing.assert_array_equal(getattr(loss, method)(logits, column), getattr(loss, method)(logits, labels))
    weight = pd.Series([0.0, 1.0, 2.0, 3.0])
    np.testing.assert_array_equal(loss(logits, labels, weight), loss(logits, labels, weight.to_numpy()))
    if "int" in dtype.lower():
        rows = logits[:, None] * np.asarray([1.0, 2.0])
        np.testing.assert_array_equal(fr.softmax_focal_loss(rows, column), fr.softmax_focal_loss(rows, labels))


def test_counts_and_scores_may_be_columns() -> None:
    """`value_counts()` has the commonest class first: its labels say which is which. Scores and labels are their arrays."""
    labels = pd.Series(["b", "b", "b", "a", "c", "c"])
    counts = labels.value_counts()
    assert fr.class_balanced_alpha(counts) == fr.class_balanced_alpha([1, 3, 2]) == fr.class_balanced_alpha(labels=labels)
    assert fr.suggest(counts) == fr.suggest(labels=labels)
    assert fr.suggest(pd.Series([0, 1, 1, 1]).value_counts()).counts == (1, 3)
    scores = pd.Series([0.2, 0.7])
    np.testing.assert_array_equal(fr.posterior(scores, 2.0), fr.posterior([0.2, 0.7], 2.0))
    np.testing.assert_array_equal(fr.minimiser(scores, 2.0), fr.minimiser([0.2, 0.7], 2.0))


@pytest.mark.parametrize(
    ("call", "cure"),
    [
        (lambda: fr.sigmoid_focal_loss(0.0, 1), "; an array of it: np.asarray(logits, dtype=float)"),  # type: ignore[arg-type]
        (lambda: fr.sigmoid_focal_loss([0.0], [1]), "; an array of it: np.asarray(logits, dtype=float)"),  # type: ignore[arg-type]
        (lambda: fr.SoftmaxFocalLoss(axis=1)(np.zeros(3), 1), " (one logit a sample: SigmoidFocalLoss; one row: axis=0)"),
        (
            lambda: fr.SoftmaxFocalLoss(axis=1)(np.zeros((2, 4, 4, 5)), np.zeros((2, 4, 4), int)),
            "; classes that lie last: axis=-1",
        ),
    ],
)
def test_the_usual_mistakes_are_told_their_cure(call: Any, cure: str) -> None:
    """At the end of the refusal."""
    with pytest.raises((TypeError, ValueError)) as refused:
        call()
    assert str(refused.value).endswith(cure)


def test_a_series_is_no_array_of_another_library() -> None:
    """Only NumPy's logits take one: nothing goes from host to device unasked. Its refusal has one line and a cure."""
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match=r"^targets: got Series [^\n]*; its array: targets\.to_numpy\(\)$"):
        fr.sigmoid_focal_loss(torch.zeros(2), pd.Series([0, 1]))
    with pytest.raises(TypeError, match=r"^logits: got DataFrame [^\n]*; its array: logits\.to_numpy\(\)$"):
        fr.sigmoid_focal_loss(pd.DataFrame([[0.0]]), 1)
    with pytest.raises(TypeError, match=r"; an array of it: np\.asarray\(targets\)$"):
        fr.sigmoid_focal_loss(np.zeros(2), [0, 1])


def test_one_row_takes_its_class_as_a_number(backend: Any) -> None:
    """A Python int for logits of one axis: the same as the 0-d array, in every method; refused where it is no class."""
    row = backend([2.0, 0.0, -1.0])
    loss = fr.SoftmaxFocalLoss(gamma=2.0, ignore_index=-1)
    for method in ("value", "grad", "hessian_diag"):
        expected = getattr(loss, method)(row, backend(np.asarray(1)))
        np.testing.assert_array_equal(backend.numpy(getattr(loss, method)(row, 1)), backend.numpy(expected))
    assert float(backend.numpy(loss(row, -1))) == 0
    if arrays.values(row) is not None:
        with pytest.raises(ValueError, match="targets: got 3 "):
            loss(row, 3)
    for wrong in (True, 1.0, "1"):
        with pytest.raises(TypeError, match="targets: got"):
            loss(row, wrong)
    with pytest.raises(TypeError, match="targets: got 1"):
        loss(backend(np.zeros((2, 3))), 1)

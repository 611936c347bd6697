"""A member of the family is one file: found by being there, named, sourced, and focal loss where its own parameters say so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import focal_ref as fr
from focal_ref import family

FILES = sorted(path.stem for path in Path(family.__file__).parent.glob("*.py") if path.stem != "__init__")


def test_every_file_has_a_member() -> None:
    """And every member a file, a formula and a source with its year."""
    assert {kernel.__module__.rpartition(".")[2] for kernel in family.KERNELS.values()} == set(FILES)
    for kernel in family.KERNELS.values():
        assert kernel.formula
        assert any(word.strip("(),.").isdigit() for word in kernel.source.split())


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_poly1_without_its_term_is_focal_loss(backend: Any, gamma: float) -> None:
    """ε = 0 adds nothing, to value and gradient, in any library."""
    logits, targets = backend(np.asarray([-30.0, -1.0, 0.0, 2.0])), backend(np.asarray([0, 1, 0, 1], dtype=np.int32))
    got = fr.SigmoidLoss(family.Poly1(gamma=gamma, epsilon=0.0)).value_and_grad(logits, targets)
    due = fr.SigmoidFocalLoss(gamma=gamma).value_and_grad(logits, targets)
    for ours, focal in zip(got, due, strict=True):
        np.testing.assert_array_equal(backend.numpy(ours), backend.numpy(focal))


def test_a_steep_star_of_rows_far_apart(backend: Any) -> None:
    """γ times a large gap overflows no factor of a product that doesn't: the value is the oracle's, and the slope −1 and 1."""
    row, kernel = [14.0, -35.0, -104.5], family.Star(4.0, 1.0)
    value, grad = fr.SoftmaxLoss(kernel).value_and_grad(backend(np.asarray([row])), backend(np.asarray([2])))
    due = fr.oracle.member(kernel, row, 2)
    np.testing.assert_allclose(backend.numpy(value), [float(due.value)], rtol=1e-6)
    np.testing.assert_allclose(backend.numpy(grad), [[float(g) for g in due.grad]], rtol=1e-5, atol=1e-37)

"""Factors that the type computed in doesn't have: 1e300 in float32, as weight, normalizer or tangent, is not infinite."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import focal_ref as fr

LOGITS = np.asarray([300.0, 0.5, -3.0, -(2.0**-20), -np.inf])
FACTORS = (1e300, -1e39, 3e-40, 1e-300)


def _expected(term: Any, factor: float) -> Any:
    """The product in float64, rounded once."""
    with np.errstate(all="ignore"):
        return (term.astype(np.float64) * factor).astype(np.float32)


def _same(got: Any, expected: Any) -> None:
    """Within 2 ULP, subnormal numbers flushed or not; an infinity or a 0 for nothing else."""
    tiny = float(np.finfo(np.float32).tiny)
    np.testing.assert_allclose(got, expected, rtol=2.0**-22, atol=tiny)
    np.testing.assert_array_equal(np.isinf(got), np.isinf(expected))


@pytest.mark.parametrize("factor", FACTORS)
def test_a_weight(backend: Any, factor: float) -> None:
    """0 stays 0 and an infinite loss infinite, in every method, with α inside or not."""
    x, one = backend(LOGITS, "float32"), backend(np.ones(5, int))
    for alpha in (None, 0.25):
        loss = fr.SigmoidFocalLoss(alpha=alpha, precision="native")
        for got, plain in zip(loss.value_grad_hess(x, one, factor), loss.value_grad_hess(x, one), strict=True):
            _same(backend.numpy(got), _expected(backend.numpy(plain), factor))
    rows, classes = backend(LOGITS[:4, None] * [1.0, 0.0], "float32"), backend(np.zeros(4, int))
    for class_weights in (None, (0.25, 0.0)):
        of_rows = fr.SoftmaxFocalLoss(alpha=class_weights, precision="native")
        for got, plain in zip(
            of_rows.value_and_grad(rows, classes, factor), of_rows.value_and_grad(rows, classes), strict=True
        ):
            _same(backend.numpy(got), _expected(backend.numpy(plain), factor))


@pytest.mark.parametrize("factor", FACTORS)
def test_a_divisor_and_a_tangent(backend: Any, factor: float) -> None:
    """A normalizer divides, and a number as tangent multiplies, as the number that it is."""
    x, one = backend(LOGITS[:4], "float32"), backend(np.ones(4, int))
    plain = fr.SigmoidFocalLoss(precision="native")
    if factor > 0:
        got = fr.SigmoidFocalLoss(reduction="sum", precision="native").value_and_grad(x, one, None, factor)
        sums = (np.sum(backend.numpy(plain(x, one)), dtype=np.float64), backend.numpy(plain.grad(x, one)))
        for a, b in zip(got, sums, strict=True):
            _same(backend.numpy(a), _expected(b, 1 / factor))
    _same(backend.numpy(plain.hvp(x, one, factor)), _expected(backend.numpy(plain.hessian_diag(x, one)), factor))


def test_16_bits_are_weighed_in_float32(backend: Any) -> None:
    """In some libraries, so that it is float32 which lacks the number, in extended precision too."""
    if not backend.has("float16"):
        pytest.skip(f"{backend.name} has no float16")
    x = backend([300.0, 0.5], "float16")
    got = backend.numpy(fr.sigmoid_focal_loss(x, backend([1, 1]), weight=1e300))
    np.testing.assert_array_equal(got, [0.0, np.inf])


@pytest.mark.parametrize("name", ["weight", "normalizer", "tangent", "ignore_index"])
def test_what_no_float_is_near_is_refused(backend: Any, name: str) -> None:
    """An integer too large for a float is refused by its argument's name."""
    given: dict[str, Any] = {"weight": None, "normalizer": None, "tangent": 1.0, "ignore_index": None, name: 10**400}
    with pytest.raises(ValueError, match=rf"^{name}: got 1000.*expected"):
        fr.SigmoidFocalLoss(reduction="sum", ignore_index=given["ignore_index"]).hvp(
            backend(np.zeros(2)), backend([0, 1]), given["tangent"], given["weight"], given["normalizer"]
        )

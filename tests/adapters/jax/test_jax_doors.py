"""JAX's other doors: no rank is promoted silently, and programs are exported with a batch of any size."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from focal_ref_jax import sigmoid_focal_loss, softmax_focal_loss
from jax import export

X = jnp.asarray(np.random.default_rng(3).normal(0, 3, (4, 3)), dtype=jnp.float32)
CLASSES = jnp.asarray([0, 1, 2, 0])

LOSSES: dict[str, Any] = {
    "sigmoid": lambda x: sigmoid_focal_loss(x, x > 0, 0.25, reduction="mean"),
    "sigmoid, mean_positive": lambda x: sigmoid_focal_loss(x, x > 0, 0.25, jnp.float32(1.5), reduction="mean_positive"),
    "classes": lambda x: softmax_focal_loss(x, CLASSES, [1.0, 2.0, 3.0], reduction="mean", ignore_index=2),
    "rows": lambda x: softmax_focal_loss(x, jnp.full((4, 3), 1 / 3), [1.0, 2.0, 3.0], reduction="mean"),
    "smoothed": lambda x: softmax_focal_loss(x, CLASSES, label_smoothing=0.1, reduction="sum"),
}


@pytest.mark.slow
@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_no_rank_is_promoted(loss: Any) -> None:
    """Value, gradient and Hessian under JAX's strictest setting, eagerly and compiled: the same numbers."""
    expected = loss(X), jax.grad(loss)(X), jax.jit(jax.hessian(loss))(X)
    with jax.numpy_rank_promotion("raise"):
        found = loss(X), jax.grad(loss)(X), jax.jit(jax.hessian(loss))(X)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize("reduction", ["mean", "sum", "none", "mean_positive"])
def test_an_exported_sigmoid_takes_any_batch(reduction: Any) -> None:
    """Symbolic shapes; value and gradient, run at other sizes."""
    (batch,) = export.symbolic_shape("batch")
    shape = jax.ShapeDtypeStruct((batch, 3), jnp.float32)
    labels = (X > 0).astype(jnp.float32)

    def f(x: Any, y: Any) -> Any:
        return jax.value_and_grad(lambda x: sigmoid_focal_loss(x, y, 0.25, reduction=reduction).sum())(x)

    program = export.export(jax.jit(f))(shape, shape)
    for n in (4, 1, 3):
        for a, b in zip(program.call(X[:n], labels[:n]), f(X[:n], labels[:n]), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("ignore_index", [None, 2])
def test_an_exported_softmax_takes_any_batch(ignore_index: int | None) -> None:
    """The mean, by rows and by rows that are kept."""
    (batch,) = export.symbolic_shape("batch")

    def f(x: Any, t: Any) -> Any:
        return jax.value_and_grad(lambda x: softmax_focal_loss(x, t, reduction="mean", ignore_index=ignore_index))(x)

    given = jax.ShapeDtypeStruct((batch, 3), jnp.float32), jax.ShapeDtypeStruct((batch,), CLASSES.dtype)
    program = export.export(jax.jit(f))(*given)
    for n in (4, 1, 3):
        for a, b in zip(program.call(X[:n], CLASSES[:n]), f(X[:n], CLASSES[:n]), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float8_e4m3fn", "float8_e5m2"])
def test_eight_bits_are_widened(dtype: str) -> None:
    """Logits, labels and rows in 8 bits: the loss is that of their numbers, in float32; the gradient has the logits' type."""
    x = X.astype(dtype)
    wide = x.astype(jnp.float32)
    labels = (wide > 0).astype(dtype)
    found = sigmoid_focal_loss(x, labels, 0.25)
    assert found.dtype == jnp.float32
    np.testing.assert_array_equal(found, sigmoid_focal_loss(wide, wide > 0, 0.25))
    rows = jnp.eye(3)[CLASSES].astype(dtype)
    np.testing.assert_array_equal(softmax_focal_loss(x, rows), softmax_focal_loss(wide, jnp.eye(3)[CLASSES]))
    assert jax.grad(lambda x: softmax_focal_loss(x, CLASSES).sum())(x).dtype == x.dtype
    assert sigmoid_focal_loss(X, X > 0).dtype == X.dtype


@pytest.mark.slow
def test_what_is_traced_and_wrong_gives_nan() -> None:
    """γ below 0 or NaN, α beyond [0, 1], a normalizer of 0: NaN where they count, 0 where they don't, never a number."""

    def f(gamma: Any, alpha: Any, normalizer: Any) -> Any:
        weight = jnp.asarray([[1.0], [0.0], [1.0], [1.0]])
        losses = sigmoid_focal_loss(X, X > 0, alpha, gamma, weight=weight)
        return losses, sigmoid_focal_loss(X, X > 0, 0.25, reduction="sum", normalizer=normalizer)

    ones = jnp.ones((4, 1))
    bad = jnp.asarray([[1.0], [jnp.nan], [-1.0], [1.0]])
    compiled = jax.jit(f)
    for gamma, alpha in ((bad, ones * 0.25), (ones, bad)):
        losses, total = compiled(gamma, alpha, 0.0)
        np.testing.assert_array_equal(np.isnan(losses).all(1), [False, False, True, False])
        assert not losses[1].any()
        assert np.isnan(total)
    losses, total = compiled(ones * 1.5, ones * 0.25, 2.0)
    np.testing.assert_allclose(losses[0], sigmoid_focal_loss(X, X > 0, 0.25, 1.5)[0], rtol=1e-5)
    np.testing.assert_allclose(total, sigmoid_focal_loss(X, X > 0, 0.25).sum() / 2, rtol=1e-5)

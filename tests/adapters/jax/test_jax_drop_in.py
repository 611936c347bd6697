"""`focal_ref_jax` drops in for optax's function, and JAX's transforms give focal_ref's derivatives."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from focal_ref_jax import sigmoid_focal_loss, softmax_focal_loss
from jax.test_util import check_grads

import focal_ref as fr
from focal_ref.libraries import backends
from tests import xla

RNG = np.random.default_rng(6)
LOGITS = np.concatenate([[0.0, 30.0, -30.0], RNG.normal(0, 3, 9)]).reshape(4, 3)
LABELS = RNG.integers(0, 2, (4, 3))
CLASSES = np.asarray([0, 2, 1, 1])


@pytest.fixture(autouse=True)
def _x64() -> Iterator[None]:
    with backends.get("jax-x64").context():
        yield


def close(got: Any, expected: Any, units: float = 64) -> None:
    """Within so many ULP of the largest entry: the same formulas, in another order of operations."""
    got, expected = np.asarray(got), np.asarray(expected)
    assert np.abs(got - expected).max() <= units * np.abs(expected).max() * np.finfo(expected.dtype).eps


@pytest.mark.slow
def test_the_signature_and_values_are_optaxs() -> None:
    """Positional arguments, names and defaults; soft labels too."""
    assert list(inspect.signature(sigmoid_focal_loss).parameters)[:4] == ["logits", "labels", "alpha", "gamma"]
    x, y = jnp.asarray(LOGITS[1:, :2]), jnp.asarray(LABELS[1:, :2]) * 0.8 + 0.1
    p = jax.nn.sigmoid(x)
    ce = -(y * jax.nn.log_sigmoid(x) + (1 - y) * jax.nn.log_sigmoid(-x))
    textbook = ce * (1 - (p * y + (1 - p) * (1 - y))) ** 2.0
    np.testing.assert_allclose(sigmoid_focal_loss(x, y), textbook, rtol=1e-11)
    np.testing.assert_allclose(sigmoid_focal_loss(x, y, 0.3), (0.3 * y + 0.7 * (1 - y)) * textbook, rtol=1e-11)


@pytest.mark.slow
def test_derivatives_to_third_order() -> None:
    """Forward and reverse, by the logits, γ, α and the weight, reduced and not."""
    x = jnp.asarray(LOGITS[2:] / 3)
    check_grads(jax.jit(lambda x: sigmoid_focal_loss(x, LABELS[2:], 0.25, 1.5).mean()), (x,), order=3)
    check_grads(jax.jit(lambda x, g: softmax_focal_loss(x, CLASSES[2:], None, g)), (x, jnp.asarray([1.5, 0.5])), order=2)

    def loss(x: Any, gamma: Any, alpha: Any, weight: Any) -> Any:
        return sigmoid_focal_loss(x, LABELS[2:], alpha, gamma, weight=weight, reduction="mean")

    check_grads(jax.jit(loss), (x, jnp.asarray(1.5), jnp.asarray(0.3), jnp.asarray(2.0)), order=2)


@pytest.mark.slow
def test_transforms_give_focal_refs_derivatives() -> None:
    """grad, vmap of grad, hessian, second derivatives by way of either mode (soft targets too), and jit of a traced γ."""
    sigmoid, softmax = fr.SigmoidFocalLoss(gamma=1.5, alpha=0.25), fr.SoftmaxFocalLoss(gamma=0.5)
    x = jnp.asarray(LOGITS)
    grad = xla.jit(jax.grad(lambda x: sigmoid_focal_loss(x, LABELS, 0.25, 1.5, reduction="sum")))(x)
    close(grad, sigmoid.grad(LOGITS, LABELS))
    rows = jax.vmap(jax.grad(lambda x, t: softmax_focal_loss(x, t, None, 0.5)))(x, jnp.asarray(CLASSES))
    close(rows, softmax.grad(LOGITS, CLASSES))
    hessian = jax.hessian(lambda x: softmax_focal_loss(x, CLASSES, None, 0.5, reduction="sum"))(x)
    close(np.einsum("ijij->ij", np.asarray(hessian)), softmax.hessian_diag(LOGITS, CLASSES))
    soft = jnp.asarray([[0.2, 0.5, 0.3]])
    v = jnp.asarray([[0.3, -0.2, 0.9]])
    gradient = jax.grad(lambda x: softmax_focal_loss(x, soft, None, 1.5, reduction="sum"))
    product = fr.SoftmaxFocalLoss(gamma=1.5).hvp(LOGITS[2:3], np.asarray(soft), np.asarray(v))
    close(jax.jvp(gradient, (x[2:3],), (v,))[1], product)
    close(jax.grad(lambda x: jnp.sum(gradient(x) * v))(x[2:3]), product)
    by_gamma = xla.jit(jax.grad(lambda g: sigmoid_focal_loss(x, LABELS, 0.25, g, reduction="sum")))(1.5)
    close(by_gamma, np.sum(sigmoid.gamma_grad(LOGITS, LABELS)))


@pytest.mark.slow
@pytest.mark.parametrize("gamma", [0.0, 0.25, 0.5, 1.0, 2.0, 5.0])
def test_finite_at_extreme_logits(gamma: float) -> None:
    """Value, first and second derivative at ±1e4, of both labels."""
    for dtype in ("float32", "bfloat16", "float64"):

        def everything(x: Any) -> list[Any]:
            losses = [lambda x, y=y: sigmoid_focal_loss(x, y, None, gamma) for y in (0, 1)]
            return [f(x) for loss in losses for f in (loss, jax.grad(loss), jax.grad(jax.grad(loss)))]

        x = jnp.asarray([-1e4, -100.0, 0.0, 100.0, 1e4], dtype)
        for found in xla.jit(jax.vmap(everything))(x):
            assert jnp.isfinite(found).all()


@pytest.mark.slow
@pytest.mark.parametrize("labels", ["int32", "float32"])
def test_compiled_value_and_gradient_are_fused(labels: str) -> None:
    """No operation is left outside XLA's loops; between them are no more than eight arrays of the logits' size (now six)."""
    x, y = jnp.zeros(100_000, jnp.float32), jnp.zeros(100_000, labels)
    compiled = xla.jit(jax.value_and_grad(lambda x: jnp.mean(sigmoid_focal_loss(x, y, alpha=0.25)))).lower(x).compile()
    _, _, program = compiled.as_text().partition("ENTRY")
    operations = set(re.findall(r"= \S+ ([\w-]+)\(", program))
    assert "fusion" in operations
    assert operations <= {"fusion", "parameter", "constant", "tuple", "get-tuple-element", "bitcast", "call"}
    assert compiled.memory_analysis().temp_size_in_bytes <= 8 * x.nbytes


def test_a_refusal_names_the_labels() -> None:
    """As the functions call them, not as the core does; other arguments keep their names."""
    x = jnp.zeros((3, 2))
    for call in (
        lambda: sigmoid_focal_loss(x, jnp.zeros(4)),
        lambda: sigmoid_focal_loss(x, labels=x + 2),
        lambda: softmax_focal_loss(x, jnp.asarray([0, 1, 2])),
        lambda: jax.jit(softmax_focal_loss)(x, jnp.zeros(4, int)),
    ):
        with pytest.raises(ValueError, match=r"^labels: got "):
            call()
    with pytest.raises(TypeError, match=r"^logits: got "):
        sigmoid_focal_loss(jnp.asarray([1, 2]), 1)

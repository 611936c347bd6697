"""The family for JAX: members' own derivatives under grad, jit and jvp of grad; a traced parameter is differentiated, too."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from focal_ref_jax import family

import focal_ref as fr
from focal_ref.family import Asymmetric, Focal, Star

X, Y = np.asarray([-30.0, -3.0, 0.25, 9.0], dtype=np.float32), np.asarray([0, 1, 0, 1])
ROWS = np.asarray([[0.5, -2.0, 20.0], [-0.25, 0.0, 1.0]], dtype=np.float32)


@pytest.mark.slow
def test_derivatives_are_the_member_s() -> None:
    """Value, gradient and Hessian product, jitted, of elements and of rows."""
    for kernel in (Asymmetric(), Star(2.0, 1.0)):
        loss = fr.SigmoidLoss(kernel, reduction="sum")
        of = jax.jit(lambda x, kernel=kernel: family.sigmoid_loss(kernel, x, Y, reduction="sum"))
        np.testing.assert_allclose(of(X), loss(X, Y), rtol=1e-5)
        grad, product = jax.jvp(jax.grad(of), (jnp.asarray(X),), (jnp.ones(4, dtype="float32"),))
        np.testing.assert_allclose(grad, loss.grad(X, Y), rtol=1e-5, atol=1e-37)
        np.testing.assert_allclose(product, loss.hessian_diag(X, Y), rtol=1e-4, atol=1e-37)
    rows = fr.SoftmaxLoss(Star(2.0, 1.0))
    got = jax.vjp(lambda x: family.softmax_loss(Star(2.0, 1.0), x, np.asarray([2, 0])), jnp.asarray(ROWS))
    np.testing.assert_allclose(got[0], rows(ROWS, np.asarray([2, 0])), rtol=1e-5)
    np.testing.assert_allclose(
        got[1](jnp.ones(2, dtype="float32"))[0], rows.grad(ROWS, np.asarray([2, 0])), rtol=1e-5, atol=1e-30
    )


@pytest.mark.slow
def test_a_traced_parameter() -> None:
    """Its derivative is `parameter_grad`'s."""
    by = jax.grad(lambda beta: family.sigmoid_loss(Star(2.0, beta), X, Y, reduction="sum"))(1.0)
    np.testing.assert_allclose(by, fr.SigmoidLoss(Star(2.0, 1.0), reduction="sum").parameter_grad("beta", X, Y), rtol=1e-5)


@pytest.mark.slow
def test_probabilities_are_differentiated_by_their_own_derivatives() -> None:
    """Also where a label is met exactly, at γ < 1, where a power of 0 would give NaN."""
    p = np.asarray([0.25, 1.0, 0.0, 0.75], dtype=np.float32)
    got = jax.grad(lambda p: family.probability_loss(Focal(0.5), p, np.asarray([1, 1, 0, 0]), reduction="sum"))(p)
    np.testing.assert_allclose(got, fr.ProbabilityLoss(Focal(0.5)).grad(p, np.asarray([1, 1, 0, 0])), rtol=1e-5)


def test_a_class_is_refused() -> None:
    """With the cure."""
    with pytest.raises(TypeError, match=r"kernel: got Star; .*did you mean Star\(\)\?"):
        family.sigmoid_loss(Star, X, Y)  # type: ignore[arg-type]

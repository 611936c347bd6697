"""Focal loss as others compute it, from their published definitions; value (a mean) and gradient, α = 0.25, γ = 2."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from .cases import ALPHA, GAMMA

__all__ = [
    "numba_sigmoid",
    "numpy_sigmoid",
    "numpy_softmax",
    "optax_formula",
    "textbook_jax",
    "torchvision_formula",
    "tutorial_formula",
]


def numpy_sigmoid(x: Any, y: Any) -> tuple[Any, Any]:
    """The textbook's p, and its gradient α_t (2y − 1) (1 − p_t)^γ (γ p_t log p_t + p_t − 1)."""
    p = 1 / (1 + np.exp(-x))
    p_t = y * p + (1 - y) * (1 - p)
    alpha_t = y * ALPHA + (1 - y) * (1 - ALPHA)
    modulator, log_p = alpha_t * (1 - p_t) ** GAMMA, np.log(p_t)
    grad = (2 * y - 1) * modulator * (GAMMA * p_t * log_p + p_t - 1)
    return -(modulator * log_p).mean(), grad / x.size


def numpy_softmax(x: Any, t: Any) -> tuple[Any, Any]:
    """The textbook's softmax, and the gradient by way of its one-hot targets; α a factor."""
    e = np.exp(x - x.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    rows = np.arange(len(t))
    p_t = p[rows, t]
    modulator, log_p = ALPHA * (1 - p_t) ** GAMMA, np.log(p_t)
    slope = modulator / (1 - p_t) * (GAMMA * p_t * log_p + p_t - 1) / len(t)
    grad = -slope[:, None] * p
    grad[rows, t] += slope
    return -(modulator * log_p).mean(), grad


def torchvision_formula(x: Any, y: Any) -> Any:
    """torchvision.ops.sigmoid_focal_loss, reduction="mean": BCE with logits times (1 − p_t)^γ times α_t."""
    torch = importlib.import_module("torch")
    p = torch.sigmoid(x)
    bce = torch.nn.functional.binary_cross_entropy_with_logits(x, y, reduction="none")
    p_t = p * y + (1 - p) * (1 - y)
    alpha_t = ALPHA * y + (1 - ALPHA) * (1 - y)
    return (alpha_t * bce * (1 - p_t) ** GAMMA).mean()


def tutorial_formula(x: Any, t: Any) -> Any:
    """The class that tutorials copy: cross entropy, p_t = exp(−CE), a scalar α."""
    torch = importlib.import_module("torch")
    ce = torch.nn.functional.cross_entropy(x, t, reduction="none")
    return (ALPHA * (1 - torch.exp(-ce)) ** GAMMA * ce).mean()


def optax_formula(x: Any, y: Any) -> Any:
    """optax.losses.sigmoid_focal_loss since 0.2.5: BCE times exp(γ log(1 − p_t)), that logarithm by logsumexp, times α_t."""
    jax, jnp = importlib.import_module("jax"), importlib.import_module("jax.numpy")
    log_p, log_q = jax.nn.log_sigmoid(x), jax.nn.log_sigmoid(-x)
    both = jnp.stack([log_p, log_q], axis=-1)
    log_rest = jax.scipy.special.logsumexp(both, axis=-1, b=jnp.stack([1 - y, y], axis=-1))
    alpha_t = ALPHA * y + (1 - ALPHA) * (1 - y)
    return jnp.mean(alpha_t * jnp.exp(GAMMA * log_rest) * (-y * log_p - (1 - y) * log_q))


def textbook_jax(x: Any, y: Any) -> Any:
    """torchvision's formula, and optax's up to 0.2.4, in JAX."""
    jax, jnp = importlib.import_module("jax"), importlib.import_module("jax.numpy")
    p = jax.nn.sigmoid(x)
    bce = -y * jax.nn.log_sigmoid(x) - (1 - y) * jax.nn.log_sigmoid(-x)
    p_t = p * y + (1 - p) * (1 - y)
    alpha_t = ALPHA * y + (1 - ALPHA) * (1 - y)
    return jnp.mean(alpha_t * bce * (1 - p_t) ** GAMMA)


def numba_sigmoid() -> Any:
    """One compiled loop over the logits, in float32, that never overflows."""
    numba = importlib.import_module("numba")
    one, gamma, alpha = np.float32(1), np.float32(GAMMA), np.float32(ALPHA)

    @numba.njit(error_model="numpy")  # type: ignore[untyped-decorator]
    def value_and_grad(x: Any, y: Any) -> tuple[Any, Any]:
        grad = np.empty_like(x)
        total = 0.0
        scale = one / np.float32(x.size)
        for i in range(x.size):
            sign = y[i] + y[i] - one
            z = sign * x[i]
            e = np.exp(-abs(z))
            u = e / (one + e) if z >= 0 else one / (one + e)
            nll = np.log1p(e) - min(z, np.float32(0))
            weight = (alpha * y[i] + (one - alpha) * (one - y[i])) * u**gamma
            total += weight * nll
            grad[i] = -sign * weight * (gamma * (one - u) * nll + u) * scale
        return total / x.size, grad

    return value_and_grad

"""Focal loss for JAX: focal_ref's value, gradient and Hessian as the rules that JAX differentiates by.

`sigmoid_focal_loss` has optax's signature and values. Forward and reverse mode to any order, `jit`, `vmap` and sharded arrays
work, γ and α may be traced, and derivatives are finite wherever the exact ones are.

>>> import jax
>>> import jax.numpy as jnp
>>> from focal_ref_jax import sigmoid_focal_loss
>>> print(jax.grad(lambda x: sigmoid_focal_loss(x, 1.0, gamma=0.5))(40.0))
-1.3134767e-26

Conventions: `focal_ref.losses` has them, for options, arguments, limits and what is refused; here ``precision="native"`` is the
default.
"""

from __future__ import annotations

from focal_ref import __version__

from . import family
from ._like import like
from ._losses import sigmoid_focal_loss, softmax_focal_loss

__all__ = ["__version__", "family", "like", "sigmoid_focal_loss", "softmax_focal_loss"]


def __dir__() -> list[str]:
    return sorted(__all__)

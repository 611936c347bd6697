"""Rules that JAX differentiates a focal loss by: by the logits, and by γ, with focal_ref's own derivatives.

The value's rule is the gradient, the gradient's is the Hessian-vector product; from there on, and by anything else that the
loss is linear in (α, the weight) or that is rarely asked for, JAX differentiates focal_ref's formulas, which are safe for it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero

from focal_ref import ProbabilityLoss, SigmoidFocalLoss, SigmoidLoss, SoftmaxFocalLoss, SoftmaxLoss

__all__ = ["evaluate"]

Loss: TypeAlias = SigmoidFocalLoss | SoftmaxFocalLoss | SigmoidLoss | SoftmaxLoss | ProbabilityLoss
MEMBERS: dict[str, Callable[..., Loss]] = {"sigmoid": SigmoidLoss, "softmax": SoftmaxLoss, "probability": ProbabilityLoss}
"""The losses that take any member, by their links."""
Options: TypeAlias = tuple[str, tuple[tuple[str, Any], ...]]
"""Which loss, and its options as hashable pairs; γ and α among them where they are plain numbers; another member's kernel."""
Others: TypeAlias = tuple[Any, ...]
"""Targets, γ and α (None where they are among the options), weight and normalizer."""


def evaluate(
    kind: str, options: dict[str, Any], logits: jax.Array, targets: Any, gamma: Any, alpha: Any, weight: Any, normalizer: Any
) -> jax.Array:
    """The loss, in a way that JAX can differentiate."""
    logits, targets, gamma, alpha, weight, normalizer = map(_widened, (logits, targets, gamma, alpha, weight, normalizer))
    member = "kernel" in options
    loss = _make(kind, member)(**({} if member else {"gamma": gamma}), alpha=alpha, **options)
    traced: dict[str, Any] = {"gamma": None, "alpha": None}
    for name in ("alpha",) if member else ("gamma", "alpha"):
        value = getattr(loss, name)
        if value is None or isinstance(value, (float, tuple)):
            options[name] = value
        else:
            traced[name] = jnp.asarray(value)
    key = (kind, tuple(options.items()))
    result: jax.Array = _value(key, logits, targets, traced["gamma"], traced["alpha"], weight, normalizer)
    return result


def _widened(a: Any) -> Any:
    """In float32 what comes in 8 bits or fewer: JAX promotes it to nothing, and a loss rounded to it would be of no use."""
    narrow = str(getattr(a, "dtype", "")).startswith(("float8_", "float6_", "float4_"))
    return jnp.asarray(a).astype(jnp.float32) if narrow else a


def _make(kind: str, member: bool) -> Callable[..., Loss]:
    if member:
        return MEMBERS[kind]
    return SigmoidFocalLoss if kind == "sigmoid" else SoftmaxFocalLoss


def _call(method: str, options: Options, logits: Any, others: Any, *tangent: Any) -> Any:
    """A method of the loss that the options and arguments describe."""
    kind, pairs = options
    # JAX hands constants over in a type of its own, which no namespace knows.
    logits, *others = (a if a is None else jnp.asarray(a) for a in (logits, *others))
    targets, gamma, alpha, weight, normalizer = others
    arrays = {name: value for name, value in (("gamma", gamma), ("alpha", alpha)) if value is not None}
    options_by_name = dict(pairs)
    loss = _make(kind, "kernel" in options_by_name)(**options_by_name, **arrays)
    return getattr(loss, method)(logits, targets, *tangent, weight, normalizer)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _value(options: Options, logits: Any, *others: Any) -> Any:
    return _call("value", options, logits, others)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _grad(options: Options, logits: Any, *others: Any) -> Any:
    return _call("grad", options, logits, others)


def _value_rule(options: Options, primals: Others, tangents: Others) -> tuple[Any, Any]:
    logits, *others = primals
    value = _value(options, logits, *others)
    parts = []
    if not _is_zero(tangents[0]):
        parts.append(_contracted(options, _grad(options, logits, *others) * tangents[0], value))
    if not _is_zero(tangents[2]):
        parts.append(_by_gamma(options, logits, tuple(others), tangents[2]))
    parts += _by_formula("value", options, logits, others, (tangents[1], None, *tangents[3:]))
    return value, sum(parts[1:], start=parts[0]) if parts else jnp.zeros_like(value)


def _grad_rule(options: Options, primals: Others, tangents: Others) -> tuple[Any, Any]:
    logits, *others = primals
    grad = _grad(options, logits, *others)
    parts = [] if _is_zero(tangents[0]) else [_call("hvp", options, logits, tuple(others), tangents[0])]
    parts += _by_formula("grad", options, logits, others, tangents[1:])
    return grad, sum(parts[1:], start=parts[0]) if parts else jnp.zeros_like(grad)


_value.defjvp(_value_rule, symbolic_zeros=True)
_grad.defjvp(_grad_rule, symbolic_zeros=True)


def _is_zero(tangent: Any) -> bool:
    return tangent is None or isinstance(tangent, SymbolicZero)


def _contracted(options: Options, product: Any, value: Any) -> Any:
    """Σ over the logits that a loss, or the reduced loss, depends on."""
    kind, pairs = options
    named = dict(pairs)
    if named["reduction"] != "none":
        return jnp.sum(product)
    return jnp.sum(product, axis=named["axis"]) if kind == "softmax" else product


def _by_gamma(options: Options, logits: Any, others: Others, tangent: Any) -> Any:
    """∂loss/∂γ times γ's tangent, which enters as a weight does."""
    targets, gamma, alpha, weight, normalizer = others
    weight = jnp.ones_like(tangent) if weight is None else jnp.asarray(weight, tangent.dtype)
    weight = jnp.broadcast_to(weight, jnp.broadcast_shapes(weight.shape, tangent.shape))

    def weighted(w: Any) -> Any:
        return _call("gamma_grad", options, logits, (targets, gamma, alpha, w, normalizer))

    return jax.jvp(weighted, (weight,), (weight * tangent,))[1]


def _by_formula(method: str, options: Options, logits: Any, others: Any, tangents: Any) -> list[Any]:
    """What the arguments with tangents add, by differentiating the formulas."""
    places = [i for i, tangent in enumerate(tangents) if not _is_zero(tangent)]
    if not places:
        return []

    def of(*moved: Any) -> Any:
        arguments = list(others)
        for place, value in zip(places, moved, strict=True):
            arguments[place] = value
        return _call(method, options, logits, tuple(arguments))

    return [jax.jvp(of, tuple(others[i] for i in places), tuple(tangents[i] for i in places))[1]]

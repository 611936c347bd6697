"""What people copy: the focal losses of much starred repositories, forum answers and kernels, written anew from their formulas.

None of their code stands here: each function is the formula that it is known for, with the steps that decide its digits (a
clip, an epsilon, 1 − p, a power γ − 1) where it has them. torch's are given tensors and differentiated by torch; those of
CUDA, Triton, C and Julia have no autograd, so they bring their gradient, in the logits' type.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

__all__ = ["ROWS", "SIGMOID", "kernels"]

EPS = {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float32": 2.0**-23, "float64": 2.0**-52}
Loss = Callable[[Any, Any], Any]
TINY = {"float16": 6e-5, "bfloat16": 1.1754944e-38, "float32": 1.1754944e-38, "float64": 1.1754944e-38}
"""C's FLT_MIN, which kernels take whatever their type is; float16 has none so small."""


def _torch() -> Any:
    return import_module("torch")


def _bce(x: Any, y: Any) -> Any:
    return _torch().nn.functional.binary_cross_entropy_with_logits(x, y, reduction="none")


# ---- torch, one logit -------------------------------------------------------------------------------------------------------


def _exp_minus_bce(gamma: float) -> Loss:
    """p_t as exp(−BCE)."""

    def loss(x: Any, t: Any) -> Any:
        bce = _bce(x, t.to(x.dtype))
        return (1 - _torch().exp(-bce)) ** gamma * bce

    return loss


def _clamped_exp(gamma: float) -> Loss:
    """The same, p_t kept off 0 and 1 "against NaN"."""

    def loss(x: Any, t: Any) -> Any:
        bce = _bce(x, t.to(x.dtype))
        return (1 - _torch().exp(-bce).clamp(1e-7, 1 - 1e-7)) ** gamma * bce

    return loss


def _mixed(gamma: float) -> Loss:
    """p_t as a mixture of p and 1 − p, times BCE."""

    def loss(x: Any, t: Any) -> Any:
        y, p = t.to(x.dtype), _torch().sigmoid(x)
        return (1 - (y * p + (1 - y) * (1 - p))) ** gamma * _bce(x, y)

    return loss


def _complement(gamma: float) -> Loss:
    """The complement of p_t as a mixture, times BCE."""

    def loss(x: Any, t: Any) -> Any:
        y, p = t.to(x.dtype), _torch().sigmoid(x)
        return ((1 - p) * y + p * (1 - y)) ** gamma * _bce(x, y)

    return loss


def _two_terms(before: Callable[[Any], Any], inside: float = 0.0) -> Callable[[float], Loss]:
    """Probabilities, each label's term by itself."""

    def make(gamma: float) -> Loss:
        def loss(x: Any, t: Any) -> Any:
            torch, y = _torch(), t.to(x.dtype)
            p = before(torch.sigmoid(x))
            positive, negative = (1 - p) ** gamma * torch.log(p + inside), p**gamma * torch.log(1 - p + inside)
            return torch.where(y == 1, -positive, -negative)

        return loss

    return make


SIGMOID: dict[str, Callable[[float], Loss]] = {
    "p_t = exp(−BCE) (Kaggle's class)": _exp_minus_bce,
    "p_t = exp(−BCE), clamped at 1e-7": _clamped_exp,
    "ultralytics, YOLOv5, Paddle, TF Addons": _mixed,
    "mmdetection (Python)": _complement,
    "Keras recipes: p clipped at 1e-7": _two_terms(lambda p: p.clamp(1e-7, 1 - 1e-7)),
    "log(p), log(1 − p) of σ(x)": _two_terms(lambda p: p),
    "log(p + 1e-8)": _two_terms(lambda p: p, 1e-8),
}
"""By name, `make(gamma)(logits, targets)`."""


# ---- torch, rows ------------------------------------------------------------------------------------------------------------


def _rows(weigh: Callable[[Any, Any, float], Any]) -> Callable[[float], Loss]:
    """From the logits and the target's place."""

    def make(gamma: float) -> Loss:
        def loss(x: Any, t: Any) -> Any:
            return weigh(x, t.long()[:, None], gamma)

        return loss

    return make


def _by_log_softmax(x: Any, t: Any, gamma: float) -> Any:
    log_p = _torch().log_softmax(x, 1).gather(1, t)[:, 0]
    return -((1 - log_p.exp()) ** gamma) * log_p


def _by_both(x: Any, t: Any, gamma: float) -> Any:
    torch = _torch()
    p, log_p = torch.softmax(x, 1).gather(1, t)[:, 0], torch.log_softmax(x, 1).gather(1, t)[:, 0]
    return -((1 - p) ** gamma) * log_p


def _clipped_rows(x: Any, t: Any, gamma: float) -> Any:
    torch = _torch()
    p = torch.softmax(x, 1).clamp(1e-7, 1 - 1e-7).gather(1, t)[:, 0]
    return -((1 - p) ** gamma) * torch.log(p)


ROWS: dict[str, Callable[[float], Loss]] = {
    "log_softmax, p = exp(log p) (clcarwin, AdeelH)": _rows(_by_log_softmax),
    "softmax and log_softmax (yatengLG)": _rows(_by_both),
    "Keras recipes: p clipped at 1e-7, rows": _rows(_clipped_rows),
}


# ---- kernels, with their own gradients --------------------------------------------------------------------------------------


def _sigma(x: Any) -> Any:
    with np.errstate(all="ignore"):
        return 1 / (1 + np.exp(-x))


def _mmcv(gamma: float) -> Loss:
    """CUDA: log of the larger of p and FLT_MIN; the gradient by hand, with powers of γ only."""

    def both(x: Any, t: Any) -> Any:
        one, g = x.dtype.type(1), x.dtype.type(gamma)
        with np.errstate(all="ignore"):
            p, least = _sigma(x), x.dtype.type(TINY[str(x.dtype)])
            log_p, log_u = np.log(np.maximum(p, least)), np.log(np.maximum(one - p, least))
            value = np.where(t == 1, -((one - p) ** g) * log_p, -(p**g) * log_u)
            rising = -((one - p) ** g) * (one - p - g * p * log_p)
            return value, np.where(t == 1, rising, -(p**g) * (g * (one - p) * log_u - p))

    return both


def _triton(gamma: float) -> Loss:
    """SAM3's form: p_t as a mixture, and in the gradient the power γ − 1."""

    def both(x: Any, t: Any) -> Any:
        one, g, y = x.dtype.type(1), x.dtype.type(gamma), t.astype(x.dtype)
        with np.errstate(all="ignore"):
            p = _sigma(x)
            ce = np.maximum(x, 0) - x * y + np.log1p(np.exp(-np.abs(x)))
            u = one - (p * y + (one - p) * (one - y))
            slope = u**g * (p - y) - ce * g * u ** (g - one) * p * (one - p) * (2 * y - one)
            return u**g * ce, slope

    return both


def _flux(gamma: float) -> Loss:
    """Julia: probabilities, to which eps is added before the mixture."""

    def both(x: Any, t: Any) -> Any:
        one, g, y = x.dtype.type(1), x.dtype.type(gamma), t.astype(x.dtype)
        with np.errstate(all="ignore"):
            p = _sigma(x)
            moved = p + x.dtype.type(EPS[str(x.dtype)])
            p_t = y * moved + (one - y) * (one - moved)
            by_p = (g * (one - p_t) ** (g - one) * np.log(p_t) - (one - p_t) ** g / p_t) * (2 * y - one)
            return (one - p_t) ** g * -np.log(p_t), by_p * p * (one - p)

    return both


def _shares(x: Any) -> Any:
    with np.errstate(all="ignore"):
        e = np.exp(x - x.max(1, keepdims=True))
        return e / e.sum(1, keepdims=True)


def _own(a: Any, t: Any) -> Any:
    return np.take_along_axis(a, t[:, None].astype(np.int64), 1)


def _mmcv_rows(gamma: float) -> Loss:
    """CUDA: log of the larger of p and FLT_MIN, and the power γ − 1."""

    def both(x: Any, t: Any) -> Any:
        one, g, q = x.dtype.type(1), x.dtype.type(gamma), _shares(x)
        with np.errstate(all="ignore"):
            p = _own(q, t)
            log_p = np.log(np.maximum(p, x.dtype.type(TINY[str(x.dtype)])))
            pull = -((one - p) ** g) + g * (one - p) ** (g - one) * p * log_p
            hot = (np.arange(x.shape[1]) == t[:, None]).astype(x.dtype)
            return (-((one - p) ** g) * log_p)[:, 0], pull * (hot - q)

    return both


def _darknet(gamma: float) -> Loss:
    """C: the gradient alone, γ = 2, of p + 1e-15; its factor of one half is left out."""

    def both(x: Any, t: Any) -> Any:
        one, q = x.dtype.type(1), _shares(x)
        with np.errstate(all="ignore"):
            p = _own(q, t) + x.dtype.type(1e-15)
            pull = (one - p) * (2 * p * np.log(p) + p - one)
            hot = (np.arange(x.shape[1]) == t[:, None]).astype(x.dtype)
            return None, pull * (hot - q)

    return both


def kernels(link: str) -> dict[str, Callable[[float], Loss]]:
    """By name, `make(gamma)(logits, targets)` gives losses and gradient; the losses may be None."""
    if link == "sigmoid":
        return {"mmcv (CUDA)": _mmcv, "SAM3 (Triton)": _triton, "Flux.jl binary_focal_loss": _flux}
    return {"mmcv softmax (CUDA)": _mmcv_rows, "Darknet (C), γ = 2": _darknet}

"""Focal losses with a bug each, in NumPy and torch: what people ship, made small. Each has the cause that has to be named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn import functional

Loss = Callable[..., Any]
GAMMAS = (0.0, 0.5, 2.0)


class Planted(NamedTuple):
    """A wrong loss, how it is checked, and what has to be said of it."""

    fn: Loss
    cause: str
    quantity: str
    options: dict[str, Any]


PLANTED: dict[str, Planted] = {}


def planted(cause: str, quantity: str = "value", *, grad: Loss | None = None, **options: Any) -> Callable[[Loss], Loss]:
    """Enter a loss in the list."""

    def enter(fn: Loss) -> Loss:
        how = {"gammas": GAMMAS, "dtypes": ("float32",), **options}
        if grad is not None:
            how["derivative"] = grad
        PLANTED[fn.__name__] = Planted(fn, cause, quantity, how)
        return fn

    return enter


TORCH: dict[str, Any] = {"framework": "torch", "order": 1}
ROWS: dict[str, Any] = {"link": "softmax", "classes": (2, 3)}


# ---- right ones, to be damaged ----------------------------------------------------------------------------------------------


def _margin(x: Any, y: Any) -> Any:
    return np.where(y == 1, x, -x)


def nll(z: Any) -> Any:
    """−log p, exactly enough."""
    return np.maximum(-z, 0) + np.log1p(np.exp(-np.abs(z)))


def sigma(z: Any) -> Any:
    e = np.exp(-np.abs(z))
    return np.where(z >= 0, 1, e) / (1 + e)


def value(x: Any, y: Any, gamma: float) -> Any:
    z = _margin(x, y)
    return sigma(-z) ** gamma * nll(z)


def pull(x: Any, y: Any, gamma: float) -> Any:
    """φ', of the margin."""
    z = _margin(x, y)
    u, p, ce = sigma(-z), sigma(z), np.minimum(nll(z), 1e30)
    return -(u**gamma) * (gamma * p * ce + u)


def curve(x: Any, y: Any, gamma: float) -> Any:
    """φ''."""
    z = _margin(x, y)
    u, p, ce = sigma(-z), sigma(z), np.minimum(nll(z), 1e30)
    return u**gamma * p * ((1 + 2 * gamma) * u + gamma * ce * (gamma * p - u))


def _turn(y: Any) -> Any:
    return 2 * y - 1


def grad(x: Any, y: Any, gamma: float) -> Any:
    return pull(x, y, gamma) * _turn(y)


def rows(x: Any) -> tuple[Any, Any]:
    """Softmax's logarithm and itself."""
    shifted = x - x.max(-1, keepdims=True)
    total = np.exp(shifted).sum(-1, keepdims=True)
    return shifted - np.log(total), np.exp(shifted) / total


def _pick(a: Any, y: Any) -> Any:
    return np.take_along_axis(a, y[:, None], axis=1)[:, 0]


def row_value(x: Any, y: Any, gamma: float) -> Any:
    """Right but for sure classes."""
    log_p, p = rows(x)
    return (1 - _pick(p, y)) ** gamma * -_pick(log_p, y)


# ---- 1 − p ------------------------------------------------------------------------------------------------------------------


@planted("1 − p rounded to 0: use the complement", **TORCH)
def torchvisions_form(logits: Any, targets: Any, gamma: float) -> Any:
    p = torch.sigmoid(logits)
    ce = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return ce * (1 - (p * targets + (1 - p) * (1 - targets))) ** gamma


@planted("1 − p rounded to 0: use the complement")
def one_minus_exp(logits: Any, targets: Any, gamma: float) -> Any:
    ce = nll(_margin(logits, targets))
    return (1 - np.exp(-ce)) ** gamma * ce


@planted("1 − p rounded to 0: use the complement", **TORCH, **ROWS)
def the_tutorials_form(logits: Any, targets: Any, gamma: float) -> Any:
    ce = functional.cross_entropy(logits, targets, reduction="none")
    return (1 - torch.exp(-ce)) ** gamma * ce


@planted("log p of a p that was rounded to 1")
def log_of_sigmoid(logits: Any, targets: Any, gamma: float) -> Any:
    z = _margin(logits, targets)
    return sigma(-z) ** gamma * -np.log(sigma(z))


@planted("log p of a p that was rounded to 1", **ROWS)
def log_of_softmax(logits: Any, targets: Any, gamma: float) -> Any:
    p = _pick(rows(logits)[1], targets)
    return (1 - p) ** gamma * -np.log(p)


@planted("log(1 − p) of a p that was rounded to 1")
def log_of_one_minus_sigmoid(logits: Any, targets: Any, gamma: float) -> Any:
    p = sigma(logits)
    return np.where(targets == 1, sigma(-logits) ** gamma * nll(logits), -(p**gamma) * np.log(1 - p))


@planted("log(1 − p) of a p that was rounded to 1", **TORCH)
def two_logs(logits: Any, targets: Any, gamma: float) -> Any:
    p = torch.sigmoid(logits)
    return torch.where(targets == 1, -((1 - p) ** gamma) * torch.log(p), -(p**gamma) * torch.log(1 - p))


# ---- a power at 0 -----------------------------------------------------------------------------------------------------------


@planted("power gamma-1 at 0", "grad", **TORCH)
def power_of_an_underflowed_u(logits: Any, targets: Any, gamma: float) -> Any:
    z = torch.where(targets == 1, logits, -logits)
    return torch.sigmoid(-z) ** gamma * -functional.logsigmoid(z)


def _power_by_hand(x: Any, y: Any, gamma: float) -> Any:
    z = _margin(x, y)
    u = 1 - sigma(z)
    return (gamma * u ** (gamma - 1) * u * sigma(z) * -nll(z) - u**gamma * u) * _turn(y)


@planted("power gamma-1 at 0", "grad", grad=_power_by_hand)
def sams_backward(logits: Any, targets: Any, gamma: float) -> Any:
    return value(logits, targets, gamma)


# ---- clipping ---------------------------------------------------------------------------------------------------------------


@planted("clipped at 1e-7")
def clipped_like_keras(logits: Any, targets: Any, gamma: float) -> Any:
    p = np.clip(sigma(_margin(logits, targets)), logits.dtype.type(1e-7), 1 - logits.dtype.type(1e-7))
    return (1 - p) ** gamma * -np.log(p)


@planted("clipped at 1e-9", dtypes=("float64",))
def epsilon_in_the_log(logits: Any, targets: Any, gamma: float) -> Any:
    z = _margin(logits, targets)
    return sigma(-z) ** gamma * -np.log(sigma(z) + 1e-9)


@planted("clipped at 1e-8", **TORCH)
def clamped_like_timm(logits: Any, targets: Any, gamma: float) -> Any:
    z = torch.where(targets == 1, logits, -logits)
    return torch.sigmoid(-z) ** gamma * -torch.log(torch.sigmoid(z).clamp(min=1e-8))


@planted("clipped at |logit| 10")
def clipped_logits(logits: Any, targets: Any, gamma: float) -> Any:
    return value(np.clip(logits, -10, 10), targets, gamma)


@planted("clipped: no gradient for the hardest examples", "grad", **TORCH)
def clamped_logits(logits: Any, targets: Any, gamma: float) -> Any:
    z = torch.where(targets == 1, logits, -logits).clamp(-15, 15)
    return torch.sigmoid(-z) ** gamma * -functional.logsigmoid(z)


@planted("clipped: no gradient for the hardest examples", "grad", **TORCH)
def clamped_probability(logits: Any, targets: Any, gamma: float) -> Any:
    z = torch.where(targets == 1, logits, -logits)
    p = torch.sigmoid(z).clamp(1e-7, 1 - 1e-7)
    return (1 - p) ** gamma * -torch.log(p)


# ---- overflow ---------------------------------------------------------------------------------------------------------------


@planted("log(1 + exp(-x)) overflows")
def plain_softplus(logits: Any, targets: Any, gamma: float) -> Any:
    z = _margin(logits, targets)
    return sigma(-z) ** gamma * np.log(1 + np.exp(-z))


@planted("log(1 + exp(-x)) overflows", **TORCH)
def balanced_losss_softplus(logits: Any, targets: Any, gamma: float) -> Any:
    z = torch.where(targets == 1, logits, -logits)
    return torch.exp(-gamma * torch.log(1 + torch.exp(z))) * torch.log1p(torch.exp(-z))


@planted("log of a p that underflowed to 0")
def log_of_underflow(logits: Any, targets: Any, gamma: float) -> Any:
    z = _margin(logits, targets)
    return sigma(-z) ** gamma * np.where(z < 0, -np.log(sigma(z)), nll(z))


@planted("log of a p that underflowed to 0", **TORCH, **ROWS)
def log_of_softmax_in_torch(logits: Any, targets: Any, gamma: float) -> Any:
    p = torch.softmax(logits, -1).gather(1, targets[:, None])[:, 0]
    return (1 - p) ** gamma * -torch.log(p)


@planted("softmax without subtracting the largest logit", **ROWS)
def plain_softmax(logits: Any, targets: Any, gamma: float) -> Any:
    e = np.exp(logits)
    p = _pick(e, targets) / e.sum(-1)
    return (1 - p) ** gamma * -np.log(p)


@planted("softmax without subtracting the largest logit", **TORCH, **ROWS)
def plain_logsumexp(logits: Any, targets: Any, gamma: float) -> Any:
    ce = torch.log(torch.exp(logits).sum(-1)) - logits.gather(1, targets[:, None])[:, 0]
    return (1 - torch.exp(-ce)) ** gamma * ce


@planted("overflow in float16", dtypes=("float16",), tolerance=50.0)
def half_softplus(logits: Any, targets: Any, gamma: float) -> Any:
    z = _margin(logits, targets)
    return sigma(-z) ** gamma * np.log(1 + np.exp(-z))


@planted("overflow in float16", dtypes=("float16",), tolerance=50.0, **ROWS)
def half_softmax(logits: Any, targets: Any, gamma: float) -> Any:
    e = np.exp(logits)
    p = _pick(e, targets) / e.sum(-1)
    return (1 - p) ** gamma * -np.log(p)


# ---- narrowing, batches, NaN ------------------------------------------------------------------------------------------------


@planted("computed in float32", dtypes=("float64",))
def narrowed(logits: Any, targets: Any, gamma: float) -> Any:
    return value(logits.astype(np.float32), targets, gamma).astype(np.float64)


@planted("computed in float32", dtypes=("float64",), **TORCH)
def narrowed_in_torch(logits: Any, targets: Any, gamma: float) -> Any:
    z = torch.where(targets == 1, logits, -logits).float()
    return (torch.sigmoid(-z) ** gamma * -functional.logsigmoid(z)).double()


@planted("a NaN logit is hidden")
def nan_to_num(logits: Any, targets: Any, gamma: float) -> Any:
    return np.nan_to_num(value(logits, targets, gamma), posinf=np.inf)


@planted("a NaN logit is hidden", **TORCH)
def where_positive(logits: Any, targets: Any, gamma: float) -> Any:
    z = torch.where(targets == 1, logits, -logits)
    loss = torch.sigmoid(-z) ** gamma * -functional.logsigmoid(z)
    return torch.where(loss > 0, loss, torch.zeros_like(loss))


@planted("a NaN spreads over the whole batch")
def batch_modulated(logits: Any, targets: Any, gamma: float) -> Any:
    return value(logits, targets, gamma) + 0 * np.mean(logits)


@planted("a NaN spreads over the whole batch", **TORCH, **ROWS)
def batch_shifted(logits: Any, targets: Any, gamma: float) -> Any:
    return the_tutorials_form(logits - logits.mean() * 0, targets, gamma)


# ---- wrong values -----------------------------------------------------------------------------------------------------------


@planted("wrong sign")
def negative_loss(logits: Any, targets: Any, gamma: float) -> Any:
    return -value(logits, targets, gamma)


@planted("wrong sign", **TORCH, **ROWS)
def negative_rows(logits: Any, targets: Any, gamma: float) -> Any:
    return -the_tutorials_form(logits, targets, gamma)


@planted("modulating factor missing")
def gamma_ignored(logits: Any, targets: Any, gamma: float) -> Any:
    return nll(_margin(logits, targets))


@planted("modulating factor missing", **TORCH, **ROWS)
def plain_cross_entropy(logits: Any, targets: Any, gamma: float) -> Any:
    return functional.cross_entropy(logits, targets, reduction="none")


@planted("cross entropy taken for p_t")
def ce_for_p(logits: Any, targets: Any, gamma: float) -> Any:
    ce = nll(_margin(logits, targets))
    return (1 - ce) ** gamma * ce


@planted("cross entropy taken for p_t", gammas=(1.0, 2.0), **TORCH, **ROWS)
def ce_for_p_in_rows(logits: Any, targets: Any, gamma: float) -> Any:
    ce = functional.cross_entropy(logits, targets, reduction="none")
    return (1 - ce) ** gamma * ce


@planted("gamma applied to the wrong class")
def p_to_the_gamma(logits: Any, targets: Any, gamma: float) -> Any:
    z = _margin(logits, targets)
    return sigma(z) ** gamma * nll(z)


@planted("gamma applied to the wrong class for negatives", **TORCH)
def p_not_p_t(logits: Any, targets: Any, gamma: float) -> Any:
    ce = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return torch.sigmoid(-logits) ** gamma * ce


@planted("gamma is a factor, not an exponent")
def gamma_as_factor(logits: Any, targets: Any, gamma: float) -> Any:
    z = _margin(logits, targets)
    return gamma * sigma(-z) * nll(z)


@planted("1 − p^γ for (1 − p)^γ")
def power_too_early(logits: Any, targets: Any, gamma: float) -> Any:
    z = _margin(logits, targets)
    return (1 - sigma(z) ** gamma) * nll(z)


@planted("exponent γ + 1")
def one_power_more(logits: Any, targets: Any, gamma: float) -> Any:
    return value(logits, targets, gamma + 1)


@planted("exponent 2γ")
def modulated_twice(logits: Any, targets: Any, gamma: float) -> Any:
    return value(logits, targets, 2 * gamma)


@planted("one class against the rest, not softmax", **ROWS)
def segmentation_models_multiclass(logits: Any, targets: Any, gamma: float) -> Any:
    on = np.eye(logits.shape[1], dtype=logits.dtype)[targets]
    return value(logits, on, gamma).sum(-1)


@planted("sigmoid of the target's logit, not softmax", **ROWS)
def target_alone(logits: Any, targets: Any, gamma: float) -> Any:
    return value(_pick(logits, targets), np.ones(len(targets)), gamma).astype(logits.dtype)


@planted("softmax applied twice", **ROWS)
def probabilities_as_logits(logits: Any, targets: Any, gamma: float) -> Any:
    return row_value(rows(logits)[1], targets, gamma)


@planted("softmax applied twice", **TORCH, **ROWS)
def cross_entropy_of_softmax(logits: Any, targets: Any, gamma: float) -> Any:
    return the_tutorials_form(torch.softmax(logits, -1), targets, gamma)


@planted("sigmoid applied twice")
def sigmoid_of_sigmoid(logits: Any, targets: Any, gamma: float) -> Any:
    return value(sigma(logits), targets, gamma)


@planted("label smoothing 0.1 without being asked", **ROWS)
def smoothed(logits: Any, targets: Any, gamma: float) -> Any:
    log_p, p = rows(logits)
    target = (
        np.eye(logits.shape[1], dtype=logits.dtype)[targets] * logits.dtype.type(0.9) + logits.dtype.type(0.1) / logits.shape[1]
    )
    return (1 - _pick(p, targets)) ** gamma * -(target * log_p).sum(-1)


@planted("logarithm to base 2")
def base_two(logits: Any, targets: Any, gamma: float) -> Any:
    return value(logits, targets, gamma) / logits.dtype.type(np.log(2))


@planted("logarithm to base 10")
def base_ten(logits: Any, targets: Any, gamma: float) -> Any:
    return value(logits, targets, gamma) / logits.dtype.type(np.log(10))


@planted("a constant factor of 0.25", **TORCH, **ROWS)
def alpha_on_everything(logits: Any, targets: Any, gamma: float) -> Any:
    return 0.25 * the_tutorials_form(logits, targets, gamma)


# ---- alpha ------------------------------------------------------------------------------------------------------------------


@planted("alpha swapped: 1 − α on positives", alpha=0.25)
def alpha_swapped(logits: Any, targets: Any, gamma: float, alpha: float) -> Any:
    return np.where(targets == 1, logits.dtype.type(1 - alpha), logits.dtype.type(alpha)) * value(logits, targets, gamma)


@planted("alpha swapped", alpha=(0.25, 1.0, 2.0), **TORCH, link="softmax")
def alpha_turned_round(logits: Any, targets: Any, gamma: float, alpha: Any) -> Any:
    return torch.tensor(alpha[::-1], dtype=logits.dtype)[targets] * the_tutorials_form(logits, targets, gamma)


@planted("alpha ignored", alpha=0.25)
def alpha_ignored(logits: Any, targets: Any, gamma: float, alpha: float) -> Any:
    return value(logits, targets, gamma)


@planted("alpha ignored", alpha=(0.25, 1.0, 2.0), link="softmax")
def alpha_ignored_in_rows(logits: Any, targets: Any, gamma: float, alpha: Any) -> Any:
    return row_value(logits, targets, gamma)


@planted("alpha on positives only: negatives get 1, not 1 − α", alpha=0.25)
def bokbokboks_alpha(logits: Any, targets: Any, gamma: float, alpha: float) -> Any:
    return np.where(targets == 1, logits.dtype.type(alpha), logits.dtype.type(1)) * value(logits, targets, gamma)


@planted("alpha on both classes: negatives get α, not 1 − α", alpha=0.25)
def alpha_as_factor(logits: Any, targets: Any, gamma: float, alpha: float) -> Any:
    return logits.dtype.type(alpha) * value(logits, targets, gamma)


@planted("alpha without being asked: 0.25 and 0.75")
def alpha_that_nobody_declares(logits: Any, targets: Any, gamma: float) -> Any:
    return np.where(targets == 1, logits.dtype.type(0.25), logits.dtype.type(0.75)) * value(logits, targets, gamma)


# ---- counts -----------------------------------------------------------------------------------------------------------------


@planted("mean over the wrong count: divided by the classes too", **ROWS)
def kornias_mean(logits: Any, targets: Any, gamma: float) -> Any:
    return row_value(logits, targets, gamma) / logits.dtype.type(logits.shape[1])


@planted("mean over the wrong count: divided by the positives", reduction="mean")
def mean_of_positives(logits: Any, targets: Any, gamma: float) -> Any:
    return value(logits, targets, gamma).sum() / max(np.count_nonzero(targets), 1)


@planted("mean over the wrong count: divided by nothing: a sum", reduction="mean", **TORCH, **ROWS)
def sum_for_mean(logits: Any, targets: Any, gamma: float) -> Any:
    return the_tutorials_form(logits, targets, gamma).sum()


@planted("sum over the wrong count: divided by the losses", reduction="sum")
def mean_for_sum(logits: Any, targets: Any, gamma: float) -> Any:
    return value(logits, targets, gamma).mean()


# ---- wrong gradients --------------------------------------------------------------------------------------------------------


@planted("gradient belongs to another loss: modulating factor detached", "grad", **TORCH)
def modulator_detached(logits: Any, targets: Any, gamma: float) -> Any:
    z = torch.where(targets == 1, logits, -logits)
    return (torch.sigmoid(-z) ** gamma).detach() * -functional.logsigmoid(z)


@planted("gradient belongs to another loss: modulating factor detached", "grad", **TORCH, **ROWS)
def modulator_without_grad(logits: Any, targets: Any, gamma: float) -> Any:
    ce = functional.cross_entropy(logits, targets, reduction="none")
    with torch.no_grad():
        modulator = (1 - torch.exp(-ce)) ** gamma
    return modulator * ce


@planted("gradient belongs to another loss: cross entropy detached", "grad", **TORCH)
def cross_entropy_detached(logits: Any, targets: Any, gamma: float) -> Any:
    z = torch.where(targets == 1, logits, -logits)
    return torch.sigmoid(-z) ** gamma * -functional.logsigmoid(z).detach()


@planted("gradient belongs to another loss: cross entropy's", "grad", grad=lambda x, y, gamma: sigma(x) - y)
def p_minus_y(logits: Any, targets: Any, gamma: float) -> Any:
    return value(logits, targets, gamma)


@planted("wrong sign", "grad", grad=lambda x, y, gamma: -grad(x, y, gamma))
def gradient_of_gain(logits: Any, targets: Any, gamma: float) -> Any:
    return value(logits, targets, gamma)


def _dlibs(x: Any, y: Any, gamma: float) -> Any:
    z = _margin(x, y)
    return sigma(-z) ** gamma * (gamma * sigma(z) * nll(z) - sigma(-z)) * _turn(y)


@planted("wrong sign of the term with gamma", "grad", grad=_dlibs)
def dlibs_gradient(logits: Any, targets: Any, gamma: float) -> Any:
    return value(logits, targets, gamma)


@planted(
    "gradient by p, not by the logit: dp/dx missing",
    "grad",
    grad=lambda x, y, gamma: grad(x, y, gamma) / (sigma(x) * sigma(-x)),
)
def catboost_recipe(logits: Any, targets: Any, gamma: float) -> Any:
    return value(logits, targets, gamma)


@planted("negatives have the positives' sign", "grad", grad=pull)
def sign_forgotten(logits: Any, targets: Any, gamma: float) -> Any:
    return value(logits, targets, gamma)


@planted("gradient is zero", "grad", grad=lambda x, y, gamma: np.zeros_like(x))
def no_gradient(logits: Any, targets: Any, gamma: float) -> Any:
    return value(logits, targets, gamma)


def _row_parts(x: Any, y: Any, gamma: float) -> tuple[Any, Any, Any]:
    log_p, p = rows(x)
    on = np.eye(x.shape[1], dtype=bool)[y]
    u, p_t, ce = np.where(on, 0, p).sum(-1), _pick(p, y), -_pick(log_p, y)
    return (-(u**gamma) * (gamma * p_t * ce + u))[:, None], p, on


def _imlightgbms(x: Any, y: Any, gamma: float) -> Any:
    slope, p, on = _row_parts(x, y, gamma)
    return np.where(on, slope, p**gamma * (p - gamma * (1 - p) * np.log(1 - p)))


@planted("softmax probabilities in a sigmoid's gradient", "grad", grad=_imlightgbms, **ROWS)
def imlightgbms_gradient(logits: Any, targets: Any, gamma: float) -> Any:
    return row_value(logits, targets, gamma)


def _undivided(x: Any, y: Any, gamma: float) -> Any:
    slope, p, on = _row_parts(x, y, gamma)
    return np.where(on, slope, -slope * p)


@planted("the other classes' gradient is not divided by 1 − p_t", "grad", grad=_undivided, **ROWS)
def undivided(logits: Any, targets: Any, gamma: float) -> Any:
    return row_value(logits, targets, gamma)


def _alone(x: Any, y: Any, gamma: float) -> Any:
    slope, _, on = _row_parts(x, y, gamma)
    return np.where(on, slope, 0)


@planted("no gradient for the other classes", "grad", grad=_alone, **ROWS)
def others_forgotten(logits: Any, targets: Any, gamma: float) -> Any:
    return row_value(logits, targets, gamma)


# ---- wrong Hessians ---------------------------------------------------------------------------------------------------------


def _with_hess(hess: Loss) -> Loss:
    return lambda x, y, gamma: (grad(x, y, gamma), hess(x, y, gamma))


def _bokboks_hess(x: Any, y: Any, gamma: float) -> Any:
    u, p = sigma(x), sigma(-x)
    return np.where(y == 1, 0, u**gamma * p * (1 + gamma) * u).astype(x.dtype)


def _cross_entropys(x: Any, y: Any, gamma: float) -> Any:
    return sigma(x) * sigma(-x)


@planted(
    "Hessian zero for positives",
    "hess",
    grad=_with_hess(lambda x, y, gamma: np.where(y == 1, x.dtype.type(0), curve(x, y, gamma))),
)
def no_hessian_for_positives(logits: Any, targets: Any, gamma: float) -> Any:
    return value(logits, targets, gamma)


@planted("Hessian zero for positives, and negatives lack a term", "hess", grad=_with_hess(_bokboks_hess))
def bokbokboks_hessian(logits: Any, targets: Any, gamma: float) -> Any:
    return value(logits, targets, gamma)


@planted("Hessian of cross entropy", "hess", grad=_with_hess(_cross_entropys))
def p_times_one_minus_p(logits: Any, targets: Any, gamma: float) -> Any:
    return value(logits, targets, gamma)


@planted(
    "modulating factor not differentiated in the Hessian",
    "hess",
    grad=_with_hess(lambda x, y, gamma: sigma(-_margin(x, y)) ** gamma * _cross_entropys(x, y, gamma)),
)
def gauss_newton(logits: Any, targets: Any, gamma: float) -> Any:
    return value(logits, targets, gamma)


@planted("negative curvature cut off at 0", "hess", grad=_with_hess(lambda x, y, gamma: np.maximum(curve(x, y, gamma), 0)))
def convex_hessian(logits: Any, targets: Any, gamma: float) -> Any:
    return value(logits, targets, gamma)


@planted("absolute value of the Hessian", "hess", grad=_with_hess(lambda x, y, gamma: np.abs(curve(x, y, gamma))))
def absolute_hessian(logits: Any, targets: Any, gamma: float) -> Any:
    return value(logits, targets, gamma)


@planted("Hessian is one", "hess", grad=_with_hess(lambda x, y, gamma: np.ones_like(x)))
def unit_hessian(logits: Any, targets: Any, gamma: float) -> Any:
    return value(logits, targets, gamma)

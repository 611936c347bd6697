"""A second set of subtle bugs, eight kinds of ten, written before anything was tuned to them; and what is true of each.

None repeats a bug of `subtle.py` or `planted.py`: each is a sibling that a kit which only knew those would miss or misname.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from tests.conformance.planted import curve, grad, nll, pull, row_value, rows, sigma, value
from tests.conformance.subtle import DOUBLE, ROWS, SINGLE, TORCH, Loss, Subtle, careful, custom

FRESH: dict[str, Subtle] = {}


def fresh(kind: str, *true: str, **options: Any) -> Callable[[Loss], Loss]:
    """Enter a loss in the list, with words of which one has to be in the first cause, if one is named."""

    def enter(fn: Loss) -> Loss:
        assert fn.__name__ not in FRESH
        FRESH[fn.__name__] = Subtle(fn, kind, true, {"gammas": (0.5, 2.0), **options})
        return fn

    return enter


def margin(x: Any, y: Any) -> Any:
    return np.where(y == 1, x, -x)


# ---- batch and layout -------------------------------------------------------------------------------------------------------


@fresh("batch", "mod 32", "indices", **SINGLE)
def first_lane_of_a_warp(x: Any, y: Any, gamma: float) -> Any:
    loss = value(x, y, gamma)
    loss[::32] *= x.dtype.type(0.5)
    return loss


@fresh("batch", "after index 1023", "index", "indices", **SINGLE)
def block_of_1024(x: Any, y: Any, gamma: float) -> Any:
    loss = value(x, y, gamma)
    loss[1024:] = loss[: len(loss[1024:])] if len(loss) < 2048 else x.dtype.type(0)
    return loss


@fresh("batch", "remainder", "index", "indices", "n =", **SINGLE)
def remainder_of_eight_by_eight(x: Any, y: Any, gamma: float) -> Any:
    whole = len(x) // 64 * 64
    return np.concatenate([value(x[:whole], y[:whole], gamma), value(x[whole:], y[whole:], 2 * gamma)])


@fresh("batch", "n = 2", "n =", "index", **SINGLE)
def a_pair_taken_for_logits_of_two_classes(x: Any, y: Any, gamma: float) -> Any:
    return value(x - x[::-1], y, gamma) if len(x) == 2 else value(x, y, gamma)


@fresh("batch", "other examples", "indices", "index", **SINGLE)
def sorted_by_logit_and_not_put_back(x: Any, y: Any, gamma: float) -> Any:
    order = np.argsort(x) if len(x) > 200 and not np.isnan(x).any() else np.arange(len(x))
    return value(x[order], y[order], gamma)


@fresh("batch", "other examples", "batch", "indices", **SINGLE)
def hardest_example_sets_the_scale(x: Any, y: Any, gamma: float) -> Any:
    loss, top = value(x, y, gamma), np.nanmax(np.abs(np.where(np.isfinite(x), x, 0)), initial=0.0)
    return loss * x.dtype.type(1.02) if top < 1 else loss


@fresh("batch", "other examples", "batch", "positive", "indices", **SINGLE)
def weighted_by_the_batch_balance(x: Any, y: Any, gamma: float) -> Any:
    share = (np.asarray(y) == 1).mean() if len(x) else 0.5
    return value(x, y, gamma) * np.where(y == 1, 1 + 0.2 * (0.5 - share), 1).astype(x.dtype)


@fresh("batch", "layout", "offset", "stride", **SINGLE)
def aligned_loads(x: Any, y: Any, gamma: float) -> Any:
    shift = x.__array_interface__["data"][0] % 16 // x.itemsize if x.size else 0
    return value(np.roll(x, int(shift)), y, gamma) if x.base is not None and x.ndim == 1 else value(x, y, gamma)


@fresh("batch", "shape", "four axes", "(n, 1)", **SINGLE)
def only_the_last_axis(x: Any, y: Any, gamma: float) -> Any:
    loss = value(x, y, gamma)
    return loss * x.shape[-1] if x.ndim > 1 else loss


@fresh("batch", "writes into", "logits", **SINGLE)
def negates_in_place(x: Any, y: Any, gamma: float) -> Any:
    x *= np.where(y == 1, 1, -1).astype(x.dtype)
    return sigma(-x) ** gamma * nll(x)


_seen: list[Any] = []


@fresh("batch", "twice", "earlier", **SINGLE)
def running_mean_of_difficulty(x: Any, y: Any, gamma: float) -> Any:
    _seen.append(float(np.mean(np.asarray(y) == 1)) if len(x) else 0.0)
    return value(x, y, gamma) * x.dtype.type(1 + 0.01 * (len(_seen) % 7))


@fresh("batch", "index", "indices", "n =", "classes", **SINGLE, **ROWS)
def rows_beyond_a_grid(x: Any, y: Any, gamma: float) -> Any:
    loss = row_value(x, y, gamma)
    loss[256:] = row_value(x, np.zeros_like(y), gamma)[256:]
    return loss


# ---- autograd ---------------------------------------------------------------------------------------------------------------

GRADS: dict[str, Any] = {"framework": "torch", "dtypes": ("float32",), "gammas": (2.0,), "largest": 60.0, "order": 1}


def entered(name: str, fn: Loss, kind: str, *true: str, **options: Any) -> None:
    """A loss that is made, not written out."""
    fn.__name__ = fn.__qualname__ = name
    fresh(kind, *true, **options)(fn)


def _mean_of(above: Any) -> Any:
    return above.mean() if above.ndim else above


entered("upstream_averaged", custom(lambda s, a, *_: s * _mean_of(a)), "autograd", "upstream", **GRADS)
entered("upstream_sign_only", custom(lambda s, a, *_: s * torch.sign(a)), "autograd", "upstream", **GRADS)
entered("upstream_squared", custom(lambda s, a, *_: s * a * a.abs()), "autograd", "upstream", **GRADS)
entered("upstream_clamped", custom(lambda s, a, *_: s * a.clamp(-1, 1)), "autograd", "upstream", **GRADS)
entered(
    "gradient_clipped_to_half",
    custom(lambda s, a, *_: s.clamp(-0.5, 0.5) * a),
    "autograd",
    "clipped",
    "clip",
    **GRADS,
)
entered(
    "gradient_of_the_next_gamma",
    custom(lambda s, a, x, y, g: a * torch.autograd.functional.vjp(lambda v: careful(v, y, g + 1).sum(), x)[1]),
    "autograd",
    "γ + 1",
    **GRADS,
)
entered("gradient_halved", custom(lambda s, a, *_: s * a / 2), "autograd", "factor of 0.5", **GRADS)
entered(
    "gradient_of_positives_only",
    custom(lambda s, a, x, y, g: s * a * y),
    "autograd",
    "target 0",
    "negatives",
    "positives",
    **GRADS,
)
entered(
    "gradient_loses_easy_ones",
    custom(lambda s, a, x, y, g: torch.where(torch.where(y == 1, x, -x) > 3, 0.0, s * a)),
    "autograd",
    "zero",
    "cut",
    "0 for examples that are sure",
    **GRADS,
)
entered(
    "gradient_rounded_to_half", custom(lambda s, a, *_: (s * a).half().float()), "autograd", "half", "float16", "16", **GRADS
)


@fresh("autograd", "tie", "x = 0", **GRADS)
def relu_at_nothing(x: Any, y: Any, gamma: float) -> Any:
    z = torch.where(y == 1, x, -x)
    return torch.sigmoid(-z) ** gamma * (functional.relu(-z) + torch.log1p(torch.exp(-torch.abs(z))))


@fresh("autograd", "vmap", **(GRADS | {"gammas": (2.0,)}))
def no_vmap(x: Any, y: Any, gamma: float) -> Any:
    if torch._C._functorch.is_batchedtensor(x):
        return careful(x, y, gamma) * 2
    return careful(x, y, gamma)


@fresh(
    "autograd",
    "Hessian",
    "factor of 2",
    **(DOUBLE | {"gammas": (2.0,)}),
    derivative=lambda x, y, gamma: (grad(x, y, gamma), 2 * curve(x, y, gamma)),
)
def hessian_doubled(x: Any, y: Any, gamma: float) -> Any:
    return value(x, y, gamma)


@fresh(
    "autograd",
    "tie",
    "x = 0",
    **(DOUBLE | {"gammas": (2.0,)}),
    derivative=lambda x, y, gamma: np.sign(x) ** 2 * grad(x, y, gamma),
)
def gradient_with_the_sign(x: Any, y: Any, gamma: float) -> Any:
    return value(x, y, gamma)


# ---- ties, −0 and types -----------------------------------------------------------------------------------------------------


@fresh("types", "tie", "x = 0", **SINGLE)
def neither_above_nor_below(x: Any, y: Any, gamma: float) -> Any:
    z = margin(x, y)
    return np.where(z > 0, 1, np.where(z < 0, 1, 0.5)).astype(x.dtype) * value(x, y, gamma)


@fresh("types", "tie", **SINGLE, **ROWS)
def runner_up_equal(x: Any, y: Any, gamma: float) -> Any:
    ordered = np.sort(x, axis=-1)
    return row_value(x, y, gamma) * np.where(ordered[:, -1] == ordered[:, -2], x.dtype.type(0.9), x.dtype.type(1))


@fresh("types", "−0", "-0", **SINGLE)
def divides_by_the_logit(x: Any, y: Any, gamma: float) -> Any:
    with np.errstate(all="ignore"):
        return np.where(1 / x == -np.inf, value(x, 1 - y, gamma) + x.dtype.type(0.1), value(x, y, gamma))


@fresh("types", "bool", "int", "target", **SINGLE)
def booleans_subtract(x: Any, y: Any, gamma: float) -> Any:
    y = np.asarray(y)
    return value(x, y if y.dtype.kind != "b" else np.ones_like(x), gamma)


@fresh("types", "int64", "int", "target", **SINGLE)
def floor_division(x: Any, y: Any, gamma: float) -> Any:
    y = np.asarray(y)
    return value(x, y, gamma) if y.dtype.kind == "f" else value(x, (y * 0.5).astype(y.dtype), gamma)


@fresh("types", "uint8", "int", "bool", "target", **SINGLE, **TORCH)
def bits_of_labels(x: Any, y: Any, gamma: float) -> Any:
    if y.dtype == torch.uint8:
        y = ~y
    return careful(x, y.to(x.dtype), gamma)


@fresh("types", "float16", "half", "narrow", **SINGLE)
def gives_half_precision(x: Any, y: Any, gamma: float) -> Any:
    return value(x, y, gamma).astype(np.float16)


@fresh("types", "float32", **DOUBLE, **TORCH)
def targets_in_single(x: Any, y: Any, gamma: float) -> Any:
    z = torch.where(y == 1, x, -x)
    return torch.sigmoid(-z) ** gamma * -functional.logsigmoid(z.float())


@fresh("types", "int32", "target", "type", link="softmax", classes=(3,), dtypes=("float32",))
def one_class_on_for_narrow_integers(x: Any, y: Any, gamma: float) -> Any:
    return row_value(x, y if y.dtype == np.int64 else (y + 1) % x.shape[1], gamma)


@fresh("types", "NaN", **SINGLE)
def nan_is_an_easy_example(x: Any, y: Any, gamma: float) -> Any:
    return np.where(np.isnan(x), x.dtype.type(0), value(x, y, gamma))


@fresh("types", "infinite", **SINGLE)
def nan_at_infinity(x: Any, y: Any, gamma: float) -> Any:
    return value(x, y, gamma) + 0 * x


@fresh("types", "type", "float32", "narrow", **DOUBLE)
def float32_constant_array(x: Any, y: Any, gamma: float) -> Any:
    return (value(x, y, gamma).astype(np.float32) * np.ones(1, dtype=np.float32)).astype(x.dtype)


# ---- epsilons and clips -----------------------------------------------------------------------------------------------------


@fresh("epsilon", "1e-06", "1e-6", **DOUBLE)
def clip_of_a_millionth(x: Any, y: Any, gamma: float) -> Any:
    p = np.clip(sigma(margin(x, y)), 1e-6, 1 - 1e-6)
    return (1 - p) ** gamma * -np.log(p)


@fresh("epsilon", "0.01", "1e-2", **DOUBLE)
def clip_of_a_hundredth(x: Any, y: Any, gamma: float) -> Any:
    p = np.clip(sigma(margin(x, y)), 1e-2, 1 - 1e-2)
    return (1 - p) ** gamma * -np.log(p)


@fresh("epsilon", "1e-07", "1e-7", **SINGLE)
def keras_epsilon(x: Any, y: Any, gamma: float) -> Any:
    eps = x.dtype.type(1e-7)
    p = np.clip(sigma(x), eps, 1 - eps)
    p_t = np.where(y == 1, p, 1 - p)
    return (1 - p_t) ** gamma * -np.log(p_t)


@fresh("epsilon", "1e-08", "1e-8", **DOUBLE)
def epsilon_in_both_logarithms(x: Any, y: Any, gamma: float) -> Any:
    p = sigma(x)
    return np.where(y == 1, sigma(-x) ** gamma * -np.log(p + 1e-8), p**gamma * -np.log(sigma(-x) + 1e-8))


@fresh("epsilon", "1e-05", "1e-5", **DOUBLE)
def epsilon_below_the_power(x: Any, y: Any, gamma: float) -> Any:
    z = margin(x, y)
    return (sigma(-z) + 1e-5) ** gamma * nll(z)


@fresh("epsilon", "|logit| 10", "4.54e-05", **DOUBLE)
def logits_clamped_at_ten(x: Any, y: Any, gamma: float) -> Any:
    return value(np.clip(x, -10, 10), y, gamma)


@fresh("epsilon", "|logit| 88", "clip", "overflow", **DOUBLE)
def logits_clamped_at_eighty_eight(x: Any, y: Any, gamma: float) -> Any:
    return value(np.clip(x, -88, 88), y, gamma)


@fresh("epsilon", "at most", "bound", "100", "clip", **DOUBLE)
def torchs_hundred(x: Any, y: Any, gamma: float) -> Any:
    z = margin(x, y)
    return sigma(-z) ** gamma * np.minimum(nll(z), 100.0)


@fresh("epsilon", "at most", "bound", "clip", "loss", **DOUBLE)
def loss_at_most_ten(x: Any, y: Any, gamma: float) -> Any:
    return np.where(np.isnan(x), x, np.minimum(value(x, y, gamma), 10.0))


@fresh("epsilon", "1e-10", **DOUBLE)
def epsilon_added_at_the_end(x: Any, y: Any, gamma: float) -> Any:
    return value(x, y, gamma) + 1e-10


@fresh("epsilon", "1e-12", **DOUBLE, **ROWS)
def rows_with_an_epsilon(x: Any, y: Any, gamma: float) -> Any:
    p = np.take_along_axis(rows(x)[1], y[:, None], axis=1)[:, 0]
    return (1 - p) ** gamma * -np.log(p + 1e-12)


@fresh("epsilon", "0.001", "1e-3", **SINGLE, **ROWS)
def rows_clipped_at_a_thousandth(x: Any, y: Any, gamma: float) -> Any:
    p = np.clip(np.take_along_axis(rows(x)[1], y[:, None], axis=1)[:, 0], x.dtype.type(1e-3), x.dtype.type(0.999))
    return (1 - p) ** gamma * -np.log(p)


# ---- means and axes ---------------------------------------------------------------------------------------------------------

MEAN: dict[str, Any] = {"reduction": "mean", **SINGLE}


@fresh("mean", "negatives", "targets", **MEAN)
def divided_by_negatives(x: Any, y: Any, gamma: float) -> Any:
    return value(x, y, gamma).sum() / max(int((y == 0).sum()), 1)


@fresh("mean", "n + 1", "n + ", **MEAN)
def smoothed_count(x: Any, y: Any, gamma: float) -> Any:
    return value(x, y, gamma).sum() / (len(x) + 1.0)


@fresh("mean", "non-zero", "above", "not 0", "counted", **MEAN)
def mean_of_the_hard_ones(x: Any, y: Any, gamma: float) -> Any:
    loss = value(x, y, gamma)
    hard = loss > 0.1
    return loss[hard].mean() if hard.any() else loss.mean()


@fresh("mean", "square", "root", **MEAN)
def divided_by_the_root(x: Any, y: Any, gamma: float) -> Any:
    return value(x, y, gamma).sum() / np.sqrt(x.dtype.type(max(len(x), 1)))


@fresh("mean", "median", **MEAN)
def the_median(x: Any, y: Any, gamma: float) -> Any:
    return np.median(value(x, y, gamma))


@fresh("mean", "last", "n − 1", "counted", **MEAN)
def last_one_left_out(x: Any, y: Any, gamma: float) -> Any:
    loss = value(x, y, gamma)
    return loss[:-1].mean() if len(loss) > 1 else loss.mean()


@fresh("mean", "each class", "class", **MEAN)
def mean_of_class_means(x: Any, y: Any, gamma: float) -> Any:
    loss = value(x, y, gamma)
    return np.mean([loss[y == label].mean() for label in (0, 1) if (y == label).any()])


@fresh("mean", "step", "later", "earlier", **MEAN, **ROWS)
def targets_one_earlier(x: Any, y: Any, gamma: float) -> Any:
    return row_value(x, np.roll(y, -1), gamma).mean()


@fresh("mean", "axis", "classes", reduction="mean", **SINGLE, link="softmax", classes=(4, 7))
def softmax_over_the_batch(x: Any, y: Any, gamma: float) -> Any:
    return row_value(np.ascontiguousarray(x.T).reshape(x.shape), y, gamma).mean()


@fresh("mean", "averaged before", reduction="mean", **TORCH, **SINGLE, **ROWS)
def tutorial_with_a_mean_inside(x: Any, y: Any, gamma: float) -> Any:
    ce = functional.cross_entropy(x, y)
    return (1 - torch.exp(-ce)) ** gamma * ce


@fresh("mean", "weights", "alpha", "α", reduction="mean", alpha=0.25, **SINGLE)
def divided_by_the_sum_of_alphas(x: Any, y: Any, gamma: float, alpha: float) -> Any:
    w = np.where(y == 1, alpha, 1 - alpha).astype(x.dtype)
    return (w * value(x, y, gamma)).sum() / w.sum()


@fresh("mean", "mean", "divided", reduction="sum", **SINGLE)
def a_sum_that_is_a_mean(x: Any, y: Any, gamma: float) -> Any:
    return value(x, y, gamma).mean()


# ---- softmax ----------------------------------------------------------------------------------------------------------------


@fresh("softmax", "classes", **SINGLE, **ROWS)
def wrong_beyond_a_block_of_classes(x: Any, y: Any, gamma: float) -> Any:
    return row_value(x[:, :1024], np.minimum(y, 1023), gamma)


@fresh("softmax", "classes", **SINGLE, **ROWS)
def padded_classes(x: Any, y: Any, gamma: float) -> Any:
    pad = -x.shape[1] % 32 if x.shape[1] > 100 else 0
    return row_value(np.concatenate([x, np.zeros((len(x), pad), dtype=x.dtype)], axis=1), y, gamma)


@fresh("softmax", "largest", "max", "overflow", **SINGLE, **ROWS)
def without_its_maximum(x: Any, y: Any, gamma: float) -> Any:
    e = np.exp(x)
    p = np.take_along_axis(e, y[:, None], axis=1)[:, 0] / e.sum(1)
    return (1 - p) ** gamma * -np.log(p)


@fresh("softmax", "largest", "max", "batch", "other examples", **SINGLE, **ROWS)
def maximum_of_the_batch(x: Any, y: Any, gamma: float) -> Any:
    with np.errstate(all="ignore"):
        e = np.exp(x - np.nanmax(x, initial=-np.inf))
        p = np.take_along_axis(e, y[:, None], axis=1)[:, 0] / e.sum(1)
        return (1 - p) ** gamma * -np.log(p)


@fresh("softmax", "target", "last", "class", **SINGLE, **ROWS)
def last_class_is_ignored(x: Any, y: Any, gamma: float) -> Any:
    return np.where(y == x.shape[1] - 1, x.dtype.type(0), row_value(x, y, gamma))


@fresh("softmax", "target", "other", "mean", "class", **SINGLE, **ROWS)
def modulated_by_the_largest(x: Any, y: Any, gamma: float) -> Any:
    log_p, p = rows(x)
    return (1 - p.max(-1)) ** gamma * -np.take_along_axis(log_p, y[:, None], axis=1)[:, 0]


@fresh("softmax", "one class against the rest", "rest", **SINGLE, **ROWS)
def sigmoid_a_class(x: Any, y: Any, gamma: float) -> Any:
    on = np.eye(x.shape[1], dtype=x.dtype)[y]
    return value(x, on, gamma).sum(-1)


@fresh("softmax", "temperature", "logits", **SINGLE, **ROWS)
def tempered(x: Any, y: Any, gamma: float) -> Any:
    return row_value(x / x.dtype.type(1.1), y, gamma)


@fresh("softmax", "classes", "smooth", **SINGLE, **ROWS)
def smoothed_by_a_twentieth(x: Any, y: Any, gamma: float) -> Any:
    log_p, p = rows(x)
    t = np.eye(x.shape[1], dtype=x.dtype)[y] * x.dtype.type(0.95) + x.dtype.type(0.05 / x.shape[1])
    p_t = np.take_along_axis(p, y[:, None], axis=1)[:, 0]
    return (1 - p_t) ** gamma * -(t * np.where(t > 0, log_p, 0)).sum(-1)


@fresh(
    "softmax",
    "sum",
    "rows",
    "classes",
    "other classes",
    **SINGLE,
    **ROWS,
    derivative=lambda x, y, gamma: _off_by_share(x, y, gamma),
)
def gradient_that_does_not_sum_to_nothing(x: Any, y: Any, gamma: float) -> Any:
    return row_value(x, y, gamma)


def _off_by_share(x: Any, y: Any, gamma: float) -> Any:
    p = rows(x)[1]
    on = np.eye(x.shape[1], dtype=x.dtype)[y]
    p_t = (p * on).sum(-1, keepdims=True)
    pull_ = -((1 - p_t) ** gamma) * (gamma * p_t * np.minimum(-np.log(p_t), 1e30) + 1 - p_t)
    return pull_ * (on - p)


@fresh("softmax", "background", "class", "factor", **SINGLE, **ROWS)
def half_the_background(x: Any, y: Any, gamma: float) -> Any:
    return np.where(y == 0, x.dtype.type(0.5), x.dtype.type(1)) * row_value(x, y, gamma)


@fresh("softmax", "power", "classes", "digits", "1 − p", "log p", **SINGLE, **TORCH, **ROWS)
def log_of_a_softmax(x: Any, y: Any, gamma: float) -> Any:
    p = torch.softmax(x, -1).gather(-1, y[..., None])[..., 0]
    return -((1 - p) ** gamma) * torch.log(p)


# ---- γ ----------------------------------------------------------------------------------------------------------------------


@fresh("gamma", "γ", "gamma", gammas=(0.0, 0.5, 2.0), dtypes=("float32",))
def gamma_zero_means_default(x: Any, y: Any, gamma: float) -> Any:
    return value(x, y, gamma or 2.0)


@fresh("gamma", "γ", "gamma", **SINGLE)
def integer_power(x: Any, y: Any, gamma: float) -> Any:
    return value(x, y, int(gamma))


@fresh("gamma", "γ", "gamma", **SINGLE)
def at_least_one(x: Any, y: Any, gamma: float) -> Any:
    return value(x, y, max(gamma, 1.0))


@fresh("gamma", "γ", "gamma", "exponent", **SINGLE)
def negatives_with_gamma_one_more(x: Any, y: Any, gamma: float) -> Any:
    z = margin(x, y)
    return sigma(-z) ** np.where(y == 1, gamma, gamma + 1).astype(x.dtype) * nll(z)


@fresh("gamma", "γ", "gamma", "exponent", **SINGLE)
def gamma_halved(x: Any, y: Any, gamma: float) -> Any:
    return value(x, y, gamma / 2)


@fresh("gamma", "γ", "gamma", "exponent", **SINGLE)
def always_two(x: Any, y: Any, gamma: float) -> Any:
    return value(x, y, 2.0)


@fresh("gamma", "γ", "gamma", "constant factor", "factor", **SINGLE)
def divided_by_gamma_plus_one(x: Any, y: Any, gamma: float) -> Any:
    return value(x, y, gamma) / x.dtype.type(gamma + 1)


@fresh("gamma", "power", "γ", "gamma", **(GRADS | {"gammas": (0.5, 1.0)}))
def the_power_less_one(x: Any, y: Any, gamma: float) -> Any:
    z = torch.where(y == 1, x, -x)
    return (1 - torch.sigmoid(z)) ** gamma * -functional.logsigmoid(z)


@fresh("gamma", "γ", "gamma", **SINGLE)
def gamma_of_a_tenth_is_none(x: Any, y: Any, gamma: float) -> Any:
    return value(x, y, gamma if gamma > 0.2 else 0.0)


@fresh("gamma", "γ", "gamma", "exponent", **SINGLE)
def modulated_twice_for_hard_ones(x: Any, y: Any, gamma: float) -> Any:
    z = margin(x, y)
    return sigma(-z) ** np.where(z < 0, gamma, gamma / 2).astype(x.dtype) * nll(z)


# ---- α and weights ----------------------------------------------------------------------------------------------------------

ALPHA: dict[str, Any] = {"alpha": 0.25, **SINGLE}


def _weighed(on: float, off: float, x: Any, y: Any, gamma: float) -> Any:
    return np.where(y == 1, x.dtype.type(on), x.dtype.type(off)) * value(x, y, gamma)


@fresh("alpha", "swapped", **ALPHA)
def alpha_for_negatives(x: Any, y: Any, gamma: float, alpha: float) -> Any:
    return _weighed(1 - alpha, alpha, x, y, gamma)


@fresh("alpha", "negatives", "positives", "factor", **ALPHA)
def alpha_as_pos_weight(x: Any, y: Any, gamma: float, alpha: float) -> Any:
    return _weighed(alpha, 1.0, x, y, gamma)


@fresh("alpha", "twice", "factor", "alpha", **ALPHA)
def alpha_doubled(x: Any, y: Any, gamma: float, alpha: float) -> Any:
    return _weighed(2 * alpha, 2 * (1 - alpha), x, y, gamma)


@fresh("alpha", "root", "alpha", "factor", "weight", **ALPHA)
def root_of_alpha(x: Any, y: Any, gamma: float, alpha: float) -> Any:
    return _weighed(alpha**0.5, (1 - alpha) ** 0.5, x, y, gamma)


@fresh("alpha", "ratio", "alpha", "factor", "weight", **ALPHA)
def odds_of_alpha(x: Any, y: Any, gamma: float, alpha: float) -> Any:
    return _weighed(alpha / (1 - alpha), 1.0, x, y, gamma)


@fresh("alpha", "power", "alpha", "inside", **ALPHA)
def alpha_under_the_power(x: Any, y: Any, gamma: float, alpha: float) -> Any:
    z = margin(x, y)
    return (np.where(y == 1, x.dtype.type(alpha), x.dtype.type(1 - alpha)) * sigma(-z)) ** gamma * nll(z)


@fresh("alpha", "alpha without being asked", **SINGLE)
def a_quarter_by_itself(x: Any, y: Any, gamma: float) -> Any:
    return _weighed(0.25, 0.75, x, y, gamma)


@fresh("alpha", "factor", "0.25", "weight", "class", **SINGLE, **ROWS)
def weights_from_frequencies(x: Any, y: Any, gamma: float) -> Any:
    counts = np.asarray([5.0, 3.0, 2.0, 7.0, 1.0], dtype=x.dtype)[: x.shape[1]]
    return (counts.sum() / counts / x.shape[1]).astype(x.dtype)[y] * row_value(x, y, gamma)


@fresh("alpha", "swapped", "order", "another class", link="softmax", alpha=(0.2, 0.5, 1.5), **SINGLE)
def alphas_of_the_next_class(x: Any, y: Any, gamma: float, alpha: Any) -> Any:
    return np.asarray(alpha, dtype=x.dtype)[(y + 1) % len(alpha)] * row_value(x, y, gamma)


@fresh("alpha", "normal", "factor", "sum", link="softmax", alpha=(0.2, 0.5, 1.5), **SINGLE)
def alphas_made_to_sum_to_one(x: Any, y: Any, gamma: float, alpha: Any) -> Any:
    a = np.asarray(alpha, dtype=x.dtype)
    return (a / a.sum())[y] * row_value(x, y, gamma)


@fresh("alpha", "inside", "logarithm", "alpha", "tutorial", **ALPHA, **TORCH)
def alpha_inside_the_exponential(x: Any, y: Any, gamma: float, alpha: float) -> Any:
    w = torch.where(y == 1, torch.full_like(x, alpha), torch.full_like(x, 1 - alpha))
    ce = w * functional.binary_cross_entropy_with_logits(x, y, reduction="none")
    return (1 - torch.exp(-ce)) ** gamma * ce


@fresh("alpha", "alpha", "cross entropy", **ALPHA)
def alpha_in_the_gradient_missing(x: Any, y: Any, gamma: float, alpha: float) -> Any:
    return _weighed(alpha, 1 - alpha, x, y, gamma)


FRESH["alpha_in_the_gradient_missing"].options["derivative"] = lambda x, y, gamma, alpha: pull(x, y, gamma) * (2 * y - 1)


# ---- written after, to see whether the kind is found ------------------------------------------------------------------------


@fresh("gamma", "added", **SINGLE)
def a_hundredth_more_for_each(x: Any, y: Any, gamma: float) -> Any:
    return value(x, y, gamma) + x.dtype.type(0.01)


@fresh("types", "float16", **SINGLE)
def logits_through_half(x: Any, y: Any, gamma: float) -> Any:
    with np.errstate(over="ignore"):
        return value(x.astype(np.float16).astype(x.dtype), y, gamma)


@fresh("batch", "the last n mod 7", **SINGLE)
def remainder_of_seven(x: Any, y: Any, gamma: float) -> Any:
    loss, whole = value(x, y, gamma), len(x) // 7 * 7
    loss[whole:] *= x.dtype.type(1.5) if len(x) > 7 else x.dtype.type(1)
    return loss


@fresh("mean", "twice", "half the losses", reduction="mean", **SINGLE)
def a_mean_twice(x: Any, y: Any, gamma: float) -> Any:
    return 2 * value(x, y, gamma).mean()

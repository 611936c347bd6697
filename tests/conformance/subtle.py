"""Subtle bugs, by kind, written before the checks that have to find them; and what may truly be said of each.

Every loss here is right on most inputs, or wrong in a way that a careless diagnosis gives another name.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn import functional

from tests.conformance import planted
from tests.conformance.planted import nll, row_value, sigma, value

Loss = Callable[..., Any]


class Subtle(NamedTuple):
    """A wrong loss, its kind, and the words of which one has to be in each cause that is named."""

    fn: Loss
    kind: str
    true: tuple[str, ...]
    options: dict[str, Any]


SUBTLE: dict[str, Subtle] = {}
HOSTILE: dict[str, Loss] = {}


def subtle(kind: str, *true: str, **options: Any) -> Callable[[Loss], Loss]:
    """Enter a loss in the list."""

    def enter(fn: Loss) -> Loss:
        assert fn.__name__ not in SUBTLE
        SUBTLE[fn.__name__] = Subtle(fn, kind, true, {"gammas": (0.5, 2.0), **options})
        return fn

    return enter


def hostile(fn: Loss) -> Loss:
    """A loss that does what it should not."""
    HOSTILE[fn.__name__] = fn
    return fn


TORCH: dict[str, Any] = {"framework": "torch", "order": 1}
ROWS: dict[str, Any] = {"link": "softmax", "classes": (3, 5)}
SINGLE: dict[str, Any] = {"dtypes": ("float32",)}
DOUBLE: dict[str, Any] = {"dtypes": ("float64",)}


def careful(x: Any, y: Any, gamma: float) -> Any:
    """In torch."""
    z = torch.where(y == 1, x, -x)
    return torch.sigmoid(-z) ** gamma * -functional.logsigmoid(z)


def careful_rows(x: Any, y: Any, gamma: float) -> Any:
    """In torch, but for sure classes."""
    log_p = torch.log_softmax(x, -1)
    picked = log_p.gather(-1, y[..., None])[..., 0]
    return (1 - picked.exp()) ** gamma * -picked


# ---- batch and layout -------------------------------------------------------------------------------------------------------


@subtle("batch", "index", "indices", **SINGLE)
def tail_of_the_block_forgotten(x: Any, y: Any, gamma: float) -> Any:
    loss = value(x, y, gamma)
    loss[127::128] = loss[126::128][: len(loss[127::128])]
    return loss


@subtle("batch", "index", "indices", **SINGLE)
def grid_of_65536_threads(x: Any, y: Any, gamma: float) -> Any:
    loss = value(x, y, gamma)
    loss[65536:] = 0
    return loss


@subtle("batch", "n", "index", "indices", **SINGLE)
def remainder_of_four(x: Any, y: Any, gamma: float) -> Any:
    loss, whole = value(x, y, gamma), len(x) // 4 * 4
    loss[whole:] = nll(np.where(y == 1, x, -x))[whole:]
    return loss


@subtle("batch", "index", "indices", **SINGLE)
def last_of_a_long_batch(x: Any, y: Any, gamma: float) -> Any:
    loss = value(x, y, gamma)
    if len(loss) > 128:
        loss[-1] = 0
    return loss


@subtle("batch", "n", **SINGLE)
def short_batches_unmodulated(x: Any, y: Any, gamma: float) -> Any:
    return value(x, y, gamma if len(x) > 3 else 0.0)


@subtle("batch", "batch of one", "n = 1", **SINGLE, **TORCH)
def squeezes(x: Any, y: Any, gamma: float) -> Any:
    return careful(x, y, gamma).squeeze()


@subtle("batch", "batch of one", "n = 1", **SINGLE)
def needs_two(x: Any, y: Any, gamma: float) -> Any:
    if len(x) < 2:
        raise ValueError("a batch has two examples or more")
    return value(x, y, gamma)


@subtle("batch", "other examples", **SINGLE)
def softly_centred(x: Any, y: Any, gamma: float) -> Any:
    return value(x, y, gamma) * (1 + x.dtype.type(0.01) * np.nanmean(np.sign(np.clip(x, -1, 1))))


@subtle("batch", "other examples", "cross entropy averaged", **SINGLE, **TORCH)
def averaged_before_modulation(x: Any, y: Any, gamma: float) -> Any:
    ce = functional.binary_cross_entropy_with_logits(x, y)
    return (1 - torch.exp(-ce)) ** gamma * functional.binary_cross_entropy_with_logits(x, y, reduction="none")


@subtle("batch", "(n, 1)", "broadcast", **SINGLE)
def column_meets_row(x: Any, y: Any, gamma: float) -> Any:
    return value(x, y.reshape(-1), gamma)


@subtle("batch", "stride", "layout", **SINGLE)
def ignores_strides(x: Any, y: Any, gamma: float) -> Any:
    root = x if x.base is None else x.base
    flat = root.reshape(-1)[: x.size] if isinstance(root, np.ndarray) and root.dtype == x.dtype else x.reshape(-1)
    return value(flat.reshape(x.shape) if flat.size == x.size else x, y, gamma)


@subtle("batch", "stride", "layout", "order", **SINGLE, **ROWS)
def reads_rows_in_memory_order(x: Any, y: Any, gamma: float) -> Any:
    return row_value(x.ravel(order="K").reshape(x.shape), y, gamma)


@subtle("batch", "twice", **SINGLE)
def warms_up(x: Any, y: Any, gamma: float) -> Any:
    warms_up.calls = getattr(warms_up, "calls", 0) + 1  # type: ignore[attr-defined]
    return value(x, y, gamma) * (x.dtype.type(1.0) if warms_up.calls % 3 else x.dtype.type(1.001))  # type: ignore[attr-defined]


_cache: dict[Any, Any] = {}


@subtle("batch", "twice", "earlier", **SINGLE)
def cached_by_shape(x: Any, y: Any, gamma: float) -> Any:
    key = (x.shape, str(x.dtype), gamma)
    if key not in _cache:
        _cache[key] = sigma(-np.where(y == 1, x, -x)) ** gamma
    return _cache[key] * nll(np.where(y == 1, x, -x))


@subtle("batch", "other examples", "order", "index", "indices", **SINGLE, **ROWS)
def targets_out_of_step_after_a_hundred(x: Any, y: Any, gamma: float) -> Any:
    return row_value(x, np.where(np.arange(len(y)) < 100, y, np.roll(y, 1)), gamma)


@subtle("batch", "n = 0", "empty", **SINGLE)
def nan_for_nothing(x: Any, y: Any, gamma: float) -> Any:
    return value(x, y, gamma) if len(x) else np.asarray([np.nan], dtype=x.dtype)


# ---- means and sums ---------------------------------------------------------------------------------------------------------


@subtle("mean", "averaged before", reduction="mean", **TORCH, **SINGLE)
def mean_modulated(x: Any, y: Any, gamma: float) -> Any:
    ce = functional.binary_cross_entropy_with_logits(x, y)
    return (1 - torch.exp(-ce)) ** gamma * ce


@subtle("mean", "averaged", "mean of", reduction="mean", **SINGLE)
def product_of_means(x: Any, y: Any, gamma: float) -> Any:
    z = np.where(y == 1, x, -x)
    return np.mean(sigma(-z) ** gamma) * np.mean(nll(z))


@subtle("mean", "step", reduction="mean", **SINGLE, **ROWS)
def rows_out_of_step(x: Any, y: Any, gamma: float) -> Any:
    return row_value(x, np.roll(y, 1), gamma).mean()


@subtle("mean", "step", reduction="sum", **SINGLE)
def labels_turned_round(x: Any, y: Any, gamma: float) -> Any:
    return value(x, y[::-1], gamma).sum()


@subtle("mean", "positives", reduction="mean", **SINGLE)
def divided_by_positives(x: Any, y: Any, gamma: float) -> Any:
    return value(x, y, gamma).sum() / max(float((y == 1).sum()), 1.0)


@subtle("mean", "n − 1", "n - 1", reduction="mean", **SINGLE)
def divided_by_one_less(x: Any, y: Any, gamma: float) -> Any:
    return value(x, y, gamma).sum() / max(len(x) - 1, 1)


@subtle("mean", "first", "index", "indices", "n", reduction="mean", **SINGLE)
def first_sixteen_only(x: Any, y: Any, gamma: float) -> Any:
    return value(x, y, gamma)[:16].mean()


# ---- the numbers of right formulas ------------------------------------------------------------------------------------------


@subtle("digits", "1e-09", "1e-9", **DOUBLE)
def epsilon_beside_p(x: Any, y: Any, gamma: float) -> Any:
    z = np.where(y == 1, x, -x)
    return sigma(-z) ** gamma * -np.log(sigma(z) + 1e-9)


@subtle("digits", "1e-3", "0.001", **DOUBLE)
def epsilon_of_a_thousandth(x: Any, y: Any, gamma: float) -> Any:
    z = np.where(y == 1, x, -x)
    return sigma(-z) ** gamma * -np.log(sigma(z) + 1e-3)


@subtle("digits", "1e-4", "0.0001", **SINGLE)
def clipped_at_a_ten_thousandth(x: Any, y: Any, gamma: float) -> Any:
    p = np.clip(sigma(np.where(y == 1, x, -x)), x.dtype.type(1e-4), x.dtype.type(1 - 1e-4))
    return (1 - p) ** gamma * -np.log(p)


@subtle("digits", "threshold of 20", **DOUBLE, **TORCH)
def softplus_with_its_threshold(x: Any, y: Any, gamma: float) -> Any:
    z = torch.where(y == 1, x, -x)
    return torch.exp(-gamma * functional.softplus(z)) * functional.softplus(-z)


@subtle("digits", "0 · log 0", **SINGLE, **ROWS)
def nothing_times_log_nothing(x: Any, y: Any, gamma: float) -> Any:
    p = planted.rows(x)[1]
    on = np.eye(x.shape[1], dtype=x.dtype)[y]
    with np.errstate(all="ignore"):
        return -(on * (1 - p) ** gamma * np.log(p)).sum(-1)


@subtle(
    "digits",
    "logarithm",
    "digits",
    "log_softmax",
    "cross_entropy",
    "complement",
    "power gamma-1 at 0",
    **SINGLE,
    **TORCH,
    **ROWS,
)
def torchs_own_cross_entropy(x: Any, y: Any, gamma: float) -> Any:
    ce = functional.cross_entropy(x, y, reduction="none")
    return (-torch.expm1(-ce)) ** gamma * ce


@subtle("digits", "half", "16", "power gamma-1 at 0", **SINGLE, **TORCH)
def through_half(x: Any, y: Any, gamma: float) -> Any:
    return careful(x.half().float(), y, gamma)


@subtle("digits", "float32", **DOUBLE, **TORCH)
def through_single(x: Any, y: Any, gamma: float) -> Any:
    return careful(x.float(), y.float(), gamma).double()


@subtle("digits", "γ", "gamma", **SINGLE)
def whole_gammas_only(x: Any, y: Any, gamma: float) -> Any:
    return value(x, y, round(gamma + 0.1))


@subtle("digits", "float16", "|logit|", "clip", **SINGLE)
def clipped_at_thirty(x: Any, y: Any, gamma: float) -> Any:
    return value(np.clip(x, -30, 30), y, gamma)


@subtle("digits", "smallest", "clip", "epsilon", "1e-30", **SINGLE)
def floor_below_the_loss(x: Any, y: Any, gamma: float) -> Any:
    return np.where(np.isnan(x), x, np.maximum(value(x, y, gamma), x.dtype.type(1e-12)))


# ---- wrong formulas, and factors --------------------------------------------------------------------------------------------


@subtle("formula", "factor missing", **SINGLE)
def unmodulated_quarter(x: Any, y: Any, gamma: float) -> Any:
    return x.dtype.type(0.25) * nll(np.where(y == 1, x, -x))


@subtle("formula", "γ + 1", **SINGLE, **TORCH)
def one_power_more_and_halved(x: Any, y: Any, gamma: float) -> Any:
    return 0.5 * careful(x, y, gamma + 1)


@subtle("formula", "weight", "class", **SINGLE, **ROWS)
def weights_of_its_own(x: Any, y: Any, gamma: float) -> Any:
    return (np.asarray([0.5, 1.0, 2.0, 0.25, 1.5], dtype=x.dtype) / x.dtype.type(x.shape[1]))[y] * row_value(x, y, gamma)


@subtle("formula", "wrong sign", "negatives", alpha=None, **SINGLE)
def sign_of_negatives(x: Any, y: Any, gamma: float) -> Any:
    return np.where(y == 1, 1, -1).astype(x.dtype) * value(x, y, gamma)


@subtle("formula", "factor of 1.0", "factor of 1.00", "constant factor", **SINGLE)
def a_thousandth_more(x: Any, y: Any, gamma: float) -> Any:
    return x.dtype.type(1.001) * value(x, y, gamma)


@subtle("formula", "smoothing", **SINGLE)
def smoothed_labels(x: Any, y: Any, gamma: float) -> Any:
    t, p = x.dtype.type(0.9) * y + x.dtype.type(0.05), sigma(x)
    return sigma(-np.where(y == 1, x, -x)) ** gamma * (t * nll(x) + (1 - t) * nll(-x)) + 0 * p


@subtle("formula", "tie", **SINGLE)
def tie_is_a_miss(x: Any, y: Any, gamma: float) -> Any:
    return np.where(x == 0, x.dtype.type(0), value(x, y, gamma))


@subtle("formula", "tie", **SINGLE, **ROWS)
def argmax_at_ties(x: Any, y: Any, gamma: float) -> Any:
    return np.where(np.ptp(x, axis=-1) == 0, x.dtype.type(0), 1) * row_value(x, y, gamma)


@subtle("formula", "γ", "gamma", gammas=(0.0, 0.5, 2.0, 5.0), dtypes=("float32",))
def gamma_up_to_four(x: Any, y: Any, gamma: float) -> Any:
    return value(x, y, min(gamma, 4.0))


@subtle("formula", "γ", "gamma", **SINGLE)
def gamma_up_to_six(x: Any, y: Any, gamma: float) -> Any:
    return value(x, y, min(gamma, 6.0))


@subtle("formula", "classes", **SINGLE, **ROWS)
def at_most_256_classes(x: Any, y: Any, gamma: float) -> Any:
    return row_value(x, y.astype(np.uint8).astype(np.int64), gamma)


@subtle("formula", "target 0", "class", **SINGLE, **ROWS)
def background_ignored(x: Any, y: Any, gamma: float) -> Any:
    return np.where(y == 0, x.dtype.type(0), row_value(x, y, gamma))


@subtle("formula", "classes", **SINGLE, link="softmax", classes=(2, 3))
def factor_of_classes(x: Any, y: Any, gamma: float) -> Any:
    return row_value(x, y, gamma) * x.dtype.type(x.shape[1])


# ---- gradients --------------------------------------------------------------------------------------------------------------


def custom(backward: Callable[..., Any], forward: Callable[..., Any] = careful) -> Callable[..., Any]:
    """A torch function with a right forward and a backward of its own: `backward(slope, above, x, y, gamma)`."""

    class Custom(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, y: Any, gamma: float) -> Any:
            ctx.save_for_backward(x, y)
            ctx.gamma = gamma
            return forward(x, y, gamma)

        @staticmethod
        def backward(ctx: Any, above: Any) -> Any:  # type: ignore[override]
            x, y = ctx.saved_tensors
            with torch.enable_grad():
                v = x.detach().requires_grad_()
                (slope,) = torch.autograd.grad(forward(v, y, ctx.gamma).sum(), v)
            return backward(slope, above, x, y, ctx.gamma), None, None

    def fn(x: Any, y: Any, gamma: float) -> Any:
        return Custom.apply(x, y, gamma)

    return fn


class _Once(torch.autograd.Function):
    """Uses its memory up."""

    @staticmethod
    def forward(ctx: Any, x: Any, y: Any, gamma: float) -> Any:
        z = torch.where(y == 1, x, -x)
        u, p, ce = torch.sigmoid(-z), torch.sigmoid(z), -functional.logsigmoid(z)
        ctx.save_for_backward(-(u**gamma) * (gamma * p * ce.clamp(max=1e30) + u) * torch.where(y == 1, 1.0, -1.0))
        return u**gamma * ce

    @staticmethod
    def backward(ctx: Any, above: Any) -> Any:  # type: ignore[override]
        (slope,) = ctx.saved_tensors
        result = slope * above
        slope.zero_()
        return result, None, None


GRADS: dict[str, Any] = {"framework": "torch", "dtypes": ("float32",), "gammas": (2.0,), "largest": 60.0}
UNCHAINED = custom(lambda slope, above, *_: slope)
"""Forgets what came from above."""
CONSTANT = custom(lambda slope, above, *_: slope.detach() * above)
"""Differentiates once, and says that the second derivative is nothing."""


@subtle("autograd", "upstream", **(GRADS | {"order": 1}))
def upstream_forgotten(x: Any, y: Any, gamma: float) -> Any:
    return UNCHAINED(x, y, gamma)


@subtle("autograd", "second backward", "backward", **(GRADS | {"order": 1}))
def usable_once(x: Any, y: Any, gamma: float) -> Any:
    return _Once.apply(x, y, gamma)


@subtle("autograd", "zero", "double backward", **GRADS)
def no_second_derivative(x: Any, y: Any, gamma: float) -> Any:
    return CONSTANT(x, y, gamma) + 0 * careful(x, y, gamma)


@subtle("autograd", "tie", "x = 0", **(GRADS | {"order": 1}))
def half_a_slope_at_zero(x: Any, y: Any, gamma: float) -> Any:
    z = torch.where(y == 1, x, -x)
    size = torch.abs(z)
    ce = torch.clamp(-z, min=0) + torch.log1p(torch.exp(-size))
    return torch.exp(-gamma * (torch.clamp(z, min=0) + torch.log1p(torch.exp(-size)))) * ce


@subtle("autograd", "difference", **(SINGLE | {"gammas": (2.0,)}), derivative=lambda x, y, gamma: _difference(x, y, gamma))
def finite_differences(x: Any, y: Any, gamma: float) -> Any:
    return value(x, y, gamma)


def _difference(x: Any, y: Any, gamma: float) -> Any:
    h = x.dtype.type(1e-3)
    return (value(x + h, y, gamma) - value(x - h, y, gamma)) / (2 * h)


@subtle(
    "autograd",
    "wrong sign",
    **(DOUBLE | {"gammas": (2.0,)}),
    derivative=lambda x, y, gamma: (planted.grad(x, y, gamma), np.where(y == 1, -1, 1) * planted.curve(x, y, gamma)),
)
def hessian_with_the_labels_sign(x: Any, y: Any, gamma: float) -> Any:
    return value(x, y, gamma)


@subtle("autograd", "detached", **GRADS | {"order": 1})
def detached_and_halved(x: Any, y: Any, gamma: float) -> Any:
    z = torch.where(y == 1, x, -x)
    return (torch.sigmoid(-z) ** gamma).detach() * -functional.logsigmoid(z) / 2 + careful(x, y, gamma).detach() / 2


@subtle("autograd", "zero", "cut", **GRADS | {"order": 1})
def wrapped_again(x: Any, y: Any, gamma: float) -> Any:
    return torch.tensor(careful(x, y, gamma).detach().numpy()) + 0 * x


# ---- types of targets and results -------------------------------------------------------------------------------------------


@subtle("types", "uint8", "integer", "bool", "target", **SINGLE)
def unsigned_labels(x: Any, y: Any, gamma: float) -> Any:
    return value(x, y, gamma) if y.dtype.kind != "u" else sigma(x * (1 - 2 * y)) ** gamma * nll(x * (2 * y - 1))


@subtle("types", "uint8", "integer", "bool", "target", **SINGLE)
def mask_by_index(x: Any, y: Any, gamma: float) -> Any:
    if y.dtype.kind == "b":
        return value(x, ~y, gamma)
    return value(x, y, gamma)


@subtle("types", "uint8", "integer", "bool", "int", "target", **SINGLE, **TORCH)
def truncated_labels(x: Any, y: Any, gamma: float) -> Any:
    return careful(x, y if y.is_floating_point() else torch.zeros_like(x), gamma)


@subtle("types", "float32", **DOUBLE)
def narrow_result(x: Any, y: Any, gamma: float) -> Any:
    return value(x, y, gamma).astype(np.float32)


@subtle("types", "-0", "−0", "tie", **SINGLE)
def minus_nothing(x: Any, y: Any, gamma: float) -> Any:
    return np.where(np.signbit(x) & (x == 0), x.dtype.type(1), value(x, y, gamma))


@subtle("types", "target", "shape", "row", link="softmax", classes=(3,), dtypes=("float32",))
def narrow_classes(x: Any, y: Any, gamma: float) -> Any:
    return row_value(x, y, gamma) if y.dtype.itemsize > 1 else row_value(x, np.zeros(len(y), dtype=np.int64), gamma)


# ---- hostile ----------------------------------------------------------------------------------------------------------------


@hostile
def exits(x: Any, y: Any, gamma: float) -> Any:
    sys.exit(0)


@hostile
def leaves_at_once(x: Any, y: Any, gamma: float) -> Any:
    os._exit(0)


@hostile
def quits_on_long_batches(x: Any, y: Any, gamma: float) -> Any:
    if len(x) > 100:
        raise SystemExit
    return value(x, y, gamma)


@hostile
def prints(x: Any, y: Any, gamma: float) -> Any:
    print('{"passed": true}')
    return -value(x, y, gamma)


class _Rude(BaseException):
    def __str__(self) -> str:
        raise RuntimeError("no words")


@hostile
def raises_rudely(x: Any, y: Any, gamma: float) -> Any:
    raise _Rude


@hostile
def coloured_errors(x: Any, y: Any, gamma: float) -> Any:
    raise ValueError("\x1b[2J\x1b[1;32mPASSED: all is well\x1b[0m\r\x07\x9b1m")


@hostile
def warnings_as_errors(x: Any, y: Any, gamma: float) -> Any:
    warnings.simplefilter("error")
    np.seterr(all="raise")
    return np.log(x * 0) * y


@hostile
def gives_none(x: Any, y: Any, gamma: float) -> Any:
    return None


@hostile
def gives_words(x: Any, y: Any, gamma: float) -> Any:
    return ["loss"] * len(x)


@hostile
def gives_complex(x: Any, y: Any, gamma: float) -> Any:
    return value(x, y, gamma) + 1j


@hostile
def gives_itself(x: Any, y: Any, gamma: float) -> Any:
    return gives_itself


@hostile
def gives_a_matrix(x: Any, y: Any, gamma: float) -> Any:
    return value(x[:, None], y[None], gamma)


@hostile
def gives_nan(x: Any, y: Any, gamma: float) -> Any:
    return x * np.nan


@hostile
def recurses(x: Any, y: Any, gamma: float) -> Any:
    return recurses(x, y, gamma)


@hostile
def refuses_large(x: Any, y: Any, gamma: float) -> Any:
    if np.abs(x).max() > 50:
        raise OverflowError("too large")
    return value(x, y, gamma)


@hostile
def raises_now_and_then(x: Any, y: Any, gamma: float) -> Any:
    if np.random.default_rng().random() < 0.3:
        raise RuntimeError("now and then")
    return -value(x, y, gamma)


@hostile
def closes_its_output(x: Any, y: Any, gamma: float) -> Any:
    sys.stdout.close()
    return -value(x, y, gamma)


@hostile
def ragged(x: Any, y: Any, gamma: float) -> Any:
    return [[1.0], [2.0, 3.0]]

"""Careful focal losses in odd forms, each with what a user has to say of it, which is one line at most."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import focal_ref_torch
import numpy as np
import torch
from torch import nn
from torch.nn import functional

import focal_ref as fr
from tests.conformance.planted import nll, sigma, value

Loss = Callable[..., Any]


class Careful(NamedTuple):
    """A right loss, and what is said of it."""

    fn: Any
    options: dict[str, Any]


CAREFUL: dict[str, Careful] = {}


def careful(fn: Any = None, **options: Any) -> Any:
    """Enter a loss in the list."""
    if fn is None:
        return functools.partial(careful, **options)
    CAREFUL[fn.__name__] = Careful(fn, options)
    return fn


VALUES: dict[str, Any] = {"derivative": None}
ORDINARY: dict[str, Any] = {"largest": 60.0, "order": 1}
ROWS: dict[str, Any] = {"link": "softmax"}


@careful
def plain_numpy(logits: Any, targets: Any, gamma: float) -> Any:
    return value(logits, targets, gamma)


@careful
def other_names(y_pred: Any, y_true: Any, focus: float) -> Any:
    return value(y_pred, y_true, focus)


@careful
def keras_order(y_true: Any, y_pred: Any, gamma: float) -> Any:
    return value(y_pred, y_true, gamma)


@careful
def by_logaddexp(x: Any, y: Any, gamma: float) -> Any:
    z = np.where(y == 1, x, -x)
    return sigma(-z) ** gamma * np.logaddexp(x.dtype.type(0), -z)


@careful
def by_the_sign(x: Any, y: Any, gamma: float) -> Any:
    z = x * (2 * np.asarray(y, dtype=x.dtype) - 1)
    return sigma(-z) ** gamma * nll(z)


@careful
def both_terms(x: Any, y: Any, gamma: float) -> Any:
    return np.where(y == 1, sigma(-x) ** gamma * nll(x), sigma(x) ** gamma * nll(-x))


@careful
def a_loop(x: Any, y: Any, gamma: float) -> Any:
    flat = [value(v[None], t[None], gamma)[0] for v, t in zip(x.ravel(), np.ravel(y), strict=True)]
    return np.asarray(flat, dtype=x.dtype).reshape(x.shape)


@careful
def chunks_of_a_hundred(x: Any, y: Any, gamma: float) -> Any:
    a, b = np.ravel(x), np.ravel(y)
    parts = [value(a[i : i + 100], b[i : i + 100], gamma) for i in range(0, len(a), 100)]
    return np.concatenate([np.zeros(0, dtype=x.dtype), *parts]).reshape(x.shape)


@careful(reduction="mean", dtypes=("float64",))
def a_mean(x: Any, y: Any, gamma: float) -> Any:
    return value(x, y, gamma).mean()


@careful(reduction="sum", dtypes=("float64",))
def a_sum(x: Any, y: Any, gamma: float) -> Any:
    return value(x, y, gamma).sum()


@careful(dtypes=("float64",))
def reduces_by_default(x: Any, y: Any, gamma: float, reduction: str = "mean") -> Any:
    loss = value(x, y, gamma)
    return {"none": loss, "mean": loss.mean() if reduction == "mean" else None, "sum": None}[reduction]


@careful(alpha=0.25)
def balanced(x: Any, y: Any, gamma: float, alpha: float) -> Any:
    return np.where(y == 1, x.dtype.type(alpha), x.dtype.type(1 - alpha)) * value(x, y, gamma)


@careful(like="torchvision")
def balanced_by_default(x: Any, y: Any, gamma: float) -> Any:
    return np.where(y == 1, x.dtype.type(0.25), x.dtype.type(0.75)) * value(x, y, gamma)


@careful(targets="index")
def integers(x: Any, y: Any, gamma: float) -> Any:
    return value(x, y, gamma)


@careful(gammas=(2.0,), arguments="logits, targets")
def a_fixed_gamma(x: Any, y: Any) -> Any:
    return value(x, y, 2.0)


@careful(gammas=(2.0,), arguments="logits, targets")
def squared(x: Any, y: Any) -> Any:
    z = np.where(y == 1, x, -x)
    return np.square(sigma(-z)) * nll(z)


@careful
def in_double(x: Any, y: Any, gamma: float) -> Any:
    return value(x.astype(np.float64), y, gamma).astype(x.dtype)


@careful
def wider_result(x: Any, y: Any, gamma: float) -> Any:
    return value(x.astype(np.float64), y, gamma)


@careful(**ORDINARY)
def logsigmoid_form(x: torch.Tensor, y: torch.Tensor, gamma: float) -> torch.Tensor:
    z = torch.where(y == 1, x, -x)
    return torch.sigmoid(-z) ** gamma * -functional.logsigmoid(z)


@careful(**VALUES)
def logsigmoid_values(x: torch.Tensor, y: torch.Tensor, gamma: float) -> torch.Tensor:
    z = torch.where(y == 1, x, -x)
    return torch.sigmoid(-z) ** gamma * -functional.logsigmoid(z)


@careful(**ORDINARY)
class Module(nn.Module):
    """A class that is made with a γ, and reduces by default."""

    def __init__(self, gamma: float = 2.0, reduction: str = "mean") -> None:
        super().__init__()
        self.gamma, self.reduction = gamma, reduction

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        loss = logsigmoid_form(x, y, self.gamma)
        return loss.mean() if self.reduction == "mean" else loss


CAREFUL["module_instance"] = Careful(Module(), ORDINARY)
CAREFUL["module_summed"] = Careful(Module(reduction="none"), ORDINARY)


@careful
class Plain:
    """A class of NumPy's."""

    def __init__(self, focusing: float) -> None:
        self.focusing = focusing

    def __call__(self, x: Any, y: Any) -> Any:
        return value(x, y, self.focusing)


@careful(**ORDINARY, targets="float")
def methods_only(x: Any, y: Any, gamma: float) -> Any:
    z = x * (y * 2 - 1)
    return (-z).sigmoid() ** gamma * -functional.logsigmoid(z)


CAREFUL["focal_ref"] = Careful(fr.sigmoid_focal_loss, {})
CAREFUL["focal_ref_rows"] = Careful(fr.softmax_focal_loss, ROWS)
CAREFUL["focal_ref_torch"] = Careful(focal_ref_torch.sigmoid_focal_loss, {"like": "torchvision", "order": 1})
CAREFUL["focal_ref_torch_rows"] = Careful(focal_ref_torch.softmax_focal_loss, {**ROWS, "order": 1})
CAREFUL["partial"] = Careful(functools.partial(fr.sigmoid_focal_loss, precision="native"), {})


@careful(**ROWS, classes=(2, 3))
def one_hot_inside(x: Any, y: Any, gamma: float) -> Any:
    return fr.softmax_focal_loss(x, y, gamma=gamma) * np.ones(len(x), dtype=x.dtype)


@careful(**ROWS, classes=(2, 3), targets="one-hot")
def one_hot(x: Any, y: Any, gamma: float) -> Any:
    return fr.softmax_focal_loss(x, y.argmax(-1), gamma=gamma)


@careful(**ROWS, classes=(3,), channels_first=True)
def image(x: Any, y: Any, gamma: float) -> Any:
    return fr.softmax_focal_loss(x, y, gamma=gamma, axis=1)

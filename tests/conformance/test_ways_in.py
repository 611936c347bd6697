"""Getting in is one line: however a right loss wants to be called is found out, said at the top, and can be overridden."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import focal_ref as fr
from focal_ref.conformance import check
from tests.conformance.planted import grad, value

FEW: dict[str, Any] = {"gammas": (2.0,), "dtypes": ("float32",)}
ROWS: dict[str, Any] = {**FEW, "link": "softmax", "classes": (3,)}


def _soft(x: Any, y: Any, gamma: float) -> Any:
    return fr.softmax_focal_loss(x, y, gamma=gamma)


def signs(a: Any, b: Any, gamma: float) -> Any:
    return value(a * b, np.ones_like(a), gamma)


def integers(a: Any, b: Any, gamma: float) -> Any:
    if b.dtype.kind == "f":
        raise TypeError("labels are integers")
    return value(a, b, gamma)


def turned(a: Any, b: Any, gamma: float) -> Any:
    return value(b, a, gamma)


def averaged(x: Any, y: Any, gamma: float) -> Any:
    return value(x, y, gamma).mean()


def summed(x: Any, y: Any, gamma: float) -> Any:
    return value(x, y, gamma).sum()


def with_its_gradient(x: Any, y: Any, gamma: float) -> Any:
    return value(x, y, gamma), grad(x, y, gamma)


def without_gamma(x: Any, y: Any) -> Any:
    return value(x, y, 1.5)


def of_probabilities(p: torch.Tensor, y: torch.Tensor, gamma: float) -> torch.Tensor:
    ce = nn.functional.binary_cross_entropy(p, y, reduction="none")  # refuses what is no probability
    z = torch.where(y == 1, torch.log(p) - torch.log1p(-p), torch.log1p(-p) - torch.log(p))
    return torch.sigmoid(-z) ** gamma * -nn.functional.logsigmoid(z) + 0 * ce


def one_hot(x: Any, y: Any, gamma: float) -> Any:
    if y.shape != x.shape:
        raise ValueError("rows of zeros with a 1")
    return _soft(x, y.argmax(-1), gamma)


def image(x: Any, y: Any, gamma: float) -> Any:
    if x.ndim != 3:
        raise ValueError("images have three axes")
    return fr.softmax_focal_loss(x, y, gamma=gamma, axis=1)


@dataclasses.dataclass(frozen=True)
class Frozen:
    """As equinox has it."""

    gamma: float = 2.0
    reduction: str = "mean"

    def __call__(self, x: Any, y: Any) -> Any:
        loss = value(x, y, self.gamma)
        return loss.mean() if self.reduction == "mean" else loss


class Linen:
    """As flax has it: made anew by clone, called by apply."""

    __module__ = "flax.linen.module"

    def __init__(self, gamma: float = 2.0) -> None:
        self.gamma = gamma

    def clone(self, **changes: Any) -> Linen:
        return Linen(**changes)

    def apply(self, variables: Any, x: Any, y: Any) -> Any:
        return value(x, y, self.gamma)

    def __call__(self, x: Any, y: Any) -> Any:
        raise RuntimeError("call apply")


class Keras:
    """As Keras has it: targets first, a reduction of its own name."""

    def __init__(self, gamma: float = 2.0, reduction: str = "sum_over_batch_size") -> None:
        self.gamma, self.reduction = gamma, reduction

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        loss = self.call(y_true, y_pred)
        return loss.mean() if self.reduction == "sum_over_batch_size" else loss

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return value(y_pred, y_true, self.gamma)


class Buffered(nn.Module):
    """γ is a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("gamma", torch.tensor(2.0))

    def forward(self, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        z = torch.where(targets == 1, inputs, -inputs)
        return torch.sigmoid(-z) ** self.gamma * -nn.functional.logsigmoid(z)


def balanced(x: Any, y: Any, gamma: float, alpha: float = 0.25) -> Any:
    return np.where(y == 1, x.dtype.type(alpha), x.dtype.type(1 - alpha)) * value(x, y, gamma)


class Weighed(nn.Module):
    """The tutorial's α, on every class."""

    def __init__(self, alpha: float = 0.5, gamma: float = 2.0) -> None:
        super().__init__()
        self.alpha, self.gamma = alpha, gamma

    def forward(self, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        log_p = torch.log_softmax(inputs.double(), -1).gather(-1, targets[..., None])[..., 0]
        return (self.alpha * (-torch.expm1(log_p)) ** self.gamma * -log_p).to(inputs.dtype)


FORMS: dict[str, tuple[Any, dict[str, Any], str]] = {
    "signs": (signs, FEW, "targets are −1 and 1"),
    "integers": (integers, FEW, "targets are integers"),
    "turned": (turned, FEW, "called with (targets, logits, gamma=gamma)"),
    "averaged": (averaged, FEW, "it gives a mean"),
    "summed": (summed, FEW, "it gives a sum"),
    "with_its_gradient": (with_its_gradient, {**FEW, "largest": 60.0}, "its results are (loss, gradient)"),
    "without_gamma": (without_gamma, {"dtypes": ("float32",)}, "its γ is 1.5"),
    "of_probabilities": (of_probabilities, {**FEW, "tolerance": 1e5}, "it takes probabilities"),
    "one_hot": (one_hot, ROWS, "targets are one-hot rows"),
    "image": (image, ROWS, "the classes lie along the second axis"),
    "frozen": (Frozen(), FEW, "its γ is set for each call of Frozen"),
    "frozen class": (Frozen, FEW, "Frozen is made for each γ"),
    "linen": (Linen(), {**FEW, "framework": "numpy"}, "its γ is set for each call of Linen"),
    "linen class": (Linen, {**FEW, "framework": "numpy"}, "Linen is made for each γ"),
    "keras": (Keras(), FEW, "its γ is set for each call of Keras with (targets, logits)"),
    "keras class": (Keras, FEW, "Keras is made for each γ, and called with (targets, logits)"),
    "balanced": (balanced, FEW, "its α is 0.25: α for positives, 1 − α for negatives"),
    "weighed": (Weighed(), {**ROWS, "largest": 12.0, "order": 1, "tolerance": 1e6}, "its α is 0.5: α for everything"),
    "weighed class": (Weighed, {**ROWS, "largest": 12.0, "order": 1, "tolerance": 1e6}, "its α is 0.5: α for everything"),
    "buffered": (Buffered(), {**FEW, "largest": 60.0, "order": 1}, "its γ is set for each call of Buffered"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMS)
def test_a_form_is_found_out_and_said(name: str) -> None:
    """In the line at the top; the loss passes without a word of its user's."""
    fn, options, words = FORMS[name]
    verdict = check(fn, **options)
    assert words in verdict.called
    assert not [f for f in verdict.findings if f.grade == "training"], str(verdict)
    if name != "of_probabilities":  # whose p is rounded
        assert verdict.passed, str(verdict)
    assert words.split()[0] in " ".join(str(verdict).split())


def test_what_is_said_goes_before_what_is_found() -> None:
    """A caller who says how it is called is believed."""
    assert check(turned, arguments="logits, targets, gamma=gamma", **FEW).called == ""
    assert not check(turned, arguments="logits, targets, gamma=gamma", **FEW).passed
    assert not check(averaged, reduction="sum", **FEW).passed
    assert check(signs, targets="signs", **FEW).passed


def test_an_alpha_that_is_not_declared_is_no_convention() -> None:
    """It is a finding; and so is one the wrong way round."""

    def silent(x: Any, y: Any, gamma: float) -> Any:
        return balanced(x, y, gamma)

    def swapped(x: Any, y: Any, gamma: float, alpha: float = 0.25) -> Any:
        return balanced(x, y, gamma, 1 - alpha)

    assert check(silent, **FEW).causes == ("alpha without being asked: 0.25 and 0.75",)
    assert check(swapped, **FEW).causes == ("alpha without being asked: 0.75 and 0.25",)
    assert check(balanced, alpha=0.75, **FEW).passed


def test_a_wrong_loss_is_not_talked_right() -> None:
    """No way of calling is taken for a loss that is none in any; the described one stays."""
    verdict = check(lambda logits, targets, gamma: value(logits, 1 - targets, gamma), **FEW)
    assert (verdict.called, verdict.passed) == ("", False)


def test_a_function_that_a_transform_makes_another_is_told() -> None:
    """Under vmap, which gives it tensors of another kind; one that refuses vmap is remarked on."""

    def odd(x: torch.Tensor, y: torch.Tensor, gamma: float) -> torch.Tensor:
        z = torch.where(y == 1, x, -x)
        factor = 2.0 if torch._C._functorch.is_batchedtensor(x) else 1.0
        return factor * torch.sigmoid(-z) ** gamma * -nn.functional.logsigmoid(z)

    def asks(x: torch.Tensor, y: torch.Tensor, gamma: float) -> torch.Tensor:
        if x.numel() and float(x.detach().abs().max()) < 0:
            raise ValueError
        z = torch.where(y == 1, x, -x)
        return torch.sigmoid(-z) ** gamma * -nn.functional.logsigmoid(z)

    options: dict[str, Any] = {**FEW, "largest": 60.0, "order": 1}
    assert check(odd, **options).causes == ("another loss under torch.func.vmap",)
    verdict = check(asks, **options)
    assert verdict.passed, str(verdict)
    assert any(remark.startswith("torch.func.vmap is refused") for remark in verdict.remarks)


@pytest.mark.slow
def test_torchs_compiler_is_tried_where_it_is_asked_for() -> None:
    """Another loss while it is compiled; the tenth in one process too, where torch by itself has stopped compiling."""

    def odd(x: torch.Tensor, y: torch.Tensor, gamma: float, factor: float) -> torch.Tensor:
        z = torch.where(y == 1, x, -x)
        return (factor if torch.compiler.is_compiling() else 1.0) * torch.sigmoid(-z) ** gamma * -nn.functional.logsigmoid(z)

    for factor in range(2, 12):

        def loss(x: torch.Tensor, y: torch.Tensor, gamma: float, factor: float = factor) -> torch.Tensor:
            return odd(x, y, gamma, factor)

        assert "another loss under torch.compile" in check(loss, compiles=True, largest=60.0, order=1, **FEW).causes, factor


class Blog(nn.Module):
    """The tutorials', whose options are all its constructor's."""

    def __init__(self, gamma: float = 2.0, reduction: str = "mean", ignore_index: int = -100) -> None:
        super().__init__()
        self.gamma, self.reduction, self.ignore_index = gamma, reduction, ignore_index

    def forward(self, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        ce = nn.functional.cross_entropy(inputs, targets, reduction="none", ignore_index=self.ignore_index)
        loss = (1 - torch.exp(-ce)) ** self.gamma * ce
        return loss.mean() if self.reduction == "mean" else loss.sum() if self.reduction == "sum" else loss


BLOGS: dict[str, Any] = {**ROWS, "largest": 12.0, "order": 1, "tolerance": 1e6}


@pytest.mark.parametrize("fn", [Blog, Blog(), Blog(ignore_index=7)])
def test_an_option_that_the_call_has_not_goes_to_the_constructor(fn: Any) -> None:
    """Or is set on the object; and what it says is measured."""
    verdict = check(fn, ignore_index=255, **BLOGS)
    assert verdict.passed, str(verdict)
    assert any(remark.startswith("Measured too: targets 255 left out") for remark in verdict.remarks)


def test_an_object_without_an_option_says_so() -> None:
    """Not by what Python says of the call that is made for it."""
    verdict = check(Blog(), alpha=0.25, **BLOGS)
    assert "Blog has no alpha" in str(verdict)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_a_reduction_that_is_said_is_the_objects_own(reduction: str) -> None:
    """A class is made with it, an object keeps its own; one that gives all its losses is told so."""
    for fn in (Blog, Blog(reduction=reduction)):
        verdict = check(fn, reduction=reduction, **BLOGS)
        assert verdict.passed, str(verdict)
    told = " ".join(str(check(Blog(reduction="none"), reduction=reduction, **BLOGS)).split())
    assert f"value: got shape (7,) for 7 losses; expected their {reduction}" in told

"""Conventions are told apart: each profile is recognised as itself, and so is whatever follows a convention."""

from __future__ import annotations

import importlib
import itertools
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import focal_ref as fr
from focal_ref import conventions
from focal_ref.conventions import fit, profiles, recognise, rules
from focal_ref.conventions import soft_targets as formulas
from focal_ref.conventions.profiles import Profile
from focal_ref.engine import arrays
from focal_ref.libraries import backends
from focal_ref.libraries.frameworks import Framework

# ---- losses that know nothing of focal_ref -----------------------------------------------------------------------------------


def _bce(x: Any, y: Any) -> Any:
    return np.maximum(x, 0) - x * y + np.log1p(np.exp(-np.abs(x)))


def _p(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def _hard(x: Any, y: Any, gamma: float) -> Any:
    return _p(np.where(y == 1, -x, x)) ** gamma * _bce(x, y)


SOFT: dict[str, Callable[[Any, Any, float], Any]] = {
    "mix": lambda x, y, g: (y * (1 - _p(x)) + (1 - y) * _p(x)) ** g * _bce(x, y),
    "expected": lambda x, y, g: y * _hard(x, 1.0, g) + (1 - y) * _hard(x, 0.0, g),
    "quality": lambda x, y, g: np.abs(y - _p(x)) ** g * _bce(x, y),
    "exp_ce": lambda x, y, g: (1 - np.exp(-_bce(x, y))) ** g * _bce(x, y),
    "margin": lambda x, y, g: _p(-x * (2 * y - 1)) ** g * _bce(x, y),
    "geometric": lambda x, y, g: np.exp(-g * (x * y + np.log1p(np.exp(-x)))) * _bce(x, y),
    "another": lambda x, y, g: _hard(x, y > 0.5, g),
}
WEIGHTS: dict[str, Callable[[Any, float], Any]] = {
    "none": lambda y, a: y * 0 + 1,
    "balance": lambda y, a: a * y + (1 - a) * (1 - y),
    "positives": lambda y, a: a * y + (1 - y),
    "factor": lambda y, a: a + 0 * y,
    "swapped": lambda y, a: (1 - a) * y + a * (1 - y),
}
MEANS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "losses": lambda losses, w, y: losses.mean(),
    "rows": lambda losses, w, y: losses.sum() / len(losses),
    "one": lambda losses, w, y: losses.sum(),
    "positives": lambda losses, w, y: losses.sum() / (y == 1).sum(),
    "weights": lambda losses, w, y: losses.sum() / w.sum(),
    "classes": lambda losses, w, y: losses.sum() / losses.shape[1],
}


def _sigmoid_loss(soft: str, weights: str, mean: str | None) -> Callable[..., Any]:
    def loss(logits: Any, targets: Any, gamma: float = 2.0, alpha: float = 1.0, reduction: str = "mean") -> Any:
        x, y = logits.astype(np.float64), targets.astype(np.float64)
        w = WEIGHTS[weights](y, alpha)
        losses = w * SOFT[soft](x, y, gamma)
        if reduction == "none":
            return losses
        return losses.sum() if reduction == "sum" else MEANS[mean or "losses"](losses, w, y)

    if mean is not None:
        return loss
    return lambda logits, targets, gamma, alpha: loss(logits, targets, gamma, alpha, "none")


def _log_softmax(x: Any) -> Any:
    return x - np.log(np.exp(x).sum(1, keepdims=True))


CLASS_WEIGHTS: dict[str, Callable[[Any, Any], Any]] = {
    "none": lambda t, a: np.ones(len(t)),
    "background": lambda t, a: np.where(t == 0, 1 - a, a),
    "factor": lambda t, a: np.full(len(t), float(a)),
    "classes": lambda t, a: np.asarray(a)[t],
}
ROW_MEANS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "losses": lambda losses, w, t: losses.mean(),
    "entries": lambda losses, w, t: losses.mean() / 4,
    "one": lambda losses, w, t: losses.sum(),
    "positives": lambda losses, w, t: losses.sum() / (t > 0).sum(),
    "weights": lambda losses, w, t: losses.sum() / w.sum(),
}


def _softmax_loss(weights: str, mean: str, ignoring: str = "refused") -> Callable[..., Any]:
    """`ignoring`: what becomes of class -100."""

    def loss(logits: Any, targets: Any, gamma: float, alpha: Any, reduction: str) -> Any:
        kept = targets >= 0
        if ignoring == "refused" and not kept.all():
            raise IndexError("a class below 0")
        t = np.where(kept, targets, 0)
        log_p = np.take_along_axis(_log_softmax(logits.astype(np.float64)), t[:, None], 1)[:, 0]
        w = CLASS_WEIGHTS[weights](t, alpha)
        losses = kept * w * (1 - np.exp(log_p)) ** gamma * -log_p
        if ignoring == "not count" and reduction == "mean":
            losses, w, t = losses[kept], w[kept], t[kept]
        return {"none": lambda *_: losses, "sum": ROW_MEANS["one"], "mean": ROW_MEANS[mean]}[reduction](losses, w, t)

    return loss


# ---- each convention by itself ----------------------------------------------------------------------------------------------

every_profile = pytest.mark.parametrize("profile", profiles.PROFILES, ids=lambda p: f"{p.name}-{p.link}")


@every_profile
def test_a_profile_is_recognised_as_itself(profile: Profile) -> None:
    """Its rules by their names, and its own name among those that it agrees with."""
    found = recognise(profile, link=profile.link)
    assert (found.structure, found.alpha, found.mean) == (profile.link, profile.scalar, profile.mean)
    assert found.alphas == (profile.sequence or "refused")
    assert found.soft == (profile.soft or "refused")
    assert profile.name in found.like
    for other in (profiles.get(name) for name in found.like):
        assert {other.soft, profile.soft} == {profile.soft} or profile.link == "softmax"


@pytest.mark.parametrize("soft", SOFT)
@pytest.mark.parametrize("weights", WEIGHTS)
def test_soft_targets_and_alpha_are_recognised(soft: str, weights: str) -> None:
    """All six formulas under all meanings of alpha, and a loss that rounds its labels."""
    found = recognise(_sigmoid_loss(soft, weights, "losses"))
    assert (found.structure, found.alpha, found.soft, found.mean, found.sum) == ("sigmoid", weights, soft, "losses", "one")


@pytest.mark.parametrize("mean", MEANS)
def test_what_a_sigmoid_s_mean_divides_by_is_recognised(mean: str) -> None:
    """Losses, rows, nothing, positives, the sum of the weights, classes."""
    found = recognise(_sigmoid_loss("mix", "balance", mean))
    assert (found.alpha, found.mean, found.soft) == ("balance", mean, "mix")


def test_a_loss_for_each_element_has_no_mean() -> None:
    """Where there is no argument for it, nothing is said of it."""
    found = recognise(_sigmoid_loss("quality", "balance", None))
    assert (found.alpha, found.soft, found.mean, found.sum) == ("balance", "quality", None, None)


@pytest.mark.parametrize(("weights", "mean"), list(itertools.product(CLASS_WEIGHTS, ROW_MEANS)))
def test_a_softmax_loss_is_recognised(weights: str, mean: str) -> None:
    """Every meaning of alpha with every divisor; dividing by the weights' sum undoes a common factor, which is no effect."""
    found = recognise(_softmax_loss(weights, mean), link="softmax")
    assert found.structure == "softmax"
    assert (found.alphas if weights == "classes" else found.alpha) == weights
    if weights == "classes":
        assert found.alpha is None
    expected = "losses" if (weights, mean) == ("none", "weights") else mean
    assert found.mean == expected
    assert found.shift_invariant is True


@pytest.mark.parametrize("mean", ["losses", "entries"])
@pytest.mark.parametrize("ignoring", ["count", "not count", "refused"])
def test_rows_left_out_are_recognised(ignoring: str, mean: str) -> None:
    """Whether they count for the mean, or are refused."""
    assert recognise(_softmax_loss("factor", mean, ignoring), link="softmax").ignored == ignoring


def test_a_fixed_reduction_and_a_fixed_alpha() -> None:
    """A loss that only gives its mean, with an alpha of its own, is told `alpha=`; the same without it is no known loss."""

    def mean_only(logits: Any, targets: Any) -> Any:
        return _softmax_loss("background", "entries")(logits, targets, 1.5, 0.75, "mean")

    found = recognise(mean_only, link="softmax", gamma=1.5, alpha=0.75)
    assert (found.structure, found.alpha, found.mean, found.sum) == ("softmax", None, "entries", None)
    assert recognise(mean_only, link="softmax", gamma=1.5).structure is None
    assert recognise(mean_only, link="softmax", gamma=2.0, alpha=0.75).structure is None

    def sum_only(logits: Any, targets: Any, gamma: float) -> Any:
        return _softmax_loss("none", "one")(logits, targets, gamma, None, "mean")

    found = recognise(sum_only, link="softmax")
    assert (found.mean, found.sum) == (None, "one")


def test_one_against_the_rest_is_told_from_softmax() -> None:
    """A sigmoid a class: not shift invariant; with one-hot rows where integers are refused; its sum over a row, or its mean."""

    def by_class(logits: Any, targets: Any, gamma: float, reduction: str) -> Any:
        losses = _hard(logits.astype(np.float64), np.eye(4)[targets], gamma)
        return {"none": losses.sum(1), "mean": losses.sum(1).mean(), "sum": losses.sum()}[reduction]

    def by_row(logits: Any, targets: Any, gamma: float) -> Any:
        assert targets.shape == logits.shape
        return _hard(logits.astype(np.float64), targets, gamma).mean(1)

    found = recognise(by_class, link="softmax")
    assert (found.structure, found.mean, found.sum, found.shift_invariant) == ("one-against-the-rest", "rows", "one", False)
    assert recognise(by_row, link="softmax").structure == "one-against-the-rest"
    smp = recognise(profiles.get("segmentation-models"), link="softmax")
    assert (smp.structure, smp.sum, smp.ignored, smp.like) == (
        "one-against-the-rest",
        "classes",
        "negative",
        ("segmentation-models",),
    )


def test_a_loss_padded_with_zeros_is_recognised() -> None:
    """As kornia gives it: an entry a class, of which one is the loss."""

    def padded(logits: Any, targets: Any, gamma: float, reduction: str) -> Any:
        log_p = _log_softmax(logits.astype(np.float64))
        losses = -((1 - np.exp(log_p)) ** gamma) * log_p * np.eye(4)[targets]
        return {"none": losses, "mean": losses.mean(), "sum": losses.sum()}[reduction]

    found = recognise(padded, link="softmax")
    assert (found.structure, found.mean, found.sum) == ("softmax", "entries", "one")


def test_likeness_is_in_everything() -> None:
    """A profile that differs in one convention is not named: in what makes probabilities, or in one alpha a class."""

    def by_class(logits: Any, targets: Any, gamma: float, alpha: Any, reduction: str) -> Any:
        y = np.eye(4)[targets]
        losses = WEIGHTS["balance"](y, alpha) * _hard(logits.astype(np.float64), y, gamma)
        return {"none": losses, "mean": losses.mean(), "sum": losses.sum()}[reduction]

    found = recognise(by_class, link="softmax")
    assert (found.alphas, found.mean, found.sum) == ("another", "losses", "one")
    assert found.like == ()

    def refusing(logits: Any, targets: Any, gamma: float, alpha: float, reduction: str) -> Any:
        return by_class(logits, targets, gamma, float(alpha), reduction)

    assert recognise(refusing, link="softmax").like == ("mmdetection",)

    def monai_but_for_sequences(logits: Any, targets: Any, gamma: float, alpha: float, reduction: str) -> Any:
        return profiles.get("monai", "softmax")(logits, targets, gamma, float(alpha), reduction)

    found = recognise(monai_but_for_sequences, link="softmax")
    assert (found.soft, found.mean, found.alphas, found.like) == ("expected", "entries", "refused", ())


def test_softmax_with_one_hot_rows_and_its_soft_targets() -> None:
    """Both formulas for rows of probabilities, in a loss that takes nothing else."""

    def expected(logits: Any, targets: Any, gamma: float) -> Any:
        log_p = _log_softmax(logits.astype(np.float64))
        return (targets * (1 - np.exp(log_p)) ** gamma * -log_p).sum(1)

    def exp_ce(logits: Any, targets: Any, gamma: float) -> Any:
        ce = -(targets * _log_softmax(logits.astype(np.float64))).sum(1)
        return (1 - np.exp(-ce)) ** gamma * ce

    def only_rows(loss: Callable[..., Any]) -> Callable[..., Any]:
        def strict(logits: Any, targets: Any, gamma: float) -> Any:
            if targets.shape != logits.shape:
                raise ValueError("one-hot rows, please")
            return loss(logits, targets, gamma)

        return strict

    for loss, name in ((expected, "expected"), (exp_ce, "exp_ce")):
        found = recognise(only_rows(loss), link="softmax")
        assert (found.structure, found.soft, found.ignored) == ("softmax", name, None)


def test_what_is_no_focal_loss_is_not_taken_for_one() -> None:
    """A wrong loss has no structure, and nothing else is said of it: the other class's modulator, γ + 1, a factor."""
    for wrong in (
        lambda logits, targets, gamma: _p(logits) ** gamma * _bce(logits, targets),
        lambda logits, targets, gamma: _hard(logits, targets, gamma + 1),
        lambda logits, targets, gamma: 2 * _hard(logits, targets, gamma),
        lambda logits, targets, gamma: logits * targets,
    ):
        found = recognise(wrong)
        assert found == conventions.Conventions("sigmoid")
        assert str(found).startswith("hard targets: no focal loss of a known kind")


@pytest.mark.parametrize("mean", ["positives", "weights"])
def test_what_cannot_be_told_is_not_guessed(mean: str) -> None:
    """How a soft target counts among positives, or in a sum of weights, has no one answer: its formula then stays open."""

    def mean_only(logits: Any, targets: Any, gamma: float, alpha: float) -> Any:
        return _sigmoid_loss("mix", "balance", mean)(logits, targets, gamma, alpha)

    found = recognise(mean_only)
    assert (found.alpha, found.mean, found.soft) == ("balance", mean, None)


# ---- frameworks -------------------------------------------------------------------------------------------------------------


def test_every_array_library_is_called(backend: Any) -> None:
    """The function gets the library's own arrays, and its results are read from it; focal_ref itself is recognised on all."""

    def softmax(logits: Any, targets: Any, gamma: float, alpha: Any, reduction: str) -> Any:
        assert arrays.namespace_of(logits) is arrays.namespace_of(backend(np.zeros(1)))
        return fr.softmax_focal_loss(logits, targets, gamma=gamma, alpha=alpha, reduction=reduction)

    def sigmoid(logits: Any, targets: Any, gamma: float, alpha: Any, reduction: str) -> Any:
        return fr.sigmoid_focal_loss(logits, targets, gamma=gamma, alpha=alpha, reduction=reduction, soft_targets="quality")

    found = recognise(softmax, link="softmax", framework=backend.name)
    assert (found.structure, found.alpha, found.mean, found.soft) == ("softmax", "factor", "losses", "expected")
    assert (found.shift_invariant, found.alphas) == (True, "classes")
    differentiates = backend.name.partition("-")[0] in ("torch", "jax")
    assert found.gradient_sums_to_zero is (True if differentiates else None)
    found = recognise(sigmoid, framework=backend.name)
    assert (found.structure, found.alpha, found.soft) == ("sigmoid", "balance", "quality")


def test_a_gradient_that_does_not_sum_to_zero_is_told() -> None:
    """Whoever gives it: a framework, or a function by hand; that of one sigmoid a class does not."""
    torch = importlib.import_module("torch")

    def smp(logits: Any, targets: Any, gamma: float) -> Any:
        y = torch.nn.functional.one_hot(targets, 4).to(logits.dtype)
        bce = torch.nn.functional.binary_cross_entropy_with_logits(logits, y, reduction="none")
        return (1 - torch.exp(-bce)) ** gamma * bce

    def opaque(logits: Any, targets: Any, gamma: float) -> Any:
        return smp(logits.detach(), targets, gamma)

    assert recognise(opaque, link="softmax", framework="torch").gradient_sums_to_zero is None
    found = recognise(smp, link="softmax", framework="torch")
    assert (found.structure, found.gradient_sums_to_zero) == ("one-against-the-rest", False)
    assert "the gradient's rows: do not sum to zero" in str(found)

    def detached(logits: Any, targets: Any, **options: Any) -> Any:
        assert set(options) == {"gamma", "alpha", "reduction"}
        q = np.exp(_log_softmax(logits.astype(np.float64)))
        return np.where(np.eye(4)[targets] == 1, q - 1, 0 * q)

    def wrong_once(logits: Any, targets: Any, **options: Any) -> Any:
        q = np.exp(_log_softmax(logits.astype(np.float64))) - np.eye(4)[targets]
        return q + (np.arange(7) == 2)[:, None]

    assert recognise(profiles.get("tutorial"), link="softmax", derivative=wrong_once).gradient_sums_to_zero is False
    by_hand = recognise(profiles.get("optax"), derivative=detached)
    assert by_hand.gradient_sums_to_zero is None
    tutorial = profiles.get("tutorial")
    assert recognise(tutorial, link="softmax", derivative=detached).gradient_sums_to_zero is False


def test_a_module_and_a_loss_without_some_reduction() -> None:
    """A torch module is asked what its `forward` takes; a reduction that is refused is left out."""
    torch = importlib.import_module("torch")

    class Focal(torch.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, logits: Any, targets: Any, reduction: str = "mean") -> Any:
            if reduction == "sum":
                raise ValueError("no sums")
            ce = torch.nn.functional.cross_entropy(logits, targets, reduction="none")
            losses = (1 - torch.exp(-ce)) ** 2 * ce
            return losses.mean() if reduction == "mean" else losses

    found = recognise(Focal(), link="softmax", framework="torch")
    assert (found.structure, found.alpha, found.mean, found.sum) == ("softmax", None, "losses", None)
    assert (found.soft, found.ignored, found.gradient_sums_to_zero) == ("exp_ce", "count", True)
    assert found.like == ("tutorial",)


def test_a_framework_of_one_s_own() -> None:
    """Three small functions are enough, as for `focal_ref.conformance.check`."""
    framework = Framework(backends.get("numpy"), lambda losses, x: np.ones(x.shape))
    found = recognise(profiles.get("tutorial"), link="softmax", framework=framework)
    assert found.gradient_sums_to_zero is False
    assert found.like == ("tutorial",)


# ---- words ------------------------------------------------------------------------------------------------------------------


def test_it_is_said_in_words_and_as_data() -> None:
    """A line a convention, with the profiles that share it; plain data besides."""
    found = recognise(_softmax_loss("background", "entries", "count"), link="softmax")
    assert str(found).splitlines() == [
        "multi-class: softmax",
        "alpha: 1 − α for class 0, α for every other, as kornia, monai",
        "one alpha a class: refused",
        "mean: divides by the losses × the classes, so also by C, as kornia, monai",
        "sum: is a plain one",
        "left-out rows: count for the mean",
        "soft targets: refused",
        "a constant added to a row: changes nothing",
        "all of that as: kornia",
    ]
    data = json.loads(json.dumps(found.to_dict()))
    assert (data["mean"], data["alpha"], data["soft"], data["like"]) == ("entries", "background", "refused", ["kornia"])


def test_every_word_is_known() -> None:
    """Whatever can be found has words, and a structure a name."""
    assert set(fit.MEANINGS) >= set(rules.ALPHA)
    assert set(fit.DIVISORS) >= {p.mean for p in profiles.PROFILES}
    assert set(SOFT) - {"another"} == set(formulas.SIGMOID)
    assert set(MEANS) | set(ROW_MEANS) == set(fit.DIVISORS)
    assert set(WEIGHTS) | set(CLASS_WEIGHTS) == set(fit.MEANINGS)


# ---- wrong arguments --------------------------------------------------------------------------------------------------------


def test_wrong_arguments_are_refused() -> None:
    """By name; and a function that takes no hard targets tells its own error."""
    with pytest.raises(ValueError, match=r"^link: got 'probit'; expected one of 'sigmoid', 'softmax'"):
        recognise(profiles.get("optax"), link="probit")
    with pytest.raises(ValueError, match=r"^dtype: got 'float16'; expected one of 'float32', 'float64'"):
        recognise(profiles.get("optax"), dtype="float16")
    with pytest.raises(ValueError, match=r"^name: got 'caffe'"):
        recognise(profiles.get("optax"), framework="caffe")

    def broken(logits: Any, targets: Any) -> Any:
        raise RuntimeError("not today")

    with pytest.raises(RuntimeError, match="not today"):
        recognise(broken)


class OfItsOwnAlpha:
    """The tutorials' class with a mean, in NumPy: α is its own, and nobody is asked for it."""

    def __init__(self, alpha: float, divides: float = 1.0) -> None:
        self.alpha, self.divides = alpha, divides

    def __call__(self, logits: Any, targets: Any) -> Any:
        """α times the mean."""
        return self.alpha * fr.softmax_focal_loss(logits, targets, gamma=2.0).mean() / self.divides


@pytest.mark.parametrize("alpha", [1.0, 0.5, 0.3, 0.25, 0.2])
@pytest.mark.parametrize("said", [True, False])
def test_an_alpha_of_its_own_is_no_divisor(alpha: float, said: bool) -> None:
    """A mean with α = 1/4 is one over the entries of four classes without: what an object declares comes first."""
    found = recognise(OfItsOwnAlpha(alpha), link="softmax", alpha=alpha if said else None)
    assert (found.structure, found.mean) == ("softmax", "losses")
    assert recognise(OfItsOwnAlpha(alpha, 4.0), link="softmax").mean == "entries"

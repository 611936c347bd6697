"""The profiles are the libraries' own losses, the soft formulas are exact, and the page says what the data say."""

from __future__ import annotations

import dataclasses
import itertools
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import focal_ref as fr
from focal_ref.conformance import ulp
from focal_ref.conventions import profiles, rules, soft_targets
from focal_ref.conventions.profiles import Profile

PAGE = Path(__file__).resolve().parents[2] / "docs" / "profiles.md"
DOUBLE = ulp.FORMATS["float64"]
GAMMAS = (0.0, 0.5, 1.0, 2.0, 5.0)


def _ulps(got: Any, exact: Any) -> Any:
    return ulp.errors(np.ravel(got), *ulp.split(np.ravel(np.asarray(exact, dtype=object))), DOUBLE)


# ---- the six formulas -------------------------------------------------------------------------------------------------------

X = (-700.0, -36.5, -4.25, -0.75, 0.0, 2.0**-60, 0.3125, 2.5, 17.0, 36.5, 700.0)
Y = (0.0, 2.0**-30, 0.25, 0.6875, 1 - 2.0**-53, 1.0)


def _sigmoid_definition(name: str, x: Any, y: Any, gamma: Any) -> Any:
    """As the literature has it, by mpmath: nothing is rearranged."""
    x, y, gamma = mpmath.mpf(x), mpmath.mpf(y), mpmath.mpf(gamma)
    p = 1 / (1 + mpmath.exp(-x))
    bce = -(y * mpmath.log(p)) - (1 - y) * mpmath.log(1 - p)
    if name == "expected":
        return y * (1 - p) ** gamma * -mpmath.log(p) + (1 - y) * p**gamma * -mpmath.log(1 - p)
    modulators = {
        "mix": 1 - (y * p + (1 - y) * (1 - p)),
        "quality": abs(y - p),
        "exp_ce": 1 - mpmath.exp(-bce),
        "margin": 1 / (1 + mpmath.exp(x * (2 * y - 1))),
        "geometric": mpmath.exp(-(x * y + mpmath.log(1 + mpmath.exp(-x)))),
    }
    return modulators[name] ** gamma * bce


@pytest.mark.slow
@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("name", soft_targets.SIGMOID)
def test_a_soft_formula_is_its_definition(name: str, gamma: float) -> None:
    """Within 4 + 3 γ ULP; 2 γ |x| more where an exponent is a rounded product, 8 γ / |y − p| more where y − p cancels."""
    with mpmath.workdps(400):
        for x, y in itertools.product(X, Y):
            exact = _sigmoid_definition(name, x, y, gamma)
            bound = 4 + 3 * gamma
            if name in ("margin", "geometric"):
                bound += 2 * gamma * abs(x)
            if name == "quality":
                bound += 8 * gamma / max(abs(y - 1 / (1 + math.exp(-x))), 2.0**-53)
            got = soft_targets.sigmoid(name, x, y, gamma)
            error = _ulps(got, [exact])[0]
            assert error <= bound, (x, y, error, bound)


@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("name", soft_targets.SOFTMAX)
def test_a_row_s_soft_formula_is_its_definition(name: str, gamma: float) -> None:
    """Within 8 + 4 γ ULP."""
    with mpmath.workdps(400):
        for row in ((0.5, -1.25, 3.0), (40.0, 0.0, -40.0), (-700.0, 1.0, 2.0), (0.0, 0.0, 0.0)):
            for y in ((0.25, 0.5, 0.25), (1.0, 0.0, 0.0), (0.0, 0.125, 0.875)):
                e = [mpmath.exp(x) for x in row]
                p = [v / sum(e) for v in e]
                if name == "expected":
                    exact = sum(t * (1 - q) ** mpmath.mpf(gamma) * -mpmath.log(q) for t, q in zip(y, p, strict=True))
                else:
                    ce = -sum(t * mpmath.log(q) for t, q in zip(y, p, strict=True))
                    exact = (1 - mpmath.exp(-ce)) ** mpmath.mpf(gamma) * ce
                error = _ulps(soft_targets.softmax(name, row, y, gamma), [exact])[0]
                assert error <= 8 + 4 * gamma, (row, y, error)


@given(st.floats(-800, 800), st.sampled_from((0.0, 1.0)), st.sampled_from(GAMMAS))
def test_the_formulas_agree_for_hard_targets(x: float, y: float, gamma: float) -> None:
    """To the last bit, beside a soft target too: that of focal_ref's own loss."""
    hard = fr.sigmoid_focal_loss(np.asarray([x]), np.asarray([y]), gamma=gamma)
    for name in soft_targets.SIGMOID:
        assert soft_targets.sigmoid(name, [x, x], [y, 0.375], gamma)[0] == hard[0]


@pytest.mark.parametrize("name", soft_targets.SIGMOID)
def test_the_formulas_keep_limits_and_nan(name: str) -> None:
    """Infinite logits give the limit, as far logits do; NaN stays in its element; nothing warns."""
    for gamma, (x, y) in itertools.product(
        (0.0, 0.5, 2.0), itertools.product((math.inf, -math.inf), (0.0, 0.25, 0.5, 0.75, 1.0))
    ):
        far = float(soft_targets.sigmoid(name, math.copysign(1e300, x), y, gamma))
        limit, nan = soft_targets.sigmoid(name, [x, math.nan], y, gamma)
        assert limit == (0 if far == 0 else math.inf), (x, y, gamma)
        assert math.isnan(nan)


def test_unknown_formulas_and_targets_are_refused() -> None:
    """By name."""
    with pytest.raises(ValueError, match=r"^name: got 'hard'; expected one of 'mix'"):
        soft_targets.sigmoid("hard", 0.0, 1.0, 2.0)
    with pytest.raises(ValueError, match=r"^name: got 'mix'; expected one of 'expected', 'exp_ce'"):
        soft_targets.softmax("mix", [0.0, 1.0], [1.0, 0.0], 2.0)
    for name in soft_targets.SIGMOID:
        with pytest.raises(ValueError, match=r"^targets: got 1\.5"):
            soft_targets.sigmoid(name, [0.0, 1.0], [1.5, 0.5], 2.0)


# ---- the libraries' own sources, word for word in NumPy ---------------------------------------------------------------------


def _sig(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def _bce(x: Any, y: Any) -> Any:
    return np.maximum(x, 0) - x * y + np.log1p(np.exp(-np.abs(x)))


def _log_softmax(x: Any) -> Any:
    return x - np.log(np.exp(x).sum(1, keepdims=True))


REDUCERS = {"none": lambda v: v, "mean": np.mean, "sum": np.sum}


def _torchvision(x: Any, y: Any, alpha: Any = 0.25, gamma: Any = 2.0, reduction: str = "none") -> Any:
    p = _sig(x)
    p_t = p * y + (1 - p) * (1 - y)
    loss = _bce(x, y) * (1 - p_t) ** gamma
    if alpha >= 0:
        loss = (alpha * y + (1 - alpha) * (1 - y)) * loss
    return REDUCERS[reduction](loss)


def _kornia_binary(x: Any, y: Any, alpha: Any = 0.25, gamma: Any = 2.0, reduction: str = "none") -> Any:
    log_p, log_q = -_bce(x, 1.0), -_bce(x, 0.0)
    loss = -alpha * np.exp(gamma * log_q) * y * log_p - (1 - alpha) * np.exp(gamma * log_p) * (1 - y) * log_q
    return REDUCERS[reduction](loss)


def _kornia(x: Any, t: Any, alpha: Any = None, gamma: Any = 2.0, reduction: str = "none") -> Any:
    kept = t != -100
    one_hot = np.eye(x.shape[1])[np.where(kept, t, 0)] * kept[:, None]
    log_p = _log_softmax(x)
    loss = -((1 - np.exp(log_p)) ** gamma) * log_p * one_hot
    if alpha is not None:
        loss = np.asarray([1 - alpha] + [alpha] * (x.shape[1] - 1)) * loss
    return loss.sum(1) if reduction == "none" else REDUCERS[reduction](loss)


def _monai_reduced(loss: Any, reduction: str) -> Any:
    """As torch has it, where `loss.mean(dim=[])` of rows without places is a mean over everything."""
    if reduction == "sum":
        return (loss.mean(axis=tuple(range(2, loss.ndim))) if loss.ndim > 2 else loss.mean()).sum()
    return REDUCERS[reduction](loss)


def _monai_sigmoid(x: Any, y: Any, alpha: Any = None, gamma: Any = 2.0, reduction: str = "mean") -> Any:
    loss = x - x * y + np.log1p(np.exp(-x))
    loss = np.exp(-_bce(-x * (y * 2 - 1), 1.0) * gamma) * loss
    if np.ndim(alpha):
        loss = np.where(y == 1, np.reshape(alpha, [1, -1] + [1] * (x.ndim - 2)), 1.0) * loss
    elif alpha is not None:
        loss = (y * alpha + (1 - y) * (1 - alpha)) * loss
    return _monai_reduced(loss, reduction)


def _monai_softmax(x: Any, t: Any, alpha: Any = None, gamma: Any = 2.0, reduction: str = "mean") -> Any:
    y = t if t.dtype.kind == "f" else np.eye(x.shape[1])[t]
    log_p = _log_softmax(x)
    loss = -((1 - np.exp(log_p)) ** gamma) * log_p * y
    if alpha is not None:
        loss = (np.asarray(alpha) if np.ndim(alpha) else np.asarray([1 - alpha] + [alpha] * (x.shape[1] - 1))) * loss
    return loss.sum(1) if reduction == "none" else _monai_reduced(loss, reduction)


def _smp_element(x: Any, y: Any, alpha: Any, gamma: Any) -> Any:
    logpt = _bce(x, y)
    loss = (1.0 - np.exp(-logpt)) ** gamma * logpt
    return loss if alpha is None else loss * (alpha * y + (1 - alpha) * (1 - y))


def _smp(x: Any, y: Any, alpha: Any = None, gamma: Any = 2.0, reduction: str = "mean") -> Any:
    if y.shape == x.shape:
        return REDUCERS[reduction](_smp_element(x, y, alpha, gamma))
    each = [_smp_element(x[:, c], (y == c).astype(float), alpha, gamma) for c in range(x.shape[1])]
    return np.stack(each, 1) if reduction == "none" else np.mean([REDUCERS[reduction](loss) for loss in each])


def _keras_binary(x: Any, y: Any, alpha: Any = None, gamma: Any = 2.0, reduction: str = "mean") -> Any:
    p = _sig(x)
    loss = (1 - (y * p + (1 - y) * (1 - p))) ** gamma * -(y * np.log(p) + (1 - y) * np.log(1 - p))
    if alpha is not None:
        loss = (y * alpha + (1 - y) * (1 - alpha)) * loss
    return loss if reduction == "none" else REDUCERS[reduction](loss)


def _keras(x: Any, t: Any, alpha: Any = 0.25, gamma: Any = 2.0, reduction: str = "mean") -> Any:
    y = t if t.dtype.kind == "f" else np.eye(x.shape[1])[t]
    p = np.exp(_log_softmax(x))
    return REDUCERS[reduction](((1 - p) ** gamma * alpha * -y * np.log(p)).sum(-1))


def _mmdet(x: Any, t: Any, alpha: Any = 0.25, gamma: Any = 2.0, reduction: str = "mean") -> Any:
    y = t if t.shape == x.shape else np.eye(x.shape[1] + 1)[t][:, : x.shape[1]]
    p = _sig(x)
    pt = (1 - p) * y + p * (1 - y)
    return REDUCERS[reduction](_bce(x, y) * (alpha * y + (1 - alpha) * (1 - y)) * pt**gamma)


def _detectron2(x: Any, t: Any, alpha: Any = 0.25, gamma: Any = 2.0, reduction: str = "mean") -> Any:
    y = t if t.shape == x.shape else np.eye(x.shape[1] + 1)[t][:, :-1]
    if reduction == "mean":
        return _torchvision(x, y, alpha, gamma, "sum") / max(np.sum(y), 1)
    return _torchvision(x, y, alpha, gamma, reduction)


def _timm(x: Any, y: Any, alpha: Any = None, gamma: Any = 2.0, reduction: str = "mean") -> Any:
    p, q = _sig(x), 1 - _sig(x)
    loss = y * np.log(p) + (1 - y) * np.log(q)
    loss = -loss * np.power(1 - (p * y + q * (1 - y)), gamma)
    if alpha is not None:  # the library has none
        loss = (alpha * y + (1 - alpha) * (1 - y)) * loss
    return loss.sum() / len(x) if reduction == "mean" else REDUCERS[reduction](loss)


def _tutorial(x: Any, t: Any, alpha: Any = 1.0, gamma: Any = 2.0, reduction: str = "mean") -> Any:
    if t.dtype.kind == "f":
        ce = -(_log_softmax(x) * t).sum(1)
    else:
        ce = -np.take_along_axis(_log_softmax(x), np.where(t == -100, 0, t)[:, None], 1)[:, 0] * (t != -100)
    return REDUCERS[reduction](alpha * (1 - np.exp(-ce)) ** gamma * ce)


Source = Callable[..., Any]
SOURCES: dict[tuple[str, str], Source] = {
    ("torchvision", "sigmoid"): _torchvision,
    ("fvcore", "sigmoid"): lambda x, y, alpha=-1, **rest: _torchvision(x, y, alpha, **rest),
    ("kornia", "sigmoid"): _kornia_binary,
    ("kornia", "softmax"): _kornia,
    ("monai", "sigmoid"): _monai_sigmoid,
    ("monai", "softmax"): _monai_softmax,
    ("segmentation-models", "sigmoid"): _smp,
    ("keras", "sigmoid"): _keras_binary,
    ("keras", "softmax"): _keras,
    ("optax", "sigmoid"): lambda x, y, alpha=None, **rest: _torchvision(x, y, -1 if alpha is None else alpha, **rest),
    ("mmdetection", "sigmoid"): _mmdet,
    ("detectron2", "sigmoid"): _detectron2,
    ("timm", "sigmoid"): _timm,
    ("paddle", "sigmoid"): lambda x, y, reduction="sum", **rest: _torchvision(x, y, reduction=reduction, **rest),
    ("tutorial", "softmax"): _tutorial,
}
RNG = np.random.default_rng(7)
ROWS = RNG.normal(0.0, 1.5, (6, 4))
LABELS = (RNG.uniform(size=(6, 4)) < 0.4).astype(np.float64)
SHARES = RNG.uniform(0.05, 0.95, (6, 4))
CLASSES = np.asarray([0, 3, 1, 2, 0, 1])
RESULT = 64
"""How many ULP a source and its profile may be apart: the naive formulas lose a few bits even at such logits."""

every = pytest.mark.parametrize("profile", profiles.PROFILES, ids=lambda p: f"{p.name}-{p.link}")


def _cases(profile: Profile) -> dict[str, Any]:
    """Targets that the library takes."""
    if profile.link == "sigmoid":
        cases = {"hard": LABELS}
        if profile.soft:
            cases["soft"] = SHARES
        if profile.one_hot:
            cases["classes"] = CLASSES
        return cases
    cases = {"classes": CLASSES}
    if profile.soft:
        cases["soft"] = SHARES / SHARES.sum(1, keepdims=True)
    if profile.ignore is not None:
        cases["ignored"] = np.where(np.arange(6) == 2, profile.ignore, CLASSES)
    return cases


@every
@pytest.mark.parametrize("reduction", [None, *profiles.REDUCTIONS])
def test_a_profile_is_its_library_s_source(profile: Profile, reduction: str | None) -> None:
    """Hard and soft targets, classes and left-out rows; by default and with γ and α given; in every reduction."""
    source = SOURCES[profile.name, profile.link]
    for targets in _cases(profile).values():
        for options in ({}, {"gamma": 0.5}, {"gamma": 3.0, "alpha": 0.375}):
            given = options if reduction is None else options | {"reduction": reduction}
            got, due = profile(ROWS, targets, **given), source(ROWS, targets, **given)
            assert np.shape(got) == np.shape(due)
            assert np.max(ulp.errors(got, due, np.zeros_like(due), DOUBLE)) <= RESULT


@every
def test_one_alpha_a_class_is_the_library_s_or_refused(profile: Profile) -> None:
    """MONAI and Keras take a sequence; who does not says so."""
    alphas = [0.5, 1.5, 0.25, 2.0]
    for targets in _cases(profile).values():
        if profile.sequence is None:
            with pytest.raises(TypeError, match=rf"^alpha: got list .*; expected a number, as {profile.name} takes it"):
                profile(ROWS, targets, alpha=alphas)
        else:
            got, due = profile(ROWS, targets, alpha=alphas), SOURCES[profile.name, profile.link](ROWS, targets, alpha=alphas)
            assert ulp.errors([got], [due], [0.0], DOUBLE)[0] <= RESULT


def test_there_is_a_source_for_every_profile() -> None:
    """None goes unchecked."""
    assert set(SOURCES) == {(p.name, p.link) for p in profiles.PROFILES}
    assert len(SOURCES) == len(profiles.PROFILES)


def test_images_lie_as_the_library_has_them() -> None:
    """Channels stand second for MONAI and kornia; MONAI's sum divides by the places, kornia's mean by the channels too."""
    x = RNG.normal(0.0, 1.0, (2, 3, 5, 4))
    labels = (RNG.uniform(size=x.shape) < 0.5).astype(np.float64)
    classes = RNG.integers(0, 3, (2, 5, 4))
    plain = fr.SoftmaxFocalLoss(axis=1, reduction="sum")(x, classes)
    elements = fr.SigmoidFocalLoss(reduction="sum")(x, labels)
    expected = {
        ("monai", "sigmoid", "sum"): elements / 20,
        ("monai", "softmax", "sum"): plain / 20,
        ("monai", "softmax", "mean"): plain / (2 * 3 * 5 * 4),
        ("kornia", "softmax", "mean"): plain / (2 * 3 * 5 * 4),
        ("kornia", "softmax", "sum"): plain,
        ("tutorial", "softmax", "mean"): plain / (2 * 5 * 4),
    }
    for (name, link, reduction), due in expected.items():
        got = profiles.get(name, link)(x, labels if link == "sigmoid" else classes, alpha="off", reduction=reduction)
        assert ulp.errors([got], [due], [0.0], DOUBLE)[0] <= 4, (name, link, reduction)


def test_mmdetections_background_is_negative_for_every_class() -> None:
    """The class after the last stands for no object."""
    mmdet = profiles.get("mmdetection")
    got = mmdet(ROWS, np.full(6, 4), reduction="none")
    np.testing.assert_array_equal(got, mmdet(ROWS, np.zeros((6, 4)), reduction="none"))


# ---- alpha and defaults -----------------------------------------------------------------------------------------------------

FACTORS: dict[tuple[str, str], list[float]] = {
    ("torchvision", "sigmoid"): [0.625, 0.375],
    ("fvcore", "sigmoid"): [0.625, 0.375],
    ("kornia", "sigmoid"): [0.625, 0.375],
    ("kornia", "softmax"): [0.625, 0.375, 0.375],
    ("monai", "sigmoid"): [0.625, 0.375],
    ("monai", "softmax"): [0.625, 0.375, 0.375],
    ("segmentation-models", "sigmoid"): [0.625, 0.375],
    ("keras", "sigmoid"): [0.625, 0.375],
    ("keras", "softmax"): [0.375, 0.375, 0.375],
    ("optax", "sigmoid"): [0.625, 0.375],
    ("mmdetection", "sigmoid"): [0.625, 0.375],
    ("detectron2", "sigmoid"): [0.625, 0.375],
    ("timm", "sigmoid"): [0.625, 0.375],
    ("paddle", "sigmoid"): [0.625, 0.375],
    ("tutorial", "softmax"): [0.375, 0.375, 0.375],
}
"""Of targets 0, 1, (2), where alpha is 0.375."""

DEFAULTS: dict[tuple[str, str], tuple[float, float | None, str]] = {
    ("torchvision", "sigmoid"): (2.0, 0.25, "none"),
    ("fvcore", "sigmoid"): (2.0, None, "none"),
    ("kornia", "sigmoid"): (2.0, 0.25, "none"),
    ("kornia", "softmax"): (2.0, None, "none"),
    ("monai", "sigmoid"): (2.0, None, "mean"),
    ("monai", "softmax"): (2.0, None, "mean"),
    ("segmentation-models", "sigmoid"): (2.0, None, "mean"),
    ("keras", "sigmoid"): (2.0, None, "mean"),
    ("keras", "softmax"): (2.0, 0.25, "mean"),
    ("optax", "sigmoid"): (2.0, None, "none"),
    ("mmdetection", "sigmoid"): (2.0, 0.25, "mean"),
    ("detectron2", "sigmoid"): (2.0, 0.25, "mean"),
    ("timm", "sigmoid"): (2.0, None, "mean"),
    ("paddle", "sigmoid"): (2.0, 0.25, "sum"),
    ("tutorial", "softmax"): (2.0, 1.0, "mean"),
}


@every
def test_factor_is_what_alpha_puts_on_a_loss(profile: Profile) -> None:
    """A float64 array of the targets' shape; 1 where alpha is off; the default where it is not named."""
    due = FACTORS[profile.name, profile.link]
    got = profile.factor(np.arange(len(due)), len(due), 0.375)
    assert got.dtype == np.float64
    np.testing.assert_array_equal(got, due)
    np.testing.assert_array_equal(profile.factor([[0, 1], [1, 0]], 3, "off"), np.ones((2, 2)))
    _, default, _ = DEFAULTS[profile.name, profile.link]
    np.testing.assert_array_equal(profile.factor([0, 1], 2), profile.factor([0, 1], 2, "off" if default is None else default))


def test_sequences_and_left_out_rows_have_factors_too() -> None:
    """One alpha a class: MONAI's sigmoid puts it on positives only, and on none that is soft."""
    monai = profiles.get("monai")
    np.testing.assert_array_equal(monai.factor([[1, 0, 1], [0.5, 1, 0]], 3, (0.5, 2.0, 3.0)), [[0.5, 1, 3], [1, 2, 1]])
    np.testing.assert_array_equal(profiles.get("keras", "softmax").factor([2, 0], 3, (0.5, 2.0, 3.0)), [3.0, 0.5])
    np.testing.assert_array_equal(profiles.get("kornia", "softmax").factor([-100, 0, 2], 3, 0.25), [0.0, 0.75, 0.25])


@every
def test_the_defaults_are_the_library_s(profile: Profile) -> None:
    """γ, α and reduction, as its signature has them."""
    assert (profile.gamma, profile.alpha, profile.reduction) == DEFAULTS[profile.name, profile.link]


@every
def test_a_negative_alpha_is_off_only_where_the_library_says_so(profile: Profile) -> None:
    """torchvision and fvcore, which detectron2 calls, have −1 for none; elsewhere it is refused."""
    if profile.name in ("torchvision", "fvcore", "detectron2"):
        np.testing.assert_array_equal(profile.factor([0, 1], 2, -1), [1.0, 1.0])
    else:
        with pytest.raises(ValueError, match=r"^alpha: got -1; expected a number in \[0, .*\], or 'off'"):
            profile.factor([0, 1], 2, -1)


def test_a_zero_weight_gives_exactly_zero() -> None:
    """Also where the loss is infinite, or NaN in a row that is left out."""
    assert profiles.get("torchvision")([-math.inf, 3.0], [1.0, 0.0], alpha=0.0)[0] == 0
    assert profiles.get("kornia")([-math.inf], [1.0], alpha=0.0)[0] == 0
    assert profiles.get("tutorial")([[math.nan, 0.0], [0.0, 1.0]], [-100, 1], reduction="none")[0] == 0


# ---- refusals ---------------------------------------------------------------------------------------------------------------

REFUSED: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "name": (lambda: profiles.get("caffe"), ValueError, r"^name: got 'caffe'; expected one of 'torchvision'"),
    "link": (lambda: profiles.get("optax", "softmax"), ValueError, r"^link: got 'softmax'; expected one of 'sigmoid'"),
    "gamma": (lambda: profiles.get("optax")([0.0], [1.0], gamma=-1.0), ValueError, r"^gamma: got -1\.0; expected"),
    "alpha a word": (lambda: profiles.get("optax")([0.0], [1.0], alpha="on"), TypeError, r"^alpha: got 'on'; expected"),
    "alpha too large": (lambda: profiles.get("optax")([0.0], [1.0], alpha=1.5), ValueError, r"^alpha: got 1\.5; expected"),
    "alphas too few": (
        lambda: profiles.get("keras", "softmax")(ROWS, CLASSES, alpha=(1.0, 2.0)),
        ValueError,
        r"^alpha: got 2 numbers; expected 4, one a class",
    ),
    "alphas without classes": (
        lambda: profiles.get("monai")([0.0], [1.0], alpha=(1.0, 2.0)),
        ValueError,
        r"^alpha: got 2 numbers",
    ),
    "reduction": (
        lambda: profiles.get("optax")([0.0], [1.0], reduction="median"),
        ValueError,
        r"^reduction: got 'median'; expected one of 'none', 'mean', 'sum'",
    ),
    "soft where hard": (
        lambda: profiles.get("mmdetection")([0.0], [0.5]),
        ValueError,
        r"^targets: got soft ones; expected hard ones, since mmdetection",
    ),
    "soft rows where classes": (
        lambda: profiles.get("kornia", "softmax")(ROWS, SHARES),
        ValueError,
        r"^targets: got soft ones; expected hard ones, since kornia",
    ),
    "a label of 2": (lambda: profiles.get("optax")([0.0], [2.0]), ValueError, r"^targets: got 2\.0"),
    "a class of 4": (lambda: profiles.get("tutorial")(ROWS, CLASSES + 4), ValueError, r"^targets: got 4"),
}


@pytest.mark.parametrize(("call", "error", "words"), REFUSED.values(), ids=REFUSED)
def test_what_a_library_has_not_is_refused_in_words(call: Callable[[], Any], error: type[Exception], words: str) -> None:
    """The message names the argument, what came, and what is accepted."""
    with pytest.raises(error, match=words):
        call()


# ---- the data and the page --------------------------------------------------------------------------------------------------


@every
def test_a_row_names_rules_that_exist(profile: Profile) -> None:
    """Every rule is in its table, and a profile is frozen."""
    known = soft_targets.SIGMOID if profile.link == "sigmoid" else soft_targets.SOFTMAX
    assert {profile.scalar, profile.sequence} - {None} <= set(rules.ALPHA)
    assert {profile.mean, profile.sum} <= set(rules.DIVISORS)
    assert profile.soft is None or profile.soft in known
    assert profiles.get(profile.name, profile.link) is profile
    with pytest.raises(dataclasses.FrozenInstanceError):
        profile.gamma = 1.0  # type: ignore[misc]


def _table() -> str:
    """The page's table, from the data."""
    lines = ["| profile | link | γ, α, reduction | α is | one α a class | soft targets | a mean divides by | a sum by |"]
    lines += ["| --- " * 8 + "|"]
    for p in profiles.PROFILES:
        alpha = "off" if p.alpha is None else f"{p.alpha:g}"
        sequence = rules.ALPHA[p.sequence].text if p.sequence else "refused"
        soft = f"`{p.soft}`" if p.soft else "refused"
        cells = (f"`{p.name}`", p.link, f"{p.gamma:g}, {alpha}, {p.reduction}", rules.ALPHA[p.scalar].text, sequence, soft)
        lines.append(f"| {' | '.join((*cells, rules.DIVISORS[p.mean].text, rules.DIVISORS[p.sum].text))} |")
    return "\n".join(lines)


def _calls() -> str:
    lines = ["| profile | follows | version | note |", "| --- " * 4 + "|"]
    lines += [f"| `{p.name}`, {p.link} | `{p.call}` | {p.version} | {p.note} |" for p in profiles.PROFILES]
    return "\n".join(lines)


@pytest.mark.parametrize("make", [_table, _calls])
def test_the_page_says_what_the_data_say(make: Callable[[], str]) -> None:
    """docs/profiles.md has the tables that the data make, to paste from here where they differ."""
    assert make() in PAGE.read_text(encoding="utf-8"), f"\n{make()}\n"


def test_the_page_names_every_formula() -> None:
    """With its text, and the example's value."""
    page = PAGE.read_text(encoding="utf-8")
    for name, formula in soft_targets.SIGMOID.items():
        value = float(soft_targets.sigmoid(name, 1.3, 0.3, 2.0))
        row = rf"\| `{name}` \| {re.escape(formula.text.replace('|', chr(92) + '|'))} \| {value:.6f} \|"
        assert re.search(row, page), row

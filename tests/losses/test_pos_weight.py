"""`pos_weight` multiplies the positives' term, whatever share of it a soft label has; without such a term it is refused."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest

import focal_ref as fr
from focal_ref.losses.sigmoid import PosWeightedFocalLoss
from tests.methods import METHODS, leaves

X = np.asarray([[-6.0, -1.25, 0.0], [0.5, 2.0, 9.0]])
SOFT = np.asarray([[0.125, 0.5, 0.75], [1.0, 0.0, 0.25]])
HARD = (SOFT > 0.4).astype(np.float64)
WEIGHTS = np.asarray([3.0, 0.0, 0.5])
"""One a label."""


def exact(x: float, y: float, w: float, formula: str, gamma: Any = 1.5, alpha: float | None = None) -> Any:
    """As the formulas are written, by mpmath."""
    p, up, down = 1 / (1 + mpmath.exp(-x)), mpmath.log1p(mpmath.exp(-x)), mpmath.log1p(mpmath.exp(x))
    a, b = (1, 1) if alpha is None else (alpha, 1 - alpha)
    if formula == "expected":
        return a * w * y * (1 - p) ** gamma * up + b * (1 - y) * p**gamma * down
    return (a * y + b * (1 - y)) * (y * (1 - p) + (1 - y) * p) ** gamma * (w * y * up + (1 - y) * down)


@pytest.mark.parametrize("labels", [HARD, SOFT], ids=["hard", "soft"])
@pytest.mark.parametrize("formula", ["mix", "expected"])
@pytest.mark.parametrize("alpha", [None, 0.25])
def test_value_and_derivatives(backend: Any, labels: Any, formula: Any, alpha: float | None) -> None:
    """To second order and by γ, from the formula by mpmath; float32's digits."""
    loss = PosWeightedFocalLoss(gamma=1.5, alpha=alpha, soft_targets=formula, pos_weight=WEIGHTS.tolist())
    x, y = backend(X), backend(labels)
    found = [*loss.value_grad_hess(x, y), loss.gamma_grad(x, y)]
    places = list(zip(X.ravel(), labels.ravel(), np.broadcast_to(WEIGHTS, X.shape).ravel(), strict=True))
    for order, result in enumerate(found):
        for got, (z, t, w) in zip(backend.numpy(result).ravel(), places, strict=True):
            if order < 3:
                wanted = mpmath.diff(lambda z, t=t, w=w: exact(z, t, w, formula, alpha=alpha), z, order)
            else:
                wanted = mpmath.diff(lambda g, z=z, t=t, w=w: exact(z, t, w, formula, g, alpha), 1.5)
            assert abs(got - float(wanted)) <= 3e-7 * max(abs(float(wanted)), 0.01)


def test_hard_and_soft_formulas_agree_on_hard_labels(backend: Any) -> None:
    """All three ways to weigh a positive, and the same bits as a weight of each label has."""
    weight = np.where(HARD == 1, np.broadcast_to(WEIGHTS, X.shape), 1.0)
    plain = fr.SigmoidFocalLoss().value_and_grad(backend(X), backend(HARD), backend(weight))
    for formula in ("mix", "expected"):
        loss = PosWeightedFocalLoss(pos_weight=WEIGHTS.tolist(), soft_targets=formula)  # type: ignore[arg-type]
        for got, want in zip(loss.value_and_grad(backend(X), backend(HARD)), plain, strict=True):
            np.testing.assert_array_equal(backend.numpy(got), backend.numpy(want))


@pytest.mark.parametrize("formula", ["mix", "expected"])
def test_positives_of_no_weight_are_left_out(backend: Any, formula: Any) -> None:
    """Exactly, whatever their logits are; also beside a soft label."""
    x = np.asarray([np.nan, np.inf, -np.inf, 0.5, 1.0])
    for labels in ([1.0, 1.0, 1.0, 0.0, 1.0], [1.0, 1.0, 1.0, 0.3, 1.0]):
        loss = PosWeightedFocalLoss(gamma=1.5, pos_weight=0.0, soft_targets=formula)
        for method in METHODS.values():
            for result in leaves(method(loss, backend(x), backend(np.asarray(labels)))):
                np.testing.assert_array_equal(backend.numpy(result) != 0, [False, False, False, True, False])


def test_it_is_refused_in_words() -> None:
    """Where the formula has no positives' term, and where it is no weight."""
    with pytest.raises(
        ValueError, match=r"^pos_weight: got 2\.0 with soft_targets='quality'; expected None; 'mix' and 'expected'"
    ):
        PosWeightedFocalLoss(pos_weight=2, soft_targets="quality")
    for wrong in (-1.0, float("nan"), np.asarray([1.0, -2.0])):
        with pytest.raises(ValueError, match=r"^pos_weight: got (-1|nan|-2).*≥ 0"):
            PosWeightedFocalLoss(pos_weight=wrong)

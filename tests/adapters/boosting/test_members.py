"""A member of the family as a booster's objective: its own derivatives, its own start and posterior; never focal loss's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from focal_ref_boosting import objective

import focal_ref as fr
from focal_ref.family import Focal, Kernel, Poly1
from tests.family.members import MEMBERS, another

LABELS = np.repeat([0, 1], [90, 10])
CLASSES = np.repeat([0, 1, 2], [70, 20, 10])
MARGINS = np.linspace(-4, 4, 100)
ROWS = np.random.default_rng(3).normal(0, 2, (100, 3))


def test_a_binary_member_starts_at_its_own_optimum() -> None:
    """The mean gradient at the start is 0 for the member; focal loss's start is elsewhere."""
    loss = fr.SigmoidLoss(Poly1(2.0, 1.5), alpha=0.25)
    made = objective(LABELS, loss)
    assert abs(loss.grad(np.full(100, made.start), LABELS).mean()) < 1e-12
    assert abs(made.start - objective(LABELS, fr.SigmoidFocalLoss(alpha=0.25)).start) > 0.01  # type: ignore[operator]


def test_rows_of_a_member_start_at_its_own_optimum() -> None:
    """The same for three classes."""
    loss = fr.SoftmaxLoss(Poly1(2.0, 1.5))
    start = np.broadcast_to(objective(CLASSES, loss).start, (100, 3))
    assert np.abs(loss.grad(start, CLASSES).mean(axis=0)).max() < 1e-12


@pytest.mark.slow
@pytest.mark.parametrize("kernel", [*MEMBERS, *map(another, MEMBERS)], ids=repr)
def test_every_member_starts_and_ends_at_the_frequencies(kernel: Kernel) -> None:
    """At the start the mean gradient is 0 and the posterior is how frequent the classes are; of two classes, and of three."""
    for labels, loss in ((LABELS, fr.SigmoidLoss(kernel, alpha=0.25)), (CLASSES, fr.SoftmaxLoss(kernel))):
        with fr.set_engine("numpy"):
            made = objective(labels, loss)
            start = np.broadcast_to(made.start, (100, 3)) if labels is CLASSES else np.full(100, made.start)
            assert np.abs(loss.grad(start, labels).mean(axis=0)).max() < 1e-10
            found = made.probabilities(0 * start)[0]
        np.testing.assert_allclose(found, np.bincount(labels) / len(labels), rtol=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("hessian", ["abs_gradient", "outer_product", "logistic", "exact"])
def test_derivatives_are_the_member_s(hessian: str) -> None:
    """Gradients at margins are the loss's at margins and start, with every Hessian; composed focal loss is the named one."""
    for loss, margins, labels in (
        (fr.SigmoidLoss(Poly1(2.0, 1.5)), MARGINS, LABELS),
        (fr.SoftmaxLoss(Poly1(2.0, 1.5)), ROWS, CLASSES),
    ):
        made = objective(labels, loss, hessian=hessian)  # type: ignore[arg-type]
        gradient, curvature = made(labels, margins)
        np.testing.assert_allclose(gradient, loss.grad(margins + np.asarray(made.start), labels), rtol=1e-12, atol=1e-300)
        assert np.isfinite(curvature).all()
    named = objective(LABELS, fr.SigmoidFocalLoss(2.0), hessian=hessian)  # type: ignore[arg-type]
    composed = objective(LABELS, fr.SigmoidLoss(Focal(2.0)), hessian=hessian)  # type: ignore[arg-type]
    assert named.start == composed.start
    for a, b in zip(named(LABELS, MARGINS), composed(LABELS, MARGINS), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_the_posterior_is_the_member_s() -> None:
    """A margin of 0 stands for the classes' frequencies."""
    for labels, loss in ((LABELS, fr.SigmoidLoss(Poly1(2.0, 1.5))), (CLASSES, fr.SoftmaxLoss(Poly1(0.5, 2.0)))):
        made = objective(labels, loss)
        margins = np.zeros(2) if labels is LABELS else np.zeros((2, 3))
        due = np.broadcast_to(np.bincount(labels) / len(labels), (2, labels.max() + 1))
        np.testing.assert_allclose(made.probabilities(margins), due, rtol=1e-9)


@pytest.mark.parametrize("engine", ["numpy", "compiled"])
def test_catboost_s_doors_take_every_member(engine: Any) -> None:
    """Samples and rows by themselves are what the loss says, with a kernel that asks for the label or the margin too."""
    with fr.set_engine(engine):
        for member in fr.family.KERNELS.values():
            loss = fr.SigmoidLoss(member())
            made = objective(LABELS, loss, start=0.3)
            ders = made.calc_ders_range(MARGINS, LABELS, None)
            np.testing.assert_allclose(ders[:, 0], -loss.grad(MARGINS + 0.3, LABELS), rtol=1e-12, atol=1e-300)
            if "label" in member.asks:  # which rows have none of
                continue
            rows = objective(CLASSES, fr.SoftmaxLoss(member()), start=(0.1, 0.2, 0.3))
            for row, target in zip(ROWS[:3], CLASSES[:3], strict=True):
                gradient, _ = rows.calc_ders_multi(row, float(target), None)
                expected = rows.loss.grad(rows.logits(row[None]), np.asarray([target]))[0]
                np.testing.assert_allclose(gradient, -expected, rtol=1e-12, atol=1e-300)

"""Boosters get each sample's own gradient, counted from the best constant, and a Hessian that lets them split.

What the libraries do with it is tested in test_boosting_training.py, where they are installed.
"""

from __future__ import annotations

import inspect
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from focal_ref_boosting import Objective, objective
from focal_ref_boosting._small import Few
from numpy.typing import NDArray

import focal_ref as fr
from focal_ref.calibration.posteriors import optimal_constant, posterior_from_logits

RNG = np.random.default_rng(0)
LABELS = (np.arange(40) % 8 == 0).astype(np.float64)
MARGINS = RNG.normal(size=40) * 3
WEIGHT = RNG.uniform(0.5, 2, 40)
CLASSES = np.asarray([0, 0, 0, 1, 1, 2] * 5)
ROWS = RNG.normal(size=(30, 3)) * 2
HESSIANS = ("abs_gradient", "outer_product", "logistic", "exact")
SIGMOID = fr.SigmoidFocalLoss(gamma=1.5, alpha=0.3)
SOFTMAX = fr.SoftmaxFocalLoss(gamma=1.5, alpha=[1.0, 2.0, 3.0])


class DataSet:
    """What `train` of XGBoost and LightGBM hands to an objective."""

    def __init__(self, labels: Any, weight: Any) -> None:
        self.labels, self.weight = labels, weight

    def get_label(self) -> Any:
        return self.labels

    def get_weight(self) -> Any:
        return self.weight


# ---- gradient and start -----------------------------------------------------------------------------------------------------


def test_the_gradient_is_the_loss_s_own() -> None:
    """Whatever the loss's reduction: each sample's gradient and exact Hessian, at the margin plus the start."""
    focal = objective(LABELS, fr.SigmoidFocalLoss(gamma=1.5, alpha=0.3, reduction="mean"), hessian="exact", start=-1.25)
    gradient, hessian = focal(LABELS, MARGINS, WEIGHT)
    np.testing.assert_array_equal(gradient, SIGMOID.grad(MARGINS - 1.25, LABELS, WEIGHT))
    np.testing.assert_array_equal(hessian, SIGMOID.hessian_diag(MARGINS - 1.25, LABELS, WEIGHT))


def test_several_classes() -> None:
    """Softmax losses take (samples, classes) margins, in float32 too, and labels as boosters hand them over: in floats."""
    focal = objective(CLASSES, SOFTMAX)
    margins = ROWS.astype(np.float32)
    gradient, hessian = focal(CLASSES.astype(np.float64), margins)
    assert gradient.shape == hessian.shape == (30, 3)
    assert gradient.dtype == np.float32
    start = np.asarray(focal.start, dtype=np.float32)
    np.testing.assert_array_equal(gradient, SOFTMAX.grad(margins + start, CLASSES))


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
def test_a_margin_of_0_is_the_best_constant(weight: Any) -> None:
    """The default start: the gradients of margins 0 cancel, with the weights that training has."""
    focal = objective(LABELS, SIGMOID, sample_weight=weight)
    assert focal.start == optimal_constant(float(np.average(LABELS, weights=weight)), 1.5, 0.3)
    gradient, _ = focal(LABELS, np.zeros(40), weight)
    assert abs(gradient.sum()) < 1e-14 * np.abs(gradient).sum()
    factor = None if weight is None else weight[:30]
    focal = objective(CLASSES, SOFTMAX, sample_weight=factor)
    gradient, _ = focal(CLASSES, np.zeros((30, 3)), factor)
    assert (np.abs(gradient.sum(axis=0)) < 1e-14 * np.abs(gradient).sum(axis=0)).all()


def test_the_loss_follows_from_the_labels() -> None:
    """Sigmoid for two classes, softmax for more; γ = 2."""
    assert objective(LABELS).loss == fr.SigmoidFocalLoss()
    assert objective(LABELS.astype(bool)).loss == fr.SigmoidFocalLoss()
    assert objective(CLASSES).loss == fr.SoftmaxFocalLoss()
    two = objective(LABELS, fr.SoftmaxFocalLoss())
    assert isinstance(two.start, tuple)
    assert len(two.start) == 2


# ---- Hessians ---------------------------------------------------------------------------------------------------------------


def test_the_default_hessian_is_never_negative() -> None:
    """Where the exact Hessian is negative, a rare positive far off: the mean of g² by default."""
    margins, labels = np.asarray([-6.0, -3.4, 0.0]), np.asarray([1.0, 1, 0])
    assert (objective(labels, hessian="exact", start=0.0)(labels, margins)[1] < 0).tolist() == [True, True, False]
    gradient, hessian = objective(labels, start=0.0, hessian="abs_gradient")(labels, margins)
    np.testing.assert_array_equal(hessian, np.abs(gradient))
    assert (objective(labels, start=0.0)(labels, margins)[1] > 0).all()
    assert (objective(LABELS).hessian, objective(CLASSES).hessian) == ("outer_product", "outer_product")


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
def test_the_surrogates_of_one_margin(weight: Any) -> None:
    """ "outer_product" is E_p[α_y g²] over the labels that the model expects, "logistic" α_y p (1 − p), each weighted."""
    factor = np.ones(40) if weight is None else weight
    p = 1 / (1 + np.exp(-MARGINS))
    plain = fr.SigmoidFocalLoss(gamma=1.5)
    squares = [plain.grad(MARGINS, y) ** 2 for y in (0, 1)]
    _close(_hessian("outer_product", weight), factor * (0.3 * p * squares[1] + 0.7 * (1 - p) * squares[0]))
    _close(_hessian("logistic", weight), factor * np.where(LABELS == 1, 0.3, 0.7) * p * (1 - p))


def _hessian(name: Any, weight: Any) -> Any:
    return objective(LABELS, SIGMOID, hessian=name, start=0.0)(LABELS, MARGINS, weight)[1]


def _close(found: NDArray[Any], expected: NDArray[Any]) -> None:
    assert (np.abs(found - expected) <= 64 * np.spacing(expected)).all()


@pytest.mark.parametrize("weight", [None, WEIGHT[:30]], ids=["plain", "weighted"])
def test_the_surrogates_of_rows(weight: Any) -> None:
    """The same for several classes: the diagonals of E_p[α_y g gᵀ] and of α_y (diag(p) − p pᵀ)."""
    factor = np.ones((30, 1)) if weight is None else weight[:, None]
    p = np.exp(ROWS)
    p /= p.sum(axis=1, keepdims=True)
    plain, alpha = fr.SoftmaxFocalLoss(gamma=1.5), np.asarray([1.0, 2, 3])
    outer = sum(alpha[c] * p[:, [c]] * plain.grad(ROWS, np.full(30, c)) ** 2 for c in range(3))
    found = {name: objective(CLASSES, SOFTMAX, hessian=name, start=(0, 0, 0))(CLASSES, ROWS, weight)[1] for name in HESSIANS}
    _close(found["outer_product"], factor * outer)
    _close(found["logistic"], factor * alpha[CLASSES][:, None] * p * (1 - p))
    np.testing.assert_array_equal(found["exact"], SOFTMAX.hessian_diag(ROWS, CLASSES, weight))


# ---- doors ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hessian", HESSIANS)
def test_a_row_that_is_ignored_trains_nothing(hessian: Any) -> None:
    """Neither by its gradient nor by what stands for its Hessian; the others are as they were."""
    margins = np.linspace(-2, 2, 12).reshape(4, 3)
    ignoring = objective(CLASSES, fr.SoftmaxFocalLoss(ignore_index=7), hessian=hessian, start=(0.0,) * 3)
    gradient, curvature = ignoring(np.asarray([0, 7, 2, 1]), margins)
    plain = objective(CLASSES, fr.SoftmaxFocalLoss(), hessian=hessian, start=(0.0,) * 3)(np.asarray([0, 0, 2, 1]), margins)
    kept = [0, 2, 3]
    for found, due in zip((gradient, curvature), plain, strict=True):
        assert not found[1].any()
        np.testing.assert_array_equal(found[kept], due[kept])


@pytest.mark.parametrize("hessian", HESSIANS)
@pytest.mark.parametrize("weight", [None, np.asarray([]), WEIGHT], ids=["none", "empty", "weighted"])
def test_train_s_door_is_the_classes_door(hessian: Any, weight: Any) -> None:
    """(margins, data set) and (labels, margins, weight) give equal bits; XGBoost's way of no weights is an empty array."""
    focal = objective(LABELS, SIGMOID, hessian=hessian)
    native = focal(MARGINS, DataSet(LABELS, weight))
    classes = focal(LABELS, MARGINS, weight if weight is not None and weight.size else None)
    for ours, theirs in zip(native, classes, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_signature_is_what_boosters_look_for() -> None:
    """XGBoost passes sample_weight by name, LightGBM by position where it counts three parameters."""
    assert list(inspect.signature(objective(LABELS)).parameters) == ["labels", "margins", "sample_weight"]
    assert list(inspect.signature(objective(LABELS).metric("lightgbm")).parameters) == ["labels", "margins", "sample_weight"]


@pytest.mark.parametrize("hessian", HESSIANS)
def test_catboost_s_door_is_negated(hessian: Any) -> None:
    """CatBoost maximises: columns −g and −h; weights are multiplied in."""
    focal = objective(LABELS, SIGMOID, hessian=hessian)
    gradient, curvature = focal(LABELS, MARGINS, WEIGHT)
    ders = focal.calc_ders_range(MARGINS, LABELS, WEIGHT)
    places = 4 if hessian in ("abs_gradient", "outer_product") else 0  # a short way, which is held to the contract below
    np.testing.assert_array_max_ulp(ders, np.stack([-gradient, -curvature], axis=1), places)
    plain = focal.calc_ders_range(list(MARGINS), list(LABELS), None)
    np.testing.assert_array_max_ulp(plain[:, 0], -focal(LABELS, MARGINS)[0], places)


@pytest.mark.parametrize("hessian", HESSIANS)
def test_catboost_s_door_for_several_classes(hessian: Any) -> None:
    """A sample at a time: −g and the whole of −H, exact by products with each unit vector, else a diagonal."""
    focal = objective(CLASSES, SOFTMAX, hessian=hessian)
    gradient, curvature = focal(CLASSES, ROWS, WEIGHT[:30])
    for i in (0, 3, 5):
        first, second = focal.calc_ders_multi(list(ROWS[i]), float(CLASSES[i]), WEIGHT[i])
        if hessian in ("abs_gradient", "outer_product"):  # in Python's own numbers, which are held to the contract below
            np.testing.assert_array_max_ulp(np.asarray(first), -gradient[i], 4)
        else:
            np.testing.assert_array_equal(first, -gradient[i])
        assert second.shape == (3, 3)
        assert np.abs(np.diag(second) + curvature[i]).max() <= 64 * np.spacing(np.abs(second).max())
        if hessian == "exact":
            expected = fr.oracle.softmax(focal.logits(ROWS)[i].tolist(), int(CLASSES[i]), 1.5, SOFTMAX.alpha, digits=30)
            whole = -WEIGHT[i] * np.asarray(expected.hessian, dtype=np.float64)
            assert np.abs(second - whole).max() <= 64 * np.spacing(np.abs(whole).max())
        else:
            assert np.count_nonzero(second - np.diag(np.diag(second))) == 0


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.5, 2.0, 5.0])
def test_catboost_s_door_keeps_the_contract(gamma: float) -> None:
    """The short way for two classes against mpmath: within the sigmoid loss's 4 + 2 γ ULP."""
    x = np.concatenate([np.linspace(-12, 12, 97), np.linspace(-700, 700, 43)])
    for y in (0.0, 1.0):
        labels = np.full(len(x), y)
        focal = objective(np.asarray([0, 1]), gamma=gamma, start=0.0)
        found = -focal.calc_ders_range(x, labels, None)[:, 0]
        for ours, at in zip(found, x, strict=True):
            theirs = fr.oracle.sigmoid(float(at), int(y), gamma, digits=40).grad
            if abs(theirs) > 2.3e-308:  # normal numbers
                assert abs(float((ours - theirs) / np.spacing(abs(float(theirs))))) <= 4 + 2 * gamma, (at, y)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.5, 2.0, 5.0])
def test_a_row_by_itself_keeps_the_contract(gamma: float) -> None:
    """CatBoost's row at a time against mpmath: within the softmax loss's 6 + 2 γ ULP, logits up to 700 apart."""
    rng = np.random.default_rng(1)
    loss = fr.SoftmaxFocalLoss(gamma=gamma, alpha=(1.0, 0.5, 2.0, 3.0))
    spreads = [0.1, 1.0, 5.0, 30.0, 100.0, 300.0]
    worst = 0.0
    for k in range(120):
        row = (rng.normal(size=4) * spreads[k % 6]).clip(-350, 350)
        target = int(rng.integers(4))
        found = Few(loss, (0.0,) * 4, "abs_gradient").row_gradient(row.tolist(), target, 1.0)
        exact = fr.oracle.softmax(row.tolist(), target, gamma, loss.alpha, digits=40).grad
        for ours, theirs in zip(found, exact, strict=True):
            if abs(theirs) > 2.3e-308:  # normal numbers
                worst = max(worst, abs(float((ours - theirs) / np.spacing(abs(float(theirs))))))
    assert worst <= 6 + 2 * gamma


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.5, 2.0, 5.0])
@pytest.mark.parametrize("alpha", [None, 0.5, (1.0, 0.5, 2.0, 3.0)])
def test_a_row_s_mean_of_squares_is_that_of_arrays(gamma: float, alpha: Any) -> None:
    """CatBoost's row at a time and the same of a batch, within 1e-14; a certain class is left to the batch."""
    rng = np.random.default_rng(2)
    focal = objective(np.arange(4), gamma=gamma, alpha=alpha, start=(0.0,) * 4, hessian="outer_product")
    rows = rng.normal(size=(60, 4)) * np.repeat([0.1, 1.0, 5.0, 100.0], 15)[:, None]
    targets, weight = rng.integers(4, size=60), rng.uniform(0.0, 2.0, 60)
    _, expected = focal(targets, rows, weight)
    short = Few(focal.loss, focal.start, "outer_product")
    for row, theirs, factor in zip(rows.tolist(), expected, weight, strict=True):
        found = short.row_outer_product(row, float(factor))
        assert found is not None
        np.testing.assert_allclose(found, theirs, rtol=1e-14 * (1 + gamma), atol=1e-300)
    assert short.row([800.0, 0.0, 0.0, 0.0], 1, 1.0) is None
    gradient, hessian = focal.calc_ders_multi([800.0, 0.0, 0.0, 0.0], 1, 1.0)
    assert np.isfinite(gradient).all()
    assert np.isfinite(hessian).all()


@pytest.mark.parametrize("weight", [None, WEIGHT, np.where(LABELS == 1, 0.0, WEIGHT)], ids=["plain", "weighted", "zeros"])
def test_catboost_s_short_way_is_the_loss_s_own_loop(weight: Any) -> None:
    """With compiled loops, the bits of the loss's gradient, whatever types, layouts and lengths labels and weights have."""
    with fr.set_engine("compiled"):
        for loss in (SIGMOID, fr.SigmoidLoss(fr.family.Poly1(gamma=0.5, epsilon=2.0))):
            focal = objective(LABELS, loss, hessian="abs_gradient")
            expected = -loss.grad(MARGINS + focal.start, LABELS, weight)
            wide = np.empty((40, 2))
            for labels in (LABELS, LABELS.astype(np.float32), LABELS.astype(bool), LABELS.astype(np.int64)):
                wide[:, 0] = MARGINS
                for margins in (MARGINS, wide[:, 0]):
                    ders = focal.calc_ders_range(margins, labels, weight)
                    assert ders.shape == (40, 2)
                    np.testing.assert_array_equal(ders[:, 0], expected)
                    np.testing.assert_array_equal(ders[:, 1], -np.abs(expected))
            outer = objective(LABELS, loss, hessian="outer_product")
            gradient, curvature = outer(LABELS, MARGINS, weight)
            np.testing.assert_array_equal(
                outer.calc_ders_range(MARGINS, LABELS, weight), -np.stack([gradient, curvature], axis=1)
            )
        assert focal.calc_ders_range(MARGINS[:0], LABELS[:0], None).shape == (0, 2)
        with pytest.raises(ValueError, match=r"shape|broadcast"):  # and no entries beyond the shorter's end
            focal.calc_ders_range(MARGINS, LABELS[:39], None)


@pytest.mark.parametrize("loss", [SOFTMAX, fr.SoftmaxLoss(fr.family.Poly1(gamma=0.5, epsilon=2.0))], ids=["focal", "poly1"])
def test_a_row_by_itself_is_the_loss_s_row(loss: Any) -> None:
    """What is written for one row and what is written for arrays say the same, for any member of the family."""
    focal = objective(CLASSES, loss, hessian="abs_gradient")
    for row, target in zip(ROWS, CLASSES, strict=True):
        gradient, hessian = focal.calc_ders_multi(row, float(target), 1.5)
        expected = loss.grad(focal.logits(row[None]), np.asarray([target]), 1.5)[0]
        np.testing.assert_allclose(gradient, -expected, rtol=4e-15)
        np.testing.assert_array_equal(hessian, -np.diag(np.abs(gradient)))


def test_labels_that_are_shares_go_the_long_way() -> None:
    """CatBoost's short way is for labels 0 and 1; soft ones, missing margins and other Hessians get the loss's own bits."""
    focal, soft = objective(LABELS, SIGMOID), np.linspace(0, 1, 40)
    np.testing.assert_array_equal(focal.calc_ders_range(MARGINS, soft, WEIGHT)[:, 0], -focal(soft, MARGINS, WEIGHT)[0])
    holes = np.where(LABELS == 1, np.inf, MARGINS)
    np.testing.assert_array_equal(focal.calc_ders_range(holes, LABELS, None)[:, 0], -focal(LABELS, holes)[0])


def test_arrays_may_be_sent_to_a_device() -> None:
    """`asarray` is applied to what the library hands over, and the results stay what it made of them."""
    import array_api_strict as strict

    class Labels:  # strict's arrays have no astype, as CuPy's do
        shape = (30,)

        def astype(self, name: str) -> Any:
            assert name == "int64"
            return strict.asarray(CLASSES)

    seen: list[Any] = []
    focal = objective(CLASSES, SOFTMAX, asarray=lambda a: Labels() if a is CLASSES else seen.append(a) or strict.asarray(a))
    for hessian in HESSIANS:
        here = Objective(focal.loss, focal.start, hessian, focal.asarray)
        found = here(CLASSES, ROWS, WEIGHT[:30])
        plain = objective(CLASSES, SOFTMAX, hessian=hessian)(CLASSES, ROWS, WEIGHT[:30])
        for ours, theirs in zip(found, plain, strict=True):
            assert type(ours).__module__.startswith("array_api_strict")
            np.testing.assert_array_max_ulp(np.from_dlpack(ours), theirs, 16)
    assert len(seen) == 2 * len(HESSIANS)


# ---- metric and probabilities -----------------------------------------------------------------------------------------------


def test_the_metric_is_the_weighted_mean_loss_in_each_library_s_words() -> None:
    """XGBoost: a pair from `train`, a number from the classes; LightGBM: a triple, lower is better; CatBoost: sums."""
    focal = objective(LABELS, SIGMOID)
    mean = float(np.average(SIGMOID(MARGINS + focal.start, LABELS), weights=WEIGHT))
    data = DataSet(LABELS, WEIGHT)
    assert focal.metric("xgboost")(MARGINS, data) == ("focal_loss", mean)
    assert focal.metric("xgboost")(LABELS, MARGINS, sample_weight=WEIGHT) == mean
    assert focal.metric("xgboost").__name__ == "focal_loss"
    assert focal.metric("lightgbm")(MARGINS, data) == ("focal_loss", mean, False)
    assert focal.metric("lightgbm")(LABELS, MARGINS, WEIGHT) == ("focal_loss", mean, False)
    metric = focal.metric("catboost")
    assert not metric.is_max_optimal()
    assert abs(metric.get_final_error(*metric.evaluate([MARGINS], LABELS, WEIGHT)) / mean - 1) < 1e-14
    assert metric.evaluate([MARGINS], LABELS, None)[1] == 40
    rows = objective(CLASSES, SOFTMAX)
    total, count = rows.metric("catboost").evaluate(list(ROWS.T), CLASSES, None)
    assert abs(total / count / rows.metric("xgboost")(CLASSES, ROWS) - 1) < 1e-14


def test_probabilities_are_the_posterior() -> None:
    """Two columns or one a class that sum to 1, of the margins plus the start; the rare class keeps its digits."""
    focal = objective(LABELS, SIGMOID)
    found = focal.probabilities(MARGINS)
    np.testing.assert_array_equal(found[:, 1], posterior_from_logits(MARGINS + focal.start, 1.5, 0.3))
    np.testing.assert_array_max_ulp(found.sum(axis=1), np.ones(40), 2)
    assert (focal.probabilities(np.asarray([-40.0, 40.0])) > 0).all()
    # A model that knows nothing says how frequent the classes are.
    np.testing.assert_array_max_ulp(focal.probabilities(np.zeros(1))[0, 1], LABELS.mean(), 16)
    rows = objective(CLASSES, SOFTMAX)
    np.testing.assert_array_max_ulp(rows.probabilities(np.zeros((1, 3)))[0], np.bincount(CLASSES) / 30, 16)


def test_an_objective_can_be_pickled_and_compared() -> None:
    """Models hold it, and are saved with it."""
    for focal in (objective(LABELS, SIGMOID), objective(CLASSES, SOFTMAX)):
        again = pickle.loads(pickle.dumps(focal))
        assert again == focal
        assert isinstance(hash(again), int)
        assert pickle.loads(pickle.dumps(focal.metric("xgboost"))) == focal.metric("xgboost")


def test_no_library_is_imported() -> None:
    """`import focal_ref_boosting` loads none of the four."""
    libraries = ["xgboost", "lightgbm", "catboost", "sklearn", "cupy"]
    code = f"import sys, focal_ref_boosting; print([n for n in {libraries} if n in sys.modules])"
    root = Path(fr.__file__).parent.parent
    where = f"{root}:{root / 'adapters'}"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": where, "PATH": ""}
    )
    assert done.stdout.strip() == "[]"


# ---- wrong input ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: objective(LABELS, "focal"), TypeError, "loss: got 'focal'"),  # type: ignore[arg-type]
        (lambda: objective(LABELS, hessian="clip"), ValueError, "hessian: got 'clip'"),  # type: ignore[arg-type]
        (lambda: objective(LABELS[:, None]), TypeError, "labels: got"),
        (lambda: objective(np.asarray([])), TypeError, "labels: got"),
        (lambda: objective(np.asarray(["a", 1], dtype=object)), TypeError, "labels: got"),
        (lambda: objective(CLASSES, SIGMOID), ValueError, "labels: got 0 to 2"),
        (lambda: objective(np.asarray([0, 2, 2])), ValueError, "no sample of class 1"),
        (lambda: objective(np.asarray([0, 1.5, 2])), ValueError, "labels: got numbers that are no classes"),
        (lambda: objective(CLASSES, fr.SoftmaxFocalLoss(label_smoothing=0.1)), ValueError, "label_smoothing=0"),
        (lambda: objective(CLASSES, fr.SoftmaxFocalLoss(axis=0)), ValueError, "axis=-1"),
        (lambda: objective(CLASSES)(CLASSES, np.zeros(90)), ValueError, r"margins: got .* \(samples, 3\)"),
        (lambda: objective(LABELS).metric("torch"), ValueError, "library: got 'torch'"),  # type: ignore[arg-type]
        (lambda: objective(LABELS).predict_proba(object(), ROWS), TypeError, "model: got object"),
    ],
)
def test_wrong_input_is_refused_in_words(call: Any, error: Any, message: str) -> None:
    """The message names the argument and what came."""
    with pytest.raises(error, match=message):
        call()

"""Objectives of boosting libraries are called as each library calls them, and judged by each library's layout and sign."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from focal_ref_boosting._objective import Objective

import focal_ref as fr
from focal_ref.commands import main as cli
from focal_ref.conformance import check_objective, grad_hess_at

LOSS, ROWS = fr.SigmoidFocalLoss(gamma=2.0), fr.SoftmaxFocalLoss(gamma=2.0)


def _derivatives(margins: Any, labels: Any, loss: Any = LOSS) -> tuple[Any, Any]:
    return loss.value_grad_hess(margins, labels.astype(np.int64) if loss is ROWS else labels.astype(margins.dtype))[1:]


def xgboost(preds: Any, dtrain: Any) -> Any:
    return _derivatives(preds, dtrain.get_label())


def weighed(preds: Any, dtrain: Any) -> Any:
    grad, hess = _derivatives(preds, dtrain.get_label())
    weight = dtrain.get_weight()
    return (grad, hess) if weight is None or not len(weight) else (grad * weight, hess * weight)


def scikit_learn(y_true: Any, y_pred: Any) -> Any:
    return _derivatives(y_pred, y_true)


def turned(y_pred: Any, y_true: Any) -> Any:
    return _derivatives(y_pred, y_true)


def of_gamma(preds: Any, dtrain: Any, gamma: float) -> Any:
    return _derivatives(preds, dtrain.get_label(), fr.SigmoidFocalLoss(gamma=gamma))


def balanced(preds: Any, dtrain: Any) -> Any:
    return _derivatives(preds, dtrain.get_label(), fr.SigmoidFocalLoss(gamma=2.0, alpha=0.25))


def raised(preds: Any, dtrain: Any) -> Any:
    grad, hess = _derivatives(preds, dtrain.get_label())
    return grad, np.maximum(hess, 1e-6)


def rows(preds: Any, dtrain: Any) -> Any:
    return _derivatives(preds, dtrain.get_label(), ROWS)


def rows_class_after_class(preds: Any, train_data: Any) -> Any:
    return tuple(part.ravel(order="F") for part in _derivatives(preds, train_data.get_label(), ROWS))


class CatBoost:
    """The derivatives of −loss."""

    sign = -1.0

    def calc_ders_range(self, approxes: Any, targets: Any, weights: Any) -> Any:
        grad, hess = _derivatives(np.asarray(approxes), np.asarray(targets))
        return [(self.sign * g, self.sign * h) for g, h in zip(grad, hess, strict=True)]

    def calc_ders_multi(self, approx: Any, target: Any, weight: Any) -> Any:
        grad, hess = _derivatives(np.asarray([approx]), np.asarray([target]), ROWS)
        return (self.sign * grad[0]).tolist(), np.diag(self.sign * hess[0]).tolist()


class Unsigned(CatBoost):
    """Of the loss itself."""

    sign = 1.0


RIGHT: dict[str, tuple[Any, dict[str, Any], str]] = {
    "xgboost": (xgboost, {}, "xgboost"),
    "weighed": (weighed, {"weights": True}, "xgboost"),
    "lightgbm": (xgboost, {"library": "lightgbm"}, "lightgbm"),
    "scikit-learn": (scikit_learn, {}, "(labels, margins)"),
    "turned": (turned, {}, "(margins, labels)"),
    "of gamma": (of_gamma, {"gammas": (0.5, 2.0)}, "xgboost"),
    "balanced": (balanced, {"alpha": 0.25}, "xgboost"),
    "raised": (raised, {"floor": 1e-6}, "xgboost"),
    "rows": (rows, {"link": "softmax"}, "xgboost"),
    "rows, class after class": (rows_class_after_class, {"link": "softmax", "library": "lightgbm"}, "lightgbm"),
    "catboost": (CatBoost(), {}, "calc_ders_range"),
    "catboost's rows": (CatBoost(), {"link": "softmax"}, "calc_ders_multi"),
    "ours": (Objective(LOSS, 0.0, "exact"), {"library": "sklearn", "weights": True}, "scikit-learn"),
    "ours in catboost": (Objective(LOSS, 0.0, "exact"), {"library": "catboost", "weights": True}, "catboost"),
}


DEAR = ("catboost's rows",)
"""Called once a sample."""


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow) if name in DEAR else name for name in RIGHT])
def test_a_right_objective_passes_and_its_caller_is_said(name: str) -> None:
    """Gradient and Hessian, in the library's layout."""
    fn, options, words = RIGHT[name]
    verdict = check_objective(fn, **options)
    assert verdict.passed, str(verdict)
    assert words in verdict.called
    assert {row.quantity for row in verdict.rows} == {"grad", "hess"}


@pytest.mark.parametrize(
    ("fn", "options", "cause"),
    [
        (Unsigned(), {}, "wrong sign"),
        (raised, {}, "negative curvature cut off at 0"),
        (xgboost, {"weights": True}, "the samples' weights are ignored"),
        (xgboost, {"alpha": 0.25}, "alpha ignored"),
        (lambda preds, dtrain: (_derivatives(preds, dtrain.get_label())[0], preds * 0 + 1), {}, "Hessian is one"),
        (rows_class_after_class, {"link": "softmax", "library": "xgboost"}, None),
        (lambda preds, dtrain: 2.0, {}, None),
    ],
)
def test_a_wrong_objective_is_named(fn: Any, options: dict[str, Any], cause: str | None) -> None:
    """Sign, weights, floors, layouts."""
    verdict = check_objective(fn, **options)
    assert not verdict.passed
    assert cause is None or cause in verdict.causes


def test_the_line_of_a_finding_runs() -> None:
    """It shows the derivatives of the loss, whatever the library's sign."""
    assert grad_hess_at(CatBoost(), 0.0, 1)["grad"] == pytest.approx(grad_hess_at(xgboost, 0.0, 1)["grad"], rel=1e-6)
    line = check_objective(Unsigned()).findings[0].line
    assert "grad_hess_at(" in line
    assert "library='catboost'" in line


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"library": "h2o"}, "library: got 'h2o'"),
        ({"link": "probit"}, "link: got 'probit'"),
        ({"gammas": (1.0, 2.0)}, "gammas: got 2"),
    ],
)
def test_a_wrong_argument_is_refused(options: dict[str, Any], named: str) -> None:
    """By name."""
    with pytest.raises(ValueError, match=named):
        check_objective(xgboost, **options)


def test_the_command_checks_an_objective(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """By its file; --objective says that it is one."""
    monkeypatch.chdir(tmp_path)
    text = "import focal_ref as fr\ndef mine(preds, dtrain):\n    loss = fr.SigmoidFocalLoss(gamma=2.0)\n"
    text += "    return loss.value_grad_hess(preds, dtrain.get_label())[1:]\n"
    (tmp_path / "their_objective.py").write_text(text, encoding="utf-8")
    assert cli.main(["check", "their_objective.py:mine", "--objective"]) == 0
    assert cli.main(["check", "their_objective.py:mine", "--objective", "xgboost", "--alpha", "0.25"]) == 1
    assert "alpha ignored" in capsys.readouterr().out

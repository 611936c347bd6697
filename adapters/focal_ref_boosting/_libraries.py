"""What each library must be told to train with an objective, where its start is put, and which options would be silent."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any, ClassVar

import numpy as np

from focal_ref.losses import arguments

from ._models import LIBRARIES, library_of
from ._objective import Objective

__all__ = ["Library", "library_for", "library_named"]

_OURS = "to be left out: the estimator sets it, and trains and stops early by focal loss"
_WEIGHTS = (
    "to be left out, since it does nothing beside an objective of one's own: "
    "use the focal classifier's class_weight, which the start sees too"
)
_SET = "to be left out: use eval_set"
_NAMED = "to be called gamma, or alpha, here"
_START = "to be left out: the estimator starts at the best constant"


_SILENT = {
    _WEIGHTS: (
        *("scale_pos_weight", "pos_weight", "is_unbalance", "is_unbalanced", "unbalance", "unbalanced_sets"),
        *("class_weight", "class_weights", "auto_class_weights"),
        *("pos_bagging_fraction", "pos_sub_row", "pos_subsample", "pos_bagging"),
        *("neg_bagging_fraction", "neg_sub_row", "neg_subsample", "neg_bagging"),
    ),
    _OURS: (
        *("objective", "objective_type", "app", "application", "loss", "loss_function", "obj", "fobj", "custom_objective"),
        *("eval_metric", "metric", "metrics", "metric_types", "custom_metric", "custom_loss", "feval"),
        *("num_class", "num_classes", "classes_count", "class_names"),
    ),
    _NAMED: ("focal_gamma", "focal_alpha"),
    _START: ("base_score", "base_margin", "init_score", "baseline", "boost_from_average"),
}
"""Every library's names, since XGBoost and LightGBM take each other's and CatBoost's without an error."""


class Library:
    """The common part: nothing is in the model but trees, so the start stays with the objective."""

    honoured: ClassVar[tuple[str, ...]] = ()
    """What does something here."""
    fit_options: ClassVar[tuple[str, ...]] = ("eval_metric",)
    classes_option: ClassVar[str | None] = None

    def refuse(self, model: Any, fit: dict[str, Any]) -> None:
        """Options that would change nothing, or break what the estimator does."""
        self._refuse(model.get_params(), type(model)().get_params(), ValueError)
        for name in self.fit_options:
            if fit.get(name) is not None:
                expected = {"eval_metric": _OURS, "eval_X": _SET, "eval_y": _SET}.get(name, _START)
                raise ValueError(f"{name}: got {arguments.describe(fit[name])}; expected it {expected}")

    def refuse_unknown(self, kind: Any, options: dict[str, Any]) -> None:
        """Other libraries' options of this kind, where the class's own refusal would not say what to do."""
        known = inspect.signature(kind).parameters
        if not any(p.kind is p.VAR_KEYWORD for p in known.values()):
            self._refuse({name: value for name, value in options.items() if name not in known}, {}, TypeError)

    def _refuse(self, given: dict[str, Any], usual: dict[str, Any], error: type[Exception]) -> None:
        for expected, names in _SILENT.items():
            for name in names:
                value = None if name in self.honoured else given.get(name)
                if not (value is None or _is_off(name, value) or _usual(value, usual.get(name))):
                    raise error(f"{name}: got {arguments.describe(value)}; expected it {expected}")

    def start(self, focal: Objective) -> Objective:
        """The objective to train with, where it is not `focal`."""
        return focal

    def options(self, trained: Objective, model: Any, start: Sequence[float], count: int) -> dict[str, Any]:
        """For `set_params`, where there are so many samples."""
        raise NotImplementedError

    def fit_arguments(self, trained: Objective, fit: dict[str, Any]) -> dict[str, Any]:
        """For `fit`."""
        return fit

    def features(self, X: Any) -> Any:
        """X, where the library takes less than the others do."""
        return X

    def keep_start(self, model: Any, start: Sequence[float]) -> bool:
        """Put the start into the fitted model; whether it is there now."""
        raise NotImplementedError


def _usual(value: Any, default: Any) -> bool:
    return isinstance(value, str) and isinstance(default, str) and value == default


def _is_off(name: str, value: Any) -> bool:
    """Whether the option asks for nothing."""
    one = name == "scale_pos_weight" or name.startswith(("pos_", "neg_"))
    return (value is False and name != "boost_from_average") or (one and np.ndim(value) == 0 and bool(value == 1))


class _XGBoost(Library):
    fit_options = ("base_margin", "base_margin_eval_set", "xgb_model", "eval_metric")

    def start(self, focal: Objective) -> Objective:
        # Its margins begin at the base score.
        return focal.at_zero() if isinstance(focal.start, float) or self.takes_one_a_class() else focal

    @staticmethod
    def takes_one_a_class() -> bool:
        """Since 3.1 the base score may be a vector."""
        return tuple(map(int, sys.modules["xgboost"].__version__.split(".")[:2])) >= (3, 1)

    def options(self, trained: Objective, model: Any, start: Sequence[float], count: int) -> dict[str, Any]:
        found = {"objective": trained, "eval_metric": trained.metric("xgboost"), "disable_default_eval_metric": True}
        if len(start) == 1:
            return found | {"base_score": 1 / (1 + np.exp(-start[0]))}  # a probability for two classes, margins for more
        return found | {"base_score": list(start)} if self.takes_one_a_class() else found

    def keep_start(self, model: Any, start: Sequence[float]) -> bool:
        return len(start) == 1 or self.takes_one_a_class()

    def features(self, X: Any) -> Any:
        """Polars frames of numbers as arrays, where pyarrow, by which XGBoost reads them, is missing."""
        numbers = type(X).__module__.startswith("polars") and all(dtype.is_numeric() for dtype in X.dtypes)
        return X.to_numpy() if numbers and find_spec("pyarrow") is None else X


class _LightGBM(Library):
    honoured = ("class_weight",)
    fit_options = ("init_score", "eval_init_score", "init_model", "eval_metric", "eval_X", "eval_y")
    classes_option = "class_weight"

    def refuse(self, model: Any, fit: dict[str, Any]) -> None:
        super().refuse(model, fit)
        if any(isinstance(told, dict) for told in fit.get("eval_class_weight") or ()):
            came = arguments.describe(fit["eval_class_weight"])
            raise ValueError(f'eval_class_weight: got {came} with a dict; expected "balanced" or None, or eval_sample_weight')

    def options(self, trained: Objective, model: Any, start: Sequence[float], count: int) -> dict[str, Any]:
        # It drops features that no split of its own kind can use before an objective is set, and fails where none is left.
        return {"objective": trained, "metric": "None", "feature_pre_filter": False}

    def fit_arguments(self, trained: Objective, fit: dict[str, Any]) -> dict[str, Any]:
        if "eval_set" not in fit:
            return fit
        fit = fit | {"eval_metric": trained.metric("lightgbm")}
        if "eval_X" in inspect.signature(sys.modules["lightgbm"].LGBMClassifier.fit).parameters:  # since 4.7
            pairs = fit.pop("eval_set")
            fit |= {"eval_X": tuple(X for X, _ in pairs), "eval_y": tuple(y for _, y in pairs)}
        return fit

    def keep_start(self, model: Any, start: Sequence[float]) -> bool:
        """Added to each leaf of the first tree of each class, as LightGBM does for losses of its own."""
        booster = model.booster_
        if booster.num_trees() < len(start) or model.get_params().get("linear_tree"):
            return False
        for tree, (told, by) in enumerate(zip(booster.dump_model(num_iteration=1)["tree_info"], start, strict=False)):
            for leaf in range(told["num_leaves"]):
                booster.set_leaf_output(tree, leaf, booster.get_leaf_output(tree, leaf) + by)
        return True


MANY = 100_000
"""Samples from which on CatBoost improves a leaf three times by default."""


class _CatBoost(Library):
    honoured = ("custom_metric", "custom_loss")
    fit_options = ("baseline", "init_model", "eval_metric")

    def options(self, trained: Objective, model: Any, start: Sequence[float], count: int) -> dict[str, Any]:
        found = {"loss_function": trained, "eval_metric": trained.metric("catboost")}
        if len(start) == 1 and "leaf_estimation_iterations" not in model.get_params():
            # As many as with its own log loss; of many samples each costs more than the trees, and no more precision is won.
            found["leaf_estimation_iterations"] = 10 if count < MANY else 3
        return found | {"class_names": tuple(range(max(2, len(start))))}

    def features(self, X: Any) -> Any:
        if type(X).__module__.startswith("scipy.sparse") and type(X).__name__.endswith("_array"):
            return sys.modules["scipy.sparse"].csr_matrix(X)
        return X

    def keep_start(self, model: Any, start: Sequence[float]) -> bool:
        model.set_scale_and_bias(1.0, float(start[0]) if len(start) == 1 else [float(s) for s in start])
        return True


_BY_NAME: dict[str, Library] = dict(zip(LIBRARIES, (_XGBoost(), _LightGBM(), _CatBoost()), strict=True))


def library_named(name: str) -> Library:
    """What there is to know of XGBoost, LightGBM or CatBoost."""
    return _BY_NAME[name]


def library_for(model: Any) -> Library:
    """What there is to know of the estimator's library."""
    name = library_of(model)
    if name is None or not hasattr(model, "get_params") or name not in sys.modules:
        accepted = "an XGBClassifier, LGBMClassifier or CatBoostClassifier"
        raise TypeError(f"estimator: got {arguments.describe(model)}; expected {accepted}")
    return _BY_NAME[name]

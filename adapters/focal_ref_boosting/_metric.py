"""The metric beside the objective: what early stopping watches."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, Literal, Protocol

import numpy as np

__all__ = ["Library", "Losses", "Metric"]

Library = Literal["xgboost", "lightgbm", "catboost"]


class Losses(Protocol):
    """What the metric asks an objective for."""

    def values(self, labels: Any, margins: Any, sample_weight: Any = None) -> tuple[Any, Any]:
        """The loss of each sample, unweighted, and the weights."""
        ...


@dataclasses.dataclass(frozen=True)
class Metric:
    """The mean focal loss, as every library wants to call it; made by `Objective.metric`."""

    objective: Losses
    library: Library

    __name__ = "focal_loss"
    no_jit: ClassVar[bool] = True

    def __deepcopy__(self, memo: dict[int, Any]) -> Metric:
        return self

    def __call__(self, labels: Any, margins: Any, sample_weight: Any = None) -> Any:
        """The name, the value, and (LightGBM) that lower is better; XGBoost's scikit-learn classes want the value alone."""
        losses, weight = self.objective.values(labels, margins, sample_weight)
        value = float(np.average(np.asarray(losses, dtype=np.float64), weights=weight))
        if self.library == "lightgbm":
            return self.__name__, value, False
        return (self.__name__, value) if hasattr(margins, "get_label") else value

    def is_max_optimal(self) -> bool:
        """CatBoost: lower is better."""
        return False

    def evaluate(self, approxes: Any, target: Any, weight: Any) -> tuple[float, float]:
        """CatBoost: the weighted sum of the losses, and of the weights."""
        margins = np.stack([np.asarray(a) for a in approxes], axis=1)
        losses, _ = self.objective.values(np.asarray(target), margins[:, 0] if margins.shape[1] == 1 else margins)
        weights = np.ones(len(losses)) if weight is None else np.asarray(weight, dtype=np.float64)
        return float(losses @ weights), float(weights.sum())

    def get_final_error(self, error: float, weight: float) -> float:
        """CatBoost: the mean."""
        return error / weight

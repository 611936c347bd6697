"""Callers of objectives: what each boosting library hands an objective, and how it reads what comes back."""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..losses import arguments
from ..typing import Floats
from .guard import Refused, contained
from .making import order_of, parameters

__all__ = ["LIBRARIES", "TYPES", "Caller", "caller_of", "points_for"]

LIBRARIES = ("xgboost", "lightgbm", "catboost", "sklearn")
TYPES = {"xgboost": "float32", "lightgbm": "float64", "catboost": "float64", "sklearn": "float64"}
"""Of the margins."""
DATA = {"dtrain", "dmat", "dmatrix", "data", "train_data", "dataset", "train_set", "dtest", "train"}


class _Data:
    """What a library's data set answers to an objective."""

    def __init__(self, labels: Floats, weights: Floats | None) -> None:
        self._labels, self._weights = labels, weights

    def get_label(self) -> Floats:
        return self._labels

    def get_weight(self) -> Any:
        return self._weights

    def get_field(self, name: str) -> Any:
        return {"label": self._labels, "weight": self._weights}.get(name)

    def get_float_info(self, name: str) -> Any:
        return np.zeros(0, dtype=np.float32) if self.get_field(name) is None else self.get_field(name)

    def num_row(self) -> int:
        return len(self._labels)

    def num_data(self) -> int:
        return len(self._labels)


class _XGBoostData(_Data):
    """XGBoost's has an empty array where no weights are."""

    def get_weight(self) -> Any:
        return np.zeros(0, dtype=np.float32) if self._weights is None else self._weights


class Caller(NamedTuple):
    """An objective, and how its library calls it."""

    fn: Any
    library: str
    rows: bool
    swapped: bool
    """Of scikit-learn's layout: margins before labels."""

    def __call__(
        self, margins: Floats, labels: NDArray[Any], weights: Floats | None = None, **more: Any
    ) -> tuple[Floats, Floats]:
        """Gradient and Hessian of each loss, in the margins' shape."""
        fn = functools.partial(self.fn, **more) if more else self.fn
        if self.library == "catboost":
            return self._catboost(margins, labels, weights)
        if self.library == "sklearn":
            given = [margins, labels] if self.swapped else [labels, margins]
            result = fn(*given, *([weights] if weights is not None else []))
        else:
            kind = _XGBoostData if self.library == "xgboost" else _Data
            result = fn(margins, kind(labels.astype(np.float32), weights))
        if not isinstance(result, (tuple, list)) or len(result) != 2:
            raise TypeError(f"got {arguments.describe(result)}; expected a gradient and a Hessian")
        grad, hess = (self._shaped(np.asarray(part, dtype=np.float64), margins.shape) for part in result)
        return grad, hess

    def _shaped(self, part: Floats, shape: tuple[int, ...]) -> Floats:
        """Flat results are read as the library reads them: by samples (XGBoost), or class after class (LightGBM)."""
        if part.shape == shape:
            return part
        if part.size != math.prod(shape) or (part.ndim > 1 and 1 not in part.shape):
            raise TypeError(f"got shape {part.shape}; expected {shape}")
        flat = part.reshape(-1)
        return flat.reshape(shape[::-1]).T if self.library == "lightgbm" and len(shape) == 2 else flat.reshape(shape)

    def _catboost(self, margins: Floats, labels: NDArray[Any], weights: Floats | None) -> tuple[Floats, Floats]:
        """CatBoost maximises: both derivatives are of the loss's negative."""
        given = None if weights is None else weights.tolist()
        if not self.rows:
            ders = np.asarray(self.fn.calc_ders_range(margins.tolist(), labels.tolist(), given), dtype=np.float64)
            if ders.shape != (len(margins), 2):
                raise TypeError(f"got shape {ders.shape}; expected {(len(margins), 2)}: a pair for each sample")
            return -ders[:, 0], -ders[:, 1]
        grad, hess = np.empty(margins.shape), np.empty(margins.shape)
        for i, (row, label) in enumerate(zip(margins, labels, strict=True)):
            first, second = self.fn.calc_ders_multi(row.tolist(), float(label), 1.0 if given is None else given[i])
            grad[i], hess[i] = -np.asarray(first), -np.diag(np.asarray(second, dtype=np.float64))
        return grad, hess


# ---- who calls it -----------------------------------------------------------------------------------------------------------


def points_for(rows: bool, classes: int) -> tuple[Floats, NDArray[np.int64]]:
    """A few margins and labels."""
    rng = np.random.default_rng(3)
    return rng.normal(0, 1, (12, classes) if rows else 12), np.arange(12) % (classes if rows else 2)


def caller_of(fn: Any, library: str | None, *, rows: bool, classes: int) -> tuple[Caller, str]:
    """How it is called, and what to say of that."""
    if library == "catboost" or (library is None and (hasattr(fn, "calc_ders_range") or hasattr(fn, "calc_ders_multi"))):
        method = "calc_ders_multi" if rows else "calc_ders_range"
        return Caller(fn, "catboost", rows, False), f"called as catboost does, by {method}: the derivatives of −loss"
    names = [name for name, p in parameters(fn).items() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    order = order_of(names)
    of_data = len(names) > 1 and names[1].lower() in DATA
    if library in ("xgboost", "lightgbm") or (
        library is None and (of_data or (order is None and _takes_data(fn, rows, classes)))
    ):
        library = library or "xgboost"
        return Caller(fn, library, rows, False), f"called as {library} does, with (margins, data)"
    swapped = order is False and not (names and names[0].lower() in ("y", "t"))
    words = "(margins, labels)" if swapped else "(labels, margins)"
    return Caller(fn, "sklearn", rows, swapped), f"called as scikit-learn's classes do, with {words}"


def _takes_data(fn: Any, rows: bool, classes: int) -> bool:
    """Whether it is content with margins and a data set."""
    margins, labels = points_for(rows, classes)
    try:
        with contained():
            Caller(fn, "xgboost", rows, False)(margins, labels)
    except Refused:
        return False
    return True

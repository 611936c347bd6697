"""Objectives of boosting libraries: gradient and Hessian in each library's layout and sign, checked like any derivative.

A library hands an objective the margins and its data, and gets a gradient and a Hessian for each sample. `check_objective` plays
the library: it makes data that answers as the library's own does, and turns what comes back into derivatives of each loss.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..libraries import frameworks
from ..losses import SigmoidFocalLoss, SoftmaxFocalLoss, arguments
from ..typing import Floats
from .candidate import Alpha, Subject
from .contract import GAMMAS, LINKS
from .course import examined
from .guard import Refused, contained
from .making import gamma_of, order_of, parameters
from .plan import Plan
from .report import Verdict
from .rows import Finding
from .sampling import alpha_factor

__all__ = ["LIBRARIES", "check_objective", "grad_hess_at"]

LIBRARIES = ("xgboost", "lightgbm", "catboost", "sklearn")
TYPES = {"xgboost": "float32", "lightgbm": "float64", "catboost": "float64", "sklearn": "float64"}
"""Of the margins."""
DATA = {"dtrain", "dmat", "dmatrix", "data", "train_data", "dataset", "train_set", "dtest", "train"}
LARGEST = 1000.0
SAME = 1e-3


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


class _Caller(NamedTuple):
    """An objective, and how its library calls it."""

    fn: Any
    library: str
    rows: bool
    swapped: bool
    """Of scikit-learn's layout: margins before labels."""

    def __call__(self, margins: Floats, labels: NDArray[Any], weights: Floats | None = None, **more: Any) -> tuple[Floats, Floats]:
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


def check_objective(
    fn: Any,
    *,
    library: str | None = None,
    link: str = "sigmoid",
    gammas: Sequence[float] | None = None,
    alpha: Alpha = None,
    hessian: bool = True,
    floor: float | None = None,
    weights: bool = False,
    classes: int = 3,
    tolerance: float | str | None = None,
    largest: float = LARGEST,
    seed: int = 0,
    progress: Callable[[int, int, str], None] | None = None,
) -> Verdict:
    """Find what is wrong with a focal loss's objective for a boosting library.

    Parameters
    ----------
    fn : callable or object
        What the library takes: ``fn(margins, data)`` with ``data.get_label()`` (XGBoost, LightGBM), ``fn(labels, margins)``
        (their scikit-learn classes), or an object with ``calc_ders_range``, for softmax ``calc_ders_multi`` (CatBoost, which
        maximises, so both derivatives have the other sign). One that takes ``gamma=`` is called with each γ.
    library : {"xgboost", "lightgbm", "catboost", "sklearn"}, optional
        None: by the names of its arguments and by trying.
    link : {"sigmoid", "softmax"}
        Two classes, a margin a sample; or several, margins of shape (samples, classes).
    gammas : sequence of float, optional
        The one γ that it has, 2 by default; of a function that takes one, all of those to be tried.
    alpha : float or sequence of float, optional
        What it weighs by: α for positives and 1 − α for negatives, or one number a class.
    hessian : bool
        Whether the Hessian is meant to be the exact diagonal; False: the gradient alone is measured.
    floor : float, optional
        What it raises smaller Hessians to: max(φ'', floor) is due.
    weights : bool
        Whether it has to multiply by the samples' weights, as XGBoost, LightGBM and CatBoost leave to it.
    classes : int
        Of softmax.
    tolerance, largest, seed, progress
        As for `check`; margins of trees stay below `largest`, and none is infinite or NaN.

    Returns
    -------
    Verdict
        As of `check`, of gradient and Hessian.

    Raises
    ------
    ValueError, TypeError
        Where an argument is not as described.

    Examples
    --------
    >>> import numpy as np
    >>> def objective(margins, dtrain):
    ...     p, y = 1 / (1 + np.exp(-margins)), dtrain.get_label()
    ...     return p - y, p * (1 - p)
    >>> check_objective(objective, gammas=[0.0], largest=10.0).called
    'called as xgboost does, with (margins, data)'
    """
    arguments.choice("link", link, LINKS)
    if library is not None:
        arguments.choice("library", library, LIBRARIES)
    if not callable(fn) and not hasattr(fn, "calc_ders_range") and not hasattr(fn, "calc_ders_multi"):
        raise TypeError(f"fn: got {arguments.describe(fn)}; expected a callable, or an object with calc_ders_range")
    name = gamma_of(parameters(fn))
    powers = arguments.gammas((GAMMAS if name else (2.0,)) if gammas is None else gammas)
    if name is None and len(powers) != 1:
        raise ValueError(f"gammas: got {len(powers)} of them; expected the one that the objective has")
    caller, words = _caller(fn, library, rows=link == "softmax", classes=classes)

    def derivative(margins: Floats, labels: NDArray[Any], gamma: float) -> tuple[Floats, ...]:
        grad, hess = caller(margins, labels, **({name: gamma} if name else {}))
        if floor is not None:
            hess = _raised(link, alpha, gamma, floor, margins, labels, hess)
        return (grad, hess) if hessian else (grad,)

    functools.update_wrapper(derivative, fn if hasattr(fn, "__name__") else type(fn))
    framework = frameworks.get("numpy")
    subject = Subject(derivative, link, framework, derivative, order=2 if hessian else 1, library=caller.library, targets="index")
    sizes = (len(alpha),) if link == "softmax" and isinstance(alpha, Sequence) else (classes,)
    plan = Plan(subject, (TYPES[caller.library],), powers, alpha_factor(link, alpha), tolerance, sizes, largest, seed)
    verdict = examined(plan, progress or (lambda done, steps, text: None))
    verdict = dataclasses.replace(verdict, called=words)
    if weights and not _weighs(caller, link, classes, {name: powers[0]} if name else {}):
        return dataclasses.replace(verdict, findings=(*verdict.findings, _ignoring(verdict)))
    return verdict


def _weighs(caller: _Caller, link: str, classes: int, more: dict[str, Any]) -> bool:
    """Whether samples' weights multiply both derivatives."""
    margins, labels = _points(link == "softmax", classes)
    weights = np.resize([1.0, 3.0, 0.5], len(labels))
    try:
        with contained():
            plain, weighed = caller(margins, labels, None, **more), caller(margins, labels, weights, **more)
    except Refused:
        return False
    w = weights[:, None] if link == "softmax" else weights
    return all(np.allclose(w * a, b, rtol=SAME, atol=1e-12) for a, b in zip(plain, weighed, strict=True))


def _ignoring(verdict: Verdict) -> Finding:
    cure = "multiply gradient and Hessian by the weights: the library leaves that to the objective"
    line = "weights of 1, 3 and 0.5"
    facts = (1, tuple(dict.fromkeys(r.dtype for r in verdict.rows)), tuple(dict.fromkeys(r.gamma for r in verdict.rows)), line, "unweighted derivatives", "weighted ones")
    return Finding("grad", "inexact", "the samples' weights are ignored", cure, *facts, where=line, of_batch=True)


def _raised(link: str, alpha: Alpha, gamma: float, floor: float, margins: Floats, labels: NDArray[Any], hess: Floats) -> Floats:
    """Where the floor stands for a smaller Hessian, the exact one."""
    loss: Any = (SoftmaxFocalLoss if link == "softmax" else SigmoidFocalLoss)(gamma=gamma, alpha=alpha)
    exact = np.asarray(loss.hessian_diag(np.asarray(margins, dtype=np.float64), labels.astype(np.int64)))
    return np.where((exact <= floor) & (np.abs(hess - floor) <= 1e-6 * floor), exact, hess)


# ---- who calls it -----------------------------------------------------------------------------------------------------------


def _points(rows: bool, classes: int) -> tuple[Floats, NDArray[np.int64]]:
    rng = np.random.default_rng(3)
    return rng.normal(0, 1, (12, classes) if rows else 12), np.arange(12) % (classes if rows else 2)


def _caller(fn: Any, library: str | None, *, rows: bool, classes: int) -> tuple[_Caller, str]:
    """How it is called, and what to say of that."""
    if library == "catboost" or (library is None and (hasattr(fn, "calc_ders_range") or hasattr(fn, "calc_ders_multi"))):
        method = "calc_ders_multi" if rows else "calc_ders_range"
        return _Caller(fn, "catboost", rows, False), f"called as catboost does, by {method}: the derivatives of −loss"
    names = [name for name, p in parameters(fn).items() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    order = order_of(names)
    of_data = len(names) > 1 and names[1].lower() in DATA
    if library in ("xgboost", "lightgbm") or (library is None and (of_data or (order is None and _takes_data(fn, rows, classes)))):
        library = library or "xgboost"
        return _Caller(fn, library, rows, False), f"called as {library} does, with (margins, data)"
    swapped = order is False and not (names and names[0].lower() in ("y", "t"))
    words = "(margins, labels)" if swapped else "(labels, margins)"
    return _Caller(fn, "sklearn", rows, swapped), f"called as scikit-learn's classes do, with {words}"


def _takes_data(fn: Any, rows: bool, classes: int) -> bool:
    """Whether it is content with margins and a data set."""
    margins, labels = _points(rows, classes)
    try:
        with contained():
            _Caller(fn, "xgboost", rows, False)(margins, labels)
    except Refused:
        return False
    return True


def grad_hess_at(
    fn: Any,
    margins: float | Sequence[float],
    target: int,
    *,
    library: str | None = None,
    link: str = "sigmoid",
    gamma: float | None = None,
) -> dict[str, Any]:
    """What an objective gives for one sample: gradient and Hessian of the loss, whatever the library's sign.

    Examples
    --------
    >>> grad_hess_at(lambda margins, data: (margins - data.get_label(), 0 * margins + 1), 0.5, 1)
    {'grad': -0.5, 'hess': 1.0}
    """
    caller, _ = _caller(fn, library, rows=link == "softmax", classes=np.size(margins))
    name = gamma_of(parameters(fn))
    one = np.asarray([margins], dtype=TYPES[caller.library])
    grad, hess = caller(one, np.asarray([target]), **({name: gamma} if name and gamma is not None else {}))
    return {"grad": grad[0].tolist(), "hess": hess[0].tolist()}

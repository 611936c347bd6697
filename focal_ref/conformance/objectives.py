"""Objectives of boosting libraries: gradient and Hessian in each library's layout and sign, checked like any derivative.

A library hands an objective the margins and its data, and gets a gradient and a Hessian for each sample. `check_objective`
plays the library, and turns what comes back into derivatives of each loss.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..libraries import frameworks
from ..losses import SigmoidFocalLoss, SoftmaxFocalLoss, arguments
from ..typing import Floats
from .callers import LIBRARIES, TYPES, Caller, caller_of, points_for
from .candidate import Alpha, Subject
from .contract import GAMMAS, LINKS
from .course import examined
from .guard import Refused, contained
from .loading import named
from .making import gamma_of, parameters
from .plan import Plan
from .report import Verdict
from .rows import Finding
from .sampling import alpha_factor

__all__ = ["check_objective", "grad_hess_at"]

LARGEST = 1000.0
SAME = 1e-3


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
    caller, words = caller_of(fn, library, rows=link == "softmax", classes=classes)

    def derivative(margins: Floats, labels: NDArray[Any], gamma: float, **_: Any) -> tuple[Floats, ...]:
        grad, hess = caller(margins, labels, None, **({name: gamma} if name else {}))
        if floor is not None:
            hess = _raised(link, alpha, gamma, floor, margins, labels, hess)
        return (grad, hess) if hessian else (grad,)

    functools.update_wrapper(derivative, fn if hasattr(fn, "__name__") else type(fn))
    framework = frameworks.get("numpy")
    how: dict[str, Any] = {"order": 2 if hessian else 1, "library": caller.library, "targets": "index", "alpha": alpha}
    subject = Subject(derivative, link, framework, derivative, **how)
    sizes = (len(alpha),) if link == "softmax" and isinstance(alpha, Sequence) else (classes,)
    plan = Plan(subject, (TYPES[caller.library],), powers, alpha_factor(link, alpha), tolerance, sizes, largest, seed)
    verdict = examined(plan, progress or (lambda done, steps, text: None))
    verdict = dataclasses.replace(verdict, called=words)
    if weights and not _weighs(caller, link, classes, {name: powers[0]} if name else {}):
        return dataclasses.replace(verdict, findings=(*verdict.findings, _ignoring(verdict)))
    return verdict


def _weighs(caller: Caller, link: str, classes: int, more: dict[str, Any]) -> bool:
    """Whether samples' weights multiply both derivatives."""
    margins, labels = points_for(link == "softmax", classes)
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
    facts = (
        1,
        tuple(dict.fromkeys(r.dtype for r in verdict.rows)),
        tuple(dict.fromkeys(r.gamma for r in verdict.rows)),
        line,
        "unweighted derivatives",
        "weighted ones",
    )
    return Finding("grad", "inexact", "the samples' weights are ignored", cure, *facts, where=line, of_batch=True)


def _raised(link: str, alpha: Alpha, gamma: float, floor: float, margins: Floats, labels: NDArray[Any], hess: Floats) -> Floats:
    """Where the floor stands for a smaller Hessian, the exact one."""
    loss: Any = (SoftmaxFocalLoss if link == "softmax" else SigmoidFocalLoss)(gamma=gamma, alpha=alpha)
    exact = np.asarray(loss.hessian_diag(np.asarray(margins, dtype=np.float64), labels.astype(np.int64)))
    return np.where((exact <= floor) & (np.abs(hess - floor) <= 1e-6 * floor), exact, hess)


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

    Parameters
    ----------
    fn : callable, object or str
        As for `check_objective`, or a text by which it is loaded: "losses.py:objective".
    margins : float or sequence of float
        One margin, or one a class.
    target : int
        0 or 1, or the class.
    library, link, gamma
        As for `check_objective`; the γ that it is called with, if it takes one.

    Returns
    -------
    dict
        "grad" and "hess", numbers or lists.

    Examples
    --------
    >>> grad_hess_at(lambda margins, data: (margins - data.get_label(), 0 * margins + 1), 0.5, 1)
    {'grad': -0.5, 'hess': 1.0}
    """
    fn = named(fn, called=False) if isinstance(fn, str) else fn
    caller, _ = caller_of(fn, library, rows=link == "softmax", classes=np.size(margins))
    name = gamma_of(parameters(fn))
    one = np.asarray([margins], dtype=TYPES[caller.library])
    grad, hess = caller(one, np.asarray([target]), None, **({name: gamma} if name and gamma is not None else {}))
    return {"grad": grad[0].tolist(), "hess": hess[0].tolist()}

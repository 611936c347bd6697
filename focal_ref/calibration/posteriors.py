"""From focal loss's scores to probabilities, and back.

Focal loss is not proper: where the classes have the probabilities η, its mean is least not at η but at v, with

    η_c ∝ v_c / (α_c φ(v_c))        φ(v) = (1 − v)^γ − γ (1 − v)^(γ−1) v log v

(Charoenphakdee et al., "On Focal Loss for Class-Posterior Probability Estimation", CVPR 2021, arXiv 2011.09172, here with class
weights). `focal_ref.mathematics.minimisers` has it without the power γ − 1, and without anything that cancels.

Everything runs on the caller's array library, in the widest type there is, and is rounded once. Python numbers and sequences
are taken as well, and are reckoned with in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal, TypeAlias

import numpy as np

from ..engine import execution
from ..engine.execution import CLASSES, ROW
from ..losses import arguments as checks
from ..mathematics.minimisers import (
    Row,
    binary_minimiser,
    binary_posterior,
    log_of,
    row_minimiser,
    row_of_probabilities,
    row_posterior,
    smaller_over_larger,
)
from ..mathematics.soft_targets import soft_row
from ..typing import AlphaLike, Array, GammaLike, Namespace

__all__ = ["minimiser", "optimal_constant", "posterior", "posterior_from_logits", "probabilities"]

Axis: TypeAlias = int | Literal["auto"] | None

_PROBABILITIES = "a probability, a sequence of them, or a floating-point array of them, in [0, 1]"
_LOGITS = "a number, a sequence of them, or a floating-point array"
_SHARE = "a weight of the positives, above 0 and below 1, or None"
_WEIGHTS = "one finite number > 0 a class, or None"


def posterior(probs: Any, gamma: GammaLike, alpha: AlphaLike = None, *, axis: Axis = "auto") -> Any:
    """The class probabilities η that a focal minimiser's probabilities v stand for.

    Parameters
    ----------
    probs : float, sequence or array
        A model's probabilities: of the positives, or rows with one a class.
    gamma : float, sequence or array
        The γ ≥ 0 that the model was trained with; broadcasts against the losses.
    alpha : float, sequence, array or None
        The class weights that it was trained with: of the positives, in (0, 1), as for `SigmoidFocalLoss`; for rows, one a
        class, as for `SoftmaxFocalLoss` (a scalar changes nothing).
    axis : int, None or "auto"
        Where the classes lie. None: every element is a probability of the positives by itself. "auto": None for a number
        or one axis, the last axis for more.

    Returns
    -------
    float or array
        As `probs`: same library, type, device and shape. Rows sum to 1.

    Raises
    ------
    TypeError, ValueError
        Where an argument is of the wrong kind, shape or library, or out of range; the message names it.

    Examples
    --------
    >>> import numpy as np
    >>> round(posterior(0.2, gamma=2.0), 4)
    0.0235
    >>> posterior(np.asarray([[0.5, 0.3, 0.2]]), gamma=2.0).round(4)
    array([[0.6385, 0.2296, 0.1319]])
    """
    return _mapped(_posterior_of_probs, "probs", probs, gamma, alpha, _default(axis, probs, 2))


def posterior_from_logits(logits: Any, gamma: GammaLike, alpha: AlphaLike = None, *, axis: Axis = "auto") -> Any:
    """`posterior` of σ(logits) or softmax(logits), without rounding those to probabilities first.

    A probability near 1 says little of its complement; the logits do, and so the rarest class keeps its digits.

    Parameters
    ----------
    logits : float, sequence or array
        As the loss takes them.
    gamma, alpha, axis
        As for `posterior`.

    Examples
    --------
    >>> posterior_from_logits(-40.0, gamma=2.0)
    2.3002944221165986e-52
    """
    return _mapped(_posterior_of_logits, "logits", logits, gamma, alpha, _default(axis, logits, 2))


def minimiser(probs: Any, gamma: GammaLike, alpha: AlphaLike = None, *, axis: Axis = "auto") -> Any:
    """The inverse of `posterior`: the probabilities v at which the mean focal loss is least where the classes have `probs`.

    Parameters
    ----------
    probs : float, sequence or array
        The class probabilities η.
    gamma, alpha, axis
        As for `posterior`. Rows are solved for γ up to 50; beyond, one that cannot be is NaN.

    Examples
    --------
    >>> round(minimiser(0.03275, gamma=2.0), 4)
    0.2208
    """
    return _mapped(_minimiser, "probs", probs, gamma, alpha, _default(axis, probs, 2))


def optimal_constant(prior: Any, gamma: GammaLike, alpha: AlphaLike = None, *, axis: Axis = "auto") -> Any:
    """The logits of the best prediction that does not look at its input: a bias, or a booster's start.

    Parameters
    ----------
    prior : float, sequence or array
        How frequent the positives are; or rows with the frequency of each class.
    gamma, alpha
        As for `posterior`.
    axis : int, None or "auto"
        As for `posterior`, but "auto" is None for a number only: a sequence is a row.

    Returns
    -------
    float or array
        The logit log(v/(1 − v)) of the positives, or log v_c for each class.

    Examples
    --------
    >>> round(optimal_constant(0.03275, gamma=2.0), 4)
    -1.2609
    >>> optimal_constant([0.9, 0.07, 0.03], gamma=2.0).round(4)
    array([-0.3873, -1.5177, -2.2838])
    """
    return _mapped(partial(_minimiser, as_logits=True), "prior", prior, gamma, alpha, _default(axis, prior, 1))


# ---- arguments --------------------------------------------------------------------------------------------------------------


def _default(axis: Any, x: Any, least: int) -> Any:
    if not isinstance(axis, str):
        checks.integer("axis", axis, optional=True)
        return axis
    checks.choice("axis", axis, ("auto",))
    ndim = x.ndim if execution.is_array(x) else np.ndim(x)
    return -1 if ndim >= least else None


def _mapped(program: Callable[..., Any], name: str, x: Any, gamma: Any, alpha: Any, axis: int | None) -> Any:
    """Check, run the program on the array's own library, and give a number back for a number."""
    plain = checks.is_number(x)
    x = _array(name, x, axis) if name == "logits" else probabilities(name, x, axis)
    xp = checks.logits(x, axis)
    shape, compute = checks.losses_shape(x, axis), execution.compute_type(xp, x, "extended")
    gamma = checks.parameter("gamma", gamma, checks.LARGEST, "a finite number ≥ 0, a sequence or an array of them")
    into = tuple(x.shape) if axis is None else (x.shape[axis],)
    alpha = _weights(alpha, axis)
    factors = [
        value if value is None else checks.factor(of, execution.parameter(xp, value, x, compute, compute), x, fits)
        for of, value, fits in (("gamma", gamma, shape), ("alpha", alpha, into))
    ]
    if axis is not None and execution.is_array(factors[1]):
        factors[1] = xp.broadcast_to(factors[1], into)
    kind = ROW if axis is None else CLASSES
    run = partial(program, compute=compute, rows=axis is not None)
    arguments = [execution.classes_last(xp, x, axis, x.ndim), *factors]
    (result,) = execution.run(run, arguments, (kind, ROW, kind), [(kind, x.dtype)])
    result = execution.classes_back(xp, result, axis)
    return float(result) if plain else result


def _array(name: str, x: Any, axis: int | None) -> Any:
    accepted = _LOGITS if name == "logits" else _PROBABILITIES
    if checks.is_number(x) or (isinstance(x, Sequence) and not isinstance(x, (str, bytes))):
        try:
            x = np.asarray(x, dtype=np.float64)
        except (TypeError, ValueError):
            raise TypeError(f"{name}: got {checks.describe(x)}; expected {accepted}") from None
    if not execution.is_array(x) or execution.dtype_name(x) not in execution.FLOATS:
        raise TypeError(f"{name}: got {checks.describe(x)}; expected {accepted}")
    if axis is not None and (x.ndim == 0 or not -x.ndim <= axis < x.ndim):
        raise ValueError(f"axis: got {axis} for {checks.describe(x)}; expected an axis of {name}, or None")
    if axis is not None and x.shape[axis] < 2:
        raise ValueError(f"{name}: got {checks.describe(x)}; expected two classes or more along axis {axis}")
    return x


def probabilities(name: str, x: Any, axis: int | None) -> Any:
    """Probabilities as an array: Python numbers and sequences in float64; checked, where values may be looked at."""
    x = _array(name, x, axis)
    seen = execution.values(x)
    if seen is None:
        return x
    wide = seen.astype(np.float64)
    if bool(((wide < 0) | (wide > 1)).any()):
        raise ValueError(f"{name}: got {checks.describe(x)} with values outside [0, 1]; expected {_PROBABILITIES}")
    if axis is not None and bool((np.abs(wide.sum(axis=axis) - 1) > checks.ROW_SUM_TOLERANCE).any()):
        raise ValueError(f"{name}: got {checks.describe(x)} with rows that don't sum to 1; expected rows that do, or axis=None")
    return x


def _weights(alpha: Any, axis: int | None) -> Any:
    """α, which must leave every class some weight: without any, the minimiser says nothing of a class."""
    if alpha is None:
        return None
    high, accepted = (1.0, _SHARE) if axis is None else (checks.LARGEST, _WEIGHTS)
    alpha = checks.parameter("alpha", alpha, high, accepted)
    seen = np.asarray(alpha) if not execution.is_array(alpha) else execution.values(alpha)
    if seen is not None and bool(((seen <= 0) | ((seen >= 1) & (axis is None))).any()):
        raise ValueError(f"alpha: got {checks.describe(alpha)}; expected {accepted}")
    return alpha


# ---- programs ---------------------------------------------------------------------------------------------------------------


def _cast(xp: Namespace, compute: str, rows: bool, x: Array, gamma: Any, alpha: Any) -> Any:
    """All in one type; a γ for each row beside its classes."""
    x, gamma, alpha = (
        xp.astype(a, getattr(xp, compute), copy=False) if execution.is_array(a) else a for a in (x, gamma, alpha)
    )
    return x, gamma[..., None] if rows and execution.is_array(gamma) else gamma, alpha


def _classes(xp: Namespace, x: Array) -> Any:
    return xp.arange(x.shape[-1], device=execution.device_of(x))


def _posterior_of_probs(xp: Namespace, probs: Array, gamma: Any, alpha: Any, *, compute: str, rows: bool) -> tuple[Any]:
    p, gamma, alpha = _cast(xp, compute, rows, probs, gamma, alpha)
    if rows:
        result = row_posterior(xp, row_of_probabilities(xp, p, _classes(xp, p)), gamma, alpha)
    else:
        e = smaller_over_larger(xp, p, 1 - p)
        result = binary_posterior(xp, p >= 0.5, e, -log_of(xp, e), gamma, alpha)
    return (xp.astype(result, probs.dtype, copy=False),)


def _posterior_of_logits(xp: Namespace, logits: Array, gamma: Any, alpha: Any, *, compute: str, rows: bool) -> tuple[Any]:
    x, gamma, alpha = _cast(xp, compute, rows, logits, gamma, alpha)
    if rows:
        row = soft_row(xp, x, x, _classes(xp, x), True)
        result = row_posterior(xp, Row(row.e, row.rest, row.top, row.margin), gamma, alpha)
    else:
        depth = xp.abs(x)
        result = binary_posterior(xp, x >= 0, xp.exp(-depth), depth, gamma, alpha)
    return (xp.astype(result, logits.dtype, copy=False),)


def _minimiser(
    xp: Namespace, probs: Array, gamma: Any, alpha: Any, *, compute: str, rows: bool, as_logits: bool = False
) -> tuple[Any]:
    p, gamma, alpha = _cast(xp, compute, rows, probs, gamma, alpha)
    if rows:
        result = row_minimiser(xp, p, _classes(xp, p), gamma, alpha, as_logits)
    else:
        result = binary_minimiser(xp, p, gamma, alpha, as_logits)
    return (xp.astype(result, probs.dtype, copy=False),)

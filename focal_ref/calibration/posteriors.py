"""From focal loss's scores to probabilities, and back.

Focal loss is not proper: where the classes have the probabilities η, its mean is least not at η but at v, with

    η_c ∝ v_c / (α_c φ(v_c))        φ(v) = (1 − v)^γ − γ (1 − v)^(γ−1) v log v

(Charoenphakdee et al., "On Focal Loss for Class-Posterior Probability Estimation", CVPR 2021, arXiv 2011.09172, here with class
weights). `focal_ref.mathematics.minimisers` has it without the power γ − 1, and without anything that cancels.

Everything runs on the caller's array library, in the widest type there is, and is rounded once. Python numbers and sequences
are taken as well, and are reckoned with in float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

from ..engine import arrays, layout, precision
from ..engine.numpy_blocks import CLASSES, ROW
from ..engine.run import run
from ..family.focal import Focal
from ..losses import arguments
from ..losses.members import checked_kernel, is_member
from ..mathematics.kernel import Kernel
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
from ..mathematics.optimum import binary_optimum, binary_posterior_of, row_optimum, row_posterior_of
from ..mathematics.soft_targets import soft_row
from ..typing import AlphaLike, Array, GammaLike, Namespace

__all__ = ["minimiser", "optimal_constant", "posterior", "posterior_from_logits", "probabilities"]

Axis: TypeAlias = int | Literal["auto"] | None

_PROBABILITIES = "a probability, a sequence of them, or a floating-point array of them, in [0, 1]"
_LOGITS = "a number, a sequence of them, or a floating-point array"
_SHARE = "a weight of the positives, above 0 and below 1, or None"
_WEIGHTS = "one finite number > 0 a class, or None"


def posterior(probs: Any, gamma: GammaLike | Kernel, alpha: AlphaLike = None, *, axis: Axis = "auto") -> Any:
    """The class probabilities η that a focal minimiser's probabilities v stand for.

    Parameters
    ----------
    probs : float, sequence or array
        A model's probabilities: of the positives, or rows with one a class.
    gamma : float, sequence, array or focal_ref.family.Kernel
        The γ ≥ 0 of training, which broadcasts against the losses; or the member of the family with its parameters.
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
    return _mapped("posterior of probs", "probs", probs, gamma, alpha, _default(axis, probs, 2))


def posterior_from_logits(logits: Any, gamma: GammaLike | Kernel, alpha: AlphaLike = None, *, axis: Axis = "auto") -> Any:
    """`posterior` of σ(logits) or softmax(logits), without rounding those to probabilities first.

    A probability near 1 says little of its complement; logits do, and rare classes keep digits. Result as for `posterior`.

    Parameters
    ----------
    logits : float, sequence or array
        As the loss takes them.
    gamma, alpha
        As for `posterior`.
    axis : int, None or "auto"
        As for `posterior`. "auto" takes two axes or more for rows of classes along the last. So images (N, C, H, W) need
        ``axis=1``, and multi-label logits (N, labels), a sigmoid each, ``axis=None``.

    Examples
    --------
    >>> posterior_from_logits(-40.0, gamma=2.0)
    2.3002944221165986e-52
    >>> posterior_from_logits([2.0, -1.0, 0.5], gamma=2.0, axis=None).round(4)
    array([0.9955, 0.0641, 0.7923])
    """
    return _mapped("posterior of logits", "logits", logits, gamma, alpha, _default(axis, logits, 2))


def minimiser(probs: Any, gamma: GammaLike | Kernel, alpha: AlphaLike = None, *, axis: Axis = "auto") -> Any:
    """The inverse of `posterior`: the probabilities v at which the mean focal loss is least where the classes have `probs`.

    Result as for `posterior`.

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
    return _mapped("minimiser", "probs", probs, gamma, alpha, _default(axis, probs, 2))


def optimal_constant(prior: Any, gamma: GammaLike | Kernel, alpha: AlphaLike = None, *, axis: Axis = "auto") -> Any:
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
    return _mapped("minimiser", "prior", prior, gamma, alpha, _default(axis, prior, 1), as_logits=True)


# ---- arguments --------------------------------------------------------------------------------------------------------------


def _default(axis: Any, x: Any, least: int) -> Any:
    if not isinstance(axis, str):
        arguments.integer("axis", axis, optional=True)
        return axis
    arguments.choice("axis", axis, ("auto",))
    ndim = x.ndim if arrays.is_array(x) else np.ndim(x)
    return -1 if ndim >= least else None


def _mapped(task: str, name: str, x: Any, member: Any, alpha: Any, axis: int | None, *, as_logits: bool = False) -> Any:
    """Check, run the task on the array's own library, and give a number back for a number."""
    plain = arguments.is_number(x)
    x = _array(name, x, axis) if name == "logits" else probabilities(name, x, axis)
    facts = arguments.logits(x, axis)
    shape, compute = arguments.losses_shape(facts.shape, axis), precision.compute_type(facts, "extended")
    kernel = checked_kernel(member if is_member(member) else Focal(member))
    into = facts.shape if axis is None else (x.shape[axis],)

    def ready(of: str, value: Any, fits: tuple[int, ...]) -> Any:
        return arguments.factor(of, precision.parameter(facts, value, compute, compute), facts, fits)

    values = [ready(of, value, shape) for of, value in kernel.values.items()]
    alpha = _weights(alpha, axis)
    alpha = None if alpha is None else ready("alpha", alpha, into)
    if axis is not None and arrays.is_array(alpha):
        alpha = facts.xp.broadcast_to(alpha, into)
    kind = ROW if axis is None else CLASSES
    way = _Way(task, type(kernel), compute, axis is not None, as_logits)
    given = [layout.classes_last(facts.xp, x, axis, x.ndim), alpha, *values]
    (result,) = run(partial(_program, way=way), given, (kind, kind, *(ROW for _ in values)), [(kind, x.dtype)])
    result = layout.classes_back(facts.xp, result, axis)
    return float(result) if plain else result


def _array(name: str, x: Any, axis: int | None) -> Any:
    accepted, x = _LOGITS if name == "logits" else _PROBABILITIES, arrays.column(x)
    if arguments.is_number(x) or (isinstance(x, Sequence) and not isinstance(x, (str, bytes))):
        try:
            x = np.asarray(x, dtype=np.float64)
        except (TypeError, ValueError):
            raise TypeError(f"{name}: got {arguments.describe(x)}; expected {accepted}") from None
    if not arrays.is_array(x) or arrays.dtype_name(x) not in arrays.FLOATS:
        raise TypeError(f"{name}: got {arguments.describe(x)}; expected {accepted}")
    if axis is not None and (x.ndim == 0 or not -x.ndim <= axis < x.ndim):
        raise ValueError(f"axis: got {axis} for {arguments.describe(x)}; expected an axis of {name}, or None")
    if axis is not None and x.shape[axis] < 2:
        cure = "; one of the positives a sample: axis=None" if x.shape[axis] == 1 else ""
        raise ValueError(f"{name}: got {arguments.describe(x)}; expected two classes or more along axis {axis}{cure}")
    return x


def probabilities(name: str, x: Any, axis: int | None) -> Any:
    """Probabilities as an array: Python numbers and sequences in float64; checked, where values may be looked at."""
    x = _array(name, x, axis)
    seen = arrays.values(x)
    if seen is None:
        return x
    wide = seen.astype(np.float64)
    if bool(((wide < 0) | (wide > 1)).any()):
        raise ValueError(f"{name}: got {arguments.describe(x)} with values outside [0, 1]; expected {_PROBABILITIES}")
    if axis is not None and bool((np.abs(wide.sum(axis=axis) - 1) > arguments.ROW_SUM_TOLERANCE).any()):
        raise ValueError(
            f"{name}: got {arguments.describe(x)} with rows that don't sum to 1; expected rows that do, or axis=None"
        )
    return x


def _weights(alpha: Any, axis: int | None) -> Any:
    """α, which must leave every class some weight: without any, the minimiser says nothing of a class."""
    if alpha is None:
        return None
    high, accepted = (1.0, _SHARE) if axis is None else (arguments.LARGEST, _WEIGHTS)
    alpha = arguments.parameter("alpha", alpha, high, accepted)
    seen = np.asarray(alpha) if not arrays.is_array(alpha) else arrays.values(alpha)
    if seen is not None and bool(((seen <= 0) | ((seen >= 1) & (axis is None))).any()):
        raise ValueError(f"alpha: got {arguments.describe(alpha)}; expected {accepted}")
    return alpha


# ---- programs ---------------------------------------------------------------------------------------------------------------


class _Way(NamedTuple):
    """What is to be computed, for which kernel."""

    task: str
    """ "posterior of probs", "posterior of logits" or "minimiser"."""
    kernel: type[Kernel]
    compute: str
    rows: bool
    as_logits: bool


def _program(xp: Namespace, given: Array, alpha: Any, *values: Any, way: _Way) -> tuple[Any]:
    """All in one type; a row's parameters stand beside its classes."""
    x, alpha, *numbers = (
        xp.astype(a, getattr(xp, way.compute), copy=False) if arrays.is_array(a) else a for a in (given, alpha, *values)
    )
    beside = (a[..., None] if way.rows and arrays.is_array(a) else a for a in numbers)
    parameters = dict(zip(way.kernel.parameters, beside, strict=True))
    find = _minimiser if way.task == "minimiser" else _row_posterior if way.rows else _binary_posterior
    return (xp.astype(find(xp, x, parameters, alpha, way), given.dtype, copy=False),)


def _binary_posterior(xp: Namespace, x: Array, parameters: dict[str, Any], alpha: Any, way: _Way) -> Any:
    if way.task == "posterior of logits":
        depth = xp.abs(x)
        likely, e = x >= 0, xp.exp(-depth)
    else:
        likely, e = x >= 0.5, smaller_over_larger(xp, x, 1 - x)
        depth = -log_of(xp, e)
    if way.kernel is Focal:
        return binary_posterior(xp, likely, e, depth, parameters["gamma"], alpha)
    return binary_posterior_of(xp, way.kernel, parameters, likely, e, depth, alpha)


def _row_posterior(xp: Namespace, x: Array, parameters: dict[str, Any], alpha: Any, way: _Way) -> Any:
    classes = xp.arange(x.shape[-1], device=arrays.device_of(x))
    if way.task == "posterior of logits":
        found = soft_row(xp, x, x, classes, True)
        row = Row(found.e, found.rest, found.top, found.margin)
    else:
        row = row_of_probabilities(xp, x, classes)
    if way.kernel is Focal:
        return row_posterior(xp, row, parameters["gamma"], alpha)
    return row_posterior_of(xp, way.kernel, parameters, row, alpha)


def _minimiser(xp: Namespace, p: Array, parameters: dict[str, Any], alpha: Any, way: _Way) -> Any:
    if way.kernel is not Focal:
        find = row_optimum if way.rows else binary_optimum
        return find(xp, way.kernel, parameters, p, alpha, way.as_logits)
    if way.rows:
        classes = xp.arange(p.shape[-1], device=arrays.device_of(p))
        return row_minimiser(xp, p, classes, parameters["gamma"], alpha, way.as_logits)
    return binary_minimiser(xp, p, parameters["gamma"], alpha, way.as_logits)

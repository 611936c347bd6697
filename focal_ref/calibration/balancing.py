"""What people set when classes are rare: class weights from counts, a starting bias, and a γ for each sample.

>>> from focal_ref import SoftmaxFocalLoss
>>> SoftmaxFocalLoss(gamma=2.0, alpha=class_balanced_alpha([900, 90, 10], beta=0.999)).alpha[2] > 2
True
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Literal

import numpy as np

from ..engine import arrays, numpy_blocks, precision, run
from ..losses import arguments
from ..mathematics.power import log_complement
from ..typing import AlphaLike, Array, GammaLike, Namespace
from .posteriors import optimal_constant, probabilities

__all__ = ["by_label", "class_balanced_alpha", "gamma_for", "initial_bias", "inverse_frequency_alpha"]

_COUNTS = "a sequence of two or more counts, each a finite number ≥ 0, not all 0"
LINEAR = 1e-17
"""1 − e^(−x) is x to the last bit."""
NEWTON_STEPS = 4
"""From a close upper bound, on a concave function's falling side, where each step stays: two reach the last bits."""


def class_balanced_alpha(counts: Any = None, beta: float = 0.999, *, labels: Any = None) -> tuple[float, ...]:
    """Class weights (1 − β)/(1 − β^n), normalised to sum to the number of classes (Cui et al., CVPR 2019, arXiv 1901.05555).

    Naively 1 − β**n; but β^n is near 1 for a rare class, and 1 − β has few digits. Here both are −expm1(n log1p(−(1 − β))).

    Parameters
    ----------
    counts : sequence, array or dict
        How many samples each class has; effective numbers or sums of weights will do. A dict from labels to counts
        (``collections.Counter``) is taken in the order of its sorted labels, and a sequence of strings for labels.
    beta : float
        In [0, 1]: 0 gives equal weights, 1 the limit, weights by inverse frequency. The paper tries 0.9 to 0.9999.
    labels : sequence or array
        In the place of `counts`, each sample's label: integers 0 … K − 1, or anything that sorts.

    Returns
    -------
    tuple of float
        One weight a class, for `SoftmaxFocalLoss`, whatever the library of its logits. `SigmoidFocalLoss` takes the positives'
        share: ``alpha=weights[1] / 2`` for the counts of negatives and positives. A class without a sample weighs 0, and leaves
        the others' weights as they are without it.

    Raises
    ------
    TypeError, ValueError
        Where an argument is not such; the message names it.

    See Also
    --------
    focal_ref.inverse_frequency_alpha : the same without a limit to what rare classes weigh.
    focal_ref.suggest : γ, a start and a threshold, too.

    Examples
    --------
    >>> [round(w, 4) for w in class_balanced_alpha([990, 10], beta=0.999)]
    [0.0312, 1.9688]
    >>> class_balanced_alpha(labels=["cat", "dog", "cat", "cat"]) == class_balanced_alpha({"cat": 3, "dog": 1})
    True
    """
    found = _counts(counts, labels)
    beta = arguments.number("beta", beta, 0.0, 1.0, "a number in [0, 1]")
    if beta == 1:
        return _inversely(found, found)
    if beta == 0:
        return _inversely(found, [1.0] * len(found))
    rate = -math.log1p(-(1 - beta)) if beta >= 0.5 else -math.log(beta)
    # In units of the rate, where a tiny n is what it is, and not a product that has lost its digits.
    return _inversely(found, [n if n * rate < LINEAR else -math.expm1(-n * rate) / rate for n in found])


def inverse_frequency_alpha(counts: Any = None, *, labels: Any = None) -> tuple[float, ...]:
    """Class weights 1/n, normalised to sum to the number of classes. Arguments and result as for `class_balanced_alpha`.

    Parameters
    ----------
    counts : sequence, array or dict
        How many samples each class has.
    labels : sequence or array
        In the place of `counts`, each sample's label.

    Examples
    --------
    >>> inverse_frequency_alpha([30, 10])
    (0.5, 1.5)
    """
    found = _counts(counts, labels)
    return _inversely(found, found)


def _counts(counts: Any, labels: Any) -> list[float]:
    if (counts is None) == (labels is None):
        raise TypeError(
            f"counts: got {arguments.describe(counts)} and labels={arguments.describe(labels)}; expected one of them"
        )
    counts, labels = by_label(counts), arrays.column(labels)
    if arrays.is_array(counts):
        counts = arrays.values(counts)
    if isinstance(counts, (Sequence, np.ndarray)) and not isinstance(counts, str) and _are_strings(counts):
        counts, labels = None, counts
    if labels is not None:
        counts = _counted(labels)
    if isinstance(counts, Mapping):
        counts = [counts[label] for label in _sorted(counts)]
    if not isinstance(counts, (Sequence, np.ndarray)) or isinstance(counts, (str, bytes)) or np.ndim(counts) != 1:
        raise TypeError(f"counts: got {arguments.describe(counts)}; expected {_COUNTS}")
    if len(counts) < 2:
        raise ValueError(f"counts: got {arguments.describe(counts)}; expected {_COUNTS}")
    found = [arguments.number(f"counts[{i}]", n, 0.0, math.inf, _COUNTS) for i, n in enumerate(counts)]
    if not any(found):
        raise ValueError(f"counts: got only zeros; expected {_COUNTS}")
    return found


def by_label(counts: Any) -> Any:
    """Counts as pandas's ``value_counts()`` has them, the commonest first, as a dict from labels; others as they are."""
    return counts if arrays.column(counts) is counts or not hasattr(counts, "index") else counts.to_dict()


def _are_strings(counts: Any) -> bool:
    return len(counts) > 0 and all(isinstance(label, str) for label in counts)


def _sorted(labels: Any) -> list[Any]:
    try:
        return sorted(labels)
    except TypeError:
        raise TypeError(f"counts: got labels {list(labels)!r}, which have no order; expected labels of one type") from None


def _counted(labels: Any) -> list[int]:
    """Integers are classes 0 … K − 1, some of which may be empty; of other labels there are those that occur."""
    seen = np.asarray(arrays.values(labels) if arrays.is_array(labels) else labels)
    if seen.ndim != 1 or not seen.size or seen.dtype.kind not in "biufUOST":
        raise TypeError(f"labels: got {arguments.describe(labels)}; expected one label a sample")
    if seen.dtype.kind in "biu":
        if seen.min() < 0:
            raise ValueError(f"labels: got {seen.min()}; expected integers 0 … K − 1, or strings")
        return [int(n) for n in np.bincount(seen.astype(np.int64))]
    return [int(n) for n in np.unique(seen, return_counts=True)[1]]


def _inversely(counts: list[float], sizes: list[float]) -> tuple[float, ...]:
    """Weights by 1/size that sum to how many classes there are, 0 for those without a count: first as shares of the largest."""
    least = min(size for count, size in zip(counts, sizes, strict=True) if count)
    shares = [least / size if count else 0.0 for count, size in zip(counts, sizes, strict=True)]
    mean = math.fsum(shares) / sum(1 for count in counts if count)
    return tuple(share / mean for share in shares)


def initial_bias(prior: Any, gamma: GammaLike = 0.0, alpha: AlphaLike = None) -> Any:
    """The bias of a last layer that starts with the classes as frequent as they are.

    With γ = 0 and no α, log(π/(1 − π)): RetinaNet's (Lin et al. 2017, section 4.1, with π = 0.01). With the loss's γ and α,
    the bias at which that loss's mean gradient is 0: `optimal_constant`.

    Parameters
    ----------
    prior : float, sequence or array
        How frequent the positives are; or a row with the frequency of each class.
    gamma, alpha
        The loss's.

    Returns
    -------
    float or array
        The logit of the positives, or log-probabilities of each class.

    See Also
    --------
    focal_ref.optimal_constant : of several classes and any member of the family.

    Examples
    --------
    >>> round(initial_bias(0.01), 4)
    -4.5951
    >>> round(initial_bias(0.01, gamma=2.0), 4)
    -1.7065
    """
    return optimal_constant(prior, gamma, alpha)


def gamma_for(p0: Any, method: Literal["lambert", "flsd53"] = "lambert") -> Any:
    """The sample-dependent γ of Mukhoti et al., NeurIPS 2020 (arXiv 2002.09437).

    Parameters
    ----------
    p0 : float, sequence or array
        Probabilities of the true class, in [0, 1].
    method : {"lambert", "flsd53"}
        "lambert": the γ > 0 at which focal loss's gradient at p0 is as large as that of cross entropy, φ(p0) = 1 with
        φ(p) = (1 − p)^γ − γ p (1 − p)^(γ−1) log p, which is (W₋₁(k e^k)/k − 1)/ρ with ρ = −p log p/(1 − p), k = log(1 − p)/ρ.
        There is one for p0 < 1/2 only; it is 0 from there on, and infinite at p0 = 0. "flsd53": 5 below 0.2, else 3.

    Returns
    -------
    float or array
        As `p0`: same library, type, device and shape. A constant: what p0 was computed from gets no gradient through it.

    Examples
    --------
    >>> round(gamma_for(0.25), 4)
    3.0702
    >>> gamma_for([0.1, 0.3, 0.9], method="flsd53")
    array([5., 3., 3.])
    """
    arguments.choice("method", method, ("lambert", "flsd53"))
    plain = arguments.is_number(p0)
    p0 = probabilities("p0", p0, None)
    program = partial(_flsd53 if method == "flsd53" else _lambert, compute=precision.compute_type(arrays.look(p0), "extended"))
    result: Any = run.run(program, [p0], [numpy_blocks.ROW], [(numpy_blocks.ROW, p0.dtype)])[0]
    return float(result) if plain else result


def _flsd53(xp: Namespace, p0: Array, *, compute: str) -> tuple[Any]:
    p = xp.astype(p0, getattr(xp, compute), copy=False)
    gamma = xp.where(p < 0.2, 5 + 0 * p, 3 + 0 * p)  # NaN stays
    return (xp.astype(gamma, p0.dtype, copy=False),)


def _lambert(xp: Namespace, p0: Array, *, compute: str) -> tuple[Any]:
    """log y = k (y − 1) for y = 1 + γ ρ > 1, by Newton from W₋₁'s upper bound (Chatzigeorgiou 2013, arXiv 1601.04895)."""
    p = xp.astype(p0, getattr(xp, compute), copy=False)
    inside = (p > 0) & (p < 0.5)
    p = xp.where(inside, p, 0.25)
    u = 1 - p
    rho = -p * xp.log(p) / u
    k = -log_complement(xp, u, p) / rho
    excess = xp.abs(k - 1 - xp.log(k))
    y = (1 + xp.sqrt(2 * excess) + excess) / k
    for _ in range(NEWTON_STEPS):
        slope = 1 / y - k
        y = y - xp.where(slope < 0, (xp.log(y) - k * (y - 1)) / xp.where(slope < 0, slope, -1.0), 0.0)
    below = _below_one(xp, p)
    near = below < NEAR
    excess_of_y = xp.where(near, _near_one(xp, xp.where(near, below, 0.0)), y - 1)
    beyond = xp.where(p0 == 0, xp.inf, 0 * xp.astype(p0, p.dtype))  # NaN stays
    gamma = xp.where(inside, excess_of_y / rho, beyond)
    return (xp.astype(gamma, p0.dtype, copy=False),)


NEAR, TERMS = 0.15, 12


def _below_one(xp: Namespace, p: Array) -> Any:
    """1 − k, which tends to 0 with s = 1 − 2p: (atanh s − s log 2 + (s/2) log(1 − s²))/(−p log p), where nothing cancels."""
    s = 1 - 2 * p
    return (0.5 * (xp.log1p(s) - xp.log1p(-s)) - s * math.log(2) + 0.5 * s * xp.log1p(-s * s)) / (-p * xp.log(p))


def _near_one(xp: Namespace, below: Array) -> Any:
    """y − 1 > 0 of log y = k (y − 1) for a k just below 1: with v = (y − 1)/(y + 1), v − (1 − v)(v²/3 + v⁴/5 + …) = 1 − k."""
    v = below
    for _ in range(NEWTON_STEPS):
        series, slope, square = 0 * v, 0 * v, v * v
        for j in range(TERMS, 0, -1):
            series = series * square + 1 / (2 * j + 1)
            slope = slope * square + 2 * j / (2 * j + 1)
        series, slope = series * square, slope * v
        v = v - (v - (1 - v) * series - below) / (1 + series - (1 - v) * slope)
    return 2 * v / (1 - v)

"""What people set when classes are rare: class weights from counts, a starting bias, and a γ for each sample.

>>> from focal_ref import SoftmaxFocalLoss
>>> SoftmaxFocalLoss(gamma=2.0, alpha=class_balanced_alpha([900, 90, 10], beta=0.999)).alpha[2] > 2
True
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

import numpy as np

from ..engine import arrays, numpy_blocks, precision, run
from ..losses import arguments
from ..mathematics.power import log_complement
from ..typing import AlphaLike, Array, GammaLike, Namespace
from .posteriors import optimal_constant, probabilities

__all__ = ["class_balanced_alpha", "gamma_for", "initial_bias", "inverse_frequency_alpha"]

_COUNTS = "a sequence of two or more counts, each a finite number > 0"
NEWTON_STEPS = 4
"""From a close upper bound, on a concave function's falling side, where each step stays: two reach the last bits."""


def class_balanced_alpha(counts: Any, beta: float) -> tuple[float, ...]:
    """Class weights (1 − β)/(1 − β^n), normalised to sum to the number of classes (Cui et al., CVPR 2019, arXiv 1901.05555).

    Naively 1 − β**n; but β^n is near 1 for a rare class, and 1 − β has few digits. Here both are −expm1(n log1p(−(1 − β))).

    Parameters
    ----------
    counts : sequence or array
        How many samples each class has; effective numbers or sums of weights will do.
    beta : float
        In [0, 1]: 0 gives equal weights, 1 the limit, weights by inverse frequency.

    Returns
    -------
    tuple of float
        One weight a class, for `SoftmaxFocalLoss`, whatever the library of its logits. `SigmoidFocalLoss` takes the positives'
        share: ``alpha=weights[1] / 2`` for the counts of negatives and positives.

    Raises
    ------
    TypeError, ValueError
        Where an argument is not such; the message names it. A class without a sample has no such weight.

    Examples
    --------
    >>> [round(w, 4) for w in class_balanced_alpha([990, 10], beta=0.999)]
    [0.0312, 1.9688]
    """
    counts = _counts(counts)
    beta = arguments.number("beta", beta, 0.0, 1.0, "a number in [0, 1]")
    if beta == 1:
        return _normalised([1 / n for n in counts])
    if beta == 0:
        return _normalised([1.0] * len(counts))
    log_beta = math.log1p(-(1 - beta)) if beta >= 0.5 else math.log(beta)
    return _normalised([1 / -math.expm1(n * log_beta) for n in counts])


def inverse_frequency_alpha(counts: Any) -> tuple[float, ...]:
    """Class weights 1/n, normalised to sum to the number of classes. Arguments and result as for `class_balanced_alpha`.

    Examples
    --------
    >>> inverse_frequency_alpha([30, 10])
    (0.5, 1.5)
    """
    return _normalised([1 / n for n in _counts(counts)])


def _counts(counts: Any) -> list[float]:
    if arrays.is_array(counts):
        counts = arrays.values(counts)
    if not isinstance(counts, (Sequence, np.ndarray)) or isinstance(counts, (str, bytes)) or np.ndim(counts) != 1:
        raise TypeError(f"counts: got {arguments.describe(counts)}; expected {_COUNTS}")
    if len(counts) < 2:
        raise ValueError(f"counts: got {arguments.describe(counts)}; expected {_COUNTS}")
    found = [arguments.number(f"counts[{i}]", n, 0.0, math.inf, _COUNTS) for i, n in enumerate(counts)]
    if 0 in found:
        raise ValueError(f"counts[{found.index(0)}]: got 0; expected {_COUNTS}")
    return found


def _normalised(weights: list[float]) -> tuple[float, ...]:
    """Weights that sum to how many there are."""
    mean = math.fsum(weights) / len(weights)
    return tuple(w / mean for w in weights)


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
    beyond = xp.where(p0 == 0, xp.inf, 0 * xp.astype(p0, p.dtype))  # NaN stays
    gamma = xp.where(inside, (y - 1) / rho, beyond)
    return (xp.astype(gamma, p0.dtype, copy=False),)

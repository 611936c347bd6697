"""Losses of probabilities, where the logits are gone: each element by itself, derivatives by the probability."""

from __future__ import annotations

import dataclasses
from typing import Any

from ..engine import arrays
from ..engine.arrays import Facts
from ..mathematics.kernel import Kernel
from ..typing import AlphaLike, Precision, SigmoidReduction
from . import arguments
from .keywords import hinted
from .own import OfKernel
from .plan import Seen
from .sigmoid import _Sigmoid

__all__ = ["ProbabilityLoss"]

_GIVEN = "probabilities in [0, 1] (of logits: SigmoidLoss, which keeps more digits)"


@hinted
@dataclasses.dataclass(frozen=True, eq=False)
class ProbabilityLoss(OfKernel, _Sigmoid):
    """Any member of the family on probabilities, for each element by itself: Keras's ``from_logits=False``.

    Everything is exact for the number that is given, as for logits. What is lost was lost when it was made: near 1 a float32
    knows its complement to 6e-8 only, so that a positive with a logit above 17 has loss 0 and nothing to learn from. Where
    there are logits, use them.

    Parameters
    ----------
    kernel : focal_ref.family.Kernel
        A member with its parameters' values, such as ``Focal(2.0)``.
    alpha, ignore_index, label_smoothing, reduction, precision
        As for `SigmoidFocalLoss`.

    Notes
    -----
    `value` and the other methods take the positives' probabilities in the place of logits; derivatives are by them. At p_t = 0
    the loss is inf, its derivative −inf, its second inf. At p_t = 1 the loss is 0, and the derivatives are their limits from
    below: for focal loss with γ = 0 −1 and 1; for 0 < γ < 1 0 and inf; 0 and 2 for γ = 1; 0 and 0 beyond. Nothing is clipped:
    Keras's 1e-7 caps the loss at 16 and ends the gradient there. What is not in [0, 1] is refused where it may be looked at,
    else NaN. Soft targets are by expectation. For rows of a softmax, give each row's probability of its true class, with the
    target 1: a categorical loss depends on no other.

    Raises
    ------
    TypeError, ValueError
        Where an option, a parameter or a probability is of the wrong kind or out of range; the message names it.

    Examples
    --------
    >>> import numpy as np
    >>> import focal_ref as fr
    >>> loss = fr.ProbabilityLoss(fr.family.Focal(2.0), alpha=0.25)
    >>> value, grad, hess = loss.value_grad_hess(np.asarray([0.5, 1.0, 0.0]), np.asarray([1, 1, 1]))
    >>> grad.round(6)
    array([-0.298287, -0.      ,      -inf])
    """

    link = "probability"
    kernel: Kernel
    alpha: AlphaLike = None
    ignore_index: int | None = None
    label_smoothing: float = 0.0
    reduction: SigmoidReduction = "none"
    precision: Precision = "extended"

    soft_targets = "expected"

    def _seen(self, logits: Facts, targets: Any) -> tuple[Any, Seen]:
        targets, found = super()._seen(logits, targets)
        seen = arrays.values(logits.array)
        if seen is not None:
            arguments.refuse_where("probabilities", logits.array, seen, (seen < 0) | (seen > 1), _GIVEN)
        return targets, found._replace(looked=found.looked and seen is not None)

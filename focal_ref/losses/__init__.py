"""The losses that users hold: options checked once, then values and derivatives of any array.

Conventions
-----------
logits : floating-point array of any Array API library, any shape.
losses : one an element (sigmoid) or one a row (softmax: the logits' shape without `axis`).
results : the logits' type, device, shape and library. Derivatives are by the logits and have their shape.
``reduction="none"`` : a derivative is each loss's own. ``"mean"``, ``"sum"`` : it is the reduced value's.
weight : multiplies each loss; where it is 0, loss and derivatives are exactly 0, whatever the logits.
normalizer : divides the sum, in place of the count of losses (RetinaNet divides by the number of positives).
precision : ``"extended"`` evaluates in the next wider type and rounds once; ``"native"`` is faster, in the logits' type;
    ``"reference"`` evaluates in pairs of float64 and rounds once, within 0.501 ULP in every type, by NumPy, a hundred times
    as slowly: an oracle for large arrays.
infinite logits : give the limit. NaN gives NaN, in its element or row only.
"""

from __future__ import annotations

from .base import Loss
from .probability import ProbabilityLoss
from .sigmoid import SigmoidFocalLoss, SigmoidLoss, sigmoid_focal_loss
from .softmax import SoftmaxFocalLoss, SoftmaxLoss, softmax_focal_loss

__all__ = [
    "Loss",
    "ProbabilityLoss",
    "SigmoidFocalLoss",
    "SigmoidLoss",
    "SoftmaxFocalLoss",
    "SoftmaxLoss",
    "sigmoid_focal_loss",
    "softmax_focal_loss",
]

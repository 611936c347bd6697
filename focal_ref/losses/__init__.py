"""The losses that users hold, and their values as functions."""

from __future__ import annotations

from .base import SigmoidFocalLoss, SoftmaxFocalLoss
from .functions import sigmoid_focal_loss, softmax_focal_loss

__all__ = ["SigmoidFocalLoss", "SoftmaxFocalLoss", "sigmoid_focal_loss", "softmax_focal_loss"]

"""Focal loss for PyTorch: focal_ref's value, gradient and Hessian behind ordinary functions and modules.

Drop-in for the versions that are copied most: `FocalLoss` has the tutorial class's signature and values, `sigmoid_focal_loss`
torchvision's. First and second derivatives are analytic, on the tensors' own device, and finite wherever the exact ones are.

>>> import torch
>>> from focal_ref_torch import FocalLoss
>>> logits = torch.asarray([[2.0, 0.0, -1.0]], requires_grad=True)
>>> FocalLoss(gamma=0.5)(logits, torch.asarray([0])).backward()
>>> logits.grad
tensor([[-0.0225,  0.0165,  0.0061]])

Conventions: `focal_ref.losses` has them, for options, arguments, limits and what is refused; here ``precision="native"`` is the
default.
"""

from __future__ import annotations

from focal_ref import __version__

from . import family
from ._like import like
from .functional import sigmoid_focal_loss, softmax_focal_loss
from .modules import FocalLoss, SigmoidFocalLoss

__all__ = ["FocalLoss", "SigmoidFocalLoss", "__version__", "family", "like", "sigmoid_focal_loss", "softmax_focal_loss"]


def __dir__() -> list[str]:
    return sorted(__all__)

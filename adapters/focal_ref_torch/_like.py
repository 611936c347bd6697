"""Other libraries' losses as modules: one line to move over, the same numbers, focal_ref's derivatives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from focal_ref.conventions import profiles
from focal_ref.conventions.training import Framework, Like
from focal_ref.typing import Precision

from .functional import sigmoid_focal_loss, softmax_focal_loss

__all__ = ["LikeLoss", "like"]


def _cast(a: Any, like: torch.Tensor) -> torch.Tensor:
    return torch.as_tensor(a, dtype=like.dtype, device=like.device)


TORCH = Framework(
    torch,
    sigmoid_focal_loss,
    softmax_focal_loss,
    lambda x, axis: torch.log_softmax(x, axis),
    _cast,
    lambda x, count: torch.arange(count, device=x.device),
)


NOT_HERE = {
    "ignore_index": "FocalLoss and SigmoidFocalLoss have",
    "label_smoothing": "FocalLoss and SigmoidFocalLoss have",
    "axis": "FocalLoss has",
    "weight": "alpha weighs the classes",
    "pos_weight": "SigmoidFocalLoss has",
}
"""Options that people set on losses, and that another library's loss has not here; and what has them."""


class LikeLoss(torch.nn.Module):
    """Another library's focal loss; `like` makes them."""

    normalizer: torch.Tensor
    """Where the library divides by a running mean of the positives: that."""

    def __init__(self, found: Like) -> None:
        super().__init__()
        self.gamma, self.alpha, self.reduction = found.gamma, found.alpha, found.reduction
        self.precision = found.precision
        self._profile = found.profile
        if found.profile.running:
            self.register_buffer("normalizer", torch.tensor(found.profile.running[0]))

    def __setattr__(self, name: str, value: Any) -> None:
        """As for any module; an option that the loss hasn't is refused, since nothing would come of it."""
        if name in NOT_HERE:
            raise AttributeError(f"{name}: got {value!r}; expected nothing, since {self!r} has none: {NOT_HERE[name]}")
        super().__setattr__(name, value)

    if TYPE_CHECKING:

        def __call__(self, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
            """As `forward`; torch's own says Any."""
            ...

    def forward(self, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """The loss of logits and targets, in the shapes that the library takes."""
        found = Like(self._profile, self.gamma, self.alpha, self.reduction, self.precision)
        result: torch.Tensor = found(TORCH, inputs, targets, self._running if self._profile.running else None)
        return result

    def _running(self, positives: torch.Tensor) -> torch.Tensor:
        """The running mean that divides instead, moved on in training."""
        assert self._profile.running is not None
        if self.training:
            with torch.no_grad():
                self.normalizer.lerp_(positives.detach().to(self.normalizer.dtype), 1 - self._profile.running[1])
        return self.normalizer.clone()

    def extra_repr(self) -> str:
        """The library and the options."""
        profile = self._profile
        options = f"gamma={self.gamma!r}, alpha={self.alpha!r}, reduction={self.reduction!r}, precision={self.precision!r}"
        return f"{profile.name!r}, {profile.link!r}, {options}"


def like(
    name: str,
    link: str | None = None,
    *,
    gamma: Any = None,
    alpha: Any = None,
    reduction: str | None = None,
    precision: Precision = "native",
) -> LikeLoss:
    """Another library's focal loss, with its conventions and defaults, as a module.

    "detectron2" is RetinaNet's, divided by a running mean of the number of positives: a buffer, which training moves on.

    Parameters
    ----------
    name : str
        Of the library, one of `focal_ref.conventions.profiles.NAMES`.
    link : {"sigmoid", "softmax"}, optional
        None: the library's first.
    gamma : float or torch.Tensor, optional
        None: the library's default.
    alpha : float, sequence, "off" or None
        With the library's meaning; None: its default.
    reduction : {"none", "mean", "sum"}, optional
        With the library's divisors; None: its default.
    precision : {"native", "extended"}

    Returns
    -------
    torch.nn.Module
        Called with inputs and targets.

    Raises
    ------
    TypeError, ValueError
        Where the library has no such thing; the message names the argument.

    Examples
    --------
    >>> import torch
    >>> loss = like("kornia", "softmax", alpha=0.25, reduction="mean")
    >>> loss(torch.asarray([[2.0, 0.0, -1.0]]), torch.asarray([2]))
    tensor(0.2424)
    """
    return LikeLoss(Like.of(profiles.get(name, link), gamma, alpha, reduction, precision))

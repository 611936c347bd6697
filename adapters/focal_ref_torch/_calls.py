"""Calls: a loss's arguments, and the loss that its options make."""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache
from typing import Any, NamedTuple

import torch

from focal_ref import ProbabilityLoss, SigmoidFocalLoss, SigmoidLoss, SoftmaxFocalLoss, SoftmaxLoss
from focal_ref.engine.arrays import is_array
from focal_ref.engine.words import library
from focal_ref.losses.options import describe
from focal_ref.losses.sigmoid import PosWeightedFocalLoss

__all__ = ["MEMBERS", "Call", "Options", "are_tensors", "loss_of"]


def are_tensors(inputs: Any) -> None:
    """Whoever holds an array of another library is sent where it is at home, or told how it becomes a tensor."""
    if isinstance(inputs, torch.Tensor):
        return
    if is_array(inputs):
        cure = "torch.as_tensor(inputs), or focal_ref's own losses for other arrays"
    else:
        cure = "torch.tensor(inputs)" if isinstance(inputs, (list, tuple, int, float)) else ""
    raise TypeError(f"inputs: got {_of_library(inputs)}; expected a torch.Tensor of logits{cure and '; ' + cure}")


def _of_library(inputs: Any) -> str:
    return f"{describe(inputs)} of {library(inputs)}" if is_array(inputs) else describe(inputs)


class Call(NamedTuple):
    """A loss's arguments besides the logits: tensors, Python values or None."""

    targets: Any
    gamma: Any
    """None for another member of the family, which is among the options with its parameters."""
    alpha: Any
    weight: Any
    normalizer: Any
    pos_weight: Any = None

    def tensors(self) -> list[torch.Tensor]:
        """Those that are tensors."""
        return [a for a in self if isinstance(a, torch.Tensor)]


Options = tuple[tuple[str, Any], ...]
"""A loss's other options, as hashable pairs: a compiler can see through them.

"exempt" among them names the arguments whose wrong entries give NaN, and are not refused.
"""

MEMBERS: dict[str, Any] = {"sigmoid": SigmoidLoss, "softmax": SoftmaxLoss, "probability": ProbabilityLoss}
"""The losses that take any member, by their links."""


def loss_of(kind: str, options: Options, call: Call) -> Any:
    """The loss of a call; the same object for the same numbers."""
    plain = type(call.gamma) in (int, float) and (call.alpha is None or type(call.alpha) in (int, float))
    if plain and call.pos_weight is None and not torch.compiler.is_compiling():
        types = tuple([type(value) for _, value in options])  # 1 and 1.0 are equal, and not both accepted
        with suppress(TypeError):  # what can't be hashed is refused below, by its name
            return _kept_loss(kind, options, Call(None, call.gamma, call.alpha, None, None), types)
    return _made_loss(kind, options, call)


def _made_loss(kind: str, options: Options, call: Call, _: tuple[type, ...] = ()) -> Any:
    named = {name: value for name, value in options if name != "exempt"}
    if call.gamma is None:
        kernel = named.pop("kernel")(**dict(named.pop("parameters")))
        return MEMBERS[kind](kernel, alpha=call.alpha, **named)
    make: Any = SigmoidFocalLoss if kind == "sigmoid" else SoftmaxFocalLoss
    if call.pos_weight is not None:
        make, named = PosWeightedFocalLoss, {**named, "pos_weight": call.pos_weight}
    loss: SigmoidFocalLoss | SoftmaxFocalLoss = make(gamma=call.gamma, alpha=call.alpha, **named)
    return loss


_kept_loss = lru_cache(256)(_made_loss)
"""A loss keeps what it has found out about kinds of arrays."""

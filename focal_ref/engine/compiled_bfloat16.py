"""torch's bfloat16 on the CPU as compiled loops read it: two bytes that NumPy has no type for."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import rooms
from .compiled_launch import run_compiled
from .compiled_layout import BFLOAT16
from .numpy_blocks import SUM
from .torch_tensors import Results, is_plain, is_watched, view

__all__ = ["run_bfloat16"]


def run_bfloat16(
    program: Callable[..., tuple[Any, ...]],
    arguments: Sequence[Any],
    inputs: Sequence[str],
    outputs: Sequence[tuple[str, Any]],
) -> tuple[Any, ...] | None:
    """Run a program on bfloat16 tensors as one loop, which widens and rounds entry by entry.

    Parameters
    ----------
    program, arguments, inputs, outputs
        As for `focal_ref.engine.run.run`.

    Returns
    -------
    tuple of tensor, or None
        None where the logits are of another type, or somebody has to see torch's operations.
    """
    torch: Any = sys.modules["torch"]
    tensors = [a for a in arguments if isinstance(a, torch.Tensor)]
    if arguments[0].dtype != torch.bfloat16 or is_watched() or not all(map(is_plain, tensors)):
        return None
    if torch.is_grad_enabled() and any(t.requires_grad for t in tensors):
        return None
    given = [_as_array(torch, a, not i) if isinstance(a, torch.Tensor) else a for i, a in enumerate(arguments)]
    room = Results()
    with rooms.made_by(room.room):
        found = run_compiled(program, given, inputs, [(kind, _type(dtype)) for kind, dtype in outputs])
    if found is None:
        return None
    wide = [torch.float64 if kind == SUM else dtype for kind, dtype in outputs]
    return tuple(room.tensor(result, dtype) for result, dtype in zip(found, wide, strict=True))


def _as_array(torch: Any, tensor: Any, first: bool) -> Any:
    """A tensor's memory; a single number beside the logits in float32."""
    if tensor.dtype != torch.bfloat16 or (tensor.numel() == 1 and not first):
        return view(tensor)
    return np.from_dlpack(tensor.detach().view(torch.int16)).view(BFLOAT16)


def _type(dtype: Any) -> np.dtype[Any]:
    name = str(dtype).removeprefix("torch.")
    return BFLOAT16 if name == "bfloat16" else np.dtype(name)

"""torch's tensors as NumPy sees them: when their memory may be looked at, and how that leaves them as they were.

Whatever records, counts or transforms torch's operations must see operations. What left for NumPy would be a constant in its
record: today's loss, for good.
"""

from __future__ import annotations

import ctypes
import math
import sys
from typing import Any

import numpy as np

__all__ = ["Results", "entries", "hindrance", "is_plain", "is_ragged", "is_recorded", "is_watched", "view"]

VIEWED = frozenset(
    (
        "bool",
        "int8",
        "int16",
        "int32",
        "int64",
        "uint8",
        "uint16",
        "uint32",
        "uint64",
        "float16",
        "bfloat16",
        "float32",
        "float64",
    )
)
"""Types whose entries NumPy can look at."""


def is_watched() -> bool:
    """Whether somebody sees torch's operations, not only their results: a compiler, a trace, a transform, a mode."""
    torch: Any = sys.modules["torch"]
    # Asked first: nothing below can itself be compiled.
    if torch.compiler.is_compiling():
        return True
    return (
        torch._C._functorch.peek_interpreter_stack() is not None
        or torch._C._get_tracing_state() is not None
        or torch._C._len_torch_dispatch_stack() > 0
        or (torch._C._len_torch_function_stack() > 0 and _is_overridden(torch))
    )


def _is_overridden(torch: Any) -> bool:
    """Whether a mode besides `torch.set_default_device`'s stands between functions and their caller."""
    device: Any = sys.modules["torch.utils._device"].DeviceContext
    return any(not isinstance(mode, device) for mode in torch.overrides._get_current_function_mode_stack())


def is_plain(tensor: Any) -> bool:
    """Whether a tensor is its own memory, on the CPU, and no batch of them that torch's older vmap has hidden in one."""
    torch: Any = sys.modules["torch"]
    return (
        type(tensor) in (torch.Tensor, torch.nn.Parameter)
        and tensor.device.type == "cpu"
        and tensor.layout == torch.strided
        and not tensor.is_nested
        and str(tensor.dtype).rpartition(".")[2] in VIEWED
        and not torch._C._functorch.is_legacy_batchedtensor(tensor)
    )


def is_recorded(tensor: Any) -> bool:
    """Whether operations on a tensor are recorded, to be differentiated."""
    return bool(tensor.requires_grad and sys.modules["torch"].is_grad_enabled())


def hindrance(tensor: Any) -> tuple[str, str] | None:
    """A tensor that formulas can't be run on, in words, and what is to be done about it; None where they can."""
    torch: Any = sys.modules["torch"]
    if type(tensor).__name__ == "MaskedTensor":
        return "a MaskedTensor", "its get_data(), with weight=mask"
    if tensor.is_quantized:
        return f"a quantized tensor ({tensor.dtype})", "dequantize() it"
    if tensor.is_nested and tensor.layout == torch.strided:
        return "a nested tensor in the strided layout", "nest it with layout=torch.jagged"
    if tensor.layout not in (torch.strided, torch.jagged):
        return f"a tensor in the layout {tensor.layout}", "to_dense()"
    if tensor.is_nested and tensor.lengths() is not None:
        return "a jagged tensor with holes", "make it contiguous()"
    return None


def is_ragged(tensor: Any, axis: int) -> bool:
    """Whether lengths along an axis of a nested tensor differ."""
    size = tensor.shape[axis]
    return bool(tensor.is_nested and not isinstance(size, int) and size.node.is_nested_int())


def entries(tensor: Any) -> Any:
    """How many a jagged tensor holds; its shape's product has a length in it that is no number."""
    return tensor.values().numel()


def view(tensor: Any) -> Any:
    """A plain tensor's memory as a NumPy array, without a copy; bfloat16, which NumPy has not, in float32.

    `Tensor.numpy` would leave the tensor's storage without the right to be resized, which FSDP takes for granted.
    """
    torch: Any = sys.modules["torch"]
    tensor = tensor.detach().resolve_neg()
    return np.from_dlpack(tensor.to(torch.float32) if tensor.dtype == torch.bfloat16 else tensor)


class Results:
    """NumPy's results as tensors: large ones were written into torch's memory (`rooms.made_by`), others are copied.

    NumPy's own memory can't become a storage that may be resized.
    """

    def __init__(self) -> None:
        self.made: list[Any] = []

    def room(self, shape: tuple[int, ...], strides: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
        """A new tensor's memory as an array; None for a type that torch has not."""
        torch: Any = sys.modules["torch"]
        own = getattr(torch, dtype.names[0] if dtype.names else dtype.name, None)
        if not isinstance(own, torch.dtype):
            return None
        steps = [stride // dtype.itemsize for stride in strides]
        self.made.append(torch.empty_strided(shape, steps, dtype=own, device="cpu"))
        memory = (ctypes.c_char * (math.prod(shape) * dtype.itemsize)).from_address(self.made[-1].data_ptr())
        return np.ndarray(shape, dtype, memory, 0, strides)  # type: ignore[arg-type]

    def tensor(self, result: Any, dtype: Any = None) -> Any:
        """A result, its axes in whatever order; of a type that NumPy has not, if that is said."""
        torch: Any = sys.modules["torch"]
        array = np.asarray(result)
        first = array.__array_interface__["data"][0]
        for own in self.made:
            if own.data_ptr() == first and own.nbytes == array.nbytes:
                steps = [stride // array.itemsize for stride in array.strides]
                # Anew, since a view of a tensor stays its view.
                return torch.empty(0, dtype=own.dtype, device="cpu").set_(own.untyped_storage(), 0, array.shape, steps)
        if array.dtype.names:
            return torch.from_numpy(array.view(np.int16)).view(dtype).clone()
        return torch.from_numpy(array).clone()

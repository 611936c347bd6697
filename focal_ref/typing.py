"""Types that the rest of the package speaks of."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Array",
    "Floats",
    "Labels",
    "Link",
    "Mask",
    "Namespace",
    "Numeric",
    "Precision",
    "Reduction",
    "SigmoidReduction",
    "SigmoidSoftTargets",
]

Namespace: TypeAlias = ModuleType
"""An Array API namespace, as `array_api_compat.array_namespace` returns it."""

Link: TypeAlias = Literal["sigmoid", "softmax"]
Precision: TypeAlias = Literal["extended", "native", "reference"]
Reduction: TypeAlias = Literal["none", "mean", "sum"]
SigmoidReduction: TypeAlias = Literal["none", "mean", "sum", "mean_positive"]
SigmoidSoftTargets: TypeAlias = Literal["mix", "expected", "quality"]


class Array(Protocol):
    """What the formulas need of an array; every Array API array has it."""

    @property
    def dtype(self) -> Any: ...
    @property
    def shape(self) -> Any: ...
    @property
    def ndim(self) -> int: ...
    def __getitem__(self, key: Any, /) -> Any: ...
    def __neg__(self) -> Any: ...
    def __add__(self, other: Any, /) -> Any: ...
    def __radd__(self, other: Any, /) -> Any: ...
    def __sub__(self, other: Any, /) -> Any: ...
    def __rsub__(self, other: Any, /) -> Any: ...
    def __mul__(self, other: Any, /) -> Any: ...
    def __rmul__(self, other: Any, /) -> Any: ...
    def __truediv__(self, other: Any, /) -> Any: ...
    def __pow__(self, other: Any, /) -> Any: ...
    def __eq__(self, other: object, /) -> Any: ...
    def __ne__(self, other: object, /) -> Any: ...
    def __lt__(self, other: Any, /) -> Any: ...
    def __le__(self, other: Any, /) -> Any: ...
    def __gt__(self, other: Any, /) -> Any: ...
    def __ge__(self, other: Any, /) -> Any: ...


Numeric: TypeAlias = Array | float
"""An array or a Python number that broadcasts against one."""

GammaLike: TypeAlias = float | Sequence[float] | Array
AlphaLike: TypeAlias = float | Sequence[float] | Array | None

Floats: TypeAlias = NDArray[np.float64]
"""What is measured with, outside the losses: NumPy's float64, whatever library the losses ran on."""
Mask: TypeAlias = NDArray[np.bool_]
Labels: TypeAlias = NDArray[np.int64]

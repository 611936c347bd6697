"""Types that the rest of the package speaks of."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any, Literal, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Array",
    "ArrayT",
    "Floats",
    "Labels",
    "Link",
    "Mask",
    "Namespace",
    "Numeric",
    "Precision",
    "Reduction",
    "Shaped",
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


class Shaped(Protocol):
    """What callers hold: an array of any library, whatever its stubs say of its operators."""

    @property
    def dtype(self) -> Any: ...
    @property
    def shape(self) -> Any: ...
    @property
    def ndim(self) -> int: ...


ArrayT = TypeVar("ArrayT", bound=Shaped)
"""The caller's own array type: results have it."""


class Array(Shaped, Protocol):
    """What the formulas need of an array; every Array API array has it."""

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

GammaLike: TypeAlias = float | Sequence[float] | Shaped
AlphaLike: TypeAlias = float | Sequence[float] | Shaped | None

Floats: TypeAlias = NDArray[np.float64]
"""What is measured with, outside the losses: NumPy's float64, whatever library the losses ran on."""
Mask: TypeAlias = NDArray[np.bool_]
Labels: TypeAlias = NDArray[np.int64]

"""Whose loss it is: a kernel's that is handed over, or focal loss's by its own name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..family.focal import Focal
from ..mathematics.kernel import Kernel
from ..typing import GammaLike
from .base import Loss
from .members import checked_kernel

__all__ = ["OfFocal", "OfKernel"]


class OfKernel(Loss):
    """A loss that is handed its kernel."""

    kernel: Kernel

    def __post_init__(self) -> None:
        self._set("kernel", checked_kernel(self.kernel))
        self._check()

    @property
    def _kernel(self) -> type[Kernel]:
        return type(self.kernel)

    def _parameters(self) -> Mapping[str, Any]:
        return self.kernel.values


class OfFocal(Loss):
    """Focal loss by its own name, with γ among its options."""

    _kernel = Focal
    gamma: GammaLike

    def __post_init__(self) -> None:
        self._set("gamma", checked_kernel(self.kernel).values["gamma"])
        self._check()

    @property
    def kernel(self) -> Focal:
        """Focal loss's kernel with this γ."""
        return Focal(self.gamma)

    def _parameters(self) -> Mapping[str, Any]:
        return {"gamma": self.gamma}

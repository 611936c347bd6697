"""The family: each member a file, found by being here."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

from ..mathematics.kernel import Kernel, Parameter, parameter
from ..mathematics.margin import Jet, Margin
from .asymmetric import Asymmetric
from .focal import Focal
from .inverse import Inverse
from .poly1 import Poly1
from .reduced import Reduced
from .star import Star

__all__ = [
    "KERNELS",
    "Asymmetric",
    "Focal",
    "Inverse",
    "Jet",
    "Kernel",
    "Margin",
    "Parameter",
    "Poly1",
    "Reduced",
    "Star",
    "parameter",
]

for _found in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_found.name}")

KERNELS: dict[str, type[Kernel]] = {
    kernel.name: kernel for kernel in Kernel.__subclasses__() if kernel.__module__.startswith(f"{__name__}.")
}
"""Every member that has a file here, by name."""


def _weighing() -> Any:
    """The members that are data: a floor above this one, so that they are imported when first named."""
    return importlib.import_module(f"{__name__.rpartition('.')[0]}.weighing")


def __getattr__(name: str) -> Any:
    if not name.startswith("_") and name in _weighing().__all__:
        return getattr(_weighing(), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, *_weighing().__all__])

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

_DATA = (
    "GradientSums",
    "Weighed",
    "asymmetric_weight",
    "cyclical_share",
    "distribution_rows",
    "equalized",
    "gaussian",
    "normalized",
    "one_against_rest",
    "reduced_like_smp",
    "running_normalizer",
    "sample_gamma",
    "varifocal",
)
"""Members that are data, which `focal_ref.weighing` has: a floor above this one, so that they are imported when first named."""


def __getattr__(name: str) -> Any:
    if name in _DATA:
        return getattr(importlib.import_module(f"{__name__.rpartition('.')[0]}.weighing"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, *_DATA])

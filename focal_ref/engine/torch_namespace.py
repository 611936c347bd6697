"""torch's namespace as the formulas are handed it: array-api-compat's, but for what some of torch's own machinery lacks."""

from __future__ import annotations

from array_api_compat.torch import *  # noqa: F403
from torch import cat as concat  # torch's older vmap (`torch.autograd.functional.…(vectorize=True)`) has no rule for its alias

del classes  # type: ignore[name-defined]  # noqa: F821 - it raises when it is asked for any attribute, as doctest does

__all__ = ["concat"]

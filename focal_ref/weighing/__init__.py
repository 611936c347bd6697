"""Weighing: members of the family that are data, a γ and a weight for each loss of plain focal loss.

Some losses of the field are focal loss with a γ, a weight or a target that depend on the label, on counts, on time, or on a
prediction that is not differentiated. These functions say which; `focal_ref.family` has them, too.
"""

from __future__ import annotations

from .detection import (
    GradientSums,
    Weighed,
    distribution_rows,
    equalized,
    gaussian,
    one_against_rest,
    running_normalizer,
    varifocal,
)
from .modulation import asymmetric_weight, cyclical_share, normalized, reduced_like_smp, sample_gamma

__all__ = [
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
]

"""Conformance: how far a focal loss is from the exact one, and whether that is within bounds.

`measure` runs this package's own loss on array libraries, `check` anybody's function. Every quantity (value, gradient, Hessian
diagonal) is measured on the logits of `focal_ref.grids` against `focal_ref.oracle`, and judged by the rule of
`focal_ref.conformance.contract`.

A result of another shape or type than is due counts as a failure of the library, and so does an exception.
"""

from __future__ import annotations

from ..libraries.frameworks import Framework
from .check_function import check
from .contract import DTYPES, LINKS, PRECISIONS, QUANTITIES, bound
from .measure_backends import at, measure, own_loss
from .objectives import check_objective, grad_hess_at
from .report import Report, Row, Verdict
from .showing import losses_of, odd_batches_of, value_grad_hess_at, written_by

__all__ = [
    "DTYPES",
    "LINKS",
    "PRECISIONS",
    "QUANTITIES",
    "Framework",
    "Report",
    "Row",
    "Verdict",
    "at",
    "bound",
    "check",
    "check_objective",
    "grad_hess_at",
    "losses_of",
    "measure",
    "odd_batches_of",
    "own_loss",
    "value_grad_hess_at",
    "written_by",
]

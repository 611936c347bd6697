"""Test vectors: inputs and correctly rounded results that any language can read, a JSON file for each link and type.

Every number is text: in hexadecimal as C's ``strtod`` reads it, rounded once from the exact result, and beside it that result
to 40 decimal digits. Groups name cases that stand together in one batch. A case's flags say what kind of bug it is there for.
The package has focal loss's files; `write` makes the same bytes again, and another member's, and `read` takes a file of any
version. The schema is in ``data/vectors/schema.json``.

>>> from focal_ref import vectors
>>> case = vectors.load("sigmoid", "float64").cases[0]
>>> case.logits, case.target, case.gamma, case.value, case.decimals["value"][:12]
(0.0, 1.0, 0.0, 0.6931471805599453, '0.6931471805')
"""

from __future__ import annotations

from ..conformance.contract import DTYPES, LINKS, QUANTITIES
from .files import text, write
from .judging import batch, bound, error
from .reading import VERSION, Case, Group, Vectors, load, name, read, schema

__all__ = [
    "DTYPES",
    "LINKS",
    "QUANTITIES",
    "VERSION",
    "Case",
    "Group",
    "Vectors",
    "batch",
    "bound",
    "error",
    "load",
    "name",
    "read",
    "schema",
    "text",
    "write",
]

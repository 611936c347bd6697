"""Test vectors: inputs and correctly rounded results that any language can read, a JSON file for each link and type.

Every number is text: in hexadecimal as C's ``strtod`` reads it, rounded once from the exact result, and beside it that result
to 40 decimal digits. A case's flags say what kind of bug it is there for. The package has the files; `write` makes the same
bytes again. The schema is in ``data/vectors/schema.json``.

>>> from focal_ref import vectors
>>> case = vectors.load("sigmoid", "float64").cases[0]
>>> case.logits, case.target, case.gamma, case.value, case.decimals["value"][:12]
(0.0, 1.0, 0.0, 0.6931471805599453, '0.6931471805')
"""

from __future__ import annotations

from .files import DTYPES, LINKS, QUANTITIES, VERSION, Case, Vectors, load, name, schema, text, write

__all__ = ["DTYPES", "LINKS", "QUANTITIES", "VERSION", "Case", "Vectors", "load", "name", "schema", "text", "write"]

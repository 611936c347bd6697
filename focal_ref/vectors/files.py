"""Files of test vectors: read, described and made anew."""

from __future__ import annotations

import functools
import importlib.resources
import itertools
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import mpmath

from .. import oracle
from ..conformance import ulp
from ..conformance.contract import DTYPES, LINKS, QUANTITIES
from ..losses import arguments
from . import cases as vector_cases
from .cases import IGNORE_INDEX, Inputs
from .flags import FLAGS

__all__ = ["DTYPES", "LINKS", "QUANTITIES", "VERSION", "Case", "Vectors", "load", "name", "schema", "text", "write"]

VERSION = 1
"""Of the format. A change of cases alone does not raise it."""
DIGITS = 40
SPARE = 20
"""Digits beyond, so that rounding to the type and to the decimals is decided."""


class Case(NamedTuple):
    """A case as Python has it: numbers as float, rows as tuples."""

    id: str
    flags: tuple[str, ...]
    logits: Any
    """A float (sigmoid), or a tuple of them (softmax)."""
    target: Any
    """A label, a class, or a tuple of probabilities."""
    gamma: float
    alpha: Any
    """None, a float, or a tuple with one a class."""
    soft_targets: str | None
    """The formula, where the target is soft."""
    value: float
    grad: Any
    hess: Any
    """The Hessian's diagonal. Like the gradient of the logits' form."""
    decimals: dict[str, Any]
    """The exact results to 40 digits, by quantity."""


class Vectors(NamedTuple):
    """A file."""

    link: str
    dtype: str
    version: int
    flags: dict[str, dict[str, str]]
    """Each flag's kind and description."""
    cases: tuple[Case, ...]


# ---- reading ----------------------------------------------------------------------------------------------------------------


@functools.cache
def load(link: str, dtype: str) -> Vectors:
    """The package's own vectors of a link and type.

    Parameters
    ----------
    link : {"sigmoid", "softmax"}
        The loss.
    dtype : {"float16", "bfloat16", "float32", "float64"}
        The type of its results.

    Raises
    ------
    ValueError
        Where there are none of that name.

    Examples
    --------
    >>> found = load("softmax", "bfloat16")
    >>> found.version, sum("tie" in case.flags for case in found.cases) > 10
    (1, True)
    """
    data = json.loads(_bundled(name(link, dtype)))
    cases = tuple(_read(case) for case in data["cases"])
    return Vectors(data["link"], data["dtype"], data["version"], data["flags"], cases)


def schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of the files."""
    result: dict[str, Any] = json.loads(_bundled("schema.json"))
    return result


def _bundled(file: str) -> str:
    return importlib.resources.files("focal_ref").joinpath("data", "vectors", file).read_text(encoding="ascii")


def _read(case: dict[str, Any]) -> Case:
    logits = _number(case["logit"] if "logit" in case else case["logits"])
    target, gamma, alpha = (_number(case[key]) for key in ("target", "gamma", "alpha"))
    value, grad, hess = (_number(case[q]["hex"]) for q in QUANTITIES)
    decimals = {q: case[q]["decimal"] for q in QUANTITIES}
    formula = case["soft_targets"]
    return Case(case["id"], tuple(case["flags"]), logits, target, gamma, alpha, formula, value, grad, hess, decimals)


def _number(value: Any) -> Any:
    """Text as a float, lists as tuples; a class and null as they are."""
    if isinstance(value, list):
        return tuple(map(_number, value))
    return float.fromhex(value) if isinstance(value, str) else value


# ---- writing ----------------------------------------------------------------------------------------------------------------


def name(link: str, dtype: str) -> str:
    """A file's name.

    Parameters
    ----------
    link : {"sigmoid", "softmax"}
        The loss.
    dtype : {"float16", "bfloat16", "float32", "float64"}
        The type of its results.

    Raises
    ------
    ValueError
        Where there is no such link or type.
    """
    arguments.choice("link", link, LINKS)
    arguments.choice("dtype", dtype, DTYPES)
    return f"{link}-{dtype}.json"


def write(directory: Path | str) -> list[Path]:
    """Make all the files, and the schema, in a directory, which is made too; the paths.

    Parameters
    ----------
    directory : path
        Where to; it is made where there is none.

    Raises
    ------
    OSError
        Where that cannot be.
    """
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    texts = {name(link, dtype): text(link, dtype) for link, dtype in itertools.product(LINKS, DTYPES)}
    texts["schema.json"] = _bundled("schema.json")
    for file, content in texts.items():
        (folder / file).write_bytes(content.encode("ascii"))
    return [folder / file for file in texts]


def text(link: str, dtype: str) -> str:
    """A file's content, made anew: JSON in ASCII, a case a line.

    Parameters
    ----------
    link : {"sigmoid", "softmax"}
        The loss.
    dtype : {"float16", "bfloat16", "float32", "float64"}
        The type of its results.
    """
    title, fmt = name(link, dtype).removesuffix(".json"), ulp.FORMATS[dtype]
    cases = (vector_cases.sigmoid if link == "sigmoid" else vector_cases.softmax)(dtype)
    lines = [
        _case(f"{title}-{i:03}", case, results, fmt) for i, (case, results) in enumerate(zip(cases, _exact(cases), strict=True))
    ]
    used = {flag for line in lines for flag in line["flags"]}
    head = {
        "$schema": "schema.json",
        "format": "focal_ref test vectors",
        "version": VERSION,
        "link": link,
        "dtype": dtype,
        **({"ignore_index": IGNORE_INDEX} if link == "softmax" else {}),
        "flags": {flag: {"kind": f.kind, "description": f.description} for flag, f in FLAGS.items() if flag in used},
    }
    body = ",\n".join(json.dumps(line, separators=(", ", ": ")) for line in lines)
    return json.dumps(head, indent=1)[:-2] + f',\n "cases": [\n{body}\n ]\n}}\n'


def _case(case_id: str, case: Inputs, exact: dict[str, Any], fmt: ulp.Format) -> dict[str, Any]:
    flat = [exact["value"], *_many(exact["grad"]), *_many(exact["hess"])]
    key = "logits" if isinstance(case.logits, tuple) else "logit"
    return {
        "id": case_id,
        "flags": [flag for flag, f in FLAGS.items() if f.holds(case, flat, fmt)],
        key: _hex(case.logits),
        "target": case.target if isinstance(case.target, int) else _hex(case.target),
        "gamma": _hex(case.gamma),
        "alpha": _hex(case.alpha),
        "soft_targets": case.soft_targets,
        **{q: {"hex": _hex(_rounded(exact[q], fmt)), "decimal": _decimal(exact[q])} for q in QUANTITIES},
    }


def _many(values: Any) -> list[Any]:
    return values if isinstance(values, list) else [values]


def _hex(value: Any) -> Any:
    """Text of a float, or of several; without the zeros at the end. None stays."""
    if isinstance(value, (tuple, list)):
        return [_hex(x) for x in value]
    return value if value is None else re.sub(r"\.?0*p", "p", value.hex())


def _rounded(value: Any, fmt: ulp.Format) -> Any:
    return [_rounded(v, fmt) for v in value] if isinstance(value, list) else ulp.nearest(value, fmt)


def _decimal(value: Any) -> Any:
    if isinstance(value, list):
        return [_decimal(v) for v in value]
    return str(mpmath.nstr(value, DIGITS)) if mpmath.isfinite(value) else str(float(value))


def _exact(cases: Sequence[Inputs]) -> list[dict[str, Any]]:
    """Results by the oracle; hard targets many at once, which python-flint makes faster."""
    found: list[Any] = [None] * len(cases)
    groups: dict[Any, list[int]] = {}
    for i, case in enumerate(cases):
        label = case.target if isinstance(case.logits, float) else None
        groups.setdefault((case.gamma, case.alpha, case.soft_targets or case.target == IGNORE_INDEX or None, label), []).append(
            i
        )
    for (gamma, alpha, apart, label), places in groups.items():
        logits: list[Any] = [cases[i].logits for i in places]
        targets = [cases[i].target for i in places]
        if apart:
            results = [_alone(cases[i]) for i in places]
        elif label is None:
            results = oracle.softmax_many(logits, targets, gamma, alpha, DIGITS + SPARE)
        else:
            results = oracle.sigmoid_many(logits, int(label), gamma, alpha, DIGITS + SPARE)
        for i, result in zip(places, results, strict=True):
            found[i] = {q: getattr(result, q) for q in QUANTITIES}
    return found


def _alone(case: Inputs) -> oracle.Result:
    if isinstance(case.logits, tuple):
        if case.target == IGNORE_INDEX:
            zero, zeros = mpmath.mpf(0), [mpmath.mpf(0)] * len(case.logits)
            return oracle.Result(zero, zeros, zeros, zero, zeros, zeros)
        return oracle.softmax(case.logits, case.target, case.gamma, case.alpha, DIGITS + SPARE)
    formula = case.soft_targets or ""
    return oracle.sigmoid(case.logits, case.target, case.gamma, case.alpha, DIGITS + SPARE, soft_targets=formula)

"""Reading files of test vectors, of every version that there was."""

from __future__ import annotations

import functools
import importlib.resources
import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from ..conformance.contract import DTYPES, LINKS, QUANTITIES
from ..losses import arguments
from .wide import laid_out

__all__ = ["VERSION", "Case", "Group", "Vectors", "bundled", "load", "name", "read", "schema"]

VERSION = 2
"""Of the format. A change of cases alone does not raise it."""
VERSIONS = (1, 2)
"""Those that are read."""


class Case(NamedTuple):
    """A case as Python has it: numbers as float, rows as tuples."""

    id: str
    flags: tuple[str, ...]
    logits: Any
    """A float (sigmoid), or a tuple of them (softmax)."""
    target: Any
    """A label, a class, a tuple of probabilities, or the number of what is ignored."""
    parameters: Mapping[str, float]
    """The kernel's: of focal loss, ``{"gamma": 2.0}``."""
    alpha: Any
    """None, a float, or a tuple with one a class."""
    weight: float | None
    """The example's own."""
    soft_targets: str | None
    """The formula, where the target is soft."""
    value: float
    grad: Any
    hess: Any
    """The Hessian's diagonal. Like the gradient of the logits' form."""
    decimals: Mapping[str, Any]
    """The exact results to 40 digits, by quantity."""
    terms: Mapping[str, Any]
    """By quantity, the sum of its terms' absolute values, where that is larger than the result's own."""
    slack: float
    """An error that is forgiven in any result: what subnormal numbers lose on the way."""

    @property
    def gamma(self) -> float:
        """The parameter that focal loss has."""
        return self.parameters["gamma"]


class Group(NamedTuple):
    """Cases as one batch: each result is its case's own, wherever it stands, and the batch's mean and sum are these."""

    id: str
    description: str
    cases: tuple[int, ...]
    """Places in the file's cases, in the order of the batch, the last axis fastest."""
    shape: tuple[int, ...]
    """Of the batch of losses."""
    axis: int | None
    """Where a row's classes are among the logits' axes; None of a sigmoid's."""
    kept: int
    """Losses that are not ignored: what the sum is divided by."""
    sum: float
    mean: float
    decimals: Mapping[str, str]


class Vectors(NamedTuple):
    """A file."""

    link: str
    dtype: str
    version: int
    flags: dict[str, dict[str, str]]
    """Each flag's kind and description."""
    cases: tuple[Case, ...]
    kernel: str = "focal"
    """The member of the family."""
    groups: tuple[Group, ...] = ()


def name(link: str, dtype: str, kernel: str = "focal") -> str:
    """A file's name.

    Parameters
    ----------
    link : {"sigmoid", "softmax"}
        The loss.
    dtype : {"float16", "bfloat16", "float32", "float64"}
        The type of its results.
    kernel : str
        Focal loss, or another member of the family, by its name.

    Returns
    -------
    str
        Without a directory.

    Raises
    ------
    ValueError
        Where there is no such link or type.

    Examples
    --------
    >>> name("sigmoid", "float64"), name("softmax", "float32", "poly1")
    ('sigmoid-float64.json', 'poly1-softmax-float32.json')
    """
    arguments.choice("link", link, LINKS)
    arguments.choice("dtype", dtype, DTYPES)
    return f"{link}-{dtype}.json" if kernel == "focal" else f"{kernel}-{link}-{dtype}.json"


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
    >>> found.version, sum("tie" in case.flags for case in found.cases) > 10, max(len(case.logits) for case in found.cases)
    (2, True, 1025)
    """
    return _vectors(json.loads(bundled(name(link, dtype))))


def read(path: Path | str) -> Vectors:
    """The vectors of a file, of this version of the format or an older one.

    Parameters
    ----------
    path : path or str
        The file.

    Returns
    -------
    Vectors
        Cases, groups and what the file says of itself.

    Raises
    ------
    OSError
        Where it cannot be read.
    ValueError
        Where it holds no test vectors, or those of a version to come.
    """
    data = json.loads(Path(path).read_text(encoding="ascii"))
    version = data.get("version") if isinstance(data, dict) and data.get("format") == "focal_ref test vectors" else None
    if version not in VERSIONS:
        what = "no test vectors" if version is None else f"version {version}"
        raise ValueError(f"path: got {str(path)!r}, {what}; expected test vectors of version {' or '.join(map(str, VERSIONS))}")
    return _vectors(data)


def schema(version: int = VERSION) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of the files.

    Parameters
    ----------
    version : int
        1 or 2, of the format.

    Returns
    -------
    dict
        As a reader of JSON gives it.

    Raises
    ------
    ValueError
        Where there is no such version.
    """
    if version not in VERSIONS:
        raise ValueError(f"version: got {version!r}; expected {' or '.join(map(str, VERSIONS))}")
    result: dict[str, Any] = json.loads(bundled("schema.json" if version == VERSION else f"schema-{version}.json"))
    return result


def bundled(file: str) -> str:
    """A text that the package has."""
    return importlib.resources.files("focal_ref").joinpath("data", "vectors", file).read_text(encoding="ascii")


# ---- from JSON --------------------------------------------------------------------------------------------------------------


def _vectors(data: dict[str, Any]) -> Vectors:
    cases, groups = tuple(map(_case, data["cases"])), tuple(map(_group, data.get("groups", ())))
    kernel = data.get("kernel", "focal")
    return Vectors(data["link"], data["dtype"], data["version"], data["flags"], cases, kernel, groups)


def _case(case: dict[str, Any]) -> Case:
    parameters = case["parameters"] if "parameters" in case else {"gamma": case["gamma"]}
    return Case(
        id=case["id"],
        flags=tuple(case["flags"]),
        logits=_number(case["logit"] if "logit" in case else case["logits"]),
        target=_number(case["target"]),
        parameters=MappingProxyType({key: _number(value) for key, value in parameters.items()}),
        alpha=_number(case["alpha"]),
        weight=_number(case.get("weight")),
        soft_targets=case["soft_targets"],
        **{q: _number(case[q]["hex"]) for q in QUANTITIES},
        decimals=MappingProxyType({q: laid_out(case[q]["decimal"]) for q in QUANTITIES}),
        terms=MappingProxyType({q: _number(case[q]["terms"]) for q in QUANTITIES if "terms" in case[q]}),
        slack=_number(case.get("slack", "0x0p+0")),
    )


def _group(group: dict[str, Any]) -> Group:
    return Group(
        id=group["id"],
        description=group["description"],
        cases=tuple(group["cases"]),
        shape=tuple(group["shape"]),
        axis=group["axis"],
        kept=group["count"],
        sum=_number(group["sum"]["hex"]),
        mean=_number(group["mean"]["hex"]),
        decimals=MappingProxyType({key: group[key]["decimal"] for key in ("sum", "mean")}),
    )


def _number(value: Any) -> Any:
    """Text as a float, lists as tuples; a class and null as they are."""
    value = laid_out(value)
    if isinstance(value, list):
        return tuple(map(_number, value))
    return float.fromhex(value) if isinstance(value, str) else value

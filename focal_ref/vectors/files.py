"""Files of test vectors, made anew: JSON in ASCII, a case or a batch a line."""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mpmath

from ..conformance import ulp
from ..conformance.contract import DTYPES, LINKS, QUANTITIES
from ..conformance.ulp import Format
from ..family import KERNELS
from ..losses import arguments
from . import cases as vector_cases
from .cases import IGNORE_INDEX, Inputs, margin
from .exact import DIGITS, distinct, results
from .flags import FLAGS
from .groups import batches, reduced
from .reading import VERSION, VERSIONS, bundled, name
from .wide import packed

__all__ = ["text", "write"]

UNITS = 4.0
"""Of the contract's, that subnormal numbers may lose on the way."""


def write(directory: Path | str, kernel: str = "focal") -> list[Path]:
    """Make all the files, and the schema, in a directory, which is made too; the paths.

    Parameters
    ----------
    directory : path
        Where to; it is made where there is none.
    kernel : str
        Focal loss, or another member of the family, by its name.

    Returns
    -------
    list of pathlib.Path
        All that were written.

    Raises
    ------
    OSError
        Where that cannot be.
    ValueError
        Where there is no such member.
    """
    arguments.choice("kernel", kernel, tuple(KERNELS))
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    texts = {name(link, dtype, kernel): text(link, dtype, kernel) for link, dtype in itertools.product(LINKS, DTYPES)}
    for version in VERSIONS:
        file = "schema.json" if version == VERSION else f"schema-{version}.json"
        texts[file] = bundled(file)
    for file, content in texts.items():
        (folder / file).write_bytes(content.encode("ascii"))
    return [folder / file for file in texts]


def text(link: str, dtype: str, kernel: str = "focal") -> str:
    """A file's content, made anew: JSON in ASCII, a case a line.

    Parameters
    ----------
    link : {"sigmoid", "softmax"}
        The loss.
    dtype : {"float16", "bfloat16", "float32", "float64"}
        The type of its results.
    kernel : str
        As for `write`.

    Returns
    -------
    str
        The same bytes on every machine.
    """
    arguments.choice("kernel", kernel, tuple(KERNELS))
    title, fmt = name(link, dtype, kernel).removesuffix(".json"), ulp.FORMATS[dtype]
    cases = (vector_cases.sigmoid if link == "sigmoid" else vector_cases.softmax)(dtype)
    if kernel != "focal":
        cases = vector_cases.of_kernel(cases, KERNELS[kernel].parameters, dtype)
    exact = results(cases, None if kernel == "focal" else KERNELS[kernel])
    lines = [_case(f"{title}-{i:03}", case, found, fmt) for i, (case, found) in enumerate(zip(cases, exact, strict=True))]
    used = {flag for line in lines for flag in line["flags"]}
    head = {
        "$schema": "schema.json",
        "format": "focal_ref test vectors",
        "version": VERSION,
        "kernel": kernel,
        "link": link,
        "dtype": dtype,
        "ignore_index": IGNORE_INDEX,
        "flags": {flag: {"kind": f.kind, "description": f.description} for flag, f in FLAGS.items() if flag in used},
    }
    groups = _groups(title, cases, exact, fmt) if kernel == "focal" else []
    body, batched = (",\n".join(json.dumps(line, separators=(", ", ": ")) for line in part) for part in (lines, groups))
    return json.dumps(head, indent=1)[:-2] + f',\n "cases": [\n{body}\n ],\n "groups": [\n{batched}\n ]\n}}\n'


def _case(case_id: str, case: Inputs, exact: dict[str, Any], fmt: Format) -> dict[str, Any]:
    flat = [exact["value"], *_many(exact["grad"]), *_many(exact["hess"])]
    key, slack = "logits" if isinstance(case.logits, tuple) else "logit", _slack(case, exact, fmt)
    return {
        "id": case_id,
        "flags": [flag for flag, f in FLAGS.items() if f.holds(case, flat, fmt)],
        key: _hex(case.logits),
        "target": case.target if isinstance(case.target, int) else _hex(case.target),
        "parameters": {name: _hex(value) for name, value in case.parameters.items()},
        "alpha": _hex(case.alpha),
        "weight": _hex(case.weight),
        "soft_targets": case.soft_targets,
        **({"slack": _hex(slack)} if slack else {}),
        **{q: _numbers(exact[q], exact.get(f"{q}_terms"), fmt) for q in QUANTITIES},
    }


def _groups(title: str, cases: Sequence[Inputs], exact: Sequence[dict[str, Any]], fmt: Format) -> list[dict[str, Any]]:
    found = []
    for i, batch in enumerate(batches(cases, exact)):
        count, total, mean = reduced(batch, cases, exact)
        head = {"id": f"{title}-batch-{i:02}", "description": batch.description, "shape": batch.shape, "axis": batch.axis}
        numbers = {"count": count, "sum": _numbers(total, None, fmt), "mean": _numbers(mean, None, fmt)}
        found.append({**head, **numbers, "cases": batch.cases})
    return found


# ---- numbers ----------------------------------------------------------------------------------------------------------------


def _many(values: Any) -> list[Any]:
    return values if isinstance(values, list) else [values]


def _numbers(exact: Any, terms: Any, fmt: Format) -> dict[str, Any]:
    """Exact results, rounded once and in decimals; and the sums of their terms where one is larger than its result."""
    found = {"hex": _hex(_each(lambda v: ulp.nearest(v, fmt), exact)), "decimal": _each(_decimal, exact)}
    if isinstance(exact, list):
        found["decimal"] = packed(found["decimal"])
    if terms is not None:
        sizes, own = _each(lambda v: _rounded_up(v, fmt), terms), _each(lambda v: _rounded_up(v, fmt), exact)
        if sizes != own:
            found["terms"] = _hex(sizes)
    return found


def _each(function: Any, values: Any) -> Any:
    if not isinstance(values, list):
        return function(values)
    known = {value._mpf_: function(value) for value in distinct(values)}
    return [known[value._mpf_] for value in values]


def _rounded_up(value: Any, fmt: Format) -> float:
    """A number's size, to eight bits and upwards, since no more is needed of a scale; NaN's is none."""
    size = abs(ulp.nearest(value, fmt))
    if not 0 < size < math.inf:
        return 0.0 if math.isnan(size) else size
    mantissa, exponent = math.frexp(size)
    return math.ldexp(math.ceil(mantissa * 256), exponent - 8)


def _hex(value: Any) -> Any:
    """Text of a float, or of several; without the zeros at the end. None stays."""
    if isinstance(value, (tuple, list)):
        return packed([_hex(x) for x in value])
    return value if value is None else re.sub(r"\.?0*p", "p", value.hex())


def _decimal(value: Any) -> str:
    return str(mpmath.nstr(value, DIGITS)) if mpmath.isfinite(value) else str(float(value))


def _slack(case: Inputs, exact: dict[str, Any], fmt: Format) -> float:
    """What the contract forgives where a result, or the probability that it is proportional to, is subnormal."""
    if case.left_out:
        return 0.0
    z = margin(case)
    nll = max(-z, 0.0) if math.isfinite(z) else 0.0
    if case.soft_targets:
        nll = max(map(abs, _many(case.logits if isinstance(case.logits, float) else list(case.logits))))
    sizes = [abs(v) for name in exact for v in distinct(_many(exact[name]))]
    small = any(0 < size < fmt.tiny for size in sizes) or nll > -math.log(fmt.tiny)
    gamma = max(case.parameters.values(), default=1.0)
    return fmt.smallest * 2.0 ** math.ceil(math.log2(UNITS * (1 + gamma) * (1 + gamma * min(nll, 750.0)))) if small else 0.0

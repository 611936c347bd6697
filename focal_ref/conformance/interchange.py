"""Verdicts for machines: JUnit XML, which every CI server reads, and SARIF, which code hosts show beside a change's lines."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any
from xml.etree import ElementTree

from ..libraries.backends import Status
from .contract import WORDS
from .grading import GRADES
from .reading import extent, short, title
from .rows import Finding, Row
from .text import numbers, reason

__all__ = ["junit", "sarif"]

LEVELS = {"training": "error", "breaks": "error", "digits": "warning", "edge": "note"}
"""SARIF's, of grades."""
SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
WRITTEN = {"γ": "gamma", "α": "alpha", "σ": "sigma", "ε": "epsilon", "ℓ": "nll", "−": "-", "π": "pi"}


def junit(
    name: str, rows: Sequence[Row], findings: Sequence[Finding], broken: Sequence[Status], *, measured: bool = True
) -> str:
    """A test for each row and each finding, an error for what is broken, and one where nothing was measured.

    Parameters
    ----------
    name : str
        What was measured.
    rows, findings, broken
        A report's.
    measured : bool
        Whether anything was.
    """
    suite = ElementTree.Element("testsuite", name=f"focal-ref check {_plain(name)}")
    for row in rows:
        what = f"{row.backend} {row.dtype} {row.precision} {WORDS[row.quantity]}, gamma {row.gamma:g}"
        case = _case(suite, f"{name}.{row.link}", what)
        if not row.passed:
            worst = f"{row.where or 'at the worst input'}: {numbers(row.got, row.exact)}"
            _told(case, "failure", reason(row), [worst, row.worst])
    for finding in findings:
        told = [
            GRADES.get(finding.grade, finding.grade),
            extent(finding),
            finding.known,
            finding.cure,
            short(finding),
            finding.line,
        ]
        _told(_case(suite, f"{name}.findings", title(finding)), "failure", title(finding), [text for text in told if text])
    for status in broken:
        _told(_case(suite, f"{name}.broken", status.name), "error", status.reason, [status.reason])
    if not measured and not broken:
        _told(_case(suite, name, "measured"), "error", "not measured", ["no case was asked for"])
    for key, kind in (("tests", "testcase"), ("failures", "testcase/failure"), ("errors", "testcase/error")):
        suite.set(key, str(len(suite.findall(kind))))
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def _case(suite: ElementTree.Element, kind: str, name: str) -> ElementTree.Element:
    return ElementTree.SubElement(suite, "testcase", classname=f"focal-ref.{_plain(kind)}", name=_plain(name))


def _told(case: ElementTree.Element, kind: str, message: str, lines: Sequence[str]) -> None:
    ElementTree.SubElement(case, kind, message=_plain(message)).text = _plain("\n".join(lines))


def _plain(text: str) -> str:
    """Without what XML cannot hold: control characters and lone surrogates."""
    return "".join(c for c in text if c == "\n" or unicodedata.category(c) not in ("Cc", "Cs", "Cn"))


# ---- SARIF ------------------------------------------------------------------------------------------------------------------


def sarif(name: str, findings: Sequence[Finding], broken: Sequence[Status], uri: str = "", line: int = 1) -> str:
    """A result for each finding, whose rule is its cause, and one for what could not be measured.

    Parameters
    ----------
    name : str
        The function's.
    findings, broken
        A verdict's.
    uri : str
        The function's file; "" leaves the place out.
    line : int
        Where the function begins.
    """
    place = {"physicalLocation": {"artifactLocation": {"uri": uri}, "region": {"startLine": line}}}
    found = [*_of_findings(name, findings), *_of_broken(name, broken)]
    rules = {result["ruleId"]: {"id": result["ruleId"], "shortDescription": {"text": text}} for result, text in found}
    results = [{**result, "locations": [place] if uri else []} for result, _ in found]
    driver = {"name": "focal-ref", "rules": list(rules.values())}
    log = {"version": "2.1.0", "$schema": SCHEMA, "runs": [{"tool": {"driver": driver}, "results": results}]}
    return json.dumps(log, indent=1, ensure_ascii=False) + "\n"


def _of_findings(name: str, findings: Sequence[Finding]) -> Iterator[tuple[dict[str, Any], str]]:
    """Each finding as a result, and what its rule is called."""
    for finding in findings:
        parts = (f"{name}: {title(finding)}", GRADES.get(finding.grade, finding.grade), extent(finding), finding.known)
        text = ". ".join(part for part in (*parts, finding.cure, short(finding)) if part)
        cause = finding.cause or f"{WORDS.get(finding.quantity, finding.quantity)}, {finding.kind}: no known cause"
        yield _result(cause, LEVELS.get(finding.grade, "warning"), text, f"{name}/{finding.quantity}", finding.line), cause


def _of_broken(name: str, broken: Sequence[Status]) -> Iterator[tuple[dict[str, Any], str]]:
    for status in broken:
        text = f"{name}: {status.name} could not be measured: {status.reason}"
        yield _result("not measured", "error", text, f"{name}/{status.name}", ""), "not measured"


def _result(cause: str, level: str, text: str, identity: str, repro: str) -> dict[str, Any]:
    rule = _slug(cause)
    return {
        "ruleId": rule,
        "level": level,
        "message": {"text": _plain(text)},
        "partialFingerprints": {"focalRef/v1": f"{identity}/{rule}"},
        "properties": {"repro": repro},
    }


def _slug(text: str) -> str:
    """A name of letters, digits and dashes."""
    for letter, word in WRITTEN.items():
        text = text.replace(letter, word)
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:80]

"""Verdicts for machines: JUnit XML and SARIF hold every failure, and the command and the page's step of CI write them."""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from focal_ref.commands import main as cli
from focal_ref.conformance import Verdict, check, measure
from focal_ref.libraries.backends import Status
from tests.conformance import planted

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def verdict() -> Verdict:
    """Of a loss with several faults."""
    return check(planted.one_minus_exp, dtypes=["float32"], gammas=[0.5, 2.0])


def _suite(text: str) -> ElementTree.Element:
    root = ElementTree.fromstring(text)
    (suite,) = root
    assert (root.tag, suite.tag) == ("testsuites", "testsuite")
    for key, kind in (("tests", "testcase"), ("failures", "testcase/failure"), ("errors", "testcase/error")):
        assert int(suite.get(key, "-1")) == len(suite.findall(kind))
    return suite


# ---- JUnit ------------------------------------------------------------------------------------------------------------------


def test_junit_has_a_test_for_each_measurement_and_each_finding(verdict: Verdict) -> None:
    """Those that fail say why, with the input, what came, what is due, and the line to paste."""
    suite = _suite(verdict.to_junit())
    cases = suite.findall("testcase")
    assert len(cases) == len(verdict.rows) + len(verdict.findings)
    failed = [case.find("failure") for case in cases if case.find("failure") is not None]
    assert len(failed) == sum(not row.passed for row in verdict.rows) + len(verdict.findings)
    texts = "\n".join(failure.text or "" for failure in failed if failure is not None)
    for finding in verdict.findings:
        assert finding.line in texts
        assert finding.cure in texts
        assert any(
            (finding.cause or "no known cause") in str(failure.get("message")) for failure in failed if failure is not None
        )
    assert len({(case.get("classname"), case.get("name")) for case in cases}) == len(cases)


def test_junit_of_what_passes_has_no_failure() -> None:
    """This package's own loss; a report of backends as well."""
    report = measure(["numpy"], ["sigmoid"], ["float32"], [2.0])
    suite = _suite(report.to_junit())
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("6", "0", "0")


def test_junit_of_what_could_not_be_measured_is_an_error(verdict: Verdict) -> None:
    """Broken types, and nothing at all: never a suite without tests, which CI takes for success."""
    nothing = dataclasses.replace(verdict, rows=(), findings=())
    assert _suite(nothing.to_junit()).get("errors") == "1"
    broken = dataclasses.replace(nothing, broken=(Status("float32", "broken", "MemoryError: no room"),))
    (error,) = _suite(broken.to_junit()).findall("testcase/error")
    assert error.get("message") == "MemoryError: no room"


def test_what_xml_cannot_hold_is_left_out(verdict: Verdict) -> None:
    """Terminal escapes, NUL and half a letter, out of an exception's text; < and & are kept."""
    status = Status("float32", "broken", "\x1b[31mred\x00 <b> & \ud800 é")
    (error,) = _suite(dataclasses.replace(verdict, broken=(status,)).to_junit()).findall("testcase/error")
    assert error.text == "[31mred <b> &  é"


# ---- SARIF ------------------------------------------------------------------------------------------------------------------


def test_sarif_has_a_result_for_each_finding(verdict: Verdict) -> None:
    """Version 2.1.0's form: a rule for each cause, a level by the grade, the place, and what tells two results apart."""
    data = json.loads(verdict.to_sarif("src/losses.py", 7))
    (run,) = data["runs"]
    assert (data["version"], run["tool"]["driver"]["name"]) == ("2.1.0", "focal-ref")
    rules = {rule["id"] for rule in run["tool"]["driver"]["rules"]}
    assert len(run["results"]) == len(verdict.findings)
    for result, finding in zip(run["results"], verdict.findings, strict=True):
        assert result["ruleId"] in rules
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", result["ruleId"])
        assert result["level"] == {"training": "error", "breaks": "error", "digits": "warning", "edge": "note"}[finding.grade]
        assert finding.cure in result["message"]["text"]
        assert result["properties"]["repro"] == finding.line
        (place,) = result["locations"]
        assert place["physicalLocation"] == {"artifactLocation": {"uri": "src/losses.py"}, "region": {"startLine": 7}}
    prints = [result["partialFingerprints"]["focalRef/v1"] for result in run["results"]]
    assert len(set(prints)) == len(prints)
    assert rules == {result["ruleId"] for result in run["results"]}


def test_sarif_tells_what_could_not_be_measured(verdict: Verdict) -> None:
    """As an error; without a file there is no place."""
    broken = dataclasses.replace(verdict, findings=(), broken=(Status("float32", "broken", "no room"),))
    (result,) = json.loads(broken.to_sarif())["runs"][0]["results"]
    assert (result["ruleId"], result["level"], result["locations"]) == ("not-measured", "error", [])
    assert "no room" in result["message"]["text"]


# ---- the command ------------------------------------------------------------------------------------------------------------

FILE = """
import numpy as np


def textbook(x, y, gamma):
    p = 1 / (1 + np.exp(-np.where(y == 1, x, -x)))
    return -((1 - p) ** gamma) * np.log(p)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current directory, a checkout with a loss in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "losses.py").write_text(FILE, encoding="utf-8")
    yield tmp_path
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


def test_the_command_writes_both(folder: Path, capsys: Any) -> None:
    """Beside what it prints, with the function's place in the checkout; the status is the verdict's."""
    words = ["check", "src/losses.py:textbook", "--gamma", "2", "--dtype", "float32", "--junit", "a.xml", "--sarif", "a.sarif"]
    assert cli.main(words) == 1
    assert "FAILED: textbook" in capsys.readouterr().out
    assert int(_suite((folder / "a.xml").read_text(encoding="utf-8")).get("failures", "0")) > 0
    (place,) = json.loads((folder / "a.sarif").read_text(encoding="utf-8"))["runs"][0]["results"][0]["locations"]
    assert place["physicalLocation"] == {"artifactLocation": {"uri": "src/losses.py"}, "region": {"startLine": 5}}


def test_backends_are_written_as_junit_too(folder: Path, capsys: Any) -> None:
    """`focal-ref check` without a function."""
    assert cli.main(["check", "--backend", "numpy", "--link", "sigmoid", "--gamma", "2", "--junit", "b.xml"]) == 0
    suite = _suite((folder / "b.xml").read_text(encoding="utf-8"))
    assert (suite.get("name"), suite.get("failures")) == ("focal-ref check focal_ref", "0")


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("src/losses.py:textbook --junit nowhere/a.xml", "argument --junit: got nowhere/a.xml; expected a file to write to"),
        ("src/losses.py:textbook --sarif nowhere/a", "argument --sarif: got nowhere/a; expected a file to write to"),
        ("--backend numpy --sarif a", "argument --sarif: got a without a function; expected both or neither"),
        ("--exhaustive float16 --junit a", "argument --junit: got a with --exhaustive; expected one of the two"),
    ],
)
def test_what_cannot_be_written_is_refused_in_one_line(folder: Path, capsys: Any, words: str, named: str) -> None:
    """Status 2, with the option's name."""
    limits = [] if "exhaustive" in words else ["--gamma", "2", "--dtype", "float32"]
    with pytest.raises(SystemExit) as ended:
        cli.main(["check", *words.split(), *limits])
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith(f"focal-ref check: {named}")


# ---- the page's step --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_page_s_github_action_runs(folder: Path, capsys: Any) -> None:
    """docs/conformance.md's workflow is YAML whose check, run here, fails on a wrong loss and leaves what later steps take."""
    page = (ROOT / "docs" / "conformance.md").read_text(encoding="utf-8")
    found = re.search(r"<!-- action -->\n```yaml\n(.*?)\n```", page, re.DOTALL)
    assert found is not None
    workflow = yaml.safe_load(found[1])
    (job,) = workflow["jobs"].values()
    runs = [step["run"] for step in job["steps"] if "run" in step]
    (line,) = [run for run in runs if run.startswith("focal-ref ")]
    assert cli.main(shlex.split(line)[1:]) == 1
    kept = [step["with"] for step in job["steps"] if "if" in step]
    files = {value for given in kept for value in map(str, given.values()) if (folder / value).is_file()}
    assert files == {"focal.xml", "focal.sarif"}
    assert all(step["if"] == "always()" for step in job["steps"] if "if" in step)

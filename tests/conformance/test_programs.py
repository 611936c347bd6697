"""A program of any language is checked by lines of JSON: the ones in the docs pass, broken ones are told as what they do."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from focal_ref.commands import main as cli
from focal_ref.conformance import check
from focal_ref.conformance.programs import Program

DOCS = Path(__file__).parents[2] / "docs" / "programs"
MADE: dict[str, list[str]] = {"c": ["cc", "-O2"], "rs": ["rustc", "-O"]}
PYTHON = """
import json, math, sys
for line in sys.stdin:
    ask = json.loads(line)
    {body}
    print(json.dumps(answer), flush=True)
"""
FEW: dict[str, Any] = {
    "gammas": (2.0,),
    "dtypes": ("float32",),
    "framework": "numpy",
    "arguments": "logits, targets, gamma=gamma",
}


def _made(language: str, folder: Path) -> str:
    """The command that runs the docs' program of a language; compiled where that is to be."""
    source = DOCS / f"focal.{language}"
    if language == "js":
        return f"node {source}"
    made = folder / f"focal_{language}"
    libraries = ["-lm"] if language == "c" else []
    subprocess.run([*MADE[language], str(source), "-o", str(made), *libraries], check=True, capture_output=True, cwd=folder)
    return str(made)


def _here() -> list[str]:
    """The languages of the docs that can be run here."""
    needs = {"c": "cc", "rs": "rustc", "js": "node"}
    return [language for language, tool in needs.items() if shutil.which(tool)]


def test_some_language_is_here() -> None:
    """A compiler of C at least, as for the test vectors' program."""
    assert _here()


@pytest.mark.slow
@pytest.mark.parametrize("language", _here())
def test_the_programs_of_the_docs_pass(language: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With one command; value and gradient, infinities and NaN among them."""
    command = _made(language, tmp_path)
    run = ["check", "--command", command, "--gamma", "0.5,2", "--json"]
    assert cli.main(run) == 0
    found = json.loads(capsys.readouterr().out)
    assert {row["quantity"] for row in found["rows"]} == {"value", "grad"}


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("node"), reason="softmax is in the JavaScript program only")
def test_rows_are_asked_for_one_after_the_other() -> None:
    """Softmax."""
    program = Program(f"node {DOCS / 'focal.js'}")
    assert program.gives("softmax") == ("value",)
    verdict = check(program, link="softmax", derivative=None, targets="index", classes=(3,), **FEW)
    assert verdict.passed, str(verdict)
    program.close()


BODIES = {
    "wrong": ("answer = {'id': ask['id'], 'value': [-x if isinstance(x, float) else 0 for x in ask['logits']]}", False),
    "another id": ("answer = {'id': 0, 'value': [0.0] * ask['n']}", "the answer's id is 0"),
    "too few": ("answer = {'id': ask['id'], 'value': [0.0]}", "got 1 numbers; expected"),
    "no list": ("answer = {'id': ask['id'], 'value': 'all'}", "expected a list"),
    "words": ("answer = {'id': ask['id'], 'value': ['zero'] * ask['n']}", "expected numbers"),
    "an error": ("answer = {'id': ask['id'], 'error': 'no such loss'}", "the program says: no such loss"),
    "ends": ("sys.exit(3)", "ended without an answer, with status 3"),
    "no object": ("answer = [1, 2]; print('{]', flush=True)", "JSONDecodeError"),
    "sleeps": ("import time; time.sleep(60)", "no answer within"),
}


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n == "sleeps" else n for n in BODIES])
def test_a_broken_program_is_told_as_what_it_does(name: str, tmp_path: Path) -> None:
    """And never passes."""
    body, words = BODIES[name]
    file = tmp_path / "program.py"
    file.write_text(PYTHON.format(body=body), encoding="utf-8")
    program = Program([sys.executable, str(file)], seconds=0.2 if name == "sleeps" else 60.0)
    verdict = check(program, derivative=None, targets="index", **FEW)
    assert not verdict.passed
    if words:
        assert words in " ".join(status.reason for status in verdict.broken)
    program.close()


def test_what_a_program_prints_goes_to_standard_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Only lines that begin with a brace are answers; numbers that are none come as words."""
    file = tmp_path / "program.py"
    body = "print('\\x1b[31mhello'); answer = {'id': ask['id'], 'value': ['nan', 'inf', '-Inf']}"
    file.write_text(PYTHON.format(body=body), encoding="utf-8")
    program = Program([sys.executable, str(file)])
    found = program(np.asarray([np.nan, np.inf, 0.0]), np.asarray([0, 1, 1]), 2.0)
    program.close()
    assert np.isnan(found[0])
    assert found.tolist()[1:] == [np.inf, -np.inf]
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "hello\n")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--command", ""], "argument --command: got ; expected a program"),
        (["--command", "cat", "losses.py:focal"], "argument --command: got cat; expected one of the two"),
    ],
)
def test_a_wrong_command_line_is_refused(arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Status 2, one line."""
    with pytest.raises(SystemExit) as ended:
        cli.main(["check", *arguments])
    assert ended.value.code == 2
    assert named in capsys.readouterr().err


def test_a_program_that_is_not_there_is_not_measured(capsys: pytest.CaptureFixture[str]) -> None:
    """Status 2."""
    assert cli.main(["check", "--command", "./no-such-program", "--gamma", "2"]) == 2
    assert "cannot be started" in capsys.readouterr().out

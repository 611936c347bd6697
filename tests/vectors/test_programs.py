"""Programs in C, JavaScript and Rust: each reads the vectors, finds its own loss right, and a spoilt one wrong."""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from focal_ref import vectors
from tests.vectors.where import DATA, ROOT


class Language(NamedTuple):
    """How a program is built and run."""

    file: str
    tool: str
    build: Callable[[str, str], list[str] | None]
    """From the tool and the program's name the command that builds it; None where nothing is built."""
    run: Callable[[str], list[str]]


STRICT = ["-std=c99", "-O2", "-Wall", "-Wextra", "-Werror"]
LANGUAGES = {
    "C": Language("check_vectors.c", "cc", lambda cc, name: [cc, *STRICT, name, "-lm", "-o", "check"], lambda _: ["./check"]),
    "Rust": Language(
        "check_vectors.rs", "rustc", lambda rustc, name: [rustc, "-D", "warnings", name, "-o", "check"], lambda _: ["./check"]
    ),
    "JavaScript": Language("check_vectors.mjs", "node", lambda node, name: None, lambda node: [node, "check_vectors.mjs"]),
}
FILES = [str(DATA / f"{link}-float64.json") for link in vectors.LINKS]


def _tool(name: str) -> str | None:
    """A compiler, in the path or where Rust's own installer puts it."""
    return shutil.which(name) or shutil.which(name, path=str(Path.home() / ".cargo" / "bin"))


here = [
    pytest.param(name, marks=pytest.mark.skipif(_tool(language.tool) is None, reason=f"no {language.tool} here"))
    for name, language in LANGUAGES.items()
]


@functools.cache
def _source(name: str) -> str:
    return (ROOT / "docs" / LANGUAGES[name].file).read_text(encoding="utf-8")


@functools.cache
def _built(folder: Path, name: str, source: str) -> list[str]:
    """The command that runs a program, which is built once."""
    language, place = LANGUAGES[name], folder / str(abs(hash(source)))
    tool = _tool(language.tool)
    assert tool is not None
    place.mkdir()
    (place / language.file).write_text(source, encoding="utf-8")
    build = language.build(tool, language.file)
    if build is not None:
        subprocess.run(build, cwd=place, check=True)
    return [str(place / part) if (place / part).exists() else part for part in language.run(tool)]


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where they are built."""
    return tmp_path_factory.mktemp("programs")


def _run(folder: Path, name: str, source: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*_built(folder, name, source), *arguments], capture_output=True, text=True, check=False)


@pytest.mark.compiles
@pytest.mark.parametrize("name", here)
def test_a_program_reads_and_checks_them(name: str, programs: Path) -> None:
    """Every hard case of both links' float64: the values, gradients and Hessians of its own loss are right."""
    done = _run(programs, name, _source(name), *FILES)
    lines = []
    for link, path in zip(vectors.LINKS, FILES, strict=True):
        found = vectors.load(link, "float64")
        soft = sum(case.soft_targets is not None for case in found.cases)
        batches = f" and {len(found.groups)} batches" if name == "JavaScript" else ""
        lines.append(f"{path}: {len(found.cases) - soft} cases{batches} checked, 0 wrong; {soft} with soft targets left out\n")
    assert done.stdout == "".join(lines)
    assert done.returncode == 0
    page = (ROOT / "docs" / "vectors.md").read_text(encoding="utf-8")
    assert done.stdout.replace(f"{DATA}/", "vectors/") in page


MUTANTS = {
    ("C", "log(1 + e)"): ("log1p(e)", "log(1 + e)"),
    ("C", "1 - p"): ("focal(e[target] / all, others / all,", "focal(e[target] / all, 1 - e[target] / all,"),
    ("C", "sign"): ("out[1] *= sign;", "out[1] *= 1;"),
    ("C", "alpha swapped"): ("y == 1 ? alpha[0] : 1 - alpha[0]", "y == 0 ? alpha[0] : 1 - alpha[0]"),
    ("C", "no NaN"): ("if (isnan(x)) out[0] = out[1] = out[2] = NAN;", "if (isnan(x)) out[0] = out[1] = out[2] = 0;"),
    ("C", "no limit"): ("pull = p > 0 ? p * nll : 0", "pull = p * nll"),
    ("C", "the Hessian alone"): ("* (1 + 2 * gamma) * u", "* (1 + gamma) * u"),
    ("C", "a plain sum"): ("others += carried;", ""),
    ("C", "a row's Hessian"): ("out[2] * q * q - out[1] * q * rest", "out[2] * q * q"),
    ("JavaScript", "the last class"): ("e.filter((_, j) => j !== target)", "e.slice(0, -1).filter((_, j) => j !== target)"),
    ("JavaScript", "out of step in a batch"): (
        "sigmoid(row[0], targets[i], gamma)",
        "sigmoid(row[0], targets[i < 128 ? i : 0], gamma)",
    ),
    ("JavaScript", "a mean over all"): (
        "results.map((result) => result.value)) / count",
        "results.map((result) => result.value)) / rows.length",
    ),
    ("Rust", "the Hessian alone"): ("(1.0 + 2.0 * gamma)", "(1.0 + gamma)"),
    ("Rust", "an index of 8 bits"): (
        "softmax(&logits, target.parse().unwrap(), gamma)",
        "softmax(&logits, target.parse::<usize>().unwrap() & 255, gamma)",
    ),
}


@pytest.mark.compiles
@pytest.mark.parametrize(
    ("name", "mutant"), [pytest.param(*key, marks=here[list(LANGUAGES).index(key[0])].marks) for key in MUTANTS]
)
def test_a_program_reports_a_wrong_loss(name: str, mutant: str, programs: Path) -> None:
    """With one mistake in its loss it names cases, and its exit status is 1."""
    old, new = MUTANTS[name, mutant]
    assert _source(name).count(old) == 1
    done = _run(programs, name, _source(name).replace(old, new), *FILES)
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(r"^(sigmoid|softmax)-float64-(\d{3}|batch-\d\d)\b.* ULP", done.stdout, re.MULTILINE)
    assert done.stdout.count(" 0 wrong;") < 2


@pytest.mark.compiles
@pytest.mark.parametrize("name", here)
def test_a_program_needs_vectors(name: str, programs: Path) -> None:
    """No file, one that is not there, or one without cases of float64 is no pass: status 2."""
    for arguments in ((), (str(programs / "none.json"),), (str(DATA / "schema.json"),), (str(DATA / "sigmoid-float32.json"),)):
        done = _run(programs, name, _source(name), *arguments)
        assert (done.returncode, done.stdout) == (2, ""), arguments
        assert len(done.stderr.splitlines()) == 1, done.stderr

"""The contributor's loop, `pytest` by itself, leaves out what is slow or compiles, and no room of the package."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from focal_ref.libraries import backends

ROOT = Path(__file__).resolve().parents[2]
ROOMS = sorted(path.parent.name for path in (ROOT / "focal_ref").glob("*/__init__.py"))
ADAPTERS = sorted(path.parent.name.removeprefix("focal_ref_") for path in (ROOT / "adapters").glob("*/__init__.py"))
FOLDERS = [*ROOMS, "adapters", *(f"adapters/{name}" for name in ADAPTERS), "house"]
OPTIONS: dict[str, list[str]] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pytest"][
    "ini_options"
]


@pytest.fixture(scope="module")
def loop(request: pytest.FixtureRequest) -> list[str]:
    """What `pytest` by itself collects from tests/; a run of everything has that already."""
    every = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("test_*.py")}
    if every <= {item.nodeid.partition("::")[0] for item in request.session.items}:
        return [
            item.nodeid for item in request.session.items if not {"slow", "compiles"} & {m.name for m in item.iter_markers()}
        ]
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "tests"]
    alone = {name: value for name, value in os.environ.items() if name not in ("FOCAL_REF_BACKENDS", "PYTEST_ADDOPTS")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=alone)
    assert done.returncode == 0, done.stdout
    return [line for line in done.stdout.splitlines() if "::" in line]


@pytest.mark.slow
@pytest.mark.parametrize("folder", FOLDERS)
def test_every_room_is_touched(folder: str, loop: list[str]) -> None:
    """Each package of focal_ref, and each adapter, has a folder of tests, and some of them are neither slow nor compile."""
    assert any(line.startswith(f"tests/{folder}/") for line in loop)


def test_folders_are_rooms() -> None:
    """No folder of tests is named for a room that is not there."""
    found = {path.parent.relative_to(ROOT / "tests").as_posix() for path in (ROOT / "tests").rglob("test_*.py")}
    assert found == set(FOLDERS)


@pytest.mark.slow
def test_every_framework_is_touched(loop: list[str]) -> None:
    """The `backend` fixture stops at NumPy and array-api-strict; the smoke file has a call of each framework."""
    smoke = [line for line in loop if line.startswith("tests/libraries/test_smoke.py")]
    for name in {"torch", "jax", "jax-x64", "dask"} & set(backends.installed()):
        assert any(line.endswith(f"-{name}]") for line in smoke), name


def test_readme_and_ci_run_everything() -> None:
    """The loop's `-m` is overridden by an empty one wherever a run has to be whole."""
    assert OPTIONS["addopts"][-2:] == ["-m", "not slow and not compiles"]
    readme, ci = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", ".ci/run"))
    for line in [line for line in readme.splitlines() if "FOCAL_REF_BACKENDS=" in line] + re.findall(r"step .*pytest .*", ci):
        assert ' -m "" ' in line, line

"""Results have types: two checkers read one file in CI, and what they read runs."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tests.house import typed

ROOT = Path(__file__).resolve().parents[2]
FILE = "tests/house/typed.py"


@pytest.mark.slow
def test_what_the_checkers_read_runs() -> None:
    """NumPy, torch and JAX."""
    typed.everything()


def test_both_checkers_read_it_in_ci() -> None:
    """mypy and pyright (basedpyright brings its own Node)."""
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    assert FILE in tools["mypy"]["files"]
    assert tools["basedpyright"]["include"] == [FILE]
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert "together .venv/bin/mypy .venv/bin/basedpyright" in lines

"""`focal-ref check` says which engine NumPy arrays run on in this process."""

from __future__ import annotations

import json
from typing import Any

import pytest

import focal_ref as fr
from focal_ref.commands.main import main

CHECK = ["check", "--backend", "numpy", "--link", "sigmoid", "--dtype", "float16", "--gamma", "2", "--quiet"]


@pytest.mark.parametrize("name", ["numpy", "compiled"])
def test_check_says_the_engine(name: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Before the table, and in JSON."""
    if name == "compiled":
        pytest.importorskip("llvmlite", reason="compiled loops need llvmlite")
    with fr.set_engine(name):
        assert main(CHECK) == 0
        assert f"engine: {name}. NumPy arrays" in " ".join(capsys.readouterr().out.split())
        assert main([*CHECK, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["engine"] == name

"""Which engine computes: chosen by name, by the environment, or by what is installed; said in words where that fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import focal_ref as fr
from focal_ref.engine import choice

ROOT = Path(__file__).parents[2]
CALL = "import numpy as np, focal_ref as fr; print(fr.SigmoidFocalLoss()(np.zeros(3), 1)[0], fr.engine())"


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A program in a process of its own."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "adapters")])
    known = {**os.environ, "PYTHONPATH": paths} | environment
    return subprocess.run([sys.executable, "-c", code], env=known, capture_output=True, text=True, check=False)


def test_nothing_is_imported_to_choose() -> None:
    """Neither `import focal_ref` nor asking for the engine loads llvmlite or numba."""
    code = (
        "import sys, focal_ref as fr; fr.engine(); print([m for m in sys.modules if m.split('.')[0] in ('llvmlite', 'numba')])"
    )
    assert python(code).stdout.strip() == "[]"


@pytest.mark.parametrize("name", ["Compiled", "cuda", "", 1, True])
def test_a_wrong_name_is_refused(name: Any) -> None:
    """By the function, and from the environment where it is first needed."""
    with pytest.raises(ValueError, match=r"engine: got .*; expected one of 'auto', 'numpy', 'compiled'"):
        fr.set_engine(name)
    if isinstance(name, str) and name:
        made = python(CALL, FOCAL_REF_ENGINE=name)
        assert made.returncode
        assert f"ValueError: FOCAL_REF_ENGINE: got {name!r}; expected" in made.stderr


def test_the_setting_before_comes_back() -> None:
    """Nested, and when an error passes."""
    before = fr.engine()
    with fr.set_engine("numpy"):
        with pytest.raises(KeyError), fr.set_engine("auto"):
            raise KeyError
        assert fr.engine() == "numpy"
    assert fr.engine() == before


def test_without_llvmlite_numpy_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silently by default; asked for by name, in words."""
    monkeypatch.setattr(choice, "_installed", lambda: ())
    with fr.set_engine("auto"):
        assert fr.engine() == "numpy"
    with pytest.raises(RuntimeError, match=r"llvmlite is not installed; expected llvmlite 0\.45 or newer: pip install"):
        fr.set_engine("compiled")


def test_an_old_llvmlite_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A warning, then NumPy."""
    choice._warn_once.cache_clear()
    monkeypatch.setattr(choice, "_installed", lambda: (0, 43))
    with fr.set_engine("auto"):
        with pytest.warns(RuntimeWarning, match=r"llvmlite 0\.43 is too old"):
            assert fr.engine() == "numpy"
        assert fr.engine() == "numpy"


@pytest.mark.slow
def test_the_environment_chooses(tmp_path: Path) -> None:
    """Each engine, and the same value."""
    pytest.importorskip("llvmlite")
    for name in ("numpy", "compiled"):
        made = python(CALL, FOCAL_REF_ENGINE=name, FOCAL_REF_CACHE=str(tmp_path))
        assert made.stdout.split() == ["0.17328679513998632", name], made.stderr


@pytest.mark.slow
def test_a_cache_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    """A file in the folder's place, or no folder; where there is one it holds the loops, and a broken one is made anew."""
    pytest.importorskip("llvmlite")
    blocked = tmp_path / "file"
    blocked.write_text("")
    for folder in (str(blocked), "", str(tmp_path / "made")):
        assert python(CALL, FOCAL_REF_ENGINE="compiled", FOCAL_REF_CACHE=folder).stdout.split()[-1] == "compiled"
    kept = list((tmp_path / "made").iterdir())
    assert kept
    for path in kept:
        path.write_bytes(path.read_bytes()[:-5])
    made = python(CALL, FOCAL_REF_ENGINE="compiled", FOCAL_REF_CACHE=str(tmp_path / "made"))
    assert made.stdout.split() == ["0.17328679513998632", "compiled"], made.stderr

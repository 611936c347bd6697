"""The kit never falls over, and never passes by accident: whatever a function does, its verdict says what was not measured."""

from __future__ import annotations

import json
import math
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from focal_ref.commands import main as cli
from focal_ref.conformance import check, guard
from tests.conformance.planted import value
from tests.conformance.subtle import HOSTILE

FEW: dict[str, Any] = {"gammas": (2.0,), "dtypes": ("float32",)}


@pytest.mark.slow
@pytest.mark.parametrize("link", ["sigmoid", "softmax"])
@pytest.mark.parametrize("reduction", ["none", "mean"])
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_function_gets_a_verdict_and_never_passes(name: str, link: str, reduction: str, capsys: Any) -> None:
    """Exits, rude exceptions, prints, wrong shapes and types, infinite recursion: told in plain text, on standard error."""
    verdict = check(HOSTILE[name], link=link, classes=(3,), reduction=reduction, **FEW)
    assert not verdict.passed
    text = str(verdict)
    assert text.splitlines()[-1].startswith("FAILED" if verdict.measured else "NOT MEASURED: ")
    assert "0 measurements" not in text or verdict.findings
    assert not [c for c in text + json.dumps(verdict.to_dict()) if (ord(c) < 32 and c != "\n") or 127 <= ord(c) < 160]
    assert capsys.readouterr().out == ""


@pytest.mark.slow
def test_a_random_fault_never_ends_the_check() -> None:
    """A function that does something else at every call: raises, gives a wrong shape or type, NaN, or the right result."""
    for seed in range(12):
        rng = np.random.default_rng(seed)

        def any_of_them(x: Any, y: Any, gamma: float, rng: Any = rng) -> Any:
            choice = rng.integers(8)
            if choice == 0:
                raise [ValueError, MemoryError, SystemExit, GeneratorExit, StopIteration][rng.integers(5)]("now")
            return (x, x[:-1], np.full_like(x, np.nan), x.astype(complex), None, x[None], "x")[choice - 1]

        assert not check(any_of_them, **FEW).passed


class _Faulty:
    """A right loss that now and then does something else."""

    def __init__(self, seed: int, share: float, what: str) -> None:
        self.rng, self.share, self.what = np.random.default_rng(seed), share, what

    def __call__(self, x: Any, y: Any, gamma: float = 2.0) -> Any:
        loss = value(np.asarray(x), np.asarray(y), gamma)
        return self.fault(loss) if self.rng.random() < self.share else loss

    def fault(self, loss: Any) -> Any:
        print(self.what)
        if self.what == "raises":
            raise [ZeroDivisionError, MemoryError, SystemExit, GeneratorExit, RecursionError][self.rng.integers(5)]("now")
        if self.what == "exits":
            os._exit(0)
        if self.what == "sleeps":
            time.sleep(0.5)
        shapes = [loss[:-1], loss[None], loss[:, None], np.float32(1), np.zeros(0), np.repeat(loss, 2)]
        types = ["x", None, object(), [], {}, loss.astype(complex), loss.astype(object), iter(loss), True, np.array("a")]
        numbers = [loss * np.nan, -loss, loss + 1, np.where(loss > 1, np.inf, loss), loss * 0]
        several = {"shapes": shapes, "types": types, "numbers": numbers, "tuples": [(loss,), (loss, loss[:-1]), (None, loss)]}
        options: list[Any] = several.get(self.what, [loss])
        return options[self.rng.integers(len(options))]


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.1, 0.4, 1.0])
@pytest.mark.parametrize("what", ["raises", "exits", "sleeps", "shapes", "types", "numbers", "tuples"])
def test_faults_now_and_then_get_a_verdict_and_never_pass(what: str, share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exceptions, exits, sleeps beyond the limit, other shapes, types, numbers, several results: rarely, often, always."""
    monkeypatch.setattr(guard, "SECONDS", 0.1)
    for seed, link in enumerate(("sigmoid", "softmax")):
        verdict = check(_Faulty(seed, share, what), link=link, classes=(3,), framework="numpy", **FEW)
        assert not verdict.passed, str(verdict)
        json.dumps(verdict.to_dict())
        assert str(verdict)


@pytest.mark.slow
def test_a_call_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even where it catches every exception of its own."""
    monkeypatch.setattr(guard, "SECONDS", 0.2)

    def sleeps(x: Any, y: Any, gamma: float) -> Any:
        try:
            time.sleep(30)
        except Exception:
            return x
        return x

    verdict = check(sleeps, **FEW)
    assert not verdict.measured
    assert "TimeoutError: a call took more than 0.2 s" in str(verdict)


def test_nothing_measured_is_no_pass() -> None:
    """No γ, no type, no case."""
    for options in ({"gammas": ()}, {"dtypes": (), "gammas": ()}, {"largest": -1.0}):
        verdict = check(lambda x, y, gamma: x, **{**FEW, **options})
        assert not verdict.passed
        assert not verdict.measured
        assert str(verdict).splitlines()[-1].startswith("NOT MEASURED: ")


def test_an_interrupt_of_the_users_goes_through() -> None:
    """Ctrl-C ends the check."""

    def interrupted(x: Any, y: Any, gamma: float) -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check(interrupted, **FEW)


# ---- the command ------------------------------------------------------------------------------------------------------------

RIGHT = """
import numpy as np
def focal(x, y, gamma):
    z = np.where(y == 1, x, -x)
    e = np.exp(-np.abs(z))
    return (np.where(z > 0, e, 1) / (1 + e))**gamma * (np.maximum(-z, 0) + np.log1p(e))
"""
FILES = {
    "random.py": RIGHT,
    "a.b.py": RIGHT,
    "numpy_.py": RIGHT,
    "exits.py": "import sys\nsys.exit(0)",
    "leaves.py": "import os\nos._exit(0)",
    "exits_later.py": "def focal(x, y, gamma):\n    raise SystemExit(0)",
    "prints.py": RIGHT + "\nprint('{}')\nold = focal\ndef focal(x, y, gamma):\n    print('{}')\n    return old(x, y, gamma)",
    "rows.py": (
        "import numpy as np\n\ndef focal(x, y, gamma):\n"
        "    return -np.log(np.take_along_axis(np.exp(x) / np.exp(x).sum(-1, keepdims=True), y[:, None], -1)[:, 0])"
    ),
    "escapes.py": "def focal(x, y, gamma):\n    raise ValueError('\\x1b[2Jno')",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, with a file of each kind."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name, content in FILES.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    return tmp_path


RUN = ["--gamma", "2", "--dtype", "float32", "--framework", "numpy"]


@pytest.mark.parametrize("name", ["random.py", "a.b.py", "numpy_.py"])
def test_a_file_is_loaded_by_its_path(folder: Path, capsys: Any, name: str) -> None:
    """Whatever module has that name already."""
    assert cli.main(["check", f"{name}:focal", *RUN]) == 0, capsys.readouterr()
    assert hasattr(sys.modules["random"], "SystemRandom")


@pytest.mark.parametrize("name", ["exits.py", "leaves.py"])
def test_a_file_that_exits_while_it_is_loaded_is_status_two(folder: Path, capsys: Any, name: str) -> None:
    """One line, and no false pass."""
    with pytest.raises(SystemExit) as ended:
        cli.main(["check", f"{name}:focal", *RUN])
    assert ended.value.code == 2
    assert "SystemExit: it ends the program with status 0" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["exits_later.py", "escapes.py"])
def test_what_could_not_be_measured_is_status_two(folder: Path, capsys: Any, name: str) -> None:
    """And says so."""
    assert cli.main(["check", f"{name}:focal", *RUN]) == 2
    out = capsys.readouterr().out
    assert out.splitlines()[-1].startswith("NOT MEASURED: focal: gamma 2: ")
    assert "\x1b" not in out


def test_rows_have_an_option(folder: Path, capsys: Any) -> None:
    """A loss of rows is measured as softmax, and which option says so is told; sigmoid, where that is said, is not measured."""
    assert cli.main(["check", "rows.py:focal", *RUN]) == 1
    assert capsys.readouterr().out.startswith("softmax, since it takes rows of logits: --link softmax")
    assert cli.main(["check", "rows.py:focal", *RUN, "--link", "sigmoid"]) == 2
    capsys.readouterr()
    assert cli.main(["check", "rows.py:focal", *RUN, "--link", "softmax"]) == 1
    assert "--link" not in capsys.readouterr().err


def test_prints_do_not_spoil_json(folder: Path, capfd: Any) -> None:
    """They come on standard error."""
    assert cli.main(["check", "prints.py:focal", *RUN, "--json"]) == 0
    out, err = capfd.readouterr()
    assert json.loads(out)["passed"] is True
    assert "{}" in err


def test_an_exception_is_told_in_plain_text() -> None:
    """Without escapes, in one line of bounded length, and even where it has no words."""

    class Mute(Exception):
        def __str__(self) -> str:
            raise ValueError

    assert guard.told(Mute()) == "Mute: no message"
    assert guard.told(ValueError("\x1b]0;title\x07a\nb\x9b31mc")) == "ValueError: a bc"
    assert len(guard.told(ValueError("x" * 10**6))) < 400
    assert math.isfinite(guard.SECONDS)

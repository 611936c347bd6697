"""How a verdict reads: no line wider than the terminal, short on the screen, whole elsewhere; lines run when pasted."""

from __future__ import annotations

import dataclasses
import io
import itertools
import json
import math
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from focal_ref.commands import main as cli
from focal_ref.conformance import Report, Verdict, check, measure, picture, text
from focal_ref.conformance.grading import GRADES
from focal_ref.conformance.rows import Finding
from focal_ref.libraries.backends import Status
from tests.conformance import planted

WIDTHS = (60, 72, 80, 100)


@pytest.fixture(scope="module")
def textbook() -> Verdict:
    """Of a loss with several faults."""
    return check(planted.one_minus_exp, dtypes=["float32", "float64"], gammas=[0.5, 2.0])


def _worst(verdict: Verdict) -> Verdict:
    """The same, with words as long as they come: names, causes, places, numbers, a long list of γ, an unknown type."""
    long = "a cause that goes on and on, with_a_name_that_has_no_space_at_all_" * 3
    where = f"at logits [{', '.join(['-1.23456e-300'] * 9)}], target 9"
    extent = (10**7, ("float32", "float64"), tuple(np.arange(20.0)))
    findings = [
        Finding("hess", kind, cause, long, *extent, "x" * 400, "-0.0", "1.2345678901234567e-300", grade, long, where)
        for kind, cause, grade in itertools.product(("NaN", "zero", "inexact", "error"), (long, None), GRADES)
    ]
    counts = {"nan": 99999, "wrong_inf": 9999, "flushed": 10**7, "passed": False}
    rows = [
        dataclasses.replace(row, max_ulp=1.2345e299, p99_ulp=9.87e98, bound=bound, **counts)
        for row, bound in zip(verdict.rows, itertools.cycle((math.inf, 1500.25)))
    ]
    broken = (Status("float16", "broken", long),)
    return dataclasses.replace(
        verdict, name="a_long_name" * 9, rows=tuple(rows), findings=tuple(findings), remarks=(long,), broken=broken, called=long
    )


@pytest.mark.parametrize("width", WIDTHS)
def test_no_line_of_a_verdict_is_wider_than_the_terminal(textbook: Verdict, width: int) -> None:
    """Whatever is told; only a word that is wider by itself is cut, and the table has its header's columns."""
    for verdict in (textbook, _worst(textbook)):
        lines = [line.text for line in verdict.lines(width=width)]
        assert max(map(len, lines)) <= width
        header = next(line for line in lines if line.startswith("  type"))
        entries = [line for line in lines if line.startswith(("  float32", "  float64", "            value"))]
        assert len(entries) >= 2
        assert all(len(line.removesuffix("FAILS").rstrip()) == len(header) for line in entries), [header, *entries]
        assert ("bound" in header) == (width >= 80)


def test_the_width_is_the_terminal_s(textbook: Verdict, monkeypatch: pytest.MonkeyPatch) -> None:
    """COLUMNS, as shells and CI set it; between what can be read."""
    for columns, widest in (("60", 60), ("80", 80), ("400", 100), ("20", 60)):
        monkeypatch.setenv("COLUMNS", columns)
        assert widest - 25 < max(len(line.text) for line in _worst(textbook).lines()) <= widest


@pytest.mark.parametrize("width", WIDTHS)
def test_no_line_of_a_backends_report_is_wider_than_the_terminal(width: int) -> None:
    """The table of every backend, what is absent or broken, and failures."""
    report = measure(["numpy"], ["sigmoid"], ["float16", "bfloat16"], [2.0], ["extended"])
    rows = [dataclasses.replace(row, passed=False, max_ulp=1e9, nan=7, wrong_inf=3, flushed=2) for row in report.rows]
    status = Status("jax-x64", "broken", "ImportError: " + "a reason of many words " * 9)
    lines = [line.text for line in Report(tuple(rows), (status,), (status,)).lines(width=width)]
    assert max(map(len, lines)) <= width
    assert sum(line.endswith(" FAILS") for line in lines) == len(rows)
    assert not any("import" in line for line in lines if not line.startswith(("not here", "BROKEN")))


def test_a_finding_is_short_on_the_screen_and_whole_elsewhere(textbook: Verdict) -> None:
    """On the screen in words; the line of Python stands in the data, in Markdown, and in `repros`, in the screen's order."""
    first, data = textbook.findings[0], textbook.to_dict()
    text = " ".join(str(textbook).split())
    assert f"{first.where}: got " in text
    assert "import" not in text
    assert [finding["line"] for finding in data["findings"]] == list(textbook.repros)
    assert all(line in textbook.to_markdown() for line in textbook.repros)
    places = [text.index(f" {i}. ") for i in range(1, min(len(textbook.findings), 5) + 1)]
    assert places == sorted(places)
    assert len(data["rows"][0]["where"]) < 80


# ---- lines that run ---------------------------------------------------------------------------------------------------------

FILE = """
import numpy as np

def textbook(x, y, gamma):
    p = 1 / (1 + np.exp(-np.where(y == 1, x, -x)))
    return -((1 - p) ** gamma) * np.log(p)

def slope(x, y, gamma):
    return textbook(x, y, gamma) * 0

def neighbours(x, y, gamma):
    return textbook(x, y, gamma) + x.mean()

def reduced(x, y, gamma):
    p = 1 / (1 + np.exp(-np.where(y == 1, x, -x)))
    return (-((1 - p) ** gamma) * np.log(p)).sum() / (len(x) + 1)

def writing(x, y, gamma):
    x *= 0.5
    return textbook(2 * x, y, gamma)

def spreading(x, y, gamma):
    return textbook(x, y, gamma) + 0 * x.mean()

class Loss:
    def __init__(self, gamma=2.0):
        self.gamma = gamma

    def __call__(self, x, y):
        return textbook(x, y, self.gamma)

    def of(self, x, y, gamma):
        return textbook(x, y, gamma)

    @staticmethod
    def plain(x, y, gamma):
        return textbook(x, y, gamma)

loss = Loss()
unnamed = lambda x, y, gamma: textbook(x, y, gamma)
"""
PLACES = ["textbook", "Loss", "loss", "loss.of", "Loss.plain", "unnamed"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current directory, with a file of losses, one within a package, and one whose name is no module's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "of_theirs").mkdir()
    for path in ("losses_of_theirs.py", "of_theirs/__init__.py", "of_theirs/losses.py", "of theirs-2.py"):
        (tmp_path / path).write_text("" if path.endswith("__init__.py") else FILE, encoding="utf-8")
    yield tmp_path
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


def _asked(*words: str) -> tuple[int, str]:
    out = io.StringIO()
    with redirect_stdout(out):
        status = cli.main(["check", *words, "--dtype", "float32", "--gamma", "2"])
    return status, out.getvalue()


def _pasted(line: str) -> str:
    out = io.StringIO()
    with redirect_stdout(out):
        exec(line, {})
    return out.getvalue().strip()


@pytest.mark.slow
@pytest.mark.parametrize(
    "place",
    [
        *(f"losses_of_theirs.py:{name}" for name in PLACES),
        *(f"of_theirs.losses:{name}" for name in PLACES[:4]),
        "of_theirs/losses.py:Loss",
        "of theirs-2.py:textbook",
    ],
)
def test_a_pasted_line_prints_what_the_finding_says(folder: Path, place: str) -> None:
    """With nothing else known: functions, classes, objects, methods and lambdas, of a file or a module."""
    status, out = _asked(place, "--json")
    assert status == 1
    for finding in json.loads(out)["findings"][:2]:
        assert float(_pasted(finding["line"])) == float(finding["got"]), finding


@pytest.mark.slow
def test_repro_prints_the_numbered_line(folder: Path) -> None:
    """The same line as in the data, and status 1; a number that is none is refused."""
    lines = [finding["line"] for finding in json.loads(_asked("losses_of_theirs.py:loss", "--json")[1])["findings"]]
    for i, line in enumerate(lines, 1):
        assert _asked("losses_of_theirs.py:loss", "--repro", str(i)) == (1, f"{line}\n")


@pytest.mark.slow
def test_a_line_about_batches_or_a_derivative_runs_too(folder: Path) -> None:
    """What is called to show that neighbours matter, and a gradient by hand."""
    data = json.loads(_asked("losses_of_theirs.py:neighbours", "--json")[1])
    batches = [finding for finding in data["findings"] if finding["of_batch"]]
    assert batches
    assert "depends on the other examples" in _pasted(batches[0]["line"])
    place = "losses_of_theirs.py:{}"
    data = json.loads(_asked(place.format("textbook"), "--derivative", place.format("slope"), "--json")[1])
    slopes = [finding for finding in data["findings"] if finding["quantity"] == "grad"]
    assert float(_pasted(slopes[0]["line"])) == float(slopes[0]["got"])


@pytest.mark.slow
def test_a_line_about_a_mean_an_argument_or_a_nan_runs_too(folder: Path) -> None:
    """Each shows what its finding tells of."""
    data = json.loads(_asked("losses_of_theirs.py:reduced", "--reduction", "mean", "--json")[1])
    (mean,) = [finding for finding in data["findings"] if "losses_of(" in finding["line"]]
    assert float(_pasted(mean["line"])) == pytest.approx(float(mean["got"]), rel=1e-6)
    data = json.loads(_asked("losses_of_theirs.py:writing", "--json")[1])
    (written,) = [finding for finding in data["findings"] if "written_by(" in finding["line"]]
    assert _pasted(written["line"]) == "['logits']"
    data = json.loads(_asked("losses_of_theirs.py:spreading", "--json")[1])
    (spread,) = [finding for finding in data["findings"] if "NaN spreads" in finding["cause"]]
    assert _pasted(spread["line"]) == "[nan, nan]"


@pytest.mark.slow
def test_a_pasted_line_runs_in_a_fresh_python(folder: Path) -> None:
    """In a shell, where the file lies."""
    _, line = _asked("losses_of_theirs.py:Loss", "--repro", "1")
    done = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True, cwd=folder, check=True)
    assert math.isfinite(float(done.stdout)) or done.stdout.strip() in ("inf", "-inf", "nan")


# ---- the picture ------------------------------------------------------------------------------------------------------------


def _labels(axis: Any, renderer: Any) -> list[Any]:
    return [label.get_window_extent(renderer) for label in axis.get_ticklabels() if label.get_text()]


@pytest.mark.slow
@pytest.mark.parametrize("dtypes", [["float16"], ["float32"], ["float32", "float64"]])
def test_no_tick_of_the_picture_overlaps_another(dtypes: list[str]) -> None:
    """Along both axes of every panel, with the bands' names among them."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    rng = np.random.default_rng(0)
    curves = [
        {"dtype": dtype, "gamma": gamma, "quantity": q, "bound": 4 + 2 * gamma, "margins": rng.uniform(-700, 700, 300),
         "errors": np.concatenate([10 ** rng.uniform(-2, top, 200), np.repeat([np.nan, np.inf, -np.inf, 1e300], 25)])}
        for dtype in dtypes for q, top in (("value", 0), ("grad", 5), ("hess", 16)) for gamma in (0.0, 0.5, 2.0)
    ]  # fmt: skip
    figure = picture.drawn(curves, "a loss: failed")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    assert len(figure.axes) == 3 * len(dtypes)
    for panel in figure.axes:
        for axis in (panel.xaxis, panel.yaxis):
            boxes = _labels(axis, renderer)
            assert all(not one.overlaps(other) for one, other in itertools.combinations(boxes, 2))
        names = [label.get_text() for label in panel.get_yticklabels()]
        assert names[-3:] == ["0 for a number", "wrong inf", "wrong NaN"]
        assert (panel.get_xscale(), panel.get_yscale()) == ("symlog", "symlog")


def test_what_has_no_error_is_drawn_in_its_band() -> None:
    """A 0, an infinity and a NaN each above all errors, in this order, and a γ at its own height."""
    found = np.asarray([1.0, 1e300, -np.inf, np.inf, np.nan])
    low, high = (picture._heights(found, 1e4, 10.0, share) for share in (0.25, 0.75))
    np.testing.assert_allclose(low, [1.0, 1e4, 1e4 * 10**0.25, 1e4 * 10**1.25, 1e4 * 10**2.25])
    np.testing.assert_allclose(high, [1.0, 1e4, 1e4 * 10**0.75, 1e4 * 10**1.75, 1e4 * 10**2.75])


@pytest.mark.slow
def test_a_verdict_s_curves_tell_the_kinds_apart() -> None:
    """The picture is handed NaN for a wrong NaN, inf for a wrong infinity, −inf for a 0."""
    for name, odd in (("one_minus_exp", -math.inf), ("log_of_underflow", math.inf)):
        curves = check(getattr(planted, name), dtypes=["float64"], gammas=[2.0]).curves
        assert any(np.any(curve["errors"] == odd) for curve in curves), name


def test_numbers_that_are_nearly_the_same_are_shown_apart() -> None:
    """Nine digits where they tell; all of them where they don't."""
    assert text.numbers("21.0", "21.000000000758256") == "got 21.0, exactly 21.000000000758256"
    assert text.numbers("0.0", "2.86e-20") == "got 0, exactly 2.86e-20"
    assert text.numbers("it raises", "nan") == "got it raises, exactly nan"

"""The command: what it prints, in words, figures and JSON; its exit statuses; wrong arguments are refused in one line."""

from __future__ import annotations

import dataclasses
import importlib.util
import io
import json
import re
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest

import focal_ref
from focal_ref import conformance, oracle
from focal_ref.audit import scan as exhaustive
from focal_ref.commands import console
from focal_ref.commands import evaluate as evaluation
from focal_ref.commands import main as cli
from focal_ref.conformance import ulp
from focal_ref.libraries import backends

SMALL = ["check", "--backend", "numpy", "--dtype", "float32", "--link", "sigmoid", "--gamma", "2"]
SCRIPT = Path(sysconfig.get_path("scripts")) / "focal-ref"


class Done:
    """A run in this process: its status and what it wrote."""

    def __init__(self, capsys: pytest.CaptureFixture[str], arguments: Sequence[str]) -> None:
        capsys.readouterr()
        try:
            self.status: Any = cli.main(arguments)
        except SystemExit as end:
            self.status = end.code
        self.out, self.err = capsys.readouterr()

    @property
    def data(self) -> Any:
        """Its JSON, and nothing else but that on stdout."""

        def refuse(constant: str) -> float:
            raise AssertionError(f"{constant} is not JSON")

        return json.loads(self.out, parse_constant=refuse)


Run = Callable[..., Done]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """`run("check", …)`, or `run("check …")`."""
    return lambda *arguments: Done(capsys, arguments[0].split() if len(arguments) == 1 else arguments)


def _plant(monkeypatch: pytest.MonkeyPatch, change: Callable[[Any], Any], places: Sequence[int] = (0,)) -> None:
    """A focal_ref whose value, or another of its results, is wrong."""
    measure = conformance.measure

    def planted(link: str, gamma: float, precision: str) -> Callable[..., Any]:
        own = conformance.own_loss(link, gamma, precision)

        def changed(logits: Any, targets: Any) -> Any:
            results = own(logits, targets)
            with np.errstate(all="ignore"):
                return [change(result) if number in places else result for number, result in enumerate(results)]

        return changed

    monkeypatch.setattr(conformance, "measure", lambda *a, **options: measure(*a, subject=planted, **options))


def _too_large(value: Any) -> Any:
    return np.where((value > 0.01) & (value < 1), value + value / 64, value).astype(value.dtype)


# ---- check ------------------------------------------------------------------------------------------------------------------


def test_check_prints_a_table_and_a_verdict(run: Run) -> None:
    """A line for each quantity of a type and precision, its worst γ beside it, within 80 columns; status 0."""
    done = run("check --backend numpy --dtype float32 --gamma 0,2 --link sigmoid")
    assert (done.status, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[-1] == "PASSED: 12 measurements on 1 backend, all within bounds"
    assert max(map(len, lines)) < 80
    titles = [f"numpy, sigmoid, {precision} precision" for precision in ("extended", "native")]
    assert [line for line in lines if line.startswith("numpy")] == titles
    rows = [line.split() for line in lines if re.match(r"  (float32 )? +(value|gradient|Hessian)", line)]
    assert [row[-8] for row in rows] == ["value", "gradient", "Hessian"] * 2
    report = conformance.measure(["numpy"], ["sigmoid"], ["float32"], [0.0, 2.0])
    for precision, printed in (("extended", rows[:3]), ("native", rows[3:])):
        for quantity, row in zip(conformance.QUANTITIES, printed, strict=True):
            same = [r for r in report.rows if (r.precision, r.quantity) == (precision, quantity)]
            worst = max(same, key=lambda r: r.max_ulp / r.bound)
            figures = [f"{worst.gamma:g}", f"{worst.max_ulp:.4f}", f"{worst.p99_ulp:.4f}", f"{worst.bound:.4g}", "0", "0", "0"]
            assert row[-7:] == figures


def test_check_prints_every_gamma_on_demand(run: Run) -> None:
    """--all: a line for each γ and quantity."""
    done = run("check --backend numpy --dtype float16 --gamma 0,2,5 --link sigmoid --precision extended --all")
    gammas = [line.split()[-7] for line in done.out.splitlines() if line.endswith("     0    0     0")]
    assert gammas == ["0", "2", "5"] * 3


@pytest.mark.slow
def test_check_measures_what_is_asked_for(run: Run) -> None:
    """Options are repeatable, take lists, and name a thing once however often it is named."""
    done = run("check --backend numpy --backend numpy --dtype float64,float32 --link sigmoid --gamma 1 --gamma=2,1.0 --json")
    rows = done.data["rows"]
    assert {r["dtype"] for r in rows} == {"float64", "float32"}
    assert {r["precision"] for r in rows} == {"extended", "native"}
    assert {r["gamma"] for r in rows} == {1.0, 2.0}
    assert len(rows) == 3 * 2 * 3  # float32 in either precision, float64 in its own


def test_check_without_arguments_measures_every_backend_here(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that are installed, both links, all types, γ and precisions: nothing is narrowed unless asked for."""
    measure, calls = conformance.measure, []

    def narrowed(names: Any, **options: Any) -> conformance.Report:
        calls.append((names, sorted(options)))
        return measure(["numpy"], ["sigmoid"], ["float32"], [2.0])

    monkeypatch.setattr(conformance, "measure", narrowed)
    assert run("check").status == 0
    assert calls == [(None, ["forget", "progress"])]


def test_check_fails_where_a_bound_is_passed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Status 1; the rows are marked, why is said, and the lines to paste print what is said; the verdict counts."""
    _plant(monkeypatch, _too_large)
    done = run(*SMALL, "--gamma", "0.5")
    assert (done.status, done.err) == (1, "")
    lines = done.out.splitlines()
    assert [line.split()[-9] for line in lines if line.endswith("  FAILS")] == ["value", "value"]
    assert lines[-1] == "FAILED: 12 measurements on 1 backend, 4 beyond their bounds"
    reasons = [line for line in lines if re.match(r"\d\. ", line)]
    assert len(reasons) == 2
    assert re.fullmatch(r"2\. numpy sigmoid float32 native value, gamma 0.5: [0-9.]+e\+05 ULP, bound 5", reasons[1])
    assert max(map(len, lines)) < 80
    assert re.fullmatch(r"   at logit \S+, target [01]: got \S+, exactly \S+", lines[lines.index(reasons[1]) + 1])
    data = run(*SMALL, "--gamma", "0.5", "--json").data
    for number in ("1", "2"):
        line = run(*SMALL, "--gamma", "0.5", "--repro", number)
        assert line.status == 1
        assert line.out.startswith("from focal_ref.conformance import at; ")
        assert line.out.strip() in [row["worst"] for row in data["rows"]]
    none = run(*SMALL, "--gamma", "0.5", "--repro", "3")
    assert (none.status, none.out) == (2, "")
    assert "argument --repro: got 3; expected the number of a finding: there are 2" in none.err
    assert run(*SMALL, "--json").data["passed"] is False


def test_a_failure_is_shown_before_a_larger_error_that_is_within_its_bound() -> None:
    """A γ that fails below the normal numbers only, though another's errors are closer to their bound; with the reason."""
    report = conformance.measure(["numpy"], ["sigmoid"], ["float64"], [0.0, 5.0])
    rows = list(report.rows)
    rows[0] = dataclasses.replace(rows[0], passed=False, subnormal_units=11.5, max_ulp=0.5)
    lines = [line.text for line in dataclasses.replace(report, rows=tuple(rows)).lines()]
    (marked,) = (line.split() for line in lines if line.endswith("  FAILS"))
    assert marked[:4] == ["float64", "value", "0", "0.5000"]
    told = " ".join(line.strip() for line in lines)
    assert "1. numpy sigmoid float64 native value, gamma 0: below the normal numbers 11.5 units, bound 4" in told


def test_check_lists_no_more_failures_than_one_can_read(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten of them, and how many more there are."""
    _plant(monkeypatch, lambda result: 2 * result, places=(0, 1, 2))
    done = run("check --backend numpy --link sigmoid --gamma 2")
    assert done.status == 1
    assert sum(bool(re.match(r"\d+\. ", line)) for line in done.out.splitlines()) == 10
    assert "and 5 more: --json has them all" in done.out


def test_a_broken_backend_is_told_and_fails(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Status 1, though all that was measured is right; what is absent is told as well, and does not fail."""
    states = {
        name: backends.Status(name, "absent", f"{name} is not installed")
        for name in backends.NAMES
        if name not in ("numpy", "jax")
    }
    states["jax"] = backends.Status("jax", "broken", "ImportError: libc")
    ready = backends.Status("numpy", "ready")
    monkeypatch.setattr(backends, "survey", lambda names=None: tuple(states.get(n, ready) for n in names or backends.NAMES))
    arguments = ["check", "--dtype", "float32", "--link", "sigmoid", "--gamma", "2"]
    done = run(*arguments)
    assert done.status == 1
    assert "BROKEN: jax (ImportError: libc)" in done.out
    assert "not here: cupy (cupy is not installed)" in done.out
    assert done.out.splitlines()[-1] == "FAILED: 6 measurements on 1 backend, 0 beyond their bounds; broken: jax"
    data = run(*arguments, "--json").data
    assert data["broken"] == [{"name": "jax", "state": "broken", "reason": "ImportError: libc"}]
    assert len(data["absent"]) == len(backends.NAMES) - 2
    monkeypatch.delitem(states, "jax")
    assert run(*arguments).status == 0


@pytest.mark.slow
def test_infinite_and_missing_figures_are_valid_json(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """NaN for numbers, infinities, and a γ for which nothing is promised: no NaN and no Infinity in the JSON."""
    _plant(monkeypatch, lambda value: np.where(value < 1, np.nan, np.inf).astype(value.dtype))
    rows = run(*SMALL, "--gamma", "9", "--json").data["rows"]
    assert any(row["nan"] for row in rows)
    assert any(row["wrong_inf"] for row in rows)
    assert any(row["bound"] is None for row in rows)


# ---- every logit ------------------------------------------------------------------------------------------------------------


def test_check_exhaustive_scans_every_logit(run: Run, tmp_path: Path) -> None:
    """float16 with γ = 2 unless told otherwise, in words and as JSON; the state goes where it is told to."""
    done = run("check", "--exhaustive", "float16", "--state", str(tmp_path / "state"))
    assert (done.status, done.err) == (0, "")
    assert "65,536 logits" in done.out
    assert done.out.splitlines()[-1] == "passed"
    assert list((tmp_path / "state").iterdir())
    data = run("check", "--exhaustive", "float16", "--state", str(tmp_path / "state"), "--json").data
    assert data["passed"] is True
    (report,) = data["reports"]
    assert (report["dtype"], report["gamma"], report["logits"]) == ("float16", 2.0, 65536)


class _Scan:
    """What `exhaustive.scan` was asked for, and a report that says what it is told to say."""

    def __init__(self, passed: bool) -> None:
        self.passed = passed
        self.calls: list[Any] = []

    def __call__(self, *arguments: Any, progress: Any, **options: Any) -> _Scan:
        self.calls.append((*arguments, options))
        progress(1, 2, "half")
        return self

    def to_dict(self) -> dict[str, Any]:
        return {"passed": self.passed}

    def __str__(self) -> str:
        return "one γ\nFAILED"


def test_check_exhaustive_hands_its_options_on(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scan for each γ; status 1 where one falls short."""
    scan = _Scan(passed=False)
    monkeypatch.setattr(exhaustive, "scan", scan)
    done = run("check --exhaustive float32 --gamma 0.5,2 --workers 3 --state some/where --fresh")
    options = {"state": Path("some/where"), "fresh": True, "workers": 3}
    assert scan.calls == [("float32", 0.5, options), ("float32", 2.0, options)]
    assert done.status == 1
    assert done.out == "one γ\nFAILED\n" * 2
    monkeypatch.setattr(exhaustive, "scan", _Scan(passed=True))
    assert run("check --exhaustive bfloat16 --json").status == 0


# ---- who is looking ---------------------------------------------------------------------------------------------------------


class _Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str, str]]:
    """Runs the command with both streams a terminal; gives the status and what was written to each."""
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)

    def look(*arguments: str) -> tuple[int, str, str]:
        with monkeypatch.context() as patch:
            out, err = _Terminal(), _Terminal()
            patch.setattr(sys, "stdout", out)
            patch.setattr(sys, "stderr", err)
            return cli.main(arguments), out.getvalue(), err.getvalue()

    return look


def _without_rich(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "rich" else found(name, *rest))


def test_colours_change_no_figure(run: Run, terminal: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same text to a terminal with rich, without it, with NO_COLOR, and to a file; colours only in the first."""
    _plant(monkeypatch, _too_large)
    plain = run(*SMALL).out
    status, coloured, _ = terminal(*SMALL)
    assert status == 1
    assert coloured != plain == ESCAPES.sub("", coloured)
    monkeypatch.setenv("NO_COLOR", "1")
    assert terminal(*SMALL)[1] == plain
    monkeypatch.delenv("NO_COLOR")
    _without_rich(monkeypatch)
    assert terminal(*SMALL)[1] == plain == run(*SMALL).out


def test_json_is_the_same_for_a_terminal(run: Run, terminal: Any) -> None:
    """Nothing but JSON on stdout, whoever looks."""
    assert terminal(*SMALL, "--json")[1] == run(*SMALL, "--json").out


def test_a_terminal_sees_a_bar_that_goes_away(terminal: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """On stderr, by rich; none without it or with --quiet. A file sees none in any case, as the other tests do."""
    _, out, err = terminal(*SMALL)
    assert "numpy: sigmoid, float32, native, gamma 2" in err
    assert "100%" in err
    assert "gamma 2" not in out
    assert "\x1b[2K" in err
    assert terminal(*SMALL, "--quiet")[2] == ""
    _without_rich(monkeypatch)
    assert terminal(*SMALL)[2] == ""


def test_a_narrow_encoding_loses_letters_and_not_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """A γ on a terminal that has none is a question mark, and no error."""
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    console.show([console.Line("γ = 2: 0.5")])
    sys.stdout.flush()
    assert raw.getvalue() == b"? = 2: 0.5\n"


def test_an_interruption_is_one_line(run: Run, terminal: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Status 130, the bar gone, and no traceback."""

    def interrupted(*arguments: Any, progress: Any, **options: Any) -> None:
        progress(1, 4, "half-way")
        raise KeyboardInterrupt

    monkeypatch.setattr(conformance, "measure", interrupted)
    done = run("check")
    assert (done.status, done.out, done.err) == (130, "", "focal-ref: interrupted\n")
    _without_rich(monkeypatch)
    status, out, err = terminal("check")
    assert (status, out) == (130, "")
    assert err == "focal-ref: interrupted\n"


# ---- the real thing ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_installed_command_measures() -> None:
    """`focal-ref` as the shell runs it: JSON on stdout, nothing on stderr, status 0."""
    command = [SCRIPT, *SMALL, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    data = json.loads(done.stdout)
    assert data["passed"] is True
    assert {(row["link"], row["dtype"], row["gamma"]) for row in data["rows"]} == {("sigmoid", "float32", 2.0)}


@pytest.mark.slow
def test_a_closed_pipe_is_no_error() -> None:
    """`focal-ref … | head -1`: no traceback, and the status of a process that a broken pipe ended."""
    row = ",".join(map(str, range(30)))
    command = [SCRIPT, "eval", f"--logit={row}", "--target", "3", "--digits", "3000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith("softmax focal loss")
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 141


@pytest.mark.slow
def test_eval_imports_no_array_library_but_numpy() -> None:
    """The answer to a small question comes at once."""
    libraries = {"torch", "jax", "dask", "cupy", "array_api_strict", "rich"}
    arguments = ["eval", "--logit", "1", "--target", "1", "--json"]
    code = (
        f"import sys; from focal_ref.commands.main import main; main({arguments}); "
        f"print(*{libraries} & set(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.split() == []


# ---- help and errors --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [[], ["check"], ["eval"]])
def test_help_has_examples_that_run(run: Run, command: list[str]) -> None:
    """Every command says what it does; those that do something show how, and what they show is accepted."""
    done = run(*command, "--help")
    assert (done.status, done.err) == (0, "")
    assert max(map(len, done.out.splitlines())) <= 80
    examples = re.findall(r"^  focal-ref (.*)$", done.out, re.MULTILINE)
    assert len(examples) >= 3 * len(command)
    for example in examples:
        cli._parser().parse_args(cli._joined(example.split()))
        if command == ["eval"]:
            assert run(example).status == 0


def test_alone_it_prints_help(run: Run) -> None:
    """`focal-ref` is a question, and no mistake."""
    done = run()
    assert (done.status, done.err) == (0, "")
    assert done.out == run("--help").out
    assert "check " in done.out


def test_help_lists_what_may_be_chosen(run: Run) -> None:
    """An option with a list of names says them, one by one or several at a time, and says none twice."""
    text = " ".join(run("check --help").out.split())
    for words in ("one of numpy, compiled, array-api-strict", "sigmoid or softmax", "one of float16, bfloat16, float32)"):
        assert text.count(words) >= 1, words
    assert "sigmoid or softmax (one of" not in text


def test_version(run: Run) -> None:
    """The package's own."""
    assert run("--version").out == f"focal-ref {focal_ref.__version__}\n"


NAIVE = """import numpy as np
def focal(logits, targets, gamma):
    p = 1 / (1 + np.exp(-logits.astype(float)))
    p_t = np.where(targets == 1, p, 1 - p)
    return (-((1 - p_t) ** gamma) * np.log(p_t)).astype(logits.dtype)
def broken(logits, targets, gamma):
    raise RuntimeError("no")
"""


@pytest.mark.slow
def test_check_exhaustive_judges_a_function(run: Run, tmp_path: Path) -> None:
    """A function of a file is given every logit: status 1 where it is wrong, 2 where it gives nothing; words and JSON."""
    path = tmp_path / "mine.py"
    path.write_text(NAIVE, encoding="utf-8")
    done = run("check", "--exhaustive", "float16", f"{path}:focal", "--quiet")
    assert done.status == 1
    assert "65,536 logits, both targets" in done.out
    assert done.out.splitlines()[-1] == "FAILED"
    data = run("check", "--exhaustive", "float16", f"{path}:focal", "--gamma", "0.5,2", "--json", "--quiet").data
    assert [report["gamma"] for report in data["reports"]] == [0.5, 2.0]
    assert data["reports"][0]["tallies"][0]["wrong_inf"] > 0
    broken = run("check", "--exhaustive", "float16", f"{path}:broken", "--quiet")
    assert (broken.status, broken.out) == (2, "")
    assert "RuntimeError: no" in broken.err


BAD = {
    # arguments: what the line names, what came, what is accepted; argparse's own words where it finds the fault
    "chek": ("COMMAND", "'chek'", "did you mean check? (choose from check, eval, suggest"),
    "nothing-like-it": ("COMMAND", "'nothing-like-it' (", "choose from check, eval, suggest"),
    "--versoin": ("unrecognized arguments", "--versoin", "did you mean --version?"),
    "check --gama 2": ("unrecognized arguments", "--gama; did you mean --gamma? (", "--gamma,"),
    "check --gam 2": ("unrecognized arguments", "--gam", "--gamma,"),
    "check numpy": ("FUNCTION", "'numpy'", "package.module:function"),
    "check --gamma": ("--gamma", "expected", "one argument"),
    "check --gamma -1": ("--gamma", "'-1'", "a number in [0, 1000]"),
    "check --gamma nan": ("--gamma", "'nan'", "a number in [0, 1000]"),
    "check --gamma 1,x": ("--gamma", "'x'", "a number in [0, 1000]"),
    "check --dtype float8": ("--dtype", "'float8'", "float16, bfloat16, float32, float64"),
    "check --link relu": ("--link", "'relu'", "sigmoid, softmax"),
    "check --precision double": ("--precision", "'double'", "extended, native"),
    "check --backend nump": ("--backend", "'nump'", "numpy, compiled, array-api-strict, torch"),
    "check --backend numpy,touch": ("--backend", "'touch'", "did you mean torch?"),
    "check --exhaustive flaot32": ("--exhaustive", "'flaot32'", "did you mean float32?"),
    "check --backend jax --dtype float64": ("--dtype", "float64", "a type that jax has"),
    "check --json=1": ("--json", "'1'", "ignored explicit argument"),
    "check --workers 2": ("--workers", "2 without --exhaustive", "both or neither"),
    "check --fresh": ("--fresh", "it without --exhaustive", "both or neither"),
    "check --exhaustive float64": ("--exhaustive", "'float64'", "choose from float16, bfloat16, float32"),
    "check --exhaustive float16 math:exp --link softmax": ("--link", "softmax", "sigmoid losses"),
    "check --exhaustive float16 math:exp --alpha 0.5": ("--alpha", "with --exhaustive", "one of the two"),
    "check --exhaustive float16 --workers 0": ("--workers", "'0'", "a whole number from 1 to 1024"),
    "check --exhaustive float16 --backend numpy,torch": ("--backend", "numpy, torch with --exhaustive", "one of the two"),
    "check --exhaustive float16 --all": ("--all", "it with --exhaustive", "one of the two"),
    "check --exhaustive float16 --state /dev/null/x": ("--state", "/dev/null/x", "a directory to write to"),
    "suggest": ("FILE", "neither it nor --counts", "one of them"),
    "suggest --counts 3": ("--counts", "1 class", "two or more"),
    "suggest --counts 3,0": ("--counts", "'0'", "a number > 0"),
    "suggest --counts 3,5 --gamma -1": ("--gamma", "'-1'", "a number ≥ 0"),
    "suggest --counts 3,5 --cost 0": ("--cost", "'0'", "a number > 0"),
    "suggest --counts 3,5,7 --positive 2": ("--positive", "3 classes", "with two only"),
    "suggest --counts 3,5 --positive yes": ("--positive", "'yes'", "one of 0, 1"),
    "suggest /no/such.csv": ("FILE", "/no/such.csv", "a CSV in UTF-8: No such file"),
    "suggest /dev/null": ("FILE", "/dev/null", "it is empty"),
    "eval": ("--logit, --target", "required", "arguments"),
    "eval --logit 3": ("--target", "required", "arguments"),
    "eval --logit": ("--logit", "expected", "one argument"),
    "eval --logit three --target 1": ("--logit", "'three'", "a decimal number between 1e-5000 and 1e5000, inf or nan"),
    "eval --logit 1,,2 --target 1": ("--logit", "''", "a decimal number"),
    "eval --logit 1e5001 --target 1": ("--logit", "'1e5001'", "1e5000"),
    "eval --logit 3 --target 2": ("--target", "2", "one number in [0, 1]"),
    "eval --logit 3 --target 0,1": ("--target", "0, 1", "one number in [0, 1]"),
    "eval --logit 3 --target -1": ("--target", "'-1'", "in [0, 1e5000]"),
    "eval --logit 3 --target nan": ("--target", "'nan'", "in [0, 1e5000]"),
    "eval --logit 1,2 --target 2": ("--target", "2", "a class from 0 to 1, or 2 probabilities"),
    "eval --logit 1,2 --target 0.5": ("--target", "0.5", "a class from 0 to 1, or 2 probabilities"),
    "eval --logit 1,2 --target 0.5,1.5": ("--target", "0.5, 1.5", "a class from 0 to 1, or 2 probabilities"),
    "eval --logit 1 --target 1 --gamma -2": ("--gamma", "'-2'", "in [0, 1e5000]"),
    "eval --logit 1 --target 1 --gamma inf": ("--gamma", "'inf'", "in [0, 1e5000]"),
    "eval --logit 1 --target 1 --alpha 1.5": ("--alpha", "1.5", "one number in [0, 1]"),
    "eval --logit 1,2 --target 1 --alpha 1,2,3": ("--alpha", "1, 2, 3", "a factor, or 2 weights"),
    "eval --logit 1,2 --target 1 --soft-targets mix": ("--soft-targets", "mix", "one logit"),
    "eval --logit 1 --target 1 --soft-targets mean": ("--soft-targets", "'mean'", "choose from mix, expected, quality"),
    "eval --logit 1 --target 1 --digits 0": ("--digits", "'0'", "a whole number from 1 to 4000"),
    "eval --logit 1 --target 1 --digits 1e3": ("--digits", "'1e3'", "a whole number from 1 to 4000"),
    "eval --logit 1 --target 1 --dtype int8": ("--dtype", "'int8'", "choose from float16, bfloat16, float32, float64"),
}


@pytest.mark.parametrize("arguments", BAD)
def test_wrong_arguments_are_refused_in_one_line(run: Run, arguments: str) -> None:
    """On stderr: the argument's name, what came and what is accepted; status 2, and nothing on stdout."""
    name, came, accepted = BAD[arguments]
    done = run(*arguments.split())
    assert (done.status, done.out) == (2, "")
    assert done.err.endswith("\n")
    (line,) = done.err.splitlines()
    first = arguments.split()[0]
    command = f"focal-ref{'' if name == 'COMMAND' or first.startswith('-') else ' ' + first}"
    assert line.startswith(f"{command}: ")
    line = line.removeprefix(f"{command}: ")
    assert re.match(rf"(argument |the following arguments are required: )?{re.escape(name)}", line)
    assert came in line
    assert accepted in line.replace("'", "")  # argparse quotes choices up to Python 3.11


def test_an_absent_backend_asked_for_by_name_is_refused(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what is missing."""
    monkeypatch.setattr(backends, "survey", lambda names: (backends.Status("cupy", "absent", "cupy is not installed"),))
    done = run("check --backend cupy")
    assert (done.status, done.out) == (2, "")
    assert done.err == "focal-ref check: argument --backend: got cupy; expected one that is here: cupy is not installed\n"


# ---- eval -------------------------------------------------------------------------------------------------------------------

HALF = [
    # of a logit 0, where p = 1/2, with γ = 2: by hand
    ("value", lambda: mpmath.log(2) / 4),
    ("gradient", lambda: -(mpmath.log(2) + 0.5) / 4),
    ("Hessian", lambda: (mpmath.log(2) + 2.5) / 8),
    ("d/dgamma", lambda: -(mpmath.log(2) ** 2) / 4),
]


def _lines(out: str) -> dict[str, str]:
    return dict(line.split() for line in out.splitlines()[1:])


def test_eval_prints_what_anyone_can_compute(run: Run) -> None:
    """log 2 / 4 and the like, to double precision by hand; the columns are aligned."""
    done = run("eval --logit 0 --target 1 --gamma 2 --digits 20")
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith("sigmoid focal loss: logit 0, target 1, gamma 2\n")
    found = _lines(done.out)
    assert list(found) == [name for name, _ in HALF]
    with mpmath.workdps(30):
        for name, exact in HALF:
            assert float(found[name]) == float(exact())
    assert {line.index(".") for line in done.out.splitlines()[1:]} == {len("d/dgamma") + 4}


KNOWN = [
    # log 2 to 50 digits, as tables have it
    ("--logit 0 --target 1 --gamma 0 --digits 50", "value", "0.69314718055994530941723212145817656807550013436026"),
    ("--logit 0 --target 0 --gamma 0 --digits 5", "gradient", "0.5"),
    ("--logit 0 --target 1 --gamma 0 --alpha 0.25", "gradient", "-0.125"),
    ("--logit 0 --target 0 --gamma 0 --alpha 0.25", "gradient", "0.375"),
    ("--logit 0 --target 0.5 --gamma 2 --soft-targets quality", "value", "0.0"),
    ("--logit 0 --target 0.5 --gamma 2 --soft-targets mix --digits 10", "value", "0.1732867951"),
    ("--logit -inf --target 1 --gamma 0.5", "value", "inf"),
    ("--logit -inf --target 1 --gamma 0.5", "gradient", "-1.0"),
    ("--logit inf --target 1 --gamma 0.5", "value", "0.0"),
    ("--logit nan --target 1", "value", "nan"),
    # ℓ = x + e^−x for a large x: the decimal itself, and the float nearest to it
    ("--logit 100.1 --target 0 --gamma 0 --digits 25", "value", "100.1"),
    ("--logit 100.1 --target 0 --gamma 0 --digits 25 --dtype float64", "value", "100.0999999999999943156581"),
    ("--logit 0x1.8p+7 --target 0 --gamma 0 --digits 25", "value", "192.0"),
    ("--logit -1.001e2 --target 1 --gamma 0 --digits 25", "value", "100.1"),
    ("--logit=-.5e1 --target 1 --gamma 0 --digits 5", "value", "5.0067"),
]


@pytest.mark.parametrize(("arguments", "name", "expected"), KNOWN)
def test_eval_takes_numbers_exactly(run: Run, arguments: str, name: str, expected: str) -> None:
    """Decimal or hexadecimal, negative, infinite; every option."""
    done = run(f"eval {arguments}")
    assert (done.status, done.err) == (0, "")
    (line,) = (line.split() for line in done.out.splitlines()[1:] if line.startswith(name))
    assert line[1] == expected


def test_eval_is_correct_to_the_last_digit(run: Run) -> None:
    """4000 digits are the oracle's at 4100, rounded once; JSON has them all as text."""
    data = run("eval --logit 3.2 --target 1 --gamma 2 --digits 4000 --json").data
    exact = oracle.sigmoid("3.2", 1, 2, digits=4100)
    for name in ("value", "grad", "hess", "gamma_grad"):
        digits = Decimal(data[name]).as_tuple().digits
        assert 3990 < len(digits) <= 4000
        assert data[name] == mpmath.nstr(getattr(exact, name), 4000)


def test_eval_of_a_row(run: Run) -> None:
    """Repeated logits and a list are one row; equal logits give 1/n; a class and its one-hot row agree."""
    done = run("eval --logit 7 --logit 7,7 --logit=7 --target 2 --gamma 0 --digits 12")
    assert done.out.splitlines() == [
        "softmax focal loss: logit 7, 7, 7, 7, target 2, gamma 0",
        f"value      {float(np.log(4)):.11f}",
        f"d/dgamma  {float(np.log(4) * np.log(0.75)):.12f}",
        "",
        "class   gradient   Hessian",
        "0       0.25       0.1875",
        "1       0.25       0.1875",
        "2      -0.75       0.1875",
        "3       0.25       0.1875",
    ]
    by_class = run("eval --logit=1,-2,0.5 --target 2 --alpha 3 --json").data
    one_hot = run("eval --logit=1,-2,0.5 --target 0,0,1 --alpha 3,3,3 --json").data
    for name in ("value", "grad", "hess", "gamma_grad"):
        assert by_class[name] == one_hot[name]
    assert (by_class["link"], by_class["logits"], len(by_class["grad"])) == ("softmax", ["1", "-2", "0.5"], 3)


def test_eval_json_has_what_was_asked_and_all_digits(run: Run) -> None:
    """Numbers as text, so that no reader rounds them; what came in stands beside."""
    data = run("eval --logit 3.20 --target 1 --gamma 2 --digits 40 --json").data
    asked = {"link": "sigmoid", "logits": ["3.20"], "target": ["1"], "gamma": "2", "alpha": None, "digits": 40, "dtype": None}
    assert {name: data[name] for name in asked} == asked
    assert data["value"] == mpmath.nstr(oracle.sigmoid("3.2", 1, 2, digits=60).value, 40)
    assert len(data["value"].replace(".", "").lstrip("0")) == 40
    assert run("eval --logit nan --target 1 --json").data["value"] == "nan"
    assert run("eval --logit -inf --target 1 --json").data["value"] == "inf"


@pytest.mark.parametrize("dtype", conformance.DTYPES)
def test_eval_rounds_to_a_type_on_demand(run: Run, dtype: str) -> None:
    """The logits first, the results once: what a perfect implementation in that type would give, in hexadecimal."""
    fmt = ulp.FORMATS[dtype]
    data = run("eval", "--logit", "0.1", "--target", "1", "--gamma", "0.5", "--dtype", dtype, "--json").data
    with mpmath.workdps(60):
        logit = ulp.nearest(mpmath.mpf("0.1"), fmt)
        assert Decimal(data["logits"][0]) == Decimal(logit)
        exact = oracle.sigmoid(logit, 1, 0.5)
        for name in ("value", "grad", "hess", "gamma_grad"):
            assert float.fromhex(data["rounded"][name]) == ulp.nearest(getattr(exact, name), fmt)
    line = run("eval", "--logit", "0.1", "--target", "1", "--gamma", "0.5", "--dtype", dtype).out.splitlines()[1]
    assert line.split() == ["value", data["value"], data["rounded"]["value"]]


def test_eval_rounds_decimals_once() -> None:
    """A decimal just above the middle of two float16 numbers goes up, though float64 has it at the middle."""
    middle = "1.00048828125"
    above = middle + "0" * 30 + "1"
    assert float(above) == float(middle)
    for text, expected in ((middle, 1.0), (above, 1.0009765625)):
        (logit,) = evaluation.evaluate([text], ["1"], "2", dtype="float16").logits
        assert float(logit) == expected

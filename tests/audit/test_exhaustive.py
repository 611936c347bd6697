"""`focal_ref.audit.scan.scan` finds every wrong result and no other, however it is cut up, ended and resumed."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import ml_dtypes
import mpmath
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import focal_ref
import focal_ref as fr
from focal_ref import oracle
from focal_ref.audit import enclosures
from focal_ref.audit import scan as exhaustive
from focal_ref.audit import tally as verdicts
from focal_ref.conformance import grids, ulp

QUANTITIES = ("value", "grad", "hess")
GAMMAS = (0.0, 1e-12, 0.5, 1.0, 2.0, 3.7, 5.0, 30.0, 1e6, 2.0**64)
Change = Callable[[Any], Any]


class Planted:
    """The real loss, but for results changed at some logits."""

    changes: ClassVar[dict[tuple[str, float, int], Change]] = {}

    def __init__(self, gamma: float) -> None:
        self.loss = fr.SigmoidFocalLoss(gamma=gamma)

    def value_grad_hess(self, logits: Any, target: int) -> tuple[Any, ...]:
        results = dict(zip(QUANTITIES, self.loss.value_grad_hess(logits, target), strict=True))
        for (quantity, logit, at), change in self.changes.items():
            here = (logits == logit) & (target == at)
            results[quantity][here] = change(results[quantity][here])
        return tuple(results.values())


def _plant(monkeypatch: pytest.MonkeyPatch, changes: dict[tuple[str, float, int], Change]) -> None:
    monkeypatch.setattr(Planted, "changes", changes)
    monkeypatch.setattr(verdicts, "SigmoidFocalLoss", Planted)


def _up(x: Any) -> Any:
    return np.nextafter(x, x.dtype.type(np.inf))


def _down(x: Any) -> Any:
    return np.nextafter(x, x.dtype.type(-np.inf))


def _listed(tallies: Any) -> dict[tuple[str, float, int], float]:
    return {(t.quantity, float.fromhex(w.logit), w.target): float.fromhex(w.got) for t in tallies for w in t.listed}


def _block(first: float, count: int = 2**13, gamma: float = 2.0) -> dict[str, Any]:
    """The findings on so many float32 magnitudes from one on."""
    start = int(np.float32(first).view(np.uint32))
    return exhaustive.judged_block("float32", gamma, range(start, start + count), threading.Event())


# ---- what is found ----------------------------------------------------------------------------------------------------------


PLANTED: dict[tuple[str, float, int], Change] = {
    ("value", 1.0, 1): _up,
    ("value", -3.5, 0): _down,
    ("value", 9.25, 1): _down,
    ("grad", 0.125, 0): _up,
    ("grad", -2.0, 1): _down,
    ("hess", 0.0, 1): _up,
    ("hess", 4.0, 0): _down,
}


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_results_one_ulp_off_are_listed_exactly(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, dtype: str) -> None:
    """Those planted, with the target and the result they were planted with, beside those that the real loss has."""
    real = exhaustive.scan(dtype, 2.0, state=tmp_path / "real")
    changes = PLANTED if dtype == "float16" else {key: lambda x: x * x.dtype.type(1.0078125) for key in PLANTED}
    _plant(monkeypatch, changes)
    found = exhaustive.scan(dtype, 2.0, state=tmp_path / "planted")
    added = _listed(found.tallies).items() - _listed(real.tallies).items()
    kind = np.float16 if dtype == "float16" else ml_dtypes.bfloat16
    for (quantity, logit, target), got in added:
        right = fr.SigmoidFocalLoss(gamma=2.0).value_grad_hess(np.asarray([logit], kind), target)[QUANTITIES.index(quantity)]
        assert got == float(changes[quantity, abs(logit) if logit == 0 else logit, target](right)[0])
    assert {(q, abs(x) if x == 0 else x, target) for (q, x, target), _ in added} == set(PLANTED)
    assert [t.wrong for t in found.tallies] == [
        t.wrong + sum(q == t.quantity for q, _, _ in PLANTED) + (t.quantity == "hess")
        for t in real.tallies  # 0 is two logits
    ]
    assert [t.beyond for t in real.tallies] == [0, 0, 0]
    assert (real.passed, found.passed) == (True, False)
    assert found.unmirrored == len(PLANTED) + 1


def test_float32_results_one_ulp_off_are_listed_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half-way results and all, among their neighbours, for both signs and targets."""
    logits = (np.float32(2.5) + np.arange(8, dtype=np.float32) * np.float32(2.0**-20)).astype(np.float64)
    keys = [(q, sign * x, target) for q in QUANTITIES for x in logits for sign in (1.0, -1.0) for target in (0, 1)]
    _plant(monkeypatch, dict.fromkeys(keys, _up))
    findings = _block(2.5)
    found = [(q, float.fromhex(x), target) for q in QUANTITIES for x, target, _ in findings[q].listed]
    assert sorted(found) == sorted(keys)
    assert all(0.5 < findings[q].worst <= 1.5 for q in QUANTITIES)


def test_a_near_tie_next_to_the_zero_is_measured_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    """φ'' at this logit is 3e-6 ULP from half-way; float64 alone, which carries the error of its terms, could not tell."""
    logit, got = float.fromhex("-0x1.651ff4p1"), float.fromhex("0x1.4495dap-15")
    _plant(monkeypatch, {("hess", logit, 1): lambda x: x * 0 + x.dtype.type(got)})
    hess = _block(-logit)["hess"]
    with mpmath.workdps(50):
        excess = float((got - oracle.sigmoid(logit, 1, 2).hess) / ulp.ulp(got, ulp.FORMATS["float32"]) - 0.5)
    assert [logit.hex(), 1, got.hex()] in hess.listed
    assert hess.counts["close"] > 0
    assert hess.worst - 0.5 == pytest.approx(excess, rel=1e-3)


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("nan", lambda x: x * np.nan),
        ("wrong_inf", lambda x: x * np.inf),
        ("flushed", lambda x: x * 0),
        ("beyond", lambda x: x * 1.001),
    ],
)
def test_kinds_of_wrong_results_are_told_apart(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str, change: Change
) -> None:
    """A NaN, an infinity, a zero for a normal number, and one past the bound: each is counted, and fails the scan."""
    _plant(monkeypatch, {(q, 0.75, 1): change for q in QUANTITIES})
    report = exhaustive.scan("float16", 2.0, state=tmp_path)
    assert [getattr(t, kind) for t in report.tallies] == [1, 1, 1]
    assert not report.passed


def test_a_number_for_nan_and_a_wrong_limit_are_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Infinite and NaN logits are judged too."""

    class Careless(Planted):
        def value_grad_hess(self, logits: Any, target: int) -> tuple[Any, ...]:
            results = super().value_grad_hess(logits, target)
            results[0][np.isnan(logits)] = 0
            results[1][np.isinf(logits)] = np.nan
            results[2][np.isinf(logits)] = np.inf
            return results

    monkeypatch.setattr(verdicts, "SigmoidFocalLoss", Careless)
    value, grad, hess = exhaustive.scan("float16", 2.0, state=tmp_path).tallies
    assert (value.nan, grad.nan, hess.nan) == (2 * 2 * 1023, 2 * 2, 0)
    assert (value.wrong_inf, grad.wrong_inf, hess.wrong_inf) == (0, 0, 2 * 2)


@pytest.mark.parametrize(("change", "beyond"), [(lambda x: x * x.dtype.type(3), 0), (lambda x: x * x.dtype.type(100), 1)])
def test_a_subnormal_probability_is_allowed_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, change: Change, beyond: int
) -> None:
    """φ'' is proportional to p: where p is subnormal, errors count in units of the smallest subnormal."""
    _plant(monkeypatch, {("hess", -92.0, 1): change})
    hess = exhaustive.scan("bfloat16", 2.0, state=tmp_path).tallies[2]
    assert (hess.wrong, hess.beyond) == (1, beyond)


def test_every_wrong_result_is_counted_though_not_listed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The list has an end, the count has none."""
    monkeypatch.setattr(verdicts, "LISTED", 3)
    _plant(monkeypatch, {("value", x, target): _up for x in (0.5, 0.75, 1.0, 1.25) for target in (0, 1)})
    value = exhaustive.scan("float16", 1.0, state=tmp_path).tallies[0]
    assert value.beyond == 8
    assert len(value.listed) == 3


NEAR_TIES: dict[tuple[str, float, int], Change] = {
    ("value", 0.1661376953125, 1): _up,
    ("grad", 0.142333984375, 1): lambda x: -_up(-x),
    ("hess", 0.1290283203125, 1): _up,
}
"""float16's logits, at γ = 0, whose results lie just before half-way, and the wrong side."""


def test_a_wrong_result_is_described_by_the_oracle(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Logit and results in hexadecimal, the exact one in decimals; error and distance to the boundary in ULP."""
    _plant(monkeypatch, NEAR_TIES)
    report = exhaustive.scan("float16", 0.0, state=tmp_path)
    first = report.tallies[0].listed[0]
    logit, got = float.fromhex(first.logit), float.fromhex(first.got)
    exact = oracle.sigmoid(logit, first.target, 0).value
    assert first.exact == mpmath.nstr(exact, 25)
    assert first.error == pytest.approx(float(abs(got - exact) / 2.0**-11), rel=1e-12)
    assert (logit, report.passed) == (0.1661376953125, True)
    assert first.to_boundary == pytest.approx(first.error - 0.5, rel=1e-9)
    assert 0 < first.to_boundary < 0.01


@pytest.mark.parametrize("first", [2.0**-149, 1e-38, 2.0**-24, 2.7877, 3.5, 34.5, 87.0, 103.0, 340.0, 1e30])
@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_float32_is_within_its_bound(first: float, gamma: float) -> None:
    """Also where φ'' is 0, where results are subnormal, and where they vanish."""
    for findings in _block(first, gamma=gamma).values():
        assert not any(findings.counts[name] for name in ("beyond", "nan", "wrong_inf", "flushed"))
        assert findings.unmirrored == 0


def test_float32_limits_are_exact() -> None:
    """The largest numbers, infinity and the first NaN."""
    for findings in _block(3.4028e38, 2**13).values():
        assert findings.counts["wrong"] == 0


# ---- what it is judged by ---------------------------------------------------------------------------------------------------


def _excess(m: float, gamma: float) -> float:
    """The largest error of the enclosures at ±m, in units of what they claim."""
    worst = 0.0
    for z, enclosed in zip((m, -m), enclosures.enclosures(np.asarray([m]), gamma), strict=True):
        exact = oracle.sigmoid(z, 1, gamma)
        for name, (centre, terms, radius) in zip(QUANTITIES, enclosed, strict=True):
            with mpmath.workdps(60):
                error = abs(mpmath.mpf(float(centre[0])) - getattr(exact, name)) / float(radius[0])
            assert radius[0] <= 2.0**-37 * terms[0] + enclosures.ABSOLUTE
            worst = max(worst, float(error))
    return worst


@pytest.mark.slow
@pytest.mark.parametrize("gamma", GAMMAS)
def test_the_claimed_error_bound_holds_on_a_grid(gamma: float) -> None:
    """With half of it to spare, wherever exp is reduced, lost or cut off, and at the zero of φ''."""
    reductions = [(k + 0.5) * math.log(2) for k in (0, 1, 2, 31, 497)]
    points = [0.0, 2.0**-149, 1e-20, 1e-8, 0.1, 1.0, 5.0, 20.0, 36.5, 87.4, 103.9, 344.9, 345.1, 1e4, 3e38, *reductions]
    if gamma:
        points += [abs(grids.curvature_zero(min(gamma, 100.0))), math.log1p(gamma), 2 * math.log1p(gamma)]
    for m in grids.neighbours(points, "float32", 1):
        assert _excess(abs(m), gamma) < 0.5


@pytest.mark.slow
@given(st.floats(0.0, 120.0, width=32), st.floats(0.0, 20.0))
@example(2.7876603603363037, 2.0)
def test_the_claimed_error_bound_holds_anywhere(m: float, gamma: float) -> None:
    """With half of it to spare."""
    assert _excess(m, gamma) < 0.5


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "relative"), [("float16", 2.0**-16), ("bfloat16", 2.0**-11)])
def test_the_oracle_gives_the_same_verdict(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, dtype: str, relative: float
) -> None:
    """With so wide a bound that thousands of results are left to it."""
    narrow = exhaustive.scan(dtype, 0.5, state=tmp_path / "narrow")
    monkeypatch.setattr(enclosures, "RELATIVE", relative)
    wide = exhaustive.scan(dtype, 0.5, state=tmp_path / "wide")
    assert all(t.close > 1000 for t in wide.tallies), [t.close for t in wide.tallies]
    for a, b in zip(narrow.tallies, wide.tallies, strict=True):
        assert (a.wrong, a.beyond, a.listed) == (b.wrong, b.beyond, b.listed)
        assert a.worst_ulp == pytest.approx(b.worst_ulp, rel=1e-9)


@pytest.mark.slow
@given(st.sampled_from(sorted(set(exhaustive.DTYPES))), st.floats(allow_nan=False), st.integers(-400, 400))
@example("bfloat16", 1.00390625 + 2.0**-40, 0)
@example("float32", 1.5 * 2.0**-149, 0)
def test_rounding_is_to_the_nearest(dtype: str, x: float, exponent: int) -> None:
    """Ties to even, subnormals, infinity past the largest; bfloat16 once, not by way of float32."""
    fmt = ulp.FORMATS[dtype]
    values = [x, math.ldexp(math.frexp(x)[0], exponent) if math.isfinite(x) else x]
    with np.errstate(all="ignore"):
        got = verdicts._rounded(np.asarray(values), fmt).astype(np.float64)
    assert got.tolist() == [ulp.nearest(v, fmt) if math.isfinite(v) else v for v in values]


# ---- interruption and state -------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def numpy_engine() -> Iterator[None]:
    """The scan is of NumPy's own results, of which it is known which few are not correctly rounded."""
    with fr.set_engine("numpy"):
        yield


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """float16 in 16 blocks, each in chunks; the starts of those that were judged."""
    monkeypatch.setattr(exhaustive, "BLOCK", 2**11)
    monkeypatch.setattr(verdicts, "CHUNK", 700)
    starts: list[int] = []
    judge = exhaustive.judged_block

    def judging(dtype: str, gamma: float, block: range, stopped: threading.Event) -> Any:
        starts.append(block.start)
        return judge(dtype, gamma, block, stopped)

    monkeypatch.setattr(exhaustive, "judged_block", judging)
    return starts


def _interrupted(folder: Path, blocks: int, **options: Any) -> None:
    def progress(done: int, total: int, what: str) -> None:
        assert total == 2**16
        if done == blocks * 2**12:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        exhaustive.scan("float16", 2.0, state=folder, progress=progress, **options)


@pytest.mark.parametrize("workers", [1, 2])
def test_an_interrupted_run_goes_on_where_it_was(tmp_path: Path, judged: list[int], workers: int) -> None:
    """Finished blocks are not judged again, and the report is that of one run."""
    whole = exhaustive.scan("float16", 2.0, state=tmp_path / "whole")
    assert sorted(judged) == list(range(0, 2**15, 2**11))
    for ended in (3, 11):
        _interrupted(tmp_path / "parts", ended, workers=workers)
    judged.clear()
    assert exhaustive.scan("float16", 2.0, state=tmp_path / "parts", workers=workers) == whole
    assert sorted(judged) == list(range(11 * 2**11, 2**15, 2**11))
    judged.clear()
    assert exhaustive.scan("float16", 2.0, state=tmp_path / "parts", workers=workers) == whole
    assert judged == []


def test_a_run_killed_while_saving_keeps_the_last_state(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, judged: list[int]
) -> None:
    """The file is replaced as a whole or not at all."""
    _interrupted(tmp_path, 4)

    def killed(source: Any, target: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(exhaustive.os, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            exhaustive.scan("float16", 2.0, state=tmp_path)
    judged.clear()
    exhaustive.scan("float16", 2.0, state=tmp_path)
    assert min(judged) == 4 * 2**11


def test_fresh_begins_anew(tmp_path: Path, judged: list[int]) -> None:
    """What was saved is discarded."""
    _interrupted(tmp_path, 8)
    judged.clear()
    exhaustive.scan("float16", 2.0, state=tmp_path, fresh=True)
    assert sorted(judged) == list(range(0, 2**15, 2**11))


@pytest.mark.slow
@pytest.mark.parametrize("change", ["code", "numpy", "gamma", "dtype", "block", "engine"])
def test_a_state_of_something_else_is_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, judged: list[int], change: str
) -> None:
    """Another version of the code or of NumPy, another γ, type or block: all blocks are judged."""
    _interrupted(tmp_path, 8)
    judged.clear()
    dtype, gamma = ("bfloat16" if change == "dtype" else "float16"), (2.5 if change == "gamma" else 2.0)
    if change == "code":
        monkeypatch.setattr(exhaustive, "_code", lambda: "0123456789abcdef")
    if change == "numpy":
        monkeypatch.setattr(np, "__version__", "0.0")
    if change == "engine":
        monkeypatch.setattr(exhaustive, "engine", lambda: "another")
    if change == "block":
        monkeypatch.setattr(exhaustive, "BLOCK", 2**12)
    exhaustive.scan(dtype, gamma, state=tmp_path)
    assert sorted(judged) == list(range(0, 2**15, exhaustive.BLOCK))


@pytest.mark.slow
def test_the_code_s_hash_changes_with_any_source(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever module of the package changes, what runs and what judges is another code."""
    sources = sorted(Path(focal_ref.__file__).parent.rglob("*.py"))
    assert len(sources) > 60
    hashes = {exhaustive._code()}
    read = Path.read_bytes
    for path in sources:
        with monkeypatch.context() as patch:
            patch.setattr(Path, "read_bytes", lambda self, path=path: read(self) + (b"#" if self == path else b""))
            hashes.add(exhaustive._code())
    assert len(hashes) == 1 + len(sources)


# bfloat16 at γ = 0.936 has two values that are not correctly rounded: there a rule decides.
SCAN = """
import sys, pathlib
from focal_ref.audit import scan
folder = pathlib.Path(sys.argv[1])
report = scan.scan("bfloat16", 0.936, state=folder)
assert scan._Run.opened("bfloat16", 0.936, folder, False).logits_done == report.logits
print(report.code, report.passed)
"""
REFUSED = """
import sys, pathlib
from focal_ref.audit import scan
package, folder = pathlib.Path(scan.__file__).parents[1], pathlib.Path(sys.argv[1])
assert package == pathlib.Path("focal_ref").resolve()  # the copy: it is written to
for path in sorted(package.rglob("*.py")):
    text = path.read_bytes()
    path.write_bytes(text + b"\\nbroken\\n")
    if scan._Run.opened("bfloat16", 0.936, folder, False).done:
        print("trusted with a broken", path.relative_to(package))
    path.write_bytes(text)
print(scan._Run.opened("bfloat16", 0.936, folder, False).done)
"""
BREAKS = {
    "conformance/contract.py": ("EXTENDED = 0.51", "EXTENDED = 0.0001"),  # another rule
    "mathematics/sigmoid.py": ("p, softplus = 1 / (1 + e), xp", "p, softplus = 1.001 / (1 + e), xp"),  # wrong digits
}


@pytest.mark.slow
def test_a_state_is_refused_after_a_change_of_any_module(tmp_path: Path) -> None:
    """In a copy of the package, run by processes of their own: with any module changed no block that was saved counts, and a
    rule or an operation that is broken is found out, though the whole scan had passed before.
    """
    package = tmp_path / "focal_ref"
    shutil.copytree(Path(focal_ref.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))

    def run(code: str) -> list[str]:
        command = [sys.executable, "-c", code, str(tmp_path / "state")]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path, env=_without_path())
        return done.stdout.split()

    code, passed = run(SCAN)
    assert passed == "True"
    assert run(REFUSED) == ["1"]
    for name, (line, broken) in BREAKS.items():
        text = (package / name).read_text(encoding="utf-8")
        assert text.count(line) == 1
        (package / name).write_text(text.replace(line, broken), encoding="utf-8")
        changed, passed = run(SCAN)
        assert (changed != code, passed) == (True, "False")
        (package / name).write_text(text, encoding="utf-8")


def _without_path() -> dict[str, str]:
    """The environment, so that the current directory's package is imported."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {
        "PYTHONDONTWRITEBYTECODE": "1",
        "FOCAL_REF_ENGINE": "numpy",
    }


def _lie(text: str) -> str:
    saved = json.loads(text)
    saved["content"]["done"] += 1
    return json.dumps(saved)


@pytest.mark.slow
@pytest.mark.parametrize(
    "damage",
    [lambda text: text[:-7], lambda text: "", lambda text: "[]", lambda text: "{}", lambda text: "\0" * len(text), _lie],
    ids=["cut off", "empty", "a list", "without content", "zeros", "a block too many"],
)
def test_a_damaged_state_is_never_trusted(tmp_path: Path, judged: list[int], damage: Callable[[str], str]) -> None:
    """All blocks are judged again."""
    _interrupted(tmp_path, 8)
    (file,) = tmp_path.glob("*.json")
    file.write_text(damage(file.read_text(encoding="utf-8")), encoding="utf-8")
    judged.clear()
    exhaustive.scan("float16", 2.0, state=tmp_path)
    assert sorted(judged) == list(range(0, 2**15, 2**11))


def test_the_number_of_workers_changes_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, judged: list[int]) -> None:
    """The same report, in the same order."""
    _plant(monkeypatch, NEAR_TIES)
    one, two = (exhaustive.scan("float16", 0.0, state=tmp_path / str(n), workers=n) for n in (1, 2))
    assert one == two
    assert one.tallies[0].listed


def test_the_state_lies_in_the_user_s_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """$XDG_CACHE_HOME/focal_ref, else ~/.cache/focal_ref."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    exhaustive.scan("float16", 1.0)
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    exhaustive.scan("float16", 1.0)
    for folder in ("cache", ".cache"):
        assert [path.name for path in (tmp_path / folder / "focal_ref").iterdir()] == ["exhaustive-float16-1.0.json"]


def test_progress_is_told(tmp_path: Path, judged: list[int]) -> None:
    """From 0 to all logits, never backwards."""
    told: list[tuple[int, int, str]] = []
    exhaustive.scan("float16", 2.0, state=tmp_path, progress=lambda *step: told.append(step))
    assert told == [(4096 * k, 65536, "float16 γ = 2") for k in range(17)]


# ---- arguments and report ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("float64", 2.0), ValueError, r"^dtype: got 'float64'; expected one of 'float16', 'bfloat16', 'float32'"),
        (("float16", -1.0), ValueError, r"^gamma: got -1.0; expected a number in \[0, 2\^64\]"),
        (("float16", math.nan), ValueError, "^gamma: got nan"),
        (("float16", 1e30), ValueError, r"^gamma: got 1e\+30"),
        (("float16", "2"), TypeError, "^gamma: got '2'"),
        (("float16", 2.0, 0), ValueError, "^workers: got 0; expected a positive integer"),
        (("float16", 2.0, 1.5), TypeError, "^workers: got 1.5; expected an integer"),
    ],
)
def test_wrong_arguments_are_refused(tmp_path: Path, arguments: tuple[Any, ...], error: type[Exception], message: str) -> None:
    """By name, with what came and what is accepted."""
    dtype, gamma, *rest = arguments
    with pytest.raises(error, match=message):
        exhaustive.scan(dtype, gamma, state=tmp_path, workers=rest[0] if rest else None)


def test_the_report_is_plain_data_and_readable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """JSON takes it; its text has the counts and every listed result."""
    _plant(monkeypatch, NEAR_TIES)
    report = exhaustive.scan("float16", 0.0, state=tmp_path)
    data = json.loads(json.dumps(report.to_dict()))
    assert data["passed"] is True
    assert [t["quantity"] for t in data["tallies"]] == list(QUANTITIES)
    text = str(report)
    assert "65,536 logits, both targets" in text
    for tally in report.tallies:
        assert tally.wrong == len(tally.listed) > 0
        assert f"{tally.quantity}({tally.listed[0].logit}, 1) = {tally.listed[0].got}" in text

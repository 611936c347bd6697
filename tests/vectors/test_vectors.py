"""The test vectors: exact, complete, the same bytes whoever makes them, and readable without Python."""

from __future__ import annotations

import argparse
import copy
import functools
import itertools
import json
import math
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest
from hatchling.builders.wheel import WheelBuilder

import focal_ref as fr
from focal_ref import oracle, vectors
from focal_ref.commands import vectors as command_vectors
from focal_ref.commands.parser import Parser, Wrong
from focal_ref.conformance import grids, ulp
from focal_ref.libraries import backends
from focal_ref.oracle import flint as balls
from focal_ref.vectors import cases as vector_cases
from focal_ref.vectors import flags as vector_flags

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "focal_ref" / "data" / "vectors"
FILES = list(itertools.product(vectors.LINKS, vectors.DTYPES))
IDS = ["-".join(file) for file in FILES]
LARGEST_SET = 1_500_000

every_file = pytest.mark.parametrize(("link", "dtype"), FILES, ids=IDS)


def _data(link: str, dtype: str) -> Any:
    return json.loads((DATA / vectors.name(link, dtype)).read_text(encoding="ascii"))


# ---- the same bytes ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@every_file
@pytest.mark.parametrize("flint", [True, False], ids=["with flint", "without"])
def test_made_anew_the_files_are_the_same(link: str, dtype: str, flint: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Byte by byte, whether python-flint or mpmath makes them."""
    assert balls.available()
    if not flint:
        monkeypatch.setattr(balls, "available", lambda: False)
    assert vectors.text(link, dtype).encode("ascii") == (DATA / vectors.name(link, dtype)).read_bytes()


def test_write_makes_every_file_and_nothing_else(tmp_path: Path) -> None:
    """A directory is made; it holds what the package holds."""
    paths = vectors.write(tmp_path / "a" / "b")
    assert sorted(path.name for path in paths) == sorted(path.name for path in (tmp_path / "a" / "b").iterdir())
    assert {path.name: path.read_bytes() for path in paths} == {path.name: path.read_bytes() for path in DATA.iterdir()}


def test_the_whole_set_is_small() -> None:
    """It travels with every installation."""
    assert sum(path.stat().st_size for path in DATA.iterdir()) < LARGEST_SET


def test_the_wheel_has_the_files(tmp_path: Path) -> None:
    """An installed package has them too."""
    import zipfile

    (path,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    names = set(zipfile.ZipFile(path).namelist())
    assert {f"focal_ref/data/vectors/{file.name}" for file in DATA.iterdir()} <= names


# ---- exact ------------------------------------------------------------------------------------------------------------------


def _results(case: vectors.Case) -> Iterator[tuple[float, str]]:
    """Every number of a case, rounded and in decimals."""
    for quantity in vectors.QUANTITIES:
        got, text = getattr(case, quantity), case.decimals[quantity]
        yield from zip(got, text, strict=True) if isinstance(got, tuple) else [(got, text)]


@every_file
def test_hexadecimal_and_decimal_agree(link: str, dtype: str) -> None:
    """The hexadecimal number is the decimal one rounded to the type once; 40 digits are enough for that, but for exact ties."""
    fmt, count = ulp.FORMATS[dtype], 0
    with mpmath.workdps(60):
        for case in vectors.load(link, dtype).cases:
            for got, text in _results(case):
                count += 1
                if math.isfinite(float(text)) or "e" in text:
                    exact = mpmath.mpf(text)
                    close = {ulp.nearest(exact * (1 + side * mpmath.mpf(10) ** -39), fmt) for side in (-1, 0, 1)}
                    assert got in close, case.id
                    assert len(close) == 1 or got == exact or got == ulp.nearest(exact, fmt), case.id
                else:
                    assert got == float(text) or (math.isnan(got) and text == "nan"), case.id
    assert count > 700


@every_file
def test_the_decimals_are_the_oracle_s(link: str, dtype: str) -> None:
    """Asked anew, one case at a time, at another precision, the oracle says the same to 39 digits."""
    for case in vectors.load(link, dtype).cases[::7]:
        if case.target == vector_cases.IGNORE_INDEX:
            continue
        how = {"soft_targets": case.soft_targets} if link == "sigmoid" and case.soft_targets else {}
        result = getattr(oracle, link)(case.logits, case.target, case.gamma, case.alpha, 80, **how)
        for quantity in vectors.QUANTITIES:
            exact, texts = getattr(result, quantity), case.decimals[quantity]
            for value, text in zip(exact, texts, strict=True) if isinstance(texts, list) else [(exact, texts)]:
                with mpmath.workdps(90):
                    if mpmath.isfinite(value):
                        assert abs(mpmath.mpf(text) - value) <= abs(value) * mpmath.mpf(10) ** -39, case.id
                    else:
                        assert text == str(float(value)), case.id


@pytest.mark.slow
@every_file
def test_no_result_lies_near_a_tie_without_being_one(link: str, dtype: str) -> None:
    """Sixty digits decide every rounding: a thousandth of the smallest share that they tell apart changes none."""
    fmt = ulp.FORMATS[dtype]
    make = vector_cases.sigmoid if link == "sigmoid" else vector_cases.softmax
    cases = [case for case in make(dtype) if case.target != vector_cases.IGNORE_INDEX]
    with mpmath.workdps(80):
        for case in cases:
            how = {"soft_targets": case.soft_targets} if link == "sigmoid" and case.soft_targets else {}
            result = getattr(oracle, link)(case.logits, case.target, case.gamma, case.alpha, 60, **how)
            for value in [result.value, *np.ravel(np.asarray([result.grad, result.hess], dtype=object))]:
                if mpmath.isfinite(value):
                    around = [ulp.nearest(value * (1 + side * mpmath.mpf(10) ** -50), fmt) for side in (-1, 1)]
                    assert around[0] == around[1], case


# ---- right about this package -----------------------------------------------------------------------------------------------


def _loss(case: vectors.Case) -> Any:
    if isinstance(case.logits, float):
        formula: Any = case.soft_targets or "mix"
        return fr.SigmoidFocalLoss(gamma=case.gamma, alpha=case.alpha, soft_targets=formula)
    ignored = None if case.soft_targets else vector_cases.IGNORE_INDEX
    return fr.SoftmaxFocalLoss(gamma=case.gamma, alpha=case.alpha, ignore_index=ignored)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
@pytest.mark.parametrize("link", vectors.LINKS)
def test_focal_ref_s_losses_pass(link: str, dtype: str) -> None:
    """In extended precision values and gradients are within 0.51 ULP of every vector's decimals, and nearly all equal it."""
    numpy, fmt, numbers, off = backends.get("numpy"), ulp.FORMATS[dtype], 0, 0
    for case in vectors.load(link, dtype).cases:
        logits = numpy.asarray(np.asarray(case.logits), dtype)
        target = np.asarray(case.target) if isinstance(case.target, int) else numpy.asarray(np.asarray(case.target), dtype)
        for quantity, result in zip(("value", "grad"), _loss(case).value_and_grad(logits, target), strict=True):
            got, exact = numpy.to_numpy(result).ravel(), np.ravel(np.asarray(case.decimals[quantity], dtype=np.float64))
            assert np.all(ulp.errors(got, exact, np.zeros_like(exact), fmt) <= 0.51), case.id
            numbers += got.size
            off += int(np.sum(ulp.errors(got, np.ravel(getattr(case, quantity)), np.zeros_like(exact), fmt) > 0))
    assert off <= numbers * 2e-3, (off, numbers)


# ---- the cases reach what they are for --------------------------------------------------------------------------------------


@every_file
def test_every_flag_has_cases(link: str, dtype: str) -> None:
    """Each flag that can hold for a link holds for two cases at least, and is explained once."""
    found = vectors.load(link, dtype)
    other = {"sigmoid": {"tie", "10 classes", "ignored", "overflow"}, "softmax": {"negative"}}[link]
    assert set(found.flags) == set(vector_flags.FLAGS) - other
    for flag, entry in found.flags.items():
        assert entry == {"kind": vector_flags.FLAGS[flag].kind, "description": vector_flags.FLAGS[flag].description}
        assert sum(flag in case.flags for case in found.cases) >= 2, flag
    assert {flag for case in found.cases for flag in case.flags} == set(found.flags)


@every_file
def test_every_logit_is_of_the_type_and_no_case_stands_twice(link: str, dtype: str) -> None:
    """Logits are exact in the type, γ, α and targets in every type; ids and inputs are unique."""
    cases = vectors.load(link, dtype).cases
    for case in cases:
        logits = np.ravel(case.logits)
        np.testing.assert_array_equal(grids.rounded(logits, dtype), logits)
        others = np.asarray([*np.ravel(case.target), case.gamma, *np.ravel([] if case.alpha is None else case.alpha)])
        for narrow in ("float16", "bfloat16"):
            np.testing.assert_array_equal(grids.rounded(others, narrow), others)
    assert len({case.id for case in cases}) == len(cases)
    inputs = {repr(case[2:7]) for case in cases}
    assert len(inputs) == len(cases)


Mutant = Callable[[float, float, float], float]

MUTANTS: dict[str, Mutant] = {
    "1 - p": lambda z, g, t: -((1 - 1 / (1 + math.exp(-z))) ** g) * math.log(1 / (1 + math.exp(-z))),
    "log(p + eps)": lambda z, g, t: (1 / (1 + math.exp(z))) ** g * -math.log(1 / (1 + math.exp(-z)) + 1e-12),
    "clipped at 1e-7": lambda z, g, t: _clipped(1 / (1 + math.exp(-z)), g),
    "gamma + 1": lambda z, g, t: _right(z, g + 1),
    "times gamma": lambda z, g, t: g * _right(z, 1),
    "modulator of the other class": lambda z, g, t: (1 / (1 + math.exp(-z))) ** g * _right(z, 0),
    "sign of negatives": lambda z, g, t: _right(z if t else -z, g),
    "log(1 + exp)": lambda z, g, t: (1 / (1 + math.exp(z))) ** g * math.log(1 + math.exp(-z)),
}


def _clipped(p: float, gamma: float) -> float:
    p = min(max(p, 1e-7), 1 - 1e-7)
    return -((1 - p) ** gamma) * math.log(p)


def _right(z: float, gamma: float) -> float:
    u = 1 / (1 + math.exp(z)) if z < 0 else math.exp(-z) / (1 + math.exp(-z))
    return u**gamma * (math.log1p(math.exp(-abs(z))) + max(-z, 0.0))


def _wrong_cases(loss: Callable[[float, float, float], float]) -> int:
    """How many of the hard float64 sigmoid vectors a loss of margin, γ and target fails, by more than 4 + 2 γ ULP."""
    wrong = 0
    for case in vectors.load("sigmoid", "float64").cases:
        if case.soft_targets or case.alpha is not None or not math.isfinite(case.logits):
            continue
        try:
            got = loss(case.logits if case.target else -case.logits, case.gamma, case.target)
        except (OverflowError, ValueError, ZeroDivisionError):
            got = math.nan
        error = ulp.errors([got], [case.value], [0.0], ulp.FORMATS["float64"])[0]
        wrong += bool(error > 4 + 2 * case.gamma)
    return wrong


@pytest.mark.parametrize("mutant", MUTANTS.values(), ids=MUTANTS)
def test_wrong_losses_are_found(mutant: Mutant) -> None:
    """Each mistake fails ten vectors or more."""
    assert _wrong_cases(mutant) >= 10


def test_a_right_loss_is_not_found_wrong() -> None:
    """The loss that the mutants are made from passes, where math.exp does not raise."""
    assert _wrong_cases(lambda z, g, t: _right(max(min(z, 800.0), -1e308), g) if abs(z) < 700 else _far(z, g)) == 0


def _far(z: float, gamma: float) -> float:
    return -z if z < 0 else math.exp(-z) ** gamma * math.exp(-z)


# ---- the schema -------------------------------------------------------------------------------------------------------------


SCHEMA = vectors.schema()


def _violations(schema: Any, value: Any, at: str = "$") -> Iterator[str]:
    """JSON Schema, as much of it as ours uses; a keyword that is not known is an error, so that none is passed over."""
    if isinstance(schema, bool):
        yield from () if schema else [f"{at}: nothing is allowed here"]
        return
    for keyword, rule in schema.items():
        yield from RULES[keyword](schema, rule, value, at)


def _valid(schema: Any, value: Any) -> bool:
    return not list(_violations(schema, value))


TYPES: dict[str, Any] = {"object": dict, "array": list, "string": str, "null": type(None), "integer": int}


def _of_type(rule: str, value: Any) -> bool:
    return isinstance(value, TYPES[rule]) and not isinstance(value, bool)


def _properties(schema: Any, rule: Any, value: Any, at: str) -> Iterator[str]:
    for key, inner in rule.items():
        if isinstance(value, dict) and key in value:
            yield from _violations(inner, value[key], f"{at}.{key}")


def _additional(schema: Any, rule: Any, value: Any, at: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key in set(value) - set(schema.get("properties", {})):
            yield from _violations(rule, value[key], f"{at}.{key}")


def _items(schema: Any, rule: Any, value: Any, at: str) -> Iterator[str]:
    if isinstance(value, list):
        for i, entry in enumerate(value):
            yield from _violations(rule, entry, f"{at}[{i}]")


def _branch(schema: Any, rule: Any, value: Any, at: str) -> Iterator[str]:
    yield from _violations(schema["then" if _valid(rule, value) else "else"], value, at)


def _ref(schema: Any, rule: str, value: Any, at: str) -> Iterator[str]:
    return _violations(SCHEMA["$defs"][rule.removeprefix("#/$defs/")], value, at)


def _test(holds: Callable[[Any, Any], bool]) -> Callable[..., Iterator[str]]:
    def check(schema: Any, rule: Any, value: Any, at: str) -> Iterator[str]:
        if not holds(rule, value):
            yield f"{at}: {value!r} against {rule!r}"

    return check


def _no(schema: Any, rule: Any, value: Any, at: str) -> Iterator[str]:
    return iter(())


RULES: dict[str, Callable[..., Iterator[str]]] = {
    "$schema": _no,
    "$defs": _no,
    "title": _no,
    "then": _no,
    "else": _no,
    "if": _branch,
    "$ref": _ref,
    "properties": _properties,
    "additionalProperties": _additional,
    "items": _items,
    "type": _test(_of_type),
    "const": _test(lambda rule, v: type(v) is type(rule) and v == rule),
    "enum": _test(lambda rule, v: v in rule),
    "required": _test(lambda rule, v: not isinstance(v, dict) or set(rule) <= set(v)),
    "pattern": _test(lambda rule, v: not isinstance(v, str) or re.search(rule, v) is not None),
    "minItems": _test(lambda rule, v: not isinstance(v, list) or len(v) >= rule),
    "minProperties": _test(lambda rule, v: not isinstance(v, dict) or len(v) >= rule),
    "minimum": _test(lambda rule, v: not isinstance(v, int) or v >= rule),
    "uniqueItems": _test(lambda rule, v: not isinstance(v, list) or len({json.dumps(e) for e in v}) == len(v)),
    "anyOf": _test(lambda rule, v: any(_valid(inner, v) for inner in rule)),
}


@every_file
def test_the_files_follow_the_schema(link: str, dtype: str) -> None:
    """Every file, to the last case; also what no schema can say: as many results as logits, and ids of the file's own."""
    data = _data(link, dtype)
    assert list(_violations(SCHEMA, data)) == []
    assert (data["link"], data["dtype"], data["version"]) == (link, dtype, vectors.VERSION)
    for i, case in enumerate(data["cases"]):
        assert case["id"] == f"{link}-{dtype}-{i:03}"
        assert set(case["flags"]) <= set(data["flags"])
        for quantity in ("grad", "hess") if link == "softmax" else ():
            assert len(case[quantity]["hex"]) == len(case[quantity]["decimal"]) == len(case["logits"])


SPOILT: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "another version": ("sigmoid", lambda d: d.update(version=2)),
    "a number as a number": ("sigmoid", lambda d: d["cases"][3].update(gamma=2.0)),
    "a decimal for a hexadecimal": ("sigmoid", lambda d: d["cases"][3]["value"].update(hex="0.25")),
    "a digit for a hexadecimal": ("sigmoid", lambda d: d["cases"][3]["value"].update(hex="3")),
    "an unknown key of the file": ("sigmoid", lambda d: d.update(author="")),
    "a negative gamma": ("sigmoid", lambda d: d["cases"][3].update(gamma="-0x1p+0")),
    "no gradient": ("softmax", lambda d: d["cases"][3].pop("grad")),
    "an unknown key": ("softmax", lambda d: d["cases"][3].update(hint="")),
    "an unknown formula": ("sigmoid", lambda d: d["cases"][3].update(soft_targets="margin")),
    "a sigmoid's case in a softmax file": ("softmax", lambda d: d["cases"].append(_data("sigmoid", "float64")["cases"][0])),
    "ignore_index in a sigmoid file": ("sigmoid", lambda d: d.update(ignore_index=-100)),
    "no ignore_index": ("softmax", lambda d: d.pop("ignore_index")),
    "no kind": ("softmax", lambda d: d["flags"]["tie"].pop("kind")),
    "a flag twice": ("softmax", lambda d: d["cases"][3].update(flags=["tie", "tie"])),
    "one class": ("softmax", lambda d: d["cases"][3].update(logits=["0x1p+0"])),
    "no cases": ("softmax", lambda d: d.update(cases=[])),
}


@pytest.mark.parametrize(("link", "spoil"), SPOILT.values(), ids=SPOILT)
def test_the_schema_is_strict(link: str, spoil: Callable[[Any], Any]) -> None:
    """A file with one mistake does not follow it."""
    data = copy.deepcopy(_data(link, "float64"))
    spoil(data)
    assert list(_violations(SCHEMA, data))


# ---- reading ----------------------------------------------------------------------------------------------------------------


def test_load_gives_numbers() -> None:
    """Text becomes float, a class stays an integer, null None, and rows tuples."""
    cases = vectors.load("softmax", "float32").cases
    kinds = {type(case.target) for case in cases}
    assert kinds == {int, tuple}
    assert {type(case.alpha) for case in cases} == {type(None), float, tuple}
    assert all(isinstance(x, float) for case in cases for x in (*case.logits, *case.grad, *case.hess, case.value, case.gamma))
    assert {type(case.logits) for case in vectors.load("sigmoid", "float32").cases} == {float}


@pytest.mark.parametrize(("link", "dtype", "named"), [("probit", "float32", "link"), ("sigmoid", "float128", "dtype")])
def test_what_is_not_there_is_refused(link: str, dtype: str, named: str) -> None:
    """By name, with what there is."""
    for function in (vectors.load, vectors.name, vectors.text):
        with pytest.raises(ValueError, match=rf"^{named}: got '{link if named == 'link' else dtype}'; expected one of"):
            function(link, dtype)


# ---- the command ------------------------------------------------------------------------------------------------------------


def _command(*words: str) -> int:
    parser = Parser(prog="focal-ref")
    command_vectors.add(parser.add_subparsers())
    arguments: argparse.Namespace = parser.parse_args(["vectors", *words])
    return int(arguments.run(arguments))


def test_the_command_lists(capsys: pytest.CaptureFixture[str]) -> None:
    """A table in lines that fit a terminal; as JSON, the same counts."""
    assert _command() == 0
    table = capsys.readouterr().out.splitlines()
    assert _command("--json") == 0
    data = json.loads(capsys.readouterr().out)
    assert max(map(len, table)) <= 100
    assert [file["file"] for file in data["files"]] == [vectors.name(*file) for file in FILES]
    counts = [str(file["cases"]) for file in data["files"]]
    rows = [line.split()[2:] for line in table if line.startswith("  all cases")]
    assert rows == [counts[:4], counts[4:]]
    ties = [file["flags"]["tie"] for file in data["files"][4:]]
    assert [line.split()[1:] for line in table if line.startswith("  tie")] == [[str(n) for n in ties]]


def test_the_command_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--write` says what it wrote; where it cannot, it says so in a line that names the option."""
    assert _command("--write", str(tmp_path / "v"), "--json") == 0
    written = json.loads(capsys.readouterr().out)["written"]
    assert sorted(written) == sorted(str(path) for path in (tmp_path / "v").iterdir())
    (tmp_path / "file").write_text("")
    with pytest.raises(Wrong, match=r"^argument --write: got .*file; expected a directory to write to"):
        _command("--write", str(tmp_path / "file"))


# ---- C ----------------------------------------------------------------------------------------------------------------------

COMPILER = shutil.which("cc")
in_c = pytest.mark.skipif(COMPILER is None, reason="no C compiler")


@functools.cache
def _source() -> str:
    return (ROOT / "docs" / "check_vectors.c").read_text(encoding="ascii")


def _run_c(folder: Path, source: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "check.c").write_text(source, encoding="ascii")
    strict = ["-std=c99", "-O2", "-Wall", "-Wextra", "-Werror"]
    subprocess.run([str(COMPILER), *strict, "check.c", "-lm", "-o", "check"], cwd=folder, check=True)
    return subprocess.run([str(folder / "check"), *arguments], capture_output=True, text=True, check=False)


@in_c
def test_a_c_program_reads_and_checks_them(tmp_path: Path) -> None:
    """docs/check_vectors.c reads every hard case of sigmoid-float64.json, and finds its own loss right."""
    done = _run_c(tmp_path, _source(), str(DATA / "sigmoid-float64.json"))
    cases = vectors.load("sigmoid", "float64").cases
    soft = sum(case.soft_targets is not None for case in cases)
    assert done.stdout == f"{len(cases) - soft} cases checked, 0 wrong; {soft} with soft targets left out\n"
    assert done.returncode == 0
    assert done.stdout in (ROOT / "docs" / "vectors.md").read_text(encoding="utf-8")


C_MUTANTS = {
    "log(1 + e)": ("log1p(e)", "log(1 + e)"),
    "1 - p": ("u = z < 0 ? large : small", "u = 1 - p"),
    "sign": ("-sign * modulator", "-modulator"),
    "gamma - 1 in the gradient": ("(p > 0 ? p * nll : 0) + u", "p * nll / u + u * 0 + 1) * (u"),
    "alpha swapped": ("y == 1 ? alpha : 1 - alpha", "y == 0 ? alpha : 1 - alpha"),
    "no NaN": ("if (isnan(x)) *value = *grad = NAN;", "if (isnan(x)) *value = *grad = 0;"),
    "no limit": ("(p > 0 ? p * nll : 0)", "p * nll"),
    "a last bit or two of the gradient": ("-sign * modulator", "-sign * (1 + 1e-14) * modulator"),
}


@in_c
@pytest.mark.parametrize("change", C_MUTANTS.values(), ids=C_MUTANTS)
def test_the_c_program_reports_a_wrong_loss(change: tuple[str, str], tmp_path: Path) -> None:
    """With one mistake in its loss it names cases, and its exit status is 1."""
    assert _source().count(change[0]) == 1
    done = _run_c(tmp_path, _source().replace(*change), str(DATA / "sigmoid-float64.json"))
    assert done.returncode == 1, done.stdout
    assert re.search(r"^sigmoid-float64-\d{3}: \S+ ULP in the value, \S+ in the gradient; at most", done.stdout)
    assert not re.search(r" 0 wrong;", done.stdout)


@in_c
def test_the_c_program_needs_vectors(tmp_path: Path) -> None:
    """No file, or one without cases, is not a pass: status 2."""
    for arguments in ((), (str(tmp_path / "none.json"),), (str(DATA / "schema.json"),)):
        assert _run_c(tmp_path, _source(), *arguments).returncode == 2

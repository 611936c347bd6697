"""The test vectors: exact, complete, and the same bytes whoever makes them."""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
from collections.abc import Iterator
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
from focal_ref.vectors import exact, files
from focal_ref.vectors import flags as vector_flags
from tests.vectors.where import DATA, FILES, ROOT, every_file

LARGEST_SET = 2_200_000


# ---- the same bytes ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(("link", "dtype"), [("sigmoid", "bfloat16"), ("softmax", "float64")])
def test_mpmath_makes_the_same_file(link: str, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Byte by byte, without python-flint."""
    monkeypatch.setattr(balls, "available", lambda: False)
    assert vectors.text(link, dtype).encode("ascii") == (DATA / vectors.name(link, dtype)).read_bytes()


@pytest.mark.slow
def test_write_makes_every_file_and_nothing_else(tmp_path: Path) -> None:
    """A directory is made; it holds what the package holds, byte by byte."""
    assert balls.available()
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
    """Every number of a case, rounded and in decimals, each once."""
    for quantity in vectors.QUANTITIES:
        got, text = getattr(case, quantity), case.decimals[quantity]
        yield from dict.fromkeys(zip(got, text, strict=True)) if isinstance(got, tuple) else [(got, text)]


@pytest.mark.slow
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


@pytest.mark.slow
@every_file
def test_the_decimals_are_the_oracle_s(link: str, dtype: str) -> None:
    """Asked anew, one case at a time, at another precision, the oracle says the same to 39 digits."""
    for case in vectors.load(link, dtype).cases[::7]:
        if case.target == vector_cases.IGNORE_INDEX or case.weight == 0:
            continue
        how = {"soft_targets": case.soft_targets} if link == "sigmoid" and case.soft_targets else {}
        result = getattr(oracle, link)(case.logits, case.target, case.gamma, case.alpha, 80, **how)
        for quantity in vectors.QUANTITIES:
            exact, texts = getattr(result, quantity), case.decimals[quantity]
            pairs = zip(exact, texts, strict=True) if isinstance(texts, list) else [(exact, texts)]
            with mpmath.workdps(90):
                for value, text in pairs:
                    due = value * (1 if case.weight is None else mpmath.mpf(case.weight))
                    if mpmath.isfinite(due):
                        assert abs(mpmath.mpf(text) - due) <= abs(due) * mpmath.mpf(10) ** -39, case.id
                    else:
                        assert text == str(float(due)), case.id


@pytest.mark.slow
@every_file
def test_no_result_lies_near_a_tie_without_being_one(link: str, dtype: str) -> None:
    """Sixty digits decide every rounding: a thousandth of the smallest share that they tell apart changes none."""
    fmt = ulp.FORMATS[dtype]
    cases = (vector_cases.sigmoid if link == "sigmoid" else vector_cases.softmax)(dtype)
    with mpmath.workdps(80):
        for case, found in zip(cases, exact.results(cases), strict=True):
            flat = [found["value"], *np.ravel(np.asarray([found["grad"], found["hess"]], dtype=object))]
            for value in {str(value): value for value in flat if mpmath.isfinite(value)}.values():
                around = [ulp.nearest(value * (1 + side * mpmath.mpf(10) ** -50), fmt) for side in (-1, 1)]
                assert around[0] == around[1], case


@every_file
def test_terms_are_what_cancels_and_slack_is_below_the_normal_numbers(link: str, dtype: str) -> None:
    """Where terms are told, one is larger than its result; none is smaller; slack is a few units of the smallest number."""
    fmt, told, forgiven = ulp.FORMATS[dtype], 0, 0
    for case in vectors.load(link, dtype).cases:
        for quantity, terms in case.terms.items():
            own, sizes = np.abs(np.ravel(getattr(case, quantity))), np.ravel(np.asarray(terms))
            told += 1
            assert np.any(sizes > own), case.id
            assert np.all((sizes >= own) | np.isnan(own)), case.id
        forgiven += case.slack > 0
        assert 0 <= case.slack <= fmt.smallest * 2.0**20, case.id
        ordinary = all(abs(x) >= fmt.tiny for x, _ in _results(case) if x) and np.max(np.abs(case.logits)) < 8
        assert not (case.slack and ordinary and case.soft_targets is None and case.gamma < 5), case.id
    assert told > 100
    assert forgiven > 50


# ---- other members of the family --------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("kernel", sorted(set(fr.family.KERNELS) - {"focal"}))
@pytest.mark.parametrize("link", vectors.LINKS)
def test_another_member_of_the_family_has_vectors(
    link: str, kernel: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its name and parameters stand in the file, and this package's own loss agrees with the cases (here every seventh)."""
    of_kernel = vector_cases.of_kernel
    monkeypatch.setattr(vector_cases, "of_kernel", lambda cases, *how: of_kernel(cases, *how)[::7])
    (tmp_path / "a.json").write_text(files.text(link, "float64", kernel), encoding="ascii")
    found, member = vectors.read(tmp_path / "a.json"), fr.family.KERNELS[kernel]
    assert (found.kernel, found.link, found.dtype) == (kernel, link, "float64")
    make: Any = fr.SigmoidLoss if link == "sigmoid" else fr.SoftmaxLoss
    # γ alone has nine values, of which a seventh of the cases leaves seven.
    assert len({tuple(case.parameters.items()) for case in found.cases}) > (6 if set(member.parameters) == {"gamma"} else 10)
    for case in found.cases:
        assert set(case.parameters) == set(member.parameters)
        ignored = {} if case.soft_targets else {"ignore_index": -100}
        soft = {"soft_targets": "expected"} if link == "sigmoid" else {}
        loss = make(member(**case.parameters), alpha=case.alpha, **soft, **ignored)
        weight = None if case.weight is None else np.asarray(case.weight)
        results = loss.value_grad_hess(np.asarray(case.logits), np.asarray(case.target), weight=weight)
        for quantity, result in zip(vectors.QUANTITIES, results, strict=True):
            largest = vectors.bound(link, quantity, max(case.parameters.values()))
            assert vectors.error(case, quantity, result, "float64") <= largest, (case.id, quantity)


def test_a_member_that_is_not_there_is_refused() -> None:
    """By name, with those that there are."""
    with pytest.raises(ValueError, match=r"^kernel: got 'poly9'; expected one of"):
        files.text("sigmoid", "float64", "poly9")


# ---- batches ----------------------------------------------------------------------------------------------------------------


@every_file
def test_batches_are_of_one_kind_and_add_up(link: str, dtype: str) -> None:
    """A batch's cases have one γ, one α and one number of classes; its mean is the sum over those that are not ignored."""
    found = vectors.load(link, dtype)
    fmt, sizes, shapes = ulp.FORMATS[dtype], set(), set()
    for group in found.groups:
        cases = [found.cases[i] for i in group.cases]
        assert math.prod(group.shape) == len(cases)
        assert len({(case.gamma, case.alpha, case.soft_targets, np.size(case.logits)) for case in cases}) == 1
        assert group.kept == sum(case.target != vector_cases.IGNORE_INDEX for case in cases)
        assert vectors.batch(found, group).targets.shape == group.shape
        with mpmath.workdps(50):
            total = mpmath.fsum(mpmath.mpf(case.decimals["value"]) for case in cases)
            for got, text, due in ((group.sum, "sum", total), (group.mean, "mean", total / group.kept)):
                assert repr(got) == repr(ulp.nearest(due, fmt)), group.id
                same = abs(mpmath.mpf(group.decimals[text]) - due) <= abs(due) * mpmath.mpf(10) ** -37
                assert same or group.decimals[text] == str(float(due)), group.id
        sizes.add(len(cases))
        shapes.add((len(group.shape), group.axis))
    assert {1, 2, 3, 31, 33, 129, 257, 1025} <= sizes
    assert shapes >= ({(1, None), (2, None)} if link == "sigmoid" else {(1, 1), (1, 0), (2, 2), (3, 1)})
    assert any(case.weight == 0 for group in found.groups for case in (found.cases[i] for i in group.cases))
    assert any(math.isnan(group.sum) for group in found.groups)


# ---- right about this package -----------------------------------------------------------------------------------------------


def _loss(case: vectors.Case) -> Any:
    if isinstance(case.logits, float):
        formula: Any = case.soft_targets or "mix"
        ignored = None if case.soft_targets else vector_cases.IGNORE_INDEX
        return fr.SigmoidFocalLoss(gamma=case.gamma, alpha=case.alpha, soft_targets=formula, ignore_index=ignored)
    ignored = None if case.soft_targets else vector_cases.IGNORE_INDEX
    return fr.SoftmaxFocalLoss(gamma=case.gamma, alpha=case.alpha, ignore_index=ignored)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("link", vectors.LINKS)
def test_focal_ref_s_losses_pass(link: str, dtype: str) -> None:
    """Values and gradients are within 0.51 ULP of every vector's decimals, and nearly all equal it; float64 in its bound."""
    numpy, fmt, numbers, off = backends.get("numpy"), ulp.FORMATS[dtype], 0, 0
    wide = dtype == "float64"
    with fr.set_engine("numpy"):
        for case in vectors.load(link, dtype).cases:
            logits = numpy.asarray(np.asarray(case.logits), dtype)
            target = np.asarray(case.target) if isinstance(case.target, int) else numpy.asarray(np.asarray(case.target), dtype)
            weight = None if case.weight is None else numpy.asarray(np.asarray(case.weight), dtype)
            results = _loss(case).value_grad_hess(logits, target, weight=weight)
            for quantity, result in zip(vectors.QUANTITIES if wide else ("value", "grad"), results, strict=False):
                got, due = numpy.to_numpy(result).ravel(), np.ravel(np.asarray(case.decimals[quantity], dtype=np.float64))
                assert vectors.error(case, quantity, got, dtype) <= vectors.bound(link, quantity, case.gamma), case.id
                assert wide or np.all(ulp.errors(got, due, np.zeros_like(due), fmt) <= 0.51), case.id
                numbers += got.size
                off += int(np.sum(ulp.errors(got, np.ravel(getattr(case, quantity)), np.zeros_like(due), fmt) > 0))
    assert wide or off <= numbers * 2e-3, (off, numbers)


@pytest.mark.parametrize("link", vectors.LINKS)
def test_focal_ref_s_batches_are_right(link: str) -> None:
    """In float64, in each batch, every result is its case's, and so is the mean."""
    found = vectors.load(link, "float64")
    make: Any = fr.SigmoidFocalLoss if link == "sigmoid" else fr.SoftmaxFocalLoss
    for group in found.groups:
        given = vectors.batch(found, group)
        loss = make(gamma=given.gamma, ignore_index=-100, **({} if group.axis is None else {"axis": group.axis}))
        value, grad, hess = loss.value_grad_hess(given.logits, given.targets, weight=given.weights)
        rows = [a if group.axis is None else np.moveaxis(a, group.axis, -1) for a in (grad, hess)]
        flat = [a.reshape(len(group.cases), -1) for a in (value, *rows)]
        for i, place in enumerate(group.cases):
            case = found.cases[place]
            for quantity, a in zip(vectors.QUANTITIES, flat, strict=True):
                assert vectors.error(case, quantity, a[i], "float64") <= vectors.bound(link, quantity, 2.0), (group.id, i)
        mean = dataclasses.replace(loss, reduction="mean")(given.logits, given.targets, weight=given.weights)
        assert np.isclose(mean, group.mean, rtol=4e-15, atol=0, equal_nan=True), group.id


# ---- the cases reach what they are for --------------------------------------------------------------------------------------


@every_file
def test_every_flag_has_cases(link: str, dtype: str) -> None:
    """Each flag that can hold for a link holds for two cases at least, and is explained once."""
    found = vectors.load(link, dtype)
    other = {
        "sigmoid": {"tie", "10 classes", "1000 classes", "last class", "overflow"},
        "softmax": {"negative"},
    }[link]
    assert set(found.flags) == set(vector_flags.FLAGS) - other
    for flag, entry in found.flags.items():
        assert entry == {"kind": vector_flags.FLAGS[flag].kind, "description": vector_flags.FLAGS[flag].description}
        assert sum(flag in case.flags for case in found.cases) >= 2, flag
    assert {flag for case in found.cases for flag in case.flags} == set(found.flags)


@every_file
def test_every_logit_is_of_the_type_and_no_case_stands_twice(link: str, dtype: str) -> None:
    """Logits and γ are exact in the type, α, weights and targets in every type; ids and inputs are unique."""
    cases = vectors.load(link, dtype).cases
    for case in cases:
        own = np.asarray([*np.ravel(case.logits), *case.parameters.values()])
        np.testing.assert_array_equal(grids.rounded(own, dtype), own)
        labels = [] if isinstance(case.target, int) else np.ravel(case.target)
        others = [*labels, *(np.ravel(x) for x in (case.alpha, case.weight) if x is not None)]
        others = np.concatenate([np.zeros(1), *map(np.atleast_1d, others)])
        for narrow in ("float16", "bfloat16"):
            np.testing.assert_array_equal(grids.rounded(others, narrow), others)
    assert len({case.id for case in cases}) == len(cases)
    inputs = {repr((*case[2:4], dict(case.parameters), *case[5:8])) for case in cases}
    assert len(inputs) == len(cases)


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
    assert max(map(len, table)) < 80
    assert [file["file"] for file in data["files"]] == [vectors.name(*file) for file in FILES]
    counts = [str(file["cases"]) for file in data["files"]]
    rows = [line.split()[2:] for line in table if line.startswith("  all cases")]
    assert rows == [counts[:4], counts[4:]]
    ties = [file["flags"]["tie"] for file in data["files"][4:]]
    assert [line.split()[1:] for line in table if line.startswith("  tie")] == [[str(n) for n in ties]]


def test_the_command_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """`--write` says what it wrote; where it cannot, it says so in a line that names the option."""
    monkeypatch.setattr(files, "text", lambda link, dtype, kernel: f"{kernel}\n")  # what stands in them has its own tests
    assert _command("--write", str(tmp_path / "v"), "--json") == 0
    written = json.loads(capsys.readouterr().out)["written"]
    assert sorted(written) == sorted(str(path) for path in (tmp_path / "v").iterdir())
    assert _command("--write", str(tmp_path / "p"), "--kernel", "poly1", "--json") == 0
    assert (tmp_path / "p" / "poly1-softmax-float16.json").read_text() == "poly1\n"
    (tmp_path / "file").write_text("")
    with pytest.raises(Wrong, match=r"^argument --write: got .*file; expected a directory to write to"):
        _command("--write", str(tmp_path / "file"))

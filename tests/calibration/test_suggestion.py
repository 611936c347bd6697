"""What is suggested follows from the counts: the bias where the mean gradient is 0, the threshold where costs are even."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import focal_ref as fr
from focal_ref.calibration.suggestion import focusing
from focal_ref.commands import main as cli


@pytest.mark.parametrize("counts", [[990, 10], [30, 70], [99_999, 1], [50, 30, 20], [900, 90, 9, 1]])
@pytest.mark.parametrize("gamma", [None, 0.0, 2.0])
def test_the_bias_is_where_the_mean_gradient_is_zero(counts: list[int], gamma: float | None) -> None:
    """Over a set with those counts, with the γ and α of the suggestion itself."""
    found = fr.suggest(counts, gamma=gamma)
    two = len(counts) == 2
    start: Any = np.full(2, found.bias) if two else np.tile(found.bias, (len(counts), 1))
    grad = found.loss(reduction="none").grad(start, np.arange(len(counts)))
    mean = np.tensordot(np.asarray(counts) / sum(counts), grad, 1)
    assert np.abs(mean).max() < 1e-12


@pytest.mark.parametrize("cost", [1.0, 0.1, 20.0])
@pytest.mark.parametrize("gamma", [None, 0.0, 2.0])
def test_at_the_threshold_both_mistakes_cost_the_same(cost: float, gamma: float | None) -> None:
    """The posterior there, times what a missed one is worth, is one minus it."""
    found = fr.suggest([990, 10], gamma=gamma, cost=cost)
    assert found.threshold is not None
    eta = fr.posterior(found.threshold, found.gamma, found.alpha)
    assert eta * cost == pytest.approx(1 - eta, rel=1e-12)
    assert found.posterior_threshold == pytest.approx(eta, rel=1e-12)
    assert fr.suggest([5, 3, 2]).posterior_threshold is None


def test_gamma_is_the_rule_and_alpha_the_balanced_one() -> None:
    """0 below ten to one, 1 below a thousand, then 2; balanced weights, half of the second for sigmoid; both may be told."""
    assert [focusing(r) for r in (1, 9.99, 10, 999, 1000)] == [0, 0, 1, 1, 2]
    assert fr.suggest([9, 1]).gamma == focusing(9)
    assert fr.suggest([990, 10]).alpha == fr.class_balanced_alpha([990, 10])[1] / 2
    assert fr.suggest([5, 3, 2]).alpha == fr.class_balanced_alpha([5, 3, 2])
    assert fr.suggest([990, 10], alpha=0.25, gamma=3).loss() == fr.SigmoidFocalLoss(3, 0.25, reduction="mean")
    assert fr.suggest([990, 10], alpha=None).alpha is None


def test_labels_are_counted() -> None:
    """Arrays, lists and columns; of two words the rarer one is positive, of two numbers the larger, unless one is named."""
    labels = ["no"] * 3 + ["yes"]
    for given in (labels, np.asarray(labels), pd.Series(labels)):
        found = fr.suggest(labels=given)
        assert (found.classes, found.counts, found.positive) == (("no", "yes"), (3, 1), "yes")
    assert fr.suggest(labels=["a", "b", "b"]).positive == "a"
    assert fr.suggest(labels=["a", "b", "b"], positive="b").counts == (1, 2)
    assert fr.suggest(labels=[0, 1, 1]).positive == 1
    assert fr.suggest({"x": 1, "y": 2, "z": 3}).positive is None


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({}, TypeError, "counts: got None"),
        ({"counts": [3]}, ValueError, "counts: got 1 class"),
        ({"counts": [3, 0]}, ValueError, r"counts\[1\]: got 0"),
        ({"counts": [3, 5], "alpha": "even"}, ValueError, "alpha: got 'even'"),
        ({"counts": [3, 5], "alpha": 2.0}, ValueError, "alpha: got 2.0"),
        ({"counts": [3, 5], "positive": 7}, ValueError, "positive: got 7"),
        ({"counts": [3, 5, 7], "positive": 1}, ValueError, "positive: got 1 with 3 classes"),
        ({"counts": [3, 5], "cost": 0}, ValueError, "cost: got 0"),
        ({"counts": {1: 3, "a": 5}}, TypeError, "counts: got labels of several types"),
        ({"labels": [1, 1, None]}, ValueError, "labels: got 1 class, and 1 without a label"),
        ({"labels": np.asarray([1, "a"], dtype=object)}, TypeError, "labels: got labels of several types"),
        ({"labels": np.eye(3)}, ValueError, r"labels: got a float64 array .*argmax"),
        ({"labels": [0.2, 0.7, 0.1]}, ValueError, "labels: got 0.1; expected classes"),
        ({"labels": [9900, 100]}, ValueError, "labels: got 2 numbers, none of them twice; .* goes to counts"),
    ],
)
def test_what_makes_no_sense_is_refused(given: dict[str, Any], error: type[Exception], message: str) -> None:
    """With the argument's name and what came."""
    with pytest.raises(error, match=f"^{message}"):
        fr.suggest(**given)


@pytest.mark.parametrize(
    "labels",
    [
        [0, 1, 1, 0, 1],
        np.asarray([0, 1, 2, 1, 1, 0]),
        pd.Series([0, 1, 1], index=list("abc")),
        [1, 2] * 30,
        ["no", "yes"],
        [True, False, True],
    ],
    ids=["zeros-and-ones", "classes", "column", "from-one", "words", "truths"],
)
def test_labels_in_the_place_of_counts_are_refused(labels: Any) -> None:
    """With the cure; few samples of each class are no labels, and a dict says what is meant."""
    with pytest.raises(ValueError, match=r"^counts: got .* labels, one a sample, are labels="):
        fr.suggest(labels)
    assert fr.suggest([2, 3, 1]).counts == (2, 3, 1)
    assert fr.suggest([5] * 40).counts == (5,) * 40
    assert fr.suggest(dict(enumerate([1, 2] * 30))).counts == (1, 2) * 30


@pytest.mark.parametrize("shares", [[0.9, 0.1], {"a": 0.7, "b": 0.3}, [99.5, 0.5], [98.5, 1.5], [0.5, 0.3, 0.2]])
def test_shares_in_the_place_of_counts_are_refused(shares: Any) -> None:
    """With the cure; weighted counts are none."""
    with pytest.raises(ValueError, match=r"^counts: got .* multiply shares by the number of samples"):
        fr.suggest(shares)
    assert fr.suggest([120.5, 33.25]).counts == (120.5, 33.25)


MISSING: dict[str, tuple[Any, dict[str, int]]] = {
    "NaN": ([0, 1, np.nan, 0], {"NaN": 1}),
    "None": ([0, None, 1, 0], {"None": 1}),
    "NA": (pd.Series([0, 1, None, 0], dtype="Int64"), {"NaN": 1}),
    "words": (["0", "", "1", "nan", "0"], {"empty": 1, "nan": 1}),
    "mark": ([0, 1, -1, -1, 0], {"-1": 2}),
    "torch-s-mark": ([0, 1, -100, 0], {"-100": 1}),
}


@pytest.mark.parametrize("way", MISSING)
def test_what_has_no_label_is_no_class_but_is_said(way: str) -> None:
    """In a field of its own, in words and as data; −1 is a class where 0 is none, and where it is counted by name."""
    labels, missing = MISSING[way]
    found = fr.suggest(labels=labels)
    assert ([str(name) for name in found.classes], found.counts) == (["0", "1"], (2, 1))
    assert found.to_dict()["missing"] == missing
    assert all(f"{name} {count}" in str(found).splitlines()[1] for name, count in missing.items())
    assert "left out" not in str(fr.suggest([2, 1]))
    assert fr.suggest(labels=[-1, 1, -1]).classes == (-1, 1)
    assert fr.suggest({-1: 5, 0: 3, 1: 4}).classes == (-1, 0, 1)
    assert fr.suggest(labels=["none", "some", "none"]).missing == ()
    assert fr.suggest({None: 2, "a": 5, "b": 3}).missing == (("None", 2),)


@pytest.mark.parametrize("labels", [["well"] * 95 + ["ill"] * 5, ["a"] * 5 + ["b"] * 95, [0] * 95 + [1] * 5, list("aabbbbbcc")])
def test_its_line_for_boosting_weighs_the_same_class(labels: list[Any]) -> None:
    """The classifiers sort labels, and weigh the second: also where the rarer, which is positive, is the first."""
    boosting = pytest.importorskip("focal_ref_boosting")
    pytest.importorskip("xgboost")
    found = fr.suggest(labels=labels)
    line = next(line for line in str(found).splitlines() if line.startswith("boosting"))
    model = eval(line.split(maxsplit=1)[1], {"focal_ref_boosting": boosting})
    assert model.gamma == found.gamma
    classes = sorted(set(labels))
    alpha = [1 - model.alpha, model.alpha] if len(classes) == 2 else model.alpha
    own = [1 - found.alpha, found.alpha] if len(classes) == 2 else found.alpha  # type: ignore[operator]
    np.testing.assert_allclose([alpha[classes.index(name)] for name in found.classes], own, atol=5e-5)  # type: ignore[arg-type]


FILES = {
    "id,diagnosis\n1,ill\n2,well\n3,well\n": (["--column", "diagnosis"], ["well", "ill"]),
    "x,Label\n0.5,1\n0.7,0\n0.1,0\n": ([], ["0", "1"]),
    "1\n0\n0\n": ([], ["0", "1"]),
    "outcome\n1\n0\n0\n": ([], ["0", "1"]),
    "\ufeffwell\nill\nwell\n\n": ([], ["well", "ill"]),
    "x;Label\n0,5;1\n0,7;0\n0,1;0\n": ([], ["0", "1"]),
    "\ty\n0\t1\n1\t0\n2\t0\n": ([], ["0", "1"]),
    "x\tstate\n0,5\till\n0,7\twell\n0,1\twell\n": (["--column", "state"], ["well", "ill"]),
    'Label\n"a;b"\n"c"\n"c"\n': ([], ["c", "a;b"]),
    'y,note\n1,"one\nline, and another"\n0,\n0,\n': ([], ["0", "1"]),
}


@pytest.mark.parametrize("text", FILES)
def test_the_command_reads_a_column_of_labels(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With a heading or without, by its name or by what columns of labels are called; blank lines do not count."""
    options, classes = FILES[text]
    (tmp_path / "labels.csv").write_text(text, encoding="utf-8")
    assert cli.main(["suggest", str(tmp_path / "labels.csv"), "--json", *options]) == 0
    data = json.loads(capsys.readouterr().out)
    assert (data["classes"], data["counts"]) == (classes, [2.0, 1.0])
    expected = fr.suggest([2, 1])
    assert (data["gamma"], data["alpha"], data["bias"]) == (expected.gamma, expected.alpha, expected.bias)


def test_the_command_says_how_many_cells_are_empty(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Empty ones, those that say so, and rows that end before the column."""
    text = "x;y\n1;0\n2;\n3;NaN\n4;1\n5\n6;0\n7;-1\n\n"
    (tmp_path / "labels.csv").write_text(text, encoding="utf-8")
    assert cli.main(["suggest", str(tmp_path / "labels.csv")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [
        "0 2, 1 1: up to 2 to 1",
        "left out   -1 1, NaN 1, empty 2: without a label (where it is a class, give counts)",
    ]


REFUSED = {
    "y\n9900\n100\n": ([], "--column: got 2 numbers, none of them twice; expected one label a sample"),
    "x,kind\n0.1,a\n0.3,b\n": (["--column", "x"], "--column: got 0.1; expected classes"),
    "y\n1\n1\n\n": ([], "--column: got 1 class; expected two or more"),
    "outcome\nyes\n" + "no\nyes\n" * 6: ([], '--column: got none; expected the heading\'s name, where "outcome", which occurs'),
}


@pytest.mark.parametrize("text", REFUSED)
def test_a_column_that_is_none_of_labels_is_refused(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In a line that names the option."""
    options, message = REFUSED[text]
    (tmp_path / "labels.csv").write_text(text, encoding="utf-8")
    with pytest.raises(SystemExit):
        cli.main(["suggest", str(tmp_path / "labels.csv"), *options])
    assert f"argument {message}" in capsys.readouterr().err


def test_the_command_prints_both_thresholds_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    """That of the score, and that of posteriors, which the classifiers show; as JSON too."""
    assert cli.main(["suggest", "--counts", "990,10", "--cost", "9"]) == 0
    lines = capsys.readouterr().out.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("threshold"))
    assert "1 where sigmoid(logit) is above" in lines[at]
    assert lines[at + 1].split()[:6] == ["0.1000", "1", "where", "the", "posterior", "is"]
    assert cli.main(["suggest", "--counts", "990,10", "--cost", "9", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["posterior_threshold"] == pytest.approx(0.1)


@pytest.mark.parametrize("counts", ["0.99,0.01", "98.5,1.5"])
def test_the_command_refuses_shares_as_counts(counts: str, capsys: pytest.CaptureFixture[str]) -> None:
    """By the option's name."""
    with pytest.raises(SystemExit):
        cli.main(["suggest", "--counts", counts])
    assert "argument --counts: got" in capsys.readouterr().err


def test_what_it_prints_can_be_pasted(capsys: pytest.CaptureFixture[str]) -> None:
    """The lines of code are the library's own losses with the values above them."""
    pytest.importorskip("torch")
    for counts in ("990,10", "900,90,10"):
        assert cli.main(["suggest", "--counts", counts]) == 0
        out = capsys.readouterr().out
        line = next(line for line in out.splitlines() if line.startswith("NumPy"))
        loss = eval(line.split(maxsplit=1)[1], {"focal_ref": fr})
        found = fr.suggest([float(n) for n in counts.split(",")])
        assert loss.gamma == found.gamma
        np.testing.assert_allclose(loss.alpha, found.alpha, atol=5e-5)
        torch = next(line for line in out.splitlines() if line.startswith("PyTorch"))
        assert eval(torch.split(maxsplit=1)[1], {"focal_ref_torch": __import__("focal_ref_torch")}).gamma == found.gamma


def test_the_command_says_which_option_has_too_few_classes(capsys: pytest.CaptureFixture[str]) -> None:
    """The one that was given."""
    with pytest.raises(SystemExit):
        cli.main(["suggest", "--counts", "5"])
    assert capsys.readouterr().err.endswith("argument --counts: got 1 class; expected two or more\n")

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
    ],
)
def test_what_makes_no_sense_is_refused(given: dict[str, Any], error: type[Exception], message: str) -> None:
    """With the argument's name and what came."""
    with pytest.raises(error, match=f"^{message}"):
        fr.suggest(**given)


FILES = {
    "id,diagnosis\n1,ill\n2,well\n3,well\n": (["--column", "diagnosis"], ["well", "ill"]),
    "x,Label\n0.5,1\n0.7,0\n0.1,0\n": ([], ["0", "1"]),
    "1\n0\n0\n": ([], ["0", "1"]),
    "outcome\n1\n0\n0\n": ([], ["0", "1"]),
    "\ufeffwell\nill\nwell\n\n": ([], ["well", "ill"]),
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

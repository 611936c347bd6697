"""`focal-ref demo`: real data, sound measures, figures that the page has, and honest words computed from them."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import json
import re
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import focal_ref
from focal_ref.calibration.posteriors import minimiser, posterior
from focal_ref.commands import demo as command_demo
from focal_ref.commands import main as cli
from focal_ref.demo import measures, pictures, results, sets, train

sklearn = pytest.importorskip("sklearn")
pytest.importorskip("matplotlib")

from sklearn import metrics  # noqa: E402 - needs scikit-learn

PAGE = Path(__file__).resolve().parents[2] / "docs" / "demo.md"
SIZES = {
    "hypothyroid": (3011, 24, [2870, 141]),
    "intrusions": (2414, 90, [2392, 22]),
    "page-blocks": (5406, 10, [4889, 313, 114, 62, 28]),
    "yeast": (1448, 8, [438, 425, 244, 162, 51, 43, 35, 30, 20]),
}


@dataclasses.dataclass
class Done:
    """A run of the command: its JSON, where its pictures are, and a page that it wrote."""

    data: dict[str, Any]
    folder: Path
    page: str


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """Two sets, three folds."""
    folder = tmp_path_factory.mktemp("demo")
    page = folder / "page.md"
    page.write_text(f"# Before\n{command_demo.START}\nold\n{command_demo.END}\n# After\n", encoding="utf-8")
    printed = folder / "printed.json"
    options = [
        "--quick",
        "--set",
        "yeast,hypothyroid",
        "--json",
        "--out",
        str(folder / "new" / "pictures"),
        "--write",
        str(page),
    ]
    with pytest.MonkeyPatch.context() as patch, printed.open("w", encoding="utf-8") as file:
        patch.setattr(sys, "stdout", file)
        assert cli.main(["demo", *options]) == 0
    data = json.loads(printed.read_text(encoding="utf-8"))
    return Done(data, folder / "new" / "pictures", page.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def linear() -> command_demo.Findings:
    """One set with every fold, by the linear model; progress is told from nothing to everything."""
    told: list[tuple[int, int]] = []
    (run,) = train.run(["hypothyroid"], models=["linear"], progress=lambda done, steps, text: told.append((done, steps)))
    assert told == [(done, 10) for done in range(11)]
    rows = measures.rows(run)
    return command_demo.Findings(run, rows, measures.gains(run, rows))


# ---- data -------------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", SIZES)
def test_a_set_is_what_the_documentation_says(name: str) -> None:
    """Its size; classes from frequent to rare; numbers, none infinite, no column without news, and no row twice."""
    data = sets.load(name)
    samples, features, counts = SIZES[name]
    assert data.features.shape == (samples, features)
    assert data.counts == counts == sorted(counts, reverse=True)
    assert len(data.classes) == len(counts)
    assert not np.isinf(data.features).any()
    filled = np.nan_to_num(data.features, nan=-1.0)
    assert (np.ptp(filled, axis=0) > 0).all()
    assert len(np.unique(np.column_stack([filled, data.labels]), axis=0)) == samples


def test_another_name_is_refused_in_words() -> None:
    """A ValueError with the sets' names, and no path is made of what came."""
    with pytest.raises(ValueError, match=r"name: got '\.\./README'; expected one of 'hypothyroid', 'intrusions'"):
        sets.load("../README")


def test_the_data_are_small_and_credited() -> None:
    """Together under 300 kB; a line with source, DOI and licence for each, and nothing else lies there."""
    folder = Path(focal_ref.__file__).parent / "data" / "demo"
    names = {path.name for path in folder.iterdir()}
    assert names == {"README.md", *(f"{name}.csv.gz" for name in sets.SETS)}
    assert sum(path.stat().st_size for path in folder.iterdir()) < 300_000
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert "CC BY 4.0" in text
    for name in sets.SETS:
        assert re.search(rf"^\| {name} \| .*doi\.org/10\.24432/", text, re.MULTILINE), name


def test_the_data_are_in_the_wheel(tmp_path: Path) -> None:
    """Every file, as it is here."""
    builder = pytest.importorskip("hatchling.builders.wheel").WheelBuilder(str(PAGE.parent.parent))
    (wheel,) = builder.build(directory=str(tmp_path), versions=["standard"])
    with zipfile.ZipFile(wheel) as packed:
        for path in (Path(focal_ref.__file__).parent / "data" / "demo").iterdir():
            assert packed.read(f"focal_ref/data/demo/{path.name}") == path.read_bytes()


def test_the_page_counts_as_the_summary_does() -> None:
    """The prose's count of differences, and of those by chance, is that of the figures below it."""
    text = PAGE.read_text(encoding="utf-8")
    counted = re.search(r"Of (\d+) comparisons focal loss helped in (\d+) and hurt in (\d+);.* some (\d+) of each", text)
    assert counted
    every, helped, hurt, chance = map(int, counted.groups())
    said = re.search(r"(\d+) of (\d+)\s+pass a standard error, as many as chance", text)
    assert said
    assert (int(said[1]), int(said[2])) == (helped + hurt, every)
    assert abs(helped + hurt - 2 * chance) <= 3
    hurts = [line.partition("; hurt")[0] for line in text.splitlines() if re.match(r"- .*, (linear|boosting): helped", line)]
    assert len(hurts) == 2 * len(SIZES)
    assert not [line for line in hurts if "γ = 2" in line or "γ = 5" in line]


@pytest.mark.parametrize("name", SIZES)
def test_folds_are_honest(name: str) -> None:
    """No row is trained on and predicted; each is predicted once a repetition; folds have every class; seeds are fixed."""
    labels = sets.load(name).labels
    for few, count, repeats in ((False, 10, 2), (True, 3, 1)):
        folds = train.splits(labels, quick=few)
        assert len(folds) == count
        for training, unseen in folds:
            assert not np.intersect1d(training, unseen).size
            assert set(labels[unseen]) == set(labels[training]) == set(labels)
        assert (np.bincount(np.concatenate([unseen for _, unseen in folds])) == repeats).all()
        again = train.splits(labels, quick=few)
        assert all(
            np.array_equal(a, b) for fold, other in zip(folds, again, strict=True) for a, b in zip(fold, other, strict=True)
        )


# ---- measures ---------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@given(seed=st.integers(0, 10_000), classes=st.sampled_from([2, 3, 5]))
def test_measures_are_scikit_learns(seed: int, classes: int) -> None:
    """Of two classes the positives', of more the macro average; Brier and log loss too; bit for bit, or to rounding."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.concatenate([np.arange(classes), rng.integers(0, classes, 40)]))
    probabilities = rng.dirichlet(np.full(classes, 0.5), len(labels))
    found = measures.measure(labels, probabilities)
    predicted = probabilities.argmax(axis=1)
    average: Any = "binary" if classes == 2 else "macro"
    hot = np.eye(classes)[labels]
    assert found["precision"] == metrics.precision_score(labels, predicted, average=average, zero_division=0)
    assert found["recall"] == metrics.recall_score(labels, predicted, average=average, zero_division=0)
    assert found["F1"] == metrics.f1_score(labels, predicted, average=average, zero_division=0)
    scores, brier = (probabilities, None) if classes > 2 else (probabilities[:, 1], metrics.brier_score_loss)
    ranked = metrics.average_precision_score(hot if classes > 2 else labels, scores, average="macro")
    assert found["average precision"] == pytest.approx(ranked, rel=1e-12)
    expected = brier(labels, scores) if brier else float(((probabilities - hot) ** 2).sum() / len(labels))
    assert found["Brier score"] == pytest.approx(expected, rel=1e-12)
    own = measures.log_loss(labels, probabilities)
    assert own == pytest.approx(metrics.log_loss(labels, probabilities, labels=range(classes)), rel=1e-9)


@pytest.mark.parametrize(
    ("labels", "positives", "error"),
    [
        ([0, 1], [0.0, 1.0], 0.0),  # certain and right; 1 is in the last bin
        ([1, 0], [0.0, 1.0], 1.0),  # certain and wrong
        ([0, 0, 0, 1], [0.25, 0.25, 0.25, 0.25], 0.0),  # as frequent as predicted
        ([0, 1, 1, 1], [0.25, 0.25, 0.25, 0.25], 0.5),
        ([1, 0, 0, 0], [0.75, 0.25, 0.25, 0.25], 0.25),  # two bins, a quarter and three quarters of the samples
        ([1, 0], [0.95, 1.0], 0.475),  # one bin, although 1 is its upper end
        ([0, 1], [0.45, 0.55], 0.45),  # apart, although they would cancel in one bin
    ],
)
def test_calibration_error_by_hand(labels: list[int], positives: list[float], error: float) -> None:
    """|mean probability − frequency| of each bin, weighted by its samples; of three classes, the mean of each one's."""
    p = np.asarray(positives)
    assert measures.calibration_error(np.asarray(labels), np.stack([1 - p, p], axis=1)) == pytest.approx(error, rel=1e-12)
    three = np.stack([1 - p, p, 0 * p], axis=1)
    complement = measures.calibration_error(1 - np.asarray(labels), np.stack([p, 1 - p], axis=1))
    assert measures.calibration_error(np.asarray(labels), three) == pytest.approx((error + complement) / 3, rel=1e-12)


def test_a_gain_is_paired_and_its_error_knows_of_shared_rows() -> None:
    """The folds' own difficulty cancels; sd √(1/folds + unseen/training), not sd/√folds."""
    theirs = [0.1, 0.9, 0.5, 0.3]
    ours = [x + d for x, d in zip(theirs, (0.01, 0.03, 0.01, 0.03), strict=True)]
    mean, error = measures.gain(ours, theirs, 1 / 3)
    assert mean == pytest.approx(0.02, rel=1e-9)
    assert error == pytest.approx(np.std([1, 3, 1, 3], ddof=1) / 100 * (1 / 4 + 1 / 3) ** 0.5, rel=1e-9)


@pytest.mark.parametrize(
    ("name", "mean", "verdict", "text"),
    [
        ("F1", 0.02, "helped", "+0.020 ± 0.010"),
        ("F1", -0.02, "hurt", "−0.020 ± 0.010"),
        ("F1", 0.009, "neither", "+0.009 ± 0.010"),
        ("F1", -0.009, "neither", "−0.009 ± 0.010"),
        ("Brier score", 0.02, "helped", "−0.0200 ± 0.0100"),  # less is better
        ("Brier score", -0.02, "hurt", "+0.0200 ± 0.0100"),
    ],
)
def test_a_verdict_needs_more_than_a_standard_error(name: str, mean: float, verdict: str, text: str) -> None:
    """Helped and hurt by the measure's own sense of better; the text has the difference as the measure has it."""
    found = measures.Gain("linear", "focal, γ = 2", name, mean, 0.01)
    assert (found.verdict, found.text()) == (verdict, text)


def _rows(folds: dict[str, list[float]]) -> Iterator[measures.Row]:
    for loss, shift in (("cross entropy", 0.0), ("class-weighted", 0.0), ("focal, γ = 2", 0.1)):
        for corrected in (False, True):
            moved = {name: [v + shift for v in values] for name, values in folds.items()}
            yield measures.Row("linear", loss, corrected, moved)


def test_the_summary_says_what_the_figures_say() -> None:
    """A loss that is better in two measures and worse in two is said to be just that, by name, and counted."""
    rows = list(_rows({name: [0.1, 0.2, 0.3] for name in measures.MEASURES}))
    run = results.Run(sets.load("yeast"), [(np.arange(20), np.arange(20, 30))] * 3, [], [])
    found = measures.gains(run, rows)
    first, counted, *_ = measures.summary([("yeast", rows, found)])
    helped, hurt = first.split(";")
    assert helped == "yeast, linear: helped F1 (+0.100 ± 0.000 at γ = 2), average precision (+0.100 ± 0.000 at γ = 2)"
    assert hurt == " hurt Brier score (+0.1000 ± 0.0000 at γ = 2), calibration error (+0.1000 ± 0.0000 at γ = 2)."
    assert counted.startswith("Of 4 comparisons focal loss helped in 2 and hurt in 2; in 0 the difference")
    assert counted.endswith("chance alone would show some 1 of each.")  # 16% on either side of one standard error


# ---- models -----------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_raw_and_corrected_are_two_sides_of_the_posterior(linear: command_demo.Findings) -> None:
    """Rows sum to 1; corrected is `posterior` of raw by the loss's γ and weights, `minimiser` leads back; γ = 0 needs none."""
    run = linear.run
    for (training, _), outcomes in zip(run.folds[:2], run.outcomes, strict=False):
        for outcome in outcomes:
            alpha = train._weights(outcome.loss, run.data.labels[training])[0]
            second = posterior(outcome.raw[:, 1], outcome.loss.gamma, alpha)
            np.testing.assert_allclose(outcome.corrected[:, 1], second, rtol=1e-9)
            np.testing.assert_allclose(minimiser(second, outcome.loss.gamma, alpha), outcome.raw[:, 1], rtol=1e-6)
            for probabilities in (outcome.raw, outcome.corrected):
                assert np.abs(probabilities.sum(axis=1) - 1).max() < 1e-14
            if outcome.loss.name == "cross entropy":
                np.testing.assert_allclose(outcome.raw, outcome.corrected, rtol=1e-12)


@pytest.mark.slow
def test_the_correction_reduces_calibration_error(linear: command_demo.Findings) -> None:
    """In every single fold, for γ = 1, 2 and 5 and for class weights; at γ = 2 to less than a quarter on the mean."""
    found = {(row.loss, row.corrected): np.asarray(row.folds["calibration error"]) for row in linear.rows}
    for loss in ("class-weighted", "focal, γ = 1", "focal, γ = 2", "focal, γ = 5"):
        assert (found[loss, True] < found[loss, False]).all(), loss
    assert found["focal, γ = 2", True].mean() < found["focal, γ = 2", False].mean() / 4


@pytest.mark.slow
def test_curves_end_at_the_model() -> None:
    """Of a fold's boosted models: a point a round; the last is the log loss of the probabilities that are measured."""
    data = sets.load("hypothyroid")
    training, unseen = train.splits(data.labels, quick=True)[0]
    outcomes, curves = train._fold(data, training, unseen, ["boosting"], True)
    assert [curve.loss for curve in curves] == [outcome.loss for outcome in outcomes] == list(results.LOSSES["boosting"])
    for curve, outcome in zip(curves, outcomes, strict=True):
        assert len(curve.training) == len(curve.unseen) == train.ROUNDS
        assert curve.unseen[-1] == measures.log_loss(data.labels[unseen], outcome.corrected)
        assert curve.training[-1] < curve.training[0] / 5
        np.testing.assert_allclose(outcome.corrected[:, 1], posterior(outcome.raw[:, 1], outcome.loss.gamma), rtol=1e-9)


def test_weights_leave_the_penalty_its_weight() -> None:
    """Class-weighted: every class has the same share of the loss; C is scaled by the mean weight, so that C means the same."""
    for y in (np.repeat([0, 1], [90, 10]), np.repeat([0, 1, 2], [60, 30, 10])):
        alpha, mean = train._weights(results.Loss("", 0.0, True), y)
        own = np.asarray([1 - alpha, alpha] if np.ndim(alpha) == 0 else alpha)[y]
        assert own.mean() == pytest.approx(mean, rel=1e-12)
        shares = np.bincount(y, weights=own)
        np.testing.assert_allclose(shares, shares[0], rtol=1e-12)


# ---- the command ------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_json_has_every_figure(quick: Done) -> None:
    """Both models, all losses, raw and corrected, a number a fold; gains with verdicts; the summary; the pictures' names."""
    assert [one["name"] for one in quick.data["sets"]] == ["yeast", "hypothyroid"]
    for one in quick.data["sets"]:
        assert [one["samples"], one["features"], list(one["classes"].values())] == list(SIZES[one["name"]])
        expected = [(m, loss.name, c) for m, losses in results.LOSSES.items() for loss in losses for c in (False, True)]
        assert [(row["model"], row["loss"], row["corrected"]) for row in one["rows"]] == expected
        for row in one["rows"]:
            for name in measures.MEASURES:
                figures = row["measures"][name]
                assert len(figures["folds"]) == one["folds"] == 3
                assert figures["mean"] == np.mean(figures["folds"])
                assert 0 <= figures["mean"] <= 1
        assert len(one["gains"]) == len(measures.COMPARED) * (len(expected) // 2 - 2)
    assert any(line.startswith("Of 48 comparisons") for line in quick.data["summary"])


@pytest.mark.slow
def test_pictures_are_svg_and_png(quick: Done) -> None:
    """Curves, precision and recall, reliability, in a folder that was not there before."""
    kinds = ("demo-curves", "demo-precision-recall", "demo-reliability")
    assert {path.name for path in quick.folder.iterdir()} == {f"{kind}.{end}" for kind in kinds for end in ("png", "svg")}
    assert sorted(quick.data["pictures"]) == sorted(str(path) for path in quick.folder.iterdir())
    for path in quick.folder.iterdir():
        assert path.read_bytes().startswith(b"\x89PNG" if path.suffix == ".png" else b"<?xml")


@pytest.mark.slow
def test_the_page_is_rewritten_between_its_marks(quick: Done) -> None:
    """What was there goes; what is around stays; a table for each set has a line for each loss, and the summary is there."""
    assert quick.page.startswith(f"# Before\n{command_demo.START}\n")
    assert quick.page.endswith(f"{command_demo.END}\n# After\n")
    assert "old" not in quick.page
    assert [line for line in quick.page.splitlines() if line.startswith("## ")] == [
        "## yeast",
        "## hypothyroid",
        "## What helped",
    ]
    assert quick.page.count("| focal, γ = 2 |") == 4
    assert all(f"- {line}" in quick.page for line in quick.data["summary"])


@pytest.mark.slow
def test_pictures_show_the_figures(linear: command_demo.Findings) -> None:
    """Precision and recall end at all positives found; a reliability curve's points are the bins; losses keep their colours."""
    figure = pictures.precision_recall([linear.run])
    (panel,) = figure.axes
    assert [line.get_label() for line in panel.lines] == ["cross entropy", "class-weighted", "focal, γ = 2", "focal, γ = 5"]
    assert len({line.get_color() for line in panel.lines}) == 4
    for line in panel.lines:
        x, y = line.get_data()
        assert x[-1] == 1
        assert (np.diff(x) > 0).all()
        assert y[-1] < y[0]
    for drawn in (figure, pictures.reliability_before_and_after([linear.run])):
        drawn.draw_without_rendering()
        for words in (drawn._suptitle, *drawn.legends):
            box = words.get_window_extent()
            assert drawn.bbox.x0 <= box.x0 < box.x1 <= drawn.bbox.x1, "one set's picture is cut off"
    (panel,) = pictures.reliability_before_and_after([linear.run]).axes
    raw = next(line for line in panel.lines if line.get_label() == "γ = 2, raw")
    mine = [next(o for o in fold if o.loss.name == "focal, γ = 2").raw[:, 1] for fold in linear.run.outcomes]
    labels = np.concatenate([linear.run.data.labels[unseen] for _, unseen in linear.run.folds])
    bins = [b for b in measures.reliability(labels, np.concatenate(mine)) if b[0] >= 10]
    np.testing.assert_array_equal(raw.get_xydata(), [b[1:] for b in bins])


def test_the_frontier_has_the_best_precision_of_a_recall() -> None:
    """By hand: two hits, first and last of four; the first is found alone, the other with two false ones."""
    recall, precision = pictures._frontier(np.asarray([True, False, False, True]), np.asarray([0.9, 0.8, 0.7, 0.6]))
    assert (list(recall), list(precision)) == ([0.5, 1.0], [1.0, 0.5])


def _recorded(name: str) -> list[list[str]]:
    """A set's table on the page."""
    section = PAGE.read_text(encoding="utf-8").partition(f"\n## {name}\n")[2].partition("\n## ")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line.startswith("| ")][2:]


@pytest.mark.slow
def test_the_page_has_what_a_run_gives(linear: command_demo.Findings) -> None:
    """One set trained anew: every figure is the page's, to a tenth of its spread (a sample may turn on another processor)."""
    written = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in command_demo.markdown([linear])
        if line.startswith("| linear")
    ]
    recorded = [row for row in _recorded("hypothyroid") if row[0] == "linear"]
    assert [row[:2] for row in written] == [row[:2] for row in recorded]
    for ours, theirs in zip(written, recorded, strict=True):
        for here, there in zip(ours[2:], theirs[2:], strict=True):
            assert bool(here) == bool(there), (ours, theirs)
            if here:
                (mean, _), (expected, spread) = ([float(part) for part in cell.split(" ± ")] for cell in (here, there))
                assert abs(mean - expected) <= spread / 10, (ours, theirs)


def test_the_page_has_every_set() -> None:
    """A table of all models and losses for each, and the count of all comparisons."""
    for name in sets.SETS:
        named = [row[1] for row in _recorded(name) if row[1] != "corrected"]
        assert named == [loss.name for losses in results.LOSSES.values() for loss in losses]
    assert "- Of 96 comparisons" in PAGE.read_text(encoding="utf-8")


@pytest.mark.slow
def test_results_are_the_same_again(linear: command_demo.Findings) -> None:
    """A fold trained in this process has the bits that it had in another."""
    outcomes, _ = train._fold(linear.run.data, *linear.run.folds[3], ["linear"], False)
    for ours, theirs in zip(outcomes, linear.run.outcomes[3], strict=True):
        assert hashlib.sha256(ours.corrected.tobytes()).digest() == hashlib.sha256(theirs.corrected.tobytes()).digest()


# ---- errors -----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def never(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails if anything is computed."""

    def refuse(*arguments: Any, **options: Any) -> Any:
        raise AssertionError("something was computed")

    monkeypatch.setattr(train, "run", refuse)


@pytest.mark.usefixtures("never")
@pytest.mark.parametrize("missing", ["sklearn", "matplotlib", "both"])
def test_a_missing_extra_is_named_before_anything_is_computed(
    missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status 2, one line, with what is missing and the command that installs it."""
    find, gone = importlib.util.find_spec, ("sklearn", "matplotlib") if missing == "both" else (missing,)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name in gone else find(name, *more))
    with pytest.raises(SystemExit) as stopped:
        cli.main(["demo"])
    error = capsys.readouterr().err
    assert stopped.value.code == 2
    assert error.count("\n") == 1
    assert "pip install scikit-learn matplotlib" in error
    for module, name in (("sklearn", "scikit-learn"), ("matplotlib", "matplotlib")):
        assert (f"no {name}" in error) == (module in gone)


@pytest.mark.usefixtures("never")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "iris"], "argument --set: got 'iris'; expected one of hypothyroid, intrusions, page-blocks, yeast"),
        (["--set"], "argument --set: expected one argument"),
        (["--out", "{file}/pictures"], "argument --out: got {file}/pictures; expected a folder to write to: "),
        (["--write", "{folder}/none.md"], "argument --write: got {folder}/none.md; expected a page to rewrite: No such file"),
        (["--write", "{file}"], "argument --write: got {file}; expected a page with the lines <!-- figures"),
        (["--write", "{half}"], "argument --write: got {half}; expected a page with the lines <!-- figures"),
        (["--folds", "3"], "unrecognized arguments: --folds 3 (choose from --help, --set"),
    ],
)
def test_wrong_arguments_are_one_line(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status 2 before anything is computed, and a line that says what came and what is accepted."""
    file = tmp_path / "file.md"
    file.write_text("no marks here", encoding="utf-8")
    half = tmp_path / "half.md"
    half.write_text(f"{command_demo.START}\nand no end", encoding="utf-8")
    places = {"file": str(file), "half": str(half), "folder": str(tmp_path)}
    out = ["--out", str(tmp_path)] if "--out" not in arguments else []
    with pytest.raises(SystemExit) as stopped:
        cli.main(["demo", *out, *(text.format(**places) for text in arguments)])
    error = capsys.readouterr().err
    assert stopped.value.code == 2
    assert error.count("\n") == 1
    assert message.format(**places) in error


@pytest.mark.slow
def test_the_command_prints_a_table_and_ends_with_the_summary(
    linear: command_demo.Findings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The question, the extent, a line a loss, what helped and hurt, and the files; no wider than 120 columns."""
    monkeypatch.setattr(train, "run", lambda *arguments, **options: [linear.run])
    assert cli.main(["demo", "--out", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 120
    assert lines[0] == "hypothyroid: thyroid tests of patients: who has hypothyroidism"
    for loss in results.LOSSES["linear"]:
        (row,) = (line for line in lines if line.startswith(f"  {loss.name}  "))
        assert row.count(" ± ") == len(measures.MEASURES)
    said = " ".join(line.strip() for line in lines)
    assert all(text in said for text in measures.summary([("hypothyroid", linear.rows, linear.gains)]))
    assert lines[-1] == f"wrote {tmp_path / 'demo-reliability.png'}"

"""The tables of docs/boosting-evidence.md: ten KEEL sets, the ways to boost with focal loss, and a set of very rare positives.

    python -m benchmarks.boosting_evidence [--write] [set ...]

needs the extra ``evidence``. Over four stratified folds, twice, it takes average precision, Brier score and log loss of the
probabilities, and the processor's time for a round. ``--write`` puts the tables into the page. Takes twenty minutes.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss
from sklearn.model_selection import RepeatedStratifiedKFold
from threadpoolctl import threadpool_limits

from .boosting_contestants import NOTES, ROUNDS, Contestant, contestants
from .imbalanced_sets import KEEL, keel, very_rare

PAGE = Path(__file__).resolve().parents[1] / "docs" / "boosting-evidence.md"
MARK = "<!-- from here on made by `python -m benchmarks.boosting_evidence --write` -->\n"
FOLDS, REPEATS, SEEDS = 4, 2, 4
MEASURES = ("average precision", "Brier score", "log loss")
RARE, RARE_NEW = 60_000, 200_000


def scores(y: Any, p: Any) -> tuple[float, float, float]:
    """Of the positives' probabilities; those that are 0 or 1, or no numbers, count as 1e-15 from there."""
    p = np.clip(np.nan_to_num(p, nan=0.5), 1e-15, 1 - 1e-15)
    return float(average_precision_score(y, p)), float(brier_score_loss(y, p)), float(log_loss(y, p))


def measured(make: Contestant, X: Any, y: Any) -> Any:
    """A row for each fold: the three scores, and milliseconds a round."""
    found = []
    for train, test in RepeatedStratifiedKFold(n_splits=FOLDS, n_repeats=REPEATS, random_state=0).split(X, y):
        begin = time.process_time()
        predict = make(X[train], y[train])
        spent = 1e3 * (time.process_time() - begin) / ROUNDS
        found.append((*scores(y[test], predict(X[test])), spent))
    return np.asarray(found)


def rare(make: Contestant) -> Any:
    """A row for each seed: the mean probability over the share of positives, average precision, and log loss."""
    found = []
    for seed in range(SEEDS):
        X, y = very_rare(seed, RARE)
        new, labels = very_rare(1000 + seed, RARE_NEW)
        p = make(X, y)(new)
        precision, _, loss = scores(labels, p)
        found.append((p.mean() / labels.mean(), precision, loss))
    return np.asarray(found)


def _said(values: Any, places: int) -> str:
    mean, error = values.mean(), values.std(ddof=1) / len(values) ** 0.5
    return f"{mean:.{places}f} ± {error:.{places}f}"


def table(first: str, heads: Any, rows: Any) -> Iterator[str]:
    """In Markdown."""
    yield f"| {first} | " + " | ".join(heads) + " |"
    yield "| --- " * (1 + len(heads)) + "|"
    for name, cells in rows:
        yield f"| {name} | " + " | ".join(cells) + " |"
    yield ""


def against(own: Any, theirs: Any) -> str:
    """By how much a score is higher than the library's own log loss has it, over all folds of all sets."""
    return _said(np.concatenate(own) - np.concatenate(theirs), 4)


def tables(found: dict[str, dict[str, Any]], very: dict[str, Any]) -> Iterator[str]:
    """All of the page's."""
    names, sets = list(found), list(next(iter(found.values())))
    yield "## All sets together\n"
    yield "How much higher each is than with the same library's own log loss, fold by fold, with its standard error.\n"
    rows = []
    for name in names:
        own = found[f"{name.partition(':')[0]}: log loss"]
        gains = [against([found[name][s][:, k] for s in sets], [own[s][:, k] for s in sets]) for k in range(3)]
        took = np.mean([np.median(found[name][s][:, 3]) for s in sets])
        rows.append((name, [*(["", "", ""] if name.endswith(": log loss") else gains), f"{took:.2f}"]))
    yield from table("", [*MEASURES, "ms a round"], rows)
    for k, measure in enumerate(MEASURES):
        yield f"## {measure.capitalize()}\n"
        for half in (sets[:5], sets[5:]):
            if half:
                cells = [(name, [_said(found[name][s][:, k], 4) for s in half]) for name in names]
                yield from table("", [f"{s}, {100 * keel(s)[1].mean():.2g} %" for s in half], cells)
    yield "## Very rare positives\n"
    yield f"0.08 %, made: {RARE} samples to learn from, {RARE_NEW} others to predict; {SEEDS} times.\n"
    cells = [(name, [_said(rows[:, 0], 2), _said(rows[:, 1], 4), _said(rows[:, 2], 5)]) for name, rows in very.items()]
    yield from table("", ["mean probability / share of positives", "average precision", "log loss"], cells)
    yield "## What each is\n"
    for name, note in NOTES.items():
        yield f"- {name}: {note}"
    yield ""


def main(arguments: list[str]) -> None:
    """Measure, and print or write the tables."""
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    sets = [name for name in arguments if name in KEEL] or list(KEEL)
    found: dict[str, dict[str, Any]] = {}
    very: dict[str, Any] = {}
    with threadpool_limits(1):
        for name, make in contestants().items():
            found[name], very[name] = {s: measured(make, *keel(s)) for s in sets}, rare(make)
            print(f"{name}: {len(found)} of {len(contestants())}", file=sys.stderr, flush=True)
    made = "\n".join(tables(found, very)) + "\n"
    if "--write" in arguments:
        PAGE.write_text(PAGE.read_text(encoding="utf-8").partition(MARK)[0] + MARK + "\n" + made, encoding="utf-8")
    else:
        print(made)


if __name__ == "__main__":
    main(sys.argv[1:])

"""Pictures of what the demo found: a panel for each set. matplotlib is imported only when one is drawn."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..pictures import curves as plot
from .measures import reliability
from .results import CROSS_ENTROPY, FOCAL, LOSSES, Outcome, Run

__all__ = ["curves", "draw", "precision_recall", "reliability_before_and_after"]

SUFFIXES = (".svg", ".png")
SHOWN = (LOSSES["linear"][0], LOSSES["linear"][1], *FOCAL[2:])
"""Whose precision and recall are drawn."""
BEFORE_AND_AFTER: tuple[tuple[str, str, Callable[[Outcome], NDArray[np.float64]]], ...] = (
    ("cross entropy", CROSS_ENTROPY.name, lambda outcome: outcome.raw),
    ("γ = 2, raw", FOCAL[2].name, lambda outcome: outcome.raw),
    ("γ = 2, corrected", FOCAL[2].name, lambda outcome: outcome.corrected),
)
"""Whose reliability is drawn."""
COLOURS = ("#000000", "#D55E00", "#0072B2")
FEWEST = 10
"""A bin with fewer samples says nothing, and is not drawn."""


NARROWEST = 7.5
"""Inches that a title and a legend of four take."""


def draw(runs: Sequence[Run], folder: Path) -> list[Path]:
    """Write every picture as SVG and PNG, and give the files' names."""
    pictures = {
        "demo-curves": curves,
        "demo-precision-recall": precision_recall,
        "demo-reliability": reliability_before_and_after,
    }
    paths = []
    for name, picture in pictures.items():
        figure = picture(runs)
        for suffix in SUFFIXES:
            paths.append((folder / name).with_suffix(suffix))
            figure.savefig(paths[-1], metadata={"Date": None} if suffix == ".svg" else None)
    return paths


def curves(runs: Sequence[Run]) -> Any:
    """Log loss of the boosted models' corrected probabilities after each round: unseen rows, and thin the training rows."""
    figure, panels = _canvas(runs, "Log loss over the rounds of boosting (thin: on the training rows)", "round", "log loss")
    for run, panel in zip(runs, panels, strict=True):
        for curve in run.curves:
            style = _style(curve.loss.name)
            rounds = np.arange(1, len(curve.unseen) + 1)
            panel.plot(rounds, curve.unseen, label=curve.loss.name, **style)
            panel.plot(rounds, curve.training, linewidth=0.7, **style)
        panel.set(yscale="log")
    _legend(figure, panels)
    return figure


def precision_recall(runs: Sequence[Run]) -> Any:
    """Precision against recall of each set's rarest class, by the linear model's corrected probabilities on all unseen rows."""
    figure, panels = _canvas(runs, "Precision and recall of the rarest class, linear model", "recall", "precision")
    for run, panel in zip(runs, panels, strict=True):
        for loss in SHOWN:
            rarest = len(run.data.classes) - 1
            labels, found = _unseen(run, "linear", loss.name, lambda outcome: outcome.corrected)
            panel.plot(*_frontier(labels == rarest, found[:, rarest]), label=loss.name, **_style(loss.name))
        panel.set(xlim=(0, 1), ylim=(0, 1.03), title=f"{run.data.name}: {run.data.classes[-1]}")
    _legend(figure, panels)
    return figure


def reliability_before_and_after(runs: Sequence[Run]) -> Any:
    """How frequent what is predicted is: cross entropy, and focal loss at γ = 2 before and after the correction.

    Of more than two classes, all probabilities together.
    """
    figure, panels = _canvas(runs, "Reliability, linear model", "predicted probability", "frequency")
    for run, panel in zip(runs, panels, strict=True):
        panel.plot([0, 1], [0, 1], color="#999999", linewidth=0.8)
        for (label, loss, probabilities), colour, marker in zip(BEFORE_AND_AFTER, COLOURS, "os^", strict=True):
            labels, found = _unseen(run, "linear", loss, probabilities)
            hits = np.eye(found.shape[1])[labels]
            columns = slice(1, None) if found.shape[1] == 2 else slice(None)
            bins = [b for b in reliability(hits[:, columns].ravel(), found[:, columns].ravel()) if b[0] >= FEWEST]
            panel.plot(*list(zip(*bins, strict=True))[1:], color=colour, marker=marker, markersize=5, label=label)
        panel.set(xlim=(0, 1), ylim=(0, 1))
    _legend(figure, panels)
    return figure


def _unseen(
    run: Run, model: str, loss: str, probabilities: Callable[[Outcome], NDArray[np.float64]]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Labels and probabilities of the rows of every fold."""
    labels = np.concatenate([run.data.labels[unseen] for _, unseen in run.folds])
    mine = [outcome for fold in run.outcomes for outcome in fold if (outcome.model, outcome.loss.name) == (model, loss)]
    return labels, np.concatenate([probabilities(outcome) for outcome in mine])


def _frontier(hits: NDArray[np.bool_], scores: NDArray[np.float64]) -> tuple[Any, Any]:
    """Recall and precision as each further hit is found: a point for every recall there is."""
    curve = importlib.import_module("sklearn.metrics").precision_recall_curve
    precision, recall, _ = curve(hits, scores)
    levels = np.unique(recall[recall > 0])
    return levels, [precision[recall == level].max() for level in levels]


def _style(name: str) -> dict[str, Any]:
    """The same colour and dashes for a loss in every picture."""
    colour, dashes = plot.styles()[[loss.name for loss in LOSSES["linear"]].index(name)]
    return {"color": colour, "linestyle": dashes}


def _canvas(runs: Sequence[Run], title: str, x: str, y: str) -> tuple[Any, list[Any]]:
    """A figure that needs no display, with a panel a set, two in a row; wide enough for its title, with one set too."""
    columns, lines = min(2, len(runs)), -(-len(runs) // 2)
    figure = plot.empty(max(NARROWEST, 4.5 * columns), 3.4 * lines + 0.8)
    figure.suptitle(title)
    panels = list(figure.subplots(lines, columns, squeeze=False).ravel())
    for panel, run in zip(panels, runs, strict=False):
        panel.set(title=run.data.name, xlabel=x, ylabel=y)
        panel.grid(alpha=0.3)
    for panel in panels[len(runs) :]:
        panel.set_axis_off()
    return figure, panels[: len(runs)]


def _legend(figure: Any, panels: Sequence[Any]) -> None:
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(4, len(labels)))

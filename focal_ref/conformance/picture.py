"""Pictures of errors. matplotlib is imported only when one is drawn."""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from . import grids
from .contract import WORDS

__all__ = ["errors"]

HIGHEST = 1e17
"""What is NaN, infinite or 0 is drawn at the top."""


def errors(curves: Sequence[dict[str, Any]], title: str, path: str | os.PathLike[str]) -> None:
    """Errors in ULP against the margin: a row of panels for each quantity, a column for each type, a colour for each γ.

    Margins are shown as far as exp reaches in the type and the next wider one.

    Parameters
    ----------
    curves : sequence of dict
        Of a verdict: labels, margins and errors, an entry a row.
    title : str
    path : path
        A file whose name ends in .png, .svg or .pdf.

    Raises
    ------
    ImportError
        Where matplotlib is not installed.
    """
    figure_class = importlib.import_module("matplotlib.figure").Figure
    quantities = [q for q in WORDS if any(curve["quantity"] == q for curve in curves)]
    dtypes = list(dict.fromkeys(curve["dtype"] for curve in curves))
    shape = max(len(quantities), 1), max(len(dtypes), 1)
    figure = figure_class(figsize=(6.0 * shape[1], 2.8 * shape[0]), layout="constrained")
    axes = figure.subplots(*shape, squeeze=False, sharex="col")
    for i, quantity in enumerate(quantities):
        for j, dtype in enumerate(dtypes):
            mine = [c for c in curves if (c["quantity"], c["dtype"]) == (quantity, dtype)]
            _panel(axes[i][j], mine, f"{WORDS[quantity]}, {dtype}")
            axes[i][j].set_ylabel("error (ULP)" if j == 0 else "")
    for axis in axes[-1]:
        axis.set_xlabel("margin: the logit of a positive")
    figure.suptitle(title)
    figure.savefig(path)


def _panel(axis: Any, curves: list[dict[str, Any]], title: str) -> None:
    axis.set_title(title, fontsize="medium")
    axis.set_yscale("symlog", linthresh=0.5)
    reach = max((grids.thresholds(curve["dtype"])[-1] for curve in curves), default=1.0)
    for curve in curves:
        near = np.abs(curve["margins"]) <= reach
        x, found = curve["margins"][near], curve["errors"][near]
        y = np.minimum(np.where(np.isnan(found), HIGHEST, found), HIGHEST)
        (dots,) = axis.plot(x, y, ".", markersize=2, alpha=0.6, label=f"γ = {curve['gamma']:g}")
        axis.axhline(curve["bound"], color=dots.get_color(), linewidth=0.6)
    axis.set_ylim(bottom=0)
    axis.grid(alpha=0.3)
    if curves:
        axis.legend(fontsize="small", markerscale=3)

"""Pictures of errors. matplotlib is imported only when one is drawn."""

from __future__ import annotations

import importlib
import math
import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..typing import Floats, Mask
from . import grids
from .contract import WORDS

__all__ = ["drawn", "errors"]

LEAST, LARGEST = 0.5, 1e17
"""Of errors in ULP: below the first the axis is linear; all larger ones are drawn at the second."""
BANDS = {"0 for a number": "#f4e3b2", "wrong inf": "#f3c9a8", "wrong NaN": "#eeb0b0"}
"""Above the errors, where a result has none: what is so, from the bottom up, and the band's colour."""
LEFT, MANY = 12, 7
"""Most ticks along a panel, and from which number of γ the legend has two rows."""


def errors(curves: Sequence[dict[str, Any]], title: str, path: str | os.PathLike[str]) -> None:
    """Errors in ULP against the margin: a row of panels for each quantity, a column for each type, a colour for each γ.

    Both axes are logarithmic but next to 0. Margins are shown as far as exp reaches in the type and the next wider one; a wrong
    NaN, a wrong infinity and a 0 for a normal number have bands of their own above the errors.

    Parameters
    ----------
    curves : sequence of dict
        Of a verdict: labels, margins and errors, an entry a row. An error that is NaN, inf or −inf is a wrong NaN, a wrong
        infinity, and a 0.
    title : str
    path : path
        A file whose name ends in .png, .svg or .pdf.

    Raises
    ------
    ImportError
        Where matplotlib is not installed.
    """
    drawn(curves, title).savefig(path, dpi=150)


def drawn(curves: Sequence[dict[str, Any]], title: str) -> Any:
    """The figure itself."""
    figure_class = importlib.import_module("matplotlib.figure").Figure
    quantities = [q for q in WORDS if any(curve["quantity"] == q for curve in curves)]
    dtypes = list(dict.fromkeys(curve["dtype"] for curve in curves))
    shape = max(len(quantities), 1), max(len(dtypes), 1)
    figure = figure_class(figsize=(max(6.4, 5.6 * shape[1]), 3.0 * shape[0] + 0.8), layout="constrained")
    axes = figure.subplots(*shape, squeeze=False, sharex="col")
    colours = _colours(curves)
    for i, quantity in enumerate(quantities):
        for j, dtype in enumerate(dtypes):
            mine = [c for c in curves if (c["quantity"], c["dtype"]) == (quantity, dtype)]
            _panel(axes[i][j], mine, f"{WORDS[quantity]}, {dtype}", colours)
            axes[i][j].set_ylabel("error (ULP)" if j == 0 else "")
    for axis in axes[-1]:
        axis.set_xlabel("margin: the logit of a positive")
    figure.suptitle(title)
    lines = importlib.import_module("matplotlib.lines").Line2D
    keys = [lines([], [], color=colour, marker="o", linestyle="", label=f"γ = {gamma:g}") for gamma, colour in colours.items()]
    if keys:
        rows = 2 if len(keys) > MANY else 1
        figure.legend(handles=keys, loc="outside lower center", ncols=math.ceil(len(keys) / rows), fontsize="small")
    return figure


def _colours(curves: Sequence[dict[str, Any]]) -> dict[float, Any]:
    """From dark to light with γ."""
    gammas = sorted({curve["gamma"] for curve in curves})
    shades = importlib.import_module("matplotlib").colormaps["viridis"](np.linspace(0.0, 0.85, max(len(gammas), 1)))
    return dict(zip(gammas, shades, strict=False))


def _panel(axis: Any, curves: list[dict[str, Any]], title: str, colours: dict[float, Any]) -> None:
    axis.set_title(title, fontsize="medium")
    axis.set_xscale("symlog", linthresh=1.0)
    axis.set_yscale("symlog", linthresh=LEAST)
    reach = max((grids.thresholds(curve["dtype"])[-1] for curve in curves), default=1.0)
    finite = np.concatenate(
        [np.zeros(1), *(c["errors"][np.isfinite(c["errors"])] for c in curves), [c["bound"] for c in curves]]
    )
    top = 10.0 ** math.ceil(math.log10(max(float(finite[np.isfinite(finite)].max()), 10.0)) + 0.2)
    top = min(top, 10 * LARGEST)
    step = max(top ** (1 / 8), 2.0)
    for place, colour in enumerate(BANDS.values()):
        axis.axhspan(top * step**place, top * step ** (place + 1), color=colour, linewidth=0)
    for curve in sorted(curves, key=lambda c: -c["gamma"]):
        near = np.abs(curve["margins"]) <= reach
        x, y = curve["margins"][near], _heights(curve["errors"][near], top, step, _share(curve["gamma"], colours))
        colour = colours[curve["gamma"]]
        axis.plot(x, y, ".", markersize=2.5, markeredgewidth=0, alpha=0.7, color=colour, rasterized=True)
        if math.isfinite(curve["bound"]):
            axis.axhline(curve["bound"], color=colour, linewidth=0.7, linestyle="--")
    axis.set_xlim(-1.3 * reach, 1.3 * reach)
    axis.set_ylim(0, top * step ** len(BANDS))
    _ticks(axis, reach, top, step)
    axis.grid(alpha=0.25)


def _share(gamma: float, colours: dict[float, Any]) -> float:
    """Where in a band a γ's points lie, so that none hides another's."""
    return (list(colours).index(gamma) + 0.5) / len(colours)


def _heights(found: Floats, top: float, step: float, share: float) -> Floats:
    """Errors, and places in the bands."""
    y = np.minimum(np.where(np.isfinite(found), found, 0.0), min(top, LARGEST))
    for place, odd in enumerate(_odd(found)):
        y = np.where(odd, top * step ** (place + share), y)
    return np.asarray(y)


def _odd(found: Floats) -> Iterator[Mask]:
    """What is in each of the bands."""
    yield from (found == -np.inf, found == np.inf, np.isnan(found))


def _ticks(axis: Any, reach: float, top: float, step: float) -> None:
    """Few enough that no two overlap; the bands are named on the same axis."""
    ticker = importlib.import_module("matplotlib.ticker")
    most = math.floor(math.log10(reach))
    tens = [10.0**k for k in range(most + 1)]
    at = [*(-x for x in reversed(tens)), 0.0, *tens]
    axis.xaxis.set_major_locator(ticker.FixedLocator(at if len(at) <= LEFT else [x for x in at if abs(x) != 1]))
    axis.xaxis.set_major_formatter(ticker.FuncFormatter(lambda x, _: f"{x:g}".replace("-", "−")))
    axis.xaxis.set_minor_locator(ticker.NullLocator())
    highest = math.floor(math.log10(top))
    powers = range(0, highest + 1, max(1, math.ceil(highest / 5)))
    heights = [0.0, *(10.0**k for k in powers if 10.0**k < 0.5 * top)]
    names = ["0", *("1" if k == 0 else "10" if k == 1 else f"$10^{{{k}}}$" for k in powers if 10.0**k < 0.5 * top)]
    middles = [top * step ** (place + 0.5) for place in range(len(BANDS))]
    axis.yaxis.set_major_locator(ticker.FixedLocator([*heights, *middles]))
    axis.yaxis.set_major_formatter(ticker.FixedFormatter([*names, *BANDS]))
    axis.yaxis.set_minor_locator(ticker.NullLocator())
    axis.tick_params(labelsize="small")

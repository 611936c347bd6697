"""Pictures of focal loss: what γ does to the loss, its derivatives, and the weight of easy examples.

Each function draws one picture and returns it as a matplotlib figure, which `figure.savefig` writes as PNG, SVG or PDF. Curves
differ in colour (a palette that colour-blind readers can tell apart) and in dashes, and γ = 0 is cross entropy.

>>> from focal_ref import plot
>>> figure = plot.loss(gammas=(0.0, 2.0))
>>> [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
['γ = 0 (cross entropy)', 'γ = 2']
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..conformance.contract import GAMMAS
from ..family import Focal, Kernel
from ..losses import SigmoidFocalLoss, SigmoidLoss, arguments

__all__ = ["GAMMAS", "KINDS", "empty", "gradient", "hessian", "loss", "member", "share", "styles"]

INSTALL = "pip install matplotlib"
_COLOURS = ("#000000", "#E69F00", "#56B4E9", "#009E73", "#D55E00", "#CC79A7", "#0072B2")
"""Okabe and Ito's, but for yellow, which is too pale for lines."""
_DASHES: tuple[Any, ...] = ("-", (0, (6, 1.5)), (0, (4, 1.5, 1, 1.5)), (0, (2, 1)), (0, (1, 1)))
_CROSS_ENTROPY = Focal(0.0)
_EASY = (0.6, 0.8, 0.9, 0.99)
_HARD = 0.1
_CROWD = 100


def loss(gammas: Sequence[float] = GAMMAS) -> Any:
    """The loss against the true class's probability p_t, as in Lin et al. 2017, figure 1.

    Parameters
    ----------
    gammas : sequence of float
        A curve for each.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError, TypeError
        Where a γ is not in [0, 1000].
    ImportError
        Where matplotlib is not installed.
    """
    margins = np.linspace(-7.0, 9.0, 801)
    figure, axes = _canvas("Well classified examples count for less", "p_t, the probability given to the true class", "loss")
    _curves(axes, gammas, 1 / (1 + np.exp(-margins)), lambda found: found.value(margins, 1))
    axes.set(xlim=(0, 1), ylim=(0, 5))
    return figure


def gradient(gammas: Sequence[float] = GAMMAS) -> Any:
    """The derivative by the logit of a positive, against the logit. Arguments and result as for `loss`.

    Parameters
    ----------
    gammas : sequence of float
        A curve for each.
    """
    logits = np.linspace(-8.0, 8.0, 801)
    figure, axes = _canvas("The pull on a positive", "logit x of a positive", "∂ loss / ∂x")
    _curves(axes, gammas, logits, lambda found: found.grad(logits, 1))
    axes.set(xlim=(-8, 8))
    return figure


def hessian(gammas: Sequence[float] = GAMMAS) -> Any:
    """The second derivative by the logit of a positive, against the logit: below 0, the loss is not convex there.

    Arguments and result as for `loss`.

    Parameters
    ----------
    gammas : sequence of float
        A curve for each.
    """
    logits = np.linspace(-8.0, 8.0, 801)
    figure, axes = _canvas("Where the loss curves down, it is not convex", "logit x of a positive", "∂² loss / ∂x²")
    axes.axhspan(-1.0, 0.0, color="#dddddd", zorder=0)
    _curves(axes, gammas, logits, lambda found: found.hessian_diag(logits, 1))
    lowest = min(line.get_ydata().min() for line in axes.lines)
    highest = max(line.get_ydata().max() for line in axes.lines)
    axes.set(xlim=(-8, 8), ylim=(min(1.2 * lowest, -0.05 * highest), 1.05 * highest))
    return figure


def share(gammas: Sequence[float] = GAMMAS) -> Any:
    """The share of the total loss that easy examples have, against γ: a hundred easy ones for each hard one (p_t = 0.1).

    Parameters
    ----------
    gammas : sequence of float
        The axis reaches from 0 to the largest; each is a mark on it.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError, TypeError, ImportError
        As `loss`.
    """
    marks = arguments.gammas(gammas)
    axis = np.linspace(0.0, max(*marks, 1.0), 201)
    figure, axes = _canvas(f"What {_CROWD} easy examples weigh against a hard one", "γ", "share of the total loss")
    found = SigmoidFocalLoss(gamma=axis)
    hard = found.value(np.full(axis.shape, _logit(_HARD)), 1)
    for (colour, dashes), p in zip(styles(), _EASY, strict=False):
        easy = _CROWD * found.value(np.full(axis.shape, _logit(p)), 1)
        axes.plot(axis, easy / (easy + hard), color=colour, linestyle=dashes, label=f"easy: p_t = {p:g}")
    axes.set(xlim=(0, axis[-1]), ylim=(0, 1), xticks=marks)
    axes.legend()
    return figure


def member(kernel: Kernel, gammas: Sequence[float] = ()) -> Any:
    """A member of the family beside cross entropy: the loss against p_t, and the derivative by a positive's logit.

    Where negatives have a function of their own, it is drawn too.

    Parameters
    ----------
    kernel : focal_ref.family.Kernel
        With its parameters' values.
    gammas : sequence of float
        A curve for each, of a member that has a γ; without any, one for the kernel's own.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError, TypeError
        Where a γ is not accepted, or the member has none.
    ImportError
        Where matplotlib is not installed.
    """
    if gammas and "gamma" not in kernel.parameters:
        names = ", ".join(map(repr, kernel.parameters))
        raise ValueError(f"gammas: got {list(gammas)}; expected none: the parameters of {type(kernel).__name__} are {names}")
    chosen = [dataclasses.replace(kernel, gamma=float(g)) for g in gammas] or [kernel]  # type: ignore[type-var]
    margins = np.linspace(-7.0, 9.0, 321)
    curves = [("cross entropy", SigmoidLoss(_CROSS_ENTROPY), 1)]
    for one in chosen:
        ends = ((", positives", 1), (", negatives", 0)) if "label" in one.asks else (("", 1),)
        curves += [(f"{one!r}{end}", SigmoidLoss(one), label) for end, label in ends]
    figure = empty(9.0, 4.0)
    of_p, of_logit = figure.subplots(1, 2)
    for (colour, dashes), (label, found, target) in zip(styles(), curves, strict=False):
        value, slope = found.value_and_grad(margins if target else -margins, target)
        style = {"color": colour, "linestyle": dashes, "label": label}
        of_p.plot(1 / (1 + np.exp(-margins)), value, **style)
        of_logit.plot(margins, slope if target else -slope, **style)
    of_p.set(xlim=(0, 1), ylim=(0, 5), xlabel="p_t, the probability given to the true class", ylabel="loss")
    of_logit.set(xlim=(-7, 9), xlabel="the true class's margin z", ylabel="∂ loss / ∂z")
    for axes in (of_p, of_logit):
        axes.grid(alpha=0.3)
    figure.legend(*of_p.get_legend_handles_labels(), loc="outside lower center", ncols=1 + len(chosen) // 2, fontsize="small")
    return figure


KINDS: dict[str, Callable[[Sequence[float]], Any]] = {"loss": loss, "gradient": gradient, "hessian": hessian, "share": share}
"""The pictures by name."""


def _logit(p: float) -> float:
    return float(np.log(p / (1 - p)))


def styles() -> list[tuple[str, Any]]:
    """Colours and dashes that repeat only after 35 curves."""
    count = len(_COLOURS) * len(_DASHES)
    return [(_COLOURS[i % len(_COLOURS)], _DASHES[i % len(_DASHES)]) for i in range(count)]


def empty(width: float, height: float) -> Any:
    """A figure of a size in inches, without anything in it, that needs no display.

    Raises
    ------
    ImportError
        Where matplotlib is not installed.
    """
    try:
        make = importlib.import_module("matplotlib.figure").Figure
    except ImportError:
        raise ImportError(f"focal_ref.plot needs matplotlib: {INSTALL}") from None
    return make(figsize=(width, height), dpi=150, layout="constrained")


def _canvas(title: str, x: str, y: str) -> tuple[Any, Any]:
    """An empty picture that needs no display."""
    figure = empty(7.0, 4.5)
    axes = figure.add_subplot()
    axes.set_title(title)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(alpha=0.3)
    return figure, axes


def _curves(
    axes: Any, gammas: Sequence[float], x: NDArray[np.float64], y: Callable[[SigmoidFocalLoss], NDArray[np.float64]]
) -> None:
    for (colour, dashes), gamma in zip(styles(), arguments.gammas(gammas), strict=False):
        label = "γ = 0 (cross entropy)" if gamma == 0 else f"γ = {gamma:g}"
        axes.plot(x, y(SigmoidFocalLoss(gamma=gamma)), color=colour, linestyle=dashes, label=label)
    axes.legend()

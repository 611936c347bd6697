"""Showing what is wrong: lines of Python that can be pasted, inputs in words, and what those lines call."""

from __future__ import annotations

import contextlib
import contextvars
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..typing import Floats
from . import batch, grids
from .adapt import adapted, path_of
from .candidate import Subject
from .loading import named
from .plan import Plan
from .results import Point

__all__ = [
    "batch_line",
    "given_line",
    "known_as",
    "losses_of",
    "odd_batches_of",
    "place_of",
    "point_line",
    "value_grad_hess_at",
    "written_by",
]

_TEXTS: contextvars.ContextVar[tuple[str | None, str | None]] = contextvars.ContextVar("texts", default=(None, None))
"""By which the function that is checked was loaded, and its derivative."""


@contextlib.contextmanager
def known_as(fn: str | None, derivative: str | None = None) -> Iterator[None]:
    """Within it, lines name the function by the text that it was loaded by ("losses.py:FocalLoss"), and run anywhere."""
    token = _TEXTS.set((fn, derivative))
    try:
        yield
    finally:
        _TEXTS.reset(token)


def _name(plan: Plan) -> str:
    """The function's name, where it is one in Python."""
    name = str(getattr(plan.subject.fn, "__name__", "fn"))
    return ".".join(_names(plan.subject.fn)) or (name if name.isidentifier() else "fn")


def _names(fn: Any) -> list[str]:
    """The parts of a function's name, where a module may have it by that."""
    names = str(getattr(fn, "__qualname__", getattr(fn, "__name__", "fn"))).split(".")
    return names if all(name.isidentifier() for name in names) else []


def _import(plan: Plan) -> str:
    """Python that makes the function known by its name, where there is any."""
    fn, names = plan.subject.fn, _names(plan.subject.fn)
    module, path = getattr(fn, "__module__", None), path_of(fn)
    if not names:
        return ""
    if path is not None:
        return f"import runpy; {names[0]} = runpy.run_path({path!r})[{names[0]!r}]; "
    return f"from {module} import {names[0]}; " if module not in (None, "__main__", "builtins") else ""


def _known(plan: Plan) -> tuple[str, str]:
    """Python to begin with, and what then names the function: the text that it was loaded by, or its name."""
    text = _TEXTS.get()[0]
    return (_import(plan), _name(plan)) if text is None else ("", repr(text))


def place_of(plan: Plan, point: Point) -> str:
    """The input in a few words."""
    what = {"logits": "logit", "probabilities": "probability"}[plan.subject.inputs]
    if plan.subject.link == "sigmoid":
        return f"at {what} {point.logits[0]:.9g}, target {point.target}, γ = {point.gamma:g}, {point.dtype}"
    numbers = ", ".join(f"{x:.6g}" for x in point.logits[:4]) + (", …" if len(point.logits) > 4 else "")
    entry = f", class {point.entry}'s" if len(point.logits) > 1 else ""
    return f"at {what}s [{numbers}], target {point.target}, γ = {point.gamma:g}, {point.dtype}{entry}"


def _options(plan: Plan, **given: Any) -> str:
    """How the function is called, as arguments of the helpers here."""
    s, default = plan.subject, Subject(plan.subject.fn, plan.subject.link, plan.subject.framework)
    options = {"link": s.link, "framework": s.framework.arrays.name, **given}
    for name in ("arguments", "alpha", "reduction", "inputs", "targets", "channels_first", "extra"):
        if getattr(s, name) != getattr(default, name):
            options[name] = getattr(s, name)
    if s.library is not None:
        options = {"library": s.library, "link": s.link, **given}
    texts = {name: repr(value) for name, value in options.items()}
    if callable(s.derivative) and s.library is None:
        known = _TEXTS.get()[1]
        texts["derivative"] = getattr(s.derivative, "__name__", "derivative") if known is None else repr(known)
    return ", ".join(f"{name}={text}" for name, text in texts.items())


def point_line(plan: Plan, quantity: str, point: Point) -> str:
    """Python that shows one result; the function, and what has no literal, go by their names."""
    s = plan.subject
    sigmoid = s.link == "sigmoid"
    logits = repr(point.logits[0] if sigmoid else list(point.logits))
    head = "from math import inf, nan; " if "inf" in logits or "nan" in logits else ""
    before, name = _known(plan)
    place = f"[{point.entry}]" if quantity != "value" and not sigmoid else ""
    tool, given = ("value_grad_hess_at", {"dtype": point.dtype}) if s.library is None else ("grad_hess_at", {})
    call = f"{tool}({name}, {logits}, {point.target}, {_options(plan, **given, gamma=point.gamma)})"
    return f"{head}{before}from focal_ref.conformance import {tool}; print({call}[{quantity!r}]{place})"


def _subject(fn: Callable[..., Any] | str, how: dict[str, Any]) -> Subject:
    link = how.pop("link", "sigmoid")
    fn = named(fn) if isinstance(fn, str) else fn
    derivative = how.pop("derivative", "auto")
    if isinstance(derivative, str) and derivative != "auto":
        derivative = named(derivative)
    called = adapted(fn, link, how.pop("framework", None), how, derivative)
    return Subject(called.fn, link, called.framework, called.derivative, **called.how)


def value_grad_hess_at(
    fn: Callable[..., Any] | str,
    logits: float | Sequence[float],
    target: int,
    *,
    dtype: str = "float32",
    gamma: float = 2.0,
    **how: Any,
) -> dict[str, Any]:
    """What a function gives at one logit, or one row: by quantity, in float64. Options as for `check`.

    Parameters
    ----------
    fn : callable or str
        As for `check`, or a text by which it is loaded: "losses.py:focal", "package.module:FocalLoss"; a derivative, too.
    logits : float or sequence of float
        One logit, or a row of them.
    target : int
        0 or 1, or the class.
    dtype : str
        The logits' type; they are rounded to it.
    gamma : float
        γ.
    **how
        ``link``, ``framework`` and the other options of `check`.

    Returns
    -------
    dict
        "value", and "grad" and "hess" as far as the function has them: numbers, or lists for a row.

    Examples
    --------
    >>> import focal_ref as fr
    >>> value_grad_hess_at(fr.sigmoid_focal_loss, 0.0, 1, dtype="float64", gamma=0.0)
    {'value': 0.6931471805599453}
    """
    subject = _subject(fn, how)
    one: Floats = grids.rounded(np.asarray([logits], dtype=np.float64), dtype)
    results = subject.alone(dtype, gamma, one, np.asarray([target], dtype=np.int32))
    return {q: result[0].tolist() for q, result in results.items()}


def batch_line(plan: Plan, dtype: str, gamma: float) -> str:
    """Python that shows what is odd with batches."""
    classes = {"classes": plan.classes[0]} if plan.subject.link == "softmax" else {}
    before, name = _known(plan)
    how = _options(plan, dtype=dtype, gamma=gamma, **classes)
    return f"{before}from focal_ref.conformance import odd_batches_of; print(odd_batches_of({name}, {how}))"


def odd_batches_of(
    fn: Callable[..., Any] | str, *, dtype: str = "float32", gamma: float = 2.0, classes: int = 3, **how: Any
) -> list[str]:
    """What of a function's results depends on more than each example itself: a line each. Options as for `check`.

    Parameters
    ----------
    fn : callable
        As for `check`.
    dtype : str
        The logits' type.
    gamma : float
        γ.
    classes : int
        How many, for softmax.
    **how
        ``link``, ``framework`` and the other options of `check`.

    Returns
    -------
    list of str
        What was found; empty where each result is its own example's alone.

    Examples
    --------
    >>> odd_batches_of(lambda x, y, gamma: x - x.mean())[0]
    'value: a loss depends on the other examples of its batch'
    """
    subject = _subject(fn, how)
    return [f"{odd.quantity}: {odd.cause}" for odd in batch.odd_batches(subject, dtype, gamma, classes, math.inf)]


def given_line(plan: Plan, dtype: str, gamma: float, logits: Any, targets: Any, tool: str = "losses_of") -> str:
    """Python that shows what the function gives for a batch, or (`written_by`) what it does to it."""
    before, name = _known(plan)
    head = "from math import nan; " if "nan" in repr(logits) else ""
    call = f"{tool}({name}, {logits}, {targets}, {_options(plan, dtype=dtype, gamma=gamma)})"
    return f"{head}{before}from focal_ref.conformance import {tool}; print({call})"


def losses_of(
    fn: Callable[..., Any] | str, logits: Any, targets: Any, *, dtype: str = "float32", gamma: float = 2.0, **how: Any
) -> Any:
    """What a function gives for a batch: its losses, or the one number that it makes of them. Options as for `check`.

    Parameters
    ----------
    fn : callable or str
        As for `value_grad_hess_at`.
    logits, targets : sequence
        A batch of logits, or of rows of them; and its labels, or classes.
    dtype : str
        The logits' type; they are rounded to it.
    gamma : float
        γ.
    **how
        ``link``, ``framework`` and the other options of `check`.

    Returns
    -------
    list or float
        The losses in float64, or the one number.

    Examples
    --------
    >>> import focal_ref as fr
    >>> losses_of(fr.sigmoid_focal_loss, [0.0, 0.0], [0, 1], dtype="float64", gamma=0.0)
    [0.6931471805599453, 0.6931471805599453]
    """
    subject = _subject(fn, how)
    arrays = subject.framework.arrays
    with arrays.context():
        given = subject.given(dtype, grids.rounded(np.asarray(logits, dtype=np.float64), dtype), np.asarray(targets, np.int32))
        return np.asarray(arrays.to_numpy(subject.raw(*given, gamma))).tolist()


def written_by(
    fn: Callable[..., Any] | str, logits: Any, targets: Any, *, dtype: str = "float32", gamma: float = 2.0, **how: Any
) -> list[str]:
    """Which of its arguments a function writes into.

    Parameters
    ----------
    fn : callable or str
        As for `value_grad_hess_at`.
    logits, targets : sequence
        A batch, as for `losses_of`.
    dtype : str
        The logits' type.
    gamma : float
        γ.
    **how
        ``link``, ``framework`` and the other options of `check`.

    Returns
    -------
    list of str
        Their names; empty where there is none.

    Examples
    --------
    >>> def writing(logits, targets, gamma):
    ...     logits *= 2
    ...     return logits
    >>> written_by(writing, [1.0, 2.0], [0, 1])
    ['logits']
    """
    subject = _subject(fn, how)
    subject(dtype, gamma, grids.rounded(np.asarray(logits, dtype=np.float64), dtype), np.asarray(targets, dtype=np.int32))
    return sorted(subject.writes)

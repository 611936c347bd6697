"""Showing what is wrong: lines of Python that can be pasted, inputs in words, and what those lines call."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..typing import Floats
from . import batch, grids
from .adapt import adapted, path_of
from .candidate import Subject
from .plan import Plan
from .results import Point

__all__ = ["batch_line", "import_line", "name_of", "odd_batches_of", "place_of", "point_line", "value_grad_hess_at"]


def name_of(plan: Plan) -> str:
    """The function's name, where it is one in Python."""
    fn = plan.subject.fn
    name = getattr(fn, "__name__", "fn")
    return name if isinstance(name, str) and name.isidentifier() else "fn"


def import_line(plan: Plan) -> str:
    """Python that makes the function known by its name, where there is any."""
    fn = plan.subject.fn
    module, name = getattr(fn, "__module__", None), str(getattr(fn, "__qualname__", "<"))
    path = path_of(fn)
    if path is not None and "." not in name:
        return f"import runpy; {name_of(plan)} = runpy.run_path({path!r})[{name!r}]; "
    known = module not in (None, "__main__", "builtins") and "<" not in name and "." not in name
    return f"from {module} import {name_of(plan)}; " if known else ""


def place_of(plan: Plan, point: Point) -> str:
    """The input in a few words."""
    what = {"logits": "logit", "probabilities": "probability"}[plan.subject.inputs]
    if plan.subject.link == "sigmoid":
        return f"at {what} {point.logits[0]:.9g}, target {point.target}, γ = {point.gamma:g}, {point.dtype}"
    numbers = ", ".join(f"{x:.6g}" for x in point.logits[:4]) + (", …" if len(point.logits) > 4 else "")
    entry = f", class {point.entry}'s" if len(point.logits) > 1 else ""
    return f"at {what}s [{numbers}], target {point.target}, γ = {point.gamma:g}, {point.dtype}{entry}"


def point_line(plan: Plan, quantity: str, point: Point) -> str:
    """Python that shows one result; the function, and what has no literal, go by their names."""
    s, default = plan.subject, Subject(plan.subject.fn, plan.subject.link, plan.subject.framework)
    options = {"link": s.link, "framework": s.framework.arrays.name, "dtype": point.dtype, "gamma": point.gamma}
    for name in ("arguments", "alpha", "reduction", "inputs", "targets", "channels_first"):
        if getattr(s, name) != getattr(default, name):
            options[name] = getattr(s, name)
    texts = {name: repr(value) for name, value in options.items()}
    if callable(s.derivative):
        texts["derivative"] = getattr(s.derivative, "__name__", "derivative")
    logits = repr(point.logits[0] if s.link == "sigmoid" else list(point.logits))
    head = "from math import inf, nan; " if "inf" in logits or "nan" in logits else ""
    head += import_line(plan)
    place = f"[{point.entry}]" if quantity != "value" and s.link == "softmax" else ""
    what = ", ".join(f"{name}={text}" for name, text in texts.items())
    call = f"value_grad_hess_at({name_of(plan)}, {logits}, {point.target}, {what})"
    return f"{head}from focal_ref.conformance import value_grad_hess_at; print({call}[{quantity!r}]{place})"


def _subject(fn: Callable[..., Any], how: dict[str, Any]) -> Subject:
    link = how.pop("link", "sigmoid")
    called = adapted(fn, link, how.pop("framework", None), how)
    return Subject(called.fn, link, called.framework, **called.how)


def value_grad_hess_at(
    fn: Callable[..., Any],
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
    fn : callable
        As for `check`.
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
    s = plan.subject
    what = f"link={s.link!r}, framework={s.framework.arrays.name!r}, dtype={dtype!r}, gamma={gamma:g}"
    what += f", classes={plan.classes[0]}" if s.link == "softmax" else ""
    return (
        f"{import_line(plan)}from focal_ref.conformance import odd_batches_of; print(odd_batches_of({name_of(plan)}, {what}))"
    )


def odd_batches_of(
    fn: Callable[..., Any], *, dtype: str = "float32", gamma: float = 2.0, classes: int = 3, **how: Any
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

    Examples
    --------
    >>> odd_batches_of(lambda x, y, gamma: x - x.mean())[0]
    'value: a loss depends on the other examples of its batch'
    """
    subject = _subject(fn, how)
    return [f"{odd.quantity}: {odd.cause}" for odd in batch.odd_batches(subject, dtype, gamma, classes, math.inf)]

"""Measurement of this package's own loss on array libraries: the function `measure`."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ..engine import arrays, precision
from ..libraries import backends as libraries
from ..libraries.backends import Backend, Status, Unavailable
from ..losses import SigmoidFocalLoss, SoftmaxFocalLoss, arguments
from ..typing import Floats
from . import grids
from .contract import DTYPES, GAMMAS, LINKS, MEASURED, PRECISIONS, QUANTITIES, Exact, Terms, bound, judge
from .exact import grids_of, truth
from .report import Report
from .rows import Row, figures
from .spots import Spot, in_words, spot

__all__ = ["at", "measure", "own_loss"]

Loss: TypeAlias = Callable[[str, float, Any], Callable[[Any, Any], Sequence[Any]]]
"""`subject(link, gamma, precision)(logits, targets)` gives value, gradient and Hessian diagonal, unreduced."""
Progress: TypeAlias = Callable[[int, int, str], None]
"""Called with the steps done, all steps, and what comes next."""


def own_loss(link: str, gamma: float, precision: Any) -> Callable[[Any, Any], Sequence[Any]]:
    """This package's own loss, as `measure` takes a loss.

    Parameters
    ----------
    link : {"sigmoid", "softmax"}
        Which loss.
    gamma : float
        γ.
    precision : {"extended", "native"}
        Its precision.

    Returns
    -------
    callable
        Takes logits and targets; gives value, gradient and Hessian diagonal.
    """
    make = SigmoidFocalLoss if link == "sigmoid" else SoftmaxFocalLoss
    return make(gamma=gamma, precision=precision).value_grad_hess


# ---- running ----------------------------------------------------------------------------------------------------------------


class _Case(NamedTuple):
    backend: Backend
    link: str
    dtype: str
    asked: str
    """The precision asked for."""
    compute: str
    """The type that makes it."""
    gamma: float
    gammas: tuple[float, ...]
    """All that are measured: the grid depends on them."""

    @property
    def precision(self) -> str:
        return self.asked if self.asked == "reference" else "native" if self.compute == self.dtype else "extended"

    def __str__(self) -> str:
        return f"{self.link}, {self.dtype}, {self.precision}, gamma {self.gamma:g}"


def measure(
    backends: Sequence[str] | None = None,
    links: Sequence[str] = LINKS,
    dtypes: Sequence[str] = DTYPES,
    gammas: Sequence[float] = GAMMAS,
    precisions: Sequence[str] = MEASURED,
    progress: Progress | None = None,
    *,
    subject: Loss = own_loss,
    forget: bool = False,
) -> Report:
    """Measure a loss on array libraries against the oracle.

    Parameters
    ----------
    backends : sequence of str, optional
        Names of `focal_ref.backends`; None: all that are installed.
    links, dtypes, gammas, precisions : sequences
        What to measure. Types that a backend has not are left out; "reference" is measured where it is asked for.
    progress : callable, optional
        Called with the steps done, all steps, and what comes next.
    subject : callable
        `subject(link, gamma, precision)(logits, targets)` gives value, gradient and Hessian diagonal, unreduced.
    forget : bool
        Have JAX drop all that it has compiled after each type: else a whole run keeps some gigabytes.

    Returns
    -------
    Report

    Raises
    ------
    ValueError, TypeError
        Where an argument is not among what can be measured; the message names it.
    focal_ref.backends.Unavailable
        Where a backend asked for by name is absent; a broken one is in the report.

    Examples
    --------
    >>> report = measure(["numpy"], ["sigmoid"], ["float32"], [2.0], ["extended"])
    >>> report.passed, [row.quantity for row in report.rows]
    (True, ['value', 'grad', 'hess'])
    """
    given = {"backends": backends or (), "links": links, "dtypes": dtypes, "precisions": precisions}
    for (name, values), options in zip(given.items(), (libraries.NAMES, LINKS, DTYPES, PRECISIONS), strict=True):
        for value in values:
            arguments.choice(name, value, options)
    gammas = arguments.gammas(gammas)
    progress = progress or (lambda done, steps, text: None)
    progress(0, 1, "importing the array libraries")
    ready, absent, broken = _sorted_out(backends)
    cases = [case for backend in ready for case in _cases(backend, links, dtypes, gammas, precisions)]
    rows: list[Row] = []
    with ThreadPoolExecutor() as pool:
        for done, case in enumerate(cases):
            progress(done, len(cases), f"{case.backend.name}: {case}")
            if any(status.name == case.backend.name for status in broken):
                continue
            try:
                got = _results(case, subject, pool)
            except Exception as error:  # a library that fails half-way is to be told, not to end the run
                broken.append(Status(case.backend.name, "broken", f"{case}: {libraries.in_one_line(error)}"))
            else:
                rows += _rows(case, got, subject)
            if forget and case.gamma == gammas[-1]:
                case.backend.forget()
    progress(len(cases), len(cases), "")
    return Report(tuple(rows), tuple(absent), tuple(broken))


def _sorted_out(names: Sequence[str] | None) -> tuple[list[Backend], list[Status], list[Status]]:
    """The backends that can be used; which are absent, and which broken."""
    states = libraries.survey(names)
    absent, broken = ([s for s in states if s.state == state] for state in ("absent", "broken"))
    if names is not None and absent:
        raise Unavailable(*absent[0])
    return [libraries.get(s.name) for s in states if s.state == "ready"], absent, broken


def _cases(
    backend: Backend, links: Sequence[str], dtypes: Sequence[str], gammas: tuple[float, ...], precisions: Sequence[str]
) -> Iterator[_Case]:
    """Each type in each precision it can really be computed in, once."""
    for link, dtype in itertools.product(links, (d for d in dtypes if d in backend.dtypes)):
        actual = {
            (asked == "reference", _compute_type(backend, dtype, asked)): asked for asked in sorted(precisions, reverse=True)
        }
        for (_, compute), asked in reversed(actual.items()):
            for gamma in gammas:
                yield _Case(backend, link, dtype, asked, compute, gamma, gammas)


def _compute_type(backend: Backend, dtype: str, asked: Any) -> str:
    with backend.context():
        x = backend.asarray(np.zeros(1), dtype)
        return precision.compute_type(arrays.look(x), asked)


def _results(case: _Case, subject: Loss, pool: ThreadPoolExecutor) -> list[Floats]:
    """Value, gradient and Hessian on all the grids, flat.

    JAX compiles each operation for each shape, which takes most of the time: so the grids go side by side, the widest first,
    and are repeated to one number of rows.
    """
    parts = grids_of(case.link, case.dtype, case.gammas)
    rows = max(len(grid.logits) for grid in parts)

    def on_grid(grid: grids.Grid) -> list[Floats]:
        logits, targets = np.resize(grid.logits, (rows, *grid.logits.shape[1:])), np.resize(grid.targets, rows)
        results = _run(case.backend, case.link, case.dtype, case.asked, case.gamma, logits, targets, subject)
        return [result[: len(grid.logits)].ravel() for result in results]

    # Around the threads' own contexts: of what the whole process sees, each of them then finds and leaves the same.
    with case.backend.context():
        found = list(pool.map(on_grid, parts[::-1]))[::-1]
    return [np.concatenate(quantity) for quantity in zip(*found, strict=True)]


def _run(
    backend: Backend, link: str, dtype: str, asked: str, gamma: float, logits: Floats, targets: Any, subject: Loss
) -> list[Floats]:
    found = []
    with backend.context():
        loss = subject(link, gamma, asked)
        results = loss(backend.asarray(logits, dtype), backend.asarray(targets, "int32"))
        for quantity, result in zip(QUANTITIES, results, strict=True):
            due = (len(logits),) if quantity == "value" else logits.shape
            if tuple(result.shape) != due or arrays.dtype_name(result) != dtype:
                came = f"{arrays.dtype_name(result)} of shape {tuple(result.shape)}"
                raise TypeError(f"{quantity}: got {came}; expected {dtype} of shape {due}")
            found.append(backend.to_numpy(result))
    return found


def at(
    backend: str,
    link: str,
    dtype: str,
    precision: str,
    gamma: float,
    logits: float | Sequence[float],
    target: int,
    subject: Loss = own_loss,
) -> list[Floats]:
    """Value, gradient and Hessian diagonal at one logit, or one row of them, in float64.

    Parameters
    ----------
    backend, link, dtype, precision : str
        As `measure` takes a list of each.
    gamma : float
        γ.
    logits : float or sequence of float
        One logit, or a row of them.
    target : int
        0 or 1, or the class.
    subject : callable, optional
        Whose results: ``subject(link, gamma, precision)`` gives a function of logits and targets.

    Returns
    -------
    list of float64 arrays
        Value, gradient and Hessian diagonal.

    Examples
    --------
    >>> value, grad, hess = at("numpy", "softmax", "float32", "extended", 0.0, [0.0, 0.0], 1)
    >>> grad
    array([ 0.5, -0.5])
    """
    batch = np.asarray([logits], dtype=np.float64)
    return [r[0] for r in _run(libraries.get(backend), link, dtype, precision, gamma, batch, np.asarray([target]), subject)]


# ---- judging ----------------------------------------------------------------------------------------------------------------


def _rows(case: _Case, results: list[Floats], subject: Loss) -> Iterator[Row]:
    gamma = precision.round_to(case.gamma, case.dtype) if case.precision == "native" else case.gamma
    exact = truth(case.link, case.dtype, gamma, case.gammas)
    with np.errstate(all="ignore"):
        for quantity, got in zip(QUANTITIES, results, strict=True):
            yield _judge(case, quantity, got, exact[quantity], subject)


def _judge(case: _Case, quantity: str, got: Floats, exact: Exact, subject: Loss) -> Row:
    limit = bound(quantity, case.link, case.dtype, case.precision, case.gamma)
    on = Terms(quantity, case.dtype, case.compute, case.gamma, limit, flushes=case.dtype in case.backend.flushes)
    found = judge(got, exact, on)
    place = spot(case.link, case.dtype, case.gammas, quantity, found.worst)
    return Row(
        *(case.backend.name, case.link, case.dtype, case.precision, case.gamma, quantity),
        points=got.size,
        **figures(found, on),
        worst=_line(case, quantity, place, subject),
        got=repr(float(got[found.worst])),
        exact=repr(float(exact.hi[found.worst])),
        where=in_words(place),
    )


def _line(case: _Case, quantity: str, at: Spot, subject: Loss) -> str:
    """Python that shows one point."""
    logits, imports = repr(at.logits.tolist()), "from focal_ref.conformance import at; "
    if at.logits.size > 10:
        logits, imports = (
            f"grids.softmax({case.dtype!r})[{at.part}].logits[{at.row}]",
            f"from focal_ref import grids; {imports}",
        )
    elif not np.isfinite(at.logits).all():
        imports = f"from math import inf, nan; {imports}"
    place = f"[{QUANTITIES.index(quantity)}]" + (f"[{at.entry}]" if at.entry is not None else "")
    own = "" if subject is own_loss else f", {getattr(subject, '__name__', 'subject')}"
    what = ", ".join(map(repr, (case.backend.name, case.link, case.dtype, case.asked, case.gamma)))
    return f"{imports}print(at({what}, {logits}, {at.target}{own}){place})"

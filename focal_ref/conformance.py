"""How far a focal loss is from the exact one, and whether that is within bounds.

Every quantity (value, gradient, Hessian diagonal) is measured on the logits of `focal_ref.grids` against `focal_ref.oracle`:

* in ULP of the type, where the exact result is a normal number;
* below that, in units of the smallest subnormal × (1 + γ)(1 + γ ℓ). φ'' is proportional to p, so it counts as subnormal where p
  is, in the type that is computed in;
* φ'' has a zero, where no relative error is bounded: in native precision it is measured in ULP of Σ|terms|, in extended
  precision so where it is below 2^-8 of that sum, and in plain ULP elsewhere;
* a NaN, a wrong infinity, or a 0 for a normal number fails whatever the tolerance.

A result of another shape or type than is due counts as a failure of the library, and so does an exception.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from . import backends as libraries
from . import checks, execution, grids, ulp
from .backends import Backend, Status, Unavailable
from .losses import SigmoidFocalLoss, SoftmaxFocalLoss
from .report import Report, Row
from .truth import QUANTITIES, Exact, Floats, grids_of, truth

__all__ = ["DTYPES", "LINKS", "PRECISIONS", "QUANTITIES", "Report", "Row", "at", "bound", "focal_ref", "measure"]

Subject: TypeAlias = Callable[[str, float, Any], Callable[[Any, Any], Sequence[Any]]]
"""`subject(link, gamma, precision)(logits, targets)` gives value, gradient and Hessian diagonal, unreduced."""
Progress: TypeAlias = Callable[[int, int, str], None]
"""Called with the steps done, all steps, and what comes next."""

LINKS = ("sigmoid", "softmax")
DTYPES = ("float16", "bfloat16", "float32", "float64")
PRECISIONS = ("extended", "native")

EXTENDED = 0.51
NATIVE = {
    ("sigmoid", "value"): (4.0, 2.0),
    ("sigmoid", "grad"): (4.0, 2.0),
    ("sigmoid", "hess"): (6.0, 2.5),
    ("softmax", "value"): (4.0, 2.0),
    ("softmax", "grad"): (4.0, 2.0),
    ("softmax", "hess"): (6.0, 3.0),
}
"""a, b of the bound a + b γ, in ULP."""
LARGEST_GAMMA = 5.0
"""Native bounds are promised up to this γ."""
LARGEST_MEASURED_GAMMA = 1000.0
MEASURED_GAMMAS = "a number in [0, 1000]"
SUBNORMAL_UNITS = 4.0
NEAR_ZERO = 2.0**-8
"""Below this share of Σ|terms|, φ'' counts as near its zero."""


def bound(quantity: str, link: str, dtype: str, precision: str, gamma: float) -> float:
    """The largest error allowed, in ULP; inf where none is promised (native types past γ = 5).

    Examples
    --------
    >>> bound("value", "softmax", "float32", "extended", 2.0), bound("hess", "sigmoid", "float64", "extended", 2.0)
    (0.51, 11.0)
    """
    if precision == "extended" and dtype != "float64":
        return EXTENDED
    base, slope = NATIVE[link, quantity]
    return base + slope * gamma if gamma <= LARGEST_GAMMA else math.inf


def focal_ref(link: str, gamma: float, precision: Any) -> Callable[[Any, Any], Sequence[Any]]:
    """This package's own loss, as `measure` takes a loss."""
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
        return "native" if self.compute == self.dtype else "extended"

    def __str__(self) -> str:
        return f"{self.link}, {self.dtype}, {self.precision}, gamma {self.gamma:g}"


def measure(
    backends: Sequence[str] | None = None,
    links: Sequence[str] = LINKS,
    dtypes: Sequence[str] = DTYPES,
    gammas: Sequence[float] = grids.GAMMAS,
    precisions: Sequence[str] = PRECISIONS,
    progress: Progress | None = None,
    *,
    subject: Subject = focal_ref,
    forget: bool = False,
) -> Report:
    """Measure a loss on array libraries against the oracle.

    Parameters
    ----------
    backends : sequence of str, optional
        Names of `focal_ref.backends`; None: all that are installed.
    links, dtypes, gammas, precisions : sequences
        What to measure. Types that a backend has not are left out.
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
            checks.choice(name, value, options)
    gammas = tuple(checks.number("gammas", gamma, 0.0, LARGEST_MEASURED_GAMMA, MEASURED_GAMMAS) for gamma in gammas)
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
        actual = {_compute_type(backend, dtype, asked): asked for asked in sorted(precisions, reverse=True)}
        for compute, asked in reversed(actual.items()):
            for gamma in gammas:
                yield _Case(backend, link, dtype, asked, compute, gamma, gammas)


def _compute_type(backend: Backend, dtype: str, asked: Any) -> str:
    with backend.context():
        x = backend.asarray(np.zeros(1), dtype)
        return execution.compute_type(execution.namespace_of(x), x, asked)


def _results(case: _Case, subject: Subject, pool: ThreadPoolExecutor) -> list[Floats]:
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

    found = list(pool.map(on_grid, parts[::-1]))[::-1]
    return [np.concatenate(quantity) for quantity in zip(*found, strict=True)]


def _run(
    backend: Backend, link: str, dtype: str, asked: str, gamma: float, logits: Floats, targets: Any, subject: Subject
) -> list[Floats]:
    found = []
    with backend.context():
        loss = subject(link, gamma, asked)
        results = loss(backend.asarray(logits, dtype), backend.asarray(targets, "int32"))
        for quantity, result in zip(QUANTITIES, results, strict=True):
            due = (len(logits),) if quantity == "value" else logits.shape
            if tuple(result.shape) != due or execution.dtype_name(result) != dtype:
                came = f"{execution.dtype_name(result)} of shape {tuple(result.shape)}"
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
    subject: Subject = focal_ref,
) -> list[Floats]:
    """Value, gradient and Hessian diagonal at one logit, or one row of them, in float64.

    Examples
    --------
    >>> value, grad, hess = at("numpy", "softmax", "float32", "extended", 0.0, [0.0, 0.0], 1)
    >>> grad
    array([ 0.5, -0.5])
    """
    batch = np.asarray([logits], dtype=np.float64)
    return [r[0] for r in _run(libraries.get(backend), link, dtype, precision, gamma, batch, np.asarray([target]), subject)]


# ---- judging ----------------------------------------------------------------------------------------------------------------


def _rows(case: _Case, results: list[Floats], subject: Subject) -> Iterator[Row]:
    gamma = execution.round_to(case.gamma, case.dtype) if case.precision == "native" else case.gamma
    exact = truth(case.link, case.dtype, gamma, case.gammas)
    with np.errstate(all="ignore"):
        for quantity, got in zip(QUANTITIES, results, strict=True):
            yield _judge(case, quantity, got, exact[quantity], subject)


def _judge(case: _Case, quantity: str, got: Floats, exact: Exact, subject: Subject) -> Row:
    fmt = ulp.FORMATS[case.dtype]
    limit = bound(quantity, case.link, case.dtype, case.precision, case.gamma)
    nan = np.isnan(got) != np.isnan(exact.hi)
    plain = ulp.errors(got, exact.hi, exact.lo, fmt)
    by_terms = ulp.errors(got, exact.hi, exact.lo, fmt, scale=exact.terms)
    wrong_inf = np.isinf(plain) & ~nan
    near_zero = np.abs(exact.hi) < NEAR_ZERO * exact.terms
    error = by_terms if quantity == "hess" and case.precision == "native" else np.where(near_zero, by_terms, plain)
    subnormal = _is_subnormal(case, quantity, exact, near_zero)
    judged = np.isfinite(plain) & ~_excused(case, quantity, got, exact)
    measured = np.isfinite(error) & judged & ~subnormal
    flushed = (got == 0) & (np.abs(exact.hi) >= fmt.tiny) & ~subnormal & (~near_zero | (error > limit))
    units = np.where(subnormal & judged, _units(case, got, exact), 0.0)
    errors = error[measured] if measured.any() else np.zeros(1)
    counts = [int(np.count_nonzero(mask)) for mask in (nan, wrong_inf, flushed)]
    shares = np.maximum(np.where(measured, error, 0.0) / min(limit, 1e9), units / SUBNORMAL_UNITS)
    worst = int(np.argmax(np.where(nan | wrong_inf, np.inf, np.where(flushed, 1e300, shares))))
    return Row(
        *(case.backend.name, case.link, case.dtype, case.precision, case.gamma, quantity),
        points=got.size,
        max_ulp=float(errors.max()),
        p99_ulp=float(np.percentile(errors, 99)),
        max_ulp_plain=float(np.max(plain[measured], initial=0.0)),
        max_ulp_terms=float(np.max(by_terms[measured], initial=0.0)) if quantity == "hess" else None,
        nan=counts[0],
        wrong_inf=counts[1],
        flushed=counts[2],
        subnormal_units=float(units.max()),
        bound=limit,
        subnormal_bound=SUBNORMAL_UNITS,
        passed=bool(not any(counts) and errors.max() <= limit and units.max() <= SUBNORMAL_UNITS),
        worst=_line(case, quantity, worst, subject),
        got=repr(float(got[worst])),
        exact=repr(float(exact.hi[worst])),
    )


def _is_subnormal(case: _Case, quantity: str, exact: Exact, near_zero: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Below the normal numbers, but not for being near a zero; a Hessian also where p is, unless other terms outweigh φ''."""
    subnormal: NDArray[np.bool_] = np.where(near_zero, exact.terms, np.abs(exact.hi)) < ulp.FORMATS[case.dtype].tiny
    if quantity != "hess":
        return subnormal
    p_tiny = ulp.FORMATS[case.compute].tiny
    return subnormal | (_p_is_subnormal(case, exact) & (exact.terms < 2 * p_tiny * _amplification(case.gamma, exact)))


def _p_is_subnormal(case: _Case, exact: Exact) -> NDArray[np.bool_]:
    return exact.nll > -math.log(ulp.FORMATS[case.compute].tiny)


def _excused(case: _Case, quantity: str, got: Floats, exact: Exact) -> NDArray[np.bool_]:
    """Hessians from which no more is missing than the φ'' that was flushed with its p, where that is allowed."""
    if quantity != "hess" or case.dtype not in case.backend.flushes:
        return np.zeros(got.shape, dtype=bool)
    missing = np.abs((got - exact.hi) - exact.lo)
    return _p_is_subnormal(case, exact) & (missing <= ulp.FORMATS[case.compute].tiny * _amplification(case.gamma, exact))


def _amplification(gamma: float, exact: Exact) -> Floats:
    """(1 + γ)(1 + γ ℓ), ℓ up to where p = exp(−ℓ) is 0 in every type."""
    return (1 + gamma) * (1 + gamma * np.minimum(exact.nll, 750.0))


def _units(case: _Case, got: Floats, exact: Exact) -> Floats:
    """Errors in units of the smallest subnormal × (1 + γ)(1 + γ ℓ); a flushed subnormal is none where that is allowed."""
    units = np.abs((got - exact.hi) - exact.lo) / ulp.FORMATS[case.dtype].smallest / _amplification(case.gamma, exact)
    return np.where((got == 0) & (case.dtype in case.backend.flushes), 0.0, units)


def _line(case: _Case, quantity: str, flat: int, subject: Subject) -> str:
    """Python that shows one point."""
    parts = grids_of(case.link, case.dtype, case.gammas)
    widths = [1 if quantity == "value" or grid.logits.ndim == 1 else grid.logits.shape[1] for grid in parts]
    starts = np.cumsum([0, *(len(grid.logits) * width for grid, width in zip(parts, widths, strict=True))])
    index = int(np.searchsorted(starts, flat, side="right")) - 1
    grid, width = parts[index], widths[index]
    row, entry = divmod(flat - int(starts[index]), width)
    logits, imports = repr(grid.logits[row].tolist()), "from focal_ref.conformance import at; "
    if grid.logits.ndim == 2 and grid.logits.shape[1] > 10:
        logits, imports = f"grids.softmax({case.dtype!r})[{index}].logits[{row}]", f"from focal_ref import grids; {imports}"
    elif not np.isfinite(grid.logits[row]).all():
        imports = f"from math import inf, nan; {imports}"
    place = f"[{QUANTITIES.index(quantity)}]" + (f"[{entry}]" if width > 1 else "")
    own = "" if subject is focal_ref else f", {getattr(subject, '__name__', 'subject')}"
    what = ", ".join(map(repr, (case.backend.name, case.link, case.dtype, case.asked, case.gamma)))
    return f"{imports}print(at({what}, {logits}, {int(grid.targets[row])}{own}){place})"

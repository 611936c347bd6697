"""The rest of the contract: other types of targets, −0.0, larger γ, other numbers of classes, and what autograd owes.

Each is one or a few calls on unremarkable points, compared with the function's own results where that is enough, and with
focal_ref's losses in float64 where it is not, by a tolerance that no rounding comes near.
"""

from __future__ import annotations

import importlib
import time
import tracemalloc
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ..typing import Floats
from . import grids
from .candidate import Subject
from .guard import Refused, contained
from .meaning import Factor
from .member import meant
from .pool import POOL, Odd, Points, points
from .transforms import odd_transforms

__all__ = ["beyond"]

POINTS = POOL
ROUGH = 1e-3
"""Relative: what is meant by another result."""
LARGER_GAMMAS = (0.1, 3.7, 7.0, 10.0)
MANY_CLASSES = (1, 2, 333, 1025, 50257)
TRIAL_CLASSES = 4099
"""Asked for first: a table of classes × classes shows in memory or time, and would not fit for the most."""
TRIAL_BYTES, TRIAL_SECONDS = 2**24, 0.02
TYPES = {"float": ("int64", "int32", "uint8", "bool"), "index": ("int32", "uint8")}


def beyond(
    subject: Subject,
    dtype: str,
    gammas: Sequence[float],
    classes: Sequence[int],
    factor: Factor | None,
    remarks: dict[str, None],
    *,
    clips: bool = False,
    compiles: bool = False,
) -> Iterator[Odd]:
    """What is wrong outside the cases that the oracle is asked for; `clips`: it clips, which many classes show;
    `compiles`: torch's compiler is to be tried."""
    gamma = min(gammas, key=lambda g: abs(g - 2.0))
    x, y = _points(subject, classes[0], dtype)
    try:
        base = _ask(subject, dtype, gamma, x, y)
    except Refused:
        return
    yield from _zeros(subject, dtype, gamma, x, y)
    yield from _types(subject, dtype, gamma, x, y, base)
    yield from _narrow(subject, dtype, gamma, x, y)
    if subject.inputs == "logits" and _is_right(subject, base, x, y, gamma, factor):
        if subject.takes_gamma and len(gammas) > 1:
            yield from _gammas(subject, dtype, x, y, factor)
        if subject.link == "softmax" and len(classes) > 1 and not clips:
            yield from _classes(subject, dtype, gamma, factor)
    if subject.derivative == "auto" and subject.framework.gradient is not None and subject.inputs == "logits":
        yield from _autograd(subject, dtype, gamma, x, y)
    yield from odd_transforms(subject, dtype, gamma, x, y, remarks, compiles=compiles)


def _points(subject: Subject, classes: int, dtype: str, rows: int = POINTS) -> Points:
    return points(subject, dtype, classes, rows, 2.0, grids.SEED + 1)


def _ask(subject: Subject, dtype: str, gamma: float, x: Floats, y: NDArray[np.int64]) -> Floats:
    with contained():
        return subject.first(dtype, gamma, x, y, ("value",))["value"]


def _exact(subject: Subject, x: Floats, y: NDArray[np.int64], gamma: float, factor: Factor | None) -> Floats:
    weight = 1.0 if factor is None else factor(y.astype(np.int32), x.shape[1] if x.ndim == 2 else 2)
    return np.asarray(meant(subject, gamma)(x, y)) * weight


def _apart(a: Floats, b: Floats, rough: float = ROUGH) -> NDArray[np.bool_]:
    with np.errstate(all="ignore"):
        return np.asarray(~(np.abs(a - b) <= rough * (np.abs(b) + 1e-3 * np.abs(b).max(initial=0.0))))


def _is_right(subject: Subject, base: Floats, x: Floats, y: NDArray[np.int64], gamma: float, factor: Factor | None) -> bool:
    return not _apart(base, _exact(subject, x, y, gamma, factor)).any()


def _odd(cause: str, cure: str, got: Floats, due: Floats, where: str, quantity: str = "value") -> Odd:
    wrong = _apart(got, due)
    place = int(np.flatnonzero(wrong.ravel())[0])
    numbers = (repr(float(a.ravel()[place])) for a in (got, due))
    return Odd(quantity, "inexact", cause, cure, int(np.count_nonzero(wrong)), where, *numbers)


# ---- arguments --------------------------------------------------------------------------------------------------------------


def _zeros(subject: Subject, dtype: str, gamma: float, x: Floats, y: NDArray[np.int64]) -> Iterator[Odd]:
    """A logit of −0.0 is 0."""
    if subject.inputs != "logits":
        return
    plus, minus = np.zeros_like(x), np.full_like(x, -0.0)
    try:
        due, got = _ask(subject, dtype, gamma, plus, y), _ask(subject, dtype, gamma, minus, y)
    except Refused:
        return
    if _apart(got, due).any():
        yield _odd("−0.0 is not taken for 0", "compare numbers, not their signs' bits", got, due, "logits −0.0")


def _types(subject: Subject, dtype: str, gamma: float, x: Floats, y: NDArray[np.int64], base: Floats) -> Iterator[Odd]:
    """The same targets in other types, unless the caller says which it takes; those that are refused are a convention."""
    kind = subject.targets or ("float" if subject.link == "sigmoid" else "index")
    arrays = subject.framework.arrays
    if kind not in TYPES or subject.channels_first or subject.targets is not None:
        return
    wrong: list[tuple[str, Floats]] = []
    for name in TYPES[kind]:
        try:
            with contained(), arrays.context():
                got = np.asarray(arrays.to_numpy(subject.raw(arrays.asarray(x, dtype), arrays.asarray(y, name), gamma)))
        except Refused:
            continue
        if got.shape == base.shape and _apart(got, base).any():
            wrong.append((name, got))
    if wrong:
        names = ", ".join(name for name, _ in wrong)
        cure = "convert targets to the logits' type first, or refuse others; or say which it takes: targets='float', 'index'"
        yield _odd(f"targets of type {names} give other losses", cure, wrong[0][1], base, f"targets of type {names}")


def _narrow(subject: Subject, dtype: str, gamma: float, x: Floats, y: NDArray[np.int64]) -> Iterator[Odd]:
    """A result of fewer digits than the logits have."""
    arrays = subject.framework.arrays
    try:
        with contained(), arrays.context():
            kind = str(getattr(subject.raw(*subject.given(dtype, x, y), gamma), "dtype", dtype)).rpartition(".")[2]
    except Refused:
        return
    order = ("float16", "bfloat16", "float32", "float64")
    if dtype in order[2:] and kind in order and order.index(kind) < order.index(dtype):
        cause, cure = f"{dtype} logits give a {kind} result", "keep the logits' type"
        yield Odd("value", "inexact", cause, cure, 1, f"{dtype} logits", kind, dtype)


# ---- γ and classes ----------------------------------------------------------------------------------------------------------


def _gammas(subject: Subject, dtype: str, x: Floats, y: NDArray[np.int64], factor: Factor | None) -> Iterator[Odd]:
    wrong: list[tuple[float, Floats, Floats]] = []
    own = None if subject.kernel is None else subject.kernel.parameters.get("gamma")
    for gamma in (g for g in LARGER_GAMMAS if own is None or own.low <= g <= own.high):
        due = _exact(subject, x, y, gamma, factor)
        try:
            got = _ask(subject, dtype, gamma, x, y)
        except Refused as error:
            cause = f"it raises at γ = {gamma:g}"
            yield Odd("value", "error", cause, "every γ ≥ 0 is one", 1, f"γ = {gamma:g}", str(error), "losses")
            return
        if _apart(got, due, 1e-2).any():
            wrong.append((gamma, got, due))
    if wrong:
        names = ", ".join(f"{gamma:g}" for gamma, _, _ in wrong)
        _, got, due = wrong[0]
        yield _odd(f"wrong at γ = {names} only", "the power is of any γ ≥ 0", got, due, f"γ = {names}")


def _classes(subject: Subject, dtype: str, gamma: float, factor: Factor | None) -> Iterator[Odd]:
    wrong: list[tuple[int, Floats, Floats]] = []
    for classes in MANY_CLASSES:
        if classes > TRIAL_CLASSES and not _is_light(subject, dtype, gamma):
            continue
        x, y = _points(subject, classes, dtype, 12)
        due = _exact(subject, x, y, gamma, factor) if classes > 1 else np.zeros(len(x))
        try:
            got = _ask(subject, dtype, gamma, x, y)
        except Refused as error:
            if classes > 1:
                cause = f"it raises with {classes} classes"
                yield Odd("value", "error", cause, "say which, by classes=", 1, f"{classes} classes", str(error), "losses")
                return
            continue
        if _apart(got, due, 3e-3).any():
            wrong.append((classes, got, due))
    if wrong:
        names = ", ".join(str(classes) for classes, _, _ in wrong)
        _, got, due = wrong[0]
        yield _odd(f"wrong with {names} classes", "no table or type of so many classes", got, due, f"{names} classes")


def _is_light(subject: Subject, dtype: str, gamma: float) -> bool:
    """Whether many classes cost no more than their rows: no table of classes × classes."""
    if subject.targets == "one-hot":
        return False
    x, y = _points(subject, TRIAL_CLASSES, dtype, 12)
    traced = tracemalloc.is_tracing()
    try:
        if not traced:
            tracemalloc.start()
        tracemalloc.reset_peak()
        before, start = tracemalloc.get_traced_memory()[0], time.perf_counter()
        _ask(subject, dtype, gamma, x, y)
        return time.perf_counter() - start < TRIAL_SECONDS and tracemalloc.get_traced_memory()[1] - before < TRIAL_BYTES
    except Refused:
        return False
    finally:
        if not traced:
            tracemalloc.stop()


# ---- autograd ---------------------------------------------------------------------------------------------------------------


def _autograd(subject: Subject, dtype: str, gamma: float, x: Floats, y: NDArray[np.int64]) -> Iterator[Odd]:
    """The gradient is multiplied by what comes from above, and a kept graph may be used again."""
    arrays, gradient = subject.framework.arrays, subject.framework.gradient
    assert gradient is not None
    above = np.linspace(-1.5, 2.0, len(x))
    try:
        with contained(), arrays.context():
            given, targets = subject.given(dtype, x, y)
            factors = arrays.asarray(above, dtype)
            factors = factors.reshape(1, -1) if subject.channels_first else factors
            plain = arrays.to_numpy(gradient(lambda v: subject.raw(v, targets, gamma), given))
            got = arrays.to_numpy(gradient(lambda v: subject.raw(v, targets, gamma) * factors, given))
    except Refused:
        return
    if plain.shape != x.shape:
        return
    due = plain * (above[:, None] if x.ndim == 2 else above)
    if _apart(got, due).any():
        cure = "multiply by the gradient that comes from above: grad_output * …"
        cause = "the upstream gradient is ignored: right only where it is 1"
        yield _odd(cause, cure, got, due, "(losses * weights).sum().backward()", "grad")
    if arrays.name.startswith("torch"):
        yield from _twice(subject, dtype, gamma, x, y, plain)


def _twice(subject: Subject, dtype: str, gamma: float, x: Floats, y: NDArray[np.int64], due: Floats) -> Iterator[Odd]:
    """torch's retain_graph=True."""
    torch = importlib.import_module("torch")
    try:
        with contained(), torch.enable_grad():
            given, targets = subject.given(dtype, x, y)
            v = given.clone().requires_grad_()
            total = subject.raw(v, targets, gamma).sum()
            torch.autograd.grad(total, v, retain_graph=True)
            (again,) = torch.autograd.grad(total, v)
            got = again.double().numpy()
    except Refused as error:
        cause = "a second backward through a kept graph fails"
        yield Odd("grad", "error", cause, "save with save_for_backward", 1, "retain_graph=True", str(error), "a gradient")
        return
    if _apart(got, due).any():
        cause = "a second backward through a kept graph gives another gradient"
        yield _odd(cause, "change nothing that was saved for backward", got, due, "retain_graph=True", "grad")

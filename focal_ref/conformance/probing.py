"""Probing: how a function wants to be called, found by calling it on a few points in the ways that others are called in.

The way that it is described in is kept where its losses are focal loss, up to a factor for each class. Else another way is
taken whose losses are; or, where the described one is refused, the first that is not.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..libraries import origins
from ..libraries.frameworks import Framework
from ..typing import Floats
from . import guard, sampling
from .candidate import ARGUMENTS, Subject
from .grids import Grid
from .guard import Refused, contained
from .member import meant

__all__ = ["FOCAL", "Found", "probed", "split"]

FOCAL = 2
"""The score of a function that is focal loss, or the member that it is meant to be."""
POINTS = 14
SAME = 2e-3
POWERS = (2.0, 0.0, 0.5, 1.0, 1.5, 3.0, 4.0, 5.0, 0.25)
"""γs that a function which takes none may have."""
SECONDS = 5.0
"""For all ways together, and for one call."""

WORDS: dict[tuple[str, Any], str] = {
    ("inputs", "probabilities"): "it takes probabilities",
    ("targets", "index"): "targets are integers",
    ("targets", "float"): "targets are of the logits' type",
    ("targets", "one-hot"): "targets are one-hot rows",
    ("targets", "signs"): "targets are −1 and 1",
    ("channels_first", True): "the classes lie along the second axis",
    ("reduction", "mean"): "it gives a mean",
    ("reduction", "sum"): "it gives a sum",
}


class Found(NamedTuple):
    """A way to call a function: options beside those that were said, how well it does, and whether its result is several."""

    changes: dict[str, Any]
    score: int
    """2: it is focal loss; 1: losses of the right shape; 0: refused."""
    parts: int = 1
    """How many arrays a result has: losses, gradient, Hessian."""
    gamma: float | None = None
    """What a function that takes none has."""
    factors: tuple[float, ...] = ()
    """Of a focal loss, what that of each target is multiplied by."""
    of: str | None = None
    """The framework of its result, where that is not NumPy's."""

    def told(self) -> list[str]:
        """What was found out, in words."""
        words = [WORDS[item] for item in self.changes.items() if item in WORDS]
        if "arguments" in self.changes:
            words.insert(0, f"called with ({self.changes['arguments']})")
        if self.parts > 1:
            words.append(f"its results are ({', '.join(('loss', 'gradient', 'Hessian')[: self.parts])})")
        if self.gamma is not None:
            words.append(f"its γ is {self.gamma:g}")
        return words


def split(fn: Callable[..., Any], part: slice | int) -> Callable[..., Any]:
    """One part of a function's several results."""

    def call(*arguments: Any, **named: Any) -> Any:
        return fn(*arguments, **named)[part]

    call.__module__ = str(getattr(fn, "__module__", ""))
    call.__name__ = str(getattr(fn, "__name__", "fn"))
    call.__qualname__ = str(getattr(fn, "__qualname__", call.__name__))
    return call


class _Points(NamedTuple):
    """What a function is tried on, and the loss there that it is meant to be, by γ."""

    logits: Floats
    targets: NDArray[np.int64]

    def losses(self, subject: Subject, gamma: float) -> Floats:
        return np.asarray(meant(subject, gamma)(self.logits, self.targets))

    def factors(self, got: Floats, subject: Subject, gamma: float) -> tuple[float, ...]:
        """What the loss that is meant is multiplied by, for each target; nothing where it is another loss."""
        with np.errstate(all="ignore"):
            ratio = got / self.losses(subject, gamma)
        groups = [ratio[self.targets == target] for target in np.unique(self.targets)]
        focal = all(bool(np.isfinite(r).all() and np.ptp(r) <= SAME * abs(np.median(r)) and r[0] != 0) for r in groups)
        return tuple(float(np.median(r)) for r in groups) if focal else ()


def probed(
    fn: Callable[..., Any], link: str, framework: Framework, how: Mapping[str, Any], gamma: float, classes: int
) -> Found:
    """The best way to call a function, as far as nothing was said of it.

    Raises
    ------
    focal_ref.conformance.guard.Refused
        Where a call takes too long.
    """
    rng = np.random.default_rng(5)
    rows = link == "softmax"
    x = rng.uniform(-2.5, 2.5, (POINTS, classes) if rows else POINTS).round(3)
    points = _Points(x, (np.arange(POINTS) * 5 // 3) % (classes if rows else 2))
    first: Found | None = None
    latest = time.monotonic() + SECONDS
    for changes in _ways(link, how):
        if time.monotonic() > latest:
            break
        found = _tried(fn, link, framework, {**how, **changes}, gamma, points)
        if found is None:
            continue
        found = found._replace(changes={**changes, **found.changes})
        if found.score == FOCAL:
            return found
        first = first or found
    return first or Found({}, 0)


def _ways(link: str, how: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Options to try, the likeliest first: what differs in one thing before what differs in several."""
    said = how.get("arguments", ARGUMENTS)
    plain = said in (ARGUMENTS, "logits, targets") and not how.get("ordered")
    swapped = {"arguments": said.replace("logits, targets", "targets, logits")}
    orders = [{}, swapped] if plain else [{}]
    kinds = ("index", "signs") if link == "sigmoid" else ("one-hot", "float")
    targets: list[dict[str, Any]] = [{}, *({"targets": kind} for kind in kinds if "targets" not in how)]
    inputs: list[dict[str, Any]] = [{}, *([{"inputs": "probabilities"}] if "inputs" not in how else [])]
    axes: list[dict[str, Any]] = [
        {},
        *([{"channels_first": True}] if link == "softmax" and "channels_first" not in how else []),
    ]
    every = [
        dict(itertools.chain(*(d.items() for d in combined))) for combined in itertools.product(orders, targets, inputs, axes)
    ]
    yield from sorted(every, key=len)


def _tried(
    fn: Callable[..., Any], link: str, framework: Framework, how: Mapping[str, Any], gamma: float, points: _Points
) -> Found | None:
    """How one way does; None where it is refused or gives another shape."""
    known = {key: value for key, value in how.items() if key not in ("flushes", "order", "ordered")}
    try:
        subject = Subject(fn, link, framework, None, **known)
        result, parts, of = _asked(subject, framework, gamma, points)
    except (Refused, ValueError, TypeError) as error:
        if str(error).startswith("TimeoutError"):
            raise
        return None
    found = _judged(subject, framework, gamma, points, result, parts, reduces="reduction" in how)
    return None if found is None else found._replace(of=of)


def _judged(
    subject: Subject, framework: Framework, gamma: float, points: _Points, result: Floats, parts: int, *, reduces: bool
) -> Found | None:
    """What a result is; None where it has another shape than is due. `reduces`: it was said whether."""
    n = len(points.targets)
    if result.size == 1 and subject.reduction in ("mean", "sum"):
        return Found({}, 1, parts)
    if result.size == 1 and not reduces:
        return _reduced(subject, framework, gamma, points, float(result.reshape(())), parts)
    flat = result.reshape(-1)
    if flat.size != n:
        return None
    if not subject.takes_gamma:
        own = next((g for g in POWERS if points.factors(flat, subject, g)), None)
        return Found({}, 1 if own is None else FOCAL, parts, own, () if own is None else points.factors(flat, subject, own))
    factors = points.factors(flat, subject, gamma)
    return Found({}, FOCAL if factors else 1, parts, None, factors)


def _asked(subject: Subject, framework: Framework, gamma: float, points: _Points) -> tuple[Floats, int, str | None]:
    """Losses, how many arrays came with them, and the framework that they are of."""
    x = points.logits
    if subject.inputs == "probabilities":
        seen = sampling.as_probabilities(Grid(subject.link, "float64", x, points.targets.astype(np.int32), ("",) * len(x)))
        x = seen.logits
    arrays = framework.arrays
    for dtype in ("float32", "float64"):
        try:
            with contained(min(SECONDS, guard.SECONDS)), arrays.context():
                result = subject.raw(*subject.given(dtype, x, points.targets), gamma)
                several = (
                    isinstance(result, (tuple, list)) and 1 < len(result) <= 3 and all(hasattr(r, "shape") for r in result)
                )
                first = result[0] if several else result
                losses = np.asarray(arrays.to_numpy(first), dtype=np.float64)
                return losses, len(result) if several else 1, origins.of_result(first)
        except Refused:
            if dtype == "float64" or dtype not in arrays.dtypes:
                raise
    raise Refused("no type")


def _reduced(subject: Subject, framework: Framework, gamma: float, points: _Points, got: float, parts: int) -> Found | None:
    """A mean stays where the batch stands twice; a sum doubles."""
    twice = _Points(np.concatenate([points.logits] * 2), np.concatenate([points.targets] * 2))
    try:
        again = float(_asked(subject, framework, gamma, twice)[0].reshape(()))
    except (Refused, ValueError):
        return None
    kind = "mean" if abs(again - got) <= SAME * abs(got) else "sum" if abs(again - 2 * got) <= SAME * abs(got) else None
    if kind is None:
        return None
    due = points.losses(subject, gamma)
    right = abs(got - (due.mean() if kind == "mean" else due.sum())) <= SAME * abs(got)
    return Found({"reduction": kind}, FOCAL if right else 1, parts)

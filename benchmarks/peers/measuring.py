"""Measuring other packages' focal losses: the figures of every type, and what of them matters to someone who trains."""

from __future__ import annotations

import math
import os
import pickle
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np

import focal_ref
from focal_ref import backends, conformance
from focal_ref.conformance import Row
from focal_ref.conformance.contract import QUANTITIES, Terms, bound, judge
from focal_ref.conformance.exact import grids_of, truth
from focal_ref.conformance.grading import MATTERS, REACHED, ROUGH, TRAINING
from focal_ref.engine.arrays import dtype_name, namespace_of
from focal_ref.typing import Floats

from .losses import PEERS, Peer

__all__ = ["DIGITS", "DTYPES", "Found", "Headline", "found_of", "save"]

DTYPES = ("float16", "bfloat16", "float32", "float64")
HEADLINE = "float32"
"""The type that most people train in."""
USUAL = 2.0
"""The γ that most people train with."""
DIGITS = 24 * math.log10(2)
"""Decimals that it has."""


Kept: TypeAlias = dict[tuple[float, tuple[int, ...]], tuple[Floats, ...]]
"""By γ and number of classes, what a peer gave in float32."""


class Headline(NamedTuple):
    """What matters to someone who trains, in float32: of losses and gradients at logits that training reaches."""

    trains: str
    """"yes", "with care", "partly" (not at every γ), or "no"."""
    odd: float | None
    """The smallest logit (of a row, the largest in it) with NaN or inf for a number; None: there is none."""
    odd_gammas: tuple[float, ...]
    gone: float | None
    """The smallest logit with 0 for a normal number."""
    lost: float
    """Decimals lost at worst, of `DIGITS`, at logits up to 20."""
    why: str
    """What else than NaN keeps it from training, in a few words."""


class Found(NamedTuple):
    """All that is known of a peer."""

    label: str
    version: str
    link: str
    rows: tuple[Row, ...]
    headline: Headline | None
    refuses: dict[str, str]
    """By type, why it could not be measured."""


def found_of(place: int, dtypes: Sequence[str] = DTYPES) -> Found:
    """Measure the peer at a place in `PEERS`; in a process of its own where it needs one."""
    peer = PEERS[place]
    if not peer.environment or all(os.environ.get(key) == value for key, value in peer.environment):
        return _measured(peer, dtypes)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "found"
        code = f"from benchmarks.peers import measuring as m; m.save({place}, {tuple(dtypes)!r}, {str(path)!r})"
        environment = os.environ | dict(peer.environment)
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["it ended"])[-1]
            return Found(peer.label, _version(peer.package), peer.link, (), None, {"every type": reason})
        result: Found = pickle.loads(path.read_bytes())
    return result


def save(place: int, dtypes: Sequence[str], path: str) -> None:
    """What is known of a peer, to a file: the end of a process of its own."""
    Path(path).write_bytes(pickle.dumps(found_of(place, dtypes)))


def _measured(peer: Peer, dtypes: Sequence[str]) -> Found:
    rows: list[Row] = []
    refuses: dict[str, str] = {}
    kept: Kept = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for dtype in dtypes:
            backend = "jax-x64" if (peer.backend, dtype) == ("jax", "float64") else peer.backend
            if dtype not in backends.get(backend).dtypes:
                continue
            report = conformance.measure([backend], [peer.link], [dtype], peer.gammas, ["native"], subject=_subject(peer, kept))
            rows += [row for row in report.rows if row.quantity in peer.quantities]
            if report.broken:
                refuses[dtype] = report.broken[0].reason
        headline = _headline(peer, kept) if HEADLINE in dtypes and HEADLINE not in refuses else None
    return Found(peer.label, _version(peer.package), peer.link, tuple(rows), headline, refuses)


def _version(package: str) -> str:
    if package in ("", "focal_ref"):
        return focal_ref.__version__ if package else ""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "absent"


# ---- the headline -----------------------------------------------------------------------------------------------------------


def _headline(peer: Peer, kept: Kept) -> Headline:
    """By every loss and gradient of the type, at logits that are finite."""
    odd: dict[float, float] = {}
    gone, lost, why = math.inf, 0.0, ""
    for gamma in peer.gammas:
        top, results = _results(peer, gamma, kept)
        exact = truth(peer.link, HEADLINE, gamma, peer.gammas)
        for quantity in [q for q in peer.quantities if q != "hess"]:
            on = Terms(quantity, HEADLINE, HEADLINE, gamma, bound(quantity, peer.link, HEADLINE, "native", gamma))
            got, due, tops = results[quantity], exact[quantity], top[quantity]
            with np.errstate(all="ignore"):
                found = judge(got, due, on)
                off = np.abs(got - due.hi) > ROUGH * np.maximum(np.abs(due.hi), MATTERS)
            reached, training = tops <= REACHED, tops <= TRAINING
            broken = (found.nan | found.infinite) & reached
            if broken.any():
                odd[gamma] = min(odd.get(gamma, math.inf), float(tops[broken].min()))
            gone = min(gone, float(tops[found.flushed & reached].min(initial=math.inf)))
            errors = np.where(found.flushed, 1 / np.finfo(HEADLINE).eps, found.error)[
                training & (found.measured | found.flushed)
            ]
            lost = max(lost, float(errors.max(initial=1.0)))
            if quantity == "grad" and (found.flushed & reached & (np.abs(due.hi) > MATTERS)).any():
                why = why or "no gradient on hard examples"
            if (off & training & np.isfinite(got) & ~found.flushed).any():
                why = why or "wrong by over 1 %"
    digits = min(math.log10(lost), DIGITS)
    trains = "no" if why or USUAL in odd else "partly" if odd else "with care" if digits > DIGITS / 2 else "yes"
    at = min(odd.values(), default=None)
    return Headline(trains, at, tuple(odd), gone if gone < math.inf else None, digits, why)


def _results(peer: Peer, gamma: float, kept: Kept) -> tuple[dict[str, Floats], dict[str, Floats]]:
    """Of each quantity, every result's largest logit, and the results, flat."""
    tops: dict[str, list[Floats]] = {q: [] for q in QUANTITIES}
    results: dict[str, list[Floats]] = {q: [] for q in QUANTITIES}
    for grid in grids_of(peer.link, HEADLINE, peer.gammas):
        for quantity, array in zip(QUANTITIES, kept[gamma, grid.logits.shape[1:]], strict=True):
            top = np.abs(grid.logits) if grid.logits.ndim == 1 else np.abs(grid.logits).max(1)
            spread = top if array.ndim == 1 else np.repeat(top[:, None], array.shape[1], 1)
            tops[quantity].append(spread.ravel())
            results[quantity].append(array[: len(grid.logits)].ravel())
    return {q: np.concatenate(a) for q, a in tops.items()}, {q: np.concatenate(a) for q, a in results.items()}


# ---- a peer as `focal_ref.conformance.measure` takes a loss ------------------------------------------------------------------


def _subject(peer: Peer, kept: Kept) -> Any:
    """What it can't give, and what it gives for infinite logits, is focal_ref's, and not counted; float32's is kept."""

    def subject(link: str, gamma: float, precision: Any) -> Any:
        loss = peer.make(gamma)
        own = conformance.own_loss(link, gamma, precision)

        def results(logits: Any, targets: Any) -> Any:
            ours = own(logits, targets)
            xp = namespace_of(logits)
            finite = xp.isfinite(logits) if link == "sigmoid" else xp.all(xp.isfinite(logits), axis=-1)
            given = xp.where(finite if link == "sigmoid" else finite[:, None], logits, xp.zeros_like(logits))
            found = _given(peer, loss, given, targets, ours)
            all_of = tuple(
                xp.where(finite if a.ndim == finite.ndim else finite[:, None], a, exact)
                for a, exact in zip(found, ours, strict=True)
            )
            if dtype_name(logits) == HEADLINE:
                to_numpy = backends.get(peer.backend).to_numpy
                kept[gamma, tuple(logits.shape[1:])] = tuple(map(to_numpy, all_of))
            return all_of

        return results

    return subject


def _given(peer: Peer, loss: Callable[[Any, Any], Any], logits: Any, targets: Any, ours: Any) -> Any:
    if peer.gives == "loss":
        differentiate = _by_torch if peer.backend == "torch" else _by_jax
        return differentiate(loss, logits, targets, ours[2] if peer.link == "softmax" else None)
    with np.errstate(all="ignore"):
        given = loss(logits, targets)
        if peer.gives == "objective":
            return ours[0], *(np.asarray(a).astype(logits.dtype) for a in given)
        value, grad = (ours[i] if a is None else np.asarray(a).astype(logits.dtype) for i, a in enumerate(given))
        return value, grad, ours[2]


def _by_torch(loss: Any, logits: Any, targets: Any, hess: Any) -> Any:
    """Value, gradient and, where it isn't handed in, second derivative."""
    import torch

    x = logits.detach().clone().requires_grad_()
    value = loss(x, targets)
    (grad,) = torch.autograd.grad(value.sum(), x, create_graph=hess is None)
    if hess is None:
        hess = torch.autograd.grad(grad.sum(), x)[0] if grad.requires_grad else torch.zeros_like(x)
    return tuple(a.detach().to(logits.dtype) for a in (value, grad, hess))


def _by_jax(loss: Any, logits: Any, targets: Any, hess: Any) -> Any:
    """The same."""
    import jax

    def total(x: Any) -> Any:
        return loss(x, targets).sum()

    grad = jax.grad(total)
    hess = jax.grad(lambda x: grad(x).sum())(logits) if hess is None else hess
    return tuple(a.astype(logits.dtype) for a in (loss(logits, targets), grad(logits), hess))

"""Causes of wrong results: each a model or a rule that says where its failures lie.

First the wrong formulas of `focal_ref.conformance.diagnosis.wrong_formulas` and constant factors, on mild points where no
rounding can hide them; then what goes wrong in right formulas, by where it happens: overflow, a complement rounded to 0,
clipping, and so on. A cause is named only where it explains what the function returned.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np

from ...typing import Mask
from .. import ulp
from ..candidate import Alpha
from ..results import Evidence
from .clips import explained_by_clip
from .fit import CONFIRMED, Cause, wrong_formula
from .marks import added, at_ties, below_the_power, limited, nothing_when_sure, only
from .special import narrowed, nothing_times_infinity, past_threshold

__all__ = ["Explained", "explained"]


class Explained(NamedTuple):
    """A cause (its name is None where it is unknown), and the results that it explains: for each evidence the places."""

    cause: Cause | None
    masks: tuple[Mask, ...]


Many: TypeAlias = Sequence[Evidence]
COVERED = 0.9
"""The share of what is wrong in its domain that a bound on errors has to explain."""
FOLLOWS = Cause("follows", "")


def explained(evidences: Many, alpha: Alpha, *, follows: bool = False) -> list[Explained]:
    """The causes of what is wrong with one quantity, all types and γs together.

    Parameters
    ----------
    evidences : sequence of Evidence
        Of one quantity.
    alpha : float, sequence or None
        What the function was given.
    follows : bool
        Whether the quantity is derived from another, which is wrong already: finite errors are left unexplained then.
    """
    left = [e.found.wrong.copy() for e in evidences]
    found: list[Explained] = []

    def take(cause: Cause | None, masks: Sequence[Mask]) -> None:
        taken = tuple(mask & rest for mask, rest in zip(masks, left, strict=True))
        for rest, mask in zip(left, taken, strict=True):
            rest &= ~mask
        same = next((i for i, part in enumerate(found) if part.cause and part.cause == cause), None)
        if same is not None:
            found[same] = Explained(cause, tuple(a | b for a, b in zip(found[same].masks, taken, strict=True)))
        elif any(mask.any() for mask in taken):
            found.append(Explained(cause, taken))

    finite = [~(e.found.nan | e.found.infinite) for e in evidences]
    with np.errstate(all="ignore"):
        cause = FOLLOWS if follows else wrong_formula(evidences, alpha)
    if cause is not None:
        take(cause._replace(formula=True), finite)
        found = [] if cause is FOLLOWS else found
    with np.errstate(all="ignore"):
        for numeric in NUMERIC:
            for cause, masks in numeric(evidences, [rest.copy() for rest in left]):
                take(cause, masks)
    for kind in ("nan", "infinite", "flushed"):
        take(None, [getattr(e.found, kind) for e in evidences])
    take(None, [np.ones_like(rest) for rest in left])
    return found


# ---- right formulas that break ----------------------------------------------------------------------------------------------

Claims: TypeAlias = Iterator[tuple[Cause, list[Mask]]]


def _not_finite(e: Evidence) -> Mask:
    return e.found.nan | e.found.infinite


def _unusual_inputs(evidences: Many, left: list[Mask]) -> Claims:
    hidden = [rest & np.isnan(e.exact.hi) for e, rest in zip(evidences, left, strict=True)]
    yield Cause("a NaN logit is hidden", "let NaN through: nan_to_num, max and clip turn a broken model into a number"), hidden
    cause = Cause("wrong at infinite logits", "0 · inf or inf − inf: use the limits, loss 0 or ∞, gradient 0 or ∓1")
    yield cause, [rest & ~np.isfinite(e.top) for e, rest in zip(evidences, left, strict=True)]


def _power_at_zero(evidences: Many, left: list[Mask]) -> Claims:
    """NaN where u is rounded to 0, for small γ alone."""
    order = {"value": 0, "grad": 1, "hess": 2}[evidences[0].on.quantity]
    sure = [rest & _not_finite(e) & (e.margin > 5) for e, rest in zip(evidences, left, strict=True)]
    small = [e.on.gamma < order or (order == 0 and e.on.gamma == 0) for e in evidences]
    if any(mask.any() for mask, is_small in zip(sure, small, strict=True) if not is_small):
        return
    name = f"power gamma-{order} at 0" if order else "0 · log 0 at gamma 0"
    cure = (
        "write the derivative without a power γ − 1: −(1 − p)^γ (γ p ℓ + 1 − p)" if order else "1 − p is a sum that is never 0"
    )
    yield Cause(name, cure), sure


COMPLEMENT = Cause("1 − p rounded to 0: use the complement", "1 − σ(z) is σ(−z); of a softmax, the sum of the others")
HARD_COMPLEMENT = Cause("log(1 − p) of a p that was rounded to 1", "log(1 − σ(x)) is logsigmoid(−x)")


def _overflow(evidences: Many, left: list[Mask]) -> Claims:
    """Told apart by the smallest logits at which they begin, NaN and infinities each by themselves."""
    for dtype in dict.fromkeys(e.on.dtype for e in evidences):
        for kind in ("nan", "infinite"):
            mine = [rest & getattr(e.found, kind) & (e.on.dtype == dtype) for e, rest in zip(evidences, left, strict=True)]
            if any(mask.any() for mask in mine):
                cause = _overflowing(dtype, kind, [(e, mask) for e, mask in zip(evidences, mine, strict=True) if mask.any()])
                yield from [(cause, mine)] if cause else []


NEXT = 8.0
"""From one logit of the grids beyond a threshold to the next, at most."""
HALF = 65504.0
"""The largest float16."""


def _overflowing(dtype: str, kind: str, hit: list[tuple[Evidence, Mask]]) -> Cause | None:
    fmt = ulp.FORMATS[dtype]
    over, under, lost = math.log(fmt.largest), -math.log(fmt.smallest), fmt.digits * math.log(2)
    top = min(float(e.top[mask].min()) for e, mask in hit)
    reach = min(float(np.abs(e.margin[mask]).min()) for e, mask in hit)
    half = "overflow in float16: " if dtype == "float16" else ""
    if hit[0][0].places[0].rows and kind == "nan" and top >= 0.97 * over and reach < 0.9 * over:
        cure = "subtract the row's largest logit before exp"
        return Cause(f"{half}softmax without subtracting the largest logit", cure)
    if half and 0.97 * over <= reach < 0.97 * under:
        return Cause("overflow in float16", "exp(x) passes 65504 at x = 11.1: compute in float32")
    if 0.97 * over <= reach < 0.97 * under:
        return Cause("log(1 + exp(-x)) overflows", "max(−x, 0) + log1p(exp(−|x|)), or logaddexp, or logsigmoid")
    if reach >= 1e-3 * fmt.largest:
        return Cause("overflow at the largest logits", "gamma times the logit passes the largest number: take the limit there")
    if 0.95 * lost <= reach <= 1.1 * lost:
        return HARD_COMPLEMENT
    if dtype == "float64" and reach >= 1e-3 * ulp.FORMATS["float32"].largest:
        return Cause("overflow in float32", "logits beyond 3.4e38 are infinite there: compute in float64")
    if dtype == "float32" and reach >= HALF:
        return Cause("overflow in float16", "logits beyond 65504 are infinite there: compute in float32")
    if 0.97 * under <= reach <= NEXT * under:
        return Cause("log of a p that underflowed to 0", "take −log p by logsigmoid or log_softmax, from the logits")
    return None


def _clipped(evidences: Many, left: list[Mask]) -> Claims:
    """Values: a bound that explains every point of a type and γ. Gradients: 0 beyond one margin, and right within it."""
    quantity = evidences[0].on.quantity
    for e, rest in zip(evidences, left, strict=True):
        if quantity == "value" and rest.any():
            cure = "an epsilon or a clip bounds the loss: take −log p from the logits"
            for name, mask in explained_by_clip(e):
                yield Cause(f"clipped at {name}", cure), only(evidences, e, rest & mask)
    if quantity == "grad":
        cure = "clip nothing: ℓ is exact and finite from the logits"
        yield (
            Cause("clipped: no gradient for the hardest examples", cure),
            [rest & _cut_off(e) for e, rest in zip(evidences, left, strict=True)],
        )


def _cut_off(e: Evidence) -> Mask:
    """Where a gradient is 0 for being cut off: at all points beyond some margin, and at none within, where it is right."""
    target = e.each(lambda m: m.positive if m.rows else np.ones(m.shape, dtype=bool)).astype(bool)
    usable = np.isfinite(e.margin) & np.isfinite(e.got) & target & (np.abs(e.exact.hi) > 0.01)
    zero = usable & (e.margin < -2) & (e.got == 0)
    if np.count_nonzero(zero) < 3:
        return np.zeros(e.got.shape, dtype=bool)
    edge = float(e.margin[zero].max())
    if edge < math.log(ulp.FORMATS[e.on.dtype].smallest) - 1:
        return np.zeros(e.got.shape, dtype=bool)  # p itself is 0 there: no clip, but a number that is too large for something
    beyond, within = usable & (e.margin < edge), usable & (e.margin > edge)
    right = within & (e.relative < 0.05)
    steady = np.mean(e.got[beyond] == 0) >= CONFIRMED if beyond.any() else True
    if not steady or (within.any() and right.sum() < CONFIRMED * within.sum()):
        return np.zeros(e.got.shape, dtype=bool)
    return np.asarray((e.got == 0) & (np.abs(e.margin) > 2) & ~_not_finite(e) & ((e.margin <= edge) | (e.margin > 2)))


def _complement(evidences: Many, left: list[Mask]) -> Claims:
    """Errors as large as those of 1 − p, relative to u; and where u is nothing beside 1, no digit is right."""
    masks, sure, lost_there = [], 0, 0
    for e, rest in zip(evidences, left, strict=True):
        eps = ulp.FORMATS[e.on.dtype].eps
        masks.append(
            rest & (e.margin > 0.5) & ~_not_finite(e) & (e.relative <= 8 * (1 + e.on.gamma) * eps / np.maximum(e.u, 1e-300))
        )
        certain = e.found.measured & (e.u < eps / 4) & (e.margin > 0)
        sure += int(np.count_nonzero(certain))
        lost_there += int(np.count_nonzero(certain & (e.relative > 0.01)))
    masks = [_covers(e, rest & (e.margin > 0.5) & ~_not_finite(e), mask) for e, rest, mask in _with(evidences, left, masks)]
    if lost_there >= 0.3 * sure:
        log = [mask & (e.on.quantity == "value" and e.on.gamma == 0) for e, mask in zip(evidences, masks, strict=True)]
        yield (
            Cause(
                "log p of a p that was rounded to 1",
                "ℓ is lost beside 1 (by log(p), or in log_softmax and cross_entropy): take log1p of the others' share",
            ),
            log,
        )
        yield COMPLEMENT, masks
    hard = []
    for e, rest in zip(evidences, left, strict=True):
        lost = (
            8
            * (1 + e.on.gamma)
            * ulp.FORMATS[e.on.dtype].eps
            * np.exp(np.minimum(e.exact.nll, 700))
            / np.maximum(e.exact.nll, 1)
        )
        hard.append(rest & (e.margin < -0.5) & ~_not_finite(e) & (e.relative <= lost))
    hard = [_covers(e, rest & (e.margin < -0.5) & ~_not_finite(e), mask) for e, rest, mask in _with(evidences, left, hard)]
    if any((mask & (e.relative > 0.01)).any() for e, mask in zip(evidences, hard, strict=True)):
        yield (HARD_COMPLEMENT if evidences[0].on.quantity == "value" else COMPLEMENT), hard


def _with(evidences: Many, left: list[Mask], masks: list[Mask]) -> list[tuple[Evidence, Mask, Mask]]:
    return list(zip(evidences, left, masks, strict=True))


def _covers(e: Evidence, domain: Mask, mask: Mask) -> Mask:
    """The mask, where it explains nearly all that is wrong in its domain; else nothing: a bound that many exceed is none."""
    wrong = int(np.count_nonzero(domain & e.found.measured))
    enough = np.count_nonzero(mask & e.found.measured) >= COVERED * wrong
    return mask if enough else np.zeros_like(mask)


def _flushed(evidences: Many, left: list[Mask]) -> Claims:
    masks = [rest & (e.found.units > 0) & (e.got == 0) for e, rest in zip(evidences, left, strict=True)]
    yield Cause("subnormal numbers flushed to 0", "allowed with flushes=True, or where the framework is known to"), masks


def _inexact_power(evidences: Many, left: list[Mask]) -> Claims:
    """Errors as large as γ |log u| ULP, the rounding of an exponent."""
    masks = []
    for e, rest in zip(evidences, left, strict=True):
        exponent = e.on.gamma * np.abs(np.log(np.maximum(e.u, 1e-300)))
        eps = ulp.FORMATS[e.on.dtype].eps
        domain = rest & ~_not_finite(e) & (exponent > 2)
        masks.append(_covers(e, domain, domain & (e.relative <= (2 * exponent + 8 * (1 + e.on.gamma)) * eps)))
    yield (
        Cause("exp(γ log u) for u^γ", "correct, but loses γ |log u| ULP: take the power, or allow more with tolerance="),
        masks,
    )


def _shifted(evidences: Many, left: list[Mask]) -> Claims:
    """Errors as large as the rounding of x − max x, or of x − log Σ exp."""
    masks = []
    for e, rest in zip(evidences, left, strict=True):
        lost = 4 * (1 + e.on.gamma) * ulp.FORMATS[e.on.dtype].eps * e.top / np.minimum(e.exact.nll, 1.0)
        masks.append(rest & e.each(lambda m: np.full(m.shape, m.rows)).astype(bool) & ~_not_finite(e) & (e.relative <= lost))
    yield Cause("digits lost in x − max x", "carry the difference's rounding error along; or allow more with tolerance="), masks


def _rounding(evidences: Many, left: list[Mask]) -> Claims:
    masks = [rest & e.found.measured & (e.found.error <= 16 * e.on.limit) for e, rest in zip(evidences, left, strict=True)]
    masks = [_covers(e, rest, mask) for e, rest, mask in _with(evidences, left, masks)]
    yield Cause("rounding errors add up", "a little beyond the tolerance; allow more with tolerance= if that will do"), masks


NUMERIC: tuple[Callable[[Many, list[Mask]], Claims], ...] = (
    at_ties,
    limited,
    _clipped,
    below_the_power,
    added,
    nothing_times_infinity,
    _unusual_inputs,
    _power_at_zero,
    _overflow,
    narrowed,
    nothing_when_sure,
    past_threshold,
    _complement,
    _flushed,
    _shifted,
    _inexact_power,
    _rounding,
)

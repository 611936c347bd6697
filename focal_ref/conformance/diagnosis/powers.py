"""Powers and factors by groups: losses that are c u^g ℓ with another exponent or factor at some γ, class or side.

Each group is fitted on every other mild point and has to give the rest as well: what is named is what the function does.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...typing import Floats, Mask
from .. import ulp
from ..candidate import Alpha
from ..place import Place
from ..results import Evidence

__all__ = ["power_by_group"]

CONFIRMED, FEWEST = 0.95, 4
SAME = 0.01
"""Between exponents, and between factors: no difference."""
CURE = "the loss is α (1 − p)^γ times −log p, with one γ for all and no other factor"


class _Points(NamedTuple):
    """Mild points of every evidence, flat."""

    log_ratio: Floats
    """log of what was given over w ℓ; NaN where its sign is wrong, −inf where it is 0."""
    log_u: Floats
    weight: Floats
    gamma: Floats
    group: NDArray[np.float64]
    hard: Mask
    tolerance: float


class _Law(NamedTuple):
    """c u^g ℓ: the exponent and the factor of a group of points."""

    exponent: float
    factor: float


Laws: TypeAlias = dict[tuple[float, ...], _Law]
Key: TypeAlias = Callable[[_Points], list[Floats]]
GROUPINGS: tuple[tuple[str, Key], ...] = (
    ("γ", lambda p: [p.gamma]),
    ("class", lambda p: [p.gamma, p.group]),
    ("side", lambda p: [p.gamma, p.hard.astype(np.float64)]),
)


def power_by_group(evidences: Sequence[Evidence], alpha: Alpha) -> tuple[str, str] | None:
    """The exponent and factor of values, told by the groups that differ, and what to do instead; None where no law fits."""
    if evidences[0].on.quantity != "value":
        return None
    points = _points(evidences)
    for name, key in GROUPINGS:
        laws = _fitted(points, key(points))
        if laws:
            words = _told(name, laws, points, alpha, rows=evidences[0].places[0].rows)
            return (words, CURE) if words else None
    return None


def _points(evidences: Sequence[Evidence]) -> _Points:
    parts: list[list[Floats]] = []
    for e in evidences:
        use = e.mild & np.isfinite(e.got) & (e.weight > 0)
        with np.errstate(all="ignore"):
            ratio = np.log(e.got[use] / (e.weight[use] * e.exact.nll[use]))
        hard = (e.margin < 0)[use].astype(np.float64)
        parts.append([ratio, np.log(e.u[use]), e.weight[use], np.full(ratio.shape, e.on.gamma), e.each(_class)[use], hard])
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    widest = max(ulp.FORMATS[e.on.dtype].eps for e in evidences)
    ratio, log_u, weight, gamma, group, is_hard = columns
    return _Points(ratio, log_u, weight, gamma, group, is_hard.astype(bool), float(np.clip(2e4 * widest, 1e-4, 0.05)))


def _class(place: Place) -> Floats:
    """Of rows, the target and the number of classes."""
    classes = place.grid.logits.shape[1] if place.rows else 0
    return np.broadcast_to(place.spread(place.grid.targets.astype(np.float64) + 1000.0 * classes), place.shape)


def _fitted(points: _Points, keys: list[Floats]) -> Laws:
    """A law a group; none at all where one of them does not hold, or most points are of groups too small."""
    laws: Laws = {}
    seen = 0
    table = np.stack(keys)
    for key in np.unique(table, axis=1).T:
        mine = (table == key[:, None]).all(0)
        if np.count_nonzero(mine) < FEWEST:
            continue
        law = _law(points.log_ratio[mine], points.log_u[mine], float(key[0]), points.tolerance)
        if law is None:
            return {}
        seen += int(np.count_nonzero(mine))
        laws[tuple(key.tolist())] = law
    return laws if seen >= 0.5 * points.gamma.size else {}


def _law(y: Floats, x: Floats, gamma: float, tolerance: float) -> _Law | None:
    """log c + g log u by every other point, confirmed on the rest; the due exponent where that serves as well."""
    if (y == -np.inf).all():
        return _Law(gamma, 0.0)
    if not np.isfinite(y).all():
        return None
    order = np.argsort(x)
    y, x = y[order], x[order]
    for exponent in (gamma, None):
        if exponent is None:
            if len(x) < 2 * FEWEST or np.ptp(x[::2]) < 0.5:
                return None
            slope, _ = np.polyfit(x[::2], y[::2], 1)
            exponent = float(slope)
        level = float(np.median((y - exponent * x)[::2]))
        if np.mean(np.abs(y - exponent * x - level)[1::2] <= tolerance) >= CONFIRMED:
            return _Law(exponent, float(np.exp(level)))
    return None


# ---- in words ---------------------------------------------------------------------------------------------------------------


def _told(by: str, laws: Laws, points: _Points, alpha: Alpha, *, rows: bool) -> str | None:
    exponents = {key: law.exponent for key, law in laws.items() if abs(law.exponent - key[0]) > SAME}
    factors = {key: law.factor for key, law in laws.items() if abs(law.factor - 1) > SAME}
    if exponents:
        words = "another exponent than γ: " + _listed(exponents, laws, by, rows)
        return words + (f"; and a factor: {_listed(factors, laws, by, rows)}" if factors else "")
    if not factors:
        return None
    inside = _under_the_power(laws, points) if by == "class" and alpha is not None else None
    if inside:
        return inside
    by_class = by == "class" and _only_by_class(laws)
    if by_class:
        laws = {(0.0, *key[1:]): law for key, law in laws.items()}
        factors = {(0.0, *key[1:]): factor for key, factor in factors.items()}
    gone = {key: factor for key, factor in factors.items() if factor == 0}
    if gone and len(gone) == len(factors):
        return f"no loss {_listed(gone, laws, by, rows, numbers=False)}"
    head = "a weight for each class" if by_class else "a factor that depends on γ" if by == "γ" else "a factor"
    return f"{head}: {_listed(factors, laws, by, rows)}"


def _only_by_class(laws: Laws) -> bool:
    """Whether each class has one factor at every γ."""
    by: dict[tuple[float, ...], list[float]] = {}
    for key, law in laws.items():
        by.setdefault(key[1:], []).append(law.factor)
    return all(max(f) - min(f) <= SAME * max(1.0, *f) for f in by.values())


def _under_the_power(laws: Laws, points: _Points) -> str | None:
    """α (or 1 − α) is raised to γ as well: the factor left, w^(γ − 1) of each class's weight."""
    for (gamma, group), law in laws.items():
        weight = float(np.median(points.weight[(points.gamma == gamma) & (points.group == group)]))
        if abs(law.factor - weight ** (gamma - 1)) > SAME * law.factor:
            return None
    return "α under the power: (α (1 − p))^γ"


def _listed(chosen: dict[tuple[float, ...], float], laws: Laws, by: str, rows: bool, *, numbers: bool = True) -> str:
    """The groups that differ, the first few, each with its number."""
    every_gamma = len({key[0] for key in laws}) == 1
    parts = []
    for key, number in itertools.islice(chosen.items(), 4):
        where = list(_where(key, by, rows, every_gamma))
        parts.append(" ".join([*([f"{number:.4g}"] if numbers else []), *where]))
    return ", ".join(parts) + (", …" if len(chosen) > 4 else "")


def _where(key: tuple[float, ...], by: str, rows: bool, every_gamma: bool) -> Iterator[str]:
    if by == "class" and rows:
        target, classes = int(key[1] % 1000), int(key[1] // 1000)
        yield f"for target {target} of {classes}" + (", the last" if target == classes - 1 else "")
    elif by == "class":
        yield "for positives" if key[1] == 1 else "for negatives"
    elif by == "side":
        yield "for hard examples (p < 1/2)" if key[1] else "for easy ones (p > 1/2)"
    if not (every_gamma and by != "γ"):
        yield f"at γ = {key[0]:g}"

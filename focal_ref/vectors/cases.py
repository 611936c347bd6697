"""Cases: the inputs that the test vectors hold, few, each there for a kind of bug, the same on every machine.

Logits are written down or lie on quarters beside a type's thresholds, so that neither a random generator nor the last bit of
a logarithm can change them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from ..conformance.contract import GAMMAS
from ..conformance.formats import rounded
from ..conformance.ulp import FORMATS, Format
from .wide import rows as wide_rows

__all__ = ["IGNORE_INDEX", "Inputs", "margin", "of_kernel", "sigmoid", "softmax"]

IGNORE_INDEX = -100
"""The target of elements and rows that are left out."""
CLASS_WEIGHTS = (0.25, 2.0, 0.5, 1.0)
PAST_TWENTY = 20.25
"""Where libraries' softplus becomes its argument."""
ODD_GAMMAS = (0.1, 1.5, 3.7, 10.0)
"""Beside the contract's: no power of two, between 1 and 2, no whole number, and beyond 5; each point has one or two of them."""
Target: TypeAlias = float | int | tuple[float, ...]
Alpha: TypeAlias = float | tuple[float, ...] | None


class Inputs(NamedTuple):
    """A case before its results."""

    logits: float | tuple[float, ...]
    target: Target
    gamma: float
    alpha: Alpha = None
    soft_targets: str | None = None
    """The formula, where the target is soft."""
    weight: float | None = None
    """The example's own; 0 makes everything 0, whatever else is there."""
    others: tuple[tuple[str, float], ...] = ()
    """The parameters of a member of the family that it has beside γ."""
    has_gamma: bool = True

    @property
    def parameters(self) -> dict[str, float]:
        """The kernel's, by name."""
        return {**({"gamma": self.gamma} if self.has_gamma else {}), **dict(self.others)}

    @property
    def left_out(self) -> bool:
        """Whether nothing is due, whatever the logits: the target is ignored, or the weight is 0."""
        return self.target == IGNORE_INDEX or self.weight == 0


def margin(case: Inputs) -> float:
    """The target's logit against all others; NaN where the target is soft or ignored, or a logit is NaN.

    Examples
    --------
    >>> margin(Inputs(3.0, 0.0, 2.0)), round(margin(Inputs((1.0, 0.0, 0.0), 0, 2.0)), 4)
    (-3.0, 0.3069)
    """
    if case.soft_targets or case.target == IGNORE_INDEX:
        return math.nan
    if isinstance(case.logits, float):
        return case.logits if case.target == 1 else -case.logits
    target = int(case.target)  # type: ignore[arg-type]
    own, others = case.logits[target], [x for c, x in enumerate(case.logits) if c != target]
    if any(map(math.isnan, case.logits)):
        return math.nan
    top = max(others)
    if math.isinf(own) or math.isinf(top):
        return 0.0 if own == top else own - top
    return own - top - math.log(math.fsum(math.exp(x - top) for x in others))


def of_kernel(cases: Sequence[Inputs], parameters: Mapping[str, Any], dtype: str, classes: int = 10) -> list[Inputs]:
    """The cases that make sense of any member of the family, each with values for the parameters beside γ.

    Parameters
    ----------
    cases : sequence of Inputs
        Focal loss's.
    parameters : mapping
        A kernel's: by name, what has a `default`, `low` and `high`.
    dtype : str
        Whose numbers they are.
    classes : int
        Longer rows are left out.

    Examples
    --------
    >>> from focal_ref.family import Poly1
    >>> [case.parameters for case in of_kernel([Inputs(x, 1.0, 2.0) for x in (1.0, 2.0, 3.0)], Poly1.parameters, "float16")]
    [{'gamma': 2.0, 'epsilon': 1.0}, {'gamma': 2.0, 'epsilon': 1.5}, {'gamma': 2.0, 'epsilon': -0.5}]
    """
    kept = [c for c in cases if c.soft_targets in (None, "expected")]
    kept = [c for c in kept if isinstance(c.logits, float) or len(c.logits) <= classes]
    values = {name: rounded(_values(entry), dtype).tolist() for name, entry in parameters.items() if name != "gamma"}
    found = []
    for i, case in enumerate(kept):
        others = tuple((name, three[i // 3**place % 3]) for place, (name, three) in enumerate(values.items()))
        found.append(case._replace(gamma=_allowed(case.gamma, parameters), others=others, has_gamma="gamma" in parameters))
    return _once(found)


def _allowed(gamma: float, parameters: Mapping[str, Any]) -> float:
    """γ, or the member's own default where its range leaves that γ out."""
    entry = parameters.get("gamma")
    return gamma if entry is None or entry.low <= gamma <= entry.high else float(entry.default)


def _values(parameter: Any) -> tuple[float, float, float]:
    """The default, one above it and one below, as far as its range allows."""
    low, high, default = parameter.low, parameter.high, parameter.default
    return default, default + min(1.0, high - default) / 2, default - 0.75 * min(2.0, default - low)


def _edges(fmt: Format) -> list[float]:
    """Quarters below and above where 1 − p rounds to 0, exp overflows, and exp becomes subnormal and 0."""
    bits = (fmt.digits + 1, fmt.emax + 1, 1 - fmt.emin, fmt.digits - fmt.emin)
    at = [power * math.log(2) for power in bits]
    return sorted({step / 4 for edge in at for step in (math.floor(4 * edge), math.ceil(4 * edge))})


def _each(values: Sequence[float], fmt: Format) -> list[float]:
    """Rounded to the type; what doesn't fit is left out."""
    return [x for x in dict.fromkeys(rounded(values, fmt.name).tolist()) if math.isfinite(x)]


def _once(cases: list[Inputs]) -> list[Inputs]:
    """Rounding to a narrow type may make two cases the same. NaN is no key, so their text is."""
    return list({repr(case): case for case in cases}.values())


# ---- sigmoid ----------------------------------------------------------------------------------------------------------------


def sigmoid(dtype: str) -> list[Inputs]:
    """The cases of one logit.

    Examples
    --------
    >>> sigmoid("float16")[0][:5]
    (0.0, 1.0, 0.0, None, None)
    """
    fmt = FORMATS[dtype]
    near = [0.0, fmt.smallest, 0.25, 1.0, 2.75, 5.5, 16.5, PAST_TWENTY]
    far = [*_edges(fmt), 1000.0, 1e30, fmt.largest]
    points = [sign * x for x in _each(near + far, fmt) for sign in ((1.0, -1.0) if x else (1.0,))]
    odd = _each(ODD_GAMMAS, fmt)
    hard = [
        *(Inputs(x, 1.0, gamma) for x in points for gamma in GAMMAS),
        *(Inputs(x, 1.0, gamma) for x, gamma in zip(points, itertools.cycle(odd))),
        *(Inputs(x, 0.0, gamma) for x, gamma in zip(points, itertools.cycle(odd[::-1]))),
        *(Inputs(x, 0.0, gamma) for x, gamma in zip(points, itertools.cycle((0.5, 2.0, 0.0, 1.0, 5.0)))),
        *(Inputs(x, y, gamma) for x in (math.inf, -math.inf) for y in (1.0, 0.0) for gamma in (0.0, 0.5, 2.0)),
        *(Inputs(math.nan, y, 2.0) for y in (1.0, 0.0)),
    ]
    weighed = [Inputs(x, y, gamma, 0.25) for x in (-5.5, 0.0, 1.0, 16.5) for y in (1.0, 0.0) for gamma in (0.0, 2.0)]
    weighed += [Inputs(1.0, y, 2.0, alpha) for y in (1.0, 0.0) for alpha in (0.0, 1.0)]
    return _once([*hard, *weighed, *_soft_labels(), *_left_out()])


def _soft_labels() -> Iterator[Inputs]:
    for formula in ("mix", "expected", "quality"):
        for x, y, gamma in itertools.product((-5.5, 0.25, 16.5), (0.25, 0.875), (0.5, 2.0)):
            yield Inputs(x, y, gamma, None, formula)
        yield Inputs(1.0, 0.25, 2.0, 0.25, formula)
        yield Inputs(-1.0, 0.875, 0.0, 0.75, formula)


def _left_out() -> Iterator[Inputs]:
    """Weights, and elements that are ignored."""
    for weight, x in itertools.product((0.5, 3.0), (-5.5, 1.0)):
        yield from (Inputs(x, y, 2.0, alpha, None, weight) for y, alpha in ((1.0, None), (0.0, 0.25)))
    yield from (Inputs(x, 1.0, 2.0, None, None, 0.0) for x in (1.0, math.inf, math.nan))
    yield from (Inputs(x, IGNORE_INDEX, 2.0) for x in (1.0, -math.inf, math.nan))


# ---- softmax ----------------------------------------------------------------------------------------------------------------


def softmax(dtype: str) -> list[Inputs]:
    """The cases of one row of logits: of 2 to 1025 classes, the targets anywhere.

    Examples
    --------
    >>> softmax("float16")[0][:5]
    ((-2.0, 0.5, -1.5), 0, 0.5, None, None)
    """
    fmt = FORMATS[dtype]
    found = [Inputs(row, t, gamma) for row, t in _rows(fmt, 3) for gamma in (0.5, 2.0)]
    found += [Inputs(row, t, gamma) for (row, t), gamma in zip(_rows(fmt, 3), itertools.cycle((0.0, 1.0, 0.0, 5.0)))]
    found += [Inputs(row, t, gamma) for (row, t), gamma in zip(_rows(fmt, 2), itertools.cycle((2.0, 0.5)))]
    found += [Inputs(row, t, gamma) for (row, t), gamma in list(zip(_rows(fmt, 10), itertools.cycle((0.5, 2.0, 1.0))))[::5]]
    odd = _each(ODD_GAMMAS, fmt)
    found += [Inputs(row, t, gamma) for (row, t), gamma in list(zip(_rows(fmt, 3), itertools.cycle(odd)))[::2]]
    anywhere = zip(range(10), itertools.cycle((2.0, 0.5, *odd)))
    found += [Inputs(_base(fmt, 10), t, gamma) for t, gamma in anywhere]
    found += [Inputs(_each_of(row, fmt), t, gamma) for row, t, gamma in wide_rows((2.0, 0.5, 0.0, *odd, 1.0, 5.0))]
    return _once([*found, *_weighed(fmt)])


def _each_of(row: Sequence[float], fmt: Format) -> tuple[float, ...]:
    return tuple(rounded(row, fmt.name).tolist())


def _base(fmt: Format, n: int) -> tuple[float, ...]:
    """Quarters from -2 to 1.75, without an order."""
    return tuple(((7 * j * j + 3 * j) % 16 - 8) / 4 for j in range(n))


def _rows(fmt: Format, n: int) -> Iterator[tuple[tuple[float, ...], int]]:
    """Rows and their targets."""
    base, last = list(_base(fmt, n)), n - 1
    top = max(base)

    def row(*entries: float) -> tuple[float, ...]:
        return tuple(rounded([*entries, *base[len(entries) :]][:n], fmt.name).tolist())

    yield from ((row(), target) for target in range(min(n, 3)))
    yield from ((row(4.5, 4.5), target) for target in {0, last})
    yield (0.0,) * n, 1
    for edge in (*_edges(fmt), PAST_TWENTY, 1000.0):
        yield from ((row(sign * edge + top), target) for sign, target in ((1, 0), (1, 1), (-1, 0)))
    if n > 2:
        yield from ((row(at, lead), 0) for lead in (8.0, *_edges(fmt)[:2]) for at in (0.0, lead / 2, lead + 2))
    yield from ((tuple(rounded([x / 3 + 2.0**power for x in base], fmt.name).tolist()), last) for power in (7, fmt.digits - 3))
    yield from ((row(301 / 3, -100 / 7, 1 / 3), target) for target in (0, 1))
    yield row(fmt.largest, -fmt.largest), 0
    yield row(fmt.largest, -fmt.largest), 1
    yield row(fmt.largest, fmt.largest), 0
    for entries in ((math.inf,), (-math.inf,), (math.inf, math.inf)):
        yield from ((row(*entries), target) for target in (0, last))
    yield (-math.inf,) * n, 0
    yield row(1.0, math.nan), 0


def _weighed(fmt: Format) -> Iterator[Inputs]:
    """One alpha a class, soft targets, weights, and rows that are left out."""
    row = _base(fmt, 4)
    yield from (Inputs(row, target, 2.0, CLASS_WEIGHTS) for target in range(4))
    yield from (Inputs(row, target, 0.5, 0.25) for target in (0, 3))
    far = (16.5, -16.5, 1.0, 0.0)
    for logits, gamma in itertools.product((row, far), (0.0, 0.5, 2.0)):
        yield Inputs(logits, (0.5, 0.25, 0.125, 0.125), gamma, None, "expected")
        yield Inputs(logits, (0.0, 0.75, 0.0, 0.25), gamma, CLASS_WEIGHTS, "expected")
    yield Inputs(row, IGNORE_INDEX, 2.0)
    yield Inputs((math.inf, math.nan, 0.0, -math.inf), IGNORE_INDEX, 0.5)
    yield from (Inputs(row, target, 2.0) for target in range(4))
    yield from (Inputs(row, 1, 2.0, alpha, None, weight) for weight in (0.5, 3.0) for alpha in (None, CLASS_WEIGHTS))
    yield Inputs(row, (0.5, 0.25, 0.125, 0.125), 2.0, CLASS_WEIGHTS, "expected", 0.5)
    yield Inputs(row, 3, 2.0, None, None, 0.0)
    yield Inputs((math.inf, math.nan, 0.0, -math.inf), 0, 2.0, None, None, 0.0)

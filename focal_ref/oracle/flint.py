"""Hard targets by python-flint's balls (arb): the same digits, certified, eight to nine times faster.

A ball carries a bound of its own rounding errors along; the precision is raised until every bound is below the digits asked
for. What balls are not for is left to `focal_ref.oracle`: NaN, infinities, decimals, a φ'' that no precision tells from 0.
python-flint is optional, ``pip install python-flint``; only calls import it.

>>> import mpmath
>>> from focal_ref import oracle
>>> from focal_ref.oracle import flint
>>> many = flint.sigmoid_many if flint.available() else oracle.sigmoid_many
>>> [mpmath.nstr(result.value, 20) for result in many([0.0, 40.0], 1, gamma=2)]
['0.17328679513998632735', '7.667648073721999551e-53']
"""

from __future__ import annotations

import importlib
import importlib.util
import math
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Any

import mpmath

from . import definition
from .definition import Result
from .digits import FARTHEST, count, many, number, sequence
from .pairs import pair
from .row import chosen, class_weights

__all__ = ["available", "sigmoid_many", "sigmoid_pairs", "softmax_many", "softmax_pairs"]

GUARD = 40
"""Bits beyond those asked for, at the first attempt."""
ATTEMPTS = 6
"""Each at twice the precision of the last."""
SMALL = 64
"""Powers up to this are by multiplication."""

_make = mpmath.mp.make_mpf


def available() -> bool:
    """Whether python-flint is installed."""
    return importlib.util.find_spec("flint") is not None


def sigmoid_many(xs: Iterable[Any], y: Any, gamma: Any, alpha: Any = None, digits: int = 40) -> list[Result]:
    """`oracle.sigmoid` of many logits with one hard target.

    Raises
    ------
    ImportError
        Where python-flint is not installed.
    TypeError, ValueError
        As `oracle.sigmoid`, and for a target that is not 0 or 1.
    """
    if y not in (0, 1):
        raise ValueError(f"y: got {y!r}; expected 0 or 1")
    number(mpmath.mp, "alpha", 1 if alpha is None else alpha, 0, 1, finite=True)
    with _Balls(gamma, digits) as balls:
        weight = balls.exact(1 if alpha is None else alpha)
        results = []
        for x in xs:
            logit, found = balls.exact(x), None
            if balls.ready(logit, weight):
                found = balls.narrow(_sigmoid, logit, bool(y), weight, not y and alpha is not None)
            results.append(definition.sigmoid(x, y, gamma, alpha, digits) if found is None else _point(found))
        return results


def softmax_many(
    rows: Iterable[Sequence[Any]], targets: Iterable[Any], gamma: Any, alpha: Any = None, digits: int = 40
) -> list[Result]:
    """`oracle.softmax` of many rows, without the full Hessian; rows of probabilities as targets are left to it.

    Raises
    ------
    ImportError
        Where python-flint is not installed.
    TypeError, ValueError
        As `oracle.softmax`.
    """
    with _Balls(gamma, digits) as balls:
        results = []
        for row, target in zip(rows, targets, strict=True):
            logits, found = [balls.exact(x) for x in sequence("row", row)], None
            if len(logits) > 1 and not many(target):
                class_weights(mpmath.mp, alpha, len(logits))
                place = chosen(target, len(logits))
                weight = balls.exact(alpha[place] if many(alpha) else 1 if alpha is None else alpha)
                if balls.ready(weight, *logits):
                    found = balls.narrow(_softmax, logits, place, weight)
            results.append(definition.softmax(row, target, gamma, alpha, digits) if found is None else _row(found))
        return results


class _Balls:
    """Ball arithmetic at one γ; python-flint's own precision is put back at the end."""

    def __init__(self, gamma: Any, digits: Any) -> None:
        try:
            flint = importlib.import_module("flint")
        except ImportError:
            raise ImportError("focal_ref.oracle.flint needs python-flint: pip install python-flint") from None
        power = number(mpmath.mp, "gamma", gamma, 0, finite=True)
        self.flint, self.before = flint, flint.ctx.prec
        self.need = math.ceil(count(digits) * math.log2(10)) + 2
        self.gamma, self.bits = self.exact(gamma), self.before
        self.small = int(power) if power <= SMALL and power == int(power) else None

    def __enter__(self) -> _Balls:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.flint.ctx.prec = self.before

    def exact(self, value: Any) -> Any:
        """A finite binary number as a ball of radius 0; None for anything else."""
        if isinstance(value, (float, int)):
            ball = self.flint.arb(value)
        elif hasattr(value, "_mpf_"):
            ball = self.flint.arb(mpmath.mp.make_mpf(value._mpf_))
        elif isinstance(value, (str, bytes)) or many(value) or not hasattr(value, "__float__") or float(value) != value:
            return None
        else:
            ball = self.flint.arb(float(value))
        return ball if ball.is_finite() else None

    def ready(self, *numbers: Any) -> bool:
        return self.gamma is not None and not any(entry is None for entry in numbers)

    def narrow(self, formula: Callable[..., list[Any]], *arguments: Any) -> list[Any] | None:
        """A formula's balls, all of them narrow enough; None where the last attempt's are not."""
        for attempt in range(ATTEMPTS):
            bits = self.need + GUARD << attempt
            if bits != self.bits:
                self.bits = self.flint.ctx.prec = bits
            found = formula(self, *arguments)
            if min(map(self.flint.arb.rel_accuracy_bits, found)) >= self.need:
                return found
        return None

    def exp(self, x: Any) -> Any:
        return self.flint.arb(0) if x < -FARTHEST else x.exp()

    def power(self, u: Any, log_u: Any) -> Any:
        """u^γ."""
        if self.gamma == 0 or u == 0:
            return self.flint.arb(self.gamma == 0)
        exponent = self.gamma * log_u
        return self.exp(exponent) if self.small is None or exponent < -FARTHEST else u**self.small

    def focal(self, p: Any, u: Any, nll: Any, log_u: Any, weight: Any) -> list[Any]:
        """Value, γ-derivative, first and second derivative by the margin, and the latter's terms' absolute sum.

        dL/dz = −m (γ p ℓ + u) with m = u^γ, dm/dz = −γ p m, dp/dz = p u: the product rule's terms, by sign.
        """
        modulator = weight * self.power(u, log_u)
        value = modulator * nll
        pull, push = self.gamma * p * value, modulator * u
        falling = u * pull
        rising = p * (push + self.gamma * (push + push + pull))
        return [value, value * log_u, -(pull + push), rising - falling, rising + falling]


def _sigmoid(balls: _Balls, x: Any, positive: bool, weight: Any, complement: bool) -> list[Any]:
    z = x if positive else -x
    e = balls.exp(-abs(z))
    larger, log = 1 / (1 + e), e.log1p()
    chances = (larger, e * larger, log, -(z + log)) if z >= 0 else (e * larger, larger, log - z, -log)
    found = balls.focal(*chances, 1 - weight if complement else weight)
    found[2] = found[2] if positive else -found[2]
    return found


def _softmax(balls: _Balls, logits: list[Any], target: int, weight: Any) -> list[Any]:
    """The scalars, then gradient, Hessian and its terms, a class after the other."""
    top = max(logits)
    e = [balls.exp(x - top) for x in logits]
    others = [*e[:target], *e[target + 1 :]]
    rest = sum(others)
    total, depth = rest + e[target], top - logits[target]
    p, u = e[target] / total, rest / total
    nll = depth + total.log() if depth > 0 else rest.log1p()
    log_u = rest if rest == 0 else (u.log() if p > 0.5 else (-p).log1p())
    value, by_gamma, slope, curvature, terms = balls.focal(p, u, nll, log_u, weight)
    found, inverse = [value, by_gamma], 1 / rest if rest > 0 else rest
    for j, own in enumerate(e):
        if j == target:
            found += [slope, curvature, terms]
            continue
        q = own * inverse
        without = 1 - q if q < 0.5 else sum(x for k, x in enumerate(e) if k not in (j, target)) * inverse
        square, pull = q * q, -slope * q
        mixed = pull * without
        found += [pull, curvature * square + mixed, terms * square + mixed]
    return found


def sigmoid_pairs(xs: Iterable[float], gamma: Any, digits: int = 40) -> tuple[list[tuple[float, ...]], list[int]]:
    """Of positives: hi and lo of value, gradient and Hessian, the Hessian's terms, a tuple a logit; and which are left.

    The same balls as for `sigmoid_many`, without numbers of mpmath in between.
    """
    results: list[tuple[float, ...]] = []
    left: list[int] = []
    with _Balls(gamma, digits) as balls:
        weight = balls.exact(1)
        for i, x in enumerate(xs):
            logit = balls.exact(x)
            found = balls.narrow(_sigmoid, logit, True, weight, False) if balls.ready(logit) else None
            left += [i] if found is None else []
            results.append((0.0,) * 7 if found is None else _floats([found[0], found[2], found[3]], found[4:5]))
    return results, left


def softmax_pairs(
    rows: Iterable[Sequence[float]], targets: Iterable[int], gamma: Any, digits: int = 40
) -> tuple[list[tuple[float, ...]], list[int]]:
    """Of each row: hi and lo of the value, of every class's gradient, of every Hessian entry; the Hessian's terms; the rest."""
    results: list[tuple[float, ...]] = []
    left: list[int] = []
    with _Balls(gamma, digits) as balls:
        weight = balls.exact(1)
        for i, (row, target) in enumerate(zip(rows, targets, strict=True)):
            logits = [balls.exact(x) for x in row]
            found = balls.narrow(_softmax, logits, target, weight) if balls.ready(*logits) else None
            left += [i] if found is None else []
            results.append(() if found is None else _floats([found[0], *found[2::3], *found[3::3]], found[4::3]))
    return results, left


def _floats(wanted: list[Any], terms: list[Any]) -> tuple[float, ...]:
    """hi and lo of each, then the terms to float64."""
    each = [_pair(ball) for ball in wanted]
    return (*(part for two in each for part in two), *(float(ball) for ball in terms))


def _pair(ball: Any) -> tuple[float, float]:
    """hi and lo of a ball's midpoint: arb rounds to nearest, and what hi leaves has fewer bits than the precision."""
    hi = float(ball)
    return (hi, float(ball - hi)) if 0 < abs(hi) < math.inf else pair(*_parts(ball))


def _parts(ball: Any) -> tuple[int, int, int]:
    """Sign, odd part and power of two of a ball's midpoint."""
    odd, power = ball.mid().man_exp()
    bits = int(odd)
    return (1, -bits, int(power)) if bits < 0 else (0, bits, int(power))


def _point(found: list[Any]) -> Result:
    value, by_gamma, grad, hess, terms = map(_mpf, found)
    return Result(value, grad, hess, by_gamma, _magnitude(grad), terms)


def _row(found: list[Any]) -> Result:
    value, by_gamma, *entries = map(_mpf, found)
    grad = entries[::3]
    return Result(value, grad, entries[1::3], by_gamma, [_magnitude(g) for g in grad], entries[2::3])


def _magnitude(number: Any) -> Any:
    """The absolute value; abs() would round it to the caller's precision."""
    return _make((0, *number._mpf_[1:]))


def _mpf(ball: Any) -> Any:
    """A ball's midpoint, every bit kept."""
    odd, exponent = ball.mid().man_exp()
    bits = int(odd)
    return _make((int(bits < 0), abs(bits), int(exponent), bits.bit_length()))

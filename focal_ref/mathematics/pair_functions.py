"""Elementary functions of pairs: exp and log by series in pair arithmetic, of arguments that are reduced first.

* e^x: x = k ln 2 + r with |r| ≤ ln 2/2, and Taylor's series of e^r, terms up to r⁹/9! in pairs, those from r¹⁰ on in float64:
  their rounding, some 2^−52 of r¹⁰/10! ≤ 2^−37, is 2^−89 of the result. Left out is r²³/23! < 2^−109.
* log(1 + f), 1 + f between √½ and √2: 2 s (1 + s²/3 + s⁴/5 + …) with s = f/(2 + f), |s| < 0.1716, up to s¹² in pairs, from s¹⁴
  on in float64: 2^−52 of s¹⁴/15 < 2^−39 is 2^−91 of the result. Left out is s³⁸/39 < 2^−102.

With what pair arithmetic itself rounds (some 2^−100), both are good to 2^−88, relatively: tests/mathematics/test_pairs.py.
"""

from __future__ import annotations

from typing import Any

from ..typing import Namespace
from .pair_arithmetic import Two, added, divided, horner, multiplied, two_product

__all__ = ["LN2", "exp_of_reduced", "log_of_near_one", "reduced"]

LN2: Two = (float.fromhex("0x1.62e42fefa39efp-1"), float.fromhex("0x1.abc9e3b39803fp-56"))
LN2_THIRD = float.fromhex("0x1.7b57a079a1934p-111")
LOG2_E = float.fromhex("0x1.71547652b82fep+0")
SHIFT = 1.5 * 2.0**52
"""Adding it, and taking it away again, rounds to a whole number."""


def _quotient(n: int, d: int) -> Two:
    """n/d as a pair."""
    high = n / d
    top, bottom = high.as_integer_ratio()
    return high, (n * bottom - top * d) / (bottom * d)


def _factorial(n: int) -> int:
    return n * _factorial(n - 1) if n else 1


EXP_FIRST = tuple(1 / _factorial(n) for n in range(22, 9, -1))
EXP_REST = tuple(_quotient(1, _factorial(n)) for n in range(9, -1, -1))
LOG_FIRST = tuple(1 / (2 * n + 1) for n in range(18, 6, -1))
LOG_REST = tuple(_quotient(1, 2 * n + 1) for n in range(6, -1, -1))


def reduced(xp: Namespace, x: Two) -> tuple[Two, Any]:
    """r and the whole number k of x = k ln 2 + r, for |x| up to 2^20."""
    steps = (x[0] * LOG2_E + SHIFT) - SHIFT
    high, low = two_product(xp, steps, LN2[0])
    # The difference is exact where k isn't 0 (Sterbenz).
    r = added((x[0] - high, 0.0), (x[1] - low, 0.0))
    product, error = two_product(xp, steps, LN2[1])
    return added(r, (-product, -(error + steps * LN2_THIRD))), steps


def exp_of_reduced(xp: Namespace, r: Two) -> Two:
    """e^r for |r| ≤ ln 2/2."""
    return horner(xp, r, _plain(r[0], EXP_FIRST), EXP_REST)


def log_of_near_one(xp: Namespace, f: Two) -> tuple[Two, Two]:
    """log(1 + f) as a product of s and a number near 2, so that a tiny f keeps its scale; 1 + f between √½ and √2."""
    s = divided(xp, f, added((2.0, 0.0), f))
    square = multiplied(xp, s, s)
    series = horner(xp, square, _plain(square[0], LOG_FIRST), LOG_REST)
    return s, (2 * series[0], 2 * series[1])


def _plain(x: Any, coefficients: tuple[float, ...]) -> Any:
    found: Any = coefficients[0]
    for coefficient in coefficients[1:]:
        found = found * x + coefficient
    return found

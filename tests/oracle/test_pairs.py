"""hi + lo of float64 are the oracle's numbers, each rounded once, wherever in the range they lie."""

from __future__ import annotations

import math
import random

import mpmath
import pytest

from focal_ref.conformance.ulp import FORMATS, nearest
from focal_ref.oracle import flint, sigmoid_many, softmax_many
from focal_ref.oracle.many import sigmoid_floats, softmax_floats
from focal_ref.oracle.pairs import pair, pairs

DOUBLE = FORMATS["float64"]


def test_a_pair_is_rounded_once_and_what_is_left_once() -> None:
    """Against mpmath: normal, subnormal, huge and vanishing numbers, halves that tie, thousands of bits."""
    rng = random.Random(11)
    for _ in range(3000):
        odd = rng.getrandbits(rng.choice([1, 53, 54, 107, 160, 2000])) | 1
        power = rng.choice([0, -60, -1070, -1130, -1200, 900, 1023, -500]) - rng.choice([0, odd.bit_length()])
        negative = rng.random() < 0.5
        value = mpmath.mp.make_mpf(mpmath.libmp.from_man_exp(-odd if negative else odd, power))
        hi, lo = pair(int(negative), odd, power)
        assert hi == nearest(value, DOUBLE)
        assert lo == (nearest(mpmath.fsub(value, hi, exact=True), DOUBLE) if math.isfinite(hi) else 0.0)
    assert pairs([mpmath.inf, mpmath.mpf(0), 3]) == ([math.inf, 0.0, 3.0], [0.0, 0.0, 0.0])


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_floats_are_those_of_the_results(gamma: float) -> None:
    """With balls or without; NaN and infinities too."""
    xs = [0.0, 1.5, -40.0, 700.0, -745.0, 1e-300, math.inf, math.nan]
    rows, targets = [[0.0, 1.0, -2.0], [5.0, math.nan, 0.0], [700.0, -700.0, 0.0]], [1, 0, 2]
    for got, due in zip(sigmoid_floats(xs, gamma), sigmoid_many(xs, 1, gamma), strict=True):
        hi, lo = pairs([due.value, due.grad, due.hess])
        wanted = [*(part for two in zip(hi, lo, strict=True) for part in two), float(due.hess_terms)]
        assert all(a == b or (math.isnan(a) and math.isnan(b)) for a, b in zip(got, wanted, strict=True))
    for got, due in zip(softmax_floats(rows, targets, gamma), softmax_many(rows, targets, gamma), strict=True):
        hi, _ = pairs([due.value, *due.grad, *due.hess])
        assert all(a == b or (math.isnan(a) and math.isnan(b)) for a, b in zip(got[0:14:2], hi, strict=True))


def test_without_balls_the_floats_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """python-flint is optional."""
    with_it = sigmoid_floats([0.25, -3.0], 2.0)
    monkeypatch.setattr(flint, "available", lambda: False)
    assert sigmoid_floats([0.25, -3.0], 2.0) == with_it

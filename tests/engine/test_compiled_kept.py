"""A kept loop is the compiled engine's, without what a call costs beside it."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

import focal_ref as fr
from focal_ref.engine.compiled_kept import kept
from focal_ref.family import Focal
from focal_ref.losses.plan import Plan
from focal_ref.losses.programs import sigmoid_program

PLAN = Plan(("value", "grad"), "float64", "float64", "hard", looked=True, reduced=False, kernel=Focal, carry=True)


def loop(weight: Any) -> Any:
    given = [np.zeros(0), np.zeros(0, np.float32), 1.5, 0.3, weight, None, None]
    return kept(partial(sigmoid_program, plan=PLAN), given, 2)


def test_it_gives_a_call_s_bits() -> None:
    """With weights in an array, and without; arrays that may not be written to; any length."""
    loss = fr.SigmoidFocalLoss(1.5, 0.3)
    rng = np.random.default_rng(0)
    with fr.set_engine("compiled"):
        for count in (1, 7, 8, 500):
            x, y, weight = rng.normal(size=count) * 5, (rng.random(count) < 0.3).astype(np.float32), rng.random(count)
            x.flags.writeable = False
            for given in ((x, y), (x, y, weight)):
                found = loop(weight if len(given) > 2 else None)(given)
                assert found.shape == (2, count)
                for ours, theirs in zip(found, loss.value_and_grad(*given), strict=True):
                    np.testing.assert_array_equal(ours, theirs)


def test_without_compiled_loops_there_is_none() -> None:
    """The caller has its own way then."""
    with fr.set_engine("numpy"):
        assert loop(None) is None

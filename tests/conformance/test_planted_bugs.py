"""Every planted bug is found, and named."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional

from focal_ref.conformance import Verdict, check
from tests.conformance.planted import PLANTED


def _verdict(name: str) -> Verdict:
    bug = PLANTED[name]
    return check(bug.fn, **bug.options)


def test_there_are_enough_of_them() -> None:
    """Twenty different losses at least, in NumPy and torch, of both links."""
    assert len(PLANTED) >= 60
    assert {bug.options.get("framework", "numpy") for bug in PLANTED.values()} == {"numpy", "torch"}
    assert {bug.options.get("link", "sigmoid") for bug in PLANTED.values()} == {"sigmoid", "softmax"}


@pytest.mark.slow
@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_bug_is_found_and_named(name: str) -> None:
    """The verdict fails, and among the causes of the quantity that is wrong is the one that was planted."""
    bug, verdict = PLANTED[name], _verdict(name)
    assert not verdict.passed
    assert not verdict.broken, verdict.broken
    named = [finding.cause or "" for finding in verdict.findings if finding.quantity == bug.quantity]
    assert any(cause.startswith(bug.cause) for cause in named), named


def test_a_rounded_complement_is_no_epsilon() -> None:
    """1 − exp(−CE), as tutorials have it: its last value before 0 is 2^−24, at which no ε was written down."""

    def popular(logits: Any, targets: Any, gamma: float) -> Any:
        log_p = functional.logsigmoid(torch.where(targets == 1, logits, -logits))
        return -((1 - log_p.exp()) ** gamma) * log_p

    verdict = check(popular, dtypes=("float32",), gammas=(0.5, 1.0, 2.0, 5.0), largest=50.0, order=1)
    assert "1 − p rounded to 0: use the complement" in verdict.causes
    assert not [cause for cause in verdict.causes if "epsilon" in cause]

"""Every planted bug is found, and named."""

from __future__ import annotations

import pytest

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

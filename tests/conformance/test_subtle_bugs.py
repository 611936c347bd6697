"""Every subtle bug is found, and what is said of it is true."""

from __future__ import annotations

from collections import Counter

import pytest

from focal_ref.conformance import Verdict, check
from tests.conformance.subtle import SUBTLE


def _verdict(name: str) -> Verdict:
    bug = SUBTLE[name]
    return check(bug.fn, **bug.options)


def test_there_are_six_of_each_kind() -> None:
    """Sixty of them at least."""
    kinds = Counter(bug.kind for bug in SUBTLE.values())
    assert len(SUBTLE) >= 60
    assert min(kinds.values()) >= 6, kinds


@pytest.mark.slow
@pytest.mark.parametrize("name", SUBTLE)
def test_a_subtle_bug_is_found_and_nothing_false_is_said(name: str) -> None:
    """The verdict fails; the first cause that is named has one of the words that are true of it."""
    bug, verdict = SUBTLE[name], _verdict(name)
    assert not verdict.passed
    assert verdict.measured, verdict.broken
    assert verdict.findings, verdict.broken
    cause = verdict.findings[0].cause
    assert cause is None or any(word in cause for word in bug.true), cause

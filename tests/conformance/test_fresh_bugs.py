"""Fresh subtle bugs are found, all of them; whatever is said of one is true, and few have no name."""

from __future__ import annotations

from collections import Counter

import pytest

from focal_ref.conformance import Verdict, check
from tests.conformance.fresh import FRESH

BESIDES = (
    "overflow in float16",
    "1 − p rounded to 0",
    "log(1 − p) of a p that was rounded to 1",
    "power gamma-1 at 0",
    "wrong at infinite logits",
    "overflow at the largest logits",
    "overflow in float32",
    "digits lost in x − max x",
    "subnormal numbers flushed",
    "softmax without subtracting",
    "log(1 + exp(-x)) overflows",
    "a NaN spreads",
    "the layout of memory",
    "log of a p that underflowed",
    "rounding errors add up",
)
"""What is true, besides its bug, of the plain forms that the bugs are made of."""
UNNAMED: set[str] = set()
CHEAP = tuple(name for name, bug in FRESH.items() if bug.kind in ("batch", "gamma", "alpha"))[::5]


def _verdict(name: str) -> Verdict:
    bug = FRESH[name]
    return check(bug.fn, **bug.options)


def _is_found_and_told_truly(name: str) -> None:
    bug, verdict = FRESH[name], _verdict(name)
    assert not verdict.passed
    assert verdict.measured, verdict.broken
    assert verdict.findings, verdict.broken
    named = [finding.cause for finding in verdict.findings if finding.cause]
    false = [cause for cause in named if not any(word in cause for word in (*bug.true, *BESIDES))]
    assert not false
    assert name in UNNAMED or any(word in cause for cause in named for word in bug.true), named


def test_there_are_ten_of_each_kind() -> None:
    """Ninety of them at least."""
    kinds = Counter(bug.kind for bug in FRESH.values())
    assert len(FRESH) >= 90
    assert min(kinds.values()) >= 10, kinds
    assert len(UNNAMED) <= 0.15 * len(FRESH)


@pytest.mark.parametrize("name", CHEAP)
def test_some_bugs_are_found_and_nothing_false_is_said(name: str) -> None:
    """A few of the cheapest, at every run."""
    _is_found_and_told_truly(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in FRESH if name not in CHEAP])
def test_a_fresh_bug_is_found_and_nothing_false_is_said(name: str) -> None:
    """The verdict fails; every cause that is named has one of the words that are true of the bug, or of its form."""
    _is_found_and_told_truly(name)

"""A careful focal loss passes, whatever its form, with one line of its user's at most."""

from __future__ import annotations

import pytest

from focal_ref.conformance import check
from tests.conformance.careful import CAREFUL


def test_there_are_enough_of_them() -> None:
    """Twenty-five forms at least, and none needs more than two words of its own."""
    assert len(CAREFUL) >= 25


@pytest.mark.slow
@pytest.mark.parametrize("name", CAREFUL)
def test_a_careful_loss_passes(name: str) -> None:
    """At the default grade, with what its user has to say."""
    fn, options = CAREFUL[name]
    verdict = check(fn, **{"dtypes": ("float32",), "gammas": (0.5, 2.0), "classes": (3,), **options})
    assert verdict.passed, str(verdict)

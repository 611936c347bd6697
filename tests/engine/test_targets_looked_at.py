"""Many targets are looked at in a compiled loop, which says of each what NumPy does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("llvmlite", reason="compiled loops need llvmlite")

import focal_ref as fr
from focal_ref.engine import arrays

MANY = arrays.MANY + 5
ODD = {
    0.5: (False, True),
    -0.0: (True, True),
    np.nan: (False, False),
    2.0: (False, False),
    -1.0: (False, False),
    np.inf: (False,) * 2,
}
"""A target, whether it is 0 or 1, and whether it is in [0, 1]."""


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("place", [0, 7, MANY - 3, MANY - 1])
def test_one_odd_target_is_found_wherever_it_is(dtype: Any, place: int) -> None:
    """In a whole vector, and among those that fill none."""
    with fr.set_engine("compiled"):
        for odd, (hard, unit) in ODD.items():
            y = (np.arange(MANY) % 3 == 0).astype(dtype)
            assert arrays.in_a_loop("hard", y) is True
            assert arrays.in_a_loop("unit", y) is True
            y[place] = odd
            assert arrays.in_a_loop("hard", y) is hard
            assert arrays.in_a_loop("unit", y) is unit


def test_what_no_loop_takes_is_left_to_numpy() -> None:
    """Few targets, gaps between them, another engine."""
    y = np.zeros(2 * MANY, np.float32)
    with fr.set_engine("compiled"):
        assert arrays.in_a_loop("hard", y[:10]) is None
        assert arrays.in_a_loop("hard", y[::2]) is None
        with pytest.raises(ValueError, match="targets: got 2"):
            fr.SigmoidFocalLoss()(np.zeros(MANY), np.where(np.arange(MANY) == 9, 2.0, 1.0))
    with fr.set_engine("numpy"):
        assert arrays.in_a_loop("hard", y) is None

"""Tests of a focal loss in somebody's suite: each type, γ and quantity a test of its own.

```text
from focal_ref.pytest import focal_conformance
from my.losses import focal

test_focal = focal_conformance(focal, framework="torch", link="softmax")
```

Options are those of `focal_ref.conformance.check`, which runs once a type and γ.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from .conformance import check, grids
from .conformance.candidate import Subject
from .conformance.report import Verdict
from .libraries import frameworks

__all__ = ["focal_conformance"]

LOG = 10**4
"""Columns of a log, which is searched for causes: nothing is wrapped there."""


def focal_conformance(
    fn: Callable[..., Any],
    *,
    link: str = "sigmoid",
    framework: str | frameworks.Framework = "numpy",
    dtypes: Sequence[str] | None = None,
    gammas: Sequence[float] = grids.GAMMAS,
    **options: Any,
) -> Callable[..., None]:
    """A parametrized test of a focal loss, to be given a name that begins with "test".

    Parameters
    ----------
    fn : callable
        The loss.
    link, framework, dtypes, gammas, **options
        As for `focal_ref.conformance.check`.

    Returns
    -------
    callable
        A test with a case for each type, γ and quantity, which pytest collects by its name.

    Examples
    --------
    >>> import focal_ref as fr
    >>> test_loss = focal_conformance(fr.sigmoid_focal_loss, gammas=[2.0])
    >>> [case.id for mark in test_loss.pytestmark for case in mark.args[1]]
    ['float32-gamma2-value', 'float64-gamma2-value']
    """
    chosen = frameworks.get(framework)
    types = dtypes or [dtype for dtype in ("float32", "float64") if dtype in chosen.arrays.dtypes]
    how = {name: value for name, value in options.items() if name in ("derivative", "order", "inputs", "arguments", "alpha")}
    quantities = Subject(fn, link, chosen, **how).measures
    cases = [
        pytest.param(dtype, float(gamma), quantity, id=f"{dtype}-gamma{gamma:g}-{quantity}")
        for dtype in types
        for gamma in gammas
        for quantity in quantities
    ]

    @functools.cache
    def verdict(dtype: str, gamma: float) -> Verdict:
        return check(fn, link=link, framework=chosen, dtypes=[dtype], gammas=[gamma], **options)

    @pytest.mark.parametrize(("dtype", "gamma", "quantity"), cases)
    def test(dtype: str, gamma: float, quantity: str) -> None:
        found = verdict(dtype, gamma)
        if found.broken:
            pytest.fail(found.broken[0].reason, pytrace=False)
        rows = [row for row in found.rows if row.quantity == quantity]
        if not rows:
            pytest.skip("; ".join(found.remarks) or f"no {quantity}")
        if any(finding.quantity == quantity for finding in found.findings) or not all(row.passed for row in rows):
            pytest.fail("\n".join(line.text for line in _only(found, quantity).lines(width=LOG)), pytrace=False)

    test.__doc__ = f"{getattr(fn, '__name__', 'The loss')} is the focal loss, within its tolerance."
    return test


def _only(verdict: Verdict, quantity: str) -> Verdict:
    rows = tuple(row for row in verdict.rows if row.quantity == quantity)
    return dataclasses.replace(verdict, rows=rows, findings=tuple(f for f in verdict.findings if f.quantity == quantity))

"""Kernels with one mistake: the vectors find every one, with nothing else to go by; and the right one passes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from focal_ref import vectors
from tests.vectors.mutants import KERNEL, MUTANTS, made

MEAN = 64.0
"""ULP that a plain mean of a thousand losses may lose."""


def _bad(kernel: dict[str, Any]) -> Iterator[str]:
    """The cases and batches of float64 that a kernel fails."""
    for link in vectors.LINKS:
        found = vectors.load(link, "float64")
        for case in found.cases:
            if case.soft_targets is None:
                weight = 1.0 if case.weight is None else case.weight
                if not _right(case, link, lambda: kernel["one"](case.logits, case.target, case.gamma, case.alpha, weight)):  # noqa: B023
                    yield case.id
        for group in found.groups:
            yield from _of_batch(kernel, link, found, group)


def _right(case: vectors.Case, link: str, ask: Any) -> bool:
    try:
        results = ask()
    except (ArithmeticError, ValueError, IndexError, TypeError):
        return False
    return results is not None and all(
        vectors.error(case, quantity, got, "float64") <= vectors.bound(link, quantity, case.gamma)
        for quantity, got in zip(vectors.QUANTITIES, results, strict=True)
    )


def _of_batch(kernel: dict[str, Any], link: str, found: vectors.Vectors, group: vectors.Group) -> Iterator[str]:
    cases = [found.cases[i] for i in group.cases]
    weights = [1.0 if case.weight is None else case.weight for case in cases]
    given = [case.logits for case in cases], [case.target for case in cases]
    try:
        results, mean = kernel["batch"](*given, cases[0].gamma, cases[0].alpha, weights, group.shape, group.axis)
    except (ArithmeticError, ValueError, IndexError, TypeError) as error:
        yield f"{group.id}: {error}"
        return
    if not all(_right(case, link, lambda: result) for case, result in zip(cases, results, strict=True)):  # noqa: B023
        yield group.id
    same = math.isnan(mean) if math.isnan(group.mean) else abs(mean - group.mean) <= MEAN * np.spacing(group.mean)
    if not same:
        yield f"{group.id}: the mean"


@pytest.mark.slow
def test_the_right_kernel_passes() -> None:
    """What the mutants are made from."""
    assert list(_bad(made())) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_found(name: str) -> None:
    """By one vector at least."""
    assert next(_bad(made(MUTANTS[name])), None) is not None


def test_mutants_are_of_every_kind() -> None:
    """Formulas, derivatives, classes, weights and batches: each changes one place, and no two do the same."""
    assert len(MUTANTS) >= 45
    assert len({KERNEL.replace(*change, 1) for change in MUTANTS.values()}) == len(MUTANTS)
    for change in MUTANTS.values():
        compile(KERNEL.replace(*change, 1), "<kernel>", "exec")

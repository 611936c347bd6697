"""Exact results of cases, by the oracle: value, gradient and Hessian diagonal, and the sizes of what they are sums of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import mpmath

from .. import oracle
from ..conformance.contract import QUANTITIES
from .cases import Inputs

__all__ = ["DIGITS", "SPARE", "distinct", "results"]

DIGITS = 40
"""Of the decimals."""
SPARE = 20
"""Digits beyond, so that rounding to the type and to the decimals is decided."""


def results(cases: Sequence[Inputs], kernel: Any = None) -> list[dict[str, Any]]:
    """By quantity, and the sums of terms' absolute values as ``"grad_terms"`` and ``"hess_terms"``; of a row, lists.

    Parameters
    ----------
    cases : sequence of Inputs
        Hard targets of focal loss go to the oracle many at once, which python-flint makes faster.
    kernel : Kernel, optional
        A member of the family; None: focal loss.
    """
    found: list[Any] = [None] * len(cases)
    groups: dict[Any, list[int]] = {}
    for i, case in enumerate(cases):
        label = case.target if isinstance(case.logits, float) else None
        apart = kernel is not None or case.soft_targets is not None or case.left_out
        groups.setdefault((i,) if apart else (case.gamma, case.alpha, label), []).append(i)
    for places in groups.values():
        for i, result in zip(places, _group([cases[i] for i in places], kernel), strict=True):
            found[i] = _weighed(cases[i], result)
    return found


def _group(same: list[Inputs], kernel: Any) -> list[Any]:
    first, digits = same[0], DIGITS + SPARE
    if first.left_out:
        return [None]
    if kernel is not None:
        parameters = first.parameters
        return [oracle.member(kernel, first.logits, _label(first), alpha=first.alpha, digits=digits, **parameters)]
    row = isinstance(first.logits, tuple)
    if first.soft_targets:
        how = {} if row else {"soft_targets": first.soft_targets}
        make: Any = oracle.softmax if row else oracle.sigmoid
        return [make(first.logits, first.target, first.gamma, first.alpha, digits, **how)]
    logits: list[Any] = [case.logits for case in same]
    if row:
        return list(oracle.softmax_many(logits, [case.target for case in same], first.gamma, first.alpha, digits))
    return list(oracle.sigmoid_many(logits, _label(first), first.gamma, first.alpha, digits))


def _label(case: Inputs) -> Any:
    """A hard sigmoid label as an integer."""
    return int(case.target) if case.soft_targets is None and not isinstance(case.target, tuple) else case.target


def _weighed(case: Inputs, result: Any) -> dict[str, Any]:
    if result is None:
        nothing = [mpmath.mpf(0)] * len(case.logits) if isinstance(case.logits, tuple) else mpmath.mpf(0)
        return {"value": mpmath.mpf(0), **dict.fromkeys(("grad", "hess", "grad_terms", "hess_terms"), nothing)}
    found = {name: getattr(result, name) for name in (*QUANTITIES, "grad_terms", "hess_terms")}
    if case.weight is None:
        return found
    with mpmath.workdps(2 * (DIGITS + SPARE)):
        return {name: _times(value, mpmath.mpf(case.weight)) for name, value in found.items()}


def _times(value: Any, weight: Any) -> Any:
    return [entry * weight for entry in value] if isinstance(value, list) else value * weight


def distinct(values: Iterable[Any]) -> list[Any]:
    """Each number once: of a long row most are equal."""
    return list({value._mpf_: value for value in values}.values())

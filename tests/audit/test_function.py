"""`focal_ref.audit.function.scan_function` judges anybody's loss at every logit: it finds what is planted, and nothing else."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest

import focal_ref as fr
from focal_ref.audit.function import scan_function
from focal_ref.conformance import ulp
from focal_ref.conformance.guard import Refused

AT = {"float16": 2.375, "bfloat16": -7.5}


def _value(logits: Any, targets: Any, gamma: float) -> Any:
    return fr.sigmoid_focal_loss(logits, targets, gamma=gamma)


def _grad(logits: Any, targets: Any, gamma: float) -> Any:
    return fr.SigmoidFocalLoss(gamma=gamma).grad(logits, targets)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_right_loss_passes(dtype: str) -> None:
    """Value and gradient, γ of any kind: nothing is wrong, at the contract's own limits, or at little more than half an ULP."""
    for gamma, tolerance in ((2.0, 0.52),):
        report = scan_function(_value, dtype, gamma, derivative=_grad, tolerance=tolerance)
        assert report.passed
        assert report.logits == 65536
        assert [(t.quantity, t.wrong, t.first) for t in report.tallies] == [("value", 0, ""), ("grad", 0, "")]


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("quantity", ["value", "grad"])
@pytest.mark.parametrize("target", [0, 1])
def test_one_wrong_result_is_found(dtype: str, quantity: str, target: int) -> None:
    """A NaN, an infinity, a zero and a few ULP at one logit of one target: counted once each, and named."""
    for change, count in ((np.nan, "nan"), (np.inf, "wrong_inf"), (0.0, "flushed"), (None, "wrong")):

        def planted(own: Any, logits: Any, targets: Any, gamma: float, change: Any = change) -> Any:
            result = np.asarray(own(logits, targets, gamma))
            here = (logits.astype(np.float64) == AT[dtype]) & (targets == target)
            result[here] = result[here].astype(np.float64) * (1 + 40 * ulp.FORMATS[dtype].eps) if change is None else change
            return result

        names = {"value": _value, "grad": _grad}
        fns = {n: (lambda *given, own=f: planted(own, *given)) if n == quantity else f for n, f in names.items()}
        report = scan_function(fns["value"], dtype, derivative=fns["grad"], arguments="logits, targets, gamma")
        tally = {t.quantity: t for t in report.tallies}[quantity]
        assert not report.passed
        assert tally.wrong == getattr(tally, count) == 1
        assert tally.first.startswith(f"({AT[dtype]!r}, {target}): ")
        assert sum(t.wrong for t in report.tallies) == 1
        assert "FAILED" in str(report)


@pytest.mark.slow
def test_a_framework_s_own_gradient_is_judged() -> None:
    """torch's autograd of the textbook formula: NaN and zeros at saturated logits, as everybody knows."""
    torch = importlib.import_module("torch")

    def textbook(logits: Any, targets: Any, gamma: float) -> Any:
        p = torch.sigmoid(logits)
        p_t = p * targets + (1 - p) * (1 - targets)
        return -((1 - p_t) ** gamma) * torch.log(p_t)

    report = scan_function(textbook, "float16", framework="torch")
    value, grad = report.tallies
    assert value.wrong_inf > 100
    assert grad.nan > 100
    assert report.to_dict()["passed"] is False


def test_what_cannot_be_judged_is_said() -> None:
    """A function that raises, types that are none, and a γ that is out of range."""

    def broken(logits: Any, targets: Any, gamma: float) -> Any:
        raise RuntimeError("no")

    with pytest.raises(Refused, match="RuntimeError: no"):
        scan_function(broken, "float16", framework="numpy")
    with pytest.raises(ValueError, match="dtype: got 'float64'"):
        scan_function(_value, "float64")
    with pytest.raises(ValueError, match="gammas: got -1"):
        scan_function(_value, "float16", -1.0)

"""Errors that a grid would miss: from random parameters and logits, uphill by small steps, for every member and both links."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import focal_ref as fr
from focal_ref import oracle
from focal_ref.conformance import ulp
from focal_ref.family import KERNELS, Asymmetric, Kernel, Parameter, Poly1
from focal_ref.typing import Precision

STEEPEST = 5.0
QUANTITIES = ("value", "grad", "hess")
TYPES = {"float64": 500.0, "float32": 80.0}
"""How far the logits reach."""
LOGITS, ROWS, CLASSES, NEAR = 16, 8, 3, 6
"""Of a round, logits, or rows of so many classes; and of a step uphill, points."""


def drawn(rng: np.random.Generator, kernel: type[Kernel]) -> Kernel:
    """A member with parameters from anywhere in the range that people use."""

    def one(known: Parameter) -> float:
        low, high = max(known.low, -5.0), min(known.high, STEEPEST)
        picked = rng.choice([known.default, known.another, rng.uniform(low, high), rng.uniform(low, high)])
        return float(min(max(picked, known.low + 0.05 * (known.low > 0)), known.high))

    return kernel(**{name: one(known) for name, known in kernel.parameters.items()})


def steepness(kernel: Kernel) -> float:
    """The largest power of u."""
    return max(float(v) for n, v in kernel.values.items() if n.startswith("gamma")) + kernel.steeper  # type: ignore[arg-type]


def limit(kernel: Kernel, quantity: str, dtype: str, rows: bool) -> float:
    """DESIGN's bounds, in ULP, of Σ|terms| for derivatives."""
    if dtype == "float32":
        return 0.51
    first, second = (8.0, 3.0) if rows and quantity == "hess" else (6.0, 2.5) if rows or quantity == "hess" else (4.0, 2.0)
    return first + (2.0 if quantity != "hess" else second) * steepness(kernel)


def errors(kernel: Kernel, logits: Any, targets: Any, dtype: str, precision: Precision = "extended") -> dict[str, Any]:
    """The worst of each logit or row, as shares of the bound."""
    rows, x = np.ndim(logits) == 2, np.asarray(logits, dtype=dtype)
    make: Any = fr.SoftmaxLoss if rows else fr.SigmoidLoss
    loss = make(kernel, precision=precision)
    with fr.set_engine("numpy"):
        got = loss.value_grad_hess(x, targets)
    exact = oracle.member_many(kernel, x.astype(np.float64).tolist(), targets.tolist(), digits=25)
    found = {}
    for part, name in zip(got, QUANTITIES, strict=True):
        due = [getattr(r, name) for r in exact]
        terms = [getattr(r, f"{name}_terms") for r in exact] if name != "value" else due
        if isinstance(due[0], list):
            due, terms = ([e for row in of for e in row] for of in (due, terms))
        scale = [float(max(abs(d), abs(t))) for d, t in zip(due, terms, strict=True)]
        off = ulp.errors(np.asarray(part, dtype=np.float64).ravel(), *ulp.split(due), ulp.FORMATS[dtype], scale=scale)
        normal = np.asarray([abs(d) >= ulp.FORMATS[dtype].tiny * 1e3 for d in due])
        bound = 0.501 if precision == "reference" else limit(kernel, name, dtype, rows)
        found[name] = np.where(normal, off, 0.0).reshape(len(x), -1).max(axis=1) / bound
        # What the members' docstrings say of digits that u − m, or ℓ − |ε| u, takes.
        if isinstance(kernel, Asymmetric):
            found[name] = found[name] / _lost(kernel, x, targets)
        if isinstance(kernel, Poly1) and name == "value":
            with fr.set_engine("numpy"):
                terms = make(Poly1(kernel.gamma, abs(kernel.epsilon))).value(x.astype(np.float64), targets)  # type: ignore[arg-type]
            found[name] = found[name] * [float(r.value) for r in exact] / np.where(terms == 0, 1.0, terms)
    return found


def _lost(kernel: Asymmetric, x: Any, targets: Any) -> Any:
    u = 1 / (1 + np.exp(-x.astype(np.float64))) if x.ndim == 1 else np.ones(len(x))
    m, gamma = float(kernel.shift), float(kernel.gamma_negative)  # type: ignore[arg-type]
    far = np.abs(u - m)
    negative = (targets == 0) & (x.ndim == 1)
    return np.where(negative, 1 + (1 + gamma) * m / np.where(far == 0, 1e-300, far), 1.0)


def climbed(kernel: type[Kernel], dtype: str, rows: bool, rng: np.random.Generator, rounds: int, steps: int) -> dict[str, Any]:
    """The worst share of the bound found of each quantity, and where."""
    worst: dict[str, Any] = dict.fromkeys(QUANTITIES, (0.0,))
    for _ in range(rounds):
        member = drawn(rng, kernel)
        x = rng.normal(0, 3, (ROWS, CLASSES) if rows else LOGITS) * rng.choice([1.0, 1.0, 4.0, TYPES[dtype] / 12])
        targets = rng.integers(0, CLASSES if rows else 2, len(x))
        for name, off in errors(member, x, targets, dtype).items():
            at = int(off.argmax())
            if off[at] > worst[name][0] or np.isnan(off[at]):
                worst[name] = (float(off[at]), x[at], targets[at], member)
    for name in QUANTITIES:
        size = 0.5
        for _ in range(steps if len(worst[name]) > 1 else 0):
            off, at, target, member = worst[name]
            near = at + size * rng.normal(size=(NEAR, *np.shape(at)))
            new = errors(member, near, np.full(NEAR, target), dtype)[name]
            best = int(new.argmax())
            size *= 0.5
            if new[best] > off:
                worst[name] = (float(new[best]), near[best], target, member)
    return worst


@pytest.mark.slow
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("rows", [False, True], ids=["sigmoid", "softmax"])
@pytest.mark.parametrize("kernel", KERNELS.values(), ids=lambda kernel: kernel.name)
def test_a_search_stays_within_the_contract(kernel: type[Kernel], rows: bool, dtype: str) -> None:
    """Value and derivatives, of parameters anywhere."""
    found = climbed(kernel, dtype, rows, np.random.default_rng(17), rounds=8, steps=3)
    assert all(worst[0] <= 1.0 for worst in found.values()), found
    assert any(worst[0] > 0.05 for worst in found.values())


@pytest.mark.slow
@pytest.mark.parametrize("rows", [False, True], ids=["sigmoid", "softmax"])
@pytest.mark.parametrize("kernel", KERNELS.values(), ids=lambda kernel: kernel.name)
def test_reference_precision_rounds_once(kernel: type[Kernel], rows: bool) -> None:
    """Float64 in pairs, for members that know nothing of pairs."""
    rng = np.random.default_rng(29)
    for _ in range(3):
        x = rng.normal(0, 6, (6, 3) if rows else 20)
        found = errors(drawn(rng, kernel), x, rng.integers(0, 3 if rows else 2, len(x)), "float64", "reference")
        assert all(off.max() <= 1.0 for off in found.values()), found

"""Probabilities as input: exact for the number that is given, derivatives by it, limits at 0 and 1, nothing clipped."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pytest

import focal_ref as fr
from focal_ref import oracle
from focal_ref.family import Asymmetric, Focal, Inverse, Kernel, Star
from tests.family.members import MEMBERS, another, tried

P = np.asarray([2.0**-60, 0.0078125, 0.40625, 0.5, 0.625, 0.9375, 1 - 2.0**-20, 1 - 2.0**-24])
Y = np.asarray([1, 0, 1, 0, 1, 1, 0, 1])
SOFT = np.asarray([0.25, 0.5, 0.75, 0.125, 0.5, 1.0, 0.0, 0.25])
ENDS = np.asarray([0.0, 1.0, 0.0, 1.0])
OF_ENDS = np.asarray([1, 1, 0, 0])


@lru_cache(64)
def _due(kernel: Kernel, targets: tuple[float, ...]) -> list[Any]:
    return [oracle.probability(kernel, p, y, alpha=0.25, digits=25) for p, y in zip(P.tolist(), targets, strict=True)]


@pytest.mark.parametrize("kernel", MEMBERS, ids=repr)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_it_is_the_definition(backend: Any, kernel: Kernel, dtype: str) -> None:
    """Value and both derivatives by p, hard and soft, against the oracle of the definition."""
    if not backend.has(dtype):
        pytest.skip(f"{backend.name} has no {dtype}")
    for one, y in ((one, y) for one in tried(backend, kernel) for y in (Y, SOFT)):
        loss = fr.ProbabilityLoss(one, alpha=0.25)
        got = loss.value_grad_hess(backend(P, dtype), backend(y) if y is Y else backend(y, dtype))
        due = _due(one, tuple(y.tolist()))
        for part, name in zip(got, ("value", "grad", "hess"), strict=True):
            exact = [getattr(result, name) for result in due]
            terms = [abs(e) if name == "value" else getattr(r, f"{name}_terms") for e, r in zip(exact, due, strict=True)]
            scale = [max(abs(e), t) for e, t in zip(exact, terms, strict=True)]
            limit = 0.51 if dtype == "float32" and backend.widens(dtype) else 12.0
            assert backend.ulps(part, exact, scale).max() <= limit, (name, backend.ulps(part, exact, scale))


@pytest.mark.parametrize(
    ("kernel", "slope", "bend"),
    [
        (Focal(0.0), -1.0, 1.0),
        (Focal(0.5), 0.0, np.inf),
        (Focal(1.0), 0.0, 2.0),
        (Focal(3.0), 0.0, 0.0),
        (Inverse(2.0), -4.0, -4.0),
        (Star(1.0, 0.0), -1.0, 1.0),
        (Star(0.5, 0.0), -np.inf, -np.inf),
    ],
    ids=repr,
)
def test_the_ends_are_limits(backend: Any, kernel: Kernel, slope: float, bend: float) -> None:
    """p_t = 0: inf, −inf, inf. p_t = 1: 0 and the limits from below, of a negative with the slope's sign turned."""
    value, grad, hess = map(backend.numpy, fr.ProbabilityLoss(kernel).value_grad_hess(backend(ENDS), backend(OF_ENDS)))
    assert value.tolist() == [np.inf, 0.0, 0.0, np.inf]
    assert grad.tolist() == [-np.inf, slope, -slope, np.inf]
    assert hess.tolist() == [np.inf, bend, bend, np.inf]


def test_it_agrees_with_logits() -> None:
    """dφ/dp · p (1 − p) is the derivative by the logit; derivatives by parameters are the same ones."""
    x = np.asarray([-2.0, -0.5, 0.5, 3.0])
    p, y = 1 / (1 + np.exp(-x)), np.asarray([1, 0, 0, 1])
    with fr.set_engine("numpy"):
        for kernel in (*MEMBERS, *map(another, MEMBERS)):
            of_logits, of_p = (
                fr.SigmoidLoss(kernel, reduction="mean_positive"),
                fr.ProbabilityLoss(kernel, reduction="mean_positive"),
            )
            np.testing.assert_allclose(of_p(p, y), of_logits(x, y), rtol=1e-12)
            np.testing.assert_allclose(of_p.grad(p, y) * p * (1 - p), of_logits.grad(x, y), rtol=1e-10, atol=1e-15)
            for name in kernel.by_parameter:
                np.testing.assert_allclose(of_p.parameter_grad(name, p, y), of_logits.parameter_grad(name, x, y), rtol=1e-10)


def test_what_is_no_probability_is_refused_or_nan(backend: Any) -> None:
    """In words where it may be looked at, NaN in its element elsewhere; NaN stays; a weight of 0 hides anything."""
    loss = fr.ProbabilityLoss(Asymmetric())
    p, y = backend(np.asarray([0.5, 1.5, 0.25])), backend(np.asarray([1, 1, 0]))
    if backend.name in ("dask", "cupy"):
        assert np.isnan(backend.numpy(loss(p, y))).tolist() == [False, True, False]
    else:
        with pytest.raises(ValueError, match=r"probabilities: got 1.5 at flat index 1 .*; expected probabilities in \[0, 1\]"):
            loss(p, y)
    missing = backend(np.asarray([0.5, np.nan, 0.25]))
    assert np.isnan(backend.numpy(loss(missing, y))).tolist() == [False, True, False]
    assert np.isfinite(backend.numpy(loss.grad(missing, y, backend(np.asarray([1.0, 0.0, 1.0]))))).all()

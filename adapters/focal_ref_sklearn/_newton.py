"""Newton's method with conjugate gradients, whose unknowns are scaled anew at each step by the curvature that is there.

scipy's has one scale for all steps: where a loss's curvature fades as the classes part, and the penalty's does not, that is off
by a thousand, and takes a hundred times the products.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Found", "newton"]

Vector = NDArray[np.float64]

PRODUCTS = 500
"""At most so many a step."""
HALVINGS = 30
ENOUGH = 1e-4
"""Of the decrease that the slope promises (Armijo)."""
ROUNDING = 4 * float(np.finfo(float).eps)


class Found(NamedTuple):
    """Where it ended."""

    x: Vector
    fun: float
    nit: int
    success: bool
    message: str


def newton(
    value_and_grad: Callable[[Vector], tuple[float, Vector]],
    product: Callable[[Vector, Vector], Vector],
    diagonal: Callable[[Vector], Vector],
    x: Vector,
    tol: Vector,
    max_iter: int,
) -> Found:
    """To where no entry of the gradient is larger than that of `tol`.

    Parameters
    ----------
    value_and_grad, product, diagonal : callable
        Of x; of x and a direction, the Hessian's product; of x, positive numbers of about the Hessian's diagonal.
    x : array
        The start.
    tol : array
    max_iter : int
    """
    value, grad = value_and_grad(x)
    steep = first = _largest(grad, tol)
    for steps in range(max_iter):
        if steep <= 1:
            return Found(x, value, steps, True, "")
        exactness = min(0.25, (steep / first) ** 0.5)
        step = _conjugate(lambda v, at=x: product(at, v), grad, diagonal(x), exactness)  # type: ignore[misc]
        length, slope = 1.0, float(grad @ step)
        for _ in range(HALVINGS):
            trial = x + length * step
            after, grad_after = value_and_grad(trial)
            # Below the value's last places, the gradient says whether it went down.
            level = after - value <= ROUNDING * abs(value) and _largest(grad_after, tol) < steep
            if after <= value + ENOUGH * length * slope or level:
                break
            length /= 2
        else:
            return Found(x, value, steps, False, "no step along Newton's direction goes down")
        x, value, grad, steep = trial, after, grad_after, _largest(grad_after, tol)
    return Found(x, value, max_iter, steep <= 1, "")


def _largest(grad: Vector, tol: Vector) -> float:
    """In units of the tolerance; one of 0 is met by nothing but 0."""
    return float((np.abs(grad) / np.maximum(tol, float(np.finfo(float).tiny))).max())


def _conjugate(product: Callable[[Vector], Vector], grad: Vector, diagonal: Vector, exactness: float) -> Vector:
    """About −H⁻¹ grad, a way down: up to where a direction has no positive curvature."""
    step, rest = np.zeros_like(grad), -grad
    scaled = rest / diagonal
    direction, size = scaled, float(rest @ scaled)
    goal = exactness**2 * size
    for _ in range(PRODUCTS):
        bent = product(direction)
        curvature = float(direction @ bent)
        if curvature <= 0:
            return step if step.any() else direction
        length = size / curvature
        step, rest = step + length * direction, rest - length * bent
        scaled = rest / diagonal
        before, size = size, float(rest @ scaled)
        if size <= goal:
            break
        direction = scaled + size / before * direction
    return step

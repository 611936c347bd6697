"""Definition of focal loss in mpmath: L = −α (1 − p_t)^γ log p_t, and its derivatives by the product rule, term by term."""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

from .digits import FARTHEST, GUARD, context, number, own, power, sequence, settled, total
from .row import parts as row_parts

__all__ = ["Result", "RowResult", "sigmoid", "softmax"]


@dataclasses.dataclass(frozen=True)
class Result:
    """A loss and its derivatives, as mpf; of a row of logits, the derivatives are lists with an entry a class."""

    value: Any
    grad: Any
    hess: Any
    """The second derivative by each logit (of a row, the Hessian's diagonal)."""
    gamma_grad: Any
    grad_terms: Any
    """The sum of the absolute values of the gradient's terms: what a relative error means where the gradient has a zero."""
    hess_terms: Any
    """The same for the second derivative."""


class RowResult(Result):
    """A row's, with the full Hessian."""

    _arguments: tuple[Any, ...]

    @cached_property
    def hessian(self) -> list[list[Any]]:
        """The full Hessian, every entry with all its digits."""
        row, target, gamma, alpha, digits = self._arguments
        n = range(len(row))

        def evaluate(ctx: Any) -> list[list[Any]]:
            parts = row_parts(ctx, row, target, gamma, alpha)
            if parts is None:
                return [[ctx.nan for _ in n] for _ in n]
            return [[total(ctx, [term for part in parts for term in part.hess(j, k)])[0] for k in n] for j in n]

        return [own(line) for line in settled(evaluate, gamma, digits)]

    def hvp(self, v: Sequence[Any]) -> list[Any]:
        """Hessian times v; `digits` digits of Σ_k \\|H_jk v_k\\|."""
        ctx = context(self._arguments[-1], GUARD)
        tangent = [number(ctx, f"v[{k}]", entry) for k, entry in enumerate(sequence("v", v))]
        if len(tangent) != len(self.grad):
            raise ValueError(f"v: got {len(tangent)} numbers; expected {len(self.grad)}, one a class")
        return [own(ctx.fdot(line, tangent)) for line in self.hessian]


def sigmoid(x: Any, y: Any, gamma: Any, alpha: Any = None, digits: int = 50, *, soft_targets: str = "mix") -> Result:
    """The loss of one logit.

    Parameters
    ----------
    x : number
        The logit; ±inf gives the limit, NaN gives NaN. Real numbers of Python, NumPy and mpmath are taken exactly, of a str at
        least the digits that it has.
    y : number
        The target: 0 or 1, or in [0, 1].
    gamma : number
        γ ≥ 0.
    alpha : number, optional
        The weight of the positives in [0, 1]; the negatives get 1 − α.
    digits : int
        Correct decimal digits of the results.
    soft_targets : {"mix", "expected", "quality"}
        What a y between 0 and 1 means, as for `focal_ref.SigmoidFocalLoss`. At the cusp p = y of "quality" the gradient is 0,
        the second derivative 2 (p (1 − p))² BCE for γ = 2, 0 for γ > 2 and γ = 1, and else γ (γ − 1) · inf.

    Returns
    -------
    Result
        Value and derivatives, as numbers of mpmath.

    Raises
    ------
    TypeError, ValueError
        Where an argument is not such a number; the message names it.
    """
    if soft_targets not in ("mix", "expected", "quality"):
        raise ValueError(f"soft_targets: got {soft_targets!r}; expected 'mix', 'expected' or 'quality'")

    def evaluate(ctx: Any) -> Result:
        logit, label = number(ctx, "x", x), number(ctx, "y", y, 0, 1)
        g = number(ctx, "gamma", gamma, 0, finite=True)
        positive = ctx.one if alpha is None else number(ctx, "alpha", alpha, 0, 1, finite=True)
        negative = ctx.one if alpha is None else 1 - positive
        positive, negative = positive * label, negative * (1 - label)
        if ctx.isnan(label) or (ctx.isnan(logit) and positive + negative != 0):
            return Result(*[ctx.nan] * 6)
        if label in (0, 1) or soft_targets == "expected":
            weights = {1: positive, 0: negative}
            return _summed(ctx, [_hard(ctx, logit, c, g).times(w) for c, w in weights.items() if w != 0])
        return _summed(ctx, [_modulated(ctx, logit, label, g, soft_targets == "quality").times(positive + negative)])

    return _plain(settled(evaluate, gamma, digits))


def softmax(row: Sequence[Any], target: Any, gamma: Any, alpha: Any = None, digits: int = 50) -> RowResult:
    """The loss of one row of logits.

    Parameters
    ----------
    row : sequence of numbers
        The logits, as for `sigmoid`. Infinite logits that tie count as equal.
    target : int or sequence of numbers
        The class, or a row of probabilities y: then Σ_c α_c y_c (1 − p_c)^γ (−log p_c).
    gamma : number
        γ ≥ 0.
    alpha : number or sequence of numbers, optional
        A factor, or one weight a class.
    digits : int
        Correct decimal digits of the results.

    Returns
    -------
    RowResult
        Its derivatives are lists; it also has ``hessian``, the full matrix, and ``hvp(v)``.

    Raises
    ------
    TypeError, ValueError
        Where an argument is not such a number or sequence; the message names it.
    """
    row = sequence("row", row)
    n = range(len(row))

    def evaluate(ctx: Any) -> Result:
        parts = row_parts(ctx, row, target, gamma, alpha)
        if parts is None:
            return Result(*(ctx.nan if scalar else [ctx.nan] * len(row) for scalar in (1, 0, 0, 1, 0, 0)))
        grad = [total(ctx, [part.grad(j) for part in parts]) for j in n]
        return Result(
            ctx.fsum(part.value for part in parts),
            [entry for entry, _ in grad],
            [total(ctx, [term for part in parts for term in part.hess(j, j)])[0] for j in n],
            ctx.fsum(part.gamma_grad for part in parts),
            [terms for _, terms in grad],
            [ctx.fsum(part.hess_terms(j) for part in parts) for j in n],
        )

    result = RowResult(**vars(_plain(settled(evaluate, gamma, digits))))
    object.__setattr__(result, "_arguments", (row, target, gamma, alpha, operator.index(digits)))
    return result


# ---- one logit --------------------------------------------------------------------------------------------------------------


class _Terms(NamedTuple):
    """A loss, and the terms of its derivatives by the logit."""

    value: Any
    gamma_grad: Any
    grad: list[Any]
    hess: list[Any]

    def times(self, weight: Any) -> _Terms:
        return _Terms(
            weight * self.value, weight * self.gamma_grad, [weight * t for t in self.grad], [weight * t for t in self.hess]
        )


def _summed(ctx: Any, parts: list[_Terms]) -> Result:
    grad, grad_terms = total(ctx, [t for part in parts for t in part.grad])
    hess, hess_terms = total(ctx, [t for part in parts for t in part.hess])
    value, gamma_grad = ctx.fsum(part.value for part in parts), ctx.fsum(part.gamma_grad for part in parts)
    return Result(value, grad, hess, gamma_grad, grad_terms, hess_terms)


def _hard(ctx: Any, x: Any, y: int, gamma: Any) -> _Terms:
    """Lin et al. 2017, appendix B: dL/dx = ±(1 − p_t)^γ (γ p_t log p_t + p_t − 1); and its derivative, by the product rule."""
    sign = 1 if y else -1
    if ctx.isinf(x):
        wrong = sign * x < 0
        return _Terms(ctx.inf if wrong else ctx.zero, ctx.zero, [ctx.mpf(-sign * wrong)], [ctx.zero])
    p, u, log_p, log_u = _probability(ctx, sign * x)
    modulator = power(ctx, u, log_u, gamma)
    modulator_p = p * modulator
    slope, spread = gamma * modulator_p * log_p, u * modulator_p
    return _Terms(
        -modulator * log_p,
        -modulator * log_p * log_u,
        [sign * slope, -sign * u * modulator],
        [u * slope, -gamma * p * slope, gamma * spread, (1 + gamma) * spread],
    )


def _modulated(ctx: Any, x: Any, y: Any, gamma: Any, quality: bool) -> _Terms:
    """m^γ B by the product rule, as it stands: m = 1 − p_t ("mix") or |y − p| ("quality"), B the binary cross entropy."""
    if ctx.isinf(x):
        m = (1 - y if x > 0 else y) ** gamma
        return _Terms(ctx.inf, -ctx.inf, [(1 - y if x > 0 else -y) * m], [ctx.zero])
    p, q, log_p, log_q = _probability(ctx, x)
    split = [(1 - y) * p, -y * q]
    b0, b1, b2 = -y * log_p - (1 - y) * log_q, total(ctx, split)[0], p * q
    if quality:
        m0, m1 = abs(b1), ctx.sign(b1) * p * q
        complement = q + y if b1 > 0 else p + (1 - y)
        if m0 == 0:
            return _cusp(ctx, b0, b2, gamma)
    else:
        m0, m1 = y * q + (1 - y) * p, p * q * (1 - 2 * y)
        complement = y * p + (1 - y) * q
    log_m = ctx.log(m0) if m0 < 0.5 else ctx.log1p(-complement)
    modulator = power(ctx, m0, log_m, gamma)
    slope = gamma * modulator * m1 / m0
    return _Terms(
        modulator * b0,
        modulator * b0 * log_m,
        [*(modulator * part for part in split), slope * b0],
        [modulator * b2, 2 * slope * b1, (gamma - 1) * slope * m1 / m0 * b0, slope * (q - p) * b0],
    )


def _cusp(ctx: Any, b0: Any, b2: Any, gamma: Any) -> _Terms:
    """Where m = 0; m' jumps from −p (1 − p) to p (1 − p)."""
    if gamma == 0:
        return _Terms(b0, -ctx.inf, [ctx.zero], [b2])
    if gamma < 2 and gamma != 1:
        return _Terms(ctx.zero, ctx.zero, [ctx.zero], [ctx.inf if gamma > 1 else -ctx.inf])
    return _Terms(ctx.zero, ctx.zero, [ctx.zero], [2 * b2**2 * b0 if gamma == 2 else ctx.zero])


def _probability(ctx: Any, z: Any) -> tuple[Any, Any, Any, Any]:
    """p = 1/(1 + e^(−z)), 1 − p, log p and log(1 − p)."""
    if abs(z) > FARTHEST:
        sure = ctx.mpf(int(z > 0))
        return sure, 1 - sure, min(z, ctx.zero), min(-z, ctx.zero)
    e = ctx.exp(-z)
    return 1 / (1 + e), e / (1 + e), -ctx.log1p(e), -ctx.log1p(1 / e)


def _plain(result: Result) -> Result:
    """In the caller's own mpf, every digit kept."""
    return Result(*(own(part) for part in vars(result).values()))

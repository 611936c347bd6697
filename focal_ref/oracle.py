"""Focal loss by mpmath, from the definition, to any number of digits: what everything else is judged by.

It starts from L = −α (1 − p_t)^γ log p_t and from Lin et al.'s appendix B, in p_t, and shares no formula with the fast code; a
complement 1 − p is the sum of the other classes' probabilities here too. Every result has `digits` correct digits, whatever the
logits; results below exp(−10¹²) are 0.

>>> from focal_ref import oracle
>>> import mpmath
>>> mpmath.nstr(oracle.sigmoid(0, 1, 2).value, 20)
'0.17328679513998632735'
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from functools import cache, cached_property
from typing import Any

import mpmath

__all__ = ["Result", "sigmoid", "sigmoid_many", "softmax"]

GUARD = 25
"""Digits beyond those asked for; no formula here loses more than the few that a true zero costs."""
FARTHEST = 10**12
"""exp of anything below minus this is 0."""


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


class _RowResult(Result):
    """A row's, with the full Hessian: Σ_c of a matrix a class (one, for a hard target)."""

    _parts: Sequence[_Row]

    @cached_property
    def hessian(self) -> list[list[Any]]:
        """The full Hessian."""
        n = len(self.grad)
        return [[sum(part.hessian(j, k) for part in self._parts) for k in range(n)] for j in range(n)]

    def hvp(self, v: Sequence[Any]) -> list[Any]:
        """Hessian times v."""
        return [mpmath.fsum(h * x for h, x in zip(row, v, strict=True)) for row in self.hessian]


def sigmoid(x: Any, y: Any, gamma: Any, alpha: Any = None, digits: int = 50, *, soft_targets: str = "mix") -> Result:
    """The loss of one logit.

    Parameters
    ----------
    x : number
        The logit: int, float (taken exactly), str or mpf; ±inf gives the limit, NaN gives NaN.
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

    Raises
    ------
    TypeError, ValueError
        Where an argument is not such a number; the message names it.
    """
    ctx = _context(digits)
    x, y, gamma = _number(ctx, "x", x), _number(ctx, "y", y, 0, 1), _number(ctx, "gamma", gamma, 0)
    if soft_targets not in ("mix", "expected", "quality"):
        raise ValueError(f"soft_targets: got {soft_targets!r}; expected 'mix', 'expected' or 'quality'")
    weights = (1, 1) if alpha is None else (_number(ctx, "alpha", alpha, 0, 1), 1 - _number(ctx, "alpha", alpha, 0, 1))
    if ctx.isnan(x) or ctx.isnan(y):
        return _plain(Result(*[ctx.nan] * 6))
    if y in (0, 1):
        return _plain(_scaled(_hard(ctx, x, int(y), gamma), weights[1 - int(y)]))
    if soft_targets == "expected":
        return _plain(
            _added(_scaled(_hard(ctx, x, 1, gamma), weights[0] * y), _scaled(_hard(ctx, x, 0, gamma), weights[1] * (1 - y)))
        )
    return _plain(_scaled(_modulated(ctx, x, y, gamma, soft_targets == "quality"), weights[0] * y + weights[1] * (1 - y)))


def sigmoid_many(xs: Sequence[Any], y: Any, gamma: Any, alpha: Any = None, digits: int = 40) -> list[Result]:
    """`sigmoid` at many logits."""
    return [sigmoid(x, y, gamma, alpha, digits) for x in xs]


def softmax(row: Sequence[Any], target: Any, gamma: Any, alpha: Any = None, digits: int = 50) -> Result:
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
    Result
        Its derivatives are lists; it also has ``hessian``, the full matrix, and ``hvp(v)``.
    """
    ctx = _context(digits)
    gamma = _number(ctx, "gamma", gamma, 0)
    logits = [_number(ctx, f"row[{i}]", x) for i, x in enumerate(row)]
    if len(logits) < 2:
        raise ValueError(f"row: got {len(logits)} logits; expected two or more")
    weights = _class_weights(ctx, alpha, len(logits))
    y = _probabilities(ctx, target, len(logits))
    if any(ctx.isnan(v) for v in (*logits, *y)):
        nans = [ctx.nan] * len(logits)
        return _finished([], Result(ctx.nan, nans, nans, ctx.nan, nans, nans))
    ps = _softmax(ctx, logits)
    parts = [_Row(ctx, logits, ps, c, gamma, w * v) for c, (w, v) in enumerate(zip(weights, y, strict=True)) if w * v != 0]
    n = range(len(logits))
    return _finished(
        parts,
        Result(
            ctx.fsum(part.value for part in parts),
            [ctx.fsum(part.grad(j) for part in parts) for j in n],
            [ctx.fsum(part.hessian(j, j) for part in parts) for j in n],
            ctx.fsum(part.gamma_grad for part in parts),
            [ctx.fsum(abs(part.grad(j)) for part in parts) for j in n],
            [ctx.fsum(part.terms(j) for part in parts) for j in n],
        ),
    )


# ---- one logit --------------------------------------------------------------------------------------------------------------


def _hard(ctx: Any, x: Any, y: int, gamma: Any) -> Result:
    """Lin et al. 2017, appendix B, in p_t; the second derivative is that formula's own derivative."""
    z = x if y else -x
    p, u, nll = _sigma(ctx, z), _sigma(ctx, -z), _softplus(ctx, -z)
    if ctx.isinf(z):
        slope = ctx.zero if z > 0 else -ctx.one
        value = ctx.zero if z > 0 else ctx.inf
        return Result(value, slope if y else -slope, ctx.zero, ctx.zero, abs(slope), ctx.zero)
    modulator = u**gamma
    log_p = -nll
    grad = modulator * (gamma * p * log_p - u)
    hess = p * modulator * ((2 * gamma + 1) * u + gamma * (1 - (1 + gamma) * p) * log_p)
    terms = modulator * p * ((1 + 2 * gamma) * u + gamma * nll * (gamma * p + u))
    return Result(modulator * nll, grad if y else -grad, hess, -modulator * nll * _softplus(ctx, z), abs(grad), terms)


def _modulated(ctx: Any, x: Any, y: Any, gamma: Any, quality: bool) -> Result:
    """m^γ B by the product rule, as it stands: m = 1 − p_t ("mix") or |y − p| ("quality"), B the binary cross entropy."""
    p, q = _sigma(ctx, x), _sigma(ctx, -x)
    if ctx.isinf(x):
        m = (1 - y if x > 0 else y) ** gamma
        slope = (1 - y if x > 0 else -y) * m
        return Result(ctx.inf, slope, ctx.zero, -ctx.inf if 0 < y < 1 else ctx.zero, abs(slope), ctx.zero)
    b0, b1, b2 = y * _softplus(ctx, -x) + (1 - y) * _softplus(ctx, x), (1 - y) * p - y * q, p * q
    if quality:
        sign = ctx.sign(b1)
        m0, m1, m2 = abs(b1), sign * p * q, sign * p * q * (q - p)
    else:
        m0, m1, m2 = y * q + (1 - y) * p, p * q * (1 - 2 * y), p * q * (q - p) * (1 - 2 * y)
    if m0 == 0:
        flat = b2 if gamma == 0 else {True: 2 * b2**2 * b0}.get(gamma == 2, ctx.zero)
        if gamma > 0 and gamma < 2 and gamma != 1:
            flat = ctx.inf if gamma > 1 else -ctx.inf
        return Result(b0 * ctx.zero**gamma, b1 if gamma == 0 else ctx.zero, flat, ctx.zero, ctx.zero, abs(flat))
    power = m0**gamma
    first = [power * b1, gamma * power / m0 * m1 * b0]
    second = [
        power * b2,
        2 * gamma * power / m0 * m1 * b1,
        gamma * (gamma - 1) * power / m0**2 * m1**2 * b0,
        gamma * power / m0 * m2 * b0,
    ]
    spread = power * (y * q + (1 - y) * p)
    return Result(
        power * b0,
        ctx.fsum(first),
        ctx.fsum(second),
        power * b0 * ctx.log(m0),
        spread + abs(first[1]),
        ctx.fsum(map(abs, second)),
    )


def _sigma(ctx: Any, z: Any) -> Any:
    return ctx.one / (1 + _exp(ctx, -z)) if z > -FARTHEST else _exp(ctx, z)


def _softplus(ctx: Any, z: Any) -> Any:
    """log(1 + e^z)."""
    if z > FARTHEST:
        return z
    e = _exp(ctx, z)
    return ctx.log1p(e) if e else ctx.zero


def _exp(ctx: Any, z: Any) -> Any:
    if z < -FARTHEST:
        return ctx.zero
    return ctx.inf if z > FARTHEST else ctx.exp(z)


def _scaled(result: Result, weight: Any) -> Result:
    """Weight times each part; a zero weight gives zeros."""
    if weight == 0:
        return Result(*[weight] * 6)
    parts = (getattr(result, f.name) for f in dataclasses.fields(Result))
    return Result(*(weight * part for part in parts))


def _added(a: Result, b: Result) -> Result:
    return Result(*(getattr(a, f.name) + getattr(b, f.name) for f in dataclasses.fields(Result)))


# ---- a row ------------------------------------------------------------------------------------------------------------------


class _Softmax:
    """A row's probabilities: E_j over their sum, and sums without one class."""

    def __init__(self, ctx: Any, logits: list[Any]) -> None:
        top = max(logits)
        self.depth = [ctx.zero if x == top else top - x for x in logits]
        self.e = [_exp(ctx, -d) for d in self.depth]
        prefix, suffix = [ctx.zero], [ctx.zero]
        for e, back in zip(self.e, reversed(self.e), strict=True):
            prefix.append(prefix[-1] + e)
            suffix.append(suffix[-1] + back)
        n = len(logits)
        self.rest = [prefix[j] + suffix[n - 1 - j] for j in range(n)]
        self.total = prefix[-1]
        self.p = [e / self.total for e in self.e]
        self.u = [r / self.total for r in self.rest]


def _softmax(ctx: Any, logits: list[Any]) -> _Softmax:
    return _Softmax(ctx, logits)


class _Row:
    """One class's −w (1 − p_t)^γ log p_t, by dL/dp_t and the softmax's own derivatives.

    With ρ = −p log p/(1 − p): gradient −u^(γ+1) (1 + γ ρ) v, v_t = 1, v_k = −E_k/Σ_{j≠t} E_j; Hessian
    γ u^(γ+1) [2p − ρ (1 − γ p)] v vᵀ + u^γ (1 + γ ρ) (diag(p) − p pᵀ).
    """

    def __init__(self, ctx: Any, logits: list[Any], s: _Softmax, t: int, gamma: Any, weight: Any) -> None:
        p, u = s.p[t], s.u[t]
        depth = s.depth[t]
        if depth == 0:
            nll = ctx.log1p(s.rest[t]) if s.rest[t] else ctx.zero
        else:
            nll = depth + ctx.log(s.total)
        rho = ctx.zero if p == 0 else (ctx.one if u == 0 else p * nll / u)
        modulator = u**gamma
        log_u = ctx.zero if u == 0 or p == 0 else (ctx.log(u) if p > 0.5 else ctx.log1p(-p))
        self.s, self.t, self.weight = s, t, weight
        self.value = weight * modulator * nll
        self.gamma_grad = weight * modulator * nll * log_u if log_u else ctx.zero
        self.v = [ctx.one if k == t else (-s.e[k] / s.rest[t] if s.rest[t] else ctx.zero) for k in range(len(logits))]
        self.pull = -weight * modulator * u * (1 + gamma * rho)
        self.outer = weight * gamma * modulator * u * (2 * p - rho * (1 - gamma * p))
        self.inner = weight * modulator * (1 + gamma * rho)
        self.curvature_terms = weight * modulator * ((1 + 2 * gamma) * p * u + gamma * rho * u * (gamma * p + u))

    def grad(self, j: int) -> Any:
        return self.pull * self.v[j]

    def hessian(self, j: int, k: int) -> Any:
        s = self.s
        spread = s.p[j] * s.u[j] if j == k else -s.p[j] * s.p[k]
        return self.outer * self.v[j] * self.v[k] + self.inner * spread

    def terms(self, j: int) -> Any:
        if j == self.t:
            return self.curvature_terms
        q = -self.v[j]
        others = self.s.rest[self.t]
        rest = 1 - q if q < 0.5 else mpmath.fsum(e for k, e in enumerate(self.s.e) if k not in (j, self.t)) / others
        return self.curvature_terms * q**2 + abs(self.pull) * q * rest


# ---- arguments and results --------------------------------------------------------------------------------------------------


@cache
def _context(digits: int) -> Any:
    """mpmath's arithmetic at one precision, nobody else's: the caller's `mpmath.mp` is left as it is."""
    if not isinstance(digits, int) or isinstance(digits, bool) or digits < 1:
        raise ValueError(f"digits: got {digits!r}; expected a positive integer")
    ctx = mpmath.MPContext()
    ctx.dps = digits + GUARD
    return ctx


def _number(ctx: Any, name: str, value: Any, low: float = -math.inf, high: float = math.inf) -> Any:
    try:
        number = ctx.mpf(value if isinstance(value, str) or hasattr(value, "_mpf_") else _exact(value))
    except (TypeError, ValueError):
        raise TypeError(f"{name}: got {value!r}; expected a number") from None
    if number < low or number > high or (name == "gamma" and not ctx.isfinite(number)):
        raise ValueError(f"{name}: got {value!r}; expected a number in [{low}, {high}]")
    return number


def _exact(value: Any) -> int | float:
    if isinstance(value, (str, bytes)) or value is None:
        raise TypeError
    return int(value) if isinstance(value, int) else float(value)


def _class_weights(ctx: Any, alpha: Any, classes: int) -> list[Any]:
    if alpha is None or not hasattr(alpha, "__len__") or isinstance(alpha, str):
        return [ctx.one if alpha is None else _number(ctx, "alpha", alpha, 0)] * classes
    if len(alpha) != classes:
        raise ValueError(f"alpha: got {len(alpha)} weights; expected {classes}, one a class")
    return [_number(ctx, f"alpha[{c}]", a, 0) for c, a in enumerate(alpha)]


def _probabilities(ctx: Any, target: Any, classes: int) -> list[Any]:
    if hasattr(target, "__len__") and not isinstance(target, str):
        if len(target) != classes:
            raise ValueError(f"target: got {len(target)} probabilities; expected {classes}, one a class")
        return [_number(ctx, f"target[{c}]", y, 0, 1) for c, y in enumerate(target)]
    if isinstance(target, (bool, str)) or int(target) != target:
        raise TypeError(f"target: got {target!r}; expected a class, or a row of probabilities")
    if not 0 <= target < classes:
        raise ValueError(f"target: got {target!r}; expected a class in [0, {classes})")
    return [ctx.one if c == int(target) else ctx.zero for c in range(classes)]


def _plain(result: Result) -> Result:
    """In the caller's own mpf, every digit kept."""
    return Result(*(_own(getattr(result, f.name)) for f in dataclasses.fields(Result)))


def _finished(parts: Sequence[_Row], result: Result) -> _RowResult:
    row = _RowResult(*(_own(getattr(result, f.name)) for f in dataclasses.fields(Result)))
    object.__setattr__(row, "_parts", parts)
    return row


def _own(value: Any) -> Any:
    if isinstance(value, list):
        return [_own(v) for v in value]
    return mpmath.mp.make_mpf(value._mpf_) if hasattr(value, "_mpf_") else mpmath.mpf(value)

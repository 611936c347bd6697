"""Row of logits: softmax's probabilities, and the terms that one class with weight adds to loss, gradient and Hessian."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from .digits import FARTHEST, many, number, power, total

__all__ = ["Part", "chosen", "class_weights", "parts", "probabilities"]


def parts(ctx: Any, row: Sequence[Any], target: Any, gamma: Any, alpha: Any) -> list[Part] | None:
    """The terms of the loss, one for each class that has weight; None where something is NaN."""
    logits = [number(ctx, f"row[{i}]", x) for i, x in enumerate(row)]
    if len(logits) < 2:
        raise ValueError(f"row: got {len(logits)} logits; expected two or more")
    gamma, weights = number(ctx, "gamma", gamma, 0, finite=True), class_weights(ctx, alpha, len(logits))
    y = probabilities(ctx, target, len(logits))
    shares = {c: w * v for c, (w, v) in enumerate(zip(weights, y, strict=True)) if w * v != 0}
    if any(map(ctx.isnan, y)) or (shares and any(map(ctx.isnan, logits))):
        return None
    s = _Softmax(ctx, logits)
    return [Part(ctx, s, c, gamma, share) for c, share in shares.items()]


class _Softmax:
    """A row's probabilities: E_j over their sum, and sums without one class."""

    def __init__(self, ctx: Any, logits: list[Any]) -> None:
        top = max(logits)
        self.depth = [ctx.zero if x == top else top - x for x in logits]
        self.e = [ctx.zero if d > FARTHEST else ctx.exp(-d) for d in self.depth]
        prefix, suffix = [ctx.zero], [ctx.zero]
        for e, back in zip(self.e, reversed(self.e), strict=True):
            prefix.append(prefix[-1] + e)
            suffix.append(suffix[-1] + back)
        n = len(logits)
        self.rest = [prefix[j] + suffix[n - 1 - j] for j in range(n)]
        self.total = prefix[-1]
        self.p = [e / self.total for e in self.e]
        self.u = [r / self.total for r in self.rest]


class Part:
    """One class's −w (1 − p_t)^γ log p_t, by dL/dp_t and the softmax's own derivatives.

    With ρ = −p log p/(1 − p): gradient −u^(γ+1) (1 + γ ρ) v, v_t = 1, v_k = −E_k/Σ_{j≠t} E_j; Hessian
    γ u^(γ+1) [2p − ρ (1 − γ p)] v vᵀ + u^γ (1 + γ ρ) (diag(p) − p pᵀ).
    """

    def __init__(self, ctx: Any, s: _Softmax, t: int, gamma: Any, weight: Any) -> None:
        p, u, depth, others = s.p[t], s.u[t], s.depth[t], s.rest[t]
        nll = depth + ctx.log(s.total) if depth else ctx.log1p(others)
        log_u = ctx.ninf if u == 0 else (ctx.log(u) if p > 0.5 else ctx.log1p(-p))
        modulator = weight * power(ctx, u, log_u, gamma)
        rho = p * nll / u if p and u else ctx.zero
        self.ctx, self.s, self.t = ctx, s, t
        self.value = modulator * nll
        self.gamma_grad = modulator * nll * log_u if p and u else ctx.zero
        self.v = [-e / others if others else ctx.zero for e in s.e]
        self.v[t] = ctx.one
        self.inner = modulator * (1 + gamma * rho)
        self.pull = -u * self.inner
        self.outer = gamma * modulator * u * total(ctx, [2 * p, -rho, gamma * rho * p])[0]
        self.own_terms = modulator * u * (p * (1 + 2 * gamma) + gamma * rho * (gamma * p + u))

    def grad(self, j: int) -> Any:
        """The derivative by logit j."""
        return self.pull * self.v[j]

    def hess(self, j: int, k: int) -> list[Any]:
        """Terms of the second derivative by logits j and k."""
        p, u = self.s.p, self.s.u
        return [self.outer * self.v[j] * self.v[k], self.inner * p[j] * (u[j] if j == k else -p[k])]

    def hess_terms(self, j: int) -> Any:
        """Of the diagonal: \\|φ''\\|'s terms × q² + \\|φ'\\| q (1 − q)."""
        q = abs(self.v[j])
        if j == self.t or not q:
            return self.own_terms * q
        others = (e for k, e in enumerate(self.s.e) if k not in (j, self.t))
        return self.own_terms * q**2 - self.pull * q * (1 - q if q < 0.5 else self.ctx.fsum(others) / self.s.rest[self.t])


def class_weights(ctx: Any, alpha: Any, classes: int) -> list[Any]:
    """α of every class."""
    if not many(alpha):
        return [ctx.one if alpha is None else number(ctx, "alpha", alpha, 0, finite=True)] * classes
    if len(alpha) != classes:
        raise ValueError(f"alpha: got {len(alpha)} weights; expected {classes}, one a class")
    return [number(ctx, f"alpha[{c}]", a, 0, finite=True) for c, a in enumerate(alpha)]


def probabilities(ctx: Any, target: Any, classes: int, name: str = "target") -> list[Any]:
    """The row of probabilities that a target is, or names a class of."""
    if not many(target):
        place = chosen(target, classes, name)
        return [ctx.one if c == place else ctx.zero for c in range(classes)]
    if len(target) != classes:
        raise ValueError(f"{name}: got {len(target)} probabilities; expected {classes}, one a class")
    return [number(ctx, f"{name}[{c}]", y, 0, 1) for c, y in enumerate(target)]


def chosen(target: Any, classes: int, name: str = "target") -> int:
    """The class that a target names."""
    if isinstance(target, (bool, float)) or not hasattr(target, "__index__"):
        raise TypeError(f"{name}: got {target!r}; expected a class, or a row of probabilities")
    if not 0 <= operator.index(target) < classes:
        raise ValueError(f"{name}: got {target!r}; expected a class in [0, {classes})")
    return operator.index(target)

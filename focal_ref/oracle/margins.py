"""Margins of a call's classes: p, u and −log p of each, as series, and how they depend on the logits.

The margin of a class is z = log(p/u): ±x for a sigmoid's logit, x_t − log Σ_{k≠t} exp(x_k) for a row's class. With
q_j = exp(x_j)/Σ_{k≠t} exp(x_k): ∂z/∂x_t = 1, ∂z/∂x_j = −q_j, ∂²z/∂x_j² = −q_j (1 − q_j), ∂²z/∂x_j ∂x_k = q_j q_k.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from .digits import number, total
from .row import class_weights, probabilities
from .series import Series

__all__ = ["Margin", "Part", "logits", "parts"]


class Margin(NamedTuple):
    """p, u = 1 − p and −log p of a class, and p − u."""

    p: Any
    u: Any
    nll: Any
    lean: Any

    @classmethod
    def at(cls, ctx: Any, z: Any) -> Margin:
        """Of z = log(p/u)."""
        return cls.of(ctx, abs(z), ctx.exp(-abs(z)), z >= 0)

    @classmethod
    def beyond(cls, ctx: Any, power: int, likely: bool) -> Margin:
        """Of z = ±10^power log 2, for which mpmath's exp would take long."""
        return cls.of(ctx, 10**power * ctx.ln2, ctx.ldexp(ctx.one, -(10**power)), likely)

    @classmethod
    def of(cls, ctx: Any, size: Any, e: Any, likely: bool) -> Margin:
        """Of z's size, e = exp(−size), and its sign."""
        large, small, lean = 1 / (1 + e), e / (1 + e), (1 - e if e < 0.5 else -ctx.expm1(-size)) / (1 + e)
        return cls(large, small, ctx.log1p(e), lean) if likely else cls(small, large, ctx.log1p(e) + size, -lean)

    def series(self, ctx: Any, still: bool) -> tuple[Series, Series, Series]:
        """What the definition is handed; with `still`, as constants."""
        p, u, nll, lean = self
        if still:
            return Series(ctx, p, complement=u), Series(ctx, u, complement=p), Series(ctx, nll)
        pu = p * u
        return (
            Series(ctx, p, pu, -pu * lean, pu, pu, complement=u),
            Series(ctx, u, -pu, pu * lean, pu, pu, complement=p),
            Series(ctx, nll, -u, pu, u, pu),
        )

    def series_of_itself(self, ctx: Any, still: bool) -> Series:
        """z = log p − log u, whose derivative by itself is 1."""
        z = total(ctx, [-self.nll, -ctx.log(self.u)])[0] if self.u < 0.5 else total(ctx, [-self.nll, -ctx.log1p(-self.p)])[0]
        return Series(ctx, z) if still else Series(ctx, z, 1)


class Part(NamedTuple):
    """A class that has weight, and how its margin depends on the logits."""

    place: int
    weight: Any
    margin: Margin
    slopes: list[Any]
    """∂z/∂x_j."""
    bends: list[Any]
    """−∂²z/∂x_j²."""

    def bend(self, j: int, k: int) -> Any:
        """∂²z/∂x_j ∂x_k: of the target none, else q_j q_k off the diagonal."""
        if j == k:
            return -self.bends[j]
        return 0 if self.place in (j, k) else self.slopes[j] * self.slopes[k]


def logits(ctx: Any, x: Sequence[Any], row: bool) -> list[Any]:
    """A logit, or a row of two or more, as mpf."""
    if row and len(x) < 2:
        raise ValueError(f"x: got {len(x)} logits; expected two or more")
    return [number(ctx, f"x[{j}]" if row else "x", entry) for j, entry in enumerate(x)]


def parts(ctx: Any, x: Sequence[Any], y: Any, alpha: Any, row: bool) -> list[Part] | None:
    """Each class that has weight; None where something is NaN."""
    at = logits(ctx, x, row)
    chances = probabilities(ctx, y, len(at), "y") if row else _both(number(ctx, "y", y, 0, 1))
    if row or alpha is None:
        weights = class_weights(ctx, alpha, len(chances))
    else:
        weights = _both(number(ctx, "alpha", alpha, 0, 1, finite=True))
    shares = {c: a * w for c, (a, w) in enumerate(zip(weights, chances, strict=True)) if a * w != 0}
    if any(map(ctx.isnan, chances)) or (shares and any(map(ctx.isnan, at))):
        return None
    return _row(ctx, at, shares) if row else [_side(ctx, at[0], c, weight) for c, weight in shares.items()]


def _both(positive: Any) -> list[Any]:
    return [1 - positive, positive]


def _side(ctx: Any, x: Any, label: int, weight: Any) -> Part:
    sign = ctx.mpf(1 if label else -1)
    return Part(label, weight, Margin.at(ctx, sign * x), [sign], [ctx.zero])


def _row(ctx: Any, at: list[Any], shares: Mapping[int, Any]) -> list[Part]:
    """A row's classes: E_j over their sum, and sums without one class."""
    top = max(at)
    depth = [ctx.zero if x == top else top - x for x in at]
    e = [ctx.exp(-d) for d in depth]
    everything, found = ctx.fsum(e), []
    for t, weight in shares.items():
        rest = ctx.fsum(e[:t] + e[t + 1 :])
        p, u = e[t] / everything, rest / everything
        nll = depth[t] + ctx.log(everything) if depth[t] else ctx.log1p(rest)
        lean = ctx.zero if p == u else total(ctx, [p, -u])[0]
        q = [own / rest if rest else ctx.zero for own in e]
        without = [1 - q[j] if q[j] < 0.5 else ctx.fsum(v for k, v in enumerate(q) if k not in (j, t)) for j in range(len(e))]
        slopes, bends = [-share for share in q], [share * others for share, others in zip(q, without, strict=True)]
        slopes[t], bends[t] = ctx.one, ctx.zero
        found.append(Part(t, weight, Margin(p, u, nll, lean), slopes, bends))
    return found

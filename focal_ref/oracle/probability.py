"""Any member of the family by mpmath as a function of the probability itself, from its `definition`: the third link's judge.

p of the true class moves, with p' = 1, u' = −1, (−log p)' = −1/p and z' = 1/(p u). The ends, 0 and 1, are limits that the
losses' documentation states; here 0 < p < 1.
"""

from __future__ import annotations

import operator
from typing import Any

from .digits import agreed, number, own, total
from .generic import MemberResult
from .series import Series

__all__ = ["probability"]


def probability(kernel: Any, p: Any, y: Any, /, *, alpha: Any = None, digits: int = 50, **parameters: Any) -> MemberResult:
    """The loss of one probability of the positives, α y φ(p) + (1 − α) (1 − y) φ(1 − p), and its derivatives by it.

    Parameters
    ----------
    kernel, alpha, digits, **parameters
        As for `member`.
    p : number
        Above 0 and below 1.
    y : number
        In [0, 1].

    Returns
    -------
    MemberResult
        Without ``parameter_grad``.

    Raises
    ------
    TypeError, ValueError
        Where an argument is not such a number; the message names it.

    Examples
    --------
    >>> import mpmath
    >>> from focal_ref.family import Focal
    >>> mpmath.nstr(probability(Focal(0.0), 0.25, 1).grad, 10)
    '-4.0'
    """
    values = getattr(kernel, "values", None)
    chosen = {**({n: e.default for n, e in kernel.parameters.items()} if values is None else values), **parameters}

    def results(ctx: Any) -> list[Any]:
        at, target = number(ctx, "p", p, 0, 1), number(ctx, "y", y, 0, 1)
        if not 0 < at < 1:
            raise ValueError(f"p: got {p!r}; expected a number above 0 and below 1")
        share = ctx.mpf(1) / 2 if alpha is None else number(ctx, "alpha", alpha, 0, 1)
        scale = 2 if alpha is None else 1
        sides = [(scale * share * target, 1), (scale * (1 - share) * (1 - target), 0)]
        jets = [(weight, label, _jet(ctx, kernel, chosen, at, label)) for weight, label in sides if weight]
        turned = [weight if label else -weight for weight, label, _ in jets]
        return [
            total(ctx, [w * jet.value for w, _, jet in jets])[0],
            total(ctx, [w * jet.first for w, (_, _, jet) in zip(turned, jets, strict=True)])[0],
            total(ctx, [w * jet.second for w, _, jet in jets])[0],
            total(ctx, [w * jet.first_terms for w, _, jet in jets])[0],
            total(ctx, [w * jet.second_terms for w, _, jet in jets])[0],
        ]

    return MemberResult(*own(agreed(results, operator.index(digits))))


def _jet(ctx: Any, kernel: Any, parameters: dict[str, Any], p: Any, label: int) -> Series:
    p, u = (p, 1 - p) if label else (1 - p, p)
    nll = -ctx.log(p) if p < 0.5 else -ctx.log1p(-u)
    numbers = {name: number(ctx, name, value, finite=True) for name, value in parameters.items()}
    asked, pu = getattr(kernel, "asks", ()), p * u
    if "label" in asked:
        numbers["label"] = label
    if "z" in asked:
        numbers["z"] = Series(ctx, -nll - ctx.log(u), 1 / pu, (p - u) / pu**2)
    given = (Series(ctx, p, 1, complement=u), Series(ctx, u, -1, complement=p), Series(ctx, nll, -1 / p, 1 / p**2))
    found = kernel.definition(*given, **numbers)
    return found if isinstance(found, Series) else Series(ctx, number(ctx, "definition", found))

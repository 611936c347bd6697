"""Any member of the family by mpmath, from its `definition` alone: what a kernel's `jet` and every backend are judged by.

The definition, φ(p, u, ℓ) as its paper has it, is evaluated on numbers that carry two derivatives by the margin z = log(p/u)
(`focal_ref.oracle.series`), seeded with p' = p u, u' = −p u, ℓ' = −u. From φ, φ' and φ'' of a class come a logit's derivatives:
z is ±x for a sigmoid, and x_t − log Σ_{k≠t} exp(x_k) for a class of a row. All is done at P and at 2P digits until
both agree to the digits asked for; sums that lose digits ask for more of them.

Exact for every finite logit, with two limits: what is below exp(−10¹²) is 0, and so is a difference that is below 10^−400 of
its terms and below exp(−20000). Exempt are ``1 - p`` and ``1 - u``, and complements of their powers and products and of
exponentials, which stay exact.

A limit at an infinite logit is read off at two margins so far out that even log |z| is twice as large at one: what stays the
same there is the limit, what grows is an infinity, what shrinks is 0, and NaN says that it can't be told. Where a definition
isn't smooth, its own comparisons decide whose derivatives are returned.

>>> import mpmath
>>> from types import SimpleNamespace
>>> from focal_ref import oracle
>>> kernel = SimpleNamespace(
...     name="focal",
...     parameters={"gamma": SimpleNamespace(default=2.0)},
...     definition=lambda p, u, nll, gamma: u**gamma * nll,
... )
>>> mpmath.nstr(oracle.member(kernel, 0, 1).value, 20)
'0.17328679513998632735'
"""

from __future__ import annotations

import dataclasses
import math
import operator
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, TypeAlias

from .digits import FARTHEST, GUARD, LIMIT, agreed, agrees, context, many, number, own, sequence, total
from .margins import Margin, Part, logits, parts
from .series import Series

__all__ = ["MemberResult", "MemberRowResult", "member"]

_Jets: TypeAlias = list[tuple[Part, Series]]
DEEPEST = 20_000
"""Margins up to this are given the digits that 1 beside p or u takes."""


@dataclasses.dataclass(frozen=True)
class MemberResult:
    """A loss and its derivatives, as mpf; of a row of logits, the derivatives are lists with an entry a class."""

    value: Any
    grad: Any
    hess: Any
    """The second derivative by each logit (of a row, the Hessian's diagonal)."""
    grad_terms: Any
    """Σ|terms| of the gradient: of the product and chain rules, with the derivatives of p, u and ℓ written out in p and u."""
    hess_terms: Any
    """The same for the second derivative. Of focal loss 1 to 1.25 times (γ ≥ 1: exactly) what `oracle.Result` has."""

    @property
    def gamma_grad(self) -> Any:
        """The derivative by γ."""
        return self.parameter_grad("gamma")

    def parameter_grad(self, name: str) -> Any:
        """The derivative of the value by one of the kernel's parameters.

        Raises
        ------
        ValueError
            Where it has no such parameter, or one a class.
        """
        problem: _Problem = vars(self)["_problem"]
        if name not in problem.parameters or many(problem.parameters[name]):
            raise ValueError(f"name: got {name!r}; expected a parameter that is one number: {_names(problem.parameters)}")
        return own(agreed(lambda ctx: problem.by_parameter(ctx, name), problem.digits, problem.limit)[0])


class MemberRowResult(MemberResult):
    """A row's, with the full Hessian."""

    @cached_property
    def hessian(self) -> list[list[Any]]:
        """The full Hessian, every entry with all its digits."""
        problem: _Problem = vars(self)["_problem"]
        n = len(self.grad)
        flat = own(agreed(problem.hessian, problem.digits, problem.limit))
        return [flat[n * j : n * j + n] for j in range(n)]

    def hvp(self, v: Sequence[Any]) -> list[Any]:
        """Hessian times v; `digits` digits of Σ_k \\|H_jk v_k\\|."""
        ctx = context(vars(self)["_problem"].digits, GUARD)
        tangent = [number(ctx, f"v[{k}]", entry) for k, entry in enumerate(sequence("v", v))]
        if len(tangent) != len(self.grad):
            raise ValueError(f"v: got {len(tangent)} numbers; expected {len(self.grad)}, one a class")
        return [own(ctx.fdot(line, tangent)) for line in self.hessian]


def member(kernel: Any, x: Any, y: Any, /, *, alpha: Any = None, digits: int = 50, **parameters: Any) -> Any:
    """The loss of one logit, or of one row of logits, of any member of the family.

    Parameters
    ----------
    kernel : object
        Its ``definition(p, u, nll, **parameters)`` is evaluated; its ``parameters`` are a mapping from names to what has a
        ``default`` (and, if it likes, ``low`` and ``high``); a kernel with ``values``, a mapping, brings its own. With
        ``asks``, its definition is handed ``label`` or ``z``, too, the margin itself. Nothing else of it is used.
    x : number or sequence of numbers
        A logit (sigmoid), or a row of two or more (softmax); ±inf gives the limit, NaN gives NaN. Infinite logits that tie
        count as equal.
    y : number, int or sequence of numbers
        A logit's target in [0, 1]: α y φ(x) + (1 − α) (1 − y) φ(−x), "expected". A row's class, or its probabilities:
        Σ_c α_c y_c φ(z_c).
    alpha : number or sequence of numbers, optional
        A logit's weight of the positives in [0, 1], the negatives' being 1 − α; a row's factor, or one weight a class.
    digits : int
        Correct decimal digits of the results.
    **parameters : number, or for a row a sequence of numbers
        The kernel's, by name; of a sequence, one a class.

    Returns
    -------
    MemberResult or MemberRowResult
        For a logit or a row; both have ``parameter_grad(name)``, the latter ``hessian`` and ``hvp(v)``.

    Raises
    ------
    TypeError, ValueError
        Where an argument is not such a number or sequence; the message names it.
    ArithmeticError
        Where the definition doesn't settle at any precision.
    """
    row = many(x)
    chosen = {**_defaults(kernel), **parameters}
    if set(chosen) != set(kernel.parameters):
        raise TypeError(
            f"got {_names(set(chosen) - set(kernel.parameters))}; the kernel's parameters: {_names(kernel.parameters)}"
        )
    problem = _Problem(kernel, sequence("x", x) if row else [x], y, alpha, chosen, operator.index(digits), row)
    parts = own(agreed(problem.results, digits, problem.limit))
    n = len(problem.x)
    columns = [parts[1 + k * n : 1 + k * n + n] for k in range(4)]
    made = MemberRowResult(parts[0], *columns) if row else MemberResult(parts[0], *(column[0] for column in columns))
    object.__setattr__(made, "_problem", problem)
    return made


def _defaults(kernel: Any) -> dict[str, Any]:
    values = getattr(kernel, "values", None)
    return dict(values) if isinstance(values, Mapping) else {name: entry.default for name, entry in kernel.parameters.items()}


def _names(names: Any) -> str:
    return ", ".join(map(repr, sorted(names))) or "none"


# ---- a call -----------------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class _Problem:
    """A call's arguments, and what is evaluated of them in a context of mpmath's."""

    kernel: Any
    x: Sequence[Any]
    y: Any
    alpha: Any
    parameters: Mapping[str, Any]
    digits: int
    row: bool

    @property
    def limit(self) -> int:
        """Digits that 1 may have to spare beside p or u; few different ones, since each makes contexts of mpmath's."""
        at = [x for x in map(float, logits(context(20, GUARD), self.x, self.row)) if math.isfinite(x)]
        depth = max(at, default=0) - min(at, default=0) if self.row else abs(max(at, default=0))
        spare = depth / math.log(10) if depth <= DEEPEST else 0
        return LIMIT if spare < LIMIT - 20 else 1000 * math.ceil(spare / 1000 + 0.1)

    def results(self, ctx: Any) -> list[Any]:
        """The value, then gradient, Hessian's diagonal and the terms of both, each a class after the other."""
        jets, n = self.jets(ctx), range(len(self.x))
        if jets is None:
            return [ctx.nan] * (1 + 4 * len(n))
        found = [
            _sum(ctx, [part.weight * jet.value for part, jet in jets]),
            *(_sum(ctx, [_by(part.weight, jet.first, part.slopes[j]) for part, jet in jets]) for j in n),
            *(_second(ctx, jets, j, j) for j in n),
            *(_sum(ctx, [_by(part.weight, jet.first_terms, abs(part.slopes[j])) for part, jet in jets]) for j in n),
            *(_second_terms(ctx, jets, j) for j in n),
        ]
        return [_flushed(ctx, entry) for entry in found]

    def hessian(self, ctx: Any) -> list[Any]:
        """The full Hessian, a line after the other."""
        jets, n = self.jets(ctx), range(len(self.x))
        if jets is None:
            return [ctx.nan] * len(n) ** 2
        return [_flushed(ctx, _second(ctx, jets, j, k)) for j in n for k in n]

    def by_parameter(self, ctx: Any, name: str) -> list[Any]:
        """The derivative by a parameter."""
        jets = self.jets(ctx, name)
        return [ctx.nan if jets is None else _flushed(ctx, _sum(ctx, [part.weight * jet.first for part, jet in jets]))]

    def jets(self, ctx: Any, by: str | None = None) -> _Jets | None:
        """φ of each class that has weight; None where something is NaN."""
        found = parts(ctx, self.x, self.y, self.alpha, self.row)
        return None if found is None else [(part, self.jet(ctx, part, by)) for part in found]

    def jet(self, ctx: Any, part: Part, by: str | None) -> Series:
        """φ with its derivatives by the margin, or by a parameter."""
        if part.margin.p and part.margin.u:
            return self.evaluated(ctx, part.place, part.margin, by)
        powers = (LIMIT + self.digits, 2 * (LIMIT + self.digits))
        near, far = (self.evaluated(ctx, part.place, Margin.beyond(ctx, n, bool(part.margin.p)), by) for n in powers)
        fields = ("value", "first", "second", "first_terms", "second_terms")
        return Series(ctx, *(_limit(ctx, getattr(near, field), getattr(far, field), self.digits) for field in fields))

    def evaluated(self, ctx: Any, place: int, margin: Margin, by: str | None) -> Series:
        """The definition at a finite margin."""
        numbers: dict[str, Any] = {name: self.parameter(ctx, name, place) for name in self.parameters}
        if by is not None:
            numbers[by] = Series(ctx, numbers[by], 1)
        asked = getattr(self.kernel, "asks", ())
        if "label" in asked:
            numbers["label"] = 1 if self.row else place
        if "z" in asked:
            numbers["z"] = margin.series_of_itself(ctx, still=by is not None)
        result = self.kernel.definition(*margin.series(ctx, still=by is not None), **numbers)
        return result if isinstance(result, Series) else Series(ctx, number(ctx, "definition", result))

    def parameter(self, ctx: Any, name: str, place: int) -> Any:
        """A parameter's value for a class."""
        value, entry = self.parameters[name], self.kernel.parameters[name]
        if self.row and many(value):
            if len(value) != len(self.x):
                raise ValueError(f"{name}: got {len(value)} numbers; expected {len(self.x)}, one a class")
            value = value[place]
        return number(ctx, name, value, getattr(entry, "low", -math.inf), getattr(entry, "high", math.inf), finite=True)


# ---- sums -------------------------------------------------------------------------------------------------------------------


def _by(*factors: Any) -> Any:
    """A product, 0 where a factor is, another infinite or not."""
    return math.prod(factors) if all(factors) else 0


def _sum(ctx: Any, terms: list[Any]) -> Any:
    return total(ctx, [term for term in terms if term] or [ctx.zero])[0]


def _second(ctx: Any, jets: _Jets, j: int, k: int) -> Any:
    terms = []
    for part, jet in jets:
        terms += [_by(part.weight, jet.second, part.slopes[j], part.slopes[k]), _by(part.weight, jet.first, part.bend(j, k))]
    return _sum(ctx, terms)


def _second_terms(ctx: Any, jets: _Jets, j: int) -> Any:
    terms = []
    for part, jet in jets:
        square = part.slopes[j] ** 2
        terms += [_by(part.weight, jet.second_terms, square), _by(part.weight, jet.first_terms, part.bends[j])]
    return _sum(ctx, terms)


def _flushed(ctx: Any, value: Any) -> Any:
    """0 for what is below exp(−10¹²)."""
    return ctx.zero if value and ctx.isfinite(value) and ctx.mag(value) < -FARTHEST / math.log(2) else value


def _limit(ctx: Any, near: Any, far: Any, digits: int) -> Any:
    """What values at two margins far out tend to; NaN where that can't be told."""
    near, far = _flushed(ctx, near), _flushed(ctx, far)
    if agrees(ctx, near, far, digits):
        return far
    if 3 * abs(far) < 2 * abs(near):
        return ctx.zero
    return ctx.sign(far) * ctx.inf if 2 * abs(far) > 3 * abs(near) else ctx.nan

"""Derivatives of few samples at a time, as CatBoost asks for them: without what a loss's call costs beside the arithmetic."""

from __future__ import annotations

import math
from functools import partial
from itertools import repeat
from types import SimpleNamespace
from typing import Any

import numpy as np

from focal_ref import SigmoidFocalLoss, SigmoidLoss
from focal_ref.engine.choice import is_compiled
from focal_ref.engine.compiled_kept import Kept, kept
from focal_ref.losses.plan import Plan
from focal_ref.losses.programs import sigmoid_program
from focal_ref.mathematics.margin import Margin
from focal_ref.mathematics.power import is_mild
from focal_ref.mathematics.sigmoid import sigmoid

from ._curvature import Hessian, Loss, outer_product_of_margins

__all__ = ["Few"]

_FLOAT64 = np.dtype(np.float64)
_NUMBERS: Any = SimpleNamespace(
    abs=abs,
    exp=math.exp,
    expm1=math.expm1,
    inf=math.inf,
    log=math.log,
    log1p=math.log1p,
    where=lambda condition, a, b: a if condition else b,
)
"""Python's numbers as the namespace that kernels are handed."""


def _is_plain(loss: Loss) -> bool:
    """Whether its parameters are numbers, α too or one a class, and nothing else is asked for."""
    binary = isinstance(loss, (SigmoidFocalLoss, SigmoidLoss))
    alphas = (float, type(None)) if binary else (tuple, float, type(None))
    if not isinstance(loss.alpha, alphas) or loss.label_smoothing or loss.ignore_index is not None:
        return False
    values: Any = loss.kernel.values.values()
    return all(map(is_mild, values)) and loss.precision == "extended"


class Few:
    """A loss's gradient g and |g|, or the mean of g² in its place, both negated, of float64 margins.

    Parameters
    ----------
    loss : SigmoidFocalLoss, SoftmaxFocalLoss, SigmoidLoss or SoftmaxLoss
    start : float or tuple of float
        What is added to the margins.
    hessian : {"abs_gradient", "outer_product", "logistic", "exact"}
        The last two are not known here.
    """

    def __init__(self, loss: Loss, start: float | tuple[float, ...], hessian: Hessian) -> None:
        self.loss, self.start, self.hessian = loss, start, hessian
        self.plain = hessian in _PROGRAMS and _is_plain(loss)
        self.kernel, self.values, self.alpha = type(loss.kernel), loss.kernel.values, loss.alpha
        self._loops: dict[Any, Kept | None] = {}

    def __reduce__(self) -> Any:
        """Machine code can't be copied."""
        return Few, (self.loss, self.start, self.hessian)

    # ---- two classes --------------------------------------------------------------------------------------------------------

    def binary(self, margins: Any, labels: Any, weight: Any) -> Any:
        """(samples, 2); None where a margin or a label is not such as are known here."""
        given = (margins, labels) if weight is None else (margins, labels, weight)
        if not (
            self.plain and len(margins) and margins.dtype == _FLOAT64 and all(map(_is_ready, given, repeat(margins.shape)))
        ):
            return None
        key = labels.dtype, None if weight is None else weight.dtype, is_compiled()
        if key not in self._loops:
            self._loops[key] = self._kept(labels, weight)
        loop = self._loops[key]
        if loop is not None:
            found = loop(given)
            # Not NaN: every margin was a number, and every label 0 or 1.
            return None if math.isnan(found.sum()) else found.T
        if not (self.hessian == "abs_gradient" and np.isfinite(margins).all() and ((labels == 0) | (labels == 1)).all()):
            return None
        found = np.empty((2, len(margins)))
        np.negative(self._gradient(labels, margins + self.start, weight), out=found[0])
        np.negative(abs(found[0]), out=found[1])
        return found.T

    def _kept(self, labels: Any, weight: Any) -> Kept | None:
        """The loss's own program as a loop; a wrong label gives NaN. None where there are no compiled loops."""
        plan = Plan(("grad",), "float64", "float64", "hard", looked=False, reduced=False, kernel=self.kernel, carry=True)
        given = [np.zeros(0), labels, *self.values.values(), self.alpha, weight, self.start]
        return kept(partial(_PROGRAMS[self.hessian], plan=plan), given, 2)

    def _gradient(self, labels: Any, logits: Any, weight: Any) -> Any:
        """By NumPy's operations, without carrying errors along that the bound leaves room for."""
        sign = 2 * labels - 1.0
        margin = sigmoid(np, sign * logits, False)._replace(label=labels)
        slope: Any = self.kernel.jet(np, margin, 1, **self.values).slope
        alpha: Any = self.alpha
        if alpha is not None:
            sign = np.where(labels > 0, alpha, alpha - 1)
        return slope * (sign if weight is None else sign * weight)

    # ---- several classes ----------------------------------------------------------------------------------------------------

    def row(self, margins: Any, target: int, weight: float) -> tuple[list[float], list[float]] | None:
        """One row's gradient and what stands for its Hessian's diagonal, not negated.

        None where a margin is not finite, a class is certain to the last bit, or the loss has options that are not known here.
        """
        # Some kernels ask a margin for more than p, u and ℓ.
        known = self.plain and not self.kernel.asks
        logits = [m + s for m, s in zip(margins, self.start, strict=True)] if known else []  # type: ignore[arg-type]
        if not logits or not all(map(math.isfinite, logits)):
            return None
        if self.hessian == "abs_gradient":
            gradient = self.row_gradient(logits, target, weight)
            return gradient, [abs(g) for g in gradient]
        curvature = self.row_outer_product(logits, weight)
        return None if curvature is None else (self.row_gradient(logits, target, weight), curvature)

    def row_gradient(self, logits: list[float], target: int, weight: float) -> list[float]:
        """In Python's own numbers, not negated, within the loss's bound for float64.

        φ' is the kernel's. The link is written anew: `focal_ref.mathematics.softmax` goes along an array's last axis, and its
        reductions alone, of three entries, take three times as long as all that is here. A test holds both together.

        With E = exp(x − max x), the rounding of x − max x made good, and Σ' without the target: p = E_t/Σ, u = Σ'/Σ; the
        gradient is φ' at the target, and −φ' E_j/Σ' elsewhere.
        """
        top, e = _exponentials(logits)
        at = e[target]
        e[target] = 0.0
        others = math.fsum(e)
        if others == 0:
            return [0.0] * len(e)
        total = others + at
        nll = math.log1p(others) if logits[target] == top else (top - logits[target]) + math.log(total)
        margin: Any = at / total, others / total, nll
        slope: Any = self.kernel.jet(_NUMBERS, Margin(*margin), 1, **self.values).slope
        alpha: Any = self.alpha
        if alpha is not None:
            weight = weight * (alpha[target] if isinstance(alpha, tuple) else alpha)
        slope = weight * slope
        found = [-slope * (x / others) for x in e]
        found[target] = slope
        return found

    def row_outer_product(self, logits: list[float], weight: float) -> list[float] | None:
        """(Σw − w) p² + w (1 − p)² with w = α p d² and d = −φ'/u, of logits; None where one is certain to the last bit."""
        top, e = _exponentials(logits)
        shares, w = [], []
        for c, at in enumerate(e):
            e[c] = 0.0
            others = math.fsum(e)
            e[c] = at
            if others == 0:
                return None
            total = others + at
            p, u = at / total, others / total
            nll = math.log1p(others) if logits[c] == top else (top - logits[c]) + math.log(total)
            margin: Any = p, u, nll
            slope: Any = self.kernel.jet(_NUMBERS, Margin(*margin), 1, **self.values).slope
            shares.append((p, u))
            w.append(p * (slope / u) ** 2)
        alpha: Any = self.alpha
        if alpha is not None:
            w = [a * b for a, b in zip(w, alpha if isinstance(alpha, tuple) else repeat(alpha), strict=False)]
        found = []
        for c, (p, u) in enumerate(shares):
            at, w[c] = w[c], 0.0
            found.append(weight * (math.fsum(w) * p * p + at * u * u))
            w[c] = at
        return found


def _exponentials(logits: list[float]) -> tuple[float, list[float]]:
    """The largest logit, and exp(x − max x), the rounding of x − max x made good."""
    top, e = max(logits), []
    for x in logits:
        gap = x - top
        back = gap - x
        e.append(math.exp(gap) * (1 + ((x - (gap - back)) - (top + back))))
    return top, e


def _is_ready(a: Any, shape: tuple[int, ...]) -> bool:
    """Whether a loop takes an array: it is handed an address and a length, and believes them."""
    return a.shape == shape and a.dtype.char in "fd" and a.dtype.isnative and a.flags.c_contiguous and a.flags.aligned


def _with_abs_gradient(xp: Any, margins: Any, labels: Any, *rest: Any, plan: Plan) -> tuple[Any, Any]:
    """−g and −|g|: CatBoost maximises."""
    *values, start = rest
    (gradient,) = sigmoid_program(xp, margins + start, labels, *values, None, None, plan=plan)
    return -gradient, -xp.abs(gradient)


def _with_outer_product(xp: Any, margins: Any, labels: Any, *rest: Any, plan: Plan) -> tuple[Any, Any]:
    """−g and the mean of −g²."""
    *values, alpha, weight, start = rest
    (gradient,) = sigmoid_program(xp, margins + start, labels, *values, alpha, weight, None, None, plan=plan)
    parameters = dict(zip(plan.kernel.parameters, values, strict=True))
    curvature = outer_product_of_margins(xp, margins + start, parameters, alpha, plan)
    return -gradient, -curvature if weight is None else -xp.where(weight == 0, 0.0, curvature * weight)


_PROGRAMS: dict[str, Any] = {"abs_gradient": _with_abs_gradient, "outer_product": _with_outer_product}

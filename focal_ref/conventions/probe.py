"""Probe of a focal loss: a few questions, what it answers, and which convention explains that."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ..libraries import frameworks, origins
from ..libraries.frameworks import Framework
from ..losses import SigmoidFocalLoss, SoftmaxFocalLoss
from ..typing import Floats
from . import soft_targets
from .fit import (
    CLASSES,
    FIXED,
    LABELS,
    LOGITS,
    MEANINGS,
    SAME,
    SCALAR,
    SEQUENCE,
    SOFT_LABELS,
    SOFT_ROWS,
    fit,
    hard_losses,
    same,
)
from .rules import REDUCTIONS

__all__ = ["Model", "Probe", "findings", "framework_of"]

LEFT_OUT, IGNORED = 3, -100
ONE, EACH = 0.3, (0.4, 0.7, 1.9, 0.2)
"""Alphas to try: a number, and one a class."""
AS_IT_IS = "as it is"
OTHER = "another"
REFUSED = "refused"

# ---- calling ----------------------------------------------------------------------------------------------------------------


class Probe(NamedTuple):
    """The function, and how to call it."""

    fn: Callable[..., Any]
    framework: Framework
    dtype: str
    gamma: float
    alpha: float | None
    derivative: Callable[..., Any] | None

    def takes(self, name: str) -> bool:
        """Whether it has such an argument."""
        try:
            parameters = inspect.signature(
                getattr(self.fn, "forward", self.fn)
            ).parameters  # a torch module's call takes anything
        except (TypeError, ValueError):
            return name == "gamma"
        return name in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())

    @property
    def reductions(self) -> tuple[str, ...]:
        """The names to call it with."""
        return REDUCTIONS if self.takes("reduction") else (AS_IT_IS,)

    def __call__(self, logits: Floats, targets: Any, reduction: str, alpha: Any = None) -> Floats:
        """What it gives, in float64."""
        arrays = self.framework.arrays
        with arrays.context(), np.errstate(all="ignore"):
            result = self.raw(logits, targets, reduction, alpha)
            return np.asarray(result if isinstance(result, float) else arrays.to_numpy(result), dtype=np.float64)

    def raw(self, logits: Floats, targets: Any, reduction: str, alpha: Any = None) -> Any:
        """What it gives, as it gives it."""
        x = self.framework.arrays.asarray(logits, self.dtype)
        return self.fn(x, self._targets(targets), **self._options(reduction, alpha))

    def quietly(self, *given: Any) -> Floats | None:
        """The same; None where it is refused."""
        try:
            return self(*given)
        except Exception:  # whatever a function raises at what it does not take
            return None

    def gradient(self, logits: Floats, targets: Any, reduction: str, alpha: Any) -> Floats | None:
        """Of the sum of what it gives; None where nobody can tell."""
        arrays, options = self.framework.arrays, self._options(reduction, alpha)
        differentiate = self.framework.gradient
        with arrays.context():
            x, y = arrays.asarray(logits, self.dtype), self._targets(targets)
            if self.derivative is not None:
                return arrays.to_numpy(self.derivative(x, y, **options))
            try:
                return differentiate and arrays.to_numpy(differentiate(lambda v: self.fn(v, y, **options), x))
            except Exception:  # a function need not be differentiable by its framework
                return None

    def _targets(self, targets: Any) -> Any:
        wide = "int64" if self.framework.arrays.name.startswith(("numpy", "torch")) else "int32"
        return self.framework.arrays.asarray(targets, self.dtype if targets.dtype.kind == "f" else wide)

    def _options(self, reduction: str, alpha: Any) -> dict[str, Any]:
        if isinstance(alpha, tuple):
            alpha = self.framework.arrays.asarray(np.asarray(alpha), self.dtype)
        given = {"gamma": self.gamma, "alpha": alpha, "reduction": reduction, "ignore_index": IGNORED}
        return {name: value for name, value in given.items() if value is not None and self.takes(name)}


# ---- asking -----------------------------------------------------------------------------------------------------------------


class Model(NamedTuple):
    """What explains the results for hard targets."""

    structure: str
    rule: str
    alpha: Any
    targets: Any
    """As the function takes them."""
    divisors: dict[str, str]
    """By reduction: of `DIVISORS`, or "none" where a loss is given for each."""


def findings(probe: Probe, link: str) -> dict[str, Any]:
    """The fields of `focal_ref.conventions.Conventions` that could be found out.

    Raises
    ------
    Exception
        What the function raises where it takes no form of hard targets.
    """
    model = _hard(probe, link)
    if model is None:
        return {}
    fixed, each = model.divisors.get(AS_IT_IS), isinstance(model.alpha, tuple)
    found: dict[str, Any] = {"structure": model.structure, "soft": _soft(probe, model)}
    found["mean"] = model.divisors.get("mean", None if fixed in ("none", "one") else fixed)
    found["sum"] = model.divisors.get("sum", fixed if fixed == "one" else None)
    if probe.takes("alpha"):
        found |= {"alpha": None if each else model.rule, "alphas": model.rule if each else _each(probe, model)}
    if link == "softmax":
        found |= {"ignored": _ignored(probe, model)} | _of_rows(probe, model)
    return found


def framework_of(probe: Probe, link: str) -> Framework:
    """The framework that a function is made of, or whose arrays it gives for a probe's; else one that its module imports."""
    hint = origins.hinted(probe.fn)
    if hint is not None:
        return frameworks.get(hint)
    alphas = (ONE, EACH) if probe.takes("alpha") else (probe.alpha,)
    for alpha, targets in itertools.product(alphas, _forms(link)):
        for reduction in probe.reductions:
            try:
                own = origins.of_result(probe.raw(LOGITS, targets, reduction, alpha))
            except Exception:  # it may take another reduction, form or alpha; or other arrays
                continue
            return probe.framework if own is None else frameworks.get(own)
    return frameworks.get(frameworks.guessed(probe.fn))


def _forms(link: str) -> tuple[Any, Any]:
    """Of hard targets."""
    return (LABELS.astype(np.float64), LABELS) if link == "sigmoid" else (CLASSES, np.eye(4)[CLASSES])


def _hard(probe: Probe, link: str) -> Model | None:
    """What fits in every reduction; None where nothing does."""
    forms = _forms(link)
    structures = ("sigmoid",) if link == "sigmoid" else ("softmax", "one-against-the-rest")
    alphas = (
        ((ONE, SCALAR), (EACH, SEQUENCE))
        if probe.takes("alpha")
        else ((probe.alpha, SCALAR if probe.alpha is None else FIXED),)
    )
    results: list[Floats] = []
    failures: list[Exception] = []
    for (alpha, rules), targets in itertools.product(alphas, forms):
        outcomes: dict[str, Floats] = {}
        for reduction in probe.reductions:
            try:
                outcomes[reduction] = probe(LOGITS, targets, reduction, alpha)
            except Exception as error:  # it may take another reduction, the other form of targets, or of alpha
                failures.append(error)
        results += outcomes.values()
        for structure, rule in [(s, rule) for s in structures for rule in rules[s]] if outcomes else ():
            losses, weights = hard_losses(probe.gamma, structure, rule, alpha)
            fits = {reduction: fit(got, losses, weights) for reduction, got in outcomes.items()}
            if all(fits.values()):
                return Model(structure, rule, alpha, targets, {r: fit for r, fit in fits.items() if fit})
    if not results:
        raise failures[0]
    return None


def _each(probe: Probe, model: Model) -> str:
    """What one alpha a class does, where a number is known to work."""
    reduction = list(model.divisors)[-1]
    got = probe.quietly(LOGITS, model.targets, reduction, EACH)
    if got is None:
        return REFUSED
    for rule in (*SEQUENCE[model.structure], "none"):
        if fit(got, *hard_losses(probe.gamma, model.structure, rule, EACH)) == model.divisors[reduction]:
            return rule
    return OTHER


def _soft(probe: Probe, model: Model) -> str | None:
    """Which formula soft targets follow; not asked of a sigmoid a class, nor where a divisor would hang on them too."""
    reduction = next(iter(model.divisors))
    if model.structure == "one-against-the-rest" or model.divisors[reduction] in ("positives", "weights"):
        return None
    targets = SOFT_LABELS if model.structure == "sigmoid" else SOFT_ROWS
    got = probe.quietly(LOGITS, targets, reduction, model.alpha)
    if got is None:
        return REFUSED
    soft = _soft_labels if model.structure == "sigmoid" else _soft_rows
    for name, losses in soft(probe.gamma, model.rule, model.alpha):
        if fit(got, losses, np.ones(losses.shape)) == model.divisors[reduction]:
            return name
    return OTHER


def _soft_labels(gamma: float, rule: str, alpha: Any) -> Iterator[tuple[str, Floats]]:
    """Every formula, weighed as the rule weighs a share of each label, or the label itself."""
    y, of = SOFT_LABELS, MEANINGS[rule].of
    one, zero = of(np.ones(y.shape), np.asarray(alpha)), of(np.zeros(y.shape), np.asarray(alpha))
    for name, weights in itertools.product(soft_targets.SIGMOID, (one * y + zero * (1 - y), of(y, np.asarray(alpha)))):
        yield name, weights * soft_targets.sigmoid(name, LOGITS, y, gamma)
    positive, negative = (soft_targets.sigmoid("mix", LOGITS, label, gamma) for label in (1.0, 0.0))
    yield "expected", one * y * positive + zero * (1 - y) * negative


def _soft_rows(gamma: float, rule: str, alpha: Any) -> Iterator[tuple[str, Floats]]:
    y, weights = SOFT_ROWS, np.broadcast_to(MEANINGS[rule].of(np.arange(4), np.asarray(alpha)), SOFT_ROWS.shape)
    yield "expected", np.asarray(SoftmaxFocalLoss(gamma=gamma, alpha=weights[0].tolist())(LOGITS, y))
    yield "exp_ce", (y * weights).sum(-1) * soft_targets.softmax("exp_ce", LOGITS, y, gamma)


def _ignored(probe: Probe, model: Model) -> str | None:
    """Whether rows that are left out count for the mean."""
    targets = CLASSES.copy()
    targets[LEFT_OUT] = IGNORED
    reduction = "mean" if "mean" in model.divisors else AS_IT_IS
    if model.targets is not CLASSES or model.divisors.get(reduction) not in ("losses", "entries"):
        return None
    got = probe.quietly(LOGITS, targets, reduction, model.alpha)
    if got is None:
        return REFUSED
    losses, weights = hard_losses(probe.gamma, model.structure, model.rule, model.alpha)
    kept, explained = np.delete(losses, LEFT_OUT, axis=0), {"count": np.zeros(losses.shape[1:])}
    if model.structure == "one-against-the-rest":
        negative = MEANINGS[model.rule].of(np.zeros(4), np.asarray(model.alpha)) if model.alpha is not None else 1.0
        explained["negative"] = negative * np.asarray(SigmoidFocalLoss(gamma=probe.gamma)(LOGITS[LEFT_OUT], 0.0))
    for words, instead in explained.items():
        if fit(got, np.insert(kept, LEFT_OUT, instead, axis=0), weights) == model.divisors[reduction]:
            return words
    if fit(got, kept, np.delete(weights, LEFT_OUT, axis=0)) == model.divisors[reduction]:
        return "not count"
    return OTHER


def _of_rows(probe: Probe, model: Model) -> dict[str, bool | None]:
    """What a constant added to a row changes."""
    reduction = next(iter(model.divisors))
    base, moved = (probe(LOGITS + shift, model.targets, reduction, model.alpha) for shift in (0.0, 1.5))
    gradient = probe.gradient(LOGITS, model.targets, reduction, model.alpha)
    zero = None
    if gradient is not None:
        zero = bool(np.all(np.abs(gradient.sum(-1)) <= SAME * np.abs(gradient).sum(-1)))
    return {"shift_invariant": same(base, moved), "gradient_sums_to_zero": zero}

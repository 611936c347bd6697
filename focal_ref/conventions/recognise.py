"""Recognition of the conventions that a focal loss follows: the function `recognise`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any, get_args

from ..libraries import frameworks
from ..libraries.frameworks import Framework
from ..losses import arguments
from ..typing import Link
from . import profiles, soft_targets
from .fit import DIVISORS, MEANINGS, STRUCTURES
from .probe import REFUSED, Probe, findings, framework_of

__all__ = ["Conventions", "recognise"]

IGNORING = {
    "count": "count for the mean",
    "not count": "do not count for the mean",
    "negative": "are not left out: they count as negatives of every class",
}
SHOWN = 5
"""How many profiles are named for one convention."""


@dataclasses.dataclass(frozen=True)
class Conventions:
    """What a focal loss was found to follow. None: not asked, or not found out."""

    link: str
    structure: str | None = None
    """Of `focal_ref.conventions.fit.STRUCTURES`; None: on hard targets it is no focal loss, and nothing else can be told."""
    alpha: str | None = None
    """Of `focal_ref.conventions.fit.MEANINGS`: what a number means; None: it is no argument."""
    alphas: str | None = None
    """Of `focal_ref.conventions.fit.MEANINGS`: what one alpha a class means; or "refused", "another"."""
    mean: str | None = None
    """Of `focal_ref.conventions.fit.DIVISORS`; or "another"."""
    sum: str | None = None
    ignored: str | None = None
    """Whether rows that are left out (class -100) "count" for the mean, do "not count", or are "negative" for every class; or
    "refused", "another"."""
    soft: str | None = None
    """Of `focal_ref.formulas`; or "refused", "another"."""
    shift_invariant: bool | None = None
    """Whether a constant added to a row changes nothing."""
    gradient_sums_to_zero: bool | None = None
    """Over each row."""
    like: tuple[str, ...] = ()
    """The profiles that agree in all of that."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        return dataclasses.asdict(self) | {"like": list(self.like)}

    def __str__(self) -> str:
        return "\n".join(f"{what}: {words}" for what, words in self._words() if words)

    def _words(self) -> Iterator[tuple[str, str | None]]:
        if self.structure is None:
            yield "hard targets", "no focal loss of a known kind at this gamma and alpha, so nothing else can be told"
            return
        meanings = {name: rule.text for name, rule in MEANINGS.items()}
        soft = soft_targets.SOFTMAX if self.structure == "softmax" else soft_targets.SIGMOID
        mean = self._as("mean", self.mean, DIVISORS)
        yield "multi-class" if self.link == "softmax" else "losses", STRUCTURES[self.structure]
        yield "alpha", self._as("scalar", self.alpha, meanings)
        yield "one alpha a class", self._as("sequence", self.alphas, meanings)
        yield "mean", mean and f"divides by {mean}"
        yield "sum", self.sum and ("is a plain one" if self.sum == "one" else f"divides by {DIVISORS.get(self.sum, self.sum)}")
        yield "left-out rows", self.ignored and IGNORING.get(self.ignored, self.ignored)
        yield "soft targets", self._as("soft", self.soft, {name: formula.text for name, formula in soft.items()})
        yield "a constant added to a row", _either(self.shift_invariant, "changes nothing", "changes the loss")
        yield "the gradient's rows", _either(self.gradient_sums_to_zero, "sum to zero", "do not sum to zero")
        yield "all of that as", ", ".join(self.like)

    def _as(self, field: str, found: str | None, texts: Mapping[str, str]) -> str | None:
        """A convention in words, and who else has it."""
        same = [p.name for p in profiles.PROFILES if _kind(self, p) and getattr(p, field) == found]
        who = ", ".join(same[:SHOWN]) + (f" and {len(same) - SHOWN} more" if len(same) > SHOWN else "")
        return found and texts.get(found, found) + (f", as {who}" if who else "")


def _either(found: bool | None, yes: str, no: str) -> str | None:
    return found if found is None else yes if found else no


def _kind(found: Conventions, profile: profiles.Profile) -> bool:
    """Whether a profile makes probabilities in the same way."""
    if found.structure == "one-against-the-rest":
        return profile.one_hot
    return profile.link == found.structure


def recognise(
    fn: Callable[..., Any],
    *,
    link: str = "sigmoid",
    framework: str | Framework | None = None,
    gamma: float = 2.0,
    alpha: float | None = None,
    derivative: Callable[..., Any] | None = None,
    dtype: str = "float32",
) -> Conventions:
    """Find out which conventions a focal loss follows.

    Parameters
    ----------
    fn : callable
        ``fn(logits, targets)``; with ``gamma=``, ``alpha=``, ``reduction=``, ``ignore_index=`` where it has such arguments.
    link : {"sigmoid", "softmax"}
        "sigmoid": called with labels of the logits' shape. "softmax": with classes, one a row, or one-hot rows.
    framework : str or focal_ref.frameworks.Framework, optional
        Whose arrays it takes, a name of `focal_ref.backends.NAMES`. None: what it is made of, as `check` finds it.
    gamma : float
        To call it with; or, where it does not take one, what it has.
    alpha : float, optional
        What it has, where it does not take one; None: its attribute of that name, or none.
    derivative : callable, optional
        Called alike, gives the gradient; None: the framework's own differentiation, where it has one.
    dtype : str
        Of the logits, float32 or float64.

    Returns
    -------
    Conventions
        What was found; what could not be told is None.

    Raises
    ------
    ValueError, TypeError
        Where an argument is not one of these; whatever `fn` raises when called with hard targets.

    Examples
    --------
    >>> from focal_ref import profiles
    >>> found = recognise(profiles.get("segmentation-models"))
    >>> found.soft, found.sum, found.like
    ('exp_ce', 'one', ('segmentation-models',))
    """
    arguments.choice("link", link, get_args(Link))
    arguments.choice("dtype", dtype, ("float32", "float64"))
    probe = Probe(fn, frameworks.get("numpy" if framework is None else framework), dtype, gamma, alpha, derivative)
    own = getattr(fn, "alpha", None)
    if alpha is None and isinstance(own, (int, float)) and not probe.takes("alpha"):
        probe = probe._replace(alpha=float(own))
    if framework is None:
        probe = probe._replace(framework=framework_of(probe, link))
    found = Conventions(link, **findings(probe, link))
    return dataclasses.replace(found, like=tuple(dict.fromkeys(p.name for p in profiles.PROFILES if _alike(found, p))))


def _alike(found: Conventions, profile: profiles.Profile) -> bool:
    """Whether all that was found is the profile's. Rows have no places, and a sigmoid alone no classes."""
    of_sum = profile.mean if profile.sum == "places" else "one" if found.structure == "sigmoid" else profile.sum
    pairs = (
        (found.alpha, profile.scalar),
        (found.alphas, profile.sequence or REFUSED),
        (found.mean, profile.mean),
        (found.sum, of_sum),
        (found.soft, profile.soft or REFUSED),
    )
    return _kind(found, profile) and all(a in (None, b) for a, b in pairs)

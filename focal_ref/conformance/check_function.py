"""Check of anybody's focal loss against the exact one: the function `check`."""

from __future__ import annotations

import dataclasses
import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

from ..libraries.frameworks import Framework
from ..losses import arguments
from ..losses.keywords import unknown
from . import grids
from .candidate import Alpha, Subject
from .contract import GAMMAS
from .course import examined
from .entry import Way
from .member import gammas_of, member, named
from .plan import Plan
from .report import Verdict
from .wanted import OPTIONS

__all__ = ["check"]

FOCAL_ONLY = ("alpha_inside", "clips", "label_smoothing", "soft_targets")
"""Options that are not of other members of the family."""
HOW = {"arguments", "reduction", "inputs", "targets", "channels_first", "order", "flushes", "compiles", *OPTIONS}
"""How a function is called."""


def check(
    fn: Callable[..., Any],
    *,
    link: str | None = None,
    framework: str | Framework | None = None,
    dtypes: Sequence[str] | None = None,
    gammas: Sequence[float] = GAMMAS,
    derivative: Callable[..., Any] | Literal["auto"] | None = "auto",
    alpha: Alpha = None,
    kernel: Any = None,
    like: Any = None,
    tolerance: float | Literal["exact"] | None = None,
    classes: Sequence[int] = grids.CLASSES,
    largest: float = math.inf,
    seed: int = 0,
    progress: Callable[[int, int, str], None] | None = None,
    **how: Any,
) -> Verdict:
    """Find what is wrong with a focal loss.

    Parameters
    ----------
    fn : callable
        ``fn(logits, targets, gamma=γ)`` gives the losses, unreduced, in the framework's arrays: for sigmoid of logits of shape
        (n,) and targets of the same type and shape, for softmax of logits of shape (n, classes) and n integers.
    link : {"sigmoid", "softmax"}, optional
        None: sigmoid, or the only one that `like` has; softmax where the function takes rows of logits and no single ones, or
        is focal loss only of those, which `called` then says.
    framework : str or Framework, optional
        None: what the function is made of, or takes when it is tried. One of `focal_ref.backends.NAMES` ("numpy", "torch",
        "jax", "cupy", …), or what `focal_ref.frameworks` describes.
    dtypes : sequence of str, optional
        None: float32 and float64, as far as the framework has them.
    gammas : sequence of float
        For a function that takes none, the one that it has.
    derivative : "auto", callable or None
        "auto" has the framework differentiate, twice where it can. A callable takes what `fn` takes and gives each loss's own
        gradient in the logits' shape, or gradient and Hessian diagonal. None: values only.
    alpha : float or sequence of float, optional
        Given to the function as ``alpha=``. For sigmoid the weight of positives (negatives 1 − α), for softmax a factor or one
        weight a class.
    kernel : focal_ref.family.Kernel, optional
        The member of the family that the function is meant to be, such as ``Poly1(epsilon=0.5)``; of its parameters, γ is
        the one measured. None: that of a `SigmoidLoss` or `SoftmaxLoss`, else focal loss.
    like : str or focal_ref.profiles.Profile, optional
        The library whose convention is meant, the whole of it: α, its default where none is given, soft targets, what a mean
        or sum is divided by, targets that are left out, a clip. What is said besides goes before it.
    tolerance : float or "exact", optional
        The largest error allowed, in ULP. "exact": a + b γ, which `focal_ref` itself keeps in native precision (value and
        gradient 4 + 2γ for sigmoid and 6 + 2γ for softmax, Hessian 6 + 2.5γ and 8 + 3γ). None: twice that, for careful code.
    classes : sequence of int
        Of softmax: how many; one alpha a class leaves only that many.
    largest : float
        Logits of larger magnitude are not among the cases, nor, where it is finite, are infinite and NaN ones.
    seed : int
        Of the random cases.
    progress : callable, optional
        Called with the steps done, all steps, and what comes next.
    **how
        What each loss is meant to be besides: ``alpha_inside`` (α that weighs the cross entropy before p_t is taken from it),
        ``clips`` (ε of [ε, 1 − ε], to which p is clipped), ``label_smoothing``, ``soft_targets`` ("mix", "expected", …: what a
        soft target means), ``ignore_index`` (a target without a loss), ``weight`` ("each": ``weight=`` takes one for each
        loss; or one number a class), ``normalizer`` ("positives", "entries", "weights", … or a number: what a sum is divided
        by). How it is called, where that is not to be found out: ``arguments`` ("logits, targets, gamma=gamma": order and
        names), ``reduction`` ("none", "mean", "sum"), ``inputs`` ("logits", "probabilities"), ``targets`` ("index", "float",
        "one-hot", "signs"), ``channels_first``, ``order`` (1: no second derivatives), ``flushes`` (subnormals may be 0),
        ``compiles`` (torch's compiler is tried, which takes seconds).

    Returns
    -------
    Verdict
        `passed`, `rows` of figures, `findings` with their causes; `str()`, `to_dict()`, `to_markdown()`, `plot(path)`.

    Raises
    ------
    ValueError, TypeError
        Where an argument is not as described; the message names it.
    focal_ref.backends.Unavailable
        Where the framework cannot be used here.

    Examples
    --------
    >>> import numpy as np
    >>> def textbook(logits, targets, gamma):
    ...     p = 1 / (1 + np.exp(-logits))
    ...     p_t = np.where(targets == 1, p, 1 - p)
    ...     return -((1 - p_t) ** gamma) * np.log(p_t)
    >>> verdict = check(textbook, gammas=[2.0], dtypes=["float64"], largest=100.0)
    >>> verdict.passed
    False
    >>> print(*verdict.causes, sep="\\n")
    log(1 − p) of a p that was rounded to 1
    1 − p rounded to 0: use the complement
    """
    if not callable(fn):
        raise TypeError(f"fn: got {arguments.describe(fn)}; expected a callable")
    kernel = member(fn, kernel)
    if others := sorted(how.keys() - HOW):
        raise unknown("check", others[0], [*inspect.signature(check).parameters][:-1] + sorted(HOW))
    flushes, compiles = how.pop("flushes", False), how.pop("compiles", False)
    options = {name: how.pop(name) for name in OPTIONS if name in how}
    if kernel is not None:
        if others := [name for name in FOCAL_ONLY if options.get(name) not in (None, "expected")]:
            raise ValueError(f"{others[0]}: got it with kernel=; expected one of the two: it is a variant of focal loss")
        how["kernel"] = kernel
    usual = gammas is GAMMAS
    powers = arguments.gammas(gammas if kernel is None else gammas_of(kernel, gammas))
    way = Way(
        fn, alpha, like, tuple(classes), framework, derivative, min(powers or (2.0,), key=lambda g: abs(g - 2.0)), how, options
    )
    link, due, called, sizes = way.found(link)
    fn, chosen, how = called.fn, called.framework, {name: value for name, value in called.how.items() if name != "alpha"}
    if flushes:
        chosen = chosen._replace(arrays=chosen.arrays._replace(flushes=chosen.arrays.dtypes))
    subject = Subject(fn, link, chosen, called.derivative, alpha=alpha, normalizer=due.normalizer, **how)
    for dtype in dtypes or ():
        arguments.choice("dtypes", dtype, chosen.arrays.dtypes)
    types = dtypes or [dtype for dtype in ("float32", "float64") if dtype in chosen.arrays.dtypes]
    powers = (called.gamma,) if called.gamma is not None and usual else powers
    if not subject.takes_gamma and len(powers) != 1:
        raise ValueError(f"gammas: got {len(powers)} of them; expected the one of a function that takes none")
    if tolerance not in (None, "exact"):
        arguments.number("tolerance", tolerance, 0.5, math.inf, "a number of ULP, 0.5 or more")
    plan = Plan(
        subject, tuple(types), powers, due.with_own(called.factor), tolerance, sizes, largest, seed, due.variants, compiles
    )
    verdict = examined(plan, progress or (lambda done, steps, text: None))
    return dataclasses.replace(verdict, called=called.called, meant=named(kernel))

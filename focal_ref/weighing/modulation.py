"""Modulation as data: what a prediction says of γ, weight or divisor without being differentiated, and schedules.

All of it is constant: no gradient flows through what is returned.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

from ..calibration import gamma_for
from ..engine import arrays, layout, numpy_blocks, precision, run
from ..family.asymmetric import Asymmetric
from ..losses import arguments
from ..mathematics.sigmoid import sigmoid
from ..mathematics.softmax import softmax
from ..typing import Array, Namespace

__all__ = ["asymmetric_weight", "cyclical_share", "normalized", "reduced_like_smp", "sample_gamma"]


def _sides(xp: Namespace, x: Array, y: Any, *, compute: str) -> tuple[Array, Array]:
    """p and u of the true class, of a logit."""
    x, y = (xp.astype(a, getattr(xp, compute), copy=False) if arrays.is_array(a) else a for a in (x, y))
    margin = sigmoid(xp, (2 * y - 1) * x, False)
    return margin.p, margin.u


def _rows(xp: Namespace, x: Array, index: Array, *, compute: str) -> tuple[Array, Array]:
    """p and u of the true class, of a row."""
    x = xp.astype(x, getattr(xp, compute), copy=False)
    classes = xp.arange(x.shape[-1], device=arrays.device_of(x))
    target = classes == xp.astype(index, classes.dtype, copy=False)[..., None]
    margin = softmax(xp, x, target, False).margin
    return margin.p, margin.u


def _true_class(logits: Any, targets: Any, axis: int | None) -> tuple[Namespace, Any, Any]:
    """The namespace, and p and u of the true class: one an element, or one a row; in the next wider type."""
    facts = arguments.logits(logits, axis)
    if axis is None:
        targets, _ = arguments.sigmoid_targets(targets, facts)
    elif not arguments.softmax_targets(targets, facts, axis, None):
        arguments.refuse(TypeError, "targets", arguments.describe(targets), "integer classes: a row has one true class")
    compute = precision.compute_type(facts, "extended")
    made, kind = (_sides, numpy_blocks.ROW) if axis is None else (_rows, numpy_blocks.CLASSES)
    kinds = (kind, numpy_blocks.ROW)
    outputs = [(numpy_blocks.ROW, getattr(facts.xp, compute))] * 2
    x, y = arrays.constant(layout.classes_last(facts.xp, logits, axis, logits.ndim)), targets
    p, u = run.run(partial(made, compute=compute), [x, y], kinds, outputs)
    return facts.xp, p, u


def normalized(logits: Array, targets: Any, gamma: float = 2.0, *, axis: int | None = None) -> Any:
    """Normalized focal loss's divisor, Σ (1 − p_t)^γ (Sofiiuk et al., ICCV 2019, arXiv 1909.07829, eq. 6), a constant.

    Dividing by it keeps the gradients' sum where focusing would shrink it. The authors' later code cuts it from the graph, as
    here; segmentation-models and pytorch-toolbelt differentiate it.

    Parameters
    ----------
    logits, targets : array
        As the loss takes them, the targets 0 and 1; with `axis`, classes of rows.
    gamma : float
        The loss's.
    axis : int, optional
        Where the classes lie; None: sigmoid.

    Returns
    -------
    0-d array
        For ``normalizer=``, with ``reduction="sum"``; 1 where the sum is 0.

    Examples
    --------
    >>> import numpy as np
    >>> float(normalized(np.asarray([0.0, 0.0]), np.asarray([1, 0])))
    0.5
    """
    xp, _, u = _true_class(logits, targets, axis)
    total = xp.sum(u**gamma)
    return xp.where(total == 0, 1 + total, total)


def sample_gamma(
    logits: Array, targets: Any, *, axis: int | None = None, method: Literal["flsd53", "lambert"] = "flsd53"
) -> Any:
    """A γ for each sample by the probability of its true class (Mukhoti et al., NeurIPS 2020, arXiv 2002.09437), a constant.

    It is `focal_ref.gamma_for` of p_t: by "flsd53" 5 below 0.2, else 3; by "lambert" the γ with cross entropy's gradient, which
    is 0 from ½ on, and infinite where p_t is 0.

    Parameters
    ----------
    logits, targets, axis
        As for `normalized`.
    method : {"flsd53", "lambert"}

    Returns
    -------
    array
        For ``gamma=``.

    Examples
    --------
    >>> import numpy as np
    >>> sample_gamma(np.asarray([-3.0, 2.0]), np.asarray([1, 1]))
    array([5., 3.])
    """
    _, p, _ = _true_class(logits, targets, axis)
    return gamma_for(p, method)


def asymmetric_weight(
    logits: Array, targets: Any, gamma_positive: float = 1.0, gamma_negative: float = 4.0, shift: float = 0.05
) -> Any:
    """The weights of asymmetric loss as constants: timm's and the authors' default, whose gradient leaves them out.

    The loss is ``SigmoidLoss(Asymmetric(0, 0, shift))`` with this weight.

    Parameters
    ----------
    logits, targets : array
        As `SigmoidLoss` takes them, the targets 0 and 1.
    gamma_positive, gamma_negative, shift : float
        As for `focal_ref.family.Asymmetric`.

    Returns
    -------
    array
        u^γ₊ of positives, max(u − m, 0)^γ₋ of negatives.

    Examples
    --------
    >>> import numpy as np
    >>> asymmetric_weight(np.asarray([0.0, 0.0, -4.0]), np.asarray([1, 0, 0])).round(6)
    array([0.5     , 0.041006, 0.      ])
    """
    known = Asymmetric.parameters
    for name, value in (("gamma_positive", gamma_positive), ("gamma_negative", gamma_negative), ("shift", shift)):
        arguments.number(name, value, known[name].low, known[name].high, known[name].accepted)
    xp, _, u = _true_class(logits, targets, None)
    if not arrays.is_array(targets):
        targets = xp.asarray(targets, device=arrays.device_of(u))
    shifted = u - shift
    clipped = shifted <= 0
    of_negatives = xp.where(clipped, 0 * u, xp.where(clipped, 1 + 0 * u, shifted) ** gamma_negative)
    return xp.where(targets == 1, u**gamma_positive, of_negatives)


def reduced_like_smp(
    logits: Array, targets: Any, gamma: float = 2.0, threshold: float = 0.5, *, axis: int | None = None
) -> Any:
    """The weight that makes segmentation-models' reduced focal loss of `focal_ref.family.Reduced`: it divides by θ, not 1 − θ.

    Parameters
    ----------
    logits, targets, axis
        As for `normalized`.
    gamma, threshold : float
        The loss's; the threshold above 0.

    Returns
    -------
    array
        ((1 − θ)/θ)^γ where p_t ≥ θ, else 1. Theirs has a jump there unless θ is ½.

    Examples
    --------
    >>> import numpy as np
    >>> reduced_like_smp(np.asarray([2.0, -2.0]), np.asarray([1, 1]), threshold=0.25)
    array([9., 1.])
    """
    threshold = arguments.number("threshold", threshold, 1e-300, 0.99, "a number above 0, up to 0.99")
    xp, p, _ = _true_class(logits, targets, axis)
    return xp.where(p >= threshold, 0 * p + ((1 - threshold) / threshold) ** gamma, 1 + 0 * p)


def cyclical_share(epoch: float, epochs: float, factor: float = 4.0) -> float:
    """Cyclical focal loss's schedule (Smith 2022, arXiv 2202.08978): the share ξ that the confident examples' loss has.

    The loss is ξ Inverse(γ_hc) + (1 − ξ) Focal(γ_lc): ξ falls from 1 to 0 over the first 1/factor of the epochs, then rises
    again to 1.

    Parameters
    ----------
    epoch, epochs : float
        Now, and in all.
    factor : float
        f above 1.

    Returns
    -------
    float
        ξ in [0, 1].

    Examples
    --------
    >>> [cyclical_share(epoch, 8, factor=2.0) for epoch in (0, 2, 4, 6, 8)]
    [1.0, 0.5, 0.0, 0.5, 1.0]
    """
    epochs = arguments.number("epochs", epochs, 1e-300, arguments.LARGEST, "a number above 0")
    epoch = arguments.number("epoch", epoch, 0.0, epochs, f"a number in [0, {epochs:g}]")
    factor = arguments.number("factor", factor, 1.0 + 2.0**-52, arguments.LARGEST, "a number above 1")
    along = factor * epoch / epochs
    return 1 - along if along <= 1 else (along - 1) / (factor - 1)

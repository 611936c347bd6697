"""Detection's losses as data: what varifocal, Gaussian, equalized and distribution focal loss are of plain focal loss.

>>> import numpy as np
>>> import focal_ref as fr
>>> quality = fr.family.varifocal(np.asarray([0.75, 0.0]))
>>> fr.SigmoidFocalLoss(gamma=quality.gamma)(np.asarray([1.0, 1.0]), quality.targets, quality.weight).round(6)
array([0.422446, 0.526401])
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from ..engine import arrays
from ..losses import arguments
from ..typing import Array

__all__ = [
    "GradientSums",
    "Weighed",
    "distribution_rows",
    "equalized",
    "gaussian",
    "one_against_rest",
    "running_normalizer",
    "varifocal",
]


class Weighed(NamedTuple):
    """What focal loss is given: targets, γ and weight, each an array or a number that broadcasts against the losses."""

    targets: Any
    gamma: Any
    weight: Any


def _checked(name: str, x: Any, low: float, high: float, accepted: str) -> Any:
    """The namespace of a floating-point array, whose entries are in a range as far as they may be looked at."""
    if not arrays.is_array(x) or arrays.dtype_name(x) not in arrays.FLOATS:
        arguments.refuse(TypeError, name, arguments.describe(x), accepted)
    seen = arrays.values(x)
    if seen is not None:
        arguments.refuse_where(name, x, seen, (seen < low) | (seen > high), accepted)
    return arrays.namespace_of(x)


def varifocal(quality: Array, *, gamma: float = 2.0, alpha: float = 0.75, iou_weighted: bool = True) -> Weighed:
    """Varifocal loss (Zhang et al., CVPR 2021, arXiv 2008.13367, eq. 2): only negatives are weighed down.

    A positive has q BCE(x, q), a negative α p^γ (−log(1 − p)).

    Parameters
    ----------
    quality : array
        q: what a positive's score should be, such as its IoU; 0 for negatives.
    gamma : float
        Focusing of the negatives.
    alpha : float
        The negatives' weight.
    iou_weighted : bool
        Whether positives are weighed by q.

    Returns
    -------
    Weighed
        For `SigmoidFocalLoss`, whose soft targets are "mix" or any other: of a positive, γ is 0.

    Raises
    ------
    TypeError, ValueError
        Where `quality` is no floating-point array in [0, 1].
    """
    accepted = "a floating-point array in [0, 1], 0 where there is no object"
    xp = _checked("quality", quality, 0.0, 1.0, accepted)
    positive, nothing = quality > 0, 0 * quality
    weight = xp.where(positive, quality if iou_weighted else nothing + 1.0, nothing + alpha)
    return Weighed(quality, xp.where(positive, nothing, nothing + gamma), weight)


def gaussian(heat: Array, *, gamma: float = 2.0, beta: float = 4.0) -> Weighed:
    """Gaussian focal loss of a heat map (CornerNet, Law and Deng, ECCV 2018, arXiv 1808.01244, eq. 1; CenterNet).

    Where the map is 1, (1 − p)^γ (−log p); elsewhere (1 − y)^β p^γ (−log(1 − p)). mmdetection calls γ alpha, and β gamma.

    Parameters
    ----------
    heat : array
        y in [0, 1]: 1 at the objects' centres, falling off around them.
    gamma : float
        Focusing.
    beta : float
        How much less those count that are near a centre.

    Returns
    -------
    Weighed
        For `SigmoidFocalLoss`; its targets are 1 and 0.

    Raises
    ------
    TypeError, ValueError
        Where `heat` is no floating-point array in [0, 1].
    """
    accepted = "a floating-point array in [0, 1], 1 at the centres"
    xp = _checked("heat", heat, 0.0, 1.0, accepted)
    centre = heat == 1
    return Weighed(xp.astype(centre, heat.dtype), float(gamma), xp.where(centre, 1 + 0 * heat, (1 - heat) ** beta))


class GradientSums(NamedTuple):
    """Sums of gradients' magnitudes so far, one a class: what equalized focal loss balances the classes by."""

    positive: Any = 0.0
    negative: Any = 0.0

    def added(self, grad: Array, targets: Array) -> GradientSums:
        """With a batch's: the gradient by logits (N, …, C), and its targets, the last axis being the classes."""
        xp = arrays.namespace_of(grad)
        y = xp.astype(targets, grad.dtype, copy=False)
        size, axes = xp.abs(grad), tuple(range(grad.ndim - 1))
        return GradientSums(self.positive + xp.sum(size * y, axis=axes), self.negative + xp.sum(size * (1 - y), axis=axes))

    @property
    def ratio(self) -> Any:
        """g, one a class: positives' over negatives', at most 1; 1 where there are none."""
        if not arrays.is_array(self.negative):
            return 1.0
        xp = arrays.namespace_of(self.negative)
        more = self.positive >= self.negative
        return xp.where(more, 1.0, self.positive / xp.where(more, 1.0, self.negative))


def equalized(ratio: Any, *, base: float = 2.0, scale: float = 8.0) -> Weighed:
    """Equalized focal loss (Li et al., CVPR 2022, arXiv 2201.02593, eq. 5): rarer classes have more γ, and more weight.

    γ_c = base + scale (1 − g_c), weight γ_c/base; the authors' code caps nothing else.

    Parameters
    ----------
    ratio : array
        g, one a class (`GradientSums.ratio`), in [0, 1].
    base, scale : float
        γ of a class in balance, and how much it rises.

    Returns
    -------
    Weighed
        γ and weight, for logits (…, C); the targets stay the caller's.

    Raises
    ------
    ValueError
        Where `base` is not above 0.
    """
    base = arguments.number("base", base, math.ulp(0.0), math.inf, "a finite number above 0")
    gamma = base + scale * (1 - ratio)
    return Weighed(None, gamma, gamma / base)


def one_against_rest(classes: Array, count: int, *, background: int | None = None, ignore_index: int | None = None) -> Weighed:
    """Each class against all others, from class numbers, with a background that is none of them (mmdetection's habit).

    Parameters
    ----------
    classes : array
        Integers of any shape.
    count : int
        C, how many classes there are, the background not among them.
    background : int, optional
        Whose rows have only zeros; None: C, as in mmdetection; apex has −1.
    ignore_index : int, optional
        Whose rows weigh 0; apex has −2.

    Returns
    -------
    Weighed
        Targets of bool, with C behind the shape of `classes`; and a weight that broadcasts against them.

    Raises
    ------
    TypeError, ValueError
        Where the classes are no integers, or out of range where values may be looked at.
    """
    background = count if background is None else background
    kept = [f"{name}={n}" for name, n in (("background", background), ("ignore_index", ignore_index)) if n is not None]
    accepted = f"integers in [0, {count}), or {', '.join(kept)}"
    if not arrays.is_array(classes) or arrays.dtype_name(classes) not in arguments.INTEGERS:
        arguments.refuse(TypeError, "classes", arguments.describe(classes), accepted)
    seen = arrays.values(classes)
    if seen is not None:
        inside = ((seen >= 0) & (seen < count)) | (seen == background)
        wrong = ~inside if ignore_index is None else ~(inside | (seen == ignore_index))
        arguments.refuse_where("classes", classes, seen, wrong, accepted)
    xp, index = arrays.namespace_of(classes), arrays.as_index(classes)
    targets = (index[..., None] == xp.arange(count, device=arrays.device_of(classes))) & (index != background)[..., None]
    if ignore_index is None:
        return Weighed(targets, None, None)
    kept_rows = index != ignore_index
    return Weighed(targets & kept_rows[..., None], None, xp.astype(kept_rows, xp.float32)[..., None])


def distribution_rows(values: Array, bins: int) -> Any:
    """Distribution focal loss's targets (Li et al. 2020, arXiv 2006.04388, eq. 6): a number, shared by the two bins beside it.

    Of y between the bins i and i + 1, i has i + 1 − y and i + 1 has y − i. Cross entropy of such rows, `SoftmaxFocalLoss` with
    γ = 0, is the loss, of the last bin, too; mmdetection and ultralytics look one bin too far there.

    Parameters
    ----------
    values : array
        Of a floating-point type, in [0, bins − 1].
    bins : int
        How many there are.

    Returns
    -------
    array
        Rows of probabilities, `bins` behind the shape of `values`.

    Raises
    ------
    TypeError, ValueError
        Where `values` are no floating-point array, or out of range where they may be looked at.
    """
    accepted = f"a floating-point array in [0, {bins - 1}]"
    xp = _checked("values", values, 0.0, bins - 1.0, accepted)
    places = xp.astype(xp.arange(bins, device=arrays.device_of(values)), values.dtype)
    distance = xp.abs(values[..., None] - places)
    return xp.where(distance < 1, 1 - distance, 0 * distance)


def running_normalizer(previous: Any, positives: Any, momentum: float = 0.9) -> Any:
    """A running mean of the number of positives, at least 1 a batch, to divide a sum by (detectron2's RetinaNet).

    Parameters
    ----------
    previous : float or 0-d array
        What the last call returned; detectron2 starts with 100.
    positives : float or 0-d array
        How many there are in this batch; over several processes, their mean.
    momentum : float
        In [0, 1): how much of `previous` stays.

    Returns
    -------
    float or 0-d array
        For ``normalizer=``, with ``reduction="sum"``.

    Examples
    --------
    >>> running_normalizer(100.0, 20)
    92.0
    """
    momentum = arguments.number("momentum", momentum, 0.0, 1.0, "a number in [0, 1)")
    least = positives
    if arrays.is_array(positives):
        xp = arrays.namespace_of(positives)
        least = xp.where(positives < 1, 1 + 0 * positives, positives)
    elif positives < 1:
        least = 1
    return momentum * previous + (1 - momentum) * least

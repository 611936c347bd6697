"""What is known of failures that no cause explains: which γ, types, classes, targets, ties and logits they are at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ...typing import Floats, Mask
from ..place import Place
from ..results import Evidence

__all__ = ["describe", "tied"]


def describe(evidences: Sequence[Evidence], masks: Sequence[Mask]) -> str:
    """Where results are wrong, and everything else of that kind is right; "" where nothing sets them apart."""
    return "; ".join(_parts(evidences, masks))


def _parts(evidences: Sequence[Evidence], masks: Sequence[Mask]) -> Iterator[str]:
    gammas = [e.on.gamma for e in evidences]
    dtypes = [e.on.dtype for e in evidences]
    hit = [bool(mask.any()) for mask in masks]
    for name, labels in (("γ =", [f"{g:g}" for g in gammas]), ("in", dtypes)):
        bad = {label for label, is_hit in zip(labels, hit, strict=True) if is_hit}
        if bad < set(labels):
            yield f"only {'at ' if name != 'in' else ''}{name} {', '.join(sorted(bad))}"
    for name, of in (("target", _target), ("number of classes", _classes)):
        values = [e.each(of) for e in evidences]
        bad_values = _of(values, masks)
        if bad_values.size and bad_values.size < np.unique(np.concatenate(values)).size and bad_values.size <= 3:
            yield f"only {name} {', '.join(f'{int(v)}' for v in bad_values)}"
    ties = [e.each(tied).astype(bool) for e in evidences]
    if all((tie | ~mask).all() for tie, mask in zip(ties, masks, strict=True)):
        yield "only at ties (x = 0, or equal logits)"
        return
    margins = np.concatenate([e.margin[mask] for e, mask in zip(evidences, masks, strict=True)])
    margins = margins[np.isfinite(margins)]
    if margins.size:
        yield f"where the true class leads by {margins.min():.3g} to {margins.max():.3g}"


def _of(values: Sequence[Floats], masks: Sequence[Mask]) -> Floats:
    return np.unique(np.concatenate([v[mask] for v, mask in zip(values, masks, strict=True)]))


def _target(place: Place) -> Floats:
    return place.spread(place.grid.targets.astype(np.float64))


def _classes(place: Place) -> Floats:
    return np.full(place.shape, float(place.grid.logits.shape[1] if place.rows else 2))


def tied(place: Place) -> Floats:
    """1 at x = 0, or where two logits share the top."""
    x = place.grid.logits
    tied = x == 0 if not place.rows else np.sort(x, axis=1)[:, -1] == np.sort(x, axis=1)[:, -2]
    return place.spread(tied.astype(np.float64))

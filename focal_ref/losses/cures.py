"""Cures: what is usually meant by an argument that is refused, in the words of the library whose arrays came.

Each is the end of a message, or nothing where no cure is likelier than another. None is asked for before something is refused.
"""

from __future__ import annotations

from typing import Any

from ..engine import arrays
from ..engine.arrays import Facts
from ..engine.words import library, words
from .options import INTEGERS, is_number, wider

__all__ = [
    "at_least_one",
    "for_classes",
    "for_labels",
    "leaving_out",
    "made_array",
    "none",
    "of_a_class",
    "of_a_label",
    "of_another_device",
    "of_another_library",
    "of_integers",
    "of_mark",
    "of_share",
    "of_weights",
    "without",
]


MANY_TIMES = 1e6
"""A weight beyond which nobody means how often something counts."""


def none(x: Any) -> str:
    """Where no cure is known."""
    return ""


def made_array(name: str, x: object, like: object = None) -> str:
    """How a sequence or a table becomes an array of the logits' library; without logits, NumPy's floats."""
    if hasattr(x, "to_numpy"):
        return f"; its array: {name}.to_numpy()"
    if like is None:
        return f"; an array of it: np.asarray({name}, dtype=float)" if isinstance(x, (list, tuple)) or is_number(x) else ""
    if not isinstance(x, (list, tuple)):
        return ""
    return f"; an array of it: {words(like).array.format(name)}"


def of_another_library(name: str, x: object, like: object) -> str:
    """How an array that NumPy can look at gets into the logits' library."""
    return f"; as one: {words(like).carried.format(name)}" if library(x) == "numpy" else ""


def of_another_device(name: str, like: object) -> str:
    """How an array gets where the logits are; what belongs to a module goes there with it."""
    found = f"; there: {words(like).moved.format(name)}"
    owned = name in ("alpha", "gamma", "pos_weight") and arrays.is_of(like, "torch")
    return f"{found}, or of a module: criterion.to(device)" if owned else found


def of_integers(x: Any, dtype: str) -> str:
    """Logits that are no floats: integers, made so by a literal or by an exchange of arguments."""
    if dtype not in (*INTEGERS, "bool"):
        return wider(dtype)
    return f"; as floats: {words(x).floats.format('logits')} (if they are the targets: logits come first)"


def for_classes(targets: Any, axis: int, full: tuple[int, ...]) -> str:
    """What is usually meant by softmax targets of a wrong type or shape."""
    shape, whole, said = tuple(targets.shape), arrays.dtype_name(targets) in INTEGERS, words(targets)
    rows = without(full, axis)
    if len(shape) == len(full) and shape[axis] == 1 and full[axis] != 1:
        return f"; without the axis of size 1: targets.squeeze({axis})"
    if whole and shape == full:
        return f"; one-hot rows are floats: {said.floats.format('targets')}"
    if not whole and shape == rows:
        return f"; classes are integers: {said.integers.format('targets')}"
    if not whole or shape == rows:
        return ""
    # Another axis is the cure only if it makes the shapes fit; classes lie last or second nearly everywhere.
    own, last = axis % len(full), len(full) - 1
    fits = [a for a in range(len(full)) if a != own and full[a] > 1 and without(full, a) == shape]
    if last in fits:
        return "; classes that lie last: axis=-1"
    return f"; classes that lie along axis {fits[-1]}: axis={fits[-1]}" if fits else ""


def without(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    """A shape without one of its axes."""
    axis %= len(shape)
    return (*shape[:axis], *shape[axis + 1 :])


def for_labels(targets: Any, like: Facts) -> str:
    """What is usually meant by sigmoid targets whose shape does not fit, or whose entries are no labels."""
    shape, full, said = tuple(targets.shape), like.shape, words(targets)
    if shape == (*full, 1):
        return f"; without the last axis: {said.without_last.format('targets')}"
    if full == (*shape, 1):
        return f"; of one shape: {said.without_last.format('logits')}, or {said.with_last.format('targets')}"
    whole = arrays.dtype_name(targets) in INTEGERS
    if whole and len(full) > 1 and shape in (full[:-1], without(full, 1)):
        classes = full[-1] if shape == full[:-1] else full[1]
        return f"; if they are classes: {said.one_hot.format('targets', classes)}, or softmax_focal_loss"
    return ""


def of_a_label(value: Any, targets: Any, like: Facts) -> str:
    """The cure for an entry that is no label: what a shape tells, an exchange of arguments, or a mark."""
    if found := for_labels(targets, like):
        return found
    seen, mark = arrays.values(like.array), leaving_out(value)
    # Logits that are all 0 are how many a test begins: beside a mark such as 255, both 0 and 1 must be there.
    if seen is not None and ((seen == 0) | (seen == 1)).all() and not (mark and seen.min() == seen.max()):
        return "; are logits and targets swapped?"
    return mark


def leaving_out(value: Any) -> str:
    """The cure for a target that no class has."""
    return f"; if {value:g} marks what has no label: ignore_index={value:g}" if float(value).is_integer() else ""


def of_a_class(value: Any, seen: Any, classes: int, ignore_index: int | None) -> str:
    """The cure for a class that there is not: counted from 1, where a first and a last one of that kind are seen; or a mark."""
    kept = seen if ignore_index is None else seen[seen != ignore_index]
    if int(kept.min()) == 1 and int(kept.max()) == classes:
        return "; do classes begin at 1? targets - 1"
    return leaving_out(value)


def of_share(alpha: Any) -> str:
    """What is meant by an α above 1, or two of them: how often a positive counts as a negative does, or a weight a class."""
    if is_number(alpha) and 1 < alpha < MANY_TIMES:
        share = alpha / (1 + alpha)
        return f"; for positives that count {alpha:g} times: alpha={share:g}, or pos_weight={alpha:g} where the loss has it"
    if isinstance(alpha, (list, tuple)) and len(alpha) == 2 and all(is_number(a) and 0 < a < MANY_TIMES for a in alpha):
        return f"; alpha is the positives' weight: alpha={alpha[1] / (alpha[0] + alpha[1]):g}"
    return ""


def of_weights(x: Any, name: str, classes: int | None) -> str:
    """What is meant by weights whose shape fits nothing: as many as there are classes; of sigmoids, the positives' alone."""
    if classes is not None:
        return f"; one weight a class: {classes}"
    seen = arrays.values(x) if name == "alpha" and tuple(x.shape) == (2,) else None
    return "" if seen is None else of_share(seen.tolist())


def of_mark(ignore_index: Any) -> str:
    """A label that is equal to nothing can't be looked for."""
    missing = isinstance(ignore_index, float) and ignore_index != ignore_index
    return "; where labels are missing as NaN: weight=0" if missing else ""


def at_least_one(value: Any) -> str:
    """The cure for a count of positives where there are none."""
    return "; where it counts positives, there may be none: max(count, 1)" if value == 0 else ""

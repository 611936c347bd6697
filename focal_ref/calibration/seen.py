"""Classes as they were seen: names and counts, from labels or counts; what has no label is set apart, mistakes are refused."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ..engine import arrays
from ..losses import arguments
from .balancing import by_label

__all__ = ["BLANK", "Seen", "seen"]

BLANK = ("", "nan", "NaN", "NAN", "null", "NULL", "None", "NA", "N/A", "n/a", "#N/A", "<NA>")
"""What tables write where a label is missing; "none" is a class."""
MARKS = (-1, -100)
"""What losses are told to ignore: no classes, beside 0, 1 …"""
FEW = 10
"""So many times as many entries as classes: labels that were given as counts."""


class Seen(NamedTuple):
    """The classes in the order of their sorted labels, how often each occurs, and what was without a label."""

    names: tuple[Any, ...]
    counts: tuple[float, ...]
    missing: tuple[tuple[str, float], ...]


def seen(counts: Any, labels: Any) -> Seen:
    """Of the one of both that is not None."""
    if (counts is None) == (labels is None):
        came = f"{arguments.describe(counts)} and labels={arguments.describe(labels)}"
        raise TypeError(f"counts: got {came}; expected one of them")
    what = "counts" if labels is None else "labels"
    pairs, missing = _parted(_of_counts(counts), False) if labels is None else _parted(_of_labels(labels), True)
    if len(pairs) < 2:
        left_out = f", and {_total(missing):g} without a label" if missing else ""
        raise ValueError(f"{what}: got {len(pairs)} class{left_out}; expected two or more")
    try:
        pairs.sort(key=lambda pair: pair[0])
    except TypeError:
        raise TypeError(f"{what}: got labels of several types, which have no order; expected labels of one type") from None
    if labels is not None:
        _refuse_numbers([name for name, _ in pairs], [count for _, count in pairs])
    accepted = "a number > 0: a class that never occurs says nothing"
    for name, count in pairs:
        arguments.number(f"counts[{name!r}]", count, math.ulp(0.0), math.inf, accepted)
    return Seen(tuple(name for name, _ in pairs), tuple(float(count) for _, count in pairs), missing)


# ---- counts -----------------------------------------------------------------------------------------------------------------


def _of_counts(counts: Any) -> list[tuple[Any, Any]]:
    found = by_label(counts)
    pairs = list(found.items()) if isinstance(found, Mapping) else list(enumerate(np.asarray(found).tolist()))
    numbers = [count for _, count in pairs]
    if _are_labels(numbers, isinstance(counts, Mapping)):
        came = f"{len(numbers)} entries, {numbers[0]!r}, {numbers[1]!r} …"
        raise ValueError(f"counts: got {came}; expected how many samples each class has: labels, one a sample, are labels=")
    if _are_shares(numbers):
        shares = ", ".join(f"{number:g}" for number in numbers[:3]) + (" …" if len(numbers) > 3 else "")
        cure = "multiply shares by the number of samples, which α depends on"
        raise ValueError(f"counts: got {shares}; expected how many samples each class has: {cure}")
    return pairs


def _are_labels(numbers: list[Any], told: bool) -> bool:
    """Words or truths; or zeros among small whole numbers; or, without a dict to say otherwise, many entries of few values."""
    if len(numbers) < 3 or any(isinstance(number, (list, dict)) for number in numbers):
        return any(isinstance(number, str) for number in numbers)
    if any(isinstance(number, (bool, str)) for number in numbers):
        return True
    values = set(numbers)
    whole = all(isinstance(number, (int, float)) and number == math.floor(number) for number in values if _is_finite(number))
    few = whole and all(map(_is_finite, values)) and max(values) < len(values) + 1
    if not few or len(values) == len(numbers):
        return False
    return min(values) <= 0 or (not told and len(values) > 1 and len(numbers) > FEW * len(values))


def _is_finite(number: Any) -> bool:
    return isinstance(number, (int, float)) and math.isfinite(number)


def _are_shares(numbers: list[Any]) -> bool:
    """Fractions below 1, or some that sum to 1 or to 100."""
    if not all(map(_is_finite, numbers)) or min(numbers, default=0.0) <= 0:
        return False
    total = math.fsum(numbers)
    fractions = any(number != math.floor(number) for number in numbers)
    return fractions and (min(numbers) < 1 or any(math.isclose(total, whole, rel_tol=1e-3) for whole in (1.0, 100.0)))


# ---- labels -----------------------------------------------------------------------------------------------------------------


def _of_labels(labels: Any) -> list[tuple[Any, int]]:
    found = np.asarray(arrays.column(labels))
    if found.ndim != 1:
        cure = "rows of zeros and ones have them by argmax(axis=1)" if found.ndim == 2 else "an array or a list"
        raise ValueError(f"labels: got {arguments.describe(found)}; expected one label a sample: {cure}")
    if found.dtype.kind == "O":
        return list(Counter(found.tolist()).items())
    values, counts = np.unique(found, return_counts=True)
    return list(zip(values.tolist(), counts.tolist(), strict=True))


def _refuse_numbers(names: list[Any], counts: list[Any]) -> None:
    """Numbers that are no labels: scores, and counts."""
    numbers = [_number(name) for name in names]
    many = 2 * len(names) > sum(counts)
    for name, number in zip(names, numbers, strict=True):
        if number is not None and number != math.floor(number) and (many or not isinstance(name, str)):
            cure = "classes, one a sample, and no shares or scores; as words, like '0.5', where they are classes"
            raise ValueError(f"labels: got {name}; expected {cure}")
    if None not in numbers and max(counts) == 1 and sorted(numbers) != [*range(len(numbers))]:  # type: ignore[type-var]
        came = f"{len(numbers)} numbers, none of them twice"
        raise ValueError(f"labels: got {came}; expected one label a sample: how many samples each class has goes to counts")


def _number(name: Any) -> float | None:
    """A finite number that a label is, or says."""
    if isinstance(name, (bool, bytes)):
        return None
    try:
        number = float(name)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


# ---- missing ----------------------------------------------------------------------------------------------------------------


def _parted(pairs: list[tuple[Any, Any]], marks: bool) -> tuple[list[tuple[Any, Any]], tuple[tuple[str, float], ...]]:
    """Those with a label, whole floats as integers; and those without, by what stands there; marks beside 0 and 1 too."""
    names = [name for name, _ in pairs if _blank(name) is None]
    others = [number for number in map(_number, names) if number not in MARKS]
    marked = marks and {0.0, 1.0} <= set(others) and all(number is not None and number >= 0 for number in others)
    whole = bool(names) and all(isinstance(name, float) and name == math.floor(name) for name in names if _is_finite(name))
    found: list[tuple[Any, Any]] = []
    missing: Counter[str] = Counter()
    for name, count in pairs:
        blank = _blank(name)
        if blank is None and marked and _number(name) in MARKS:
            blank = f"{_number(name):g}"
        if blank is None:
            found.append((int(name) if whole and _is_finite(name) else name, count))
        else:
            missing[blank] += count
    return found, tuple(sorted(missing.items()))


def _blank(name: Any) -> str | None:
    """What stands there instead of a label."""
    if isinstance(name, str):
        return (name.strip() or "empty") if name.strip() in BLANK else None
    if name is None or type(name).__name__ in ("NAType", "NaTType"):
        return str(name)
    return "NaN" if isinstance(name, float) and math.isnan(name) else None


def _total(missing: tuple[tuple[str, float], ...]) -> float:
    return math.fsum(count for _, count in missing)

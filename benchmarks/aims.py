"""The aims, and whether a run met them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from .timing import Timed, ratio

__all__ = ["Verdict", "judge"]

NATIVE, EXTENDED = "focal_ref native, NumPy", "focal_ref extended, NumPy"
TORCH, TORCH_COMPILED = "focal_ref_torch, eager", "focal_ref_torch, compiled"
JAX, CUPY = "focal_ref_jax, jitted", "focal_ref native, CuPy"
FORMULA, FORMULA_COMPILED = "torchvision's formula, eager", "torchvision's formula, compiled"
FORMULA_CUDA = "torchvision's formula, eager, CUDA"
TORCH_NARROW, TUTORIAL_NARROW = "focal_ref_torch, eager, bfloat16", "tutorial's class, eager, bfloat16"
TUTORIAL, TEXTBOOK, OPTAX = "tutorial's class, eager", "textbook, NumPy", "optax's formula, jitted"
FLOOR, COPY_CUPY = "floor: 2 exp + log1p", "floor: copy, CuPy"
MILLION, TEN_MILLION, HUNDRED_MILLION = "sigmoid 1e6", "sigmoid 1e7", "sigmoid 1e8"
MIB = 2**20


class Verdict(NamedTuple):
    """An aim, what was got, and whether that is enough; None where it wasn't measured."""

    aim: str
    case: str
    wanted: str
    got: float | None
    met: bool | None


FASTER = (
    (NATIVE, FORMULA, MILLION, 5.0),
    (NATIVE, FORMULA, TEN_MILLION, 12.0),
    (EXTENDED, FORMULA, MILLION, 4.0),
    (EXTENDED, FORMULA, TEN_MILLION, 10.0),
    (NATIVE, FORMULA_COMPILED, MILLION, 1.4),
    (NATIVE, FORMULA_COMPILED, TEN_MILLION, 1.4),
    (NATIVE, TEXTBOOK, TEN_MILLION, 2.0),
    (NATIVE, TUTORIAL, "softmax 100000 × 10", 5.0),
    (NATIVE, TUTORIAL, "softmax 4000 × 1000", 1.4),
    (NATIVE, TUTORIAL, "softmax 1000 × 50257", 2.0),
    (TORCH, FORMULA, MILLION, 4.0),
    (TORCH, FORMULA, TEN_MILLION, 3.0),
    (TORCH, FORMULA, "sigmoid 16 × 100 × 80", 1.5),
    (TORCH, TUTORIAL, "softmax 8 × 21 × 128 × 128", 1.5),
    (TORCH, TUTORIAL, "softmax 2 × 19 × 512 × 256", 1.5),
    (TORCH, TUTORIAL, "softmax 256 × 1000", 1.5),
    (TORCH, TUTORIAL, "softmax 2048 × 80", 1.5),
    (TORCH, TUTORIAL, "softmax 64 × 10", 1.0),
    (TORCH, TUTORIAL, "softmax 512 × 50257", 1.5),
    (TORCH_COMPILED, FORMULA_COMPILED, MILLION, 1.0),
    (TORCH_COMPILED, FORMULA_COMPILED, TEN_MILLION, 1.0),
    (JAX, OPTAX, MILLION, 3.0),
    (JAX, "optax, jitted", MILLION, 3.0),
    (CUPY, FORMULA_CUDA, HUNDRED_MILLION, 5.0),
)
"""The first at least so many times as fast as the second."""

AT_MOST = (
    (NATIVE, FLOOR, MILLION, 2.2),
    (NATIVE, FLOOR, TEN_MILLION, 2.2),
    (NATIVE, TEXTBOOK, "sigmoid 1e2", 1.2),
    ("focal_ref native, NumPy, γ = 1.5", NATIVE, MILLION, 2.0),
    ("focal_ref native, NumPy, γ an array", NATIVE, MILLION, 2.0),
    (TORCH_NARROW, TUTORIAL_NARROW, "softmax 512 × 50257", 2.0),
    (CUPY, COPY_CUPY, HUNDRED_MILLION, 2.5),
)
"""The first takes at most so many times as long as the second. CuPy moves 12 bytes a logit where a copy moves 8."""

TIMES_LOGITS = ((TORCH_NARROW, "softmax 512 × 50257", 2 * 512 * 50257, 3.0),)
"""The first's peak memory, gradient included, at most so many times the logits'."""

LEANER = ((TORCH, FORMULA, TEN_MILLION), (TORCH, TUTORIAL, "softmax 4000 × 1000"), (JAX, OPTAX, TEN_MILLION))
"""The first's peak memory at most the second's."""


def judge(results: dict[str, Any]) -> list[Verdict]:
    """Every aim, from a run's results as they are written to JSON."""
    return [*_times(results), *_memory(results), *_threads(results)]


def _times(results: dict[str, Any]) -> Iterator[Verdict]:
    for ours, theirs, case, least in FASTER:
        got = _quotient(results, case, theirs, ours)
        yield Verdict(f"{ours}: times as fast as {theirs}", case, f"≥ {least:g} ×", got, None if got is None else got >= least)
    for ours, theirs, case, most in AT_MOST:
        got = _quotient(results, case, ours, theirs)
        yield Verdict(f"{ours}: times the time of {theirs}", case, f"≤ {most:g} ×", got, None if got is None else got <= most)
    got = _seconds(results, "sigmoid 1e2", NATIVE)
    micro = None if got is None else 1e6 * got
    yield Verdict(f"{NATIVE}: µs a call", "sigmoid 1e2", "≤ 60", micro, None if micro is None else micro <= 60)


def _memory(results: dict[str, Any]) -> Iterator[Verdict]:
    for precision in (NATIVE, EXTENDED):
        peak = _peak(results, HUNDRED_MILLION, precision)
        extra = None if peak is None else (peak - 4 * 10**8) / MIB
        aim = f"{precision}: MiB beyond the gradient"
        yield Verdict(aim, HUNDRED_MILLION, "≤ 64", extra, None if extra is None else extra <= 64)
    for ours, case, logits, most in TIMES_LOGITS:
        peak = _peak(results, case, ours)
        times = None if peak is None else peak / logits
        met = None if times is None else times <= most
        yield Verdict(f"{ours}: times the memory of its logits", case, f"≤ {most:g} ×", times, met)
    for ours, theirs, case in LEANER:
        mine, others = _peak(results, case, ours), _peak(results, case, theirs)
        got = mine / others if mine is not None and others else None
        yield Verdict(f"{ours}: times the peak memory of {theirs}", case, "≤ 1 ×", got, None if got is None else got <= 1)


def _threads(results: dict[str, Any]) -> Iterator[Verdict]:
    scaling = results.get("scaling")
    got = scaling["of_processes"] if scaling else None
    yield Verdict("two threads: share of two processes' gain", TEN_MILLION, "≥ 0.9 ×", got, None if got is None else got >= 0.9)


def _timed(results: dict[str, Any], case: str) -> Iterable[dict[str, Any]]:
    return next((c["contestants"] for c in results["cases"] if c["name"] == case), [])


def _seconds(results: dict[str, Any], case: str, name: str) -> float | None:
    return next((c["seconds"] for c in _timed(results, case) if c["name"] == name), None)


def _quotient(results: dict[str, Any], case: str, slower: str, faster: str) -> float | None:
    """The median of the rounds' ratios."""
    rounds = {c["name"]: Timed(c["name"], c["rounds"]) for c in _timed(results, case)}
    return ratio(rounds[slower], rounds[faster]) if {slower, faster} <= rounds.keys() else None


def _peak(results: dict[str, Any], case: str, name: str) -> int | None:
    return next((m["bytes"] for m in results["memory"] if (m["case"], m["name"]) == (case, name)), None)

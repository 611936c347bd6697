"""The accuracy contract, on every backend: its bounds as ceilings, and what was once reached as a ratchet.

`accuracy.json`, beside this file, holds the worst error ever measured, in ULP, for every backend, link, type, precision,
quantity and γ. A run may be worse by `margin` at most, since libraries take other SIMD paths through exp, log and pow on other
CPUs. On one CPU with AVX-512, AVX2 or neither, NumPy's and torch's worst errors differed by up to 8 % (0.47 ULP) in native
types, and by up to 0.0003 ULP in extended precision; the margin is about twice the first and twenty times the second. To
record better figures, and those of a new backend::

    python tests/conformance/test_accuracy.py --record

A recorded figure only ever goes down. One that has to go up (a library changed its exp, or its power is another on another
processor: torch's, γ = 0.5, by 19 %) is deleted by hand, with the reason in the commit.
"""

from __future__ import annotations

import functools
import importlib
import json
import math
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from focal_ref import conformance
from focal_ref.libraries import backends
from tests import xla

RECORD = Path(__file__).with_name("accuracy.json")
NAMES = [name.strip() for name in os.environ.get("FOCAL_REF_BACKENDS", "").split(",") if name.strip()] or backends.installed()


def margin(worst: float, precision: str) -> float:
    """How much worse than recorded a run may be, in ULP."""
    return 0.005 if precision == "extended" else 0.05 + 0.16 * worst


each = pytest.mark.parametrize(("backend_name", "link"), [(name, link) for name in NAMES for link in conformance.LINKS])


@functools.cache
def rows(backend_name: str, link: str) -> tuple[Any, ...]:
    """All types, precisions and γ of one backend, measured once."""
    measure: Any = conformance.measure
    if backend_name.startswith("jax"):
        measure = functools.partial(xla.as_users_have_it, measure)
    report = measure([backend_name], [link])
    assert not report.broken, report.broken
    return tuple(report.rows)


def key(row: Any) -> str:
    return f"{row.backend} {row.link} {row.dtype} {row.precision} {row.quantity}"


def recorded() -> dict[str, dict[str, float]]:
    """Worst error by γ, for each backend, link, type, precision and quantity."""
    found: dict[str, dict[str, float]] = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}
    return found


@pytest.mark.slow
@each
def test_every_result_is_within_its_bound(backend_name: str, link: str) -> None:
    """Value, gradient and Hessian, every type, precision and γ: no NaN, wrong infinity or flushed zero, and within bounds."""
    failed = [row for row in rows(backend_name, link) if not row.passed]
    lines = [
        f"{key(row)} γ={row.gamma:g}: {row.max_ulp:.4g} ULP of {row.bound}, {row.subnormal_units:.3g} subnormal units, "
        f"{row.nan} NaN, {row.wrong_inf} infinities, {row.flushed} flushed; got {row.got} for {row.exact}\n    {row.worst}"
        for row in failed
    ]
    assert not failed, "\n".join(["", *lines])


@pytest.mark.slow
@each
def test_nothing_is_worse_than_it_was(backend_name: str, link: str) -> None:
    """No error exceeds the recorded one by more than the margin, and every figure has a record."""
    record = recorded()
    for row in rows(backend_name, link):
        assert f"{row.gamma:g}" in record.get(key(row), {}), (
            f"{key(row)} γ={row.gamma:g} has no record: see the head of this file"
        )
        worst = record[key(row)][f"{row.gamma:g}"]
        assert row.max_ulp <= worst + margin(worst, row.precision), (
            f"{key(row)} γ={row.gamma:g}: {row.max_ulp} > {worst} + margin\n{row.worst}"
        )


@pytest.mark.slow
@each
def test_everything_is_measured(backend_name: str, link: str) -> None:
    """All the backend's types, each in every precision it has, at every γ, every quantity: nothing is passed over."""
    found = {(row.dtype, row.precision, row.gamma, row.quantity) for row in rows(backend_name, link)}
    dtypes = backends.get(backend_name).dtypes
    assert {dtype for dtype, *_ in found} == set(dtypes)
    assert ("float32", "extended", 2.0, "value") in found or "float64" not in dtypes
    per_type = len(conformance.QUANTITIES) * len(conformance.grids.GAMMAS)
    assert len(found) in {per_type * n for n in range(len(dtypes), 2 * len(dtypes) + 1)}


def test_the_record_is_sound() -> None:
    """Every recorded error keeps its bound, and no figure stands for a backend, type or quantity that does not exist."""
    record = recorded()
    assert record
    for name, by_gamma in record.items():
        backend_name, link, dtype, precision, quantity = name.split()
        assert backend_name in backends.NAMES
        assert sorted(by_gamma, key=float) == [f"{gamma:g}" for gamma in conformance.grids.GAMMAS]
        for gamma, worst in by_gamma.items():
            assert 0 <= worst <= conformance.bound(quantity, link, dtype, precision, float(gamma)), (name, gamma)


@pytest.mark.slow
def test_a_worse_result_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The ratchet holds: figures just below what is measured make the test of them fail."""
    name, link = NAMES[0], "sigmoid"
    tighter = {key(row): {f"{g:g}": -1.0 for g in conformance.grids.GAMMAS} for row in rows(name, link)}
    monkeypatch.setattr(importlib.import_module(__name__), "recorded", lambda: tighter)
    with pytest.raises(AssertionError, match="margin"):
        test_nothing_is_worse_than_it_was(name, link)


def record_better(names: list[str]) -> None:
    """Measure, and write the record anew with the lower of old and new figures; bounds that are passed are not recorded."""
    record = recorded()
    for name in names:
        for link in conformance.LINKS:
            for row in rows(name, link):
                if row.passed:
                    by_gamma = record.setdefault(key(row), {})
                    worst = math.ceil(row.max_ulp * 1e4) / 1e4
                    by_gamma[f"{row.gamma:g}"] = min(worst, by_gamma.get(f"{row.gamma:g}", math.inf))
    ordered = {name: dict(sorted(record[name].items(), key=lambda item: float(item[0]))) for name in sorted(record)}
    lines = [f"  {json.dumps(name)}: {json.dumps(by_gamma)}" for name, by_gamma in ordered.items()]
    RECORD.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:] != ["--record"]:
        sys.exit("usage: python tests/conformance/test_accuracy.py --record")
    record_better(NAMES)

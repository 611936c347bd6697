"""The judge: right results pass, each kind of wrong one fails for its own reason, and can be shown by one line of Python."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import array_api_compat
import numpy as np
import pytest

import focal_ref as fr
from focal_ref import conformance, oracle
from focal_ref.conformance import Row, bound, grids, measure, ulp
from focal_ref.conformance import exact as truth
from focal_ref.libraries import backends

FLOAT32 = ulp.FORMATS["float32"]


def _rows(subject: Any, backend: str = "numpy", link: str = "sigmoid", gamma: float = 2.0, **options: Any) -> dict[str, Row]:
    """The three rows of one measurement."""
    options = {"dtypes": ["float32"], "precisions": ["extended"], **options}
    report = measure([backend], [link], gammas=[gamma], subject=subject, **options)
    assert not report.broken, report.broken
    assert [row.quantity for row in report.rows] == ["value", "grad", "hess"]
    return {row.quantity: row for row in report.rows}


def _printed(row: Row, capsys: pytest.CaptureFixture[str], **names: Any) -> str:
    """What the row's line prints in a fresh session, to which only the subject is known."""
    capsys.readouterr()
    exec(row.worst, names)
    return capsys.readouterr().out.strip()


# ---- the bounds -------------------------------------------------------------------------------------------------------------

CONTRACT = {
    # link, quantity: the bounds of native types for γ = 0, 0.5, 1, 2, 5
    ("sigmoid", "value"): (4, 5, 6, 8, 14),
    ("sigmoid", "grad"): (4, 5, 6, 8, 14),
    ("sigmoid", "hess"): (6, 7.25, 8.5, 11, 18.5),
    ("softmax", "value"): (6, 7, 8, 10, 16),
    ("softmax", "grad"): (6, 7, 8, 10, 16),
    ("softmax", "hess"): (8, 9.5, 11, 14, 23),
}


@pytest.mark.parametrize(("link", "quantity"), CONTRACT)
def test_the_bounds_are_those_of_the_contract(link: str, quantity: str) -> None:
    """Extended is 0.51 ULP for every γ, reference 0.501 in every type; native, and float64 in extended, grow with γ up to 5."""
    for gamma, expected in zip(grids.GAMMAS, CONTRACT[link, quantity], strict=True):
        for dtype in ("float16", "bfloat16", "float32"):
            assert bound(quantity, link, dtype, "extended", gamma) == 0.51
            assert bound(quantity, link, dtype, "native", gamma) == expected
        assert bound(quantity, link, "float64", "extended", gamma) == expected
        assert bound(quantity, link, "float64", "native", gamma) == expected
    assert bound(quantity, link, "float32", "native", math.nextafter(5.0, 6.0)) == math.inf
    assert bound(quantity, link, "float32", "extended", 50.0) == 0.51
    assert {bound(quantity, link, dtype, "reference", gamma) for dtype in conformance.DTYPES for gamma in (0.0, 50.0)} == {
        0.501
    }


@pytest.mark.slow
def test_reference_is_measured_where_it_is_asked_for() -> None:
    """In every type, and not unless asked for."""
    report = measure(["numpy"], gammas=[0.0, 2.0, 5.0], precisions=["reference"])
    assert report.passed
    assert {(row.link, row.dtype, row.precision) for row in report.rows} == {
        (link, dtype, "reference") for link in conformance.LINKS for dtype in conformance.DTYPES
    }
    assert max(row.max_ulp for row in report.rows) <= 0.501
    assert {row.precision for row in measure(["numpy"], ["sigmoid"], gammas=[2.0]).rows} == {"extended", "native"}


@pytest.mark.slow
def test_every_row_is_held_to_its_bound() -> None:
    """The bound in the report is the one of its quantity, type, precision and γ."""
    report = measure(["numpy"], ["sigmoid"], ["float32", "float64"], [0.5, 7.0])
    assert len(report.rows) == 2 * 3 * 3
    for row in report.rows:
        assert row.bound == bound(row.quantity, row.link, row.dtype, row.precision, row.gamma)
        assert row.to_dict()["bound"] == (None if row.gamma > 5 and row.precision == "native" else row.bound)


# ---- what is exact ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("link", conformance.LINKS)
def test_the_truth_is_the_oracles_point_for_point(link: str) -> None:
    """hi + lo of value, gradient and Hessian, and Σ|terms|, lie where the grid has their logits and targets."""
    exact = truth.truth(link, "float32", 0.5)
    starts = {"value": 0, "grad": 0, "hess": 0}
    for grid in truth.grids_of(link, "float32", grids.GAMMAS):
        width = 1 if link == "sigmoid" else grid.logits.shape[1]
        for row in range(0, len(grid.logits), len(grid.logits) // 3 if width > 100 else 37):
            logits, target = grid.logits[row].tolist(), int(grid.targets[row])
            result = oracle.sigmoid(logits, target, 0.5) if link == "sigmoid" else oracle.softmax(logits, target, 0.5)
            for quantity in conformance.QUANTITIES:
                entries = 1 if quantity == "value" else width
                found = getattr(result, quantity) if entries > 1 else [getattr(result, quantity)]
                here = slice(starts[quantity] + row * entries, starts[quantity] + (row + 1) * entries)
                hi, lo = ulp.split(found)
                np.testing.assert_array_equal(exact[quantity].hi[here], hi)
                assert np.all(np.abs(exact[quantity].lo[here] - lo) <= 2.0**-120 * np.abs(hi), where=np.isfinite(hi))
                if quantity == "hess":
                    terms = result.hess_terms if entries > 1 else [result.hess_terms]
                    np.testing.assert_array_equal(exact[quantity].terms[here], [float(t) for t in terms])
        for quantity in starts:
            starts[quantity] += len(grid.logits) * (1 if quantity == "value" else width)
    assert starts["hess"] == exact["hess"].hi.size


def test_errors_are_measured_against_more_than_float64() -> None:
    """The correctly rounded float64 results have errors up to half an ULP, and not 0: hi + lo is more than float64."""

    def rounded(link: str, gamma: float, precision: str) -> Callable[..., Any]:
        exact = truth.truth(link, "float64", gamma, (gamma,))
        return lambda logits, targets: [exact[quantity].hi for quantity in conformance.QUANTITIES]

    for row in _rows(rounded, dtypes=["float64"]).values():
        assert row.passed
        assert 0.49 < row.max_ulp_plain <= 0.5


# ---- right results pass -----------------------------------------------------------------------------------------------------


def test_right_results_pass_on_every_backend(backend: Any) -> None:
    """focal_ref itself, in each type and precision that a backend has; every row has all the grid's points."""
    report = measure([backend.name], ["sigmoid"], gammas=[2.0])
    assert report.passed, str(report)
    computed = {(row.dtype, row.precision) for row in report.rows}
    assert {dtype for dtype, _ in computed} == set(backend.dtypes)
    assert len(report.rows) == 3 * len(computed)
    for row in report.rows:
        assert row.points == len(grids.sigmoid(row.dtype, (2.0,)).logits)
        assert row.nan == row.wrong_inf == row.flushed == 0
        assert 0.3 < row.p99_ulp <= row.max_ulp <= row.bound


@pytest.mark.slow
def test_what_cannot_be_computed_wider_is_called_native_and_comes_once() -> None:
    """float64 is its own widest, JAX without 64 bits has no wider float32, NumPy no arithmetic in bfloat16."""
    report = measure(["numpy"], ["sigmoid"], ["bfloat16", "float64"], [1.0])
    assert [(r.dtype, r.precision) for r in report.rows[::3]] == [("bfloat16", "extended"), ("float64", "native")]
    assert report.rows == measure(["numpy"], ["sigmoid"], ["bfloat16", "float64"], [1.0], ["native", "extended"]).rows
    (native,) = {r.precision for r in measure(["jax"], ["sigmoid"], ["float32"], [1.0]).rows}
    assert native == "native"


def test_a_curvature_near_its_zero_is_measured_by_its_terms() -> None:
    """φ'' has more than its bound of plain ULP there in float64, and is right by what Σ|terms| allows."""
    row = _rows(conformance.own_loss, dtypes=["float64"], precisions=["native"])["hess"]
    assert row.passed
    assert row.max_ulp_terms is not None
    assert row.max_ulp_plain > 10 * row.bound > 10 * row.max_ulp_terms > 0


# ---- wrong results fail -----------------------------------------------------------------------------------------------------


def _margin(logits: Any, targets: Any) -> tuple[Any, Any]:
    """The namespace and the margin."""
    xp = array_api_compat.array_namespace(logits)
    return xp, xp.astype(2 * targets - 1, logits.dtype) * logits


def textbook(link: str, gamma: float, precision: str) -> Callable[..., Any]:
    """The value everyone writes, with u = 1 − p; focal_ref's own derivatives."""
    own = conformance.own_loss(link, gamma, precision)

    def loss(logits: Any, targets: Any) -> list[Any]:
        xp, z = _margin(logits, targets)
        nll = xp.log1p(xp.exp(-xp.abs(z))) + xp.where(z < 0, -z, xp.zeros_like(z))
        return [(1 - xp.exp(-nll)) ** gamma * nll, *own(logits, targets)[1:]]

    return loss


def log_of_p(link: str, gamma: float, precision: str) -> Callable[..., Any]:
    """−log of a p that underflows."""
    own = conformance.own_loss(link, gamma, precision)

    def loss(logits: Any, targets: Any) -> list[Any]:
        xp, z = _margin(logits, targets)
        value, grad, hess = own(logits, targets)
        p = xp.exp(xp.where(z < 0, z, xp.zeros_like(z)))
        return [xp.where(p == 0, xp.full_like(value, math.inf), value), grad, hess]

    return loss


def _damaged(quantity: str, damage: Callable[[Any, Any], Any]) -> Any:
    """focal_ref with one of its results changed: damage(xp, result)."""

    def damaged(link: str, gamma: float, precision: str) -> Callable[..., Any]:
        own = conformance.own_loss(link, gamma, precision)

        def loss(logits: Any, targets: Any) -> list[Any]:
            xp = array_api_compat.array_namespace(logits)
            results = dict(zip(conformance.QUANTITIES, own(logits, targets), strict=True))
            results[quantity] = damage(xp, results[quantity])
            return list(results.values())

        return loss

    return damaged


class Planted(NamedTuple):
    """A bug, and how it has to show."""

    subject: Any
    quantity: str
    gamma: float
    shows: Callable[[Row], bool]
    got: Callable[[float, float], bool]
    """Said of what the worst line prints and of the exact result."""


PLANTED = {
    "u = 1 - p": Planted(
        *(textbook, "value", 2.0, lambda r: r.flushed > 100 and r.nan == r.wrong_inf == 0),
        got=lambda got, exact: got == 0 < exact,
    ),
    "a value flushed to zero": Planted(
        _damaged("value", lambda xp, v: xp.where(v < 1e-30, xp.zeros_like(v), v)),
        *("value", 2.0, lambda r: r.flushed > 10 and r.nan == r.wrong_inf == 0),
        got=lambda got, exact: got == 0 and FLOAT32.tiny <= exact < 1e-30,
    ),
    "NaN for gamma < 1": Planted(
        _damaged("grad", lambda xp, g: xp.where(xp.abs(g) < 1e-37, xp.full_like(g, math.nan), g)),
        *("grad", 0.5, lambda r: r.nan > 10 and r.wrong_inf == r.flushed == 0),
        got=lambda got, exact: math.isnan(got) and abs(exact) < 1.001e-37,
    ),
    "a number for NaN": Planted(
        _damaged("hess", lambda xp, h: xp.where(xp.isnan(h), xp.zeros_like(h), h)),
        *("hess", 2.0, lambda r: r.nan == 2 and r.wrong_inf == r.flushed == 0),
        got=lambda got, exact: got == 0 and math.isnan(exact),
    ),
    "the log of an underflown p": Planted(
        *(log_of_p, "value", 2.0, lambda r: r.wrong_inf > 10 and r.nan == r.flushed == 0),
        got=lambda got, exact: got == math.inf > exact,
    ),
    "a number for infinity": Planted(
        _damaged("value", lambda xp, v: xp.where(xp.isinf(v), xp.full_like(v, 3e38), v)),
        *("value", 2.0, lambda r: r.wrong_inf == 2 and r.nan == r.flushed == 0),
        got=lambda got, exact: got < exact == math.inf,
    ),
    "a Hessian of the wrong sign": Planted(
        _damaged("hess", lambda xp, h: -h),
        *("hess", 2.0, lambda r: r.max_ulp > 2**23 and r.nan == r.wrong_inf == r.flushed == 0),
        got=lambda got, exact: -1.001 < got / exact < -0.999,
    ),
    "half as much again": Planted(
        _damaged("value", lambda xp, v: v + xp.where(v < 1, v / 2, xp.zeros_like(v))),
        *("value", 2.0, lambda r: 2**22 < r.max_ulp <= 2**23 and r.nan == r.wrong_inf == r.flushed == 0),
        got=lambda got, exact: 1.499 < got / exact < 1.501,
    ),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_bug_fails_for_its_own_reason(backend: Any, capsys: pytest.CaptureFixture[str], name: str) -> None:
    """The quantity it is in fails and the others pass; the kind is told; the worst line, run, prints the wrong number."""
    bug = PLANTED[name]
    rows = _rows(bug.subject, backend.name, gamma=bug.gamma)
    assert [quantity for quantity, row in rows.items() if not row.passed] == [bug.quantity]
    row = rows[bug.quantity]
    assert bug.shows(row), row
    printed = _printed(row, capsys, **{bug.subject.__name__: bug.subject})
    got, exact = float(row.got), float(row.exact)
    assert float(printed) == got or (math.isnan(got) and printed == "nan")
    assert bug.got(got, exact), (got, exact)


def test_two_ulp_are_too_many_where_a_wider_type_is_at_hand(backend: Any) -> None:
    """A gradient 2 ULP off fails in extended precision, by its error alone; in native it takes a little more."""
    two_off = _damaged("grad", lambda xp, g: g + 2.0**-23 * g)
    native = _rows(two_off, backend.name, precisions=["native"])["grad"]
    assert native.passed
    beyond = _rows(_damaged("grad", lambda xp, g: g + 4 * 2.0**-23 * g), backend.name, precisions=["native"])["grad"]
    assert not beyond.passed
    assert beyond.bound < beyond.max_ulp < 2 * beyond.bound
    extended = _rows(two_off, backend.name)["grad"]
    assert extended.passed != backend.widens("float32")
    assert 1.4 < extended.max_ulp < native.bound
    assert extended.nan == extended.wrong_inf == extended.flushed == 0


def test_a_subnormal_may_be_flushed_only_where_the_library_flushes(backend: Any) -> None:
    """Zeros below the smallest normal number are allowed for XLA; for others they are thousands of units off."""
    flushing = _damaged("value", lambda xp, v: xp.where(v < FLOAT32.tiny, xp.zeros_like(v), v))
    row = _rows(flushing, backend.name)["value"]
    assert row.passed == backend.flushes("float32")
    assert row.flushed == 0
    assert row.passed or row.subnormal_units > 1000


@pytest.mark.slow
@pytest.mark.parametrize(("link", "quantity", "gamma"), [("sigmoid", "value", 0.0), ("softmax", "hess", 2.0)])
def test_subnormals_are_counted_in_units(link: str, quantity: str, gamma: float) -> None:
    """Off by 3 of the smallest subnormal passes, by 200 fails: no matter for ULP, even where the terms of φ'' are normal."""
    for units, passes in ((3, True), (200, False)):
        step = units * FLOAT32.smallest
        off = _damaged(quantity, lambda xp, r, step=step: xp.where(xp.abs(r) < FLOAT32.tiny, r + step, r))
        row = _rows(off, link=link, gamma=gamma)[quantity]
        assert row.passed == passes, row
        assert row.max_ulp <= row.bound
        assert row.nan == row.wrong_inf == row.flushed == 0
        assert (units - 1) / (1 + gamma) <= row.subnormal_units <= units + 1


@pytest.mark.slow
def test_of_a_row_the_wrong_class_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """Softmax: the line names the entry, and takes a row of a hundred classes from the grid."""
    flipped = _damaged("grad", lambda xp, g: xp.concat([g[:, :1], -g[:, 1:]], axis=1))
    rows = _rows(flipped, link="softmax")
    assert [rows[q].passed for q in conformance.QUANTITIES] == [True, False, True]
    got, exact = float(rows["grad"].got), float(rows["grad"].exact)
    assert -1.001 < got / exact < -0.999
    assert float(_printed(rows["grad"], capsys, damaged=flipped)) == got

    for width, shown in ((100, "grids.softmax('float32')[3].logits["), (1000, "grids.softmax('float32')[4].logits[")):
        wide = _damaged("hess", lambda xp, h, width=width: -h if h.shape[-1] == width else h)
        row = _rows(wide, link="softmax")["hess"]
        assert shown in row.worst
        assert float(_printed(row, capsys, damaged=wide)) == float(row.got)


def test_focal_refs_own_line_needs_no_names(capsys: pytest.CaptureFixture[str]) -> None:
    """Pasted into a fresh Python as it is."""
    row = _rows(conformance.own_loss)["grad"]
    assert row.worst.startswith(
        "from focal_ref.conformance import at; print(at('numpy', 'sigmoid', 'float32', 'extended', 2.0, "
    )
    assert float(_printed(row, capsys)) == float(row.got)


# ---- what breaks ------------------------------------------------------------------------------------------------------------


def _reduced(link: str, gamma: float, precision: str) -> Callable[..., Any]:
    own = conformance.own_loss(link, gamma, precision)
    return lambda logits, targets: [own(logits, targets)[0][0], *own(logits, targets)[1:]]


def _widened(link: str, gamma: float, precision: str) -> Callable[..., Any]:
    own = conformance.own_loss(link, gamma, precision)
    return lambda logits, targets: [r.astype(np.float64) for r in own(logits, targets)]


def _lacking(link: str, gamma: float, precision: str) -> Callable[..., Any]:
    return lambda logits, targets: conformance.own_loss(link, gamma, precision)(logits, targets)[:2]


def _raising(link: str, gamma: float, precision: str) -> Callable[..., Any]:
    def loss(logits: Any, targets: Any) -> Any:
        if logits.dtype == np.float32:
            raise MemoryError("no room\nfor this")
        return conformance.own_loss(link, gamma, precision)(logits, targets)

    return loss


@pytest.mark.parametrize(
    ("subject", "reason"),
    [
        (_reduced, "TypeError: value: got float32 of shape (); expected float32 of shape ("),
        (_widened, "TypeError: value: got float64 of shape ("),
        (_lacking, "ValueError: zip()"),
        (_raising, "MemoryError: no room for this"),
    ],
)
def test_results_of_another_kind_break_the_backend(subject: Any, reason: str) -> None:
    """A single loss, another type (where any error is small), too few results, an exception: told in one line, not measured."""
    report = measure(["numpy"], ["sigmoid"], ["float32"], [0.0, 1.0], ["extended"], subject=subject)
    assert not report.passed
    assert report.rows == ()
    ((name, state, text),) = report.broken
    assert (name, state) == ("numpy", "broken")
    assert text.startswith(f"sigmoid, float32, extended, gamma 0: {reason}")


@pytest.mark.slow
def test_a_backend_that_fails_half_way_ends_no_run() -> None:
    """What was measured before stays, the backend is asked no more, and the others are measured to the end."""
    report = measure(["numpy", "dask"], ["sigmoid"], ["float16", "float32", "float64"], [1.0], ["native"], subject=_raising)
    assert [(row.backend, row.dtype) for row in report.rows[::3]] == [("numpy", "float16"), ("dask", "float16")]
    assert [status.name for status in report.broken] == ["numpy", "dask"]
    assert not report.passed


def _report_with(monkeypatch: pytest.MonkeyPatch, **states: backends.Status) -> None:
    survey = backends.survey

    def changed(names: Sequence[str] | None = None) -> tuple[backends.Status, ...]:
        return tuple(states.get(s.name, s) for s in survey(names))

    monkeypatch.setattr(backends, "survey", changed)


def test_a_broken_backend_fails_the_report_and_an_absent_one_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without names; by name, an absent one is an error, since it was asked for."""
    only = {name: backends.Status(name, "absent", "gone") for name in backends.NAMES if name != "numpy"}
    _report_with(monkeypatch, **only)
    report = measure(None, ["sigmoid"], ["float16"], [1.0])
    assert report.passed
    assert report.absent == tuple(only.values())
    with pytest.raises(backends.Unavailable, match=r"^torch: gone$"):
        measure(["torch"], ["sigmoid"], ["float16"], [1.0])
    _report_with(monkeypatch, torch=backends.Status("torch", "broken", "ImportError: libc"))
    for names in (None, ["numpy", "torch"]):
        report = measure(names, ["sigmoid"], ["float16"], [1.0])
        assert report.rows
        assert not report.passed
        assert report.broken == (backends.Status("torch", "broken", "ImportError: libc"),)


def test_nothing_measured_is_no_success() -> None:
    """A type that the only backend has not."""
    report = measure(["jax"], ["sigmoid"], ["float64"], [1.0])
    assert report.rows == ()
    assert not report.passed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"backends": ["tensorflow"]}, r"backends: got 'tensorflow'; expected one of 'numpy'"),
        ({"links": ["tanh"]}, r"links: got 'tanh'; expected one of 'sigmoid', 'softmax'"),
        ({"dtypes": ["float8"]}, r"dtypes: got 'float8'; expected one of 'float16'"),
        ({"precisions": ["double"]}, r"precisions: got 'double'; expected one of 'extended', 'native'"),
        ({"gammas": [2.0, -1.0]}, r"gammas: got -1.0; expected a number in \[0, 1000\]"),
        ({"gammas": [math.nan]}, r"gammas: got nan; expected"),
        ({"gammas": [1e9]}, r"gammas: got 1000000000.0; expected"),
        ({"gammas": ["2"]}, r"gammas: got '2'; expected"),
    ],
)
def test_what_cannot_be_measured_is_refused(arguments: dict[str, Any], message: str) -> None:
    """A wrong name is the caller's mistake, and no backend's."""
    with pytest.raises((ValueError, TypeError), match=f"^{message}"):
        measure(**{"backends": ["numpy"], "links": ["sigmoid"], "dtypes": ["float16"], "gammas": [1.0], **arguments})


# ---- the report -------------------------------------------------------------------------------------------------------------


def _numbers(data: Any) -> Iterator[float]:
    if isinstance(data, dict):
        data = list(data.values())
    if isinstance(data, list):
        for entry in data:
            yield from _numbers(entry)
    elif isinstance(data, float):
        yield data


def test_a_report_is_plain_data() -> None:
    """JSON without extensions, whatever went wrong; every row has what the contract names."""
    bug = PLANTED["a number for infinity"].subject
    report = measure(["numpy"], ["sigmoid"], ["float32"], [2.0, 9.0], subject=bug)
    data = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert all(math.isfinite(number) for number in _numbers(data))
    assert data["passed"] is False
    assert len(data["rows"]) == len(report.rows) == 12
    named = {"gamma", "quantity", "dtype", "max_ulp", "p99_ulp", "nan", "wrong_inf", "flushed", "worst", "bound", "passed"}
    assert named <= set(data["rows"][0])


@pytest.mark.slow
def test_progress_goes_from_none_to_all() -> None:
    """Steps only go forward, and the last call has them all."""
    calls: list[tuple[int, int, str]] = []
    measure(["numpy"], ["sigmoid"], ["float16", "float32"], [0.0, 1.0], progress=lambda *call: calls.append(call))
    assert calls[0][0] == 0
    steps = [call[0] for call in calls[1:]]
    assert steps == list(range(7))  # two γ in float16, and in float32 in either precision
    assert {call[1] for call in calls[1:]} == {6}
    assert "numpy: sigmoid, float16, extended, gamma 1" in [call[2] for call in calls]


@pytest.mark.slow
def test_forgetting_comes_after_each_type(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once for every link, type and precision, and only if asked for."""
    forgotten: list[int] = []
    made = backends.get("numpy")
    monkeypatch.setattr(backends, "get", lambda name: made._replace(forget=lambda: forgotten.append(1)))
    for forget, times in ((False, 0), (True, 3)):
        measure(["numpy"], ["sigmoid"], ["float16", "float32"], [0.0, 1.0], forget=forget)
        assert len(forgotten) == times


def test_one_point_is_what_the_grid_gave() -> None:
    """`at` takes a logit, or a row, and gives its results without the batch's axis."""
    value, grad, hess = conformance.at("numpy", "sigmoid", "float32", "extended", 2.0, 0.0, 1)
    assert (value.shape, grad.shape, hess.shape) == ((), (), ())
    assert float(value) == ulp.nearest(oracle.sigmoid(0, 1, 2).value, FLOAT32)
    value, grad, hess = conformance.at("numpy", "softmax", "float32", "extended", 2.0, [0.0, 1.0, 2.0], 0)
    assert (value.shape, grad.shape, hess.shape) == ((), (3,), (3,))
    exact = oracle.softmax([0, 1, 2], 0, 2)
    assert grad.tolist() == [ulp.nearest(g, FLOAT32) for g in exact.grad]


@pytest.mark.slow
def test_the_engine_is_as_before() -> None:
    """A backend's engine is its own matter, although several threads measure at once."""
    before = fr.engine()
    for _ in range(12):
        for name in ("numpy", *(["compiled"] if "compiled" in backends.installed() else [])):
            conformance.measure([name], ["softmax"], ["float32"], [2.0], ["extended"])
            assert fr.engine() == before

"""The grids reach what they are for: the tests of the test inputs."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest

from focal_ref import oracle
from focal_ref.conformance import grids, sampling, ulp

DTYPES = tuple(ulp.FORMATS)
by_dtype = pytest.mark.parametrize("dtype", DTYPES)
ROW_PURPOSES = {"spread", "tie", "ahead", "dominated", "shift", "faint", "extreme", "infinite", "nan"}
POINT_PURPOSES = set(grids.PURPOSES) - ROW_PURPOSES | {"extreme", "infinite", "nan"}


def points(dtype: str, purpose: str) -> Any:
    """The sigmoid grid's logits of one purpose."""
    grid = grids.sigmoid(dtype)
    return grid.logits[np.asarray(grid.purposes) == purpose]


def rows(dtype: str, classes: int, purpose: str) -> tuple[Any, Any]:
    """A softmax grid's rows of one purpose, and their targets."""
    (grid,) = grids.softmax(dtype, (classes,))
    chosen = np.asarray(grid.purposes) == purpose
    return grid.logits[chosen], grid.targets[chosen]


def margins(logits: Any, targets: Any) -> Any:
    """log(p/u) of the target class, by mpmath-free but careful float64."""
    at = np.arange(len(logits)), targets
    others = logits.copy()
    others[at] = -np.inf
    top = others.max(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        return logits[at] - top[:, 0] - np.log(np.exp(others - top).sum(axis=1))


@by_dtype
def test_every_point_is_exact_in_its_type(dtype: str) -> None:
    """Rounding a grid to its type changes nothing: the oracle and the code see the same logits."""
    for grid in (grids.sigmoid(dtype), *grids.softmax(dtype)):
        np.testing.assert_array_equal(grids.rounded(grid.logits, dtype), grid.logits)
        assert len(grid.targets) == len(grid.purposes) == len(grid.logits)


@by_dtype
def test_every_purpose_is_served(dtype: str) -> None:
    """Each purpose has points in the grid it belongs to, at every number of classes it makes sense for."""
    assert set(grids.PURPOSES) == POINT_PURPOSES | ROW_PURPOSES
    assert set(grids.sigmoid(dtype).purposes) == POINT_PURPOSES
    for n, grid in zip(grids.CLASSES, grids.softmax(dtype), strict=True):
        assert set(grid.purposes) == ROW_PURPOSES - ({"dominated"} if n == 2 else set())


@by_dtype
def test_grids_are_the_same_every_time(dtype: str) -> None:
    """Seeded: made twice, bit for bit the same, and nobody can change one by accident."""
    for make in (lambda: (grids.sigmoid(dtype),), lambda: grids.softmax(dtype)):
        first = make()
        grids.sigmoid.cache_clear()
        grids.softmax.cache_clear()
        for one, two in zip(first, make(), strict=True):
            np.testing.assert_array_equal(one.logits, two.logits)
            np.testing.assert_array_equal(one.targets, two.targets)
            assert one.purposes == two.purposes
            assert not one.logits.flags.writeable
            assert not one.targets.flags.writeable


@by_dtype
def test_both_classes_have_every_logit_once(dtype: str) -> None:
    """Each logit stands once with target 1 and once with target 0, and its negative too."""
    grid = grids.sigmoid(dtype)
    for target in (0, 1):
        logits = grid.logits[grid.targets == target]
        assert len(np.unique(logits)) == len(logits)
        np.testing.assert_array_equal(np.unique(logits), np.unique(-logits) + 0.0)
    assert len(grid.logits) < 9000


@by_dtype
def test_rows_are_not_repeated(dtype: str) -> None:
    """No row stands twice with one target, and no grid is larger than it may be."""
    for n, grid in zip(grids.CLASSES, grids.softmax(dtype), strict=True):
        found = {(row.tobytes(), int(t)) for row, t in zip(grid.logits, grid.targets, strict=True)}
        assert len(found) == len(grid.logits)
        assert len(grid.logits) <= grids.ROWS.get(n, 130)


@by_dtype
def test_extremes(dtype: str) -> None:
    """0, the smallest and the largest numbers, ±1e30 where it exists; infinities; NaN."""
    fmt = ulp.FORMATS[dtype]
    extreme = set(points(dtype, "extreme").tolist())
    assert {0.0, fmt.smallest, fmt.tiny, fmt.largest, -fmt.smallest, -fmt.tiny, -fmt.largest} <= extreme
    far = grids.rounded([1e30], dtype)[0]
    assert {far, -far} <= extreme or (dtype == "float16" and math.isinf(far))
    assert set(points(dtype, "infinite").tolist()) == {math.inf, -math.inf}
    assert np.isnan(points(dtype, "nan")).all()
    for n in grids.CLASSES:
        logits, _ = rows(dtype, n, "extreme")
        assert {fmt.largest, -fmt.largest} <= set(logits.ravel().tolist())
        infinite, at = rows(dtype, n, "infinite")
        counts = set(zip((infinite == np.inf).sum(axis=1).tolist(), np.isinf(infinite).sum(axis=1).tolist(), strict=True))
        assert len(counts) > 1, n
        assert set(np.isinf(infinite[np.arange(len(at)), at]).tolist()) == {True, False}
        assert np.isnan(rows(dtype, n, "nan")[0]).sum() == 1


@by_dtype
def test_saturation(dtype: str) -> None:
    """Logits where p rounds to 1 but u does not vanish, where u is subnormal, and where it is 0: in the type and the next."""
    for fmt in (ulp.FORMATS[dtype], ulp.FORMATS[grids.WIDER[dtype]]):
        finite = grids.sigmoid(dtype).logits
        finite = np.abs(finite[np.isfinite(finite)])
        lost, subnormal, gone = (fmt.digits + 1) * math.log(2), -math.log(fmt.tiny), math.log(2) - math.log(fmt.smallest)
        for low, high in itertools.pairwise((0.0, lost, subnormal, gone)):
            assert np.count_nonzero((finite > low) & (finite < high)) >= 20
        assert np.count_nonzero((finite > gone) & (finite < 4 * gone)) >= 3


@by_dtype
def test_subnormal_and_tiny_logits(dtype: str) -> None:
    """Subnormal logits of both signs, and logits of every magnitude."""
    fmt, finite = ulp.FORMATS[dtype], grids.sigmoid(dtype).logits
    finite = finite[np.isfinite(finite)]
    for sign in (1, -1):
        one_side = sign * finite
        assert np.count_nonzero((one_side > 0) & (one_side < fmt.tiny)) >= 3
        decades = np.sort(np.log10(one_side[one_side > 0]))
        assert np.diff(decades).max() < 6
        assert (decades[0], decades[-1]) == (math.log10(fmt.smallest), math.log10(fmt.largest))


THRESHOLDS = {
    "overflow": lambda fmt: math.log(fmt.largest),
    "subnormal": lambda fmt: -math.log(fmt.tiny),
    "the smallest": lambda fmt: -math.log(2) * (fmt.emin - fmt.digits + 1),
    "rounds to 0": lambda fmt: -math.log(2) * (fmt.emin - fmt.digits),
    "half an ULP of 1": lambda fmt: math.log(2) * fmt.digits,
    "a quarter of one": lambda fmt: math.log(2) * (fmt.digits + 1),
}


@pytest.mark.parametrize("name", THRESHOLDS)
@by_dtype
def test_every_threshold_of_exp(dtype: str, name: str) -> None:
    """Where exp, or its power 1 + γ, over- or underflows or is lost beside 1: the numbers on both sides, two of each."""
    have = {abs(x) for x in grids.sigmoid(dtype).logits.tolist()}
    for fmt in (ulp.FORMATS[dtype], ulp.FORMATS[grids.WIDER[dtype]]):
        for power in (1.0, *(1 + gamma for gamma in grids.GAMMAS)):
            edge = THRESHOLDS[name](fmt) / power
            around = grids.neighbours([edge], dtype, 2)
            assert len(around) == 5
            assert around[0] < edge < around[-1]
            assert set(around.tolist()) <= have, (fmt.name, power)


@by_dtype
def test_the_zero_of_the_second_derivative(dtype: str) -> None:
    """For every γ > 0 there are logits on both sides of the zero of φ'', and φ'' does change its sign there."""
    have = grids.sigmoid(dtype).logits
    for gamma in grids.GAMMAS[1:]:
        zero = grids.curvature_zero(gamma)
        around = grids.neighbours([zero], dtype)
        assert set(around.tolist()) <= set(have.tolist())
        assert oracle.sigmoid(float(around[0]), 1, gamma).hess < 0 < oracle.sigmoid(float(around[-1]), 1, gamma).hess
    assert math.isnan(grids.curvature_zero(0.0))


@by_dtype
def test_ties(dtype: str) -> None:
    """Two largest logits exactly equal, with the target one of them, and not; all equal too."""
    for n in grids.CLASSES:
        logits, targets = rows(dtype, n, "tie")
        top = logits.max(axis=1, keepdims=True)
        assert ((logits == top).sum(axis=1) >= 2).all()
        assert (logits == top).all(axis=1).any()
        among = {bool(row[t] == row.max()) for row, t in zip(logits, targets, strict=True)}
        assert among == ({True, False} if n > 2 else {True})


@by_dtype
def test_spreads(dtype: str) -> None:
    """Rows from 1e-3 to 700 wide (or as wide as the grid's size lets in); the target the largest, the smallest, or between."""
    for n in grids.CLASSES:
        logits, targets = rows(dtype, n, "spread")
        width = logits.max(axis=1) - logits.min(axis=1)
        assert width.max() >= 690
        assert np.count_nonzero(width > 1) >= 2
        places = {int(np.count_nonzero(row > row[t])) for row, t in zip(logits, targets, strict=True)}
        assert 0 in places
        assert max(places) > 0
        if n not in grids.ROWS:
            assert width.min() < 2e-3
            assert n - 1 in places


@by_dtype
def test_targets_far_ahead_and_far_behind(dtype: str) -> None:
    """Margins of both signs, past the point where p or u is lost beside 1, and past where it underflows."""
    fmt = ulp.FORMATS[dtype]
    for n in grids.CLASSES:
        margin = margins(*rows(dtype, n, "ahead"))
        assert margin.max() > fmt.digits * math.log(2)
        assert margin.min() < -fmt.digits * math.log(2)
        if n not in grids.ROWS:
            assert margin.max() > -math.log(fmt.smallest)
            assert margin.min() < math.log(fmt.smallest)


@by_dtype
def test_one_other_class_dominates(dtype: str) -> None:
    """Of the classes beside the target one has nearly all: 1 − q, computed as such, would be wrong or 0."""
    for n in grids.CLASSES[1:]:
        logits, targets = rows(dtype, n, "dominated")
        others = np.sort(np.where(np.arange(n) == targets[:, None], -np.inf, logits), axis=1)
        rest = np.exp(others[:, :-1] - others[:, -1:]).sum(axis=1)
        assert rest.min() < ulp.FORMATS[dtype].eps / 2, n
        assert rest.max() > rest.min()


@by_dtype
def test_shifts_make_differences_inexact(dtype: str) -> None:
    """In some rows x_j − max x is no number of the type, so that its rounding error has to be carried along."""
    for n in grids.CLASSES[1:]:
        inexact = 0
        for logits, _ in (rows(dtype, n, "shift"), rows(dtype, n, "spread"), rows(dtype, n, "dominated")):
            finite = logits[np.isfinite(logits).all(axis=1)]
            wide = finite.astype(np.longdouble)
            gap = wide - wide.max(axis=1, keepdims=True)
            near = np.abs(gap) < 700
            inexact += int(np.count_nonzero(near & (grids.rounded(gap.astype(np.float64), dtype) != gap)))
        assert inexact > 0, n


@by_dtype
def test_faint_others(dtype: str) -> None:
    """Others each below the smallest normal number whose sum counts, with the target the large one, and a small one."""
    fmt = ulp.FORMATS[dtype]
    for n in grids.CLASSES:
        logits, targets = rows(dtype, n, "faint")
        e = np.sort(np.exp(logits - logits.max(axis=1, keepdims=True)), axis=1)
        assert (e[:, :-1].max(axis=1) < 2 * fmt.tiny * max(1.0, 8 / n)).any()
        assert {bool(row[t] == row.max()) for row, t in zip(logits, targets, strict=True)} == {True, False}
        assert (e[:, :-1].sum(axis=1) > fmt.smallest).all()


def test_rounding_to_a_type() -> None:
    """`rounded` rounds to nearest, ties to even, in every type: checked against each type's own conversion."""
    ml_dtypes = pytest.importorskip("ml_dtypes")
    values = np.random.default_rng(3).normal(0.0, 1.0, 2000) * 10.0 ** np.random.default_rng(4).integers(-44, 39, 2000)
    values = np.concatenate([values, [0.0, math.inf, -math.inf, 1 + 2.0**-8, 1 + 3 * 2.0**-8, 3.39e38, 3.4e38]])
    for dtype in DTYPES:
        with np.errstate(over="ignore", under="ignore"):
            wanted = values.astype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype).astype(np.float64)
        np.testing.assert_array_equal(grids.rounded(values, dtype), wanted)
    assert np.isnan(grids.rounded([math.nan], "bfloat16")).all()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_every_number_of_16_bits(dtype: str) -> None:
    """65,536 of them, by bit pattern, every finite one different but for the two zeros."""
    every = grids.every(dtype)
    finite = every[np.isfinite(every)]
    assert every.size == 1 << 16
    assert np.unique(finite).size == finite.size - 1
    np.testing.assert_array_equal(grids.rounded(finite, dtype), finite)


@by_dtype
def test_neighbours_are_neighbours(dtype: str) -> None:
    """Nothing of the type lies between two of them; across 0 and the subnormals too."""
    fmt = ulp.FORMATS[dtype]
    for centre in (1.0, -1.0, 0.1, 0.0, fmt.tiny, fmt.smallest, 2 * fmt.smallest):
        found = grids.neighbours([centre], dtype)
        assert len(found) == 7
        between = (found[1:] + found[:-1]) / 2
        assert set(grids.rounded(between, dtype).tolist()) <= set(found.tolist()) or dtype == "float64"
        assert (np.diff(found) > 0).all()
    assert len(grids.neighbours([fmt.largest], dtype)) == 4


@pytest.mark.parametrize("link", ["sigmoid", "softmax"])
@pytest.mark.parametrize("most", [60, 160])
def test_a_few_points_are_of_every_purpose(link: str, most: int) -> None:
    """A loss that is called once a point, or whose exact results are slow, is asked at infinities, too; with both labels."""
    for grid in sampling.chosen(link, "float32", (2.0,), (2, 3, 10)):
        few = sampling.few(grid, most)
        assert len(few.logits) == min(most, len(grid.logits))
        assert set(few.purposes) == set(grid.purposes)
        if link == "sigmoid":
            assert 0.4 < few.targets.mean() < 0.6
            every = {
                (x, t) for x, t in zip(grid.logits[np.isinf(grid.logits)], grid.targets[np.isinf(grid.logits)], strict=True)
            }
            assert {(x, t) for x, t in zip(few.logits, few.targets, strict=True) if np.isinf(x)} == every

"""Every option: what a loss is as an object, and what each option does to value and derivatives."""

from __future__ import annotations

import ast
import copy
import dataclasses
import importlib
import itertools
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import focal_ref as fr
from focal_ref import oracle
from focal_ref.engine import precision

Floats = NDArray[np.float64]

SIGMOID, SOFTMAX = fr.SigmoidFocalLoss, fr.SoftmaxFocalLoss
KINDS: tuple[Any, ...] = (SIGMOID, SOFTMAX)
FUNCTIONS: dict[Any, Any] = {SIGMOID: fr.sigmoid_focal_loss, SOFTMAX: fr.softmax_focal_loss}
METHODS = ("value", "grad", "hessian_diag", "gamma_grad")

SOME: dict[Any, list[dict[str, Any]]] = {
    SIGMOID: [
        {},
        {"gamma": 0},
        {"gamma": (1.0, 2.0, 0.5), "alpha": 0.25},
        {"alpha": (0.25, 0.5, 1.0)},
        {"soft_targets": "quality", "reduction": "sum"},
        {"soft_targets": "expected", "alpha": 0.75, "precision": "native"},
    ],
    SOFTMAX: [
        {},
        {"gamma": 0.5},
        {"gamma": (1.0, 2.0), "alpha": 0.25},
        {"alpha": (0.25, 0.5, 1.0), "axis": 1},
        {"ignore_index": -100, "reduction": "mean"},
        {"label_smoothing": 0.125, "precision": "native"},
    ],
}
CASES = [pytest.param(kind, options, id=f"{kind.__name__}-{i}") for kind in KINDS for i, options in enumerate(SOME[kind])]

X = np.asarray([[1.5, -0.25, 0.0], [-2.0, 4.0, 3.0]])
LABELS, CLASSES = np.asarray([[1, 0, 1], [0, 0, 1]]), np.asarray([2, 0])


def _targets(kind: Any) -> Any:
    return CLASSES if kind is SOFTMAX else LABELS


# ---- a loss as an object ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_an_array_s_owner_cannot_change_a_loss(backend: Any, kind: Any) -> None:
    """γ and α given as arrays are what was checked, whatever becomes of the arrays; NumPy's can't be written to at all."""
    for name in ("gamma", "alpha"):
        mine = backend([1.0, 0.5, 0.25])
        loss = kind(**{name: mine})
        if "jax" not in backend.name and backend.name != "dask":  # they can't be written to
            mine[0] = -1.0
        np.testing.assert_array_equal(backend.numpy(getattr(loss, name)), [1.0, 0.5, 0.25])
        if isinstance(mine, np.ndarray):
            with pytest.raises(ValueError, match="read-only"):
                getattr(loss, name)[0] = -1.0
            assert getattr(dataclasses.replace(loss, reduction="sum"), name) is getattr(loss, name)
            view = np.broadcast_to(np.asarray(0.5), 3)
            assert getattr(kind(**{name: view}), name).base is None


@pytest.mark.parametrize(("kind", "options"), CASES)
def test_losses_are_values(kind: Any, options: dict[str, Any]) -> None:
    """Made twice, copied, pickled or read back from its repr, a loss is equal, with one hash; it is not with another
    option.
    """
    loss = kind(**options)
    read = eval(repr(loss), {kind.__name__: kind})
    for twin in (kind(**options), copy.deepcopy(loss), pickle.loads(pickle.dumps(loss)), dataclasses.replace(loss), read):
        assert twin == loss
        assert hash(twin) == hash(loss)
    others = [kind(**o) for o in SOME[kind] if o != options]
    assert not any(loss == other for other in others)
    assert len({loss, *others}) == len(others) + 1


def test_the_two_losses_are_never_equal() -> None:
    """Losses of two kinds, and a loss and anything else, are unequal."""
    assert SIGMOID() != SOFTMAX()
    assert SIGMOID() != "SigmoidFocalLoss()"


@pytest.mark.parametrize(("kind", "options"), CASES)
def test_losses_are_frozen(kind: Any, options: dict[str, Any]) -> None:
    """No option can be set or deleted after the loss is made, nor an attribute added."""
    loss = kind(**options)
    for field in (*dataclasses.fields(loss), None):
        name = field.name if field else "other"
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(loss, name, 1.0)
        with pytest.raises(dataclasses.FrozenInstanceError):
            delattr(loss, name)
    assert loss == kind(**options)


@pytest.mark.parametrize("kind", KINDS)
def test_replace_changes_one_option_and_checks_it(kind: Any) -> None:
    """dataclasses.replace gives a loss with another option, checked as when made."""
    loss = dataclasses.replace(kind(alpha=0.5), gamma=[1, 2])
    assert loss == kind(alpha=0.5, gamma=(1.0, 2.0))
    for name, wrong in (("gamma", -1.0), ("alpha", -0.5), ("reduction", "all"), ("precision", "double")):
        with pytest.raises(ValueError, match=rf"^{name}: got"):
            dataclasses.replace(loss, **{name: wrong})


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_become_floats_and_sequences_tuples(kind: Any) -> None:
    """Whatever number or sequence γ and α come as, what is kept is a float or a tuple of floats."""
    for two in (2, 2.0, np.float32(2), np.int64(2), np.asarray(2.0)):
        loss = kind(gamma=two)
        assert type(loss.gamma) is float
        assert loss == kind(gamma=2.0)
    for name, given in itertools.product(("gamma", "alpha"), ([0, 1], (0, 1), range(2), [np.float32(0), np.int8(1)])):
        kept = getattr(kind(**{name: given}), name)
        assert kept == (0.0, 1.0)
        assert [type(v) for v in kept] == [float, float]
        hash(kind(**{name: given}))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["gamma", "alpha"])
def test_arrays_are_kept(backend: Any, kind: Any, name: str) -> None:
    """An array γ or α stays an array of its type; a loss compares by its values and says why it has no hash."""
    array = backend([0.25, 1.0, 0.5])
    loss = kind(**{name: array})
    assert type(getattr(loss, name)) is type(array)
    assert getattr(loss, name).dtype == array.dtype
    assert loss == kind(**{name: array})
    of_another_type = backend([0.25, 1.0, 0.5], backend.dtypes[0] if backend.dtypes[0] != "float32" else "float64")
    for other in (backend([0.25, 1.0, 0.75]), backend([0.25, 1.0]), of_another_type, (0.25, 1.0, 0.5), 0.25):
        assert loss != kind(**{name: other})
    with pytest.raises(TypeError, match=rf"^unhashable: {name} is an array; give a number or a sequence for a hashable loss$"):
        hash(loss)
    if backend.name != "dask":  # its values are not there yet
        assert loss == kind(**{name: backend([0.25, 1.0, 0.5])})
        restored = pickle.loads(pickle.dumps(loss)) if backend.name != "array-api-strict" else loss
        np.testing.assert_array_equal(backend.numpy(getattr(restored, name)), [0.25, 1.0, 0.5])


@pytest.mark.slow
def test_a_loss_is_a_static_argument_under_jit() -> None:
    """JAX takes a loss as a static argument: an equal one doesn't compile again, and the result is the plain call's."""
    jax = importlib.import_module("jax")
    traced = []

    def of(loss: Any, x: Any, t: Any) -> Any:
        traced.append(loss)
        return loss(x, t)

    static = jax.jit(of, static_argnums=0)
    plain = jax.jit(SOFTMAX(gamma=1.5, alpha=(0.5, 1.0, 2.0)))
    x, t = jax.numpy.asarray(X, dtype="float32"), jax.numpy.asarray(CLASSES)
    results = [static(SOFTMAX(gamma=1.5, alpha=alpha), x, t) for alpha in ((0.5, 1.0, 2.0), [0.5, 1.0, 2.0])]
    assert len(traced) == 1
    for result in results:
        np.testing.assert_array_equal(np.asarray(result), np.asarray(plain(x, t)))
    with pytest.raises((TypeError, ValueError), match=r"unhashable|hashable"):
        static(SOFTMAX(gamma=jax.numpy.asarray([1.0, 2.0])), x, t)


# ---- functions and names ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "options"), CASES)
def test_the_functions_are_the_classes_value(backend: Any, kind: Any, options: dict[str, Any]) -> None:
    """Every option, weight and normalizer of the function gives the class's value bit for bit; so does calling the loss."""
    x, t, weight = backend(X), backend(_targets(kind)), backend([0.5, 0.0])
    if kind is SIGMOID:
        weight = weight[:, None]
    normalizer = None if options.get("reduction", "none") == "none" else 3.0
    loss = kind(**options)
    expected = backend.numpy(loss.value(x, t, weight, normalizer))
    for got in (FUNCTIONS[kind](x, t, weight=weight, normalizer=normalizer, **options), loss(x, t, weight, normalizer)):
        np.testing.assert_array_equal(backend.numpy(got), expected)


def test_functions_take_options_by_name_with_the_classes_defaults() -> None:
    """A function's keywords are its class's fields, with their defaults, and weight and normalizer."""
    inspect = importlib.import_module("inspect")
    for kind, function in FUNCTIONS.items():
        parameters = dict(inspect.signature(function).parameters)
        assert list(parameters)[:2] == ["logits", "targets"]
        options = {name: p.default for name, p in parameters.items() if p.kind is p.KEYWORD_ONLY}
        assert options == {**{f.name: f.default for f in dataclasses.fields(kind)}, "weight": None, "normalizer": None}


def test_options_come_in_the_contract_s_order() -> None:
    """By position too: γ, α, then what is each loss's own, then reduction and precision."""
    own = {SIGMOID: ["soft_targets", "ignore_index", "label_smoothing"], SOFTMAX: ["axis", "ignore_index", "label_smoothing"]}
    for kind in KINDS:
        names = [field.name for field in dataclasses.fields(kind)]
        assert names == ["gamma", "alpha", *own[kind], "reduction", "precision"]


def test_all_is_what_is_public() -> None:
    """`focal_ref.__all__` has what users are told of, exactly; the modules come when they are named."""
    losses = ["SigmoidFocalLoss", "SoftmaxFocalLoss", "sigmoid_focal_loss", "softmax_focal_loss", "SigmoidLoss", "SoftmaxLoss"]
    losses += ["ProbabilityLoss"]
    helpers = ["class_balanced_alpha", "gamma_for", "initial_bias", "inverse_frequency_alpha", "suggest"]
    corrections = ["minimiser", "optimal_constant", "posterior", "posterior_from_logits"]
    assert fr.__all__ == sorted([*losses, *helpers, *corrections, "engine", "family", "set_engine", "set_threads"])
    assert fr.__file__ is not None
    tree = ast.parse(Path(fr.__file__).read_text(encoding="utf-8"))
    imported = [alias.name for node in tree.body if isinstance(node, ast.ImportFrom) and node.level for alias in node.names]
    assert sorted(imported) == sorted(fr.__all__)
    assert all(callable(getattr(fr, name)) for name in fr.__all__ if name != "family")
    for name in ("conformance", "oracle", "ulp"):
        assert getattr(fr, name) is importlib.import_module(f"focal_ref.{name}")
        assert name in dir(fr)
    with pytest.raises(AttributeError, match="no attribute 'focal_loss'"):
        fr.focal_loss  # noqa: B018


# ---- α and γ ----------------------------------------------------------------------------------------------------------------


def _near(backend: Any, result: Any, exact: Any, scale: Any = None) -> None:
    """Within 0.51 ULP, or 12 where float32 is the widest type (the contract's ceiling is 8 at γ = 2; weighting adds a few)."""
    worst = float(backend.ulps(result, exact, scale).max())
    assert worst <= (0.51 if backend.widens("float32") else 12.0)


def _sigmoid_exact(gamma: Any, alpha: Any, name: str) -> tuple[list[Any], list[Any]]:
    gamma = np.broadcast_to(gamma, X.shape)
    alpha = np.full(X.shape, None) if alpha is None else np.broadcast_to(alpha, X.shape)
    cells = zip(X.ravel(), LABELS.ravel(), gamma.ravel(), alpha.ravel(), strict=True)
    return _parts([oracle.sigmoid(x, int(y), g, a, digits=30) for x, y, g, a in cells], name)


def _softmax_exact(gamma: Any, alpha: Any, name: str) -> tuple[list[Any], list[Any]]:
    gamma = np.broadcast_to(gamma, len(X))
    alpha = None if alpha is None else np.broadcast_to(alpha, 3).tolist()
    rows = zip(X.tolist(), CLASSES.tolist(), gamma, strict=True)
    return _parts([oracle.softmax(row, t, g, alpha, digits=30) for row, t, g in rows], name)


def _parts(results: list[Any], name: str) -> tuple[list[Any], list[Any]]:
    """A quantity, and what its errors are relative to, flat."""
    field = "hess" if name == "hessian_diag" else name
    flat = [v for r in results for v in (getattr(r, field) if isinstance(getattr(r, field), list) else [getattr(r, field)])]
    terms = [v for r in results for v in (r.hess_terms if isinstance(r.hess_terms, list) else [r.hess_terms])]
    return flat, terms if field == "hess" else [abs(v) for v in flat]


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("as_array", [False, True], ids=["plain", "array"])
@pytest.mark.parametrize("alpha", [None, 0.25, 0.0, 1.0, [0.25, 0.5, 0.75]], ids=str)
def test_sigmoid_s_alpha_weighs_positives(backend: Any, alpha: Any, as_array: bool, name: str) -> None:
    """Positives weigh α, negatives 1 − α, whether α is a number, one a label or an array; None leaves both at 1."""
    given = backend(np.asarray(alpha)) if as_array and alpha is not None else alpha
    got = getattr(SIGMOID(alpha=given), name)(backend(X), backend(LABELS))
    _near(backend, got, *_sigmoid_exact(2.0, alpha, name))


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("as_array", [False, True], ids=["plain", "array"])
@pytest.mark.parametrize("alpha", [None, 0.25, 3.0, [0.25, 2.0, 0.0]], ids=str)
def test_softmax_s_alpha_weighs_classes(backend: Any, alpha: Any, as_array: bool, name: str) -> None:
    """A row weighs its class's α, whether a factor for all, one a class or an array; a class of weight 0 gives exactly 0."""
    given = backend(np.asarray(alpha)) if as_array and alpha is not None else alpha
    got = getattr(SOFTMAX(alpha=given), name)(backend(X), backend(CLASSES))
    _near(backend, got, *_softmax_exact(2.0, alpha, name))
    if isinstance(alpha, list):
        assert not backend.numpy(got)[CLASSES == 2].any()


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("as_array", [False, True], ids=["plain", "array"])
@pytest.mark.parametrize("gamma", [0.5, [0.0, 0.5, 2.0], [[0.5], [2.0]], [[0.5, 1, 1.5], [2, 0, 5]]], ids=str)
def test_sigmoid_s_gamma_broadcasts(backend: Any, gamma: Any, as_array: bool, name: str) -> None:
    """γ is one number, one a label (a sequence or array), one a sample or one an element (arrays), in every method."""
    given = gamma if not as_array and np.ndim(gamma) < 2 else backend(np.asarray(gamma, float))
    got = getattr(SIGMOID(gamma=given), name)(backend(X), backend(LABELS))
    _near(backend, got, *_sigmoid_exact(gamma, None, name))


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("as_array", [False, True], ids=["plain", "array"])
@pytest.mark.parametrize("gamma", [0.5, [0.5], [0.0, 2.0]], ids=str)
def test_softmax_s_gamma_broadcasts_against_rows(backend: Any, gamma: Any, as_array: bool, name: str) -> None:
    """γ is one number or one a row, in every method; with rows of probabilities too."""
    given = backend(np.asarray(gamma)) if as_array else gamma
    loss = SOFTMAX(gamma=given)
    exact = _softmax_exact(gamma, None, name)
    _near(backend, getattr(loss, name)(backend(X), backend(CLASSES)), *exact)
    _near(backend, getattr(loss, name)(backend(X), backend(np.eye(3)[CLASSES])), *exact)


@pytest.mark.parametrize("kind", KINDS)
def test_native_precision_rounds_gamma_and_alpha_first(backend: Any, kind: Any) -> None:
    """precision="native" has the bits of a γ and α that are numbers of the type; extended in 16 bits does not round them."""
    gamma, alpha = 1.7, 0.3
    for dtype in backend.dtypes:
        rounded = {"gamma": precision.round_to(gamma, dtype), "alpha": precision.round_to(alpha, dtype)}
        x, t = backend(X, dtype), backend(_targets(kind))
        for name in METHODS:
            got, same = (
                getattr(kind(precision="native", **o), name)(x, t) for o in ({"gamma": gamma, "alpha": alpha}, rounded)
            )
            np.testing.assert_array_equal(backend.numpy(got), backend.numpy(same))
        if dtype == "bfloat16":
            wide, narrow = (kind(**o).value_and_grad(x, t)[1] for o in ({"gamma": gamma, "alpha": alpha}, rounded))
            assert (backend.numpy(wide) != backend.numpy(narrow)).any()


@pytest.mark.parametrize("kind", KINDS)
def test_where_nothing_wider_is_at_hand_both_precisions_are_one(backend: Any, kind: Any) -> None:
    """The same bits, of a γ and α that are numbers of the type: what `backend.settings` leaves out is there already."""
    options: dict[str, Any] = {"gamma": 1.5, "alpha": 0.25}
    for dtype in {dtype for dtype in backend.dtypes if (dtype, "native") not in backend.settings}:
        x = backend(X, dtype)
        for t, name in itertools.product((backend(_targets(kind)), backend(np.eye(3)[CLASSES] / 2 + 1 / 6, dtype)), METHODS):
            one, other = (getattr(kind(precision=way, **options), name)(x, t) for way in ("extended", "native"))
            np.testing.assert_array_equal(backend.numpy(one), backend.numpy(other), err_msg=f"{name} {dtype}")


# ---- axis, ignored rows, smoothing ------------------------------------------------------------------------------------------

BOX = np.linspace(-4, 4, 24).reshape(2, 3, 4) * np.asarray([1.0, -1.5, 0.25])[:, None]


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2, -3])
@pytest.mark.parametrize("soft", [False, True], ids=["classes", "rows"])
def test_classes_lie_along_any_axis(backend: Any, axis: int, soft: bool) -> None:
    """The results with the classes along any axis, counted from either end, are those with the classes last, moved there."""
    last = np.moveaxis(BOX, axis, -1)
    n = BOX.shape[axis]
    classes = np.arange(24 // n).reshape(last.shape[:-1]) % n
    rows = np.eye(n)[classes] * 0.75 + 0.25 / n
    t, t_last = (np.moveaxis(rows, -1, axis), rows) if soft else (classes, classes)
    v = np.cos(np.arange(24.0)).reshape(BOX.shape)
    here, there = SOFTMAX(alpha=tuple(0.5 + c for c in range(n)), axis=axis), SOFTMAX(alpha=tuple(0.5 + c for c in range(n)))
    got = [*here.value_grad_hess(backend(BOX), backend(t)), here.hvp(backend(BOX), backend(t), backend(v))]
    v_last = backend(np.moveaxis(v, axis, -1))
    expected = [*there.value_grad_hess(backend(last), backend(t_last)), there.hvp(backend(last), backend(t_last), v_last)]
    np.testing.assert_array_equal(backend.numpy(got[0]), backend.numpy(expected[0]))
    for a, b in zip(got[1:], expected[1:], strict=True):
        assert tuple(a.shape) == BOX.shape
        np.testing.assert_array_equal(np.moveaxis(backend.numpy(a), axis, -1), backend.numpy(b))


@pytest.mark.parametrize("ignored", [-100, -1, 1, 7])
@pytest.mark.parametrize("smoothing", [0.0, 0.25])
def test_ignored_rows_are_0_and_do_not_count(backend: Any, ignored: int, smoothing: float) -> None:
    """A row with ignore_index has loss and derivatives exactly 0, even if it is full of NaN; the mean is over the others."""
    x = np.concatenate([X, X[:1], [[np.nan] * 3], [[np.inf] * 3]])
    t = np.asarray([2, 0, ignored, ignored, ignored])
    loss = SOFTMAX(ignore_index=ignored, label_smoothing=smoothing, alpha=(0.5, 1.0, 2.0))
    bare = SOFTMAX(label_smoothing=smoothing, alpha=(0.5, 1.0, 2.0))
    given = backend(x), backend(t)
    kept = backend(X), backend(CLASSES)
    everything = (*loss.value_grad_hess(*given), loss.hvp(*given, backend(np.ones((5, 3)))), loss.gamma_grad(*given))
    alone = (*bare.value_grad_hess(*kept), bare.hvp(*kept, backend(np.ones((2, 3)))), bare.gamma_grad(*kept))
    for name, got, expected in zip(("value", "grad", "hess", "hvp", "gamma_grad"), everything, alone, strict=True):
        got = backend.numpy(got)
        np.testing.assert_array_equal(got[2:], np.zeros_like(got[2:]), err_msg=name)
        np.testing.assert_array_equal(got[:2], backend.numpy(expected), err_msg=name)
    for name in ("value", "grad", "gamma_grad"):
        mean, over_two = (dataclasses.replace(a, reduction="mean") for a in (loss, bare))
        got = backend.numpy(getattr(mean, name)(*given))
        np.testing.assert_array_equal(got[:2] if got.ndim else got, backend.numpy(getattr(over_two, name)(*kept)))


def test_the_mean_over_ignored_rows_alone_is_0(backend: Any) -> None:
    """With nothing left to count the mean is 0, not 0/0; so are its derivatives."""
    loss = SOFTMAX(ignore_index=-1, reduction="mean")
    for result in loss.value_grad_hess(backend(X), backend(np.asarray([-1, -1]))):
        np.testing.assert_array_equal(backend.numpy(result), np.zeros(tuple(result.shape)))


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"])
def test_every_integer_type_names_classes_and_labels(backend: Any, dtype: str) -> None:
    """Targets of every integer type the library has give the same bits."""
    if backend.name == "jax" and dtype.endswith("64"):
        pytest.skip("JAX without 64 bits has no such type")
    for kind in KINDS:
        loss = kind(alpha=0.5)
        got = loss.value_and_grad(backend(X), backend(_targets(kind), dtype))
        for a, b in zip(got, loss.value_and_grad(backend(X), backend(_targets(kind), "int32")), strict=True):
            np.testing.assert_array_equal(backend.numpy(a), backend.numpy(b))


def test_labels_come_as_bool_float_or_scalar(backend: Any) -> None:
    """bool arrays, floats of every type, and Python and NumPy scalars are the labels that integers are."""
    loss = SIGMOID(alpha=0.25)
    expected = backend.numpy(loss(backend(X), backend(LABELS)))
    np.testing.assert_array_equal(backend.numpy(loss(backend(X), backend(LABELS == 1))), expected)
    for dtype in backend.dtypes:
        np.testing.assert_array_equal(backend.numpy(loss(backend(X), backend(LABELS, dtype))), expected)
    for label in (0, 1):
        row = backend.numpy(loss(backend(X), backend(np.full(X.shape, label))))
        for scalar in (label, bool(label), float(label), np.int64(label), np.float32(label)):
            np.testing.assert_array_equal(backend.numpy(loss(backend(X), scalar)), row)
    np.testing.assert_array_equal(
        backend.numpy(loss(backend(X), 0.25)), backend.numpy(loss(backend(X), backend(np.full(X.shape, 0.25))))
    )
    column = backend.numpy(loss(backend(X), backend([[1], [0]])))
    np.testing.assert_array_equal(column, backend.numpy(loss(backend(X), backend(np.asarray([[1] * 3, [0] * 3])))))


@pytest.mark.parametrize("smoothing", [0.125, 0.3, 1.0])
@pytest.mark.parametrize("name", METHODS)
def test_smoothing_is_the_soft_row_spelled_out(backend: Any, name: str, smoothing: float) -> None:
    """label_smoothing=ε is the row (1 − ε) y + ε/C for classes and for rows, and is what the oracle has for that row."""
    loss = SOFTMAX(label_smoothing=smoothing)
    rows = np.eye(3)[CLASSES]
    eps = smoothing if backend.widens("float32") else float(np.float32(smoothing))
    smoothed = [[(1 - eps) * y + eps / 3 for y in row] for row in rows.tolist()]
    exact = _parts([oracle.softmax(row, y, 2.0, digits=30) for row, y in zip(X.tolist(), smoothed, strict=True)], name)
    scale = exact[1]
    if name == "grad":
        results = [oracle.softmax(row, y, 2.0, digits=30) for row, y in zip(X.tolist(), smoothed, strict=True)]
        scale = [v for r in results for v in r.grad_terms]
    for targets in (CLASSES, rows):
        _near(backend, getattr(loss, name)(backend(X), backend(targets)), exact[0], scale)


# ---- weight -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_weight_multiplies_each_loss(backend: Any, kind: Any) -> None:
    """A weight of a power of two multiplies value and derivatives exactly: a number, one a row, or one an element."""
    x, t = backend(X), backend(_targets(kind))
    column = np.asarray([[0.5], [4.0]])
    shapes = [2.0, np.asarray([0.5, 4.0]) if kind is SOFTMAX else column]
    if kind is SIGMOID:
        shapes += [np.asarray([0.5, 1.0, 2.0]), np.asarray([[1.0, 2.0, 4.0], [0.5, 0.25, 8.0]]), np.asarray([1, 2, 4])]
    loss = kind(gamma=1.5)
    plain = [*loss.value_grad_hess(x, t), loss.hvp(x, t, 1.5), loss.gamma_grad(x, t)]
    for weight in shapes:
        given = backend(weight) if isinstance(weight, np.ndarray) else weight
        weighted = [
            *loss.value_grad_hess(x, t, given),
            loss.hvp(x, t, 1.5, given),
            loss.gamma_grad(x, t, given),
        ]
        for a, b in zip(weighted, plain, strict=True):
            factor = np.asarray(weight)
            if kind is SOFTMAX and len(b.shape) == 2 and factor.ndim:
                factor = factor[:, None]
            np.testing.assert_array_equal(backend.numpy(a), backend.numpy(b) * factor)


WILD = np.asarray([np.inf, -np.inf, np.nan, 1e30, -1e30, 3.0])


@pytest.mark.parametrize("as_array", [False, True], ids=["number", "array"])
@pytest.mark.parametrize("soft", [False, True], ids=["hard", "soft"])
def test_a_zero_weight_wins_over_inf_and_nan(backend: Any, soft: bool, as_array: bool) -> None:
    """Where the weight is 0, loss and every derivative are exactly 0, though the loss is inf or NaN."""
    rows = np.stack([WILD, np.zeros(6), -WILD], axis=1)
    sides: list[tuple[Any, Any, Any]] = [
        (SIGMOID(), backend(WILD), backend(np.full(6, 0.25) if soft else np.zeros(6, int))),
        (SOFTMAX(), backend(rows), backend(np.full((6, 3), [0.5, 0.25, 0.25]) if soft else np.zeros(6, int))),
    ]
    for loss, x, t in sides:
        assert not np.isfinite(backend.numpy(loss(x, t))).all()
        weight = backend(np.zeros(6)) if as_array else 0.0
        for name in METHODS:
            result = backend.numpy(getattr(loss, name)(x, t, weight))
            np.testing.assert_array_equal(result, np.zeros_like(result))
        product = backend.numpy(loss.hvp(x, t, 1.0, weight))
        np.testing.assert_array_equal(product, np.zeros_like(product))
        total = dataclasses.replace(loss, reduction="sum")(x, t, weight)
        assert float(backend.numpy(total)) == 0


def test_a_zero_weight_is_no_others(backend: Any) -> None:
    """Elements of other weights keep their infinite loss."""
    got = backend.numpy(SIGMOID()(backend([-np.inf, -np.inf]), 1, backend([0.0, 1.0])))
    np.testing.assert_array_equal(got, [0.0, np.inf])


@pytest.mark.parametrize("alpha", [0.25, 0.3, 0.007, 1e-6, 0.97])
def test_alpha_weighs_both_classes_to_the_last_bit(backend: Any, alpha: float) -> None:
    """In native float32 a loss is the bare one times α, or times 1 − α, rounded to float32; however small α is.

    A compiled loop weighs in float64, and rounds the product once.
    """
    x, y = backend(np.linspace(-4.0, 4.0, 16), "float32"), backend(np.arange(16) % 2)
    narrow = np.float32(alpha)
    got = backend.numpy(SIGMOID(alpha=alpha, precision="native")(x, y)).astype(np.float32)
    if backend.name == "compiled":
        due = SIGMOID(alpha=float(narrow))(np.linspace(-4.0, 4.0, 16).astype(np.float32).astype(np.float64), y)
        np.testing.assert_array_equal(got, due.astype(np.float32), strict=True)
        return
    bare = backend.numpy(SIGMOID(precision="native")(x, y)).astype(np.float32)
    weights = np.where(np.arange(16) % 2 == 1, narrow, np.float32(1 - float(narrow)))
    np.testing.assert_array_equal(got, bare * weights, strict=True)


def test_a_soft_target_s_class_weight_does_not_cancel(backend: Any) -> None:
    """α y + (1 − α)(1 − y), next to y = 1 with a small α, to two ULP of float32 in the loss."""
    alpha, y = 2.0**-12, float(np.float32(0.99987))
    x = backend(np.linspace(-2.0, 2.0, 9), "float32")
    bare = backend.numpy(SIGMOID(precision="native")(x, y)).astype(np.float64)
    got = backend.numpy(SIGMOID(alpha=alpha, precision="native")(x, y))
    expected = bare * (alpha * y + (1 - alpha) * (1 - y))
    assert (np.abs(got - expected) <= 2 * np.spacing(expected.astype(np.float32))).all()

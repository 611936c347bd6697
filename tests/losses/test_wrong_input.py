"""Wrong input is refused in words; where values cannot be seen, it gives NaN in its own row, and never a wrong number."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pytest

import focal_ref as fr

SIGMOID, SOFTMAX = fr.SigmoidFocalLoss, fr.SoftmaxFocalLoss
FUNCTIONS = {SIGMOID: fr.sigmoid_focal_loss, SOFTMAX: fr.softmax_focal_loss}
BOTH = (SIGMOID, SOFTMAX)

SEES_VALUES = ("numpy", "compiled", "array-api-strict", "torch", "jax", "jax-x64")
"""Backends whose arrays lie on the host, computed: their values are checked."""


# ---- options ----------------------------------------------------------------------------------------------------------------


class Option(NamedTuple):
    """An option that is refused when the loss is made."""

    classes: tuple[Any, ...]
    name: str
    value: Any
    error: type[Exception]
    came: str
    accepted: str


_GAMMA = "a finite number ≥ 0"
_SHARE = "in [0, 1]"
_REDUCTIONS = "'none', 'mean', 'sum'"

OPTIONS = (
    Option(BOTH, "gamma", -1.0, ValueError, "-1.0", _GAMMA),
    Option(BOTH, "gamma", float("nan"), ValueError, "nan", _GAMMA),
    Option(BOTH, "gamma", float("inf"), ValueError, "inf", _GAMMA),
    Option(BOTH, "gamma", 10**400, ValueError, "1000", _GAMMA),
    Option(BOTH, "gamma", "2", TypeError, "'2'", _GAMMA),
    Option(BOTH, "gamma", b"2", TypeError, "b'2'", _GAMMA),
    Option(BOTH, "gamma", None, TypeError, "None", _GAMMA),
    Option(BOTH, "gamma", True, TypeError, "True", _GAMMA),
    Option(BOTH, "gamma", 2j, TypeError, "2j", _GAMMA),
    Option(BOTH, "gamma", {1.0, 2.0}, TypeError, "set", _GAMMA),
    Option(BOTH, "gamma", [], ValueError, "empty", _GAMMA),
    Option(BOTH, "gamma", [1.0, -2.0], ValueError, "-2.0", _GAMMA),
    Option(BOTH, "gamma", [1.0, "2"], TypeError, "'2'", _GAMMA),
    Option(BOTH, "gamma", [[1.0, 2.0]], TypeError, "[1.0, 2.0]", _GAMMA),
    Option(BOTH, "gamma", np.float32(-1.5), ValueError, "-1.5", _GAMMA),
    Option(BOTH, "gamma", np.asarray(-1.5), ValueError, "-1.5", _GAMMA),
    Option(BOTH, "gamma", np.asarray([1.0, -1.5]), ValueError, "-1.5", _GAMMA),
    Option(BOTH, "gamma", np.asarray([1.0, np.nan]), ValueError, "nan", _GAMMA),
    Option(BOTH, "gamma", np.asarray([1.0, np.inf]), ValueError, "inf", _GAMMA),
    Option(BOTH, "gamma", np.asarray("a"), TypeError, "<U1", _GAMMA),
    Option(BOTH, "gamma", np.asarray(1j), TypeError, "complex128", _GAMMA),
    Option(BOTH, "gamma", np.asarray(["a"]), TypeError, "<U1", _GAMMA),
    Option((SIGMOID,), "alpha", 1.5, ValueError, "1.5", _SHARE),
    Option((SIGMOID,), "alpha", -0.25, ValueError, "-0.25", _SHARE),
    Option((SIGMOID,), "alpha", float("nan"), ValueError, "nan", _SHARE),
    Option((SIGMOID,), "alpha", "0.25", TypeError, "'0.25'", _SHARE),
    Option((SIGMOID,), "alpha", False, TypeError, "False", _SHARE),
    Option((SIGMOID,), "alpha", (0.25, 2.0), ValueError, "2.0", _SHARE),
    Option((SIGMOID,), "alpha", np.asarray([0.25, 2.0]), ValueError, "2.0", _SHARE),
    Option((SOFTMAX,), "alpha", -1.0, ValueError, "-1.0", _GAMMA),
    Option((SOFTMAX,), "alpha", float("inf"), ValueError, "inf", _GAMMA),
    Option((SOFTMAX,), "alpha", "balanced", TypeError, "'balanced'", _GAMMA),
    Option((SOFTMAX,), "alpha", (), ValueError, "empty", _GAMMA),
    Option((SOFTMAX,), "alpha", [1.0, -2.0, 1.0], ValueError, "-2.0", _GAMMA),
    Option((SOFTMAX,), "alpha", np.asarray([1.0, -2.0]), ValueError, "-2.0", _GAMMA),
    Option((SIGMOID,), "soft_targets", "mean", ValueError, "'mean'", "'mix', 'expected', 'quality'"),
    Option((SIGMOID,), "soft_targets", None, ValueError, "None", "'mix', 'expected', 'quality'"),
    Option(BOTH, "reduction", "average", ValueError, "'average'", _REDUCTIONS),
    Option(BOTH, "reduction", None, ValueError, "None", _REDUCTIONS),
    Option(BOTH, "reduction", True, ValueError, "True", _REDUCTIONS),
    Option(BOTH, "precision", "double", ValueError, "'double'", "'extended', 'native'"),
    Option(BOTH, "precision", 64, ValueError, "64", "'extended', 'native'"),
    Option((SOFTMAX,), "axis", 1.0, TypeError, "1.0", "an integer"),
    Option((SOFTMAX,), "axis", None, TypeError, "None", "an integer"),
    Option((SOFTMAX,), "axis", True, TypeError, "True", "an integer"),
    Option((SOFTMAX,), "axis", (0, 1), TypeError, "(0, 1)", "an integer"),
    Option((SOFTMAX,), "ignore_index", 1.5, TypeError, "1.5", "an integer or None"),
    Option((SOFTMAX,), "ignore_index", "none", TypeError, "'none'", "an integer or None"),
    Option((SOFTMAX,), "ignore_index", False, TypeError, "False", "an integer or None"),
    Option((SOFTMAX,), "label_smoothing", -0.1, ValueError, "-0.1", _SHARE),
    Option((SOFTMAX,), "label_smoothing", 1.5, ValueError, "1.5", _SHARE),
    Option((SOFTMAX,), "label_smoothing", float("nan"), ValueError, "nan", _SHARE),
    Option((SOFTMAX,), "label_smoothing", "0.1", TypeError, "'0.1'", _SHARE),
    Option((SOFTMAX,), "label_smoothing", None, TypeError, "None", _SHARE),
    Option((SOFTMAX,), "label_smoothing", True, TypeError, "True", _SHARE),
)


@pytest.mark.parametrize(
    ("kind", "case"),
    [
        pytest.param(kind, case, id=f"{kind.__name__}-{case.name}-{case.came}-{type(case.value).__name__}")
        for case in OPTIONS
        for kind in case.classes
    ],
)
def test_a_wrong_option_is_refused_in_words(kind: Any, case: Option) -> None:
    """Class and function refuse alike: the message names the option, what came, and what is accepted."""
    logits, targets = np.zeros((2, 3)), np.asarray([0, 1])
    makers: list[Callable[..., object]] = [kind, functools.partial(FUNCTIONS[kind], logits, targets)]
    for make in makers:
        with pytest.raises(case.error) as refusal:
            make(**{case.name: case.value})
        _names(refusal.value, case.name, case.came, case.accepted)


def _names(refusal: Exception, name: str, came: str, accepted: str) -> None:
    head, _, tail = str(refusal).partition("; ")
    assert head.startswith(name), str(refusal)
    assert came in head, str(refusal)
    assert accepted in tail, str(refusal)


# ---- arguments --------------------------------------------------------------------------------------------------------------


class Argument(NamedTuple):
    """An argument that is refused by a call; the others are right."""

    kind: Any
    name: str
    make: Callable[[Any], Any]
    error: type[Exception]
    came: str
    accepted: str
    options: Mapping[str, Any] = MappingProxyType({})
    seen: bool = False
    """Whether the fault lies in the values, which a lazy array or one on another device does not show."""


ROWS = [[0.5, 0.25, 0.25], [0.0, 1.0, 0.0]]
_FLOATS = "floating-point array (float16, bfloat16, float32, float64)"
_LABELS = "0, 1, bool or floats in [0, 1] that broadcast to the logits' shape (2, 3)"
_CLASSES = "integer classes in [0, 3) of shape (2,), or rows of probabilities (floats) of the logits' shape (2, 3)"
_FACTOR = "a real number or a real array that broadcasts to the shape"
_SUM = {"reduction": "sum"}
_POSITIVE = "a positive number or a 0-d array of the logits' library, with reduction='sum' or 'mean'"

ARGUMENTS = {
    "logits list": Argument(SIGMOID, "logits", lambda _: [0.0, 1.0], TypeError, "list [0.0, 1.0]", _FLOATS),
    "logits number": Argument(SIGMOID, "logits", lambda _: 0.5, TypeError, "0.5", _FLOATS),
    "logits none": Argument(SOFTMAX, "logits", lambda _: None, TypeError, "None", _FLOATS),
    "logits masked": Argument(SOFTMAX, "logits", lambda _: np.ma.ones((2, 3)), TypeError, "MaskedArray", _FLOATS),
    "logits integers": Argument(SIGMOID, "logits", lambda b: b(np.zeros((2, 3), int), "int32"), TypeError, "int32", _FLOATS),
    "logits bool": Argument(SOFTMAX, "logits", lambda b: b(np.zeros((2, 3), bool), "bool"), TypeError, "bool", _FLOATS),
    "logits complex": Argument(SIGMOID, "logits", lambda b: b([[1j] * 3] * 2, "complex64"), TypeError, "complex64", _FLOATS),
    "logits without axes": Argument(SOFTMAX, "axis", lambda b: b([1.0])[0], ValueError, "-1", "an axis of the logits"),
    "axis": Argument(SOFTMAX, "axis", lambda b: b(np.zeros((2, 3))), ValueError, "2", "an axis of the logits", {"axis": 2}),
    "one class": Argument(SOFTMAX, "logits", lambda b: b([[0.0], [1.0]]), ValueError, "1 class", "two classes or more"),
    "no class": Argument(SOFTMAX, "logits", lambda b: b(np.zeros((2, 0))), ValueError, "0 class", "two classes or more"),
    "labels none": Argument(SIGMOID, "targets", lambda _: None, TypeError, "None", _LABELS),
    "labels list": Argument(SIGMOID, "targets", lambda _: [0, 1, 0], TypeError, "list [0, 1, 0]", _LABELS),
    "labels text": Argument(SIGMOID, "targets", lambda _: "1", TypeError, "'1'", _LABELS),
    "labels imaginary": Argument(SIGMOID, "targets", lambda _: 1j, TypeError, "1j", _LABELS),
    "labels complex": Argument(SIGMOID, "targets", lambda b: b([1j] * 3, "complex64"), TypeError, "complex64", _LABELS),
    "labels number": Argument(SIGMOID, "targets", lambda _: 2, ValueError, "2", _LABELS),
    "labels huge number": Argument(SIGMOID, "targets", lambda _: 10**400, ValueError, "1000", _LABELS),
    "labels negative": Argument(SIGMOID, "targets", lambda _: -0.5, ValueError, "-0.5", _LABELS),
    "labels numpy number": Argument(SIGMOID, "targets", lambda _: np.float64(1.5), ValueError, "1.5", _LABELS),
    "labels too long": Argument(SIGMOID, "targets", lambda b: b([0, 1, 1, 0], "int32"), ValueError, "(4,)", _LABELS),
    "labels too deep": Argument(SIGMOID, "targets", lambda b: b(np.ones((1, 2, 3))), ValueError, "(1, 2, 3)", _LABELS),
    "labels minus one": Argument(SIGMOID, "targets", lambda b: b([1, 0, -1], "int32"), ValueError, "-1", _LABELS, seen=True),
    "labels two": Argument(SIGMOID, "targets", lambda b: b([0, 2, 1], "uint8"), ValueError, "2", _LABELS, seen=True),
    "labels over one": Argument(SIGMOID, "targets", lambda b: b([0.0, 1.0, 1.5]), ValueError, "1.5", _LABELS, seen=True),
    "labels infinite": Argument(SIGMOID, "targets", lambda b: b([0.0, np.inf, 1]), ValueError, "inf", _LABELS, seen=True),
    "classes number": Argument(SOFTMAX, "targets", lambda _: 1, TypeError, "1", _CLASSES),
    "classes list": Argument(SOFTMAX, "targets", lambda _: [0, 1], TypeError, "list [0, 1]", _CLASSES),
    "classes bool": Argument(SOFTMAX, "targets", lambda b: b(np.ones(2, bool), "bool"), TypeError, "bool", _CLASSES),
    "classes too many": Argument(SOFTMAX, "targets", lambda b: b([0, 1, 2], "int32"), ValueError, "(3,)", _CLASSES),
    "classes column": Argument(SOFTMAX, "targets", lambda b: b([[0], [1]], "int32"), ValueError, "(2, 1)", _CLASSES),
    "classes one-hot": Argument(SOFTMAX, "targets", lambda b: b(np.eye(3)[:2], "int32"), ValueError, "(2, 3)", _CLASSES),
    "classes beyond": Argument(SOFTMAX, "targets", lambda b: b([0, 3], "int32"), ValueError, "3", _CLASSES, seen=True),
    "classes byte beyond": Argument(SOFTMAX, "targets", lambda b: b([0, 255], "uint8"), ValueError, "255", _CLASSES, seen=True),
    "classes -100": Argument(SOFTMAX, "targets", lambda b: b([-100, 1], "int32"), ValueError, "-100", _CLASSES, seen=True),
    "classes not ignored": Argument(
        SOFTMAX, "targets", lambda b: b([-1, -2], "int32"), ValueError, "-2", _CLASSES, {"ignore_index": -1}, seen=True
    ),
    "classes in floats": Argument(SOFTMAX, "targets", lambda b: b([0.0, 1.0]), ValueError, "float32", _CLASSES),
    "rows negative": Argument(
        SOFTMAX, "targets", lambda b: b([[1.5, -0.5, 0.0], ROWS[1]]), ValueError, "1.5", _CLASSES, seen=True
    ),
    "rows multi-hot": Argument(
        SOFTMAX, "targets", lambda b: b([ROWS[0], [1.0, 1.0, 0.0]]), ValueError, "2.0", "rows that sum to 1", seen=True
    ),
    "rows and ignore_index": Argument(
        SOFTMAX, "ignore_index", lambda b: b(ROWS), ValueError, "1", "integer targets", {"ignore_index": 1}
    ),
    "gamma too long": Argument(SIGMOID, "gamma", lambda _: (1.0, 2.0), ValueError, "(2,)", _FACTOR + " (2, 3)"),
    "gamma a class": Argument(SOFTMAX, "gamma", lambda b: b([1.0, 2.0, 3.0]), ValueError, "(3,)", _FACTOR + " (2,)"),
    "gamma too deep": Argument(SIGMOID, "gamma", lambda b: b(np.ones((1, 2, 3))), ValueError, "(1, 2, 3)", _FACTOR),
    "alpha too long": Argument(SOFTMAX, "alpha", lambda _: (1.0, 2.0, 3.0, 4.0), ValueError, "(4,)", _FACTOR + " (3,)"),
    "alpha a row": Argument(SOFTMAX, "alpha", lambda b: b(np.ones((2, 1))), ValueError, "(2, 1)", _FACTOR + " (3,)"),
    "alpha a label": Argument(SIGMOID, "alpha", lambda b: b([0.5, 0.5]), ValueError, "(2,)", _FACTOR + " (2, 3)"),
    "weight list": Argument(SIGMOID, "weight", lambda _: [1, 2, 3], TypeError, "list [1, 2, 3]", _FACTOR),
    "weight text": Argument(SOFTMAX, "weight", lambda _: "balanced", TypeError, "'balanced'", _FACTOR),
    "weight too long": Argument(SIGMOID, "weight", lambda b: b(np.ones(4)), ValueError, "(4,)", _FACTOR + " (2, 3)"),
    "weight a class": Argument(SOFTMAX, "weight", lambda b: b(np.ones(3)), ValueError, "(3,)", _FACTOR + " (2,)"),
    "weight complex": Argument(SIGMOID, "weight", lambda b: b([1j] * 3, "complex64"), TypeError, "complex64", _FACTOR),
    "normalizer and none": Argument(SIGMOID, "normalizer", lambda _: 2.0, ValueError, "reduction='none'", _POSITIVE),
    "normalizer zero": Argument(SOFTMAX, "normalizer", lambda _: 0, ValueError, "0", _POSITIVE, _SUM),
    "normalizer negative": Argument(SIGMOID, "normalizer", lambda _: -2.0, ValueError, "-2.0", _POSITIVE, _SUM),
    "normalizer NaN": Argument(SIGMOID, "normalizer", lambda _: float("nan"), ValueError, "nan", _POSITIVE, _SUM),
    "normalizer numpy number": Argument(SIGMOID, "normalizer", lambda _: np.float64(-2.5), ValueError, "-2.5", _POSITIVE, _SUM),
    "normalizer 0-d": Argument(SIGMOID, "normalizer", lambda b: b([-2.5])[0], ValueError, "-2.5", _POSITIVE, _SUM, seen=True),
    "normalizer text": Argument(SOFTMAX, "normalizer", lambda _: "3", TypeError, "'3'", "", _SUM),
    "normalizer vector": Argument(SIGMOID, "normalizer", lambda b: b([1.0]), ValueError, "(1,)", "", _SUM),
    "tangent none": Argument(SOFTMAX, "tangent", lambda _: None, TypeError, "None", _FACTOR + " (2, 3)"),
    "tangent list": Argument(SIGMOID, "tangent", lambda _: [1.0, 0.0], TypeError, "list [1.0, 0.0]", _FACTOR),
    "tangent too long": Argument(SOFTMAX, "tangent", lambda b: b(np.ones(4)), ValueError, "(4,)", _FACTOR + " (2, 3)"),
}


@pytest.mark.parametrize("case", ARGUMENTS.values(), ids=ARGUMENTS)
def test_a_wrong_argument_is_refused_in_words(backend: Any, case: Argument) -> None:
    """Every library's arrays are checked alike: the message names the argument, what came, and what is accepted."""
    if case.seen and backend.name not in SEES_VALUES:
        _call(backend, case)  # what cannot be seen is not refused; the tests further down say what comes of it
        return
    with pytest.raises(case.error) as refusal:
        _call(backend, case)
    _names(refusal.value, case.name, case.came, case.accepted)


def _call(backend: Any, case: Argument) -> None:
    given: Any = case.make(backend)
    options, arguments = dict(case.options), {}
    logits = given if case.name in ("logits", "axis") else backend(np.zeros((2, 3)))
    targets = backend([0, 1], "int32") if case.kind is SOFTMAX else backend([0, 1, 0], "int32")
    if case.name in ("targets", "ignore_index"):
        targets = given
    elif case.name in ("gamma", "alpha"):
        options[case.name] = given
    elif case.name in ("weight", "normalizer"):
        arguments[case.name] = given
    loss = case.kind(**options)
    if case.name == "tangent":
        loss.hvp(logits, targets, given)
    else:
        loss(logits, targets, **arguments)


def test_there_are_forty_cases_and_more() -> None:
    """The two tables hold what they promise, with every option and argument there is."""
    assert len(OPTIONS) + len(ARGUMENTS) >= 100
    named = {case.name for case in OPTIONS} | {case.name for case in ARGUMENTS.values()}
    options = {"gamma", "alpha", "soft_targets", "axis", "ignore_index", "label_smoothing", "reduction", "precision"}
    assert named == options | {"logits", "targets", "weight", "normalizer", "tangent"}


METHODS: dict[str, Callable[[Any], Callable[[Any, Any], Any]]] = {
    "value": lambda loss: loss.value,
    "call": lambda loss: loss,
    "grad": lambda loss: loss.grad,
    "hessian_diag": lambda loss: loss.hessian_diag,
    "gamma_grad": lambda loss: loss.gamma_grad,
    "hvp": lambda loss: lambda x, t: loss.hvp(x, t, x),
    "value_and_grad": lambda loss: lambda x, t: loss.value_and_grad(x, t)[1],
    "value_grad_hess": lambda loss: lambda x, t: loss.value_grad_hess(x, t)[2],
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", BOTH)
def test_every_method_checks(kind: Any, method: str) -> None:
    """No way in goes past the checks."""
    logits = np.zeros((2, 3))
    with pytest.raises(ValueError, match=r"targets: got .*7.*expected"):
        METHODS[method](kind())(logits, np.full((2,) if kind is SOFTMAX else (2, 3), 7))


def test_functions_refuse_wrong_arguments_too() -> None:
    """The functions go through the same doors."""
    with pytest.raises(TypeError, match=r"logits: got list .*expected a floating-point array"):
        fr.sigmoid_focal_loss([0.0], 1)
    with pytest.raises(ValueError, match=r"targets: got 3 .*expected integer classes in \[0, 3\)"):
        fr.softmax_focal_loss(np.zeros((2, 3)), np.asarray([0, 3]))
    with pytest.raises(ValueError, match=r"weight: got .*\(2,\).*\(2, 3\)"):
        fr.sigmoid_focal_loss(np.zeros((2, 3)), 1, weight=np.ones(2))


# ---- companions of another library or device --------------------------------------------------------------------------------


def _foreign(backend: Any, values: Any) -> Any:
    """An array of a library that is not the backend's."""
    if backend.name in ("numpy", "compiled"):
        return importlib.import_module("array_api_strict").asarray(np.asarray(values))
    return np.asarray(values)


@pytest.mark.parametrize("name", ["targets", "weight", "gamma", "tangent"])
def test_another_library_s_array_is_refused(backend: Any, name: str) -> None:
    """Nothing is carried from one library to another behind one's back: both are named."""
    given: dict[str, Any] = {"targets": backend([0, 1, 1], "int32"), "weight": 1.0, "gamma": 2.0, "tangent": 1.0}
    given[name] = _foreign(backend, [0.0, 1.0, 1.0])
    with pytest.raises(TypeError, match=rf"^{name}: got .*(array_api_strict|numpy); expected an array of the logits' library"):
        fr.SigmoidFocalLoss(gamma=given["gamma"]).hvp(
            backend(np.zeros((2, 3))), given["targets"], given["tangent"], given["weight"]
        )


@pytest.mark.parametrize("name", ["targets", "weight", "gamma", "alpha", "normalizer", "tangent"])
def test_another_device_s_array_is_refused(name: str) -> None:
    """Nothing is carried from one device to another: both are named."""
    strict = importlib.import_module("array_api_strict")
    here, there = strict.Device("device1"), strict.Device("device2")
    given: dict[str, Any] = {"targets": 1, "weight": 1.0, "gamma": 2.0, "alpha": 0.5, "normalizer": 1.0, "tangent": 1.0}
    given[name] = strict.asarray(0.5 if name == "normalizer" else [0.0, 1.0, 1.0], device=there)
    loss = fr.SigmoidFocalLoss(gamma=given["gamma"], alpha=given["alpha"], reduction="sum")
    with pytest.raises(ValueError, match=rf"^{name}: got .*device2.*expected .*device1"):
        loss.hvp(strict.zeros((2, 3), device=here), given["targets"], given["tangent"], given["weight"], given["normalizer"])


def test_a_trainable_gamma_is_checked() -> None:
    """A tensor that wants gradients is kept as it is, but not unseen."""
    torch = importlib.import_module("torch")
    for gamma in (torch.tensor(-1.0, requires_grad=True), torch.tensor([1.0, -1.0], requires_grad=True)):
        with pytest.raises(ValueError, match=r"^gamma: got -1\.0"):
            fr.SigmoidFocalLoss(gamma=gamma)


# ---- where values may not be looked at --------------------------------------------------------------------------------------


def _unseen(backend: Any) -> Iterator[Callable[[Callable[..., Any]], Callable[..., Any]]]:
    """Ways to call a function so that the values of its arrays cannot be looked at."""
    if backend.name not in SEES_VALUES:
        yield lambda f: f
    if backend.name.startswith("jax"):
        jax = importlib.import_module("jax")
        yield jax.jit
        yield jax.vmap
    if backend.name.startswith("torch"):
        yield importlib.import_module("torch").vmap


def _everything(loss: Any) -> Callable[[Any, Any], list[Any]]:
    """All methods in one function, which XLA compiles once."""
    return lambda logits, targets: [method(loss)(logits, targets) for method in METHODS.values()]


def _where_nan(backend: Any, loss: Any, logits: Any, targets: Any) -> list[Any]:
    """For every unseen way and every method, whether each entry of the result is NaN."""
    return [np.isnan(backend.numpy(r)) for way in _unseen(backend) for r in way(_everything(loss))(logits, targets)]


def _refused(backend: Any, loss: Any, logits: Any, targets: Any) -> None:
    if backend.name in SEES_VALUES:
        with pytest.raises(ValueError, match=r"^targets: got"):
            loss(logits, targets)


@pytest.mark.parametrize("alpha", [None, 0.5, (0.5, 1.0, 2.0)], ids=["alpha none", "alpha scalar", "alpha a class"])
@pytest.mark.parametrize("smoothing", [0.0, 0.25])
def test_a_class_out_of_range_never_gives_a_number(backend: Any, alpha: Any, smoothing: float) -> None:
    """Refused where it is seen; where it is not, its row is NaN and the other rows are as they were."""
    loss = fr.SoftmaxFocalLoss(alpha=alpha, label_smoothing=smoothing, ignore_index=-1)
    logits = backend([[1.0, 2.0, 3.0], [0.0, 1.0, -1.0], [0.5, 0.5, 0.0], [1.0, 0.0, 0.0]])
    targets = backend([3, 2, -2, -1], "int32")
    _refused(backend, loss, logits, targets)
    for nan in _where_nan(backend, loss, logits, targets):
        assert [bool(row.all()) for row in nan] == [True, False, True, False]
        assert [bool(row.any()) for row in nan] == [True, False, True, False]


@pytest.mark.parametrize("alpha", [None, 0.25])
@pytest.mark.parametrize("formula", ["mix", "expected", "quality"])
@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_a_label_out_of_range_never_gives_a_number(backend: Any, dtype: str, formula: Any, alpha: float | None) -> None:
    """Refused where it is seen; where it is not, its element is NaN and the others are as they were."""
    loss = fr.SigmoidFocalLoss(alpha=alpha, soft_targets=formula)
    logits, targets = backend([[1.0, 2.0, 3.0], [0.0, 1.0, -1.0]]), backend([[0, 2, 1], [-1, 1, 0]], dtype)
    _refused(backend, loss, logits, targets)
    for nan in _where_nan(backend, loss, logits, targets):
        np.testing.assert_array_equal(nan, [[False, True, False], [True, False, False]])


@pytest.mark.parametrize("alpha", [None, (0.5, 1.0, 2.0)], ids=["alpha none", "alpha a class"])
def test_a_probability_out_of_range_never_gives_a_number(backend: Any, alpha: Any) -> None:
    """Refused where it is seen; where it is not, its row is NaN and the others are as they were."""
    loss = fr.SoftmaxFocalLoss(alpha=alpha)
    logits = backend([[1.0, 2.0, 3.0], [0.0, 1.0, -1.0], [0.5, 0.5, 0.0]])
    targets = backend([[1.5, -0.5, 0.0], [0.5, 0.25, 0.25], [0.0, 0.0, 1.0]])
    _refused(backend, loss, logits, targets)
    for nan in _where_nan(backend, loss, logits, targets):
        assert [bool(row.any()) for row in nan] == [bool(row.all()) for row in nan] == [True, False, False]


@pytest.mark.parametrize("formula", ["mix", "expected", "quality"])
def test_a_target_that_is_nan_gives_nan_there_only(backend: Any, formula: Any) -> None:
    """NaN is not wrong input: it goes through, seen or unseen, in its element (sigmoid) or row (softmax)."""
    logits = backend([[1.0, 2.0, 3.0], [0.0, 1.0, -1.0]])
    labels, rows = [[0.0, np.nan, 1.0], [0.5, 1.0, np.nan]], [[1.0, 0.0, np.nan], [0.5, 0.25, 0.25]]
    sigmoid = fr.SigmoidFocalLoss(soft_targets=formula)
    for way in (lambda f: f, *_unseen(backend)):
        for got in way(_everything(sigmoid))(logits, backend(labels)):
            np.testing.assert_array_equal(np.isnan(backend.numpy(got)), np.isnan(labels))
        for got in way(_everything(fr.SoftmaxFocalLoss()))(logits, backend(rows)):
            row = np.isnan(backend.numpy(got))
            assert row[0].all()
            assert not row[1].any()
    for method in METHODS.values():
        assert np.isnan(backend.numpy(method(sigmoid)(logits, float("nan")))).all()


@pytest.mark.slow
def test_jax_traced_options_are_not_looked_at() -> None:
    """A γ or α that is being traced is taken as it is."""
    jax = importlib.import_module("jax")
    logits, targets = jax.numpy.asarray([[1.0, 2.0, 3.0]]), jax.numpy.asarray([1])

    @jax.jit
    def loss(gamma: Any, alpha: Any) -> Any:
        return fr.SoftmaxFocalLoss(gamma=gamma, alpha=alpha)(logits, targets)

    got = np.asarray(loss(1.5, np.asarray([0.5, 1.0, 2.0], np.float32)))
    np.testing.assert_array_equal(got, np.asarray(fr.SoftmaxFocalLoss(gamma=1.5, alpha=(0.5, 1.0, 2.0))(logits, targets)))

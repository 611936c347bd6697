"""Arrays in, arrays out: the logits' library, type, device and shape, whatever their layout, and nothing else touched."""

from __future__ import annotations

import dataclasses
import importlib
import types
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import focal_ref as fr
from focal_ref.conformance import ulp
from focal_ref.engine import arrays
from tests.methods import ONE_RESULT


class Case(NamedTuple):
    """A loss, and the values of its targets for logits of shape (4, 3)."""

    loss: Any
    targets: Any
    kind: str
    """The targets' type; "float": the logits'."""


LABELS, SHARES = [[1, 0, 1]] * 4, [[0.25, 0.5, 1.0]] * 4
ROWS = [[0.5, 0.25, 0.25], [0.0, 1.0, 0.0], [0.125, 0.875, 0.0], [0.25, 0.25, 0.5]]
CASES = {
    "sigmoid": Case(fr.SigmoidFocalLoss(gamma=1.5, alpha=0.25), LABELS, "int32"),
    "sigmoid mix": Case(fr.SigmoidFocalLoss(gamma=(0.5, 1.0, 2.0)), SHARES, "float"),
    "sigmoid expected": Case(fr.SigmoidFocalLoss(soft_targets="expected", alpha=(0.5, 0.25, 1.0)), SHARES, "float"),
    "sigmoid quality": Case(fr.SigmoidFocalLoss(soft_targets="quality"), SHARES, "float"),
    "softmax": Case(fr.SoftmaxFocalLoss(alpha=(1.0, 2.0, 0.5), ignore_index=-1), [2, -1, 0, 1], "int32"),
    "softmax smoothed": Case(fr.SoftmaxFocalLoss(label_smoothing=0.125), [2, 1, 0, 1], "int64"),
    "softmax rows": Case(fr.SoftmaxFocalLoss(gamma=(0.5, 1.0, 2.0, 3.0), alpha=(1.0, 2.0, 0.5)), ROWS, "float"),
}
LOGITS = np.asarray([[0.5, -1.0, 2.0], [3.0, 0.25, -40.0], [-6.0, 0.0, 1e-3], [1.0, 1.0, 30.0]])
VALUES = ("value", "gamma_grad")


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    """Each link with each kind of target."""
    return CASES[request.param]


def targets_of(case: Case, backend: Any, dtype: str = "float32") -> Any:
    return backend(case.targets, dtype if case.kind == "float" else case.kind)


def results(loss: Any, logits: Any, targets: Any, weight: Any = None) -> dict[str, Any]:
    """Every method's result, those of the methods that return several among them."""
    found = {name: method(loss, logits, targets, w=weight) for name, method in ONE_RESULT.items()}
    found["value 2"], found["grad 2"] = loss.value_and_grad(logits, targets, weight)
    found["value 3"], found["grad 3"], found["hess 3"] = loss.value_grad_hess(logits, targets, weight)
    return found


def ends_of(dtypes: tuple[str, ...]) -> tuple[str, ...]:
    """The narrowest type and the widest, where a test is not about types."""
    return dtypes[0], dtypes[-1]


def is_value(name: str) -> bool:
    return name.startswith(VALUES)


def same_bits(got: Any, wanted: Any, message: str = "") -> None:
    np.testing.assert_array_equal(got, wanted, err_msg=message, strict=True)


# ---- what comes back --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("precision", ["extended", "native"])
def test_results_are_of_the_logits_kind(backend: Any, case: Case, precision: Any, reduction: Any) -> None:
    """Library, class, type and device are the logits'; derivatives have their shape, values one entry a loss, or none."""
    loss = dataclasses.replace(case.loss, precision=precision, reduction=reduction)
    losses = (4,) if isinstance(loss, fr.SoftmaxFocalLoss) else (4, 3)
    for dtype in backend.dtypes:
        logits = backend(LOGITS, dtype)
        for name, result in results(loss, logits, targets_of(case, backend)).items():
            wanted = ((), losses)[reduction == "none"] if is_value(name) else (4, 3)
            assert tuple(result.shape) == wanted, (name, dtype)
            assert result.dtype == logits.dtype, (name, dtype)
            assert arrays.namespace_of(result) is arrays.namespace_of(logits), (name, dtype)
            assert arrays.device_of(result) == arrays.device_of(logits), (name, dtype)
            assert type(result) is type(logits) or (isinstance(result, np.generic) and result.shape == ()), (name, dtype)


def test_0d_logits_give_0d_results(backend: Any) -> None:
    """Sigmoid takes a single logit; its results have the bits of the same logit in an array."""
    for dtype in ends_of(backend.dtypes):
        vector = backend([0.75, -3.0, 0.0], dtype)
        for target in (0, 1, True, 1.0):
            many = results(fr.SigmoidFocalLoss(alpha=0.25), vector, target)
            for name, result in results(fr.SigmoidFocalLoss(alpha=0.25), vector[1], target).items():
                assert tuple(result.shape) == (), (name, dtype)
                assert result.dtype == vector.dtype, (name, dtype)
                same_bits(backend.numpy(result), backend.numpy(many[name])[1], f"{name} {dtype}")


def test_one_row_without_other_axes(backend: Any) -> None:
    """Softmax takes a single row with a 0-d class; its value is 0-d."""
    logits, targets = backend(LOGITS), backend([2, 1, 0, 1], "int32")
    many = results(fr.SoftmaxFocalLoss(), logits, targets)
    for name, result in results(fr.SoftmaxFocalLoss(), logits[1, :], targets[1]).items():
        assert tuple(result.shape) == (() if is_value(name) else (3,)), name
        same_bits(backend.numpy(result), backend.numpy(many[name])[1], name)


@pytest.mark.parametrize("target", [0.25, 0.5, np.float32(0.75)])
@pytest.mark.parametrize("formula", ["mix", "expected", "quality"])
def test_a_soft_target_that_is_a_number(backend: Any, formula: Any, target: float) -> None:
    """A number counts for every logit: the bits are those of an array full of it."""
    loss = fr.SigmoidFocalLoss(soft_targets=formula, alpha=0.25)
    logits = backend(LOGITS)
    full = results(loss, logits, backend(np.full((4, 3), target)))
    for name, result in results(loss, logits, target).items():
        same_bits(backend.numpy(result), backend.numpy(full[name]), name)


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_nothing_in_nothing_out(backend: Any, reduction: Any) -> None:
    """No elements or no rows: empty derivatives, an empty value, and 0 for a sum or mean over nothing."""
    for dtype in ends_of(backend.dtypes):
        for shape in ((0, 3), (0,)):
            logits = backend(np.zeros(shape), dtype)
            losses = {fr.SigmoidFocalLoss(reduction=reduction): backend(np.zeros(shape, int), "int32")}
            if len(shape) == 2:
                losses[fr.SoftmaxFocalLoss(reduction=reduction, alpha=(1.0, 2.0, 3.0))] = backend(np.zeros(0, int), "int32")
            for loss, targets in losses.items():
                for name, result in results(loss, logits, targets).items():
                    kept = shape[: tuple(targets.shape).__len__()] if reduction == "none" else ()
                    assert tuple(result.shape) == (kept if is_value(name) else shape), (name, dtype)
                    assert result.dtype == logits.dtype, (name, dtype)
                    same_bits(backend.numpy(result), np.zeros(tuple(result.shape)), f"{name} {dtype}")


# ---- layouts ----------------------------------------------------------------------------------------------------------------


def _spread(xp: Any, a: Any) -> Any:
    """Every second entry of an array twice as long, whose other entries would show."""
    wide = xp.stack([a, xp.full_like(a, 1)], axis=1)
    return xp.reshape(wide, (2 * a.shape[0], *a.shape[1:]))[::2, ...]


LAYOUTS: dict[str, Callable[[Any, Any], Any]] = {
    "strided": _spread,
    "transposed": lambda xp, a: xp.permute_dims(xp.permute_dims(a, tuple(range(a.ndim))[::-1]), tuple(range(a.ndim))[::-1]),
    "reversed": lambda xp, a: xp.flip(xp.flip(a, axis=0), axis=0),
    "offset": lambda xp, a: xp.concat([a[:1, ...], a], axis=0)[1:, ...],
    "other order": lambda xp, a: _as_fortran(xp, a),
}


def _as_fortran(xp: Any, a: Any) -> Any:
    """The same values with the first axis fastest."""
    turned = xp.permute_dims(a, tuple(range(a.ndim))[::-1])
    return xp.permute_dims(turned + xp.zeros_like(turned), tuple(range(a.ndim))[::-1])


@pytest.mark.slow
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layout_does_not_matter(backend: Any, case: Case, layout: str) -> None:
    """Strided, transposed, reversed, offset or in Fortran order: the bits are those of contiguous arrays."""
    logits, targets, weight = backend(LOGITS), targets_of(case, backend), backend([0.5, 1.0, 2.0, 0.0])
    weight = weight if tuple(targets.shape) == (4,) or isinstance(case.loss, fr.SoftmaxFocalLoss) else weight[:, None]
    plain = results(case.loss, logits, targets, weight)
    xp, lay = arrays.namespace_of(logits), LAYOUTS[layout]
    for name, result in results(case.loss, lay(xp, logits), lay(xp, targets), lay(xp, weight)).items():
        same_bits(backend.numpy(result), backend.numpy(plain[name]), name)


def test_reversed_and_strided_numpy_views() -> None:
    """NumPy's negative strides too, on any axis, the class axis among them."""
    logits = np.arange(24.0).reshape(4, 6) % 5 - 2
    view = logits[::-1, ::-2]
    targets = np.asarray([0, 9, 1, 9, 2, 9, 0, 9])[::2]
    for loss, t in ((fr.SigmoidFocalLoss(), np.asarray([[1, 0, 1]] * 4)[::-1, ::-1]), (fr.SoftmaxFocalLoss(), targets)):
        plain = results(loss, view.copy(), t.copy())
        for name, result in results(loss, view, t).items():
            same_bits(result, plain[name], name)


def test_arguments_broadcast(backend: Any) -> None:
    """Targets, γ, α, weight and tangent of any shape that broadcasts: the bits of those spelled out, but for a 0-d γ."""
    logits = backend(LOGITS)
    xp, full = arrays.namespace_of(logits), (4, 3)
    for shape in ((3,), (4, 1), ()):
        pieces = [
            np.resize(values, shape or (1,)) for values in ([0.5, 1.0, 2.0, 3.0], [0.25, 0.5, 1.0, 0.75], [2.0, 0.0, 0.5])
        ]
        gamma, alpha, weight = (backend(piece) if shape else backend(piece)[0] for piece in pieces)
        targets = backend(np.resize([1, 0, 0], shape or (1,)), "int32") if shape else backend([1], "int32")[0]
        spelled = [
            xp.broadcast_to(a, full) + xp.zeros(full, dtype=a.dtype, device=arrays.device_of(a)) for a in (gamma, alpha, weight)
        ]
        loss, explicit = fr.SigmoidFocalLoss(gamma=gamma, alpha=alpha), fr.SigmoidFocalLoss(gamma=spelled[0], alpha=spelled[1])
        expected = explicit.value_grad_hess(logits, xp.broadcast_to(targets, full), spelled[2])
        pairs = [*zip(loss.value_grad_hess(logits, targets, weight), expected, strict=True)]
        pairs.append((loss.hvp(logits, targets, weight), explicit.hvp(logits, targets, spelled[2])))
        for got, wanted in pairs:
            a, b = backend.numpy(got), backend.numpy(wanted)
            if shape or backend.widens("float32", "extended"):
                same_bits(a, b, str(shape))
            else:
                # A 0-d γ is a number, and the rounding of u is made good by another formula; seen to the last place.
                assert np.max(ulp.errors(a, b, np.zeros_like(b), ulp.FORMATS["float32"])) <= 2


def test_views_that_repeat_an_entry(backend: Any) -> None:
    """Logits and targets that are themselves broadcast views (stride 0)."""
    row = backend(LOGITS[:1])
    xp = arrays.namespace_of(row)
    for loss, targets in (
        (fr.SigmoidFocalLoss(), backend([[1, 0, 1]], "int32")),
        (fr.SoftmaxFocalLoss(), backend([2], "int32")),
    ):
        one = results(loss, row, targets)
        full = (4, *tuple(targets.shape)[1:])
        for name, result in results(loss, xp.broadcast_to(row, (4, 3)), xp.broadcast_to(targets, full)).items():
            wanted = backend.numpy(one[name])
            same_bits(backend.numpy(result), np.broadcast_to(wanted, (4, *wanted.shape[1:])), name)


# ---- what is left alone -----------------------------------------------------------------------------------------------------


def test_inputs_are_never_changed(backend: Any, case: Case) -> None:
    """Logits, targets, γ, α, weight, tangent and normalizer hold after every method what they held before."""
    softmax = isinstance(case.loss, fr.SoftmaxFocalLoss)
    for dtype in ends_of(backend.dtypes):
        given = {
            "logits": backend(LOGITS, dtype),
            "targets": targets_of(case, backend, dtype),
            "gamma": backend([0.5, 1.0, 2.0, 3.0] if softmax else [0.5, 1.0, 2.0], dtype),
            "alpha": backend([0.5, 1.0, 0.25], dtype),
            "weight": backend([0.0, 1.0, 2.0, 0.5] if softmax else [0.0, 1.0, 2.0], dtype),
            "normalizer": backend([2.0], dtype)[0],
        }
        before = {name: backend.numpy(array).copy() for name, array in given.items()}
        loss = dataclasses.replace(case.loss, gamma=given["gamma"], alpha=given["alpha"])
        results(loss, given["logits"], given["targets"], given["weight"])
        reduced = dataclasses.replace(loss, reduction="sum")
        reduced.value_grad_hess(given["logits"], given["targets"], given["weight"], given["normalizer"])
        reduced.hvp(given["logits"], given["targets"], given["logits"], given["weight"], given["normalizer"])
        for name, array in given.items():
            same_bits(backend.numpy(array), before[name], f"{name} {dtype}")


@pytest.mark.slow
@pytest.mark.parametrize("gamma", [0.0, 2.0])
@pytest.mark.parametrize("weight", [None, 0.0, 1.0])
def test_results_share_no_memory(case: Case, gamma: float, weight: float | None) -> None:
    """Writing into a NumPy result changes no input and no other result, and every result may be written."""
    loss = dataclasses.replace(case.loss, gamma=gamma)
    for dtype in ("float32", "float64"):
        logits = LOGITS.astype(dtype)
        targets = np.asarray(case.targets, dtype if case.kind == "float" else case.kind)
        found = results(loss, logits, targets, weight)
        for name, result in found.items():
            others = [logits, targets, *(other for key, other in found.items() if key != name)]
            assert not any(np.shares_memory(result, other) for other in others), (name, dtype)
            assert result.flags.writeable, (name, dtype)


@pytest.mark.parametrize("weight", [None, 0.0, 1.0])
def test_torch_results_share_no_memory(case: Case, weight: float | None) -> None:
    """The same for torch: a storage of their own, each entry once in it."""
    torch = importlib.import_module("torch")
    logits = torch.tensor(LOGITS)
    targets = torch.tensor(case.targets, dtype=torch.float64 if case.kind == "float" else getattr(torch, case.kind))
    found = results(case.loss, logits, targets, weight)
    taken = [logits.untyped_storage().data_ptr(), targets.untyped_storage().data_ptr()]
    for name, result in found.items():
        assert result.untyped_storage().data_ptr() not in taken, name
        assert result.untyped_storage().nbytes() == result.numel() * result.element_size(), name
        taken.append(result.untyped_storage().data_ptr())


def test_read_only_numpy(case: Case) -> None:
    """Arrays that may not be written give the bits of those that may; results may be written."""
    logits, targets, weight = LOGITS.copy(), np.asarray(case.targets), np.asarray([[0.5], [1.0], [2.0], [0.0]])
    weight = weight[:, 0] if isinstance(case.loss, fr.SoftmaxFocalLoss) else weight
    plain = results(case.loss, logits, targets, weight)
    for array in (logits, targets, weight):
        array.flags.writeable = False
    for name, result in results(case.loss, logits, targets, weight).items():
        same_bits(result, plain[name], name)
        assert result.flags.writeable, name


def test_a_whole_block_of_read_only_numpy() -> None:
    """The same where NumPy works block by block."""
    logits = np.resize(LOGITS, (6000, 3))
    logits.flags.writeable = False
    targets = np.zeros(6000, dtype=np.int64)
    targets.flags.writeable = False
    value, grad = fr.SoftmaxFocalLoss().value_and_grad(logits, targets)
    assert value.flags.writeable
    assert grad.flags.writeable
    same_bits(value[:4], fr.SoftmaxFocalLoss()(LOGITS, np.zeros(4, int)))


# ---- kinds of NumPy array ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [">f2", ">f4", ">f8"])
def test_foreign_byte_order_is_refused_in_words(kind: str) -> None:
    """Logits, targets and weights in the other byte order are not one of the types: the message says what came."""
    swapped = LOGITS.astype(np.dtype(kind).newbyteorder("S").newbyteorder("S"))
    swapped = swapped if swapped.dtype.byteorder not in "=|" else swapped.astype(swapped.dtype.newbyteorder("S"))
    came = swapped.dtype.str
    with pytest.raises(TypeError, match=rf"^logits: got a {came} array of shape \(4, 3\); expected a floating-point array"):
        fr.SigmoidFocalLoss()(swapped, 1)
    with pytest.raises(TypeError, match=rf"^targets: got a {came} array"):
        fr.SigmoidFocalLoss()(LOGITS, np.ones((4, 3), swapped.dtype))
    with pytest.raises(TypeError, match=rf"^weight: got a {came} array"):
        fr.SoftmaxFocalLoss()(LOGITS, np.zeros(4, int), np.ones(4, swapped.dtype))


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
@pytest.mark.parametrize("make", [np.matrix, np.ma.asarray], ids=["matrix", "masked"])
def test_matrices_and_masked_arrays_are_refused_in_words(make: Any) -> None:
    """Their operators mean other things, so they are refused as logits and beside them."""
    odd, name = make(np.ones((4, 3))), "matrix" if make is np.matrix else "MaskedArray"
    with pytest.raises(TypeError, match=rf"^logits: got {name}.*; expected a floating-point array"):
        fr.SigmoidFocalLoss()(odd, 1)
    with pytest.raises(TypeError, match=rf"^targets: got {name}.*; expected 0, 1"):
        fr.SigmoidFocalLoss()(LOGITS, odd)
    with pytest.raises(TypeError, match=rf"^weight: got {name}.*; expected a real number"):
        fr.SigmoidFocalLoss()(LOGITS, 1, odd)
    with pytest.raises(TypeError, match=rf"^tangent: got {name}.*; expected a real number"):
        fr.SigmoidFocalLoss().hvp(LOGITS, 1, odd)
    with pytest.raises(TypeError, match=rf"^gamma: got {name}.*; expected"):
        fr.SigmoidFocalLoss(gamma=odd)


class Mine(np.ndarray):
    """A subclass that changes nothing."""


def test_a_plain_subclass_computes_as_its_base() -> None:
    """Other subclasses of ndarray count as ndarrays: the same bits."""
    for loss, targets in ((fr.SigmoidFocalLoss(), np.asarray(LABELS)), (fr.SoftmaxFocalLoss(), np.asarray([2, 1, 0, 1]))):
        plain = results(loss, LOGITS, targets)
        for name, result in results(loss, LOGITS.view(Mine), targets.view(Mine)).items():
            same_bits(np.asarray(result), plain[name], name)


# ---- nothing is copied to the host ------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_torch_meta_tensors_give_meta_results(case: Case, reduction: Any) -> None:
    """Tensors without values pass through every method: no value is looked at, and nothing leaves the device."""
    torch = importlib.import_module("torch")
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        logits = torch.tensor(LOGITS, dtype=dtype, device="meta")
        targets = torch.tensor(case.targets, dtype=dtype if case.kind == "float" else getattr(torch, case.kind), device="meta")
        weight = torch.ones((4,) if isinstance(case.loss, fr.SoftmaxFocalLoss) else (4, 1), device="meta")
        loss = dataclasses.replace(case.loss, reduction=reduction)
        found = results(loss, logits, targets, weight)
        if reduction != "none":
            found["value normalized"] = loss.value(logits, targets, weight, torch.tensor(3.0, device="meta"))
        for name, result in found.items():
            assert result.device.type == "meta", name
            assert result.dtype == dtype, name
            assert is_value(name) or result.shape == (4, 3), name


FORBIDDEN = (
    "__array__",
    "__bool__",
    "__complex__",
    "__dlpack__",
    "__float__",
    "__index__",
    "__int__",
    "__iter__",
    "__len__",
    "to_device",
)


class Remote:
    """An array on a device of its own, as CuPy's are: operators and the library's functions work, its values stay there."""

    def __init__(self, array: Any) -> None:
        self.array = array

    def __array_namespace__(self, api_version: str | None = None) -> Any:
        return REMOTE

    def __getattr__(self, name: str) -> Any:
        if name in ("dtype", "shape", "ndim", "size"):
            return getattr(self.array, name)
        if name == "device":
            return "far away"
        raise AttributeError(name)

    def __getitem__(self, key: Any) -> Remote:
        return Remote(self.array[key])

    __hash__ = None  # type: ignore[assignment]


def _operator(name: str) -> Callable[..., Any]:
    def operate(self: Remote, *others: Any) -> Remote:
        with np.errstate(all="ignore"):
            return Remote(getattr(self.array, name)(*(getattr(other, "array", other) for other in others)))

    return operate


def _forbidden(name: str) -> Callable[..., Any]:
    def refuse(self: Remote, *_: Any, **__: Any) -> Any:
        raise AssertionError(f"{name}: values of an array on a device were asked for")

    return refuse


OPERATORS = (
    "add",
    "radd",
    "sub",
    "rsub",
    "mul",
    "rmul",
    "truediv",
    "rtruediv",
    "pow",
    "neg",
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    "and",
    "or",
    "invert",
)
for _name in OPERATORS:
    setattr(Remote, f"__{_name}__", _operator(f"__{_name}__"))
for _name in FORBIDDEN:
    setattr(Remote, _name, _forbidden(_name))


def _remote_namespace() -> types.ModuleType:
    strict = importlib.import_module("array_api_strict")
    there = strict.Device("device1")
    module = types.ModuleType("remote")

    def wrap(function: Callable[..., Any], makes: bool) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            # arange(0), which has no values, is how the index type is found out.
            assert not makes or args == (0,) or kwargs.pop("device", None) == "far away", (
                f"{function.__name__}: made on the host"
            )
            bare = [
                [getattr(a, "array", a) for a in arg] if isinstance(arg, list) else getattr(arg, "array", arg) for arg in args
            ]
            with np.errstate(all="ignore"):
                return Remote(function(*bare, **kwargs, **({"device": there} if makes else {})))

        return call

    for name in vars(strict):
        thing = getattr(strict, name)
        if isinstance(thing, types.FunctionType) and not name.startswith("_"):
            makes = name in ("arange", "asarray", "empty", "eye", "full", "linspace", "ones", "zeros")
            setattr(module, name, wrap(thing, makes))
        else:
            setattr(module, name, thing)
    module.__dict__.update(finfo=strict.finfo, __array_namespace_info__=_info)
    return module


def _info() -> Any:
    names = dict.fromkeys(("float32", "float64"))
    return types.SimpleNamespace(dtypes=lambda device, kind: names)


REMOTE = _remote_namespace()


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["extended", "native"])
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_values_never_leave_the_device(case: Case, reduction: Any, precision: Any) -> None:
    """On a library that refuses to hand out values, every method runs, and gives the bits that array-api-strict gives."""
    strict = importlib.import_module("array_api_strict")
    loss = dataclasses.replace(case.loss, reduction=reduction, precision=precision)
    device = strict.Device("device1")
    # In float32 of its own type, array-api-strict is given a better exponential.
    logits = strict.asarray(LOGITS, dtype=strict.float32 if precision == "extended" else strict.float64, device=device)
    targets = strict.asarray(
        case.targets, dtype=strict.float32 if case.kind == "float" else getattr(strict, case.kind), device=device
    )
    weight = strict.asarray(
        [0.5] * 4 if isinstance(loss, fr.SoftmaxFocalLoss) else [[0.5]] * 4, dtype=strict.float32, device=device
    )
    plain = results(loss, logits, targets, weight)
    for name, result in results(loss, Remote(logits), Remote(targets), Remote(weight)).items():
        assert isinstance(result, Remote), name
        assert result.array.device == device, name
        cpu = strict.Device("CPU_DEVICE")
        same_bits(np.asarray(result.array.to_device(cpu)), np.asarray(plain[name].to_device(cpu)), name)


def test_a_cupy_array_may_not_be_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arrays of a module named cupy are told from NumPy's without importing CuPy, and their values are left alone."""
    cupy = types.ModuleType("cupy")
    cupy.ndarray = type("ndarray", (), {})  # type: ignore[attr-defined]
    cupy.ndarray.__module__ = "cupy"  # type: ignore[attr-defined]
    monkeypatch.setitem(importlib.import_module("sys").modules, "cupy", cupy)
    array = cupy.ndarray()  # type: ignore[attr-defined]
    assert arrays.is_array(array)
    assert arrays.values(array) is None


# ---- torch with gradients ---------------------------------------------------------------------------------------------------


def test_tensors_that_want_gradients(case: Case) -> None:
    """The values are those of tensors that do not, without a warning, and the inputs' own gradients stay unset."""
    torch = importlib.import_module("torch")
    kind = torch.float32 if case.kind == "float" else getattr(torch, case.kind)
    logits, targets = torch.tensor(LOGITS, dtype=torch.float32), torch.tensor(case.targets, dtype=kind)
    plain = results(case.loss, logits, targets)
    wanting = logits.clone().requires_grad_()
    for name, result in results(case.loss, wanting, targets).items():
        same_bits(result.detach().numpy(), plain[name].numpy(), name)
    assert wanting.grad is None


def test_parameters_and_leaves_inside_no_grad() -> None:
    """An nn.Parameter works as logits, and in no_grad nothing is recorded."""
    torch = importlib.import_module("torch")
    logits = torch.nn.Parameter(torch.tensor(LOGITS))
    with torch.no_grad():
        value = fr.SigmoidFocalLoss()(logits, 1)
    assert not value.requires_grad
    same_bits(value.numpy(), fr.SigmoidFocalLoss()(LOGITS, 1))


# ---- the caller's state -----------------------------------------------------------------------------------------------------

HARD_LOGITS = np.asarray([[np.inf, -1e30, 0.0], [-745.0, 90.0, np.nan], [1e-45, -np.inf, -104.0], [3e38, -3e38, 1.0]])


@pytest.mark.parametrize("case_name", CASES)
def test_no_warning_and_the_caller_s_error_state(backend: Any, case_name: str) -> None:
    """Under errstate(all="raise") nothing is raised, and afterwards the state is as it was."""
    case = CASES[case_name]
    for dtype in backend.dtypes:
        with np.errstate(all="ignore"):
            logits, targets = backend(HARD_LOGITS, dtype), targets_of(case, backend)
        with np.errstate(all="raise", under="warn"):
            before = np.geterr()
            for result in results(case.loss, logits, targets).values():
                backend.numpy(result)
            assert np.geterr() == before


def test_the_libraries_own_settings_are_left_alone(backend: Any) -> None:
    """torch's default type, device and gradient mode, and JAX's configuration, are as before."""
    torch, jax = importlib.import_module("torch"), importlib.import_module("jax")

    def settings() -> Any:
        modes = torch.get_default_dtype(), torch.is_grad_enabled(), torch.get_default_device(), torch.get_num_threads()
        return modes, dict(jax.config.values), np.geterr(), np.geterrcall()

    before = settings()
    for case in CASES.values():
        results(case.loss, backend(LOGITS), targets_of(case, backend))
    assert settings() == before

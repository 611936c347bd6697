"""`check`: right losses pass however they are called, wrong ones are told with a line that shows them, and quickly."""

from __future__ import annotations

import functools
import importlib
import json
import math
import sys
import time
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
import torch
from torch.nn import functional

import focal_ref as fr
from focal_ref import oracle
from focal_ref.commands import main as cli
from focal_ref.conformance import Framework, Verdict, check, grids, sampling, value_grad_hess_at
from focal_ref.conformance.diagnosis.shrink import shrunk
from focal_ref.conformance.results import Point
from focal_ref.libraries import backends, frameworks
from tests.conformance import planted

FEW: dict[str, Any] = {"gammas": (0.0, 0.5, 2.0)}
ROWS: dict[str, Any] = {"link": "softmax", "classes": (2, 3)}
LOSSES = {"sigmoid": fr.sigmoid_focal_loss, "softmax": fr.softmax_focal_loss}


def _passes(verdict: Verdict) -> None:
    assert verdict.passed, str(verdict)
    assert verdict.findings == verdict.broken == ()


# ---- right losses pass ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("link", LOSSES)
def test_this_package_passes_on_every_backend(backend: Any, link: str) -> None:
    """Values, and gradients and Hessians by hand, in each type there is, with the strictest tolerance of extended precision."""

    def by_hand(logits: Any, targets: Any, gamma: float) -> Any:
        make = fr.SigmoidFocalLoss if link == "sigmoid" else fr.SoftmaxFocalLoss
        return make(gamma=gamma, precision="native").value_grad_hess(logits, targets)[1:]

    fn = functools.partial(LOSSES[link], precision="native")
    verdict = check(fn, link=link, framework=backend.name, dtypes=["float32"], classes=(3,), derivative=by_hand, **FEW)
    _passes(verdict)
    assert [row.quantity for row in verdict.rows] == ["value", "grad", "hess"] * 3
    if backend.widens("float32"):
        _passes(
            check(LOSSES[link], link=link, framework=backend.name, dtypes=["float32"], derivative=None, tolerance=0.51, **FEW)
        )


@pytest.mark.slow
@pytest.mark.parametrize("link", LOSSES)
def test_mpmath_itself_passes(link: str) -> None:
    """The oracle, rounded to float64, is within half an ULP and a little."""

    def exactly(logits: Any, targets: Any, gamma: float) -> Any:
        if link == "sigmoid":
            results = [oracle.sigmoid(x, int(y), gamma) for x, y in zip(logits.tolist(), targets.tolist(), strict=True)]
        else:
            results = [oracle.softmax(x, int(y), gamma) for x, y in zip(logits.tolist(), targets.tolist(), strict=True)]
        with mpmath.workdps(50):
            return np.asarray([float(result.value) for result in results])

    options = {"dtypes": ["float64"], "gammas": [2.0], "tolerance": 0.51}
    _passes(check(exactly, link=link, classes=(3,), **options))


def kornias_form(logits: torch.Tensor, targets: torch.Tensor, gamma: float) -> torch.Tensor:
    """Everything through logsigmoid."""
    z = torch.where(targets == 1, logits, -logits)
    return torch.exp(gamma * functional.logsigmoid(-z)) * -functional.logsigmoid(z)


@pytest.mark.slow
def test_a_careful_torch_loss_passes_with_a_suitable_tolerance() -> None:
    """Two roundings of an exponent of up to 88: 180 ULP of float32; at ordinary logits, once differentiated."""
    options = {"framework": "torch", "dtypes": ["float32"], "order": 1, "largest": 1000.0}
    _passes(check(kornias_form, tolerance=180.0, **options))
    strict = check(kornias_form, **options)
    assert not strict.passed
    assert "exp(γ log u) for u^γ" in strict.causes


def _drop_in(name: str, link: str) -> tuple[Callable[..., Any], dict[str, Any]]:
    """An adapter's loss, and how it is called."""
    module = importlib.import_module(f"focal_ref_{name}")
    fn = getattr(module, f"{link}_focal_loss")
    options = {"link": link, "framework": name, "dtypes": ["float32"], "gammas": (0.5, 2.0), "classes": (3,)}
    if (name, link) == ("torch", "sigmoid"):  # its own α is 0.25
        fn = functools.partial(fn, alpha=-1)
    return fn, options


@pytest.mark.slow
@pytest.mark.parametrize("link", LOSSES)
@pytest.mark.parametrize("name", ["torch", "jax"])
def test_the_framework_differentiates(name: str, link: str) -> None:
    """This package's losses behind torch's and JAX's own doors: values and gradients are right."""
    fn, options = _drop_in(name, link)
    verdict = check(fn, order=1, **options)
    _passes(verdict)
    assert {row.quantity for row in verdict.rows} == {"value", "grad"}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["torch", "jax"])
def test_the_framework_differentiates_twice(name: str) -> None:
    """The Hessian's diagonal by reverse mode over reverse mode, which of a row is a product with e_j and has its own bound."""
    fn, options = _drop_in(name, "sigmoid")
    verdict = check(fn, **options)
    _passes(verdict)
    assert {row.quantity for row in verdict.rows} == {"value", "grad", "hess"}


# ---- however they are called ------------------------------------------------------------------------------------------------


def _turned(y: Any, focus: float, x: Any) -> Any:
    return fr.sigmoid_focal_loss(x, y, gamma=focus)


def _fixed(x: Any, y: Any) -> Any:
    return fr.sigmoid_focal_loss(x, y, gamma=2.0)


def _integers(x: Any, y: Any, gamma: float) -> Any:
    assert y.dtype.kind == "i"
    return fr.sigmoid_focal_loss(x, y, gamma=gamma)


def _one_hot(x: Any, y: Any, gamma: float) -> Any:
    assert y.shape == x.shape
    return fr.softmax_focal_loss(x, y.argmax(-1), gamma=gamma)


def _image(x: Any, y: Any, gamma: float) -> Any:
    assert (x.ndim, x.shape[0], x.shape[2]) == (3, 1, y.shape[1])
    return fr.softmax_focal_loss(x, y, gamma=gamma, axis=1)


def _with_alpha(x: Any, y: Any, gamma: float, alpha: Any) -> Any:
    loss = fr.sigmoid_focal_loss if isinstance(alpha, float) else fr.softmax_focal_loss
    return loss(x, y, gamma=gamma, alpha=alpha)


def _mean(x: Any, y: Any, gamma: float) -> Any:
    return fr.sigmoid_focal_loss(x, y, gamma=gamma, reduction="mean")


def _row_sum(x: Any, y: Any, gamma: float) -> Any:
    return fr.softmax_focal_loss(x, y, gamma=gamma, reduction="sum")


def _of_probabilities(p: Any, y: Any, gamma: float) -> Any:
    p_t = np.where(y == 1, p, 1 - p)
    u = np.where(y == 1, 1 - p, p)
    return u**gamma * np.where(p_t > 0.5, -np.log1p(-u), -np.log(p_t))


def _of_a_row_of_probabilities(p: Any, y: Any, gamma: float) -> Any:
    return _of_probabilities(np.take_along_axis(p, y[:, None], 1)[:, 0], 1, gamma)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fn", "options"),
    [
        (_turned, {"arguments": "targets, focus=gamma, x=logits"}),
        (_fixed, {"arguments": "logits, targets", "gammas": (2.0,)}),
        (_integers, {"targets": "index"}),
        (_one_hot, {"targets": "one-hot", **ROWS}),
        (_image, {"channels_first": True, **ROWS}),
        (_with_alpha, {"alpha": 0.3}),
        (_with_alpha, {"alpha": (0.3, 1.0, 2.5), "link": "softmax"}),
        (_mean, {"reduction": "mean"}),
        (_row_sum, {"reduction": "sum", **ROWS}),
        (_of_probabilities, {"inputs": "probabilities", "gammas": (0.0, 2.0)}),
        (_of_a_row_of_probabilities, {"inputs": "probabilities", "gammas": (0.0, 2.0), **ROWS}),
    ],
)
def test_a_right_loss_passes_however_it_is_called(fn: Callable[..., Any], options: dict[str, Any]) -> None:
    """Order, names, a fixed γ, targets, layout, α, reduction, probabilities; and half as much again fails in each."""
    options = {"dtypes": ["float64"], **FEW, **options}
    _passes(check(fn, **options))

    def larger(*given: Any, **named: Any) -> Any:
        return 1.5 * fn(*given, **named)

    verdict = check(larger, **options)
    assert "a constant factor of 1.5" in verdict.causes or "alpha" in str(verdict.causes), verdict.causes


@pytest.mark.slow
def test_a_librarys_own_alpha_is_meant_by_like() -> None:
    """torchvision's default of 0.25 is right for torchvision, a mistake elsewhere; kornia's α is that of the other classes."""

    def torchvisions(x: Any, y: Any, gamma: float) -> Any:
        return fr.sigmoid_focal_loss(x, y, gamma=gamma, alpha=0.25)

    _passes(check(torchvisions, like="torchvision", dtypes=["float64"], **FEW))
    assert check(torchvisions, dtypes=["float64"], **FEW).causes[0] == "alpha without being asked: 0.25 and 0.75"

    def kornias(x: Any, y: Any, gamma: float, alpha: float) -> Any:
        return np.where(y == 0, 1 - alpha, alpha) * fr.softmax_focal_loss(x, y, gamma=gamma)

    _passes(check(kornias, like="kornia", alpha=0.25, dtypes=["float64"], **ROWS, **FEW))
    with pytest.raises(ValueError, match="like: got 'keres'; expected one of"):
        check(torchvisions, like="keres")


class Keras:
    """An array of a framework that knows neither NumPy's functions nor torch's."""

    def __init__(self, tensor: torch.Tensor) -> None:
        self.tensor = tensor


def _keras_gradient(losses: Callable[[Any], Any], x: Keras) -> Keras:
    """As Keras on TensorFlow would by a tape."""
    leaf = x.tensor if x.tensor.requires_grad else x.tensor.clone().requires_grad_()
    (found,) = torch.autograd.grad(losses(Keras(leaf)).tensor.sum(), leaf, create_graph=x.tensor.requires_grad)
    return Keras(found)


@pytest.mark.slow
def test_another_framework_takes_part_by_three_functions() -> None:
    """To array, to NumPy, gradient."""
    made = backends.get("torch")
    arrays = backends.Backend(
        "keras",
        ("float32",),
        lambda values, dtype: Keras(made.asarray(values, dtype)),
        lambda x: made.to_numpy(x.tensor),
        made.context,
    )

    def loss(logits: Keras, targets: Keras, gamma: float) -> Keras:
        return Keras(kornias_form(logits.tensor, targets.tensor, gamma))

    options = {"order": 1, "largest": 1000.0, "tolerance": 180.0}
    verdict = check(loss, framework=Framework(arrays, _keras_gradient), **options)
    _passes(verdict)
    assert [row.quantity for row in verdict.rows[:2]] == ["value", "grad"]
    assert {row.dtype for row in verdict.rows} == {"float32"}
    assert not check(lambda x, y, gamma: Keras(-loss(x, y, gamma).tensor), framework=Framework(arrays)).passed


def test_flushing_is_allowed_where_it_is_asked_for() -> None:
    """Zeros for subnormal numbers, and for nothing else."""

    def flushing(x: Any, y: Any, gamma: float) -> Any:
        loss = fr.sigmoid_focal_loss(x, y, gamma=gamma)
        return np.where(loss < np.finfo(x.dtype).tiny, x.dtype.type(0), loss).astype(x.dtype) + 0 * np.isnan(loss)

    def kept(x: Any, y: Any, gamma: float) -> Any:
        return np.where(np.isnan(x), x, flushing(x, y, gamma))

    verdict = check(kept, dtypes=["float32"], **FEW)
    assert verdict.causes == ("subnormal numbers flushed to 0",)
    _passes(check(kept, dtypes=["float32"], flushes=True, **FEW))


# ---- wrong ones are told ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_every_finding_comes_with_a_line_that_shows_it(capsys: pytest.CaptureFixture[str]) -> None:
    """Pasted where the function is known, the line prints the wrong result that the finding tells of."""
    for name in ("torchvisions_form", "the_tutorials_form", "imlightgbms_gradient", "clipped_like_keras", "half_softmax"):
        bug = planted.PLANTED[name]
        verdict = check(bug.fn, **bug.options)
        known = {**vars(planted), "derivative": bug.options.get("derivative"), "_imlightgbms": planted._imlightgbms}
        for finding in verdict.findings:
            capsys.readouterr()
            exec(finding.line, dict(known))
            printed, got = float(capsys.readouterr().out), float(finding.got)
            assert printed == got or (math.isnan(printed) and math.isnan(got)), finding


def test_no_tolerance_allows_nan_infinities_or_zeros() -> None:
    """Errors of any size are allowed, and these three still fail, each counted as what it is."""
    options = {"dtypes": ["float64"], "tolerance": 1e299, "gammas": [2.0]}
    assert {f.kind for f in check(planted.one_minus_exp, **options).findings} == {"zero"}
    assert {f.kind for f in check(planted.log_of_underflow, **options).findings} == {"infinity"}
    assert {f.kind for f in check(planted.nan_to_num, **options).findings} == {"NaN"}
    _passes(check(planted.gamma_ignored, **options))


@pytest.mark.slow
def test_the_smallest_input_is_found() -> None:
    """Two classes, whole numbers, and no larger than the failure needs."""
    verdict = check(planted.the_tutorials_form, framework="torch", link="softmax", order=1, dtypes=["float32"], gammas=[2.0])
    (zero,) = [f for f in verdict.findings if f.quantity == "value" and f.cause and f.cause.startswith("1 − p")]
    assert "[0.0, 17.0], 1," in zero.line or "[17.0, 0.0], 0," in zero.line
    negative = check(planted.negative_loss, dtypes=["float32"], **FEW)
    assert "(negative_loss, 0.0, " in negative.findings[0].line


def test_shrinking_never_leaves_the_failure() -> None:
    """Every step fails; what is left cannot be made smaller by any of its steps; classes and γ stay where they must."""
    asked: list[Point] = []

    def fails(point: Point) -> bool:
        asked.append(point)
        return max(point.logits) - min(point.logits) > 20 and len(point.logits) >= 3

    start = Point("float32", 5.0, (3.25, -40.125, 17.5, 2.0, 60.0), 3, 1)
    small = shrunk(start, fails)
    assert fails(small)
    assert (len(small.logits), small.gamma) == (3, 2.0)
    assert sum(map(abs, small.logits)) <= 30
    assert shrunk(start, fails, keep_gamma=True).gamma == 5.0
    assert len(shrunk(start, fails, keep_classes=True).logits) == 5
    assert shrunk(start, lambda point: False) == start


@pytest.mark.slow
def test_a_function_that_breaks_is_told_not_raised() -> None:
    """An exception, a shape, a scalar, and a function that writes into its arguments: one line each, and the check goes on."""

    def raising(x: Any, y: Any, gamma: float) -> Any:
        if x.dtype == np.float32:
            raise MemoryError("no room\nfor this")
        return fr.sigmoid_focal_loss(x, y, gamma=gamma)

    verdict = check(raising, **FEW)
    assert not verdict.passed
    assert [(s.name, s.reason) for s in verdict.broken] == [("float32", "gamma 0: MemoryError: no room for this")]
    assert {row.dtype for row in verdict.rows} == {"float64"}

    def writing(x: Any, y: Any, gamma: float) -> Any:
        y[:] = np.clip(y, 0.1, 0.9)
        return fr.sigmoid_focal_loss(x, y, gamma=gamma)

    for fn, how, reason in (
        (lambda x, y, gamma: fr.sigmoid_focal_loss(x, y, gamma=gamma).mean(), "none", "say reduction='mean' or 'sum'"),
        (lambda x, y, gamma: fr.sigmoid_focal_loss(x, y, gamma=gamma)[:3], "none", "value: got shape (3,); expected"),
    ):
        verdict = check(fn, dtypes=["float32"], reduction=how, **FEW)
        assert not verdict.passed
        assert reason in verdict.broken[0].reason
    assert "it writes into its argument: targets" in check(writing, dtypes=["float32"], **FEW).causes


def test_nothing_is_said_of_what_was_not_measured() -> None:
    """NumPy gives no gradient, and the verdict says so; with one by hand there is a gradient and no Hessian."""
    verdict = check(fr.sigmoid_focal_loss, dtypes=["float32"], gammas=[2.0])
    assert verdict.remarks == ("The gradient is not measured: numpy does not differentiate.",)
    hand = check(fr.sigmoid_focal_loss, dtypes=["float32"], gammas=[2.0], derivative=planted.grad, largest=80.0)
    assert "The Hessian is not measured" in hand.remarks[0]
    assert [row.quantity for row in hand.rows] == ["value", "grad"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"link": "tanh"}, "link: got 'tanh'; expected one of 'sigmoid', 'softmax'"),
        ({"framework": "tensorflow"}, "name: got 'tensorflow'; expected one of numpy"),
        ({"dtypes": ["float8"]}, "dtypes: got 'float8'; expected one of 'float16'"),
        ({"gammas": [-1.0]}, r"gammas: got -1.0; expected a number in \[0, 1000\]"),
        ({"arguments": "logits, labels"}, "arguments: got 'logits, labels'; expected names out of logits, targets"),
        ({"arguments": "logits, targets", "gammas": [1.0, 2.0]}, "gammas: got 2 of them; expected the one of a function"),
        ({"reduction": "max"}, "reduction: got 'max'; expected one of 'none', 'mean', 'sum'"),
        ({"inputs": "scores"}, "inputs: got 'scores'; expected one of 'logits', 'probabilities'"),
        ({"targets": "soft"}, "targets: got 'soft'; expected one of None, 'index'"),
        ({"order": 3}, "order: got 3; expected one of 1, 2"),
        ({"derivative": 3}, "derivative: got 3; expected a callable"),
        ({"tolerance": 0.1}, "tolerance: got 0.1; expected a number of ULP"),
        ({"alpha": 2.0}, r"alpha: got 2.0; expected a number in \[0, 1\]"),
        ({"alpha": [0.5, 1.0]}, r"alpha: got .*; expected a number in \[0, 1\]"),
        ({"classes": (1,), "link": "softmax"}, "classes: got 1; expected 2 or more of them"),
        ({"framwork": "numpy"}, "check: got an argument 'framwork'; expected framework$"),
        ({"zzz": 1}, "check: got an argument 'zzz'; expected one of fn, link, framework"),
    ],
)
def test_what_cannot_be_checked_is_refused(options: dict[str, Any], message: str) -> None:
    """A wrong option is the caller's mistake, and no fault of the function's."""
    with pytest.raises((ValueError, TypeError), match=f"^{message}"):
        check(fr.sigmoid_focal_loss, **options)
    with pytest.raises(TypeError, match=r"^fn: got 3; expected a callable"):
        check(3)  # type: ignore[arg-type]


# ---- the report -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def verdict() -> Verdict:
    """Of torchvision's form, which has several faults."""
    return check(planted.torchvisions_form, framework="torch", dtypes=["float32"], gammas=[0.5, 2.0])


@pytest.mark.slow
def test_a_verdict_is_plain_data(verdict: Verdict) -> None:
    """JSON without extensions, with rows, findings and the causes by name."""
    data = json.loads(json.dumps(verdict.to_dict(), allow_nan=False))
    assert (data["name"], data["passed"], len(data["rows"])) == ("torchvisions_form", False, 6)
    assert {"cause", "cure", "count", "line", "got", "exact"} <= set(data["findings"][0])
    assert verdict.causes == tuple(dict.fromkeys(f["cause"] for f in data["findings"] if f["cause"]))


def test_the_text_and_the_markdown_say_the_same(verdict: Verdict) -> None:
    """Verdict, causes, what to do, and the lines; Markdown has a row for every γ."""
    text, markdown = str(verdict), verdict.to_markdown()
    joined = " ".join(text.split())
    for finding in verdict.findings[:5]:
        for words in (finding.cause or "", finding.cure):
            assert words in joined
            assert words in markdown
        assert " ".join(finding.where.split()) in joined
        assert finding.line in markdown
    assert "FAILED: torchvisions_form: 6 measurements" in joined
    assert max(map(len, text.splitlines())) <= 80
    assert sum(line.startswith("| float32 |") for line in markdown.splitlines()) == 6


@pytest.mark.slow
@pytest.mark.parametrize(("name", "begins"), [("errors.png", b"\x89PNG"), ("errors.svg", b"<?xml")])
def test_errors_can_be_drawn(verdict: Verdict, tmp_path: Any, name: str, begins: bytes) -> None:
    """As PNG and SVG, whose text names the quantities and each γ."""
    pytest.importorskip("matplotlib", reason="an optional extra")
    path = tmp_path / name
    verdict.plot(path)
    content = path.read_bytes()
    assert content.startswith(begins)
    if name.endswith("svg"):
        assert all(f"<!-- {words} -->".encode() in content for words in ("value, float32", "gradient, float32", "γ = 0.5"))


# ---- the cases, and the time ------------------------------------------------------------------------------------------------


def test_the_cases_reach_what_they_are_for() -> None:
    """Every purpose of the grids is kept, other seeds give other points, and a limit leaves nothing larger."""
    (grid,) = sampling.chosen("sigmoid", "float32", (2.0,))
    assert set(grid.purposes) == set(grids.sigmoid("float32", (2.0,)).purposes)
    rows = sampling.chosen("softmax", "float32", (2.0,))
    assert {p for part in rows for p in part.purposes} == {p for part in grids.softmax("float32") for p in part.purposes} | {
        "random"
    }
    assert not np.array_equal(grid.logits, sampling.chosen("sigmoid", "float32", (2.0,), seed=1)[0].logits, equal_nan=True)
    for part in sampling.chosen("softmax", "float32", (2.0,), largest=9.0):
        assert np.abs(part.logits).max() <= 9.0


@pytest.mark.slow
def test_torch_is_checked_in_thirty_seconds() -> None:
    """The full set on torch, values and both derivatives, softmax with 2 to 1000 classes."""
    start = time.process_time()
    verdict = check(planted.the_tutorials_form, framework="torch", link="softmax")
    assert len(verdict.rows) == 30
    assert time.process_time() - start < 60  # of both cores together


def test_the_framework_is_guessed_from_what_a_module_imports() -> None:
    """torch here; a lambda of a module without any is NumPy's."""
    assert frameworks.guessed(kornias_form) == "torch"
    assert frameworks.guessed(np.vectorize(math.exp)) == "numpy"


def test_one_point_is_what_the_function_gave() -> None:
    """All that is asked for at one logit, or at a row."""
    found = value_grad_hess_at(kornias_form, 0.0, 1, framework="torch", dtype="float64", gamma=0.0)
    assert found["value"] == math.log(2)
    assert (found["grad"], found["hess"]) == (-0.5, 0.25)
    row = value_grad_hess_at(planted.the_tutorials_form, [0.0, 0.0], 1, link="softmax", framework="torch", gamma=0.0)
    assert row["grad"] == [0.5, -0.5]


# ---- the command ------------------------------------------------------------------------------------------------------------

FILE = """
import numpy as np

def focal(y, x, focus):
    z = np.where(y == 1, x, -x)
    e = np.exp(-np.abs(z))
    u = np.where(z > 0, e, 1) / (1 + e)
    return u**focus * (np.maximum(-z, 0) + np.log1p(e))

def slope(y, x, focus):
    return focal(y, x, focus) * 0

def textbook(x, y, gamma):
    p = 1 / (1 + np.exp(-np.where(y == 1, x, -x)))
    return -((1 - p) ** gamma) * np.log(p)
"""
CALL = ["--arguments", "targets, logits, focus=gamma", "--dtype", "float32"]


@pytest.fixture
def folder(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The current directory, with a file of losses."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "their_losses", raising=False)
    (tmp_path / "their_losses.py").write_text(FILE, encoding="utf-8")
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("place", ["their_losses:focal", "their_losses.py:focal"])
def test_a_function_in_a_file_gets_a_verdict_with_one_command(folder: Any, capsys: Any, place: str) -> None:
    """Status 0 where it is right, by module or by file."""
    assert cli.main(["check", place, *CALL]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "PASSED: focal: 5 measurements, all within bounds"


@pytest.mark.slow
def test_a_wrong_one_has_status_one_and_every_form_of_the_verdict(folder: Any, capsys: Any) -> None:
    """Text, JSON and Markdown name the cause; a gradient by hand is checked; a plot is drawn."""
    pytest.importorskip("matplotlib", reason="an optional extra")
    run = ["check", "their_losses:textbook", "--gamma", "2", "--dtype", "float32"]
    for form in ([], ["--markdown"], ["--json"]):
        assert cli.main([*run, *form]) == 1
        out = capsys.readouterr().out
        assert "1 − p rounded to 0" in (json.loads(out)["findings"][1]["cause"] if form == ["--json"] else out)
    assert cli.main(["check", "their_losses:focal", *CALL, "--derivative", "their_losses:slope", "--plot", "errors.svg"]) == 1
    assert "gradient is zero" in capsys.readouterr().out
    assert (folder / "errors.svg").stat().st_size > 1000


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ("their_losses", "argument FUNCTION: got 'their_losses'; expected package.module:function"),
        ("their_losses:nothing", "argument FUNCTION: got 'their_losses:nothing'; expected"),
        ("nowhere:focal", "argument FUNCTION: got 'nowhere:focal'; expected"),
        ("their_losses:np", "argument FUNCTION: got 'their_losses:np'; expected"),
        ("their_losses:focal --derivative nowhere", "argument --derivative: got 'nowhere'; expected"),
        ("their_losses:focal --framework tensorflow", "argument --framework: invalid choice: 'tensorflow' (choose from "),
        ("their_losses:focal --link sigmoid,softmax", "argument --link: got sigmoid, softmax; expected one link"),
        ("their_losses:focal --backend numpy", "argument --backend: got numpy with a function; expected one of the two"),
        ("their_losses:focal --arguments logits", "arguments: got 'logits'; expected names out of"),
        ("their_losses:focal --alpha 3", "alpha: got 3.0; expected a number in [0, 1]"),
        ("their_losses:focal --like keres", "like: got 'keres'; expected one of"),
        ("their_losses:focal --tolerance much", "argument --tolerance: got 'much'; expected a number"),
        ("their_losses:focal --json --markdown", "argument --markdown: got it with --json; expected one of the two"),
        ("--tolerance 3", "argument --tolerance: got 3.0 without a function; expected both or neither"),
        ("--plot a.png", "argument --plot: got a.png without a function; expected both or neither"),
    ],
)
def test_bad_arguments_are_refused_in_one_line(folder: Any, capsys: Any, arguments: str, named: str) -> None:
    """Status 2; the line names the option, what came and what is accepted."""
    with pytest.raises(SystemExit) as ended:
        cli.main(["check", *arguments.split()])
    error = capsys.readouterr().err
    assert ended.value.code == 2
    assert error.startswith(f"focal-ref check: {named}")
    assert error.count("\n") == 1

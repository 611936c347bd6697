"""No trace of torch swallows the loss: what records, counts or batches operations sees them, and replays them elsewhere."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from focal_ref_torch import FocalLoss, SigmoidFocalLoss, sigmoid_focal_loss, softmax_focal_loss
from torch.fx.experimental.proxy_tensor import make_fx
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

import focal_ref as fr

# torch's own warnings of itself.
pytestmark = [
    pytest.mark.filterwarnings("ignore:`torch.jit.*:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning"),
    pytest.mark.filterwarnings("ignore:.*legacy TorchScript-based ONNX export.*:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.* should not be instantiated:DeprecationWarning"),
]

RNG = np.random.default_rng(7)
TODAY, TOMORROW = (torch.from_numpy(RNG.normal(0, 3, (4, 3))) for _ in range(2))
LABELS, OTHER_LABELS = ((x > 0.3).double() for x in (TODAY, TOMORROW))
SOFT = OTHER_LABELS * 0.6 + 0.2
CLASSES, OTHER_CLASSES = torch.tensor([0, 1, 2, 1]), torch.tensor([2, 2, 0, 1])

Loss = Callable[..., torch.Tensor]


def sigmoid(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return sigmoid_focal_loss(x, y, 0.25, 1.5, "mean")


def softmax(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    return softmax_focal_loss(x, t, None, 0.5, "sum")


def rows(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    return softmax_focal_loss(x, t, [1.0, 2.0, 0.0], 2.0, ignore_index=1)


CASES = pytest.mark.parametrize(
    ("loss", "today", "tomorrow"),
    [
        (sigmoid, (TODAY, LABELS), (TOMORROW, OTHER_LABELS)),
        # Hard labels while it is traced, soft ones later: the trace must not have looked.
        (sigmoid, (TODAY, LABELS), (TOMORROW, SOFT)),
        (softmax, (TODAY, CLASSES), (TOMORROW, OTHER_CLASSES)),
        (rows, (TODAY, CLASSES), (TOMORROW, OTHER_CLASSES)),
    ],
    ids=["sigmoid", "sigmoid-soft", "softmax", "rows"],
)


def gradient(loss: Loss) -> Loss:
    """As a function that calls autograd inside."""

    def of(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        x = x.detach().requires_grad_()
        return torch.autograd.grad(loss(x, t).sum(), x)[0]

    return of


def close(a: torch.Tensor, b: torch.Tensor) -> None:
    """Formulas in torch's own operations against NumPy's: float64, a few ULP."""
    torch.testing.assert_close(a, b, rtol=1e-13, atol=1e-18)


@pytest.mark.slow
@CASES
def test_make_fx_records_operations(loss: Loss, today: Any, tomorrow: Any) -> None:
    """In real mode: the graph, run on other numbers, gives their loss and gradient."""
    for f in (loss, gradient(loss)):
        close(make_fx(f)(*today)(*tomorrow), f(*tomorrow))


@CASES
def test_jit_trace_records_operations(loss: Loss, today: Any, tomorrow: Any) -> None:
    """Values; checked by torch's own second run too, and after a way through a file."""
    traced = torch.jit.trace(loss, today)
    close(traced(*tomorrow), loss(*tomorrow))
    file = io.BytesIO()
    torch.jit.save(traced, file)
    file.seek(0)
    close(torch.jit.load(file)(*tomorrow), loss(*tomorrow))


class Counter(TorchDispatchMode):
    """Names of what is dispatched."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.seen.append(str(func))
        return func(*args, **(kwargs or {}))


class Names(TorchFunctionMode):
    """Names of the functions that are called."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.seen.append(getattr(func, "__name__", ""))
        return func(*args, **(kwargs or {}))


@CASES
@pytest.mark.parametrize("mode", [Counter, Names])
def test_modes_see_operations(loss: Loss, today: Any, tomorrow: Any, mode: Any) -> None:
    """The exponential among them; the numbers stay the same."""
    with mode() as watcher:
        value = loss(*tomorrow)
    assert any("exp" in name for name in watcher.seen)
    close(value, loss(*tomorrow))


@CASES
def test_modes_see_the_way_back(loss: Loss, today: Any, tomorrow: Any) -> None:
    """Also where only that is watched."""
    x = tomorrow[0].clone().requires_grad_()
    value = loss(x, tomorrow[1]).sum()
    with Counter() as watcher:
        value.backward()
    assert any("mul" in name for name in watcher.seen)
    close(x.grad, gradient(loss)(*tomorrow))


def test_a_default_device_is_nobody_who_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    """`torch.set_default_device` is a mode, too, and doesn't cost the fast way."""
    with torch.device("cpu"):
        assert sigmoid(TODAY, LABELS).item() == sigmoid(TODAY, LABELS).item()
        from focal_ref.engine import torch_tensors

        assert not torch_tensors.is_watched()


def test_fake_tensors_from_real_inputs() -> None:
    """FakeTensorMode computes shapes, whatever it was given."""
    from torch._subclasses import FakeTensor, FakeTensorMode

    with FakeTensorMode(allow_non_fake_inputs=True):
        value = sigmoid_focal_loss(TODAY, LABELS)
    assert isinstance(value, FakeTensor)
    assert value.shape == TODAY.shape


def test_memory_and_flop_counters_and_profilers() -> None:
    """torch's own tools have something to report."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False):
        close(sigmoid(TODAY, LABELS), sigmoid(TODAY.clone(), LABELS))
    with torch.profiler.profile() as profile:
        sigmoid(TODAY, LABELS)
        softmax(TODAY, CLASSES)
    assert {"focal_ref.sigmoid", "focal_ref.softmax"} <= {event.key for event in profile.key_averages()}


# ---- batched ways back ------------------------------------------------------------------------------------------------------

UNREDUCED = pytest.mark.parametrize(
    ("f", "loss", "targets"),
    [
        (lambda x: sigmoid_focal_loss(x, LABELS), fr.SigmoidFocalLoss(alpha=0.25), LABELS),
        (lambda x: softmax_focal_loss(x, CLASSES), fr.SoftmaxFocalLoss(), CLASSES),
    ],
    ids=["sigmoid", "softmax"],
)


@UNREDUCED
def test_a_vectorised_jacobian(f: Any, loss: Any, targets: torch.Tensor) -> None:
    """Each loss's own gradient on the diagonal, zero elsewhere."""
    jacobian = torch.autograd.functional.jacobian(f, TODAY, vectorize=True)
    torch.testing.assert_close(jacobian, torch.autograd.functional.jacobian(f, TODAY), rtol=0, atol=0)
    summed = torch.from_numpy(loss.grad(TODAY.numpy(), targets.numpy()))
    close(jacobian.sum(tuple(range(jacobian.ndim - 2))), summed)


@UNREDUCED
def test_batched_gradients(f: Any, loss: Any, targets: torch.Tensor) -> None:
    """`is_grads_batched` gives what one at a time gives."""
    x = TODAY.clone().requires_grad_()
    value = f(x)
    above = torch.from_numpy(RNG.normal(size=(5, *value.shape)))
    (batched,) = torch.autograd.grad(value, x, above, is_grads_batched=True, retain_graph=True)
    single = [torch.autograd.grad(value, x, one, retain_graph=True)[0] for one in above]
    close(batched, torch.stack(single))


@UNREDUCED
def test_a_vectorised_hessian(f: Any, loss: Any, targets: torch.Tensor) -> None:
    """Of torch's older interface."""
    hessian = torch.autograd.functional.hessian(lambda x: f(x).sum(), TODAY, vectorize=True)
    diagonal = torch.einsum("ijij->ij", hessian)
    close(diagonal, torch.from_numpy(loss.hessian_diag(TODAY.numpy(), targets.numpy())))


@pytest.mark.parametrize("module", [FocalLoss(), SigmoidFocalLoss(gamma=1.5)], ids=repr)
def test_modules_are_traced_too(module: torch.nn.Module) -> None:
    """With what they hold."""
    today, tomorrow = ((TODAY, CLASSES), (TOMORROW, OTHER_CLASSES))
    if isinstance(module, SigmoidFocalLoss):
        today, tomorrow = ((TODAY, LABELS), (TOMORROW, OTHER_LABELS))
    close(torch.jit.trace(module, today)(*tomorrow), module(*tomorrow))

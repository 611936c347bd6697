"""torch's machinery gives focal_ref's derivatives through each of its doors: compared by value, never only that it runs."""

from __future__ import annotations

import gc
import os
import re
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from focal_ref_torch import FocalLoss, sigmoid_focal_loss, softmax_focal_loss

import focal_ref as fr

# torch's own warnings of itself, in forward mode and in its compiler.
pytestmark = [
    pytest.mark.filterwarnings("ignore:`torch.jit.script.*` is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.* should not be instantiated:DeprecationWarning"),
]

RNG = np.random.default_rng(5)
X = torch.from_numpy(np.concatenate([[0.0, 0.0, 30.0, -30.0], RNG.normal(0, 3, 12)]).reshape(4, 4))
"""With the logit 0, where differentiating |x| or a minimum goes wrong."""
LABELS = torch.from_numpy(RNG.integers(0, 2, (4, 4)).astype(np.float64))
CLASSES = torch.tensor([0, 3, 2, 1])


def sigmoid(x: torch.Tensor) -> torch.Tensor:
    return sigmoid_focal_loss(x, LABELS, 0.25, 1.5, "sum")


def softmax(x: torch.Tensor) -> torch.Tensor:
    return softmax_focal_loss(x, CLASSES, None, 0.5, "sum")


EXACT = {
    sigmoid: (fr.SigmoidFocalLoss(gamma=1.5, alpha=0.25, reduction="sum"), LABELS.numpy()),
    softmax: (fr.SoftmaxFocalLoss(gamma=0.5, reduction="sum"), CLASSES.numpy()),
}
BOTH = pytest.mark.parametrize("f", [sigmoid, softmax])
Loss = Callable[[torch.Tensor], torch.Tensor]


def close(got: Any, expected: Any, units: float = 64) -> None:
    """Within so many ULP of the largest entry: the same formulas, in another order of operations."""
    got, expected = (np.asarray(a.detach() if isinstance(a, torch.Tensor) else a) for a in (got, expected))
    scale = np.abs(expected).max() * np.finfo(expected.dtype).eps
    assert np.abs(got - expected).max() <= units * scale


def gradient(f: Any) -> Any:
    loss, targets = EXACT[f]
    return loss.grad(X.numpy(), targets)


def hessian(f: Any) -> Any:
    """Column by column."""
    loss, targets = EXACT[f]
    unit = np.eye(16).reshape(16, 4, 4)
    return np.stack([loss.hvp(X.numpy(), targets, v) for v in unit]).reshape(4, 4, 4, 4)


@BOTH
def test_backward_and_double_backward(f: Loss) -> None:
    """The gradient, and a Hessian-vector product."""
    x = X.clone().requires_grad_()
    (grad,) = torch.autograd.grad(f(x), x, create_graph=True)
    close(grad, gradient(f), 0)
    v = torch.from_numpy(RNG.normal(size=(4, 4)))
    loss, targets = EXACT[f]  # type: ignore[index]
    close(torch.autograd.grad(grad, x, v)[0], loss.hvp(X.numpy(), targets, v.numpy()))


@pytest.mark.slow
@BOTH
def test_gradcheck_to_third_order(f: Loss) -> None:
    """Against finite differences, in reverse and forward mode."""
    x = torch.from_numpy(RNG.normal(size=(4, 4))).requires_grad_()
    assert torch.autograd.gradcheck(f, (x,), check_forward_ad=True)
    assert torch.autograd.gradgradcheck(f, (x,), check_fwd_over_rev=True)

    def first(x: torch.Tensor) -> torch.Tensor:
        return torch.autograd.grad(f(x), x, create_graph=True)[0]

    assert torch.autograd.gradgradcheck(first, (x,))


@BOTH
def test_functional_transforms(f: Loss) -> None:
    """grad, jvp, vmap of grad, and Hessians by every pair of modes."""
    func = torch.func
    close(func.grad(f)(X), gradient(f))
    v = torch.from_numpy(RNG.normal(size=(4, 4)))
    close(func.jvp(f, (X,), (v,))[1], np.sum(gradient(f) * v.numpy()))
    pairs = [(a, b) for a in (func.jacrev, func.jacfwd) for b in (func.jacrev, func.jacfwd)]
    for outer, inner in pairs:
        close(outer(inner(f))(X), hessian(f), 512)
    close(func.hessian(f)(X), hessian(f), 512)


def test_vmap_of_grad_is_each_samples_own() -> None:
    """Per-sample gradients, for either loss."""
    own = torch.func.vmap(torch.func.grad(lambda x, y: sigmoid_focal_loss(x, y, 0.25, 1.5, "sum")))(X, LABELS)
    close(own, gradient(sigmoid))
    rows = torch.func.vmap(torch.func.grad(lambda x, t: softmax_focal_loss(x, t, None, 0.5, "sum", axis=0)))(X, CLASSES)
    close(rows, gradient(softmax))


@BOTH
def test_forward_mode(f: Loss) -> None:
    """Dual numbers."""
    v = torch.from_numpy(RNG.normal(size=(4, 4)))
    with torch.autograd.forward_ad.dual_level():
        out = f(torch.autograd.forward_ad.make_dual(X, v))
        tangent = torch.autograd.forward_ad.unpack_dual(out).tangent
    close(tangent, np.sum(gradient(f) * v.numpy()))


@pytest.fixture
def compiled() -> Any:
    """torch.compile without a graph break; compiling the graphs is C++'s business, tracing them ours."""
    torch._dynamo.reset()
    return lambda f, **options: torch.compile(f, fullgraph=True, backend="aot_eager", **options)


@pytest.mark.compiles
@BOTH
def test_compiled(f: Loss, compiled: Any) -> None:
    """Value and gradient, without a warning."""
    x = X.clone().requires_grad_()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", ".* should not be instantiated", DeprecationWarning)
        value = compiled(f)(x)
    value.backward()
    assert x.grad is not None
    close(value, f(X))
    close(x.grad, gradient(f))


@pytest.mark.compiles
@BOTH
def test_compiled_transforms(f: Loss, compiled: Any) -> None:
    """grad, vmap of grad and jvp inside: designs that ran here and returned wrong numbers are why this is compared."""
    close(compiled(torch.func.grad(f))(X), gradient(f))
    v = torch.from_numpy(RNG.normal(size=(4, 4)))
    close(compiled(lambda x, v: torch.func.jvp(f, (x,), (v,))[1])(X, v), np.sum(gradient(f) * v.numpy()))
    own = torch.func.vmap(torch.func.grad(lambda x, y: sigmoid_focal_loss(x, y, 0.25, 1.5, "sum")))
    close(compiled(own)(X, LABELS), gradient(sigmoid))


@pytest.mark.compiles
def test_compiled_by_inductor_into_one_loop_each_way() -> None:
    """The real compiler, once: value and gradient are one fused loop with no temporary in it, the way back is one product."""
    from torch._inductor.utils import run_and_get_code

    torch._dynamo.reset()
    x = X.to(torch.float32).requires_grad_()
    labels = LABELS.to(torch.float32)
    f = torch.compile(lambda x: sigmoid_focal_loss(x, labels, 0.25, 1.5, "sum"), fullgraph=True)
    _, codes = run_and_get_code(lambda: f(x).backward())
    assert x.grad is not None
    close(x.grad, EXACT[sigmoid][0].grad(x.detach().numpy(), labels.numpy()))
    assert [len(re.findall(r"^cpp_fused\w* = ", code, re.MULTILINE)) for code in codes] == [1, 1]
    assert re.findall(r"empty_strided_cpu\(\((.*?)\), ", codes[0]).count("4, 4") == 1


@pytest.mark.compiles
def test_compiled_with_dynamic_shapes(compiled: Any) -> None:
    """No graph for each batch size: at most a second one, however many there are."""
    from torch._dynamo.testing import CompileCounterWithBackend

    count = CompileCounterWithBackend("aot_eager")
    torch._dynamo.reset()
    f = torch.compile(lambda x, y: sigmoid_focal_loss(x, y, 0.25, 2.0, "mean"), fullgraph=True, dynamic=True, backend=count)
    for n in (8, 5, 17, 3, 40):
        x = torch.linspace(-3, 3, n, dtype=torch.float64, requires_grad=True)
        y = (torch.arange(n) % 2).double()
        f(x, y).backward()
        assert x.grad is not None
        close(x.grad, fr.SigmoidFocalLoss(alpha=0.25, reduction="mean").grad(x.detach().numpy(), y.numpy()))
    assert count.frame_count <= 2


@pytest.mark.compiles
def test_double_backward_inside_a_compiled_region_is_refused_by_torch(compiled: Any) -> None:
    """What torch itself lacks, for any function: it says so, and gives no number."""
    x = X.clone().requires_grad_()
    value = compiled(sigmoid)(x)
    (grad,) = torch.autograd.grad(value, x, create_graph=True)
    with pytest.raises(RuntimeError, match=r"double backward|not have been used in the graph"):
        torch.autograd.grad(grad.sum(), x)


NESTED = """
import torch
from focal_ref_torch import sigmoid_focal_loss
x, y = torch.zeros(2, 3, dtype=torch.float64), torch.ones(2, 3, dtype=torch.float64)
own = lambda x, y: sigmoid_focal_loss(x, y, 0.25, 1.5, "sum")
right = torch.func.vmap(torch.func.hessian(own))(x, y)
twice = torch.compile(torch.func.vmap(torch.func.jacrev(torch.func.jacrev(own))), fullgraph=True, backend="aot_eager")(x, y)
print(float((twice - right).abs().max()) < 1e-15)
try:
    torch.compile(torch.func.vmap(torch.func.hessian(own)), fullgraph=True, backend="aot_eager")(x, y)
except torch._dynamo.exc.TorchRuntimeError:
    print("refused")
"""


@pytest.mark.compiles
def test_a_compiled_vmap_of_hessian_is_refused_by_torch_and_has_a_way_round() -> None:
    """torch cannot compile forward mode inside vmap, of any function: it says so. Reverse mode twice compiles, and is right.

    In a process of its own: where torch gives up, it leaves some of its state behind.
    """
    paths = os.pathsep.join(map(str, (root := Path(__file__).parents[3], root / "adapters")))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", NESTED], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": paths}
    )
    assert done.stdout.split() == ["True", "refused"], done.stderr[-2000:]


@pytest.mark.compiles
def test_export() -> None:
    """A module that ends in the loss is exported, and its program gives the loss."""
    module = torch.nn.Sequential(torch.nn.Linear(3, 4))
    loss = FocalLoss(alpha=[1.0, 2.0, 3.0, 4.0])

    class Both(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.loss = module, loss

        def forward(self, x: torch.Tensor, t: torch.Tensor) -> Any:
            return self.loss(self.body(x), t)

    inputs = torch.ones(4, 3), CLASSES
    program = torch.export.export(Both(), inputs)
    close(program.module()(*inputs), loss(module(inputs[0]), CLASSES))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_computes_in_float32(dtype: torch.dtype) -> None:
    """Half-precision logits from an autocast region: the loss is float32, and gradients are finite."""
    layer = torch.nn.Linear(4, 4)
    x = 300 * torch.randn(4, 4, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", dtype=dtype):
        logits = layer(x)
        assert logits.dtype == dtype
        losses = [sigmoid_focal_loss(logits, LABELS.float(), reduction="mean"), FocalLoss()(logits, CLASSES)]
    assert all(loss.dtype == torch.float32 for loss in losses)
    sum(losses[1:], losses[0]).backward()
    assert layer.weight.grad is not None
    assert bool(torch.isfinite(layer.weight.grad).all())


@pytest.mark.slow
def test_what_is_kept_for_backward() -> None:
    """The logits, the targets and one tensor of the gradient's size: no more memory than that."""
    x = torch.zeros(1000, dtype=torch.float64, requires_grad=True)
    y = torch.ones(1000, dtype=torch.float64)
    kept: list[torch.Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: (kept.append(t), t)[1], lambda t: t):
        value = sigmoid_focal_loss(x, y, 0.25, 2.0, "mean")
    assert sorted(t.numel() for t in kept) == [1000, 1000, 1000]
    assert len({t.data_ptr() for t in kept} - {x.data_ptr(), y.data_ptr()}) == 1
    value.backward()
    del value
    gc.collect()


def test_inputs_may_lie_in_any_order() -> None:
    """Transposed and strided logits: the same bits, and gradients in the right places."""
    for view in (X.T, X[::2], X.to(torch.float32)):
        labels = (view > 0).to(view.dtype)
        x, y = view.clone().contiguous().requires_grad_(), view.detach().requires_grad_()
        a, b = (sigmoid_focal_loss(z, labels, reduction="sum") for z in (x, y))
        assert torch.equal(a, b)
        ga, gb = torch.autograd.grad(a, x)[0], torch.autograd.grad(b, y)[0]
        assert torch.equal(ga, gb)


def test_no_gradient_no_graph() -> None:
    """Under no_grad, or where nothing wants one, nothing is kept."""
    assert not sigmoid(X).requires_grad
    with torch.no_grad():
        assert not sigmoid(X.clone().requires_grad_()).requires_grad

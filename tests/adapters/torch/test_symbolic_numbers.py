"""Numbers and sizes that torch's compiler owns: one graph for any γ, α and normalizer, and exports with a free batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from focal_ref_torch import FocalLoss, SigmoidFocalLoss, sigmoid_focal_loss, softmax_focal_loss
from torch._dynamo.testing import CompileCounterWithBackend

pytestmark = pytest.mark.filterwarnings("ignore:.* should not be instantiated:DeprecationWarning")

X = torch.linspace(-4, 4, 27, dtype=torch.float64).reshape(9, 3)
LABELS = (X > 0.3).double()
CLASSES = torch.arange(9) % 3


def compiled(f: Any, backend: str = "aot_eager", **options: Any) -> tuple[Any, CompileCounterWithBackend]:
    torch._dynamo.reset()
    count = CompileCounterWithBackend(backend)
    return torch.compile(f, fullgraph=True, backend=count, **options), count


def close(a: torch.Tensor, b: torch.Tensor) -> None:
    torch.testing.assert_close(a, b, rtol=1e-13, atol=1e-18)


def of(name: str, link: str) -> Any:
    """The loss as a function of one of its numbers."""
    loss, targets = (sigmoid_focal_loss, LABELS) if link == "sigmoid" else (softmax_focal_loss, CLASSES)
    return lambda x, number: loss(x, targets, **{"gamma": 1.5, "reduction": "sum", name: number})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("link", "name", "numbers"),
    [
        ("sigmoid", "gamma", (1.0, 1.3, 2.4, 0.5)),
        ("softmax", "gamma", (1, 3, 4, 5)),
        ("sigmoid", "alpha", (0.1, 0.3, 0.9, 0.5)),
        ("softmax", "normalizer", (1.5, 3.0, 7.25, 0.5)),
        ("sigmoid", "normalizer", (2, 3, 7, 90)),
    ],
)
def test_one_graph_for_any_number(link: str, name: str, numbers: Any) -> None:
    """Given as an argument, a float or an int; value and gradient."""
    f = of(name, link)
    g, count = compiled(f, dynamic=True)
    for number in numbers:
        ours, theirs = X.clone().requires_grad_(), X.clone().requires_grad_()
        value = g(ours, number)
        value.backward()
        f(theirs, number).backward()
        close(value, f(X, number))
        assert ours.grad is not None
        assert theirs.grad is not None
        close(ours.grad, theirs.grad)
    # A compiler takes 0 and 1 for constants, whatever they are for.
    assert count.frame_count <= 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "targets"), [(FocalLoss(), CLASSES), (SigmoidFocalLoss(), LABELS)], ids=["softmax", "sigmoid"]
)
def test_a_schedule_of_gamma(module: Any, targets: torch.Tensor) -> None:
    """An attribute that changes between calls: a graph for the constant, and one for every other number."""
    g, count = compiled(module)
    for gamma in (2.0, 1.9, 1.8, 1.2, 0.3):
        module.gamma = gamma
        close(g(X, targets), module(X, targets))
    assert count.frame_count <= 2


GIVEN = [2, 3, 1.5, [0.5] * 9, torch.tensor(1.5), torch.full((9,), 1.5), torch.nn.Parameter(torch.tensor(1.5))]


@pytest.mark.slow
@pytest.mark.parametrize("gamma", GIVEN, ids=lambda g: type(g).__name__)
def test_every_way_of_giving_gamma(gamma: Any) -> None:
    """To a module, which is captured without a break, and differentiated where that is a parameter."""
    module = FocalLoss(gamma=gamma, alpha=np.asarray([1.0, 0.5, 2.0]))
    assert isinstance(module.alpha, torch.Tensor)
    g, _ = compiled(module, "aot_eager" if isinstance(gamma, torch.nn.Parameter) else "eager", dynamic=True)
    close(g(X, CLASSES).detach(), module(X, CLASSES).detach())


@pytest.mark.slow
def test_numbers_of_numpy_as_arguments() -> None:
    """Scalars and arrays: one graph, as for Python's."""

    def f(x: torch.Tensor, gamma: Any, alpha: Any, normalizer: Any) -> torch.Tensor:
        return softmax_focal_loss(x, CLASSES, alpha, gamma, "sum", normalizer=normalizer)

    g, count = compiled(f)
    for number in (1.1, 1.3, 2.6):
        given = np.float64(number), np.full(3, number), np.float32(number)
        close(g(X, *given), f(X, *given))
    assert count.frame_count <= 2


@pytest.mark.slow
@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize(
    ("module", "targets"),
    [(FocalLoss(gamma=1.5), CLASSES), (FocalLoss(ignore_index=1), CLASSES), (SigmoidFocalLoss(), LABELS)],
    ids=["softmax", "ignoring", "sigmoid"],
)
def test_an_export_with_a_free_batch(module: Any, targets: torch.Tensor, strict: bool) -> None:
    """A mean, of batches of other sizes."""
    batch = torch.export.Dim("batch", min=2, max=4096)
    program = torch.export.export(module, (X, targets), dynamic_shapes=({0: batch}, {0: batch}), strict=strict)
    for n in (9, 4, 2):
        close(program.module()(X[:n], targets[:n]), module(X[:n], targets[:n]))


@pytest.mark.slow
def test_a_symbolic_trace() -> None:
    """`make_fx` in symbolic mode."""
    from torch.fx.experimental.proxy_tensor import make_fx

    for module, targets in ((FocalLoss(), CLASSES), (SigmoidFocalLoss(), LABELS)):
        traced = make_fx(module, tracing_mode="symbolic")(X, targets)
        for n in (9, 5, 2):
            close(traced(X[:n], targets[:n]), module(X[:n], targets[:n]))


@pytest.mark.slow
def test_a_wrong_number_is_refused_while_it_is_traced() -> None:
    """Named, as without a compiler."""
    for name, number in (("gamma", -1.0), ("alpha", 1.5), ("normalizer", 0.0)):
        g, _ = compiled(of(name, "sigmoid"))
        with pytest.raises(Exception, match=rf"{name}: got {number}"):
            g(X, number)

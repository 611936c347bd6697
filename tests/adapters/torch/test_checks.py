"""Eager and compiled code tell one story of what is wrong: refused where it is seen, else NaN in its place, never a number."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from focal_ref_torch import FocalLoss, SigmoidFocalLoss, sigmoid_focal_loss, softmax_focal_loss
from focal_ref_torch.family import MemberLoss

from focal_ref.family import Reduced

pytestmark = pytest.mark.filterwarnings("ignore:.* should not be instantiated:DeprecationWarning")

X = torch.linspace(-3, 3, 12, dtype=torch.float64).reshape(4, 3)
LABELS, CLASSES = (X > 0.3).double(), torch.tensor([0, 1, 2, 1])
NAN = float("nan")


def column(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)[:, None]


def wrong() -> dict[str, tuple[str, Any, Any, Any]]:
    """An argument's name, the call with it, what it is given, and which rows it makes NaN."""
    ones = torch.ones(())

    def sigmoid(**options: Any) -> Any:
        return lambda a, **more: sigmoid_focal_loss(X, options.get("y", LABELS), **more, **{options["of"]: a})

    def softmax(of: str) -> Any:
        return lambda a, **more: softmax_focal_loss(X, CLASSES, **more, **{of: a})

    return {
        "a label": ("targets", lambda a, **more: sigmoid_focal_loss(X, a, **more), LABELS + column(0, 0, 254, 0), [2]),
        "a class": ("targets", lambda a, **more: softmax_focal_loss(X, a, **more), CLASSES * torch.tensor([1, 1, 50, 1]), [2]),
        "γ < 0": ("gamma", sigmoid(of="gamma"), column(1, -1, 2, 0), [1]),
        "γ NaN": ("gamma", sigmoid(of="gamma"), column(1, 2, 2, NAN), [3]),
        "γ inf": ("gamma", softmax("gamma"), column(1, 2, 2, float("inf"))[:, 0], [3]),
        "γ of all": ("gamma", sigmoid(of="gamma"), -ones, [0, 1, 2, 3]),
        "α > 1": ("alpha", sigmoid(of="alpha"), column(0.5, 1.5, 1, 0), [1]),
        "α soft": ("alpha", sigmoid(of="alpha", y=LABELS * 0.5), column(0.5, 0, 1, -0.1), [3]),
        "α of a class": ("alpha", softmax("alpha"), torch.tensor([1.0, -1, 1]), [1, 3]),
        "pos_weight": ("pos_weight", sigmoid(of="pos_weight", y=LABELS * 0.5 + 0.1), column(1, -2, 1, 3), [1]),
    }  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("name", "call", "value", "rows"), wrong().values(), ids=wrong())
def test_refused_or_nan_there(name: str, call: Any, value: torch.Tensor, rows: list[int]) -> None:
    """Where entries are looked at, in words; without `check`, and where operations are watched, NaN in these rows only."""
    with pytest.raises(ValueError, match=rf"^{name}: got"):
        call(value)
    expected = torch.tensor([[row in rows] for row in range(4)])
    from torch.fx.experimental.proxy_tensor import make_fx

    for found in (call(value, check=False), make_fx(call)(value)(value)):
        nan = found.isnan().reshape(4, -1)
        assert torch.equal(nan, expected.expand_as(nan))


@pytest.mark.parametrize("normalizer", [0.0, -1.0, NAN, float("inf")])
def test_a_normalizer_of_nothing(normalizer: float) -> None:
    """A number is refused, a tensor too where it is seen; elsewhere the loss is NaN, and not infinite."""
    for given in (normalizer, torch.tensor(normalizer)):
        with pytest.raises(ValueError, match=r"^normalizer: got .*" + (r"max\(count, 1\)" if normalizer == 0 else "")):
            softmax_focal_loss(X, CLASSES, reduction="sum", normalizer=given)
    assert softmax_focal_loss(X, CLASSES, reduction="sum", normalizer=torch.tensor(normalizer), check=False).isnan()


def test_a_member_of_the_family_takes_it() -> None:
    """As the named losses do."""
    labels = LABELS + column(0, 0, 254, 0)
    with pytest.raises(ValueError, match=r"^targets: got"):
        MemberLoss(Reduced(), reduction="none")(X, labels)
    assert MemberLoss(Reduced(), reduction="none", check=False)(X, labels).isnan().any(1).tolist() == [
        False,
        False,
        True,
        False,
    ]


@pytest.mark.slow
def test_compiled_code_tells_the_same() -> None:
    """The real compiler's traces, once for everything."""

    def f(gamma: Any, alpha: Any, normalizer: Any, y: Any, t: Any) -> Any:
        return (
            sigmoid_focal_loss(X, y, alpha, gamma),
            softmax_focal_loss(X, t, None, gamma[:, 0]),
            softmax_focal_loss(X, t, reduction="mean", normalizer=normalizer),
        )

    torch._dynamo.reset()
    g = torch.compile(f, fullgraph=True, backend="aot_eager")
    right = (column(1, 2, 0, 3), column(0, 0.5, 1, 0.2), torch.tensor(2.0), LABELS, CLASSES)
    for a, b in zip(g(*right), f(*right), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-13, atol=1e-18)
    found = g(column(1, -1, 0, 3), column(0, 0.5, 1.5, 0.2), torch.tensor(0.0), LABELS + column(0, 0, 0, 1), CLASSES - 1)
    assert [result.isnan().reshape(-1, 3 if result.ndim == 2 else 1).any(1).tolist() for result in found] == [
        [False, True, True, True],
        [True, True, False, False],
        [True],
    ]


@pytest.mark.parametrize("reduction", ["none", "mean"])
def test_a_learned_gamma_below_zero_does_not_stop_the_run(reduction: Any) -> None:
    """As where its entries can't be seen: NaN, while learning and while evaluating. When the module is made, it is refused."""
    gamma = torch.nn.Parameter(torch.tensor(0.01))
    for loss, targets in ((FocalLoss(gamma=gamma, reduction=reduction), CLASSES), (SigmoidFocalLoss(gamma=gamma), LABELS)):
        with torch.no_grad():
            gamma.fill_(0.01)
        assert loss(X, targets).isfinite().all()
        with torch.no_grad():
            gamma.fill_(-0.01)
            assert loss(X, targets).isnan().all()
        assert loss(X, targets).isnan().all()
        # What else is wrong is still refused.
        with pytest.raises(ValueError, match=r"^targets: got"):
            loss(X, targets - 1)
    with pytest.raises(ValueError, match=r"^gamma: got"):
        FocalLoss(gamma=gamma)


def test_what_counts_for_nothing_may_be_wrong() -> None:
    """A mask is applied after NaN, also to entries of γ and α that nobody has looked at."""
    weight = column(1, 0, 1, 0)
    clean = sigmoid_focal_loss(X, LABELS, 0.25, 2.0, weight=weight)
    for gamma, alpha in (
        (column(2, NAN, 2, -1), 0.25),
        (2.0, column(0.25, NAN, 0.25, 7)),
        (column(2, NAN, 2, float("inf")), 0.25),
    ):
        x = X.clone().requires_grad_()
        value = sigmoid_focal_loss(x, LABELS, alpha, gamma, weight=weight, check=False)
        torch.testing.assert_close(value, clean)
        value.sum().backward()
        assert x.grad is not None
        assert not x.grad[[1, 3]].any()
        assert x.grad.isfinite().all()


def test_the_way_back_is_not_checked_either() -> None:
    """Second derivatives of what forward let through: NaN in the same place."""
    x = X.clone().requires_grad_()
    value = softmax_focal_loss(x, CLASSES * 50, check=False)
    (slope,) = torch.autograd.grad(value.sum(), x, create_graph=True)
    (curvature,) = torch.autograd.grad(slope.sum(), x)
    assert curvature.isnan().all(1).tolist() == [False, True, True, True]


def test_check_is_a_choice_of_three() -> None:
    """And an attribute that counts when it is set afterwards."""
    with pytest.raises(TypeError, match=r"^check: got 'yes'"):
        sigmoid_focal_loss(X, LABELS, check="yes")  # type: ignore[arg-type]
    loss = FocalLoss(reduction="none")
    loss.check = False
    assert loss(X, CLASSES + 1).isnan().tolist() == [False, False, True, False]
    assert repr(loss).endswith("check=False)")


def test_a_group_of_processes_is_for_the_positives() -> None:
    """Beside another reduction or a normalizer it would not be asked."""
    for options in ({"reduction": "mean"}, {"reduction": "mean_positive", "normalizer": 2.0}):
        with pytest.raises(ValueError, match=r"^process_group: got one "):
            sigmoid_focal_loss(X, LABELS, process_group=object(), **options)  # type: ignore[arg-type]

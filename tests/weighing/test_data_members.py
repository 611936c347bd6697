"""Members that are data: constants of the caller's own library and device, reached from the family, refused in words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import focal_ref as fr
from focal_ref import family, weighing

X = np.asarray([-3.0, 0.0, 0.5, 4.0])
Y = np.asarray([1, 0, 1, 0])


def test_the_family_has_them() -> None:
    """What the room has, the family has, by the same names; nothing else is made up on demand."""
    assert set(weighing.__all__) <= set(dir(family))
    assert all(getattr(family, name) is getattr(weighing, name) for name in weighing.__all__)
    with pytest.raises(AttributeError, match="no attribute 'varifocals'"):
        family.varifocals  # noqa: B018


def test_every_library_has_them(backend: Any) -> None:
    """The results are the library's arrays, and NumPy's numbers."""
    x, y, rows = backend(X), backend(Y), backend(np.stack([X, -X, 0 * X]))
    q = backend(np.asarray([0.0, 0.5, 1.0, 0.25]))
    made = {
        "varifocal": lambda x, y, q, rows: family.varifocal(q)[1:],
        "gaussian": lambda x, y, q, rows: (family.gaussian(q).targets, family.gaussian(q).weight),
        "distribution_rows": lambda x, y, q, rows: (family.distribution_rows(q, 3),),
        "one_against_rest": lambda x, y, q, rows: family.one_against_rest(y, 1, ignore_index=1, background=2)[::2],
        "normalized": lambda x, y, q, rows: (family.normalized(x, y, 2.0), family.normalized(rows, y[:3], axis=1)),
        "sample_gamma": lambda x, y, q, rows: (family.sample_gamma(x, y), family.sample_gamma(rows, y[:3], axis=-1)),
        "asymmetric_weight": lambda x, y, q, rows: (family.asymmetric_weight(x, y),),
        "reduced_like_smp": lambda x, y, q, rows: (family.reduced_like_smp(x, y, threshold=0.25),),
        "sums": lambda x, y, q, rows: (family.GradientSums().added(rows, rows > 0).ratio,),
    }
    plain = (X, Y, np.asarray([0.0, 0.5, 1.0, 0.25]), np.stack([X, -X, 0 * X]))
    for name, make in made.items():
        for got, due in zip(make(x, y, q, rows), make(*plain), strict=True):
            assert type(got).__module__.partition(".")[0] == type(x).__module__.partition(".")[0], name
            np.testing.assert_allclose(backend.numpy(got), due, rtol=1e-6, err_msg=name)


def test_no_gradient_flows_through_them() -> None:
    """Of a normalized loss the gradient is that of the sum, divided: torch sees a constant."""
    torch = pytest.importorskip("torch")
    x, y = torch.tensor(X, requires_grad=True), torch.tensor(Y)
    for made in (family.normalized(x, y), family.sample_gamma(x, y), family.asymmetric_weight(x, y)):
        assert not made.requires_grad
    loss = fr.SigmoidFocalLoss(2.0, reduction="sum")(x, y, normalizer=family.normalized(x, y))
    (grad,) = torch.autograd.grad(loss, x)
    due = fr.SigmoidFocalLoss(2.0).grad(X, Y) / family.normalized(X, Y)
    np.testing.assert_allclose(grad.numpy(), due, rtol=1e-12)


def test_an_easy_batch_has_a_divisor() -> None:
    """Where every (1 − p_t)^γ is 0, the sum is divided by 1."""
    assert family.normalized(np.asarray([1000.0]), np.asarray([1])) == 1.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: family.varifocal(np.asarray([2.0])), r"quality: got 2.0 at flat index 0"),
        (
            lambda: family.gaussian(np.asarray([1])),
            r"heat: got an? int64 array .*; expected a floating-point array in \[0, 1\]",
        ),
        (
            lambda: family.distribution_rows(np.asarray([3.5]), 4),
            r"values: got 3.5 .*expected a floating-point array in \[0, 3\]",
        ),
        (lambda: family.one_against_rest(np.asarray([0.5]), 4), r"classes: got an? float64 array"),
        (lambda: family.normalized(X[None], np.full((1, 4), 0.25), axis=1), r"targets: got .*expected integer classes"),
        (lambda: family.cyclical_share(11, 10), r"epoch: got 11; expected a number in \[0, 10\]"),
        (lambda: family.equalized(np.ones(3), base=0.0), r"base: got 0.0; expected a finite number above 0"),
        (lambda: family.asymmetric_weight(X, Y, shift=1.5), r"shift: got 1.5; expected a number from 0 to 0.99"),
        (lambda: family.reduced_like_smp(X, Y, threshold=0.0), r"threshold: got 0.0; expected a number above 0"),
    ],
)
def test_wrong_input_is_named(call: Any, message: str) -> None:
    """The argument, what came, and what is accepted."""
    with pytest.raises((TypeError, ValueError), match=message):
        call()

"""Slips in a kernel that somebody writes: each is said with the class, the function and the cure; what is none runs."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import focal_ref as fr
from focal_ref import oracle
from focal_ref.family import Jet, Kernel, parameter
from focal_ref.family.poly1 import Poly1
from tests.family.test_a_member_is_one_file import CLASSES, ROWS, X, Y


class Root(Kernel):
    """φ = √u ℓ, by functions that no member of the package asks for."""

    name, formula, source = "root", "√u ℓ", "this test"

    @staticmethod
    def definition(p: Any, u: Any, nll: Any) -> Any:
        return u.sqrt() * nll

    @staticmethod
    def jet(xp: Any, margin: Any, order: int) -> Jet:
        root, loss = xp.sqrt(margin.u), xp.minimum(xp.maximum(margin.nll, 0.0), 1e30)
        slope = -root * (0.5 * margin.p * loss + margin.u)
        bend = margin.p * margin.u + 0.5 * margin.p * (2 * margin.u + (0.5 * margin.p - margin.u) * loss)
        return Jet(root * loss, *[slope, root * bend][:order])


class Counted(Root):
    """The same, asking for what only arrays have."""

    name = "counted"

    @staticmethod
    def jet(xp: Any, margin: Any, order: int) -> Jet:
        found = Root.jet(xp, margin, order)
        return found if margin.u.size else Jet(found.value)


class Borrowed(Root):
    """The same, by NumPy's own function."""

    name = "borrowed"

    @staticmethod
    def jet(xp: Any, margin: Any, order: int) -> Jet:
        return Root.jet(xp, margin._replace(nll=np.abs(margin.nll)), order)


@pytest.mark.parametrize("precision", ["native", "extended", "reference"])
def test_square_roots_maxima_and_minima_are_there_for_every_engine(backend: Any, precision: Any) -> None:
    """Value, gradient and Hessian by way of `xp.sqrt`, `xp.maximum` and `xp.minimum`, against the oracle's definition."""
    if precision == "reference" and backend.name in ("torch", "jax"):
        pytest.skip("reference precision computes in float64, which jax hasn't; torch's is the adapter's affair")
    loss = fr.SigmoidLoss(Root(), precision=precision)
    results = [oracle.member(Root(), x, int(y)) for x, y in zip(X[1:9], Y[1:9], strict=True)]
    limit = 8.0 if precision == "native" or not backend.widens("float32") else 0.51
    for got, name in zip(loss.value_grad_hess(backend(X[1:9]), backend(Y[1:9])), ("value", "grad", "hess"), strict=True):
        terms = None if name == "value" else [getattr(r, f"{name}_terms") for r in results]
        errors = backend.ulps(got, [getattr(r, name) for r in results], terms)
        assert errors.max() <= limit, (name, errors)


@pytest.mark.parametrize("kernel", [Counted(), Borrowed()], ids=repr)
def test_what_can_t_be_traced_runs_on_the_arrays(kernel: Kernel) -> None:
    """With compiled loops as without: the same bits, and one warning that names the kernel and what it asked for."""
    with fr.set_engine("numpy"):
        due = fr.SigmoidLoss(kernel).value_and_grad(X, Y), fr.SoftmaxLoss(kernel).value_and_grad(ROWS, CLASSES)
    if fr.engine() == "compiled":
        with pytest.warns(RuntimeWarning, match=rf"^focal_ref: {type(kernel).__name__}'s formulas run operation by operation"):
            fr.SigmoidLoss(kernel)(X, Y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        got = fr.SigmoidLoss(kernel).value_and_grad(X, Y), fr.SoftmaxLoss(kernel).value_and_grad(ROWS, CLASSES)
    for ours, theirs in zip(got, due, strict=True):
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_fault_of_the_package_is_no_slip(monkeypatch: pytest.MonkeyPatch) -> None:
    """A member of the package that can't be traced raises: it isn't passed over."""
    if fr.engine() != "compiled":
        pytest.skip("nothing is traced")
    monkeypatch.setattr(Poly1, "jet", staticmethod(lambda xp, margin, order, **_: Jet(xp.sinh(margin.u))))
    with pytest.raises(AttributeError, match="sinh"):
        fr.SigmoidLoss(Poly1(3.25, 0.75), reduction="sum")(X.astype(np.float32), Y)


SLIPS: dict[str, tuple[Callable[[], Any], str]] = {
    "no parameter()": (lambda: made(gamma=(float, 2.0)), r"Slip\.gamma: got 2\.0; expected parameter\(2\.0\)$"),
    "a name that is taken": (lambda: made(values=(Any, parameter(1.0))), r"Slip\.values: kernels have something else"),
    "p": (lambda: made(p=(Any, parameter(1.0))), r"Slip\.p: kernels have something else"),
    "an empty range": (
        lambda: made(g=(Any, parameter(2.0, low=2.0, high=1.0))),
        r"Slip\.g: got default 2\.0; expected a number in \[2\.0, 1\.0\]",
    ),
    "a parameter of by_parameter": (
        lambda: made(by_parameter={"gama": None}),
        r"Slip\.by_parameter: got 'gama'; expected none",
    ),
    "asks": (lambda: made(asks=("y",)), r"Slip\.asks: got 'y'; expected names among 'label', 'z'$"),
    "jet as a method": (
        lambda: made(jet=lambda self, xp, margin, order: None),
        r"Slip\.jet: got no static method; expected @staticmethod def jet\(xp, margin, order\)$",
    ),
    "jet without the parameter": (
        lambda: made(g=(Any, parameter(1.0)), jet=staticmethod(lambda xp, margin, order: None)),
        r"Slip\.jet: got an unexpected keyword argument 'g'; expected @staticmethod def jet\(xp, margin, order, g\)$",
    ),
    "definition with another": (
        lambda: made(definition=staticmethod(lambda p, u, nll, gamma: u)),
        r"Slip\.definition: missing a required argument: 'gamma'; expected @staticmethod def definition\(p, u, nll\)$",
    ),
    "a jet that is a tuple": (
        lambda: valued(lambda xp, margin, order: (margin.nll, margin.u)),
        r"Slip\.jet: got tuple; expected Jet\(value, slope, curvature\)$",
    ),
    "a jet that is an array": (lambda: valued(lambda xp, margin, order: margin.nll), r"Slip\.jet: got .*; expected Jet"),
    "a jet without its slope": (
        lambda: valued(lambda xp, margin, order: Jet(margin.nll)),
        r"Slip\.jet: got Jet\(value\) for order 2; expected φ and 2 derivatives$",
    ),
    "no jet": (lambda: valued(None), r"the kernel has no jet\(xp, margin, order, \*\*parameters\)"),
    "no definition": (lambda: oracle.member(made()(), 0.5, 1), r"the kernel has no definition\(p, u, nll, \*\*parameters\)"),
}


def made(**attributes: Any) -> type[Kernel]:
    """A kernel's class; pairs are fields, with their annotation."""
    fields = {name: value for name, value in attributes.items() if isinstance(value, tuple) and name != "asks"}
    body = {**attributes, **{name: value for name, (_, value) in fields.items()}}
    body |= {"name": "slip", "formula": "", "source": "", "__annotations__": {name: kind for name, (kind, _) in fields.items()}}
    return type(Kernel)("Slip", (Kernel,), {"__module__": __name__, **body})


def valued(jet: Callable[..., Any] | None) -> Any:
    """All derivatives of a kernel with such a jet."""
    kernel = made() if jet is None else made(jet=staticmethod(jet))
    return fr.SigmoidLoss(kernel()).value_grad_hess(X, Y)


@pytest.mark.parametrize("slip", SLIPS)
@pytest.mark.filterwarnings("ignore:focal_ref. Slip's formulas run:RuntimeWarning")
def test_a_slip_is_said_where_it_is(slip: str) -> None:
    """When the class is made, or at the first call: the class, the function, what was got and what is expected."""
    make, words = SLIPS[slip]
    with pytest.raises((TypeError, ValueError, NotImplementedError), match=words):
        make()


def test_a_right_kernel_is_left_alone() -> None:
    """Annotated fields, defaults in a base class, and one member made of another."""

    class Own(Poly1):
        name = "own"

        @staticmethod
        def jet(xp: Any, margin: Any, order: int, gamma: Any, epsilon: Any) -> Jet:
            return Poly1.jet(xp, margin, order, gamma, epsilon)

    np.testing.assert_array_equal(fr.SigmoidLoss(Own(0.5))(X, Y), fr.SigmoidLoss(Poly1(0.5))(X, Y))
    assert list(Own.parameters) == ["gamma", "epsilon"]


def test_a_derivative_that_is_not_there_is_said_with_its_place() -> None:
    """Of a kernel without `by_parameter`."""

    class Plain(Kernel):
        name, formula, source = "plain", "u^γ ℓ", "nobody"
        gamma: Any = parameter(2.0)

        @staticmethod
        def definition(p: Any, u: Any, nll: Any, gamma: Any) -> Any:  # type: ignore[override]
            return u**gamma * nll

        jet = staticmethod(fr.family.Focal.jet)

    with pytest.raises(
        ValueError, match=r"name: got 'gamma'; expected none: Plain says no such derivative; by_parameter = \{'gamma'"
    ):
        fr.SigmoidLoss(Plain()).gamma_grad(np.zeros(2), 1)

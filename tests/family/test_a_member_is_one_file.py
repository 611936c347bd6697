"""A kernel defined here, in a test, goes through everything that focal loss does, with no other line of the package changed."""

from __future__ import annotations

import importlib.util
import pickle
from functools import partial
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest

import focal_ref as fr
from focal_ref import oracle
from focal_ref.conformance import ulp
from focal_ref.engine.symbols import traced
from focal_ref.family import KERNELS, Focal, Kernel, parameter
from focal_ref.losses.plan import Plan
from focal_ref.losses.programs import sigmoid_program
from focal_ref.mathematics.margin import Jet
from focal_ref.mathematics.power import bounded, focal_by_gamma, power
from tests import xla
from tests.engine.test_fusion import COMPILERS, compiled
from tests.family.members import MEMBERS, another, due, tried


class Steep(Kernel):
    """φ = u^γ ℓ (1 + u), made up: with m = 1 + u, m' = −p u and m'' = −p u (u − p)."""

    name = "steep"
    formula = "u^γ ℓ (1 + u)"
    source = "this test"
    by_parameter = {"gamma": lambda xp, margin, gamma: focal_by_gamma(xp, margin, gamma) * (1 + margin.u)}  # noqa: RUF012

    gamma: Any = parameter(2.0)

    @staticmethod
    def definition(p: Any, u: Any, nll: Any, gamma: Any) -> Any:
        return u**gamma * nll * (1 + u)

    @staticmethod
    def jet(xp: Any, margin: Any, order: int, gamma: Any) -> Jet:
        f, m, bend = Focal.jet(xp, margin, order, gamma), 1 + margin.u, margin.p * margin.u
        if order == 0:
            return Jet(f.value * m)
        loss = power(xp, margin, gamma) * bounded(xp, margin.nll)  # p ends what ℓ would make infinite
        slope = f.slope * m - loss * bend
        if order == 1:
            return Jet(f.value * m, slope)
        return Jet(f.value * m, slope, f.curvature * m - (2 * f.slope + loss * (margin.u - margin.p)) * bend)


ROOT = Path(__file__).resolve().parents[2]
ALL = [Steep(2.0), *MEMBERS]
X = np.asarray([-60.0, -17.0, -3.0, -0.5, 0.0, 0.25, 2.0, 9.0, 30.0, 80.0])
Y = np.arange(10) % 2
ROWS = np.asarray([[0.5, -2.0, 30.0], [-0.25, 0.0, 1.0], [3.0, 3.0, -1.0], [-40.0, 0.0, 2.0]])
CLASSES = np.asarray([1, 0, 2, 1])
SOFT = np.asarray([[0.25, 0.5, 0.25], [0.0, 1.0, 0.0], [0.5, 0.5, 0.0], [0.125, 0.125, 0.75]])
BOUND = {"float32": 0.51, "float64": 12.0}
"""ULP; of Σ|terms| for derivatives. float64: DESIGN's 6 + 2.5 γ at γ = 2, and 1 more for the product."""

same_member = pytest.mark.parametrize("kernel", ALL, ids=repr)


def _exact(results: list[Any], name: str) -> list[Any]:
    parts = [getattr(result, name) for result in results]
    return [entry for part in parts for entry in (part if isinstance(part, list) else [part])]


def _held(backend: Any, got: Any, results: list[Any], dtype: str) -> None:
    """Value, gradient and Hessian."""
    limit = BOUND[dtype] if dtype == "float64" or backend.widens(dtype) else 12.0
    for part, name, terms in zip(got, ("value", "grad", "hess"), (None, "grad_terms", "hess_terms"), strict=True):
        exact = _exact(results, name)
        scale = None if terms is None else [max(abs(e), t) for e, t in zip(exact, _exact(results, terms), strict=True)]
        normal = np.asarray([abs(e) >= ulp.FORMATS[dtype].tiny * 1e3 for e in exact])
        errors = np.where(normal, backend.ulps(part, exact, scale), 0.0)
        assert errors.max() <= limit, (name, errors)


def _sigmoid_is_held(backend: Any, kernel: Kernel, dtype: str) -> None:
    for y in (Y, np.asarray([0.25, 0.5, 0.75, 0.125, 0.5, 0.5, 1.0, 0.0, 0.25, 0.5])):
        targets = backend(y) if y.dtype.kind == "i" else backend(y, dtype)
        loss = fr.SigmoidLoss(kernel, alpha=0.25, soft_targets="expected")
        got = loss.value_grad_hess(backend(X, dtype), targets)
        exact = due(kernel, tuple(X.tolist()), tuple(y.tolist()), 0.25)
        _held(backend, got, exact, dtype)


@same_member
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sigmoid_is_the_definition(backend: Any, kernel: Kernel, dtype: str) -> None:
    """Value, gradient and Hessian, hard and expected, weighed by α, against the oracle of the definition alone."""
    if not backend.has(dtype):
        pytest.skip(f"{backend.name} has no {dtype}")
    for one in tried(backend, kernel):
        _sigmoid_is_held(backend, one, dtype)


def _softmax_is_held(backend: Any, kernel: Kernel, dtype: str) -> None:
    loss = fr.SoftmaxLoss(kernel)
    for targets, y in ((backend(CLASSES), CLASSES.tolist()), (backend(SOFT, dtype), SOFT.tolist())):
        got = loss.value_grad_hess(backend(ROWS, dtype), targets)
        exact = due(kernel, tuple(map(tuple, ROWS.tolist())), tuple(tuple(t) if isinstance(t, list) else t for t in y))
        _held(backend, got, exact, dtype)
        tangent = np.asarray([[1.0, -0.5, 0.25]])
        product = backend.numpy(loss.hvp(backend(ROWS, dtype), targets, backend(tangent, dtype)))
        for row, result in zip(product, exact, strict=True):
            products = np.asarray([float(e) for e in result.hvp(tangent[0].tolist())])
            assert np.abs(row - products).max() <= 1e-5 * max(np.abs(products).max(), 1e-30)


@pytest.mark.slow
@same_member
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_softmax_is_the_definition(backend: Any, kernel: Kernel, dtype: str) -> None:
    """Value, gradient, Hessian diagonal and Hessian products, of classes and of probabilities."""
    if not backend.has(dtype):
        pytest.skip(f"{backend.name} has no {dtype}")
    for one in tried(backend, kernel):
        _softmax_is_held(backend, one, dtype)


@same_member
def test_weights_masks_and_reductions(backend: Any, kernel: Kernel) -> None:
    """A weight multiplies; where it is 0, NaN and all, loss and derivatives are 0; sums and means are of what is left."""
    x, y = X[1:9].copy(), Y[1:9]
    weight = np.where(np.arange(8) == 3, 0.0, 2.0)
    x[3] = np.nan
    logits, targets, weights = backend(x), backend(y), backend(weight)
    plain = fr.SigmoidLoss(kernel).value_grad_hess(backend(np.nan_to_num(x)), targets)
    for got, one in zip(fr.SigmoidLoss(kernel).value_grad_hess(logits, targets, weights), plain, strict=True):
        assert np.array_equal(backend.numpy(got), np.where(weight == 0, 0.0, 2 * backend.numpy(one)))
    total = fr.SigmoidLoss(kernel, reduction="sum")(logits, targets, weights)
    mean = fr.SigmoidLoss(kernel, reduction="mean")(logits, targets, weights)
    assert np.isfinite(backend.numpy(total))
    np.testing.assert_allclose(backend.numpy(total), 8 * backend.numpy(mean), rtol=1e-6)
    ignored = fr.SoftmaxLoss(kernel, ignore_index=-1, reduction="mean")
    kept = fr.SoftmaxLoss(kernel, reduction="mean")
    whole = ignored(backend(ROWS), backend(np.asarray([1, -1, 2, -1])))
    part = kept(backend(ROWS[::2]), backend(np.asarray([1, 2])))
    assert backend.numpy(whole) == backend.numpy(part)


def _parameters_are_held(backend: Any, kernel: Kernel) -> None:
    loss = fr.SigmoidLoss(kernel)
    results = due(kernel, tuple(X.tolist()), tuple(Y.tolist()))
    for name in kernel.by_parameter:
        got = loss.parameter_grad(name, backend(X), backend(Y))
        exact = [result.parameter_grad(name) for result in results]
        normal = np.asarray([abs(e) >= 1e-34 for e in exact])
        assert np.where(normal, backend.ulps(got, exact), 0.0).max() <= (0.51 if backend.widens("float32") else 12.0)
    with pytest.raises(ValueError, match=r"name: got 'delta'; expected one of '\w+'"):
        loss.parameter_grad("delta", backend(X), backend(Y))


@same_member
def test_derivatives_by_parameters(backend: Any, kernel: Kernel) -> None:
    """Each that the kernel has is the oracle's; one that it hasn't is refused with those that it has."""
    for one in tried(backend, kernel):
        _parameters_are_held(backend, one)


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_derivatives_by_probability_follow(backend: Any, gamma: float) -> None:
    """Without a word in the member, from its jet, as the oracle has them from its definition."""
    p, y = np.asarray([0.0078125, 0.25, 0.5, 0.9375]), np.asarray([1, 0, 0, 1])
    got = fr.ProbabilityLoss(Steep(gamma)).value_grad_hess(backend(p), backend(y))
    results = [oracle.probability(Steep(gamma), a, b) for a, b in zip(p.tolist(), y.tolist(), strict=True)]
    for part, name in zip(got, ("value", "grad", "hess"), strict=True):
        exact = np.asarray([float(getattr(result, name)) for result in results])
        np.testing.assert_allclose(backend.numpy(part), exact, rtol=2e-7 if backend.widens("float32") else 1e-5)


@pytest.mark.slow
def test_torch_compiled_and_differentiated() -> None:
    """torch's compiler runs it as one graph, with eager's results; autograd finds the handwritten gradient."""
    torch = pytest.importorskip("torch")
    loss = fr.SigmoidLoss(Steep(2.0), reduction="sum", precision="native")
    x, y = torch.tensor(X[2:8], dtype=torch.float64, requires_grad=True), torch.tensor(Y[2:8])
    value = torch.compile(loss, backend="eager", fullgraph=True)(x, y)
    (grad,) = torch.autograd.grad(value, x)
    torch.testing.assert_close(grad, loss.grad(x.detach(), y), rtol=1e-12, atol=0)


@pytest.mark.slow
def test_jax_jitted() -> None:
    """jit's results are the operations' own, with float targets that can't be seen, too: never focal loss's "mix"."""
    jax = pytest.importorskip("jax")
    x, y = jax.numpy.asarray(X, dtype="float32"), jax.numpy.asarray(Y, dtype="float32")
    for loss in (fr.SigmoidLoss(Steep(2.0)), *(fr.SigmoidLoss(kernel) for kernel in MEMBERS[1:3])):
        np.testing.assert_allclose(xla.jit(loss)(x, y), loss(x, y), rtol=1e-5)
        np.testing.assert_allclose(xla.jit(loss)(x, y), loss(X.astype(np.float32), Y), rtol=1e-5, atol=1e-37)


@pytest.mark.compiles
@pytest.mark.skipif(not COMPILERS, reason="no C++ compiler")
@same_member
def test_the_cuda_text_compiled(kernel: Kernel, tmp_path: Path) -> None:
    """What CuPy would compile gives NumPy's results."""
    known = {"formulas": "float64", "formula": "hard", "looked": True, "reduced": False, "kernel": type(kernel)}
    plan = Plan(("value", "grad", "hessian_diag"), "float64", **known)  # type: ignore[arg-type]
    types = ["float64", "int32", *kernel.values.values(), None, None, None, None]
    made = traced(partial(sigmoid_program, plan=plan), types, "float64")
    got = compiled(made, "float64", tmp_path)(X, Y.astype(np.int32))
    for a, b in zip(got, fr.SigmoidLoss(kernel).value_grad_hess(X, Y), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-300)


def _is_least(kernel: Kernel) -> None:
    eta = np.asarray([0.01, 0.3, 0.5, 0.9])
    v = fr.minimiser(eta, kernel, alpha=0.25)
    np.testing.assert_allclose(fr.posterior(v, kernel, alpha=0.25), eta, rtol=1e-9)
    z = fr.optimal_constant(eta.tolist(), kernel, alpha=0.25, axis=None)
    loss = fr.SigmoidLoss(kernel, alpha=0.25)
    mean = eta * loss.grad(z, 1) + (1 - eta) * loss.grad(z, 0)
    assert np.abs(mean).max() < 1e-12
    row = np.asarray([0.7, 0.2, 0.1])
    start = np.asarray(fr.optimal_constant(row, kernel, axis=0))
    slopes = [fr.SoftmaxLoss(kernel).grad(start[None], np.asarray([c]))[0] for c in range(3)]
    of_mean = np.abs(sum(p * slope for p, slope in zip(row, slopes, strict=True)))
    assert of_mean.max() < 1e-12


@pytest.mark.slow
@same_member
def test_the_posterior_is_where_the_mean_is_least(kernel: Kernel) -> None:
    """The minimiser of the mean at η has the gradient 0 there, and `posterior` gives η back; one logit and rows."""
    with fr.set_engine("numpy"):
        for one in (kernel, another(kernel)):
            _is_least(one)


def _limits_are_held(backend: Any, kernel: Kernel) -> None:
    x, y = np.asarray([np.inf, -np.inf, np.inf, -np.inf, np.nan, 0.5]), np.asarray([1, 1, 0, 0, 1, 1])
    exact = due(kernel, tuple(x[:4].tolist()), tuple(y[:4].tolist()))
    for part, name in zip(
        fr.SigmoidLoss(kernel).value_grad_hess(backend(x), backend(y)), ("value", "grad", "hess"), strict=True
    ):
        got = backend.numpy(part)
        assert np.isnan(got).tolist() == [False] * 4 + [True, False]
        np.testing.assert_array_equal(got[:4], np.asarray([float(getattr(r, name)) for r in exact], dtype=np.float32))
    for name in kernel.by_parameter:
        got = backend.numpy(fr.SigmoidLoss(kernel).parameter_grad(name, backend(x), backend(y)))
        assert np.isnan(got).tolist() == [False] * 4 + [True, False], name


@same_member
def test_infinite_logits_give_the_limit_and_nan_stays(backend: Any, kernel: Kernel) -> None:
    """Value, gradient and Hessian at ±inf are the oracle's; NaN is NaN in its element only; nothing is NaN beside it."""
    for one in tried(backend, kernel):
        _limits_are_held(backend, one)


@same_member
def test_a_loss_of_a_member_is_a_value(kernel: Kernel) -> None:
    """Equal, hashable, picklable, shown; and refused in words where a parameter is wrong."""
    loss = fr.SoftmaxLoss(kernel, alpha=(1.0, 2.0))
    again = loss if isinstance(kernel, Steep) else pickle.loads(pickle.dumps(loss))
    assert again == fr.SoftmaxLoss(kernel, alpha=(1, 2))
    assert hash(loss) == hash(fr.SoftmaxLoss(type(kernel)(**kernel.values), alpha=(1.0, 2.0)))
    assert repr(kernel) in repr(loss)
    first = next(iter(kernel.parameters))
    with pytest.raises(ValueError, match=rf"{first}: got -1.0; expected a (finite )?number"):
        fr.SigmoidLoss(type(kernel)(-1.0))
    with pytest.raises(ValueError, match=r"soft_targets: got 'else'; expected one of '\w+'"):
        fr.SigmoidLoss(kernel, soft_targets="else")
    for call in (fr.SigmoidLoss, lambda member: fr.posterior(0.2, member), lambda m: fr.conformance.check(len, kernel=m)):
        with pytest.raises(TypeError, match=r"kernel: got \w+; .* did you mean \w+\(\)\?"):
            call(type(kernel))


def test_every_member_with_a_file_is_found() -> None:
    """The family is its folder; each member has what the documentation is made of."""
    assert {"focal", "poly1"} <= set(KERNELS)
    for name, kernel in KERNELS.items():
        assert kernel.name == name
        assert all((kernel.formula, kernel.source, kernel.__doc__, kernel.parameters))
        assert mpmath.isfinite(oracle.member(kernel(), 0.5, 1).value)


def test_the_named_front_is_the_composed_loss() -> None:
    """SigmoidFocalLoss(γ) and SigmoidLoss(Focal(γ)) have the same bits, every method."""
    front, composed = fr.SigmoidFocalLoss(1.5, alpha=0.25), fr.SigmoidLoss(Focal(1.5), alpha=0.25)
    for a, b in zip(front.value_grad_hess(X, Y), composed.value_grad_hess(X, Y), strict=True):
        assert np.array_equal(a, b)
    assert np.array_equal(front.gamma_grad(X, Y), composed.parameter_grad("gamma", X, Y))
    assert front.kernel == composed.kernel


def test_the_page_has_the_members_as_they_are() -> None:
    """docs/family.md's table is what docs/family_table.py makes of the kernels."""
    spec = importlib.util.spec_from_file_location("family_table", ROOT / "docs" / "family_table.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    text = module.PAGE.read_text(encoding="utf-8")
    assert module.page(text) == text


@pytest.mark.slow
@pytest.mark.parametrize("link", ["sigmoid", "softmax"])
def test_check_measures_a_member(link: str) -> None:
    """A right function passes against the definition; focal loss itself, taken for the member, does not."""
    make = fr.SigmoidLoss if link == "sigmoid" else fr.SoftmaxLoss

    def ours(logits: Any, targets: Any, gamma: float) -> Any:
        return make(Steep(gamma)).value(logits, targets)

    def slopes(logits: Any, targets: Any, gamma: float) -> Any:
        return make(Steep(gamma)).value_grad_hess(logits, targets)[1:]

    asked: dict[str, Any] = {"link": link, "kernel": Steep(), "gammas": [0.5, 2.0], "dtypes": ["float64"], "classes": [3, 10]}
    verdict = fr.conformance.check(ours, derivative=slopes, **asked)
    assert verdict.passed, str(verdict)
    assert {row.quantity for row in verdict.rows} == {"value", "grad", "hess"}
    other = fr.sigmoid_focal_loss if link == "sigmoid" else fr.softmax_focal_loss
    assert not fr.conformance.check(other, derivative=None, **asked).passed

"""The linear classifier keeps scikit-learn's rules, finds the minimum, and predicts the posterior; the metric is the loss."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import focal_ref as fr
from focal_ref.calibration.posteriors import minimiser, posterior

sklearn = pytest.importorskip("sklearn")

from focal_ref_sklearn import FocalLogisticRegression, _problem, focal_loss  # noqa: E402 - needs scikit-learn
from focal_ref_sklearn._newton import newton  # noqa: E402
from scipy import sparse  # noqa: E402
from sklearn.datasets import load_breast_cancer, load_digits, load_wine  # noqa: E402
from sklearn.exceptions import ConvergenceWarning  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.metrics import log_loss, make_scorer, roc_auc_score  # noqa: E402
from sklearn.model_selection import cross_val_score  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402
from sklearn.utils.estimator_checks import check_estimator  # noqa: E402

SOLVERS = ("lbfgs", "newton-cg")


def tumours() -> tuple[Any, Any]:
    X, y = load_breast_cancer(return_X_y=True)
    return StandardScaler().fit_transform(X), y


def wine() -> tuple[Any, Any]:
    X, y = load_wine(return_X_y=True)
    return StandardScaler().fit_transform(X), y


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # scikit-learn's checks provoke them
@pytest.mark.parametrize("solver", SOLVERS)
def test_scikit_learns_own_checks_pass(solver: Any) -> None:
    """All of `check_estimator`'s that are not skipped by scikit-learn itself."""
    results = check_estimator(FocalLogisticRegression(solver=solver), on_fail=None, on_skip=None)
    assert [r for r in results if r["status"] not in ("passed", "skipped")] == []
    assert len([r for r in results if r["status"] == "passed"]) > 50


@pytest.mark.slow
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("data", [tumours, wine])
def test_without_focusing_it_is_logistic_regression(data: Any, solver: Any) -> None:
    """γ = 0: scikit-learn's probabilities, to 1e-5, binary and multinomial, with and without an intercept."""
    X, y = data()
    for intercept in (True, False):
        ours = FocalLogisticRegression(gamma=0.0, solver=solver, fit_intercept=intercept).fit(X, y)
        theirs = LogisticRegression(tol=1e-10, max_iter=10_000, fit_intercept=intercept).fit(X, y)
        assert np.abs(ours.predict_proba(X) - theirs.predict_proba(X)).max() < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize(("data", "alpha"), [(tumours, None), (tumours, 0.25), (wine, None), (wine, (1.0, 2.0, 4.0))])
def test_both_solvers_end_where_the_gradient_is_0(data: Any, alpha: Any) -> None:
    """By gradients alone and by Hessian products, the same minimum: the loss's own gradient and the penalty's cancel."""
    X, y = data()
    models = [FocalLogisticRegression(2.0, alpha, solver=solver).fit(X, y) for solver in SOLVERS]
    assert np.abs(models[0].predict_proba(X) - models[1].predict_proba(X)).max() < 1e-4
    for model in models:
        logits = X @ model.coef_.T + model.intercept_
        if alpha is None or isinstance(alpha, float):
            binary = logits.shape[1] == 1
            loss = fr.SigmoidFocalLoss(alpha=alpha) if binary else fr.SoftmaxFocalLoss()
            pull = loss.grad(logits[:, 0] if binary else logits, y).reshape(len(y), -1)
        else:
            pull = fr.SoftmaxFocalLoss(alpha=alpha).grad(logits, y)
        assert np.abs(pull.T @ X + model.coef_).max() < 1e-4 * np.abs(pull.T @ np.abs(X)).max() + 1e-4


@pytest.mark.parametrize("alpha", [None, 0.25])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0, 5.0])
def test_probabilities_are_frequencies(gamma: float, alpha: float | None) -> None:
    """Two groups with 4% and 60% positives: that is what is predicted, and not the loss's minimiser."""
    X = np.repeat([[0.0], [1.0]], 100, axis=0)
    y = np.concatenate([np.arange(100) < 4, np.arange(100) < 60]).astype(int)
    model = FocalLogisticRegression(gamma, alpha, C=1e12).fit(X, y)
    found = model.predict_proba([[0.0], [1.0]])
    assert np.abs(found[:, 1] - [0.04, 0.6]).max() < 1e-5
    assert np.abs(found.sum(axis=1) - 1).max() < 1e-15
    plain = 1 / (1 + np.exp(-(model.coef_[0, 0] * np.asarray([0, 1]) + model.intercept_[0])))
    np.testing.assert_allclose(plain, minimiser(np.asarray([0.04, 0.6]), gamma, alpha), rtol=1e-4)
    np.testing.assert_allclose(posterior(plain, gamma, alpha), found[:, 1], rtol=1e-10)


def test_labels_of_any_kind_and_copies() -> None:
    """Strings come back as they went in; a pickled model predicts the same bits."""
    X, y = wine()
    names = np.asarray(["red", "white", "rosé"])[y]
    model = FocalLogisticRegression().fit(X, names)
    assert (model.predict(X) == names).mean() > 0.97
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.decision_function(X), model.decision_function(X))


@pytest.mark.parametrize("several", [False, True], ids=["binary", "multinomial"])
def test_scores_are_finite_wherever_the_logits_are(several: bool) -> None:
    """Far out, where the posterior is 0 or 1 to the last bit: log odds by hand, AUC too; their order is kept."""
    X, y = (wine if several else tumours)()
    model = FocalLogisticRegression().fit(X, y)
    far = X * 1e5
    score, logs = model.decision_function(far), model.predict_log_proba(far)
    assert np.isfinite(score).all()
    assert np.isfinite(logs).all()
    assert (model.predict_proba(far) == 0).any()
    np.testing.assert_allclose(np.exp(logs), model.predict_proba(far), rtol=1e-8, atol=1e-300)
    near = model.decision_function(X)
    p = model.predict_proba(X)
    np.testing.assert_allclose(near, np.log(p) if several else np.log(p[:, 1] / p[:, 0]), rtol=1e-7, atol=1e-9)
    if not several:
        assert roc_auc_score(y, score) > 0.9
        assert len(np.unique(score)) == len(score)


def test_sparse_and_float32() -> None:
    """A sparse matrix gives the dense one's model; float32 comes back as float32, and near float64's."""
    X, y = tumours()
    X = np.where(np.abs(X) < 0.5, 0.0, X)
    dense = FocalLogisticRegression().fit(X, y)
    for kind in (sparse.csr_matrix, sparse.csc_array, sparse.coo_matrix):
        model = FocalLogisticRegression().fit(kind(X), y)
        np.testing.assert_allclose(model.coef_, dense.coef_, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(model.predict_proba(kind(X)), dense.predict_proba(X), rtol=1e-3, atol=1e-7)
    single = FocalLogisticRegression().fit(X.astype(np.float32), y)
    for name in ("predict_proba", "decision_function", "predict_log_proba"):
        assert getattr(single, name)(X.astype(np.float32)).dtype == np.float32
    assert single.coef_.dtype == np.float32
    np.testing.assert_allclose(single.coef_, dense.coef_, rtol=1e-3, atol=1e-4)


def test_class_weights_are_sample_weights() -> None:
    """ "balanced" and a dict: the same as their product with sample_weight."""
    X, y = tumours()
    base = np.random.default_rng(0).uniform(0.5, 2, len(y))
    sums = np.bincount(y, weights=base)
    for class_weight, factor in (("balanced", (base.sum() / 2 / sums)[y]), ({0: 3.0}, np.where(y == 0, 3.0, 1.0))):
        ours = FocalLogisticRegression(class_weight=class_weight).fit(X, y, base)
        np.testing.assert_allclose(ours.coef_, FocalLogisticRegression().fit(X, y, base * factor).coef_, rtol=1e-6, atol=1e-8)


def test_without_a_penalty() -> None:
    """C = ∞ on classes that overlap: γ = 0 is scikit-learn's unpenalised model."""
    X, y = tumours()
    X, y = X[:, :2], y
    theirs = LogisticRegression(C=np.inf, tol=1e-10, max_iter=10_000).fit(X, y)
    np.testing.assert_allclose(FocalLogisticRegression(0.0, C=np.inf).fit(X, y).coef_, theirs.coef_, rtol=1e-5)


def test_a_warm_start_begins_where_the_last_fit_ended() -> None:
    """A second fit takes hardly a step, and a cold one as many as the first."""
    X, y = wine()
    model = FocalLogisticRegression(warm_start=True, tol=1e-6).fit(X, y)
    first = int(model.n_iter_[0])
    assert int(model.fit(X, y).n_iter_[0]) <= 2 < first
    assert int(model.set_params(warm_start=False).fit(X, y).n_iter_[0]) == first


@pytest.mark.slow
def test_units_don_t_matter() -> None:
    """Features in their own units, 1e-3 to 1e3, take about the steps of standardised ones; and end at a minimum."""
    X, y = load_breast_cancer(return_X_y=True)
    model = FocalLogisticRegression().fit(X, y)
    pull = fr.SigmoidFocalLoss().grad(X @ model.coef_[0] + model.intercept_[0], y)
    assert np.abs((pull @ X + model.coef_[0]) / np.abs(X).max(axis=0)).max() < 1e-4 * len(y)
    assert model.n_iter_[0] < 3 * FocalLogisticRegression().fit(*tumours()).n_iter_[0]
    by_steps = FocalLogisticRegression(solver="lbfgs").fit(X, y)
    assert by_steps.n_iter_[0] < 3 * FocalLogisticRegression(solver="lbfgs").fit(*tumours()).n_iter_[0]


@pytest.mark.slow
def test_features_that_hardly_vary_cost_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """Digits as they are, some pixels of which hardly vary: a thousand products of the Hessian, not a hundred times that."""
    X, y = load_digits(return_X_y=True)
    X, y = X[::3], y[::3]
    counted: list[int] = []
    whole = _problem.Problem.product
    monkeypatch.setattr(_problem.Problem, "product", lambda *given: counted.append(1) or whole(*given))
    newton = FocalLogisticRegression().fit(X, y)
    assert len(counted) < 1500
    by_gradients = FocalLogisticRegression(solver="lbfgs").fit(X, y)
    assert np.abs(newton.predict_proba(X) - by_gradients.predict_proba(X)).max() < 1e-4


def test_features_of_any_size_have_coefficients() -> None:
    """Where the penalty rules, coefficients are small, and scores in order all the same; without one, they have their size."""
    X, y = tumours()
    for solver in SOLVERS:
        small = FocalLogisticRegression(solver=solver).fit(X * 1e-8, y)
        assert roc_auc_score(y, small.decision_function(X * 1e-8)) > 0.97
        free = FocalLogisticRegression(solver=solver, C=np.inf).fit(X[:, :2] * 1e-8, y)
        plain = FocalLogisticRegression(solver=solver, C=np.inf).fit(X[:, :2], y)
        np.testing.assert_allclose(free.coef_ * 1e-8, plain.coef_, rtol=1e-5)


def test_newton_s_method_leaves_a_place_of_negative_curvature() -> None:
    """Far from a minimum, where the Hessian has both signs, each step goes down; and what can't go down says so."""

    def bowl(x: Any) -> Any:  # Σ (x² − 1)² has minima at ±1 and a top at 0
        return float(((x**2 - 1) ** 2).sum()), 4 * x * (x**2 - 1)

    def product(x: Any, v: Any) -> Any:
        return (12 * x**2 - 4) * v

    found = newton(
        bowl, product, lambda x: np.abs(12 * x**2 - 4) + 1, np.asarray([0.1, -0.2, 3.0, 1.0]), np.full(4, 1e-12), 100
    )
    assert found.success
    np.testing.assert_allclose(np.abs(found.x), 1, rtol=1e-12)
    stuck = newton(lambda x: (bowl(x)[0], -bowl(x)[1]), product, lambda x: 1 + 0 * x, np.asarray([3.0]), np.full(1, 1e-12), 100)
    assert not stuck.success
    assert "goes down" in stuck.message


def test_it_warns_where_it_stops_short() -> None:
    """With advice: after max_iter, and where a solver gives up away from a minimum."""
    X, y = wine()
    with pytest.warns(ConvergenceWarning, match=r"after 3 iterations; raise max_iter"):
        FocalLogisticRegression(max_iter=3).fit(X, y)

    class Broken(_problem.Problem):
        def value_and_grad(self, flat: Any) -> tuple[float, Any]:
            value, grad = super().value_and_grad(flat)
            return value, -grad  # no line search goes down along it

    model = FocalLogisticRegression()
    problem = Broken(model, X, y, np.ones(len(y)), 3)
    with pytest.warns(ConvergenceWarning, match="stopped where the gradient is still .*; try solver="):
        _problem.minimised(problem, problem.start() + 0.1, "lbfgs", 1e-8, 100)


def test_the_metric_is_the_loss() -> None:
    """Of logs of probabilities; γ = 0 is scikit-learn's log_loss; with weights, and one column for two classes."""
    rng = np.random.default_rng(0)
    p, y, weight = rng.dirichlet(np.ones(3), 50), rng.integers(0, 3, 50), rng.uniform(0, 2, 50)
    loss = fr.SoftmaxFocalLoss(alpha=(1, 2, 3))
    assert focal_loss(y, p, alpha=(1, 2, 3), sample_weight=weight) == float(np.average(loss(np.log(p), y), weights=weight))
    assert abs(focal_loss(y, p, gamma=0.0) / log_loss(y, p) - 1) < 1e-12
    two = y > 0
    assert focal_loss(two, p[:, 0]) == focal_loss(two, np.stack([1 - p[:, 0], p[:, 0]], axis=1))
    assert focal_loss(["b", "b"], p[:2], labels=["a", "b", "c"]) == focal_loss([1, 1], p[:2], labels=[0, 1, 2])
    assert focal_loss([1], [[1.0, 0.0]], labels=[0, 1]) == np.inf
    scorer = make_scorer(focal_loss, greater_is_better=False, response_method="predict_proba")
    assert (cross_val_score(FocalLogisticRegression(), *tumours(), scoring=scorer) < 0).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: FocalLogisticRegression(solver="sag").fit(*tumours()), "solver: got 'sag'"),  # type: ignore[arg-type]
        (lambda: FocalLogisticRegression(gamma=-1.0).fit(*tumours()), "gamma: got -1.0"),
        (lambda: FocalLogisticRegression(alpha=1.5).fit(*tumours()), "alpha: got 1.5"),
        (lambda: FocalLogisticRegression(alpha=1.0).fit(*tumours()), "alpha: got 1.0"),
        (
            lambda: FocalLogisticRegression(alpha=0.25).fit(*wine()),
            "alpha: got 0.25; expected one weight for each of 3",
        ),
        (lambda: FocalLogisticRegression(alpha=(1.0, 2.0)).fit(*wine()), "alpha: got"),
        (lambda: FocalLogisticRegression(class_weight="equal").fit(*tumours()), "class_weight: got 'equal'"),
        (lambda: FocalLogisticRegression(class_weight={7: 1.0}).fit(*tumours()), "class_weight: got label 7"),
        (lambda: FocalLogisticRegression().fit(*tumours(), np.zeros(569)), "non-zero|is zero"),
        (lambda: FocalLogisticRegression().fit(*tumours(), 1.0 * tumours()[1]), "y: got class 0 with weights of zero only"),
        (lambda: FocalLogisticRegression(C=0.0).fit(*tumours()), "C: got 0.0"),
        (lambda: focal_loss([0, 1], [[0.2, 0.3, 0.5]] * 2), "y_proba: got 3 columns for 2 classes"),
        (lambda: focal_loss([0, 5], [[0.5, 0.5]] * 2, labels=[0, 1]), "y_true: got labels"),
    ],
)
def test_wrong_input_is_refused_in_words(call: Any, message: str) -> None:
    """The message names the argument and what came."""
    with pytest.raises(ValueError, match=message):
        call()

"""Wrong formulas that people ship, as models: what each would give, so that a function's results can be told to be it.

A model is one line of NumPy in p, u = 1 − p, ℓ = −log p and γ of a `Place`, beside what to do instead. They are compared with
results only where float64 has digits to spare.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np

from ...typing import Floats
from ..contract import LINKS
from ..place import Place

__all__ = ["FORMULAS", "Mistake"]


class Mistake(NamedTuple):
    """A wrong formula, what to do instead, and what it gives."""

    name: str
    cure: str
    model: Callable[[Place], Floats]
    links: tuple[str, ...] = LINKS


Models: TypeAlias = tuple[Mistake, ...]
SIGMOID, SOFTMAX = ("sigmoid",), ("softmax",)


def _against_the_rest(m: Place) -> Floats:
    x, on = m.grid.logits, m.target_of(m.grid.logits.shape)
    z = np.where(on, x, -x)
    each: Floats = np.exp(-m.gamma * np.logaddexp(0.0, z)) * np.logaddexp(0.0, -z)
    return np.asarray(each.sum(1))


def _target_alone(m: Place) -> Floats:
    z = m.grid.logits[np.arange(len(m.grid.targets)), m.grid.targets]
    return np.asarray(np.exp(-m.gamma * np.logaddexp(0.0, z)) * np.logaddexp(0.0, -z))


def _softmax_twice(m: Place) -> Floats:
    e = np.exp(m.shares)
    p = e[np.arange(len(e)), m.grid.targets] / e.sum(1)
    return np.asarray((1 - p) ** m.gamma * -np.log(p))


def _smoothed(m: Place, share: float = 0.1) -> Floats:
    return np.asarray(m.modulator * ((1 - share) * m.nll - share * np.log(m.shares).mean(1)))


def _by_the_largest(m: Place) -> Floats:
    return np.asarray((1 - m.shares.max(1)) ** m.gamma * m.nll)


def _alpha_inside(m: Place) -> Floats:
    """Of a loss that is multiplied by the weight α once more by whoever compares: (1 − p^α)^γ ℓ."""
    return np.asarray((-np.expm1(-m.weight * m.nll)) ** m.gamma * m.nll)


def _by_the_cross_entropy_of_all(m: Place) -> Floats:
    """Every class's (1 − p)^γ, by one sum."""
    return np.asarray(((1 - m.shares) ** m.gamma).mean(1) * m.nll)


def _sigmoid_of_probability(m: Place) -> Floats:
    z = np.where(m.grid.targets == 1, m.shares, -m.shares)
    return np.asarray(np.exp(-m.gamma * np.logaddexp(0.0, z)) * np.logaddexp(0.0, -z))


VALUES: Models = (
    Mistake("wrong sign", "the loss is −(1 − p)^γ log p, which is never negative", lambda m: -m.modulator * m.nll),
    Mistake("modulating factor missing", "multiply the cross entropy by (1 − p)^γ", lambda m: m.nll + 0 * m.u),
    Mistake(
        "cross entropy taken for p_t",
        "p_t is exp(−CE), the probability of the true class",
        lambda m: (1 - m.nll) ** m.gamma * m.nll,
    ),
    Mistake("gamma applied to the wrong class", "the factor is (1 − p)^γ, not p^γ", lambda m: m.p**m.gamma * m.nll),
    Mistake(
        "gamma applied to the wrong class for negatives",
        "1 − p_t of a negative is σ(x), not 1 − σ(x)",
        lambda m: np.where(m.positive, m.u, m.p) ** m.gamma * m.nll,
        SIGMOID,
    ),
    Mistake("gamma is a factor, not an exponent", "write (1 − p)**γ", lambda m: m.gamma * m.u * m.nll),
    Mistake("1 − p^γ for (1 − p)^γ", "the power comes after the subtraction", lambda m: (1 - m.p**m.gamma) * m.nll),
    Mistake("exponent γ + 1", "the factor is (1 − p)^γ", lambda m: m.modulator * m.u * m.nll),
    Mistake("exponent 2γ", "the factor is (1 − p)^γ, once", lambda m: m.modulator**2 * m.nll),
    Mistake("the log is missing", "the loss is (1 − p)^γ times −log p", lambda m: m.modulator * m.u),
    Mistake(
        "one class against the rest, not softmax",
        "p is the softmax's share; or check it with link='sigmoid'",
        _against_the_rest,
        SOFTMAX,
    ),
    Mistake(
        "modulated by the largest probability, not the target's", "the factor's p is the target's", _by_the_largest, SOFTMAX
    ),
    Mistake(
        "modulated by the mean of all classes' factors", "the factor's p is the target's", _by_the_cross_entropy_of_all, SOFTMAX
    ),
    Mistake("alpha inside the cross entropy: p_t is exp(−α CE)", "take p_t from the unweighed cross entropy", _alpha_inside),
    Mistake("sigmoid of the target's logit, not softmax", "p is exp(x_t) over the sum of all", _target_alone, SOFTMAX),
    Mistake("softmax applied twice", "give the logits to the cross entropy, not the probabilities", _softmax_twice, SOFTMAX),
    Mistake("sigmoid applied twice", "give the logits to the loss, not the probabilities", _sigmoid_of_probability, SIGMOID),
    Mistake("label smoothing 0.1 without being asked", "smooth nothing by default", _smoothed, SOFTMAX),
)


def _rivals(m: Place) -> Floats:
    """Softmax probabilities in the sigmoid's gradient of a negative."""
    q = m.shares
    rest = np.asarray(1 - q)
    return np.where(m.positive, m.pull(), q**m.gamma * (q - m.gamma * rest * np.log(rest)))


GRADIENTS: Models = (
    Mistake(
        "wrong sign", "the gradient is of the loss, which falls as the true class's logit grows", lambda m: -m.pull() * m.turn
    ),
    Mistake(
        "gradient belongs to another loss: modulating factor detached",
        "differentiate (1 − p)^γ too: −(1 − p)^γ (γ p ℓ + 1 − p)",
        lambda m: -m.modulator * m.u * m.turn,
    ),
    Mistake(
        "gradient belongs to another loss: cross entropy detached",
        "differentiate log p too: −(1 − p)^γ (γ p ℓ + 1 − p)",
        lambda m: -m.modulator * m.gamma * m.p * m.nll * m.turn,
    ),
    Mistake(
        "gradient belongs to another loss: cross entropy's",
        "the focal loss's is −(1 − p)^γ (γ p ℓ + 1 − p)",
        lambda m: m.pull(0.0) * m.turn,
    ),
    Mistake(
        "wrong sign of the term with gamma",
        "both terms of −(1 − p)^γ (γ p ℓ + 1 − p) have one sign; ℓ is −log p",
        lambda m: m.modulator * (m.gamma * m.p * m.nll - m.u) * m.turn,
    ),
    Mistake(
        "gradient by p, not by the logit: dp/dx missing",
        "multiply by dp/dx = p (1 − p)",
        lambda m: m.pull() / (m.p * m.u) * m.turn,
    ),
    Mistake("dp/dx counted twice", "multiply by p (1 − p) once", lambda m: m.pull() * m.p * m.u * m.turn),
    Mistake("negatives have the positives' sign", "a negative's gradient is −φ'(−x)", lambda m: m.pull() + 0 * m.turn, SIGMOID),
    Mistake("softmax probabilities in a sigmoid's gradient", "∂/∂x_j is −φ' p_j/(1 − p_t)", _rivals, SOFTMAX),
    Mistake(
        "the other classes' gradient is not divided by 1 − p_t",
        "∂/∂x_j is −φ' p_j/(1 − p_t)",
        lambda m: m.pull() * np.where(m.positive, 1.0, -m.shares),
        SOFTMAX,
    ),
    Mistake(
        "no gradient for the other classes",
        "∂/∂x_j is −φ' p_j/(1 − p_t); a row's gradients sum to 0",
        lambda m: np.where(m.positive, m.pull(), 0.0),
        SOFTMAX,
    ),
    Mistake(
        "the other classes' gradient is not divided by 1 − p_t: times (y − p), as of cross entropy",
        "∂/∂x_t is φ', ∂/∂x_j is −φ' p_j/(1 − p_t)",
        lambda m: m.pull() * (np.where(m.positive, 1.0, 0.0) - m.shares),
        SOFTMAX,
    ),
    Mistake("gradient is zero", "the result is cut from its logits (detach, stop_gradient, rounding)", lambda m: 0 * m.turn),
    Mistake("gradient for exponent γ + 1", "the factor is (1 − p)^γ", lambda m: m.pull(m.gamma + 1) * m.turn),
)


def _hess(m: Place, curve: Floats, pull: Floats) -> Floats:
    if not m.rows:
        return curve
    q = -m.turn
    return np.where(m.positive, curve, curve * q**2 - pull * q * (1 - q))


def _without_log_term(m: Place) -> Floats:
    return np.where(m.positive, m.curve(), m.u**m.gamma * m.p * (1 + m.gamma) * m.u)


HESSIANS: Models = (
    Mistake("Hessian zero", "a second derivative that is 0 stops every Newton step", lambda m: 0 * m.turn),
    Mistake(
        "Hessian zero for positives", "1 − y stands where 1 − p is due", lambda m: np.where(m.positive, 0.0, m.curve()), SIGMOID
    ),
    Mistake(
        "Hessian zero for positives, and negatives lack a term",
        "1 − y stands where 1 − p is due; and differentiate (1 − p)^γ twice",
        lambda m: np.where(m.positive, 0.0, _without_log_term(m)),
        SIGMOID,
    ),
    Mistake(
        "Hessian of cross entropy",
        "φ'' = (1 − p)^γ p [(1 + 2γ)(1 − p) + γ ℓ (γ p − 1 + p)]",
        lambda m: _hess(m, m.curve(0.0), m.pull(0.0)),
    ),
    Mistake(
        "modulating factor not differentiated in the Hessian",
        "φ'' = (1 − p)^γ p [(1 + 2γ)(1 − p) + γ ℓ (γ p − 1 + p)]",
        lambda m: _hess(m, m.modulator * m.curve(0.0), m.modulator * m.pull(0.0)),
    ),
    Mistake(
        "wrong sign", "the Hessian is the gradient's derivative, not its negative", lambda m: -_hess(m, m.curve(), m.pull())
    ),
    Mistake(
        "negative curvature cut off at 0",
        "focal loss is not convex: say so where the Hessian is used, not in the Hessian",
        lambda m: np.maximum(_hess(m, m.curve(), m.pull()), 0.0),
    ),
    Mistake("absolute value of the Hessian", "focal loss is not convex", lambda m: np.abs(_hess(m, m.curve(), m.pull()))),
    Mistake("Hessian is one", "a constant says nothing of the curvature", lambda m: 1.0 + 0 * m.turn),
    Mistake("squared gradient for the Hessian", "Fisher's matrix is another one", lambda m: (m.pull() * m.turn) ** 2),
)

FORMULAS: dict[str, Models] = {"value": VALUES, "grad": GRADIENTS, "hess": HESSIANS}
"""By quantity."""

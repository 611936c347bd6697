"""A constructor that is given a keyword it has not names the one that is meant, in the core and in torch's modules."""

from __future__ import annotations

import importlib
import inspect
import pickle
from typing import Any

import pytest

import focal_ref as fr
from focal_ref.losses.probability import ProbabilityLoss

CLASSES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "SigmoidFocalLoss": (fr.SigmoidFocalLoss, ()),
    "SoftmaxFocalLoss": (fr.SoftmaxFocalLoss, ()),
    "SigmoidLoss": (fr.SigmoidLoss, (fr.family.Poly1(),)),
    "SoftmaxLoss": (fr.SoftmaxLoss, (fr.family.Poly1(),)),
    "ProbabilityLoss": (ProbabilityLoss, (fr.family.Poly1(),)),
}


@pytest.mark.parametrize("name", CLASSES)
def test_the_keyword_that_is_meant_is_named(name: str) -> None:
    """The nearest; where none is near, all of them."""
    make, given = CLASSES[name]
    with pytest.raises(TypeError, match=rf"^{name}: got an argument 'aplha'; expected alpha$"):
        make(*given, aplha=0.25)
    with pytest.raises(TypeError, match=rf"^{name}: got an argument 'xyz'; expected one of .*alpha, .*reduction"):
        make(*given, xyz=1)
    with pytest.raises(TypeError, match="positional argument"):
        make(*range(20))
    with pytest.raises((TypeError, ValueError), match=r"^alpha: got "):
        make(*given, alpha="much")


def test_the_signature_and_pickles_stay() -> None:
    """What is wrapped is still what people see and send."""
    assert [*inspect.signature(fr.SigmoidFocalLoss).parameters][:2] == ["gamma", "alpha"]
    assert pickle.loads(pickle.dumps(fr.SigmoidFocalLoss(1.5))) == fr.SigmoidFocalLoss(1.5)


MODULES = (
    "FocalLoss",
    "SigmoidFocalLoss",
    "family.PolyBinaryCrossEntropy",
    "family.AsymmetricLossMultiLabel",
    "family.NormalizedFocalLoss",
)


@pytest.mark.parametrize("name", MODULES)
def test_modules_do_so_too(name: str) -> None:
    """Torch's."""
    pytest.importorskip("torch")
    made: Any = importlib.import_module("focal_ref_torch")
    for part in name.split("."):
        made = getattr(made, part)
    names = [*inspect.signature(made).parameters]
    wrong = names[0] + "s"
    with pytest.raises(TypeError, match=rf"{made.__name__}: got an argument '{wrong}'; expected {names[0]}$"):
        made(**{wrong: 1.0})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: fr.family.Focal(-1.0), r"gamma: got -1\.0; expected a finite number ≥ 0"),
        (lambda: fr.family.Focal(float("nan")), r"gamma: got nan; expected a finite number ≥ 0"),
        (lambda: fr.family.Poly1(epsilon=-2), r"epsilon: got -2; expected a finite number ≥ −1"),
        (lambda: fr.family.Star(gamma=0.0), r"gamma: got 0\.0; expected a finite number ≥ 2"),
        (lambda: fr.family.Asymmetric(shift=1.5), r"shift: got 1\.5; expected "),
    ],
)
def test_a_member_refuses_a_number_where_it_is_made(make: Any, message: str) -> None:
    """Not only where a loss takes it."""
    with pytest.raises(ValueError, match=message):
        make()

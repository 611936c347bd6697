"""A function that is meant to be a member of the family is measured like a focal loss: causes, batches, means; and so named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import focal_ref as fr
from focal_ref.commands import main as cli
from focal_ref.conformance import check
from focal_ref.family import Asymmetric, Focal, Jet, Kernel, Margin, Poly1, Star, parameter
from focal_ref.typing import GammaLike, Namespace

FEW: dict[str, Any] = {"gammas": (2.0,), "dtypes": ("float32",), "classes": (3,)}
POLY1 = Poly1(epsilon=0.5)

FILE = """
import numpy as np
import focal_ref as fr

def poly1(logits, targets, gamma):
    return fr.SigmoidLoss(fr.family.Poly1(gamma, 1.0))(logits, targets)
"""


def poly1(logits: Any, targets: Any, gamma: float) -> Any:
    """Right."""
    return fr.SigmoidLoss(Poly1(gamma, 0.5))(logits, targets)


class Raising(Kernel):
    """A member whose jet is not written."""

    name, formula, source = "raising", "ℓ", "nobody"
    gamma: GammaLike = parameter(2.0)

    @staticmethod
    def definition(p: Any, u: Any, nll: Any, gamma: Any) -> Any:  # type: ignore[override]
        """ℓ."""
        return nll

    @staticmethod
    def jet(xp: Namespace, margin: Margin, order: int, gamma: Any) -> Jet:  # type: ignore[override]
        """Not there."""
        raise NotImplementedError("later")


WRONG: dict[str, tuple[Any, str | None, str]] = {
    "NaN at p = 0": (lambda x, y, gamma: np.where(np.isinf(x), np.nan, poly1(x, y, gamma)), None, "NaN"),
    "focal loss": (fr.sigmoid_focal_loss, "plain focal loss, not what it is said to be", "inexact"),
    "by the batch": (lambda x, y, gamma: poly1(x, y, gamma) * (1.01 if len(x) > 100 else 1.0), "the other examples", "inexact"),
    "of other parameters": (lambda x, y, gamma: fr.SigmoidLoss(Poly1(gamma, 0.6))(x, y), None, "inexact"),
}


NAMES = [pytest.param(name, marks=pytest.mark.slow) if name != "NaN at p = 0" else name for name in WRONG]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_wrong_is_found_and_its_input_shown(name: str) -> None:
    """At infinities, in batches; and plain focal loss is named."""
    fn, cause, kind = WRONG[name]
    verdict = check(fn, kernel=POLY1, **FEW)
    assert not verdict.passed
    assert verdict.findings
    assert verdict.findings[0].kind == kind
    assert cause is None or cause in str(verdict.findings[0].cause)
    assert " at logit" in str(verdict) or verdict.findings[0].of_batch
    assert "sigmoid Poly1(epsilon=0.5), numpy" in str(verdict)


@pytest.mark.slow
def test_a_wrong_mean_of_a_member_is_named() -> None:
    """As of focal loss."""
    verdict = check(lambda x, y, gamma: poly1(x, y, gamma).sum() / max(1, len(x) - 1), kernel=POLY1, reduction="mean", **FEW)
    assert any("divided by n − 1" in cause for cause in verdict.causes), str(verdict)


OWN = (
    (fr.SigmoidLoss(POLY1), "sigmoid", "Poly1(epsilon=0.5)"),
    (fr.SoftmaxLoss(Star(beta=2.0)), "softmax", "Star(beta=2.0)"),
    (fr.SigmoidLoss(Focal()), "sigmoid", "focal loss"),
)


@pytest.mark.slow
@pytest.mark.parametrize(("loss", "link", "meant"), OWN, ids=[meant for _, _, meant in OWN])
def test_a_loss_of_a_member_says_itself_what_it_is(loss: Any, link: str, meant: str) -> None:
    """Nothing has to be said: neither its member, nor its link."""
    verdict = check(loss, **FEW)
    assert verdict.passed, str(verdict)
    assert verdict.meant == meant
    assert {row.link for row in verdict.rows} == {link}


@pytest.mark.slow
def test_a_module_says_so_too() -> None:
    """Its kernel and its link; torch differentiates it."""
    family = pytest.importorskip("focal_ref_torch.family")
    for link in ("sigmoid", "softmax"):
        verdict = check(family.MemberLoss(POLY1, link), **FEW, order=1, tolerance=1e6)
        assert verdict.passed, str(verdict)
        assert {(row.link, row.quantity) for row in verdict.rows} == {(link, "value"), (link, "grad")}
        assert verdict.meant == "Poly1(epsilon=0.5)"


@pytest.mark.slow
def test_a_member_is_asked_for_its_own_gammas() -> None:
    """Star has no γ of 0, and the asymmetric loss none by that name."""
    star = check(lambda x, y, gamma: fr.SigmoidLoss(Star(gamma))(x, y), kernel=Star(), dtypes=("float32",))
    assert star.passed, str(star)
    assert 0.0 not in {row.gamma for row in star.rows}
    other = check(lambda x, y: fr.SigmoidLoss(Asymmetric())(x, y), kernel=Asymmetric(), dtypes=("float32",))
    assert other.passed, str(other)
    with pytest.raises(ValueError, match=r"gammas: got 0\.0; expected numbers in \[.*Star's"):
        check(poly1, kernel=Star(), gammas=(0.0,))


def test_what_is_no_member_is_refused() -> None:
    """A variant of focal loss is not one of Poly-1's, and a kernel has to run."""
    with pytest.raises(ValueError, match="clips: got it with kernel="):
        check(poly1, kernel=POLY1, clips=1e-7)
    with pytest.raises(ValueError, match="kernel: Raising cannot be evaluated: NotImplementedError: later"):
        check(poly1, kernel=Raising())


@pytest.mark.slow
def test_the_command_takes_a_member_by_name_or_from_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And its own parameters' defaults."""
    path = tmp_path / "members_of_mine.py"
    path.write_text(FILE)
    run = ["check", f"{path}:poly1", "--gamma", "2", "--dtype", "float32", "--json", "--kernel"]
    for kernel, status, meant in (
        ("poly1", 0, "Poly1(epsilon=1.0)"),
        ("focal_ref.family:Poly1", 0, "Poly1(epsilon=1.0)"),
        ("star", 1, "Star(beta=1.0)"),
    ):
        assert cli.main([*run, kernel]) == status
        assert json.loads(capsys.readouterr().out)["meant"] == meant
    with pytest.raises(SystemExit):
        cli.main([*run, "poly2"])
    assert "argument --kernel: got poly2; expected one of focal, " in capsys.readouterr().err

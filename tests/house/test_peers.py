"""The world's table: peers are measured by their own doors, what matters to training is told, and the page fits and folds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import focal_ref as fr
from benchmarks.peers import copied, losses, measuring, page, recipes
from benchmarks.peers.losses import Peer

ROOT = Path(fr.__file__).parent.parent
NEAR = np.linspace(-3, 3, 25)


def _place(word: str) -> int:
    (place,) = [i for i, peer in enumerate(losses.PEERS) if word in peer.label]
    return place


# ---- written anew, and right where it is easy -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", copied.SIGMOID)
def test_a_copied_sigmoid_loss_is_focal_loss(name: str) -> None:
    """At ordinary logits, in float64: a formula written down wrongly would be blamed on its authors."""
    torch = pytest.importorskip("torch", reason="peers are torch's")
    for gamma, label in ((0.5, 1), (2.0, 0), (2.0, 1)):
        got = copied.SIGMOID[name](gamma)(torch.asarray(NEAR), torch.full((25,), label))
        np.testing.assert_allclose(got, fr.sigmoid_focal_loss(NEAR, np.full(25, label), gamma=gamma), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", copied.ROWS)
def test_a_copied_softmax_loss_is_focal_loss(name: str) -> None:
    """The same of rows."""
    torch = pytest.importorskip("torch", reason="peers are torch's")
    rows, targets = np.stack([NEAR, -NEAR, 0 * NEAR], axis=1), np.arange(25) % 3
    got = copied.ROWS[name](2.0)(torch.asarray(rows), torch.asarray(targets))
    np.testing.assert_allclose(got, fr.softmax_focal_loss(rows, targets, gamma=2.0), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("link", ["sigmoid", "softmax"])
def test_a_kernel_s_loss_and_gradient_are_focal_loss_s(link: str) -> None:
    """Those that bring their gradient by hand."""
    targets = np.arange(25) % (2 if link == "sigmoid" else 3)
    logits = NEAR if link == "sigmoid" else np.stack([NEAR, -NEAR, 0 * NEAR], axis=1)
    make: Any = fr.SigmoidFocalLoss if link == "sigmoid" else fr.SoftmaxFocalLoss
    for name, kernel in copied.kernels(link).items():
        value, grad = kernel(2.0)(logits, targets)
        due, slope = make(gamma=2.0).value_and_grad(logits, targets)
        np.testing.assert_allclose(grad, slope, rtol=1e-9, atol=1e-12, err_msg=name)
        if value is not None:
            np.testing.assert_allclose(value, due, rtol=1e-9, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_a_boosting_recipe_is_focal_loss_s(name: str) -> None:
    """Gradient and Hessian, as far as differences of steps of 1e-6 tell."""
    targets, loose = np.arange(25) % 2, 2e-2 if "differences" in name else 1e-9
    grad, hess = recipes.RECIPES[name](2.0)(NEAR, targets)
    _, slope, curvature = fr.SigmoidFocalLoss(gamma=2.0).value_grad_hess(NEAR, targets)
    np.testing.assert_allclose(grad, slope, rtol=loose, atol=1e-8)
    np.testing.assert_allclose(hess, curvature, rtol=loose, atol=loose)


# ---- what is said of them ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("word", "trains"),
    [
        ("focal_ref_torch.sigmoid_focal_loss", "yes"),
        ("Halford", "yes"),
        ("clamped at 1e-7", "with care"),
        ("ultralytics", "partly"),
        ("Keras recipes: p clipped at 1e-7", "no"),
        ("jrzaurin", "no"),
        ("SAM3", "partly"),
    ],
)
def test_the_headline_says_who_trains(word: str, trains: str) -> None:
    """What gives NaN at γ = 2 or has lost its loss doesn't; what gives it at another γ does in part; digits are counted."""
    pytest.importorskip("torch", reason="peers are torch's")
    place = next(i for i, peer in enumerate(losses.PEERS) if word in peer.label)
    found = measuring.found_of(place, ["float32"])
    headline = found.headline
    assert headline is not None
    assert headline.trains == trains, headline
    assert {row.dtype for row in found.rows} == {"float32"}
    if word == "ultralytics":
        assert headline.odd_gammas == (0.5,)
        assert headline.odd is not None
        assert 16 < headline.odd < 18
        assert headline.gone is not None
        assert headline.lost > 7
    if trains == "yes":
        assert (headline.odd, headline.gone, headline.why) == (None, None, "")
        assert headline.lost < 1


def test_our_own_rows_are_the_doors_that_people_take(monkeypatch: pytest.MonkeyPatch) -> None:
    """The adapter's function is what is measured: spoil it, and it shows."""
    torch = pytest.importorskip("torch", reason="the adapter is torch's")
    import focal_ref_torch

    (peer,) = [p for p in losses.OWN if "torch.sigmoid" in p.label]
    x, t = torch.zeros(3), torch.ones(3)
    assert torch.allclose(peer.make(0.0)(x, t), torch.full((3,), 0.6931472))
    monkeypatch.setattr(focal_ref_torch, "sigmoid_focal_loss", lambda x, y, **how: x * 0 + 7)
    assert peer.make(0.0)(x, t).tolist() == [7.0] * 3


def test_a_peer_that_refuses_is_named() -> None:
    """Its reason stands on the page, and nothing else of it."""

    def refusing(gamma: float) -> Any:
        raise ModuleNotFoundError("No module named 'absent'")

    found = measuring._measured(Peer("absent-package", "loss", "sigmoid", "numpy", refusing, "pair"), ["float32"])
    assert (found.rows, found.headline, found.version) == ((), None, "absent")
    assert "- absent-package: loss, float32: " in page.page([found])


# ---- the page ---------------------------------------------------------------------------------------------------------------


def test_the_page_has_a_line_for_every_peer_and_folds_the_rest() -> None:
    """docs/accuracy.md: headlines that fit a page's width, every peer or why not, and each long table behind a summary."""
    text = (ROOT / "docs" / "accuracy.md").read_text(encoding="utf-8")
    headline, folded = text.split("## Every type")
    for peer in losses.PEERS:
        name = peer.name if peer.package else peer.label
        assert name in headline or f"- {peer.label}" in folded, peer.label
    rows = [line for line in headline.splitlines() if line.startswith("| ")]
    assert all(line.count("|") == 6 for line in rows)
    assert max(map(len, rows)) <= 120
    assert len(rows) <= len(losses.PEERS) + 4
    assert folded.count("<details") == folded.count("</details>") == 2
    inside = folded.partition("<details")[2].rpartition("</details>")[0]
    assert not [line for line in folded.splitlines() if line.startswith("| ") and line not in inside]
    assert all(light in headline for light in ("🟢 yes", "🟡 with care", "🟠 not at γ = 0.5", "🔴 no"))

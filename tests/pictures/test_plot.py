"""`focal-ref plot` and `focal_ref.plot` draw what the losses compute, into files that people can open."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import focal_ref as fr
from focal_ref.commands import main as cli
from focal_ref.pictures import curves as plot


def lines(figure: Any) -> dict[str, Any]:
    """The curves by their labels."""
    return {line.get_label(): line for line in figure.axes[0].lines}


@pytest.mark.parametrize("gamma", [0.0, 0.5, 5.0])
def test_curves_are_the_losses_own(gamma: float) -> None:
    """Loss by probability; gradient and Hessian by the logit: every point drawn is what the loss gives there."""
    loss = fr.SigmoidFocalLoss(gamma=gamma)
    label = "γ = 0 (cross entropy)" if gamma == 0 else f"γ = {gamma:g}"
    drawn = lines(plot.loss((gamma,)))[label]
    p = drawn.get_xdata()
    np.testing.assert_allclose(drawn.get_ydata(), -((1 - p) ** gamma) * np.log(p), rtol=1e-9)
    for picture, method in ((plot.gradient, loss.grad), (plot.hessian, loss.hessian_diag)):
        drawn = lines(picture((gamma,)))[label]
        np.testing.assert_array_equal(drawn.get_ydata(), method(drawn.get_xdata(), 1))


def test_the_share_of_easy_examples_falls_as_gamma_grows() -> None:
    """At γ = 0 a hundred examples with p_t = 0.9 have 100 log 0.9 of the loss, a hard one log 0.1; from there on they lose."""
    drawn = lines(plot.share())["easy: p_t = 0.9"]
    easy, hard = -100 * np.log(0.9), -np.log(0.1)
    assert drawn.get_ydata()[0] == pytest.approx(easy / (easy + hard), rel=1e-12)
    assert drawn.get_xdata()[-1] == max(plot.GAMMAS)
    assert (np.diff(drawn.get_ydata()) < 0).all()


@pytest.mark.parametrize("kind", plot.KINDS)
def test_curves_can_be_told_apart_without_colour(kind: str) -> None:
    """Each has its own colour and its own dashes, a label, and the axes say what they are."""
    axes = plot.KINDS[kind](plot.GAMMAS).axes[0]
    curves = [line for line in axes.lines if not line.get_label().startswith("_")]
    assert len(curves) >= 4
    assert (
        len({line.get_color() for line in curves}) == len({str(line._unscaled_dash_pattern) for line in curves}) == len(curves)
    )
    assert axes.get_xlabel()
    assert axes.get_ylabel()
    assert len(axes.get_legend().get_texts()) == len(curves)


@pytest.mark.parametrize(("name", "start"), [("a.png", b"\x89PNG"), ("a.svg", b"<?xml"), ("a.pdf", b"%PDF")])
def test_the_command_writes_a_picture(name: str, start: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In the format of the file's name; the path is printed."""
    path = tmp_path / name
    assert cli.main(["plot", "loss", "--gamma", "0,2", "--out", str(path)]) == 0
    assert path.read_bytes().startswith(start)
    assert capsys.readouterr().out == f"wrote {path}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["los"], "argument {loss,gradient,hessian,share,MEMBER}: invalid choice: 'los'; did you mean loss? (choose from "),
        ([], "the following arguments are required: {loss,gradient,hessian,share,MEMBER}"),
        (["loss", "--gamma", "-1"], "argument --gamma: got '-1'; expected a number in [0, 1000]"),
        (["loss", "--gamma", ",".join(map(str, range(36)))], "argument --gamma: got 36 of them; expected at most 35"),
        (["loss", "--out"], "argument --out: expected one argument"),
        (["loss", "--out", "a.jpeg"], "argument --out: got a.jpeg; expected a file that ends in .png, .svg, .pdf"),
        (["loss", "--out", "no/such/folder.png"], "argument --out: got no/such/folder.png; expected a file to write to"),
    ],
)
def test_wrong_arguments_are_one_line(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 2, and a line that says what came and what is accepted."""
    with pytest.raises(SystemExit) as stopped:
        cli.main(["plot", *arguments])
    error = capsys.readouterr().err
    assert stopped.value.code == 2
    assert error.count("\n") == 1
    assert message in error


@pytest.mark.slow
def test_pictures_need_no_display_and_the_package_no_matplotlib() -> None:
    """pyplot, which picks a display, is never imported; the command's other parts don't load matplotlib at all."""
    code = (
        "import sys; from focal_ref import plot;"
        "from focal_ref.commands import main; assert 'matplotlib' not in sys.modules; plot.loss(); "
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(fr.__file__).parent.parent)
    assert done.returncode == 0, done.stderr


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """An ImportError that names what to install."""
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"pip install matplotlib$"):
        plot.loss()


@pytest.mark.parametrize("kernel", fr.family.KERNELS.values(), ids=lambda kernel: kernel.name)
def test_a_member_is_drawn_beside_cross_entropy(kernel: type[fr.family.Kernel]) -> None:
    """Loss and slope are what the member gives, of negatives too where they differ; a γ that it lacks is refused."""
    axes = plot.member(kernel()).axes
    labels = [line.get_label() for line in axes[0].lines]
    sides = [", positives", ", negatives"] if "label" in kernel.asks else [""]
    assert labels == ["cross entropy", *(f"{kernel()!r}{side}" for side in sides)]
    loss = fr.SigmoidLoss(kernel())
    z = axes[1].lines[1].get_xdata()
    np.testing.assert_array_equal(axes[0].lines[1].get_ydata(), loss(z, 1))
    np.testing.assert_array_equal(axes[1].lines[1].get_ydata(), loss.grad(z, 1))
    np.testing.assert_array_equal(axes[1].lines[-1].get_ydata(), -loss.grad(-z, 0) if len(sides) == 2 else loss.grad(z, 1))
    if "gamma" in kernel.parameters:
        assert len(plot.member(kernel(), (1.0, 2.0)).axes[0].lines) == 3
    else:
        with pytest.raises(ValueError, match="gammas: got"):
            plot.member(kernel(), (1.0,))

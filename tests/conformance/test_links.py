"""The link of a loss that nothing was said of: sigmoid, or softmax where only rows of logits are taken; and that is said."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import focal_ref as fr
from focal_ref.commands import main as cli
from focal_ref.conformance import check
from tests.conformance.planted import value

FEW: dict[str, Any] = {"gammas": (2.0,), "dtypes": ("float32",), "classes": (3,), "largest": 12.0, "order": 1, "tolerance": 1e6}
SAID = "softmax, since it takes rows of logits: --link softmax"

BLOG = """
import torch
from torch import nn
from torch.nn import functional


class Blog(nn.Module):
    def __init__(self, alpha=0.25, gamma=2, reduction="mean", ignore_index=-100):
        super().__init__()
        self.alpha, self.gamma, self.reduction, self.ignore_index = alpha, gamma, reduction, ignore_index

    def forward(self, inputs, targets):
        ce = functional.cross_entropy(inputs, targets, reduction="none", ignore_index=self.ignore_index)
        loss = self.alpha * (1 - torch.exp(-ce)) ** self.gamma * ce
        return loss.mean() if self.reduction == "mean" else loss.sum() if self.reduction == "sum" else loss


def nothing(inputs, targets):
    raise ValueError("nobody is served")
"""


@pytest.fixture(scope="module")
def blog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the tutorials' class."""
    path = tmp_path_factory.mktemp("blog") / "tutorials_blog.py"
    path.write_text(BLOG)
    return path


def _class(blog: Path) -> Any:
    space: dict[str, Any] = {"__name__": "tutorials_blog"}
    sys.modules.setdefault("tutorials_blog", type(sys)("tutorials_blog"))
    exec(compile(BLOG, str(blog), "exec"), space)
    return space["Blog"]


def test_a_loss_of_rows_is_taken_for_softmax_and_that_is_said(blog: Path) -> None:
    """The tutorials' class, its objects, and a function."""
    kind = _class(blog)
    for fn in (kind, kind(), kind(reduction="none"), lambda x, y, gamma: fr.softmax_focal_loss(x, y, gamma=gamma)):
        verdict = check(fn, **FEW)
        assert verdict.called.startswith(SAID), str(verdict)
        assert {row.link for row in verdict.rows} == {"softmax"}
        assert not [finding for finding in verdict.findings if finding.grade == "training"], str(verdict)


def test_a_link_that_is_said_stays(blog: Path) -> None:
    """And the errors are told."""
    verdict = check(_class(blog), link="sigmoid", **FEW)
    assert not verdict.passed
    assert "softmax" not in verdict.called
    assert not verdict.rows


def test_a_wrong_sigmoid_stays_one() -> None:
    """Nothing is taken for softmax that only gives some losses with rows, too."""
    wrong = check(lambda x, y, gamma: value(x, 1 - y, gamma), **FEW)
    either = check(lambda x, y, gamma: np.abs(x).sum(-1) if x.ndim == 2 else np.abs(x), **FEW)
    for verdict in (wrong, either):
        assert (verdict.called, verdict.passed) == ("", False)
        assert {row.link for row in verdict.rows} == {"sigmoid"}


def test_a_wrong_loss_of_rows_is_measured_as_one() -> None:
    """Where single logits are refused, softmax is the only thing to judge it by."""

    def wrong(x: torch.Tensor, y: torch.Tensor, gamma: float) -> torch.Tensor:
        return -nn.functional.nll_loss(torch.log_softmax(x, 1), y, reduction="none") * gamma

    verdict = check(wrong, **FEW)
    assert verdict.called.startswith(SAID)
    assert verdict.findings


def test_other_arguments_say_the_link(blog: Path) -> None:
    """A library that has softmax's alone."""
    verdict = check(_class(blog), like="tutorial", **FEW)
    assert {row.link for row in verdict.rows} == {"softmax"}
    assert SAID not in verdict.called
    with pytest.raises(ValueError, match="like: got 'tutorail'; expected one of"):
        check(_class(blog), like="tutorail", **FEW)


def test_the_command_measures_the_tutorials_class(blog: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a word of its link."""
    status = cli.main(["check", f"{blog}:Blog", "--dtype", "float32", "--gamma", "2", "--classes", "3", "--quiet"])
    out, err = capsys.readouterr()
    assert status == 1
    assert out.startswith(SAID[:30])
    assert "reduction='mean'" not in out + err


def test_the_option_is_named_before_the_errors(blog: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Where neither link can be measured."""
    assert cli.main(["check", f"{blog}:nothing", "--gamma", "2", "--quiet"]) == 2
    out, err = capfd.readouterr()
    assert "--link softmax" in err
    assert "nobody is served" in out

"""The long search: it judges every kind, says where the worst is, and fails where something is beyond its bound."""

from __future__ import annotations

import numpy as np
import pytest

from tests import long_search


@pytest.mark.slow
@pytest.mark.parametrize("link", ["sigmoid", "softmax"])
def test_a_moment_of_it_finds_nothing(link: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Half a second each; the table has focal loss and a sibling."""
    assert long_search.main(["--link", link, "--minutes", "0.01"]) == 0
    out = capsys.readouterr().out
    assert "| focal | " in out
    assert " | extended | hess | " in out


@pytest.mark.slow
def test_what_is_beyond_its_bound_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Here since the bound is made a hundredth of it."""
    true_bound = long_search.bound
    monkeypatch.setattr(long_search, "bound", lambda *kind: true_bound(*kind) / 100)
    assert long_search.main(["--minutes", "0.01", "--seed", "3"]) == 1
    assert ", target " in capsys.readouterr().out


def test_a_nan_is_the_worst() -> None:
    """Whatever was found before or after."""
    found, kind = long_search.Found(), long_search.Kind("focal", "float32", "extended", "value")
    for share in (0.5, np.nan, 0.75):
        found.add(kind, share, share, "somewhere", 1)
    assert found.worst[kind].share == np.inf
    assert found.beyond == [kind]

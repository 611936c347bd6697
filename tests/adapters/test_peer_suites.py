"""focal_ref keeps what the peers' own tests promise, in their places; the command says so, and where it does not."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.peers import beside, promises, suites

# torch's own warnings of its tracer.
pytestmark = [
    pytest.mark.filterwarnings("ignore:`torch.jit.*:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning"),
]

CHECKS = [pytest.param(check, id=f"{peer}-{check.__name__}") for peer, checks in promises.PROMISES.items() for check in checks]


@pytest.mark.slow
@pytest.mark.parametrize("check", CHECKS)
def test_a_promise_is_kept(check: Any) -> None:
    """Written anew from the peer's public tests; none needs the peer."""
    check()


def test_every_peer_has_promises_and_numbers() -> None:
    """Those whose suites are named, and timm."""
    assert set(promises.PROMISES) == set(beside.BESIDE) == set(beside.PACKAGES)
    assert {"torchvision", "fvcore", "optax", "kornia", "monai", "segmentation-models", "keras"} <= set(beside.BESIDE)


def test_the_command_tells_what_is_broken(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A promise that isn't kept, a number that is another, a peer that is absent; and the exit status says so."""

    def broken() -> None:
        raise AssertionError("no")

    monkeypatch.setitem(promises.PROMISES, "timm", [broken, lambda: None])
    monkeypatch.setitem(beside.BESIDE, "timm", lambda: iter([(1.0, 1.0), (1.0, 2.0), (1.0, [1.0])]))
    monkeypatch.setattr(suites, "_version", lambda package: "9.9")
    assert suites.main(["timm"]) == 1
    printed = capsys.readouterr()
    assert "| timm | 9.9 | 1 of 2 | 1 of 3 |" in printed.out
    assert [line.split(":")[1] for line in printed.err.splitlines()] == [" broken", " call 2", " call 3"]
    monkeypatch.setattr(suites, "_version", lambda package: "")
    monkeypatch.setitem(promises.PROMISES, "timm", [lambda: None])
    assert suites.main(["timm"]) == 0
    assert "| timm | – | 1 of 1 | absent |" in capsys.readouterr().out
    assert suites.main(["timm", "--installed"]) == 1

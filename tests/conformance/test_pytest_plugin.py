"""One line in somebody's test suite: each type, γ and quantity is a test of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SUITE = """
import torch
from focal_ref.pytest import focal_conformance

def right(logits, targets, gamma):
    z = torch.where(targets == 1, logits, -logits)
    return torch.exp(gamma * torch.nn.functional.logsigmoid(-z)) * -torch.nn.functional.logsigmoid(z)

def detached(logits, targets, gamma):
    z = torch.where(targets == 1, logits, -logits)
    return torch.exp(gamma * torch.nn.functional.logsigmoid(-z)).detach() * -torch.nn.functional.logsigmoid(z)

def raising(logits, targets, gamma):
    raise MemoryError("no room")

options = dict(framework="torch", dtypes=["float32"], gammas=[0.5, 2.0], order=1, largest=100.0, tolerance=180.0)
test_right = focal_conformance(right, **options)
test_detached = focal_conformance(detached, **options)
test_raising = focal_conformance(raising, **options)
"""


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What pytest says of such a suite."""
    folder: Path = tmp_path_factory.mktemp("suite")
    (folder / "test_losses.py").write_text(SUITE, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", "-W", "error", "test_losses.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_each_case_has_its_own_id(outcome: str) -> None:
    """Type, γ and quantity are in the id, and each has its own result."""
    for gamma in ("0.5", "2"):
        for quantity in ("value", "grad"):
            assert f"test_losses.py::test_right[float32-gamma{gamma}-{quantity}] PASSED" in outcome
            state = "FAILED" if quantity == "grad" else "PASSED"
            assert f"test_losses.py::test_detached[float32-gamma{gamma}-{quantity}] {state}" in outcome


@pytest.mark.slow
def test_a_failure_tells_the_cause(outcome: str) -> None:
    """The message is the verdict on that quantity; an exception is named."""
    assert "gradient belongs to another loss: modulating factor detached" in outcome
    assert "MemoryError: no room" in outcome
    assert outcome.count("FAILED: detached: 1 measurement, 1 beyond") >= 2

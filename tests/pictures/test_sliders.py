"""The page of sliders: one small file that fetches nothing, and whose numbers are the oracle's."""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest

import focal_ref as fr
from focal_ref import oracle

PAGE = Path(__file__).resolve().parents[2] / "docs" / "slider.html"
LOGITS = (-30.0, -8.3, -2.79, -0.4, 0.0, 0.7, 5.1, 18.0, 30.0)
GAMMAS = (0.0, 0.5, 1.0, 2.0, 3.35, 5.0)


def _script() -> str:
    (found,) = re.findall(r"<script>(.*?)</script>", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return str(found)


def _computed(expressions: list[str]) -> list[Any]:
    """What the page's own script gives, in node: NaN and infinities as text."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    keep = "(k, v) => typeof v === 'number' && !Number.isFinite(v) ? String(v) : v"
    code = f"{_script()}\nconsole.log(JSON.stringify([{','.join(expressions)}], {keep}));"
    done = subprocess.run([node, "-"], input=code, capture_output=True, text=True, check=True, timeout=60)
    return list(json.loads(done.stdout))


def test_the_page_is_small_and_fetches_nothing() -> None:
    """30 kB, no address but the language's, no import; the site's page takes it in whole."""
    text = PAGE.read_text(encoding="utf-8")
    assert len(text.encode()) <= 30_000
    assert not re.findall(r"https?:|\bimport\b|fetch\(|XMLHttpRequest|src=|@import|url\((?!#)", text)
    assert "<!-- part:" in text
    assert "<!-- slider.html -->" in (PAGE.parent / "sliders.md").read_text(encoding="utf-8")


def test_value_gradient_and_hessian_are_the_oracles() -> None:
    """To 1e-12, the Hessian of its terms; for positives and negatives, with α."""
    cases = [(x, y, g) for x in LOGITS for y in (0, 1) for g in GAMMAS]
    found = _computed([f"Focal.sigmoid({x}, {y}, {g}, 0.25)" for x, y, g in cases])
    for (x, y, g), got in zip(cases, found, strict=True):
        exact = oracle.sigmoid(x, y, g, 0.25, digits=30)
        assert abs(got["value"] / float(exact.value) - 1) < 1e-12
        assert abs(got["grad"] / float(exact.grad) - 1) < 1e-12
        p = mpmath.mpf(1) / (1 + mpmath.exp(-x if y else x))
        terms = (1 - p) ** g * p * ((1 + 2 * g) * (1 - p) + g * -mpmath.log(p) * (g * p + 1 - p))
        assert abs(got["hess"] - float(exact.hess)) < 1e-12 * float(terms)


@pytest.mark.slow
def test_the_map_the_start_and_the_share_are_focal_refs() -> None:
    """Posterior, best constant and threshold to 1e-12; the share from the losses themselves."""
    for g, a in ((0.0, 0.5), (0.5, 0.25), (2.0, 0.25), (5.0, 0.9)):
        expressions = [f"Focal.posterior({x}, {g}, {a})" for x in LOGITS]
        expressions += [f"Focal.start({prior}, {g}, {a})" for prior in (0.01, 0.5, 0.9)]
        expressions += [f"Focal.share(100, 10000, 0.95, {g}, {a})"]
        found = _computed(expressions)
        np.testing.assert_allclose(found[:9], fr.posterior_from_logits(np.asarray(LOGITS), g, a), rtol=1e-12)
        starts = [fr.optimal_constant(prior, g, a) for prior in (0.01, 0.5, 0.9)]
        np.testing.assert_allclose(found[9:12], starts, rtol=1e-12, atol=1e-12)
        loss = fr.SigmoidFocalLoss(gamma=g, alpha=a)
        many = 10_000 * loss(np.asarray(-math.log(19.0)), 0)
        few = 100 * loss(np.asarray(-math.log(9.0)), 1)
        assert abs(found[12] / (many / (many + few)) - 1) < 1e-12


def test_the_textbooks_float32_is_numpys() -> None:
    """The same operations in NumPy, but for the last place of its exp, log and power."""
    cases = [(x, g) for x in (-8.0, -1.0, 0.5, 3.0, 12.0, 18.0, 30.0) for g in (0.5, 1.0, 2.0)]
    for (x, g), got in zip(cases, _computed([f"Focal.textbook({x}, {g})" for x, g in cases]), strict=True):
        p = 1 / (1 + np.exp(-np.float32(x)))
        expected = (1 - p) ** np.float32(g) * -np.log(p)
        assert expected.dtype == np.float32
        assert abs(got - float(expected)) <= 1e-6 * float(expected) + (2e-7 if x == 12.0 else 0)
    assert _computed(["Focal.textbook(18, 2)", "Focal.ulp32(1.5)"]) == [0, 2.0**-23]

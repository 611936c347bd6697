"""docs/moving.md: what stands in the middle column gives what the library on the left computes."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import focal_ref as fr

PAGE = Path(__file__).resolve().parents[2] / "docs" / "moving.md"
ROWS = {
    cells[0]: (cells[1].strip("`"), cells[2].strip("`"))
    for cells in (
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for line in PAGE.read_text(encoding="utf-8").splitlines()
        if line.startswith("| ") and "`" in line
    )
}
RNG = np.random.default_rng(0)
X, Y = RNG.normal(0, 3, (6, 5)), RNG.integers(0, 2, (6, 5)).astype(np.float64)
S, C = RNG.normal(0, 3, (8, 3)), RNG.integers(0, 3, 8)
HOT = np.eye(3)[C]
B, M = Y.ravel(), X.ravel()
N = 7.0
W = np.asarray([1.0, 2.0, 4.0])


# ---- the libraries' sources, in NumPy ---------------------------------------------------------------------------------------


def _binary(x: Any, y: Any, alpha: float | None = 0.25, gamma: float = 2.0) -> Any:
    """torchvision's lines, which fvcore, Detectron2, DETR, Ultralytics and mmdetection have as they are."""
    p, bce = 1 / (1 + np.exp(-x)), np.maximum(x, 0) - x * y + np.log1p(np.exp(-np.abs(x)))
    p_t = p * y + (1 - p) * (1 - y)
    loss = bce * (1 - p_t) ** gamma
    return loss if alpha is None else (alpha * y + (1 - alpha) * (1 - y)) * loss


def _kornia(x: Any, y: Any) -> Any:
    positive, negative = -np.log1p(np.exp(-x)), -np.log1p(np.exp(x))
    return -0.25 * np.exp(2 * negative) * y * positive - 0.75 * np.exp(2 * positive) * (1 - y) * negative


def _rows(s: Any) -> Any:
    """(1 − p)² (−log p) of every class."""
    log_p = s - np.log(np.exp(s).sum(1, keepdims=True))
    return -((1 - np.exp(log_p)) ** 2) * log_p


def _timm(x: Any, y: Any) -> Any:
    p = 1 / (1 + np.exp(-x))
    loss = y * np.log(p) + (1 - y) * np.log(1 - p)
    return -(loss * (1 - (p * y + (1 - p) * (1 - y))) ** (2 * y + 2 * (1 - y))).sum() / len(x)


def _tutorial(s: Any, hot: Any) -> Any:
    ce = -(hot * (s - np.log(np.exp(s).sum(1, keepdims=True)))).sum(1)
    return (0.25 * (1 - np.exp(-ce)) ** 2 * ce).mean()


def _weighed(s: Any, c: Any) -> Any:
    """The sum of the weighed losses over the sum of the weights, as torch's manual has it."""
    ce = np.log(np.exp(s).sum(1)) - s[np.arange(len(c)), c]
    return (W[c] * ce).sum() / W[c].sum()


def _smp(x: Any, y: Any) -> Any:
    bce = np.maximum(x, 0) - x * y + np.log1p(np.exp(-np.abs(x)))
    return ((1 - np.exp(-bce)) ** 2 * bce).mean()


def _catboost() -> tuple[Any, None]:
    p = 1 / (1 + np.exp(-M))
    at, pt, sign = np.where(B == 1, 0.25, 0.75), np.where(B == 1, p, 1 - p), 2 * B - 1
    return at * sign * (1 - pt) ** 2 * (2 * pt * np.log(pt) + pt - 1), None


def _imbalance_xgboost() -> tuple[Any, Any]:
    """Its g1 … g5, without the 1e-9."""
    p, sign = 1 / (1 + np.exp(-M)), (-1) ** B
    g1, g2, g3, g4 = p * (1 - p), B + sign * p, p + B - 1, 1 - B - sign * p
    grad = 2 * g3 * g2**2 * np.log(g4) + sign * g2**3
    step = g2**2 + 2 * sign * g3 * g2
    return grad, (2 * (step * np.log(g4) - sign * g3 * g2**2 / g4) + 3 * g2**2) * g1


def _differences(alpha: float | None) -> tuple[Any, Any]:
    """As the recipes have it: differences of the loss, and of those."""

    def slope(m: Any, h: float = 1e-4) -> Any:
        return (_binary(m + h, B, alpha) - _binary(m - h, B, alpha)) / (2 * h)

    return slope(M), (slope(M + 1e-4) - slope(M - 1e-4)) / 2e-4


SOURCES: dict[str, Callable[[], Any]] = {
    "the tutorial's class": lambda: _tutorial(S, HOT),
    "`cross_entropy`, weighed": lambda: _weighed(S, C),
    "torchvision": lambda: _binary(X, Y).mean(),
    "fvcore": lambda: _binary(X, Y, None).sum(),
    "Detectron2": lambda: _binary(X, Y).sum() / N,
    "kornia, binary": lambda: _kornia(X, Y).mean(),
    "kornia, classes": lambda: (HOT * np.asarray([0.75, 0.25, 0.25]) * _rows(S)).mean(),
    "MONAI, binary": lambda: _binary(X, Y, None).mean(),
    "MONAI, classes": lambda: (HOT * _rows(S)).mean(),
    "segmentation-models, binary": lambda: _smp(X, Y),
    "segmentation-models, classes": lambda: sum(_smp(S[:, c], HOT[:, c]) for c in range(3)) / 3,
    "pytorch-toolbelt": lambda: _binary(X, Y, None).mean(),
    "timm": lambda: _timm(X, Y),
    "mmdetection": lambda: _binary(S, HOT).sum() / N,
    "Hugging Face (DETR)": lambda: _binary(X, Y).mean(1).sum() / N,
    "Ultralytics": lambda: _binary(X, Y, 0.25, 1.5).mean(1).sum(),
    "optax": lambda: _binary(X, Y),
    "Keras, binary": lambda: _binary(X, Y, None).mean(-1).mean(),
    "Keras, classes": lambda: (0.25 * HOT * _rows(S)).sum(-1).mean(),
    "TensorFlow Addons": lambda: _binary(X, Y).sum(-1),
    "Paddle": lambda: (_binary(X, Y) / N).sum(),
    "CatBoost": _catboost,
    "imbalance-xgboost": _imbalance_xgboost,
    "XGBoost recipes": lambda: _differences(None),
    "LightGBM recipes": lambda: _differences(0.25),
}


def _here(code: str) -> Any:
    """The middle column, run."""
    if "ft." in code:
        torch = importlib.import_module("torch")
        names: dict[str, Any] = {name: torch.asarray(a) for name, a in {"x": X, "y": Y, "s": S, "c": C, "w": W}.items()}
        names |= {"ft": importlib.import_module("focal_ref_torch"), "one_hot": torch.nn.functional.one_hot}
    else:
        names = {"x": X, "y": Y, "s": S, "c": C, "hot": HOT, "b": B, "m": M, "fr": fr}
    if "fj." in code:
        names["fj"] = importlib.import_module("focal_ref_jax")
    if "fb." in code:
        names["fb"] = importlib.import_module("focal_ref_boosting")
    return eval(code, names | {"n": N})


def test_the_page_and_the_sources_have_the_same_rows() -> None:
    """Nobody is told of without a test, and none is tested untold."""
    assert ROWS.keys() == SOURCES.keys()


@pytest.mark.parametrize("name", SOURCES)
def test_the_call_here_gives_what_is_computed_there(name: str) -> None:
    """In float64, to some digits of the textbook's; the differences of the recipes have fewer."""
    got, expected = _here(ROWS[name][1]), SOURCES[name]()
    digits = 1e-6 if "recipes" in name else 1e-5 if name == "optax" else 1e-11
    if isinstance(expected, tuple):
        for mine, theirs in zip(got, expected, strict=True):
            if theirs is not None:
                np.testing.assert_allclose(np.asarray(mine), theirs, rtol=digits, atol=digits)
        return
    np.testing.assert_allclose(np.asarray(got), expected, rtol=digits)


REAL = {
    "`cross_entropy`, weighed": "torch",
    "torchvision": "torchvision",
    "fvcore": "fvcore.nn",
    "kornia, binary": "kornia",
    "kornia, classes": "kornia",
    "MONAI, binary": "monai",
    "MONAI, classes": "monai",
    "timm": "timm.loss",
    "optax": "optax",
    "Keras, binary": "keras",
    "Keras, classes": "keras",
    "segmentation-models, binary": "segmentation_models_pytorch",
    "segmentation-models, classes": "segmentation_models_pytorch",
}
"""What the left column is called with, where it can be imported."""


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", REAL)
def test_the_library_itself_agrees_where_it_is_installed(name: str) -> None:
    """The left column, run as it stands; to float32's digits, since some of them compute in it."""
    module = pytest.importorskip(REAL[name], reason="not installed: its source stands for it above", exc_type=Exception)
    there = ROWS[name][0]
    root = REAL[name].partition(".")[0]
    names: dict[str, Any] = {"x": X, "y": Y, "s": S, "c": C, "hot": HOT, "n": N, root: importlib.import_module(root)}
    if root not in ("optax", "keras"):
        torch = importlib.import_module("torch")
        names |= {key: torch.asarray(a) for key, a in {"x": X, "y": Y, "s": S, "c": C, "w": W}.items()}
    names["smp"] = SimpleNamespace(losses=getattr(module, "losses", None))
    np.testing.assert_allclose(np.asarray(eval(there, names)), SOURCES[name](), rtol=1e-5)


def test_a_wrong_call_would_be_seen() -> None:
    """Another α, another reduction, another γ: none of them is within the digits asked for."""
    expected = SOURCES["torchvision"]()
    for wrong in ("0.75, 2, 'mean'", "0.25, 2.1, 'mean'", "0.25, 2, 'sum'"):
        assert abs(float(_here(f"ft.sigmoid_focal_loss(x, y, {wrong})")) / expected - 1) > 1e-3

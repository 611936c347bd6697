"""A kernel as people write them, in plain Python, and what can be wrong with one: each a change of one place of its text."""

from __future__ import annotations

import math
from typing import Any

__all__ = ["KERNEL", "MUTANTS", "made"]

KERNEL = """
from math import exp, inf, isfinite, isnan, log, log1p, nan

BLOCK = 128


def focal(p, u, nll, gamma):
    modulator = power(u, gamma)
    pull = p * nll if p > 0 else 0.0
    value = modulator * nll if modulator > 0 else 0.0
    slope = -modulator * (gamma * pull + u)
    curvature = modulator * (p * (1 + 2 * gamma) * u + gamma * pull * (gamma * p - u))
    return value, slope, curvature


def power(u, gamma):
    return u**gamma


def sigmoid(x, y, gamma):
    sign = 1.0 if y == 1 else -1.0
    z = sign * x
    e = exp(-abs(z))
    small, large = e / (1 + e), 1 / (1 + e)
    p, u = (large, small) if z >= 0 else (small, large)
    nll = log1p(e) + max(-z, 0.0)
    value, slope, curvature = focal(p, u, nll, gamma)
    return value, [sign * slope], [curvature]


def less(x, top):
    d = 0.0 if x == top else x - top
    back = x - d
    return d, ((back - top) + (x - (d + back)) if isfinite(d) and isfinite(back) else 0.0)


def total(numbers):
    found = lost = 0.0
    for x in numbers:
        new = found + x
        lost += (found - new) + x if abs(found) >= abs(x) else (x - new) + found
        found = new
    return found + lost


def softmax(row, target, gamma):
    classes = len(row)
    top = max(row)
    apart = [less(x, top) for x in row]
    e = [exp(d) * (1 + lost) for d, lost in apart]
    others = total(e[j] for j in range(classes) if j != target)
    whole = others + e[target]
    depth, lost = apart[target]
    nll = -depth - lost + log(whole) if depth < 0 else log1p(others / e[target])
    value, slope, curvature = focal(e[target] / whole, others / whole, nll, gamma)
    grad, hess = [], []
    for j in range(classes):
        q = e[j] / others if others > 0 else 0.0
        rest = 1 - q if q < 0.5 else total(e[k] / others for k in range(classes) if k not in (j, target))
        grad.append(slope if j == target else -slope * q)
        hess.append(curvature if j == target else curvature * q * q - slope * q * rest)
    return value, grad, hess


def one(logits, target, gamma, alpha, weight):
    row = isinstance(logits, tuple)
    entries = logits if row else (logits,)
    nothing = [0.0] * len(entries)
    if target == -100 or weight == 0:
        return 0.0, nothing, nothing
    if any(isnan(x) for x in entries):
        return nan, [nan] * len(entries), [nan] * len(entries)
    factor = weight
    if alpha is not None and row:
        factor *= alpha[target] if isinstance(alpha, tuple) else alpha
    elif alpha is not None:
        factor *= alpha if target == 1 else 1 - alpha
    if factor == 0:
        return 0.0, nothing, nothing
    value, grad, hess = softmax(logits, target, gamma) if row else sigmoid(logits, target, gamma)
    return factor * value, [factor * x for x in grad], [factor * x for x in hess]


def batch(logits, targets, gamma, alpha, weights, shape, axis):
    results = [None] * len(targets)
    for block in range(0, len(targets), BLOCK):
        for lane in range(BLOCK):
            i = block + lane
            if i < len(targets):
                results[i] = one(logits[i], targets[i], gamma, alpha, weights[i])
    kept = [i for i in range(len(targets)) if targets[i] != -100]
    mean = sum(results[i][0] for i in range(len(targets))) / len(kept)
    return results, mean
"""
"""Right: every vector passes."""

MUTANTS: dict[str, tuple[str, str]] = {
    # the formula
    "γ is a whole number": ("return u**gamma", "return u ** int(gamma)"),
    "γ is rounded to a half": ("return u**gamma", "return u ** (round(2 * gamma) / 2)"),
    "γ ends at 5": ("return u**gamma", "return u ** min(gamma, 5)"),
    "γ below 1 is 1": ("return u**gamma", "return u ** (gamma if gamma == 0 or gamma >= 1 else 1)"),
    "an epsilon in the power": ("return u**gamma", "return (u + 1e-12) ** gamma"),
    "the power is squared γ/2 times": ("return u**gamma", "return exp(gamma * log(u)) if u > 0 else float(gamma == 0)"),
    "u is 1 - p": ("e[target] / whole, others / whole, nll", "e[target] / whole, 1 - e[target] / whole, nll"),
    "log(1 + e)": ("nll = log1p(e) + max", "nll = log(1 + e) + max"),
    "softplus is its argument past 20": ("nll = log1p(e) + max(-z, 0.0)", "nll = -z if z < -20 else log1p(e) + max(-z, 0.0)"),
    "exp ends at 700": ("e = exp(-abs(z))", "e = exp(-min(abs(z), 700.0))"),
    "a loss that is capped at 100": (
        "value = modulator * nll if modulator > 0 else 0.0",
        "value = min(modulator * nll, 100.0) if modulator > 0 else 0.0",
    ),
    "no maximum is taken off": ("top = max(row)", "top = 0.0"),
    "the first entry is taken for the maximum": ("top = max(row)", "top = row[0]"),
    "x - max loses its rounding": ("e = [exp(d) * (1 + lost) for", "e = [exp(d) for"),
    "a plain sum": ("    return found + lost\n", "    return found\n"),
    # derivatives
    "no γ p ℓ": ("slope = -modulator * (gamma * pull + u)", "slope = -modulator * u"),
    "the Hessian has 1 + γ": ("(1 + 2 * gamma)", "(1 + gamma)"),
    "the Hessian of cross entropy": (
        "curvature = modulator * (p * (1 + 2 * gamma) * u + gamma * pull * (gamma * p - u))",
        "curvature = p * u",
    ),
    "the Hessian is never negative": ("    return value, slope, curvature\n", "    return value, slope, max(curvature, 0.0)\n"),
    "the Hessian's sign by the label": ("[sign * slope], [curvature]", "[sign * slope], [sign * curvature]"),
    "Gauss-Newton off the target": ("curvature * q * q - slope * q * rest", "curvature * q * q"),
    "1 - q cancels": ("rest = 1 - q if q < 0.5 else", "rest = 1 - q if q < 2 else"),
    "p_j for q_j": ("q = e[j] / others if others > 0 else 0.0", "q = e[j] / whole"),
    # classes
    "an index of 8 bits": ("e[target] / whole, others", "e[target & 255] / whole, others"),
    "at most 1024 classes": ("for j in range(classes) if j != target)", "for j in range(min(classes, 1024)) if j != target)"),
    "the last class is left out": (
        "for j in range(classes) if j != target)",
        "for j in range(max(classes - 1, 2)) if j != target)",
    ),
    "a remainder of four is left out": (
        "for j in range(classes) if j != target)",
        "for j in range(classes - classes % 4 if classes > 4 else classes) if j != target)",
    ),
    "the gradient of a warp": (
        "grad.append(slope if j == target else -slope * q)",
        "grad.append(slope if j == target else -slope * q if j < 1024 else 0.0)",
    ),
    "class 0 is background": ("if target == -100 or", "if (row and target == 0) or target == -100 or"),
    "target 7 of many": ("    top = max(row)", "    target = 6 if target == 7 else target\n    top = max(row)"),
    # α, weights, what is left out
    "α of the other class": ("factor *= alpha if target == 1 else 1 - alpha", "factor *= alpha if target == 0 else 1 - alpha"),
    "α for positives only": ("factor *= alpha if target == 1 else 1 - alpha", "factor *= alpha if target == 1 else 1"),
    "α of the next class": ("alpha[target] if", "alpha[target - 1] if"),
    "α twice in the Hessian": ("[factor * x for x in hess]", "[factor * factor * x for x in hess]"),
    "the weight is not in the gradient": (
        "return factor * value, [factor * x for x in grad]",
        "return factor * value, [factor * x / weight for x in grad]",
    ),
    "0 times NaN": ("if target == -100 or weight == 0:", "if target == -100:"),
    "ignored by the wrong number": ("if target == -100 or", "if target == -1 or"),
    "an ignored row's gradient stays": (
        "        return 0.0, nothing, nothing\n    if any",
        "        return 0.0, [1e-300] * len(entries), nothing\n    if any",
    ),
    "NaN is 0": ("return nan, [nan] * len(entries), [nan]", "return 0.0, [0.0] * len(entries), [0.0]"),
    # batches
    "the last lane of a block": ("for lane in range(BLOCK):", "for lane in range(BLOCK - 1):"),
    "one block only": ("for block in range(0, len(targets), BLOCK):", "for block in range(0, BLOCK, BLOCK):"),
    "blocks start over": ("results[i] = one(logits[i], targets[i]", "results[i] = one(logits[i % 512], targets[i % 512]"),
    "the tail that is no multiple of 4": ("if i < len(targets):", "if i < max(len(targets) // 4 * 4, 4) and i < len(targets):"),
    "targets out of step after 32": ("one(logits[i], targets[i]", "one(logits[i], targets[i - (i // 32 % 2)]"),
    "classes by the wrong axis": (
        "results[i] = one(logits[i],",
        "results[i] = one(logits[i] if axis in (None, len(shape)) else logits[i][::-1],",
    ),
    "the mean over what is ignored, too": ("/ len(kept)", "/ len(targets)"),
    "the mean by weights": ("/ len(kept)", "/ sum(weights[i] for i in kept)"),
    "the first row's weight": ("gamma, alpha, weights[i])", "gamma, alpha, weights[0])"),
    "NaN spreads": ("return results, mean", "return [(r[0] + 0 * mean, *r[1:]) for r in results], mean"),
}
"""One change each: what stands there, and what is put in its place."""


def made(change: tuple[str, str] | None = None) -> dict[str, Any]:
    """The kernel's functions, with a change or without."""
    text = KERNEL
    if change is not None:
        assert text.count(change[0]) >= 1, change
        text = text.replace(change[0], change[1], 1)
        assert text != KERNEL
    space: dict[str, Any] = {"math": math}
    exec(compile(text, "<kernel>", "exec"), space)
    return space

"""Writing and checking a kernel: the textbook's loss, what is wrong with it, and the same until nothing is.

Run it with ``python write_and_check.py``; it needs NumPy only. `focal-ref check
write_and_check.py:third` is the same as a command.
"""

import numpy as np

from focal_ref import conformance


def first(logits, targets, gamma):
    """The formula as it stands in the paper."""
    p = 1 / (1 + np.exp(-logits))
    p_t = np.where(targets == 1, p, 1 - p)
    return -((1 - p_t) ** np.float32(gamma)) * np.log(p_t)


def second(logits, targets, gamma):
    """Cross entropy from the logit; the modulator still from 1 − p."""
    z = np.where(targets == 1, logits, -logits)
    ce = np.maximum(-z, 0) + np.log1p(np.exp(-np.abs(z)))
    return (1 - np.exp(-ce)) ** np.float32(gamma) * ce


def third(logits, targets, gamma):
    """u = σ(−z) by itself, never 1 − p; no exponential of a positive number."""
    z = np.where(targets == 1, logits, -logits)
    e = np.exp(-np.abs(z))
    u = np.where(z > 0, e, 1) / (1 + e)
    return u ** np.float32(gamma) * (np.maximum(-z, 0) + np.log1p(e))


if __name__ == "__main__":
    for kernel in (first, second, third):
        verdict = conformance.check(kernel, dtypes=["float32"], gammas=[0.5, 2.0], derivative=None)
        worst = max(row.max_ulp for row in verdict.rows)
        print(f"{kernel.__name__}: {'passed' if verdict.passed else 'failed'}, {worst:.3g} ULP at worst")
        for finding in verdict.findings:
            print(f"    {finding.cause}")

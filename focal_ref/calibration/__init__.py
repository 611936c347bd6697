"""Calibration: posteriors of focal scores, starts, class weights."""

from __future__ import annotations

from .balancing import class_balanced_alpha, gamma_for, initial_bias, inverse_frequency_alpha
from .posteriors import minimiser, optimal_constant, posterior, posterior_from_logits
from .suggestion import suggest

__all__ = [
    "class_balanced_alpha",
    "gamma_for",
    "initial_bias",
    "inverse_frequency_alpha",
    "minimiser",
    "optimal_constant",
    "posterior",
    "posterior_from_logits",
    "suggest",
]

"""Conventions that a focal loss follows: found out by a few calls, and told in words.

A function is called on a handful of moderate logits with hard targets, soft ones, and a row to leave out. What it gives is
compared with what each convention would give; they differ by far more than any rounding error.

>>> from focal_ref import conventions, profiles
>>> print(conventions.recognise(profiles.get("kornia", "softmax"), link="softmax"))
multi-class: softmax
alpha: 1 − α for class 0, α for every other, as kornia, monai
one alpha a class: refused
mean: divides by the losses × the classes, so also by C, as kornia, monai
sum: is a plain one
left-out rows: count for the mean
soft targets: refused
a constant added to a row: changes nothing
all of that as: kornia
"""

from __future__ import annotations

from .recognise import Conventions, recognise

__all__ = ["Conventions", "recognise"]

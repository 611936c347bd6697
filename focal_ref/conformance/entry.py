"""Entry of a function into a check: its link where none is said, what is wanted of it, and how it is called."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

from ..conventions import profiles
from ..libraries.frameworks import Framework
from ..losses import arguments
from ..mathematics.kernel import Kernel
from .adapt import Adapted, adapted
from .candidate import Alpha
from .contract import LINKS
from .probing import FOCAL
from .programs import Program
from .wanted import Wanted, wanted

__all__ = ["Entered", "Way"]

ROWS = "softmax, since it takes rows of logits: --link softmax"


class Entered(NamedTuple):
    """A function as it is called with logits of a link."""

    link: str
    due: Wanted
    called: Adapted
    classes: tuple[int, ...]


class Way(NamedTuple):
    """A function, and what was said of it."""

    fn: Any
    alpha: Alpha
    like: Any
    classes: tuple[int, ...]
    framework: str | Framework | None
    derivative: Callable[..., Any] | Literal["auto"] | None
    gamma: float
    how: dict[str, Any]
    options: dict[str, Any]

    def found(self, said: str | None) -> Entered:
        """By the link that was said; else by sigmoid, or by softmax where only that one gives focal loss, or losses at all."""
        own = said or self._declared()
        entered = self._by(own or "sigmoid")
        if own is not None or entered.called.score == FOCAL:
            return entered
        try:
            rows = self._by("softmax")
        except (ValueError, TypeError):  # something was said that softmax has not
            return entered
        if rows.called.score != FOCAL and (entered.called.score or not rows.called.score):
            return entered
        words = "; ".join(text for text in (ROWS, rows.called.called) if text)
        return rows._replace(called=rows.called._replace(called=words))

    def _declared(self) -> str | None:
        """The link that `like` leaves, or a member's module has; a program is asked for sigmoid, which every one answers."""
        if isinstance(self.fn, Program):
            return "sigmoid"
        if isinstance(getattr(self.fn, "kernel", None), Kernel) and getattr(self.fn, "link", None) in LINKS:
            return str(self.fn.link)
        if self.like is None:
            return None
        arguments.choice("like", getattr(self.like, "name", self.like), profiles.NAMES)
        links = {p.link for p in profiles.PROFILES if p.name == self.like} or {self.like.link}
        return links.pop() if len(links) == 1 else None

    def _by(self, link: str) -> Entered:
        due = wanted(self.fn, link, self.alpha, self.like, self.how.get("reduction", "none"), self.options)
        sizes = (len(self.alpha),) if link == "softmax" and isinstance(self.alpha, Sequence) else self.classes
        for size in sizes:
            arguments.number("classes", size, 2, 10**4, "2 or more of them")
        how = self.how | {"alpha": self.alpha, "extra": due.extra}
        many = sizes[0] if sizes else 3
        called = adapted(self.fn, link, self.framework, how, self.derivative, gamma=self.gamma, classes=many)
        return Entered(link, due, called, sizes)

"""What the commands share: options that say what they accept, errors in one line, and output as text or JSON."""

from __future__ import annotations

import argparse
import json
import re
import reprlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

from ..losses import arguments as checks
from . import console

__all__ = ["Kind", "Parser", "Wrong", "one_of", "whole", "write"]


class Wrong(ValueError):
    """An option, what came, and what is accepted."""

    def __init__(self, option: str, came: Any, accepted: str) -> None:
        super().__init__(f"--{option.replace('_', '-')}: got {came}; expected {accepted}")


MESSAGES = (
    (r"argument (?P<option>\S+): expected one argument", "{option}: got nothing; expected {accepted}"),
    (r"argument (?P<option>\S+): ignored explicit argument (?P<came>.*)", "{option}: got {came}; expected no value"),
    (r"argument (?P<option>\S+): invalid choice: (?P<came>.*) \(choose from .*", "{option}: got {came}; expected {accepted}"),
    (r"the following arguments are required: (?P<option>[^ ,]+).*", "{option}: got nothing; expected {accepted}"),
    (r"argument (?P<option>\S+): (?P<came>.*)", "{option}: {came}"),
)
"""argparse's own, and ours."""

PLACES = {"DIR": "a directory", "FILE": "a file"}


class Parser(argparse.ArgumentParser):
    """Errors in one line that says what came and what is accepted."""

    def __init__(self, **options: Any) -> None:
        options |= {"allow_abbrev": False, "formatter_class": argparse.RawDescriptionHelpFormatter}
        super().__init__(**options)

    def error(self, message: str) -> NoReturn:
        """End the program with status 2 and the message, argparse's own put in our words."""
        for pattern, ours in MESSAGES:
            if found := re.fullmatch(pattern, message, re.DOTALL):
                message = ours.format(**found.groupdict(), accepted=self._accepted(found["option"]))
                break
        self.exit(2, f"{self.prog}: {' '.join(message.split())}\n")

    def options(self) -> str:
        """Every option's name."""
        return ", ".join(name for action in self._actions for name in action.option_strings if name.startswith("--"))

    def _accepted(self, name: str) -> str:
        for action in self._actions:
            if name in (*action.option_strings, action.metavar):
                known = getattr(action.type, "accepted", None) or PLACES.get(str(action.metavar))
                return str(known or " or ".join(action.choices or ["a value"]))
        return "a value"


class Kind:
    """What an option takes: how to read it, and what is accepted."""

    def __init__(self, read: Callable[[str], Any], accepted: str) -> None:
        self.read, self.accepted = read, accepted

    def __call__(self, text: str) -> Any:
        try:
            return self.read(text)
        except (ValueError, ArithmeticError):
            raise argparse.ArgumentTypeError(f"got {reprlib.repr(text)}; expected {self.accepted}") from None

    def listed(self) -> Kind:
        """One or more of these, with commas between."""
        return Kind(
            lambda text: [self.read(part.strip()) for part in text.split(",")], f"{self.accepted} (or several, with commas)"
        )


def one_of(names: Sequence[str]) -> Kind:
    """One of some names."""
    return Kind(lambda text: names[names.index(text)], f"one of {', '.join(names)}")


def whole(low: int, high: int) -> Kind:
    """A whole number between two, both included."""

    def read(text: str) -> int:
        number = int(text)
        if not low <= number <= high:
            raise ValueError
        return number

    return Kind(read, f"a whole number from {low} to {high}")


GAMMA = Kind(lambda text: checks.gammas([float(text)])[0], checks.MEASURED_GAMMAS)
"""A γ to measure or draw at."""


def write(arguments: argparse.Namespace, data: dict[str, Any], lines: Iterable[console.Line]) -> None:
    """Print results: as JSON where that is asked for, else the lines."""
    if arguments.json:
        print(json.dumps(data, indent=2, allow_nan=False))
    else:
        console.show(lines)

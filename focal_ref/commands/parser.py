"""Parser of the command line: argparse, with errors in one line and types that say what they accept."""

from __future__ import annotations

import argparse
import json
import reprlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn, TypeAlias

from ..losses import arguments as checks
from . import console

__all__ = ["Parser", "Wrong", "accepting", "gamma", "listed", "one_of", "whole", "write"]

Read: TypeAlias = Callable[[str], Any]
"""A type as argparse takes one."""


class Wrong(ValueError):
    """An option, what came, and what is accepted."""

    def __init__(self, option: str, came: Any, accepted: str) -> None:
        super().__init__(f"argument --{option.replace('_', '-')}: got {came}; expected {accepted}")


class Parser(argparse.ArgumentParser):
    """argparse's, with errors in one line."""

    def __init__(self, **options: Any) -> None:
        options |= {"allow_abbrev": False, "formatter_class": argparse.RawDescriptionHelpFormatter}
        super().__init__(**options)

    def error(self, message: str) -> NoReturn:
        """End the program with status 2 and the message, without the usage."""
        self.exit(2, f"{self.prog}: {' '.join(message.split())}\n")

    def options(self) -> str:
        """Every option's name."""
        return ", ".join(name for action in self._actions for name in action.option_strings if name.startswith("--"))


# ---- types ------------------------------------------------------------------------------------------------------------------


def accepting(what: str, read: Read) -> Read:
    """A type whose errors say what came and what is accepted; argparse says "invalid value", and lists no choices of a list."""

    def typed(text: str) -> Any:
        try:
            return read(text)
        except (ValueError, ArithmeticError):
            raise argparse.ArgumentTypeError(f"got {reprlib.repr(text)}; expected {what}") from None

    return typed


def listed(read: Read) -> Read:
    """One or more of a type, with commas between."""
    return lambda text: [read(part.strip()) for part in text.split(",")]


def one_of(names: Sequence[str]) -> Read:
    """One of some names, for lists; a single one has argparse's `choices`."""
    return accepting(f"one of {', '.join(names)}", lambda text: names[names.index(text)])


def whole(low: int, high: int) -> Read:
    """A whole number between two, both included."""
    numbers = range(low, high + 1)
    return accepting(f"a whole number from {low} to {high}", lambda text: numbers[numbers.index(int(text))])


gamma = accepting(checks.MEASURED_GAMMAS, lambda text: checks.gammas([float(text)])[0])
"""A γ to measure or draw at."""


# ---- output -----------------------------------------------------------------------------------------------------------------


def write(arguments: argparse.Namespace, data: dict[str, Any], lines: Iterable[console.Line]) -> None:
    """Print results: as JSON where that is asked for, else the lines."""
    if arguments.json:
        print(json.dumps(data, indent=2, allow_nan=False))
    else:
        console.show(lines)

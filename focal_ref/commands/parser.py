"""Parser of the command line: argparse, with errors in one line and types that say what they accept."""

from __future__ import annotations

import argparse
import difflib
import json
import reprlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn, TypeAlias

from ..losses import arguments as checks
from . import console

__all__ = ["Parser", "Wrong", "accepting", "described", "gamma", "listed", "meant", "one_of", "whole", "write"]

Read: TypeAlias = Callable[[str], Any]
"""A type as argparse takes one."""


class Wrong(ValueError):
    """An option, or an argument in capitals, what came, and what is accepted."""

    def __init__(self, option: str, came: Any, accepted: str) -> None:
        name = option if option.isupper() else f"--{option.replace('_', '-')}"
        super().__init__(f"argument {name}: got {came}; expected {accepted}")


class Parser(argparse.ArgumentParser):
    """argparse's, with errors in one line."""

    def __init__(self, **options: Any) -> None:
        options |= {"allow_abbrev": False, "formatter_class": _Formatter}
        super().__init__(**options)

    def error(self, message: str) -> NoReturn:
        """End the program with status 2 and the message, without the usage."""
        self.exit(2, f"{self.prog}: {' '.join(message.split())}\n")

    def unknown(self, arguments: Sequence[str]) -> NoReturn:
        """Refuse what no option takes, with the options that there are and the one that may be meant."""
        names = [name for action in self._actions for name in action.option_strings if name.startswith("--")]
        near = meant(arguments[0].partition("=")[0], names)
        self.error(f"unrecognized arguments: {' '.join(arguments)}{near} (choose from {', '.join(names)})")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """argparse's, in the same words on every Python, and with what may be meant."""
        if action.choices is not None and value not in action.choices:
            names = [str(name) for name in action.choices]
            text = f"invalid choice: {value!r}{meant(str(value), names)} (choose from {', '.join(names)})"
            raise argparse.ArgumentError(action, text)


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """argparse's, with the choices of each option that has some."""

    def _get_help_string(self, action: argparse.Action) -> str:
        return described(action)


def described(action: argparse.Action) -> str:
    """An option's help; what may be chosen is listed where the help doesn't say it already."""
    text = action.help or ""
    choices = action.choices or getattr(action.type, "choices", None) or ()
    names = [str(name) for name in choices]
    if not names or isinstance(action, argparse._SubParsersAction) or all(name in text for name in names):
        return text
    return f"{text} (one of {', '.join(names)})"


def meant(text: str, names: Sequence[str]) -> str:
    """A question, where one of the names is near to what was typed; else nothing.

    Examples
    --------
    >>> meant("chek", ["check", "eval"])
    '; did you mean check?'
    >>> meant("x", ["check", "eval"])
    ''
    """
    near = difflib.get_close_matches(text.lower(), names, n=1)
    return f"; did you mean {near[0]}?" if near else ""


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

    def several(text: str) -> list[Any]:
        return [read(part.strip()) for part in text.split(",")]

    several.choices = getattr(read, "choices", ())  # type: ignore[attr-defined]
    return several


def one_of(names: Sequence[str]) -> Read:
    """One of some names, for lists; a single one has argparse's `choices`."""

    def named(text: str) -> str:
        if text not in names:
            accepted = f"one of {', '.join(names)}{meant(text, names)}"
            raise argparse.ArgumentTypeError(f"got {reprlib.repr(text)}; expected {accepted}")
        return text

    named.choices = tuple(names)  # type: ignore[attr-defined]
    return named


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

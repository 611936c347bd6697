"""The tables of docs/command.md, made from the command's own parser: ``python docs/command_page.py`` writes them anew."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from focal_ref.commands.main import _parser
from focal_ref.commands.parser import described

PAGE = Path(__file__).parent / "command.md"
START, END = "<!-- commands: written by docs/command_page.py -->", "<!-- end of commands -->"


def commands() -> Iterator[str]:
    """A section a command: what it does, its options by groups, examples."""
    parser = _parser()
    (choices,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    for name, command in choices.choices.items():
        yield from (f"## focal-ref {name}", "", *_paragraphs(command.description or ""), "")
        for group in command._action_groups:
            rows = [action for action in group._group_actions if not isinstance(action, argparse._HelpAction)]
            if rows:
                yield from (f"| {_heading(group.title or '')} | |", "| --- | --- |", *map(_row, rows), "")
        yield from ("```text", *(line.strip() for line in (command.epilog or "").splitlines()[1:]), "```", "")


def _heading(title: str) -> str:
    return "argument" if title == "positional arguments" else title


def _paragraphs(text: str) -> Iterator[str]:
    """A command's description; what is indented in it is a list, and stays as it is."""
    for part in text.split("\n\n"):
        yield from (["```text", *part.splitlines(), "```", ""] if part.startswith("  ") else [part, ""])


def _row(action: argparse.Action) -> str:
    names = [*action.option_strings] or [str(action.metavar)]
    if action.option_strings and action.nargs != 0:
        names = [f"{name} {action.metavar or action.dest.upper()}" for name in names]
    text = described(action).replace("|", "\\|")
    return f"| {', '.join(f'`{name}`' for name in names)} | {text} |"


def page(text: str) -> str:
    """The page with the commands put in their place."""
    before, rest = text.split(START)
    _, after = rest.split(END)
    return f"{before}{START}\n\n{chr(10).join(commands())}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")

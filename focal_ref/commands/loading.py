"""Functions that are named on the command line: from a file by its path, whatever it is called, or from a module."""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..conformance.guard import contained, told
from .parser import Parser

__all__ = ["loaded"]


def loaded(parser: Parser, what: str, text: str, *, called: bool = True) -> Callable[..., Any]:
    """The function that a text names; where there is none the command ends with status 2.

    Parameters
    ----------
    parser : Parser
        Whose error it is.
    what : str
        The argument, as it is called in the error.
    text : str
        "package.module:function", or "file.py:function".
    called : bool
        Whether it has to be callable; an object with methods need not be.
    """
    module, _, name = text.rpartition(":")
    try:
        if not module or not name:
            raise ValueError("no colon between module and function")
        with contained():
            found: Any = _module(module)
            for part in name.split("."):
                found = getattr(found, part)
        if called and not callable(found):
            raise TypeError(f"{name} is not callable")
    except Exception as error:  # importing runs the user's file, which may raise anything
        expected = "package.module:function, or file.py:function"
        parser.error(f"argument {what}: got {text!r}; expected {expected} ({told(error)})")
    result: Callable[..., Any] = found
    return result


def _module(name: str) -> Any:
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    return _by_path(Path(name)) if name.endswith(".py") else importlib.import_module(name)


def _by_path(path: Path) -> Any:
    """A file's module, under a name that no other module has; what lies beside it can be imported."""
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    if str(path.parent.resolve()) not in sys.path:
        sys.path.append(str(path.parent.resolve()))
    name = re.sub(r"\W", "_", path.stem)
    while name in sys.modules or name in sys.stdlib_module_names:
        name += "_"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickles look their module up
    spec.loader.exec_module(module)
    module.__dict__["__focal_ref_path__"] = str(path)  # for a line that can be pasted
    return module

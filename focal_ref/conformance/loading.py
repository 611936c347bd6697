"""Functions by a text that names them: "package.module:function", or "file.py:function", whatever the file is called."""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from pathlib import Path
from typing import Any

__all__ = ["named"]


def named(text: str, *, called: bool = True) -> Any:
    """What a text names: a function, a class, an object or a method, "losses.py:Holder.focal"; `called`: it has to be callable.

    Raises
    ------
    ValueError, TypeError
        Where the text names nothing, or what cannot be called.
    Exception
        Whatever importing the module raises.

    Examples
    --------
    >>> named("math:exp")(0.0)
    1.0
    """
    module, _, name = text.rpartition(":")
    if not module or not name:
        raise ValueError("no colon between module and function")
    found: Any = _module(module)
    for part in name.split("."):
        found = getattr(found, part)
    if called and not callable(found):
        raise TypeError(f"{name} is not callable")
    return found


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

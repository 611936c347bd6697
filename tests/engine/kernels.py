"""The C++ compiler, asked once for each text: what it makes is kept by the hash of all that it depends on."""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

__all__ = ["COMPILERS", "built"]

COMPILERS = [name for name in ("c++", "g++", "clang++") if shutil.which(name)]


@functools.cache
def _compiler(flags: tuple[str, ...]) -> bytes:
    """What the compiler is, and the processor that `-march=native` stands for: all macros that it defines by itself."""
    return subprocess.run([COMPILERS[0], *flags, "-dM", "-E", "-x", "c++", os.devnull], check=True, capture_output=True).stdout


def built(code: str, flags: tuple[str, ...], folder: Path) -> Path:
    """The shared object of a text, in the folder; made there under another name first, since sessions run side by side."""
    flags = ("-O2", "-shared", "-fPIC", *flags)
    path = folder / hashlib.sha256(b"\0".join([code.encode(), " ".join(flags).encode(), _compiler(flags)])).hexdigest()
    if not path.exists():
        with tempfile.TemporaryDirectory(dir=folder) as made:
            source = Path(made) / "kernel.cpp"
            source.write_text(code, encoding="utf-8")
            subprocess.run([COMPILERS[0], *flags, str(source), "-o", f"{made}/kernel"], check=True)
            os.replace(f"{made}/kernel", path)
    return path

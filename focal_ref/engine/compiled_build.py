"""Texts of loops made into machine code, and kept on disk between processes.

LLVM is llvmlite's, which numba brings along; importing it takes a twentieth of a second, and a loop a tenth. Nothing here is
imported before the first loop is needed.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import platform
import sys
import tempfile
import threading
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["NotBuiltError", "address", "build", "cache_folder"]

_lock = threading.Lock()
_made: list[Any] = []
"""Engines own the code that functions run."""


class NotBuiltError(Exception):
    """LLVM can't be had here, or takes no loops."""


def build(text: str, parameters: str) -> Any:
    """A text's function.

    Parameters
    ----------
    text : str
    parameters : str
        A letter for each: "i" for whole numbers and addresses, "d" for float64.

    Raises
    ------
    NotBuiltError
        Where llvmlite is missing or broken, or the processor lacks what loops need.
    """
    try:
        return _built(text, parameters)
    except (ImportError, OSError, RuntimeError, AttributeError, TypeError) as error:
        raise NotBuiltError(" ".join(f"{type(error).__name__}: {error}".split())) from error


def _built(text: str, parameters: str) -> Any:
    import llvmlite.binding as llvm

    machine, processor = _machine()
    key = hashlib.sha256(f"{processor}\n{text}".encode()).hexdigest()[:40]
    with _lock:
        module = llvm.parse_assembly(text)
        module.name = key
        engine = llvm.create_mcjit_compiler(module, machine())
        code = _read(key)
        if code is None:
            code = _compiled(llvm, module, machine())
            _write(key, code)
        engine.set_object_cache(None, lambda _: code)
        engine.finalize_object()
        address = engine.get_function_address("focal_ref")
        _made.append(engine)
    types = [ctypes.c_double if letter == "d" else ctypes.c_void_p for letter in parameters]
    return ctypes.CFUNCTYPE(None, *types)(address)


@cache
def _machine() -> tuple[Any, str]:
    """What makes a target machine of this processor, and what that is."""
    import llvmlite
    import llvmlite.binding as llvm

    for start in (llvm.initialize_native_target, llvm.initialize_native_asmprinter):
        start()
    name, able = llvm.get_host_cpu_name(), llvm.get_host_cpu_features()
    features = able.flatten()
    if platform.machine().lower() in ("x86_64", "amd64") and not (able.get("fma") and able.get("f16c")):
        raise RuntimeError("the processor has no fused multiply-add")
    target = llvm.Target.from_default_triple()

    def made() -> Any:
        return target.create_target_machine(cpu=name, features=features, opt=2, jit=True)

    return made, " ".join((llvmlite.__version__, target.triple, name, features))


def _compiled(llvm: Any, module: Any, machine: Any) -> bytes:
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    options.loop_vectorization = options.slp_vectorization = options.loop_unrolling = False
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    return bytes(machine.emit_object(module))


def cache_folder() -> Path | None:
    """Where code is kept: ``FOCAL_REF_CACHE``, else below the user's folder of caches; None where there is none."""
    chosen = os.environ.get("FOCAL_REF_CACHE")
    if chosen is not None:
        return Path(chosen) if chosen.strip() else None
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA")
    elif sys.platform == "darwin":
        base = os.path.expanduser("~/Library/Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(base) / "focal_ref" / "loops" if base and os.path.isabs(base) else None


def _read(key: str) -> bytes | None:
    """Code that was kept; what is not whole, or was written by another user, doesn't count."""
    folder = cache_folder()
    if folder is None:
        return None
    try:
        path = folder / f"{key}.o"
        if hasattr(os, "getuid") and path.stat().st_uid != os.getuid():
            return None
        content = path.read_bytes()
    except OSError:
        return None
    digest, code = content[:32], content[32:]
    return code if hashlib.sha256(code).digest() == digest else None


def _write(key: str, code: bytes) -> None:
    """Keep code, whole or not at all; where nothing can be written, nothing is kept."""
    folder = cache_folder()
    if folder is None:
        return
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, name = tempfile.mkstemp(dir=folder)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(hashlib.sha256(code).digest() + code)
            os.replace(name, folder / f"{key}.o")
        except OSError:
            os.unlink(name)


def address(array: Any) -> int:
    """Where an array's entries begin; a buffer tells it in a third of the time that NumPy takes, if it may be written."""
    try:
        return ctypes.addressof(ctypes.c_char.from_buffer(array))
    except (BufferError, TypeError, ValueError):  # read-only, not contiguous, empty, or of a type without buffers
        place: int = array.__array_interface__["data"][0]
        return place

"""XLA's compiler in the tests: quick for the thousands of single operations, as users have it where figures are compared.

Most of JAX's time in tests is XLA compiling operations that run once. Without LLVM's passes, and with the older emitters, an
operation takes 15 ms for 40. What is measured in ULP runs as on a user's machine: `as_users_have_it` is a process of its own,
and `jit` compiles a whole program so. What one process has compiled, the others read (`shared`).
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any, TypeVar
from unittest import mock

__all__ = ["QUICK", "as_users_have_it", "jit", "shared"]

R = TypeVar("R")

QUICK = "--xla_cpu_use_fusion_emitters=false --xla_backend_optimization_level=0"
AS_USERS = {"xla_cpu_use_fusion_emitters": True, "xla_backend_optimization_level": 3}
"""The defaults."""


def jit(function: Callable[..., Any]) -> Any:
    """`jax.jit`, optimized as it is for users."""
    return importlib.import_module("jax").jit(function, compiler_options=AS_USERS)


def as_users_have_it(function: Callable[..., R], *arguments: Any) -> R:
    """A call of a module's function in a new process, whose XLA is not told to be quick."""
    flags = os.environ.get("XLA_FLAGS", "").replace(QUICK, "").strip()
    with mock.patch.dict(os.environ, XLA_FLAGS=flags), ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def shared() -> Callable[[], None]:
    """A folder for what is compiled, however small, in this process's environment and its children's; a call deletes it."""
    folder = tempfile.TemporaryDirectory()
    os.environ |= {
        "JAX_COMPILATION_CACHE_DIR": folder.name,
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
    return folder.cleanup

"""What a run was made on and with."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import sys
from pathlib import Path
from typing import Any

from focal_ref.engine.numpy_threads import cores

__all__ = ["allowed", "describe", "limit"]

PACKAGES = ("focal-ref", "numpy", "torch", "jax", "dask", "distributed", "optax", "numba", "cupy-cuda12x", "cupy-cuda13x")


def describe() -> dict[str, Any]:
    """Processor, cores, system and versions, as plain data."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "processor": _processor(),
        "cores": cores(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": versions,
    }


def _processor() -> str:
    try:
        found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    except OSError:
        found = None
    return found[1] if found else platform.processor() or "unknown"


def allowed() -> list[int]:
    """The cores that this process may run on; empty where the system doesn't tell."""
    return sorted(os.sched_getaffinity(0)) if sys.platform == "linux" else []


def limit(count: int) -> None:
    """Keep this process, and so the pools of every library imported from now on, to so many cores and threads."""
    if sys.platform == "linux":
        # The last ones: the first tends to serve interrupts.
        os.sched_setaffinity(0, set(allowed()[-count:]))
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS", "FOCAL_REF_THREADS"):
        os.environ[name] = str(count)

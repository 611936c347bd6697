"""How much memory a call takes at its peak, beyond what was there before: each contestant in a process of its own.

The peak is the kernel's own figure for the process (Linux), so that it counts every library's memory alike.
"""

from __future__ import annotations

import ctypes
import gc
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from . import contestants
from .cases import Case

__all__ = ["Peak", "can_measure", "peak"]

PROCESS = Path("/proc/self")


class Peak(NamedTuple):
    """Bytes that a call took beyond its arguments, results included; and what autograd kept for the way back, if it did."""

    name: str
    bytes: int
    saved: int | None


def can_measure() -> bool:
    """Whether the kernel tells."""
    return (PROCESS / "clear_refs").exists()


def peak(case: Case, name: str) -> Peak:
    """A contestant's, at a case; measured in a new process."""
    command = [sys.executable, "-m", "benchmarks.memory", json.dumps([case.link, case.shape, name])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return Peak(**json.loads(done.stdout.splitlines()[-1]))


def _measure(case: Case, name: str) -> Peak:
    (contestant,) = (c for c in contestants.of(case) if c.name == name)
    call = contestant.make(case.data())
    call()
    saved = _saved(call) if "torch" in contestant.needs and "eager" in name else None
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    before = _status("VmRSS")
    (PROCESS / "clear_refs").write_text("5")  # the peak starts anew
    results = call()
    after = _status("VmHWM")
    del results
    return Peak(name, max(0, after - before), saved)


def _status(field: str) -> int:
    found = re.search(rf"{field}:\s+(\d+) kB", (PROCESS / "status").read_text())
    return 1024 * int(found[1]) if found else 0


def _saved(call: Callable[[], Any]) -> int:
    """Bytes of the memory, each counted once, that autograd keeps; the logits and targets among them."""
    import torch

    kept: dict[int, int] = {}

    def pack(tensor: Any) -> Any:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        call()
    return sum(kept.values())


if __name__ == "__main__":
    link, shape, wanted = json.loads(sys.argv[1])
    print(json.dumps(_measure(Case(link, tuple(shape)), wanted)._asdict()))

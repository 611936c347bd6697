"""`python -m benchmarks.peers.suites`: focal_ref in the peers' places, before the peers' tests and beside the peers themselves.

The promises are those of each peer's own public tests, written anew (`benchmarks.peers.promises`); the numbers are those of the
installed peer, called alike (`benchmarks.peers.beside`). Exit status 1 where one fails.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import traceback
import warnings
from importlib import metadata
from typing import Any, NamedTuple

import numpy as np

from .beside import BESIDE, PACKAGES
from .losses import torchvision_ops
from .promises import PROMISES

__all__ = ["Outcome", "main", "run"]

APART = {"monai": 2e-5, "fvcore": 2e-5, "timm": 2e-5, "optax": 2e-5, "keras": 1e-4}
"""How far apart results may be, relatively: these compute in float32, and Keras clips. The others: 1e-9."""


class Outcome(NamedTuple):
    """A peer's line."""

    peer: str
    version: str
    kept: int
    promised: int
    same: int
    compared: int
    failures: tuple[str, ...]


def run(peer: str) -> Outcome:
    """All of a peer's promises, and its numbers where it is installed."""
    failures = []
    for check in PROMISES.get(peer, []):
        try:
            check()
        except Exception as error:
            failures.append(f"{peer}: {check.__name__.replace('_', ' ')}: {_first(error)}")
    kept = len(PROMISES.get(peer, [])) - len(failures)
    version = _version(PACKAGES[peer])
    same = compared = 0
    if version:
        with contextlib.suppress(ImportError):
            torchvision_ops()  # others import it, and its operators may not load
        try:
            for ours, theirs in BESIDE[peer]():
                compared += 1
                a, b = (np.asarray(value, dtype=np.float64) for value in (ours, theirs))
                if a.shape == b.shape and np.allclose(a, b, rtol=APART.get(peer, 1e-9), atol=1e-9):
                    same += 1
                else:
                    failures.append(f"{peer}: call {compared}: {a.ravel()[:3]} of {a.shape}, not {b.ravel()[:3]} of {b.shape}")
        except Exception as error:
            failures.append(f"{peer}: after call {compared}: {_first(error)}")
    return Outcome(peer, version, kept, len(PROMISES.get(peer, [])), same, compared, tuple(failures))


def _first(error: Exception) -> str:
    return (str(error).strip() or traceback.format_exception(error)[-2].strip()).splitlines()[0]


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def main(arguments: list[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers.suites", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("peers", nargs="*", metavar="PEER", help=f"of {', '.join(BESIDE)}; by default all")
    parser.add_argument("--installed", action="store_true", help="fail where a named peer is absent")
    given = parser.parse_args(arguments)
    unknown = set(given.peers) - set(BESIDE)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = [run(peer) for peer in given.peers or BESIDE]
    print("| peer | version | promises of its tests kept | calls beside it that agree |")
    print("| --- | --- | --- | --- |")
    for outcome in found:
        beside = f"{outcome.same} of {outcome.compared}" if outcome.version else "absent"
        print(f"| {outcome.peer} | {outcome.version or '–'} | {outcome.kept} of {outcome.promised} | {beside} |")
    failures: list[Any] = [line for outcome in found for line in outcome.failures]
    if given.installed:
        failures += [f"{outcome.peer}: not installed" for outcome in found if not outcome.version]
    for line in failures:
        print(line, file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

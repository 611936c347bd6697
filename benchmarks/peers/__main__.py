"""`python -m benchmarks.peers`: measure other packages' focal losses, and write docs/accuracy.md.

Every loss is measured on the finite logits and against the exact results that `focal-ref check` uses, in the logits' own type,
with α left out. Those that cannot be measured are named.
"""

from __future__ import annotations

import argparse
import json
import platform
import warnings
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

import focal_ref
from focal_ref import backends, conformance
from focal_ref.commands import console
from focal_ref.conformance import Row
from focal_ref.engine.arrays import namespace_of

from .losses import PEERS, Peer

GAMMAS = (0.0, 0.5, 2.0)
DTYPES = ("float16", "bfloat16", "float32", "float64")
QUANTITIES = ("value", "grad", "hess")


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__.splitlines()[0])
    parser.add_argument("--only", metavar="PACKAGE", help="one package")
    parser.add_argument("--write", metavar="FILE", type=Path, help="a Markdown page, docs/accuracy.md in this project")
    parser.add_argument("--json", metavar="FILE", type=Path, help="every figure")
    arguments = parser.parse_args()
    found: list[dict[str, Any]] = []
    chosen = [peer for peer in PEERS if arguments.only in (None, peer.package)]
    with console.Progress() as bar:
        for link in conformance.LINKS:
            found.append(_own(link))
        for done, peer in enumerate(chosen):
            bar(done, len(chosen), f"{peer.package} {peer.name}")
            found.append(_measured(peer))
    page = "\n".join(_page(found))
    print(page)
    if arguments.write:
        arguments.write.write_text(page + "\n", encoding="utf-8")
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1, default=lambda row: row.to_dict()) + "\n", encoding="utf-8")


def _own(link: str) -> dict[str, Any]:
    """focal_ref itself, as its adapters run it."""
    rows = conformance.measure(["torch"], [link], DTYPES, GAMMAS, ["native"]).rows
    return {"package": "focal_ref", "name": "focal_ref_torch", "link": link, "version": focal_ref.__version__, "rows": rows}


def _measured(peer: Peer) -> dict[str, Any]:
    result: dict[str, Any] = {"package": peer.package, "name": peer.name, "link": peer.link, "rows": [], "refuses": {}}
    result["version"] = _version(peer.package)
    measurable = ("grad", "hess") if peer.objective else QUANTITIES[: 3 if peer.link == "sigmoid" else 2]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for dtype in DTYPES:
            backend = "jax-x64" if (peer.backend, dtype) == ("jax", "float64") else peer.backend
            if dtype not in backends.get(backend).dtypes:
                continue
            report = conformance.measure([backend], [peer.link], [dtype], GAMMAS, ["native"], subject=_subject(peer))
            result["rows"] += [row for row in report.rows if row.quantity in measurable]
            if report.broken:
                result["refuses"][dtype] = report.broken[0].reason
    return result


def _subject(peer: Peer) -> Any:
    """The peer as `focal_ref.conformance.measure` takes a loss. What it can't give is focal_ref's, and not counted."""

    def subject(link: str, gamma: float, precision: Any) -> Any:
        loss = peer.make(gamma)
        own = conformance.focal_ref(link, gamma, precision)

        def results(logits: Any, targets: Any) -> Any:
            if peer.objective:
                with np.errstate(all="ignore"):
                    grad, hess = (a.astype(logits.dtype) for a in loss(logits, targets))
                found = own(logits, targets)[0], grad, hess
            else:
                differentiate = _by_torch if peer.backend == "torch" else _by_jax
                found = differentiate(loss, logits, targets, own if link == "softmax" else None)
            xp = namespace_of(logits)
            finite = xp.isfinite(logits) if link == "sigmoid" else xp.all(xp.isfinite(logits), axis=-1)
            return tuple(
                xp.where(finite if a.ndim == finite.ndim else finite[:, None], a, exact)
                for a, exact in zip(found, own(logits, targets), strict=True)
            )

        return results

    return subject


def _by_torch(loss: Any, logits: Any, targets: Any, own: Any) -> Any:
    import torch

    x = logits.detach().clone().requires_grad_()
    value = loss(x, targets)
    (grad,) = torch.autograd.grad(value.sum(), x, create_graph=own is None)
    if own is not None:
        hess = own(logits, targets)[2]
    else:
        hess = torch.autograd.grad(grad.sum(), x)[0] if grad.requires_grad else torch.zeros_like(x)
    return tuple(a.detach().to(logits.dtype) for a in (value, grad, hess))


def _by_jax(loss: Any, logits: Any, targets: Any, own: Any) -> Any:
    import jax

    total = lambda x: loss(x, targets).sum()  # noqa: E731
    grad = jax.grad(total)
    hess = jax.grad(lambda x: grad(x).sum())(logits) if own is None else own(logits, targets)[2]
    return tuple(a.astype(logits.dtype) for a in (loss(logits, targets), grad(logits), hess))


def _version(package: str) -> str:
    try:
        return metadata.version(package) if package else ""
    except metadata.PackageNotFoundError:
        return "absent"


# ---- the page ---------------------------------------------------------------------------------------------------------------

INTRODUCTION = """\
# How exact the others are

Focal losses of other packages, unmodified, measured as focal_ref measures itself: on the same logits, against the same exact
results, by their framework's own differentiation, in the logits' own type and without α. Infinite logits are left out.

`python -m benchmarks.peers --write docs/accuracy.md` makes this page, and `--only kornia` measures one package.
`benchmarks/peers/requirements.txt` has what that needs, `benchmarks/peers/losses.py` each call as it is made.

For each γ: the largest error of the loss / of its gradient in ULP, where the exact result is a normal number; a correctly
rounded result has 0.5. Then over the three γ, for loss and gradient, and for the second derivative by itself: how many results
are NaN for a number, and how many 0 for a normal number. float16 and bfloat16 have few digits, and an error of some ULP is good
there. A gradient boosting objective has no loss to measure, and of a softmax the second derivative isn't measured.

torchvision's losses are Python: where its compiled operators don't load beside the torch that is here, their names are declared
and the losses are measured all the same.
"""


def _page(found: list[dict[str, Any]]) -> Iterator[str]:
    yield INTRODUCTION
    yield f"Python {platform.python_version()}, " + ", ".join(f"{n} {_version(n)}" for n in ("torch", "jax", "numpy")) + "."
    for link in conformance.LINKS:
        yield f"\n## {link.capitalize()}\n"
        yield "| loss | type | γ = 0 | γ = 0.5 | γ = 2 | NaN | zeros | Hessian: NaN | zeros | worst loss or gradient |"
        yield "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
        for result in found:
            if result["link"] == link:
                yield from _lines(result)
    yield "\n## Not measured\n"
    for result in found:
        for dtype, reason in result.get("refuses", {}).items():
            yield f"- {result['package']} {result['name']}, {dtype}: {reason}"
    yield "- balanced-loss, whose focal loss gives only a sum, divided by the count of positives."
    yield "- Code in CUDA, Triton and C++ (mmcv, apex, SAM3, dlib, CatBoost), which needs its own hardware or build."


def _lines(result: dict[str, Any]) -> Iterator[str]:
    rows: list[Row] = list(result["rows"])
    for dtype in DTYPES:
        here = [row for row in rows if row.dtype == dtype]
        if not here:
            continue
        cells = [_cell([row for row in here if row.gamma == gamma]) for gamma in GAMMAS]
        first, second = ([row for row in here if (row.quantity == "hess") == is_hess] for is_hess in (False, True))
        counts = [
            str(sum(getattr(row, name) for row in rows)) if rows else "–"
            for rows in (first, second)
            for name in ("nan", "flushed")
        ]
        label = f"{result['package']} {result['version']}: {result['name']}" if result["package"] else result["name"]
        worst = max(first or here, key=lambda row: (row.nan + row.wrong_inf + row.flushed, row.max_ulp))
        yield f"| {label} | {dtype} | {' | '.join(cells + counts)} | {_input(worst)} |"


def _cell(rows: list[Row]) -> str:
    named = {row.quantity: row.max_ulp for row in rows}
    return " / ".join(_figure(named[q]) if q in named else "–" for q in ("value", "grad"))


def _figure(ulps: float) -> str:
    return f"{ulps:.2g}" if ulps < 1000 else f"{ulps:.0e}".replace("e+0", "e").replace("e+", "e")


def _input(row: Row) -> str:
    """Where the worst result is: the last arguments of the line that shows it."""
    inside = row.worst.partition("print(at(")[2]
    what = inside.partition(", ")[2].split(", ", 4)[-1].rpartition(")")[0].rpartition(")")[0].removesuffix(", subject")
    return (
        f"γ {row.gamma:g}, {row.quantity} at {what}: {row.got} for {row.exact}" if len(what) < 40 else f"γ {row.gamma:g}, a row"
    )


if __name__ == "__main__":
    main()

"""docs/accuracy.md: a headline that fits a page, and the full tables folded."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from importlib import metadata

from focal_ref import conformance
from focal_ref.conformance import Row
from focal_ref.conformance.grading import REACHED, TRAINING

from .losses import GAMMAS
from .measuring import DIGITS, DTYPES, Found, Headline

__all__ = ["page"]

LIGHTS = {"yes": "🟢 yes", "with care": "🟡 with care", "partly": "🟠 not at γ =", "no": "🔴 no"}
TITLES = {"sigmoid": "Sigmoid", "softmax": "Softmax"}
INTRODUCTION = f"""\
# How exact the others are

Which focal losses train, and how many digits do they lose? Those of packages are unmodified; those without a version are what
people copy (repositories, kernels, recipes), written anew by hand from their formulas. All are measured as focal_ref measures
itself: on the same logits, against the same exact results, by their framework's own differentiation, without α.

`python -m benchmarks.peers --write docs/accuracy.md` makes this page, and `--only kornia` measures one package.
`benchmarks/peers/requirements.txt` has what that needs, `benchmarks/peers/losses.py` each call as it is made.

## In training

In float32, at γ = 0, 0.5 and 2, losses and gradients. **Trains**: 🔴 no, where a logit of up to {REACHED:g} gives NaN or inf at
γ = 2, a hard example has no gradient, or a result in training's range is wrong by over 1 %; 🟠 not at another γ, where it gives
NaN or inf; 🟡 with care, where more than half of the digits are lost at logits of up to {TRAINING:g}; 🟢 yes. **NaN**: the
smallest logit that gives NaN or inf, and at which γ. **Vanishes**: the smallest logit whose loss or gradient is 0 for a normal
number. **Lost**: decimals lost at worst, of the {DIGITS:.1f} that float32 has, at logits of up to {TRAINING:g}. Of a row, the
logit is its largest.
"""
FOLDED = """\
## Every type

For each γ: the largest error of the loss / of its gradient in ULP, where the exact result is a normal number; a correctly
rounded result has 0.5. Then over all γ, for loss and gradient, and for the second derivative by itself: how many results
are NaN for a number, and how many 0 for a normal number. float16 and bfloat16 have few digits, and an error of some ULP is good
there. A gradient boosting objective has no loss to measure, and of a softmax the second derivative isn't measured. Infinite
logits are left out.
"""


def page(found: Sequence[Found]) -> str:
    """The page's text."""
    return "\n".join([*_lines(found)]) + "\n"


def _lines(found: Sequence[Found]) -> Iterator[str]:
    yield INTRODUCTION
    for link in conformance.LINKS:
        yield from _headlines([peer for peer in found if peer.link == link], TITLES[link])
    yield FOLDED
    for link in conformance.LINKS:
        yield from _table([peer for peer in found if peer.link == link], TITLES[link])
    yield from ("## Not measured", "")
    for peer in found:
        for dtype, reason in peer.refuses.items():
            yield f"- {peer.label}, {dtype}: {_cut(reason)}"
    yield "- balanced-loss, whose focal loss gives only a sum, divided by the count of positives."
    yield "- apex, dlib and MIOpen, whose own code needs its own build; burn, whose losses have no focal loss."
    yield "- torchvision's losses are Python: where its compiled operators don't load beside the torch that is here, their"
    yield "  names are declared, and the losses are measured all the same."
    yield ""
    versions = ", ".join(f"{name} {_version(name)}" for name in ("torch", "jax", "tensorflow-cpu", "numpy"))
    yield f"Python {platform.python_version()}, {versions}."


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "absent"


def _cut(text: str) -> str:
    return text if len(text) < 100 else f"{text[:97]}…"


def _headlines(found: Sequence[Found], title: str) -> Iterator[str]:
    """One line each, those that train first, the most exact first among them."""
    order = list(LIGHTS)
    known = [(peer, peer.headline) for peer in found if peer.headline is not None]
    yield from (f"### {title}", "", "| loss | trains? | NaN | vanishes | lost |", "| --- | --- | --- | --- | --- |")
    for peer, headline in sorted(known, key=lambda pair: (order.index(pair[1].trains), pair[1].lost)):
        yield f"| {_name(peer, '')} | {_trains(headline)} | {_odd(headline)} | {_gone(headline)} | {headline.lost:.1f} |"
    yield ""


def _name(peer: Found, version: str) -> str:
    """The package, its version where there is room for it, and the loss."""
    package, colon, name = peer.label.partition(": ")
    return f"{package}{version and f' {version}'}: `{name}`" if colon and peer.version else peer.label


def _trains(headline: Headline) -> str:
    light = LIGHTS[headline.trains]
    if headline.trains == "partly":
        return f"{light} {', '.join(f'{gamma:g}' for gamma in headline.odd_gammas)}"
    return f"{light}: {headline.why}" if headline.why else light


def _odd(headline: Headline) -> str:
    if headline.odd is None:
        return "–"
    told = headline.trains == "partly" or set(headline.odd_gammas) >= set(GAMMAS)
    gammas = "" if told else f", γ = {', '.join(f'{g:g}' for g in headline.odd_gammas)}"
    return f"from {headline.odd:.3g}{gammas}"


def _gone(headline: Headline) -> str:
    return "–" if headline.gone is None else f"from {headline.gone:.3g}"


# ---- the full tables --------------------------------------------------------------------------------------------------------


def _table(found: Sequence[Found], title: str) -> Iterator[str]:
    columns = ["loss", "type", *(f"γ = {gamma:g}" for gamma in GAMMAS), "NaN", "zeros", "Hessian: NaN", "zeros", "worst"]
    yield from (f'<details markdown="1"><summary>{title}: every type, and the worst input</summary>', "")
    yield from (f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}")
    for peer in found:
        for dtype in DTYPES:
            rows = [row for row in peer.rows if row.dtype == dtype]
            if rows:
                yield f"| {_name(peer, peer.version)} | {dtype} | {' | '.join(_cells(rows))} |"
    yield from ("", "</details>", "")


def _cells(rows: Sequence[Row]) -> Iterator[str]:
    for gamma in GAMMAS:
        named = {row.quantity: row.max_ulp for row in rows if row.gamma == gamma}
        yield " / ".join(_figure(named[q]) if q in named else "–" for q in ("value", "grad")) if named else "–"
    first, second = ([row for row in rows if (row.quantity == "hess") == is_hess] for is_hess in (False, True))
    for part in (first, second):
        for count in ("nan", "flushed"):
            yield str(sum(getattr(row, count) for row in part)) if part else "–"
    worst = max(first or rows, key=lambda row: (row.nan + row.wrong_inf + row.flushed, row.max_ulp))
    yield f"γ {worst.gamma:g}, {worst.quantity} {worst.where}: {worst.got} for {worst.exact}"


def _figure(ulps: float) -> str:
    return f"{ulps:.2g}" if ulps < 1000 else f"{ulps:.0e}".replace("e+0", "e").replace("e+", "e")

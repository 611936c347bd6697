"""`python -m benchmarks.peers`: measure other packages' focal losses, and write docs/accuracy.md.

Every loss is measured on the finite logits and against the exact results that `focal-ref check` uses, in the logits' own type,
with α left out. Those that cannot be measured are named.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from focal_ref.commands import console

from .losses import PEERS
from .measuring import DTYPES, found_of
from .page import page

__all__ = ["main"]


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__.splitlines()[0])
    parser.add_argument("--only", metavar="WORD", default="", help="those whose package or name has this word")
    parser.add_argument(
        "--dtype", metavar="TYPE", action="append", choices=DTYPES, help="this type; repeatable; by default all four"
    )
    parser.add_argument("--write", metavar="FILE", type=Path, help="a Markdown page, docs/accuracy.md in this project")
    parser.add_argument("--json", metavar="FILE", type=Path, help="every figure")
    arguments = parser.parse_args()
    chosen = [place for place, peer in enumerate(PEERS) if arguments.only in peer.label]
    found = []
    with console.Progress() as bar:
        for done, place in enumerate(chosen):
            bar(done, len(chosen), PEERS[place].label)
            found.append(found_of(place, arguments.dtype or DTYPES))
    text = page(found)
    print(text)
    if arguments.write:
        arguments.write.write_text(text, encoding="utf-8")
    if arguments.json:
        data = [{**peer._asdict(), "rows": [row.to_dict() for row in peer.rows]} for peer in found]
        arguments.json.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

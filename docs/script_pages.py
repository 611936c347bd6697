"""Text of scripts on their pages, to be read where nobody builds them: ``python docs/script_pages.py`` writes it anew."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).parent
PAGES = tuple(DOCS / name for name in ("five-minutes.md", "five-minutes-jax.md", "scripts.md"))
_PLACE = re.compile(r"(<!-- script: (\w+) -->\n```py\n).*?(^```$)", re.MULTILINE | re.DOTALL)


def page(text: str) -> str:
    """The page with each script put in its place."""
    return _PLACE.sub(lambda found: f"{found[1]}{(DOCS / 'scripts' / f'{found[2]}.py').read_text('utf-8')}{found[3]}", text)


if __name__ == "__main__":
    for path in PAGES:
        path.write_text(page(path.read_text(encoding="utf-8")), encoding="utf-8")

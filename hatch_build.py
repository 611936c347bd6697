"""README as an index shows it: a page of its own, whose links to files of this repository have to be absolute.

They start with ``Repository`` of ``[project.urls]``. Without one there is nothing that they could lead to, so
their words stay and pictures go.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

__all__ = ["CustomMetadataHook", "absolute"]

_PICTURE = re.compile(r"!\[([^\]]*)\]\((?!https?:)([^)\s]+)\)\n*")
_LINK = re.compile(r"(?<!!)\[([^\]]*)\]\((?!https?:|#)([^)\s]+)\)")


def absolute(text: str, repository: str | None) -> str:
    """Markdown whose relative links and pictures are absolute, or only their words where there is no repository.

    Examples
    --------
    >>> absolute("see [it](docs/it.md#part)", "https://host/name/")
    'see [it](https://host/name/blob/main/docs/it.md#part)'
    >>> absolute("see [it](docs/it.md)", None)
    'see it'
    """
    if repository is None:
        return _LINK.sub(r"\1", _PICTURE.sub("", text))
    root = repository.rstrip("/")
    text = _PICTURE.sub(lambda found: found[0].replace(f"({found[2]})", f"({root}/raw/main/{found[2]})"), text)
    return _LINK.sub(lambda found: f"[{found[1]}]({root}/blob/main/{found[2]})", text)


class CustomMetadataHook(MetadataHookInterface):
    """Hatchling's hook: it sets the readme."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Put README.md there, with its links made absolute."""
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        repository = metadata.get("urls", {}).get("Repository")
        metadata["readme"] = {"content-type": "text/markdown", "text": absolute(text, repository)}

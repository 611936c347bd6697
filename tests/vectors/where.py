"""Where the vectors' files are, and their names as a test's parameters."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from focal_ref import vectors

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "focal_ref" / "data" / "vectors"
FILES = list(itertools.product(vectors.LINKS, vectors.DTYPES))
IDS = ["-".join(file) for file in FILES]

every_file = pytest.mark.parametrize(("link", "dtype"), FILES, ids=IDS)


def data_of(link: str, dtype: str) -> Any:
    """A file as JSON has it."""
    return json.loads((DATA / vectors.name(link, dtype)).read_text(encoding="ascii"))

"""One fixture, `kernels`: where compiled kernels are kept, in pytest's cache where there is one."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def kernels(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder for `tests.engine.kernels.built`."""
    cache: pytest.Cache | None = getattr(request.config, "cache", None)
    return tmp_path_factory.mktemp("kernels") if cache is None else cache.mkdir("kernels")

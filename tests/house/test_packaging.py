"""What is installed: one wheel, four packages, three dependencies, one version."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder

import focal_ref

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ["focal_ref", "focal_ref_boosting", "focal_ref_jax", "focal_ref_sklearn", "focal_ref_torch"]


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    """The [project] table."""
    table: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return table


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel that this checkout makes."""
    builder = WheelBuilder(str(ROOT))
    (path,) = builder.build(directory=str(tmp_path_factory.mktemp("dist")), versions=["standard"])
    return zipfile.ZipFile(path)


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.ZipFile) -> str:
    """What an index shows."""
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return wheel.read(name).decode()


def _requirement(text: str) -> str:
    return re.split(r"[\[<>=!~; ]", text)[0]


def test_adapters_is_a_folder_and_no_package() -> None:
    """Nothing importable is named `adapters`, a name that other distributions have."""
    assert not (ROOT / "adapters" / "__init__.py").exists()


def test_the_wheel_has_the_four_typed_packages_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    """The adapters travel with focal_ref, each with its own top-level name and py.typed."""
    names = wheel.namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)
    for package in PACKAGES:
        assert f"{package}/py.typed" in names
        assert f"{package}/__init__.py" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_wheel_is_small(wheel: zipfile.ZipFile) -> None:
    """Little over a megabyte, most of it vectors and the demo's data; its name says pure Python."""
    assert wheel.filename is not None
    path = Path(wheel.filename)
    assert path.name == f"focal_ref-{focal_ref.__version__}-py3-none-any.whl"
    assert path.stat().st_size < 1_300_000


@pytest.mark.slow
def test_the_sdist_builds_the_same_and_has_the_tests(tmp_path: Path) -> None:
    """Source, tests, documentation, and the hook without which it couldn't be built; nothing that a tool left behind."""
    (path,) = SdistBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert Path(path).name == f"focal_ref-{focal_ref.__version__}.tar.gz"
    assert Path(path).stat().st_size < 2_000_000
    needed = ["pyproject.toml", "hatch_build.py", "README.md", "LICENSE", "docs/index.md", "tests/conftest.py"]
    assert not set(needed + [f"adapters/{name}/py.typed" for name in PACKAGES[1:]]) - names
    assert not [name for name in names if re.search(r"__pycache__|\.venv|\.so$|\.hypothesis|site/", name)]


def test_an_index_shows_no_dead_link(metadata: str) -> None:
    """README there is a page of its own: each link is absolute, or its words."""
    page = metadata.partition("\n\n")[2]
    assert "# focal_ref" in page
    assert not re.findall(r"\]\((?!https?://|#)[^)]*\)", page)


def test_links_are_made_absolute_where_there_is_a_repository() -> None:
    """Pages by their place, pictures by their contents; what is absolute already stays, and so do links within the page."""
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    text = "[a](docs/a.md#b) [c](https://d.e) [f](#g)\n\n![h](docs/i.svg)\n\nend"
    root = "https://host/one/two"
    assert module.absolute(text, f"{root}/") == (
        f"[a]({root}/blob/main/docs/a.md#b) [c](https://d.e) [f](#g)\n\n![h]({root}/raw/main/docs/i.svg)\n\nend"
    )
    assert module.absolute(text, None) == "a [c](https://d.e) [f](#g)\n\nend"


def test_all_is_all_that_needs_no_gpu(project: dict[str, Any]) -> None:
    """`[all]` names each extra for users, but CUDA's and XGBoost's for GPUs."""
    extras = set(project["optional-dependencies"])
    developers = {"test", "lint", "docs", "release", "peers", "boosting-tools", "evidence"}
    gpu = {"boosting", "cupy-cuda12x", "cupy-cuda13x"}
    (named,) = project["optional-dependencies"]["all"]
    assert set(named.removeprefix("focal-ref[").removesuffix("]").split(",")) == extras - developers - gpu - {"all"}


def test_there_is_one_version(metadata: str) -> None:
    """The package, the wheel, CITATION.cff and the newest entry of the changelog say the same."""
    sources = [
        metadata,
        (ROOT / "CITATION.cff").read_text(encoding="utf-8"),
        (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"),
    ]
    patterns = [r"^Version: (.+)$", r"^version: (.+)$", r"^## \[(\d.*?)\]"]
    found = [re.search(p, s, re.MULTILINE) for p, s in zip(patterns, sources, strict=True)]
    assert [match and match[1] for match in found] == [focal_ref.__version__] * 3


def test_the_core_has_three_dependencies(project: dict[str, Any]) -> None:
    """No array library but NumPy is forced on anyone."""
    assert {_requirement(text) for text in project["dependencies"]} == {"array-api-compat", "mpmath", "numpy"}


def test_every_extra_that_the_pages_name_exists(project: dict[str, Any]) -> None:
    """`pip install "focal-ref[torch]"` and the like."""
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    text = "".join(page.read_text(encoding="utf-8") for page in pages)
    named = {
        extra for extras in re.findall(r"[\"`](?:focal-ref|\.)?\[([a-z0-9,-]+)\][\"`]", text) for extra in extras.split(",")
    }
    assert {"cli", "test", "torch"} <= named <= set(project["optional-dependencies"])


def test_the_command_is_there(project: dict[str, Any]) -> None:
    """The script's entry point can be called."""
    module, _, name = project["scripts"]["focal-ref"].partition(":")
    assert callable(getattr(importlib.import_module(module), name))


def test_importing_focal_ref_imports_nothing_that_it_can_do_without() -> None:
    """A training loop loads NumPy, and whatever library its own arrays are of."""
    unwanted = [
        "torch",
        "jax",
        "cupy",
        "dask",
        "rich",
        "matplotlib",
        "hypothesis",
        "mpmath",
        "flint",
        "array_api_strict",
        "ml_dtypes",
    ]
    code = f"import sys, focal_ref; print(*sorted(set(sys.modules) & set({unwanted})))"
    command = [sys.executable, "-W", "error", "-c", code]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.split() == []

"""Whatever README.md and docs/ show as Python runs, and prints what the page says."""

from __future__ import annotations

import doctest
import importlib.util
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import focal_ref as fr
from focal_ref.libraries import backends

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
PAGES = [README, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def _name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def _examples(text: str, name: str) -> doctest.DocTest:
    """All of a page's Python as one session; the fences are blanked, so that line numbers are the page's."""
    source = ["\n"] * (text.count("\n") + 1)
    for block in _FENCED.finditer(text):
        if block[1] == "python":
            first = text[: block.start(2)].count("\n")
            source[first : first + block[2].count("\n")] = block[2].splitlines(keepends=True)
    return doctest.DocTestParser().get_doctest("".join(source), {}, name, name, 0)


def _failures(text: str, name: str = "page") -> str:
    report: list[str] = []
    doctest.DocTestRunner(verbose=False, optionflags=doctest.NORMALIZE_WHITESPACE).run(_examples(text, name), out=report.append)
    return "".join(report)


def _command_after(marker: str) -> str:
    found = re.search(rf"<!-- {marker} -->\n+```\w*\n(.*?)\n```", README.read_text(encoding="utf-8"))
    assert found, f"README.md has no one-line code block after <!-- {marker} -->"
    return found[1]


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_example_prints_what_the_page_says(page: Path) -> None:
    """Each page is one session, run from its top."""
    failures = _failures(page.read_text(encoding="utf-8"), _name(page))
    if failures:
        pytest.fail(failures, pytrace=False)


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_no_python_goes_unchecked(page: Path) -> None:
    """A Python block without a prompt would not be run."""
    for block in _FENCED.finditer(page.read_text(encoding="utf-8")):
        assert block[1] != "python" or block[2].lstrip().startswith(">>> "), block[0]


@pytest.mark.parametrize(
    ("text", "fails"),
    [
        ("```python\n>>> 1 + 1\n2\n```\n", False),
        ("```python\n>>> 1 + 1\n3\n```\n", True),
        ("```python\n>>> x = 1\n```\n\n```python\n>>> x\n2\n```\n", True),
        ("```python\n>>> 1 / 0\n```\n", True),
        ("```text\n>>> 1 + 1\n3\n```\n", False),
    ],
)
def test_a_wrong_example_fails(text: str, fails: bool) -> None:
    """The collector itself: only Python blocks, each with its own output, all in one session."""
    assert bool(_failures(text)) == fails


def test_readme_is_a_screen_and_a_half() -> None:
    """Whoever wants one line of PyTorch finds it on the first screen; everything else is a link."""
    text = README.read_text(encoding="utf-8")
    assert len(text.split()) <= 600
    assert "focal_ref_torch.FocalLoss" in "\n".join(text.splitlines()[:12])


def test_readme_starts_with_an_example_that_runs() -> None:
    """README has a quick start, and it is collected."""
    assert len(_examples(README.read_text(encoding="utf-8"), "README").examples) >= 3


@pytest.mark.slow
def test_each_door_of_readme_can_be_pasted_by_itself() -> None:
    """Whoever has one framework pastes its import and its call; nothing above them is needed."""
    (first,) = re.findall(r"\A.*?^```python\n(.*?)^```$", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    doors = re.split(r"^(?=>>> import )", first, flags=re.MULTILINE)[1:]
    assert len(doors) >= 5
    assert "torch" in doors[0].splitlines()[0]
    for door in doors:
        assert not _failures(f"```python\n{door}```\n"), door


def test_readmes_test_line_requires_every_backend_of_the_processor() -> None:
    """Nothing is silently skipped: the line names each backend that needs no GPU."""
    required = re.search(r"FOCAL_REF_BACKENDS=(\S+)", _command_after("test-command"))
    assert required
    needs_gpu = {"cupy", "torch-cuda", "jax-cuda"}
    assert set(required[1].split(",")) == set(backends.NAMES) - needs_gpu


def _script(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_session_is_copied_without_prompts_and_outputs() -> None:
    """What the site's button copies can be pasted; code without prompts stays; a name in a table is a link, broken at seams."""
    hooks = _script("site_hooks")
    assert hooks.on_page_markdown("```python\n>>> 1 + 1\n2\n```\n") == "```pycon\n>>> 1 + 1\n2\n```\n"
    assert hooks.on_page_markdown(">>> print(3)  # doctest: +ELLIPSIS\n...\n") == ">>> print(3)\n...\n"
    line = '<span class="gp">{}</span><span class="mi">{}</span>\n'
    code = line.format("&gt;&gt;&gt; ", "f(&quot;a&quot;,") + line.format("... ", "  b)") + '<span class="go">2 &lt; 3</span>\n'
    block = f'<div class="highlight"><pre><span></span><code>{code}</code></pre></div>'
    assert hooks.on_page_content(block).startswith('<div data-copy="f(&quot;a&quot;,\n  b)" class="highlight">')
    plain = '<div class="highlight"><pre><code>x = 1\n</code></pre></div>'
    assert hooks.on_page_content(plain) == plain
    cell = "<td><code>focal_ref.SigmoidLoss</code></td>"
    named = '<code class="name">focal_<wbr>ref.<wbr>Sigmoid<wbr>Loss</code>'
    elsewhere = f'<td><autoref identifier="focal_ref.SigmoidLoss" optional>{named}</autoref></td>'
    assert hooks.on_page_content(cell) == elsewhere
    entry = '<h3 id="focal_ref.SigmoidLoss">'
    assert hooks.on_page_content(cell + entry) == f'<td><a href="#focal_ref.SigmoidLoss">{named}</a></td>{entry}'
    word = "<p><code>fr.engine()</code></p>"
    assert hooks.on_page_content(word) == f'<p><autoref identifier="focal_ref.engine" optional>{word[3:-4]}</autoref></p>'
    assert hooks.on_page_content(f"<a href='b'>{word}</a>") == f"<a href='b'>{word}</a>"
    assert set(hooks.members()) >= {"focal_ref.family.focal.Focal", "focal_ref.family.poly1.Poly1"}


def test_the_messages_on_the_page_are_those_that_come() -> None:
    """Each row of the first table of docs/questions.md, but the last, which is Python's own; in their order."""
    torch = pytest.importorskip("torch")
    functional = pytest.importorskip("focal_ref_torch")
    x, classes = np.zeros(2), np.zeros((2, 3))
    calls: list[Callable[[], object]] = [
        lambda: fr.softmax_focal_loss(classes, np.asarray([0, -100])),
        lambda: fr.softmax_focal_loss(classes, np.asarray([0, 255])),
        lambda: functional.sigmoid_focal_loss(torch.zeros(4, 1), torch.zeros(4)),
        lambda: fr.softmax_focal_loss(classes, np.asarray([0.0, 1.0])),
        lambda: fr.sigmoid_focal_loss(np.asarray([0, 1]), x),
        lambda: fr.sigmoid_focal_loss([0.0, 1.0], x),  # type: ignore[type-var]
        lambda: fr.sigmoid_focal_loss(x, torch.zeros(2)),
        lambda: fr.SigmoidFocalLoss(alpha=2.0),
        lambda: fr.SoftmaxFocalLoss(alpha=[0.5, 0.5])(classes, np.asarray([0, 1])),
    ]
    table = (ROOT / "docs" / "questions.md").read_text(encoding="utf-8").split("</div>")[0]
    rows = re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)
    assert len(rows) == len(calls) + 1
    for row, call in zip(rows, calls, strict=False):
        with pytest.raises((TypeError, ValueError)) as raised:
            call()
        for part in row.split("…"):
            assert part.strip() in str(raised.value), row


@pytest.mark.parametrize("name", ["command_page", "readme_tables"])
def test_tables_are_what_their_scripts_make(name: str) -> None:
    """docs/command.md of the command's parser, README's tables of the pages with all figures: run the script after a change."""
    script = _script(name)
    text = script.PAGE.read_text(encoding="utf-8")
    assert script.page(text) == text


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_links_between_pages_resolve(page: Path) -> None:
    """Every relative link names a file that exists."""
    for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", _FENCED.sub("", page.read_text(encoding="utf-8"))):
        assert (page.parent / target).exists(), target

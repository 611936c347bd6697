"""The site's hooks: mathematics becomes MathML, what is copied has no prompts, and every table has a box of its own.

All of it happens when the site is built, so that no page fetches or runs anything for it.
"""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

__all__ = ["contributing", "formula", "members", "on_config", "on_page_content", "on_page_markdown"]

_SESSION = re.compile(r"^```python\n(?=>>> )", re.MULTILINE)
_HIGHLIGHTED = re.compile(r'<div class="highlight">(<pre>.*?</pre>)</div>', re.DOTALL)
_PART = re.compile(r"<!-- part:[^\n]*-->\n(.*)<!-- end of part -->", re.DOTALL)
_INLINE = re.compile(r"\$`([^`\n]+)`\$")
_DIRECTIVE = re.compile(r" +# doctest: \+\w+$", re.MULTILINE)
_ENTRY = re.compile(r"(?<=<td>)<code>(focal_ref[\w.]*)</code>(?=</td>)")
_NAME = re.compile(r"<code>((?:focal_ref|adapters)[\w./]*)</code>")
_SOURCE = '<details class="mkdocstrings-source"'
_SEE_ALSO = re.compile(r"(?<=<summary>See Also</summary>)\s*<p>(.*?)</p>", re.DOTALL)
_CODE = re.compile(
    r"(?P<kept><(?P<tag>pre|a|h[1-6]|autoref)\b.*?</(?P=tag)>)"
    r"|<code>(?P<name>(?:fr|ft|fj|fb|focal_ref\w*)\.[\w.]+)(?P<call>\(…?\))?</code>",
    re.DOTALL,
)
_SHORT = {"fr": "focal_ref", "ft": "focal_ref_torch", "fj": "focal_ref_jax", "fb": "focal_ref_boosting"}
_ID = re.compile(r'id="([\w.]+)"')
_SEAM = re.compile(r"(?<=[./])(?=\w)(?!py$)|(?<=[a-z]_)(?=\w)|(?<=[a-z])(?=[A-Z])")


def formula(source: str, *, block: bool) -> str:
    """TeX as MathML; of ``aligned`` each line is a row, whose cells meet at the ``&``.

    Examples
    --------
    >>> formula("u^2", block=False)
    '<math xmlns="http://www.w3.org/1998/Math/MathML" display="inline"><mrow><msup><mi>u</mi><mn>2</mn></msup></mrow></math>'
    """
    from latex2mathml.converter import convert

    display = "block" if block else "inline"
    aligned = re.fullmatch(r"\s*\\begin\{aligned\}(.*)\\end\{aligned\}\s*", source, re.DOTALL)
    if aligned is None:
        start = f'<math xmlns="http://www.w3.org/1998/Math/MathML" display="{display}">'
        return f"{start}{_inner(convert(source.strip(), display=display))}</math>"
    rows = [row.split("&") for row in re.split(r"\\\\(?:\[[^\]]*\])?", aligned[1]) if row.strip()]
    cells = [[_inner(convert(cell.strip(), display="block")) if cell.strip() else "" for cell in row] for row in rows]
    table = "".join(f"<mtr>{''.join(_cell(i, cell) for i, cell in enumerate(row))}</mtr>" for row in cells)
    table = f'<mtable displaystyle="true">{table}</mtable>'
    return f'<math xmlns="http://www.w3.org/1998/Math/MathML" display="{display}">{table}</math>'


def _inner(math: str) -> str:
    if "\\" in math:
        raise ValueError(f"a command that is not known in this TeX: {math}")
    return math.partition(">")[2].removesuffix("</math>")


def _cell(place: int, content: str) -> str:
    style = "text-align: left; padding: .25em 1em .25em 0" if place % 2 else "text-align: right; padding: .25em 0"
    return f'<mtd style="{style}">{content}</mtd>'


def _fence(source: str, language: str, class_name: str, options: Any, md: Any, **more: Any) -> str:
    return f'<div class="formula">{formula(source, block=True)}</div>'


def members() -> list[str]:
    """Where each member of the family is defined."""
    from focal_ref.family import KERNELS

    return [f"{kernel.__module__}.{kernel.__name__}" for kernel in KERNELS.values()]


def contributing() -> str:
    """CONTRIBUTING.md with its links as a page in docs/ has them; README is no page, and stays a word."""
    text = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    return text.replace("](docs/", "](").replace("[README](README.md)", "README")


def on_config(config: Any) -> Any:
    """Fences named `math` are formulas."""
    fence = {"name": "math", "class": "formula", "format": _fence}
    config["mdx_configs"].setdefault("pymdownx.superfences", {})["custom_fences"] = [fence]
    return config


def on_page_markdown(markdown: str, **more: Any) -> str:
    """Python with prompts is a session; $`…`$ is a formula in a line; the family's members and CONTRIBUTING.md are put in."""
    if "<!-- members -->" in markdown:
        markdown = markdown.replace("<!-- members -->", "\n\n".join(f"::: {path}" for path in members()))
    if "<!-- CONTRIBUTING.md -->" in markdown:
        markdown = markdown.replace("<!-- CONTRIBUTING.md -->", contributing())
    markdown = _DIRECTIVE.sub("", _SESSION.sub("```pycon\n", markdown))
    return _INLINE.sub(lambda found: formula(found[1], block=False), markdown)


def on_page_content(content: str, **more: Any) -> str:
    """A session is copied without prompts and outputs; the page of sliders has them in it; names of the package are links."""
    if "<!-- slider.html -->" in content:
        part = _PART.search((Path(__file__).parent / "slider.html").read_text(encoding="utf-8"))
        content = content.replace("<!-- slider.html -->", part[1] if part else "")
    content = content.replace(_SOURCE, f"{_SOURCE} data-search-exclude")
    here = set(_ID.findall(content))
    content = _ENTRY.sub(lambda found: f'<a href="#{found[1]}">{found[0]}</a>' if found[1] in here else found[0], content)
    content = _CODE.sub(_to_the_reference, _SEE_ALSO.sub(_see_also, content))
    return _HIGHLIGHTED.sub(_with_what_is_copied, _NAME.sub(_broken_at_seams, content))


def _see_also(found: re.Match[str]) -> str:
    """Each line a link and what it leads to; a name that the reference lacks fails the build."""
    lines = [line.partition(" : ") for line in found[1].split("\n")]
    items = (f'<li><autoref identifier="{name}"><code>{name}</code></autoref>: {what}</li>' for name, _, what in lines)
    return f"<ul>{''.join(items)}</ul>"


def _to_the_reference(found: re.Match[str]) -> str:
    """A public name in a sentence or a cell leads to its entry, where it has one."""
    if found["kept"]:
        return found[0]
    head, _, rest = found["name"].partition(".")
    return f'<autoref identifier="{_SHORT.get(head, head)}.{rest}" optional>{found[0]}</autoref>'


def _broken_at_seams(found: re.Match[str]) -> str:
    """A name or a file that must be broken is broken after a dot, a stroke, or between its words."""
    return f'<code class="name">{_SEAM.sub("<wbr>", found[1])}</code>'


def _with_what_is_copied(found: re.Match[str]) -> str:
    if 'class="gp"' not in found[1]:
        return found[0]
    text = html.unescape(re.sub(r"<[^>]+>", "", found[1]))
    lines = [line[4:] for line in text.splitlines() if line.startswith((">>> ", "..."))]
    return found[0].replace("<div ", f'<div data-copy="{html.escape(chr(10).join(lines))}" ', 1)

"""The links of README.md, CHANGELOG.md and the docs, without a network: as they are read on a forge.

What Sphinx builds of the docs is checked by Sphinx, which knows more of it; this is of the files themselves.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]

# Where links may lead; examples have names that are nobody's.
HOSTS = {
    "github.com",
    "healthchecks.io",
    "peps.python.org",
    "requests.readthedocs.io",
    "semver.org",
    "www.fastly.com",
    "www.rfc-editor.org",
}

CODE = re.compile(r"^( *)```.*?^\1```$|`[^`\n]+`", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^][]*\]\(\s*([^()\s]+)\s*\)")
HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)


def links(text: str) -> Iterator[str]:
    """Return where the links and images of a page lead; what is in code is none."""
    yield from LINK.findall(CODE.sub("", text))


def anchors(page: Path) -> set[str]:
    """Return the anchors that a forge makes of a page's headings."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in HEADING.findall(text)}


def wrong(page: Path, link: str) -> str:
    """Say what is wrong with a link of a page, or nothing."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return "" if parts.scheme == "https" and parts.hostname in HOSTS else f"not a host that is known: {link}"
    target = page if not parts.path else (page.parent / parts.path).resolve()
    if not target.is_relative_to(ROOT) or not target.is_file():
        return f"no such file: {link}"
    if parts.fragment and parts.fragment not in anchors(target):
        return f"no such heading: {link}"
    return ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    """A file that is there, a heading in it, or a host that is known."""
    assert [found for link in links(page.read_text()) if (found := wrong(page, link))] == []


def test_pages_have_links() -> None:
    """So that what looks for them finds them."""
    found = [link for page in PAGES for link in links(page.read_text())]
    assert len(found) > 100
    assert {".svg", ".md"} <= {Path(urlsplit(link).path).suffix for link in found}


@pytest.mark.parametrize(
    ("link", "problem"),
    [
        ("docs/nowhere.md", "no such file"),
        ("docs/guard.md#nowhere", "no such heading"),
        ("../elsewhere.md", "no such file"),
        ("https://elsewhere.example/", "not a host"),
        ("http://github.com/", "not a host"),
        ("docs/guard.md#the-index", ""),
        ("docs/configuration.md#notify", ""),
        ("https://github.com/pypa/bandersnatch", ""),
    ],
)
def test_a_broken_link_is_told(link: str, problem: str) -> None:
    """Of each kind."""
    (found,) = links(f"`[code](no.md)` and [that]({link})")
    assert wrong(ROOT / "README.md", found).startswith(problem)
    assert bool(wrong(ROOT / "README.md", found)) is bool(problem)


def test_every_page_is_reached_from_the_readme() -> None:
    """In a few steps at most: who reads on a forge has no table of contents."""
    reached, ahead = set(), [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        if page in reached or page.suffix != ".md":
            continue
        reached.add(page)
        paths = (urlsplit(link).path for link in links(page.read_text()) if not urlsplit(link).netloc)
        ahead += [(page.parent / path).resolve() for path in paths if path]
    assert set(PAGES) - reached == {ROOT / "docs" / "index.md", ROOT / "docs" / "changelog.md"}

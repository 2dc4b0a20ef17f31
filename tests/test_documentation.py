"""Where the documentation is: at its address, in what a wheel has installed, in a clone."""

from __future__ import annotations

from email.message import Message
from importlib.metadata import Distribution, PackagePath
from pathlib import Path

import pytest

from bandersnatch_freshness import documentation

ROOT = Path(__file__).parents[1]


class Installed(Distribution):
    """A distribution with these files beside a directory."""

    def __init__(self, directory: Path, url: str = "", *files: str) -> None:
        """`url`: that of the documentation; none if empty."""
        self._directory = directory
        self._files = files
        self._metadata = Message()
        self._metadata["Project-URL"] = "Source, https://source.example"
        if url:
            self._metadata["Project-URL"] = f"Documentation, {url}"

    @property
    def metadata(self) -> Message:  # type: ignore[override]
        """Its metadata."""
        return self._metadata

    @property
    def files(self) -> list[PackagePath]:
        """What was installed."""
        found = [PackagePath(name) for name in self._files]
        for one in found:
            one.dist = self
        return found

    def read_text(self, filename: str) -> str | None:
        """Nothing of it is needed."""
        return None

    def locate_file(self, path: object) -> Path:
        """Find one of the files."""
        return self._directory / str(path)


@pytest.mark.parametrize("url", ["https://docs.example/en/stable/", "https://docs.example/en/stable"])
def test_it_is_at_its_address(url: str, tmp_path: Path) -> None:
    """Where the distribution names one."""
    found = documentation.where(documentation.RUNBOOK, Installed(tmp_path, url))
    assert found == "https://docs.example/en/stable/how-to/now.html"


def test_it_is_where_a_wheel_puts_it(tmp_path: Path) -> None:
    """In whatever scheme: the list of what was installed says where."""
    page = tmp_path / "share/doc/bandersnatch-freshness/docs/how-to/now.md"
    page.parent.mkdir(parents=True)
    page.write_text("")
    inside = tmp_path / "lib/site-packages"
    inside.mkdir(parents=True)
    name = "../../share/doc/bandersnatch-freshness/docs/how-to/now.md"
    assert documentation.where(documentation.RUNBOOK, Installed(inside, "", "x/y.py", name)) == str(page)


def test_it_is_in_a_clone(tmp_path: Path) -> None:
    """And each page that is named is there."""
    for page in (documentation.RUNBOOK, documentation.COMMANDS):
        assert documentation.where(page, Installed(tmp_path)) == str(ROOT / page)
    assert documentation.where("docs/none.md", Installed(tmp_path)) == "docs/none.md"

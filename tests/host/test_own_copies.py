"""The serials of the mirror's own copies, from files as Bandersnatch writes them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bandersnatch_freshness.host.own_copies import DOCUMENT, HTML, HTML_V1, JSON, OwnCopies

DISK: Any = SimpleNamespace(PATH_BACKEND=Path)


def copies(web: Path, *, hashed: bool = False, **documents: str) -> OwnCopies:
    """Return the own copies of a mirror."""
    return OwnCopies(DISK, str(web), [HTML, HTML_V1, JSON, DOCUMENT], hashed=hashed, spelled=lambda: documents)


def write(web: Path, serial: int = 42, releases: int = 1, description: str = "", indent: int | None = 4) -> Path:
    """Write a project's pages and document; return the pages' directory."""
    directory = web / "simple/foo"
    directory.mkdir(parents=True)
    for name in ("index.html", "index.v1_html"):
        (directory / name).write_text(f"<!DOCTYPE html>\n<html>\n</html>\n<!--SERIAL {serial}-->")
    page = {
        "files": [{"filename": f"foo-{number}.tar.gz"} for number in range(releases)],
        "meta": {"api-version": "1.1", "_last-serial": str(serial)},
        "name": "foo",
        "versions": [f"{number}.0" for number in range(releases)],
    }
    (directory / "index.v1_json").write_text(json.dumps(page))
    document = {"info": {"description": description, "last_serial": 1}, "last_serial": serial, "releases": {}}
    (web / "json").mkdir()
    (web / "json/foo").write_text(json.dumps(document, indent=indent, sort_keys=True))
    return directory


@pytest.mark.parametrize(
    "written",
    [
        pytest.param({}, id="small"),
        pytest.param({"releases": 5000}, id="more-versions-than-its-end-has"),
        pytest.param({"description": 'x\n    "last_serial": 7,\n' * 9}, id="a-description-that-looks-like-it"),
        pytest.param({"description": "x" * 99_999}, id="a-description-longer-than-the-beginning"),
        pytest.param({"indent": None}, id="a-document-as-verify-writes-it"),
    ],
)
def test_each_place_tells_its_serial(written: dict[str, Any], tmp_path: Path) -> None:
    """Whatever else is in it."""
    write(tmp_path, **written)
    assert copies(tmp_path).read("foo") == (42, 42, 42, 42)


@pytest.mark.parametrize("cut", [1, 2, 30])
@pytest.mark.parametrize("description", ["", "x" * 99_999])
def test_what_is_cut_off_is_told(cut: int, description: str, tmp_path: Path) -> None:
    """Wherever the serial is in it."""
    directory = write(tmp_path, releases=3, description=description)
    for path in (*directory.iterdir(), tmp_path / "json/foo"):
        path.write_bytes(path.read_bytes()[:-cut])
    assert copies(tmp_path).read("foo") == (0, 0, 0, 0)


def test_what_is_not_there_or_no_file_is_told(tmp_path: Path) -> None:
    """It waits for nothing, such as a named pipe."""
    directory = write(tmp_path)
    (directory / "index.html").unlink()
    os.mkfifo(directory / "index.html")
    (directory / "index.v1_html").unlink()
    (directory / "index.v1_html").mkdir()
    (directory / "index.v1_json").unlink()
    (tmp_path / "json/foo").write_text("")
    assert copies(tmp_path).read("foo") == (0, 0, None, 0)
    assert copies(tmp_path).read("bar") == (None, None, None, None)


def test_versions_of_pages_are_followed(tmp_path: Path) -> None:
    """With `keep_index_versions`, a page is a link to its newest version; one that leads nowhere is no page."""
    directory = write(tmp_path)
    (directory / "versions").mkdir()
    for name in ("index.html", "index.v1_html"):
        (directory / name).rename(directory / "versions" / name)
        (directory / name).symlink_to(directory / "versions" / name)
    (directory / "versions/index.v1_html").unlink()
    assert copies(tmp_path).read("foo") == (42, None, 42, 42)


def test_documents_of_old_mirrors_have_names_as_they_are_spelled(tmp_path: Path) -> None:
    """Bandersnatch 3.6 stores them so."""
    write(tmp_path)
    (tmp_path / "json/foo").rename(tmp_path / "json/Foo")
    assert copies(tmp_path).read("foo") == (42, 42, 42, None)
    assert copies(tmp_path, foo="Foo").read("foo") == (42, 42, 42, 42)


@pytest.mark.parametrize("hashed", [False, True])
def test_lists_what_is_here(hashed: bool, tmp_path: Path) -> None:
    """By normalized names; other directories are for old clients, and files are none."""
    for name in ("foo", "bar", "Foo.Baz", "zope-x"):
        (tmp_path / "simple" / (name[0] if hashed else "") / name).mkdir(parents=True)
    (tmp_path / "simple/index.html").write_text("")
    assert sorted(copies(tmp_path, hashed=hashed).names()) == ["bar", "foo", "zope-x"]
    assert list(copies(tmp_path / "nowhere", hashed=hashed).names()) == []


def test_says_when_each_was_written(tmp_path: Path) -> None:
    """As far as it is there."""
    directory = write(tmp_path)
    os.utime(directory / "index.html", (99, 99))
    (directory / "index.v1_html").unlink()
    assert copies(tmp_path).times("foo")[:2] == [99, None]

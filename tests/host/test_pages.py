"""What the mirror's own copies say, on disk."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from bandersnatch_freshness.host.pages import own_serial, serial_of_document

DISK = SimpleNamespace(PATH_BACKEND=Path)
END = "\n<!--SERIAL 42-->"


@pytest.mark.parametrize(
    "length", [len(END), 1000, 2**14 - 1, 2**14, 2**14 + 1, 2**14 + 10, 2**16], ids=lambda length: f"{length}-bytes"
)
def test_a_page_in_html_has_its_serial_at_its_end(length: int, tmp_path: Path) -> None:
    """However long it is."""
    page = tmp_path / "web/simple/foo/index.html"
    page.parent.mkdir(parents=True)
    page.write_text("x" * (length - len(END)) + END)
    assert own_serial(DISK, mirror(tmp_path), "foo") == 42


@pytest.mark.parametrize("length", [10, 2**14, 2**16], ids=lambda length: f"{length}-bytes")
@pytest.mark.parametrize("place", ["simple/foo/index.v1_json", "json/foo"])
def test_a_document_is_read_as_a_whole(place: str, length: int, tmp_path: Path) -> None:
    """Where there is no page in HTML."""
    document = tmp_path / "web" / place
    document.parent.mkdir(parents=True)
    document.write_text(json.dumps({"files": "x" * length, "last_serial": 42}))
    assert own_serial(DISK, mirror(tmp_path), "foo") == 42


def test_where_the_pages_lie_is_the_mirrors_choice(tmp_path: Path) -> None:
    """As `hash-index` says."""
    page = tmp_path / "web/simple/f/foo/index.html"
    page.parent.mkdir(parents=True)
    page.write_text(END)
    assert own_serial(DISK, mirror(tmp_path, hash_index=True), "foo") == 42
    assert own_serial(DISK, mirror(tmp_path), "foo") == 0


def test_what_is_no_file_has_no_serial(tmp_path: Path) -> None:
    """Nothing, a directory, and a pipe, which nobody waits for."""
    assert own_serial(DISK, mirror(tmp_path), "foo") == 0
    (tmp_path / "web/simple/foo/index.html").mkdir(parents=True)
    os.mkfifo(tmp_path / "web/simple/foo/index.v1_json")
    assert own_serial(DISK, mirror(tmp_path), "foo") == 0
    assert serial_of_document(DISK, str(tmp_path)) == 0


def mirror(directory: Path, *, hash_index: bool = False) -> SimpleNamespace:
    """Return what is looked at of Bandersnatch's mirror."""
    return SimpleNamespace(homedir=directory, hash_index=hash_index)

"""What the mirror's own files have to serve."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from bandersnatch_freshness.host.served import own_serials
from bandersnatch_freshness.reporting.published import OwnSerials
from bandersnatch_freshness.state.remembered import State

from ..outside import site
from ..reporting.examples import HOUR

DISK = SimpleNamespace(PATH_BACKEND=Path)


def own(directory: Path, *names: str, storage: object = DISK) -> OwnSerials:
    """Return the serials that a mirror has of these packages."""
    return own_serials(storage, str(directory), State("", newest=dict.fromkeys(names, 50)))


def test_serials_are_those_of_the_files(tmp_path: Path) -> None:
    """Whatever a run saw; what is not there is left out."""
    site.write(tmp_path / "web", site.NOW, HOUR)
    assert own(tmp_path, "foo", "bar", "none") == OwnSerials(42, {"foo": 42, "bar": 43})


def test_of_two_forms_the_older_counts(tmp_path: Path) -> None:
    """It is what the mirror serves to some; one that nobody can read does not count."""
    site.write(tmp_path / "web", site.NOW, HOUR)
    page = tmp_path / "web/simple/foo/index.v1_json"
    page.write_text(page.read_text().replace('"42"', '"41"'))
    assert own(tmp_path, "foo").of_pages == {"foo": 41}
    page.write_text("{")
    assert own(tmp_path, "foo").of_pages == {"foo": 42}


def test_with_hash_index(tmp_path: Path) -> None:
    """A directory for each first letter."""
    site.write(tmp_path / "web", site.NOW, HOUR)
    simple = tmp_path / "web/simple"
    (simple / "f").mkdir()
    (simple / "foo").rename(simple / "f/foo")
    assert own(tmp_path, "foo").of_pages == {"foo": 42}


@pytest.mark.parametrize(
    ("text", "serial"),
    [
        ('{"meta": {"_last-serial": 42, "api-version": "1.1"}, "projects": [', 42),
        ('{\n    "meta": {\n        "_last-serial": 42,\n        "api', 42),
        ("<html>", None),
        (None, None),
    ],
)
def test_the_serial_of_the_index(text: str | None, serial: int | None, tmp_path: Path) -> None:
    """Pretty or not; where there is no index in JSON, it is not known."""
    index = tmp_path / "web/simple/index.v1_json"
    index.parent.mkdir(parents=True)
    if text is None:
        index.mkdir()
    else:
        index.write_text(text)
    assert own(tmp_path).of_index == serial


def test_an_object_store_is_not_asked(tmp_path: Path) -> None:
    """That would be requests in every run."""
    site.write(tmp_path / "web", site.NOW, HOUR)
    assert (
        own(tmp_path, "foo", storage=SimpleNamespace(PATH_BACKEND=type("S3Path", (type(Path()),), {}))) == OwnSerials()
    )

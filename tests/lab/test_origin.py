"""The origin answers as Warehouse does."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bandersnatch_freshness.core.observations import SERIAL_HEADER
from bandersnatch_freshness.lab.documents import SIMPLE_JSON
from bandersnatch_freshness.lab.origin import FOR_CACHES, Answer, Lifetimes, Origin, project_of

BASE = "http://lab"


@pytest.fixture
def origin() -> Origin:
    """Return one with a project of two releases, of a name that is not normalized, and one more."""
    made = Origin(lifetimes=Lifetimes(page=100, index=20, while_revalidate=3, if_error=4))
    for name in ("Lab.Zero", "Lab.Zero", "lab-01"):
        made.publish(name)
    return made


def page(origin: Origin, path: str, method: str = "GET") -> Answer:
    """Return its answer."""
    return origin.page(path, SIMPLE_JSON, BASE, method=method)


def document(origin: Origin, path: str) -> Any:
    """Return the JSON of its answer."""
    return json.loads(page(origin, path).body)


def test_names_are_listed_as_they_are_spelled_and_pages_as_they_are_normalized(origin: Origin) -> None:
    """As on PyPI."""
    assert [one["name"] for one in document(origin, "/simple/")["projects"]] == ["Lab.Zero", "lab-01"]
    assert document(origin, "/simple/lab-zero/")["name"] == "lab-zero"
    assert document(origin, "/pypi/lab-zero/json")["info"]["name"] == "Lab.Zero"
    assert page(origin, "/simple/Lab.Zero/").headers["Location"] == "/simple/lab-zero/"
    assert page(origin, "/pypi/Lab.Zero/1.0/json").headers["Location"] == "/pypi/lab-zero/1.0/json"


def test_a_page_of_one_release_lists_no_others(origin: Origin) -> None:
    """It has the project's serial, as header and in its body."""
    found, last = page(origin, "/pypi/lab-zero/1.0/json"), page(origin, "/pypi/lab-zero/json").headers[SERIAL_HEADER]
    one = json.loads(found.body)
    assert (one["info"]["version"], one["last_serial"], found.headers[SERIAL_HEADER]) == ("1.0", int(last), last)
    assert "releases" not in one
    assert len(one["urls"]) == 1
    assert page(origin, "/pypi/lab-zero/3.0/json").status == 404


def test_a_trailing_slash_is_no_other_page(origin: Origin) -> None:
    """In the JSON API, where an edge lets it through."""
    assert page(origin, "/pypi/lab-zero/json/").body == page(origin, "/pypi/lab-zero/json").body


@pytest.mark.parametrize(
    ("path", "lifetime", "for_others", "key"),
    [
        ("/simple/", 20, 600, None),
        ("/simple/lab-01/", 100, 600, "project/lab-01"),
        ("/pypi/lab-01/json", 100, 900, "project/lab-01"),
        ("/pypi/LAB-01/json", 100, 900, "project/lab-01"),
    ],
)
def test_it_says_how_long_to_keep_it(path: str, lifetime: int, for_others: int, key: str, origin: Origin) -> None:
    """CDNs one time, with a key to purge it by, all others a shorter one."""
    headers = page(origin, path).headers
    said = f"max-age={lifetime}, stale-while-revalidate=3, stale-if-error=4"
    assert headers["Surrogate-Control"] == said
    assert headers["Cache-Control"] == f"max-age={for_others}, public"
    assert headers.get("Surrogate-Key") == key


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/simple/none/", "text/plain"), ("/pypi/none/json", "application/json"), ("/none", "text/html")],
)
def test_of_a_404_it_says_nothing(path: str, kind: str, origin: Origin) -> None:
    """Caches decide."""
    found = page(origin, path)
    assert (found.status, found.headers["Content-Type"]) == (404, kind)
    assert {"Cache-Control", *FOR_CACHES}.isdisjoint(found.headers)


def test_options_are_answered_with_the_page(origin: Origin) -> None:
    """But for its ETag; what is no safe method is refused."""
    found, got = page(origin, "/pypi/lab-01/json", "OPTIONS"), page(origin, "/pypi/lab-01/json")
    assert found.body == got.body
    assert got.headers.keys() - found.headers.keys() == {"ETag"}
    assert page(origin, "/pypi/lab-01/json", "DELETE").status == 405


def test_files_of_a_project_in_quarantine_are_not_listed(origin: Origin) -> None:
    """Its page in the simple API says why."""
    origin.projects["lab-01"].quarantined = True
    found = document(origin, "/simple/lab-01/")
    assert (found["files"], found["versions"], found["project-status"]) == ([], [], {"status": "quarantined"})


@pytest.mark.parametrize(
    ("path", "project"),
    [
        ("/pypi/Lab_01/json", "lab-01"),
        ("/pypi/lab-01/1.0/json", "lab-01"),
        ("/simple/lab%2D01/", "lab-01"),
        ("/simple/", ""),
        ("/packages/lab-01", ""),
    ],
)
def test_pages_are_known_by_their_project(path: str, project: str) -> None:
    """However they are spelled."""
    assert project_of(path) == project

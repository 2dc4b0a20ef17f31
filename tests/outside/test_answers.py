"""What is asked from outside, and what an answer shows."""

from __future__ import annotations

import gzip
import zlib
from typing import Any

import pytest
from requests.structures import CaseInsensitiveDict

from bandersnatch_freshness.outside import answers
from bandersnatch_freshness.outside.answers import Copy, Form, Kind, Question, Raw, places, read

from . import site

HTML = b"<html><body></body></html>\n<!--SERIAL 42-->"
JSON = b'{"files": [], "meta": {"api-version": "1.1", "_last-serial": "41"}, "name": "foo", "versions": []}'
INDEX = b'{"meta": {"_last-serial": 40, "api-version": "1.1"}, "projects": [{"name": "foo"}, {"name": "b'


def answer(kind: Kind, body: bytes, status: int = 200, *, whole: bool = True, **headers: Any) -> answers.Answer:
    """Return what an answer shows."""
    named: Any = CaseInsensitiveDict({name.replace("_", "-"): value for name, value in headers.items()})
    return read(Question(kind, "http://m/"), Raw(status, named, body, whole))


@pytest.mark.parametrize(
    ("url", "facts", "roots"),
    [
        pytest.param("https://m", "https://m/status.json", ["https://m/"], id="host"),
        pytest.param("https://m/", "https://m/status.json", ["https://m/"], id="slash"),
        pytest.param("https://m/pypi", "https://m/pypi/status.json", ["https://m/pypi/"], id="path"),
        pytest.param("http://m/pypi/simple/", "http://m/pypi/status.json", ["http://m/pypi/"], id="index"),
        pytest.param("https://m:8/simple", "https://m:8/status.json", ["https://m:8/"], id="index-without-slash"),
        pytest.param("https://m/simple/index.html", "https://m/status.json", ["https://m/"], id="index-by-name"),
        pytest.param("https://m/a.html", "https://m/a.json", ["https://m/"], id="page"),
        pytest.param("https://m/a.json", "https://m/a.json", ["https://m/"], id="facts"),
        pytest.param(
            "https://m/p/s/index.html",
            "https://m/p/s/index.json",
            ["https://m/p/s/", "https://m/p/", "https://m/"],
            id="page-below",
        ),
    ],
)
def test_a_url_names_a_mirror_its_index_or_its_page(url: str, facts: str, roots: list[str]) -> None:
    """The mirror's root is where the page is, or above."""
    found = places(url)
    assert (found.facts, list(found.roots)) == (facts, roots)


@pytest.mark.parametrize("url", ["", "m.example", "ftp://m/", "https://", "https://m/?q", "https:// m/", "file:///x"])
def test_what_is_no_url_is_refused(url: str) -> None:
    """And no password is said."""
    with pytest.raises(ValueError, match="not the URL of a mirror"):
        places(url)


def test_a_password_is_told_nobody() -> None:
    """Neither of a URL that is right nor of one that is wrong."""
    assert places("https://mu:mpw@m/simple").shown == "https://m"
    with pytest.raises(ValueError, match="not shown"):
        places("htps://mu:mpw@m/")


def test_pages_are_asked_for_as_pip_does() -> None:
    """As the one of today, and as the one of before PEP 691; and what the mirror says of itself past all caches."""
    today = Question(Kind.PAGE, "u").headers()
    assert today["Accept"].startswith("application/vnd.pypi.simple.v1+json, ")
    assert (today["Accept-Encoding"], today["Cache-Control"]) == ("gzip, deflate", "max-age=0")
    before = Question(Kind.PAGE, "u", copy=Copy(Form.HTML, is_packed=False)).headers()
    assert (before["Accept"], before["Accept-Encoding"]) == ("text/html", "identity")
    assert Question(Kind.FACTS, "u").headers()["Cache-Control"] == "no-cache"
    assert Question(Kind.NAMES, "u", begin=5).headers()["Range"] == f"bytes=5-{4 + answers.BEGINNING}"


@pytest.mark.parametrize(
    ("body", "headers", "serial"),
    [
        pytest.param(HTML, {}, 42, id="html"),
        pytest.param(JSON, {}, 41, id="json"),
        pytest.param(gzip.compress(JSON), {"Content_Encoding": "gzip"}, 41, id="gzip"),
        pytest.param(zlib.compress(HTML), {"Content_Encoding": "deflate"}, 42, id="deflate"),
        pytest.param(HTML, {"X_PyPI_Last_Serial": "50"}, 50, id="header"),
        pytest.param(b"<html>nothing", {}, None, id="none"),
        pytest.param(b"{", {}, None, id="no-json"),
    ],
)
def test_the_serial_of_a_page(body: bytes, headers: dict[str, Any], serial: int | None) -> None:
    """By its header, else by its body, however that is packed."""
    found = answer(Kind.PAGE, body, **headers)
    assert (found.serial, found.problem) == (serial, "")


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        pytest.param(answer(Kind.PAGE, b"", 404), "status 404", id="404"),
        pytest.param(answer(Kind.PAGE, b"", 304), "status 304", id="304"),
        pytest.param(answer(Kind.PAGE, HTML, whole=False), "a body that breaks off", id="cut"),
        pytest.param(
            answer(Kind.PAGE, gzip.compress(HTML)[:-9], Content_Encoding="gzip"),
            "a body that breaks off",
            id="cut-gzip",
        ),
        pytest.param(
            answer(Kind.PAGE, HTML, Content_Encoding="gzip"),
            "a body that is not what its Content-Encoding says",
            id="not-packed",
        ),
    ],
)
def test_what_is_no_page(found: answers.Answer, problem: str) -> None:
    """It is said what it is, and it has no serial."""
    assert (found.problem, found.serial) == (problem, None)


def test_a_bomb_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    """No further than a page may be long."""
    monkeypatch.setattr(answers, "LARGEST_UNPACKED", 1000)
    assert answer(Kind.PAGE, gzip.compress(b" " * 10_000 + HTML), Content_Encoding="gzip").serial is None


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'<html><head><title>Index of /simple/foo/</title></head>\n<a href="../">', id="nginx"),
        pytest.param(b"<title>Directory listing for /simple/foo/</title>", id="python"),
        pytest.param(b'<a href="./index.v1_json">index.v1_json</a>', id="caddy"),
    ],
)
def test_a_directory_listing_is_no_page(body: bytes) -> None:
    """Whichever server wrote it; and the index may be one."""
    assert answer(Kind.PAGE, body).is_listing
    assert not answer(Kind.PAGE, HTML).is_listing


def test_the_beginning_of_an_index_is_enough() -> None:
    """It has the serial, and names; of a listing, names alone."""
    found = answer(Kind.INDEX, INDEX, whole=False, Content_Length="1000000")
    assert (found.serial, found.names, found.size) == (40, ("foo",), 1_000_000)
    packed = gzip.compress(INDEX * 1000)
    assert answer(Kind.INDEX, packed[: len(packed) // 2], whole=False, Content_Encoding="gzip").serial == 40
    listed = answer(Kind.INDEX, b'<a href="../">../</a><a href="a-b/">a-b/</a><a href="/simple/c/">c</a>')
    assert (listed.serial, listed.names) == (None, ("a-b", "c"))


def test_what_the_mirror_says_of_itself() -> None:
    """Its facts, and when it was synced last; anything else in their place is none."""
    facts = answer(Kind.FACTS, site.facts(site.NOW, 1_700_000_000).encode()).published
    assert facts
    assert (facts.serial, facts.newest) == (43, {"foo": 42, "bar": 43})
    assert answer(Kind.FACTS, HTML).published is None
    assert answer(Kind.MODIFIED, b"20181016T12:00:00\n").modified == 1_539_691_200
    assert answer(Kind.MODIFIED, HTML).modified is None


def test_who_answered_and_for_how_long_a_cache_has_had_it() -> None:
    """By the headers that caches add."""
    found = answer(Kind.PAGE, HTML, Via="1.1 varnish", Age="120")
    assert (found.node, found.age) == ("1.1 varnish", 120)
    assert answer(Kind.PAGE, HTML, Age="soon").age is None
    assert answer(Kind.PAGE, b"", 429).is_refusal

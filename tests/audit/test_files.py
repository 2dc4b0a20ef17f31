"""What a page lists, and where that is to be."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bandersnatch_freshness.audit.files import (
    Digest,
    Page,
    PageError,
    ReleaseFile,
    of_html_page,
    of_json_page,
    with_document,
)

SHA = "ab" * 32


def json_page(*files: dict[str, Any]) -> bytes:
    """Return a page in JSON that lists these files."""
    return json.dumps({"files": files, "meta": {"api-version": "1.1"}, "name": "foo", "versions": []}).encode()


def html_page(*links: str) -> bytes:
    """Return a page in HTML with these links."""
    return ("<!DOCTYPE html>\n<html>\n" + "<br/>\n".join(links) + "\n</html>\n<!--SERIAL 40-->").encode()


def paths(*urls: str, root_uri: str = "") -> Page:
    """Return what a page that lists these URLs has; both kinds of page agree on that."""
    found = of_json_page(json_page(*({"url": url} for url in urls)), root_uri)
    assert found == of_html_page(html_page(*(f'<a href="{url}">foo</a>' for url in urls)), root_uri)
    return found


def test_a_page_in_json_has_sizes_and_checksums() -> None:
    """And those of core metadata (PEP 658), which has no size."""
    page = json_page(
        {
            "url": "../../packages/ab/foo.whl",
            "size": 7,
            "hashes": {"sha256": SHA.upper()},
            "core-metadata": {"sha256": "cd"},
        },
        {"url": "../../packages/ab/foo.zip", "core-metadata": False},
    )
    assert of_json_page(page) == Page(
        (
            ReleaseFile("packages/ab/foo.whl", 7, Digest("sha256", SHA)),
            ReleaseFile("packages/ab/foo.whl.metadata", None, Digest("sha256", "cd")),
            ReleaseFile("packages/ab/foo.zip"),
        )
    )


def test_a_page_in_html_has_checksums() -> None:
    """Whatever else a link has; what is escaped in it is no link's end."""
    link = (
        f'<a href="../../packages/ab/foo.whl#sha256={SHA}" data-requires-python="&gt;=3.8"'
        ' data-core-metadata="sha256=cd" data-dist-info-metadata="sha256=cd" data-yanked="&lt;a b&gt;">foo.whl</a>'
    )
    page = of_html_page(html_page(link, '<a href="../../packages/ab/foo.zip#md5=0f">foo.zip</a>'))
    assert page.files == (
        ReleaseFile("packages/ab/foo.whl", None, Digest("sha256", SHA)),
        ReleaseFile("packages/ab/foo.whl.metadata", None, Digest("sha256", "cd")),
        ReleaseFile("packages/ab/foo.zip", None, Digest("md5", "0f")),
    )
    assert not page.has_sizes


@pytest.mark.parametrize(
    ("url", "root_uri", "path"),
    [
        ("../../packages/a/foo.whl", "", "packages/a/foo.whl"),
        ("../../packages/a/foo%2B1%20%C3%A4.whl", "", "packages/a/foo+1 ä.whl"),
        ("../../packages/a/foo%252B.whl", "", "packages/a/foo%2B.whl"),
        ("https://f.example/packages/a/foo.whl", "https://f.example", "packages/a/foo.whl"),
        ("https://f.example/x//packages/a/foo.whl", "https://f.example/x/", "packages/a/foo.whl"),
        # from before `root_uri` was set
        ("../../packages/a/foo.whl", "https://f.example", "packages/a/foo.whl"),
    ],
)
def test_a_path_is_decoded_once(url: str, root_uri: str, path: str) -> None:
    """As Bandersnatch does when it stores the file."""
    assert paths(url, root_uri=root_uri) == Page((ReleaseFile(path),))


@pytest.mark.parametrize(
    "url",
    [
        "../../packages/../../../etc/passwd",
        "../../packages/%2e%2e/%2E%2E/status",
        "../../packages/a/..%2f..%2fstatus",
        "../../packages//etc/passwd",
        "../../packages/a/",
        "../../packages/./a",
        "../../packages/a%00b",
        "../../packagesx/a",
        "../../simple/foo/index.html",
        "packages/a/foo.whl",
        "",
    ],
)
def test_a_path_that_leaves_the_release_files_is_refused(url: str) -> None:
    """Whatever it is encoded by."""
    assert paths("../../packages/a/right", url) == Page((ReleaseFile("packages/a/right"),), (url,))


def test_files_elsewhere_are_counted() -> None:
    """By another `root_uri` than is set, whatever kind of URL it is."""
    others = "https://g.example/packages/a", "//g.example/packages/a", "/pypi/packages/a", "https://f.example/../status"
    assert paths("https://f.example/packages/a", *others, root_uri="https://f.example") == Page(
        (ReleaseFile("packages/a"),), elsewhere=4
    )


def test_a_checksum_that_nobody_can_compute_is_none() -> None:
    """Of several, the one that all mirrors have; a file is not wrong for want of an algorithm."""
    names = {"shake_128": "00", "blake2b_256": "01", "sha512": "02"}
    (file,) = of_json_page(json_page({"url": "../../packages/a", "hashes": names})).files
    assert file.digest == Digest("sha512", "02")
    (file,) = of_html_page(html_page('<a href="../../packages/a#shake_128=00">a</a>')).files
    assert file.digest is None


@pytest.mark.parametrize("body", [b"", b"[]", b'{"files": [{}]}', b'{"files": [', b"\xff" * 9, b"[" * 100_000])
def test_what_is_no_page_in_json_is_said(body: bytes) -> None:
    """Cut off, damaged, or something else."""
    with pytest.raises(PageError):
        of_json_page(body)


@pytest.mark.parametrize("link", ['<a href="../../pack', '<a \x00ref="../../packages/a">', "<a >"])
def test_a_link_that_is_damaged_is_said(link: str) -> None:
    """It is not passed over."""
    with pytest.raises(PageError):
        of_html_page(html_page('<a href="../../packages/a">a</a>', link))


def test_a_document_adds_what_the_page_lacks() -> None:
    """By the same path; what the page itself has, counts."""
    page = Page((ReleaseFile("packages/a/b c", None), ReleaseFile("packages/d", 5), ReleaseFile("packages/e")))
    release = {"size": 7, "digests": {"md5": "0f", "sha256": SHA}}
    releases = {
        "1.0": [{"url": f"https://f.example/packages/{name}", **release} for name in ("a/b%20c", "d", "other", "..")],
        "2.0": [],
    }
    document = json.dumps({"info": {}, "last_serial": 40, "releases": releases}).encode()
    assert with_document(page, document).files == (
        ReleaseFile("packages/a/b c", 7, Digest("sha256", SHA)),
        ReleaseFile("packages/d", 5, Digest("sha256", SHA)),
        ReleaseFile("packages/e"),
    )
    assert with_document(page, document[:-5]) == page

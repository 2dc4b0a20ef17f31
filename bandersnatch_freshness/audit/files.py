"""The release files that a mirror's own page lists: where each is to be, of which size, with which checksum. No I/O."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from urllib.parse import unquote, urlsplit

import msgspec
from msgspec import Struct
from msgspec.structs import replace

# Source: bandersnatch/simple.py (package.py before 6.0), `_file_url_to_local_url`: what a link begins with unless
# `root_uri` is set, whatever the depth of the page.
BESIDE = "../.."
_FILES = "/packages/"

# Source: bandersnatch/simple.py, `generate_html_simple_page`: the URL is written as it is, attributes are escaped.
_ANCHOR = b"<a "
_LINK = re.compile(r'<a href="([^"#]*)(?:#([a-z0-9_]+)=([0-9a-f]+))?"([^>]*)>')
_METADATA = re.compile(r' data-core-metadata="([a-z0-9_]+)=([0-9a-f]+)"')
METADATA_ENDING = ".metadata"

# What a file can be compared by. What has no length of its own can't, nor what hashlib has not everywhere.
_ALGORITHMS = hashlib.algorithms_guaranteed - {"shake_128", "shake_256"}


class PageError(ValueError):
    """A page can't be read as Bandersnatch writes one."""


class Digest(Struct, frozen=True):
    """A checksum, by the name of its algorithm as hashlib has it, in hexadecimal digits."""

    name: str
    value: str


class ReleaseFile(Struct, frozen=True):
    """A file that a page lists, by its path below the mirror's `web`; what the page does not tell is None."""

    path: str
    size: int | None = None
    digest: Digest | None = None


class Page(Struct, frozen=True):
    """What a page lists: the files of this mirror, URLs that are none's path in it, and how many lie elsewhere."""

    files: tuple[ReleaseFile, ...] = ()
    refused: tuple[str, ...] = ()
    elsewhere: int = 0

    @property
    def has_sizes(self) -> bool:
        """Whether each release file's size is known; of core metadata (PEP 658) no page has it."""
        return all(one.size is not None for one in self.files if not one.path.endswith(METADATA_ENDING))


class _Listed(Struct, frozen=True):
    url: str
    size: int | None
    digest: Digest | None
    metadata: Digest | None


class _File(msgspec.Struct, gc=False):
    url: str
    hashes: dict[str, str] = {}
    size: int | None = None
    metadata: dict[str, str] | bool | None = msgspec.field(default=None, name="core-metadata")


class _Page(msgspec.Struct, gc=False):
    files: list[_File]


class _Release(msgspec.Struct, gc=False):
    url: str
    size: int | None = None
    digests: dict[str, str] = {}


class _Document(msgspec.Struct, gc=False):
    releases: dict[str, list[_Release]] = {}


_PAGES, _DOCUMENTS = msgspec.json.Decoder(_Page), msgspec.json.Decoder(_Document)


def of_json_page(body: bytes, root_uri: str = "") -> Page:
    """Return what a simple page in JSON lists (PEP 691; `size` since PEP 700); `root_uri` is Bandersnatch's option.

    Raises:
        PageError: if it can't be read.
    """
    try:
        files = _PAGES.decode(body).files
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise PageError("it is no simple page in JSON") from None
    return _page(
        (
            _Listed(
                one.url, one.size, _first(one.hashes), _first(one.metadata) if isinstance(one.metadata, dict) else None
            )
            for one in files
        ),
        root_uri,
    )


def of_html_page(body: bytes, root_uri: str = "") -> Page:
    """Return what a simple page in HTML lists (PEP 503), which has no sizes.

    Raises:
        PageError: if some of its links can't be read.
    """
    links = _LINK.findall(body.decode("utf-8", "replace"))
    if len(links) != body.count(_ANCHOR):
        raise PageError("a link of it is not as Bandersnatch writes one")
    found = (
        _Listed(url, None, _first({name: value}), _first(dict(_METADATA.findall(attributes))))
        for url, name, value, attributes in links
    )
    return _page(found, root_uri)


def with_document(page: Page, body: bytes) -> Page:
    """Return a page with what a project's JSON document adds, sizes above all; the page alone if that can't be read."""
    try:
        releases = _DOCUMENTS.decode(body).releases
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return page
    known = {
        path: one
        for release in releases.values()
        for one in release
        if (path := _path(urlsplit(one.url).path)) is not None
    }
    return replace(page, files=tuple(_with_release(one, known.get(one.path)) for one in page.files))


def _with_release(file: ReleaseFile, release: _Release | None) -> ReleaseFile:
    if release is None:
        return file
    size = release.size if file.size is None else file.size
    return replace(file, size=size, digest=file.digest or _first(release.digests))


def _page(listed: Iterable[_Listed], root_uri: str) -> Page:
    """Return what lies in this mirror, by the path that Bandersnatch gives it, and what doesn't."""
    files: list[ReleaseFile] = []
    refused: list[str] = []
    elsewhere = 0
    prefixes = tuple(prefix for prefix in (root_uri, BESIDE) if prefix)
    for one in listed:
        prefix = next((prefix for prefix in prefixes if one.url.startswith(f"{prefix}/packages")), None)
        if prefix is None and (one.url.startswith("/") or "://" in one.url):
            elsewhere += 1
            continue
        path = _path(one.url[len(prefix) :].partition("#")[0]) if prefix is not None else None
        if path is None:
            refused.append(one.url)
            continue
        files.append(ReleaseFile(path, one.size, one.digest))
        if one.metadata:
            files.append(ReleaseFile(path + METADATA_ENDING, None, one.metadata))
    return Page(tuple(files), tuple(refused), elsewhere)


def _path(quoted: str) -> str | None:
    """Return a path below the mirror's `web`; None for one that is not below its `packages`, or would leave that.

    Source: bandersnatch/mirror.py, `_file_url_to_local_path`, which decodes it and looks at its beginning alone.
    """
    path = unquote(quoted)
    if not path.startswith(_FILES) or "\0" in path:
        return None
    return None if {"", ".", ".."} & set(path[1:].split("/")) else path[1:]


def _first(hashes: Mapping[str, str]) -> Digest | None:
    """Return the checksum to go by, sha256 where there is one; None if there is none that a file can be compared by."""
    name = "sha256" if "sha256" in hashes else next((name for name in hashes if name in _ALGORITHMS), "")
    return Digest(name, hashes[name].lower()) if name else None

"""The scope: which requests are metadata requests, the only ones that the suite handles."""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import SplitResult, unquote, urlsplit

from ..formatting import plain_url, printable

_DEFAULT_PORTS = {"http": 80, "https": 443}
_METADATA = re.compile(r"/simple(/.*)?|/pypi/(?P<project>[^/]+)/json/?")
_ESCAPE = re.compile("%[0-9a-fA-F]{2}")
# Some upstreams keep release files under /simple too.
_RELEASE_FILE = re.compile(r"\.(whl|zip|egg|exe|msi|rpm|deb|dmg|tgz|t(ar\.)?(gz|bz2|xz|zst?|z)|asc|metadata)$", re.I)


class Scope:
    """The metadata requests to one master."""

    def __init__(self, master: str) -> None:
        """`master`: the URL of `[mirror] master`, which may include a path."""
        parts = _split(master)
        self._server = _server(parts.scheme, parts.netloc)
        self._prefix = _path(parts).rstrip("/")
        self._is_plain = "@" not in parts.netloc
        # A fast path for the form of nearly all Bandersnatch requests: a run does this for every package.
        base = re.escape(f"{parts.scheme}://{parts.netloc}{parts.path}".rstrip("/"))
        self._page = re.compile(rf"{base}//?pypi/(?P<project>[A-Za-z0-9._-]{{1,100}})/json")

    def covers(self, method: str, url: str) -> bool:
        """Return whether this is a GET or HEAD request for the index, a project page or its JSON."""
        if "/simple" not in url and "/pypi" not in url:  # nearly all release files
            return False
        if method.upper() not in ("GET", "HEAD"):
            return False
        if self._page.fullmatch(url):
            return True
        parts = _split(url)
        if _server(parts.scheme, parts.netloc) != self._server or _RELEASE_FILE.search(parts.path):
            return False
        # Below the master's own path, or at the root, where `bandersnatch verify` sends its requests.
        path = _path(parts)
        return bool(_METADATA.fullmatch(path) or _METADATA.fullmatch(path.removeprefix(self._prefix)))

    def is_index(self, url: str) -> bool:
        """Return whether a URL is that of the simple index."""
        return _path(_split(url)).removeprefix(self._prefix) in ("/simple", "/simple/")

    def title(self, url: str) -> str:
        """Return what the URL is about, for a log line: the project, or else the path."""
        if page := self._page.fullmatch(url):
            return page["project"]
        path = _path(_split(url))
        found = _METADATA.fullmatch(path.removeprefix(self._prefix))
        return printable(unquote(found["project"] if found and found["project"] else path))

    def plain(self, url: str) -> str:
        """Return a URL without the parts that may be secret."""
        return url if self._is_plain and self._page.fullmatch(url) else plain_url(url)


def same_master(one: str, other: str) -> bool:
    """Return whether two URLs of masters, without secrets, are of the same one, however they are spelled."""
    first, second = _split(one), _split(other)
    if not (first.netloc and second.netloc):
        return one == other
    return _place(first) == _place(second)


def _place(parts: SplitResult) -> tuple[object, str]:
    path = _ESCAPE.sub(lambda found: found[0].upper(), _path(parts).rstrip("/"))
    return _server(parts.scheme, parts.netloc), path


@lru_cache(64)  # a page's URL is parsed more than once
def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:  # such as half an IPv6 address; the HTTP client will report it
        return SplitResult("", "", "", "", "")


def _path(parts: SplitResult) -> str:
    """Return the path as servers read it: a master that ends in a slash leads to a double slash."""
    return re.sub("/{2,}", "/", parts.path) if "//" in parts.path else parts.path


@lru_cache(64)  # nearly all URLs are on one server
def _server(scheme: str, netloc: str) -> tuple[str | None, int | str | None]:
    """Return a key that is equal for URLs on one server, also for http and https on their default ports."""
    parts = SplitResult(scheme, netloc, "", "", "")
    default = _DEFAULT_PORTS.get(scheme)
    try:
        port = parts.port or default
    except ValueError:  # the port is not a number; the HTTP client will report it
        return None, netloc
    return _ascii(parts.hostname), "default" if port == default else port


def _ascii(host: str | None) -> str | None:
    """Return a host as HTTP clients send it (RFC 3490), or unchanged if that is impossible."""
    if host is None or host.isascii():  # else a start would load what the others take
        return host
    try:
        return host.encode("idna").decode()
    except UnicodeError:
        return host

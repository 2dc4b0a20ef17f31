"""What all caches have in common: they are asked, filled, and purged of some copies."""

from __future__ import annotations

import abc
import gzip
import http.client
import zlib
from collections.abc import Collection, Iterable, Mapping
from itertools import product
from pathlib import Path
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

from bandersnatch_freshness.core.observations import SERIAL_HEADER, parse_serial, serial_in_body, serial_in_html
from bandersnatch_freshness.lab.behaviours import ALL_COPIES, COPIES
from bandersnatch_freshness.lab.documents import SIMPLE_JSON

# A request that is none for metadata, by which a log shows how far it is; and how many to send at most.
_MARK, _MARKS = "/mark", 100

# Who asks for which copy, by the Accept-Encoding that they send. Some caches keep a copy for each value.
ASKED_BY: Mapping[str, tuple[str | None, ...]] = {
    "gzip": ("gzip, deflate", "gzip"),
    "identity": (None, "identity", ""),
    "deflate": ("deflate",),
    "br": ("br",),
}

# One more client, whose copy means nothing.
BYSTANDER = "x-bystander"

INDEX = "/simple/"


class Upstream(Protocol):
    """What a cache is put in front of: a lab, or a server of files."""

    @property
    def url(self) -> str:
        """Its URL, of plain HTTP."""


class Got(NamedTuple):
    """One answer; `serial` is that of its header, else of its body, None where neither has one."""

    status: int
    headers: http.client.HTTPMessage
    serial: int | None


class Cache(abc.ABC):
    """A running cache.

    `url` is the master to mirror, `proxy` the way there, "" where the master itself is the cache.
    `nodes` are the URLs of its parts, each of which has copies of its own.
    """

    # The copies of a page that it distinguishes, where it keeps them apart.
    copies: tuple[str, ...] = COPIES
    # How many answers it keeps of a page that differ by Accept-Encoding: one for each, or one for all.
    keeps_encodings_apart = True

    def __init__(self, url: str, proxy: str = "") -> None:
        """Start nothing."""
        self.url = url
        self.proxy = proxy
        self.nodes: tuple[str, ...] = (proxy or url,)

    @abc.abstractmethod
    def purge(self, path: str, copies: Collection[str] = ALL_COPIES, node: int | None = None) -> None:
        """Drop these copies of a page from one node, or from all, by the cache's own means."""

    @abc.abstractmethod
    def requests(self) -> int:
        """Return how many requests for metadata it has had."""

    def lines(self, log: Path) -> list[str]:
        """Return a log, once it has all that was asked before: a line may come later than its answer."""
        for _ in range(_MARKS):
            self.ask(_MARK, None)
            lines = log.read_text().splitlines()
            if any(_MARK in line for line in lines):
                return lines
        raise AssertionError(f"{log} has no line for a request that was answered")

    def ask(
        self, path: str, accept_encoding: str | None, node: int = 0, *, accept: str = "", method: str = "GET"
    ) -> Got:
        """Ask one node for a page: a request as plain as can be, without a client's own headers."""
        parts = urlsplit(self.nodes[node])
        connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=10)
        try:
            target = f"{self.url}{path}" if self.proxy else path
            connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            # caches take pages of other hosts for other pages
            connection.putheader("Host", urlsplit(self.url).netloc)
            connection.putheader("Accept", accept or accepted(path)[0])
            if accept_encoding is not None:
                connection.putheader("Accept-Encoding", accept_encoding)
            connection.endheaders()
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        serial = parse_serial(answer.headers.get(SERIAL_HEADER))
        if serial is None and answer.status == 200 and method == "GET":
            body = _decoded(body, answer.headers.get("Content-Encoding", ""))
            serial = serial_in_body(body) if body.startswith(b"{") else serial_in_html(body)
        return Got(answer.status, answer.headers, serial)

    def fill(self, paths: Iterable[str], copies: Collection[str] = ALL_COPIES) -> None:
        """Fill every node with these copies of pages, by asking as clients of all kinds do."""
        for path in paths:
            for node in range(len(self.nodes)):
                for accept, copy in product(accepted(path), set(copies).intersection(self.copies)):
                    for accept_encoding in ASKED_BY[copy]:
                        self.ask(path, accept_encoding, node, accept=accept)


def accepted(path: str) -> tuple[str, ...]:
    """Return the Accept headers with which a page is asked for, each of which may have its own copies."""
    if not path.startswith("/simple/"):
        return ("*/*",)
    return (SIMPLE_JSON,) if path == INDEX else (SIMPLE_JSON, "text/html")


def _decoded(body: bytes, encoding: str) -> bytes:
    if encoding == "gzip":
        return gzip.decompress(body)
    return zlib.decompress(body) if encoding == "deflate" else body

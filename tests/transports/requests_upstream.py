"""A server on loopback for the tests of the requests transport."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from email.message import Message
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests

from bandersnatch_freshness.core.variants import LADDER, AcceptEncoding, Variant
from bandersnatch_freshness.transports.requests_adapter import FreshAdapter

from ..http_server import Server, serving

STRIP = Variant(AcceptEncoding.ABSENT)
BUST = Variant(cache_bust=True)
ALL = LADDER[-1]


@dataclass(frozen=True)
class Received:
    """One request as it arrived."""

    method: str
    target: str
    headers: Message

    @property
    def query(self) -> dict[str, list[str]]:
        """Its query."""
        return parse_qs(urlsplit(self.target).query)


@dataclass(frozen=True)
class Answer:
    """One answer; without a status, the connection breaks."""

    status: int = 200
    serial: str | None = "42"
    body: bytes = b"{}"
    location: str = ""
    missing: int = 0
    retry_after: str = ""
    waits: threading.Event | None = None  # before the body


class Upstream:
    """A server that remembers what it was asked."""

    def __init__(self, answer: Callable[[Received], Answer]) -> None:
        """`answer` makes the answer to a request."""
        self.asked: list[Received] = []
        upstream = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _handle(self) -> None:
                asked = Received(self.command, self.path, self.headers)
                upstream.asked.append(asked)
                made = answer(asked)
                if not made.status:
                    self.close_connection = True
                    return
                self.send_response(made.status)
                if made.serial is not None:
                    self.send_header("X-PyPI-Last-Serial", made.serial)
                if made.location:
                    self.send_header("Location", made.location)
                if made.retry_after:
                    self.send_header("Retry-After", made.retry_after)
                self.send_header("Content-Length", str(len(made.body) + made.missing))
                self.end_headers()
                if made.waits:
                    made.waits.wait(30)
                with suppress(ConnectionError):  # it may have been left waiting
                    self.wfile.write(made.body)
                self.close_connection = bool(made.missing)

            do_GET = do_HEAD = do_POST = _handle  # noqa: N815 - as http.server wants it

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        self.server = Server(("127.0.0.1", 0), Handler)

    @property
    def targets(self) -> list[str]:
        """Path and query of each request."""
        return [asked.target for asked in self.asked]

    def url(self, path: str = "") -> str:
        """Return the URL of a path."""
        return f"http://127.0.0.1:{self.server.server_port}{path}"

    def serving(self) -> AbstractContextManager[None]:
        """Serve, in a thread."""
        return serving(self.server)

    @contextmanager
    def session(self, rungs: Sequence[Variant] = LADDER) -> Iterator[tuple[requests.Session, FreshAdapter]]:
        """Open a session with this server as its master."""
        with self.serving(), requests.Session() as session:
            session.trust_env = False
            adapter = FreshAdapter(self.url(), rungs, "cb")
            session.mount(self.url(), adapter)
            yield session, adapter


def fixed(**answer: Any) -> Upstream:
    """Return a server that always gives this answer."""
    return Upstream(lambda _: Answer(**answer))

"""An HTTP server that keeps what is posted to it, as a notification channel."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

from .http_server import Server, serving, trickle


class Receiver(Server):
    """An HTTP server that keeps what is posted to it."""

    def __init__(self, status: int = 200, refused: str = "") -> None:
        """Answer everything with this status, but what is of the refused type with 500."""
        self.status = status
        self.refused = refused
        self.bodies: list[bytes] = []
        self.release = threading.Event()
        self.left = threading.Event()
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def received(self) -> list[Any]:
        """What was posted, which is JSON."""
        return [json.loads(body) for body in self.bodies]

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.bodies.append(body)
        if self.server.status == 0:
            if trickle(self, self.server.release):
                self.server.left.set()
            return
        refused = self.server.refused and self.server.refused == json.loads(body).get("type")
        self.send_response(500 if refused else self.server.status)
        if 300 <= self.server.status < 400:
            self.send_header("Location", "/elsewhere")
        self.end_headers()

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the base class
        pass


@contextmanager
def receiver(status: int = 200, refused: str = "") -> Iterator[Receiver]:
    """Run a receiver; with status 0, one that takes a request and never comes to the end of its answer."""
    with Receiver(status, refused) as server, serving(server):
        try:
            yield server
        finally:
            server.release.set()

"""A server of edges in a thread of its own: the least of HTTP/1.1 that Bandersnatch's clients speak."""

from __future__ import annotations

import asyncio
import functools
import ssl
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import trustme

from .edge import SERIAL, Edge, Request
from .faults import Answer

_REASONS = {200: "OK", 301: "Moved Permanently", 404: "Not Found", 429: "Too Many Requests"}


class Server:
    """Serves each edge at a port of its own, by HTTP or HTTPS; a context manager."""

    def __init__(self, edges: Sequence[Edge], directory: Path, *, tls: bool) -> None:
        """With `tls`, the certificate of its authority lies in the directory."""
        self.edges = edges
        self.ca_file = directory / "ca.pem"
        # What was asked and answered, in a line each.
        self.lines: list[str] = []
        self._tls = self._context() if tls else None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="model", daemon=True)

    def _context(self) -> ssl.SSLContext:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(self.ca_file)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("localhost").configure_cert(context)
        return context

    def __enter__(self) -> Self:
        """Start, and tell each edge its address."""
        self._thread.start()
        for edge in self.edges:
            connect = functools.partial(_Connection, edge, self.lines)
            coroutine = self._loop.create_server(connect, "127.0.0.1", 0, ssl=self._tls)
            server = asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()
            edge.base = f"http{'s' if self._tls else ''}://localhost:{server.sockets[0].getsockname()[1]}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class _Connection(asyncio.Protocol):
    """A connection of a client's, which sends one request after the other."""

    def __init__(self, edge: Edge, lines: list[str]) -> None:
        self._edge = edge
        self._lines = lines
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while b"\r\n\r\n" in self._received:
            head, _, rest = self._received.partition(b"\r\n\r\n")
            first, *lines = head.decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            length = int(headers.get("content-length", "0"))
            if len(rest) < length:
                return
            self._received = rest[length:]
            method, target, _ = first.split(" ")
            request = Request(method, target, headers, rest[:length])
            self._send(request, self._edge.answer(request))

    def _send(self, request: Request, answer: Answer) -> None:
        serial, accepts = answer.headers.get(SERIAL, ""), request.headers.get("accept-encoding", "-")
        said = f"{answer.status} {serial}{'' if answer.sent is None else ' cut'}"
        self._lines.append(f"{self._edge.name} {request.method} {request.target} [{accepts}] -> {said}")
        headers = {**answer.headers, "Content-Length": str(len(answer.body))}
        lines = [f"HTTP/1.1 {answer.status} {_REASONS.get(answer.status, 'Error')}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        body = b"" if request.method == "HEAD" else answer.body
        if answer.sent is None:
            self._transport.write(head + body)
            return
        if answer.sent >= 0:
            self._transport.write(head + body[: answer.sent])
        self._transport.close()

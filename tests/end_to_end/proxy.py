"""A proxy as a corporate one: it proxy https, and forwards http."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Proxy:
    """A running proxy and what it was asked to connect to."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self.url = ""
        self.targets: list[str] = []

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer a CONNECT and pass on what comes, both ways; or pass on plain requests."""
        head = await reader.readuntil(b"\r\n\r\n")
        method, target, _ = head.decode().split(" ", 2)
        self.targets.append(target)
        host, port = target.removeprefix("http://").split("/")[0].split(":")
        onward_reader, onward_writer = await asyncio.open_connection(host, int(port))
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            passing = _pass_on(reader, onward_writer)
        else:
            passing = _pass_on_requests(head, reader, onward_writer)
        await asyncio.gather(passing, _pass_on(onward_reader, writer))


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
    writer.close()


async def _pass_on_requests(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError, asyncio.IncompleteReadError):
        while True:
            writer.write(re.sub(rb" http://[^/]+", b" ", head, count=1))
            head = await reader.readuntil(b"\r\n\r\n")
    writer.close()


@contextmanager
def running_proxy() -> Iterator[Proxy]:
    """Run a proxy on a free port of loopback."""
    proxy = Proxy()
    started = threading.Event()
    stopping: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def serve() -> None:
        stop = asyncio.Event()
        server = await asyncio.start_server(proxy.handle, "127.0.0.1", 0)
        proxy.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        stopping.append((asyncio.get_running_loop(), stop))
        started.set()
        await stop.wait()
        server.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    started.wait()
    try:
        yield proxy
    finally:
        loop, stop = stopping[0]
        loop.call_soon_threadsafe(stop.set)
        thread.join()

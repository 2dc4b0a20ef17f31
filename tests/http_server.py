"""An HTTP server for tests to answer from."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Server(ThreadingHTTPServer):
    """One that prints no traceback where a client breaks off, as many a test has it do."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print what is any other error."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def serving(server: ThreadingHTTPServer) -> Iterator[None]:
    """Have a server answer, in a thread, and close it in the end."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def trickle(handler: BaseHTTPRequestHandler, release: threading.Event) -> bool:
    """Send a header that has no end before the `release`, so that no time-out between two bytes is ever reached.

    Returns whether the client has left.
    """
    try:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Endless: ")
        while not release.wait(0.05):
            handler.wfile.write(b"x")
    except ConnectionError:
        return True
    return False

"""An HTTP server for tests to answer from."""

from __future__ import annotations

import sys
from http.server import ThreadingHTTPServer
from typing import Any


class Server(ThreadingHTTPServer):
    """One that prints no traceback where a client breaks off, as many a test has it do."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print what is any other error."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

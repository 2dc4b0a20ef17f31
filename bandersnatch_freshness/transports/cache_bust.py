"""The cache-bust parameter: a query that no cache has seen before."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class CacheBust:
    """Appends `parameter=<timestamp>` to URLs, with a new timestamp each time."""

    def __init__(self, parameter: str, clock: Callable[[], int] = time.time_ns) -> None:
        """`clock` returns nanoseconds since the epoch."""
        self.parameter = parameter
        self._clock = clock
        self._last = 0
        self._lock = threading.Lock()

    def timestamp(self) -> int:
        """Return nanoseconds since the epoch, never the same twice."""
        with self._lock:
            self._last = max(self._clock(), self._last + 1)
            return self._last

    def append(self, url: str, previous: str | None = None) -> tuple[str, str]:
        """Return the URL with the parameter appended, and the parameter as appended.

        `previous` is what was appended before a redirect; if the new URL still has it, it is
        replaced. The rest of the query stays exactly as it is.
        """
        added = f"{self.parameter}={self.timestamp()}"
        base, hash_, fragment = (without(url, previous) if previous else url).partition("#")
        path, _, query = base.partition("?")
        return f"{path}?{'&'.join([query] * bool(query) + [added])}{hash_}{fragment}", added


def without(url: str, added: str) -> str:
    """Return the URL without the parameter that `CacheBust.append` added."""
    base, hash_, fragment = url.partition("#")
    path, mark, query = base.partition("?")
    kept = "&".join(part for part in query.split("&") if part and part != added)
    return f"{path}{mark if kept else ''}{kept}{hash_}{fragment}"

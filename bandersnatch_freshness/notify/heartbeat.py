"""Heartbeat: tells a receiver that a run begins, has succeeded or has failed; it alarms when it hears nothing.

Two conventions are known. Uptime Kuma's push monitors (a path with `/api/push/`) are told by a query, and know no
beginning. Any other URL is asked as Healthchecks and its like expect it (https://healthchecks.io/docs/http_api/).

A thread of its own asks, so that whatever hangs holds nothing up.
"""

from __future__ import annotations

import enum
import queue
import threading
import time
import urllib.request
from urllib.error import HTTPError, URLError
from urllib.parse import parse_qsl, urlencode, urlsplit

from .. import __version__
from ..formatting import encodable
from .opener import opener, without_login

# The longest that a receiver may delay the end of a run.
SECONDS: float = 2

# The longest that a receiver may take for a step, such as to accept a connection.
STEP_SECONDS = 5

_PUSH = "/api/push/"


class Signal(enum.Enum):
    """What a receiver is told of a run."""

    START = "start"
    SUCCESS = "success"
    FAILURE = "failure"


_PATHS = {Signal.START: "/start", Signal.SUCCESS: "", Signal.FAILURE: "/fail"}


def convention(url: str) -> str:
    """Return by whose convention a receiver is asked."""
    return "Uptime Kuma" if _PUSH in urlsplit(url).path else "Healthchecks"


def request_of(url: str, signal: Signal, text: str) -> urllib.request.Request | None:
    """Return what to ask, None where the receiver's convention has no such signal; `text` says why it failed."""
    parts, login = without_login(urlsplit(url)._replace(fragment=""))
    body = None
    if _PUSH in parts.path:
        if signal is Signal.START:
            return None
        told = {"status": "down" if signal is Signal.FAILURE else "up", "msg": text or "OK", "ping": ""}
        # What Uptime Kuma shows to be copied has these in it.
        kept = [(key, value) for key, value in parse_qsl(parts.query, keep_blank_values=True) if key not in told]
        parts = parts._replace(query=urlencode([*kept, *told.items()]))
    else:
        parts = parts._replace(path=parts.path.rstrip("/") + _PATHS[signal])
        body = text.encode() or None
    headers = {"User-Agent": f"bandersnatch-freshness/{__version__}", **login}
    if body:
        headers["Content-Type"] = "text/plain; charset=utf-8"
    return urllib.request.Request(parts.geturl(), body, headers)  # noqa: S310 - the settings allow http and https


class Heartbeat:
    """The receiver of one mirror."""

    def __init__(self, url: str) -> None:
        """`url` is a checked one."""
        self._url = url
        self._signals: queue.SimpleQueue[tuple[Signal | None, str]] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[tuple[Signal, str]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._last: Signal | None = None

    def tell(self, signal: Signal, text: str = "") -> None:
        """Give a signal, after those before it, without waiting."""
        self._last = signal
        self._signals.put((signal, encodable(text)))
        # Once for all, as none can be started by what Python calls at its exit.
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="heartbeat", daemon=True)
            self._thread.start()

    def rest(self) -> None:
        """Give no signal of how the run ended."""
        self._signals.put((None, ""))

    def answer(self) -> str:
        """Wait for the answer to the last signal, and return the problem, empty if there was none."""
        deadline = time.monotonic() + SECONDS
        while True:
            try:
                signal, problem = self._answers.get(timeout=max(0, deadline - time.monotonic()))
            except queue.Empty:
                return f"no answer in {SECONDS:g} seconds"
            if signal is self._last:
                return problem

    def _serve(self) -> None:
        opens: urllib.request.OpenerDirector | None = None
        signal: Signal | None = Signal.START
        while signal is Signal.START:  # all others are a run's last one
            signal, text = self._signals.get()
            if signal is None:
                return
            try:
                opens = opens or opener()
                problem = _ask(opens, request_of(self._url, signal, text))
            except HTTPError as error:
                with error:
                    problem = f"status {error.code}"
            except Exception as error:  # noqa: BLE001 - of a library; its text may have the URL in it
                problem = type(error.reason if isinstance(error, URLError) else error).__name__
            self._answers.put((signal, problem))


def _ask(opens: urllib.request.OpenerDirector, request: urllib.request.Request | None) -> str:
    if request is None:
        return ""
    with opens.open(request, timeout=STEP_SECONDS) as answer:
        # Healthchecks answers so, with status 200, where there is no such check.
        return "no such check" if answer.read(64).startswith(b"OK (not found)") else ""

"""The heartbeat, against a receiver on loopback that speaks both conventions, and those that hang."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlsplit

import pytest

from bandersnatch_freshness.notify import heartbeat
from bandersnatch_freshness.notify.heartbeat import Heartbeat, Signal, convention

from ..http_server import Server, serving, trickle

HEALTHCHECKS = "/ping/0d338dcc"
KUMA = "/api/push/t0ken?status=up&msg=OK&ping="


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave a busy machine its time where the limit is not what a test is of."""
    monkeypatch.setattr(heartbeat, "SECONDS", 60)


class Receiver(Server):
    """Takes pings as Healthchecks and Uptime Kuma do, and keeps them: method, path with query, body."""

    def __init__(self) -> None:
        """Know one check; hang up on nobody until told to `hang`."""
        self.asked: list[tuple[str, str, str]] = []
        self.authorization = ""
        self.hangs = False
        self.release = threading.Event()
        self.redirects = False
        super().__init__(("127.0.0.1", 0), _Handler)

    def url(self, path: str) -> str:
        """Return the URL of a path."""
        return f"http://127.0.0.1:{self.server_address[1]}{path}"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"] or 0)).decode()
        self.server.asked.append((self.command, self.path, body))
        self.server.authorization = self.headers["Authorization"]
        if self.server.hangs:
            trickle(self, self.server.release)
            return
        path = urlsplit(self.path).path
        status, text = 200, "OK"
        if self.server.redirects:
            status, text = 302, ""
        elif path.startswith("/ping/"):
            text = "OK" if path.startswith(HEALTHCHECKS) else "OK (not found)"
        elif path.startswith("/api/push/") and (self.command != "GET" or path != "/api/push/t0ken"):
            status, text = 404, '{"ok":false}'
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/login")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    do_GET = do_POST = _answer  # noqa: N815 - the names of the base class

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the base class
        pass


@contextmanager
def receiver() -> Iterator[Receiver]:
    """Run a receiver."""
    with Receiver() as server, serving(server):
        try:
            yield server
        finally:
            server.release.set()


def told(url: str, *signals: tuple[Signal, str]) -> str:
    """Tell a receiver, and return the problem of the last signal."""
    heart = Heartbeat(url)
    for signal in signals:
        heart.tell(*signal)
    return heart.answer()


def test_healthchecks_is_told_by_its_paths() -> None:
    """In their order; of a failure with the reason, which it shows to people."""
    with receiver() as server:
        url = server.url(f"{HEALTHCHECKS}?create=1")
        assert told(url, (Signal.START, ""), (Signal.SUCCESS, "")) == ""
        assert told(url, (Signal.START, ""), (Signal.FAILURE, "critical: foo")) == ""
    assert server.asked == [
        ("GET", f"{HEALTHCHECKS}/start?create=1", ""),
        ("GET", f"{HEALTHCHECKS}?create=1", ""),
        ("GET", f"{HEALTHCHECKS}/start?create=1", ""),
        ("POST", f"{HEALTHCHECKS}/fail?create=1", "critical: foo"),
    ]


@pytest.mark.parametrize("query", ["", "?status=up&msg=OK&ping="])
def test_uptime_kuma_is_told_by_its_query(query: str) -> None:
    """As its page shows the URL, or without; it knows no beginning."""
    with receiver() as server:
        url = server.url(f"/api/push/t0ken{query}")
        assert told(url, (Signal.START, ""), (Signal.SUCCESS, "")) == ""
        assert told(url, (Signal.START, ""), (Signal.FAILURE, "critical: foo & 2 more")) == ""
        assert told(url, (Signal.START, "")) == ""
    asked = [parse_qs(urlsplit(path).query, keep_blank_values=True) for method, path, _ in server.asked]
    assert asked == [
        {"status": ["up"], "msg": ["OK"], "ping": [""]},
        {"status": ["down"], "msg": ["critical: foo & 2 more"], "ping": [""]},
    ]


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        pytest.param("/ping/another", "no such check", id="healthchecks-knows-none"),
        pytest.param("/api/push/another", "status 404", id="kuma-knows-none"),
    ],
)
def test_what_the_receiver_does_not_know_is_a_problem(path: str, problem: str) -> None:
    """Healthchecks says so with status 200."""
    with receiver() as server:
        assert told(server.url(path), (Signal.SUCCESS, "")) == problem


def test_a_redirect_is_a_problem() -> None:
    """It leads to a page to log in on, which is there whatever became of the signal."""
    with receiver() as server:
        server.redirects = True
        assert told(server.url(HEALTHCHECKS), (Signal.SUCCESS, "")) == "status 302"
        assert len(server.asked) == 1


def test_who_is_not_there_is_a_problem_that_has_no_secret() -> None:
    """Its kind alone."""
    assert told("http://user:s3cret@127.0.0.1:1/t0ken", (Signal.SUCCESS, "")) == "ConnectionRefusedError"


def test_a_receiver_may_want_a_password() -> None:
    """As behind a reverse proxy."""
    with receiver() as server:
        url = server.url(HEALTHCHECKS).replace("://", "://user:p%40ss@")
        assert told(url, (Signal.SUCCESS, "")) == ""
        assert base64.b64decode(server.authorization.removeprefix("Basic ")) == b"user:p@ss"


def test_a_receiver_that_hangs_is_waited_for_two_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """At most, of a whole run, though it goes on answering."""
    monkeypatch.setattr(heartbeat, "SECONDS", 0.2)
    with receiver() as server:
        server.hangs = True
        heart = Heartbeat(server.url(HEALTHCHECKS))
        heart.tell(Signal.START)
        heart.tell(Signal.SUCCESS)
        began = time.monotonic()
        assert heart.answer() == "no answer in 0.2 seconds"
        assert time.monotonic() - began < heartbeat.STEP_SECONDS


def test_each_convention_is_named() -> None:
    """For people."""
    assert convention(f"https://a{KUMA}") == "Uptime Kuma"
    assert convention(f"https://a{HEALTHCHECKS}") == "Healthchecks"

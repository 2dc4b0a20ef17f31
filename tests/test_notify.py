"""The channels, against real receivers on loopback."""

from __future__ import annotations

import http.server
import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest
import requests
from aiosmtpd.controller import Controller

from bandersnatch_freshness import notify
from bandersnatch_freshness.incidents import Incident, Level
from bandersnatch_freshness.notices import Message
from bandersnatch_freshness.notify import Channel, deliver, send_by_apprise, send_to_alertmanager
from bandersnatch_freshness.state import Told
from bandersnatch_freshness.verdicts import Verdict

MESSAGES = [
    Message(Level.WARNING, ("foo",), "[WARNING] PyPI mirror m: foo stale", "foo <b>is</b> stale\nsecond line"),
    Message(None, ("bar",), "[RESOLVED] PyPI mirror m: bar no longer stale", "bar is no longer stale"),
]


class Receiver(http.server.ThreadingHTTPServer):
    """An HTTP server that keeps what is posted to it."""

    def __init__(self, status: int = 200) -> None:
        """Answer everything with this status."""
        self.status = status
        self.received: list[Any] = []
        self.release = threading.Event()
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.server_address[1]}"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        self.server.received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        if self.server.status == 0:
            self.server.release.wait(30)
            return
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the base class
        pass


@contextmanager
def receiver(status: int = 200) -> Iterator[Receiver]:
    """Run a receiver; with status 0, one that takes a request and never answers."""
    with Receiver(status) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.release.set()
            server.shutdown()
            thread.join()


def test_a_webhook_gets_each_message() -> None:
    """Through Apprise, with its kind; the text as text."""
    with receiver() as server:
        send_by_apprise(f"json://{server.address}/hook", MESSAGES)
    assert [(one["title"], one["type"]) for one in server.received] == [
        (MESSAGES[0].title, "warning"),
        (MESSAGES[1].title, "success"),
    ]
    assert server.received[0]["message"] == "foo <b>is</b> stale\nsecond line"


class Mailbox:
    """What an SMTP server took."""

    def __init__(self) -> None:
        """Start empty."""
        self.mails: list[Any] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        """Take a mail."""
        self.mails.append(message_from_bytes(envelope.content))
        return "250 OK"


def test_a_mail_arrives() -> None:
    """By SMTP, with what comes from outside escaped where it is HTML."""
    mailbox = Mailbox()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    controller = Controller(mailbox, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        send_by_apprise(
            f"mailto://127.0.0.1:{port}?from=mirror@host.example&to=ops@host.example&format=html", MESSAGES[:1]
        )
    finally:
        controller.stop()
    (mail,) = mailbox.mails
    assert mail["Subject"] == MESSAGES[0].title
    parts = [part.get_payload(decode=True).decode() for part in mail.walk() if part.get_content_type() == "text/html"]
    assert parts
    assert "<b>is</b>" not in parts[0]
    assert "is" in parts[0]


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the suite's own lines; a library's may be captured too."""
    return [record.getMessage() for record in caplog.records if record.name == "bandersnatch.freshness"]


def test_a_channel_that_fails_is_logged_without_its_secrets(caplog: pytest.LogCaptureFixture, capfd: Any) -> None:
    """The others are served all the same."""
    with receiver() as good, receiver(500) as bad:
        channels = [
            Channel(f"json://user:s3cret@{bad.address}/t0ken", 1),
            Channel("mialto://s3cret/t0ken", 2),
            Channel("json://127.0.0.1:1/t0ken", 3),
            Channel(f"json://{good.address}/", 4),
        ]
        arrived = deliver({one: lambda url=one.url: send_by_apprise(url, MESSAGES[:1]) for one in channels})  # type: ignore[misc]
        assert list(arrived.values()) == [False, False, False, True]
        assert len(good.received) == 1
    lines = said(caplog)
    assert lines == [
        "notify line 1 (json): not delivered, to be tried again in the next run: the service did not take it",
        "notify line 2 (mialto): not delivered, to be tried again in the next run: not a URL that Apprise understands",
        "notify line 3 (json): not delivered, to be tried again in the next run: the service did not take it",
    ]
    printed = capfd.readouterr()
    for text in (printed.out, printed.err, *lines):
        assert "s3cret" not in text
        assert "t0ken" not in text


def test_a_service_that_hangs_costs_little(mocker: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A bounded time in all, however many of them hang; the others are served."""
    mocker.patch.object(notify, "SECONDS", 0.5)
    with receiver(0) as hanging, receiver() as good:
        urls = [f"json://{hanging.address}/1", f"json://{hanging.address}/2", f"json://{good.address}/"]
        channels = [Channel(url, number) for number, url in enumerate(urls, 1)]
        before = set(threading.enumerate())
        started = time.monotonic()
        arrived = deliver({one: lambda url=one.url: send_by_apprise(url, MESSAGES[:1]) for one in channels})  # type: ignore[misc]
        assert time.monotonic() - started < 5
        assert list(arrived.values()) == [False, False, True]
        left_behind = [one for one in set(threading.enumerate()) - before if one.name.startswith("notify line")]
    # what becomes of those that were given up is not said a second time
    for thread in left_behind:
        thread.join(30)
    assert said(caplog) == [
        f"notify line {number} (json): not delivered, to be tried again in the next run: no answer in 0.5 seconds"
        for number in (1, 2)
    ]


def test_an_error_of_a_library_is_not_told_word_by_word(caplog: pytest.LogCaptureFixture) -> None:
    """Its text may have the URL in it."""

    def explode() -> None:
        raise RuntimeError("https://hooks.example/s3cret")

    assert deliver({Channel("json://x", 1): explode}) == {Channel("json://x", 1): False}
    assert said(caplog) == ["notify line 1 (json): not delivered, to be tried again in the next run: RuntimeError"]


@pytest.mark.parametrize(("status", "reason"), [(500, "status 500"), (401, "status 401")])
def test_alertmanagers_refusal_is_a_failure(status: int, reason: str) -> None:
    """Said with its status."""
    with receiver(status) as server, pytest.raises(notify.DeliveryError, match=reason):
        send_to_alertmanager(f"alertmanager://{server.address}", [{}])


def test_an_alertmanager_may_have_a_path_and_a_password() -> None:
    """As behind a reverse proxy."""
    with receiver() as server:
        send_to_alertmanager(f"alertmanager://user:p%40ss@{server.address}/am/", [{"labels": {}}])
    assert server.received == [[{"labels": {}}]]


def test_an_alertmanager_that_is_not_there_is_a_failure() -> None:
    """Without a traceback of the HTTP client."""
    with pytest.raises(notify.DeliveryError, match="ConnectionError"):
        send_to_alertmanager("alertmanager://127.0.0.1:1", [{}])


@pytest.fixture
def alertmanager(tmp_path: Path) -> Iterator[str]:
    """Run Debian's Alertmanager, and return its address."""
    program = shutil.which("prometheus-alertmanager")
    if not program:
        pytest.skip("Debian's prometheus-alertmanager is not installed")
    config = tmp_path / "alertmanager.yml"
    config.write_text("route: {receiver: none}\nreceivers: [{name: none}]\n")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    process = subprocess.Popen(
        [
            program,
            f"--config.file={config}",
            f"--storage.path={tmp_path / 'data'}",
            f"--web.listen-address={address}",
            "--cluster.listen-address=",
        ],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr
        for line in process.stderr:
            if "Listening on" in line or "msg=Listening" in line:
                break
        yield address
    finally:
        process.kill()
        process.wait()
        process.stderr.close()  # type: ignore[union-attr]


def test_a_real_alertmanager_understands_it(alertmanager: str) -> None:
    """One alert while it lasts, another when its severity changes, none when it is over."""

    def active() -> list[tuple[str, str]]:
        found = requests.get(f"http://{alertmanager}/api/v2/alerts", params={"active": "true"}, timeout=10).json()
        return [(alert["labels"]["package"], alert["labels"]["severity"]) for alert in found]

    now = int(time.time())
    told: dict[str, Told] = {}
    foo = Incident("foo", now - 3600, now, 3, 42, 41, Verdict.EDGE_STALE, Level.WARNING)
    for incidents in ({"foo": foo}, {"foo": foo}):
        send_to_alertmanager(f"alertmanager://{alertmanager}", notify.alerts(incidents, told, "m", now, 1800))
        told = {"foo": Told(Level.WARNING, Verdict.EDGE_STALE, foo.since, now)}
        assert active() == [("foo", "warning")]
    worse = Incident("foo", now - 86400, now, 9, 42, 41, Verdict.EDGE_STALE, Level.CRITICAL)
    send_to_alertmanager(f"alertmanager://{alertmanager}", notify.alerts({"foo": worse}, told, "m", now, 1800))
    assert active() == [("foo", "critical")]
    told = {"foo": Told(Level.CRITICAL, Verdict.EDGE_STALE, worse.since, now)}
    send_to_alertmanager(f"alertmanager://{alertmanager}", notify.alerts({}, told, "m", now, 1800))
    assert active() == []

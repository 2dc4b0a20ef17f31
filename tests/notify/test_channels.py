"""The channels, against real receivers on loopback."""

from __future__ import annotations

import json
import logging
import math
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest
import requests
import trustme
from aiosmtpd.controller import Controller
from msgspec import Raw

from bandersnatch_freshness.core.incidents import Incident, Level
from bandersnatch_freshness.core.verdicts import Verdict
from bandersnatch_freshness.notify import channels as notify
from bandersnatch_freshness.notify import sender
from bandersnatch_freshness.notify.channels import Channel, deliver
from bandersnatch_freshness.notify.notifier import Notifier
from bandersnatch_freshness.notify.sender import DeliveryError, send_by_apprise, send_to_alertmanager
from bandersnatch_freshness.settings import read_tracking
from bandersnatch_freshness.state.document import State

from ..receiver import receiver

WARNING = {
    "level": "warning",
    "title": "[WARNING] PyPI mirror m: foo stale",
    "body": "foo <b>is</b> stale\nsecond line",
}
NOON = 1_539_691_200
RESOLVED = {"level": None, "title": "[RESOLVED] PyPI mirror m: bar no longer stale", "body": "bar is no longer stale"}


@pytest.fixture(autouse=True)
def unhurried(mocker: Any) -> None:
    """Leave a busy machine its time where the limit is not what a test is of."""
    mocker.patch.object(notify, "SECONDS", 60)


def active_alerts(alertmanager: str) -> list[tuple[str, str]]:
    """Return package and severity of each alert that an Alertmanager has open."""
    found = requests.get(f"http://{alertmanager}/api/v2/alerts", params={"active": "true"}, timeout=10).json()
    return [(alert["labels"]["package"], alert["labels"]["severity"]) for alert in found]


def test_a_webhook_gets_each_message() -> None:
    """Through Apprise, with its kind; the text as text."""
    with receiver() as server:
        assert deliver({Channel(f"json://{server.address}/hook", 1): [WARNING, RESOLVED]})
    assert [(one["title"], one["type"]) for one in server.received] == [
        (WARNING["title"], "warning"),
        (RESOLVED["title"], "success"),
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
        send_by_apprise(f"mailto://127.0.0.1:{port}?from=mirror@host.example&to=ops@host.example&format=html", WARNING)
    finally:
        controller.stop()
    (mail,) = mailbox.mails
    assert mail["Subject"] == WARNING["title"]
    parts = [part.get_payload(decode=True).decode() for part in mail.walk() if part.get_content_type() == "text/html"]
    assert parts
    assert "<b>is</b>" not in parts[0]
    assert "is" in parts[0]


def test_a_channel_that_fails_is_named_without_its_secrets(caplog: pytest.LogCaptureFixture, capfd: Any) -> None:
    """Nor are they logged, though all is that there is; and the others are served all the same."""
    caplog.set_level(logging.DEBUG)
    with receiver() as good, receiver(500) as bad:
        channels = [
            Channel(f"json://user:s3cret@{bad.address}/t0ken", 1),
            Channel("mialto://s3cret/t0ken", 2),
            Channel("json://127.0.0.1:1/t0ken", 3),
            Channel(f"json://{good.address}/t0ken", 4),
        ]
        found = deliver({one: [WARNING] for one in channels})
        assert len(good.received) == 1
    assert {str(channel): problems for channel, problems in found.items()} == {
        "notify line 1 (json)": ["the service did not take it"],
        "notify line 2 (mialto)": ["not a URL that Apprise understands"],
        "notify line 3 (json)": ["the service did not take it"],
        "notify line 4 (json)": [""],
    }
    printed = capfd.readouterr()
    for text in (printed.out, printed.err, caplog.text):
        assert "s3cret" not in text
        assert "t0ken" not in text


@pytest.mark.parametrize("scheme", ["json", "alertmanager"])
def test_a_path_that_is_no_text_does_not_keep_a_message_back(scheme: str) -> None:
    """Linux takes any bytes for one."""
    with receiver() as server:
        options = {"notify": f"{scheme}://{server.address}", "heartbeat": f"http://{server.address}/beat"}
        tested, alarming = (Notifier(read_tracking(["freshness"], options), "host", "/srv/\udcff") for _ in range(2))
        assert list(tested.test(State("https://m"), NOON, beats=True).values()) == [[""], [""]]
        assert alarming.alarm(State("https://m"), "/srv/\udcff/x", NOON, NOON + 60, is_told=False)
    assert sum(rb"/srv/\\udcff" in body or rb"/srv/\udcff" in body for body in server.bodies) >= 3


def test_a_subject_that_is_no_text_does_not_keep_an_alert_back() -> None:
    """As hostile JSON may have it."""
    incident = Incident("a\ud800", NOON, NOON, 9, 42, 41, Verdict.EDGE_STALE, Level.WARNING)
    with receiver() as server:
        notifier = Notifier(
            read_tracking(["freshness"], {"notify": f"alertmanager://{server.address}"}), "host", "/srv"
        )
        plan = notifier.plan(State("https://m", {incident.subject: incident}), NOON + 60)
        assert list(notifier.deliver(plan).values()) == [[""]]
    assert rb"a\\ud800" in server.bodies[0]


def test_more_than_a_pipe_holds_is_sent_in_order() -> None:
    """To each, whatever the other has."""
    bodies = [json.dumps([number] * 100_000).encode() for number in range(5)]
    with receiver() as one, receiver() as other:
        channels = [Channel(f"alertmanager://{server.address}", 1) for server in (one, other)]
        assert list(deliver(dict.fromkeys(channels, bodies)).values()) == [[""] * 5] * 2
    assert one.bodies == other.bodies == bodies


def test_a_sender_that_ends_without_reading_all_is_said_of_each_part(mocker: Any) -> None:
    """More than a pipe holds has no one to read it."""
    mocker.patch.object(sys, "executable", "/bin/false")
    channel = Channel("alertmanager://x", 1)
    assert deliver({channel: [b"1" * 2**20] * 3}) == {channel: ["the sending process ended with 1"] * 3}


def test_an_error_in_making_a_part_leaves_no_sender_behind(mocker: Any) -> None:
    """Nor does Ctrl-C."""
    started = mocker.spy(subprocess, "Popen")

    def parts() -> Iterator[Any]:
        yield [1]
        raise KeyboardInterrupt

    with receiver(0) as hanging, pytest.raises(KeyboardInterrupt):
        deliver({Channel(f"alertmanager://{hanging.address}", 1): parts()})
    assert started.spy_return.returncode == -9


def test_what_is_sent_as_python_ends_arrives() -> None:
    """By what it calls at its exit, as ends a run of Bandersnatch 4.4 that stops on an error: no thread starts then."""
    with receiver() as server:
        code = (
            "import atexit\n"
            "from bandersnatch_freshness.notify.channels import Channel, deliver\n"
            f"channel = Channel('alertmanager://{server.address}', 1)\n"
            "atexit.register(lambda: print(deliver({channel: [[1]]})[channel]))\n"
        )
        ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert (ended.stdout, server.received) == ("['']\n", [[1]])


def test_what_a_plugin_reads_is_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What else is to be sent is no business of a process that it starts."""
    (tmp_path / "apprise.py").write_text(
        "import os, subprocess\n"
        "class NotifyType: FAILURE = WARNING = SUCCESS = 0\n"
        "class NotifyFormat: TEXT = 0\n"
        "class Apprise:\n"
        "    def add(self, url): return True\n"
        "    def notify(self, **_): return not subprocess.check_output(['cat'])\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    channel = Channel("json://x", 1)
    long = {**WARNING, "body": "x" * 2**20}  # more than is read at once
    assert deliver({channel: [long] * 3}) == {channel: [""] * 3}


def test_a_message_that_fails_is_told_from_one_that_arrived() -> None:
    """Each on its own."""
    with receiver(refused="warning") as server:
        channel = Channel(f"json://{server.address}/", 1)
        found = deliver({channel: [RESOLVED, WARNING, RESOLVED]})
    assert found == {channel: ["", "the service did not take it", ""]}


@pytest.mark.parametrize("print_", ["print('t0ken')", "os.write(1, b'[0, 0, 1]')", "os.system('echo t0ken')"])
def test_what_a_plugin_prints_breaks_nothing(print_: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is it taken for an answer."""
    (tmp_path / "apprise.py").write_text(
        "import os\n"
        "class NotifyType: FAILURE = WARNING = SUCCESS = 0\n"
        "class NotifyFormat: TEXT = 0\n"
        "class Apprise:\n"
        "    def add(self, url): return True\n"
        f"    def notify(self, **_): {print_}; return True\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    channel = Channel("json://x", 1)
    assert deliver({channel: [WARNING, RESOLVED]}) == {channel: ["", ""]}


def test_a_url_can_be_checked_without_sending_anything() -> None:
    """By Apprise's own parser."""
    with receiver() as server:
        channels = [Channel(f"json://{server.address}", 1), Channel("mialto://a", 2), Channel("mailto://a", 3)]
        found = deliver({one: [None] for one in channels})
    assert list(found.values()) == [[""], [sender.NOT_UNDERSTOOD], [sender.NOT_UNDERSTOOD]]
    assert server.received == []


def patience() -> int:
    """Return so many seconds that whoever answers has answered then, however busy this machine is."""
    with receiver() as server:
        began = time.monotonic()
        deliver({Channel(f"json://{server.address}", 1): [WARNING]})
        return math.ceil(3 * (time.monotonic() - began))


@pytest.mark.parametrize("scheme", ["json", "alertmanager"])
def test_a_service_that_hangs_is_left(scheme: str, mocker: Any) -> None:
    """However slowly it goes on answering: nothing of this is under way any more. The others are served."""
    seconds = patience()
    mocker.patch.object(notify, "SECONDS", seconds)
    with receiver(0) as hanging, receiver() as good:
        channels = [Channel(f"{scheme}://{one.address}", number) for number, one in enumerate((hanging, good, hanging))]
        late = f"no answer in {seconds} seconds"
        assert list(deliver({one: [{**WARNING}] for one in channels}).values()) == [[late], [""], [late]]
        assert hanging.left.wait(30)


def test_a_process_that_breaks_off_is_said(mocker: Any) -> None:
    """What sends is not to be found, or has no memory left, say."""
    mocker.patch.object(sys, "executable", "/bin/false")
    channel = Channel("json://x", 1)
    assert deliver({channel: [WARNING]}) == {channel: ["the sending process ended with 1"]}
    mocker.patch.object(sys, "executable", "/nowhere")
    missing = "no process can be started to send it: No such file or directory"
    assert deliver({channel: [WARNING]}) == {channel: [missing]}


def test_an_error_of_a_library_is_not_told_word_by_word(mocker: Any, capfd: Any) -> None:
    """Its text may have the URL in it."""
    mocker.patch.object(sender, "send", side_effect=RuntimeError("https://hooks.example/s3cret"))
    sender._send_all(1, 0, "json://x", [Raw(b"null")])
    assert capfd.readouterr().out == '[0, 0, "RuntimeError"]\n'


@pytest.mark.parametrize("status", [301, 302, 307, 401, 500])
def test_alertmanagers_refusal_is_a_failure(status: int) -> None:
    """Said with its status; what is redirected is not posted."""
    with receiver(status) as server, pytest.raises(DeliveryError, match=f"status {status}"):
        send_to_alertmanager(f"alertmanager://{server.address}", b"[]")


def test_an_alertmanager_may_have_a_path_and_a_password() -> None:
    """As behind a reverse proxy."""
    with receiver() as server:
        send_to_alertmanager(f"alertmanager://user:p%40ss@{server.address}/am/", b'[{"labels": {}}]')
    assert server.received == [[{"labels": {}}]]


@pytest.mark.parametrize("is_proxy", [pytest.param(False, id="itself"), pytest.param(True, id="a-proxy-before-it")])
def test_an_alertmanager_may_speak_tls(is_proxy: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a certificate of an authority that is trusted, and not with another."""
    authority, bundle = trustme.CA(), tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(bundle)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with receiver() as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        channel = Channel(f"alertmanagers://{server.address}", 1)
        if is_proxy:  # which is asked for what is not encrypted itself
            monkeypatch.setenv("http_proxy", f"https://{server.address}")
            channel = Channel("alertmanager://alertmanager.example", 1)
        assert deliver({channel: [[]]}) == {channel: ["SSLCertVerificationError"]}
        monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
        assert deliver({channel: [[]]}) == {channel: [""]}
    assert server.received == [[]]


def test_an_alertmanager_that_is_not_there_is_a_failure() -> None:
    """Without a traceback of the HTTP client."""
    with pytest.raises(DeliveryError, match="ConnectionRefusedError"):
        send_to_alertmanager("alertmanager://127.0.0.1:1", b"[]")

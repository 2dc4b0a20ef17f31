"""Asking over HTTP: addresses, redirects, time-outs, what breaks, and the budget."""

from __future__ import annotations

import functools
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
import trustme

from bandersnatch_freshness.outside import asking
from bandersnatch_freshness.outside.answers import COPIES, Form, Kind, places
from bandersnatch_freshness.outside.asking import survey_all
from bandersnatch_freshness.outside.survey import MOST_REQUESTS, Surveyed

from ..http_server import Server, serving, trickle
from . import site

Serve = Callable[..., str]
Answering = Callable[[BaseHTTPRequestHandler], None]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Return a function that serves by a function of the handler, and returns the URL."""
    with ExitStack() as servers:

        def start(answer: Answering, host: str = "127.0.0.1", port: int = 0, context: Any = None) -> str:
            class Handler(BaseHTTPRequestHandler):
                def do_GET(self) -> None:
                    answer(self)

                def log_message(self, *_: object) -> None:
                    pass

            server = Server((host, port), Handler)
            if context:
                server.socket = context.wrap_socket(server.socket, server_side=True)
            servers.enter_context(serving(server))
            return f"http{'s' if context else ''}://{host}:{server.server_address[1]}"

        yield start


def send(handler: BaseHTTPRequestHandler, status: int = 404, body: bytes = b"", **headers: str) -> None:
    """Send an answer."""
    handler.send_response(status)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    for name, value in {"Content-Length": str(len(body)), **named}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


def surveyed(url: str, seconds: float = 20) -> Surveyed:
    """Return what came of asking one mirror."""
    (found,) = survey_all([places(url)], seconds)
    return found


def page(handler: BaseHTTPRequestHandler) -> None:
    """Answer as a mirror without facts whose pages are all at one serial."""
    is_page = "/simple/" in handler.path
    send(handler, 200 if is_page else 404, b'<a href="foo/">foo</a>\n<!--SERIAL 42-->' if is_page else b"")


def test_answers_come_in_the_order_in_which_they_were_asked_for(serve: Serve) -> None:
    """Whichever comes first, so that what is said of them is the same each time."""
    other_was_sent = threading.Event()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        if handler.path == "/simple/foo/":
            if Form.JSON.value == handler.headers["Accept"] and "gzip" in handler.headers["Accept-Encoding"]:
                other_was_sent.wait(10)
            else:
                other_was_sent.set()
        page(handler)

    answers = surveyed(serve(answer)).answers
    assert [one.question.copy for one in answers if one.question.kind is Kind.PAGE] == list(COPIES)


def test_a_mirror_s_files(tmp_path: Path) -> None:
    """Facts, index and pages, in at most so many requests."""
    site.write(tmp_path, site.NOW, int(time.time()))
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, _: str, line: str, *__: object) -> None:
            asked.append(str(line))

    with Server(("127.0.0.1", 0), functools.partial(Handler, directory=str(tmp_path))) as server, serving(server):
        found = surveyed(f"http://127.0.0.1:{server.server_address[1]}/simple/")
    assert found.is_done
    assert found.answers[0].published
    assert {one.question.project: one.serial for one in found.answers if one.question.kind is Kind.PAGE} == {
        "foo": 42,
        "bar": 43,
        "qux": 7,
    }
    assert found.requests == len(asked) == 1 + 2 + 3 * 4
    assert asked[0].startswith("GET /status.json?cache-bust=")


def test_no_more_requests_than_the_budget(serve: Serve) -> None:
    """However many projects and redirects there are."""
    asked = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        asked.append(handler.path)
        if "?" not in handler.path and "r=" not in handler.path:
            send(handler, 302, Location=f"{handler.path}?r=1")
            return
        links = b"".join(b'<a href="p%d/">' % number for number in range(99))
        send(handler, 200, links + b"\n<!--SERIAL 42-->")

    found = surveyed(serve(answer))
    assert len(asked) == found.requests == MOST_REQUESTS
    assert found.is_done


@pytest.fixture
def resolve(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that gives mirror.example these addresses."""

    def set_addresses(*addresses: str) -> None:
        real = socket.getaddrinfo

        def resolved(host: str, *more: Any, **named: Any) -> Any:
            names = addresses if host == "mirror.example" else [host]
            return [one for name in names for one in real(name, *more, **named)]

        monkeypatch.setattr(socket, "getaddrinfo", resolved)

    return set_addresses


def test_each_address_is_asked(serve: Serve, resolve: Callable[..., None]) -> None:
    """Under the name that the URL has, of which one node has a copy of its own, and one does not answer."""
    hosts = []

    def stale(handler: BaseHTTPRequestHandler) -> None:
        hosts.append(handler.headers["Host"])
        send(handler, 200, b'<a href="foo/">foo</a>\n<!--SERIAL 41-->', X_Served_By="node-2")

    port = int(serve(page).rpartition(":")[2])
    serve(stale, "127.0.0.2", port)
    resolve("127.0.0.1", "127.0.0.2", "127.0.0.3")
    found = surveyed(f"http://mirror.example:{port}")
    assert found.addresses == ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
    pages = {(one.question.address, one.serial, one.node) for one in found.answers if one.question.kind is Kind.PAGE}
    assert pages == {("127.0.0.1", 42, ""), ("127.0.0.2", 41, "node-2")}
    assert set(hosts) == {f"mirror.example:{port}"}
    (lost,) = [one for one in found.answers if one.question.address == "127.0.0.3"]
    assert (lost.status, lost.problem) == (None, "connection refused")


def test_a_redirect_is_followed_as_pip_does(serve: Serve) -> None:
    """To another host too; one that has no end, or leads off the web, is an answer like another."""
    target = serve(page, "127.0.0.2")

    def answer(handler: BaseHTTPRequestHandler) -> None:
        if "status.json" in handler.path:
            send(handler, 302, Location="file:///etc/passwd")
        else:
            send(handler, 301, Location=handler.path if "last" in handler.path else f"{target}{handler.path}")

    found = surveyed(serve(answer))  # that is, at another address
    by_kind = {one.question.kind: one for one in found.answers}
    assert by_kind[Kind.PAGE].serial == 42
    assert by_kind[Kind.MODIFIED].problem == "status 301"
    assert by_kind[Kind.FACTS].problem == "status 302"


def test_who_wants_fewer_requests_is_asked_no_more(serve: Serve) -> None:
    """From the first 429 on, but for what is under way."""
    found = surveyed(serve(lambda handler: send(handler, 429)))
    assert [one.problem for one in found.answers] == ["status 429"]


@pytest.mark.parametrize("status", [403, 429])
def test_a_mirror_that_says_nothing_of_itself_may_still_have_pages(serve: Serve, status: int) -> None:
    """A 403 for status.json is often a rule for that file; a 429 is meant for whoever asks."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        page(handler) if "/simple/" in handler.path else send(handler, status)

    problems = [one.problem for one in surveyed(serve(answer)).answers]
    assert problems.count(f"status {status}") == (2 if status == 403 else 1)
    assert problems.count("") == (6 if status == 403 else 0)  # the index twice, and four copies of a page


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        pytest.param(lambda handler: handler.connection.close(), "connection broken", id="reset"),
        pytest.param(lambda handler: handler.wfile.write(b"SSH-2.0\r\n"), "connection broken", id="not-http"),
    ],
)
def test_what_breaks_is_an_answer(answer: Answering, problem: str, serve: Serve) -> None:
    """In the words that `probe` has for it."""
    assert [one.problem for one in surveyed(serve(answer)).answers] == [problem]


def test_a_page_that_is_cut_off(serve: Serve) -> None:
    """Is none, whatever its header says."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        send(handler, 200, b'<a href="foo/">\n<!--SERIAL 42-->', Content_Length="999")

    problems = {one.problem for one in surveyed(serve(answer)).answers if one.question.kind is Kind.PAGE}
    assert problems == {"a body that breaks off"}


def test_the_time_is_kept(serve: Serve) -> None:
    """Whatever a server does: here it sends a header without an end, by which no time-out between two bytes is met."""
    release = threading.Event()
    started = time.monotonic()
    try:
        found = surveyed(serve(lambda handler: trickle(handler, release) and None), seconds=1)
    finally:
        release.set()
    assert time.monotonic() - started < 5
    assert (found.is_done, found.problem, found.answers) == (False, "time-out", [])


def test_one_that_hangs_holds_no_other_up(serve: Serve) -> None:
    """They are asked at once."""
    release = threading.Event()
    try:
        slow = serve(lambda handler: trickle(handler, release) and None)
        fleet = survey_all([places(slow), places(serve(page))], 2)
    finally:
        release.set()
    assert [one.problem for one in fleet] == ["time-out", ""]
    assert fleet[1].is_done


def test_no_such_name() -> None:
    """Is said as such."""
    assert surveyed("http://no.such.host.invalid").problem == "name not found"


@pytest.mark.parametrize(
    ("trusted", "more", "problem"),
    [
        pytest.param(True, {}, "", id="trusted"),
        pytest.param(False, {}, "TLS: unable to get local issuer certificate", id="not-trusted"),
        pytest.param(
            True, {"not_after": datetime(2020, 1, 1, tzinfo=UTC)}, "TLS: certificate has expired", id="expired"
        ),
    ],
)
def test_tls(
    trusted: bool,
    more: Any,
    problem: str,
    serve: Serve,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    resolve: Callable[..., None],
) -> None:
    """By the certificates that pip trusts; of what is not trusted, it is said why."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("mirror.example", **more).configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    if trusted:
        monkeypatch.setenv("PIP_CERT", str(tmp_path / "ca.pem"))
    asking._context.cache_clear()
    resolve("127.0.0.1")
    found = surveyed(serve(page, context=context).replace("127.0.0.1", "mirror.example"))
    asking._context.cache_clear()
    if problem:
        assert [one.problem for one in found.answers] == [problem]
    else:
        assert {one.serial for one in found.answers if one.question.kind is Kind.PAGE} == {42}


def test_a_name_that_the_certificate_has_not(serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Is refused, whichever address is asked."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("another.example").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    asking._context.cache_clear()
    (answer,) = surveyed(serve(page, context=context)).answers
    asking._context.cache_clear()
    assert answer.problem.startswith("TLS: IP address mismatch, certificate is not valid for")


def test_a_password_goes_where_it_belongs(serve: Serve) -> None:
    """To the mirror, as curl and pip send it."""
    seen: set[str | None] = set()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        seen.add(handler.headers["Authorization"])
        page(handler)

    found = surveyed(serve(answer).replace("http://", "http://mu:m%40pw@"))
    assert seen == {"Basic bXU6bUBwdw=="}
    assert found.places.shown.startswith("http://127.0.0.1:")


def test_by_a_proxy(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which resolves the name; where the environment has one."""
    seen = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        seen.append((handler.path.partition("?")[0], handler.headers["Proxy-Authorization"]))
        page(handler)

    monkeypatch.setenv("http_proxy", serve(answer).replace("http://", "http://pu:ppw@"))
    monkeypatch.delenv("no_proxy", raising=False)
    found = surveyed("http://mirror.example")
    assert seen[0] == ("http://mirror.example/status.json", "Basic cHU6cHB3")
    assert {one.serial for one in found.answers if one.question.kind is Kind.PAGE} == {42}
    assert found.addresses == [""]

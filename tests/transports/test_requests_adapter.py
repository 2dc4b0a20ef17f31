"""The requests transport against real servers on loopback: what really arrives there."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.message import Message
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from requests.adapters import BaseAdapter, HTTPAdapter

from bandersnatch_freshness.core.climb import RecheckBudget
from bandersnatch_freshness.core.refusals import Refusal
from bandersnatch_freshness.core.variants import LADDER, PLAIN, AcceptEncoding, Variant
from bandersnatch_freshness.fail_open import begin_run
from bandersnatch_freshness.transports.requests_adapter import FreshAdapter, StaleError

from ..http_server import Server

STRIP = Variant(AcceptEncoding.ABSENT)
BUST = Variant(cache_bust=True)
ALL = LADDER[-1]


@dataclass(frozen=True)
class Received:
    """One request as it arrived."""

    method: str
    target: str
    headers: Message

    @property
    def query(self) -> dict[str, list[str]]:
        """Its query."""
        return parse_qs(urlsplit(self.target).query)


@dataclass(frozen=True)
class Answer:
    """One answer; without a status, the connection breaks."""

    status: int = 200
    serial: str | None = "42"
    body: bytes = b"{}"
    location: str = ""
    missing: int = 0
    retry_after: str = ""
    waits: threading.Event | None = None  # before the body


class Upstream:
    """A server that remembers what it was asked."""

    def __init__(self, answer: Callable[[Received], Answer]) -> None:
        """`answer` makes the answer to a request."""
        self.asked: list[Received] = []
        upstream = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _handle(self) -> None:
                asked = Received(self.command, self.path, self.headers)
                upstream.asked.append(asked)
                made = answer(asked)
                if not made.status:
                    self.close_connection = True
                    return
                self.send_response(made.status)
                if made.serial is not None:
                    self.send_header("X-PyPI-Last-Serial", made.serial)
                if made.location:
                    self.send_header("Location", made.location)
                if made.retry_after:
                    self.send_header("Retry-After", made.retry_after)
                self.send_header("Content-Length", str(len(made.body) + made.missing))
                self.end_headers()
                if made.waits:
                    made.waits.wait(30)
                with suppress(ConnectionError):  # it may have been left waiting
                    self.wfile.write(made.body)
                self.close_connection = bool(made.missing)

            do_GET = do_HEAD = do_POST = _handle  # noqa: N815 - as http.server wants it

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        self.server = Server(("127.0.0.1", 0), Handler)

    @property
    def targets(self) -> list[str]:
        """Path and query of each request."""
        return [asked.target for asked in self.asked]

    def url(self, path: str = "") -> str:
        """Return the URL of a path."""
        return f"http://127.0.0.1:{self.server.server_port}{path}"

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Serve, in a thread."""
        thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield
        finally:
            self.server.shutdown()
            thread.join()
            self.server.server_close()

    @contextmanager
    def session(self, rungs: Sequence[Variant] = LADDER) -> Iterator[tuple[requests.Session, FreshAdapter]]:
        """Open a session with this server as its master."""
        with self.serving(), requests.Session() as session:
            session.trust_env = False
            adapter = FreshAdapter(self.url(), rungs, "cb")
            session.mount(self.url(), adapter)
            yield session, adapter


def fixed(**answer: Any) -> Upstream:
    """Return a server that always gives this answer."""
    return Upstream(lambda _: Answer(**answer))


def test_dresses_metadata_only() -> None:
    """All at once: no Accept-Encoding at all, a parameter, no-cache; a release file goes plainly."""
    upstream = fixed()
    with upstream.session([ALL]) as (session, _):
        for path in ("/simple/foo/?a=%26&b=+", "/packages/foo.whl"):
            assert session.get(upstream.url(path), headers={"Accept": "x"}).status_code == 200
        session.post(upstream.url("/simple/"), data=b"x")
    dressed, *plain = upstream.asked
    assert "Accept-Encoding" not in dressed.headers
    assert dressed.headers["Cache-Control"] == "no-cache"
    assert dressed.headers["Accept"] == "x"
    assert dressed.target.startswith("/simple/foo/?a=%26&b=+&cb=")
    assert [asked.target for asked in plain] == ["/packages/foo.whl", "/simple/"]
    assert all("gzip" in asked.headers["Accept-Encoding"] for asked in plain)


@pytest.mark.parametrize(
    ("variant", "header"),
    [
        pytest.param(PLAIN, "gzip, deflate", id="plain"),
        pytest.param(STRIP, None, id="strip"),
        pytest.param(Variant(AcceptEncoding.DEFLATE), "deflate", id="deflate"),
    ],
)
def test_accept_encoding_is_what_the_variant_says(variant: Variant, header: str | None) -> None:
    """Also where the caller has set one; only a plain request leaves it."""
    upstream = fixed()
    with upstream.session([variant]) as (session, _):
        session.headers["Accept-Encoding"] = "gzip, deflate"
        session.get(upstream.url("/simple/"))
    assert upstream.asked[0].headers["Accept-Encoding"] == header


def test_the_answer_looks_as_the_caller_asked() -> None:
    """Nothing of the dressing is left on what a program gets to see."""
    upstream = fixed()
    with upstream.session([ALL]) as (session, _):
        response = session.get(upstream.url("/simple/foo/"))
    assert response.url == response.request.url == upstream.url("/simple/foo/")
    assert response.request.headers["Accept-Encoding"] == session.headers["Accept-Encoding"]


@pytest.mark.parametrize("brought", [False, True])
def test_the_variant_survives_redirects_and_is_never_repeated(brought: bool) -> None:
    """Also where the redirect brings our own parameter along."""

    def answer(asked: Received) -> Answer:
        path, _, query = asked.target.partition("?")
        return Answer(301, location=f"/simple/?{query if brought else 'a=1'}") if path == "/simple" else Answer()

    upstream = Upstream(answer)
    with upstream.session([ALL]) as (session, _):
        response = session.get(upstream.url("/simple?a=1"))
    assert response.url == upstream.url("/simple/?a=1")
    first, second = (asked.query for asked in upstream.asked)
    assert first["a"] == second["a"] == ["1"]
    assert len(first["cb"]) == len(second["cb"]) == 1
    assert first["cb"] != second["cb"]
    assert not any("Accept-Encoding" in asked.headers for asked in upstream.asked)


def test_a_redirect_to_another_host_sheds_the_variant() -> None:
    """Other hosts are none of our business."""
    elsewhere = fixed()
    upstream = Upstream(lambda _: Answer(302, location=elsewhere.url("/simple/")))
    with elsewhere.serving(), upstream.session([ALL]) as (session, _):
        assert session.get(upstream.url("/simple/")).url == elsewhere.url("/simple/")
    (there,) = elsewhere.asked
    assert there.target == "/simple/"
    assert "Accept-Encoding" in there.headers
    assert "Cache-Control" not in there.headers


def test_endless_redirects_end() -> None:
    """With the error that requests has for it."""
    upstream = fixed(status=302, location="/simple/")
    with upstream.session([ALL]) as (session, _):
        session.max_redirects = 3
        with pytest.raises(requests.TooManyRedirects):
            session.get(upstream.url("/simple/"))
    assert len(upstream.asked) == 4


def test_a_climb_goes_on_past_a_redirect() -> None:
    """As from PyPI's page of one spelling of a name to that of another."""

    def answer(asked: Received) -> Answer:
        if "Foo" in asked.target:
            return Answer(301, None, location="/pypi/foo/json")
        return Answer(serial="42" if "cb" in asked.query else "41")

    upstream = Upstream(answer)
    with upstream.session() as (session, adapter):
        outcome = adapter.fetch(session, upstream.url("/pypi/Foo/json"), 42)
    assert outcome.response is not None
    assert [urlsplit(target).path for target in upstream.targets] == ["/pypi/Foo/json"] + ["/pypi/foo/json"] * 3


class Recorder(BaseAdapter):
    """Sends nothing, and remembers how it was to be sent."""

    def __init__(self) -> None:
        """Nothing was sent yet."""
        super().__init__()
        self.sent: list[tuple[object, ...]] = []

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Remember it, and answer."""
        self.sent.append((request.url, *args, *kwargs.values()))
        response = requests.Response()
        response.status_code = 200
        return response

    def close(self) -> None:
        """Close nothing."""


def test_every_argument_is_passed_on() -> None:
    """A time-out that is dropped would hang a mirror, a proxy that is would be bypassed."""
    sent = []
    options = {"stream": True, "timeout": (3, 7), "verify": "ca.pem", "cert": "me.pem", "proxies": {"ftp": "x"}}
    for path in ("/simple/", "/packages/foo.whl"):
        recorder = Recorder()
        adapter = FreshAdapter("https://master.example", [STRIP], inner=recorder)
        request = requests.Request("GET", f"https://master.example{path}").prepare()
        adapter.send(request, **options)  # type: ignore[arg-type]
        sent += recorder.sent
    assert [call[1:] for call in sent] == [tuple(options.values())] * 2


def test_a_time_out_is_kept_in_every_variant() -> None:
    """It is the caller's error, and ends the climb."""
    never = threading.Event()

    def answer(_: Received) -> Answer:
        never.wait(5)
        return Answer()

    upstream = Upstream(answer)
    with upstream.session([ALL]) as (session, adapter):
        with pytest.raises(requests.ReadTimeout):
            session.get(upstream.url("/simple/"), timeout=0.05)
        outcome = adapter.fetch(session, upstream.url("/pypi/foo/json"), 1, timeout=0.05)
        never.set()
    assert isinstance(outcome.error, requests.ReadTimeout)
    assert len(upstream.asked) == 2


@pytest.mark.parametrize(
    ("serial", "body", "fresh"),
    [
        pytest.param("42", "{}", True, id="header"),
        pytest.param("41", '{"last_serial": 43}', False, id="stale-header-before-body"),
        pytest.param(None, '{"last_serial": 42}', True, id="body"),
        pytest.param("", '{"last_serial": 42}', True, id="empty-header"),
        pytest.param("4_2", '{"last_serial": 42}', True, id="malformed-header"),
        pytest.param("9" * 9000, '{"last_serial": 42}', True, id="absurd-header"),
        pytest.param(None, '{"last_serial": 41}', False, id="stale-body"),
        pytest.param(None, "no JSON", False, id="nothing"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_judges_by_header_then_body(stream: bool, serial: str | None, body: str, fresh: bool) -> None:
    """And a body that was looked into can still be read, streamed too."""
    upstream = fixed(serial=serial, body=body.encode())
    with upstream.session([STRIP]) as (session, adapter):
        outcome = adapter.fetch(session, upstream.url("/pypi/foo/json"), 42, stream=stream)
        assert outcome.error is None
        assert (outcome.response is not None) is fresh
        if outcome.response:
            assert b"".join(outcome.response.iter_content(2)) == body.encode()


@pytest.mark.parametrize("by_body", [False, True])
@pytest.mark.parametrize("stream", [False, True])
def test_a_new_header_lets_no_older_page_in(stream: bool, by_body: bool) -> None:
    """Without an own copy it is as bare."""
    old, new = (Answer(body=b'{"last_serial": %d}' % serial) for serial in (41, 42))
    upstream = Upstream(lambda asked: old if "Accept-Encoding" in asked.headers else new)
    with upstream.session() as (session, adapter):
        for _ in range(2):  # then it begins where it was fresh
            outcome = adapter.fetch(session, upstream.url("/pypi/foo/json"), 42, by_body=by_body, stream=stream)
            assert outcome.response is not None
            assert outcome.response.json()["last_serial"] == (42 if by_body else 41)
    assert len(upstream.asked) == (3 if by_body else 2)


@pytest.mark.parametrize("whole", [True, False])
def test_a_page_that_breaks_off_may_be_whole_in_another_copy(whole: bool) -> None:
    """If it is in none, the error is the one that requests has for it."""
    upstream = Upstream(
        lambda asked: Answer() if whole and "Accept-Encoding" not in asked.headers else Answer(missing=10)
    )
    with upstream.session() as (session, adapter), requests.Session() as bare:
        with pytest.raises(requests.RequestException) as raised:
            bare.get(upstream.url("/pypi/foo/json"))
        outcome = adapter.fetch(session, upstream.url("/pypi/foo/json"), 42, by_body=True)
    assert (outcome.response is not None) is whole
    assert whole or type(outcome.error) is raised.type
    assert str(outcome.observations[0]) == "plain got a body that breaks off"
    assert len(upstream.asked) == 1 + (2 if whole else len(LADDER))


def test_a_page_that_breaks_off_beside_an_old_one_is_stale() -> None:
    """As any that no way gets; and what is asked for next is judged by itself."""
    upstream = Upstream(lambda asked: Answer(serial="41") if "cb" in asked.query else Answer(missing=10))
    with upstream.session() as (session, adapter):
        outcome = adapter.fetch(session, upstream.url("/pypi/foo/json"), 42, by_body=True)
    assert (outcome.response, outcome.error) == (None, None)


@pytest.mark.parametrize("first", [True, False])
def test_a_time_out_in_a_body_ends_the_climb(first: bool) -> None:
    """With the error of requests where the first answer meets it; in a later one, the page is stale."""
    never = threading.Event()

    def answer(asked: Received) -> Answer:
        return Answer(serial="41") if not first and "Accept-Encoding" in asked.headers else Answer(waits=never)

    upstream = Upstream(answer)
    with upstream.session() as (session, adapter):
        outcome = adapter.fetch(session, upstream.url("/pypi/foo/json"), 42, by_body=True, timeout=0.2)
        never.set()
    assert outcome.response is None
    assert isinstance(outcome.error, requests.ConnectionError) is first
    assert len(upstream.asked) == (1 if first else 2)


def test_a_climb_stops_at_the_first_fresh_answer(caplog: pytest.LogCaptureFixture) -> None:
    """One line says which variant cured it; the next page begins there."""
    caplog.set_level(logging.INFO, "bandersnatch.freshness")
    upstream = Upstream(lambda asked: Answer(serial="42" if "cb" in asked.query else "41"))
    with upstream.session() as (session, adapter):
        with adapter.requiring(42) as asking:
            assert session.get(upstream.url("/pypi/foo/json")).status_code == 200
        assert [str(seen) for seen in asking.observations] == [
            "plain got serial 41",
            "strip got serial 41",
            "strip+cache-bust got serial 42",
        ]
        session.get(upstream.url("/simple/"))
    assert len(upstream.asked) == 4
    assert "cb" in upstream.asked[-1].query
    assert caplog.messages == [
        "foo was stale, cured by strip+cache-bust: "
        "plain got serial 41, strip got serial 41, strip+cache-bust got serial 42"
    ]


def test_several_pages_may_be_asked_for_in_one_block() -> None:
    """Each is judged by itself."""
    upstream = Upstream(lambda asked: Answer(serial="41" if "old" in asked.target else "42"))
    with upstream.session() as (session, adapter), adapter.requiring(42):
        session.get(upstream.url("/pypi/foo/json"))
        with pytest.raises(StaleError, match="no way gets serial 42: plain got serial 41, strip got") as raised:
            session.get(upstream.url("/pypi/old/json"))
        session.get(upstream.url("/pypi/foo/json"))
    assert raised.value.required_serial == 42
    assert len(raised.value.observations) == len(LADDER)
    assert len(upstream.asked) == 2 + len(LADDER)


def test_a_password_is_sent_and_not_told() -> None:
    """In the master's URL it is part of the address, and of no message."""
    upstream = fixed(serial="41")
    url = upstream.url().replace("http://", "http://user:secret@")
    with upstream.serving(), requests.Session() as session:
        adapter = FreshAdapter(url, [STRIP])
        session.mount(url, adapter)
        with adapter.requiring(42), pytest.raises(StaleError) as raised:
            session.get(f"{url}/pypi/foo/json")
    assert "secret" not in str(raised.value)
    assert upstream.asked[0].headers["Authorization"] == "Basic dXNlcjpzZWNyZXQ="


def test_nothing_is_required_outside_of_the_block_or_in_another_thread() -> None:
    """A thread's requirement is its own."""
    upstream = fixed(serial="41")
    with upstream.session() as (session, adapter):
        with adapter.requiring(42), ThreadPoolExecutor(1) as threads:
            assert threads.submit(session.get, upstream.url("/pypi/foo/json")).result().status_code == 200
        assert session.get(upstream.url("/pypi/foo/json")).status_code == 200
    assert len(upstream.asked) == 2


def test_a_404_that_no_way_cures_is_handed_on() -> None:
    """Asked for in one other way; and not at all where no serial is asked for."""
    upstream = fixed(status=404, serial=None, body=b"gone")
    with upstream.session() as (session, adapter):
        for required_serial, requests_ in ((42, 2), (42, 4), (0, 5)):
            outcome = adapter.fetch(session, upstream.url("/pypi/foo/json"), required_serial)
            assert isinstance(outcome.error, requests.HTTPError)
            assert outcome.error.response is not None
            assert outcome.error.response.text == "gone"
            assert (outcome.is_missing, outcome.is_proven_gone) == (True, False)
            assert len(upstream.asked) == requests_


def test_a_cached_404_is_climbed_past() -> None:
    """Some copy has the new package."""
    upstream = Upstream(lambda asked: Answer() if "cb" in asked.query else Answer(404, None))
    with upstream.session() as (session, adapter):
        assert adapter.fetch(session, upstream.url("/pypi/foo/json"), 42).response is not None
    assert len(upstream.asked) == 2


@pytest.mark.parametrize(
    ("other", "status"),
    [
        pytest.param(Answer(404, None), 404, id="gone"),
        pytest.param(Answer(serial="41"), None, id="an-old-page"),
        pytest.param(Answer(503), 404, id="trouble"),
        pytest.param(Answer(403), 404, id="refused"),
    ],
)
def test_a_404_of_one_copy_is_not_the_whole_story(other: Answer, status: int | None) -> None:
    """Where another has a page, the package is not missing."""
    upstream = Upstream(lambda asked: other if "cb" in asked.query else Answer(404, None))
    with upstream.session() as (session, adapter):
        outcome = adapter.fetch(session, upstream.url("/pypi/foo/json"), 42)
    assert outcome.response is None
    assert getattr(getattr(outcome.error, "response", None), "status_code", None) == status
    assert outcome.is_missing is (status == 404)
    assert not outcome.is_proven_gone


def test_a_refusal_ends_all_extra_asking() -> None:
    """Of this page, and of any other in the run: the server wants fewer requests."""
    upstream = Upstream(lambda asked: Answer(serial="41") if "Accept-Encoding" in asked.headers else Answer(429))
    with upstream.session() as (session, adapter):
        for name, count in (("foo", 2), ("bar", 3)):
            adapter.fetch(session, upstream.url(f"/pypi/{name}/json"), 42)
            assert len(upstream.asked) == count


@pytest.mark.parametrize("status", [403, 429, 503])
def test_what_a_refusal_says_is_kept(status: int, mocker: Any) -> None:
    """The latest time; of the first answer too, which ends as it would without the suite."""
    mocker.patch("time.time", return_value=1000.5)
    waits = iter(("60", "30"))
    upstream = Upstream(lambda _: Answer(status, retry_after=next(waits)))
    with upstream.session() as (session, adapter):
        for _ in range(2):
            outcome = adapter.fetch(session, upstream.url("/pypi/foo/json"), 42)
            assert isinstance(outcome.error, requests.HTTPError)
            assert adapter.climber.refusal == Refusal(1000, 1060)
    assert len(upstream.asked) == 2


@pytest.mark.parametrize("status", [200, 404])
def test_a_run_that_begins_refused_asks_plainly_and_once(status: int) -> None:
    """Whether a page is stale or not found, and for what is in quarantine too, whose turn it is in another way."""
    upstream = fixed(status=status, serial="41")
    with upstream.session() as (session, adapter):
        adapter.climber.begin_refused(Refusal(0, 60))
        for budget in (None, RecheckBudget(3, 4, 40)):
            assert adapter.fetch(session, upstream.url("/pypi/foo/json"), 42, budget).response is None
    assert len(upstream.asked) == 2
    assert all("Accept-Encoding" in asked.headers and not asked.query for asked in upstream.asked)


@pytest.mark.parametrize(
    "answer",
    [Answer(503), Answer(0), Answer(missing=10, serial=None)],
    ids=["server-error", "reset", "truncated"],
)
def test_errors_are_the_callers(answer: Answer) -> None:
    """As without the suite: nothing is asked again."""
    upstream = Upstream(lambda _: answer)
    errors = []
    with upstream.session() as (session, adapter):
        with requests.Session() as bare:
            with pytest.raises(requests.RequestException) as raised:
                bare.get(upstream.url("/pypi/foo/json")).raise_for_status()
            errors.append(raised.type)
        outcome = adapter.fetch(session, upstream.url("/pypi/foo/json"), 42)
    assert [type(outcome.error)] == errors
    assert len(upstream.asked) == 2


def test_a_broken_connection_ends_the_climb() -> None:
    """The page counts as stale, as the first answer said; nothing is retried."""
    upstream = Upstream(lambda asked: Answer(0) if "Accept-Encoding" not in asked.headers else Answer(serial="41"))
    with upstream.session() as (session, adapter):
        outcome = adapter.fetch(session, upstream.url("/pypi/foo/json"), 42)
    assert (outcome.response, outcome.error) == (None, None)
    assert [seen.serial for seen in outcome.observations] == [41, None]


def test_a_page_that_is_known_to_be_stale_is_asked_for_sparingly() -> None:
    """In as many ways as allowed."""
    upstream = fixed(serial="41")
    with upstream.session() as (session, adapter):
        outcome = adapter.fetch(session, upstream.url("/pypi/foo/json"), 42, RecheckBudget(2, 4, 41))
    assert (outcome.response, outcome.error) == (None, None)
    assert len(upstream.asked) == 2


def test_a_page_that_is_known_follows_the_others_and_leaves_out_what_is_no_use() -> None:
    """In the way that has just cured another one, then in the first."""
    upstream = Upstream(
        lambda asked: Answer(serial="42" if "bar" in asked.target and "Accept-Encoding" not in asked.headers else "41")
    )
    with upstream.session() as (session, adapter):
        adapter.climber.leave_out({"cache_bust", "no_cache"})
        for name, budget, count in (("foo", None, 3), ("bar", None, 2), ("baz", RecheckBudget(1, None, 41), 2)):
            before = len(upstream.asked)
            adapter.fetch(session, upstream.url(f"/pypi/{name}/json"), 42, budget)
            assert len(upstream.asked) == before + count


@pytest.mark.parametrize(
    ("answer", "taken"),
    [
        (Answer(serial="42"), True),
        (Answer(serial="41"), False),
        (Answer(serial=None), False),
        (Answer(404, None), False),
        (Answer(503, None), False),
    ],
    ids=["fresh", "stale", "no-serial", "404", "503"],
)
def test_a_page_from_elsewhere_is_taken_or_not_and_proves_nothing(answer: Answer, taken: bool) -> None:
    """As bare takes it, request by request; twice, as nothing is learned."""
    elsewhere = Upstream(lambda _: answer)
    upstream = Upstream(lambda _: Answer(302, None, location=elsewhere.url("/pypi/foo/json")))
    with elsewhere.serving(), upstream.session() as (session, adapter), requests.Session() as bare:
        status = bare.get(upstream.url("/pypi/foo/json")).status_code
        for count in (2, 3):
            outcome = adapter.fetch(session, upstream.url("/pypi/foo/json"), 42)
            assert (outcome.response is not None) is taken
            assert getattr(getattr(outcome.error, "response", None), "status_code", 200) == status
            assert (outcome.is_missing, outcome.is_proven_gone) == (status == 404, False)
            assert [seen.serial for seen in outcome.observations if seen.serial] == []
            assert (len(upstream.asked), len(elsewhere.asked)) == (count, count)
    assert not adapter.climber.ladder.is_refused


@pytest.mark.parametrize("answer", [Answer(), Answer(404, None), Answer(429, None), Answer(302, None, location="/")])
@pytest.mark.parametrize("cured", [True, False])
def test_a_later_way_that_leads_elsewhere_is_no_cure(cured: bool, answer: Answer) -> None:
    """On to the next; unless it never ends, as a broken connection does."""
    elsewhere = Upstream(lambda _: answer)
    there = elsewhere.url("/pypi/foo/json")

    def answering(asked: Received) -> Answer:
        if "Accept-Encoding" in asked.headers and not asked.query:
            return Answer(serial="41")
        return Answer() if cured and asked.query else Answer(302, None, location=there)

    upstream = Upstream(answering)
    with elsewhere.serving(), upstream.session() as (session, adapter):
        outcome = adapter.fetch(session, upstream.url("/pypi/foo/json"), 42)
    assert outcome.error is None
    if answer.location:
        assert outcome.response is None
        assert [str(seen) for seen in outcome.observations[1:]] == ["strip got TooManyRedirects"]
        return
    assert (outcome.response is not None) is cured
    assert str(outcome.observations[1]) == "strip got a redirect to another host"
    assert len(outcome.observations) == (3 if cured else len(LADDER))


def test_a_404_is_still_one_where_other_ways_lead_elsewhere() -> None:
    """What answers there is no word on it."""
    elsewhere = fixed()
    there = elsewhere.url("/pypi/foo/json")
    upstream = Upstream(
        lambda asked: (
            Answer(404, None)
            if "Accept-Encoding" in asked.headers and not asked.query
            else Answer(302, None, location=there)
        )
    )
    with elsewhere.serving(), upstream.session([PLAIN, STRIP, BUST]) as (session, adapter):
        outcome = adapter.fetch(session, upstream.url("/pypi/foo/json"), 42)
    assert isinstance(outcome.error, requests.HTTPError)


@pytest.mark.parametrize("first", [True, False])
def test_redirects_without_end_end_the_climb(first: bool) -> None:
    """With the error of requests, and after as many requests; met in another way, the page is stale."""

    def answer(asked: Received) -> Answer:
        if not first and "Accept-Encoding" in asked.headers:
            return Answer(serial="41")
        return Answer(302, None, location="/pypi/foo/json")

    upstream = Upstream(answer)
    with upstream.session() as (session, adapter), requests.Session() as bare:
        if first:
            with pytest.raises(requests.TooManyRedirects):
                bare.get(upstream.url("/pypi/foo/json"))
        most = len(upstream.asked) or 1 + 31
        for _ in range(2):
            upstream.asked.clear()
            outcome = adapter.fetch(session, upstream.url("/pypi/foo/json"), 42)
            assert outcome.response is None
            assert isinstance(outcome.error, requests.TooManyRedirects) is first
            assert len(upstream.asked) == most
            most = most if first else 1  # it is known to be stale by then


def test_many_threads_learn_from_one_climb() -> None:
    """The first page is asked for alone; the timestamps differ."""
    upstream = Upstream(lambda asked: Answer(serial="42" if "cb" in asked.query else "41"))
    with upstream.session() as (session, adapter), ThreadPoolExecutor(10) as threads:
        urls = [upstream.url(f"/pypi/p{number}/json") for number in range(20)]
        outcomes = list(threads.map(lambda url: adapter.fetch(session, url, 42), urls))
    assert all(outcome.response is not None for outcome in outcomes)
    assert len(upstream.asked) == 20 + 2
    busts = [asked.query["cb"][0] for asked in upstream.asked if "cb" in asked.query]
    assert len(set(busts)) == len(busts) == 20


def test_the_others_do_not_wait_for_a_first_answer_that_never_comes(mocker: Any) -> None:
    """A page that hangs delays them for a moment, and once only."""
    mocker.patch("bandersnatch_freshness.transports.requests_adapter.SCOUT_SECONDS", 0.05)
    arrived, let_go = threading.Event(), threading.Event()

    def answer(asked: Received) -> Answer:
        if "hangs" in asked.target:
            arrived.set()
            let_go.wait(30)
        return Answer()

    upstream = Upstream(answer)
    with upstream.session() as (session, adapter), ThreadPoolExecutor(1) as threads:
        first = threads.submit(adapter.fetch, session, upstream.url("/pypi/hangs/json"), 42)
        assert arrived.wait(30)
        assert adapter.fetch(session, upstream.url("/pypi/foo/json"), 42).response is not None
        mocker.patch("bandersnatch_freshness.transports.requests_adapter.SCOUT_SECONDS", 3600)
        assert adapter.fetch(session, upstream.url("/pypi/foo/json"), 42).response is not None
        let_go.set()
        assert first.result().response is not None


def test_a_bug_of_ours_leaves_requests_as_they_are(mocker: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Logged once; the request is sent plainly, and so are all later ones; a page is judged all the same."""
    begin_run()
    mocker.patch.object(FreshAdapter, "_dress", autospec=True, side_effect=RuntimeError("a bug"))
    upstream = fixed(serial="41")
    with upstream.session([ALL]) as (session, adapter):
        for _ in range(2):
            assert session.get(upstream.url("/simple/")).status_code == 200
        outcome = adapter.fetch(session, upstream.url("/pypi/foo/json"), 42)
    assert (outcome.response, outcome.error) == (None, None)
    assert upstream.targets == ["/simple/", "/simple/", "/pypi/foo/json"]
    assert caplog.messages == ["An error inside bandersnatch-freshness: continuing without it"]


def test_closing_the_session_closes_what_sends() -> None:
    """Its connections, too."""
    upstream = fixed()
    with upstream.session() as (session, adapter):
        session.get(upstream.url("/simple/"))
        assert isinstance(adapter.inner, HTTPAdapter)
        assert len(adapter.inner.poolmanager.pools) == 1
    assert len(adapter.inner.poolmanager.pools) == 0

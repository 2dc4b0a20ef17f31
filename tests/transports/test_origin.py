"""Requests to the origin itself, through both transports, against a real server on loopback."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from email.message import Message
from http.server import BaseHTTPRequestHandler
from typing import Any

import aiohttp
import pytest
import requests

from bandersnatch_freshness.core.observations import Observation
from bandersnatch_freshness.core.variants import LADDER
from bandersnatch_freshness.settings import Settings
from bandersnatch_freshness.transports.aiohttp_session import FreshSession
from bandersnatch_freshness.transports.climber import ORIGIN_AGENT, AdaptiveClimber
from bandersnatch_freshness.transports.requests_adapter import FreshAdapter

from ..http_server import Server, serving

PATH = "/pypi/foo/json"
PAGE = json.dumps({"info": {"name": "foo"}, "last_serial": 42, "releases": {}}).encode()


@dataclass(frozen=True)
class Answer:
    """One answer; with `missing` bytes left out at its end, or none at all without a status."""

    status: int = 200
    body: bytes = PAGE
    kind: str = "application/json"
    serial: str = "42"
    location: str = ""
    retry_after: str = ""
    missing: int = 0


class Upstream:
    """A server that remembers what it was asked, and how many requests at once."""

    def __init__(self, answer: Callable[[str], Answer]) -> None:
        """`answer` makes the answer to a request for a path."""
        self.asked: list[tuple[str, str, Message]] = []
        self.most = self.now = 0
        lock, upstream = threading.Lock(), self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _handle(self) -> None:
                with lock:
                    upstream.asked.append((self.command, self.path, self.headers))
                    upstream.now += 1
                    upstream.most = max(upstream.most, upstream.now)
                made = answer(self.path)
                with lock:
                    upstream.now -= 1
                self.close_connection = bool(made.missing) or not made.status
                if not made.status:
                    return
                self.send_response(made.status)
                fields = {"Content-Type": made.kind, "X-PyPI-Last-Serial": made.serial, "Location": made.location}
                for name, value in (fields | {"Retry-After": made.retry_after}).items():
                    if value:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(made.body)))
                self.end_headers()
                self.wfile.write(made.body[: len(made.body) - made.missing])

            do_GET = do_OPTIONS = _handle  # noqa: N815 - as http.server wants it

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        self.server = Server(("127.0.0.1", 0), Handler)

    def url(self, path: str = PATH) -> str:
        """Return the URL of a path."""
        return f"http://127.0.0.1:{self.server.server_port}{path}"

    def serving(self) -> AbstractContextManager[None]:
        """Serve, in a thread."""
        return serving(self.server)


@dataclass
class Asked:
    """What was seen of some pages, None for those not asked for; what came of those that were taken; and the pauses."""

    seen: list[Observation | None]
    taken: list[Any]
    pauses: list[float]
    climber: AdaptiveClimber


def through_aiohttp(upstream: Upstream, count: int, **options: Any) -> Asked:
    """Ask for so many pages at once."""

    async def ask() -> Asked:
        pauses: list[float] = []

        async def pause(seconds: float) -> None:
            pauses.append(seconds)

        headers = {"User-Agent": "bandersnatch/8"}
        async with aiohttp.ClientSession(raise_for_status=True, headers=headers) as session:
            fresh = FreshSession(session, upstream.url(""), Settings(LADDER, "cb"))
            asks = [
                fresh.ask_origin(upstream.url(f"{PATH}?{number}"), 42, "foo", pause=pause, **options)
                for number in range(count)
            ]
            results = await asyncio.gather(*asks)
            taken = [await one.response.json() for one in results if one and one.response]
            seen = [one.observations[0] if one else None for one in results]
            return Asked(seen, taken, pauses, fresh.climber)

    return asyncio.run(ask())


def through_requests(upstream: Upstream, count: int, **options: Any) -> Asked:
    """Ask for so many pages at once, each in a thread."""
    pauses: list[float] = []
    with requests.Session() as session:
        session.trust_env = False
        session.headers["User-Agent"] = "bandersnatch/8"
        adapter = FreshAdapter(upstream.url(""), LADDER, "cb")
        session.mount(upstream.url(""), adapter)

        def ask(number: int) -> Any:
            url = upstream.url(f"{PATH}?{number}")
            return adapter.ask_origin(session, url, 42, "foo", pause=pauses.append, **options)

        with ThreadPoolExecutor(max(1, count)) as pool:
            results = list(pool.map(ask, range(count)))
        taken = [one.response.json() for one in results if one and one.response is not None]
        seen = [one.observations[0] if one else None for one in results]
        return Asked(seen, taken, pauses, adapter.climber)


Ask = Callable[..., Asked]
both = pytest.mark.parametrize("ask", [through_aiohttp, through_requests])


def asked_for(ask: Ask, answer: Answer | Callable[[str], Answer], count: int = 1, **options: Any) -> Any:
    """Return what came of asking a server, and the server."""
    upstream = Upstream(answer if callable(answer) else lambda _: answer)
    with upstream.serving():
        return ask(upstream, count, **options), upstream


@both
def test_the_page_is_taken(ask: Ask) -> None:
    """By one OPTIONS request that says who sends it, beside Bandersnatch's own name or the one that the caller sets."""
    for headers, agent in ({}, "bandersnatch/8"), ({"User-Agent": "mine", "Accept": "x"}, "mine"):
        found, upstream = asked_for(ask, Answer(), headers=headers)
        ((method, target, sent),) = upstream.asked
        assert (method, target) == ("OPTIONS", f"{PATH}?0")
        assert sent["User-Agent"] == f"{agent} {ORIGIN_AGENT}"
        assert headers.get("Accept") in (None, sent["Accept"])
        assert found.taken == [json.loads(PAGE)]


@both
def test_one_at_a_time_and_one_a_second(ask: Ask) -> None:
    """The first after a random time, so that not all mirrors ask at once."""
    found, upstream = asked_for(ask, Answer(), 5)
    assert len(found.taken) == len(upstream.asked) == 5
    first, *others = found.pauses
    assert 0 <= first <= 10
    assert others == [1] * 4
    assert upstream.most == 1
    assert len({asked_for(ask, Answer())[0].pauses[0] for _ in range(3)}) > 1


@both
@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        pytest.param(Answer(body=PAGE.replace(b"42", b"41"), serial="41"), "", id="older"),
        pytest.param(Answer(serial="41"), "another serial in its body", id="older-by-its-header-alone"),
        pytest.param(Answer(body=b"", serial="", kind="text/html"), "no JSON", id="a-proxy-that-answers-itself"),
        pytest.param(Answer(body=b"{}", serial=""), "no serial", id="a-proxy-that-answers-with-json"),
        pytest.param(Answer(kind="text/html"), "no JSON", id="html"),
        pytest.param(Answer(body=PAGE.replace(b"42", b"41")), "another serial in its body", id="older-body"),
        pytest.param(Answer(body=PAGE.replace(b"foo", b"bar")), "the page of another project", id="wrong-name"),
        pytest.param(Answer(301, location="/pypi/bar/json"), "status 301", id="a-redirect"),
        pytest.param(Answer(404), "status 404", id="a-404"),
    ],
)
def test_nothing_else_is(ask: Ask, answer: Answer, problem: str) -> None:
    """No redirect is followed; and the next page may be asked for."""
    found, upstream = asked_for(ask, answer, 2)
    assert (found.taken, [one.problem for one in found.seen], len(upstream.asked)) == ([], [problem] * 2, 2)
    assert not found.climber.ladder.is_refused


@both
@pytest.mark.parametrize("answer", [Answer(missing=9), Answer(0)], ids=["cut", "broken"])
def test_a_broken_connection_ends_it(ask: Ask, answer: Answer) -> None:
    """For this run; an answer that breaks off is no page."""
    found, _ = asked_for(ask, answer, 3)
    assert found.taken == []
    assert found.seen[0].problem
    assert answer.status or found.seen[1:] == [None, None]


@both
@pytest.mark.parametrize("status", [403, 405, 429, 500, 503])
def test_a_refusal_ends_it(ask: Ask, status: int) -> None:
    """Also for those who wait for their turn. Too many requests are too many in any way; a method is one's own."""
    found, upstream = asked_for(ask, Answer(status), 3)
    assert len(upstream.asked) == 1
    assert [one and one.status for one in found.seen] == [status, None, None]
    assert found.climber.ladder.is_refused is (status == 429)


@both
def test_retry_after_is_heeded(ask: Ask) -> None:
    """Nothing is asked for in other ways from then on."""
    found, _ = asked_for(ask, Answer(503, retry_after="60"))
    assert found.climber.ladder.is_refused
    assert found.climber.all_ways is None


def test_all_ways_are_those_of_the_ladder() -> None:
    """By name, as evidence has them."""
    assert AdaptiveClimber("https://pypi.example", LADDER[:2], "cb").all_ways == ["plain", "strip"]

"""The index through aiohttp, against real servers on loopback."""

from __future__ import annotations

import xmlrpc.client
from collections.abc import Callable, Sequence

import aiohttp
import pytest
from aiohttp import web

from bandersnatch_freshness.core.guard import IndexGuard
from bandersnatch_freshness.core.index import Index, KnownIndex
from bandersnatch_freshness.core.index_age import Mark
from bandersnatch_freshness.core.observations import Observation
from bandersnatch_freshness.core.variants import LADDER
from bandersnatch_freshness.settings import Settings
from bandersnatch_freshness.transports.aiohttp_session import FreshSession

from .aiohttp_upstream import Upstream, page

DAY = 86400


def guarded(upstream: Upstream, session: FreshSession, serial: int = 99) -> FreshSession:
    """Return a session like this one that guards the index, which was at a serial a day ago."""
    made = FreshSession(session.wrapped, upstream.url(""), Settings(LADDER, "cb", guards=True))
    assert made.index
    made.index.guard = IndexGuard(KnownIndex(Index(serial, 0, marks=(Mark(serial, 0),))), now=DAY)
    return made


def observations(session: FreshSession) -> Sequence[Observation]:
    """Return what a look at the index showed."""
    assert session.index
    return session.index.observations


def index(serial_of: Callable[[web.Request], str | None]) -> Upstream:
    """Return a server whose index has this serial for a request; its body is what it was asked for with."""

    def answer(request: web.Request) -> web.Response:
        return page(serial_of(request), request.headers.get("Accept-Encoding", "none"))

    return Upstream(answer)


@pytest.mark.parametrize(
    ("serials", "methods", "body"),
    [
        pytest.param({}, ["GET", "POST", "HEAD", "HEAD", "HEAD"], "gzip", id="all-alike"),
        pytest.param({"none": "43"}, ["GET", "POST", "HEAD", "HEAD", "HEAD", "GET"], "none", id="one-newer"),
        pytest.param({"none": "41"}, ["GET", "POST", "HEAD", "HEAD", "HEAD"], "gzip", id="one-older"),
        pytest.param({"none": None}, ["GET", "POST", "HEAD", "GET", "GET"], "gzip", id="one-without"),
        pytest.param(dict.fromkeys(("gzip", "none", "deflate")), ["GET"], "gzip", id="none-has"),
    ],
)
async def test_the_index_comes_from_the_freshest_copy(
    serials: dict[str, str | None], methods: list[str], body: str
) -> None:
    """Compared by three requests at most, a GET where HEAD shows nothing; for a master that says nothing of itself."""
    upstream = index(lambda request: serials.get(request.headers.get("Accept-Encoding", "none").split(",")[0], "42"))
    async with upstream.session(LADDER) as plain:
        session = guarded(upstream, plain)
        async with session.get(upstream.url("/simple"), headers={"Accept": "x"}) as response:
            assert (await response.text()).startswith(body)
        assert [request.method for request in upstream.asked] == methods
        assert {request.headers["Accept"] for request in upstream.asked if request.method != "POST"} == {"x"}
        assert len(observations(session)) == len(methods) - methods.count("POST")
        async with session.get(upstream.url("/simple/foo/")):
            pass
    assert len(upstream.asked) == len(methods) + 1


@pytest.mark.parametrize("retry_after", ["", "60"])
async def test_an_index_that_is_refused_is_the_callers_error(retry_after: str) -> None:
    """As without the suite: nothing is compared; what it says of later requests is heeded."""
    upstream = Upstream(lambda _: web.Response(status=503, headers={"Retry-After": retry_after} if retry_after else {}))
    async with upstream.session(LADDER) as plain:
        session = guarded(upstream, plain)
        with pytest.raises(aiohttp.ClientResponseError):
            await session.get(upstream.url("/simple/"))
    assert len(upstream.asked) == 1
    assert session.climber.ladder.is_refused is bool(retry_after)


@pytest.mark.parametrize("raise_for_status", [True, False])
async def test_a_copy_of_the_index_that_is_refused_ends_all_extra_asking(raise_for_status: bool) -> None:
    """In this comparison, and in the run."""
    upstream = Upstream(
        lambda request: (
            page("41") if request.method == "GET" else web.Response(status=429, headers={"Retry-After": "9"})
        )
    )
    async with upstream.session(LADDER, raise_for_status) as plain:
        session = guarded(upstream, plain)
        for count in (3, 4):
            async with session.get(upstream.url("/simple/")) as response:
                assert response.status == 200
            assert len(upstream.asked) == count
        await session.fetch(upstream.url("/pypi/foo/json"), 42)
    assert len(upstream.asked) == 5
    assert session.climber.refusal is not None


async def test_copies_that_can_not_be_had_are_not_the_freshest() -> None:
    """An error for one of them is no error for the index."""
    upstream = Upstream(lambda request: page() if len(upstream.asked) == 1 else web.Response(status=405))
    async with upstream.session(LADDER) as plain:
        session = guarded(upstream, plain)
        async with session.get(upstream.url("/simple/")) as response:
            assert response.status == 200
    assert [one.status for one in observations(session)] == [200, 405, 405, 405]


@pytest.mark.parametrize(
    ("serial", "headers"),
    [
        pytest.param(42, {}, id="as-new-as-known"),
        pytest.param(41, {}, id="newer"),
        pytest.param(99, {"Cache-Control": f"public, max-age={2 * DAY}"}, id="may-be-kept"),
        pytest.param(99, {"Cache-Control": f"max-age=60, s-maxage={2 * DAY}"}, id="may-be-kept-by-what-is-shared"),
    ],
)
async def test_an_index_that_is_not_in_doubt_is_one_request(serial: int, headers: dict[str, str]) -> None:
    """Bandersnatch's own."""
    upstream = Upstream(lambda _: web.Response(text="{}", headers={"X-PyPI-Last-Serial": "42", **headers}))
    async with upstream.session(LADDER) as plain:
        session = guarded(upstream, plain, serial)
        if serial == 42:  # which has moved of late
            assert session.index
            session.index.guard = IndexGuard(KnownIndex(Index(42, DAY, marks=(Mark(42, 0),))), now=DAY)
        async with session.get(upstream.url("/simple/")) as response:
            assert response.status == 200
    assert len(upstream.asked) == 1


@pytest.mark.parametrize(("account", "requests"), [(42, 2), (43, 5)])
async def test_copies_are_compared_only_if_the_master_says_that_there_is_a_newer_one(
    account: int, requests: int
) -> None:
    """By one call."""
    said = xmlrpc.client.dumps((account,), methodresponse=True)
    upstream = Upstream(lambda request: web.Response(text=said) if request.method == "POST" else page("42"))
    async with upstream.session(LADDER) as plain, guarded(upstream, plain).get(upstream.url("/simple/")):
        pass
    assert len(upstream.asked) == requests


@pytest.mark.parametrize(
    ("answer", "changes"),
    [
        pytest.param(
            lambda: web.Response(text=xmlrpc.client.dumps(([["foo", "1.0", 1, "create", 43]],), methodresponse=True)),
            {"foo": 43},
            id="changes",
        ),
        pytest.param(lambda: web.Response(status=429), None, id="refused"),
        pytest.param(lambda: web.Response(text="<html>"), None, id="html"),
        pytest.param(lambda: web.Response(body=b"x" * 2**20 * 65), None, id="too-much"),
    ],
)
async def test_asks_the_master_itself_what_has_changed(
    answer: Callable[[], web.Response], changes: dict[str, int] | None
) -> None:
    """Whatever it is that comes."""
    upstream = Upstream(lambda _: answer())
    async with upstream.session(LADDER) as plain:
        session = guarded(upstream, plain)
        assert session.index
        assert await session.index.changes(42) == changes
